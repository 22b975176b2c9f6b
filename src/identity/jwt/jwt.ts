// A token as the password of a database: whose it is, said by an issuer that the configuration names. The same work whoever is named as
// the user: who there is, is never looked up here. Must never let a token choose how it is checked, nor say why it is refused.
import { readFile, stat } from 'node:fs/promises';
import { compactVerify } from 'jose';
import { type JwtIssuer, keysUrl, OWN_ISSUER } from '../../config/jwt.ts';
import { PROVIDER_TIMEOUT_MS, providerFetch } from '../provider-fetch.ts';
import { type PasswordChecker, SourceDown, type SourceEntry } from '../types.ts';
import { entryOf, type Said } from './claims.ts';
import { readObject } from './json.ts';
import { createKeyring, FILE_PACE, type Keyring, NETWORK_PACE } from './keyring.ts';
import { readKeys, type TrustedKey } from './keys.ts';
import type { OwnTokens } from './own.ts';

/** Longer passwords are no tokens. */
export const TOKEN_BYTES_MAX = 16 * 1024;
/** Keys that one token is tried with: an issuer that names none of its keys has few. */
const KEYS_TRIED_MAX = 4;
const KEYS_FILE_BYTES_MAX = 512 * 1024;

export type Standing = { readonly good: true } | { readonly good: false; readonly why: string };

export interface Jwt {
  readonly checker: PasswordChecker;
  /**
   * Is what this entry came from still good: not ended, not revoked, its key still one of its issuer's? To be asked when something is
   * decided or released. `why`: for the log and the operator. Entries of other sources are good here. Rejects SourceDown when nobody can tell.
   */
  stillGood(entry: SourceEntry): Promise<Standing>;
  /** Why a password is refused as a token, for tests and `holdpoint whoami`; never for whoever sent it. Rejects SourceDown. */
  read(user: string, password: Buffer): Promise<Said>;
  /** Has each issuer's keys at hand; for a start. Rejects nothing: what can't be had is told. */
  warm(): Promise<void>;
}

export interface JwtOptions {
  readonly issuers: readonly JwtIssuer[];
  readonly own: Pick<OwnTokens, 'standing' | 'keys'>;
  /** Told when an issuer's keys can't be had (for the operator), and when they can again (null). */
  readonly told: (issuer: string, fault: string | null) => void;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** How long an issuer may take to say what its keys are, its metadata included; default 5 s. */
  readonly fetch_timeout_ms?: number;
}

interface Trusted {
  readonly issuer: JwtIssuer;
  readonly ring: Keyring;
}

export function createJwt({
  issuers,
  own,
  told,
  now = Date.now,
  fetch_timeout_ms = PROVIDER_TIMEOUT_MS,
}: JwtOptions): Jwt {
  const trusted = new Map<string, Trusted>(
    issuers.map((issuer) => {
      const ring =
        issuer.keys.from === 'own'
          ? ownRing(own)
          : createKeyring({
              name: issuer.issuer,
              load: loader(issuer, fetch_timeout_ms),
              pace: issuer.keys.from === 'file' ? FILE_PACE : NETWORK_PACE,
              now,
              told: (fault) => told(issuer.issuer, fault),
            });
      return [issuer.issuer, { issuer, ring }];
    }),
  );

  const read = async (user: string, password: Buffer): Promise<Said> => {
    const token = partsOf(password);
    if (token === null) return 'form';
    const { header, claims, signed } = token;
    const { alg, kid, typ, crit } = header;
    const of = typeof claims['iss'] === 'string' ? trusted.get(claims['iss']) : undefined;
    if (of === undefined) return 'iss';
    // RFC 7515, 4.1.11: we understand no extension. jwk, jku, x5c and x5u are never looked at.
    if (crit !== undefined) return 'crit';
    if (typeof alg !== 'string' || !of.issuer.algorithms.includes(alg)) return 'alg';
    if ((kid !== undefined && typeof kid !== 'string') || !isOfType(typ, of.issuer.type)) return 'header';
    const key = await signer(of, token.text, alg, kid ?? null);
    if (key === null) return 'signature';
    const said = entryOf(claims, of.issuer, user, { signed, key: key.thumbprint, now: now() });
    if (typeof said === 'string') return said;
    return own.standing(said) ?? said;
  };

  return {
    read,
    checker: {
      name: 'jwt',
      async check(user, password) {
        const said = await read(user, password);
        return typeof said === 'string' ? null : said;
      },
      asks(_user, password) {
        const { header, claims } = partsOf(password) ?? {};
        const issuer = claims?.['iss'];
        const of = typeof issuer === 'string' ? trusted.get(issuer) : undefined;
        if (header === undefined || of === undefined) return null;
        const { alg, kid = null } = header;
        // By keys that are at hand nobody is asked; whoever names others must not keep these waiting.
        if (typeof alg === 'string' && (kid === null || typeof kid === 'string') && of.ring.knows(alg, kid))
          return null;
        // Of an issuer that is listed: there are no more names than these.
        return `jwt ${of.issuer.issuer}`;
      },
    },
    async stillGood(entry) {
      if (entry.source !== 'jwt') return { good: true };
      const { token } = entry;
      const of = token === null ? undefined : trusted.get(token.issuer);
      if (token === null || of === undefined) return { good: false, why: 'nobody here trusts its issuer' };
      if (entry.expires === null || now() >= entry.expires) return { good: false, why: 'it has ended' };
      const why = own.standing(entry);
      if (why !== null) return { good: false, why };
      if (!(await of.ring.trusts(token.key)))
        return { good: false, why: 'its issuer has withdrawn the key that signed it' };
      return { good: true };
    },
    async warm() {
      await Promise.all([...trusted.values()].map(({ ring }) => ring.renew()));
    },
  };
}

/** The key that signed it; null: none. Keys are asked for anew where none did, as they may have been rotated. Rejects SourceDown. */
async function signer(
  { issuer, ring }: Trusted,
  text: string,
  alg: string,
  kid: string | null,
): Promise<TrustedKey | null> {
  const keys = await ring.find(alg, kid);
  const found = await firstThatSigned(keys, text, alg);
  if (found !== null) return found;
  if (await ring.renew()) return firstThatSigned(await ring.find(alg, kid), text, alg);
  if (keys.length === 0 && ring.failing)
    throw new SourceDown('jwt', `Whether ${issuer.issuer} has such a key cannot be asked.`);
  return null;
}

async function firstThatSigned(keys: readonly TrustedKey[], text: string, alg: string): Promise<TrustedKey | null> {
  for (const key of keys.slice(0, KEYS_TRIED_MAX)) {
    const good = await compactVerify(text, key.key, { algorithms: [alg] }).then(
      () => true,
      () => false,
    );
    if (good) return key;
  }
  return null;
}

/** What a token says, whoever made it: for showing what is wrong with it, and for nothing else. Null: it is none. */
export function unverified(password: Buffer): Pick<Parts, 'header' | 'claims'> | null {
  return partsOf(password);
}

interface Parts {
  readonly text: string;
  /** What the signature is over. */
  readonly signed: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** A JWS in compact form (RFC 7515, 3.1) around claims; null: it is none. */
function partsOf(password: Buffer): Parts | null {
  if (password.length > TOKEN_BYTES_MAX) return null;
  const text = password.toString('latin1');
  const parts = /^([\w-]+)\.([\w-]+)\.[\w-]+$/.exec(text);
  const header = objectIn(parts?.[1]);
  const claims = objectIn(parts?.[2]);
  return header && claims ? { text, signed: text.slice(0, text.lastIndexOf('.')), header, claims } : null;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

function objectIn(part: string | undefined): Readonly<Record<string, unknown>> | null {
  try {
    return readObject(UTF8.decode(Buffer.from(part ?? '', 'base64url')));
  } catch {
    return null;
  }
}

/** RFC 7515, 4.1.9: "application/" may be left out, and case does not count. An ID token and an access token may both be JWT. */
function isOfType(typ: unknown, wanted: string | null): boolean {
  if (typ === undefined) return wanted === null;
  if (typeof typ !== 'string') return false;
  const type = bare(typ);
  return wanted === null ? type === 'jwt' || type === 'at+jwt' : type === bare(wanted);
}

function bare(type: string): string {
  return type.toLowerCase().replace(/^application\//, '');
}

/** Of our own nothing has to be asked of anybody. */
function ownRing(own: JwtOptions['own']): Keyring {
  return {
    find: async (alg, kid) => own.keys().filter((key) => key.alg === alg && key.kid === kid),
    knows: () => true,
    renew: async () => false,
    failing: false,
    trusts: async (thumbprint) => own.keys().some((key) => key.thumbprint === thumbprint),
  };
}

/** Has an issuer's keys from where the configuration says they are; rejects with a message for the operator. */
export function loader(
  { issuer, keys, algorithms }: JwtIssuer,
  timeout_ms: number,
): () => Promise<readonly TrustedKey[]> {
  switch (keys.from) {
    case 'own':
      throw new Error('nobody has to be asked for our own keys');
    case 'file':
      return async () => {
        if ((await stat(keys.path)).size > KEYS_FILE_BYTES_MAX) throw new Error(`${keys.path} is too large`);
        return named(keys.path, await readFile(keys.path, 'utf8'), algorithms);
      };
    case 'jwks':
      return async () => named(keys.url, await fetchText(keys.url, keys.ca, timeout_ms), algorithms);
    case 'discovery':
      return async () => {
        const begun = performance.now();
        const url = keysIn(await fetchText(keys.url, keys.ca, timeout_ms), issuer, keys.url);
        const left_ms = Math.max(1, Math.ceil(timeout_ms - (performance.now() - begun)));
        return named(url, await fetchText(url, keys.ca, left_ms), algorithms);
      };
  }
}

/** Rejects with a message for the operator. */
async function fetchText(url: string, ca: string | null, timeout_ms: number): Promise<string> {
  const get = { method: 'GET', headers: { accept: 'application/json' }, body: undefined, redirect: 'manual' } as const;
  const answer = await providerFetch(ca, timeout_ms)(url, get).catch((error: Error) => {
    const why = error.cause instanceof Error ? `: ${error.cause.message}` : '';
    throw new Error(`${error.message}${why}`, { cause: error });
  });
  if (answer.status !== 200) {
    const redirect = answer.status >= 300 && answer.status < 400 ? '; redirects are not followed' : '';
    throw new Error(`${url} answers ${answer.status}${redirect}`);
  }
  return answer.text();
}

async function named(where: string, text: string, algorithms: readonly string[]): Promise<readonly TrustedKey[]> {
  try {
    return await readKeys(text, algorithms);
  } catch (error) {
    throw new Error(`${where} ${(error as Error).message}`, { cause: error });
  }
}

/** `jwks_uri` of the metadata (OpenID Connect Discovery 1.0, 3 and 4.3). Only on the issuer's own host: metadata send us nowhere else. */
function keysIn(text: string, issuer: string, from: string): string {
  const metadata = readObject(text);
  if (metadata?.['issuer'] !== issuer) throw new Error(`${from} is no metadata of ${issuer}`);
  const uri = metadata['jwks_uri'];
  if (typeof uri !== 'string') throw new Error(`${from} names no jwks_uri`);
  const url = keysUrl(uri);
  if (url.origin !== new URL(from).origin)
    throw new Error(`${from} has its keys on another host, ${url.host}; if that is meant, name it as jwks`);
  return url.href;
}

/** Whether this configuration takes Holdpoint's own tokens, and for how long they may be good; null: it does not. */
export function ownLifetime(issuers: readonly JwtIssuer[]): number | null {
  return issuers.find(({ issuer }) => issuer === OWN_ISSUER)?.lifetime_ms ?? null;
}
