// Which literals of a PostgreSQL statement a standing approval leaves free, told by the server's own grammar: a plain constant or a parameter
// that its WHERE, or the ON of an inner join, compares by `=` or IN to a plain column of a table. AND and OR may stand around that, and nothing
// else. Must never free what could decide by itself what is read: what is negated, nested or calculated stays as it is.
// The twin of mysql/pattern.ts.
import { type FormToken, type GivenParameter, hashOf, type StatementPattern } from '../pattern.ts';
import { blank, Lexer, TokenKind } from './lexer.ts';
import type { Parser, Tree } from './parser.ts';
import { strings, unwrap } from './tree.ts';

/** Null: there is none for a statement like this. Text: UTF-8 bytes as latin1. Needs a ready parser. */
export function patternOf(
  parser: Parser,
  text: string,
  parameters: readonly GivenParameter[],
  words: readonly string[],
): StatementPattern | null {
  const blanked = blank(text);
  const parsed = blanked.joins_strings ? null : parser.parse(blanked.text);
  if (!parsed?.ok || parsed.statements.length !== 1) return null;
  const places = freeIn(parsed.statements[0]?.stmt);
  if (places === null) return null;

  const tokens: FormToken[] = [];
  const free: [number, number][] = [];
  /** Where the token before begins. */
  let last = -1;
  /** Of each parameter: whether every place of it is free. */
  const numbers = new Map<number, boolean>();
  const lexer = new Lexer(blanked.text);
  let before: TokenKind = TokenKind.end;
  while (lexer.next()) {
    const { kind, start, end } = lexer;
    if (kind === TokenKind.space) continue;
    const token = text.slice(start, end);
    // The grammar takes a string that goes on behind a newline for one constant.
    if (kind === TokenKind.string && before === TokenKind.string && free.at(-1)?.[0] === last) {
      tokens[tokens.length - 1] = text.slice(...free.pop()!);
    }
    before = kind;
    last = start;
    const classOf = places.has(start) ? CLASSES[kind]?.(token) : undefined;
    if (kind === TokenKind.parameter) {
      const number = Number(token.slice(1));
      numbers.set(number, (numbers.get(number) ?? true) && places.has(start));
    }
    tokens.push(classOf === undefined ? token : [classOf]);
    if (classOf !== undefined) free.push([start, end]);
  }
  const free_parameters = [...numbers]
    .filter(([number, everywhere]) => everywhere && (parameters[number - 1]?.value ?? null) !== null)
    .map(([number]) => number)
    .toSorted((a, b) => a - b);
  return { hash: hashOf(tokens, parameters, new Set(free_parameters), words), free, free_parameters };
}

/** How a free literal's class is told from the token; undefined: such a one is never free. */
const CLASSES: Partial<Record<TokenKind, (token: string) => string | undefined>> = {
  // Of the type that it has here hangs which operator `=` is.
  [TokenKind.number]: (token) => {
    if (!PLAIN_NUMBER.test(token)) return undefined;
    if (!WHOLE_NUMBER.test(token)) return 'numeric';
    const value = BigInt(token);
    return value <= INT4_MAX ? 'int4' : value <= INT8_MAX ? 'int8' : 'numeric';
  },
  // None with a prefix.
  [TokenKind.string]: (token) => (token.startsWith("'") ? 'string' : undefined),
};
/** Servers differ about the rest: underscores, other bases. */
const PLAIN_NUMBER = /^(\d+(\.\d*)?|\.\d+)$/;
const WHOLE_NUMBER = /^\d+$/;
const INT4_MAX = 2n ** 31n - 1n;
const INT8_MAX = 2n ** 63n - 1n;

/** Where free constants and parameters begin; null: a statement like this has no pattern. */
function freeIn(stmt: Tree | undefined): ReadonlySet<number> | null {
  const [kind, fields] = unwrap(stmt);
  return STATEMENTS[kind]?.(fields) ?? null;
}

/** What a standing approval can be for. All else is decided each time. */
const STATEMENTS: Readonly<Record<string, (fields: Tree) => ReadonlySet<number> | null>> = {
  SelectStmt: (fields) => (fields['intoClause'] === undefined ? select(fields) : null),
  InsertStmt: (fields) => (fields['withClause'] === undefined ? (freeIn(fields['selectStmt'] as Tree) ?? NONE) : NONE),
  UpdateStmt: (fields) => conditions(fields, fields['fromClause']),
  DeleteStmt: (fields) => conditions(fields, fields['usingClause']),
  MergeStmt: () => NONE,
  CopyStmt: (fields) => {
    if (fields['is_from'] || fields['is_program'] || fields['filename'] !== undefined) return null;
    return fields['query'] === undefined ? NONE : freeIn(fields['query'] as Tree);
  },
};
const NONE: ReadonlySet<number> = new Set();

function select(fields: Tree): ReadonlySet<number> {
  return fields['op'] === undefined || fields['op'] === 'SETOP_NONE' ? conditions(fields, fields['fromClause']) : NONE;
}

/** A WITH query, a sub-query or a function in FROM may make a column of a constant: `x.k = 5` would be one constant beside another. */
function conditions(fields: Tree, from: unknown): ReadonlySet<number> {
  const found = new Set<number>();
  if (fields['withClause'] !== undefined) return NONE;
  for (const item of (from ?? []) as unknown[]) if (!tables(item, found, true)) return NONE;
  collect(fields['whereClause'], found);
  return found;
}

/** Are these plain tables, and joins of them? `inner`: around it there are inner joins alone. */
function tables(item: unknown, found: Set<number>, inner: boolean): boolean {
  const [kind, fields] = unwrap(item);
  if (kind === 'RangeVar') return true;
  if (kind !== 'JoinExpr') return false;
  const still = inner && fields['jointype'] === 'JOIN_INNER';
  // The ON of an outer join takes no rows away: it says which of them have no match.
  if (still) collect(fields['quals'], found);
  return tables(fields['larg'], found, still) && tables(fields['rarg'], found, still);
}

/** Adds the free constants of a condition. NOT would turn one row into all others. */
function collect(node: unknown, found: Set<number>): void {
  const [kind, fields] = unwrap(node);
  if (kind === 'BoolExpr' && fields['boolop'] !== 'NOT_EXPR') {
    for (const arg of (fields['args'] ?? []) as unknown[]) collect(arg, found);
    return;
  }
  if (kind !== 'A_Expr') return;
  const name = strings(fields['name']);
  // A schema before the operator makes it another one.
  if (name.length !== 1 || name[0] !== '=' || (fields['name'] as unknown[]).length !== 1) return;
  const { lexpr, rexpr } = fields;
  if (fields['kind'] === 'AEXPR_IN' && isColumn(lexpr)) {
    const [, list] = unwrap(rexpr);
    for (const one of (list['items'] ?? []) as unknown[]) constant(one, found);
  }
  if (fields['kind'] !== 'AEXPR_OP') return;
  if (isColumn(lexpr)) constant(rexpr, found);
  else if (isColumn(rexpr)) constant(lexpr, found);
}

function isColumn(node: unknown): boolean {
  const [kind, fields] = unwrap(node);
  const names = (fields['fields'] ?? []) as readonly { readonly String?: Tree }[];
  return kind === 'ColumnRef' && names.every((name) => name.String !== undefined);
}

function constant(node: unknown, found: Set<number>): void {
  const [kind, fields] = unwrap(node);
  if (kind !== 'A_Const' && kind !== 'ParamRef') return;
  if (kind === 'A_Const' && !FREE_CONSTANTS.some((one) => fields[one] !== undefined)) return;
  found.add(typeof fields['location'] === 'number' ? fields['location'] : 0);
}

/** Neither NULL, nor TRUE, nor bits. */
const FREE_CONSTANTS = ['ival', 'fval', 'sval'] as const;
