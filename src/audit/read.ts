// Reads a log back in order, unsealed where the keys still are. Takes no lock and writes nothing, so a command line tool may read
// a log that is being written: the last lines may then not be durable yet, and a torn line ends the reading.
// Must never be taken for verification: that is scan.ts at start, and `audit verify`.

import { type AuditFile, type AuditFs, errorCode, realFs } from './files.ts';
import { Keys } from './keys.ts';
import { format_version, parseStart, unsealed, type Line } from './record.ts';
import { nameOf, rawLines, segmentsOf } from './scan.ts';
import type { ReadRecord } from './types.ts';
import type { MasterKey } from './wrap.ts';

export interface ReadOptions {
  /** First record wanted; default 1. */
  readonly from_seq?: number;
  /** Where to stop: a segment and a byte offset in it; default: at the end. */
  readonly until?: { readonly segment: number; readonly offset: number };
  readonly fs?: AuditFs;
  /** What the keys are wrapped with; needed where they are. */
  readonly master_key?: MasterKey | null | undefined;
}

/**
 * `folder` is the log's own: the one with 00000001.jsonl in it. Lines that no version of the format reads are skipped; a log with
 * such lines opens only by an override, which is a record of its own. Rejects AuditError 'damaged' when a text does not unseal
 * although its key is there.
 */
export async function* readLog(folder: string, options: ReadOptions = {}): AsyncGenerator<ReadRecord> {
  const fs = options.fs ?? realFs;
  const from_seq = options.from_seq ?? 1;
  const keys = new Keys(fs, folder, options.master_key ?? null);
  const all = (await segmentsOf(fs, folder)).filter((segment) => segment <= (options.until?.segment ?? segment));
  for (const segment of await segmentsFrom(fs, folder, all, from_seq)) {
    const file = await openedUnlessGone(fs, folder, segment);
    if (file === null) continue;
    try {
      const end = options.until?.segment === segment ? options.until.offset : await file.size();
      for await (const lines of rawLines(file, 0, end)) {
        for (const { bytes, whole } of lines) {
          const start = whole ? parseStart(bytes) : null;
          if (start === null || start.seq < from_seq) continue;
          const line = parse(bytes);
          if (line !== null) yield await unsealed(line, keys);
        }
      }
    } finally {
      await file.close();
    }
  }
}

/** Leaves out the segments that end before `from_seq`, by the first record of the one after. */
async function segmentsFrom(fs: AuditFs, folder: string, all: number[], from_seq: number): Promise<number[]> {
  if (from_seq <= 1) return all;
  let first = 0;
  for (let index = 1; index < all.length; index++) {
    const file = await openedUnlessGone(fs, folder, all[index] ?? 0);
    if (file === null) continue;
    try {
      const head = Buffer.alloc(256);
      const start = parseStart(head.subarray(0, await file.read(head, 0)));
      if (start === null || start.seq > from_seq) break;
      first = index;
    } finally {
      await file.close();
    }
  }
  return all.slice(first);
}

/** Null: retention has removed it since the folder was listed. */
async function openedUnlessGone(fs: AuditFs, folder: string, segment: number): Promise<AuditFile | null> {
  return fs.open(`${folder}/${nameOf(segment)}.jsonl`, 'read').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
}

function parse(bytes: Buffer): Line | null {
  try {
    const line = JSON.parse(bytes.toString()) as Line;
    return line.v === format_version ? line : null;
  } catch {
    return null;
  }
}
