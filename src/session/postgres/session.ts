// Joins one client with one upstream connection. Client messages are read one by one, each is looked up in table.ts,
// and nothing is sent on that the gate has not let through; replies are matched with what was sent (replies.ts).
// It knows the protocol and no policy. It must never send a byte of a statement before its judgement, nor answer a
// status that the server does not have.
//
//   client --> #read: HANDLING[phase][type] --> pass: kept in the run, one write a chunk
//                          |                \-> wait: settle, re-read facts, judge, hold; then read the same message again
//                          \--> refuse: the server is made to fail too, its error text is replaced by ours
//   server --> #reply: matched with Replies --> kept in the run, one write a chunk
import { Buffer } from 'node:buffer';
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import { texts, type WireText } from '../../errors/catalogue.ts';
import { BAD_LENGTH, FRAME, FrameReader, NEED_MORE, PART } from '../../wire/postgres/frame.ts';
import {
  BACKEND,
  BIND_COMPLETE,
  type BindMessage,
  CLOSE_COMPLETE,
  cstring,
  errorResponse,
  FAILED_BLOCK,
  FLUSH,
  FRONTEND,
  functionCall,
  IDLE,
  IN_BLOCK,
  latin1,
  movePosition,
  noticeResponse,
  PARSE_COMPLETE,
  parse,
  query,
  readBind,
  readFields,
  readFunctionCall,
  readParameterTypes,
  readParse,
  readyForQuery,
  SYNC,
  shortLatin1,
} from '../../wire/postgres/messages.ts';
import { decodeParameters } from '../../wire/postgres/parameters.ts';
import type { BoundParameter, EarlierText, GateSession, Judgement, Plan, Release, SessionFacts } from '../gate.ts';
import { AT_ONCE_BYTES, type Outbox } from '../outbox.ts';
import type { Upstream } from '../upstream.ts';
import { Accounts, NEVER_SENT } from './accounts.ts';
import { least, reading, readTimeout } from './facts.ts';
import { type Answer, Hold } from './hold.ts';
import { CERTAIN, Names, type Portal, type Prepared, serverName, type Undo } from './names.ts';
import { describeOwn, reset, runOwn } from './own.ts';
import { Pace } from './pace.ts';
import {
  BIND,
  CLOSE,
  DESCRIBE,
  type Entry,
  EXECUTE,
  isOwn,
  OWN_BIND,
  OWN_CLOSE,
  OWN_EXECUTE,
  OWN_PARSE,
  OWN_SYNC,
  PARSE,
  QUERY,
  Replies,
  SYNC as SYNC_OP,
} from './replies.ts';
import { HANDLING, type Handling, type ReadingPhase } from './table.ts';
import {
  CHANGED,
  cursorExists,
  DESYNC,
  FAILED_TRANSACTION,
  GUARDED_SETTING,
  INTERNAL,
  MALFORMED,
  noSuch,
  notInCopy,
  ONE_COMMAND,
  TOO_LONG,
  tooLarge,
  tooMany,
  UPSTREAM_GONE,
} from './texts.ts';

/** Statements of an open transaction that a reviewer is shown, and bytes of their texts. */
export const EARLIER_MAX = 100;
const EARLIER_BYTES_MAX = 1024 * 1024;
/** Longest message of the server that must be whole to be read: an error quotes what it is about, a parameter for example. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024;
/** What a result must have brought to be a long one. */
const LONG_RESULT_BYTES = 1024 * 1024;
/** A piece of one that is worth its own read and write. */
const GATHERED_BYTES = 32 * 1024;
/** Messages sent and not yet answered; beyond it the client is not read. */
export const REPLIES_MAX = 20_000;

/** What the server is given in the place of a refused statement: its parser can't but reject it. */
const REFUSED = 'holdpoint_refused';
const REFUSED_QUERY = query(REFUSED);
/** No function has this oid. */
const REFUSED_CALL = functionCall(0);
const REFUSED_PARSE = parse('_holdpoint_refused', REFUSED);

export interface SessionLimits {
  readonly statement_bytes_max: number;
  readonly bind_bytes_max: number;
  readonly held_bytes_max: number;
  readonly backlog_bytes_max: number;
  readonly prepared_statements_max: number;
  /** Between two notices to a client that waits. */
  readonly heartbeat_ms: number;
}

/** The gate thinks about this text; an object for each, so that a late verdict finds nobody waiting. */
interface Judging {
  readonly name: 'judging';
  readonly text: string;
  verdict: Judgement | null;
}
type Phase =
  | { readonly name: ReadingPhase }
  /** Until everything sent has been answered. */
  | { readonly name: 'settling' }
  /** Until the answers to our SHOWs are in. */
  | { readonly name: 'rereading'; readonly names: readonly string[]; readonly values: string[] }
  | Judging
  /** Until somebody has decided, or nobody waits any more. */
  | Hold
  | { readonly name: 'closed' };

const OPEN: Phase = { name: 'open' };
const COPYING: Phase = { name: 'copying' };
const DISCARDING: Phase = { name: 'discarding' };
const SETTLING: Phase = { name: 'settling' };
const CLOSED: Phase = { name: 'closed' };

/** What decides how names resolve. */
type Facts = Readonly<Record<(typeof FACTS)[number], string | null>>;
const FACTS = ['search_path', 'role', 'session_authorization'] as const;

/** Types that pass in parts: COPY's data, and what no phase knows, which is refused at its first byte. */
const IN_PARTS = `d${Array.from({ length: 256 }, (_, code) => code)
  .filter((code) => HANDLING.open[code] === undefined)
  .map((code) => String.fromCodePoint(code))
  .join('')}`;

type Step = 'keep' | 'drop' | 'wait';

export interface SessionEvents {
  /** Something that must not happen did; for the log. Never holds statement text. */
  fault(what: string, error?: unknown): void;
  closed(): void;
}

export class PostgresSession implements SessionFacts {
  // What the gate reads (SessionFacts).
  search_path_start: string | null = null;
  in_transaction = false;
  earlier: EarlierText[] = [];
  portals = PLAIN_PORTALS;
  reason = '';
  reason_at = 0;
  hold_ms: number | null = null;
  server_timeout_ms: number | null = null;

  readonly #client: Duplex;
  readonly #upstream: Upstream;
  readonly #limits: SessionLimits;
  readonly #events: SessionEvents;
  #gate!: GateSession;

  readonly #pace: Pace;
  readonly #toClient: Outbox;
  readonly #toServer: Outbox;
  readonly #in: FrameReader;
  readonly #out: FrameReader;
  readonly #replies = new Replies();
  readonly #names = new Names();

  #phase: Phase = SETTLING;
  /** The server's own, from ReadyForQuery; inside a pipeline, what its last CommandComplete implies. */
  #status = IDLE;
  /** As last read, and whether they still are so. */
  #facts: Facts = { search_path: null, role: null, session_authorization: null };
  #factsKnown = false;
  /** The role that the session began with. */
  #firstRole = '';
  #firstRoleHasSchema = false;
  /** Counts changes of the facts. */
  #epoch = 0;
  /** Facts may have changed inside the transaction: its end changes them back. */
  #touched = false;
  #roleTouched = false;
  /** When the first statement since the server was idle was sent (performance.now()); 0: it is. */
  #begun = 0;
  /** Code ran that may have put other statements under the names of some. */
  #namesDoubted = false;
  /** Something sent may change what the next message means: wait for its answer first. */
  #barrier = false;
  /** The facts were read for the message at hand just now. */
  #fresh = false;
  /** Messages sent since the last Sync or Query: parsed (locks at most), and executed (work that can be lost). */
  #sentSinceSync = false;
  #executedSinceSync = false;
  #boundSinceSync = false;

  /** The verdict that was waited for: of the message at hand, and of no other. */
  #judged: Judging | null = null;
  /** What became of the message at hand while it was held, and the facts then. */
  #ready: (Answer & { readonly epoch: number }) | null = null;
  #ownError: Buffer | null = null;
  #ownRow: Buffer[] = NO_ROW;

  /** The run: contiguous bytes of #in.buffer to forward in one write. */
  #runStart = -1;
  #runEnd = -1;
  #reading = false;
  #partKept = false;
  #replyPassed = false;
  #clientGone = false;

  readonly #accounts = new Accounts();
  /** Of the Query under way: its last command tag, and how many of its statements have ended. */
  #tag = '';
  #ownNext = 0;
  #outcome: (() => void) | null = null;
  /** The server has said good-bye itself. */
  #fatal = false;

  constructor(client: Duplex, upstream: Upstream, limits: SessionLimits, events: SessionEvents) {
    this.#client = client;
    this.#upstream = upstream;
    this.#limits = limits;
    this.#events = events;
    this.#pace = new Pace(client, upstream);
    this.#toClient = this.#pace.toClient;
    this.#toServer = this.#pace.toServer;
    this.#in = new FrameReader(IN_PARTS, Math.max(limits.statement_bytes_max, limits.bind_bytes_max) + 1024);
    // Types whose body nobody reads may pass in parts; the rest is small, or ends the session.
    this.#out = new FrameReader('DdTtGHWVNA', REPLY_BYTES_MAX);
  }

  preparedTexts(): readonly string[] {
    return this.#names.texts();
  }

  get search_path(): string | null {
    return this.#factsKnown ? this.#facts.search_path : null;
  }

  get role(): string {
    if (!this.#factsKnown && this.#status !== FAILED_BLOCK) return '';
    const { role, session_authorization } = this.#facts;
    return (role === 'none' ? session_authorization : role) ?? '';
  }

  get user_schema(): 'there' | 'none' | 'perhaps' {
    if (this.role !== this.#firstRole) return 'perhaps';
    return this.#firstRoleHasSchema ? 'there' : 'none';
  }

  get search_path_is_local(): boolean {
    return this.#touched;
  }

  get role_is_local(): boolean {
    return this.#roleTouched;
  }

  get in_implicit_transaction(): boolean {
    return this.#executedSinceSync && this.#status === IDLE;
  }

  prepared(name: string): unknown {
    const prepared = this.#names.statements.get(serverName(Buffer.from(name, 'utf8').toString('latin1')));
    if (!prepared) {
      // What is under way may have taken it away, and be skipped.
      const sure = this.#names.sure && this.#replies.length === 0;
      return sure && PLAIN_NAME.test(name) ? null : undefined;
    }
    if (!this.#replies.settled(prepared.pipeline)) return undefined;
    const { plan } = prepared;
    if (!plan) return prepared.inner;
    return plan.preparable && plan.own.length === 0 ? plan.gate : 'utility';
  }

  /**
   * Reads the facts from the server for the first time. Then `start` takes the client's messages.
   * Rejects if the server goes away first.
   */
  ready(): Promise<void> {
    const known = new Promise<void>((resolve, reject) => {
      this.#outcome = () => {
        this.#outcome = null;
        if (this.#factsKnown) resolve();
        else reject(new Error('the server did not tell its settings'));
      };
    });
    // Not in the promise's own function: these stay, and would keep it.
    this.#upstream.listen({
      data: (chunk) => this.#fromServer(chunk),
      drain: () => this.#serverDrained(),
      closed: () => this.#serverClosed(),
    });
    this.#reread();
    return known;
  }

  /** From here on the client is served. `early` are bytes it sent already. */
  start(gate: GateSession, early: Buffer): void {
    this.#gate = gate;
    this.#accounts.gate = gate;
    if (this.#isClosed()) {
      // The server went away meanwhile.
      gate.close('the server closed the connection');
      this.#events.closed();
      return;
    }
    this.#phase = OPEN;
    const client = this.#client;
    client.on('data', (chunk: Buffer) => this.#fromClient(chunk));
    client.on('drain', () => this.#clientDrained());
    client.on('end', () => this.#clientLeft());
    client.on('close', () => this.#clientLeft());
    client.on('error', () => this.#clientLeft());
    if (early.length > 0) this.#fromClient(early);
    client.resume();
  }

  /** The client asked to cancel: ends a hold, else it is the server's to cancel. */
  cancel(): void {
    const phase = this.#phase;
    if (phase.name === 'held') phase.cancel();
    else {
      this.#toServer.flush();
      this.#upstream.cancel();
    }
  }

  /** Ends the session from the outside, with a word to the client. */
  close(text: WireText): void {
    if (this.#phase.name === 'closed') return;
    this.#toClient.write(errorResponse(text));
    this.#finish('closed by Holdpoint');
  }

  // ---------------------------------------------------------------- client to server

  #fromClient(chunk: Buffer): void {
    if (this.#phase.name === 'closed') return;
    this.#in.append(chunk);
    this.#read();
    this.#watchBacklog();
  }

  #read(): void {
    if (this.#reading) return;
    this.#reading = true;
    try {
      this.#readAll();
    } catch (error) {
      this.#broken('a client message could not be handled', error);
    } finally {
      this.#flushRun();
      this.#in.release();
      this.#reading = false;
    }
  }

  #readAll(): void {
    for (;;) {
      if (this.#pace.clientFull) return;
      const phase = this.#phase.name;
      if (phase !== 'open' && phase !== 'copying' && phase !== 'discarding') return;
      if (this.#replies.length > REPLIES_MAX) return this.#settle();
      const found = this.#in.next();
      if (found === NEED_MORE) return;
      // What was asked before is answered first, as the server does.
      if (found === BAD_LENGTH) return this.#answering() ? this.#settle() : this.#tooLong();
      if (found === PART && !this.#in.first) {
        if (this.#partKept) this.#keep();
        continue;
      }
      const handling = HANDLING[phase][this.#in.type];
      if (handling === undefined) {
        if (!this.#answering()) return this.#violation(`unexpected message type 0x${hex(this.#in.type)}`);
        this.#in.unread_last();
        return this.#settle();
      }
      const step = this.#handle(handling);
      this.#partKept = step === 'keep';
      if (step === 'keep') this.#keep();
      else if (step === 'wait') {
        this.#in.unread_last();
        return;
      } else if (this.#isClosed()) return;
    }
  }

  /** Replies are still to come that do not wait for the client. */
  #answering(): boolean {
    return this.#phase === OPEN && this.#replies.length > 0;
  }

  #keep(): void {
    if (this.#runEnd === this.#in.start && this.#runStart >= 0) {
      this.#runEnd = this.#in.end;
      return;
    }
    this.#flushRun();
    this.#runStart = this.#in.start;
    this.#runEnd = this.#in.end;
  }

  #flushRun(): void {
    if (this.#runStart < 0) return;
    const { buffer } = this.#in;
    const whole = this.#runStart === 0 && this.#runEnd === buffer.length;
    const bytes = whole ? buffer : buffer.subarray(this.#runStart, this.#runEnd);
    this.#runStart = this.#runEnd = -1;
    this.#toServer.write(bytes);
  }

  #handle(handling: Handling): Step {
    switch (handling) {
      case 'query':
        return this.#onQuery();
      case 'parse':
        return this.#onParse();
      case 'bind':
        return this.#onBind();
      case 'execute':
        return this.#onExecute();
      case 'describe':
        return this.#onDescribe();
      case 'close':
        return this.#onClose();
      case 'flush':
        // The server would skip to a Sync.
        return this.#in.length === 4 ? 'keep' : this.#violationStep('invalid message format: Flush');
      case 'copy-data':
        return 'keep';
      case 'sync':
        return this.#onSync();
      case 'function-call':
        return this.#onFunctionCall();
      case 'copy-end':
        this.#phase = this.#copyEnded();
        return 'keep';
      case 'copy-broken':
        this.#toClient.write(errorResponse(notInCopy(`0x${hex(this.#in.type)}`)));
        this.#violation('terminating connection because protocol synchronization was lost');
        return 'drop';
      case 'drop':
        return 'drop';
      case 'terminate':
        if (this.#answering()) return this.#settleStep();
        this.#finish('client said goodbye');
        return 'drop';
    }
  }

  /** A Query may start another COPY: what the client sends next depends on it. Execute is answered only after a Sync. */
  #copyEnded(): Phase {
    return this.#replies.head.op === QUERY ? SETTLING : OPEN;
  }

  #onQuery(): Step {
    const { buffer, start, end } = this.#in;
    if (this.#replies.length > 0) return this.#settleStep();
    if (end - start - 6 > this.#limits.statement_bytes_max)
      return this.#refuseOr('simple', tooLarge('statement', this.#limits.statement_bytes_max));
    if (buffer.indexOf(0, start + 5) !== end - 1) return this.#refuseOr('simple', MALFORMED);
    const text = latin1(buffer, start + 5, end - 1);
    const decided = this.#decide('query', text, []);
    if ('step' in decided) return decided.step;
    const plan = decided.plan;
    if (plan.own.length === plan.statements && plan.statements > 0) return this.#ownQuery(plan);
    if (plan.forward !== null) buffer.write(plan.forward, start + 5, 'latin1');
    const now = performance.now();
    this.#replies.push(QUERY, plan, null, null, now);
    this.#accounts.query(decided.release);
    this.#sent(plan, now);
    this.#pipelineEnds(QUERY);
    // A simple Query drops the unnamed statement and portal.
    this.#dropUnnamed();
    const unnamed = this.#names.portals.get('');
    if (unnamed) this.#accounts.endPortal(unnamed);
    this.#names.portals.delete('');
    if (plan.copy_in) {
      this.#keep();
      this.#phase = SETTLING;
      return 'drop';
    }
    return 'keep';
  }

  #onFunctionCall(): Step {
    const { buffer, start, end } = this.#in;
    if (this.#replies.length > 0) return this.#settleStep();
    if (end - start > this.#limits.bind_bytes_max)
      return this.#refuseOr('simple', tooLarge('FunctionCall message', this.#limits.bind_bytes_max));
    const call = readFunctionCall(buffer, start, end);
    if (!call) return this.#violationStep('invalid message format: FunctionCall');
    const decided = this.#decide('call', `FunctionCall ${call.oid}`, [], call.oid);
    if ('step' in decided) return decided.step;
    const now = performance.now();
    this.#replies.push(QUERY, decided.plan, null, null, now);
    this.#accounts.query(decided.release);
    this.#sent(decided.plan, now);
    this.#pipelineEnds(QUERY);
    return 'keep';
  }

  /**
   * The one way to a verdict on SQL text, or on a function: everything before is answered where it matters, the facts are known, the gate
   * has said yes, or somebody has. Returns the plan that may be sent, or what to do instead.
   */
  #decide(at: MessageAtHand, text: string, types: readonly number[], oid: number | null = null): Passed | Stopped {
    const mode = at === 'query' || at === 'call' ? 'simple' : 'extended';
    const ready = this.#ready;
    this.#ready = null;
    if (ready?.type === 'refuse') return stopped(this.#refuse(mode, ready.text));
    if (ready?.type === 'run') {
      if (ready.plan.text !== text) throw new Error('a release met another statement than it was given for');
      // The client can't have changed anything since it was judged; the server can, when its configuration is read anew.
      if (!this.#fresh && this.#status !== FAILED_BLOCK) {
        this.#ready = ready;
        return stopped(this.#rereadStep());
      }
      if (ready.epoch !== this.#epoch) {
        ready.release.finished({ ...NEVER_SENT, sqlstate: 'ZH006' });
        const why = "the session's role or search_path is another now";
        return stopped(this.#refuse(mode, texts.lapsed({ id: ready.release.request, why })));
      }
      if (ready.cancelled) setImmediate(() => this.cancel());
      return this.#pass(ready.plan, ready.release);
    }
    if (this.#barrier && this.#replies.length > 0) return stopped(this.#settleStep());
    const failed = this.#status === FAILED_BLOCK;
    if (!this.#factsKnown && !failed) return stopped(this.#rereadStep());
    const judgement = this.#judge(text, oid);
    if (judgement === null) return WAIT;
    if (judgement.type === 'pass') return this.#pass(judgement.plan, null);
    if (at === 'parse' && judgement.type === 'hold') {
      // Where parsing runs nothing it may be parsed, and waits at Bind, with its parameters.
      if (judgement.plan.parse_is_harmless) return this.#pass(judgement.plan, null);
      // Else its Bind is judged together with it: the client has to finish the pipeline first.
      if (!this.#askedWhole()) return WAIT;
    }
    if (this.#replies.length > 0) return stopped(this.#settleStep());
    // The server parses before it looks at the block: what does not parse is told so.
    if (failed && !this.#executedSinceSync && judgement.plan?.transaction_control === false)
      return stopped(this.#refuse(mode, FAILED_TRANSACTION));
    if (judgement.type === 'hold' && !this.#fresh) return stopped(this.#rereadStep());
    this.#fresh = false;
    this.#record(judgement, judgement.type === 'hold' ? this.#parameters(at, types) : []);
    return WAIT;
  }

  /** Has the client sent all of what it wants answered, or as much as is kept for it? */
  #askedWhole(): boolean {
    let ends = this.#in.unread > this.#limits.held_bytes_max;
    this.#in.peek((type) => {
      ends ||= ENDS_PIPELINE.has(type);
      return !ends;
    });
    return ends;
  }

  /** The parameters of the Bind at hand, or of the one that follows the Parse at hand in its pipeline. */
  #parameters(at: MessageAtHand, types: readonly number[]): readonly BoundParameter[] {
    const { buffer, start, end } = this.#in;
    if (at === 'query') return [];
    const call = at === 'call' ? readFunctionCall(buffer, start, end) : null;
    if (call) return decodeParameters(call, []);
    const bound = at === 'bind' ? readBind(buffer, start, end) : (this.#bindAhead()?.message ?? null);
    return bound ? decodeParameters(bound, types) : [];
  }

  /** The Bind of the statement that the Parse at hand makes, if it is next of its kind in the pipeline. */
  #bindAhead(): { message: BindMessage; bytes: Buffer } | null {
    const { buffer, start, end } = this.#in;
    const parsed = readParse(buffer, start, end);
    const found: { message: BindMessage; bytes: Buffer }[] = [];
    this.#in.peek((type, from, to) => {
      if (type === FRONTEND.Describe || type === FRONTEND.Flush) return true;
      const message = type === FRONTEND.Bind ? readBind(buffer, from, to) : null;
      if (message && parsed && serverName(message.statement) === serverName(parsed.name))
        found.push({ message, bytes: Buffer.from(buffer.subarray(from, to)) });
      return false;
    });
    return found[0] ?? null;
  }

  #pass(plan: Plan, release: Release | null): Passed {
    this.#fresh = false;
    PASSED.plan = plan;
    PASSED.release = release;
    return PASSED;
  }

  #judge(text: string, oid: number | null = null): Judgement | null {
    const judged = this.#judged;
    this.#judged = null;
    if (judged?.text === text) return judged.verdict;
    const judgement = oid === null ? this.#gate.judge(text) : this.#gate.judgeCall(oid);
    if (!(judgement instanceof Promise)) return judgement;
    const judging: Judging = { name: 'judging', text, verdict: null };
    this.#phase = judging;
    judgement.then(
      (verdict) => {
        // The server may have failed the pipeline meanwhile: then nobody asks any more.
        if (this.#phase !== judging) return;
        judging.verdict = verdict;
        this.#judged = judging;
        this.#resume(judging);
      },
      (error) => this.#broken('a statement could not be judged', error),
    );
    return null;
  }

  /** Records a refusal, or opens a request; goes on when it is known what becomes of it. */
  #record(judgement: Exclude<Judgement, { type: 'pass' }>, parameters: readonly BoundParameter[]): void {
    this.#phase = new Hold(judgement, parameters, this.#limits.heartbeat_ms, {
      notice: (text) => {
        if (!this.#clientGone) this.#toClient.write(noticeResponse(text));
      },
      waiting: () => {
        this.#pace.readClient();
        this.#watchHeld();
      },
      answered: (answer) => this.#become(answer),
      failed: (what, error) => this.#broken(what, error),
      fault: (what, error) => this.#events.fault(what, error),
    });
  }

  /** Reads the message at hand again, now that it is known what becomes of it. */
  #become(ready: Answer): void {
    this.#ready = { ...ready, epoch: this.#epoch };
    this.#phase = OPEN;
    this.#read();
    this.#watchBacklog();
  }

  #resume(from: Phase): void {
    if (this.#phase !== from) return;
    this.#phase = OPEN;
    this.#read();
    this.#watchBacklog();
  }

  /** Bookkeeping for a text that is on its way. */
  #sent(plan: Plan, now: number): void {
    this.#fresh = false;
    if (this.#begun === 0) this.#begun = now;
    if (plan.block !== null) this.in_transaction = plan.block === 'open';
    if (plan.changes_facts) this.#touched = true;
    if (plan.changes_role) this.#roleTouched = true;
    // The end of a transaction, and ROLLBACK TO, take back what was set in it.
    if (plan.changes_facts || (plan.block !== null && this.#touched)) {
      this.#factsKnown = false;
      this.#barrier = true;
    }
    if (plan.names.length > 0) this.#barrier = true;
    if (plan.declares) this.#fetchable(plan);
    if (plan.opaque && this.#names.forgetSql()) this.#namesDoubted = true;
  }

  /** FETCH may run this one's query, or more of it. */
  #fetchable(plan: Plan): void {
    const { runs_code, runs_late } = this.portals;
    this.portals = portalsOf(runs_code || plan.changes_facts || plan.opaque, runs_late || plan.runs_late);
  }

  // ---- extended query protocol

  #onParse(): Step {
    const { buffer, start, end } = this.#in;
    const message = readParse(buffer, start, end);
    if (!message) return this.#violationStep('invalid message format: Parse');
    const name = serverName(message.name);
    if (message.text.length > this.#limits.statement_bytes_max)
      return this.#refuseOr('extended', tooLarge('statement', this.#limits.statement_bytes_max));
    if (!this.#names.statements.has(name) && this.#names.statements.size >= this.#limits.prepared_statements_max)
      return this.#refuseOr('extended', tooMany('prepared statements', this.#limits.prepared_statements_max));
    const decided = this.#decide('parse', message.text, message.types);
    if ('step' in decided) return decided.step;
    const { plan, release } = decided;
    if (plan.own.length > 0) {
      if (this.#replies.length > 0) return this.#settleStep();
      if (plan.statements !== 1) return this.#refuse('extended', ONE_COMMAND);
      if (this.#status === FAILED_BLOCK) return this.#refuse('extended', FAILED_TRANSACTION);
      if (name === '') {
        this.#names.setStatement('', { ...this.#prepare(plan, []), pipeline: CERTAIN });
        this.#toClient.write(PARSE_COMPLETE);
        return 'drop';
      }
      // A name is the server's to give and to take away: it gets an empty statement.
    }
    const prepared = this.#prepare(plan, message.types);
    if (release) this.#accounts.parse(prepared, this.#bindAhead()?.bytes ?? null, release);
    if (plan.forward !== null) buffer.write(plan.forward, message.textStart, 'latin1');
    const undo = this.#names.setStatement(name, prepared);
    this.#replies.push(PARSE, plan, null, undo, 0);
    this.#sentSinceSync = true;
    return 'keep';
  }

  #prepare(plan: Plan, types: readonly number[]): Prepared {
    const { pipeline } = this.#replies;
    return { plan, inner: null, text: plan.text, types, local: plan.own.length > 0, epoch: this.#epoch, pipeline };
  }

  #onBind(): Step {
    const { buffer, start, end } = this.#in;
    const portalName = cstring(buffer, start + 5, end);
    const statementName = portalName && cstring(buffer, portalName.next, end);
    if (!statementName) return this.#violationStep('invalid message format: Bind');
    if (end - start > this.#limits.bind_bytes_max)
      return this.#refuseOr('extended', tooLarge('Bind message', this.#limits.bind_bytes_max));
    const name = serverName(portalName.text);
    const prepared = this.#names.statements.get(serverName(statementName.text));
    if (!prepared) return this.#refuseOr('extended', noSuch('26000', 'prepared statement', statementName.text));
    if (!this.#names.portals.has(name) && this.#names.portals.size >= this.#limits.prepared_statements_max)
      return this.#refuseOr('extended', tooMany('portals', this.#limits.prepared_statements_max));
    if (prepared.local) return this.#bindOwn(prepared, name);
    if (!this.#replies.settled(prepared.pipeline)) return this.#settleStep();
    let release = this.#accounts.granted ? this.#accounts.takeGrant(prepared, buffer.subarray(start, end)) : null;
    let plan: Plan;
    if (release) plan = prepared.plan as Plan;
    else {
      const decided = this.#decide('bind', textOf(prepared, serverName(statementName.text)), prepared.types);
      if ('step' in decided) return decided.step;
      ({ plan, release } = decided);
    }
    let portal = this.#names.portals.get(name);
    let undo: Undo | null = null;
    if (
      !portal ||
      release ||
      portal.prepared !== prepared ||
      portal.plan !== plan ||
      portal.epoch !== this.#epoch ||
      portal.release
    ) {
      const { pipeline } = this.#replies;
      portal = {
        prepared,
        plan,
        epoch: this.#epoch,
        names: this.#names.changes,
        portals: this.portals,
        release,
        values: [],
        resultFormat: 0,
        pipeline,
        rows: 0,
        bytes: 0,
      };
      undo = this.#names.setPortal(name, portal);
    } else {
      portal.pipeline = this.#replies.pipeline;
      portal.names = this.#names.changes;
      portal.portals = this.portals;
    }
    if (name !== '') this.#fetchable(plan);
    this.#replies.push(BIND, plan, portal, undo, 0);
    this.#sentSinceSync = true;
    this.#boundSinceSync = true;
    return 'keep';
  }

  #onExecute(): Step {
    const { buffer, start, end } = this.#in;
    const name = cstring(buffer, start + 5, end);
    if (!name || name.next + 4 !== end) return this.#violationStep('invalid message format: Execute');
    const portal = this.#names.portals.get(serverName(name.text));
    if (!portal) return this.#executeCursor(serverName(name.text));
    if (portal.prepared.local) return this.#executeOwn(portal);
    let { plan } = portal;
    if (!this.#replies.settled(portal.pipeline)) return this.#settleStep();
    if (this.#barrier && this.#replies.length > 0) return this.#settleStep();
    if (!this.#factsKnown && this.#status !== FAILED_BLOCK) return this.#rereadStep();
    // Bound under other facts, or before a name that it executes was made anew: such a portal has to be bound again.
    const changed =
      portal.epoch !== this.#epoch ||
      (plan.by_name && portal.names !== this.#names.changes) ||
      (plan.runs_late && portal.portals !== this.portals);
    if (changed) {
      const judgement = this.#judge(plan.text);
      if (judgement === null) return 'wait';
      if (judgement.type !== 'pass' || portal.release) return this.#refuseOr('extended', CHANGED);
      // What it does now, its effects too.
      ({ plan } = judgement);
    }
    const now = performance.now();
    this.#replies.push(EXECUTE, plan, portal, null, now);
    this.#sentSinceSync = true;
    this.#executedSinceSync = true;
    this.#sent(plan, now);
    if (plan.copy_in) {
      this.#keep();
      this.#flushRun();
      this.#toServer.write(FLUSH);
      this.#phase = SETTLING;
      return 'drop';
    }
    return 'keep';
  }

  /** What Bind did not make may be a cursor of SQL's: portals and cursors have one space of names. */
  #executeCursor(name: string): Step {
    // A Close that is under way may be skipped: then it is no cursor.
    if (this.#replies.length > 0) return this.#settleStep();
    if (name === '') return this.#refuse('extended', noSuch('34000', 'portal', name));
    if (!this.#factsKnown && this.#status !== FAILED_BLOCK) return this.#rereadStep();
    const judgement = this.#judge(`FETCH ALL FROM ${quoted(name)}`);
    if (judgement === null) return 'wait';
    if (judgement.type !== 'pass') return this.#refuseOr('extended', CHANGED);
    const now = performance.now();
    this.#replies.push(EXECUTE, judgement.plan, null, null, now);
    this.#sentSinceSync = true;
    this.#executedSinceSync = true;
    this.#sent(judgement.plan, now);
    return 'keep';
  }

  #onDescribe(): Step {
    const { buffer, start, end } = this.#in;
    const kind = buffer[start + 5];
    const name = cstring(buffer, start + 6, end);
    if (!name || name.next !== end) return this.#violationStep('invalid message format: Describe');
    const key = serverName(name.text);
    const portal = kind === 0x50 ? this.#names.portals.get(key) : undefined;
    const prepared = portal?.prepared ?? (kind === 0x53 ? this.#names.statements.get(key) : undefined);
    // The server may still have one that a refused message would have dropped.
    if (kind === 0x53 && !prepared && name.text === '')
      return this.#refuseOr('extended', noSuch('26000', 'prepared statement', ''));
    if (prepared?.local) {
      if (this.#replies.length > 0) return this.#settleStep();
      const command = (prepared.plan as Plan).own[0] as Plan['own'][number];
      this.#toClient.write(describeOwn(command, portal ? 'portal' : 'statement', portal?.resultFormat ?? 0));
      return 'drop';
    }
    // Describing a statement analyses it again under the settings of now, which may run what parsing runs.
    if (kind === 0x53 && prepared && prepared.plan?.parse_is_harmless !== true) {
      if (this.#barrier && this.#replies.length > 0) return this.#settleStep();
      if (!this.#factsKnown && this.#status !== FAILED_BLOCK) return this.#rereadStep();
      if (prepared.epoch !== this.#epoch) {
        const judgement = this.#judge(textOf(prepared, key));
        if (judgement === null) return 'wait';
        if (judgement.type !== 'pass') return this.#refuseOr('extended', CHANGED);
      }
    }
    this.#replies.push(DESCRIBE, null, null, null, 0).prepared = kind === 0x53 ? (prepared ?? null) : null;
    this.#sentSinceSync = true;
    return 'keep';
  }

  #onClose(): Step {
    const { buffer, start, end } = this.#in;
    const kind = buffer[start + 5];
    const name = cstring(buffer, start + 6, end);
    if (!name || name.next !== end) return this.#violationStep('invalid message format: Close');
    const key = serverName(name.text);
    const unsent =
      kind === 0x53
        ? key === '' && this.#names.statements.get('')?.local
        : this.#names.portals.get(key)?.prepared.local;
    if (unsent) {
      if (this.#replies.length > 0) return this.#settleStep();
      if (kind === 0x53) this.#names.setStatement('', undefined);
      else this.#names.setPortal(key, undefined);
      this.#toClient.write(CLOSE_COMPLETE);
      return 'drop';
    }
    // A name that is made just now must not be taken back together with this.
    if (this.#barrier && this.#replies.length > 0) return this.#settleStep();
    const undo = kind === 0x53 ? this.#names.setStatement(key, undefined) : this.#names.setPortal(key, undefined);
    this.#replies.push(CLOSE, null, null, undo, 0);
    this.#sentSinceSync = true;
    return 'keep';
  }

  #onSync(): Step {
    this.#phase = OPEN;
    this.#replies.push(SYNC_OP, null, null, null, 0);
    this.#pipelineEnds(SYNC_OP);
    return 'keep';
  }

  /** A Sync or a Query was sent: outside a block it ends the transaction, which takes back what was set in it. */
  #pipelineEnds(by: typeof SYNC_OP | typeof QUERY): void {
    if (this.#touched) this.#barrier = true;
    // From 18 on a Query behind messages that no Sync has ended leaves their implicit transaction open, as its ReadyForQuery tells:
    // until then it counts as work that a Sync of ours would commit.
    const open = by === QUERY && this.#sentSinceSync;
    this.#sentSinceSync = this.#executedSinceSync = this.#boundSinceSync = open;
  }

  // ---- own statements

  #ownQuery(plan: Plan): Step {
    if (this.#status === FAILED_BLOCK) return this.#refuse('simple', FAILED_TRANSACTION);
    for (const command of plan.own) {
      const result = runOwn(command, this, this.#gate, [], false);
      if (!Buffer.isBuffer(result)) return this.#refuse('simple', result);
      this.#toClient.write(result);
    }
    // Nothing is open: every message before was settled.
    this.#toClient.write(readyForQuery(this.#status));
    return 'drop';
  }

  #bindOwn(prepared: Prepared, portal: string): Step {
    if (this.#replies.length > 0) return this.#settleStep();
    const message = readBind(this.#in.buffer, this.#in.start, this.#in.end);
    if (!message) return this.#violationStep('invalid message format: Bind');
    const values = message.values.map((value) => value?.toString('utf8') ?? null);
    const plan = prepared.plan as Plan;
    const resultFormat = message.resultFormats[0] ?? 0;
    const epoch = this.#epoch;
    const known: Portal = {
      prepared,
      plan,
      epoch,
      names: this.#names.changes,
      portals: this.portals,
      release: null,
      values,
      resultFormat,
      pipeline: CERTAIN,
      rows: 0,
      bytes: 0,
    };
    const before = this.#names.portals.get(portal);
    if (portal !== '' && before?.prepared.local === false) return this.#refuse('extended', cursorExists(portal));
    if (before) this.#accounts.endPortal(before);
    this.#names.setPortal(portal, known);
    this.#toClient.write(BIND_COMPLETE);
    return 'drop';
  }

  #executeOwn(portal: Portal): Step {
    if (this.#replies.length > 0) return this.#settleStep();
    if (this.#status === FAILED_BLOCK) return this.#refuse('extended', FAILED_TRANSACTION);
    const result = runOwn(portal.plan.own[0] as Plan['own'][number], this, this.#gate, portal.values, true);
    if (!Buffer.isBuffer(result)) return this.#refuse('extended', result);
    this.#toClient.write(result);
    return 'drop';
  }

  // ---- waiting

  #settleStep(): Step {
    this.#settle();
    return 'wait';
  }

  /** Waits until everything sent has been answered; makes the server answer where nothing else does. */
  #settle(): void {
    const last = this.#replies.last;
    if (last !== QUERY && last !== SYNC_OP && last !== OWN_SYNC) {
      this.#flushRun();
      // Without bound or executed work a Sync of ours loses nothing, and leaves no lock while somebody thinks.
      if (this.#boundSinceSync || this.#executedSinceSync) this.#toServer.write(FLUSH);
      else this.#ownSync();
    }
    this.#phase = SETTLING;
  }

  #ownSync(): void {
    this.#toServer.write(SYNC);
    this.#replies.push(OWN_SYNC, null, null, null, 0);
    this.#sentSinceSync = false;
  }

  #rereadStep(): Step {
    if (this.#replies.length > 0) return this.#settleStep();
    this.#reread();
    return 'wait';
  }

  #reread(): void {
    const asked = this.#outcome ? 'user-schema' : this.#namesDoubted ? 'sql-names' : 'none';
    const { names, bytes, ops } = reading(this.#upstream.serverVersion, asked);
    this.#flushRun();
    this.#toServer.write(bytes);
    for (const op of ops) this.#replies.push(op, null, null, null, 0);
    if (this.#boundSinceSync || this.#executedSinceSync) this.#toServer.write(FLUSH);
    else this.#ownSync();
    this.#phase = { name: 'rereading', names, values: [] };
  }

  /** The answers are in. */
  #rereadDone(phase: Extract<Phase, { name: 'rereading' }>): void {
    const value = (name: string): string | null => phase.values[phase.names.indexOf(name)] ?? null;
    const facts: Facts = {
      search_path: value('search_path'),
      role: value('role'),
      session_authorization: value('session_authorization'),
    };
    if (FACTS.some((name) => facts[name] !== this.#facts[name])) {
      this.#epoch++;
      this.#judged = null;
    }
    this.#facts = facts;
    this.search_path_start ??= facts.search_path;
    const inBlock = this.#status !== IDLE || this.#executedSinceSync;
    this.server_timeout_ms = least(
      inBlock ? readTimeout(value('idle_in_transaction_session_timeout') ?? '0') : null,
      inBlock ? this.#leftOf(readTimeout(value('transaction_timeout') ?? '0')) : null,
      inBlock ? null : readTimeout(value('idle_session_timeout') ?? '0'),
    );
    if (value('standard_conforming_strings') !== 'on' || !isUtf8Name(value('client_encoding') ?? ''))
      return this.#violation('a setting that Holdpoint depends on was changed behind its back', GUARDED_SETTING);
    this.#factsKnown = true;
    this.#fresh = true;
    this.#barrier = false;
    const answer = phase.values.length > phase.names.length ? (phase.values.at(-1) as string) : null;
    if (this.#outcome) {
      this.#firstRole = this.role;
      this.#firstRoleHasSchema = answer === 't';
      return this.#outcome();
    }
    if (answer !== null) {
      this.#names.replaced(answer);
      this.#namesDoubted = false;
    }
    this.#resume(phase);
  }

  /** Of a time that runs since the transaction began. */
  #leftOf(timeout_ms: number | null): number | null {
    return timeout_ms === null ? null : Math.max(0, timeout_ms - (performance.now() - this.#begun));
  }

  /** Our own SHOW failed (a cancel hit it, the transaction was ended): the client's message gets that error. */
  #rereadFailed(error: Buffer): void {
    if (this.#outcome) return this.#outcome();
    this.#dropReady();
    this.#toClient.write(error);
    const simple = this.#in.next() === FRAME && this.#in.type === FRONTEND.Query;
    if (simple) {
      // The server waits for a Sync; its answer ends the client's Query.
      if (this.#replies.length === 0 && this.#sentSinceSync) {
        this.#toServer.write(SYNC);
        this.#replies.push(SYNC_OP, null, null, null, 0);
      } else this.#toClient.write(readyForQuery(this.#status));
      this.#pipelineEnds(SYNC_OP);
      this.#phase = OPEN;
    } else {
      this.#in.unread_last();
      this.#phase = DISCARDING;
    }
    this.#readOn();
  }

  // ---- refusing

  /** Refuses the message at hand once everything before it is answered. */
  #refuseOr(mode: 'simple' | 'extended', text: WireText): Step {
    return this.#replies.length > 0 ? this.#settleStep() : this.#refuse(mode, text);
  }

  /**
   * Answers the message at hand with an error. Where the server has work that the error must undo, the server is made
   * to fail in its place and reports the status; only where it has nothing to lose is it answered here.
   */
  #refuse(mode: 'simple' | 'extended', text: WireText): Step {
    const nothingToLose = this.#status !== IN_BLOCK && !this.#executedSinceSync && !this.#boundSinceSync;
    this.#accounts.dropGrant();
    this.#dropUnnamed();
    if (mode === 'simple') {
      if (nothingToLose && !this.#sentSinceSync) {
        this.#toClient.write(Buffer.concat([errorResponse(text), readyForQuery(this.#status)]));
        return 'drop';
      }
      this.#flushRun();
      this.#toServer.write(this.#in.type === FRONTEND.FunctionCall ? REFUSED_CALL : REFUSED_QUERY);
      this.#replies.push(QUERY, null, null, null, 0).refusal = text;
      this.#pipelineEnds(QUERY);
      return 'drop';
    }
    if (nothingToLose) this.#toClient.write(errorResponse(text));
    else {
      this.#flushRun();
      this.#toServer.write(REFUSED_PARSE);
      this.#toServer.write(FLUSH);
      this.#replies.push(PARSE, null, null, null, 0).refusal = text;
    }
    this.#phase = DISCARDING;
    return 'drop';
  }

  /** A Query, and a Parse without a name, drop the unnamed statement before the server looks at their text. */
  #dropUnnamed(): void {
    const { type, buffer, start } = this.#in;
    const drops = type === FRONTEND.Query || (type === FRONTEND.Parse && buffer[start + 5] === 0);
    if (drops && this.#names.statements.has('')) this.#names.setStatement('', undefined);
  }

  #tooLong(): void {
    const { type, length } = this.#in;
    this.#violation(`invalid length ${length} of message type 0x${hex(type)}`, length < 4 ? undefined : TOO_LONG);
  }

  #violationStep(what: string): Step {
    this.#violation(what);
    return 'drop';
  }

  /** The client broke the protocol: it is told, and the session ends. */
  #violation(what: string, text?: WireText): void {
    this.#toClient.write(errorResponse(text ?? { severity: 'FATAL', sqlstate: '08P01', message: what }));
    this.#finish(what);
  }

  /** A fault of ours: fail closed. */
  #broken(what: string, error: unknown): void {
    if (this.#phase.name === 'closed') return;
    this.#events.fault(what, error);
    this.#toClient.write(errorResponse(INTERNAL));
    this.#finish(what);
  }

  // ---- the client's pace

  #watchBacklog(): void {
    const phase = this.#phase;
    if (phase.name === 'closed') return;
    if (phase.name === 'held' && phase.waiting) return this.#watchHeld();
    this.#pace.watch(isWaiting(phase), this.#in.unread > this.#limits.backlog_bytes_max);
  }

  /** While its statement is held the client is still read: it may leave, or send more than it should. */
  #watchHeld(): void {
    const phase = this.#phase;
    if (phase.name !== 'held' || !phase.waiting) return;
    let terminate = false;
    let first = true;
    this.#in.peek((type, start, end) => {
      // The first message is the held one itself.
      if (!first && type === FRONTEND.Terminate && end - start === 5) terminate = true;
      first = false;
      return !terminate;
    });
    if (terminate) return this.#clientLeft();
    if (this.#in.unread - (this.#in.length + 1) > this.#limits.held_bytes_max) phase.end('overflow');
  }

  #serverDrained(): void {
    this.#pace.serverDrained();
    this.#watchBacklog();
  }

  #clientLeft(): void {
    this.#clientGone = true;
    this.#finish('client left');
  }

  // ---------------------------------------------------------------- server to client

  #fromServer(chunk: Buffer): void {
    if (this.#phase.name === 'closed') return;
    const out = this.#out;
    out.append(chunk);
    let runStart = -1;
    let runEnd = -1;
    try {
      for (;;) {
        const found = out.next();
        if (found === NEED_MORE) break;
        if (found === BAD_LENGTH) {
          this.#desync(`a message of length ${out.length}`);
          break;
        }
        const pass = found === FRAME || out.first ? this.#reply(found === FRAME) : this.#continued();
        this.#replyPassed = pass !== false;
        if (pass === true) {
          if (runStart < 0) runStart = out.start;
          if (found === FRAME) this.#passAlike();
          runEnd = out.end;
          continue;
        }
        if (runStart >= 0) this.#forward(out.buffer, runStart, runEnd);
        runStart = -1;
        if (pass !== false) this.#toClient.write(pass);
        if (this.#isClosed()) return;
      }
      if (runStart >= 0) this.#forward(out.buffer, runStart, runEnd);
    } catch (error) {
      this.#broken('a server message could not be handled', error);
    } finally {
      out.release();
    }
    if (chunk.length > AT_ONCE_BYTES && out.unread === 0 && this.#toClient.empty) this.#upstream.reuse(chunk);
    if (this.#accounts.passing > LONG_RESULT_BYTES && chunk.length < GATHERED_BYTES) this.#pace.gather();
    this.#afterReplies();
  }

  #clientDrained(): void {
    if (this.#pace.clientDrained()) this.#readOn();
  }

  /** Where a row has passed, the rows right behind it pass too: they answer the same message, and what stood before the first was told. */
  #passAlike(): void {
    const out = this.#out;
    if (out.type !== BACKEND.DataRow && out.type !== BACKEND.CopyData) return;
    const from = out.end;
    const count = out.run();
    if (out.type === BACKEND.DataRow) this.#accounts.rows(count, out.end - from);
    else this.#accounts.data(out.end - from);
  }

  #isClosed(): boolean {
    return this.#phase.name === 'closed';
  }

  #forward(buffer: Buffer, start: number, end: number): void {
    if (this.#clientGone) return;
    this.#toClient.write(start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end));
  }

  /** A later part of a long message goes the way of its first part; one that was kept is a row of ours. */
  #continued(): boolean {
    if (!this.#replyPassed) {
      this.#ownRow.push(Buffer.from(this.#out.buffer.subarray(this.#out.start, this.#out.end)));
      return false;
    }
    this.#accounts.data(this.#out.end - this.#out.start);
    return true;
  }

  /** One message of the server: true to pass it on, false to keep it from the client, or what to send in its place. */
  #reply(whole: boolean): boolean | Buffer {
    const { type, buffer, start, end } = this.#out;
    const head = this.#replies.head;
    const own = isOwn(head.op);
    switch (type) {
      case BACKEND.DataRow:
        if (head.op !== QUERY && head.op !== EXECUTE && !own) return this.#unexpected(type);
        if (own) {
          this.#ownRow = [Buffer.from(buffer.subarray(start, end))];
          return false;
        }
        this.#accounts.rows(1, end - start);
        return head.op === QUERY ? this.#withOwnBefore(head, true) : true;
      case BACKEND.CopyData:
        this.#accounts.data(end - start);
        return true;
      case BACKEND.RowDescription:
        if (own) return false;
        if (head.op === DESCRIBE) this.#replies.pop();
        else if (head.op !== QUERY) return this.#unexpected(type);
        return head.op === QUERY ? this.#withOwnBefore(head, true) : true;
      case BACKEND.ParameterDescription:
        if (head.op !== DESCRIBE) return this.#unexpected(type);
        if (head.prepared && whole) head.prepared.types = readParameterTypes(buffer, start, end);
        return true;
      case BACKEND.NoData:
        if (own) return false;
        if (head.op !== DESCRIBE) return this.#unexpected(type);
        this.#replies.pop();
        return true;
      case BACKEND.ParseComplete:
        return this.#expect(head.op === PARSE || head.op === OWN_PARSE, own, type);
      case BACKEND.BindComplete:
        return this.#expect(head.op === BIND || head.op === OWN_BIND, own, type);
      case BACKEND.CloseComplete:
        return this.#expect(head.op === CLOSE || head.op === OWN_CLOSE, own, type);
      case BACKEND.CommandComplete:
      case BACKEND.EmptyQueryResponse:
        return this.#completed(head, type === BACKEND.CommandComplete ? shortLatin1(buffer, start + 5, end - 1) : '');
      case BACKEND.PortalSuspended:
        if (head.op !== EXECUTE) return this.#unexpected(type);
        this.#accounts.suspended(head);
        this.#replies.pop();
        return true;
      case BACKEND.ReadyForQuery:
        return this.#readyForQuery(buffer[start + 5] as number);
      case BACKEND.ErrorResponse:
        return this.#error(head);
      case BACKEND.CopyInResponse:
        if (head.op !== QUERY && head.op !== EXECUTE) return this.#unexpected(type);
        // Only a plan with copy_in gets here, and it was sent alone: nothing else is under way.
        if (!head.plan?.copy_in) return this.#unexpected(type);
        this.#phase = COPYING;
        return head.op === QUERY ? this.#withOwnBefore(head, true) : true;
      case BACKEND.CopyOutResponse:
      case BACKEND.CopyDone:
        if (head.op !== QUERY && head.op !== EXECUTE) return this.#unexpected(type);
        return head.op === QUERY ? this.#withOwnBefore(head, true) : true;
      case BACKEND.FunctionCallResponse:
        if (head.op !== QUERY) return this.#unexpected(type);
        this.#tag = 'FunctionCall';
        return true;
      case BACKEND.NoticeResponse:
      case BACKEND.NotificationResponse:
        return true;
      case BACKEND.ParameterStatus:
        return whole ? this.#parameterStatus() : this.#unexpected(type);
      default:
        return this.#unexpected(type);
    }
  }

  #expect(fits: boolean, own: boolean, type: number): boolean {
    if (!fits) return this.#unexpected(type);
    const { op, undo } = this.#replies.head;
    if (op === PARSE) this.#accounts.parsed();
    // A portal that was closed, or bound anew.
    if (undo?.map === 'portal' && undo.before) this.#accounts.endPortal(undo.before);
    this.#replies.pop();
    return !own;
  }

  #completed(head: Entry, tag: string): boolean | Buffer {
    if (head.op === OWN_EXECUTE) {
      if (this.#phase.name === 'rereading') this.#phase.values.push(firstColumn(Buffer.concat(this.#ownRow)));
      // A piece of a slab that it would keep whole.
      this.#ownRow = NO_ROW;
      this.#replies.pop();
      return false;
    }
    if (head.op === EXECUTE) {
      this.#ended(head, tag, null);
      this.#replies.pop();
      return true;
    }
    if (head.op !== QUERY) return this.#unexpected(BACKEND.CommandComplete);
    this.#tag = tag;
    const plan = head.plan;
    if (!plan || plan.own.length === 0) {
      this.#ownNext++;
      return true;
    }
    // Own statements of the batch that stand before this one, the server's answer, and those right after it.
    const before = this.#ownUpTo(plan);
    const { buffer, start, end } = this.#out;
    this.#ownNext++;
    return Buffer.concat([before, buffer.subarray(start, end), this.#ownUpTo(plan)]);
  }

  /** Runs the own statements of a batch that are next in order; their replies. */
  #ownUpTo(plan: Plan): Buffer {
    const replies: Buffer[] = [];
    for (;;) {
      const command = plan.own.find((own) => own.statement === this.#ownNext);
      if (!command) return Buffer.concat(replies);
      this.#ownNext++;
      const result = runOwn(command, this, this.#gate, [], false);
      // A batch cannot be failed from here any more: the wrong value is told as a notice, the setting stays.
      replies.push(Buffer.isBuffer(result) ? result : noticeResponse({ ...result, severity: 'WARNING' }));
    }
  }

  #withOwnBefore(head: Entry, pass: boolean): boolean | Buffer {
    const plan = head.plan;
    if (!plan || plan.own.length === 0) return pass;
    const before = this.#ownUpTo(plan);
    if (before.length === 0) return pass;
    return Buffer.concat([before, this.#out.buffer.subarray(this.#out.start, this.#out.end)]);
  }

  #readyForQuery(status: number): boolean | Buffer {
    const head = this.#replies.head;
    if (head.op !== SYNC_OP && head.op !== QUERY && head.op !== OWN_SYNC)
      return this.#unexpected(BACKEND.ReadyForQuery);
    let before: Buffer | null = null;
    if (head.op === QUERY && head.plan) {
      if (this.#tag !== ERROR_TAG && head.plan.own.length > 0) before = this.#ownUpTo(head.plan);
      if (this.#tag !== ERROR_TAG) this.#ended(head, this.#tag, null);
    }
    this.#tag = '';
    this.#ownNext = 0;
    const { op } = head;
    const own = op === OWN_SYNC;
    this.#replies.pop();
    this.#status = status;
    if (this.#replies.length === 0) this.#barrier = false;
    if (status === IDLE) {
      if (this.#touched) this.#factsKnown = false;
      // What is under way already may have touched them again.
      if (this.#replies.length === 0) {
        this.#touched = this.#roleTouched = false;
        this.#begun = 0;
        this.portals = PLAIN_PORTALS;
        if (op === QUERY) this.#sentSinceSync = this.#executedSinceSync = this.#boundSinceSync = false;
      }
      if (this.earlier.length > 0) this.earlier = [];
      if (this.#names.portals.size > 0) this.#portalsEnded();
    }
    if (own) return false;
    return before && before.length > 0 ? Buffer.concat([before, readyForQuery(status)]) : true;
  }

  /** A transaction's end closes its portals, all but those that a later one has made already. */
  #portalsEnded(): void {
    const unnamed = this.#names.portals.size === 1 ? this.#names.portals.get('') : undefined;
    // Drivers bind the same again and again, so its entry stays: the server refuses to execute a portal that it has not.
    if (unnamed?.release === null && !unnamed.prepared.local) return;
    for (const [name, portal] of this.#names.portals)
      if (portal.pipeline < this.#replies.answered) {
        this.#accounts.endPortal(portal);
        this.#names.portals.delete(name);
      }
  }

  #error(head: Entry): boolean | Buffer {
    const { buffer, start, end } = this.#out;
    const fields = readFields(buffer, start, end);
    const sqlstate = fields.get('C') ?? 'XX000';
    const fatal = fields.get('V') === 'FATAL' || fields.get('V') === 'PANIC';
    if (this.#touched) this.#factsKnown = false;
    if (fatal) this.#fatal = true;
    if (head.op === 0 || fatal) {
      // Between two messages (a timeout of the server): what the client sends before its Sync is skipped there.
      if (!fatal && this.#sentSinceSync) this.#discard();
      return true;
    }
    if (isOwn(head.op)) {
      this.#ownError = Buffer.from(buffer.subarray(start, end));
      this.#skipToSync(sqlstate);
      return false;
    }
    const refusal = head.refusal;
    const shift = head.plan?.position_shift ?? [];
    // Own statements that stand before the one that failed are done, and stay done.
    const before = head.op === QUERY && head.plan && head.plan.own.length > 0 ? this.#ownUpTo(head.plan) : NO_BYTES;
    this.#ended(head, null, sqlstate);
    if (head.op === QUERY) {
      this.#tag = ERROR_TAG;
      if (this.#phase === COPYING) this.#phase = OPEN;
    } else {
      const synced = this.#skipToSync(sqlstate);
      // The server skips what follows until a Sync: nothing the client sends before that is judged or sent.
      if (!synced || this.#replies.head.op === OWN_SYNC) this.#discard();
      if (this.#status === IN_BLOCK) this.#status = FAILED_BLOCK;
    }
    if (refusal) return errorResponse(refusal);
    if (before.length > 0) return Buffer.concat([before, this.#moved(shift)]);
    return shift.length === 0 ? true : this.#moved(shift);
  }

  /** The server's error at hand with its position in the text as the client sent it. */
  #moved(shift: Plan['position_shift']): Buffer {
    const { buffer, start, end } = this.#out;
    return movePosition(buffer, start, end, (position) => {
      let off = 0;
      for (const [from, characters] of shift) if (position >= from) off = characters;
      return position - off;
    });
  }

  /** Takes back what the server skips. False: no Sync has been sent yet. */
  #skipToSync(sqlstate: string): boolean {
    return this.#replies.skipToSync((undo, newer) => {
      const portal = this.#names.undo(undo, newer);
      // Let through with its Parse, which failed.
      portal?.release?.finished({ ...NEVER_SENT, sqlstate });
    });
  }

  /** The server skips to the next Sync: so does what was waited for. */
  #discard(): void {
    const phase = this.#phase;
    this.#phase = DISCARDING;
    if (phase.name === 'held') phase.leave('upstream-gone');
    this.#dropReady();
    this.#accounts.dropGrant();
  }

  /** The message at hand is not sent any more. */
  #dropReady(): void {
    if (this.#ready?.type === 'run') this.#ready.release.finished(NEVER_SENT);
    this.#ready = null;
  }

  /** A statement has ended: accounts for it. Exactly one of tag and sqlstate is set. */
  #ended(head: Entry, tag: string | null, sqlstate: string | null): void {
    const { plan, op } = head;
    if (!plan) return;
    const at = this.#accounts.ended(head, plan, tag, sqlstate);
    this.#follow(plan, op, tag, sqlstate);
    const open = this.in_transaction || this.#status !== IDLE || this.#executedSinceSync;
    if (tag !== null && plan.block === 'closed') this.earlier = [];
    else if (open && !isDeallocate(plan) && this.#earlierFits(plan.text))
      this.earlier.push({ sql: plan.text, at, outcome: sqlstate ?? tag ?? '' });
  }

  #earlierFits(text: string): boolean {
    if (this.earlier.length >= EARLIER_MAX) return false;
    return this.earlier.reduce((sum, { sql }) => sum + sql.length, text.length) <= EARLIER_BYTES_MAX;
  }

  /** What a finished statement changed: names of SQL PREPARE, settings told to Holdpoint, the block. */
  #follow(plan: Plan, op: number, tag: string | null, sqlstate: string | null): void {
    const done = sqlstate === null ? plan.statements : this.#ownNext;
    for (const effect of plan.names) {
      if (effect.statement > done) break;
      // The one that failed: a commit that fails behind it does not take names back.
      if (effect.statement === done) {
        const commits = this.#status === IDLE && plan.statements > 1;
        if (commits || !NAME_UNCHANGED.has(sqlstate ?? '')) this.#names.doubt(effect.name);
      } else if (effect.type === 'prepare')
        this.#names.setStatement(effect.name, {
          plan: null,
          inner: effect.inner,
          text: plan.text,
          types: [],
          local: false,
          epoch: this.#epoch,
          pipeline: CERTAIN,
        });
      else if (effect.name !== null) this.#names.setStatement(effect.name, undefined);
      else this.#names.forgetAll();
    }
    if (tag === null) return;
    if (plan.resets) reset(this, 'all');
    if (op === EXECUTE && plan.block !== null) this.#status = plan.block === 'open' ? IN_BLOCK : IDLE;
  }

  /** After a chunk of replies: whoever waited for the server may go on. */
  #afterReplies(): void {
    const phase = this.#phase;
    // What was sent may not have been done: nothing is under way any more, so the server's word counts.
    if (this.#replies.length === 0) this.in_transaction = this.#status !== IDLE;
    if (phase === COPYING || phase === DISCARDING) return this.#readOn();
    if (this.#replies.length > 0) return;
    if (phase.name === 'rereading') {
      const error = this.#ownError;
      this.#ownError = null;
      if (error) this.#rereadFailed(error);
      else this.#rereadDone(phase);
    } else if (phase === SETTLING) {
      this.#barrier = false;
      this.#resume(SETTLING);
    }
  }

  #readOn(): void {
    this.#read();
    this.#watchBacklog();
  }

  #parameterStatus(): boolean {
    const { buffer, start, end } = this.#out;
    const name = cstring(buffer, start + 5, end);
    const value = name && cstring(buffer, name.next, end);
    if (!value) return this.#unexpected(BACKEND.ParameterStatus);
    const guarded =
      (name.text === 'standard_conforming_strings' && value.text !== 'on') ||
      (name.text === 'client_encoding' && !isUtf8Name(value.text));
    // Told without being asked: the server's configuration may have been read anew. 18 reports search_path.
    const fact = FACTS.find((known) => known === name.text);
    if (fact && this.#facts[fact] !== Buffer.from(value.text, 'latin1').toString('utf8')) this.#factsKnown = false;
    if (!guarded) return true;
    this.#violation(`${name.text} was changed`, GUARDED_SETTING);
    return false;
  }

  #unexpected(type: number): boolean {
    this.#desync(`an unexpected message of type 0x${hex(type)}`);
    return false;
  }

  /** The server said something that fits nothing it was asked: what was judged may not be what runs. */
  #desync(what: string): void {
    if (this.#phase.name === 'closed') return;
    this.#events.fault(`the server sent ${what}`);
    this.#toClient.write(errorResponse(DESYNC));
    this.#finish('the server broke the protocol');
  }

  #serverClosed(): void {
    const phase = this.#phase;
    if (phase.name === 'closed') return;
    if (this.#outcome) return this.#outcome();
    if (!this.#clientGone && !this.#fatal) this.#toClient.write(errorResponse(UPSTREAM_GONE));
    this.#finish('the server closed the connection', 'upstream-gone');
  }

  #finish(why: string, left: 'upstream-gone' | 'shutdown' = 'shutdown'): void {
    const phase = this.#phase;
    if (phase.name === 'closed') return;
    if (phase.name === 'held') phase.leave(this.#clientGone ? 'disconnected' : left);
    this.#flushRun();
    this.#phase = CLOSED;
    // Statements that were sent and have not ended: nobody can say what becomes of them.
    while (this.#replies.length > 0) {
      this.#accounts.abandoned(this.#replies.head);
      this.#replies.pop();
    }
    for (const portal of this.#names.portals.values())
      portal.release?.finished(this.#boundSinceSync ? null : NEVER_SENT);
    this.#accounts.dropGrant();
    this.#dropReady();
    this.#toServer.flush();
    this.#upstream.end();
    this.#toClient.flush();
    this.#client.end();
    this.#gate?.close(why);
    this.#events.closed();
  }
}

/** After these the server answers, whatever comes next. */
const ENDS_PIPELINE: ReadonlySet<number> = new Set([
  FRONTEND.Sync,
  FRONTEND.Flush,
  FRONTEND.Query,
  FRONTEND.FunctionCall,
  FRONTEND.Terminate,
]);

type MessageAtHand = 'query' | 'call' | 'parse' | 'bind';
type Passed = typeof PASSED;
type Stopped = { readonly step: Step };
const WAIT: Stopped = { step: 'wait' };
const DROP: Stopped = { step: 'drop' };
const stopped = (step: Step): Stopped => (step === 'wait' ? WAIT : DROP);
/** Reused for each message, and read at once: nothing is allocated on the allowed path. */
const PASSED: { plan: Plan; release: Release | null } = { plan: null as unknown as Plan, release: null };
const ERROR_TAG = '(error)';
const NO_BYTES = Buffer.alloc(0);
const NO_ROW: Buffer[] = [];
const WAITING: ReadonlySet<Phase['name']> = new Set(['settling', 'rereading', 'judging', 'held']);
const isWaiting = (phase: Phase): boolean => WAITING.has(phase.name);

type Portals = SessionFacts['portals'];
/** One object for each, so that comparing them is comparing what they say. */
const PORTALS: readonly Portals[] = [false, true].flatMap((runs_late) =>
  [false, true].map((runs_code) => ({ runs_code, runs_late })),
);
const portalsOf = (runs_code: boolean, runs_late: boolean): Portals =>
  PORTALS[(runs_late ? 2 : 0) + (runs_code ? 1 : 0)] as Portals;
const PLAIN_PORTALS = portalsOf(false, false);

/** The server keeps the name as it was written: 'UTF8', 'utf-8' and 'UNICODE' are one encoding. */
const isUtf8Name = (name: string): boolean => /^(UTF8|UNICODE)$/i.test(name.replace(/[^A-Za-z0-9]/g, ''));

/** A name that the server can't take for another one, whatever its encoding. */
const PLAIN_NAME = /^[\x20-\x7e]{1,62}$/;

/** PREPARE and DEALLOCATE have done nothing: a failed block, a name that is taken, one that is not there. */
const NAME_UNCHANGED: ReadonlySet<string> = new Set(['25P02', '42P05', '26000']);

/** Drivers forget a statement under a new name each time, which is no part of what a transaction did. */
const isDeallocate = ({ names, statements }: Plan): boolean =>
  statements === 1 && names.length === 1 && names[0]?.type === 'deallocate';

/** What is judged when it runs. Made by SQL PREPARE, it means what EXECUTE of its name means. */
const textOf = ({ plan }: Prepared, name: string): string => (plan ? plan.text : `EXECUTE ${quoted(name)}`);
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

/** The text of the first column of a DataRow; '' for NULL. */
const firstColumn = (row: Buffer): string => {
  const length = row.length >= 11 ? row.readInt32BE(7) : -1;
  return length < 0 ? '' : row.toString('utf8', 11, 11 + length);
};
