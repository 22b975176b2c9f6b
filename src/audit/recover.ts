// What a start does to the files of a log whose tail a crash tore: the torn bytes are copied aside, durably, and only then cut.
// Must never cut a byte that it did not keep, nor touch a segment before the last.

import { readRange, writeAll, type AuditFile, type AuditFs } from './files.ts';
import { leaf_bytes, no_leaf } from './record.ts';
import { nameOf, type Survey } from './scan.ts';

const copy_bytes = 1024 * 1024;

/** Where the log ends durably. */
export interface Tail {
  readonly seq: number;
  readonly leaf: string;
  readonly segment: number;
  /** Bytes in the segment, and in its leaf file. */
  readonly offset: number;
  readonly leaf_offset: number;
  /** Null: closed, until an attempt to write again opens them. */
  readonly files: { readonly log: AuditFile; readonly leaf: AuditFile } | null;
  /** The next record must start a new segment. */
  readonly roll: boolean;
}

/** Copies the torn tail into an evidence file. Null: nothing is torn and no leaf is missing; else what to record. */
export async function copyTorn(
  fs: AuditFs,
  folder: string,
  found: Survey,
  now_ms: number,
): Promise<Readonly<Record<string, unknown>> | null> {
  const bytes_cut = found.size - found.offset;
  const leaves_rebuilt = found.leaves_missing.length / leaf_bytes;
  if (bytes_cut === 0 && leaves_rebuilt === 0) return null;
  const name = nameOf(found.segment);
  const evidence = bytes_cut === 0 ? null : `${name}.${found.offset}.${now_ms}.torn`;
  if (evidence !== null) {
    const from = await fs.open(`${folder}/${name}.jsonl`, 'read');
    const to = await fs.open(`${folder}/${evidence}`, 'make');
    try {
      for (let at = found.offset; at < found.size; at += copy_bytes)
        await writeAll(to, await readRange(from, at, Math.min(copy_bytes, found.size - at)), at - found.offset);
      await to.datasync();
    } finally {
      await Promise.allSettled([from.close(), to.close()]);
    }
    await fs.syncFolder(folder);
  }
  return {
    cause: 'the writer stopped in mid-write',
    segment: name,
    at: found.offset,
    bytes_cut,
    evidence,
    leaves_rebuilt,
  };
}

/** Opens the last segment for writing, cut and completed as the survey says; the first segment of a new log. */
export async function openFiles(fs: AuditFs, folder: string, found: Survey): Promise<Tail> {
  const segment = Math.max(1, found.segment);
  const path = `${folder}/${nameOf(segment)}`;
  const log = await fs.open(`${path}.jsonl`, 'make');
  let leaf: AuditFile | null = null;
  try {
    leaf = await fs.open(`${path}.leaf`, 'make');
    if (found.size > found.offset) {
      await log.truncate(found.offset);
      await log.datasync();
    }
    // Leaves beyond the records are proof of a loss: under an override they stay.
    const leaf_offset = found.leaves_good * leaf_bytes;
    if (found.problem === null && found.leaf_file_size > leaf_offset) await leaf.truncate(leaf_offset);
    if (found.leaves_missing.length > 0) {
      await log.datasync();
      await writeAll(leaf, found.leaves_missing, leaf_offset);
    }
    await leaf.datasync();
    await fs.syncFolder(folder);
    return {
      seq: found.seq,
      leaf: found.seq === 0 ? no_leaf : found.leaf,
      segment,
      offset: found.offset,
      leaf_offset: leaf_offset + found.leaves_missing.length,
      files: { log, leaf },
      roll: false,
    };
  } catch (error) {
    await Promise.allSettled([log.close(), leaf?.close()]);
    throw error;
  }
}
