// The one way to a verdict on SQL text: the facts are known, the gate has said yes, or somebody has. Nothing of a statement may be sent that has
// not come this way.
//
//   decide --> judge --> pass            : the plan that may be sent
//                   \--> hold, refuse --> Hold --> the command is read again --> decide finds `ready`
import { texts, type WireText } from '../../errors/catalogue.ts';
import type { BoundParameter, Judgement, Plan, Release } from '../gate.ts';
import { packets } from '../../wire/mysql/frame.ts';
import { progressPacket } from '../../wire/mysql/messages.ts';
import { type Answer, Hold, type HoldEvents, NOT_RUN } from '../hold.ts';
import { watchHeld } from './backlog.ts';
import { broken } from './end.ts';
import type { ParsedUnder, Prepared } from './prepared.ts';
import { refuse } from './refuse.ts';
import { type Judging, OPEN, type State, type Step } from './state.ts';
import { INTERRUPTED, MALFORMED } from './texts.ts';
import { readsDiagnostics } from './facts.ts';
import { reread } from './wait.ts';

/** The parameters of the command at hand; null: malformed. */
export type ParametersOf = (s: State) => readonly BoundParameter[] | null;
const NO_PARAMETERS: ParametersOf = () => NONE;
const NONE: readonly BoundParameter[] = [];

/** May it run? The plan that may be sent, or what to do instead. `prepared`: the text was parsed under other facts, perhaps. */
export const decide = (
  s: State,
  text: string,
  prepared: Prepared | null = null,
  parametersOf: ParametersOf = NO_PARAMETERS,
): Passed | Stopped => {
  if (s.cancelled) {
    s.dropReady();
    return stopped(refuse(s, INTERRUPTED));
  }
  const { ready } = s;
  s.ready = null;
  if (ready?.type === 'refuse') return stopped(refuse(s, ready.text));
  if (ready?.type === 'run') return released(s, text, ready);
  if (!s.factsKnown && (s.killed || !readsDiagnostics(text))) return stopped(reread(s));
  let judgement = judge(s, text, prepared);
  if (judgement === null) return WAIT;
  if (!s.factsKnown && judgement.type !== 'pass') {
    s.judged.length = 0;
    return stopped(reread(s));
  }
  const { plan } = judgement;
  // A server may have to parse the text again, and then does so under the mode of now.
  if (judgement.type === 'pass' && prepared !== null && parsedElsewhere(s, prepared)) {
    judgement = judge(s, text, { ...s.now, database: prepared.database });
    if (judgement === null) return WAIT;
  }
  if (judgement.type === 'pass') return pass(s, plan as Plan, null);
  const parameters = judgement.type === 'hold' ? parametersOf(s) : [];
  if (parameters === null) return stopped(refuse(s, MALFORMED));
  record(s, judgement, parameters);
  return WAIT;
};

/** It may not, whoever says so; the gate says why, once that is on record. */
export const decideUncarried = (s: State, text: string): Step => {
  const { ready } = s;
  s.ready = null;
  if (ready?.type === 'refuse') return refuse(s, ready.text);
  if (!s.factsKnown) return reread(s);
  const judgement = judge(s, text, null);
  if (judgement === null) return 'wait';
  if (judgement.type === 'refuse') record(s, judgement, []);
  else record(s, { type: 'refuse', plan: judgement.plan, refuse: () => s.gate.uncarried(judgement.plan) }, []);
  return 'wait';
};

/** May it be prepared? Then it waits when it is executed, with its parameters. */
export const decidePrepare = (s: State, text: string): Passed | Stopped => {
  if (s.ready === null && s.factsKnown && !s.cancelled) {
    const judgement = judge(s, text, null);
    if (judgement === null) return WAIT;
    if (judgement.type === 'hold' && judgement.plan.parse_is_harmless) return pass(s, judgement.plan, null);
  }
  return decide(s, text);
};

const parsedElsewhere = (s: State, { sql_mode, charset }: Prepared): boolean =>
  s.now.sql_mode !== sql_mode || s.now.charset !== charset;

/** Somebody let the command at hand through. */
const released = (
  s: State,
  text: string,
  ready: Extract<NonNullable<State['ready']>, { type: 'run' }>,
): Passed | Stopped => {
  if (ready.plan.text !== text) throw new Error('a release met another statement than it was given for');
  if (ready.cancelled) {
    const { request } = ready.release;
    return stopped(refuse(s, ready.release.unsent() ? texts.cancelledUnsent({ id: request }) : INTERRUPTED));
  }
  if (ready.epoch !== s.epoch || !s.factsKnown) {
    ready.release.finished({ ...NOT_RUN, sqlstate: 'ZH006' });
    const why = "the session's role, database or sql_mode is another now";
    return stopped(refuse(s, texts.lapsed({ id: ready.release.request, why })));
  }
  const gone = ready.release.permitted?.gone() ?? null;
  if (gone !== null) {
    ready.release.finished({ ...NOT_RUN, sqlstate: gone.sqlstate });
    return stopped(refuse(s, gone));
  }
  return pass(s, ready.plan, ready.release);
};

const pass = (s: State, plan: Plan, release: Release | null): Passed => {
  s.settled();
  PASSED.plan = plan;
  PASSED.release = release;
  return PASSED;
};

/** The gate's verdict on a text under these facts (null: those of now); null: it is thought about, and the command at hand is read again. */
const judge = (s: State, text: string, under: ParsedUnder | null): Judgement | null => {
  for (const known of s.judged)
    if (known.text === text && (known.under === under || same(known.under, under))) return known.verdict;
  s.under = under;
  const judgement = s.gate.judge(text, NO_TYPES, null);
  if (!(judgement instanceof Promise)) return judgement;
  const judging: Judging = { name: 'judging', text, under, verdict: null };
  s.phase = judging;
  judgement.then(
    (verdict) => {
      if (s.phase !== judging) return;
      judging.verdict = verdict;
      s.judged.push(judging);
      s.resume(judging);
    },
    (error) => broken(s, 'a statement could not be judged', error),
  );
  return null;
};

const same = (a: ParsedUnder | null, b: ParsedUnder | null): boolean =>
  a !== null && b !== null && a.sql_mode === b.sql_mode && a.charset === b.charset && a.database === b.database;

/** Records a refusal, or opens a request; goes on when it is known what becomes of it. */
const record = (
  s: State,
  judgement: Exclude<Judgement, { type: 'pass' }>,
  parameters: readonly BoundParameter[],
): void => {
  s.phase = new Hold(judgement, parameters, s.progress ? s.limits.heartbeat_ms : null, new Held(s));
  s.break_glass = '';
};

/** What happens to the statement at hand. A class: thousands may wait at once, and a closure for each of these is dear. */
class Held implements HoldEvents {
  readonly #s: State;
  constructor(s: State) {
    this.#s = s;
  }
  notice(): void {}
  waiting(hold: Hold): void {
    this.#s.pace.readClient();
    this.heartbeat(hold);
    watchHeld(this.#s);
    this.#s.in.pack();
  }
  said(_: WireText | null, hold: Hold): void {
    this.heartbeat(hold);
  }
  heartbeat({ stage }: Hold): void {
    const s = this.#s;
    if (s.progress && !s.clientGone) s.toClient.write(packets(s.in.sequence + 1 + s.ahead++, progressPacket(stage)));
  }
  answered(answer: Answer): void {
    const s = this.#s;
    s.ready = { ...answer, epoch: s.epoch };
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

const NO_TYPES: readonly number[] = [];

type Passed = typeof PASSED;
type Stopped = { readonly step: Step };
const WAIT: Stopped = { step: 'wait' };
const DONE: Stopped = { step: 'done' };
const stopped = (step: Step): Stopped => (step === 'wait' ? WAIT : DONE);
/** Reused for each command, and read at once: nothing is allocated on the allowed path. */
const PASSED: { plan: Plan; release: Release | null } = { plan: null as unknown as Plan, release: null };
