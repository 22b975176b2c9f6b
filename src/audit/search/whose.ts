// Tells what is known of the log (`Known`) whose records are that name a session or request alone: looks for the records that opened these, not far
// back. What it does not find stays unknown.

import type { Known } from '../export/known.ts';
import { findAll, type FindOptions, type Found } from './find.ts';
import { Sought, type Term } from './query.ts';

const OPENING: readonly Term[] = ['session.opened', 'request.opened', 'permit.granted'].map((name) => ({
  kind: 'type',
  name,
}));
/** Segments before the first record's: what was opened earlier is seldom still there. */
const SEGMENTS_BACK_MAX = 2;
/** Names that are looked for at once. */
const NAMES_MAX = 500;

export async function learn(
  folder: string,
  known: Known,
  records: readonly Pick<Found, 'segment' | 'line'>[],
  options: Pick<FindOptions, 'build'> = {},
): Promise<void> {
  const names = new Map<string, Term>();
  let from = Infinity;
  let to = 0;
  for (const { segment, line } of records) {
    // In the order of the log, so that what one of them opens is known for the next.
    known.see(line);
    for (const { kind, id } of known.missing(line)) {
      if (names.size >= NAMES_MAX) break;
      const term: Term = { kind: kind === 'session' ? 'session' : 'id', name: id };
      names.set(`${term.kind} ${id}`, term);
      from = Math.min(from, segment);
      to = Math.max(to, segment);
    }
  }
  if (names.size === 0) return;
  const sought = new Sought({ any: [[...names.values()], OPENING] });
  const segments = { from: from - SEGMENTS_BACK_MAX, to };
  for await (const { line } of findAll(folder, sought, { ...options, segments })) known.see(line);
}

/** The same before a time, for a reading that begins there: what was opened in the day before it. */
export async function learnBefore(
  folder: string,
  known: Known,
  before_ms: number,
  options: Pick<FindOptions, 'build'> = {},
): Promise<void> {
  const sought = new Sought({ from_ms: before_ms - DAY_MS, to_ms: before_ms, any: [OPENING] });
  for await (const { line } of findAll(folder, sought, options)) known.see(line);
}
const DAY_MS = 24 * 3600 * 1000;
