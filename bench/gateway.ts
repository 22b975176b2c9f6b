// The gateway beside pgbouncer and beside a raw relay, in one run: the same load against the same server, taking turns
// (A B C A B C ...), medians of the rounds. A ratio is the median of the rounds' ratios: the machine's moods last longer than a
// round. CPU is user and system time of the proxy's process by /proc, per query or per MB; throughput is printed too, but the
// machine that runs the load shares it.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeScramVerifier } from '../src/identity/scram.ts';
import { startServer } from '../test/real/servers.ts';
import { cpuOf, holdpoint, median, PASSWORD, type Peer, pgbouncer, relay, stop } from './peers.ts';
import { stream } from './stream.ts';

const ROUNDS = Number(process.env['HOLDPOINT_BENCH_ROUNDS'] ?? 5);
const SECONDS = Number(process.env['HOLDPOINT_BENCH_SECONDS'] ?? 4);
/** A runtime that compiles what is used often needs some seconds to know it. */
const WARM_UP_SECONDS = 10;
const CLIENTS = 32;
const RATE_CLIENTS = 8;
const RATE = 2000;
/** Queries between \startpipeline and \endpipeline. */
const PIPELINE = 10;
const PGBENCH = '/usr/lib/postgresql/15/bin/pgbench';

interface Mode {
  readonly title: string;
  /** Times pgbouncer's CPU that the gateway's may be. */
  readonly must: number;
  /** Of pgbench; null: one big result after another, read by one client. */
  readonly args: readonly string[] | null;
  /** In one transaction of pgbench. */
  readonly queries: number;
}

const load = (protocol: string): readonly string[] => ['-S', '-M', protocol, '-c', String(CLIENTS)];
const MODES: Readonly<Record<string, Mode>> = {
  prepared: { title: `prepared, ${CLIENTS} clients`, must: 1.6, args: load('prepared'), queries: 1 },
  simple: { title: `simple, ${CLIENTS} clients`, must: 2, args: load('simple'), queries: 1 },
  extended: { title: `extended, ${CLIENTS} clients`, must: 2, args: load('extended'), queries: 1 },
  pipelined: {
    title: `pipelined, prepared, ${PIPELINE} queries at once, ${CLIENTS} clients (latency is of all ${PIPELINE})`,
    must: 2.4,
    args: ['-f', 'pipeline.sql', '-M', 'prepared', '-c', String(CLIENTS)],
    queries: PIPELINE,
  },
  'pipelined-extended': {
    title: `pipelined, extended, ${PIPELINE} queries at once, ${CLIENTS} clients (latency is of all ${PIPELINE})`,
    must: 2.4,
    args: ['-f', 'pipeline.sql', '-M', 'extended', '-c', String(CLIENTS)],
    queries: PIPELINE,
  },
  streaming: {
    title: 'streaming, 1 client, rows of about 110 bytes (latency is of a result of 200 MB)',
    must: 1.3,
    args: null,
    queries: 1,
  },
  rate: {
    title: `prepared, ${RATE_CLIENTS} clients at ${RATE} queries a second`,
    must: 1.6,
    args: ['-S', '-M', 'prepared', '-c', String(RATE_CLIENTS), '-R', String(RATE)],
    queries: 1,
  },
};
const WANTED = process.env['HOLDPOINT_BENCH_MODES']?.split(',') ?? Object.keys(MODES);

interface Sample {
  /** Queries, or MB, a second. */
  readonly rate: number;
  /** µs of user and system time for each query, or MB. */
  readonly cpu_us: number;
  /** ms */
  readonly p50: number;
  readonly p99: number;
}

const main = async (): Promise<void> => {
  const unknown = WANTED.find((name) => !(name in MODES));
  if (unknown !== undefined) throw new Error(`there is no mode ${unknown}: ${Object.keys(MODES).join(', ')}`);
  const server = await startServer(15);
  const dir = await mkdtemp(join(tmpdir(), 'holdpoint-bench-'));
  const peers: Peer[] = [{ name: 'direct', port: server.port, child: null }];
  try {
    const env = { ...process.env, PGPASSWORD: server.password };
    const at = ['-h', '127.0.0.1', '-p', String(server.port), '-U', server.user, 'postgres'];
    execFileSync(PGBENCH, ['-i', '-q', '-s', '1', ...at], { env, stdio: 'ignore' });
    const one = '\\set aid random(1, 100000)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n';
    await writeFile(join(dir, 'pipeline.sql'), `\\startpipeline\n${one.repeat(PIPELINE)}\\endpipeline\n`);
    execFileSync('psql', [server.url, '-qc', `CREATE ROLE bench LOGIN SUPERUSER PASSWORD '${PASSWORD}'`]);
    const verifier = await makeScramVerifier(PASSWORD);
    peers.push(await pgbouncer(server));
    peers.push(await holdpoint(dir, server.port, verifier));
    peers.push(await relay(server.port));
    console.log(
      `PostgreSQL 15, ${cpus().length} cores, Node ${process.version}, ${ROUNDS} rounds of ${SECONDS} s, medians`,
    );
    console.log(
      'Holdpoint: starter policy, full inspection, audit on (async); pgbouncer: session pooling, SCRAM on both legs\n',
    );
    for (const name of WANTED) await compare(MODES[name] as Mode, peers, dir);
  } finally {
    for (const peer of peers) await stop(peer);
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  }
};

const compare = async (mode: Mode, peers: readonly Peer[], dir: string): Promise<void> => {
  const measure = mode.args === null ? stream : (peer: Peer, seconds: number) => pgbench(mode, peer, dir, seconds);
  const samples = new Map<string, Sample[]>(peers.map(({ name }) => [name, []]));
  for (const peer of peers) await measure(peer, WARM_UP_SECONDS);
  for (let round = 0; round < ROUNDS; round++)
    for (const peer of peers) samples.get(peer.name)?.push(await measure(peer, SECONDS));
  const middle = (name: string, pick: (sample: Sample) => number): number =>
    median((samples.get(name) ?? []).map(pick));
  const bouncer = samples.get('pgbouncer') ?? [];
  const ratio = (name: string): number =>
    median((samples.get(name) ?? []).map((sample, round) => sample.cpu_us / (bouncer[round]?.cpu_us ?? Number.NaN)));
  const direct = middle('direct', (sample) => sample.p50);
  console.log(`${mode.title}; must: at most ${mode.must} x pgbouncer's CPU`);
  const unit = mode.args === null ? 'MB' : 'query';
  console.log(
    `  peer      ${(mode.args === null ? 'MB/s' : 'queries/s').padStart(11)}${`CPU µs/${unit}`.padStart(15)}   CPU vs pgbouncer   p50 ms   p99 ms   added p50 µs`,
  );
  for (const { name } of peers) {
    const p50 = middle(name, (sample) => sample.p50);
    console.log(
      [
        `  ${name.padEnd(10)}`,
        middle(name, (sample) => sample.rate)
          .toFixed(0)
          .padStart(11),
        (name === 'direct' ? '-' : middle(name, (sample) => sample.cpu_us).toFixed(1)).padStart(15),
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

const pgbench = async (mode: Mode, peer: Peer, dir: string, seconds: number): Promise<Sample> => {
  const args = mode.args ?? [];
  const before = cpuOf(peer);
  const log = ['-l', '--log-prefix', join(dir, 'log')];
  const at = ['-h', '127.0.0.1', '-p', String(peer.port), '-U', 'bench', 'postgres'];
  const child = spawn(PGBENCH, [...args, '-n', '-j', '2', '-T', String(seconds), ...log, ...at], {
    cwd: dir,
    env: { ...process.env, PGPASSWORD: PASSWORD },
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (out += chunk.toString()));
  await once(child, 'close');
  const cpu = cpuOf(peer) - before;
  const count = mode.queries * Number(/number of transactions actually processed: (\d+)/.exec(out)?.[1] ?? 0);
  const rate = mode.queries * Number(/tps = ([\d.]+)/.exec(out)?.[1] ?? 0);
  if (count === 0) throw new Error(`pgbench against ${peer.name} did nothing:\n${out}`);
  const times: number[] = [];
  for (const file of readdirSync(dir).filter((name) => name.startsWith('log.'))) {
    // client, transaction, latency in µs, script, seconds, µs [, lag behind the rate]
    for (const line of readFileSync(join(dir, file), 'latin1').split('\n')) {
      const fields = line.split(' ');
      if (fields.length > 5) times.push(Number(fields[2]) - Number(fields[6] ?? 0));
    }
    rmSync(join(dir, file));
  }
  times.sort((a, b) => a - b);
  const quantile = (share: number): number => (times[Math.floor(times.length * share)] ?? 0) / 1000;
  return { rate, cpu_us: cpu / count, p50: quantile(0.5), p99: quantile(0.99) };
};

await main();
