// Allowed statements of one session, gathered into columns until they become one block record.
// `add` is on the path of every allowed statement: no promise, no object, no closure there; strings are numbered per block, so
// that each block reads by itself (a receipt's leaf, a segment whose neighbours are gone) and a shape's text stands in it once.

import type { BlockJson } from './record.ts';

export const block_entries_max = 256;
/** UTF-16 units of the strings that one block may gather before it is written early. */
export const block_chars_max = 256 * 1024;
/** A longer string is cut there and says by how much: a block must always fit into a record. */
export const word_chars_max = 64 * 1024;

export class Block {
  entries = 0;
  chars = 0;
  readonly #words = new Map<string, number>();
  #from = 0;
  readonly #ms: number[] = [];
  readonly #shape: number[] = [];
  readonly #rule: number[] = [];
  readonly #outcome: number[] = [];
  readonly #rows: number[] = [];
  readonly #bytes: number[] = [];
  readonly #us: number[] = [];

  /** True when the block is full and must be written. */
  add(
    time: number,
    shape: string,
    rule: string,
    outcome: string,
    rows: number,
    bytes: number,
    duration_us: number,
  ): boolean {
    if (this.entries === 0) this.#from = time;
    this.#ms.push(Math.round(time - this.#from));
    this.#shape.push(this.#word(shape));
    this.#rule.push(this.#word(rule));
    this.#outcome.push(this.#word(outcome));
    this.#rows.push(rows);
    this.#bytes.push(bytes);
    this.#us.push(Math.round(duration_us));
    this.entries++;
    return this.entries >= block_entries_max || this.chars >= block_chars_max;
  }

  json(): string {
    const block: BlockJson = {
      from: this.#from,
      words: [...this.#words.keys()],
      ms: this.#ms,
      shape: this.#shape,
      rule: this.#rule,
      outcome: this.#outcome,
      rows: this.#rows,
      bytes: this.#bytes,
      us: this.#us,
    };
    return JSON.stringify(block);
  }

  #word(word: string): number {
    const known = this.#words.get(word);
    if (known !== undefined) return known;
    const number = this.#words.size;
    if (word.length > word_chars_max) return this.#word(cut(word));
    this.#words.set(word, number);
    this.chars += word.length;
    return number;
  }
}

function cut(word: string): string {
  const start = word.slice(0, word_chars_max - 64);
  return `${start}… and ${word.length - start.length} characters more`;
}
