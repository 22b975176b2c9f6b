// Whether the machine's clock was set: each record has the time of that clock and one of a clock that nobody sets, and where the two part, the
// log says so before the first record of the new time. Slews pass: the kernel slews both clocks alike.
import { readRange, type AuditFs } from './files.ts';
import { record_bytes_max } from './record.ts';
import { nameOf } from './scan.ts';
import type { RecordInput } from './types.ts';

/** More than that is no slew. What is set by less adds up until it is more. */
export const jump_ms_max = 2000;
const chunk_bytes = 64 * 1024;
const NEWLINE = 0x0a;

export interface ClockJump {
  /** Milliseconds; negative: it was set back. */
  readonly by_ms: number;
  /** What it would have shown, and what it showed; milliseconds since the epoch. */
  readonly before: number;
  readonly after: number;
  /** Found when the log was opened: earlier than its last record. */
  readonly at_start: boolean;
}

export class ClockWatch {
  /** What the clock showed when the other one began. */
  #zero_ms: number;

  constructor(now_ms: number, mono_us: number) {
    this.#zero_ms = now_ms - mono_us / 1000;
  }

  /** Null: it goes on as before. */
  look(now_ms: number, mono_us: number): ClockJump | null {
    const before = this.#zero_ms + mono_us / 1000;
    const by_ms = Math.round(now_ms - before);
    if (Math.abs(by_ms) <= jump_ms_max) return null;
    this.#zero_ms = now_ms - mono_us / 1000;
    return { by_ms, before: Math.round(before), after: now_ms, at_start: false };
  }
}

/** A log whose last record is of `last_ms` is opened. Null: nothing is odd; how long nobody wrote it, nobody knows. */
export function jumpAtStart(last_ms: number | null, now_ms: number): ClockJump | null {
  if (last_ms === null || now_ms >= last_ms - jump_ms_max) return null;
  return { by_ms: now_ms - last_ms, before: last_ms, after: now_ms, at_start: true };
}

export function jumpRecord({ by_ms, before, after, at_start }: ClockJump): RecordInput {
  const [was, is] = [before, after].map((ms) => new Date(ms).toISOString());
  return { type: 'log.clock_jumped', clear: { by_ms, before: was, after: is, at_start } };
}

/** The time of the last record, in milliseconds since the epoch; null: there is none, or it says none. */
export async function lastTime(
  fs: AuditFs,
  folder: string,
  end: { readonly segment: number; readonly offset: number },
): Promise<number | null> {
  for (let { segment, offset } = end; segment > 0; segment--, offset = -1) {
    const file = await fs.open(`${folder}/${nameOf(segment)}.jsonl`, 'read').catch(() => null);
    if (file === null) return null;
    try {
      const size = offset < 0 ? await file.size() : offset;
      if (size === 0) continue;
      for (let length = chunk_bytes; length < 2 * record_bytes_max; length *= 2) {
        const from = Math.max(0, size - length);
        const bytes = await readRange(file, from, size - from);
        const start = bytes.lastIndexOf(NEWLINE, bytes.length - 2) + 1;
        if (start === 0 && from > 0) continue;
        const time = /"time":"([0-9TZ:.-]{20,32})"/.exec(bytes.toString('latin1', start, start + 256))?.[1];
        const ms = Date.parse(time ?? '');
        return Number.isNaN(ms) ? null : ms;
      }
    } finally {
      await file.close();
    }
  }
  return null;
}
