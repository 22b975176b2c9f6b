// What a statement changes for those that follow it, in its message and in the session: settings, the transaction, the search_path, and
// whether anything that was known still holds. It takes hold when the statement ends.
import type { Effect } from '../findings.ts';
import type { Analyst } from './analyst.ts';
import type { Found } from './found.ts';
import type { Names } from './resolve.ts';

export class Effects {
  readonly #a: Analyst;
  readonly #found: Found;
  readonly #names: Names;
  readonly list: Effect[] = [];
  /** What the statement under way makes of the path; null: nothing. */
  #next_path: { readonly text: string | null } | null = null;
  /** The role that the statement under way takes on; null: not known. Undefined: it takes on none. */
  #next_role: string | null | undefined;
  /** A statement of this text has changed it. */
  #role_changed = false;
  /** It ends with the transaction. */
  #path_local: boolean;
  /** It was changed in the open transaction, as far as that is known. */
  #path_changed: boolean;
  #forgets = false;
  /** The statement under way takes back what the catalog shows. */
  #takes_back = false;

  constructor(a: Analyst) {
    this.#a = a;
    this.#found = a.found;
    this.#names = a.names;
    this.#path_local = this.#path_changed = a.context.search_path_is_local === true;
  }

  set(name: string, value: string | null | undefined, local: boolean): void {
    this.list.push({ type: 'set', name, value, local, statement: this.#found.statement });
    if (name === 'role' || name === 'session_authorization') this.#next_role = this.#roleOf(name, value);
    if (name !== 'search_path') return;
    this.#next_path = { text: value === null ? (this.#a.context.search_path_start ?? null) : (value ?? null) };
    this.#path_local = local;
  }

  #roleOf(name: 'role' | 'session_authorization', value: string | null | undefined): string | null {
    const { role, role_start: start = role, role_none: none = role } = this.#a.context;
    if (value === null) return name === 'role' ? start : none;
    if (value === undefined) return null;
    return name === 'role' && value.toLowerCase() === 'none' ? none : value;
  }

  resetAll(): void {
    this.list.push({ type: 'reset-all', statement: this.#found.statement });
    this.#next_path = { text: this.#a.context.search_path_start ?? null };
  }

  transaction(op: (Effect & { type: 'transaction' })['op']): void {
    this.list.push({ type: 'transaction', op, statement: this.#found.statement });
    // A cursor WITH HOLD is run to its end.
    if ((op === 'commit' || op === 'prepare-transaction') && this.#a.context.portals?.runs_code) this.runsCode();
    // ON COMMIT DROP, or created in what is rolled back.
    if (op !== 'begin' && op !== 'savepoint' && op !== 'release') {
      this.#names.temporaries.clear();
      // Asked first: what depends on `catalog_is_own` is not what sessions without temporary objects find.
      if (this.#names.catalog?.hasSchema('pg_temp') || this.#names.changed !== null) this.#names.doubted = true;
      this.#takes_back = this.#a.context.catalog_is_own === true && (op === 'rollback' || op === 'rollback-to');
    }
    const restores =
      op === 'rollback' || op === 'rollback-to'
        ? this.#path_changed
        : this.#path_local && op !== 'begin' && op !== 'savepoint' && op !== 'release';
    if (restores) this.#next_path = { text: null };
    if (this.#role_changed && op !== 'begin' && op !== 'savepoint' && op !== 'release') this.#next_role = null;
  }

  /** A cursor whose query can't be read runs: it may make temporary objects, too. */
  runsCode(): void {
    this.forget();
    this.#names.changes('any');
  }

  /** Notes that what the session knows can't be told from here on, in this message and after it. */
  forget(): void {
    this.#next_path = { text: null };
    this.#next_role = null;
    this.#forgets = true;
    const last = this.list.at(-1);
    if (last?.type !== 'unknown' || last.statement !== this.#found.statement)
      this.list.push({ type: 'unknown', statement: this.#found.statement });
  }

  /** The statement has ended. changes_catalog: it may have made other objects of names. */
  settle(changes_catalog: boolean): void {
    const { path_text, role } = this.#names;
    const next_role = this.#next_role === undefined ? role : this.#next_role;
    if (this.#next_path) this.#path_changed = true;
    if (next_role !== role) this.#role_changed = true;
    if (this.#next_path || next_role !== role)
      this.#names.follow(this.#next_path ? this.#next_path.text : path_text, next_role);
    this.#next_path = null;
    this.#next_role = undefined;
    if (changes_catalog) this.#names.catalog = null;
    if (this.#takes_back) {
      this.#names.catalog = null;
      this.#names.blind = true;
    }
    if (this.#forgets) {
      this.#a.prepared.forget();
      this.#names.temporaries.clear();
      this.#forgets = false;
    }
  }
}
