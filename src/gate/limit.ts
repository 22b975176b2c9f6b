// A result that rules limit: counted by a meter, and at its limit held as a statement is, refused, or recorded alone. The session stops
// and goes on; here is only what that means.
import { texts, type WireText } from '../errors/catalogue.ts';
import type { BoundParameter, HoldStart, Judgement, Meter, Plan } from '../session/gate.ts';
import { type Context, contextOf } from './context.ts';
import { hold } from './hold.ts';
import { type Reached, ResultMeter } from './meter.ts';
import { remembered } from './plan.ts';
import { about, write } from './record.ts';
import type { State } from './state.ts';
import { stoppedText } from './told.ts';

/** GateSession.meter */
export const meter = (s: State, plan: Plan, parameters: () => readonly BoundParameter[]): Meter => {
  const context = contextOf(s);
  let request: string | null = null;
  const opened = (id: string): void => {
    request = id;
  };
  return new ResultMeter(remembered(plan).limits, s.who.id, s.totals, {
    judge: (reached) => judgeReached(s, reached, plan, context, parameters, opened),
    observed: (reached) => {
      void write(s, 'an observed limit', { type: 'statement.observed', ...recordOf(s, reached, plan, context) });
    },
    cut: (reached, outcome) => {
      const { clear, sealed } = recordOf(s, reached, plan, context);
      void write(s, 'a cut', { type: 'statement.cut', clear: { ...clear, id: request, outcome }, sealed });
    },
  });
};

const judgeReached = (
  s: State,
  { limit, rows, bytes }: Reached,
  plan: Plan,
  context: Context,
  parameters: () => readonly BoundParameter[],
  opened: (id: string) => void,
): Exclude<Judgement, { type: 'pass' }> => {
  if (remembered(plan).limits.some(({ withholds }) => withholds)) {
    return { type: 'refuse', plan, refuse: () => Promise.resolve(texts.withheldAtLimit({ rows, rule: limit.rule })) };
  }
  if (limit.verdict === 'deny') {
    const refuse = (): Promise<WireText> => Promise.resolve(stoppedText(rows, limit.rule, 'which lets nobody go on'));
    return { type: 'refuse', plan, refuse };
  }
  const goOn = (): Promise<HoldStart> =>
    hold(s, plan, limit, context, parameters(), { passed: { rows, bytes }, opened });
  return { type: 'hold', plan, hold: goOn };
};

const recordOf = (s: State, { limit, rows, bytes }: Reached, plan: Plan, context: Context) => {
  const { analysis, rule } = remembered(plan);
  const matched = limit.findings.flatMap((index) => analysis.findings[index] ?? []);
  const observed = limit.observe ? { rule, observed: [limit.rule] } : {};
  const clear = { ...about(s, analysis, limit.rule, context), findings: matched, ...observed, rows, bytes };
  return { clear, sealed: { sql: plan.text } };
};
