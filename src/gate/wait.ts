// A connection waits for a decision: what it is told meanwhile, how the wait ends, and the release. Runs at most once over all connections:
// the desk's word, durable, and then only what still means what was judged.
import { ANSWER_ADDS_MS, NotNow } from '../approval/desk.ts';
import type { Hold, HoldEnd, HoldEndWhy, HoldResult, Request, Said } from '../approval/types.ts';
import { texts, type WireText } from '../errors/catalogue.ts';
import { cutBytes, quoted, visible } from '../errors/text.ts';
import type { Verdict } from '../policy/types.ts';
import { needs } from '../policy/words.ts';
import type { HoldEnded, HoldStart, Plan, Release, Said as WaitSaid } from '../session/gate.ts';
import type { Context } from './context.ts';
import { signInOver } from './signed-in.ts';
import { meansTheSameAtRelease } from './meaning.ts';
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

type WaitStart = Extract<HoldStart, { type: 'wait' }>;
type Waits = Extract<HoldResult, { type: 'waiting' }>;

/**
 * A class, and what it tells made when it is asked for: thousands may wait at once. `context`: what the statement was judged under; null for
 * one that runs, whose names were looked up when it began.
 */
export class Waiting implements WaitStart {
  readonly type = 'wait';
  readonly ended: Promise<HoldEnded>;
  readonly #s: State;
  readonly #hold: Hold;
  readonly #plan: Plan;
  readonly #context: Context | null;
  readonly #of: WaitOf;
  readonly #words: Words;
  readonly #began: number;
  #toldOff = false;

  constructor(s: State, { request, hold }: Waits, plan: Plan, context: Context | null, of: WaitOf, words: Words) {
    this.#s = s;
    this.#hold = hold;
    this.#plan = plan;
    this.#context = context;
    this.#of = of;
    this.#words = words;
    this.#began = hold.until() - of.wait_ms;
    s.held = request.id;
    this.ended = hold.ended.then((end) => {
      s.held = null;
      return ended(s, end, this.#waited(), words);
    });
  }

  get wait_ms(): number {
    return this.#of.wait_ms;
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
      waitsMore: Math.max(0, Math.round((this.#hold.until() - Date.now()) / 1000)),
    });
  }

  onSaid(tell: (said: WaitSaid) => void): void {
    const { wait_ms, longest_ms } = this.#of;
    onSaid(this.#hold, this.#began + wait_ms, this.#began + longest_ms, tell);
  }

  async end(why: HoldEndWhy): Promise<WireText | null> {
    if (this.#toldOff) return null;
    this.#toldOff = true;
    await this.#hold.end(why);
    const end = await this.#hold.ended;
    // Approved or refused in the same moment: that answer is on its way through `ended`.
    return end.type === 'ended' ? endedByClient(this.#s, end.request, why, this.#waited(), this.#words) : null;
  }

  async release(): ReturnType<WaitStart['release']> {
    const s = this.#s;
    const words = this.#words;
    const request = this.#hold.request();
    const { id, rule } = request;
    const over = await signInOver(s);
    if (over !== null) return notNow(s, this.#hold, words.refused(over, rule));
    const context = this.#context;
    const means = async () => context === null || (await meansTheSameAtRelease(s, this.#plan, context.catalog));
    let still = await means();
    const asked = performance.now();
    try {
      if (!(await s.options.desk.release(id, s.id))) {
        const lapsed = this.#hold.request().state === 'lapsed';
        const text = lapsed ? words.lapsed(request, 'it was not used in time') : words.used(request);
        return { type: 'refuse', text };
      }
      // A directory that was asked meanwhile may have taken its time.
      if (performance.now() - asked > MEANT_MS) still = still && (await means().catch(() => false));
    } catch (error) {
      if (error instanceof NotNow) return notNow(s, this.#hold, words.refused(notNowText(s, error), rule));
      s.options.fault('a release could not be recorded', error);
      return { type: 'refuse', text: words.refused(texts.noLog(), rule) };
    }
    const release = releaseOf(s, id);
    if (still) return { type: 'run', notice: words.approved(this.#hold.request()), release };
    release.finished({ tag: null, sqlstate: 'ZH006', rows: 0, bytes: 0, duration_ms: 0 });
    return { type: 'refuse', text: words.lapsed(request, 'what its names stand for is something else now') };
  }

  /** In seconds. */
  #waited(): number {
    return Math.round((this.#hold.until() - this.#began) / 1000);
  }
}

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
      ? `held: ${id} waits for ${needs(ask)}`
      : `question on ${id} from ${question.by}: ${quoted(question.text, STAGE_QUESTION_BYTES_MAX)}`;
  return cutBytes(visible(stage), STAGE_BYTES_MAX);
};

/** `until`: as the client was told; `longest`: no answer makes it wait beyond that. */
const onSaid = (hold: Hold, until: number, longest: number, tell: (said: WaitSaid) => void): void => {
  let told = until;
  const say = (asked: Said | null, request: Request): void => {
    const adds_ms = hold.until() - told;
    told += adds_ms;
    const first = !request.said.some(({ kind }) => kind === 'answer');
    const most = Math.min(told + ANSWER_ADDS_MS, longest, request.deadline);
    const adds = first ? Math.max(0, Math.round((most - told) / 1000)) : 0;
    const notice = asked && texts.question({ id: request.id, by: asked.by, question: asked.text, adds });
    tell({ notice, stage: stageOf(request), adds_ms });
  };
  hold.onSaid = (said, request) => say(said.kind === 'question' ? said : null, request);
  // What was said before, to this client or to one that held the statement earlier.
  const request = hold.request();
  const asked = openQuestion(request);
  if (asked !== null || hold.until() > told) say(asked, request);
};

/** A statement that somebody let through: its end is recorded, once. */
export const releaseOf = (s: State, id: string): Release => {
  let finished = false;
  return {
    request: id,
    permitted: null,
    finished: (outcome) => {
      if (finished) return;
      finished = true;
      s.options.desk
        .finish(id, outcome)
        .catch((error: unknown) => s.options.fault('an outcome could not be recorded', error));
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
