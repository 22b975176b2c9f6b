// A connection waits for a decision: what it is told meanwhile, how the wait ends, and the release. Runs at most once over all connections:
// the desk's word, durable, and then only what still means what was judged.
import { ANSWER_ADDS_MS, NEVER_SENT, NotNow } from '../approval/desk.ts';
import { isUndecided } from '../approval/lifecycle.ts';
import type { Hold, HoldEnd, HoldEndWhy, HoldListener, HoldResult, Request, Said } from '../approval/types.ts';
import { texts, type WireText } from '../errors/catalogue.ts';
import { cutBytes, quoted, visible } from '../errors/text.ts';
import type { Verdict } from '../policy/types.ts';
import { needs } from '../policy/words.ts';
import type { BoundParameter, HoldEnded, HoldStart, Plan, Release, WaitListener } from '../session/gate.ts';
import type { Context } from './context.ts';
import { heldOf } from './held.ts';
import { estimate } from './impact.ts';
import { signInOver } from './signed-in.ts';
import { lookForRelease, meansTheSameAtRelease, seesNothing, Unseen } from './meaning.ts';
import type { State } from './state.ts';
import { approvals, needed, openQuestion, type Words } from './told.ts';
import { found, grounds as groundsOf } from './words.ts';

/** What a request rests on: a verdict, or a limit that a result has reached. */
export type Grounds = Pick<Verdict, 'rule' | 'message' | 'findings' | 'ask'>;

/** How long a connection waits, and at most if somebody answers, in ms. */
export interface WaitOf {
  readonly wait_ms: number;
  readonly longest_ms: number;
}

/** It stands in one line of a terminal, between "Stage: 1 of 1" and a percentage (mock: terminal, section 6). */
const STAGE_BYTES_MAX = 120;
const STAGE_QUESTION_BYTES_MAX = 60;

/** What a text means is looked at again where the release took longer, in ms. */
const MEANT_MS = 500;

/** How often a session looks at what it alone sees, where others change what all see meanwhile. */
const LOOKS_MAX = 3;

const NOT_SEEN = 'what its names stand for can not be read in this transaction now';
const MEANS_OTHERWISE = 'what its names stand for is something else now';

type WaitStart = Extract<HoldStart, { type: 'wait' }>;
type Released = Awaited<ReturnType<WaitStart['release']>>;

/** What waits, judged once more. */
export interface JudgedAnew {
  readonly plan: Plan;
  readonly grounds: Grounds;
  readonly context: Context;
}

/** Judges what waits as things are then; null: it would not be held. */
export type Again = (s: State, plan: Plan) => Promise<JudgedAnew | null>;

type Waits = Extract<HoldResult, { type: 'waiting' }>;

/**
 * A class, and what it tells made when it is asked for: thousands may wait at once. `context`: what the statement was judged under; null for
 * one that runs, whose names were looked up when it began. `again`: null for one that runs, too.
 */
export class Waiting implements WaitStart, HoldListener {
  readonly #s: State;
  readonly #hold: Hold;
  /** What this connection would run, what that was judged under, and the revision of the request that says so. */
  #plan: Plan;
  #context: Context | null;
  #revision: number;
  readonly #parameters: readonly BoundParameter[];
  readonly #again: Again | null;
  readonly wait_ms: number;
  readonly #longest_ms: number;
  readonly #words: Words;
  readonly #began: number;
  #listener: WaitListener | null = null;
  /** What answers have added to the wait, as far as the client has been told, in ms. */
  #added_ms = 0;
  /** Of this session, for the release under way. */
  #looks = 0;
  #toldOff = false;

  constructor(
    s: State,
    { request, hold }: Waits,
    plan: Plan,
    context: Context | null,
    parameters: readonly BoundParameter[],
    again: Again | null,
    { wait_ms, longest_ms }: WaitOf,
    words: Words,
  ) {
    this.#s = s;
    this.#hold = hold;
    this.#plan = plan;
    this.#context = context;
    this.#revision = request.revision;
    this.#parameters = parameters;
    this.#again = again;
    this.wait_ms = wait_ms;
    this.#longest_ms = longest_ms;
    this.#words = words;
    this.#began = hold.until() - wait_ms;
  }

  get type(): 'wait' {
    return 'wait';
  }

  get notice(): WireText {
    const { id, rule, message, findings, grounds, ask, deadline, reason } = this.#hold.request();
    return this.#words.held({
      id,
      rule,
      ruleMessage: message,
      found: found(groundsOf(findings, grounds), findings),
      needs: needs(ask),
      connected: this.#s.options.desk.reach(id).present,
      console: this.#s.options.console(),
      waitUntil: this.#hold.until(),
      deadline,
      ticket: ask.ticket,
      noReason: reason === '',
    });
  }

  get stage(): string {
    return stageOf(this.#hold.request());
  }

  heartbeat(): WireText {
    const request = this.#hold.request();
    return texts.stillHeld({
      id: request.id,
      approvals: approvals(request),
      needed: needed(request),
      waitsMore: Math.max(0, Math.round((this.#hold.until() - (this.#s.options.now ?? Date.now)()) / 1000)),
    });
  }

  listen(listener: WaitListener): void {
    const first = this.#listener === null;
    this.#listener = listener;
    this.#s.held = this.#hold.request().id;
    this.#hold.listen(this);
    if (!first) return;
    // What was said before, to this client or to one that held the statement earlier.
    const request = this.#hold.request();
    const asked = openQuestion(request);
    if (asked !== null || this.#hold.until() > this.#told) this.#say(asked, request, null);
  }

  /** HoldListener */
  said(said: Said | null, request: Request): void {
    this.#say(said?.kind === 'question' ? said : null, request, said === null ? changed(this.#hold) : null);
  }

  /** HoldListener */
  ended(end: HoldEnd): void {
    const s = this.#s;
    s.held = null;
    let told: HoldEnded;
    try {
      told = ended(s, end, this.#waited(), this.#words);
    } catch (error) {
      this.#listener?.failed(error);
      return;
    }
    this.#listener?.ended(told);
  }

  async end(why: HoldEndWhy): Promise<WireText | null> {
    if (this.#toldOff) return null;
    this.#toldOff = true;
    await this.#hold.end(why);
    const end = await this.#hold.ended;
    // Approved or refused in the same moment: that answer is on its way through `ended`.
    return end.type === 'ended' ? endedByClient(this.#s, end.request, why, this.#waited(), this.#words) : null;
  }

  async release(): Promise<Released> {
    const s = this.#s;
    const hold = this.#hold;
    const words = this.#words;
    const { id, rule } = hold.request();
    const over = await signInOver(s);
    if (over !== null) return notNow(s, hold, words.refused(over, rule));
    const behind = s.options.notShipped?.() ?? null;
    if (behind !== null) return notNow(s, hold, words.refused(texts.notShipped(behind), rule));
    let still = true;
    try {
      const stopped = await this.#recheck();
      if (stopped !== null) return stopped;
      const asked = performance.now();
      if (!(await s.options.desk.release(id, s.id, this.#revision)))
        return isUndecided(hold.request().state) ? this.#waitsOn() : this.#over();
      // A directory that was asked meanwhile may have taken its time.
      if (performance.now() - asked > MEANT_MS) still = await this.#stillMeans().catch(() => false);
    } catch (error) {
      if (error instanceof Unseen) return notNow(s, hold, words.refused(texts.noCatalog(), rule));
      if (error instanceof NotNow) return notNow(s, hold, words.refused(notNowText(s, error), rule));
      s.options.fault('a release could not be recorded', error);
      return { type: 'refuse', text: words.refused(texts.noLog(), rule) };
    }
    const release = releaseOf(s, id, this.#context === null);
    if (still) return { type: 'run', plan: this.#plan, notice: words.approved(hold.request()), release };
    release.finished({ tag: null, sqlstate: 'ZH006', rows: 0, bytes: 0, duration_ms: 0 });
    return this.#lapsed(MEANS_OTHERWISE);
  }

  /** Must the session look first? Facts of PostgreSQL's sessions can become others by what others do. */
  async #mustLook(): Promise<boolean> {
    const { facts, options } = this.#s;
    if (this.#context === null || !options.engine.reading) return false;
    // First what all see: it hangs on that whether the session's own is as new.
    if (facts.catalog_is_own) await lookForRelease(this.#s, this.#context, () => seesNothing(this.#s));
    const looks = this.#looks === 0 || (facts.catalog_is_own && facts.catalog_is_stale && this.#looks < LOOKS_MAX);
    this.#looks = looks ? this.#looks + 1 : 0;
    return looks;
  }

  /** Is what was approved what would run now? Null: it is. */
  async #recheck(): Promise<Released | null> {
    const s = this.#s;
    const { desk } = s.options;
    if (await this.#mustLook()) return { type: 'look' };
    const { id, revision } = this.#hold.request();
    const shown = revision === this.#revision;
    if (shown && (await this.#stillMeans())) return null;
    // What it would do can't be looked up here: it runs, or nobody can tell.
    const blind = seesNothing(s);
    if (this.#context === null || (blind && !shown)) {
      await this.#hold.end('cancelled');
      return this.#lapsed('it was changed for another connection of yours');
    }
    if (blind) return (await desk.lapse(id, NOT_SEEN)) ? this.#lapsed(NOT_SEEN) : this.#over();
    const judged = this.#again && (await this.#again(s, this.#plan));
    if (judged === null) return (await desk.lapse(id, MEANS_OTHERWISE)) ? this.#lapsed(MEANS_OTHERWISE) : this.#over();
    const asked = { parameters: this.#parameters, passed: null, break_glass: '', reason: null };
    const held = await heldOf(s, judged.plan, judged.grounds, judged.context, asked);
    const result = await desk.change(id, held);
    if (result.type === 'lapsed') return this.#lapsed(result.why);
    if (result.type === 'gone') return this.#over();
    this.#plan = judged.plan;
    this.#context = judged.context;
    this.#revision = result.revision;
    if (result.type === 'same') return null;
    estimate(s, this.#hold.request(), judged.plan);
    return this.#waitsOn();
  }

  async #stillMeans(): Promise<boolean> {
    return this.#context === null || meansTheSameAtRelease(this.#s, this.#plan, this.#context);
  }

  #lapsed(why: string): Released {
    return { type: 'refuse', text: this.#words.lapsed(this.#hold.request(), why) };
  }

  #over(): Released {
    const request = this.#hold.request();
    return request.state === 'lapsed'
      ? this.#lapsed('it was not used in time')
      : { type: 'refuse', text: this.#words.used(request) };
  }

  #waitsOn(): Released {
    return { type: 'changed', notice: changed(this.#hold), stage: this.stage };
  }

  /** When the client was told that its wait ends, ms since the epoch. */
  get #told(): number {
    return this.#began + this.wait_ms + this.#added_ms;
  }

  #say(asked: Said | null, request: Request, notice: WireText | null): void {
    const adds_ms = this.#hold.until() - this.#told;
    this.#added_ms += adds_ms;
    const first = !request.said.some(({ kind }) => kind === 'answer');
    // No answer makes it wait beyond the last of these.
    const most = Math.min(this.#told + ANSWER_ADDS_MS, this.#began + this.#longest_ms, request.deadline);
    const adds = first ? Math.max(0, Math.round((most - this.#told) / 1000)) : 0;
    const question = asked && texts.question({ id: request.id, by: asked.by, question: asked.text, adds });
    this.#listener?.said({ notice: question ?? notice, stage: stageOf(request), adds_ms });
  }

  /** In seconds. */
  #waited(): number {
    return Math.round((this.#hold.until() - this.#began) / 1000);
  }
}

/** A notice to a client that goes on waiting. */
const changed = (hold: Hold): WireText => {
  const { id, ask, changed: last, deadline } = hold.request();
  return texts.changed({
    id,
    why: last?.why ?? MEANS_OTHERWISE,
    needs: needs(ask),
    waitUntil: hold.until(),
    deadline,
    ticket: ask.ticket,
  });
};

/** What was approved stays so, as a ticket: this connection does not run it. */
const notNow = async (
  s: State,
  hold: Hold,
  text: WireText,
): Promise<{ readonly type: 'refuse'; readonly text: WireText }> => {
  await hold.end('waited-out').catch((error: unknown) => s.options.fault('a hold could not be ended', error));
  return { type: 'refuse', text };
};

const notNowText = (s: State, { why }: NotNow): WireText =>
  why === 'directory-down' ? texts.noDirectory() : texts.signInOver({ principal: s.who.id });

/** In a few words. */
const stageOf = (request: Request): string => {
  const { id, ask } = request;
  const question = openQuestion(request);
  const stage =
    question === null
      ? `${request.changed ? 'changed, held again' : 'held'}: ${id} waits for ${needs(ask)}`
      : `question on ${id} from ${question.by}: ${quoted(question.text, STAGE_QUESTION_BYTES_MAX)}`;
  return cutBytes(visible(stage), STAGE_BYTES_MAX);
};

/** A statement that somebody let through: its end is recorded, once. `runs`: it has been sent long ago, and is let go on. */
export const releaseOf = (s: State, id: string, runs: boolean): Release => {
  const { desk, fault } = s.options;
  let over = false;
  const end = (record: () => Promise<void>): void => {
    if (over) return;
    over = true;
    record().catch((error: unknown) => fault('an outcome could not be recorded', error));
  };
  return {
    request: id,
    permitted: null,
    finished: (outcome) => end(() => desk.finish(id, outcome)),
    unsent: () => {
      end(() => (runs ? desk.finish(id, NEVER_SENT) : desk.giveBack(id, s.id)));
      return !runs && desk.get(id)?.broken_glass === null;
    },
  };
};

const ended = (s: State, end: HoldEnd, waited: number, words: Words): HoldEnded => {
  const inTransaction = s.facts.in_transaction;
  const { request } = end;
  switch (end.type) {
    case 'approved':
      return { type: 'approved' };
    case 'denied':
      return { type: 'refuse', text: words.denied(request, inTransaction) };
    case 'expired':
      return { type: 'refuse', text: words.expired(request) };
    case 'withdrawn':
      return { type: 'refuse', text: words.withdrawn(request) };
    case 'lapsed':
      return { type: 'refuse', text: words.lapsed(request, end.why) };
    case 'used':
      return { type: 'refuse', text: words.used(request) };
    case 'ended':
      return { type: 'refuse', text: endedByClient(s, request, end.why, waited, words) };
  }
};

const endedByClient = (s: State, request: Request, why: string, waited: number, words: Words): WireText => {
  const { ask } = request;
  const inTransaction = s.facts.in_transaction;
  if (why === 'cancelled') return words.cancelled(request, inTransaction);
  if (why === 'overflow') return words.overflow(request, s.options.held_bytes_max);
  return ask.ticket ? words.pending(request, waited, inTransaction) : words.noTicket(request, waited);
};
