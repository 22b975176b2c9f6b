// One statement's wait: what its client is told meanwhile.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { texts } from '../../../src/errors/catalogue.ts';
import type { HoldStart, Judgement, Said, WaitListener } from '../../../src/session/gate.ts';
import { Hold } from '../../../src/session/hold.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** What a client that waits gets when, in seconds; one heartbeat every 15 s. `says`: what is said to it, and when. */
async function told(
  wait_ms: number,
  says: readonly (readonly [at_ms: number, said: Said])[] = [],
  leaves = false,
): Promise<{ readonly heartbeats: number[]; readonly words: string[]; readonly ended: number }> {
  let tell: (said: Said) => void = () => {};
  const listen = (listener: WaitListener): void => void (tell = (said) => listener.said(said));
  const end = async () => texts.pending(texts.pending.example);
  const start = { type: 'wait', wait_ms, stage: 'held', end, listen } as unknown as HoldStart;
  const judgement = { type: 'hold', plan: null, hold: async () => start } as unknown as Extract<
    Judgement,
    { type: 'hold' }
  >;
  const heartbeats: number[] = [];
  const words: string[] = [];
  const began = Date.now();
  const seconds = (): number => (Date.now() - began) / 1000;
  let over = 0;
  const hold = new Hold(judgement, [], 15_000, {
    notice: () => {},
    waiting: () => {},
    heartbeat: () => {
      heartbeats.push(seconds());
      if (leaves) hold.leave('disconnected');
    },
    said: (text, { stage }) => words.push(`${seconds()} ${text?.message ?? 'heartbeat'} ${stage}`),
    answered: () => (over = seconds()),
    failed: () => {},
    fault: () => {},
  });
  for (const [at_ms, said] of says) {
    await vi.advanceTimersByTimeAsync(at_ms - (Date.now() - began));
    tell(said);
  }
  await vi.advanceTimersByTimeAsync(1_000_000);
  return { heartbeats, words, ended: over };
}

it('a heartbeat comes every 15 s, none where the wait ends', async () => {
  expect(await told(45_000)).toMatchObject({ heartbeats: [15, 30], ended: 45 });
  expect(await told(46_000)).toMatchObject({ heartbeats: [15, 30, 45], ended: 46 });
  expect(await told(15_000)).toMatchObject({ heartbeats: [], ended: 15 });
});

it('a question is told at once, an answer makes it wait longer', async () => {
  const notice = texts.question(texts.question.example);
  const said = await told(45_000, [
    [20_000, { notice, stage: 'question', adds_ms: 0 }],
    [40_000, { notice: null, stage: 'held', adds_ms: 60_000 }],
    [50_000, { notice: null, stage: 'held', adds_ms: 0 }],
    [200_000, { notice, stage: 'too late', adds_ms: 60_000 }],
  ]);
  expect(said).toEqual({
    heartbeats: [15, 30, 45, 60, 75, 90],
    words: [`20 ${notice.message} question`, '40 heartbeat held'],
    ended: 105,
  });
});

it('whom a heartbeat finds gone is told nothing more', async () => {
  expect(await told(45_000, [], true)).toMatchObject({ heartbeats: [15], ended: 0 });
});

/** A wait that is approved at once, whose gate wants the session to look first, so many times. */
function looks(times: number, withLook: boolean) {
  const calls: string[] = [];
  let left = times;
  const release = async () => {
    calls.push('release');
    if (left-- > 0) return { type: 'look' };
    return { type: 'run', notice: {}, release: { unsent: () => calls.push('unsent') } };
  };
  const end = async (why: string) => void calls.push(`end ${why}`);
  const listen = (listener: WaitListener): void => queueMicrotask(() => listener.ended({ type: 'approved' }));
  const start = { type: 'wait', wait_ms: 1000, stage: '', end, release, listen };
  const judgement = { type: 'hold', plan: {}, hold: async () => start } as unknown as Extract<
    Judgement,
    { type: 'hold' }
  >;
  const hold = new Hold(judgement, [], null, {
    notice: () => {},
    waiting: () => {},
    heartbeat: () => {},
    said: () => {},
    ...(withLook && { look: () => void calls.push('look') }),
    answered: ({ type }) => calls.push(type),
    failed: (what) => calls.push(what),
    fault: (what) => calls.push(what),
  });
  return { hold, calls };
}

it('what the session has to look at first is looked at before the release, as often as it is asked', async () => {
  const { hold, calls } = looks(2, true);
  await vi.advanceTimersByTimeAsync(0);
  expect(calls).toEqual(['release', 'look']);
  expect(hold.waiting).toBe(false);
  hold.looked();
  await vi.advanceTimersByTimeAsync(0);
  hold.looked();
  await vi.advanceTimersByTimeAsync(0);
  expect(calls).toEqual(['release', 'look', 'release', 'look', 'release', 'run']);
  // It is over: nothing is released again.
  hold.looked();
  await vi.advanceTimersByTimeAsync(0);
  expect(calls).toHaveLength(6);
});

it('a session that has nothing to look at goes on at once', async () => {
  const { calls } = looks(1, false);
  await vi.advanceTimersByTimeAsync(0);
  expect(calls).toEqual(['release', 'release', 'run']);
});

it('who leaves while the session looks is no longer waited for, and nothing is released', async () => {
  const { hold, calls } = looks(1, true);
  await vi.advanceTimersByTimeAsync(0);
  hold.leave('disconnected');
  hold.looked();
  await vi.advanceTimersByTimeAsync(0);
  expect(calls).toEqual(['release', 'look', 'end disconnected']);
});

it('who leaves before the gate asks for a look is no longer waited for either', async () => {
  const { hold, calls } = looks(1, true);
  while (!calls.includes('release')) await Promise.resolve();
  hold.leave('disconnected');
  await vi.advanceTimersByTimeAsync(0);
  expect(calls).toEqual(['release', 'end disconnected']);
});
