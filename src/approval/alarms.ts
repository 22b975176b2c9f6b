// One timer for all that is due at some time: thousands of requests are open at once, and a timer for each of them is dear.
// Must never ring one that was cleared or put off, nor forget one that is due.
import type { Clock } from './types.ts';

/** What can be due; kept by Alarms alone. */
export interface Alarm {
  /** Milliseconds since the epoch. */
  due: number;
  /** Where it stands among the others; NOWHERE, or RINGING until its turn comes. */
  place: number;
}

export const NOWHERE = -1;
const RINGING = -2;

export class Alarms<T extends Alarm> {
  readonly #clock: Clock;
  readonly #ring: (one: T) => void;
  readonly #longest_ms: number;
  /** A binary heap: each is due no later than the two at twice its place and one more, or two. */
  readonly #heap: T[] = [];
  #stop: () => void = () => {};

  /** `longest_ms`: of one timer. `ring` must not throw. */
  constructor(clock: Clock, longest_ms: number, ring: (one: T) => void) {
    this.#clock = clock;
    this.#longest_ms = longest_ms;
    this.#ring = ring;
  }

  /** It rings at this time, ms since the epoch, and at no other. */
  set(one: T, due: number): void {
    this.#remove(one);
    one.due = due;
    one.place = this.#heap.push(one) - 1;
    this.#up(one);
    this.#wake();
  }

  clear(one: T): void {
    this.#remove(one);
    // Else the timer may find nothing to do.
    if (this.#heap.length === 0) this.#stop();
  }

  /** Nothing rings any more. */
  stop(): void {
    for (const one of this.#heap.splice(0)) one.place = NOWHERE;
    this.#stop();
  }

  /** Anew whenever one is set: by a clock that was put on or back meanwhile, the timer that runs may end at any time. */
  #wake(): void {
    const first = this.#heap[0];
    if (first === undefined) return;
    this.#stop();
    const ms = Math.min(Math.max(first.due - this.#clock.now(), 0), this.#longest_ms);
    this.#stop = this.#clock.after(ms, () => this.#woken());
  }

  #woken(): void {
    const now = this.#clock.now();
    const due: T[] = [];
    for (let first = this.#heap[0]; first !== undefined && first.due <= now; first = this.#heap[0]) {
      this.#remove(first);
      first.place = RINGING;
      due.push(first);
    }
    for (const one of due) {
      if (one.place !== RINGING) continue;
      one.place = NOWHERE;
      this.#ring(one);
    }
    this.#wake();
  }

  #remove(one: T): void {
    const { place } = one;
    one.place = NOWHERE;
    if (place < 0) return;
    const last = this.#heap.pop() as T;
    if (last === one) return;
    this.#put(last, place);
    this.#up(last);
    this.#down(last);
  }

  #put(one: T, place: number): void {
    one.place = place;
    this.#heap[place] = one;
  }

  #up(one: T): void {
    while (one.place > 0) {
      const { place } = one;
      const above = this.#heap[(place - 1) >> 1] as T;
      if (above.due <= one.due) return;
      this.#put(one, above.place);
      this.#put(above, place);
    }
  }

  #down(one: T): void {
    for (;;) {
      const { place } = one;
      const left = this.#heap[2 * place + 1];
      const right = this.#heap[2 * place + 2];
      const sooner = right !== undefined && left !== undefined && right.due < left.due ? right : left;
      if (sooner === undefined || sooner.due >= one.due) return;
      this.#put(one, sooner.place);
      this.#put(sooner, place);
    }
  }
}
