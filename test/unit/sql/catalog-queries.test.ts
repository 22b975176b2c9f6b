// What is asked of a database's catalog runs in agents' sessions, under a search_path of their choice: no name in it may be looked up there.
import { expect, test } from 'vitest';
import { CATALOG_QUERY, FINGERPRINT_QUERY, SNAPSHOT_QUERY } from '../../../src/sql/postgres/catalog/rows.ts';
import { parser } from './helpers.ts';

type Node = Readonly<Record<string, unknown>>;

/** Kinds that name what a search_path finds, and what they name. */
const NAMES: Readonly<Record<string, (node: Node) => readonly unknown[]>> = {
  FuncCall: ({ funcname }) => funcname as unknown[],
  A_Expr: ({ name }) => name as unknown[],
  SubLink: ({ operName = [], testexpr }) =>
    testexpr === undefined ? [{ String: { sval: 'pg_catalog' } }] : (operName as unknown[]),
  TypeCast: ({ typeName }) => ((typeName as Node)['names'] as unknown[]) ?? [],
  RangeVar: ({ schemaname = '', relname }) => [schemaname, relname].map((sval) => ({ String: { sval } })),
  CollateClause: ({ collname }) => collname as unknown[],
  SortBy: ({ useOp = [] }) =>
    (useOp as unknown[]).length === 0 ? [{ String: { sval: 'pg_catalog' } }] : (useOp as unknown[]),
};
/** Kinds without names, and those whose names are columns of what stands in the query. Any other must be looked at first. */
const NAMELESS = new Set(
  `SelectStmt ResTarget ColumnRef A_Const A_Star String List RangeSubselect RangeFunction JoinExpr Alias BoolExpr NullTest CaseExpr CaseWhen
   CoalesceExpr A_ArrayExpr Integer RowExpr`.split(/\s+/),
);

/** Every name, as it is written; a kind that is not known here. */
const looked = (sql: string): { readonly names: readonly string[]; readonly unknown: readonly string[] } => {
  const parsed = parser.parse(sql);
  if (!parsed.ok) throw new Error(parsed.message);
  const names: string[] = [];
  const unknown = new Set<string>();
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(walk);
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (/^[A-Z]/.test(key)) {
        const node = inner as Node;
        const name = NAMES[key]?.(node).map((part) => ((part as Node)['String'] as Node)['sval']);
        if (name) names.push(`${key} ${name.join('.')}`);
        else if (!NAMELESS.has(key)) unknown.add(key);
        // JOIN USING, NATURAL JOIN and CASE x WHEN look for an operator that nobody wrote.
        if (node['usingClause'] || node['isNatural'] || (key === 'CaseExpr' && node['arg'])) unknown.add(`${key} =`);
      }
      walk(inner);
    }
  };
  walk(parsed.statements);
  return { names, unknown: [...unknown] };
};

test.each([
  ['the catalog', CATALOG_QUERY, 400],
  ['its fingerprint', FINGERPRINT_QUERY, 100],
  ['the snapshot', SNAPSHOT_QUERY, 2],
])('every name in the query for %s is qualified', (_, sql, names_min) => {
  const { names, unknown } = looked(sql);
  expect(unknown).toEqual([]);
  expect(names.length).toBeGreaterThanOrEqual(names_min);
  expect(names.filter((name) => !/^\w+ pg_catalog(\.|$)/.test(name))).toEqual([]);
});

test.each([
  ['f(1)', 'FuncCall f'],
  ['1 = 2', 'A_Expr ='],
  ['1 IN (2)', 'A_Expr ='],
  ['1 IS DISTINCT FROM 2', 'A_Expr ='],
  ["'a' LIKE 'b'", 'A_Expr ~~'],
  ['1 = ANY (SELECT 2)', 'SubLink ='],
  ['1 IN (SELECT 2)', 'SubLink '],
  ["'a'::text", 'TypeCast text'],
  ['(SELECT 1 FROM pg_class)', 'RangeVar .pg_class'],
])('a name that is not is seen: %s', (expression, expected) => {
  expect(looked(`SELECT ${expression}`).names).toContain(expected);
});
