// CREATE, ALTER and DROP: what is defined, by the word that names its kind, and what its definition reads or runs.
import type { Analyst, Name } from './analyst.ts';
import { bodyOf, judgeBody } from './compound.ts';
import { Kind } from './lexer.ts';
import { walk } from './relations.ts';
import { keepsHere } from './settings.ts';
import { isNobodys, lookAtEvent, spelledRoutine } from './resolve.ts';
import { namesOf, notUnderstood } from './statements.ts';

/** at: the word for what is defined; from: CREATE, ALTER or DROP. */
type Definition = (a: Analyst, from: number, at: number, to: number) => string;

/** Judges CREATE, ALTER and DROP; at: that word. */
export function createOrAlter(a: Analyst, at: number, to: number): string {
  a.commits = true;
  const what = definedAt(a, at + 1, to);
  const definition = what < to ? DEFINITIONS[a.word(what)] : undefined;
  if (!definition) return notUnderstood(a, at, to, a.word(at));
  const kind = definition(a, at, what, to);
  a.rows_max = 0;
  return kind;
}

/** Where the kind of what is defined stands: behind OR REPLACE, DEFINER, ALGORITHM and the like. */
function definedAt(a: Analyst, at: number, to: number): number {
  for (let i = at; i < to; i += 1) {
    if (a.isChar(i, '(') && !a.isChar(i + 1, ')')) return to;
    const word = a.word(i);
    if (DEFINITIONS[word] !== undefined && !a.isChar(i - 1, '=')) return i;
  }
  return to;
}

/** Behind IF [NOT] EXISTS, where it stands. */
function afterIf(a: Analyst, at: number): number {
  if (a.is(at, 'IF', 'NOT', 'EXISTS')) return at + 3;
  return a.is(at, 'IF', 'EXISTS') ? at + 2 : at;
}

function define(a: Analyst, object: string, why: string, name: Name | null): void {
  a.redefines(object);
  a.add('ddl', object, why, name ? a.place(name.from, name.to) : null);
  a.guard(object, null);
}

const VERBS: Readonly<Record<string, string>> = { CREATE: 'Creates', ALTER: 'Alters', DROP: 'Drops' };

/** Something with one name, or a list of them. */
function simple(words: string, noun: string): Definition {
  return (a, from, at, to) => {
    const verb = a.word(from);
    const why = `${VERBS[verb]} ${noun}.`;
    const start = afterIf(a, at + 1);
    const first = a.name(start, to);
    if (verb === 'DROP' && first) namesOf(a, start, to, (name) => define(a, a.object(name), why, name));
    else define(a, first ? a.object(first) : '', why, first);
    return `${verb} ${words}`;
  };
}

/** Something that belongs to the server as a whole. */
function ofServer(words: string, why: string, ddl = true): Definition {
  return (a, from, at, to) => {
    const name = a.name(afterIf(a, at + 1), to);
    if (ddl) a.add('ddl', name?.name ?? '', why);
    a.add('admin', name?.name ?? '', why);
    return `${a.word(from)} ${words}`;
  };
}

function table(a: Analyst, from: number, at: number, to: number): string {
  const verb = a.word(from);
  const temporary = isTemporary(a, from, at);
  const kind = `${verb} TABLE`;
  const why = `${VERBS[verb]} a table.`;
  const own = (name: Name): void =>
    a.writes(name, `${VERBS[verb]} a table of the session's own.`, a.place(name.from, name.to), []);
  if (temporary) a.commits = false;
  const start = afterIf(a, at + 1);
  if (verb === 'DROP') {
    namesOf(a, start, to, (name) => {
      if (temporary || a.isTemporary(name)) own(name);
      // IF EXISTS. If at all, it is one of the session's own.
      else if (start > at + 1 && isNobodys(a, name))
        a.add('read', '', 'Drops nothing: there is no table of that name.');
      else define(a, a.object(name), why, name);
      a.temporary('gone', name);
    });
    return kind;
  }
  const name = a.name(start, to);
  if (!name) return notUnderstood(a, from, to, kind);
  if (verb === 'ALTER') {
    if (a.isTemporary(name) && !movesTable(a, name.to, to)) {
      own(name);
      options(a, name.to, to, true);
    } else {
      define(a, a.object(name), why, name);
      a.temporary('gone', name);
    }
    alterTable(a, name.to, to);
    return kind;
  }
  if (temporary) {
    a.temporary('made', name);
    own(name);
    options(a, name.to, to, false);
  } else {
    define(a, a.object(name), why, name);
    a.found.created.add(a.object(name));
  }
  rowsOf(a, name.to, to);
  return kind;
}

/** ALTER TABLE that gives it another name, or changes places with another one. */
function movesTable(a: Analyst, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1)
    if (a.is(at, 'RENAME') || a.is(at, 'EXCHANGE') || a.is(at, 'CONVERT') || a.is(at, 'TABLESPACE')) return true;
  return false;
}

/** Where the rows of a session's own table are kept: elsewhere, they can be anybody's. */
function options(a: Analyst, from: number, to: number, alters: boolean): void {
  let depth = 0;
  for (let at = from; at < to; at += 1) {
    if (a.isChar(at, '(')) depth += 1;
    else if (a.isChar(at, ')')) depth -= 1;
    if (depth > 0) continue;
    const word = a.word(at);
    if (!alters && (word === 'SELECT' || word === 'AS')) return;
    if (alters && BEFORE_COLUMN.has(a.word(at - 1))) continue;
    const value = a.isChar(at + 1, '=') ? at + 2 : at + 1;
    const elsewhere =
      word === 'ENGINE' ? !keepsHere(a.textOf(value)) : ELSEWHERE.has(word) && a.kind(value) === Kind.string;
    if (elsewhere) a.add('admin', 'file', 'A table whose rows are kept elsewhere.', a.place(at, value + 1));
  }
}
const ELSEWHERE: ReadonlySet<string> = new Set(['CONNECTION', 'DIRECTORY']);
const BEFORE_COLUMN: ReadonlySet<string> = new Set('ADD COLUMN CHANGE MODIFY ALTER DROP RENAME AFTER BY TO'.split(' '));

function isTemporary(a: Analyst, from: number, at: number): boolean {
  for (let i = from; i < at; i += 1) if (a.is(i, 'TEMPORARY')) return true;
  return false;
}

/** CREATE TABLE ... SELECT: the query that its rows come from. */
function rowsOf(a: Analyst, from: number, to: number): void {
  for (let at = from; at < to; at += 1) {
    const word = a.word(at);
    const begins =
      word === 'SELECT' || ((word === 'WITH' || word === 'VALUES' || word === 'TABLE') && startsQuery(a, at));
    if (!begins) continue;
    // The parentheses around it belong to it.
    let start = at;
    while (a.isChar(start - 1, '(')) start -= 1;
    walk(a, start, to, { start: 'query' });
    return;
  }
}

/** Of PARTITION ... VALUES, WITH PARSER and the like, what is a query. */
function startsQuery(a: Analyst, at: number): boolean {
  if (a.is(at, 'VALUES'))
    return a.is(at + 1, 'ROW') || (a.isChar(at + 1, '(') && (a.is(at - 1, 'AS') || a.isChar(at - 1, ')')));
  if (a.is(at, 'TABLE')) return a.is(at - 1, 'AS') || a.isChar(at - 1, '(');
  return !(a.is(at + 1, 'PARSER') || a.is(at + 1, 'SYSTEM') || a.is(at + 1, 'VALIDATION'));
}

function alterTable(a: Analyst, from: number, to: number): void {
  for (let at = from; at < to; at += 1) {
    if (a.is(at, 'IMPORT', 'TABLESPACE') || a.is(at, 'DISCARD', 'TABLESPACE'))
      a.add('admin', 'file', 'Takes a table from files of the server, or gives it up.', a.place(at, at + 2));
    else if (a.is(at, 'WITH', 'TABLE') || a.is(at, 'RENAME', 'TO') || a.is(at, 'RENAME', 'AS')) also(a, at + 2, to);
    else if (a.is(at, 'CONVERT', 'TABLE')) also(a, at + 2, to);
    else if (a.is(at, 'TO', 'TABLE')) also(a, at + 2, to);
  }
}

/** Another table that the statement changes. */
function also(a: Analyst, at: number, to: number): void {
  const name = a.name(at, to);
  if (name) define(a, a.object(name), 'Alters a table.', name);
}

function index(a: Analyst, from: number, at: number, to: number): string {
  let on = at + 1;
  while (on < to && !a.is(on, 'ON')) on += 1;
  const name = a.name(on + 1, to);
  if (!name) return notUnderstood(a, from, to, `${a.word(from)} INDEX`);
  const why = `${VERBS[a.word(from)]} an index of a table.`;
  if (a.isTemporary(name)) a.writes(name, why, a.place(name.from, name.to), []);
  else define(a, a.object(name), why, name);
  return `${a.word(from)} INDEX`;
}

function view(a: Analyst, from: number, at: number, to: number): string {
  simple('VIEW', 'a view')(a, from, at, to);
  const name = a.name(afterIf(a, at + 1), to);
  if (a.word(from) === 'DROP' || !name) return `${a.word(from)} VIEW`;
  let as = name.to;
  while (as < to && !a.is(as, 'AS')) as += 1;
  walk(a, as + 1, to, { start: 'query' });
  return `${a.word(from)} VIEW`;
}

function account(words: string): Definition {
  return (a, from) => {
    a.add('role', '', `${VERBS[a.word(from)]} an account or a role.`);
    return `${a.word(from)} ${words}`;
  };
}

/** A routine, trigger or event: its body counts as if it ran. */
function withBody(words: string, noun: string): Definition {
  return (a, from, at, to) => {
    const verb = a.word(from);
    const start = afterIf(a, at + 1);
    const name = a.name(a.is(start, 'BODY') ? start + 1 : start, to);
    const object = name && ROUTINES.has(words) ? spelledRoutine(a, name) : name ? a.object(name) : '';
    define(a, object, `${VERBS[verb]} ${noun}.`, name);
    const kind = `${verb} ${words}`;
    if (verb === 'DROP' || !name) return kind;
    if (words === 'FUNCTION' && isShared(a, name.to, to)) return shared(a, name, verb);
    if (words === 'TRIGGER') onTable(a, name.to, to);
    const body = bodyOf(a.lexer, words.split(' ')[0]!, at + 1);
    if (body !== null && body < to) judgeBody(a, body, to, '');
    else if (kind === 'ALTER EVENT') lookAtEvent(a, name, a.place(name.from, name.to));
    else if (inOtherLanguage(a, name.to, to))
      a.add('code', a.object(name), 'Its body is in a language that can not be read here.');
    walkHead(a, name.to, body ?? to);
    a.rows_max = 0;
    return kind;
  };
}

/** The catalog has them by name. */
const ROUTINES: ReadonlySet<string> = new Set(['PROCEDURE', 'FUNCTION', 'PACKAGE']);

/** Expressions before the body: an event's schedule, defaults. */
function walkHead(a: Analyst, from: number, to: number): void {
  let as = from;
  while (as < to && !a.is(as, 'SCHEDULE')) as += 1;
  if (as < to) walk(a, as + 1, to, { start: 'expression' });
}

function onTable(a: Analyst, from: number, to: number): void {
  for (let at = from; at < to; at += 1) {
    if (!a.is(at, 'ON')) continue;
    const name = a.name(at + 1, to);
    if (name) define(a, a.object(name), 'Creates a trigger of a table.', name);
    return;
  }
}

function isShared(a: Analyst, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if (a.is(at, 'SONAME')) return true;
  return false;
}

function shared(a: Analyst, name: Name, verb: string): string {
  a.add('admin', name.name, 'Loads a shared library into the server.');
  a.add('code', name.name, 'Loads a shared library into the server.');
  return `${verb} FUNCTION SONAME`;
}

function inOtherLanguage(a: Analyst, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1)
    if ((a.is(at, 'LANGUAGE') && !a.is(at + 1, 'SQL')) || a.kind(at) === Kind.dollar) return true;
  return false;
}

function instance(a: Analyst): string {
  a.add('admin', '', 'Changes the server.');
  return 'ALTER INSTANCE';
}

function library(a: Analyst, from: number, at: number, to: number): string {
  const kind = simple('LIBRARY', 'a library of code')(a, from, at, to);
  if (a.word(from) !== 'DROP') a.add('code', '', 'Holds code that can not be read here.');
  return kind;
}

/** Of words that name a kind only with the next one. */
function pair(second: string, then: Definition): Definition {
  return (a, from, at, to) =>
    a.is(at + 1, second) ? then(a, from, at + 1, to) : notUnderstood(a, from, to, a.word(from));
}

const DEFINITIONS: Readonly<Record<string, Definition>> = Object.assign(
  Object.create(null) as Record<string, Definition>,
  {
    TABLE: table,
    TABLES: table,
    VIEW: view,
    INDEX: index,
    DATABASE: database,
    SCHEMA: database,
    USER: account('USER'),
    ROLE: account('ROLE'),
    PROCEDURE: withBody('PROCEDURE', 'a stored procedure'),
    FUNCTION: withBody('FUNCTION', 'a stored function'),
    TRIGGER: withBody('TRIGGER', 'a trigger'),
    EVENT: withBody('EVENT', 'an event that runs by itself'),
    PACKAGE: withBody('PACKAGE', 'a package of routines'),
    SEQUENCE: simple('SEQUENCE', 'a sequence'),
    SERVER: ofServer('SERVER', 'Says how another server is reached.'),
    TABLESPACE: ofServer('TABLESPACE', 'Changes files that tables are kept in.'),
    LOGFILE: pair('GROUP', ofServer('LOGFILE GROUP', 'Changes files that the server keeps.')),
    RESOURCE: pair('GROUP', ofServer('RESOURCE GROUP', 'Changes a group of threads of the server.', false)),
    REFERENCE: pair('SYSTEM', simple('SPATIAL REFERENCE SYSTEM', 'a spatial reference system')),
    INSTANCE: instance,
    LIBRARY: library,
  } satisfies Record<string, Definition>,
);

function database(a: Analyst, from: number, at: number, to: number): string {
  const name = a.name(afterIf(a, at + 1), to);
  a.redefines(null);
  a.add('ddl', name?.name ?? '', `${VERBS[a.word(from)]} a database.`, name ? a.place(name.from, name.to) : null);
  return `${a.word(from)} DATABASE`;
}
