// An issuer's keys as they are now: had when they are needed, kept a while, had again for a token that none of them signed.
// Must never ask more often than once in its interval, whatever is sent to us, and never trust keys that are older than KEPT_MS.
import { SourceDown } from '../types.ts';
import type { TrustedKey } from './keys.ts';

/** Keys of this age are good without asking. */
const FRESH_MS = 5 * 60_000;
/** From this age on they are asked for beside a login, so that none has to wait for that. */
const EARLY_MS = 4 * 60_000;
/** A login waits so long for newer keys, where there are some that may be used. */
export const PATIENCE_MS = 500;
/** The same where somebody's decision hangs on it. */
const AFRESH_MS = 30_000;
/** While the issuer can't be asked, its keys are good for so long after it last answered; then its tokens are SourceDown. */
export const KEPT_MS = 3_600_000;
/** Between two tries. */
export const RETRY_MS = 10_000;

/** How old keys may be, in ms; a file is asked more often than a network. */
export interface Pace {
  readonly fresh_ms: number;
  readonly early_ms: number;
  readonly afresh_ms: number;
  readonly retry_ms: number;
}
export const NETWORK_PACE: Pace = { fresh_ms: FRESH_MS, early_ms: EARLY_MS, afresh_ms: AFRESH_MS, retry_ms: RETRY_MS };
export const FILE_PACE: Pace = { fresh_ms: 1_000, early_ms: 1_000, afresh_ms: 1_000, retry_ms: 1_000 };

export interface Keyring {
  /** Those that a token with this header may be signed by. Rejects SourceDown. */
  find(alg: string, kid: string | null): Promise<readonly TrustedKey[]>;
  /** Is such a key at hand, so that `find` has it soon, whatever the issuer does? */
  knows(alg: string, kid: string | null): boolean;
  /** Asks again, unless that was done a moment ago: true where there are newer keys now. Rejects nothing. */
  renew(): Promise<boolean>;
  /** Did the last try fail? Then a key that is not here may be there. */
  readonly failing: boolean;
  /** Is a key of this thumbprint still one of them? By keys of at most AFRESH_MS, where the issuer can be asked. Rejects SourceDown. */
  trusts(thumbprint: string): Promise<boolean>;
}

export interface KeyringOptions {
  /** Of the issuer, for messages. */
  readonly name: string;
  readonly load: () => Promise<readonly TrustedKey[]>;
  readonly pace: Pace;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Told when keys can't be had, and when they can again. */
  readonly told: (fault: string | null) => void;
}

export function createKeyring({ name, load, pace, now, told }: KeyringOptions): Keyring {
  let keys: readonly TrustedKey[] = [];
  let had = -Infinity;
  let tried = -Infinity;
  let fault: string | null = null;
  let asking: Promise<void> | null = null;

  const age = (): number => {
    const ms = now() - had;
    // The clock was set back: nobody knows how old they are.
    return ms < 0 ? Infinity : ms;
  };
  const ask = (): Promise<void> => {
    const since = now() - tried;
    if (asking !== null || (since >= 0 && since < pace.retry_ms)) return asking ?? Promise.resolve();
    tried = now();
    asking = load()
      .then(
        (found) => {
          keys = found;
          had = now();
          if (fault !== null) told(null);
          fault = null;
        },
        (error: unknown) => {
          if (fault === null) told((error as Error).message);
          fault = (error as Error).message;
        },
      )
      .finally(() => (asking = null));
    return asking;
  };
  /** Keys of at most this age where that can be had in this time (null: whatever it takes), else of KEPT_MS. */
  const current = async (age_ms_max: number, patience_ms: number | null): Promise<readonly TrustedKey[]> => {
    if (age() > age_ms_max) {
      const asked = ask();
      if (age() > KEPT_MS) await asked;
      // Nobody waits for an issuer that has just failed to answer, while its keys are good.
      else if (fault === null) await (patience_ms === null ? asked : atMost(patience_ms, asked));
    } else if (age() > pace.early_ms) void ask();
    if (age() > KEPT_MS)
      throw new SourceDown('jwt', `The keys of ${name} cannot be had${fault === null ? '' : `: ${fault}`}.`);
    return keys;
  };

  const fitting = (all: readonly TrustedKey[], alg: string, kid: string | null): readonly TrustedKey[] =>
    all.filter((key) => key.alg === alg && (kid === null || key.kid === kid));

  return {
    async find(alg, kid) {
      // Whoever names a key that is not here waits for those that have it; the others don't wait with them.
      const patience_ms = fitting(keys, alg, kid).length > 0 ? PATIENCE_MS : null;
      return fitting(await current(pace.fresh_ms, patience_ms), alg, kid);
    },
    knows: (alg, kid) => age() <= KEPT_MS && fitting(keys, alg, kid).length > 0,
    async renew() {
      const before = had;
      await ask();
      return had !== before;
    },
    get failing() {
      return fault !== null;
    },
    async trusts(thumbprint) {
      return (await current(pace.afresh_ms, null)).some((key) => key.thumbprint === thumbprint);
    },
  };
}

/** Resolves when that is over, or so much time. */
async function atMost(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, over]);
  clearTimeout(timer);
}
