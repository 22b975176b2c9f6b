// `holdpoint audit index`: makes the indexes that searches use, beside the log. They are derived: deleting data/audit/index/ loses nothing.
import { rm } from 'node:fs/promises';
import { Command } from 'commander';
import { dropOrphans, index_folder, makeIndex, missingIndexes } from '../../audit/search/indexes.ts';
import { Failure } from '../failure.ts';
import { type DirOption, withDir } from './filters.ts';
import { logFolder, megabytes, progressLine } from './given.ts';

const HELP = `
A gateway makes them as it goes, and a search makes those that it lacks. This makes all at once: after a restore, or for a copy.
They hold hashes of names that stand in clear in the log, and no text. The newest file of the log has none.`;

export function indexCommand(): Command {
  return withDir(new Command('index').description('make the indexes that searches use'))
    .option('--rebuild', 'all of them anew')
    .addHelpText('after', HELP)
    .action(async (options: DirOption & { readonly rebuild?: true }) => {
      const folder = await logFolder(options.dir);
      if (options.rebuild) await rm(`${folder}/${index_folder}`, { recursive: true, force: true });
      const dropped = await dropOrphans(folder);
      const { segments, bytes } = await missingIndexes(folder);
      const progress = process.stderr.isTTY ? progressLine() : null;
      let read = 0;
      for (const segment of segments) {
        const made = await makeIndex(folder, segment, (some) => {
          read += some;
          progress?.(read, bytes);
        });
        if (!made)
          throw new Failure(`${folder}/${index_folder} cannot be written; searches read the log itself instead`);
      }
      if (progress !== null) process.stderr.write('\r\u001b[K');
      const gone = dropped === 0 ? '' : `, ${dropped} of files that are gone removed`;
      process.stdout.write(`${segments.length} indexes made, of ${megabytes(bytes)}${gone}\n`);
    });
}
