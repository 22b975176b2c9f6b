// What somebody with a permit for `approved` would like to send instead. `same`: it is covered, and rightly so; everything else must be another
// pattern, or none.
import type { GivenParameter } from '../../../src/sql/pattern.ts';

export interface Trick {
  readonly engine: 'postgres' | 'mysql' | 'mariadb';
  readonly what: string;
  readonly approved: string;
  readonly instead: string;
  readonly same?: true;
  /** sql_mode has ANSI_QUOTES. */
  readonly ansi?: true;
  /** Values of each of the two. */
  readonly given?: readonly [readonly GivenParameter[], readonly GivenParameter[]];
}

const both = (what: string, approved: string, instead: string, more: Partial<Trick> = {}): Trick[] =>
  (['postgres', 'mysql', 'mariadb'] as const).map((engine) => ({ engine, what, approved, instead, ...more }));
const pg = (what: string, approved: string, instead: string, more: Partial<Trick> = {}): Trick[] => [
  { engine: 'postgres', what, approved, instead, ...more },
];
const my = (what: string, approved: string, instead: string, more: Partial<Trick> = {}): Trick[] =>
  (['mysql', 'mariadb'] as const).map((engine) => ({ engine, what, approved, instead, ...more }));
const same = { same: true } as const;
const int4 = (value: string | null): GivenParameter => ({ type: 'int4', value });
const text = (value: string | null): GivenParameter => ({ type: 'text', value });
const bigint = (value: string | null): GivenParameter => ({ type: 'bigint', value });
const varchar = (value: string | null): GivenParameter => ({ type: 'varchar', value });

const Q = 'SELECT * FROM customers WHERE ';

export const TRICKS: readonly Trick[] = [
  // Covered.
  ...both('another number', `${Q}id = 7`, `${Q}id = 8`, same),
  ...both('another string', `${Q}name = 'ann'`, `${Q}name = 'bob'`, same),
  ...both('a string with a quote in it', `${Q}name = 'ann'`, `${Q}name = 'o''hara'`, same),
  ...both('what looks like SQL and is a string', `${Q}name = 'ann'`, `${Q}name = ''' OR 1=1 -- '`, same),
  ...both('comments and spaces', `${Q}id = 7`, `${Q}  id /* x */ = 8 -- y`, same),
  ...both('a list of as many', `${Q}id IN (1, 2)`, `${Q}id IN (8, 9)`, same),
  ...both('of a qualified column', `${Q}customers.id = 7`, `${Q}customers.id = 8`, same),
  ...both('in parentheses', `${Q}(id = 7 OR (id = 8)) AND land = 'x'`, `${Q}(id = 1 OR (id = 2)) AND land = 'y'`, same),
  ...both('UPDATE', 'UPDATE t SET a = 1 WHERE id = 7', 'UPDATE t SET a = 1 WHERE id = 8', same),
  ...both('DELETE', 'DELETE FROM t WHERE id = 7', 'DELETE FROM t WHERE id = 8', same),
  ...both(
    'INSERT ... SELECT',
    'INSERT INTO t SELECT * FROM u WHERE k = 1',
    'INSERT INTO t SELECT * FROM u WHERE k = 2',
    same,
  ),
  ...both(
    'ON of a join',
    'SELECT 1 FROM a JOIN b ON b.k = 5 AND b.id = a.id',
    'SELECT 1 FROM a JOIN b ON b.k = 6 AND b.id = a.id',
    same,
  ),
  ...pg('COPY of a query', `COPY (${Q}id = 7) TO STDOUT`, `COPY (${Q}id = 8) TO STDOUT`, same),
  ...pg('a constant on the left', `${Q}7 = id`, `${Q}8 = id`, same),
  ...pg('a parameter', `${Q}id = $1`, `${Q}id = $1`, { same: true, given: [[int4('7')], [int4('8')]] }),
  ...my('a parameter', `${Q}id = ?`, `${Q}id = ?`, { same: true, given: [[bigint('7')], [bigint('8')]] }),
  ...my('a list of parameters', `${Q}id IN (?, ?)`, `${Q}id IN (?, ?)`, {
    same: true,
    given: [
      [bigint('7'), bigint('1')],
      [bigint('8'), bigint('2')],
    ],
  }),
  ...my('behind a BETWEEN', `${Q}a BETWEEN 1 AND 5 AND id = 7`, `${Q}a BETWEEN 1 AND 5 AND id = 8`, same),

  // Constants beside constants.
  ...both('true for false', `${Q}id = 7 OR 1=0 LIMIT 1`, `${Q}id = 7 OR 1=1 LIMIT 1`),
  ...both('LIMIT', `${Q}id = 7 LIMIT 1`, `${Q}id = 7 LIMIT 1000000`),
  ...both('OFFSET', `${Q}id = 7 LIMIT 1 OFFSET 0`, `${Q}id = 7 LIMIT 1 OFFSET 50`),
  ...both('the column itself', `${Q}id = 7`, `${Q}id = id`),
  ...both('a condition more', `${Q}name = 'x'`, `${Q}name = 'x' OR name IS NOT NULL`),
  ...both('a condition less', `${Q}name = 'x' AND id = 7`, `${Q}name = 'x'`),
  ...both('what a comment ended', `${Q}id = 7 /* ' OR 1=1 */`, `${Q}id = 7 OR 1=1`),
  ...both('a line comment that is none any more', `${Q}id = 7 -- OR 1=1`, `${Q}id = 7 \n OR 1=1`),
  ...both('NULL', `${Q}id = 7`, `${Q}id = NULL`),
  ...both('TRUE', `${Q}id = 7`, `${Q}id = TRUE`),
  ...both('a string for a number', `${Q}id = 7`, `${Q}id = '7'`),
  ...both('a list that is longer', `${Q}id IN (1, 2)`, `${Q}id IN (1, 2, 3)`),
  ...both('a list for a constant', `${Q}id = 7`, `${Q}id IN (7)`),
  ...both('NOT IN', `${Q}id NOT IN (7)`, `${Q}id NOT IN (8)`),
  ...both('NOT', `${Q}NOT id = 7`, `${Q}NOT id = 8`),
  ...both('NOT of a parenthesis', `${Q}NOT (id = 7)`, `${Q}NOT (id = 8)`),
  ...both('<>', `${Q}id <> 7`, `${Q}id <> 8`),
  ...both('<', `${Q}id < 7`, `${Q}id < 8`),
  ...both('>=', `${Q}id >= 7`, `${Q}id >= 0`),
  ...both('LIKE', `${Q}name LIKE 'x'`, `${Q}name LIKE '%'`),
  ...both('a sum', `${Q}id = 1 + 0`, `${Q}id = 1 + 1`),
  ...both('a negative', `${Q}id = -1`, `${Q}id = -2`),
  ...both('IS NOT NULL behind it', `${Q}id = 5 IS NOT NULL`, `${Q}id = 6 IS NOT NULL`),
  ...both('compared once more', `${Q}(id = 7) = (1 = 0)`, `${Q}(id = 8) = (1 = 0)`),
  ...both('a sub-query', `${Q}id IN (SELECT id FROM u WHERE k = 1)`, `${Q}id IN (SELECT id FROM u WHERE k = 2)`),
  ...both(
    'NOT EXISTS',
    `${Q}NOT EXISTS (SELECT 1 FROM u WHERE u.id = 5)`,
    `${Q}NOT EXISTS (SELECT 1 FROM u WHERE u.id = 6)`,
  ),
  ...both('IN of a query for a list', `${Q}id IN (7)`, `${Q}id IN (SELECT id FROM customers)`),
  ...both(
    'a column of a constant',
    'SELECT * FROM c, (SELECT 5 AS k) x WHERE x.k = 7',
    'SELECT * FROM c, (SELECT 5 AS k) x WHERE x.k = 5',
  ),
  ...both(
    'a WITH query',
    'WITH x AS (SELECT 5 AS k) SELECT * FROM c, x WHERE x.k = 7',
    'WITH x AS (SELECT 5 AS k) SELECT * FROM c, x WHERE x.k = 5',
  ),
  ...both('a union', `${Q}id = 7 UNION SELECT * FROM c WHERE id = 1`, `${Q}id = 7 UNION SELECT * FROM c WHERE id = 2`),
  ...both(
    'the ON of an outer join',
    'SELECT 1 FROM a LEFT JOIN b ON b.k = 5 WHERE b.k IS NULL',
    'SELECT 1 FROM a LEFT JOIN b ON b.k = 6 WHERE b.k IS NULL',
  ),
  ...both('a row', `${Q}(id, k) = (1, 2)`, `${Q}(id, k) = (1, 3)`),
  ...both('a list of rows', `${Q}(id, k) IN ((1, 2))`, `${Q}(id, k) IN ((1, 3))`),
  ...both('CASE', `${Q}CASE WHEN id = 7 THEN 1 = 1 ELSE 1 = 0 END`, `${Q}CASE WHEN id = 8 THEN 1 = 1 ELSE 1 = 0 END`),
  ...both(
    'a condition in CASE',
    `${Q}CASE WHEN a = 1 AND id = 7 AND b = 2 THEN 1 = 1 END`,
    `${Q}CASE WHEN a = 1 AND id = 8 AND b = 2 THEN 1 = 1 END`,
  ),
  ...both("a function's argument", `${Q}coalesce(name = 'x', id = 7)`, `${Q}coalesce(name = 'x', id = 8)`),
  ...both("a function's result", `${Q}lower(name) = 'x'`, `${Q}lower(name) = 'y'`),
  ...both('SET', 'UPDATE t SET a = 1 WHERE id = 7', 'UPDATE t SET a = 2 WHERE id = 7'),
  ...both('VALUES', 'INSERT INTO t (a) VALUES (1)', 'INSERT INTO t (a) VALUES (2)'),
  ...both('what is selected', 'SELECT id = 7 FROM customers', 'SELECT id = 8 FROM customers'),
  ...both('HAVING', 'SELECT k FROM t GROUP BY k HAVING k = 1', 'SELECT k FROM t GROUP BY k HAVING k = 2'),
  ...both('ORDER BY', `${Q}id = 7 ORDER BY 1`, `${Q}id = 7 ORDER BY 2`),
  ...both('BETWEEN', `${Q}id BETWEEN 1 AND 2`, `${Q}id BETWEEN 1 AND 200`),
  ...both('another table', `${Q}id = 7`, 'SELECT * FROM secrets WHERE id = 7'),
  ...both('another column', `${Q}id = 7`, `${Q}is_open = 7`),
  ...both('current_user is no column', `${Q}current_user = 'x'`, `${Q}current_user = 'bot'`),
  ...both('a second statement', `${Q}id = 7`, `${Q}id = 7; DELETE FROM customers`),
  ...both('FOR UPDATE', `${Q}id = 7`, `${Q}id = 7 FOR UPDATE`),
  ...both('a hexadecimal number', `${Q}id = 0x10`, `${Q}id = 0x11`),

  // PostgreSQL
  ...pg('a cast', `${Q}id = '7'::int`, `${Q}id = '8'::int`),
  ...pg('a cast to regclass', `${Q}oid = 'a'::regclass`, `${Q}oid = 'b'::regclass`),
  ...pg('CAST()', `${Q}id = CAST('7' AS int)`, `${Q}id = CAST('8' AS int)`),
  ...pg('a literal with its type', `${Q}due = date '2025-01-01'`, `${Q}due = date '2026-01-01'`),
  ...pg('an operator with its schema', `${Q}id OPERATOR(public.=) 7`, `${Q}id OPERATOR(public.=) 8`),
  ...pg('an operator with its schema for one without', `${Q}id = 7`, `${Q}id OPERATOR(public.=) 7`),
  ...pg('a collation', `${Q}name = 'x' COLLATE "C"`, `${Q}name = 'y' COLLATE "C"`),
  ...pg('a collation of the column', `${Q}name COLLATE "C" = 'x'`, `${Q}name COLLATE "C" = 'y'`),
  ...pg('bits', `${Q}b = B'01'`, `${Q}b = B'10'`),
  ...pg('a string with escapes', `${Q}name = E'x'`, `${Q}name = E'\\x41'`),
  ...pg('a string that goes on', `${Q}name = 'a'\n'b'`, `${Q}name = 'c'\n'b'`),
  ...pg('a dollar-quoted string', `${Q}name = $$x$$`, `${Q}name = $$y$$`),
  ...pg('a number that is another type', `${Q}id = 7`, `${Q}id = 7.0`),
  ...pg('a number that is a longer type', `${Q}id = 7`, `${Q}id = 99999999999`),
  ...pg('= ANY', `${Q}id = ANY ('{1}')`, `${Q}id = ANY ('{1,2}')`),
  ...pg(
    'a function in FROM',
    'SELECT * FROM c, generate_series(1, 9) AS k WHERE k = 10',
    'SELECT * FROM c, generate_series(1, 9) AS k WHERE k = 5',
  ),
  ...pg(
    'VALUES in FROM',
    'SELECT * FROM c, (VALUES (5)) AS x (k) WHERE x.k = 6',
    'SELECT * FROM c, (VALUES (5)) AS x (k) WHERE x.k = 5',
  ),
  ...pg(
    'EXCEPT',
    'SELECT * FROM c EXCEPT SELECT * FROM c WHERE id = 1',
    'SELECT * FROM c EXCEPT SELECT * FROM c WHERE id = 0',
  ),
  ...pg(
    'a full join',
    'SELECT 1 FROM a JOIN (b FULL JOIN d ON d.k = 5) ON a.id = b.id',
    'SELECT 1 FROM a JOIN (b FULL JOIN d ON d.k = 6) ON a.id = b.id',
  ),
  ...pg(
    'an inner join inside of an outer one',
    'SELECT 1 FROM a LEFT JOIN (b JOIN d ON d.k = 5) ON a.id = b.id',
    'SELECT 1 FROM a LEFT JOIN (b JOIN d ON d.k = 6) ON a.id = b.id',
  ),
  ...pg(
    'ON CONFLICT',
    'INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1 WHERE t.k = 5',
    'INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1 WHERE t.k = 6',
  ),
  ...pg(
    'MERGE',
    'MERGE INTO t USING u ON t.id = u.id AND u.k = 5 WHEN MATCHED THEN DELETE',
    'MERGE INTO t USING u ON t.id = u.id AND u.k = 6 WHEN MATCHED THEN DELETE',
  ),
  ...pg('INTO', `${Q}id = 7`, 'SELECT * INTO mine FROM customers WHERE id = 7'),
  ...pg('COPY of more', `COPY (${Q}id = 7) TO STDOUT`, 'COPY customers TO STDOUT'),
  ...pg('COPY to a program', `COPY (${Q}id = 7) TO STDOUT`, `COPY (${Q}id = 7) TO PROGRAM 'cat'`),
  ...pg('COPY from', 'COPY customers TO STDOUT', 'COPY customers FROM STDIN'),
  ...pg('DISTINCT FROM', `${Q}id IS NOT DISTINCT FROM 7`, `${Q}id IS NOT DISTINCT FROM 8`),
  ...pg('a parameter that stands in two places', `${Q}id = $1 LIMIT $1`, `${Q}id = $1 LIMIT $1`, {
    given: [[int4('7')], [int4('8')]],
  }),
  ...pg('a parameter of LIMIT', `${Q}id = $1 LIMIT $2`, `${Q}id = $1 LIMIT $2`, {
    given: [
      [int4('7'), int4('1')],
      [int4('7'), int4('9')],
    ],
  }),
  ...pg('a parameter with a cast', `${Q}id = $1::int`, `${Q}id = $1::int`, { given: [[int4('7')], [int4('8')]] }),
  ...pg('a parameter of another type', `${Q}id = $1`, `${Q}id = $1`, { given: [[int4('7')], [text('7')]] }),
  ...pg('a parameter that is NULL', `${Q}id = $1`, `${Q}id = $1`, { given: [[int4('7')], [int4(null)]] }),
  ...pg('parameters the other way round', `${Q}id = $1 AND k < $2`, `${Q}id = $2 AND k < $1`, {
    given: [
      [int4('7'), int4('1')],
      [int4('7'), int4('1')],
    ],
  }),
  ...pg('a field of a row for a column', `${Q}(c).id = 7`, `${Q}(c).id = 8`),
  ...pg('an element for a column', `${Q}a[1] = 7`, `${Q}a[1] = 8`),

  // MySQL and MariaDB
  ...my('zero, which is equal to most strings', `${Q}name = 7`, `${Q}name = 0`),
  ...my('zero in another way', `${Q}name = 7`, `${Q}name = 0.00`),
  ...my('zero with an exponent', `${Q}name = 7`, `${Q}name = 0e7`),
  ...my('zero as a parameter', `${Q}name = ?`, `${Q}name = ?`, { given: [[bigint('7')], [bigint('0')]] }),
  ...my('a number for a string, as a parameter', `${Q}name = ?`, `${Q}name = ?`, {
    given: [[varchar('7')], [bigint('7')]],
  }),
  ...my('NULL as a parameter', `${Q}name = ?`, `${Q}name = ?`, { given: [[varchar('7')], [varchar(null)]] }),
  ...my('a parameter of LIMIT', `${Q}id = ? LIMIT ?`, `${Q}id = ? LIMIT ?`, {
    given: [
      [bigint('7'), bigint('1')],
      [bigint('7'), bigint('9')],
    ],
  }),
  ...my('a list of strings and numbers', `${Q}name IN ('5a', 7)`, `${Q}name IN ('x', 7)`),
  ...my('a list with a parameter of another kind', `${Q}name IN ('5a', ?)`, `${Q}name IN ('x', ?)`, {
    given: [[bigint('7')], [bigint('7')]],
  }),
  ...my('<=>', `${Q}id <=> 7`, `${Q}id <=> 8`),
  ...my(':=', `${Q}@a := 7`, `${Q}@a := 8`),
  ...my('a variable', `${Q}id = @a`, `${Q}id = @a`),
  ...my('bits', `${Q}id = b'01'`, `${Q}id = b'10'`),
  ...my('a quoted hexadecimal', `${Q}name = x'41'`, `${Q}name = x'42'`),
  ...my('an introducer', `${Q}name = _latin1'x'`, `${Q}name = _latin1'y'`),
  ...my('a national string', `${Q}name = N'x'`, `${Q}name = N'y'`),
  ...my('strings that are joined', `${Q}name = 'a' 'b'`, `${Q}name = 'c' 'b'`),
  ...my('a collation', `${Q}name = 'x' COLLATE utf8mb4_bin`, `${Q}name = 'y' COLLATE utf8mb4_bin`),
  ...my('the AND of a BETWEEN', `${Q}a BETWEEN 1 AND id = 7`, `${Q}a BETWEEN 1 AND id = 8`),
  ...my('XOR', `${Q}id = 7 XOR 1 = 1`, `${Q}id = 8 XOR 1 = 1`),
  ...my('XOR further on', `${Q}id = 7 AND k = 1 XOR a`, `${Q}id = 8 AND k = 1 XOR a`),
  ...my('||', `${Q}id = 7 || name`, `${Q}id = 8 || name`),
  ...my('IS FALSE of a parenthesis', `${Q}(id = 7) IS FALSE`, `${Q}(id = 8) IS FALSE`),
  ...my('a parenthesis that is a number', `${Q}(id = 7) < 1`, `${Q}(id = 8) < 1`),
  ...my(
    'ON DUPLICATE KEY',
    'INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = b AND k = 5',
    'INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = b AND k = 6',
  ),
  ...my('SET of a condition', 'UPDATE t SET a = b AND k = 5 WHERE id = 1', 'UPDATE t SET a = b AND k = 6 WHERE id = 1'),
  ...my('SET of a condition, again', 'UPDATE t SET a = b AND k = 5', 'UPDATE t SET a = b AND k = 6'),
  ...my('a word for a constant', `${Q}utc_date = '2025-01-01'`, `${Q}utc_date = '2026-01-01'`),
  ...my('a versioned comment', `${Q}id = 7`, `${Q}id = 7 /*!50000 OR 1=1 */`),
  ...my('a comment that is run', `${Q}id = 7 /* OR 1=1 */`, `${Q}id = 7 /*! OR 1=1 */`),
  ...my(
    'a hint',
    'SELECT /*+ SET_VAR(sql_mode = 1) */ * FROM t WHERE id = 7',
    'SELECT /*+ SET_VAR(sql_mode = 2) */ * FROM t WHERE id = 7',
  ),
  ...my('INTO OUTFILE', `${Q}id = 7`, `${Q}id = 7 INTO OUTFILE '/tmp/x'`),
  ...my('a name in quotes', `${Q}name = "x"`, `${Q}name = "name"`, { ansi: true }),
  ...my('a row', `${Q}(id = 7 AND k = 1, a) = (1, 2)`, `${Q}(id = 8 AND k = 1, a) = (1, 2)`),
  ...my(
    'a column of VALUES',
    'SELECT * FROM c, (VALUES ROW(5)) AS x (k) WHERE x.k = 6',
    'SELECT * FROM c, (VALUES ROW(5)) AS x (k) WHERE x.k = 5',
  ),
  ...my(
    'JSON_TABLE',
    "SELECT * FROM c, JSON_TABLE('[5]', '$[*]' COLUMNS (k INT PATH '$')) x WHERE x.k = 6",
    "SELECT * FROM c, JSON_TABLE('[5]', '$[*]' COLUMNS (k INT PATH '$')) x WHERE x.k = 5",
  ),
];
