// The thread of background.ts: indexes the segments that lack an index, and ends. Reads the log and writes data/audit/index/, nothing else.
import { getPriority, setPriority } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { isMainThread, workerData } from 'node:worker_threads';
import { dropOrphans, makeIndex, missingIndexes } from './indexes.ts';

if (isMainThread) throw new Error('worker.ts runs as a worker thread only');

/** Linux has a nice value for each thread; elsewhere it is the process's. */
const NICER = 10;
if (process.platform === 'linux') setPriority(Math.min(19, getPriority() + NICER));

const folder = String(workerData);
let worked = performance.now();
/** As long as it has worked. */
const rest = async (): Promise<void> => {
  const spent = performance.now() - worked;
  await pause(Math.ceil(spent));
  worked = performance.now();
};

await dropOrphans(folder);
const { segments } = await missingIndexes(folder);
for (const segment of segments) await makeIndex(folder, segment, rest);
