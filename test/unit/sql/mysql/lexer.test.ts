// The lexical rules, each as MySQL 9.7 and MariaDB 10.11 were seen to apply it. test/real/mysql-reading.test.ts asks the servers again.
import { describe, expect, it } from 'vitest';
import { Kind, Lexer, type Rules } from '../../../../src/sql/mysql/lexer.ts';
import { MODE, modeOf, modeOfNumber } from '../../../../src/sql/mysql/modes.ts';
import { latin1 } from './helpers.ts';

const NAMES = Object.entries(Kind);

/** `kind text` of every token. */
function tokens(sql: string, rules: Partial<Rules> = {}): string[] {
  const lexer = read(sql, rules);
  return lexer.kinds.map(
    (kind, at) => `${NAMES.find(([, value]) => value === kind)![0]} ${sql.slice(lexer.starts[at], lexer.ends[at])}`,
  );
}

function read(sql: string, rules: Partial<Rules> = {}): Lexer {
  const lexer = new Lexer(sql, { engine: 'mysql', version: 90704, mode: 0, reading: 'utf8', ...rules });
  while (lexer.next() !== Kind.end);
  return lexer;
}

const MARIADB = { engine: 'mariadb', version: 101119 } as const;

describe('comments', () => {
  it.each([
    ['SELECT 5--1', ['word SELECT', 'number 5', 'operator -', 'operator -', 'number 1']],
    ['SELECT 5-- 1', ['word SELECT', 'number 5']],
    ['SELECT 5--\x01 1', ['word SELECT', 'number 5']],
    ['SELECT 5 --', ['word SELECT', 'number 5']],
    ['SELECT 1 # x\n+ 2', ['word SELECT', 'number 1', 'operator +', 'number 2']],
    ['SELECT /* /* */ 4', ['word SELECT', 'number 4']],
    ['SELECT /*/ 4 */ 5', ['word SELECT', 'number 5']],
    ['SELECT 1 # c\x00 + 5', ['word SELECT', 'number 1', 'bad \x00', 'operator +', 'number 5']],
    ['SELECT /*! 1 /* x */ + 1 */', ['word SELECT', 'number 1', 'operator +', 'number 1']],
    ['SELECT /*!99999 1 /* x */ + 1 */ 4', ['word SELECT', 'number 4']],
    ["SELECT /*!99999 '*/ 4 /* ' */", ['word SELECT', 'number 4']],
    ["SELECT 4 /*! 'a */ ' */", ['word SELECT', 'number 4', "string 'a */ '"]],
    ['SELECT 4 /*! -- */ + 1\n */', ['word SELECT', 'number 4']],
    ["SELECT /*+ SET_VAR(a='*/ 5 --  ') */ 6", ['word SELECT', 'number 5']],
  ])('%j', (sql, expected) => {
    expect(tokens(sql)).toEqual(expected);
    expect(tokens(sql, MARIADB)).toEqual(expected);
  });

  it.each([
    ['/*!99999 X */', false, false],
    ['/*!50600 X */', true, true],
    ['/*!50699 X */', true, true],
    ['/*!50700 X */', true, false],
    ['/*!80000 X */', true, false],
    ['/*!90704 X */', true, false],
    ['/*!90705 X */', false, false],
    ['/*!090704 X */', true, false],
    ['/*!090705 X */', false, false],
    ['/*!100000 X */', false, true],
    ['/*!101119 X */', false, true],
    ['/*!101120 X */', false, false],
    ['/*!X */', true, true],
    ['/*!50600X */', true, true],
    ['/*M! X */', false, true],
    ['/*M!50700 X */', false, true],
    ['/*M!101120 X */', false, false],
    ['/*m! X */', false, false],
    ['/*MM! X */', false, false],
  ])('%s: read by MySQL %s, by MariaDB %s', (sql, mysql, mariadb) => {
    expect(tokens(sql)).toEqual(mysql ? ['word X'] : []);
    expect(tokens(sql, MARIADB)).toEqual(mariadb ? ['word X'] : []);
  });

  it('a version of six digits without a space behind it is doubted on MySQL', () => {
    expect(read('SELECT /*!100000+2 */ 1').doubts).toHaveLength(1);
    expect(read('SELECT /*!100000 +2 */ 1').doubts).toEqual([]);
    expect(tokens('/*!100000+2 */', MARIADB)).toEqual(['operator +', 'number 2']);
  });

  it('hints stay where MySQL reads them, and are comments elsewhere', () => {
    expect(read('SELECT /*+ BKA(t) */ 1 /*+ x */').comments).toEqual([[23, 31]]);
    expect(read('SELECT /*+ BKA(t) */ 1', MARIADB).comments).toEqual([[7, 20]]);
  });
});

describe('literals and names', () => {
  it.each([
    [`'a''b' 'a\\'b' "a\\"b"`, [`string 'a''b'`, `string 'a\\'b'`, `string "a\\"b"`]],
    [
      "N'x' n'y' x'41' X'4142' b'1' 0x41 0b1",
      ["string N'x'", "string n'y'", "hex x'41'", "hex X'4142'", "hex b'1'", 'hex 0x41', 'hex 0b1'],
    ],
    [
      '1e5abc 1ea 1.z 1.e5 0X41 0xg .5y',
      [
        'number 1e5',
        'word abc',
        'word 1ea',
        'number 1.',
        'word z',
        'number 1.e5',
        'word 0X41',
        'word 0xg',
        'number .5',
        'word y',
      ],
    ],
    ['1.FROM 1e0FROM', ['number 1.', 'word FROM', 'number 1e0', 'word FROM']],
    ['t.1e5 t .1e5', ['word t', 'operator .', 'word 1e5', 'word t', 'number .1e5']],
    [
      '@a @`b` @"c" @a.b$c @@x :=',
      ['variable @a', 'variable @`b`', 'variable @"c"', 'variable @a.b$c', 'system @@', 'word x', 'assign :='],
    ],
    ['`a``b` é', ['quoted `a``b`', 'word é']],
    ['a\x00', ['word a', 'bad \x00']],
  ])('%j', (sql, expected) => {
    expect(tokens(latin1(sql)).map((one) => Buffer.from(one, 'latin1').toString('utf8'))).toEqual(expected);
  });

  it('a keyword that a dot joins is a name', () => {
    const lexer = read('order.items FROM x .y');
    expect(lexer.words).toEqual(['', '', '', 'FROM', 'X', '', '']);
  });

  it('ANSI_QUOTES and NO_BACKSLASH_ESCAPES', () => {
    expect(tokens('"a""b"', { mode: MODE.ansi_quotes })).toEqual(['quoted "a""b"']);
    expect(tokens("'a\\', 'b'", { mode: MODE.no_backslash_escapes })).toEqual([
      "string 'a\\'",
      'operator ,',
      "string 'b'",
    ]);
  });

  it('dollar quotes are MySQL 9', () => {
    expect(tokens('SELECT $$a;b$$')).toEqual(['word SELECT', 'dollar $$a;b$$']);
    expect(tokens('SELECT $$a', MARIADB)).toEqual(['word SELECT', 'word $$a']);
    expect(read('SELECT $$a;b$$', { version: 80400 }).doubts).not.toEqual([]);
    expect(tokens('SELECT x$$')).toEqual(['word SELECT', 'word x$$']);
  });

  it('white space of latin1', () => {
    expect(tokens('SELECT\xa01', { reading: 'latin1' })).toEqual(['word SELECT', 'number 1']);
    expect(tokens('SELECT\xa01')).not.toEqual(['word SELECT', 'number 1']);
  });

  it('what is not closed is broken', () => {
    for (const sql of ["'a", '"a', '`a', '/* a', '/*! a', '/*!99999 a', "x'4", '`a\x00`'])
      expect(read(sql).broken, sql).not.toBeNull();
  });

  it('bytes that are no UTF-8 are doubted', () => {
    expect(read('SELECT \xe2').doubts).not.toEqual([]);
    expect(read('SELECT `\xe2`').doubts).not.toEqual([]);
    expect(read("SELECT '\xe2'").doubts).toEqual([]);
  });
});

describe('sql_mode', () => {
  it.each([
    ['ANSI_QUOTES', MODE.ansi_quotes],
    ['ansi_quotes ', MODE.ansi_quotes],
    [',ANSI_QUOTES,,', MODE.ansi_quotes],
    [' ANSI_QUOTES', null],
    ['ANSI', MODE.ansi_quotes | MODE.ignore_space],
    ['ORACLE', MODE.ansi_quotes | MODE.ignore_space | MODE.oracle],
    ['STRICT_TRANS_TABLES,NO_SUCH', null],
    ['', 0],
  ])('%j', (list, bits) => {
    expect(modeOf(list)).toBe(bits);
  });

  it.each([
    ['4', MODE.ansi_quotes],
    ['8', MODE.ignore_space],
    ['1048576', MODE.no_backslash_escapes],
    ['512', null],
    ['262144', null],
    ['4.0', null],
  ])('the number %s', (written, bits) => {
    expect(modeOfNumber(written)).toBe(bits);
  });
});
