// What a name of the text means here: the search_path, the catalog, the objects that the message itself has made, and which of these an
// earlier statement has put in doubt. It finds nothing and judges nothing; a name that may mean several things means them all.
import type { Analysis, AnalysisContext } from '../findings.ts';
import type { Analyst } from './analyst.ts';
import { Catalog } from './catalog/catalog.ts';
import { Overlay } from './catalog/overlay.ts';
import type { FunctionRow, RelationRow, TypeRow } from './catalog/rows.ts';
import type { Found } from './found.ts';
import { functionClass } from './functions.ts';
import {
  IDENTIFIER_BYTES_MAX,
  isBuiltIn,
  parseSearchPath,
  qualified,
  quoteIdentifier,
  type SearchPath,
} from './names.ts';
import type { Tree } from './parser.ts';
import { textOf } from './tree.ts';

/** What names resolve against: known, or null after something that the text can't tell. */
type Path = SearchPath | null;

/** A relation's name, and what else it may be. */
export interface ResolvedRelation {
  readonly name: string;
  readonly unresolved: boolean;
  readonly temporary: boolean;
  /** Its name in later schemas of the path, should the first not have it, or not be the role's to use. */
  readonly perhaps: readonly string[];
  /** Of the catalog: what it is, and what it may be. */
  readonly rows: readonly RelationRow[];
}
const RESOLVED: Omit<ResolvedRelation, 'name'> = { unresolved: false, temporary: false, perhaps: [], rows: [] };

export class Names {
  readonly #a: Analyst;
  readonly #found: Found;
  /** Names of transition tables, where this is a trigger's function. */
  locals: readonly string[] = [];
  /** Null: none, or not to be trusted any more: an earlier statement of this text has changed it. */
  catalog: Catalog | null;
  /** There should be one, and it can't be read. */
  blind: boolean;
  /** What the catalog says of temporary objects, or of names that are not there, may not be so any more. */
  doubted = false;
  /** What the message changes of it. */
  changed: NonNullable<Analysis['changes_catalog']> | null = null;
  path: Path;
  /** The effective role, for "$user"; null: an earlier statement of this text has changed it, and nobody can tell to which. */
  role: string | null;
  path_text: string | null;
  /** search_path that bodies of functions called here run under; null: unknown. */
  body_path: string | null;
  /** A name was looked up in the path. */
  path_used = false;
  /** A name was not there. */
  missing = false;
  /** Relations that this message has created as temporary ones. */
  readonly temporaries = new Set<string>();
  /** And views among them. */
  readonly views = new Set<string>();

  constructor(a: Analyst) {
    this.#a = a;
    this.#found = a.found;
    const { context } = a;
    this.catalog = context.catalog instanceof Catalog ? context.catalog : null;
    this.blind = context.blind === true;
    this.role = context.role;
    this.path_text = this.body_path = context.search_path;
    this.path = readPath(this.path_text, context.role, context, this.catalog);
  }

  /** From here on names are looked up in another path, or for another role. */
  follow(text: string | null, role: string | null): void {
    this.role = role;
    this.path_text = this.body_path = role === null && text?.includes('$user') ? null : text;
    this.path = readPath(this.path_text, role ?? '', this.#a.context, this.catalog);
  }

  /** What a text means that is looked into from here. */
  get here(): AnalysisContext {
    const { context } = this.#a;
    const { path_text: search_path, catalog } = this;
    const changed = this.role === context.role ? {} : { role: this.role ?? '', user_schema: 'perhaps' as const };
    return { ...context, search_path, catalog, ...changed };
  }

  /** Name of a relation as the server would resolve it: in the first schema of the path, perhaps in a later one. */
  relation(range: Tree): ResolvedRelation {
    const name = textOf(range['relname']);
    const schema = range['schemaname'] === undefined ? null : textOf(range['schemaname']);
    const catalog = range['catalogname'] === undefined ? null : textOf(range['catalogname']);
    if (catalog !== null && catalog !== this.#a.context.database) {
      return { ...RESOLVED, name: qualified(catalog, schema ?? '', name), unresolved: true };
    }
    if (schema !== null) {
      // Another session's, or this one's by its number: nobody writes that.
      if (NUMBERED.test(schema)) return { ...RESOLVED, name: qualified(schema, name), unresolved: true };
      const row = this.catalog?.relation(schema, name);
      const known = row || schema === 'pg_catalog' || schema === 'information_schema';
      if (this.catalog && !known) this.missing = true;
      return { ...RESOLVED, name: qualified(schema, name), temporary: schema === 'pg_temp', rows: row ? [row] : [] };
    }
    const path = this.path;
    const own = path?.temporary_first ? this.catalog?.relation('pg_temp', name) : undefined;
    if (range['relpersistence'] === 't' || own || (path?.temporary_first && this.temporaries.has(name))) {
      const temporary = { ...RESOLVED, name: qualified('pg_temp', name), temporary: true, rows: own ? [own] : [] };
      // An earlier statement may have taken it away; code may have made it or not; what was planned before it may mean what it hides.
      const older = this.#a.context.planned_before?.includes(name) === true;
      const certain = range['relpersistence'] === 't' || (!this.#found.pinned && !older && (!own || !this.doubted));
      const [first, ...others] = certain ? [] : this.#inPath(name);
      if (!first && (certain || !isBuiltIn('relation', name, this.#a.context.server_version))) return temporary;
      if (!first) return { ...temporary, temporary: false, perhaps: [qualified('pg_catalog', name)] };
      const perhaps = [temporary.name, ...others.map((other) => qualified(other.schema, name))];
      return { ...RESOLVED, name: qualified(first.schema, name), perhaps, rows: [first, ...others, ...temporary.rows] };
    }
    this.path_used = true;
    if (this.catalog && path) {
      const last = path.temporary_first ? undefined : this.catalog.relation('pg_temp', name);
      const found = [...this.#inPath(name), ...(last ? [last] : [])];
      const [row, ...others] = found;
      if (row && row === last) return { ...RESOLVED, name: qualified('pg_temp', name), temporary: true, rows: [row] };
      if (row && !(path.builtins_first && isBuiltIn('relation', name, this.#a.context.server_version)))
        return {
          ...RESOLVED,
          name: qualified(row.schema, name),
          perhaps: others.map((other) => qualified(other.schema, name)),
          rows: found,
        };
      if (!row && !isBuiltIn('relation', name, this.#a.context.server_version)) {
        this.missing = true;
        // It may be what an earlier statement has made or renamed.
        if (this.doubted) return { ...RESOLVED, name: quoteIdentifier(name), unresolved: true };
      }
    }
    const built_in = isBuiltIn('relation', name, this.#a.context.server_version);
    if (path?.builtins_first && built_in) return { ...RESOLVED, name: qualified('pg_catalog', name) };
    const [first, ...later] = path?.schemas ?? [];
    if (first === undefined || built_in) return { ...RESOLVED, name: quoteIdentifier(name), unresolved: true };
    return {
      ...RESOLVED,
      name: qualified(first, name),
      perhaps: this.catalog ? [] : [...later, ...(path?.perhaps ?? [])].map((other) => qualified(other, name)),
    };
  }

  /**
   * Has nobody a relation of that name, and is it none of the temporary ones? It is missing then, so the catalog is as new as can be; what
   * this text has made of temporary names is the session's own affair.
   */
  lacks(range: Tree): boolean {
    const { catalog, path } = this;
    const { committed, catalog_is_own, database, server_version } = this.#a.context;
    if (this.changed === 'any' || !catalog || !path) return false;
    const name = textOf(range['relname']);
    const schema = range['schemaname'];
    if ((range['catalogname'] ?? database) !== database) return false;
    if (schema === undefined && (catalog.relation('pg_temp', name) || this.temporaries.has(name))) return false;
    const schemas = schema === undefined ? [...path.schemas, ...path.perhaps] : [textOf(schema)];
    // The server's own are not in the catalog; where it cuts a long name depends on its encoding.
    if (schemas.some((of) => /^(pg_|information_schema$)/.test(of))) return false;
    if (isBuiltIn('relation', name, server_version) || Buffer.byteLength(name) > IDENTIFIER_BYTES_MAX - 3) return false;
    // A snapshot that an open transaction took early does not show what others have made since.
    const others = catalog_is_own === true && !(catalog instanceof Overlay) ? committed : catalog;
    if (!(others instanceof Catalog)) return false;
    if (schemas.some((of) => catalog.relation(of, name) || others.relation(of, name))) return false;
    this.path_used ||= schema === undefined;
    this.missing = true;
    return true;
  }

  /** Relations of that name in the schemas of the path. */
  #inPath(name: string): readonly RelationRow[] {
    return this.path?.schemas.flatMap((of) => this.catalog?.relation(of, name) ?? []) ?? [];
  }

  /** Functions that users made which a call may mean, overloads among them. Null: nobody can tell. */
  users(schema: string | null, bare: string, count: number, droppable = 0): readonly FunctionRow[] | null {
    const catalog = this.catalog;
    const schemas = this.schemas(schema);
    if (!catalog || !schemas || !this.sees(schema)) return null;
    const fits = ({ arguments: most, defaults, variadic }: FunctionRow): boolean =>
      count < 0 || (count >= most - defaults - (variadic ? 1 : 0) && (variadic || count - droppable <= most));
    return catalog.functions(bare).filter((row) => schemas.includes(row.schema) && fits(row));
  }

  /** Does a call of this name return one row, whichever function that users made it means? Null: it may be none of these. */
  returnsOne(names: readonly string[]): boolean | null {
    const [bare, schema = null] = names.toReversed() as [string, string?];
    const users = this.users(schema, bare, -1);
    if (users === null || users.length === 0) return null;
    if (users.some(({ set }) => set)) return false;
    return schema === null && functionClass(bare, -1, this.#a.context.server_version) !== null ? null : true;
  }

  /** The same of an operator; built-in ones return one. */
  operatorReturnsOne(name: string): boolean {
    const functions = (this.catalog?.operators(name) ?? []).flatMap((row) => row.functions);
    return functions.every((fn) => typeof fn === 'string' || this.catalog?.functionOf(fn)?.set !== true);
  }

  /** Types that users made which a name may mean. */
  userTypes(schema: string | null, bare: string): readonly TypeRow[] {
    const schemas = schema === null ? ['pg_temp', ...(this.schemas(null) ?? [])] : [schema];
    return schemas.flatMap((of) => this.catalog?.type(of, bare) ?? []);
  }

  /** Does the catalog have what is in this schema? Temporary ones are in that of their session alone. */
  sees(schema: string | null): boolean {
    if (schema === null) return true;
    return !NUMBERED.test(schema) && (schema !== 'pg_temp' || this.catalog?.hasSchema('pg_temp') === true);
  }

  /** Schemas that a name is looked up in, which temporary ones are only where a name says so. Null: nobody can tell. */
  schemas(schema: string | null): readonly string[] | null {
    if (schema !== null) return [schema];
    return this.path ? ['pg_catalog', ...this.path.schemas] : null;
  }

  /** Can the catalog tell what a name without a schema is here? */
  get resolves(): boolean {
    return this.catalog !== null && this.path !== null;
  }

  /** The catalog will not be what it was. */
  changes(what: NonNullable<Analysis['changes_catalog']>): void {
    this.doubted = true;
    if (this.changed === null || what === 'any' || this.changed === 'temporary-gone') this.changed = what;
  }
}

function readPath(text: string | null, role: string, context: AnalysisContext, catalog: Catalog | null): Path {
  if (text === null) return null;
  const without = role === context.role ? context.user_schema : 'perhaps';
  const schema = catalog ? (catalog.hasSchema(role) ? 'there' : 'none') : without;
  if (last?.text !== text || last.role !== role || last.schema !== schema)
    last = { text, role, schema, path: parseSearchPath(text, { role, ...(schema && { user_schema: schema }) }) };
  return last.path;
}
/** Most statements come under the path of the one before. */
let last: { text: string; role: string; schema: AnalysisContext['user_schema']; path: Path } | null = null;

/** A temporary schema by its number. */
const NUMBERED = /^pg_temp_\d+$/;
