// Passwords, verifiers, tokens and the brake on guessing.
import { scryptSync } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createIdentity } from '../../../src/identity/identity.ts';
import {
  BACK_OFF_MAX_MS,
  createFailureLimiter,
  FORGET_MS,
  FREE_TRIES,
  PAIRS_MAX,
} from '../../../src/identity/limiter.ts';
import { CHECKS_WAITING_MAX, makeScrypt, parseScrypt, verifyScrypt } from '../../../src/identity/password.ts';
import { makeScramVerifier, mockScramVerifier, parseScramVerifier } from '../../../src/identity/scram.ts';
import { openSecret } from '../../../src/identity/secret.ts';
import { createOneTimeTokens, ONE_TIME_MS } from '../../../src/identity/tokens.ts';
import { parseUsers } from '../../../src/identity/users.ts';

let dir = '';
let now = 0;
let form = '';
/** The least work that is accepted, where a test does not look at the work. */
let cheap = '';
const SALT = Buffer.alloc(16, 5);
const base64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '');
const clock = () => now;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'holdpoint-secrets-'));
  form = await makeScrypt('right');
  cheap = `$scrypt$ln=14,r=8,p=1$${base64(SALT)}$${base64(scryptSync('right', SALT, 32, { N: 2 ** 14, r: 8, p: 1 }))}`;
});
beforeEach(() => {
  now = 1_000_000;
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('SCRAM verifiers', () => {
  test('of RFC 7677: user "user", password "pencil"', async () => {
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
    const text = await makeScramVerifier('pencil', { salt });
    // The stored key from which the RFC's client proof and the server key from which its signature follow.
    expect(text).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    );
    expect(parseScramVerifier(text)).toMatchObject({ iterations: 4096, salt });
  });

  test.each([
    '',
    'md5d41d8cd98f00b204e9800998ecf8427e',
    'SCRAM-SHA-256$0:c2FsdA==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    'SCRAM-SHA-256$99999999:c2FsdA==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    'SCRAM-SHA-256$4096:c2FsdA==$c2hvcnQ=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
  ])('refuses %s', (text) => {
    expect(parseScramVerifier(text)).toBeNull();
  });

  test('a mock is the same for a name, another for another name or secret', () => {
    const secret = Buffer.alloc(32, 1);
    const mock = mockScramVerifier('eve', secret);
    expect(mockScramVerifier('eve', secret)).toEqual(mock);
    expect(mockScramVerifier('mallory', secret).salt).not.toEqual(mock.salt);
    expect(mockScramVerifier('eve', Buffer.alloc(32, 2)).salt).not.toEqual(mock.salt);
    expect(mock).toMatchObject({ iterations: 4096 });
    expect([mock.salt.length, mock.storedKey.length, mock.serverKey.length]).toEqual([16, 32, 32]);
  });
});

describe('scrypt', () => {
  test('fits its password alone', async () => {
    expect(await verifyScrypt('right', form)).toBe(true);
    expect(await verifyScrypt('wrong', form)).toBe(false);
    expect(await verifyScrypt('right', null)).toBe(false);
    expect(await verifyScrypt('right', 'rubbish')).toBe(false);
    expect(await verifyScrypt('x'.repeat(2000), form)).toBe(false);
  });

  test('refuses parameters out of bounds', () => {
    expect(parseScrypt(form)).not.toBeNull();
    for (const bad of ['ln=13,r=8,p=3', 'ln=30,r=8,p=3', 'ln=15,r=99,p=3', 'ln=15,r=8,p=17']) {
      expect(parseScrypt(form.replace('ln=15,r=8,p=3', bad))).toBeNull();
    }
  });

  test('works as long for nobody as for somebody', async () => {
    const time = async (stored: string | null) => {
      const start = process.cpuUsage();
      await verifyScrypt('wrong', stored);
      const { user, system } = process.cpuUsage(start);
      return user + system;
    };
    let [known, unknown] = [Infinity, Infinity];
    // In turn, and the least of each: whatever else the machine does is the same for both.
    for (let n = 0; n < 7; n++)
      [known, unknown] = [Math.min(known, await time(form)), Math.min(unknown, await time(null))];
    // The same work; half and double leave room for a busy machine, not for a shortcut.
    expect(unknown).toBeGreaterThan(known / 2);
    expect(unknown).toBeLessThan(known * 2);
  });

  test('more than may wait are answered as wrong', async () => {
    const all = await Promise.all(Array.from({ length: CHECKS_WAITING_MAX + 1 }, () => verifyScrypt('right', cheap)));
    expect(all.filter((right) => !right)).toHaveLength(1);
    expect(all.at(-1)).toBe(false);
  });
});

describe('one-time sign-ins', () => {
  test('are good once, for ten minutes, and hard to guess', () => {
    const tokens = createOneTimeTokens(clock);
    const token = tokens.issue('grace');
    expect(token).toMatch(/^([1-9A-HJ-NP-Za-km-z]{4}-){5}[1-9A-HJ-NP-Za-km-z]{4}$/);
    expect(tokens.use('nope')).toBeNull();
    expect(tokens.use(token)).toBe('grace');
    expect(tokens.use(token)).toBeNull();
    const late = tokens.issue('grace');
    now += ONE_TIME_MS;
    expect(tokens.use(late)).toBeNull();
  });
});

test('the secret behind mock verifiers is made once, privately', async () => {
  const path = join(dir, 'identity.secret');
  const secret = await openSecret(path);
  expect(secret.length).toBe(32);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(await openSecret(path)).toEqual(secret);
  writeFileSync(path, 'short');
  await expect(openSecret(path)).rejects.toThrow('not a secret of 32 bytes');
});

describe('guessing', () => {
  test('is slowed down for a user from an address, longer each time, and forgotten', () => {
    const limiter = createFailureLimiter(clock);
    for (let i = 0; i < FREE_TRIES; i += 1) expect(limiter.judge('ada', '10.0.0.1', false)).toBe(false);
    expect(limiter.wait('ada', '10.0.0.1')).toBe(1000);
    expect(limiter.judge('ada', '10.0.0.1', true)).toBe(false);
    expect(limiter.judge('ada', '10.0.0.2', true)).toBe(true);
    expect(limiter.judge('bob', '10.0.0.1', true)).toBe(true);
    now += 1000;
    expect(limiter.judge('ada', '10.0.0.1', false)).toBe(false);
    expect(limiter.wait('ada', '10.0.0.1')).toBe(2000);
    for (let i = 0; i < 20; i += 1) {
      now += limiter.wait('ada', '10.0.0.1');
      limiter.judge('ada', '10.0.0.1', false);
    }
    expect(limiter.wait('ada', '10.0.0.1')).toBe(BACK_OFF_MAX_MS);
    now += FORGET_MS;
    expect(limiter.wait('ada', '10.0.0.1')).toBe(0);
    expect(limiter.judge('ada', '10.0.0.1', false)).toBe(false);
    expect(limiter.wait('ada', '10.0.0.1')).toBe(0);
  });

  test('counts names that are as long as a stranger likes, each by itself', () => {
    const limiter = createFailureLimiter(clock);
    const long = 'x'.repeat(100_000);
    for (let i = 0; i < FREE_TRIES; i += 1) limiter.judge(`${long}a`, '10.0.0.1', false);
    expect(limiter.wait(`${long}a`, '10.0.0.1')).toBe(1000);
    expect(limiter.wait(`${long}b`, '10.0.0.1')).toBe(0);
    expect(limiter.wait(`${long}a`, '10.0.0.2')).toBe(0);
    expect(limiter.judge(`${long}a`, '10.0.0.1', true)).toBe(false);
  });

  test('one try each at many other names does not make it forget who has to wait', () => {
    const limiter = createFailureLimiter(clock);
    for (let i = 0; i < FREE_TRIES; i += 1) limiter.judge('ada', '10.0.0.1', false);
    for (let i = 0; i < 2 * PAIRS_MAX; i += 1) limiter.judge(`name${i}`, '10.0.0.1', false);
    expect(limiter.wait('ada', '10.0.0.1')).toBe(1000);
  });

  test('a right one clears the count, and a pool’s many right ones at once are no guessing', () => {
    const limiter = createFailureLimiter(clock);
    for (let i = 0; i < 50; i += 1) expect(limiter.judge('bot', 'a', true)).toBe(true);
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < FREE_TRIES - 1; i += 1) limiter.judge('bot', 'a', false);
      expect(limiter.judge('bot', 'a', true)).toBe(true);
    }
  });
});

describe('identity', () => {
  let verifier = '';
  beforeAll(async () => {
    verifier = await makeScramVerifier('x');
  });
  const identityOf = (text: () => string) =>
    createIdentity({
      users: () => parseUsers(text(), { file: '/users.yaml' }),
      reviewers: () => ({}),
      secret: Buffer.alloc(32, 7),
      now: clock,
    });

  test('signs in by one-time link, as the users are now', async () => {
    let text = `users: [{id: grace, kind: human, roles: [reviewer], password: "${cheap}"}]`;
    const identity = identityOf(() => text);
    const [used, unused] = [identity.issueOneTime('grace'), identity.issueOneTime('grace')];
    expect(await identity.oneTime(used)).toMatchObject({ id: 'grace' });
    expect(await identity.oneTime(used)).toBeNull();
    text = 'users: []';
    expect(await identity.oneTime(unused)).toBeNull();
    expect(identity.reviewer('grace')).toBeUndefined();
  });

  test('gives every name a verifier of one shape', () => {
    const identity = identityOf(
      () => `users: [{id: bot, kind: agent, postgres: "${verifier}"}, {id: web, kind: human}]`,
    );
    const shape = ({ verifier: v }: ReturnType<typeof identity.scramUser>) => [
      v.iterations,
      v.salt.length,
      v.storedKey.length,
      v.serverKey.length,
    ];
    const [bot, web, eve] = ['bot', 'web', 'eve'].map((name) => identity.scramUser(name));
    expect([bot?.known, web?.known, eve?.known]).toEqual([true, false, false]);
    expect(shape(web!)).toEqual(shape(bot!));
    expect(shape(eve!)).toEqual(shape(bot!));
    expect(identity.scramUser('eve')).toEqual(eve);
  });

  test('makes a principal of who logged in', async () => {
    const identity = identityOf(
      () => 'users: [{id: ada, kind: human}, {id: bot, kind: agent, sponsor: ada, groups: [etl]}]',
    );
    const login = (user: string) => ({ user, authentication: 'scram-sha-256', address: '10.0.0.7', entry: null });
    expect(identity.principal(login('bot'))).toEqual({
      id: 'bot',
      kind: 'agent',
      groups: ['etl'],
      sponsor: 'ada',
      authentication: 'scram-sha-256',
      address: '10.0.0.7',
    });
    expect(identity.principal(login('eve'))).toBeUndefined();
    expect(await identity.upstream(login('bot'))).toBeNull();
  });
});
