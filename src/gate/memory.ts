// Texts that were allowed before, for each set of facts: shared by all sessions of the same principal under the same facts.
// Must stay small whatever is sent, and never answer for other facts than those a text was judged under.
import { LRUCache } from 'lru-cache';
import type { Judgement } from '../session/gate.ts';
import { Seen } from '../sql/seen.ts';

export type Pass = Extract<Judgement, { type: 'pass' }>;

const VERDICTS_PER_CONTEXT_MAX = 5000;
const VERDICT_CHARS_PER_CONTEXT_MAX = 4 * 1024 * 1024;
const CONTEXTS_MAX = 64;

export class Memory {
  readonly #contexts = new LRUCache<string, Allowed>({ max: CONTEXTS_MAX });

  /** `key` names all facts that a verdict depends on. */
  of(key: string): Allowed {
    const known = this.#contexts.get(key);
    if (known) return known;
    const made = new Allowed();
    this.#contexts.set(key, made);
    return made;
  }
}

/** Under one set of facts. */
export class Allowed {
  readonly #passes = new LRUCache<string, Pass>({
    max: VERDICTS_PER_CONTEXT_MAX,
    maxSize: VERDICT_CHARS_PER_CONTEXT_MAX,
    sizeCalculation: (_, text) => text.length + 64,
  });
  readonly #seen = new Seen();

  get(text: string): Pass | undefined {
    return this.#passes.get(text);
  }

  /** A text with its values in it never comes again: what comes a second time is worth keeping. */
  remember(text: string, pass: Pass): void {
    if (this.#seen.again(text)) this.#passes.set(text, pass);
  }
}
