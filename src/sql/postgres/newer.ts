// Where a server older than the grammar (PostgreSQL 18) takes a text that both accept for something else: words that became keywords.
// What an older server does not parse at all has no place here: it refuses it.
import type { Tree } from './parser.ts';
import { strings } from './tree.ts';

interface NewerCall {
  readonly name: string;
  /** The grammar's node. */
  readonly kind: string;
  /** First major that has the syntax; before it, the name is looked up like any other. */
  readonly first: number;
  /** Of arguments that the older server sees; -1: no built-in function or type has the name. */
  readonly count: number;
  /** Which of the nodes; absent: each. */
  readonly where?: (node: Tree) => boolean;
}

/**
 * Not listed, for they need a word that an older server refuses there: JSON_OBJECT with pairs, JSON_OBJECTAGG, JSON_ARRAY of a query,
 * JSON_TABLE, IS JSON.
 */
export const NEWER_CALLS: readonly NewerCall[] = [
  { name: 'json_object', kind: 'JsonObjectConstructor', first: 16, count: 0, where: (n) => n['exprs'] === undefined },
  { name: 'json_array', kind: 'JsonArrayConstructor', first: 16, count: -1 },
  { name: 'json_arrayagg', kind: 'JsonArrayAgg', first: 16, count: -1 },
  { name: 'json', kind: 'JsonParseExpr', first: 17, count: 1 },
  { name: 'json_scalar', kind: 'JsonScalarExpr', first: 17, count: -1 },
  { name: 'json_serialize', kind: 'JsonSerializeExpr', first: 17, count: -1 },
  { name: 'json_exists', kind: 'JsonFuncExpr', first: 17, count: -1, where: (n) => n['op'] === 'JSON_EXISTS_OP' },
  { name: 'json_query', kind: 'JsonFuncExpr', first: 17, count: -1, where: (n) => n['op'] === 'JSON_QUERY_OP' },
  { name: 'json_value', kind: 'JsonFuncExpr', first: 17, count: -1, where: (n) => n['op'] === 'JSON_VALUE_OP' },
  { name: 'merge_action', kind: 'MergeSupportFunc', first: 17, count: -1 },
];

/** JSON_OBJECT(array) is pg_catalog's only where it is a keyword. */
export function callNames(names: readonly string[], major: number): readonly string[] {
  return major < 16 && names.join('.') === 'pg_catalog.json_object' ? ['json_object'] : names;
}

/** So is the type JSON. */
export function typeNames(names: readonly string[], major: number): readonly string[] {
  return major < 17 && names.join('.') === 'pg_catalog.json' ? ['json'] : names;
}

/** SYSTEM_USER, which before 16 is the name of a column or, after FROM, of a table. */
export function isSystemUser(call: Tree, major: number): boolean {
  return (
    major < 16 &&
    call['funcformat'] === 'COERCE_SQL_SYNTAX' &&
    strings(call['funcname']).join('.') === 'pg_catalog.system_user'
  );
}
