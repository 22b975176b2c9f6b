// The reviewers' stream as a program lives with it: it comes back by itself where it left off, and says at once when it is not
// live. Must never pretend: three seconds without a sign of life and what is on a screen is old.
import type { DownMessage } from './schemas.ts';

/** The server sends a sign of life every second. */
const STALE_MS = 3_000;
/** A snapshot may be large. */
const FIRST_MS = 30_000;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000] as const;
/** What the stream sends; or that nothing comes, until the next message. */
export type Followed =
  | DownMessage
  | {
      readonly type: 'lost';
      /** Of the last sign of life, ms since the epoch of this machine's clock. */
      readonly since: number;
      /** Attempts that have failed since. */
      readonly tries: number;
    };

export interface FollowOptions {
  /** A cursor: what came after it. */
  readonly since?: number;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

export type Dial = (since: number | undefined, signal?: AbortSignal) => AsyncGenerator<DownMessage, void, undefined>;

/**
 * Messages of one stream after the other, none lost and none twice, for as long as `signal` allows. Throws what does not
 * mend by waiting: signed out, without a role.
 */
export async function* follow(
  dial: Dial,
  mends: (error: unknown) => boolean,
  { since, signal }: FollowOptions = {},
): AsyncGenerator<Followed, void, undefined> {
  let cursor = since;
  let heard = Date.now();
  for (let tries = 0; ; tries += 1) {
    if (signal?.aborted) return;
    const cut = new AbortController();
    const end = () => cut.abort();
    signal?.addEventListener('abort', end, { once: true });
    const messages = dial(cursor, cut.signal);
    try {
      for (let patience = FIRST_MS; ; patience = STALE_MS) {
        const next = await within(messages.next(), patience);
        if (next === 'silent' || next.done === true) break;
        heard = Date.now();
        tries = 0;
        if ('cursor' in next.value) cursor = next.value.cursor;
        yield next.value;
      }
    } catch (error) {
      if (!mends(error)) throw error;
    } finally {
      cut.abort();
      signal?.removeEventListener('abort', end);
    }
    if (signal?.aborted) return;
    yield { type: 'lost', since: heard, tries };
    await pause(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] as number, signal);
  }
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | 'silent'> {
  let timer: NodeJS.Timeout | undefined;
  const silent = new Promise<'silent'>((resolve) => {
    timer = setTimeout(resolve, ms, 'silent');
  });
  try {
    return await Promise.race([promise, silent]);
  } finally {
    clearTimeout(timer);
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
    signal?.addEventListener('abort', done);
  });
}
