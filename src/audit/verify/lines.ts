// The log's lines as they stand in its segments, one after the other, each with its leaf hash and its first bytes. Bounded memory however
// long a line is. Of a segment that retention removed its leaf hashes stand for them. Reads only; must never pass over a byte.

import { createHash, hash } from 'node:crypto';
import { open, readdir, stat } from 'node:fs/promises';
import { HASH_BYTES } from './tree.ts';

const CHUNK_BYTES = 1024 * 1024;
/** Enough for everything up to `type`. */
const HEAD_BYTES = 512;
/** Of a line that two chunks share so much is kept: any record that is read whole is shorter. */
const KEPT_BYTES = 8192;
const NEWLINE = 0x0a;

export interface Segment {
  /** 1, 2, 3 ... as its name says. */
  readonly number: number;
  readonly path: string;
  readonly bytes: number;
  /** Its lines are gone, and `path` is what is left: their leaf hashes. */
  readonly gone: boolean;
}

/** What a record says of a removal by retention; nothing of it is checked yet. */
export interface Said {
  /** All segments up to this one, and all records up to that one. */
  readonly segment: number;
  readonly record: number;
  /** Hex. */
  readonly root: string;
  readonly why: string;
}

export interface LogLine {
  readonly leaf: Buffer;
  readonly segment: number;
  /** Byte in the segment at which it begins. */
  readonly at: number;
  /** False: the segment ends without a newline. */
  readonly whole: boolean;
  /** As the line says; null: it is no record's line. */
  readonly seq: number | null;
  /** Hex; '' where it is no record's line. */
  readonly prev: string;
  readonly time: string;
  readonly type: string;
  /** Of a record of that type; null: it is none. */
  readonly removed: Said | null;
  /** Only its hash is left. */
  readonly gone: boolean;
}

/** Ascending by number. Rejects what the file system says. */
export async function segmentsIn(folder: string): Promise<Segment[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{8,}\.jsonl$/.test(name));
  const segments: Segment[] = [];
  for (const name of names) {
    const path = `${folder}/${name}`;
    const file = await open(path, 'r');
    try {
      segments.push({
        number: Number(name.slice(0, -'.jsonl'.length)),
        path,
        bytes: (await file.stat()).size,
        gone: false,
      });
    } finally {
      await file.close();
    }
  }
  return segments.toSorted((a, b) => a.number - b.number);
}

/** Those before the first that is there, as far as their leaf hashes are; [] where one of them has none. */
export async function goneFrom(folder: string, segments: readonly Segment[]): Promise<Segment[]> {
  const gone: Segment[] = [];
  for (let number = 1; number < (segments[0]?.number ?? 1); number++) {
    const path = `${folder}/${String(number).padStart(8, '0')}.leaf`;
    const bytes = await stat(path).then(
      ({ size }) => size,
      () => 0,
    );
    if (bytes === 0 || bytes % HASH_BYTES !== 0) return [];
    gone.push({ number, path, bytes, gone: true });
  }
  return gone;
}

/** In arrays of what one chunk completed. `read` is told how many bytes were read so far. */
export async function* logLines(
  segments: readonly Segment[],
  read: (bytes: number) => void = () => undefined,
): AsyncGenerator<LogLine[], void, undefined> {
  let before = 0;
  for (const segment of segments) {
    const file = await open(segment.path, 'r');
    try {
      const started = before;
      yield* (segment.gone ? hashesOf : linesOf)(file, segment, (bytes) => read(started + bytes));
      before += segment.bytes;
    } finally {
      await file.close();
    }
  }
}

async function* hashesOf(
  file: Awaited<ReturnType<typeof open>>,
  { number, bytes: size }: Segment,
  read: (bytes: number) => void,
): AsyncGenerator<LogLine[], void, undefined> {
  for (let position = 0; position < size; ) {
    const chunk = Buffer.alloc(Math.min(HASHES_AT_ONCE * HASH_BYTES, size - position));
    const { bytesRead } = await file.read(chunk, 0, chunk.length, position);
    if (bytesRead !== chunk.length) break;
    const lines: LogLine[] = [];
    for (let at = 0; at < chunk.length; at += HASH_BYTES)
      lines.push({ ...NO_LINE, leaf: chunk.subarray(at, at + HASH_BYTES), segment: number, at: position + at });
    position += bytesRead;
    read(position);
    yield lines;
  }
}

const HASHES_AT_ONCE = 4096;
const NO_LINE = { whole: true, seq: null, prev: '', time: '', type: '', removed: null, gone: true } as const;

async function* linesOf(
  file: Awaited<ReturnType<typeof open>>,
  { number, bytes: size }: Segment,
  read: (bytes: number) => void,
): AsyncGenerator<LogLine[], void, undefined> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let scratch = Buffer.alloc(64 * 1024);
  // Of a line that began in an earlier chunk.
  let begun: { readonly hash: ReturnType<typeof createHash>; readonly head: Buffer } | null = null;
  let at = 0;
  for (let position = 0; position < size; ) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(CHUNK_BYTES, size - position), position);
    if (bytesRead === 0) break;
    const bytes = chunk.subarray(0, bytesRead);
    const lines: LogLine[] = [];
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      const part = bytes.subarray(start, end);
      let leaf: Buffer;
      let head: Buffer = part;
      if (begun !== null) {
        leaf = begun.hash.update(part).digest();
        head = longer(begun.head, part);
        begun = null;
      } else {
        if (part.length + 1 > scratch.length) scratch = Buffer.alloc(2 * part.length + 1);
        part.copy(scratch, 1);
        leaf = hash('sha256', scratch.subarray(0, part.length + 1), 'buffer');
      }
      lines.push(lineOf(leaf, head, number, at, true));
      start = end + 1;
      at = position + start;
    }
    if (start < bytesRead) {
      const part = bytes.subarray(start);
      begun ??= { hash: createHash('sha256').update(Buffer.alloc(1)), head: Buffer.alloc(0) };
      begun = { hash: begun.hash.update(part), head: longer(begun.head, part) };
    }
    position += bytesRead;
    read(position);
    if (lines.length > 0) yield lines;
  }
  if (begun !== null) yield [lineOf(begun.hash.digest(), begun.head, number, at, false)];
}

function longer(head: Buffer, part: Buffer): Buffer {
  return head.length >= KEPT_BYTES ? head : Buffer.concat([head, part.subarray(0, KEPT_BYTES)]);
}

/** How every line begins, in these bytes: docs/audit-log.md, "A record". */
const START =
  /^\{"v":1,"seq":([1-9]\d{0,15}),"prev":"([0-9a-f]{64})","time":"([0-9T:.Z-]{20,30})",(?:"mono":\d+,"node":"(?:[^"\\]|\\.)*","type":"([a-z_.]+)")?/;

function lineOf(leaf: Buffer, head: Buffer, segment: number, at: number, whole: boolean): LogLine {
  const match = START.exec(head.toString('latin1', 0, HEAD_BYTES));
  const [, seq, prev = '', time = '', type = ''] = match ?? [];
  const removed = type === REMOVED ? saidBy(head) : null;
  return {
    leaf,
    segment,
    at,
    whole,
    seq: seq === undefined ? null : Number(seq),
    prev,
    time,
    type,
    removed,
    gone: false,
  };
}

const REMOVED = 'log.segments_removed';

/** Null: it says nothing that can be checked. */
function saidBy(line: Buffer): Said | null {
  try {
    const { clear } = JSON.parse(line.toString('utf8')) as { readonly clear: Cleared };
    const { segments, records, root, why } = clear;
    if (!/^\d{8,}$/.test(segments.to) || !Number.isSafeInteger(records.to)) return null;
    return { segment: Number(segments.to), record: records.to, root, why: why === 'age' ? 'age' : 'size' };
  } catch {
    return null;
  }
}

interface Cleared {
  readonly segments: { readonly to: string };
  readonly records: { readonly to: number };
  readonly root: string;
  readonly why: unknown;
}
