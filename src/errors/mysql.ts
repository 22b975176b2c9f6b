// The catalogue's words for a MySQL client: one line in an ERR packet, the most important words first. Must never tell a client of MySQL what
// is true of PostgreSQL alone: a failed transaction, a quoted setting, an SQLSTATE of class ZH.
import type { WireText } from './catalogue.ts';
import { cutBytes } from './text.ts';

/** What an ERR packet carries. */
export interface MysqlError {
  readonly errno: number;
  readonly sqlstate: string;
  readonly message: string;
}

/** Bytes of UTF-8 that a client shows of an error's text (MYSQL_ERRMSG_SIZE). */
export const ERROR_BYTES_MAX = 512;
/** That the facts get beside what is and what to do, when those are long. */
const DETAIL_BYTES_MIN = 80;

/** errno and SQLSTATE for an SQLSTATE of the catalogue; class ZH is 1644. */
export const ERRORS: Readonly<Record<string, readonly [number, string]>> = {
  '42501': [1227, '42000'],
  ZH: [1644, '45000'],
  '57014': [1317, '70100'],
  '42601': [1064, '42000'],
  '0A000': [1235, '42000'],
  '54000': [1226, '42000'],
  '22023': [1231, '42000'],
  '08P01': [1835, 'HY000'],
  '28P01': [1045, '28000'],
  '28000': [1045, '28000'],
  '53300': [1040, '08004'],
  '08001': [1429, 'HY000'],
  '08004': [1429, 'HY000'],
  '08006': [1159, '08S01'],
  '57P01': [1053, '08S01'],
  '57P03': [1053, '08S01'],
};
const ANY_ERROR: readonly [number, string] = [1105, 'HY000'];

/** What PostgreSQL's clients are told, and MySQL's instead. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/SHOW holdpoint\.request\."([^"]*)";?/g, "SHOW HOLDPOINT REQUEST '$1'."],
  [/SHOW holdpoint\.requests;?/g, 'SHOW HOLDPOINT REQUESTS.'],
  [/SET holdpoint\.reason = ('[^']*');?/g, 'SET @holdpoint_reason = $1'],
  [/\bholdpoint\.(reason|hold|break_glass)\b/g, '@holdpoint_$1'],
  [/(SELECT holdpoint\.\w+\('[^']*', '[^']*'\));/g, '$1.'],
  [/ ?The transaction is failed: ROLLBACK before you go on\./g, ' Your transaction is still open.'],
  [/ ?You were in a transaction: it is failed, ROLLBACK it\./g, ' Your transaction is still open.'],
  [/error ZH00\d/g, 'error 1644'],
  // One line must hold all of it.
  [/The request stays open until/g, 'Open until'],
  [/: a changed statement is a new request/g, ''],
  [/Connections do not wait for this\. /g, ''],
];

/** The text as an ERR packet tells it. */
export function mysqlError(text: WireText): MysqlError {
  const [errno, sqlstate] = ERRORS[text.sqlstate] ?? ERRORS[text.sqlstate.slice(0, 2)] ?? ANY_ERROR;
  const [message, detail, hint] = [text.message, text.detail ?? '', text.hint ?? ''].map(inWords) as [
    string,
    string,
    string,
  ];
  const head = (detail === '' && hint === '') || message.endsWith('.') ? message : `${message}.`;
  const room = ERROR_BYTES_MAX - bytesOf(head) - bytesOf(hint) - 2;
  const facts = cutFacts(detail, Math.max(room, Math.min(DETAIL_BYTES_MIN, bytesOf(detail))));
  return { errno, sqlstate, message: cutBytes([head, facts, hint].filter(Boolean).join(' '), ERROR_BYTES_MAX) };
}

/** Whole sentences, where they are most of what fits. */
const cutFacts = (detail: string, bytes_max: number): string => {
  const cut = cutBytes(detail, bytes_max);
  const end = cut.lastIndexOf('. ') + 1;
  return cut === detail || end < cut.length / 2 ? cut : cut.slice(0, end);
};

const bytesOf = (text: string): number => Buffer.byteLength(text);

const inWords = (text: string): string =>
  WORDS.reduce((said, [postgres, mysql]) => said.replace(postgres, mysql), text).trim();
