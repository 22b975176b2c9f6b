// Loaded into a gateway before its program (node --import): kills the process (SIGKILL) at one exact point of its log's life, which the
// file named by its own query (?point=) says; read anew at each write, so that a running gateway can be armed. It stands between the
// program and its file handles; the program knows nothing of it.
import { readFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { isMainThread } from 'node:worker_threads';

/**
 * before: nothing of the record was written. torn: a part of its line was. written: all of it, not yet synced. synced: durable, and
 * nobody was told. known: all who waited for it were told, and go on.
 */
export const MOMENTS = ['before', 'torn', 'written', 'synced', 'known'] as const;

export interface CrashPoint {
  /** A record type; '*': any write to the log. */
  readonly record: string;
  readonly moment: (typeof MOMENTS)[number];
  /** Writes that match and pass before the one that counts. */
  readonly skip: number;
}

const file = new URL(import.meta.url).searchParams.get('point');
if (file !== null && isMainThread) await stand(file);

async function stand(path: string): Promise<void> {
  const probe = await open('/dev/null');
  const handles = Object.getPrototypeOf(probe) as FileHandle;
  await probe.close();
  // oxlint-disable-next-line typescript/unbound-method -- called with the handle it was taken from
  const { write, datasync } = handles as unknown as Pick<Handle, 'write' | 'datasync'>;
  let seen = '';
  let matched = 0;
  /** What was written and is about to be durable; null: nothing of interest. */
  let due: { readonly handle: Handle; readonly moment: 'synced' | 'known' } | null = null;

  /** Where in the bytes the record lies that counts; null: not in these. */
  const match = (bytes: Buffer): { readonly point: CrashPoint; readonly at: number } | null => {
    if (!bytes.subarray(0, LINE_START.length).equals(LINE_START)) return null;
    const text = armed(path);
    if (text === '') return null;
    if (text !== seen) [seen, matched] = [text, 0];
    const point = JSON.parse(text) as CrashPoint;
    const at = point.record === '*' ? bytes.length >> 1 : bytes.indexOf(`"type":"${point.record}"`);
    return at >= 0 && matched++ === point.skip ? { point, at } : null;
  };

  Object.assign(handles, {
    async write(this: Handle, ...given: Parameters<Handle['write']>) {
      const [bytes, , , position] = given;
      const found = match(bytes);
      if (found?.point.moment === 'before') return die();
      if (found?.point.moment === 'torn') {
        await write.call(this, bytes, 0, found.at, position);
        return die();
      }
      // What follows the sync of the line, on another handle, is its leaf.
      const leaf = due?.moment === 'known' && due.handle !== this;
      const result = await write.call(this, ...given);
      if (found?.point.moment === 'written' || leaf) return die();
      if (found !== null) due = { handle: this, moment: found.point.moment };
      return result;
    },
    async datasync(this: Handle) {
      await datasync.call(this);
      if (due?.moment === 'synced' && due.handle === this) return die();
    },
  });
}

interface Handle {
  write(
    bytes: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number; readonly buffer: Buffer }>;
  datasync(): Promise<void>;
}

/** Every line of the log begins so (docs/audit-log.md). */
const LINE_START = Buffer.from('{"v":1,"seq":');

function armed(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Never returns: nothing may happen between the signal and the end. */
function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
}
