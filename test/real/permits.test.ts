// Permits, as agents and reviewers see them: approved once with a permit, statements of the same pattern run at once and within it; each use is
// counted, over a restart too; a result that is too long, or whose permit is revoked, stops.
import mysql2, { type Connection } from 'mysql2/promise';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { PermitView, RequestView } from '../../src/review/client.ts';
import { open, psql, until } from './clients.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { available as mysqlAvailable, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

const policyOf = (schema: string): string => `version: 1
default: allow
rules:
  - id: customers
    when: stmt.reads("${schema}.customers") || stmt.writes("${schema}.customers")
    then: hold
    ask: {permit: {for: 1h, uses: 3, rows: 100, writes: true}}
  - id: many
    when: stmt.reads("${schema}.many")
    then: hold
    ask: {permit: {for: 1h, uses: 1000, rows: 1000000}}
  - id: few
    when: stmt.reads("${schema}.many")
    unless: session.application_name == "bulk"
    limit: {rows: 50, then: hold}
  - id: never
    when: stmt.does("grant")
    then: deny
  - id: once
    when: stmt.reads("${schema}.secrets")
    then: hold
`;

const TERMS = { for: '1h', uses: 3, rows: 100 };
const MANY_ROWS = 300_000;
const ROW_CHARS = 300;

const withPermit = async (gateway: TestGateway, request: RequestView, permit: object = TERMS): Promise<PermitView> => {
  const { id, digest, revision } = request;
  await gateway.grace.decide(id, {
    decision: 'approve',
    digest,
    revision,
    rationale: 'every day',
    permit: permit as typeof TERMS,
  });
  const made = (await gateway.grace.permits()).permits.find((one) => one.request === id);
  if (!made) throw new Error('no permit was made');
  return made;
};

const permitNow = async (gateway: TestGateway, id: string): Promise<PermitView> => {
  const found = (await gateway.grace.permits()).permits.find((one) => one.id === id);
  if (!found) throw new Error(`there is no permit ${id}`);
  return found;
};

/** What the operator is told of it. */
const toldOf = (gateway: TestGateway, id: string): unknown[] =>
  gateway.lines.map((line): unknown => JSON.parse(line)).filter((line) => (line as { permit?: string }).permit === id);

/** Each of its uses has an end. */
const ended = (gateway: TestGateway, id: string): Promise<void> =>
  until(async () => (await permitNow(gateway, id)).used.every(({ outcome }) => outcome !== null));

/** What the driver does when the server has sent as many rows as it asked for. */
interface Paged {
  handlePortalSuspended(connection: unknown): void;
}

const requests = async (gateway: TestGateway): Promise<number> =>
  (await gateway.grace.list({ state: 'all' })).requests.length;

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let server: TestServer;
  let gateway: TestGateway;
  let client: pg.Client;
  let direct: pg.Client;
  let notices: string[];

  const connect = async (query = ''): Promise<pg.Client> => {
    const made = await open(gateway.agentUrl(undefined, query));
    made.on('notice', ({ message }) => void notices.push(message ?? ''));
    return made;
  };
  beforeAll(async () => {
    server = await startServer(major);
    direct = await server.admin(`
      CREATE TABLE customers (id int PRIMARY KEY, land text, name text);
      INSERT INTO customers SELECT i, CASE WHEN i <= 20 THEN 'at' WHEN i <= 50 THEN 'de' ELSE 'fr' END, 'n' || i FROM generate_series(1, 5000) AS i;
      CREATE TABLE secrets (id int);
      CREATE TABLE many AS SELECT i AS id, i % 2 AS kind, repeat('x', ${ROW_CHARS}) AS body FROM generate_series(1, ${2 * MANY_ROWS}) AS i`);
    gateway = await startGateway({ upstream: server.url, policy: policyOf('public') });
    notices = [];
    client = await connect();
  });
  afterAll(async () => {
    await client?.end();
    await gateway?.stop();
    await server?.stop();
  });
  afterEach(() => void (notices = []));
  const fault = (result: Promise<unknown>): Promise<pg.DatabaseError> =>
    result.then(
      () => {
        throw new Error('it ran');
      },
      (error: unknown) => error as pg.DatabaseError,
    );

  test('the same shape passes with no card, so many times; then it is held', async () => {
    const held = client.query("SELECT id FROM customers WHERE land = 'at' LIMIT 200");
    const request = await gateway.opened();
    const { free } = request.permit ?? { free: [] };
    expect(free.map(({ from, to }) => request.statement.text.slice(from, to))).toEqual(["'at'"]);
    expect(request.permit).toMatchObject({ for_ms: 3_600_000, uses: 3, rows: 100, writes: false });
    const permit = await withPermit(gateway, request);
    expect((await held).rows).toHaveLength(20);
    const before = await requests(gateway);
    notices = [];
    expect((await client.query("SELECT id FROM customers WHERE land = 'de' LIMIT 200")).rows).toHaveLength(30);
    expect(notices).toEqual([`runs under permit ${permit.id}, use 1 of 3, at most 100 rows`]);
    expect((await client.query("SELECT id FROM customers /* again */ WHERE land='xx' LIMIT 200")).rows).toEqual([]);
    expect(await requests(gateway)).toBe(before);

    const other = fault(client.query("SELECT id FROM customers WHERE land = 'de' LIMIT 2000"));
    await gateway.deny(await gateway.opened());
    expect((await other).code).toBe('42501');
    const always = fault(client.query("SELECT id FROM customers WHERE land = 'de' OR 1=1 LIMIT 200"));
    await gateway.deny(await gateway.opened());
    expect((await always).code).toBe('42501');
    await client.query('BEGIN');
    const inside = fault(client.query("SELECT id FROM customers WHERE land = 'aa' LIMIT 200"));
    await gateway.deny(await gateway.opened());
    expect((await inside).code).toBe('42501');
    await client.query('ROLLBACK');

    expect((await client.query("SELECT id FROM customers WHERE land = 'at' LIMIT 200")).rows).toHaveLength(20);
    const fourth = fault(client.query("SELECT id FROM customers WHERE land = 'bb' LIMIT 200"));
    await gateway.deny(await gateway.opened());
    expect((await fourth).code).toBe('42501');

    await ended(gateway, permit.id);
    const { state, used } = await permitNow(gateway, permit.id);
    expect(state).toBe('used-up');
    const of = { permit: permit.id, request: request.id, who: 'bot', rule: 'customers' };
    expect(toldOf(gateway, permit.id)).toMatchObject([
      { event: 'permit_granted', ...of, by: 'grace', uses: 3, rows: 100, until: new Date(permit.until).toISOString() },
      { event: 'permit_used_up', ...of },
    ]);
    expect(JSON.stringify(toldOf(gateway, permit.id))).not.toContain('land');
    expect(used.map(({ use, outcome }) => [use, outcome?.tag, outcome?.rows])).toEqual([
      [1, 'SELECT 30', 30],
      [2, 'SELECT 0', 0],
      [3, 'SELECT 20', 20],
    ]);
    const records = (await gateway.records()).filter(({ clear }) => clear['id'] === permit.id);
    expect(records.map(({ type }) => type)).toEqual(
      Array.from({ length: 3 }, () => ['permit.used', 'permit.use_ended']).flat(),
    );
    expect(JSON.stringify(records.map(({ clear }) => clear))).not.toMatch(/land|'de'/);
    expect(records[0]?.sealed).toMatchObject({ sql: "SELECT id FROM customers WHERE land = 'de' LIMIT 200" });
  });

  test('the API says how many statements each rule stopped', async () => {
    const counts = async (): Promise<Record<string, object>> =>
      Object.fromEntries((await gateway.grace.policy()).counts.map(({ rule, ...rest }) => [rule, rest]));
    const before = await counts();
    expect(Object.keys(before)).toEqual(['customers', 'many', 'few', 'never', 'once']);
    const none = { held: 0, denied: 0, observed: 0 };
    expect(before).toMatchObject({ never: none, once: none });
    expect((await fault(client.query('GRANT SELECT ON secrets TO public'))).code).toBe('42501');
    const held = fault(client.query('SELECT id FROM secrets'));
    await gateway.deny(await gateway.opened());
    expect((await held).code).toBe('42501');
    expect(await counts()).toMatchObject({ never: { ...none, denied: 1 }, once: { ...none, held: 1 } });
  });

  test('with parameters: other values of the free ones, and none of the others', async () => {
    const sql = 'SELECT id FROM customers WHERE id = $1 LIMIT $2';
    const held = client.query(sql, [1, 5]);
    const request = await gateway.opened();
    expect(request.permit?.free_parameters).toEqual([1]);
    const permit = await withPermit(gateway, request);
    expect((await held).rows).toEqual([{ id: 1 }]);
    notices = [];
    expect((await client.query(sql, [77, 5])).rows).toEqual([{ id: 77 }]);
    expect(notices).toEqual([`runs under permit ${permit.id}, use 1 of 3, at most 100 rows`]);
    const wider = fault(client.query(sql, [77, 5000]));
    await gateway.deny(await gateway.opened());
    expect((await wider).code).toBe('42501');
    expect((await client.query({ name: 'kept', text: sql, values: [78, 5] })).rows).toEqual([{ id: 78 }]);
    expect((await client.query({ name: 'kept', text: sql, values: [79, 5] })).rows).toEqual([{ id: 79 }]);
    await ended(gateway, permit.id);
    expect((await permitNow(gateway, permit.id)).used.map(({ outcome }) => outcome?.rows)).toEqual([1, 1, 1]);
  });

  test.each([
    ['simple', [] as number[]],
    ['extended', [7]],
  ])('more rows than it gives: stopped, in the %s protocol', async (_, values) => {
    const more = values.length === 0 ? '' : ' AND id > $1';
    const sql = (land: string) => `SELECT id, name FROM customers WHERE land = '${land}'${more}`;
    const held = client.query(sql('at'), values);
    const permit = await withPermit(gateway, await gateway.opened());
    await held;
    const error = await fault(client.query(sql('fr'), values));
    expect(error).toMatchObject({
      code: 'ZH004',
      message: `stopped after 100 rows: rule "customers", permit ${permit.id} gives at most 100 rows`,
    });
    expect((await client.query('SELECT 7 AS seven')).rows).toEqual([{ seven: 7 }]);
    await ended(gateway, permit.id);
    expect((await permitNow(gateway, permit.id)).used[0]?.outcome).toMatchObject({ sqlstate: 'ZH004', rows: 100 });
    const cut = (await gateway.records()).find(
      ({ type, clear }) => type === 'statement.cut' && clear['id'] === permit.id,
    );
    expect(cut?.clear).toMatchObject({ rule: 'customers', rows: 100 });
    expect(cut?.sealed).toMatchObject({ sql: sql('fr') });
  });

  test('a limit of the policy that is stricter still counts, and nobody is asked', async () => {
    const sql = (kind: number) => `SELECT id FROM many WHERE kind = ${kind} AND id < 400`;
    const held = client.query(sql(5));
    const permit = await withPermit(gateway, await gateway.opened(), { for: '1h', uses: 3, rows: 1000 });
    await held;
    const before = await requests(gateway);
    const error = await fault(client.query(sql(1)));
    expect(error).toMatchObject({
      code: 'ZH004',
      message: `stopped after 50 rows: rule "few", which permit ${permit.id} does not lift`,
    });
    expect(await requests(gateway)).toBe(before);
  });

  test('revoked while a big result streams: it stops, and the next is held', async () => {
    const bulk = await connect('?application_name=bulk');
    const sql = (kind: number) => `SELECT id, body FROM many WHERE kind = ${kind}`;
    const held = bulk.query(sql(9));
    const permit = await withPermit(gateway, await gateway.opened(), { for: '1h', uses: 100, rows: 1_000_000 });
    await held;
    const query = new pg.Query(sql(1));
    let rows = 0;
    const result = new Promise<pg.DatabaseError | null>((resolve) => {
      query.on('error', (error) => resolve(error as pg.DatabaseError));
      query.on('end', () => resolve(null));
    });
    const { stream } = (bulk as unknown as { connection: { stream: NodeJS.ReadStream } }).connection;
    const began = new Promise<void>((resolve) => {
      query.on('row', () => {
        rows += 1;
        if (rows === 1) {
          stream.pause();
          resolve();
        }
      });
    });
    bulk.query(query);
    await began;
    expect((await gateway.grace.revoke(permit.id, 'enough of it')).state).toBe('revoked');
    stream.resume();
    const error = await result;
    expect(error).toMatchObject({
      code: 'ZH004',
      message: expect.stringContaining(`permit ${permit.id} was revoked by grace`) as string,
    });
    expect(error?.message).toContain(`stopped after ${rows} rows`);
    expect(rows).toBeGreaterThan(0);
    expect(rows).toBeLessThan(MANY_ROWS);
    expect((await bulk.query('SELECT 7 AS seven')).rows).toEqual([{ seven: 7 }]);
    await ended(gateway, permit.id);
    const { used, revoked } = await permitNow(gateway, permit.id);
    expect(used[0]?.outcome).toMatchObject({ sqlstate: 'ZH004', rows });
    expect(revoked).toMatchObject({ by: 'grace', reason: 'enough of it' });
    expect(toldOf(gateway, permit.id)).toMatchObject([
      { event: 'permit_granted' },
      { event: 'permit_revoked', by: 'grace' },
    ]);
    expect(JSON.stringify(toldOf(gateway, permit.id))).not.toContain('enough');
    const next = fault(bulk.query(sql(3)));
    await gateway.deny(await gateway.opened());
    expect((await next).code).toBe('42501');
    await bulk.end();
  });

  test.each(['simple', 'extended'])(
    'revoked before its first row: cancelled at once, in the %s protocol',
    async (protocol) => {
      const values = protocol === 'simple' ? [] : [protocol];
      const sql = (id: number) =>
        `SELECT id${protocol === 'simple' ? '' : ', $1::text'} FROM customers WHERE id = ${id} FOR UPDATE`;
      const held = client.query(sql(1), values);
      const permit = await withPermit(gateway, await gateway.opened());
      await held;
      await direct.query('BEGIN; UPDATE customers SET id = id WHERE id = 2');
      try {
        const waits = fault(client.query(sql(2), values));
        await until(async () => {
          const { rows } = await direct.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
          return rows.length > 0;
        });
        await gateway.grace.revoke(permit.id, '');
        expect(await waits).toMatchObject({
          code: 'ZH004',
          message: `stopped after 0 rows: rule "customers", permit ${permit.id} was revoked by grace`,
        });
      } finally {
        await direct.query('ROLLBACK');
      }
      expect((await client.query('SELECT 7 AS seven')).rows).toEqual([{ seven: 7 }]);
    },
  );

  test('a portal under a permit that was revoked returns no more, and what it returned counts', async () => {
    const sql = (land: string) => `SELECT id AS portal FROM customers WHERE land = '${land}' ORDER BY 1`;
    await client.query('BEGIN');
    const held = client.query(sql('at'));
    const permit = await withPermit(gateway, await gateway.opened());
    await held;
    const query = new pg.Query({ text: sql('de'), rows: 10 } as pg.QueryConfig) as pg.Query & Paged;
    const next = query.handlePortalSuspended.bind(query);
    query.handlePortalSuspended = (connection) => void gateway.grace.revoke(permit.id, '').then(() => next(connection));
    const stopped = new Promise((resolve) => void query.on('error', resolve));
    const { connection } = client as unknown as { connection: { sync(): void } };
    client.query(query);
    expect(await stopped).toMatchObject({
      code: 'ZH004',
      message: expect.stringContaining(`permit ${permit.id} was revoked by grace`) as string,
    });
    // The driver sends none after an error here.
    connection.sync();
    await client.query('ROLLBACK');
    await ended(gateway, permit.id);
    expect((await permitNow(gateway, permit.id)).used.map(({ outcome }) => outcome?.rows)).toEqual([10]);
  });

  test('COPY of a query counts its lines', async () => {
    const copy = (land: string) => `COPY (SELECT id FROM customers WHERE land = '${land}') TO STDOUT`;
    const held = psql(gateway.agentUrl(), ['-c', copy('at')]);
    const permit = await withPermit(gateway, await gateway.opened());
    expect((await held).out.trim().split('\n')).toHaveLength(20);
    const few = await psql(gateway.agentUrl(), ['-c', copy('de')]);
    expect(few.out.trim().split('\n')).toHaveLength(30);
    expect(few.err).toContain(`runs under permit ${permit.id}`);
    const many = await psql(gateway.agentUrl(), ['-c', copy('fr')]);
    expect(many.err).toContain(`permit ${permit.id} gives at most 100 rows`);
    expect(many.out.trim().split('\n')).toHaveLength(100);
    await ended(gateway, permit.id);
    expect((await permitNow(gateway, permit.id)).used.map(({ outcome }) => outcome?.rows)).toEqual([30, 100]);
  });

  test('writes, where the rule lets permits write: what they change is on record', async () => {
    const sql = (land: string) => `UPDATE customers SET name = 'x' WHERE land = '${land}'`;
    const held = client.query(sql('at'));
    const request = await gateway.opened();
    expect(request.permit?.writes).toBe(true);
    const permit = await withPermit(gateway, request);
    expect((await held).rowCount).toBe(20);
    expect((await client.query(sql('fr'))).rowCount).toBe(4950);
    await ended(gateway, permit.id);
    expect((await permitNow(gateway, permit.id)).used[0]?.outcome).toMatchObject({ tag: 'UPDATE 4950', rows: 4950 });
  });

  test('what a write returns is capped, and the write completes', async () => {
    const sql = (land: string) => `UPDATE customers SET name = 'y' WHERE land = '${land}' RETURNING id`;
    const held = client.query(sql('at'));
    const permit = await withPermit(gateway, await gateway.opened());
    await held;
    const error = await fault(client.query(sql('fr')));
    expect(error).toMatchObject({
      code: 'ZH004',
      detail: expect.stringContaining('completed on the database server') as string,
    });
    expect(error.message).toContain(`permit ${permit.id} gives at most 100 rows`);
    const { rows } = await direct.query("SELECT count(*)::int AS n FROM customers WHERE name = 'y' AND land = 'fr'");
    expect(rows).toEqual([{ n: 4950 }]);
  });

  test('no permit where the rule gives none; not for the sponsor; not wider than the rule', async () => {
    const held = fault(client.query('SELECT id FROM secrets WHERE id = 1'));
    const request = await gateway.opened();
    expect(request.permit).toBeNull();
    await expect(withPermit(gateway, request)).rejects.toThrow('gives no permits');
    await gateway.deny(request);
    await held;
    const mine = fault(client.query('SELECT id FROM customers WHERE id = 4 AND land IS NULL'));
    const its = await gateway.opened();
    const { id, digest, revision } = its;
    const terms = { decision: 'approve', digest, revision, rationale: 'x', permit: TERMS } as const;
    await expect(gateway.ada.decide(id, terms)).rejects.toThrow('sponsor');
    await expect(withPermit(gateway, its, { ...TERMS, rows: 101 })).rejects.toThrow('100 rows');
    await expect(withPermit(gateway, its, { ...TERMS, uses: 4 })).rejects.toThrow('3 uses');
    await gateway.deny(its);
    await mine;
  });

  test.each([
    [
      'a temporary table',
      'CREATE TEMP TABLE mine AS SELECT 5 AS k',
      'SELECT c.id FROM customers c, mine WHERE mine.k = 7',
    ],
    ['a prepared name', 'PREPARE q AS SELECT id FROM customers WHERE id = 1', 'EXECUTE q'],
    ['two statements', '', 'SELECT id FROM customers WHERE id = 1; SELECT 2'],
    ['a cursor', 'BEGIN', 'DECLARE c CURSOR FOR SELECT id FROM customers WHERE id = 1'],
    ['code', '', 'SELECT id, query_to_xml(name, true, true, name) FROM customers WHERE id = 1'],
  ])('none for %s', async (_, before, sql) => {
    if (before.startsWith('PREPARE')) {
      const prepared = client.query(before);
      await gateway.approve(await gateway.opened());
      await prepared;
    } else if (before !== '') await client.query(before);
    const held = fault(client.query(sql));
    const request = await gateway.opened();
    expect(request.permit).toBeNull();
    await gateway.deny(request);
    expect((await held).code).toBe('42501');
    if (before === 'BEGIN') await client.query('ROLLBACK');
  });

  test('the sponsor may revoke', async () => {
    const held = client.query('SELECT id AS mine FROM customers WHERE id = 1');
    const permit = await withPermit(gateway, await gateway.opened());
    await held;
    await gateway.ada.revoke(permit.id, 'not in my name');
    expect((await permitNow(gateway, permit.id)).revoked).toMatchObject({ by: 'ada' });
  });

  test('after a restart the count goes on', async () => {
    const sql = (id: number) => `SELECT id AS kept FROM customers WHERE id = ${id}`;
    const held = client.query(sql(1));
    const permit = await withPermit(gateway, await gateway.opened());
    await held;
    await client.query(sql(2));
    await ended(gateway, permit.id);
    const before = await permitNow(gateway, permit.id);
    await client.end();
    await gateway.stop(true);
    gateway = await startGateway({ upstream: server.url, policy: policyOf('public'), dir: gateway.dir });
    notices = [];
    client = await connect();
    expect(await permitNow(gateway, permit.id)).toEqual(before);
    expect((await client.query(sql(3))).rows).toEqual([{ kept: 3 }]);
    expect(notices).toEqual([`runs under permit ${permit.id}, use 2 of 3, at most 100 rows`]);
    await client.query(sql(4));
    const fourth = fault(client.query(sql(5)));
    await gateway.deny(await gateway.opened());
    expect((await fourth).code).toBe('42501');
  });

  test('it covers the text behind a name that it was given for, and no other, from the first moment on', async () => {
    const view = "SELECT id, land FROM customers WHERE land <> 'fr'";
    await direct.query(`CREATE VIEW behind_permit AS ${view}`);
    const sql = (land: string) => `SELECT id FROM behind_permit WHERE land = '${land}' LIMIT 60`;
    const held = client.query(sql('at'));
    const permit = await withPermit(gateway, await gateway.opened());
    expect((await held).rows).toHaveLength(20);
    expect((await client.query(sql('de'))).rows).toHaveLength(30);

    await direct.query('CREATE OR REPLACE VIEW behind_permit AS SELECT id, land FROM customers');
    const other = fault(client.query(sql('fr')));
    const request = await gateway.opened();
    expect(request.findings.map(({ object }) => object)).toContain('public.customers');
    await gateway.deny(request);
    expect((await other).code).toBe('42501');

    await direct.query(`DROP VIEW behind_permit; CREATE VIEW behind_permit AS ${view}`);
    expect((await client.query(sql('fr'))).rows).toEqual([]);
    expect((await permitNow(gateway, permit.id)).used).toHaveLength(2);
  });
});

describe.each(ENGINES.filter(mysqlAvailable))('%s', (engine) => {
  let server: TestMysql;
  let gateway: TestGateway;
  let client: Connection;
  let direct: Connection;

  const to = (port: number, user: string, password: string): Promise<Connection> =>
    mysql2.createConnection({ host: '127.0.0.1', port, user, password, database: 'app', multipleStatements: false });
  beforeAll(async () => {
    server = await startMysql(engine);
    await server.sql(`CREATE DATABASE app; USE app;
      CREATE TABLE customers (id INT PRIMARY KEY, land VARCHAR(10), name VARCHAR(20));
      CREATE TABLE numbers (i INT PRIMARY KEY);
      INSERT INTO numbers VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
      INSERT INTO customers SELECT 1 + a.i + 10 * b.i + 100 * c.i, IF(c.i = 0, IF(b.i < 2, 'at', 'de'), 'fr'), CONCAT('n', a.i) FROM numbers a, numbers b, numbers c;
      CREATE TABLE secrets (id INT);
      CREATE TABLE many (id INT PRIMARY KEY, kind INT, body VARCHAR(${ROW_CHARS}));
      INSERT INTO many SELECT a.i + 10 * b.i + 100 * c.i + 1000 * d.i + 10000 * e.i, a.i % 2, REPEAT('x', ${ROW_CHARS})
        FROM numbers a, numbers b, numbers c, numbers d, numbers e`);
    gateway = await startGateway({
      upstream: `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`,
      policy: policyOf('app'),
    });
    client = await to(gateway.port, 'bot', AGENT_PASSWORD);
    direct = await to(server.port, server.user, server.password);
  });
  afterAll(async () => {
    await client?.end();
    await direct?.end();
    await gateway?.stop();
    await server?.stop();
  });

  /** The driver's own connection, whose results come row by row. */
  interface Streaming {
    query(text: string): NodeJS.EventEmitter;
    pause(): void;
    resume(): void;
  }
  interface Fault {
    readonly errno: number;
    readonly sqlState: string;
    readonly message: string;
  }
  const fault = (result: Promise<unknown>): Promise<Fault> =>
    result.then(
      () => {
        throw new Error('it ran');
      },
      (error: unknown) => error as Fault,
    );
  const rowsOf = async (result: ReturnType<Connection['query']>) =>
    (await result)[0] as unknown as readonly { id: number }[];
  const run = (how: 'query' | 'execute', sql: string) => (how === 'query' ? client.query(sql) : client.execute(sql));
  const denied = async (result: Promise<unknown>): Promise<void> => {
    const error = fault(result);
    await gateway.deny(await gateway.opened());
    expect((await error).errno).toBe(1227);
  };

  test('the same shape passes with no card, so many times; then it is held', async () => {
    const held = rowsOf(client.query("SELECT id FROM customers WHERE land = 'at' LIMIT 200"));
    const request = await gateway.opened();
    const { free } = request.permit ?? { free: [] };
    expect(free.map(({ from, to: end }) => request.statement.text.slice(from, end))).toEqual(["'at'"]);
    const permit = await withPermit(gateway, request);
    expect(await held).toHaveLength(20);
    const before = await requests(gateway);
    expect(await rowsOf(client.query("SELECT id FROM customers WHERE land = 'de' LIMIT 200"))).toHaveLength(80);
    expect(await rowsOf(client.query("SELECT id FROM customers /* again */ WHERE land='xx' LIMIT 200"))).toEqual([]);
    expect(await requests(gateway)).toBe(before);
    await denied(client.query("SELECT id FROM customers WHERE land = 'de' LIMIT 2000"));
    await denied(client.query("SELECT id FROM customers WHERE land = 'de' OR 1=1 LIMIT 200"));
    await denied(client.query('SELECT id FROM customers WHERE land = 0 LIMIT 200'));
    await client.query('BEGIN');
    await denied(client.query("SELECT id FROM customers WHERE land = 'aa' LIMIT 200"));
    await client.query('ROLLBACK');
    expect(await rowsOf(client.query("SELECT id FROM customers WHERE land = 'at' LIMIT 200"))).toHaveLength(20);
    await denied(client.query("SELECT id FROM customers WHERE land = 'bb' LIMIT 200"));
    await ended(gateway, permit.id);
    const { state, used } = await permitNow(gateway, permit.id);
    expect(state).toBe('used-up');
    expect(used.map(({ use, outcome }) => [use, outcome?.sqlstate, outcome?.rows])).toEqual([
      [1, null, 80],
      [2, null, 0],
      [3, null, 20],
    ]);
    const records = (await gateway.records()).filter(({ clear }) => clear['id'] === permit.id);
    expect(records.map(({ type }) => type)).toEqual(
      Array.from({ length: 3 }, () => ['permit.used', 'permit.use_ended']).flat(),
    );
  });

  test('prepared: other values of the free parameters, but no zero, and none of the others', async () => {
    const sql = 'SELECT id FROM customers WHERE id = ? LIMIT ?';
    const held = rowsOf(client.execute(sql, [1, '5']));
    const request = await gateway.opened();
    expect(request.permit?.free_parameters).toEqual([1]);
    const permit = await withPermit(gateway, request);
    expect(await held).toEqual([{ id: 1 }]);
    expect(await rowsOf(client.execute(sql, [77, '5']))).toEqual([{ id: 77 }]);
    await denied(client.execute(sql, [0, '5']));
    await denied(client.execute(sql, [77, '5000']));
    await denied(client.execute(sql, ['77', '5']));
    await ended(gateway, permit.id);
    expect((await permitNow(gateway, permit.id)).used).toHaveLength(1);
  });

  test.each(['query', 'execute'] as const)('more rows than it gives: stopped (%s)', async (how) => {
    const sql = (land: string) => `SELECT id, '${how}' FROM customers WHERE land = '${land}'`;
    const held = run(how, sql('at'));
    const permit = await withPermit(gateway, await gateway.opened());
    await held;
    const error = await fault(run(how, sql('fr')));
    expect(error).toMatchObject({ errno: 1644, sqlState: '45000' });
    expect(error.message.toLowerCase()).toContain('stopped after 100 rows');
    expect(error.message).toContain(`permit ${permit.id} gives at most 100 rows`);
    expect(await rowsOf(client.query('SELECT 7 AS id'))).toEqual([{ id: 7 }]);
    await ended(gateway, permit.id);
    expect((await permitNow(gateway, permit.id)).used[0]?.outcome).toMatchObject({ sqlstate: 'ZH004', rows: 100 });
  });

  test('a limit of the policy that is stricter still counts, and nobody is asked', async () => {
    const sql = (kind: number) => `SELECT id FROM many WHERE kind = ${kind} AND id < 400`;
    const held = client.query(sql(5));
    const permit = await withPermit(gateway, await gateway.opened(), { for: '1h', uses: 3, rows: 1000 });
    await held;
    const before = await requests(gateway);
    const error = await fault(client.query(sql(1)));
    expect(error.message).toContain(`rule "few", which permit ${permit.id} does not lift`);
    expect(await requests(gateway)).toBe(before);
  });

  test('revoked while a big result streams: it stops, and the next is held', async () => {
    const sql = (kind: number) => `SELECT id, body FROM many WHERE kind = ${kind} AND id <> -1`;
    const bulk = await mysql2.createConnection({
      host: '127.0.0.1',
      port: gateway.port,
      user: 'bot',
      password: AGENT_PASSWORD,
      database: 'app',
      connectAttributes: { program_name: 'bulk' },
    });
    const held = bulk.query(sql(9));
    const permit = await withPermit(gateway, await gateway.opened(), { for: '1h', uses: 100, rows: 1_000_000 });
    await held;
    const { connection: raw } = bulk as unknown as { connection: Streaming };
    let rows = 0;
    const query = raw.query(sql(1));
    const result = new Promise<Fault | null>((resolve) => {
      query.on('error', (error: Fault) => resolve(error));
      query.on('end', () => resolve(null));
    });
    await new Promise<void>((resolve) => {
      query.on('result', () => {
        rows += 1;
        if (rows > 1) return;
        raw.pause();
        resolve();
      });
    });
    await gateway.grace.revoke(permit.id, 'enough of it');
    raw.resume();
    const error = await result;
    expect(error?.errno).toBe(1644);
    expect(error?.message).toContain(`permit ${permit.id} was revoked by grace`);
    expect(rows).toBeGreaterThan(0);
    expect(rows).toBeLessThan(50_000);
    expect(await rowsOf(bulk.query('SELECT 7 AS id'))).toEqual([{ id: 7 }]);
    await ended(gateway, permit.id);
    expect((await permitNow(gateway, permit.id)).used[0]?.outcome).toMatchObject({ sqlstate: 'ZH004', rows });
    const next = fault(bulk.query(sql(3)));
    await gateway.deny(await gateway.opened());
    expect((await next).errno).toBe(1227);
    await bulk.end();
  });

  test.each(['query', 'execute'] as const)('revoked before its first row: stopped at once (%s)', async (how) => {
    const sql = (id: number) => `SELECT id, '${how}' FROM customers WHERE id = ${id} FOR UPDATE`;
    const held = run(how, sql(1));
    const permit = await withPermit(gateway, await gateway.opened());
    await held;
    await direct.query('BEGIN');
    await direct.query("UPDATE customers SET name = 'locked' WHERE id = 2");
    try {
      const waits = fault(run(how, sql(2)));
      await until(async () => {
        const [found] = await direct.query(
          "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT id, %FOR UPDATE%'",
        );
        return (found as unknown[]).length > 0;
      });
      await gateway.grace.revoke(permit.id, '');
      const error = await waits;
      expect(error).toMatchObject({ errno: 1644 });
      expect(error.message).toContain(`permit ${permit.id} was revoked by grace`);
    } finally {
      await direct.query('ROLLBACK');
    }
    expect(await rowsOf(client.query('SELECT 7 AS id'))).toEqual([{ id: 7 }]);
    await ended(gateway, permit.id);
    expect((await permitNow(gateway, permit.id)).used[0]?.outcome).toMatchObject({ sqlstate: 'ZH004', rows: 0 });
  });

  test.each([
    [
      'a temporary table',
      'CREATE TEMPORARY TABLE mine AS SELECT 5 AS k',
      'SELECT c.id FROM customers c, mine WHERE mine.k = 7',
    ],
    ['a variable', 'SET @k = 1', 'SELECT id FROM customers WHERE id = @k'],
    ['a prepared name', '', "PREPARE q FROM 'SELECT id FROM customers WHERE id = 1'"],
  ])('none for %s', async (_, before, sql) => {
    if (before !== '') await client.query(before);
    const held = fault(client.query(sql));
    const request = await gateway.opened();
    expect(request.permit).toBeNull();
    await gateway.deny(request);
    expect((await held).errno).toBe(1227);
  });

  test('writes: what they change is on record', async () => {
    const sql = (land: string) => `UPDATE customers SET name = 'x' WHERE land = '${land}'`;
    const held = client.query(sql('at'));
    const request = await gateway.opened();
    expect(request.permit?.writes).toBe(true);
    const permit = await withPermit(gateway, request);
    await held;
    await client.query(sql('fr'));
    await ended(gateway, permit.id);
    expect((await permitNow(gateway, permit.id)).used[0]?.outcome).toMatchObject({ sqlstate: null, rows: 900 });
  });

  test('after a restart the count goes on', async () => {
    const sql = (id: number) => `SELECT id FROM customers WHERE id = ${id} AND 1 = 1`;
    const held = client.query(sql(1));
    const permit = await withPermit(gateway, await gateway.opened());
    await held;
    await client.query(sql(2));
    await ended(gateway, permit.id);
    const before = await permitNow(gateway, permit.id);
    await client.end();
    await gateway.stop(true);
    gateway = await startGateway({
      upstream: `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`,
      policy: policyOf('app'),
      dir: gateway.dir,
    });
    client = await to(gateway.port, 'bot', AGENT_PASSWORD);
    expect(await permitNow(gateway, permit.id)).toEqual(before);
    expect(await rowsOf(client.query(sql(3)))).toEqual([{ id: 3 }]);
    expect(await rowsOf(client.query(sql(4)))).toEqual([{ id: 4 }]);
    await denied(client.query(sql(5)));
  });

  test('it covers the text behind a name that it was given for, and no other, from the first moment on', async () => {
    const view = "SELECT id, land FROM customers WHERE land <> 'fr'";
    await direct.query(`CREATE VIEW behind_permit AS ${view}`);
    const sql = (land: string) => `SELECT id FROM behind_permit WHERE land = '${land}' LIMIT 60`;
    const held = client.query(sql('at'));
    const permit = await withPermit(gateway, await gateway.opened());
    expect(await rowsOf(held)).toHaveLength(20);
    expect(await rowsOf(client.query(sql('aa')))).toEqual([]);

    await direct.query('CREATE OR REPLACE VIEW behind_permit AS SELECT id, land FROM customers');
    await denied(client.query(sql('fr')));

    await direct.query('DROP VIEW behind_permit');
    await direct.query(`CREATE VIEW behind_permit AS ${view}`);
    expect(await rowsOf(client.query(sql('fr')))).toEqual([]);
    expect((await permitNow(gateway, permit.id)).used).toHaveLength(2);
  });
});
