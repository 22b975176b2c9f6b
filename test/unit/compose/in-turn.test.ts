// At most so many at once, whoever comes when.
import { expect, it } from 'vitest';
import { inTurn } from '../../../src/compose/in-turn.ts';

it('never lets one more run, not even one that comes in the moment in which another ends', async () => {
  const turn = inTurn(2);
  const running = new Set<string>();
  const order: string[] = [];
  let most = 0;
  const works = new Map<string, { readonly done: Promise<void>; readonly end: () => void }>();
  // Not async: who waits for the work waits for this very promise.
  const work = (name: string) => (): Promise<void> => {
    running.add(name);
    order.push(name);
    most = Math.max(most, running.size);
    let end = (): void => {};
    const done = new Promise<void>((resolve) => {
      end = () => {
        running.delete(name);
        resolve();
      };
    });
    works.set(name, { done, end });
    return done;
  };
  const all = ['a', 'b', 'c'].map((name) => turn(work(name)));
  // Comes when a's place has been given to c, and before c has begun.
  void works.get('a')?.done.then(() => all.push(turn(work('d'))));
  works.get('a')?.end();
  await all[0];
  await new Promise((resolve) => setImmediate(resolve));
  expect([most, order]).toEqual([2, ['a', 'b', 'c']]);
  works.get('b')?.end();
  await new Promise((resolve) => setImmediate(resolve));
  expect([most, order]).toEqual([2, ['a', 'b', 'c', 'd']]);
  for (const { end } of works.values()) end();
  await Promise.all(all);
  expect(running.size).toBe(0);
});

it('one that fails gives its place on', async () => {
  const turn = inTurn(1);
  const failed = turn(() => Promise.reject(new Error('no')));
  const after = turn(async () => 'done');
  await expect(failed).rejects.toThrow('no');
  expect(await after).toBe('done');
});
