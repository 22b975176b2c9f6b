// Streams a log's segments line by line, and surveys a whole log: does it verify, where does it end, what of its tail is torn.
// Reads only, in bounded memory (one chunk or one line, and the missing leaves of one segment). Must never call a damaged durable
// record a torn tail: a leaf is written only after its line was synced, so what has a leaf was durable.

import { createHash } from 'node:crypto';
import { errorCode, readRange, type AuditFile, type AuditFs } from './files.ts';
import { AuditError } from './error.ts';
import { isJson, leaf_bytes, leafOfBytes, no_leaf, parseStart, record_bytes_max, type Line } from './record.ts';
import { type Gone, leavesOf, nothingGone, type Removal, removalIn, says } from './removal.ts';

const chunk_bytes = 1024 * 1024;
const NEWLINE = 0x0a;
const NO_LEAF = Buffer.alloc(leaf_bytes);

export interface RawLine {
  /** Without the newline; valid until the next chunk is asked for. */
  readonly bytes: Buffer;
  readonly at: number;
  /** False: the file ends, or the line passes `record_bytes_max`, before a newline; always the last. */
  readonly whole: boolean;
}

export interface Survey extends SegmentSurvey {
  /** Of the last record; 0 and `no_leaf` when there is none. */
  readonly seq: number;
  readonly leaf: string;
  /** Number of the last segment; 0: none. */
  readonly segment: number;
  /** Null: it verifies (but for a torn tail). Else the first problem in words and how many there are. */
  readonly problem: { readonly text: string; readonly count: number } | null;
  /** Hex SHA-256 over all leaves and leaf files as they stand: what an override accepts. */
  readonly digest: string;
  /** What retention removed, as the newest record of that says; null: nothing. Segments of it may still be there. */
  readonly removal: Removal | null;
  /** All that say so, in their order. */
  readonly removals: readonly Removal[];
  /** What is gone, and the record that first said so; null: nothing is. */
  readonly gone: Gone;
  readonly gone_by: number | null;
}

/** Of the last segment. */
interface SegmentSurvey {
  /** End of the last whole record in the last segment, and of the file. */
  readonly offset: number;
  readonly size: number;
  /** Records in the last segment, how many of them have their leaf, and the leaves of the others. */
  readonly records: number;
  readonly leaves_good: number;
  readonly leaves_missing: Buffer;
  readonly leaf_file_size: number;
}

/** Who is told each line's leaf, in order, but for those of a torn tail. */
export interface Leaves {
  begin(): void;
  found(leaf: Buffer): void;
  /** Resolves when it takes more. */
  ready(): Promise<void>;
}

interface State {
  seq: number;
  leaf: string;
  problems: number;
  first: string;
  readonly digest: ReturnType<typeof createHash>;
  /** In their order. */
  readonly removals: Removal[];
}

/** Does a line that is JSON say what was sealed in it? Asked of those that have no leaf hash: a crash may have put two halves together. */
export type Opens = (line: Buffer) => Promise<boolean>;

/** Reads every record once; twice where segments are gone that no record speaks of. Never throws for damage: that is `problem`. */
export async function survey(
  fs: AuditFs,
  folder: string,
  leaves?: Leaves,
  opens: Opens = async () => true,
): Promise<Survey> {
  const segments = await segmentsOf(fs, folder);
  const before = (segments[0] ?? 1) - 1;
  const found = await surveyAll(fs, folder, segments, before, opens, leaves);
  if (before === 0 || found.gone_by !== null) return found;
  // More is gone than a record says: that much was removed, and the rest is missing.
  const said = Math.max(0, ...found.removals.map(({ segment }) => segment).filter((segment) => segment < before));
  const part = said === 0 ? null : await surveyAll(fs, folder, segments, said, opens, leaves);
  if (part !== null && part.gone_by !== null) return part;
  return surveyAll(fs, folder, segments, 0, opens, leaves);
}

/** So many segments at the front are gone, and their leaf hashes stand for them. */
async function surveyAll(
  fs: AuditFs,
  folder: string,
  segments: readonly number[],
  before: number,
  opens: Opens,
  leaves?: Leaves,
): Promise<Survey> {
  leaves?.begin();
  const state: State = {
    seq: 0,
    leaf: no_leaf,
    problems: 0,
    first: '',
    digest: createHash('sha256'),
    removals: [],
  };
  let tail: SegmentSurvey = {
    offset: 0,
    size: 0,
    records: 0,
    leaves_good: 0,
    leaves_missing: Buffer.alloc(0),
    leaf_file_size: 0,
  };
  const problem = (text: string) => {
    if (state.problems++ === 0) state.first = text;
  };

  const gone = await surveyGone(fs, folder, before, state, leaves);
  let previous = gone.segment;
  for (const segment of segments) {
    if (segment !== previous + 1)
      problem(`segment ${nameOf(previous + 1)}.jsonl is missing, and no record says that retention removed it`);
    previous = segment;
    tail = await surveySegment(fs, folder, segment, segment === segments.at(-1), state, problem, opens, leaves);
  }
  return {
    seq: state.seq,
    leaf: state.leaf,
    segment: segments.at(-1) ?? 0,
    ...tail,
    problem: state.problems === 0 ? null : { text: state.first, count: state.problems },
    digest: state.digest.digest('hex'),
    removal: state.removals.at(-1) ?? null,
    removals: state.removals,
    gone,
    gone_by: gone.segment < before ? null : (state.removals.find((one) => says(one, gone))?.seq ?? null),
  };
}

/** Where the hashes of one of them are missing, none is taken for removed. */
async function surveyGone(
  fs: AuditFs,
  folder: string,
  count: number,
  state: State,
  told: Leaves | undefined,
): Promise<Gone> {
  let gone = nothingGone();
  for (let segment = 1; segment <= count; segment++) {
    const path = `${folder}/${nameOf(segment)}.leaf`;
    const next = await goneSegment(fs, path, gone, (leaf) => told?.found(leaf));
    if (next === null) break;
    gone = next;
    for (let twice = 0; twice < 2; twice++)
      for await (const part of (await leavesOf(fs, path)) ?? []) state.digest.update(part);
    await told?.ready();
  }
  state.seq = gone.records;
  state.leaf = gone.leaf;
  return gone;
}

/** With one segment more, by its leaf hashes; null: they are not there. Its `tree` goes on as the other's. */
export async function goneSegment(
  fs: AuditFs,
  path: string,
  { segment, records, leaf, tree }: Gone,
  told: (leaf: Buffer) => void = () => undefined,
): Promise<Gone | null> {
  const parts = await leavesOf(fs, path);
  if (parts === null) return null;
  let count = records;
  let last = leaf;
  for await (const part of parts) {
    for (let at = 0; at + leaf_bytes <= part.length; at += leaf_bytes) {
      const one = part.subarray(at, at + leaf_bytes);
      tree.push(one);
      told(one);
    }
    count += part.length / leaf_bytes;
    last = part.toString('hex', part.length - leaf_bytes);
  }
  return { segment: segment + 1, records: count, leaf: last, tree };
}

async function surveySegment(
  fs: AuditFs,
  folder: string,
  segment: number,
  last: boolean,
  state: State,
  problem: (text: string) => void,
  opens: Opens,
  told?: Leaves,
): Promise<SegmentSurvey> {
  const name = `${nameOf(segment)}.jsonl`;
  const leaves = await openOrNull(fs, `${folder}/${nameOf(segment)}.leaf`);
  const file = await fs.open(`${folder}/${name}`, 'read');
  try {
    const size = await file.size();
    const leaf_file_size = (await leaves?.size()) ?? 0;
    let leaf_count = Math.floor(leaf_file_size / leaf_bytes);
    let records = 0;
    let offset = 0;
    let damaged = false;
    // A bad line without a leaf: the torn tail if nothing whole follows, else damage.
    let suspect: { at: number; text: string; seq: number; leaf: string; records: number } | null = null;
    const missing: Buffer[] = [];
    // Those of a tail that may be torn wait until that is known.
    let held: Buffer[] = [];
    const tell = () => {
      for (const leaf of held) told?.found(leaf);
      held = [];
    };
    const spoil = (text: string) => {
      damaged = true;
      problem(text);
    };

    for await (const lines of rawLines(file, 0, size)) {
      const known =
        leaves === null ? NO_LEAF : await readRange(leaves, records * leaf_bytes, lines.length * leaf_bytes);
      const first = records;
      for (const line of lines) {
        const start = line.whole ? parseStart(line.bytes) : null;
        if (records === 0 && start !== null && state.problems > 0 && accepts(line.bytes, state.digest))
          state.problems = 0;
        const leaf = leafOfBytes(line.bytes);
        const expected = state.seq + 1;
        let has_leaf = records < leaf_count;
        if (has_leaf && last && isTornLeaf(leafAt(known, records - first), Buffer.from(leaf, 'hex'))) {
          leaf_count = records;
          has_leaf = false;
        }
        const sound = start !== null && (has_leaf || !last || (isJson(line.bytes) && (await opens(line.bytes))));
        if (!sound && last && !has_leaf && !damaged) {
          suspect ??= {
            at: line.at,
            text: `${name}, byte ${line.at}: record ${expected} is unreadable`,
            seq: state.seq,
            leaf: state.leaf,
            records,
          };
        } else {
          if (sound && suspect !== null) {
            spoil(`${suspect.text}, and whole records follow`);
            suspect = null;
          }
          const at = `${name}, byte ${line.at}`;
          if (start === null)
            spoil(`${at}: record ${expected} is unreadable${has_leaf ? ', though it was durable' : ''}`);
          else if (start.seq !== expected)
            spoil(`${at}: record ${start.seq} follows record ${state.seq}; ${sequenceWords(start.seq, expected)}`);
          else if (start.prev !== state.leaf)
            spoil(`${at}: record ${expected} does not continue record ${state.seq}: one of the two was changed`);
          else if (has_leaf && !damaged && !leafAt(known, records - first).equals(Buffer.from(leaf, 'hex')))
            spoil(`${at}: record ${expected} is not the one whose leaf hash is kept: it was changed`);
        }
        state.seq = start?.seq ?? expected;
        state.leaf = leaf;
        state.digest.update(leaf, 'hex');
        if (told) held.push(Buffer.from(leaf, 'hex'));
        if (sound) {
          const removal = removalIn(line.bytes);
          if (removal !== null && removal.segment < segment) state.removals.push(removal);
        }
        if (suspect === null) tell();
        if (!has_leaf) missing.push(Buffer.from(leaf, 'hex'));
        records++;
        offset = line.at + line.bytes.length + (line.whole ? 1 : 0);
      }
      await told?.ready();
    }
    if (suspect === null || damaged) tell();

    if (suspect !== null && !damaged) {
      // The torn tail is no part of the log.
      missing.length = Math.max(0, suspect.records - Math.min(leaf_count, suspect.records));
      ({ seq: state.seq, leaf: state.leaf, records } = suspect);
      offset = suspect.at;
    } else if (leaf_count > records && leaves !== null) {
      if (last && (await readRange(leaves, records * leaf_bytes, leaf_bytes)).equals(NO_LEAF)) leaf_count = records;
      else
        spoil(
          `${name} ends after record ${state.seq}, but leaf hashes of ${leaf_count - records} more durable record(s) are kept: ` +
            'the log lost its end',
        );
    }
    if (!last && leaf_count < records)
      spoil(`${nameOf(segment)}.leaf holds ${leaf_count} of ${records} leaf hashes although its segment was completed`);
    if (leaves !== null) await digestFile(leaves, leaf_file_size, state.digest);
    return {
      offset,
      size,
      records,
      leaves_good: Math.min(leaf_count, records),
      leaves_missing: Buffer.concat(missing),
      leaf_file_size,
    };
  } finally {
    await file.close();
    await leaves?.close();
  }
}

function sequenceWords(found: number, expected: number): string {
  if (found > expected) return `record ${expected}${found > expected + 1 ? ` to ${found - 1}` : ''} is missing`;
  return 'it was inserted or moved';
}

function leafAt(leaves: Buffer, index: number): Buffer {
  return leaves.subarray(index * leaf_bytes, (index + 1) * leaf_bytes);
}

/** A power cut may leave zeros where a leaf was never synced: from its start, or from the byte where the file's synced part ended. */
function isTornLeaf(kept: Buffer, leaf: Buffer): boolean {
  const same = kept.findIndex((byte, i) => byte !== leaf[i]);
  return same !== -1 && kept.subarray(same).every((byte) => byte === 0);
}

/** Does this record say that an operator accepted all before it, exactly as it stands? */
function accepts(bytes: Buffer, digest: ReturnType<typeof createHash>): boolean {
  try {
    const line = JSON.parse(bytes.toString()) as Line;
    return line.type === 'log.overridden' && line.clear['accepted'] === digest.copy().digest('hex');
  } catch {
    return false;
  }
}

async function digestFile(file: AuditFile, size: number, digest: ReturnType<typeof createHash>): Promise<void> {
  for (let at = 0; at < size; at += chunk_bytes)
    digest.update(await readRange(file, at, Math.min(chunk_bytes, size - at)));
}

/** The lines from byte `from` (a line's start) to `to`, in arrays of what one chunk completed. */
export async function* rawLines(file: AuditFile, from: number, to: number): AsyncGenerator<RawLine[]> {
  let rest: Buffer = Buffer.alloc(0);
  let at = from;
  for (let position = from; position < to; ) {
    const chunk = await readRange(file, position, Math.min(chunk_bytes, to - position));
    if (chunk.length === 0) break;
    position += chunk.length;
    // Joining is linear in the line's length per chunk; only a line of many chunks pays for it.
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const lines: RawLine[] = [];
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE, rest.length); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      lines.push({ bytes: bytes.subarray(start, end), at: at + start, whole: true });
      start = end + 1;
    }
    rest = bytes.subarray(start);
    at += start;
    if (lines.length > 0) yield lines;
    if (rest.length > record_bytes_max) break;
  }
  if (rest.length > 0) yield [{ bytes: rest, at, whole: false }];
}

export function nameOf(segment: number): string {
  return String(segment).padStart(8, '0');
}

/** Numbers of the segments that are there, ascending. Rejects when the folder cannot be read; [] when it is missing. */
export async function segmentsOf(fs: AuditFs, folder: string): Promise<number[]> {
  const names = await fs.list(folder).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const numbers = names.filter((name) => /^\d{8,}\.jsonl$/.test(name)).map((name) => Number(name.slice(0, -6)));
  if (numbers.includes(0)) throw new AuditError('damaged', 'there is no segment 0');
  return numbers.toSorted((a, b) => a - b);
}

/** Those that would stand before the first. */
export function numbersBefore(segments: readonly number[]): number[] {
  return Array.from({ length: (segments[0] ?? 1) - 1 }, (_, index) => index + 1);
}

/** How many records stood before these segments, by the leaf hashes that are left of them. */
export async function recordsBefore(fs: AuditFs, folder: string, segments: readonly number[]): Promise<number> {
  let records = 0;
  for (const segment of numbersBefore(segments)) {
    const file = await openOrNull(fs, `${folder}/${nameOf(segment)}.leaf`);
    records += Math.floor(((await file?.size()) ?? 0) / leaf_bytes);
    await file?.close();
  }
  return records;
}

async function openOrNull(fs: AuditFs, path: string): Promise<AuditFile | null> {
  return fs.open(path, 'read').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
}
