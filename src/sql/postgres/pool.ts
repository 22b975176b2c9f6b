// Worker threads for texts that are too long or too deep to be analysed between two packets of other sessions. A worker that
// passes its deadline is ended and replaced: no text can keep one.
import { Worker } from 'node:worker_threads';
import type { Analysis, AnalysisContext, AnalysisError } from '../findings.ts';
import type { GivenParameter, StatementPattern } from '../pattern.ts';
import type { Catalog } from './catalog/catalog.ts';
import { Overlay } from './catalog/overlay.ts';
import type { CatalogRows } from './catalog/rows.ts';
import { Turns } from './turns.ts';

export type PlainContext = Omit<AnalysisContext, 'prepared' | 'catalog' | 'committed'>;

interface Analyse<OfCatalog> {
  readonly task: 'analyse';
  readonly text: string;
  readonly context: PlainContext;
  readonly prepared: readonly (readonly [string, Analysis | 'utility' | null])[];
  readonly catalog: OfCatalog | null;
}

/** See encodeTokens. */
interface Tokens {
  readonly task: 'tokens';
  readonly texts: readonly string[];
  readonly words: readonly string[];
}

/** See patternOf. */
interface PatternOf {
  readonly task: 'pattern';
  readonly text: string;
  readonly parameters: readonly GivenParameter[];
  readonly words: readonly string[];
}

type Asked = Analyse<Catalog> | Tokens | PatternOf;
/** Of a catalog that the thread was sent. */
export type WorkerQuestion = Analyse<number> | Tokens | PatternOf;

export interface Results {
  readonly analyse: Analysis;
  readonly tokens: Uint8Array<ArrayBuffer>;
  readonly pattern: StatementPattern | null;
}

/** What a thread is sent: a catalog before the first question that needs it, and questions. */
export type WorkerMessage =
  /** over: the one that all share, which the thread has. */
  | { readonly catalog: number; readonly rows: CatalogRows; readonly over: number | null }
  | { readonly question: WorkerQuestion };

/** Catalogs that a thread keeps: of several databases, and of sessions with objects of their own. */
export const THREAD_CATALOGS_MAX = 8;

export interface WorkerAnswer<Result = Results[keyof Results]> {
  readonly result: Result;
  readonly cpu_ms: number;
}

interface Job {
  readonly question: Asked;
  readonly settle: (answer: WorkerAnswer<never> | WorkerAnswer<AnalysisError>) => void;
}

interface Thread {
  readonly worker: Worker;
  ready: boolean;
  job: Job | null;
  /** Until the deadline of its job; without one, until it has been idle for too long. */
  timer: NodeJS.Timeout | null;
  /** Oldest first, as the thread keeps them. */
  readonly catalogs: number[];
}

export interface PoolOptions {
  readonly workers: number;
  /** From the moment a worker takes the text. */
  readonly deadline_ms: number;
  /** Texts waiting for a worker; with one more, the last of the principal that waits for most is refused with 54000. */
  readonly queue_max: number;
  /** Then a worker is ended: the memory that large texts took is given back. */
  readonly idle_ms: number;
}

export class WorkerPool {
  readonly #options: PoolOptions;
  readonly #threads: Thread[] = [];
  readonly #queue: Turns<Job>;
  #closed = false;

  /** Starts no thread before it is needed. */
  constructor(options: PoolOptions) {
    this.#options = options;
    this.#queue = new Turns(options.queue_max);
  }

  /** Never rejects: what goes wrong is an AnalysisError. whose: principals are served in turn, however much one of them asks. */
  async run<Question extends Asked>(
    whose: string,
    question: Question,
  ): Promise<WorkerAnswer<Results[Question['task']] | AnalysisError>> {
    return await new Promise((settle) => {
      this.#queue.push(whose, { question, settle })?.settle(refused('54000', 'too many statements wait for analysis'));
      if (this.#queue.length === 0) return;
      if (this.#threads.length < this.#options.workers && this.#threads.every((t) => !t.ready || t.job)) this.#start();
      this.#assign();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (let job = this.#queue.shift(); job; job = this.#queue.shift())
      job.settle(refused('57P01', 'analysis is shutting down'));
    await Promise.all([...this.#threads].map((thread) => this.#end(thread, '57P01', 'analysis is shutting down')));
  }

  #start(): void {
    const thread: Thread = { worker: new Worker(...entry()), ready: false, job: null, timer: null, catalogs: [] };
    this.#threads.push(thread);
    thread.worker.unref();
    thread.worker.on('message', (message: 'ready' | WorkerAnswer<never>) => {
      if (message === 'ready') thread.ready = true;
      else this.#settle(thread, message);
      this.#assign();
      if (thread.job === null)
        thread.timer = setTimeout(() => void this.#end(thread, '57P01', 'idle'), this.#options.idle_ms).unref();
    });
    // Out of memory or a bug: the text that did it is refused, the next one gets a new thread.
    thread.worker.on('error', () => void this.#end(thread, '54001', 'statement too complex to analyse'));
    thread.worker.on('exit', () => void this.#end(thread, '54001', 'statement too complex to analyse'));
  }

  #assign(): void {
    for (const thread of this.#threads) {
      if (!thread.ready || thread.job) continue;
      const job = this.#queue.shift();
      if (!job) return;
      thread.job = job;
      if (thread.timer) clearTimeout(thread.timer);
      thread.worker.ref();
      thread.timer = setTimeout(
        () => void this.#end(thread, '54001', 'statement too complex to analyse'),
        this.#options.deadline_ms,
      );
      send(thread, { question: withCatalog(thread, job.question) });
    }
  }

  #settle(thread: Thread, answer: Parameters<Job['settle']>[0]): void {
    if (thread.timer) clearTimeout(thread.timer);
    thread.worker.unref();
    const { job } = thread;
    thread.job = null;
    thread.timer = null;
    job?.settle(answer);
  }

  async #end(thread: Thread, sqlstate: string, message: string): Promise<void> {
    const at = this.#threads.indexOf(thread);
    if (at < 0) return;
    this.#threads.splice(at, 1);
    if (thread.timer) clearTimeout(thread.timer);
    if (thread.job) this.#settle(thread, refused(sqlstate, message, this.#options.deadline_ms));
    await thread.worker.terminate();
    if (!this.#closed && this.#queue.length > 0 && this.#threads.length < this.#options.workers) this.#start();
  }
}

function send({ worker }: Thread, message: WorkerMessage): void {
  // oxlint-disable-next-line require-post-message-target-origin -- a thread, not a window
  worker.postMessage(message);
}

/** Sends the catalog that a question needs if the thread lacks it. */
function withCatalog(thread: Thread, asked: Asked): WorkerQuestion {
  if (asked.task !== 'analyse') return asked;
  const { catalog } = asked;
  if (catalog) give(thread, catalog);
  return { ...asked, catalog: catalog?.id ?? null };
}

function give(thread: Thread, catalog: Catalog): void {
  if (thread.catalogs.includes(catalog.id)) return;
  const shared = catalog instanceof Overlay ? catalog.shared : null;
  if (shared) {
    give(thread, shared);
    // It is used, so others go first.
    thread.catalogs.splice(thread.catalogs.indexOf(shared.id), 1);
    thread.catalogs.push(shared.id);
  }
  send(thread, { catalog: catalog.id, rows: catalog.rows, over: shared?.id ?? null });
  thread.catalogs.push(catalog.id);
  if (thread.catalogs.length > THREAD_CATALOGS_MAX) thread.catalogs.shift();
}

function refused(sqlstate: string, message: string, cpu_ms = 0): WorkerAnswer<AnalysisError> {
  return { result: { sqlstate, message, position: 0 }, cpu_ms };
}

/** The worker's file: worker.js as built, or worker.ts through tsx where the sources run as they are. */
function entry(): [
  URL | string,
  { eval?: boolean; resourceLimits: { maxOldGenerationSizeMb: number; stackSizeMb: number } },
] {
  const resourceLimits = { maxOldGenerationSizeMb: WORKER_HEAP_MB_MAX, stackSizeMb: 4 };
  if (!import.meta.url.endsWith('.ts')) return [new URL('./worker.js', import.meta.url), { resourceLimits }];
  const source = new URL('./worker.ts', import.meta.url).href;
  const code = `import('tsx/esm/api').then(({ tsImport }) => tsImport(${JSON.stringify(source)}, ${JSON.stringify(source)}));`;
  return [code, { eval: true, resourceLimits }];
}

/**
 * Heap of one worker, in MiB: the tree of a text of STATEMENT_BYTES_MAX fits (300 for the worst), and catalogs. The parser's memory is
 * beside it (240).
 */
const WORKER_HEAP_MB_MAX = 768;
