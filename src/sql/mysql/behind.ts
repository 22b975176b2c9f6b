// What lies behind a name of the catalog: the queries of views, triggers, rows of other tables that go with a table's own, bodies of routines.
// Each is worked out once for a catalog, as if it were a statement of its own, under the sql_mode and database that it was stored with, and
// counts wherever the name is used. What can't be read is `code`; nothing is passed over because it is deep, long or calls itself.
import { bodyOf } from '../bodies.ts';
import type { Finding } from '../findings.ts';
import { Analyst } from './analyst.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { EventRow, RoutineRow, TableRow } from './catalog/rows.ts';
import { bodyOfDefinition, judgeBody } from './compound.ts';
import { Found, TooMuch } from './found.ts';
import { Kind, Lexer } from './lexer.ts';
import { MODE, modeOf } from './modes.ts';
import { type Reference, walk } from './relations.ts';
import { judge } from './statements.ts';

/** What is done to the rows of a table. 'cascade': by the server, for a foreign key, which fires no triggers. */
export type Verb = 'read' | 'insert' | 'update' | 'delete' | 'cascade-delete' | 'cascade-update';

export interface Behind {
  readonly findings: readonly Finding[];
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly functions: readonly string[];
  readonly bodies: readonly string[];
  /** Rows of tables are changed. */
  readonly changes_rows: boolean;
  /** And nothing in its text says so. */
  readonly hidden_writes: boolean;
  /** Code that users made may run. */
  readonly user_code: boolean;
  /** The session may be another afterwards: settings, transaction, prepared statements. */
  readonly changes_session: boolean;
  /** Names may mean other objects afterwards, and the session have other temporary tables. */
  readonly changes_catalog: boolean;
  readonly changes_temporary: boolean;
  /** A name is not in the catalog. */
  readonly missing: boolean;
  /** Objects call each other: what one of them does counts further up. */
  readonly cut: boolean;
}

/** Objects that are looked through one inside of the other. */
const DEPTH_MAX = 64;

/** A table or view whose rows are read or written. */
export function behindTable(a: Analyst, catalog: Catalog, row: TableRow, verb: Verb): Behind {
  return worked(catalog, `${verb} ${row.schema}\0${row.name}`, (found) => {
    if (row.engine === null)
      return locked(found, row, 'Can not be read now: its definition is being changed by somebody.');
    if (row.kind === 'view') view(a, found, catalog, row, verb);
    else table(a, found, catalog, row, verb);
  });
}

/** A function or procedure that is called; of a package, all that it has. */
export function behindRoutine(a: Analyst, catalog: Catalog, row: RoutineRow): Behind {
  return worked(catalog, `call ${row.type} ${row.schema}\0${row.name}`, (found) => {
    const name = `${row.schema}.${row.name}`;
    if (row.language !== 'SQL') {
      goesThrough(found, row.type, name, row);
      return unreadable(found, name, 'Is written in a language that can not be read here.');
    }
    body(a, found, name, row, row.type);
  });
}

/** An event that is there: what it runs when it is due. */
export function behindEvent(a: Analyst, catalog: Catalog, row: EventRow): Behind {
  return worked(catalog, `event ${row.schema}\0${row.name}`, (found) => {
    body(a, found, `${row.schema}.${row.name}`, row, 'EVENT');
  });
}

// ---- working out -------------------------------------------------------------------------------------------------------------

function worked(catalog: Catalog, key: string, work: (found: Found) => void): Behind {
  const { memo } = catalog;
  const known = memo.known(key);
  if (known) return known;
  let found = nested();
  if (memo.depth >= DEPTH_MAX) unreadable(found, '', 'Goes deeper than Holdpoint looks.');
  else if (memo.enter(key)) {
    try {
      work(found);
    } catch (error) {
      if (!(error instanceof TooMuch)) {
        memo.abandon();
        throw error;
      }
      const { bodies } = found;
      found = nested();
      for (const one of bodies) found.bodies.add(one);
      unreadable(found, '', 'Does more than Holdpoint keeps.');
    }
    return memo.leave(key, made(found));
  } else found.cut = true;
  return made(found);
}

function nested(): Found {
  const found = new Found();
  found.pinned = [0, 0];
  return found;
}

function made(found: Found): Behind {
  const { changes_rows, hidden_writes, user_code, changes_session, missing, cut } = found;
  return {
    findings: found.findings,
    reads: [...found.reads],
    writes: [...found.writes],
    functions: [...found.functions],
    bodies: [...found.bodies],
    changes_rows,
    hidden_writes,
    user_code,
    changes_session,
    changes_catalog: found.changes_catalog,
    changes_temporary: found.changes_temporary,
    missing,
    cut,
  };
}

function unreadable(found: Found, object: string, why: string): void {
  found.add('code', object, why, null, true);
  found.changes_session = found.changes_catalog = found.changes_temporary = true;
}

/** What will be told in a moment. */
function locked(found: Found, { schema, name }: TableRow, why: string): void {
  unreadable(found, `${schema}.${name}`, why);
  found.missing = true;
}

/** An analyst of a stored text, all of whose tokens are read; null: it can't be. sql_mode: that it was stored with. */
function reader(a: Analyst, found: Found, text: string, schema: string, sql_mode: string): Analyst | null {
  const mode = modeOf(sql_mode);
  if (mode === null) return null;
  const { engine, version } = a.context;
  const lexer = new Lexer(Buffer.from(text, 'utf8').toString('latin1'), { engine, version, mode, reading: 'utf8' });
  while (lexer.next() !== Kind.end);
  if (lexer.broken || lexer.doubts.length > 0 || lexer.versioned) return null;
  const { temporaries: _, ...context } = a.context;
  return new Analyst(
    {
      ...context,
      database: schema,
      sql_mode: mode,
      charset: 'utf8mb4',
      multi_statements: false,
      prepared: () => undefined,
    },
    found,
    lexer,
    { effects: [], own: [], prepared: new Map(), database: schema, depth: 1 },
  );
}

/** Behind the last token that is no `;`. */
function endOf({ lexer }: Analyst): number {
  let to = lexer.count;
  while (to > 0 && lexer.kinds[to - 1] === Kind.semicolon) to -= 1;
  return to;
}

/** What runs is this very text: another one is another statement, whatever is found in it. */
function goesThrough(
  found: Found,
  type: RoutineRow['type'] | 'TRIGGER' | 'EVENT',
  name: string,
  { source, schema, sql_mode }: Pick<RoutineRow, 'source' | 'schema' | 'sql_mode'>,
): void {
  found.bodies.add(bodyOf(type.toLowerCase(), name, source?.text ?? null, source?.whole ?? false, schema, sql_mode));
}

/** What a routine, trigger or event runs. */
function body(
  a: Analyst,
  found: Found,
  name: string,
  row: Pick<RoutineRow, 'source' | 'schema' | 'sql_mode'>,
  type: RoutineRow['type'] | 'TRIGGER' | 'EVENT',
): void {
  const { source, schema, sql_mode } = row;
  goesThrough(found, type, name, row);
  if (source === null) return unreadable(found, name, 'Its body can not be seen here: it may run anything.');
  const inner = reader(a, found, source.text, schema, sql_mode);
  const from = inner && (source.whole ? bodyOfDefinition(inner.lexer) : bodyStart(inner));
  if (inner === null || from === null)
    return unreadable(found, name, 'Its body can not be read here: it may run anything.');
  judgeBody(inner, from, endOf(inner), type === 'PACKAGE BODY' ? type : '');
}

/** ORACLE mode keeps the word before it. */
function bodyStart(a: Analyst): number {
  const oracle = (a.lexer.rules.mode & MODE.oracle) !== 0;
  return oracle && (a.is(0, 'AS') || a.is(0, 'IS')) ? 1 : 0;
}

// ---- tables and views --------------------------------------------------------------------------------------------------------

/** information_schema.TRIGGERS.EVENT_MANIPULATION */
const EVENTS: Partial<Record<Verb, string>> = { insert: 'INSERT', update: 'UPDATE', delete: 'DELETE' };

/** What becomes of rows that refer to those which go or change, by the rule of the foreign key. */
const CASCADES: Partial<Record<Verb, (deleted: string, updated: string) => Verb | null>> = {
  delete: afterDelete,
  'cascade-delete': afterDelete,
  update: afterUpdate,
  'cascade-update': afterUpdate,
};

function afterDelete(deleted: string): Verb | null {
  if (deleted === 'CASCADE') return 'cascade-delete';
  return deleted.startsWith('SET') ? 'cascade-update' : null;
}

function afterUpdate(_: string, updated: string): Verb | null {
  return updated === 'CASCADE' || updated.startsWith('SET') ? 'cascade-update' : null;
}

/** Engines whose tables are views of something else. */
const ENGINES: Readonly<Record<string, (found: Found, name: string) => void>> = {
  CONNECT: (found, name) => {
    found.add('admin', 'file', `Reaches files of the server or other servers, for ${name}.`, null);
    found.add('export', 'file', `Reaches files of the server or other servers, for ${name}.`, null);
  },
  MRG_MYISAM: (found, name) => unreadable(found, name, 'Stands for rows of other tables, which can not be seen here.'),
};

function table(a: Analyst, found: Found, catalog: Catalog, row: TableRow, verb: Verb): void {
  ENGINES[row.engine?.toUpperCase() ?? '']?.(found, `${row.schema}.${row.name}`);
  const event = EVENTS[verb];
  // Whoever may not see triggers is not told that there are any: the operator hears of that, and they count for nothing. To hold all
  // writes for them would hold all ordinary work, and those whom Holdpoint guards against can make none.
  for (const trigger of catalog.triggersOf(row))
    if (trigger.event === event) body(a, found, `${trigger.schema}.${trigger.name}`, trigger, 'TRIGGER');
  for (const key of catalog.referringTo(row)) {
    const done = CASCADES[verb]?.(key.deleted, key.updated);
    const other = done ? catalog.table(key.schema, key.table) : undefined;
    if (!done || !other) continue;
    const name = `${other.schema}.${other.name}`;
    found.writes.add(name);
    found.add('write', name, 'Changes with the rows that it refers to.', null);
    found.changes_rows = true;
    found.include(behindTable(a, catalog, other, done), name, null, true);
  }
}

/** The server's own, which come with it. */
function isOwn({ schema }: TableRow): boolean {
  return schema === 'sys' || schema === 'mysql';
}

/** The sql_mode that views are read under, whatever the session's. */
const PLAIN = '';

function view(a: Analyst, found: Found, catalog: Catalog, row: TableRow, verb: Verb): void {
  const query = catalog.queryOf(row);
  const name = `${row.schema}.${row.name}`;
  if (query === null) {
    if (isOwn(row)) return;
    if (catalog.seesQueries(row.schema)) return locked(found, row, 'Can not be read now: somebody changes it.');
    return unreadable(found, name, 'Its query can not be seen by the account that reads the catalog.');
  }
  found.bodies.add(bodyOf('view', name, query));
  const inner = reader(a, found, query, row.schema, PLAIN);
  if (!inner) return unreadable(found, name, 'Its query can not be read here.');
  judge(inner, 0, endOf(inner));
  if (verb === 'read') return;
  // Which of several tables a write goes to hangs on its columns: each may be meant.
  const targets: Reference[] = [];
  const again = reader(a, nested(), query, row.schema, PLAIN)!;
  walk(again, 0, endOf(again), { start: 'query', targets });
  for (const { name: target, local } of targets)
    if (target && !local) inner.writes(target, 'Changes rows.', null, [verb]);
}
