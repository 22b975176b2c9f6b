// Signing in with a password and a second factor: codes as RFC 6238 has them, each once, also after a restart; nothing told before the
// password is right; a directory that is down is never a wrong password.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Factors, openFactors } from '../../../src/identity/factors.ts';
import { createPeople } from '../../../src/identity/directory.ts';
import { BACK_OFF_FIRST_MS, FREE_TRIES } from '../../../src/identity/limiter.ts';
import { makeScrypt } from '../../../src/identity/password.ts';
import {
  createPasswordSignIn,
  localPasswords,
  type PasswordTry,
  type SignedIn,
} from '../../../src/identity/sign-in.ts';
import {
  base32,
  hashRecoveryCode,
  makeRecoveryCodes,
  makeTotpSecret,
  openTotp,
  otpauthUrl,
  sealTotp,
  STEP_MS,
  totpCode,
  totpStep,
} from '../../../src/identity/totp.ts';
import { type PasswordChecker, SourceDown } from '../../../src/identity/types.ts';
import { parseUsers } from '../../../src/identity/users.ts';

const KEY = Buffer.alloc(32, 5);
const SECRET = Buffer.from('12345678901234567890');

describe('codes', () => {
  test('are those of RFC 6238, appendix B', () => {
    // The appendix has eight digits; six are the last of them.
    const vectors = [
      [59, '94287082'],
      [1111111109, '07081804'],
      [1111111111, '14050471'],
      [1234567890, '89005924'],
      [2000000000, '69279037'],
      [20000000000, '65353130'],
    ] as const;
    for (const [seconds, code] of vectors)
      expect(totpCode(SECRET, Math.floor((seconds * 1000) / STEP_MS)), String(seconds)).toBe(code.slice(2));
  });

  test('count one step before and after, and none that was used', () => {
    const now = 1_700_000_010_000;
    const step = Math.floor(now / STEP_MS);
    const found = (of: number, after?: number) => totpStep(SECRET, totpCode(SECRET, of), now, after);
    expect([step - 2, step - 1, step, step + 1, step + 2].map((of) => found(of))).toEqual([
      null,
      step - 1,
      step,
      step + 1,
      null,
    ]);
    expect(found(step, step)).toBeNull();
    expect(found(step - 1, step)).toBeNull();
    expect(found(step + 1, step)).toBe(step + 1);
  });

  test('their secret is sealed for one user and one key', () => {
    const secret = makeTotpSecret();
    const sealed = sealTotp(secret, 'grace', KEY);
    expect(openTotp(sealed, 'grace', KEY)).toEqual(secret);
    expect(openTotp(sealed, 'ada', KEY)).toBeNull();
    expect(openTotp(sealed, 'grace', Buffer.alloc(32, 6))).toBeNull();
    const other = sealed.endsWith('A') ? `${sealed.slice(0, -1)}B` : `${sealed.slice(0, -1)}A`;
    expect(openTotp(other, 'grace', KEY)).toBeNull();
    expect(sealed).not.toContain(base32(secret));
  });

  test('an app is told what RFC 4648 and the key URI format have', () => {
    expect(base32(Buffer.from('foobar'))).toBe('MZXW6YTBOI');
    expect(otpauthUrl(SECRET, 'a b@x', 'Holdpoint')).toBe(
      'otpauth://totp/Holdpoint:a%20b%40x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Holdpoint',
    );
  });

  test('recovery codes are ten, all different, and known by their hashes however they are typed', () => {
    const codes = makeRecoveryCodes();
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) expect(code).toMatch(/^([A-Z2-7]{4}-){3}[A-Z2-7]{4}$/);
    const [code = ''] = codes;
    expect(hashRecoveryCode(code.toLowerCase().replaceAll('-', ' '))).toBe(hashRecoveryCode(code));
  });
});

describe('a sign-in', () => {
  let dir = '';
  let form = '';
  let now = 1_800_000_000_000;
  let factors: Factors;
  let checkers: PasswordChecker[];
  const users = () =>
    parseUsers(
      `users:
  - {id: grace, kind: human, roles: [reviewer], password: "${form}", totp: "${sealTotp(SECRET, 'grace', KEY)}", recovery: ["${hashRecoveryCode('ABCD-EFGH')}"]}
  - {id: ada, kind: human, roles: [reviewer], password: "${form}"}
  - {id: jonas, kind: human, roles: [reviewer]}
`,
      { file: '/users.yaml' },
    );
  const { directory } = createPeople({ known: () => ({ users: users(), map: [] }), reviewers: () => ({}) });
  const open = () => openFactors({ file: join(dir, 'factors.json'), users, key: KEY, now: () => now });
  const signIn = (second_factor: 'required' | 'optional' = 'optional') =>
    createPasswordSignIn({
      checkers,
      admit: ({ id }) => directory.reviewer(id) ?? null,
      factors,
      webauthn: null,
      second_factor,
      now: () => now,
    });
  const tried = (user: string, password = 'right', more: Partial<PasswordTry> = {}): PasswordTry => ({
    user,
    password,
    address: '::1',
    ...more,
  });
  const code = (steps = 0) => totpCode(SECRET, Math.floor(now / STEP_MS) + steps);
  const said = (answer: SignedIn) =>
    answer.type === 'in'
      ? answer.by.join(' ')
      : answer.type === 'second'
        ? `second, wrong: ${answer.wrong}`
        : answer.why;

  beforeAll(async () => {
    form = await makeScrypt('right');
  });
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'holdpoint-factors-'));
    now += 3_600_000;
    factors = await open();
    checkers = [localPasswords(users)];
    return () => rmSync(dir, { recursive: true });
  });

  test('asks for a second factor only when the password is right, and takes a code once', async () => {
    const enter = signIn();
    expect(said(await enter(tried('ada')))).toBe('local');
    expect(said(await enter(tried('grace', 'wrong', { otp: code() })))).toBe('wrong');
    expect(await enter(tried('grace'))).toMatchObject({ type: 'second', factors: ['totp', 'recovery'], wrong: false });
    expect(said(await enter(tried('grace', 'right', { otp: '000000' })))).toBe('second, wrong: true');
    const good = code();
    expect(said(await enter(tried('grace', 'right', { otp: `${good.slice(0, 3)} ${good.slice(3)}` })))).toBe(
      'local totp',
    );
    expect(said(await enter(tried('grace', 'right', { otp: good })))).toBe('second, wrong: true');
  });

  test('a code that was used is used after a restart, and in two calls at once counts once', async () => {
    const good = code();
    const answers = await Promise.all([1, 2, 3].map(() => signIn()(tried('grace', 'right', { otp: good }))));
    expect(answers.map(said).toSorted()).toEqual(['local totp', 'second, wrong: true', 'second, wrong: true']);
    factors = await open();
    expect(said(await signIn()(tried('grace', 'right', { otp: good })))).toBe('second, wrong: true');
    expect(statSync(join(dir, 'factors.json')).mode & 0o777).toBe(0o600);
  });

  test('a recovery code is good once', async () => {
    expect(said(await signIn()(tried('grace', 'right', { otp: 'abcd efgh' })))).toBe('local recovery');
    factors = await open();
    expect(said(await signIn()(tried('grace', 'right', { otp: 'ABCD-EFGH' })))).toBe('second, wrong: true');
    expect(factors.of('grace')).toEqual(['totp']);
    expect(readFileSync(join(dir, 'factors.json'), 'utf8')).not.toContain('ABCD');
  });

  test('one that can not be kept as used signs nobody in', async () => {
    writeFileSync(join(dir, 'no-folder'), '');
    factors = await openFactors({ file: join(dir, 'later', 'factors.json'), users, key: KEY, now: () => now });
    await expect(signIn()(tried('grace', 'right', { otp: code() }))).rejects.toThrow('ENOENT');
  });

  test('where it is required, an account without one is not let in', async () => {
    expect(said(await signIn('required')(tried('ada')))).toBe('none');
    expect(said(await signIn('required')(tried('ada', 'wrong')))).toBe('wrong');
    expect(said(await signIn('required')(tried('grace', 'right', { otp: code() })))).toBe('local totp');
  });

  test('guessing codes makes the account wait wherever it is tried from, and a stranger can not make it wait', async () => {
    const enter = signIn();
    for (let n = 0; n < FREE_TRIES; n += 1)
      await enter(tried('grace', 'right', { otp: '000000', address: `10.0.0.${n}` }));
    const wait = await enter(tried('grace', 'right', { otp: code(), address: '10.0.0.99' }));
    expect(wait).toEqual({ type: 'refused', why: 'wait', wait_ms: BACK_OFF_FIRST_MS });
    now += BACK_OFF_FIRST_MS;
    expect(said(await enter(tried('grace', 'right', { otp: code(), address: '10.0.0.99' })))).toBe('local totp');
    for (let n = 0; n < 20; n += 1) await enter(tried('ada', 'wrong', { address: '10.6.6.6' }));
    expect(said(await enter(tried('ada')))).toBe('local');
    expect(said(await enter(tried('ada', 'right', { address: '10.6.6.6' })))).toBe('wait');
  });

  test('says the same of an account that is not there', async () => {
    const enter = signIn();
    for (let n = 0; n < FREE_TRIES + 2; n += 1)
      expect(await enter(tried('nobody', 'x'))).toEqual(await enter(tried('ada', 'x')));
  });

  test('checkers are asked in their order, and one that is down is no wrong password', async () => {
    const asked: string[] = [];
    const ldap: PasswordChecker = {
      name: 'ldap',
      check: async (user, password) => {
        asked.push(user);
        if (String(password) === 'down') throw new SourceDown('ldap', 'no server answers');
        if (user !== 'jonas' || String(password) !== 'right') return null;
        const local = { groups: ['ldap:dba'], aliases: [], sponsor: null, on_behalf_of: [], task: null };
        return { source: 'ldap', id: 'jonas', ...local, expires: null, token: null };
      },
    };
    checkers.push(ldap);
    const enter = signIn();
    expect(said(await enter(tried('jonas')))).toBe('ldap');
    expect(said(await enter(tried('ada')))).toBe('local');
    expect(asked).toEqual(['jonas']);
    for (let n = 0; n < FREE_TRIES + 2; n += 1) expect(said(await enter(tried('jonas', 'down')))).toBe('down');
    expect(said(await enter(tried('jonas', 'wrong')))).toBe('wrong');
    // Whoever has a password here is not kept out by the directory.
    expect(said(await enter(tried('ada')))).toBe('local');
  });

  const KEY_OF = { id: 'k', name: 'key', public_key: '', counter: 0, transports: [], added: 0, used: null };

  test('a security key counts, also of an account that users.yaml does not have', async () => {
    expect(await factors.addKey('mapped', KEY_OF)).toBe(true);
    expect(factors.of('mapped')).toEqual(['webauthn']);
  });

  test('a key that can not be asked for here, as after a change of address, is no reason to do without', async () => {
    await factors.addKey('ada', KEY_OF);
    expect(said(await signIn()(tried('ada')))).toBe('none');
  });

  test('a key that can not be kept is none, and one that can not be removed is still there', async () => {
    const file = join(dir, 'later', 'factors.json');
    factors = await openFactors({ file, users, key: KEY, now: () => now });
    await expect(factors.addKey('ada', KEY_OF)).rejects.toThrow('ENOENT');
    expect(factors.keys('ada')).toEqual([]);
    mkdirSync(join(dir, 'later'));
    await factors.addKey('ada', KEY_OF);
    rmSync(join(dir, 'later'), { recursive: true });
    await expect(factors.removeKey('ada', 'k')).rejects.toThrow('ENOENT');
    expect(factors.keys('ada')).toEqual([KEY_OF]);
  });

  test('spellings that a directory takes for one name share their tries, and so do addresses of one client', async () => {
    const enter = signIn();
    const spelled = ['jonas', 'JONAS', 'Jonas', ' jonas', 'ｊonas'];
    expect(spelled).toHaveLength(FREE_TRIES);
    for (const [n, name] of spelled.entries())
      expect(said(await enter(tried(name, 'x', { address: `2001:db8:1:2::${n}` })))).toBe('wrong');
    expect(said(await enter(tried('jOnas', 'x', { address: '2001:db8:1:2:3:4:5:6' })))).toBe('wait');
    expect(said(await enter(tried('jonas', 'x', { address: '2001:db8:1:3::1' })))).toBe('wrong');
  });

  test('what is kept is refused when it is not what it should be', async () => {
    writeFileSync(join(dir, 'factors.json'), '{"version": 2}');
    await expect(open()).rejects.toThrow('is not what Holdpoint keeps of second factors');
  });
});
