// Proofs of a password: mysql_native_password and caching_sha2_password, both sides of each, and the forms that servers store.
// Must never compare secrets byte by byte, and never block: the slow hash is done in slices.
// Source: MySQL Server Doxygen, "Caching_sha2_password information"; "Native Authentication"; U. Drepper, "Unix crypt using SHA-256".
import { constants, createHash, hash, privateDecrypt, publicEncrypt, randomInt, timingSafeEqual } from 'node:crypto';

export const NATIVE = 'mysql_native_password';
export const CACHING_SHA2 = 'caching_sha2_password';

/** Second byte of caching_sha2_password's messages. */
export const CACHING_SHA2_STEP = { REQUEST_PUBLIC_KEY: 2, FAST_SUCCESS: 3, FULL: 4 } as const;

/** `$A$005$`, salt, digest: SHA-256 crypt. */
interface StoredSha2 {
  readonly plugin: typeof CACHING_SHA2;
  readonly rounds: number;
  readonly salt: Buffer;
  readonly digest: string;
}
/** `*` and SHA1(SHA1(password)) in hexadecimal. */
interface StoredNative {
  readonly plugin: typeof NATIVE;
  readonly digest: Buffer;
}
/** What a server stores of a password. */
export type StoredPassword = StoredSha2 | StoredNative;

const SALT_BYTES = 20;
const DIGEST_BYTES = 32;
const DIGEST_CHARS = 43;
/** In thousands, as MySQL stores them: its own least, caching_sha2_password_digest_rounds. */
const ROUNDS = 5;
/** More would let an edited file stop logins for seconds. */
const ROUNDS_MAX = 100;
/** Rounds between two looks at the rest of the world: about 0.3 ms. */
const SLICE_ROUNDS = 250;
/** The alphabet of crypt(3). */
const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Reads `authentication_string` of mysql.user, also as print_identified_with_as_hex shows it. Null: not such a form. */
export const parseStored = (text: string): StoredPassword | null => {
  const plain = /^0x(?:[0-9A-Fa-f]{2})+$/.test(text) ? Buffer.from(text.slice(2), 'hex').toString('latin1') : text;
  if (/^\*[0-9A-Fa-f]{40}$/.test(plain)) return { plugin: NATIVE, digest: Buffer.from(plain.slice(1), 'hex') };
  const parts = /^\$A\$([0-9A-Fa-f]{3})\$([^$]{20})([./0-9A-Za-z]{43})$/.exec(plain);
  const thousands = Number.parseInt(parts?.[1] ?? '', 16);
  if (!parts || !(thousands >= ROUNDS && thousands <= ROUNDS_MAX)) return null;
  const salt = Buffer.from(parts[2] as string);
  // In UTF-8, what is no ASCII has more bytes.
  if (salt.length !== SALT_BYTES || salt.includes(0)) return null;
  return { plugin: CACHING_SHA2, rounds: thousands * 1000, salt, digest: parts[3] as string };
};

/** The text for users.yaml, or for CREATE USER ... IDENTIFIED WITH caching_sha2_password AS. */
export const makeStored = async (password: string): Promise<string> => {
  const salt = Array.from({ length: SALT_BYTES }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  const digest = await sha256Crypt(Buffer.from(password), Buffer.from(salt), ROUNDS * 1000);
  return `$A$${ROUNDS.toString(16).padStart(3, '0').toUpperCase()}$${salt}${digest}`;
};

/** A form of no password at all: the same work as for a real one, and nothing fits but by a chance of 2^-256. */
export const NOBODY: StoredSha2 = {
  plugin: CACHING_SHA2,
  rounds: ROUNDS * 1000,
  salt: Buffer.alloc(SALT_BYTES, '.'),
  digest: '.'.repeat(DIGEST_CHARS),
};

/** Does the password, as its bytes came, fit? About 5 ms of work for 5000 rounds. */
export const checkStored = async (password: Buffer, stored: StoredSha2): Promise<boolean> =>
  timingSafeEqual(Buffer.from(await sha256Crypt(password, stored.salt, stored.rounds)), Buffer.from(stored.digest));

/** SHA-256 crypt's digest in its 43 characters. */
const sha256Crypt = async (password: Buffer, salt: Buffer, rounds: number): Promise<string> => {
  const n = password.length;
  const b = sha256(password, salt, password);
  const a = createHash('sha256').update(password).update(salt).update(repeated(b, n));
  for (let bits = n; bits > 0; bits >>>= 1) a.update((bits & 1) === 1 ? b : password);
  // As text: a small buffer costs more than its hash.
  let c = a.digest('binary');
  const dp = createHash('sha256');
  for (let i = 0; i < n; i++) dp.update(password);
  const p = repeated(dp.digest(), n);
  const ds = createHash('sha256');
  for (let i = 0; i < 16 + c.charCodeAt(0); i++) ds.update(salt);
  const s = repeated(ds.digest(), salt.length);
  // What a round hashes has eight forms; only the digest of the round before changes in them.
  const hole = Buffer.alloc(DIGEST_BYTES);
  const forms = Array.from({ length: 8 }, (_, form) => {
    const middle = Buffer.concat([(form & 2) === 0 ? s : NOTHING, (form & 4) === 0 ? p : NOTHING]);
    const odd = (form & 1) === 1;
    return { text: Buffer.concat(odd ? [p, middle, hole] : [hole, middle, p]), at: odd ? n + middle.length : 0 };
  });
  for (let i = 0; i < rounds; i++) {
    const form = (i & 1) | (i % 3 === 0 ? 2 : 0) | (i % 7 === 0 ? 4 : 0);
    const { text, at } = forms[form] as (typeof forms)[number];
    text.write(c, at, 'binary');
    c = hash('sha256', text, 'binary');
    if (i % SLICE_ROUNDS === SLICE_ROUNDS - 1) await new Promise(setImmediate);
  }
  return encoded(Buffer.from(c, 'binary'));
};

const NOTHING = Buffer.alloc(0);
const repeated = (digest: Buffer, bytes: number): Buffer => Buffer.alloc(bytes, digest);

/** Three bytes as four characters, lowest bits first; the order of the bytes is crypt's own. */
const encoded = (digest: Buffer): string => {
  const at = (i: number): number => digest[i % 30] as number;
  let text = '';
  const write = (bits: number, chars: number): void => {
    for (let i = 0; i < chars; i++) text += ALPHABET[(bits >>> (6 * i)) & 63];
  };
  for (let i = 0, first = 0; i < 10; i++, first = (first + 21) % 30)
    write((at(first) << 16) | (at(first + 10) << 8) | at(first + 20), 4);
  write(((digest[31] as number) << 8) | (digest[30] as number), 3);
  return text;
};

const sha1 = (...parts: Buffer[]): Buffer => hash('sha1', Buffer.concat(parts), 'buffer');
const sha256 = (...parts: Buffer[]): Buffer => hash('sha256', Buffer.concat(parts), 'buffer');

const xor = (a: Buffer, b: Buffer): Buffer => {
  const mixed = Buffer.from(a);
  for (let i = 0; i < mixed.length; i++) mixed[i] = (mixed[i] as number) ^ (b[i % b.length] as number);
  return mixed;
};

/** A client's proof for mysql_native_password; empty for an empty password. */
export const nativeProof = (password: string, nonce: Buffer): Buffer => {
  if (password === '') return NOTHING;
  const once = sha1(Buffer.from(password));
  return xor(once, sha1(nonce, sha1(once)));
};

/** `digest`: what is stored. */
export const checkNative = (proof: Buffer, nonce: Buffer, digest: Buffer): boolean =>
  proof.length === digest.length && timingSafeEqual(sha1(xor(proof, sha1(nonce, digest))), digest);

/** A client's proof for caching_sha2_password; empty for an empty password. */
export const cachingSha2Proof = (password: string, nonce: Buffer): Buffer => {
  if (password === '') return NOTHING;
  const once = sha256(Buffer.from(password));
  return xor(once, sha256(sha256(once), nonce));
};

/** What a server keeps in memory after a full authentication: SHA256(SHA256(password)). Never to be written to a disk. */
export const fastDigest = (password: Buffer): Buffer => sha256(sha256(password));

export const checkFast = (proof: Buffer, nonce: Buffer, digest: Buffer): boolean =>
  proof.length === digest.length && timingSafeEqual(sha256(xor(proof, sha256(digest, nonce))), digest);

/** The password for a server without TLS: RSA-OAEP, SHA-1, of the password and its NUL mixed with the nonce. Throws at what is no key. */
export const encryptPassword = (password: string, nonce: Buffer, publicKey: string): Buffer =>
  publicEncrypt(
    { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING },
    xor(Buffer.from(`${password}\0`), nonce),
  );

/** Its other end; null: it was not made with our key, or holds no password. */
export const decryptPassword = (encrypted: Buffer, nonce: Buffer, privateKey: string): Buffer | null => {
  try {
    const key = { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING };
    return withoutNul(xor(privateDecrypt(key, encrypted), nonce));
  } catch {
    return null;
  }
};

/** A password as it is sent inside TLS; null: without the NUL at its end. */
export const withoutNul = (sent: Buffer): Buffer | null =>
  sent.length > 0 && sent.indexOf(0) === sent.length - 1 ? sent.subarray(0, -1) : null;
