// Texts that came once: only what comes a second time is worth keeping, since a text with its values in it never comes again and
// keeping what was found in it would cost more than finding it. Must stay small whatever is sent: it forgets, all at once.

/** Texts known to have come once. */
const TEXTS_MAX = 1024;
/** Bytes of those texts, but for the last one. */
const BYTES_MAX = 1024 * 1024;

export class Seen {
  readonly #texts = new Set<string>();
  #bytes = 0;

  /** Notes a text (latin1) that came. True: it came before, as far as that is remembered. */
  again(text: string): boolean {
    if (this.#texts.has(text)) return true;
    if (this.#texts.size >= TEXTS_MAX || this.#bytes >= BYTES_MAX) {
      this.#texts.clear();
      this.#bytes = 0;
    }
    this.#texts.add(text);
    this.#bytes += text.length;
    return false;
  }
}
