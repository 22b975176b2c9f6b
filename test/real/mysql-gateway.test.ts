// The whole gateway before real MySQL and MariaDB servers, under the starter policy: what passes, what is held, and what each person is told.
import { Readable } from 'node:stream';
import mysql2, { type Connection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { available, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

describe.each(ENGINES.filter(available))('%s', (engine) => {
  let server: TestMysql;
  let gateway: TestGateway;
  const open: Connection[] = [];

  beforeAll(async () => {
    server = await startMysql(engine, ['--local-infile=1']);
    await server.sql(
      "CREATE DATABASE app; USE app; CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(100)); INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')",
    );
    gateway = await startGateway({
      upstream: `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`,
    });
  });
  afterAll(async () => {
    await gateway.stop();
    await server.stop();
  });
  afterEach(async () => {
    for (const client of open.splice(0)) await client.end();
  });

  const connect = async (): Promise<Connection> => {
    const client = await mysql2.createConnection({
      host: '127.0.0.1',
      port: gateway.port,
      user: 'bot',
      password: AGENT_PASSWORD,
      database: 'app',
      multipleStatements: true,
    });
    open.push(client);
    return client;
  };
  const fault = (work: Promise<unknown>) =>
    work.then(
      () => null,
      ({ errno, sqlState, message }: { errno: number; sqlState: string; message: string }) => ({
        errno,
        sqlState,
        message,
      }),
    );

  test('ordinary work passes', async () => {
    const client = await connect();
    const [rows] = await client.query('SELECT name FROM t WHERE id = 2');
    expect(rows).toEqual([{ name: 'two' }]);
    const [prepared] = await client.execute('SELECT name FROM t WHERE id = ?', [3]);
    expect(prepared).toEqual([{ name: 'three' }]);
  });

  test('DDL is held; approved, it runs once', async () => {
    const client = await connect();
    const done = client.query('CREATE TABLE made (id INT)');
    const request = await gateway.opened();
    expect(request).toMatchObject({ state: 'open', rule: expect.any(String) });
    await gateway.approve(request);
    await done;
    await gateway.reaches(request.id, 'executed');
    const [rows] = await client.query('SELECT count(*) AS n FROM made');
    expect(rows).toEqual([{ n: 0 }]);
  });

  test('the card says that DDL commits what came before', async () => {
    const client = await connect();
    await client.query('BEGIN');
    await client.query("INSERT INTO t VALUES (4, 'four')");
    await fault(client.query("INSERT INTO t VALUES (4, 'again')"));
    const refused = fault(client.query('ALTER TABLE t ADD COLUMN more INT'));
    const request = await gateway.opened();
    expect(request).toMatchObject({ in_transaction: true, commits: 1 });
    await gateway.deny(request);
    expect((await refused)?.message).toContain('Your transaction is still open.');
    await client.query('ROLLBACK');
    const [rows] = await client.query('SELECT count(*) AS n FROM t');
    expect(rows).toEqual([{ n: 3 }]);
  });

  test('wait over, approved, and sent again: it runs once', async () => {
    const client = await connect();
    await client.query('SET @holdpoint_hold = 0');
    await client.query('BEGIN');
    await client.query("INSERT INTO t VALUES (5, 'five')");
    const pending = await fault(client.query('DROP TABLE IF EXISTS made'));
    expect(pending).toMatchObject({ errno: 1644, sqlState: '45000' });
    expect(pending?.message).toContain('When it runs, it commits 1 earlier statement of that transaction.');
    expect(Buffer.byteLength(pending?.message ?? '')).toBeLessThanOrEqual(512);
    const request = await gateway.opened();
    await gateway.approve(request);
    await client.query('DROP TABLE IF EXISTS made');
    await client.query('ROLLBACK');
    const [rows] = await client.query('SELECT count(*) AS n FROM t');
    expect(rows).toEqual([{ n: 4 }]);
    await server.sql('CREATE TABLE app.made (id INT)');
    expect(await fault(client.query('DROP TABLE IF EXISTS made'))).toMatchObject({ errno: 1644 });
    await gateway.deny(await gateway.opened());
  });

  test('files among several statements: each is asked for once, and what stands behind them runs', async () => {
    const client = await connect();
    await server.sql('CREATE TABLE IF NOT EXISTS app.filled (id INT)');
    const files: string[] = [];
    const load = (name: string): string => `LOAD DATA LOCAL INFILE '${name}' INTO TABLE filled`;
    const importing = (sql: string): Promise<unknown> =>
      client.query({
        sql,
        infileStreamFactory: (path: string) => {
          files.push(path);
          return Readable.from([Buffer.from('1\n2\n')]);
        },
      } as never);
    await importing(`SELECT 1; ${load('a')}; SELECT 2; ${load('b')}; INSERT INTO filled VALUES (3)`);
    expect(files).toEqual(['a', 'b']);
    expect(await server.sql('SELECT COUNT(*) FROM app.filled')).toBe('5');
    if (engine === 'mariadb') await importing(`EXECUTE IMMEDIATE "${load('c')}"`);
    if (engine === 'mariadb') await importing(`PREPARE p FROM "${load('d')}"; EXECUTE p`);
    if (engine === 'mariadb') expect(files).toEqual(['a', 'b', 'c', 'd']);
    // What imports nothing is held, and nothing is asked for.
    const held = fault(importing(`${load('e')}; DROP TABLE filled`));
    await gateway.deny(await gateway.opened());
    expect(await held).toMatchObject({ errno: 1227 });
    expect(files).not.toContain('e');
    expect((await client.query('SELECT 1 AS n'))[0]).toEqual([{ n: 1 }]);
  });

  test('denied, it did not run', async () => {
    const client = await connect();
    const refused = fault(client.query('DROP TABLE t'));
    const request = await gateway.opened();
    await gateway.deny(request, 'it is needed');
    expect(await refused).toMatchObject({ errno: 1227, sqlState: '42000' });
    expect((await refused)?.message).toContain('denied by grace: "it is needed"');
    const [rows] = await client.query('SELECT count(*) > 2 AS there FROM t');
    expect(rows).toEqual([{ there: 1 }]);
  });
});
