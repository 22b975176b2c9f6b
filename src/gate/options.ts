// What a gate is given: the parts that it asks, the identity of those who ask, and its limits. Types only.
import type { Desk, Held, Permits } from '../approval/types.ts';
import type { AuditLog } from '../audit/types.ts';
import type { Policy, Where, Who } from '../policy/types.ts';
import type { SessionFacts, SessionLogin, SessionOpening } from '../session/gate.ts';
import type { CatalogSnapshot, LiveCatalog, OwnCatalogReading } from '../sql/catalog.ts';
import type { Analysis } from '../sql/findings.ts';
import type { Impact } from '../sql/impact.ts';
import type { GivenParameter, StatementPattern } from '../sql/pattern.ts';
import type { RuleCounts } from './counts.ts';
import type { LiveSessions } from './sessions.ts';
import type { State } from './state.ts';

export interface GateOptions {
  readonly engine: Engine;
  /** The policy in force. */
  readonly policy: () => Policy;
  readonly desk: Desk;
  /** Standing approvals: what runs under one is reported here. */
  readonly permits: Permits;
  readonly audit: AuditLog;
  /** `audit.allowed`: what an allowed statement waits for. */
  readonly allowed: 'async' | 'sync';
  /** The role that a login's session begins with. */
  readonly role: (login: SessionLogin) => Promise<string>;
  readonly who: (login: SessionLogin) => Who | undefined;
  /** Is what it logged in with still good? Null: it has nothing that could end. Rejects when that can't be asked. */
  /** The id of the token that it logged in with; null: with none. */
  readonly token: (login: SessionLogin) => string | null;
  readonly isGood: (login: SessionLogin) => Promise<boolean> | null;
  readonly where: (opening: Omit<SessionOpening, 'end'>) => Where;
  /** The catalog of a database. Null: there is none to look into. */
  readonly catalog: (database: string) => LiveCatalog | null;
  /** The console's address for agents, without a slash at its end; null: not told. */
  readonly console: () => string | null;
  /** The destination that the log has not been shipped to for too long, so that nothing may run; null: there is none. Asked for every statement. */
  readonly notShipped?: () => NotShipped | null;
  /** Of requests: milliseconds since the epoch. Default: the machine's clock. */
  readonly now?: () => number;
  readonly held_bytes_max: number;
  /** What each rule stopped: of all gates. */
  readonly counts: RuleCounts;
  /** Where its sessions are listed. */
  readonly sessions: LiveSessions;
  /** CPU time that one session's new statements may cost in a second, in ms; over it they wait. */
  readonly analysis_ms_per_s_max: number;
  /** Asks the server what a held statement would touch; rejects nothing. An answer of null: there will be none. */
  readonly impact: ((about: Held, text: ImpactText) => Promise<Impact | null>) | null;
  readonly fault: (what: string, error: unknown) => void;
}

export interface NotShipped {
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** What an estimate needs beside the request. */
export interface ImpactText {
  /** The statement as it would be forwarded, latin1. */
  readonly text: string;
  readonly analysis: Analysis;
  /** What another text would do in its place; latin1. */
  readonly analyse: (text: string) => Analysis | Promise<Analysis>;
  /** The agent's, and its backend upstream. */
  readonly login: SessionLogin;
  readonly server_pid: number;
  readonly facts: SessionFacts;
}

/** What a gate must know of one engine: the facts of its sessions, and who analyses its texts under them. */
export interface Engine {
  /** Default wait of a connection, in ms. */
  readonly wait_ms: number;
  /** How a session's own catalog is read. Absent: whatever a session makes is in the catalog that all share, or is followed otherwise. */
  readonly reading?: OwnCatalogReading;
  /** The facts that an analysis depends on beside the role, as a context keeps them. */
  keep(facts: SessionFacts): object;
  /** Are they still these? Asked for every statement: it must cost nothing. */
  still(kept: object, facts: SessionFacts): boolean;
  /** For the facts of now. */
  analysis(s: State, catalog: CatalogSnapshot | null): AnalysisHandle;
  /** For what a connection starts with, where the protocol has such settings. whose: as `State.who.id`. */
  readonly atStart?: (database: string, whose: string) => AnalysisHandle;
}

/** Texts analysed under one set of facts. */
export interface AnalysisHandle {
  /** Asking it for a known text takes no promise. */
  analyse(text: string): Analysis | Promise<Analysis>;
  /** The tokens of texts (latin1), then words (UTF-16), for a digest. May reject. */
  tokens(texts: readonly string[], words: readonly string[]): Uint8Array | Promise<Uint8Array>;
  /** What a permit for a text (latin1) with these parameters would cover; `words` must be the same, too. Null: it can have none. May reject. */
  pattern(
    text: string,
    parameters: readonly GivenParameter[],
    words: readonly string[],
  ): StatementPattern | null | Promise<StatementPattern | null>;
  /** CPU time that this has cost so far, in ms; from memory it costs nothing. */
  readonly cpu_ms: number;
  /** A function called by its oid, without SQL; absent: the protocol has no such call. */
  functionCall?(oid: number): Analysis;
  /** What reading parameters of these types brings with it; null: nothing. Absent: never anything. */
  ofTypes?(types: readonly number[]): Analysis | null;
  /** The same for what was planned before these temporary relations came up. Absent: plans are made anew. */
  before?(planned_before: readonly string[]): AnalysisHandle;
}
