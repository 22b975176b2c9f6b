// `mode: observe` of a whole gateway, before real servers: what the policy would stop runs, the agent notices nothing, and the log says what
// would have happened by which rule. What no policy may let through is refused as ever.
import mysql2, { type Connection } from 'mysql2/promise';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ReadRecord } from '../../src/audit/types.ts';
import { check } from '../../src/cli/check.ts';
import { deps } from '../../src/main.ts';
import { open, outcome, psql } from './clients.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { available as availableMysql, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const config = { mode: 'observe' };

/** Resolves with the record of this statement, when it is in the log. */
const recordOf = async (gateway: TestGateway, type: string, sql: string): Promise<ReadRecord> => {
  const found = async () =>
    (await gateway.records()).find((record) => record.type === type && record.sealed?.['sql'] === sql);
  await expect.poll(found).toBeDefined();
  return (await found()) as ReadRecord;
};
const observed = async (gateway: TestGateway, sql: string) =>
  (await recordOf(gateway, 'statement.observed', sql)).clear['observed'];

describe('PostgreSQL', () => {
  let server: TestServer;
  let gateway: TestGateway;
  let client: pg.Client;
  const notices: unknown[] = [];

  beforeAll(async () => {
    server = await startServer(NEWEST);
    const direct = await server.admin(`CREATE TABLE customers AS SELECT i AS id FROM generate_series(1, 20000) AS i;
      CREATE TABLE orders (id int);
      CREATE FUNCTION opaque(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE $1; RETURN 1; END $$`);
    await direct.end();
    gateway = await startGateway({ upstream: server.url, config });
    client = await open(gateway.agentUrl());
    client.on('notice', (notice) => notices.push(notice));
  });
  afterAll(async () => {
    await client?.end();
    await gateway?.stop();
    await server?.stop();
  });

  test('an export passes, and is on record as what would have been held', async () => {
    const { out, err, exit } = await psql(gateway.agentUrl(), ['-c', 'COPY customers TO STDOUT']);
    expect([out.split('\n').length, err, exit]).toEqual([20_001, '', 0]);
    const { clear } = await recordOf(gateway, 'statement.observed', 'COPY customers TO STDOUT');
    expect(clear).toMatchObject({
      rule: 'exports',
      observed: [{ rule: 'exports', verdict: 'hold' }],
      who: { id: 'bot' },
    });
  });

  test.each([
    ['CREATE INDEX by_id ON customers (id)', 'ddl', 'hold'],
    ["DO $$ BEGIN EXECUTE 'SELECT 1'; END $$", 'opaque-code', 'hold'],
    ["SELECT opaque('SELECT 1')", 'opaque-code', 'hold'],
  ])('%s', async (sql, rule, verdict) => {
    await outcome(client.query(sql));
    expect(await observed(gateway, sql)).toEqual([{ rule, verdict }]);
  });

  test('a denial is observed: it is the server that refuses', async () => {
    const sql = "COPY customers TO '/nowhere/customers'";
    expect(await outcome(client.query(sql))).toMatchObject({ code: '58P01' });
    expect(await observed(gateway, sql)).toEqual([{ rule: 'server-files', verdict: 'deny' }]);
  });

  test('with parameters, prepared, and in a transaction', async () => {
    await client.query('BEGIN');
    const text = 'SELECT opaque($1) AS done';
    for (const value of ['SELECT 1', 'SELECT 2'])
      expect((await client.query({ name: 'made', text, values: [value] })).rows).toEqual([{ done: 1 }]);
    await client.query('ALTER TABLE orders ADD COLUMN more int');
    await client.query('ROLLBACK');
    expect((await client.query('SELECT * FROM orders')).fields.map(({ name }) => name)).toEqual(['id']);
    expect(await observed(gateway, text)).toEqual([{ rule: 'opaque-code', verdict: 'hold' }]);
  });

  test('a limit is passed and on record', async () => {
    expect((await client.query('SELECT id FROM customers')).rows.length).toBe(20_000);
    expect(await observed(gateway, 'SELECT id FROM customers')).toEqual([{ rule: 'bulk-read', verdict: 'hold' }]);
  });

  test('a connection starts with settings that the policy would refuse', async () => {
    const started = await open(gateway.agentUrl('postgres', '?options=-c%20row_security%3Doff'));
    expect((await started.query('SHOW row_security')).rows).toEqual([{ row_security: 'off' }]);
    await started.end();
    const { clear } = await recordOf(gateway, 'statement.observed', `SET "row_security" TO 'off'`);
    expect(clear).toMatchObject({ session: null, observed: [{ rule: 'administration', verdict: 'hold' }] });
  });

  test('what no policy can let through is refused', async () => {
    expect(await outcome(client.query('SELEC 1'))).toMatchObject({ code: '42601' });
    await recordOf(gateway, 'statement.refused', 'SELEC 1');
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  test('the agent was told nothing, and nobody was asked', async () => {
    expect(notices).toEqual([]);
    expect((await gateway.grace.list({ state: 'all' })).requests).toEqual([]);
  });

  test('each rule says how often', async () => {
    const { counts } = await gateway.grace.policy();
    const seen = counts.flatMap(({ rule, held, denied, observed: n }) => (n > 0 ? [[rule, held, denied, n]] : []));
    expect(seen.map(([rule]) => rule)).toEqual(
      expect.arrayContaining(['exports', 'ddl', 'opaque-code', 'server-files', 'administration', 'bulk-read']),
    );
    expect(seen.every(([, held, denied]) => held === 0 && denied === 0)).toBe(true);
    const records = (await gateway.records()).filter(({ type }) => type === 'statement.observed');
    expect(seen.reduce((sum, [, , , n]) => sum + Number(n), 0)).toBe(
      records.flatMap(({ clear }) => clear['observed'] as object[]).length,
    );
  });

  test('everybody else is told', async () => {
    expect(await gateway.grace.me()).toMatchObject({ mode: 'observe' });
    expect(await (await fetch(`${gateway.reviewUrl}/api/door`)).json()).toMatchObject({ mode: 'observe' });
    const said = gateway.lines.map((line) => JSON.parse(line) as { level: string; msg: string });
    expect(said).toContainEqual(
      expect.objectContaining({ level: 'warn', msg: expect.stringMatching(/^mode: observe\. Nothing is held/) }),
    );
    const findings = await check(`${gateway.dir}/holdpoint.yaml`, deps);
    expect(findings).toContainEqual(expect.objectContaining({ level: 'warn', about: 'mode' }));
    const loaded = (await gateway.records()).filter(({ type }) => type === 'policy.loaded');
    expect(loaded.map(({ clear }) => clear['mode'])).toEqual(['observe']);
  });

  test('a policy that is replaced is observed, too', async () => {
    await gateway.setPolicy('version: 1\ndefault: deny\n');
    expect((await client.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }]);
    expect(await observed(gateway, 'SELECT 2 AS two')).toEqual([{ rule: 'default', verdict: 'deny' }]);
    expect(gateway.lines.filter((line) => line.includes('mode: observe')).length).toBe(2);
  });
});

describe.each(ENGINES.filter(availableMysql))('%s', (engine) => {
  let server: TestMysql;
  let gateway: TestGateway;
  let client: Connection;

  beforeAll(async () => {
    server = await startMysql(engine);
    await server.sql(
      'CREATE DATABASE app; USE app; CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)',
    );
    gateway = await startGateway({
      upstream: `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`,
      config,
    });
    client = await mysql2.createConnection({
      host: '127.0.0.1',
      port: gateway.port,
      user: 'bot',
      password: AGENT_PASSWORD,
      database: 'app',
    });
  });
  afterAll(async () => {
    await client?.end();
    await gateway?.stop();
    await server?.stop();
  });
  const ran = (sql: string): Promise<unknown> =>
    client.query(sql).then(
      ([result]) => result,
      ({ errno }: { errno: number }) => errno,
    );

  test.each([
    ['CREATE TABLE made (id INT)', 'ddl', 'hold'],
    ["SELECT id FROM t INTO OUTFILE '/nowhere/t'", 'server-files', 'deny'],
    ['SET @sql = CONCAT("SELECT ", 1)', null, null],
    ['PREPARE p FROM @sql', 'opaque-code', 'hold'],
    ['EXECUTE p', 'opaque-code', 'hold'],
    ['SET GLOBAL max_connect_errors = 1000', 'administration', 'hold'],
  ])('%s', async (sql, rule, verdict) => {
    // What Holdpoint itself would answer to a denial and to a hold.
    expect([1227, 1644]).not.toContain(await ran(sql));
    if (rule !== null) expect(await observed(gateway, sql)).toEqual([{ rule, verdict }]);
  });

  test('prepared by the driver', async () => {
    const sql = 'ALTER TABLE made ADD COLUMN more INT';
    await client.execute(sql);
    expect(await observed(gateway, sql)).toEqual([{ rule: 'ddl', verdict: 'hold' }]);
    expect((await client.query('SELECT * FROM made'))[0]).toEqual([]);
  });

  test('what no policy can let through is refused', async () => {
    expect(await ran("SELECT 'open")).toBe(1064);
    await recordOf(gateway, 'statement.refused', "SELECT 'open");
    expect(await ran('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('nobody was asked', async () => {
    expect((await gateway.grace.list({ state: 'all' })).requests).toEqual([]);
    expect(await gateway.grace.me()).toMatchObject({ mode: 'observe' });
  });
});
