// Streams a log's segments line by line, and surveys a whole log: does it verify, where does it end, what of its tail is torn.
// Reads only, in bounded memory (one chunk or one line, and the missing leaves of one segment). Must never call a damaged durable
// record a torn tail: a leaf is written only after its line was synced, so what has a leaf was durable.

import { createHash } from 'node:crypto';
import { errorCode, readRange, type AuditFile, type AuditFs } from './files.ts';
import { AuditError } from './error.ts';
import { isJson, leaf_bytes, leafOfBytes, no_leaf, parseStart, record_bytes_max, type Line } from './record.ts';

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

/** Reads every record once. Never throws for damage: that is `problem`. */
export async function survey(fs: AuditFs, folder: string, leaves?: Leaves): Promise<Survey> {
  leaves?.begin();
  const segments = await segmentsOf(fs, folder);
  const state = { seq: 0, leaf: no_leaf, problems: 0, first: '', digest: createHash('sha256') };
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

  let previous = 0;
  for (const segment of segments) {
    if (segment !== previous + 1) problem(`segment ${nameOf(previous + 1)}.jsonl is missing`);
    previous = segment;
    tail = await surveySegment(fs, folder, segment, segment === segments.at(-1), state, problem, leaves);
  }
  return {
    seq: state.seq,
    leaf: state.leaf,
    segment: segments.at(-1) ?? 0,
    ...tail,
    problem: state.problems === 0 ? null : { text: state.first, count: state.problems },
    digest: state.digest.digest('hex'),
  };
}

async function surveySegment(
  fs: AuditFs,
  folder: string,
  segment: number,
  last: boolean,
  state: { seq: number; leaf: string; problems: number; digest: ReturnType<typeof createHash> },
  problem: (text: string) => void,
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
        const sound = start !== null && (has_leaf || !last || isJson(line.bytes));
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

async function openOrNull(fs: AuditFs, path: string): Promise<AuditFile | null> {
  return fs.open(path, 'read').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
}
