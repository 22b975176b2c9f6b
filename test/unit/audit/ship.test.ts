// Shipping of the log: what is sent in which order, what moves the cursor, what is sent again, what is told, and when nothing may be forwarded.
// The log is real and on disk; the destination and the clock are the test's.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Sent } from '../../../src/audit/ship/types.ts';
import { destination, FAILED, seqOf, shipping, StillClock, Told, type Shipping } from './ship-help.ts';

let root: string;
let open: Shipping[] = [];
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'audit-ship-'))));
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  rmSync(root, { recursive: true, force: true });
});

const start = async (...args: Parameters<typeof shipping>): Promise<Shipping> => {
  const started = await shipping(...args);
  open.push(started);
  return started;
};
const stop = async (one: Shipping): Promise<void> => {
  open = open.filter((other) => other !== one);
  await one.close();
};

const until = (what: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(what()).toBe(true), { timeout: 30_000, interval: 5 });
/** However the machine takes its turns: time passes until it is so. */
const passing = async (clock: StillClock, ms: number, what: () => boolean): Promise<void> => {
  while (!what()) {
    clock.pass(ms);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
};
const upTo = (n: number, from = 1): number[] => Array.from({ length: n - from + 1 }, (_, i) => from + i);
const cursorPath = (): string => join(root, 'ship', 'siem.json');
const cursor = (): { readonly seq: number } => JSON.parse(readFileSync(cursorPath(), 'utf8')) as { seq: number };
const logLines = (): string[] =>
  readdirSync(join(root, 'audit'))
    .filter((name) => name.endsWith('.jsonl'))
    .toSorted()
    .flatMap((name) =>
      readFileSync(join(root, 'audit', name), 'utf8')
        .trimEnd()
        .split('\n'),
    );

describe('what is sent', () => {
  it('every record, in order, byte for byte, over all segments', async () => {
    const to = new Told();
    const s = await start({
      root,
      to: [[destination({ batch: { records: 7, bytes: 4096, age: 0 } }), to]],
      segment_bytes_max: 2000,
    });
    for (let n = 0; n < 60; n++) await s.record(n * 3);
    await stop(s);
    expect(to.batches.flat()).toEqual(logLines());
    expect(readdirSync(join(root, 'audit')).filter((name) => name.endsWith('.jsonl')).length).toBeGreaterThan(3);
    for (const batch of to.batches) expect(batch.length).toBeLessThanOrEqual(7);
    expect(cursor().seq).toBe(s.log.seq);
    expect(statSync(cursorPath()).mode & 0o777).toBe(0o600);
  });

  it('one record that is more than a batch may be goes alone; longer than what is read at once, too', async () => {
    const to = new Told();
    const s = await start({ root, to: [[destination({ batch: { records: 1000, bytes: 1024, age: 0 } }), to]] });
    for (const chars of [10, 700_000, 10, 5000]) await s.record(chars);
    await stop(s);
    expect(to.batches.flat()).toEqual(logLines());
    const large = to.batches.filter((batch) => batch.join('').length > 1024);
    expect(large.map((batch) => batch.length)).toEqual([1, 1]);
  });

  it('waits for a batch to be full or its time to be over', async () => {
    const clock = new StillClock();
    const to = new Told();
    const s = await start({
      root,
      clock,
      to: [[destination({ batch: { records: 5, bytes: 1024 * 1024, age: 1000 } }), to]],
    });
    await until(() => clock.next() === 1000);
    expect(to.batches).toEqual([]);
    clock.pass(1000);
    await until(() => to.seqs().length === 1);
    await Promise.all(upTo(5).map(() => s.record()));
    await until(() => to.seqs().length === 6);
    expect(to.batches.map((batch) => batch.length)).toEqual([1, 5]);
  });

  it('a new destination begins with the first record, or with what happens from then on', async () => {
    const first = await start({ root, to: [] });
    await first.record();
    await stop(first);
    const [all, later] = [new Told(), new Told()];
    const s = await start({
      root,
      to: [
        [destination(), all],
        [destination({ name: 'later', from: 'now' }), later],
      ],
    });
    const seq = await s.record();
    await stop(s);
    expect(all.seqs()).toEqual(upTo(seq));
    expect(later.seqs()).toEqual([seq]);
  });

  it('each goes on by itself: one that never answers delays no other, and no append', async () => {
    const [hangs, works] = [new Told(), new Told()];
    let answer: (sent: Sent) => void = () => {};
    hangs.answers = [() => new Promise((resolve) => (answer = resolve))];
    const clock = new StillClock();
    const s = await start({
      root,
      clock,
      to: [
        [destination({ name: 'hangs' }), hangs],
        [destination(), works],
      ],
    });
    for (let n = 0; n < 20; n++) await s.record();
    await until(() => works.seqs().length === 21);
    expect(s.ship.shippedUpTo()).toBe(0);
    open = [];
    await s.log.close();
    const closing = s.ship.close();
    await until(() => clock.next() === 5000);
    clock.pass(5000);
    expect(hangs.closed).toBe(true);
    answer({ type: 'taken' });
    await closing;
    expect(s.ship.shippedUpTo()).toBe(0);
  });
});

describe('what was not taken', () => {
  it('is sent again, with growing pauses, told once, and nothing behind it goes first', async () => {
    const clock = new StillClock();
    const to = new Told();
    to.answers = [() => FAILED, () => FAILED, () => FAILED];
    const s = await start({ root, clock, to: [[destination(), to]] });
    for (const ms of [500, 1000, 2000]) {
      await until(() => clock.next() === ms);
      await s.record();
      expect(clock.next()).toBe(ms);
      clock.pass(ms);
    }
    await until(() => to.batches.length === 4);
    await until(() => cursor().seq === 4);
    expect(to.batches.map((batch) => batch.map(seqOf))).toEqual([[1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]);
    expect(s.warned).toEqual([
      'shipping to siem fails: it answers 503. It is tried again; what happens meanwhile waits in the log',
    ]);
    expect(s.told).toEqual(['shipping to siem works again, after 3 failures']);
  });

  it('waits as long as the receiver asks for, and an hour at most', async () => {
    const clock = new StillClock();
    const to = new Told();
    to.answers = [() => ({ ...FAILED, retry_after_ms: 30_000 }), () => ({ ...FAILED, retry_after_ms: 9e9 })];
    await start({ root, clock, to: [[destination(), to]] });
    await until(() => clock.next() === 30_000);
    clock.pass(30_000);
    await until(() => clock.next() === 3_600_000);
    clock.pass(3_600_000);
    await until(() => to.batches.length === 3);
  });

  it('refused: told as that, tried each minute, never passed over', async () => {
    const clock = new StillClock();
    const to = new Told();
    const refused: Sent = { type: 'refused', why: 'it answers 403' };
    to.answers = [() => refused, () => refused, () => refused];
    const s = await start({ root, clock, to: [[destination(), to]] });
    for (let n = 0; n < 3; n++) {
      await until(() => clock.next() === 60_000);
      clock.pass(60_000);
    }
    await until(() => to.batches.length === 4);
    expect(s.warned).toHaveLength(1);
    expect(s.warned[0]).toContain('it answers 403. It is tried again each minute, and nothing is passed over');
    expect(s.ship.health()).toMatchObject([{ name: 'siem', failing: false, record: 1, behind: 0 }]);
  });

  it('too large: halved at once until it is taken, in order; one record alone is told, and waits', async () => {
    const clock = new StillClock();
    const to = new Told();
    const large = (batch: readonly unknown[]): Sent =>
      batch.length > 3 ? { type: 'too-large', why: 'it answers 413' } : { type: 'taken' };
    to.answers = Array.from({ length: 40 }, () => large);
    const s = await start({
      root,
      clock,
      to: [[destination({ batch: { records: 16, bytes: 1024 * 1024, age: 60_000 } }), to]],
    });
    await Promise.all(upTo(15).map(() => s.record()));
    await passing(clock, 60_000, () => s.ship.health()[0]?.record === 16);
    expect(
      to.batches
        .filter((batch) => batch.length <= 3)
        .flat()
        .map(seqOf),
    ).toEqual(upTo(16));
    const [first = 0, second = 99, third = 99] = to.batches.map((batch) => batch.length);
    expect(first).toBe(16);
    expect(second).toBeLessThanOrEqual(8);
    expect(third).toBeLessThanOrEqual(4);
    expect(s.warned).toEqual([]);
    to.answers = [() => ({ type: 'too-large', why: 'it answers 413' })];
    await s.record();
    await passing(clock, 60_000, () => s.warned.length === 1);
    expect(s.warned[0]).toContain('it answers 413 to record 17 alone');
  });

  it('of what is not sure, all since the cursor goes again; sure is what was made sure of', async () => {
    const clock = new StillClock();
    const to = new Told(true);
    to.settles = [() => ({ type: 'failed', why: 'it closed the connection', retry_after_ms: 0 })];
    const s = await start({ root, clock, to: [[destination(), to]] });
    await until(() => to.seqs().length === 1);
    await s.record();
    await until(() => to.seqs().length === 2);
    expect(s.ship.health()).toMatchObject([{ record: 0, behind: 2 }]);
    await passing(clock, 5000, () => s.warned.length === 1);
    await passing(clock, 500, () => to.seqs().length === 4);
    expect(to.seqs()).toEqual([1, 2, 1, 2]);
    await passing(clock, 5000, () => s.ship.health()[0]?.record === 2);
    await until(() => cursor().seq === 2);
  });
});

describe('the cursor', () => {
  it('is where the next start goes on', async () => {
    const first = new Told();
    const s = await start({ root, to: [[destination(), first]], segment_bytes_max: 1000 });
    for (let n = 0; n < 20; n++) await s.record();
    await stop(s);
    const second = new Told();
    const again = await start({ root, to: [[destination(), second]], segment_bytes_max: 1000 });
    await again.record();
    await stop(again);
    expect(first.seqs()).toEqual(upTo(21));
    expect(second.seqs()).toEqual([22, 23]);
    expect(again.warned).toEqual([]);
  });

  it('does not move before the other side has taken the batch, and not at the end of the process either', async () => {
    const to = new Told();
    to.answers = [() => FAILED];
    const s = await start({ root, to: [[destination({ batch: { records: 9, bytes: 1e6, age: 60_000 } }), to]] });
    await stop(s);
    expect(to.batches).toHaveLength(1);
    expect(cursor().seq).toBe(0);
    const again = new Told();
    await stop(await start({ root, to: [[destination(), again]] }));
    expect(again.seqs()).toEqual([1, 2]);
  });

  it.each(['', '{"v":1,"seq":3', '{"v":1,"seq":-1,"segment":1,"at":0,"leaf":""}', '{"v":2}', 'null'])(
    'damaged (%j): nothing starts, and what to do is said',
    async (text) => {
      await stop(await start({ root, to: [[destination(), new Told()]] }));
      writeFileSync(cursorPath(), text);
      await expect(shipping({ root, to: [[destination(), new Told()]] })).rejects.toThrow(
        /siem\.json does not say how far shipping is.*remove it/s,
      );
      expect(readFileSync(cursorPath(), 'utf8')).toBe(text);
    },
  );

  it('of another log: says so, and ships what that has', async () => {
    await stop(await start({ root, to: [[destination(), new Told()]] }));
    const before = await start({ root, to: [] });
    for (let n = 0; n < 5; n++) await before.record();
    await stop(before);
    const kept = { ...cursor(), seq: 900, at: 7 };
    writeFileSync(cursorPath(), JSON.stringify(kept));
    const to = new Told();
    const s = await start({ root, to: [[destination(), to]] });
    expect(s.warned).toEqual([expect.stringContaining('it was further than the log')]);
    const seq = await s.record();
    await stop(s);
    expect(to.seqs()).toEqual([seq]);
  });

  it('of a record that is another one now: says so', async () => {
    const to = new Told();
    const s = await start({ root, to: [[destination(), to]] });
    await s.record();
    await stop(s);
    writeFileSync(cursorPath(), JSON.stringify({ ...cursor(), leaf: 'ab'.repeat(32) }));
    const again = await start({ root, to: [[destination(), new Told()]] });
    expect(again.warned).toEqual([expect.stringContaining('is not the one that was shipped')]);
  });

  it('records that retention removed before they were shipped: says which, and goes on', async () => {
    const s = await start({ root, to: [], segment_bytes_max: 600 });
    for (let n = 0; n < 10; n++) await s.record();
    await stop(s);
    const [first, second] = [1, 2].map((n) => join(root, 'audit', `0000000${n}.jsonl`)) as [string, string];
    const gone = [first, second].flatMap((path) => readFileSync(path, 'utf8').trimEnd().split('\n')).length;
    // Not through openAuditLog, which refuses such a log: retention leaves what it needs.
    const { LineReader } = await import('../../../src/audit/ship/lines.ts');
    const { NOTHING } = await import('../../../src/audit/ship/cursor.ts');
    for (const path of [first, second]) rmSync(path);
    const reader = new LineReader(join(root, 'audit'));
    const end = { seq: 11, segment: 5, offset: statSync(join(root, 'audit', '00000005.jsonl')).size };
    const { position, odd } = await reader.find(NOTHING, end);
    expect(odd).toBe(`records 1 to ${gone} are not in the log any more`);
    const { lines } = await reader.take(position, end, { records: 1, bytes: 1 });
    expect(lines.map(({ seq }) => seq)).toEqual([gone + 1]);
    await reader.close();
  });
});

describe('how far behind', () => {
  it('shippedUpTo is the lowest of all, as a restart would find it', async () => {
    const [one, two] = [new Told(), new Told()];
    two.answers = [() => FAILED];
    const s = await start({
      root,
      to: [
        [destination(), one],
        [destination({ name: 'two' }), two],
      ],
    });
    await until(() => cursor().seq === 1);
    expect(s.ship.shippedUpTo()).toBe(0);
    await stop(s);
    expect((await start({ root: join(root, 'other'), to: [] })).ship.shippedUpTo()).toBe(Infinity);
  });

  it('block_after: forwarding stops when it is behind for longer, says because of whom and since when, and goes on at once', async () => {
    const clock = new StillClock();
    const to = new Told();
    const began = clock.now();
    to.answers = Array.from({ length: 5 }, () => (): Sent => ({ ...FAILED, retry_after_ms: 300_000 }));
    const s = await start({ root, clock, random: () => 0, to: [[destination({ block_after: 600_000 }), to]] });
    await until(() => to.batches.length === 1);
    for (const expected of [null, null, null] as const) {
      await until(() => clock.next() <= 1000);
      clock.pass(200_000);
      expect(s.ship.blocking).toBe(expected);
    }
    await until(() => clock.next() <= 1000);
    clock.pass(1000);
    await until(() => s.ship.blocking !== null);
    expect(s.ship.blocking).toEqual({ name: 'siem', since: began });
    expect(s.ship.health()).toMatchObject([{ blocking: true, failing: true, behind: 1, behind_ms: 601_000 }]);
    to.answers = [];
    await until(() => clock.next() < 300_000);
    while (s.ship.blocking !== null) {
      clock.pass(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(s.blocked).toEqual([{ name: 'siem', since: began }, null]);
    expect(s.ship.health()).toMatchObject([{ blocking: false, failing: false, behind: 0, behind_ms: 0 }]);
  });

  it('what waited before a restart has waited since it was written', async () => {
    const s = await start({ root, to: [] });
    await stop(s);
    const clock = new StillClock();
    clock.pass(Date.now() + 3_600_000 - clock.now());
    const to = new Told();
    to.answers = [() => ({ ...FAILED, retry_after_ms: 300_000 })];
    const late = await start({ root, clock, to: [[destination({ block_after: 600_000 }), to]] });
    expect(late.ship.blocking?.name).toBe('siem');
    const waits_ms = late.ship.health()[0]?.behind_ms ?? 0;
    expect(waits_ms).toBeGreaterThanOrEqual(3_600_000);
  });

  it('without block_after nothing is ever stopped', async () => {
    const clock = new StillClock();
    const to = new Told();
    to.answers = [() => ({ ...FAILED, retry_after_ms: 9e9 })];
    const s = await start({ root, clock, to: [[destination(), to]] });
    await until(() => s.warned.length === 1);
    clock.pass(3_000_000);
    expect(s.ship.blocking).toBe(null);
  });
});
