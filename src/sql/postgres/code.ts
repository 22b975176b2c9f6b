// What runs because a statement names it, or names what it belongs to: functions, and through operators and types the functions of these.
// A built-in one is judged by its class, one that users made by its body; of one that is neither nothing is known, and it is `code`.
import type { Analyst } from './analyst.ts';
import { behindFunction, behindType, isHarmless } from './behind.ts';
import { Catalog } from './catalog/catalog.ts';
import type { FunctionReference, FunctionRow, TypeRow } from './catalog/rows.ts';
import type { Effects } from './effects.ts';
import { NOTIFY, type Found } from './found.ts';
import { FOLDING_AGGREGATES, FUNCTION_CLASSES, functionClass, type FunctionClassName } from './functions.ts';
import { isBuiltIn, qualified, quoteIdentifier } from './names.ts';
import type { Names } from './resolve.ts';
import { OWN_HELP, Refusal } from './tree.ts';

export class Code {
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
      this.#found.functions.add(name);
      const action = resolved.built_in_schema ? 'unknown' : 'code';
      this.#found.add(action, name, UNRESOLVED_FUNCTION, location, !resolved.built_in_schema);
      this.#effects.forget();
      return null;
    }
    this.#found.functions.add(name);
    this.#builtIn(name, resolved.class, location);
    if (FOLDING_AGGREGATES.has(bare)) this.#found.folds = true;
    return bare;
  }

  #builtIn(name: string, of: FunctionClassName, location: unknown): void {
    // set_config is judged by the setting it names, nextval by its sequence: expressions.ts does.
    if (of === 'set-config' || of === 'sequence') return;
    const { actions, why, safe } = FUNCTION_CLASSES[of];
    for (const action of actions) this.#found.add(action, name, why, location);
    if (!safe) this.#effects.forget();
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
    const major = this.#a.context.server_version;
    const bare = names.at(-1)!;
    const schema = names.length > 1 ? names.at(-2)! : null;
    if (schema === null) this.#names.path_used = true;
    const users = this.#names.users(schema, bare, count, droppable);
    const one = count >= 1 && count - droppable <= 1;
    const none = { bare, users: users ?? [], absent: users !== null };
    // type_name(x) is a cast where no function fits exactly.
    if (one) for (const row of this.#names.userTypes(schema, bare)) this.usesType(row);
    if (schema === null) {
      const usable = this.#names.path?.builtins_first || users !== null;
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
    else this.#names.missing = true;
  }

  /** An operator by its possibly qualified name. */
  operator(names: readonly string[], location: unknown): void {
    const bare = names.at(-1)!;
    const schema = names.length > 1 ? names.at(-2)! : null;
    if (schema === null) this.#names.path_used = true;
    const schemas = this.#names.schemas(schema);
    if (this.#names.catalog && schemas && this.#names.sees(schema)) {
      // Types are not known here: each that has the name may be meant.
      const found = this.#names.catalog.operators(bare).filter((row) => schemas.includes(row.schema));
      for (const row of found) for (const fn of row.functions) this.runsUnnamed(fn, location);
      if (found.length === 0 && !isBuiltIn('operator', bare, this.#a.context.server_version))
        this.#names.missing = true;
      return;
    }
    const built_in =
      (schema === 'pg_catalog' || (schema === null && this.#names.path?.builtins_first)) &&
      isBuiltIn('operator', bare, this.#a.context.server_version);
    if (built_in) return;
    this.#found.add('code', names.join('.'), 'Not a built-in operator: it may run any function.', location, true);
    this.#effects.forget();
  }

  /** How an index compares values. Those that the catalog has count with the types that they are for, built-in ones in every statement. */
  operatorClass(names: readonly string[], location: unknown): void {
    if (this.#names.catalog || names.at(-2) === 'pg_catalog') return;
    this.#found.add('code', names.join('.'), 'An operator class that is not known may run a function.', location, true);
    this.#effects.forget();
  }

  /** A type that a value is converted to; one that is not built in may run code. */
  type(names: readonly string[], location: unknown): void {
    const bare = names.at(-1)!;
    const schema = names.length > 1 ? names.at(-2)! : null;
    if (schema === null) this.#names.path_used = true;
    const major = this.#a.context.server_version;
    const path_known = this.#names.path !== null;
    if (this.#names.catalog && this.#names.sees(schema) && (schema !== null || path_known)) {
      const found = this.#names.userTypes(schema, bare);
      for (const row of found) this.usesType(row, location);
      const built_in = isBuiltIn('type', bare, major) || isBuiltIn('type', `information_schema.${bare}`, major);
      if (found.length === 0 && !built_in) this.#names.missing = true;
      return;
    }
    if (
      (schema === 'pg_catalog' || (schema === null && this.#names.path?.builtins_first)) &&
      isBuiltIn('type', bare, major)
    )
      return;
    if (schema === 'information_schema' && isBuiltIn('type', `information_schema.${bare}`, major)) return;
    const object = names.map(quoteIdentifier).join('.');
    this.#found.add('code', object, 'A conversion to a type that is not built in may run a function.', location, true);
    this.#effects.forget();
  }

  /** `x.name`: a column, or a function of x. */
  attribute(name: string, location: unknown): void {
    const found = functionClass(name, 1, this.#a.context.server_version);
    if (found !== null && FUNCTION_CLASSES[found].actions.length > 0) this.calls(['pg_catalog', name], 1, location);
    const users = this.#names.users(null, name, 1);
    // Where the path is not known, any of that name may be meant.
    const { catalog } = this.#a.context;
    if (users === null && catalog instanceof Catalog && catalog.functions(name).length > 0) {
      this.#found.add('code', quoteIdentifier(name), UNRESOLVED_FUNCTION, location, true);
      this.#effects.forget();
    }
    for (const row of users ?? []) this.runs(row.oid, location);
    for (const row of this.#names.userTypes(null, name)) this.usesType(row, location);
  }

  /** A function runs as part of the statement, which does not say what it does. */
  runs(fn: FunctionReference, location: unknown, locals: readonly string[] = []): void {
    if (typeof fn === 'string') {
      const of = functionClass(fn, -1, this.#a.context.server_version);
      const name = qualified('pg_catalog', fn);
      this.#found.functions.add(name);
      if (name === NOTIFY) this.#found.add('export', name, 'Sends what it is given to whoever listens.', location);
      if (of === null || of === 'set-config') {
        this.#found.add('code', name, UNRESOLVED_FUNCTION, location, true);
        this.#effects.forget();
      } else if (of === 'sequence') this.#found.add('write', name, FUNCTION_CLASSES.sequence.why, location);
      else this.#builtIn(name, of, location);
      return;
    }
    const row = this.#names.catalog?.functionOf(fn);
    if (!row) {
      this.#found.functions.add(String(fn));
      this.#found.add('code', String(fn), UNRESOLVED_FUNCTION, location, true);
      return this.#effects.forget();
    }
    const name = qualified(row.schema, row.name);
    this.#found.functions.add(name);
    this.#found.user_code ||= !isHarmless(row, this.#a.context.server_version);
    const behind = behindFunction(this.#a, row, locals);
    this.#found.include(behind, name, location);
    const { reads, writes, findings } = behind.analysis;
    if (row.definer && (behind.cut || reads.length > 0 || writes.length > 0 || findings.length > 0))
      this.#found.definers.set(name, row.owner);
  }

  /** What an operator or a type of a well-known extension runs says nothing of a statement. */
  runsUnnamed(fn: FunctionReference, location?: unknown): void {
    const row = typeof fn === 'number' ? this.#names.catalog?.functionOf(fn) : undefined;
    if (!row || !isHarmless(row, this.#a.context.server_version)) this.runs(fn, location);
  }

  /** A value of the type may be made, read or compared. */
  usesType(row: TypeRow, location?: unknown): void {
    this.#found.include(behindType(this.#a, row), qualified(row.schema, row.name), location);
  }

  /** Is what a word of a function's body may call among what was found in it? */
  accountsFor(name: string, body: string): boolean {
    const found = functionClass(name, -1, this.#a.context.server_version);
    const { actions, safe } = FUNCTION_CLASSES[found ?? 'read'];
    if ((actions.length > 0 || !safe) && !this.#found.functions.has(qualified('pg_catalog', name))) return false;
    const users = this.#names.catalog?.functions(name) ?? [];
    // In a schema that is neither in the path nor named.
    const elsewhere = (schema: string): boolean =>
      this.#names.path !== null && this.#names.schemas(null)?.includes(schema) === false && !body.includes(schema);
    return users.every(
      (row) =>
        isHarmless(row, this.#a.context.server_version) ||
        this.#found.functions.has(qualified(row.schema, row.name)) ||
        elsewhere(row.schema),
    );
  }
}

const UNRESOLVED_FUNCTION = 'Not a built-in function: it may run anything.';
