// The door to the MySQL and MariaDB analysis. Reading a text costs little, so it is done at once and nothing is remembered here: verdicts
// are, by the gate.
import { performance } from 'node:perf_hooks';
import type { Analysis } from '../findings.ts';
import type { GivenParameter, StatementPattern } from '../pattern.ts';
import { encodeWords } from '../tokens.ts';
import { analyseText } from './analysis.ts';
import { readingOf } from './charsets.ts';
import type { MysqlContext } from './context.ts';
import { Kind, Lexer } from './lexer.ts';
import { patternOf } from './pattern.ts';

/** One for the process; `session()` gives each session its own view of it. */
export class MysqlAnalyser {
  session(context: MysqlContext): MysqlAnalysisSession {
    return new MysqlAnalysisSession(context);
  }
}

/** A session's handle, for one set of facts. */
export class MysqlAnalysisSession {
  readonly context: MysqlContext;
  /** CPU that this session's texts have cost, in ms; for the caller's budget. */
  cpu_ms = 0;

  constructor(context: MysqlContext) {
    this.context = context;
  }

  /** Text: its bytes as latin1. */
  analyse(text: string): Analysis {
    const started = performance.now();
    try {
      return analyseText(text, this.context);
    } finally {
      this.cpu_ms += performance.now() - started;
    }
  }

  /** The normal form of a text (latin1) with these parameters, and of further words; null: there is none for a statement like this. */
  pattern(text: string, parameters: readonly GivenParameter[], words: readonly string[]): StatementPattern | null {
    const started = performance.now();
    try {
      return patternOf(text, this.context, parameters, words);
    } finally {
      this.cpu_ms += performance.now() - started;
    }
  }

  /** The tokens of these texts, latin1, one text after the other, and further words, as docs/digest.md lays them out. */
  tokens(texts: readonly string[], words: readonly string[] = []): Uint8Array {
    const tokens = texts.flatMap((text) => tokensOf(text, this.context));
    return encodeWords([
      ...tokens.map((token) => Buffer.from(token, 'latin1')),
      ...words.map((word) => Buffer.from(word, 'utf8')),
    ]);
  }
}

/** Without comments and white space; where it is not certain how the server reads it, the text as it is. */
function tokensOf(text: string, { engine, version, sql_mode, charset }: MysqlContext): readonly string[] {
  const reading = readingOf(charset);
  if (sql_mode === null || reading === null) return [text];
  const lexer = new Lexer(text, { engine, version, mode: sql_mode, reading });
  while (lexer.next() !== Kind.end);
  if (lexer.broken || lexer.doubts.length > 0) return [text];
  const tokens = lexer.starts.map((start, at) => text.slice(start, lexer.ends[at]));
  // What the server reads of a hint belongs to what is approved.
  for (const { start, end, tokens: before } of lexer.hints.toReversed())
    tokens.splice(before, 0, text.slice(start, end));
  return tokens;
}
