// What the database may be asked about a judged text before anybody has decided: which of its statements EXPLAIN takes, and every name in
// it that code could have. Pure. It must never offer a text to be planned in whose own words more than built-in functions may be called.
import { type Analysis, changesFacts, type StatementFacts } from '../findings.ts';
import type { AskedStatement, ImpactQuestion, RowsImpact } from '../impact.ts';
import { functionClass } from './functions.ts';
import { Lexer, TokenKind } from './lexer.ts';
import { lockOf } from './locks.ts';
import { foldCase, IDENTIFIER_BYTES_MAX } from './names.ts';

export type TextQuestion = Pick<
  ImpactQuestion,
  'statements' | 'identifiers' | 'calls' | 'operators' | 'parameters_named' | 'unplannable'
>;

/** Longer texts, in bytes, are not planned: to look for names in them would keep everybody else waiting. */
const PLANNED_BYTES_MAX = 64 * 1024;
/** Of those the words are read that tell what kind of statement it is. */
const HEAD_BYTES = 4096;
/** Statements of one message that are asked about: a reviewer reads no more. */
const STATEMENTS_MAX = 100;

/** What EXPLAIN may be asked, as statements to be analysed before; latin1. */
export function explainTexts(text: string, analysis: Analysis): readonly string[] {
  if (text.length > PLANNED_BYTES_MAX) return [];
  return analysis.statements.slice(0, STATEMENTS_MAX).flatMap((facts, statement) => {
    const { explain } = asked(text, analysis, facts, statement);
    return explain === null ? [] : [`EXPLAIN ${explain}`];
  });
}

/** `text`: what would be forwarded, without comments; latin1. `plans`: analyses of its `explainTexts`. */
export function impactQuestion(text: string, analysis: Analysis, plans: readonly Analysis[]): TextQuestion {
  const long = text.length > PLANNED_BYTES_MAX;
  const names = namesIn(long ? '' : text);
  const unreadable = names.readable ? null : 'it has a name that is not written plainly.';
  return {
    statements: analysis.statements
      .slice(0, STATEMENTS_MAX)
      .map((facts, statement) => asked(text, analysis, facts, statement)),
    identifiers: [...names.identifiers],
    calls: [...names.calls],
    operators: [...names.operators],
    parameters_named: names.parameters,
    unplannable:
      (long ? `it is longer than ${PLANNED_BYTES_MAX / 1024} KB.` : null) ?? unplannable(analysis, plans) ?? unreadable,
  };
}

/** Is it a built-in function that can run nothing but itself, whatever its arguments? Bare name, or `information_schema.f`. */
export function isPlainBuiltIn(name: string, major: number): boolean {
  return functionClass(name, -1, major) === 'read';
}

/** EXPLAIN runs stable functions, and parsing runs input functions: what the analysis could not see through is not given to it. */
function unplannable({ effects, error, statements }: Analysis, plans: readonly Analysis[]): string | null {
  if (error || plans.some((plan) => plan.error)) return 'it does not parse.';
  for (const { findings, functions } of plans) {
    const opaque = findings.find(({ action, unresolved }) => unresolved || action === 'code' || action === 'unknown');
    if (opaque)
      return opaque.object
        ? `it may run ${opaque.object}, so it is not given to EXPLAIN.`
        : 'it has code that cannot be read.';
    const own = functions.find((name) => !/^(pg_catalog|information_schema)\./.test(name));
    if (own !== undefined) return `it may run ${own}, so it is not given to EXPLAIN.`;
  }
  // What the last statement changes, nothing is planned after.
  const last = statements.length - 1;
  return effects.some((effect) => effect.statement < last && changesFacts(effect))
    ? 'it changes what names mean.'
    : null;
}

const TARGETED: ReadonlySet<string> = new Set(['write', 'ddl', 'import', 'admin', 'export', 'transaction']);

function asked(text: string, analysis: Analysis, facts: StatementFacts, statement: number): AskedStatement {
  const long = text.length > PLANNED_BYTES_MAX;
  const tokens = tokensOf(text, facts.start, long ? Math.min(facts.end, facts.start + HEAD_BYTES) : facts.end);
  const words = tokens.map(({ word }) => word);
  const own = analysis.findings.filter((finding) => finding.statement === statement && finding.object !== '');
  const objects = (wanted: (action: string) => boolean): string[] => [
    ...new Set(own.filter(({ action }) => wanted(action)).map(({ object }) => object)),
  ];
  return {
    statement,
    explain: long ? null : queryIn(text, facts.kind, tokens, words),
    whole: wholeOf(facts, words),
    lock: lockOf(facts.kind, words),
    into: INTO.has(facts.kind) ? (objects((action) => action === 'ddl')[0] ?? null) : null,
    rows_max: facts.rows_max,
    targets: objects((action) => TARGETED.has(action)),
    reads: objects((action) => action === 'read'),
  };
}

/** SELECT INTO is a SELECT. */
const INTO: ReadonlySet<string> = new Set(['SELECT', 'CREATE TABLE AS', 'CREATE MATERIALIZED VIEW']);

const WHOLE: Readonly<Record<string, RowsImpact['does']>> = {
  'TRUNCATE TABLE': 'deletes',
  DELETE: 'deletes',
  UPDATE: 'updates',
};

function wholeOf(
  { kind, writes_all_rows, copy_in }: StatementFacts,
  words: readonly string[],
): RowsImpact['does'] | null {
  if (kind === 'COPY') return copy_in || words[1] === '(' || !words.includes('TO') ? null : 'returns';
  return writes_all_rows ? (WHOLE[kind] ?? null) : null;
}

const BEGINS: ReadonlySet<string> = new Set('SELECT WITH VALUES TABLE INSERT UPDATE DELETE MERGE ('.split(' '));

function queryIn(text: string, kind: string, tokens: readonly Token[], words: readonly string[]): string | null {
  const [from, to] = QUERY[kind]?.(words) ?? [-1, -1];
  const [first, last] = [tokens[from], tokens[to]];
  // One statement, and one that can stand behind EXPLAIN.
  return first && last && BEGINS.has(first.word) && !words.includes(';') ? text.slice(first.start, last.end) : null;
}

/** Where the query lies in a statement of this kind: its first and last token. Kinds that are not here have none that EXPLAIN takes. */
const QUERY: Readonly<Record<string, (words: readonly string[]) => readonly [number, number]>> = {
  SELECT: whole,
  INSERT: whole,
  UPDATE: whole,
  DELETE: whole,
  MERGE: whole,
  COPY: (words) => (words[1] === '(' ? [2, closing(words, 1) - 1] : [-1, -1]),
  'DECLARE CURSOR': (words) => [words.indexOf('FOR') + 1 || -1, words.length - 1],
  'CREATE TABLE AS': created,
  'CREATE MATERIALIZED VIEW': created,
};

function whole(words: readonly string[]): readonly [number, number] {
  return [0, words.length - 1];
}

/** After the AS that stands outside of parentheses, without WITH [NO] DATA. EXECUTE is no query. */
function created(words: readonly string[]): readonly [number, number] {
  let at = 0;
  while (at < words.length && words[at] !== 'AS') at = words[at] === '(' ? closing(words, at) + 1 : at + 1;
  const rest = words.slice(at + 1);
  if (rest.length === 0 || rest[0] === 'EXECUTE') return [-1, -1];
  const tail = /WITH (NO )?DATA$/.exec(rest.join(' '))?.[0].split(' ').length ?? 0;
  return [at + 1, words.length - 1 - tail];
}

/** The parenthesis that closes the one at `open`. */
function closing(words: readonly string[], open: number): number {
  let depth = 0;
  for (let at = open; at < words.length; at += 1) {
    if (words[at] === '(') depth += 1;
    if (words[at] === ')' && (depth -= 1) === 0) return at;
  }
  return words.length;
}

interface Token {
  readonly start: number;
  readonly end: number;
  /** Upper case; a quoted name is `x`, a literal `?`. */
  readonly word: string;
}

const WORDS: Readonly<Partial<Record<TokenKind, string>>> = {
  [TokenKind.quoted_identifier]: 'x',
  [TokenKind.string]: '?',
  [TokenKind.dollar_string]: '?',
  [TokenKind.number]: '?',
};
const GAPS: ReadonlySet<TokenKind> = new Set([TokenKind.space, TokenKind.line_comment, TokenKind.block_comment]);

function tokensOf(text: string, start: number, end: number): Token[] {
  const lexer = new Lexer(text.slice(start, end));
  const found: Token[] = [];
  while (lexer.next()) {
    if (GAPS.has(lexer.kind)) continue;
    const token = text.slice(start + lexer.start, start + lexer.end);
    found.push({ start: start + lexer.start, end: start + lexer.end, word: WORDS[lexer.kind] ?? token.toUpperCase() });
  }
  // The end of a statement is none of its words.
  while (found.at(-1)?.word === ';') found.pop();
  return found;
}

interface Names {
  readonly identifiers: ReadonlySet<string>;
  readonly calls: ReadonlySet<string>;
  readonly operators: ReadonlySet<string>;
  readonly parameters: number;
  /** False: a name whose meaning hangs on more than its letters (U&"...", longer than the server keeps). */
  readonly readable: boolean;
}

function namesIn(text: string): Names {
  const lexer = new Lexer(text);
  const identifiers = new Set<string>();
  const calls = new Set<string>();
  /** The last name, and whether a dot stands before what comes. */
  let last: string | null = null;
  let dot = false;
  const operators = new Set<string>();
  let parameters = 0;
  let readable = true;
  while (lexer.next()) {
    if (GAPS.has(lexer.kind)) continue;
    const token = text.slice(lexer.start, lexer.end);
    if (token === '(' && last !== null) calls.add(last);
    last = null;
    if (lexer.kind === TokenKind.operator) for (const operator of splits(token)) operators.add(operator);
    else if (lexer.kind === TokenKind.parameter) parameters = Math.max(parameters, Number(token.slice(1)));
    else if (lexer.kind === TokenKind.identifier || lexer.kind === TokenKind.quoted_identifier) {
      const quoted = token.startsWith('"');
      const name = quoted ? token.slice(1, -1).replaceAll('""', '"') : foldCase(token);
      if ((lexer.kind === TokenKind.quoted_identifier && !quoted) || name.length > IDENTIFIER_BYTES_MAX)
        readable = false;
      last = Buffer.from(name, 'latin1').toString('utf8');
      identifiers.add(last);
      if (dot) calls.add(last);
    }
    dot = token.endsWith('.');
  }
  return { identifiers, calls, operators, parameters, readable };
}

/** The server may read a sign at an operator's end as an operator of its own (scan.l). */
function splits(token: string): string[] {
  const found = [token];
  for (let rest = token; rest.length > 1 && /[+-]$/.test(rest); rest = rest.slice(0, -1))
    found.push(rest.slice(-1), rest.slice(0, -1));
  return found;
}
