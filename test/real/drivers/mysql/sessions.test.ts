// mysql2 and the mariadb client through the gateway, under the starter policy: what a card shows, what an agent is told, and what becomes of a
// statement, a transaction and a connection. The twin of ../sessions.test.ts; every driver's ordinary way through is in drivers.test.ts.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import mysql2, { type Connection, type ConnectionOptions, type RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RequestView } from '../../../../src/review/client.ts';
import { AGENT_PASSWORD, decide, startGateway, type TestGateway } from '../../gateway.ts';
import { available, clientArgs, ENGINES, startMysql, type TestMysql } from '../../mysql-servers.ts';
import { SCHEMA } from './scenarios.ts';

const run = promisify(execFile);

interface Fault {
  readonly errno: number;
  readonly sqlState: string;
  readonly message: string;
}
/** A statement's outcome, whenever it comes: a rejection before anybody looks is no unhandled one. */
const outcome = (work: Promise<unknown>): Promise<unknown> => work.catch((error: Fault) => error);

describe.concurrent.each(ENGINES.filter(available))('%s', (engine) => {
  let server: TestMysql;
  let gateway: TestGateway;
  let direct: Connection;
  const clients: Connection[] = [];

  const connect = async (options: ConnectionOptions = {}): Promise<Connection> => {
    const client = await mysql2.createConnection({
      host: '127.0.0.1',
      port: gateway.port,
      user: 'bot',
      password: AGENT_PASSWORD,
      database: 'app',
      multipleStatements: true,
      ...options,
    });
    client.on('error', () => {});
    clients.push(client);
    return client;
  };
  const rows = async (client: Connection, sql: string): Promise<RowDataPacket[]> =>
    (await client.query<RowDataPacket[]>(sql))[0];
  const exists = async (table: string): Promise<boolean> =>
    (await rows(direct, `SHOW TABLES LIKE '${table}'`)).length === 1;
  const asTicket = async ({ id }: RequestView): Promise<RequestView> => {
    const seen = await gateway.grace.get(id);
    return seen.holds === 'ticket' ? seen : asTicket(seen);
  };

  beforeAll(async () => {
    server = await startMysql(engine, ['--local-infile=1']);
    await server.sql(SCHEMA);
    const { port, user, password } = server;
    direct = await mysql2.createConnection({ host: '127.0.0.1', port, user, password, database: 'app' });
    gateway = await startGateway({ upstream: `mysql://${user}:${password}@127.0.0.1:${port}/app` });
  });
  afterAll(async () => {
    for (const client of [...clients, direct]) client?.destroy();
    await gateway?.stop();
    await server?.stop();
  });

  describe.sequential('through the gateway', () => {
    test('mariadb: what people look at first passes, and errors are the server’s', async () => {
      const ask = (script: string) => {
        const args = clientArgs(
          gateway.port,
          'bot',
          '--skip-ssl',
          '--batch',
          '--skip-column-names',
          'app',
          '-e',
          script,
        );
        return run('/usr/bin/mariadb', args, { env: { ...process.env, MYSQL_PWD: AGENT_PASSWORD } });
      };
      for (const script of [
        'SELECT count(*) FROM customers',
        'SHOW TABLES; SHOW FULL COLUMNS FROM customers; SHOW CREATE TABLE customers; SHOW INDEX FROM customers',
        'SHOW DATABASES; SHOW VARIABLES; SHOW STATUS; SHOW WARNINGS; SHOW GRANTS; SHOW ENGINES',
        'DESCRIBE customers; EXPLAIN SELECT * FROM customers',
        '\\s',
        'use app',
      ])
        expect((await ask(script)).stderr, script).toBe('');
      const bad = await outcome(ask('SELECT nosuch FROM customers'));
      expect((bad as { stderr: string }).stderr).toMatch(
        /^ERROR 1054 \(42S22\) at line 1: Unknown column 'nosuch' in/m,
      );
    });

    test('held with parameters: the card has them, and the reason', async () => {
      const client = await connect();
      await client.query("SET @holdpoint_reason = 'month end, FIN-1'");
      const held = client.execute('CREATE TABLE made AS SELECT * FROM customers WHERE id < ? AND name <> ?', [
        10,
        'żółć',
      ]);
      const request = await gateway.opened();
      expect(request.parameters).toMatchObject([{ value: { text: '10' } }, { value: { text: 'żółć' } }]);
      expect(request.reason).toMatchObject({ text: 'month end, FIN-1' });
      await expect(decide(gateway.ada, request, 'approve')).rejects.toThrow(/sponsor of bot/);
      await gateway.approve(request);
      await held;
      expect(await rows(direct, 'SELECT count(*) AS n FROM made')).toEqual([{ n: 9 }]);
      expect(await rows(client, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    });

    test('a prepared statement is judged each time it is executed', async () => {
      const client = await connect();
      const send = () => client.execute("ALTER TABLE notes COMMENT = 'again'");
      const first = send();
      await gateway.approve(await gateway.opened());
      await first;
      const second = outcome(send());
      await gateway.deny(await gateway.opened(), 'once is enough');
      expect(await second).toMatchObject({ errno: 1227, message: expect.stringContaining('once is enough') });
      expect(await rows(client, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    });

    test('a transaction is shown, and a denial in it takes nothing back', async () => {
      const client = await connect();
      await client.query('SET autocommit = 0');
      await client.execute('INSERT INTO notes(body) VALUES (?)', ['kept']);
      const held = outcome(client.query('ALTER TABLE notes ADD COLUMN x INT'));
      const request = await gateway.opened();
      expect(request.in_transaction).toBe(true);
      expect(request.earlier.map(({ text }) => text)).toContain('INSERT INTO notes(body) VALUES (?)');
      await gateway.deny(request);
      expect(await held).toMatchObject({
        errno: 1227,
        sqlState: '42000',
        message: expect.stringContaining('still open'),
      });
      expect(await rows(direct, "SELECT 1 FROM notes WHERE body = 'kept'")).toEqual([]);
      await client.commit();
      expect(await rows(direct, "SELECT 1 FROM notes WHERE body = 'kept'")).toHaveLength(1);
    });

    test('waited out: asked about, approved, sent again, and run once', async () => {
      const client = await connect();
      await client.query("SET @holdpoint_hold = '50ms'");
      const send = () => client.query('CREATE TABLE again (id INT)');
      const refusal = (await outcome(send())) as Fault;
      expect(refusal).toMatchObject({ errno: 1644, sqlState: '45000' });
      const id = /HP-\w+/.exec(refusal.message)?.[0] ?? '';
      expect(await rows(client, `SHOW HOLDPOINT REQUEST '${id}'`)).toMatchObject([
        { id, state: 'open', approvals: '0 of 1' },
      ]);
      await gateway.approve(await gateway.grace.get(id));
      expect((await rows(client, 'SHOW HOLDPOINT REQUESTS'))[0]).toMatchObject({
        id,
        state: 'approved',
        next: expect.stringContaining('send the identical statement now'),
      });
      await send();
      await gateway.reaches(id, 'executed');
      const next = (await outcome(send())) as Fault;
      expect(next.errno).toBe(1644);
      expect(next.message).not.toContain(id);
      await gateway.deny(await gateway.opened());
    });

    test('a denial stands for the identical statement', async () => {
      const client = await connect();
      const first = outcome(client.query('TRUNCATE notes'));
      const request = await gateway.opened();
      await gateway.deny(request, 'never');
      expect(await first).toMatchObject({ errno: 1227 });
      const again = (await outcome(client.query('TRUNCATE   notes -- please'))) as Fault;
      expect([again.errno, again.message]).toEqual([1227, expect.stringContaining(request.id)]);
    });

    test('the client leaves while held: nothing runs by itself', async () => {
      const client = await connect();
      const held = outcome(client.query('CREATE TABLE orphaned (id INT)'));
      const request = await gateway.opened();
      client.destroy();
      await gateway.approve(await asTicket(request));
      expect(await exists('orphaned')).toBe(false);
      expect(await gateway.grace.get(request.id)).toMatchObject({ state: 'approved' });
      // The same principal may still use the ticket, on another connection.
      await (await connect()).query('CREATE TABLE orphaned (id INT)');
      expect(await exists('orphaned')).toBe(true);
      void held;
    });

    test('KILL of a connection that holds: its client is told, the request lives on', async () => {
      const [client, other] = [await connect(), await connect()];
      const held = outcome(client.query('CREATE TABLE killed (id INT)'));
      const request = await gateway.opened();
      await other.query(`KILL ${client.threadId}`);
      expect(await held).toMatchObject({ errno: 1927, sqlState: '70100' });
      const ticket = await asTicket(request);
      expect(ticket.state).toBe('open');
      await gateway.deny(ticket);
      expect(await exists('killed')).toBe(false);
      expect(await rows(other, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    });

    test('what nobody answers for is refused, not held', async () => {
      const client = await connect({ user: 'orphan' });
      expect(await outcome(client.query('TRUNCATE notes'))).toMatchObject({
        errno: 1644,
        message: expect.stringContaining('nobody answers for orphan'),
      });
      expect(await rows(client, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    });

    test('a wrong password and an unknown user get the same answer', async () => {
      for (const [user, password] of [
        ['bot', 'guess'],
        ['nobody', AGENT_PASSWORD],
      ] as const) {
        expect(await outcome(connect({ user, password }))).toMatchObject({
          errno: 1045,
          sqlState: '28000',
          message: `Access denied for user '${user}'@'127.0.0.1'`,
        });
      }
    });

    test('a result at its limit waits, and goes on to its end or is cut to whole rows', async () => {
      const client = await connect();
      const long = (extra: string) =>
        `SELECT a.id FROM customers a JOIN customers b ON b.id <= 25 WHERE a.id <> ${extra} ORDER BY a.id`;
      const all = client.query<RowDataPacket[]>(long('0'));
      const request = await gateway.opened();
      await gateway.approve(request);
      expect((await all)[0]).toHaveLength(12_500);
      const cut = outcome(client.query(long('-1')));
      await gateway.deny(await gateway.opened(), 'fewer will do');
      expect(await cut).toMatchObject({ errno: 1644, message: expect.stringContaining('fewer will do') });
      expect(await rows(client, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    });

    test('own settings: with parameters, in a batch, in a comment; a reset forgets them', async () => {
      const client = await connect();
      const reason = async (before: string): Promise<string | undefined> => {
        const held = outcome(client.query(`${before}TRUNCATE TABLE numbers`));
        const request = await gateway.opened();
        await gateway.deny(request);
        await held;
        return request.reason?.text;
      };
      await client.execute('SET @holdpoint_reason = ?', ['because']);
      expect(await reason('')).toBe('because');
      expect(await reason('SELECT 1; ')).toBe('because');
      expect(await reason('/* reason: said here */ SELECT 2; ')).toBe('said here');
      await client.reset();
      expect(await reason('SELECT 3; ')).toBeUndefined();
    });

    test('the current database is followed: USE, a name in full, a reset', async () => {
      await direct.query('CREATE DATABASE other');
      await direct.query('CREATE TABLE other.customers (id INT)');
      const client = await connect();
      const dropped = async (sql: string): Promise<string> => {
        const held = outcome(client.query(sql));
        const request = await gateway.opened();
        await gateway.deny(request);
        await held;
        return request.sentence;
      };
      expect(await dropped('DROP TABLE customers')).toContain('app.customers');
      await client.query('USE other');
      expect(await dropped('DROP TABLE customers')).toContain('other.customers');
      expect(await dropped('USE app; DROP TABLE customers')).toContain('app.customers');
      await client.query('SELECT 1; USE app; USE other');
      expect(await dropped('DROP TABLE customers, app.customers')).toContain('other.customers');
    });

    test('character sets that can hide a quote are refused, and the session goes on', async () => {
      const client = await connect();
      await client.query('SET NAMES latin1; SET NAMES utf8mb4');
      expect(await rows(client, "SELECT 'żółć' AS s")).toEqual([{ s: 'żółć' }]);
      expect(await outcome(client.query('SET NAMES gbk'))).toMatchObject({
        errno: 1235,
        message: expect.stringContaining('Use utf8mb4'),
      });
      expect(await rows(client, "SELECT 'żółć' AS s")).toEqual([{ s: 'żółć' }]);
    });

    test('the log tells the story, in order', async () => {
      const records = await gateway.records();
      const types = new Set(records.map(({ type }) => type));
      for (const type of [
        'session.opened',
        'request.opened',
        'request.decided',
        'request.released',
        'request.executed',
        'statements',
        'session.refused',
      ])
        expect(types).toContain(type);
      const at = (type: string, id: unknown) =>
        records.find((record) => record.type === type && record.clear['id'] === id)?.seq ?? Number.NaN;
      const released = records.filter(({ type }) => type === 'request.released');
      expect(released.length).toBeGreaterThan(3);
      for (const { clear, seq } of released) expect(at('request.decided', clear['id'])).toBeLessThan(seq);
    });
  });
});
