// What reviewers are told that a held statement would touch, by real MySQL and MariaDB servers; and that to find it out runs nothing of the
// statement and none of the database's functions.
import mysql2, { type Connection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RequestView } from '../../src/review/client.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { available, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

const POLICY = `version: 1
default: hold
unparsed: deny
unknown: hold
unresolved: hold
code: hold
rules:
  - id: everything
    when: 'true'
    then: hold
    ask: {wait: 0s}
`;

const ROWS = 500;
const SCHEMA = `
  CREATE DATABASE app; USE app;
  CREATE TABLE t (id INT PRIMARY KEY, k INT, name VARCHAR(100), KEY k (k));
  INSERT INTO t VALUES ${Array.from({ length: ROWS }, (_, n) => `(${n}, ${n % 10}, 'x')`).join(',')};
  CREATE TABLE noted (id INT);
  CREATE TABLE copies LIKE t;
DELIMITER ;;
  CREATE FUNCTION spy(x INT) RETURNS INT MODIFIES SQL DATA DETERMINISTIC BEGIN INSERT INTO noted VALUES (x); RETURN x; END;;
DELIMITER ;
  CREATE VIEW spying AS SELECT * FROM t WHERE k = spy(3);
  CREATE VIEW locking AS SELECT id FROM t JOIN (SELECT GET_LOCK('viewed', 0) AS got) AS s;
  CREATE TRIGGER seen BEFORE DELETE ON t FOR EACH ROW INSERT INTO noted VALUES (1);
  ANALYZE TABLE t`;

describe.each(ENGINES.filter(available))('%s', (engine) => {
  let server: TestMysql;
  let gateway: TestGateway;
  let client: Connection;
  const seen: string[] = [];

  beforeAll(async () => {
    server = await startMysql(engine);
    await server.sql(SCHEMA);
    gateway = await startGateway({
      upstream: `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`,
      policy: POLICY,
    });
    client = await mysql2.createConnection({
      host: '127.0.0.1',
      port: gateway.port,
      user: 'bot',
      password: AGENT_PASSWORD,
      database: 'app',
      multipleStatements: true,
    });
  });
  afterAll(async () => {
    await client.end();
    await gateway.stop();
    await server.stop();
  });
  afterEach(async () => {
    expect(await server.sql('SELECT count(*) FROM app.noted')).toBe('0');
    expect(await server.sql('SELECT count(*) FROM app.t')).toBe(`${ROWS}`);
  });

  const estimated = async (sql: string, values?: (string | number | null)[]): Promise<RequestView['impact']> => {
    await (values ? client.execute(sql, values) : client.query(sql)).catch(() => {});
    const request = await gateway.opened(seen);
    seen.push(request.id);
    return (await gateway.estimated(request.id)).impact;
  };
  const about = (rows: number, of: number): boolean => rows >= of / 2 && rows <= of * 2;

  test('a query: its rows, tables and indexes', async () => {
    const impact = await estimated('SELECT * FROM t WHERE k = 3');
    expect(impact?.rows).toMatchObject([{ does: 'returns', from: 'plan' }]);
    expect(about(impact?.rows[0]?.rows ?? 0, ROWS / 10)).toBe(true);
    expect(impact?.tables).toMatchObject([{ name: 'app.t', by: ['k'], triggers: [] }]);
    expect(about(impact?.tables[0]?.rows ?? 0, ROWS)).toBe(true);
    expect((await estimated('SELECT * FROM t LIMIT 7'))?.rows).toMatchObject([{ does: 'returns', rows: 7 }]);
  });

  test('a union is added up', async () => {
    const impact = await estimated('SELECT id FROM t UNION ALL SELECT k FROM t');
    expect(about(impact?.rows[0]?.rows ?? 0, 2 * ROWS)).toBe(true);
  });

  test('a write: how many rows, and its triggers', async () => {
    const impact = await estimated('DELETE FROM t WHERE k = 3');
    expect(impact?.rows).toMatchObject([{ does: 'deletes', object: 'app.t', from: 'plan' }]);
    expect(about(impact?.rows[0]?.rows ?? 0, ROWS / 10)).toBe(true);
    expect(impact?.tables).toMatchObject([
      { name: 'app.noted', triggers: [] },
      { name: 'app.t', triggers: ['seen'] },
    ]);
  });

  test('TRUNCATE and what takes whole tables: by statistics', async () => {
    const impact = await estimated('TRUNCATE TABLE t');
    expect(impact?.rows).toMatchObject([{ does: 'deletes', object: 'app.t', from: 'statistics' }]);
    expect((await estimated('DROP TABLE t'))?.tables).toMatchObject([{ name: 'app.t' }]);
  });

  test('a prepared statement is planned with its values', async () => {
    const impact = await estimated("SELECT * FROM t WHERE k = ? AND name = ? -- ' ?", [3, "it's"]);
    expect(impact?.notes.join()).not.toContain('Cannot');
    expect(impact?.tables).toMatchObject([{ name: 'app.t', by: ['k'] }]);
    // Some of those 50, as the server guesses what `name` leaves of them.
    expect(impact?.rows).toMatchObject([{ does: 'returns', from: 'plan' }]);
    expect(impact?.rows[0]?.rows).toBeLessThan(ROWS / 5);
  });

  test('functions and views with functions are not planned', async () => {
    for (const sql of [
      'SELECT spy(1)',
      'SELECT * FROM t WHERE id = spy(4)',
      'UPDATE t SET k = spy(2)',
      'SELECT * FROM spying',
    ]) {
      const impact = await estimated(sql);
      expect(impact?.notes.join(), sql).toMatch(/^Cannot be estimated: /);
      expect(impact?.rows.filter(({ from }) => from === 'plan')).toEqual([]);
    }
  });

  // Both servers evaluate a derived table of constants while they plan.
  test('what waits or takes a lock while it is planned is not planned', async () => {
    for (const sql of [
      "SELECT * FROM t, (SELECT GET_LOCK('held', 0) AS got) AS s",
      'INSERT INTO t SELECT * FROM t AS o JOIN (SELECT SLEEP(20)) AS s',
      'SELECT * FROM locking',
      'DELETE FROM t WHERE k = (SELECT BENCHMARK(1000000000, MD5(1)))',
    ]) {
      const impact = await estimated(sql);
      expect(impact?.notes.join(), sql).toMatch(/^Cannot be estimated: planning it may run /);
      expect(impact?.rows.filter(({ from }) => from === 'plan')).toEqual([]);
    }
    expect(await server.sql("SELECT IS_FREE_LOCK('held'), IS_FREE_LOCK('viewed')")).toBe('1\t1');
  });

  test('what other connections do not see is said', async () => {
    expect((await estimated('SELECT * FROM nowhere'))?.notes).toContain(
      'Cannot be estimated: it names a table that other connections do not see: a temporary one, or none.',
    );
  });

  test('a locked table keeps nobody waiting', async () => {
    const holder = await mysql2.createConnection({
      port: server.port,
      host: '127.0.0.1',
      user: server.user,
      password: server.password,
      database: 'app',
    });
    await holder.query('LOCK TABLES t WRITE');
    const impact = await estimated('SELECT * FROM t WHERE k = 4');
    await holder.end();
    expect(impact?.notes.join()).toContain('somebody holds a lock');
  });

  // MariaDB crashes where the time is up while it reads information_schema.
  test('the time of planning is limited, that of looking the tables up is not', async () => {
    await server.sql("SET GLOBAL log_output = 'TABLE', general_log = 1");
    await estimated('SELECT * FROM t WHERE k = 5');
    await server.sql('SET GLOBAL general_log = 0');
    const asked = await server.sql(
      `SELECT l.argument FROM mysql.general_log AS l JOIN mysql.general_log AS e ON e.thread_id = l.thread_id
       WHERE e.argument LIKE 'EXPLAIN%k = 5%' ORDER BY l.event_time`,
    );
    const lines = asked.split('\n');
    const limited = lines.findIndex((line) => /SET SESSION max_(statement|execution)_time/.test(line));
    expect(limited).toBeGreaterThan(lines.findLastIndex((line) => line.includes('information_schema')));
    expect(lines.findIndex((line) => line.includes('information_schema'))).toBeGreaterThan(-1);
  });
});
