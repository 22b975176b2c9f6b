// Counts what a limited statement returns against what its rules let it: one result, or a principal's total in a window.
// It says how much may still pass and which limit is reached; what becomes of the rest is the gate's and the session's.
import type { Limit } from '../policy/types.ts';
import type { Judgement, Meter } from '../session/gate.ts';
import type { Total, Totals } from './totals.ts';

export interface Reached {
  readonly limit: Limit;
  /** Of this statement, so far. */
  readonly rows: number;
  readonly bytes: number;
}

export interface MeterEvents {
  judge(reached: Reached): Exclude<Judgement, { type: 'pass' }>;
  /** A limit that is only recorded was passed; once for each. */
  observed(reached: Reached): void;
  cut(reached: Reached, outcome: string): void;
}

/** Each execution of a limited statement makes one, most of which never reach a limit: it keeps what only limits of some kinds need apart. */
export class ResultMeter implements Meter {
  // Not set before they are known: a field that never held Infinity is no number of its own on the heap.
  rows_left: number;
  bytes_left: number;
  readonly withholds: boolean;
  #rows = 0;
  #bytes = 0;
  #lifted = false;
  readonly #limits: readonly Limit[];
  /** Of each limit; null: one result alone counts. */
  readonly #totals: readonly (Total | null)[] | null;
  /** Limits of which it is recorded alone that they were passed, and were. */
  #seen: Set<Limit> | null = null;
  readonly #events: MeterEvents;

  constructor(limits: readonly Limit[], principal: string, totals: Totals, events: MeterEvents) {
    this.#events = events;
    this.#limits = limits;
    this.withholds = limits.some(withholds);
    this.#totals = limits.some(hasWindow)
      ? limits.map(({ rule, per_ms }) => (per_ms === null ? null : totals.of(principal, rule, per_ms)))
      : null;
    this.rows_left = this.bytes_left = 0;
    this.#measure();
  }

  passed(rows: number, bytes: number): void {
    this.#rows += rows;
    this.#bytes += bytes;
    // What somebody let through is no part of a total.
    if (this.#lifted) return;
    if (this.#totals !== null) for (const total of this.#totals) total?.add(rows, bytes);
    this.#measure();
  }

  judge(): Exclude<Judgement, { type: 'pass' }> {
    return this.#events.judge(this.#reached());
  }

  lift(): void {
    this.#lifted = true;
    this.rows_left = this.bytes_left = Infinity;
  }

  cut(outcome: string): void {
    this.#events.cut(this.#reached(), outcome);
  }

  #measure(): void {
    let rows_left = Infinity;
    let bytes_left = Infinity;
    for (let index = 0; index < this.#limits.length; index++) {
      const limit = this.#limits[index] as Limit;
      if (limit.counts_only) continue;
      const rows = this.#rowsLeft(index);
      const bytes = this.#bytesLeft(index);
      if (limit.observe) this.#observe(limit, rows, bytes);
      else {
        rows_left = Math.min(rows_left, Math.max(0, rows));
        bytes_left = Math.min(bytes_left, Math.max(0, bytes));
      }
    }
    this.rows_left = rows_left;
    this.bytes_left = bytes_left;
  }

  #observe(limit: Limit, rows: number, bytes: number): void {
    this.#seen ??= new Set();
    if (this.#seen.has(limit) || (rows >= 0 && bytes >= 0)) return;
    this.#seen.add(limit);
    this.#events.observed({ limit, rows: this.#rows, bytes: this.#bytes });
  }

  #rowsLeft(index: number): number {
    const { rows } = this.#limits[index] as Limit;
    return rows === null ? Infinity : rows - (this.#totals?.[index]?.rows ?? this.#rows);
  }

  #bytesLeft(index: number): number {
    const { bytes } = this.#limits[index] as Limit;
    return bytes === null ? Infinity : bytes - (this.#totals?.[index]?.bytes ?? this.#bytes);
  }

  /** The limit that stops it: the next row has no room in it. Of several the strictest, then the one with the least room. */
  #reached(): Reached {
    const stopping = this.#limits.flatMap((limit, index) =>
      limit.observe || limit.counts_only ? [] : [{ limit, rows: this.#rowsLeft(index), bytes: this.#bytesLeft(index) }],
    );
    const full = stopping.filter(({ rows }) => rows < 1);
    const tight = full.length > 0 ? full : stopping.filter(({ bytes }) => bytes <= this.bytes_left);
    const tightest = tight.find(({ limit }) => limit.verdict === 'deny') ?? tight[0];
    return { limit: tightest?.limit ?? (this.#limits[0] as Limit), rows: this.#rows, bytes: this.#bytes };
  }
}

const withholds = (limit: Limit): boolean => limit.withholds;
const hasWindow = ({ per_ms }: Limit): boolean => per_ms !== null;
