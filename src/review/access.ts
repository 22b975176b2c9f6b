// Who holds which session of the reviewers' API, and how often somebody may try. In memory: a restart signs everybody out.
// Only hashes of tokens are kept, and a person's rights are read afresh at every call, never from here.
import { createHash, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';

export const SESSIONS_MAX = 10_000;
/** A bearer token of `holdpoint login`. */
export const TOKEN_TTL_MS = 12 * 3_600_000;
/** A link into another program, from the page. */
const LINK_TTL_MS = 2 * 60_000;
const LINKS_MAX = 1_000;

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
  /** When and how whoever has it signed in: password, then totp, say. */
  readonly at: number;
  readonly by: readonly string[];
  /** When they proved who they are, here or at the provider; null: nobody knows, or they did not. */
  readonly auth_time: number | null;
  /** The provider's class of that; null: none was said. */
  readonly acr: string | null;
  /** The sign-in provider's word for it, which signs out there; null: it was none. */
  readonly id_token: string | null;
  /** Ids of requests whose reading by an auditor is on record already. */
  readonly read: Set<string>;
}

const hash = (token: string) => createHash('sha256').update(token).digest('base64url');

export class Sessions {
  readonly #sessions = new LRUCache<string, Session>({ max: SESSIONS_MAX });
  readonly #links = new LRUCache<string, { readonly session: Session; readonly expires: number }>({ max: LINKS_MAX });

  open(
    user: string,
    type: Session['type'],
    ttl_ms: number,
    from: Partial<Pick<Session, 'issuer' | 'by' | 'id_token' | 'at' | 'auth_time' | 'acr'>> & {
      readonly until?: number;
    } = {},
  ): { readonly token: string; readonly session: Session } {
    const token = randomBytes(32).toString('base64url');
    const { issuer = null, by = [], id_token = null, at = Date.now(), auth_time = null, acr = null } = from;
    const { until = Infinity } = from;
    const expires = Math.min(Date.now() + ttl_ms, until);
    const csrf = type === 'cookie' ? randomBytes(24).toString('base64url') : null;
    const how = { at, by, auth_time, acr, id_token };
    const session: Session = { key: hash(token), user, type, issuer, csrf, expires, ...how, read: new Set() };
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

  /** Every session and token of this account, and those that it got for agents. */
  closeAll(user: string): readonly Session[] {
    const of = [...this.#sessions.values()].filter((session) => session.user === user || session.issuer === user);
    for (const session of of) this.close(session);
    return of;
  }

  /** A one-time way from this session into another program, that ends when it does. */
  link(session: Session): { readonly token: string; readonly expires: number } {
    const token = randomBytes(24).toString('base64url');
    const expires = Math.min(Date.now() + LINK_TTL_MS, session.expires);
    this.#links.set(hash(token), { session, expires });
    return { token, expires };
  }

  /** The session that it leads from, once. */
  useLink(token: string): Session | undefined {
    const key = hash(token);
    const found = this.#links.get(key);
    this.#links.delete(key);
    return found && Date.now() < found.expires && this.lives(found.session) ? found.session : undefined;
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
