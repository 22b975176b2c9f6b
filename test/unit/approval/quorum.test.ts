// How many approvals it takes, and whose count for what: as examples, and against every way to seat people that there is.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { groupsAsked, seats, tally } from '../../../src/approval/quorum.ts';
import type { Decision } from '../../../src/approval/types.ts';
import type { Ask } from '../../../src/policy/types.ts';
import { heldOf } from './help.ts';

function askOf(more: Partial<Ask>): Ask {
  return heldOf({}, more).ask;
}

function by(id: string, groups: readonly string[], more: Partial<Decision> = {}): Decision {
  return {
    decision: 'approve',
    by: id,
    accounts: [id],
    group: groups[0] ?? '',
    groups,
    instead_of: null,
    counts: true,
    rationale: '',
    channel: 'console',
    at: 0,
    permit: null,
    ...more,
  };
}

describe('examples', () => {
  const both = askOf({ of: ['dba', 'owners'], each: true });

  test('who is in both groups moves over for who is in one', () => {
    const one = tally(both, false, [by('ines', ['dba', 'owners'])]);
    expect(one).toMatchObject({ needed: 2, missing: ['owners'], approvals: [{ by: 'ines', group: 'dba' }] });
    const two = tally(both, false, [by('ines', ['dba', 'owners']), by('aiko', ['dba'])]);
    expect(two.missing).toEqual([]);
    expect(two.approvals.map(({ by: id, group }) => [id, group])).toEqual([
      ['ines', 'owners'],
      ['aiko', 'dba'],
    ]);
  });

  test('two of one group are not one of each', () => {
    expect(tally(both, false, [by('aiko', ['dba']), by('jonas', ['dba'])]).missing).toEqual(['owners']);
  });

  test('two accounts of one person are one voice, and so are who is away and who decides instead', () => {
    const two = askOf({ count: 2 });
    const account = by('ines-2', [], { accounts: ['ines-2', 'ines'] });
    expect(tally(two, false, [by('ines', [], { accounts: ['ines', 'ines-2'] }), account]).missing).toEqual(['']);
    expect(tally(two, false, [by('ines', []), by('jonas', [], { instead_of: 'ines' })]).missing).toEqual(['']);
    expect(tally(two, false, [by('ines', []), by('jonas', [])]).missing).toEqual([]);
  });

  test('what was taken back, or may not be said any more, does not count', () => {
    const one = askOf({});
    expect(tally(one, false, [by('ines', [], { counts: false })]).missing).toEqual(['']);
    expect(tally(one, false, [by('ines', [])], ['ines']).missing).toEqual(['']);
  });

  test('after escalation others may take any seat', () => {
    const ask = askOf({ of: ['dba', 'owners'], each: true, escalate: { after_ms: 1, to: ['leads'] } });
    const decisions = [by('aiko', ['dba']), by('lea', ['leads'])];
    expect(tally(ask, false, decisions).missing).toEqual(['owners']);
    expect(tally(ask, true, decisions).missing).toEqual([]);
    expect(groupsAsked(ask, true)).toEqual(['dba', 'owners', 'leads']);
    // Where anybody may decide, nobody is asked besides.
    expect(groupsAsked(askOf({ escalate: { after_ms: 1, to: ['leads'] } }), true)).toEqual([]);
  });

  test('denials are counted beside', () => {
    const denied = by('ines', [], { decision: 'deny' });
    expect(tally(askOf({ count: 2 }), false, [denied, by('aiko', [])])).toMatchObject({ denials: 1, missing: [''] });
  });
});

test('property: as many seats are taken as any seating could, by distinct people, each in a group of theirs', () => {
  const names = ['dba', 'owners', 'leads'];
  const groups = fc.subarray(names);
  const decision = fc
    .record({
      n: fc.nat(6),
      groups,
      twin: fc.boolean(),
      away: fc.option(fc.nat(6), { freq: 4 }),
      counts: fc.boolean(),
    })
    .map(({ n, groups: of, twin, away, counts }) =>
      by(twin ? `p${n}-2` : `p${n}`, of, {
        accounts: [`p${n}`, `p${n}-2`],
        instead_of: away === null || away === n ? null : `p${away}`,
        counts,
      }),
    );
  const ask = fc
    .record({
      of: groups,
      each: fc.boolean(),
      count: fc.integer({ min: 1, max: 3 }),
      to: groups,
      escalated: fc.boolean(),
    })
    .map(({ of, each, count, to, escalated }) => ({
      escalated,
      ask: askOf({ of, each, count, escalate: to.length > 0 ? { after_ms: 1, to } : null }),
    }));
  const seen = { met: 0, missing: 0 };
  fc.assert(
    fc.property(ask, fc.array(decision, { maxLength: 7 }), ({ ask: asked, escalated }, decisions) => {
      const sum = tally(asked, escalated, decisions);
      const all = seats(asked, escalated);
      expect(sum.needed).toBe(asked.count * (asked.each && asked.of.length > 0 ? asked.of.length : 1));
      expect(sum.approvals.length + sum.missing.length).toBe(sum.needed);
      const persons = sum.approvals.flatMap((one) => [one.by.slice(0, 2), ...(one.instead_of ? [one.instead_of] : [])]);
      expect(new Set(persons).size).toBe(persons.length);
      for (const { by: id, group } of sum.approvals) {
        const said = decisions.filter((one) => one.by === id && one.counts);
        expect(said.length).toBeGreaterThan(0);
        if (group !== '') expect(said.some((one) => one.groups.includes(group))).toBe(true);
      }
      // The first of each person is heard, as in quorum.ts; of these, the best seating by trying all.
      const heard: Decision[] = [];
      for (const one of decisions.filter(({ counts }) => counts)) {
        const mine = [...one.accounts, ...(one.instead_of ? [one.instead_of] : [])];
        const theirs = heard.flatMap((other) => [...other.accounts, ...(other.instead_of ? [other.instead_of] : [])]);
        if (!mine.some((id) => theirs.includes(id))) heard.push(one);
      }
      const takes = all.map(({ takes: of }) => of);
      expect(sum.approvals.length).toBe(best(takes, heard));
      seen[sum.missing.length === 0 ? 'met' : 'missing'] += 1;
    }),
    { numRuns: 2000 },
  );
  expect(Math.min(seen.met, seen.missing)).toBeGreaterThan(20);
});

/** Tries everybody in every seat. */
function best(takes: readonly (readonly string[])[], people: readonly Decision[]): number {
  const [first, ...rest] = takes;
  if (first === undefined) return 0;
  let most = best(rest, people);
  for (const [i, { groups }] of people.entries())
    if (first.length === 0 || first.some((name) => groups.includes(name)))
      most = Math.max(most, 1 + best(rest, people.toSpliced(i, 1)));
  return most;
}
