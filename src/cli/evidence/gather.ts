// Reads a log twice: first which requests the period touches, then the records that the tables rest on, copied byte for byte, with what
// is counted on the way. Memory grows by some hundred bytes for each request, and by no record. Must never leave out a record of a request it shows.

import type { Line } from '../../audit/record.ts';
import { Failure } from '../failure.ts';
import type { Folder, Sink } from './folder.ts';
import { fields, text } from './read.ts';
import { type Head, lineOf, type LogLine, type Source } from './source.ts';

/** Requests and permits of one folder, about 400 bytes each. */
export const requests_max = 1_000_000;

export interface Period {
  /** ISO 8601, UTC, milliseconds; `to` is not part of it. */
  readonly from: string;
  readonly to: string;
}

/** Where a copied record stands: three numbers for each, in the order of the log. */
export type Places = number[];
export const place_numbers = 3;

/** What is told of each line of the second reading. */
export interface Hearer {
  /** Of the period, and parsed; blocks of allowed statements too, which are not copied. `of`: its request or permit. */
  record(line: Line, of: string | null): Promise<void>;
  /** Every line of the log, in order. */
  passed(head: Head | null): Promise<void>;
}

export interface Gathered {
  /** In the order in which the log first has them. */
  readonly requests: ReadonlyMap<string, Places>;
  /** Copied `policy.loaded` records by the policy's hash: index, offset and length of the last one. */
  readonly policies: ReadonlyMap<string, Places>;
  /** Copied records as places in the tree: first and count of each run, ascending. */
  readonly runs: readonly number[];
  readonly copied: number;
}

/** Counted, and not copied: a log has millions. */
const NOT_COPIED: ReadonlySet<string> = new Set(['statements', 'statement.forwarded']);

interface Touched {
  readonly ids: ReadonlySet<string>;
  /** Index of the `policy.loaded` that was in force when the period began. */
  readonly policy: number | null;
}

export async function touched(source: Source, period: Period, progress: (bytes: number) => void): Promise<Touched> {
  const ids = new Set<string>();
  let policy: number | null = null;
  for await (const line of source.lines(progress)) {
    const { head, index } = line;
    if (head === null) continue;
    if (head.type === 'policy.loaded' && head.time < period.from) policy = index;
    if (!isIn(head, period)) continue;
    const id = idOf(line);
    if (id === null) continue;
    ids.add(id);
    if (ids.size > requests_max)
      throw new Failure(`the period has more than ${requests_max} requests and permits: take a shorter one`);
  }
  return { ids, policy };
}

export async function gather(
  source: Source,
  period: Period,
  { ids, policy }: Touched,
  out: { readonly folder: Folder; readonly hearer: Hearer; readonly progress: (bytes: number) => void },
): Promise<Gathered> {
  const requests = new Map<string, Places>();
  const policies = new Map<string, Places>();
  const runs: number[] = [];
  let copied = 0;
  const sink = await out.folder.sink('records.jsonl');
  for await (const logged of source.lines(out.progress)) {
    const { head, index, bytes } = logged;
    await out.hearer.passed(head);
    if (head === null) continue;
    const inside = isIn(head, period);
    const of = inside || isOfOne(head.type) ? ofOne(logged, ids) : null;
    if (!inside && of === null && index !== policy) continue;
    const line = lineOf(bytes);
    if (line === null) continue;
    if (inside || index === policy || !line.type.startsWith('request.')) await out.hearer.record(line, of);
    if (NOT_COPIED.has(head.type)) continue;
    const place = [sink.bytes, bytes.length, index];
    if (of !== null && line.type.startsWith('request.')) add(requests, of, place);
    if (line.type === 'policy.loaded') policies.set(text(line.clear['hash']) ?? '', place);
    await copy(sink, bytes);
    if (runs.length > 0 && (runs.at(-2) ?? 0) + (runs.at(-1) ?? 0) === index)
      runs[runs.length - 1] = (runs.at(-1) ?? 0) + 1;
    else runs.push(index, 1);
    copied++;
  }
  await out.folder.done('records.jsonl', sink);
  return { requests, policies, runs, copied };
}

async function copy(sink: Sink, bytes: Buffer): Promise<void> {
  await sink.line(bytes);
}

function add(requests: Map<string, Places>, id: string, place: readonly number[]): void {
  const known = requests.get(id);
  if (known) known.push(...place);
  else requests.set(id, [...place]);
}

export function isIn({ time }: Pick<Head, 'time'>, { from, to }: Period): boolean {
  return time >= from && time < to;
}

function isOfOne(type: string): boolean {
  return type.startsWith('request.') || type.startsWith('permit.');
}

/** The request or permit that a record is of; a refused act may name one that never was, so it brings none in. */
function idOf({ head, bytes }: LogLine): string | null {
  if (head === null || !isOfOne(head.type) || head.type === 'request.refused') return null;
  const line = lineOf(bytes);
  return line === null ? null : namedBy(line);
}

function ofOne(line: LogLine, ids: ReadonlySet<string>): string | null {
  if (line.head === null || !isOfOne(line.head.type)) return null;
  const parsed = lineOf(line.bytes);
  const id = parsed === null ? null : namedBy(parsed);
  return id !== null && ids.has(id) ? id : null;
}

/** By the id that every such record has in clear. */
function namedBy({ clear }: Line): string | null {
  const inner = clear['request'];
  return text(clear['id']) ?? text(inner) ?? text(fields(inner)['id']) ?? text(fields(clear['permit'])['id']);
}
