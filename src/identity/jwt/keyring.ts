// An issuer's keys as they are now: had when they are needed, kept a while, had again for a token that none of them signed.
// Must never ask more often than once in its interval, whatever is sent to us, and never trust keys that are older than KEPT_MS.
import { SourceDown } from '../types.ts';
import type { TrustedKey } from './keys.ts';

/** Keys of this age are good without asking. */
const FRESH_MS = 5 * 60_000;
/** The same where somebody's decision hangs on it. */
const AFRESH_MS = 30_000;
/** While the issuer can't be asked, its keys are good for so long after it last answered; then its tokens are SourceDown. */
export const KEPT_MS = 3_600_000;
/** Between two tries. */
export const RETRY_MS = 10_000;

/** How old keys may be, in ms; a file is asked more often than a network. */
export interface Pace {
  readonly fresh_ms: number;
  readonly afresh_ms: number;
  readonly retry_ms: number;
}
export const NETWORK_PACE: Pace = { fresh_ms: FRESH_MS, afresh_ms: AFRESH_MS, retry_ms: RETRY_MS };
export const FILE_PACE: Pace = { fresh_ms: 1_000, afresh_ms: 1_000, retry_ms: 1_000 };

export interface Keyring {
  /** Those that a token with this header may be signed by. Rejects SourceDown. */
  find(alg: string, kid: string | null): Promise<readonly TrustedKey[]>;
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
  /** Keys of at most this age where that can be had, else of KEPT_MS. */
  const current = async (age_ms_max: number): Promise<readonly TrustedKey[]> => {
    if (age() > age_ms_max) {
      const asked = ask();
      // Nobody waits for an issuer that has just failed to answer, while its keys are good.
      if (fault === null || age() > KEPT_MS) await asked;
    }
    if (age() > KEPT_MS)
      throw new SourceDown('jwt', `The keys of ${name} cannot be had${fault === null ? '' : `: ${fault}`}.`);
    return keys;
  };

  return {
    async find(alg, kid) {
      const all = await current(pace.fresh_ms);
      return all.filter((key) => key.alg === alg && (kid === null || key.kid === kid));
    },
    async renew() {
      const before = had;
      await ask();
      return had !== before;
    },
    get failing() {
      return fault !== null;
    },
    async trusts(thumbprint) {
      return (await current(pace.afresh_ms)).some((key) => key.thumbprint === thumbprint);
    },
  };
}
