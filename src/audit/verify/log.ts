// Does a log say what its checkpoints signed? Reads the lines once and compares the tree's root at each checkpoint; only where one differs
// it reads again, to say which records. Offline, in bounded memory, with public keys alone. Must never call good what no checkpoint covers.

import { open } from 'node:fs/promises';
import { differences, type Difference, type Kind, type Line } from './differences.ts';
import { goneFrom, logLines, type Said, segmentsIn, type LogLine, type Segment } from './lines.ts';
import type { SignedCheckpoint } from './note.ts';
import { HASH_BYTES, Roots } from './tree.ts';

/** Records whose truth is put together from their neighbours in memory, 64 bytes each. */
const CHAIN_MAX = 1_000_000;
const READ_BYTES = 1024 * 1024;
/** Told of clocks that were set, at most; and records that are earlier by less are nothing odd. */
const CLOCK_NOTES_MAX = 5;
const CLOCK_BACK_MS = 2000;
const TILE_BYTES = 256 * HASH_BYTES;

export interface Finding {
  /** gap: the chain breaks behind the newest checkpoint. contradiction: two signed checkpoints of one size. */
  readonly kind: Kind | 'gap' | 'contradiction';
  readonly record: number;
  readonly to: number;
  /** Null: it stands nowhere. */
  readonly where: { readonly file: string; readonly byte: number } | null;
  readonly text: string;
}

export interface LogReport {
  /** Everything up to the newest given checkpoint is as it was signed, and nothing behind it contradicts itself. */
  readonly verified: boolean;
  readonly records: number;
  readonly segments: number;
  readonly bytes: number;
  /** The records that a good checkpoint covers: 1 to this. */
  readonly covered: number;
  /** Time of the last record that is covered, as it says. */
  readonly covered_time: string;
  /** The newest that was given. */
  readonly newest: { readonly size: number; readonly from: string; readonly signed_by: readonly string[] };
  readonly checkpoints: { readonly good: number; readonly wrong: number };
  /** Between these two checkpoints the first difference lies; null: there is none. */
  readonly interval: { readonly from: number; readonly to: number } | null;
  readonly findings: readonly Finding[];
  /** There are more findings than these. */
  readonly more: boolean;
  /** Not yet covered by a checkpoint; null: all is. */
  readonly uncovered: { readonly from: number; readonly to: number } | null;
  readonly notes: readonly string[];
  /** By retention, as this record says that a checkpoint covers: their hashes are as they were signed, they are gone. Null: none is. */
  readonly removed: { readonly from: number; readonly to: number; readonly by: number; readonly why: string } | null;
}

export interface Given extends SignedCheckpoint {
  readonly from: string;
}

export interface VerifyOptions {
  /** Folder with 00000001.jsonl. */
  readonly folder: string;
  /** At least one, their signatures checked. */
  readonly checkpoints: readonly Given[];
  /** The log's own newest, its signature checked: it may cover the record of a removal that no given one does. Nothing else is taken from it. */
  readonly own?: Given | null;
  /** Bytes read so far, and of how many. */
  readonly progress?: (read: number, of: number) => void;
}

export async function verifyLog({ folder, checkpoints, own, progress }: VerifyOptions): Promise<LogReport> {
  const present = await segmentsIn(folder);
  const given = checkpoints.toSorted((a, b) => a.size - b.size);
  const newest = given.at(-1) as Given;
  const before = await goneFrom(folder, present);
  let segments = [...before, ...present];
  const of = { given, own: own ?? null, covered: newest.size };
  const bytes = segments.reduce((sum, one) => sum + one.bytes, 0);
  const tell = (done: number): void => progress?.(done, bytes);
  let read = await readAll(segments, of, tell);
  const notes: string[] = [];
  let removed: LogReport['removed'] = null;
  let removed_root: string | null = null;
  if (before.length > 0) {
    const by = removalOf(read, before.length);
    if (typeof by === 'string') {
      // Then what is gone is a loss like any other, but for what a record says.
      notes.push(by);
      const { removals, vouched } = read;
      const part = removals.findLast(({ said, at }) => said.segment < before.length && at <= vouched);
      segments = [...before.slice(0, part?.said.segment ?? 0), ...present];
      read = await readAll(segments, of, tell);
      if (part) removed = { from: 1, to: read.boundary, by: part.at, why: part.said.why };
    } else {
      removed = { from: 1, to: read.boundary, by: by.at, why: by.said.why };
      if (by.said.segment === before.length) removed_root = by.said.root;
    }
  }
  notes.push(...read.notes);
  const findings: Finding[] = [];
  const missing = segments.findIndex(({ number }, index) => number !== index + 1);
  if (missing !== -1) notes.push(`${fileName(missing + 1)} is missing`);

  const wrong = given.filter((one) => !read.good.has(one));
  let interval: LogReport['interval'] = null;
  let more = false;
  if (wrong.length > 0) {
    const first = wrong[0] as Given;
    interval = { from: read.roots.size + 1, to: first.size };
    const twice = contradictory(given);
    if (twice) findings.push(twice);
    const told = await explain(folder, segments, read.roots, [newest, first]);
    if (told) {
      findings.push(...told.found.map((one) => findingOf(one, told.to, removed?.to ?? 0)));
      ({ more } = told);
    } else if (!twice || first.size > 0) findings.push(unexplained(interval, read.records));
  }
  if (wrong.length === 0 && removed !== null && removed_root !== null && removed_root !== read.boundary_root)
    findings.push(anotherRoot(removed));
  if (wrong.length === 0 && read.breaks > 0) notes.push(`the chain breaks ${read.breaks} time(s) in what was signed`);
  for (const gap of read.gaps) findings.push(gap);
  const covered = wrong.length > 0 ? read.roots.size : newest.size;
  const last = Math.max(newest.size, removed?.to ?? 0);
  return {
    verified: findings.length === 0 && wrong.length === 0,
    records: read.records,
    segments: present.length,
    bytes: present.reduce((sum, one) => sum + one.bytes, 0),
    covered,
    covered_time: wrong.length > 0 ? '' : read.covered_time,
    newest: { size: newest.size, from: newest.from, signed_by: newest.signed_by },
    checkpoints: { good: given.length - wrong.length, wrong: wrong.length },
    interval,
    findings,
    more,
    uncovered: read.records > last ? { from: last + 1, to: read.records } : null,
    notes,
    removed,
  };
}

/** The newest record that says that retention removed these segments, where a checkpoint covers it; else why there is none. */
function removalOf({ removals, vouched, boundary }: Read, segments: number): Removal | string {
  const gone = `segments 1 to ${segments} are gone`;
  const all = removals.filter(({ said }) => said.segment >= segments);
  const one = all.findLast(({ at }) => at <= vouched) ?? all.at(-1);
  if (one === undefined) return `${gone}, and no record says that retention removed them`;
  const by = `record ${one.at} says that retention removed them`;
  if (one.at > vouched)
    return `${gone}, and ${by}; but no checkpoint that was given covers that record: give a newer one`;
  const { segment, record } = one.said;
  const fits = segment === segments ? record === boundary : record > boundary;
  return fits ? one : `${gone}, and ${by}; but it says so of other records than the leaf hashes that are left`;
}

interface Removal {
  readonly said: Said;
  /** Which record says so, counted. */
  readonly at: number;
}

interface Read {
  readonly records: number;
  readonly good: ReadonlySet<Given>;
  /** Of the part up to the last good checkpoint before the first wrong one. */
  readonly roots: Roots;
  readonly covered_time: string;
  readonly gaps: readonly Finding[];
  readonly notes: readonly string[];
  /** Where the chain breaks in what the newest checkpoint covers. */
  readonly breaks: number;
  readonly removals: readonly Removal[];
  /** A checkpoint covers records 1 to this: one that was given, or the log's own where that holds. */
  readonly vouched: number;
  /** How many records only their hashes are left of, and the root over these, hex. */
  readonly boundary: number;
  readonly boundary_root: string;
}

async function readAll(
  segments: readonly Segment[],
  { given, own, covered }: { readonly given: readonly Given[]; readonly own: Given | null; readonly covered: number },
  progress: (bytes: number) => void,
): Promise<Read> {
  // Where a given one does not hold, the log does not verify in any case.
  let vouched = covered;
  let boundary = 0;
  let boundary_root = '';
  const removals: Removal[] = [];
  const roots = new Roots();
  const good = new Set<Given>();
  let sound = roots.copy();
  let clean = true;
  let next = 0;
  const look = (): void => {
    for (let one = given[next]; one?.size === roots.size; one = given[++next]) {
      if (one.root.equals(roots.root())) {
        good.add(one);
        if (clean) sound = roots.copy();
      } else clean = false;
    }
    if (own?.size === roots.size && own.root.equals(roots.root())) vouched = Math.max(vouched, own.size);
  };
  look();
  const gaps: Finding[] = [];
  const notes: string[] = [];
  let before: LogLine | undefined;
  let breaks = 0;
  let covered_time = '';
  let clocks = 0;
  const take = (line: LogLine): void => {
    if (!line.whole && line.segment === segments.at(-1)?.number) {
      notes.push(
        `${fileName(line.segment)} ends in the middle of a record, which is not counted: the log was being written, or was cut`,
      );
      return;
    }
    if (before?.gone === true && !line.gone) {
      boundary = roots.size;
      boundary_root = roots.root().toString('hex');
    }
    roots.add(line.leaf);
    const number = before?.gone === true ? line.seq : (before?.seq ?? 0) + 1;
    const continues = line.gone || (line.seq === number && line.prev === (before?.leaf.toString('hex') ?? ZEROS));
    if (line.removed !== null) removals.push({ said: line.removed, at: roots.size });
    if (!continues) {
      // An operator may have accepted a log that did not verify; then what stands is what was signed from there on.
      if (line.type === 'log.overridden') notes.push(overridden(line));
      else if (roots.size > covered && gaps.length === 0) gaps.push(gapAt(line, roots.size));
      else if (roots.size <= covered) breaks++;
    }
    const odd = clockNote(line, before);
    if (odd !== null && ++clocks <= CLOCK_NOTES_MAX) notes.push(odd);
    look();
    if (roots.size === covered) covered_time = line.time;
    before = line;
  };
  for await (const lines of logLines(segments, progress)) for (const line of lines) take(line);
  if (clocks > CLOCK_NOTES_MAX) notes.push(`the clock was set ${clocks} times in all`);
  return {
    records: roots.size,
    good,
    roots: sound,
    covered_time,
    gaps,
    notes,
    breaks,
    removals,
    vouched,
    boundary,
    boundary_root,
  };
}

const ZEROS = '0'.repeat(64);

function gapAt(line: LogLine, record: number): Finding {
  return {
    kind: 'gap',
    record,
    to: record,
    where: whereOf(line),
    text: `record ${record} does not continue the one before it; no checkpoint covers it, so nobody can say which of the two was changed`,
  };
}

function overridden(line: LogLine): string {
  return `record ${line.seq ?? '?'} says that an operator accepted a log that did not verify, as it stood there; what was signed before it shows what it was`;
}

/** What a reader of times must know; null: nothing. */
function clockNote({ seq, type, time }: LogLine, before: LogLine | undefined): string | null {
  const back_ms = Date.parse(before?.time ?? '') - Date.parse(time);
  if (type === 'log.clock_jumped')
    return `record ${seq} says that the clock was set there: compare times before and after it with care`;
  if (!(back_ms > CLOCK_BACK_MS)) return null;
  return `record ${seq} is of ${time}, ${Math.round(back_ms / 1000)} s before the record before it, and nothing says why`;
}

/** Two signed checkpoints of one size and two roots: whoever holds the key signed two histories. */
function contradictory(given: readonly Given[]): Finding | null {
  for (const [index, one] of given.entries()) {
    const other = given[index + 1];
    if (other?.size !== one.size || other.root.equals(one.root)) continue;
    const text = `${one.from} and ${other.from} hold checkpoints of ${one.size} records that contradict each other, both signed: two histories were signed`;
    return { kind: 'contradiction', record: 1, to: one.size, where: null, text };
  }
  return null;
}

function anotherRoot({ to, by }: NonNullable<LogReport['removed']>): Finding {
  const text = `record ${by} says that retention removed records 1 to ${to}, and names another root than their hashes have`;
  return { kind: 'contradiction', record: 1, to, where: null, text };
}

function unexplained({ from, to }: { readonly from: number; readonly to: number }, records: number): Finding {
  const cut = records < to ? ` The log has ${records} records, and ${to} were signed.` : '';
  return {
    kind: 'rewritten',
    record: from,
    to,
    where: null,
    text: `${range(from, to)}: not what was signed. Their hashes were made anew or are gone, so nobody can say which of them and how.${cut}`,
  };
}

// --- which records

/** Null: nothing that is left shows what was signed. */
async function explain(
  folder: string,
  segments: readonly Segment[],
  roots: Roots,
  targets: readonly Given[],
): Promise<{ readonly found: readonly Difference[]; readonly more: boolean; readonly to: number } | null> {
  for (const target of targets) {
    for (const source of [sideFiles, tiles, chain]) {
      const truth = () => source(folder, segments, roots.size, target.size);
      if (!(await agrees(truth(), roots, target))) continue;
      return { ...(await differences(roots.size, truth(), standing(segments, roots.size))), to: target.size };
    }
  }
  return null;
}

async function agrees(truth: AsyncIterable<Buffer>, roots: Roots, target: Given): Promise<boolean> {
  const all = roots.copy();
  for await (const leaf of truth) all.add(leaf);
  return all.size === target.size && all.root().equals(target.root);
}

async function* standing(segments: readonly Segment[], from: number): AsyncGenerator<Line> {
  let index = 0;
  for await (const lines of logLines(segments)) {
    for (const line of lines) {
      if (!line.whole && line.segment === segments.at(-1)?.number) return;
      if (index++ >= from) yield line;
    }
  }
}

type Source = (folder: string, segments: readonly Segment[], from: number, to: number) => AsyncGenerator<Buffer>;

/** The `.leaf` files, one behind the other; also those of segments that are gone. */
const sideFiles: Source = async function* (folder, _segments, from, to) {
  let index = 0;
  for (let number = 1; index < to; number++) {
    const file = await openOrNull(`${folder}/${leafName(fileName(number))}`);
    if (file === null) return;
    try {
      const count = Math.floor((await file.stat()).size / HASH_BYTES);
      const first = Math.max(0, from - index);
      const last = Math.min(count, to - index);
      for (let at = first; at < last; at += READ_BYTES / HASH_BYTES) {
        const bytes = Buffer.alloc(Math.min(READ_BYTES, (last - at) * HASH_BYTES));
        await file.read(bytes, 0, bytes.length, at * HASH_BYTES);
        for (let byte = 0; byte < bytes.length; byte += HASH_BYTES) yield bytes.subarray(byte, byte + HASH_BYTES);
      }
      index += count;
    } finally {
      await file.close();
    }
  }
};

/** Tiles of height 0; what no whole tile holds, as the side files have it. */
const tiles: Source = async function* (folder, segments, from, to) {
  let at = from;
  while (at < to) {
    const number = Math.floor(at / 256);
    const file = await openOrNull(`${folder}/tile/0/${tileName(number)}`);
    if (file === null) break;
    const bytes = Buffer.alloc(TILE_BYTES);
    try {
      if ((await file.read(bytes, 0, TILE_BYTES, 0)).bytesRead !== TILE_BYTES) break;
    } finally {
      await file.close();
    }
    for (; at < Math.min(to, (number + 1) * 256); at++) {
      const byte = (at % 256) * HASH_BYTES;
      yield bytes.subarray(byte, byte + HASH_BYTES);
    }
  }
  yield* sideFiles(folder, segments, at, to);
};

/** What each record says of the one before, and the last of itself. */
const chain: Source = async function* (_folder, segments, from, to) {
  if (to - from > CHAIN_MAX) return;
  const told = new Map<number, Buffer>();
  const own = new Map<number, Buffer>();
  for await (const lines of logLines(segments)) {
    for (const { seq, prev, leaf } of lines) {
      if (seq === null) continue;
      if (seq - 2 >= from && seq - 2 < to && !told.has(seq - 2)) told.set(seq - 2, Buffer.from(prev, 'hex'));
      if (seq - 1 >= from && seq - 1 < to && !own.has(seq - 1)) own.set(seq - 1, leaf);
    }
  }
  for (let index = from; index < to; index++) {
    const leaf = told.get(index) ?? own.get(index);
    if (leaf === undefined) return;
    yield leaf;
  }
};

function tileName(number: number): string {
  const digits = String(number);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? [];
  return groups.map((group, index) => (index < groups.length - 1 ? `x${group}` : group)).join('/');
}

async function openOrNull(path: string): Promise<Awaited<ReturnType<typeof open>> | null> {
  return open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}

// --- in words

const WORDS: Readonly<Record<Kind, (difference: Difference, to: number) => string>> = {
  edited: ({ record }) => `record ${record}: edited`,
  removed: ({ record, to }) => `${range(record, to)}: removed`,
  inserted: ({ record }) => `${record === 0 ? 'before record 1' : `after record ${record}`}: inserted`,
  reordered: ({ record }) => `record ${record}: reordered, it does not stand in its place`,
  rewritten: ({ record }, to) =>
    `${range(record, to)}: not what was signed. Hashes were made anew from here on, so nobody can say which of them was edited, removed or inserted first`,
};

function findingOf(difference: Difference, end: number, removed: number): Finding {
  const to = Math.min(difference.to, end);
  const where = difference.line && whereOf(difference.line);
  const hash = difference.record <= removed ? ' (its hash: retention removed the record)' : '';
  const text = `${WORDS[difference.kind](difference, to)}${hash}`;
  return { kind: difference.kind, record: difference.record, to, where, text };
}

function whereOf({ segment, at, gone }: Pick<Line, 'segment' | 'at' | 'gone'>): NonNullable<Finding['where']> {
  const file = fileName(segment);
  return { file: gone ? leafName(file) : file, byte: at };
}

function leafName(file: string): string {
  return file.replace(/jsonl$/, 'leaf');
}

function fileName(segment: number): string {
  return `${String(segment).padStart(8, '0')}.jsonl`;
}

function range(from: number, to: number): string {
  return from === to ? `record ${from}` : `records ${from} to ${to}`;
}
