// A statement's normal form, which a standing approval is bound to: all of its tokens, but for literals that are free, which stand there
// with their class alone (docs/permits.md). Each engine tells which are free; here is how the form is written down and hashed.
// Must never be the same for two statements that differ in anything else than a free literal.
import { createHash } from 'node:crypto';

/** What can be told of a text. */
export interface StatementPattern {
  /** SHA-256 hex over the normal form. */
  readonly hash: string;
  /** Half-open byte ranges of the text whose literals are free. */
  readonly free: readonly (readonly [start: number, end: number])[];
  /** 1-based numbers of the parameters whose values are free. */
  readonly free_parameters: readonly number[];
}

export interface GivenParameter {
  readonly type: string;
  readonly value: string | null;
}

/** A token: its bytes as latin1; or of a free literal its class. */
export type FormToken = string | readonly [classOf: string];

export const FORM_VERSION = 'holdpoint-pattern-1';

/** `words`: what else must be the same, such as how the text is read. */
export function hashOf(
  tokens: readonly FormToken[],
  parameters: readonly GivenParameter[],
  free_parameters: ReadonlySet<number>,
  words: readonly string[],
): string {
  const values = parameters.map(({ type, value }, index) => (free_parameters.has(index + 1) ? [type] : [type, value]));
  // JSON tells all of these apart: a string is no array, and neither one nor the other has two readings.
  return createHash('sha256')
    .update(JSON.stringify([FORM_VERSION, tokens, values, words]))
    .digest('hex');
}
