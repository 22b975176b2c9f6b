// One statement's wait: what its client is told meanwhile.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { texts } from '../../../src/errors/catalogue.ts';
import type { HoldStart, Judgement, Said } from '../../../src/session/gate.ts';
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
  const onSaid = (listener: typeof tell): void => void (tell = listener);
  const ended = new Promise(() => {});
  const end = async () => texts.pending(texts.pending.example);
  const start = { type: 'wait', wait_ms, stage: 'held', ended, end, onSaid } as unknown as HoldStart;
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
