// kill -9 at random moments, over one log: whatever was acknowledged is there. HOLDPOINT_KILLS: how often (15; 200 under prove).

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type Checkpoints, openCheckpoints } from '../../../src/audit/checkpoint.ts';
import { realFs } from '../../../src/audit/files.ts';
import { openAuditLog } from '../../../src/audit/log.ts';
import { readLog } from '../../../src/audit/read.ts';
import { survey } from '../../../src/audit/scan.ts';
import { verifyLog } from '../../../src/audit/verify/log.ts';
import { parseCheckpoints, parseKey } from '../../../src/audit/verify/note.ts';
import { seeded } from './disk.ts';

const kills = Number(process.env['HOLDPOINT_KILLS'] ?? (process.env['HOLDPOINT_PROVE'] === '1' ? 200 : 15));
const seed = Number(process.env['HOLDPOINT_SEED'] ?? Date.now() % 1_000_000);
const writer = join(import.meta.dirname, 'crash-writer.ts');

/** Runs the writer and kills it `delay_ms` after it began to open the log, or after its first acknowledgement. */
async function killedWriter(dir: string, run: number, delay_ms: number, from: 'opening' | 'record'): Promise<string[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', writer, dir, String(run)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let errors = '';
  const closed = once(child, 'close');
  const begun = new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      if (out.includes(from)) resolve();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.on('exit', (code) => reject(new Error(`the writer ended by itself (${code}): ${errors}`)));
  });
  await begun;
  await setTimeout(delay_ms);
  expect(child.exitCode, errors).toBeNull();
  child.kill('SIGKILL');
  await closed;
  // The last line may be cut short by the kill: it was not acknowledged in full.
  return out.split('\n').slice(0, -1);
}

it(`keeps every acknowledged record through ${kills} kills (HOLDPOINT_SEED=${seed})`, {
  timeout: 10_000 + kills * 4000,
}, async () => {
  const dir = join(mkdtempSync(join(tmpdir(), 'audit-crash-')), 'log');
  const random = seeded(seed);
  const records = new Map<string, number>();
  const entries = new Set<string>();
  try {
    for (let run = 0; run < kills; run++) {
      const from = random(4) === 0 ? 'opening' : 'record';
      for (const line of await killedWriter(dir, run, random(from === 'opening' ? 12 : 60), from)) {
        const [kind, name = '', seq] = line.split(' ');
        if (kind === 'record') records.set(name, Number(seq));
        if (kind === 'entry') entries.add(name);
      }
      expect((await survey(realFs, dir)).problem).toBeNull();
    }
    let checkpoints!: Checkpoints;
    const last = async () => (checkpoints = await openCheckpoints({ dir, node: 'n1' }));
    await (await openAuditLog({ dir, node: 'n1', checkpoints: last })).close();
    // Whatever was signed while it was killed still holds.
    const keys = [parseKey(checkpoints.signer.verifier_key)];
    const signed = parseCheckpoints(readFileSync(join(dir, 'checkpoints'), 'utf8'), keys, 'list');
    const report = await verifyLog({ folder: dir, checkpoints: signed.map((one) => ({ ...one, from: 'list' })) });
    expect(report).toMatchObject({ verified: true, findings: [], uncovered: null, checkpoints: { wrong: 0 } });
    expect(await survey(realFs, dir)).toMatchObject({ problem: null });
    expect(readdirSync(dir).filter((name) => name.startsWith('lock@'))).toEqual([]);

    const found = new Map<string, number>();
    const shapes = new Set<string>();
    let expected = 1;
    for await (const record of readLog(dir)) {
      expect(record.seq).toBe(expected++);
      if (record.type === 'x.y') found.set(String(record.clear['name']), record.seq);
      if (record.sealed) expect(record.sealed['name']).toBe(record.clear['name']);
      for (const entry of record.entries) shapes.add(entry.shape);
    }
    console.log(
      `audit: ${kills} kills, HOLDPOINT_SEED=${seed}: ${records.size} records and ${entries.size} entries acknowledged, ${expected - 1} records in the log`,
    );
    expect(records.size).toBeGreaterThan(kills * 5);
    expect(entries.size).toBeGreaterThan(kills);
    expect([...records].filter(([name, seq]) => found.get(name) !== seq)).toEqual([]);
    expect([...entries].filter((name) => !shapes.has(name))).toEqual([]);
  } finally {
    rmSync(join(dir, '..'), { recursive: true, force: true });
  }
});
