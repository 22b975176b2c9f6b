// Messages drawn from a seed that are hard to read: literals, comments and versioned comments with quotes in them, modes that change from
// one statement to the next, statements hidden in all of these, bodies, and a few bytes put in or taken out.
import { pick, type Random } from '../../fuzz/random.ts';

export type Draw = (below: Random) => string;

const LITERALS = [
  `'a'`,
  `'a''b'`,
  `'a\\'b'`,
  `"a"`,
  `"a\\"b"`,
  `"a'b"`,
  `'\\\\'`,
  `'\\'`,
  `'/*'`,
  `'*/'`,
  `'--'`,
  `';'`,
  `';--'`,
  '`a`',
  '`a``b`',
  `N'x'`,
  `x'41'`,
  `b'1'`,
  '0x41',
  '1',
  '1e5',
  '1.',
  '1.5e3',
  '.5',
  `_utf8mb4'a'`,
  `_latin1 'a\\''`,
  `_gbk'a\\'`,
  '@a',
  `@'a;'`,
  '@`a;`',
  '@@version',
  `'a' 'b;'`,
  `"a" "b;"`,
  'é',
  `'é'`,
  '$a$',
  '$$',
  '1a',
  '@@global.version',
  `''`,
  `""`,
  `' \\`,
  `' \\'`,
] as const;
const COMMENTS = [
  '/* c */',
  '/*;*/',
  `/*'*/`,
  `/*"*/`,
  '/*`*/',
  '-- c\n',
  `--\tc'\n`,
  '--c\n',
  `# c ' \n`,
  '#\n',
  '/**/',
  '/*/ */',
  '/*!*/',
  '/*! */',
  '/*!50000 */',
  '/*!50600 + 1 */',
  `/*!99999 ' */`,
  `/*!50700 ' */`,
  `/*!080000 ' */`,
  '/*M! */',
  `/*M!100000 ' */`,
  '/*M!100000 */',
  `/*!100100 ' */`,
  `/*!100100 '*/`,
  `/*!50000 /* ' */ */`,
  `/*!99999 /* */ ' */`,
  `/*!99999 /* ' */ */`,
  '/*! -- */\n */',
  `/*+ x ' */`,
  '/*!506001 */',
  '--',
  '/*!32302 */',
  '/*!50000; */',
  '*/',
  '/*',
  '/*!',
  '-- ',
  '--\x01\n',
  `--\x0b'\n`,
] as const;
const STATEMENTS = [
  'SET GLOBAL max_connections=100',
  `SELECT 1 INTO OUTFILE '/x'`,
  'DROP TABLE t',
  'DO 1',
  'SELECT 2',
  'GRANT SELECT ON a.* TO b',
  'SET @x=1',
  'INSERT INTO t VALUES(1)',
  'CREATE TABLE z(a int)',
  'SET @@global.max_connections=5',
  'CALL p()',
  `PREPARE p FROM 'DO 1'`,
  `SET PASSWORD='x'`,
  'FLUSH TABLES',
  '/*!50000 DROP TABLE t */',
  'SET @a=1, GLOBAL max_connections=4',
  'TRUNCATE t',
  'SET SESSION sql_mode=DEFAULT',
  'SHOW TABLES',
  'USE information_schema',
  'BEGIN',
  'COMMIT',
  'UPDATE t SET a=1',
  'DELETE FROM t',
  'KILL 1',
  'LOCK TABLES t READ',
  'SELECT count (1)',
] as const;
const MODES = [
  `SET sql_mode='ANSI_QUOTES'`,
  `SET sql_mode='NO_BACKSLASH_ESCAPES'`,
  `SET sql_mode=''`,
  'SET sql_mode=ANSI',
  `SET @m='NO_BACKSLASH_ESCAPES'; SET sql_mode=@m`,
  `SET @m='ANSI_QUOTES'; SET sql_mode=@m`,
  `SET sql_mode=concat(@@sql_mode,',NO_BACKSLASH_ESCAPES')`,
  'SET sql_mode=ORACLE',
  'SET sql_mode=4',
  `SET @@session.sql_mode=IF(1,'ANSI','')`,
  `SET sql_mode=replace(@@sql_mode,'ANSI_QUOTES','')`,
  `SET sql_mode=replace(@@sql_mode,'ANSI_QUOTES,','')`,
  `SET sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES'`,
  `SET sql_mode=concat('NO_','BACKSLASH_ESCAPES')`,
  'SET @a=1,sql_mode=ANSI_QUOTES',
  `SET STATEMENT sql_mode='ANSI_QUOTES' FOR DO 1`,
  `BEGIN NOT ATOMIC SET sql_mode='NO_BACKSLASH_ESCAPES'; END`,
  `PREPARE p FROM 'SET sql_mode=NO_BACKSLASH_ESCAPES'; EXECUTE p`,
  `SET sql_mode=concat(@@sql_mode,'ANSI_QUOTES')`,
  'SET sql_mode=@@sql_mode',
  'SET @s=@@sql_mode,sql_mode=ANSI_QUOTES; SET sql_mode=@s',
  'SET GLOBAL max_connections=@@max_connections, sql_mode=ANSI',
  'SET sql_mode=IGNORE_SPACE',
  'SET NAMES latin1',
  'SET character_set_client=latin1',
  'SET NAMES utf8mb3',
] as const;
const BODIES = [
  'IF 1 THEN DO 1; %; END IF',
  'BEGIN NOT ATOMIC DO 1; %; END',
  'CREATE PROCEDURE pq() BEGIN DO 1; %; END',
  'CREATE PROCEDURE pq() %',
  'CASE 1 WHEN 1 THEN %; END CASE',
  'FOR i IN 1..2 DO %; END FOR',
  'BEGIN %; END',
  'CREATE FUNCTION f() RETURNS INT RETURN %',
  'CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO %',
  'CREATE TRIGGER tt BEFORE INSERT ON t FOR EACH ROW %',
  'DECLARE x INT; BEGIN %; END',
  'CREATE PROCEDURE pq() label: BEGIN DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN %; END; END',
  'WHILE 0 DO %; END WHILE',
  'REPEAT %; UNTIL 1 END REPEAT',
  'SET STATEMENT max_statement_time=1 FOR %',
  `CREATE PROCEDURE pq(a INT) COMMENT 'x;' BEGIN IF a THEN CASE a WHEN 1 THEN %; END CASE; END IF; END`,
] as const;
const FILES = [
  `INTO OUTFILE '/x'`,
  `INTO/**/OUTFILE '/x'`,
  'INTO @a',
  `/*!INTO*/ OUTFILE '/x'`,
  `/*!50000 INTO OUTFILE '/x' */`,
  `FROM dual INTO DUMPFILE '/x'`,
] as const;
/** With a text in a literal, which is read when it runs. */
const IN_LITERALS = [
  'PREPARE p FROM %',
  'PREPARE p FROM %; EXECUTE p',
  `PREPARE p FROM %; SET sql_mode='NO_BACKSLASH_ESCAPES'; EXECUTE p`,
  'EXECUTE IMMEDIATE %',
  `SET STATEMENT sql_mode='NO_BACKSLASH_ESCAPES' FOR EXECUTE IMMEDIATE %`,
  `SET STATEMENT sql_mode='ANSI_QUOTES' FOR PREPARE p FROM %`,
  `BEGIN NOT ATOMIC SET sql_mode='NO_BACKSLASH_ESCAPES'; EXECUTE IMMEDIATE %; END`,
  'BEGIN NOT ATOMIC PREPARE p FROM %; END; EXECUTE p',
  'SET NAMES latin1; PREPARE p FROM %; EXECUTE p',
  'SET NAMES latin1; EXECUTE IMMEDIATE %',
] as const;
/** Names that end elsewhere in another character set. */
const NAMES = ['x', 'é', 'xà', 'xàINTO', 'x😀', 'àFROM dual'] as const;
const ALIASES = ['', '', 'AS x', `AS 'y'`, 'AS `z;`', 'AS "w;"'] as const;
const PIECES = [
  `'`,
  '"',
  '`',
  '\\',
  ';',
  '/*',
  '*/',
  '--',
  '-- ',
  '#',
  '\n',
  ' ',
  '/*!',
  '/*!50000 ',
  '$',
  '@',
  `''`,
  '\0',
  '\x0b',
  ':',
  '.',
  'END',
  'BEGIN ',
  'é',
  '\t',
  ';;',
  '\xa0',
] as const;
const ENDS = [';', '; ', ';-- x', `; '`, '--'] as const;

const gap: Draw = (below) => (below(3) === 0 ? pick(below, COMMENTS) : ' ');

const select: Draw = (below) =>
  `SELECT ${Array.from({ length: 1 + below(3) }, () => gap(below) + pick(below, LITERALS) + gap(below) + pick(below, ALIASES)).join(',')}`;

const quoted = (text: string, below: Random): string =>
  below(2) === 0 ? `'${text.replaceAll(`'`, `''`)}'` : `'${text.replace(/['\\]/g, '\\$&')}'`;

const inLiteral: Draw = (below) => {
  const text =
    below(3) === 0
      ? pick(below, STATEMENTS)
      : `${select(below)}, ${pick(below, LITERALS)} AS ${pick(below, NAMES)} ${pick(below, FILES)}`;
  return pick(below, IN_LITERALS).replace('%', () => quoted(text, below));
};

const statement: Draw = (below) => {
  const kind = below(108);
  if (kind >= 100) return inLiteral(below);
  if (kind < 50) return select(below);
  if (kind < 68)
    return gap(below) + pick(below, STATEMENTS).replace(' ', () => (below(5) === 0 ? ` ${gap(below)}` : ' '));
  if (kind < 80) return pick(below, MODES);
  if (kind < 88) return pick(below, BODIES).replace('%', () => statement(below));
  if (kind < 92) return `${select(below)} ${pick(below, FILES)}`;
  return `DO${gap(below)} ${pick(below, LITERALS)}`;
};

/** One to four statements, and what was done to them. */
export const message: Draw = (below) => {
  let text = Array.from({ length: 1 + below(4) }, () => statement(below)).join(`;${pick(below, ['', ' ', '\n'])}`);
  if (below(3) === 0) text += pick(below, ENDS);
  for (let left = Math.max(0, below(6) - 3); left > 0; left -= 1) {
    const at = below(text.length + 1);
    const taken = below(2) === 0 ? 0 : 1 + below(3);
    text = text.slice(0, at) + (taken === 0 ? pick(below, PIECES) : '') + text.slice(at + taken);
  }
  return text;
};
