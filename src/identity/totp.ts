// Six-digit codes of an authenticator app (RFC 6238 over RFC 4226: HMAC-SHA-1, 30 s), and recovery codes for when it is lost.
// Must never compare a code in a time that depends on it, and never keep a secret in clear: on disk it is sealed, a recovery code is a hash.
import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** RFC 6238 5.2: the recommended time step. */
export const STEP_MS = 30_000;
/** RFC 6238 5.2: one step of delay; one ahead for clocks that are fast. */
const WINDOW_STEPS = 1;
const DIGITS = 6;
/** RFC 4226 4, R6: 160 bits are recommended. */
const SECRET_BYTES = 20;
const RECOVERY_CODES = 10;
/** 16 characters of base 32 are 80 bits: nothing slower than SHA-256 is needed. */
const RECOVERY_BYTES = 10;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const SEALED = /^\$totp\$v1\$([A-Za-z0-9+/]{64})$/;

export const makeTotpSecret = (): Buffer => randomBytes(SECRET_BYTES);

/** The code of one step, as an app shows it (RFC 4226 5.3). */
export function totpCode(secret: Buffer, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const digest = createHmac('sha1', secret).update(counter).digest();
  const offset = (digest.at(-1) ?? 0) & 15;
  const number = (digest.readUInt32BE(offset) & 0x7fffffff) % 10 ** DIGITS;
  return String(number).padStart(DIGITS, '0');
}

/** The step whose code this is, of those that count now (ms since the epoch) and come after `after`; null: none. The same work for each. */
export function totpStep(secret: Buffer, code: string, now: number, after = -1): number | null {
  const current = Math.floor(now / STEP_MS);
  let found: number | null = null;
  for (let step = current - WINDOW_STEPS; step <= current + WINDOW_STEPS; step += 1)
    if (same(totpCode(secret, step), code) && step > after) found = step;
  return found;
}

/** For an app, which makes it from a picture of this text or takes the secret by hand. */
export function otpauthUrl(secret: Buffer, user: string, issuer: string): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(user)}`;
  return `otpauth://totp/${label}?secret=${base32(secret)}&issuer=${encodeURIComponent(issuer)}`;
}

/** As it stands in users.yaml: AES-256-GCM, bound to the user, so that it is no good in another's entry. `key`: 32 bytes. */
export function sealTotp(secret: Buffer, user: string, key: Buffer): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(user));
  const sealed = Buffer.concat([iv, cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
  return `$totp$v1$${sealed.toString('base64')}`;
}

export const isSealedTotp = (form: string): boolean => SEALED.test(form);

/** Null: not such a form, of another user, or sealed with another key. */
export function openTotp(form: string, user: string, key: Buffer): Buffer | null {
  const sealed = Buffer.from(SEALED.exec(form)?.[1] ?? '', 'base64');
  if (sealed.length !== IV_BYTES + SECRET_BYTES + TAG_BYTES) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV_BYTES)).setAAD(Buffer.from(user));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return null;
  }
}

/** Ten, each good for one sign-in: `ABCD-EFGH-IJKL-MNOP`. */
export function makeRecoveryCodes(): readonly string[] {
  return Array.from({ length: RECOVERY_CODES }, () => base32(randomBytes(RECOVERY_BYTES)).replace(/.{4}(?=.)/g, '$&-'));
}

/** As it stands in users.yaml. However it is typed: case, spaces and dashes do not count. */
export function hashRecoveryCode(code: string): string {
  return createHash('sha256')
    .update(`holdpoint recovery ${plain(code)}`)
    .digest('hex');
}

export const isTotpCode = (code: string): boolean => /^\d{6}$/.test(plain(code));
/** Without what people put into codes to read them. */
export const plain = (code: string): string => code.replaceAll(/[\s-]/g, '').toUpperCase();

/** RFC 4648 6, without padding. */
export function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{1,5}/g) ?? []).map((five) => ALPHABET[Number.parseInt(five.padEnd(5, '0'), 2)]).join('');
}
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function same(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => createHash('sha256').update(text).digest()) as [Buffer, Buffer];
  return timingSafeEqual(left, right);
}
