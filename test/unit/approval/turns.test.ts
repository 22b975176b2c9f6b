// Order for desk and permits: one change at a time of each thing, and all of them true in the order of the log.
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { inOrder, turns } from '../../../src/approval/turns.ts';
import type { ApprovalEvent } from '../../../src/approval/types.ts';

/** An append that ends when the test says so. */
interface Journalled {
  readonly promise: Promise<number>;
  readonly resolve: (seq: number) => void;
  readonly reject: (error: Error) => void;
}

function journalled(): Journalled {
  let ends!: Pick<Journalled, 'resolve' | 'reject'>;
  const promise = new Promise<number>((resolve, reject) => {
    ends = { resolve, reject };
  });
  return { promise, ...ends };
}

describe('one at a time for a key', () => {
  it('starts the next when the one before has ended, also badly, and waits for no other key', async () => {
    const inTurn = turns();
    const told: string[] = [];
    const first = journalled();
    const a = inTurn('a', async () => {
      await first.promise;
      told.push('a1');
      throw new Error('it went wrong');
    });
    const second = inTurn('a', async () => told.push('a2'));
    await inTurn('b', async () => told.push('b'));
    first.resolve(0);
    await expect(a).rejects.toThrow('it went wrong');
    await second;
    expect(told).toEqual(['b', 'a1', 'a2']);
  });
});

describe('in the order of the log', () => {
  const event: ApprovalEvent = { type: 'expired', at: 0, id: 'HP-1' };

  it('tells of none before another one that was appended before it, whichever is durable first, and whatever fails', async () => {
    const durable = [1, 2, 3].map(journalled);
    const asked = durable.values();
    const append = inOrder({ append: () => (asked.next().value as Journalled).promise });
    const told: unknown[] = [];
    for (let i = 0; i < 3; i++) {
      append(event).then(
        (seq) => told.push(seq),
        ({ message }: Error) => told.push(message),
      );
    }
    durable[2]?.resolve(3);
    durable[1]?.reject(new Error('disk full'));
    await turn();
    expect(told).toEqual([]);
    durable[0]?.resolve(1);
    await turn();
    expect(told).toEqual([1, 'disk full', 3]);
  });
});

it('what waits for its turn in the log is kept by no later one', async () => {
  const settled = vi.spyOn(Promise, 'allSettled');
  try {
    const append = inOrder({ append: async () => 7 });
    for (let n = 0; n < 3; n++) expect(await append({} as ApprovalEvent)).toBe(7);
    const kept: unknown[] = [];
    for (const [waited] of settled.mock.calls) kept.push(await [...waited][0]);
    expect(kept).toEqual([undefined, undefined, undefined]);
  } finally {
    settled.mockRestore();
  }
});
