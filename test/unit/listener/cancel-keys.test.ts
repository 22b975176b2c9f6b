// Cancel keys: their bytes, whom they lead to, and that nothing but the whole key does.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CancelKeys, makeSecret, placeOf } from '../../../src/listener/cancel-keys.ts';

const HERE = { node: 'alpha', worker: 3 };
const SEED = 20261122;

describe('layout', () => {
  test('protocol 3.2: version, node, worker, 24 random bytes, check', () => {
    const secret = makeSecret(HERE, 2);
    const sha256 = (data: Buffer | string): Buffer => createHash('sha256').update(data).digest();
    expect(secret).toHaveLength(39);
    expect(secret[0]).toBe(1);
    expect(secret.subarray(1, 9)).toEqual(sha256('alpha').subarray(0, 8));
    expect(secret.readUInt16BE(9)).toBe(3);
    expect(secret.subarray(35)).toEqual(sha256(secret.subarray(0, 35)).subarray(0, 4));
    expect(makeSecret(HERE, 2).subarray(11, 35)).not.toEqual(secret.subarray(11, 35));
  });

  test.each([0, 1])('protocol 3.%i: four bytes that say nothing', (minor) => {
    const secret = makeSecret(HERE, minor);
    expect(secret).toHaveLength(4);
    expect(placeOf(secret, HERE)).toBe('unnamed');
  });

  test('a key names its place and no other', () => {
    const secret = makeSecret(HERE, 2);
    expect(placeOf(secret, HERE)).toBe('here');
    expect(placeOf(secret, { ...HERE, worker: 4 })).toBe('elsewhere');
    expect(placeOf(secret, { ...HERE, node: 'beta' })).toBe('elsewhere');
  });

  test('any bit changed, any other length: no key of ours', () => {
    fc.assert(
      fc.property(fc.nat(39 * 8 - 1), fc.uint8Array({ maxLength: 256 }), (bit, noise) => {
        const secret = makeSecret(HERE, 2);
        secret[bit >> 3] = (secret[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(placeOf(secret, HERE)).toBeNull();
        expect(placeOf(Buffer.from(noise), HERE)).toBe(noise.length === 4 ? 'unnamed' : null);
      }),
      { seed: SEED },
    );
  });
});

describe('CancelKeys', () => {
  test.each([0, 2])('protocol 3.%i: the right process id and secret together lead to the session', (minor) => {
    const keys = new CancelKeys<string>(HERE);
    const one = keys.add(7, minor, 'one');
    const same = keys.add(7, minor, 'same process id');
    const two = keys.add(8, minor, 'two');
    expect([keys.find(7, one), keys.find(7, same), keys.find(8, two)]).toEqual(['one', 'same process id', 'two']);
    expect([keys.find(8, one), keys.find(9, one), keys.find(7, two)]).toEqual([undefined, undefined, undefined]);
    expect(keys.find(7, Buffer.alloc(one.length))).toBeUndefined();
    expect(keys.find(7, one.subarray(0, -1))).toBeUndefined();
    keys.delete(7, 'one');
    expect([keys.find(7, one), keys.find(7, same)]).toEqual([undefined, 'same process id']);
  });

  test("another node's or worker's key finds nobody, even where the process id is known here", () => {
    const keys = new CancelKeys<string>(HERE);
    keys.add(7, 2, 'one');
    for (const there of [
      { node: 'beta', worker: 3 },
      { node: 'alpha', worker: 0 },
    ])
      expect(keys.find(7, new CancelKeys<string>(there).add(7, 2, 'one'))).toBeUndefined();
  });
});
