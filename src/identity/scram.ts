// SCRAM-SHA-256 verifiers, in the text form of pg_authid.rolpassword (RFC 5802, 7677; PostgreSQL's scram-common.c): a DBA can
// paste them either way. The exchange itself is wire's. Must never tell by its answer whether a user exists.
import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import saslprep from '@mongodb-js/saslprep';

/** PostgreSQL's default. */
export const SCRAM_ITERATIONS = 4096;
/** More would let an edited file stop the process for minutes. */
const SCRAM_ITERATIONS_MAX = 10_000_000;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

export interface ScramVerifier {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** The text for users.yaml or ALTER ROLE ... PASSWORD. Salt: 16 random bytes unless given. */
export async function makeScramVerifier(
  password: string,
  { iterations = SCRAM_ITERATIONS, salt = randomBytes(SALT_BYTES) }: { iterations?: number; salt?: Buffer } = {},
): Promise<string> {
  const salted = await promisify(pbkdf2)(prepare(password), salt, iterations, KEY_BYTES, 'sha256');
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest('base64');
  const serverKey = hmac(salted, 'Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}

/** null: not a verifier. */
export function parseScramVerifier(text: string): ScramVerifier | null {
  const parts = /^SCRAM-SHA-256\$(\d{1,8}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/.exec(text);
  if (parts === null) return null;
  const [salt, storedKey, serverKey] = parts.slice(2).map((part) => Buffer.from(part, 'base64'));
  const iterations = Number(parts[1]);
  if (salt === undefined || storedKey?.length !== KEY_BYTES || serverKey?.length !== KEY_BYTES) return null;
  if (salt.length === 0 || iterations < 1 || iterations > SCRAM_ITERATIONS_MAX) return null;
  return { iterations, salt, storedKey, serverKey };
}

/**
 * A verifier that no password fits, the same for a name each time (as PostgreSQL's mock authentication): a client can't
 * tell an unknown user from a wrong password. `secret`: at least 16 bytes, kept over restarts.
 */
export function mockScramVerifier(name: string, secret: Buffer): ScramVerifier {
  const part = (label: string) => hmac(secret, `${label}:${name}`);
  return {
    iterations: SCRAM_ITERATIONS,
    salt: part('salt').subarray(0, SALT_BYTES),
    storedKey: part('stored'),
    serverKey: part('server'),
  };
}

/** As the server and libpq do: a password that SASLprep refuses is used as it is. */
function prepare(password: string): string {
  try {
    return saslprep(password);
  } catch {
    return password;
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
