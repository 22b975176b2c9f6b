// The Merkle tree of RFC 6962 (2.1) over the log's leaves, grown from the left: only the roots of its whole subtrees are kept, so that
// a leaf costs one hash on average and a root one for each level. The reader of `audit verify` has its own and never uses this one.

import { createHash, hash as digest } from 'node:crypto';
import { leaf_bytes } from './record.ts';

const pair = Buffer.alloc(1 + 2 * leaf_bytes, 1);

/** RFC 6962, 2.1: SHA-256(0x01 ‖ left ‖ right). */
export function nodeOf(left: Uint8Array, right: Uint8Array): Buffer {
  pair.set(left, 1);
  pair.set(right, 1 + leaf_bytes);
  return digest('sha256', pair, 'buffer');
}

/** Of a tree without leaves: SHA-256 of nothing. */
const EMPTY = createHash('sha256').digest();

export class Tree {
  #size = 0;
  /** By height: the root of the whole subtree that ends where the ones below begin; only where `#size` has that bit. */
  readonly #whole: Buffer[] = [];
  /** Told each hash of height 0, 8, 16 ... as it is known: what tiles are made of. */
  readonly #told: (height: number, hash: Buffer) => void;

  constructor(told: (height: number, hash: Buffer) => void = () => undefined) {
    this.#told = told;
  }

  get size(): number {
    return this.#size;
  }

  push(leaf: Buffer): void {
    this.#told(0, leaf);
    let hash = leaf;
    let height = 0;
    // Division, because a log may pass 2^32 records.
    for (let left = this.#size; left % 2 === 1; left = (left - 1) / 2) {
      hash = nodeOf(this.#whole[height] as Buffer, hash);
      height++;
      if (height % 8 === 0) this.#told(height, hash);
    }
    this.#whole[height] = hash;
    this.#size++;
  }

  /** Goes on alone from here; nobody is told of its hashes. */
  copy(): Tree {
    const other = new Tree();
    other.#size = this.#size;
    other.#whole.push(...this.#whole);
    return other;
  }

  root(): Buffer {
    let root: Buffer | null = null;
    let height = 0;
    for (let left = this.#size; left > 0; left = Math.floor(left / 2), height++) {
      if (left % 2 === 0) continue;
      const whole = this.#whole[height] as Buffer;
      root = root === null ? whole : nodeOf(whole, root);
    }
    return root ?? EMPTY;
  }
}
