import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isLinked, mayDecide } from '../../../src/approval/duty.ts';
import type { Request, Requester } from '../../../src/approval/types.ts';
import { DIRECTORY, directoryOf, heldOf, person } from './help.ts';

function requestOf(ask: Partial<Request['ask']> = {}, who: Partial<Request['who']> = {}): Request {
  const held = heldOf({}, ask);
  return {
    ...held,
    who: { ...held.who, ...who },
    id: 'HP-00000000',
    state: 'open',
    revision: 1,
    changed: null,
    opened: 0,
    deadline: 1,
    use_until: null,
    digest_tag: '',
    holds: 'ticket',
    wait_until: null,
    decisions: [],
    said: [],
    escalated: null,
    broken_glass: null,
    withdrawn: null,
    outcome: null,
    impact: null,
    before: null,
    updated: 0,
  };
}

const AGENT: Requester = { id: 'billing-agent', sponsor: 'mara', aliases: [], people: [] };

describe('the sentences', () => {
  const agent = DIRECTORY.requester('billing-agent');
  const say = (id: string, ask: Partial<Request['ask']> = {}, present: readonly string[] = []) =>
    mayDecide(requestOf(ask), DIRECTORY.reviewer(id), agent, DIRECTORY, present);

  test('sponsor, with who can and who is here', () => {
    expect(say('mara', { of: ['data-owner', 'dba'] }, ['ines'])).toEqual({
      may: false,
      why: 'own',
      text: 'You are the sponsor of billing-agent, so you cannot decide this. ines (here now), jonas or aiko can.',
    });
    expect(say('mara', { of: ['data-owner'] })).toMatchObject({
      text: 'You are the sponsor of billing-agent, so you cannot decide this. jonas can.',
    });
    expect(say('mara', { of: ['nobody-has-this'] })).toMatchObject({
      text: 'You are the sponsor of billing-agent, so you cannot decide this. Nobody else can: tell an operator.',
    });
  });

  test('wrong group, alias, own, unknown requester', () => {
    expect(say('aiko', { of: ['data-owner'] })).toMatchObject({
      why: 'wrong-group',
      text: 'This needs data-owner. You are in dba.',
    });
    const linked = { ...AGENT, aliases: ['jonas'] };
    expect(mayDecide(requestOf(), DIRECTORY.reviewer('jonas'), linked, DIRECTORY)).toEqual({
      may: false,
      why: 'linked',
      text: 'This account is linked to the requester, so you cannot decide this.',
    });
    const own = mayDecide(
      requestOf({}, { id: 'mara', sponsor: null }),
      DIRECTORY.reviewer('mara'),
      DIRECTORY.requester('mara'),
      DIRECTORY,
    );
    expect(own).toMatchObject({
      why: 'own',
      text: 'This is your own request, so you cannot decide this. jonas, aiko or ines can.',
    });
    expect(mayDecide(requestOf(), DIRECTORY.reviewer('aiko'), undefined, DIRECTORY)).toMatchObject({
      may: false,
      text: 'billing-agent is no longer in the directory, so nobody can decide this.',
    });
  });

  test('a group of the rule that the policy gives is what counts', () => {
    expect(say('aiko', { of: ['data-owner', 'dba'] })).toEqual({
      may: true,
      accounts: ['aiko'],
      group: 'dba',
      groups: ['dba'],
      instead_of: null,
    });
    expect(say('aiko')).toMatchObject({ may: true, group: '', groups: [] });
  });
});

test('no role but reviewer, and no kind but human, decides', () => {
  const roles = [[], ['admin'], ['auditor'], ['admin', 'auditor']] as const;
  for (const held of roles) {
    expect(mayDecide(requestOf(), person('x', { roles: held }), AGENT, DIRECTORY).may).toBe(false);
  }
  expect(mayDecide(requestOf(), person('x', { kind: 'agent' }), AGENT, DIRECTORY).may).toBe(false);
  expect(mayDecide(requestOf(), person('x'), AGENT, DIRECTORY).may).toBe(true);
});

test('the sponsor at the time of asking stays out after the sponsor has changed', () => {
  const moved = { ...AGENT, sponsor: 'jonas' };
  const directory = directoryOf([], [moved]);
  expect(mayDecide(requestOf(), person('mara', { roles: ['reviewer', 'admin'] }), moved, directory).may).toBe(false);
  expect(mayDecide(requestOf(), person('jonas'), moved, directory).may).toBe(false);
  expect(mayDecide(requestOf(), person('aiko'), moved, directory).may).toBe(true);
});

test('spelling does not make another person', () => {
  expect(mayDecide(requestOf(), person('MARA'), AGENT, DIRECTORY).may).toBe(false);
  expect(mayDecide(requestOf(), person('x', { aliases: ['Mara'] }), AGENT, DIRECTORY).may).toBe(false);
});

describe('property: any path of links from requester to reviewer refuses', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const some = fc.array(fc.constantFrom(...names), { maxLength: 2 });
  const entry = fc.record({
    sponsor: fc.option(fc.constantFrom(...names), { freq: 2 }),
    aliases: some,
    people: some,
  });
  const world = fc.record({
    entries: fc.tuple(...names.map(() => entry)),
    reviewer: fc.constantFrom(...names),
    reviewerAliases: some,
    sponsor: fc.option(fc.constantFrom(...names), { freq: 2 }),
  });

  test('and no path lets decide', () => {
    const seen = { refused: 0, allowed: 0 };
    fc.assert(
      fc.property(world, ({ entries, reviewer, reviewerAliases, sponsor }) => {
        const requesters = names.map((id, i) => ({ id, ...entries[i]! }));
        const directory = directoryOf([], requesters);
        const request = requestOf({}, { id: 'a', sponsor });
        const may = mayDecide(request, person(reviewer, { aliases: reviewerAliases }), requesters[0], directory).may;
        const start = ['a', ...(sponsor === null ? [] : [sponsor])];
        const theirs = reach(start, (id) => linksOf(requesters, id, true));
        const mine = reach([reviewer, ...reviewerAliases], (id) => linksOf(requesters, id, false));
        const linked = mine.some((id) => theirs.includes(id));
        expect(may).toBe(!linked);
        seen[may ? 'allowed' : 'refused'] += 1;
        // Who is linked may withdraw, and nobody else.
        const own = directoryOf([person(reviewer, { aliases: reviewerAliases })], requesters);
        expect(isLinked(request, reviewer, own)).toBe(linked);
      }),
      { numRuns: 2000 },
    );
    // A property that saw one side only would prove nothing.
    expect(Math.min(seen.refused, seen.allowed)).toBeGreaterThan(20);
  });
});

function linksOf(requesters: readonly Requester[], id: string, all: boolean): string[] {
  const found = requesters.find((requester) => requester.id === id);
  if (found === undefined) return [];
  return [...found.aliases, ...(all ? [...found.people, found.sponsor ?? id] : [])];
}

/** By rounds until nothing is new: slower and plainer than what it checks. */
function reach(start: readonly string[], links: (id: string) => string[]): string[] {
  let all = [...new Set(start)];
  for (;;) {
    const more = [...new Set([...all, ...all.flatMap(links)])];
    if (more.length === all.length) return all;
    all = more;
  }
}
