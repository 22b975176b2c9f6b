// What is wrong with a token, in words and with the facts beside it: for `whoami`, whose user has the token and the configuration. Says what the check has
// found, and must never check anything by itself; what it quotes of a token is what that says, whoever made it. Never prints a token, nor its signature.
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { JwtIssuer } from '../config/jwt.ts';
import { mayGetToken } from '../identity/answers.ts';
import type { Directory } from '../identity/directory.ts';
import { SKEW_MS } from '../identity/jwt/claims.ts';
import { createJwt, unverified } from '../identity/jwt/jwt.ts';
import { readOwnTokens } from '../identity/jwt/own.ts';
import { SourceDown, type SourceEntry } from '../identity/types.ts';

const QUOTED_CHARS_MAX = 100;

type Claims = Readonly<Record<string, unknown>>;

/** Whom a token says that it is for; null: that can't be read in it. */
export function nameIn({ identity }: Config, token: Buffer): string | null {
  const claims = unverified(token)?.claims;
  if (claims === undefined) return null;
  const issuer = identity.jwt.find((one) => one.issuer === claims['iss']);
  const name = at(claims, issuer?.claims.user ?? ['sub']);
  return typeof name === 'string' && name !== '' ? name : null;
}

/** What it says, or a sentence: why it is not good. Rejects SourceDown. */
export async function readToken(
  { data, identity: { jwt: issuers } }: Config,
  directory: Directory,
  user: string,
  token: Buffer,
): Promise<SourceEntry | string> {
  const file = join(data, 'tokens.json');
  const own = await readOwnTokens(file, {
    mayIssue: (by, agent) => mayGetToken(directory, directory.reviewer(by), agent),
  }).catch((error: Error) => {
    throw new SourceDown('jwt', error.message, { cause: error });
  });
  const said = unverified(token);
  const got = said === null ? undefined : at(said.claims, ['act', 'sub']);
  // Whoever got it may be known to a directory alone.
  await directory.fresh([user, ...(typeof got === 'string' ? [got] : [])]);
  const found = await createJwt({ issuers, own, told: () => {} }).read(user, token);
  if (typeof found !== 'string') return found;
  return `refuses it: ${faultOf(found, said, issuers, user)}`;
}

function faultOf(
  code: string,
  said: ReturnType<typeof unverified>,
  issuers: readonly JwtIssuer[],
  user: string,
): string {
  // A sentence of its own: it was revoked, who got it may not any more.
  if (said === null || code.includes(' ')) return code === 'form' ? FORM : code;
  const issuer = issuers.find((one) => one.issuer === said.claims['iss']);
  const told = FAULTS[code];
  if (issuer === undefined)
    return `its issuer (iss) is ${quoted(said.claims['iss'])}, and identity.jwt has ${issuers.map((one) => one.issuer).join(', ')}`;
  return told === undefined
    ? `its ${code} is of another type than it should be, or too long`
    : told({ ...said, issuer, user });
}

const FORM =
  'it is no token: three parts of base64url with dots between, of which two are JSON objects, 16 KiB at most';

interface Facts {
  readonly header: Claims;
  readonly claims: Claims;
  readonly issuer: JwtIssuer;
  readonly user: string;
}

/** By the word that the check has for it (identity/jwt/claims.ts, jwt.ts). */
const FAULTS: Readonly<Record<string, (facts: Facts) => string>> = {
  aud: ({ claims, issuer }) =>
    `its audience (aud) is ${quoted(claims['aud'])}, and must be ${issuer.audience.join(' or ')}`,
  exp: times,
  iat: times,
  nbf: times,
  alg: ({ header, issuer }) =>
    `it is signed with ${quoted(header['alg'])}, and algorithms of this issuer are ${issuer.algorithms.join(', ')}`,
  signature: ({ header, issuer }) =>
    `no key of ${issuer.issuer} has signed it (kid ${quoted(header['kid'])}, alg ${quoted(header['alg'])})`,
  crit: ({ header }) => `it asks for extensions (crit ${quoted(header['crit'])}), and none is known here`,
  header: ({ header, issuer }) =>
    `its typ is ${quoted(header['typ'])}, and must be ${issuer.type ?? 'JWT, at+jwt or nothing'}; or its kid is no text`,
  user: ({ claims, issuer, user }) =>
    `its ${issuer.claims.user.join('.')} is ${quoted(at(claims, issuer.claims.user))}, and the name that logs in is ${quoted(user)}`,
  cnf: () => 'it is bound to a key (cnf), which a login to a database does not prove',
};

function times({ claims, issuer }: Facts): string {
  const late_s = issuer.keys.from === 'own' ? 0 : SKEW_MS / 1000;
  const begins = claims['nbf'] === undefined ? '' : `, not before (nbf) ${dated(claims['nbf'])}`;
  return `its times: from (iat) ${dated(claims['iat'])}${begins} to (exp) ${dated(claims['exp'])}; it is ${new Date().toISOString()} here. From and to must both be there, at most ${issuer.lifetime_ms / 1000} s apart (lifetime), with now between them (give or take ${late_s} s)`;
}

function dated(seconds: unknown): string {
  const date = new Date(typeof seconds === 'number' ? seconds * 1000 : Number.NaN);
  return Number.isNaN(date.getTime()) ? quoted(seconds) : date.toISOString();
}

/** As JSON has it, which says what is nobody's to see in another way. */
function quoted(value: unknown): string {
  if (value === undefined) return 'not there';
  const text = JSON.stringify(value).replaceAll(/\p{C}/gu, '?');
  return text.length <= QUOTED_CHARS_MAX ? text : `${text.slice(0, QUOTED_CHARS_MAX)}...`;
}

function at(claims: Claims, path: readonly string[]): unknown {
  let value: unknown = claims;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Claims)[name];
  }
  return value;
}
