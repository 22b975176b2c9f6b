// Receivers of a shipped log as processes of their own, to be killed at any moment: one of HTTPS, one of syslog over TLS that reads the frames of
// RFC 5425 by the specification. What is answered has been told to the parent first, so that it outlives the receiver.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { createServer as createTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

export interface ReceiverOptions {
  readonly kind: 'https' | 'syslog';
  /** PEM files. */
  readonly cert: string;
  readonly key: string;
  /** Whoever connects must have a certificate of this authority. */
  readonly client_ca?: string;
  /** 0: any. */
  readonly port?: number;
  /** Reads so slowly that each answer, or chunk, takes so long. */
  readonly slow_ms?: number;
}

export interface Arrival {
  /** A message each. */
  readonly lines: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Receiver {
  readonly port: number;
  /** What arrived at this and at all that were restarted from it, in order. */
  readonly arrivals: Arrival[];
  kill(): Promise<void>;
  /** At the same port, after it was killed. */
  again(): Promise<Receiver>;
}

export const startReceiver = async (options: ReceiverOptions, arrivals: Arrival[] = []): Promise<Receiver> => {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), JSON.stringify(options)], {
    // Its standard input ends with us, and so does it.
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (/^\d+$/.test(line)) resolve(Number(line));
      // The last line of one that was killed may be cut.
      else if (line.endsWith('}')) arrivals.push(JSON.parse(line) as Arrival);
    });
    void ended.then(() => reject(new Error('the receiver ended')));
  });
  return {
    port,
    arrivals,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    again: () => startReceiver({ ...options, port }, arrivals),
  };
};

const tell = (arrival: Arrival): Promise<void> =>
  new Promise((resolve) => process.stdout.write(`${JSON.stringify(arrival)}\n`, () => resolve()));

const receive = ({ kind, cert, key, client_ca, port = 0, slow_ms = 0 }: ReceiverOptions): void => {
  process.stdin.resume().on('close', () => process.exit(0));
  const slow = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, slow_ms));
  const pem = { cert: readFileSync(cert), key: readFileSync(key) };
  const server =
    kind === 'https'
      ? createHttps(pem, (request, response) => {
          const chunks: Buffer[] = [];
          request.on('data', (chunk: Buffer) => chunks.push(chunk));
          request.on('end', async () => {
            const bytes = Buffer.concat(chunks);
            const plain = request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes;
            await tell({
              lines: plain.toString().trimEnd().split('\n'),
              headers: { ...(request.headers as Record<string, string>), path: request.url ?? '' },
            });
            await slow();
            response.writeHead(200).end('{"text":"Success","code":0}');
          });
        })
      : createTls(
          {
            ...pem,
            ...(client_ca !== undefined && {
              ca: readFileSync(client_ca),
              requestCert: true,
              rejectUnauthorized: true,
            }),
          },
          async (socket) => {
            socket.on('error', () => {});
            let rest: Buffer = Buffer.alloc(0);
            try {
              for await (const chunk of socket as AsyncIterable<Buffer>) {
                rest = Buffer.concat([rest, chunk]);
                const lines: string[] = [];
                // MSG-LEN SP SYSLOG-MSG
                for (let space = rest.indexOf(0x20); space !== -1; space = rest.indexOf(0x20)) {
                  const length = rest.toString('latin1', 0, space);
                  if (!/^[1-9]\d*$/.test(length)) throw new Error(`no frame begins with ${JSON.stringify(length)}`);
                  const end = space + 1 + Number(length);
                  if (rest.length < end) break;
                  lines.push(rest.toString('utf8', space + 1, end));
                  rest = rest.subarray(end);
                }
                if (lines.length > 0) await tell({ lines });
                if (slow_ms > 0) await slow();
              }
            } catch (error) {
              if (!/ECONNRESET|aborted|premature/i.test(String(error)))
                await tell({ lines: [`FAULT ${String(error)}`] });
            }
          },
        );
  server.on('tlsClientError', () => {});
  server.listen(port, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
};

if (process.argv[1] === fileURLToPath(import.meta.url)) receive(JSON.parse(process.argv[2] ?? '') as ReceiverOptions);
