// What was done to lines whose true leaf hashes are known: which record was edited, removed, inserted or moved. Pure, in bounded memory: it
// looks at so many of either at once. Must never name a kind where the hashes that would show it were made anew: that is 'rewritten'.

/** Records, or lines, that are compared at once. */
const WINDOW = 32_768;
const FINDINGS_MAX = 1000;

export type Kind = 'edited' | 'removed' | 'inserted' | 'reordered' | 'rewritten';

export interface Difference {
  readonly kind: Kind;
  /** Number of the record, from 1; of an inserted line: the record that it stands after, 0 before all. */
  readonly record: number;
  /** The last one of a range; Infinity: all that follow. */
  readonly to: number;
  /** Where it stands now; null: nowhere. */
  readonly line: Line | null;
}

export interface Line {
  readonly leaf: Buffer;
  readonly seq: number | null;
  readonly prev: string;
  readonly segment: number;
  readonly at: number;
  /** Only its hash is left, in the segment's leaf file. */
  readonly gone: boolean;
}

/** A queue over what comes, so that some of it can be looked at before it is taken. */
class Ahead<T> {
  #kept: T[] = [];
  readonly #rest: AsyncIterator<T>;
  #ended = false;
  constructor(rest: AsyncIterable<T>) {
    this.#rest = rest[Symbol.asyncIterator]();
  }
  async look(count: number): Promise<readonly T[]> {
    while (this.#kept.length < count && !this.#ended) {
      const next = await this.#rest.next();
      if (next.done === true) this.#ended = true;
      else this.#kept.push(next.value);
    }
    return this.#kept;
  }
  take(count: number): void {
    this.#kept = this.#kept.slice(count);
  }
  async close(): Promise<void> {
    await this.#rest.return?.();
  }
}

/**
 * `truth`: the leaf hashes of records `from + 1` and on; `lines`: what stands there. Lines behind the end of the truth are no difference.
 * `more`: there were more than are told.
 */
export async function differences(
  from: number,
  truth: AsyncIterable<Buffer>,
  lines: AsyncIterable<Line>,
): Promise<{ readonly found: Difference[]; readonly more: boolean }> {
  const told: Difference[] = [];
  const expected = new Ahead(truth);
  const standing = new Ahead(lines);
  let record = from;
  try {
    for (;;) {
      const [left, right] = [await expected.look(WINDOW + 1), await standing.look(WINDOW + 2)];
      if (left.length === 0) return { found: told, more: false };
      const other = left.findIndex((leaf, index) => !leaf.equals(right[index]?.leaf ?? NONE));
      const same = other === -1 ? left.length : other;
      if (same > 0) {
        expected.take(same);
        standing.take(same);
        record += same;
        continue;
      }
      // A segment that is gone is more than a window; the number of what stands here says how much to pass over.
      const gone = (right[0]?.seq ?? 0) - 1 - record;
      if (gone > WINDOW / 2) {
        const passed = await passOver(expected, gone);
        const [next] = await expected.look(1);
        if (passed < gone || !next?.equals(right[0]?.leaf ?? NONE)) {
          told.push({ kind: 'rewritten', record: record + 1, to: Infinity, line: right[0] ?? null });
          return { found: told, more: false };
        }
        told.push({ kind: 'removed', record: record + 1, to: record + gone, line: null });
        record += gone;
        continue;
      }
      const done = compare(record, left.slice(0, WINDOW), right, left.length <= WINDOW);
      for (const one of done.found) {
        const before = told.at(-1);
        if (before?.kind === 'removed' && one.kind === 'removed' && before.to + 1 === one.record)
          told[told.length - 1] = { ...before, to: one.to };
        else told.push(one);
      }
      if (told.length > FINDINGS_MAX) return { found: told.slice(0, FINDINGS_MAX), more: true };
      if (done.end) return { found: told, more: false };
      expected.take(done.records);
      standing.take(done.lines);
      record += done.records;
    }
  } finally {
    await expected.close();
    await standing.close();
  }
}

async function passOver(expected: Ahead<Buffer>, count: number): Promise<number> {
  let passed = 0;
  while (passed < count) {
    const some = Math.min((await expected.look(Math.min(WINDOW, count - passed))).length, count - passed);
    if (some === 0) break;
    expected.take(some);
    passed += some;
  }
  return passed;
}

const NONE = Buffer.alloc(0);

interface Compared {
  readonly found: Difference[];
  /** So many are done with. */
  readonly records: number;
  readonly lines: number;
  /** There is no more to say. */
  readonly end: boolean;
}

/** `last`: no record follows those in `truth`. One line more than is compared is in `lines`, where there is one: it may follow from the last. */
function compare(record: number, truth: readonly Buffer[], lines: readonly Line[], last: boolean): Compared {
  const places = new Map(truth.map((leaf, index) => [leaf.toString('latin1'), index]));
  const compared = lines.slice(0, WINDOW + 1);
  const at = lines.map(({ leaf }) => places.get(leaf.toString('latin1')) ?? -1);
  const kept = withMiddles(longestRising(at.slice(0, compared.length)), at, (index) => {
    const place = at[index] ?? -1;
    return place >= 0 ? place : (lines[index]?.seq ?? 0) - record - 1;
  });
  const found: Difference[] = [];
  const known = new Set(at);
  let gap = { record: 0, line: 0 };
  let upto = gap;
  // Each stretch between two lines that stand where they should, then the one behind the last of them.
  for (const anchor of [...kept, null]) {
    const closed = anchor !== null;
    if (!closed && !last && kept.length > 0) break;
    const to = closed
      ? { record: at[anchor] as number, line: anchor }
      : { record: truth.length, line: compared.length };
    found.push(...stretch({ record, truth, lines, at, known, gap, to, closed, last }));
    if (closed) upto = gap = { record: to.record + 1, line: to.line + 1 };
  }
  const end = last || kept.length === 0;
  return { found, records: upto.record, lines: upto.line, end };
}

function stretch({
  record,
  truth,
  lines,
  at,
  known,
  gap,
  to,
  closed,
  last,
}: {
  readonly record: number;
  readonly truth: readonly Buffer[];
  readonly lines: readonly Line[];
  readonly at: readonly number[];
  readonly known: ReadonlySet<number>;
  readonly gap: { readonly record: number; readonly line: number };
  readonly to: { readonly record: number; readonly line: number };
  readonly closed: boolean;
  readonly last: boolean;
}): Difference[] {
  const missing: number[] = [];
  for (let index = gap.record; index < to.record; index++) if (!known.has(index)) missing.push(index);
  const moved: number[] = [];
  const strange: number[] = [];
  const beyond = record + truth.length + 1;
  const newest = truth.at(-1)?.toString('hex');
  for (let index = gap.line; index < to.line; index++) {
    const line = lines[index] as Line;
    // It continues the last record of the truth: from here on nothing covers what stands.
    if (!closed && last && line.seq === beyond && line.prev === newest) break;
    if ((at[index] ?? -1) >= 0) moved.push(index);
    else strange.push(index);
  }
  // All records have their lines: what else stands at the end is behind it.
  if (!closed && missing.length === 0) strange.length = 0;
  const place = (index: number): Line => lines[index] as Line;
  const first = record + gap.record + 1;
  // What follows is no record that was signed and continues the new hash: from here on hashes were made anew, and every kind looks alike.
  const anew = strange.some(
    (index) => at[index + 1] === -1 && lines[index + 1]?.prev === place(index).leaf.toString('hex'),
  );
  const unsure = !closed && strange.length > 0 && missing.length > strange.length;
  if (strange.length > 0 && (anew || unsure || (!closed && !last)))
    return [
      {
        kind: 'rewritten',
        record: first,
        to: closed ? Math.max(first, record + to.record) : Infinity,
        line: place(strange[0] as number),
      },
    ];

  const found: Difference[] = moved.map((index) => {
    const number = record + (at[index] as number) + 1;
    const copy = at.indexOf(at[index] as number) !== index || at.lastIndexOf(at[index] as number) !== index;
    return copy
      ? { kind: 'inserted', record: after(record, at, index), to: after(record, at, index), line: place(index) }
      : { kind: 'reordered', record: number, to: number, line: place(index) };
  });
  const left = new Set(missing);
  const unpaired: number[] = [];
  for (const index of strange) {
    const own = (place(index).seq ?? 0) - record - 1;
    if (left.delete(own))
      found.push({ kind: 'edited', record: record + own + 1, to: record + own + 1, line: place(index) });
    else unpaired.push(index);
  }
  for (const index of unpaired) {
    const [next] = left;
    if (next === undefined) {
      const before = after(record, at, index);
      found.push({ kind: 'inserted', record: before, to: before, line: place(index) });
    } else {
      left.delete(next);
      found.push({ kind: 'edited', record: record + next + 1, to: record + next + 1, line: place(index) });
    }
  }
  for (const index of left)
    found.push({ kind: 'removed', record: record + index + 1, to: record + index + 1, line: null });
  return found.toSorted((a, b) => a.record - b.record);
}

/** The record that stands nearest before this line. */
function after(record: number, at: readonly number[], index: number): number {
  for (let before = index - 1; before >= 0; before--)
    if ((at[before] ?? -1) >= 0) return record + (at[before] as number) + 1;
  return record;
}

/** Of two that changed places around a third it is this one that stands where it should, though each of the three alone rises. */
function withMiddles(kept: readonly number[], at: readonly number[], says: (index: number) => number): number[] {
  const turned = (index: number): boolean => {
    const middle = at[index] ?? -1;
    return middle > 0 && says(index - 1) === middle + 1 && says(index + 1) === middle - 1;
  };
  return kept.map((index) => (turned(index - 1) ? index - 1 : turned(index + 1) ? index + 1 : index));
}

/** Indexes of the longest strictly rising run among the numbers from 0 on, by patience sorting. */
function longestRising(numbers: readonly number[]): number[] {
  const tops: number[] = [];
  const before: number[] = [];
  for (const [index, number] of numbers.entries()) {
    if (number < 0) continue;
    let low = 0;
    let high = tops.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((numbers[tops[middle] as number] as number) < number) low = middle + 1;
      else high = middle;
    }
    before[index] = low > 0 ? (tops[low - 1] as number) : -1;
    tops[low] = index;
  }
  const run: number[] = [];
  for (let index = tops.at(-1) ?? -1; index >= 0; index = before[index] ?? -1) run.push(index);
  return run.toReversed();
}
