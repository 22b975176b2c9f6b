// How far a destination is: one small file for each, replaced whole. Must never be ahead of what the other side has taken, nor be guessed
// where it can't be read.
import { readFile } from 'node:fs/promises';
import { writeNewFile, type AuditFs } from '../files.ts';
import { leafOfBytes, no_leaf } from '../record.ts';
import type { Line } from './types.ts';

/** The last record that was taken, and where it stands; seq 0: none. */
export interface Cursor {
  readonly v: 1;
  readonly seq: number;
  readonly segment: number;
  /** Byte at which its line begins. */
  readonly at: number;
  /** Its leaf hash: whether it is still that record. */
  readonly leaf: string;
}

export const NOTHING: Cursor = { v: 1, seq: 0, segment: 0, at: 0, leaf: no_leaf };

/** Its message says what to do. */
export class BadCursor extends Error {}

export function cursorAt({ seq, segment, at, bytes }: Line): Cursor {
  return { v: 1, seq, segment, at, leaf: leafOfBytes(bytes) };
}

/** Null: there is none. Rejects BadCursor where the file is not what stands there, and what the disk says. */
export async function readCursor(path: string): Promise<Cursor | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  try {
    const cursor = JSON.parse(text) as Cursor;
    const { v, seq, segment, at, leaf } = cursor;
    if (v === 1 && [seq, segment, at].every((n) => Number.isSafeInteger(n) && n >= 0) && /^[0-9a-f]{64}$/.test(leaf))
      return cursor;
  } catch {
    // Said below.
  }
  throw new BadCursor(
    `${path} does not say how far shipping is: it is damaged. Put it back from a copy, or remove it: then what is in the log is shipped ` +
      'again from where `from` says, and receivers tell repetitions by seq',
  );
}

/** Writes the newest, one write at a time. What is not written is shipped again after a restart. */
export class CursorFile {
  readonly #fs: AuditFs;
  readonly #folder: string;
  readonly #name: string;
  readonly #fault: (error: unknown) => void;
  #due: Cursor | null = null;
  #kept: Cursor;
  #running: Promise<void> | null = null;

  /** `kept`: what stands in it. */
  constructor(fs: AuditFs, folder: string, name: string, kept: Cursor, fault: (error: unknown) => void) {
    this.#fs = fs;
    this.#folder = folder;
    this.#name = name;
    this.#kept = kept;
    this.#fault = fault;
  }

  /** What a restart would find. */
  get kept(): Cursor {
    return this.#kept;
  }

  save(cursor: Cursor): void {
    this.#due = cursor;
    this.#running ??= this.#write().finally(() => (this.#running = null));
  }

  /** Resolves when nothing is being written. */
  async flush(): Promise<void> {
    if (this.#due !== null) this.save(this.#due);
    await this.#running;
  }

  async #write(): Promise<void> {
    while (this.#due !== null) {
      const cursor = this.#due;
      this.#due = null;
      try {
        await writeCursor(this.#fs, this.#folder, this.#name, cursor);
        this.#kept = cursor;
      } catch (error) {
        this.#fault(error);
        return;
      }
    }
  }
}

/** Whole or not at all, durably. */
export async function writeCursor(fs: AuditFs, folder: string, name: string, cursor: Cursor): Promise<void> {
  await writeNewFile(fs, folder, `${name}.json`, Buffer.from(`${JSON.stringify(cursor)}\n`));
}
