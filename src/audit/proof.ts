// Inclusion proofs (RFC 6962, 2.1.1) out of what is on disk: tiles where they are, else the `.leaf` files. What comes out is only as good as
// those caches: whoever asks must check it against the checkpoint before it is handed out.

import { errorCode, readRange, type AuditFile, type AuditFs } from './files.ts';
import { leaf_bytes } from './record.ts';
import { nameOf, numbersBefore, segmentsOf } from './scan.ts';
import { readTile, tile_hashes } from './tiles.ts';
import { nodeOf } from './tree.ts';

/** Tiles kept while the proofs of one receipt are made, 8 KiB each. */
const tiles_kept_max = 512;
/** Leaf hashes that are read at once. */
const chunk_leaves = 4096;

interface Part {
  readonly path: string;
  readonly first: number;
  readonly count: number;
}

export class Hashes {
  readonly #fs: AuditFs;
  readonly #folder: string;
  readonly #use_tiles: boolean;
  readonly #tiles = new Map<string, Buffer | null>();
  #parts: Part[] | null = null;
  /** The leaf hashes that were read last. */
  #chunk: { readonly path: string; readonly from: number; readonly bytes: Buffer } | null = null;

  constructor(fs: AuditFs, log_folder: string, use_tiles: boolean) {
    this.#fs = fs;
    this.#folder = log_folder;
    this.#use_tiles = use_tiles;
  }

  /** Hashes from the leaf's sibling upwards. Rejects when leaf hashes are missing. */
  async proof(index: number, size: number): Promise<Buffer[]> {
    const path: Buffer[] = [];
    let low = 0;
    let high = size;
    while (high - low > 1) {
      const middle = low + largestPowerBelow(high - low);
      if (index < middle) {
        path.push(await this.#root(middle, high));
        high = middle;
      } else {
        path.push(await this.#root(low, middle));
        low = middle;
      }
    }
    return path.toReversed();
  }

  /** Root of the whole subtree of 2^height leaves that begins at leaf index * 2^height. Rejects when leaf hashes are missing. */
  subtree(height: number, index: number): Promise<Buffer> {
    return this.#whole(height, index);
  }

  /** Of leaves `low` to `high - 1`; `low` is a multiple of the largest power of two that fits. */
  async #root(low: number, high: number): Promise<Buffer> {
    const count = high - low;
    const power = largestPowerBelow(count + 1);
    if (power === count) return this.#whole(Math.log2(count), low / count);
    return nodeOf(await this.#root(low, low + power), await this.#root(low + power, high));
  }

  async #whole(height: number, index: number): Promise<Buffer> {
    if (height % 8 === 0) {
      const tile = await this.#tile(height / 8, Math.floor(index / tile_hashes));
      const at = (index % tile_hashes) * leaf_bytes;
      if (tile !== null) return tile.subarray(at, at + leaf_bytes);
      if (height === 0) return this.#leaf(index);
    }
    return nodeOf(await this.#whole(height - 1, 2 * index), await this.#whole(height - 1, 2 * index + 1));
  }

  async #tile(level: number, number: number): Promise<Buffer | null> {
    if (!this.#use_tiles) return null;
    const name = `${level}/${number}`;
    const known = this.#tiles.get(name);
    if (known !== undefined) return known;
    if (this.#tiles.size >= tiles_kept_max) this.#tiles.clear();
    const tile = await readTile(this.#fs, this.#folder, level, number);
    this.#tiles.set(name, tile);
    return tile;
  }

  async #leaf(index: number): Promise<Buffer> {
    this.#parts ??= await this.#segments();
    const part = this.#parts.find(({ first, count }) => index >= first && index < first + count);
    if (part === undefined) throw new Error(`the leaf hash of record ${index + 1} is missing`);
    const from = index - part.first - ((index - part.first) % chunk_leaves);
    if (this.#chunk?.path !== part.path || this.#chunk.from !== from) {
      const file = await this.#fs.open(part.path, 'read');
      try {
        const bytes = await readRange(file, from * leaf_bytes, chunk_leaves * leaf_bytes);
        this.#chunk = { path: part.path, from, bytes };
      } finally {
        await file.close();
      }
    }
    const at = (index - part.first - from) * leaf_bytes;
    return this.#chunk.bytes.subarray(at, at + leaf_bytes);
  }

  async #segments(): Promise<Part[]> {
    const parts: Part[] = [];
    let first = 0;
    const segments = await segmentsOf(this.#fs, this.#folder);
    // Of those that retention removed the leaf hashes are left.
    for (const segment of [...numbersBefore(segments), ...segments]) {
      const path = `${this.#folder}/${nameOf(segment)}.leaf`;
      const count = Math.floor((await this.#sizeOf(path)) / leaf_bytes);
      parts.push({ path, first, count });
      first += count;
    }
    return parts;
  }

  async #sizeOf(path: string): Promise<number> {
    let file: AuditFile | null = null;
    try {
      file = await this.#fs.open(path, 'read');
      return await file.size();
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return 0;
      throw error;
    } finally {
      await file?.close();
    }
  }
}

/** Below, not at: 1 for 2, 2 for 3 and 4, 4 for 5. */
function largestPowerBelow(number: number): number {
  let power = 1;
  while (power * 2 < number) power *= 2;
  return power;
}
