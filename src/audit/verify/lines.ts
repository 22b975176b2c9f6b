// The log's lines as they stand in its segments, one after the other, each with its leaf hash and its first bytes. Bounded memory however
// long a line is. Reads only; must never pass over a byte.

import { createHash, hash } from 'node:crypto';
import { open, readdir } from 'node:fs/promises';

const CHUNK_BYTES = 1024 * 1024;
/** Enough for everything up to `type`. */
const HEAD_BYTES = 512;
const NEWLINE = 0x0a;

export interface Segment {
  /** 1, 2, 3 ... as its name says. */
  readonly number: number;
  readonly path: string;
  readonly bytes: number;
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
}

/** Ascending by number. Rejects what the file system says. */
export async function segmentsIn(folder: string): Promise<Segment[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{8,}\.jsonl$/.test(name));
  const segments: Segment[] = [];
  for (const name of names) {
    const path = `${folder}/${name}`;
    const file = await open(path, 'r');
    try {
      segments.push({ number: Number(name.slice(0, -'.jsonl'.length)), path, bytes: (await file.stat()).size });
    } finally {
      await file.close();
    }
  }
  return segments.toSorted((a, b) => a.number - b.number);
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
      yield* linesOf(file, segment, (bytes) => read(started + bytes));
      before += segment.bytes;
    } finally {
      await file.close();
    }
  }
}

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
  return head.length >= HEAD_BYTES ? head : Buffer.concat([head, part.subarray(0, HEAD_BYTES)]);
}

/** How every line begins, in these bytes: docs/audit-log.md, "A record". */
const START =
  /^\{"v":1,"seq":([1-9]\d{0,15}),"prev":"([0-9a-f]{64})","time":"([0-9T:.Z-]{20,30})",(?:"mono":\d+,"node":"(?:[^"\\]|\\.)*","type":"([a-z_.]+)")?/;

function lineOf(leaf: Buffer, head: Buffer, segment: number, at: number, whole: boolean): LogLine {
  const match = START.exec(head.toString('latin1', 0, HEAD_BYTES));
  const [, seq, prev = '', time = '', type = ''] = match ?? [];
  return { leaf, segment, at, whole, seq: seq === undefined ? null : Number(seq), prev, time, type };
}
