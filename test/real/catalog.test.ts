// The live catalog before real servers: what users made is looked through, with their code or without; changes by others and by the session
// itself are seen in time; and where the catalog can't be read, everything users made is held and the gateway works on.
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CATALOG_QUERY, FINGERPRINT_QUERY, SNAPSHOT_QUERY } from '../../src/sql/postgres/catalog/rows.ts';
import { READING } from '../../src/sql/postgres/catalog/reading.ts';
import { PostgresCatalog } from '../../src/upstream/postgres/catalog.ts';
import type { UpstreamTarget } from '../../src/upstream/postgres/connect.ts';
import type { Refused } from '../../src/upstream/postgres/side.ts';
import { open, outcome } from './clients.ts';
import {
  bindText,
  cancelRequest,
  execute,
  functionCall,
  parseTyped,
  query,
  SYNC,
} from '../../src/wire/postgres/messages.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { Raw } from './raw.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

const SCHEMA = `
  CREATE TABLE customers (id int PRIMARY KEY, email text);
  INSERT INTO customers SELECT i, 'c' || i FROM generate_series(1, 5) AS i;
  CREATE TABLE orders (id serial PRIMARY KEY, customer int, note text DEFAULT 'none');
  CREATE TABLE log (at timestamptz, what text);
  CREATE TABLE secrets (id int, body text);
  CREATE VIEW secret_list AS SELECT id, body FROM secrets;
  CREATE VIEW secret_names AS SELECT id FROM secret_list;

  CREATE FUNCTION doubled(a int) RETURNS int LANGUAGE sql AS 'SELECT a * 2';
  CREATE FUNCTION counted() RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE n bigint; BEGIN SELECT count(*) INTO n FROM customers; RETURN n; END $$;
  CREATE FUNCTION place_order(who int) RETURNS void LANGUAGE sql AS 'INSERT INTO orders (customer) VALUES (who)';
  CREATE FUNCTION through(who int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM place_order(who); END $$;
  CREATE FUNCTION of_owner() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM customers';
  CREATE ROLE other; GRANT SELECT ON customers TO other; ALTER FUNCTION of_owner OWNER TO other;
  CREATE FUNCTION dynamic(t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DELETE FROM ' || t; END $$;
  CREATE FUNCTION plans() RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO secrets VALUES (7, 'planned'); END $$;

  CREATE FUNCTION logs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (now(), NEW.note); RETURN NEW; END $$;
  CREATE FUNCTION logged() RETURNS text LANGUAGE sql AS $$ INSERT INTO log VALUES (now(), 'default') RETURNING what $$;
  CREATE TABLE watched (id int, note text DEFAULT logged());
  CREATE TRIGGER watch AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION logs();
  CREATE FUNCTION anything() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE TG_ARGV[0]; RETURN NEW; END $$;
  CREATE TABLE guarded (id int);
  ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
  CREATE POLICY own ON guarded USING (id < of_owner());
  CREATE TABLE busy (id int CHECK (id > 0), n int DEFAULT 1);
  CREATE TYPE busy_pair AS (a busy);
  CREATE VIEW busy_ids AS SELECT id FROM busy;
  CREATE INDEX ON busy ((id + 1)) WHERE id > 5;
  CREATE STATISTICS busy_sums ON (id + n) FROM busy;
  CREATE FUNCTION busy_count() RETURNS bigint LANGUAGE sql RETURN (SELECT count(*) FROM busy);
  CREATE FUNCTION of_busy(b busy DEFAULT ROW(1, 2)::busy) RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE DOMAIN busy_row AS busy CHECK ((VALUE).id > 0);
  CREATE FUNCTION keeps() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
  CREATE TRIGGER keep BEFORE UPDATE ON busy FOR EACH ROW WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION keeps();
  CREATE TABLE ruled (id int);
  CREATE RULE ruled_busy AS ON INSERT TO ruled DO ALSO INSERT INTO log SELECT now(), id::text FROM busy;
  ALTER TABLE busy ENABLE ROW LEVEL SECURITY;
  CREATE POLICY busy_own ON busy USING (id > 1);
  CREATE TABLE unseen (id int);
  CREATE VIEW unseen_ids AS SELECT id FROM unseen;
  CREATE TABLE trapped (id int);
  CREATE TRIGGER trap AFTER INSERT ON trapped FOR EACH ROW EXECUTE FUNCTION anything('SELECT 1');`;

const POLICY = `version: 1
default: allow
unparsed: deny
unknown: hold
unresolved: hold
code: hold
rules:
  - id: secrets
    when: stmt.touches("public.secrets")
    then: hold
  - id: ddl
    when: stmt.does("ddl")
    then: hold
  - id: hidden-writes
    when: stmt.hidden_writes
    unless: stmt.calls("public.place_order")
    then: hold
`;

let gateway: TestGateway;

/** Runs it; `ran`, the server's error, or the rule that held it and for what: then it is denied. */
const said = async (client: pg.Client, sql: string | pg.QueryConfig): Promise<string> => {
  const waits = new AbortController();
  const result = outcome(client.query(sql));
  const first = await Promise.race([result, held(client, waits.signal)]);
  waits.abort();
  if (first !== null) return first instanceof Error ? `${first.code} ${first.message}` : 'ran';
  const request = await gateway.opened();
  await gateway.deny(request);
  await result;
  const found = request.findings
    .filter(({ action }) => action !== 'read')
    .map(({ action, object }) => `${action} ${object}`);
  return `held by ${request.rule}: ${[...new Set(found)].toSorted().join(', ')}`;
};

/** Resolves with null when Holdpoint says that it holds a statement. */
const held = (client: pg.Client, signal: AbortSignal): Promise<null> =>
  new Promise((resolve) => {
    const listen = ({ message = '' }: { message?: string | undefined }): void => {
      if (message.startsWith('held for approval')) resolve(null);
    };
    client.on('notice', listen);
    signal.addEventListener('abort', () => client.off('notice', listen));
  });

/** Runs it with a reviewer's word. */
const approved = async (
  client: pg.Client,
  sql: string | pg.QueryConfig,
): Promise<pg.QueryResult | pg.DatabaseError> => {
  const result = outcome(client.query(sql));
  await gateway.approve(await gateway.opened());
  return result;
};

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let server: TestServer;
  let admin: pg.Client;

  const own = (): UpstreamTarget => ({
    host: '127.0.0.1',
    port: server.port,
    tls: { mode: 'disable', ca: null },
    timeout_ms: 5000,
    keepalive_ms: 10_000,
    user: server.user,
    password: server.password,
  });

  beforeAll(async () => {
    server = await startServer(major);
    admin = await server.admin(SCHEMA);
  });
  afterAll(() => server?.stop());

  describe('the starter policy', () => {
    let client: pg.Client;
    beforeAll(async () => {
      gateway = await startGateway({ upstream: server.url });
      client = await open(gateway.agentUrl());
    });
    afterAll(async () => {
      await client?.end();
      await gateway?.stop();
    });

    test.each([
      ['a function that computes', 'SELECT doubled(id) FROM customers WHERE id = 1', 'ran'],
      ['a function that reads', 'SELECT counted()', 'ran'],
      ['a function that writes', 'SELECT place_order(1)', /^held by hidden-writes: write public\.orders/],
      ['a function behind a function', 'SELECT through(1)', /^held by hidden-writes: write public\.orders/],
      ['SECURITY DEFINER that reads', 'SELECT of_owner()', 'held by roles: role public.of_owner'],
      ["SECURITY DEFINER in the policies of a table, which are its owner's", 'SELECT * FROM guarded LIMIT 1', 'ran'],
      ['dynamic SQL', `SELECT dynamic('log')`, 'held by opaque-code: code public.dynamic'],
      ['a trigger and a default that write', 'INSERT INTO watched (id) VALUES (1)', 'ran'],
      [
        'a trigger with dynamic SQL',
        'INSERT INTO trapped VALUES (1)',
        'held by opaque-code: code public.anything, write public.trapped',
      ],
    ])('%s', async (_, sql, expected) => {
      expect(await said(client, sql)).toEqual(
        typeof expected === 'string' ? expected : (expect.stringMatching(expected) as string),
      );
    });

    test('a parameter of a type whose input runs a function', async () => {
      await admin.query(`CREATE FUNCTION checks(i int) RETURNS bool LANGUAGE sql AS 'INSERT INTO log VALUES (now(), ''checked''); SELECT true';
        CREATE DOMAIN checked AS int CHECK (checks(VALUE)); CREATE TYPE mood AS ENUM ('good')`);
      const { rows } = await admin.query(`SELECT 'checked'::regtype::oid AS checked, 'mood'::regtype::oid AS mood`);
      const raw = await Raw.connect(gateway.port);
      await raw.login('bot', AGENT_PASSWORD, { database: 'postgres' });
      const bound = (text: string, type: number, value: string): Buffer =>
        Buffer.concat([parseTyped(Buffer.from(text).toString('latin1'), [type]), bindText([value]), execute(''), SYNC]);
      raw.send(bound('SELECT $1 AS mood', rows[0].mood, 'good'));
      expect((await raw.until('Z')).map(({ type }) => type).join('')).toBe('12DCZ');
      raw.send(bound('SELECT $1 AS checked', rows[0].checked, '7'));
      const request = await gateway.opened();
      expect(request.findings.map(({ action, object }) => `${action} ${object}`)).toContain('write public.log');
      await gateway.deny(request);
      await raw.until('Z');
      expect((await admin.query(`SELECT 1 FROM log WHERE what = 'checked'`)).rowCount).toBe(0);
      raw.destroy();
    });

    test('a function called by its oid is what this session has just made of it', async () => {
      const create = (body: string): string =>
        `CREATE OR REPLACE FUNCTION by_oid() RETURNS int LANGUAGE sql AS '${body}'`;
      await admin.query(create('SELECT 1'));
      const { rows } = await admin.query(`SELECT 'by_oid'::regproc::oid AS oid`);
      const agent = await Raw.connect(gateway.port);
      await agent.login('bot', AGENT_PASSWORD, { database: 'postgres' });
      agent.send(functionCall(rows[0].oid));
      expect((await agent.until('Z')).map(({ type }) => type).join('')).toBe('VZ');
      agent.send(query(create('DELETE FROM log; SELECT 2')));
      const ddl = await gateway.opened();
      await gateway.approve(ddl);
      await agent.until('Z');
      agent.send(functionCall(rows[0].oid));
      const call = await gateway.opened([ddl.id]);
      expect(call.rule).toBe('hidden-writes');
      await gateway.deny(call);
      await agent.until('Z');
      agent.destroy();
    });

    test.each([
      ['all see', ''],
      ['it alone sees', 'CREATE TEMP TABLE kept (id int)'],
    ])('what is cancelled while its judgement waits for the catalog that %s does not run', async (_, before) => {
      const slow = await open(gateway.agentUrl());
      const locks = await server.admin();
      try {
        if (before !== '') await slow.query(before);
        await admin.query('CREATE TABLE made (id int)');
        await locks.query('BEGIN; LOCK pg_catalog.pg_trigger IN ACCESS EXCLUSIVE MODE');
        const result = outcome(slow.query('SELECT 1 FROM no_such'));
        // The driver keeps the cancel key to itself.
        const { processID, secretKey } = slow as unknown as { processID: number; secretKey: number };
        const secret = Buffer.alloc(4);
        secret.writeInt32BE(secretKey);
        const other = await Raw.connect(gateway.port);
        other.send(cancelRequest(processID, secret));
        await other.ended();
        expect(await result).toMatchObject({ code: '57014' });
      } finally {
        await locks.end();
        await admin.query('DROP TABLE made');
        await slow.end();
      }
    });

    const tickets = new Set<string>();
    test.each([
      ['ON COMMIT DROP', ['CREATE TEMP TABLE docs (id int) ON COMMIT DROP', 'SELECT * FROM docs']],
      ['an error', ['CREATE TEMP TABLE docs (id int)', 'SELECT * FROM docs', 'SELECT 1/0']],
      [
        'a constraint that fails',
        [
          'CREATE TEMP TABLE docs (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)',
          'SELECT * FROM docs',
          'INSERT INTO docs VALUES (1), (1)',
        ],
      ],
    ])('a temporary table is gone with the transaction that a Sync ends: %s', async (_, pipeline) => {
      await admin.query('CREATE TABLE IF NOT EXISTS docs (id int)');
      const agent = await Raw.connect(gateway.port);
      await agent.login('bot', AGENT_PASSWORD, { database: 'postgres' });
      const run = (sql: string): Buffer => Buffer.concat([parseTyped(sql, []), bindText([]), execute('')]);
      agent.send(query("SET holdpoint.hold = '10ms'"));
      await agent.until('Z');
      // What follows is there before the Sync is answered.
      agent.send(Buffer.concat([...pipeline.map(run), SYNC, run('DROP TABLE docs'), SYNC]));
      await agent.until('Z');
      expect((await agent.until('Z')).map(({ type }) => type).join('')).toMatch(/^1N*EZ$/);
      expect((await admin.query(`SELECT to_regclass('public.docs') AS still`)).rows).toEqual([{ still: 'docs' }]);
      agent.destroy();
      // A ticket, which stays open.
      tickets.add((await gateway.opened()).id);
      await admin.query('DROP TABLE docs');
    });

    test('a session with temporary tables is not ended by its own statement_timeout', async () => {
      const slow = await open(gateway.agentUrl());
      await slow.query('CREATE TEMP TABLE slow (id int)');
      await slow.query("SET statement_timeout = '1ms'");
      await slow.query('CREATE TEMP TABLE slower (id int)').catch(() => {});
      await slow.query('RESET statement_timeout').catch(() => {});
      expect((await slow.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      await slow.end();
    });

    test.each([
      ['a session', []],
      ['a session with temporary tables', ['CREATE TEMP TABLE own (id int)']],
    ])('%s drops nothing that another made a moment ago, and reads it', async (_, first) => {
      const agent = await open(gateway.agentUrl());
      for (const sql of first) await agent.query(sql);
      for (let n = 0; n < 5; n++) {
        const [read, dropped] = ['read', 'dropped'].map((what) => `${what}_${first.length}_${n}`);
        await admin.query(`CREATE TABLE ${read} (id int)`);
        expect(await said(agent, `SELECT id FROM ${read}`)).toBe('ran');
        await admin.query(`CREATE TABLE ${dropped} (id int)`);
        expect(await said(agent, `DROP TABLE ${dropped}`)).toBe(`held by ddl: ddl public.${dropped}`);
        await admin.query(`DROP TABLE ${read}, ${dropped}`);
      }
      await agent.end();
    });

    test('what is held did not run', async () => {
      const { rows } = await admin.query('SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM trapped) AS n');
      expect(rows).toEqual([{ n: '0' }]);
    });

    test('a name that does not exist gets the server’s own error, unheld', async () => {
      expect(await said(client, 'SELECT * FROM nowhere')).toBe('42P01 relation "nowhere" does not exist');
      expect(await said(client, 'SELECT nothing(1)')).toMatch(/^42883 function nothing\(integer\) does not exist/);
      expect(await said(client, 'SELECT 1::no_type')).toBe('42704 type "no_type" does not exist');
      expect(await said(client, 'SELECT 1 <<<>> 2')).toMatch(/^42883 operator does not exist/);
    });

    test('what another makes is there for a session that begins then', async () => {
      for (const [body, expected] of [
        ['SELECT 1', 'ran'],
        [`DELETE FROM log; SELECT 1`, 'held by hidden-writes: write public.log'],
        ['SELECT 2', 'ran'],
      ] as const) {
        await admin.query(`CREATE OR REPLACE FUNCTION replaced() RETURNS int LANGUAGE sql AS '${body}'`);
        const next = await open(gateway.agentUrl());
        expect(await said(next, 'SELECT replaced()')).toBe(expected);
        await next.end();
      }
    });

    test('what another makes is seen at once by an open session, what it replaces in time', async () => {
      await admin.query(`CREATE FUNCTION made_now() RETURNS int LANGUAGE sql AS 'SELECT 1'`);
      expect(await said(client, 'SELECT made_now()')).toBe('ran');
      // A verdict that is remembered must not outlive it.
      expect(await said(client, 'SELECT made_now()')).toBe('ran');
      await admin.query(
        `CREATE OR REPLACE FUNCTION made_now() RETURNS int LANGUAGE sql AS 'DELETE FROM log; SELECT 1'`,
      );
      const replaced = performance.now();
      for (;;) {
        const asked = performance.now();
        const now = await said(client, 'SELECT made_now()');
        if (now !== 'ran') {
          expect(now).toBe('held by hidden-writes: write public.log');
          break;
        }
        expect(asked - replaced).toBeLessThan(READING.fresh_ms);
      }
    });

    test('a held statement whose function is replaced meanwhile does not run: it is decided again', async () => {
      await admin.query(
        `CREATE FUNCTION swapped() RETURNS void LANGUAGE sql AS 'INSERT INTO orders (customer) VALUES (7)'`,
      );
      const result = outcome(client.query('SELECT swapped()'));
      const request = await gateway.opened([...tickets]);
      expect(request.rule).toBe('hidden-writes');
      await admin.query(`CREATE OR REPLACE FUNCTION swapped() RETURNS void LANGUAGE sql AS 'DELETE FROM customers'`);
      await gateway.approve(request);
      const again = await gateway.reaches(request.id, 'open');
      expect(again.findings.map(({ object }) => object)).toContain('public.customers');
      await gateway.deny(again, 'not those');
      expect(await result).toMatchObject({ code: '42501' });
      expect((await admin.query('SELECT count(*)::int AS n FROM customers')).rows).toEqual([{ n: 5 }]);
    });

    test('a replaced view is read as what it is now', async () => {
      await admin.query('CREATE VIEW shown AS SELECT id FROM customers');
      expect(await said(client, 'SELECT * FROM shown')).toBe('ran');
      await admin.query('CREATE OR REPLACE VIEW shown AS SELECT (of_owner())::int AS id');
      await expect.poll(() => said(client, 'SELECT * FROM shown')).toBe('held by roles: role public.of_owner');
    });

    test('the connection of the catalog is ended: it comes back, and nothing is held for it', async () => {
      const pid = async (): Promise<number | undefined> =>
        (await admin.query(`SELECT pid FROM pg_stat_activity WHERE application_name = 'holdpoint catalog'`)).rows[0]
          ?.pid;
      const before = await pid();
      expect(before).toEqual(expect.any(Number));
      await admin.query(`SELECT pg_terminate_backend($1)`, [before]);
      await expect
        .poll(async () => ((await pid()) ?? before) !== before && (await said(client, 'SELECT doubled(1)')), {
          timeout: 20_000,
          interval: 200,
        })
        .toBe('ran');
    });
  });

  describe('a policy that names what is behind', () => {
    let client: pg.Client;
    beforeAll(async () => {
      gateway = await startGateway({ upstream: server.url, policy: POLICY });
    });
    beforeEach(async () => {
      client = await open(gateway.agentUrl());
    });
    afterEach(() => client.end());
    afterAll(() => gateway?.stop());

    test('a function that may write is let through by name, and by no other', async () => {
      expect(await said(client, 'SELECT place_order(2)')).toBe('ran');
      expect(await said(client, 'SELECT logged()')).toMatch(/^held by hidden-writes/);
    });

    test('a view over a table that a rule names', async () => {
      expect(await said(client, 'SELECT * FROM secret_names')).toMatch(/^held by secrets/);
      expect(await said(client, 'TABLE customers')).toBe('ran');
    });

    test('temporary tables and views of the session', async () => {
      expect(await said(client, 'CREATE TEMP TABLE mine (id int)')).toBe('ran');
      expect(await said(client, 'INSERT INTO mine VALUES (1), (2)')).toBe('ran');
      expect(await approved(client, 'CREATE TEMP VIEW peek AS SELECT body FROM secret_list')).toMatchObject({
        command: 'CREATE',
      });
      expect(await said(client, 'SELECT * FROM peek')).toMatch(/^held by secrets/);
      expect(await said(client, 'SELECT doubled(id) FROM mine')).toBe('ran');
      // A temporary one hides the table that the rule names.
      expect(await said(client, 'CREATE TEMP TABLE secrets (id int)')).toBe('ran');
      expect(await said(client, 'SELECT * FROM secrets')).toBe('ran');
      expect(await said(client, 'SELECT * FROM public.secrets')).toMatch(/^held by secrets/);
      expect(await said(client, 'DROP TABLE secrets')).toBe('ran');
      expect(await said(client, 'SELECT * FROM secrets')).toMatch(/^held by secrets/);
      expect(await said(client, 'DISCARD TEMP')).toBe('ran');
      expect(await said(client, 'SELECT * FROM peek')).toMatch(/^42P01/);
    });

    describe('what was planned before a temporary table had one of its names', () => {
      let session: pg.Client;
      let INSERT: string;
      let protocol: pg.QueryConfig;
      let tests = 0;
      const HIDES = 'CREATE TEMP TABLE secrets (id int, body text)';
      const into = async (sql: string | pg.QueryConfig): Promise<string> => (await session.query(sql)).rows[0].into;
      beforeEach(async () => {
        session = await open(gateway.agentUrl());
        // What was denied once is not asked again.
        INSERT = `INSERT INTO secrets VALUES (${(tests += 1)}, 'planned') RETURNING tableoid::regclass::text AS into`;
        protocol = { name: 'p', text: INSERT };
      });
      afterEach(() => session.end());

      test('by Parse under a name: either', async () => {
        await session.query('CREATE TEMP TABLE first (id int)');
        expect(await approved(session, protocol)).toMatchObject({ rows: [{ into: 'secrets' }] });
        await session.query(HIDES);
        // The server: a plan that nothing made void still means the table of then.
        expect(await approved(session, protocol)).toMatchObject({ rows: [{ into: 'public.secrets' }] });
        expect(await into(INSERT)).toBe('secrets');
        expect(await into({ name: 'later', text: INSERT })).toBe('secrets');
      });

      test('by SQL PREPARE, executed by either protocol: either', async () => {
        await session.query('CREATE TEMP TABLE first (id int)');
        await approved(session, `PREPARE q AS ${INSERT}`);
        await session.query(HIDES);
        expect(await said(session, 'EXPLAIN ANALYZE EXECUTE q')).toMatch(/^held by secrets/);
        expect(await approved(session, 'EXECUTE q')).toMatchObject({ rows: [{ into: 'public.secrets' }] });
        await session.query('DEALLOCATE q');
        expect(await said(session, `PREPARE q AS ${INSERT}`)).toBe('ran');
        expect(await into('EXECUTE q')).toBe('secrets');
      });

      test('by Parse, executed by SQL: either', async () => {
        await session.query('CREATE TEMP TABLE first (id int)');
        await approved(session, protocol);
        await session.query(HIDES);
        expect(await said(session, 'EXECUTE p')).toMatch(/^held by secrets/);
      });

      test('in the same message: either', async () => {
        await session.query('CREATE TEMP TABLE first (id int)');
        await approved(session, `PREPARE q AS ${INSERT}; ${HIDES}`);
        expect(await said(session, 'EXECUTE q')).toMatch(/^held by secrets/);
      });

      test('before the session had anything temporary: the server looks names up again', async () => {
        await approved(session, protocol);
        await approved(session, `PREPARE q AS ${INSERT}`);
        await session.query(HIDES);
        expect(await into(protocol)).toBe('secrets');
        expect(await into('EXECUTE q')).toBe('secrets');
      });

      test('and looked up again before it: either', async () => {
        await approved(session, protocol);
        await session.query('CREATE TEMP TABLE first (id int)');
        await approved(session, protocol);
        await session.query(HIDES);
        expect(await approved(session, protocol)).toMatchObject({ rows: [{ into: 'public.secrets' }] });
      });

      test('for the temporary one, which is gone: the other', async () => {
        await session.query(HIDES);
        await session.query(`PREPARE q AS ${INSERT}`);
        expect(await into(protocol)).toBe('secrets');
        expect(await said(session, 'DROP TABLE secrets; EXECUTE q')).toMatch(/^held by secrets/);
        await session.query('DROP TABLE secrets');
        expect(await said(session, protocol)).toMatch(/^held by secrets/);
        expect(await said(session, 'EXECUTE p -- p')).toMatch(/^held by secrets/);
        expect(await said(session, 'EXECUTE q')).toMatch(/^held by secrets/);
      });

      test('in a function that ran: either; a name that only the temporary table has: it alone', async () => {
        await session.query('CREATE TEMP TABLE first (id int)');
        await approved(session, 'SELECT plans()');
        await session.query(HIDES);
        expect(await said(session, 'SELECT plans()')).toMatch(/^held by secrets/);
        await session.query({ name: 'mine', text: 'INSERT INTO first VALUES (1)' });
        await session.query('CREATE TEMP TABLE other (id int)');
        expect(await said(session, { name: 'mine', text: 'INSERT INTO first VALUES (1)' })).toBe('ran');
      });
    });

    test('names and bodies may hold any character', async () => {
      const odd = 'a"b\\c\u001e\u0001\n\u2028é😀';
      const name = pg.escapeIdentifier(odd);
      await admin.query(`CREATE TABLE ${name} (id int DEFAULT length(${pg.escapeLiteral(odd)}), note text CHECK (note <> ${pg.escapeLiteral(odd)}));
        CREATE VIEW ${pg.escapeIdentifier(`v${odd}`)} AS SELECT id, ${pg.escapeLiteral(odd)} AS odd FROM ${name};
        CREATE FUNCTION ${pg.escapeIdentifier(`f${odd}`)}() RETURNS void LANGUAGE plpgsql AS $f$
        BEGIN INSERT INTO ${name} (note) VALUES (${pg.escapeLiteral(`x${odd}`)}); END $f$`);
      const later = await open(gateway.agentUrl());
      expect(await said(later, `SELECT * FROM ${pg.escapeIdentifier(`v${odd}`)}`)).toBe('ran');
      expect(await said(later, `SELECT ${pg.escapeIdentifier(`f${odd}`)}()`)).toMatch(
        /^held by hidden-writes: write public\./,
      );
      expect(await said(later, `INSERT INTO ${name} (note) VALUES ('x')`)).toBe('ran');
      await later.end();
    });

    test('in a session with temporary objects, SET TRANSACTION comes first in a transaction', async () => {
      await client.query('CREATE TEMP TABLE mine (id int)');
      await client.query('BEGIN');
      expect(await said(client, 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE')).toBe('ran');
      expect((await client.query('SHOW transaction_isolation')).rows).toEqual([
        { transaction_isolation: 'serializable' },
      ]);
      expect(await said(client, 'SELECT * FROM mine')).toBe('ran');
      await client.query('COMMIT');
    });

    test('reading the session’s own catalog leaves its search_path as it is', async () => {
      const path = async (): Promise<string> => (await client.query('SHOW search_path')).rows[0].search_path as string;
      await client.query('SET search_path = public, pg_temp');
      await client.query('BEGIN');
      await client.query('CREATE TEMP TABLE mine (id int)');
      expect(await said(client, 'SELECT * FROM mine')).toBe('ran');
      expect(await path()).toBe('public, pg_temp');
      await client.query('SET LOCAL search_path = pg_catalog, public');
      await client.query('SAVEPOINT a');
      await client.query('CREATE TEMP TABLE more (id int)');
      expect(await said(client, 'SELECT * FROM pg_temp.more')).toBe('ran');
      expect(await path()).toBe('pg_catalog, public');
      await client.query('ROLLBACK TO a');
      expect(await path()).toBe('pg_catalog, public');
      await client.query('COMMIT');
      expect(await said(client, 'SELECT * FROM mine')).toBe('ran');
      expect(await path()).toBe('public, pg_temp');
    });

    test('in a session with temporary objects, what others make is seen', async () => {
      await client.query('CREATE TEMP TABLE mine (id int)');
      expect(await said(client, 'SELECT * FROM mine')).toBe('ran');
      await admin.query('CREATE OR REPLACE VIEW shown_later AS SELECT id FROM customers');
      expect(await said(client, 'SELECT * FROM shown_later')).toBe('ran');
      await admin.query('DROP VIEW shown_later; CREATE VIEW shown_later AS SELECT id FROM secrets');
      const replaced = performance.now();
      for (;;) {
        const asked = performance.now();
        if ((await said(client, 'SELECT * FROM shown_later')).startsWith('held by secrets')) break;
        expect(asked - replaced).toBeLessThan(5000);
      }
      await admin.query('DROP VIEW shown_later');
    });

    describe.each(['REPEATABLE READ', 'SERIALIZABLE'])('%s', (isolation) => {
      /** Resolves when the catalog that all share is newer than this call. */
      const looked = async (): Promise<void> => {
        const other = await open(gateway.agentUrl());
        expect(await said(other, `SELECT 1 FROM no_such_${isolation.length}`)).toMatch(/^42P01/);
        await other.end();
      };
      afterEach(() => admin.query('DROP FUNCTION IF EXISTS turns(int), comes(int)'));

      const turn = (body: string): Promise<unknown> =>
        admin.query(`CREATE OR REPLACE FUNCTION turns(i int) RETURNS int LANGUAGE sql AS '${body}'`);
      /** Another text each time: who has denied one is not asked again. */
      let texts = 0;
      const call = (name: string): string => `SELECT ${name}((${(texts += 1)})) AS "${isolation}"`;

      // With DDL of the transaction, all of the catalog is read on its own connection, where younger code can't be seen.
      test.each([
        ['temporary objects', 'turns', /^held by secrets: write public.secrets/],
        ['temporary objects', 'comes', /^held by secrets: write public.secrets/],
        ['DDL', 'turns', /^held by unresolved: code turns/],
        ['DDL', 'comes', /^held by unresolved: code comes/],
      ])('%s of its own: what others make since it began is what runs: %s', async (what, name, expected) => {
        await turn('SELECT i');
        await looked();
        if (what !== 'DDL') await client.query('CREATE TEMP TABLE mine (id int)');
        await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
        expect(await said(client, call('turns'))).toBe('ran');
        if (what === 'DDL') await approved(client, `CREATE TABLE nowhere_${(texts += 1)} (id int)`);
        expect(await said(client, call('turns'))).toBe('ran');
        await admin.query(
          `CREATE OR REPLACE FUNCTION ${name}(i int) RETURNS int LANGUAGE sql AS 'INSERT INTO secrets VALUES (i); SELECT i'`,
        );
        await looked();
        expect(await said(client, call(name))).toMatch(expected);
        await client.query('ROLLBACK');
        // The next one is another.
        await turn('SELECT i');
        await looked();
        await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
        if (what === 'DDL') await approved(client, `CREATE TABLE nowhere_${(texts += 1)} (id int)`);
        expect(await said(client, call('turns'))).toBe('ran');
        await client.query('ROLLBACK');
      });

      test('an approved statement does not run what is younger', async () => {
        await turn('INSERT INTO log SELECT now(); SELECT i');
        await looked();
        await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
        await approved(client, `CREATE TABLE nowhere_${(texts += 1)} (id int)`);
        const result = outcome(client.query(call('turns')));
        const request = await gateway.opened();
        await turn('DELETE FROM customers; SELECT i');
        await looked();
        await gateway.approve(request);
        expect(await result).toMatchObject({ code: 'ZH006' });
        await client.query('ROLLBACK');
      });
    });

    test('DDL of the open transaction counts in it, and no longer when it is rolled back', async () => {
      await client.query('BEGIN');
      expect(await approved(client, 'CREATE TABLE fresh (id int)')).toMatchObject({ command: 'CREATE' });
      expect(await said(client, 'INSERT INTO fresh VALUES (1)')).toBe('ran');
      expect(
        await approved(
          client,
          `CREATE OR REPLACE FUNCTION doubled(a int) RETURNS int LANGUAGE sql AS 'INSERT INTO fresh VALUES (a); SELECT 1'`,
        ),
      ).toMatchObject({ command: 'CREATE' });
      expect(await said(client, 'SELECT doubled(1)')).toBe('held by hidden-writes: write public.fresh');
      expect((await client.query('ROLLBACK')).command).toBe('ROLLBACK');
      expect(await said(client, 'SELECT doubled(1)')).toBe('ran');
      expect(await said(client, 'INSERT INTO fresh VALUES (1)')).toBe('42P01 relation "fresh" does not exist');
    });

    test('DDL that is taken back to a savepoint', async () => {
      await client.query('BEGIN');
      await client.query('SAVEPOINT a');
      await approved(
        client,
        `CREATE OR REPLACE FUNCTION doubled(a int) RETURNS int LANGUAGE sql AS 'INSERT INTO log VALUES (now()); SELECT 1'`,
      );
      expect(await said(client, 'SELECT doubled(1)')).toBe('held by hidden-writes: write public.log');
      await client.query('ROLLBACK TO a');
      expect(await said(client, 'SELECT doubled(1)')).toBe('ran');
      await client.query('COMMIT');
    });

    test('DDL of the session itself is known to its next statement', async () => {
      await approved(client, 'CREATE VIEW own_view AS SELECT body FROM secrets');
      expect(await said(client, 'SELECT * FROM own_view')).toMatch(/^held by secrets/);
      await approved(client, 'CREATE OR REPLACE VIEW own_view AS SELECT email AS body FROM customers');
      expect(await said(client, 'SELECT * FROM own_view')).toBe('ran');
      await approved(client, 'DROP VIEW own_view');
      expect(await said(client, 'SELECT * FROM own_view')).toMatch(/^42P01/);
    });
  });

  describe('where somebody else has locked a table', () => {
    let client: pg.Client;
    let locker: pg.Client;
    beforeAll(async () => {
      gateway = await startGateway({ upstream: server.url });
      locker = await server.admin();
    });
    beforeEach(async () => {
      client = await open(gateway.agentUrl());
    });
    afterEach(async () => {
      await locker.query('ROLLBACK');
      await client?.end();
    });
    afterAll(() => gateway?.stop());

    const lock = (table: string): Promise<unknown> =>
      locker.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    /** Denies it: why it was held. */
    const why = async (sql: string): Promise<readonly string[]> => {
      const result = outcome(client.query(sql));
      const request = await gateway.opened();
      await gateway.deny(request);
      await result;
      return request.findings.filter(({ action }) => action === 'code').map((found) => found.why);
    };
    /** Another text each time: who has denied one is not asked again. */
    let texts = 0;
    const anew = (sql: string): string => `${sql} (${(texts += 1)})`;
    const LOCKED = 'Through public.ruled: Can not be read now: somebody has locked a table that it is about.';

    test('the rest of the catalog is read; what is about that table is held, saying so, until it is free', async () => {
      expect(await said(client, anew('INSERT INTO ruled VALUES'))).toBe('ran');
      await lock('busy');
      await admin.query(`CREATE FUNCTION made_meanwhile() RETURNS int LANGUAGE sql AS 'SELECT 1'`);
      expect(await said(client, 'SELECT made_meanwhile()')).toBe('ran');
      expect(await said(client, 'INSERT INTO orders (customer) VALUES (1)')).toBe('ran');
      expect(await said(client, anew('INSERT INTO ruled VALUES'))).toMatch(/^held by opaque-code: code public\.ruled/);
      expect(await said(client, anew('SELECT busy_count(),'))).toBe('held by opaque-code: code public.busy_count');
      expect(await said(client, anew('SELECT of_busy(),'))).toBe('held by opaque-code: code public.of_busy');
      await locker.query('ROLLBACK');
      await expect.poll(() => said(client, anew('INSERT INTO ruled VALUES'))).toBe('ran');
      expect(await said(client, 'SELECT busy_count() FROM busy_ids')).toBe('ran');
      expect(gateway.lines.filter((line) => line.includes('can not be read as'))).toEqual([]);
    });

    test.each(['', 'BEGIN'])('a session with temporary tables works on: %s', async (begin) => {
      await client.query('CREATE TEMP VIEW mine AS SELECT id FROM busy');
      await client.query(begin);
      await client.query('CREATE TEMP TABLE first (id int)');
      await lock('busy');
      await client.query('CREATE TEMP TABLE second (id int)');
      expect(await said(client, 'SELECT second.id FROM first, second, customers')).toBe('ran');
      // DDL of the transaction is nowhere else: all of the catalog is read.
      if (begin) await approved(client, 'CREATE TABLE third (id int)');
      const [sql, of] = begin
        ? ['INSERT INTO ruled VALUES', 'public.ruled']
        : ['SELECT id FROM mine WHERE id =', 'pg_temp.mine'];
      expect(await why(anew(sql))).toEqual([LOCKED.replace('public.ruled', of)]);
      if (begin) await client.query('ROLLBACK');
      await locker.query('ROLLBACK');
      await expect.poll(() => said(client, anew('SELECT id FROM mine WHERE id ='))).toBe('ran');
    });

    describe('and the server does not tell in time', () => {
      const VIEW = 'CREATE TEMP VIEW mine AS SELECT id FROM unseen';
      /** Stands for a lock that is taken after the query has looked for locks. */
      const unnoticed = (): Promise<unknown> =>
        admin.query(`DELETE FROM pg_depend WHERE classid = 'pg_rewrite'::regclass AND refobjid = 'unseen'::regclass`);
      afterAll(() => admin.query(`CREATE OR REPLACE VIEW unseen_ids AS SELECT id FROM unseen`));

      test('a session with temporary tables gets its answers, and what is not known is held', async () => {
        await client.query(VIEW);
        await unnoticed();
        await lock('unseen');
        await client.query('CREATE TEMP TABLE second (id int)');
        expect(await said(client, 'SELECT 1')).toBe('ran');
        expect(await why(anew('SELECT count(*) FROM customers WHERE id ='))).toEqual([
          'The catalog can not be read now: what lies behind is not known.',
        ]);
        await locker.query('ROLLBACK');
        await expect.poll(() => said(client, anew('SELECT busy_count(),'))).toBe('ran');
      });

      test('its transaction goes on as it was', async () => {
        await client.query(VIEW);
        await unnoticed();
        await client.query('BEGIN');
        await client.query("SET LOCAL lock_timeout = '7s'");
        await client.query("SET LOCAL statement_timeout = '8s'");
        await client.query('INSERT INTO ruled VALUES (77)');
        await client.query('SAVEPOINT a');
        await client.query('CREATE TEMP TABLE inside (id int)');
        await lock('unseen');
        await client.query('CREATE TEMP TABLE inside_too (id int)');
        expect((await client.query('SHOW lock_timeout')).rows).toEqual([{ lock_timeout: '7s' }]);
        expect((await client.query({ text: 'SHOW statement_timeout', name: 'one' })).rows).toEqual([
          { statement_timeout: '8s' },
        ]);
        expect(await approved(client, 'INSERT INTO inside_too VALUES (1)')).toMatchObject({ rowCount: 1 });
        await client.query('COMMIT');
        expect((await admin.query('SELECT 1 FROM ruled WHERE id = 77')).rowCount).toBe(1);
      });

      test('nor is a pipeline in it', async () => {
        const raw = await Raw.connect(gateway.port);
        await raw.login('bot', AGENT_PASSWORD, { database: 'postgres' });
        const step = (text: string): Buffer => Buffer.concat([parseTyped(text, []), bindText([]), execute('')]);
        raw.send(query(VIEW));
        await raw.until('Z');
        await unnoticed();
        raw.send(query('BEGIN'));
        await raw.until('Z');
        await lock('unseen');
        raw.send(step('CREATE TEMP TABLE piped (id int)'), step('SELECT 1'), step('SAVEPOINT b'), SYNC);
        expect((await raw.until('Z')).map(({ type }) => type).join('')).toBe('12C12DC12CZ');
        raw.send(query('ROLLBACK TO b; COMMIT; SELECT 2'));
        expect((await raw.until('Z')).map(({ type }) => type).join('')).toBe('CCTDCZ');
        raw.destroy();
      });
    });
  });

  describe('where it can not be read', () => {
    const LOST = 'can not be read as';
    const lost = (): readonly string[] => gateway.lines.filter((line) => line.includes(LOST));

    test('catalog: none', async () => {
      gateway = await startGateway({ upstream: server.url, listener: { catalog: 'none' } });
      const client = await open(gateway.agentUrl());
      expect(await said(client, 'SELECT doubled(1)')).toBe('held by opaque-code: code doubled');
      expect(await said(client, 'SELECT count(*) FROM customers')).toBe('ran');
      expect(lost()).toEqual([]);
      await client.end();
      await gateway.stop();
    });

    test.each([
      [
        'a wrong password',
        { user: 'reader', password: 'wrong' },
        'CREATE ROLE reader LOGIN PASSWORD $$right$$',
        'DROP ROLE reader',
      ],
      [
        'no right to read it',
        { user: 'reader', password: 'right' },
        'CREATE ROLE reader LOGIN PASSWORD $$right$$; REVOKE SELECT ON pg_proc FROM PUBLIC',
        'GRANT SELECT ON pg_proc TO PUBLIC; DROP ROLE reader',
      ],
    ])('%s: what users made is held, and the operator is told why, once', async (_, catalog, before, after) => {
      await admin.query(before);
      gateway = await startGateway({ upstream: server.url, listener: { catalog } });
      try {
        const client = await open(gateway.agentUrl());
        expect(await said(client, 'SELECT doubled(1)')).toBe('held by opaque-code: code doubled');
        // It may be a view.
        expect(await said(client, 'SELECT count(*) FROM customers')).toBe('held by opaque-code: code public.customers');
        expect(await said(client, 'SELECT count(*) FROM pg_class')).toBe('ran');
        const second = await open(gateway.agentUrl());
        expect(await said(second, 'SELECT counted()')).toBe('held by opaque-code: code counted');
        expect(lost()).toHaveLength(1);
        expect(lost()[0]).toMatch(catalog.password === 'wrong' ? /28P01|password/ : /42501/);
        expect(lost()[0]).not.toContain(catalog.password);
        await client.end();
        await second.end();
      } finally {
        await gateway.stop();
        await admin.query(after);
      }
    });

    test('a login with no rights but CONNECT reads all of it, and can write nothing', async () => {
      await admin.query('CREATE ROLE reader LOGIN PASSWORD $$right$$');
      gateway = await startGateway({
        upstream: server.url,
        listener: { catalog: { user: 'reader', password: 'right' } },
      });
      const client = await open(gateway.agentUrl());
      try {
        expect(await said(client, 'SELECT doubled(1), counted()')).toBe('ran');
        expect(await said(client, 'SELECT place_order(1)')).toMatch(/^held by hidden-writes: write public\.orders/);
        expect(gateway.lines.join()).toMatch(/was read as reader in \d+ ms: \d+ tables and views, \d+ functions/);
        expect(lost()).toEqual([]);
        const { rows } = await admin.query(
          `SELECT usename AS who, state FROM pg_stat_activity WHERE application_name = 'holdpoint catalog'`,
        );
        // It never stays in a transaction.
        expect(rows).toEqual([{ who: 'reader', state: expect.stringMatching(/^(idle|active)$/) as string }]);
      } finally {
        await client.end();
        await gateway.stop();
        await admin.query('DROP ROLE reader');
      }
    });
  });

  describe('under a search_path of somebody else’s choice', () => {
    /** In schema evil, whatever the queries name: functions and operators that raise, relations, types. */
    const EVIL = `
      CREATE SCHEMA evil;
      DO $evil$
      DECLARE fn record; op record; t text; r text;
      BEGIN
        FOR fn IN SELECT DISTINCT p.proname AS name, pg_get_function_identity_arguments(p.oid) AS args, p.oid FROM pg_proc AS p
                 WHERE p.proname = ANY ($1) AND p.pronamespace = 'pg_catalog'::regnamespace LOOP
          BEGIN
            EXECUTE format($f$CREATE FUNCTION evil.%I(%s) RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$evil %I$$; END'$f$, fn.name, fn.args, fn.name);
          EXCEPTION WHEN invalid_function_definition OR feature_not_supported THEN NULL;
          END;
        END LOOP;
        FOR op IN SELECT o.oprname AS name, o.oprleft::regtype AS a, o.oprright::regtype AS b, row_number() OVER () AS i FROM pg_operator AS o
                 WHERE o.oprname = ANY ($2) AND o.oprkind = 'b' LOOP
          BEGIN
            EXECUTE format($f$CREATE FUNCTION evil.op_%s(%s, %s) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$evil operator$$; END'$f$, op.i, op.a, op.b);
            EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.op_%s)', op.name, op.a, op.b, op.i);
          EXCEPTION WHEN invalid_function_definition OR feature_not_supported THEN NULL;
          END;
        END LOOP;
        FOREACH t IN ARRAY $3 LOOP EXECUTE format('CREATE DOMAIN evil.%I AS int CHECK (VALUE IS NULL)', t); END LOOP;
        FOREACH r IN ARRAY $4 LOOP EXECUTE format('CREATE TABLE evil.%I (x int)', r); END LOOP;
      END $evil$`;
    const QUERIES = [SNAPSHOT_QUERY, FINGERPRINT_QUERY, CATALOG_QUERY];
    let url: string;
    let evil: pg.Client;

    beforeAll(async () => {
      await admin.query('CREATE DATABASE evil');
      url = server.url.replace(/\/postgres$/, '/evil');
      evil = await open(url);
      const named = (pattern: RegExp): string[] => [
        ...new Set(QUERIES.flatMap((sql) => [...sql.matchAll(pattern)].map(([, name = '']) => name))),
      ];
      const relations = named(/pg_catalog\.(pg_\w+) AS/g);
      const types = named(/::pg_catalog\."?(\w+)/g);
      const functions = named(/pg_catalog\.(\w+)\(/g);
      const operators = named(/OPERATOR\(pg_catalog\.([^)]+)\)/g);
      for (const names of [relations, types, functions, operators]) expect(names.length).toBeGreaterThan(3);
      const list = (names: readonly string[]): string =>
        `ARRAY[${names.map((name) => pg.escapeLiteral(name)).join(', ')}]::text[]`;
      await evil.query(
        EVIL.replace('$1', list(functions))
          .replace('$2', list(operators))
          .replace('$3', list(types))
          .replace('$4', list(relations)),
      );
      // Of everything that the server prints anew.
      await evil.query(`SET search_path = pg_catalog;
        CREATE TABLE public.plain (id int DEFAULT 5 + 6 CHECK (id <> 3), t text);
        CREATE VIEW public.one AS SELECT id FROM public.plain WHERE id = 1 AND t || 'a' <> 'b';
        CREATE RULE r AS ON INSERT TO public.plain WHERE NEW.id = 4 DO ALSO SELECT NEW.t || 'x';
        CREATE INDEX ON public.plain ((id + 1)) WHERE t <> 'z';
        ALTER TABLE public.plain ENABLE ROW LEVEL SECURITY;
        CREATE POLICY p ON public.plain USING (id = 1) WITH CHECK (t = 'a');
        CREATE DOMAIN public.positive AS int CHECK (VALUE >= 1);
        CREATE FUNCTION public.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER t BEFORE UPDATE ON public.plain FOR EACH ROW WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION public.t();
        CREATE FUNCTION public.atomic(a int DEFAULT 2 & 3) RETURNS int RETURN a + 1;
        CREATE AGGREGATE public.total(int) (SFUNC = int4pl, STYPE = int);
        CREATE TYPE public.size AS ENUM ('s', 'l')`);
    });
    afterAll(() => evil?.end());

    const answer = async (sql: string, path: string): Promise<unknown> => {
      await evil.query(`SET search_path = ${path}`);
      const { rows } = await evil.query<Record<string, string>>(sql);
      const [text = ''] = Object.values(rows[0] ?? {});
      expect((await evil.query('SHOW search_path')).rows).toEqual([{ search_path: path }]);
      return text;
    };

    test('the answers are the same', async () => {
      for (const sql of QUERIES) expect(await answer(sql, 'evil, pg_catalog')).toEqual(await answer(sql, 'pg_catalog'));
    });

    test('written without schemas they would not be', async () => {
      for (const sql of QUERIES) {
        const bare = sql.replaceAll(/OPERATOR\(pg_catalog\.([^)]+)\)/g, '$1').replaceAll('pg_catalog.', '');
        await expect(answer(bare, 'evil, pg_catalog')).rejects.toThrow();
        if (sql === CATALOG_QUERY) continue;
        await expect(answer(bare, 'pg_catalog')).resolves.toEqual(expect.any(String));
      }
    });

    test('a session reads its own catalog under it', async () => {
      gateway = await startGateway({ upstream: server.url });
      const client = await open(gateway.agentUrl('evil'));
      try {
        await client.query('SET search_path = evil, pg_catalog');
        await client.query('CREATE TEMP TABLE mine (id int)');
        expect(await said(client, 'SELECT id FROM mine')).toBe('ran');
        // What it does run is seen.
        expect(await said(client, 'SELECT 1 = 1')).toMatch(/^(ran|P0001 evil operator)$/);
      } finally {
        await client.end();
        await gateway.stop();
      }
    });
  });

  test('temporary tables of others make no other catalog', async () => {
    const catalog = new PostgresCatalog({
      database: 'postgres',
      target: own(),
      reading: READING,
      found: () => {},
      lost: (error) => expect.unreachable(String(error)),
    });
    await catalog.open();
    const { current } = catalog;
    const fingerprint = async (): Promise<unknown> => (await admin.query(FINGERPRINT_QUERY)).rows;
    await admin.query('CREATE TEMP TABLE before_it (id int)');
    const before = await fingerprint();
    await admin.query(`CREATE TEMP TABLE passing (id serial PRIMARY KEY, what text);
      CREATE TEMP VIEW passing_ids AS SELECT id FROM passing`);
    // Not even read again.
    expect(await fingerprint()).toEqual(before);
    await catalog.refresh();
    expect(current).not.toBeNull();
    expect(catalog.current).toBe(current);
    await admin.query('CREATE TABLE lasting (id int)');
    await catalog.refresh();
    expect(catalog.current).not.toBe(current);
    await admin.query('DROP TABLE passing, before_it, lasting CASCADE');
    catalog.close();
    await catalog.end();
  });

  test('the connection of the catalog can not write', async () => {
    const told: unknown[] = [];
    const catalog = new PostgresCatalog({
      database: 'postgres',
      target: own(),
      reading: { ...READING, snapshot: `INSERT INTO public.log VALUES (now(), 'written') RETURNING what` },
      found: (what) => told.push(what),
      lost: (error) => told.push((error as Refused).sqlstate),
    });
    await catalog.open();
    expect(told).toEqual(['25006']);
    expect(catalog.current).toBeNull();
    catalog.close();
    await catalog.end();
  });
});
