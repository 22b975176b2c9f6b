// Asking before a statement is sent uses nothing up and ends nothing; and what a connection that waits hears is true when it hears it.
import { expect, test } from 'vitest';
import type { Permit } from '../../../src/approval/types.ts';
import { decision, heldOf, idOf, waiting, world } from './help.ts';

test('opens a ticket once; the identical statement waits on it', async () => {
  const { desk, journal } = world();
  const first = await desk.ahead(heldOf({ reason: 'soon' }));
  expect(first).toMatchObject({ type: 'pending', request: { state: 'open', holds: 'ticket', reason: 'soon' } });
  const again = await desk.ahead(heldOf({ session: 's2' }));
  const held = waiting(await desk.hold(heldOf({ session: 's3' }), 45_000));
  expect([again, held]).toMatchObject([first, { id: (first as { request: { id: string } }).request.id }]);
  expect(journal.types()).toEqual(['opened', 'held']);
});

test('finds what is approved, and leaves it to the statement', async () => {
  const { desk, journal } = world();
  const id = idOf(await desk.hold(heldOf(), 0));
  await desk.decide(decision(id));
  expect(await desk.ahead(heldOf())).toMatchObject({ type: 'pending', request: { id, state: 'approved' } });
  // Under other circumstances it is another one, and the first goes on.
  const other = await desk.ahead(heldOf({ earlier: [{ sql: 'DELETE FROM t', at: 0, outcome: 'DELETE 1' }] }));
  expect(other).toMatchObject({ type: 'pending', request: { state: 'open' } });
  expect(journal.types()).toEqual(['opened', 'decided', 'opened']);
  expect(await desk.hold(heldOf(), 45_000)).toMatchObject({ type: 'run', request: { id } });
});

test('repeats a denial, refuses as a hold does, and needs nobody where a permit covers it', async () => {
  const { desk } = world();
  const id = idOf(await desk.hold(heldOf(), 0));
  await desk.decide(decision(id, { decision: 'deny' }));
  expect(await desk.ahead(heldOf())).toMatchObject({ type: 'denied', request: { id } });
  expect(await desk.ahead(heldOf({ digest: 'd2' }, { reason: 'required' }))).toEqual({
    type: 'refused',
    why: 'reason-required',
  });
  expect(await desk.ahead(heldOf({ digest: 'd2', who: { ...heldOf().who, id: 'orphan' } }))).toEqual({
    type: 'refused',
    why: 'unsponsored',
  });
  for (const digest of ['d2', 'd3', 'd4']) await desk.ahead(heldOf({ digest }));
  expect(await desk.ahead(heldOf({ digest: 'd5' }))).toEqual({ type: 'refused', why: 'too-many', limit: 3 });

  const used: string[] = [];
  const permits = {
    ...world().permits,
    match: () => ({ id: 'PM-1' }) as Permit,
    use: async (permit: string) => {
      used.push(permit);
      return null;
    },
  };
  expect(await world({ permits }).desk.ahead(heldOf())).toEqual({ type: 'needs-none' });
  expect(used).toEqual([]);
});

test('a connection hears of an answer when its wait is longer already', async () => {
  const { desk, clock } = world();
  const { hold, id } = waiting(await desk.hold(heldOf(), 45_000, 90_000));
  const heard: [string, number][] = [];
  hold.listen({ said: (said) => heard.push([said?.text ?? '', hold.until() - clock.now()]), ended: () => {} });
  await desk.ask({ id, by: 'aiko', text: 'Who?', channel: 'api' });
  await clock.advance(40_000);
  for (const text of ['Finance', 'and nobody else'])
    await desk.answer({ id, by: 'billing-agent', text, channel: 'sql' });
  expect(heard).toEqual([
    ['Who?', 45_000],
    ['Finance', 50_000],
    ['and nobody else', 50_000],
  ]);
  await clock.advance(49_999);
  expect(desk.get(id)?.holds).toBe('held');
  await clock.advance(1);
  expect(await hold.ended).toMatchObject({ type: 'ended', why: 'waited-out' });
});
