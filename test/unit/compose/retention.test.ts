// What retention must leave, asked of a real desk: records of what lives, and of events that a webhook has not had; and what the desk still
// claims to know after a start that found records removed.
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { needs } from '../../../src/compose/retention.ts';
import type { HookHealth } from '../../../src/review/webhooks/hook.ts';
import { decision, heldOf, idOf, world } from '../approval/help.ts';

const NO_PERMITS = { get: () => undefined, state: () => 'in-force' as const };
const hook = (state: HookHealth['state'], cursor: number): HookHealth => ({
  name: 'chat',
  state,
  cursor,
  failing: null,
  dead: 0,
});

it('records of an open request, of an approval that is not used, and of a denial that stands', async () => {
  const { desk, clock } = world();
  const needed = needs(desk, NO_PERMITS, () => []);
  const why = (id: string, type = 'request.held') => needed({ seq: 1, type, clear: { id } });
  const id = idOf(await desk.hold(heldOf({ digest: 'd1' }), 0));
  expect(why(id)).toBe(`request ${id} is open`);
  expect(needed({ seq: 1, type: 'request.opened', clear: { request: { id } } })).toBe(`request ${id} is open`);
  await desk.decide(decision(id, { digest: desk.get(id)?.digest_tag ?? '' }));
  expect(why(id)).toBe(`request ${id} is approved`);
  const other = idOf(await desk.hold(heldOf({ digest: 'd2' }), 0));
  await desk.decide(decision(other, { digest: desk.get(other)?.digest_tag ?? '', decision: 'deny' }));
  expect(why(other)).toBe(`the denial of ${other} still stands`);
  await clock.advance(365 * 24 * 3_600_000);
  expect([why(other), why(id), why('HP-00000000'), why(other, 'policy.loaded')]).toEqual([null, null, null, null]);
});

it('records that a webhook has not had, unless its receiver is gone for good', () => {
  const { desk } = world();
  const why = (hooks: readonly HookHealth[]) =>
    needs(desk, NO_PERMITS, () => hooks)({ seq: 9, type: 'policy.loaded', clear: {} });
  expect(why([hook('working', 8)])).toBe('webhook chat has not had it');
  expect(why([hook('failing', 8)])).toBe('webhook chat has not had it');
  expect(why([hook('working', 9), hook('gone', 1)])).toBeNull();
});

it('of requests that may have been removed the desk does not say how often they were approved before', async () => {
  const tag = (value: string) => createHash('sha256').update(value).digest('hex');
  const at = world({ tag });
  const now = at.clock.now();
  await at.desk.restore([], now);
  const id = idOf(await at.desk.hold(heldOf({ digest: 'd1' }), 0));
  expect(at.desk.get(id)?.before).toBeNull();
});
