// A server's own catalog at one moment, to look names up in: what exists under a name, and what hangs on it. It judges nothing (behind.ts
// does) and is never changed; what the analysis works out of it is remembered in `memo`, as long as it lives.
import { Memo } from '../../memo.ts';
import type { Behind } from '../behind.ts';
import { folded, lowered } from '../names.ts';
import type { CatalogRows, EventRow, ForeignKeyRow, RoutineRow, TableRow, TriggerRow } from './rows.ts';

let made = 0;

/** Any of these. Whoever may write a table of MariaDB may see that it has triggers, but not what they do. */
const TO_SEE_TRIGGERS: Readonly<Record<CatalogRows['engine'], readonly string[]>> = {
  mysql: ['TRIGGER'],
  mariadb: ['TRIGGER', 'INSERT', 'UPDATE', 'DELETE'],
};

export class Catalog {
  /** Another for each, in this process. */
  readonly id = (made += 1);
  readonly rows: CatalogRows;
  readonly memo = new Memo<Behind>();
  readonly #tables: ReadonlyMap<string, TableRow>;
  readonly #routines: ReadonlyMap<string, readonly RoutineRow[]>;
  readonly #events: ReadonlyMap<string, EventRow>;
  readonly #triggers: ReadonlyMap<string, readonly TriggerRow[]>;
  readonly #referring: ReadonlyMap<string, readonly ForeignKeyRow[]>;
  readonly #loadable: ReadonlySet<string>;
  readonly #rights: readonly (readonly [database: RegExp, right: string])[];
  /** Tables with rights of their own. */
  readonly #granted: ReadonlySet<string>;
  readonly #seen = new Map<string, boolean>();

  constructor(rows: CatalogRows) {
    this.rows = rows;
    const grouped = <Row>(all: readonly Row[], key: (row: Row) => string): ReadonlyMap<string, readonly Row[]> => {
      const groups = new Map<string, Row[]>();
      for (const row of all) {
        const group = groups.get(key(row));
        if (group) group.push(row);
        else groups.set(key(row), [row]);
      }
      return groups;
    };
    this.#tables = new Map(rows.tables.map((row) => [this.#key(row.schema, row.name), row]));
    this.#routines = grouped(rows.routines, ({ schema, name }) => this.#key(schema, '') + folded(name));
    this.#events = new Map(rows.events?.map((row) => [this.#key(row.schema, '') + folded(row.name), row]));
    this.#triggers = grouped(rows.triggers, ({ schema, table }) => this.#key(schema, table));
    this.#referring = grouped(rows.foreign_keys, ({ to_schema, to_table }) => this.#key(to_schema, to_table));
    this.#loadable = new Set(rows.loadable?.map(folded));
    this.#rights = rows.rights.flatMap(([database, name, right]) =>
      name === null ? [[patternOf(database), right]] : [],
    );
    this.#granted = new Set(
      rows.rights.flatMap(([database, name, right]) => (name === null ? [] : `${this.#key(database, name)}\0${right}`)),
    );
  }

  /** Databases and tables: as the server tells their names apart. */
  #key(schema: string, name: string): string {
    const key = `${schema}\0${name}`;
    return this.rows.lower_case === 0 ? key : lowered(key);
  }

  table(schema: string, name: string): TableRow | undefined {
    return this.#tables.get(this.#key(schema, name));
  }

  /** The query of a view; null: it can't be seen. */
  queryOf({ schema, name }: TableRow): string | null {
    return this.rows.views.get(`${schema}\0${name}`) ?? null;
  }

  triggersOf({ schema, name }: TableRow): readonly TriggerRow[] {
    return this.#triggers.get(this.#key(schema, name)) ?? [];
  }

  /** Foreign keys of others that refer to it. */
  referringTo({ schema, name }: TableRow): readonly ForeignKeyRow[] {
    return this.#referring.get(this.#key(schema, name)) ?? [];
  }

  /** Of a database, whatever their kinds: names of routines are never told apart by their case. */
  routines(schema: string, name: string): readonly RoutineRow[] {
    return this.#routines.get(this.#key(schema, '') + folded(name)) ?? [];
  }

  event(schema: string, name: string): EventRow | undefined {
    return this.#events.get(this.#key(schema, '') + folded(name));
  }

  /** A function out of a shared library; null: they can't be seen. */
  isLoadable(name: string): boolean | null {
    return this.rows.loadable === null ? null : this.#loadable.has(folded(name));
  }

  /** Does the account see all of a database's tables and views? */
  seesTables(schema: string): boolean {
    return this.#has(schema, ['SELECT']);
  }

  /** And the views' queries. */
  seesQueries(schema: string): boolean {
    return this.#has(schema, ['SELECT']) && this.#has(schema, ['SHOW VIEW']);
  }

  /** The names of all of a table's triggers. */
  seesTriggers({ schema, name }: TableRow): boolean {
    const rights = TO_SEE_TRIGGERS[this.rows.engine];
    return (
      this.#has(schema, rights) || rights.some((right) => this.#granted.has(`${this.#key(schema, name)}\0${right}`))
    );
  }

  /** All of a database's events, with their bodies. */
  seesEvents(schema: string): boolean {
    return this.rows.events !== null && this.#has(schema, ['EVENT']);
  }

  /** The names of all of its routines. */
  seesRoutines(schema: string): boolean {
    return (
      this.#has(schema, ['EXECUTE', 'CREATE ROUTINE', 'ALTER ROUTINE']) || this.#has('', ['SELECT', 'SHOW_ROUTINE'])
    );
  }

  /** schema: '' for the server as a whole. */
  #has(schema: string, rights: readonly string[]): boolean {
    const key = `${schema}\0${rights.join()}`;
    const known = this.#seen.get(key);
    if (known !== undefined) return known;
    const has = this.#rights.some(([database, right]) => rights.includes(right) && database.test(schema));
    this.#seen.set(key, has);
    return has;
  }
}

/** A pattern of LIKE, for names of databases in any case. */
function patternOf(database: string): RegExp {
  const pattern = database.replace(/\\(.)|[%_]|[$()*+.?[\]^{|}/-]/g, (found, escaped: string | undefined) => {
    if (escaped !== undefined) return escaped.replace(/\W/, '\\$&');
    return found === '%' ? '.*' : found === '_' ? '.' : `\\${found}`;
  });
  return new RegExp(`^${pattern}$`, 'isu');
}
