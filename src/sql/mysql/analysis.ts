// From a text to an Analysis. What is too long, or can't be read to its end by the server's own lexical rules, has an error for an
// analysis, and nothing else.
import type { Analysis, AnalysisError, Finding } from '../findings.ts';
import type { Analyst } from './analyst.ts';
import type { MysqlContext } from './context.ts';
import { Found, TooMuch, FINDINGS_MAX } from './found.ts';
import { judgeStatements, type Message } from './message.ts';
import { reasonOf } from './shape.ts';

/** Longest text that is analysed, in bytes. */
export const STATEMENT_BYTES_MAX = 4 * 1024 * 1024;

/** Texts in literals of texts in literals ... that are judged. */
const DEPTH_MAX = 4;

/** Analyses one message. Text: its bytes as latin1. */
export function analyseText(text: string, context: MysqlContext): Analysis {
  return analyse(text, context, 0);
}

/** The text of a literal that a statement prepares or runs. Null: too deep to be looked at. */
export function analyseInner(a: Analyst, text: string): Analysis | null {
  if (a.depth >= DEPTH_MAX) return null;
  const context: MysqlContext = {
    ...a.context,
    database: a.database,
    sql_mode: a.lexer.rules.mode,
    multi_statements: false,
    prepared: (name) => (a.prepared.has(name) ? a.prepared.get(name) : a.context.prepared(name)),
  };
  return analyse(text, context, a.depth + 1);
}

function analyse(text: string, context: MysqlContext, depth: number): Analysis {
  if (text.length > STATEMENT_BYTES_MAX) return refused('', `statement longer than ${STATEMENT_BYTES_MAX} bytes`, null);
  const found = new Found();
  let message: Message;
  try {
    message = judgeStatements(text, context, found, depth);
  } catch (error) {
    if (!(error instanceof TooMuch)) throw error;
    return refused('', `more than ${FINDINGS_MAX} findings in one message`, null);
  }
  const reason = reasonIn(text, message);
  if (message.broken && !message.ambiguous) return refused(message.shape, message.broken[0], reason);
  const { hiding_charset } = message;
  if (hiding_charset !== '' && depth === 0) return refused(message.shape, hiding(hiding_charset), reason, '0A000');
  return {
    statements: found.statements,
    findings: inOrder(found.findings),
    reads: sorted(found.reads),
    writes: sorted(found.writes),
    functions: sorted(found.functions),
    effects: message.effects,
    own: message.own,
    forward: forward(text, message),
    position_shift: [],
    shape: message.shape,
    reason,
    session_bound: found.session_bound,
    error: null,
    ...(found.user_code ? { user_code: true as const } : {}),
  };
}

function inOrder(findings: readonly Finding[]): readonly Finding[] {
  if (findings.length < 2) return findings;
  return findings.toSorted((a, b) => a.statement - b.statement || a.start - b.start);
}

function sorted(names: ReadonlySet<string>): readonly string[] {
  return names.size === 0 ? NONE : [...names].toSorted();
}
const NONE: readonly string[] = [];

function reasonIn(text: string, { comments }: Message): string | null {
  let reason: string | null = null;
  for (const [start, end] of comments) reason = reasonOf(text.slice(start, end)) ?? reason;
  return reason;
}

/** The text without its comments, which no server reads, and without what Holdpoint answers; null: as it came. */
function forward(text: string, { comments, answered, ambiguous }: Message): string | null {
  if (answered.length === 0 && (ambiguous || comments.length === 0)) return null;
  const ranges = ambiguous ? answered : [...comments, ...answered];
  let out = '';
  let copied = 0;
  for (const [start, end] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (start < copied) continue;
    out += text.slice(copied, start) + text.slice(start, end).replace(/[^\n\r]/g, ' ');
    copied = end;
  }
  return out + text.slice(copied);
}

const hiding = (charset: string): string =>
  `Holdpoint reads no statements in ${charset}: bytes of its characters can be quotes. Use utf8mb4`;

function refused(shape: string, message: string, reason: string | null, sqlstate = '42000'): Analysis {
  const error: AnalysisError = { sqlstate, message, position: 0 };
  return {
    statements: [],
    findings: [],
    reads: [],
    writes: [],
    functions: [],
    effects: [],
    own: [],
    forward: null,
    position_shift: [],
    shape,
    reason,
    session_bound: false,
    error,
  };
}
