// The analysis of one message: the walk over the nodes of its trees, with an explicit stack, and what the stories keep of it. The tables
// (statements.ts, expressions.ts) say what a node means; a node or field that the grammar or the tables lack is an `unknown` finding.
// One of its own is made for what belongs to the message but has names and rights of its own. Nothing is skipped in silence.
import type { Action, Analysis, AnalysisContext } from '../findings.ts';
import { Code } from './code.ts';
import { Effects } from './effects.ts';
import { EXPRESSIONS } from './expressions.ts';
import { Found } from './found.ts';
import { NOWHERE, UNKNOWN_KIND, type Frame, type Scope } from './frame.ts';
import { GRAMMAR } from './generated/grammar.ts';
import { blank } from './lexer.ts';
import { Own } from './own.ts';
import type { Parser, Tree } from './parser.ts';
import { Prepared } from './prepared.ts';
import { Relations } from './relations.ts';
import { Names } from './resolve.ts';
import { STATEMENTS } from './statements.ts';
import { unwrap } from './tree.ts';

export class Analyst {
  readonly parser: Parser;
  readonly text: string;
  readonly context: AnalysisContext;
  readonly found: Found;
  readonly names: Names;
  readonly effects: Effects;
  readonly relations: Relations;
  readonly code: Code;
  readonly prepared: Prepared;
  readonly own: Own;
  readonly #stack: Frame[] = [];

  constructor(parser: Parser, text: string, context: AnalysisContext) {
    this.parser = parser;
    this.text = text;
    this.context = context;
    // Each finds those above it.
    this.found = new Found(this);
    this.names = new Names(this);
    this.effects = new Effects(this);
    this.relations = new Relations(this);
    this.code = new Code(this);
    this.prepared = new Prepared(this);
    this.own = new Own(this);
  }

  /** Found.add, for the tables. */
  add(action: Action, object: string, why: string, location?: unknown, unresolved?: boolean): void {
    this.found.add(action, object, why, location, unresolved);
  }

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

  /** SQL text inside a literal: its findings count here, at the literal's place. planned: it is not run. False: it does not parse. */
  inner(text: string, location: unknown, planned = false): boolean {
    const encoded = Buffer.from(text, 'utf8').toString('latin1');
    const blanked = blank(encoded);
    if (blanked.joins_strings) return false;
    const parsed = this.parser.parse(blanked.text);
    if (!parsed.ok) return false;
    const pinned = this.found.pinned;
    this.found.pinned = this.found.place(location);
    for (const raw of parsed.statements) this.walk(...unwrap(raw.stmt), { planned });
    this.found.pinned = pinned;
    return true;
  }

  /** Some fields of a statement that is there only for them. False: it is none of that kind. */
  partOf(text: string, kind: string, fields: readonly string[], planned = false): boolean {
    const parsed = this.parser.parse(Buffer.from(text, 'utf8').toString('latin1'));
    const [found, node] = unwrap((parsed.ok && parsed.statements[0]?.stmt) || {});
    if (found !== kind) return false;
    // OLD and NEW are no tables.
    const frame = { ...NOWHERE, planned, scope: { name: 'old', outer: { name: 'new', outer: null } } };
    const base = this.#stack.length;
    for (const field of fields) this.push(node[field], '*', frame);
    while (this.#stack.length > base) this.#visit(this.#stack.pop()!);
    return true;
  }

  /** An analyst of something that belongs to the statement. names: search_path of its text; bodies: of what it calls. */
  nested(names: string | null, bodies: string | null, role = this.names.role ?? ''): Analyst {
    const { server_version, database, catalog_is_own = false, committed = null } = this.context;
    const own = { catalog: this.names.catalog, catalog_is_own, committed };
    const context = { server_version, database, role, ...own, search_path: names, prepared: () => undefined };
    const inner = this.another('', context);
    inner.found.pinned = [0, 0];
    inner.names.body_path = bodies;
    return inner;
  }

  /** An analyst of another text in the same session. */
  another(text: string, context: AnalysisContext): Analyst {
    return new Analyst(this.parser, text, context);
  }

  /** All that was found. more: what the message's text has to do with it. */
  result(more: Pick<Analysis, 'forward' | 'position_shift' | 'shape' | 'reason'>): Analysis {
    return {
      statements: this.found.statements,
      findings: this.found.findings.toSorted((a, b) => a.statement - b.statement || a.start - b.start),
      reads: [...this.found.reads].toSorted(),
      writes: [...this.found.writes].toSorted(),
      functions: [...this.found.functions].toSorted(),
      ...(this.found.bodies.size > 0 ? { bodies: [...this.found.bodies].toSorted() } : {}),
      effects: this.effects.list,
      own: this.own.list,
      ...more,
      session_bound: this.found.session_bound,
      error: null,
      ...(this.names.path_used ? { search_path: this.context.search_path } : {}),
      ...(this.names.changed ? { changes_catalog: this.names.changed } : {}),
      ...(this.found.user_code ? { user_code: true as const } : {}),
      ...(this.names.missing ? { missing: true as const } : {}),
      ...(this.context.catalog ? { catalog: this.context.catalog.id } : {}),
    };
  }
}
