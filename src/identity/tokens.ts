// Secrets that Holdpoint hands out: one-time sign-ins (in memory) and bearer tokens for the API (data/tokens.json, 0600).
// Must never keep a token itself, only its SHA-256: tokens are random, so nothing slower is needed.
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { replaceFile } from './file.ts';

export const ONE_TIME_MS = 10 * 60_000;
/** Unused one-time sign-ins kept; the oldest goes first. */
export const ONE_TIME_KEPT_MAX = 1000;
export const BEARER_MS = 12 * 3_600_000;
/** Bearer tokens kept of one user; the oldest goes first. */
export const BEARER_PER_USER_MAX = 20;

/** Base 58: nothing that looks like something else when read aloud. */
const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
/** 24 characters of base 58 are 140 bits. */
const ONE_TIME_CHARS = 24;
const BEARER_BYTES = 32;

export interface OneTimeTokens {
  /** A token such as `Kd83-71mQ-...`, good for one use within 10 minutes. */
  issue(user: string): string;
  /** The user, once; null: unknown, used or too old. */
  use(token: string): string | null;
}

export function createOneTimeTokens(now: () => number = Date.now): OneTimeTokens {
  const kept = new Map<string, { readonly user: string; readonly until: number }>();
  return {
    issue(user) {
      const chars = Array.from({ length: ONE_TIME_CHARS }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
      const token = chars.replace(/.{4}(?=.)/g, '$&-');
      kept.set(hash(token), { user, until: now() + ONE_TIME_MS });
      for (const key of kept.keys()) {
        if (kept.size <= ONE_TIME_KEPT_MAX) break;
        kept.delete(key);
      }
      return token;
    },
    use(token) {
      const key = hash(token);
      const found = kept.get(key);
      kept.delete(key);
      return found !== undefined && now() < found.until ? found.user : null;
    },
  };
}

const storedSchema = z.strictObject({
  tokens: z.array(
    z.strictObject({ hash: z.string(), user: z.string(), audience: z.literal('review'), until: z.number() }),
  ),
});
type Stored = z.output<typeof storedSchema>['tokens'][number];

/** What a token is good for; a token of one audience is refused everywhere else. */
export type Audience = Stored['audience'];

export interface BearerTokens {
  /** Durable before it resolves; good for 12 hours. */
  issue(user: string, audience: Audience): Promise<{ readonly token: string; readonly until: number }>;
  /** The user; null: unknown, too old, or for something else. */
  verify(token: string, audience: Audience): string | null;
  revoke(token: string): Promise<void>;
}

/** `path`: data/tokens.json; a file that is not there is empty, one that can't be understood is an error. */
export async function openBearerTokens(path: string, now: () => number = Date.now): Promise<BearerTokens> {
  let tokens = await readTokens(path);
  let writing: Promise<void> = Promise.resolve();

  /** One write after the other, each of the newest list. */
  function save(): Promise<void> {
    const write = writing.then(() => replaceFile(path, `${JSON.stringify({ tokens }, null, 1)}\n`));
    writing = write.catch(() => {});
    return write;
  }

  return {
    async issue(user, audience) {
      const token = `hp_${randomBytes(BEARER_BYTES).toString('base64url')}`;
      const entry: Stored = { hash: hash(token), user, audience, until: now() + BEARER_MS };
      const good = tokens.filter((other) => other.until > now());
      const surplus = good.filter((other) => other.user === user).slice(0, 1 - BEARER_PER_USER_MAX);
      tokens = [...good.filter((other) => !surplus.includes(other)), entry];
      await save();
      return { token, until: entry.until };
    },
    verify(token, audience) {
      const key = hash(token);
      const found = tokens.find((entry) => entry.hash === key && entry.audience === audience);
      return found !== undefined && now() < found.until ? found.user : null;
    },
    async revoke(token) {
      const key = hash(token);
      tokens = tokens.filter((entry) => entry.hash !== key);
      await save();
    },
  };
}

async function readTokens(path: string): Promise<Stored[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  try {
    return storedSchema.parse(JSON.parse(text)).tokens;
  } catch {
    throw new Error(`${path} is not a list of tokens; remove it and every reviewer signs in again`);
  }
}

function hash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
