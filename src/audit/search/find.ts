// Records that are searched for, from a log's folder: of segments with an index by that, of others by reading them. Reads only, takes no lock; works
// while a gateway writes, and on a copy. Must never be taken for verification: who changed a segment could keep a record from being found.

import { errorCode, readRange, realFs, type AuditFile } from '../files.ts';
import { parseStart, type Line } from '../record.ts';
import { nameOf, rawLines, segmentsOf } from '../scan.ts';
import { BadIndex, type IndexReader } from './index-file.ts';
import { lineOf, openIndex, stampOf } from './indexes.ts';
import type { Match, Sought } from './query.ts';

export interface Found {
  readonly segment: number;
  readonly line: Line;
  /** As the line stands in the log, without its newline. */
  readonly bytes: Buffer;
  readonly match: Exclude<Match, false>;
}

export interface FindOptions {
  /** Only these, both included; default: all. */
  readonly segments?: { readonly from: number; readonly to: number } | undefined;
  /** How many segments were searched, of how many: for who waits. */
  readonly progress?: ((searched: number, of: number) => void) | undefined;
  /** Makes the index of a segment that lacks one; absent: it is read instead. Resolves false where that could not be. */
  readonly build?: ((segment: number) => Promise<boolean>) | undefined;
  /** Decides beside the question, of records that are meant by it: by what was sealed, say. */
  readonly also?: ((found: Found) => Promise<boolean>) | undefined;
}

/** All that are meant, oldest first; `bytes` of each are valid until the next is asked for. */
export async function* findAll(folder: string, sought: Sought, options: FindOptions = {}): AsyncGenerator<Found> {
  const { segments, newest } = await segmentsFor(folder, options);
  for (const [index, segment] of segments.entries()) {
    yield* inSegment(folder, segment, segment === newest, sought, options, 'forward');
    options.progress?.(index + 1, segments.length);
  }
}

/** The newest that are meant, at most so many, oldest first; `more`: there are others before them. */
export async function findNewest(
  folder: string,
  sought: Sought,
  limit: number,
  options: FindOptions = {},
): Promise<{ readonly found: readonly Found[]; readonly more: boolean }> {
  const { segments, newest } = await segmentsFor(folder, options);
  let found: Found[] = [];
  for (const segment of segments.toReversed()) {
    if (found.length > limit) break;
    const here: Found[] = [];
    const way = { keep: limit + 1 - found.length };
    for await (const one of inSegment(folder, segment, segment === newest, sought, options, way)) here.push(one);
    found = [...here, ...found];
  }
  return { found: found.slice(-limit), more: found.length > limit };
}

async function segmentsFor(folder: string, { segments: some }: FindOptions) {
  const all = await segmentsOf(realFs, folder);
  const newest = all.at(-1) ?? 0;
  return { newest, segments: some ? all.filter((one) => one >= some.from && one <= some.to) : all };
}

/** All of a segment in order, or the last so many, in order too. */
type Way = 'forward' | { readonly keep: number };

async function* inSegment(
  folder: string,
  segment: number,
  newest: boolean,
  sought: Sought,
  options: FindOptions,
  way: Way,
): AsyncGenerator<Found> {
  const stamp = await stampOf(folder, segment);
  if (stamp === null) return;
  let index = newest ? null : await openIndex(folder, stamp);
  if (index === null && !newest && (await options.build?.(segment)) === true) index = await openIndex(folder, stamp);
  if (index === 'unfit') index = null;
  const file = await realFs.open(`${folder}/${nameOf(segment)}.jsonl`, 'read').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
  try {
    if (file === null) return;
    const place = { segment, file };
    let last = 0;
    if (index !== null) {
      try {
        for await (const found of byIndex(place, index, sought, options, way)) {
          last = found.line.seq;
          yield found;
        }
        return;
      } catch (error) {
        if (!(error instanceof BadIndex)) throw error;
      }
    }
    for await (const found of byReading(place, stamp.bytes, sought, options, way))
      if (found.line.seq > last) yield found;
  } finally {
    await index?.close();
    await file?.close();
  }
}

async function candidates(index: IndexReader, sought: Sought): Promise<readonly number[]> {
  const { records, from_ms, to_ms } = index.head;
  if (records === 0 || to_ms < sought.from_ms || from_ms >= sought.to_ms) return [];
  return index.within(sought.from_ms, sought.to_ms, await index.find(sought.terms));
}

interface Place {
  readonly segment: number;
  readonly file: AuditFile;
}

/** Read at once, where records that are meant lie close together. */
const RUN_BYTES_MAX = 1024 * 1024;
const GAP_BYTES_MAX = 8 * 1024;

async function* byIndex(
  place: Place,
  index: IndexReader,
  sought: Sought,
  options: FindOptions,
  way: Way,
): AsyncGenerator<Found> {
  const wanted = await candidates(index, sought);
  if (way === 'forward') {
    for (let at = 0; at < wanted.length; ) {
      const run = await runFrom(index, wanted, at);
      const bytes = await readRange(place.file, run.from, run.to - run.from);
      for (; at < run.end; at++) {
        const { from, to } = await index.placeOf(wanted[at] ?? 0);
        const one = await taken(bytes.subarray(from - run.from, to - run.from), place, sought, options);
        if (one !== null) yield one;
      }
    }
    return;
  }
  const kept: Found[] = [];
  for (let at = wanted.length - 1; at >= 0 && kept.length < way.keep; at--) {
    const { from, to } = await index.placeOf(wanted[at] ?? 0);
    const one = await taken(await readRange(place.file, from, to - from), place, sought, options);
    if (one !== null) kept.push(one);
  }
  yield* kept.toReversed();
}

async function runFrom(index: IndexReader, wanted: readonly number[], at: number) {
  let { from, to } = await index.placeOf(wanted[at] ?? 0);
  let end = at + 1;
  for (; end < wanted.length; end++) {
    const next = await index.placeOf(wanted[end] ?? 0);
    if (next.from - to > GAP_BYTES_MAX || next.to - from > RUN_BYTES_MAX) break;
    to = next.to;
  }
  return { from, to, end };
}

/** `bytes`: a line with its newline, and what follows that is no record. */
async function taken(bytes: Buffer, place: Place, sought: Sought, options: FindOptions): Promise<Found | null> {
  const end = bytes.indexOf(NEWLINE);
  if (parseStart(bytes) === null) throw new BadIndex();
  return meant(end === -1 ? bytes : bytes.subarray(0, end), place, sought, options);
}

async function meant(bytes: Buffer, { segment }: Place, sought: Sought, { also }: FindOptions): Promise<Found | null> {
  const line = lineOf(bytes);
  const match = line === null ? false : sought.matches(line);
  if (line === null || match === false) return null;
  const found = { segment, line, bytes, match };
  return also === undefined || (await also(found)) ? found : null;
}

async function* byReading(
  place: Place,
  size: number,
  sought: Sought,
  options: FindOptions,
  way: Way,
): AsyncGenerator<Found> {
  const needle = sought.needle();
  if (way === 'forward') {
    for await (const lines of rawLines(place.file, 0, size)) {
      for (const { bytes, whole } of lines) {
        const one = whole && mayBeMeant(bytes, needle, sought) ? await meant(bytes, place, sought, options) : null;
        if (one !== null) yield one;
      }
    }
    return;
  }
  const kept: Found[] = [];
  for await (const lines of linesBackwards(place.file, size)) {
    for (let at = lines.length - 1; at >= 0 && kept.length < way.keep; at--) {
      const bytes = lines[at] ?? NOTHING;
      // What is kept must not hold the chunk that it was read with.
      const one = mayBeMeant(bytes, needle, sought) ? await meant(Buffer.from(bytes), place, sought, options) : null;
      if (one !== null) kept.push(one);
    }
    if (kept.length >= way.keep) break;
  }
  yield* kept.toReversed();
}

const NOTHING = Buffer.alloc(0);
const CHUNK_BYTES = 1024 * 1024;

/** Whole lines without their newlines, in arrays of what one chunk has, each in order, the last of the file first. What follows the last newline is none. */
export async function* linesBackwards(file: AuditFile, size: number): AsyncGenerator<readonly Buffer[]> {
  /** Of the line that begins before what was read. */
  let rest: Buffer = NOTHING;
  let torn = true;
  for (let end = size; end > 0; ) {
    const from = Math.max(0, end - CHUNK_BYTES);
    const chunk = await readRange(file, from, end - from);
    let bytes = rest.length === 0 ? chunk : Buffer.concat([chunk, rest]);
    if (torn) bytes = bytes.subarray(0, bytes.lastIndexOf(NEWLINE) + 1);
    torn &&= bytes.length === 0;
    const begin = from === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
    rest = begin === 0 && from > 0 ? bytes : bytes.subarray(0, begin);
    if (begin < bytes.length && !(begin === 0 && from > 0)) yield linesIn(bytes.subarray(begin));
    end = from;
  }
}

const NEWLINE = 0x0a;

function linesIn(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, start);
    lines.push(bytes.subarray(start, end === -1 ? bytes.length : end));
    start = end === -1 ? bytes.length : end + 1;
  }
  return lines;
}

/** Behind `"prev":"64 digits",` of the line's start. */
const TIME = /^\{"v":1,"seq":\d+,"prev":"[0-9a-f]{64}","time":"([0-9TZ:.+-]+)"/;

/** By its bytes, without reading it as JSON: never false for one that is meant. */
function mayBeMeant(bytes: Buffer, needle: RegExp | null, sought: Sought): boolean {
  if (sought.from_ms !== -Infinity || sought.to_ms !== Infinity) {
    const time = TIME.exec(bytes.toString('latin1', 0, START_BYTES))?.[1];
    if (time !== undefined && !sought.inTime(Date.parse(time))) return false;
  }
  if (needle === null) return true;
  needle.lastIndex = 0;
  return needle.test(bytes.toString('latin1'));
}

const START_BYTES = 160;
