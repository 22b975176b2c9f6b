// A statement must wait for a person's word: its request is opened, or found, at the desk. Once it is durable the client is told: wait
// (wait.ts), run, or why not. Never forwards, and lets nothing run that the desk has not released.
import { digest } from '../approval/digest.ts';
import type { Held, HoldResult, Passed } from '../approval/types.ts';
import { texts, type WireText } from '../errors/catalogue.ts';
import type { Ask } from '../policy/types.ts';
import type { BoundParameter, EarlierText, HoldStart, OwnCommand, Plan } from '../session/gate.ts';
import type { Analysis } from '../sql/findings.ts';
import type { Context } from './context.ts';
import { estimate } from './impact.ts';
import { meant } from './meaning.ts';
import { patternOf } from './pattern.ts';
import { permitted } from './permitted.ts';
import { remembered } from './plan.ts';
import { signInOver } from './signed-in.ts';
import type { State } from './state.ts';
import { atLimit, BEFORE } from './told.ts';
import { type Anew, type Grounds, type JudgedAnew, releaseOf, Waiting, type WaitOf } from './wait.ts';

/** A hold ends this long before the server would end the connection, in ms. */
export const SERVER_TIMEOUT_MARGIN_MS = 1000;

/** Of a statement that runs, and was stopped after that much. */
interface AtLimit {
  readonly passed: Passed;
  /** SessionFacts.break_glass when it began. */
  readonly break_glass: string;
  readonly opened: (id: string) => void;
}

/** What is known of a statement, beside the facts of its session. */
interface Asked {
  readonly parameters: readonly BoundParameter[];
  /** Null: it has not run. */
  readonly passed: Passed | null;
  readonly break_glass: string;
  /** Told with it alone; null: what the session was told counts. */
  readonly reason: string | null;
}

/** No token of any text: to let a result go on is another thing than to let the statement run. */
const GOES_ON = ' goes on past its limit';

/** Judgement.hold; `at`: null before a statement. `again` judges it as things are later; null: it runs already, and its names stand. */
export const hold = async (
  s: State,
  plan: Plan,
  grounds: Grounds,
  context: Context,
  parameters: readonly BoundParameter[],
  at: AtLimit | null,
  again: ((plan: Plan) => Promise<JudgedAnew | null>) | null,
): Promise<HoldStart> => {
  const { rule } = grounds;
  const words = at ? atLimit(at.passed) : BEFORE;
  const wait = waitOf(s, grounds.ask as Ask);
  const break_glass = at ? at.break_glass : s.facts.break_glass;
  const over = await signInOver(s);
  if (over !== null) return { type: 'refuse', text: words.refused(over, rule) };
  const asked: Asked = { parameters, passed: at?.passed ?? null, break_glass, reason: null };
  let result: HoldResult;
  try {
    const held = await heldOf(s, plan, grounds, context, asked);
    const seen = at !== null || s.catalogWasSeen || context.catalog === null;
    result = await s.options.desk.hold(held, wait.wait_ms, wait.longest_ms, seen);
  } catch (error) {
    s.options.fault('a request could not be opened', error);
    return { type: 'refuse', text: words.refused(texts.noLog(), rule) };
  }
  if (result.type === 'permitted') return permitted(s, plan, result, context);
  if (result.type !== 'refused') at?.opened(result.request.id);
  const inTransaction = s.facts.in_transaction;
  if (result.type === 'waiting' || result.type === 'pending') {
    s.options.counts.add(rule, 'held');
    estimate(s, result.request, plan);
  }
  const anew = async (now: Plan): Promise<Anew | null> => {
    const judged = again === null ? null : await again(now);
    if (judged === null) return null;
    const held = await heldOf(s, judged.plan, judged.grounds, judged.context, { ...asked, break_glass: '' });
    return { ...judged, held };
  };
  switch (result.type) {
    case 'waiting':
      return new Waiting(s, result, plan, at ? null : context, anew, wait, words);
    case 'run':
      return {
        type: 'run',
        notice: words.approved(result.request),
        release: releaseOf(s, result.request.id, at !== null),
      };
    case 'pending':
      return { type: 'refuse', text: words.pending(result.request, 0, inTransaction) };
    case 'denied':
      return { type: 'refuse', text: words.denied(result.request, inTransaction) };
    case 'lapsed':
      return { type: 'refuse', text: words.lapsed(result.request, result.why) };
    case 'refused':
      return { type: 'refuse', text: words.refused(refusedText(s, result, rule, context), rule) };
  }
};

/** The least of what the rule, the agent and the server allow; 0: a ticket at once. */
const waitOf = (s: State, ask: Ask): WaitOf => {
  const { hold_ms, server_timeout_ms } = s.facts;
  const server = server_timeout_ms === null ? Infinity : Math.max(0, server_timeout_ms - SERVER_TIMEOUT_MARGIN_MS);
  const longest_ms = Math.min(hold_ms ?? Infinity, server);
  return { wait_ms: Math.min(ask.wait_ms ?? s.options.engine.wait_ms, longest_ms, ask.deadline_ms), longest_ms };
};

/** What a reviewer decides on. May reject. */
export const heldOf = async (
  s: State,
  plan: Plan,
  { rule, message, ask, findings }: Grounds,
  context: Context,
  { parameters, passed, break_glass, reason }: Asked,
): Promise<Held> => {
  const { facts } = s;
  const { analysis } = remembered(plan);
  const before = context.analysis.cpu_ms;
  // EXECUTE of a name means what was prepared under it: that belongs to the statement's identity.
  const prepared = analysis.session_bound ? facts.preparedTexts() : [];
  // So does what the catalog says of names, and whether it has begun.
  const more = [...(analysis.catalog === undefined ? [] : meant(analysis)), ...(passed ? [GOES_ON] : [])];
  const tokens = await context.analysis.tokens([plan.text, ...prepared], more);
  s.spent_ms += context.analysis.cpu_ms - before;
  const pattern = passed ? null : await patternOf(s, plan, ask as Ask, context, parameters);
  // Of a statement that runs: as things were when it began.
  const { role } = passed ? context : facts;
  const search_path = (passed ? context.search_path : facts.search_path) ?? '';
  const in_transaction = passed ? context.in_transaction : facts.in_transaction || facts.in_implicit_transaction;
  const told = reason ?? ownReason(plan.own) ?? analysis.reason ?? facts.reason;
  return {
    who: s.who,
    // USE changes it.
    where: facts.engine === 'postgres' ? s.where : { ...s.where, database: facts.database ?? '' },
    role,
    upstream_user: s.opening.upstream_user,
    search_path,
    application_name: s.opening.application_name,
    session: s.id,
    sql: plan.text,
    shape: analysis.shape,
    parameters,
    findings: analysis.findings,
    bodies: analysis.bodies ?? [],
    grounds: findings,
    rule,
    message,
    ask: ask as Ask,
    policy: context.policy.hash,
    reason: told,
    reason_at: told === '' ? null : told === facts.reason ? facts.reason_at : Date.now(),
    in_transaction,
    commits: passed ? 0 : committedBy(analysis, facts.earlier),
    pattern,
    passed,
    break_glass: break_glass === '' ? null : { reason: break_glass, of: context.policy.break_glass },
    earlier: facts.earlier.map(({ sql, at, outcome }) => ({ sql, at, outcome })),
    digest: digest({
      engine: s.where.engine,
      upstream: s.where.upstream,
      database: s.where.database,
      principal: s.who.id,
      role,
      search_path,
      in_transaction,
      tokens,
      parameters,
    }),
  };
};

/** Of the open transaction: those that succeeded, and have something to commit as far as their first word tells. */
const committedBy = ({ statements }: Analysis, earlier: readonly EarlierText[]): number =>
  statements.some(({ commits }) => commits === true)
    ? earlier.filter(({ sql, outcome }) => outcome === 'OK' && !COMMITS_NOTHING.test(sql)).length
    : 0;
const COMMITS_NOTHING = /^\s*(begin|start|set|savepoint|release|rollback|select|show|use|explain|desc|describe)\b/i;

const ownReason = (own: readonly OwnCommand[]): string | null => {
  let reason: string | null = null;
  for (const command of own) {
    if (command.op === 'set' && command.name === 'reason') reason = command.value;
    if (command.op === 'set_config' && command.name === 'reason' && typeof command.value === 'string')
      reason = command.value;
  }
  return reason;
};

export const refusedText = (
  s: State,
  { why, limit }: Extract<HoldResult, { type: 'refused' }>,
  rule: string,
  { policy }: Context,
): WireText => {
  switch (why) {
    case 'unsponsored':
      return texts.unsponsored({ principal: s.who.id, rule });
    case 'too-many':
      return texts.tooManyRequests({ principal: s.who.id, limit: limit ?? 0 });
    case 'reason-required':
      return texts.reasonRequired({ rule });
    case 'no-break-glass':
      return texts.noBreakGlass({ rule, of: policy.break_glass });
    case 'directory-down':
      return texts.noDirectory();
    case 'catalog-down':
      return texts.noCatalog();
  }
};
