// Allowed statements of one session, gathered until they become one block record, which has them as columns.
// `add` is on the path of every allowed statement: no promise, no object, no closure there; strings are numbered per block, so
// that each block reads by itself (a receipt's leaf, a segment whose neighbours are gone) and a shape's text stands in it once.

import type { BlockJson } from './record.ts';

export const block_entries_max = 256;
/** UTF-16 units of the strings that one block may gather before it is written early. */
export const block_chars_max = 256 * 1024;
/** A longer string is cut there and says by how much: a block must always fit into a record. */
export const word_chars_max = 64 * 1024;

/** Of an entry. */
const VALUES = 7;

export class Block {
  entries = 0;
  chars = 0;
  readonly #words = new Map<string, number>();
  #from = 0;
  /** Entry behind entry, as `json` names their values, so that one more touches as little memory as can be. */
  readonly #values: number[] = [];
  /** Agents repeat themselves: the words of the last entry and their numbers. */
  #shape = '';
  #shape_number = -1;
  #rule = '';
  #rule_number = -1;

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
    if (shape !== this.#shape || this.#shape_number < 0) {
      this.#shape = shape;
      this.#shape_number = this.#word(shape);
    }
    if (rule !== this.#rule || this.#rule_number < 0) {
      this.#rule = rule;
      this.#rule_number = this.#word(rule);
    }
    this.#values.push(
      Math.round(time - this.#from),
      this.#shape_number,
      this.#rule_number,
      this.#word(outcome),
      rows,
      bytes,
      Math.round(duration_us),
    );
    this.entries++;
    return this.entries >= block_entries_max || this.chars >= block_chars_max;
  }

  json(): string {
    const block: BlockJson = {
      from: this.#from,
      words: [...this.#words.keys()],
      ms: this.#column(0),
      shape: this.#column(1),
      rule: this.#column(2),
      outcome: this.#column(3),
      rows: this.#column(4),
      bytes: this.#column(5),
      us: this.#column(6),
    };
    return JSON.stringify(block);
  }

  #column(at: number): readonly number[] {
    const column: number[] = [];
    for (let index = at; index < this.#values.length; index += VALUES) column.push(this.#values[index] ?? 0);
    return column;
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
