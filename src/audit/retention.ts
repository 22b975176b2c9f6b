// Retention: whole sealed segments are removed, oldest first, when they are older than was agreed or more than the disk is to hold. Their leaf
// hashes stay, so that every proof stays. Must never remove a file before the record of it is durable and a checkpoint covers it, nor a
// segment that somebody still needs or that does not say what its hashes say.

import { reason } from './error.ts';
import { errorCode, readRange, realFs, type AuditFs } from './files.ts';
import type { KeptAuditLog } from './log.ts';
import { leafOfBytes, type Line, parseStart } from './record.ts';
import { type Gone, REMOVED_TYPE } from './removal.ts';
import { goneSegment, nameOf, rawLines, segmentsOf } from './scan.ts';

const look_every_ms = 3_600_000;
/** While a removal waits for its checkpoint, or for an anchor to have that. */
const wait_every_ms = 30_000;
const cover_ms = 10_000;
/** Of one record: 4 GiB of segments of the default size. */
const segments_at_once_max = 64;
/** Rest after each piece that was read, about as long as the piece takes. */
const rest_ms = 5;
/** Lines that are read without letting anything else run: about 2 ms. */
const turn_lines = 250;
const scan_bytes = 1024 * 1024;
/** A segment is closed when it has been written for so much of the age that is kept: else a quiet log would keep all of it. */
const age_parts = 12;
/** The key of a month that ended so lately stays: a clock may be set back. */
const key_rest_ms = 40 * 24 * 3_600_000;

/** Nothing behind `record` is removed, because this one has no more yet. */
export interface Follower {
  /** 'the anchors', as a person reads it. */
  readonly what: string;
  readonly record: number;
}

export interface RetentionOptions {
  readonly fs?: AuditFs;
  readonly dir: string;
  readonly log: KeptAuditLog;
  /** Null: no limit. */
  readonly age_ms: number | null;
  readonly bytes_max: number | null;
  /** As Checkpoints has it. */
  readonly cover: (size: number, within_ms: number) => Promise<{ readonly size: number } | null>;
  /** Who must have the records first. */
  readonly followers: () => readonly Follower[];
  /** Do the anchors have this record, where there are any? Asked again and again. */
  readonly anchored: (record: number) => boolean;
  /** Why a record is needed by what lives now, in words; null: it is not. */
  readonly needed: (record: Pick<Line, 'seq' | 'type' | 'clear'>) => string | null;
  /** What the record says beside: the policy in force, whose own record may be among those that go. */
  readonly facts: () => Readonly<Record<string, unknown>>;
  readonly info: (text: string) => void;
  readonly warn: (text: string) => void;
  readonly now?: () => number;
}

/** Of one that may go. */
interface Examined {
  readonly segment: number;
  readonly bytes: number;
  readonly why: 'age' | 'size';
  /** Milliseconds since the epoch: of its newest record. */
  readonly newest: number;
  /** Months that something in it is sealed in. */
  readonly months: ReadonlySet<string>;
}

interface Next {
  /** At least one. */
  readonly some: readonly Examined[];
  readonly until: Gone;
}

export class Retention {
  readonly #options: RetentionOptions;
  readonly #fs: AuditFs;
  /** What is gone, and the tree up to there. */
  #gone: Gone;
  /** On record, and not done yet. */
  #pending: { readonly segment: number; readonly keys: readonly string[]; readonly seq: number } | null;
  #running: Promise<void> | null = null;
  #looked_at = 0;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;
  /** Of sealed segments that were read: when their newest record was written. */
  readonly #newest = new Map<number, number>();
  /** Told once, until it is another. */
  #kept_because = '';
  /** In this look. */
  #keeps = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.#fs = options.fs ?? realFs;
    const { removal, gone } = options.log.found;
    this.#gone = { ...gone, tree: gone.tree.copy() };
    this.#pending = removal;
  }

  /** Another segment may have begun. Takes it and returns. */
  rolled(): void {
    if (this.#closed || this.#options.log.segment === this.#looked_at) return;
    void this.look();
  }

  /** One look; resolves when nothing more can be removed now. Never rejects. */
  look(): Promise<void> {
    this.#running ??= this.#look()
      .catch((error: unknown) => {
        if (!this.#closed) this.#keep(`the disk refuses: ${reason(error)}`);
      })
      .finally(() => {
        this.#running = null;
        if (!this.#keeps) this.#kept_because = '';
        this.#later();
      });
    return this.#running;
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#running;
  }

  #later(): void {
    if (this.#closed) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const after_ms = this.#pending === null ? look_every_ms : wait_every_ms;
    this.#timer = setTimeout(() => void this.look(), after_ms).unref();
  }

  async #look(): Promise<void> {
    this.#looked_at = this.#options.log.segment;
    this.#keeps = false;
    await this.#seal();
    while (!this.#closed && (await this.#finish())) {
      const next = await this.#candidates();
      if (next === null) return;
      await this.#record(next);
    }
  }

  // --- which

  async #seal(): Promise<void> {
    const { age_ms, log } = this.#options;
    if (age_ms === null) return;
    const head = await this.#head(log.segment);
    if (head !== null && this.#now() - head.time > age_ms / age_parts) log.seal();
  }

  /** As many from the front as may go, and what is gone then; null: none. */
  async #candidates(): Promise<Next | null> {
    const { age_ms, bytes_max, log } = this.#options;
    const segments = await segmentsOf(this.#fs, this.#options.dir);
    const sizes = new Map<number, number>();
    for (const segment of segments) sizes.set(segment, await this.#sizeOf(segment));
    let total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
    const oldest = age_ms === null ? -Infinity : this.#now() - age_ms;
    const some: Examined[] = [];
    let gone: Gone = { ...this.#gone, tree: this.#gone.tree.copy() };
    for (const [index, segment] of segments.entries()) {
      const next = segments[index + 1];
      if (segment >= log.segment || next === undefined) break;
      const bytes = sizes.get(segment) ?? 0;
      const too_large = bytes_max !== null && total > bytes_max;
      const begun = this.#newest.get(segment) ?? (await this.#head(segment))?.time ?? Infinity;
      if (!(too_large || begun < oldest)) break;
      const follows = await this.#head(next);
      if (follows === null) break;
      const whole = next === segment + 1 && segment === gone.segment + 1;
      const why = whole ? this.#awaited(follows.seq - 1) : 'others beside it are missing, as an operator accepted';
      if (why !== null) {
        this.#keep(`segment ${nameOf(segment)} stays: ${why}`);
        break;
      }
      const examined = await this.#examine(segment, bytes, gone);
      if (examined === null || this.#closed) break;
      const { found, until } = examined;
      this.#newest.set(segment, found.newest);
      if (!too_large && found.newest >= oldest) break;
      some.push({ ...found, why: found.newest < oldest ? 'age' : 'size' });
      gone = until;
      total -= bytes;
      if (some.length === segments_at_once_max) break;
    }
    return some.length === 0 ? null : { some, until: gone };
  }

  #awaited(record: number): string | null {
    const behind = this.#options.followers().find((one) => one.record < record);
    return behind ? `${behind.what} has the records to ${behind.record} only, and it ends with ${record}` : null;
  }

  /** Reads a segment whole; null: it stays, and that was told. */
  async #examine(
    segment: number,
    bytes: number,
    before: Gone,
  ): Promise<{ readonly found: Examined; readonly until: Gone } | null> {
    const { dir, needed } = this.#options;
    const path = `${dir}/${nameOf(segment)}`;
    const stays = (why: string): null => {
      this.#keep(`segment ${nameOf(segment)} stays: ${why}`);
      return null;
    };
    const leaves: Buffer[] = [];
    // Leaves the tree of what is gone as it is, until this one is.
    const until = await goneSegment(this.#fs, `${path}.leaf`, { ...before, tree: before.tree.copy() }, (leaf) =>
      leaves.push(leaf),
    );
    if (until === null) return stays('its leaf hashes are missing');
    const months = new Set<string>();
    let newest = 0;
    let { records: seq, leaf: prev } = before;
    let at = 0;
    const file = await this.#fs.open(`${path}.jsonl`, 'read');
    try {
      for await (const lines of rawLines(file, 0, bytes)) {
        if (this.#closed) return null;
        for (const { bytes: line, whole } of lines) {
          const start = whole ? parseStart(line) : null;
          const leaf = leafOfBytes(line);
          if (start?.seq !== seq + 1 || start.prev !== prev || leaves[at]?.toString('hex') !== leaf)
            return stays(`record ${seq + 1} in it is not what its hashes say`);
          seq++;
          at++;
          prev = leaf;
          newest = Math.max(newest, timeOf(line));
          const month = sealedIn(line);
          if (month !== null) months.add(month);
          const why = ABOUT_LIVE.test(line.toString('latin1', 0, HEAD_BYTES)) ? needed(parsed(line)) : null;
          if (why !== null) return stays(`record ${seq} in it is needed: ${why}`);
          if (at % turn_lines === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        await new Promise((resolve) => setTimeout(resolve, rest_ms));
      }
    } finally {
      await file.close();
    }
    if (at !== leaves.length) return stays('it has fewer records than leaf hashes');
    return { found: { segment, bytes, newest, months, why: 'size' }, until };
  }

  // --- how

  async #record({ some, until }: Next): Promise<void> {
    const { log, facts } = this.#options;
    const first = some[0] as Examined;
    const segments = { from: nameOf(first.segment), to: nameOf(until.segment) };
    const keys = await this.#keysOf(some, until.segment);
    if (this.#closed) return;
    const seq = await log.append({
      type: REMOVED_TYPE,
      clear: {
        segments,
        records: { from: this.#gone.records + 1, to: until.records },
        until: new Date(Math.max(...some.map(({ newest }) => newest))).toISOString(),
        bytes: some.reduce((sum, { bytes }) => sum + bytes, 0),
        leaf: until.leaf,
        root: until.tree.root().toString('hex'),
        why: some.every(({ why }) => why === 'age') ? 'age' : 'size',
        keys,
        ...facts(),
      },
    });
    this.#pending = { segment: until.segment, keys, seq };
  }

  /** Months of these that nothing else is sealed in. */
  async #keysOf(some: readonly Examined[], last: number): Promise<string[]> {
    const lately = new Date(this.#now() - key_rest_ms).toISOString().slice(0, 7);
    let months = [...new Set(some.flatMap((one) => [...one.months]))].filter((month) => month < lately);
    for (const segment of await segmentsOf(this.#fs, this.#options.dir)) {
      if (segment <= last || months.length === 0) continue;
      for await (const bytes of this.#pieces(segment)) {
        months = months.filter((month) => !bytes.includes(sealMark(month)));
        if (months.length === 0 || this.#closed) break;
      }
    }
    return months.toSorted();
  }

  /** Of a segment's bytes, each with the end of the one before. */
  async *#pieces(segment: number): AsyncGenerator<Buffer> {
    const file = await this.#fs.open(`${this.#options.dir}/${nameOf(segment)}.jsonl`, 'read');
    try {
      const overlap = sealMark('0000-00').length;
      for (let at = 0; ; at += scan_bytes - overlap) {
        const bytes = await readRange(file, at, scan_bytes);
        yield bytes;
        if (bytes.length < scan_bytes) return;
        await new Promise((resolve) => setTimeout(resolve, rest_ms));
      }
    } finally {
      await file.close();
    }
  }

  /** True: nothing is left to do of what is on record. */
  async #finish(): Promise<boolean> {
    const pending = this.#pending;
    if (pending === null) return true;
    const { dir, log, cover, anchored } = this.#options;
    const left = (await segmentsOf(this.#fs, dir)).filter((segment) => segment <= pending.segment);
    if (left.length > 0) {
      if ((await cover(pending.seq, cover_ms)) === null) {
        this.#keep(`the removal of segments waits for a checkpoint that covers record ${pending.seq}`);
        return false;
      }
      // Anchors take their time: that is nothing to tell.
      if (!anchored(pending.seq)) return false;
      await this.#syncCheckpoint();
    }
    // Keys first: they are done with when the last segment is.
    if (left.length > 0) for (const key of pending.keys) await log.removeKey(key);
    for (const segment of left) {
      if (this.#closed) return false;
      const before = { ...this.#gone, tree: this.#gone.tree.copy() };
      const gone = await goneSegment(this.#fs, `${dir}/${nameOf(segment)}.leaf`, before);
      if (segment !== this.#gone.segment + 1 || gone === null)
        throw new Error(`the leaf hashes of ${nameOf(segment)} are missing`);
      await this.#fs.remove(`${dir}/${nameOf(segment)}.jsonl`);
      // In their order also on a disk whose power is cut: what is gone is always at the front.
      await this.#fs.syncFolder(dir);
      this.#newest.delete(segment);
      this.#gone = gone;
    }
    this.#pending = null;
    if (left.length > 0)
      this.#options.info(
        `retention removed ${left.length} segments of the audit log, to ${nameOf(pending.segment)}; record ${pending.seq} says so`,
      );
    return true;
  }

  /** A start takes segments for removed only where the checkpoint that it finds covers the record of it. */
  async #syncCheckpoint(): Promise<void> {
    const { dir } = this.#options;
    const file = await this.#fs.open(`${dir}/checkpoint`, 'write');
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
    await this.#fs.syncFolder(dir);
  }

  // --- small things

  /** Of a segment's first record; null: it has none yet. */
  async #head(segment: number): Promise<{ readonly seq: number; readonly time: number } | null> {
    const file = await this.#fs.open(`${this.#options.dir}/${nameOf(segment)}.jsonl`, 'read').catch(missing);
    if (file === null) return null;
    try {
      const head = await readRange(file, 0, HEAD_BYTES);
      const start = parseStart(head);
      return start && { seq: start.seq, time: timeOf(head) };
    } finally {
      await file.close();
    }
  }

  async #sizeOf(segment: number): Promise<number> {
    const file = await this.#fs.open(`${this.#options.dir}/${nameOf(segment)}.jsonl`, 'read');
    try {
      return await file.size();
    } finally {
      await file.close();
    }
  }

  #keep(why: string): void {
    this.#keeps = true;
    if (why !== this.#kept_because) this.#options.warn(`retention: ${why}`);
    this.#kept_because = why;
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}

/** Everything of a line up to its type. */
const HEAD_BYTES = 512;
/** Records of these kinds may be of something that lives, or that somebody waits for. */
const ABOUT_LIVE = /"type":"(?:request|permit|policy)\./;

/** Milliseconds since the epoch; 0: it says none. */
function timeOf(line: Buffer): number {
  const [, time = ''] = /"time":"([0-9T:.Z-]+)"/.exec(line.toString('latin1', 0, HEAD_BYTES)) ?? [];
  return Date.parse(time) || 0;
}

/** As keys.ts writes it; no string in a record can hold it, since quotes are escaped there. */
function sealMark(month: string): string {
  return `"sealed":{"key":"${month}"`;
}

function sealedIn(line: Buffer): string | null {
  const at = line.lastIndexOf('"sealed":{"key":"');
  if (at === -1) return null;
  const month = line.toString('latin1', at + 17, at + 24);
  return /^\d{4}-\d{2}$/.test(month) ? month : null;
}

function parsed(line: Buffer): Line {
  return JSON.parse(line.toString('utf8')) as Line;
}

function missing(error: unknown): null {
  if (errorCode(error) === 'ENOENT') return null;
  throw error;
}
