// A machine's clock that is set: on record before the first record of the new time, whoever writes it, and whatever the disk does meanwhile.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type ClockJump, jump_ms_max, lastTime } from '../../../src/audit/clock.ts';
import { newestNote, openCheckpoints } from '../../../src/audit/checkpoint.ts';
import { verifierKeys } from '../../../src/audit/signer.ts';
import { verifyLog } from '../../../src/audit/verify/log.ts';
import { parseCheckpoints, parseKey } from '../../../src/audit/verify/note.ts';
import { realFs, type AuditFs } from '../../../src/audit/files.ts';
import { openAuditLog, type AuditOptions } from '../../../src/audit/log.ts';
import { readLog } from '../../../src/audit/read.ts';
import type { AuditLog, ReadRecord } from '../../../src/audit/types.ts';
import { MemoryDisk } from './disk.ts';

const HOUR = 3_600_000;
let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'audit-clock-'))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

class Machine {
  wall = Date.parse('2025-11-22T16:36:38.000Z');
  passed_ms = 0;
  readonly clock = { now: () => this.wall, mono: () => this.passed_ms * 1000 };
  readonly jumps: ClockJump[] = [];
  pass(ms: number): void {
    this.wall += ms;
    this.passed_ms += ms;
  }
  open(more: Partial<AuditOptions> = {}): Promise<AuditLog> {
    return openAuditLog({
      dir: root,
      node: 'n1',
      clock: this.clock,
      jumped: (jump) => void this.jumps.push(jump),
      ...more,
    });
  }
}

const records = async (fs: AuditFs = realFs): Promise<ReadRecord[]> => {
  const all: ReadRecord[] = [];
  for await (const record of readLog(root, { fs })) all.push(record);
  return all;
};
const told = async (fs?: AuditFs): Promise<unknown[]> =>
  (await records(fs)).map(({ type, clear }) => (type === 'log.clock_jumped' ? clear : type));
const record = { type: 'test.record', clear: {} };

it.each([5 * HOUR, -5 * HOUR, 2001, -2001])('set by %i ms: said once, before the next record', async (by_ms) => {
  const machine = new Machine();
  const log = await machine.open();
  machine.pass(1000);
  await log.append(record);
  machine.pass(500);
  const before = new Date(machine.wall).toISOString();
  machine.wall += by_ms;
  const after = new Date(machine.wall).toISOString();
  await Promise.all([log.append(record), log.append(record)]);
  await log.close();
  const jump = { by_ms, before, after, at_start: false };
  expect(await told()).toEqual(['log.opened', 'test.record', jump, 'test.record', 'test.record']);
  expect((await records())[2]?.time).toBe(after);
  expect(machine.jumps).toEqual([{ by_ms, before: Date.parse(before), after: Date.parse(after), at_start: false }]);
});

it('a slew, which moves both clocks, and steps up to the bound are none; small steps add up', async () => {
  const machine = new Machine();
  const log = await machine.open();
  for (let n = 0; n < 100; n++) {
    machine.pass(60_000 + n);
    await log.append(record);
  }
  machine.wall += jump_ms_max;
  await log.append(record);
  machine.wall += 1;
  await log.append(record);
  await log.close();
  const jumps = (await told()).filter((one) => typeof one === 'object');
  expect(jumps).toMatchObject([{ by_ms: jump_ms_max + 1 }]);
});

it('before a block of allowed statements, too', async () => {
  const machine = new Machine();
  const log = await machine.open();
  const session = log.session({ session: 's1' });
  machine.wall -= HOUR;
  session.allowed(machine.wall, 'SELECT ?', 'reads', 'SELECT 1', 1, 10, 100);
  await session.flush();
  await log.close();
  expect(await told()).toMatchObject(['log.opened', { by_ms: -HOUR }, 'statements']);
});

it('a start at a time before the last record says so first; one after it, however late, is nothing odd', async () => {
  const machine = new Machine();
  const first = await machine.open({ segment_bytes_max: 300 });
  for (let n = 0; n < 5; n++) {
    machine.pass(1000);
    await first.append(record);
  }
  await first.close();
  const last = machine.wall;
  machine.pass(48 * HOUR);
  await (await machine.open()).close();
  machine.wall = last;
  await (await machine.open()).close();
  machine.wall += 1500;
  await (await machine.open()).close();
  const [before, after] = [last + 48 * HOUR, last].map((ms) => new Date(ms).toISOString());
  const jump = { by_ms: -48 * HOUR, before, after, at_start: true };
  expect((await told()).slice(6)).toEqual(['log.opened', jump, 'log.opened', 'log.opened']);
  expect(machine.jumps).toMatchObject([{ at_start: true, by_ms: -48 * HOUR }]);
});

it('audit verify says where, and names a time that runs backwards with nothing to say why', async () => {
  const machine = new Machine();
  const checkpoints = async () => {
    const made = await openCheckpoints({ dir: root, node: 'n1', every_ms: 50, every_records: 10, warn: () => {} });
    return made;
  };
  const log = await machine.open({ checkpoints });
  await log.append(record);
  machine.wall -= HOUR;
  await log.append(record);
  await log.close();
  const [key = ''] = await verifierKeys(realFs, root);
  const note = (await newestNote(realFs, root)) ?? '';
  const given = () => parseCheckpoints(note, [parseKey(key)], 'here').map((one) => ({ ...one, from: 'here' }));
  const report = await verifyLog({ folder: root, checkpoints: given() });
  expect(report).toMatchObject({
    verified: true,
    notes: [expect.stringMatching(/^record 3 says that the clock was set there/)],
  });
  // As another version, or somebody, would have written it.
  const path = join(root, '00000001.jsonl');
  const lines = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, [...lines.slice(0, 2), ...lines.slice(3)].join('\n'));
  const { notes } = await verifyLog({ folder: root, checkpoints: given() });
  expect(notes).toEqual([
    expect.stringMatching(/^record 4 is of .*, 3600 s before the record before it, and nothing says why$/),
  ]);
});

it('is not lost when the disk refuses its record: it comes when that writes again', async () => {
  const machine = new Machine();
  const disk = new MemoryDisk();
  const log = await machine.open({ fs: disk, retry_ms: 5 });
  disk.fault = () => 'before';
  machine.wall += HOUR;
  await expect(log.append(record)).rejects.toThrow();
  disk.fault = () => undefined;
  await vi.waitFor(() => expect(log.failure).toBe(null), { timeout: 30_000, interval: 5 });
  await log.append(record);
  await log.close();
  const types = await told(disk);
  expect(types.filter((one) => typeof one === 'object')).toMatchObject([{ by_ms: HOUR }]);
  expect(types.indexOf('test.record')).toBe(types.length - 1);
});

it('the last record’s time is found however long its line is, and in the segment before an empty one', async () => {
  const machine = new Machine();
  const log = await machine.open();
  machine.pass(7000);
  const last = machine.wall;
  await log.append({ type: 'test.record', clear: { filler: 'x'.repeat(300_000) } });
  await log.close();
  const size = (
    await realFs
      .open(join(root, '00000001.jsonl'), 'read')
      .then(async (file) => ({ bytes: await file.size(), end: await file.close() }))
  ).bytes;
  expect(await lastTime(realFs, root, { segment: 1, offset: size })).toBe(last);
  await (await realFs.open(join(root, '00000002.jsonl'), 'create')).close();
  expect(await lastTime(realFs, root, { segment: 2, offset: 0 })).toBe(last);
  expect(await lastTime(realFs, join(root, 'no'), { segment: 1, offset: 0 })).toBe(null);
});
