// The door to the PostgreSQL analysis: cached by exact text and by what names resolve against, inline when cheap, in a worker
// otherwise. It must not give a cached answer for a text whose meaning hangs on names prepared earlier.
import { LRUCache } from 'lru-cache';
import type { Analysis, AnalysisContext } from '../findings.ts';
import type { GivenParameter, StatementPattern } from '../pattern.ts';
import { Seen } from '../seen.ts';
import {
  analyseCall,
  analyseTypes,
  analyseText,
  checkBytes,
  refusedAnalysis,
  STATEMENT_BYTES_MAX,
} from './analysis.ts';
import { Catalog } from './catalog/catalog.ts';
import { TooMuchBehind } from '../memo.ts';
import { blank, encodeTokens, Lexer, TokenKind } from './lexer.ts';
import { Parser } from './parser.ts';
import { patternOf } from './pattern.ts';
import { WorkerPool } from './pool.ts';

export { STATEMENT_BYTES_MAX };

export interface AnalyserOptions {
  /** Texts up to this many bytes and `inline_tokens_max` tokens are analysed at once. Default 4096. */
  readonly inline_bytes_max?: number;
  /** Default 400, which no text of them takes 1 ms for; an operator character counts as a token. */
  readonly inline_tokens_max?: number;
  /** Worker threads. Default 2. */
  readonly workers?: number;
  /** For one text in a worker. Default 2000. */
  readonly deadline_ms?: number;
  /** Texts waiting for a worker. Default 256. */
  readonly queue_max?: number;
  /** A worker without work is ended after this. Default 60,000. */
  readonly idle_ms?: number;
  /** Contexts (database, role, search_path, version) remembered. Default 64. */
  readonly contexts_max?: number;
  /** Texts remembered for each context. Default 2048. */
  readonly texts_max?: number;
  /** Bytes of text and findings remembered for each context. Default 4 MiB. */
  readonly cache_bytes_max?: number;
}

/** What is remembered of one context. */
interface Texts {
  readonly analyses: LRUCache<string, Analysis>;
  readonly seen: Seen;
}

/** Whoever a text is analysed for. */
interface Asker {
  /** As WorkerPool.run. */
  readonly whose: string;
  /** Told the CPU used, in ms. */
  spent(cpu_ms: number): void;
}

const DEFAULTS: Required<AnalyserOptions> = {
  inline_bytes_max: 4096,
  inline_tokens_max: 400,
  workers: 2,
  deadline_ms: 2000,
  queue_max: 256,
  idle_ms: 60_000,
  contexts_max: 64,
  texts_max: 2048,
  cache_bytes_max: 4 * 1024 * 1024,
};

/** One for the process; `session()` gives each session its own view of it. */
export class PostgresAnalyser {
  readonly #options: Required<AnalyserOptions>;
  readonly #parser: Parser;
  readonly #pool: WorkerPool;
  readonly #contexts: LRUCache<string, Texts>;

  constructor(parser: Parser, options: Required<AnalyserOptions>) {
    this.#options = options;
    this.#parser = parser;
    this.#pool = new WorkerPool(options);
    this.#contexts = new LRUCache({ max: options.contexts_max });
  }

  /** Loads the parser (some 20 ms). */
  static async create(options: AnalyserOptions = {}): Promise<PostgresAnalyser> {
    return new PostgresAnalyser(await Parser.create(), { ...DEFAULTS, ...options });
  }

  /** A session's handle. Keep it as long as the session lives and tell it when the context changes. whose: as WorkerPool.run. */
  session(context: AnalysisContext, whose = ''): AnalysisSession {
    return new AnalysisSession(this, context, whose);
  }

  /** Analyses one message without a session's handle. Text: UTF-8 bytes as latin1. */
  analyse(text: string, context: AnalysisContext): Analysis | Promise<Analysis> {
    return this.session(context).analyse(text);
  }

  /** Ends the workers; what waits is refused. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  /** The remembered texts of a context. */
  texts(context: AnalysisContext): Texts {
    const key = JSON.stringify([
      context.server_version,
      context.database,
      context.role,
      context.search_path,
      context.search_path_start,
      context.role_start,
      context.role_none,
      context.search_path_is_local,
      context.portals,
      context.user_schema,
      context.catalog?.id,
      context.blind,
      context.catalog_is_own,
      context.planned_before,
    ]);
    const known = this.#contexts.get(key);
    if (known) return known;
    const made: Texts = {
      analyses: new LRUCache({
        max: this.#options.texts_max,
        maxSize: this.#options.cache_bytes_max,
        sizeCalculation: weigh,
      }),
      seen: new Seen(),
    };
    this.#contexts.set(key, made);
    return made;
  }

  /** Analyses a text that no cache holds. */
  miss(text: string, context: AnalysisContext, asker: Asker): Analysis | Promise<Analysis> {
    const unreadable = checkBytes(text);
    if (unreadable) return refusedAnalysis(text.slice(0, STATEMENT_BYTES_MAX), unreadable, null);
    if (this.#parser.ready && this.#isCheap(text)) {
      const started = performance.now();
      allow(context, BEHIND_CHARS_MAX);
      try {
        return analyseText(this.#parser, text, context);
      } catch (error) {
        if (!(error instanceof TooMuchBehind)) throw error;
      } finally {
        asker.spent(performance.now() - started);
      }
    }
    return this.#inWorker(text, context, asker);
  }

  #isCheap(text: string): boolean {
    if (text.length > this.#options.inline_bytes_max) return false;
    return text.length <= this.#options.inline_tokens_max || blank(text).tokens <= this.#options.inline_tokens_max;
  }

  async #inWorker(text: string, context: AnalysisContext, asker: Asker): Promise<Analysis> {
    const { prepared, catalog: snapshot, committed: _, ...plain } = context;
    const catalog = snapshot instanceof Catalog ? snapshot : null;
    const names = executedNames(text);
    const known = names.flatMap((name) => {
      const analysis = prepared(name);
      return analysis === undefined ? [] : [[name, analysis] as const];
    });
    const { result, cpu_ms } = await this.#pool.run(asker.whose, {
      task: 'analyse',
      text,
      context: plain,
      prepared: known,
      catalog,
    });
    asker.spent(cpu_ms);
    return 'sqlstate' in result ? refusedAnalysis(text, result, null) : result;
  }

  /** See AnalysisSession.tokens. */
  tokens(texts: readonly string[], words: readonly string[], asker: Asker): Uint8Array | Promise<Uint8Array> {
    let length = 0;
    for (const text of texts) length += text.length;
    if (length <= this.#options.inline_bytes_max) return encodeTokens(texts, words);
    return this.#pool.run(asker.whose, { task: 'tokens', texts, words }).then(({ result, cpu_ms }) => {
      asker.spent(cpu_ms);
      if ('sqlstate' in result) throw new Error(result.message);
      return result;
    });
  }

  /** See AnalysisSession.pattern. */
  pattern(
    text: string,
    parameters: readonly GivenParameter[],
    words: readonly string[],
    asker: Asker,
  ): StatementPattern | null | Promise<StatementPattern | null> {
    if (this.#parser.ready && this.#isCheap(text)) {
      const started = performance.now();
      const found = patternOf(this.#parser, text, parameters, words);
      asker.spent(performance.now() - started);
      return found;
    }
    return this.#pool.run(asker.whose, { task: 'pattern', text, parameters, words }).then(({ result, cpu_ms }) => {
      asker.spent(cpu_ms);
      if (result !== null && 'sqlstate' in result) throw new Error(result.message);
      return result;
    });
  }

  /** What parameters of these types bring into a statement by their input functions. Null: nothing. */
  ofTypes(types: readonly number[], context: AnalysisContext): Analysis | null {
    allow(context, Number.POSITIVE_INFINITY);
    return analyseTypes(this.#parser, types, context);
  }

  /** Judges a FunctionCall message by the function's oid; one that is neither built in nor in the catalog is unresolved code. */
  functionCall(oid: number, context: AnalysisContext): Analysis {
    allow(context, Number.POSITIVE_INFINITY);
    return analyseCall(this.#parser, oid, context);
  }
}

/** Characters of stored texts (bodies, views ...) that an analysis reads at once; behind more of it, it goes to a worker. */
const BEHIND_CHARS_MAX = 32 * 1024;

function allow({ catalog }: AnalysisContext, chars: number): void {
  if (catalog instanceof Catalog) catalog.memo.allow(chars);
}

/** A session's handle: knows its context's remembered texts, so that a hit costs one look into a Map. */
export class AnalysisSession implements Asker {
  readonly #analyser: PostgresAnalyser;
  #context: AnalysisContext;
  #texts: Texts;
  readonly whose: string;
  /** CPU that this session's misses have cost, in ms; for the caller's budget. */
  cpu_ms = 0;

  constructor(analyser: PostgresAnalyser, context: AnalysisContext, whose: string) {
    this.#analyser = analyser;
    this.#context = context;
    this.#texts = analyser.texts(context);
    this.whose = whose;
  }

  spent(cpu_ms: number): void {
    this.cpu_ms += cpu_ms;
  }

  get context(): AnalysisContext {
    return this.#context;
  }

  /** To be told whenever one of the context's facts changes; costs a few microseconds. */
  set context(context: AnalysisContext) {
    this.#context = context;
    this.#texts = this.#analyser.texts(context);
  }

  /** At once for a remembered or a small text, else a promise that never rejects. Text: UTF-8 bytes as latin1. */
  analyse(text: string): Analysis | Promise<Analysis> {
    const known = this.#texts.analyses.get(text);
    if (known !== undefined) return known;
    const texts = this.#texts;
    const analysis = this.#analyser.miss(text, this.#context, this);
    if (analysis instanceof Promise) return analysis.then((found) => remember(texts, text, found));
    return remember(texts, text, analysis);
  }

  /** Judges a FunctionCall message by the function's oid; one that is neither built in nor in the catalog is unresolved code. */
  functionCall(oid: number): Analysis {
    return this.#analyser.functionCall(oid, this.#context);
  }

  /** What parameters of these types bring into a statement by their input functions. Null: nothing. */
  ofTypes(types: readonly number[]): Analysis | null {
    return this.#analyser.ofTypes(types, this.#context);
  }

  /** The same for what was planned before these temporary relations came up. */
  before(planned_before: readonly string[]): AnalysisSession {
    return this.#analyser.session({ ...this.#context, planned_before }, this.whose);
  }

  /**
   * The tokens of these texts, latin1, one text after the other and without comments and white space, and further words, as
   * docs/digest.md lays them out. Rejects where a worker could not do it: too many wait, or it took too long.
   */
  tokens(texts: readonly string[], words: readonly string[] = []): Uint8Array | Promise<Uint8Array> {
    return this.#analyser.tokens(texts, words, this);
  }

  /**
   * The normal form of a text (latin1) with these parameters, and of further words; null: there is none for a statement like this.
   * Rejects as `tokens` does.
   */
  pattern(
    text: string,
    parameters: readonly GivenParameter[],
    words: readonly string[],
  ): StatementPattern | null | Promise<StatementPattern | null> {
    return this.#analyser.pattern(text, parameters, words, this);
  }
}

/** What a fault of a deadline or a queue says about a text holds for once only. */
function remember(texts: Texts, text: string, analysis: Analysis): Analysis {
  const passing = analysis.error !== null && analysis.error.sqlstate !== '42601';
  if (analysis.session_bound || passing) return analysis;
  if (texts.seen.again(text)) texts.analyses.set(text, analysis);
  return analysis;
}

/** Rough bytes of an entry. */
function weigh(analysis: Analysis, text: string): number {
  const parts = analysis.findings.length + analysis.effects.length + analysis.statements.length;
  return text.length + (analysis.forward?.length ?? 0) + analysis.shape.length + 160 * parts + 200;
}

/** Names after EXECUTE, as the server folds them: what a worker must be told of. */
function executedNames(text: string): string[] {
  if (!/execute/i.test(text)) return [];
  const names: string[] = [];
  const lexer = new Lexer(text);
  let after = false;
  while (lexer.next()) {
    const { kind } = lexer;
    if (kind === TokenKind.space || kind === TokenKind.line_comment || kind === TokenKind.block_comment) continue;
    const word = text.slice(lexer.start, lexer.end);
    if (after && kind === TokenKind.identifier) names.push(word.toLowerCase());
    if (after && kind === TokenKind.quoted_identifier)
      names.push(Buffer.from(word.slice(1, -1).replaceAll('""', '"'), 'latin1').toString('utf8'));
    after = kind === TokenKind.identifier && word.toLowerCase() === 'execute';
  }
  return names;
}
