// A queue that serves its principals in turn, so that one with much to ask delays the others by one item each time and no more. Bounded;
// it must never refuse one who waits for less than somebody else does.

export class Turns<Item> {
  readonly #max: number;
  /** Whoever is next stands first; nobody stands here with nothing to ask. */
  readonly #waiting = new Map<string, Item[]>();
  #length = 0;

  /** max: items that wait. */
  constructor(max: number) {
    this.#max = max;
  }

  get length(): number {
    return this.#length;
  }

  /** Returns the item that there is no room for: the last of whoever waits for most, which may be this one. Null: none. */
  push(whose: string, item: Item): Item | null {
    const own = this.#waiting.get(whose) ?? [];
    const gone = this.#length < this.#max ? null : this.#outOf(own.length + 1);
    if (gone === undefined) return item;
    own.push(item);
    this.#waiting.set(whose, own);
    this.#length += 1;
    return gone;
  }

  shift(): Item | undefined {
    for (const [whose, [item, ...rest]] of this.#waiting) {
      this.#waiting.delete(whose);
      if (rest.length > 0) this.#waiting.set(whose, rest);
      this.#length -= 1;
      return item;
    }
    return undefined;
  }

  /** The last of whoever waits for most, where that is more than this many; undefined: nobody does. */
  #outOf(more_than: number): Item | undefined {
    let most: Item[] = [];
    for (const items of this.#waiting.values()) if (items.length > most.length) most = items;
    if (most.length <= more_than) return undefined;
    this.#length -= 1;
    return most.pop();
  }
}
