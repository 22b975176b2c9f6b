// What somebody who can write to a log's folder does to it, for tests of `audit verify`: one change to its lines, the chain of hashes behind
// it made anew or not, the side files left, made anew with it, or removed.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type Change =
  | { readonly kind: 'edit'; readonly at: number }
  | { readonly kind: 'delete'; readonly at: number }
  /** A forged line, or a copy of another one, in front of record `at`. */
  | { readonly kind: 'insert'; readonly at: number; readonly copy: number | null }
  | { readonly kind: 'swap'; readonly at: number; readonly with: number }
  /** Everything from record `at` on. */
  | { readonly kind: 'cut'; readonly at: number };

export interface Tampered extends Readonly<{ change: Change }> {
  readonly recomputed: boolean;
  readonly sides: 'kept' | 'recomputed' | 'removed';
}

export const leafHash = (line: string): Buffer => createHash('sha256').update('\0').update(line).digest();

/** Lines of all segments, one behind the other. */
export const linesOf = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .toSorted()
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1));

/** What retention removed of a log: how many records, and the leaf hashes that are left of them. */
export interface Before {
  readonly records: number;
  readonly leaves: readonly Buffer[];
}
const NOTHING: Before = { records: 0, leaves: [] };

/** With another number for each record. */
const shifted = (change: Change, by: number): Change => {
  const at = change.at - by;
  if (change.kind === 'swap') return { ...change, at, with: change.with - by };
  return change.kind === 'insert' ? { ...change, at, copy: change.copy && change.copy - by } : { ...change, at };
};

/** The lines after the change; records count from 1, and are those behind what was removed. The first that differs is given, too. */
export function tampered(
  lines: readonly string[],
  { change: asked, recomputed }: Tampered,
  before = NOTHING,
): { lines: string[]; from: number } {
  const changed = [...lines];
  const change = shifted(asked, before.records);
  const { at } = change;
  switch (change.kind) {
    case 'edit':
      changed[at - 1] = (changed[at - 1] ?? '').replace('"clear":{', '"clear":{"forged":1,');
      break;
    case 'delete':
      changed.splice(at - 1, 1);
      break;
    case 'insert': {
      const like =
        change.copy === null
          ? (lines[at - 1] ?? '').replace('"clear":{', '"clear":{"forged":1,')
          : (lines[change.copy - 1] ?? '');
      changed.splice(at - 1, 0, like);
      break;
    }
    case 'swap': {
      const [a = '', b = ''] = [changed[at - 1], changed[change.with - 1]];
      changed[at - 1] = b;
      changed[change.with - 1] = a;
      break;
    }
    case 'cut':
      changed.length = at - 1;
  }
  // A copy in front of its original is one behind it.
  const twin = change.kind === 'insert' && change.copy === at ? 1 : 0;
  const from = change.kind === 'swap' ? Math.min(at, change.with) : at + twin;
  return { lines: recomputed ? rechained(changed, from, before) : changed, from: from + before.records };
}

/** As somebody does who knows the format: numbers and hashes fit again from record `from` on. */
function rechained(lines: readonly string[], from: number, { records, leaves }: Before): string[] {
  const done = lines.slice(0, from - 1);
  const last = done.length === 0 ? leaves.at(-1) : leafHash(done.at(-1) ?? '');
  let prev = last?.toString('hex') ?? '0'.repeat(64);
  for (const line of lines.slice(from - 1)) {
    const next = line.replace(
      /^\{"v":1,"seq":\d+,"prev":"[0-9a-f]{64}"/,
      `{"v":1,"seq":${records + done.length + 1},"prev":"${prev}"`,
    );
    done.push(next);
    prev = leafHash(next).toString('hex');
  }
  return done;
}

/** A folder as the change leaves it, made of `original` in `folder`, which is emptied first. */
export function writeTampered(original: string, folder: string, how: Tampered): { readonly from: number } {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const names = readdirSync(original).toSorted();
  const gone = names.filter((name) => name.endsWith('.leaf') && !names.includes(name.replace('leaf', 'jsonl')));
  for (const name of gone) copyFileSync(join(original, name), join(folder, name));
  const removed = Buffer.concat(gone.map((name) => readFileSync(join(original, name))));
  const leaves = Array.from({ length: removed.length / 32 }, (_, i) => removed.subarray(i * 32, i * 32 + 32));
  const before = linesOf(original);
  const { lines, from } = tampered(before, how, { records: leaves.length, leaves });
  const segment = String(gone.length + 1).padStart(8, '0');
  writeFileSync(join(folder, `${segment}.jsonl`), lines.map((line) => `${line}\n`).join(''));
  const sides = how.sides === 'kept' ? before : how.sides === 'recomputed' ? lines : null;
  if (sides) {
    const own = sides.map(leafHash);
    writeFileSync(join(folder, `${segment}.leaf`), Buffer.concat(own));
    const all = [...leaves, ...own];
    for (let tile = 0; (tile + 1) * 256 <= all.length; tile++) {
      const path = join(folder, 'tile/0', String(tile).padStart(3, '0'));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, Buffer.concat(all.slice(tile * 256, (tile + 1) * 256)));
    }
  }
  return { from };
}
