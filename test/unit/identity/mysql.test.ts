// Logins over the MySQL protocol as identity judges them: the fast path only after a full authentication, nobody told apart from somebody.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createIdentity } from '../../../src/identity/identity.ts';
import { FREE_TRIES } from '../../../src/identity/limiter.ts';
import { parseUsers, type Users } from '../../../src/identity/users.ts';
import { cachingSha2Proof, makeStored, nativeProof } from '../../../src/wire/mysql/auth.ts';

const NONCE = Buffer.from('0123456789abcdefghij');
const PASSWORD = 'correct horse battery staple';
const usersOf = (forms: Readonly<Record<string, string>>): Users =>
  parseUsers(JSON.stringify({ users: Object.entries(forms).map(([id, mysql]) => ({ id, kind: 'agent', mysql })) }), {
    file: '/users.yaml',
  });
const sha1 = (data: Buffer | string): Buffer => createHash('sha1').update(data).digest();
const NATIVE = `*${sha1(sha1(PASSWORD)).toString('hex').toUpperCase()}`;

const identityOf = (initial: Users) => {
  let users = initial;
  let now = 0;
  const identity = createIdentity({
    users: () => users,
    reviewers: () => ({}),
    secret: Buffer.alloc(32),
    now: () => now,
  });
  return {
    identity,
    replace: (other: Users) => (users = other),
    wait: (ms: number) => (now += ms),
  };
};

describe('caching_sha2_password', () => {
  test('a proof fits only after the password itself did', async () => {
    const { identity } = identityOf(usersOf({ bot: await makeStored(PASSWORD) }));
    const proof = cachingSha2Proof(PASSWORD, NONCE);
    const check = identity.mysqlUser('bot', '');
    expect(check.plugin).toBe('caching_sha2_password');
    expect(check.proof(proof, NONCE)).toBe(false);
    expect(await check.password(Buffer.from('wrong'))).toBe(false);
    expect(check.proof(proof, NONCE)).toBe(false);
    expect(await check.password(Buffer.from(PASSWORD))).toBe(true);
    expect(identity.mysqlUser('bot', '').proof(proof, NONCE)).toBe(true);
    expect(identity.mysqlUser('bot', '').proof(cachingSha2Proof('wrong', NONCE), NONCE)).toBe(false);
  });

  test('a new password, or none, ends the fast path', async () => {
    const { identity, replace } = identityOf(usersOf({ bot: await makeStored(PASSWORD) }));
    expect(await identity.mysqlUser('bot', '').password(Buffer.from(PASSWORD))).toBe(true);
    replace(usersOf({ bot: await makeStored('another password') }));
    const proof = cachingSha2Proof(PASSWORD, NONCE);
    expect(identity.mysqlUser('bot', '').proof(proof, NONCE)).toBe(false);
    expect(await identity.mysqlUser('bot', '').password(Buffer.from(PASSWORD))).toBe(false);
    replace(usersOf({}));
    expect(identity.mysqlUser('bot', '').proof(proof, NONCE)).toBe(false);
  });

  test('a pool that opens many connections at once is let in', async () => {
    const { identity } = identityOf(usersOf({ bot: await makeStored(PASSWORD) }));
    const all = await Promise.all(
      Array.from({ length: 150 }, () => identity.mysqlUser('bot', '').password(Buffer.from(PASSWORD))),
    );
    expect(all.every(Boolean)).toBe(true);
  });

  test('a password of more bytes than anybody has is not worked on', async () => {
    const long = 'x'.repeat(2000);
    const { identity } = identityOf(usersOf({ bot: await makeStored(long) }));
    expect(await identity.mysqlUser('bot', '').password(Buffer.from(long))).toBe(false);
    expect(await identity.mysqlUser('nosuch', '').password(Buffer.from(long))).toBe(false);
  });
});

test('mysql_native_password: the proof alone', async () => {
  const { identity } = identityOf(usersOf({ bot: NATIVE }));
  const check = identity.mysqlUser('bot', '');
  expect(check.plugin).toBe('mysql_native_password');
  expect(check.proof(nativeProof(PASSWORD, NONCE), NONCE)).toBe(true);
  expect(check.proof(nativeProof('wrong', NONCE), NONCE)).toBe(false);
  expect(await check.password(Buffer.from(PASSWORD))).toBe(false);
});

describe('who is not there', () => {
  test('is asked as somebody would be, the same way each time, and never fits', async () => {
    const { identity } = identityOf(usersOf({ one: await makeStored(PASSWORD), two: NATIVE }));
    const plugins = Array.from({ length: 40 }, (_, i) => identity.mysqlUser(`nosuch${i}`, '').plugin);
    expect(new Set(plugins).size).toBe(2);
    expect(Array.from({ length: 40 }, (_, i) => identity.mysqlUser(`nosuch${i}`, '').plugin)).toEqual(plugins);
    for (let i = 0; i < 3; i++) {
      const check = identity.mysqlUser(`nosuch${i}`, '');
      expect(check.proof(nativeProof(PASSWORD, NONCE), NONCE)).toBe(false);
      expect(await check.password(Buffer.from(PASSWORD))).toBe(false);
      expect(check.proof(cachingSha2Proof(PASSWORD, NONCE), NONCE)).toBe(false);
    }
  });

  test('is asked for caching_sha2_password where nobody is there', () => {
    expect(identityOf(usersOf({})).identity.mysqlUser('nosuch', '').plugin).toBe('caching_sha2_password');
  });
});

test('while a user has to wait nothing fits; the same user from elsewhere is let in', async () => {
  const { identity, wait } = identityOf(usersOf({ bot: await makeStored(PASSWORD) }));
  const proof = cachingSha2Proof(PASSWORD, NONCE);
  expect(await identity.mysqlUser('bot', '10.0.0.1').password(Buffer.from(PASSWORD))).toBe(true);
  for (let i = 0; i < FREE_TRIES; i++) identity.judgeLogin('bot', '10.0.0.1', false);
  const check = identity.mysqlUser('bot', '10.0.0.1');
  expect(check.plugin).toBe('caching_sha2_password');
  expect(check.proof(proof, NONCE)).toBe(false);
  expect(await check.password(Buffer.from(PASSWORD))).toBe(false);
  expect(identity.mysqlUser('bot', '10.0.0.2').proof(proof, NONCE)).toBe(true);
  wait(60_000);
  expect(identity.mysqlUser('bot', '10.0.0.1').proof(proof, NONCE)).toBe(true);
});
