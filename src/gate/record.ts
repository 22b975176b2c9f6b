// What the gate itself puts on record about a statement. What must be on record before it happens waits for it; a log that fails stops
// what waits, and never lets it pass.
import { texts } from '../errors/catalogue.ts';
import type { RecordInput } from '../audit/types.ts';
import type { Policy, Verdict } from '../policy/types.ts';
import type { Judgement } from '../session/gate.ts';
import type { Analysis } from '../sql/findings.ts';
import type { Pass } from './memory.ts';
import { remembered } from './plan.ts';
import type { State } from './state.ts';
import { apart } from './who.ts';

/** The log can't be written: nothing runs. */
export const UNRECORDED: Judgement = { type: 'refuse', plan: null, refuse: () => Promise.resolve(texts.noLog()) };

/** Why nothing may run now, whatever it is; null: something may. */
export const stopped = ({ options }: State): Judgement | null => {
  if (options.audit.failure !== null) return UNRECORDED;
  const behind = options.notShipped?.() ?? null;
  if (behind === null) return null;
  return { type: 'refuse', plan: null, refuse: () => Promise.resolve(texts.notShipped(behind)) };
};

/** `sync` mode: nothing is forwarded before it is on record. */
export const forwarded = async (s: State, pass: Pass): Promise<Judgement> => {
  const { shape } = remembered(pass.plan).analysis;
  const clear = { session: s.id, who: s.who.id, shape };
  return (await write(s, 'a statement', { type: 'statement.forwarded', clear })) ? pass : UNRECORDED;
};

/** In observe mode it would have been held or denied: on record, and it runs. */
export const observed = (s: Of, sql: string, analysis: Analysis, verdict: Verdict, policy: Policy): void => {
  for (const one of verdict.observed) s.options.counts.add(one.rule, 'observed');
  const clear = { ...about(s, analysis, verdict.rule, policy), observed: verdict.observed };
  void write(s, 'an observed statement', { type: 'statement.observed', clear, sealed: { sql, ...apart(s.who).words } });
};

/** A session, or a connection that starts. */
type Of = Pick<State, 'options' | 'who' | 'where'> & { readonly id: string | null };

/** What may stand in clear of a statement; `apart(s.who).words` are sealed with its text. */
export const about = (s: Of, analysis: Analysis, rule: string, policy: Policy): Record<string, unknown> => ({
  session: s.id,
  who: apart(s.who).clear,
  where: s.where,
  shape: analysis.shape,
  rule,
  findings: analysis.findings,
  policy: policy.hash,
});

/** False: it could not be written, which is the operator's to know. `what` completes "... could not be recorded". */
export const write = async (s: Pick<State, 'options'>, what: string, record: RecordInput): Promise<boolean> => {
  try {
    await s.options.audit.append(record);
    return true;
  } catch (error) {
    s.options.fault(`${what} could not be recorded`, error);
    return false;
  }
};
