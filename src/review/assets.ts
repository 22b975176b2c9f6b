// The built console, read into memory once. Serves only what it found there: no path of a visitor ever reaches the disk.
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
  '.png': 'image/png',
};

export interface Asset {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly type: string;
  /** Vite puts a hash of the content into these names, so they may be kept for ever. */
  readonly immutable: boolean;
}

/** URL path to file. An absent folder, or null, is an empty console: the API serves without it. */
export async function readAssets(folder: string | null): Promise<ReadonlyMap<string, Asset>> {
  const assets = new Map<string, Asset>();
  if (folder === null) return assets;
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    },
  );
  for (const entry of entries) {
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || !type) continue;
    const path = join(entry.parentPath, entry.name);
    const url = path.slice(folder.length).replaceAll('\\', '/').replace(/^\/*/, '/');
    assets.set(url, { body: new Uint8Array(await readFile(path)), type, immutable: url.startsWith('/assets/') });
  }
  return assets;
}
