// What was shown is another now: the next revision of a request, decided anew. And what was let through and never sent: approved as before. In both,
// what was decided counts for exactly what it was decided on, and for no more than one run.
import { describe, expect, test } from 'vitest';
import { REVISIONS_MAX } from '../../../src/approval/desk.ts';
import type { Held } from '../../../src/approval/types.ts';
import { decision, DIRECTORY, heldOf, idOf, quiet, waiting, world } from './help.ts';

const WAIT = 45_000;
const HOUR = 3_600_000;
const MEANS_OTHERWISE = 'what its names stand for is something else now';
const other = (more: Partial<Held> = {}): Held => heldOf({ digest: 'd2', ...more });

describe('the catalog could not be looked at', () => {
  test('what was approved before does not run, and stays approved; what was not is asked for', async () => {
    const { desk } = world();
    const id = idOf(await desk.hold(heldOf(), 0, Infinity, false));
    expect(desk.get(id)?.state).toBe('open');
    await desk.decide(decision(id));
    expect(await desk.hold(heldOf(), 0, Infinity, false)).toEqual({ type: 'refused', why: 'catalog-down' });
    expect(await desk.hold(heldOf(), WAIT, Infinity, false)).toEqual({ type: 'refused', why: 'catalog-down' });
    expect(desk.get(id)?.state).toBe('approved');
    expect(await desk.hold(heldOf(), 0)).toMatchObject({ type: 'run', request: { id } });
  });

  test('no permit covers it either', async () => {
    const { desk } = world();
    const pattern = { hash: 'p', free: [], free_parameters: [], writes: false };
    const permit = { for_ms: HOUR, uses: 5, rows: 10, writes: false };
    const id = idOf(await desk.hold(heldOf({ pattern }, { permit }), 0));
    await desk.decide(decision(id, { permit: { for_ms: HOUR, uses: 5, rows: 10 } }));
    await desk.lapse(id, 'it was used');
    const like = heldOf({ pattern, digest: 'd3' }, { permit });
    expect(await desk.hold(like, 0, Infinity, false)).toEqual({ type: 'refused', why: 'catalog-down' });
    expect(await desk.hold(like, 0)).toMatchObject({ type: 'permitted', use: 1 });
  });
});

describe('found at the release', () => {
  const approved = async (w = world()) => {
    const { hold, id } = waiting(await w.desk.hold(heldOf(), WAIT));
    await w.desk.decide(decision(id));
    expect((await hold.ended).type).toBe('approved');
    return { ...w, hold, id };
  };

  test('it is open again, its decisions are void, and its connection waits as long as before', async () => {
    const { desk, clock, journal, hold, id } = await approved();
    const before = desk.get(id);
    const told: unknown[] = [];
    hold.listen({ said: (said) => told.push(said), ended: () => {} });
    await clock.advance(1000);
    const findings = [{ action: 'write', object: 'public.cards', why: '', statement: 0, start: 0, end: 4 }] as const;
    expect(await desk.change(id, other({ findings }))).toEqual({ type: 'changed', revision: 2 });
    expect(desk.get(id)).toMatchObject({
      state: 'open',
      revision: 2,
      decisions: [],
      use_until: null,
      findings,
      digest_tag: 'tag-d2',
      changed: { at: clock.now(), why: MEANS_OTHERWISE },
      opened: before?.opened,
      deadline: before?.deadline,
      wait_until: before?.wait_until,
    });
    expect(told).toEqual([null]);
    // Who decides on what was shown before decides nothing.
    expect(await desk.decide(decision(id, { by: 'ines' }))).toMatchObject({ why: 'changed' });
    expect(await desk.decide(decision(id, { by: 'ines', digest: 'tag-d2' }))).toMatchObject({ why: 'changed' });
    expect(await desk.release(id, 's1')).toBe(false);
    const again = hold.ended;
    await desk.decide(decision(id, { digest: 'tag-d2', revision: 2 }));
    expect((await again).type).toBe('approved');
    expect(await desk.release(id, 's1', 1)).toBe(false);
    expect(await desk.release(id, 's1', 2)).toBe(true);
    expect(journal.types()).toEqual(['opened', 'decided', 'changed', 'decided', 'released']);
  });

  test('what is another is named: bodies, the role, the search_path', async () => {
    const of = (hash: string, name: string) => `${hash} ${name}`;
    const body = (name: string) => [of('h1', `function ${name}`), of('h1', 'view public.v')];
    const cases: readonly (readonly [Partial<Held>, Partial<Held>, string])[] = [
      [{ bodies: body('f') }, { bodies: body('f') }, MEANS_OTHERWISE],
      [{ bodies: body('f') }, { bodies: body('g') }, `${MEANS_OTHERWISE}: function f, function g`],
      [{}, { bodies: [of('h2', 'trigger t on "a b".c')] }, `${MEANS_OTHERWISE}: trigger t on "a b".c`],
      [
        { bodies: [of('h1', 'view a'), of('h1', 'view b'), of('h1', 'view c')] },
        { bodies: [of('h2', 'view a'), of('h2', 'view b'), of('h1', 'view d')] },
        `${MEANS_OTHERWISE}: view a, view b, view c and 1 more`,
      ],
      [{}, { bodies: [of('h1', `view ${'x'.repeat(200)}\n\u202e`)] }, `${MEANS_OTHERWISE}: view ${'x'.repeat(72)}...`],
      [{}, { bodies: [of('h1', 'view v\u202e')] }, `${MEANS_OTHERWISE}: view v<U+202E>`],
      [{ role: 'a' }, { role: 'b', bodies: body('f') }, 'the role that it runs as is another now'],
      [{ search_path: 'a' }, { search_path: 'b', bodies: body('f') }, 'the search_path is another now'],
    ];
    for (const [before, now, why] of cases) {
      const { desk } = world();
      const id = idOf(await desk.hold(heldOf(before), WAIT));
      await desk.decide(decision(id));
      await desk.change(id, other({ ...before, ...now }));
      expect(desk.get(id)?.changed?.why).toBe(why);
    }
  });

  test('its time is not put off: it is a ticket when its wait is over', async () => {
    const { desk, clock, hold, id } = await approved();
    await clock.advance(WAIT - 1);
    await desk.change(id, other());
    const ended = hold.ended;
    await clock.advance(1);
    expect(await ended).toMatchObject({ type: 'ended', why: 'waited-out' });
    expect(desk.get(id)).toMatchObject({ state: 'open', holds: 'ticket', revision: 2 });
  });

  test('the identical statement finds it by what it is now, and not by what it was; also after a restart', async () => {
    const { desk, journal, hold, id } = await approved();
    await desk.change(id, other());
    expect(idOf(await desk.hold(other({ session: 's2' }), 0))).toBe(id);
    expect(idOf(await desk.hold(heldOf({ session: 's3' }), 0))).not.toBe(id);
    await hold.end('disconnected');
    const after = world();
    await after.desk.restore(journal.events.slice());
    expect(after.desk.get(id)).toEqual(desk.get(id));
    await after.desk.decide(decision(id, { digest: 'tag-d2', revision: 2 }));
    expect(await after.desk.hold(other({ session: 's4' }), 0)).toMatchObject({ type: 'run', request: { id } });
  });

  test('a decision that comes in the same moment does not count for it', async () => {
    const { desk, id } = await approved(world());
    const results = await Promise.all([desk.change(id, other()), desk.decide(decision(id, { by: 'ines' }))]);
    expect(results[1]).toMatchObject({ type: 'refused', why: 'changed' });
    expect(desk.get(id)).toMatchObject({ state: 'open', revision: 2, decisions: [] });
  });

  test('what waited for the lock of the digest that it had works on what it is now', async () => {
    const { desk, id } = await approved();
    const results = await Promise.all([desk.change(id, other()), desk.withdraw(id, 'mara', 'no')]);
    expect(results[1]).toBe('ok');
    expect(desk.get(id)).toMatchObject({ state: 'withdrawn', revision: 2 });
  });

  test('changes of two requests into what the other one was do not wait for each other', async () => {
    const w = world();
    const [one, two] = await Promise.all([approvedOf(w, 'd1'), approvedOf(w, 'd2')]);
    const results = await Promise.all([
      w.desk.change(one, heldOf({ digest: 'd2' })),
      w.desk.change(two, heldOf({ digest: 'd1' })),
    ]);
    // Whoever was first found the other one there, so that it ended; then there was room.
    expect(results.map(({ type }) => type)).toEqual(['lapsed', 'changed']);
  });

  test('another connection that finds the same runs it', async () => {
    const before = world();
    const first = waiting(await before.desk.hold(heldOf(), WAIT));
    const second = waiting(await before.desk.hold(heldOf({ session: 's2' }), WAIT));
    await before.desk.decide(decision(first.id));
    const w = { ...before, ...first };
    await w.desk.change(w.id, other());
    await w.desk.decide(decision(w.id, { digest: 'tag-d2', revision: 2 }));
    await w.hold.end('disconnected');
    expect((await second.hold.ended).type).toBe('approved');
    expect(await w.desk.change(w.id, other({ session: 's2' }))).toEqual({ type: 'same', revision: 2 });
    expect(await w.desk.release(w.id, 's2', 2)).toBe(true);
  });

  test('what has a request of its own, or was denied as such, ends it', async () => {
    for (const denied of [false, true]) {
      const w = await approved();
      const own = idOf(await w.desk.hold(other({ session: 's2' }), 0));
      if (denied) await w.desk.decide(decision(own, { decision: 'deny', digest: 'tag-d2' }));
      expect(await w.desk.change(w.id, other())).toEqual({ type: 'lapsed', why: MEANS_OTHERWISE });
      expect(w.desk.get(w.id)?.state).toBe('lapsed');
    }
  });

  test(`it ends when it is another for the ${REVISIONS_MAX}th time`, async () => {
    const { desk, id } = await approved();
    for (let revision = 2; revision <= REVISIONS_MAX; revision++) {
      expect(await desk.change(id, heldOf({ digest: `d${revision}` }))).toEqual({ type: 'changed', revision });
      await desk.decide(decision(id, { digest: `tag-d${revision}`, revision }));
    }
    expect((await desk.change(id, heldOf({ digest: 'dx' }))).type).toBe('lapsed');
  });

  test('one that is not on record has not happened', async () => {
    const { desk, journal, hold, id } = await approved();
    journal.fails = ({ type }) => type === 'changed';
    await expect(desk.change(id, other())).rejects.toThrow('disk full');
    expect(desk.get(id)).toMatchObject({ state: 'approved', revision: 1, digest: 'd1' });
    await hold.end('disconnected');
    expect(await desk.hold(heldOf({ session: 's2' }), 0)).toMatchObject({ type: 'run', request: { id } });
  });

  test('an estimate of what it was is none of what it is', async () => {
    const { desk, id } = await approved();
    const seen = { rows: [], tables: [], notes: ['all'] };
    await desk.change(id, other());
    expect(await desk.impact(id, seen, 1)).toBe(false);
    expect(await desk.impact(id, seen, 2)).toBe(true);
  });
});

const approvedOf = async ({ desk }: ReturnType<typeof world>, digest: string): Promise<string> => {
  const { hold, id } = waiting(await desk.hold(heldOf({ digest, session: digest }), WAIT));
  await desk.decide(decision(id, { digest: `tag-${digest}` }));
  await hold.ended;
  return id;
};

describe('sent again under other circumstances', () => {
  const after = (sql: string, session = 's1'): Held =>
    heldOf({ session, in_transaction: true, earlier: [{ sql, at: 1, outcome: 'X' }] });

  test('a ticket that nobody has decided is the next revision of the same request', async () => {
    const { desk, journal } = world();
    const id = idOf(await desk.hold(after('a'), 0));
    await desk.ask({ id, by: 'aiko', text: 'Who?', channel: 'api' });
    expect(idOf(await desk.hold(after('b'), WAIT))).toBe(id);
    expect(desk.get(id)).toMatchObject({
      state: 'open',
      revision: 2,
      earlier: [{ sql: 'b' }],
      changed: { why: 'the earlier statements of the transaction are others now' },
      said: [{ text: 'Who?' }],
    });
    expect(journal.types()).toEqual(['opened', 'asked', 'changed', 'held']);
  });

  test('approvals of a quorum that is not complete are void', async () => {
    const { desk } = world();
    const id = idOf(await desk.hold(heldOf({}, { count: 2 }), 0));
    await desk.decide(decision(id));
    await desk.hold(heldOf({ rule: 'personal-data' }, { count: 2 }), 0);
    await desk.decide(decision(id, { by: 'ines', revision: 2 }));
    expect(desk.get(id)).toMatchObject({ state: 'open', revision: 2, rule: 'personal-data' });
    await desk.decide(decision(id, { revision: 2 }));
    expect(desk.get(id)?.state).toBe('approved');
  });

  test('while a connection waits, a new policy changes it for all; another transaction has a request of its own', async () => {
    const { desk } = world();
    const first = waiting(await desk.hold(heldOf(), WAIT));
    const told: unknown[] = [];
    first.hold.listen({ said: (said) => told.push(said), ended: () => {} });
    const stricter = heldOf({ session: 's2', rule: 'personal-data', policy: 'cafe' });
    expect(idOf(await desk.hold(stricter, WAIT))).toBe(first.id);
    expect(told).toEqual([null]);
    expect(
      idOf(await desk.hold({ ...stricter, session: 's3', earlier: [{ sql: 'x', at: 1, outcome: '' }] }, 0)),
    ).not.toBe(first.id);
  });

  test('what a rule wants a reason for is not changed without one', async () => {
    const { desk } = world();
    const id = idOf(await desk.hold(heldOf(), 0));
    const wanting = heldOf({ rule: 'personal-data' }, { reason: 'required' });
    expect(await desk.hold(wanting, 0)).toEqual({ type: 'refused', why: 'reason-required' });
    expect(desk.get(id)?.revision).toBe(1);
  });

  test('it counts once among its principal’s open requests', async () => {
    const { desk } = world();
    for (const sql of ['a', 'b', 'c', 'd']) await desk.hold(after(sql), 0);
    expect(desk.list({ state: 'open' })).toHaveLength(1);
    for (const digest of ['d2', 'd3']) expect((await desk.hold(heldOf({ digest }), 0)).type).toBe('pending');
    expect((await desk.hold(heldOf({ digest: 'd4' }), 0)).type).toBe('refused');
  });
});

describe('let through and never sent', () => {
  const released = async (ask: Partial<Held['ask']> = {}, w = world()) => {
    const id = idOf(await w.desk.hold(heldOf({}, ask), 0));
    await w.desk.decide(decision(id));
    expect((await w.desk.hold(heldOf({ session: 's2' }, ask), 0)).type).toBe('run');
    return { ...w, id };
  };

  test('it can be used again, once, by the identical statement', async () => {
    const { desk, journal, id } = await released();
    await desk.giveBack(id, 's2');
    expect(desk.get(id)).toMatchObject({ state: 'approved', holds: 'ticket' });
    const runs = await Promise.all([desk.hold(heldOf({ session: 's3' }), 0), desk.hold(heldOf({ session: 's4' }), 0)]);
    expect(runs.map(({ type }) => type)).toEqual(['run', 'pending']);
    expect(journal.types()).toEqual(['opened', 'decided', 'released', 'returned', 'released', 'opened']);
  });

  test('the connection that held it is gone: it is a ticket, or nothing where its rule leaves none', async () => {
    for (const ticket of [true, false]) {
      const { desk } = world();
      const { hold, id } = waiting(await desk.hold(heldOf({}, { ticket }), WAIT));
      await desk.decide(decision(id));
      await hold.ended;
      await desk.release(id, 's1');
      await desk.giveBack(id, 's1');
      expect(desk.get(id)).toMatchObject(ticket ? { state: 'approved', holds: 'ticket' } : { state: 'lapsed' });
    }
  });

  test('not beyond its time', async () => {
    const { desk, clock, id } = await released();
    await clock.advance(2 * HOUR);
    await desk.giveBack(id, 's2');
    await quiet();
    expect(desk.get(id)?.state).toBe('lapsed');
  });

  test('not what was run by break-glass', async () => {
    const { desk } = world({ directory: { ...DIRECTORY, member: () => true } });
    const held = heldOf({ who: { ...heldOf().who, id: 'mara' }, break_glass: { reason: 'fire', of: ['ops'] } });
    const id = idOf(await desk.hold(held, 0));
    await desk.giveBack(id, 's1');
    expect(desk.get(id)).toMatchObject({ state: 'failed', outcome: { sqlstate: '08006' } });
  });

  test('it goes before another one that was opened meanwhile', async () => {
    const { desk, id } = await released();
    const second = idOf(await desk.hold(heldOf({ session: 's3' }), 0));
    expect(second).not.toBe(id);
    await desk.giveBack(id, 's2');
    expect(await desk.hold(heldOf({ session: 's4' }), 0)).toMatchObject({ type: 'run', request: { id } });
  });

  test('only what was released', async () => {
    const { desk, id } = await released();
    await desk.finish(id, null);
    await expect(desk.giveBack(id, 's2')).rejects.toThrow('illegal');
  });
});
