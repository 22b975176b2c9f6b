// The ports a session owns. Gate: one question, may this run? Upstream: the logged-in connection to the real server.
// Types, and the columns of what is answered here. A session knows protocol; whoever implements Gate knows meaning, policy, people and the log.
import type { WireText } from '../errors/catalogue.ts';

/** What the gate reads of a session whenever it is asked; the session keeps it true. */
export type SessionFacts = PostgresFacts | MysqlFacts;

interface CommonFacts {
  /** What decides how names and texts are read, in words for a reviewer and a request's identity: the search_path; the database and sql_mode. Null while it is unknown. */
  search_path: string | null;
  /** Whose rights a statement has; '' while that is not known. In a failed block, where nothing runs, as last read. */
  role: string;
  /** It may have been changed in the open transaction, whose end may take it back. */
  role_is_local: boolean;
  /** A transaction is open (also a failed one). */
  in_transaction: boolean;
  /** Work of this pipeline is not yet committed although no block is open. */
  in_implicit_transaction: boolean;
  /** How often statements of this session that change the catalog have been sent. */
  catalog_changes: number;
  /** The session has objects that others do not see: temporary ones, or DDL of the open transaction. */
  catalog_is_own: boolean;
  /** DDL of the open transaction, or code that may have done some, was sent. */
  has_uncommitted: boolean;
  /** `catalog_changes` when the last such was committed, or taken back. */
  committed_changes: number;
  /** And it has changed since it was read, but can't be read now, or not as the server sees it. */
  catalog_is_stale: boolean;
  /** Statements of the open transaction so far. */
  earlier: readonly EarlierText[];
  /** The agent's own words, '' for none; and when they were given (ms since the epoch). */
  reason: string;
  reason_at: number;
  /** The agent's limit on a wait, in ms; null: none. */
  hold_ms: number | null;
  /** Why the next statement can't wait for anybody; '': it can. The session forgets it when that statement comes, whatever becomes of it. */
  break_glass: string;
  /** The least of the server's timeouts that could end the connection during a hold, in ms; null: none. */
  server_timeout_ms: number | null;
  /**
   * What the gate remembered for a name (text, not bytes) prepared in this session (`Plan.gate` or `NameEffect.inner`). Null: there is no such
   * name. 'utility': Parse made it, of a kind that SQL PREPARE does not take. Undefined: it can't be told.
   */
  prepared(name: string): unknown;
  /**
   * Of such a name: how old the server's plan of it may be (a count as `catalog_changes`; null: as new as what is judged), and whether the
   * role or search_path is another one since it was judged.
   */
  planned(name: string): { readonly at: number | null; readonly elsewhere: boolean };
  /** Every text prepared in this session with the name it has, in the order of the names; latin1. */
  preparedTexts(): readonly string[];
}

export interface PostgresFacts extends CommonFacts {
  readonly engine: 'postgres';
  /** What RESET goes back to, and whether the path of now ends with the transaction. */
  search_path_start: string | null;
  search_path_is_local: boolean;
  /** The role of when the session began. */
  role_start: string;
  /** What SET ROLE NONE goes back to: another one if the login is given a role when it connects. */
  role_none: string;
  /** Is there a schema of that role's name? It was looked for when the session began, for the role of then. */
  user_schema: 'there' | 'none' | 'perhaps';
  /** What FETCH may meet in the open transaction (AnalysisContext.portals). */
  portals: { readonly runs_code: boolean; readonly runs_late: boolean };
}

export interface MysqlFacts extends CommonFacts {
  readonly engine: 'mysql' | 'mariadb';
  /** Such as 90704 and 101119. */
  readonly version: number;
  /** The setting's text; null while it is unknown. */
  readonly sql_mode: string | null;
  /** character_set_client */
  readonly charset: string;
  /** The current one; null: none. Undefined: unknown. */
  readonly database: string | null | undefined;
  /** What follows a `;` in a message is run, too. */
  readonly multi_statements: boolean;
  readonly autocommit: boolean;
  /** Tables that are certain to be temporary ones of the session: database, NUL, name. Another array whenever they are others. */
  readonly temporaries: readonly string[];
}

export interface EarlierText {
  /** latin1 */
  readonly sql: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Command tag, SQLSTATE, or '' while it runs. */
  outcome: string;
}

/** What a session must know of a judged text to forward it and to follow its effects. Immutable; shared between sessions. */
export interface Plan {
  /** As received, latin1. */
  readonly text: string;
  /** What to send instead, same length, latin1; null: as received. */
  readonly forward: string | null;
  /** Statements in it, own ones included. */
  readonly statements: number;
  /** COPY ... FROM STDIN: the client sends data next. */
  readonly copy_in: boolean;
  /** Nothing but transaction control. */
  readonly transaction_control: boolean;
  /** Block state afterwards, if it succeeds: 'open', 'closed', or null for unchanged. */
  readonly block: 'open' | 'closed' | null;
  /** Afterwards search_path, role or session_authorization may be others. */
  readonly changes_facts: boolean;
  /** It takes a snapshot of the data: SET TRANSACTION is too late behind it. */
  readonly queries: boolean;
  /** Afterwards names may mean other objects: temporary ones of the session, or any; null: they do not. */
  readonly changes_catalog: 'temporary' | 'temporary-gone' | 'any' | null;
  /** MySQL: what becomes of the session's temporary tables if it succeeds, in order; a `table` of null: any that there are. */
  readonly temporary: readonly { readonly op: 'made' | 'gone'; readonly table: string | null }[];
  /** Of these, role or session_authorization. */
  readonly changes_role: boolean;
  /** Code whose doings can't be told: it may have prepared and deallocated names. */
  readonly opaque: boolean;
  /** DISCARD ALL and RESET ALL end what the agent told Holdpoint, too. */
  readonly resets: boolean;
  readonly names: readonly NameEffect[];
  /** It means what names prepared in this session mean when it runs. */
  readonly by_name: boolean;
  /** One statement of a kind that SQL PREPARE takes: EXECUTE of it does what it does itself. */
  readonly preparable: boolean;
  /** Opens a cursor, whose query runs at FETCH. */
  readonly declares: boolean;
  /** A utility statement that returns rows: what it names is looked up when they are first taken, by FETCH perhaps. */
  readonly runs_late: boolean;
  /** What it returns is counted, and may be stopped: the gate has a meter for it. */
  readonly limited: boolean;
  /** Nothing but what it returns tells that it ran. */
  readonly only_reads: boolean;
  readonly cursors: readonly CursorUse[];
  readonly own: readonly OwnCommand[];
  /** The server runs no code while parsing it. */
  readonly parse_is_harmless: boolean;
  /** Where error positions of the server must be moved: [from position on, characters to take off]. */
  readonly position_shift: readonly (readonly [number, number])[];
  /** The gate's own. */
  readonly gate: unknown;
}

/** A cursor that a statement opens, takes rows from or closes; latin1, null: all of them. `holds`: it outlives the transaction. */
export interface CursorUse {
  readonly op: 'open' | 'fetch' | 'close';
  readonly name: string | null;
  readonly holds: boolean;
}

/** Counts what a limited statement returns: all its runs, where it is a portal or a cursor. Rows are whole, bytes those of their messages. */
export interface Meter {
  /** That may still pass; Infinity: any. */
  readonly rows_left: number;
  readonly bytes_left: number;
  /** The statement has written what it returns, so it is never cancelled: it runs to its end. */
  readonly withholds: boolean;
  passed(rows: number, bytes: number): void;
  /** The next row is too much. As of a statement: opens a request, or refuses; what was let through is the rest. */
  judge(): Exclude<Judgement, { type: 'pass' }>;
  /** Somebody let all of the rest through. */
  lift(): void;
  /** The rest was withheld; what the server said of it: the command tag, or the SQLSTATE. */
  cut(outcome: string): void;
}

export type NameEffect =
  /** Names are latin1: the server's bytes. */
  | { readonly type: 'prepare'; readonly name: string; readonly inner: unknown; readonly statement: number }
  | { readonly type: 'deallocate'; readonly name: string | null; readonly statement: number };

export type OwnSetting = 'reason' | 'hold' | 'break_glass';
export type OwnFunction = 'answer' | 'withdraw' | 'request_approval';

export type OwnCommand =
  | { readonly op: 'set'; readonly name: OwnSetting; readonly value: string; readonly statement: number }
  | { readonly op: 'reset'; readonly name: OwnSetting; readonly statement: number }
  | {
      readonly op: 'set_config';
      readonly name: OwnSetting;
      /** Literal, or 1-based number of the parameter. */
      readonly value: string | number;
      readonly statement: number;
    }
  | OwnShow
  | { readonly op: 'show-setting'; readonly name: OwnSetting; readonly statement: number }
  | OwnCall;

export type OwnShow =
  | { readonly op: 'show-requests'; readonly statement: number }
  | { readonly op: 'show-request'; readonly id: string; readonly statement: number };

export interface OwnCall {
  readonly op: 'call';
  readonly name: OwnFunction;
  /** Literals, or 1-based numbers of parameters. */
  readonly arguments: readonly (string | number)[];
  readonly statement: number;
}

/** Columns of what each answers, which clients are told before it is run. */
export const REQUEST_COLUMNS = ['id', 'state', 'approvals', 'ends', 'next'] as const;
export const CONVERSATION_COLUMNS = [...REQUEST_COLUMNS, 'question', 'conversation'] as const;

export interface BoundParameter {
  readonly type: string;
  readonly value: string | null;
}

export type Judgement =
  | { readonly type: 'pass'; readonly plan: Plan }
  | {
      readonly type: 'hold';
      readonly plan: Plan;
      /** Opens, attaches to or finds the request. Durable when it resolves; rejects with nothing done. */
      hold(parameters: readonly BoundParameter[]): Promise<HoldStart>;
    }
  | {
      readonly type: 'refuse';
      /** Null where the text did not parse. */
      readonly plan: Plan | null;
      /** Records the refusal; the text to answer with. Resolves also when the log can't be written (with that text). */
      refuse(): Promise<WireText>;
    };

/** A statement that somebody let through. Exactly one call of `finished` or `unsent`. */
export interface Release {
  /** Of the request, or of the permit that covers it. */
  readonly request: string;
  /** Null: somebody decided on this very statement. */
  readonly permitted: Permitted | null;
  /** Null: it can't be known what became of it. */
  finished(outcome: StatementOutcome | null): void;
  /** No byte of what was let through has been given to the connection to the server, nor ever will be. True: the approval may be used again. */
  unsent(): boolean;
}

/** A statement under a permit. */
export interface Permitted {
  /** Of all that it returns. */
  readonly meter: Meter;
  /** Why it must not be sent, nor return more, from now on; null: it may. */
  gone(): WireText | null;
  /** Set by whoever has sent it: it is to stop at once, and the meter says why. */
  onGone: (() => void) | null;
}

export interface StatementOutcome {
  readonly tag: string | null;
  readonly sqlstate: string | null;
  readonly rows: number;
  readonly bytes: number;
  readonly duration_ms: number;
}

export type HoldStart =
  | { readonly type: 'run'; readonly notice: WireText; readonly release: Release }
  | { readonly type: 'refuse'; readonly text: WireText }
  | {
      readonly type: 'wait';
      /** Made when it is asked for: it may be the bigger part of what a hold takes. */
      readonly notice: WireText;
      /** Words for a heartbeat, as things stand now. */
      heartbeat(): WireText;
      /** The same for a client that is shown progress only: a few words. */
      readonly stage: string;
      /** How long the connection waits, in ms. */
      readonly wait_ms: number;
      /** Who is told what happens meanwhile; at once what was said before and still matters. Again after 'changed'. */
      listen(listener: WaitListener): void;
      /** The client stopped waiting. What to tell it, if it is still there; null: the hold had ended already. */
      end(
        why: 'waited-out' | 'cancelled' | 'disconnected' | 'overflow' | 'upstream-gone' | 'shutdown',
      ): Promise<WireText | null>;
      /** Durable, at most once over all connections: then it must be sent. Otherwise what to answer, or the wait goes on, or it is called once more. */
      release(): Promise<
        /** Nothing yet: the session reads anew what it alone can (role, search_path, objects of its own), and calls it again. */
        | { readonly type: 'look' }
        | {
            readonly type: 'run';
            /** Absent: as it was judged when the wait began. */
            readonly plan?: Plan;
            readonly notice: WireText;
            readonly release: Release;
          }
        | { readonly type: 'refuse'; readonly text: WireText }
        /** What would run is something else than was approved: somebody has to decide again, in the time that was left. */
        | {
            readonly type: 'changed';
            readonly notice: WireText;
            readonly stage: string;
          }
      >;
    };

/** Whoever waits. */
export interface WaitListener {
  /** Somebody said something on the request. */
  said(said: Said): void;
  /** Once for each `listen`, and in no call of anybody. After 'approved' it calls release(). */
  ended(end: HoldEnded): void;
  /** The gate failed: nothing more is told. */
  failed(error: unknown): void;
}

/** A word for a client that waits. */
export interface Said {
  /** Null: nothing that it has to hear. */
  readonly notice: WireText | null;
  /** From now on, for a client that is shown progress only. */
  readonly stage: string;
  /** How much longer its connection waits, in ms. */
  readonly adds_ms: number;
}

export type HoldEnded = { readonly type: 'approved' } | { readonly type: 'refuse'; readonly text: WireText };

export interface OwnAnswer {
  readonly rows: readonly (readonly (string | null)[])[];
}

export interface GateSession {
  /** Answers with what `ownCatalog` takes, on the session's own connection. Null: nobody wants it. */
  readonly catalogQuery: string | null;
  /** Another number whenever the catalog that all sessions share is another. */
  catalogMark(): number;
  /** Would a judged text be found to do the same now? A promise: it takes longer to tell. */
  stillMeans(plan: Plan): boolean | Promise<boolean>;
  /** What the session's own connection answered to `catalogQuery` as it was then, where that is not what all see; null: it can't be read. */
  ownCatalog(
    query: string,
    rows: string | null,
  ): {
    /** There may be temporary objects. */
    readonly temporary: boolean;
    /** The answer had all of it: nothing in it is what all see now. */
    readonly alone: boolean;
    /** Nothing is left out of it that could not be read just then. */
    readonly whole: boolean;
  };
  /**
   * Synchronous when the answer is remembered. `text` is latin1. types: oids that its parameters were given, 0 for none. planned: as
   * `SessionFacts.planned` has it.
   */
  judge(text: string, types: readonly number[], planned: number | null): Judgement | Promise<Judgement>;
  /** A FunctionCall message; its plan's text is `FunctionCall <oid>`. */
  judgeCall(oid: number): Judgement | Promise<Judgement>;
  /** Records that a command was refused which nobody may send, whatever its verdict; the text to answer with. */
  uncarried(plan: Plan): Promise<WireText>;
  /** For a statement whose plan is limited, under the facts of now. `parameters` are asked when somebody has to see them. */
  meter(plan: Plan, parameters: () => readonly BoundParameter[]): Meter;
  /** SHOW holdpoint.requests (REQUEST_COLUMNS), SHOW holdpoint.request."<id>" (CONVERSATION_COLUMNS). */
  show(command: OwnShow): OwnAnswer | WireText;
  /** holdpoint.answer(...) and the like, once what it says is on record: one row of REQUEST_COLUMNS. Rejects nothing. */
  call(name: OwnFunction, given: readonly string[]): Promise<OwnAnswer | WireText>;
  /** An allowed statement ended. Times: start in ms since the epoch, duration in µs. */
  ran(plan: Plan, start: number, outcome: string, rows: number, bytes: number, duration_us: number): void;
  close(why: string): void;
}

/**
 * Who proved what when the connection began. A session carries it to its gate and reads no more of it than this; whoever made it may say more, to
 * those who are given the same object.
 */
export interface SessionLogin {
  /** The principal's id. */
  readonly user: string;
  readonly authentication: string;
  /** The client's, without port. */
  readonly address: string;
}

export interface SessionOpening {
  readonly login: SessionLogin;
  readonly application_name: string;
  readonly database: string;
  readonly listener: string;
  readonly upstream_user: string;
  readonly engine: SessionFacts['engine'];
  /** PostgreSQL: the major version; MySQL and MariaDB: such as 90704 and 101119. */
  readonly server_version: number;
  readonly server_pid: number;
  /** Ends the connection from the outside, with a word to its client. */
  readonly end: (text: WireText) => void;
}

/** Of asking before a statement is sent. */
export type AskedFirst =
  | { readonly type: 'needs-none' }
  /** Open, or approved already and not used: its id. */
  | { readonly type: 'open'; readonly request: string }
  | { readonly type: 'refused'; readonly text: WireText };

export interface Gate {
  /**
   * Would this statement need somebody's word, if the user sent it now? Then its request is open when this resolves. `sql`: latin1, its
   * bytes UTF-8; judged under the facts of the user's newest session that is idle outside of a transaction. `reason`: '' for none.
   */
  askFirst(user: string, sql: string, parameters: readonly BoundParameter[], reason: string): Promise<AskedFirst>;
  /**
   * May a connection of this client start with these settings (startup parameters and options, decoded)? Nobody can be
   * asked at that point: null, or the refusal.
   */
  startup(
    opening: Pick<SessionOpening, 'login' | 'application_name' | 'database' | 'listener'>,
    settings: Iterable<readonly [string, string]>,
  ): Promise<WireText | null>;
  /** Resolves when the end of every session that has ended is on record. */
  close(): Promise<void>;
  /** Records that a session began. Rejects when it can't be recorded: then there is no session. */
  open(opening: SessionOpening, facts: SessionFacts): Promise<GateSession>;
}
