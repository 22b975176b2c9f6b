// Checkpoints: the tree over the log's durable leaves, and the signed note of its root every so often. Stands beside the writer and gives
// it nothing to wait for: leaves are taken as they are, hashed in turns of their own, and what fails here is told and tried again.
// Must never sign a leaf whose record is not durable.

import { reason } from './error.ts';
import { errorCode, readRange, realFs, writeAll, type AuditFile, type AuditFs } from './files.ts';
import { leaf_bytes } from './record.ts';
import { openSigner, type Signer } from './signer.ts';
import { Tiles } from './tiles.ts';
import { Tree } from './tree.ts';

export const checkpoint_every_ms_default = 1000;
/** A checkpoint is also made when so many records are in none. */
export const checkpoint_records_default = 10_000;
/** Leaves that are hashed without letting anything else run: about 2 ms. */
const turn_leaves = 1000;
/** How many leaves a start takes in before it waits for the tiles to be on disk. */
const start_leaves = 64 * 1024;
/** The log's own list of checkpoints has one after so much time, or so many records. */
const kept_every_ms = 60_000;
const kept_every_records = 4096;
const note_bytes_max = 64 * 1024;
const list_bytes_max = 256 * 1024 * 1024;

export interface Checkpoint {
  /** Leaves that it covers. */
  readonly size: number;
  /** Hex. */
  readonly root: string;
  /** The signed note. */
  readonly note: string;
  /** Milliseconds since the epoch; of one that was found at a start: that start. */
  readonly at: number;
}

export interface CheckpointOptions {
  readonly fs: AuditFs;
  /** The log's own folder. */
  readonly dir: string;
  readonly signer: Signer;
  readonly every_ms?: number;
  readonly every_records?: number;
  readonly now?: () => number;
  /** Each new checkpoint; must not throw. */
  readonly made?: (checkpoint: Checkpoint) => void;
  /** What went wrong here, once for each time that it begins. */
  readonly warn?: (text: string) => void;
}

/** What the log's writer tells of its leaves, in their order. */
export interface LeafSink {
  /** A start begins to read the log, or begins again. */
  begin(): void;
  /** One leaf that a start found. */
  found(leaf: Buffer): void;
  /** Resolves when a start may go on reading. */
  ready(): Promise<void>;
  /**
   * What the last signed checkpoint says that the lines found do not bear out, in words; null: nothing. `removed_by`: the record that says
   * that retention removed what is gone; null: nothing is.
   */
  contradiction(removed_by: number | null): string | null;
  /** The log is open: from here on leaves come by `durable`. */
  started(): Promise<void>;
  /** Leaves whose records are durable. Takes them and returns. */
  durable(leaves: Buffer): void;
  /** A last checkpoint, if there is something for one; resolves also where it can't be written. */
  close(): Promise<void>;
}

/** With the log's own key, made if there is none yet. Asked for by `openAuditLog`, so that no other process does the same. */
export async function openCheckpoints({
  fs = realFs,
  node,
  signer,
  ...options
}: Omit<CheckpointOptions, 'fs' | 'signer'> & {
  readonly fs?: AuditFs;
  readonly node: string;
  /** Instead of the one in the folder. */
  readonly signer?: Signer;
}): Promise<Checkpoints> {
  return Checkpoints.open({ ...options, fs, signer: signer ?? (await openSigner(fs, options.dir, node)) });
}

export class Checkpoints implements LeafSink {
  readonly #options: CheckpointOptions;
  #tiles: Tiles;
  #tree: Tree;
  /** Durable, and not in the tree yet. */
  #waiting: Buffer[] = [];
  #waiting_count = 0;
  #last: Checkpoint | null = null;
  /** What the folder held at the start, and its root as the lines have it; undefined: the log has not so many. */
  #held: { readonly size: number; readonly root: string } | null = null;
  #held_root: string | undefined;
  #listed = { at: 0, size: 0, offset: 0 };
  #timer: NodeJS.Timeout | null = null;
  #making: Promise<void> | null = null;
  /** Before that it is not known where the list of checkpoints ends. */
  #started = false;
  #failing = false;
  #tiles_failing = false;
  #closed = false;
  readonly #waiters = new Set<() => void>();

  /** Reads what the folder holds; `openAuditLog` does the rest. */
  static async open(options: CheckpointOptions): Promise<Checkpoints> {
    const checkpoints = new Checkpoints(options);
    const note = await newestNote(options.fs, options.dir);
    const [name, size, root] = note?.split('\n') ?? [];
    // A torn one, or one of another log's name, is no evidence of anything.
    if (name === options.signer.name && /^[1-9]\d{0,15}$/.test(size ?? ''))
      checkpoints.#held = { size: Number(size), root: Buffer.from(root ?? '', 'base64').toString('hex') };
    return checkpoints;
  }

  private constructor(options: CheckpointOptions) {
    this.#options = options;
    this.#tiles = new Tiles(options.fs, options.dir);
    this.#tree = this.#newTree();
  }

  /** The newest; null: none was made yet. */
  get last(): Checkpoint | null {
    return this.#last;
  }

  get signer(): Signer {
    return this.#options.signer;
  }

  // --- a start

  begin(): void {
    this.#tiles = new Tiles(this.#options.fs, this.#options.dir);
    this.#tree = this.#newTree();
    this.#held_root = undefined;
  }

  found(leaf: Buffer): void {
    this.#tree.push(leaf);
    if (this.#tree.size === this.#held?.size) this.#held_root = this.#tree.root().toString('hex');
  }

  async ready(): Promise<void> {
    if (this.#tiles.waiting * 256 > start_leaves) await this.#writeTiles();
  }

  contradiction(removed_by: number | null): string | null {
    if (this.#held === null) return null;
    const { size } = this.#held;
    // No file is removed before a checkpoint covers the record of it.
    if (removed_by !== null && removed_by > size)
      return `record ${removed_by} says that retention removed the first segments, and the checkpoint in it covers ${size} records only: they were gone before it said so`;
    if (this.#held.root === this.#held_root) return null;
    return this.#held_root === undefined
      ? `the checkpoint in it covers ${size} records, and there are ${this.#tree.size}: the log lost its end`
      : `records 1 to ${size} are not those that the checkpoint in it covers`;
  }

  async started(): Promise<void> {
    await this.#writeTiles();
    await this.#openList();
    this.#started = true;
    this.#wake();
  }

  // --- while it is written

  durable(leaves: Buffer): void {
    this.#waiting.push(leaves);
    this.#waiting_count += leaves.length / leaf_bytes;
    this.#wake();
  }

  /** The newest checkpoint once it covers so many leaves, made at once if need be; null: not within `within_ms`. */
  async cover(size: number, within_ms: number): Promise<Checkpoint | null> {
    const until = Date.now() + within_ms;
    for (;;) {
      if (this.#last !== null && this.#last.size >= size) return this.#last;
      if (this.#tree.size + this.#waiting_count >= size && !this.#failing) await this.#make();
      if (this.#last !== null && this.#last.size >= size) return this.#last;
      const left = until - Date.now();
      if (left <= 0 || this.#closed) return null;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, left);
        const waiters = this.#waiters;
        waiters.add(done);
        function done(): void {
          clearTimeout(timer);
          waiters.delete(done);
          resolve();
        }
      });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#failing = false;
    await this.#make();
    // Whatever is waited for comes no more.
    for (const wake of this.#waiters) wake();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#last !== null && this.#last.size > this.#listed.size) await this.#list(this.#last).catch(() => undefined);
  }

  #newTree(): Tree {
    const tiles = this.#tiles;
    return new Tree((height, hash) => tiles.add(height, hash));
  }

  /** A checkpoint is due some time after the first record that none covers. */
  #wake(): void {
    for (const wake of this.#waiters) wake();
    if (!this.#started || this.#closed || this.#tree.size + this.#waiting_count === (this.#last?.size ?? 0)) return;
    if (this.#waiting_count >= (this.#options.every_records ?? checkpoint_records_default) && !this.#failing) {
      setImmediate(() => void this.#make());
      return;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.#make();
    }, this.#options.every_ms ?? checkpoint_every_ms_default);
  }

  /** One at a time. Resolves when there is one of all leaves that came before the call, or it could not be written. */
  async #make(): Promise<void> {
    const size = this.#tree.size + this.#waiting_count;
    while (this.#making !== null) await this.#making;
    if (size <= (this.#last?.size ?? 0)) return;
    this.#making = this.#makeOne().finally(() => {
      this.#making = null;
      this.#wake();
    });
    await this.#making;
  }

  async #makeOne(): Promise<void> {
    await this.#hash();
    const { size } = this.#tree;
    const root = this.#tree.root();
    const { signer, now = Date.now, made } = this.#options;
    const checkpoint = { size, root: root.toString('hex'), note: signer.note(size, root), at: now() };
    try {
      await this.#replace(checkpoint.note);
      this.#last = checkpoint;
      made?.(checkpoint);
      if (this.#dueForList(checkpoint)) await this.#list(checkpoint);
      this.#failing = false;
    } catch (error) {
      this.#warn(`no checkpoint of the audit log can be written: ${reason(error)}`);
    }
    await this.#writeTiles();
  }

  async #hash(): Promise<void> {
    const batches = this.#waiting;
    this.#waiting = [];
    let turn = 0;
    for (const leaves of batches) {
      for (let at = 0; at < leaves.length; at += leaf_bytes) {
        this.#tree.push(leaves.subarray(at, at + leaf_bytes));
        this.#waiting_count--;
        if (++turn % turn_leaves === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  /** Not synced: it can be made anew, and a sync would stand in the way of the log's own. */
  async #replace(note: string): Promise<void> {
    const { fs, dir } = this.#options;
    const file = await fs.open(`${dir}/checkpoint.tmp`, 'make');
    try {
      await file.truncate(0);
      await writeAll(file, Buffer.from(note), 0);
    } finally {
      await file.close();
    }
    await fs.rename(`${dir}/checkpoint.tmp`, `${dir}/checkpoint`);
  }

  /** A cache: what is missing in it is told once, and written when it can be. */
  async #writeTiles(): Promise<void> {
    try {
      await this.#tiles.write();
      this.#tiles_failing = false;
    } catch (error) {
      if (!this.#tiles_failing) this.#options.warn?.(`tiles of the audit log cannot be written: ${reason(error)}`);
      this.#tiles_failing = true;
    }
  }

  // --- the list of checkpoints

  #dueForList({ size, at }: Checkpoint): boolean {
    return size - this.#listed.size >= kept_every_records || at - this.#listed.at >= kept_every_ms;
  }

  async #list(checkpoint: Checkpoint): Promise<void> {
    const { fs, dir } = this.#options;
    const bytes = Buffer.from(checkpoint.note);
    const file = await fs.open(`${dir}/checkpoints`, 'make');
    try {
      await writeAll(file, bytes, this.#listed.offset);
    } finally {
      await file.close();
    }
    this.#listed = { at: checkpoint.at, size: checkpoint.size, offset: this.#listed.offset + bytes.length };
  }

  /** Cuts what a crash tore: every note ends with its signatures. */
  async #openList(): Promise<void> {
    const { fs, dir } = this.#options;
    let file: AuditFile | null = null;
    try {
      file = await fs.open(`${dir}/checkpoints`, 'make');
      const size = Math.min(await file.size(), list_bytes_max);
      const tail = await readRange(file, Math.max(0, size - note_bytes_max), note_bytes_max);
      const whole = /^[^]*\n\u2014 [^\n]+\n/.exec(tail.toString('utf8'))?.[0] ?? '';
      const offset = size - tail.length + Buffer.byteLength(whole);
      if (offset < size) await file.truncate(offset);
      this.#listed = { ...this.#listed, offset };
    } catch (error) {
      this.#warn(`the list of checkpoints cannot be read: ${reason(error)}`);
    } finally {
      await file?.close();
    }
  }

  #warn(text: string): void {
    if (!this.#failing) this.#options.warn?.(text);
    this.#failing = true;
  }
}

/** The newest checkpoint as the folder has it; null: none. */
export async function newestNote(fs: AuditFs, dir: string): Promise<string | null> {
  const file = await fs.open(`${dir}/checkpoint`, 'read').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return null;
  try {
    const text = (await readRange(file, 0, note_bytes_max)).toString('utf8');
    return /^[^\n]+\n\d+\n[A-Za-z0-9+/]{43}=\n\n(\u2014 [^\n]+\n)+$/.test(text) ? text : null;
  } finally {
    await file.close();
  }
}

/** What a note says; null: it is none. */
export function noteFields(
  note: string | null,
): { readonly size: number; readonly root: string; readonly note: string } | null {
  const [, size = '', root = ''] = note?.split('\n') ?? [];
  if (note === null) return null;
  return { size: Number(size), root: Buffer.from(root, 'base64').toString('hex'), note };
}
