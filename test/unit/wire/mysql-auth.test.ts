// Proofs and stored forms of passwords, against what real servers made of the same passwords.
import fc from 'fast-check';
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  cachingSha2Proof,
  checkFast,
  checkNative,
  checkStored,
  decryptPassword,
  encryptPassword,
  fastDigest,
  makeStored,
  nativeProof,
  NOBODY,
  parseStored,
  withoutNul,
} from '../../../src/wire/mysql/auth.ts';

/** authentication_string of mysql.user, in hexadecimal: MySQL 9.7 CREATE USER ... IDENTIFIED BY. */
const STORED = [
  [
    'correct horse battery staple',
    '24412430304124283C58273047662613655A3A531B470D3D4F2567586B72424742324D6359585430426E4D33436159534B68316A483664724836545772635A3375354F334436',
  ],
  [
    'é日本',
    '24412430304124086E162E4468157D18312B0D382F66655E535F012F41674141684837332F566D777973744D6F6270722E30714D384C416A4F5152764B7A6D2E694A38365433',
  ],
] as const;
/** MariaDB 10.11 PASSWORD(). */
const NATIVE = [
  ['correct horse battery staple', '*F4AF2E5D85456A908E0F552F0366375B06267295'],
  ['é日本', '*56934C487AC95AD896BDF614996D4779D6596940'],
] as const;
const NONCE = Buffer.from('0123456789abcdefghij');

describe('caching_sha2_password', () => {
  test.each(STORED)('%s: the form of a real server', async (password, hex) => {
    const text = Buffer.from(hex, 'hex').toString('latin1');
    for (const form of [text, `0x${hex}`]) {
      const stored = parseStored(form);
      if (stored?.plugin !== 'caching_sha2_password') throw new Error('not such a form');
      expect(stored.rounds).toBe(10_000);
      expect(await checkStored(Buffer.from(password), stored)).toBe(true);
      expect(await checkStored(Buffer.from(`${password}.`), stored)).toBe(false);
      expect(await checkStored(Buffer.alloc(0), stored)).toBe(false);
    }
  });

  test('our own form fits its password, and never is the same twice', async () => {
    const [one, other] = await Promise.all([makeStored('secret'), makeStored('secret')]);
    expect(one).not.toBe(other);
    const stored = parseStored(one);
    expect(stored).toMatchObject({ rounds: 5000 });
    expect(stored?.plugin === 'caching_sha2_password' && (await checkStored(Buffer.from('secret'), stored))).toBe(true);
  });

  test('nothing fits a user who is not there', async () => {
    expect(await checkStored(Buffer.alloc(0), NOBODY)).toBe(false);
    expect(await checkStored(Buffer.from('x'), NOBODY)).toBe(false);
  });

  test.each([
    ['one character short', '$A$005$01234567890123456789012345678901234567890123456789012345678901'],
    ['a salt with a dollar sign', `$A$005$0123456789012345678$${'a'.repeat(43)}`],
    ['more rounds than anybody waits for', `$A$FFF$01234567890123456789${'a'.repeat(43)}`],
    ['no rounds', `$A$000$01234567890123456789${'a'.repeat(43)}`],
    ['another digest', `$B$005$01234567890123456789${'a'.repeat(43)}`],
    ['native, one digit short', `*${'A'.repeat(39)}`],
    ['nothing', ''],
    ['hexadecimal of nothing', '0x'],
    ['a password', 'secret'],
  ])('not a form: %s', (_, text) => {
    expect(parseStored(text)).toBeNull();
  });

  test('a proof fits its digest and nonce, and no other', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.uint8Array({ minLength: 20, maxLength: 20 }), (password, bytes) => {
        const nonce = Buffer.from(bytes);
        const digest = fastDigest(Buffer.from(password));
        const proof = cachingSha2Proof(password, nonce);
        expect(checkFast(proof, nonce, digest)).toBe(true);
        expect(checkFast(cachingSha2Proof(`${password}.`, nonce), nonce, digest)).toBe(false);
        const other = Buffer.from(nonce);
        other[0] = (other[0] as number) ^ 1;
        expect(checkFast(proof, other, digest)).toBe(false);
        expect(checkFast(proof.subarray(1), nonce, digest)).toBe(false);
      }),
    );
  });

  test('an empty proof fits nothing', () => {
    expect(cachingSha2Proof('', NONCE)).toHaveLength(0);
    expect(checkFast(Buffer.alloc(0), NONCE, fastDigest(Buffer.alloc(0)))).toBe(false);
  });
});

describe('mysql_native_password', () => {
  test.each(NATIVE)('%s: the form of a real server', (password, form) => {
    const stored = parseStored(form);
    if (stored?.plugin !== 'mysql_native_password') throw new Error('not such a form');
    expect(checkNative(nativeProof(password, NONCE), NONCE, stored.digest)).toBe(true);
    expect(checkNative(nativeProof(`${password}.`, NONCE), NONCE, stored.digest)).toBe(false);
    expect(checkNative(Buffer.alloc(0), NONCE, stored.digest)).toBe(false);
    expect(checkNative(stored.digest, NONCE, stored.digest)).toBe(false);
  });
});

describe('the password itself', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });

  test('encrypted for a key, with a nonce: only both give it back', () => {
    const encrypted = encryptPassword('é日本 secret', NONCE, publicKey);
    expect(decryptPassword(encrypted, NONCE, privateKey)?.toString()).toBe('é日本 secret');
    expect(decryptPassword(encrypted, Buffer.from('another nonce 123456'), privateKey)?.toString()).not.toBe(
      'é日本 secret',
    );
    expect(decryptPassword(encrypted.subarray(1), NONCE, privateKey)).toBeNull();
    expect(decryptPassword(Buffer.alloc(256), NONCE, privateKey)).toBeNull();
    expect(decryptPassword(Buffer.alloc(0), NONCE, privateKey)).toBeNull();
  });

  test.each([
    ['ends with its NUL', 'secret\0', 'secret'],
    ['has none', 'secret', null],
    ['has one inside', 'sec\0ret\0', null],
    ['is nothing', '', null],
  ])('in clear: %s', (_, sent, password) => {
    expect(withoutNul(Buffer.from(sent))?.toString() ?? null).toBe(password);
  });
});
