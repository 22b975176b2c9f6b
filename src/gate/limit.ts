// A result that rules limit: counted by a meter, and at its limit held as a statement is, refused, or recorded alone. The session stops
// and goes on; here is only what that means.
import { texts, type WireText } from '../errors/catalogue.ts';
import type { BoundParameter, HoldStart, Judgement, Meter, Plan } from '../session/gate.ts';
import { type Context, contextOf } from './context.ts';
import { hold } from './hold.ts';
import { type MeterEvents, type Reached, ResultMeter } from './meter.ts';
import { remembered } from './plan.ts';
import { about, write } from './record.ts';
import type { State } from './state.ts';
import { stoppedText } from './told.ts';
import { apart } from './who.ts';

/** GateSession.meter */
export const meter = (s: State, plan: Plan, parameters: () => readonly BoundParameter[]): Meter =>
  new ResultMeter(remembered(plan).limits, s.who.id, s.totals, new Limited(s, plan, contextOf(s), parameters));

/** What becomes of a result at its limit. Made for each limited one, most of which never reach it: so it is one object, and no closures. */
class Limited implements MeterEvents {
  readonly #s: State;
  readonly #plan: Plan;
  readonly #context: Context;
  readonly #parameters: () => readonly BoundParameter[];
  /** The session forgets it when the statement is sent. */
  readonly #break_glass: string;
  #request: string | null = null;

  constructor(s: State, plan: Plan, context: Context, parameters: () => readonly BoundParameter[]) {
    this.#s = s;
    this.#plan = plan;
    this.#context = context;
    this.#parameters = parameters;
    this.#break_glass = s.facts.break_glass;
  }

  judge(reached: Reached): Exclude<Judgement, { type: 'pass' }> {
    const opened = (id: string): void => {
      this.#request = id;
    };
    const at = { break_glass: this.#break_glass, opened };
    return judgeReached(this.#s, reached, this.#plan, this.#context, this.#parameters, at);
  }

  observed(reached: Reached): void {
    const record = recordOf(this.#s, reached, this.#plan, this.#context);
    this.#s.options.counts.add(reached.limit.rule, 'observed');
    void write(this.#s, 'an observed limit', { type: 'statement.observed', ...record });
  }

  cut(reached: Reached, outcome: string): void {
    const { clear, sealed } = recordOf(this.#s, reached, this.#plan, this.#context);
    void write(this.#s, 'a cut', { type: 'statement.cut', clear: { ...clear, id: this.#request, outcome }, sealed });
  }
}

const judgeReached = (
  s: State,
  { limit, rows, bytes }: Reached,
  plan: Plan,
  context: Context,
  parameters: () => readonly BoundParameter[],
  at: { readonly break_glass: string; readonly opened: (id: string) => void },
): Exclude<Judgement, { type: 'pass' }> => {
  if (remembered(plan).limits.some(({ withholds }) => withholds)) {
    s.options.counts.add(limit.rule, 'denied');
    return { type: 'refuse', plan, refuse: () => Promise.resolve(texts.withheldAtLimit({ rows, rule: limit.rule })) };
  }
  if (limit.verdict === 'deny') {
    s.options.counts.add(limit.rule, 'denied');
    const refuse = (): Promise<WireText> => Promise.resolve(stoppedText(rows, limit.rule, 'which lets nobody go on'));
    return { type: 'refuse', plan, refuse };
  }
  const goOn = (): Promise<HoldStart> =>
    hold(s, plan, limit, context, parameters(), { ...at, passed: { rows, bytes } }, null);
  return { type: 'hold', plan, hold: goOn };
};

export const recordOf = (s: State, { limit, rows, bytes }: Reached, plan: Plan, context: Context) => {
  const { analysis, rule } = remembered(plan);
  const matched = limit.findings.flatMap((index) => analysis.findings[index] ?? []);
  const observed = limit.observe ? { rule, observed: [{ rule: limit.rule, verdict: limit.verdict }] } : {};
  const clear = { ...about(s, analysis, limit.rule, context.policy), findings: matched, ...observed, rows, bytes };
  return { clear, sealed: { sql: plan.text, ...apart(s.who).words } };
};
