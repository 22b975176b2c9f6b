// What a kill or a power cut can leave of the log's last 8 KB, at every byte (some of them; all under prove): the rest gone, zeros, rubbish, or
// what stood in those blocks of the disk before. Of a log of several segments, the first of which retention removed, with checkpoints and tiles.
// Whatever was acknowledged is there, what was cut is kept aside, and `audit verify` says that the log verifies; what may be damage is refused.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AuditError } from '../../../src/audit/error.ts';
import { readLog } from '../../../src/audit/read.ts';
import { survey } from '../../../src/audit/scan.ts';
import { verifyLog } from '../../../src/audit/verify/log.ts';
import { parseCheckpoints, parseKey } from '../../../src/audit/verify/note.ts';
import { MemoryDisk, seeded } from './disk.ts';
import { keptLog } from './removing.ts';

const prove = process.env['HOLDPOINT_PROVE'] === '1';
const seed = Number(process.env['HOLDPOINT_SEED'] ?? Date.now() % 1_000_000);
const TAIL_BYTES = 8192;
const RECORDS = 700;
const DIR = '/log';
const root = mkdtempSync(join(tmpdir(), 'audit-torn-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Tear {
  /** Of the segment's bytes, whole to `from`: what stands in it after the crash. */
  readonly of: (bytes: Buffer, from: number, random: (below: number) => number) => Buffer;
  /** Whole lines may follow: then it could be damage of what was durable as well, and a start may refuse it, touching nothing. */
  readonly refused?: true;
}

const behind = (bytes: Buffer, from: number, rest: Buffer): Buffer => Buffer.concat([bytes.subarray(0, from), rest]);
const TEARS: Readonly<Record<string, Tear>> = {
  'cut off': { of: (bytes, from) => bytes.subarray(0, from) },
  zeros: { of: (bytes, from) => behind(bytes, from, Buffer.alloc(bytes.length - from)) },
  rubbish: {
    of: (bytes, from, random) =>
      behind(bytes, from, Buffer.from(Array.from({ length: bytes.length - from }, () => random(256)))),
  },
  // What stood on the disk before: the end of an earlier line.
  'an older end': {
    of: (bytes, from, random) => {
      const older = ends[random(ends.length - 20)] ?? 0;
      return behind(bytes, from, bytes.subarray(older - 1 - random(150), older));
    },
  },
  'older lines': {
    of: (bytes, from) => behind(bytes, from, bytes.subarray(from >> 1, bytes.length - ((from + 1) >> 1))),
    refused: true,
  },
  'a hole': { of: (bytes, from) => Buffer.from(bytes).fill(0, from, Math.min(bytes.length, from + 40)), refused: true },
};

let whole: MemoryDisk;
let key: string;
let segment: string;
/** Of the last segment: where each of its records ends, and the number of the first. */
let ends: number[];
let first_seq: number;

beforeAll(async () => {
  whole = new MemoryDisk();
  const kept = await keptLog({ dir: DIR, fs: whole, bytes_max: 300_000, segment_bytes_max: 120_000 });
  key = kept.checkpoints.signer.verifier_key;
  for (let i = 0; i < RECORDS; i += 7) {
    await Promise.all(
      Array.from({ length: 7 }, (_, more) =>
        kept.log.append({
          type: 'x.y',
          clear: { i: i + more },
          sealed: { text: 'ä'.repeat((i * 31 + more * 7) % 300) },
        }),
      ),
    );
    if (i % 70 === 0) await kept.checkpoints.cover(kept.log.seq, 10_000);
    if (i === 560) await kept.retention.look();
  }
  await kept.close();
  const left = [...whole.names.keys()].filter((name) => name.endsWith('.jsonl')).toSorted();
  expect(left.length).toBeGreaterThan(1);
  expect(left[0]).not.toBe(`${DIR}/00000001.jsonl`);
  segment = (left.at(-1) ?? '').replace('.jsonl', '');
  const bytes = whole.bytes(`${segment}.jsonl`);
  expect(bytes.length).toBeGreaterThan(TAIL_BYTES);
  ends = [...bytes.entries()].flatMap(([at, byte]) => (byte === 0x0a ? [at + 1] : []));
  first_seq = (JSON.parse(bytes.subarray(0, ends[0]).toString()) as { readonly seq: number }).seq;
});

/** As the process left it that died while it wrote what stands behind `from`: leaves and checkpoints of what was synced before. */
function died(
  from: number,
  { of }: Tear,
  random: (below: number) => number,
): { readonly disk: MemoryDisk; readonly durable: number } {
  const disk = whole.afterKill();
  const bytes = whole.bytes(`${segment}.jsonl`);
  const durable = ends.filter((end) => end <= from).length;
  disk.put(`${segment}.jsonl`, of(bytes, from, random));
  disk.put(`${segment}.leaf`, whole.bytes(`${segment}.leaf`).subarray(0, Math.max(0, durable * 32 - random(70))));
  // Those that would cover what was never durable were never made; one that was torn while it was written is none.
  disk.names.delete(`${DIR}/checkpoint`);
  if (random(2) === 0)
    disk.put(`${DIR}/checkpoint`, Buffer.from(whole.bytes(`${DIR}/checkpoints`).subarray(0, random(100))));
  for (const name of disk.names.keys())
    if (name.includes('/tile/') && random(8) === 0) disk.put(name, disk.bytes(name).subarray(0, random(8192)));
  return { disk, durable };
}

let refused = 0;

async function recovered(disk: MemoryDisk, override = false): Promise<void> {
  const kept = await keptLog({ dir: DIR, fs: disk, segment_bytes_max: 120_000, override });
  await kept.log.append({ type: 'x.y', clear: { after: true } });
  await kept.close();
}

async function fault(from: number, how: string, random: (below: number) => number): Promise<string | null> {
  const tear = TEARS[how] as Tear;
  const { disk, durable } = died(from, tear, random);
  const torn = disk.bytes(`${segment}.jsonl`);
  const before = [...disk.names.keys()];
  try {
    await recovered(disk);
  } catch (error) {
    if (tear.refused !== true || !(error instanceof AuditError && error.kind === 'damaged')) throw error;
    refused++;
    if (!disk.bytes(`${segment}.jsonl`).equals(torn)) return 'it was refused and changed all the same';
    await recovered(disk, true);
    return (await survey(disk, DIR)).problem?.text ?? null;
  }
  const end = ends[durable - 1] ?? 0;
  // Every durable record, byte for byte; more only where whole ones stood behind it.
  const after = disk.bytes(`${segment}.jsonl`);
  if (!after.subarray(0, end).equals(torn.subarray(0, end))) return 'a durable record is another';
  const evidence = [...disk.names.keys()].filter((name) => name.endsWith('.torn') && !before.includes(name));
  const at = /\.(\d+)\.\d+\.torn$/.exec(evidence[0] ?? '')?.[1];
  if (evidence.length > 1) return 'evidence was kept twice';
  const cut = at === undefined ? torn.length : Number(at);
  if (cut < end) return 'a durable record was cut';
  if (at !== undefined && !disk.bytes(evidence[0] ?? '').equals(torn.subarray(cut)))
    return 'what was cut is not what was kept aside';
  if (!after.subarray(0, cut).equals(torn.subarray(0, cut))) return 'what was not cut is another';
  if (/[^\n]$/.test(torn.subarray(0, cut).toString('latin1').slice(-1)) && cut > 0) return 'half a record stayed';
  const found = await survey(disk, DIR);
  if (found.problem !== null) return found.problem.text;
  let last = 0;
  let whole_to = 0;
  for await (const record of readLog(DIR, { fs: disk })) {
    if (last !== 0 && record.seq !== last + 1) return `record ${record.seq} follows ${last}`;
    last = record.seq;
    if (record.sealed === null) return `record ${record.seq} lost its text`;
    if (record.clear['after'] !== true) whole_to = record.seq;
  }
  if (whole_to < first_seq + durable - 1) return 'a durable record is missing';

  const folder = join(root, 'copy');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const [path, { now }] of disk.names) {
    if (!/^\/log\/(\d{8}\.(jsonl|leaf)|checkpoint|tile\/.*)$/.test(path)) continue;
    mkdirSync(dirname(path.replace(DIR, folder)), { recursive: true });
    writeFileSync(path.replace(DIR, folder), now);
  }
  const checkpoints = parseCheckpoints(disk.bytes(`${DIR}/checkpoint`).toString(), [parseKey(key)], 'own').map(
    (one) => ({ ...one, from: 'own' }),
  );
  const report = await verifyLog({ folder, checkpoints, own: checkpoints[0] ?? null });
  if (!report.verified || report.uncovered !== null || report.removed === null || report.records !== last)
    return `audit verify: ${JSON.stringify([report.findings, report.notes, report.uncovered, report.removed])}`;
  // Tiles are what the leaf hashes say.
  for (const name of disk.names.keys()) {
    const number = /\/tile\/0\/(\d{3})$/.exec(name)?.[1];
    if (number === undefined) continue;
    const leaves = Buffer.concat(
      [...disk.names.keys()]
        .filter((one) => one.endsWith('.leaf'))
        .toSorted()
        .map((one) => disk.bytes(one)),
    );
    if (!disk.bytes(name).equals(leaves.subarray(Number(number) * 8192, (Number(number) + 1) * 8192)))
      return `${name} is another`;
  }
  return null;
}

it(`leaves a log that verifies, with all that was durable, wherever it tears (HOLDPOINT_SEED=${seed})`, {
  timeout: prove ? 4 * 3_600_000 : 120_000,
}, async () => {
  const random = seeded(seed);
  const { length } = whole.bytes(`${segment}.jsonl`);
  const wrong: string[] = [];
  let tried = 0;
  for (
    let from = length - TAIL_BYTES + (prove ? 0 : random(400));
    from < length;
    from += prove ? 1 : 200 + random(400)
  ) {
    for (const how of Object.keys(TEARS)) {
      const told = await fault(from, how, random).catch((error: unknown) => String(error));
      if (told !== null) wrong.push(`${how} from byte ${from} of ${length}: ${told}`);
      tried++;
    }
  }
  console.log(
    `audit: ${tried} torn tails, ${refused} of them refused because whole lines follow, HOLDPOINT_SEED=${seed}`,
  );
  expect(tried).toBeGreaterThan(60);
  expect(wrong).toEqual([]);
});
