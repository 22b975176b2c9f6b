// Reads the log's lines for shipping, exactly as they stand, from a place on and never past what is durable. Bounded: what one batch takes and
// one chunk. Must never unseal anything, nor pass over a record without saying so.
import { errorCode, readRange, realFs, type AuditFile, type AuditFs } from '../files.ts';
import { leafOfBytes, parseStart, record_bytes_max } from '../record.ts';
import { nameOf, rawLines, segmentsOf } from '../scan.ts';
import type { Cursor } from './cursor.ts';
import type { End, Line, Position } from './types.ts';

/** Read at once; a longer line takes more. */
const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

export interface Taken {
  readonly lines: readonly Line[];
  /** Behind the last of them. */
  readonly position: Position;
  /** Lines that are no records; a log has some after an override. */
  readonly unreadable: number;
}

/** Where to go on, and what is odd about it; `odd` completes "goes on from record N: ...". */
export interface Place {
  readonly position: Position;
  readonly odd: string | null;
}

export class LineReader {
  readonly #folder: string;
  readonly #fs: AuditFs;
  #open: { readonly segment: number; readonly file: AuditFile } | null = null;

  constructor(folder: string, fs: AuditFs = realFs) {
    this.#folder = folder;
    this.#fs = fs;
  }

  /** The next lines, up to `end`: at least one where there is one, else no more than the limits. */
  async take(from: Position, end: End, max: { readonly records: number; readonly bytes: number }): Promise<Taken> {
    const lines: Line[] = [];
    let { segment, offset } = from;
    let bytes = 0;
    let unreadable = 0;
    let chunk_bytes = CHUNK_BYTES;
    while (segment < end.segment || (segment === end.segment && offset < end.offset)) {
      const file = await this.#file(segment);
      const until = segment === end.segment ? end.offset : await file.size();
      const chunk = await readRange(file, offset, Math.min(chunk_bytes, until - offset));
      let start = 0;
      for (let stop = chunk.indexOf(NEWLINE); stop !== -1; stop = chunk.indexOf(NEWLINE, start)) {
        const line = chunk.subarray(start, stop);
        const seq = parseStart(line)?.seq ?? null;
        if (seq === null) unreadable++;
        else {
          if (lines.length > 0 && (lines.length >= max.records || bytes + line.length > max.bytes))
            return { lines, position: { segment, offset: offset + start }, unreadable };
          lines.push({ seq, bytes: line, segment, at: offset + start });
          bytes += line.length + 1;
        }
        start = stop + 1;
      }
      const whole = offset + chunk.length >= until;
      if (start === 0 && !whole) {
        // A line longer than what was read.
        if (chunk_bytes > record_bytes_max) throw new Error(`${nameOf(segment)}.jsonl has a line that is no record`);
        chunk_bytes *= 2;
        continue;
      }
      offset += start;
      chunk_bytes = CHUNK_BYTES;
      // What an earlier crash tore, and an override accepted, may stand at a segment's end.
      if (whole && start < chunk.length) unreadable++;
      if (whole && segment < end.segment) ({ segment, offset } = { segment: await this.#after(segment), offset: 0 });
      else if (whole) break;
    }
    return { lines, position: { segment, offset }, unreadable };
  }

  /** Behind the record that `cursor` names, or where it would stand. */
  async find(cursor: Cursor, end: End): Promise<Place> {
    const there = await this.#lineAt(cursor);
    if (there !== null) {
      const position = { segment: cursor.segment, offset: cursor.at + there.length + 1 };
      return { position, odd: leafOfBytes(there) === cursor.leaf ? null : ANOTHER };
    }
    if (cursor.seq > end.seq) return { position: end, odd: AHEAD };
    const { position, seq } = await this.#firstAfter(cursor.seq, end);
    const gone = seq === null || seq === cursor.seq + 1 ? null : `records ${cursor.seq + 1} to ${seq - 1} ${GONE}`;
    return { position, odd: gone };
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.file.close().catch(() => undefined);
  }

  async #lineAt({ seq, segment, at }: Cursor): Promise<Buffer | null> {
    if (seq === 0) return null;
    try {
      const file = await this.#file(segment);
      for (let length = CHUNK_BYTES; ; length *= 2) {
        const bytes = await readRange(file, at, length);
        const stop = bytes.indexOf(NEWLINE);
        if (stop !== -1) return parseStart(bytes)?.seq === seq ? bytes.subarray(0, stop) : null;
        if (bytes.length < length || length > record_bytes_max) return null;
      }
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
  }

  async #firstAfter(seq: number, end: End): Promise<{ readonly position: Position; readonly seq: number | null }> {
    const all = (await segmentsOf(this.#fs, this.#folder)).filter((segment) => segment <= end.segment);
    let first = 0;
    for (let index = 1; index < all.length; index++) {
      const start = parseStart(await readRange(await this.#file(all[index] ?? 0), 0, 256));
      if (start === null || start.seq > seq + 1) break;
      first = index;
    }
    for (const segment of all.slice(first)) {
      const file = await this.#file(segment);
      for await (const lines of rawLines(file, 0, segment === end.segment ? end.offset : await file.size()))
        for (const { bytes, at, whole } of lines) {
          const found = whole ? parseStart(bytes) : null;
          if (found !== null && found.seq > seq) return { position: { segment, offset: at }, seq: found.seq };
        }
    }
    return { position: end, seq: null };
  }

  /** Retention may have taken those between. */
  async #after(segment: number): Promise<number> {
    const next = (await segmentsOf(this.#fs, this.#folder)).find((one) => one > segment);
    if (next === undefined) throw new Error(`${nameOf(segment + 1)}.jsonl is missing`);
    return next;
  }

  async #file(segment: number): Promise<AuditFile> {
    if (this.#open?.segment !== segment) {
      await this.close();
      this.#open = { segment, file: await this.#fs.open(`${this.#folder}/${nameOf(segment)}.jsonl`, 'read') };
    }
    return this.#open.file;
  }
}

const GONE = 'are not in the log any more';
const ANOTHER = 'that record is not the one that was shipped; the log was put back from a copy, or changed';
const AHEAD = 'it was further than the log, which lost its end or was put back from a copy';
