// A log's lines as they stand, each with its place in the tree and what its first bytes say, up to an end that is fixed when it is opened:
// every reading sees the same log, also while it is written. Reads only, in bounded memory.

import { type AuditFs, realFs } from '../../audit/files.ts';
import type { Line } from '../../audit/record.ts';
import { nameOf, rawLines, recordsBefore, segmentsOf } from '../../audit/scan.ts';

/** Enough for everything up to `type`. */
const head_bytes = 512;
/** How a line begins: docs/audit-log.md, "A record". */
const START =
  /^\{"v":1,"seq":([1-9]\d{0,15}),"prev":"[0-9a-f]{64}","time":"([0-9T:.Z-]{20,30})","mono":(\d+),"node":"(?:[^"\\]|\\.)*","type":"([a-z_.]+)"/;

/** A record's line; null: it is none that this version reads. */
export interface Head {
  readonly seq: number;
  readonly time: string;
  readonly mono: number;
  readonly type: string;
}

export interface LogLine {
  /** Without the newline; valid until the next line is asked for. */
  readonly bytes: Buffer;
  /** Place in the tree, from 0. */
  readonly index: number;
  readonly head: Head | null;
}

interface Segment {
  readonly number: number;
  readonly bytes: number;
}

export class Source {
  readonly fs: AuditFs;
  readonly dir: string;
  readonly bytes: number;
  readonly #segments: readonly Segment[];

  static async open(dir: string, fs: AuditFs = realFs): Promise<Source> {
    const segments: Segment[] = [];
    for (const number of await segmentsOf(fs, dir)) {
      const file = await fs.open(`${dir}/${nameOf(number)}.jsonl`, 'read');
      try {
        segments.push({ number, bytes: await file.size() });
      } finally {
        await file.close();
      }
    }
    return new Source(fs, dir, segments);
  }

  private constructor(fs: AuditFs, dir: string, segments: readonly Segment[]) {
    this.fs = fs;
    this.dir = dir;
    this.#segments = segments;
    this.bytes = segments.reduce((sum, one) => sum + one.bytes, 0);
  }

  /** `read` is told how many bytes were read so far. */
  async *lines(read: (bytes: number) => void): AsyncGenerator<LogLine, void, undefined> {
    let before = 0;
    // Of segments that retention removed the leaf hashes are left.
    const numbers = this.#segments.map((one) => one.number);
    let index = await recordsBefore(this.fs, this.dir, numbers);
    for (const { number, bytes: size } of this.#segments) {
      const file = await this.fs.open(`${this.dir}/${nameOf(number)}.jsonl`, 'read');
      try {
        for await (const lines of rawLines(file, 0, size)) {
          for (const { bytes, at, whole } of lines) {
            // Being written, or torn: no part of the log yet.
            if (!whole && number === this.#segments.at(-1)?.number) break;
            const head = whole ? headOf(bytes) : null;
            yield { bytes, index: index++, head };
            read(before + at);
          }
        }
        before += size;
      } finally {
        await file.close();
      }
    }
  }
}

function headOf(bytes: Buffer): Head | null {
  const match = START.exec(bytes.toString('latin1', 0, head_bytes));
  if (match === null) return lineOf(bytes);
  const [, seq, time = '', mono, type = ''] = match;
  return { seq: Number(seq), time, mono: Number(mono), type };
}

/** The whole line, parsed; null: it is no record. */
export function lineOf(bytes: Buffer): Line | null {
  try {
    const line = JSON.parse(bytes.toString('utf8')) as Line | null;
    if (line === null || typeof line !== 'object' || line.v !== 1) return null;
    const sound =
      Number.isSafeInteger(line.seq) &&
      typeof line.type === 'string' &&
      typeof line.time === 'string' &&
      !Number.isNaN(Date.parse(line.time)) &&
      typeof line.clear === 'object' &&
      line.clear !== null;
    return sound ? line : null;
  } catch {
    return null;
  }
}
