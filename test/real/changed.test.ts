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
    expect(second.changed?.why).toBe(`what its names stand for is something else now: function public.${name}`);
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

  /** What is found is the same before and after; only the text that runs is another. */
  test.each<readonly [what: string, made: string, sql: string, replaced: string, named: string]>([
    [
      'a function',
      "CREATE FUNCTION same_f() RETURNS void LANGUAGE sql AS 'DELETE FROM customers WHERE id = 71'",
      'SELECT same_f()',
      "CREATE OR REPLACE FUNCTION same_f() RETURNS void LANGUAGE sql AS 'DELETE FROM customers WHERE id = 71 OR id > 0'",
      'function public.same_f',
    ],
    [
      'a function in plpgsql that a function calls',
      `CREATE FUNCTION same_inner() RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM customers WHERE id = 72; END';
       CREATE FUNCTION same_outer() RETURNS void LANGUAGE sql AS 'SELECT same_inner()'`,
      'SELECT same_outer()',
      `CREATE OR REPLACE FUNCTION same_inner() RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM customers; END'`,
      'function public.same_inner',
    ],
    [
      'a procedure',
      "CREATE PROCEDURE same_p() LANGUAGE sql AS 'DELETE FROM customers WHERE id = 73'",
      'CALL same_p()',
      "CREATE OR REPLACE PROCEDURE same_p() LANGUAGE sql AS 'DELETE FROM customers'",
      'procedure public.same_p',
    ],
    [
      'a view',
      'CREATE VIEW same_v AS SELECT id FROM customers WHERE id = 74',
      'SELECT * FROM same_v',
      'CREATE OR REPLACE VIEW same_v AS SELECT id FROM customers',
      'view public.same_v',
    ],
    [
      'a view under a view',
      'CREATE VIEW same_under AS SELECT id FROM customers WHERE id = 75; CREATE VIEW same_over AS SELECT id FROM same_under',
      'SELECT * FROM same_over',
      'CREATE OR REPLACE VIEW same_under AS SELECT id FROM customers',
      'view public.same_under',
    ],
    [
      "a trigger's function",
      `CREATE TABLE same_t (id int);
       CREATE FUNCTION same_fired() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM customers WHERE id = 76; RETURN NEW; END';
       CREATE TRIGGER fires BEFORE INSERT ON same_t FOR EACH ROW EXECUTE FUNCTION same_fired()`,
      'INSERT INTO same_t VALUES (1)',
      `CREATE OR REPLACE FUNCTION same_fired() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM customers; RETURN NEW; END'`,
      'function public.same_fired',
    ],
    [
      'when a trigger fires',
      `CREATE TABLE same_w (id int);
       CREATE FUNCTION same_when() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM customers WHERE id = 77; RETURN NEW; END';
       CREATE TRIGGER fires BEFORE INSERT ON same_w FOR EACH ROW WHEN (NEW.id = 5) EXECUTE FUNCTION same_when()`,
      'INSERT INTO same_w VALUES (1)',
      `DROP TRIGGER fires ON same_w;
       CREATE TRIGGER fires BEFORE INSERT ON same_w FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION same_when()`,
      'trigger fires on public.same_w',
    ],
    [
      'a rule',
      'CREATE TABLE same_r (id int); CREATE RULE also AS ON INSERT TO same_r DO ALSO DELETE FROM customers WHERE id = 78',
      'INSERT INTO same_r VALUES (1)',
      'CREATE OR REPLACE RULE also AS ON INSERT TO same_r DO ALSO DELETE FROM customers WHERE id > 0',
      'rule also on public.same_r',
    ],
    [
      'row security',
      `CREATE TABLE same_s (id int); ALTER TABLE same_s ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON same_s USING (id = 79);
       CREATE VIEW same_rows AS SELECT customers.id FROM customers, same_s`,
      'SELECT * FROM same_rows',
      'ALTER POLICY few ON same_s USING (id > 0)',
      'row security of public.same_s',
    ],
    [
      'a default',
      'CREATE TABLE same_d (id int, kind text DEFAULT $$user$$); CREATE VIEW same_seen AS SELECT id FROM customers',
      'INSERT INTO same_d (id) SELECT id FROM same_seen',
      'ALTER TABLE same_d ALTER kind SET DEFAULT $$admin$$',
      'a default, check or index',
    ],
  ])('the same is found in it, and its text is another: %s', async (_, made, sql, replaced, named) => {
    await admin.query(made);
    const { client, notices } = await connect();
    const result = told(client.query(sql));
    const first = await gateway.opened();
    const left = await count('customers');
    await admin.query(replaced);
    await gateway.approve(first);
    const second = await revision(gateway, first.id, 2);
    expect(second).toMatchObject({ state: 'open', decisions: [] });
    expect(second.changed?.why).toBe(`what its names stand for is something else now: ${named}`);
    expect(second.findings.map(({ action, object }) => [action, object])).toEqual(
      first.findings.map(({ action, object }) => [action, object]),
    );
    expect(second.digest).not.toBe(first.digest);
    expect(notices).toContain(`changed, not failed: request ${first.id} must be approved again`);
    await gateway.deny(second, 'not so');
    expect(await result).toContain('42501 denied by grace: "not so"');
    expect(await count('customers')).toBe(left);
  });

  test('made anew from the same text, spoken of, or beside it: it runs as approved', async () => {
    const body = "RETURNS void LANGUAGE sql AS 'INSERT INTO log VALUES (''anew'')'";
    const view = 'CREATE VIEW anew_v AS SELECT id FROM customers';
    await admin.query(`CREATE FUNCTION anew_f() ${body}; ${view}`);
    const { client, notices } = await connect();
    const result = told(client.query('SELECT anew_f() FROM anew_v'));
    const first = await gateway.opened();
    await admin.query(`DROP FUNCTION anew_f(); CREATE FUNCTION anew_f() ${body}`);
    await admin.query(`DROP VIEW anew_v; ${view}`);
    await admin.query("COMMENT ON FUNCTION anew_f() IS 'spoken of'; CREATE TABLE anew_beside (id int DEFAULT 5)");
    await admin.query("CREATE FUNCTION anew_other() RETURNS void LANGUAGE sql AS 'DELETE FROM customers'");
    await admin.query('CREATE INDEX ON log (upper(what)); ALTER TABLE customers ADD COLUMN more text DEFAULT $$x$$');
    await admin.query('ALTER TABLE customers DROP COLUMN more; DROP INDEX log_upper_idx');
    await gateway.approve(first);
    expect(await result).toBe(`${await count('customers')} rows`);
    expect(notices.filter((notice) => notice.startsWith('changed'))).toEqual([]);
    expect((await gateway.reaches(first.id, 'executed')).revision).toBe(1);
  });

  test('a ticket is for the text that was approved: sent in the moment in which that is another, it is asked for anew', async () => {
    await admin.query("CREATE FUNCTION ticket_f() RETURNS void LANGUAGE sql AS 'DELETE FROM customers WHERE id = 81'");
    const { client } = await connect();
    await client.query("SET holdpoint.hold = '0s'");
    const sql = 'SELECT ticket_f()';
    expect(await told(client.query(sql))).toContain('ZH001');
    const ticket = await gateway.opened();
    await gateway.approve(ticket);
    const left = await count('customers');
    await admin.query("CREATE OR REPLACE FUNCTION ticket_f() RETURNS void LANGUAGE sql AS 'DELETE FROM customers'");
    expect(await told(client.query(sql))).toContain('ZH001');
    const other = await gateway.opened([ticket.id]);
    expect(other.id).not.toBe(ticket.id);
    expect(await count('customers')).toBe(left);
    await admin.query(
      "CREATE OR REPLACE FUNCTION ticket_f() RETURNS void LANGUAGE sql AS 'DELETE FROM customers WHERE id = 81'",
    );
    // What was approved is there again.
    expect(await told(client.query(sql))).toBe('1 rows');
    expect((await gateway.reaches(ticket.id, 'executed')).revision).toBe(1);
    await gateway.deny(other, 'not all of them');
  });

  describe.each<readonly [of: string, before: readonly string[], from: string]>([
    ['temporary objects', ['CREATE TEMPORARY TABLE mine (id int)'], 'FROM (SELECT count(*) FROM mine) AS m'],
    ['temporary objects, in a transaction', ['CREATE TEMPORARY TABLE mine (id int)', 'BEGIN'], 'FROM mine'],
    ['DDL that is not committed', ['BEGIN', 'CREATE TABLE mine_alone (id int)'], 'FROM mine_alone'],
  ])('a session with %s of its own', (_, before, from) => {
    const held = async (body: string) => {
      const { client, notices } = await connect();
      for (const statement of before) await client.query(statement);
      const name = await make(body);
      const result = told(client.query(`SELECT ${name}() ${from}`));
      return { client, notices, name, result, request: await gateway.opened() };
    };
    const over = async (client: pg.Client): Promise<void> => {
      await client.query('ROLLBACK');
      await client.end();
    };

    test('what it means is another: the next revision, and nothing ran', async () => {
      const { client, notices, name, result, request } = await held("INSERT INTO log VALUES (''mine'')");
      const left = await count('customers');
      await make('DELETE FROM customers', name);
      await gateway.approve(request);
      const second = await revision(gateway, request.id, 2);
      expect(second).toMatchObject({ state: 'open', holds: 'held', decisions: [], wait_until: request.wait_until });
      expect(second.findings.map(({ object }) => object)).toContain('public.customers');
      expect(second.changed?.why).toContain(`function public.${name}`);
      await gateway.deny(second, 'not all');
      expect(await result).toContain('42501 denied by grace: "not all"');
      expect(notices).toContain(`changed, not failed: request ${request.id} must be approved again`);
      expect(await count('customers')).toBe(left);
      await over(client);
    });

    test('the same is found by another text: the next revision, which runs', async () => {
      const { client, name, result, request } = await held("INSERT INTO log VALUES (''first'')");
      await make("INSERT INTO log VALUES (''second'')", name);
      await gateway.approve(request);
      await gateway.approve(await revision(gateway, request.id, 2));
      expect(await result).toMatch(/^\d rows$/);
      expect((await gateway.reaches(request.id, 'executed')).revision).toBe(2);
      await over(client);
    });

    test('what others made beside it, and the same text once more, change nothing', async () => {
      const { client, name, result, request } = await held("INSERT INTO log VALUES (''beside'')");
      await admin.query(`CREATE VIEW beside_${name} AS SELECT id FROM customers`);
      await make("INSERT INTO log VALUES (''beside'')", name);
      await gateway.approve(request);
      expect(await result).toMatch(/^\d rows$/);
      expect((await gateway.reaches(request.id, 'executed')).revision).toBe(1);
      await over(client);
    });
  });

  test('a temporary table that somebody else drops stood before another of its name: the next revision', async () => {
    const { client } = await connect();
    await admin.query('CREATE TABLE hidden_by (id int); INSERT INTO hidden_by VALUES (1)');
    await client.query('CREATE TEMPORARY TABLE hidden_by (id int)');
    const name = await make("INSERT INTO log VALUES (''hidden'')");
    const result = told(client.query(`SELECT ${name}() FROM (SELECT count(*) FROM hidden_by) AS m`));
    const request = await gateway.opened();
    expect(request.findings.map(({ object }) => object)).toContain('pg_temp.hidden_by');
    const { rows } = await admin.query<{ schema: string }>(
      "SELECT relnamespace::regnamespace::text AS schema FROM pg_class WHERE relname = 'hidden_by' AND relpersistence = 't'",
    );
    await admin.query(`DROP TABLE ${rows[0]?.schema}.hidden_by`);
    await gateway.approve(request);
    const second = await revision(gateway, request.id, 2);
    expect(second.findings.map(({ object }) => object)).toContain('public.hidden_by');
    await gateway.deny(second, 'not that');
    expect(await result).toContain('42501');
  });

  test('what can not be read in its transaction is no revision: ZH006, and nothing ran', async () => {
    const { client } = await connect();
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await client.query('CREATE TABLE mine_alone (id int)');
    const name = await make("INSERT INTO log VALUES (''old'')");
    await client.query('ROLLBACK');
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await client.query('CREATE TABLE mine_alone (id int)');
    const result = told(client.query(`SELECT ${name}() FROM mine_alone`));
    const request = await gateway.opened();
    const left = await count('customers');
    await make('DELETE FROM customers', name);
    await gateway.approve(request);
    expect(await result).toContain('ZH006');
    expect((await gateway.reaches(request.id, 'lapsed')).revision).toBe(1);
    expect(await count('customers')).toBe(left);
    await client.query('ROLLBACK');
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

  const sent = (sql: string): Promise<string> =>
    client.query(sql).then(
      () => 'ran',
      ({ message }: Error) => message,
    );
  const run = async (statements: readonly string[]): Promise<void> => {
    for (const statement of statements) await admin.query(statement);
  };

  test.each<readonly [what: string, made: readonly string[], sql: string, replaced: readonly string[], named: string]>([
    [
      'a procedure',
      ["CREATE PROCEDURE app.same_p() DELETE FROM customers WHERE id = '71'"],
      'CALL same_p()',
      ['DROP PROCEDURE app.same_p', "CREATE PROCEDURE app.same_p() DELETE FROM customers WHERE id > '0'"],
      'procedure app.same_p',
    ],
    [
      'a function that a procedure calls',
      [
        'CREATE FUNCTION app.same_f() RETURNS INT BEGIN DELETE FROM customers WHERE id = 72; RETURN 1; END',
        'CREATE PROCEDURE app.same_c() SELECT same_f()',
      ],
      'CALL same_c()',
      [
        'DROP FUNCTION app.same_f',
        'CREATE FUNCTION app.same_f() RETURNS INT BEGIN DELETE FROM customers; RETURN 1; END',
      ],
      'function app.same_f',
    ],
    [
      'a view under a view',
      [
        'CREATE VIEW app.same_v AS SELECT id FROM customers WHERE id = 73',
        'CREATE VIEW app.same_o AS SELECT id FROM same_v',
      ],
      'SELECT * FROM same_o',
      ['CREATE OR REPLACE VIEW app.same_v AS SELECT id FROM customers'],
      'view app.same_v',
    ],
    [
      'a trigger',
      [
        'CREATE TABLE app.same_t (id INT)',
        'CREATE TRIGGER app.fires BEFORE INSERT ON app.same_t FOR EACH ROW DELETE FROM customers WHERE id = 74',
      ],
      'INSERT INTO same_t VALUES (1)',
      [
        'DROP TRIGGER app.fires',
        'CREATE TRIGGER app.fires BEFORE INSERT ON app.same_t FOR EACH ROW DELETE FROM customers WHERE id > 0',
      ],
      'trigger app.fires',
    ],
  ])('the same is found in it, and its text is another: %s', async (_, made, sql, replaced, named) => {
    await run(made);
    const result = sent(sql);
    const first = await gateway.opened();
    await run(replaced);
    await gateway.approve(first);
    const second = await revision(gateway, first.id, 2);
    expect(second.changed?.why).toBe(`what its names stand for is something else now: ${named}`);
    expect(second.findings.map(({ action, object }) => [action, object])).toEqual(
      first.findings.map(({ action, object }) => [action, object]),
    );
    await gateway.deny(second, 'not so');
    expect(await result).toContain('denied by grace: "not so"');
  });

  test('made anew from the same text, or beside it: it runs as approved', async () => {
    const body = "CREATE PROCEDURE app.anew() INSERT INTO log VALUES ('anew')";
    const view = 'CREATE VIEW app.anew_v AS SELECT id FROM customers WHERE id = 75';
    await run([body, view]);
    for (const sql of ['CALL anew()', 'SELECT * FROM anew_v']) {
      const result = sent(sql);
      const request = await gateway.opened();
      await run(['DROP PROCEDURE app.anew', body, 'DROP VIEW app.anew_v', view, 'DROP TABLE IF EXISTS app.beside']);
      await run(['CREATE TABLE app.beside (id INT)', 'CREATE OR REPLACE VIEW app.anew_other AS SELECT id FROM beside']);
      await gateway.approve(request);
      expect(await result).toBe('ran');
      expect((await gateway.reaches(request.id, 'executed')).revision).toBe(1);
    }
  });
});
