// `holdpoint audit timeline --who <principal>`: one principal's story in the order of the log: sessions, statements in numbers, what was held, who
// decided, what became of it. Also of a reviewer: what they decided and read.
import { Command } from 'commander';
import { Known, text, type Clear } from '../../audit/export/known.ts';
import { actorOf, wordsOf } from '../../audit/export/words.ts';
import { findAll, type FindOptions } from '../../audit/search/find.ts';
import { Sought, type Term } from '../../audit/search/query.ts';
import { learn } from '../../audit/search/whose.ts';
import { fold } from '../../audit/search/names.ts';
import type { AllowedEntry } from '../../audit/types.ts';
import { EXIT, Failure } from '../failure.ts';
import { clip, drawn, pad } from '../review/cells.ts';
import { type DirOption, indexing, type TimeOptions, TIMES_HELP, timesOf, withDir, withTimes } from './filters.ts';
import { logFolder } from './given.ts';
import { printer } from './print.ts';
import { columnsOf, idOf, jsonOf, openerOf, type Shown, timeWords } from './rows.ts';

/** Requests and permits of one principal whose records are told. */
const IDS_MAX = 20_000;
const TYPE_COLUMNS = 24;

interface Options extends DirOption, TimeOptions {
  readonly who: string;
  readonly json?: true;
}

export function timelineCommand(): Command {
  const command = new Command('timeline')
    .description("one principal's story: sessions, statements in numbers, what was held, decided and run")
    .requiredOption('--who <name>', 'agent or person');
  return withDir(withTimes(command))
    .option('--json', 'one JSON object a line: all records of the story, as GET /api/audit has them')
    .addHelpText('after', TIMES_HELP)
    .action(timeline);
}

async function timeline(options: Options): Promise<void> {
  if (options.who.trim() === '') throw new Failure('--who wants a name', EXIT.usage);
  const folder = await logFolder(options.dir);
  const times = timesOf(options);
  const build = await indexing(folder);
  const known = new Known();
  const ids = await requestsOf(folder, options.who, times.to_ms, known, { build });
  const who: Term = { kind: 'who', name: options.who };
  const sought = new Sought({ ...times, any: [[who, ...ids]] });
  const open = openerOf(folder, null);
  const out = await printer();
  const story = new Story(options.who, known, columnsOf());
  for await (const found of findAll(folder, sought, { build })) {
    const record = await open(found, false);
    if (!options.json && known.missing(record).length > 0) await learn(folder, known, [found], { build });
    const lines = options.json ? [jsonOf(record, false)] : story.tell(record);
    for (const line of lines) if (!(await out.line(line))) return;
  }
  if (!options.json) for (const line of story.end()) await out.line(line);
  await out.end();
}

/** Its requests and permits: what others did with them is of its story, and does not name it. */
async function requestsOf(
  folder: string,
  who: string,
  to_ms: number | undefined,
  known: Known,
  options: FindOptions,
): Promise<readonly Term[]> {
  const types: readonly Term[] = ['request.opened', 'permit.granted'].map((name) => ({ kind: 'type', name }));
  const ids: Term[] = [];
  for await (const { line } of findAll(folder, new Sought({ who, to_ms, any: [types] }), options)) {
    known.see(line);
    if (!isOwn(line.clear, who)) continue;
    ids.push({ kind: 'id', name: idOf(line) });
    if (ids.length > IDS_MAX)
      throw new Failure(`${who} has more than ${IDS_MAX} requests until then; give a time: --to`, EXIT.usage);
  }
  return ids;
}

/** Not those of an agent that it answers for. */
function isOwn(clear: Clear, who: string): boolean {
  const part = (clear['request'] ?? clear['permit']) as Clear | undefined;
  const owner = part?.['who'] as Clear | undefined;
  return fold(text(owner?.['id'])) === fold(who);
}

/** Statements between two other records. */
interface Statements {
  first: number;
  count: number;
  failed: number;
  rows: number;
  bytes: number;
  readonly verbs: Map<string, number>;
}

/** Records that are counted for the last line, by their words there. */
const COUNTED: Readonly<Record<string, string>> = {
  'session.opened': 'sessions',
  'session.refused': 'refused logins',
  'statement.denied': 'denied by a rule',
  'statement.refused': 'refused',
  'statement.observed': 'observed',
  'request.opened': 'held',
  'request.executed': 'run',
  'request.failed': 'failed',
  'request.expired': 'expired',
  'request.withdrawn': 'withdrawn',
  'request.broke_glass': 'run by break-glass',
  'permit.used': 'under a permit',
};

class Story {
  readonly #who: string;
  readonly #known: Known;
  readonly #columns: number;
  #day = '';
  #statements: Statements | null = null;
  #all = 0;
  readonly #counts = new Map<string, number>();

  constructor(who: string, known: Known, columns: number) {
    this.#who = fold(who);
    this.#known = known;
    this.#columns = columns;
  }

  /** Lines that are whole now. */
  tell(record: Shown): string[] {
    this.#known.see(record);
    const subject = this.#known.of(record);
    const mine = fold(actorOf(record, subject)) === this.#who || fold(text(subject.who?.['id'])) === this.#who;
    if (record.type === 'statements') {
      if (mine) for (const entry of record.entries) this.#count(entry);
      return [];
    }
    const lines = this.#passed();
    const counted = COUNTED[record.type];
    if (mine && counted !== undefined) this.#add(counted);
    const actor = actorOf(record, subject);
    if (record.type === 'request.decided') {
      const word = decisionOf(record) === 'deny' ? 'denied' : 'approved';
      this.#add(fold(actor) === this.#who ? `${word} by it` : word);
    }
    const by = actor === '' || fold(actor) === this.#who ? '' : `by ${actor}`;
    const words = [by, wordsOf(record, subject)].filter(Boolean).join(', ');
    return [...lines, ...this.#at(Date.parse(record.time), record.type, idOf(record), words)];
  }

  /** The rest, and all of it in numbers. */
  end(): string[] {
    const lines = this.#passed();
    if (this.#day === '') return ['Nothing is found of it.'];
    const counts = [...this.#counts].map(([what, count]) => `${count} ${what}`);
    return [...lines, '', [...(this.#all > 0 ? [`${this.#all} statements allowed`] : []), ...counts].join(', ')];
  }

  #add(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  #count({ time, shape, outcome, rows, bytes }: AllowedEntry): void {
    const sum = (this.#statements ??= { first: time, count: 0, failed: 0, rows: 0, bytes: 0, verbs: new Map() });
    const verb = /[a-z]+/i.exec(shape)?.[0].toUpperCase() ?? 'OTHER';
    sum.verbs.set(verb, (sum.verbs.get(verb) ?? 0) + 1);
    sum.count++;
    sum.rows += rows;
    sum.bytes += bytes;
    if (/^(?=.*\d)[0-9A-Z]{5}$/.test(outcome)) sum.failed++;
    this.#all++;
  }

  #passed(): string[] {
    const sum = this.#statements;
    if (sum === null) return [];
    this.#statements = null;
    const verbs = [...sum.verbs].toSorted(([, a], [, b]) => b - a).map(([verb, count]) => `${count} ${verb}`);
    const failed = sum.failed === 0 ? [] : [`${sum.failed} failed`];
    const words = [
      `${sum.count}: ${verbs.slice(0, 5).join(' ')}${verbs.length > 5 ? ' ...' : ''}`,
      `${sum.rows} rows`,
      `${sum.bytes} bytes`,
      ...failed,
    ];
    return this.#at(sum.first, 'allowed', '', words.join(', '));
  }

  /** A line, behind the day where it is another. */
  #at(ms: number, type: string, id: string, words: string): string[] {
    const [day = '', time = ''] = timeWords(ms).split(' ');
    const lines = day === this.#day ? [] : this.#day === '' ? [day] : ['', day];
    this.#day = day;
    const line = `  ${time}  ${pad(drawn(type), TYPE_COLUMNS)}  ${[drawn(id), drawn(words)].filter(Boolean).join('  ')}`;
    return [...lines, clip(line.trimEnd(), this.#columns)];
  }
}

function decisionOf({ clear }: Shown): unknown {
  return (clear['decision'] as Clear | undefined)?.['decision'];
}
