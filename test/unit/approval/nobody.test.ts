// Nobody there: the time for it counts only while nobody who may decide is connected, and what else is due is not forgotten over it.
import { expect, test } from 'vitest';
import { decision, directoryOf, heldOf, idOf, person, waiting, world } from './help.ts';

const WAIT = 45_000;
const GROUPS = { dba: ['dba'], sre: ['sre'] };
const TOWN = directoryOf(
  [person('aiko', { groups: ['dba'] }), person('otto', { groups: ['sre'] })],
  [{ id: 'billing-agent', sponsor: 'mara', aliases: [], people: [] }],
  GROUPS,
);

test('who may decide since an escalation and was there all the while is not nobody', async () => {
  const { desk, clock } = world({ directory: TOWN, present: () => ['otto'] });
  const ask = { of: ['dba'], nobody_ms: 60_000, escalate: { after_ms: 30_000, to: ['sre'] } };
  const id = idOf(await desk.hold(heldOf({}, ask), 0));
  await clock.advance(120_000);
  expect(desk.get(id)).toMatchObject({ state: 'open', escalated: clock.now() - 90_000 });
  expect(await desk.decide(decision(id, { by: 'otto' }))).toMatchObject({ type: 'counted' });
});

test('a record that the journal refused is tried again though reviewers come and go', async () => {
  let present: readonly string[] = [];
  const { desk, journal, clock } = world({ directory: TOWN, present: () => present });
  const { hold, id } = waiting(await desk.hold(heldOf({}, { nobody_ms: 600_000, ticket: false }), WAIT));
  journal.fails = () => true;
  await expect(hold.end('disconnected')).rejects.toThrow('disk full');
  journal.fails = () => false;
  present = ['aiko'];
  desk.presence();
  await clock.advance(1000);
  expect(desk.get(id)?.state).toBe('withdrawn');
});

test('an answer lets nobody wait beyond the deadline', async () => {
  const { desk, clock } = world();
  const { id } = waiting(await desk.hold(heldOf({}, { deadline_ms: 60_000 }), WAIT));
  await clock.advance(30_000);
  await desk.hold(heldOf({ session: 's2' }, { deadline_ms: 60_000 }), WAIT);
  await desk.answer({ id, by: 'mara', text: 'why', channel: 'api' });
  expect(desk.get(id)).toMatchObject({ state: 'open' });
  expect(desk.get(id)?.wait_until).toBe(desk.get(id)?.deadline);
});
