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

interface Counted {
  readonly limit: Limit;
  /** Null: this result alone counts. */
  readonly total: Total | null;
  seen: boolean;
}

export class ResultMeter implements Meter {
  rows_left = Infinity;
  bytes_left = Infinity;
  readonly withholds: boolean;
  #rows = 0;
  #bytes = 0;
  #lifted = false;
  readonly #counted: readonly Counted[];
  readonly #events: MeterEvents;

  constructor(limits: readonly Limit[], principal: string, totals: Totals, events: MeterEvents) {
    this.#events = events;
    this.withholds = limits.some((limit) => limit.withholds);
    this.#counted = limits.map((limit) => ({
      limit,
      total: limit.per_ms === null ? null : totals.of(principal, limit.rule, limit.per_ms),
      seen: false,
    }));
    this.#measure();
  }

  passed(rows: number, bytes: number): void {
    this.#rows += rows;
    this.#bytes += bytes;
    // What somebody let through is no part of a total.
    if (this.#lifted) return;
    for (const { total } of this.#counted) total?.add(rows, bytes);
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
    this.rows_left = this.bytes_left = Infinity;
    for (const counted of this.#counted) {
      if (counted.limit.counts_only) continue;
      const rows = this.#rowsLeft(counted);
      const bytes = this.#bytesLeft(counted);
      if (counted.limit.observe) this.#observe(counted, rows, bytes);
      else {
        this.rows_left = Math.min(this.rows_left, Math.max(0, rows));
        this.bytes_left = Math.min(this.bytes_left, Math.max(0, bytes));
      }
    }
  }

  #observe(counted: Counted, rows: number, bytes: number): void {
    if (counted.seen || (rows >= 0 && bytes >= 0)) return;
    counted.seen = true;
    this.#events.observed({ limit: counted.limit, rows: this.#rows, bytes: this.#bytes });
  }

  #rowsLeft({ limit, total }: Counted): number {
    return limit.rows === null ? Infinity : limit.rows - (total === null ? this.#rows : total.rows);
  }

  #bytesLeft({ limit, total }: Counted): number {
    return limit.bytes === null ? Infinity : limit.bytes - (total === null ? this.#bytes : total.bytes);
  }

  /** The limit that stops it: the next row has no room in it. Of several the strictest, then the one with the least room. */
  #reached(): Reached {
    const stopping = this.#counted
      .filter(({ limit }) => !limit.observe && !limit.counts_only)
      .map((counted) => ({
        limit: counted.limit,
        rows: this.#rowsLeft(counted),
        bytes: this.#bytesLeft(counted),
      }));
    const full = stopping.filter(({ rows }) => rows < 1);
    const tight = full.length > 0 ? full : stopping.filter(({ bytes }) => bytes <= this.bytes_left);
    const tightest = tight.find(({ limit }) => limit.verdict === 'deny') ?? tight[0];
    const { limit } = tightest ?? (this.#counted[0] as Counted);
    return { limit, rows: this.#rows, bytes: this.#bytes };
  }
}
