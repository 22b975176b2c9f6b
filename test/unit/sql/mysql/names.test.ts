// Names that a server takes for one and the same, or for two, whatever they look like: what is judged must be what it runs.
import { describe, expect, test } from 'vitest';
import type { Action } from '../../../../src/sql/findings.ts';
import { analyseText } from '../../../../src/sql/mysql/analysis.ts';
import { Catalog } from '../../../../src/sql/mysql/catalog/catalog.ts';
import type { CatalogRows, RoutineRow } from '../../../../src/sql/mysql/catalog/rows.ts';
import type { MysqlContext } from '../../../../src/sql/mysql/context.ts';
import { folded, lowered } from '../../../../src/sql/mysql/names.ts';
import { analyse, BOTH, found, MARIADB, MYSQL, session } from './helpers.ts';

test('a collation that knows neither case nor accents', () => {
  expect(folded('SQL_Mödé  ')).toBe('sql_mode');
  for (const [name, alike] of [
    ['groß', 'gros'],
    ['tıp', 'TİP'],
    ['ſql', 'sql'],
    ['ΛΌΓΟΣ', 'λογος'],
    ['λόγοσ', 'λογος'],
  ] as const)
    expect(folded(name), name).toBe(folded(alike));
  for (const [name, other] of [
    ['groß', 'gross'],
    ['sql_mode', ' sql_mode'],
    ['sql_mode', 'sql_mode\u00ad'],
    ['sql_mode', 'sql_mode\u200b'],
  ] as const)
    expect(folded(name), name).not.toBe(folded(other));
});

test('small letters, letter by letter', () => {
  expect(lowered('ΠΕΛΑΤΕΣ.İD.É')).toBe('πελατεσ.id.é');
});

describe('system variables', () => {
  const SPELLINGS = [
    'sql_mödé',
    'ſql_mode',
    'ßql_mode',
    '`sql_mode `',
    '`ŚQL_ḾODE`',
    '@@sql_mödé',
    '@@session.`sql_mödé `',
  ];

  test.each(SPELLINGS)('%s is sql_mode', (name) => {
    const set = analyse(`SET ${name} = 'ANSI_QUOTES'`, MYSQL);
    expect(found(set)).toEqual(['settings sql_mode']);
    expect(set.effects).toEqual([{ type: 'set', name: 'sql_mode', value: 'ANSI_QUOTES', local: false, statement: 0 }]);
    const after = analyse(`SET ${name} = 'NO_BACKSLASH_ESCAPES'; SELECT 'a\\'; DROP TABLE notes; -- '`, MYSQL);
    expect(found(after)).toContain('ddl app.notes');
  });

  test('in every character set that a text may come in', () => {
    for (const [charset, name] of [
      ['latin1', 'sql_m\xf6de'],
      ['latin1', '\x9aql_mode'],
      ['binary', '`sql_m\xc3\xb6de`'],
    ] as const)
      expect(found(analyseText(`SET ${name}=''`, { ...MYSQL, charset })), name).toEqual(['settings sql_mode']);
  });

  test('as a string, which MariaDB takes behind a scope', () => {
    for (const name of ["'sql_mode'", '"sql_mode"', "'s\\ql_mode'"])
      expect(found(analyse(`SET @@session.${name} = ''`, MARIADB)), name).toEqual(['settings sql_mode']);
    expect(found(analyse("SET @@local.'s\\ql_log_bin' = 0", MARIADB))).toEqual(['admin sql_log_bin']);
  });

  test('what guards the server or its log', () => {
    for (const name of ['sql_lög_bin', '`sql_log_bin `', '@@session.sql_lóg_bin'])
      expect(found(analyse(`SET ${name} = 0`, MYSQL))).toEqual(['admin sql_log_bin']);
    expect(found(analyse('SET GLOBAL lócal_infile = 1', MYSQL))).toEqual(['admin local_infile']);
    expect(found(analyse("SET SESSION default_storage_engíne = 'FEDERATED'", MYSQL))).toContain(
      'admin default_storage_engine',
    );
    expect(analyse('SET chäracter_set_client = gbk', MYSQL).error?.message).toMatch(/gbk/);
  });

  test('in a body', () => {
    for (const [context, text, finding] of [
      [MYSQL, 'SET sql_lög_bin = 0', 'admin sql_log_bin'],
      [MYSQL, 'SET `sql_log_bin ` = 0', 'admin sql_log_bin'],
      [MARIADB, "SET @@session.'sql_log_bin' = 0", 'admin sql_log_bin'],
      [MYSQL, 'BEGIN DECLARE größe, 数量 INT; SET größe = 1, 数量 = 2; END', 'settings'],
    ] as const)
      expect(found(analyse(`CREATE PROCEDURE p() ${text}`, context)), text).toEqual([finding, 'ddl app.p'].toSorted());
  });

  test('in a body with its scope, a system variable that is not known', () => {
    for (const set of ['SET @@some_plugins = 1', 'SET SESSION some_plugins = 1', 'SET a = 1, @@local.some_plugins = 1'])
      for (const context of BOTH)
        expect(found(analyse(`CREATE PROCEDURE p() ${set}`, context)), set).toContain('unknown some_plugins');
    for (const set of ['SET some_plugins = 1', 'SET NEW.some_plugins = 1', 'SET a = 1, b = 2'])
      for (const context of BOTH)
        expect(found(analyse(`CREATE PROCEDURE p() ${set}`, context)), set).not.toContain('unknown some_plugins');
  });

  test('a name of letters that stand for none in ASCII: nothing that is known of the session counts any more', () => {
    for (const context of BOTH) {
      const set = analyse('SET 数量 = 1; SELECT "a"', context);
      expect(found(set)).toContain('unknown 数量');
      expect(set.effects).toContainEqual({ type: 'unknown', statement: 0 });
    }
    expect(analyse('SET some_plugins_variable = 1').effects).not.toContainEqual({ type: 'unknown', statement: 0 });
  });

  test('what the server is not to tell any more is in the text, or nothing counts', () => {
    const forgets = (sql: string, context: MysqlContext): boolean =>
      analyse(sql, context).effects.some(({ type }) => type === 'unknown');
    for (const sql of ['SET session_track_schema = 0', 'SET @@session.SESSION_track_schema = 0'])
      expect(forgets(sql, MYSQL), sql).toBe(false);
    expect(forgets('SET @@séssion_track_schema = 0', MYSQL)).toBe(true);
    expect(forgets('SET session_träck_system_variables = DEFAULT', MYSQL)).toBe(true);
    for (const sql of [
      "SET @@session.'sess\\ion_track_schema' = 0",
      "EXECUTE IMMEDIATE 'SET sess\\ion_track_schema = 0'",
      "EXECUTE IMMEDIATE 'SET sess' 'ion_track_schema = 0'",
    ])
      expect(forgets(sql, MARIADB), sql).toBe(true);
  });

  test('no variable of the session is an object of ours', () => {
    for (const name of ['constructor', '__proto__', 'valueof'])
      expect(analyse(`SET @${name} = 'x'`)).toMatchObject({ own: [], error: null });
  });
});

const table = (name: string, view: boolean): CatalogRows['tables'][number] => ({
  schema: 'app',
  name,
  kind: view ? 'view' : 'table',
  engine: view ? '' : 'InnoDB',
});
const routine = (type: RoutineRow['type'], name: string, text: string): RoutineRow => ({
  schema: 'app',
  name,
  type,
  language: 'SQL',
  source: { text, whole: false },
  sql_mode: '',
});
function catalogOf(routines: readonly RoutineRow[], views: readonly string[] = [], lower_case = 0): Catalog {
  return new Catalog({
    lower_case,
    engine: 'mysql',
    triggers: [],
    routines,
    events: [],
    foreign_keys: [],
    loadable: [],
    torn: 0,
    rights: ['SELECT', 'SHOW VIEW', 'TRIGGER', 'SHOW_ROUTINE', 'PROCESS'].map((right) => ['%', null, right]),
    tables: [table('secret', false), ...views.map((name) => table(name, true))],
    views: new Map(views.map((name) => [`app\0${name}`, 'select 1 from `app`.`secret`'])),
  });
}

describe('routines', () => {
  const body = 'BEGIN DELETE FROM secret; END';
  const catalog = catalogOf([
    ...['groß', 'tıp', 'cafe', 'λόγος'].map((name) => routine('PROCEDURE', name, body)),
    routine('FUNCTION', 'ſin', 'BEGIN DELETE FROM secret; RETURN 1; END'),
  ]);

  test.each(['groß', 'GROS', '`grős`', 'tip', '`TİP`', '`café`', '`λογοσ`', '`ΛΌΓΟΣ`'])('%s', (name) => {
    for (const context of BOTH)
      expect(found(analyse(`CALL ${name}()`, { ...context, catalog }))).toContain('write app.secret');
  });

  test('what is defined goes by the name that it has', () => {
    for (const context of BOTH)
      for (const sql of [
        'DROP PROCEDURE `CAFÉ`',
        "ALTER PROCEDURE app.`çafe` COMMENT 'x'",
        'DROP PROCEDURE IF EXISTS café',
      ])
        expect(found(analyse(sql, { ...context, catalog })), sql).toEqual(['ddl app.cafe']);
    expect(found(analyse('GRANT EXECUTE ON PROCEDURE `café` TO x', { catalog }))).toEqual(['grant app.cafe']);
  });

  test('a built-in function is known by the letters of ASCII alone', () => {
    for (const context of BOTH) {
      for (const call of ['ſin(0)', '`ſin`(0)', 'ﬂoor(1)', 'paßword(1)'])
        expect(found(analyse(`SELECT ${call}`, context)), call).toEqual([
          expect.stringMatching(/^code app\./) as unknown,
        ]);
      expect(found(analyse('SELECT ſin(0)', { ...context, catalog }))).toContain('write app.secret');
    }
  });
});

describe('tables', () => {
  const views = ['café', 'πελατεσ', 'id_cards', 'šéf'];
  const reads = (text: string, lower_case: number, context: Partial<MysqlContext> = {}): readonly string[] =>
    analyseText(text, { ...MYSQL, ...context, catalog: catalogOf([], views, lower_case) }).reads;
  const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

  test('accents count', () => {
    expect(reads(utf8('SELECT * FROM café'), 0)).toEqual(['app.café', 'app.secret']);
    expect(reads('SELECT * FROM cafe', 0)).toEqual(['app.cafe']);
    expect(reads(utf8('SELECT * FROM CAFÉ'), 0)).toEqual(['app.CAFÉ']);
  });

  test('where the server knows no capitals: as it writes them small', () => {
    for (const name of ['CAFÉ', 'ΠΕΛΑΤΕΣ', 'İD_cards'])
      expect(reads(utf8(`SELECT * FROM ${name}`), 1), name).toContain('app.secret');
  });

  test('in every character set', () => {
    expect(reads('SELECT * FROM \x9a\xe9f', 0, { charset: 'latin1' })).toEqual(['app.secret', 'app.šéf']);
    expect(reads(`SELECT * FROM \`${utf8('šéf')}\``, 0, { charset: 'binary' })).toEqual(['app.secret', 'app.šéf']);
    expect(reads(`SELECT * FROM \`${utf8('é')}\``, 0, { charset: 'ascii' })).toEqual(['app.??']);
  });

  test("the server's own, in any case", () => {
    expect(analyse('SELECT 1 FROM Information_Schema.USER_PRİVİLEGES').reads).toEqual([
      'information_schema.user_privileges',
    ]);
  });

  test('characters of four bytes, which MySQL puts a question mark for', () => {
    expect(analyse('SELECT 1 FROM `a😀`', MYSQL).reads).toEqual(['app.a?']);
    expect(analyse('SELECT 1 FROM `a😀`', MARIADB).reads).toEqual(['app.a😀']);
  });

  test('a CTE is not what its name looks like', () => {
    for (const [cte, name] of [
      ['\u212a', 'k'],
      ['ΑΣ', 'ας'],
      ['É', 'e'],
    ])
      expect(analyse(`WITH \`${cte}\` AS (SELECT 1) SELECT * FROM \`${name}\``, MARIADB).reads).toEqual([
        `app.${name}`,
      ]);
    expect(analyse('WITH A AS (SELECT 1) SELECT * FROM a', MARIADB).reads).toEqual([]);
  });

  test('a table that goes by another name where its columns are set', () => {
    for (const [alias, qualifier] of [
      ['`İ`', 'i'],
      ['ΑΣ', 'ασ'],
      ['É', 'é'],
    ])
      expect(found(analyse(`UPDATE t AS ${alias}, u SET ${qualifier}.a = 1 WHERE u.a = 2`)), alias).toContain(
        'write app.t',
      );
  });

  test('a temporary one that may go under another name', () => {
    const drops = (...texts: string[]): string[] =>
      found(
        session(
          texts.map((text) => [utf8(text)]),
          MYSQL,
        ).at(-1)!,
      );
    expect(drops('CREATE TEMPORARY TABLE é (a INT)', 'DROP TABLE é')).toEqual(['write app.é']);
    for (const [made, gone] of [
      ['id', 'İd'],
      ['İd', 'id'],
      ['ΑΣ', 'ασ'],
    ])
      expect(
        drops(`CREATE TEMPORARY TABLE ${made} (a INT)`, `DROP TEMPORARY TABLE ${gone}`, `DROP TABLE ${made}`),
      ).toEqual([`ddl app.${made}`]);
  });
});

describe('prepared statements', () => {
  const after = (...texts: string[]): string[] =>
    found(
      session(
        texts.map((text) => [Buffer.from(text, 'utf8').toString('latin1')]),
        MYSQL,
      ).at(-1)!,
    );

  test.each(['\u212a', '`k `', 'ḱ', '`k-`'])('%s is not the k that is known', (name) => {
    for (const text of [`PREPARE ${name} FROM 'SELECT 1'`, `DEALLOCATE PREPARE ${name}`, `DROP PREPARE ${name}`]) {
      expect(after("PREPARE k FROM 'SELECT 2'", text, 'EXECUTE k'), text).toEqual(['code k?']);
      expect(after("PREPARE k FROM 'SELECT 2'", `${text}; EXECUTE k`), text).toContain('code k?');
    }
  });

  test('one that is known', () => {
    expect(after("PREPARE k FROM 'SELECT 2'", 'EXECUTE K')).toEqual(['read']);
    expect(after("PREPARE k FROM 'SELECT 2'", 'DEALLOCATE PREPARE K', 'EXECUTE k')).toEqual(['settings k']);
  });
});

describe('introducers', () => {
  const HIDING = ['gbk', 'sjis', 'big5', 'cp932', 'gb18030', 'ucs2', 'utf16', 'utf16le', 'utf32'];

  test.each(HIDING)('_%s before a quoted literal of more than ASCII: refused', (charset) => {
    for (const context of BOTH)
      for (const literal of ["'é'", ' "x数"', "/* c */'\\'é'", "'é' 'y'"])
        expect(analyse(`SELECT 1, _${charset.toUpperCase()}${literal}`, context).error).toEqual({
          sqlstate: '0A000',
          message: `Holdpoint reads no literals in ${charset}: bytes of its characters can be quotes. Use utf8mb4`,
          position: 0,
        });
  });

  test('in a text that another one has: found', () => {
    expect(found(analyse("PREPARE p FROM 'SELECT _gbk''é'''"))).toContain('unknown');
  });

  test.each([
    "SELECT _gbk x'81', _ucs2 0x00e9, _utf16 b'1', _sjis X'81'",
    "SELECT _gbk'x', _ucs2 'ab', _utf32\"abcd\", _cp932''",
    "SELECT _latin1'é', _utf8mb4'é', _binary 'é', _euckr'é', N'é'",
    "SELECT `_gbk` 'é', a._gbk 'é' FROM a",
  ])('%s: as ever', (sql) => {
    for (const context of BOTH) {
      const { error, findings } = analyse(sql, context);
      expect(error).toBeNull();
      expect(new Set<Action>(findings.map(({ action }) => action))).toEqual(new Set<Action>(['read']));
    }
  });

  test('a query that the server keeps, with texts of such clients: known', () => {
    const catalog = new Catalog({
      ...catalogOf([], ['v']).rows,
      views: new Map([['app\0v', "select _gbk'x' AS `x` from `app`.`secret`"]]),
    });
    expect(found(analyse('SELECT * FROM v', { catalog }))).toEqual(['read app.secret', 'read app.v']);
  });
});
