// Proxies under measurement, each a process of its own, and how they are weighed: user and system time by /proc, memory by the process
// itself after a full collection. Must never end a process that it did not start.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { listening } from '../test/real/clients.ts';
import { startPgbouncer } from '../test/real/pgbouncer.ts';
import { ownPort } from '../test/real/ports.ts';
import type { TestServer } from '../test/real/servers.ts';

export interface Peer {
  readonly name: string;
  readonly port: number;
  /** null: the server itself. */
  readonly child: ChildProcess | null;
  /** Whose CPU is counted; absent: the child's. */
  readonly pid?: number;
}

export const PASSWORD = 'bench';
export const root = fileURLToPath(new URL('..', import.meta.url));
const MAIN = join(root, 'dist/main.js');
/** For the gateway's Node, such as --cpu-prof. */
const OPTIONS = process.env['HOLDPOINT_BENCH_NODE']?.split(' ') ?? [];
const TICK_US = 1_000_000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** User and system time of the process so far, in µs. */
export const cpuOf = ({ child, pid = child?.pid }: Pick<Peer, 'child' | 'pid'>): number => {
  if (pid === undefined) return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
};

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

export const stop = async ({ child }: Peer): Promise<void> => {
  if (!child) return;
  child.kill('SIGTERM');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
};

export const pgbouncer = async (server: TestServer): Promise<Peer> => {
  const more = [
    'default_pool_size = 100',
    'max_client_conn = 200',
    'ignore_startup_parameters = extra_float_digits',
    'log_connections = 0',
    'log_disconnections = 0',
  ];
  const login = { user: 'bench', password: PASSWORD };
  return { name: 'pgbouncer', ...(await startPgbouncer(server, 'session', login, more.join('\n'))) };
};

/** A server's port in TCP mode, in one thread as the others: it reads nothing of what passes. */
export const haproxy = async (dir: string, upstream: number): Promise<Peer> => {
  const port = await ownPort();
  const file = join(dir, 'haproxy.cfg');
  const lines = [
    'global',
    '  nbthread 1',
    'defaults',
    '  mode tcp',
    '  timeout connect 5s',
    '  timeout client 10m',
    '  timeout server 10m',
    'listen bench',
    `  bind 127.0.0.1:${port}`,
    `  server upstream 127.0.0.1:${upstream}`,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const child = spawn('/usr/sbin/haproxy', ['-db', '-q', '-f', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  await listening(port, child);
  return { name: 'haproxy', port, child };
};

/** `credential`: what users.yaml keeps of the password for that protocol. */
export const holdpoint = async (
  dir: string,
  protocol: 'postgres' | 'mysql',
  upstream: string,
  credential: string,
): Promise<Peer> => {
  const port = await ownPort();
  await writeFile(
    join(dir, 'users.yaml'),
    stringify({
      users: [
        { id: 'bench', kind: 'agent', sponsor: 'ada', [protocol]: credential },
        { id: 'ada', kind: 'human', roles: ['reviewer'] },
      ],
    }),
  );
  const config = join(dir, 'holdpoint.yaml');
  await writeFile(
    config,
    stringify({
      data: 'data',
      policy: join(root, 'policies/starter.yaml'),
      [protocol]: [
        { name: 'app', listen: `127.0.0.1:${port}`, upstream: `${protocol}://bench:${PASSWORD}@127.0.0.1:${upstream}` },
      ],
      review: { listen: '127.0.0.1:0' },
      identity: { users: 'users.yaml' },
    }),
  );
  const child = spawn(process.execPath, [...OPTIONS, MAIN, 'serve', '--config', config], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await listening(port, child);
  return { name: 'holdpoint', port, child };
};

export const relay = async (upstream: number): Promise<Peer> => {
  const port = await ownPort();
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', join(root, 'bench/relay.ts'), String(port), String(upstream)],
    { stdio: 'ignore', cwd: root },
  );
  await listening(port, child);
  return { name: 'raw relay', port, child };
};

/** A server that speaks what Holdpoint asks of one, without being a database: for more connections than a real one can have. */
export const standIn = async (verifier: string): Promise<Peer> => {
  const port = await ownPort();
  const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'bench/stand-in.ts'), String(port), verifier], {
    // It ends with the process that started it.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    cwd: root,
  });
  await listening(port, child);
  return { name: 'stand-in', port, child };
};

/**
 * Runs this program again with room for so many descriptors where it has less, and ends with it. Throws where the machine's hard limit,
 * which only root can raise, is below that.
 */
export const withDescriptors = (needed: number): void => {
  const has = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]);
  if (has >= needed) return;
  if (process.env['HOLDPOINT_BENCH_RAISED'] !== undefined)
    throw new Error(
      `it needs ${needed} descriptors and gets ${has}: raise the hard limit, or set HOLDPOINT_BENCH_SESSIONS`,
    );
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const { status } = spawnSync('sh', ['-c', `ulimit -n ${needed} && exec "$@"`, 'sh', ...again], {
    stdio: 'inherit',
    env: { ...process.env, HOLDPOINT_BENCH_RAISED: '1' },
  });
  process.exit(status ?? 1);
};

export interface Memory {
  /** Resident, of the whole process. */
  readonly rss: number;
  readonly heapUsed: number;
  /** V8's heap as it lies in memory, the room between and behind objects included. */
  readonly heapPhysical: number;
  /** The C library's own heap: what is in use outside of V8, and what was and is kept for more. */
  readonly malloc: number;
  /** Buffers outside of the heap. */
  readonly external: number;
}

export interface Weighed extends Peer {
  readonly reviewUrl: string;
  /**
   * In bytes, after a full collection and as many seconds more: what a burst took as room, V8 gives back to the system after some seconds
   * without work.
   */
  weigh(settle_s?: number): Promise<Memory>;
}

/** Answers a number of seconds with the memory in use so long after two collections: the second takes what the first one's finalizers let go. */
const SCALES = `import { readFileSync } from 'node:fs';
  import { getHeapSpaceStatistics } from 'node:v8';
  const weigh = () => {
    const memory = process.memoryUsage();
    const heapPhysical = getHeapSpaceStatistics().reduce((sum, space) => sum + space.physical_space_size, 0);
    const malloc = 1024 * Number(/\\[heap\\]\\n[^]*?^Rss: +(\\d+)/m.exec(readFileSync('/proc/self/smaps', 'latin1'))?.[1] ?? 0);
    process.send({ ...memory, heapPhysical, malloc });
  };
  process.on('message', (settle_s) => { gc(); setImmediate(() => { gc(); setTimeout(weigh, settle_s * 1000); }); });
  process.channel.unref();`;

/** A gateway with this configuration file, whose memory can be asked for. Resolves when it serves. */
export const weighed = async (config: string): Promise<Weighed> => {
  const preload = `data:text/javascript,${encodeURIComponent(SCALES)}`;
  const child = spawn(
    process.execPath,
    [...OPTIONS, '--expose-gc', '--import', preload, MAIN, 'serve', '--config', config],
    {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    },
  );
  const { port, reviewUrl } = await new Promise<{ port: number; reviewUrl: string }>((resolve, reject) => {
    let text = '';
    child.once('exit', (code) => reject(new Error(`the gateway ended (${code}): ${text}`)));
    child.stdout?.setEncoding('utf8').on('data', (more: string) => {
      text = text.length < 100_000 ? text + more : text;
      const agents = /agents connect to [\d.]+:(\d+)/.exec(text)?.[1];
      const review = /console: (http:[^"\s]+)/.exec(text)?.[1];
      if (agents && review) resolve({ port: Number(agents), reviewUrl: review });
    });
  });
  return {
    name: 'holdpoint',
    port,
    child,
    reviewUrl,
    async weigh(settle_s = 0) {
      child.send(settle_s);
      const [memory] = (await once(child, 'message')) as [Memory];
      return memory;
    },
  };
};
