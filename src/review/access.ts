// Who holds which session of the reviewers' API, and how often somebody may try. In memory: a restart signs everybody out.
// Only hashes of tokens are kept, and a person's rights are read afresh at every call, never from here.
import { createHash, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';

export const SESSIONS_MAX = 10_000;
/** A bearer token of `holdpoint login`. */
export const TOKEN_TTL_MS = 12 * 3_600_000;

export interface Session {
  readonly key: string;
  readonly user: string;
  /** agent: the bearer token of an agent, which `issuer` got it. */
  readonly type: 'cookie' | 'bearer' | 'agent';
  /** The person who got it for an agent; null: whoever it is of. */
  readonly issuer: string | null;
  /** Bound to this session; null for bearer tokens, which no browser adds by itself. */
  readonly csrf: string | null;
  /** Milliseconds since the epoch. */
  readonly expires: number;
  /** Ids of requests whose reading by an auditor is on record already. */
  readonly read: Set<string>;
}

const hash = (token: string) => createHash('sha256').update(token).digest('base64url');

export class Sessions {
  readonly #sessions = new LRUCache<string, Session>({ max: SESSIONS_MAX });

  open(
    user: string,
    type: Session['type'],
    ttl_ms: number,
    issuer: string | null = null,
  ): { readonly token: string; readonly session: Session } {
    const token = randomBytes(32).toString('base64url');
    const session: Session = {
      key: hash(token),
      user,
      type,
      issuer,
      csrf: type === 'cookie' ? randomBytes(24).toString('base64url') : null,
      expires: Date.now() + ttl_ms,
      read: new Set(),
    };
    this.#sessions.set(session.key, session);
    return { token, session };
  }

  find(token: string, by: 'cookie' | 'bearer'): Session | undefined {
    const session = this.#sessions.get(hash(token));
    if (session === undefined || (session.type === 'cookie') !== (by === 'cookie')) return undefined;
    return this.lives(session) ? session : undefined;
  }

  lives(session: Session): boolean {
    return this.#sessions.has(session.key) && Date.now() < session.expires;
  }

  close(session: Session): void {
    this.#sessions.delete(session.key);
  }
}

const KEYS_MAX = 20_000;

/** At most `max` tries for a key in a window that starts with its first. */
export class Limiter {
  readonly #max: number;
  readonly #tries: LRUCache<string, { n: number }>;

  constructor(max: number, window_ms: number) {
    this.#max = max;
    this.#tries = new LRUCache({ max: KEYS_MAX, ttl: window_ms });
  }

  /** Counts a try; false when it is one too many. */
  take(key: string): boolean {
    const entry = this.#tries.get(key);
    if (!entry) this.#tries.set(key, { n: 1 });
    else entry.n += 1;
    return (entry?.n ?? 1) <= this.#max;
  }

  /** Takes a try back: it was a good one. */
  give(key: string): void {
    const entry = this.#tries.get(key);
    if (entry && entry.n > 0) entry.n -= 1;
  }
}
