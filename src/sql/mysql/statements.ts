// The table of statement heads: what a statement does, by its first words, and which of its parts are looked at.
// A head that the table lacks is `unknown`. Nothing behind a head may be skipped that can name a table to read, a file or a call.
import { type Analyst, type Name } from './analyst.ts';
import type { Verb } from './behind.ts';
import { judgeBody } from './compound.ts';
import { createOrAlter } from './definitions.ts';
import { Kind } from './lexer.ts';
import { lowered } from './names.ts';
import { isOwnCall } from './own.ts';
import { judgeDeallocate, judgeExecute, judgeImmediate, judgePrepare } from './prepared.ts';
import { type Ctes, exports, isCalled, type Reference, walk } from './relations.ts';
import { lookInto, spelledRoutine } from './resolve.ts';
import { judgeSet } from './set.ts';

/** at: the first word; to: behind the last token. The statement's kind, in the manual's words. */
export type Head = (a: Analyst, at: number, to: number) => string;

/** Judges one statement of a range of tokens; its kind. */
export function judge(a: Analyst, from: number, to: number): string {
  if (a.nesting >= NESTING_MAX) return notUnderstood(a, from, to, 'UNKNOWN');
  a.nesting += 1;
  const kind = byHead(a, from, to);
  a.nesting -= 1;
  everywhere(a, from, to);
  return kind;
}

/** Statements in statements that are looked at. */
const NESTING_MAX = 16;

function byHead(a: Analyst, from: number, to: number): string {
  if (a.isChar(from, '(')) return query(a, from, to);
  const head = HEADS.get(a.word(from));
  if (head) return head(a, from, to);
  a.add('unknown', a.word(from).toLowerCase(), 'A kind of statement that Holdpoint does not know.');
  walk(a, from, to, { start: 'expression' });
  return a.word(from) || 'UNKNOWN';
}

/** What counts wherever it stands. */
function everywhere(a: Analyst, from: number, to: number): void {
  const { words, kinds } = a.lexer;
  for (let at = from; at < to; at += 1) {
    const word = words[at]!;
    if (word === 'OUTFILE' || word === 'DUMPFILE') {
      // OUTFILE can be no name; DUMPFILE can.
      if (word === 'OUTFILE' || words[at - 1] === 'INTO' || kinds[at + 1] === Kind.string) exports(a, at);
    } else if (word === 'LOAD_FILE' || kinds[at] === Kind.quoted) {
      if (a.isChar(at + 1, '(') && a.textOf(at).toUpperCase() === 'LOAD_FILE')
        a.add('admin', 'file', 'Reads a file of the server.', a.place(at, at + 1));
    }
  }
}

// Queries.

function query(a: Analyst, at: number, to: number): string {
  a.rows_max = null;
  if (isOwnCall(a, at, to)) {
    a.add('settings', 'holdpoint', 'Tells Holdpoint something.');
    return 'SELECT';
  }
  walk(a, at, to, { start: 'query' });
  if (a.rows_max === null && !hasFrom(a, at, to)) a.rows_max = 1;
  readsNothing(a);
  return 'SELECT';
}

/** FROM, or more than one row without it. */
function hasFrom(a: Analyst, at: number, to: number): boolean {
  for (let i = at; i < to; i += 1) if (MORE_ROWS.has(a.word(i)) || a.isChar(i, '{')) return true;
  return false;
}
const MORE_ROWS: ReadonlySet<string> = new Set([
  'FROM',
  'UNION',
  'EXCEPT',
  'INTERSECT',
  'VALUES',
  'TABLE',
  'PROCEDURE',
]);

/** A statement that has no finding of its own reads. */
function readsNothing(a: Analyst): void {
  if (a.found.findings.at(-1)?.statement !== a.found.statement) a.add('read', '', 'Reads without a table.');
}

function withQuery(a: Analyst, at: number, to: number): string {
  // What stands behind the queries of WITH, outside of parentheses.
  let depth = 0;
  for (let i = at + 1; i < to; i += 1) {
    if (a.isChar(i, '(')) depth += 1;
    else if (a.isChar(i, ')')) depth -= 1;
    if (depth > 0) continue;
    const write = WRITES_AFTER_WITH[a.word(i)];
    if (write) return write(a, i, to, at);
    if (QUERY_IN_PARENTHESES.has(a.word(i))) break;
  }
  return query(a, at, to);
}
const WRITES_AFTER_WITH: Readonly<Record<string, (a: Analyst, at: number, to: number, from: number) => string>> = {
  UPDATE: update,
  DELETE: remove,
  INSERT: insert,
  REPLACE: insert,
};

// Writes.

const MODIFIERS: ReadonlySet<string> = new Set(['LOW_PRIORITY', 'DELAYED', 'HIGH_PRIORITY', 'IGNORE', 'QUICK']);

function afterModifiers(a: Analyst, at: number): number {
  let end = at;
  while (MODIFIERS.has(a.word(end))) end += 1;
  return end;
}

/** INSERT and REPLACE. */
function insert(a: Analyst, at: number, to: number, from = at): string {
  const ctes = walkWith(a, from, at);
  const kind = a.word(at);
  let end = afterModifiers(a, at + 1);
  if (a.is(end, 'INTO')) end += 1;
  const target = a.name(end, to);
  if (!target) return notUnderstood(a, at, to, kind);
  const place = a.place(target.from, target.to);
  const verbs = insertVerbs(a, kind, target.to, to);
  a.writes(target, kind === 'REPLACE' ? 'Adds or replaces rows.' : 'Adds rows.', place, verbs);
  end = target.to;
  if (a.is(end, 'PARTITION') && a.isChar(end + 1, '(')) end = a.closing(end + 1, to) + 1;
  // Its columns, unless a query stands in parentheses.
  if (a.isChar(end, '(') && !QUERY_IN_PARENTHESES.has(a.word(end + 1)) && !a.isChar(end + 1, '('))
    end = a.closing(end, to) + 1;
  const known: Reference[] = [{ name: target, alias: null, local: false }];
  const alias = rowAlias(a, end, to);
  if (alias !== null) known.push({ name: null, alias, local: true });
  a.rows_max = 1;
  walk(a, end, to, { start: 'query', known, ctes });
  // Those that it adds are nobody's but its own; ON DUPLICATE KEY shows rows that were there.
  const shown = outside(a, end, to, 'DUPLICATE') < to ? target : null;
  if (!returnsRows(a, shown, end, to)) a.rows_max = 0;
  else if (outside(a, end, to, 'SELECT') === to && manyRows(a, end, to)) a.rows_max = null;
  return kind;
}
/** REPLACE removes what is in the way, ON DUPLICATE KEY changes it. */
function insertVerbs(a: Analyst, kind: string, from: number, to: number): readonly Verb[] {
  if (kind === 'REPLACE') return ['insert', 'delete'];
  return outside(a, from, to, 'DUPLICATE') < to ? ['insert', 'update'] : ['insert'];
}

/** FOR PORTION OF (MariaDB) adds rows for the rest of a period. */
function withPortions(a: Analyst, verb: Verb, from: number, to: number): readonly Verb[] {
  return outside(a, from, to, 'PORTION') < to ? [verb, 'insert'] : [verb];
}

const QUERY_IN_PARENTHESES: ReadonlySet<string> = new Set(['SELECT', 'WITH', 'TABLE', 'VALUES']);

/** `VALUES (...) AS new`: its name in what follows. */
function rowAlias(a: Analyst, from: number, to: number): string | null {
  let depth = 0;
  for (let at = from; at < to; at += 1) {
    if (a.isChar(at, '(')) depth += 1;
    else if (a.isChar(at, ')')) depth -= 1;
    else if (depth === 0 && a.is(at, 'AS') && a.isName(at + 1)) return lowered(a.textOf(at + 1));
    else if (a.is(at, 'SELECT') || a.is(at, 'ON')) return null;
  }
  return null;
}

function manyRows(a: Analyst, from: number, to: number): boolean {
  let depth = 0;
  for (let at = from; at < to && !a.is(at, 'RETURNING'); at += 1) {
    if (a.isChar(at, '(')) depth += 1;
    else if (a.isChar(at, ')')) depth -= 1;
    else if (depth === 0 && a.isChar(at, ',')) return true;
  }
  return false;
}

/** RETURNING: what is written is read as well. */
function returnsRows(a: Analyst, target: Name | null, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) {
    if (!a.is(at, 'RETURNING')) continue;
    if (target) a.reads(target, a.place(target.from, target.to));
    return true;
  }
  return false;
}

function update(a: Analyst, at: number, to: number, from = at): string {
  const start = afterModifiers(a, at + 1);
  const targets: Reference[] = [];
  const set = outside(a, start, to, 'SET');
  const ctes = walkWith(a, from, at);
  walk(a, start, set, { start: 'tables', targets, ctes });
  const assigned = assignedQualifiers(a, set + 1, to);
  const several = targets.length > 1;
  const verbs = withPortions(a, 'update', start, set);
  for (const reference of targets) {
    const { name, local } = reference;
    if (!name || local) continue;
    const written = !several || assigned === null || assigned.some((one) => isCalled(reference, one));
    const place = a.place(name.from, name.to);
    if (written) a.writes(name, 'Changes rows.', place, verbs);
    else a.reads(name, place);
  }
  const rest = outside(a, set, to, 'WHERE');
  walk(a, set, to, { start: 'expression', known: targets, ctes });
  const [first] = targets;
  a.rows_max = first?.name && returnsRows(a, first.name, set, to) ? null : 0;
  if (rest === to && outside(a, set, to, 'LIMIT') === to && !joins(a, start, set) && !a.planned)
    a.found.writes_all_rows = true;
  return 'UPDATE';
}

/** The queries of WITH before a write: they are read, and their names are no tables. */
function walkWith(a: Analyst, from: number, to: number): Ctes | null {
  return from < to ? walk(a, from, to, { start: 'query' }) : null;
}

function joins(a: Analyst, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if (a.is(at, 'ON') || a.is(at, 'USING') || a.is(at, 'NATURAL')) return true;
  return false;
}

/** Where a word stands outside of parentheses; `to` where it does not. */
function outside(a: Analyst, from: number, to: number, word: string): number {
  let depth = 0;
  for (let at = from; at < to; at += 1) {
    if (a.isChar(at, '(')) depth += 1;
    else if (a.isChar(at, ')')) depth -= 1;
    else if (depth === 0 && a.word(at) === word) return at;
  }
  return to;
}

/** Qualifiers of the columns that are assigned, in small letters; null: one has none. */
function assignedQualifiers(a: Analyst, from: number, to: number): string[] | null {
  const found: string[] = [];
  let depth = 0;
  let starts = true;
  for (let at = from; at < to; at += 1) {
    if (a.isChar(at, '(')) depth += 1;
    else if (a.isChar(at, ')')) depth -= 1;
    else if (depth === 0 && (a.is(at, 'WHERE') || a.is(at, 'ORDER') || a.is(at, 'LIMIT'))) break;
    else if (depth === 0 && a.isChar(at, ',')) starts = true;
    else if (starts) {
      starts = false;
      const parts: string[] = [];
      let end = at;
      while (a.isName(end)) {
        parts.push(a.textOf(end));
        if (!a.isChar(end + 1, '.')) break;
        end += 2;
      }
      if (parts.length < 2) return null;
      found.push(lowered(parts.at(-2)!));
    }
  }
  return found;
}

function remove(a: Analyst, at: number, to: number, from = at): string {
  let start = afterModifiers(a, at + 1);
  if (a.is(start, 'HISTORY', 'FROM')) {
    a.add('admin', '', 'Removes what a table was, which nothing brings back.', a.place(at, start + 1));
    start += 1;
  }
  const ctes = walkWith(a, from, at);
  const using = outside(a, start, to, 'USING');
  const leading = a.is(start, 'FROM');
  const wheres = outside(a, start, to, 'WHERE');
  if (leading && using > wheres) return removeFromOne(a, start + 1, to, wheres, ctes);
  // The tables to remove from, then those to look at.
  const list = leading ? using : outside(a, start, to, 'FROM');
  if (leading && list === to) return removeFromOne(a, start + 1, to, wheres, ctes);
  const names: Name[] = [];
  for (let i = leading ? start + 1 : start; i < list; i += 1) {
    const name = a.name(i, list);
    if (!name) continue;
    names.push(name);
    i = name.to - 1;
    while (i + 1 < list && !a.isChar(i + 1, ',')) i += 1;
  }
  const targets: Reference[] = [];
  walk(a, list + 1, to, { start: 'tables', targets, ctes });
  for (const name of names) {
    const bare = lowered(name.name);
    const meant = targets.filter((one) => isCalled(one, bare) && one.name !== null && !one.local);
    const place = a.place(name.from, name.to);
    for (const one of meant) a.writes(one.name!, 'Removes rows.', place, ['delete']);
    if (meant.length === 0) a.writes(name, 'Removes rows.', place, ['delete']);
  }
  for (const one of targets)
    if (one.name && !one.local && !names.some((name) => isCalled(one, lowered(name.name))))
      a.reads(one.name, a.place(one.name.from, one.name.to));
  a.rows_max = 0;
  if (wheres === to && !joins(a, list, to) && !a.planned) a.found.writes_all_rows = true;
  return 'DELETE';
}

function removeFromOne(a: Analyst, at: number, to: number, wheres: number, ctes: Ctes | null): string {
  const targets: Reference[] = [];
  walk(a, at, to, { start: 'tables', targets, ctes });
  for (const { name, local } of targets)
    if (name && !local) a.writes(name, 'Removes rows.', a.place(name.from, name.to), withPortions(a, 'delete', at, to));
  if (targets.length === 0) return notUnderstood(a, at, to, 'DELETE');
  const [first] = targets;
  a.rows_max = first?.name && returnsRows(a, first.name, at, to) ? null : 0;
  if (wheres === to && outside(a, at, to, 'LIMIT') === to && !a.planned) a.found.writes_all_rows = true;
  return 'DELETE';
}

export function notUnderstood(a: Analyst, at: number, to: number, kind: string): string {
  a.add('unknown', '', 'A statement whose parts are not understood.');
  walk(a, at + 1, to, { start: 'expression' });
  return kind;
}

/** LOAD DATA, LOAD XML, LOAD INDEX. */
function load(a: Analyst, at: number, to: number): string {
  if (a.is(at + 1, 'INDEX'))
    return fixed('LOAD INDEX', 'admin', 'Loads indexes into a cache of the server.')(a, at, to);
  const kind = a.is(at + 1, 'XML') ? 'LOAD XML' : 'LOAD DATA';
  let local = false;
  let into = at + 1;
  while (into < to && !a.is(into, 'INTO')) {
    if (a.is(into, 'LOCAL')) local = true;
    into += 1;
  }
  const table = a.is(into + 1, 'TABLE') ? into + 2 : into + 1;
  const name = a.name(table, to);
  if (!name) return notUnderstood(a, at, to, kind);
  a.add('import', a.object(name), 'Loads rows in bulk.', a.place(name.from, name.to));
  const replaces = outside(a, at, into, 'REPLACE') < into;
  a.writes(name, 'Adds rows.', a.place(name.from, name.to), replaces ? ['insert', 'delete'] : ['insert']);
  if (local) a.found.local_infile = true;
  else a.add('admin', 'file', 'Reads a file of the server.', a.place(at, table));
  walk(a, name.to, to, { start: 'expression', known: [{ name, alias: null, local: false }] });
  return kind;
}

// Running code.

function call(a: Analyst, at: number, to: number): string {
  const name = a.name(at + 1, to);
  if (!name) return notUnderstood(a, at, to, 'CALL');
  const last = a.isChar(name.to, '.') && a.isName(name.to + 1) ? a.textOf(name.to + 1) : null;
  const object = last === null ? a.object(name) : `${name.database ?? ''}.${name.name}.${last}`;
  const place = a.place(name.from, name.to);
  if (!lookInto(a, name, last, 'PROCEDURE', place)) {
    a.found.functions.add(object);
    a.opaque(object, 'Runs a stored procedure.', place);
    a.changes.mode = null;
  }
  walk(a, last === null ? name.to : name.to + 2, to, { start: 'expression' });
  if (a.found.findings.at(-1)?.statement !== a.found.statement) a.add('read', '', 'Runs nothing that reads a table.');
  a.rows_max = null;
  return 'CALL';
}

function explain(a: Analyst, at: number, to: number): string {
  const kind = 'EXPLAIN';
  let end = at + 1;
  let runs = false;
  for (;;) {
    if (a.is(end, 'ANALYZE') && !a.isChar(end + 1, '.')) {
      runs = true;
      end += 1;
    } else if (a.is(end, 'FORMAT') && a.isEquals(end + 1)) end += 3;
    else if (a.is(end, 'EXTENDED') || a.is(end, 'PARTITIONS') || a.is(end, 'TREE')) end += 1;
    else if (a.is(end, 'INTO') && a.kind(end + 1) === Kind.variable) end += 2;
    else if (a.is(end, 'FOR') && (a.is(end + 1, 'SCHEMA') || a.is(end + 1, 'DATABASE'))) end += 3;
    else break;
  }
  if (a.is(end, 'FOR')) {
    a.add('read', '', "Shows the plan of another session's statement.");
    return kind;
  }
  if (end < to && (a.isChar(end, '(') || EXPLAINED.has(a.word(end)))) {
    // Planning runs functions of users on MariaDB, so what is called counts.
    const planned = a.planned;
    if (!runs) a.planned = true;
    byHead(a, end, to);
    a.planned = planned;
    if (!runs) a.found.writes_all_rows = false;
    a.rows_max = null;
    readsNothing(a);
    return runs ? `${kind} ANALYZE` : kind;
  }
  const name = a.name(end, to);
  if (!name || to > name.to + 1) return notUnderstood(a, at, to, 'DESCRIBE');
  a.add('read', '', 'Shows the columns of a table.');
  a.rows_max = null;
  return 'DESCRIBE';
}
const EXPLAINED: ReadonlySet<string> = new Set('SELECT INSERT REPLACE UPDATE DELETE WITH TABLE VALUES SET'.split(' '));

/** MariaDB's ANALYZE of a statement runs it; of a table it reads its rows for statistics. */
function analyze(a: Analyst, at: number, to: number): string {
  let end = at + 1;
  if (a.is(end, 'FORMAT') && a.isEquals(end + 1)) end += 3;
  if (end < to && (a.isChar(end, '(') || ANALYZED.has(a.word(end)))) {
    byHead(a, end, to);
    a.rows_max = null;
    readsNothing(a);
    return 'ANALYZE';
  }
  a.commits = true;
  return tables('ANALYZE TABLE', (name) =>
    a.writes(name, 'Renews the statistics of a table.', a.place(name.from, name.to), []),
  )(a, at, to);
}

const ANALYZED: ReadonlySet<string> = new Set('SELECT INSERT REPLACE UPDATE DELETE WITH'.split(' '));

/** NAME [NO_WRITE_TO_BINLOG | LOCAL] TABLE a, b ... */
function tables(kind: string, each: (name: Name, a: Analyst) => void): Head {
  return (a, at, to) => {
    let end = at + 1;
    while (end < to && !a.is(end, 'TABLE') && !a.is(end, 'TABLES') && !a.is(end, 'VIEW')) end += 1;
    if (end === to) return notUnderstood(a, at, to, kind);
    a.rows_max = null;
    if (a.is(end, 'VIEW')) {
      namesOf(a, end + 1, to, (name) =>
        a.add('admin', a.object(name), 'Checks or repairs a view.', a.place(name.from, name.to)),
      );
      return `${a.word(at)} VIEW`;
    }
    namesOf(a, end + 1, to, each);
    return kind;
  };
}

/** Names of a list, each followed by whatever stands before the next comma. */
export function namesOf(a: Analyst, from: number, to: number, each: (name: Name, a: Analyst) => void): void {
  let depth = 0;
  let starts = true;
  for (let at = from; at < to; at += 1) {
    if (a.isChar(at, '(')) depth += 1;
    else if (a.isChar(at, ')')) depth -= 1;
    else if (depth === 0 && a.isChar(at, ',')) starts = true;
    else if (starts) {
      starts = false;
      if (a.is(at, 'IF', 'EXISTS')) at += 2;
      const name = a.name(at, to);
      if (!name) continue;
      each(name, a);
      at = name.to - 1;
    }
  }
}

// Heads that always mean the same.

function fixed(kind: string, action: 'admin' | 'transaction' | 'settings' | 'read', why: string, walks = false): Head {
  return (a, at, to) => {
    a.add(action, '', why);
    if (walks) walk(a, at + 1, to, { start: 'expression' });
    if (action === 'read') a.rows_max = null;
    return kind;
  };
}

const admin = (kind: string, why: string): Head => fixed(kind, 'admin', why);

/** By the word that follows; the last one for any other. */
function by(rows: Readonly<Record<string, Head>>, other: Head): Head {
  return (a, at, to) => (rows[a.word(at + 1)] ?? other)(a, at, to);
}

function control(op: 'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'rollback-to', kind: string): Head {
  return (a) => {
    a.add('transaction', '', 'Controls the transaction.');
    a.effect({ type: 'transaction', op, statement: a.found.statement });
    a.controls = true;
    if (op === 'begin') a.commits = true;
    return kind;
  };
}

function begin(a: Analyst, at: number, to: number): string {
  const plain = to === at + 1 || a.is(at + 1, 'WORK');
  if (plain && !(a.lexer.rules.mode & 8)) return control('begin', 'BEGIN')(a, at, to);
  return judgeBody(a, at, to, 'BEGIN NOT ATOMIC');
}

function rollback(a: Analyst, at: number, to: number): string {
  const savepoint = a.is(at + 1, 'TO') || a.is(at + 1, 'WORK', 'TO');
  return savepoint
    ? control('rollback-to', 'ROLLBACK TO SAVEPOINT')(a, at, to)
    : control('rollback', 'ROLLBACK')(a, at, to);
}

function xa(a: Analyst, at: number, to: number): string {
  const op = a.word(at + 1);
  const kind = `XA ${op === 'BEGIN' ? 'START' : op}`;
  if (op === 'RECOVER') return fixed(kind, 'read', 'Lists prepared transactions.')(a, at, to);
  const effect = XA_EFFECTS[op];
  if (effect === undefined) return notUnderstood(a, at, to, kind);
  a.add('transaction', '', 'Controls a distributed transaction.');
  if (op === 'PREPARE') a.add('admin', '', 'Leaves a transaction open beyond its session.');
  if (effect !== null) a.effect({ type: 'transaction', op: effect, statement: a.found.statement });
  a.controls = true;
  return kind;
}
const XA_EFFECTS: Readonly<Record<string, 'begin' | 'commit' | 'rollback' | 'prepare-transaction' | null>> = {
  START: 'begin',
  BEGIN: 'begin',
  END: null,
  PREPARE: 'prepare-transaction',
  COMMIT: 'commit',
  ROLLBACK: 'rollback',
};

function lock(a: Analyst, at: number, to: number): string {
  if (a.is(at + 1, 'INSTANCE')) return admin('LOCK INSTANCE', 'Locks the server for a backup.')(a, at, to);
  a.commits = true;
  if (!a.is(at + 1, 'TABLE') && !a.is(at + 1, 'TABLES')) return notUnderstood(a, at, to, 'LOCK TABLES');
  namesOf(a, at + 2, to, (name) => {
    const place = a.place(name.from, name.to);
    a.add('transaction', a.object(name), 'Locks a table.', place);
    let end = name.to;
    while (end < to && !a.isChar(end, ',') && !a.is(end, 'WRITE')) end += 1;
    if (a.is(end, 'WRITE')) a.guard(a.object(name), place);
  });
  return 'LOCK TABLES';
}

function kill(a: Analyst, at: number, to: number): string {
  const id = to - 1;
  const plain = a.kind(id) === Kind.number && /^\d+$/.test(a.raw(id)) && !a.is(id - 1, 'ID');
  const words = plain && (id === at + 1 || (id === at + 2 && KILLED.has(a.word(at + 1))));
  a.add('admin', words ? a.raw(id) : '', 'Ends the statement or the connection of a session.');
  walk(a, at + 1, to, { start: 'expression' });
  return 'KILL';
}
const KILLED: ReadonlySet<string> = new Set(['CONNECTION', 'QUERY', 'HARD', 'SOFT']);

function use(a: Analyst, at: number): string {
  const database = a.isName(at + 1) ? a.textOf(at + 1) : undefined;
  a.add('settings', database ?? '', 'Changes the current database.');
  a.set('database', database);
  if (!a.in_body) {
    a.changes.database = database;
    a.changes.sets_database = true;
  }
  return 'USE';
}

function handler(a: Analyst, at: number, to: number): string {
  const name = a.name(at + 1, to);
  if (!name) return notUnderstood(a, at, to, 'HANDLER');
  const op = a.word(name.to);
  a.reads(name, a.place(name.from, name.to));
  walk(a, name.to, to, { start: 'expression', known: [{ name, alias: null, local: false }] });
  if (op === 'OPEN' || op === 'CLOSE') return `HANDLER ${op}`;
  const limit = outside(a, name.to, to, 'LIMIT');
  a.rows_max = limit === to ? 1 : null;
  if (limit === to - 2 && /^\d{1,9}$/.test(a.raw(to - 1))) a.rows_max = Number(a.raw(to - 1));
  return 'HANDLER READ';
}

function rename(a: Analyst, at: number, to: number): string {
  if (a.is(at + 1, 'USER')) {
    a.add('role', '', 'Renames an account.');
    a.commits = true;
    return 'RENAME USER';
  }
  if (!a.is(at + 1, 'TABLE') && !a.is(at + 1, 'TABLES')) return notUnderstood(a, at, to, 'RENAME');
  a.commits = true;
  a.redefines(null);
  a.found.forgetTemporary();
  namesOf(a, at + 2, to, (name) => {
    a.add('ddl', a.object(name), 'Renames a table.', a.place(name.from, name.to));
    a.guard(a.object(name), null);
    let end = name.to;
    while (end < to && !a.is(end, 'TO') && !a.isChar(end, ',')) end += 1;
    const other = a.is(end, 'TO') ? a.name(end + 1, to) : null;
    if (other) a.add('ddl', a.object(other), 'Renames a table.', a.place(other.from, other.to));
  });
  return 'RENAME TABLE';
}

function truncate(a: Analyst, at: number, to: number): string {
  const name = a.name(a.is(at + 1, 'TABLE') ? at + 2 : at + 1, to);
  if (!name) return notUnderstood(a, at, to, 'TRUNCATE TABLE');
  const place = a.place(name.from, name.to);
  const temporary = a.isTemporary(name);
  if (!temporary) a.add('ddl', a.object(name), 'Removes all rows of a table at once.', place);
  // It fires no triggers, and is refused where rows of others refer to the table.
  a.writes(name, 'Removes all rows of a table.', place, []);
  a.found.writes_all_rows = !temporary;
  a.commits = true;
  return 'TRUNCATE TABLE';
}

/** GRANT and REVOKE: of rights on objects, of roles, and of acting for another account. */
function grant(a: Analyst, at: number, to: number): string {
  const kind = a.word(at);
  a.commits = true;
  const on = outside(a, at, to, 'ON');
  let objects = on;
  if (on < to && (a.is(on + 1, 'TABLE') || a.is(on + 1, 'FUNCTION') || a.is(on + 1, 'PROCEDURE'))) objects += 1;
  const name = on < to ? a.name(objects + 1, to) : null;
  const routine = objects > on && !a.is(objects, 'TABLE');
  const object = name === null ? '' : routine ? spelledRoutine(a, name) : a.object(name);
  if (a.is(at + 1, 'PROXY')) {
    a.add('role', object, 'Lets an account act for another one.');
    return `${kind} PROXY`;
  }
  const every = a.isChar(on + 1, '*') && a.isChar(on + 3, '*') && a.context.engine === 'mysql';
  const all = kind === 'REVOKE' && (a.is(at + 1, 'ALL') || a.is(at + 1, 'IF')) && (on === to || every);
  if (on === to && !all) {
    a.add(
      'role',
      a.isName(at + 1) || a.kind(at + 1) === Kind.string ? a.textOf(at + 1) : '',
      kind === 'GRANT' ? 'Gives a role.' : 'Takes a role.',
    );
    a.add('grant', '', kind === 'GRANT' ? 'Gives rights.' : 'Takes rights.');
    return `${kind} ROLE`;
  }
  a.add(
    'grant',
    object,
    kind === 'GRANT' ? 'Gives rights.' : 'Takes rights.',
    name ? a.place(name.from, name.to) : null,
  );
  // Older servers make an account of one that is not there.
  if (outside(a, at, to, 'IDENTIFIED') < to) a.add('role', '', 'Changes how an account logs in.');
  return all ? 'REVOKE ALL' : kind;
}

function flush(a: Analyst): string {
  a.add('admin', '', 'Flushes caches, logs or rights of the server.');
  a.commits = true;
  return 'FLUSH';
}

function show(a: Analyst, at: number, to: number): string {
  a.rows_max = null;
  if (a.is(at + 1, 'HOLDPOINT')) return showOwn(a, at, to);
  let word = at + 1;
  while (SHOW_MODIFIERS.has(a.word(word))) word += 1;
  const what = a.word(word);
  const pair = `${what} ${a.word(word + 1)}`;
  const kind = SHOWN_PAIRS.has(pair) ? pair : what;
  // Names of objects stand before LIKE and WHERE.
  const filter = Math.min(outside(a, word, to, 'LIKE'), outside(a, word, to, 'WHERE'));
  walk(a, filter, to, { start: 'expression' });
  if (SHOWS_CHANGES.has(what) && outside(a, word, filter, 'EVENTS') < filter) {
    a.add('admin', '', 'Shows the log of changes.');
    a.add('export', '', 'Shows rows out of the log of changes.');
  } else if (SHOWN.has(what) || SHOWN_PAIRS.has(pair))
    a.add('read', '', 'Shows what the server says of itself or of objects.');
  else a.add('unknown', `show ${what.toLowerCase()}`, 'A kind of SHOW that Holdpoint does not know.');
  return `SHOW ${kind}`;
}
const SHOW_MODIFIERS: ReadonlySet<string> = new Set('FULL EXTENDED GLOBAL SESSION LOCAL STORAGE ALL'.split(' '));
/** With EVENTS; MariaDB may say in between which connection's. */
const SHOWS_CHANGES: ReadonlySet<string> = new Set(['BINLOG', 'RELAYLOG']);
const SHOWN: ReadonlySet<string> = new Set(
  (
    'TABLES TABLE COLUMNS FIELDS INDEX INDEXES KEYS DATABASES SCHEMAS VARIABLES STATUS WARNINGS ERRORS COUNT ENGINES ENGINE COLLATION ' +
    'CHARSET CHARACTER CHAR GRANTS PRIVILEGES PROCESSLIST PLUGINS TRIGGERS EVENTS OPEN PROFILES PROFILE FUNCTION PROCEDURE LIBRARY ' +
    'PACKAGE CREATE MASTER SLAVE SLAVES REPLICA REPLICAS BINARY BINLOG RELAYLOG PARSE_TREE CONTRIBUTORS AUTHORS EXPLAIN ANALYZE ' +
    'INDEX_STATISTICS TABLE_STATISTICS USER_STATISTICS CLIENT_STATISTICS LOCALES QUERY_RESPONSE_TIME WSREP_STATUS WSREP_MEMBERSHIP ' +
    'METADATA_LOCK_INFO GENERIC_REPLICATION'
  ).split(' '),
);
const SHOWN_PAIRS: ReadonlySet<string> = new Set([
  'BINARY LOGS',
  'BINARY LOG',
  'BINLOG EVENTS',
  'BINLOG STATUS',
  'CHARACTER SET',
  'CREATE DATABASE',
  'CREATE EVENT',
  'CREATE FUNCTION',
  'CREATE LIBRARY',
  'CREATE PACKAGE',
  'CREATE PROCEDURE',
  'CREATE SCHEMA',
  'CREATE SEQUENCE',
  'CREATE SERVER',
  'CREATE TABLE',
  'CREATE TRIGGER',
  'CREATE USER',
  'CREATE VIEW',
  'FUNCTION CODE',
  'FUNCTION STATUS',
  'LIBRARY STATUS',
  'MASTER LOGS',
  'MASTER STATUS',
  'OPEN TABLES',
  'PACKAGE STATUS',
  'PACKAGE BODY',
  'PROCEDURE CODE',
  'PROCEDURE STATUS',
  'RELAYLOG EVENTS',
  'REPLICA HOSTS',
  'REPLICA STATUS',
  'REPLICAS STATUS',
  'SLAVE HOSTS',
  'SLAVE STATUS',
  'SLAVES STATUS',
  'TABLE STATUS',
]);

/** SHOW HOLDPOINT REQUESTS, SHOW HOLDPOINT REQUEST '<id>': answered by Holdpoint. */
function showOwn(a: Analyst, at: number, to: number): string {
  const { statement } = a.found;
  const kind = 'SHOW HOLDPOINT';
  a.add('settings', 'holdpoint', 'Asks Holdpoint.');
  if (a.is(at + 2, 'REQUESTS') && to === at + 3) a.own.push({ op: 'show-requests', statement });
  else if (a.is(at + 2, 'REQUEST') && to === at + 4 && (a.kind(at + 3) === Kind.string || a.isName(at + 3)))
    a.own.push({ op: 'show-request', id: a.textOf(at + 3), statement });
  else a.add('unknown', '', "Written SHOW HOLDPOINT REQUESTS or SHOW HOLDPOINT REQUEST '<id>'.");
  return kind;
}

const install =
  (kind: string): Head =>
  (a) => {
    a.add('admin', '', 'Adds code to the server or takes it away.');
    a.commits = true;
    return kind;
  };

function startSomething(a: Analyst, at: number, to: number): string {
  if (a.is(at + 1, 'TRANSACTION')) return control('begin', 'START TRANSACTION')(a, at, to);
  if (a.is(at + 1, 'GROUP_REPLICATION')) return admin('START GROUP_REPLICATION', 'Starts replication.')(a, at, to);
  return admin('START REPLICA', 'Starts replication.')(a, at, to);
}

function clone(a: Analyst): string {
  a.add('admin', '', 'Copies the data of a whole server.');
  a.add('export', '', 'Copies the data of a whole server.');
  return 'CLONE';
}

function doExpressions(a: Analyst, at: number, to: number): string {
  walk(a, at + 1, to, { start: 'expression' });
  readsNothing(a);
  return 'DO';
}

function importTable(a: Analyst): string {
  a.add('ddl', '', 'Creates tables from files of the server.');
  a.add('admin', 'file', 'Reads a file of the server.');
  a.commits = true;
  return 'IMPORT TABLE';
}

function binlog(a: Analyst): string {
  a.add('admin', '', 'Applies encoded changes.');
  a.add('code', '', 'Applies encoded changes, which can not be read here.');
  return 'BINLOG';
}

function reset(a: Analyst, at: number, to: number): string {
  if (a.is(at + 1, 'PERSIST')) return admin('RESET PERSIST', 'Changes settings that the server keeps.')(a, at, to);
  a.commits = true;
  return admin('RESET', 'Resets logs, caches or replication of the server.')(a, at, to);
}

function change(a: Analyst, at: number, to: number): string {
  if (a.is(at + 1, 'REPLICATION', 'FILTER'))
    return admin('CHANGE REPLICATION FILTER', 'Changes replication.')(a, at, to);
  return admin('CHANGE REPLICATION SOURCE', 'Changes replication.')(a, at, to);
}

/** What a command of the protocol takes out of the server. */
function streams(kind: string, why: string): Head {
  return (a) => {
    a.add('export', '', why);
    a.rows_max = null;
    return kind;
  };
}
const LOG_OF_CHANGES = 'Sends the log of changes: rows of every database, those that are yet to be written, too.';

function refresh(a: Analyst): string {
  a.add('admin', '', 'Flushes caches, logs or rights of the server, or removes its logs of changes.');
  a.commits = true;
  return 'COM_REFRESH';
}

const HEADS: ReadonlyMap<string, Head> = new Map<string, Head>([
  ['SELECT', query],
  ['VALUES', query],
  ['TABLE', query],
  ['WITH', withQuery],
  ['INSERT', insert],
  ['REPLACE', insert],
  ['UPDATE', update],
  ['DELETE', remove],
  ['LOAD', load],
  ['IMPORT', importTable],
  ['CALL', call],
  ['DO', doExpressions],
  ['EXPLAIN', explain],
  ['DESCRIBE', explain],
  ['DESC', explain],
  ['ANALYZE', analyze],
  ['CHECK', tables('CHECK TABLE', (name, a) => a.reads(name, a.place(name.from, name.to)))],
  ['CHECKSUM', tables('CHECKSUM TABLE', (name, a) => a.reads(name, a.place(name.from, name.to)))],
  ['OPTIMIZE', tables('OPTIMIZE TABLE', (name, a) => rebuilds(a, name))],
  ['REPAIR', tables('REPAIR TABLE', (name, a) => rebuilds(a, name))],
  ['CACHE', admin('CACHE INDEX', 'Puts indexes into a cache of the server.')],
  ['SET', judgeSet],
  ['SHOW', show],
  ['HELP', fixed('HELP', 'read', "Shows the server's manual.")],
  ['USE', use],
  ['BEGIN', begin],
  ['START', startSomething],
  ['COMMIT', control('commit', 'COMMIT')],
  ['ROLLBACK', rollback],
  ['SAVEPOINT', control('savepoint', 'SAVEPOINT')],
  ['RELEASE', control('release', 'RELEASE SAVEPOINT')],
  ['XA', xa],
  ['LOCK', lock],
  [
    'UNLOCK',
    by(
      { INSTANCE: admin('UNLOCK INSTANCE', 'Unlocks the server.') },
      fixed('UNLOCK TABLES', 'transaction', 'Gives locks back.'),
    ),
  ],
  ['HANDLER', handler],
  ['PREPARE', judgePrepare],
  ['EXECUTE', by({ IMMEDIATE: judgeImmediate }, judgeExecute)],
  ['DEALLOCATE', judgeDeallocate],
  ['SIGNAL', fixed('SIGNAL', 'settings', 'Raises a condition.', true)],
  ['RESIGNAL', fixed('RESIGNAL', 'settings', 'Raises a condition.', true)],
  ['GET', fixed('GET DIAGNOSTICS', 'settings', 'Reads what the last statement said.', true)],
  ['CREATE', createOrAlter],
  ['ALTER', createOrAlter],
  ['DROP', by({ PREPARE: judgeDeallocate }, createOrAlter)],
  ['RENAME', rename],
  ['TRUNCATE', truncate],
  ['GRANT', grant],
  ['REVOKE', grant],
  ['KILL', kill],
  ['FLUSH', flush],
  ['RESET', reset],
  ['PURGE', admin('PURGE BINARY LOGS', 'Removes logs of changes.')],
  ['BINLOG', binlog],
  ['CHANGE', change],
  [
    'STOP',
    by(
      { GROUP_REPLICATION: admin('STOP GROUP_REPLICATION', 'Stops replication.') },
      admin('STOP REPLICA', 'Stops replication.'),
    ),
  ],
  ['INSTALL', by({ COMPONENT: install('INSTALL COMPONENT') }, install('INSTALL PLUGIN'))],
  ['UNINSTALL', by({ COMPONENT: install('UNINSTALL COMPONENT') }, install('UNINSTALL PLUGIN'))],
  ['CLONE', clone],
  ['SHUTDOWN', admin('SHUTDOWN', 'Stops the server.')],
  ['RESTART', admin('RESTART', 'Starts the server again.')],
  [
    'BACKUP',
    by(
      { STAGE: admin('BACKUP STAGE', 'Holds the server for a backup.') },
      admin('BACKUP LOCK', 'Locks a table for a backup.'),
    ),
  ],
  // Commands of the protocol, by their names (session/mysql/as-statement.ts); as a text the server takes none of them.
  ['COM_BINLOG_DUMP', streams('COM_BINLOG_DUMP', LOG_OF_CHANGES)],
  ['COM_BINLOG_DUMP_GTID', streams('COM_BINLOG_DUMP_GTID', LOG_OF_CHANGES)],
  ['COM_REGISTER_SLAVE', streams('COM_REGISTER_SLAVE', 'Announces a replica, which gets the rows of every database.')],
  ['COM_CLONE', streams('COM_CLONE', 'Copies the data of a whole server.')],
  ['COM_TABLE_DUMP', streams('COM_TABLE_DUMP', 'Copies a table.')],
  ['COM_SUBSCRIBE_GROUP_REPLICATION_STREAM', streams('COM_SUBSCRIBE_GROUP_REPLICATION_STREAM', LOG_OF_CHANGES)],
  ['COM_REFRESH', refresh],
  ['COM_DEBUG', admin('COM_DEBUG', 'Has the server write its state to its log.')],
  // MariaDB's statements with statements in them.
  ['IF', (a, at, to) => judgeBody(a, at, to, 'IF')],
  ['CASE', (a, at, to) => judgeBody(a, at, to, 'CASE')],
  ['LOOP', (a, at, to) => judgeBody(a, at, to, 'LOOP')],
  ['WHILE', (a, at, to) => judgeBody(a, at, to, 'WHILE')],
  ['REPEAT', (a, at, to) => judgeBody(a, at, to, 'REPEAT')],
  ['FOR', (a, at, to) => judgeBody(a, at, to, 'FOR')],
  ['DECLARE', (a, at, to) => judgeBody(a, at, to, 'BEGIN NOT ATOMIC')],
]);

function rebuilds(a: Analyst, name: Name): void {
  a.add('admin', a.object(name), 'Rebuilds a table.', a.place(name.from, name.to));
  a.commits = true;
}

/** Does a statement begin with this word, in capitals? */
export function isHead(word: string): boolean {
  return HEADS.has(word);
}
