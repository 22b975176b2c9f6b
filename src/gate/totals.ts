// How much each principal got in the time before, under each rule that limits it. In memory alone: it begins anew with the gateway.
// Must stay small whatever principals do, and never forget early: a row counts for its window, and up to a sixtieth of it longer.
import { LRUCache } from 'lru-cache';

/** Totals kept: about 1 KiB each. Beyond it the one that was not asked for longest is forgotten. */
export const TOTALS_MAX = 10_000;
const PARTS = 60;

/** Rows and bytes in a moving window. */
export class Total {
  readonly #part_ms: number;
  readonly #now: () => number;
  // One part more than the window has: the oldest is partly out of it.
  readonly #rows = new Float64Array(PARTS + 1);
  readonly #bytes = new Float64Array(PARTS + 1);
  /** The part that is counted in, since the clock's zero. */
  #part = 0;

  /** `now`: milliseconds that never go back. */
  constructor(per_ms: number, now: () => number) {
    this.#part_ms = per_ms / PARTS;
    this.#now = now;
  }

  add(rows: number, bytes: number): void {
    this.#move();
    const slot = this.#part % (PARTS + 1);
    this.#rows[slot] = (this.#rows[slot] as number) + rows;
    this.#bytes[slot] = (this.#bytes[slot] as number) + bytes;
  }

  get rows(): number {
    this.#move();
    return this.#rows.reduce((sum, count) => sum + count, 0);
  }

  get bytes(): number {
    this.#move();
    return this.#bytes.reduce((sum, count) => sum + count, 0);
  }

  #move(): void {
    const part = Math.floor(this.#now() / this.#part_ms);
    for (let next = Math.max(this.#part + 1, part - PARTS); next <= part; next++)
      this.#rows[next % (PARTS + 1)] = this.#bytes[next % (PARTS + 1)] = 0;
    this.#part = Math.max(this.#part, part);
  }
}

export class Totals {
  readonly #totals = new LRUCache<string, Total>({ max: TOTALS_MAX });
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  of(principal: string, rule: string, per_ms: number): Total {
    const key = JSON.stringify([principal, rule, per_ms]);
    const known = this.#totals.get(key);
    if (known) return known;
    const made = new Total(per_ms, this.#now);
    this.#totals.set(key, made);
    return made;
  }
}
