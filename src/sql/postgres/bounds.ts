// How many rows a statement can return, as far as its text and the functions that it calls tell, and which cursor it is about. For result
// limits: one that writes cannot be stopped half-way, so what it can return is asked before it runs. Where nothing tells, it must say so.
import type { Cursor } from '../findings.ts';
import type { Tree } from './parser.ts';
import { strings, textOf, unwrap } from './tree.ts';

/** What is known of functions that users made. */
interface Known {
  /** Does a call of this name return one row? Null: it may be none of these functions. */
  returnsOne(names: readonly string[]): boolean | null;
  operatorReturnsOne(name: string): boolean;
}

/** No more than these; null: any number; 0: none. What EXPLAIN prints is no row of a result. */
export function rowsMax(kind: string, node: Tree, known: Known): number | null {
  return BOUNDS[kind]?.(node, known) ?? (kind in BOUNDS ? null : 0);
}

/** The cursor that a statement opens, takes rows from or closes; null: none. `name` null: all of them. */
export function cursorOf(kind: string, node: Tree): Cursor | null {
  const op = CURSOR_OPS[kind];
  if (!op) return null;
  const name = node['portalname'] === undefined ? null : textOf(node['portalname']);
  return { op, name, holds: op === 'open' && (Number(node['options'] ?? 0) & CURSOR_OPT_HOLD) !== 0 };
}

/** parsenodes.h */
const CURSOR_OPT_HOLD = 0x20;
const FETCH_ALL = 2 ** 31 - 1;
const CURSOR_OPS: Readonly<Record<string, Cursor['op']>> = {
  DeclareCursorStmt: 'open',
  FetchStmt: 'fetch',
  ClosePortalStmt: 'close',
};

const BOUNDS: Readonly<Record<string, (node: Tree, known: Known) => number | null>> = {
  SelectStmt: select,
  InsertStmt: (node, known) => (returns(node) ? inserted(node, known) : 0),
  UpdateStmt: (node) => (returns(node) ? null : 0),
  DeleteStmt: (node) => (returns(node) ? null : 0),
  MergeStmt: (node) => (returns(node) ? null : 0),
  CopyStmt: (node) => (node['is_from'] === true || node['filename'] !== undefined ? 0 : null),
  FetchStmt: fetch,
  ExecuteStmt: () => null,
  CallStmt: () => 1,
  VariableShowStmt: () => null,
};

/** Has it a RETURNING? */
export const returns = (node: Tree): boolean =>
  node['returningClause'] !== undefined || node['returningList'] !== undefined;

function inserted(node: Tree, known: Known): number | null {
  const [kind, query] = unwrap(node['selectStmt']);
  return kind === '' ? 1 : select(query, known);
}

function fetch(node: Tree): number | null {
  if (node['ismove'] === true) return 0;
  const direction = textOf(node['direction']);
  if (direction === 'FETCH_ABSOLUTE' || direction === 'FETCH_RELATIVE') return 1;
  const count = Number(node['howMany'] ?? 0);
  return count >= 0 && count < FETCH_ALL ? Math.max(1, count) : null;
}

function select(node: Tree, known: Known): number | null {
  if (node['intoClause'] !== undefined) return 0;
  const bound = source(node, known);
  const limit = node['limitOption'] === 'LIMIT_OPTION_COUNT' ? constant(node['limitCount']) : null;
  if (bound === null || limit === null) return bound ?? limit;
  return Math.min(bound, limit);
}

/** Before LIMIT. */
function source(node: Tree, known: Known): number | null {
  if (node['larg'] !== undefined) {
    const left = select(node['larg'] as Tree, known);
    const right = select(node['rarg'] as Tree, known);
    return left === null || right === null ? null : left + right;
  }
  if (Array.isArray(node['valuesLists'])) return node['valuesLists'].length;
  const calls = callsOf(node['targetList'], known);
  if (calls === null) return null;
  const aggregates = calls.some((name) => AGGREGATES.has(name)) && node['groupClause'] === undefined;
  const from = (node['fromClause'] as unknown[] | undefined) ?? [];
  const single = from.every((item) => unwrap(item)[0] === 'RangeFunction' && callsOf(item, known) !== null);
  return single || aggregates ? 1 : null;
}

/** Names of the functions that are called there, subqueries aside; null: one of them may return more than one row. */
function callsOf(where: unknown, known: Known): string[] | null {
  const names: string[] = [];
  const stack: unknown[] = [where];
  while (stack.length > 0) {
    const item = stack.pop();
    if (typeof item !== 'object' || item === null) continue;
    for (const key in item) {
      const value = (item as Tree)[key];
      if (key === 'SubLink') continue;
      if (key === 'A_Expr' && !known.operatorReturnsOne(strings((value as Tree)['name']).at(-1) ?? '')) return null;
      // x.f may be f(x).
      const attributes = FIELDS[key] === undefined ? [] : strings((value as Tree)[FIELDS[key]]);
      if (attributes.some((part) => known.returnsOne([part]) === false)) return null;
      if (key === 'FuncCall') {
        const parts = strings((value as Tree)['funcname']);
        const name = parts.at(-1) ?? '';
        const built_in = parts.length === 1 || parts[0] === 'pg_catalog';
        const one = known.returnsOne(parts) ?? (built_in && (ONE_ROW.has(name) || AGGREGATES.has(name)));
        if (!one) return null;
        // A window function leaves the rows as they are.
        if (built_in && (value as Tree)['over'] === undefined) names.push(name);
      }
      stack.push(value);
    }
  }
  return names;
}

const FIELDS: Readonly<Record<string, string>> = { A_Indirection: 'indirection', ColumnRef: 'fields' };

/** Aggregates that keep little of what they are given, and functions that write or are asked all day: each gives one row. */
const AGGREGATES: ReadonlySet<string> = new Set(['count', 'sum', 'min', 'max', 'avg', 'bool_and', 'bool_or', 'every']);
const ONE_ROW: ReadonlySet<string> = new Set([
  'nextval',
  'setval',
  'currval',
  'lastval',
  'pg_get_serial_sequence',
  'quote_ident',
  'lower',
  'upper',
  'length',
  'abs',
  'round',
  'to_char',
  'date_trunc',
  'set_config',
  'current_setting',
  'now',
  'version',
  'pg_notify',
  'pg_backend_pid',
  'pg_advisory_lock',
  'pg_advisory_xact_lock',
  'pg_try_advisory_lock',
  'pg_try_advisory_xact_lock',
  'pg_advisory_unlock',
  'pg_advisory_unlock_all',
]);

/** A whole number that stands in the text; null: none does. */
function constant(wrapped: unknown): number | null {
  const [kind, node] = unwrap(wrapped);
  if (kind !== 'A_Const' || node['isnull'] === true || node['ival'] === undefined) return null;
  return Number((node['ival'] as Tree)['ival'] ?? 0);
}
