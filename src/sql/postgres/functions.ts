// What each built-in function does, from the generated table: name and number of arguments to a class, a class to actions.
// A function that is not in the table is not judged here; nothing is known of it.
import type { Action } from '../findings.ts';
import { FUNCTIONS } from './generated/functions.ts';

export interface FunctionClass {
  readonly actions: readonly Action[];
  readonly why: string;
  /** Calling it leaves search_path, role and the other facts of the session as they are. */
  readonly safe: boolean;
}

export const FUNCTION_CLASSES = {
  read: { actions: [], why: '', safe: true },
  code: { actions: ['code'], why: 'Runs SQL or input functions that its arguments name.', safe: false },
  'code-export': { actions: ['code', 'export'], why: 'Dumps whole schemas or the whole database.', safe: false },
  'file-read': { actions: ['export', 'admin'], why: "Reads or writes files of the server's machine.", safe: true },
  'file-import': { actions: ['import', 'admin'], why: "Loads a file of the server's machine.", safe: true },
  'large-object-read': { actions: ['export'], why: 'Reads a large object.', safe: true },
  'large-object-write': { actions: ['admin', 'write'], why: 'Changes or removes a large object.', safe: true },
  'slot-read': {
    actions: ['admin', 'export'],
    why: 'Reads changes of all tables from a replication slot.',
    safe: false,
  },
  admin: { actions: ['admin'], why: 'Administers the server.', safe: true },
  'admin-ddl': { actions: ['admin', 'ddl'], why: 'Changes the catalog.', safe: true },
  sequence: { actions: ['write'], why: 'Advances or sets a sequence.', safe: true },
  notify: { actions: ['settings'], why: 'Notifies other sessions.', safe: true },
  seed: { actions: ['settings'], why: "Sets the session's random seed.", safe: true },
  'set-config': { actions: ['settings'], why: 'Changes a setting.', safe: false },
  transaction: { actions: ['transaction'], why: "Shares the transaction's snapshot.", safe: true },
  lock: { actions: ['transaction'], why: 'Takes or releases an advisory lock.', safe: true },
} as const satisfies Record<string, FunctionClass>;
export type FunctionClassName = keyof typeof FUNCTION_CLASSES;

interface Signature {
  readonly arguments_min: number;
  readonly arguments_max: number;
  readonly first: number;
  readonly last: number;
  readonly class: FunctionClassName;
}

const BY_NAME = new Map<string, Signature[]>();
const BY_OID = new Map<number, string>();
for (const [name, lines] of Object.entries(FUNCTIONS)) {
  for (const line of lines.trim().split('\n')) readLine(name as FunctionClassName, line);
}

function readLine(name: FunctionClassName, line: string): void {
  const [, fn, types, defaults, variadic, oid, first, last] = /^(.+?)\((.*)\)(?:=(\d+))?(\*)? (\d+) (\d+) (\d+)$/.exec(
    line,
  )!;
  const count = types === '' ? 0 : types!.split(', ').length;
  const signature: Signature = {
    arguments_min: count - Number(defaults ?? 0) - (variadic ? 1 : 0),
    arguments_max: variadic ? Number.POSITIVE_INFINITY : count,
    first: Number(first),
    last: Number(last),
    class: name,
  };
  const known = BY_NAME.get(fn!);
  if (known) known.push(signature);
  else BY_NAME.set(fn!, [signature]);
  if (oid !== '0') BY_OID.set(Number(oid), fn!);
}

/**
 * The class of a built-in function: the most telling of its signatures that take that many arguments (-1: any number), or as many less
 * as `droppable` says. Name: bare for pg_catalog, `information_schema.f` otherwise. Null: that major has no such function.
 */
export function functionClass(
  name: string,
  argument_count: number,
  major: number,
  droppable = 0,
): FunctionClassName | null {
  let found: FunctionClassName | null = null;
  for (const s of BY_NAME.get(name) ?? []) {
    if (major < s.first || major > s.last) continue;
    if (argument_count >= 0 && (argument_count < s.arguments_min || argument_count - droppable > s.arguments_max))
      continue;
    if (found === null || found === 'read') found = s.class;
  }
  return found;
}

/** Name of the built-in function with that oid (oids below 10000 are the same in all majors); null: not a built-in one. */
export function functionName(oid: number): string | null {
  return BY_OID.get(oid) ?? null;
}

/** Aggregates that keep their inputs: many rows come back as one. */
export const FOLDING_AGGREGATES: ReadonlySet<string> = new Set(
  `json_agg jsonb_agg json_agg_strict jsonb_agg_strict string_agg array_agg xmlagg json_object_agg jsonb_object_agg
   json_object_agg_strict jsonb_object_agg_strict json_object_agg_unique jsonb_object_agg_unique
   json_object_agg_unique_strict jsonb_object_agg_unique_strict range_agg`.split(/\s+/),
);

/** Rows for the printed documentation: [name, class], sorted. */
export function functionTable(): readonly (readonly [string, FunctionClassName])[] {
  const rows = new Map<string, readonly [string, FunctionClassName]>();
  for (const [name, signatures] of BY_NAME) for (const s of signatures) rows.set(`${name} ${s.class}`, [name, s.class]);
  return [...rows.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}
