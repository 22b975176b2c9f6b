// What the answers of several checkers come to: order, those that can't be asked, tries that count, and whose name it is.
import { beforeAll, describe, expect, test } from 'vitest';
import { createIdentity, type Identity } from '../../../src/identity/identity.ts';
import { FREE_TRIES } from '../../../src/identity/limiter.ts';
import { makeScramVerifier } from '../../../src/identity/scram.ts';
import { type PasswordChecker, SourceDown, type SourceEntry } from '../../../src/identity/types.ts';
import { parseUsers } from '../../../src/identity/users.ts';
import { makeStored } from '../../../src/wire/mysql/auth.ts';

const PASSWORD = 'pa55 wörd';
let postgres: string;
let mysql: string;
beforeAll(async () => {
  [postgres, mysql] = [await makeScramVerifier(PASSWORD), await makeStored(PASSWORD)];
});

const entry = (id: string, source: 'ldap' | 'jwt' = 'ldap'): SourceEntry => ({
  source,
  id,
  groups: [],
  aliases: [],
  sponsor: null,
  on_behalf_of: [],
  task: null,
  expires: null,
  token: null,
});

type Says = (user: string, password: string) => SourceEntry | 'down' | null;
const identityOf = (says: Partial<Record<'ldap' | 'jwt', Says>>) => {
  const clock = { now: 1_000_000 };
  const asked: string[] = [];
  const checkers = (['ldap', 'jwt'] as const).flatMap((name): PasswordChecker[] => {
    const of = says[name];
    if (!of) return [];
    return [
      {
        name,
        async check(user, password) {
          asked.push(name);
          const answer = of(user, password.toString());
          if (answer === 'down') throw new SourceDown(name, 'away');
          return answer;
        },
      },
    ];
  });
  const users = parseUsers(
    JSON.stringify({
      users: [
        { id: 'ada', kind: 'human' },
        { id: 'bot', kind: 'agent', postgres },
        { id: 'web', kind: 'agent', mysql },
        { id: 'adm-1', kind: 'human' },
      ],
    }),
    { file: '/users.yaml' },
  );
  const identity = createIdentity({
    users: () => users,
    reviewers: () => ({}),
    secret: Buffer.alloc(32),
    checkers,
    now: () => clock.now,
  });
  return { identity, asked, clock };
};
const ask = (identity: Identity, user: string, password: string, by: readonly string[], address = '10.0.0.1') =>
  identity.passwordLogin({
    user,
    password: Buffer.from(password),
    address,
    by,
    fits: (id) => !id.startsWith('adm-'),
    turn: (_source, work) => work(),
  });

describe('the local verifier', () => {
  test.each(['bot', 'web'])('of %s, whichever protocol it is from', async (user) => {
    const { identity } = identityOf({});
    expect(await ask(identity, user, PASSWORD, ['local'])).toEqual({
      type: 'right',
      login: { user, authentication: 'local', address: '10.0.0.1', entry: null },
    });
    expect(await ask(identity, user, 'other', ['local'])).toEqual({ type: 'wrong', why: 'wrong' });
  });

  test.each(['nobody', 'ada', 'BOT'])('%s has none', async (user) => {
    expect(await ask(identityOf({}).identity, user, PASSWORD, ['local'])).toEqual({ type: 'wrong', why: 'wrong' });
  });
});

describe('several checkers', () => {
  test('are asked in the order given, until one says yes', async () => {
    const { identity, asked } = identityOf({ ldap: () => null, jwt: (user) => entry(user, 'jwt') });
    expect(await ask(identity, 'ada', 'x', ['ldap', 'jwt'])).toMatchObject({
      type: 'right',
      login: { user: 'ada', authentication: 'jwt', entry: { source: 'jwt' } },
    });
    expect(await ask(identity, 'ada', 'x', ['jwt', 'ldap'])).toMatchObject({ type: 'right' });
    expect(asked).toEqual(['ldap', 'jwt', 'jwt']);
  });

  test('one that is down: the next are asked; without a yes nobody can tell', async () => {
    const { identity } = identityOf({
      ldap: () => 'down',
      jwt: (_, password) => (password === 'good' ? entry('ada', 'jwt') : null),
    });
    expect(await ask(identity, 'ada', 'good', ['ldap', 'jwt'])).toMatchObject({ type: 'right' });
    expect(await ask(identity, 'ada', 'bad', ['ldap', 'jwt'])).toMatchObject({
      type: 'unknown',
      down: [{ source: 'ldap' }],
    });
    expect(await ask(identity, 'ada', 'bad', ['jwt'])).toEqual({ type: 'wrong', why: 'wrong' });
  });

  test('a fault of ours is no answer', async () => {
    const { identity } = identityOf({
      ldap: () => {
        throw new Error('broken');
      },
    });
    await expect(ask(identity, 'ada', 'x', ['ldap'])).rejects.toThrow('broken');
  });

  test('no password, and one with a NUL, are asked of nobody', async () => {
    const { identity, asked } = identityOf({ ldap: (user) => entry(user) });
    expect(await ask(identity, 'ada', '', ['ldap'])).toMatchObject({ type: 'wrong' });
    expect(await ask(identity, 'ada', 'a\0b', ['ldap'])).toMatchObject({ type: 'wrong' });
    expect(asked).toEqual([]);
  });
});

describe('whose name it is', () => {
  test("the entry's, not the one that was given", async () => {
    const { identity } = identityOf({ ldap: () => entry('ada') });
    expect(await ask(identity, 'ADA', 'x', ['ldap'])).toMatchObject({ type: 'right', login: { user: 'ada' } });
  });

  test('nobody that is known here, and one who logs in otherwise, are wrong', async () => {
    const { identity } = identityOf({ ldap: (user) => entry(user.toLowerCase()) });
    expect(await ask(identity, 'stranger', 'x', ['ldap'])).toMatchObject({ type: 'wrong' });
    expect(await ask(identity, 'ADM-1', 'x', ['ldap'])).toMatchObject({ type: 'wrong' });
  });
});

describe('tries', () => {
  test('of one name count together, however it is written', async () => {
    const { identity, asked } = identityOf({ ldap: (_, password) => (password === 'good' ? entry('ada') : null) });
    for (const user of ['ada', 'ADA', ' ada', 'Ada ', '\uff21da'].slice(0, FREE_TRIES))
      await ask(identity, user, 'bad', ['ldap']);
    expect(await ask(identity, 'aDa', 'good', ['ldap'])).toEqual({ type: 'wrong', why: 'too many wrong ones' });
    expect(asked.length).toBe(FREE_TRIES);
    expect(await ask(identity, 'ada', 'good', ['ldap'], '10.0.0.2')).toMatchObject({ type: 'right' });
  });

  test('while a checker is down the others still count: no free guesses at them', async () => {
    const { identity, asked, clock } = identityOf({ ldap: () => 'down', jwt: () => null });
    for (let n = 0; n < FREE_TRIES + 3; n++)
      expect(await ask(identity, 'ada', 'bad', ['jwt', 'ldap'])).toMatchObject({ type: 'unknown' });
    expect(asked.filter((name) => name === 'jwt').length).toBe(FREE_TRIES);
    clock.now += 3_600_000;
    await ask(identity, 'ada', 'bad', ['jwt', 'ldap']);
    expect(asked.filter((name) => name === 'jwt').length).toBe(FREE_TRIES + 1);
  });

  test('that one checker no longer takes, the next still does', async () => {
    const { identity } = identityOf({ ldap: (_, password) => (password === 'good' ? entry('ada') : null) });
    for (let n = 0; n < FREE_TRIES + 3; n++)
      expect(await ask(identity, 'ada', 'good', ['local', 'ldap'])).toMatchObject({ type: 'right' });
  });
});
