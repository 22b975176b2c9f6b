// Who does not read must not fill the gateway's memory: a client before a big result, a server before a big COPY, a client
// that only sends. Weighed from outside, as a process. Sizes of seconds; HOLDPOINT_PROVE=1 for three times as much.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { query } from '../../src/wire/postgres/messages.ts';
import { until } from './clients.ts';
import { AGENT_PASSWORD } from './gateway.ts';
import { type GatewayHome, gatewayHome, type GatewayProcess } from './process.ts';
import { message, Raw } from './raw.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const MIB = 1024 * 1024;
/** Through the gateway in each test. */
const TOTAL_BYTES = (process.env['HOLDPOINT_PROVE'] === '1' ? 900 : 300) * MIB;
/** What the process may grow by: buffers of both sockets, and what the collector has not yet taken. */
const GROWTH_BYTES_MAX = 64 * MIB;

let server: TestServer;
let admin: pg.Client;
let home: GatewayHome;
let gateway: GatewayProcess;

beforeAll(async () => {
  server = await startServer(NEWEST);
  admin = await server.admin();
});
afterAll(async () => {
  await server?.stop();
});
beforeEach(async () => {
  home = await gatewayHome({ upstream: server.url });
  gateway = await home.start();
});
afterEach(async () => {
  await home.remove();
});

const login = async (): Promise<Raw> => {
  const raw = await Raw.connect(gateway.port);
  const messages = await raw.login('bot', AGENT_PASSWORD, { database: 'postgres' });
  expect(messages.at(-1)?.type).toBe('Z');
  // Warm: what the first statement loads is no growth.
  raw.send(query('SELECT 1'));
  await raw.until('Z');
  return raw;
};

/** The highest resident memory until the returned function is called, above what it is now. */
const weigh = async (): Promise<() => Promise<number>> => {
  const before = await gateway.rss();
  let most = before;
  const timer = setInterval(() => {
    void gateway.rss().then(
      (now) => (most = Math.max(most, now)),
      () => {},
    );
  }, 20);
  return async () => {
    clearInterval(timer);
    const growth = Math.max(most, await gateway.rss()) - before;
    console.log(
      `pressure, ${expect.getState().currentTestName}: up to ${TOTAL_BYTES / MIB} MiB, grown by ${(growth / MIB).toFixed(0)} MiB`,
    );
    return growth;
  };
};

/** Counts what comes instead of keeping it; resolves when so many bytes have come. */
const drain = async (raw: Raw, bytes: number): Promise<void> => {
  raw.stream.removeAllListeners('data');
  let left = bytes;
  const done = new Promise<void>((resolve) => {
    raw.stream.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left <= 0) resolve();
    });
  });
  raw.stream.resume();
  await done;
};

test.each([
  ['rows of 1 MiB', MIB],
  ['rows of 100 bytes', 100],
])('a client that does not read its result (%s)', async (_, row) => {
  const raw = await login();
  const growth = await weigh();
  raw.stream.pause();
  const rows = Math.floor(TOTAL_BYTES / row);
  raw.send(query(`SELECT repeat('x', ${row}) FROM generate_series(1, ${rows})`));
  await until(async () => {
    const { rowCount } = await admin.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'ClientWrite'");
    return rowCount === 1;
  });
  // Somebody else is served meanwhile.
  const other = new pg.Client(gateway.agentUrl);
  await other.connect();
  for (let n = 0; n < 50; n++) await other.query('SELECT 1');
  await other.end();
  // All of it arrives once it is read; how much it grows is counted on the way, too.
  await drain(raw, rows * row);
  expect(await growth()).toBeLessThan(GROWTH_BYTES_MAX);
  raw.destroy();
});

test('a server that does not read a COPY FROM STDIN', async () => {
  await admin.query('CREATE TABLE loaded (id int PRIMARY KEY, body text)');
  const raw = await login();
  const blocker = new pg.Client(server.url);
  blocker.on('error', () => {});
  await blocker.connect();
  await blocker.query('BEGIN');
  await blocker.query("INSERT INTO loaded VALUES (1, 'in the way')");
  raw.send(query('COPY loaded FROM STDIN'));
  await raw.until('G');
  const growth = await weigh();
  raw.send(message('d', '1\tfirst\n'));
  const line = Buffer.alloc(MIB, 0x78);
  let sent = 0;
  let blocked: Promise<unknown> | null = null;
  const pump = (async () => {
    for (let id = 2; sent < TOTAL_BYTES; id++) {
      const head = Buffer.from(`${id}\t`);
      const data = Buffer.concat([head, line, Buffer.from('\n')]);
      sent += data.length;
      if (raw.stream.write(message('d', data))) continue;
      blocked = once(raw.stream, 'drain');
      await blocked;
      blocked = null;
    }
    raw.send(message('c'));
  })();
  // It stops taking: nothing drains for a second, with most of it unsent.
  let seen = -1;
  while (seen !== sent) {
    seen = sent;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  expect(blocked).not.toBeNull();
  expect(sent).toBeLessThan(TOTAL_BYTES / 2);
  expect(await growth()).toBeLessThan(GROWTH_BYTES_MAX);
  await blocker.query('ROLLBACK');
  await blocker.end();
  await pump;
  const end = await raw.until('Z');
  expect(end.find(({ type }) => type === 'C')?.body.toString()).toMatch(/^COPY \d+/);
  raw.destroy();
});

test.each([
  // Each answer is as long as the statement.
  ['', Buffer.concat(Array.from({ length: 1000 }, () => query(`SELECT '${'y'.repeat(1000)}'`)))],
  [' what is answered here', Buffer.concat(Array.from({ length: 20_000 }, () => query('SHOW holdpoint.reason')))],
])('a client that only sends%s', async (_, batch) => {
  const raw = await login();
  const growth = await weigh();
  raw.stream.pause();
  let sent = 0;
  let quiet = 0;
  // Nobody reads the answers, so at some point nothing is taken any more.
  while (sent < TOTAL_BYTES && quiet === 0) {
    sent += batch.length;
    if (raw.stream.write(batch)) continue;
    const drained = once(raw.stream, 'drain').then(() => 0);
    quiet = await Promise.race([drained, new Promise<number>((resolve) => setTimeout(() => resolve(1), 3000))]);
  }
  expect(quiet).toBe(1);
  expect(await growth()).toBeLessThan(GROWTH_BYTES_MAX);
  raw.destroy();
});

test('a long result arrives as it was sent, however slowly it is read', async () => {
  const sql = 'SELECT g, md5(g::text), repeat(md5(g::text), g % 50) FROM generate_series(1, 60000) g';
  const digest = async (raw: Raw, slow: boolean): Promise<string> => {
    const hash = createHash('sha256');
    raw.stream.removeAllListeners('data');
    const done = new Promise<void>((resolve) => {
      let tail = Buffer.alloc(0);
      raw.stream.on('data', (chunk: Buffer) => {
        hash.update(chunk);
        tail = Buffer.concat([tail, chunk]).subarray(-6);
        if (tail.equals(Buffer.from('5a0000000549', 'hex'))) return resolve();
        if (!slow || chunk[chunk.length >> 1] !== 0x61) return;
        raw.stream.pause();
        setTimeout(() => raw.stream.resume(), 5);
      });
    });
    raw.send(query(sql));
    await done;
    raw.destroy();
    return hash.digest('hex');
  };
  const direct = await Raw.connect(server.port);
  await direct.login(server.user, server.password, { database: 'postgres' });
  const expected = await digest(direct, false);
  expect(await digest(await login(), false)).toBe(expected);
  expect(await digest(await login(), true)).toBe(expected);
});
