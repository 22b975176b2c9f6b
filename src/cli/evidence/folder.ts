// The folder that is written: each file through a sink that counts and hashes it, and a manifest of all of them at the end. Must never
// write into a folder that holds something already. A folder without manifest.json was not finished.

import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EXIT, Failure } from '../failure.ts';

const buffer_bytes = 256 * 1024;

export interface FileEntry {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Buffers, counts and hashes. */
export class Sink {
  readonly #handle: FileHandle;
  readonly #hash = createHash('sha256');
  #waiting: Buffer[] = [];
  #waiting_bytes = 0;
  /** Handed over so far. */
  bytes = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  text(text: string): Promise<void> {
    return this.#take(Buffer.from(text));
  }

  /** Byte for byte, and a newline; it is copied. */
  line(bytes: Buffer): Promise<void> {
    return this.#take(Buffer.concat([bytes, NEWLINE]));
  }

  async #take(bytes: Buffer): Promise<void> {
    this.#waiting.push(bytes);
    this.#waiting_bytes += bytes.length;
    this.bytes += bytes.length;
    if (this.#waiting_bytes >= buffer_bytes) await this.#flush();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waiting_bytes = 0;
    this.#hash.update(bytes);
    for (let done = 0; done < bytes.length; ) done += (await this.#handle.write(bytes, done)).bytesWritten;
  }

  /** Resolves with the file's SHA-256, hex. */
  async close(): Promise<string> {
    await this.#flush();
    await this.#handle.close();
    return this.#hash.digest('hex');
  }
}
const NEWLINE = Buffer.from('\n');

export class Folder {
  readonly path: string;
  readonly #files: FileEntry[] = [];

  /** Throws Failure where it holds something. */
  static async make(path: string): Promise<Folder> {
    const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw new Failure(`${path} cannot be used as a folder (${error.code ?? 'unknown'})`, EXIT.usage);
    });
    if (names.length > 0)
      throw new Failure(`${path} is not empty: evidence is written into a new or empty folder`, EXIT.usage);
    await mkdir(path, { recursive: true, mode: 0o700 });
    return new Folder(path);
  }

  private constructor(path: string) {
    this.path = path;
  }

  get files(): readonly FileEntry[] {
    return this.#files;
  }

  in(name: string): string {
    return join(this.path, name);
  }

  async sink(name: string): Promise<Sink> {
    return new Sink(await this.#create(name));
  }

  async done(name: string, sink: Sink): Promise<void> {
    const sha256 = await sink.close();
    this.#files.push({ path: name, bytes: sink.bytes, sha256 });
  }

  async write(name: string, text: string): Promise<void> {
    const sink = await this.sink(name);
    await sink.text(text);
    await this.done(name, sink);
  }

  async drop(name: string, sink: Sink): Promise<void> {
    await sink.close();
    await rm(this.in(name), { force: true });
  }

  /** The last file; resolves with its SHA-256. */
  async manifest(about: object): Promise<string> {
    const files = this.#files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
    const sink = await this.sink('manifest.json');
    await sink.text(`${JSON.stringify({ holdpoint: 'evidence', v: 1, ...about, files }, null, 1)}\n`);
    return sink.close();
  }

  async #create(name: string): Promise<FileHandle> {
    await mkdir(dirname(this.in(name)), { recursive: true, mode: 0o700 });
    return open(this.in(name), 'wx', 0o600);
  }
}
