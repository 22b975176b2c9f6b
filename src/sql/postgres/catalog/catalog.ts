// A database's own catalog at one moment, to look names up in: what exists under a name, and what hangs on it. It judges nothing
// (behind.ts does) and is never changed; what the analysis works out of it is remembered in `memo`, as long as it lives.
import { Memo } from '../../memo.ts';
import type { Behind } from '../behind.ts';
import {
  type CatalogRows,
  FIRST_USER_OID,
  type FunctionReference,
  type FunctionRow,
  type OperatorRow,
  type RelationRow,
  type TriggerRow,
  type TypeRow,
} from './rows.ts';

let made = 0;

export class Catalog {
  /** Another for each, in this process. */
  readonly id: number;
  readonly rows: CatalogRows;
  readonly memo: Memo<Behind>;

  readonly #relations: ReadonlyMap<string, RelationRow>;
  readonly #relation_oids: ReadonlyMap<number, RelationRow>;
  readonly #functions: ReadonlyMap<string, readonly FunctionRow[]>;
  readonly #function_oids: ReadonlyMap<number, FunctionRow>;
  readonly #types: ReadonlyMap<string, TypeRow>;
  readonly #type_oids: ReadonlyMap<number, TypeRow>;
  readonly #operators: ReadonlyMap<string, readonly OperatorRow[]>;
  readonly #schemas: ReadonlySet<string>;
  readonly #row_types: ReadonlyMap<number, TypeRow>;
  readonly #children: ReadonlyMap<number, readonly number[]>;
  readonly #columns: ReadonlyMap<number, readonly number[]>;
  readonly #views: ReadonlyMap<number, string | null>;
  readonly #triggers: ReadonlyMap<number, readonly TriggerRow[]>;
  readonly #rules: ReadonlyMap<number, readonly (readonly [event: string, text: string | null])[]>;
  readonly #policies: ReadonlyMap<number, readonly (readonly [command: string, text: string | null])[]>;
  readonly #expressions: ReadonlyMap<number, readonly (string | null)[]>;
  readonly #index_classes: ReadonlyMap<number, readonly number[]>;
  readonly #referencing: ReadonlyMap<number, readonly (readonly [table: number, deleted: string, updated: string])[]>;
  readonly #compared: ReadonlyMap<number, readonly FunctionReference[]>;
  readonly #foreign: ReadonlyMap<number, readonly [handler: string, program: boolean]>;
  readonly #checks: ReadonlyMap<number, readonly (string | null)[]>;
  readonly #parts: ReadonlyMap<number, readonly FunctionReference[]>;
  readonly #class_functions: ReadonlyMap<number, readonly FunctionReference[]>;
  readonly #type_classes: ReadonlyMap<number, readonly FunctionReference[]>;
  readonly #type_casts: ReadonlyMap<number, readonly FunctionReference[]>;

  readonly #ambient: readonly FunctionReference[];
  readonly #types_with_input: readonly TypeRow[];

  /** id: of the same catalog in another thread. */
  constructor(rows: CatalogRows, id = (made += 1), memo = new Memo<Behind>()) {
    this.id = id;
    this.rows = rows;
    this.memo = memo;
    this.#relations = new Map(rows.relations.map((row) => [key(row.schema, row.name), row]));
    this.#relation_oids = new Map(rows.relations.map((row) => [row.oid, row]));
    this.#functions = grouped(rows.functions, ({ name }) => name, same);
    this.#function_oids = new Map(rows.functions.map((row) => [row.oid, row]));
    this.#types = new Map(rows.types.map((row) => [key(row.schema, row.name), row]));
    this.#type_oids = new Map(rows.types.map((row) => [row.oid, row]));
    this.#operators = grouped(rows.operators, ({ name }) => name, same);
    this.#schemas = new Set(rows.schemas);
    this.#children = grouped(rows.inherits, first, second);
    this.#columns = grouped(rows.columns, first, second);
    this.#views = new Map(rows.views);
    this.#triggers = grouped(rows.triggers, ({ relation }) => relation, same);
    this.#rules = grouped(rows.rules, first, ([, event, text]) => [event, text] as const);
    this.#policies = grouped(rows.policies, first, ([, command, text]) => [command, text] as const);
    this.#expressions = grouped(rows.expressions, first, second);
    this.#index_classes = grouped(rows.indexes, first, second);
    this.#referencing = grouped(
      rows.foreign_keys,
      first,
      ([, table, deleted, updated]) => [table, deleted, updated] as const,
    );
    this.#compared = grouped(rows.compared, first, second);
    this.#foreign = new Map(rows.foreign_tables.map(([oid, handler, program]) => [oid, [handler, program]]));
    this.#checks = grouped(rows.checks, first, second);
    this.#parts = grouped(rows.aggregates, first, second);
    this.#class_functions = grouped(rows.operator_classes, first, ([, , fn]) => fn);
    this.#type_classes = grouped(rows.operator_classes, second, ([, , fn]) => fn);
    this.#types_with_input = rows.types.filter(({ oid, functions }) => functions.length > 0 || this.#checks.has(oid));
    // One that is not in the catalog either may be of a temporary table of another session.
    const built_in = (type: number): boolean => type < FIRST_USER_OID;
    this.#ambient = [
      ...rows.casts.filter(({ source, target }) => built_in(source) && built_in(target)).map((cast) => cast.function),
      ...rows.operator_classes.filter(([, type]) => built_in(type)).map(([, , fn]) => fn),
    ];
    this.#row_types = new Map(rows.types.filter(({ relation }) => relation !== 0).map((row) => [row.relation, row]));
    // Of an array's or a multirange's, too: whoever has the element makes one of it.
    const withParts = (type: number): readonly number[] => [type, ...(this.#type_oids.get(type)?.parts ?? [])];
    const casts = rows.casts.flatMap(({ source, target, function: fn }) =>
      [...withParts(source), ...withParts(target)].map((type) => [type, fn] as const),
    );
    this.#type_casts = grouped(casts, first, second);
  }

  // What a session's temporary objects may answer otherwise is noted (Memo.note); `Overlay` has another answer to each of these.

  hasSchema(name: string): boolean {
    if (name === TEMPORARY) this.memo.note(TEMPORARY);
    return this.#schemas.has(name);
  }

  relation(schema: string, name: string): RelationRow | undefined {
    if (schema === TEMPORARY) this.memo.note(name);
    return this.#relations.get(key(schema, name));
  }

  relationOf(oid: number): RelationRow | undefined {
    return this.#found(oid, this.#relation_oids.get(oid));
  }

  get relations(): readonly RelationRow[] {
    this.memo.note(TEMPORARY);
    return this.rows.relations;
  }

  /** In any schema. */
  functions(name: string): readonly FunctionRow[] {
    this.memo.note(name);
    return this.#functions.get(name) ?? NONE;
  }

  functionOf(oid: number): FunctionRow | undefined {
    return this.#found(oid, this.#function_oids.get(oid));
  }

  /** In any schema. */
  operators(name: string): readonly OperatorRow[] {
    this.memo.note(name);
    return this.#operators.get(name) ?? NONE;
  }

  type(schema: string, name: string): TypeRow | undefined {
    if (schema === TEMPORARY) this.memo.note(name);
    return this.#types.get(key(schema, name));
  }

  typeOf(oid: number): TypeRow | undefined {
    return this.#found(oid, this.#type_oids.get(oid));
  }

  /** Types whose input runs more than the server's own code. */
  get types_with_input(): readonly TypeRow[] {
    this.memo.note(INPUTS);
    return this.#types_with_input;
  }

  /** Of casts between built-in types and of operator classes for them, which users made: any expression may use them. */
  get ambient(): readonly FunctionReference[] {
    return this.#ambient;
  }

  /** [event, function] */
  get event_triggers(): CatalogRows['event_triggers'] {
    return this.rows.event_triggers;
  }

  #found<Row>(oid: number, row: Row | undefined): Row | undefined {
    if (row === undefined && oid >= FIRST_USER_OID) this.memo.note(oid);
    return row;
  }

  /** What hangs on a relation. */
  behind(oid: number) {
    this.memo.note(oid);
    return {
      children: this.#children.get(oid) ?? NONE,
      /** Of its rows, whose parts are the types of its columns. */
      row_type: this.#row_types.get(oid) ?? null,
      view: this.#views.get(oid) ?? null,
      triggers: this.#triggers.get(oid) ?? NONE,
      rules: this.#rules.get(oid) ?? NONE,
      policies: this.#policies.get(oid) ?? NONE,
      expressions: this.#expressions.get(oid) ?? NONE,
      /** Functions that its indexes and constraints compare with. */
      compares: [
        ...(this.#index_classes.get(oid) ?? NONE).flatMap((of) => this.functionsOfClass(of)),
        ...(this.#compared.get(oid) ?? NONE),
      ],
      referencing: this.#referencing.get(oid) ?? NONE,
      foreign: this.#foreign.get(oid) ?? null,
    };
  }

  /** Functions of an operator class. */
  functionsOfClass(oid: number): readonly FunctionReference[] {
    return this.#class_functions.get(oid) ?? NONE;
  }

  /** Functions that an aggregate consists of. */
  partsOf(aggregate: number): readonly FunctionReference[] {
    return this.#parts.get(aggregate) ?? NONE;
  }

  /** What hangs on a type: types it is made of, functions and expressions that its values may run through. */
  behindType({ oid, relation, parts, functions }: TypeRow) {
    this.memo.note(oid);
    return {
      types: [...parts, ...(this.#columns.get(relation) ?? NONE)],
      functions: [...functions, ...(this.#type_classes.get(oid) ?? NONE), ...(this.#type_casts.get(oid) ?? NONE)],
      checks: this.#checks.get(oid) ?? NONE,
    };
  }
}

/** What a session's temporary objects are in; and that there may be types with input of its own among them. */
export const TEMPORARY = 'pg_temp';
export const INPUTS = '\0inputs';

const NONE: readonly never[] = [];
const key = (schema: string, name: string): string => `${schema}\0${name}`;
const same = <T>(row: T): T => row;
const first = <T>(row: readonly [T, ...unknown[]]): T => row[0];
const second = <T>(row: readonly [unknown, T, ...unknown[]]): T => row[1];

function grouped<R, K, V>(rows: readonly R[], by: (row: R) => K, value: (row: R) => V): ReadonlyMap<K, readonly V[]> {
  const groups = new Map<K, V[]>();
  for (const row of rows) {
    const group = groups.get(by(row));
    if (group) group.push(value(row));
    else groups.set(by(row), [value(row)]);
  }
  return groups;
}
