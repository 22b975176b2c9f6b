// From a text to an Analysis. What is too long, or can't be read to its end by the server's own lexical rules, has an error for an
// analysis, and nothing else.
import type { Analysis, AnalysisError, Finding, OwnStatement } from '../findings.ts';
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
export function analyseInner(a: Analyst, text: string, database = a.database): Analysis | null {
  if (a.depth >= DEPTH_MAX) return null;
  const { rules_of_texts } = a;
  // A temporary table of today may be gone when it runs.
  const { temporaries: _, ...outer } = a.context;
  const context: MysqlContext = {
    ...outer,
    database,
    sql_mode: rules_of_texts === null ? null : a.lexer.rules.mode,
    multi_statements: false,
    prepared: (name) => (a.prepared.has(name) ? a.prepared.get(name) : a.context.prepared(name)),
  };
  const analysis = analyse(text, context, a.depth + 1);
  return rules_of_texts === null ? analysis : { ...analysis, read_under: rules_of_texts };
}

function analyse(text: string, context: MysqlContext, depth: number): Analysis {
  if (text.length > STATEMENT_BYTES_MAX)
    return refused(TOO_COMPLEX, '', `statement longer than ${STATEMENT_BYTES_MAX} bytes`, null);
  const found = new Found(context.temporaries);
  let message: Message;
  try {
    message = judgeStatements(text, context, found, depth);
  } catch (error) {
    if (!(error instanceof TooMuch)) throw error;
    return refused(TOO_COMPLEX, '', `more than ${FINDINGS_MAX} findings in one message`, null);
  }
  const reason = reasonIn(text, message);
  if (message.broken && !message.ambiguous) return refused(SYNTAX_ERROR, message.shape, message.broken[0], reason);
  const { hiding_charset, introduces } = message;
  if (depth === 0) {
    if (found.statements.length > 1 && message.own.some(standsAlone))
      return refused(UNREADABLE, message.shape, NOT_ALONE, reason);
    if (hiding_charset !== '') return refused(UNREADABLE, message.shape, hiding('statements', hiding_charset), reason);
    if (introduces !== '') return refused(UNREADABLE, message.shape, hiding('literals', introduces), reason);
  }
  return {
    statements: found.statements,
    findings: inOrder(found.findings),
    reads: sorted(found.reads),
    writes: sorted(found.writes),
    functions: sorted(found.functions),
    ...(found.bodies.size > 0 ? { bodies: sorted(found.bodies) } : {}),
    effects: message.effects,
    own: message.own,
    forward: found.statements.length > 0 ? forward(text, message) : withComment(text, message),
    position_shift: [],
    shape: message.shape,
    reason,
    session_bound: found.session_bound,
    error: null,
    ...(found.user_code ? { user_code: true as const } : {}),
    ...(found.missing ? { missing: true as const } : {}),
    ...(found.changes_catalog ? { changes_catalog: 'any' as const } : {}),
    ...(found.temporaries.changes.length > 0 ? { temporary: found.temporaries.changes } : {}),
    ...(context.catalog ? { catalog: context.catalog.id } : {}),
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

/** Comments alone are answered with OK, blanks alone with an error: the sign that begins the first of them stays. */
function withComment(text: string, message: Message): string | null {
  const blanked = forward(text, message);
  const [start] = message.comments[0] ?? [];
  if (blanked === null || start === undefined || message.answered.length > 0) return blanked;
  const sign = text.startsWith('/*', start) ? '/**/' : (/^(?:#|--[^\n\r]?)/.exec(text.slice(start))?.[0] ?? '');
  return blanked.slice(0, start) + sign + blanked.slice(start + sign.length);
}

/** Its answer is waited for; or it is about the next message. */
function standsAlone(own: OwnStatement): boolean {
  return own.op === 'call' || ((own.op === 'set' || own.op === 'set_config') && own.name === 'break_glass');
}
const NOT_ALONE =
  'SELECT holdpoint.answer(...), withdraw(...), request_approval(...) and SET @holdpoint_break_glass stand alone in their message';

const SYNTAX_ERROR = '42601';
const TOO_COMPLEX = '54000';
/** As the catalogue has it: it is not supported. */
const UNREADABLE = '0A000';

const hiding = (what: string, charset: string): string =>
  `Holdpoint reads no ${what} in ${charset}: bytes of its characters can be quotes. Use utf8mb4`;

function refused(sqlstate: string, shape: string, message: string, reason: string | null): Analysis {
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
