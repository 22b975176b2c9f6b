// Who does not read must not fill the gateway's memory, MySQL and MariaDB: a client before a big result, a server before a big file, a client that
// only sends, one that is held or at its limit. Weighed from outside, as a process: the twin of pressure.test.ts. HOLDPOINT_PROVE=1 for much
// more.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import mysql2 from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CLIENT } from '../../src/wire/mysql/capabilities.ts';
import { COM } from '../../src/wire/mysql/commands.ts';
import { packets } from '../../src/wire/mysql/frame.ts';
import { readErr } from '../../src/wire/mysql/messages.ts';
import { until } from './clients.ts';
import { AGENT_PASSWORD } from './gateway.ts';
import { flags, PLAIN_FLAGS, RawMysql } from './mysql-raw.ts';
import { available, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';
import { type GatewayHome, gatewayHome, type GatewayProcess } from './process.ts';

const MIB = 1024 * 1024;
/** Through the gateway in each test. */
const TOTAL_BYTES = (process.env['HOLDPOINT_PROVE'] === '1' ? 900 : 200) * MIB;
/** What the process may grow by: buffers of both sockets, and what the collector has not yet taken. */
const GROWTH_BYTES_MAX = 96 * MIB;
/** requests_open_per_principal_max */
const HELD_MAX = 20;

describe.each(ENGINES.filter(available))('%s', (engine) => {
  let server: TestMysql;
  let home: GatewayHome;
  let gateway: GatewayProcess;
  const open: RawMysql[] = [];

  beforeAll(async () => {
    server = await startMysql(engine, ['--local-infile=1', '--max-allowed-packet=64M', '--net-write-timeout=600']);
    // Rows by joins: neither engine's own generators can be bounded alike on both.
    const ten = Array.from({ length: 10 }, (_, n) => `(${n})`).join();
    await server.sql(`CREATE DATABASE app; USE app; CREATE TABLE ten (n INT); INSERT INTO ten VALUES ${ten};
CREATE TABLE loaded (id INT PRIMARY KEY, body LONGTEXT); CREATE TABLE t (id INT PRIMARY KEY); CREATE TABLE capped SELECT a.n FROM ten a, ten b`);
  });
  afterAll(async () => {
    await server?.stop();
  });
  beforeEach(async () => {
    home = await gatewayHome({
      upstream: `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`,
      policy: POLICY,
    });
    gateway = await home.start();
    const first = await mysql2.createConnection(access());
    await first.query('SELECT 1');
    await first.end();
  });
  afterEach(async () => {
    for (const client of open.splice(0)) client.destroy();
    await home.remove();
  });

  const access = () => ({
    host: '127.0.0.1',
    port: gateway.port,
    user: 'bot',
    password: AGENT_PASSWORD,
    database: 'app',
  });
  const login = async (more = 0): Promise<RawMysql> => {
    const client = await RawMysql.connect(gateway.port);
    open.push(client);
    await client.login('bot', AGENT_PASSWORD, {
      capabilities: flags(PLAIN_FLAGS | CLIENT.CONNECT_WITH_DB | more),
      database: 'app',
    });
    // Warm: what the first statement loads is no growth.
    client.command(COM.QUERY, 'SELECT 1');
    expect(await client.answer()).toBe('rows');
    return client;
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
  const othersAreServed = async (): Promise<void> => {
    const other = await mysql2.createConnection(access());
    for (let n = 0; n < 50; n++) await other.query('SELECT 1');
    await other.end();
  };
  /** The server waits for somebody to take what it sends. */
  const stuck = (): Promise<void> =>
    until(async () =>
      /\t(Writing to net|Sending to client|Sending data|executing)\t/.test(await server.sql('SHOW PROCESSLIST')),
    );
  const rowsOf = (bytes: number, count: number): string => {
    const digits = Math.ceil(Math.log10(count));
    const tables = Array.from({ length: digits }, (_, n) => `ten AS t${n}`).join(', ');
    return `SELECT REPEAT('x', ${bytes}) FROM ${tables} LIMIT ${count}`;
  };

  test.each([
    ['rows of 1 MiB', MIB],
    ['rows of 100 bytes', 100],
  ])('a client that does not read its result (%s)', async (_, row) => {
    const client = await login();
    const growth = await weigh();
    client.stream.pause();
    const count = Math.floor(TOTAL_BYTES / row);
    client.command(COM.QUERY, rowsOf(row, count));
    await stuck();
    await othersAreServed();
    // All of it arrives once it is read; how much it grows is counted on the way, too.
    await drain(client, count * row);
    expect(await growth()).toBeLessThan(GROWTH_BYTES_MAX);
  });

  test('a client that does not read its result and leaves', async () => {
    const client = await login();
    client.stream.pause();
    client.command(COM.QUERY, rowsOf(MIB, Math.floor(TOTAL_BYTES / MIB)));
    await stuck();
    client.destroy();
    await until(async () => !/SELECT REPEAT/.test(await server.sql('SHOW FULL PROCESSLIST')));
    await othersAreServed();
  });

  test('a server that does not read a file', async () => {
    const client = await login(CLIENT.LOCAL_FILES);
    const blocker = await mysql2.createConnection({
      host: '127.0.0.1',
      port: server.port,
      user: server.user,
      password: server.password,
      database: 'app',
    });
    await blocker.query('BEGIN');
    await blocker.query("INSERT INTO loaded VALUES (1, 'in the way')");
    client.command(COM.QUERY, "LOAD DATA LOCAL INFILE 'x' INTO TABLE loaded");
    expect((await client.next())?.payload[0]).toBe(0xfb);
    const growth = await weigh();
    let sequence = 2;
    const write = (data: Buffer): boolean => client.stream.write(packets(sequence++ & 0xff, data));
    write(Buffer.from('1\tfirst\n'));
    const line = Buffer.alloc(MIB, 0x78);
    let sent = 0;
    let blocked: Promise<unknown> | null = null;
    const pump = (async () => {
      for (let id = 2; sent < TOTAL_BYTES; id++) {
        const data = Buffer.concat([Buffer.from(`${id}\t`), line, Buffer.from('\n')]);
        sent += data.length;
        if (write(data)) continue;
        blocked = once(client.stream, 'drain');
        await blocked;
        blocked = null;
      }
      write(Buffer.alloc(0));
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
    await othersAreServed();
    await blocker.query('ROLLBACK');
    await blocker.end();
    await pump;
    expect(await client.answer()).toBe('OK');
    await server.sql('TRUNCATE app.loaded');
  });

  test.each([
    // Each answer is as long as the statement.
    ['', command(`SELECT '${'y'.repeat(1000)}'`)],
    [' what is answered here', command('SHOW HOLDPOINT REQUESTS')],
    [' what is refused', packets(0, Buffer.of(0x7f))],
  ])('a client that only sends%s', async (_, one) => {
    const client = await login();
    const growth = await weigh();
    const batch = Buffer.concat(Array.from({ length: Math.ceil(MIB / one.length) }, () => one));
    client.stream.pause();
    expect(await push(client, batch)).toBe('nothing is taken');
    expect(await growth()).toBeLessThan(GROWTH_BYTES_MAX);
    await othersAreServed();
  });

  test.each([
    ['held', 'DELETE FROM t'],
    ['at its limit', 'SELECT * FROM capped'],
  ])('a client that only sends while its statement is %s: the hold ends, and no more is taken', async (_, text) => {
    const client = await login();
    const grace = await gateway.reviewer('grace');
    client.command(COM.QUERY, text);
    await until(async () => (await grace.list()).requests.some(({ state }) => state === 'open'));
    client.stream.pause();
    const growth = await weigh();
    const one = command(`SELECT '${'y'.repeat(1000)}'`);
    expect(await push(client, Buffer.concat(Array.from({ length: 1000 }, () => one)))).toBe('nothing is taken');
    expect(await growth()).toBeLessThan(GROWTH_BYTES_MAX);
    await othersAreServed();
    client.stream.resume();
    for (;;) {
      const payload = (await client.next())?.payload;
      if (payload === undefined) throw new Error('closed');
      if (payload[0] !== 0xff) continue;
      expect(readErr(payload).message).toMatch(/more than \d+ bytes arrived/);
      break;
    }
  });

  test('clients that are held and read nothing take little each', async () => {
    const clients: RawMysql[] = [];
    for (let n = 0; n < HELD_MAX; n++) clients.push(await login());
    const grace = await gateway.reviewer('grace');
    const growth = await weigh();
    for (const [n, client] of clients.entries()) {
      client.stream.pause();
      client.command(COM.QUERY, `DELETE FROM t WHERE id = ${n} /* ${'z'.repeat(10_000)} */`);
    }
    await until(
      async () => (await grace.list()).requests.filter(({ state }) => state === 'open').length === clients.length,
    );
    await othersAreServed();
    expect(await growth()).toBeLessThan(GROWTH_BYTES_MAX);
  });

  test('a long result arrives as it was sent, however slowly it is read', async () => {
    const digits = 'a.n + 10 * b.n + 100 * c.n + 1000 * d.n';
    await server.sql(`USE app; CREATE TABLE rows_of (id INT PRIMARY KEY, name CHAR(64), body TEXT);
INSERT INTO rows_of SELECT ${digits}, SHA2(${digits}, 256), REPEAT(SHA2(a.n, 256), 1 + (${digits}) % 99) FROM ten a, ten b, ten c, ten d`);
    const sql = 'SELECT * FROM rows_of ORDER BY id';
    const digest = async (client: RawMysql, slow: boolean): Promise<string> => {
      const hash = createHash('sha256');
      client.stream.removeAllListeners('data');
      const done = new Promise<void>((resolve) => {
        let tail = Buffer.alloc(0);
        client.stream.on('data', (chunk: Buffer) => {
          hash.update(chunk);
          tail = Buffer.concat([tail, chunk]).subarray(-9);
          // EOF: nothing else of five bytes is behind the last row.
          if (tail.subarray(0, 3).equals(Buffer.of(5, 0, 0)) && tail[4] === 0xfe) return resolve();
          if (!slow || chunk[chunk.length >> 1] !== 0x61) return;
          client.stream.pause();
          setTimeout(() => client.stream.resume(), 5);
        });
      });
      client.command(COM.QUERY, sql);
      await done;
      client.destroy();
      return hash.digest('hex');
    };
    const expected = await digest(await login(), false);
    expect(await digest(await login(), true)).toBe(expected);
    const rows = async (port: number, user: string, password: string): Promise<string> => {
      const one = await mysql2.createConnection({ host: '127.0.0.1', port, user, password, database: 'app' });
      const [found] = await one.query({ sql, rowsAsArray: true });
      await one.end();
      return createHash('sha256').update(JSON.stringify(found)).digest('hex');
    };
    expect(await rows(gateway.port, 'bot', AGENT_PASSWORD)).toBe(await rows(server.port, server.user, server.password));
  });
});

const command = (text: string): Buffer => packets(0, Buffer.concat([Buffer.of(COM.QUERY), Buffer.from(text)]));

/** Counts what comes instead of keeping it; resolves when so many bytes have come. */
const drain = async (client: RawMysql, bytes: number): Promise<void> => {
  client.stream.removeAllListeners('data');
  let left = bytes;
  const done = new Promise<void>((resolve) => {
    client.stream.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left <= 0) resolve();
    });
  });
  client.stream.resume();
  await done;
};

/** Sends until nothing is taken for three seconds, or all of it is sent. */
const push = async (client: RawMysql, batch: Buffer): Promise<'nothing is taken' | 'all is sent'> => {
  for (let sent = 0; sent < TOTAL_BYTES; sent += batch.length) {
    if (client.stream.write(batch)) continue;
    const drained = once(client.stream, 'drain').then(() => true);
    if (!(await Promise.race([drained, new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 3000))])))
      return 'nothing is taken';
  }
  return 'all is sent';
};

/** As far as memory is concerned: what is held, and a limit. */
const POLICY = `
version: 1
default: allow
unparsed: deny
unknown: hold
unresolved: hold
code: hold
rules:
  - id: deletes
    when: stmt.does("write", "app.t")
    then: hold
    ask: {wait: 60s}
  - id: many
    when: stmt.reads("app.capped")
    limit: {rows: 10, then: hold}
    ask: {wait: 60s}
`;
