// The gateway beside pgbouncer and beside a raw relay, in one run: the same pgbench against the same server, taking turns
// (A B C A B C ...), medians of the rounds. A ratio is the median of the rounds' ratios: the machine's moods last longer than a round. CPU is user and system time of the proxy's process by /proc, per query;
// throughput is printed too, but the machine that runs the load shares it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { freePort, own, serverUser } from '../src/cli/demo/cluster.ts';
import { makeScramVerifier } from '../src/identity/scram.ts';
import { startServer } from '../test/real/servers.ts';

const ROUNDS = Number(process.env['HOLDPOINT_BENCH_ROUNDS'] ?? 5);
const SECONDS = Number(process.env['HOLDPOINT_BENCH_SECONDS'] ?? 4);
/** A runtime that compiles what is used often needs some seconds to know it. */
const WARM_UP_SECONDS = 10;
const WANTED = (process.env['HOLDPOINT_BENCH_MODES'] ?? 'prepared,simple,extended,rate').split(',');
const CLIENTS = 32;
const RATE = 2000;
const PASSWORD = 'bench';
const PGBENCH = '/usr/lib/postgresql/15/bin/pgbench';
const TICK_US = 1_000_000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

interface Peer {
  readonly name: string;
  readonly port: number;
  readonly child: ChildProcess | null;
}

interface Sample {
  readonly tps: number;
  /** µs of user and system time for each query. */
  readonly cpu_us: number;
  /** ms */
  readonly p50: number;
  readonly p99: number;
}

const root = fileURLToPath(new URL('..', import.meta.url));

const main = async (): Promise<void> => {
  const server = await startServer(15);
  const dir = await mkdtemp(join(tmpdir(), 'holdpoint-bench-'));
  const peers: Peer[] = [{ name: 'direct', port: server.port, child: null }];
  try {
    const env = { ...process.env, PGPASSWORD: server.password };
    execFileSync(
      PGBENCH,
      ['-i', '-q', '-s', '1', '-h', '127.0.0.1', '-p', String(server.port), '-U', server.user, 'postgres'],
      {
        env,
        stdio: 'ignore',
      },
    );
    execFileSync('psql', [server.url, '-qc', `CREATE ROLE bench LOGIN SUPERUSER PASSWORD '${PASSWORD}'`]);
    const verifier = await makeScramVerifier(PASSWORD);
    peers.push(await pgbouncer(dir, server.port));
    peers.push(await holdpoint(dir, server.port, verifier));
    peers.push(await relay(server.port));
    console.log(
      `PostgreSQL 15, ${cpus().length} cores, Node ${process.version}, ${ROUNDS} rounds of ${SECONDS} s, medians`,
    );
    console.log(
      'Holdpoint: starter policy, full inspection, audit on (async); pgbouncer: session pooling, SCRAM on both legs\n',
    );
    for (const mode of ['prepared', 'simple', 'extended'] as const)
      if (WANTED.includes(mode)) await compare(mode, peers, dir, []);
    if (WANTED.includes('rate')) await compare('prepared', peers, dir, ['-R', String(RATE)]);
  } finally {
    for (const { child } of peers)
      if (child) {
        child.kill('SIGTERM');
        if (child.exitCode === null) await once(child, 'exit');
      }
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  }
};

const compare = async (
  mode: 'prepared' | 'simple' | 'extended',
  peers: readonly Peer[],
  dir: string,
  extra: readonly string[],
): Promise<void> => {
  const rated = extra.length > 0;
  const samples = new Map<string, Sample[]>(peers.map(({ name }) => [name, []]));
  for (const peer of peers) await measure(mode, peer, dir, extra, WARM_UP_SECONDS);
  for (let round = 0; round < ROUNDS; round++)
    for (const peer of peers) samples.get(peer.name)?.push(await measure(mode, peer, dir, extra, SECONDS));
  const middle = (name: string, pick: (sample: Sample) => number): number =>
    median((samples.get(name) ?? []).map(pick));
  const bouncer = samples.get('pgbouncer') ?? [];
  const ratio = (name: string): number =>
    median((samples.get(name) ?? []).map((sample, round) => sample.cpu_us / (bouncer[round]?.cpu_us ?? Number.NaN)));
  const direct = middle('direct', (sample) => sample.p50);
  console.log(`${mode}, ${rated ? `8 clients at ${RATE} queries a second` : `${CLIENTS} clients`}`);
  console.log('  peer        queries/s   CPU µs/query   CPU vs pgbouncer   p50 ms   p99 ms   added p50 µs');
  for (const { name } of peers) {
    const cpu = middle(name, (sample) => sample.cpu_us);
    const p50 = middle(name, (sample) => sample.p50);
    console.log(
      [
        `  ${name.padEnd(10)}`,
        middle(name, (sample) => sample.tps)
          .toFixed(0)
          .padStart(11),
        (name === 'direct' ? '-' : cpu.toFixed(1)).padStart(15),
        (name === 'direct' ? '-' : `${ratio(name).toFixed(2)} x`).padStart(19),
        p50.toFixed(3).padStart(9),
        middle(name, (sample) => sample.p99)
          .toFixed(3)
          .padStart(9),
        (name === 'direct' ? '-' : ((p50 - direct) * 1000).toFixed(0)).padStart(15),
      ].join(''),
    );
  }
  console.log('');
};

const measure = async (
  mode: string,
  peer: Peer,
  dir: string,
  extra: readonly string[],
  seconds: number,
): Promise<Sample> => {
  const rated = extra.length > 0;
  const prefix = join(dir, 'log');
  const before = cpuOf(peer);
  const child = spawn(
    PGBENCH,
    [
      '-Snl',
      '-M',
      mode,
      '-c',
      String(rated ? 8 : CLIENTS),
      '-j',
      '2',
      '-T',
      String(seconds),
      ...extra,
      '--log-prefix',
      prefix,
      '-h',
      '127.0.0.1',
      '-p',
      String(peer.port),
      '-U',
      'bench',
      'postgres',
    ],
    { env: { ...process.env, PGPASSWORD: PASSWORD } },
  );
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (out += chunk.toString()));
  await once(child, 'close');
  const cpu = cpuOf(peer) - before;
  const count = Number(/number of transactions actually processed: (\d+)/.exec(out)?.[1] ?? 0);
  const tps = Number(/tps = ([\d.]+)/.exec(out)?.[1] ?? 0);
  if (count === 0) throw new Error(`pgbench against ${peer.name} did nothing:\n${out}`);
  const times: number[] = [];
  for (const file of readdirSync(dir).filter((name) => name.startsWith('log.'))) {
    // client, transaction, latency in µs, script, seconds, µs [, lag]
    for (const line of readFileSync(join(dir, file), 'latin1').split('\n')) {
      const fields = line.split(' ');
      if (fields.length > 5) times.push(Number(fields[2]) - (rated ? Number(fields[6] ?? 0) : 0));
    }
    rmSync(join(dir, file));
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number => (times[Math.floor(times.length * share)] ?? 0) / 1000;
  return { tps, cpu_us: cpu / count, p50: at(0.5), p99: at(0.99) };
};

/** User and system time of the process so far, in µs. */
const cpuOf = (peer: Peer): number => {
  if (!peer.child?.pid) return 0;
  const fields = readFileSync(`/proc/${peer.child.pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
};

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

const pgbouncer = async (dir: string, upstream: number): Promise<Peer> => {
  const port = await freePort(0);
  const as = await serverUser();
  const users = join(dir, 'userlist.txt');
  // With SCRAM on both legs pgbouncer needs the clear password for its own login.
  await writeFile(users, `"bench" "${PASSWORD}"\n`);
  const ini = join(dir, 'pgbouncer.ini');
  await writeFile(
    ini,
    [
      '[databases]',
      `postgres = host=127.0.0.1 port=${upstream} dbname=postgres`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${users}`,
      'pool_mode = session',
      'default_pool_size = 100',
      'max_client_conn = 200',
      'ignore_startup_parameters = extra_float_digits',
      'log_connections = 0',
      'log_disconnections = 0',
      '',
    ].join('\n'),
  );
  for (const path of [dir, users, ini]) own(path, as);
  chmodSync(dir, 0o755);
  const child = spawn('/usr/sbin/pgbouncer', [ini], { ...as, stdio: 'ignore' });
  await listening(port);
  return { name: 'pgbouncer', port, child };
};

const holdpoint = async (dir: string, upstream: number, verifier: string): Promise<Peer> => {
  const port = await freePort(0);
  await writeFile(
    join(dir, 'users.yaml'),
    stringify({
      users: [
        { id: 'bench', kind: 'agent', sponsor: 'ada', postgres: verifier },
        { id: 'ada', kind: 'human', roles: ['reviewer'] },
      ],
    }),
  );
  await writeFile(
    join(dir, 'holdpoint.yaml'),
    stringify({
      data: 'data',
      policy: join(root, 'policies/starter.yaml'),
      postgres: [
        {
          name: 'app',
          listen: `127.0.0.1:${port}`,
          upstream: `postgres://bench:${PASSWORD}@127.0.0.1:${upstream}/postgres`,
        },
      ],
      review: { listen: '127.0.0.1:0' },
      identity: { users: 'users.yaml' },
    }),
  );
  const child = spawn(
    process.execPath,
    [join(root, 'dist/main.js'), 'serve', '--config', join(dir, 'holdpoint.yaml')],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  await listening(port);
  return { name: 'holdpoint', port, child };
};

const relay = async (upstream: number): Promise<Peer> => {
  const port = await freePort(0);
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', join(root, 'bench/relay.ts'), String(port), String(upstream)],
    {
      stdio: 'ignore',
      cwd: root,
    },
  );
  await listening(port);
  return { name: 'raw relay', port, child };
};

const listening = async (port: number): Promise<void> => {
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(port, '127.0.0.1');
    const open = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on ${port}`);
};

await main();
