// What a held statement would touch, asked of real servers: what EXPLAIN says where it can run nothing but built-in functions, and that
// no code of the database runs where it could. The server itself counts calls of functions (track_functions), whatever is rolled back.
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Impact, LOCK_MODES, type LockMode } from '../../src/sql/impact.ts';
import { analyseText } from '../../src/sql/postgres/analysis.ts';
import { explainTexts, impactQuestion, isPlainBuiltIn } from '../../src/sql/postgres/impact.ts';
import { Parser } from '../../src/sql/postgres/parser.ts';
import type { UpstreamTarget } from '../../src/upstream/postgres/connect.ts';
import { createPlanner } from '../../src/upstream/postgres/impact.ts';
import { startGateway } from './gateway.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

const PATH = '"$user", public';

const SCHEMA = `
  CREATE TABLE customers (id int PRIMARY KEY, name text, city varchar(40), born date);
  INSERT INTO customers SELECT i, 'name ' || i, 'city ' || i % 10, DATE '1970-01-01' + i FROM generate_series(1, 2000) AS i;
  CREATE TABLE orders (id int, customer int REFERENCES customers, cents int);
  INSERT INTO orders SELECT i, i % 2000 + 1, i FROM generate_series(1, 5000) AS i;
  CREATE INDEX orders_customer ON orders (customer);
  CREATE VIEW plain AS SELECT id, lower(name) AS name FROM customers WHERE born < now();
  CREATE TABLE parts (id int, day date) PARTITION BY RANGE (day);
  CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
  CREATE TABLE parts_b PARTITION OF parts FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
  INSERT INTO parts SELECT i, DATE '2020-01-01' + i FROM generate_series(0, 700) AS i;
  CREATE ROLE app;
  CREATE TABLE guarded (id int PRIMARY KEY, owner text);
  INSERT INTO guarded SELECT i, 'o' || i FROM generate_series(1, 1000) AS i;
  ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
  CREATE POLICY own ON guarded TO app USING (id <= 10);
  GRANT SELECT ON guarded TO app;
  CREATE TYPE mood AS ENUM ('sad', 'happy');
  CREATE TABLE moods (id int, mood mood);
  INSERT INTO moods SELECT i, 'sad' FROM generate_series(1, 30) AS i;
  CREATE TABLE never (id int);
  CREATE SEQUENCE counted;
  ANALYZE;
`;

/** Functions that leave a trace, and every way that planning may come to them. Each in a schema of its own, so that they do not meet. */
const SPIES: readonly (readonly [name: string, schema: string, sql: string, noted: RegExp])[] = [
  [
    'a view',
    'CREATE VIEW v AS SELECT * FROM public.customers WHERE id = spy(1)',
    'SELECT * FROM v',
    /function \w+\.spy/,
  ],
  [
    'a view of a view, in a COPY',
    'CREATE VIEW v AS SELECT * FROM public.customers WHERE id = spy(1); CREATE VIEW w AS SELECT id FROM v',
    'COPY (SELECT * FROM w) TO STDOUT',
    /function \w+\.spy/,
  ],
  [
    'a policy',
    'CREATE TABLE t (id int); ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (id = spy(1))',
    'DELETE FROM t',
    /function \w+\.spy/,
  ],
  [
    "a policy's view",
    `CREATE VIEW v AS SELECT * FROM public.customers WHERE id = spy(1); CREATE TABLE t (id int);
     ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (id IN (SELECT id FROM v))`,
    'UPDATE t SET id = 1',
    /function \w+\.spy/,
  ],
  [
    'a default',
    'CREATE TABLE t (id int, n int DEFAULT spy_fixed(1))',
    'INSERT INTO t (id) VALUES (1)',
    /function \w+\.spy_fixed/,
  ],
  [
    'a generated column',
    'CREATE TABLE t (id int, n int GENERATED ALWAYS AS (spy_fixed(1)) STORED)',
    'INSERT INTO t (id) VALUES (1)',
    /function \w+\.spy_fixed/,
  ],
  [
    'a constraint',
    'CREATE TABLE t (id int CHECK (id < spy_fixed(1)))',
    'SELECT * FROM t WHERE id = 3',
    /function \w+\.spy_fixed/,
  ],
  [
    'an index',
    'CREATE TABLE t (id int); CREATE INDEX ON t ((id + spy_fixed(1)))',
    'SELECT * FROM t',
    /function \w+\.spy_fixed/,
  ],
  [
    "a partition's index",
    `CREATE TABLE t (id int) PARTITION BY LIST (id); CREATE TABLE u PARTITION OF t DEFAULT;
     CREATE INDEX ON u ((id + spy_fixed(1)))`,
    'SELECT * FROM t',
    /function \w+\.spy_fixed/,
  ],
  [
    'statistics',
    'CREATE TABLE t (id int, n int); CREATE STATISTICS s ON (id + spy_fixed(1)), n FROM t',
    'SELECT * FROM t',
    /function \w+\.spy_fixed/,
  ],
  [
    'a rule',
    'CREATE TABLE t (id int); CREATE RULE r AS ON INSERT TO t DO ALSO SELECT spy(1)',
    'INSERT INTO t VALUES (1)',
    /spy/,
  ],
  [
    'an overload that beats a built-in',
    'CREATE FUNCTION lower(varchar) RETURNS text STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN spy(1)::text; END $$',
    `SELECT * FROM public.customers WHERE name = lower('x'::varchar)`,
    /function \w+\.lower/,
  ],
  [
    'a call whose name is a keyword',
    'CREATE FUNCTION "delete"(int) RETURNS int STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN spy(1); END $$',
    'SELECT * FROM public.customers WHERE id = delete /* */ (1)',
    /delete/,
  ],
  [
    'a call that is written as a column of a row',
    'CREATE FUNCTION age(public.customers) RETURNS int STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN spy(1); END $$',
    'SELECT 1 FROM public.customers AS c WHERE (c) . "age" = 1',
    /function \w+\.age/,
  ],
  [
    'a call that is written as a column',
    'CREATE FUNCTION age(public.customers) RETURNS int STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN spy(1); END $$',
    'SELECT c.age FROM public.customers AS c WHERE c.age = 1',
    /function \w+\.age/,
  ],
  [
    'an operator',
    `CREATE FUNCTION same(int, text) RETURNS boolean STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN spy(1) = 1; END $$;
     CREATE OPERATOR = (LEFTARG = int, RIGHTARG = text, FUNCTION = same)`,
    `SELECT * FROM public.customers WHERE 1 = 'x'::text`,
    /operator \w+\.=/,
  ],
  [
    'an operator in a view',
    `CREATE FUNCTION same(int, text) RETURNS boolean STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN spy(1) = 1; END $$;
     CREATE OPERATOR === (LEFTARG = int, RIGHTARG = text, FUNCTION = same);
     CREATE VIEW v AS SELECT * FROM public.customers WHERE 1 OPERATOR(=== ) 'x'::text`,
    'SELECT * FROM v',
    /same|===/,
  ],
  [
    'a domain, inside a literal',
    'CREATE DOMAIN d AS int CHECK (VALUE < spy_fixed(1)); CREATE TABLE t (list d[])',
    `INSERT INTO t VALUES ('{1,2}')`,
    /function \w+\.spy_fixed/,
  ],
  [
    'a domain, in a composite',
    'CREATE DOMAIN d AS int CHECK (VALUE < spy_fixed(1)); CREATE TYPE c AS (one d); CREATE TABLE t (it c)',
    `SELECT * FROM t WHERE it = '(1)'`,
    /function \w+\.spy_fixed/,
  ],
  [
    'a built-in that reads what it is told',
    `CREATE VIEW v AS SELECT * FROM public.customers WHERE id = spy(1);
     CREATE VIEW w AS SELECT 1 AS one FROM public.customers WHERE name = table_to_xml(('SCHEMA.' || 'v')::regclass, false, false, '')::text`,
    'SELECT * FROM w',
    /table_to_xml/,
  ],
];

const functions = `
  CREATE FUNCTION spy(int) RETURNS int STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN $1; END $$;
  CREATE FUNCTION spy_fixed(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN $1; END $$;`;

/** One statement for each row of the lock table that can run in a transaction; `t` is what is locked. */
const LOCKING: readonly string[] = [
  'INSERT INTO t (id) VALUES (7)',
  'UPDATE t SET id = 7',
  'DELETE FROM t',
  'WITH gone AS (DELETE FROM t RETURNING 1) SELECT * FROM gone',
  'MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE',
  'COPY t TO STDOUT',
  'TRUNCATE t',
  'DROP TABLE t CASCADE',
  'DROP INDEX t_n',
  'CREATE INDEX ON t (id)',
  'REINDEX TABLE t',
  'REINDEX INDEX t_n',
  'ANALYZE t',
  'CLUSTER t USING t_n',
  'CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
  'CREATE POLICY q ON t USING (true)',
  'ALTER POLICY p ON t USING (false)',
  'CREATE RULE r AS ON UPDATE TO t DO ALSO SELECT 1',
  "COMMENT ON TABLE t IS 'x'",
  'LOCK TABLE t',
  'LOCK TABLE t IN SHARE MODE',
  'LOCK TABLE t IN ROW EXCLUSIVE MODE',
  'ALTER TABLE t ADD COLUMN x int',
  'ALTER TABLE locking.t ALTER COLUMN n SET STATISTICS 10',
  'ALTER TABLE t ALTER n SET (n_distinct = 5)',
  'ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (n) REFERENCES u',
  'ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES u',
  'ALTER TABLE t ADD CHECK (n > 0)',
  'ALTER TABLE t VALIDATE CONSTRAINT later',
  'ALTER TABLE t DISABLE TRIGGER ALL',
  'ALTER TABLE t ENABLE ALWAYS TRIGGER h',
  'ALTER TABLE t CLUSTER ON t_n',
  'ALTER TABLE t SET WITHOUT CLUSTER',
  'ALTER TABLE t SET (fillfactor = 50)',
  'ALTER TABLE IF EXISTS ONLY t RESET (autovacuum_enabled)',
  'ALTER TABLE t ALTER n SET STATISTICS 10, ALTER n SET NOT NULL',
  'ALTER TABLE t ALTER n SET STATISTICS 10, ADD FOREIGN KEY (n) REFERENCES u (id)',
  'ALTER TABLE t RENAME TO s',
  'ALTER TABLE t RENAME COLUMN n TO x',
  'ALTER TABLE t OWNER TO CURRENT_USER',
  'ALTER TABLE t SET SCHEMA elsewhere',
  'ALTER TABLE p ATTACH PARTITION q DEFAULT',
  'REFRESH MATERIALIZED VIEW m',
  'REFRESH MATERIALIZED VIEW CONCURRENTLY m',
  'DROP MATERIALIZED VIEW m',
  'DROP VIEW v',
];

interface Asked {
  readonly role?: string;
  readonly search_path?: string;
  readonly parameters?: readonly { readonly type: string; readonly value: string | null }[];
}

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let server: TestServer;
  let admin: pg.Client;
  let parser: Parser;
  let planner: ReturnType<typeof createPlanner>;
  let upstream: UpstreamTarget;
  const faults: unknown[] = [];

  beforeAll(async () => {
    server = await startServer(major, { track_functions: 'all' });
    admin = await server.admin(SCHEMA);
    parser = await Parser.create();
    const { port, user, password } = server;
    const tls = { mode: 'disable', ca: null } as const;
    upstream = { host: '127.0.0.1', port, user, password, tls, timeout_ms: 5000, keepalive_ms: 60_000 };
    planner = createPlanner({
      isPlain: isPlainBuiltIn,
      fault: (_, error) => faults.push(error),
    });
  });
  afterAll(async () => {
    await planner?.close();
    await server?.stop();
    expect(faults).toEqual([]);
  });

  const ask = async (sql: string, more: Asked = {}): Promise<Impact> => {
    const { role = server.user, search_path = PATH, parameters = [] } = more;
    const text = Buffer.from(sql).toString('latin1');
    const context = { server_version: major, database: 'postgres', role, search_path, search_path_start: PATH };
    const analyse = (what: string) => analyseText(parser, what, { ...context, prepared: () => undefined });
    const analysis = analyse(text);
    const asked = analysis.forward ?? text;
    const question = impactQuestion(asked, analysis, explainTexts(asked, analysis).map(analyse));
    const about = { target: async () => upstream, database: 'postgres', role, search_path, server_pid: 0, parameters };
    const impact = await planner.estimate({ ...question, ...about });
    if (!impact) throw new Error('the planner is closed');
    return impact;
  };
  const rowsOf = (impact: Impact, does: string): number | undefined =>
    impact.rows.find((row) => row.does === does)?.rows;
  const table = (impact: Impact, name: string) => impact.tables.find((one) => one.name === name);

  describe('what EXPLAIN says', () => {
    it('rows, bytes, tables, indexes of a held COPY (query)', async () => {
      const impact = await ask(
        'COPY (SELECT id, name FROM customers WHERE id < 100 ORDER BY id) TO STDOUT WITH (FORMAT csv)',
      );
      expect(impact.notes).toEqual([]);
      expect(impact.rows).toMatchObject([{ does: 'returns', object: '', from: 'plan' }]);
      expect(rowsOf(impact, 'returns')).toBeGreaterThan(80);
      expect(rowsOf(impact, 'returns')).toBeLessThan(120);
      expect(impact.rows[0]?.bytes).toBeGreaterThan(500);
      expect(impact.tables).toMatchObject([
        { name: 'public.customers', rows: 2000, by: ['customers_pkey'], lock: 'ACCESS SHARE' },
      ]);
      expect(impact.tables[0]?.bytes).toBeGreaterThan(100_000);
    });

    it.each([
      ['SELECT * FROM plain', 'returns', 2000],
      ['SELECT count(*) FROM orders JOIN customers ON customers.id = orders.customer', 'returns', 1],
      ['DELETE FROM orders', 'deletes', 5000],
      ["UPDATE customers SET name = upper(name) WHERE city = 'city 1'", 'updates', 200],
      ['INSERT INTO orders SELECT id, id, 0 FROM customers', 'inserts', 2000],
      ['WITH gone AS (DELETE FROM orders RETURNING id) SELECT 1 FROM gone', 'deletes', 5000],
      ['DELETE FROM parts', 'deletes', 701],
      ["SELECT * FROM moods WHERE mood = 'sad'", 'returns', 30],
      ['CREATE TABLE copied AS SELECT * FROM customers WITH NO DATA', 'inserts', 2000],
      ['DECLARE c CURSOR WITH HOLD FOR SELECT * FROM orders', 'returns', 5000],
      ['SELECT name FROM customers GROUP BY name ORDER BY 1', 'returns', 2000],
      ['SELECT * FROM pg_catalog.pg_class WHERE oid = 1', 'returns', 1],
      ['SELECT * INTO copied FROM orders', 'inserts', 5000],
      ['SELECT "id" AS "größe" FROM "orders" FOR UPDATE', 'returns', 5000],
      ["INSERT INTO never SELECT nextval('counted') FROM orders", 'inserts', 5000],
      [
        "SELECT * FROM customers WHERE to_tsvector('english', name) @@ to_tsquery('english', 'name') OR id > 0",
        'returns',
        2000,
      ],
      ['SELECT * FROM information_schema.tables WHERE false', 'returns', 0],
      [
        'MERGE INTO orders AS o USING customers AS c ON o.id = c.id WHEN MATCHED THEN UPDATE SET cents = 0',
        'merges',
        2000,
      ],
    ])('%s', async (sql, does, rows) => {
      const impact = await ask(sql);
      expect(impact.notes).toEqual([]);
      expect(rowsOf(impact, does)).toBeGreaterThanOrEqual(rows * 0.8);
      expect(rowsOf(impact, does)).toBeLessThanOrEqual(rows * 1.2);
      expect(impact.rows.every(({ from }) => from === 'plan')).toBe(true);
    });

    it('under rules of built-in functions, which make several plans or none', async () => {
      await admin.query(`
        CREATE TABLE ruled (id int); CREATE RULE also AS ON INSERT TO ruled DO ALSO DELETE FROM never;
        CREATE TABLE closed (id int); CREATE RULE none AS ON INSERT TO closed DO INSTEAD NOTHING`);
      const also = await ask('INSERT INTO ruled SELECT id FROM orders');
      expect(also.rows.map(({ does, object }) => `${does} ${object}`)).toEqual([
        'inserts public.ruled',
        'deletes public.never',
      ]);
      expect(await ask('INSERT INTO closed SELECT id FROM orders')).toMatchObject({ rows: [], notes: [] });
    });

    it('with the values that are bound', async () => {
      const few = await ask('SELECT * FROM customers WHERE id < $1', { parameters: [{ type: 'int4', value: '20' }] });
      const many = await ask('SELECT * FROM customers WHERE id < $1', {
        parameters: [{ type: 'unspecified', value: '1900' }],
      });
      expect(rowsOf(few, 'returns')).toBeLessThan(40);
      expect(rowsOf(many, 'returns')).toBeGreaterThan(1700);
    });

    it('before they are bound', async () => {
      const impact = await ask('SELECT * FROM customers WHERE id < $1');
      expect(impact.notes).toEqual([
        major >= 16
          ? 'Planned for any values: its parameters are not known yet.'
          : 'Cannot be estimated: its parameters are not known yet.',
      ]);
      expect(impact.rows).toHaveLength(major >= 16 ? 1 : 0);
    });

    it("as the session's role, under its policies", async () => {
      expect(rowsOf(await ask('SELECT * FROM guarded'), 'returns')).toBe(1000);
      expect(rowsOf(await ask('SELECT * FROM guarded', { role: 'app' }), 'returns')).toBeLessThan(20);
      expect((await ask('SELECT * FROM customers', { role: 'app' })).notes).toEqual([
        'Cannot be estimated: the role lacks a right that it needs: the server would refuse it, too.',
      ]);
      expect((await ask('SELECT * FROM customers', { role: 'nobody' })).notes).toEqual([
        "Cannot be estimated: the session's role can't be taken here.",
      ]);
    });

    it('under its search_path', async () => {
      await admin.query('CREATE SCHEMA other; CREATE TABLE other.customers AS SELECT 1 AS id; ANALYZE other.customers');
      const impact = await ask('SELECT * FROM customers', { search_path: 'other, public' });
      expect(rowsOf(impact, 'returns')).toBe(1);
      expect(table(impact, 'other.customers')).toMatchObject({ rows: 1 });
    });
  });

  describe('what statistics say', () => {
    it('a whole table', async () => {
      for (const sql of ['COPY customers TO STDOUT', 'TRUNCATE customers CASCADE'])
        expect((await ask(sql)).rows).toMatchObject([{ rows: 2000, from: 'statistics' }]);
      expect((await ask('COPY never FROM STDIN')).rows).toEqual([]);
    });

    it('a change of the schema: its lock, and who uses the table', async () => {
      const other = new pg.Client(server.url);
      await other.connect();
      await other.query('BEGIN');
      await other.query('SELECT 1 FROM customers LIMIT 1');
      const impact = await ask('ALTER TABLE customers ADD COLUMN vip boolean');
      await other.end();
      expect(impact).toMatchObject({ rows: [], notes: [] });
      expect(impact.tables).toMatchObject([
        { name: 'public.customers', rows: 2000, lock: 'ACCESS EXCLUSIVE', sessions: 1, users: ['postgres'] },
      ]);
      expect(impact.tables[0]?.bytes).toBeGreaterThan(100_000);
      expect((await ask('DROP INDEX orders_customer')).tables).toMatchObject([
        { name: 'public.orders', lock: 'ACCESS EXCLUSIVE' },
      ]);
    });

    it('is not kept by who has the table to himself', async () => {
      const other = new pg.Client(server.url);
      await other.connect();
      await other.query('BEGIN');
      await other.query('LOCK TABLE orders');
      const impact = await ask('DELETE FROM orders');
      await other.end();
      expect(impact.notes).toHaveLength(2);
      expect(impact.rows).toMatchObject([{ does: 'deletes', rows: 5000, from: 'statistics' }]);
      expect(impact.tables).toMatchObject([{ bytes: null, sessions: 1 }]);
    });

    it('a table that only its session sees', async () => {
      const { notes } = await ask('SELECT * FROM mine');
      expect(notes).toEqual([
        'Cannot be estimated: it names a table that other connections do not see: a temporary one, one of the open transaction, or none.',
      ]);
    });
  });

  it.each(LOCKING)('the lock that the server takes: %s', async (sql) => {
    await admin.query(`
      BEGIN; CREATE SCHEMA locking; CREATE SCHEMA elsewhere; SET LOCAL search_path = locking;
      CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE t (id int, n int); CREATE INDEX t_n ON t (n);
      ALTER TABLE t ADD CONSTRAINT later CHECK (id > 0) NOT VALID; CREATE POLICY p ON t USING (true);
      CREATE TRIGGER h BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
      CREATE TABLE p (id int) PARTITION BY LIST (id); CREATE TABLE q (id int);
      CREATE VIEW v AS SELECT 1; CREATE MATERIALIZED VIEW m AS SELECT 1 AS one; CREATE UNIQUE INDEX ON m (one); COMMIT`);
    const target = / (p|m|v)\b/.exec(sql.replace(/POLICY \S+/, ''))?.[1] ?? 't';
    try {
      await admin.query('BEGIN; SET LOCAL search_path = locking, public');
      const text = Buffer.from(sql).toString('latin1');
      const context = { server_version: major, database: 'postgres', role: 'postgres', search_path: 'locking, public' };
      const analysis = analyseText(parser, text, { ...context, prepared: () => undefined });
      const before = await admin.query<{ oid: string }>(`SELECT '${target}'::regclass::oid AS oid`);
      // Its answer is not read by the copy protocol: what it locks is what a COPY of a query would.
      await admin.query(sql.startsWith('COPY') ? 'SELECT * FROM t' : sql);
      const { rows } = await admin.query<{ mode: string }>(
        "SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation = $1",
        [before.rows[0]?.oid],
      );
      const taken = rows.map(({ mode }) =>
        mode
          .replace(/Lock$/, '')
          .replaceAll(/\B[A-Z]/g, ' $&')
          .toUpperCase(),
      );
      const strongest = LOCK_MODES[Math.max(...taken.map((mode) => LOCK_MODES.indexOf(mode as LockMode)))];
      expect(impactQuestion(text, analysis, []).statements[0]?.lock).toBe(strongest);
    } finally {
      await admin.query('ROLLBACK; DROP SCHEMA locking CASCADE; DROP SCHEMA elsewhere CASCADE');
    }
  });

  describe('no code of the database runs', () => {
    const calls = async (): Promise<number> => {
      const { rows } = await admin.query<{ calls: string }>(
        "SELECT coalesce(sum(calls), 0) AS calls FROM pg_stat_user_functions WHERE funcname LIKE 'spy%'",
      );
      return Number(rows[0]?.calls);
    };
    /** A connection that ends has told all its counts. */
    const alone = async (...queries: string[]): Promise<void> => {
      const client = new pg.Client(server.url);
      await client.connect();
      for (const query of queries) await client.query(query).catch(() => undefined);
      await client.end();
    };

    it.each(SPIES.map((spy, index) => [index, ...spy] as const))('%i: %s', async (index, _, schema, sql, noted) => {
      const name = `spies_${index}`;
      const search_path = `${name}, public`;
      await alone(
        `CREATE SCHEMA ${name}; SET search_path = ${search_path}; ${functions} ${schema.replaceAll('SCHEMA', name)}`,
      );
      const before = await calls();
      const impact = await ask(sql, { search_path });
      expect(impact.notes).toHaveLength(1);
      expect(impact.notes[0]).toMatch(noted);
      expect(await calls()).toBe(before);
    });

    it('though EXPLAIN alone would run some of it: the count is one that can rise', async () => {
      const before = await calls();
      await alone('SET search_path = spies_0', 'BEGIN READ ONLY', 'EXPLAIN SELECT * FROM v', 'ROLLBACK');
      await expect.poll(calls).toBeGreaterThan(before);
    });

    it('nor where a dictionary of text search is made of it', async () => {
      await admin.query(`
        INSERT INTO pg_ts_template SELECT 99999, 'own', 'public'::regnamespace, tmplinit, tmpllexize
          FROM pg_ts_template WHERE tmplname = 'simple'`);
      const sql = "SELECT * FROM customers WHERE name @@ to_tsquery('simple', 'x')";
      expect((await ask(sql)).notes).toEqual([
        'Cannot be estimated: EXPLAIN might run code of the database: text search template public.own.',
      ]);
      expect((await ask('SELECT * FROM customers')).notes).toEqual([]);
      await admin.query('DELETE FROM pg_ts_template WHERE oid = 99999');
    });

    it('nor that of an extension, which does not stand in the way of the rest', async () => {
      await admin.query(`
        CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gist;
        CREATE TABLE mails (id int, mail citext); CREATE TABLE tags (id int, tags hstore)`);
      for (const sql of [
        "SELECT * FROM customers WHERE name = 'x' AND city LIKE 'c%' AND id IN (1, 2) ORDER BY born",
        'DELETE FROM orders WHERE cents + 1 > id * 2',
      ])
        expect((await ask(sql)).notes).toEqual([]);
      for (const [sql, noted] of [
        ["SELECT * FROM mails WHERE mail = 'x'", /citext/],
        ["SELECT * FROM tags WHERE tags -> 'a' = 'b'", /hstore/],
        ["SELECT * FROM customers WHERE name % 'x'", /operator public\.%/],
        ["SELECT * FROM customers WHERE name <-> 'x' < 1", /operator public\.<->/],
      ] as const) {
        expect((await ask(sql)).notes).toHaveLength(1);
        expect((await ask(sql)).notes[0]).toMatch(noted);
      }
      await admin.query('DROP EXTENSION citext, hstore, pg_trgm, btree_gist CASCADE');
    });

    it('nor where a cast of built-in types is made by hand', async () => {
      await admin.query(`
        CREATE FUNCTION made(text) RETURNS point STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN point(1, 1); END $$;
        CREATE CAST (text AS point) WITH FUNCTION made(text) AS IMPLICIT`);
      expect((await ask('SELECT * FROM customers')).notes).toEqual([
        'Cannot be estimated: EXPLAIN might run code of the database: cast from text to point.',
      ]);
      await admin.query('DROP FUNCTION made CASCADE');
    });
  });

  const policy = `version: 1
default: allow
unparsed: deny
unknown: hold
unresolved: hold
code: hold
rules:
  - {id: every-row, when: stmt.writes_all_rows, then: hold, examples: {holds: [DELETE FROM t], allows: [DELETE FROM t WHERE a = 1]}}
`;

  it('plans a write of a table with triggers, which planning does not fire', async () => {
    await admin.query(`
      CREATE TABLE fired AS SELECT i FROM generate_series(1, 700) AS i; ANALYZE fired;
      CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE TG_ARGV[0]; RETURN OLD; END $$;
      CREATE TRIGGER fire BEFORE DELETE ON fired FOR EACH ROW EXECUTE FUNCTION fires('SELECT 1')`);
    const gateway = await startGateway({ upstream: server.url, policy });
    const bot = new pg.Client(gateway.agentUrl());
    await bot.connect();
    try {
      const deleted = bot.query('DELETE FROM fired WHERE i > 690').catch(({ code }) => code as string);
      const { id, impact } = await gateway.estimated((await gateway.opened()).id);
      expect(JSON.stringify(impact)).not.toContain('Cannot be estimated');
      expect(impact?.facts[0]?.lines.map(({ main, rest }) => main + rest)).toEqual([
        expect.stringMatching(/^about (9|10|11) rows/),
      ]);
      await gateway.deny(await gateway.grace.get(id));
      expect(await deleted).toBe('42501');
    } finally {
      await bot.end();
      await gateway.stop();
      await admin.query('DROP TABLE fired; DROP FUNCTION fires');
    }
  });

  it('says what a held DELETE without WHERE would remove, and that its trigger is there', async () => {
    await admin.query(`
      CREATE TABLE watched AS SELECT i FROM generate_series(1, 700) AS i; ANALYZE watched;
      CREATE TRIGGER redundant BEFORE DELETE ON watched FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`);
    const gateway = await startGateway({ upstream: server.url, policy });
    const bot = new pg.Client(gateway.agentUrl());
    await bot.connect();
    try {
      const deleted = bot.query('DELETE FROM watched').catch(({ code }: pg.DatabaseError) => code);
      const { id, impact } = await gateway.estimated((await gateway.opened()).id);
      expect(
        impact?.facts.map(({ term, lines }) => [term, ...lines.map(({ main, rest }) => main + rest)]),
      ).toMatchObject([
        ['Deletes', 'about 700 rows, all of public.watched'],
        ['Tables', expect.stringMatching(/^public\.watched whole, \d+ kB$/)],
        ['Locks', 'blocks no reader; writers of the same rows wait'],
        ['Triggers', 'redundant on public.watched'],
      ]);
      await gateway.deny(await gateway.grace.get(id));
      expect(await deleted).toBe('42501');
      expect((await admin.query('SELECT 1 FROM watched')).rowCount).toBe(700);
    } finally {
      await bot.end();
      await gateway.stop();
      await admin.query('DROP TABLE watched');
    }
  });

  it('comes to the reviewer after the request, and is on record without a value', async () => {
    const gateway = await startGateway({ upstream: server.url });
    const bot = new pg.Client(gateway.agentUrl());
    await bot.connect();
    try {
      const copied = bot
        .query(`COPY (SELECT * FROM customers WHERE name <> 'Secret Name') TO STDOUT`)
        .catch(() => undefined);
      const opened = await gateway.opened();
      const { impact, sentence } = await gateway.estimated(opened.id);
      expect(sentence).toBe('Exports public.customers');
      expect(impact?.amount).toBe('about 1,999 rows');
      expect(impact?.facts.slice(0, 1)).toMatchObject([{ term: 'Leaves', lines: [{ main: 'about 1,999 rows' }] }]);
      await gateway.deny(opened);
      await copied;
      const records = await gateway.records();
      const types = records.map(({ type }) => type);
      expect(types.indexOf('request.impact')).toBeGreaterThan(types.indexOf('request.opened'));
      expect(JSON.stringify(records.find(({ type }) => type === 'request.impact'))).not.toContain('Secret');
      expect(gateway.lines.join()).not.toContain('Secret');
    } finally {
      await bot.end();
      await gateway.stop();
    }
  });
});
