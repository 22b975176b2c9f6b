// Second factors of those who sign in with a password: what each account has, and what of it is used up. Codes and recovery codes are
// users.yaml's; security keys, and what was used of all of them, are kept in the data folder. Must never let anything count twice, also
// not after a restart: what is used up is durable before it counts.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { replaceFile } from './file.ts';
import { hashRecoveryCode, isTotpCode, openTotp, plain, totpStep } from './totp.ts';
import type { User, Users } from './users.ts';

export const KEYS_PER_USER_MAX = 10;
/** In the data folder: what seals the secrets of authenticator apps in users.yaml. */
export const FACTORS_KEY = 'factors.key';
/** In the data folder: security keys, and what of second factors is used up. */
export const FACTORS_FILE = 'second-factors.json';

const securityKey = z.object({
  id: z.string(),
  name: z.string(),
  /** COSE, base64url. */
  public_key: z.string(),
  /** Signatures that it has counted; stays 0 where it does not count. */
  counter: z.number(),
  transports: z.array(z.string()),
  /** Milliseconds since the epoch. */
  added: z.number(),
  used: z.number().nullable(),
});
export type SecurityKey = Readonly<z.infer<typeof securityKey>>;

const kept = z.object({
  version: z.literal(1),
  /** By user: the last step whose code was used. */
  steps: z.record(z.string(), z.number()),
  /** By user: hashes of recovery codes that were used. */
  recovered: z.record(z.string(), z.array(z.string())),
  keys: z.record(z.string(), z.array(securityKey)),
});
type Kept = z.infer<typeof kept>;

export type Factor = 'totp' | 'recovery' | 'webauthn';

export interface Factors {
  /** What this account could be asked for; []: it has no second factor. */
  of(user: string): readonly Factor[];
  /** Uses up a code of the app or a recovery code; null: it is none, or was used before. Rejects when that can't be kept. */
  code(user: string, code: string): Promise<'totp' | 'recovery' | null>;
  keys(user: string): readonly SecurityKey[];
  /** False: it has too many, or somebody has this one. */
  addKey(user: string, key: SecurityKey): Promise<boolean>;
  /** False: there is none such. */
  removeKey(user: string, id: string): Promise<boolean>;
  /** Puts down what a key has counted; false: it is gone meanwhile, or has counted as far before. */
  keyUsed(user: string, id: string, counter: number): Promise<boolean>;
}

export interface FactorsOptions {
  /** Of what is kept; made when there is something. */
  readonly file: string;
  readonly users: () => Users;
  /** Of the codes in users.yaml, 32 bytes. */
  readonly key: Buffer;
  readonly now?: () => number;
}

/** Rejects when the file is there and is not one. */
export async function openFactors({ file, users, key, now = Date.now }: FactorsOptions): Promise<Factors> {
  const state = await load(file);
  let saving: Promise<unknown> = Promise.resolve();
  /** One at a time, the newest last. */
  const save = async (): Promise<void> => {
    const text = `${JSON.stringify(state, null, 1)}\n`;
    const mine = saving.then(() => replaceFile(file, text));
    saving = mine.catch(() => {});
    await mine;
  };
  const keysOf = (user: string): SecurityKey[] => (Object.hasOwn(state.keys, user) ? (state.keys[user] ?? []) : []);
  const forget = (user: string, id: string): void => {
    const left = keysOf(user).filter((one) => one.id !== id);
    if (left.length === 0) delete state.keys[user];
    else state.keys[user] = left;
  };
  const secretOf = (user: User | undefined): Buffer | null =>
    user === undefined || user.totp === null ? null : openTotp(user.totp, user.id, key);

  return {
    of(id) {
      // An account that identity.map makes has no entry of its own, and may have keys.
      const { totp = null, recovery = [] } = users().get(id) ?? {};
      const spent = state.recovered[id] ?? [];
      return [
        ...(totp === null ? [] : (['totp'] as const)),
        ...(recovery.some((hash) => !spent.includes(hash)) ? (['recovery'] as const) : []),
        ...(keysOf(id).length === 0 ? [] : (['webauthn'] as const)),
      ];
    },
    async code(id, code) {
      const user = users().get(id);
      const secret = secretOf(user);
      const last = state.steps[id] ?? -1;
      if (isTotpCode(code)) {
        const step = secret === null ? null : totpStep(secret, plain(code), now(), last);
        if (step === null) return null;
        // In this turn, so that the same code in two calls at once counts once.
        state.steps[id] = step;
        await save();
        return 'totp';
      }
      const hash = hashRecoveryCode(code);
      const spent = state.recovered[id] ?? [];
      if (!user?.recovery.includes(hash) || spent.includes(hash)) return null;
      // Those of an earlier set are forgotten.
      state.recovered[id] = [...spent.filter((one) => user.recovery.includes(one)), hash];
      await save();
      return 'recovery';
    },
    keys: keysOf,
    async addKey(user, added) {
      const taken = Object.values(state.keys).some((keys) => keys.some(({ id }) => id === added.id));
      if (taken || keysOf(user).length >= KEYS_PER_USER_MAX) return false;
      state.keys[user] = [...keysOf(user), added];
      await save().catch((error: unknown) => {
        forget(user, added.id);
        throw error;
      });
      return true;
    },
    async removeKey(user, id) {
      const gone = keysOf(user).find((one) => one.id === id);
      if (gone === undefined) return false;
      forget(user, id);
      await save().catch((error: unknown) => {
        // Still on disk, so it would be back after a restart: whoever asks again must not be told that there is none.
        if (!keysOf(user).some((one) => one.id === id)) state.keys[user] = [...keysOf(user), gone];
        throw error;
      });
      return true;
    },
    async keyUsed(user, id, counter) {
      const used = keysOf(user).find((one) => one.id === id);
      if (used === undefined || (used.counter > 0 && counter <= used.counter)) return false;
      state.keys[user] = keysOf(user).map((one) => (one === used ? { ...one, counter, used: now() } : one));
      await save();
      return true;
    },
  };
}

async function load(file: string): Promise<Kept> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { version: 1, steps: none(), recovered: none(), keys: none() };
  }
  const parsed = kept.safeParse(json(text));
  if (!parsed.success)
    throw new Error(`${file} is not what Holdpoint keeps of second factors; put it back from a backup`);
  const { steps, recovered, keys } = parsed.data;
  return { version: 1, steps: none(steps), recovered: none(recovered), keys: none(keys) };
}

/** Without a prototype: an account may be called anything. */
const none = <T>(from: Record<string, T> = {}): Record<string, T> =>
  Object.assign(Object.create(null) as Record<string, T>, from);

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
