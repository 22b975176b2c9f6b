// The few file operations that the log stands on, as an interface, so that a test can make each of them fail.
// Durability contract: what was written before a `datasync` that resolved survives a power cut; a created, renamed or
// removed name survives after `syncFolder` of its folder resolved. Nothing else is promised, and nothing else is relied on.

import { constants, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { AuditError } from './error.ts';

export interface AuditFile {
  /** Fills `buffer` from `position`; resolves with the bytes read, 0 at the end. */
  read(buffer: Uint8Array, position: number): Promise<number>;
  /** May write less than it was given; resolves with how much. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  truncate(bytes: number): Promise<void>;
  datasync(): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** read, write: must exist. make: made if missing, never emptied. create: must not exist. */
export type OpenMode = 'read' | 'write' | 'make' | 'create';

export interface AuditFs {
  /** A new file gets mode 0600. */
  open(path: string, mode: OpenMode): Promise<AuditFile>;
  /** Makes the folder and its parents with mode 0700, durably; fine if it is there. */
  makeFolder(path: string): Promise<void>;
  list(folder: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  syncFolder(path: string): Promise<void>;
}

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_DIRECTORY, O_NOFOLLOW } = constants;
const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY | O_NOFOLLOW,
  write: O_RDWR | O_NOFOLLOW,
  make: O_RDWR | O_CREAT | O_NOFOLLOW,
  create: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
};

export const realFs: AuditFs = {
  async open(path, mode) {
    const handle = await open(path, FLAGS[mode], 0o600);
    return {
      read: async (buffer, position) => (await handle.read(buffer, 0, buffer.length, position)).bytesRead,
      write: async (bytes, position) => (await handle.write(bytes, 0, bytes.length, position)).bytesWritten,
      truncate: (bytes) => handle.truncate(bytes),
      datasync: () => handle.datasync(),
      size: async () => (await handle.stat()).size,
      close: () => handle.close(),
    };
  },
  async makeFolder(path) {
    const first_made = await mkdir(resolve(path), { recursive: true, mode: 0o700 });
    if (first_made === undefined) return;
    const top = dirname(first_made);
    for (let folder = dirname(resolve(path)); folder.length >= top.length; folder = dirname(folder)) {
      await syncFolder(folder);
      if (folder === top) break;
    }
  },
  list: (folder) => readdir(folder),
  rename: (from, to) => rename(from, to),
  remove: (path) => unlink(path),
  syncFolder,
};

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, O_RDONLY | O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function writeAll(file: AuditFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const count = await file.write(bytes.subarray(done), position + done);
    if (count <= 0) throw new AuditError('unwritable', 'the disk accepted no bytes');
    done += count;
  }
}

/** Reads up to `length` bytes at `position`; shorter only at the end of the file. */
export async function readRange(file: AuditFile, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const count = await file.read(buffer.subarray(filled), position + filled);
    if (count <= 0) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

/** Writes a new file so that it is either wholly there or not at all, durably. */
export async function writeNewFile(fs: AuditFs, folder: string, name: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${folder}/${name}.${process.pid}.tmp`;
  const file = await fs.open(temporary, 'make');
  try {
    await file.truncate(0);
    await writeAll(file, bytes, 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await fs.rename(temporary, `${folder}/${name}`);
  await fs.syncFolder(folder);
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
