// What has been found of a message: findings, each once for a statement, and the facts that are no finding. Another analysis's are counted
// in here too: what lies behind a name, or was found when a statement was prepared. Nothing that was found is ever taken back.
import type { Action, Analysis, Finding, StatementFacts } from '../findings.ts';
import type { Analyst } from './analyst.ts';
import type { Behind } from './behind.ts';
import { nameEnd } from './lexer.ts';
import { Refusal } from './tree.ts';

/** Most findings kept of one message; beyond it the message is refused with 54000. */
export const FINDINGS_MAX = 10_000;

export class Found {
  readonly #a: Analyst;
  readonly findings: Finding[] = [];
  readonly statements: StatementFacts[] = [];
  readonly reads = new Set<string>();
  readonly writes = new Set<string>();
  readonly functions = new Set<string>();
  /** Bodies that run with it (../bodies.ts). */
  readonly bodies = new Set<string>();
  /** Functions called that run with the rights of their owner, and who that is. */
  readonly definers = new Map<string, string>();
  /** Index of the statement under way. */
  statement = 0;
  /** And where it lies. */
  start = 0;
  end = 0;
  /** Facts of the statement under way. */
  writes_all_rows = false;
  folds_rows = false;
  copy_in = false;
  returns_written = false;
  hidden_writes = false;
  /** It defines a relation. */
  defined = false;
  /** It has a literal. */
  literal = false;
  /** It makes one value of many rows. */
  folds = false;
  /** It reads a relation that is not the server's own. */
  reads_user_relation = false;
  /** Facts of the message: what it means hangs on statements prepared before. */
  session_bound = false;
  /** Rows are changed, other than of temporary tables. */
  changes_rows = false;
  /** Code that users made may run. */
  user_code = false;
  /** Of objects that call each other, the rest counts further up. */
  cut = false;
  /** A byte range that stands for all that is found: text inside a literal has no place of its own. */
  pinned: readonly [number, number] | null = null;
  readonly #seen = new Set<string>();

  constructor(a: Analyst) {
    this.#a = a;
  }

  /** Is this the body of something else? Its parameters are data then. */
  get isNested(): boolean {
    return this.pinned !== null;
  }

  /** The next statement begins. */
  begin(start: number, end: number): void {
    this.start = start;
    this.end = end;
    this.writes_all_rows = this.folds_rows = this.copy_in = false;
    this.returns_written = this.hidden_writes = false;
    this.defined = this.literal = this.folds = this.reads_user_relation = false;
    this.#seen.clear();
  }

  /** Adds a finding once per statement, action and object. location: byte offset of the name; -1 or undefined: the statement. */
  add(action: Action, object: string, why: string, location?: unknown, unresolved = false): void {
    const key = `${action} ${unresolved ? '?' : ''}${object}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    if (this.findings.length >= FINDINGS_MAX)
      throw new Refusal('54000', `more than ${FINDINGS_MAX} findings in one message`);
    const [start, end] = this.place(location);
    const finding = { action, object, why, statement: this.statement, start, end };
    this.findings.push(unresolved ? { ...finding, unresolved } : finding);
  }

  /** A name's bytes, or where the statement begins. */
  place(location: unknown): readonly [number, number] {
    if (this.pinned) return this.pinned;
    if (typeof location !== 'number' || location < 0) return [this.start, nameEnd(this.#a.text, this.start)];
    return [location, nameEnd(this.#a.text, location)];
  }

  /** Counts another analysis's findings as found in the statement under way. */
  merge(inner: Analysis): void {
    for (const f of inner.findings) this.add(f.action, f.object, f.why, undefined, f.unresolved === true);
    for (const name of inner.reads) this.reads.add(name);
    for (const name of inner.writes) this.writes.add(name);
    for (const name of inner.functions) this.functions.add(name);
    for (const body of inner.bodies ?? []) this.bodies.add(body);
    this.writes_all_rows ||= inner.statements.some((s) => s.writes_all_rows);
    this.hidden_writes ||= inner.statements.some((s) => s.hidden_writes);
    this.returns_written ||= inner.statements.some((s) => s.returns_written);
    this.folds_rows ||= inner.statements.some((s) => s.folds_rows);
    this.user_code ||= inner.user_code === true;
    if (inner.changes_catalog) this.#a.names.changes(inner.changes_catalog);
  }

  /**
   * Counts what happens behind a name as part of the statement. `machinery`: it belongs to the table that the statement openly writes, as
   * triggers and defaults do; else nothing in the text tells of it.
   */
  include(behind: Behind, via: string, location?: unknown, machinery = false): void {
    const { analysis } = behind;
    // What a trigger tells is its table's to tell.
    for (const f of analysis.findings)
      if (!machinery || f.action !== 'export' || f.object !== NOTIFY)
        this.add(f.action, f.object, `Through ${via}: ${f.why.replace(THROUGH, '')}`, location, f.unresolved === true);
    for (const name of analysis.reads) this.reads.add(name);
    for (const name of analysis.writes) this.writes.add(name);
    for (const name of analysis.functions) this.functions.add(name);
    for (const body of analysis.bodies ?? []) this.bodies.add(body);
    this.#a.names.missing ||= analysis.missing === true;
    if (analysis.effects.length > 0) this.#a.effects.forget();
    if (analysis.changes_catalog) this.#a.names.changes(analysis.changes_catalog);
    this.session_bound ||= analysis.session_bound;
    this.user_code ||= behind.user_code;
    this.cut ||= behind.cut;
    this.changes_rows ||= behind.changes_rows;
    if (machinery) return;
    this.hidden_writes ||= behind.changes_rows || behind.hidden_writes;
    for (const [name, owner] of behind.definers) this.definers.set(name, owner);
  }
}

/** Sends what it is given to whoever listens. */
export const NOTIFY = 'pg_catalog.pg_notify';
const THROUGH = /^Through [^:]+: /;
