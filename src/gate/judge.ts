// May this run? Asks sql what the text does and policy what to make of it. An allowed text that was judged before under the same facts is
// answered from memory, without a promise or an object: what only the others need stands in functions of its own.
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Limit, Verdict } from '../policy/types.ts';
import type { Judgement, Plan } from '../session/gate.ts';
import type { Analysis } from '../sql/findings.ts';
import { type Context, contextOf } from './context.ts';
import { deny, unparsed } from './deny.ts';
import { hold } from './hold.ts';
import { catalogIsFresh, lookAtCatalog } from './meaning.ts';
import type { Pass } from './memory.ts';
import { type Again, heldPlan, planOf, remembered } from './plan.ts';
import { youngerThan } from './prepared.ts';
import { forwarded, observed, stopped } from './record.ts';
import type { State } from './state.ts';
import type { JudgedAnew } from './wait.ts';

type Judged = Judgement | Promise<Judgement>;

/** GateSession.judge */
export const judge = (s: State, text: string, types: readonly number[], planned: number | null): Judged => {
  const now = stopped(s);
  if (now !== null) return now;
  return catalogIsFresh(s) ? judgeNow(s, text, types, planned, false) : judgeAfterLook(s, text, types, planned, false);
};

/** GateSession.judgeCall */
export const judgeCall = (s: State, oid: number): Judged => {
  const now = stopped(s);
  if (now !== null) return now;
  return catalogIsFresh(s) ? judgeCallNow(s, oid, false) : lookAtCatalog(s).then(() => judgeCallNow(s, oid, true));
};

/** At the catalog, for this very text; 'unseen': nobody could. */
type Looked = false | 'seen' | 'unseen';

const judgeNow = (s: State, text: string, types: readonly number[], planned: number | null, looked: Looked): Judged => {
  const context = contextOf(s);
  const { lastPass } = s;
  const again = lastPass?.plan.text === text && types === s.lastTypes && context === s.lastContext;
  if (again && s.temporarySince.size === 0) return passed(s, lastPass);
  const younger = youngerThan(s, planned);
  if (younger.length > 0 || types.some(isOfUsers)) {
    const of_users = types.filter(isOfUsers);
    if (younger.length > 0 || context.analysis.ofTypes?.(of_users))
      return judgeAside(s, context, text, types, planned, looked, of_users, younger);
  }
  const known = context.allowed.get(text);
  if (known) {
    s.lastPass = known;
    s.lastTypes = types;
    s.lastContext = context;
    return passed(s, known);
  }
  return judgeNew(s, context, text, types, planned, looked);
};

const passed = (s: State, pass: Pass): Judged => (s.options.allowed === 'sync' ? forwarded(s, pass) : pass);

const judgeAfterLook = async (
  s: State,
  text: string,
  types: readonly number[],
  planned: number | null,
  looked: boolean,
): Promise<Judgement> => {
  const seen = await lookAtCatalog(s);
  return judgeNow(s, text, types, planned, looked && (seen ? 'seen' : 'unseen'));
};

const judgeNew = (
  s: State,
  context: Context,
  text: string,
  types: readonly number[],
  planned: number | null,
  looked: Looked,
): Judged => {
  const wait_ms = overBudget(s);
  // Judged anew when its turn comes: facts and policy may be others then.
  if (wait_ms > 0) return sleep(wait_ms).then(() => judge(s, text, types, planned));
  const before = context.analysis.cpu_ms;
  const judged = (analysis: Analysis): Judged => {
    s.spent_ms += context.analysis.cpu_ms - before;
    // What is not there may have been made a moment ago.
    if (analysis.missing && !looked) return judgeAfterLook(s, text, types, planned, true);
    const ruling = rule(s, context, text, analysis.missing && looked === 'unseen' ? unseen(analysis) : analysis, null);
    return looked ? ruling : lookedAt(s, context, ruling, (now) => judgeNow(s, text, types, planned, now));
  };
  const analysis = context.analysis.analyse(text);
  return analysis instanceof Promise ? analysis.then(judged) : judged(analysis);
};

/**
 * What is held may have been approved already, and may run at once: whatever its names stand for was looked at since it came. Nobody else waits
 * for that.
 */
const lookedAt = (s: State, context: Context, ruling: Judged, again: (looked: Looked) => Judged): Judged => {
  if (s.catalog === null || ruling instanceof Promise || ruling.type !== 'hold') return ruling;
  return lookAtCatalog(s).then((seen) => (contextOf(s) === context ? ruling : again(seen ? 'seen' : 'unseen')));
};

/** Nobody can tell whether what is missing is there by now. */
const unseen = (analysis: Analysis): Analysis => ({
  ...analysis,
  findings: [
    ...analysis.findings,
    { action: 'code', object: '', why: UNSEEN, statement: 0, start: 0, end: 0, unresolved: true },
  ],
});
const UNSEEN =
  'The catalog can not be read now, and a name is not in what was read last: what it stands for is not known.';

/** A statement with parameters whose types do more than keep a value, or one whose plan may be older than these temporary relations. */
const judgeAside = async (
  s: State,
  context: Context,
  text: string,
  types: readonly number[],
  planned: number | null,
  looked: Looked,
  of_users: readonly number[],
  younger: readonly string[],
): Promise<Judgement> => {
  const again: Again = async (now) => {
    const before = younger.length === 0 || !now.before ? now : now.before(younger);
    const analysis = await before.analyse(text);
    const brought = now.ofTypes?.(of_users) ?? null;
    return brought ? together(analysis, brought) : analysis;
  };
  const analysis = await again(context.analysis);
  if (analysis.missing && !looked) return judgeAfterLook(s, text, types, planned, true);
  const ruling = rule(s, context, text, analysis.missing && looked === 'unseen' ? unseen(analysis) : analysis, again);
  return looked ? ruling : lookedAt(s, context, ruling, (now) => judgeNow(s, text, types, planned, now));
};

const judgeCallNow = (s: State, oid: number, looked: boolean): Judged => {
  const context = contextOf(s);
  const again = (now: Context['analysis']): Analysis => {
    if (!now.functionCall) throw new Error('this protocol calls no functions');
    return now.functionCall(oid);
  };
  const ruling = rule(s, context, `FunctionCall ${oid}`, again(context.analysis), again);
  return looked ? ruling : lookedAt(s, context, ruling, () => judgeCallNow(s, oid, true));
};

/** How long this session's new texts must wait, in ms: one agent must not take the event loop from the others. */
const overBudget = (s: State): number => {
  const now = performance.now();
  const budget = s.options.analysis_ms_per_s_max;
  s.spent_ms = Math.max(0, s.spent_ms - ((now - s.countedAt) * budget) / 1000);
  s.countedAt = now;
  return s.spent_ms < budget ? 0 : 1 + ((s.spent_ms - budget) * 1000) / budget;
};

/** What becomes of a text, nothing of which is done yet. */
type Ruled =
  | { readonly type: 'judged'; readonly plan: Plan; readonly verdict: Verdict }
  /** It did not parse. */
  | Extract<Judgement, { type: 'refuse' }>;

const ruled = (s: State, context: Context, text: string, analysis: Analysis, again: Again | null): Ruled => {
  // A Query may end the transaction of what was executed before it without a Sync: what it returns must not decide of that.
  const judged = context.policy.judge({
    analysis,
    who: s.who,
    where: s.where,
    session: isImplicit(s, analysis) ? { ...context.view, in_transaction: true } : context.view,
    now: Date.now(),
  });
  const counted = judged.verdict === 'allow' && judged.limits.some(isTotalOfWrites);
  const verdict = isOwn(s, analysis) ? ALLOWED : counted ? withTotals(s, judged) : judged;
  // What does not parse is never forwarded, whatever a policy says of it.
  if (analysis.error) return unparsed(s, text, analysis.error, verdict);
  return { type: 'judged', plan: planOf(analysis, text, verdict.rule, verdict.limits, again), verdict };
};

const rule = (s: State, context: Context, text: string, analysis: Analysis, again: Again | null): Judged => {
  const found = ruled(s, context, text, analysis, again);
  if (found.type === 'refuse') return found;
  const { plan, verdict } = found;
  switch (verdict.verdict) {
    case 'allow': {
      const pass: Pass = { type: 'pass', plan };
      if (
        again === null &&
        !isImplicit(s, analysis) &&
        verdict.cacheable &&
        !analysis.session_bound &&
        !analysis.missing &&
        verdict.observed.length === 0
      )
        context.allowed.remember(text, pass);
      if (verdict.observed.length > 0) observed(s, text, analysis, verdict, context.policy);
      return passed(s, pass);
    }
    case 'hold':
      return heldUntil(s, heldPlan(plan), verdict, context);
    case 'deny':
      return { type: 'refuse', plan, refuse: () => deny(s, plan, verdict, context) };
  }
};

/** A text that is not to run now: as it would be judged. Nothing is on record yet, but what `refuse` records. */
export const judgeAhead = async (
  s: State,
  text: string,
): Promise<
  | { readonly type: 'pass' }
  | { readonly type: 'hold'; readonly plan: Plan; readonly verdict: Verdict }
  | Extract<Judgement, { type: 'refuse' }>
> => {
  for (let wait_ms = overBudget(s); wait_ms > 0; wait_ms = overBudget(s)) await sleep(wait_ms);
  let seen = !catalogIsFresh(s) && (await lookAtCatalog(s));
  let context = contextOf(s);
  let analysis = await analysed(s, context, text);
  if (analysis.missing) {
    seen = await lookAtCatalog(s);
    context = contextOf(s);
    analysis = await analysed(s, context, text);
  }
  const found = ruled(s, context, text, analysis.missing && !seen ? unseen(analysis) : analysis, null);
  if (found.type === 'refuse') return found;
  const { plan, verdict } = found;
  if (verdict.verdict === 'allow') return { type: 'pass' };
  if (verdict.verdict === 'hold') return { type: 'hold', plan, verdict };
  return { type: 'refuse', plan, refuse: () => deny(s, plan, verdict, context) };
};

/** What waits for a person, judged again as things are now; null: it is not held any more. Looks at the catalog first. */
const heldAnew = async (s: State, plan: Plan): Promise<JudgedAnew | null> => {
  const { text } = plan;
  const { again } = remembered(plan);
  // What is its own, the session has just looked at; another look at what all share would make that older than it is.
  const seen = s.facts.catalog_is_own || (await lookAtCatalog(s));
  const context = contextOf(s);
  const analysis = again === null ? await analysed(s, context, text) : await again(context.analysis);
  const found = ruled(s, context, text, analysis.missing && !seen ? unseen(analysis) : analysis, again);
  if (found.type === 'refuse' || found.verdict.verdict !== 'hold') return null;
  return { plan: heldPlan(found.plan), grounds: found.verdict, context };
};

const analysed = async (s: State, { analysis }: Context, text: string): Promise<Analysis> => {
  const before = analysis.cpu_ms;
  const made = await analysis.analyse(text);
  s.spent_ms += analysis.cpu_ms - before;
  return made;
};

const isImplicit = (s: State, { statements }: Analysis): boolean =>
  statements.length > 1 && s.facts.in_implicit_transaction;

/** Is it for Holdpoint alone, so that nothing of it is sent? An agent that is held must be able to answer, whatever the policy is. */
const isOwn = ({ facts }: State, { own, statements, error }: Analysis): boolean =>
  error === null &&
  own.length > 0 &&
  own.length === statements.length &&
  (facts.engine === 'postgres' || own.every(({ op }) => op === 'call' || op.startsWith('show-')));

const ALLOWED: Verdict = {
  verdict: 'allow',
  rule: 'holdpoint',
  message: '',
  findings: [],
  ask: null,
  limits: [],
  observed: [],
  cacheable: true,
};

const heldUntil = (s: State, plan: Plan, verdict: Verdict, context: Context): Judgement => ({
  type: 'hold',
  plan,
  hold: (parameters) => hold(s, plan, verdict, context, parameters, null, heldAnew),
});

const isTotalOfWrites = ({ withholds, per_ms, observe }: Limit): boolean => withholds && per_ms !== null && !observe;

/** What a write returns is withheld when it has happened: where nothing is left of a total, that is known before. Never remembered. */
const withTotals = ({ who, totals }: State, verdict: Verdict): Verdict => {
  const full = verdict.limits.filter(isTotalOfWrites).find((limit) => {
    const { rows, bytes } = totals.of(who.id, limit.rule, limit.per_ms as number);
    return (limit.rows !== null && rows >= limit.rows) || (limit.bytes !== null && bytes >= limit.bytes);
  });
  if (!full) return { ...verdict, cacheable: false };
  const { message, findings } = full;
  const ask = full.verdict === 'hold' ? full.ask : null;
  return { ...verdict, verdict: full.verdict, rule: full.rule, message, findings, ask, limits: [], cacheable: false };
};

/** First oid of what is not built in. */
const USER_OID_MIN = 16384;
const isOfUsers = (type: number): boolean => type >= USER_OID_MIN;

const bodiesOf = ({ bodies = [] }: Analysis, more: Analysis): Pick<Analysis, 'bodies'> => {
  const both = new Set([...bodies, ...(more.bodies ?? [])]);
  return both.size === 0 ? {} : { bodies: [...both].toSorted() };
};

const together = (analysis: Analysis, more: Analysis): Analysis => ({
  ...analysis,
  findings: [...analysis.findings, ...more.findings],
  reads: [...new Set([...analysis.reads, ...more.reads])].toSorted(),
  writes: [...new Set([...analysis.writes, ...more.writes])].toSorted(),
  functions: [...new Set([...analysis.functions, ...more.functions])].toSorted(),
  ...bodiesOf(analysis, more),
  effects: [...analysis.effects, ...more.effects],
});
