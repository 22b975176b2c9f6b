// What lies behind names, read from a real server's catalog: for each statement everything that is found in it, and nothing else.
// The analysis alone, without a gateway: what becomes of findings is the policy's affair.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CatalogSnapshot } from '../../src/sql/catalog.ts';
import type { Analysis, AnalysisContext } from '../../src/sql/findings.ts';
import { PostgresAnalyser } from '../../src/sql/postgres/analyser.ts';
import { Catalog } from '../../src/sql/postgres/catalog/catalog.ts';
import { READING } from '../../src/sql/postgres/catalog/reading.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

const SETUP = readFileSync(new URL('../../fixtures/sql/behind.sql', import.meta.url), 'utf8');

/** Statement, its findings (`?`: unresolved), and whether it changes rows that its text does not show. */
const UPDATED = ['write public.audit_log', 'write public.audit_log_id_seq', 'write public.orders'];
const CASES: readonly (readonly [sql: string, found: readonly string[], hidden?: 'hidden'])[] = [
  ['SELECT add_one(2)', ['read']],
  ['SELECT total(1) FROM customers', ['read public.customers', 'read public.orders']],
  ['SELECT bound_total(1)', ['read public.orders']],
  ['SELECT purge()', ['write public.docs'], 'hidden'],
  ['SELECT n.secret_of FROM notes n', ['read hr.salaries', 'read public.notes', 'role public.secret_of']],
  ['SELECT (n).secret_of FROM notes n', ['read hr.salaries', 'read public.notes', 'role public.secret_of']],
  ["SELECT dynamic('x')", ['code public.dynamic?']],
  ['SELECT constant()', ['write public.notes'], 'hidden'],
  ["SELECT * FROM rows_of('x')", ['code public.rows_of?']],
  ["SELECT cursor_of('x')", ['code public.cursor_of?']],
  ['SELECT even(3)', ['read public.notes']],
  ['SELECT set_path()', ['code public.set_path?', 'settings search_path']],
  ['SELECT in_hr()', ['read hr.salaries']],
  ['SELECT hides()', ['write public.notes'], 'hidden'],
  ['SELECT with_default()', ['write public.docs'], 'hidden'],
  ['SELECT row_typed()', ['read']],
  ['SELECT scratch()', ['read public.projects', 'write pg_temp.scr']],
  ['SELECT again()', ['read public.projects', 'write pg_temp.scr']],
  ['CALL archive()', ['write public.orders'], 'hidden'],
  ['DROP TABLE IF EXISTS nobody', ['read']],
  ['DROP VIEW IF EXISTS nobody, public.nobody, no_schema.nobody CASCADE', ['read']],
  ['DROP TABLE IF EXISTS nobody, notes', ['ddl public.notes', 'read']],
  ['DROP TABLE nobody', ['read']],
  ['DROP TABLE IF EXISTS pg_catalog.nobody', ['ddl pg_catalog.nobody']],
  ['DROP TABLE IF EXISTS pg_class', ['ddl pg_catalog.pg_class']],
  ['DROP TABLE IF EXISTS pg_toast.nobody', ['ddl pg_toast.nobody']],
  ['DROP TABLE IF EXISTS elsewhere.public.nobody', ['ddl elsewhere.public.nobody?']],
  ['SET search_path = hr; DROP TABLE IF EXISTS salaries', ['ddl hr.salaries', 'settings search_path']],
  [
    'SET search_path = information_schema; DROP TABLE IF EXISTS nobody',
    ['ddl information_schema.nobody', 'settings search_path'],
  ],
  ['CREATE TABLE made (id int); DROP TABLE IF EXISTS made', ['ddl public.made']],
  ['ALTER TABLE notes RENAME TO nobody; DROP TABLE IF EXISTS nobody', ['ddl public.nobody', 'ddl public.notes']],
  [
    'DROP TABLE IF EXISTS s1; CREATE TEMP TABLE s1 (id int); DROP TABLE IF EXISTS s2; CREATE TEMP TABLE s2 AS SELECT id FROM s1',
    ['read', 'read pg_temp.s1', 'write pg_temp.s1', 'write pg_temp.s2'],
  ],
  [
    'CREATE TEMP TABLE p (id int) PARTITION BY LIST (id); CREATE TEMP TABLE p1 PARTITION OF p DEFAULT',
    ['write pg_temp.p', 'write pg_temp.p1'],
  ],
  [
    'CREATE TEMP TABLE p1 PARTITION OF parted FOR VALUES IN (9)',
    ['ddl pg_temp.p1', 'ddl public.parted', 'write pg_temp.p1'],
  ],
  ['SELECT * FROM purging', ['read public.purging', 'write public.docs'], 'hidden'],
  ['SELECT ssn FROM joined', ['read hr.salaries', 'read public.joined', 'read public.notes']],
  ["INSERT INTO names VALUES (1, 'x')", ['read public.customers', 'write public.customers', 'write public.names']],
  ['SELECT 1 +* 2', ['write public.docs'], 'hidden'],
  ['SELECT 1 + 2', ['read']],
  ['SELECT agg(id) FROM notes', ['read public.notes', 'write public.docs'], 'hidden'],
  ['SELECT 7::dom', ['write public.docs'], 'hidden'],
  ["SELECT '{1}'::dom[]", ['write public.docs'], 'hidden'],
  ['SELECT dom(7)', ['write public.docs'], 'hidden'],
  ['SELECT * FROM has_dom', ['read public.has_dom', 'write public.docs'], 'hidden'],
  ["SELECT 'abc'::harmless", ['read']],
  ["SELECT 'x'::text::mine", ['write public.docs'], 'hidden'],
  ["SELECT upper('x')", ['write public.docs'], 'hidden'],
  ["SELECT lower('x')", ['read']],
  [
    'INSERT INTO orders (total) VALUES (3)',
    ['write public.audit_log', 'write public.audit_log_id_seq', 'write public.orders', 'write public.orders_id_seq'],
  ],
  ['DELETE FROM customers WHERE id = 1', ['write public.customers', 'write public.orders']],
  ['DELETE FROM projects WHERE id = 1', ['code public.audit?', 'write public.projects']],
  ['INSERT INTO projects VALUES (1)', ['write public.projects']],
  ['INSERT INTO jobs VALUES (1)', ['settings pg_catalog.pg_notify', 'write public.docs', 'write public.jobs']],
  ['UPDATE notes SET id = 2', ['write public.audit_log', 'write public.audit_log_id_seq', 'write public.notes']],
  ['SELECT slug FROM organizations', ['read public.memberships', 'read public.organizations']],
  ['SELECT is_member(1)', ['read public.memberships', 'role public.is_member']],
  ['INSERT INTO defaulted VALUES (1)', ['write public.defaulted', 'write public.docs']],
  ['INSERT INTO parted VALUES (1)', ['code public.audit?', 'write public.parted']],
  ['SELECT with_argument()', ['write public.docs'], 'hidden'],
  ["INSERT INTO half VALUES (1, 'x')", ['code public.audit?', 'write public.half']],
  ['UPDATE half SET id = 2', ['read public.customers', 'write public.customers', 'write public.half']],
  ['INSERT INTO parted_by VALUES (1)', ['write public.docs', 'write public.parted_by']],
  ['TRUNCATE orders CASCADE', ['ddl public.orders', 'write public.billed', 'write public.orders']],
  ["SELECT set_config('role.x'::varchar(4), 'dba', false)", ['code pg_catalog.set_config?']],
  ['UPDATE orders SET note = 1 WHERE id = 2', UPDATED],
  ['UPDATE orders SET id = DEFAULT WHERE id = 2', [...UPDATED, 'write public.orders_id_seq']],
  ['UPDATE orders SET (note, id) = (1, DEFAULT) WHERE id = 2', [...UPDATED, 'write public.orders_id_seq']],
  [
    `CREATE TEMP TABLE own (id int PRIMARY KEY); REINDEX TABLE own; CLUSTER own USING own_pkey;
     GRANT SELECT ON own TO PUBLIC; DROP TABLE own`,
    ['write pg_temp.own'],
  ],
  ['REINDEX TABLE docs', ['admin public.docs']],
  ['GRANT SELECT ON docs TO PUBLIC', ['grant public.docs']],
  ["SELECT nextval('orders_id_seq'::regclass)", ['write public.orders_id_seq']],
  ['SELECT pg_temp.nobody()', ['code pg_temp.nobody?']],
  ['SELECT c::text FROM cast_row c', ['read public.cast_row', 'write public.docs'], 'hidden'],
  [
    'INSERT INTO set_default (id) VALUES (1)',
    ['code public.opaque?', 'read public.notes', 'write public.notes', 'write public.set_default'],
  ],
  ['UPDATE moved SET id = 2 WHERE id = 1', ['code public.audit?', 'write public.moved']],
  ['SELECT * FROM locked', ['read public.locked']],
  ['SELECT * FROM locked FOR UPDATE', ['code public.opaque?', 'read public.locked']],
  [
    'SELECT * FROM (SELECT * FROM (locked CROSS JOIN (SELECT 1) b)) a FOR SHARE',
    ['code public.opaque?', 'read public.locked'],
  ],
  ['SELECT * FROM (SELECT * FROM locked) l FOR UPDATE', ['code public.opaque?', 'read public.locked']],
  [
    'SELECT * FROM locked_view FOR UPDATE',
    ['code public.opaque?', 'read public.customers', 'read public.locked', 'read public.locked_view'],
  ],
  ['SELECT * FROM names FOR UPDATE SKIP LOCKED', ['read public.customers', 'read public.names']],
  ['SELECT age(5)', ['code public.opaque?']],
  ['SELECT of_dom(id) FROM notes', ['read public.notes', 'write public.docs'], 'hidden'],
  ['SELECT 1::named_value', ['write public.docs'], 'hidden'],
  [
    'SELECT say(body) FROM notes',
    ['export pg_catalog.pg_notify', 'read public.notes', 'settings pg_catalog.pg_notify'],
  ],
  ['SELECT NOT (id === 1) FROM notes', ['read public.notes', 'write public.docs'], 'hidden'],
  ["SELECT 'a'::text BETWEEN 1 AND 'z'", ['write public.docs'], 'hidden'],
  ['ANALYZE counted_by', ['read public.counted_by', 'write public.docs'], 'hidden'],
  ['EXPLAIN INSERT INTO defaulted VALUES (1)', ['read public.defaulted', 'write public.docs'], 'hidden'],
  ['EXPLAIN INSERT INTO orders (total) VALUES (1)', ['read public.orders']],
  ["EXPLAIN UPDATE names SET name = 'x'", ['read public.customers', 'read public.names']],
  [
    'EXPLAIN DELETE FROM default_view',
    ['read public.default_view', 'read public.defaulted', 'write public.docs'],
    'hidden',
  ],
  ['ANALYZE orders, names', ['read public.customers', 'read public.names', 'read public.orders']],
  ['CREATE TEMP TABLE alike (LIKE names)', ['read public.customers', 'read public.names', 'write pg_temp.alike']],
  ['SELECT declared()', ['read public.purging', 'write public.docs'], 'hidden'],
  ['SELECT enum_default()', ['read']],
  ['SELECT of_column()', ['write public.docs'], 'hidden'],
  ['SELECT a(1)', ['read public.secret', 'role public.b']],
  ['CREATE TABLE made (id int); SELECT add_one(1)', ['code add_one?', 'ddl public.made']],
  ['CREATE TEMP TABLE scratch (id int); SELECT add_one(1)', ['read', 'write pg_temp.scratch']],
  ['EXPLAIN UPDATE told_by_rule SET id = 2', ['code public.opaque?', 'read public.told_by_rule']],
  ['EXPLAIN DELETE FROM told_by_rule', ['read public.told_by_rule']],
  ['EXPLAIN UPDATE kept SET id = 2', ['code public.opaque?', 'read public.kept']],
  ['EXPLAIN UPDATE kept_ids SET id = 2', ['code public.opaque?', 'read public.kept', 'read public.kept_ids']],
  ['EXPLAIN INSERT INTO kept VALUES (1)', ['read public.kept']],
  ['EXPLAIN DELETE FROM projects WHERE id = 1', ['read public.projects']],
  ['EXPLAIN DELETE FROM customers', ['read public.customers']],
  ['SELECT * FROM names FOR UPDATE', ['read public.customers', 'read public.names']],
  ['SELECT starts_anew()', ['read public.notes', 'write pg_temp.anew', 'write pg_temp.anew_too']],
  ['SELECT drops_made()', ['ddl made_up?', 'ddl public.notes']],
  ['SELECT drops_there()', ['ddl public.docs']],
  ['SELECT drops_of_others()', ['ddl pg_temp_7.x?']],
  [
    'CREATE SCHEMA s CREATE VIEW v AS SELECT * FROM notes, docs CREATE TABLE notes (id int, d int REFERENCES docs)',
    ['ddl s', 'ddl s.v', 'ddl s.notes', 'ddl public.docs', 'read s.notes', 'read public.docs'],
  ],
  [
    'CREATE SCHEMA s CREATE TABLE notes (id int PRIMARY KEY, up int REFERENCES notes) GRANT SELECT ON notes TO other',
    ['ddl s', 'ddl s.notes', 'grant s.notes'],
  ],
  ['SELECT * FROM of_file', ['admin file', 'export file', 'read public.of_file']],
  ['SELECT * FROM of_program', ['admin program', 'export program', 'read public.of_program']],
  ['INSERT INTO of_server VALUES (1)', ['write public.of_server']],
  ['SELECT * FROM over_server', ['read public.of_server', 'read public.over_server']],
  ["SELECT * FROM dblink('dbname=x', 'DELETE FROM notes') AS t (id int)", ['code public.dblink']],
  ["SELECT dblink_connect('dbname=x')", ['code public.dblink_connect']],
  ["SELECT dblink_exec('DELETE FROM notes')", ['code public.dblink_exec']],
  ['EXPLAIN SELECT * FROM joined', ['read hr.salaries', 'read public.joined', 'read public.notes']],
];

/** The same, in a session that has temporary tables `customers` and `mine_alone`. */
const OWN: typeof CASES = [
  ['SELECT * FROM customers', ['read pg_temp.customers']],
  ['DROP TABLE customers', ['write pg_temp.customers']],
  [
    'DROP TABLE customers; DROP TABLE customers',
    ['ddl pg_temp.customers', 'ddl public.customers', 'write pg_temp.customers'],
  ],
  ['COMMIT; DROP TABLE customers', ['ddl pg_temp.customers', 'ddl public.customers', 'transaction']],
  ['DISCARD TEMP; SELECT * FROM customers', ['read pg_temp.customers', 'read public.customers', 'settings']],
  ['ALTER TABLE mine_alone ALTER a TYPE opaque_dom', ['code public.opaque?', 'write pg_temp.mine_alone']],
  ['ALTER TABLE mine_alone ADD CHECK (a::opaque_dom > 0)', ['code public.opaque?', 'write pg_temp.mine_alone']],
  [
    'CREATE RULE r AS ON INSERT TO mine_alone DO ALSO DELETE FROM notes',
    ['ddl pg_temp.mine_alone', 'read public.notes', 'write pg_temp.mine_alone'],
  ],
  [
    'SET search_path = public, pg_temp; INSERT INTO mine_alone VALUES (1)',
    ['settings search_path', 'write pg_temp.mine_alone'],
  ],
  ['CREATE TEMP TABLE x (a opaque_dom)', ['code public.opaque?', 'write pg_temp.x']],
  [
    'CREATE TEMP TABLE x (LIKE opaque_default INCLUDING ALL)',
    ['code public.opaque?', 'read public.opaque_default', 'write pg_temp.x'],
  ],
  [
    'CREATE TEMP VIEW v AS SELECT * FROM notes; DELETE FROM v',
    ['code pg_temp.v?', 'read public.notes', 'write pg_temp.v'],
  ],
  [
    'CREATE TEMP VIEW v AS SELECT * FROM notes; ALTER VIEW v RENAME TO w; DELETE FROM w',
    ['read public.notes', 'write pg_temp.v', 'write w?'],
  ],
  ['SELECT pg_temp.nobody()', ['read']],
  ['CREATE INDEX ON of_ranked (a)', ['code public.opaque?', 'write pg_temp.of_ranked']],
  ['ALTER TABLE of_ranked ADD UNIQUE (a)', ['code public.opaque?', 'write pg_temp.of_ranked']],
  ['SELECT c::text FROM casting c', ['code public.opaque?', 'read pg_temp.casting']],
];

describe.each(MAJORS.filter(available))('PostgreSQL %d', (major) => {
  let server: TestServer;
  let catalog: Catalog;
  let own: Catalog;
  /** As another session sees the database meanwhile; and what this one has on top of that. */
  let beside: Catalog;
  let temporary = '';
  let analyser: PostgresAnalyser;
  const analyse = (
    sql: string,
    seen: CatalogSnapshot | null = catalog,
    more: Partial<AnalysisContext> = {},
  ): Analysis | Promise<Analysis> =>
    analyser.analyse(Buffer.from(sql).toString('latin1'), {
      server_version: major,
      database: 'postgres',
      role: 'agent',
      search_path: '"$user", public',
      search_path_start: '"$user", public',
      catalog: seen,
      prepared: () => null,
      ...more,
    });

  beforeAll(async () => {
    server = await startServer(major);
    const admin = await server.admin(SETUP);
    await admin.query('SET search_path = pg_catalog');
    const text = async (query: string, as = admin): Promise<string> => {
      const { rows } = await as.query<Record<string, string>>(query);
      return Object.values(rows[0] ?? {})[0] ?? '';
    };
    const read = async (as = admin): Promise<CatalogSnapshot> => READING.make(await text(READING.rows, as));
    catalog = (await read()) as Catalog;
    await admin.query(`CREATE TEMP TABLE customers (a int); CREATE TEMP TABLE mine_alone (a int); CREATE TEMP TABLE of_ranked (a public.ranked);
      CREATE TEMP TABLE casting (a int); CREATE FUNCTION public.cast_it(casting) RETURNS text LANGUAGE sql AS 'SELECT public.opaque(1)::text';
      CREATE CAST (casting AS text) WITH FUNCTION public.cast_it(casting);
      CREATE TABLE public.whole (a int); CREATE TEMP TABLE part_of_it (CHECK (public.opaque(a) > 0)) INHERITS (public.whole);
      CREATE FUNCTION public.of_casting(c casting) RETURNS int LANGUAGE sql AS 'SELECT 1';
      CREATE DOMAIN pg_temp.checked AS public.ranked CHECK (public.opaque(1) > 0);
      CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT public.opaque(1)';
      CREATE FUNCTION public.calls_mine() RETURNS int LANGUAGE sql AS 'SELECT pg_temp.mine()';
      CREATE FUNCTION public.converts() RETURNS text LANGUAGE sql AS $$ SELECT NULL::checked::text $$;
      CREATE FUNCTION public.opaque_too(int, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'x'; RETURN 1; END $$;
      CREATE OPERATOR pg_temp.|@@| (LEFTARG = int4, RIGHTARG = int4, FUNCTION = public.opaque_too)`);
    own = (await read()) as Catalog;
    temporary = await text(READING.temporary_rows);
    const other = await server.admin('SET search_path = pg_catalog');
    beside = (await read(other)) as Catalog;
    analyser = await PostgresAnalyser.create();
  });
  afterAll(async () => {
    await analyser?.close();
    await server?.stop();
  });

  const cases = (which: typeof CASES) => which.map(([sql, expected, hidden]) => ({ sql, expected, hidden }));
  const found = ({ findings }: Analysis): string[] =>
    [
      ...new Set(
        findings.map(({ action, object, unresolved }) => `${action} ${object}${unresolved ? '?' : ''}`.trim()),
      ),
    ].toSorted();

  test.each(cases(OWN))('of its own: $sql', async ({ sql, expected }) => {
    expect(READING.hasTemporary(catalog)).toBe(false);
    expect(READING.hasTemporary(own)).toBe(true);
    expect(found(await analyse(sql, own))).toEqual([...expected].toSorted());
  });

  test.each(cases(CASES))('$sql', async ({ sql, expected, hidden }) => {
    const analysis = await analyse(sql);
    expect(analysis.error).toBeNull();
    expect(found(analysis)).toEqual([...expected].toSorted());
    expect(analysis.statements.some(({ hidden_writes }) => hidden_writes)).toBe(hidden === 'hidden');
  });

  test('what hangs on a temporary table of another session is nobody else’s', async () => {
    expect(found(await analyse('SELECT 1::text', beside))).toEqual(['read']);
  });

  test('how many rows a call of a function can return', async () => {
    const rows = async (sql: string) => (await analyse(sql)).statements[0]?.rows_max;
    expect(await rows('SELECT purge(), even(3)')).toBe(1);
    expect(await rows('SELECT * FROM purge()')).toBe(1);
    expect(await rows('SELECT * FROM public.purge() AS p, even(3)')).toBe(1);
    expect(await rows('SELECT purge() FROM notes')).toBeNull();
    expect(await rows("SELECT rows_of('x')")).toBeNull();
    expect(await rows("SELECT * FROM purge(), rows_of('x')")).toBeNull();
    expect(await rows('SELECT abs(purge())')).toBe(1);
    expect(await rows('SELECT (make_pair()).a')).toBe(1);
    expect(await rows('SELECT (make_pair()).pairs_of')).toBeNull();
    expect(await rows('SELECT 1 |# 2')).toBeNull();
    expect(await rows('SELECT p.pairs_of FROM make_pair() AS p')).toBeNull();
  });

  test('without a catalog, an operator class may be anything', async () => {
    const index = (of: string) => analyse(`CREATE TEMP TABLE x (a int); CREATE INDEX ON x (a ${of})`, null);
    expect(found(await index('any_ops'))).toEqual(['code any_ops?', 'write pg_temp.x']);
    expect(found(await index('pg_catalog.int4_ops'))).toEqual(['write pg_temp.x']);
  });

  test('a name that is not there is no finding, but is told', async () => {
    expect(await analyse('SELECT nobody(1)')).toMatchObject({ missing: true, findings: [{ action: 'read' }] });
    expect(await analyse('SELECT * FROM nobody')).toMatchObject({ missing: true });
    expect(await analyse("SELECT 'x'::nobody")).toMatchObject({ missing: true });
    expect((await analyse('SELECT add_one(1) FROM notes')).missing).toBeUndefined();
  });

  test('what others have made since an open transaction began is there for DROP IF EXISTS', async () => {
    const sql = 'DROP TABLE IF EXISTS nobody';
    const rows = { ...catalog.rows, relations: [{ oid: 1 << 30, schema: 'public', name: 'nobody', kind: 'r' }] };
    for (const [committed, expected] of [
      [catalog, 'read'],
      [new Catalog(rows), 'ddl public.nobody'],
      [null, 'ddl public.nobody'],
    ] as const)
      expect(found(await analyse(sql, own, { catalog_is_own: true, committed }))).toEqual([expected]);
    expect(await analyse(sql)).toMatchObject({ missing: true });
    const purge = catalog.functions('purge')[0]!.oid;
    const triggered = new Catalog({ ...catalog.rows, event_triggers: [['ddl_command_start', purge]] });
    expect(found(await analyse(sql, triggered))).toEqual(['read', 'write public.docs']);
  });

  test('reading a literal runs nothing, but where a type has code of its own', async () => {
    expect((await analyse("SELECT 'x'")).statements[0]?.parse_is_harmless).toBe(false);
  });

  /** All that is found in each: findings, what is read, written and called, and what it does to its session. */
  const OVER = [
    ...[...CASES, ...OWN].map(([sql]) => sql),
    'SELECT * FROM whole',
    'UPDATE whole SET a = 1',
    'DELETE FROM whole',
    'SELECT of_casting(NULL)',
    'ANALYZE',
    'SELECT calls_mine()',
    'SELECT converts()',
    'SELECT pg_temp.mine()',
    'SELECT 1 OPERATOR(pg_temp.|@@|) 2',
  ];
  const seen = async (
    catalogs: () => CatalogSnapshot,
    texts: readonly string[],
    more: Partial<AnalysisContext> = {},
  ) => {
    const all = new Map<string, unknown>();
    for (const sql of texts) {
      const { catalog: _, ...analysis } = await analyse(sql, catalogs(), more);
      const findings = analysis.findings.map(({ action, object, unresolved }) => `${action} ${object} ${unresolved}`);
      // A function of a temporary type is printed as others see it.
      const bodies = analysis.bodies?.map((one) => one.replace(/^\S+ (?=function public\.(cast_it|of_casting)$)/, ''));
      all.set(sql, {
        ...analysis,
        bodies: bodies?.toSorted(),
        findings: findings.filter((one) => !/^code pg_temp_\d/.test(one)).toSorted(),
      });
    }
    return all;
  };

  test.each(['first', 'last', 'anew each time'])('temporary objects over what all see, these %s', async (order) => {
    const shared = new Catalog(beside.rows);
    const overlay = () => READING.over(temporary, shared);
    const one = overlay();
    const texts = order === 'last' ? OVER.toReversed() : OVER;
    const whole = new Catalog(own.rows);
    const its_own = { catalog_is_own: true, committed: shared };
    if (order === 'last') await seen(() => shared, texts);
    const through = await seen(order === 'anew each time' ? overlay : () => one, texts, its_own);
    expect(through).toEqual(await seen(() => whole, texts, its_own));
    // And nobody else is told of them.
    const others = await seen(() => shared, texts);
    const alone = new Catalog(beside.rows);
    expect(others).toEqual(await seen(() => alone, texts));
    expect(through.get('UPDATE whole SET a = 1')).not.toEqual(others.get('UPDATE whole SET a = 1'));
  });
});
