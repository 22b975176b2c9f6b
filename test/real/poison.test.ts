// Texts made to be dear to analyse must cost those who send them, not the others: p99 of other sessions' point reads without and
// with attackers, and the memory that the gateway's process takes at most. The gateway and the server run in processes of their own;
// the others send by the clock, so that a stall counts for every read that it delays.
// Sizes of seconds; HOLDPOINT_PROVE=1 for a thousand of each text, and fifty of each long one, which are of 1 MB then.
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bind, execute, parse, query, SYNC } from '../../src/wire/postgres/messages.ts';
import { AGENT_PASSWORD } from './gateway.ts';
import { type GatewayHome, gatewayHome, type GatewayProcess } from './process.ts';
import { Raw } from './raw.ts';
import { startServer, type TestServer } from './servers.ts';

const FULL = process.env['HOLDPOINT_PROVE'] === '1';
const MIB = 1024 * 1024;
/** Of a measurement without an attack, and the least of one with it. */
const WINDOW_MS = FULL ? 5000 : 1000;
const ROUNDS = FULL ? 5 : 3;
/** Of the longest texts. */
const LONG_BYTES = FULL ? MIB : MIB / 4;
const ATTACKERS = 4;
/** Between two reads of one of the other sessions, in ms. */
const EVERY_MS = 40;
/** The others' p99 may be the larger of this and `SLOWER_MAX` times what it is without an attack. */
const P99_MS_MAX = 50;
const SLOWER_MAX = 3;
/**
 * The process itself, and of each of its two workers the heap (pool.ts, WORKER_HEAP_MB_MAX) and the parser's memory, which the worst text
 * of 1 MB (`a,a,a...`) makes 240 MiB large.
 */
const PEAK_BYTES_MAX = (256 + 2 * (768 + 256)) * MIB;

interface Poison {
  readonly name: string;
  /** Answered at least so often in a round. */
  readonly times: number;
  readonly text: (n: number) => string;
}

const POISONS: readonly Poison[] = [
  { name: '16 KB of 1+1+...', times: FULL ? 200 : 5, text: (n) => `SELECT ${n}${'+1'.repeat(8 * 1024)}` },
  {
    name: '20,000 nested comments',
    times: FULL ? 200 : 5,
    text: (n) => `SELECT ${n} ${'/*'.repeat(20_000)}${'*/'.repeat(20_000)}`,
  },
  {
    name: '100 KB of parentheses',
    times: FULL ? 200 : 5,
    text: (n) => `SELECT ${n}, ${'('.repeat(50 * 1024)}1${')'.repeat(50 * 1024)}`,
  },
  {
    name: `IN list of ${LONG_BYTES >> 10} KB`,
    times: FULL ? 10 : 1,
    text: (n) => `SELECT id FROM kv WHERE id IN (${n}${',1'.repeat(LONG_BYTES / 2 - 50)})`,
  },
  {
    name: 'the same, held',
    times: FULL ? 10 : 1,
    text: (n) => `SELECT lo_get(1) FROM kv WHERE id IN (${n}${',1'.repeat(LONG_BYTES / 2 - 50)})`,
  },
  {
    name: `select list of ${LONG_BYTES >> 10} KB`,
    times: FULL ? 10 : 1,
    text: (n) => `SELECT ${n}${',v'.repeat(LONG_BYTES / 2 - 50)} FROM kv`,
  },
];

/** What the other sessions send, one kind each: what it takes to send the nth read. */
const READS: readonly ((raw: Raw, n: number) => void)[] = [
  (raw) => raw.send(query('SELECT v FROM kv WHERE id = 7')),
  (raw, n) => raw.send(query(`SELECT v FROM kv WHERE id = ${n} % 10000`)),
  (raw, n) => raw.send(...(n === 0 ? [parse('read', 'SELECT v FROM kv WHERE id = 7')] : []), ...run('read')),
  (raw, n) => raw.send(parse('', orm(n)), ...run('')),
];
const run = (statement: string): Buffer[] => [bind('', statement), execute(''), SYNC];
const orm = (n: number): string =>
  `SELECT ${Array.from({ length: 20 }, (_, i) => `"kv"."v" AS "kv_column_${i}"`).join(', ')} FROM "kv" WHERE "kv"."id" = ${n} % 10000`;

let server: TestServer;
let home: GatewayHome;
let gateway: GatewayProcess;
let others: readonly Raw[];
const sent = new Map<Raw, number>();

beforeAll(async () => {
  server = await startServer(15);
  await server.admin(
    'CREATE TABLE kv (id int PRIMARY KEY, v text); INSERT INTO kv SELECT g, md5(g::text) FROM generate_series(0, 9999) g; ANALYZE kv',
  );
  home = await gatewayHome({ upstream: server.url });
  gateway = await home.start();
  others = await Promise.all(Array.from({ length: 2 * READS.length }, login));
  // Warm: code is compiled, and each kind of read has been seen.
  await measure(sleep(2000));
});
afterAll(async () => {
  await home?.remove();
  await server?.stop();
});

const login = async (): Promise<Raw> => {
  const raw = await Raw.connect(gateway.port);
  const messages = await raw.login('bot', AGENT_PASSWORD, { database: 'postgres' });
  expect(messages.at(-1)?.type).toBe('Z');
  return raw;
};

/** Latencies in ms of all others' reads, each from the moment it was due, until `ends`. */
const measure = async (ends: Promise<unknown>): Promise<number[]> => {
  const over = new AbortController();
  const end = (): void => over.abort();
  ends.then(end, end);
  const latencies: number[] = [];
  await Promise.all(
    others.map(async (raw, which) => {
      let due = performance.now() + (which * EVERY_MS) / others.length;
      while (!over.signal.aborted) {
        const early = due - performance.now();
        if (early > 1) await sleep(early);
        const n = sent.get(raw) ?? 0;
        sent.set(raw, n + 1);
        READS[which % READS.length]?.(raw, n);
        const answer = await raw.until('Z');
        expect(answer.map(({ type }) => type)).toContain('D');
        latencies.push(performance.now() - due);
        due += EVERY_MS;
      }
    }),
  );
  return latencies;
};

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? 0;

/** Sends a text over and over, each time another one, as fast as it is taken; resolves with how many were answered. */
const attack = async ({ text, times }: Poison): Promise<number> => {
  const until = performance.now() + WINDOW_MS;
  let number = 1_000_000;
  let answered = 0;
  const goesOn = (): boolean => performance.now() < until || answered < times;
  const one = async (which: number): Promise<void> => {
    const raw = await login();
    // A held text becomes a ticket at once, so that the next one can follow.
    raw.send(query("SET holdpoint.hold = '0s'"));
    await raw.until('Z');
    let waiting = 0;
    const next = (): void => {
      waiting += 1;
      const sql = text((number += 1));
      // Half of them do not wait for an answer before they send the next.
      raw.send(...(which < ATTACKERS / 2 ? [query(sql)] : [parse('', sql), ...run('')]));
    };
    if (which % 2 === 0) next();
    next();
    for (; waiting > 0; waiting -= 1) {
      await raw.until('Z');
      answered += 1;
      if (goesOn()) next();
    }
    raw.destroy();
  };
  await Promise.all(Array.from({ length: ATTACKERS }, (_, which) => one(which)));
  return answered;
};

/** The most resident memory that the gateway had since the last call, in bytes. */
const peak = async (): Promise<number> => {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${gateway.pid}/status`, 'utf8'))?.[1];
  // proc(5): 5 sets the mark back.
  await writeFile(`/proc/${gateway.pid}/clear_refs`, '5');
  return Number(kib) * 1024;
};

const told = (latencies: readonly number[]): string => {
  const [p50, p99, max] = [quantile(latencies, 0.5), quantile(latencies, 0.99), Math.max(...latencies)];
  return `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(0)} ms of ${latencies.length} reads`;
};

test.each(POISONS)(
  'other sessions do not feel $name',
  async (poison) => {
    const without: number[] = [];
    const attacked: number[] = [];
    let texts = 0;
    let seconds = 0;
    await peak();
    // They take turns, so that what else the machine does falls on both.
    for (let round = 0; round < ROUNDS; round += 1) {
      without.push(...(await measure(sleep(WINDOW_MS))));
      const began = performance.now();
      const attacks = attack(poison);
      attacked.push(...(await measure(attacks)));
      texts += await attacks;
      seconds += (performance.now() - began) / 1000;
    }
    const most = await peak();
    console.log(
      `${poison.name}: ${texts} texts in ${seconds.toFixed(0)} s\n  without: ${told(without)}\n  with:    ${told(attacked)}\n  RSS at most ${(most / MIB).toFixed(0)} MiB`,
    );
    // A figure of seconds among other tests says nothing about time.
    if (FULL) expect(quantile(attacked, 0.99)).toBeLessThan(Math.max(P99_MS_MAX, SLOWER_MAX * quantile(without, 0.99)));
    expect(most).toBeLessThan(PEAK_BYTES_MAX);
  },
  FULL ? 30 * 60_000 : 120_000,
);
