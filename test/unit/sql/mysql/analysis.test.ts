// What is found in a text: tables with their role, calls, the statements of a message and the mode that each is read under, bodies.
import { describe, expect, it } from 'vitest';
import type { OwnStatement } from '../../../../src/sql/findings.ts';
import { MysqlAnalyser } from '../../../../src/sql/mysql/analyser.ts';
import { analyse, found, kinds, MARIADB, MYSQL } from './helpers.ts';

describe('tables', () => {
  it.each([
    ['SELECT * FROM t, x.u AS v JOIN w USING (id)', ['read app.t', 'read app.w', 'read x.u']],
    ['SELECT a FROM t WHERE id IN (SELECT id FROM (SELECT id FROM u) AS d)', ['read app.t', 'read app.u']],
    ['WITH c AS (SELECT * FROM t) SELECT * FROM c', ['read app.t']],
    ['WITH t AS (SELECT * FROM t) SELECT * FROM t', ['read app.t']],
    ['WITH T AS (SELECT 1) SELECT * FROM t', ['read app.t']],
    ['WITH RECURSIVE c AS (SELECT 1 UNION ALL SELECT n FROM c) SELECT * FROM c', ['read']],
    ['(TABLE hr.s) UNION TABLE u', ['read app.u', 'read hr.s']],
    ['INSERT INTO t (a) SELECT b FROM u ON DUPLICATE KEY UPDATE a = 1, b = 2', ['read app.u', 'write app.t']],
    ['INSERT INTO t VALUES (1) AS n ON DUPLICATE KEY UPDATE a = n.a', ['write app.t']],
    ['UPDATE t SET a = (SELECT max(b) FROM u) WHERE id = 1', ['read app.u', 'write app.t']],
    ['UPDATE t JOIN u ON t.id = u.id SET t.a = u.a', ['read app.u', 'write app.t']],
    ['UPDATE t, u SET a = 1', ['write app.t', 'write app.u']],
    ['WITH c AS (SELECT id FROM u) UPDATE t SET a = 1 WHERE id IN (SELECT id FROM c)', ['read app.u', 'write app.t']],
    ['DELETE n FROM notes n JOIN hr.s s ON n.id = s.id', ['read hr.s', 'write app.notes']],
    ['DELETE FROM o USING orders AS o JOIN u WHERE o.id = 1', ['read app.u', 'write app.orders']],
    ['DELETE FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id)', ['read app.u', 'write app.t']],
    ['SELECT EXTRACT(YEAR FROM d), TRIM(LEADING x FROM y) FROM t', ['read app.t']],
    ['SELECT * FROM t PARTITION (p0) AS x USE INDEX (a), u FOR UPDATE OF x SKIP LOCKED', ['read app.t', 'read app.u']],
    ["SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$')) AS j, t", ['read app.t']],
    ['SELECT hidden.x FROM t', ['read app.hidden', 'read app.t']],
    ['SELECT * FROM information_schema.TABLES', ['read information_schema.tables']],
    ['REPLACE t SET a = 1', ['write app.t']],
    ["LOAD DATA LOCAL INFILE 'x' INTO TABLE t", ['import app.t', 'write app.t']],
    ["LOAD DATA INFILE 'x' INTO TABLE t", ['admin file', 'import app.t', 'write app.t']],
    ['EXPLAIN DELETE FROM t', ['read app.t']],
    ['EXPLAIN ANALYZE SELECT * FROM t', ['read app.t']],
    ['CREATE TEMPORARY TABLE x AS SELECT * FROM t', ['read app.t', 'write app.x']],
    ['CREATE TABLE x AS SELECT * FROM t', ['ddl app.x', 'read app.t']],
    ['UPDATE mysql.user SET a = 1', ['admin mysql.user', 'role mysql.user', 'write mysql.user']],
    ["SELECT a FROM t UNION SELECT 'x' INTO OUTFILE '/x'", ['admin file', 'export file', 'read app.t']],
    ['HANDLER t OPEN', ['read app.t']],
    ['USE x; SELECT * FROM t', ['read x.t', 'settings x']],
    // Words that some version does not reserve can be columns.
    ['SELECT offset, window, qualify, minus, returning FROM t', ['read app.t']],
    ['SELECT 1 FROM t JOIN u ON minus = offset, v WHERE qualify', ['read app.t', 'read app.u', 'read app.v']],
    ['SELECT STRAIGHT_JOIN a FROM t STRAIGHT_JOIN u', ['read app.t', 'read app.u']],
    ['SELECT a FROM t UNION ALL (SELECT b FROM u) ORDER BY 1', ['read app.t', 'read app.u']],
    ['SELECT (SELECT a FROM t), b FROM u', ['read app.t', 'read app.u']],
  ])('%s', (sql, expected) => {
    expect(found(analyse(sql))).toEqual(expected);
  });

  it.each([
    ['DELETE HISTORY FROM t', ['admin', 'write app.t']],
    ['WITH T AS (SELECT 1) SELECT * FROM t', ['read']],
    ["SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '2020-01-01', u", ['read app.t', 'read app.u']],
    ['SELECT NEXT VALUE FOR s', ['write app.s']],
    ['ANALYZE UPDATE t SET a = 1', ['write app.t']],
    ['SET STATEMENT max_statement_time = 1 FOR DROP TABLE t', ['ddl app.t', 'settings max_statement_time']],
    ["EXECUTE IMMEDIATE 'DROP TABLE t'", ['ddl app.t']],
    ['SELECT * FROM .t', ['read app.t']],
    ['SELECT a, sum(b) OVER w FROM t WINDOW w AS (PARTITION BY a), x AS (ORDER BY b)', ['read app.t']],
  ])('MariaDB: %s', (sql, expected) => {
    expect(found(analyse(sql, MARIADB))).toEqual(expected);
  });

  it('an unknown current database leaves a name unresolved', () => {
    expect(found(analyse('SELECT * FROM t', { database: undefined }))).toEqual(['read t?']);
    expect(found(analyse('SELECT * FROM t', { database: null }))).toEqual(['read t']);
  });
});

describe('calls', () => {
  it('tells built-in functions from those of users as the server does', () => {
    expect(analyse('SELECT count(*), upper (a), now(), load_file(x) FROM t').functions).toEqual([
      'count',
      'load_file',
      'now',
      'upper',
    ]);
    expect(found(analyse('SELECT count (*)'))).toEqual(['code app.count?']);
    expect(found(analyse('SELECT count (*)', {}, 'IGNORE_SPACE'))).toEqual(['read']);
    expect(found(analyse('SELECT count/**/(*)', {}, 'IGNORE_SPACE'))).toEqual(['code app.count?']);
    expect(found(analyse('SELECT `now`()'))).toEqual(['code app.now?']);
    expect(found(analyse('SELECT `upper`(1)'))).toEqual(['read']);
    expect(found(analyse('SELECT mysql.upper(1)'))).toEqual(['code mysql.upper?']);
    expect(found(analyse('SELECT sformat(1)'))).toEqual(['code app.sformat?']);
    expect(found(analyse('SELECT sformat(1)', MARIADB))).toEqual(['read']);
    expect(found(analyse('SELECT {fn sys_exec(1)}'))).toEqual(['code app.sys_exec?']);
  });
});

describe('statements of a message', () => {
  it('are read under the mode that the one before has set', () => {
    const hidden = "SELECT 'a\\'; DROP TABLE t; -- '";
    expect(kinds(analyse(`SET sql_mode='NO_BACKSLASH_ESCAPES'; ${hidden}`))).toEqual(['SET', 'SELECT', 'DROP TABLE']);
    expect(kinds(analyse(`SET sql_mode=''; ${hidden}`))).toEqual(['SET', 'SELECT']);
    expect(kinds(analyse(`SET sql_mode=concat(@@sql_mode, ',NO_BACKSLASH_ESCAPES'); ${hidden}`))).toEqual([
      'SET',
      'SELECT',
      'DROP TABLE',
    ]);
    expect(kinds(analyse(`SET GLOBAL sql_mode='NO_BACKSLASH_ESCAPES'; ${hidden}`))).toEqual(['SET', 'SELECT']);
    for (const set of [
      'sql_mode=@m',
      "sql_mode=concat('NO_', @x)",
      'sql_mode=IF(1, 2, 3)',
      '@@session.`sql_mode`=DEFAULT',
    ])
      expect(found(analyse(`SET ${set}; ${hidden}`)), set).toContain('ddl app.t');
    expect(found(analyse(hidden, { sql_mode: null }))).toContain('ddl app.t');
  });

  it('a mode that can not be told holds only what it changes', () => {
    expect(found(analyse('SET sql_mode=@old; SELECT 1'))).toEqual(['read', 'settings sql_mode']);
    expect(found(analyse('SET sql_mode=@old; SELECT "a" FROM t'))).toEqual(['read app.t', 'settings sql_mode']);
  });

  it('end where the servers end them', () => {
    expect(kinds(analyse("SELECT ';'; SELECT `;`; SELECT 1 /* ; */; SELECT 2;"))).toEqual([
      'SELECT',
      'SELECT',
      'SELECT',
      'SELECT',
    ]);
    expect(kinds(analyse('CREATE PROCEDURE p() BEGIN IF 1 THEN DROP TABLE t; END IF; END; SELECT 2'))).toEqual([
      'CREATE PROCEDURE',
      'SELECT',
    ]);
    expect(kinds(analyse('CREATE PROCEDURE p() SELECT 1; SELECT 2'))).toEqual(['CREATE PROCEDURE', 'SELECT']);
    expect(kinds(analyse('BEGIN; SELECT 1; COMMIT'))).toEqual(['BEGIN', 'SELECT', 'COMMIT']);
    expect(kinds(analyse('BEGIN NOT ATOMIC SELECT 1; DROP TABLE t; END; SELECT 2', MARIADB))).toEqual([
      'BEGIN NOT ATOMIC',
      'SELECT',
    ]);
    expect(found(analyse('BEGIN DROP TABLE t; END', MARIADB, 'ORACLE'))).toEqual(['ddl app.t']);
    expect(found(analyse('BEGIN x := 1; tidy; pkg.tidy(x); END', MARIADB, 'ORACLE'))).toEqual([
      'code app.tidy?',
      'code pkg.tidy?',
    ]);
  });

  it('bodies count as if they ran', () => {
    expect(
      found(analyse('CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW INSERT INTO log SELECT s FROM hr.pay')),
    ).toEqual(['ddl app.r', 'ddl app.t', 'read hr.pay', 'write app.log']);
    expect(found(analyse('CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO GRANT ALL ON *.* TO eve'))).toContain('grant');
  });
});

describe('what is told besides', () => {
  it('prepared statements', () => {
    expect(found(analyse("PREPARE p FROM 'DROP TABLE t'; EXECUTE p"))).toEqual([
      'ddl app.t',
      'ddl app.t',
      'settings p',
    ]);
    expect(found(analyse('EXECUTE q'))).toEqual(['settings q']);
    expect(found(analyse('EXECUTE q', { prepared: () => undefined }))).toEqual(['code q?']);
    // The server may read it all the same: then there is a statement of that name.
    expect(analyse(`PREPARE p FROM 'SELECT "x'`).effects.map(({ type }) => type)).toContain('unknown');
    expect(analyse("PREPARE p FROM 'SELECT 1'").effects).toMatchObject([{ type: 'prepare', name: 'p' }]);
  });

  it('facts of statements', () => {
    const facts = (sql: string, context = MYSQL) => analyse(sql, context).statements[0];
    expect(facts('DELETE FROM t')?.writes_all_rows).toBe(true);
    expect(facts('DELETE FROM t WHERE a = 1')?.writes_all_rows).toBe(false);
    expect(facts('SELECT * FROM t LIMIT 5')?.rows_max).toBe(5);
    expect(facts('SELECT * FROM t LIMIT 5, 7')?.rows_max).toBe(7);
    expect(facts('SELECT * FROM (SELECT 1 LIMIT 5) x')?.rows_max).toBeNull();
    expect(facts('SELECT 1')?.rows_max).toBe(1);
    expect(facts('SELECT a INTO @x FROM t')?.rows_max).toBe(0);
    expect(facts('SELECT json_arrayagg(a) FROM t')?.folds_rows).toBe(true);
    expect(facts('DROP TABLE t')?.commits).toBe(true);
    expect(facts('DROP TEMPORARY TABLE t')?.commits).toBeUndefined();
    expect(facts("LOAD DATA LOCAL INFILE 'x' INTO TABLE t")?.copy_in).toBe(true);
    expect(facts('DELETE FROM t WHERE a = 1 RETURNING *', MARIADB)?.rows_max).toBeNull();
    expect(facts('ROLLBACK TO a')?.transaction_control).toBe(true);
  });

  it('comments are blanked, versioned ones and hints stay', () => {
    expect(analyse('SELECT /* x */ 1 -- y').forward).toBe('SELECT         1     ');
    expect(analyse('SELECT /*+ BKA(t) */ /*!50000 1 */').forward).toBeNull();
    expect(analyse(' /* x */ # y').forward).toBe(' /**/       ');
    expect(analyse('-- x\n# y').forward).toBe('--  \n   ');
    expect(analyse('# x').forward).toBe('#  ');
    expect(analyse('SELECT 1 /* reason: why é */').reason).toBe('why é');
    expect(analyse("SELECT 'secret', 7, x'41', @'v'").shape).toBe('SELECT ?, ?, ?, ?');
  });

  it('a hint that sets a variable is a SET, and every hint is part of what is approved', () => {
    const hinted = 'INSERT /*+ BKA(t) SET_VAR( `Foreign_Key_Checks`=0) set_var(sql_log_bin = OFF) */ INTO t VALUES (1)';
    expect(found(analyse(hinted))).toEqual(['admin sql_log_bin', 'settings foreign_key_checks', 'write app.t']);
    expect(found(analyse(hinted, MARIADB))).toEqual(['write app.t']);
    const tokens = (sql: string, context = MYSQL) =>
      Buffer.from(new MysqlAnalyser().session(context).tokens([sql], [])).toString('latin1');
    expect(tokens(hinted)).not.toBe(tokens('INSERT INTO t VALUES (1)'));
    expect(tokens('SELECT /*+ BKA(t) */ 1')).not.toBe(tokens('SELECT /*+ BKA(u) */ 1'));
    expect(tokens('SELECT /* BKA(t) */ 1')).toBe(tokens('SELECT 1'));
    expect(tokens(hinted, MARIADB)).toBe(tokens('INSERT INTO t VALUES (1)', MARIADB));
  });

  it("Holdpoint's own statements", () => {
    expect(analyse("SET @holdpoint_reason = 'it is needed'").own).toEqual([
      { op: 'set', name: 'reason', value: 'it is needed', statement: 0 },
    ]);
    expect(analyse("SHOW HOLDPOINT REQUEST 'R-17'").own).toEqual([{ op: 'show-request', id: 'R-17', statement: 0 }]);
    expect(analyse('SHOW HOLDPOINT REQUESTS').own).toEqual([{ op: 'show-requests', statement: 0 }]);
    expect(analyse('SHOW HOLDPOINT REQUESTS').forward?.trim()).toBe('');
    expect(found(analyse('SET @holdpoint_reason = @x'))).toContain('unknown @holdpoint_reason');
    const bound = analyse("SET @a = ?, @b = '?' /* ? */, @holdpoint_reason = ?, @holdpoint_hold = ?");
    expect(bound.own).toEqual([
      { op: 'set_config', name: 'reason', value: 2, statement: 0 },
      { op: 'set_config', name: 'hold', value: 3, statement: 0 },
    ]);
    expect(found(bound).join()).not.toContain('unknown');
    expect(found(analyse('SET @holdpoint_reason = ? + 1'))).toContain('unknown @holdpoint_reason');
    expect(analyse("SET @holdpoint_break_glass = 'it burns'").own).toEqual([
      { op: 'set', name: 'break_glass', value: 'it burns', statement: 0 },
    ]);
  });

  it.each<[string, OwnStatement]>([
    [
      "SELECT holdpoint.answer('HP-7KQ4', 'it''s ' 'the dba') -- said",
      { op: 'call', name: 'answer', arguments: ['HP-7KQ4', "it's the dba"], statement: 0 },
    ],
    ['SELECT `holdpoint`.withdraw(?, ?);', { op: 'call', name: 'withdraw', arguments: [1, 2], statement: 0 }],
    [
      "SELECT holdpoint . request_approval ('DROP TABLE `a,b)`', ?)",
      { op: 'call', name: 'request_approval', arguments: ['DROP TABLE `a,b)`', 1], statement: 0 },
    ],
  ])('%s is answered, and nothing of it is sent', (sql, own) => {
    const analysis = analyse(sql);
    expect(analysis.own).toEqual([own]);
    expect(found(analysis)).toEqual(['settings holdpoint']);
    expect(analysis.forward?.trim().replace(/^-- said$/, '')).toBe('');
  });

  it.each([
    "SELECT holdpoint.answer('HP-7KQ4')",
    "SELECT holdpoint.answer('HP-7KQ4', @x)",
    "SELECT holdpoint.answer('HP-7KQ4', 'x'), 1",
    "SELECT holdpoint.answer('HP-7KQ4', 'x') FROM t",
    "SELECT holdpoint.approve('HP-7KQ4', 'x')",
    "SELECT (SELECT holdpoint.answer('HP-7KQ4', 'x'))",
    "EXPLAIN SELECT holdpoint.answer('HP-7KQ4', 'x')",
    "PREPARE p FROM 'SELECT holdpoint.answer(1, 2)'",
    "CREATE PROCEDURE p() SELECT holdpoint.answer('HP-7KQ4', 'x')",
  ])("%s is the server's", (sql) => {
    expect(analyse(sql).own).toEqual([]);
  });
});

describe('is bounded', () => {
  it.each([
    ['parentheses', `SELECT ${'('.repeat(10_000)}1${')'.repeat(10_000)}`],
    ['sub-queries', `SELECT ${'(SELECT '.repeat(10_000)}1${')'.repeat(10_000)}`],
    ['modes', 'SET sql_mode=@a;'.repeat(5_000)],
    ['statements in statements', `${'SET STATEMENT a=1 FOR '.repeat(10_000)}DO 1`],
    ['blocks', 'IF 1 THEN DO 1; END IF;'.repeat(5_000)],
    ['quotes', `SELECT ${"'a' ".repeat(20_000)}`],
    ['comments', 'SELECT '.concat('/*!50000 '.repeat(20_000))],
    ['qualified columns', `SELECT a.b${'+(SELECT a.b'.repeat(3_000)}${')'.repeat(3_000)}`],
    ['values of a setting', `SET sql_mode=${'('.repeat(10_000)}1${')'.repeat(10_000)}`],
  ])('%s', (_, sql) => {
    const started = process.cpuUsage();
    analyse(sql, MARIADB);
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000).toBeLessThan(2_000);
  });
});

it('what RETURNING shows of rows that were there is read', () => {
  const of = (sql: string) => found(analyse(sql, MARIADB)).filter((one) => !one.startsWith('code'));
  expect(of('DELETE FROM t WHERE id = 1 RETURNING a')).toEqual(['read app.t', 'write app.t']);
  expect(of('DELETE FROM t WHERE id = 1')).toEqual(['write app.t']);
  expect(of('INSERT INTO t (a) VALUES (1) RETURNING id')).toEqual(['write app.t']);
  expect(of('INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = a RETURNING id')).toEqual([
    'read app.t',
    'write app.t',
  ]);
});
