// Holdpoint's own tokens: what signs them, which were given out, which are void. All of it in one file, data/tokens.json, mode 0600: without
// that file none of them is good. Must never keep a token, never forget a revocation before what it revokes has ended by itself, and never
// say that something is done before it is durable.
import { randomUUID } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose';
import { z } from 'zod';
import { DATABASE_AUDIENCE, LIFETIME_MS_MAX, OWN_ISSUER, OWN_TYPE } from '../../config/jwt.ts';
import { replaceFile } from '../file.ts';
import type { SourceEntry } from '../types.ts';
import { SKEW_MS } from './claims.ts';
import type { TrustedKey } from './keys.ts';

/** Given out and not ended. */
export const TOKENS_MAX = 5_000;
/** Of somebody, all at once. */
export const CUTOFFS_MAX = 10_000;
/** Of other issuers, one by one. */
export const REVOKED_MAX = 10_000;
const ALGORITHM = 'EdDSA';

const at = z.number();
/** Of the file: what it means, and which names are in it. */
const VERSION = 1;
const stateSchema = z.strictObject({
  version: z.literal(VERSION),
  /** The last one signs; those before it are good for what they signed. */
  keys: z
    .array(
      z.strictObject({
        id: z.string(),
        made: at,
        /** From when on it signs no more; null: it signs. */
        until: at.nullable(),
        jwk: z.strictObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), d: z.string() }),
      }),
    )
    .min(1),
  issued: z.array(
    z.strictObject({
      id: z.string(),
      for: z.string(),
      by: z.string(),
      on_behalf_of: z.array(z.string()),
      issued: at,
      expires: at,
      revoked: z.strictObject({ by: z.string(), at }).nullable(),
    }),
  ),
  /** Tokens of any issuer for somebody, that are as old as this or older, are void. */
  cutoffs: z.array(z.strictObject({ of: z.string(), by: z.string(), at })),
  /** Single tokens of other issuers, by `iss` and `jti`. */
  revoked: z.array(z.strictObject({ issuer: z.string(), id: z.string(), by: z.string(), at })).default([]),
});
type State = z.infer<typeof stateSchema>;
export type IssuedToken = State['issued'][number];

export interface NewToken {
  readonly for: string;
  readonly by: string;
  /** Who answers for it; null: nobody. */
  readonly sponsor: string | null;
  readonly task: string | null;
  readonly on_behalf_of: readonly string[];
  readonly ttl_ms: number;
}

/** Each call resolves when what it did is durable; what can't be written rejects, and a revocation counts all the same while this process lives. */
export interface OwnTokens {
  /** `record` puts it on record under its id before it is good for anything; where it rejects, there is no token. Null: too many are in use. */
  issue(
    what: NewToken,
    record: (id: string) => Promise<void>,
  ): Promise<{ readonly id: string; readonly token: string; readonly expires: number } | null>;
  /** Those that have not ended, in order. */
  list(): readonly IssuedToken[];
  /** False: there is none such, or it is revoked already. */
  revoke(id: string, by: string): Promise<boolean>;
  /** All that were issued for somebody until now, by any issuer. How many of our own these are; null: too many such orders are in force. */
  revokeAll(of: string, by: string): Promise<number | null>;
  /** One of another issuer, by its `jti`, whether or not it was ever seen here. False: too many such orders are in force. */
  revokeOther(issuer: string, id: string, by: string): Promise<boolean>;
  /** Another key signs. `drop`: what older keys signed is void from now on. The new key's id. */
  rotate(drop: boolean): Promise<string>;
  /** Why this token is void, as far as this file tells; null: it is not. */
  standing(entry: Pick<SourceEntry, 'id' | 'token'>): string | null;
  keys(): readonly TrustedKey[];
}

export interface OwnTokensOptions {
  /** May this person get that agent a token, as things are now? One that was got is good for as long as they may. */
  readonly mayIssue: (by: string, agent: string) => boolean;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** What the file says now of tokens, for who only looks: it is neither made nor changed. Rejects where it is there and is not what was written. */
export async function readOwnTokens(
  path: string,
  { mayIssue }: Pick<OwnTokensOptions, 'mayIssue'>,
): Promise<Pick<OwnTokens, 'standing' | 'keys'>> {
  const state = await read(path);
  if (state === null) return { standing: () => null, keys: () => [] };
  const keys = await Promise.all(state.keys.map(publicPart));
  return { standing: (entry) => standingOf(state, entry, mayIssue), keys: () => keys };
}

/** Reads the file, or makes it. Rejects where it is there and is not what this wrote. */
export async function openOwnTokens(path: string, { mayIssue, now = Date.now }: OwnTokensOptions): Promise<OwnTokens> {
  const state = (await read(path)) ?? {
    version: VERSION,
    keys: [await makeKey(now())],
    issued: [],
    cutoffs: [],
    revoked: [],
  };
  const verifying = new Map<string, TrustedKey>();
  for (const key of state.keys) verifying.set(key.id, await publicPart(key));
  let writing: Promise<void> = Promise.resolve();
  const write = (): Promise<void> => {
    forget(state, now());
    // What is written is what is so by then: of many changes at once, each is in the file when its own write is over.
    const done = writing.then(() => replace(path, state));
    writing = done.catch(() => {});
    return done;
  };
  await write();

  return {
    async issue(what, record) {
      forget(state, now());
      if (state.issued.length >= TOKENS_MAX) return null;
      const id = randomUUID();
      const seconds = Math.floor(now() / 1000);
      const ends = seconds + Math.ceil(what.ttl_ms / 1000);
      const token = await sign(state, what, { id, seconds, ends });
      await record(id);
      const { for: agent, by, on_behalf_of } = what;
      const entry: IssuedToken = {
        id,
        for: agent,
        by,
        on_behalf_of: [...on_behalf_of],
        issued: now(),
        expires: ends * 1000,
        revoked: null,
      };
      state.issued.push(entry);
      try {
        await write();
      } catch (error) {
        state.issued = state.issued.filter((one) => one !== entry);
        throw error;
      }
      return { id, token, expires: entry.expires };
    },
    list: () => state.issued.filter(({ expires }) => now() < expires),
    async revoke(id, by) {
      const found = state.issued.find((one) => one.id === id);
      if (found === undefined || found.revoked !== null) return false;
      found.revoked = { by, at: now() };
      await write();
      return true;
    },
    async revokeAll(of, by) {
      forget(state, now());
      const others = state.cutoffs.filter((one) => one.of !== of);
      if (others.length >= CUTOFFS_MAX) return null;
      state.cutoffs = [...others, { of, by, at: now() }];
      const own = state.issued.filter((one) => one.for === of && one.revoked === null && now() < one.expires);
      for (const one of own) one.revoked = { by, at: now() };
      await write();
      return own.length;
    },
    async revokeOther(issuer, id, by) {
      forget(state, now());
      if (isRevoked(state, { issuer, id })) {
        // Of one whose write failed it may not be durable yet.
        await write();
        return true;
      }
      if (state.revoked.length >= REVOKED_MAX) return false;
      state.revoked.push({ issuer, id, by, at: now() });
      await write();
      return true;
    },
    async rotate(drop) {
      const made = await makeKey(now());
      verifying.set(made.id, await publicPart(made));
      if (drop) state.keys = [];
      for (const key of state.keys) key.until ??= now();
      state.keys.push(made);
      await write();
      return made.id;
    },
    standing: (entry) => standingOf(state, entry, mayIssue),
    keys: () => state.keys.flatMap(({ id }) => verifying.get(id) ?? []),
  };
}

function standingOf(
  state: State,
  { id, token }: Pick<SourceEntry, 'id' | 'token'>,
  mayIssue: OwnTokensOptions['mayIssue'],
): string | null {
  if (token === null) return 'it is no token';
  if (token.issuer === OWN_ISSUER) {
    const issued = state.issued.find((one) => one.id === token.id);
    if (issued === undefined) return 'it is not among those that were given out';
    if (issued.revoked !== null) return 'it was revoked';
    return mayIssue(issued.by, issued.for) ? null : 'who got it may not get one any more';
  }
  if (isRevoked(state, token)) return 'it was revoked';
  const cutoff = state.cutoffs.find(({ of }) => of === id);
  // Another's clock may be ahead of ours: what it gave out before now may say that it is younger.
  return cutoff !== undefined && token.issued <= cutoff.at + SKEW_MS ? 'it was revoked' : null;
}

function isRevoked({ revoked }: State, token: { readonly issuer: string; readonly id: string }): boolean {
  return revoked.some(({ issuer, id }) => id === token.id && issuer === token.issuer);
}

async function sign(
  { keys }: State,
  { for: agent, by, sponsor, task, on_behalf_of }: NewToken,
  { id, seconds, ends }: { readonly id: string; readonly seconds: number; readonly ends: number },
): Promise<string> {
  const signing = keys.at(-1);
  if (signing === undefined) throw new Error('there is no key to sign with');
  const claims = {
    ...(sponsor !== null && { sponsor }),
    act: { sub: by },
    ...(task !== null && { task }),
    ...(on_behalf_of.length > 0 && { on_behalf_of }),
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: ALGORITHM, typ: OWN_TYPE, kid: signing.id })
    .setIssuer(OWN_ISSUER)
    .setAudience(DATABASE_AUDIENCE)
    .setSubject(agent)
    .setIssuedAt(seconds)
    .setExpirationTime(ends)
    .setJti(id)
    .sign(await importJWK(signing.jwk, ALGORITHM));
}

/** What has ended by itself. */
function forget(state: State, now: number): void {
  // A clock that is set back for a while must not bring anything back to life.
  const gone = (end: number): boolean => end + LIFETIME_MS_MAX < now;
  state.issued = state.issued.filter(({ expires }) => expires + SKEW_MS >= now);
  state.cutoffs = state.cutoffs.filter((one) => !gone(one.at + LIFETIME_MS_MAX));
  // It may be of a clock that is ahead of ours.
  state.revoked = state.revoked.filter((one) => !gone(one.at + LIFETIME_MS_MAX + 2 * SKEW_MS));
  state.keys = state.keys.filter(({ until }) => until === null || !gone(until));
}

async function makeKey(now: number): Promise<State['keys'][number]> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const { kty, crv, x, d } = await exportJWK(privateKey);
  const id = await calculateJwkThumbprint({ kty: kty as string, crv: crv as string, x: x as string });
  return { id, made: now, until: null, jwk: { kty: 'OKP', crv: 'Ed25519', x: x as string, d: d as string } };
}

async function publicPart({ id, jwk: { kty, crv, x } }: State['keys'][number]): Promise<TrustedKey> {
  const key = await importJWK({ kty, crv, x }, ALGORITHM);
  return { kid: id, alg: ALGORITHM, key, thumbprint: id };
}

const newerThan = z.object({ version: z.int().gt(VERSION) });

async function read(path: string): Promise<State | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const value = valueOf(text);
  const newer = newerThan.safeParse(value);
  if (newer.success)
    throw new Error(
      `${path} was written by a newer Holdpoint (format ${newer.data.version}; this one reads format ${VERSION}). Run that Holdpoint again, or put back the whole data folder as it was before the upgrade. Do not delete the file: without it every token that Holdpoint gave out is void, and revocations of others' are forgotten`,
    );
  const state = stateSchema.safeParse(value);
  if (state.success) return state.data;
  // Without what was wrong: it would quote a key.
  throw new Error(
    `${path} is not what Holdpoint keeps there. Restore it; without it every token that Holdpoint gave out is void, and revocations of others' are forgotten`,
  );
}

/** Undefined: no JSON. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function replace(path: string, state: State): Promise<void> {
  await replaceFile(path, `${JSON.stringify(state)}\n`);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
