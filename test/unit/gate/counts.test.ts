// What each rule stopped: in the order of the file, and bounded.
import { expect, it } from 'vitest';
import { RuleCounts, RULES_COUNTED_MAX } from '../../../src/gate/counts.ts';

it('lists the rules of the file in its order, then those that are gone', () => {
  const counts = new RuleCounts();
  counts.add('gone', 'denied');
  counts.add('b', 'held');
  counts.add('b', 'held');
  counts.add('a', 'observed');
  expect(counts.of(['a', 'b', 'c'])).toEqual([
    { rule: 'a', held: 0, denied: 0, observed: 1 },
    { rule: 'b', held: 2, denied: 0, observed: 0 },
    { rule: 'c', held: 0, denied: 0, observed: 0 },
    { rule: 'gone', held: 0, denied: 1, observed: 0 },
  ]);
});

it('counts no more rules than its limit, and those that it has further', () => {
  const counts = new RuleCounts();
  for (let i = 0; i < RULES_COUNTED_MAX + 10; i++) counts.add(`rule-${i}`, 'held');
  counts.add('rule-0', 'held');
  expect(counts.of([])).toHaveLength(RULES_COUNTED_MAX);
  expect(counts.of([])[0]).toEqual({ rule: 'rule-0', held: 2, denied: 0, observed: 0 });
});
