// The log's newest records as they become durable, in its order, and all before them read from disk. Bounded: who is far behind reads the disk.
// Must never show a record that is not durable, nor leave one out.
import type { AuditLog, ReadRecord, RecordInput } from '../audit/types.ts';

/** Records in memory, and the characters in them. */
const RECORDS_KEPT_MAX = 1_000;
const CHARS_KEPT_MAX = 4 * 1024 * 1024;

export type TailRecord = Pick<ReadRecord, 'seq' | 'time' | 'type' | 'clear' | 'sealed'>;

interface Kept {
  readonly record: TailRecord;
  readonly chars: number;
}

export class Tail {
  /** The log, for all who write to it: only what is appended here is seen. */
  readonly audit: AuditLog;
  #kept: Kept[] = [];
  #chars = 0;
  /** All appended records after this sequence number are kept. */
  #floor: number;
  readonly #waiting = new Set<() => void>();

  constructor(audit: AuditLog) {
    this.#floor = audit.seq;
    this.audit = {
      append: (record) => {
        const time = new Date().toISOString();
        const durable = audit.append(record);
        // Reactions run in the order in which the log acknowledges, which is its own.
        durable.then(
          (seq) => this.#keep(seq, time, record),
          () => {},
        );
        return durable;
      },
      session: (clear) => audit.session(clear),
      get failure() {
        return audit.failure;
      },
      get seq() {
        return audit.seq;
      },
      read: (from) => audit.read(from),
      tag: (value) => audit.tag(value),
      close: () => audit.close(),
    };
  }

  /** The first record after `position`; null: there is none yet. 'behind': memory does not reach back so far. */
  next(position: number): TailRecord | null | 'behind' {
    if (position < this.#floor) return 'behind';
    return this.#kept[this.#kept.findLastIndex(({ record }) => record.seq <= position) + 1]?.record ?? null;
  }

  /** Resolves when there is another record, or when `signal` is aborted. */
  more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }

  #keep(seq: number, time: string, { type, clear, sealed }: RecordInput): void {
    const chars = charsIn(clear) + charsIn(sealed);
    this.#kept.push({ record: { seq, time, type, clear, sealed }, chars });
    this.#chars += chars;
    if (this.#kept.length > RECORDS_KEPT_MAX || this.#chars > CHARS_KEPT_MAX) this.#drop();
    for (const wake of this.#waiting) wake();
  }

  /** To three quarters, so that it is seldom done; the newest stays. */
  #drop(): void {
    let count = 0;
    while (
      count < this.#kept.length - 1 &&
      (this.#kept.length - count > RECORDS_KEPT_MAX * 0.75 || this.#chars > CHARS_KEPT_MAX * 0.75)
    )
      this.#chars -= this.#kept[count++]?.chars ?? 0;
    this.#floor = this.#kept[count - 1]?.record.seq ?? this.#floor;
    this.#kept = this.#kept.slice(count);
  }
}

function charsIn(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce((sum: number, part) => sum + charsIn(part), 0);
}
