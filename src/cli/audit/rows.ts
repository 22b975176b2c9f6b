// Records as lines for people and for scripts. Whatever stands in a record may have been written by an agent: it is drawn, never sent to the terminal
// as it is.
import type { Known, Told } from '../../audit/export/known.ts';
import { actorOf, short, wordsOf } from '../../audit/export/words.ts';
import { realFs } from '../../audit/files.ts';
import { Keys } from '../../audit/keys.ts';
import { type Line, unsealed } from '../../audit/record.ts';
import type { Found } from '../../audit/search/find.ts';
import type { AllowedEntry, ReadRecord } from '../../audit/types.ts';
import type { MasterKey } from '../../audit/wrap.ts';
import { clip, drawn, pad, width } from '../review/cells.ts';

const TYPE_COLUMNS = 24;
const ID_COLUMNS = 11;
/** A longer name takes more room, in its line alone. */
const WHO_COLUMNS = 12;

/** Entries of the ones that are meant, and whether anything was sealed. */
export interface Shown extends ReadRecord {
  readonly has_sealed: boolean;
}

/** `texts`: unseals, where the key is there. Rejects AuditError 'damaged' or 'key' as `unsealed` does. */
export type Opener = (found: Found, texts: boolean) => Promise<Shown>;

export function openerOf(folder: string, master: MasterKey | null): Opener {
  const keys = new Keys(realFs, folder, master);
  return async ({ line, match }, texts) => {
    const { sealed: _, ...plain }: Line = line;
    const record = await unsealed(texts ? line : plain, keys);
    const entries = match === true ? record.entries : match.flatMap((at) => record.entries[at] ?? []);
    return { ...record, entries, has_sealed: line.sealed !== undefined };
  };
}

/** One JSON object: as GET /api/audit has a record. Without its newline. */
export function jsonOf({ seq, time, node, type, clear, sealed, entries, has_sealed }: Shown, texts: boolean): string {
  const told = !has_sealed ? 'none' : !texts ? 'sealed' : (sealed ?? 'gone');
  return JSON.stringify({ seq, time, node, type, clear, sealed: told, entries });
}

/** One line for a record, of a block one for each entry; no wider than `columns`. Tells `known` of it. */
export function rowsOf(record: Shown, known: Known, columns: number): string[] {
  known.see(record);
  const subject = known.of(record);
  const who = actorOf(record, subject);
  if (record.type === 'statements') {
    const session = text(record.clear['session']);
    return record.entries.map((entry) =>
      row(timeWords(entry.time), 'allowed', session, who, entryWords(entry), columns),
    );
  }
  const id = idOf(record);
  return [row(timeWords(Date.parse(record.time)), record.type, id, who, wordsOf(record, subject), columns)];
}

function row(time: string, type: string, id: string, who: string, words: string, columns: number): string {
  const line = [
    time,
    pad(drawn(type), TYPE_COLUMNS),
    atLeast(drawn(id), ID_COLUMNS),
    atLeast(drawn(who), WHO_COLUMNS),
    drawn(words),
  ].join('  ');
  return clip(line.trimEnd(), columns);
}

function atLeast(drawn_text: string, columns: number): string {
  return drawn_text + ' '.repeat(Math.max(0, columns - width(drawn_text)));
}

/** What it did, after what it was: "SELECT * FROM orders: SELECT 5, 5 rows, rule reads". */
export function entryWords({ shape, rule, outcome, rows }: AllowedEntry): string {
  return `${short(shape)}: ${outcome}, ${rows} rows${rule === '' ? '' : `, rule ${rule}`}`;
}

/** What the record is about: its request, permit or session. */
export function idOf({ clear }: Pick<Told, 'clear'>): string {
  for (const part of [clear, clear['request'], clear['held'], clear['permit']]) {
    if (typeof part !== 'object' || part === null) continue;
    const { id, request } = part as Readonly<Record<string, unknown>>;
    if (typeof id === 'string') return id;
    if (typeof request === 'string') return request;
  }
  return text(clear['session']);
}

/** What was sealed, one line for each text, indented; [] for nothing. */
export function textRows(record: Shown, columns: number): string[] {
  if (!record.has_sealed) return [];
  if (!record.sealed) return [`${INDENT}its text is gone: the key of ${record.time.slice(0, 7)} is not there`];
  return textsIn(record.sealed).map(([name, value]) => clip(`${INDENT}${name}: ${drawn(value)}`, columns));
}

const INDENT = ' '.repeat(25);
/** Serve to compare, and are no texts. */
const NO_TEXTS: ReadonlySet<string> = new Set(['digest', 'bodies', 'pattern']);

/** By their names; a statement's bytes are sealed as latin1. */
export function textsIn(value: unknown, name = ''): (readonly [name: string, text: string])[] {
  if (typeof value === 'string') return value === '' ? [] : [[name, name === 'sql' ? utf8(value) : value]];
  if (Array.isArray(value)) return value.flatMap((one) => textsIn(one, name));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => (NO_TEXTS.has(key) ? [] : textsIn(one, key)));
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}

/** '2026-11-24 02:00:00.123', UTC. */
export function timeWords(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, -1);
}

/** Of a terminal; without one nothing is cut. */
export function columnsOf(): number {
  return process.stdout.isTTY ? Math.max(40, process.stdout.columns) : Infinity;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
