// RFC 6962, 2.1, as a reader needs it: the root of what was read so far, and whether a proof leads from a leaf to a root.
// Shares no code with the writer, so that a fault there is found here.

import { hash } from 'node:crypto';

export const HASH_BYTES = 32;

export function hashChildren(left: Buffer, right: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(65);
  bytes[0] = 1;
  left.copy(bytes, 1);
  right.copy(bytes, 33);
  return hash('sha256', bytes, 'buffer');
}

/** Whole subtrees from left to right, each smaller than the one before. */
export class Roots {
  #stack: { readonly leaves: number; readonly hash: Buffer }[] = [];
  size = 0;

  /** A leaf, or the root of a whole subtree of `leaves`, a power of two that divides `size`. */
  add(node: Buffer, leaves = 1): void {
    let top = { leaves, hash: node };
    for (let before = this.#stack.at(-1); before?.leaves === top.leaves; before = this.#stack.at(-1)) {
      this.#stack.pop();
      top = { leaves: before.leaves * 2, hash: hashChildren(before.hash, top.hash) };
    }
    this.#stack.push(top);
    this.size += leaves;
  }

  root(): Buffer {
    const last = this.#stack.at(-1);
    if (last === undefined) return hash('sha256', Buffer.alloc(0), 'buffer');
    return this.#stack.slice(0, -1).reduceRight((right, { hash: left }) => hashChildren(left, right), last.hash);
  }

  copy(): Roots {
    const other = new Roots();
    other.#stack = [...this.#stack];
    other.size = this.size;
    return other;
  }
}

/** RFC 9162, 2.1.3.2: the root to which the proof leads from the leaf at `index` of `size`; null: it is no proof of such a place. */
export function rootFromProof(leaf: Buffer, index: number, size: number, proof: readonly Buffer[]): Buffer | null {
  if (!(Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size)) return null;
  let at = index;
  let last = size - 1;
  let hashed = leaf;
  for (const other of proof) {
    if (last === 0 || other.length !== HASH_BYTES) return null;
    if (at % 2 === 1 || at === last) {
      hashed = hashChildren(other, hashed);
      while (at % 2 === 0 && at !== 0) {
        at /= 2;
        last = Math.floor(last / 2);
      }
    } else hashed = hashChildren(hashed, other);
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? hashed : null;
}
