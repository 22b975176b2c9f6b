// Lines to standard output or to a file, as fast as whoever reads them takes them; a reader that goes ends it in silence. A file gets its name when
// all is in it, so that nobody takes a half for the whole.
import { once } from 'node:events';
import { open, rename, rm } from 'node:fs/promises';

export interface Printer {
  /** Without its newline. False: nobody reads any more. */
  line(text: string): Promise<boolean>;
  /** What was printed is to be seen now. False: nobody reads any more. */
  flush(): Promise<boolean>;
  /** What was printed is all. */
  end(): Promise<void>;
  /** It failed: what was begun of a file is removed. */
  drop(): Promise<void>;
}

/** Joined before they are written. */
const BATCH_CHARS = 64 * 1024;

/** Where lines go to. False: nobody takes them any more. */
interface Sink {
  write(text: string): Promise<boolean>;
  end(): Promise<void>;
  drop(): Promise<void>;
}

/** `path`: the file; default: standard output. Rejects what the file system says. */
export async function printer(path?: string): Promise<Printer> {
  const sink = path === undefined ? standardOutput() : await newFile(path);
  let batch: string[] = [];
  let chars = 0;
  let taken = true;
  const flush = async (): Promise<boolean> => {
    if (chars > 0 && taken) taken = await sink.write(batch.join(''));
    batch = [];
    chars = 0;
    return taken;
  };
  return {
    flush,
    async line(text) {
      batch.push(`${text}\n`);
      chars += text.length + 1;
      return chars < BATCH_CHARS ? taken : flush();
    },
    async end() {
      await flush();
      await sink.end();
    },
    drop: () => sink.drop(),
  };
}

function standardOutput(): Sink {
  const { stdout } = process;
  let gone = false;
  const left = (): void => void (gone = true);
  stdout.on('error', left);
  const end = (): Promise<void> => Promise.resolve(void stdout.off('error', left));
  return {
    async write(text) {
      if (!gone && !stdout.write(text)) await once(stdout, 'drain').catch(left);
      return !gone;
    },
    end,
    drop: end,
  };
}

async function newFile(path: string): Promise<Sink> {
  const partial = `${path}.${process.pid}.part`;
  const file = await open(partial, 'wx', 0o600);
  return {
    async write(text) {
      await file.writeFile(text);
      return true;
    },
    async end() {
      await file.sync();
      await file.close();
      await rename(partial, path);
    },
    async drop() {
      await file.close().catch(() => undefined);
      await rm(partial, { force: true });
    },
  };
}
