// Texts that wait for a worker thread: in whose turn, how many, and what becomes of a thread without work.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PostgresAnalyser } from '../../../src/sql/postgres/analyser.ts';
import { Turns } from '../../../src/sql/postgres/turns.ts';
import { CONTEXT } from './helpers.ts';

const all = (turns: Turns<string>): string[] => {
  const items: string[] = [];
  for (let item = turns.shift(); item !== undefined; item = turns.shift()) items.push(item);
  return items;
};

test('each principal has its turn, in the order in which they came', () => {
  const turns = new Turns<string>(10);
  for (const item of ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2']) expect(turns.push(item.charAt(0), item)).toBeNull();
  expect([turns.shift(), turns.shift()]).toEqual(['a1', 'b1']);
  turns.push('d', 'd1');
  expect(all(turns)).toEqual(['c1', 'a2', 'b2', 'd1', 'a3', 'a4']);
  expect(turns.length).toBe(0);
});

test('where all places are taken, the last of whoever waits for most gives way', () => {
  const turns = new Turns<string>(4);
  for (const item of ['a1', 'a2', 'a3', 'a4']) expect(turns.push('a', item)).toBeNull();
  expect([turns.push('a', 'a5'), turns.push('b', 'b1'), turns.push('b', 'b2'), turns.push('b', 'b3')]).toEqual([
    'a5',
    'a4',
    'a3',
    'b3',
  ]);
  expect(turns.length).toBe(4);
  expect(all(turns)).toEqual(['a1', 'b1', 'a2', 'b2']);
});

test('whatever comes: bounded, nothing lost or twice, and nobody waits behind two of another', () => {
  const step = fc.oneof(fc.constantFrom('a', 'b', 'c', 'd'), fc.constant(null));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 8 }), (steps, max) => {
      const turns = new Turns<string>(max);
      const [pushed, left]: string[][] = [[], []];
      for (const [n, whose] of steps.entries()) {
        if (whose !== null) pushed?.push(`${whose}${n}`);
        const gone = whose === null ? turns.shift() : turns.push(whose, `${whose}${n}`);
        if (gone) left?.push(gone);
        expect(turns.length).toBeLessThanOrEqual(max);
      }
      const rest = all(turns);
      expect([...(left ?? []), ...rest].toSorted()).toEqual(pushed?.toSorted());
      for (const [n, item] of rest.entries()) {
        const whose = item.charAt(0);
        const before = rest.slice(rest.findLastIndex((other, at) => at < n && other.startsWith(whose)) + 1, n);
        expect(new Set(before.map((other) => other.charAt(0))).size).toBe(before.length);
      }
    }),
  );
});

const LARGE = `SELECT ${Array.from({ length: 3000 }, (_, i) => `c${i}`).join(', ')} FROM t`;

test("one principal's flood of large texts delays another's by one of them", async () => {
  const analyser = await PostgresAnalyser.create({ workers: 1 });
  const answered: string[] = [];
  const ask = async (whose: string, n: number): Promise<void> => {
    const { error } = await analyser.session(CONTEXT, whose).analyse(`${LARGE}${n}`);
    answered.push(error?.sqlstate ?? whose);
  };
  // In sessions of its own each.
  const flood = Array.from({ length: 12 }, (_, n) => ask('flood', n));
  await Promise.all([...flood, ask('other', 1), ask('other', 2)]);
  expect(answered.slice(0, 4)).toEqual(['flood', 'other', 'flood', 'other']);
  expect(answered.slice(4)).toEqual(Array.from({ length: 10 }, () => 'flood'));
  await analyser.close();
});

test('a flood that takes all places leaves one for another', async () => {
  const analyser = await PostgresAnalyser.create({ workers: 1, queue_max: 3 });
  const states = async (whose: string, n: number): Promise<string> =>
    (await analyser.session(CONTEXT, whose).analyse(`${LARGE}${n}`)).error?.sqlstate ?? 'analysed';
  const flood = Array.from({ length: 5 }, (_, n) => states('flood', n));
  expect(await states('other', 1)).toBe('analysed');
  expect(await Promise.all(flood)).toEqual(['analysed', 'analysed', '54000', '54000', '54000']);
  await analyser.close();
});

test('a worker that has nothing to do is ended, and comes back', async () => {
  const workers: Worker[] = [];
  const started = (message: unknown): void => void workers.push((message as { worker: Worker }).worker);
  subscribe('worker_threads', started);
  const analyser = await PostgresAnalyser.create({ workers: 1, idle_ms: 1 });
  try {
    for (const n of [1, 2]) {
      expect((await analyser.analyse(`${LARGE}${n}`, CONTEXT)).error).toBeNull();
      expect(workers).toHaveLength(n);
      if (workers[n - 1]?.threadId !== -1) await once(workers[n - 1]!, 'exit');
    }
  } finally {
    unsubscribe('worker_threads', started);
    await analyser.close();
  }
});
