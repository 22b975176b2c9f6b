// `holdpoint audit search`: the newest records that are meant, in order. Finds; does not verify. Prints what was sealed only where it is asked for
// and the keys are there.
import { Command } from 'commander';
import { Known } from '../../audit/export/known.ts';
import { findAll, findNewest, type Found } from '../../audit/search/find.ts';
import { learn } from '../../audit/search/whose.ts';
import { logFolder } from './given.ts';
import {
  countOf,
  type DirOption,
  type FilterOptions,
  indexing,
  soughtOf,
  TIMES_HELP,
  withDir,
  withFilters,
} from './filters.ts';
import { masterKeyAt } from './master-key.ts';
import { printer } from './print.ts';
import { columnsOf, jsonOf, openerOf, type Opener, rowsOf, textRows, textsIn } from './rows.ts';

const LIMIT = 100;
/** They are kept until all are found. */
const LIMIT_MAX = 10_000;

const HELP = `${TIMES_HELP}

All options that are given must fit. Upper and lower case are the same. In allowed statements a table is found wherever
its name stands in the statement's shape; in all others it is what the statement was found to touch.
--text and --with-text need the log's keys (data/audit/keys), and --config where they are wrapped with a master key.

Exit status: 0 searched, also when nothing was found; 1 failed; 2 wrong usage. A search proves nothing: 'holdpoint audit verify' does.`;

interface Options extends DirOption, FilterOptions {
  readonly limit: string;
  readonly all?: true;
  readonly json?: true;
  readonly text?: string;
  readonly withText?: true;
  readonly config?: string;
}

export function searchCommand(): Command {
  const command = new Command('search').description('find records: by id, who, table, day, rule, verdict');
  return withDir(withFilters(command))
    .option('--text <words>', 'that have these words in what was sealed: statements, parameters, reasons')
    .option('--with-text', 'with what was sealed')
    .option('--config <file>', 'where audit.master_key stands, if there is one')
    .option('--limit <n>', 'so many records, the newest', String(LIMIT))
    .option('--all', 'all of them')
    .option('--json', 'one JSON object a line, as GET /api/audit has them')
    .addHelpText('after', HELP)
    .action(search);
}

async function search(options: Options): Promise<void> {
  const limit = countOf('--limit', options.limit, LIMIT_MAX);
  const sought = soughtOf(options);
  const folder = await logFolder(options.dir);
  const texts = options.withText === true || options.text !== undefined;
  const open = openerOf(folder, texts ? await masterKeyAt(options.config) : null);
  const also = options.text === undefined ? undefined : hasWords(open, options.text);
  const find = { build: await indexing(folder), also };
  const out = await printer();
  const known = new Known();
  const columns = columnsOf();
  let count = 0;
  const print = async (found: Found): Promise<boolean> => {
    const record = await open(found, texts);
    count++;
    if (options.json) return out.line(jsonOf(record, texts));
    for (const row of [...rowsOf(record, known, columns), ...(texts ? textRows(record, columns) : [])])
      if (!(await out.line(row))) return false;
    return true;
  };
  if (options.all) {
    for await (const found of findAll(folder, sought, find)) if (!(await print(found))) return;
  } else {
    const { found, more } = await findNewest(folder, sought, limit, find);
    if (!options.json) await learn(folder, known, found, { build: find.build });
    for (const one of found) if (!(await print(one))) return;
    if (more)
      process.stderr.write(`These are the newest ${limit}; there are others before them: --limit, --all, --to\n`);
  }
  await out.end();
  if (count === 0 && !options.json) process.stderr.write('Nothing is found.\n');
}

/** Case is no difference here either. */
function hasWords(open: Opener, words: string): (found: Found) => Promise<boolean> {
  const wanted = words.toLowerCase();
  return async (found) => {
    if (found.line.sealed === undefined) return false;
    const { sealed } = await open(found, true);
    return textsIn(sealed).some(([, text]) => text.toLowerCase().includes(wanted));
  };
}
