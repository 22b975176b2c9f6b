// What the audit log costs: CPU of a block entry and of a sealed record, and records a second when 1, 32 or 128 callers wait; with
// checkpoints on, as in the gateway.
// `npx tsx bench/audit.ts [folder]`: the folder decides which disk is measured. Medians of five rounds; goals: docs of performance.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Checkpoints, openCheckpoints } from '../src/audit/checkpoint.ts';
import { openAuditLog } from '../src/audit/log.ts';
import type { AuditLog } from '../src/audit/types.ts';

const rounds = 5;
const shape = 'UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2';
const record = {
  type: 'request.opened',
  clear: {
    id: 'HP-1A2B3C4D',
    who: 'report-bot',
    sponsor: 'ada',
    upstream: 'main',
    rule: 'writes',
    findings: ['write accounts'],
  },
  sealed: {
    statement: 'UPDATE accounts SET owner = $1 WHERE id IN ($2, $3, $4)',
    parameters: ['someone', '1', '2', '3'],
  },
};

const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'audit-bench-'));
// As the gateway has it: a signed checkpoint every second.
let checkpoints!: Checkpoints;
const log = await openAuditLog({
  dir: folder,
  node: 'bench',
  checkpoints: async () => (checkpoints = await openCheckpoints({ dir: folder, node: 'bench' })),
});
try {
  report('block entry: the call itself, µs', 3, await median(() => callMicros(log)));
  report('block entry: CPU in all, written and synced, µs', 3, await median(() => entryMicros(log)));
  report('sealed record: CPU in all, written and synced in batches, µs', 25, await median(() => recordMicros(log)));
  for (const waiting of [1, 32, 128])
    report(`records durable a second, ${waiting} waiting`, null, await median(() => perSecond(log, waiting)));
  atLeast('allowed statements a second, each recorded', 25_000, await median(() => entriesPerSecond(log)));
  report('a checkpoint of 10,000 records: CPU in all, for each, µs', null, await median(() => checkpointMicros(log)));
  console.log(`the last checkpoint covers ${checkpoints.last?.size ?? 0} of ${log.seq} records`);
} finally {
  await log.close();
  rmSync(folder, { recursive: true });
}

async function callMicros(to: AuditLog): Promise<number> {
  const sessions = Array.from({ length: 32 }, (_, i) => to.session({ session: `s${i}` }));
  const calls = 200_000;
  let spent = 0;
  // In turns, so that the writing, which happens between them, is not counted.
  for (let done = 0; done < calls; done += 4000) {
    const now = Date.now();
    const started = performance.now();
    for (let i = 0; i < 4000; i++) sessions[i & 31]?.allowed(now, shape, 'default', 'UPDATE 1', 1, 8, 120 + (i & 63));
    spent += performance.now() - started;
    await Promise.all(sessions.map((session) => session.flush()));
  }
  return (spent * 1000) / calls;
}

async function entryMicros(to: AuditLog): Promise<number> {
  const sessions = Array.from({ length: 32 }, (_, i) => to.session({ session: `s${i}` }));
  const calls = 200_000;
  const cpu = process.cpuUsage();
  for (let done = 0; done < calls; done += 8192) {
    const now = Date.now();
    for (let i = 0; i < 8192; i++) sessions[i & 31]?.allowed(now, shape, 'default', 'UPDATE 1', 1, 8, 120 + (i & 63));
    await Promise.all(sessions.map((session) => session.flush()));
  }
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / calls;
}

async function recordMicros(to: AuditLog): Promise<number> {
  const records = 20_000;
  const cpu = process.cpuUsage();
  for (let done = 0; done < records; done += 500)
    await Promise.all(Array.from({ length: 500 }, () => to.append(record)));
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / records;
}

async function perSecond(to: AuditLog, waiting: number): Promise<number> {
  const until = performance.now() + 1000;
  let records = 0;
  const caller = async () => {
    for (; performance.now() < until; records++) await to.append(record);
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: waiting }, caller));
  return (records * 1000) / (performance.now() - started);
}

async function entriesPerSecond(to: AuditLog): Promise<number> {
  const started = performance.now();
  const micros = await entryMicros(to);
  return micros === 0 ? Number.NaN : (200_000 * 1000) / (performance.now() - started);
}

/** What the tree, the tiles, the signature and the file cost beside the records themselves, which are small here. */
async function checkpointMicros(to: AuditLog): Promise<number> {
  const records = 10_000;
  await checkpoints.cover(to.seq, 10_000);
  for (let done = 0; done < records - 1; done += 1000)
    await Promise.all(
      Array.from({ length: Math.min(1000, records - 1 - done) }, () => to.append({ type: 'x.y', clear: {} })),
    );
  const cpu = process.cpuUsage();
  await checkpoints.cover(to.seq, 10_000);
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / records;
}

async function median(measure: () => Promise<number>): Promise<number> {
  await measure();
  const values: number[] = [];
  for (let round = 0; round < rounds; round++) values.push(await measure());
  return values.toSorted((a, b) => a - b)[rounds >> 1] ?? Number.NaN;
}

function atLeast(what: string, goal: number, value: number): void {
  console.log(
    `${what.padEnd(62)} ${value.toFixed(0).padStart(8)}   goal ≥ ${goal}: ${value >= goal ? 'met' : 'MISSED'}`,
  );
}

function report(what: string, goal: number | null, value: number): void {
  const verdict = goal === null ? '' : `   goal ≤ ${goal}: ${value <= goal ? 'met' : 'MISSED'}`;
  console.log(`${what.padEnd(62)} ${value.toFixed(value < 100 ? 2 : 0).padStart(8)}${verdict}`);
}
