// What can be read of a plpgsql block: its static SQL is judged like any other, EXECUTE of a constant as the text it runs.
// It never makes a DO block less than `code`: the caller says that already. A function that can't all be read is `code`.
import type { Analyst } from './analyst.ts';
import { constantText } from './expressions.ts';
import { blank, Lexer, TokenKind } from './lexer.ts';
import { foldCase } from './names.ts';

/** Longest block that is looked into, in characters; a longer one stays `code` alone. */
export const BLOCK_CHARS_MAX = 64 * 1024;
const EXPRESSION_MODE = 2;
/** Of `a := x`, `a.b := x` and `a.b.c := x`. */
const ASSIGNMENT_MODES: ReadonlySet<number> = new Set([3, 4, 5]);

/** Adds what a DO block's statements do, at the place of the block. */
export function judgePlpgsql(a: Analyst, body: string, location: unknown): void {
  if (body.length > BLOCK_CHARS_MAX) return;
  const text = withoutComments(body);
  if (text === null) return;
  const tag = freeTag(text);
  judgeTree(a, a.parser.parsePlpgsql(`DO ${tag}${text}${tag}`), location);
}

/**
 * A function's statements. definition: as pg_get_functiondef prints it; source: its body. False: they can't all be read. What
 * is read is held against the words of the body, for the parser's tree leaves out some of it (defaults of composite variables).
 */
export function judgePlpgsqlFunction(a: Analyst, definition: string, source: string): boolean {
  const at = definition.lastIndexOf(source);
  if (at < 0 || source.length > BLOCK_CHARS_MAX) return false;
  const body = withoutComments(source);
  if (body === null) return false;
  const parse = (text: string): unknown =>
    a.parser.parsePlpgsql(latin1(definition.slice(0, at)) + text + latin1(definition.slice(at + source.length)));
  // Without the tables the parser knows no fields of table%ROWTYPE; of a record any.
  const tree = parse(body) ?? parse(body.replaceAll(ROW_TYPE, 'record'));
  if (tree === null) return false;
  const { whole, dynamic, cursors } = judgeTree(a, tree, undefined);
  const words = wordsOf(body);
  if (!whole || words.executes > dynamic || words.cursors > cursors) return false;
  // The tree has none of variables whose types users made.
  for (const value of words.values) if (!a.inner(`SELECT ${value}`, undefined)) return false;
  for (const name of words.called) if (!a.code.accountsFor(name, source)) return false;
  return true;
}

const ROW_TYPE = /(?:[a-z_][\w$]*|"(?:[^"]|"")+")(?:\s*\.\s*(?:[a-z_][\w$]*|"(?:[^"]|"")+"))*\s*%\s*rowtype\b/gi;

/** The parser takes comments for something else than the server does. Null: without them it would join other strings. latin1. */
function withoutComments(body: string): string | null {
  const { text, joins_strings } = blank(latin1(body));
  return joins_strings ? null : text;
}

function utf8(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/**
 * whole: each of its statements could be read; dynamic: how many of them make their text as they run; cursors: declared with a query.
 */
function judgeTree(a: Analyst, tree: unknown, location: unknown): { whole: boolean; dynamic: number; cursors: number } {
  let whole = true;
  let dynamic = 0;
  let cursors = 0;
  // In the order of the text: what one statement creates, the next ones may name.
  const stack: (readonly [string, unknown])[] = [['', tree]];
  for (let at = stack.pop(); at; at = stack.pop()) {
    const [key, value] = at;
    if (typeof value !== 'object' || value === null) continue;
    if (key === 'cursor_explicit_expr') cursors += 1;
    if (key === 'PLpgSQL_expr') whole = judgeExpression(a, value, location) && whole;
    else if (key === 'PLpgSQL_type') whole = judgeType(a, value, location) && whole;
    else if (key === 'PLpgSQL_stmt_dynexecute' || key === 'PLpgSQL_stmt_dynfors' || key === 'dynquery') {
      dynamic += 1;
      const query = key === 'dynquery' ? value : (value as Record<string, unknown>)['query'];
      whole = judgeExecute(a, query, location) && whole;
    }
    stack.push(...Object.entries(value).toReversed());
  }
  return { whole, dynamic, cursors };
}

interface Words {
  /** That call something. */
  readonly called: ReadonlySet<string>;
  /** How often it says EXECUTE. */
  readonly executes: number;
  /** What declarations give their variables. */
  readonly values: readonly string[];
  /** Declarations of cursors. */
  readonly cursors: number;
}

/** Words of a body, latin1. */
function wordsOf(body: string): Words {
  const called = new Set<string>();
  const lexer = new Lexer(body);
  let executes = 0;
  const values: string[] = [];
  let cursors = 0;
  /** Between DECLARE and BEGIN: where the value of the declaration under way begins. */
  let declaration: 'none' | 'bare' | 'cursor' | number = 'none';
  let last = '';
  while (lexer.next()) {
    const { kind } = lexer;
    if (kind === TokenKind.space || kind === TokenKind.line_comment || kind === TokenKind.block_comment) continue;
    const word = utf8(body.slice(lexer.start, lexer.end));
    if (word === '(' && last !== '') called.add(last);
    if (kind === TokenKind.identifier && /^(declare|begin)$/i.test(word))
      declaration = /^d/i.test(word) ? 'bare' : 'none';
    else if (declaration !== 'none' && word === ';') {
      if (typeof declaration === 'number') values.push(utf8(body.slice(declaration, lexer.start)));
      declaration = 'bare';
    } else if (declaration === 'bare' && /^(:=|=|default)$/i.test(word)) declaration = lexer.end;
    else if (declaration === 'bare' && /^cursor$/i.test(word)) {
      declaration = 'cursor';
      cursors += 1;
    }
    last = '';
    if (kind === TokenKind.identifier) last = foldCase(word);
    else if (kind === TokenKind.quoted_identifier) last = word.slice(1, -1).replaceAll('""', '"');
    if (kind === TokenKind.identifier && last === 'execute') executes += 1;
  }
  return { called, executes, values, cursors };
}

interface PlpgsqlExpression {
  readonly query?: string;
  readonly parseMode?: number;
}

function judgeExpression(a: Analyst, expression: PlpgsqlExpression, location: unknown): boolean {
  const query = expression.query ?? '';
  if (ASSIGNMENT_MODES.has(expression.parseMode ?? 0)) {
    const at = assignmentOf(query);
    if (at === null) return false;
    return a.inner(`SELECT ${query.slice(0, at[0])}`, location) && a.inner(`SELECT ${query.slice(at[1])}`, location);
  }
  return a.inner(expression.parseMode === EXPRESSION_MODE ? `SELECT ${query}` : query, location);
}

/** Where := or = stands outside of brackets. */
function assignmentOf(query: string): readonly [number, number] | null {
  let depth = 0;
  for (let i = 0; i < query.length; i += 1) {
    const at = query[i];
    if (at === '[') depth += 1;
    else if (at === ']') depth -= 1;
    else if (depth === 0 && at === '=') return query[i - 1] === ':' ? [i - 1, i + 1] : [i, i + 1];
  }
  return null;
}

/** Variables of it are converted to it. */
function judgeType(a: Analyst, { typname = '' }: { typname?: string }, location: unknown): boolean {
  if (typname === 'UNKNOWN' || typname === '') return true;
  // Of a column: its table's rows have it. Of a variable: that has been looked at.
  const [, table] = /^(.*?)(?:\.[^.]*%type|%rowtype)$/is.exec(typname.replaceAll(/\s+/g, '')) ?? [];
  if (table !== undefined) return a.inner(`SELECT NULL::${table}`, location);
  if (/%type$/i.test(typname)) return true;
  return a.inner(`SELECT NULL::${typname}`, location);
}

/** EXECUTE 'delete from ' || 'notes' */
function judgeExecute(a: Analyst, query: unknown, location: unknown): boolean {
  const expression = (query as { PLpgSQL_expr?: PlpgsqlExpression } | undefined)?.PLpgSQL_expr;
  const parsed = a.parser.parse(latin1(`SELECT ${expression?.query ?? ''}`));
  if (!parsed.ok) return false;
  const select = (
    parsed.statements[0]?.stmt as { SelectStmt?: { targetList?: { ResTarget?: { val?: unknown } }[] } } | undefined
  )?.SelectStmt;
  const text = constantText(select?.targetList?.[0]?.ResTarget?.val);
  return typeof text === 'string' && a.inner(text, location);
}

/** A dollar quote that the body does not hold. */
function freeTag(body: string): string {
  let tag = '$b$';
  for (let i = 0; body.includes(tag); i += 1) tag = `$b${i}$`;
  return tag;
}
