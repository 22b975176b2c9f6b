// Reviewers sign in with the company's provider: OpenID Connect, authorization code with PKCE, state and nonce. The library speaks the
// protocol and checks what the provider signed; here is what belongs to one browser, and who that is. Must never take an answer that this
// browser did not ask for, one a second time, or a claim that is not the configured one.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import * as client from 'openid-client';
import type { OidcConfig } from '../config/oidc.ts';
import { ProviderDown, PROVIDER_TIMEOUT_MS, providerFetch } from './provider-fetch.ts';
import { type Again, type SourceEntry, SourceDown } from './types.ts';

/** From leaving for the provider to coming back: time to find a phone. */
export const TRANSACTION_MS = 10 * 60_000;
const TRANSACTIONS_MAX = 10_000;
/** The provider's document is read again after so long; its keys whenever one is unknown. */
export const DISCOVERY_MS = 3_600_000;
/** Clocks of provider and gateway may differ by so much. */
const CLOCK_TOLERANCE_S = 30;
/** Groups of one person, and characters of a name: more are not taken, and neither is the sign-in. */
const GROUPS_MAX = 1_000;
const NAME_CHARS_MAX = 255;

export type Finished =
  | {
      readonly type: 'in';
      readonly entry: SourceEntry;
      /** By what the provider gave with the sign-in, which stays here. */
      readonly again: Again;
      /** What the provider says of how: its amr. */
      readonly methods: readonly string[];
      readonly back: string;
      readonly id_token: string;
      /** When the person proved it to the provider, ms since the epoch; null: it does not say. */
      readonly auth_time: number | null;
      /** The class that it says that was of; null: it does not say. */
      readonly acr: string | null;
    }
  | {
      readonly type: 'refused';
      readonly problem: 'refused' | 'down';
      /** One word for the record: what was wrong, nothing that was sent. */
      readonly why: string;
    };

export interface Oidc {
  /** `back`: where the browser goes at the end. `demand`: they prove it anew, and so. Null: the provider does not answer. */
  begin(back: string, demand?: Demand | null): Promise<{ readonly url: string; readonly transaction: string } | null>;
  finish(search: string, transaction: string): Promise<Finished>;
  /** Null: the provider has no such place, or was never asked. */
  signOutUrl(id_token: string): string | null;
}

/** Beyond what the configuration demands. */
export interface Demand {
  /** Null: whenever. */
  readonly max_age_s: number | null;
  /** Asked for; whether it was given is for whoever asks to see. */
  readonly acr: readonly string[];
}

export interface OidcOptions {
  readonly config: OidcConfig;
  /** Where the provider sends the browser back to, exactly as it is registered there. */
  readonly redirect_uri: string;
  /** Where it sends the browser after signing out. */
  readonly signed_out_uri: string;
  /** For the operator: why the provider could not be asked. */
  readonly onDown?: (error: Error) => void;
  /** What it says of somebody counts for so long: as long as the session that they get. */
  readonly session_ms: number;
  readonly now?: () => number;
}

interface Transaction {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly back: string;
  /** What was asked for, so that it is what is looked for. */
  readonly max_age_s: number | null;
  readonly until: number;
}

export function createOidc(options: OidcOptions): Oidc {
  const { config, redirect_uri, signed_out_uri, session_ms, onDown, now = Date.now } = options;
  const transactions = new LRUCache<string, Transaction>({ max: TRANSACTIONS_MAX });
  const provider = discovery(config, now);
  const down = (error: unknown): null => {
    onDown?.(error instanceof Error ? error : new Error(String(error)));
    return null;
  };

  /** Null: the provider's document has no such place, or one in clear. */
  const placeOf = (make: () => string): string | null => {
    try {
      return make();
    } catch (error) {
      return down(error);
    }
  };

  /** A refresh token where the provider gives one, and its userinfo: whatever of these tells groups. */
  const againOf = ({ refresh_token, access_token }: Tokens, sub: string, entry: SourceEntry): Again => {
    const max_age_ms = config.groups_max_age_s * 1000;
    const userinfo = provider.last()?.serverMetadata().userinfo_endpoint !== undefined;
    if (refresh_token === undefined && !userinfo) return { max_age_ms, read: null };
    let has: Tokens = { refresh_token, access_token };
    let reading: Promise<SourceEntry | null> | null = null;
    const read = async (): Promise<SourceEntry | null> => {
      try {
        const known = await provider.get();
        let claims: Claims = {};
        if (has.refresh_token !== undefined) {
          const next = await client.refreshTokenGrant(known, has.refresh_token);
          has = { refresh_token: next.refresh_token ?? has.refresh_token, access_token: next.access_token };
          claims = next.claims() ?? {};
          if (Object.hasOwn(claims, 'sub') && claims['sub'] !== sub) return null;
        }
        const more = userinfo ? await client.fetchUserInfo(known, has.access_token, sub) : {};
        const groups = groupsIn(config, { ...claims, ...more });
        return groups === null ? null : { ...entry, groups };
      } catch (error) {
        if (!isDown(error)) return null;
        down(error);
        throw new SourceDown('oidc', 'the sign-in provider does not answer', { cause: error });
      }
    };
    // A refresh token is good once, so one at a time.
    return { max_age_ms, read: () => (reading ??= read().finally(() => (reading = null))) };
  };

  return {
    async begin(back, demand = null) {
      const known = await provider.get().catch(down);
      if (known === null) return null;
      const [state, nonce, verifier] = [client.randomState(), client.randomNonce(), client.randomPKCECodeVerifier()];
      const acr = [...new Set([...(demand?.acr ?? []), ...config.acr])];
      const max_age_s = least(demand?.max_age_s ?? null, config.max_age_s);
      const asked = {
        redirect_uri,
        scope: config.scopes.join(' '),
        state,
        nonce,
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        ...(acr.length > 0 && { acr_values: acr.join(' ') }),
        ...(max_age_s !== null && { max_age: String(max_age_s) }),
        // A session there that is young enough now may be too old when they come back.
        ...(demand !== null && { prompt: 'login' }),
      };
      const url = placeOf(() => client.buildAuthorizationUrl(known, asked).href);
      if (url === null) return null;
      const transaction = randomBytes(32).toString('base64url');
      transactions.set(hash(transaction), { state, nonce, verifier, back, max_age_s, until: now() + TRANSACTION_MS });
      return { url, transaction };
    },

    async finish(search, transaction) {
      const key = hash(transaction);
      const kept = transactions.get(key);
      // Before anything is looked at: whatever comes of it, it was used.
      transactions.delete(key);
      if (kept === undefined || now() >= kept.until) return refused('transaction');
      // Looked at here as well, so that nothing is sent to the provider for an answer that is not to this question.
      const states = new URLSearchParams(search).getAll('state');
      if (states.length !== 1 || !same(states[0] ?? '', kept.state)) return refused('state');
      const known = await provider.get().catch(down);
      if (known === null) return { type: 'refused', problem: 'down', why: 'down' };
      try {
        const tokens = await client.authorizationCodeGrant(known, new URL(search, redirect_uri), {
          expectedState: kept.state,
          expectedNonce: kept.nonce,
          pkceCodeVerifier: kept.verifier,
          idTokenExpected: true,
          ...(kept.max_age_s !== null && { maxAge: kept.max_age_s }),
        });
        const claims = tokens.claims();
        if (claims === undefined || tokens.id_token === undefined) return refused('id_token');
        const how = howOf(config, claims);
        if (typeof how === 'string') return refused(how);
        const more = await missing(known, config, claims, tokens.access_token);
        const entry = entryOf(config, claims, more, now() + session_ms);
        if (typeof entry === 'string') return refused(entry);
        return {
          type: 'in',
          entry,
          again: againOf(tokens, claims.sub, entry),
          methods: how,
          back: kept.back,
          id_token: tokens.id_token,
          auth_time: timeOf(claims['auth_time']),
          acr: classOf(claims['acr']),
        };
      } catch (error) {
        if (isDown(error)) {
          down(error);
          return { type: 'refused', problem: 'down', why: 'down' };
        }
        return refused(wordFor(error));
      }
    },

    signOutUrl(id_token) {
      const known = provider.last();
      if (known?.serverMetadata().end_session_endpoint === undefined) return null;
      const place = { id_token_hint: id_token, post_logout_redirect_uri: signed_out_uri };
      return placeOf(() => client.buildEndSessionUrl(known, place).href);
    },
  };
}

const refused = (why: string): Finished => ({ type: 'refused', problem: 'refused', why });

interface Discovery {
  /** Rejects where the provider does not answer and never did within DISCOVERY_MS. */
  get(): Promise<client.Configuration>;
  last(): client.Configuration | null;
}

/** The provider's document, read when it is first wanted: a gateway starts without its provider. */
function discovery(config: OidcConfig, now: () => number): Discovery {
  let last: { readonly known: client.Configuration; readonly at: number } | null = null;
  let reading: Promise<client.Configuration> | null = null;
  const read = async (): Promise<client.Configuration> => {
    const known = await discover(config);
    last = { known, at: now() };
    return known;
  };
  return {
    async get() {
      if (last !== null && now() - last.at < DISCOVERY_MS) return last.known;
      reading ??= read().finally(() => (reading = null));
      return reading;
    },
    last: () => last?.known ?? null,
  };
}

/** Rejects ProviderDown, or with what is wrong with its document. */
function discover(config: OidcConfig): Promise<client.Configuration> {
  const { issuer, client_id, client_secret, ca } = config;
  const metadata = { [client.clockTolerance]: CLOCK_TOLERANCE_S };
  return client.discovery(
    new URL(issuer),
    client_id,
    metadata,
    client_secret === null ? client.None() : withSecret(client_secret),
    {
      [client.customFetch]: providerFetch(ca),
      timeout: PROVIDER_TIMEOUT_MS / 1000,
      execute: [
        // What came over TLS from the provider itself is checked by its signature all the same.
        client.enableNonRepudiationChecks,
        ...(issuer.startsWith('http:') ? [client.allowInsecureRequests] : []),
      ],
    },
  );
}

/** As the provider takes it; OpenID Connect Core 9: basic where it does not say. */
function withSecret(secret: string): client.ClientAuth {
  const [basic, post] = [client.ClientSecretBasic(secret), client.ClientSecretPost(secret)];
  return (server, ...rest) => {
    const { token_endpoint_auth_methods_supported: ways = ['client_secret_basic'] } = server;
    return (ways.includes('client_secret_basic') ? basic : post)(server, ...rest);
  };
}

interface Tokens {
  readonly refresh_token?: string | undefined;
  readonly access_token: string;
}

type Claims = Readonly<Record<string, unknown>>;

/** The methods that it names; or in one word what was demanded and is not there. */
function howOf({ acr, amr }: OidcConfig, claims: Claims): readonly string[] | string {
  const methods = words(claims['amr']) ?? [];
  if (acr.length > 0 && !(typeof claims['acr'] === 'string' && acr.includes(claims['acr']))) return 'acr';
  if (amr.length > 0 && !amr.some((method) => methods.includes(method))) return 'amr';
  return methods.slice(0, METHODS_KEPT);
}
const METHODS_KEPT = 8;

function least(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

/** A NumericDate in ms. */
function timeOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.floor(value * 1000) : null;
}

function classOf(value: unknown): string | null {
  return typeof value === 'string' && value.length <= NAME_CHARS_MAX ? value : null;
}

/** What the ID token lacks of what is wanted, from the provider's other place for claims: that of the same subject only. */
async function missing(
  known: client.Configuration,
  { id_claim, groups_claim }: OidcConfig,
  claims: Claims,
  access_token: string,
): Promise<Claims> {
  const whole = Object.hasOwn(claims, id_claim) && Object.hasOwn(claims, groups_claim);
  if (whole || known.serverMetadata().userinfo_endpoint === undefined) return {};
  return client.fetchUserInfo(known, access_token, String(claims['sub']));
}

/** Or in one word why they are nobody. */
function entryOf(
  { id_claim, groups_claim }: OidcConfig,
  claims: Claims,
  more: Claims,
  expires: number,
): SourceEntry | string {
  const all = { ...more, ...claims };
  const id = Object.hasOwn(all, id_claim) ? all[id_claim] : undefined;
  if (typeof id !== 'string' || id === '' || id.length > NAME_CHARS_MAX) return 'id_claim';
  // An address that nobody has checked is whatever somebody typed; and what says that it was must speak of this one.
  if (id_claim === 'email' && (Object.hasOwn(claims, 'email') ? claims : more)['email_verified'] !== true)
    return 'email_verified';
  const groups = Object.hasOwn(all, groups_claim) ? words(all[groups_claim]) : [];
  if (groups === null) return 'groups_claim';
  return {
    source: 'oidc',
    id,
    groups: groups.map((name) => `oidc:${name}`),
    aliases: id_claim === 'sub' ? [] : [`oidc:${String(claims['sub'])}`],
    sponsor: null,
    on_behalf_of: [],
    task: null,
    expires,
    token: null,
  };
}

/** With their source before them; null: it does not tell. */
function groupsIn({ groups_claim }: OidcConfig, claims: Claims): readonly string[] | null {
  const names = Object.hasOwn(claims, groups_claim) ? words(claims[groups_claim]) : null;
  return names && names.map((name) => `oidc:${name}`);
}

/** Null: not a list of names. */
function words(value: unknown): readonly string[] | null {
  if (!Array.isArray(value) || value.length > GROUPS_MAX) return null;
  const names = value.filter((name) => typeof name === 'string' && name !== '' && name.length <= NAME_CHARS_MAX);
  return names.length === value.length ? (names as string[]) : null;
}

function isDown(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) {
    if (one instanceof ProviderDown || one.name === 'TimeoutError' || one.name === 'AbortError') return true;
  }
  return false;
}

/** What the library found, in one word: the claim or parameter that was wrong, or its own code. Never what was sent. */
function wordFor(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { code, error: told } = error as { code?: unknown; error?: unknown };
  // Of the provider's own words those that the protocol has (RFC 6749 4.1.2.1, 5.2).
  if (typeof told === 'string' && /^[a-z_]{1,40}$/.test(told)) return told;
  const cause = error.cause as { claim?: unknown; code?: unknown; cause?: { claim?: unknown } } | undefined;
  const claim = cause?.claim ?? cause?.cause?.claim;
  if (typeof claim === 'string' && /^\w{1,40}$/.test(claim)) return claim;
  return typeof code === 'string' && /^\w{1,60}$/.test(code) ? code.toLowerCase() : 'invalid';
}

const hash = (text: string): string => createHash('sha256').update(text).digest('base64url');

function same(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(hash(a)), Buffer.from(hash(b)));
}
