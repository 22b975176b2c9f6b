// What has been found of a message: findings, each once for a statement, and the facts that are no finding. Nothing that was found is
// ever taken back.
import type { Action, Analysis, Finding, StatementFacts } from '../findings.ts';
import type { Behind } from './behind.ts';
import { Temporaries } from './temporary.ts';

/** Most findings kept of one message; beyond it the message is refused. */
export const FINDINGS_MAX = 10_000;

/** Too much was found to be kept. */
export class TooMuch extends Error {}

export class Found {
  readonly findings: Finding[] = [];
  readonly statements: StatementFacts[] = [];
  readonly reads = new Set<string>();
  readonly writes = new Set<string>();
  readonly functions = new Set<string>();
  /** Bodies that run with it (../bodies.ts). */
  readonly bodies = new Set<string>();
  /** Index of the statement under way, and where its first word lies. */
  statement = 0;
  start = 0;
  end = 0;
  /** Facts of the statement under way. */
  writes_all_rows = false;
  folds = false;
  folds_rows = false;
  reads_user_relation = false;
  hidden_writes = false;
  local_infile = false;
  /** Facts of the message. */
  session_bound = false;
  user_code = false;
  /** Rows of tables are changed. */
  changes_rows = false;
  /** A body has changed what the session has: settings, transaction, prepared statements. */
  changes_session = false;
  /** For what follows, names may mean other objects; and the session have other temporary tables, nobody knows which. */
  changes_catalog = false;
  changes_temporary = false;
  /** And they may already: an earlier statement has changed that. */
  doubted = false;
  /** A name is not in the catalog. */
  missing = false;
  /** Of objects that call each other, the rest counts further up. */
  cut = false;
  /** Tables that the message has created, which are certain to be plain ones. */
  readonly created = new Set<string>();
  /** And those that it has made temporary ones, perhaps. */
  readonly made = new Set<string>();
  readonly temporaries: Temporaries;
  /** A byte range that stands for all that is found: text inside of a literal has no place of its own. */
  pinned: readonly [number, number] | null = null;
  readonly #seen = new Set<string>();

  /** temporaries: tables that are certain to be temporary ones of the session. */
  constructor(temporaries?: ReadonlySet<string>) {
    this.temporaries = new Temporaries(temporaries);
  }

  /** The next statement begins. */
  begin(start: number, end: number): void {
    this.start = start;
    this.end = end;
    this.writes_all_rows = this.folds = this.folds_rows = this.reads_user_relation = false;
    this.hidden_writes = this.local_infile = false;
    this.doubted = this.changes_catalog;
  }

  /** Adds a finding once per statement, action and object; at a half-open byte range, or where the statement begins. */
  add(action: Action, object: string, why: string, at: readonly [number, number] | null, unresolved = false): void {
    const key = `${this.statement} ${action} ${unresolved ? '?' : ''}${object}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    if (this.findings.length >= FINDINGS_MAX) throw new TooMuch();
    const [start, end] = this.pinned ?? at ?? [this.start, this.end];
    const finding = { action, object, why, statement: this.statement, start, end };
    this.findings.push(unresolved ? { ...finding, unresolved } : finding);
  }

  /** Counts another analysis's findings as found in the statement under way, at one place. */
  merge(inner: Analysis, at: readonly [number, number] | null): void {
    for (const f of inner.findings) this.add(f.action, f.object, f.why, at, f.unresolved === true);
    for (const name of inner.reads) this.reads.add(name);
    for (const name of inner.writes) this.writes.add(name);
    for (const name of inner.functions) this.functions.add(name);
    for (const body of inner.bodies ?? []) this.bodies.add(body);
    for (const facts of inner.statements) {
      this.writes_all_rows ||= facts.writes_all_rows;
      this.hidden_writes ||= facts.hidden_writes;
      this.folds_rows ||= facts.folds_rows;
      this.local_infile ||= facts.copy_in;
    }
    this.user_code ||= inner.user_code === true;
    this.session_bound ||= inner.session_bound;
    this.missing ||= inner.missing === true;
  }

  /** No temporary table of the session is certain any more. */
  forgetTemporary(): void {
    this.changes_temporary = true;
    this.temporaries.forget();
  }

  /**
   * Counts what happens behind a name as part of the statement. `machinery`: it belongs to the table that the statement openly writes, as
   * triggers and foreign keys do; else nothing in the text tells of it.
   */
  include(behind: Behind, via: string, at: readonly [number, number] | null, machinery: boolean): void {
    // That it reads no table says nothing here.
    for (const { action, object, why, unresolved } of behind.findings)
      if (action !== 'read' || object !== '')
        this.add(action, object, `Through ${via}: ${why.replace(THROUGH, '')}`, at, unresolved === true);
    for (const name of behind.reads) this.reads.add(name);
    for (const name of behind.writes) this.writes.add(name);
    for (const name of behind.functions) this.functions.add(name);
    for (const body of behind.bodies) this.bodies.add(body);
    this.missing ||= behind.missing;
    this.cut ||= behind.cut;
    this.user_code ||= behind.user_code;
    this.changes_rows ||= behind.changes_rows;
    this.changes_session ||= behind.changes_session;
    this.changes_catalog ||= behind.changes_catalog;
    if (behind.changes_temporary) this.forgetTemporary();
    if (!machinery) this.hidden_writes ||= behind.changes_rows || behind.hidden_writes;
  }
}

const THROUGH = /^Through [^:]+: /;
