// Reviewers' passwords: scrypt in the PHC text form, checked with the same work whether or not the user exists.
// Must never let sign-ins take the threads that the audit log's disk writes need.
import { randomBytes, scrypt, type ScryptOptions, timingSafeEqual } from 'node:crypto';

/** N = 2^15, r = 8, p = 3: 32 MiB; one of the equivalent settings of OWASP's password storage cheat sheet. */
const PARAMETERS = { ln: 15, r: 8, p: 3 };
const SALT_BYTES = 16;
const KEY_BYTES = 32;
/** Checks that may wait for their turn; one runs at a time. More are answered as wrong. */
export const CHECKS_WAITING_MAX = 32;
/** Longer passwords are refused: hashing is linear in the length. */
export const PASSWORD_BYTES_MAX = 1024;

interface Scrypt {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}

/** `$scrypt$ln=15,r=8,p=3$salt$key`, base64 without padding. */
export async function makeScrypt(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, { ...PARAMETERS, salt });
  return `$scrypt$ln=${PARAMETERS.ln},r=${PARAMETERS.r},p=${PARAMETERS.p}$${base64(salt)}$${base64(key)}`;
}

/** null: not such a form, or one whose work is out of bounds (2^14 to 2^18 times r = 8, p up to 16). */
export function parseScrypt(text: string): Scrypt | null {
  const parts = /^\$scrypt\$ln=(1[4-8]),r=(8),p=([1-9]|1[0-6])\$([A-Za-z0-9+/]{22,})\$([A-Za-z0-9+/]{43})$/.exec(text);
  if (parts === null) return null;
  const [ln, r, p] = parts.slice(1, 4).map(Number);
  const [salt, key] = parts.slice(4).map((part) => Buffer.from(part, 'base64'));
  if (ln === undefined || r === undefined || p === undefined || salt === undefined || key === undefined) return null;
  return { ln, r, p, salt, key };
}

/** Stands in for users who have no password: nothing derives to it but by a chance of 2^-256. */
const NOBODY: Scrypt = { ...PARAMETERS, salt: randomBytes(SALT_BYTES), key: randomBytes(KEY_BYTES) };

let waiting = 0;
let last: Promise<unknown> = Promise.resolve();

/** Does the password fit the form? null: there is none; the same work, then false. */
export async function verifyScrypt(password: string, form: string | null): Promise<boolean> {
  if (waiting >= CHECKS_WAITING_MAX || Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return false;
  const parsed = form === null ? null : parseScrypt(form);
  waiting += 1;
  const run = last.then(() => derive(password, parsed ?? NOBODY));
  last = run.catch(() => {});
  try {
    return timingSafeEqual(await run, (parsed ?? NOBODY).key) && parsed !== null;
  } finally {
    waiting -= 1;
  }
}

function derive(password: string, { ln, r, p, salt }: Omit<Scrypt, 'key'>): Promise<Buffer> {
  const N = 2 ** ln;
  const options: ScryptOptions = { N, r, p, maxmem: 256 * N * r };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, KEY_BYTES, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}
