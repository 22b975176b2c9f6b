// One worker thread of the analysis pool: takes a text and what the session knows, gives findings back. Nothing else crosses.
import { parentPort } from 'node:worker_threads';
import { analyseText } from './analysis.ts';
import { Parser } from './parser.ts';
import { Catalog } from './catalog/catalog.ts';
import { THREAD_CATALOGS_MAX, type WorkerAnswer, type WorkerMessage } from './pool.ts';

const port = parentPort;
if (!port) throw new Error('worker.ts runs as a worker thread only');
const parser = await Parser.create();
port.postMessage('ready');

const catalogs = new Map<number, Catalog>();

port.on('message', (message: WorkerMessage) => {
  if ('catalog' in message) {
    catalogs.set(message.catalog, new Catalog(message.rows, message.catalog));
    const [oldest = message.catalog] = catalogs.keys();
    if (catalogs.size > THREAD_CATALOGS_MAX) catalogs.delete(oldest);
    return;
  }
  const { text, context, prepared, catalog } = message.question;
  const started = process.cpuUsage();
  const names = new Map(prepared);
  const known = catalog === null ? null : (catalogs.get(catalog) ?? null);
  const analysis = analyseText(parser, text, { ...context, catalog: known, prepared: (name) => names.get(name) });
  const used = process.cpuUsage(started);
  const answer: WorkerAnswer = { analysis, cpu_ms: (used.user + used.system) / 1000 };
  void parser.load().then(() => port.postMessage(answer));
});
