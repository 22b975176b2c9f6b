// Results that are limited, as drivers see them: they stop at the cap, go on when somebody says so, and end with an error when not.
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { open, psql } from './clients.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

const POLICY = `version: 1
default: allow
rules:
  - id: long
    when: stmt.does("read")
    unless: stmt.reads("public.hourly") || stmt.reads("public.watched")
    limit: {rows: 1000, bytes: 1MiB, then: hold}
  - id: hourly
    when: stmt.reads("public.hourly")
    limit: {rows: 5, per: 1h, then: deny}
  - id: watched
    when: stmt.reads("public.watched")
    limit: {rows: 2, then: hold}
    mode: observe
`;

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let server: TestServer;
  let gateway: TestGateway;
  let client: pg.Client;
  let direct: pg.Client;

  beforeAll(async () => {
    server = await startServer(major);
    direct =
      await server.admin(`CREATE TABLE many AS SELECT i AS id, repeat('x', 100) AS body FROM generate_series(1, 200000) AS i;
      CREATE TABLE hourly AS SELECT generate_series(1, 3) AS id;
      CREATE TABLE watched AS SELECT generate_series(1, 3) AS id;
      CREATE TABLE done (id int);
      CREATE FUNCTION tell(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', $1; RETURN 1; END $$;
      CREATE TABLE gone AS SELECT generate_series(1, 5000) AS id`);
    gateway = await startGateway({ upstream: server.url, policy: POLICY });
    client = await open(gateway.agentUrl());
  });
  afterAll(async () => {
    await client?.end();
    await gateway?.stop();
    await server?.stop();
  });

  test('node-postgres: approved, every row arrives', async () => {
    const result = client.query('SELECT id, body FROM many WHERE id <= $1 ORDER BY id', [150_000]);
    const request = await gateway.opened();
    expect(request.sentence).toContain('continue past 1000 rows');
    expect(request.parameters[0]?.value?.text).toBe('150000');
    await gateway.approve(request);
    const { rows } = await result;
    expect(rows.length).toBe(150_000);
    expect(rows.at(-1)).toEqual({ id: 150_000, body: 'x'.repeat(100) });
    const { outcome } = await gateway.reaches(request.id, 'executed');
    expect(outcome?.rows).toBe(150_000);
  });

  test('node-postgres: denied, the error says where it stopped, the connection goes on', async () => {
    const result = client.query('SELECT id AS denied, body FROM many').then(
      () => null,
      (error: unknown) => error as { code: string; message: string; detail: string },
    );
    const request = await gateway.opened();
    await gateway.deny(request, 'too many');
    expect(await result).toMatchObject({
      code: 'ZH004',
      message: expect.stringContaining('stopped after 1000 rows: rule "long"') as string,
      detail: expect.stringContaining('The database server stopped the statement.') as string,
    });
    expect((await client.query('SELECT 7 AS seven')).rows).toEqual([{ seven: 7 }]);
    const records = await gateway.records();
    const cut = records.find(({ type, clear }) => type === 'statement.cut' && clear['id'] === request.id);
    expect(cut?.clear).toMatchObject({ rule: 'long', rows: 1000, outcome: '57014' });
  });

  test('node-postgres: denied in a transaction, the server has failed it as well', async () => {
    await client.query('BEGIN');
    await client.query('INSERT INTO done VALUES (1)');
    const result = client.query('SELECT id AS small FROM many WHERE id < 1100').catch((error: unknown) => error);
    await gateway.deny(await gateway.opened());
    // So short that the server had sent it whole.
    expect(await result).toMatchObject({
      code: 'ZH004',
      detail: expect.stringContaining('the rest of its rows was withheld') as string,
    });
    expect((await client.query('COMMIT')).command).toBe('ROLLBACK');
    expect((await direct.query('SELECT count(*)::int AS n FROM done')).rows).toEqual([{ n: 0 }]);
  });

  test('a client that leaves lets the server stop', async () => {
    const leaving = await open(gateway.agentUrl());
    const { rows } = await leaving.query('SELECT pg_backend_pid() AS pid');
    leaving.query('SELECT a.id AS left FROM many AS a, many AS b').catch(() => {});
    const request = await gateway.opened();
    (leaving as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    const gone = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE pid = ${rows[0].pid}`;
    await expect.poll(() => direct.query(gone).then(({ rows: [row] }) => row)).toEqual({ n: 0 });
    await expect.poll(async () => (await gateway.grace.get(request.id)).holds).toBe('ticket');
    await gateway.deny(await gateway.grace.get(request.id));
  });

  test('COPY TO STDOUT in psql: denied, and approved', async () => {
    const denied = psql(gateway.agentUrl(), ['-c', 'COPY many (id) TO STDOUT']);
    await gateway.deny(await gateway.opened());
    const { out, err } = await denied;
    expect(out.trimEnd().split('\n').length).toBe(1000);
    expect(err).toContain('ZH004: stopped after 1000 rows');
    const approved = psql(gateway.agentUrl(), ['-c', 'COPY (SELECT id FROM many WHERE id <= 5000) TO STDOUT']);
    await gateway.approve(await gateway.opened());
    const { out: all, err: said } = await approved;
    expect(all.trimEnd().split('\n').length).toBe(5000);
    expect(said).toContain('goes on, to its end');
  });

  test('psql with FETCH_COUNT, which uses a cursor', async () => {
    const run = psql(gateway.agentUrl(), ['-v', 'FETCH_COUNT=300', '-c', 'SELECT id FROM many WHERE id <= 2500']);
    await gateway.approve(await gateway.opened());
    const { out } = await run;
    expect(out.trimEnd().split('\n').length).toBe(2500);
  });

  test('a total counts all connections of a principal', async () => {
    const other = await open(gateway.agentUrl());
    expect((await client.query('SELECT id FROM hourly')).rows.length).toBe(3);
    await expect(other.query('SELECT id FROM hourly')).rejects.toThrow(
      'stopped after 2 rows: rule "hourly", which lets nobody go on',
    );
    await expect(client.query('SELECT id FROM hourly LIMIT 1')).rejects.toThrow('stopped after 0 rows');
    expect((await client.query('SELECT id FROM hourly WHERE false')).rows).toEqual([]);
    // That is known before a write.
    await expect(client.query('UPDATE hourly SET id = 9 WHERE id = 1 RETURNING id')).rejects.toMatchObject({
      code: '42501',
    });
    expect((await direct.query('SELECT count(*)::int AS n FROM hourly WHERE id = 9')).rows).toEqual([{ n: 0 }]);
    await other.end();
  });

  test.each([
    'UPDATE many SET id = id WHERE id > $1 RETURNING *',
    'DELETE FROM gone WHERE id > $1 RETURNING *',
    'WITH u AS (UPDATE many SET id = id WHERE id > $1 RETURNING *) SELECT * FROM u',
    'INSERT INTO gone SELECT id FROM many WHERE id > $1 RETURNING id',
  ])('a write that returns rows: it completes, and the rest of them is withheld: %s', async (sql) => {
    const before = (await gateway.records()).length;
    const rows: unknown[] = [];
    const query = new pg.Query(sql, [0]);
    query.on('row', (row) => rows.push(row));
    const error = await new Promise((resolve) => {
      query.on('error', resolve);
      query.on('end', () => resolve(null));
      client.query(query);
    });
    expect(error).toMatchObject({
      code: 'ZH004',
      message: expect.stringContaining('rows withheld after 1000 rows: rule "long"') as string,
      detail: expect.stringContaining('The statement completed on the database server') as string,
    });
    expect(rows.length).toBe(1000);
    const cut = (await gateway.records()).slice(before).find(({ type }) => type === 'statement.cut');
    expect(cut?.clear).toMatchObject({ rule: 'long', rows: 1000, id: null });
    expect(cut?.clear['outcome']).toMatch(/^(UPDATE|DELETE|SELECT|INSERT 0) \d+$/);
  });

  test('of a write in a block the rest is withheld, and the block fails', async () => {
    await client.query('BEGIN');
    await expect(client.query("UPDATE many SET body = 'y' WHERE id > 0 RETURNING id")).rejects.toMatchObject({
      code: 'ZH004',
      detail: expect.stringContaining('With this error its transaction fails') as string,
    });
    expect((await client.query('COMMIT')).command).toBe('ROLLBACK');
    expect((await direct.query("SELECT count(*)::int AS n FROM many WHERE body = 'y'")).rows).toEqual([{ n: 0 }]);
  });

  test('what single writes return passes', async () => {
    expect((await client.query('UPDATE many SET body = body WHERE id = $1 RETURNING id', [7])).rows).toEqual([
      { id: 7 },
    ]);
    const worker =
      'UPDATE many SET body = body WHERE id IN (SELECT id FROM many ORDER BY id LIMIT 9 FOR UPDATE SKIP LOCKED) RETURNING id';
    expect((await client.query(worker)).rows.length).toBe(9);
  });

  test("where only the session's own table is written, somebody is asked", async () => {
    await client.query('CREATE TEMP TABLE x AS SELECT generate_series(1, 30000) AS a');
    const result = client.query('UPDATE x SET a = a FROM many AS b WHERE b.id = x.a RETURNING b.*').catch((e) => e);
    const request = await gateway.opened();
    expect(request.sentence).toContain('continue past 1000 rows');
    await gateway.deny(request);
    expect(await result).toMatchObject({ code: 'ZH004' });
  });

  test('an error that quotes what was read is cut to what the limit lets pass', async () => {
    const folded = await client.query("SELECT string_agg(body, ',')::int FROM many").catch((error: unknown) => error);
    expect(folded).toMatchObject({ code: '22P02' });
    const { message } = folded as Error;
    expect(message).toMatch(/^invalid input syntax for type integer: "(x+|y+)/);
    expect(message).toMatch(/\[cut: longer than may pass\]$/);
    expect(message.length).toBeLessThan(65_000 + 1000);
    // Of no more rows it says nothing.
    const used = await client.query("SELECT (id || 'x')::int FROM hourly").catch((error: unknown) => error);
    expect(used).toMatchObject({ code: '22P02', message: '... [cut: longer than may pass]' });
    // Of a statement that returns nothing more passes, but not all.
    const silent = "INSERT INTO done SELECT string_agg(body, ',')::int FROM many";
    const { message: short } = (await client.query(silent).catch((error: unknown) => error)) as Error;
    expect(short.length).toBeLessThan(1024 * 1024 + 1000);
    expect((await client.query('SELECT 7 AS seven')).rows).toEqual([{ seven: 7 }]);
  });

  test('notices that say what was read count', async () => {
    const result = client.query('SELECT count(tell(body)) FROM many').then(
      () => null,
      (error: unknown) => error,
    );
    await gateway.deny(await gateway.opened());
    expect(await result).toMatchObject({ code: 'ZH004', message: expect.stringContaining('after 0 rows') as string });
  });

  test('a limit in mode observe is recorded', async () => {
    expect((await client.query('SELECT id FROM watched')).rows.length).toBe(3);
    await expect
      .poll(async () => (await gateway.records()).filter(({ type }) => type === 'statement.observed').length)
      .toBe(1);
  });
});
