// Checkpoints as the writer makes them: when, over what, after a kill and with every file of theirs torn; the key; a log that its own last
// checkpoint contradicts.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  type Checkpoint,
  type CheckpointOptions,
  type Checkpoints,
  openCheckpoints,
} from '../../../src/audit/checkpoint.ts';
import { openAuditLog } from '../../../src/audit/log.ts';
import { rotateKey } from '../../../src/audit/rotate.ts';
import { verifyLog } from '../../../src/audit/verify/log.ts';
import { parseCheckpoints, parseKey } from '../../../src/audit/verify/note.ts';
import type { AuditLog } from '../../../src/audit/types.ts';
import { leafHash, linesOf } from './tampering.ts';

let root: string;
let dir: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'audit-checkpoints-'));
  dir = join(root, 'log');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

interface Opened {
  readonly log: AuditLog;
  readonly checkpoints: Checkpoints;
  readonly made: Checkpoint[];
}

async function opened(options: Partial<CheckpointOptions> & { readonly override?: boolean } = {}): Promise<Opened> {
  let checkpoints!: Checkpoints;
  const made: Checkpoint[] = [];
  const { override, ...rest } = options;
  const log = await openAuditLog({
    dir,
    node: 'n1',
    ...(override && { override }),
    checkpoints: async () =>
      (checkpoints = await openCheckpoints({ dir, node: 'n1', made: (one) => made.push(one), ...rest })),
  });
  return { log, checkpoints, made };
}

const HOUR = 3_600_000;
const many = (log: AuditLog, count: number) =>
  Promise.all(Array.from({ length: count }, (_, i) => log.append({ type: 'x.y', clear: { i } })));
const kept = () => readFileSync(join(dir, 'checkpoint'), 'utf8');

/** Does the folder's checkpoint verify what the folder has? */
async function verified(key: string): Promise<number> {
  const checkpoints = parseCheckpoints(kept(), [parseKey(key)], 'own').map((one) => ({ ...one, from: 'own' }));
  const report = await verifyLog({ folder: dir, checkpoints });
  expect(report.findings).toEqual([]);
  expect(report.verified).toBe(true);
  return report.covered;
}

it('makes one when it is due, by time and by records, and none when nothing was written', async () => {
  const { log, checkpoints, made } = await opened({ every_ms: 20, every_records: 50 });
  expect((await checkpoints.cover(1, 10_000))?.size).toBe(1);
  await many(log, 10);
  expect((await checkpoints.cover(11, 10_000))?.size).toBe(11);
  const before = made.length;
  // Many times what would be due.
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(made.length).toBe(before);
  await log.close();
  expect(await verified(checkpoints.signer.verifier_key)).toBe(11);

  const by_records = await opened({ every_ms: HOUR, every_records: 50 });
  const seen = new Promise<void>((resolve) => {
    const look = () => (by_records.checkpoints.last !== null ? resolve() : setTimeout(look, 5));
    look();
  });
  await many(by_records.log, 200);
  await seen;
  await by_records.log.close();
  expect(by_records.made.at(-1)?.size).toBe(212);
});

it('never covers more than is durable, and the last one at the end covers all', async () => {
  const { log, checkpoints, made } = await opened({ every_ms: 1 });
  for (let i = 0; i < 20; i++) {
    await many(log, 7);
    expect(checkpoints.last?.size ?? 0).toBeLessThanOrEqual(log.seq);
  }
  await log.close();
  expect(made.at(-1)?.size).toBe(141);
  expect(made.map(({ size }) => size)).toEqual([...new Set(made.map(({ size }) => size))].toSorted((a, b) => a - b));
  expect(await verified(checkpoints.signer.verifier_key)).toBe(141);
});

it('keeps its key to itself, and its name and public key in the log', async () => {
  const { log, checkpoints } = await opened();
  await log.close();
  expect(statSync(join(dir, 'keys/checkpoint.key')).mode & 0o777).toBe(0o600);
  const [, , , , base64 = ''] =
    /^(PRIVATE\+KEY\+)(.+)\+([0-9a-f]{8})\+(.+)\n$/.exec(readFileSync(join(dir, 'keys/checkpoint.key'), 'utf8')) ?? [];
  expect(base64.length).toBe(44);
  expect(linesOf(dir).join('\n').includes(base64)).toBe(false);
  expect(linesOf(dir)[0]).toContain(JSON.stringify(checkpoints.signer.verifier_key));
  const again = await opened();
  await again.log.close();
  expect(again.checkpoints.signer.verifier_key).toBe(checkpoints.signer.verifier_key);
});

it('rotates: both keys sign the checkpoint that covers the record of it, then the new one alone', async () => {
  const { log, checkpoints } = await opened();
  await many(log, 5);
  await log.close();
  const { old_key, new_key } = await rotateKey(dir, 'n1');
  expect(old_key).toBe(checkpoints.signer.verifier_key);
  expect(linesOf(dir).at(-1)).toContain('"log.key_rotated"');
  expect([await verified(old_key), await verified(new_key)]).toEqual([8, 8]);
  expect(readFileSync(join(dir, 'checkpoint.pub'), 'utf8')).toBe(`${old_key}\n${new_key}\n`);
  const after = await opened();
  await after.log.close();
  expect(await verified(new_key)).toBe(9);
  await expect(verified(old_key)).rejects.toThrow('not signed by a key that was given');
});

it('makes torn, lost and stale files of its own anew', async () => {
  const { log, checkpoints } = await opened();
  await many(log, 1000);
  await log.close();
  const key = checkpoints.signer.verifier_key;
  const tile = readFileSync(join(dir, 'tile/0/002'));
  const tears: readonly (() => void)[] = [
    () => truncateSync(join(dir, 'checkpoint'), 30),
    () => rmSync(join(dir, 'checkpoint')),
    () => writeFileSync(join(dir, 'checkpoint'), ''),
    () => writeFileSync(join(dir, 'checkpoint.tmp'), 'torn'),
    () => truncateSync(join(dir, 'checkpoints'), statSync(join(dir, 'checkpoints')).size - 9),
    () => truncateSync(join(dir, 'tile/0/002'), 100),
    () => writeFileSync(join(dir, 'tile/0/002'), Buffer.alloc(tile.length)),
    () => rmSync(join(dir, 'tile'), { recursive: true }),
    () => truncateSync(join(dir, '00000001.leaf'), 32 * 700 + 5),
  ];
  for (const tear of tears) {
    tear();
    const again = await opened();
    const size = again.log.seq;
    expect(readFileSync(join(dir, 'tile/0/002')).equals(tile)).toBe(true);
    await again.log.close();
    expect(await verified(key)).toBe(size);
    const list = readFileSync(join(dir, 'checkpoints'), 'utf8');
    expect(parseCheckpoints(list, [parseKey(key)], 'list').at(-1)?.size).toBe(size);
  }
});

it('goes on after a kill between a record and its checkpoint', async () => {
  const { log, checkpoints } = await opened({ every_ms: HOUR });
  await many(log, 300);
  await checkpoints.cover(200, 10_000);
  const { size } = checkpoints.last as Checkpoint;
  await many(log, 100);
  // As the disk is now: records behind the newest checkpoint.
  cpSync(dir, join(root, 'killed'), { recursive: true, filter: (path) => !path.includes('lock@') });
  await log.close();
  dir = join(root, 'killed');
  expect(linesOf(dir).length).toBeGreaterThan(size);
  const again = await opened();
  await again.log.close();
  expect(await verified(checkpoints.signer.verifier_key)).toBe(402);
});

it('refuses a log whose end was cut with its leaf hashes, or that was rewritten, unless that is accepted', async () => {
  const { log } = await opened();
  await many(log, 20);
  await log.close();
  const lines = linesOf(dir);
  const put = (changed: readonly string[]) => {
    writeFileSync(join(dir, '00000001.jsonl'), changed.map((line) => `${line}\n`).join(''));
    writeFileSync(join(dir, '00000001.leaf'), Buffer.concat(changed.map(leafHash)));
  };
  copyFileSync(join(dir, 'checkpoint'), join(root, 'checkpoint'));
  put(lines.slice(0, 15));
  await expect(opened()).rejects.toThrow(
    /the checkpoint in it covers 21 records, and there are 15: the log lost its end/,
  );
  const last = lines.at(-1) ?? '';
  put([...lines.slice(0, -1), last.replace('"i":19', '"i":91')]);
  await expect(opened()).rejects.toThrow(/records 1 to 21 are not those that the checkpoint in it covers/);
  const accepted = await opened({ override: true });
  await accepted.log.close();
  await (await opened()).log.close();
  expect(existsSync(join(dir, '00000002.jsonl'))).toBe(true);
});

it('warns once and tries again while its files can’t be written, and nobody waits', async () => {
  const warnings: string[] = [];
  const { log, checkpoints } = await opened({ every_ms: 5, warn: (text) => warnings.push(text) });
  await checkpoints.cover(1, 10_000);
  rmSync(join(dir, 'checkpoint.tmp'), { force: true });
  // A folder stands where the file should be.
  rmSync(join(dir, 'checkpoint'));
  cpSync(join(dir, 'keys'), join(dir, 'checkpoint'), { recursive: true });
  await many(log, 5);
  await expect.poll(() => warnings.length).toBe(1);
  await many(log, 5);
  rmSync(join(dir, 'checkpoint'), { recursive: true });
  expect((await checkpoints.cover(11, 10_000))?.size).toBe(11);
  expect(warnings).toEqual([expect.stringMatching(/^no checkpoint of the audit log can be written: /)]);
  await log.close();
});
