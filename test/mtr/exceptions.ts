// Where a file may answer otherwise through the gateway than directly, and why. A row that matches nothing fails the proof at its full size.
// A file that fails through the gateway stops there: what comes after is not compared.
import { type Exception, row } from '../regress/exceptions.ts';

const CHARSETS = 'big5|cp932|euckr|gb2312|gbk|sjis|swe7';
const CHARSET =
  'by design: a session whose statements are in a character set that can hide a quote, or is not known, does not go on';
const UNREADABLE = String.raw`failed: ER_NOT_SUPPORTED_YET \(1235\): character_set_client must be one that Holdpoint can read statements in\. .*\n`;
const BLANKED =
  "by design: comments are blanks in what goes on, and a column's name or an error's text shows the statement";
const OWN_WORDS =
  'what Holdpoint cannot read is refused with the number and SQLSTATE of a syntax error, in its own words';
const LIMIT = 'over a limit of Holdpoint, which can be raised or is its own bound';
const COUNTED = "the server counts Holdpoint's own questions in a session's Questions, Com_select and the like";
const ROW_LEFT =
  "a warning outside of rows names the row that the statement before was at, which may be a question of Holdpoint's own";
const LOST = 'a connection that the server closes is told so with an error of its own, where the server says nothing';
const NEAR = String.raw`ERROR 42000: You have an error in your SQL syntax; .* near '`;

export const EXCEPTIONS: readonly Exception[] = [
  row(
    '*',
    CHARSET,
    String.raw`\+failed: mysqltest: (?:.*\n)*?.*query '(?:set names|SET NAMES) '?(?:${CHARSETS})'?' ${UNREADABLE}`,
  ),
  row(
    'main/mysqltest_tracking_info',
    CHARSET,
    String.raw`\+failed: .* query 'set @save_optimizer_switch=.*' ${UNREADABLE}`,
  ),

  row(
    '*',
    OWN_WORDS,
    String.raw`(?:-.*\n)+?\+ERROR 42000: .* Holdpoint could not read the statement\. It did not run\.\n`,
  ),

  row('main/comments', BLANKED, String.raw`-1\+2/\*hello\*/\+3\n\+1\+2         \+3\n`),
  row('main/trigger-trans', BLANKED, String.raw`-get_lock\(.*, /\* .* \*/ 0\)\n\+get_lock\(.*, {30,}0\)\n`),
  row('suite/json/t/json_no_table', BLANKED, String.raw`-(json_unquote\()+ *# .*\n\+(json_unquote\()+ +\n`),
  row('suite/compat/oracle/t/sp-package', BLANKED, String.raw`-${NEAR}.*-- .*\n\+${NEAR}.* {20,}\n`),

  row('main/huge_frm-6224', LIMIT, String.raw`\+failed: .*'the statement is longer than 1048576 bytes\. [^]*`),
  row('main/parser_stack', LIMIT, String.raw`\+failed: .*more than 10000 findings in one message\. [^]*`),

  row('main/status2', COUNTED, String.raw`-Questions\t\d+\n\+Questions\t\d+\n`),
  row('main/reset_connection', COUNTED, String.raw`-Com_select\t0\n\+Com_select\t\d\n`),
  row('main/sp-vars', ROW_LEFT, String.raw`-(.*) at row 0\n\+\1 at row 1\n`),

  row(
    'main/mdev375',
    'an error before the greeting has no SQLSTATE; Holdpoint tells it after the login, with one',
    String.raw`-ERROR HY000: (Too many connections)\n\+ERROR 08004: \1\n`,
  ),
  row(
    'suite/innodb/t/innodb_bug51920',
    LOST,
    String.raw`\+failed: .*'the database server closed the connection', instead of .*\n`,
  ),
  row(
    'main/transaction_timeout',
    LOST,
    String.raw`\+failed: .*'the database server closed the connection', instead of .*\n`,
  ),
];
