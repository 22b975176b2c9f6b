// From a parse tree to an Analysis: walks every node with an explicit stack, asks the two tables (statements.ts, expressions.ts)
// what each means, and keeps what statements of the same message change for those that follow.
// A node or field that the grammar or the tables lack becomes an `unknown` finding; nothing is skipped in silence.
import type {
  Action,
  Analysis,
  AnalysisContext,
  AnalysisError,
  Effect,
  Finding,
  OwnStatement,
  StatementFacts,
} from '../findings.ts';
import { type Behind, behindFunction, behindRelation, behindType, isHarmless, type Verb } from './behind.ts';
import { Catalog } from './catalog/catalog.ts';
import type { FunctionReference, FunctionRow, RelationRow, TypeRow } from './catalog/rows.ts';
import { cursorOf, rowsMax } from './bounds.ts';
import { EXPRESSIONS } from './expressions.ts';
import {
  FOLDING_AGGREGATES,
  FUNCTION_CLASSES,
  type FunctionClassName,
  functionClass,
  functionName,
} from './functions.ts';
import { GRAMMAR } from './generated/grammar.ts';
import { blank, hasNewerNumbers, nameEnd, shape, shiftPosition } from './lexer.ts';
import {
  IDENTIFIER_BYTES_MAX,
  isBuiltIn,
  parseSearchPath,
  qualified,
  quoteIdentifier,
  type SearchPath,
} from './names.ts';
import type { ParseOutcome, Parser, RawStatement, Tree } from './parser.ts';
import { STATEMENTS } from './statements.ts';
import { OWN_HELP, OWN_SETTINGS, Refusal, strings, textOf, unwrap } from './tree.ts';

/** Longest text that is analysed, in bytes; a longer one is refused with 54000. */
export const STATEMENT_BYTES_MAX = 1024 * 1024;
/** Most findings kept of one message; beyond it the message is refused with 54000. */
export const FINDINGS_MAX = 10_000;

/** CTE names in reach, innermost first. */
export interface Scope {
  readonly name: string;
  readonly outer: Scope | null;
}

export interface Frame {
  readonly kind: string;
  readonly node: Tree;
  readonly scope: Scope | null;
  /** Relations named here are not read: the statement defines or names objects. */
  readonly defines: boolean;
  /** EXPLAIN without ANALYZE, a view's or rule's query: planned, not run. */
  readonly planned: boolean;
  /** A cursor's query: run by FETCH or COMMIT. */
  readonly later: boolean;
}

/** What a table row does with its node. */
export type Visit = (analyst: Analyst, node: Tree, frame: Frame) => void;

/** Analyses one message. Text: UTF-8 bytes as latin1. Needs a ready parser. */
export function analyseText(parser: Parser, text: string, context: AnalysisContext): Analysis {
  const unreadable = checkBytes(text);
  if (unreadable) return refusedAnalysis(text, unreadable, null);
  const blanked = blank(text);
  if (blanked.joins_strings) return refusedAnalysis(text, BETWEEN_STRINGS, blanked.reason);
  const parsed = parser.parse(blanked.text);
  if (!parsed.ok) return refusedAnalysis(text, parseError(parsed, blanked.position_shift), blanked.reason);
  const analyst = new Analyst(parser, blanked.text, context);
  try {
    analyst.run(parsed.statements);
  } catch (refusal) {
    if (refusal instanceof Refusal)
      return { ...refusedAnalysis(text, refusal.error, blanked.reason), session_bound: analyst.session_bound };
    throw refusal;
  }
  const changed = blanked.text !== text || analyst.own.length > 0;
  return analyst.result({
    forward: changed ? analyst.forward() : null,
    position_shift: blanked.position_shift,
    shape: shape(text),
    reason: blanked.reason,
  });
}

/** Analyses a FunctionCall message. Its arguments are not looked at, so that set_config is code too. */
export function analyseCall(parser: Parser, oid: number, context: AnalysisContext): Analysis {
  const analyst = new Analyst(parser, '', context);
  const name = functionName(oid);
  const object = analyst.callsByOid(oid, name);
  return { ...analyst.result({ forward: null, position_shift: [], shape: `FunctionCall ${object}`, reason: null }) };
}

/** Analyses the input of parameters, whose types (oids) users made. Null: it runs nothing but code that is known. */
export function analyseTypes(parser: Parser, types: readonly number[], context: AnalysisContext): Analysis | null {
  const analyst = new Analyst(parser, '', context);
  analyst.parametersOf(types);
  return analyst.findings.length === 0 ? null : analyst.result(NO_TEXT);
}

const NO_TEXT = { forward: null, position_shift: [], shape: '', reason: null };

const BETWEEN_STRINGS: AnalysisError = {
  sqlstate: '42601',
  message: 'a block comment between two string literals is not accepted',
  position: 0,
};

function parseError(parsed: ParseOutcome & { ok: false }, shift: Parameters<typeof shiftPosition>[1]): AnalysisError {
  const position = parsed.position === 0 ? 0 : shiftPosition(parsed.position, shift);
  return { sqlstate: parsed.sqlstate, message: parsed.message, position };
}

// oxlint-disable-next-line no-control-regex
const ASCII_WITHOUT_NUL = /^[\x01-\x7f]*$/;

/** NUL, invalid UTF-8 and over-long texts, as the server words them. Null: none of these. */
export function checkBytes(text: string): AnalysisError | null {
  if (text.length > STATEMENT_BYTES_MAX) {
    return { sqlstate: '54000', message: `statement longer than ${STATEMENT_BYTES_MAX} bytes`, position: 0 };
  }
  if (ASCII_WITHOUT_NUL.test(text)) return null;
  if (text.includes('\0')) return { sqlstate: '42601', message: 'statement contains a NUL byte', position: 0 };
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.equals(Buffer.from(bytes.toString('utf8'), 'utf8'))) return null;
  return { sqlstate: '22021', message: 'invalid byte sequence for encoding "UTF8"', position: 0 };
}

/** An Analysis that says only why there is none. */
export function refusedAnalysis(text: string, error: AnalysisError, reason: string | null): Analysis {
  return {
    statements: [],
    findings: [],
    reads: [],
    writes: [],
    functions: [],
    effects: [],
    own: [],
    forward: null,
    position_shift: [],
    shape: error.sqlstate === '22021' ? '' : shape(text.slice(0, 2 * STATEMENT_BYTES_MAX)),
    reason,
    session_bound: false,
    error,
  };
}

/** What names resolve against: known, or null after something that the text can't tell. */
type Path = SearchPath | null;

/** A relation's name, and what else it may be. */
interface ResolvedRelation {
  readonly name: string;
  readonly unresolved: boolean;
  readonly temporary: boolean;
  /** Its name in later schemas of the path, should the first not have it, or not be the role's to use. */
  readonly perhaps: readonly string[];
  /** Of the catalog: what it is, and what it may be. */
  readonly rows: readonly RelationRow[];
}
const RESOLVED: Omit<ResolvedRelation, 'name'> = { unresolved: false, temporary: false, perhaps: [], rows: [] };

export class Analyst {
  readonly parser: Parser;
  readonly text: string;
  readonly context: AnalysisContext;
  readonly findings: Finding[] = [];
  readonly effects: Effect[] = [];
  readonly own: OwnStatement[] = [];
  /** Index of the statement under way. */
  statement = 0;
  /** Facts of the statement under way. */
  writes_all_rows = false;
  folds_rows = false;
  copy_in = false;
  hidden_writes = false;
  session_bound = false;
  /** Rows are changed, other than of temporary tables. */
  changes_rows = false;
  /** Code that users made may run. */
  user_code = false;
  /** Of objects that call each other, the rest counts further up. */
  cut = false;
  /** Names of transition tables, where this is a trigger's function. */
  locals: readonly string[] = [];
  /** Functions called that run with the rights of their owner, and who that is. */
  readonly definers = new Map<string, string>();
  /** Relations that this message has created as temporary ones. */
  readonly #temporary = new Set<string>();
  /** And views among them. */
  readonly #views = new Set<string>();
  readonly #statements: StatementFacts[] = [];
  readonly #reads = new Set<string>();
  readonly #writes = new Set<string>();
  readonly #functions = new Set<string>();
  readonly #prepared = new Map<string, Analysis>();
  /** Code of an earlier statement of this text may have prepared other statements than the session knows. */
  #names_doubted = false;
  /** Null: none, or an earlier statement of this text has changed it. */
  #catalog: Catalog | null;
  /** search_path that bodies of functions called here run under; null: unknown. */
  #body_path: string | null;
  readonly #stack: Frame[] = [];
  readonly #seen = new Set<string>();
  #own_ranges: (readonly [number, number])[] = [];
  #path: Path;
  #path_text: string | null;
  /** What the statement under way makes of the path for those that follow; null: nothing. */
  #next_path: { readonly text: string | null } | null = null;
  #forgets = false;
  #path_used = false;
  /** It ends with the transaction. */
  #path_local = false;
  /** It was changed in the open transaction, as far as that is known. */
  #path_changed = false;
  /** What the catalog says of temporary objects, or of names that are not there, may not be so any more. */
  #doubted = false;
  /** Rows that the statement of EXECUTE can return; null: any number; undefined: it is none. */
  #executed: number | null | undefined;
  /** The statement under way defines something. */
  #defined = false;
  #blind: boolean;
  /** The statement under way takes back what the catalog shows. */
  #takes_back = false;
  #missing = false;
  #start = 0;
  #changed: NonNullable<Analysis['changes_catalog']> | null = null;
  #end = 0;
  #plain_call: Tree | null = null;
  #setting_call: readonly [call: Tree, name: string] | null = null;
  #literal = false;
  #reads_user_relation = false;
  #folds = false;
  /** A byte range that stands for all that is found: text inside a literal has no place of its own. */
  #pinned: readonly [number, number] | null = null;

  constructor(parser: Parser, text: string, context: AnalysisContext) {
    this.parser = parser;
    this.text = text;
    this.context = context;
    this.#catalog = context.catalog instanceof Catalog ? context.catalog : null;
    this.#blind = context.blind === true;
    this.#body_path = context.search_path;
    this.#path_text = context.search_path;
    this.#path = readPath(context.search_path, context, this.#catalog);
    this.#path_local = this.#path_changed = context.search_path_is_local === true;
  }

  run(statements: readonly RawStatement[]): void {
    for (const raw of statements) this.#top(raw);
    if (this.context.server_version < 16 && statements.length > 0 && hasNewerNumbers(this.text)) {
      this.statement = 0;
      this.#start = this.#statements[0]!.start;
      this.add('unknown', '', 'A number is written in a way that this server version does not read.');
    }
  }

  #top(raw: RawStatement): void {
    const [kind, node] = unwrap(raw.stmt);
    const [start, end] = this.#trim(raw.stmt_location ?? 0, raw.stmt_len);
    this.#start = start;
    this.#end = end;
    this.#defined = false;
    this.#executed = undefined;
    this.writes_all_rows = this.folds_rows = this.copy_in = this.hidden_writes = false;
    this.#literal = this.#reads_user_relation = this.#folds = false;
    this.#seen.clear();
    const findings_before = this.findings.length;
    const own_before = this.own.length;
    this.#plain_call = plainCall(kind, node);
    this.#setting_call = settingCall(kind, node);
    this.walk(kind, node);
    this.#atEnd(findings_before);
    const row = STATEMENTS[kind];
    if (this.own.length > own_before) this.#own_ranges.push([start, end]);
    else if (this.findings.length === findings_before) this.add(row?.rest ?? 'unknown', '', row?.why ?? UNKNOWN_KIND);
    this.#statements.push({
      kind: typeof row?.tag === 'function' ? row.tag(node) : (row?.tag ?? kind),
      start,
      end,
      writes_all_rows: this.writes_all_rows,
      folds_rows: this.folds_rows || (this.#folds && this.#reads_user_relation),
      rows_max: kind === 'ExecuteStmt' && this.#executed !== undefined ? this.#executed : rowsMax(kind, node),
      cursor: cursorOf(kind, node),
      copy_in: this.copy_in,
      hidden_writes: this.hidden_writes,
      transaction_control: kind === 'TransactionStmt',
      parse_is_harmless: row?.analysed_at_parse !== true || !this.#literal || this.#literalsAreHarmless(),
    });
    if (this.#next_path) {
      this.#path_changed = true;
      this.#path_text = this.#next_path.text;
      this.#body_path = this.#path_text;
      this.#path = readPath(this.#path_text, this.context, this.#catalog);
      this.#next_path = null;
    }
    if (this.findings.slice(findings_before).some(({ action }) => CHANGES_CATALOG.has(action))) this.#catalog = null;
    if (this.#takes_back) {
      this.#catalog = null;
      this.#blind = true;
    }
    if (this.#forgets) {
      this.#prepared.clear();
      this.#temporary.clear();
      this.#names_doubted = true;
      this.#forgets = false;
    }
    this.statement += 1;
  }

  #trim(location: number, length: number | undefined): [number, number] {
    let start = location;
    let end = length === undefined ? this.text.length : location + length;
    while (start < end && SPACES.includes(this.text[start]!)) start += 1;
    while (end > start && SPACES.includes(this.text[end - 1]!)) end -= 1;
    return [start, end];
  }

  // ---- walking -------------------------------------------------------------------------------------------------------------

  /** Visits a node and everything below it. */
  walk(kind: string, node: Tree, options?: { scope?: Scope | null; defines?: boolean; planned?: boolean }): void {
    const base = this.#stack.length;
    this.#stack.push({
      kind,
      node,
      scope: options?.scope ?? null,
      defines: options?.defines ?? false,
      planned: options?.planned ?? false,
      later: false,
    });
    while (this.#stack.length > base) this.#visit(this.#stack.pop()!);
  }

  #visit(frame: Frame): void {
    const row = STATEMENTS[frame.kind];
    if (row) return row.visit(this, frame.node, frame);
    const rule = EXPRESSIONS[frame.kind];
    if (rule === 'walk') return this.children(frame.node, frame);
    if (rule === undefined || rule === 'never') return this.unknownNode(frame);
    return rule(this, frame.node, frame);
  }

  unknownNode(frame: Frame): void {
    this.add('unknown', frame.kind, UNKNOWN_KIND);
    this.children(frame.node, frame);
  }

  /** Queues all children of a node but those in the fields of `except`. */
  children(node: Tree, frame: Frame, except: readonly string[] = []): void {
    const fields = GRAMMAR[frame.kind];
    for (const field in node) {
      if (except.includes(field)) continue;
      const holds = fields?.[field];
      if (holds === undefined) this.add('unknown', `${frame.kind}.${field}`, UNKNOWN_KIND);
      else if (holds !== '') this.push(node[field], holds, frame);
    }
  }

  /** Queues what a field holds. holds: as in GRAMMAR. */
  push(value: unknown, holds: string, frame: Frame): void {
    if (value === undefined || value === null) return;
    if (Array.isArray(value)) {
      for (const item of value) this.push(item, holds, frame);
      return;
    }
    if (holds !== '*') {
      this.#queue(holds, value as Tree, frame);
      return;
    }
    for (const kind in value as Tree) this.#queue(kind, (value as Tree)[kind] as Tree, frame);
  }

  /** Field by field: a spread costs more than the visit. Long lists are of constants, which are looked at on the spot. */
  #queue(kind: string, node: Tree, { scope, defines, planned, later }: Frame): void {
    const frame = { kind, node, scope, defines, planned, later };
    if (kind === 'A_Const') this.#visit(frame);
    else this.#stack.push(frame);
  }

  /** Queues the queries of a WITH clause and returns the scope of the statement that it belongs to. */
  withClause(clause: unknown, frame: Frame): Scope | null {
    const node = clause as { ctes?: { CommonTableExpr: Tree }[]; recursive?: boolean } | undefined;
    const ctes = node?.ctes ?? [];
    let scope = frame.scope;
    if (node?.recursive) {
      for (const { CommonTableExpr: cte } of ctes) scope = { name: cte['ctename'] as string, outer: scope };
      for (const cte of ctes) this.push(cte, '*', { ...frame, scope });
      return scope;
    }
    for (const cte of ctes) {
      this.push(cte, '*', { ...frame, scope });
      scope = { name: cte.CommonTableExpr['ctename'] as string, outer: scope };
    }
    return scope;
  }

  // ---- findings ------------------------------------------------------------------------------------------------------------

  /** Adds a finding once per statement, action and object. location: byte offset of the name; -1 or undefined: the statement. */
  add(action: Action, object: string, why: string, location?: unknown, unresolved = false): void {
    const key = `${action} ${unresolved ? '?' : ''}${object}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    if (this.findings.length >= FINDINGS_MAX)
      throw new Refusal('54000', `more than ${FINDINGS_MAX} findings in one message`);
    const [start, end] = this.#place(location);
    const finding = { action, object, why, statement: this.statement, start, end };
    this.findings.push(unresolved ? { ...finding, unresolved } : finding);
  }

  #place(location: unknown): readonly [number, number] {
    if (this.#pinned) return this.#pinned;
    if (typeof location !== 'number' || location < 0) return [this.#start, nameEnd(this.text, this.#start)];
    return [location, nameEnd(this.text, location)];
  }

  literal(): void {
    this.#literal = true;
  }

  folds(): void {
    this.#folds = true;
  }

  /** Notes that what the session knows can't be told from here on, in this message and after it. */
  forget(): void {
    this.#next_path = { text: null };
    this.#forgets = true;
    const last = this.effects.at(-1);
    if (last?.type !== 'unknown' || last.statement !== this.statement)
      this.effects.push({ type: 'unknown', statement: this.statement });
  }

  // ---- names ---------------------------------------------------------------------------------------------------------------

  /** Name of a relation as the server would resolve it: in the first schema of the path, perhaps in a later one. */
  relation(range: Tree): ResolvedRelation {
    const name = textOf(range['relname']);
    const schema = range['schemaname'] === undefined ? null : textOf(range['schemaname']);
    const catalog = range['catalogname'] === undefined ? null : textOf(range['catalogname']);
    if (catalog !== null && catalog !== this.context.database) {
      return { ...RESOLVED, name: qualified(catalog, schema ?? '', name), unresolved: true };
    }
    if (schema !== null) {
      // Another session's, or this one's by its number: nobody writes that.
      if (NUMBERED.test(schema)) return { ...RESOLVED, name: qualified(schema, name), unresolved: true };
      const row = this.#catalog?.relation(schema, name);
      const known = row || schema === 'pg_catalog' || schema === 'information_schema';
      if (this.#catalog && !known) this.#missing = true;
      return { ...RESOLVED, name: qualified(schema, name), temporary: schema === 'pg_temp', rows: row ? [row] : [] };
    }
    const path = this.#path;
    const own = path?.temporary_first ? this.#catalog?.relation('pg_temp', name) : undefined;
    if (range['relpersistence'] === 't' || own || (path?.temporary_first && this.#temporary.has(name))) {
      const temporary = { ...RESOLVED, name: qualified('pg_temp', name), temporary: true, rows: own ? [own] : [] };
      // An earlier statement may have taken it away; code may have made it or not.
      const certain = range['relpersistence'] === 't' || (!this.#pinned && (!own || !this.#doubted));
      const [first, ...others] = certain ? [] : this.#inPath(name);
      if (!first) return temporary;
      const perhaps = [temporary.name, ...others.map((other) => qualified(other.schema, name))];
      return { ...RESOLVED, name: qualified(first.schema, name), perhaps, rows: [first, ...others, ...temporary.rows] };
    }
    this.#path_used = true;
    if (this.#catalog && path) {
      const last = path.temporary_first ? undefined : this.#catalog.relation('pg_temp', name);
      const found = [...this.#inPath(name), ...(last ? [last] : [])];
      const [row, ...others] = found;
      if (row && row === last) return { ...RESOLVED, name: qualified('pg_temp', name), temporary: true, rows: [row] };
      if (row && !(path.builtins_first && isBuiltIn('relation', name, this.context.server_version)))
        return {
          ...RESOLVED,
          name: qualified(row.schema, name),
          perhaps: others.map((other) => qualified(other.schema, name)),
          rows: found,
        };
      if (!row && !isBuiltIn('relation', name, this.context.server_version)) {
        this.#missing = true;
        // It may be what an earlier statement has made or renamed.
        if (this.#doubted) return { ...RESOLVED, name: quoteIdentifier(name), unresolved: true };
      }
    }
    const built_in = isBuiltIn('relation', name, this.context.server_version);
    if (path?.builtins_first && built_in) return { ...RESOLVED, name: qualified('pg_catalog', name) };
    const [first, ...later] = path?.schemas ?? [];
    if (first === undefined || built_in) return { ...RESOLVED, name: quoteIdentifier(name), unresolved: true };
    return {
      ...RESOLVED,
      name: qualified(first, name),
      perhaps: this.#catalog ? [] : [...later, ...(path?.perhaps ?? [])].map((other) => qualified(other, name)),
    };
  }

  /** Relations of that name in the schemas of the path. */
  #inPath(name: string): readonly RelationRow[] {
    return this.#path?.schemas.flatMap((of) => this.#catalog?.relation(of, name) ?? []) ?? [];
  }

  /** A relation that is read, unless a CTE in reach has its name. */
  reads(range: Tree, frame: Frame): void {
    if (range['schemaname'] === undefined) {
      for (let s = frame.scope; s; s = s.outer) if (s.name === range['relname']) return;
      if (this.locals.includes(textOf(range['relname']))) return;
    }
    const relation = this.relation(range);
    const { name, unresolved } = relation;
    this.#about('read', relation, range, unresolved ? UNRESOLVED_RELATION : 'Reads a table or view.', this.#reads);
    if (!/^(pg_catalog|information_schema)\./.test(name)) this.#reads_user_relation = true;
    this.#unseen(relation, range);
    if (name === 'pg_catalog.pg_largeobject') this.add('export', name, 'Reads large objects.', range['location']);
    for (const row of relation.rows) this.#include(behindRelation(this, row, 'read'), name, range['location']);
  }

  /** Rows of it are locked. */
  locks(range: Tree): void {
    for (const row of this.relation(range).rows)
      this.#include(behindRelation(this, row, 'lock'), qualified(row.schema, row.name), range['location']);
  }

  /** Every relation of the database is maintained. */
  analysesAll(): void {
    for (const row of this.#catalog?.rows.relations ?? [])
      this.#include(behindRelation(this, row, 'analyze'), qualified(row.schema, row.name));
  }

  /** A relation whose rows are looked at to maintain it. */
  analyses(range: Tree, frame: Frame): void {
    this.reads(range, frame);
    for (const row of this.relation(range).rows)
      this.#include(behindRelation(this, row, 'analyze'), qualified(row.schema, row.name), range['location']);
  }

  /** A relation that is written. verbs: what is done to it; none for a sequence. */
  writes(range: Tree, frame: Frame, verbs: readonly Verb[], why = 'Changes rows.'): void {
    // Its defaults may be computed for the plan.
    if (frame.planned) return this.analyses(range, { ...frame, scope: null });
    const relation = this.relation(range);
    const { name, unresolved } = relation;
    this.#about('write', relation, range, unresolved ? UNRESOLVED_RELATION : why, this.#writes);
    if (!relation.temporary && verbs.length > 0) this.changes_rows = true;
    this.#unseen(relation, range);
    if (relation.temporary && this.#views.has(textOf(range['relname'])))
      this.add(
        'code',
        name,
        'A view that this message made: what it writes is not known yet.',
        range['location'],
        true,
      );
    for (const verb of verbs)
      for (const row of relation.rows) this.#include(behindRelation(this, row, verb), name, range['location'], true);
    if (/^(pg_catalog|information_schema)\./.test(name)) {
      this.add('admin', name, 'Changes the system catalog or a setting by hand.', range['location']);
      this.forget();
    }
  }

  /** A temporary table has been created (it shadows others of its name), or is gone. */
  temporary(range: Tree, exists: boolean): void {
    const name = textOf(range['relname']);
    if (exists && this.relation(range).temporary) this.#temporary.add(name);
    else this.#temporary.delete(name);
  }

  /** Whatever hangs on a table can't be told while a catalog that should be there is not. */
  #unseen({ name, temporary }: ResolvedRelation, range: Tree): void {
    if (!this.#blind || temporary || /^(pg_catalog|information_schema)\./.test(name)) return;
    this.add('code', name, 'The catalog can not be read now: what lies behind is not known.', range['location'], true);
  }

  /** A view of the session's own: what is written into it goes elsewhere. */
  temporaryView(range: Tree): void {
    if (!this.relation(range).temporary) return;
    this.temporary(range, true);
    this.#views.add(textOf(range['relname']));
  }

  forgetTemporary(): void {
    this.#changes('temporary-gone');
    this.#temporary.clear();
  }

  /** Another finding on a relation that exists already: on each that the name may mean. */
  about(action: Action, range: Tree, why: string): void {
    this.#about(action, this.relation(range), range, why);
  }

  #about(action: Action, relation: Omit<ResolvedRelation, 'rows'>, range: Tree, why: string, into?: Set<string>): void {
    this.add(action, relation.name, why, range['location'], relation.unresolved);
    for (const other of relation.perhaps) this.add(action, other, PERHAPS, range['location']);
    for (const name of [relation.name, ...relation.perhaps]) into?.add(name);
  }

  /** A relation that is altered or dropped: each that the name may mean. One of the session's own is only a write. */
  defines(range: Tree, frame: Frame, why: string): void {
    this.#defines(this.relation(range), range, frame, why);
  }

  /** A relation that is created: in the first schema of the path, whatever the later ones hold. */
  creates(range: Tree, frame: Frame, why: string): void {
    this.#defines({ ...this.relation(range), perhaps: [] }, range, frame, why);
  }

  #defines(relation: ResolvedRelation, range: Tree, frame: Frame, why: string): void {
    if (frame.planned) return;
    this.#defined = true;
    this.#changes(relation.temporary ? 'temporary' : 'any');
    if (relation.temporary)
      this.#about('write', relation, range, "Concerns a temporary table of the session's own.", this.#writes);
    else this.#about('ddl', relation, range, why, this.#writes);
  }

  /**
   * A call of a function by name. count: of arguments, -1 if it can't be told; so many of them are droppable: parameters, which the
   * server leaves out where the protocol gives them the type void (JDBC's of a result). Returns the bare name if it is built in.
   */
  calls(names: readonly string[], count: number, location: unknown, droppable = 0): string | null {
    const resolved = this.#function(names, count, droppable);
    const { name, bare, users } = resolved;
    if (name.startsWith('holdpoint.')) throw new Refusal('0A000', OWN_HELP);
    for (const row of users) this.runs(row.oid, location);
    if (resolved.class === null) {
      if (users.length > 0 || resolved.absent) return null;
      this.#functions.add(name);
      const action = resolved.built_in_schema ? 'unknown' : 'code';
      this.add(action, name, UNRESOLVED_FUNCTION, location, !resolved.built_in_schema);
      this.forget();
      return null;
    }
    this.#functions.add(name);
    this.#builtIn(name, resolved.class, location);
    if (FOLDING_AGGREGATES.has(bare)) this.folds();
    return bare;
  }

  #builtIn(name: string, of: FunctionClassName, location: unknown): void {
    // set_config is judged by the setting it names, nextval by its sequence: expressions.ts does.
    if (of === 'set-config' || of === 'sequence') return;
    const { actions, why, safe } = FUNCTION_CLASSES[of];
    for (const action of actions) this.add(action, name, why, location);
    if (!safe) this.forget();
  }

  #function(
    names: readonly string[],
    count: number,
    droppable: number,
  ): {
    readonly name: string;
    readonly bare: string;
    readonly class: FunctionClassName | null;
    readonly built_in_schema: boolean;
    readonly users: readonly FunctionRow[];
    /** The catalog has none: the server will say so. */
    readonly absent: boolean;
  } {
    const major = this.context.server_version;
    const bare = names.at(-1)!;
    const schema = names.length > 1 ? names.at(-2)! : null;
    if (schema === null) this.#path_used = true;
    const users = this.#users(schema, bare, count, droppable);
    const one = count >= 1 && count - droppable <= 1;
    const none = { bare, users: users ?? [], absent: users !== null };
    // type_name(x) is a cast where no function fits exactly.
    if (one) for (const row of this.#userTypes(schema, bare)) this.usesType(row);
    if (schema === null) {
      const usable = this.#path?.builtins_first || users !== null;
      const found = usable ? functionClass(bare, count, major, droppable) : null;
      // type_name(x) is a cast where no function of that name fits.
      const cast = found === null && one && usable && isBuiltIn('type', bare, major);
      if (found !== null || cast)
        return { ...none, name: qualified('pg_catalog', bare), class: found ?? 'read', built_in_schema: true };
      if (users?.length === 0) this.#perhapsCast(names, one);
      return { ...none, name: quoteIdentifier(bare), class: null, built_in_schema: false };
    }
    const name = qualified(...names.slice(-2));
    if (schema === 'pg_catalog')
      return {
        ...none,
        name,
        class: functionClass(bare, count, major, droppable),
        built_in_schema: true,
        absent: false,
      };
    if (schema === 'information_schema') {
      const found = functionClass(`information_schema.${bare}`, count, major, droppable);
      return { ...none, name, class: found, built_in_schema: true, absent: false };
    }
    if (users?.length === 0) this.#perhapsCast(names, one);
    return { ...none, name, class: null, built_in_schema: false };
  }

  /** type_name(x), or nothing that exists. */
  #perhapsCast(names: readonly string[], one: boolean): void {
    if (one) this.type(names, -1);
    else this.#missing = true;
  }

  /** Functions that users made which a call may mean, overloads among them. Null: nobody can tell. */
  #users(schema: string | null, bare: string, count: number, droppable = 0): readonly FunctionRow[] | null {
    const catalog = this.#catalog;
    const schemas = this.#schemas(schema);
    if (!catalog || !schemas || !this.#sees(schema)) return null;
    const fits = ({ arguments: most, defaults, variadic }: FunctionRow): boolean =>
      count < 0 || (count >= most - defaults - (variadic ? 1 : 0) && (variadic || count - droppable <= most));
    return catalog.functions(bare).filter((row) => schemas.includes(row.schema) && fits(row));
  }

  #userTypes(schema: string | null, bare: string): readonly TypeRow[] {
    const schemas = schema === null ? ['pg_temp', ...(this.#schemas(null) ?? [])] : [schema];
    return schemas.flatMap((of) => this.#catalog?.type(of, bare) ?? []);
  }

  /** Does the catalog have what is in this schema? Temporary ones are in that of their session alone. */
  #sees(schema: string | null): boolean {
    if (schema === null) return true;
    return !NUMBERED.test(schema) && (schema !== 'pg_temp' || this.#catalog?.hasSchema('pg_temp') === true);
  }

  /** Schemas that a name is looked up in, which temporary ones are only where a name says so. Null: nobody can tell. */
  #schemas(schema: string | null): readonly string[] | null {
    if (schema !== null) return [schema];
    return this.#path ? ['pg_catalog', ...this.#path.schemas] : null;
  }

  /** An operator by its possibly qualified name. */
  operator(names: readonly string[], location: unknown): void {
    const bare = names.at(-1)!;
    const schema = names.length > 1 ? names.at(-2)! : null;
    if (schema === null) this.#path_used = true;
    const schemas = this.#schemas(schema);
    if (this.#catalog && schemas && this.#sees(schema)) {
      // Types are not known here: each that has the name may be meant.
      const found = this.#catalog.operators(bare).filter((row) => schemas.includes(row.schema));
      for (const row of found) for (const fn of row.functions) this.runsUnnamed(fn, location);
      if (found.length === 0 && !isBuiltIn('operator', bare, this.context.server_version)) this.#missing = true;
      return;
    }
    const built_in =
      (schema === 'pg_catalog' || (schema === null && this.#path?.builtins_first)) &&
      isBuiltIn('operator', bare, this.context.server_version);
    if (built_in) return;
    this.add('code', names.join('.'), 'Not a built-in operator: it may run any function.', location, true);
    this.forget();
  }

  /** A type that a value is converted to; one that is not built in may run code. */
  type(names: readonly string[], location: unknown): void {
    const bare = names.at(-1)!;
    const schema = names.length > 1 ? names.at(-2)! : null;
    if (schema === null) this.#path_used = true;
    const major = this.context.server_version;
    const path_known = this.#path !== null;
    if (this.#catalog && this.#sees(schema) && (schema !== null || path_known)) {
      const found = this.#userTypes(schema, bare);
      for (const row of found) this.usesType(row, location);
      const built_in = isBuiltIn('type', bare, major) || isBuiltIn('type', `information_schema.${bare}`, major);
      if (found.length === 0 && !built_in) this.#missing = true;
      return;
    }
    if ((schema === 'pg_catalog' || (schema === null && this.#path?.builtins_first)) && isBuiltIn('type', bare, major))
      return;
    if (schema === 'information_schema' && isBuiltIn('type', `information_schema.${bare}`, major)) return;
    const object = names.map(quoteIdentifier).join('.');
    this.add('code', object, 'A conversion to a type that is not built in may run a function.', location, true);
    this.forget();
  }

  /** `x.name`: a column, or a function of x. */
  attribute(name: string, location: unknown): void {
    const found = functionClass(name, 1, this.context.server_version);
    if (found !== null && FUNCTION_CLASSES[found].actions.length > 0) this.calls(['pg_catalog', name], 1, location);
    const users = this.#users(null, name, 1);
    // Where the path is not known, any of that name may be meant.
    const { catalog } = this.context;
    if (users === null && catalog instanceof Catalog && catalog.functions(name).length > 0) {
      this.add('code', quoteIdentifier(name), UNRESOLVED_FUNCTION, location, true);
      this.forget();
    }
    for (const row of users ?? []) this.runs(row.oid, location);
    for (const row of this.#userTypes(null, name)) this.usesType(row, location);
  }

  // ---- what lies behind names ----------------------------------------------------------------------------------------------

  /** A function runs as part of the statement, which does not say what it does. */
  runs(fn: FunctionReference, location: unknown, locals: readonly string[] = []): void {
    if (typeof fn === 'string') {
      const of = functionClass(fn, -1, this.context.server_version);
      const name = qualified('pg_catalog', fn);
      this.#functions.add(name);
      if (name === NOTIFY) this.add('export', name, 'Sends what it is given to whoever listens.', location);
      if (of === null || of === 'set-config') {
        this.add('code', name, UNRESOLVED_FUNCTION, location, true);
        this.forget();
      } else if (of === 'sequence') this.add('write', name, FUNCTION_CLASSES.sequence.why, location);
      else this.#builtIn(name, of, location);
      return;
    }
    const row = this.#catalog?.functionOf(fn);
    if (!row) {
      this.#functions.add(String(fn));
      this.add('code', String(fn), UNRESOLVED_FUNCTION, location, true);
      return this.forget();
    }
    const name = qualified(row.schema, row.name);
    this.#functions.add(name);
    this.user_code ||= !isHarmless(row);
    const behind = behindFunction(this, row, locals);
    this.#include(behind, name, location);
    const { reads, writes, findings } = behind.analysis;
    if (row.definer && (behind.cut || reads.length > 0 || writes.length > 0 || findings.length > 0))
      this.definers.set(name, row.owner);
  }

  /** What an operator or a type of a well-known extension runs says nothing of a statement. */
  runsUnnamed(fn: FunctionReference, location?: unknown): void {
    const row = typeof fn === 'number' ? this.#catalog?.functionOf(fn) : undefined;
    if (!row || !isHarmless(row)) this.runs(fn, location);
  }

  /** Values of these types are read. */
  parametersOf(types: readonly number[]): void {
    for (const oid of types) {
      const row = this.#catalog?.typeOf(oid);
      if (row) this.usesType(row);
      else {
        this.add(
          'code',
          String(oid),
          'A type of a parameter that is not known: reading it may run a function.',
          -1,
          true,
        );
        this.forget();
      }
    }
    this.#atEnd(0);
    if (this.hidden_writes) this.add('code', '', 'Reading a parameter changes rows.');
  }

  /** The one statement of a message without a text. Returns the function's name. */
  callsByOid(oid: number, name: string | null): string {
    this.runs(name ?? oid, undefined);
    this.#atEnd(0);
    const [object = String(oid)] = this.#functions;
    if (this.findings.length === 0) this.add('read', object, 'Calls a function that only reads.');
    this.#statements.push({
      kind: 'FUNCTION CALL',
      start: 0,
      end: 0,
      writes_all_rows: false,
      folds_rows: false,
      rows_max: 1,
      cursor: null,
      copy_in: false,
      hidden_writes: this.hidden_writes,
      transaction_control: false,
      parse_is_harmless: true,
    });
    return object;
  }

  /** Is what a word of a function's body may call among what was found in it? */
  accountsFor(name: string, body: string): boolean {
    const found = functionClass(name, -1, this.context.server_version);
    const { actions, safe } = FUNCTION_CLASSES[found ?? 'read'];
    if ((actions.length > 0 || !safe) && !this.#functions.has(qualified('pg_catalog', name))) return false;
    const users = this.#catalog?.functions(name) ?? [];
    // In a schema that is neither in the path nor named.
    const elsewhere = (schema: string): boolean =>
      this.#path !== null && this.#schemas(null)?.includes(schema) === false && !body.includes(schema);
    return users.every(
      (row) => isHarmless(row) || this.#functions.has(qualified(row.schema, row.name)) || elsewhere(row.schema),
    );
  }

  /** Can the catalog tell what a name without a schema is here? */
  get resolves(): boolean {
    return this.#catalog !== null && this.#path !== null;
  }

  /** A value of the type may be made, read or compared. */
  usesType(row: TypeRow, location?: unknown): void {
    this.#include(behindType(this, row), qualified(row.schema, row.name), location);
  }

  /**
   * Counts what happens behind a name as part of the statement. `machinery`: it belongs to the table that the statement openly writes, as
   * triggers and defaults do; else nothing in the text tells of it.
   */
  #include(behind: Behind, via: string, location?: unknown, machinery = false): void {
    const { analysis } = behind;
    // What a trigger tells is its table's to tell.
    for (const f of analysis.findings)
      if (!machinery || f.action !== 'export' || f.object !== NOTIFY)
        this.add(f.action, f.object, `Through ${via}: ${f.why.replace(THROUGH, '')}`, location, f.unresolved === true);
    for (const name of analysis.reads) this.#reads.add(name);
    for (const name of analysis.writes) this.#writes.add(name);
    for (const name of analysis.functions) this.#functions.add(name);
    this.#missing ||= analysis.missing === true;
    if (analysis.effects.length > 0) this.forget();
    if (analysis.changes_catalog) this.#changes(analysis.changes_catalog);
    this.session_bound ||= analysis.session_bound;
    this.user_code ||= behind.user_code;
    this.cut ||= behind.cut;
    this.changes_rows ||= behind.changes_rows;
    if (machinery) return;
    this.hidden_writes ||= behind.changes_rows || behind.hidden_writes;
    for (const [name, owner] of behind.definers) this.definers.set(name, owner);
  }

  /** A table that is part of another one which is read or written, and what happens behind it. */
  part(row: RelationRow, verb: Verb): void {
    const name = qualified(row.schema, row.name);
    (verb === 'read' ? this.#reads : this.#writes).add(name);
    this.#include(behindRelation(this, row, verb), name, undefined, verb !== 'read');
  }

  /** Rows of another table go or change with those of one that it refers to. */
  cascades(row: RelationRow, verb: Verb): void {
    const range = { schemaname: row.schema, relname: row.name };
    this.writes(range, NOWHERE, [verb], 'Changes with the rows that it refers to.');
  }

  /** The table of a view that the server can write through. */
  writesThrough(query: string, verb: Verb): void {
    const parsed = this.parser.parse(Buffer.from(query, 'utf8').toString('latin1'));
    const select = parsed.ok ? (parsed.statements[0]?.stmt?.['SelectStmt'] as Tree | undefined) : undefined;
    const from = (select?.['fromClause'] as unknown[] | undefined) ?? [];
    const [kind, range] = unwrap(from[0] ?? {});
    if (from.length === 1 && kind === 'RangeVar') this.writes(range, NOWHERE, [verb]);
  }

  /** Some fields of a statement that is there only for them. False: it is none of that kind. */
  partOf(text: string, kind: string, fields: readonly string[]): boolean {
    const parsed = this.parser.parse(Buffer.from(text, 'utf8').toString('latin1'));
    const [found, node] = unwrap((parsed.ok && parsed.statements[0]?.stmt) || {});
    if (found !== kind) return false;
    // OLD and NEW are no tables.
    const frame = { ...NOWHERE, scope: { name: 'old', outer: { name: 'new', outer: null } } };
    const base = this.#stack.length;
    for (const field of fields) this.push(node[field], '*', frame);
    while (this.#stack.length > base) this.#visit(this.#stack.pop()!);
    return true;
  }

  /** An analyst of something that belongs to the statement. names: search_path of its text; bodies: of what it calls. */
  nested(names: string | null, bodies: string | null, role = this.context.role): Analyst {
    const { server_version, database } = this.context;
    const catalog = this.#catalog;
    const context = { server_version, database, role, catalog, search_path: names, prepared: () => undefined };
    const inner = new Analyst(this.parser, '', context);
    inner.#pinned = [0, 0];
    inner.#body_path = bodies;
    return inner;
  }

  /** Null: none, or not to be trusted any more. */
  get catalog(): Catalog | null {
    return this.#catalog;
  }

  /** Is this the body of something else? Its parameters are data then. */
  get isNested(): boolean {
    return this.#pinned !== null;
  }

  get bodyPath(): string | null {
    return this.#body_path;
  }

  #changes(what: NonNullable<Analysis['changes_catalog']>): void {
    this.#doubted = true;
    if (this.#changed === null || what === 'any' || this.#changed === 'temporary-gone') this.#changed = what;
  }

  #atEnd(findings_before: number): void {
    const catalog = this.#catalog;
    if (this.findings.slice(findings_before).some(({ action }) => CHANGES_CATALOG.has(action))) this.#changes('any');
    if (catalog) {
      for (const fn of catalog.ambient) this.runsUnnamed(fn);
      if (this.#defined || this.findings.slice(findings_before).some(({ action }) => CHANGES_CATALOG.has(action)))
        for (const [, fn] of catalog.rows.event_triggers) this.runs(fn, undefined);
    }
    for (const [name, owner] of this.definers)
      if (owner !== this.context.role) this.add('role', name, `Runs with the rights of ${owner} (SECURITY DEFINER).`);
    this.definers.clear();
  }

  /** Can no type of the database run code that users made when a literal is read? */
  #literalsAreHarmless(): boolean {
    const catalog = this.#catalog;
    return catalog !== null && catalog.types_with_input.every((row) => !behindType(this, row).user_code);
  }

  // ---- what a statement changes for those that follow ----------------------------------------------------------------------

  set(name: string, value: string | null | undefined, local: boolean): void {
    this.effects.push({ type: 'set', name, value, local, statement: this.statement });
    if (name !== 'search_path') return;
    this.#next_path = { text: value === null ? (this.context.search_path_start ?? null) : (value ?? null) };
    this.#path_local = local;
  }

  resetAll(): void {
    this.effects.push({ type: 'reset-all', statement: this.statement });
    this.#next_path = { text: this.context.search_path_start ?? null };
  }

  transaction(op: (Effect & { type: 'transaction' })['op']): void {
    this.effects.push({ type: 'transaction', op, statement: this.statement });
    // A cursor WITH HOLD is run to its end.
    if ((op === 'commit' || op === 'prepare-transaction') && this.context.portals?.runs_code) this.forget();
    // ON COMMIT DROP, or created in what is rolled back.
    if (op !== 'begin' && op !== 'savepoint' && op !== 'release') {
      this.#temporary.clear();
      if (this.#changed !== null || this.#catalog?.hasSchema('pg_temp')) this.#doubted = true;
      this.#takes_back = this.context.catalog_is_own === true && (op === 'rollback' || op === 'rollback-to');
    }
    const restores =
      op === 'rollback' || op === 'rollback-to'
        ? this.#path_changed
        : this.#path_local && op !== 'begin' && op !== 'savepoint' && op !== 'release';
    if (restores) this.#next_path = { text: null };
  }

  // ---- Holdpoint's own statements and refusals -----------------------------------------------------------------------------

  /** Is a statement in this place one of the client's own, not part of a definition, a plan or a text that a function runs? */
  isDirect(frame: Frame): boolean {
    return this.#pinned === null && !frame.defines && !frame.planned;
  }

  refuse(message: string): never {
    throw new Refusal('0A000', message);
  }

  /** Is the statement under way nothing but SELECT of this one call? */
  isPlainSelectOf(call: Tree): boolean {
    return this.#plain_call === call;
  }

  /** The setting that a call changes in `SELECT set_config(name, ...) FROM pg_settings WHERE name = '...'`, as pg_dump writes it. */
  settingOfWhere(call: Tree): string | undefined {
    return this.#setting_call?.[0] === call ? this.#setting_call[1] : undefined;
  }

  /** set_config('holdpoint.<name>', literal or $n, ...): the whole statement, or refused. */
  ownSetting(name: string, value: string | undefined, parameter: number | undefined, call: Tree): void {
    const which = OWN_SETTINGS.get(name);
    const given = value ?? parameter;
    if (!which || !this.isPlainSelectOf(call) || given === undefined) throw new Refusal('0A000', OWN_HELP);
    this.own.push({ op: 'set_config', name: which, value: given, statement: this.statement });
  }

  // ---- prepared statements -------------------------------------------------------------------------------------------------

  /** PREPARE: judges the inner statement alone, then counts its findings here too. */
  prepare(name: string, query: Tree): void {
    this.#preparedName(name);
    const context = { ...this.context, search_path: this.#path_text, catalog: this.#catalog };
    const inner = new Analyst(this.parser, this.text, context);
    const [kind, node] = unwrap(query);
    inner.#start = this.#start;
    inner.walk(kind, node);
    inner.#atEnd(0);
    inner.#statements.push({
      kind: typeof STATEMENTS[kind]?.tag === 'function' ? STATEMENTS[kind].tag(node) : (STATEMENTS[kind]?.tag ?? kind),
      start: this.#start,
      end: this.#start,
      writes_all_rows: inner.writes_all_rows,
      folds_rows: inner.#folds && inner.#reads_user_relation,
      rows_max: rowsMax(kind, node),
      cursor: null,
      copy_in: false,
      hidden_writes: inner.hidden_writes,
      transaction_control: false,
      parse_is_harmless: true,
    });
    const analysis: Analysis = {
      ...inner.result({ forward: null, position_shift: [], shape: '', reason: null }),
      prepared_by: this.text.slice(this.#start, this.#end),
    };
    this.merge(analysis);
    // Inside of code it may run or not: no name is certain afterwards.
    if (this.#pinned) return this.deallocate(null);
    this.#prepared.set(name, analysis);
    this.effects.push({ type: 'prepare', name, inner: analysis, statement: this.statement });
  }

  /** EXECUTE: what was found when the statement was prepared. */
  execute(name: string, location?: unknown): void {
    this.#preparedName(name);
    const here = this.#prepared.get(name);
    if (!here) this.session_bound = true;
    const inner = here ?? this.#anew(this.#names_doubted ? undefined : this.context.prepared(name));
    this.#executed = inner === null ? 0 : inner === 'utility' ? undefined : inner?.statements[0]?.rows_max;
    // The server answers 26000.
    if (inner === null) return;
    // COPY would turn the conversation round, DECLARE and FETCH would run later: what follows is only known of the protocol's own.
    if (inner === 'utility') this.refuse('EXECUTE of a utility statement that Parse made: run it by Bind and Execute');
    if (!inner) {
      this.add('code', quoteIdentifier(name), 'A prepared statement that is not known.', location, true);
      this.forget();
      return;
    }
    if (inner.search_path !== undefined && inner.search_path !== this.#path_text) {
      this.add(
        'code',
        quoteIdentifier(name),
        'Prepared under another search_path: its names may mean something else now.',
        location,
        true,
      );
    }
    this.merge(inner);
    for (const effect of inner.effects) {
      if (effect.type === 'unknown') this.forget();
      else if (effect.type === 'set') this.set(effect.name, effect.value, effect.local);
    }
  }

  /** What was found under another catalog may be something else now. */
  #anew(inner: Analysis | 'utility' | null | undefined): Analysis | 'utility' | null | undefined {
    const catalog = this.#catalog;
    if (!inner || inner === 'utility' || inner.prepared_by === undefined || inner.catalog === catalog?.id) return inner;
    const parsed = this.parser.parse(inner.prepared_by);
    if (!parsed.ok) return undefined;
    const analyst = new Analyst(this.parser, inner.prepared_by, {
      ...this.context,
      search_path: this.#path_text,
      catalog,
    });
    analyst.run(parsed.statements);
    const made = analyst.effects.find((effect) => effect.type === 'prepare');
    return made?.inner;
  }

  /** Counts another analysis's findings as found in the statement under way. */
  merge(inner: Analysis): void {
    for (const f of inner.findings) this.add(f.action, f.object, f.why, undefined, f.unresolved === true);
    for (const name of inner.reads) this.#reads.add(name);
    for (const name of inner.writes) this.#writes.add(name);
    for (const name of inner.functions) this.#functions.add(name);
    this.writes_all_rows ||= inner.statements.some((s) => s.writes_all_rows);
    this.hidden_writes ||= inner.statements.some((s) => s.hidden_writes);
    this.folds_rows ||= inner.statements.some((s) => s.folds_rows);
  }

  /** Where the server cuts a long name depends on its encoding. */
  #preparedName(name: string): void {
    // oxlint-disable-next-line no-control-regex
    if (/[^\x00-\x7f]/.test(name) && Buffer.byteLength(name) >= IDENTIFIER_BYTES_MAX - 3)
      this.refuse(`the name of a prepared statement must be shorter than ${IDENTIFIER_BYTES_MAX - 3} bytes, or ASCII`);
  }

  /** FETCH, MOVE: goes on with what was judged when it was opened, unless that is something which finds its names when it runs. */
  fetch(name: string): void {
    const { runs_late, runs_code } = this.context.portals ?? NO_PORTALS;
    if (runs_late) this.add('code', quoteIdentifier(name), RUNS_LATE, undefined, true);
    if (runs_late || runs_code) this.forget();
  }

  deallocate(given: string | null): void {
    if (given !== null) this.#preparedName(given);
    const name = this.#pinned ? null : given;
    if (name === null) this.#prepared.clear();
    else this.#prepared.delete(name);
    this.effects.push({ type: 'deallocate', name, statement: this.statement });
  }

  /** SQL text inside a literal: its findings count here, at the literal's place. False: it does not parse. */
  inner(text: string, location: unknown): boolean {
    const encoded = Buffer.from(text, 'utf8').toString('latin1');
    const blanked = blank(encoded);
    if (blanked.joins_strings) return false;
    const parsed = this.parser.parse(blanked.text);
    if (!parsed.ok) return false;
    const pinned = this.#pinned;
    this.#pinned = this.#place(location);
    for (const raw of parsed.statements) this.walk(...unwrap(raw.stmt));
    this.#pinned = pinned;
    return true;
  }

  // ---- result --------------------------------------------------------------------------------------------------------------

  /** The blanked text without the statements that are Holdpoint's own. */
  forward(): string {
    let text = this.text;
    for (const [start, end] of this.#own_ranges)
      text = text.slice(0, start) + ' '.repeat(end - start) + text.slice(end);
    return text;
  }

  result(more: Pick<Analysis, 'forward' | 'position_shift' | 'shape' | 'reason'>): Analysis {
    return {
      statements: this.#statements,
      findings: this.findings.toSorted((a, b) => a.statement - b.statement || a.start - b.start),
      reads: [...this.#reads].toSorted(),
      writes: [...this.#writes].toSorted(),
      functions: [...this.#functions].toSorted(),
      effects: this.effects,
      own: this.own,
      ...more,
      session_bound: this.session_bound,
      error: null,
      ...(this.#path_used ? { search_path: this.context.search_path } : {}),
      ...(this.#changed ? { changes_catalog: this.#changed } : {}),
      ...(this.user_code ? { user_code: true as const } : {}),
      ...(this.#missing ? { missing: true as const } : {}),
      ...(this.context.catalog ? { catalog: this.context.catalog.id } : {}),
    };
  }
}

const NOWHERE: Frame = { kind: '', node: {}, scope: null, defines: false, planned: false, later: false };
const NO_PORTALS: NonNullable<AnalysisContext['portals']> = { runs_late: false, runs_code: false };
const RUNS_LATE = 'Perhaps a portal of EXECUTE or EXPLAIN, whose names are looked up only now.';

function readPath(text: string | null, { role, user_schema }: AnalysisContext, catalog: Catalog | null): Path {
  if (text === null) return null;
  const schema = catalog ? (catalog.hasSchema(role) ? 'there' : 'none') : user_schema;
  if (last?.text !== text || last.role !== role || last.schema !== schema)
    last = { text, role, schema, path: parseSearchPath(text, { role, ...(schema && { user_schema: schema }) }) };
  return last.path;
}
/** Most statements come under the path of the one before. */
let last: { text: string; role: string; schema: AnalysisContext['user_schema']; path: Path } | null = null;

/** What a statement does that may make other objects of names for those that follow it. */
const CHANGES_CATALOG: ReadonlySet<Action> = new Set(['ddl', 'code', 'unknown', 'admin']);
/** A temporary schema by its number. */
const NUMBERED = /^pg_temp_\d+$/;

const NOTIFY = 'pg_catalog.pg_notify';
const THROUGH = /^Through [^:]+: /;

const SPACES = ' \t\n\r\f\v';
const UNKNOWN_KIND = 'A kind of statement or expression that Holdpoint does not know.';
const UNRESOLVED_RELATION = 'The search_path is not known here, so neither is the table.';
const PERHAPS = 'Perhaps this table: the search_path has several schemas.';
const UNRESOLVED_FUNCTION = 'Not a built-in function: it may run anything.';

/** The call in `SELECT f(...)` with nothing else; null: it is another statement. */
function plainCall(kind: string, node: Tree): Tree | null {
  const targets = node['targetList'] as { ResTarget?: Tree }[] | undefined;
  if (kind !== 'SelectStmt' || targets?.length !== 1) return null;
  for (const field in node) if (!['targetList', 'limitOption', 'op'].includes(field)) return null;
  const [of, call] = unwrap(targets[0]?.ResTarget?.['val']);
  return of === 'FuncCall' ? call : null;
}

/** The call in `SELECT f(name, ...) FROM pg_settings WHERE name = '...'`, and that text, which is all that `name` can be. */
function settingCall(kind: string, node: Tree): readonly [Tree, string] | null {
  const { whereClause, fromClause, ...rest } = node;
  const call = plainCall(kind, rest);
  const [from, range] = unwrap((fromClause as unknown[] | undefined)?.[0]);
  const [where, test] = unwrap(whereClause);
  if (!call || from !== 'RangeVar' || (fromClause as unknown[]).length > 1 || range['alias'] !== undefined) return null;
  if (range['relname'] !== 'pg_settings' || (range['schemaname'] ?? 'pg_catalog') !== 'pg_catalog') return null;
  if (where !== 'A_Expr' || test['kind'] !== 'AEXPR_OP' || strings(test['name']).join('.') !== '=') return null;
  const [of, value] = unwrap(test['rexpr']);
  const isName = (wrapped: unknown): boolean => {
    const [column, ref] = unwrap(wrapped);
    return column === 'ColumnRef' && (ref['fields'] as unknown[]).length === 1 && strings(ref['fields'])[0] === 'name';
  };
  if (of !== 'A_Const' || value['sval'] === undefined) return null;
  if (!isName(test['lexpr']) || !isName((call['args'] as unknown[] | undefined)?.[0])) return null;
  return [call, textOf((value['sval'] as Tree)['sval'])];
}
