// Lines to standard output or to a file, as fast as whoever reads them takes them; a reader that goes ends it in silence.
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { once } from 'node:events';
import type { Writable } from 'node:stream';

export interface Printer {
  /** Without its newline. False: nobody reads any more. */
  line(text: string): Promise<boolean>;
  /** What was printed is to be seen now. False: nobody reads any more. */
  flush(): Promise<boolean>;
  /** What was printed is all; a file gets its name. */
  end(): Promise<void>;
  /** It failed: a file that was begun is removed. */
  drop(): Promise<void>;
}

/** Joined before they are written. */
const BATCH_CHARS = 64 * 1024;

export function printer(path?: string): Printer {
  const partial = path === undefined ? null : `${path}.${process.pid}.part`;
  const stream: Writable = partial === null ? process.stdout : createWriteStream(partial, { flags: 'wx', mode: 0o600 });
  let gone: NodeJS.ErrnoException | null = null;
  stream.on('error', (error) => (gone = error));
  let batch: string[] = [];
  let chars = 0;
  const flush = async (): Promise<void> => {
    if (chars === 0 || gone !== null) return;
    const text = batch.join('');
    batch = [];
    chars = 0;
    if (!stream.write(text)) await once(stream, 'drain').catch(() => undefined);
  };
  const close = async (): Promise<void> => {
    if (partial === null) return;
    await new Promise<void>((resolve) => stream.once('close', resolve).end());
  };
  return {
    async line(text) {
      batch.push(`${text}\n`);
      chars += text.length + 1;
      if (chars >= BATCH_CHARS) await flush();
      if (gone !== null && partial !== null) throw gone;
      return gone === null;
    },
    async flush() {
      await flush();
      return gone === null;
    },
    async end() {
      await flush();
      await close();
      if (partial === null || path === undefined) return;
      if (gone !== null) throw gone;
      await rename(partial, path);
    },
    async drop() {
      await close();
      if (partial !== null) await rm(partial, { force: true });
    },
  };
}
