// Which segments have an index that is theirs, and making those that lack one: by whoever searches, by `audit index`, and by the gateway when a
// segment is full. An index is derived: deleting any of them loses nothing, and one that cannot be written is done without.

import { chown, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { errorCode, realFs, writeNewFile } from '../files.ts';
import { format_version, leaf_bytes, parseStart, type Line } from '../record.ts';
import { nameOf, rawLines, segmentsOf } from '../scan.ts';
import {
  IndexBuilder,
  IndexReader,
  readHead,
  segment_bytes_max,
  termText,
  type Head,
  type Stamp,
} from './index-file.ts';
import { namesOf, type NameKind } from './names.ts';

export const index_folder = 'index';

/** Null: the segment has gone, by retention. */
export async function stampOf(folder: string, segment: number): Promise<Stamp | null> {
  const path = `${folder}/${nameOf(segment)}`;
  try {
    const { size, mtimeMs } = await stat(`${path}.jsonl`);
    const leaf = await stat(`${path}.leaf`).catch(() => null);
    const leaves = Math.floor((leaf?.size ?? 0) / leaf_bytes);
    return { segment, bytes: size, mtime_s: Math.floor(mtimeMs / 1000), leaves };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Null: it has none, or one of what the segment was before. 'unfit': it can have none. Else to be closed. */
export async function openIndex(folder: string, stamp: Stamp): Promise<IndexReader | 'unfit' | null> {
  const path = `${folder}/${index_folder}/${nameOf(stamp.segment)}.index`;
  const file = await realFs.open(path, 'read').catch(() => null);
  if (file === null) return null;
  const head = await readHead(file).catch(() => null);
  if (head !== null && isOf(head, stamp) && !head.unfit) return new IndexReader(file, head);
  await file.close();
  return head !== null && isOf(head, stamp) ? 'unfit' : null;
}

function isOf(head: Head, { segment, bytes, mtime_s, leaves }: Stamp): boolean {
  return head.segment === segment && head.bytes === bytes && head.mtime_s === mtime_s && head.leaves === leaves;
}

/** How a long work goes on: after each chunk, with bytes done. Whoever must not be kept busy waits in it. */
export type Step = (bytes: number) => Promise<void> | void;

/**
 * Makes a segment's index and writes it, whole or not at all. False: it is no segment that can have one (gone, or too large), or its folder cannot
 * be written; a reader then does without. Rejects what reading the segment says.
 */
export async function makeIndex(folder: string, segment: number, step?: Step, most?: number): Promise<boolean> {
  const stamp = await stampOf(folder, segment);
  if (stamp === null || stamp.bytes > segment_bytes_max) return false;
  const builder = new IndexBuilder(most);
  const file = await realFs.open(`${folder}/${nameOf(segment)}.jsonl`, 'read');
  try {
    for await (const lines of rawLines(file, 0, stamp.bytes)) {
      let since = 0;
      for (const { bytes, at } of lines) {
        const line = lineOf(bytes);
        if (line !== null) builder.add(line.seq, at, Date.parse(line.time), termsOf(line));
        since += bytes.length + 1;
        if (step !== undefined && since >= STEP_BYTES) {
          await step(since);
          since = 0;
        }
      }
      await step?.(since);
    }
  } finally {
    await file.close();
  }
  return write(folder, segment, builder.finish(stamp));
}

/** Between two steps: some milliseconds of work. */
const STEP_BYTES = 64 * 1024;

const KINDS: readonly NameKind[] = ['id', 'session', 'who', 'object', 'rule', 'upstream', 'policy', 'type'];

function* termsOf(line: Line): Generator<string> {
  const names = namesOf(line);
  for (const kind of KINDS) for (const name of names[kind]) yield termText({ kind, name });
}

/** Null: it is no record that this version reads. */
export function lineOf(bytes: Buffer): Line | null {
  if (parseStart(bytes) === null) return null;
  try {
    const line = JSON.parse(bytes.toString()) as Line;
    const sound = line.v === format_version && typeof line.type === 'string' && typeof line.clear === 'object';
    return sound && line.clear !== null && !Number.isNaN(Date.parse(line.time)) ? line : null;
  } catch {
    return null;
  }
}

async function write(folder: string, segment: number, bytes: Buffer): Promise<boolean> {
  const into = `${folder}/${index_folder}`;
  const name = `${nameOf(segment)}.index`;
  try {
    const made = await mkdir(into, { recursive: true, mode: 0o700 });
    if (made !== undefined) await likeFolder(folder, into);
    await writeNewFile(realFs, into, name, bytes);
    await likeFolder(folder, `${into}/${name}`);
    return true;
  } catch {
    return false;
  }
}

/** What root makes while it looks around would bar the gateway from its own folder. */
async function likeFolder(folder: string, path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(folder);
  await chown(path, uid, gid);
}

/** Segments that are full and lack an index, and how many bytes they have. The newest is still written to. */
export async function missingIndexes(folder: string): Promise<{ readonly segments: number[]; readonly bytes: number }> {
  const missing: number[] = [];
  let bytes = 0;
  for (const segment of (await segmentsOf(realFs, folder)).slice(0, -1)) {
    const stamp = await stampOf(folder, segment);
    if (stamp === null || stamp.bytes > segment_bytes_max) continue;
    const index = await openIndex(folder, stamp);
    if (index !== null && index !== 'unfit') await index.close();
    if (index !== null) continue;
    missing.push(segment);
    bytes += stamp.bytes;
  }
  return { segments: missing, bytes };
}

/** Removes indexes of segments that have gone, and what a killed writer left. Resolves with how many of the first there were. */
export async function dropOrphans(folder: string): Promise<number> {
  const there = new Set((await segmentsOf(realFs, folder)).map(nameOf));
  const names = await readdir(`${folder}/${index_folder}`).catch(() => []);
  const orphans = names.filter((name) => /^\d{8,}\.index$/.test(name) && !there.has(name.slice(0, -'.index'.length)));
  for (const name of names.filter((one) => one.endsWith('.tmp'))) {
    const found = await stat(`${folder}/${index_folder}/${name}`).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > LEFT_MS)
      await rm(`${folder}/${index_folder}/${name}`, { force: true });
  }
  for (const name of orphans) await rm(`${folder}/${index_folder}/${name}`, { force: true });
  return orphans.length;
}

/** Nobody writes an index for so long. */
const LEFT_MS = 3600 * 1000;
