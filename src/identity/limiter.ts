// Slows down guessing: after a few wrong passwords a user name from an address has to wait, longer each time.
// Must never lock a user out from everywhere: a stranger could do that to anyone.
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { networkOf } from '../config/addresses.ts';

export const FREE_TRIES = 5;
export const BACK_OFF_FIRST_MS = 1000;
export const BACK_OFF_MAX_MS = 5 * 60_000;
/** Failures are forgotten after so long without a try. */
export const FORGET_MS = 3_600_000;
/** Pairs of user and address remembered: so many that have to wait, and so many that do not yet. */
export const PAIRS_MAX = 10_000;
/** Of a pair; a longer one is kept as its hash. */
const KEY_CHARS_MAX = 256;

interface Failures {
  readonly failures: number;
  readonly last: number;
}

export interface FailureLimiter {
  /** Milliseconds until a try counts again; 0: now. To refuse early, before a password is worked on. */
  wait(user: string, address: string): number;
  /**
   * Takes the result of a check and says whether it counts: a right password is refused too while the pair has to wait,
   * so guessing in parallel gains nothing. A pool that opens twenty connections at once with the right one is let in.
   */
  judge(user: string, address: string, right: boolean): boolean;
}

export function createFailureLimiter(now: () => number = Date.now): FailureLimiter {
  // Apart, or one try each at many other names would make it forget the one that has to wait.
  const free = new LRUCache<string, Failures>({ max: PAIRS_MAX });
  const slowed = new LRUCache<string, Failures>({ max: PAIRS_MAX });

  function failuresOf(key: string): Failures {
    const known = slowed.get(key) ?? free.get(key);
    return known !== undefined && now() - known.last < FORGET_MS ? known : { failures: 0, last: 0 };
  }

  function wait(user: string, address: string): number {
    const { failures, last } = failuresOf(keyOf(user, address));
    if (failures < FREE_TRIES) return 0;
    const pause = Math.min(BACK_OFF_FIRST_MS * 2 ** (failures - FREE_TRIES), BACK_OFF_MAX_MS);
    return Math.max(0, last + pause - now());
  }

  return {
    wait,
    judge(user, address, right) {
      if (wait(user, address) > 0) return false;
      const key = keyOf(user, address);
      const failures = failuresOf(key).failures + 1;
      free.delete(key);
      slowed.delete(key);
      if (!right) (failures < FREE_TRIES ? free : slowed).set(key, { failures, last: now() });
      return right;
    },
  };
}

/** A name is a stranger's: thousands of the longest, which grow when they are folded, must not fill the memory. */
function keyOf(user: string, address: string): string {
  const key = JSON.stringify([user, networkOf(address)]);
  return key.length <= KEY_CHARS_MAX ? key : createHash('sha256').update(key).digest('hex');
}
