// Consistency proofs for tests, by RFC 9162, 2.1.4: that a later tree continues an earlier one.
import { createHash } from 'node:crypto';
import type { Hashes } from '../../../src/audit/proof.ts';

const node = (left: Buffer, right: Buffer): Buffer =>
  createHash('sha256')
    .update(Buffer.from([1]))
    .update(left)
    .update(right)
    .digest();

/** 2.1.4.2: the later root to which the proof leads; null: it does not lead from the earlier root. */
export function rootsFromConsistency(from: number, to: number, proof: readonly Buffer[], root: Buffer): Buffer | null {
  if (from === to) return proof.length === 0 ? root : null;
  const hashes = Number.isInteger(Math.log2(from)) ? [root, ...proof] : [...proof];
  let [first] = hashes;
  if (first === undefined) return null;
  let fn = from - 1;
  let sn = to - 1;
  while (fn % 2 === 1) {
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  let second = first;
  for (const hash of hashes.slice(1)) {
    if (sn === 0) return null;
    if (fn % 2 === 1 || fn === sn) {
      first = node(hash, first);
      second = node(hash, second);
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    } else second = node(second, hash);
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && first.equals(root) ? second : null;
}

/** 2.1.4.1, out of what a log's folder has. */
export async function consistencyProof(hashes: Hashes, from: number, to: number): Promise<Buffer[]> {
  const root = async (low: number, high: number): Promise<Buffer> => {
    const count = high - low;
    const power = 2 ** Math.floor(Math.log2(count));
    if (power === count) return hashes.subtree(Math.log2(count), low / count);
    return node(await root(low, low + power), await root(low + power, high));
  };
  const sub = async (m: number, low: number, high: number, whole: boolean): Promise<Buffer[]> => {
    const n = high - low;
    if (m === n) return whole ? [] : [await root(low, high)];
    const k = 2 ** Math.floor(Math.log2(n - 1));
    if (m <= k) return [...(await sub(m, low, low + k, whole)), await root(low + k, high)];
    return [...(await sub(m - k, low + k, high, false)), await root(low, low + k)];
  };
  return sub(from, 0, to, true);
}
