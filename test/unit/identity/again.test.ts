// Groups of whoever signed in by a provider: read again when they are too old for a decision, and never assumed where they can't be.
import { describe, expect, it } from 'vitest';
import { createPeople, SHOWN_MS_MAX } from '../../../src/identity/directory.ts';
import { type Again, SourceDown, type SourceEntry } from '../../../src/identity/types.ts';
import { entryOf, mapOf, NOW, usersOf } from './people.ts';

const USERS = usersOf(`users:
  - {id: grace, kind: human, roles: [reviewer], groups: [local-team]}
`);
const MAP = mapOf(`
- {from: oidc, group: "oidc:dba", as: {kind: human, roles: [reviewer]}}
`);
const MAX_MS = 900_000;
const DAY_MS = 86_400_000;

const town = (max_age_ms = MAX_MS) => {
  const clock = { now: NOW };
  const changes: number[] = [];
  const asked: number[] = [];
  /** Null: it does not tell any more. */
  const said: { groups: readonly string[] | null; down: boolean } = { groups: ['oidc:dba'], down: false };
  const people = createPeople({
    known: () => ({ users: USERS, map: MAP }),
    reviewers: () => ({ dba: ['oidc:dba'] }),
    now: () => clock.now,
    changed: () => changes.push(clock.now),
  });
  const again: Again = {
    max_age_ms,
    read: async (): Promise<SourceEntry | null> => {
      asked.push(clock.now);
      if (said.down) throw new SourceDown('oidc', 'down');
      return said.groups && entryOf('oidc', 'as the provider calls her', { groups: said.groups });
    },
  };
  const signIn = (id: string, how: Again = again) =>
    people.admit(entryOf('oidc', id, { groups: ['oidc:dba'], expires: clock.now + DAY_MS }), how);
  const { directory } = people;
  const isDba = (id: string): boolean => {
    const one = directory.reviewer(id);
    return one !== undefined && directory.member(one, 'dba');
  };
  return { clock, changes, asked, said, people, signIn, directory, isDba };
};

describe.each(['grace', 'ines'])('%s', (id) => {
  it('is in the groups of the sign-in for so long, and nobody is asked', async () => {
    const { clock, asked, signIn, directory, isDba } = town();
    signIn(id);
    clock.now += MAX_MS - 1;
    await directory.fresh([id]);
    expect([isDba(id), directory.stale(id), asked.length]).toEqual([true, false, 0]);
  });

  it('is asked about at the first decision after it, and out of a group that was taken away', async () => {
    const { clock, asked, said, signIn, directory, isDba } = town();
    signIn(id);
    said.groups = ['oidc:other'];
    clock.now += MAX_MS;
    await directory.fresh([id]);
    expect([isDba(id), directory.stale(id), asked.length]).toEqual([false, false, 1]);
    said.groups = ['oidc:dba'];
    clock.now += MAX_MS;
    await directory.fresh([id]);
    expect(isDba(id)).toBe(true);
  });

  it('is asked about at each decision where nothing may be older', async () => {
    const { asked, signIn, directory, isDba } = town(0);
    signIn(id);
    await directory.fresh([id]);
    await directory.fresh([id]);
    expect([isDba(id), asked.length]).toEqual([true, 2]);
  });

  it('decides nothing while the provider is down, and afterwards as it then says', async () => {
    const { clock, said, signIn, directory, isDba } = town();
    signIn(id);
    clock.now += MAX_MS;
    said.down = true;
    await expect(directory.fresh([id])).rejects.toThrow(SourceDown);
    said.down = false;
    await directory.fresh([id]);
    expect(isDba(id)).toBe(true);
  });

  it.each(['tells no more', 'never tells'])(
    'is in no group of a provider that %s, stays signed in, and counts after a new sign-in',
    async (how) => {
      const { clock, said, people, signIn, directory, isDba } = town();
      signIn(id, how === 'never tells' ? { max_age_ms: MAX_MS, read: null } : undefined);
      said.groups = null;
      clock.now += MAX_MS;
      await directory.fresh([id]);
      expect([isDba(id), directory.stale(id)]).toEqual([false, true]);
      expect(people.lastKnown(id)).toMatchObject({ id, roles: ['reviewer'] });
      // What it said once, it is not asked about again.
      said.groups = ['oidc:dba'];
      await directory.fresh([id]);
      expect([isDba(id), directory.stale(id)]).toEqual([false, true]);
      signIn(id);
      await directory.fresh([id]);
      expect([isDba(id), directory.stale(id)]).toEqual([true, false]);
    },
  );

  it('is shown by nothing older, and read again by the way before that', async () => {
    const { clock, asked, changes, said, signIn, isDba } = town();
    signIn(id);
    said.groups = [];
    clock.now += MAX_MS / 2;
    expect(isDba(id)).toBe(true);
    await new Promise((resolve) => setImmediate(resolve));
    expect([isDba(id), asked.length, changes.length]).toEqual([false, 1, 1]);
    const other = town();
    other.signIn(id, { max_age_ms: 0, read: null });
    other.clock.now += SHOWN_MS_MAX + 1;
    expect(other.isDba(id)).toBe(false);
  });

  it('is over when the sign-in is, whatever the provider says', async () => {
    const { clock, signIn, people, directory } = town();
    signIn(id);
    clock.now += DAY_MS;
    await directory.fresh([id]);
    expect(directory.stale(id)).toBe(false);
    expect(people.lastKnown(id)?.roles.includes('reviewer') ?? false).toBe(false);
  });
});

it('who signs in meanwhile keeps what that said', async () => {
  const { clock, said, signIn, directory, isDba } = town();
  let answer: () => void = () => {};
  const slow: Again = {
    max_age_ms: MAX_MS,
    read: async () => {
      await new Promise<void>((resolve) => (answer = resolve));
      return entryOf('oidc', 'ines', { groups: [] });
    },
  };
  signIn('ines', slow);
  clock.now += MAX_MS;
  const reading = directory.fresh(['ines']);
  said.groups = ['oidc:dba'];
  await new Promise((resolve) => setImmediate(resolve));
  signIn('ines');
  answer();
  await reading;
  expect(isDba('ines')).toBe(true);
});
