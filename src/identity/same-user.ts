// Which principals were seen to log in from a process of the gateway's own OS user: kept in the data folder, so that `holdpoint check` can say it.
// Must never hold more than names and times.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { replaceFile } from './file.ts';

/** In the data folder. */
export const SAME_USER_FILE = 'same-user.json';
const PRINCIPALS_MAX = 100;
/** After so long without having been seen it is not told any more. */
export const SEEN_MS = 7 * 86_400_000;

/** Pairs: an account may be called anything. */
const kept = z.array(z.tuple([z.string(), z.number()]));

/** By principal, when it was last seen, in ms since the epoch: of the last SEEN_MS. Empty where nothing is kept, or nothing that can be read. */
export async function readSameUser(file: string, now: number = Date.now()): Promise<ReadonlyMap<string, number>> {
  const text = await readFile(file, 'utf8').catch(() => '[]');
  try {
    return new Map(kept.parse(JSON.parse(text)).filter(([, at]) => now - at < SEEN_MS));
  } catch {
    return new Map();
  }
}

/** Rejects where it can't be kept. */
export async function keepSameUser(file: string, user: string, now: number = Date.now()): Promise<void> {
  const seen = new Map(await readSameUser(file, now)).set(user, now);
  const newest = [...seen].toSorted(([, a], [, b]) => b - a).slice(0, PRINCIPALS_MAX);
  await replaceFile(file, `${JSON.stringify(newest)}\n`);
}
