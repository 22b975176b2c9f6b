// Names looked up in the server's catalog: what lies behind a table or view that is read or written, and behind a routine that runs. Where
// there is no catalog, nothing is looked up. A name that an earlier statement of the message may have given to something else is unresolved.
import type { Analyst, Name, Place } from './analyst.ts';
import { type Behind, behindEvent, behindRoutine, behindTable, type Verb } from './behind.ts';
import { Catalog } from './catalog/catalog.ts';
import type { RoutineRow } from './catalog/rows.ts';
import { lowered } from './names.ts';

/** What is looked up: a name as written, without its place. */
type Named = Pick<Name, 'database' | 'name'>;

/** Databases whose names are read in any case, and what is in them comes with the server. */
export const SYSTEM: ReadonlySet<string> = new Set(['information_schema', 'performance_schema', 'mysql', 'sys']);

const BLIND = 'The catalog can not be read now: what lies behind is not known.';
const DOUBTED = 'An earlier statement of the message may have made this name mean something else.';

function catalogOf({ context }: Analyst): Catalog | null {
  return context.catalog instanceof Catalog ? context.catalog : null;
}

/** Counts what lies behind a table or view. verbs: what is done to its rows. */
export function lookBehind(a: Analyst, action: 'read' | 'write', name: Named, verbs: readonly Verb[], at: Place): void {
  const database = name.database ?? a.database;
  if (database === null || database === undefined || a.isTemporary(name)) return;
  const { found } = a;
  const system = SYSTEM.has(database.toLowerCase());
  const object = a.object(name);
  const catalog = catalogOf(a);
  if (catalog === null) {
    if (a.context.blind && !system) a.unresolved('code', object, BLIND, at);
    return;
  }
  if (found.doubted && !system && !found.created.has(object)) a.unresolved(action, object, DOUBTED, at);
  const row = catalog.table(system ? database.toLowerCase() : database, name.name);
  if (row) for (const verb of verbs) include(a, behindTable(a, catalog, row, verb), object, at, action === 'write');
  else if (!system && !found.made.has(object) && catalog.seesTables(database)) found.missing = true;
}

/** `database.name` as the catalog writes it, where the server tells names apart by more than their case only in writing. */
export function spelled(a: Analyst, database: string, name: string): string {
  const catalog = catalogOf(a);
  if (catalog === null || catalog.rows.lower_case === 0) return `${database}.${name}`;
  const row = catalog.table(database, name);
  return row ? `${row.schema}.${row.name}` : lowered(`${database}.${name}`);
}

/** `database.name` of a routine as the catalog writes it: more than one name is the same to the server. */
export function spelledRoutine(a: Analyst, { database, name }: Named): string {
  const of = database ?? a.database;
  const [row] = typeof of === 'string' ? (catalogOf(a)?.routines(of, name) ?? []) : [];
  return row ? `${row.schema}.${row.name}` : a.object({ database, name });
}

/** Has nobody a table or view of that name? It is missing then, so the catalog is as new as can be. */
export function isNobodys(a: Analyst, { database, name }: Named): boolean {
  const of = database ?? a.database;
  const catalog = catalogOf(a);
  if (catalog === null || typeof of !== 'string' || a.in_body || a.found.doubted || SYSTEM.has(of.toLowerCase()))
    return false;
  if (!catalog.seesTables(of) || catalog.table(of, name)) return false;
  a.found.missing = true;
  return true;
}

/** Is it a function out of a shared library? */
export function isLoadable(a: Analyst, { database, name }: Named): boolean {
  return database === null && catalogOf(a)?.isLoadable(name) === true;
}

/**
 * Counts what a routine does. `last`: the third part of a name, of a routine in a package. False: nothing is known of it. Where there is none
 * of a name with a database, the server will say so.
 */
export function lookInto(
  a: Analyst,
  name: Named,
  last: string | null,
  type: 'FUNCTION' | 'PROCEDURE',
  at: Place,
): boolean {
  const catalog = catalogOf(a);
  if (catalog === null || a.found.doubted) return false;
  const routines = named(a, catalog, name, last, type);
  for (const row of routines) {
    const object = `${row.schema}.${row.name}`;
    a.found.functions.add(object);
    a.found.user_code = true;
    include(a, behindRoutine(a, catalog, row), object, at, false);
  }
  if (routines.length > 0) return true;
  a.found.missing = true;
  // A function without a database may be one of the server's that is not known here.
  const schema = name.database ?? (type === 'PROCEDURE' ? a.database : null);
  return typeof schema === 'string' && catalog.seesRoutines(schema) && !SYSTEM.has(schema.toLowerCase());
}

/** Counts what an event runs that is there already. */
export function lookAtEvent(a: Analyst, name: Named, at: Place): void {
  const database = name.database ?? a.database;
  const catalog = catalogOf(a);
  const object = a.object(name);
  const row = catalog && typeof database === 'string' ? catalog.event(database, name.name) : undefined;
  if (catalog && row && !a.found.doubted) return include(a, behindEvent(a, catalog, row), object, at, false);
  a.found.missing = true;
  if (a.found.doubted || typeof database !== 'string' || !catalog?.seesEvents(database))
    a.unresolved('code', object, 'What it runs can not be seen here.', at);
}

/** p, d.p; k.p and d.k.p of a package k, all of which counts. */
function named(
  { database }: Analyst,
  catalog: Catalog,
  name: Named,
  last: string | null,
  type: RoutineRow['type'],
): readonly RoutineRow[] {
  const of = (schema: string | null | undefined, routine: string, kind: RoutineRow['type']): readonly RoutineRow[] =>
    typeof schema === 'string' ? catalog.routines(schema, routine).filter((row) => row.type === kind) : [];
  if (last !== null) return of(name.database, name.name, 'PACKAGE BODY');
  const packaged = name.database === null ? [] : of(database, name.database, 'PACKAGE BODY');
  return [...of(name.database ?? database, name.name, type), ...packaged];
}

function include(a: Analyst, behind: Behind, object: string, at: Place, machinery: boolean): void {
  a.found.include(behind, object, at, machinery);
  if (!behind.changes_session) return;
  a.changes.mode = null;
  a.forget();
}
