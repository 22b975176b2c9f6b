// What a reviewer decides on: a statement with the facts of its session as they are now, and its identity. Asks and changes nothing.
import { digest } from '../approval/digest.ts';
import type { Held, Passed } from '../approval/types.ts';
import type { Ask } from '../policy/types.ts';
import type { BoundParameter, EarlierText, OwnCommand, Plan } from '../session/gate.ts';
import type { Analysis } from '../sql/findings.ts';
import type { Context } from './context.ts';
import { meant } from './meaning.ts';
import { patternOf } from './pattern.ts';
import { remembered } from './plan.ts';
import type { State } from './state.ts';
import type { Grounds } from './wait.ts';

/** What is known of a statement, beside the facts of its session. */
export interface Asked {
  readonly parameters: readonly BoundParameter[];
  /** Null: it has not run. */
  readonly passed: Passed | null;
  readonly break_glass: string;
  /** Told with it alone; null: what the session was told counts. */
  readonly reason: string | null;
}

/** No token of any text: to let a result go on is another thing than to let the statement run. */
const GOES_ON = ' goes on past its limit';

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
    bodies: analysis.bodies ?? NONE,
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
    earlier: facts.earlier.length === 0 ? NONE : facts.earlier.map(({ sql, at, outcome }) => ({ sql, at, outcome })),
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

/** One for all that have none: thousands may wait at once. */
const NONE: readonly never[] = [];

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
