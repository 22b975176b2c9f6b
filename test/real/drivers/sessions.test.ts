// psql and node-postgres through the gateway against PostgreSQL 15 and 18: ordinary work, prepared statements, COPY,
// transactions, cancel, LISTEN, held and approved, held and denied, waited out, approved and sent again.
import { once } from 'node:events';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { outcome, psql } from '../clients.ts';
import { AGENT_PASSWORD, decide, startGateway, type TestGateway } from '../gateway.ts';
import { available, MAJORS, startServer, type TestServer } from '../servers.ts';

interface Notice {
  readonly message: string | undefined;
}

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let server: TestServer;
  let gateway: TestGateway;
  let direct: pg.Client;
  const clients: pg.Client[] = [];

  const connect = async (options: pg.ClientConfig = {}): Promise<pg.Client & { notices: Notice[] }> => {
    const client = new pg.Client({ connectionString: gateway.agentUrl(), ...options });
    const notices: Notice[] = [];
    client.on('notice', (notice) => notices.push({ message: notice.message }));
    client.on('error', () => {});
    await client.connect();
    clients.push(client);
    return Object.assign(client, { notices });
  };

  beforeAll(async () => {
    server = await startServer(major);
    direct = await server.admin(`
      CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text);
      INSERT INTO customers SELECT g, 'name ' || g, 'c' || g || '@example.test' FROM generate_series(1, 500) g;
      CREATE TABLE notes (id serial PRIMARY KEY, body text)`);
    gateway = await startGateway({ upstream: server.url });
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end().catch(() => {})));
    await gateway?.stop();
    await server?.stop();
  });

  test('psql: a SELECT passes, and errors are the server’s', async () => {
    const ok = await psql(gateway.agentUrl(), ['-c', 'SELECT count(*) FROM customers']);
    expect(ok).toMatchObject({ out: '500\n', exit: 0 });
    const bad = await psql(gateway.agentUrl(), ['-c', 'SELECT nosuch FROM customers']);
    expect(bad.err).toContain('42703');
    expect(bad.err).toContain('LINE 1: SELECT nosuch FROM customers');
  });

  test('psql: \\d, \\dt, \\du, \\df pass', async () => {
    for (const command of ['\\d', '\\d customers', '\\dt+', '\\du', '\\df', '\\dn', ...(major === 15 ? ['\\l'] : [])]) {
      const result = await psql(gateway.agentUrl(), ['-c', command]);
      expect(result.err, command).toBe('');
    }
  });

  test('psql: COPY TO STDOUT is held, approved by somebody else, and runs on the open connection', async () => {
    const copy = psql(gateway.agentUrl(), ['-c', 'COPY customers TO STDOUT']);
    const request = await gateway.opened();
    expect(request.sentence).toContain('Exports public.customers');
    await expect(decide(gateway.ada, request, 'approve')).rejects.toThrow(/sponsor of bot/);
    await gateway.approve(request);
    const result = await copy;
    expect(result.err).toMatch(/NOTICE: {2}00000: held for approval, not failed: request HP-/);
    expect(result.err).toMatch(/approved by grace: request HP-\w+ runs now, once/);
    expect(result.out.split('\n')).toHaveLength(501);
    const done = await gateway.reaches(request.id, 'executed');
    expect(done.outcome).toMatchObject({ tag: 'COPY 500', rows: 500 });
  });

  test('psql: COPY FROM STDIN passes as an ordinary write', async () => {
    const result = await psql(
      gateway.agentUrl(),
      ['-c', '\\copy notes(body) FROM pstdin', '-c', 'SELECT count(*) > 1 FROM notes'],
      { input: 'one\ntwo\n\\.\n' },
    );
    expect(result).toMatchObject({ err: '', out: 't\n' });
  });

  test('psql: a denial inside a transaction fails it upstream too', async () => {
    const script = psql(gateway.agentUrl(), [], {
      input:
        "BEGIN;\nINSERT INTO notes(body) VALUES ('lost');\nDROP TABLE notes;\nSELECT 1;\nCOMMIT;\nSELECT 'after';\n",
    });
    await gateway.deny(await gateway.opened(), 'keep it');
    const result = await script;
    expect(result.err).toMatch(/ERROR: {2}42501: denied by grace: "keep it"/);
    expect(result.err).toContain('25P02');
    expect(result.out).toBe('after\n');
    expect((await direct.query("SELECT 1 FROM notes WHERE body = 'lost'")).rowCount).toBe(0);
  });

  test('psql: Ctrl-C ends a hold with 57014, and the request lives as a ticket', async () => {
    const copy = psql(gateway.agentUrl(), ['-c', 'COPY customers(id) TO STDOUT']);
    const request = await gateway.opened();
    copy.child.kill('SIGINT');
    expect((await copy).err).toContain('57014');
    const ticket = await gateway.grace.get(request.id);
    expect(ticket).toMatchObject({ state: 'open', holds: 'ticket' });
    await gateway.deny(ticket);
  });

  test('psql: cancel of a running statement reaches the server', async () => {
    const sleep = psql(gateway.agentUrl(), ['-c', 'SELECT pg_sleep(30)']);
    for (;;) {
      const { rows } = await direct.query(
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(30)%' AND state = 'active'",
      );
      if (rows.length > 0) break;
    }
    sleep.child.kill('SIGINT');
    expect((await sleep).err).toContain('57014');
  });

  test('node-postgres: parameters, prepared statements, types, errors, transactions', async () => {
    const client = await connect();
    expect((await client.query('SELECT $1::int + 1 AS n, $2::text AS t', [41, 'é'])).rows).toEqual([{ n: 42, t: 'é' }]);
    for (let id = 1; id <= 3; id++) {
      const result = await client.query({
        name: 'by-id',
        text: 'SELECT name FROM customers WHERE id = $1',
        values: [id],
      });
      expect(result.rows).toEqual([{ name: `name ${id}` }]);
    }
    await expect(client.query('SELECT 1/$1::int', [0])).rejects.toMatchObject({ code: '22012' });
    await expect(client.query('SELECT * FROM nosuch WHERE id = $1', [1])).rejects.toMatchObject({ code: '42P01' });
    await client.query('BEGIN');
    await client.query('INSERT INTO notes(body) VALUES ($1)', ['kept']);
    await client.query('SAVEPOINT a');
    await expect(client.query('SELECT 1/0')).rejects.toMatchObject({ code: '22012' });
    await client.query('ROLLBACK TO a');
    await client.query('COMMIT');
    expect((await direct.query("SELECT 1 FROM notes WHERE body = 'kept'")).rowCount).toBe(1);
    const big = await client.query("SELECT repeat('x', 100000) AS x, g FROM generate_series(1, 200) g");
    expect(big.rows).toHaveLength(200);
    expect(big.rows[199].x).toHaveLength(100000);
  });

  test('an error of hundreds of KB arrives as the server wrote it', async () => {
    const client = await connect();
    const long = "SELECT (SELECT string_agg(g::text, ',') FROM generate_series(1, 60000) g)::int";
    const expected = await direct.query(long).catch((error: Error) => error.message);
    const received = await client.query(long).catch((error: Error) => error.message);
    expect(received === expected).toBe(true);
    expect((expected as string).length).toBeGreaterThan(300_000);
  });

  test('node-postgres: LISTEN and NOTIFY', async () => {
    const client = await connect();
    await client.query('LISTEN news');
    const heard = once(client, 'notification');
    await direct.query("NOTIFY news, 'hello'");
    expect((await heard)[0]).toMatchObject({ channel: 'news', payload: 'hello' });
  });

  test('node-postgres: held with parameters and approved, in the extended protocol', async () => {
    const client = await connect();
    await client.query("SET holdpoint.reason = 'month end, FIN-1'");
    const held = client.query('CREATE TABLE made AS SELECT * FROM customers WHERE id < $1', [10]);
    const request = await gateway.opened();
    expect(request.parameters).toMatchObject([{ value: { text: '10' } }]);
    expect(request.reason).toMatchObject({ text: 'month end, FIN-1' });
    await gateway.approve(request);
    await held;
    expect(client.notices.map((notice) => notice.message).join('\n')).toContain('approved by grace');
    expect((await direct.query('SELECT count(*)::int AS n FROM made')).rows[0].n).toBe(9);
    // The connection goes on as if nothing had been.
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await direct.query('DROP TABLE made');
  });

  test('node-postgres: a prepared statement is judged each time it is executed', async () => {
    const client = await connect();
    const send = () => client.query({ name: 'grant-it', text: 'GRANT SELECT ON notes TO public', values: [] });
    const first = send();
    await gateway.approve(await gateway.opened());
    await first;
    const second = outcome(send());
    const request = await gateway.opened();
    await gateway.deny(request, 'once is enough');
    expect(await second).toMatchObject({ code: '42501', message: expect.stringContaining('once is enough') });
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  test('node-postgres: denied in a transaction, everything is rolled back', async () => {
    const client = await connect();
    await client.query('BEGIN');
    await client.query('INSERT INTO notes(body) VALUES ($1)', ['gone']);
    const held = outcome(client.query('ALTER TABLE notes ADD COLUMN x int'));
    const request = await gateway.opened();
    expect(request.in_transaction).toBe(true);
    expect(request.earlier.map(({ text }) => text)).toEqual(['BEGIN', 'INSERT INTO notes(body) VALUES ($1)']);
    await gateway.deny(request);
    expect(await held).toMatchObject({ code: '42501' });
    await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' });
    expect((await client.query('COMMIT')).command).toBe('ROLLBACK');
    expect((await direct.query("SELECT 1 FROM notes WHERE body = 'gone'")).rowCount).toBe(0);
  });

  test('waited out, approved, sent again: runs once', async () => {
    const client = await connect();
    await client.query("SET holdpoint.hold = '50ms'");
    const send = () => client.query('CREATE TABLE again (id int)');
    const error = await outcome(send());
    expect(error).toMatchObject({ code: 'ZH001' });
    const id = /HP-\w+/.exec((error as Error).message)?.[0] ?? '';
    expect((await client.query(`SHOW holdpoint.request."${id}"`)).rows[0]).toMatchObject({
      id,
      state: 'open',
      approvals: '0 of 1',
    });
    // Sent again while it is open: the same request.
    await expect(send()).rejects.toMatchObject({ code: 'ZH001', message: expect.stringContaining(id) });
    await gateway.approve(await gateway.grace.get(id));
    expect((await client.query('SHOW holdpoint.requests')).rows[0]).toMatchObject({
      id,
      state: 'approved',
      next: expect.stringContaining('send the identical statement now'),
    });
    await send();
    expect((await gateway.reaches(id, 'executed')).outcome).toMatchObject({ tag: 'CREATE TABLE' });
    // Once: the next identical statement is a new request.
    const next = await send().catch((e: Error) => e);
    expect((next as Error).message).not.toContain(id);
    expect(next).toMatchObject({ code: 'ZH001' });
    await gateway.deny(await gateway.opened());
    await direct.query('DROP TABLE again');
  });

  test('a denial stands for the identical statement', async () => {
    const client = await connect();
    const first = outcome(client.query('TRUNCATE notes'));
    const request = await gateway.opened();
    await gateway.deny(request, 'never');
    expect(await first).toMatchObject({ code: '42501' });
    await expect(client.query('TRUNCATE   notes -- please')).rejects.toMatchObject({
      code: '42501',
      message: expect.stringContaining(request.id),
    });
  });

  test('the client leaves while held: nothing runs by itself', async () => {
    const client = await connect();
    const held = client.query('CREATE TABLE orphaned (id int)').catch(() => {});
    const request = await gateway.opened();
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    const ticket = await gateway.reaches(request.id, 'open').then(async function settle(seen): Promise<typeof seen> {
      return seen.holds === 'ticket' ? seen : settle(await gateway.grace.get(request.id));
    });
    await held;
    await gateway.approve(ticket);
    expect((await direct.query("SELECT to_regclass('orphaned') AS t")).rows).toEqual([{ t: null }]);
    await expect(gateway.grace.get(request.id)).resolves.toMatchObject({ state: 'approved' });
    // The same principal may still use the ticket, on another connection.
    const other = await connect();
    await other.query('CREATE TABLE orphaned (id int)');
    await direct.query('DROP TABLE orphaned');
  });

  test('what nobody answers for is refused, not held', async () => {
    const client = await connect({ connectionString: gateway.agentUrl().replace('bot:', 'orphan:') });
    await expect(client.query('COPY customers TO STDOUT')).rejects.toMatchObject({ code: 'ZH005' });
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  test('a wrong password and an unknown user get the same answer', async () => {
    const wrong = new pg.Client({ connectionString: gateway.agentUrl().replace(AGENT_PASSWORD, 'guess') });
    await expect(wrong.connect()).rejects.toMatchObject({
      code: '28P01',
      message: 'password authentication failed for user "bot"',
    });
    const nobody = new pg.Client({ connectionString: gateway.agentUrl().replace('bot:', 'nobody:') });
    await expect(nobody.connect()).rejects.toMatchObject({
      code: '28P01',
      message: 'password authentication failed for user "nobody"',
    });
  });

  test('own settings: set_config with a parameter, RESET, DISCARD ALL, and inside a batch', async () => {
    const client = await connect();
    expect((await client.query("SELECT set_config('holdpoint.reason', $1, false)", ['because'])).rows).toEqual([
      { set_config: 'because' },
    ]);
    expect((await client.query('SHOW holdpoint.reason')).rows).toEqual([{ 'holdpoint.reason': 'because' }]);
    await client.query('RESET holdpoint.reason');
    expect((await client.query('SHOW holdpoint.reason')).rows).toEqual([{ 'holdpoint.reason': '' }]);
    const batch = (await client.query(
      "SET holdpoint.reason = 'b'; SELECT 1 AS one; SHOW holdpoint.reason; SELECT 2 AS two",
    )) as unknown as pg.QueryResult[];
    expect(batch.map(({ command, rows }) => [command, rows])).toEqual([
      ['SET', []],
      ['SELECT', [{ one: 1 }]],
      ['SHOW', [{ 'holdpoint.reason': 'b' }]],
      ['SELECT', [{ two: 2 }]],
    ]);
    await client.query('DISCARD ALL');
    expect((await client.query('SHOW holdpoint.reason')).rows).toEqual([{ 'holdpoint.reason': '' }]);
    await client.query('BEGIN');
    await expect(client.query('SELECT 1/0')).rejects.toMatchObject({ code: '22012' });
    await expect(client.query('SHOW holdpoint.reason')).rejects.toMatchObject({ code: '25P02' });
    await client.query('ROLLBACK');
  });

  test('guarded settings: equal values pass, others are refused', async () => {
    const client = await connect();
    await client.query("SET client_encoding = 'utf-8'; SET standard_conforming_strings = on; SET NAMES 'utf8'");
    await expect(client.query("SET client_encoding = 'latin1'")).rejects.toMatchObject({ code: '0A000' });
    await expect(client.query('SET standard_conforming_strings = off')).rejects.toMatchObject({ code: '0A000' });
    expect((await client.query("SELECT 'a\\b' AS s")).rows).toEqual([{ s: 'a\\b' }]);
  });

  test('search_path is followed: SET, SET LOCAL, ROLLBACK', async () => {
    const client = await connect();
    await direct.query('CREATE SCHEMA IF NOT EXISTS other; CREATE TABLE IF NOT EXISTS other.customers (id int)');
    const exported = async (): Promise<string> => {
      const held = client.query('COPY customers TO STDOUT').catch(() => {});
      const request = await gateway.opened();
      await gateway.deny(request);
      await held;
      return request.sentence;
    };
    await client.query('SET search_path = other');
    expect(await exported()).toContain('other.customers');
    await client.query('BEGIN; SET LOCAL search_path = public');
    await client.query('ROLLBACK');
    const held = client.query('COPY customers(id) TO STDOUT').catch(() => {});
    const request = await gateway.opened();
    expect(request.sentence).toContain('other.customers');
    await gateway.deny(request);
    await held;
  });

  test('the log tells the story, in order', async () => {
    const types = (await gateway.records()).map((record) => record.type);
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
    const records = await gateway.records();
    const released = records.filter((record) => record.type === 'request.released');
    for (const record of released) {
      const decided = records.find(
        (other) => other.type === 'request.decided' && other.clear['id'] === record.clear['id'],
      );
      expect(decided && decided.seq < record.seq).toBe(true);
    }
  });
});
