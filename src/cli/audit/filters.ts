// What the commands that look into the log share: options that say which records are meant, and times as people write them.
import { access, constants, stat } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { AuditError } from '../../audit/error.ts';
import { makeIndex } from '../../audit/search/indexes.ts';
import { type Query, Sought, type Verdict, VERDICTS } from '../../audit/search/query.ts';
import { RECORD_TYPES } from '../../audit/record-types.ts';
import { EXIT, Failure } from '../failure.ts';
import { DEFAULT_FOLDER, megabytes } from './given.ts';

export interface TimeOptions {
  readonly day?: string;
  readonly from?: string;
  readonly to?: string;
}

export interface FilterOptions extends TimeOptions {
  readonly request?: string;
  readonly session?: string;
  readonly who?: string;
  readonly table?: string;
  readonly rule?: string;
  readonly upstream?: string;
  readonly policy?: string;
  readonly type?: string;
  readonly verdict?: Verdict;
}

export interface DirOption {
  readonly dir: string;
}

export const TIMES_HELP = `
  <time>  a day (2026-11-24), a time (2026-11-24T10:30, with Z or +01:00 where it is not UTC), or how long ago:
          90m, 24h, 7d. It is of when the record was handed to the log; --from is meant with it, --to without`;

export function withDir(command: Command): Command {
  return command.addOption(
    new Option('--dir <folder>', "the log's folder; data/ is taken for data/audit/").default(DEFAULT_FOLDER),
  );
}

export function withTimes(command: Command): Command {
  return command
    .option('--day <day>', 'of this day, in UTC: 2026-11-24, today, yesterday')
    .option('--from <time>', 'not before')
    .option('--to <time>', 'before');
}

export function withFilters(command: Command): Command {
  const verdicts = Object.keys(VERDICTS);
  return withTimes(
    command
      .option('--request <id>', 'of this request, permit or token')
      .option('--session <id>', 'of this session')
      .option('--who <name>', 'that name this principal: who sent, answers for, asked, decided or read')
      .option('--table <name>', 'that name this table, or another object: customers, public.customers')
      .option('--rule <name>', 'where this rule spoke')
      .option('--type <type>', 'of this type; with a dot at the end of all that begin so: request.')
      .addOption(new Option('--verdict <verdict>', 'what became of it').choices(verdicts))
      .option('--upstream <name>', 'of this guarded server, as the configuration names it')
      .option('--policy <hash>', 'judged by this policy, or loading it: 8 or more digits of its hash'),
  );
}

/** Throws Failure with the usage status where an option makes no sense. */
export function soughtOf(options: FilterOptions, more: Query = {}): Sought {
  const { request, session, who, table, rule, upstream, policy, type, verdict } = options;
  if (
    type !== undefined &&
    !Object.keys(RECORD_TYPES).some((one) => one === type || (type.endsWith('.') && one.startsWith(type)))
  )
    throw new Failure(`--type: there is no type '${type}'; docs/audit-log.md lists them`, EXIT.usage);
  try {
    const query = { id: request, session, who, object: table, rule, upstream, policy, type, verdict };
    return new Sought({ ...query, ...timesOf(options), ...more });
  } catch (error) {
    if (error instanceof AuditError) throw new Failure(error.message, EXIT.usage);
    throw error;
  }
}

const DAY_MS = 24 * 3600 * 1000;

/** Milliseconds since the epoch. */
export function timesOf({ day, from, to }: TimeOptions, now = Date.now()): Pick<Query, 'from_ms' | 'to_ms'> {
  if (day !== undefined) {
    if (from !== undefined || to !== undefined) throw new Failure('--day says what --from and --to would', EXIT.usage);
    const from_ms =
      day === 'today' ? dayOf(now) : day === 'yesterday' ? dayOf(now) - DAY_MS : timeOf('--day', day, now);
    if (from_ms % DAY_MS !== 0) throw new Failure(`--day wants a day: 2026-11-24`, EXIT.usage);
    return { from_ms, to_ms: from_ms + DAY_MS };
  }
  const from_ms = from === undefined ? undefined : timeOf('--from', from, now);
  const to_ms = to === undefined ? undefined : timeOf('--to', to, now);
  if (from_ms !== undefined && to_ms !== undefined && from_ms >= to_ms)
    throw new Failure('--to is not after --from', EXIT.usage);
  return { from_ms, to_ms };
}

const dayOf = (ms: number): number => Math.floor(ms / DAY_MS) * DAY_MS;
const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: DAY_MS };

function timeOf(option: string, text: string, now: number): number {
  const ago = /^(\d{1,6})([mhd])$/.exec(text);
  if (ago !== null) return now - Number(ago[1]) * (UNITS[ago[2] ?? ''] ?? 0);
  const given = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
  const utc = given !== null && given[1] !== undefined && given[4] === undefined ? `${text}Z` : text;
  const ms = given === null ? Number.NaN : Date.parse(utc);
  if (Number.isNaN(ms))
    throw new Failure(`${option}: '${text}' is no time: 2026-11-24, 2026-11-24T10:30Z, 24h`, EXIT.usage);
  return ms;
}

/** A number of things, from 1. */
export function countOf(option: string, text: string, most: number): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > most)
    throw new Failure(`${option} wants a number, 1 to ${most}`, EXIT.usage);
  return count;
}

/** Makes indexes that are missing, and says so; undefined where none can be written: what has none is read. */
export async function indexing(folder: string): Promise<((segment: number) => Promise<boolean>) | undefined> {
  const writable = await access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!writable) return undefined;
  return async (segment) => {
    const name = `${String(segment).padStart(8, '0')}.jsonl`;
    const { size } = await stat(`${folder}/${name}`);
    // A small one is read as fast.
    if (size < INDEX_BYTES_MIN) return false;
    if (process.stderr.isTTY) process.stderr.write(`\rmaking the index of ${name}, ${megabytes(size)} (once)\u001b[K`);
    const made = await makeIndex(folder, segment);
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    return made;
  };
}

const INDEX_BYTES_MIN = 256 * 1024;
