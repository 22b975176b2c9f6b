// What a meter lets pass, which limit it says is reached, and what totals remember.
import { expect, test } from 'vitest';
import { ResultMeter, type Reached } from '../../../src/gate/meter.ts';
import { Total, Totals, TOTALS_MAX } from '../../../src/gate/totals.ts';
import { DEFAULT_ASK } from '../../../src/policy/judge.ts';
import type { Limit } from '../../../src/policy/types.ts';

const limitOf = (more: Partial<Limit>): Limit => ({
  rule: 'r',
  message: '',
  rows: null,
  bytes: null,
  per_ms: null,
  verdict: 'hold',
  ask: DEFAULT_ASK,
  findings: [],
  observe: false,
  counts_only: false,
  withholds: false,
  ...more,
});

const HOUR = 3_600_000;

const made = (limits: readonly Limit[], totals = new Totals(() => 0), principal = 'bot') => {
  const heard: [string, Reached][] = [];
  const meter = new ResultMeter(limits, principal, totals, {
    judge: (reached) => {
      heard.push(['judge', reached]);
      return { type: 'refuse', plan: null, refuse: () => Promise.reject(new Error('not asked')) };
    },
    observed: (reached) => heard.push(['observed', reached]),
    cut: (reached) => heard.push(['cut', reached]),
  });
  const reached = (): string => {
    meter.judge();
    return heard.at(-1)?.[1].limit.rule ?? '';
  };
  return { meter, heard, reached };
};

test('the least of all limits is left, and the one that is full is reached', () => {
  const { meter, reached } = made([
    limitOf({ rule: 'bytes', bytes: 100 }),
    limitOf({ rule: 'rows', rows: 3 }),
    limitOf({ rule: 'more', rows: 9, bytes: 900, verdict: 'deny' }),
  ]);
  expect([meter.rows_left, meter.bytes_left]).toEqual([3, 100]);
  meter.passed(2, 60);
  expect([meter.rows_left, meter.bytes_left]).toEqual([1, 40]);
  expect(reached()).toBe('bytes');
  meter.passed(1, 10);
  expect([meter.rows_left, meter.bytes_left]).toEqual([0, 30]);
  expect(reached()).toBe('rows');
  meter.lift();
  expect([meter.rows_left, meter.bytes_left]).toEqual([Infinity, Infinity]);
});

test('of two that are full the one that denies is reached', () => {
  const { reached, meter } = made([
    limitOf({ rule: 'asks', rows: 1 }),
    limitOf({ rule: 'denies', rows: 1, verdict: 'deny' }),
  ]);
  meter.passed(1, 1);
  expect(reached()).toBe('denies');
});

test('a limit that is only recorded stops nothing and is told once', () => {
  const { meter, heard } = made([
    limitOf({ rule: 'watched', rows: 2, observe: true }),
    limitOf({ rows: 1, counts_only: true }),
  ]);
  expect(meter.rows_left).toBe(Infinity);
  meter.passed(2, 10);
  expect(heard).toEqual([]);
  meter.passed(1, 5);
  meter.passed(1, 5);
  expect(heard).toMatchObject([['observed', { limit: { rule: 'watched' }, rows: 3, bytes: 15 }]]);
});

test('a total counts what a principal gets under a rule, while it gets it, and nothing that was let through', () => {
  const totals = new Totals(() => 0);
  const hourly = [limitOf({ rule: 'hourly', rows: 10, per_ms: HOUR })];
  const one = made(hourly, totals).meter;
  const two = made(hourly, totals).meter;
  one.passed(6, 60);
  two.passed(1, 10);
  expect(two.rows_left).toBe(3);
  two.lift();
  two.passed(1000, 10);
  one.passed(1, 10);
  expect(one.rows_left).toBe(2);
  expect(made(hourly, totals, 'other').meter.rows_left).toBe(10);
  expect(made([limitOf({ rule: 'another', rows: 10, per_ms: HOUR })], totals).meter.rows_left).toBe(10);
  // What writes is counted, and not stopped.
  made([{ ...(hourly[0] as Limit), counts_only: true }], totals).meter.passed(5, 5);
  expect(made(hourly, totals).meter.rows_left).toBe(0);
});

test('a total forgets after its window, and not before', () => {
  let now = 5 * HOUR + 17;
  const total = new Total(HOUR, () => now);
  total.add(5, 50);
  now += HOUR / 2;
  total.add(1, 10);
  expect([total.rows, total.bytes]).toEqual([6, 60]);
  now += HOUR / 2 - 1;
  expect(total.rows).toBe(6);
  now += HOUR / 60 + 1;
  expect(total.rows).toBe(1);
  now += HOUR;
  expect(total.rows).toBe(0);
  now += 1000 * HOUR;
  total.add(2, 2);
  expect(total.rows).toBe(2);
});

test('totals are bounded: the one that was not asked for longest goes', () => {
  const totals = new Totals(() => 0);
  totals.of('first', 'r', HOUR).add(1, 1);
  for (let n = 1; n < TOTALS_MAX; n++) totals.of(`p${n}`, 'r', HOUR);
  expect(totals.of('first', 'r', HOUR).rows).toBe(1);
  totals.of('one more', 'r', HOUR);
  expect(totals.of('first', 'r', HOUR).rows).toBe(1);
  expect(totals.of('p1', 'r', HOUR).rows).toBe(0);
});
