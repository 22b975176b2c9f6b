import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAuditLog } from '../../../src/audit/log.ts';
import { readLog } from '../../../src/audit/read.ts';
import { realFs } from '../../../src/audit/files.ts';
import { survey } from '../../../src/audit/scan.ts';
import type { AuditLog, ReadRecord } from '../../../src/audit/types.ts';

let root: string;
let dir: string;
const open: AuditLog[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'audit-'));
  dir = join(root, 'log');
});
afterEach(async () => {
  for (const log of open.splice(0)) await log.close().catch(() => undefined);
  rmSync(root, { recursive: true, force: true });
});

async function start(more: Partial<Parameters<typeof openAuditLog>[0]> = {}): Promise<AuditLog> {
  const log = await openAuditLog({ dir, node: 'n1', ...more });
  open.push(log);
  return log;
}

async function all(records: AsyncIterable<ReadRecord>): Promise<ReadRecord[]> {
  const list: ReadRecord[] = [];
  for await (const record of records) list.push(record);
  return list;
}

const lines = (segment = '00000001') => readFileSync(`${dir}/${segment}.jsonl`, 'utf8').split('\n').slice(0, -1);

describe('records', () => {
  it('numbers from 1 without a gap, chains each to the leaf before, and keeps the leaves beside', async () => {
    const log = await start();
    const seqs = await Promise.all(
      Array.from({ length: 40 }, (_, i) => log.append({ type: 'session.opened', clear: { i } })),
    );
    expect(seqs).toEqual(Array.from({ length: 40 }, (_, i) => i + 2));
    expect(log.seq).toBe(41);
    await log.close();

    const leaves = readFileSync(`${dir}/00000001.leaf`);
    let prev = '0'.repeat(64);
    for (const [index, line] of lines().entries()) {
      const record = JSON.parse(line) as { v: number; seq: number; prev: string; time: string; node: string };
      expect(record).toMatchObject({ v: 1, seq: index + 1, prev, node: 'n1' });
      expect(record.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      prev = createHash('sha256')
        .update(Buffer.concat([Buffer.alloc(1), Buffer.from(line)]))
        .digest('hex');
      expect(leaves.subarray(index * 32, index * 32 + 32).toString('hex')).toBe(prev);
    }
    expect(leaves.length).toBe(41 * 32);
  });

  it('reads back what was written, clear and sealed, from any record, over segments and openings', async () => {
    let log = await start({ segment_bytes_max: 2000 });
    const texts = ['', 'sélect \u2028 "x" \ud83d\ude00', '\ud800 alone', 'x'.repeat(5000)];
    for (const text of texts)
      await log.append({ type: 'request.opened', clear: { length: text.length }, sealed: { text } });
    await log.close();
    log = await start({ segment_bytes_max: 2000 });
    expect(readdirSync(dir).filter((name) => name.endsWith('.jsonl')).length).toBeGreaterThan(2);
    const records = await all(log.read());
    expect(records.map((r) => r.seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(records.slice(1, 5).map((r) => r.sealed)).toEqual(texts.map((text) => ({ text })));
    expect(records[5]).toMatchObject({ type: 'log.opened', clear: { records: 5 }, sealed: undefined });
    for (let from = 1; from <= 7; from++)
      expect((await all(log.read(from))).map((r) => r.seq)).toEqual([1, 2, 3, 4, 5, 6].filter((seq) => seq >= from));
    expect(await all(readLog(dir))).toEqual(records);
  });

  it('serialises at the call, not later', async () => {
    const log = await start();
    const clear = { value: 'as given' };
    const appended = log.append({ type: 'session.opened', clear });
    clear.value = 'changed';
    const seq = await appended;
    expect((await all(log.read(seq)))[0]?.clear).toEqual({ value: 'as given' });
  });

  it('rejects what is no record, and goes on', async () => {
    const log = await start();
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    await expect(log.append({ type: 'no type!', clear: {} })).rejects.toMatchObject({ kind: 'invalid' });
    await expect(log.append({ type: 'x.y', clear: circular })).rejects.toMatchObject({ kind: 'invalid' });
    await expect(log.append({ type: 'x.y', clear: {}, sealed: { n: 1n } })).rejects.toMatchObject({ kind: 'invalid' });
    await expect(log.append({ type: 'x.y', clear: [] as never })).rejects.toMatchObject({ kind: 'invalid' });
    await expect(log.append({ type: 'x.y', clear: { x: 'y'.repeat(33_000_000) } })).rejects.toMatchObject({
      kind: 'invalid',
    });
    expect(log.failure).toBeNull();
    expect(await log.append({ type: 'x.y', clear: {} })).toBe(2);
  });

  it('gives files mode 0600 and folders 0700, and no record to a closed log', async () => {
    const log = await start();
    await log.append({ type: 'x.y', clear: {}, sealed: {} });
    await log.close();
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(`${dir}/keys`).mode & 0o777).toBe(0o700);
    const files = [
      '00000001.jsonl',
      '00000001.leaf',
      'keys/tag.key',
      ...readdirSync(`${dir}/keys`).map((n) => `keys/${n}`),
    ];
    for (const file of files) expect([file, statSync(`${dir}/${file}`).mode & 0o777]).toEqual([file, 0o600]);
    await expect(log.append({ type: 'x.y', clear: {} })).rejects.toMatchObject({ kind: 'closed' });
    await expect(log.close()).resolves.toBeUndefined();
  });

  it('stamps the clock’s time and takes the key of that month', async () => {
    const times = [Date.UTC(2025, 10, 30, 23, 59, 59, 999), Date.UTC(2025, 11, 1)];
    let now = times[0] ?? 0;
    const log = await start({ clock: { now: () => now, mono: () => 7 } });
    await log.append({ type: 'x.y', clear: {}, sealed: { text: 'november' } });
    now = times[1] ?? 0;
    await log.append({ type: 'x.y', clear: {}, sealed: { text: 'december' } });
    rmSync(`${dir}/keys/2025-11.key`);
    const records = await all(log.read(2));
    expect(records.map((r) => [r.time, r.sealed])).toEqual([
      ['2025-11-30T23:59:59.999Z', null],
      ['2025-12-01T00:00:00.000Z', { text: 'december' }],
    ]);
    // A key that was made anew does not open the old texts either, and says so the same way.
    writeFileSync(`${dir}/keys/2025-11.key`, Buffer.alloc(32, 1), { mode: 0o600 });
    expect((await all(readLog(dir, { from_seq: 2 })))[0]?.sealed).toBeNull();
    writeFileSync(`${dir}/keys/2025-11.key`, Buffer.alloc(31, 1), { mode: 0o600 });
    await expect(all(readLog(dir, { from_seq: 2 }))).rejects.toMatchObject({ kind: 'key' });
  });

  it('tags equal values equally within a log, over openings, and differently in another', async () => {
    let log = await start();
    const tag = log.tag('select 1');
    expect(tag).toMatch(/^[0-9a-f]{32}$/);
    expect(log.tag('select 2')).not.toBe(tag);
    await log.close();
    log = await start();
    expect(log.tag('select 1')).toBe(tag);
    await log.close();
    dir = join(root, 'other');
    expect((await start()).tag('select 1')).not.toBe(tag);
  });
});

describe('blocks of allowed statements', () => {
  it('holds at most 256 entries, each string once, and gives the entries back in order', async () => {
    const log = await start();
    const session = log.session({ session: 's1' });
    const entry = (i: number) =>
      [1_700_000_000_000 + i, `select ${i % 3}`, 'default', 'SELECT 1', i, 2 * i, 3 * i] as const;
    for (let i = 0; i < 600; i++) session.allowed(...entry(i));
    await session.flush();
    const blocks = (await all(log.read(2))).filter((record) => record.type === 'statements');
    expect(blocks.map((block) => block.entries.length)).toEqual([256, 256, 88]);
    expect(blocks.every((block) => block.clear['session'] === 's1')).toBe(true);
    expect(blocks.flatMap((block) => block.entries)).toEqual(
      Array.from({ length: 600 }, (_, i) => {
        const [time, shape, rule, outcome, rows, bytes, duration_us] = entry(i);
        return { time, shape, rule, outcome, rows, bytes, duration_us };
      }),
    );
    expect(lines()[1]?.match(/select 0/g)).toHaveLength(1);
  });

  it('writes what is buffered within about 100 ms, unasked, and at close', async () => {
    const log = await start();
    const rounds: number[] = [];
    for (let round = 0; round < 5; round++) {
      const started = performance.now();
      log.session({ session: 'a' }).allowed(1, 'x', 'r', 'SELECT 1', 1, 1, 1);
      log.session({ session: 'b' }).allowed(1, 'x', 'r', 'SELECT 1', 1, 1, 1);
      await expect.poll(() => log.seq, { interval: 5 }).toBe(3 + 2 * round);
      rounds.push(performance.now() - started);
    }
    // The best of them: a disk that is busy must not fail it.
    expect(Math.min(...rounds)).toBeLessThan(1000);
    log.session({ session: 'c' }).allowed(1, 'x', 'r', 'SELECT 1', 1, 1, 1);
    await log.close();
    const written = (await all(readLog(dir))).slice(1).map((r) => r.clear['session']);
    expect(written).toEqual([...rounds.flatMap(() => ['a', 'b']), 'c']);
  });

  it('writes early when the strings of a block grow large, and stays JSON whatever the numbers', async () => {
    const log = await start();
    const session = log.session({});
    for (let i = 0; i < 10; i++)
      session.allowed(1, `${i}${'x'.repeat(60_000)}`, 'r', 'SELECT 1', Number.NaN, Infinity, -0);
    await session.flush();
    const blocks = await all(log.read(2));
    expect(blocks.map((block) => block.entries.length)).toEqual([5, 5]);
    await log.close();
    expect((await survey(realFs, dir)).problem).toBeNull();
  });

  it('cuts a string that no block could hold, and says so', async () => {
    const log = await start();
    const session = log.session({});
    const shape = '\0'.repeat(40_000_000);
    session.allowed(1, shape, 'r', 'SELECT 1', 1, 1, 1);
    session.allowed(1, shape, 'r', 'SELECT 1', 1, 1, 1);
    await session.flush();
    const entries = (await all(log.read(2))).flatMap((record) => record.entries);
    expect(entries.map((entry) => entry.shape.slice(65_000).replaceAll('\0', ''))).toEqual([
      '… and 39934528 characters more',
      '… and 39934528 characters more',
    ]);
    expect(() => log.session({ who: 'x'.repeat(70_000) })).toThrow(/longer than/);
  });

  it('flush of an idle session resolves', async () => {
    const log = await start();
    await expect(log.session({}).flush()).resolves.toBeUndefined();
  });
});

describe('one writer', () => {
  it('refuses a second one in this process', async () => {
    const log = await start();
    await expect(start()).rejects.toMatchObject({ kind: 'locked', message: expect.stringContaining('already') });
    await log.close();
    await start();
  });

  it('refuses while another process lives, and takes over when it is dead', async () => {
    const log = await start();
    await log.close();
    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    const probe = await start();
    const own = readdirSync(dir).find((name) => name.startsWith('lock@')) ?? '';
    await probe.close();
    const theirs = own.replace(/@\d+@\d+$/, `@${child.pid}@${ticks}`);
    writeFileSync(join(dir, theirs), '');
    await expect(start()).rejects.toMatchObject({
      kind: 'locked',
      message: expect.stringContaining(String(child.pid)),
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await start();
    expect(readdirSync(dir).filter((name) => name.startsWith('lock@'))).toEqual([own]);
  });

  it.each([
    ['its number is another process’s now', (own: string) => own.replace(/@\d+$/, '@1')],
    ['the machine was booted since', (own: string) => own.replace(/^(lock@[^@]+)@\w+/, '$1@00000000')],
  ])('takes over when %s', async (_, change) => {
    const log = await start();
    const own = readdirSync(dir).find((name) => name.startsWith('lock@')) ?? '';
    await log.close();
    writeFileSync(join(dir, change(own)), '');
    await start();
  });

  it('refuses, and names the file to remove, when the writer was on another host', async () => {
    const log = await start();
    await log.close();
    writeFileSync(join(dir, 'lock@elsewhere@12345678@7@8'), '');
    await expect(start()).rejects.toMatchObject({
      kind: 'locked',
      message: expect.stringContaining('lock@elsewhere@'),
    });
  });

  it('of many that race at most one opens', async () => {
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => start()));
    expect(results.filter((result) => result.status === 'fulfilled').length).toBe(1);
  });
});
