// One proof for all records of a folder at once: the tree's whole subtrees that lie between them, so that whoever hashes records.jsonl
// comes to the signed root. Must never leave a proof in the folder that does not lead there.

import { realFs } from '../../audit/files.ts';
import { Hashes } from '../../audit/proof.ts';
import { leafOfBytes } from '../../audit/record.ts';
import { rawLines } from '../../audit/scan.ts';
import { Roots } from '../../audit/verify/tree.ts';
import type { Folder } from './folder.ts';

export interface Checkpoint {
  /** How many leaves it covers. */
  readonly size: number;
  /** Hex. */
  readonly root: string;
  readonly note: string;
}

/** How many of the copied records it covers; null: the log's own hashes do not lead to the root. */
export async function writeProof(
  folder: Folder,
  dir: string,
  runs: readonly number[],
  { size, root, note }: Checkpoint,
  progress: (done: number, of: number) => void,
): Promise<number | null> {
  for (const use_tiles of [true, false]) {
    const sink = await folder.sink('proof.jsonl');
    await sink.text(`${JSON.stringify({ holdpoint: 'evidence proof', v: 1, checkpoint: note })}\n`);
    const hashes = new Hashes(realFs, dir, use_tiles);
    const roots = new Roots();
    const leaves = leavesOf(folder.in('records.jsonl'));
    let covered = 0;
    const pass = async (upto: number): Promise<void> => {
      while (roots.size < upto) {
        const height = largestHeight(roots.size, upto);
        const hash = await hashes.subtree(height, roots.size / 2 ** height);
        roots.add(hash, 2 ** height);
        await sink.text(`${JSON.stringify([height, hash.toString('base64')])}\n`);
      }
    };
    try {
      for (let at = 0; at < runs.length; at += 2) {
        const first = runs[at] ?? 0;
        const here = Math.min(runs[at + 1] ?? 0, size - first);
        if (here <= 0) break;
        await pass(first);
        for (let n = 0; n < here; n++) roots.add((await leaves.next()).value as Buffer);
        await sink.text(`${here}\n`);
        covered += here;
        progress(first, size);
      }
      await pass(size);
    } catch {
      // Leaf hashes or tiles are missing, or cannot be read.
    }
    await leaves.return();
    if (roots.size === size && roots.root().toString('hex') === root) {
      await folder.done('proof.jsonl', sink);
      return covered;
    }
    await folder.drop('proof.jsonl', sink);
  }
  return null;
}

/** Of the largest whole subtree that begins at `from` and ends by `upto`. */
function largestHeight(from: number, upto: number): number {
  let height = 0;
  while (from % 2 ** (height + 1) === 0 && from + 2 ** (height + 1) <= upto) height++;
  return height;
}

async function* leavesOf(path: string): AsyncGenerator<Buffer, void, undefined> {
  const file = await realFs.open(path, 'read');
  try {
    for await (const lines of rawLines(file, 0, await file.size()))
      for (const { bytes } of lines) yield Buffer.from(leafOfBytes(bytes), 'hex');
  } finally {
    await file.close();
  }
}
