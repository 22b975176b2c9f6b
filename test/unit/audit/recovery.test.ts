import { describe, expect, it } from 'vitest';
import { openAuditLog } from '../../../src/audit/log.ts';
import { readLog } from '../../../src/audit/read.ts';
import { survey } from '../../../src/audit/scan.ts';
import type { ReadRecord } from '../../../src/audit/types.ts';
import { MemoryDisk } from './disk.ts';

const DIR = '/log';
const LOG = '/log/00000001.jsonl';
const LEAF = '/log/00000001.leaf';

/** A closed log of 1 + `count` records; several segments when `segment_bytes_max` is small. */
async function written(count: number, segment_bytes_max = 1 << 20): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const log = await openAuditLog({ dir: DIR, node: 'n1', fs: disk, segment_bytes_max });
  for (let i = 1; i <= count; i++)
    await log.append({ type: 'request.opened', clear: { i }, sealed: { text: `select ${i}` } });
  await log.close();
  return disk;
}

async function reopened(disk: MemoryDisk, override = false): Promise<ReadRecord[]> {
  const log = await openAuditLog({ dir: DIR, node: 'n1', fs: disk, override });
  try {
    const records: ReadRecord[] = [];
    for await (const record of log.read()) records.push(record);
    return records;
  } finally {
    await log.close();
  }
}

function copy(disk: MemoryDisk): MemoryDisk {
  return disk.afterKill();
}

/** Lines of the first segment, changed, put back. */
function edit(disk: MemoryDisk, change: (lines: string[]) => string[], path = LOG): MemoryDisk {
  const changed = copy(disk);
  const lines = disk.bytes(path).toString().split('\n').slice(0, -1);
  changed.put(
    path,
    Buffer.from(
      change(lines)
        .map((line) => `${line}\n`)
        .join(''),
    ),
  );
  return changed;
}

describe('a torn tail', () => {
  it('is cut at the last whole record, kept aside and recorded, at every offset of the last 2 KB', async () => {
    const disk = await written(12);
    const bytes = disk.bytes(LOG);
    let tried = 0;
    for (let cut = bytes.length - 2048; cut < bytes.length; cut++) {
      const whole = bytes.subarray(0, cut).toString('latin1').split('\n').length - 1;
      const end = bytes.subarray(0, cut).lastIndexOf('\n') + 1;
      const torn = copy(disk);
      torn.put(LOG, bytes.subarray(0, cut));
      // What a killed writer leaves: leaves only of lines that were synced, the last of them perhaps cut short as well.
      torn.put(LEAF, disk.bytes(LEAF).subarray(0, Math.max(0, whole * 32 - (cut % 70))));
      const records = await reopened(torn);
      expect(records.map((r) => r.seq)).toEqual(Array.from({ length: records.length }, (_, i) => i + 1));
      expect(records.slice(1, whole).map((r) => r.sealed)).toEqual(
        Array.from({ length: whole - 1 }, (_, i) => ({ text: `select ${i + 1}` })),
      );
      const recovered = records.find((r) => r.type === 'log.recovered');
      if (cut === end && cut % 70 === 0) expect(recovered).toBeUndefined();
      else {
        expect(recovered).toMatchObject({
          seq: whole + 1,
          clear: { at: end, bytes_cut: cut - end, segment: '00000001' },
        });
        const evidence = recovered?.clear['evidence'];
        if (cut === end) expect(evidence).toBeNull();
        else expect(torn.bytes(`${DIR}/${String(evidence)}`)).toEqual(bytes.subarray(end, cut));
      }
      const after = await survey(torn, DIR);
      expect(after).toMatchObject({ problem: null, seq: records.length });
      expect(torn.bytes(LEAF).length).toBe(records.length * 32);
      tried++;
    }
    expect(tried).toBe(2048);
  });

  it.each([
    ['zeros where the last line was', (line: string) => '\0'.repeat(line.length)],
    ['zeros and a newline', (line: string) => `${'\0'.repeat(line.length)}\n`],
    ['a hole in the last line', (line: string) => `${line.slice(0, 150)}${'\0'.repeat(60)}${line.slice(210)}\n`],
    ['rubbish', () => 'rubbish\nmore rubbish'],
  ])('may also be %s', async (_, tail) => {
    const disk = await written(5);
    const lines = disk.bytes(LOG).toString().split('\n').slice(0, -1);
    disk.put(LOG, Buffer.from(`${lines.slice(0, 5).join('\n')}\n${tail(lines[5] ?? '')}`));
    disk.put(LEAF, disk.bytes(LEAF).subarray(0, 4 * 32));
    const records = await reopened(disk);
    expect(records.map((r) => r.type).slice(4)).toEqual(['request.opened', 'log.recovered', 'log.opened']);
    expect(records[5]?.clear).toMatchObject({ leaves_rebuilt: 1 });
    expect((await survey(disk, DIR)).problem).toBeNull();
  });

  it.each([
    ['is missing', () => Buffer.alloc(0)],
    ['ends in the middle of a leaf', (leaf: Buffer) => leaf.subarray(0, 77)],
    ['ends in zeros', (leaf: Buffer) => Buffer.concat([leaf.subarray(0, 64), Buffer.alloc(leaf.length - 64)])],
    ['has zeros after its end', (leaf: Buffer) => Buffer.concat([leaf, Buffer.alloc(96)])],
  ])('of the leaf file: it is rebuilt when it %s', async (_, change) => {
    const disk = await written(5);
    const leaf = disk.bytes(LEAF);
    disk.put(LEAF, change(leaf));
    await reopened(disk);
    expect(disk.bytes(LEAF).subarray(0, leaf.length)).toEqual(leaf);
    expect((await survey(disk, DIR)).problem).toBeNull();
  });

  it('is cut again when the first start died in the middle of cutting, wherever that was', async () => {
    const disk = await written(5);
    disk.put(LOG, disk.bytes(LOG).subarray(0, -20));
    disk.put(LEAF, disk.bytes(LEAF).subarray(0, 4 * 32));
    const undisturbed = copy(disk);
    await reopened(undisturbed);
    for (let at = 0; at < undisturbed.operations.length; at++) {
      const first = copy(disk);
      first.fault = (index) => (index === at ? 'dead' : undefined);
      await openAuditLog({ dir: DIR, node: 'n1', fs: first })
        .then((log) => log.close())
        .catch(() => undefined);
      const second = first.afterKill();
      const records = await reopened(second);
      expect(records.filter((r) => r.type === 'request.opened').length).toBe(4);
      const aside = [...second.names.keys()].filter((name) => name.endsWith('.torn'));
      expect(aside.some((name) => second.bytes(name).equals(undisturbed.bytes(evidenceOf(undisturbed))))).toBe(true);
    }
  });

  it('leaves an empty new segment usable', async () => {
    const disk = await written(5);
    disk.put('/log/00000002.jsonl', Buffer.alloc(0));
    const records = await reopened(disk);
    expect(records.map((r) => r.seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(disk.bytes('/log/00000002.jsonl').toString()).toContain('"seq":7,');
    expect((await survey(disk, DIR)).problem).toBeNull();
  });
});

function evidenceOf(disk: MemoryDisk): string {
  return [...disk.names.keys()].find((name) => name.endsWith('.torn')) ?? '';
}

/** Damage that is no torn tail, and the words in which the refusal says so. */
const DAMAGE: readonly (readonly [string, (disk: MemoryDisk) => MemoryDisk, RegExp])[] = [
  [
    'one changed character',
    (d) => edit(d, (l) => l.with(3, l[3]?.replace('"i":3', '"i":4') ?? '')),
    /record 4 is not the one whose leaf/,
  ],
  [
    'a changed character and its leaf file gone',
    (d) => withoutLeaf(edit(d, (l) => l.with(3, l[3]?.replace('"i":3', '"i":4') ?? ''))),
    /record 5 does not continue record 4/,
  ],
  ['a removed record', (d) => edit(d, (l) => l.toSpliced(3, 1)), /record 5 follows record 3; record 4 is missing/],
  [
    'a removed record and its leaf file gone',
    (d) => withoutLeaf(edit(d, (l) => l.toSpliced(3, 2))),
    /record 6 follows record 3; record 4 to 5 is missing/,
  ],
  [
    'a record twice',
    (d) => edit(d, (l) => l.toSpliced(3, 0, l[2] ?? '')),
    /record 3 follows record 3; it was inserted or moved/,
  ],
  [
    'two records exchanged',
    (d) => edit(d, (l) => l.with(3, l[4] ?? '').with(4, l[3] ?? '')),
    /record 5 follows record 3/,
  ],
  [
    'a line of rubbish',
    (d) => edit(d, (l) => l.with(3, 'rubbish')),
    /byte \d+: record 4 is unreadable, though it was durable/,
  ],
  [
    'a line of rubbish and its leaf file gone',
    (d) => withoutLeaf(edit(d, (l) => l.with(3, 'rubbish'))),
    /record 4 is unreadable, and whole records follow/,
  ],
  [
    'a durable end that is gone',
    (d) => edit(d, (l) => l.slice(0, 8)),
    /ends after record 8, but leaf hashes of 3 more durable record/,
  ],
  ['a durable last line cut short', (d) => cutBytes(d, LOG, 9), /record 11 is unreadable, though it was durable/],
  ['the wrong leaf', (d) => flip(d, LEAF, 32 * 3 + 5), /record 4 is not the one whose leaf/],
  ['the first record gone', (d) => edit(d, (l) => l.slice(1)), /record 2 follows record 0; record 1 is missing/],
];

function withoutLeaf(disk: MemoryDisk): MemoryDisk {
  disk.put(LEAF, Buffer.alloc(0));
  return disk;
}

function cutBytes(disk: MemoryDisk, path: string, bytes: number): MemoryDisk {
  const changed = copy(disk);
  changed.put(path, disk.bytes(path).subarray(0, -bytes));
  return changed;
}

function flip(disk: MemoryDisk, path: string, at: number): MemoryDisk {
  const changed = copy(disk);
  const bytes = Buffer.from(disk.bytes(path));
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  changed.put(path, bytes);
  return changed;
}

describe('a log that does not verify', () => {
  it.each(DAMAGE)(
    'refuses to open for %s, touching nothing; opens with the override, recorded, then without',
    async (_, damage, words) => {
      const disk = damage(await written(10));
      const before = Buffer.concat([disk.bytes(LOG), disk.bytes(LEAF)]);
      await expect(reopened(disk)).rejects.toMatchObject({
        name: 'AuditError',
        kind: 'damaged',
        message: expect.stringMatching(words),
      });
      expect(Buffer.concat([disk.bytes(LOG), disk.bytes(LEAF)])).toEqual(before);

      const with_override = await reopened(disk, true);
      const overridden = with_override.find((r) => r.type === 'log.overridden');
      expect(overridden?.clear['problem']).toMatch(words);
      expect(disk.bytes('/log/00000002.jsonl').toString()).toContain('log.overridden');
      const records = await reopened(disk);
      expect(records.slice(0, with_override.length)).toEqual(with_override);
      expect(records.at(-1)?.type).toBe('log.opened');

      // What was accepted is accepted as it stood: another change is another problem.
      await expect(reopened(flip(disk, LOG, 200))).rejects.toMatchObject({ kind: 'damaged' });
      await expect(reopened(flip(disk, '/log/00000002.jsonl', 200))).rejects.toMatchObject({ kind: 'damaged' });
    },
  );

  it('finds every single flipped bit of what has a leaf', async () => {
    const disk = await written(3);
    const size = disk.bytes(LOG).length;
    for (let at = 0; at < size; at++)
      expect([at, (await survey(flip(disk, LOG, at), DIR)).problem === null]).toEqual([at, false]);
  });

  it.each(['jsonl', 'leaf'])('refuses when the %s file of an earlier segment is missing', async (kind) => {
    const disk = await written(10, 1000);
    expect(disk.names.has('/log/00000003.jsonl')).toBe(true);
    await disk.remove(`/log/00000002.${kind}`);
    await expect(reopened(disk)).rejects.toMatchObject({
      kind: 'damaged',
      message: expect.stringMatching(/00000002\./),
    });
    await reopened(disk, true);
    await reopened(disk);
  });

  it('keeps the records after the damage readable under an override, also with a torn tail', async () => {
    const disk = edit(await written(10), (lines) => lines.with(3, 'rubbish'));
    disk.put(LOG, Buffer.concat([disk.bytes(LOG), Buffer.from('{"v":1,"se')]));
    const records = await reopened(disk, true);
    expect(records.filter((r) => r.type === 'request.opened').map((r) => r.clear['i'])).toEqual([
      1, 2, 4, 5, 6, 7, 8, 9, 10,
    ]);
    await reopened(disk);
  });

  it('ignores an override that nothing needs', async () => {
    const disk = await written(2);
    expect((await reopened(disk, true)).map((r) => r.type)).not.toContain('log.overridden');
  });

  it('says so when a sealed text was exchanged for another record’s', async () => {
    const disk = await written(2);
    const text = (line: string) => /"text":"([^"]+)"/.exec(line)?.[1] ?? '';
    const exchanged = edit(disk, (l) => l.with(1, (l[1] ?? '').replace(text(l[1] ?? ''), text(l[2] ?? ''))));
    await expect(
      (async () => {
        for await (const _ of readLog(DIR, { fs: exchanged })) continue;
      })(),
    ).rejects.toMatchObject({ kind: 'damaged', message: expect.stringContaining('record 2') });
  });
});
