// The index of one segment, derived from it: which terms stand in which of its records, and where and when each of these is. Made of what is in clear
// alone, terms as hashes. Two small reads tell that a term is not in a segment. It finds; what it found is looked at again in the record itself.
//
//   bytes 0 to 1023     one line of JSON (`Head`), filled up with spaces
//   fan-out             257 x u32: how many terms have a first hash below byte << 24
//   terms               16 bytes each, sorted: hash (2 x u32), where its postings begin (u32), how many there are (u32)
//   records             8 bytes each: offset in the segment (u32), seconds since the epoch (u32)
//   postings            of each term the numbers of its records, from 0, as differences in 7 bits a byte, low first
//
// All numbers are little-endian.

import { readRange, type AuditFile } from '../files.ts';
import type { Term } from './query.ts';

/** It is not what it says that it is: to be done without. */
export class BadIndex extends Error {}

export const index_version = 1;
const HEAD_BYTES = 1024;
const FAN_OUT = 256;
const FAN_BYTES = (FAN_OUT + 1) * 4;
const TERM_BYTES = 16;
const RECORD_BYTES = 8;
/** Of a segment that is indexed: offsets are 32 bits. */
export const segment_bytes_max = 0xffff_ffff;

/** Of one segment; with more, which takes a text that is all names, the segment has an index that says only that: it is read instead. */
export const terms_max = 300_000;

/** What the segment was when it was indexed; another size, time or count of leaves is another segment. */
export interface Stamp {
  readonly segment: number;
  readonly bytes: number;
  /** When it was written last: whole seconds, as a copy of it may have no more. */
  readonly mtime_s: number;
  readonly leaves: number;
}

export interface Head extends Stamp {
  readonly v: number;
  readonly records: number;
  readonly first_seq: number;
  readonly last_seq: number;
  /** Of its records, milliseconds since the epoch; 0 where it has none. */
  readonly from_ms: number;
  readonly to_ms: number;
  readonly terms: number;
  /** It had more terms than `terms_max`, so none are here. */
  readonly unfit: boolean;
  readonly postings_bytes: number;
}

export class IndexBuilder {
  readonly #terms = new Map<string, Postings>();
  #offsets: number[] = [];
  #seconds: number[] = [];
  #first_seq = 0;
  #last_seq = 0;
  #from_ms = Infinity;
  #to_ms = -Infinity;
  #unfit = false;
  readonly #terms_max: number;

  constructor(most = terms_max) {
    this.#terms_max = most;
  }

  add(seq: number, offset: number, time_ms: number, terms: Iterable<string>): void {
    if (this.#unfit) return;
    const record = this.#offsets.length;
    if (record === 0) this.#first_seq = seq;
    this.#last_seq = seq;
    this.#offsets.push(offset);
    this.#seconds.push(Math.max(0, Math.floor(time_ms / 1000)));
    this.#from_ms = Math.min(this.#from_ms, time_ms);
    this.#to_ms = Math.max(this.#to_ms, time_ms);
    for (const term of terms) {
      let postings = this.#terms.get(term);
      if (postings === undefined) this.#terms.set(term, (postings = new Postings()));
      postings.add(record);
    }
    if (this.#terms.size <= this.#terms_max) return;
    this.#unfit = true;
    this.#terms.clear();
    this.#offsets = [];
    this.#seconds = [];
  }

  finish(stamp: Stamp): Buffer {
    const sorted = [...this.#terms].map(([term, postings]) => ({ hash: hashOf(term), postings }));
    sorted.sort((a, b) => a.hash[0] - b.hash[0] || a.hash[1] - b.hash[1]);
    const records = this.#offsets.length;
    const postings_bytes = sorted.reduce((sum, { postings }) => sum + postings.length, 0);
    const head: Head = {
      ...stamp,
      v: index_version,
      records,
      first_seq: this.#first_seq,
      last_seq: this.#last_seq,
      from_ms: records === 0 ? 0 : this.#from_ms,
      to_ms: records === 0 ? 0 : this.#to_ms,
      terms: sorted.length,
      unfit: this.#unfit,
      postings_bytes,
    };
    const at = placesOf(head);
    const file = Buffer.alloc(at.end);
    file.write(`${JSON.stringify(head).padEnd(HEAD_BYTES - 1)}\n`);
    const fan = new Uint32Array(FAN_OUT + 1);
    let posting = 0;
    sorted.forEach(({ hash: [high, low], postings }, index) => {
      const entry = at.terms + index * TERM_BYTES;
      file.writeUInt32LE(high, entry);
      file.writeUInt32LE(low, entry + 4);
      file.writeUInt32LE(posting, entry + 8);
      file.writeUInt32LE(postings.count, entry + 12);
      posting += postings.writeTo(file, at.postings + posting);
      const bucket = (high >>> 24) + 1;
      fan[bucket] = (fan[bucket] ?? 0) + 1;
    });
    for (let bucket = 1; bucket <= FAN_OUT; bucket++) fan[bucket] = (fan[bucket] ?? 0) + (fan[bucket - 1] ?? 0);
    fan.forEach((count, bucket) => file.writeUInt32LE(count, HEAD_BYTES + bucket * 4));
    for (let record = 0; record < records; record++) {
      file.writeUInt32LE(this.#offsets[record] ?? 0, at.records + record * RECORD_BYTES);
      file.writeUInt32LE(Math.min(0xffff_ffff, this.#seconds[record] ?? 0), at.records + record * RECORD_BYTES + 4);
    }
    return file;
  }
}

function placesOf({ terms, records, postings_bytes }: Pick<Head, 'terms' | 'records' | 'postings_bytes'>) {
  const terms_at = HEAD_BYTES + FAN_BYTES;
  const records_at = terms_at + terms * TERM_BYTES;
  const postings_at = records_at + records * RECORD_BYTES;
  return { terms: terms_at, records: records_at, postings: postings_at, end: postings_at + postings_bytes };
}

/** Numbers of records of one term, encoded as they come: a segment has millions of them. */
class Postings {
  count = 0;
  length = 0;
  #last = -1;
  #bytes = Buffer.allocUnsafe(4);

  add(record: number): void {
    if (record === this.#last) return;
    let rest = record - Math.max(0, this.#last);
    this.#last = record;
    this.count++;
    if (this.length + 5 > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(this.#bytes.length * 2 + 8);
      this.#bytes.copy(larger, 0, 0, this.length);
      this.#bytes = larger;
    }
    while (rest > 0x7f) {
      this.#bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.length++] = rest;
  }

  /** Bytes written. */
  writeTo(file: Buffer, at: number): number {
    return this.#bytes.copy(file, at, 0, this.length);
  }
}

export const termText = ({ kind, name }: Term): string => `${kind} ${name}`;

/** 64 bits that spread well. Names that somebody chose to collide make a search look at records in vain, no more. */
export function hashOf(term: string): readonly [high: number, low: number] {
  let high = 0xdead_beef;
  let low = 0x41c6_ce57;
  for (let at = 0; at < term.length; at++) {
    const unit = term.charCodeAt(at);
    high = Math.imul(high ^ unit, 0x9e37_79b1);
    low = Math.imul(low ^ unit, 0x5f35_6495);
  }
  high = Math.imul(high ^ (high >>> 16), 0x85eb_ca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2_ae35);
  low = Math.imul(low ^ (low >>> 16), 0x85eb_ca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2_ae35);
  return [high >>> 0, low >>> 0];
}

/** Null: that is no index, or one of another version, or not whole. */
export async function readHead(file: AuditFile): Promise<Head | null> {
  const bytes = await readRange(file, 0, HEAD_BYTES);
  try {
    const head = JSON.parse(bytes.toString()) as Head;
    if (head.v !== index_version) return null;
    return (await file.size()) === placesOf(head).end ? head : null;
  } catch {
    return null;
  }
}

export class IndexReader {
  readonly head: Head;
  readonly #file: AuditFile;
  #fan: Buffer | null = null;
  #records: Buffer | null = null;

  constructor(file: AuditFile, head: Head) {
    this.#file = file;
    this.head = head;
  }

  /** Records that have one name of each, ascending; null: no terms were given, so all may be meant. */
  async find(terms: readonly (readonly Term[])[]): Promise<readonly number[] | null> {
    let found: readonly number[] | null = null;
    for (const any of terms) {
      const lists: (readonly number[])[] = [];
      for (const term of any) {
        const list = await this.#postings(hashOf(termText(term)));
        if (list.length > 0) lists.push(list);
      }
      const one: readonly number[] = lists.length === 1 ? (lists[0] ?? []) : union(lists);
      found = found === null ? one : intersection(found, one);
      if (found.length === 0) return found;
    }
    return found;
  }

  /** Records between these times, to the second: a few more than are meant. `among`: of these; null: of all. */
  async within(from_ms: number, to_ms: number, among: readonly number[] | null): Promise<readonly number[]> {
    const { records, from_ms: first, to_ms: last } = this.head;
    const all = among ?? Array.from({ length: records }, (_, record) => record);
    if (from_ms <= first && to_ms > last) return all;
    const table = await this.#table();
    return all.filter((record) => {
      const second = table.readUInt32LE(record * RECORD_BYTES + 4);
      return second >= Math.floor(from_ms / 1000) && second * 1000 < to_ms;
    });
  }

  /** Bytes of the segment from the record's first to the next record's, or the end. */
  async placeOf(record: number): Promise<{ readonly from: number; readonly to: number }> {
    const table = await this.#table();
    const { records, bytes } = this.head;
    const from = table.readUInt32LE(record * RECORD_BYTES);
    return { from, to: record + 1 < records ? table.readUInt32LE((record + 1) * RECORD_BYTES) : bytes };
  }

  async #table(): Promise<Buffer> {
    const { records } = this.head;
    this.#records ??= await this.#read(placesOf(this.head).records, records * RECORD_BYTES);
    return this.#records;
  }

  async #postings([high, low]: readonly [number, number]): Promise<readonly number[]> {
    this.#fan ??= this.#sound(await this.#read(HEAD_BYTES, FAN_BYTES));
    const bucket = high >>> 24;
    const first = this.#fan.readUInt32LE(bucket * 4);
    const count = this.#fan.readUInt32LE((bucket + 1) * 4) - first;
    if (count === 0) return [];
    const at = placesOf(this.head);
    // One more, whose start is the end of the last one's postings.
    const last = first + count === this.head.terms;
    const terms = await this.#read(at.terms + first * TERM_BYTES, (count + (last ? 0 : 1)) * TERM_BYTES);
    for (let index = 0; index < count; index++) {
      const entry = index * TERM_BYTES;
      if (terms.readUInt32LE(entry) >>> 24 !== bucket) throw new BadIndex();
      if (terms.readUInt32LE(entry) !== high || terms.readUInt32LE(entry + 4) !== low) continue;
      const begin = terms.readUInt32LE(entry + 8);
      const end = last && index + 1 === count ? this.head.postings_bytes : terms.readUInt32LE(entry + TERM_BYTES + 8);
      const bytes = await this.#read(at.postings + begin, end - begin);
      return decode(bytes, terms.readUInt32LE(entry + 12), this.head.records);
    }
    return [];
  }

  #sound(fan: Buffer): Buffer {
    let before = 0;
    for (let bucket = 0; bucket <= FAN_OUT; bucket++) {
      const upTo = fan.readUInt32LE(bucket * 4);
      if (upTo < before) throw new BadIndex();
      before = upTo;
    }
    if (before !== this.head.terms) throw new BadIndex();
    return fan;
  }

  async #read(position: number, length: number): Promise<Buffer> {
    const inside = length >= 0 && position + length <= placesOf(this.head).end;
    const bytes = inside ? await readRange(this.#file, position, length) : null;
    if (bytes?.length !== length) throw new BadIndex();
    return bytes;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function decode(bytes: Buffer, count: number, below: number): number[] {
  const records: number[] = [];
  let record = 0;
  let value = 0;
  let shift = 0;
  for (const byte of bytes) {
    value |= (byte & 0x7f) << shift;
    shift += 7;
    if (byte > 0x7f) continue;
    record += value;
    records.push(record);
    value = 0;
    shift = 0;
  }
  if (records.length !== count || record >= below) throw new BadIndex();
  return records;
}

function intersection(some: readonly number[], others: readonly number[]): number[] {
  const both: number[] = [];
  for (let a = 0, b = 0; a < some.length && b < others.length; ) {
    const difference = (some[a] ?? 0) - (others[b] ?? 0);
    if (difference === 0) both.push(some[a] ?? 0);
    if (difference <= 0) a++;
    if (difference >= 0) b++;
  }
  return both;
}

function union(lists: readonly (readonly number[])[]): number[] {
  return [...new Set(lists.flat())].toSorted((a, b) => a - b);
}
