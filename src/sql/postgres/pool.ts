// Worker threads for texts that are too long or too deep to be analysed between two packets of other sessions. A worker that
// passes its deadline is ended and replaced: no text can keep one.
import { Worker } from 'node:worker_threads';
import type { Analysis, AnalysisContext } from '../findings.ts';
import { refusedAnalysis } from './analysis.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { CatalogRows } from './catalog/rows.ts';

export type PlainContext = Omit<AnalysisContext, 'prepared' | 'catalog'>;

/** What a thread is sent: a catalog before the first question that needs it, and questions. */
export type WorkerMessage =
  | { readonly catalog: number; readonly rows: CatalogRows }
  | { readonly question: WorkerQuestion };

export interface WorkerQuestion {
  readonly text: string;
  readonly context: PlainContext;
  readonly prepared: readonly (readonly [string, Analysis | 'utility' | null])[];
  /** Of a catalog that the thread was sent. */
  readonly catalog: number | null;
}

/** Catalogs that a thread keeps: of several databases, and of sessions with objects of their own. */
export const THREAD_CATALOGS_MAX = 8;

export interface WorkerAnswer {
  readonly analysis: Analysis;
  readonly cpu_ms: number;
}

type Asked = Omit<WorkerQuestion, 'catalog'> & { readonly catalog: Catalog | null };

interface Job {
  readonly question: Asked;
  readonly settle: (answer: WorkerAnswer) => void;
}

interface Thread {
  readonly worker: Worker;
  ready: boolean;
  job: Job | null;
  timer: NodeJS.Timeout | null;
  /** Oldest first, as the thread keeps them. */
  readonly catalogs: number[];
}

export interface PoolOptions {
  readonly workers: number;
  /** From the moment a worker takes the text. */
  readonly deadline_ms: number;
  /** Texts waiting for a worker; one more is refused with 54000. */
  readonly queue_max: number;
}

export class WorkerPool {
  readonly #options: PoolOptions;
  readonly #threads: Thread[] = [];
  readonly #queue: Job[] = [];
  #closed = false;

  /** Starts no thread before it is needed. */
  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Never rejects: what goes wrong is an Analysis with an error. */
  async run(question: Asked): Promise<WorkerAnswer> {
    if (this.#queue.length >= this.#options.queue_max)
      return refused(question, '54000', 'too many statements wait for analysis');
    return await new Promise((settle) => {
      this.#queue.push({ question, settle });
      if (this.#threads.length < this.#options.workers && this.#threads.every((t) => !t.ready || t.job)) this.#start();
      this.#assign();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#queue.splice(0)) job.settle(refused(job.question, '57P01', 'analysis is shutting down'));
    await Promise.all([...this.#threads].map((thread) => this.#end(thread, '57P01', 'analysis is shutting down')));
  }

  #start(): void {
    const thread: Thread = { worker: new Worker(...entry()), ready: false, job: null, timer: null, catalogs: [] };
    this.#threads.push(thread);
    thread.worker.unref();
    thread.worker.on('message', (message: 'ready' | WorkerAnswer) => {
      if (message === 'ready') thread.ready = true;
      else this.#settle(thread, message);
      this.#assign();
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
      thread.worker.ref();
      thread.timer = setTimeout(
        () => void this.#end(thread, '54001', 'statement too complex to analyse'),
        this.#options.deadline_ms,
      );
      const { catalog, ...question } = job.question;
      if (catalog && !thread.catalogs.includes(catalog.id)) {
        send(thread, { catalog: catalog.id, rows: catalog.rows });
        thread.catalogs.push(catalog.id);
        if (thread.catalogs.length > THREAD_CATALOGS_MAX) thread.catalogs.shift();
      }
      send(thread, { question: { ...question, catalog: catalog?.id ?? null } });
    }
  }

  #settle(thread: Thread, answer: WorkerAnswer): void {
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
    if (thread.job)
      this.#settle(thread, { ...refused(thread.job.question, sqlstate, message), cpu_ms: this.#options.deadline_ms });
    await thread.worker.terminate();
    if (!this.#closed && this.#queue.length > 0 && this.#threads.length < this.#options.workers) this.#start();
  }
}

function send({ worker }: Thread, message: WorkerMessage): void {
  // oxlint-disable-next-line require-post-message-target-origin -- a thread, not a window
  worker.postMessage(message);
}

function refused(question: Asked, sqlstate: string, message: string): WorkerAnswer {
  return { analysis: refusedAnalysis(question.text, { sqlstate, message, position: 0 }, null), cpu_ms: 0 };
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

/** Heap of one worker, in MiB: the tree of a text of STATEMENT_BYTES_MAX fits. */
const WORKER_HEAP_MB_MAX = 1024;
