import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isLinked, mayDecide } from '../../../src/approval/duty.ts';
import type { Request, Requester } from '../../../src/approval/types.ts';
import { createIdentity } from '../../../src/identity/identity.ts';
import { entryOf, NOW, tokenOf, usersOf } from '../identity/people.ts';
import { DIRECTORY, directoryOf, heldOf, idOf, person, world as deskWorld } from './help.ts';

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

const SCRAM =
  'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=';

describe('property: two tokens of one agent', () => {
  const PEOPLE = ['ada', 'ben', 'cleo', 'dora', 'emil'];
  const users = usersOf(`users:
  - {id: bot, kind: agent, sponsor: ada, postgres: "${SCRAM}"}
${PEOPLE.map((id) => `  - {id: ${id}, kind: human, roles: [reviewer], aliases: [${id}@example.org]}`).join('\n')}
`);
  const some = fc.array(fc.constantFrom(...PEOPLE), { maxLength: 3 });
  const claims = fc.record({
    sponsor: fc.option(fc.constantFrom(...PEOPLE)),
    on_behalf_of: some,
    aliases: fc.constantFrom([], ['bot@example.org']),
  });
  type Claims = { sponsor: string | null; on_behalf_of: string[]; aliases: readonly string[] };
  const named = ({ sponsor, on_behalf_of }: Claims): readonly string[] => [
    'ada',
    ...on_behalf_of,
    ...(sponsor === null ? [] : [sponsor]),
  ];
  const EXPIRES = NOW + 60_000;

  const town = () => {
    const clock = { now: NOW };
    const identity = createIdentity({
      users: () => users,
      reviewers: () => ({}),
      secret: Buffer.alloc(32),
      now: () => clock.now,
    });
    const { desk } = deskWorld({ directory: identity.directory });
    const hold = async (token: string, said: Claims) => {
      const entry = entryOf('jwt', 'bot', { ...said, expires: EXPIRES, token: tokenOf(token) });
      const who = identity.principal({ user: 'bot', authentication: 'jwt', address: '10.0.0.1', entry });
      if (who === undefined) throw new Error('nobody');
      const result = await desk.hold({ ...heldOf({}, { of: [] }), who, session: token }, 0);
      return idOf(result);
    };
    const may = (id: string): readonly string[] => PEOPLE.filter((one) => desk.may(id, one)?.may === true);
    return { clock, hold, may };
  };

  test('what each claims bars from what was asked by it, for good, and from nothing else', async () => {
    const seen = { one: 0, two: 0, barred: 0 };
    await fc.assert(
      fc.asyncProperty(claims, fc.option(claims), async (first, other) => {
        const second = other ?? first;
        const alone = town();
        const both = town();
        const expected = alone.may(await alone.hold('t-1', first));
        const one = await both.hold('t-1', first);
        const two = await both.hold('t-2', second);
        // The other token is remembered: it changes nothing of this request.
        expect(both.may(one)).toEqual(expected);
        seen[one === two ? 'one' : 'two'] += 1;
        // Whichever sessions a request is held for: the claims of all of them.
        const of = one === two ? [...named(first), ...named(second)] : named(first);
        for (const id of of) expect(both.may(one)).not.toContain(id);
        for (const id of named(second)) expect(both.may(two)).not.toContain(id);
        expect(both.may(one)).toEqual(PEOPLE.filter((id) => !named(first).includes(id)));
        if (expected.length < PEOPLE.length - 1) seen.barred += 1;
        // Tokens that have ended and sessions that have gone take nothing back.
        both.clock.now = EXPIRES + 1;
        expect(both.may(one)).toEqual(expected);
        // The first token's claims again, by another token: the same request.
        both.clock.now = NOW;
        expect(await both.hold('t-3', first)).toBe(one);
        expect(both.may(one)).toEqual(expected);
      }),
      { numRuns: 300 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(5);
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
