// One-time sign-ins, in memory: a restart ends them.
// Must never keep a token itself, only its SHA-256: tokens are random, so nothing slower is needed.
import { createHash, randomInt } from 'node:crypto';

export const ONE_TIME_MS = 10 * 60_000;
/** Unused one-time sign-ins kept; the oldest goes first. */
export const ONE_TIME_KEPT_MAX = 1000;

/** Base 58: nothing that looks like something else when read aloud. */
const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
/** 24 characters of base 58 are 140 bits. */
const ONE_TIME_CHARS = 24;

export interface OneTimeTokens {
  /** A token such as `Kd83-71mQ-...`, good for one use within 10 minutes. */
  issue(user: string): string;
  /** The user, once; null: unknown, used or too old. */
  use(token: string): string | null;
}

export function createOneTimeTokens(now: () => number = Date.now): OneTimeTokens {
  const kept = new Map<string, { readonly user: string; readonly until: number }>();
  return {
    issue(user) {
      const chars = Array.from({ length: ONE_TIME_CHARS }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
      const token = chars.replace(/.{4}(?=.)/g, '$&-');
      kept.set(hash(token), { user, until: now() + ONE_TIME_MS });
      for (const key of kept.keys()) {
        if (kept.size <= ONE_TIME_KEPT_MAX) break;
        kept.delete(key);
      }
      return token;
    },
    use(token) {
      const key = hash(token);
      const found = kept.get(key);
      kept.delete(key);
      return found !== undefined && now() < found.until ? found.user : null;
    },
  };
}

function hash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
