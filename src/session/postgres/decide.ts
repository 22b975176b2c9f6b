// The one way to a verdict on SQL text, or on a function: everything before is answered where that matters, the facts are known, the gate
// has said yes, or somebody has. Nothing of a statement may be sent that has not come this way.
//
//   decide --> judge --> pass                  : the plan that may be sent
//                   \--> hold, refuse: reread --> Hold --> the message is read again --> decide finds `ready`
import { texts, type WireText } from '../../errors/catalogue.ts';
import {
  type BindMessage,
  FAILED_BLOCK,
  FRONTEND,
  readBind,
  readFunctionCall,
  readParse,
} from '../../wire/postgres/messages.ts';
import { decodeParameters } from '../../wire/postgres/parameters.ts';
import type { BoundParameter, Judgement, Plan, Release } from '../gate.ts';
import { type Answer, Hold, type HoldEvents, NOT_RUN } from '../hold.ts';
import { watchHeld } from './backlog.ts';
import { broken } from './end.ts';
import { serverName } from './names.ts';
import { type Mode, notice, refuse } from './refuse.ts';
import { type Judging, OPEN, type State, type Step } from './state.ts';
import { CANCELLED, FAILED_TRANSACTION } from './texts.ts';
import { reread, rereadHeld, settle } from './wait.ts';

type MessageAtHand = 'query' | 'call' | 'parse' | 'bind';

/**
 * `oid`: of a FunctionCall, whose text is none. `planned`: how old the server's plan of it may be (PostgresFacts.planned). Returns the plan that may be sent,
 * or what to do instead.
 */
export const decide = (
  s: State,
  at: MessageAtHand,
  text: string,
  types: readonly number[],
  oid: number | null = null,
  planned: number | null = null,
): Passed | Stopped => {
  const mode = at === 'query' || at === 'call' ? 'simple' : 'extended';
  const { ready } = s;
  s.ready = null;
  if (ready?.type === 'refuse') return stopped(refuse(s, mode, ready.text));
  if (ready?.type === 'run') return released(s, mode, text, ready);
  if (s.barrier && s.replies.length > 0) return stopped(settle(s));
  const failed = s.status === FAILED_BLOCK;
  if ((!s.factsKnown || s.wantsCatalog) && !failed) return stopped(reread(s));
  const judgement = judge(s, text, types, oid, planned);
  if (judgement === null) return WAIT;
  if (judgement.type === 'pass') return pass(s, judgement.plan, null);
  if (at === 'parse' && judgement.type === 'hold') {
    // Where parsing runs nothing it may be parsed, and waits at Bind, with its parameters.
    if (judgement.plan.parse_is_harmless) return pass(s, judgement.plan, null);
    // Else its Bind is judged together with it: the client has to finish the pipeline first.
    if (!askedWhole(s)) return WAIT;
  }
  if (s.replies.length > 0) return stopped(settle(s));
  // The server parses before it looks at the block: what does not parse is told so.
  if (failed && !s.executedSinceSync && judgement.plan?.transaction_control === false)
    return stopped(refuse(s, mode, FAILED_TRANSACTION));
  if (judgement.type === 'hold' && !s.fresh) {
    // Somebody is shown what it does by what the session sees now; the snapshot that this takes in a transaction it would take itself.
    if (s.catalog_is_stale && judgement.plan.queries) s.ownCatalogRead = null;
    return stopped(reread(s));
  }
  s.fresh = false;
  record(s, judgement, judgement.type === 'hold' ? parametersAt(s, at, types) : []);
  return WAIT;
};

/** Somebody let the message at hand through. */
const released = (
  s: State,
  mode: Mode,
  text: string,
  ready: Extract<NonNullable<State['ready']>, { type: 'run' }>,
): Passed | Stopped => {
  if (ready.plan.text !== text) throw new Error('a release met another statement than it was given for');
  if (ready.cancelled) {
    const { request } = ready.release;
    return stopped(refuse(s, mode, ready.release.unsent() ? texts.cancelledUnsent({ id: request }) : CANCELLED));
  }
  // The client can't have changed anything since it was judged; the server can, when its configuration is read anew.
  if (!s.fresh && s.status !== FAILED_BLOCK) {
    s.ready = ready;
    return stopped(reread(s));
  }
  const why =
    ready.epoch !== s.epoch
      ? "the session's role or search_path is another now"
      : (ready.catalog !== s.ownCatalogRead || s.catalog_is_stale) && s.gate.stillMeans(ready.plan) !== true
        ? 'what its names stand for is something else now'
        : null;
  if (why !== null) {
    ready.release.finished({ ...NOT_RUN, sqlstate: 'ZH006' });
    return stopped(refuse(s, mode, texts.lapsed({ id: ready.release.request, why })));
  }
  const gone = ready.release.permitted?.gone() ?? null;
  if (gone !== null) {
    ready.release.finished({ ...NOT_RUN, sqlstate: gone.sqlstate });
    return stopped(refuse(s, mode, gone));
  }
  return pass(s, ready.plan, ready.release);
};

const pass = (s: State, plan: Plan, release: Release | null): Passed => {
  s.fresh = false;
  PASSED.plan = plan;
  PASSED.release = release;
  return PASSED;
};

/** The gate's verdict on a text under the facts of now; null: it is thought about, and the message at hand is read again. */
export const judge = (
  s: State,
  text: string,
  types: readonly number[],
  oid: number | null = null,
  planned: number | null = null,
): Judgement | null => {
  const { judged } = s;
  s.judged = null;
  if (judged?.text === text && judged.epoch === s.epoch) return judged.verdict;
  const judgement = oid === null ? s.gate.judge(text, types, planned) : s.gate.judgeCall(oid);
  if (!(judgement instanceof Promise)) return judgement;
  const judging: Judging = { name: 'judging', text, epoch: s.epoch, verdict: null };
  s.phase = judging;
  judgement.then(
    (verdict) => {
      // The server may have failed the pipeline meanwhile: then nobody asks any more.
      if (s.phase !== judging) return;
      judging.verdict = verdict;
      s.judged = judging;
      s.resume(judging);
    },
    (error) => broken(s, 'a statement could not be judged', error),
  );
  return null;
};

/** Records a refusal, or opens a request; goes on when it is known what becomes of it. */
const record = (
  s: State,
  judgement: Exclude<Judgement, { type: 'pass' }>,
  parameters: readonly BoundParameter[],
): void => {
  s.phase = new Hold(judgement, parameters, s.limits.heartbeat_ms, new Held(s));
  s.break_glass = '';
};

/** What happens to the statement at hand. A class: thousands may wait at once, and a closure for each of these is dear. */
class Held implements HoldEvents {
  readonly #s: State;
  constructor(s: State) {
    this.#s = s;
  }
  notice(text: WireText): void {
    notice(this.#s, text);
  }
  heartbeat(hold: Hold): void {
    notice(this.#s, hold.heartbeat());
  }
  said(text: WireText | null, hold: Hold): void {
    notice(this.#s, text ?? hold.heartbeat());
  }
  waiting(): void {
    this.#s.pace.readClient();
    watchHeld(this.#s);
    this.#s.in.pack();
    this.#s.replies.rest();
  }
  look(hold: Hold): void {
    rereadHeld(this.#s, hold);
  }
  answered(answer: Answer): void {
    const s = this.#s;
    s.ready = { ...answer, epoch: s.epoch, catalog: s.ownCatalogRead };
    s.phase = OPEN;
    s.goOn();
  }
  failed(what: string, error: unknown): void {
    broken(this.#s, what, error);
  }
  fault(what: string, error: unknown): void {
    this.#s.events.fault(what, error);
  }
}

/** The client asked to cancel: ends a judgement or a hold, else it is the server's to cancel. */
export const cancel = (s: State): void => {
  const { phase, hold, limiting } = s;
  if (hold !== null) return hold.cancel();
  if (phase.name === 'calling') return;
  if (limiting !== null) {
    if (limiting.name === 'paused') limiting.hold.cancel();
    return;
  }
  // What waits for its judgement is not sent. Our own questions may be under way for it.
  s.cancelled = phase.name === 'rereading' || (phase.name === 'judging' && s.replies.length === 0);
  if (phase.name === 'judging' && s.cancelled) return s.resume(phase);
  s.toServer.flush();
  void s.upstream.cancel();
};

/** Has the client sent all of what it wants answered, or as much as is kept for it? */
const askedWhole = (s: State): boolean => {
  let ends = s.in.unread > s.limits.held_bytes_max;
  s.in.peek((type) => {
    ends ||= ENDS_PIPELINE.has(type);
    return !ends;
  });
  return ends;
};

/** The parameters of the Bind at hand, or of the one that follows the Parse at hand in its pipeline. */
const parametersAt = (s: State, at: MessageAtHand, types: readonly number[]): readonly BoundParameter[] => {
  const { buffer, start, end } = s.in;
  if (at === 'query') return NO_PARAMETERS;
  const call = at === 'call' ? readFunctionCall(buffer, start, end) : null;
  if (call) return decodeParameters(call, []);
  const bound = at === 'bind' ? readBind(buffer, start, end) : (bindAhead(s)?.message ?? null);
  return bound ? decodeParameters(bound, types) : [];
};

const NO_PARAMETERS: readonly BoundParameter[] = [];

/** The Bind of the statement that the Parse at hand makes, if it is next of its kind in the pipeline. */
export const bindAhead = (s: State): { message: BindMessage; bytes: Buffer } | null => {
  const { buffer, start, end } = s.in;
  const parsed = readParse(buffer, start, end);
  const found: { message: BindMessage; bytes: Buffer }[] = [];
  s.in.peek((type, from, to) => {
    if (type === FRONTEND.Describe || type === FRONTEND.Flush) return true;
    const message = type === FRONTEND.Bind ? readBind(buffer, from, to) : null;
    if (message && parsed && serverName(message.statement) === serverName(parsed.name))
      found.push({ message, bytes: Buffer.from(buffer.subarray(from, to)) });
    return false;
  });
  return found[0] ?? null;
};

/** After these the server answers, whatever comes next. */
const ENDS_PIPELINE: ReadonlySet<number> = new Set([
  FRONTEND.Sync,
  FRONTEND.Flush,
  FRONTEND.Query,
  FRONTEND.FunctionCall,
  FRONTEND.Terminate,
]);

type Passed = typeof PASSED;
type Stopped = { readonly step: Step };
const WAIT: Stopped = { step: 'wait' };
const DROP: Stopped = { step: 'drop' };
const stopped = (step: Step): Stopped => (step === 'wait' ? WAIT : DROP);
/** Reused for each message, and read at once: nothing is allocated on the allowed path. */
const PASSED: { plan: Plan; release: Release | null } = { plan: null as unknown as Plan, release: null };
