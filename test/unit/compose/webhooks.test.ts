// What a webhook is fed: the log's events in its order, each with its request as it was then, from wherever it left off and however slowly it takes them.
import { readdirSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Desk, Permit } from '../../../src/approval/types.ts';
import { openAuditLog } from '../../../src/audit/log.ts';
import type { AuditLog } from '../../../src/audit/types.ts';
import { Tail } from '../../../src/compose/tail.ts';
import { EventFeed } from '../../../src/compose/webhooks.ts';
import { auditJournal } from '../../../src/gate/journal.ts';
import type { HookEvent, Mark } from '../../../src/review/webhooks/ports.ts';
import { decision, DONE, heldOf, idOf, waiting, world } from '../approval/help.ts';

let dir: string;
let log: AuditLog;
let tail: Tail;
let desk: Desk;
/** As the desk tells it. */
let told: { seq: number; type: string; state: string }[];
const feeds: EventFeed[] = [];

const openAll = async (): Promise<void> => {
  log = await openAuditLog({ dir, node: 'n1' });
  tail = new Tail(log);
  desk = world({ journal: auditJournal(tail.audit), requests_open_per_principal_max: 100_000 }).desk;
  desk.subscribe((seq, { type }, { state }) => void told.push({ seq, type, state }));
};

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-feed-'));
  told = [];
  await openAll();
});
afterEach(async () => {
  for (const feed of feeds.splice(0)) feed.close();
  await desk.close();
  await log.close();
  await rm(dir, { recursive: true });
});

const START: Mark = { cursor: 0, since: 1 };
const feed = (from = START, text = false): EventFeed => {
  const made = new EventFeed(tail, from, text);
  feeds.push(made);
  return made;
};
const take = async (from: EventFeed, count: number): Promise<HookEvent[]> => {
  const events: HookEvent[] = [];
  while (events.length < count) {
    const event = await from.next();
    if (event === null) break;
    from.settled();
    events.push(event);
  }
  return events;
};
const brief = (events: readonly HookEvent[]) =>
  events.map((event) => [event.seq, event.type, event.about === 'request' ? event.request.state : '']);
const expected = () =>
  told.map(({ seq, type, state }) => [seq, `request.${type === 'finished' ? 'executed' : type}`, state]);

/** Bytes that are in use. */
const heap = (): number => {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
};

const hold = (n: number) => desk.hold(heldOf({ digest: `d${n}`, sql: `SELECT 'sealed-${n}'` }), 45_000);

/** Four events, or three. */
const live = async (n: number): Promise<void> => {
  const { id, hold: held } = waiting(await hold(n));
  if (n % 5 === 4) await held.end('disconnected');
  else {
    await desk.decide(decision(id, { digest: `tag-d${n}`, decision: n % 5 === 3 ? 'deny' : 'approve' }));
    if (n % 5 === 3) return;
    await desk.release(id, 's1');
    await desk.finish(id, DONE);
  }
};
const lives = (from: number, to: number) =>
  Promise.all(Array.from({ length: to - from }, (_, i) => live(from + i))).then(() => {});

it('follows what happens, in the order of the log, without statements', async () => {
  const following = feed();
  const session = tail.audit.session({ session: 's' });
  session.allowed(1, 'select', 'r', 'SELECT 1', 1, 1, 1);
  const first = following.next();
  await lives(0, 20);
  session.allowed(1, 'select', 'r', 'SELECT 1', 1, 1, 1);
  await lives(20, 40);
  const events = [await first, ...(await take(following, told.length - 1))] as HookEvent[];
  expect(brief(events)).toEqual(expected());
  expect(told.length).toBeGreaterThan(100);
  expect(JSON.stringify(events)).not.toContain('sealed');
});

it('with text, where it is asked for', async () => {
  await live(1);
  const [event] = await take(feed(START, true), 1);
  expect(event?.about === 'request' && event.request.sql).toBe("SELECT 'sealed-1'");
});

it('a slow one misses nothing of what memory has no room for', async () => {
  const slow = feed();
  await live(0);
  const events = await take(slow, 2);
  await lives(1, 600);
  expect(tail.next(events.at(-1)?.seq ?? 0)).toBe('behind');
  events.push(...(await take(slow, 500)));
  await lives(600, 1000);
  events.push(...(await take(slow, told.length - events.length)));
  expect(brief(events)).toEqual(expected());
});

it('goes on after a restart from any mark, and knows the requests that were open', async () => {
  const open = idOf(await hold(1000));
  await lives(0, 10);
  const all = told.length;
  const marks: Mark[] = [];
  const reading = feed();
  for (let i = 0; i < all; i++) {
    await reading.next();
    reading.settled();
    marks.push(reading.mark());
  }
  expect(marks.at(-1)?.since).toBeLessThan(marks.at(-1)?.cursor ?? 0);
  reading.close();
  await desk.close();
  await log.close();
  const before = [...told];
  await openAll();
  // The desk of before told of the end of what it held.
  const events = before.map(({ seq }) => seq);
  for (const [i, mark] of marks.entries()) {
    const again = feed(mark);
    if (i < all - 1) expect((await again.next())?.seq).toBe(events[i + 1]);
    again.close();
  }
  const last = feed(marks.at(-1));
  const ticket = await last.next();
  expect(ticket).toMatchObject({ type: 'request.ticket', request: { id: open, state: 'open', holds: 'ticket' } });
});

it('a new one hears of requests that were open before it', async () => {
  const { id, hold: held } = waiting(await hold(1));
  const from = feed({ cursor: log.seq, since: 1 });
  await held.end('disconnected');
  expect(await from.next()).toMatchObject({ type: 'request.ticket', request: { id } });
});

it('what was not settled is there again', async () => {
  await live(0);
  const first = feed();
  await first.next();
  expect(first.mark()).toEqual(START);
  first.settled();
  const { seq } = (await first.next()) as HookEvent;
  expect((await feed(first.mark()).next())?.seq).toBe(seq);
});

it('ends when it is closed, and leaves no file open', async () => {
  await lives(0, 5);
  const opened = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(dir);
      } catch {
        return false;
      }
    }).length;
  const before = opened();
  const many = Array.from({ length: 10 }, () => feed());
  for (const one of many) await one.next();
  expect(opened()).toBeGreaterThan(before);
  for (const one of many) one.close();
  for (const one of many) expect(await one.next()).toBeNull();
  while (opened() > before) await new Promise((resolve) => setImmediate(resolve));
  const idle = feed();
  await take(idle, told.length);
  const next = idle.next();
  idle.close();
  expect(await next).toBeNull();
});

it('one that is stuck keeps little in memory, however much happens', async () => {
  const id = idOf(await hold(1));
  const request = desk.get(id);
  if (request === undefined) throw new Error('no request');
  const journal = auditJournal(tail.audit);
  const stuck = Array.from({ length: 5 }, () => feed());
  for (const one of stuck) await one.next();
  const before = heap();
  const chars = 100_000;
  const count = 600;
  for (let n = 0; n < count; n++) {
    const sql = `SELECT ${'x'.repeat(chars)}${n}`;
    await journal.append({ type: 'opened', at: n, request: { ...request, id: `HP-${n}`, sql } });
  }
  const grown = heap() - before;
  console.log(`5 stuck webhooks, ${count} statements of ${chars} characters: heap +${(grown / 1e6).toFixed(1)} MB`);
  expect(grown).toBeLessThan(20e6);
  expect((await stuck[0]?.next())?.seq).toBeGreaterThan(0);
});

it('policies: in force and refused', async () => {
  const problems = [{ line: 3, message: 'no rule' }];
  await tail.audit.append({ type: 'policy.loaded', clear: { path: 'p', hash: 'h', rules: 2, mode: 'enforce' } });
  await tail.audit.append({ type: 'policy.refused', clear: { path: 'p', problems } });
  expect(await take(feed(), 2)).toMatchObject([
    { type: 'policy.loaded', at: expect.any(Number), loaded: { hash: 'h', rules: 2, mode: 'enforce' }, problems: [] },
    { type: 'policy.refused', loaded: null, problems },
  ]);
});

it('permits: as agreed, with each use', async () => {
  const { who, where, ask } = heldOf();
  const permit = {
    id: 'PM-1',
    request: 'HP-1',
    who,
    where,
    role: 'r',
    search_path: 'p',
    in_transaction: false,
    rule: 'exports',
    ask,
    findings: [],
    shape: 's',
    sql: 'sealed',
    pattern: { hash: 'sealed', free: [], free_parameters: [], writes: false },
    by: ['aiko'],
    instead_of: [],
    rationale: ['sealed'],
    granted: 1,
    until: 10_000,
    for_ms: 9999,
    uses: 3,
    rows: 100,
    taken: 0,
    used: [],
    revoked: null,
  } satisfies Permit;
  const journal = auditJournal(tail.audit);
  await journal.append({ type: 'permit_granted', at: 1, permit });
  await journal.append({
    type: 'permit_used',
    at: 2,
    id: 'PM-1',
    use: 1,
    session: 's1',
    sql: 'sealed',
    parameters: [],
  });
  await journal.append({ type: 'permit_use_ended', at: 3, id: 'PM-1', use: 1, outcome: DONE });
  await journal.append({ type: 'permit_revoked', at: 4, id: 'PM-1', by: 'ines', reason: 'enough' });
  const events = await take(feed(), 4);
  expect(
    events.map((event) => event.about === 'permit' && [event.type, event.permit.id, event.use, event.revoked]),
  ).toEqual([
    ['permit.granted', 'PM-1', null, null],
    ['permit.used', 'PM-1', { number: 1, session: 's1', outcome: null }, null],
    ['permit.use_ended', 'PM-1', { number: 1, session: null, outcome: DONE }, null],
    ['permit.revoked', 'PM-1', null, { by: 'ines', reason: 'enough' }],
  ]);
});
