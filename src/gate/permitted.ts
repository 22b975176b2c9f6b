// A statement that a permit lets through: told to its client, counted while its rows pass, stopped at the permit's cap, at a limit of the policy, or
// when somebody revokes the permit; its end goes on record. Nobody is asked: what was agreed is all there is.
import { NEVER_SENT } from '../approval/desk.ts';
import type { HoldResult, Outcome, Permit } from '../approval/types.ts';
import { texts, type WireText } from '../errors/catalogue.ts';
import type { Limit } from '../policy/types.ts';
import type { HoldStart, Plan, Release } from '../session/gate.ts';
import type { Context } from './context.ts';
import { recordOf } from './limit.ts';
import { type Reached, ResultMeter } from './meter.ts';
import { remembered } from './plan.ts';
import { write } from './record.ts';
import type { State } from './state.ts';
import { stoppedText } from './told.ts';

/** `context`: what it was judged under. */
export const permitted = (
  s: State,
  plan: Plan,
  { permit, use }: Extract<HoldResult, { type: 'permitted' }>,
  context: Context,
): Extract<HoldStart, { type: 'run' }> => {
  const { id, uses, rows, until } = permit;
  const notice = texts.permitted({ id, use, uses, rows, until, writes: permit.pattern.writes });
  return { type: 'run', notice, release: releaseUnder(s, plan, permit, use, context) };
};

const releaseUnder = (s: State, plan: Plan, permit: Permit, use: number, context: Context): Release => {
  const { permits, fault } = s.options;
  const { id, rule, rows } = permit;
  const cap = capOf(permit, plan);
  /** Reached, and the client was told so. */
  let was_cut = false;
  let over = false;
  const revokedBy = (): string | null => permits.get(id)?.revoked?.by ?? null;

  const why = ({ limit, rows: passed }: Reached): WireText => {
    const by = revokedBy();
    if (by !== null) return stoppedText(passed, rule, `permit ${id} was revoked by ${by}`);
    if (limit === cap) return stoppedText(passed, rule, `permit ${id} gives at most ${rows} rows`);
    return stoppedText(passed, limit.rule, `which permit ${id} does not lift`);
  };
  const meter = new ResultMeter([cap, ...remembered(plan).limits], s.who.id, s.totals, {
    judge: (reached) => ({ type: 'refuse', plan, refuse: () => Promise.resolve(why(reached)) }),
    observed: (reached) => {
      s.options.counts.add(reached.limit.rule, 'observed');
      void write(s, 'an observed limit', { type: 'statement.observed', ...recordOf(s, reached, plan, context) });
    },
    cut: (reached, outcome) => {
      was_cut = true;
      const { clear, sealed } = recordOf(s, reached, plan, context);
      void write(s, 'a cut', { type: 'statement.cut', clear: { ...clear, id, outcome }, sealed });
    },
  });
  const under: Release['permitted'] = {
    meter,
    gone: () => {
      const by = revokedBy();
      return by === null ? null : texts.permitRevoked({ id, by });
    },
    onGone: null,
  };
  const forget = permits.onRevoked(id, () => {
    cap.rows = 0;
    meter.passed(0, 0);
    under.onGone?.();
  });
  const finished = (outcome: Outcome | null): void => {
    if (over) return;
    over = true;
    forget();
    under.onGone = null;
    const told = outcome !== null && was_cut ? { ...outcome, tag: null, sqlstate: 'ZH004' } : outcome;
    permits
      .useEnded(id, use, told)
      .catch((error: unknown) => fault('the end of a statement under a permit could not be recorded', error));
  };
  return {
    request: id,
    permitted: under,
    finished,
    // A use is one whatever became of it: the cap stays what was agreed.
    unsent: () => {
      finished(NEVER_SENT);
      return false;
    },
  };
};

/** The permit as a limit of its own, the first of all. */
const capOf = ({ rule, rows, ask }: Permit, plan: Plan): Limit & { rows: number } => ({
  rule,
  message: '',
  rows,
  bytes: null,
  per_ms: null,
  verdict: 'deny',
  ask,
  findings: [],
  observe: false,
  // What it has changed is done by the time its first row comes.
  withholds: remembered(plan).analysis.statements.some(({ returns_written }) => returns_written),
  counts_only: false,
});
