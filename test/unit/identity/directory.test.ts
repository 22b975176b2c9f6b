// The directory: what decisions rest on is read afresh, what is shown is not old, and a source that is down is never guessed at.
import { describe, expect, it } from 'vitest';
import { createPeople, type DirectoryOptions, REREAD_MS, SHOWN_MS_MAX } from '../../../src/identity/directory.ts';
import { SourceDown } from '../../../src/identity/types.ts';
import { entryOf, FakeLookup, mapOf, NOW, tokenOf, usersOf } from './people.ts';

const USERS = usersOf(`users:
  - {id: ada, kind: human, roles: [reviewer], groups: [team], mysql: "*${'A'.repeat(40)}"}
  - {id: grace, kind: human, roles: [reviewer], from: [ldap]}
  - {id: ben, kind: human, roles: [reviewer], away: {instead: grace, until: "2030-01-01T00:00:00Z"}}
`);
const MAP = mapOf(`
- {from: ldap, group: "ldap:dba", as: {kind: human, roles: [reviewer]}}
- {from: ldap, group: "ldap:agents", as: {kind: agent, sponsor: boss}}
- {from: ldap, as: {kind: human}}
- {from: jwt, as: {kind: agent, sponsor: "{sponsor}"}}
`);

function town(more: Partial<DirectoryOptions> = {}) {
  const ldap = new FakeLookup('ldap');
  ldap.put('ines', { groups: ['ldap:dba'] });
  ldap.put('boss');
  ldap.put('bot', { groups: ['ldap:agents'] });
  ldap.put('grace', { groups: ['ldap:dba'] });
  const clock = { now: NOW };
  const changes: number[] = [];
  const people = createPeople({
    known: () => ({ users: USERS, map: MAP }),
    reviewers: () => ({ dba: ['ldap:dba'], team: ['team'] }),
    lookups: [ldap],
    now: () => clock.now,
    changed: () => changes.push(clock.now),
    ...more,
  });
  const { directory } = people;
  const isDba = (id: string): boolean => {
    const one = directory.reviewer(id);
    return one !== undefined && directory.member(one, 'dba');
  };
  return { ldap, clock, people, directory, isDba, changes };
}

/** Every promise that can settle by itself has. */
const quiet = () => new Promise((resolve) => setImmediate(resolve));

describe('for decisions', () => {
  it('nothing is asked of people who are known here alone', async () => {
    const { directory, ldap } = town();
    expect(directory.fresh(['ada'])).toBeNull();
    expect(
      createPeople({ known: () => ({ users: USERS, map: [] }), reviewers: () => ({}) }).directory.fresh(['x']),
    ).toBeNull();
    expect(ldap.asked).toEqual([]);
  });

  it('the requester, who answers for it, and whoever a reviewer stands in for are read each time', async () => {
    const { directory, ldap } = town();
    expect(directory.requester('bot')).toBeUndefined();
    await directory.fresh(['bot', 'grace']);
    expect(ldap.asked.toSorted()).toEqual(['ben', 'boss', 'bot', 'grace']);
    expect(directory.requester('bot')).toMatchObject({ sponsor: 'boss', claimed: [] });
    await directory.fresh(['bot', 'grace']);
    expect(ldap.asked).toHaveLength(8);
  });

  it('a group that is gone is gone, and so is somebody who is', async () => {
    const { directory, ldap, isDba } = town();
    await directory.fresh(['ines']);
    expect(isDba('ines')).toBe(true);
    ldap.put('ines', { groups: [] });
    await directory.fresh(['ines']);
    expect(isDba('ines')).toBe(false);
    expect(directory.reviewer('ines')).toMatchObject({ roles: [] });
    ldap.entries.delete('ines');
    await directory.fresh(['ines']);
    expect(directory.reviewer('ines')).toBeUndefined();
  });

  it('a user of ours who is to be vouched for elsewhere is nobody when nobody does', async () => {
    const { directory, ldap, isDba } = town();
    await directory.fresh(['grace']);
    expect(isDba('grace')).toBe(true);
    ldap.entries.delete('grace');
    await directory.fresh(['grace']);
    expect(directory.reviewer('grace')).toBeUndefined();
  });

  it('a sponsor whom nobody knows answers for nothing, and is barred', async () => {
    const { directory, ldap } = town();
    ldap.entries.delete('boss');
    await directory.fresh(['bot']);
    expect(directory.requester('bot')).toMatchObject({ sponsor: null, claimed: ['boss'] });
    ldap.put('boss', { groups: ['ldap:agents'] });
    await directory.fresh(['bot']);
    expect(directory.requester('bot')).toMatchObject({ sponsor: null });
  });

  it('a source that is down, or answers about somebody else, is no answer', async () => {
    const { directory, ldap, isDba } = town();
    await directory.fresh(['ines']);
    ldap.down = true;
    await expect(directory.fresh(['ines'])).rejects.toBeInstanceOf(SourceDown);
    ldap.down = false;
    ldap.entries.set('ines', entryOf('ldap', 'other', { groups: ['ldap:dba'] }));
    await directory.fresh(['ines']);
    expect(isDba('ines')).toBe(false);
  });

  it('an answer that was asked for earlier and comes later changes nothing', async () => {
    const { directory, ldap, isDba } = town();
    let open = (): void => {};
    ldap.gate = new Promise((resolve) => {
      open = resolve;
    });
    const early = directory.fresh(['ines']);
    await quiet();
    ldap.put('ines', { groups: [] });
    ldap.gate = Promise.resolve();
    await directory.fresh(['ines']);
    expect(isDba('ines')).toBe(false);
    open();
    await early;
    expect(isDba('ines')).toBe(false);
  });

  it('people who answer for each other without end are read once each', async () => {
    const { directory, ldap } = town({
      known: () => ({
        users: USERS,
        map: mapOf('- {from: ldap, group: "ldap:agents", as: {kind: agent, sponsor: "{sponsor}"}}'),
      }),
    });
    ldap.put('x', { groups: ['ldap:agents'], sponsor: 'y' });
    ldap.put('y', { groups: ['ldap:agents'], sponsor: 'x' });
    await directory.fresh(['x']);
    expect(ldap.asked).toEqual(['x', 'y']);
  });
});

describe('tokens', () => {
  it('a token that is over makes nobody; another one of the same principal is good for itself', async () => {
    const { people, directory, clock } = town({ lookups: [] });
    expect(
      people.admit(entryOf('jwt', 'agent', { sponsor: 'ada', expires: NOW + 1000, token: tokenOf('1') })),
    ).toBeDefined();
    expect(directory.requester('agent')).toMatchObject({ sponsor: 'ada' });
    people.admit(entryOf('jwt', 'agent', { sponsor: 'ada', expires: NOW + 500, token: tokenOf('2') }));
    clock.now += 600;
    expect(directory.requester('agent')).toBeDefined();
    clock.now += 400;
    expect(directory.requester('agent')).toBeUndefined();
    expect(people.admit(entryOf('jwt', 'agent', { expires: NOW, token: tokenOf('3') }))).toBeUndefined();
  });

  it('one that was revoked counts no more once it is asked about, or is not counted at all', async () => {
    const bad = new Set<string>();
    let down = false;
    const { people, directory } = town({
      lookups: [],
      stillGood: async ({ token }) => {
        if (down) throw new SourceDown('jwt', 'down');
        return bad.has(token?.id ?? '') ? { good: false, why: 'revoked' } : { good: true };
      },
    });
    const entry = entryOf('jwt', 'agent', { sponsor: 'ada', token: tokenOf('1') });
    people.admit(entry);
    await directory.fresh(['agent']);
    expect(directory.requester('agent')).toBeDefined();
    bad.add('1');
    expect(await people.isGood(entry)).toBe(false);
    await directory.fresh(['agent']);
    expect(directory.requester('agent')).toBeUndefined();
    down = true;
    await expect(people.isGood(entry)).rejects.toBeInstanceOf(SourceDown);
  });

  it('what a token claims is its own: another one of the same principal says nothing of it', () => {
    const { people, directory } = town({ lookups: [] });
    people.admit(entryOf('jwt', 'agent', { sponsor: 'ada', on_behalf_of: ['carl'], token: tokenOf('1') }));
    people.admit(entryOf('jwt', 'agent', { sponsor: 'ada', on_behalf_of: ['dora'], token: tokenOf('2') }));
    expect(directory.requester('agent')).toMatchObject({ sponsor: 'ada', claimed: [], aliases: [] });
  });
});

describe('for showing', () => {
  it('by nothing that is older than a minute; it is read again by the way before', async () => {
    const { people, directory, ldap, clock, isDba, changes } = town();
    people.admit(entryOf('ldap', 'ines', { groups: ['ldap:dba'] }));
    expect(directory.eligible(['dba'])).toEqual(['ines']);
    clock.now += REREAD_MS - 1;
    expect(isDba('ines')).toBe(true);
    expect(ldap.asked).toEqual([]);
    ldap.put('ines', { groups: [] });
    clock.now += 1;
    expect(isDba('ines')).toBe(true);
    await quiet();
    expect(ldap.asked).toEqual(['ines']);
    expect(directory.eligible(['dba'])).toEqual([]);
    expect(changes).toHaveLength(1);
  });

  it('while the source is down nobody is shown by what is old, and who has signed in stays who they are', async () => {
    const { people, directory, ldap, clock, isDba } = town();
    people.admit(entryOf('ldap', 'ines', { groups: ['ldap:dba'] }));
    people.admit(entryOf('ldap', 'grace', { groups: ['ldap:dba'] }));
    ldap.down = true;
    clock.now += SHOWN_MS_MAX;
    expect(isDba('ines')).toBe(true);
    clock.now += 1;
    expect(directory.reviewer('ines')).toBeUndefined();
    expect(isDba('grace')).toBe(false);
    await quiet();
    expect(people.lastKnown('ines')).toMatchObject({ roles: ['reviewer'] });
    await quiet();
    ldap.down = false;
    ldap.entries.delete('ines');
    people.lastKnown('ines');
    await quiet();
    expect(people.lastKnown('ines')).toBeUndefined();
  });
});
