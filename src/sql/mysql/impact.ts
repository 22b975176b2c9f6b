// What the server may be asked about a judged text before anybody has decided: which of its statements EXPLAIN takes. Pure. It must never
// offer a text to be planned that may call more than built-in functions: both servers run stored functions to plan. The twin of
// postgres/impact.ts.
import type { Analysis, StatementFacts } from '../findings.ts';
import type { AskedStatement, MysqlImpactQuestion, RowsImpact } from '../impact.ts';
import { readingOf } from './charsets.ts';
import type { MysqlContext } from './context.ts';
import { Kind, Lexer } from './lexer.ts';

/** How the text is read, and the values for its `?` in their order. */
export interface AskedText extends Pick<MysqlContext, 'engine' | 'version' | 'sql_mode' | 'charset'> {
  /** What would be forwarded, latin1. */
  readonly text: string;
  readonly analysis: Analysis;
  readonly parameters: readonly { readonly type: string; readonly value: string | null }[];
}

/** Longer texts, in bytes, are not planned. */
const PLANNED_BYTES_MAX = 64 * 1024;
/** Statements of one message that are asked about: a reviewer reads no more. */
const STATEMENTS_MAX = 100;

/** What EXPLAIN may be asked, as statements to be analysed before; latin1. */
export function explainTexts(asked: AskedText): readonly string[] {
  return statementsOf(asked).flatMap((facts) => {
    const explain = explainOf(asked, facts);
    return explain === null ? [] : [`EXPLAIN ${explain}`];
  });
}

/** `plans`: analyses of its `explainTexts`. */
export function impactQuestion(
  asked: AskedText,
  plans: readonly Analysis[],
): Pick<MysqlImpactQuestion, 'statements' | 'sees_views' | 'unplannable'> {
  const { analysis } = asked;
  return {
    statements: statementsOf(asked).map((facts, statement) => ({
      statement,
      explain: explainOf(asked, facts),
      whole: facts.writes_all_rows ? (WHOLE[facts.kind] ?? null) : null,
      lock: null,
      into: null,
      rows_max: facts.rows_max,
      ...objects(asked, statement),
    })),
    sees_views: analysis.catalog !== undefined && plans.every(({ catalog }) => catalog !== undefined),
    unplannable: unplannable(asked, plans),
  };
}

function statementsOf({ analysis }: AskedText): readonly StatementFacts[] {
  return analysis.statements.slice(0, STATEMENTS_MAX);
}

/** Targets are those that the statement names itself: what triggers and foreign keys write besides is looked at, but is not what its plan is about. */
function objects({ text, analysis }: AskedText, statement: number): Pick<AskedStatement, 'targets' | 'reads'> {
  const targets = new Set<string>();
  const reads = new Set<string>();
  for (const finding of analysis.findings) {
    const { action, object, start, end } = finding;
    if (finding.statement !== statement || !object.includes('.')) continue;
    const bare = object.slice(object.indexOf('.') + 1).toLowerCase();
    const named = Buffer.from(text.slice(start, end), 'latin1').toString('utf8').toLowerCase().includes(bare);
    if (named && action !== 'read' && action !== 'role') targets.add(object);
    else reads.add(object);
  }
  return { targets: [...targets], reads: [...reads].filter((object) => !targets.has(object)) };
}

const WHOLE: Readonly<Record<string, RowsImpact['does']>> = {
  'TRUNCATE TABLE': 'deletes',
  TRUNCATE: 'deletes',
  DELETE: 'deletes',
  UPDATE: 'updates',
};

/** EXPLAIN of anything else does not plan it, or does more. */
const PLANNED: ReadonlySet<string> = new Set(['SELECT', 'INSERT', 'REPLACE', 'UPDATE', 'DELETE']);

/** Null: nothing that EXPLAIN takes, or its values are not known. */
function explainOf(asked: AskedText, { kind, start, end }: StatementFacts): string | null {
  const { text, analysis, parameters } = asked;
  if (!PLANNED.has(kind) || text.length > PLANNED_BYTES_MAX) return null;
  const statement = text.slice(start, end).replace(/[\s;]+$/, '');
  if (analysis.statements.length > 1) return parameters.length > 0 ? null : statement;
  return withValues(asked, statement);
}

/** The statement with a value in the place of each `?`. */
function withValues(asked: AskedText, statement: string): string | null {
  const { engine, version, sql_mode, charset, parameters } = asked;
  const reading = readingOf(charset);
  if (sql_mode === null || reading === null) return null;
  const lexer = new Lexer(statement, { engine, version, mode: sql_mode, reading });
  let out = '';
  let copied = 0;
  let value = 0;
  while (lexer.next() !== Kind.end) {
    const at = lexer.count - 1;
    const start = lexer.starts[at]!;
    if (lexer.kinds[at] !== Kind.operator || statement[start] !== '?') continue;
    const parameter = parameters[value++];
    if (!parameter) return null;
    out += statement.slice(copied, start) + literal(parameter);
    copied = lexer.ends[at]!;
  }
  return lexer.broken || value !== parameters.length ? null : out + statement.slice(copied);
}

function literal({ type, value }: AskedText['parameters'][number]): string {
  if (value === null) return 'NULL';
  if (NUMERIC.test(type) && NUMBER.test(value)) return value;
  return `_utf8mb4 X'${Buffer.from(value).toString('hex')}'`;
}
const NUMERIC = /^(tinyint|smallint|mediumint|int|bigint|decimal|float|double|year)\b/;
const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i;

/** Built-in functions that wait, work long or take locks: both servers evaluate derived tables of constants while they plan. */
const NOT_PLANNED: ReadonlySet<string> = new Set([
  'sleep',
  'benchmark',
  'get_lock',
  'release_lock',
  'release_all_locks',
  'master_pos_wait',
  'source_pos_wait',
  'master_gtid_wait',
  'wait_for_executed_gtid_set',
  'wait_until_sql_thread_after_gtids',
]);

/** What more than reads, even only planned, is not given to EXPLAIN. */
function unplannable({ text, analysis, parameters }: AskedText, plans: readonly Analysis[]): string | null {
  if (text.length > PLANNED_BYTES_MAX) return `it is longer than ${PLANNED_BYTES_MAX / 1024} KB.`;
  if (plans.length === 0 && parameters.length > 0) return 'its parameters are not known yet.';
  for (const { error, findings, functions, user_code } of plans) {
    if (error) return 'it does not parse.';
    const waits = functions.find((name) => NOT_PLANNED.has(name));
    if (waits !== undefined) return `planning it may run ${waits.toUpperCase()}, so it is not given to EXPLAIN.`;
    const other = findings.find(({ action, unresolved }) => unresolved || action !== 'read');
    if (other)
      return other.object === ''
        ? 'it does more than read, even where it is only planned.'
        : `it may run or reach ${other.object}, so it is not given to EXPLAIN.`;
    if (user_code) return 'it may run functions that users made, so it is not given to EXPLAIN.';
  }
  return analysis.statements.length > 1 && analysis.effects.length > 0 ? 'it changes what names mean.' : null;
}
