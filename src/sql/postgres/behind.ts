// What lies behind a name of the catalog: the queries of views, triggers, rules, policies, defaults, bodies of functions, functions of types.
// Each is worked out once for a catalog and a search_path, as if it were a statement of its own, and counts wherever the name is used.
// What can't be read is `code`; nothing is passed over because it is deep, long or calls itself.
import { bodyOf } from '../bodies.ts';
import type { Action, Analysis } from '../findings.ts';
import type { Analyst } from './analyst.ts';
import type { Catalog } from './catalog/catalog.ts';
import { extensionClass } from './catalog/extensions.ts';
import type { FunctionRow, RelationRow, TypeRow } from './catalog/rows.ts';
import { FUNCTION_CLASSES, functionClass, type FunctionClassName } from './functions.ts';
import { qualified } from './names.ts';
import { judgePlpgsqlFunction } from './plpgsql.ts';
import { judgeSetting } from './settings.ts';
import { Refusal } from './tree.ts';

/** What is done to a relation. */
export type Verb = Change | 'read' | 'truncate' | 'truncate-cascade' | 'analyze' | 'lock' | `plan-${Change}`;
export type Change = 'insert' | 'update' | 'delete';

export interface Behind {
  readonly analysis: Analysis;
  /** Rows of a table that is not temporary are changed. */
  readonly changes_rows: boolean;
  /** And nothing in its text says so. */
  readonly hidden_writes: boolean;
  /** Code that users made may run. */
  readonly user_code: boolean;
  /** Functions that run with the rights of their owner, and who that is. */
  readonly definers: ReadonlyMap<string, string>;
  /** Objects call each other: what one of them does counts further up. */
  readonly cut: boolean;
}

/** Objects that are looked through one inside of the other. */
const DEPTH_MAX = 64;

/** A relation that is read or written. */
export function behindRelation(a: Analyst, row: RelationRow, verb: Verb): Behind {
  return worked(a, `${verb} ${row.oid}`, (inner, catalog) => {
    const { row_type } = catalog.behind(row.oid);
    if (row_type) inner.code.usesType(row_type);
    WRITES[row.kind]?.(inner, catalog, row, verb);
  });
}

/** A function that is called, by whatever syntax. locals: names of a trigger's transition tables. */
export function behindFunction(a: Analyst, row: FunctionRow, locals: readonly string[] = []): Behind {
  const { names, bodies } = pathsOf(a, row);
  const role = row.definer ? row.owner : (a.names.role ?? '');
  return worked(
    a,
    `call ${row.oid} ${JSON.stringify(locals)}`,
    (inner, catalog) => {
      inner.names.locals = locals;
      judgeFunction(inner, catalog, row);
    },
    { names, bodies, role },
  );
}

/** A type that values are converted to, or that columns have. */
export function behindType(a: Analyst, row: TypeRow): Behind {
  return worked(a, `type ${row.oid}`, (inner, catalog) => {
    const { types, functions, checks } = catalog.behindType(row);
    usesTypes(inner, catalog, types);
    for (const fn of functions) inner.code.runsUnnamed(fn);
    for (const check of checks) goesThrough(inner, 'type', row, check);
    for (const check of checks) expression(inner, catalog, row, check?.replaceAll(VALUE, 'NULL') ?? null);
  });
}

/** The value that is checked, as the server prints it. */
const VALUE = /(?<![\w"$])VALUE(?![\w"$])/g;

/** Does the catalog have the whole of it? */
export function isPrinted({ kind, language }: FunctionRow): boolean {
  return kind !== 'a' && (language === 'sql' || language === 'plpgsql');
}

/** A function of a well-known extension that only computes. `major` of the server. */
export function isHarmless(row: FunctionRow, major: number): boolean {
  const built_in = row.language === 'internal' ? functionClass(row.source, -1, major) : null;
  return (row.language === 'c' || built_in === 'read') && classByExtension(row) === 'read';
}

// ---- working out -------------------------------------------------------------------------------------------------------------

/** search_path of the names in a text, of what it calls, and whose rights it has. */
interface Paths {
  readonly names: string | null;
  readonly bodies: string | null;
  readonly role: string;
}

function worked(a: Analyst, what: string, work: (inner: Analyst, catalog: Catalog) => void, paths?: Paths): Behind {
  const catalog = a.names.catalog!;
  const { names, bodies, role } = paths ?? {
    names: catalog.rows.path,
    bodies: a.names.body_path,
    role: a.names.role ?? '',
  };
  // The role is a schema of the path, too.
  const key = `${what} ${JSON.stringify([names, bodies, role])} ${a.context.server_version}`;
  const { memo } = catalog;
  const known = memo.known(key);
  if (known) return known;
  const inner = a.nested(names, bodies, role);
  if (memo.depth >= DEPTH_MAX) inner.add('code', '', 'Goes deeper than Holdpoint looks.', undefined, true);
  else if (memo.enter(key)) {
    try {
      work(inner, catalog);
    } catch (error) {
      if (!(error instanceof Refusal)) {
        memo.abandon();
        throw error;
      }
      inner.add('code', '', 'Does what Holdpoint refuses in a statement.', undefined, true);
    }
    return memo.leave(key, made(inner));
  } else inner.found.cut = true;
  return made(inner);
}

function made(inner: Analyst): Behind {
  const { changes_rows, hidden_writes, user_code, definers, cut } = inner.found;
  const analysis = inner.result({ forward: null, position_shift: [], shape: '', reason: null });
  return { analysis, changes_rows, hidden_writes, user_code, definers, cut };
}

/** A statement that the catalog keeps, as it prints it. */
function stored(inner: Analyst, catalog: Catalog, text: string, planned = false): void {
  catalog.memo.spend(text.length);
  if (!inner.inner(text, undefined, planned)) unreadable(inner);
}

type Named = { readonly schema: string; readonly name: string };

/** What runs is this very text: another one is another statement, whatever is found in it. */
function goesThrough(inner: Analyst, kind: string, { schema, name }: Named, text: string | null): void {
  inner.found.bodies.add(bodyOf(kind, qualified(schema, name), text));
}

/** An expression that hangs on something; null: a table was locked. */
function expression(inner: Analyst, catalog: Catalog, row: Named, text: string | null, planned = false): void {
  if (text === null) locked(inner, row);
  else stored(inner, catalog, `SELECT ${text}`, planned);
}

/** What the server would have waited for somebody to tell. */
function locked(inner: Analyst, { schema, name }: Named): void {
  unreadable(inner, qualified(schema, name), 'Can not be read now: somebody has locked a table that it is about.');
  inner.names.missing = true;
}

function unreadable(inner: Analyst, object = '', why = 'Can not be read here: it may run anything.'): void {
  inner.add('code', object, why, undefined, true);
  inner.effects.forget();
}

function usesTypes(inner: Analyst, catalog: Catalog, oids: readonly number[]): void {
  for (const oid of oids) {
    const row = catalog.typeOf(oid);
    if (row) inner.code.usesType(row);
  }
}

// ---- relations ---------------------------------------------------------------------------------------------------------------

type Work = (inner: Analyst, catalog: Catalog, row: RelationRow, verb: Verb) => void;

/** By pg_class.relkind. A sequence, an index or a materialized view has nothing behind it. */
const WRITES: Readonly<Record<string, Work>> = { r: table, p: table, f: foreignTable, v: view };

/** pg_trigger.tgtype, pg_rewrite.ev_type, pg_policy.polcmd. */
const EVENTS: Readonly<Record<Verb, { trigger: number; rule: string; policies: string }>> = {
  read: { trigger: 0, rule: '1', policies: 'r*' },
  insert: { trigger: 4, rule: '3', policies: 'ar*' },
  update: { trigger: 16, rule: '2', policies: 'rw*' },
  delete: { trigger: 8, rule: '4', policies: 'rd*' },
  truncate: { trigger: 32, rule: '', policies: '' },
  'truncate-cascade': { trigger: 32, rule: '', policies: '' },
  // SELECT FOR UPDATE sees what an update would.
  lock: { trigger: 0, rule: '', policies: 'w*' },
  // EXPLAIN fires no trigger, but expressions of the rules and policies are computed where they are constant.
  'plan-insert': { trigger: 0, rule: '3', policies: 'ar*' },
  'plan-update': { trigger: 0, rule: '2', policies: 'rw*' },
  'plan-delete': { trigger: 0, rule: '4', policies: 'rd*' },
  // ANALYZE computes expressions of indexes and statistics, and a plan may hold constant ones.
  analyze: { trigger: 0, rule: '', policies: '' },
};

function table(inner: Analyst, catalog: Catalog, row: RelationRow, verb: Verb): void {
  const behind = catalog.behind(row.oid);
  const event = EVENTS[verb];
  // A policy narrows what may be seen: whose rights its functions have is the table's affair.
  const definers = new Set(inner.found.definers.keys());
  for (const [command, text] of behind.policies) {
    if (!event.policies.includes(command)) continue;
    goesThrough(inner, 'row security of', row, text);
    expression(inner, catalog, row, text);
  }
  for (const name of inner.found.definers.keys()) if (!definers.has(name)) inner.found.definers.delete(name);
  triggersAndRules(inner, catalog, row, verb);
  if (COMPUTES.has(verb)) {
    for (const text of behind.expressions) {
      if (verb === 'update' && NEXTVAL.test(text ?? '')) continue;
      computes(inner, text);
      expression(inner, catalog, row, text, plans(verb));
    }
    for (const fn of behind.compares) inner.code.runsUnnamed(fn);
  }
  for (const oid of behind.children) {
    const child = catalog.relationOf(oid);
    // A row that belongs to another partition now goes from one to the other.
    const verbs: readonly Verb[] = verb === 'update' && row.kind === 'p' ? ['update', 'insert', 'delete'] : [verb];
    if (child) for (const done of verbs) inner.relations.part(child, done);
  }
  for (const [oid, deleted, updated] of behind.referencing) {
    const referencing = catalog.relationOf(oid);
    const done = CASCADES[verb]?.(deleted, updated);
    if (referencing && done) inner.relations.cascades(referencing, done);
  }
}

/** Of whichever table: a partition that came with what the others have changes nothing. */
function computes(inner: Analyst, text: string | null): void {
  inner.found.bodies.add(bodyOf('a default, check or index', '', text));
}

/** A plan may hold any of the expressions: CHECKs say which rows there can be. */
const COMPUTES: ReadonlySet<Verb> = new Set([
  'insert',
  'update',
  'analyze',
  'plan-insert',
  'plan-update',
  'plan-delete',
]);

/** What changes something, such as nextval in a default, is no constant: it is only run by a write. */
const plans = (verb: Verb): boolean => verb === 'analyze' || verb.startsWith('plan-');

/** Nothing but a default can be this: no generated column, CHECK or index may. */
const NEXTVAL = /^nextval\('(?:[^']|'')*'::regclass\)$/;

/** What becomes of rows that refer to those which go or change, by pg_constraint.confdeltype and confupdtype. */
const CASCADES: Partial<Record<Verb, (deleted: string, updated: string) => Verb | null>> = {
  delete: (deleted) => (deleted === 'c' ? 'delete' : 'nd'.includes(deleted) ? 'update' : null),
  update: (_, updated) => ('cnd'.includes(updated) ? 'update' : null),
  'truncate-cascade': () => 'truncate-cascade',
};

function triggersAndRules(inner: Analyst, catalog: Catalog, row: RelationRow, verb: Verb): void {
  const { triggers, rules } = catalog.behind(row.oid);
  const event = EVENTS[verb];
  for (const trigger of triggers) {
    if ((trigger.type & event.trigger) === 0) continue;
    if (trigger.text === null) {
      locked(inner, row);
      continue;
    }
    const name = TRIGGER_NAME.exec(trigger.text)?.[1] ?? '';
    inner.found.bodies.add(bodyOf('trigger', `${name} on ${qualified(row.schema, row.name)}`, trigger.text));
    if (/ WHEN \(/.test(trigger.text)) whenClause(inner, catalog, trigger.text);
    inner.code.runs(trigger.function, undefined, transitionTables(trigger.text));
  }
  for (const [on, text] of rules) {
    if (on !== event.rule) continue;
    if (text !== null)
      inner.found.bodies.add(
        bodyOf('rule', `${RULE_NAME.exec(text)?.[1] ?? ''} on ${qualified(row.schema, row.name)}`, text),
      );
    if (text === null) locked(inner, row);
    else rule(inner, catalog, text, plans(verb));
  }
}

/** As the server prints them. */
const TRIGGER_NAME = /^CREATE (?:CONSTRAINT )?TRIGGER ("(?:[^"]|"")+"|[^\s"]+) /;
const RULE_NAME = /^CREATE RULE ("(?:[^"]|"")+"|[^\s"]+) /;

/** REFERENCING OLD TABLE AS a NEW TABLE AS b */
function transitionTables(text: string): readonly string[] {
  if (!text.includes(' REFERENCING ')) return [];
  return [...text.matchAll(/ (?:OLD|NEW) TABLE AS ("(?:[^"]|"")+"|[^\s"]+)/g)].map(([, name = '']) =>
    name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name,
  );
}

function whenClause(inner: Analyst, catalog: Catalog, text: string): void {
  catalog.memo.spend(text.length);
  if (!inner.partOf(text, 'CreateTrigStmt', ['whenClause'])) unreadable(inner);
}

function rule(inner: Analyst, catalog: Catalog, text: string, planned: boolean): void {
  catalog.memo.spend(text.length);
  if (!inner.partOf(text, 'RuleStmt', ['whereClause', 'actions'], planned)) unreadable(inner);
}

/** pg_trigger.tgtype: INSTEAD OF. */
const INSTEAD = 64;

function view(inner: Analyst, catalog: Catalog, row: RelationRow, verb: Verb): void {
  const { view: query, triggers, expressions } = catalog.behind(row.oid);
  triggersAndRules(inner, catalog, row, verb);
  if (query === null) return locked(inner, row);
  goesThrough(inner, 'view', row, query);
  if (COMPUTES.has(verb))
    for (const text of expressions) {
      computes(inner, text);
      expression(inner, catalog, row, text, plans(verb));
    }
  const instead = triggers.some(({ type }) => (type & INSTEAD) !== 0 && (type & EVENTS[verb].trigger) !== 0);
  // Rows are locked in the tables that it shows.
  if (verb === 'lock') return stored(inner, catalog, `${query.replace(/;\s*$/, '')} FOR UPDATE`);
  // INSTEAD OF INSERT is given new rows alone.
  if (!instead || verb !== 'insert') stored(inner, catalog, query);
  // One that is updatable by itself changes the table that it shows.
  if (verb !== 'read' && !instead) inner.relations.writesThrough(query, verb);
}

/** Where rows come from files or programs of the server's machine. */
const FILE_HANDLER = 'file_fdw_handler';
/** Where they come from tables of another server, with the rights that its owner mapped. */
const SERVER_HANDLERS: ReadonlySet<string> = new Set([
  'postgres_fdw_handler',
  'mysql_fdw_handler',
  'oracle_fdw_handler',
  'sqlite_fdw_handler',
  'tds_fdw_handler',
]);

function foreignTable(inner: Analyst, catalog: Catalog, row: RelationRow, verb: Verb): void {
  table(inner, catalog, row, verb);
  const { foreign } = catalog.behind(row.oid);
  const handler = foreign?.[0] ?? '';
  if (SERVER_HANDLERS.has(handler)) return;
  if (!foreign || handler !== FILE_HANDLER) return unreadable(inner, qualified(row.schema, row.name));
  const [object, why] = foreign[1]
    ? ['program', "Runs a program on the server's machine."]
    : ['file', "Reads a file of the server's machine."];
  inner.add('admin', object, why);
  inner.add('export', object, why);
}

// ---- functions ---------------------------------------------------------------------------------------------------------------

function pathsOf(a: Analyst, { config, bound }: FunctionRow): { names: string | null; bodies: string | null } {
  const set = settings(config).find(([name]) => name === 'search_path')?.[1];
  const bodies = set ?? a.names.body_path;
  return { names: bound ? a.names.catalog!.rows.path : bodies, bodies };
}

/** name=value */
function settings(config: readonly string[]): readonly (readonly [string, string])[] {
  return config.map((item) => [item.slice(0, item.indexOf('=')).toLowerCase(), item.slice(item.indexOf('=') + 1)]);
}

/** Settings that statements in the body depend on. */
const FACTS: ReadonlySet<string> = new Set(['search_path', 'role', 'session_authorization']);

function judgeFunction(inner: Analyst, catalog: Catalog, row: FunctionRow): void {
  const name = qualified(row.schema, row.name);
  if (isPrinted(row) && row.definition === null) return locked(inner, row);
  const { language, source, definition, definer, owner, config } = row;
  const rights = definer ? owner : null;
  inner.found.bodies.add(
    bodyOf(row.kind === 'p' ? 'procedure' : 'function', name, language, source, definition, rights, config),
  );
  usesTypes(inner, catalog, row.types);
  if (row.kind === 'a') {
    for (const part of catalog.partsOf(row.oid)) inner.code.runs(part, undefined);
    return;
  }
  for (const [setting, value] of settings(row.config)) {
    const { action, why, refused } = judgeSetting(setting, value);
    if (refused !== undefined) return unreadable(inner, name);
    if (action !== 'settings') inner.add(action, setting, why);
  }
  // Defaults of arguments.
  if (row.definition !== null && !inner.partOf(row.definition, 'CreateFunctionStmt', ['parameters']))
    return unreadable(inner, name);
  const effects_before = inner.effects.list.length;
  body(inner, catalog, row, name);
  for (const effect of inner.effects.list.slice(effects_before))
    if (effect.type === 'reset-all' || (effect.type === 'set' && FACTS.has(effect.name))) unreadable(inner, name);
}

function body(inner: Analyst, catalog: Catalog, row: FunctionRow, name: string): void {
  catalog.memo.spend(row.source.length);
  switch (row.language) {
    case 'sql': {
      const readable = row.bound
        ? inner.partOf(row.definition ?? '', 'CreateFunctionStmt', ['sql_body'])
        : inner.inner(row.source, undefined);
      if (!readable) unreadable(inner, name);
      break;
    }
    case 'plpgsql':
      if (!judgePlpgsqlFunction(inner, row.definition ?? '', row.source)) unreadable(inner, name);
      break;
    // By the server's name in C, which is not always that of a function (citext's casts).
    case 'internal':
      // What a range type's own constructors are called inside of the server.
      if (!RANGE_CONSTRUCTOR.test(row.source))
        ofClass(inner, functionClass(row.source, -1, inner.context.server_version) ?? classByExtension(row), name);
      break;
    case 'c':
      ofClass(inner, classByExtension(row), name);
      break;
    default:
      unreadable(inner, name);
  }
}

const RANGE_CONSTRUCTOR = /^(?:multi)?range_constructor[0-3]$/;

function classByExtension({ extension, source }: FunctionRow): FunctionClassName | null {
  return extension === null ? null : extensionClass(extension, source);
}

function ofClass(inner: Analyst, of: keyof typeof FUNCTION_CLASSES | null, name: string): void {
  if (of === null || of === 'set-config' || of === 'sequence') return unreadable(inner, name);
  const { actions, why, safe } = FUNCTION_CLASSES[of];
  for (const action of actions as readonly Action[]) inner.add(action, name, why);
  if (!safe) inner.effects.forget();
}
