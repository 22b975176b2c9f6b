// Statements that are prepared by one statement and run by another, and cursors that go on: what runs was judged when it was prepared or
// opened, and counts where it runs. A name that is not known for certain is `code`.
import type { Analysis, AnalysisContext } from '../findings.ts';
import type { Analyst } from './analyst.ts';
import { rowsMax } from './bounds.ts';
import type { Effects } from './effects.ts';
import type { Found } from './found.ts';
import { atEnd, judgeStatements, tagOf } from './message.ts';
import { IDENTIFIER_BYTES_MAX, quoteIdentifier } from './names.ts';
import type { Tree } from './parser.ts';
import type { Names } from './resolve.ts';
import { refuse, unwrap } from './tree.ts';

export class Prepared {
  readonly #a: Analyst;
  readonly #found: Found;
  readonly #names: Names;
  readonly #effects: Effects;
  readonly #known = new Map<string, Analysis>();
  /** Code of an earlier statement of this text may have prepared other statements than the session knows. */
  #doubted = false;
  /** Rows that the statement of EXECUTE can return; null: any number; undefined: it is none. */
  executed: number | null | undefined;

  constructor(a: Analyst) {
    this.#a = a;
    this.#found = a.found;
    this.#names = a.names;
    this.#effects = a.effects;
  }

  /** PREPARE: judges the inner statement alone, then counts its findings here too. */
  prepare(name: string, query: Tree): void {
    this.#checkName(name);
    const inner = this.#a.another(this.#a.text, this.#names.here);
    const [kind, node] = unwrap(query);
    inner.found.start = this.#found.start;
    inner.names.doubted = this.#names.doubted;
    inner.walk(kind, node);
    atEnd(inner, 0);
    inner.found.statements.push({
      kind: tagOf(kind, node),
      start: this.#found.start,
      end: this.#found.start,
      writes_all_rows: inner.found.writes_all_rows,
      folds_rows: inner.found.folds && inner.found.reads_user_relation,
      rows_max: rowsMax(kind, node, inner.names),
      cursor: null,
      copy_in: false,
      returns_written: inner.found.returns_written,
      hidden_writes: inner.found.hidden_writes,
      transaction_control: false,
      parse_is_harmless: true,
    });
    const analysis: Analysis = {
      ...inner.result(NO_TEXT),
      prepared_by: this.#a.text.slice(this.#found.start, this.#found.end),
    };
    this.#found.merge(analysis);
    // Inside of code it may run or not: no name is certain afterwards.
    if (this.#found.pinned) return this.deallocate(null);
    this.#known.set(name, analysis);
    this.#effects.list.push({ type: 'prepare', name, inner: analysis, statement: this.#found.statement });
  }

  /** EXECUTE: what was found when the statement was prepared. */
  execute(name: string, location?: unknown): void {
    this.#checkName(name);
    const here = this.#known.get(name);
    if (!here) this.#found.session_bound = true;
    const inner = this.#anew(here ?? (this.#doubted ? undefined : this.#a.context.prepared(name)));
    this.executed = inner === null ? 0 : inner === 'utility' ? undefined : inner?.statements[0]?.rows_max;
    // The server answers 26000.
    if (inner === null) return;
    // COPY would turn the conversation round, DECLARE and FETCH would run later: what follows is only known of the protocol's own.
    if (inner === 'utility') refuse('EXECUTE of a utility statement that Parse made: run it by Bind and Execute');
    if (!inner) {
      this.#found.add('code', quoteIdentifier(name), 'A prepared statement that is not known.', location, true);
      this.#effects.forget();
      return;
    }
    this.#found.merge(inner);
    for (const effect of inner.effects) {
      if (effect.type === 'unknown') this.#effects.forget();
      else if (effect.type === 'set') this.#effects.set(effect.name, effect.value, effect.local);
    }
  }

  /**
   * What was found under another catalog, role or search_path may be something else now: the server looks names up again where what they mean
   * may have changed. Where a nearer temporary object came up it does not.
   */
  #anew(inner: Analysis | 'utility' | null | undefined): Analysis | 'utility' | null | undefined {
    if (!inner || inner === 'utility' || inner.prepared_by === undefined) return inner;
    const { catalog, doubted, path_text, role, here } = this.#names;
    const planned_before = [...(this.#a.context.planned_before ?? []), ...(inner.planned_before ?? [])];
    const moved =
      inner.elsewhere === true ||
      role !== this.#a.context.role ||
      (inner.search_path !== undefined && inner.search_path !== path_text);
    if (inner.catalog === catalog?.id && !doubted && !moved && planned_before.length === 0) return inner;
    const parsed = this.#a.parser.parse(inner.prepared_by);
    if (!parsed.ok) return undefined;
    const analyst = this.#a.another(inner.prepared_by, { ...here, planned_before });
    analyst.names.doubted = doubted;
    judgeStatements(analyst, parsed.statements);
    const made = analyst.effects.list.find((effect) => effect.type === 'prepare');
    return made?.inner ?? analyst.result(NO_TEXT);
  }

  /** FETCH, MOVE: goes on with what was judged when it was opened, unless that is something which finds its names when it runs. */
  fetch(name: string): void {
    const { runs_late, runs_code } = this.#a.context.portals ?? NO_PORTALS;
    if (runs_late) this.#found.add('code', quoteIdentifier(name), RUNS_LATE, undefined, true);
    if (runs_late || runs_code) this.#effects.runsCode();
  }

  deallocate(given: string | null): void {
    if (given !== null) this.#checkName(given);
    const name = this.#found.pinned ? null : given;
    if (name === null) this.#known.clear();
    else this.#known.delete(name);
    this.#effects.list.push({ type: 'deallocate', name, statement: this.#found.statement });
  }

  /** Where the server cuts a long name depends on its encoding. */
  #checkName(name: string): void {
    // oxlint-disable-next-line no-control-regex
    if (/[^\x00-\x7f]/.test(name) && Buffer.byteLength(name) >= IDENTIFIER_BYTES_MAX - 3)
      refuse(`the name of a prepared statement must be shorter than ${IDENTIFIER_BYTES_MAX - 3} bytes, or ASCII`);
  }

  /** No name is certain from here on. */
  forget(): void {
    this.#known.clear();
    this.#doubted = true;
  }
}

const NO_TEXT = { forward: null, position_shift: [], shape: '', reason: null };
const NO_PORTALS: NonNullable<AnalysisContext['portals']> = { runs_late: false, runs_code: false };
const RUNS_LATE = 'Perhaps a portal of EXECUTE or EXPLAIN, whose names are looked up only now.';
