// `holdpoint audit tail [-f]`: the last records as lines, and those that follow. Reads the files; a gateway that writes is not disturbed, and what it
// has written and not synced yet may be shown a moment early.
import { Command } from 'commander';
import { setTimeout as pause } from 'node:timers/promises';
import { Known } from '../../audit/export/known.ts';
import { errorCode, readRange, realFs } from '../../audit/files.ts';
import { nameOf, rawLines, segmentsOf } from '../../audit/scan.ts';
import { findNewest, type Found } from '../../audit/search/find.ts';
import { lineOf } from '../../audit/search/indexes.ts';
import type { Sought } from '../../audit/search/query.ts';
import { learn } from '../../audit/search/whose.ts';
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
import { logFolder } from './given.ts';
import { printer } from './print.ts';
import { columnsOf, jsonOf, openerOf, rowsOf } from './rows.ts';

const LAST = 20;
const LAST_MAX = 10_000;
/** Between two looks at the files. */
const LOOK_MS = 250;

interface Options extends DirOption, FilterOptions {
  readonly lines: string;
  readonly follow?: true;
  readonly json?: true;
}

export function tailCommand(): Command {
  const command = new Command('tail').description('show the last records, and with -f those that follow');
  return withDir(withFilters(command))
    .option('-n, --lines <n>', 'so many records', String(LAST))
    .option('-f, --follow', 'go on with those that follow, until interrupted')
    .option('--json', 'one JSON object a line, as GET /api/audit has them')
    .addHelpText('after', `${TIMES_HELP}\n\nAll options that are given must fit.`)
    .action(tail);
}

async function tail(options: Options): Promise<void> {
  const last = countOf('--lines', options.lines, LAST_MAX);
  const sought = soughtOf(options);
  const folder = await logFolder(options.dir);
  const open = openerOf(folder, null);
  const out = await printer();
  const known = new Known();
  const columns = columnsOf();
  const print = async (found: Found): Promise<boolean> => {
    const record = await open(found, false);
    if (options.json) return out.line(jsonOf(record, false));
    for (const row of rowsOf(record, known, columns)) if (!(await out.line(row))) return false;
    return true;
  };
  const place = await endOf(folder);
  const build = await indexing(folder);
  const { found } = await findNewest(folder, sought, last, { build });
  if (!options.json) await learn(folder, known, found, { build });
  for (const one of found) if (!(await print(one))) return;
  if (!(await out.flush()) || options.follow !== true) return;
  let seq = found.at(-1)?.line.seq ?? 0;
  for await (const some of follow(folder, place, sought)) {
    for (const one of some) {
      // What came between the look at the end and the search was found by both.
      if (one.line.seq <= seq) continue;
      seq = one.line.seq;
      if (!(await print(one))) return;
    }
    if (!(await out.flush())) return;
  }
}

interface Place {
  segment: number;
  offset: number;
}

/** Behind the last whole line. */
async function endOf(folder: string): Promise<Place> {
  const segment = (await segmentsOf(realFs, folder)).at(-1) ?? 0;
  if (segment === 0) return { segment, offset: 0 };
  const file = await realFs.open(`${folder}/${nameOf(segment)}.jsonl`, 'read');
  try {
    let end = await file.size();
    while (end > 0) {
      const from = Math.max(0, end - BACK_BYTES);
      const newline = (await readRange(file, from, end - from)).lastIndexOf(0x0a);
      if (newline !== -1) return { segment, offset: from + newline + 1 };
      end = from;
    }
    return { segment, offset: 0 };
  } finally {
    await file.close();
  }
}
const BACK_BYTES = 64 * 1024;

/** What is meant of all that comes behind `place`, in order, each time that there is some. */
async function* follow(folder: string, place: Place, sought: Sought): AsyncGenerator<readonly Found[]> {
  for (;;) {
    const segments = await segmentsOf(realFs, folder);
    // Whatever is in a segment is in it before there is a next one.
    const next = segments.find((segment) => segment > place.segment);
    for await (const some of linesBehind(folder, place, sought)) yield some;
    if (next === undefined) await pause(LOOK_MS);
    else Object.assign(place, { segment: next, offset: 0 });
  }
}

async function* linesBehind(folder: string, place: Place, sought: Sought): AsyncGenerator<readonly Found[]> {
  if (place.segment === 0) return;
  const file = await realFs.open(`${folder}/${nameOf(place.segment)}.jsonl`, 'read').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return;
  try {
    const size = await file.size();
    // What the disk refused was cut off again.
    if (size < place.offset) place.offset = size;
    if (size === place.offset) return;
    for await (const lines of rawLines(file, place.offset, size)) {
      const found: Found[] = [];
      for (const { bytes, at, whole } of lines) {
        if (!whole) break;
        place.offset = at + bytes.length + 1;
        const line = lineOf(bytes);
        const match = line === null ? false : sought.matches(line);
        if (line !== null && match !== false) found.push({ segment: place.segment, line, bytes, match });
      }
      if (found.length > 0) yield found;
    }
  } finally {
    await file.close();
  }
}
