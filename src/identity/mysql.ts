// Logins over the MySQL protocol: who has which stored form, and does a proof or a password fit it? The twin of scram.ts.
// Must never tell by its answer or the time it takes whether a user exists, and never write the digest of the fast path anywhere.
import { createHmac } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import {
  CACHING_SHA2,
  checkFast,
  checkNative,
  checkStored,
  fastDigest,
  NATIVE,
  NOBODY,
  parseStored,
  type StoredPassword,
} from '../wire/mysql/auth.ts';
import { PASSWORD_BYTES_MAX } from './password.ts';
import type { Users } from './users.ts';

/** Full checks that may wait for their turn; one runs at a time, for about 5 ms. More are answered as wrong. */
export const FULL_CHECKS_WAITING_MAX = 200;
/** Users whose fast digest is remembered. */
const FAST_MAX = 10_000;

/** One login's check. For a user who is not there it goes the same way, and nothing fits. */
export interface MysqlCheck {
  /** How the client must prove its password. */
  readonly plugin: typeof CACHING_SHA2 | typeof NATIVE;
  /** Does a proof fit? With caching_sha2_password only after a full authentication; until then it never does. */
  proof(proof: Buffer, nonce: Buffer): boolean;
  /** Full authentication: does the password fit? From then on proofs of it do. */
  password(password: Buffer): Promise<boolean>;
}

export interface MysqlLogins {
  check(name: string): MysqlCheck;
}

/** `secret`: at least 16 bytes, kept over restarts: an unknown user's plugin must not change. */
export function createMysqlLogins(users: () => Users, secret: Buffer): MysqlLogins {
  const fast = new LRUCache<string, { readonly stored: string; readonly digest: Buffer }>({ max: FAST_MAX });
  const oneByOne = createQueue(FULL_CHECKS_WAITING_MAX);
  return {
    check(name) {
      const stored = users().get(name)?.mysql ?? null;
      const form = stored === null ? null : parseStored(stored);
      if (stored === null || form === null) return nobody(decoy(name, users(), secret), oneByOne);
      if (form.plugin === NATIVE)
        return {
          plugin: NATIVE,
          proof: (proof, nonce) => checkNative(proof, nonce, form.digest),
          password: () => Promise.resolve(false),
        };
      const known = (): Buffer | null => {
        const entry = fast.get(name);
        return entry?.stored === stored ? entry.digest : null;
      };
      return {
        plugin: CACHING_SHA2,
        proof(proof, nonce) {
          const digest = known();
          return digest !== null && checkFast(proof, nonce, digest);
        },
        async password(password) {
          if (password.length > PASSWORD_BYTES_MAX) return false;
          const digest = fastDigest(password);
          // Of a pool that opens many connections at once, the first does the work.
          const right = await oneByOne(async () => known()?.equals(digest) === true || checkStored(password, form));
          if (right) fast.set(name, { stored, digest });
          return right;
        },
      };
    },
  };
}

function nobody(like: StoredPassword, oneByOne: Queue): MysqlCheck {
  return {
    plugin: like.plugin,
    proof: () => false,
    async password(password) {
      if (like.plugin === NATIVE || password.length > PASSWORD_BYTES_MAX) return false;
      await oneByOne(() => checkStored(password, { ...NOBODY, rounds: like.rounds }));
      return false;
    },
  };
}

/** Whom an unknown user is like in what is asked and in how long it takes: some user, the same one each time. */
function decoy(name: string, users: Users, secret: Buffer): StoredPassword {
  const forms = users.all.map((user) => user.mysql).filter((form) => form !== null);
  if (forms.length === 0) return NOBODY;
  const at = createHmac('sha256', secret).update(`mysql:${name}`).digest().readUInt32BE(0) % forms.length;
  return parseStored(forms[at] as string) ?? NOBODY;
}

type Queue = (check: () => Promise<boolean>) => Promise<boolean>;

/** One after the other; false for what comes while `waiting_max` wait. */
export function createQueue(waiting_max: number): Queue {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  return async (check) => {
    if (waiting >= waiting_max) return false;
    waiting += 1;
    const run = last.then(check);
    last = run.catch(() => {});
    return run.finally(() => {
      waiting -= 1;
    });
  };
}
