// Evaluates a policy: every rule that may matter on every statement of a message, the strictest verdict wins.
// Pure: no clock, no I/O, never throws; an expression that fails counts against the statement.
import { askSchema, compileAsk } from './ask.ts';
import type { Expression, Views } from './cel.ts';
import { MessageView, SessionsAt, sharedViews, StatementView, type Trace } from './facts.ts';
import { upFront } from './limits.ts';
import type { Ask, FixedRule, Limit, Observed, PolicyQuestion, Verdict } from './types.ts';

export interface Rule {
  readonly id: string;
  readonly when: Expression;
  readonly unless: Expression | null;
  /** With a limit: at its cap. */
  readonly verdict: Verdict['verdict'];
  readonly limit: Pick<Limit, 'rows' | 'bytes' | 'per_ms'> | null;
  readonly observe: boolean;
  readonly ask: Ask;
  readonly message: string;
}

export type FixedVerdicts = Readonly<Record<Exclude<FixedRule, 'default'>, 'hold' | 'deny'>>;

export interface Rules {
  readonly rules: readonly Rule[];
  readonly fixed: FixedVerdicts;
  readonly default: Verdict['verdict'];
}

/** What a verdict was made of; for `policy test` and `policy explain`. */
export interface Explanation extends Verdict {
  /** Ids of rules whose `when` held for a statement and whose `unless` did not; rules in mode observe too. */
  readonly matched: readonly string[];
  /** Ids of rules whose `when` held for a statement and whose `unless` excepted it. */
  readonly excepted: readonly string[];
  /** Ids of rules with an expression that failed. */
  readonly failed: readonly string[];
}

/** Whom a hold asks where the rule, or no rule, says nothing. */
export const DEFAULT_ASK: Ask = compileAsk(askSchema.parse({}));

const FIXED_MESSAGES: Record<FixedRule, string> = {
  default: 'No rule of the policy lets this through.',
  unparsed: 'The text does not parse, so nobody can tell what it would do.',
  unknown: "Something in the statement is not in Holdpoint's tables, so its effect is not known.",
  unresolved: 'A name in the statement can not be resolved, so its effect is not known.',
  code: 'The statement runs code that can not be read.',
};
const FIXED_ORDER = ['unparsed', 'unknown', 'unresolved', 'code'] as const;
type FixedKey = (typeof FIXED_ORDER)[number];
const SEVERITY = { allow: 0, hold: 1, deny: 2 } as const;

interface Outcome {
  verdict: Verdict['verdict'];
  rule: string;
  message: string;
  ask: Ask;
  /** Among equal verdicts the least wins: rules in the file's order, then the fixed keys, then `default`. */
  order: number;
  findings: number[];
}

/** Judges a message. Cost: microseconds; a rule is evaluated only where the statement has what its `when` needs. */
export function judge(rules: Rules, question: PolicyQuestion): Explanation {
  const message = new MessageView(question.analysis);
  const { count } = message;
  const asked = new Asked(question, message);
  const notes: Notes = { matched: [], excepted: [], failed: [], observed: [], limits: [] };
  // A message may be a hundred thousand empty statements: those without findings differ in these facts alone.
  const judged = count > 1 ? new Set<string>() : null;
  let best: Outcome | null = null;

  for (let index = 0; index < count; index++) {
    if (judged !== null && message.own(index).length === 0) {
      const { kind, writes_all_rows, hidden_writes, folds_rows } = question.analysis.statements[index] ?? {};
      const facts = `${kind} ${writes_all_rows} ${hidden_writes} ${folds_rows} ${asked.sessions.key(index)}`;
      if (judged.has(facts)) continue;
      judged.add(facts);
    }
    const outcome = judgeStatement(rules, asked, index, notes);
    if (best === null || stricter(outcome, best)) best = outcome;
    else if (outcome.rule === best.rule) for (const one of outcome.findings) best.findings.push(one);
  }

  const { verdict, rule, message: why, ask, findings } = best!;
  return {
    verdict,
    rule,
    message: why,
    findings: findings.length > 1 ? [...new Set(findings)].toSorted((a, b) => a - b) : [...findings],
    ask: verdict === 'hold' ? ask : null,
    // What a person lets through runs to its end, and what a permit does does not.
    limits: verdict === 'deny' ? [] : notes.limits,
    observed: notes.observed,
    cacheable: !asked.trace.timed,
    // Kept as long as a statement waits: without the room that push makes for more.
    matched: [...notes.matched],
    excepted: [...notes.excepted],
    failed: [...notes.failed],
  };
}

/** A question, and what expressions see of it; most questions have no rule that must be evaluated. */
class Asked {
  readonly question: PolicyQuestion;
  readonly message: MessageView;
  readonly trace: Trace = { findings: [], timed: false };
  #sessions: SessionsAt | null = null;
  #shared: ReturnType<typeof sharedViews> | null = null;

  constructor(question: PolicyQuestion, message: MessageView) {
    this.question = question;
    this.message = message;
  }

  get sessions(): SessionsAt {
    return (this.#sessions ??= new SessionsAt(this.question));
  }

  views(index: number, bits: number): Views {
    const { who, where, time } = (this.#shared ??= sharedViews(this.question, this.trace));
    const stmt = new StatementView(this.message, index, bits, this.trace);
    return { stmt, who, where, session: this.sessions.at(index), time };
  }
}

/** Ids of rules, each once, and limits, one for each rule. */
interface Notes extends Record<'matched' | 'excepted' | 'failed', string[]> {
  readonly observed: Observed[];
  readonly limits: (Limit & { findings: number[]; withholds: boolean; counts_only: boolean })[];
}

function note(ids: string[], id: string): void {
  if (!ids.includes(id)) ids.push(id);
}

/** A rule that allows has nothing to observe: it does not load. */
function noteObserved({ observed }: Notes, { id, verdict }: Rule): void {
  if (verdict !== 'allow' && !observed.some(({ rule }) => rule === id)) observed.push({ rule: id, verdict });
}

function judgeStatement(
  { rules, fixed, default: otherwise }: Rules,
  asked: Asked,
  index: number,
  notes: Notes,
): Outcome {
  const { question, message, trace } = asked;
  const bits = message.bits(index);
  let best: Outcome | null = null;
  let views: Views | null = null;

  for (let order = 0; order < rules.length; order++) {
    const rule = rules[order]!;
    if (!mayHold(rule.when, bits)) continue;
    views ??= asked.views(index, bits);
    trace.findings = [];
    const counts = rule.verdict !== 'allow';
    if (!holds(rule.when, views, counts, rule.id, notes)) continue;
    const { findings } = trace;
    trace.findings = [];
    if (rule.unless && mayHold(rule.unless, bits) && holds(rule.unless, views, false, rule.id, notes)) {
      note(notes.excepted, rule.id);
      continue;
    }
    if (rule.limit !== null) {
      const stopped = upFront(question, index, rule.limit.rows);
      if (stopped === 'returns-nothing') continue;
      if (stopped !== 'before') {
        note(notes.matched, rule.id);
        limitTo(rule, rule.limit, stopped, findings, notes);
        continue;
      }
    }
    note(notes.matched, rule.id);
    if (rule.observe) noteObserved(notes, rule);
    else
      best = strictest(best, {
        verdict: rule.verdict,
        rule: rule.id,
        message: rule.message,
        ask: rule.ask,
        order,
        findings,
      });
  }

  const about = fixedFindings(message, index);
  if (about !== null)
    for (const [position, key] of FIXED_ORDER.entries()) {
      const findings = about[key];
      if (!findings) continue;
      best = strictest(best, {
        verdict: fixed[key],
        rule: key,
        message: FIXED_MESSAGES[key],
        ask: DEFAULT_ASK,
        order: rules.length + position,
        findings,
      });
    }

  const order = rules.length + FIXED_ORDER.length;
  const why = otherwise === 'allow' ? '' : FIXED_MESSAGES.default;
  return best ?? { verdict: otherwise, rule: 'default', message: why, ask: DEFAULT_ASK, order, findings: [] };
}

function limitTo(
  { id, message, verdict, ask, observe }: Rule,
  caps: NonNullable<Rule['limit']>,
  stopped: 'in-stream' | 'withheld' | 'counts-only',
  findings: number[],
  { limits }: Notes,
): void {
  const before = limits.find(({ rule }) => rule === id);
  if (!before) {
    limits.push({
      rule: id,
      message,
      ...caps,
      verdict: verdict === 'deny' ? 'deny' : 'hold',
      ask,
      findings,
      observe,
      withholds: stopped === 'withheld',
      counts_only: stopped === 'counts-only',
    });
    return;
  }
  for (const one of findings) before.findings.push(one);
  before.withholds ||= stopped === 'withheld';
  before.counts_only &&= stopped === 'counts-only';
}

function strictest(best: Outcome | null, outcome: Outcome): Outcome {
  return best === null || stricter(outcome, best) ? outcome : best;
}

function stricter(a: Outcome, b: Outcome): boolean {
  const difference = SEVERITY[a.verdict] - SEVERITY[b.verdict];
  return difference > 0 || (difference === 0 && a.order < b.order);
}

function mayHold({ needs }: Expression, bits: number): boolean {
  for (const set of needs) if (!(set & bits)) return false;
  return true;
}

function holds(expression: Expression, views: Views, onFailure: boolean, id: string, notes: Notes): boolean {
  try {
    return expression.test(views);
  } catch {
    note(notes.failed, id);
    return onFailure;
  }
}

/** Findings by the fixed key that is about them; null: none applies. */
function fixedFindings(message: MessageView, index: number): Partial<Record<FixedKey, number[]>> | null {
  const { error, findings } = message.analysis;
  let found: Partial<Record<FixedKey, number[]>> | null = error === null ? null : { unparsed: [] };
  for (const one of message.own(index)) {
    const { action, unresolved } = findings[one]!;
    const key = unresolved ? 'unresolved' : action;
    if (key !== 'unresolved' && key !== 'unknown' && key !== 'code') continue;
    found ??= {};
    (found[key] ??= []).push(one);
  }
  return found;
}
