// Sessions of real drivers with real servers behind the MySQL door, and a stand-in for the gate: what passes is what the server says, what is
// held waits, what is refused never got there, and the facts are those of the server.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import mariadb from 'mariadb';
import mysql2, { type Connection } from 'mysql2/promise';
import { createConnection, type QueryError } from 'mysql2';
import { Readable } from 'node:stream';
import { makeStored } from '../../src/wire/mysql/auth.ts';
import type { Rules, StandInGate } from './mysql-gate.ts';
import { type Guarded, openGuarded } from './mysql-guarded.ts';
import { targetOf } from './mysql-door.ts';
import { available, clientArgs, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

const run = promisify(execFile);
const PYTHON = '/usr/bin/python3';
const PASSWORD = 'agent';
describe.each(ENGINES.filter(available))('%s', (engine) => {
  let server: TestMysql;
  let door: Guarded;
  const open: { end(): Promise<void> | void }[] = [];

  beforeAll(async () => {
    server = await startMysql(engine, ['--local-infile=1', '--max-allowed-packet=64M']);
    await server.sql(
      "CREATE DATABASE app; CREATE DATABASE other; USE app; CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(100)); INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three'); " +
        'CREATE ROLE reader; GRANT ALL ON *.* TO reader; GRANT reader TO root@127.0.0.1',
    );
    door = await openGuarded({ target: targetOf(server), users: { agent: await makeStored(PASSWORD) } });
  });
  afterAll(async () => {
    await door.close();
    await server.stop();
  });
  afterEach(async () => {
    for (const client of open.splice(0)) await client.end();
    door.rules = {};
    door.gates.splice(0);
    expect(door.broken.splice(0)).toEqual([]);
  });

  const connect = async (
    more: Rules = {},
    options: object = {},
  ): Promise<{ client: Connection; gate: StandInGate }> => {
    door.rules = more;
    const client = await mysql2.createConnection({
      host: '127.0.0.1',
      port: door.port,
      user: 'agent',
      password: PASSWORD,
      database: 'app',
      ...options,
    });
    open.push(client);
    return { client, gate: door.gates.at(-1) as StandInGate };
  };

  const fails = async (what: Promise<unknown>): Promise<QueryError> =>
    what.then(
      () => {
        throw new Error('it did not fail');
      },
      (error: QueryError) => error,
    );

  test('ordinary work', async () => {
    const { client, gate } = await connect();
    expect((await client.query('SELECT id, name FROM t ORDER BY id'))[0]).toHaveLength(3);
    const [found] = await client.execute('SELECT name FROM t WHERE id = ? /* why */', [2]);
    expect(found).toEqual([{ name: 'two' }]);
    await client.beginTransaction();
    await client.execute('INSERT INTO t VALUES (?, ?)', [10, 'ten']);
    expect(gate.facts.in_transaction).toBe(true);
    expect(gate.facts.earlier.map(({ sql }) => sql)).toEqual(['START TRANSACTION', 'INSERT INTO t VALUES (?, ?)']);
    await client.rollback();
    expect(gate.facts.in_transaction).toBe(false);
    expect(gate.facts.earlier).toEqual([]);
    expect((await fails(client.query('SELECT nothing FROM nowhere'))).errno).toBe(1146);
    await client.ping();
    expect(gate.history.at(-1)).toEqual({ text: 'SELECT nothing FROM nowhere', outcome: '42S02', rows: 0 });
    expect(gate.history[0]).toEqual({ text: 'SELECT id, name FROM t ORDER BY id', outcome: 'OK', rows: 3 });
  });

  test('several statements, several results, and a procedure', async () => {
    const { client } = await connect({}, { multipleStatements: true });
    const [results] = await client.query("SELECT 1 AS a; SET @x = 5; SELECT @x AS b, 'c' AS c");
    expect(results).toHaveLength(3);
    await client.query('CREATE PROCEDURE two() BEGIN SELECT 1; SELECT 2; END');
    expect((await client.query('CALL two()'))[0]).toHaveLength(3);
    await client.query('DROP PROCEDURE two');
  });

  test('a long result passes whole', async () => {
    const { client } = await connect();
    const [rows] = await client.query(
      "SELECT REPEAT('x', 1000) AS x FROM t a, t b, t c, t d, t e, t f, t g, t h WHERE LENGTH(a.name) > 0",
    );
    expect(rows).toHaveLength(6561);
    await server.sql("CREATE TABLE app.long (y LONGTEXT); INSERT INTO app.long VALUES (REPEAT('y', 10000000))");
    const [long] = await client.query('SELECT CONCAT(y, y) AS y, 1 AS n FROM `long`');
    expect((long as { y: string; n: number }[]).map(({ y, n }) => [y.length, n])).toEqual([[20_000_000, 1]]);
  });

  test('the facts are those of the server', async () => {
    const { client, gate } = await connect();
    expect(gate.facts).toMatchObject({ database: 'app', role: '', charset: 'utf8mb4', autocommit: true });
    await client.query("SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'");
    expect(gate.facts.sql_mode).toBe('ANSI_QUOTES,NO_BACKSLASH_ESCAPES');
    await client.query("SET sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')");
    await client.query('SELECT 1');
    expect(gate.facts.sql_mode).toMatch(/STRICT_TRANS_TABLES/);
    await client.query('USE other');
    await client.query('SELECT 1');
    expect(gate.facts.database).toBe('other');
    await client.query('SET NAMES latin1');
    await client.query('SELECT 1');
    expect(gate.facts.charset).toBe('latin1');
    await client.query('SET character_set_results = utf16');
    await client.query('SET ROLE reader');
    await client.query('SET sql_select_limit = 0');
    await client.query('DO 1');
    expect(gate.facts.role).toMatch(/reader/);
    await client.query('SET autocommit = 0');
    expect(gate.facts).toMatchObject({ autocommit: false, in_transaction: true });
  });

  test('COM_RESET_CONNECTION resets the facts, and the server goes on telling', async () => {
    const { client, gate } = await connect();
    await client.query("SET SESSION sql_mode = 'ANSI_QUOTES'");
    await client.execute('SELECT ? AS a', [1]);
    await (client as unknown as { reset(): Promise<void> }).reset();
    await client.query('SELECT 1');
    expect(gate.facts.sql_mode).not.toBe('ANSI_QUOTES');
    await client.query("SET SESSION sql_mode = 'ANSI_QUOTES'");
    expect(gate.facts.sql_mode).toBe('ANSI_QUOTES');
  });

  test('held, approved, and run once', async () => {
    const { client, gate } = await connect({ hold: /^update/ });
    const done = client.execute('UPDATE t SET name = ? WHERE id = ?', ['zwei', 2]).catch((error) => error);
    const lower = client.execute('update t set name = ? where id = ?', ['zwei', 2]);
    await done;
    const held = await gate.held();
    expect(held.text).toBe('update t set name = ? where id = ?');
    expect(held.parameters.map(({ value }) => value)).toEqual(['zwei', '2']);
    expect(await server.sql('SELECT name FROM app.t WHERE id = 2')).toBe('zwei');
    await server.sql("UPDATE app.t SET name = 'two' WHERE id = 2");
    held.approve();
    await lower;
    expect(await held.outcome).toMatchObject({ tag: 'OK', sqlstate: null });
    expect(await server.sql('SELECT name FROM app.t WHERE id = 2')).toBe('zwei');
  });

  test('denied: an error, and the session and its transaction go on', async () => {
    const { client, gate } = await connect({ hold: /^delete/, deny: /^drop/ });
    await client.beginTransaction();
    await client.query("INSERT INTO t VALUES (20, 'twenty')");
    const gone = fails(client.query('delete from t'));
    (await gate.held()).deny();
    expect(await gone).toMatchObject({ errno: 1227, sqlState: '42000' });
    expect(await fails(client.query('drop table t'))).toMatchObject({ errno: 1227, sqlState: '42000' });
    await client.commit();
    expect(await server.sql('SELECT name FROM app.t WHERE id = 20')).toBe('twenty');
  });

  test('waited out, disconnected, and killed while held', async () => {
    const { client, gate } = await connect({ hold: /^delete/, wait_ms: 50 });
    const error = await fails(client.query('delete from t'));
    expect(error).toMatchObject({ errno: 1644, sqlState: '45000' });
    expect(error.message).toMatch(/^approval pending, not denied/);
    expect(await (await gate.held()).left).toBe('waited-out');

    const second = await connect({ hold: /^delete/ });
    const lost = fails(second.client.query('delete from t'));
    const left = await second.gate.held();
    second.client.destroy();
    expect(await left.left).toBe('disconnected');
    void lost;

    const third = await connect({ hold: /^delete/ });
    const killed = fails(third.client.query('delete from t'));
    const held = await third.gate.held();
    const killer = await connect();
    await killer.client.query(`KILL QUERY ${third.client.threadId}`);
    expect(await killed).toMatchObject({ errno: 1317, sqlState: '70100' });
    expect(await held.left).toBe('cancelled');
    await third.client.query('SELECT 1');
  });

  test('a running statement is killed by its connection id', async () => {
    const { client } = await connect();
    const running = client.query('SELECT SLEEP(20) AS s').then(
      ([rows]) => String((rows as { s: number }[])[0]?.s),
      (error: QueryError) => String(error.errno),
    );
    const killer = await connect();
    await expect.poll(() => server.sql('SHOW FULL PROCESSLIST')).toContain('SELECT SLEEP(20) AS s');
    await killer.client.query(`KILL QUERY ${client.threadId}`);
    expect(['1', '1317']).toContain(await running);
    await client.query('SELECT 1');
  });

  test('a text is judged later, and goes on as judged', async () => {
    const { client, gate } = await connect({ slow: /./ });
    expect((await client.query('SELECT /* out */ 7 AS n'))[0]).toEqual([{ n: 7 }]);
    expect((await client.execute('SELECT ? + 1 AS n', [6]))[0]).toEqual([{ n: 7 }]);
    expect(gate.asked).toContain('SELECT /* out */ 7 AS n');
  });

  test('what Holdpoint is told and asked', async () => {
    const { client, gate } = await connect();
    await client.query("SET @holdpoint_reason = 'dunning'");
    expect(gate.facts.reason).toBe('dunning');
    expect((await client.query('SELECT @holdpoint_reason AS r'))[0]).toEqual([{ r: 'dunning' }]);
    const [rows] = await client.query('SHOW HOLDPOINT REQUESTS');
    expect(rows).toMatchObject([{ id: 'HP-7KQ4M2XA', state: 'held' }]);
  });

  test('LOCAL INFILE of a statement that imports', async () => {
    const { client } = await connect();
    await client.query('CREATE TABLE i (a INT)');
    await client.query({
      sql: "LOAD DATA LOCAL INFILE 'numbers' INTO TABLE i",
      infileStreamFactory: () => Readable.from([Buffer.from('1\n2\n'), Buffer.from('3\n')]),
    } as never);
    expect(await server.sql('SELECT COUNT(*) FROM app.i')).toBe('3');
    await client.query('DROP TABLE i');
  });

  test('a result at its limit goes on, or is cut', async () => {
    const { client, gate } = await connect({ limited: { match: /^select/, rows: 2 } });
    const all = client.query('select * from t where id < 4');
    (await gate.held()).approve();
    expect((await all)[0]).toHaveLength(3);
    const cut = fails(client.query('select * from t where id < 4'));
    (await gate.held()).deny();
    expect(await cut).toMatchObject({ errno: 1227 });
    expect((await client.query('SELECT 1 AS a'))[0]).toEqual([{ a: 1 }]);
  });

  test('mariadb (npm): pipelined prepares, batches', async () => {
    door.rules = { hold: /^delete/ };
    const client = await mariadb.createConnection({
      host: '127.0.0.1',
      port: door.port,
      user: 'agent',
      password: PASSWORD,
      database: 'app',
      allowPublicKeyRetrieval: true,
    });
    open.push(client);
    const gate = door.gates.at(-1) as StandInGate;
    expect(await client.execute('SELECT name FROM t WHERE id = ?', [3])).toEqual([{ name: 'three' }]);
    await client.query('CREATE TABLE b (a INT, b VARCHAR(10))');
    await client.batch('INSERT INTO b VALUES (?, ?)', [
      [1, 'x'],
      [2, null],
    ]);
    expect(await server.sql('SELECT COUNT(*) FROM app.b')).toBe('2');
    const deleted = client.batch('delete from b where a = ?', [[1], [2]]);
    for (let left = 2; left > 0; left--) {
      const held = await Promise.race([gate.held(), deleted.then(() => null)]);
      if (held === null) break;
      expect(held.parameters.length).toBeGreaterThan(0);
      held.approve();
    }
    await deleted;
    expect(await server.sql('SELECT COUNT(*) FROM app.b')).toBe('0');
    await client.query('DROP TABLE b');
  });

  test.runIf(existsSync(PYTHON))('PyMySQL: results that end with EOF, and a server that tells nothing', async () => {
    door.rules = { hold: /^delete/, wait_ms: 10 };
    const script = `
import pymysql, sys
c = pymysql.connect(host='127.0.0.1', port=${door.port}, user='agent', password='${PASSWORD}', database='app', client_flag=65536, local_infile=True)
k = c.cursor()
k.execute('SELECT id, name FROM t WHERE id < 4 ORDER BY id')
print(len(k.fetchall()))
k.execute("SET sql_mode = 'ANSI_QUOTES'")
k.execute('SELECT @@sql_mode')
print(k.fetchone()[0])
k.execute('USE other; SELECT 1; SELECT 2')
print(k.nextset(), k.nextset(), k.fetchall())
try:
  k.execute('delete from app.t')
except pymysql.err.MySQLError as e:
  print(e.args[0])
k.execute('SELECT DATABASE()')
print(k.fetchone()[0])
s = pymysql.cursors.SSCursor(c)
s.execute('SELECT a.id FROM app.t a, app.t b, app.t c')
print(s.fetchone() is not None)
s.close()
c.ping()
c.close()
`;
    const { stdout } = await run(PYTHON, ['-c', script]);
    expect(stdout.trim().split('\n')).toEqual(['3', 'ANSI_QUOTES', 'True True ((2,),)', '1644', 'other', 'True']);
    expect(door.gates.at(-1)?.facts).toMatchObject({ sql_mode: 'ANSI_QUOTES', database: 'other' });
  });

  test('the command line: results, errors, prepared statements, Ctrl-C', async () => {
    door.rules = { hold: /^delete/ };
    const args = clientArgs(door.port, 'agent', '--skip-ssl', '--skip-column-names', '--batch', 'app');
    const env = { ...process.env, MYSQL_PWD: PASSWORD };
    const text =
      "SELECT 1; PREPARE p FROM 'SELECT ? + 1'; SET @a = 2; EXECUTE p USING @a; SHOW HOLDPOINT REQUESTS; SELECT 4; SELECT nothing";
    const done = (await fails(run('/usr/bin/mariadb', [...args, '--execute', text], { env }))) as unknown as Record<
      'stdout' | 'stderr',
      string
    >;
    expect(
      done.stdout
        .trim()
        .split('\n')
        .map((line) => line.split('\t')[0]),
    ).toEqual(['1', '3', 'HP-7KQ4M2XA', '4']);
    expect(done.stderr).toMatch(/ERROR 1054/);
    const begun = door.begins();
    const child = spawn('/usr/bin/mariadb', [...args, '--execute', 'delete from t'], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const held = await (await begun).held();
    child.kill('SIGINT');
    expect(['cancelled', 'disconnected']).toContain(await held.left);
    await once(child, 'close');
  });

  test('callbacks of one connection that asks before it is answered', async () => {
    const client = createConnection({
      host: '127.0.0.1',
      port: door.port,
      user: 'agent',
      password: PASSWORD,
      database: 'app',
    });
    open.push(client.promise());
    const results = await Promise.all([1, 2, 3].map((n) => client.promise().query('SELECT ? AS n', [n])));
    expect(results.map(([rows]) => (rows as { n: number }[])[0]?.n)).toEqual([1, 2, 3]);
  });
});
