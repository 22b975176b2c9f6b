// What a permit for a held statement would cover. Asked only where its rule gives permits; null wherever it is not certain that the next one like
// it does the same.
import type { Pattern } from '../approval/types.ts';
import type { Ask } from '../policy/types.ts';
import type { BoundParameter, Plan } from '../session/gate.ts';
import type { Action, Analysis } from '../sql/findings.ts';
import type { Context } from './context.ts';
import { remembered } from './plan.ts';
import type { State } from './state.ts';

export const patternOf = async (
  s: State,
  plan: Plan,
  { permit }: Ask,
  context: Context,
  parameters: readonly BoundParameter[],
): Promise<Pattern | null> => {
  const { analysis, again } = remembered(plan);
  // More than the text says what it does.
  if (permit === null || again !== null || !isRepeatable(analysis) || usesOwnTables(s, analysis)) return null;
  const handle = context.analysis;
  const before = handle.cpu_ms;
  try {
    const found = await handle.pattern(plan.text, parameters, runs(analysis));
    return found && { ...found, writes: writes(analysis) };
  } catch (error) {
    s.options.fault('what a permit would cover could not be told', error);
    return null;
  } finally {
    s.spent_ms += handle.cpu_ms - before;
  }
};

/** What it calls, and as which text: where a body is another one somebody has to look again. */
const runs = ({ functions, bodies = [] }: Analysis): readonly string[] => [...functions, ...bodies];

/** What can be let through without a look at it each time: code, DDL, rights and the session's own state can not. */
const REPEATABLE: ReadonlySet<Action> = new Set(['read', 'write', 'export']);

const isRepeatable = ({ statements, findings, effects, own, ...rest }: Analysis): boolean =>
  statements.length === 1 &&
  statements[0]?.cursor === null &&
  effects.length === 0 &&
  own.length === 0 &&
  !rest.session_bound &&
  !rest.missing &&
  rest.changes_catalog === undefined &&
  rest.temporary === undefined &&
  findings.every(({ action, unresolved }) => REPEATABLE.has(action) && unresolved !== true);

/** What the session itself has put into a table decides what a comparison with it means: `x.k = 5` may be true of all rows. */
const usesOwnTables = ({ facts }: State, { findings }: Analysis): boolean => {
  if (facts.engine === 'postgres') return findings.some(({ object }) => object.startsWith('pg_temp'));
  // Some servers tell names that differ in case apart.
  const temporary = facts.temporaries.map((table) => table.replace('\0', '.').toLowerCase());
  return findings.some(({ object }) => temporary.includes(object.toLowerCase()));
};

const writes = ({ statements, findings }: Analysis): boolean =>
  findings.some(({ action }) => action === 'write') || statements.some(({ hidden_writes }) => hidden_writes);
