// Whatever is done to a log in what a checkpoint that is held elsewhere covers is found, and nothing is called by a wrong name. Every
// boundary of a 400-record log (a few dozen places; all under prove), and random places of a 10,000-record one (HOLDPOINT_SEED).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Checkpoints, openCheckpoints } from '../../../src/audit/checkpoint.ts';
import { openAuditLog } from '../../../src/audit/log.ts';
import { type Given, type LogReport, verifyLog } from '../../../src/audit/verify/log.ts';
import { parseCheckpoints, parseKey } from '../../../src/audit/verify/note.ts';
import { seeded } from './disk.ts';
import { keptLog } from './removing.ts';
import { type Change, type Tampered, writeTampered } from './tampering.ts';

const prove = process.env['HOLDPOINT_PROVE'] === '1';
const seed = Number(process.env['HOLDPOINT_SEED'] ?? Date.now() % 1_000_000);
/** Hours at full size; on a loaded machine minutes. */
const limit = { timeout: prove ? 4 * 3_600_000 : 180_000 };
const root = mkdtempSync(join(tmpdir(), 'audit-verify-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Made {
  readonly folder: string;
  readonly records: number;
  /** As an anchor has them, the last one before the end. */
  readonly held: readonly Given[];
  /** The last record that retention removed, and the one that says so; 0: none. */
  readonly removed: number;
  readonly removed_by: number;
}

/** Of so many records; checkpoints at these sizes, and no others, are held. */
async function made(name: string, records: number, sizes: readonly number[]): Promise<Made> {
  const folder = join(root, name);
  let checkpoints!: Checkpoints;
  const log = await openAuditLog({
    dir: folder,
    node: 'n1',
    checkpoints: async () => (checkpoints = await openCheckpoints({ dir: folder, node: 'n1', every_ms: 3_600_000 })),
  });
  const notes: string[] = [];
  for (const size of [...sizes, records]) {
    await Promise.all(
      Array.from({ length: size - log.seq }, (_, i) =>
        log.append({ type: 'request.opened', clear: { i }, sealed: { i } }),
      ),
    );
    const checkpoint = await checkpoints.cover(size, 10_000);
    if (size < records) notes.push(checkpoint?.note ?? '');
  }
  await log.close();
  const keys = [parseKey(checkpoints.signer.verifier_key)];
  return {
    folder,
    records,
    held: parseCheckpoints(notes.join('\n'), keys, 'held').map((one) => ({ ...one, from: 'held' })),
    removed: 0,
    removed_by: 0,
  };
}

/** The same of a log whose first segments retention removed. */
async function trimmed(name: string): Promise<Made> {
  const folder = join(root, name);
  const kept = await keptLog({ dir: folder, bytes_max: 60_000, segment_bytes_max: 8000 });
  const notes: string[] = [];
  const to = async (size: number): Promise<void> => {
    while (kept.log.seq < size)
      await Promise.all(
        Array.from({ length: Math.min(4, size - kept.log.seq) }, (_, i) =>
          kept.log.append({ type: 'request.opened', clear: { i }, sealed: { i } }),
        ),
      );
    notes.push((await kept.checkpoints.cover(size, 10_000))?.note ?? '');
  };
  await to(60);
  await to(250);
  await kept.retention.look();
  const removed_by = kept.log.seq;
  for (const size of [300, 301, 390]) await to(size);
  for (let i = 0; i < 10; i++) await kept.log.append({ type: 'x.y', clear: { i } });
  await kept.close();
  const keys = [parseKey(kept.checkpoints.signer.verifier_key)];
  const held = parseCheckpoints(notes.join('\n'), keys, 'held').map((one) => ({ ...one, from: 'held' }));
  const report = await verifyLog({ folder, checkpoints: held });
  expect(report).toMatchObject({ verified: true, findings: [], removed: { by: removed_by } });
  const removed = report.removed?.to ?? 0;
  expect(removed).toBeGreaterThan(60);
  return { folder, records: report.records, held, removed, removed_by };
}

const KIND = { edit: 'edited', delete: 'removed', insert: 'inserted', swap: 'reordered', cut: 'removed' } as const;

/** Null: as it must be. Else what is wrong with the report. */
function fault({ held, removed_by }: Made, how: Tampered, from: number, report: LogReport): string | null {
  const newest = held.at(-1)?.size ?? 0;
  const { change } = how;
  const before = held.findLast(({ size }) => size < from)?.size ?? 0;
  const first = held.find(({ size }) => size >= from)?.size ?? 0;
  if (from > newest) {
    // Nothing covers it: what is covered is good, the rest is never called so.
    if (report.covered !== newest) return 'what is covered was not found good';
    if (report.interval !== null) return 'a difference in what is covered was told';
    if (report.records > newest && report.uncovered?.from !== newest + 1) return 'the rest was not told as not covered';
    return null;
  }
  if (report.verified) return 'it was not found';
  // Without the record of a removal what is gone is a loss like any other, and nothing is good.
  const touched =
    change.kind === 'cut'
      ? change.at <= removed_by
      : [change.at, 'with' in change ? change.with : 0].includes(removed_by);
  if (removed_by > 0 && report.removed === null)
    return touched && report.covered === 0 ? null : 'the removal was not found';
  if (report.covered !== before) return `${before} records were good, and ${report.covered} were told`;
  if (report.interval?.from !== before + 1 || report.interval.to !== first) return 'the interval is another';
  const told = report.findings.filter(({ kind }) => kind !== 'gap');
  if (told.length === 0) return 'nothing is told';
  const named = told.filter(({ kind }) => kind !== 'rewritten');
  const allowed = new Set<number>([change.at]);
  if (change.kind === 'insert') {
    allowed.clear();
    allowed.add(from - 1);
  }
  if (change.kind === 'swap') allowed.add(change.with);
  for (const one of named) {
    // One that nothing covers was put among those that are covered.
    if (change.kind === 'swap' && change.with > newest && one.kind === 'inserted' && one.record === change.at - 1)
      continue;
    if (one.kind !== KIND[change.kind]) return `misnamed: ${one.text}`;
    if (!allowed.has(one.record)) return `another record: ${one.text}`;
    if (change.kind === 'cut' && one.to !== newest) return `another range: ${one.text}`;
  }
  for (const one of told.filter(({ kind }) => kind === 'rewritten'))
    if (!(one.record <= from && from <= one.to)) return `elsewhere: ${one.text}`;
  // Where the records' own hashes survive, each is named.
  if (!how.recomputed && how.sides === 'kept' && named.length === 0) return 'not named, though its hash is left';
  return null;
}

function changesAt(at: number, random: (below: number) => number, records: number): Change[] {
  const other = 1 + random(records);
  return [
    { kind: 'edit', at },
    { kind: 'delete', at },
    { kind: 'insert', at, copy: null },
    { kind: 'insert', at, copy: other },
    { kind: 'insert', at, copy: at },
    ...(at < records ? [{ kind: 'swap', at, with: at + 1 } as const] : []),
    ...(other === at ? [] : [{ kind: 'swap', at: Math.min(at, other), with: Math.max(at, other) } as const]),
    // Around a third, which stands where it should.
    ...(at + 2 <= records ? [{ kind: 'swap', at, with: at + 2 } as const] : []),
    { kind: 'cut', at },
  ];
}

const WAYS = [
  { recomputed: false, sides: 'kept' },
  { recomputed: false, sides: 'recomputed' },
  { recomputed: false, sides: 'removed' },
  { recomputed: true, sides: 'kept' },
  { recomputed: true, sides: 'recomputed' },
] as const;

async function tried(log: Made, how: Tampered): Promise<string | null> {
  const folder = join(root, 'tampered');
  const { from } = writeTampered(log.folder, folder, how);
  const report = await verifyLog({ folder, checkpoints: log.held });
  const wrong = fault(log, how, from, report);
  return wrong === null
    ? null
    : `${JSON.stringify(how)}: ${wrong}; told ${JSON.stringify(report.findings.slice(0, 3))}`;
}

let small: Made;
let large: Made;
let after: Made;
beforeAll(async () => {
  small = await made('small', 400, [1, 57, 58, 120, 256, 300, 390]);
  after = await trimmed('after');
  large = await made('large', 10_000, [2500, 5000, 9000, 9990]);
}, 120_000);

it('an untouched log verifies, and says what is not covered', async () => {
  const report = await verifyLog({ folder: small.folder, checkpoints: small.held });
  expect(report).toMatchObject({
    verified: true,
    records: 400,
    covered: 390,
    checkpoints: { good: 7, wrong: 0 },
    findings: [],
    interval: null,
    uncovered: { from: 391, to: 400 },
  });
});

it(
  `every change at a boundary of a 400-record log is found and not misnamed (HOLDPOINT_SEED=${seed})`,
  limit,
  async () => {
    const random = seeded(seed);
    const wrong: string[] = [];
    let count = 0;
    const places = prove ? Array.from({ length: 400 }, (_, i) => i + 1) : [1, 58, 388, 389, 390, 391, 1 + random(400)];
    for (const at of places) {
      for (const change of changesAt(at, random, 400)) {
        for (const way of WAYS) {
          count++;
          const told = await tried(small, { change, ...way });
          if (told !== null) wrong.push(told);
        }
      }
    }
    console.log(`audit verify: ${count} changes to 400 records, HOLDPOINT_SEED=${seed}`);
    expect(count).toBeGreaterThan(places.length * 20);
    expect(wrong).toEqual([]);
  },
);

it(`random changes to a 10,000-record log are found and not misnamed (HOLDPOINT_SEED=${seed})`, limit, async () => {
  const random = seeded(seed + 1);
  const wrong: string[] = [];
  const count = prove ? 2000 : 10;
  for (let i = 0; i < count; i++) {
    const changes = changesAt(1 + random(10_000), random, 10_000);
    const change = changes[random(changes.length)] as Change;
    const told = await tried(large, { change, ...(WAYS[random(WAYS.length)] as (typeof WAYS)[number]) });
    if (told !== null) wrong.push(told);
  }
  console.log(`audit verify: ${count} random changes to 10,000 records, HOLDPOINT_SEED=${seed}`);
  expect(wrong).toEqual([]);
});

it(
  `changes to a log whose first segments retention removed are found and not misnamed (HOLDPOINT_SEED=${seed})`,
  limit,
  async () => {
    const random = seeded(seed + 2);
    const wrong: string[] = [];
    let count = 0;
    const { removed, removed_by, records } = after;
    const behind = records - removed;
    const places = prove
      ? Array.from({ length: behind }, (_, i) => removed + 1 + i)
      : [removed + 1, removed_by, removed_by + 1, 390, removed + 1 + random(behind)];
    for (const at of places) {
      for (const change of changesAt(at - removed, random, behind)) {
        for (const way of WAYS) {
          count++;
          const told = await tried(after, { change: moved(change, removed), ...way });
          if (told !== null) wrong.push(told);
        }
      }
    }
    console.log(`audit verify: ${count} changes to a log after retention, HOLDPOINT_SEED=${seed}`);
    expect(count).toBeGreaterThan(places.length * 20);
    expect(wrong).toEqual([]);
  },
);

/** To other numbers. */
function moved(change: Change, by: number): Change {
  const at = change.at + by;
  if (change.kind === 'swap') return { ...change, at, with: change.with + by };
  return change.kind === 'insert'
    ? { ...change, at, copy: change.copy === null ? null : change.copy + by }
    : { ...change, at };
}
