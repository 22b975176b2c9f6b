// The settings that decide what a statement means, re-read from the server itself whenever they may have changed.
// Reading uses SHOW through the extended protocol under a name of our own: it takes no snapshot, works in mid-pipeline
// and leaves the client's unnamed statement alone. A SELECT would break the client's SET TRANSACTION.
import { bind, closePortal, closeStatement, execute, parse } from '../../wire/postgres/messages.ts';
import { type Op, OWN_BIND, OWN_CLOSE, OWN_EXECUTE, OWN_PARSE } from './replies.ts';

const OWN_NAME = '_holdpoint';

/** What is asked, in order. The first three resolve names, the next two must never change, the rest end connections. */
const SHOWS: readonly { readonly name: string; readonly since: number }[] = [
  { name: 'search_path', since: 0 },
  { name: 'role', since: 0 },
  { name: 'session_authorization', since: 0 },
  { name: 'standard_conforming_strings', since: 0 },
  { name: 'client_encoding', since: 0 },
  { name: 'idle_in_transaction_session_timeout', since: 0 },
  { name: 'idle_session_timeout', since: 0 },
  { name: 'transaction_timeout', since: 17 },
];

/** Names that SQL PREPARE made, as a JSON array; without an operator or a type that search_path could replace. */
const SQL_NAMES = 'SELECT pg_catalog.json_agg(name) FROM pg_catalog.pg_prepared_statements WHERE from_sql';

/** Is there a schema that "$user" in search_path stands for (t or f)? And the one for temporary objects that the backend has already, 0 for none. */
const USER_SCHEMA =
  'SELECT pg_catalog.concat(pg_catalog.to_regnamespace(pg_catalog.quote_ident(current_user)) IS NOT NULL, pg_catalog.pg_my_temp_schema())';

/** What takes a snapshot, so that it is asked only where that harms no SET TRANSACTION: after code ran, and before the client is served. */
const QUERIES = { none: [], 'sql-names': [SQL_NAMES], 'user-schema': [USER_SCHEMA] } as const;
export type Asked = keyof typeof QUERIES;

/** Our query waits no longer for a lock that somebody took after the query had looked for it. */
const LOCK_MS = 500;
/** For our query alone. To compile it takes longer than to run it. */
const SETTINGS = { statement_timeout: '0', lock_timeout: `${LOCK_MS}ms`, jit: 'off' };

/** A query for which the client's settings do not count; its answer is the middle one. That before it is the transaction's isolation. */
const undisturbed = (sql: string): readonly string[] => [
  `SELECT pg_catalog.current_setting('transaction_isolation'), ${Object.entries(SETTINGS)
    .map(
      ([name, value]) =>
        `pg_catalog.set_config('holdpoint.${name}', pg_catalog.current_setting('${name}'), true), pg_catalog.set_config('${name}', '${value}', true)`,
    )
    .join(', ')}`,
  sql,
  `SELECT ${Object.keys(SETTINGS)
    .map((name) => `pg_catalog.set_config('${name}', pg_catalog.current_setting('holdpoint.${name}'), true)`)
    .join(', ')}`,
];

/** In a block, locks that queries take stay to its end, but those of a savepoint that is rolled back. */
const TAKEN_BACK = ['ROLLBACK TO SAVEPOINT _holdpoint', 'RELEASE SAVEPOINT _holdpoint'];
const unlocked = (queries: readonly string[]): readonly string[] => ['SAVEPOINT _holdpoint', ...queries, ...TAKEN_BACK];

export interface Reading {
  /** The settings that are asked; after them come the answers of queries: the one that `asked` names, and the catalog's. */
  readonly names: readonly string[];
  /** How many answers there are before the catalog's. */
  readonly before: number;
  /** The messages; the caller adds Flush or Sync. */
  readonly bytes: Buffer;
  /** What each of them is, for the replies to come. */
  readonly ops: readonly Op[];
}

const readings = new Map<string, Reading>();

/** The server keeps a portal when its statement is closed, whatever the manual says. */
const CLOSE: readonly (readonly [Op, Buffer])[] = [
  [OWN_CLOSE, closePortal(OWN_NAME)],
  [OWN_CLOSE, closeStatement(OWN_NAME)],
];

/** The conversation for a server of this major version. catalog: what is asked besides; null: nothing. */
export const reading = (serverVersion: number, asked: Asked, catalog: string | null, inBlock = false): Reading => {
  if (catalog !== null)
    return made(serverVersion, asked, inBlock ? unlocked(undisturbed(catalog)) : undisturbed(catalog));
  const key = `${serverVersion} ${asked}`;
  const known = readings.get(key) ?? made(serverVersion, asked);
  readings.set(key, known);
  return known;
};

/** After a question that failed within its savepoint. */
export const takingBack = (): Pick<Reading, 'bytes' | 'ops'> => conversation(TAKEN_BACK);

const made = (serverVersion: number, asked: Asked, more: readonly string[] = []): Reading => {
  const names = SHOWS.filter((show) => serverVersion >= show.since).map((show) => show.name);
  const first = [...names.map((name) => `SHOW ${name}`), ...QUERIES[asked]];
  return { names, before: first.length, ...conversation([...first, ...more]) };
};

const conversation = (queries: readonly string[]): Pick<Reading, 'bytes' | 'ops'> => {
  const messages: (readonly [Op, Buffer])[] = [];
  for (const sql of queries)
    messages.push(
      // Before, too: a client may have taken the name.
      ...CLOSE,
      [OWN_PARSE, parse(OWN_NAME, sql)],
      [OWN_BIND, bind(OWN_NAME, OWN_NAME)],
      [OWN_EXECUTE, execute(OWN_NAME)],
    );
  messages.push(...CLOSE);
  return { bytes: Buffer.concat(messages.map(([, bytes]) => bytes)), ops: messages.map(([op]) => op) };
};

const UNITS: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time setting as SHOW prints it, in ms; null: switched off. */
export const readTimeout = (text: string): number | null => {
  const match = /^(\d+)(ms|s|min|h|d)?$/.exec(text);
  const ms = match ? Number(match[1]) * (UNITS[match[2] ?? ''] as number) : 0;
  return ms > 0 ? ms : null;
};

/** The least of the given times, null for none. */
export const least = (...times: readonly (number | null)[]): number | null => {
  const set = times.filter((time) => time !== null);
  return set.length === 0 ? null : Math.min(...set);
};
