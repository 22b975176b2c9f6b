// What single statements and batches are found to do.
import { describe, expect, test } from 'vitest';
import type { Analysis } from '../../../src/sql/findings.ts';
import { analyse, found, heldFor, latin1 } from './helpers.ts';

test.each<[string, string[]]>([
  ['SELECT 1', ['read']],
  ['SELECT * FROM users u, pg_class', ['read pg_catalog.pg_class', 'read public.users']],
  ['WITH x AS (SELECT 1) SELECT * FROM x', ['read']],
  ['WITH x AS (SELECT * FROM x) SELECT * FROM x', ['read public.x']],
  ['WITH x AS (SELECT 1), y AS (SELECT * FROM x) INSERT INTO x SELECT * FROM y', ['write public.x']],
  ['WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d', ['read public.t', 'write public.t']],
  ['UPDATE t SET a = 1 WHERE b = 2', ['write public.t']],
  ['UPDATE t SET a = 1 WHERE b = 2 RETURNING a', ['read public.t', 'write public.t']],
  ['WITH t AS (SELECT 1) UPDATE t SET a = 1 WHERE b = 2 RETURNING a', ['read public.t', 'write public.t']],
  ['INSERT INTO t VALUES (1) RETURNING a', ['write public.t']],
  ['INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING RETURNING a', ['write public.t']],
  ['INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 2 RETURNING a', ['read public.t', 'write public.t']],
  ['EXPLAIN UPDATE t SET a = 1 RETURNING a', ['read public.t']],
  ['COPY t TO STDOUT', ['export public.t', 'read public.t']],
  ['COPY t FROM STDIN', ['write public.t']],
  ["COPY t FROM PROGRAM 'x'", ['admin program', 'import public.t', 'write public.t']],
  ['EXPLAIN DELETE FROM t', ['read public.t']],
  ['EXPLAIN (ANALYZE off, ANALYZE) DELETE FROM t', ['write public.t']],
  ['EXPLAIN ANALYZE SELECT 1 INTO x', ['ddl public.x']],
  [
    'CREATE TEMP TABLE s(a int); INSERT INTO s VALUES (1); DROP TABLE s',
    ['write pg_temp.s', 'write pg_temp.s', 'write pg_temp.s'],
  ],
  ['CREATE TEMP TABLE s() INHERITS (t)', ['ddl pg_temp.s', 'ddl public.t', 'write pg_temp.s']],
  ['CREATE TEMP TABLE s (a int REFERENCES t)', ['write pg_temp.s']],
  ["CREATE TEMP TABLE s(a int); COMMENT ON COLUMN s.a IS 'x'", ['write pg_temp.s', 'write pg_temp.s']],
  ['TRUNCATE a', ['ddl public.a', 'write public.a']],
  ['SET ROLE dba', ['role role']],
  ['SET "role" = dba', ['role role']],
  ['RESET ROLE', ['settings role']],
  ['SET SESSION AUTHORIZATION DEFAULT', ['settings session_authorization']],
  ["SELECT set_config('role', 'dba', false)", ['role role']],
  ["SELECT set_config('ro' || 'le', 'dba', false)", ['role role']],
  ['SELECT set_config($1, $2, false)', ['code pg_catalog.set_config?']],
  [
    "SELECT set_config(name, 'view', false) FROM pg_settings WHERE name = 'role'",
    ['read pg_catalog.pg_settings', 'role role'],
  ],
  [
    "SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'jit' OR true",
    ['code pg_catalog.set_config?', 'read pg_catalog.pg_settings'],
  ],
  [
    "SELECT set_config(setting, 'off', false) FROM pg_settings WHERE name = 'jit'",
    ['code pg_catalog.set_config?', 'read pg_catalog.pg_settings'],
  ],
  // A parameter of type void is no argument: this is ts_rewrite(tsquery, text), which runs the text.
  ["SELECT ts_rewrite($1, $2, 'select a from t')", ['code pg_catalog.ts_rewrite']],
  ["SELECT ts_rewrite($1, $2, 'a'::tsquery)", ['code pg_catalog.ts_rewrite']],
  ["SELECT pg_read_file('x', $1, $2, $3, $4)", ['admin pg_catalog.pg_read_file', 'export pg_catalog.pg_read_file']],
  ["SELECT set_config($1, 'role', 'dba', false)", ['code pg_catalog.set_config?']],
  ["SELECT nextval('public.s')", ['write public.s']],
  ['SELECT uuid_generate_v4()', ['code uuid_generate_v4?']],
  ['SELECT pg_catalog.no_such(1)', ['unknown pg_catalog.no_such']],
  ['SELECT public.lower(1)', ['code public.lower?']],
  ["SELECT ('/etc/passwd'::text).pg_read_file", ['admin pg_catalog.pg_read_file', 'export pg_catalog.pg_read_file']],
  ['SELECT 1 OPERATOR(public.+) 2', ['code public.+?']],
  ["SELECT 'x'::public.dom", ['code public.dom?']],
  ["SELECT ts_stat('select a from t')", ['code pg_catalog.ts_stat', 'read public.t']],
  ["DO $$BEGIN EXECUTE 'delete from ' || 'no' || 'tes'; END$$", ['code plpgsql', 'write public.notes']],
  // The comment is none to libpg_query, which would not join the strings and see a comment where the server sees the DELETE.
  [
    "DO $$BEGIN PERFORM E'' -- c\n '\\'; /* '; DELETE FROM notes; -- */\n END$$",
    ['code plpgsql', 'write public.notes'],
  ],
  ["DO $$BEGIN EXECUTE 'delete from' -- c\n ' notes'; END$$", ['code plpgsql', 'write public.notes']],
  ["UPDATE pg_settings SET setting = 'x'", ['admin pg_catalog.pg_settings', 'write pg_catalog.pg_settings']],
  ['SELECT * FROM corpus.hr.salaries', ['read hr.salaries']],
  ['SELECT * FROM elsewhere.hr.salaries', ['read elsewhere.hr.salaries?']],
  ['SELECT * FROM "Users"', ['read public."Users"']],
  ['VACUUM t', ['read public.t']],
  ['VACUUM FULL t', ['admin', 'read public.t']],
  ['NOTIFY a', ['settings a']],
  ["SELECT pg_notify('a', 'b')", ['settings pg_catalog.pg_notify']],
  [
    "SELECT pg_notify('a', x) FROM t",
    ['export pg_catalog.pg_notify', 'read public.t', 'settings pg_catalog.pg_notify'],
  ],
  ['LOCK TABLE t', ['transaction public.t']],
  ["PREPARE TRANSACTION 'x'", ['admin', 'transaction']],
  ['CREATE SCHEMA s CREATE TABLE t(a int)', ['ddl s', 'ddl s.t']],
])('%s', (sql, expected) => {
  const analysis = analyse(sql);
  expect(analysis.error).toBeNull();
  expect(found(analysis)).toEqual(expected);
});

test('behind a change of the role "$user" is another schema', () => {
  const context = {
    role: 'now',
    role_start: 'app',
    role_none: 'app',
    search_path: '"$user"',
    user_schema: 'there' as const,
  };
  const writes = (sql: string) =>
    analyse(sql, context)
      .findings.filter(({ action }) => action === 'write')
      .map(({ object, unresolved }) => `${object}${unresolved ? '?' : ''}`);
  const cases: Record<string, string[]> = {
    'INSERT INTO t VALUES (1)': ['"now".t'],
    'SELECT 1; INSERT INTO t VALUES (1)': ['"now".t'],
  };
  for (const [sql, expected] of Object.entries(cases))
    expect(writes(sql), sql).toEqual(expected.map((name) => name.replaceAll('"', '')));
  // Nobody has told whether those have schemas.
  for (const sql of [
    'RESET ROLE',
    'SET ROLE NONE',
    'SET ROLE other',
    "SELECT set_config('role', 'other', false)",
    'SET SESSION AUTHORIZATION other',
    'SET ROLE other; ROLLBACK',
    "SELECT set_config('role', current_user, false)",
  ])
    expect(writes(`${sql}; INSERT INTO t VALUES (1)`), sql).not.toContain('now.t');
});

test('FETCH of a cursor that runs code, and the COMMIT that runs it to its end, may make temporary objects', () => {
  for (const sql of ['FETCH 1 FROM c', 'COMMIT']) {
    expect(analyse(sql, { portals: { runs_code: true, runs_late: false } }).changes_catalog, sql).toBe('any');
    expect(analyse(sql, { portals: { runs_code: false, runs_late: false } }).changes_catalog, sql).toBeUndefined();
  }
});

test('SET ROLE to the role that the session began with is RESET ROLE', () => {
  const found_as = (sql: string, context = { role_start: 'app' }) => found(analyse(sql, context));
  expect(found_as("SET ROLE 'app'")).toEqual(['settings role']);
  expect(found_as('SET LOCAL ROLE app')).toEqual(['settings role']);
  for (const sql of ['SET ROLE "App"', 'SET ROLE dba', 'SET SESSION AUTHORIZATION app', 'SET ROLE FROM CURRENT'])
    expect(found_as(sql).join(), sql).toMatch(/^role /);
  expect(found(analyse('SET ROLE app'))).toEqual(['role role']);
});

test('SET ROLE NONE is another role where the login was given one', () => {
  for (const sql of ['SET ROLE NONE', "SELECT set_config('role', 'none', false)"]) {
    expect(found(analyse(sql, { role_start: 'app', role_none: 'app' })).join(), sql).toBe('settings role');
    expect(found(analyse(sql, { role_start: 'reader', role_none: 'app' })).join(), sql).toBe('role role');
  }
  expect(found(analyse('RESET ROLE', { role_start: 'reader', role_none: 'app' }))).toEqual(['settings role']);
});

describe('what ordinary clients send is never held', () => {
  test.each([
    'SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD SEQUENCES; DISCARD TEMP',
    "SET client_encoding TO 'unicode'; SET standard_conforming_strings = on; SET client_min_messages TO 'warning'",
    "set names 'utf8'; SET SESSION timezone TO 'UTC'; SET extra_float_digits = 3; SET application_name = 'x'",
    "SELECT set_config('jit', 'off', false)",
    "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'",
    'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; SAVEPOINT a; RELEASE a; COMMIT',
    "SELECT t.oid, t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typname OPERATOR(pg_catalog.~) '^(a)$'",
    'SELECT pg_catalog.array_agg(x), count(*) FILTER (WHERE x > 1), row_number() OVER (PARTITION BY x) FROM t GROUP BY CUBE (x)',
    "SELECT a->>'b', a @> '{}', b ~* 'x', c LIKE 'd%', e BETWEEN 1 AND 2, f IN (1, 2), g IS DISTINCT FROM h FROM t",
    "INSERT INTO t (a) VALUES (gen_random_uuid()), (now() AT TIME ZONE 'utc') ON CONFLICT (a) DO UPDATE SET a = excluded.a RETURNING id",
    "SELECT * FROM unnest($1::int[], $2::text[]) AS u(a, b), generate_series(1, 3), jsonb_to_recordset('[]') AS r(x int)",
    "SELECT date_trunc('day', a), extract(epoch FROM b), coalesce(c, d), greatest(1, 2), position('a' IN e), trim(f) FROM t",
    'DECLARE c CURSOR FOR SELECT * FROM t; FETCH 10 FROM c; MOVE c; CLOSE c',
    'select * from lower($1,$2) as result',
    'PREPARE p AS SELECT $1::int; EXECUTE p(1); DEALLOCATE p',
    "LISTEN a; NOTIFY a, 'b'; UNLISTEN a; ANALYZE t; SHOW search_path; DISCARD PLANS",
    "SELECT * FROM json_table('[]'::jsonb, '$[*]' COLUMNS (a int PATH '$')) j, xmltable('/a' PASSING '<a/>' COLUMNS b text) x",
  ])('%s', (sql) => {
    expect(heldFor(analyse(sql, { search_path_start: '"$user", public' }))).toEqual([]);
  });
});

describe('statements of one message', () => {
  test('a constant search_path holds for what follows', () => {
    expect(analyse('SET search_path = evil; SELECT * FROM users').reads).toEqual(['evil.users']);
    expect(analyse("SELECT set_config('search_path', 'evil', false); SELECT * FROM users").reads).toEqual([
      'evil.users',
    ]);
  });

  test.each([
    'SELECT f(); SELECT * FROM users',
    'BEGIN; SET search_path = x; ROLLBACK; SELECT * FROM users',
    'SET search_path = x; SAVEPOINT a; ROLLBACK TO a; SELECT * FROM users',
    'BEGIN; SELECT f(); ROLLBACK; SELECT * FROM users',
    "SELECT set_config('search_path', $1, false); SELECT * FROM users",
    'DO $$BEGIN END$$; SELECT * FROM users',
    'RESET search_path; SELECT * FROM users',
    'BEGIN; SET LOCAL search_path = x; COMMIT; SELECT * FROM users',
  ])('after %s nothing is certain', (sql) => {
    expect(found(analyse(sql))).toContain('read users?');
  });

  test('a transaction that changed no path ends with the path it began with', () => {
    const sql = 'ROLLBACK; SELECT * FROM users';
    expect(analyse(sql).reads).toEqual(['public.users']);
    expect(found(analyse(sql, { search_path_is_local: true }))).toContain('read users?');
    expect(found(analyse('COMMIT; SELECT * FROM users', { search_path_is_local: true }))).toContain('read users?');
  });

  test.each([
    ['pg_temp_99, public, pg_temp', 'ddl t?'],
    ['public, pg_temp_3', 'ddl t?'],
    ['public, pg_temp', 'ddl public.t'],
    ['pg_temp, public', 'write pg_temp.t'],
    ['pg_catalog, pg_temp, public', 'write pg_temp.t'],
    ['public', 'write pg_temp.t'],
  ])('a temporary table under the path %s', (search_path, dropped) => {
    expect(found(analyse('CREATE TEMP TABLE t (a int); DROP TABLE t', { search_path }))).toContain(dropped);
  });

  test('a temporary schema by its number may be the one of others', () => {
    expect(found(analyse('DROP TABLE pg_temp_2.t'))).toContain('ddl pg_temp_2.t?');
    expect(found(analyse('DROP TABLE pg_temp.t'))).toContain('write pg_temp.t');
  });

  test('a path is folded as the server folds it: ASCII only', () => {
    expect(analyse('SELECT * FROM t', { search_path: 'Evil , "Évil"' }).reads).toEqual(['"Évil".t', 'evil.t']);
    for (const search_path of ['ÉVIL', 'a\u00a0', '\u212aevil'])
      expect(found(analyse('SELECT * FROM t', { search_path }))).toContain('read t?');
  });

  test('a path with pg_catalog behind leaves no built-in name certain', () => {
    expect(found(analyse('SELECT 1 + 2, lower(a) FROM pg_class', { search_path: 'public, pg_catalog' }))).toEqual([
      'code +?',
      'code lower?',
      'read pg_class?',
    ]);
  });

  test('an unknown path leaves every name open', () => {
    expect(found(analyse('SELECT lower(a) FROM t', { search_path: null }))).toEqual(['code lower?', 'read t?']);
  });
});

describe('facts', () => {
  const facts = (sql: string) => analyse(sql).statements[0];
  test('writes_all_rows', () => {
    for (const sql of [
      'DELETE FROM t',
      'UPDATE t SET a = 1 WHERE 1 = 1',
      'WITH d AS (DELETE FROM t) SELECT 1',
      'TRUNCATE t',
      'MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE',
      'MERGE INTO t USING s ON false WHEN NOT MATCHED BY SOURCE THEN UPDATE SET a = 1',
    ]) {
      expect(facts(sql)?.writes_all_rows, sql).toBe(true);
    }
    for (const sql of [
      'DELETE FROM t WHERE a = 1',
      'EXPLAIN DELETE FROM t',
      'UPDATE t SET a = 1 WHERE CURRENT OF c',
      'INSERT INTO t VALUES (1)',
      'MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE',
      'MERGE INTO t USING s ON true WHEN MATCHED AND t.a = 1 THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)',
    ]) {
      expect(facts(sql)?.writes_all_rows, sql).toBe(false);
    }
  });
  test('folds_rows', () => {
    for (const sql of [
      'SELECT json_agg(t) FROM t',
      'SELECT ARRAY(SELECT a FROM t)',
      "SELECT string_agg(a, ',') FROM t",
      'SELECT json_arrayagg(a) FROM t',
    ]) {
      expect(facts(sql)?.folds_rows, sql).toBe(true);
    }
    for (const sql of ['SELECT count(*) FROM t', 'SELECT array_agg(a) FROM pg_class', 'SELECT json_agg(1)'])
      expect(facts(sql)?.folds_rows, sql).toBe(false);
  });
  test('rows_max', () => {
    const bounds: Record<string, number | null> = {
      'SELECT 1': 1,
      'SELECT * FROM t': null,
      'SELECT * FROM t LIMIT 5': 5,
      'SELECT * FROM t LIMIT 0': 0,
      'SELECT * FROM t LIMIT ALL': null,
      'SELECT * FROM t LIMIT $1': null,
      'SELECT a FROM t ORDER BY a FETCH FIRST 3 ROWS ONLY': 3,
      'SELECT a FROM t ORDER BY a FETCH FIRST 3 ROWS WITH TIES': null,
      'SELECT count(*), max(a) FROM t': 1,
      'SELECT count(*) OVER () FROM t': null,
      'SELECT count(*) FROM t GROUP BY a': null,
      'SELECT generate_series(1, 9)': null,
      "SELECT nextval('s')": 1,
      "SELECT x.nextval('s')": null,
      "SELECT setval('s', (SELECT max(a) FROM t))": 1,
      'SELECT abs(generate_series(1, 9))': null,
      // Django.
      'SELECT setval(pg_get_serial_sequence(\'"t"\',\'id\'), coalesce(max("id"), 1), max("id") IS NOT null) FROM "t"': 1,
      'SELECT 1 UNION ALL SELECT 2': 2,
      'SELECT 1 UNION ALL SELECT a FROM t': null,
      'VALUES (1), (2)': 2,
      'SELECT a INTO u FROM t': 0,
      'INSERT INTO t VALUES (1), (2)': 0,
      'INSERT INTO t VALUES (1), (2) RETURNING a': 2,
      'INSERT INTO t DEFAULT VALUES RETURNING a': 1,
      'INSERT INTO t SELECT * FROM u RETURNING a': null,
      'UPDATE t SET a = 1': 0,
      'UPDATE t SET a = 1 WHERE a = 2 RETURNING a': null,
      'DELETE FROM t RETURNING *': null,
      'WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d': null,
      'WITH d AS (DELETE FROM t RETURNING *), y AS (INSERT INTO t VALUES (1) RETURNING a) TABLE y': 1,
      'WITH y AS (VALUES (1), (2)) SELECT * FROM y, y z': 4,
      'WITH y AS (VALUES (1)) SELECT * FROM public.y': null,
      'WITH RECURSIVE y AS (SELECT 1 UNION ALL SELECT * FROM y) SELECT * FROM y': null,
      'WITH y AS (VALUES (1)) SELECT generate_series(1, 9) FROM y': null,
      'COPY t TO STDOUT': null,
      'COPY t FROM STDIN': 0,
      'DECLARE c CURSOR FOR SELECT * FROM t': 0,
      'FETCH 10 FROM c': 10,
      'FETCH ALL FROM c': null,
      'FETCH c': 1,
      'MOVE 10 FROM c': 0,
      'EXPLAIN ANALYZE SELECT * FROM t': 0,
      'CREATE TABLE u AS SELECT * FROM t': 0,
    };
    expect(Object.fromEntries(Object.keys(bounds).map((sql) => [sql, facts(sql)?.rows_max]))).toEqual(bounds);
  });
  test('cursor', () => {
    expect(facts('DECLARE c CURSOR WITH HOLD FOR SELECT 1')?.cursor).toEqual({ op: 'open', name: 'c', holds: true });
    expect(facts('DECLARE "C" CURSOR FOR SELECT 1')?.cursor).toEqual({ op: 'open', name: 'C', holds: false });
    expect(facts('FETCH 2 FROM c')?.cursor).toEqual({ op: 'fetch', name: 'c', holds: false });
    expect(facts('CLOSE ALL')?.cursor).toEqual({ op: 'close', name: null, holds: false });
    expect(facts('SELECT 1')?.cursor).toBeNull();
  });
  test('parse_is_harmless, copy_in, transaction_control', () => {
    expect(facts("SELECT '{1}'::int[]")?.parse_is_harmless).toBe(false);
    expect(facts('SELECT 1')?.parse_is_harmless).toBe(true);
    expect(facts("COMMENT ON TABLE t IS 'x'")?.parse_is_harmless).toBe(true);
    expect(facts('COPY t FROM STDIN')?.copy_in).toBe(true);
    expect(facts('COMMIT')?.transaction_control).toBe(true);
    expect(facts('  SELECT 1 ; ')).toMatchObject({ kind: 'SELECT', start: 2, end: 10 });
  });
});

describe('prepared statements', () => {
  test('EXECUTE has the findings of what was prepared', () => {
    expect(found(analyse('PREPARE p AS DELETE FROM t; EXECUTE p'))).toEqual(['write public.t', 'write public.t']);
    expect(found(analyse('EXECUTE nobody'))).toEqual(['code nobody?']);
    expect(analyse('EXECUTE nobody').session_bound).toBe(true);
  });
  test('under another path its names are looked up again', () => {
    expect(found(analyse('PREPARE p AS DELETE FROM t; SET search_path = x; EXECUTE p'))).toContain('write x.t');
  });
});

describe("Holdpoint's own statements", () => {
  test.each<[string, Analysis['own'][number]]>([
    ["SET holdpoint.reason = 'why'", { op: 'set', name: 'reason', value: 'why', statement: 0 }],
    ["SET HOLDPOINT.hold TO '20s'", { op: 'set', name: 'hold', value: '20s', statement: 0 }],
    ['RESET holdpoint.reason', { op: 'reset', name: 'reason', statement: 0 }],
    [
      "SELECT set_config('holdpoint.reason', 'why', false)",
      { op: 'set_config', name: 'reason', value: 'why', statement: 0 },
    ],
    ["SELECT set_config('holdpoint.reason', $1, false)", { op: 'set_config', name: 'reason', value: 1, statement: 0 }],
    ['SHOW holdpoint.requests', { op: 'show-requests', statement: 0 }],
    ['SHOW holdpoint.request."HP-7KQ4"', { op: 'show-request', id: 'HP-7KQ4', statement: 0 }],
    ['SHOW holdpoint.hold', { op: 'show-setting', name: 'hold', statement: 0 }],
    ["SET holdpoint.break_glass = 'it burns'", { op: 'set', name: 'break_glass', value: 'it burns', statement: 0 }],
    [
      "SELECT holdpoint.answer('HP-7KQ4', 'the ' || 'dba') AS said",
      { op: 'call', name: 'answer', arguments: ['HP-7KQ4', 'the dba'], statement: 0 },
    ],
    [
      "SELECT Holdpoint.withdraw($2::text, E'it\\'s gone')",
      { op: 'call', name: 'withdraw', arguments: [2, "it's gone"], statement: 0 },
    ],
    [
      'SELECT holdpoint.request_approval(\'DROP TABLE "é"\', $1)',
      { op: 'call', name: 'request_approval', arguments: ['DROP TABLE "é"', 1], statement: 0 },
    ],
  ])('%s', (sql, own) => {
    const analysis = analyse(sql);
    expect(analysis.own).toEqual([own]);
    expect(analysis.findings).toEqual([]);
    expect(analysis.forward?.trim()).toBe('');
  });
  test('in a batch they are blanked out and the rest stays in place', () => {
    const analysis = analyse("SELECT 1; SET holdpoint.reason = 'é'; SELECT 2");
    expect(analysis.forward).toBe(`SELECT 1; ${' '.repeat(latin1("SET holdpoint.reason = 'é'").length)}; SELECT 2`);
    expect(analysis.statements.length).toBe(3);
  });
  test.each([
    "SET holdpoint.other = 'x'",
    'SHOW holdpoint.nothing',
    "SELECT holdpoint.answer('HP-7KQ4')",
    "SELECT holdpoint.answer('HP-7KQ4', NULL)",
    "SELECT holdpoint.answer('HP-7KQ4', version())",
    "SELECT holdpoint.approve('HP-7KQ4', 'yes')",
    "SELECT holdpoint.answer('HP-7KQ4', 'x'), 1",
    "SELECT holdpoint.answer(id, 'x') FROM t",
    "SELECT * FROM holdpoint.answer('HP-7KQ4', 'x')",
    "EXPLAIN SELECT holdpoint.answer('HP-7KQ4', 'x')",
    "PREPARE p AS SELECT holdpoint.answer('HP-7KQ4', 'x')",
    "CREATE VIEW v AS SELECT holdpoint.answer('HP-7KQ4', 'x')",
    "SELECT holdpoint.answer('HP-7KQ4', 'x'); SELECT 1",
    "SET holdpoint.break_glass = 'x'; DROP TABLE t",
    "SELECT set_config('holdpoint.reason', 'x', false), pg_read_file('x')",
    "SELECT set_config('holdpoint.reason', x, false) FROM t",
  ])('%s is refused with what there is', (sql) => {
    expect(analyse(sql).error).toMatchObject({
      sqlstate: '0A000',
      message: expect.stringContaining('holdpoint.reason') as string,
    });
  });
});

describe('texts that are refused', () => {
  test.each<[string, string, number]>([
    ['SELEC 1', '42601', 1],
    ["SELECT /* éé */ 'é' frm x y", '42601', 25],
    ['SELECT 1\0', '42601', 0],
    ["SELECT 'a' /*\n*/ 'b'", '42601', 0],
    ['SET standard_conforming_strings = off', '0A000', 0],
    ["SET client_encoding = 'GBK'", '0A000', 0],
    ["SELECT set_config('client_encoding', 'BIG5', false)", '0A000', 0],
  ])('%j', (sql, sqlstate, position) => {
    expect(analyse(sql).error).toMatchObject({ sqlstate, position });
    expect(analyse(sql).statements).toEqual([]);
  });
  test('a number that the server does not read as the grammar does is unknown', () => {
    expect(found(analyse('SELECT 1_000', { server_version: 15 }))).toContain('unknown');
    expect(found(analyse('SELECT 1_000', { server_version: 16 }))).toEqual(['read']);
  });
});

test('findings point at the name in the text as received', () => {
  const sql = 'SELECT é.a FROM public.é';
  const [finding] = analyse(sql).findings;
  expect(latin1(sql).slice(finding?.start, finding?.end)).toBe(latin1('public.é'));
});

test('comments are not forwarded', () => {
  const analysis = analyse('SELECT 1 /* reason: a look */ -- x');
  expect(analysis.forward).toBe(`SELECT 1 ${' '.repeat(25)}`);
  expect(analysis.reason).toBe('a look');
  expect(analyse('SELECT 1').forward).toBeNull();
});

describe('what looks like something it is not', () => {
  test.each([
    'BEGIN; CREATE TEMP TABLE users(a int); ROLLBACK; DROP TABLE users',
    'CREATE TEMP TABLE users(a int); DROP TABLE users; DROP TABLE users',
    'CREATE TEMP TABLE users(a int); ALTER TABLE users RENAME TO x; DROP TABLE users',
    'EXPLAIN CREATE TEMP TABLE users AS SELECT 1; DROP TABLE users',
    'DO $$BEGIN IF false THEN CREATE TEMP TABLE users(a int); END IF; END$$; DROP TABLE users',
  ])('%s drops the real table', (sql) => {
    expect(found(analyse(sql)).some((f) => /^ddl (public\.)?users/.test(f))).toBe(true);
  });
  test.each([
    "ALTER ROLE bob SET search_path = 'evil'; SELECT * FROM users",
    "ALTER DATABASE corpus SET search_path = 'evil'; SELECT * FROM users",
  ])('%s leaves the path of this session', (sql) => {
    expect(analyse(sql).reads).toEqual(['public.users']);
    expect(analyse(sql).effects).toEqual([]);
  });
  test.each([
    "DO $$BEGIN SET holdpoint.reason = 'x'; DROP TABLE t; END$$",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET holdpoint.reason = 'x' AS 'select 1'",
  ])('%s is not one of our own', (sql) => {
    expect(analyse(sql).own).toEqual([]);
    expect(analyse(sql).error?.sqlstate).toBe('0A000');
  });
  test('a name prepared inside of code is not certain', () => {
    const sql = "PREPARE p AS DELETE FROM t; DO $$BEGIN EXECUTE 'prepare p as select 1'; END$$; EXECUTE p";
    expect(found(analyse(sql))).toContain('code p?');
  });
  test('ORDER BY USING runs its operator', () => {
    expect(found(analyse('SELECT * FROM t ORDER BY a USING OPERATOR(evil.<)'))).toContain('code evil.<?');
  });
  test('with several schemas in the path a table may be in any', () => {
    const analysis = analyse('SELECT * FROM users', { search_path: 'nothing, public' });
    expect(analysis.reads).toEqual(['nothing.users', 'public.users']);
  });
});

describe('a statement about an existing object names every schema of the path that may hold it', () => {
  const SEVERAL = { search_path: 'public, evil' };
  test.each<[string, string[]]>([
    ['DROP TABLE t', ['ddl evil.t', 'ddl public.t']],
    ['DROP INDEX i', ['ddl evil.i', 'ddl public.i']],
    ['ALTER TABLE t ADD COLUMN a int', ['ddl evil.t', 'ddl public.t']],
    ['ALTER TABLE t OWNER TO bob', ['ddl evil.t', 'ddl public.t', 'grant evil.t', 'grant public.t']],
    ['ALTER TABLE t RENAME TO u', ['ddl evil.t', 'ddl public.t']],
    ['ALTER TABLE t SET SCHEMA s', ['ddl evil.t', 'ddl public.t']],
    ['ALTER SEQUENCE t RESTART', ['ddl evil.t', 'ddl public.t']],
    ['REFRESH MATERIALIZED VIEW t', ['ddl evil.t', 'ddl public.t']],
    ['TRUNCATE t', ['ddl evil.t', 'ddl public.t', 'write evil.t', 'write public.t']],
    ['CREATE INDEX i ON t (a)', ['ddl evil.i', 'ddl evil.t', 'ddl public.i', 'ddl public.t']],
    ['CREATE RULE r AS ON INSERT TO t DO NOTHING', ['ddl evil.t', 'ddl public.t']],
    ['CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f()', ['ddl evil.t', 'ddl g', 'ddl public.t']],
    ['CREATE POLICY p ON t', ['ddl evil.t', 'ddl p', 'ddl public.t']],
    ['ALTER POLICY p ON t TO bob', ['ddl evil.t', 'ddl p', 'ddl public.t']],
    ['DROP TRIGGER g ON t', ['ddl evil.t', 'ddl public.t', 'ddl t.g']],
    ['DROP RULE r ON t', ['ddl evil.t', 'ddl public.t', 'ddl t.r']],
    ['DROP POLICY p ON s.t', ['ddl s.t', 'ddl s.t.p']],
    ["COMMENT ON TABLE t IS 'x'", ['ddl evil.t', 'ddl public.t']],
    ["COMMENT ON INDEX s.i IS 'x'", ['ddl s.i']],
    ["COMMENT ON COLUMN t.a IS 'x'", ['ddl evil.t', 'ddl public.t']],
    ["COMMENT ON TRIGGER g ON t IS 'x'", ['ddl evil.t', 'ddl public.t', 'ddl t.g']],
    ["COMMENT ON CONSTRAINT c ON t IS 'x'", ['ddl evil.t', 'ddl public.t', 'ddl t.c']],
    ["COMMENT ON TYPE t IS 'x'", ['ddl t']],
    ["SECURITY LABEL ON TABLE t IS 'x'", ['ddl evil.t', 'ddl public.t', 'grant evil.t', 'grant public.t']],
    ["SECURITY LABEL ON ROLE bob IS 'x'", ['ddl bob', 'grant bob']],
    ['CREATE PUBLICATION p FOR TABLE t, TABLES IN SCHEMA s', ['ddl evil.t', 'ddl p', 'ddl public.t']],
    ['ALTER PUBLICATION p ADD TABLE t', ['ddl evil.t', 'ddl p', 'ddl public.t']],
    ['ALTER EXTENSION e ADD TABLE t', ['ddl e', 'ddl evil.t', 'ddl public.t']],
    ['ALTER EXTENSION e DROP FUNCTION t', ['ddl e']],
    ['CREATE STATISTICS e ON a, b FROM t', ['ddl e', 'ddl evil.t', 'ddl public.t']],
    ['CREATE TABLE s.x (a int REFERENCES t)', ['ddl evil.t', 'ddl public.t', 'ddl s.x']],
    ['CREATE TABLE s.x (a int, FOREIGN KEY (a) REFERENCES t)', ['ddl evil.t', 'ddl public.t', 'ddl s.x']],
    ['ALTER TABLE s.x ADD COLUMN a int REFERENCES t', ['ddl evil.t', 'ddl public.t', 'ddl s.x']],
    ['ALTER TABLE s.x ADD FOREIGN KEY (a) REFERENCES t', ['ddl evil.t', 'ddl public.t', 'ddl s.x']],
    ['CREATE TABLE s.x () INHERITS (t)', ['ddl evil.t', 'ddl public.t', 'ddl s.x']],
    ['CREATE TABLE s.x PARTITION OF t DEFAULT', ['ddl evil.t', 'ddl public.t', 'ddl s.x']],
    ['ALTER TABLE s.x ATTACH PARTITION t DEFAULT', ['ddl evil.t', 'ddl public.t', 'ddl s.x']],
    ['ALTER TABLE s.x NO INHERIT t', ['ddl evil.t', 'ddl public.t', 'ddl s.x']],
    ['GRANT ALL ON t TO bob', ['grant evil.t', 'grant public.t']],
    ['LOCK TABLE t', ['transaction evil.t', 'transaction public.t']],
    ['REINDEX TABLE t', ['admin evil.t', 'admin public.t']],
    ['CLUSTER t', ['admin evil.t', 'admin public.t', 'ddl evil.t', 'ddl public.t']],
    ['COPY t TO STDOUT', ['export evil.t', 'export public.t', 'read evil.t', 'read public.t']],
    ["COPY t FROM '/x'", ['admin file', 'import evil.t', 'import public.t', 'write evil.t', 'write public.t']],
  ])('%s', (sql, expected) => {
    expect(found(analyse(sql, SEVERAL))).toEqual(expected);
    expect(found(analyse(sql))).toEqual(expected.filter((finding) => !finding.includes('evil')));
  });

  test('what DDL may change counts as written', () => {
    expect(analyse('DROP TABLE t', SEVERAL).writes).toEqual(['evil.t', 'public.t']);
  });

  test.each([
    ['CREATE TABLE t (a int)', 'ddl public.t'],
    ['CREATE TABLE t AS SELECT 1', 'ddl public.t'],
    ['SELECT 1 INTO t', 'ddl public.t'],
    ['CREATE TABLE t (a int, b int REFERENCES t)', 'ddl public.t'],
    ['CREATE VIEW t AS SELECT 1', 'ddl public.t'],
    ['CREATE SEQUENCE t', 'ddl public.t'],
  ])('%s creates it in the first', (sql, expected) => {
    expect(found(analyse(sql, SEVERAL))).toEqual([expected]);
  });
});

describe('words that became keywords are ordinary names to an older server', () => {
  test.each<[string, number, string[]]>([
    ["SELECT json_value('1'::jsonb, '$')", 17, ['code json_value?']],
    ["SELECT json_query('1'::jsonb, '$')", 17, ['code json_query?']],
    ["SELECT json_exists('1'::jsonb, '$')", 17, ['code json_exists?']],
    ['SELECT json_scalar(1)', 17, ['code json_scalar?']],
    ['SELECT json_serialize(a)', 17, ['code json_serialize?']],
    ['SELECT merge_action()', 17, ['code merge_action?']],
    ['SELECT json_array(1, 2)', 16, ['code json_array?']],
    ['SELECT json_array()', 16, ['code json_array?']],
    ['SELECT json_object()', 16, ['code json_object?']],
    ['SELECT json_arrayagg(a ORDER BY b) FROM t', 16, ['code json_arrayagg?', 'read public.t']],
    ['SELECT * FROM system_user', 16, ['read public.system_user']],
  ])('%s before %i', (sql, first, before) => {
    const after = found(analyse(sql, { server_version: first }));
    expect(after).toEqual(sql.endsWith('FROM t') ? ['read public.t'] : ['read']);
    expect(found(analyse(sql, { server_version: first - 1 }))).toEqual(before);
  });

  test('what such a call leaves behind is not known', () => {
    const sql = 'SELECT json_scalar(1); SELECT * FROM users';
    expect(found(analyse(sql, { server_version: 16 }))).toContain('read users?');
    expect(found(analyse(sql, { server_version: 17 }))).toContain('read public.users');
  });

  test.each([
    "SELECT json('{}'), '{}'::json, json '{}'",
    "SELECT json_object('{a,b}'::text[]), json_object('{a}', '{b}')",
    "SELECT json_object('a': 1), json_objectagg('a': 1), json_array(SELECT 1), 'x' IS JSON",
    'SELECT system_user',
  ])('%s is built in or refused there', (sql) => {
    expect(heldFor(analyse(sql, { server_version: 15 }))).toEqual([]);
  });

  test('json and json_object are found in the path', () => {
    const context = { server_version: 15, search_path: 'public, pg_catalog' };
    expect(found(analyse("SELECT '{}'::json", context))).toEqual(['code json?']);
    expect(found(analyse('SELECT json_object(a)', context))).toEqual(['code json_object?']);
    expect(found(analyse("SELECT '{}'::json, json_object(a)", { ...context, server_version: 18 }))).toEqual(['read']);
  });
});
