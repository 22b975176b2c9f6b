// One worker thread of the analysis pool: takes texts and what the session knows, gives findings or tokens back. Nothing else crosses.
import { getPriority, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { analyseText } from './analysis.ts';
import { Catalog } from './catalog/catalog.ts';
import { Overlay } from './catalog/overlay.ts';
import { encodeTokens } from './lexer.ts';
import { Parser } from './parser.ts';
import { patternOf } from './pattern.ts';
import { THREAD_CATALOGS_MAX, type WorkerAnswer, type WorkerMessage, type WorkerQuestion } from './pool.ts';

/** The thread that serves all sessions comes first. Linux has a nice value for each thread; elsewhere it is the process's. */
const NICER = 5;
if (process.platform === 'linux') setPriority(Math.min(19, getPriority() + NICER));

const port = parentPort;
if (!port) throw new Error('worker.ts runs as a worker thread only');
const parser = await Parser.create();
port.postMessage('ready');

const catalogs = new Map<number, Catalog>();

port.on('message', (message: WorkerMessage) => {
  if ('catalog' in message) {
    const { catalog, rows, over } = message;
    const shared = over === null ? undefined : catalogs.get(over);
    if (over !== null && shared) {
      // As in the pool: it is used, so others go first.
      catalogs.delete(over);
      catalogs.set(over, shared);
    }
    catalogs.set(catalog, shared ? new Overlay(rows, shared, catalog) : new Catalog(rows, catalog));
    const [oldest = catalog] = catalogs.keys();
    if (catalogs.size > THREAD_CATALOGS_MAX) catalogs.delete(oldest);
    return;
  }
  const started = performance.now();
  const before = process.cpuUsage();
  const result = answered(message.question);
  const { user, system } = process.cpuUsage(before);
  // The process has other threads, and this one may have waited: its own time is less than either.
  const cpu_ms = Math.min((user + system) / 1000, performance.now() - started);
  const answer: WorkerAnswer = { result, cpu_ms };
  // oxlint-disable-next-line require-post-message-target-origin -- a thread, not a window
  void parser.load().then(() => port.postMessage(answer, result instanceof Uint8Array ? [result.buffer] : []));
});

function answered(question: WorkerQuestion): WorkerAnswer['result'] {
  if (question.task === 'tokens') return encodeTokens(question.texts, question.words);
  if (question.task === 'pattern') return patternOf(parser, question.text, question.parameters, question.words);
  const { text, context, prepared, catalog } = question;
  const names = new Map(prepared);
  const known = catalog === null ? null : (catalogs.get(catalog) ?? null);
  return analyseText(parser, text, { ...context, catalog: known, prepared: (name) => names.get(name) });
}
