// What was judged is compared with what would be found now the way it was found: a function called by its oid has no text to analyse.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createGate } from '../../../src/gate/gate.ts';
import { lookForRelease, Unseen } from '../../../src/gate/meaning.ts';
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
    token: () => null,
    where: () => ({}),
    catalog: () => null,
    counts: new RuleCounts(),
    sessions: new LiveSessions(() => {}),
  } as unknown as GateOptions;
  return createGate(options).open({} as SessionOpening, { in_transaction: false } as SessionFacts);
};

describe('a look before a release', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const SOME = { id: 1 };
  /** A server that does not answer the first so many looks; `last`: what was read before. */
  const look = async (fails: number, judged: typeof SOME | null, last: typeof SOME | null) => {
    let looks = 0;
    const refresh = async () => (looks += 1) > fails;
    const catalog = { refresh, last, current: last, open: async () => {}, close: () => {} };
    const done = lookForRelease({ catalog }, { catalog: judged }).then(
      () => 'looked',
      (error: unknown) => (error instanceof Unseen ? 'unseen' : 'another fault'),
    );
    await vi.advanceTimersByTimeAsync(60_000);
    return { told: await done, looks };
  };

  it('is tried again while the server does not answer, and nothing is let through without one', async () => {
    expect(await look(0, SOME, SOME)).toEqual({ told: 'looked', looks: 1 });
    expect(await look(5, SOME, SOME)).toEqual({ told: 'looked', looks: 6 });
    expect((await look(Infinity, SOME, SOME)).told).toBe('unseen');
    expect((await look(Infinity, SOME, null)).told).toBe('unseen');
    expect((await look(Infinity, null, SOME)).told).toBe('unseen');
  });

  it('is none where the catalog could not be read when somebody was shown that, and still can not', async () => {
    expect(await look(Infinity, null, null)).toEqual({ told: 'looked', looks: 1 });
    expect(await lookForRelease({ catalog: null }, { catalog: null })).toBeUndefined();
  });
});

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
