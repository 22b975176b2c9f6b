// A receiver of webhooks as a process of its own: answers as it was told last, and tells its parent of everything that arrived, line by line.
// What was answered has been told.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** hang: takes the request and never answers. */
type Behaviour = number | 'hang';

export interface Arrived {
  readonly id: string;
  readonly timestamp: string;
  readonly signature: string;
  readonly body: string;
  readonly answered: Behaviour;
}

export interface ReceiverProcess {
  readonly url: string;
  /** All that arrived, in order. */
  readonly arrived: readonly Arrived[];
  /** Resolves as soon as so many more have arrived. */
  more(count: number): Promise<void>;
  /** From now on. Resolves when it does. */
  behave(how: Behaviour): Promise<void>;
  stop(): Promise<void>;
}

export const startReceiver = async (): Promise<ReceiverProcess> => {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), 'receive'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const arrived: Arrived[] = [];
  let told: (text: string) => void = () => {};
  let awaited = { at: Infinity, resolve: (): void => {} };
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (!line.startsWith('{')) return told(line);
    if (arrived.push(JSON.parse(line) as Arrived) >= awaited.at) awaited.resolve();
  });
  const next = (): Promise<string> => new Promise((resolve) => (told = resolve));
  const port = await next();
  return {
    url: `http://127.0.0.1:${port}/in`,
    arrived,
    more: (count) => new Promise((resolve) => (awaited = { at: arrived.length + count, resolve })),
    async behave(how) {
      const done = next();
      child.stdin.write(`${JSON.stringify(how)}\n`);
      await done;
    },
    async stop() {
      const ended = once(child, 'close');
      child.stdin.end();
      await ended;
    },
  };
};

const receive = (): void => {
  let how: Behaviour = 200;
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const [id, timestamp, signature] = ['id', 'timestamp', 'signature'].map(
        (name) => request.headers[`webhook-${name}`],
      );
      const line = `${JSON.stringify({ id, timestamp, signature, body, answered: how })}\n`;
      const answer = how;
      // Told first, then answered.
      process.stdout.write(line, () => {
        if (answer !== 'hang') response.writeHead(answer).end();
      });
    });
  });
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      how = JSON.parse(line) as Behaviour;
      process.stdout.write('ok\n');
    })
    .on('close', () => process.exit(0));
};

if (process.argv[2] === 'receive') receive();
