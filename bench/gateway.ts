// The gateway before PostgreSQL, beside pgbouncer and beside a raw relay: the same load against the same server, taking turns (compare.ts).
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { makeScramVerifier } from '../src/identity/scram.ts';
import { startServer } from '../test/real/servers.ts';
import { compare, ROUNDS, type Sample, SECONDS, wanted } from './compare.ts';
import { cpuOf, holdpoint, PASSWORD, type Peer, pgbouncer, relay, stop } from './peers.ts';
import { stream } from './stream.ts';

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
const main = async (): Promise<void> => {
  const names = wanted(MODES);
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
    peers.push(await holdpoint(dir, 'postgres', `${server.port}/postgres`, verifier));
    peers.push(await relay(server.port));
    console.log(
      `PostgreSQL 15, ${cpus().length} cores, Node ${process.version}, ${ROUNDS} rounds of ${SECONDS} s, medians`,
    );
    console.log(
      'Holdpoint: starter policy, full inspection, audit on (async); pgbouncer: session pooling, SCRAM on both legs\n',
    );
    for (const name of names) {
      const mode = MODES[name] as Mode;
      const { title, must, args } = mode;
      if (args === null) await compare({ title, must, unit: 'MB', rates: 'MB/s', beside: 'pgbouncer' }, peers, stream);
      else
        await compare({ title, must, unit: 'query', rates: 'queries/s', beside: 'pgbouncer' }, peers, (peer, seconds) =>
          pgbench(mode, peer, dir, seconds),
        );
    }
  } finally {
    for (const peer of peers) await stop(peer);
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  }
};

/** Time for all clients to log in, which is not counted: pgbouncer's servers stay connected from one round to the next, a session's does not. */
const LOGIN_MS = 1000;

const pgbench = async (mode: Mode, peer: Peer, dir: string, seconds: number): Promise<Sample> => {
  const args = mode.args ?? [];
  const log = ['-l', '--log-prefix', join(dir, 'log')];
  const at = ['-h', '127.0.0.1', '-p', String(peer.port), '-U', 'bench', 'postgres'];
  const child = spawn(PGBENCH, [...args, '-n', '-j', '2', '-T', String(seconds + 2), ...log, ...at], {
    cwd: dir,
    env: { ...process.env, PGPASSWORD: PASSWORD },
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const closed = once(child, 'close');
  await setTimeout(LOGIN_MS);
  const [from, before] = [Date.now(), cpuOf(peer)];
  await setTimeout(seconds * 1000);
  const [to, cpu] = [Date.now(), cpuOf(peer) - before];
  await closed;
  const times: number[] = [];
  for (const file of readdirSync(dir).filter((name) => name.startsWith('log.'))) {
    // client, transaction, latency in µs, script, seconds, µs [, lag behind the rate]
    for (const line of readFileSync(join(dir, file), 'latin1').split('\n')) {
      const fields = line.split(' ');
      const ended = Number(fields[4]) * 1000 + Number(fields[5]) / 1000;
      if (ended >= from && ended < to) times.push(Number(fields[2]) - Number(fields[6] ?? 0));
    }
    rmSync(join(dir, file));
  }
  if (times.length === 0) throw new Error(`pgbench against ${peer.name} did nothing:\n${out}`);
  const count = mode.queries * times.length;
  times.sort((a, b) => a - b);
  const quantile = (share: number): number => (times[Math.floor(times.length * share)] ?? 0) / 1000;
  return { rate: (count * 1000) / (to - from), cpu_us: cpu / count, p50: quantile(0.5), p99: quantile(0.99) };
};

await main();
