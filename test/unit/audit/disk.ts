// A disk in memory for the audit log's tests: every operation can be made to fail before, in the middle of, or after it took
// effect, and the power can be cut: then only what was synced is sure to be there, and of the rest a random part.

import type { AuditFile, AuditFs } from '../../../src/audit/files.ts';

export type Fault = 'before' | 'half' | 'after' | 'dead';

interface Inode {
  now: Buffer;
  synced: Buffer;
}

export class MemoryDisk implements AuditFs {
  names = new Map<string, Inode>();
  syncedNames = new Map<string, Inode>();
  /** Operations that change the disk, so far: `write 00000001.jsonl`. */
  readonly operations: string[] = [];
  /** Asked before each of them, with its index. 'dead': this and all that follow fail, as for a process that is gone. */
  fault: (index: number, operation: string) => Fault | undefined = () => undefined;
  #dead = false;

  get isDead(): boolean {
    return this.#dead;
  }

  async open(path: string, mode: 'read' | 'write' | 'make' | 'create'): Promise<AuditFile> {
    let inode = this.names.get(path);
    if (inode !== undefined && mode === 'create') throw problem('EEXIST');
    if (inode === undefined && (mode === 'read' || mode === 'write')) throw problem('ENOENT');
    if (inode === undefined) {
      const made: Inode = { now: Buffer.alloc(0), synced: Buffer.alloc(0) };
      await this.#change(`make ${path}`, () => this.names.set(path, made));
      inode = made;
    }
    return this.#file(path, inode);
  }

  async makeFolder(): Promise<void> {}

  async list(folder: string): Promise<string[]> {
    return [...this.names.keys()]
      .filter((path) => path.startsWith(`${folder}/`))
      .map((path) => path.slice(folder.length + 1));
  }

  async rename(from: string, to: string): Promise<void> {
    const inode = this.names.get(from);
    if (inode === undefined) throw problem('ENOENT');
    await this.#change(`rename ${to}`, () => {
      this.names.delete(from);
      this.names.set(to, inode);
    });
  }

  async remove(path: string): Promise<void> {
    await this.#change(`remove ${path}`, () => this.names.delete(path));
  }

  async syncFolder(folder: string): Promise<void> {
    await this.#change(`syncFolder ${folder}`, () => {
      const inside = (path: string) => path.slice(0, path.lastIndexOf('/')) === folder;
      for (const path of this.syncedNames.keys()) if (inside(path)) this.syncedNames.delete(path);
      for (const [path, inode] of this.names) if (inside(path)) this.syncedNames.set(path, inode);
    });
  }

  /** The disk that a new process finds after the power failed. `random` gives integers below its argument. */
  afterPowerCut(random: (below: number) => number): MemoryDisk {
    const found = new MemoryDisk();
    const survives = new Map(this.syncedNames);
    for (const [path, inode] of this.names) if (random(2) === 0) survives.set(path, inode);
    for (const [path, inode] of survives) if (!path.includes('/lock@')) found.put(path, remains(inode, random));
    return found;
  }

  /** The disk that a new process finds after a kill: all that was written, synced or not. */
  afterKill(): MemoryDisk {
    const found = new MemoryDisk();
    for (const [path, inode] of this.names) if (!path.includes('/lock@')) found.put(path, inode.now);
    return found;
  }

  put(path: string, bytes: Buffer): void {
    const inode = { now: Buffer.from(bytes), synced: Buffer.from(bytes) };
    this.names.set(path, inode);
    this.syncedNames.set(path, inode);
  }

  bytes(path: string): Buffer {
    const inode = this.names.get(path);
    if (inode === undefined) throw problem('ENOENT');
    return inode.now;
  }

  #file(path: string, inode: Inode): AuditFile {
    return {
      read: async (buffer, position) => inode.now.subarray(position).copy(buffer),
      write: async (bytes, position) => {
        const put = (part: Uint8Array) => {
          const end = Math.max(inode.now.length, position + part.length);
          const next = Buffer.alloc(end);
          inode.now.copy(next);
          next.set(part, position);
          inode.now = next;
        };
        await this.#change(
          `write ${path}`,
          () => put(bytes),
          () => put(bytes.subarray(0, bytes.length >> 1)),
        );
        return bytes.length;
      },
      truncate: async (length) => {
        await this.#change(`truncate ${path}`, () => {
          inode.now = Buffer.concat([
            inode.now.subarray(0, length),
            Buffer.alloc(Math.max(0, length - inode.now.length)),
          ]);
        });
      },
      datasync: async () => {
        await this.#change(`datasync ${path}`, () => {
          inode.synced = Buffer.from(inode.now);
        });
      },
      size: async () => inode.now.length,
      close: async () => undefined,
    };
  }

  async #change(operation: string, effect: () => void, half: () => void = () => undefined): Promise<void> {
    await Promise.resolve();
    const fault = this.#dead ? 'dead' : this.fault(this.operations.length, operation);
    this.operations.push(operation);
    if (fault === 'dead') this.#dead = true;
    if (fault === 'half') half();
    if (fault === undefined || fault === 'after') effect();
    if (fault !== undefined) throw problem('ENOSPC');
  }
}

/** What the disk kept of a file: its synced bytes, or all, or the synced ones and a part of what was appended, or zeros there. */
function remains(inode: Inode, random: (below: number) => number): Buffer {
  const { now, synced } = inode;
  const appended = now.subarray(0, synced.length).equals(synced);
  const kind = random(appended ? 4 : 2);
  if (kind === 0) return synced;
  if (kind === 1) return now;
  const kept = synced.length + random(now.length - synced.length + 1);
  return kind === 2 ? now.subarray(0, kept) : Buffer.concat([now.subarray(0, kept), Buffer.alloc(now.length - kept)]);
}

function problem(code: string): Error {
  return Object.assign(new Error(`${code}: made by the test, at this place`), { code });
}

/** Mulberry32: integers below `below`, the same for the same seed. */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
