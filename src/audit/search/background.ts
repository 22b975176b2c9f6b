// Makes indexes of segments that are full while the gateway goes on: in a thread of its own, which works a little and rests as long, and ends when it
// is done. Nobody waits for it; what it does not come to, a search makes.

import { Worker } from 'node:worker_threads';

/** Of the thread: the terms of one segment, and its index while it is written. */
const HEAP_MB_MAX = 256;

export class BackgroundIndexer {
  readonly #folder: string;
  readonly #warn: (text: string) => void;
  #worker: Worker | null = null;
  #again = false;
  #closed = false;

  constructor(folder: string, warn: (text: string) => void) {
    this.#folder = folder;
    this.#warn = warn;
  }

  /** There may be a segment that lacks one. */
  wake(): void {
    if (this.#closed) return;
    if (this.#worker !== null) {
      this.#again = true;
      return;
    }
    const worker = new Worker(...entry(this.#folder));
    this.#worker = worker;
    worker.unref();
    worker.on('error', (error) => this.#warn(`an index of the audit log was not made: ${error.message}`));
    worker.on('exit', () => {
      this.#worker = null;
      const again = this.#again;
      this.#again = false;
      if (again) this.wake();
    });
  }

  /** What is not finished is as if it had not been begun. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }
}

/** tsx's hooks do not reach into threads: in a checkout the thread loads its source by itself. */
function entry(folder: string): ConstructorParameters<typeof Worker> {
  const options = { workerData: folder, resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX } };
  if (!import.meta.url.endsWith('.ts')) return [new URL('./worker.js', import.meta.url), options];
  const source = new URL('./worker.ts', import.meta.url).href;
  const code = `import('tsx/esm/api').then(({ tsImport }) => tsImport(${JSON.stringify(source)}, ${JSON.stringify(source)}));`;
  return [code, { ...options, eval: true }];
}
