// What an operator has said of second factors that were lost: left in the data folder by the command, taken up by the gateway, which alone writes
// what it keeps of factors, and puts it on record. Must never let a word get lost between the two: it is there until it is done.
import { chown, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { replaceFile } from './file.ts';

/** In the data folder. */
export const LOST_FILE = 'lost-factors.json';
const LOST_MAX = 1_000;

const lost = z.object({
  user: z.string(),
  /** keys: all that were added until then. totp: users.yaml has no codes of theirs any more. */
  what: z.enum(['keys', 'totp']),
  /** Milliseconds since the epoch. */
  at: z.number(),
});
export type Lost = Readonly<z.infer<typeof lost>>;
const all = z.array(lost).max(LOST_MAX);

/** Rejects where it can't be left there, or too much is waiting. */
export async function leaveLost(file: string, one: Lost): Promise<void> {
  const waiting = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '[]';
    throw error;
  });
  await replaceFile(file, `${JSON.stringify(all.parse([...all.parse(JSON.parse(waiting)), one]))}\n`);
  // Left by root, it must be readable to the service whose folder that is.
  const { uid, gid } = await stat(dirname(file));
  if (process.getuid?.() === 0 && uid !== 0) await chown(file, uid, gid);
}

/** Does what was left there, and is then rid of it; what `done` rejects is done another time. Rejects with that, or what is not to be read. */
export async function takeLost(file: string, done: (one: Lost) => Promise<void>): Promise<void> {
  const taken = `${file}.taken`;
  // An earlier one that was not finished stands before what came since.
  for (const take of [async () => {}, () => rename(file, taken)]) {
    try {
      await take();
      const text = await readFile(taken, 'utf8');
      for (const one of all.parse(JSON.parse(text))) await done(one);
      await rm(taken);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}
