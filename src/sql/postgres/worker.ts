// One worker thread of the analysis pool: takes a text and what the session knows, gives findings back. Nothing else crosses.
import { parentPort } from 'node:worker_threads';
import { analyseText } from './analysis.ts';
import { Parser } from './parser.ts';
import type { WorkerAnswer, WorkerQuestion } from './pool.ts';

const port = parentPort;
if (!port) throw new Error('worker.ts runs as a worker thread only');
const parser = await Parser.create();
port.postMessage('ready');

port.on('message', (question: WorkerQuestion) => {
  const started = process.cpuUsage();
  const prepared = new Map(question.prepared);
  const analysis = analyseText(parser, question.text, { ...question.context, prepared: (name) => prepared.get(name) });
  const used = process.cpuUsage(started);
  const answer: WorkerAnswer = { analysis, cpu_ms: (used.user + used.system) / 1000 };
  void parser.load().then(() => port.postMessage(answer));
});
