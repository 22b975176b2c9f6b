// What drivers, pools, ORMs and tools send of their own, and ordinary statements: none may be held by the starter policy. What takes
// rights, files or the schema is.
import { describe, expect, it } from 'vitest';
import { analyse, BOTH, latin1, MARIADB, MYSQL, starterPolicy, verdict } from './helpers.ts';

const policy = await starterPolicy();

const SENT: Readonly<Record<string, readonly string[]>> = {
  'mysql and mariadb command line': [
    'select @@version_comment limit 1',
    'SELECT DATABASE()',
    'show databases',
    'show tables',
    'select USER()',
  ],
  'Connector/J': [
    `/* mysql-connector-j-8.4.0 (Revision: 1c3f5c149e0bfe31c7fbeb24e2d260cd890972c4) */SELECT  @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS character_set_client, @@character_set_connection AS character_set_connection, @@character_set_results AS character_set_results, @@character_set_server AS character_set_server, @@collation_server AS collation_server, @@collation_connection AS collation_connection, @@init_connect AS init_connect, @@interactive_timeout AS interactive_timeout, @@license AS license, @@lower_case_table_names AS lower_case_table_names, @@max_allowed_packet AS max_allowed_packet, @@net_write_timeout AS net_write_timeout, @@performance_schema AS performance_schema, @@sql_mode AS sql_mode, @@system_time_zone AS system_time_zone, @@time_zone AS time_zone, @@transaction_isolation AS transaction_isolation, @@wait_timeout AS wait_timeout`,
    'SET character_set_results = NULL',
    "SET sql_mode='ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES'",
    'SET autocommit=1',
    'SELECT @@session.transaction_read_only',
    'SELECT @@session.transaction_isolation',
    'SET SESSION TRANSACTION READ WRITE',
    'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
    'SHOW WARNINGS',
    'SET SQL_SELECT_LIMIT=10',
    'SET SQL_SELECT_LIMIT=DEFAULT',
    '/* ping */ SELECT 1',
  ],
  'MariaDB Connector/J': [
    "set autocommit=1, session_track_schema=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES'), names UTF8MB4",
    'SELECT @@max_allowed_packet, @@wait_timeout, @@tx_isolation',
    "set session_track_system_variables=CONCAT(@@global.session_track_system_variables, ',auto_increment_increment')",
  ],
  PyMySQL: [
    'SET AUTOCOMMIT = 0',
    'SET NAMES utf8mb4 COLLATE utf8mb4_general_ci',
    'COMMIT',
    'ROLLBACK',
    "SHOW VARIABLES LIKE 'sql_mode'",
  ],
  SQLAlchemy: [
    'SELECT @@transaction_isolation',
    'SELECT @@sql_mode',
    'SELECT @@lower_case_table_names',
    "SELECT CAST('test plain returns' AS CHAR(60)) AS anon_1",
    "SELECT CAST('test collated returns' AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_bin AS anon_1",
    'SHOW FULL TABLES FROM `app`',
    'SHOW CREATE TABLE `notes`',
    'DESCRIBE `app`.`notes`',
    'INSERT INTO notes (body) VALUES (%s)',
    'SELECT notes.id AS notes_id, notes.body AS notes_body FROM notes WHERE notes.id = 7 LIMIT 1 FOR UPDATE',
  ],
  Django: [
    "SELECT VERSION(), @@sql_mode, @@default_storage_engine, @@sql_auto_is_null, @@lower_case_table_names, CONVERT_TZ('2001-01-01 01:00:00', 'UTC', 'UTC') IS NOT NULL",
    'SET SQL_AUTO_IS_NULL = 0',
    'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
    'SELECT GET_LOCK("django", 10)',
    'SET FOREIGN_KEY_CHECKS = 0',
    'SELECT `t`.`id`, COUNT(`u`.`id`) AS `n` FROM `t` LEFT OUTER JOIN `u` ON (`t`.`id` = `u`.`t_id`) GROUP BY `t`.`id` HAVING COUNT(`u`.`id`) > 1 ORDER BY NULL LIMIT 21',
    'SAVEPOINT `s1_x1`',
    'RELEASE SAVEPOINT `s1_x1`',
    'ROLLBACK TO SAVEPOINT `s1_x1`',
  ],
  'PHP, Laravel': [
    "set names 'utf8mb4' collate 'utf8mb4_unicode_ci'",
    "set session sql_mode='ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    'use `app`',
    'select * from `jobs` where `queue` = ? and ((`reserved_at` is null and `available_at` <= ?) or (`reserved_at` <= ?)) order by `id` asc limit 1 FOR UPDATE SKIP LOCKED',
    'insert into `sessions` (`payload`, `id`) values (?, ?)',
    'update `sessions` set `payload` = ? where `id` = ?',
    'delete from `cache` where `key` in (?, ?)',
  ],
  Rails: [
    "SET NAMES utf8mb4,  @@SESSION.sql_mode = CONCAT(CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), ',NO_AUTO_VALUE_ON_ZERO'),  @@SESSION.sql_auto_is_null = 0, @@SESSION.wait_timeout = 2147483",
    'SHOW FULL FIELDS FROM `notes`',
    "SELECT table_name FROM (SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = database()) _subquery WHERE table_type = 'BASE TABLE'",
    "SELECT 1 AS one FROM `users` WHERE `users`.`email` = 'x' LIMIT 1",
    'INSERT INTO `users` (`a`) VALUES (1) ON DUPLICATE KEY UPDATE `a`=VALUES(`a`)',
    'EXPLAIN SELECT `users`.* FROM `users`',
  ],
  'mysqldump reading': [
    'SET SQL_QUOTE_SHOW_CREATE=1',
    "/*!40100 SET @@SQL_MODE='' */",
    "/*!40103 SET TIME_ZONE='+00:00' */",
    'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ',
    'START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */',
    "SHOW VARIABLES LIKE 'gtid\\_mode'",
    "SET SESSION character_set_results = 'utf8mb4'",
    "SHOW TRIGGERS LIKE 'notes'",
    "SHOW TABLE STATUS LIKE 'notes'",
  ],
  tools: [
    'SHOW PLUGINS',
    'SHOW ENGINES',
    'SHOW GRANTS',
    "SHOW VARIABLES LIKE 'lower_case_%'; SHOW VARIABLES LIKE 'version'",
    'SET lc_messages = en_US',
    'SET NAMES utf8mb4; SET collation_connection = utf8mb4_unicode_ci',
    'SET SQL_SAFE_UPDATES = 1, net_write_timeout = 600',
    'SELECT CURRENT_USER(), CONNECTION_ID(), @@hostname',
    'HELP "select"',
    'SET @rownum := 0; SELECT @rownum := @rownum + 1 AS n FROM t LIMIT 5',
  ],
};

describe.each(Object.entries(SENT))('%s', (_, texts) => {
  it.each(texts)('%s', (sql) => {
    for (const context of BOTH) expect(verdict(policy, analyse(sql, context), context.engine)).toBe('allow');
  });
});

describe('is held', () => {
  it.each([
    ['deny server-files', "SELECT * FROM t INTO OUTFILE '/tmp/x'"],
    ['deny server-files', "SELECT LOAD_FILE('/etc/passwd')"],
    ['deny server-files', "LOAD DATA INFILE '/tmp/x' INTO TABLE t"],
    ['hold grants', 'GRANT SELECT ON app.* TO bob'],
    ['hold roles', 'SET ROLE dba'],
    ['hold roles', "SET PASSWORD = 'x'"],
    ['hold roles', 'CREATE USER eve'],
    ['hold ddl', 'DROP TABLE t'],
    ['hold ddl', 'CREATE OR REPLACE VIEW v AS SELECT 1'],
    ['hold ddl', 'TRUNCATE t'],
    ['hold administration', 'SET GLOBAL max_connections = 1'],
    ['hold administration', 'SET PERSIST max_connections = 1'],
    ['hold administration', 'SET sql_log_bin = 0'],
    ['hold administration', 'KILL 7'],
    ['hold administration', 'FLUSH LOGS'],
    ['hold administration', 'UPDATE mysql.general_log SET a = 1'],
    ['hold unresolved', 'CALL tidy()'],
    ['hold unresolved', 'SELECT tidy(1)'],
    ['hold unresolved', 'SELECT `count`(1)'],
    ['hold unresolved', 'SELECT count (1)'],
    ['hold unresolved', 'PREPARE p FROM @x'],
    ['hold unknown', 'FROBNICATE t'],
  ])('%s: %s', (rule, sql) => {
    for (const context of BOTH) {
      const said = verdict(policy, analyse(sql, context), context.engine);
      expect(said).not.toBe('allow');
      expect(said.startsWith('deny')).toBe(rule.startsWith('deny'));
    }
  });

  it('a client character set that hides quotes', () => {
    for (const sql of [
      'SET NAMES gbk',
      'SET CHARACTER SET sjis',
      'SET character_set_client = big5',
      'SET @a = 1, NAMES gb18030',
    ])
      for (const context of BOTH)
        expect(analyse(sql, context).error).toMatchObject({
          sqlstate: '0A000',
          message: expect.stringMatching(/^Holdpoint reads no statements in (gbk|sjis|big5|gb18030): /),
        });
    for (const sql of ["PREPARE p FROM 'SET NAMES gbk'", 'SET NAMES koi8r', 'CREATE PROCEDURE p() SET NAMES gbk'])
      for (const context of BOTH) expect(verdict(policy, analyse(sql, context), context.engine)).not.toBe('allow');
    expect(verdict(policy, analyse('SELECT 1', { charset: 'gbk' }), 'mysql')).toBe('hold unknown');
  });
});

it('a text that is not read to its end says so', () => {
  expect(analyse("SELECT 'x", MYSQL).error?.message).toBe('A string is not closed.');
  expect(analyse('SELECT 1 /* x', MARIADB).error?.sqlstate).toBe('42601');
  expect(latin1('é').length).toBe(2);
});
