// What an analysis of SQL text says, in words that both engines share. Types, and what is plain from them: every layer above reads these.
// An analysis is plain data (it crosses a worker thread) and is immutable once returned (it is cached and shared).

import type { CatalogSnapshot } from './catalog.ts';

export const ACTIONS = [
  'read',
  'write',
  'ddl',
  'grant',
  'role',
  'export',
  'import',
  'code',
  'admin',
  'settings',
  'transaction',
  'unknown',
] as const;
export type Action = (typeof ACTIONS)[number];

/** One fact found in a statement: an action on an object, why, and where in the text as received. */
export interface Finding {
  readonly action: Action;
  /** `schema.name` as the server resolves it, a function, a setting, a role; as written where it can't be resolved; '' for none. */
  readonly object: string;
  /** One plain sentence for a reviewer. Never holds a literal of the statement. */
  readonly why: string;
  /** Index of the statement inside the message, from 0. */
  readonly statement: number;
  /** Half-open byte range in the text as received. */
  readonly start: number;
  readonly end: number;
  /** The name could not be resolved to a row of our tables (for example a function that is not built in). */
  readonly unresolved?: true;
}

/** How a statement, if it succeeds, changes what the session knows. In the order of the text. */
export type Effect =
  /** SET, RESET, set_config with a constant. value: the text; null: back to the session's start value; undefined: not a constant. */
  | {
      readonly type: 'set';
      readonly name: string;
      readonly value: string | null | undefined;
      readonly local: boolean;
      readonly statement: number;
    }
  /** RESET ALL, DISCARD ALL. */
  | { readonly type: 'reset-all'; readonly statement: number }
  | {
      readonly type: 'transaction';
      readonly op: 'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'rollback-to' | 'prepare-transaction';
      readonly statement: number;
    }
  /** SQL PREPARE name AS ...: the inner statement's own analysis, to be merged at EXECUTE. */
  | { readonly type: 'prepare'; readonly name: string; readonly inner: Analysis; readonly statement: number }
  /** DEALLOCATE name, or ALL (null). */
  | { readonly type: 'deallocate'; readonly name: string | null; readonly statement: number }
  /** The session's facts can't be told from the text afterwards: DO, CALL, a function that is not on the safe list. */
  | { readonly type: 'unknown'; readonly statement: number };

/** May the role be another after this? RESET ALL leaves it alone, and DISCARD ALL runs in no batch. */
export function changesRole(effect: Effect): boolean {
  return effect.type === 'unknown' || setsRole(effect);
}

/** May names mean something else after this, or the role be another? */
export function changesFacts(effect: Effect): boolean {
  return changesRole(effect) || effect.type === 'reset-all' || (effect.type === 'set' && FACTS.has(effect.name));
}

/** Settings that decide how texts and names are read: PostgreSQL's; MySQL's and MariaDB's, and what the server tells of them unasked. */
const FACTS: ReadonlySet<string> = new Set([
  'search_path',
  'database',
  'sql_mode',
  'character_set_client',
  'session_track_system_variables',
  'session_track_schema',
]);

export function setsRole(effect: Effect): boolean {
  return effect.type === 'set' && (effect.name === 'role' || effect.name === 'session_authorization');
}

/** What an agent tells Holdpoint: why it asks, how long it waits, and that it can't wait. */
export type OwnSetting = 'reason' | 'hold' | 'break_glass';
/** What it says on a request, and asking before it sends: holdpoint.answer(id, text), withdraw(id, reason), request_approval(sql, reason). */
export type OwnFunction = 'answer' | 'withdraw' | 'request_approval';

/** A statement addressed to Holdpoint itself; never forwarded, blanked out of `forward`. */
export type OwnStatement =
  | { readonly op: 'set'; readonly name: OwnSetting; readonly value: string; readonly statement: number }
  | { readonly op: 'reset'; readonly name: OwnSetting; readonly statement: number }
  /** SELECT set_config('holdpoint.reason', <literal or $n>, ...), SET @holdpoint_reason = ?: the literal, or the 1-based parameter number. */
  | {
      readonly op: 'set_config';
      readonly name: OwnSetting;
      readonly value: string | number;
      readonly statement: number;
    }
  | { readonly op: 'show-requests'; readonly statement: number }
  | { readonly op: 'show-request'; readonly id: string; readonly statement: number }
  | { readonly op: 'show-setting'; readonly name: OwnSetting; readonly statement: number }
  /** SELECT holdpoint.answer('...', $1): literals, or 1-based numbers of parameters. */
  | {
      readonly op: 'call';
      readonly name: OwnFunction;
      readonly arguments: readonly (string | number)[];
      readonly statement: number;
    };

export interface StatementFacts {
  /** The command tag's words as the manual prints them: 'SELECT', 'COPY', 'CREATE TABLE', 'SET' ... */
  readonly kind: string;
  /** Half-open byte range in the text as received. */
  readonly start: number;
  readonly end: number;
  /** UPDATE or DELETE (also inside a CTE) without WHERE, TRUNCATE: every row of a table. */
  readonly writes_all_rows: boolean;
  /** An aggregate that keeps its inputs (json_agg, string_agg, array_agg, xmlagg ...) over a relation. */
  readonly folds_rows: boolean;
  /** Its text, or a WITH query of it, changes rows and returns them: RETURNING. */
  readonly returns_written: boolean;
  /** Changes rows by functions that it calls, which its text does not show. */
  readonly hidden_writes: boolean;
  /** Most rows that it can return, as its text alone tells: 0: none; null: the text does not tell. */
  readonly rows_max: number | null;
  /** The cursor that it opens, takes rows from or closes; null: none. */
  readonly cursor: Cursor | null;
  /** COPY ... FROM STDIN, LOAD DATA LOCAL: the client will send data. */
  readonly copy_in: boolean;
  /** BEGIN, COMMIT, ROLLBACK, SAVEPOINT ... and nothing else: what a failed transaction block lets through. */
  readonly transaction_control: boolean;
  /** Parsing it on the server runs no input function of a literal (utility statement, or no string literal in it). */
  readonly parse_is_harmless: boolean;
  /** MySQL: it ends an open transaction before it does anything, as DDL does. Absent: no. */
  readonly commits?: true;
}

/** `name` null: every cursor. `holds`: it outlives its transaction. */
export interface Cursor {
  readonly op: 'open' | 'fetch' | 'close';
  readonly name: string | null;
  readonly holds: boolean;
}

/** Stands in a shape for what may be a literal or not. Many such texts have one shape. */
export const SHAPE_HIDDEN = '[hidden]';

export interface Analysis {
  readonly statements: readonly StatementFacts[];
  readonly findings: readonly Finding[];
  /** Sorted, distinct. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** Sorted, distinct, `pg_catalog.name` for built-ins, as written otherwise. */
  readonly functions: readonly string[];
  /** The bodies that it goes through, as bodies.ts has them. Sorted, distinct. Absent: none, or there was no catalog to look into. */
  readonly bodies?: readonly string[];
  readonly effects: readonly Effect[];
  readonly own: readonly OwnStatement[];
  /** The text to forward instead of the one received: same length in bytes, comments and own statements blanked. latin1. Null: forward as received. */
  readonly forward: string | null;
  /** Error positions count characters: [position in forward from which on, characters to take off], ascending. Empty: nothing to correct. */
  readonly position_shift: readonly (readonly [number, number])[];
  /** Redacted normal form: one line, comments out, every literal a `?`; for the log and for lists. At most 4 KiB. */
  readonly shape: string;
  /** The agent's own words from a `reason: ...` comment. Null: none. */
  readonly reason: string | null;
  /** The result depends on names prepared or declared earlier in the session: not to be cached by text alone. */
  readonly session_bound: boolean;
  /** The search_path (as text; null: unknown) that unqualified names were resolved under. Absent: no name depended on it. */
  readonly search_path?: string | null;
  /** Code that users made may run: functions, operators, casts, checks. Absent: none, or there was no catalog to look into. */
  readonly user_code?: true;
  /** For the statements that follow, names may mean other objects: temporary ones of this session (or what they hid, if there were any), or any. Absent: they do not. */
  readonly changes_catalog?: 'temporary' | 'temporary-gone' | 'any';
  /** MySQL: what becomes of the session's temporary tables if it succeeds, in the order of the text. Absent: nothing. */
  readonly temporary?: readonly TemporaryChange[];
  /** The catalog that names were looked up in. Absent: none. */
  readonly catalog?: number;
  /** A name is not in that catalog: it does not exist, or not yet. Absent: each is. */
  readonly missing?: true;
  /** Of a prepared statement: the text of its PREPARE, or that of its Parse, latin1. */
  readonly prepared_by?: string;
  /** Of a prepared statement: the role or the search_path is another one than when it was judged. Absent: neither. */
  readonly elsewhere?: true;
  /** Of a prepared statement: AnalysisContext.planned_before. */
  readonly planned_before?: readonly string[];
  /** Of a text in a literal, MySQL: the rules that it was read under; under others it may be another text. Absent: it was read under all. */
  readonly read_under?: string;
  /** Set when the text does not parse (or is refused before parsing); then `statements` is empty. */
  readonly error: AnalysisError | null;
}

/** `table`: its database, NUL, its name; null: any that there are. */
export interface TemporaryChange {
  readonly op: 'made' | 'gone';
  readonly table: string | null;
}

export interface AnalysisError {
  readonly sqlstate: string;
  readonly message: string;
  /** 1-based, in characters of the text as received, as PostgreSQL's P field; 0: none. */
  readonly position: number;
}

/** What analysis must know of the session to resolve names. */
export interface AnalysisContext {
  /** Major version of the server: 15, 16, 17, 18. */
  readonly server_version: number;
  readonly database: string;
  /** Effective role, for "$user". */
  readonly role: string;
  /** The role that the session began with, which RESET ROLE goes back to. Absent: not known. */
  readonly role_start?: string | undefined;
  /** The role that NONE stands for: another one where the login is given a role when it connects. Absent: not known. */
  readonly role_none?: string | undefined;
  /** The setting's text; null while unknown: then every name is unresolved. */
  readonly search_path: string | null;
  /** What RESET search_path goes back to. Absent: not known, so that names after a RESET in the same message are unresolved. */
  readonly search_path_start?: string | null;
  /** The search_path in force may have been set in the open transaction: its end may take it back. Absent: no. */
  readonly search_path_is_local?: boolean;
  /** The database's own catalog, to look names up in. Null or absent: none. */
  readonly catalog?: CatalogSnapshot | null;
  /** The catalog is what this session alone sees: the end of its transaction may take it back. Absent: no. */
  readonly catalog_is_own?: boolean;
  /**
   * Temporary relations that are younger than the server's plan of this text may be. A plan stays as it is when a nearer name comes up, so
   * these names mean either. Absent: none.
   */
  readonly planned_before?: readonly string[];
  /** Where the catalog is this session's own: what others see, which an open transaction may not. Null or absent: not known. */
  readonly committed?: CatalogSnapshot | null;
  /** There should be a catalog, and it can't be read. Absent: no. */
  readonly blind?: boolean;
  /** Is there a schema of the role's name, which "$user" stands for? Absent: none. */
  readonly user_schema?: 'there' | 'none' | 'perhaps';
  /**
   * What FETCH may meet in the open transaction. `runs_code`: a cursor whose query changes settings or can't be read. `runs_late`: a portal of
   * the protocol that looks its names up when rows are first taken. Absent: neither.
   */
  readonly portals?: { readonly runs_code: boolean; readonly runs_late: boolean };
  /**
   * Analyses of statements prepared by SQL PREPARE or by the protocol under a name; for EXECUTE. Null: there is none, and the
   * server will say so. 'utility': a statement of the protocol whose effects are not those of EXECUTE. Undefined: it can't be told.
   */
  readonly prepared: (name: string) => Analysis | 'utility' | null | undefined;
}
