// The audit log's writer: one queue, one write and one fdatasync at a time; what queues meanwhile goes with the next (group commit).
// Nothing is acknowledged before its bytes are synced, and nothing that was acknowledged is ever cut, rewritten or renumbered.
// When the disk refuses, all that waits is rejected and `failure` is set until a record is durable again: the caller must stop.

import { performance } from 'node:perf_hooks';
import { Block, word_chars_max } from './block.ts';
import type { LeafSink } from './checkpoint.ts';
import { type ClockJump, ClockWatch, jumpAtStart, jumpRecord, lastTime } from './clock.ts';
import { AuditError, reason } from './error.ts';
import { realFs, writeAll, type AuditFile, type AuditFs } from './files.ts';
import { forgotten } from './forget.ts';
import { Keys, tagOf } from './keys.ts';
import { lockFolder, type Lock } from './lock.ts';
import { readLog } from './read.ts';
import {
  draft,
  format_version,
  leaf_bytes,
  leafOf,
  lineOf,
  objectJson,
  periodOf,
  type Draft,
  type Line,
  unsealed,
} from './record.ts';
import { copyTorn, openFiles, type Tail } from './recover.ts';
import { nameOf, type Opens, survey, type Survey } from './scan.ts';
import type { Signer } from './signer.ts';
import type { Gone, Removal } from './removal.ts';
import type { AuditLog, ReadRecord, RecordInput, SessionLog } from './types.ts';
import { type MasterKey, openKeys } from './wrap.ts';

export const segment_bytes_max_default = 64 * 1024 * 1024;
/** How long an allowed statement may stay in memory: what a crash may lose, beside one sync. */
export const block_age_ms_max = 100;
/** Characters that one write takes at most (one record may be more). */
export const batch_chars_max = 4 * 1024 * 1024;
/** A batch of more bytes gets a buffer of its own. A power of 2. */
const scratch_bytes_max = 1024 * 1024;
/** Characters that may wait to be written; past it `append` rejects, `failure` is set, and block entries are counted as lost. */
export const queue_chars_max = 64 * 1024 * 1024;
export const retry_ms_default = 1000;

export interface AuditOptions {
  /** The log's own folder (data/audit). Made with mode 0700 if missing. */
  readonly dir: string;
  /** Which node this is, in every record. */
  readonly node: string;
  readonly clock?: AuditClock;
  /** What the keys of sealed texts are wrapped with; those that are not yet are wrapped at once. Default: they are not. */
  readonly master_key?: MasterKey | null;
  readonly segment_bytes_max?: number;
  /** Between two attempts to write again after a failure. */
  readonly retry_ms?: number;
  readonly fs?: AuditFs;
  /** Who makes checkpoints of it, asked for when the log is locked; absent: nobody. */
  readonly checkpoints?: () => Promise<CheckpointSink>;
  /** Told after each sync: up to where the log is durable. Must take no time, and throw nothing. */
  readonly durable?: (end: { readonly seq: number; readonly segment: number; readonly offset: number }) => void;
  /** Told when the clock was set: while it is open, or since its last record. It is on record already, or will be. */
  readonly jumped?: (jump: ClockJump) => void;
  /** Told when a segment is full and another one began. */
  readonly rolled?: () => void;
  /** Accept a log that does not verify, exactly as it stands; recorded in it. Does nothing to a log that verifies. */
  readonly override?: boolean;
}

/** With what retention asks of it. */
export interface KeptAuditLog extends AuditLog {
  /** Number of the segment that is written. */
  readonly segment: number;
  /** As the start found it. */
  readonly found: { readonly removal: Removal | null; readonly gone: Gone };
  /** The next record begins a new segment. */
  seal(): void;
  /** What is sealed in that month from now on gets another key. */
  removeKey(month: string): Promise<void>;
}

export type CheckpointSink = LeafSink & { readonly signer: Pick<Signer, 'verifier_key'> };

export interface AuditClock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Microseconds that never run backwards. */
  mono(): number;
}

/**
 * Locks, surveys and, where a crash tore the tail, repairs the log; resolves when its first records are durable.
 * Rejects AuditError: 'locked' (another writer), 'damaged' (it does not verify and `override` is not set), 'key', 'unwritable'.
 */
export async function openAuditLog(options: AuditOptions): Promise<KeptAuditLog> {
  const fs = options.fs ?? realFs;
  let lock: Lock | null = null;
  try {
    await fs.makeFolder(`${options.dir}/keys`);
    lock = await lockFolder(fs, options.dir);
    return await openLocked(options, fs, lock);
  } catch (error) {
    // A lock that cannot be removed is a dead one once this process has ended.
    await lock?.release().catch(() => undefined);
    if (error instanceof AuditError) throw error;
    throw new AuditError('unwritable', `the audit log in ${options.dir} cannot be opened: ${reason(error)}`, {
      cause: error,
    });
  }
}

async function openLocked(options: AuditOptions, fs: AuditFs, lock: Lock): Promise<KeptAuditLog> {
  const master_key = options.master_key ?? null;
  const ring = await openKeys(fs, `${options.dir}/keys`, master_key);
  const keys = new Keys(fs, options.dir, master_key);
  const tag_key = await keys.tagKey();
  const checkpoints = await options.checkpoints?.();
  const { tail, first, found } = await prepare(fs, options.dir, options, keys, checkpoints);
  await ring.rewrap();
  const gone = await forgotten(fs, options.dir);
  const log = new Log(options, fs, keys, tag_key.bytes, lock, tail, checkpoints, found);
  const clear = {
    format: format_version,
    pid: process.pid,
    records: tail.seq,
    tag_key: tag_key.id,
    master_key: master_key?.id ?? null,
    ...(checkpoints && { checkpoint_key: checkpoints.signer.verifier_key }),
  };
  const jump = jumpAtStart(await lastTime(fs, options.dir, tail), (options.clock ?? systemClock).now());
  if (jump !== null) options.jumped?.(jump);
  await log.begin([...(jump ? [jumpRecord(jump)] : []), ...first, { type: 'log.opened', clear }, ...gone.records]);
  await gone.finish();
  await checkpoints?.started();
  return log;
}

/** Makes the files end where the log ends, and says what to record about that. */
async function prepare(
  fs: AuditFs,
  folder: string,
  options: AuditOptions,
  keys: Keys,
  checkpoints: CheckpointSink | undefined,
): Promise<{ tail: Tail; first: RecordInput[]; found: Survey }> {
  const first: RecordInput[] = [];
  const opens = opensWith(keys);
  const found = withCheckpoint(await survey(fs, folder, checkpoints, opens), checkpoints);
  if (found.problem !== null && options.override !== true)
    throw new AuditError('damaged', refusal(folder, found.problem));

  const repair = await copyTorn(fs, folder, found, options.clock?.now() ?? Date.now());
  if (repair !== null) first.push({ type: 'log.recovered', clear: repair });
  const tail = await openFiles(fs, folder, found);
  if (found.problem === null) return { tail, first, found };

  // The damaged segments stay as they are; the log goes on in a new one, whose first record fixes how they stood.
  const accepted = await survey(fs, folder, checkpoints, opens);
  first.unshift({
    type: 'log.overridden',
    clear: { problem: found.problem.text, problems: found.problem.count, accepted: accepted.digest },
  });
  return { tail: { ...tail, seq: accepted.seq, leaf: accepted.leaf, roll: true }, first, found: accepted };
}

/** A text whose key is gone is none that could be opened; one of another key than the month's is. */
const opensWith =
  (keys: Keys): Opens =>
  async (bytes) => {
    try {
      const line = JSON.parse(bytes.toString()) as Line;
      const { sealed } = await unsealed(line, keys);
      return sealed !== null || !(await keys.has(line.sealed?.key ?? ''));
    } catch (error) {
      return error instanceof AuditError && error.kind !== 'damaged';
    }
  };

/** Lines that are whole in themselves, and not those that the last checkpoint covers, do not verify either. */
function withCheckpoint(found: Survey, checkpoints: LeafSink | undefined): Survey {
  const text = checkpoints?.contradiction(found.gone_by) ?? null;
  if (text === null) return found;
  return { ...found, problem: found.problem ?? { text, count: 1 } };
}

function refusal(folder: string, problem: NonNullable<Survey['problem']>): string {
  const more = problem.count > 1 ? ` (the first of ${problem.count} problems)` : '';
  return (
    `the audit log in ${folder} does not verify: ${problem.text}${more}. Restore it, or start once with the override, ` +
    'which is itself recorded.'
  );
}

/** One record that waits to be durable. */
interface Pending {
  draft: Draft;
  readonly chars: number;
  /** Of a block: how many statements it holds; else 0. */
  readonly entries: number;
  /** It is a fact, and survives a failure; else its caller gets it back. */
  readonly stays: boolean;
  done: boolean;
  readonly waiters: { readonly resolve: (seq: number) => void; readonly reject: (error: AuditError) => void }[];
}

const WRITTEN: Draft = { time: '', type: '', middle: '', sealed: null };

const systemClock: AuditClock = { now: () => Date.now(), mono: () => performance.now() * 1000 };

class Log implements KeptAuditLog {
  readonly found: KeptAuditLog['found'];
  readonly #options: AuditOptions;
  readonly #fs: AuditFs;
  readonly #clock: AuditClock;
  readonly #node_json: string;
  readonly #keys: Keys;
  readonly #tag_key: Buffer;
  readonly #lock: Lock;
  readonly #checkpoints: LeafSink | undefined;
  readonly #mono_start: number;
  readonly #watch: ClockWatch;

  /** What is durable, and the files that end there. */
  #tail: Tail;
  /** Leaves of durable records that are not yet in the leaf file. */
  #leaves: Buffer = Buffer.alloc(0);
  #scratch: Buffer = Buffer.alloc(0);

  #queue: Pending[] = [];
  #queue_chars = 0;
  #running: Promise<void> | null = null;
  readonly #dirty = new Set<Session>();
  #block_timer: NodeJS.Timeout | null = null;

  #failed: string | null = null;
  #failed_since = 0;
  #rejected = 0;
  #entries_lost = 0;
  #retry_timer: NodeJS.Timeout | null = null;
  #closing: Promise<void> | null = null;

  readonly #writer: BlockWriter = {
    dirty: (session) => this.#markDirty(session),
    write: (json, block) => this.#enqueueBlock(json, block),
    durable: (pending) => this.#durable(pending),
  };

  constructor(
    options: AuditOptions,
    fs: AuditFs,
    keys: Keys,
    tag_key: Buffer,
    lock: Lock,
    tail: Tail,
    checkpoints: LeafSink | undefined,
    found: KeptAuditLog['found'],
  ) {
    this.found = found;
    this.#options = options;
    this.#checkpoints = checkpoints;
    this.#fs = fs;
    this.#clock = options.clock ?? systemClock;
    this.#node_json = JSON.stringify(options.node);
    this.#keys = keys;
    this.#tag_key = tag_key;
    this.#lock = lock;
    this.#tail = tail;
    this.#mono_start = this.#clock.mono();
    this.#watch = new ClockWatch(this.#clock.now(), 0);
  }

  get failure(): string | null {
    if (this.#failed !== null) return this.#failed;
    return this.#queue_chars > queue_chars_max ? 'the disk of the audit log does not keep up' : null;
  }

  get seq(): number {
    return this.#tail.seq;
  }

  get segment(): number {
    return this.#tail.segment;
  }

  seal(): void {
    if (this.#tail.offset > 0) this.#tail = { ...this.#tail, roll: true };
  }

  removeKey(month: string): Promise<void> {
    return this.#keys.remove(month);
  }

  append(record: RecordInput): Promise<number> {
    const refused = this.#refusal();
    if (refused !== null) return Promise.reject(refused);
    this.#lookAtClock();
    let pending: Pending;
    try {
      pending = this.#pending(record);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#enqueue(pending);
  }

  session(clear: Readonly<Record<string, unknown>>): SessionLog {
    const clear_json = objectJson(clear, '`clear`');
    if (clear_json.length > word_chars_max)
      throw new AuditError('invalid', `\`clear\` of a session is longer than ${word_chars_max} characters`);
    return new Session(clear_json, this.#writer);
  }

  read(from_seq = 1): AsyncIterable<ReadRecord> {
    const { segment, offset } = this.#tail;
    const { dir, master_key } = this.#options;
    return readLog(dir, { from_seq, until: { segment, offset }, fs: this.#fs, master_key });
  }

  tag(value: string): string {
    return tagOf(this.#tag_key, value);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Writes the log's first records; for `openAuditLog` alone. Rejects what the disk said. */
  async begin(records: readonly RecordInput[]): Promise<void> {
    try {
      await this.#write(records.map((record) => this.#pending(record)));
      await this.#writeLeaves();
    } catch (error) {
      await this.#cut();
      await this.#closeFiles();
      throw error;
    }
  }

  #pending(record: RecordInput): Pending {
    const sealed = record.sealed === undefined ? null : objectJson(record.sealed, '`sealed`');
    return this.#pendingOf(record.type, objectJson(record.clear, '`clear`'), { sealed }, 0);
  }

  #pendingOf(type: string, clear_json: string, extra: Parameters<typeof draft>[5], entries: number): Pending {
    const mono = this.#clock.mono() - this.#mono_start;
    const drafted = draft(this.#clock.now(), mono, this.#node_json, type, clear_json, extra);
    const chars = drafted.middle.length + (drafted.sealed?.length ?? 0);
    return { draft: drafted, chars, entries, stays: entries > 0, done: false, waiters: [] };
  }

  /** Before a record: where the clock was set since the last one, that is said first. */
  #lookAtClock(): void {
    const jump = this.#jump();
    if (jump !== null) this.#push(jump);
  }

  #jump(): Pending | null {
    const jump = this.#watch.look(this.#clock.now(), this.#clock.mono() - this.#mono_start);
    if (jump === null) return null;
    this.#options.jumped?.(jump);
    return { ...this.#pending(jumpRecord(jump)), stays: true };
  }

  #refusal(): AuditError | null {
    if (this.#closing !== null) return new AuditError('closed', 'the audit log is closed');
    if (this.#failed !== null) return new AuditError('unwritable', this.#failed);
    const failure = this.failure;
    return failure === null ? null : new AuditError('busy', failure);
  }

  #enqueue(pending: Pending): Promise<number> {
    return new Promise((resolve, reject) => {
      pending.waiters.push({ resolve, reject });
      this.#push(pending);
    });
  }

  #push(pending: Pending): void {
    this.#queue.push(pending);
    this.#queue_chars += pending.chars;
    this.#run();
  }

  // --- blocks of allowed statements

  #markDirty(session: Session): void {
    this.#dirty.add(session);
    this.#block_timer ??= setTimeout(() => this.#writeBlocks(), block_age_ms_max);
  }

  #writeBlocks(): void {
    if (this.#block_timer !== null) clearTimeout(this.#block_timer);
    this.#block_timer = null;
    for (const session of this.#dirty) session.write();
    this.#dirty.clear();
  }

  #enqueueBlock(clear_json: string, block: Block): Pending | null {
    if (this.#queue_chars > queue_chars_max) {
      this.#entries_lost += block.entries;
      return null;
    }
    this.#lookAtClock();
    const pending = this.#pendingOf('statements', clear_json, { block: block.json() }, block.entries);
    this.#push(pending);
    return pending;
  }

  #durable(pending: Pending | null): Promise<void> {
    if (pending?.done === true) return Promise.resolve();
    if (this.#failed !== null) return Promise.reject(new AuditError('unwritable', this.#failed));
    if (pending === null) return Promise.resolve();
    return new Promise((resolve, reject) => {
      pending.waiters.push({ resolve: () => resolve(), reject });
    });
  }

  // --- the one writer

  #run(): void {
    if (this.#running !== null || this.#failed !== null) return;
    this.#running = this.#drain().finally(() => {
      this.#running = null;
      if (this.#queue.length > 0) this.#run();
    });
  }

  async #drain(): Promise<void> {
    // All that one turn of the event loop appends goes into one write.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0 && this.#failed === null) {
      const batch = this.#take();
      try {
        await this.#write(batch);
        this.#acknowledge(batch);
        await this.#writeLeaves();
      } catch (error) {
        await this.#fail(error, batch);
      }
    }
  }

  #take(): Pending[] {
    let chars = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || chars < batch_chars_max))
      chars += this.#queue[count++]?.chars ?? 0;
    const batch = this.#queue.splice(0, count);
    if (this.#entries_lost > 0) batch.unshift(this.#lossRecord());
    return batch;
  }

  /** Resolves when the batch is durable. The tail moves then, and not before. */
  async #write(batch: readonly Pending[]): Promise<void> {
    for (const period of new Set(batch.filter((p) => p.draft.sealed !== null).map((p) => periodOf(p.draft.time))))
      await this.#keys.ensure(period);

    let { seq, leaf } = this.#tail;
    const leaves = Buffer.allocUnsafe(batch.length * leaf_bytes);
    const lines: string[] = [];
    for (const pending of batch) {
      const line = lineOf(pending.draft, ++seq, leaf, this.#options.node, this.#keys);
      leaf = leafOf(line);
      leaves.write(leaf, lines.length * leaf_bytes, 'hex');
      lines.push(line);
    }
    lines.push('');
    const bytes = this.#encode(lines.join('\n'));

    const segment_bytes_max = this.#options.segment_bytes_max ?? segment_bytes_max_default;
    const { offset } = this.#tail;
    if (this.#tail.roll || (offset > 0 && offset + bytes.length > segment_bytes_max)) await this.#roll();
    const { log } = this.#files();
    await writeAll(log, bytes, this.#tail.offset);
    await log.datasync();
    this.#leaves = this.#leaves.length === 0 ? leaves : Buffer.concat([this.#leaves, leaves]);
    this.#tail = { ...this.#tail, seq, leaf, offset: this.#tail.offset + bytes.length };
    this.#options.durable?.({ seq, segment: this.#tail.segment, offset: this.#tail.offset });
  }

  /** Into one buffer, used again: the writer waits for each write, and a burst of large ones would be room that the system never gets back. */
  #encode(text: string): Buffer {
    const bytes = Buffer.byteLength(text);
    if (bytes > scratch_bytes_max) return Buffer.from(text);
    if (this.#scratch.length < bytes) this.#scratch = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(bytes)));
    return this.#scratch.subarray(0, this.#scratch.write(text));
  }

  #acknowledge(batch: readonly Pending[]): void {
    let seq = this.#tail.seq - batch.length;
    for (const pending of batch) {
      seq++;
      pending.done = true;
      // A session keeps its last one, and needs its text no more.
      pending.draft = WRITTEN;
      this.#queue_chars -= pending.chars;
      for (const { resolve } of pending.waiters) resolve(seq);
    }
  }

  /** After the sync of their lines: a leaf on disk proves that its line was durable, and a start relies on that. */
  async #writeLeaves(): Promise<void> {
    const written = this.#leaves;
    await writeAll(this.#files().leaf, written, this.#tail.leaf_offset);
    this.#tail = { ...this.#tail, leaf_offset: this.#tail.leaf_offset + written.length };
    this.#leaves = Buffer.alloc(0);
    if (written.length > 0) this.#checkpoints?.durable(written);
  }

  async #roll(): Promise<void> {
    const old = this.#files();
    await old.leaf.datasync();
    // Once the next segment may exist, a start takes this one for completed: no record may follow in it, whatever fails below.
    this.#tail = { ...this.#tail, roll: true };
    const segment = this.#tail.segment + 1;
    const path = `${this.#options.dir}/${nameOf(segment)}`;
    const log = await this.#fs.open(`${path}.jsonl`, 'make');
    let leaf: AuditFile | null = null;
    try {
      leaf = await this.#fs.open(`${path}.leaf`, 'make');
      // An attempt that failed may have left them, but empty.
      if ((await log.size()) + (await leaf.size()) > 0)
        throw new AuditError('unwritable', `${path}.jsonl is not empty`);
      await this.#fs.syncFolder(this.#options.dir);
    } catch (error) {
      await Promise.allSettled([log.close(), leaf?.close()]);
      throw error;
    }
    this.#tail = { ...this.#tail, segment, offset: 0, leaf_offset: 0, files: { log, leaf }, roll: false };
    await Promise.allSettled([old.log.close(), old.leaf.close()]);
    this.#options.rolled?.();
  }

  #files(): { readonly log: AuditFile; readonly leaf: AuditFile } {
    if (this.#tail.files === null) throw new AuditError('unwritable', 'the files of the audit log are not open');
    return this.#tail.files;
  }

  // --- when the disk refuses

  async #fail(error: unknown, batch: readonly Pending[]): Promise<void> {
    const now = this.#clock.now();
    this.#failed = `the audit log cannot be written since ${new Date(now).toISOString()}: ${reason(error)}`;
    this.#failed_since = now;
    // What was written and not synced must not be found by a later start as if it had been acknowledged.
    await this.#cut();
    const waiting = [...batch.filter((pending) => !pending.done), ...this.#queue];
    this.#queue = waiting.filter(({ stays }) => stays);
    const rejection = new AuditError('unwritable', this.#failed, { cause: error });
    for (const pending of waiting) {
      if (!pending.stays) {
        this.#queue_chars -= pending.chars;
        this.#rejected++;
      }
      for (const { reject } of pending.waiters.splice(0)) reject(rejection);
    }
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#closing !== null) return;
    this.#retry_timer = setTimeout(() => {
      this.#retry_timer = null;
      this.#running = this.#retry().finally(() => {
        this.#running = null;
        this.#run();
      });
    }, this.#options.retry_ms ?? retry_ms_default);
  }

  /** The record that says that the log could not be written is itself the attempt. */
  async #retry(): Promise<void> {
    const entries_lost = this.#entries_lost;
    const rejected = this.#rejected;
    const jump = this.#jump();
    try {
      await this.#reopen();
      const pending = this.#pending({
        type: 'log.recovered',
        clear: {
          cause: 'the disk refused',
          since: new Date(this.#failed_since).toISOString(),
          error: this.#failed,
          records_rejected: rejected,
          entries_lost,
        },
      });
      await this.#write(jump === null ? [pending] : [jump, pending]);
    } catch (error) {
      if (jump !== null) {
        this.#queue.unshift(jump);
        this.#queue_chars += jump.chars;
      }
      await this.#cut();
      this.#failed = `the audit log cannot be written since ${new Date(this.#failed_since).toISOString()}: ${reason(error)}`;
      this.#retryLater();
      return;
    }
    this.#entries_lost -= entries_lost;
    this.#rejected -= rejected;
    this.#failed = null;
    await this.#writeLeaves().catch((error: unknown) => this.#fail(error, []));
  }

  #lossRecord(): Pending {
    const entries_lost = this.#entries_lost;
    const pending = this.#pending({
      type: 'log.recovered',
      clear: { cause: 'more was queued than memory may hold', entries_lost },
    });
    pending.waiters.push({ resolve: () => (this.#entries_lost -= entries_lost), reject: () => undefined });
    this.#queue_chars += pending.chars;
    return pending;
  }

  /** Fresh handles: after a failed fsync the kernel may call pages clean that never reached the disk, so all is written again. */
  async #reopen(): Promise<void> {
    await this.#closeFiles();
    const { segment, offset, leaf_offset } = this.#tail;
    const path = `${this.#options.dir}/${nameOf(segment)}`;
    const log = await this.#fs.open(`${path}.jsonl`, 'write');
    let leaf: AuditFile | null = null;
    try {
      leaf = await this.#fs.open(`${path}.leaf`, 'write');
      if ((await log.size()) < offset || (await leaf.size()) < leaf_offset)
        throw new AuditError('unwritable', `${path} is shorter than what was durable`);
      await log.truncate(offset);
      await log.datasync();
      await leaf.truncate(leaf_offset);
    } catch (error) {
      await Promise.allSettled([log.close(), leaf?.close()]);
      throw error;
    }
    this.#tail = { ...this.#tail, files: { log, leaf } };
    if (this.#leaves.length > 0) await this.#writeLeaves();
  }

  async #cut(): Promise<void> {
    await this.#tail.files?.log.truncate(this.#tail.offset).catch(() => undefined);
  }

  async #closeFiles(): Promise<void> {
    const files = this.#tail.files;
    this.#tail = { ...this.#tail, files: null };
    await Promise.allSettled([files?.log.close(), files?.leaf.close()]);
  }

  async #idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #close(): Promise<void> {
    this.#writeBlocks();
    if (this.#retry_timer !== null) clearTimeout(this.#retry_timer);
    await this.#idle();
    if (this.#failed !== null) await this.#retry();
    this.#run();
    await this.#idle();
    const failed = this.#failed;
    let close_error: unknown = null;
    if (failed === null)
      await this.#files()
        .leaf.datasync()
        .catch((error: unknown) => (close_error = error));
    await this.#checkpoints?.close();
    await this.#closeFiles();
    await this.#lock.release().catch((error: unknown) => (close_error = error));
    const entries = this.#entries_lost + this.#queue.reduce((sum, pending) => sum + pending.entries, 0);
    if (failed !== null)
      throw new AuditError('unwritable', `${failed}; ${entries} allowed statement(s) remain unrecorded`);
    if (close_error !== null) throw new AuditError('unwritable', `closing the audit log: ${reason(close_error)}`);
  }
}

interface BlockWriter {
  dirty(session: Session): void;
  /** Null: there was no room, and the entries are counted as lost. */
  write(clear_json: string, block: Block): Pending | null;
  durable(pending: Pending | null): Promise<void>;
}

/** Between blocks it holds no buffer, so that an idle session costs nothing. */
class Session implements SessionLog {
  readonly #clear_json: string;
  readonly #writer: BlockWriter;
  #block: Block | null = null;
  #last: Pending | null = null;
  #lost = false;

  constructor(clear_json: string, writer: BlockWriter) {
    this.#clear_json = clear_json;
    this.#writer = writer;
  }

  allowed(
    time: number,
    shape: string,
    rule: string,
    outcome: string,
    rows: number,
    bytes: number,
    duration_us: number,
  ): void {
    if (this.#block === null) {
      this.#block = new Block();
      this.#writer.dirty(this);
    }
    if (this.#block.add(time, shape, rule, outcome, rows, bytes, duration_us)) this.write();
  }

  async flush(): Promise<void> {
    this.write();
    if (this.#lost) {
      this.#lost = false;
      throw new AuditError('busy', 'allowed statements were not recorded: more was queued than memory may hold');
    }
    await this.#writer.durable(this.#last);
  }

  write(): void {
    const block = this.#block;
    if (block === null) return;
    this.#block = null;
    this.#last = this.#writer.write(this.#clear_json, block);
    this.#lost ||= this.#last === null;
  }
}
