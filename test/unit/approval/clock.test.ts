// Clocks that are set: before a start, or while the desk runs, whose own clock then goes on by the time that passes. Nothing that was agreed
// lives longer for it, nothing that ended comes back, and a sign-in is as old as the clock that dated it says.
import { expect, it } from 'vitest';
import { HouseClock } from '../../../src/compose/clock.ts';
import type { Clock, Held, Pattern, Permit } from '../../../src/approval/types.ts';
import { createPermits } from '../../../src/approval/permits.ts';
import { createDesk } from '../../../src/approval/desk.ts';
import { decision, DIRECTORY, FakeJournal, heldOf, idOf, world } from './help.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const PATTERN: Pattern = { hash: 'p1', free: [], free_parameters: [], writes: false };
const MOST = { for_ms: HOUR, uses: 10, rows: 100, writes: false };
const like = (digest: string): Held =>
  heldOf({ pattern: PATTERN, digest }, { permit: MOST, use_within_ms: 30 * MINUTE });

it.each([-3, -24 * 365])(
  'set back by %i h before a start: an approval lapses, a permit covers nothing until its time has come',
  async (hours) => {
    const { desk, journal, permits, clock } = world();
    const id = idOf(await desk.hold(like('d1'), 0));
    await desk.decide(decision(id, { permit: { for_ms: HOUR, uses: 10, rows: 100 } }));
    const permit = permits.list()[0] as Permit;
    expect((await desk.hold(like('d2'), 0)).type).toBe('permitted');

    const after = world({ journal });
    after.clock.time = clock.now() + hours * HOUR;
    await after.permits.restore(journal.permitEvents.slice());
    await after.desk.restore(journal.events.slice());
    expect(after.desk.get(id)?.state).toBe('lapsed');
    expect(journal.events.at(-1)?.event).toMatchObject({
      type: 'lapsed',
      why: 'the clock was set back to before its approval',
    });
    expect((await after.desk.hold(like('d3'), 0)).type).toBe('pending');
    // Its own hour, and no other.
    after.clock.time = permit.granted;
    expect((await after.desk.hold(like('d4'), 0)).type).toBe('permitted');
    after.clock.time = permit.until;
    expect((await after.desk.hold(like('d5'), 0)).type).toBe('pending');
  },
);

it('set back by what clocks differ by anyway, an approval and a permit stay', async () => {
  const { desk, journal, clock } = world();
  const id = idOf(await desk.hold(like('d1'), 0));
  await desk.decide(decision(id, { permit: { for_ms: HOUR, uses: 10, rows: 100 } }));
  const after = world({ journal });
  after.clock.time = clock.now() - 1500;
  await after.permits.restore(journal.permitEvents.slice());
  await after.desk.restore(journal.events.slice());
  expect(after.desk.get(id)?.state).toBe('approved');
  expect((await after.desk.hold(like('d2'), 0)).type).toBe('permitted');
});

/** A desk on the house's clock, and the machine's clock, which is set. */
const housed = () => {
  const machine = { wall: Date.UTC(2026, 0, 5, 14), mono: 0 };
  const house = new HouseClock({ wall: () => machine.wall, mono: () => machine.mono, up: () => machine.mono });
  // Timers are not what is tried here: what is due is found by whoever comes.
  const clock: Clock = { now: () => house.now(), wall: () => house.wall(), after: () => () => {} };
  const journal = new FakeJournal();
  const permits = createPermits({ journal, clock, directory: DIRECTORY });
  const desk = createDesk({
    journal,
    clock,
    directory: DIRECTORY,
    permits,
    tag: (digest) => `tag-${digest}`,
    requests_open_per_principal_max: 9,
    unsponsored: 'refuse',
  });
  const pass = (ms: number): void => {
    machine.wall += ms;
    machine.mono += ms;
    house.now();
  };
  return { machine, journal, permits, desk, pass };
};

it.each([5, -5, 9000, -9000])(
  'set by %i h while it runs: requests, approvals, denials and permits go on by the time that passes',
  async (hours) => {
    const { machine, desk, permits, pass } = housed();
    const open = idOf(await desk.hold(heldOf({ digest: 'open' }), 0));
    const approved = idOf(await desk.hold(like('approved'), 0));
    await desk.decide(decision(approved, { digest: 'tag-approved', permit: { for_ms: HOUR, uses: 10, rows: 100 } }));
    const denied = idOf(await desk.hold(heldOf({ digest: 'denied' }), 0));
    await desk.decide(decision(denied, { digest: 'tag-denied', decision: 'deny' }));

    machine.wall += hours * HOUR;
    pass(10 * MINUTE);
    expect(desk.get(open)?.state).toBe('open');
    expect((await desk.hold(heldOf({ digest: 'open' }), 0)).type).toBe('pending');
    expect((await desk.hold(heldOf({ digest: 'denied' }), 0)).type).toBe('denied');
    expect((await desk.hold(like('other'), 0)).type).toBe('permitted');
    expect(permits.list({ state: 'in-force' })).toHaveLength(1);
    // 15, 30 and 60 minutes, give or take a twentieth.
    pass(6 * MINUTE);
    await desk.withdraw(open, 'nobody', '');
    expect(desk.get(open)?.state).toBe('expired');
    pass(16 * MINUTE);
    expect(await desk.release(approved, 's1')).toBe(false);
    expect(desk.get(approved)?.state).toBe('lapsed');
    pass(35 * MINUTE);
    expect(permits.list({ state: 'in-force' })).toEqual([]);
    expect((await desk.hold(like('another'), 0)).type).toBe('pending');
  },
);

it.each([5, -5])('set by %i h while it runs: a sign-in is as old as the clock says that dated it', async (hours) => {
  const { machine, desk, pass } = housed();
  const step_up = { within_ms: 10 * MINUTE, factor: null, acr: [] };
  const id = idOf(await desk.hold(heldOf({}, { step_up }), 0));
  const signed_in = () => ({ at: machine.wall, by: ['local'], acr: null });
  const before = signed_in();
  machine.wall += hours * HOUR;
  pass(1000);
  expect(await desk.decide(decision(id, { signed_in: before }))).toMatchObject({ type: 'refused', why: 'step-up' });
  expect(await desk.decide(decision(id, { signed_in: signed_in() }))).toMatchObject({ type: 'counted' });
});
