// How a shape was decided before: only what people decided, of the same requester in the same place, for 90 days; and never more than is known.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { BEFORE_DAYS, createDecided } from '../../../src/approval/before.ts';
import type { Held, Request } from '../../../src/approval/types.ts';
import { decision, DIRECTORY, heldOf, idOf, type World, world } from './help.ts';

const DAY_MS = 86_400_000;
const tag = (value: string) => createHash('sha256').update(value).digest('hex');
const NONE = { approved: 0, permits: 0, denied: 0, days: BEFORE_DAYS };

let sent = 0;

/** The literal is another each time, so that it is another request. */
async function open({ desk }: World, more: Partial<Held> = {}, ask: Partial<Held['ask']> = {}): Promise<Request> {
  const digest = `d${(sent += 1)}`;
  const id = idOf(await desk.hold(heldOf({ digest, ...more }, ask), 0));
  return desk.get(id) as Request;
}

async function decide(at: World, request: Request, more: Parameters<typeof decision>[1] = {}): Promise<void> {
  const result = await at.desk.decide(decision(request.id, { digest: request.digest_tag, ...more }));
  expect(result.type).toBe('counted');
}

const PERMIT = { for_ms: DAY_MS, uses: 10, rows: 100, writes: false };
const PATTERN = { hash: 'p', free: [], free_parameters: [], writes: false };

describe('how a shape was decided before', () => {
  it('counts approvals, permits and denials of people, each once, and none of its own', async () => {
    const at = world({ tag, requests_open_per_principal_max: 100 });
    const first = await open(at);
    expect(first.before).toEqual(NONE);
    await decide(at, first);
    expect(at.desk.get(first.id)?.before).toEqual(NONE);
    await decide(at, await open(at, {}, { count: 2 }));
    const two = await open(at, {}, { count: 2 });
    await decide(at, two);
    await decide(at, two, { by: 'ines' });
    await decide(at, await open(at), { decision: 'deny' });
    await decide(at, await open(at, { pattern: PATTERN }, { permit: PERMIT }), {
      permit: { for_ms: DAY_MS, uses: 1, rows: 1 },
    });
    // The permit covers only what has its pattern.
    expect((await open(at)).before).toEqual({ approved: 2, permits: 1, denied: 1, days: BEFORE_DAYS });
  });

  it('counts by the bodies that it goes through, too', async () => {
    const at = world({ tag, requests_open_per_principal_max: 100 });
    const bodies = ['h1 function public.f'];
    await decide(at, await open(at, { bodies }));
    expect((await open(at, { bodies })).before).toMatchObject({ approved: 1 });
    expect((await open(at, { bodies: ['h2 function public.f'] })).before).toEqual(NONE);
    expect((await open(at)).before).toEqual(NONE);
  });

  it('counts nothing that a requester or the clock brings about', async () => {
    const at = world({ tag, requests_open_per_principal_max: 100, directory: { ...DIRECTORY, member: () => true } });
    await at.desk.withdraw((await open(at)).id, 'billing-agent', 'never mind');
    const alone = await open(at, {}, { nobody_ms: 1000 });
    const late = await open(at, {}, { deadline_ms: 2000 });
    const broken = {
      who: { ...heldOf().who, id: 'mara', kind: 'human' as const },
      break_glass: { reason: 'it burns', of: ['ops'] },
    };
    await open(at, broken);
    await at.clock.advance(3000);
    expect([at.desk.get(alone.id)?.state, at.desk.get(late.id)?.state]).toEqual(['denied', 'expired']);
    expect((await open(at)).before).toEqual(NONE);
    expect((await open(at, { who: broken.who })).before).toEqual(NONE);
  });

  it('takes another requester, server, database, role, rule, object, limit or text for another question', async () => {
    const at = world({ tag, requests_open_per_principal_max: 100, unsponsored: 'allow' });
    const found: Held['findings'][number] = {
      action: 'read',
      object: 'public.customers',
      why: 'Reads rows.',
      statement: 0,
      start: 0,
      end: 4,
    };
    const asked = { findings: [found] };
    await decide(at, await open(at, asked));
    const { who, where } = heldOf();
    const others: Partial<Held>[] = [
      { who: { ...who, id: 'orphan' } },
      { where: { ...where, upstream: 'live' } },
      { where: { ...where, database: 'other' } },
      { where: { ...where, engine: 'mysql' } },
      { role: 'admin' },
      { rule: 'reads' },
      { findings: [{ ...found, object: 'private.customers' }] },
      { findings: [found, { ...found, object: 'public.orders' }] },
      { passed: { rows: 100, bytes: 4000 } },
      { shape: 'COPY orders TO STDOUT' },
    ];
    for (const other of others)
      expect((await open(at, { ...asked, ...other })).before, JSON.stringify(other)).toEqual(NONE);
    // Where in the text it was found, and how often, is the same question.
    const moved = { findings: [{ ...found, start: 7, end: 9 }, found] };
    expect((await open(at, moved)).before).toMatchObject({ approved: 1 });
  });

  it('says nothing of a shape that may have been cut', async () => {
    const at = world({ tag, requests_open_per_principal_max: 100 });
    const shape = `SELECT ${'ä'.repeat(2040)}`;
    await decide(at, await open(at, { shape }));
    expect((await open(at, { shape })).before).toBeNull();
  });

  it('is the same after a restart, and ends after 90 days', async () => {
    const at = world({ tag, requests_open_per_principal_max: 100 });
    await decide(at, await open(at), { decision: 'deny' });
    await at.clock.advance(DAY_MS);
    await decide(at, await open(at));
    const after = world({ tag, clock: at.clock, requests_open_per_principal_max: 100 });
    await after.desk.restore(at.journal.events.slice());
    const before = { approved: 1, permits: 0, denied: 1, days: BEFORE_DAYS };
    expect((await open(after)).before).toEqual(before);
    expect((await open(at)).before).toEqual(before);
    await at.clock.advance(DAY_MS * (BEFORE_DAYS - 2));
    expect((await open(at)).before).toEqual(before);
    await at.clock.advance(DAY_MS);
    expect((await open(at)).before).toEqual({ ...before, denied: 0 });
    const later = world({ tag, clock: at.clock, requests_open_per_principal_max: 100 });
    await later.desk.restore(at.journal.events.slice());
    expect((await open(later)).before).toEqual({ ...before, denied: 0 });
  });

  it('says how far back it knows where the log does not tell all', async () => {
    const at = world({ tag, requests_open_per_principal_max: 100 });
    await decide(at, await open(at), { decision: 'deny' });
    await at.clock.advance(10 * DAY_MS);
    await decide(at, await open(at));
    const after = world({ tag, clock: at.clock, requests_open_per_principal_max: 100 });
    // The sealed part of the first opening is gone.
    await after.desk.restore(at.journal.events.slice(1));
    expect((await open(after)).before).toEqual({ approved: 1, permits: 0, denied: 0, days: 10 });
  });
});

describe('what is kept', () => {
  const NOW = 20_000 * DAY_MS;
  const requestOf = (who: string, shape: string, updated: number): Request => {
    const held = heldOf({ who: { ...heldOf().who, id: who }, shape });
    return { ...held, updated, decisions: [{ decision: 'deny', channel: 'api', counts: true }] } as unknown as Request;
  };

  it('is bounded; who has most of it loses what is oldest, and is told to know less', () => {
    const decided = createDecided(tag, 10);
    decided.add(requestOf('quiet', 'SELECT ?', NOW - 50 * DAY_MS), NOW);
    for (let i = 0; i < 30; i++) decided.add(requestOf('busy', `SELECT a${i}`, NOW - (40 - i) * DAY_MS), NOW);
    const seen = (who: string, shape: string) => decided.of(requestOf(who, shape, NOW), NOW);
    expect(seen('quiet', 'SELECT ?')).toEqual({ ...NONE, denied: 1 });
    // Nine of the thirty are kept: from 19 days ago to 11 days ago.
    expect(seen('busy', 'SELECT a29')).toEqual({ ...NONE, denied: 1, days: 20 });
    expect(seen('busy', 'SELECT a20')).toEqual({ ...NONE, days: 20 });
  });

  it('is nothing of a day of which something was dropped', () => {
    const decided = createDecided(tag, 1);
    decided.add(requestOf('a', 'SELECT 1', NOW), NOW);
    decided.add(requestOf('a', 'SELECT 2', NOW), NOW);
    expect(decided.of(requestOf('a', 'SELECT 2', NOW), NOW)).toBeNull();
    // Of others, too, once everybody has but one.
    decided.add(requestOf('b', 'SELECT 1', NOW + DAY_MS), NOW + DAY_MS);
    expect(decided.of(requestOf('b', 'SELECT 1', NOW), NOW + DAY_MS)).toMatchObject({ days: 1 });
  });

  it('does not open an earlier day again when the clock was put back', () => {
    const decided = createDecided(tag);
    for (const at of [NOW, NOW - 3 * DAY_MS, NOW]) decided.add(requestOf('a', 'SELECT 1', at), NOW);
    expect(decided.of(requestOf('a', 'SELECT 1', NOW), NOW)).toEqual({ ...NONE, denied: 3 });
  });
});
