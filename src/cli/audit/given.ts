// What the audit commands are given: a log's folder, verifier keys, checkpoints; and how they say how far they are. Must never take a
// checkpoint whose signature was not checked with a key that was given.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { newestNote } from '../../audit/checkpoint.ts';
import { realFs } from '../../audit/files.ts';
import type { Given } from '../../audit/verify/log.ts';
import { BadInput, parseCheckpoints, parseKeys, type VerifierKey } from '../../audit/verify/note.ts';
import { EXIT, Failure } from '../failure.ts';

export const DEFAULT_FOLDER = 'data/audit';
/** Of all files with checkpoints together. */
const CHECKPOINT_BYTES_MAX = 256 * 1024 * 1024;
const PROGRESS_MS = 200;

/** Where a checkpoint is from that nobody kept elsewhere. */
export const OWN = "the log's own folder";

export function progressLine(): (read: number, of: number) => void {
  let last = 0;
  return (read, of) => {
    const now = Date.now();
    if (now - last < PROGRESS_MS) return;
    last = now;
    process.stderr.write(`\r${Math.floor((100 * read) / Math.max(1, of))} % of ${megabytes(of)} read\u001b[K`);
  };
}

/** Those that were given, else the log's own newest. Throws BadInput where there is none, or one is not signed by a given key. */
export async function checkpointsFor(
  folder: string,
  paths: readonly string[],
  keys: readonly VerifierKey[],
): Promise<Given[]> {
  const checkpoints = await givenCheckpoints(paths, keys);
  const own = checkpoints.length === 0 ? await newestNote(realFs, folder) : null;
  if (own !== null) checkpoints.push(...parseCheckpoints(own, keys, OWN).map((one) => ({ ...one, from: OWN })));
  if (checkpoints.length === 0)
    throw new BadInput(`there is no checkpoint in ${folder} and none was given: without one nothing can be verified`);
  return checkpoints;
}

/** The log's own newest, for what it covers beside those that were given; null: there is none, or no given key signed it. */
export async function ownCheckpoint(folder: string, keys: readonly VerifierKey[]): Promise<Given | null> {
  const note = await newestNote(realFs, folder);
  try {
    const [one] = note === null ? [] : parseCheckpoints(note, keys, OWN);
    return one ? { ...one, from: OWN } : null;
  } catch (error) {
    if (error instanceof BadInput) return null;
    throw error;
  }
}

export function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** data/ is taken for data/audit/. */
export async function logFolder(dir: string): Promise<string> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    throw new Failure(`${dir} cannot be read (${error.code ?? 'unknown'})`, EXIT.usage);
  });
  return names.includes('audit') && !names.some((name) => name.endsWith('.jsonl')) ? join(dir, 'audit') : dir;
}

export async function keysOf(given: readonly string[]): Promise<VerifierKey[]> {
  if (given.length === 0)
    throw new BadInput("--key is missing: the log's verifier key, or a file with it; 'holdpoint audit key' prints it");
  if (given.some((one) => one.trim() === ''))
    throw new BadInput(
      "--key is empty: it wants the log's verifier key, or a file with it; 'holdpoint audit key' prints it",
    );
  const texts = given.map(async (one) => (/^[^\s+]+\+[0-9a-f]{8}\+/.test(one) ? one : readText(one)));
  return (await Promise.all(texts)).flatMap(parseKeys);
}

async function givenCheckpoints(paths: readonly string[], keys: readonly VerifierKey[]): Promise<Given[]> {
  const given: Given[] = [];
  let left = CHECKPOINT_BYTES_MAX;
  for (const path of paths) {
    for (const file of await filesIn(path)) {
      const text = await readText(file);
      left -= text.length;
      if (left < 0) throw new BadInput(`more than ${CHECKPOINT_BYTES_MAX} bytes of checkpoints; give fewer`);
      for (const one of parseCheckpoints(text, keys, file)) given.push({ ...one, from: file });
    }
  }
  if (paths.length > 0 && given.length === 0) throw new BadInput(`there is no checkpoint in ${paths.join(', ')}`);
  return given;
}

async function filesIn(path: string): Promise<string[]> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new BadInput(`${path} cannot be read (${error.code ?? 'unknown'})`);
  });
  if (!found.isDirectory()) return [path];
  const names = await readdir(path, { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

export async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new BadInput(`${path} cannot be read (${error.code ?? 'unknown'})`);
  });
}
