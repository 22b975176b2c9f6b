// What is left of segments that retention removed: their `.leaf` files, and the record `log.segments_removed` that says so. A segment that is
// gone without such a record is a loss, and must never pass for a removal.

import { errorCode, readRange, type AuditFs } from './files.ts';
import { leaf_bytes, type Line, no_leaf } from './record.ts';
import { Tree } from './tree.ts';

export const REMOVED_TYPE = 'log.segments_removed';
const MARK = Buffer.from(`"type":"${REMOVED_TYPE}"`);
/** A turn's worth of hashing. */
const read_bytes = 64 * 1024;

/** All segments up to this one are removed, or are about to be. */
export interface Removal {
  readonly segment: number;
  /** The last record of that segment. */
  readonly record: number;
  /** Hex: its leaf hash, and the root of the tree over all records up to it. */
  readonly leaf: string;
  readonly root: string;
  /** Months whose keys go with them: nothing is sealed with these any more. */
  readonly keys: readonly string[];
  /** Which record says so. */
  readonly seq: number;
}

/** The segments that are gone from the front of a log, and what stood in them as far as hashes tell. */
export interface Gone {
  readonly segment: number;
  readonly records: number;
  /** Hex; `no_leaf` where none is gone. */
  readonly leaf: string;
  readonly tree: Tree;
}

/** What such a record has in clear, if it is one. */
interface Said {
  readonly segments: { readonly to: string };
  readonly records: { readonly to: number };
  readonly leaf: string;
  readonly root: string;
  readonly keys: readonly string[];
}
const HASH = /^[0-9a-f]{64}$/;
const MONTH = /^\d{4}-\d{2}$/;

export const nothingGone = (): Gone => ({ segment: 0, records: 0, leaf: no_leaf, tree: new Tree() });

/** A record of this kind; null: the line is another one, or is none that this version writes. */
export function removalIn(line: Buffer): Removal | null {
  if (!line.includes(MARK)) return null;
  try {
    const { type, seq, clear } = JSON.parse(line.toString('utf8')) as Line;
    const { segments, records, leaf, root, keys } = clear as unknown as Said;
    const segment = Number(segments.to);
    const record = records.to;
    if (type !== REMOVED_TYPE || !HASH.test(leaf) || !HASH.test(root) || !keys.every((key) => MONTH.test(key)))
      return null;
    if (!Number.isSafeInteger(segment) || !Number.isSafeInteger(record) || segment < 1 || record < segment) return null;
    return { segment, record, leaf, root, keys, seq };
  } catch {
    return null;
  }
}

/** Does it say of these what is true of them? Where its removal was interrupted, more is gone by it than is gone yet. */
export function says(removal: Removal, { segment, records, leaf, tree }: Gone): boolean {
  if (segment === 0 || removal.segment < segment) return false;
  if (removal.segment > segment) return removal.record > records;
  return removal.record === records && removal.leaf === leaf && removal.root === tree.root().toString('hex');
}

/** The leaf hashes of a segment, read from its `.leaf` file; null: there is no such file, or it is not whole. */
export async function leavesOf(fs: AuditFs, path: string): Promise<AsyncGenerator<Buffer> | null> {
  const file = await fs.open(path, 'read').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return null;
  const size = await file.size();
  if (size === 0 || size % leaf_bytes !== 0) {
    await file.close();
    return null;
  }
  return (async function* () {
    try {
      for (let at = 0; at < size; at += read_bytes) yield await readRange(file, at, Math.min(read_bytes, size - at));
    } finally {
      await file.close();
    }
  })();
}
