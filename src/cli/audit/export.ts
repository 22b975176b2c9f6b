// `holdpoint audit export`: records of a time for another system, as they stand in the log or as OCSF events. Nothing that was sealed leaves in clear
// unless it is asked for and the keys are there. A file gets its name when it is whole.
import { Command, Option } from 'commander';
import { Known } from '../../audit/export/known.ts';
import { toOcsf } from '../../audit/export/ocsf.ts';
import { findAll, type Found } from '../../audit/search/find.ts';
import { learn, learnBefore } from '../../audit/search/whose.ts';
import { VERSION } from '../version.ts';
import { type DirOption, type FilterOptions, indexing, soughtOf, TIMES_HELP, withDir, withFilters } from './filters.ts';
import { logFolder } from './given.ts';
import { masterKeyAt } from './master-key.ts';
import { printer } from './print.ts';
import { jsonOf, openerOf } from './rows.ts';

const FORMATS = ['jsonl', 'ocsf'] as const;

const HELP = `${TIMES_HELP}

  jsonl  the log's own lines, byte for byte, so that their hashes can be checked; with --with-text as GET /api/audit has them
  ocsf   events of OCSF 1.3.0, one a line: Datastore Activity, API Activity, Authentication; one for each allowed statement

All options that are given must fit; an entry of a block that does not is left out of ocsf, and stands in jsonl.`;

interface Options extends DirOption, FilterOptions {
  readonly format: (typeof FORMATS)[number];
  readonly out?: string;
  readonly withText?: true;
  readonly config?: string;
}

export function exportCommand(): Command {
  const command = new Command('export').description(
    'write records of a time for another system: JSON lines, or OCSF events',
  );
  return withDir(withFilters(command))
    .addOption(new Option('--format <format>', 'as what').choices(FORMATS).default('jsonl'))
    .option('--out <file>', 'where to; default: standard output')
    .option('--with-text', "with what was sealed; needs the log's keys")
    .option('--config <file>', 'where audit.master_key stands, if there is one')
    .addHelpText('after', HELP)
    .action(run);
}

/** Records whose openings are looked for at once. */
const TOGETHER_MAX = 1_000;
const PROGRESS_MS = 200;

async function run(options: Options): Promise<void> {
  const sought = soughtOf(options);
  const folder = await logFolder(options.dir);
  const texts = options.withText === true;
  const open = openerOf(folder, texts ? await masterKeyAt(options.config) : null);
  const known = new Known();
  const out = await printer(options.out);
  let records = 0;
  const lines = async (found: Found): Promise<readonly string[]> => {
    if (options.format === 'jsonl' && !texts) return [found.bytes.toString()];
    const record = await open(found, texts);
    if (options.format === 'jsonl') return [jsonOf(record, true)];
    known.see(record);
    return toOcsf(record, known, { version: VERSION, texts }).map((event) => JSON.stringify(event));
  };
  const write = async (some: readonly Found[]): Promise<boolean> => {
    // Where all are read, whatever opens something is among them.
    if (options.format === 'ocsf' && sought.terms.length > 0) await learn(folder, known, some, { build });
    for (const found of some) {
      records++;
      for (const line of await lines(found)) if (!(await out.line(line))) return false;
    }
    return true;
  };
  const build = await indexing(folder);
  if (options.format === 'ocsf' && sought.from_ms > 0) await learnBefore(folder, known, sought.from_ms, { build });
  const progress = progressOf(() => records);
  try {
    let some: Found[] = [];
    for await (const found of findAll(folder, sought, { build, progress: progress.segments })) {
      progress.record();
      // Its bytes are valid until the next one is asked for.
      some.push({ ...found, bytes: Buffer.from(found.bytes) });
      if (some.length < TOGETHER_MAX) continue;
      if (!(await write(some))) return;
      some = [];
    }
    if (!(await write(some))) return;
    await out.end();
  } catch (error) {
    await out.drop();
    throw error;
  } finally {
    progress.end();
  }
  if (options.out !== undefined) process.stdout.write(`${records} records in ${options.out}\n`);
}

function progressOf(records: () => number) {
  const shown = process.stderr.isTTY;
  let last = 0;
  let segments = '';
  const show = (): void => {
    const now = Date.now();
    if (!shown || now - last < PROGRESS_MS) return;
    last = now;
    process.stderr.write(`\r${records()} records${segments}\u001b[K`);
  };
  return {
    record: show,
    segments: (searched: number, of: number): void => {
      segments = `, ${searched} of ${of} files`;
      show();
    },
    end: (): void => void (shown && process.stderr.write('\r\u001b[K')),
  };
}
