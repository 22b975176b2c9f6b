// What can be read of a plpgsql block: its static SQL is judged like any other, EXECUTE of a constant as the text it runs.
// It never makes a block less than `code`; the caller says that already.
import type { Analyst } from './analysis.ts';
import { constantText } from './expressions.ts';

/** Longest block that is looked into, in characters; a longer one stays `code` alone. */
export const BLOCK_CHARS_MAX = 64 * 1024;
const EXPRESSION_MODE = 2;
const ASSIGNMENT_MODE = 3;

/** Adds what a DO block's statements do, at the place of the block. */
export function judgePlpgsql(a: Analyst, body: string, location: unknown): void {
  if (body.length > BLOCK_CHARS_MAX) return;
  const tag = freeTag(body);
  const text = Buffer.from(`DO ${tag}${body}${tag}`, 'utf8').toString('latin1');
  const tree = a.parser.parsePlpgsql(text);
  const stack: unknown[] = [tree];
  while (stack.length > 0) {
    const item = stack.pop();
    if (typeof item !== 'object' || item === null) continue;
    for (const [key, value] of Object.entries(item)) {
      if (key === 'PLpgSQL_expr') judgeExpression(a, value as PlpgsqlExpression, location);
      else if (key === 'PLpgSQL_stmt_dynexecute' || key === 'PLpgSQL_stmt_dynfors')
        judgeExecute(a, value as Record<string, unknown>, location);
      stack.push(value);
    }
  }
}

interface PlpgsqlExpression {
  readonly query?: string;
  readonly parseMode?: number;
}

function judgeExpression(a: Analyst, expression: PlpgsqlExpression, location: unknown): void {
  let query = expression.query ?? '';
  if (expression.parseMode === ASSIGNMENT_MODE) query = query.replace(/^[^:=]*:?=/, '');
  const is_expression = expression.parseMode === EXPRESSION_MODE || expression.parseMode === ASSIGNMENT_MODE;
  a.inner(is_expression ? `SELECT ${query}` : query, location);
}

/** EXECUTE 'delete from ' || 'notes' */
function judgeExecute(a: Analyst, statement: Record<string, unknown>, location: unknown): void {
  const expression = (statement['query'] as { PLpgSQL_expr?: PlpgsqlExpression } | undefined)?.PLpgSQL_expr;
  const parsed = a.parser.parse(Buffer.from(`SELECT ${expression?.query ?? ''}`, 'utf8').toString('latin1'));
  if (!parsed.ok) return;
  const select = (
    parsed.statements[0]?.stmt as { SelectStmt?: { targetList?: { ResTarget?: { val?: unknown } }[] } } | undefined
  )?.SelectStmt;
  const text = constantText(select?.targetList?.[0]?.ResTarget?.val);
  if (typeof text === 'string') a.inner(text, location);
}

/** A dollar quote that the body does not hold. */
function freeTag(body: string): string {
  let tag = '$b$';
  for (let i = 0; body.includes(tag); i += 1) tag = `$b${i}$`;
  return tag;
}
