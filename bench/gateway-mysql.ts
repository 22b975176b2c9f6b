// The gateway before MariaDB, beside haproxy in TCP mode and beside a raw relay, neither of which reads anything: the same load against the same
// server, taking turns (compare.ts). The load is a client of our own in this process, as there is no pgbench that prepares.
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { MysqlUpstreamLine } from '../src/session/upstream.ts';
import { connectMysql } from '../src/upstream/mysql/connect.ts';
import { PLAIN } from '../src/upstream/mysql/kill.ts';
import { makeStored } from '../src/wire/mysql/auth.ts';
import { COM } from '../src/wire/mysql/commands.ts';
import { HEADER_BYTES, packets } from '../src/wire/mysql/frame.ts';
import { command, HEADER } from '../src/wire/mysql/messages.ts';
import { targetOf } from '../test/real/mysql-door.ts';
import { startMysql } from '../test/real/mysql-servers.ts';
import { compare, ROUNDS, type Sample, SECONDS, wanted } from './compare.ts';
import { execution } from './point-select.ts';
import { cpuOf, haproxy, holdpoint, PASSWORD, type Peer, relay, stop } from './peers.ts';

const CLIENTS = 32;
const ROWS = 100_000;
/** Texts of the mode `text`, which are all seen before. */
const KNOWN_TEXTS = 1000;
const SQL = 'SELECT abalance FROM accounts WHERE aid = ';

interface Mode {
  readonly title: string;
  /** Times haproxy's CPU that the gateway's may be; null: printed, promised nowhere. */
  readonly must: number | null;
  /** The next query, whole. */
  readonly next: (statement: number) => Buffer;
}

const random = (below: number): number => Math.floor(Math.random() * below);
const text = (sql: string): Buffer => packets(0, command(COM.QUERY, sql));

const MODES: Readonly<Record<string, Mode>> = {
  prepared: {
    title: `prepared, ${CLIENTS} clients`,
    must: 1.5,
    next: (statement) => execution(statement, 1 + random(ROWS)),
  },
  text: {
    title: `text, seen before, ${CLIENTS} clients`,
    must: 1.5,
    next: () => text(`${SQL}${1 + random(KNOWN_TEXTS)}`),
  },
  'new-text': {
    title: `text, never seen before, ${CLIENTS} clients`,
    must: null,
    next: () => text(`${SQL}${1 + random(ROWS)} LIMIT ${1 + random(1e9)}`),
  },
};

const main = async (): Promise<void> => {
  const names = wanted(MODES);
  const server = await startMysql('mariadb');
  const dir = await mkdtemp(join(tmpdir(), 'holdpoint-bench-'));
  const peers: Peer[] = [{ name: 'direct', port: server.port, child: null, pid: server.pid }];
  try {
    await server.sql(SCHEMA);
    peers.push(await haproxy(dir, server.port));
    peers.push(await holdpoint(dir, 'mysql', `${server.port}/app`, await makeStored(PASSWORD)));
    peers.push(await relay(server.port));
    console.log(`MariaDB, ${cpus().length} cores, Node ${process.version}, ${ROUNDS} rounds of ${SECONDS} s, medians`);
    console.log('Holdpoint: starter policy, full inspection, audit on (async); haproxy: TCP mode, one thread\n');
    for (const name of names) {
      const { title, must, next } = MODES[name] as Mode;
      await compare({ title, must, unit: 'query', rates: 'queries/s', beside: 'haproxy' }, peers, (peer, seconds) =>
        load(peer, next, seconds),
      );
    }
  } finally {
    for (const peer of peers) await stop(peer);
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  }
};

const SCHEMA = `CREATE DATABASE app; USE app;
CREATE TABLE accounts (aid INT PRIMARY KEY, bid INT, abalance INT, filler CHAR(84));
INSERT INTO accounts SELECT seq, 1, seq % 1000, '' FROM seq_1_to_${ROWS};
CREATE USER bench@'%' IDENTIFIED BY '${PASSWORD}'; GRANT ALL ON *.* TO bench@'%';`;

/** Each client asks, reads the whole answer and asks again, until `seconds` have passed. Logins are not counted. */
const load = async (peer: Peer, next: Mode['next'], seconds: number): Promise<Sample> => {
  const clients: Client[] = [];
  for (let n = 0; n < CLIENTS; n++) clients.push(await Client.connect(peer.port));
  const times: number[] = [];
  const before = cpuOf(peer);
  const start = performance.now();
  const end = start + seconds * 1000;
  await Promise.all(clients.map((client) => client.ask(next, end, times)));
  const elapsed_s = (performance.now() - start) / 1000;
  const cpu = cpuOf(peer) - before;
  for (const client of clients) client.line.end();
  times.sort((a, b) => a - b);
  const quantile = (share: number): number => times[Math.floor(times.length * share)] ?? 0;
  return { rate: times.length / elapsed_s, cpu_us: cpu / times.length, p50: quantile(0.5), p99: quantile(0.99) };
};

/** EOF packets in an answer: behind the columns and behind the rows, or behind the parameters and behind the columns. */
const EOFS = 2;
const EOF_BYTES_MAX = 8;

class Client {
  readonly line: MysqlUpstreamLine;
  #rest: Buffer = Buffer.alloc(0);
  #eofs = 0;
  #statement = -1;
  #answered: () => void = () => {};
  #failed: (error: Error) => void = () => {};

  private constructor(line: MysqlUpstreamLine) {
    this.line = line;
  }

  /** Logged in, with a prepared statement. */
  static async connect(port: number): Promise<Client> {
    const target = targetOf({ port, user: 'bench', password: PASSWORD });
    const client = new Client(await connectMysql(target, { ...PLAIN, database: 'app' }));
    client.line.listen({
      data: (chunk) => client.#read(chunk),
      drain: () => {},
      closed: () => client.#failed(new Error('the connection was closed')),
    });
    await new Promise<void>((resolve, reject) => {
      client.#answered = resolve;
      client.#failed = reject;
      client.line.write(packets(0, command(COM.STMT_PREPARE, `${SQL}?`)));
    });
    return client;
  }

  /** Adds the time of each answer, in ms. */
  ask(next: Mode['next'], end: number, times: number[]): Promise<void> {
    return new Promise((resolve, reject) => {
      let asked = performance.now();
      this.#failed = reject;
      this.#answered = () => {
        const now = performance.now();
        times.push(now - asked);
        if (now >= end) return resolve();
        asked = now;
        this.line.write(next(this.#statement));
      };
      this.line.write(next(this.#statement));
    });
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = bytes.readUIntLE(at, 3);
      if (bytes.length - at < HEADER_BYTES + length) break;
      const head = bytes[at + HEADER_BYTES] as number;
      if (head === HEADER.ERR) return this.#failed(new Error(bytes.toString('latin1', at, at + length)));
      if (head === HEADER.OK && this.#statement < 0) this.#statement = bytes.readUInt32LE(at + HEADER_BYTES + 1);
      at += HEADER_BYTES + length;
      if (head !== HEADER.EOF || length > EOF_BYTES_MAX || ++this.#eofs < EOFS) continue;
      this.#eofs = 0;
      this.#answered();
    }
    this.#rest = bytes.subarray(at);
  }
}

await main();
