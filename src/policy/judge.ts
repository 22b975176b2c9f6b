// Evaluates a policy: every rule on every statement of a message, the strictest verdict wins.
// Pure: no clock, no I/O, never throws; an expression that fails counts against the statement.
import type { Expression, Views } from './cel.ts';
import { MessageView, SessionsAt, sharedViews, StatementView, type Trace } from './facts.ts';
import { upFront } from './limits.ts';
import type { Ask, FixedRule, Limit, PolicyQuestion, Verdict } from './types.ts';

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
export const DEFAULT_ASK: Ask = {
  of: [],
  count: 1,
  deadline_ms: 900_000,
  use_within_ms: 3_600_000,
  wait_ms: null,
  rationale: ['approve', 'deny'],
  reason: 'optional',
  ticket: true,
};

const FIXED_MESSAGES: Record<FixedRule, string> = {
  default: 'No rule of the policy lets this through.',
  unparsed: 'The text does not parse, so nobody can tell what it would do.',
  unknown: "Something in the statement is not in Holdpoint's tables, so its effect is not known.",
  unresolved: 'A name in the statement can not be resolved, so its effect is not known.',
  code: 'The statement runs code that can not be read.',
};
const FIXED_ORDER = ['unparsed', 'unknown', 'unresolved', 'code'] as const;
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

/** Judges a message. Cost: microseconds; skips a rule when the statement has none of the actions it asks for. */
export function judge(rules: Rules, question: PolicyQuestion): Explanation {
  const message = new MessageView(question.analysis);
  const trace: Trace = { findings: [], timed: false };
  const notes: Notes = {
    matched: new Set(),
    excepted: new Set(),
    failed: new Set(),
    observed: new Set(),
    limits: new Map(),
  };
  const shared = sharedViews(question, trace);
  const sessions = new SessionsAt(question);
  // A message may be a hundred thousand empty statements: those without findings differ in these facts alone.
  const judged = new Set<string>();
  let best: Outcome | null = null;

  for (let index = 0; index < message.count; index++) {
    if (message.count > 1 && message.own(index).length === 0) {
      const { kind, writes_all_rows, hidden_writes, folds_rows } = question.analysis.statements[index] ?? {};
      const facts = `${kind} ${writes_all_rows} ${hidden_writes} ${folds_rows} ${sessions.key(index)}`;
      if (judged.has(facts)) continue;
      judged.add(facts);
    }
    const views = { ...shared, stmt: new StatementView(message, index, trace), session: sessions.at(index) };
    const outcome = judgeStatement(rules, message, index, question, views, trace, notes);
    if (best === null || stricter(outcome, best)) best = outcome;
    else if (outcome.rule === best.rule) for (const one of outcome.findings) best.findings.push(one);
  }

  const { verdict, rule, ask, findings } = best!;
  // What a person lets through runs to its end.
  const limits = verdict === 'allow' ? [...notes.limits.values()] : [];
  return {
    verdict,
    rule,
    message: best!.message,
    findings: [...new Set(findings)].toSorted((a, b) => a - b),
    ask: verdict === 'hold' ? ask : null,
    limits,
    observed: [...notes.observed],
    cacheable: !trace.timed,
    matched: [...notes.matched],
    excepted: [...notes.excepted],
    failed: [...notes.failed],
  };
}

type Notes = Record<'matched' | 'excepted' | 'failed' | 'observed', Set<string>> & {
  /** By rule. */
  readonly limits: Map<string, Limit>;
};

function judgeStatement(
  { rules, fixed, default: otherwise }: Rules,
  message: MessageView,
  index: number,
  question: PolicyQuestion,
  views: Views,
  trace: Trace,
  notes: Notes,
): Outcome {
  let best: Outcome | null = null;
  const offer = (outcome: Outcome): void => {
    if (best === null || stricter(outcome, best)) best = outcome;
  };

  for (const [order, rule] of rules.entries()) {
    if (rule.when.needs !== null && !(rule.when.needs & views.stmt.mask)) continue;
    trace.findings = [];
    const counts = rule.verdict !== 'allow';
    if (!holds(rule.when, views, counts, rule.id, notes)) continue;
    const { findings } = trace;
    trace.findings = [];
    if (rule.unless && holds(rule.unless, views, false, rule.id, notes)) {
      notes.excepted.add(rule.id);
      continue;
    }
    if (rule.limit !== null) {
      const stopped = upFront(question, index, rule.limit.rows);
      if (stopped === 'returns-nothing') continue;
      if (stopped !== 'before') {
        notes.matched.add(rule.id);
        limitTo(rule, rule.limit, stopped, findings, notes);
        continue;
      }
    }
    notes.matched.add(rule.id);
    if (rule.observe) notes.observed.add(rule.id);
    else offer({ verdict: rule.verdict, rule: rule.id, message: rule.message, ask: rule.ask, order, findings });
  }

  for (const [position, key] of FIXED_ORDER.entries()) {
    const findings = fixedFindings(key, message, index);
    if (findings === null) continue;
    offer({
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
  findings: readonly number[],
  notes: Notes,
): void {
  const before = notes.limits.get(id);
  notes.limits.set(id, {
    rule: id,
    message,
    ...caps,
    verdict: verdict === 'deny' ? 'deny' : 'hold',
    ask,
    findings: before ? [...before.findings, ...findings] : findings,
    observe,
    withholds: stopped === 'withheld' || (before?.withholds ?? false),
    counts_only: stopped === 'counts-only' && (before?.counts_only ?? true),
  });
}

function stricter(a: Outcome, b: Outcome): boolean {
  const difference = SEVERITY[a.verdict] - SEVERITY[b.verdict];
  return difference > 0 || (difference === 0 && a.order < b.order);
}

function holds(expression: Expression, views: Views, onFailure: boolean, id: string, notes: Notes): boolean {
  try {
    return expression.test(views);
  } catch {
    notes.failed.add(id);
    return onFailure;
  }
}

/** Findings that a fixed key is about; null: it does not apply. */
function fixedFindings(key: (typeof FIXED_ORDER)[number], message: MessageView, index: number): number[] | null {
  const { error, findings } = message.analysis;
  if (key === 'unparsed') return error === null ? null : [];
  const found = message.own(index).filter((one) => {
    const { action, unresolved } = findings[one]!;
    return unresolved ? key === 'unresolved' : action === key;
  });
  return found.length > 0 ? found : null;
}
