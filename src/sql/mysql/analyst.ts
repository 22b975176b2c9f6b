// The analysis of one text under one set of lexical rules: its tokens, what was found of it, and the words that the tables
// (statements.ts, set.ts, relations.ts) use to look at tokens. Tokens are named by their index; a range is half-open.
import type { Action, Analysis, Effect, OwnStatement } from '../findings.ts';
import type { Verb } from './behind.ts';
import { decoded } from './charsets.ts';
import type { MysqlContext } from './context.ts';
import type { Found } from './found.ts';
import { classOf } from './functions.ts';
import { Kind, type Lexer, unquote } from './lexer.ts';
import { MODE } from './modes.ts';
import { capitals, isAscii, lowered } from './names.ts';
import { isLoadable, lookBehind, lookInto, spelled, SYSTEM } from './resolve.ts';

/** A name of a table or another object, as written. */
export interface Name {
  /** Null: not qualified. */
  readonly database: string | null;
  readonly name: string;
  /** Its tokens. */
  readonly from: number;
  readonly to: number;
}

/** Half-open byte range; null: where the statement begins. */
export type Place = readonly [number, number] | null;

/** What a statement changes for those that follow it in the message. */
export interface Changes {
  /** New bits of sql_mode; null: can't be told; undefined: unchanged. */
  mode?: number | null;
  charset?: string | null;
  database?: string | null | undefined;
  sets_database?: true;
}

export class Analyst {
  readonly context: MysqlContext;
  readonly found: Found;
  readonly lexer: Lexer;
  readonly text: string;
  readonly effects: Effect[];
  readonly own: OwnStatement[];
  /** Current database; null: none; undefined: unknown. */
  readonly database: string | null | undefined;
  /** Analyses of statements that this message has prepared; null: taken back. */
  readonly prepared: Map<string, Analysis | null | undefined>;
  /** What the statement under way changes. */
  changes: Changes = {};
  /** Inside of a body, where names may be variables and NEW or OLD a row. */
  in_body = false;
  /** A statement under way sets sql_mode for itself alone: texts in literals are read under another one than it is. */
  own_mode = false;
  /** Inside of EXPLAIN: what writes is only planned. */
  planned = false;
  /** How many texts inside of literals this one is in. */
  readonly depth: number;
  /** How many statements the one under way is in. */
  nesting = 0;
  /** The statement under way ends a transaction that was open. */
  commits = false;
  /** It is transaction control and nothing else. */
  controls = false;
  /** It sets a character set that texts can't be read in. */
  refuses_charset = false;
  /** And one in which no client may speak; '' for none. */
  hiding_charset = '';
  /** Most rows that the statement under way returns. */
  rows_max: number | null = 0;

  constructor(
    context: MysqlContext,
    found: Found,
    lexer: Lexer,
    shared: Pick<Analyst, 'effects' | 'own' | 'prepared' | 'database' | 'depth'>,
  ) {
    this.context = context;
    this.found = found;
    this.lexer = lexer;
    this.text = lexer.text;
    this.effects = shared.effects;
    this.own = shared.own;
    this.prepared = shared.prepared;
    this.database = shared.database;
    this.depth = shared.depth;
  }

  get escapes(): boolean {
    return !(this.lexer.rules.mode & MODE.no_backslash_escapes);
  }

  /** What texts in literals are read under when they run: sql_mode and character set. Null: it can't be told, for loops and handlers. */
  get rules_of_texts(): string | null {
    const { mode, reading } = this.lexer.rules;
    return this.in_body || this.own_mode ? null : `${mode} ${reading}`;
  }

  // Looking at tokens.

  kind(at: number): Kind {
    return this.lexer.kinds[at] ?? Kind.end;
  }

  /** The capitals of an unquoted word that is no part of a dotted name; '' else. */
  word(at: number): string {
    return this.lexer.words[at] ?? '';
  }

  is(at: number, ...words: readonly string[]): boolean {
    for (let i = 0; i < words.length; i += 1) if (this.lexer.words[at + i] !== words[i]) return false;
    return true;
  }

  /** Is the token this single character? */
  isChar(at: number, char: string): boolean {
    const kind = this.lexer.kinds[at];
    return kind === Kind.operator && this.text.charCodeAt(this.lexer.starts[at]!) === char.charCodeAt(0);
  }

  isName(at: number): boolean {
    const kind = this.lexer.kinds[at];
    return kind === Kind.word || kind === Kind.quoted;
  }

  isEquals(at: number): boolean {
    return this.lexer.kinds[at] === Kind.assign || this.isChar(at, '=');
  }

  /** The bytes of a token, latin1. */
  raw(at: number): string {
    return this.text.slice(this.lexer.starts[at], this.lexer.ends[at]);
  }

  /** A name's or literal's own text. */
  textOf(at: number): string {
    const bytes = this.bytesOf(at);
    if (isAscii(bytes)) return bytes;
    const text = decoded(bytes, this.lexer.rules.reading);
    // Its names are of characters of three bytes at most.
    return this.context.engine === 'mysql' && this.isName(at) ? text.replace(/[\u{10000}-\u{10ffff}]/gu, '?') : text;
  }

  /** The same, as bytes (latin1). */
  bytesOf(at: number): string {
    const { kinds, starts, ends } = this.lexer;
    const kind = kinds[at];
    let start = starts[at]!;
    const end = ends[at]!;
    if (kind === Kind.variable) start += 1;
    const first = this.text.charCodeAt(start);
    const quoted = kind === Kind.quoted || kind === Kind.string || (kind === Kind.variable && QUOTES.has(first));
    return quoted ? unquote(this.text, start, end, kind !== Kind.quoted && this.escapes) : this.text.slice(start, end);
  }

  /** The place of a range of tokens. */
  place(from: number, to: number): readonly [number, number] {
    const { starts, ends } = this.lexer;
    return [starts[from] ?? this.found.start, ends[Math.max(from, to - 1)] ?? this.found.end];
  }

  /** The matching parenthesis of the one here; `to` where there is none. */
  closing(at: number, to: number): number {
    let depth = 0;
    for (let i = at; i < to; i += 1) {
      if (this.isChar(i, '(')) depth += 1;
      else if (this.isChar(i, ')') && (depth -= 1) === 0) return i;
    }
    return to;
  }

  /** Reads `name`, `database.name` or MariaDB's `.name`; null where none stands here. */
  name(at: number, to: number): Name | null {
    const leading = this.isChar(at, '.');
    const first = leading ? at + 1 : at;
    if (first >= to || !this.isName(first)) return null;
    if (!leading && first + 2 < to && this.isChar(first + 1, '.') && this.isName(first + 2))
      return { database: this.textOf(first), name: this.textOf(first + 2), from: at, to: first + 3 };
    return { database: null, name: this.textOf(first), from: at, to: first + 1 };
  }

  // What is found.

  add(action: Action, object: string, why: string, at: readonly [number, number] | null = null): void {
    this.found.add(action, object, why, at);
  }

  unresolved(action: Action, object: string, why: string, at: readonly [number, number] | null = null): void {
    this.found.add(action, object, why, at, true);
  }

  /** `database.name` as the server resolves it; as written where the current database is not known. */
  object({ database, name }: Pick<Name, 'database' | 'name'>): string {
    const of = database ?? this.database;
    if (of === null || of === undefined) return name;
    const lower = of.toLowerCase();
    return SYSTEM.has(lower) ? `${lower}.${lowered(name)}` : spelled(this, of, name);
  }

  reads(name: Pick<Name, 'database' | 'name'>, at: Place): void {
    const object = this.object(name);
    this.found.reads.add(object);
    if (!object.startsWith('information_schema.') && !object.startsWith('performance_schema.'))
      this.found.reads_user_relation = true;
    const unknown = name.database === null && this.database === undefined;
    if (unknown) this.unresolved('read', object, 'Reads a table of a database that is not known here.', at);
    else this.add('read', object, ACCOUNTS.test(object) ? "Reads the server's own accounts." : 'Reads a table.', at);
    lookBehind(this, 'read', name, READ, at);
  }

  /** verbs: what is done to its rows; none where that fires no triggers and moves no rows of others. */
  writes(name: Pick<Name, 'database' | 'name'>, why: string, at: Place, verbs: readonly Verb[]): void {
    if (this.planned) return this.reads(name, at);
    const object = this.object(name);
    this.found.writes.add(object);
    if (verbs.length > 0 && !this.isTemporary(name) && !this.found.made.has(object)) this.found.changes_rows = true;
    if (name.database === null && this.database === undefined)
      this.unresolved('write', object, 'Writes a table of a database that is not known here.', at);
    else this.add('write', object, why, at);
    this.guard(object, at);
    lookBehind(this, 'write', name, verbs, at);
  }

  /** A definition changes what names mean for those who come later: this one's, or (null) any. */
  redefines(object: string | null): void {
    const { found } = this;
    found.changes_catalog = true;
    if (object === null) found.created.clear();
    else found.created.delete(object);
    if (this.in_body) found.doubted = true;
  }

  /** Certainly a temporary table of the session. In a body nothing is certain. */
  isTemporary({ database, name }: Pick<Name, 'database' | 'name'>): boolean {
    const table = this.#tableOf(database, name);
    return table !== null && !this.in_body && this.found.temporaries.has(table);
  }

  #tableOf(database: string | null, name: string): string | null {
    const of = database ?? this.database;
    return of === null || of === undefined ? null : `${of}\0${name}`;
  }

  /** A temporary table is there now, or is gone: one of this name, if there was one. */
  temporary(op: 'made' | 'gone', name: Pick<Name, 'database' | 'name'>): void {
    const table = this.#tableOf(name.database, name.name);
    // Those who keep it in mind know small letters of single characters alone.
    if (this.in_body || table === null || lowered(table) !== table.toLowerCase()) this.found.forgetTemporary();
    else this.found.temporaries.change(op, table);
    if (op === 'made') this.found.made.add(this.object(name));
  }

  /** What a change of one of the server's own tables means besides. */
  guard(object: string, at: readonly [number, number] | null): void {
    const schema = object.slice(0, object.indexOf('.'));
    if (!GUARDED.has(schema)) return;
    this.add('admin', object, "Changes the server's own tables.", at);
    if (ACCOUNTS.test(object)) this.add('role', object, "Changes the server's own accounts.", at);
  }

  /** A call, from its name on: findings for what it does. */
  call(name: Name, quoted: boolean, apart: boolean): void {
    const at = this.place(name.from, name.to);
    if (name.database !== null) return this.userFunction(name, at);
    const upper = capitals(name.name);
    const is = classOf(upper, quoted, apart, this.context);
    if (is === 'word') return;
    if (is === null) return this.userFunction(name, at);
    const bare = upper.toLowerCase();
    this.found.functions.add(bare);
    if (is === 'plain') return;
    if (is === 'folds') this.found.folds = true;
    else if (is === 'file') this.add('admin', 'file', 'Reads a file of the server.', at);
    else if (is === 'sequence') this.add('write', bare, 'Changes a sequence.', at);
    else this.add('admin', bare, 'Changes the server.', at);
  }

  userFunction(name: Name, at: Place): void {
    const loadable = isLoadable(this, name);
    if (!loadable && lookInto(this, name, null, 'FUNCTION', at)) return;
    const object = this.object(name);
    this.found.functions.add(object);
    const why = loadable ? 'Calls a function of a shared library.' : 'Calls a function that is not built in.';
    this.opaque(object, why, at);
  }

  /** Code of which nothing is known. */
  opaque(object: string, why: string, at: Place): void {
    this.found.user_code = true;
    this.unresolved('code', object, why, at);
    this.found.changes_catalog = true;
    this.found.forgetTemporary();
    this.forget();
  }

  // Effects.

  effect(effect: Effect): void {
    if (this.in_body) this.found.changes_session = true;
    else if (!this.planned) this.effects.push(effect);
    // Who follows the server's word reads the text for it.
    if (effect.type === 'set' && effect.name.startsWith(TRACKING) && !this.text.toLowerCase().includes(TRACKING))
      this.forget();
  }

  set(name: string, value: string | null | undefined): void {
    this.effect({ type: 'set', name, value, local: false, statement: this.found.statement });
  }

  /** Notes that what the session knows can't be told from here on. */
  forget(): void {
    const last = this.effects.at(-1);
    if (last?.type !== 'unknown' || last.statement !== this.found.statement)
      this.effect({ type: 'unknown', statement: this.found.statement });
  }
}

const READ = ['read'] as const;
/** What the server tells unasked is set by variables of such names. */
const TRACKING = 'session_track';

const QUOTES: ReadonlySet<number> = new Set([0x27, 0x22, 0x60]);

/** Databases of the server whose tables guard or steer it. */
const GUARDED: ReadonlySet<string> = new Set(['mysql', 'performance_schema', 'sys']);
const ACCOUNTS =
  /^mysql\.(user|global_priv|db|tables_priv|columns_priv|procs_priv|proxies_priv|roles_mapping|role_edges|default_roles|global_grants|password_history|host)$/;
