// A statement that does not run: what a rule denies, what does not parse, and what is passed on for nobody. On record first; only then is the client told why.
import { texts, type WireText } from '../errors/catalogue.ts';
import type { Verdict } from '../policy/types.ts';
import type { Judgement, Plan } from '../session/gate.ts';
import type { Analysis } from '../sql/findings.ts';
import { type Context, contextOf } from './context.ts';
import { remembered } from './plan.ts';
import { about, write } from './record.ts';
import type { State } from './state.ts';
import { apart } from './who.ts';
import { allowsNo, found, grounds } from './words.ts';

export const deny = async (s: State, plan: Plan, verdict: Verdict, context: Context): Promise<WireText> => {
  const { analysis } = remembered(plan);
  s.options.counts.add(verdict.rule, 'denied');
  const done = await write(s, 'a refusal', {
    type: 'statement.denied',
    clear: about(s, analysis, verdict.rule, context.policy),
    sealed: { sql: plan.text, ...apart(s.who).words },
  });
  if (!done) return texts.noLog();
  const findings = grounds(analysis.findings, verdict.findings);
  const first = findings[0];
  return texts.deniedByPolicy({
    rule: verdict.rule,
    allowsNo: allowsNo(findings),
    found: found(findings, analysis.findings),
    position: first ? characters(plan.text, first.start) + 1 : 0,
    ruleMessage: verdict.message,
    inTransaction: s.facts.in_transaction,
  });
};

/** GateSession.uncarried */
export const uncarried = async (s: State, plan: Plan): Promise<WireText> => {
  const { analysis, rule } = remembered(plan);
  const text = texts.uncarried({ command: plan.text, rule, found: found(analysis.findings, analysis.findings) });
  const done = await write(s, 'a refusal', {
    type: 'statement.refused',
    clear: { ...about(s, analysis, rule, contextOf(s).policy), sqlstate: text.sqlstate },
    sealed: { sql: plan.text, ...apart(s.who).words },
  });
  return done ? text : texts.noLog();
};

/** The server's own words for it, as far as the grammar has them. */
export const unparsed = (
  s: State,
  text: string,
  error: NonNullable<Analysis['error']>,
  verdict: Verdict,
): Extract<Judgement, { type: 'refuse' }> => {
  const refuse = async (): Promise<WireText> => {
    if (verdict.verdict !== 'allow') s.options.counts.add(verdict.rule, 'denied');
    const { sqlstate, message, position } = error;
    const told: WireText =
      sqlstate === '42601' || position > 0
        ? { ...texts.doesNotParse({ message, position }), sqlstate }
        : { severity: 'ERROR', sqlstate, message, detail: 'The statement did not run.' };
    const done = await write(s, 'a refusal', {
      type: 'statement.refused',
      clear: { session: s.id, who: apart(s.who).clear, where: s.where, sqlstate, rule: verdict.rule },
      sealed: { sql: text, message, ...apart(s.who).words },
    });
    return done ? told : texts.noLog();
  };
  return { type: 'refuse', plan: null, refuse };
};

/** Characters of UTF-8 text (given as latin1) before this byte. */
const characters = (text: string, byte: number): number =>
  Array.from(Buffer.from(text.slice(0, byte), 'latin1').toString('utf8')).length;
