// Where a file may answer otherwise through the gateway than directly, and why. A row that matches nothing fails the proof at its full size.
// A file that fails through the gateway stops there: what comes after is not compared.
import { type Exception, row } from '../regress/exceptions.ts';

export interface MtrException extends Exception {
  /** It is a matter of time whether it shows: one run may go without. */
  readonly sometimes?: true;
}

const CHARSETS = 'big5|cp932|euckr|gb2312|gbk|sjis|swe7';
const CHARSET =
  'by design: a session whose statements are in a character set that can hide a quote, or is not known, does not go on';
const UNREADABLE = String.raw`failed: ER_NOT_SUPPORTED_YET \(1235\): (?:character_set_client must be one that Holdpoint can read statements in\.|Holdpoint reads no statements in \w+:) .*\n`;
const BLANKED =
  "by design: comments are blanks in what goes on, and a column's name or an error's text shows the statement";
const OWN_WORDS =
  'what Holdpoint cannot read is refused with the number and SQLSTATE of a syntax error, in its own words';
const LIMIT = 'over a limit of Holdpoint, which can be raised or is its own bound';
const COUNTED = "the server counts and lists Holdpoint's own questions among a session's statements";
const LOGIN = "a login of the user's that the server refuses is told as a fault of the login that Holdpoint made";
const TRACKED = "by design: names of Holdpoint's own are on the list of tracked variables, and stay there";
const ROW_LEFT =
  "a warning outside of rows names the row that the statement before was at, which may be a question of Holdpoint's own";
const LOST = 'a connection that the server closes is told so with an error of its own, where the server says nothing';
const CLOSED = String.raw`\+failed: .*'the database server closed the connection', instead of .*\n`;
const TRACKED_LINES = String.raw`-.*\n\+.*session_track_system_variables,sql_mode.*\n`;
const NEAR = String.raw`ERROR 42000: You have an error in your SQL syntax; .* near '`;

export const EXCEPTIONS: readonly MtrException[] = [
  row(
    '*',
    CHARSET,
    String.raw`\+failed: mysqltest: (?:.*\n)*?.*query '(?:set names|SET NAMES) '?(?:${CHARSETS})'?' ${UNREADABLE}`,
  ),
  row(
    'main/ctype_ucs',
    'the server refuses it, too, with an error of its own',
    String.raw`\+failed: .*query 'set names ucs2' failed with wrong errno ER_NOT_SUPPORTED_YET .*\n`,
  ),
  row(
    'suite/sys_vars/t/character_set_client_basic',
    CHARSET,
    String.raw`\+failed: .* query 'SET @@character_set_client = big5' ${UNREADABLE}`,
  ),

  row(
    '*',
    OWN_WORDS,
    String.raw`(?:-.*\n)+?\+ERROR 42000: .* Holdpoint could not read the statement\. It did not run\.\n`,
  ),

  row('main/comments', BLANKED, String.raw`-1\+2/\*hello\*/\+3\n\+1\+2         \+3\n`),
  row('main/sp', BLANKED, String.raw`-/\* real comment \*/\n\+ +\n`),
  row('main/sp', BLANKED, String.raw`-(.*select 1) /\* testing \*/(.*)\n\+\1\2\n`),
  row('main/trigger-trans', BLANKED, String.raw`-get_lock\(.*, /\* .* \*/ 0\)\n\+get_lock\(.*, {30,}0\)\n`),
  row('suite/json/t/json_no_table', BLANKED, String.raw`-(json_unquote\()+ *# .*\n\+(json_unquote\()+ +\n`),
  row('suite/compat/oracle/t/sp-package', BLANKED, String.raw`-${NEAR}.*-- .*\n\+${NEAR}.* {20,}\n`),

  row('main/huge_frm-6224', LIMIT, String.raw`\+failed: .*'the statement is longer than 1048576 bytes\. [^]*`),
  row('main/parser_stack', LIMIT, String.raw`\+failed: .*more than 10000 findings in one message\. [^]*`),

  row('main/status2', COUNTED, String.raw`-Questions\t\d+\n\+Questions\t\d+\n`),
  row('main/reset_connection', COUNTED, String.raw`-Com_select\t0\n\+Com_select\t\d\n`),
  row(
    'main/nested_profiling',
    COUNTED,
    String.raw`-3\t#\tSELECT @a, @b\n(?:\+\d\t#\tSET S.*\n)+\+\d\t#\tSELECT @a, @b\n`,
  ),
  ...['main/sp', 'main/sp-vars', 'suite/funcs_1/t/storedproc'].map((file) =>
    row(file, ROW_LEFT, String.raw`-(.*) at row 0\n\+\1 at row 1\n`),
  ),

  row('suite/sys_vars/t/session_track_system_variables_basic', TRACKED, TRACKED_LINES),
  row('suite/sys_vars/t/session_track_system_variables_example', TRACKED, TRACKED_LINES),
  row(
    'suite/sys_vars/t/port_basic',
    'the port that clients know is not that of the server',
    String.raw`-(port\t)?MASTER_MYPORT\n\+\1\d+\n`.replaceAll('port', '[Pp][Oo][Rr][Tt]'),
  ),

  {
    ...row(
      'main/statistics',
      'MariaDB works out the user variables of a DEFAULT for the session that opens the table first, which may be the one that reads the catalog',
      String.raw`-(?:\d\.\d+,?)+\n\+NULL\n`,
    ),
    only: 'catalog',
  },
  {
    ...row(
      'suite/sys_vars/t/wait_timeout_func',
      "the connection that reads the catalog is one more in the server's list",
      String.raw`\+(?:Timeout in wait_condition\.inc .*\n(?:\+.*\n)+|NULL\n)`,
    ),
    only: 'catalog',
  },

  row(
    'main/mdev375',
    'an error before the greeting has no SQLSTATE; Holdpoint tells it after the login, with one',
    String.raw`-ERROR HY000: (Too many connections)\n\+ERROR 08004: \1\n`,
  ),
  ...['main/bad_user_table', 'main/system_mysql_db_507'].map((file) =>
    row(file, LOGIN, String.raw`\+failed: .*'the database server refused the gateway's login', instead of .*\n`),
  ),
  ...[
    'suite/innodb/t/innodb_bug51920',
    'main/transaction_timeout',
    'main/kill',
    'suite/sys_vars/t/completion_type_func',
  ].map((file) => row(file, LOST, CLOSED)),
  { ...row('main/lock_kill', LOST, CLOSED), sometimes: true },
];
