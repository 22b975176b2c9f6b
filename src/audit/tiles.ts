// Tiles as C2SP tlog-tiles lays them out: 256 hashes of one height in a file, `tile/<height / 8>/<number>`. A cache of what the lines
// say: whole tiles only, not synced, compared with the log at each start and written again where they differ. Must never be believed.

import { errorCode, readRange, writeAll, type AuditFs } from './files.ts';
import { leaf_bytes } from './record.ts';

export const tile_hashes = 256;
const tile_bytes = tile_hashes * leaf_bytes;
/** Tiles that may wait to be written, 8 KiB each; those beyond are left to the next start. */
const waiting_max = 4096;

/** Number 1234067 is `x001/x234/067` (C2SP tlog-tiles, "Merkle Tree"). */
export function tilePath(level: number, number: number): string {
  const parts: string[] = [];
  for (let left = number, first = true; first || left > 0; left = Math.floor(left / 1000), first = false)
    parts.unshift(`${first ? '' : 'x'}${String(left % 1000).padStart(3, '0')}`);
  return `tile/${level}/${parts.join('/')}`;
}

export class Tiles {
  readonly #fs: AuditFs;
  readonly #folder: string;
  /** By level: the tile that is being filled. */
  #open: { number: number; count: number; bytes: Buffer }[] = [];
  #waiting: { readonly path: string; readonly bytes: Buffer }[] = [];
  readonly #folders = new Set<string>();

  constructor(fs: AuditFs, log_folder: string) {
    this.#fs = fs;
    this.#folder = log_folder;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** The next hash of this height, a multiple of 8. */
  add(height: number, hash: Buffer): void {
    const level = height / 8;
    const tile = (this.#open[level] ??= { number: 0, count: 0, bytes: Buffer.alloc(tile_bytes) });
    tile.bytes.set(hash, tile.count++ * leaf_bytes);
    if (tile.count < tile_hashes) return;
    if (this.#waiting.length < waiting_max)
      this.#waiting.push({ path: tilePath(level, tile.number), bytes: tile.bytes });
    this.#open[level] = { number: tile.number + 1, count: 0, bytes: Buffer.alloc(tile_bytes) };
  }

  /** Writes what waits, where it is not there already. Rejects what the disk says; what was not written waits on. */
  async write(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      await this.#put(`${this.#folder}/${next.path}`, next.bytes);
      this.#waiting.shift();
    }
  }

  async #put(path: string, bytes: Buffer): Promise<void> {
    const folder = path.slice(0, path.lastIndexOf('/'));
    if (!this.#folders.has(folder)) await this.#fs.makeFolder(folder);
    this.#folders.add(folder);
    const file = await this.#fs.open(path, 'make');
    try {
      const found = await readRange(file, 0, tile_bytes + 1);
      if (found.equals(bytes)) return;
      await file.truncate(0);
      await writeAll(file, bytes, 0);
    } finally {
      await file.close();
    }
  }
}

/** One hash of a whole tile; null: there is no such tile, or it is torn. */
export async function readTile(fs: AuditFs, folder: string, level: number, number: number): Promise<Buffer | null> {
  const file = await fs.open(`${folder}/${tilePath(level, number)}`, 'read').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return null;
  try {
    const bytes = await readRange(file, 0, tile_bytes + 1);
    return bytes.length === tile_bytes ? bytes : null;
  } finally {
    await file.close();
  }
}
