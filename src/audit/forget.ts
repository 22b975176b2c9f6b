// Deleting the key of a period: what was sealed in it is gone for good, and every record, leaf and proof stays. The key file gets another name
// first, which no reader opens; that it is gone is on record before the file is; a start finishes what was begun. So killed at any moment
// nothing is half readable, and nothing is gone that the log does not tell of.

import { AuditError } from './error.ts';
import { errorCode, type AuditFs } from './files.ts';
import type { RecordInput } from './types.ts';

const PERIOD = /^\d{4}-(0[1-9]|1[0-2])$/;
const BEGUN = /^(\d{4}-\d{2})\.key\.forgotten$/;

export function isPeriod(text: string): boolean {
  return PERIOD.test(text);
}

/** Takes the key away. The log must be locked, and opened afterwards: that records it and deletes the file. Rejects AuditError 'key'. */
export async function beginToForget(fs: AuditFs, log_folder: string, period: string): Promise<void> {
  const folder = `${log_folder}/keys`;
  const names = await fs.list(folder);
  if (names.includes(`${period}.key.forgotten`)) return;
  if (!names.includes(`${period}.key`))
    throw new AuditError(
      'key',
      `there is no keys/${period}.key in ${log_folder}: nothing was sealed then, or it is deleted already`,
    );
  await fs.rename(`${folder}/${period}.key`, `${folder}/${period}.key.forgotten`);
  await fs.syncFolder(folder);
}

/** What was begun, and is to be recorded and then finished. */
export async function forgotten(
  fs: AuditFs,
  log_folder: string,
): Promise<{ readonly records: readonly RecordInput[]; finish(): Promise<void> }> {
  const folder = `${log_folder}/keys`;
  const files = (await fs.list(folder)).filter((name) => BEGUN.test(name)).toSorted();
  return {
    records: files.map((name) => ({ type: 'log.key_deleted', clear: { period: BEGUN.exec(name)?.[1] ?? '' } })),
    async finish() {
      // Where the power went during the renaming both names may be there.
      for (const name of files.flatMap((file) => [file.replace(/\.forgotten$/, ''), file]))
        await fs.remove(`${folder}/${name}`).catch((error: unknown) => {
          if (errorCode(error) !== 'ENOENT') throw error;
        });
      if (files.length > 0) await fs.syncFolder(folder);
    },
  };
}
