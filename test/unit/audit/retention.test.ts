// Retention: which segments go and which stay, what is said of it, and that the log, its receipts and its checkpoints verify before and after
// with both programs; that a segment which is gone otherwise is found; and that a kill or a power cut at any moment is made good.
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAuditLog } from '../../../src/audit/log.ts';
import type { Checkpoint } from '../../../src/audit/checkpoint.ts';
import { realFs } from '../../../src/audit/files.ts';
import { Hashes } from '../../../src/audit/proof.ts';
import { readLog } from '../../../src/audit/read.ts';
import { type Receipt, receiptOf } from '../../../src/audit/receipt.ts';
import { survey } from '../../../src/audit/scan.ts';
import type { ReadRecord } from '../../../src/audit/types.ts';
import { type LogReport, verifyLog } from '../../../src/audit/verify/log.ts';
import { parseCheckpoints, parseKey } from '../../../src/audit/verify/note.ts';
import { verifyReceipt } from '../../../src/audit/verify/receipt.ts';
import { reportText } from '../../../src/cli/audit.ts';
import { consistencyProof, rootsFromConsistency } from './consistency.ts';
import { MemoryDisk, seeded } from './disk.ts';
import { type Kept, keptLog, type KeptOptions } from './removing.ts';

const prove = process.env['HOLDPOINT_PROVE'] === '1';
const seed = Number(process.env['HOLDPOINT_SEED'] ?? Date.now() % 1_000_000);
const DAY = 24 * 3_600_000;
const script = join(import.meta.dirname, '../../../docs/verify.py');

let root: string;
let dir: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'audit-retention-'));
  dir = join(root, 'log');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Some at a time: a write is never split over two segments. */
const many = async ({ log }: Pick<Kept, 'log'>, count: number): Promise<void> => {
  const one = (i: number) => log.append({ type: 'x.y', clear: { i }, sealed: { text: `text ${i}` } });
  for (let i = 0; i < count; i += 4)
    await Promise.all(Array.from({ length: Math.min(4, count - i) }, (_, more) => one(i + more)));
};
const segmentsLeft = (): string[] =>
  readdirSync(dir)
    .filter((name) => name.endsWith('.jsonl'))
    .toSorted();
const bytesLeft = (): number => segmentsLeft().reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
const all = async (from = dir): Promise<ReadRecord[]> => {
  const records: ReadRecord[] = [];
  for await (const record of readLog(from)) records.push(record);
  return records;
};
const removals = async (): Promise<ReadRecord[]> => (await all()).filter(({ type }) => type === 'log.segments_removed');
const opened = (options: Partial<KeptOptions> = {}): Promise<Kept> => keptLog({ dir, ...options });

const keyOf = ({ checkpoints }: Pick<Kept, 'checkpoints'>): string => checkpoints.signer.verifier_key;
const given = (key: string, note: string, from: string) =>
  parseCheckpoints(note, [parseKey(key)], from).map((one) => ({ ...one, from }));
const ownNote = (): string => readFileSync(join(dir, 'checkpoint'), 'utf8');
/** With these checkpoints; null: with the log's own. */
const verified = (key: string, held: string | null = null): Promise<LogReport> => {
  const own = given(key, ownNote(), 'own');
  return verifyLog({ folder: dir, checkpoints: held === null ? own : given(key, held, 'held'), own: own[0] ?? null });
};
const python = (...args: string[]): Promise<{ readonly status: number; readonly out: string }> =>
  new Promise((resolve) => {
    execFile('python3', [script, ...args], { encoding: 'utf8' }, (error, out, errors) => {
      resolve({ status: error === null ? 0 : Number(error.code), out: out + errors });
    });
  });

/** A closed log of some segments, the first of which retention has removed, and what was held of it before. */
async function trimmed(
  bytes_max = 12_000,
): Promise<{ readonly key: string; readonly early: string; readonly late: string }> {
  const kept = await opened({ bytes_max });
  await many(kept, 30);
  const early = (await kept.checkpoints.cover(20, 10_000))?.note ?? '';
  await many(kept, 40);
  const late = (await kept.checkpoints.cover(70, 10_000))?.note ?? '';
  await kept.retention.look();
  await many(kept, 3);
  await kept.close();
  return { key: keyOf(kept), early, late };
}

describe('which segments go', () => {
  it('by size the oldest, until the rest is small enough', async () => {
    const kept = await opened({ bytes_max: 12_000 });
    await many(kept, 60);
    const before = segmentsLeft();
    await kept.retention.look();
    expect(bytesLeft()).toBeLessThanOrEqual(12_000 + 1000);
    const gone = before.length - segmentsLeft().length;
    expect(gone).toBeGreaterThan(2);
    expect(segmentsLeft()).toEqual(before.slice(gone));
    // Their leaf hashes stay.
    expect(readdirSync(dir).filter((name) => name.endsWith('.leaf'))).toHaveLength(before.length);
    const found = await removals();
    expect(found[0]?.clear).toMatchObject({
      why: 'size',
      segments: { from: '00000001' },
      records: { from: 1 },
      keys: [],
    });
    // The record of it may have begun another segment, so that one more was too many.
    const last = found.at(-1)?.clear as { readonly segments: { to: string }; readonly records: { to: number } };
    expect(last.segments.to).toBe(String(gone).padStart(8, '0'));
    expect((await all())[0]?.seq).toBe(last.records.to + 1);
    expect(kept.told[0]).toMatch(/^retention removed \d+ segments of the audit log/);
    const { length } = segmentsLeft();
    await kept.retention.look();
    expect([segmentsLeft().length, (await removals()).length]).toEqual([length, found.length]);
    await kept.close();
  });

  it('by age those whose newest record is too old, and the key of a month that is gone', async () => {
    let now = Date.parse('2025-01-10T00:00:00Z');
    const kept = await opened({ age_ms: 100 * DAY, now: () => now });
    await many(kept, 20);
    now = Date.parse('2025-02-10T00:00:00Z');
    await kept.retention.look();
    await many(kept, 20);
    now = Date.parse('2025-03-10T00:00:00Z');
    await kept.retention.look();
    await many(kept, 20);
    expect(await removals()).toEqual([]);
    now = Date.parse('2025-05-25T00:00:00Z');
    await kept.retention.look();
    const left = await all();
    expect(left.filter(({ time }) => time < '2025-02-14')).toEqual([]);
    expect(left.filter(({ type, time }) => type === 'x.y' && time < '2025-03-11')).toHaveLength(20);
    expect(
      left.filter(({ type }) => type === 'log.segments_removed').map(({ clear }) => [clear['why'], clear['keys']]),
    ).toEqual([['age', ['2025-01', '2025-02']]]);
    const months = () => readdirSync(join(dir, 'keys')).filter((name) => /^\d/.test(name));
    expect(months()).toEqual(['2025-03.key']);
    // What is sealed in that month after all has another key, and stays readable over starts.
    now = Date.parse('2025-02-11T00:00:00Z');
    await many(kept, 1);
    await kept.close();
    const again = await opened({ age_ms: 100 * DAY, now: () => now });
    await again.retention.look();
    await again.close();
    expect(months()).toEqual(['2025-02.key', '2025-03.key']);
    expect((await all()).filter(({ sealed }) => sealed === null)).toEqual([]);
  });

  it('a quiet log begins a new segment in time, so that what is old can go', async () => {
    let now = Date.parse('2025-01-10T00:00:00Z');
    const kept = await opened({ age_ms: 120 * DAY, now: () => now, segment_bytes_max: 1 << 26 });
    await many(kept, 3);
    now += 9 * DAY;
    await kept.retention.look();
    await many(kept, 1);
    expect(segmentsLeft()).toEqual(['00000001.jsonl']);
    now += 2 * DAY;
    await kept.retention.look();
    await many(kept, 1);
    expect(segmentsLeft()).toEqual(['00000001.jsonl', '00000002.jsonl']);
    now += 119 * DAY;
    await kept.retention.look();
    expect(segmentsLeft()).toEqual(['00000002.jsonl', '00000003.jsonl']);
    await kept.close();
  });

  it.each([
    [
      'one with a record that is needed',
      { needed: ({ seq }: { readonly seq: number }) => (seq === 9 ? 'request HP-7KQ4M2XA is open' : null) },
      /^retention: segment 0000000\d stays: record 9 in it is needed: request HP-7KQ4M2XA is open$/,
    ],
    [
      'one that somebody has not had',
      { followers: () => [{ what: 'shipping to siem', record: 9 }] },
      /^retention: segment 0000000\d stays: shipping to siem has the records to 9 only/,
    ],
  ])('never %s, nor any behind it, and says why, once', async (_, parts, words) => {
    const kept = await opened({ bytes_max: 4000, ...parts });
    for (let i = 0; i < 60; i++) await kept.log.append({ type: 'request.held', clear: { i }, sealed: { i } });
    await kept.retention.look();
    await kept.retention.look();
    const [left] = await all();
    expect(left?.seq).toBeLessThanOrEqual(10);
    expect(kept.told.filter((text) => text.includes('stays'))).toEqual([expect.stringMatching(words)]);
    await kept.close();
  });

  it('never the one that is written, however small the limit is', async () => {
    const kept = await opened({ bytes_max: 1, segment_bytes_max: 1 << 20 });
    await many(kept, 5);
    await kept.retention.look();
    expect(segmentsLeft()).toEqual(['00000001.jsonl']);
    await kept.close();
  });

  it('none before an anchor has the checkpoint that covers the record of it; a later start goes on', async () => {
    let has = 0;
    const kept = await opened({ bytes_max: 4000, anchored: (record) => record <= has });
    await many(kept, 40);
    const before = segmentsLeft();
    await kept.retention.look();
    const [removal] = await removals();
    expect(removal).toBeDefined();
    expect(segmentsLeft().slice(0, before.length)).toEqual(before);
    await kept.close();
    const again = await opened({ bytes_max: null, anchored: (record) => record <= has });
    await again.retention.look();
    expect(segmentsLeft()[0]).toBe('00000001.jsonl');
    has = Infinity;
    await again.retention.look();
    const segments = removal?.clear['segments'] as { readonly to: string } | undefined;
    expect(segmentsLeft()[0]).toBe(`${String(Number(segments?.to) + 1).padStart(8, '0')}.jsonl`);
    expect(await removals()).toHaveLength(1);
    await again.close();
    expect((await verified(keyOf(again))).verified).toBe(true);
  });

  it('none whose records are not what their hashes say', async () => {
    const kept = await opened({ bytes_max: 4000 });
    await many(kept, 40);
    const path = join(dir, '00000002.jsonl');
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"i":(\d)/, '"j":$1'));
    await kept.retention.look();
    expect(segmentsLeft()[0]).toBe('00000002.jsonl');
    expect(kept.told).toEqual([
      expect.stringMatching(/^retention: segment 00000002 stays: record \d+ in it is not what its hashes say$/),
      expect.stringMatching(/^retention removed 1 segments/),
    ]);
    await kept.close();
  });
});

describe('after a removal', () => {
  it('the log verifies with both programs, by checkpoints of before and after, and no removed record is called good', async () => {
    const { key, early, late } = await trimmed();
    const report = await verified(key);
    const to = report.removed?.to ?? 0;
    expect(report).toMatchObject({
      verified: true,
      findings: [],
      notes: [],
      uncovered: null,
      removed: { from: 1, why: 'size' },
    });
    expect(to).toBeGreaterThan(20);
    const text = reportText(report);
    expect(text).toContain(
      `removed       records 1 to ${to}: by retention (size), as record ${report.removed?.by} says. Their hashes lead to what was signed; what they said nobody can see\n`,
    );
    expect(text).toContain(`verified      records ${to + 1} to ${report.covered} are as they were signed`);
    expect(text).not.toContain('records 1 to ' + report.covered + ' are as');
    writeFileSync(join(root, 'own'), ownNote());
    writeFileSync(join(root, 'early'), early);
    writeFileSync(join(root, 'late'), late);
    const theirs = await python('log', dir, key, join(root, 'own'), join(root, 'early'), join(root, 'late'));
    expect(theirs.status).toBe(0);
    expect(theirs.out).toContain(`records 1 to ${to} were removed by retention, as record ${report.removed?.by} says`);
    expect(theirs.out).toContain(`records ${to + 1} to ${report.covered} are as they were signed`);

    // Held before: what it covers is as it was; the log's own newest covers the record of the removal.
    expect(await verified(key, late)).toMatchObject({ verified: true, removed: { to } });
    const old = await verified(key, early);
    expect(old).toMatchObject({ verified: true, removed: { to }, uncovered: { from: to + 1 } });
    expect(reportText(old)).toContain('verified      nothing\n');
    // Without any that covers that record nobody can say that it was retention.
    const alone = await verifyLog({ folder: dir, checkpoints: given(key, late, 'held') });
    expect(alone.verified).toBe(false);
    expect(alone.notes.join()).toContain('no checkpoint that was given covers that record');
    expect((await python('log', dir, key, join(root, 'late'))).status).toBe(1);
  });

  it('a start reads what is left, goes on with the numbers, and removes more later', async () => {
    const { key } = await trimmed();
    const before = await all();
    const again = await opened({ bytes_max: 8000 });
    expect(again.log.seq).toBe((before.at(-1)?.seq ?? 0) + 1);
    await many(again, 40);
    await again.retention.look();
    await again.close();
    const found = await removals();
    expect(found.length).toBeGreaterThan(0);
    const newest = found.at(-1)?.clear as { readonly segments: { from: string }; readonly records: { to: number } };
    expect(newest.segments.from).not.toBe('00000001');
    expect(await verified(key)).toMatchObject({
      verified: true,
      removed: { from: 1, to: newest.records.to },
    });
    const third = await opened();
    await third.close();
    expect((await verified(key)).verified).toBe(true);
  });

  it('receipts of before verify, and those of requests that are left can be made, with tiles and without', async () => {
    const kept = await opened({ bytes_max: 12_000 });
    const request = (id: string) => kept.log.append({ type: 'request.opened', clear: { request: { id, policy: '' } } });
    await request('HP-22222222');
    await many(kept, 40);
    const cover = (size: number) => kept.checkpoints.cover(size, 10_000);
    const early = (await receiptOf('HP-22222222', { dir, cover })) as Receipt;
    await many(kept, 260);
    await request('HP-33333333');
    await many(kept, 5);
    await kept.retention.look();
    expect((await all())[0]?.seq).toBeGreaterThan(256);
    const key = keyOf(kept);
    const ok = async (receipt: unknown): Promise<void> => {
      const text = JSON.stringify(receipt);
      expect(verifyReceipt(text, [parseKey(key)], 'receipt').problems).toEqual([]);
      writeFileSync(join(root, 'receipt.json'), text);
      expect((await python('receipt', join(root, 'receipt.json'), key)).status).toBe(0);
    };
    await ok(early);
    expect(await receiptOf('HP-22222222', { dir, cover })).toBe('unknown');
    await ok(await receiptOf('HP-33333333', { dir, cover }));
    rmSync(join(dir, 'tile'), { recursive: true });
    await ok(await receiptOf('HP-33333333', { dir, cover }));
    await kept.close();
  });

  it(`every proof of a random log leads to its root, for both programs, and each checkpoint continues all earlier ones (HOLDPOINT_SEED=${seed})`, {
    timeout: 120_000,
  }, async () => {
    const random = seeded(seed + 3);
    const tries = prove ? 20 : 2;
    for (let n = 0; n < tries; n++) {
      rmSync(dir, { recursive: true, force: true });
      const signed: { readonly size: number; readonly root: string }[] = [];
      const kept = await opened({ bytes_max: 20_000, segment_bytes_max: 5000, made: (one) => signed.push(one) });
      const id = 'HP-44444444';
      const records = 100 + random(700);
      let ours = 0;
      for (let i = 0; i < records; i += 8) {
        const some = Array.from({ length: 8 }, () => random(12) === 0 && i > records / 2);
        ours += some.filter(Boolean).length;
        await Promise.all(
          some.map((own) =>
            kept.log.append({
              type: own ? 'request.opened' : 'x.y',
              clear: own ? { request: { id, policy: '' } } : {},
            }),
          ),
        );
        if (random(6) === 0) await kept.checkpoints.cover(kept.log.seq, 10_000);
        if (i > (records * 2) / 3 && random(8) === 0) await kept.retention.look();
      }
      await kept.retention.look();
      await kept.close();
      expect((await removals()).length).toBeGreaterThan(0);
      const key = keyOf(kept);
      const last = signed.at(-1) as (typeof signed)[number];
      for (const use_tiles of [true, false]) {
        const hashes = new Hashes(realFs, dir, use_tiles);
        for (const { size, root: before } of signed) {
          const proof = await consistencyProof(hashes, size, last.size);
          const led = rootsFromConsistency(size, last.size, proof, Buffer.from(before, 'hex'));
          expect([size, led?.toString('hex')]).toEqual([size, last.root]);
        }
      }
      const { note } = kept.checkpoints.last as Checkpoint;
      const receipt = (await receiptOf(id, { dir, cover: async () => ({ ...last, note }) })) as Receipt;
      expect(receipt.records.length).toBeGreaterThan(0);
      expect(receipt.records.length).toBeLessThanOrEqual(ours);
      writeFileSync(join(root, 'receipt.json'), JSON.stringify(receipt));
      const report = verifyReceipt(JSON.stringify(receipt), [parseKey(key)], 'receipt');
      expect(report.records.filter(({ proved }) => !proved)).toEqual([]);
      const theirs = await python('receipt', join(root, 'receipt.json'), key);
      expect(theirs.out.split('\n').filter((line) => line.startsWith('proved'))).toHaveLength(receipt.records.length);
      expect((await verified(key)).verified).toBe(true);
      expect((await python('log', dir, key, join(dir, 'checkpoint'))).status).toBe(0);
    }
  });

  it('an override of later damage is taken as before', async () => {
    const { key } = await trimmed();
    const last = segmentsLeft().at(-1) ?? '';
    const path = join(dir, last);
    writeFileSync(path, readFileSync(path, 'utf8').replace('"i":2', '"i":3'));
    await expect(opened()).rejects.toMatchObject({ kind: 'damaged' });
    await (await opened({ override: true })).close();
    const again = await opened({ bytes_max: 1 });
    await again.retention.look();
    // The damaged one and all behind it stay.
    expect(segmentsLeft()[0]).toBe(last);
    await again.close();
    await (await opened()).close();
    expect((await verified(key)).removed).not.toBeNull();
  });
});

describe('a segment that is gone otherwise', () => {
  const first = (): string => segmentsLeft()[0] ?? '';
  const refused = async (): Promise<void> => {
    await expect(opened()).rejects.toMatchObject({
      kind: 'damaged',
      message: expect.stringMatching(/is missing, and no record says that retention removed it/),
    });
  };

  it('of a log that retention never touched is refused by a start and named by both programs', async () => {
    const kept = await opened();
    await many(kept, 40);
    await kept.close();
    const key = keyOf(kept);
    const lines = readFileSync(join(dir, '00000001.jsonl'), 'utf8').split('\n').length - 1;
    rmSync(join(dir, '00000001.jsonl'));
    await refused();
    const report = await verified(key);
    expect(report).toMatchObject({ verified: false, removed: null });
    expect(report.findings.map(({ text }) => text)).toEqual([`records 1 to ${lines}: removed`]);
    expect(report.notes).toContain('segments 1 to 1 are gone, and no record says that retention removed them');
    const theirs = await python('log', dir, key, join(dir, 'checkpoint'));
    expect(theirs).toMatchObject({ status: 1, out: expect.stringContaining(`records 1 to ${lines} are gone`) });
  });

  it('behind those that retention removed, likewise', async () => {
    const { key } = await trimmed();
    const before = await verified(key);
    const missing = first();
    rmSync(join(dir, missing));
    await refused();
    await expect(opened()).rejects.toThrow(`segment ${missing} is missing`);
    const report = await verified(key);
    const to = before.removed?.to ?? 0;
    expect(report).toMatchObject({ verified: false, removed: { to } });
    expect(report.findings).toEqual([expect.objectContaining({ kind: 'removed', record: to + 1 })]);
    expect((await python('log', dir, key, join(dir, 'checkpoint'))).status).toBe(1);
  });

  it('with a record that says so and that no checkpoint covers is a loss, for a start too', async () => {
    const { key } = await trimmed();
    const signed = ownNote();
    const log = await openAuditLog({ dir, node: 'n1' });
    // Whoever can write to the folder can write this, and not sign it.
    const leaf = readFileSync(join(dir, `${first().slice(0, 8)}.leaf`));
    const { gone } = await survey(realFs, dir);
    for (let at = 0; at < leaf.length; at += 32) gone.tree.push(leaf.subarray(at, at + 32));
    await log.append({
      type: 'log.segments_removed',
      clear: {
        segments: { from: first().slice(0, 8), to: first().slice(0, 8) },
        records: { from: gone.records + 1, to: gone.records + leaf.length / 32 },
        leaf: leaf.toString('hex', leaf.length - 32),
        root: gone.tree.root().toString('hex'),
        why: 'age',
        keys: [],
      },
    });
    await log.close();
    rmSync(join(dir, first()));
    await expect(opened()).rejects.toMatchObject({
      kind: 'damaged',
      message: expect.stringMatching(/they were gone before it said so/),
    });
    expect(ownNote()).toBe(signed);
    const report = await verified(key);
    expect(report.verified).toBe(false);
    expect(report.notes.join()).toContain('no checkpoint that was given covers that record');
    expect((await python('log', dir, key, join(dir, 'checkpoint'))).status).toBe(1);
  });

  it.each([
    ['changed', (leaf: Buffer) => leaf.fill(7, 64, 96)],
    ['cut short', (leaf: Buffer) => leaf.subarray(0, -32)],
    ['torn', (leaf: Buffer) => leaf.subarray(0, -5)],
  ])('whose leaf hashes were %s is refused by a start and by both programs', async (how, change) => {
    const { key } = await trimmed();
    const path = join(dir, '00000001.leaf');
    writeFileSync(path, change(readFileSync(path)));
    await expect(opened()).rejects.toMatchObject({ kind: 'damaged' });
    const report = await verified(key);
    expect(report.verified).toBe(false);
    expect((await python('log', dir, key, join(dir, 'checkpoint'))).status).toBe(1);
    if (how === 'changed') expect(report.interval?.from).toBe(1);
  });

  it('whose leaf hashes are gone, too, is refused', async () => {
    const { key } = await trimmed();
    rmSync(join(dir, '00000001.leaf'));
    await refused();
    expect((await verified(key)).verified).toBe(false);
    expect((await python('log', dir, key, join(dir, 'checkpoint'))).status).toBe(1);
  });
});

describe('a kill or a power cut', () => {
  /** A log on a disk in memory, a look of retention with a fault, and what a new start makes of it. */
  async function disturbed(disk: MemoryDisk): Promise<void> {
    const kept = await keptLog({ dir: '/log', fs: disk, bytes_max: 6000 });
    await many(kept, 40);
    await kept.retention.look();
    await many(kept, 2);
    await kept.close();
  }

  async function madeGood(disk: MemoryDisk, of: string): Promise<void> {
    const found = await survey(disk, '/log');
    expect([of, found.problem]).toEqual([of, null]);
    const kept = await keptLog({ dir: '/log', fs: disk, bytes_max: 6000 });
    await kept.retention.look();
    await many(kept, 1);
    await kept.close();
    // On a real disk, as an auditor has it.
    rmSync(dir, { recursive: true, force: true });
    cpSync(join(import.meta.dirname, 'removing.ts'), join(dir, 'copied'));
    for (const [path, { now }] of disk.names) {
      if (!/^\/log\/(\d{8}\.|checkpoint$)/.test(path)) continue;
      writeFileSync(path.replace('/log', dir), now);
    }
    const report = await verified(keyOf(kept));
    expect([of, report.verified, report.findings, report.uncovered]).toEqual([of, true, [], null]);
    const left = segmentsLeft();
    expect([of, Number(left[0]?.slice(0, 8)) > 1, left.at(-1)]).toEqual([
      of,
      true,
      `${String(Number(left[0]?.slice(0, 8)) + left.length - 1).padStart(8, '0')}.jsonl`,
    ]);
    expect([of, bytesLeft() < 7500]).toEqual([of, true]);
  }

  it(`at every operation of the disk is finished by the next start (HOLDPOINT_SEED=${seed})`, {
    timeout: prove ? 3_600_000 : 120_000,
  }, async () => {
    const whole = new MemoryDisk();
    const names: string[] = [];
    whole.fault = (_, operation) => void names.push(operation);
    await disturbed(whole);
    const from = names.findIndex((name) => name.startsWith('remove /log/0')) - 12;
    const to = names.findLastIndex((name) => name.startsWith('remove /log/0')) + 6;
    expect(from).toBeGreaterThan(0);
    expect(to).toBeGreaterThan(from + 20);
    const random = seeded(seed);
    let tried = 0;
    for (let at = from; at < to; at += prove ? 1 : 1 + random(8)) {
      const disk = new MemoryDisk();
      disk.fault = (index) => (index === at ? 'dead' : undefined);
      await disturbed(disk).catch(() => undefined);
      expect(disk.isDead).toBe(true);
      await madeGood(disk.afterKill(), `a kill at ${at}, ${names[at]}`);
      for (let cut = 0; cut < (prove ? 8 : 1); cut++)
        await madeGood(disk.afterPowerCut(random), `a power cut at ${at}, ${names[at]}, HOLDPOINT_SEED=${seed}`);
      tried++;
    }
    console.log(
      `audit retention: ${tried} kills and as many power cuts in the middle of a removal, HOLDPOINT_SEED=${seed}`,
    );
  });

  it('a disk that refuses leaves all as it is, and the next look goes on', async () => {
    const disk = new MemoryDisk();
    const kept = await keptLog({ dir: '/log', fs: disk, bytes_max: 6000 });
    await many(kept, 40);
    disk.fault = (_, operation) => (operation.startsWith('remove /log/00000003') ? 'before' : undefined);
    await kept.retention.look();
    expect(kept.told).toEqual([expect.stringMatching(/^retention: the disk refuses: ENOSPC/)]);
    disk.fault = () => undefined;
    await kept.retention.look();
    await kept.close();
    expect((await survey(disk, '/log')).problem).toBeNull();
    expect([...disk.names.keys()].includes('/log/00000003.jsonl')).toBe(false);
    expect(existsSync('/log/00000003.jsonl')).toBe(false);
  });
});
