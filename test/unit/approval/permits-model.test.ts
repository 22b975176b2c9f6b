// Permits in any order of events, with a journal that fails now and then: what is in memory is what the log says, no permit is used more often or
// longer than agreed, nor after its revocation or by somebody else, and whoever was told to run has a record of its own.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPermits } from '../../../src/approval/permits.ts';
import type { Held, Outcome, Pattern, PermitEvent, PermitUse, Request } from '../../../src/approval/types.ts';
import { directoryOf, DONE, FakeClock, FakeJournal, heldOf, person, quiet } from './help.ts';

const DIRECTORY = directoryOf(
  [person('aiko'), person('mara'), person('adam', { roles: ['admin'] })],
  [
    { id: 'billing-agent', sponsor: 'mara', aliases: [], people: [] },
    { id: 'other-agent', sponsor: 'mara', aliases: [], people: [] },
  ],
);
const MOST = { for_ms: 10_000, uses: 4, rows: 100, writes: false };
const RUNS = 400;

const heldBy = (principal: string, hash: string, rule: string): Held => {
  const pattern: Pattern = { hash, free: [], free_parameters: [], writes: false };
  return heldOf({ pattern, rule, who: { ...heldOf().who, id: principal } }, { permit: MOST });
};
const held = fc
  .record({
    principal: fc.constantFrom('billing-agent', 'billing-agent', 'billing-agent', 'other-agent'),
    hash: fc.constantFrom('p1', 'p1', 'p2'),
    rule: fc.constantFrom('exports', 'exports', 'exports', 'code'),
  })
  .map(({ principal, hash, rule }) => heldBy(principal, hash, rule));
const step = fc.oneof(
  fc.record({
    do: fc.constant('grant' as const),
    held,
    uses: fc.integer({ min: 1, max: 4 }),
    for_ms: fc.integer({ min: 2000, max: 10_000 }),
  }),
  {
    arbitrary: fc.record({ do: fc.constant('use' as const), held, at_once: fc.integer({ min: 1, max: 6 }) }),
    weight: 4,
  },
  fc.record({ do: fc.constant('end' as const), which: fc.nat(9), known: fc.boolean() }),
  fc.record({
    do: fc.constant('revoke' as const),
    which: fc.nat(3),
    by: fc.constantFrom('aiko', 'mara', 'adam', 'nobody'),
  }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 2000 }) }),
  fc.record({ do: fc.constant('fail' as const), fails: fc.constantFrom(true, false, false, false) }),
);

test('permits are what the log says, and go no farther', async () => {
  const seen = { used: 0, refused: 0, revoked: 0, granted: 0, failed: 0 };
  const property = fc.asyncProperty(
    fc.array(fc.tuple(step, fc.boolean()), { minLength: 5, maxLength: 40 }),
    async (steps) => {
      const clock = new FakeClock();
      const journal = new FakeJournal();
      const permits = createPermits({ journal, clock, directory: DIRECTORY });
      const running: { id: string; use: PermitUse }[] = [];
      const heard: PermitEvent[] = [];
      permits.subscribe((_, event) => heard.push(event));

      const requestOf = (one: Held, n: number): Request =>
        ({
          ...one,
          id: `HP-${n}`,
          decisions: [{ decision: 'approve', counts: true, by: 'aiko', instead_of: null, rationale: 'x' }],
        }) as unknown as Request;
      const use = async (one: Held): Promise<void> => {
        const permit = permits.match(one);
        if (permit === undefined) return void (seen.refused += 1);
        const granted = { hash: permit.pattern.hash, who: permit.who.id, rule: permit.rule };
        expect(granted).toEqual({ hash: one.pattern?.hash, who: one.who.id, rule: one.rule });
        const before = clock.now();
        const got = await permits.use(permit.id, one);
        if (got === null) return;
        seen.used += 1;
        expect(permits.get(permit.id)?.until).toBeGreaterThan(before);
        running.push({ id: permit.id, use: got });
      };
      const act = async ([what]: (typeof steps)[number]): Promise<void> => {
        switch (what.do) {
          case 'grant':
            await permits.grant(requestOf(what.held, ++seen.granted), {
              for_ms: what.for_ms,
              uses: what.uses,
              rows: 10,
            });
            return;
          case 'use':
            await Promise.all(Array.from({ length: what.at_once }, () => use(what.held)));
            return;
          case 'end': {
            const one = running[what.which];
            const outcome: Outcome | null = what.known ? DONE : null;
            if (one) await permits.useEnded(one.id, one.use.use, outcome);
            return;
          }
          case 'revoke': {
            const permit = permits.list()[what.which];
            if (permit && (await permits.revoke(permit.id, what.by, '')) === 'ok') seen.revoked += 1;
            return;
          }
          case 'wait':
            await clock.advance(what.ms);
            return;
          case 'fail':
            journal.failsOfPermit = () => what.fails;
        }
      };
      await act([{ do: 'grant', held: heldBy('billing-agent', 'p1', 'exports'), uses: 4, for_ms: 10_000 }, false]);
      const under_way: Promise<void>[] = [];
      for (const one of steps) {
        const done = act(one).catch((error: unknown) => {
          if (!(error instanceof Error) || error.message !== 'disk full') throw error;
          seen.failed += 1;
        });
        under_way.push(done);
        if (!one[1]) await done;
      }
      await Promise.all(under_way);
      await quiet();

      // Everybody hears what the log has, in its order.
      const log = journal.permitEvents.map(({ event }) => event);
      expect(heard.map(({ type }) => type)).toEqual(log.map(({ type }) => type));
      const restored = createPermits({ journal, clock, directory: DIRECTORY });
      await restored.restore(journal.permitEvents);
      expect(restored.list()).toEqual(permits.list());
      // Counted anew, from the log alone.
      for (const permit of permits.list()) {
        const its = log.filter((event) => event.type !== 'permit_granted' && event.id === permit.id);
        const uses = its.flatMap((event) => (event.type === 'permit_used' ? [event] : []));
        expect(uses.map((event) => event.use)).toEqual(uses.map((_, index) => index + 1));
        expect(uses.length).toBeLessThanOrEqual(permit.uses);
        expect(permit.taken).toBe(uses.length);
        const revoked = its.findIndex(({ type }) => type === 'permit_revoked');
        expect(its.slice(revoked + 1).some(({ type }) => revoked >= 0 && type === 'permit_used')).toBe(false);
        const ran = running.filter(({ id }) => id === permit.id).map(({ use: one }) => one.use);
        expect(new Set(ran).size).toBe(ran.length);
        for (const one of ran) expect(uses.some((event) => event.use === one && event.at < permit.until)).toBe(true);
      }
    },
  );
  await fc.assert(property, { numRuns: RUNS });
  console.log('stories of permits:', seen);
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(20);
});
