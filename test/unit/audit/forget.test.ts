// The key of a month is deleted: its texts are gone, the log verifies, and whatever moment the deleting is killed in, what is gone is on record.
import { expect, it } from 'vitest';
import { beginToForget, isPeriod } from '../../../src/audit/forget.ts';
import { openAuditLog } from '../../../src/audit/log.ts';
import { readLog } from '../../../src/audit/read.ts';
import { survey } from '../../../src/audit/scan.ts';
import { MemoryDisk, seeded } from './disk.ts';

const DIR = '/log';
const october = Date.UTC(2025, 9, 5);
const november = Date.UTC(2025, 10, 5);
const seed = Number(process.env['HOLDPOINT_SEED'] ?? Date.now() % 1_000_000);

const start = (disk: MemoryDisk, at: number) =>
  openAuditLog({ dir: DIR, node: 'n1', fs: disk, clock: { now: () => at, mono: () => 1 } });

async function written(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  for (const at of [october, november]) {
    const log = await start(disk, at);
    await log.append({ type: 'x.y', clear: {}, sealed: { text: at } });
    await log.close();
  }
  return disk;
}

async function forget(disk: MemoryDisk): Promise<void> {
  await beginToForget(disk, DIR, '2025-10');
  await (await start(disk, november)).close();
}

async function read(disk: MemoryDisk): Promise<{ texts: unknown[]; deleted: unknown[] }> {
  const found = { texts: [] as unknown[], deleted: [] as unknown[] };
  for await (const { type, clear, sealed } of readLog(DIR, { fs: disk })) {
    if (type === 'x.y') found.texts.push(sealed?.['text'] ?? null);
    if (type === 'log.key_deleted') found.deleted.push(clear['period']);
  }
  return found;
}

const keys = (disk: MemoryDisk): string[] =>
  [...disk.names.keys()]
    .filter((path) => path.startsWith(`${DIR}/keys/`))
    .map((path) => path.slice(`${DIR}/keys/`.length))
    .toSorted();

it('takes the texts of that month, and nothing else, and that is on record once', async () => {
  const disk = await written();
  await forget(disk);
  expect(await read(disk)).toEqual({ texts: [null, november], deleted: ['2025-10'] });
  expect(keys(disk)).toEqual(['2025-11.key', 'tag.key']);
  expect((await survey(disk, DIR)).problem).toBeNull();
  await (await start(disk, november)).close();
  expect((await read(disk)).deleted).toEqual(['2025-10']);
  await expect(beginToForget(disk, DIR, '2025-10')).rejects.toMatchObject({ kind: 'key' });
  await expect(beginToForget(disk, DIR, '2025-09')).rejects.toMatchObject({ kind: 'key' });
});

it('killed at any operation: the texts are readable, or their end is on record after the next start', async () => {
  const random = seeded(seed);
  const whole = await written();
  const through = whole.afterKill();
  await forget(through);
  const operations = through.operations.length;
  expect(operations).toBeGreaterThan(6);
  let kept = 0;
  for (let dead = 0; dead < operations; dead++) {
    for (const cut of ['kill', 'power'] as const) {
      const disk = whole.afterKill();
      disk.fault = (index) => (index === dead ? 'dead' : undefined);
      await forget(disk).catch(() => undefined);
      const found = cut === 'kill' ? disk.afterKill() : disk.afterPowerCut(random);
      await (await start(found, november)).close();
      const { texts, deleted } = await read(found);
      const what = `operation ${dead}, ${cut}, seed ${seed}`;
      if (texts[0] === null) expect([what, new Set(deleted)]).toEqual([what, new Set(['2025-10'])]);
      else {
        kept += 1;
        expect([what, texts[0], deleted]).toEqual([what, october, []]);
      }
      expect([what, texts[1]]).toEqual([what, november]);
      if (texts[0] !== null) await forget(found);
      expect(keys(found)).toEqual(['2025-11.key', 'tag.key']);
      expect((await survey(found, DIR)).problem).toBeNull();
    }
  }
  expect(kept).toBeGreaterThan(0);
});

it.each([
  ['2025-10', true],
  ['2025-00', false],
  ['2025-13', false],
  ['2025-1', false],
  ['tag', false],
  ['../2025-10', false],
])('%s is a month: %s', (text, is) => {
  expect(isPeriod(text)).toBe(is);
});
