// Since when the log is ahead of a destination: when each stretch of it became durable, by a clock that nobody sets. Bounded: what is longer
// ago is known less exactly. Must never say that a record is younger than it is by more than that.

/** Between two marks, at least. */
const APART_MS = 1000;
/** Past it every other one goes. */
const MARKS_MAX = 2048;

interface Mark {
  readonly seq: number;
  /** Steady milliseconds. */
  readonly at: number;
}

export class Marks {
  #marks: Mark[];

  /** At `at` the log's last record was `seq`. */
  constructor(seq: number, at: number) {
    this.#marks = [{ seq, at }];
  }

  /** The log's last record is `seq` now. */
  note(seq: number, at: number): void {
    const last = this.#marks.at(-1) as Mark;
    if (at - last.at < APART_MS && this.#marks.length > 1) this.#marks[this.#marks.length - 1] = { seq, at: last.at };
    else this.#marks.push({ seq, at });
    if (this.#marks.length > MARKS_MAX) this.#marks = this.#marks.filter((_, index) => index % 2 === 0);
  }

  /** When a record after `seq` was there first; null: none is. */
  since(seq: number): number | null {
    return this.#marks.find((mark) => mark.seq > seq)?.at ?? null;
  }

  /** Nobody asks about records up to `seq` any more. */
  forget(seq: number): void {
    const first = this.#marks.findIndex((mark) => mark.seq > seq);
    this.#marks = first === -1 ? this.#marks.slice(-1) : this.#marks.slice(first);
  }
}
