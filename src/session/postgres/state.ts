// What all parts of a session share: the phase, what was sent and is not yet answered, what the server has under which name, and the
// facts that the gate reads. Fields and their bookkeeping: it decides nothing, and must never send anything.
// The parts are functions over it, one story a file; ARCHITECTURE.md tells which.
import type { Duplex } from 'node:stream';
import { FrameReader } from '../../wire/postgres/frame.ts';
import { FAILED_BLOCK, IDLE } from '../../wire/postgres/messages.ts';
import type { EarlierText, GateSession, Judgement, Meter, Plan, PostgresFacts } from '../gate.ts';
import type { WireText } from '../../errors/catalogue.ts';
import type { Outbox } from '../turn.ts';
import type { Upstream } from '../upstream.ts';
import type { Answer, Hold } from '../hold.ts';
import { Accounts } from './accounts.ts';
import { Cursors } from './cursors.ts';
import { Names, type Prepared, serverName } from './names.ts';
import { Pace } from '../pace.ts';
import { QUERY, Replies, type SYNC } from './replies.ts';
import { Run } from './run.ts';
import { HANDLING, type ReadingPhase } from './table.ts';

export interface SessionLimits {
  readonly statement_bytes_max: number;
  readonly bind_bytes_max: number;
  readonly held_bytes_max: number;
  readonly backlog_bytes_max: number;
  readonly prepared_statements_max: number;
  readonly prepared_bytes_max: number;
  /** Between two notices to a client that waits. */
  readonly heartbeat_ms: number;
}

export interface SessionEvents {
  /** Something that must not happen did; for the log. Never holds statement text. */
  fault(what: string, error?: unknown): void;
  closed(): void;
}

/** The gate thinks about this text; an object for each, so that a late verdict finds nobody waiting. */
export interface Judging {
  readonly name: 'judging';
  readonly text: string;
  /** The facts under which it was asked. */
  readonly epoch: number;
  verdict: Judgement | null;
}

/** Until the answers to our own questions are in. */
export interface Rereading {
  readonly name: 'rereading';
  readonly names: readonly string[];
  /** Set: the session's own catalog comes last. */
  readonly catalog: CatalogQuestion | null;
  readonly values: string[];
  /** Parts of the row that is coming in. */
  row: Buffer[];
  /** The server's ErrorResponse to one of them; null: none. */
  error: Buffer | null;
  /** Whose statement is about to be let through: it waits for them, and not the message at hand. Null: that does. */
  readonly hold: Hold | null;
}

/** The session's own catalog is asked for. */
export interface CatalogQuestion {
  readonly query: string;
  readonly changes: number;
  readonly mark: number;
  /** Answers that stand before those of the question. */
  readonly before: number;
  /** In a block, a savepoint is around it. */
  readonly savepoint: boolean;
  /** It failed, and what it did is being taken back to the savepoint. */
  readonly failed: boolean;
}

export type Phase =
  | { readonly name: ReadingPhase }
  /** Until everything sent has been answered. */
  | { readonly name: 'settling' }
  | Rereading
  | Judging
  /** Until the gate has answered a call of holdpoint.*. */
  | { readonly name: 'calling' }
  /** Until somebody has decided, or nobody waits any more. */
  | Hold
  | { readonly name: 'closed' };

/** A result waits at its limit. */
export interface Paused {
  readonly name: 'paused';
  readonly hold: Hold;
}

/** The rest is withheld, and nothing that answers this message or its pipeline passes. */
export interface Cutting {
  readonly name: 'cutting';
  /** What the client is told, with the server's word behind it. */
  readonly stopped: WireText;
  readonly completed: WireText;
  /** It completed, in a transaction that this error ends. */
  readonly failed: WireText;
  readonly meter: Meter;
  /** The client has its error. */
  told: boolean;
  /** The cancel is still on its way: no other statement may come under way. */
  cancelling: boolean;
}

export type Limiting = Paused | Cutting;

export const OPEN: Phase = { name: 'open' };
export const COPYING: Phase = { name: 'copying' };
export const DISCARDING: Phase = { name: 'discarding' };
export const SETTLING: Phase = { name: 'settling' };
export const CALLING: Phase = { name: 'calling' };
export const CLOSED: Phase = { name: 'closed' };

/** What becomes of the client's message at hand: sent on as it is, done with, or read again later. */
export type Step = 'keep' | 'drop' | 'wait';

/** What decides how names resolve. */
export type Facts = Readonly<Record<(typeof FACTS)[number], string | null>>;
export const FACTS = ['search_path', 'role', 'session_authorization'] as const;

export class State implements PostgresFacts {
  // ---- what the gate reads (PostgresFacts), next to the getters below
  get engine(): 'postgres' {
    return 'postgres';
  }

  search_path_start: string | null = null;
  in_transaction = false;
  earlier: EarlierText[] = [];
  catalog_changes = 0;
  committed_changes = 0;
  portals = PLAIN_PORTALS;
  reason = '';
  reason_at = 0;
  hold_ms: number | null = null;
  break_glass = '';
  server_timeout_ms: number | null = null;

  // ---- both ends
  readonly client: Duplex;
  readonly upstream: Upstream;
  readonly limits: SessionLimits;
  readonly events: SessionEvents;
  /** From `start` on, as is the one in `accounts`. */
  gate!: GateSession;
  readonly pace: Pace;
  readonly toClient: Outbox;
  readonly toServer: Run;
  /** The client's bytes; its frame is the message at hand. */
  readonly in: FrameReader;
  /** The client is read again: whoever waited goes on. */
  readonly goOn: () => void;
  clientGone = false;
  /** What the server has said and nobody has read yet is read now. */
  relay: () => void = () => {};

  readonly replies = new Replies();
  readonly names = new Names();
  readonly accounts = new Accounts();

  /** Meters of open cursors. */
  readonly cursors: Cursors;

  phase: Phase = SETTLING;
  /** A result has reached its limit: nothing of the client is handled until it is known what becomes of it. */
  limiting: Limiting | null = null;
  /** The server's own, from ReadyForQuery; inside a pipeline, what its last CommandComplete implies. */
  status = IDLE;

  // ---- the facts
  /** As last read, and whether they still are so. */
  facts: Facts = { search_path: null, role: null, session_authorization: null };
  factsKnown = false;
  /** They were read for the message at hand just now. */
  fresh = false;
  /** Counts changes of the facts. */
  epoch = 0;
  /** The role that the session began with. */
  firstRole = '';
  firstRoleHasSchema = false;
  /** While the facts are read for the first time: whom to tell. */
  first: (() => void) | null = null;
  /** Facts, and the role among them, may have changed inside the transaction: its end changes them back. */
  touched = false;
  roleTouched = false;
  /** The session has, or may have, temporary objects; DDL that is not committed yet; and changed either in the open transaction. */
  hasTemporary = false;
  has_uncommitted = false;
  catalogTouched = false;
  /** The server may have made the session's schema for temporary objects, which stays. */
  temporaryBegan = false;
  /** The open transaction has a snapshot; and the shared catalog (GateSession.catalogMark) when it took it. */
  queried = false;
  queriedMark = 0;
  /**
   * `catalog_changes` and the shared catalog when its own was read, and when (performance.now()) it is read again for what it lacks. fixed:
   * the open transaction would read the same again.
   */
  ownCatalogRead: {
    readonly changes: number;
    readonly mark: number;
    readonly again_at: number;
    readonly fixed: boolean;
  } | null = null;
  /** Code ran that may have put other statements under the names of some. */
  namesDoubted = false;

  // ---- what is under way
  /** When the first statement since the server was idle was sent (performance.now()); 0: it is. */
  begun = 0;
  /** Something sent may change what the next message means: wait for its answer first. */
  barrier = false;
  /** Messages sent since the last Sync or Query: parsed (locks at most), bound, and executed (work that can be lost). */
  sentSinceSync = false;
  boundSinceSync = false;
  executedSinceSync = false;
  /** Something else than reading. */
  workedSinceSync = false;
  /** Every limited statement that was sent is answered when so many entries of `replies` are gone. */
  limitedUntil = 0;
  /** Of the Query under way: its last command tag, and how many of its statements have ended. */
  tag = '';
  queryDone = 0;
  /** Syncs that came before any data of the COPY under way. */
  copySyncs = 0;

  // ---- the message at hand
  /** The client asked to cancel it before it was judged. */
  cancelled = false;
  /** The verdict that was waited for: of this message, and of no other. */
  judged: Judging | null = null;
  /** What became of it while it was held, and the facts then. */
  ready: (Answer & { readonly epoch: number; readonly catalog: State['ownCatalogRead'] }) | null = null;

  constructor(client: Duplex, upstream: Upstream, limits: SessionLimits, events: SessionEvents, goOn: () => void) {
    this.client = client;
    this.upstream = upstream;
    this.limits = limits;
    this.events = events;
    this.goOn = goOn;
    this.in = new FrameReader(IN_PARTS, Math.max(limits.statement_bytes_max, limits.bind_bytes_max) + 1024);
    this.cursors = new Cursors(limits.prepared_statements_max);
    this.pace = new Pace(client, upstream);
    this.toClient = this.pace.toClient;
    this.toServer = new Run(this.in, this.pace.toServer);
  }

  get closed(): boolean {
    return this.phase === CLOSED;
  }

  get search_path(): string | null {
    return this.factsKnown ? this.facts.search_path : null;
  }

  get search_path_is_local(): boolean {
    return this.touched;
  }

  get role(): string {
    if (!this.factsKnown && this.status !== FAILED_BLOCK) return '';
    const { role, session_authorization } = this.facts;
    return (role === 'none' ? session_authorization : role) ?? '';
  }

  get role_is_local(): boolean {
    return this.roleTouched;
  }

  get catalog_is_own(): boolean {
    return this.hasTemporary || this.has_uncommitted;
  }

  /** Must the session's own catalog be read before anything else is judged? In a transaction it is only read when that has changed it. */
  get wantsCatalog(): boolean {
    if (!this.catalog_is_own || this.gate.catalogQuery === null) return false;
    const read = this.ownCatalogRead;
    if (read?.changes !== this.catalog_changes) return true;
    if (this.status !== IDLE && !this.queried) return false;
    return (this.catalogMarkChanged && !read.fixed) || performance.now() >= read.again_at;
  }

  get catalog_is_stale(): boolean {
    return this.catalog_is_own && this.catalogMarkChanged;
  }

  get catalogMarkChanged(): boolean {
    return this.ownCatalogRead?.mark !== this.gate.catalogMark();
  }

  get role_start(): string {
    return this.firstRole;
  }

  get role_none(): string {
    return this.facts.session_authorization ?? '';
  }

  get user_schema(): 'there' | 'none' | 'perhaps' {
    if (this.role !== this.firstRole) return 'perhaps';
    return this.firstRoleHasSchema ? 'there' : 'none';
  }

  get in_implicit_transaction(): boolean {
    return this.executedSinceSync && this.status === IDLE;
  }

  prepared(name: string): unknown {
    const prepared = this.names.statements.get(serverName(Buffer.from(name, 'utf8').toString('latin1')));
    if (!prepared) {
      // What is under way may have taken it away, and be skipped.
      const sure = this.names.sure && this.replies.length === 0;
      return sure && PLAIN_NAME.test(name) ? null : undefined;
    }
    if (!this.replies.settled(prepared.pipeline)) return undefined;
    const { plan } = prepared;
    if (!plan) return prepared.inner;
    return plan.preparable && plan.own.length === 0 ? plan.gate : 'utility';
  }

  planned(name: string): { readonly at: number | null; readonly elsewhere: boolean } {
    const prepared = this.names.statements.get(serverName(Buffer.from(name, 'utf8').toString('latin1')));
    return prepared ? { at: this.plannedAt(prepared), elsewhere: prepared.epoch !== this.epoch } : NOT_PLANNED;
  }

  /** To be asked wherever the server may make a plan of it. */
  plannedAt(prepared: Prepared): number | null {
    if (this.temporaryBegan) prepared.planned ??= this.catalog_changes;
    return prepared.planned;
  }

  preparedTexts(): readonly string[] {
    return this.names.texts();
  }

  /** A text is on its way; `now` is performance.now(). */
  sent(plan: Plan, now: number): void {
    this.fresh = false;
    if (this.break_glass !== '') this.break_glass = '';
    if (this.begun === 0) this.begun = now;
    this.followCatalog(plan);
    if (plan.queries) this.takesSnapshot();
    if (!plan.only_reads && !plan.transaction_control) this.workedSinceSync = true;
    if (plan.block !== null) this.in_transaction = plan.block === 'open';
    if (plan.changes_facts) this.touched = true;
    if (plan.changes_role) this.roleTouched = true;
    // The end of a transaction, and ROLLBACK TO, take back what was set in it.
    if (plan.changes_facts || (plan.block !== null && this.touched)) {
      this.factsKnown = false;
      this.barrier = true;
    }
    if (plan.names.length > 0) this.barrier = true;
    if (plan.declares) this.fetchable(plan);
    if (plan.opaque) this.temporaryBegan = true;
    if (plan.opaque && this.names.forgetSql()) this.namesDoubted = true;
  }

  /** A transaction takes one with its first query; if it is to see the same rows to its end, no other. */
  takesSnapshot(): void {
    if (!this.queried) this.queriedMark = this.gate.catalogMark();
    this.queried = true;
  }

  /** Whoever has temporary objects keeps them; DDL in a transaction is nobody else's before its end, which may take it back. */
  followCatalog(plan: Plan): void {
    const { changes_catalog: what, block } = plan;
    const takesBack = this.catalogTouched && (block === 'closed' || (block === 'open' && this.in_transaction));
    if ((what === null && !takesBack) || (what === 'temporary-gone' && !this.hasTemporary)) return;
    this.catalog_changes += 1;
    // Its answer first; then what it made of names.
    this.factsKnown = false;
    this.barrier = true;
    // DDL and code may make temporary objects, too; reading tells.
    if (what !== null && what !== 'temporary-gone') this.hasTemporary = this.temporaryBegan = true;
    if (what === 'any') this.has_uncommitted = true;
    if (what !== null) this.catalogTouched = true;
  }

  /** FETCH may run this one's query, or more of it. */
  fetchable(plan: Plan): void {
    const { runs_code, runs_late } = this.portals;
    this.portals = portalsOf(runs_code || plan.changes_facts || plan.opaque, runs_late || plan.runs_late);
  }

  /** A Sync or a Query was sent: outside a block it ends the transaction, which takes back what was set in it. */
  pipelineEnds(by: typeof SYNC | typeof QUERY): void {
    if (this.touched || this.catalogTouched) this.barrier = true;
    // From 18 on a Query behind messages that no Sync has ended leaves their implicit transaction open, as its ReadyForQuery tells:
    // until then it counts as work that a Sync of ours would commit.
    const open = by === QUERY && this.sentSinceSync;
    this.sentSinceSync = this.executedSinceSync = this.boundSinceSync = open;
    this.workedSinceSync &&= open;
  }

  /** The server has nothing open any more: what was made may be gone with the transaction (ON COMMIT DROP, an error in a pipeline). */
  transactionEnded(): void {
    if (this.touched) this.factsKnown = false;
    if (this.catalogTouched) this.catalog_changes += 1;
    if (this.has_uncommitted) this.committed_changes = this.catalog_changes;
  }

  /** The server has nothing open, and nothing is under way. */
  idle(): void {
    this.touched = this.roleTouched = this.catalogTouched = this.has_uncommitted = this.queried = false;
    if (this.ownCatalogRead?.fixed) this.ownCatalogRead = null;
    this.begun = 0;
    this.portals = PLAIN_PORTALS;
    this.cursors.transactionEnded();
  }

  /** A limited statement is under way: what must not be decided by its end waits. */
  get limited(): boolean {
    return this.limitedUntil > this.replies.taken;
  }

  /** What waited in this phase, if it is still the one, goes on with the message at hand. */
  resume(from: Phase): void {
    if (this.phase !== from) return;
    this.phase = OPEN;
    this.goOn();
  }

  /** The statement at hand is held, or about to be let through; null: it is not. */
  get hold(): Hold | null {
    const { phase } = this;
    return phase.name === 'held' ? phase : phase.name === 'rereading' ? phase.hold : null;
  }

  /** The message at hand is not sent any more. */
  dropReady(): void {
    if (this.ready?.type === 'run') this.ready.release.unsent();
    this.ready = null;
  }
}

/** Types that pass in parts: COPY's data, and what no phase knows, which is refused at its first byte. */
const IN_PARTS = `d${Array.from({ length: 256 }, (_, code) => code)
  .filter((code) => HANDLING.open[code] === undefined)
  .map((code) => String.fromCodePoint(code))
  .join('')}`;

const NOT_PLANNED = { at: null, elsewhere: false };

/** A name that the server can't take for another one, whatever its encoding. */
const PLAIN_NAME = /^[\x20-\x7e]{1,62}$/;

type Portals = PostgresFacts['portals'];
/** One object for each, so that comparing them is comparing what they say. */
const PORTALS: readonly Portals[] = [false, true].flatMap((runs_late) =>
  [false, true].map((runs_code) => ({ runs_code, runs_late })),
);
const portalsOf = (runs_code: boolean, runs_late: boolean): Portals =>
  PORTALS[(runs_late ? 2 : 0) + (runs_code ? 1 : 0)] as Portals;
const PLAIN_PORTALS = portalsOf(false, false);
