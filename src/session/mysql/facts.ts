// The facts that decide what a statement means, as the server has them: what it is asked, in which words, and what it tells unasked.
// The questions must be understood under every sql_mode and character set that a session may have.
import { COM } from '../../wire/mysql/commands.ts';
import { packets } from '../../wire/mysql/frame.ts';
import { command } from '../../wire/mysql/messages.ts';

/** System variables whose changes the server must tell, whatever it tells besides. */
export const TRACKED = ['sql_mode', 'character_set_client', 'session_track_system_variables'];
const LIST = '@@session.session_track_system_variables';

/**
 * Texts that ask nothing but what the statement before left behind: its warnings, counts and ids, which a question of ours would take away.
 * Of these very words, they mean the same whatever the session's facts are.
 */
export const readsDiagnostics = (text: string): boolean => text.length <= DIAGNOSTICS_MAX && DIAGNOSTICS.test(text);

/** Bytes of such a text: on a long one the expression would take its time. */
const DIAGNOSTICS_MAX = 200;
const LEFT =
  '(?:(?:row_count|found_rows|last_insert_id)\\(\\)|@@(?:(?:session|local)\\.)?(?:warning_count|error_count|identity|last_insert_id))';
const NAMED = `${LEFT}(?:\\s+(?:as\\s+)?\\w+)?`;
const DIAGNOSTICS = new RegExp(
  `^\\s*(?:${[
    `select\\s+${NAMED}(?:\\s*,\\s*${NAMED})*`,
    `set\\s+@\\w+\\s*:?=\\s*${LEFT}`,
    'show\\s+(?:count\\(\\*\\)\\s+)?(?:warnings|errors)(?:\\s+limit\\s+\\d+(?:\\s*,\\s*\\d+)?)?',
    'get\\s+(?:current\\s+)?diagnostics\\s[\\w@=,\\s]+',
  ].join('|')})\\s*;?\\s*$`,
  'i',
);

/** A client, or the server's configuration, may have more on the list; MySQL takes no name twice. */
const TRACK =
  `SET SESSION session_track_system_variables = IF(${LIST} = '*', '*', CONCAT_WS(',', NULLIF(${LIST}, ''), ` +
  `${TRACKED.map((name) => `IF(FIND_IN_SET('${name}', ${LIST}), NULL, '${name}')`).join(', ')})), session_track_schema = 1`;
const TRACK_MYSQL = `${TRACK}, session_track_transaction_info = 'STATE'`;

/** In binary: character_set_results has no say. LIMIT: nor has sql_select_limit. */
const asked = (columns: readonly string[]): string =>
  `SELECT ${columns.map((column) => `CAST(${column} AS BINARY)`).join(', ')} LIMIT 1`;

const COLUMNS = [
  '@@session.sql_mode',
  '@@session.character_set_client',
  'DATABASE()',
  'CURRENT_ROLE()',
  '@@session.wait_timeout',
  LIST,
] as const;
/** MariaDB alone: the trace of the optimizer stays that of the client's statement. A number, which no character set changes. */
const UNTRACED = 'SET STATEMENT optimizer_trace = 0 FOR';
/** MariaDB alone: seconds that a transaction may be idle, 0 for any. */
const IDLE_IN_TRANSACTION = [
  '@@session.idle_transaction_timeout',
  '@@session.idle_readonly_transaction_timeout',
  '@@session.idle_write_transaction_timeout',
] as const;

export interface Read {
  readonly sql_mode: string;
  readonly charset: string;
  readonly database: string | null;
  readonly role: string;
  /** ms after which the server ends a connection that is silent, and one in a transaction; null: never. */
  readonly idle_ms: number | null;
  readonly idle_in_transaction_ms: number | null;
  /** The server still tells what it was told to tell. */
  readonly tracks: boolean;
}

const query = (text: string): Buffer => packets(0, command(COM.QUERY, text));

const QUESTIONS = {
  mysql: { track: query(TRACK_MYSQL), read: query(asked(COLUMNS)) },
  mariadb: { track: query(TRACK), read: query(`${UNTRACED} ${asked([...COLUMNS, ...IDLE_IN_TRANSACTION])}`) },
} as const;

/** The commands, each of which is answered by one reply; the row that tells is the last one's. With query attributes they have none. */
export const questions = (engine: 'mysql' | 'mariadb', track: boolean, attributes: boolean): readonly Buffer[] => {
  const { track: set, read } = QUESTIONS[engine];
  const all = track ? [set, read] : [read];
  return attributes ? all.map(withoutAttributes) : all;
};

/** A count of no values, and of one set of them, stand before the text. */
const withoutAttributes = (framed: Buffer): Buffer =>
  packets(0, Buffer.concat([framed.subarray(4, 5), Buffer.of(0, 1), framed.subarray(5)]));

/** What the row says; null: it is not the answer. */
export const readFacts = (values: readonly (string | null)[]): Read | null => {
  const [sql_mode, charset, database, role, wait, tracked, ...idle] = values;
  if (sql_mode === undefined || sql_mode === null || !charset || database === undefined || role === undefined)
    return null;
  return {
    sql_mode,
    charset: charset.toLowerCase(),
    database,
    role: role === null || role === 'NONE' ? '' : role,
    idle_ms: least([wait ?? null]),
    idle_in_transaction_ms: least([wait ?? null, ...idle]),
    tracks: tracked === '*' || TRACKED.every((name) => (tracked ?? '').split(',').includes(name)),
  };
};

const least = (seconds: readonly (string | null)[]): number | null => {
  const set = seconds.map((text) => Number(text ?? 0) * 1000).filter((ms) => ms > 0);
  return set.length === 0 ? null : Math.min(...set);
};
