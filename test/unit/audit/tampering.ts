// What somebody who can write to a log's folder does to it, for tests of `audit verify`: one change to its lines, the chain of hashes behind
// it made anew or not, the side files left, made anew with it, or removed.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

/** The lines after the change; records count from 1. The first that differs is given, too. */
export function tampered(
  lines: readonly string[],
  { change, recomputed }: Tampered,
): { lines: string[]; from: number } {
  const changed = [...lines];
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
  return { lines: recomputed ? rechained(changed, from) : changed, from };
}

/** As somebody does who knows the format: numbers and hashes fit again from record `from` on. */
function rechained(lines: readonly string[], from: number): string[] {
  const done = lines.slice(0, from - 1);
  let prev = done.length === 0 ? '0'.repeat(64) : leafHash(done.at(-1) ?? '').toString('hex');
  for (const line of lines.slice(from - 1)) {
    const next = line.replace(
      /^\{"v":1,"seq":\d+,"prev":"[0-9a-f]{64}"/,
      `{"v":1,"seq":${done.length + 1},"prev":"${prev}"`,
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
  const before = linesOf(original);
  const { lines, from } = tampered(before, how);
  writeFileSync(join(folder, '00000001.jsonl'), lines.map((line) => `${line}\n`).join(''));
  const leaves = how.sides === 'kept' ? before : how.sides === 'recomputed' ? lines : null;
  if (leaves) {
    writeFileSync(join(folder, '00000001.leaf'), Buffer.concat(leaves.map(leafHash)));
    for (let tile = 0; (tile + 1) * 256 <= leaves.length; tile++) {
      const path = join(folder, 'tile/0', String(tile).padStart(3, '0'));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, Buffer.concat(leaves.slice(tile * 256, (tile + 1) * 256).map(leafHash)));
    }
  }
  return { from };
}
