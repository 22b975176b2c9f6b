// A JWK Set (RFC 7517) as the keys that may have signed a token: public ones, of a kind that its issuer is said to use, long enough.
// Must never take a shared key, a private one that somebody published, or one for anything but signatures.
import { calculateJwkThumbprint, importJWK, type JWK } from 'jose';
import { isObject, readObject } from './json.ts';

export const KEYS_MAX = 100;
/** NIST SP 800-131A; and no key whose work is a burden. */
const RSA_BITS = { min: 2048, max: 8192 } as const;
/** 65537 has three; a long one makes each check slow. */
const EXPONENT_BYTES_MAX = 4;

export interface TrustedKey {
  readonly kid: string | null;
  readonly alg: string;
  readonly key: CryptoKey;
  /** RFC 7638, SHA-256. */
  readonly thumbprint: string;
}

/** Of each key type, the members that are public (RFC 7518, 6; RFC 8037, 2), and which curve makes which signature. */
const KINDS: Readonly<
  Record<string, { readonly members: readonly string[]; readonly signs: (jwk: JWK, alg: string) => boolean }>
> = {
  RSA: { members: ['n', 'e'], signs: (jwk, alg) => /^[RP]S/.test(alg) && isSound(jwk) },
  EC: { members: ['crv', 'x', 'y'], signs: ({ crv }, alg) => CURVES[alg] === crv },
  OKP: { members: ['crv', 'x'], signs: ({ crv }, alg) => CURVES[alg] === crv },
};
const CURVES: Readonly<Record<string, string>> = {
  ES256: 'P-256',
  ES384: 'P-384',
  ES512: 'P-521',
  EdDSA: 'Ed25519',
  Ed25519: 'Ed25519',
};
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** Keys that are not for these algorithms are passed over. Throws where the text is no key set. */
export async function readKeys(text: string, algorithms: readonly string[]): Promise<readonly TrustedKey[]> {
  const list = readObject(text)?.['keys'];
  if (!Array.isArray(list)) throw new Error('is no JWK Set');
  if (list.length > KEYS_MAX) throw new Error(`has more than ${KEYS_MAX} keys`);
  const found = await Promise.all(list.filter(isObject).map((one) => keysOf(one, algorithms)));
  return found.flat();
}

async function keysOf(jwk: JWK, algorithms: readonly string[]): Promise<readonly TrustedKey[]> {
  const kind = typeof jwk.kty === 'string' && Object.hasOwn(KINDS, jwk.kty) ? KINDS[jwk.kty] : undefined;
  if (kind === undefined || !isForSignatures(jwk) || PRIVATE.some((name) => Object.hasOwn(jwk, name))) return [];
  const members = kind.members.map((name) => [name, Object.entries(jwk).find(([key]) => key === name)?.[1]] as const);
  if (members.some(([, value]) => typeof value !== 'string')) return [];
  const bare: JWK = { kty: jwk.kty as string, ...Object.fromEntries(members) };
  const kid = typeof jwk.kid === 'string' ? jwk.kid : null;
  const signs = algorithms.filter((alg) => (jwk.alg === undefined || jwk.alg === alg) && kind.signs(bare, alg));
  if (signs.length === 0) return [];
  const thumbprint = await calculateJwkThumbprint(bare);
  const keys = await Promise.all(
    signs.map(async (alg) => {
      const key = await importJWK(bare, alg).catch(() => null);
      return key === null || key instanceof Uint8Array ? [] : [{ kid, alg, key, thumbprint }];
    }),
  );
  return keys.flat();
}

/** RFC 7517, 4.2 and 4.3. */
function isForSignatures({ use, key_ops }: JWK): boolean {
  return (
    (use === undefined || use === 'sig') &&
    (key_ops === undefined || (Array.isArray(key_ops) && key_ops.includes('verify')))
  );
}

/** Both as short as they can be written (RFC 7518, 6.3.1): zeros before a number would make a short key long. With e = 1 anything is signed. */
function isSound({ n = '', e = '' }: JWK): boolean {
  const modulus = Buffer.from(n, 'base64url');
  const exponent = Buffer.from(e, 'base64url');
  const [first = 0, odd = 0] = [modulus[0], exponent.at(-1)];
  const bits = modulus.length * 8 - Math.clz32(first) + 24;
  if (first === 0 || bits < RSA_BITS.min || bits > RSA_BITS.max) return false;
  if (exponent.length === 0 || exponent.length > EXPONENT_BYTES_MAX || exponent[0] === 0) return false;
  return odd % 2 === 1 && !(exponent.length === 1 && odd === 1);
}
