// What the claims of a token whose signature was checked say, and whether they hold now and here. Pure.
// Must never read a claim of another type than it has to be as if it were not there: what is odd is refused.
import { createHash } from 'node:crypto';
import type { ClaimPath, JwtIssuer } from '../../config/jwt.ts';
import type { SourceEntry, TokenFacts } from '../types.ts';
import { isObject } from './json.ts';

/** Clocks may be so far apart. */
export const SKEW_MS = 60_000;
const NAME_CHARS_MAX = 200;
const TASK_CHARS_MAX = 1000;
const GROUPS_MAX = 1000;
/** People on whose behalf, and parties that acted for each other (RFC 8693, 4.1). */
const PEOPLE_MAX = 16;

type Claims = Readonly<Record<string, unknown>>;

/** What a token says; a text: why it is not good, for tests and operators, never for whoever sent it. */
export type Said = SourceEntry | string;

/** For refusing; never leaves this file. */
class Odd extends Error {}

/** `signed`: header and payload as they stand in the token; `key`: the thumbprint of what signed it; `now`: ms since the epoch. */
export function entryOf(
  claims: Claims,
  issuer: JwtIssuer,
  user: string,
  { signed, key, now }: { readonly signed: string; readonly key: string; readonly now: number },
): Said {
  try {
    if (claims['iss'] !== issuer.issuer) return 'iss';
    if (!texts(claims['aud'], 'aud', PEOPLE_MAX).some((one) => issuer.audience.includes(one))) return 'aud';
    // A login to a database proves no key (RFC 7800): it would make a bearer token of one that is none.
    if (claims['cnf'] !== undefined) return 'cnf';
    const times = timesOf(claims, issuer, now);
    const { user: name, groups, sponsor, task, on_behalf_of } = issuer.claims;
    const id = textAt(claims, name);
    if (id === null || id === '' || id !== user) return 'user';
    const actors = actorsOf(claims);
    const answers = textAt(claims, sponsor) ?? actors[0] ?? null;
    const behalf = [...textsAt(claims, on_behalf_of, PEOPLE_MAX), ...actors];
    const others = ['sub', 'email', 'preferred_username'].flatMap((one) => textAt(claims, [one]) ?? []);
    const jti = textAt(claims, ['jti']);
    const token: TokenFacts = {
      issuer: issuer.issuer,
      id: jti ?? `sha256:${createHash('sha256').update(signed).digest('base64url')}`,
      issued: times.issued,
      key,
    };
    return {
      source: 'jwt',
      id,
      groups: (groups === null ? [] : textsAt(claims, groups, GROUPS_MAX)).map((group) => `jwt:${group}`),
      aliases: distinct(others, [id]),
      sponsor: answers === id ? null : answers,
      on_behalf_of: distinct(behalf, [id, answers]),
      task: textAt(claims, task, TASK_CHARS_MAX),
      expires: times.expires,
      token,
    };
  } catch (error) {
    if (error instanceof Odd) return error.message;
    throw error;
  }
}

/** How long after `exp` a token of this issuer is taken: of our own, the clock is ours. */
function lateOf({ keys }: JwtIssuer): number {
  return keys.from === 'own' ? 0 : SKEW_MS;
}

/** Milliseconds since the epoch; `expires`: from which on it is not good any more. Throws Odd. */
function timesOf(
  claims: Claims,
  issuer: JwtIssuer,
  now: number,
): { readonly issued: number; readonly expires: number } {
  const issued = time(claims, 'iat');
  const ends = time(claims, 'exp');
  if (issued === null) throw new Odd('iat');
  if (ends === null || ends <= issued || ends - issued > issuer.lifetime_ms) throw new Odd('exp');
  const expires = ends + lateOf(issuer);
  if (now >= expires) throw new Odd('exp');
  if (issued > now + SKEW_MS) throw new Odd('iat');
  const begins = time(claims, 'nbf');
  if (begins !== null && begins > now + SKEW_MS) throw new Odd('nbf');
  return { issued, expires };
}

/** NumericDate (RFC 7519, 2), in ms; null: not there. */
function time(claims: Claims, name: string): number | null {
  const value = own(claims, name);
  if (value === undefined) return null;
  // The year 5138: what is more was meant as milliseconds.
  if (typeof value !== 'number' || !(value >= 0 && value < 1e11)) throw new Odd(name);
  return value * 1000;
}

/** Who acts, and who acted before: whoever had the token's power in its hands (RFC 8693, 4.1). */
function actorsOf(claims: Claims): readonly string[] {
  const found: string[] = [];
  for (let act = own(claims, 'act'); act !== undefined; act = own(act, 'act')) {
    if (!isObject(act) || found.length >= PEOPLE_MAX) throw new Odd('act');
    const sub = textAt(act, ['sub']);
    if (sub === null) throw new Odd('act');
    found.push(sub);
  }
  return found;
}

function textAt(claims: Claims, path: ClaimPath, chars_max: number = NAME_CHARS_MAX): string | null {
  const value = valueAt(claims, path);
  if (value === undefined) return null;
  if (typeof value !== 'string' || value.length > chars_max) throw new Odd(path.join('.'));
  return value === '' ? null : value;
}

/** One text, or a list of them; [] where it is not there. */
function textsAt(claims: Claims, path: ClaimPath, max: number): readonly string[] {
  const value = valueAt(claims, path);
  return value === undefined ? [] : texts(value, path.join('.'), max);
}

function texts(value: unknown, name: string, max: number): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length > max || !list.every((one) => typeof one === 'string' && one !== '' && one.length <= NAME_CHARS_MAX))
    throw new Odd(name);
  return list as readonly string[];
}

/** Undefined: something on the way is not there. */
function valueAt(claims: Claims, path: ClaimPath): unknown {
  let value: unknown = claims;
  for (const name of path) {
    if (value === undefined) return undefined;
    if (!isObject(value)) throw new Odd(path.join('.'));
    value = own(value, name);
  }
  return value;
}

function own(claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

function distinct(names: readonly string[], but: readonly (string | null)[]): readonly string[] {
  return [...new Set(names)].filter((name) => !but.includes(name));
}
