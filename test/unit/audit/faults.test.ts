import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, rmdirSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AuditError } from '../../../src/audit/error.ts';
import { realFs } from '../../../src/audit/files.ts';
import { openAuditLog } from '../../../src/audit/log.ts';
import { readLog } from '../../../src/audit/read.ts';
import { survey } from '../../../src/audit/scan.ts';
import type { AuditLog } from '../../../src/audit/types.ts';
import { MemoryDisk, seeded, type Fault } from './disk.ts';

const DIR = '/log';
const OPTIONS = { dir: DIR, node: 'n1', segment_bytes_max: 1200, retry_ms: 1 };

/** What happened to each thing that was to be recorded. */
interface Outcome {
  readonly acknowledged: Map<string, number>;
  readonly rejected: Set<string>;
  readonly entries_acknowledged: Set<string>;
  readonly entries: Set<string>;
  opened: boolean;
  closed: boolean;
}

/** Twelve records, some at once, some sealed, and blocks, over several segments; whatever the disk does. */
async function scenario(disk: MemoryDisk): Promise<Outcome> {
  const outcome: Outcome = {
    acknowledged: new Map(),
    rejected: new Set(),
    entries_acknowledged: new Set(),
    entries: new Set(),
    opened: false,
    closed: false,
  };
  let log: AuditLog;
  try {
    log = await openAuditLog({ ...OPTIONS, fs: disk });
  } catch (error) {
    expect(error).toBeInstanceOf(AuditError);
    return outcome;
  }
  outcome.opened = true;
  const session = log.session({ session: 's' });
  for (let round = 0; round < 4; round++) {
    session.allowed(1, `entry ${round}`, 'r', 'SELECT 1', 1, 1, 1);
    outcome.entries.add(`entry ${round}`);
    const attempts = [0, 1, 2].map(async (i) => {
      const name = `record ${round}.${i}`;
      try {
        const seq = await log.append({ type: 'x.y', clear: { name }, ...(i === 1 ? { sealed: { name } } : {}) });
        outcome.acknowledged.set(name, seq);
        expect(log.seq).toBeGreaterThanOrEqual(seq);
      } catch (error) {
        expect(error).toMatchObject({ name: 'AuditError', kind: 'unwritable' });
        expect(log.failure).toMatch(/cannot be written since .*ENOSPC/);
        outcome.rejected.add(name);
      }
    });
    await Promise.all(attempts);
    await session.flush().then(
      () => outcome.entries.forEach((entry) => outcome.entries_acknowledged.add(entry)),
      () => undefined,
    );
    await expect.poll(() => disk.isDead || log.failure === null, { interval: 1 }).toBe(true);
    if (disk.isDead) break;
  }
  outcome.closed = await log.close().then(
    () => true,
    () => false,
  );
  return outcome;
}

/** Every acknowledged thing is there under its number, sealed text and all; the chain is whole. */
async function verify(disk: MemoryDisk, outcome: Outcome, exact: boolean): Promise<void> {
  expect(await survey(disk, DIR)).toMatchObject({ problem: null });
  const log = await openAuditLog({ ...OPTIONS, fs: disk });
  const found = new Map<string, number>();
  const entries: string[] = [];
  let expected = 1;
  for await (const record of log.read()) {
    expect(record.seq).toBe(expected++);
    if (record.type === 'x.y') {
      const name = String(record.clear['name']);
      expect(found.has(name)).toBe(false);
      found.set(name, record.seq);
      expect(record.sealed).toEqual(name.endsWith('.1') ? { name } : undefined);
    }
    for (const entry of record.entries) entries.push(entry.shape);
  }
  await log.close();
  for (const [name, seq] of outcome.acknowledged) expect([name, found.get(name)]).toEqual([name, seq]);
  for (const entry of outcome.entries_acknowledged) expect(entries).toContain(entry);
  expect(new Set(entries).size).toBe(entries.length);
  if (!exact) return;
  // The writer lived on: what it rejected is not there, and what it could not write at once it wrote later.
  expect(found).toEqual(outcome.acknowledged);
  if (outcome.opened) expect(new Set(entries)).toEqual(outcome.entries);
}

describe('each operation on the disk', () => {
  const faults: readonly Fault[] = ['before', 'half', 'after'];

  it.each(faults)(
    'may fail once, %s it took effect: pending records are refused, the log recovers by itself',
    async (fault) => {
      const calm = new MemoryDisk();
      const usual = await scenario(calm);
      expect([usual.acknowledged.size, usual.entries_acknowledged.size, usual.closed]).toEqual([12, 4, true]);
      expect([...calm.names.keys()].filter((name) => name.endsWith('.jsonl')).length).toBeGreaterThan(2);
      let refusals = 0;
      for (let at = 0; at < calm.operations.length; at++) {
        const disk = new MemoryDisk();
        disk.fault = (index) => (index === at ? fault : undefined);
        const outcome = await scenario(disk);
        refusals += outcome.rejected.size;
        // It may have had fewer operations than the calm one: blocks are written by a timer.
        disk.fault = () => undefined;
        // Where removing the lock was what failed, only another process can open the log again.
        await verify(outcome.closed ? disk : disk.afterKill(), outcome, outcome.opened);
      }
      expect(refusals).toBeGreaterThan(20);
    },
  );

  it.each(faults)(
    'may fail again and again, %s it took effect, and be the last before the writer is gone',
    async (fault) => {
      await fc.assert(
        fc.asyncProperty(fc.integer(), async (seed) => {
          const random = seeded(seed);
          const disk = new MemoryDisk();
          const end = 20 + random(150);
          disk.fault = (index) => (index >= end ? 'dead' : random(6) === 0 ? fault : undefined);
          const outcome = await scenario(disk);
          await verify(disk.afterKill(), outcome, false);
        }),
      );
    },
  );

  it('may be the last before a kill, or before the power fails and takes what was not synced', async () => {
    const calm = new MemoryDisk();
    await scenario(calm);
    await fc.assert(
      fc.asyncProperty(fc.nat(calm.operations.length), fc.integer(), async (at, seed) => {
        const disk = new MemoryDisk();
        disk.fault = (index) => (index >= at ? 'dead' : undefined);
        const outcome = await scenario(disk);
        await verify(disk.afterKill(), outcome, false);
        await verify(disk.afterPowerCut(seeded(seed)), outcome, false);
      }),
    );
  });
});

describe('while the disk refuses', () => {
  it('refuses at once, keeps saying why, counts what it refused, and keeps allowed entries', async () => {
    const disk = new MemoryDisk();
    const log = await openAuditLog({ ...OPTIONS, fs: disk });
    let full = true;
    disk.fault = (_, operation) => (full && operation.startsWith('write') ? 'before' : undefined);
    await expect(log.append({ type: 'x.y', clear: {} })).rejects.toMatchObject({ kind: 'unwritable' });
    const session = log.session({ session: 's' });
    session.allowed(1, 'ran', 'r', 'SELECT 1', 1, 1, 1);
    await expect(session.flush()).rejects.toMatchObject({ kind: 'unwritable' });
    await expect(log.append({ type: 'x.y', clear: {} })).rejects.toMatchObject({ kind: 'unwritable' });
    expect(log.seq).toBe(1);
    full = false;
    await expect.poll(() => log.failure, { interval: 1 }).toBeNull();
    await session.flush();
    const seq = await log.append({ type: 'x.y', clear: {} });
    const records = [];
    for await (const record of log.read()) records.push(record);
    expect(records.map((r) => r.type)).toEqual(['log.opened', 'log.recovered', 'statements', 'x.y']);
    expect(records[1]?.clear).toMatchObject({ cause: 'the disk refused', records_rejected: 1, entries_lost: 0 });
    expect(seq).toBe(4);
    await log.close();
  });

  it('cuts what it refused, so that a kill right after it does not bring it back', async () => {
    const disk = new MemoryDisk();
    const log = await openAuditLog({ ...OPTIONS, fs: disk, retry_ms: 60_000 });
    disk.fault = (_, operation) => (operation.startsWith('datasync') ? 'after' : undefined);
    await expect(log.append({ type: 'x.y', clear: {} })).rejects.toMatchObject({ kind: 'unwritable' });
    const found = disk.afterKill();
    expect(await survey(found, DIR)).toMatchObject({
      problem: null,
      seq: 1,
      size: found.bytes('/log/00000001.jsonl').length,
    });
    disk.fault = () => undefined;
    await log.close();
  });

  it('refuses, and says that the disk does not keep up, when more is queued than memory may hold', async () => {
    const disk = new MemoryDisk();
    const log = await openAuditLog({ ...OPTIONS, segment_bytes_max: 1 << 30, fs: disk });
    const filler = 'x'.repeat(8 * 1024 * 1024);
    const queued = Array.from({ length: 8 }, () => log.append({ type: 'x.y', clear: { filler } }));
    expect(log.failure).toMatch(/does not keep up/);
    await expect(log.append({ type: 'x.y', clear: {} })).rejects.toMatchObject({ kind: 'busy' });
    const session = log.session({ session: 's' });
    session.allowed(1, 'lost', 'r', 'SELECT 1', 1, 1, 1);
    await expect(session.flush()).rejects.toMatchObject({ kind: 'busy' });
    expect(await Promise.all(queued)).toHaveLength(8);
    expect(log.failure).toBeNull();
    const seq = await log.append({ type: 'x.y', clear: {} });
    const records = [];
    for await (const record of log.read()) if (record.type === 'log.recovered') records.push(record.clear);
    expect(records).toEqual([{ cause: 'more was queued than memory may hold', entries_lost: 1 }]);
    expect(seq).toBe(11);
    await log.close();
  });

  it('close tries once more, and says what remains unrecorded', async () => {
    const disk = new MemoryDisk();
    const log = await openAuditLog({ ...OPTIONS, fs: disk });
    log.session({}).allowed(1, 'x', 'r', 'SELECT 1', 1, 1, 1);
    disk.fault = (_, operation) => (operation.startsWith('write') ? 'half' : undefined);
    await expect(log.close()).rejects.toMatchObject({
      kind: 'unwritable',
      message: expect.stringContaining('1 allowed statement'),
    });
    disk.fault = () => undefined;
    expect([...disk.names.keys()].some((name) => name.includes('lock@'))).toBe(false);
    const again = await openAuditLog({ ...OPTIONS, fs: disk });
    expect(again.seq).toBe(2);
    await again.close();
  });

  it('does not open on a full disk, and leaves no lock', async () => {
    const disk = new MemoryDisk();
    disk.fault = (_, operation) => (operation.startsWith('write') ? 'before' : undefined);
    await expect(openAuditLog({ ...OPTIONS, fs: disk })).rejects.toMatchObject({ kind: 'unwritable' });
    disk.fault = () => undefined;
    await (await openAuditLog({ ...OPTIONS, fs: disk })).close();
  });
});

/** A file system of 256 KB; null where this user may not mount one (only root may): the faults above then stand for it. */
function smallDisk(): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'audit-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    rmdirSync(folder);
    return null;
  }
}

describe('a disk that is really full (needs root, to mount one)', () => {
  it('refuses, then resumes by itself without a gap when space returns', async ({ skip }) => {
    const mount = smallDisk();
    if (mount === null) {
      skip('mounting a tmpfs needs root');
      return;
    }
    try {
      const dir = `${mount}/log`;
      const log = await openAuditLog({ dir, node: 'n1', retry_ms: 20 });
      const { bavail, bsize } = statfsSync(mount);
      writeFileSync(`${mount}/ballast`, Buffer.alloc((bavail - 8) * bsize));
      const acknowledged = new Map<number, number>();
      const rejected = new Set<number>();
      let next = 0;
      const some = () =>
        Promise.all(
          Array.from({ length: 8 }, async () => {
            const i = next++;
            await log.append({ type: 'x.y', clear: { i, filler: 'f'.repeat(600) }, sealed: { i } }).then(
              (seq) => acknowledged.set(seq, i),
              () => rejected.add(i),
            );
          }),
        );
      while (rejected.size === 0) await some();
      expect(acknowledged.size).toBeGreaterThan(8);
      expect(log.failure).toMatch(/ENOSPC/);
      await some();
      rmSync(`${mount}/ballast`);
      await expect.poll(() => log.failure, { interval: 10 }).toBeNull();
      await some();
      await log.close();
      expect(await survey(realFs, dir)).toMatchObject({ problem: null, seq: acknowledged.size + 2 });
      const found = new Map<number, number>();
      for await (const record of readLog(dir))
        if (record.type === 'x.y') found.set(record.seq, Number(record.clear['i']));
      expect([...found]).toEqual([...acknowledged].toSorted((a, b) => a[0] - b[0]));
    } finally {
      execFileSync('umount', [mount]);
      rmdirSync(mount);
    }
  });
});
