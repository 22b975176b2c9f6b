// From a message to an Analysis: a text, a FunctionCall, or parameters of types that users made. What is no text of the server's
// encoding, too long, or does not parse has an error for an analysis, as the server words it, and nothing else.
import type { Analysis, AnalysisContext, AnalysisError } from '../findings.ts';
import { Analyst } from './analyst.ts';
import { functionName } from './functions.ts';
import { blank, shape, shiftPosition } from './lexer.ts';
import { atEnd, judgeStatements } from './message.ts';
import type { ParseOutcome, Parser } from './parser.ts';
import { Refusal } from './tree.ts';

/** Longest text that is analysed, in bytes; a longer one is refused with 54000. */
export const STATEMENT_BYTES_MAX = 1024 * 1024;

/** Analyses one message. Text: UTF-8 bytes as latin1. Needs a ready parser. */
export function analyseText(parser: Parser, text: string, context: AnalysisContext): Analysis {
  const unreadable = checkBytes(text);
  if (unreadable) return refusedAnalysis(text, unreadable, null);
  const blanked = blank(text);
  if (blanked.joins_strings) return refusedAnalysis(text, BETWEEN_STRINGS, blanked.reason);
  const parsed = parser.parse(blanked.text);
  if (!parsed.ok) return refusedAnalysis(text, parseError(parsed, blanked.position_shift), blanked.reason);
  const analyst = new Analyst(parser, blanked.text, context);
  try {
    judgeStatements(analyst, parsed.statements);
  } catch (refusal) {
    if (refusal instanceof Refusal)
      return { ...refusedAnalysis(text, refusal.error, blanked.reason), session_bound: analyst.found.session_bound };
    throw refusal;
  }
  const changed = blanked.text !== text || analyst.own.list.length > 0;
  return analyst.result({
    forward: changed ? analyst.own.forward() : null,
    position_shift: blanked.position_shift,
    shape: shape(text),
    reason: blanked.reason,
  });
}

/** Analyses a FunctionCall message. Its arguments are not looked at, so that set_config is code too. */
export function analyseCall(parser: Parser, oid: number, context: AnalysisContext): Analysis {
  const analyst = new Analyst(parser, '', context);
  const name = functionName(oid);
  const object = judgeCall(analyst, oid, name);
  return { ...analyst.result({ forward: null, position_shift: [], shape: `FunctionCall ${object}`, reason: null }) };
}

/** Analyses the input of parameters, whose types (oids) users made. Null: it runs nothing but code that is known. */
export function analyseTypes(parser: Parser, types: readonly number[], context: AnalysisContext): Analysis | null {
  const analyst = new Analyst(parser, '', context);
  judgeParameters(analyst, types);
  return analyst.found.findings.length === 0 ? null : analyst.result(NO_TEXT);
}

const NO_TEXT = { forward: null, position_shift: [], shape: '', reason: null };

const BETWEEN_STRINGS: AnalysisError = {
  sqlstate: '42601',
  message: 'a block comment between two string literals is not accepted',
  position: 0,
};

function parseError(parsed: ParseOutcome & { ok: false }, shift: Parameters<typeof shiftPosition>[1]): AnalysisError {
  const position = parsed.position === 0 ? 0 : shiftPosition(parsed.position, shift);
  return { sqlstate: parsed.sqlstate, message: parsed.message, position };
}

// oxlint-disable-next-line no-control-regex
const ASCII_WITHOUT_NUL = /^[\x01-\x7f]*$/;

/** NUL, invalid UTF-8 and over-long texts, as the server words them. Null: none of these. */
export function checkBytes(text: string): AnalysisError | null {
  if (text.length > STATEMENT_BYTES_MAX) {
    return { sqlstate: '54000', message: `statement longer than ${STATEMENT_BYTES_MAX} bytes`, position: 0 };
  }
  if (ASCII_WITHOUT_NUL.test(text)) return null;
  if (text.includes('\0')) return { sqlstate: '42601', message: 'statement contains a NUL byte', position: 0 };
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.equals(Buffer.from(bytes.toString('utf8'), 'utf8'))) return null;
  return { sqlstate: '22021', message: 'invalid byte sequence for encoding "UTF8"', position: 0 };
}

/** An Analysis that says only why there is none. */
export function refusedAnalysis(text: string, error: AnalysisError, reason: string | null): Analysis {
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
    shape: error.sqlstate === '22021' ? '' : shape(text.slice(0, 2 * STATEMENT_BYTES_MAX)),
    reason,
    session_bound: false,
    error,
  };
}

/** Values of these types are read. */
function judgeParameters(a: Analyst, types: readonly number[]): void {
  for (const oid of types) {
    const row = a.names.catalog?.typeOf(oid);
    if (row) a.code.usesType(row);
    else {
      a.add('code', String(oid), 'A type of a parameter that is not known: reading it may run a function.', -1, true);
      a.effects.forget();
    }
  }
  atEnd(a, 0);
  if (a.found.hidden_writes) a.add('code', '', 'Reading a parameter changes rows.');
}

/** The one statement of a message without a text. Returns the function's name. */
function judgeCall(a: Analyst, oid: number, name: string | null): string {
  a.code.runs(name ?? oid, undefined);
  atEnd(a, 0);
  const [object = String(oid)] = a.found.functions;
  if (a.found.findings.length === 0) a.add('read', object, 'Calls a function that only reads.');
  a.found.statements.push({
    kind: 'FUNCTION CALL',
    start: 0,
    end: 0,
    writes_all_rows: false,
    folds_rows: false,
    rows_max: 1,
    cursor: null,
    copy_in: false,
    returns_written: false,
    hidden_writes: a.found.hidden_writes,
    transaction_control: false,
    parse_is_harmless: true,
  });
  return object;
}
