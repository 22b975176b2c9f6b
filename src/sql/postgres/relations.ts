// What becomes of the relations that a statement names: read, written, locked, maintained, defined. Each that the name may mean counts,
// and with it what lies behind it.
import type { Action } from '../findings.ts';
import type { Analyst } from './analyst.ts';
import { behindRelation, type Change, type Verb } from './behind.ts';
import type { RelationRow } from './catalog/rows.ts';
import type { Effects } from './effects.ts';
import type { Found } from './found.ts';
import { NOWHERE, type Frame } from './frame.ts';
import { qualified } from './names.ts';
import type { Tree } from './parser.ts';
import type { Names, ResolvedRelation } from './resolve.ts';
import { textOf, unwrap } from './tree.ts';

export class Relations {
  readonly #a: Analyst;
  readonly #found: Found;
  readonly #names: Names;
  readonly #effects: Effects;

  constructor(a: Analyst) {
    this.#a = a;
    this.#found = a.found;
    this.#names = a.names;
    this.#effects = a.effects;
  }

  /** A relation that is read, unless a CTE in reach has its name. */
  reads(range: Tree, frame: Frame, why = 'Reads a table or view.'): void {
    if (range['schemaname'] === undefined) {
      for (let s = frame.scope; s; s = s.outer) if (s.name === range['relname']) return;
      if (this.#names.locals.includes(textOf(range['relname']))) return;
    }
    const relation = this.#names.relation(range);
    const { name, unresolved } = relation;
    this.#about('read', relation, range, unresolved ? UNRESOLVED_RELATION : why, this.#found.reads);
    if (!/^(pg_catalog|information_schema)\./.test(name)) this.#found.reads_user_relation = true;
    this.#unseen(relation, range);
    if (name === 'pg_catalog.pg_largeobject')
      this.#found.add('export', name, 'Reads large objects.', range['location']);
    for (const row of relation.rows) this.#found.include(behindRelation(this.#a, row, 'read'), name, range['location']);
  }

  /** Rows of it are locked. */
  locks(range: Tree): void {
    for (const row of this.#names.relation(range).rows)
      this.#found.include(behindRelation(this.#a, row, 'lock'), qualified(row.schema, row.name), range['location']);
  }

  /** Every relation of the database that keeps rows is maintained. */
  analysesAll(): void {
    for (const row of this.#names.catalog?.relations ?? [])
      if (KEEPS_ROWS.includes(row.kind))
        this.#found.include(behindRelation(this.#a, row, 'analyze'), qualified(row.schema, row.name));
  }

  /** A relation whose rows are looked at to maintain it. */
  analyses(range: Tree, frame: Frame): void {
    this.reads(range, frame);
    for (const row of this.#names.relation(range).rows)
      this.#found.include(behindRelation(this.#a, row, 'analyze'), qualified(row.schema, row.name), range['location']);
  }

  /** A relation that is written. verbs: what is done to it; none for a sequence. */
  writes(range: Tree, frame: Frame, verbs: readonly Verb[], why = 'Changes rows.'): void {
    if (frame.planned) return this.#plans(range, frame, verbs);
    const relation = this.#names.relation(range);
    const { name, unresolved } = relation;
    this.#about('write', relation, range, unresolved ? UNRESOLVED_RELATION : why, this.#found.writes);
    if (!relation.temporary && verbs.length > 0) this.#found.changes_rows = true;
    this.#unseen(relation, range);
    if (relation.temporary && this.#names.views.has(textOf(range['relname'])))
      this.#found.add(
        'code',
        name,
        'A view that this message made: what it writes is not known yet.',
        range['location'],
        true,
      );
    for (const verb of verbs)
      for (const row of relation.rows)
        this.#found.include(behindRelation(this.#a, row, verb), name, range['location'], true);
    if (/^(pg_catalog|information_schema)\./.test(name)) {
      this.#found.add('admin', name, 'Changes the system catalog or a setting by hand.', range['location']);
      this.#effects.forget();
    }
  }

  /** It would be written, and a plan for that is made. */
  #plans(range: Tree, frame: Frame, verbs: readonly Verb[]): void {
    this.reads(range, { ...frame, scope: null });
    for (const verb of verbs)
      for (const row of this.#names.relation(range).rows)
        if (verb === 'insert' || verb === 'update' || verb === 'delete')
          this.#found.include(
            behindRelation(this.#a, row, `plan-${verb}`),
            qualified(row.schema, row.name),
            range['location'],
          );
  }

  /** A temporary table has been created (it shadows others of its name), or is gone. */
  temporary(range: Tree, exists: boolean): void {
    const name = textOf(range['relname']);
    if (exists && this.#names.relation(range).temporary) this.#names.temporaries.add(name);
    else this.#names.temporaries.delete(name);
  }

  /** Whatever hangs on a table can't be told while a catalog that should be there is not. */
  #unseen({ name, temporary }: ResolvedRelation, range: Tree): void {
    if (!this.#names.blind || temporary || /^(pg_catalog|information_schema)\./.test(name)) return;
    this.#found.add(
      'code',
      name,
      'The catalog can not be read now: what lies behind is not known.',
      range['location'],
      true,
    );
  }

  /** A view of the session's own: what is written into it goes elsewhere. */
  temporaryView(range: Tree): void {
    if (!this.#names.relation(range).temporary) return;
    this.temporary(range, true);
    this.#names.views.add(textOf(range['relname']));
  }

  forgetTemporary(): void {
    this.#names.changes('temporary-gone');
    this.#names.temporaries.clear();
  }

  /** Another finding on a relation that exists already: on each that the name may mean. */
  about(action: Action, range: Tree, why: string): void {
    this.#about(action, this.#names.relation(range), range, why);
  }

  #about(action: Action, relation: Omit<ResolvedRelation, 'rows'>, range: Tree, why: string, into?: Set<string>): void {
    this.#found.add(action, relation.name, why, range['location'], relation.unresolved);
    for (const other of relation.perhaps) this.#found.add(action, other, PERHAPS, range['location']);
    for (const name of [relation.name, ...relation.perhaps]) into?.add(name);
  }

  /** A relation that is altered or dropped: each that the name may mean. One of the session's own is only a write. */
  defines(range: Tree, frame: Frame, why: string): void {
    this.#defines(this.#names.relation(range), range, frame, why);
  }

  /** DROP of a relation that nobody has, which the server skips (IF EXISTS) or answers with an error: event triggers may run. */
  dropsNothing(range: Tree, frame: Frame): boolean {
    if (frame.planned || !this.#names.lacks(range)) return false;
    this.#found.defined = true;
    // It may be a temporary one: made by what stands around this body, or by what ran before in this text.
    if (this.#found.isNested) this.forgetTemporary();
    else if (this.#names.doubted) this.#names.changes('temporary-gone');
    if (!this.#found.isNested)
      this.#found.add('read', '', 'Drops nothing: there is none of that name.', range['location']);
    return true;
  }

  /** A relation that is created: in the first schema of the path, whatever the later ones hold. */
  creates(range: Tree, frame: Frame, why: string): void {
    this.#defines({ ...this.#names.relation(range), perhaps: [] }, range, frame, why);
  }

  #defines(relation: ResolvedRelation, range: Tree, frame: Frame, why: string): void {
    if (frame.planned) return;
    this.#found.defined = true;
    this.#names.changes(relation.temporary ? 'temporary' : 'any');
    if (relation.temporary)
      this.#about('write', relation, range, "Concerns a temporary table of the session's own.", this.#found.writes);
    else this.#about('ddl', relation, range, why, this.#found.writes);
  }

  /** A table that is part of another one which is read or written, and what happens behind it. */
  part(row: RelationRow, verb: Verb): void {
    const name = qualified(row.schema, row.name);
    const plans = verb === 'read' || verb.startsWith('plan-');
    (plans ? this.#found.reads : this.#found.writes).add(name);
    this.#found.include(behindRelation(this.#a, row, verb), name, undefined, !plans);
  }

  /** Rows of another table go or change with those of one that it refers to. */
  cascades(row: RelationRow, verb: Verb): void {
    const range = { schemaname: row.schema, relname: row.name };
    this.writes(range, NOWHERE, [verb], 'Changes with the rows that it refers to.');
  }

  /** The table of a view that the server can write through. 'analyze': that is only planned. */
  writesThrough(query: string, verb: Verb): void {
    const parsed = this.#a.parser.parse(Buffer.from(query, 'utf8').toString('latin1'));
    const select = parsed.ok ? (parsed.statements[0]?.stmt?.['SelectStmt'] as Tree | undefined) : undefined;
    const from = (select?.['fromClause'] as unknown[] | undefined) ?? [];
    const [kind, range] = unwrap(from[0] ?? {});
    const plans = verb.startsWith('plan-');
    const done = plans ? (verb.slice('plan-'.length) as Change) : verb;
    if (from.length === 1 && kind === 'RangeVar')
      this.writes(range, { ...NOWHERE, planned: plans || verb === 'analyze' }, [done]);
  }
}

/** pg_class.relkind of tables, partitioned ones and materialized views. */
const KEEPS_ROWS = 'rpm';

const UNRESOLVED_RELATION = 'The search_path is not known here, so neither is the table.';
const PERHAPS = 'Perhaps this table: the search_path has several schemas.';
