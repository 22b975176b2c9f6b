// What a statement leaves behind for the next one (counts, ids, warnings) is there through Holdpoint as it is without: its own questions to the
// server must take nothing of it away. The same statements, straight to the server and through a session, on both servers.
import mysql2, { type Connection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readsDiagnostics } from '../../src/session/mysql/facts.ts';
import { makeStored } from '../../src/wire/mysql/auth.ts';
import { type Guarded, openGuarded } from './mysql-guarded.ts';
import { targetOf } from './mysql-door.ts';
import { available, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

const PASSWORD = 'agent';

/** What may have changed facts that are not known then; the gate's stand-in takes each for such a one. */
const BEFORE = [
  'CALL p()',
  "SET sql_mode = ''",
  'USE app',
  'SET ROLE NONE',
  "CALL fails('x')",
  'SET TRANSACTION READ ONLY',
] as const;

const AFTER = [
  'SELECT ROW_COUNT()',
  'select row_count() as n, @@warning_count, @@session.error_count;',
  'SELECT FOUND_ROWS()',
  'SELECT LAST_INSERT_ID() id, @@identity',
  'SHOW WARNINGS',
  'SHOW WARNINGS LIMIT 1',
  'SHOW ERRORS',
  'SHOW COUNT(*) WARNINGS',
  'SET @n = ROW_COUNT()',
  'GET DIAGNOSTICS @a = NUMBER, @b = ROW_COUNT',
] as const;

describe.each(ENGINES.filter(available))('%s', (engine) => {
  let server: TestMysql;
  let door: Guarded;
  const open: Connection[] = [];

  beforeAll(async () => {
    server = await startMysql(engine);
    await server.sql(`CREATE DATABASE app; USE app;
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, n INT) ENGINE=InnoDB; INSERT INTO t (n) VALUES (1), (2), (3);
CREATE TABLE w (s SMALLINT);
DELIMITER //
CREATE PROCEDURE p() BEGIN INSERT INTO t (n) VALUES (9); UPDATE t SET n = n + 1; INSERT IGNORE INTO w VALUES ('a'), ('b'), (100000); END//
CREATE PROCEDURE fails(x TEXT) BEGIN INSERT IGNORE INTO w VALUES (x); SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END//
`);
    door = await openGuarded({ target: targetOf(server), users: { agent: await makeStored(PASSWORD) } });
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((client) => client.end()));
    door.rules = {};
    expect(door.broken.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await door?.close();
    await server?.stop();
  });

  const connect = async (port: number, user: string, password: string, flags: string[]): Promise<Connection> => {
    const client = await mysql2.createConnection({
      host: '127.0.0.1',
      port,
      user,
      password,
      database: 'app',
      rowsAsArray: true,
      flags,
    });
    open.push(client);
    return client;
  };
  const through = (flags: string[]): Promise<Connection> => connect(door.port, 'agent', PASSWORD, flags);

  /** Its rows, or its error. */
  const said = (client: Connection, sql: string): Promise<unknown> =>
    client.query(sql).then(
      ([rows]) => (Array.isArray(rows) ? rows : 'OK'),
      (error: { errno: number }) => error.errno,
    );
  const script = async (client: Connection): Promise<string[]> => {
    const answers: string[] = [];
    await client.query('TRUNCATE t');
    await client.query('INSERT INTO t (n) VALUES (1), (2), (3)');
    for (const before of BEFORE)
      for (const after of AFTER) {
        await said(client, before);
        answers.push(`${before}; ${after}: ${JSON.stringify(await said(client, after))}`);
      }
    answers.push(JSON.stringify(await said(client, 'SELECT @n, @a, @b')));
    return answers;
  };

  test.each([
    ['a server that tells', []],
    ['one that tells nothing', ['-SESSION_TRACK']],
    ['results that end with EOF', ['-SESSION_TRACK', '-DEPRECATE_EOF']],
  ])(
    '%s',
    async (_, flags) => {
      const expected = await script(await connect(server.port, server.user, server.password, flags));
      // Or nothing would be shown by it.
      expect(expected.filter((line) => /^CALL p.*WARNINGS: \[\[/.test(line)).length).toBeGreaterThan(1);
      expect(await script(await through(flags))).toEqual(expected);
      for (const after of AFTER) expect(readsDiagnostics(after)).toBe(true);
    },
    30_000,
  );

  test.each([[], ['-SESSION_TRACK']])('behind a statement that was held', async (...flags) => {
    door.rules = { hold: /^(update|call)/ };
    const client = await through(flags as string[]);
    const gate = door.gates.at(-1);
    const updated = client.query('update t set n = n + 100 where id in (1, 2)');
    (await gate?.held())?.approve();
    await updated;
    expect(await said(client, 'SELECT ROW_COUNT()')).toEqual([[2]]);
    const called = client.query('call p()');
    (await gate?.held())?.approve();
    await called;
    expect(await said(client, 'SHOW WARNINGS')).toHaveLength(3);
    const prepared = client.execute('update t set n = ? where id < ?', [1, 4]);
    (await gate?.held())?.approve();
    await prepared;
    expect(await said(client, 'SELECT ROW_COUNT()')).toEqual([[3]]);
  });

  test('what is held itself waits for the facts', async () => {
    door.rules = { hold: /^SHOW/ };
    const client = await through([]);
    const gate = door.gates.at(-1);
    await client.query('CALL p()');
    await client.query("SET sql_mode = 'ANSI_QUOTES'");
    await client.query('CALL p()');
    const shown = said(client, 'SHOW WARNINGS');
    const held = await gate?.held();
    expect(held?.facts.sql_mode).toBe('ANSI_QUOTES');
    held?.approve();
    await shown;
  });
});

test.each([
  'SELECT ROW_COUNT(), (SELECT 1)',
  'SELECT ROW_COUNT() FROM t',
  'SELECT ROW_COUNT() INTO @a FROM t',
  'SELECT `ROW_COUNT`()',
  'SELECT ROW_COUNT() /*! , f() */',
  'SELECT "ROW_COUNT()"',
  'SELECT app.ROW_COUNT()',
  'SET @a = ROW_COUNT(), @@sql_mode = 1',
  'SET GLOBAL a = ROW_COUNT()',
  'SHOW WARNINGS; DROP TABLE t',
  "GET DIAGNOSTICS CONDITION f() @a = MESSAGE_TEXT, @b = 'x'",
  'SELECT LAST_INSERT_ID(5)',
])('%s does more than ask what is left behind', (text) => {
  expect(readsDiagnostics(text)).toBe(false);
});

test('a long text is not looked at', () => {
  expect(readsDiagnostics(`SHOW WARNINGS${' '.repeat(300)}`)).toBe(false);
  expect(readsDiagnostics(`SHOW WARNINGS${' '.repeat(1_000_000)}x`)).toBe(false);
});
