// What a held statement would touch, in numbers, for its reviewer: the question, the answer, and the port that upstream implements.
// Types, and the order of lock modes. An estimate decides nothing: no verdict, no digest and no release looks at it.

/** One statement of the message, as far as the database may be asked about it. */
export interface AskedStatement {
  /** Index inside the message, from 0. */
  readonly statement: number;
  /** What EXPLAIN is asked of it, latin1: the statement, or the query in it. Null: nothing that EXPLAIN takes. */
  readonly explain: string | null;
  /** It takes, adds or removes whole tables: table statistics tell its rows, where a plan does not. */
  readonly whole: RowsImpact['does'] | null;
  /** The strongest lock it takes on what it names as its target; null: not known. */
  readonly lock: LockMode | null;
  /** The relation that the rows of `explain` go into (CREATE TABLE AS); null: they are returned. */
  readonly into: string | null;
  /** Most rows that it returns, as its text tells; null: it does not. */
  readonly rows_max: number | null;
  /** Relations it has for a target, and those it reads, as the analysis names them: `schema.name`. */
  readonly targets: readonly string[];
  readonly reads: readonly string[];
}

export interface ImpactQuestion {
  readonly database: string;
  /** The session's effective role and search_path; '' and null where they are not known. */
  readonly role: string;
  readonly search_path: string | null;
  /** The session's backend: it does not count among those that use a table. */
  readonly server_pid: number;
  readonly statements: readonly AskedStatement[];
  /** Every identifier in the text as the server folds it, and every operator: code with such a name is in reach. */
  readonly identifiers: readonly string[];
  /** Those of them that may call a function: before a parenthesis, or after a dot (`row.attr`). */
  readonly calls: readonly string[];
  readonly operators: readonly string[];
  /** The highest $n in the text, and the values that are known so far. */
  readonly parameters_named: number;
  readonly parameters: readonly { readonly type: string; readonly value: string | null }[];
  /** Why the server must not plan it, completing "Cannot be estimated: ..."; null: nothing in the text speaks against it. */
  readonly unplannable: string | null;
}

/** The same of a text of MySQL or MariaDB. */
export interface MysqlImpactQuestion {
  /** The session's current one; null: none. */
  readonly database: string | null;
  /** What decides how the text is read. Null: not known. */
  readonly sql_mode: string | null;
  readonly charset: string;
  /** The session's thread: it does not count among those that use a table. */
  readonly server_pid: number;
  readonly statements: readonly AskedStatement[];
  /** What lies behind views was looked up: a view runs no function that is not known. */
  readonly sees_views: boolean;
  /** Why the server must not plan it, completing "Cannot be estimated: ..."; null: nothing in the text speaks against it. */
  readonly unplannable: string | null;
}

export interface RowsImpact {
  readonly statement: number;
  readonly does: 'returns' | 'inserts' | 'updates' | 'deletes' | 'merges';
  /** The relation written; '' for what is returned. */
  readonly object: string;
  readonly rows: number;
  /** Of the rows returned, as the planner thinks they are wide; null: not known. */
  readonly bytes: number | null;
  /** The planner's estimate, or what the last ANALYZE or VACUUM counted. */
  readonly from: 'plan' | 'statistics';
}

export interface TableImpact {
  /** `schema.name`, quoted where it must be. */
  readonly name: string;
  /** In it at the last ANALYZE or VACUUM; null: never counted, or not a table. */
  readonly rows: number | null;
  /** With indexes and TOAST; null: not a table, or locked by somebody. */
  readonly bytes: number | null;
  /** How the plan reads it: names of indexes, and '' for the whole table. Empty: it does not, or there is no plan. */
  readonly by: readonly string[];
  readonly lock: LockMode | null;
  /** Other sessions that hold or await a lock on it now, and whose they are (at most 3 names). */
  readonly sessions: number;
  readonly users: readonly string[];
  /** Enabled triggers, where it is written. */
  readonly triggers: readonly string[];
}

export interface Impact {
  readonly rows: readonly RowsImpact[];
  readonly tables: readonly TableImpact[];
  /** Whole sentences: what could not be told, and why. Never a value of the statement. */
  readonly notes: readonly string[];
}

/** Looks, from a connection of its own. Runs nothing of the statement and none of the database's code. */
export interface Planner<Q> {
  /** Rejects nothing: what could not be told is in the answer. Null: the gateway ends. */
  estimate(question: Q): Promise<Impact | null>;
  /** Gives up what is under way. */
  close(): Promise<void>;
}

/** Manual 13.3.1 "Table-Level Locks", weakest first. */
export const LOCK_MODES = [
  'ACCESS SHARE',
  'ROW SHARE',
  'ROW EXCLUSIVE',
  'SHARE UPDATE EXCLUSIVE',
  'SHARE',
  'SHARE ROW EXCLUSIVE',
  'EXCLUSIVE',
  'ACCESS EXCLUSIVE',
] as const;
export type LockMode = (typeof LOCK_MODES)[number];
