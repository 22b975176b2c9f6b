// What lies behind names, looked up in a catalog as the servers answer for it: views, triggers, foreign keys, routines; what is not there,
// what can't be seen, and what temporary tables change.
import { describe, expect, test } from 'vitest';
import { Catalog } from '../../../../src/sql/mysql/catalog/catalog.ts';
import { READING } from '../../../../src/sql/mysql/catalog/reading.ts';
import {
  BETWEEN,
  type CatalogRows,
  type EventRow,
  changed,
  readParts,
  type RoutineRow,
  sourceQuestions,
  type TriggerRow,
} from '../../../../src/sql/mysql/catalog/rows.ts';
import type { MysqlContext } from '../../../../src/sql/mysql/context.ts';
import { analyse, found, MARIADB, MYSQL } from './helpers.ts';

const EVERYTHING: CatalogRows['rights'] = ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT', 'SHOW_ROUTINE', 'PROCESS'].map(
  (right) => ['%', null, right],
);

const table = (name: string, more: Partial<CatalogRows['tables'][number]> = {}): CatalogRows['tables'][number] => ({
  schema: 'app',
  name,
  kind: 'table',
  engine: 'InnoDB',
  ...more,
});
const routine = (
  type: RoutineRow['type'],
  name: string,
  text: string | null,
  more: Partial<RoutineRow> = {},
): RoutineRow => ({
  schema: 'app',
  name,
  type,
  language: 'SQL',
  source: text === null ? null : { text, whole: false },
  sql_mode: '',
  ...more,
});
const trigger = (on: string, event: TriggerRow['event'], text: string | null): TriggerRow => ({
  schema: 'app',
  table: on,
  name: `${on}_${event.toLowerCase()}`,
  event,
  source: text === null ? null : { text, whole: false },
  sql_mode: '',
});

const event = (name: string, text: string | null): EventRow => ({
  schema: 'app',
  name,
  source: text === null ? null : { text, whole: false },
  sql_mode: '',
});

/** views: name and query; a query of null can't be seen. */
function catalogOf(rows: Partial<CatalogRows> = {}, views: Readonly<Record<string, string | null>> = {}): Catalog {
  return new Catalog({
    lower_case: 0,
    engine: 'mysql',
    triggers: [],
    routines: [],
    events: [],
    foreign_keys: [],
    loadable: [],
    torn: 0,
    rights: EVERYTHING,
    ...rows,
    tables: [
      ...['t', 'u', 'secret', 'log'].map((name) => table(name)),
      ...Object.keys(views).map((name) => table(name, { kind: 'view', engine: '' })),
      ...(rows.tables ?? []),
    ],
    views: new Map(Object.entries(views).map(([name, query]) => [`app\0${name}`, query])),
  });
}

const look = (sql: string, catalog: Catalog | null, context: Partial<MysqlContext> = {}) =>
  analyse(sql, { catalog, ...context });

describe('views', () => {
  const catalog = catalogOf(
    {
      routines: [routine('FUNCTION', 'f', 'BEGIN INSERT INTO log VALUES (1); RETURN 1; END')],
      triggers: [trigger('secret', 'UPDATE', 'INSERT INTO log VALUES (NEW.id)')],
    },
    {
      plain: 'select `app`.`t`.`id` AS `id` from `app`.`t`',
      v: 'select `app`.`secret`.`id` AS `id` from `app`.`secret`',
      w: 'select `v`.`id` AS `id` from (`app`.`v` join `app`.`t`)',
      calls: 'select `app`.`f`() AS `a`',
      unseen: null,
    },
  );

  test.each([
    ['SELECT * FROM plain', ['read app.plain', 'read app.t']],
    ['SELECT * FROM w', ['read app.secret', 'read app.t', 'read app.v', 'read app.w']],
    ['UPDATE v SET id = 1 WHERE id = 2', ['read app.secret', 'write app.log', 'write app.secret', 'write app.v']],
    ['DELETE FROM v', ['read app.secret', 'write app.secret', 'write app.v']],
    ['SELECT * FROM calls', ['read app.calls', 'write app.log']],
    ['EXPLAIN UPDATE v SET id = 1', ['read app.secret', 'read app.v']],
    ['WITH plain AS (SELECT 1) SELECT * FROM plain', ['read']],
  ])('%s', (sql, expected) => {
    expect(found(look(sql, catalog))).toEqual(expected);
  });

  test('a function in a view writes behind it', () => {
    expect(look('SELECT * FROM calls', catalog).statements[0]?.hidden_writes).toBe(true);
    expect(look('SELECT * FROM w', catalog).statements[0]?.hidden_writes).toBe(false);
  });

  test('one whose query can not be seen is code; while somebody changes it, it is looked for anew', () => {
    expect(found(look('SELECT * FROM unseen', catalog))).toEqual(['code app.unseen?', 'read app.unseen']);
    expect(look('SELECT * FROM unseen', catalog).missing).toBe(true);
    const blind = catalogOf({ rights: [['%', null, 'SELECT']] }, { unseen: null });
    const seen = look('SELECT * FROM unseen', blind);
    expect(found(seen)).toEqual(['code app.unseen?', 'read app.unseen']);
    expect(seen.missing).toBeUndefined();
  });

  test("the server's own views are what they are, seen or not", () => {
    const own = catalogOf({ tables: [table('processlist', { schema: 'sys', kind: 'view', engine: '' })] });
    expect(found(look('SELECT * FROM SYS.processlist', own))).toEqual(['read sys.processlist']);
  });
});

describe('triggers and foreign keys', () => {
  const catalog = catalogOf({
    triggers: [
      trigger('t', 'INSERT', 'INSERT INTO log VALUES (NEW.id)'),
      trigger('t', 'UPDATE', 'BEGIN IF NEW.id <> OLD.id THEN DELETE FROM secret; END IF; END'),
      trigger('t', 'DELETE', 'CALL p(OLD.id)'),
      trigger('child', 'DELETE', 'DELETE FROM secret'),
      trigger('dark', 'INSERT', null),
      { ...trigger('torn', 'INSERT', null), source: { text: '', whole: true } },
    ],
    routines: [routine('PROCEDURE', 'p', 'UPDATE u SET id = 1')],
    foreign_keys: [
      { schema: 'app', table: 'child', to_schema: 'app', to_table: 'u', deleted: 'CASCADE', updated: 'NO ACTION' },
      {
        schema: 'app',
        table: 'grandchild',
        to_schema: 'app',
        to_table: 'child',
        deleted: 'SET NULL',
        updated: 'CASCADE',
      },
      { schema: 'app', table: 'other', to_schema: 'app', to_table: 'u', deleted: 'RESTRICT', updated: 'CASCADE' },
    ],
    tables: ['child', 'grandchild', 'other', 'dark', 'torn'].map((name) => table(name)),
  });

  test.each([
    ['INSERT INTO t VALUES (1)', ['write app.log', 'write app.t']],
    ['INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE id = 2', ['write app.log', 'write app.secret', 'write app.t']],
    ['UPDATE t SET id = 1', ['write app.secret', 'write app.t']],
    ['REPLACE INTO t VALUES (1)', ['write app.log', 'write app.other', 'write app.t', 'write app.u']],
    ['DELETE FROM t', ['write app.other', 'write app.t', 'write app.u']],
    ["LOAD DATA LOCAL INFILE 'x' INTO TABLE t", ['import app.t', 'write app.log', 'write app.t']],
    ['TRUNCATE TABLE t', ['ddl app.t', 'write app.t']],
    // A foreign key's work fires no triggers.
    ['DELETE FROM u', ['write app.child', 'write app.grandchild', 'write app.u']],
    ['DELETE u FROM u JOIN t ON u.id = t.id', ['read app.t', 'write app.child', 'write app.grandchild', 'write app.u']],
    ['UPDATE u SET id = 3', ['write app.other', 'write app.u']],
    ['INSERT INTO dark VALUES (1)', ['code app.dark_insert?', 'write app.dark']],
    ['UPDATE dark SET id = 1', ['write app.dark']],
    ['INSERT INTO torn VALUES (1)', ['code app.torn_insert?', 'write app.torn']],
    ['SELECT * FROM t', ['read app.t']],
  ])('%s', (sql, expected) => {
    expect(found(look(sql, catalog))).toEqual(expected);
  });

  test('what is left of a period is inserted anew', () => {
    const portion = "FOR PORTION OF p FROM '2005-01-01' TO '2006-01-01'";
    expect(found(look(`DELETE FROM t ${portion}`, catalog, MARIADB))).toContain('write app.log');
    expect(found(look(`UPDATE t ${portion} SET id = 1`, catalog, MARIADB))).toContain('write app.log');
  });

  test('of triggers that nobody tells of nothing is known, and nothing is held', () => {
    for (const engine of ['mysql', 'mariadb'] as const) {
      const few = catalogOf({ engine, rights: [['app', null, 'SELECT']] });
      expect(found(look('INSERT INTO u VALUES (1)', few))).toEqual(['write app.u']);
      expect(found(look('DELETE FROM u', few))).toEqual(['write app.u']);
    }
  });

  test('are part of an open write', () => {
    expect(look('INSERT INTO t VALUES (1)', catalog).statements[0]?.hidden_writes).toBe(false);
  });
});

describe('routines', () => {
  const catalog = catalogOf({
    routines: [
      routine('FUNCTION', 'twice', 'RETURN a * 2'),
      routine('FUNCTION', 'Peeks', 'RETURN (SELECT count(*) FROM secret)'),
      routine('PROCEDURE', 'writes', 'BEGIN DECLARE i INT; INSERT INTO log VALUES (i); END'),
      routine('PROCEDURE', 'ping', 'BEGIN CALL pong(); DELETE FROM secret; END'),
      routine('PROCEDURE', 'pong', 'BEGIN CALL ping(); UPDATE u SET id = 1; END'),
      routine('PROCEDURE', 'dynamic', 'BEGIN PREPARE s FROM @q; EXECUTE s; END'),
      routine('PROCEDURE', 'literal', "BEGIN PREPARE s FROM 'DROP TABLE secret'; END"),
      routine('PROCEDURE', 'hidden', "SELECT 'a\\'; DELETE FROM secret; -- '", { sql_mode: 'NO_BACKSLASH_ESCAPES' }),
      routine('PROCEDURE', 'shown', "SELECT 'a\\'; DELETE FROM secret; -- '"),
      routine('PROCEDURE', 'settings', 'SET autocommit = 0'),
      routine('PROCEDURE', 'odd', 'FROBNICATE'),
      routine('PROCEDURE', 'dark', null),
      routine('FUNCTION', 'js', 'return 1', { language: 'JAVASCRIPT' }),
      routine('PROCEDURE', 'elsewhere', 'SELECT * FROM secret', { schema: 'hr' }),
      routine('PACKAGE BODY', 'k', 'AS PROCEDURE a AS BEGIN DELETE FROM secret; END; END', { sql_mode: 'ORACLE' }),
      routine('PROCEDURE', 'created', null, {
        source: {
          text: "CREATE DEFINER=`procedure`@`%` PROCEDURE `created`(a INT)\n    COMMENT 'BEGIN'\nBEGIN SELECT '\\''; DELETE FROM secret; SELECT '\\''; END",
          whole: true,
        },
      }),
    ],
    loadable: ['sys_exec'],
  });

  test.each([
    ['SELECT twice(2)', ['read']],
    ['SELECT peeks()', ['read app.secret']],
    ['SELECT app.PEEKS()', ['read app.secret']],
    ['CALL writes()', ['write app.log']],
    ['CALL ping()', ['write app.secret', 'write app.u']],
    ['CALL pong()', ['write app.secret', 'write app.u']],
    ['CALL dynamic()', ['code ?', 'code s?', 'settings s']],
    ['CALL literal()', ['ddl app.secret', 'settings s']],
    ['CALL hidden()', ['unknown']],
    ['CALL shown()', ['read']],
    ['CALL odd()', ['unknown frobnicate']],
    ['CALL dark()', ['code app.dark?']],
    ['SELECT js()', ['code app.js?']],
    ['CALL hr.elsewhere()', ['read hr.secret']],
    ['CALL k.a()', ['write app.secret']],
    ['CALL app.k.a()', ['write app.secret']],
    ['CALL created(1)', ['write app.secret']],
    ['SELECT sys_exec(1)', ['code app.sys_exec?']],
    ['SELECT nobody()', ['code app.nobody?']],
    ['SELECT app.nobody()', ['read']],
    ['CALL nobody()', ['read']],
    ['SELECT * FROM t WHERE peeks() > 0', ['read app.secret', 'read app.t']],
    ['DO peeks()', ['read app.secret']],
    ['CREATE PROCEDURE x() CALL writes()', ['ddl app.x', 'write app.log']],
  ])('%s', (sql, expected) => {
    expect(found(look(sql, catalog))).toEqual(expected);
  });

  test('what nobody has is looked for anew', () => {
    for (const sql of ['SELECT nobody()', 'SELECT app.nobody()', 'CALL nobody()', 'SELECT * FROM nobody'])
      expect(look(sql, catalog).missing, sql).toBe(true);
    for (const sql of [
      'SELECT twice(1)',
      'CALL writes()',
      'SELECT * FROM t',
      'SELECT * FROM information_schema.nobody',
    ])
      expect(look(sql, catalog).missing, sql).toBeUndefined();
  });

  test('a name in a database of which the account sees nothing is no more than without a catalog', () => {
    const few = catalogOf({ rights: [['app', null, 'SELECT']] });
    expect(look('SELECT * FROM other.t', few).missing).toBeUndefined();
    expect(found(look('CALL other.p()', few))).toEqual(['code other.p?']);
    expect(look('SELECT * FROM nobody', few).missing).toBe(true);
  });

  test('the session is another afterwards only where a body changes it', () => {
    expect(look('CALL settings()', catalog).effects).toEqual([{ type: 'unknown', statement: 0 }]);
    expect(look('CALL writes()', catalog).effects).toEqual([]);
    expect(look('CALL dynamic()', catalog)).toMatchObject({ changes_catalog: 'any', effects: [{ type: 'unknown' }] });
    expect(look('SELECT twice(2)', catalog).changes_catalog).toBeUndefined();
  });

  test('what they write, the text does not show', () => {
    expect(look('CALL writes()', catalog).statements[0]?.hidden_writes).toBe(true);
    expect(look('SELECT peeks()', catalog).statements[0]?.hidden_writes).toBe(false);
  });

  test('deeper than is looked, they are code', () => {
    const chain = Array.from({ length: 100 }, (_, i) => routine('PROCEDURE', `p${i}`, `CALL p${i + 1}()`));
    expect(found(look('CALL p0()', catalogOf({ routines: chain })))).toContain('code ?');
  });
});

describe('events', () => {
  const catalog = catalogOf({
    events: [event('Purge', 'DELETE FROM secret'), event('dark', null)],
  });

  test.each([
    ['ALTER EVENT purge ENABLE', ['ddl app.purge', 'write app.secret']],
    ['ALTER DEFINER = a@b EVENT app.purge ON SCHEDULE EVERY 1 DAY', ['ddl app.purge', 'write app.secret']],
    ['ALTER EVENT purge RENAME TO hr.other', ['ddl app.purge', 'write app.secret']],
    ['ALTER EVENT purge DO INSERT INTO log VALUES (1)', ['ddl app.purge', 'write app.log']],
    ['ALTER EVENT dark ENABLE', ['code app.dark?', 'ddl app.dark']],
    ['ALTER EVENT nobody ENABLE', ['ddl app.nobody']],
    ['DROP EVENT purge', ['ddl app.purge']],
    [
      'DROP EVENT dark; ALTER EVENT purge RENAME TO dark; ALTER EVENT dark ENABLE',
      expect.arrayContaining(['code app.dark?']),
    ],
  ])('%s', (sql, expected) => {
    expect(found(look(sql, catalog))).toEqual(expected);
  });

  test('that may be there and are not seen are code', () => {
    const code = ['code app.purge?', 'ddl app.purge'];
    expect(found(look('ALTER EVENT purge ENABLE', null))).toEqual(code);
    expect(found(look('ALTER EVENT purge ENABLE', catalogOf({ rights: [['%', null, 'SELECT']] })))).toEqual(code);
    expect(found(look('ALTER EVENT purge ENABLE', catalogOf({ events: null })))).toEqual(code);
    expect(look('ALTER EVENT nobody ENABLE', catalog).missing).toBe(true);
  });
});

describe('names', () => {
  const views = { V: 'select `secret`.`id` AS `id` from `app`.`secret`' };
  test('of tables are told apart by their case where the server does so', () => {
    expect(found(look('SELECT * FROM v', catalogOf({}, views)))).toEqual(['read app.v']);
    expect(found(look('DELETE FROM APP.T', catalogOf({ lower_case: 1 })))).toEqual(['write app.t']);
    expect(found(look('SELECT * FROM APP.Nobody', catalogOf({ lower_case: 1 })))).toEqual(['read app.nobody']);
    expect(found(look('SELECT * FROM v', catalogOf({ lower_case: 2 }, views)))).toEqual([
      'read app.V',
      'read app.secret',
    ]);
    expect(found(look('SELECT * FROM APP.v', catalogOf({ lower_case: 1 }, views)))).toEqual([
      'read app.V',
      'read app.secret',
    ]);
  });

  test('of more than ASCII are the same as the servers take them to be', () => {
    const tables = [table('items'), table('ασ')];
    for (const name of ['İTEMS', 'İtems', '`İTEMS`'])
      expect(found(look(`SELECT * FROM ${name}`, catalogOf({ lower_case: 1, tables })))).toEqual(['read app.items']);
    expect(found(look('SELECT * FROM ΑΣ', catalogOf({ lower_case: 1, tables })))).toEqual(['read app.ασ']);
    expect(found(look('SELECT * FROM İtems', catalogOf({ lower_case: 1 })))).toEqual(['read app.items']);
    expect(found(look('SELECT * FROM İtems', catalogOf({ tables })))).toEqual(['read app.İtems']);
    const routines = ['inside', 'straße', 'Ασ', 'ᾳ'].map((name) => routine('PROCEDURE', name, 'DELETE FROM secret'));
    for (const name of ['ınſıde', 'ÍNSİDE', 'strase', '\u017ftrase', 'stRaẞe', 'ΑΣ', 'ας', 'αϲ', 'α'])
      expect(found(look(`CALL \`${name}\`()`, catalogOf({ routines }))), name).toEqual(['write app.secret']);
    const events = [event('tidies', 'DELETE FROM secret')];
    expect(found(look('ALTER EVENT tıdieß ENABLE', catalogOf({ events })))).toContain('write app.secret');
  });

  test('behind a statement that changes what names mean are not certain', () => {
    const catalog = catalogOf();
    expect(found(look('DROP VIEW v; SELECT * FROM t', catalog))).toEqual(['ddl app.v', 'read app.t', 'read app.t?']);
    expect(found(look('CREATE TABLE x (id INT); INSERT INTO x VALUES (1)', catalog))).toEqual([
      'ddl app.x',
      'write app.x',
    ]);
    expect(found(look('CREATE TABLE x (id INT); RENAME TABLE t TO x; SELECT * FROM x', catalog))).toContain(
      'read app.x?',
    );
    expect(found(look('SELECT 1; SELECT * FROM t', catalog))).toEqual(['read', 'read app.t']);
  });

  test('are code while the catalog can not be read', () => {
    const blind = { blind: true };
    expect(found(look('SELECT * FROM t', null, blind))).toEqual(['code app.t?', 'read app.t']);
    expect(found(look('SELECT * FROM information_schema.tables', null, blind))).toEqual([
      'read information_schema.tables',
    ]);
    expect(found(look('SELECT 1', null, blind))).toEqual(['read']);
  });

  test('of a table that stands for something else', () => {
    const catalog = catalogOf({
      tables: [table('files', { engine: 'CONNECT' }), table('merged', { engine: 'MRG_MYISAM' })],
    });
    expect(found(look('SELECT * FROM files', catalog))).toEqual(['admin file', 'export file', 'read app.files']);
    expect(found(look('SELECT * FROM merged', catalog))).toEqual(['code app.merged?', 'read app.merged']);
  });

  test('of a table that nobody has: to drop it is no DDL', () => {
    const nothing = look('DROP TABLE IF EXISTS scratch; CREATE TEMPORARY TABLE scratch (id INT)', catalogOf());
    expect(found(nothing)).toEqual(['read', 'write app.scratch']);
    expect(nothing.missing).toBe(true);
    expect(found(look('DROP TABLE IF EXISTS scratch, t', catalogOf()))).toEqual(['ddl app.t', 'read']);
    expect(found(look('DROP TABLE scratch', catalogOf()))).toEqual(['ddl app.scratch']);
    expect(found(look('CREATE TABLE x (id INT); DROP TABLE IF EXISTS x', catalogOf()))).toEqual([
      'ddl app.x',
      'ddl app.x',
    ]);
    expect(found(look('DROP TABLE IF EXISTS other.x', catalogOf({ rights: [['app', null, 'SELECT']] })))).toEqual([
      'ddl other.x',
    ]);
    expect(found(look('DROP TABLE IF EXISTS x', null))).toEqual(['ddl app.x']);
  });

  test('of a table that DDL is at work on', () => {
    const catalog = catalogOf({ tables: [table('busy', { engine: null })] });
    expect(look('SELECT * FROM busy', catalog)).toMatchObject({ missing: true });
    expect(READING.isWhole(catalog)).toBe(false);
    expect(READING.isWhole(catalogOf())).toBe(true);
  });
});

describe('temporary tables', () => {
  const catalog = catalogOf(
    { triggers: [trigger('t', 'INSERT', 'DELETE FROM secret')] },
    { v: 'select `secret`.`id` AS `id` from `app`.`secret`' },
  );
  const own = (...names: string[]) => ({ temporaries: new Set(names.map((name) => `app\0${name}`)) });

  test('hide what lies behind a real one', () => {
    expect(found(look('INSERT INTO t VALUES (1)', catalog, own('t')))).toEqual(['write app.t']);
    expect(found(look('SELECT * FROM v', catalog, own('v')))).toEqual(['read app.v']);
    expect(found(look('SELECT * FROM v', catalog, own('V')))).toEqual(['read app.secret', 'read app.v']);
    expect(look('SELECT * FROM scratch', catalog, own('scratch')).missing).toBeUndefined();
  });

  test.each([
    ['DROP TABLE t', ['write app.t']],
    ['DROP TABLE t, u', ['ddl app.u', 'write app.t']],
    ['DROP TABLE t; DROP TABLE t', ['ddl app.t', 'write app.t']],
    ['DROP TABLE T; DROP TABLE t', ['ddl app.T', 'ddl app.t']],
    ['ALTER TABLE t ADD INDEX (id)', ['write app.t']],
    ['ALTER TABLE t RENAME TO u', ['ddl app.t', 'ddl app.u']],
    ['CREATE INDEX i ON t (id)', ['write app.t']],
    ['DROP INDEX i ON t', ['write app.t']],
    ['TRUNCATE t', ['write app.t']],
    ['RENAME TABLE t TO u', ['ddl app.t', 'ddl app.u']],
    ["PREPARE s FROM 'DROP TABLE t'", ['ddl app.t', 'settings s']],
    ['CREATE TEMPORARY TABLE n (id INT); DROP TABLE n', ['write app.n', 'write app.n']],
    ['DROP TEMPORARY TABLE t; DROP TABLE t', ['ddl app.t', 'write app.t']],
  ])('of the session: %s', (sql, expected) => {
    expect(found(look(sql, catalog, own('t')))).toEqual(expected);
  });

  test('what becomes of them is told', () => {
    expect(look('CREATE TEMPORARY TABLE n SELECT 1', catalog).temporary).toEqual([{ op: 'made', table: 'app\0n' }]);
    expect(look('DROP TABLE n', catalog).temporary).toEqual([{ op: 'gone', table: 'app\0n' }]);
    expect(look('RENAME TABLE n TO m', catalog).temporary).toEqual([{ op: 'gone', table: null }]);
    expect(look('CALL nobody()', null).temporary).toEqual([{ op: 'gone', table: null }]);
    expect(look('BEGIN NOT ATOMIC CREATE TEMPORARY TABLE n (id INT); END', catalog, MARIADB).temporary).toEqual([
      { op: 'gone', table: null },
    ]);
    expect(look('SELECT * FROM t', catalog).temporary).toBeUndefined();
  });
});

describe('RETURNING reads what was there', () => {
  test.each([
    ['INSERT INTO t VALUES (1) RETURNING id', ['write app.t']],
    ['INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1 RETURNING id', ['read app.t', 'write app.t']],
    ['REPLACE INTO t VALUES (1) RETURNING *', ['write app.t']],
    ['DELETE FROM t WHERE id = 1 RETURNING id, (SELECT max(id) FROM u)', ['read app.t', 'read app.u', 'write app.t']],
    ['DELETE FROM t WHERE id = 1', ['write app.t']],
  ])('%s', (sql, expected) => {
    expect(found(analyse(sql, MARIADB))).toEqual(expected);
  });
});

describe('reading', () => {
  const line = (...values: (string | null)[]): string => JSON.stringify(values);
  const ANSWERS = [
    line('0', '10.11.19-MariaDB'),
    [line('%', null, 'SELECT'), line('app', 't', 'INSERT')].join('\n'),
    [
      line('app', 't', 'BASE TABLE', 'InnoDB'),
      line('app', 'v', 'VIEW', null),
      line('app', 's', 'SEQUENCE', 'InnoDB'),
    ].join('\n'),
    line('app', 'v', 'select 1'),
    line('app', 't', 'g', 'INSERT', "SET @a = ''", '', ''),
    [
      line('app', 'p', 'PROCEDURE', 'SQL', 'SELECT 1', '', ''),
      line('app', 'q`q', 'FUNCTION', 'SQL', "RETURN '\n'", '', ''),
      line('app', 'dark', 'FUNCTION', 'SQL', null, '', ''),
    ].join('\n'),
    line('app', 'e', "SET @a = ''", '', ''),
    '',
    'denied',
  ].join(BETWEEN);

  test('bodies that are not printed as they are get asked for', () => {
    const asked = sourceQuestions(ANSWERS);
    expect(asked.split(BETWEEN)).toEqual([
      expect.stringMatching(/^SHOW CREATE FUNCTION `app`.`q``q` \/\* [0-9a-f]{64} \*\/$/),
      expect.stringMatching(/^SHOW CREATE TRIGGER `app`.`g` \/\* [0-9a-f]{64} \*\/$/),
      expect.stringMatching(/^SHOW CREATE EVENT `app`.`e` \/\* [0-9a-f]{64} \*\/$/),
    ]);
    expect(sourceQuestions(ANSWERS.replace("SET @a = ''", "SET @b = ''"))).not.toBe(asked);
  });

  test('answers become a catalog', () => {
    const more = [
      line('q`q', '', 'CREATE FUNCTION x() RETURNS INT RETURN 1'),
      'denied',
      line('e', '', 'SYSTEM', 'CREATE EVENT'),
    ].join(BETWEEN);
    const reading = readParts(ANSWERS, more);
    let step = reading.next();
    while (!step.done) step = reading.next();
    expect(step.value).toMatchObject({
      engine: 'mariadb',
      rights: [
        ['%', null, 'SELECT'],
        ['app', 't', 'INSERT'],
      ],
      loadable: null,
      torn: 1,
      tables: [{ kind: 'table' }, { kind: 'view', engine: '' }, { kind: 'sequence' }],
      triggers: [{ source: { text: '', whole: true } }],
      routines: [{ source: { text: 'SELECT 1', whole: false } }, { source: { whole: true } }, { source: null }],
      events: [{ schema: 'app', name: 'e', source: { text: 'CREATE EVENT', whole: true } }],
    });
    expect(() => [...readParts('', '')]).toThrow('no catalog');
    expect(() => [...readParts(ANSWERS, '')]).toThrow('none to these questions');
  });

  test('nothing has changed while no statement has begun that could, and those that had are done', () => {
    const answer = (began: string, running: string[][], time = '1', sees = '1'): string =>
      [began, running.map((one) => JSON.stringify(one)).join('\n'), JSON.stringify([time, sees])].join(BETWEEN);
    const quiet = answer('5', []);
    expect(changed('', quiet)).toBe(quiet);
    expect(changed(quiet, quiet)).toBeNull();
    expect(changed(quiet, answer('5', [['7', '100']]))).toBeNull();
    expect(changed(quiet, answer('5', [], '2'))).not.toBeNull();
    // Without PROCESS nobody knows what others run.
    expect(changed(answer('5', [], '1', '0'), answer('5', [], '1', '0'))).not.toBeNull();
    // One begins, and runs on; others come and go.
    const begun = changed(
      quiet,
      answer('6', [
        ['7', '100'],
        ['8', '100'],
      ]),
    )!;
    const left = changed(
      begun,
      answer('6', [
        ['7', '100'],
        ['9', '101'],
      ]),
    )!;
    expect(left).toBe(answer('6', [['7', '100']]));
    // Its connection runs another statement now: once more, and no longer.
    const done = changed(left, answer('6', [['7', '110']]))!;
    expect(done).toBe(answer('6', []));
    expect(changed(done, answer('6', [['7', '110']]))).toBeNull();
  });

  test('the operator is told what stays unseen', () => {
    const few = catalogOf(
      {
        rights: [['app', null, 'SELECT']],
        loadable: null,
        routines: [routine('PROCEDURE', 'dark', null), routine('FUNCTION', 'own', null, { schema: 'sys' })],
      },
      { unseen: null },
    );
    expect(READING.describe(few)).toBe(
      '5 tables and views, 1 routines, 0 triggers and 0 events in 1 databases; can not look into views app.unseen (right needed: SHOW VIEW and SELECT); ' +
        'can not look into routines app.dark (right needed: SHOW_ROUTINE (MySQL), SHOW CREATE ROUTINE or SELECT on mysql.proc (MariaDB)); ' +
        'can not see triggers, whose doings count for nothing, of tables in app (right needed: TRIGGER); ' +
        'can not see events of app (right needed: EVENT); ' +
        'can not see loadable functions (right needed: SELECT on mysql.func)',
    );
    expect(READING.describe(catalogOf())).toBe(
      '4 tables and views, 0 routines, 0 triggers and 0 events in 1 databases',
    );
  });

  test('databases are given by patterns', () => {
    const catalog = catalogOf({
      rights: [
        ['a\\_b%', null, 'SELECT'],
        ['c.d', null, 'TRIGGER'],
      ],
    });
    expect(['a_b', 'a_bc', 'A_B', 'axb', 'ab'].map((name) => catalog.seesTables(name))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(['c.d', 'cxd'].map((schema) => catalog.seesTriggers(table('t', { schema })))).toEqual([true, false]);
  });
});

test('an unknown context has no catalog', () => {
  expect(found(analyse('SELECT * FROM v', MYSQL))).toEqual(['read app.v']);
});
