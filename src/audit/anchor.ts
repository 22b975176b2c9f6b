// Checkpoints brought to places that whoever runs this machine can't rewrite: what an anchor is, one worker for each, and the one that drops
// files into a folder. Only the newest waits: it covers all before it. Nothing waits for an anchor, and one that fails warns.

import type { Checkpoint } from './checkpoint.ts';
import { reason } from './error.ts';
import { readRange, writeAll, writeNewFile, type AuditFile, type AuditFs } from './files.ts';

/** Full jitter: any time up to this, which doubles with each failure. */
const backoff_ms_first = 1000;
const backoff_ms_max = 300_000;
/** How long the end of the process waits for a last checkpoint to be kept. */
const last_ms = 5000;

/** A checkpoint with all its signatures is shorter. */
const note_bytes_max = 16 * 1024;
/** How a signature's line begins, UTF-8 read as latin1. */
const SIGNATURE = Buffer.from('\u2014 ').toString('latin1');

export interface Anchor {
  readonly name: string;
  /** At most one checkpoint in so much time. */
  readonly every_ms: number;
  /** Resolves when it is kept there for good. Rejects when nobody knows that; `retry_after_ms` where the other side asks for time. */
  put(checkpoint: Checkpoint, origin: string): Promise<void>;
  close(): void;
}

export class AnchorRefused extends Error {
  readonly retry_after_ms: number;
  constructor(message: string, retry_after_ms = 0) {
    super(message);
    this.retry_after_ms = retry_after_ms;
  }
}

export interface AnchorHealth {
  readonly name: string;
  /** The last record that a checkpoint kept there covers, and when it was kept; null: none since the start. */
  readonly record: number | null;
  readonly at: number | null;
  readonly failing: boolean;
}

export interface AnchorOptions {
  /** Of the log: its key's name. */
  readonly origin: string;
  readonly warn: (text: string) => void;
  readonly info: (text: string) => void;
  readonly now?: () => number;
  /** 0 to 1. */
  readonly random?: () => number;
}

export class Anchors {
  readonly #workers: readonly Worker[];

  constructor(anchors: readonly Anchor[], options: AnchorOptions) {
    this.#workers = anchors.map((anchor) => new Worker(anchor, options));
  }

  /** Takes it and returns. */
  offer(checkpoint: Checkpoint): void {
    for (const worker of this.#workers) worker.offer(checkpoint);
  }

  health(): readonly AnchorHealth[] {
    return this.#workers.map((worker) => worker.health());
  }

  /** Tries the newest once more, for 5 s at most. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }
}

class Worker {
  readonly #anchor: Anchor;
  readonly #options: AnchorOptions;
  #newest: Checkpoint | null = null;
  #kept: { readonly size: number; readonly at: number } | null = null;
  #not_before = 0;
  #failures = 0;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(anchor: Anchor, options: AnchorOptions) {
    this.#anchor = anchor;
    this.#options = options;
  }

  offer(checkpoint: Checkpoint): void {
    this.#newest = checkpoint;
    this.#wake();
  }

  health(): AnchorHealth {
    return {
      name: this.#anchor.name,
      record: this.#kept?.size ?? null,
      at: this.#kept?.at ?? null,
      failing: this.#failures > 0,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => (timer = setTimeout(resolve, last_ms)));
    await Promise.race([this.#last(), enough]);
    clearTimeout(timer);
    this.#anchor.close();
    await this.#running;
  }

  async #last(): Promise<void> {
    await this.#running;
    if (this.#isDue()) await this.#put();
  }

  #isDue(): boolean {
    return this.#newest !== null && this.#newest.size > (this.#kept?.size ?? 0);
  }

  #wake(): void {
    if (this.#closed || this.#running !== null || this.#timer !== null || !this.#isDue()) return;
    const now = this.#now();
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        void this.#put();
      },
      Math.max(0, this.#not_before - now),
    );
  }

  #put(): Promise<void> {
    this.#running = this.#putNewest().finally(() => {
      this.#running = null;
      this.#wake();
    });
    return this.#running;
  }

  /** Never rejects. */
  async #putNewest(): Promise<void> {
    const checkpoint = this.#newest as Checkpoint;
    const { origin, warn, info, random = Math.random } = this.#options;
    const { name, every_ms } = this.#anchor;
    try {
      await this.#anchor.put(checkpoint, origin);
      this.#kept = { size: checkpoint.size, at: this.#now() };
      this.#not_before = this.#now() + every_ms;
      if (this.#failures > 0) info(`anchor ${name} works again, after ${this.#failures} failures`);
      this.#failures = 0;
    } catch (error) {
      if (this.#failures++ === 0)
        warn(
          `anchor ${name} fails: ${reason(error)}. Checkpoints are made and kept here meanwhile, and it is tried again`,
        );
      const asked_ms = error instanceof AnchorRefused ? error.retry_after_ms : 0;
      const backoff_ms = random() * Math.min(backoff_ms_max, backoff_ms_first * 2 ** Math.min(20, this.#failures - 1));
      this.#not_before = this.#now() + Math.max(Math.min(asked_ms, backoff_ms_max), backoff_ms);
    }
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}

/** files: one for each checkpoint, in a folder for each UTC day. append: one file for each UTC day. */
export type Layout = 'files' | 'append';

/** Into a folder that is on another machine's disk, or one that can only be added to. */
export function folderAnchor(
  fs: AuditFs,
  {
    name,
    folder,
    layout,
    every_ms,
  }: Omit<Anchor, 'put' | 'close'> & { readonly folder: string; readonly layout: Layout },
): Anchor {
  return {
    name,
    every_ms,
    async put({ note, size, at }, origin) {
      const day = new Date(at).toISOString().slice(0, 10);
      const own = `${folder}/${origin.replaceAll('/', '_')}`;
      if (layout === 'append') {
        await fs.makeFolder(own);
        return append(fs, `${own}/${day}.checkpoints`, note);
      }
      await fs.makeFolder(`${own}/${day}`);
      // Numbers of one length stand in their order in every listing.
      await writeNewFile(fs, `${own}/${day}`, `${String(size).padStart(16, '0')}.checkpoint`, Buffer.from(note));
    },
    close: () => undefined,
  };
}

async function append(fs: AuditFs, path: string, note: string): Promise<void> {
  const file = await fs.open(path, 'make');
  try {
    const size = await file.size();
    const whole = await endOfWhole(file, size);
    if (whole < size) await file.truncate(whole);
    try {
      await writeAll(file, Buffer.from(note), whole);
    } catch (error) {
      // A disk that is full may have taken a part of it.
      await file.truncate(whole).catch(() => undefined);
      throw error;
    }
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Of checkpoints one behind the other: where the last whole one ends. Behind it stands what a crash tore, which no reader would take. */
async function endOfWhole(file: AuditFile, size: number): Promise<number> {
  const from = Math.max(0, size - note_bytes_max);
  const lines = (await readRange(file, from, size - from)).toString('latin1').split('\n');
  const torn = lines.findLastIndex((line, index) => index < lines.length - 1 && line.startsWith(SIGNATURE)) + 1;
  // Nothing that we wrote: it is not ours to cut.
  if (torn === 0 && from > 0) return size;
  return from + lines.slice(0, torn).reduce((bytes, line) => bytes + line.length + 1, 0);
}
