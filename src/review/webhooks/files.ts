// What a webhook keeps on disk: how far it is, and what could not be delivered. Mode 0600 in a folder of 0700. Must never hold a secret,
// a statement or anybody's words.
import { appendFile, mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Mark } from './ports.ts';

/** Between two writes while events pass: what a crash has sent again, at most. */
const SAVE_MS = 1_000;
export const DEAD_BYTES_MAX = 16 * 1024 * 1024;
/** What is kept when that is full. */
const DEAD_BYTES_KEPT = DEAD_BYTES_MAX * 0.9;

const stateSchema = z.object({
  cursor: z.int().min(0),
  since: z.int().min(0),
  /** The receiver answered 410 there, at this time; null: it did not. */
  gone: z.object({ url_tag: z.string(), at: z.number() }).nullable(),
});
/** Somebody edited it; the message says what to do. */
export class BadState extends Error {}

export type HookState = Mark & { readonly gone: { readonly url_tag: string; readonly at: number } | null };

/** Below the gateway's data folder: how far it is, what it gave up, and what of that is being sent again. */
export function filesOf(
  data: string,
  name: string,
): { readonly state: string; readonly dead: string; readonly retrying: string } {
  const path = join(data, 'webhooks', name);
  return { state: `${path}.json`, dead: `${path}.dead.jsonl`, retrying: `${path}.retrying.jsonl` };
}

/** What is on disk of a webhook's progress; null: nothing yet. Rejects where it can't be read. */
export async function readState(path: string): Promise<HookState | null> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  try {
    return stateSchema.parse(JSON.parse(text));
  } catch {
    throw new BadState(
      `${path} is not what a webhook keeps there; remove it, and the webhook goes on with what happens from then on`,
    );
  }
}

/** Whole or not at all, durably. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(`${path}.tmp`, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Writes the state at once, but not more often than once in a while; the last one always. */
export class StateFile {
  readonly #path: string;
  readonly #fault: (error: unknown) => void;
  #due: HookState | null = null;
  #timer: NodeJS.Timeout | null = null;
  #written = -Infinity;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, fault: (error: unknown) => void) {
    this.#path = path;
    this.#fault = fault;
  }

  save(state: HookState): void {
    this.#due = state;
    const due_ms = Math.max(0, this.#written + SAVE_MS - performance.now());
    this.#timer ??= setTimeout(() => void this.flush(), due_ms);
  }

  /** Now. Resolves whether it could be written or not: what is not is sent again after a restart. */
  async flush(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#written = performance.now();
    this.#writing = this.#writing.then(async () => {
      const state = this.#due;
      this.#due = null;
      if (state) await replaceFile(this.#path, `${JSON.stringify(state)}\n`).catch(this.#fault);
    });
    await this.#writing;
  }
}

/** An event that was given up. `body` is what would have been sent, without text and words. */
export interface DeadLetter {
  readonly id: string;
  readonly type: string;
  readonly cursor: number;
  /** When it was given up, and why; milliseconds since the epoch. */
  readonly at: number;
  readonly why: string;
  readonly body: string;
}

/** Durable when it resolves, with how many of the oldest had to go for it. */
export async function bury(path: string, letter: DeadLetter): Promise<number> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await appendFile(path, `${JSON.stringify(letter)}\n`, { mode: 0o600, flush: true });
  const { size } = await stat(path);
  if (size <= DEAD_BYTES_MAX) return 0;
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  let kept = 0;
  let bytes = 0;
  while (kept < lines.length && bytes < DEAD_BYTES_KEPT)
    bytes += Buffer.byteLength(lines[lines.length - ++kept] ?? '') + 1;
  await replaceFile(path, `${lines.slice(-kept).join('\n')}\n`);
  return lines.length - kept;
}

/** The letters of a file, oldest first; none where there is no file. Lines that a crash tore are passed over. */
export async function readDead(path: string): Promise<DeadLetter[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  });
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as DeadLetter];
    } catch {
      return [];
    }
  });
}
