// Held, shown, approved, and by then something else: what it calls or reads was replaced meanwhile. The request goes on as its next revision, which
// shows what would run now and is decided anew, in the time that was left; nothing of what was approved before runs.
import mysql2, { type Connection } from 'mysql2/promise';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RequestView } from '../../src/review/client.ts';
import { REVISIONS_MAX } from '../../src/approval/desk.ts';
import { Refused } from '../../src/review/client.ts';
import { decide, startGateway, type TestGateway } from './gateway.ts';
import { available as mysqlAvailable, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

const policyOf = (schema: string, more = ''): string => `version: 1
default: allow
unparsed: deny
unknown: hold
unresolved: hold
code: hold
rules:
  - {id: never, when: 'stmt.writes("${schema}.never")', then: deny}
  - {id: shown, when: 'stmt.touches("${schema}.customers") || stmt.writes("${schema}.log")', then: hold${more}}
  - {id: ddl, when: 'stmt.does("ddl")', then: allow}
`;

/** Resolves with the request when it is this revision, whatever its state. */
const revision = async ({ grace }: TestGateway, id: string, number: number): Promise<RequestView> => {
  for await (const message of grace.stream()) {
    const request =
      message.type === 'snapshot' ? await grace.get(id) : 'request' in message ? message.request : undefined;
    if (request?.id === id && request.revision === number) return request;
  }
  throw new Error('the stream ended');
};

const typesOf = async (gateway: TestGateway, id: string): Promise<string[]> =>
  (await gateway.records())
    .filter(({ clear }) => clear.id === id || (clear.request as { id?: string } | undefined)?.id === id)
    .map(({ type }) => type)
    .filter((type) => type.startsWith('request.') && type !== 'request.impact');

/** What a client is told of its statement: rows, or the error. */
const told = (result: Promise<{ rowCount: number | null }>): Promise<string> =>
  result.then(
    ({ rowCount }) => `${rowCount} rows`,
    ({ code, message }: pg.DatabaseError) => `${code} ${message}`,
  );

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let server: TestServer;
  let gateway: TestGateway;
  let admin: pg.Client;
  const clients: pg.Client[] = [];
  let names = 0;

  beforeAll(async () => {
    server = await startServer(major);
    admin = await server.admin(
      'CREATE TABLE customers (id int); INSERT INTO customers VALUES (1), (2); CREATE TABLE log (what text); CREATE TABLE never (id int)',
    );
    gateway = await startGateway({ upstream: server.url, policy: policyOf('public') });
  });
  afterAll(async () => {
    for (const client of clients) await client.end().catch(() => {});
    await gateway?.stop();
    await server?.stop();
  });

  const connect = async (to = gateway): Promise<{ client: pg.Client; notices: string[] }> => {
    const client = new pg.Client(to.agentUrl());
    client.on('error', () => {});
    const notices: string[] = [];
    client.on('notice', ({ message }) => notices.push(message ?? ''));
    await client.connect();
    clients.push(client);
    return { client, notices };
  };
  const make = async (body: string, name = `f${++names}`): Promise<string> => {
    await admin.query(`CREATE OR REPLACE FUNCTION ${name}() RETURNS void LANGUAGE sql AS '${body}'`);
    return name;
  };
  const count = async (table: string): Promise<number> =>
    (await admin.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`)).rows[0]?.n ?? 0;

  test.each([
    ['in the simple protocol', [], (name: string) => `SELECT ${name}()`],
    ['in a transaction', ['BEGIN'], (name: string) => `SELECT ${name}()`],
    ['in the extended protocol', [], (name: string) => ({ text: `SELECT ${name}()`, values: [], name })],
  ] as const)('a function is replaced: %s', async (_, before, sql) => {
    const { client, notices } = await connect();
    for (const statement of before) await client.query(statement);
    const name = await make("INSERT INTO log VALUES (''as shown'')");
    const result = told(client.query(sql(name)));
    const first = await gateway.opened();
    expect(first).toMatchObject({ revision: 1, changed: null });
    expect(first.findings.map(({ object }) => object)).toContain('public.log');
    await make('DELETE FROM customers WHERE id = 9', name);
    await gateway.approve(first);

    const second = await revision(gateway, first.id, 2);
    expect(second).toMatchObject({ state: 'open', holds: 'held', decisions: [], wait_until: first.wait_until });
    expect(second.changed?.why).toBe('what its names stand for is something else now');
    expect(second.findings.map(({ object }) => object)).toContain('public.customers');
    expect(second.digest).not.toBe(first.digest);
    expect(second.deadline).toBe(first.deadline);
    // What was shown then can't be decided any more.
    const late = await decide(gateway.grace, first, 'approve').catch((error: unknown) => error);
    expect(late).toBeInstanceOf(Refused);
    expect((late as Refused).why).toBe('changed');
    const logged = await count('log');
    await gateway.approve(second);
    expect(await result).toBe('1 rows');
    expect(notices.at(-2)).toBe(`changed, not failed: request ${first.id} must be approved again`);
    expect(notices.at(-1)).toContain('approved by grace');
    await gateway.reaches(first.id, 'executed');
    expect(await typesOf(gateway, first.id)).toEqual([
      'request.opened',
      'request.decided',
      'request.changed',
      'request.decided',
      'request.released',
      'request.executed',
    ]);
    expect(await count('log'), 'what was approved first has run').toBe(logged);
    if (before[0] === 'BEGIN') await client.query('ROLLBACK');
  });

  test('with temporary objects of its own it is looked up when it is let through: ZH006, and nothing ran', async () => {
    const { client } = await connect();
    await client.query('CREATE TEMPORARY TABLE mine (id int)');
    const name = await make("INSERT INTO log VALUES (''mine'')");
    const result = told(client.query(`SELECT ${name}() FROM (SELECT count(*) FROM mine) AS m`));
    const request = await gateway.opened();
    await make('DELETE FROM customers', name);
    await gateway.approve(request);
    expect(await result).toContain('ZH006');
    expect((await gateway.reaches(request.id, 'failed')).outcome?.sqlstate).toBe('ZH006');
    expect(await count('customers')).toBe(2);
  });

  test('a view is replaced, and denied then', async () => {
    await admin.query('CREATE VIEW seen AS SELECT id FROM customers');
    const { client } = await connect();
    const result = told(client.query('SELECT * FROM seen'));
    const first = await gateway.opened();
    await admin.query('CREATE TABLE secrets (id int)');
    await admin.query('CREATE OR REPLACE VIEW seen AS SELECT id FROM secrets UNION SELECT id FROM customers');
    await gateway.approve(first);
    const second = await revision(gateway, first.id, 2);
    expect(second.findings.map(({ object }) => object)).toContain('public.secrets');
    await gateway.deny(second, 'not those');
    expect(await result).toContain('42501 denied by grace: "not those"');
  });

  test('two connections hold it: it is decided again once, and runs once', async () => {
    const name = await make("INSERT INTO log VALUES (''two'')");
    const [one, two] = [await connect(), await connect()];
    const results = [told(one.client.query(`SELECT ${name}()`))];
    const first = await gateway.opened();
    results.push(told(two.client.query(`SELECT ${name}()`)));
    while (two.notices.length === 0) await new Promise((resolve) => two.client.once('notice', resolve));
    await make("INSERT INTO log VALUES (''two''), (''two'')", name);
    await admin.query(
      `CREATE OR REPLACE FUNCTION ${name}() RETURNS void LANGUAGE sql AS 'DELETE FROM customers WHERE id = 8'`,
    );
    await gateway.approve(first);
    const second = await revision(gateway, first.id, 2);
    // The one that was shown it first leaves: the other one runs what was approved, which is not what it was held for.
    await one.client.end().catch(() => {});
    await gateway.approve(second);
    expect(await results[1]).toBe('1 rows');
    expect(two.notices).toContain(`changed, not failed: request ${first.id} must be approved again`);
    const types = await typesOf(gateway, first.id);
    expect(types.filter((type) => type === 'request.changed')).toHaveLength(1);
    expect(types.filter((type) => type === 'request.released')).toHaveLength(1);
  });

  test('the wait ends where it would have: the request is a ticket, of its second revision', async () => {
    const name = await make("INSERT INTO log VALUES (''late'')");
    const { client } = await connect();
    await client.query("SET holdpoint.hold = '3s'");
    const result = told(client.query(`SELECT ${name}()`));
    const first = await gateway.opened();
    await make('DELETE FROM customers WHERE id = 7', name);
    await gateway.approve(first);
    await revision(gateway, first.id, 2);
    expect(await result).toContain('ZH001');
    const ticket = await gateway.grace.get(first.id);
    expect(ticket).toMatchObject({ state: 'open', holds: 'ticket', revision: 2 });
    await gateway.approve(ticket);
    expect(await told(client.query(`SELECT ${name}()`))).toBe('1 rows');
    expect((await gateway.reaches(first.id, 'executed')).revision).toBe(2);
  });

  test('what a rule denies, or nothing holds any more, is no revision: ZH006, and nothing ran', async () => {
    for (const body of ['INSERT INTO never VALUES (1)', 'SELECT']) {
      const name = await make("INSERT INTO log VALUES (''now'')");
      const { client } = await connect();
      const result = told(client.query(`SELECT ${name}()`));
      const request = await gateway.opened();
      await make(body, name);
      await gateway.approve(request);
      expect(await result).toContain(`ZH006 request ${request.id} was approved for other circumstances`);
      expect((await gateway.reaches(request.id, 'lapsed')).decisions).toHaveLength(1);
    }
    expect(await count('never')).toBe(0);
  });

  test(`what is another each time ends after ${REVISIONS_MAX} revisions`, async () => {
    const name = await make("INSERT INTO log VALUES (''0'')");
    const { client } = await connect();
    const result = told(client.query(`SELECT ${name}()`));
    let request = await gateway.opened();
    for (let number = 2; number <= REVISIONS_MAX + 1; number++) {
      await admin.query(`CREATE TABLE more_${name}_${number} (id int)`);
      await make(`INSERT INTO more_${name}_${number} VALUES (1); DELETE FROM customers WHERE id = 6`, name);
      await gateway.approve(request);
      if (number <= REVISIONS_MAX) request = await revision(gateway, request.id, number);
    }
    expect(await result).toContain('ZH006');
    expect(await gateway.reaches(request.id, 'lapsed')).toMatchObject({ revision: REVISIONS_MAX });
  });

  test('sent again under another policy it is the next revision of its request, also after a restart', async () => {
    let own = await startGateway({ upstream: server.url, policy: policyOf('public') });
    try {
      const sql = "INSERT INTO log VALUES ('policy')";
      const { client } = await connect(own);
      await client.query("SET holdpoint.hold = '0s'");
      expect(await told(client.query(sql))).toContain('ZH001');
      const first = await own.opened();
      await own.setPolicy(policyOf('public', ', ask: {rationale: [approve]}'));
      // The same to its reviewers: the same revision.
      expect(await told(client.query(sql))).toContain('ZH001');
      expect((await own.grace.get(first.id)).revision).toBe(1);
      await own.setPolicy(policyOf('public').replace('id: shown', 'id: renamed'));
      expect(await told(client.query(sql))).toContain(`ZH001 approval pending, not denied: request ${first.id}`);
      const second = await own.grace.get(first.id);
      expect(second).toMatchObject({ state: 'open', revision: 2, rule: 'renamed' });
      expect(second.changed?.why).toBe('the policy or what the statement touches is another now');
      await own.stop(true);
      own = await startGateway({
        upstream: server.url,
        dir: own.dir,
        policy: policyOf('public').replace('id: shown', 'id: renamed'),
      });
      const after = await own.grace.get(first.id);
      for (const same of ['state', 'revision', 'rule', 'digest', 'changed', 'statement'] as const)
        expect(after[same], same).toEqual(second[same]);
      await own.approve(after);
      expect(await told((await connect(own)).client.query(sql))).toBe('1 rows');
    } finally {
      await own.stop();
    }
  });
});

describe.each(ENGINES.filter(mysqlAvailable))('%s', (engine) => {
  let server: TestMysql;
  let gateway: TestGateway;
  let admin: Connection;
  let client: Connection;

  beforeAll(async () => {
    server = await startMysql(engine, ['--log-bin-trust-function-creators=1']);
    admin = await mysql2.createConnection({
      host: '127.0.0.1',
      port: server.port,
      user: server.user,
      password: server.password,
    });
    for (const statement of [
      'CREATE DATABASE app',
      'USE app',
      'CREATE TABLE customers (id INT)',
      'CREATE TABLE log (what VARCHAR(80))',
    ])
      await admin.query(statement);
    gateway = await startGateway({
      upstream: `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`,
      policy: policyOf('app'),
    });
    client = await mysql2.createConnection(gateway.agentUrl());
  });
  afterAll(async () => {
    await client?.end().catch(() => {});
    await admin?.end();
    await gateway?.stop();
    await server?.stop();
  });

  test.each([
    ['COM_QUERY', (sql: string) => client.query(sql)],
    ['a prepared statement', (sql: string) => client.execute(sql)],
  ])('a procedure is replaced: %s', async (_, send) => {
    const name = `p${Math.random().toString(36).slice(2, 8)}`;
    await admin.query(`CREATE PROCEDURE app.${name}() INSERT INTO log VALUES ('as shown')`);
    const result = send(`CALL ${name}()`).then(
      () => 'ran',
      ({ message }: Error) => message,
    );
    const first = await gateway.opened();
    await admin.query(`DROP PROCEDURE app.${name}`);
    await admin.query(`CREATE PROCEDURE app.${name}() DELETE FROM customers`);
    await gateway.approve(first);
    const second = await revision(gateway, first.id, 2);
    expect(second).toMatchObject({ state: 'open', holds: 'held', decisions: [], wait_until: first.wait_until });
    expect(second.findings.map(({ object }) => object)).toContain('app.customers');
    await gateway.approve(second);
    expect(await result).toBe('ran');
    await gateway.reaches(first.id, 'executed');
    expect(await typesOf(gateway, first.id)).toContain('request.changed');
    const [rows] = await admin.query('SELECT * FROM app.log');
    expect(rows).toEqual([]);
  });
});
