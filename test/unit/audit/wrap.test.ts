// Keys wrapped with a master key: from unwrapped to wrapped, to another master key and back, with the disk failing or the power going at each
// single operation in between; and what is refused.

import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openAuditLog } from '../../../src/audit/log.ts';
import { readLog } from '../../../src/audit/read.ts';
import { masterKey, type MasterKey, openKeys } from '../../../src/audit/wrap.ts';
import { MemoryDisk, seeded } from './disk.ts';

const DIR = '/log';
const KEYS = `${DIR}/keys`;
const months = [Date.UTC(2025, 9, 5), Date.UTC(2025, 10, 5), Date.UTC(2025, 11, 5)];
const seed = Number(process.env['HOLDPOINT_SEED'] ?? Date.now() % 1_000_000);

const fresh = (): MasterKey => masterKey(randomBytes(32).toString('hex'));
const one = fresh();
const two = fresh();

/** A record for each month, sealed; the last of them leaves the log closed. */
async function written(disk: MemoryDisk, master_key: MasterKey | null): Promise<void> {
  for (const at of months) {
    const clock = { now: () => at, mono: () => 1 };
    const log = await openAuditLog({ dir: DIR, node: 'n1', fs: disk, clock, master_key });
    await log.append({ type: 'x.y', clear: {}, sealed: { text: `of ${new Date(at).toISOString()}` } });
    await log.close();
  }
}

const texts = months.map((at) => `of ${new Date(at).toISOString()}`);

async function read(disk: MemoryDisk, master_key: MasterKey | null): Promise<unknown[]> {
  const found = [];
  for await (const { type, sealed } of readLog(DIR, { fs: disk, master_key }))
    if (type === 'x.y') found.push(sealed === null ? null : sealed?.['text']);
  return found;
}

const start = async (disk: MemoryDisk, master_key: MasterKey | null): Promise<void> =>
  (
    await openAuditLog({
      dir: DIR,
      node: 'n1',
      fs: disk,
      master_key,
      clock: { now: () => months[2] ?? 0, mono: () => 1 },
    })
  ).close();

const keyFiles = (disk: MemoryDisk): [string, Buffer][] =>
  [...disk.names.keys()]
    .filter((path) => path.startsWith(KEYS))
    .toSorted()
    .map((path) => [path, Buffer.from(disk.bytes(path))]);

describe('a master key', () => {
  it('is 32 bytes in hex, base64 or base64url, with a newline or not', () => {
    const bytes = randomBytes(32);
    const id = createHash('sha256').update('holdpoint master key id').update(bytes).digest('hex').slice(0, 8);
    for (const text of [
      bytes.toString('hex'),
      bytes.toString('hex').toUpperCase(),
      bytes.toString('base64'),
      `${bytes.toString('base64')}\n`,
      bytes.toString('base64url'),
    ])
      expect(masterKey(text)).toEqual({ bytes, id });
  });

  it.each([
    ['nothing', ''],
    ['a passphrase', 'correct horse battery staple correct horse ba'],
    ['too short', randomBytes(31).toString('hex')],
    ['too long', randomBytes(33).toString('base64')],
    ['hex and more', `${randomBytes(32).toString('hex')}0`],
  ])('is not %s, and the message does not show it', (_, text) => {
    expect(() => masterKey(text)).toThrow('the master key is not 32 bytes, written as 64 hex digits or as base64');
  });
});

describe('keys of a log', () => {
  it('lie wrapped on the disk, the new ones from the first byte', async () => {
    const disk = new MemoryDisk();
    await written(disk, one);
    const files = keyFiles(disk);
    expect(files.map(([path]) => path.slice(KEYS.length + 1))).toEqual([
      '2025-10.key',
      '2025-11.key',
      '2025-12.key',
      'tag.key',
    ]);
    for (const [, bytes] of files)
      expect(JSON.parse(bytes.toString())).toMatchObject({ holdpoint: 'wrapped key', v: 1, master: one.id });
    expect(await read(disk, one)).toEqual(texts);
    // The tag key is the one that it was.
    const log = await openAuditLog({ dir: DIR, node: 'n1', fs: disk, master_key: one });
    const tag = log.tag('x');
    await log.close();
    const again = await openAuditLog({ dir: DIR, node: 'n1', fs: disk, master_key: one });
    expect(again.tag('x')).toBe(tag);
    await again.close();
  });

  it('name the master key in log.opened', async () => {
    const disk = new MemoryDisk();
    await start(disk, null);
    await start(disk, one);
    const ids = [];
    for await (const { type, clear } of readLog(DIR, { fs: disk, master_key: one }))
      if (type === 'log.opened') ids.push(clear['master_key']);
    expect(ids).toEqual([null, one.id]);
  });

  it.each([
    [
      'none',
      null,
      /keys\/2025-10\.key is wrapped with the master key [0-9a-f]{8}, and none is given: set audit\.master_key/,
    ],
    [
      'another',
      two,
      new RegExp(
        `keys/2025-10\\.key is wrapped with the master key ${one.id}, and what audit.master_key gives is ${two.id}`,
      ),
    ],
  ])('with %s as master key a start is refused, a reader too, and no file is touched', async (_, wrong, message) => {
    const disk = new MemoryDisk();
    await written(disk, one);
    // One that is not wrapped yet stays as it is as well.
    disk.put(`${KEYS}/2025-09.key`, randomBytes(32));
    const before = [...disk.names.keys()].toSorted().map((path) => [path, Buffer.from(disk.bytes(path))]);
    await expect(start(disk, wrong)).rejects.toMatchObject({ kind: 'key', message: expect.stringMatching(message) });
    await expect(read(disk, wrong)).rejects.toMatchObject({ kind: 'key' });
    expect([...disk.names.keys()].toSorted().map((path) => [path, Buffer.from(disk.bytes(path))])).toEqual(before);
  });

  it('do not open under the name of another month, nor when a byte is another', async () => {
    const disk = new MemoryDisk();
    await written(disk, one);
    const november = disk.bytes(`${KEYS}/2025-11.key`);
    disk.put(`${KEYS}/2025-10.key`, november);
    await expect(start(disk, one)).rejects.toMatchObject({
      kind: 'key',
      message: expect.stringContaining('2025-10.key'),
    });
    const file = JSON.parse(november.toString()) as { wrapped: string };
    const bytes = Buffer.from(file.wrapped, 'base64');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      disk.put(`${KEYS}/2025-11.key`, Buffer.from(JSON.stringify({ ...file, wrapped: changed.toString('base64') })));
      await expect(openKeys(disk, KEYS, one)).rejects.toMatchObject({ kind: 'key' });
    }
  });
});

describe('from one way to the other', () => {
  /** What is done, from what, and what reads it when it is through. */
  const ways: readonly (readonly [string, MasterKey | null, MasterKey | null, (disk: MemoryDisk) => Promise<void>])[] =
    [
      ['a first start with a master key', null, one, (disk) => start(disk, one)],
      ['another master key', one, two, async (disk) => (await openKeys(disk, KEYS, two, [one])).rewrap()],
      ['no master key any more', one, null, async (disk) => (await openKeys(disk, KEYS, null, [one])).rewrap()],
    ];

  it.each(ways)(
    '%s: every text is there, whatever moment it is killed in, and done again it is through',
    async (_, from, to, change) => {
      const random = seeded(seed);
      const whole = new MemoryDisk();
      await written(whole, from);
      const undone = whole.operations.length;
      const through = whole.afterKill();
      await change(through);
      const operations = through.operations.length;
      expect(operations).toBeGreaterThanOrEqual(4 * 5);
      expect(undone).toBeGreaterThan(0);
      for (let dead = 0; dead < operations; dead++) {
        for (const cut of ['kill', 'power'] as const) {
          const disk = whole.afterKill();
          disk.fault = (index) => (index === dead ? 'dead' : undefined);
          await expect(change(disk), `operation ${dead} of ${operations}, seed ${seed}`).rejects.toThrow();
          const found = cut === 'kill' ? disk.afterKill() : disk.afterPowerCut(random);
          await change(found);
          expect(await read(found, to)).toEqual(texts);
          expect(keyFiles(found).map(([path]) => path.slice(KEYS.length + 1))).toEqual([
            '2025-10.key',
            '2025-11.key',
            '2025-12.key',
            'tag.key',
          ]);
          const wrapped = keyFiles(found).map(([, bytes]) =>
            bytes.length === 32 ? null : (JSON.parse(bytes.toString()) as { master: string }).master,
          );
          expect(wrapped).toEqual([0, 1, 2, 3].map(() => to?.id ?? null));
        }
      }
    },
  );
});
