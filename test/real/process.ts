// A whole gateway as a process of its own, for tests that kill it, starve it or weigh it: `holdpoint serve` as an operator
// runs it. Ends by `kill` or `remove`; must never signal a process it did not start.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readLog } from '../../src/audit/read.ts';
import { realFs } from '../../src/audit/files.ts';
import { survey } from '../../src/audit/scan.ts';
import type { ReadRecord } from '../../src/audit/types.ts';
import { type ReviewClient, reviewClient, signIn } from '../../src/review/client.ts';
import { AGENT_PASSWORD, type GatewayOptions, writeGateway } from './gateway.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const BUILT = new URL('../../dist/main.js', import.meta.url).pathname;
/** A proof starts it often, and runs after a build (test/run.ts). */
const PROGRAM = process.env['HOLDPOINT_PROVE'] === '1' ? [BUILT] : ['--import', 'tsx', MAIN];
const REVIEWER_PASSWORD = 'reviewer-secret';

export interface GatewayProcess {
  readonly pid: number;
  readonly port: number;
  readonly agentUrl: string;
  /** Of its log, JSON. */
  readonly lines: readonly string[];
  /** What it wrote to standard error. */
  readonly errors: () => string;
  readonly reviewUrl: string;
  /** Signs in; a bearer token for the reviewers' API. */
  token(user: string): Promise<string>;
  reviewer(user: string): Promise<ReviewClient>;
  /** Resolves when it has ended, by whatever. */
  readonly ended: Promise<number | string | null>;
  /** Resolves when it has ended, with its exit status or the signal that ended it. */
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | string | null>;
  /** Resident memory, in bytes. */
  rss(): Promise<number>;
}

/** A folder in which gateways run one after the other. */
export interface GatewayHome {
  readonly dir: string;
  /** Resolves when it serves; `preload` is a module (JavaScript) that is loaded before the program. */
  start(preload?: string): Promise<GatewayProcess>;
  /** The log's records; throws if the log does not verify. Only while no gateway writes it. */
  records(): Promise<ReadRecord[]>;
  /** Kills what still runs, and removes the folder. */
  remove(): Promise<void>;
}

export const gatewayHome = async (options: GatewayOptions): Promise<GatewayHome> => {
  const { dir, file } = await writeGateway(options, REVIEWER_PASSWORD);
  const running = new Set<GatewayProcess>();
  return {
    dir,
    async start(preload) {
      const started = await startProcess(file, preload, (ended) => running.delete(ended));
      running.add(started);
      return started;
    },
    async records() {
      const log = join(dir, 'data', 'audit');
      const { problem } = await survey(realFs, log);
      if (problem) throw new Error(`the log does not verify: ${problem.text}`);
      const records: ReadRecord[] = [];
      for await (const record of readLog(log)) records.push(record);
      return records;
    },
    async remove() {
      await Promise.all([...running].map((one) => one.kill('SIGKILL')));
      await rm(dir, { recursive: true, force: true });
    },
  };
};

const startProcess = async (
  file: string,
  preload: string | undefined,
  gone: (ended: GatewayProcess) => void,
): Promise<GatewayProcess> => {
  const before = preload === undefined ? [] : ['--import', preload];
  const child = spawn(process.execPath, [...before, ...PROGRAM, 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  let errors = '';
  let rest = '';
  const ended = once(child, 'close').then(() => child.signalCode ?? child.exitCode);
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const urls = new Promise<{ port: number; review: string }>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      rest += text;
      const whole = rest.split('\n');
      rest = whole.pop() ?? '';
      lines.push(...whole);
      const port = /agents connect to [\d.]+:(\d+)/.exec(lines.join('\n'))?.[1];
      const review = /console: (http:[^"]+)/.exec(lines.join('\n'))?.[1];
      if (port && review) resolve({ port: Number(port), review });
    });
    void ended.then((how) => reject(new Error(`the gateway ended (${how}): ${errors}${lines.join('\n')}`)));
  });
  const { port, review } = await urls;
  const pid = child.pid as number;
  const token = async (user: string): Promise<string> =>
    (await signIn(review, { user, password: REVIEWER_PASSWORD })).token;
  const started: GatewayProcess = {
    pid,
    port,
    agentUrl: `postgres://bot:${AGENT_PASSWORD}@127.0.0.1:${port}/postgres`,
    lines,
    errors: () => errors,
    ended,
    reviewUrl: review,
    token,
    reviewer: async (user) => reviewClient(review, await token(user)),
    async kill(signal) {
      child.kill(signal);
      return ended;
    },
    async rss() {
      const kib = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
      return Number(kib) * 1024;
    },
  };
  void ended.then(() => gone(started));
  return started;
};
