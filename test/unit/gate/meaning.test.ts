// What was judged is compared with what would be found now the way it was found: a function called by its oid has no text to analyse.
import { describe, expect, it } from 'vitest';
import { createGate } from '../../../src/gate/gate.ts';
import type { GateOptions } from '../../../src/gate/options.ts';
import { RuleCounts } from '../../../src/gate/counts.ts';
import { LiveSessions } from '../../../src/gate/sessions.ts';
import type { Plan, SessionFacts, SessionOpening } from '../../../src/session/gate.ts';
import type { Analysis } from '../../../src/sql/findings.ts';

const analysis = (...functions: string[]): Analysis =>
  ({ findings: [], functions, statements: [], effects: [], own: [] }) as unknown as Analysis;

/** A gate that allows all; `found`: what the analyser finds behind an oid. */
const open = (found: { functions: string[] }) => {
  const options = {
    engine: {
      keep: () => ({}),
      still: () => true,
      analysis: () => ({
        analyse: () => analysis('a text'),
        cpu_ms: 0,
        functionCall: () => analysis(...found.functions),
      }),
    },
    policy: () => ({ hash: '', judge: () => ({ verdict: 'allow', rule: 'r', limits: [], observed: [] }) }),
    audit: { append: async () => 1, session: () => ({}), failure: null },
    who: () => ({ id: 'ci' }),
    where: () => ({}),
    catalog: () => null,
    counts: new RuleCounts(),
    sessions: new LiveSessions(() => {}),
  } as unknown as GateOptions;
  return createGate(options).open({} as SessionOpening, { in_transaction: false } as SessionFacts);
};

describe('a function called by its oid', () => {
  it('still means the same while the same is found behind it, and no longer', async () => {
    const found = { functions: ['public.f()'] };
    const session = await open(found);
    const { plan } = (await session.judgeCall(16_400)) as { plan: Plan };
    expect(await session.stillMeans(plan)).toBe(true);
    found.functions = ['public.g()'];
    expect(await session.stillMeans(plan)).toBe(false);
  });
});
