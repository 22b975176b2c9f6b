// One statement's wait: what its client is told meanwhile.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { HoldStart, Judgement } from '../../../src/session/gate.ts';
import { Hold } from '../../../src/session/hold.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** At which seconds a client that waits gets a heartbeat, one every 15 s. */
async function heartbeats(wait_ms: number): Promise<number[]> {
  const start = { type: 'wait', wait_ms, ended: new Promise(() => {}), end: async () => ({}) } as unknown as HoldStart;
  const judgement = { type: 'hold', plan: null, hold: async () => start } as unknown as Extract<
    Judgement,
    { type: 'hold' }
  >;
  const told: number[] = [];
  const began = Date.now();
  const answered = new Promise<void>((done) => {
    void new Hold(judgement, [], 15_000, {
      notice: () => {},
      waiting: () => {},
      heartbeat: () => told.push((Date.now() - began) / 1000),
      answered: () => done(),
      failed: () => {},
      fault: () => {},
    });
  });
  await vi.advanceTimersByTimeAsync(wait_ms);
  await answered;
  return told;
}

it('a heartbeat comes every 15 s, none where the wait ends', async () => {
  expect(await heartbeats(45_000)).toEqual([15, 30]);
  expect(await heartbeats(46_000)).toEqual([15, 30, 45]);
  expect(await heartbeats(15_000)).toEqual([]);
});
