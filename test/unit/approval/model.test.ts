// Whatever happens in whatever order, with a journal that fails now and then: what the desk shows is exactly what the log says, a
// request runs at most once and only after an approval in the log, and every wait ends once.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { apply } from '../../../src/approval/lifecycle.ts';
import type { Hold, HoldEnd, Request } from '../../../src/approval/types.ts';
import { decision, DONE, heldOf, quiet, world, type World } from './help.ts';

interface Run extends World {
  readonly holds: { readonly hold: Hold; readonly id: string; readonly session: string; ends: HoldEnd[] }[];
  readonly ids: Set<string>;
  /** Sessions that were told to run, by request. */
  readonly ran: string[];
  sessions: number;
}

type Step = (run: Run) => Promise<unknown>;

const digests = fc.constantFrom('d1', 'd2', 'd3', 'd4', 'd5');
/** Counts from the newest. */
const pick = fc.nat(3);
const at = <T>(list: readonly T[], n: number): T | undefined => list.at(-1 - (n % Math.max(list.length, 1)));

const hold = fc.tuple(digests, fc.constantFrom(0, 1000, 60_000), fc.boolean()).map(
  ([digest, wait, ticket]): Step =>
    async (run) => {
      run.sessions += 1;
      const session = `s${run.sessions}`;
      const result = await run.desk.hold(heldOf({ digest, session }, { ticket, deadline_ms: 90_000 }), wait);
      if (result.type === 'refused') return;
      run.ids.add(result.request.id);
      if (result.type === 'run') run.ran.push(result.request.id);
      if (result.type !== 'waiting') return;
      const waiter = { hold: result.hold, id: result.request.id, session, ends: [] as HoldEnd[] };
      run.holds.push(waiter);
      void result.hold.ended.then(async (end) => {
        waiter.ends.push(end);
        if (end.type !== 'approved') return;
        const mine = await run.desk.release(waiter.id, session).catch(() => false);
        if (mine) run.ran.push(waiter.id);
      });
    },
);
const decide = fc
  .tuple(pick, fc.constantFrom('approve', 'approve', 'approve', 'deny'), fc.constantFrom('aiko', 'mara', 'jonas'))
  .map(
    ([n, choice, by]): Step =>
      async ({ desk, ids }) => {
        const id = at([...ids], n);
        const digest = id === undefined ? '' : (desk.get(id)?.digest_tag ?? '');
        if (id !== undefined) await desk.decide(decision(id, { by, decision: choice, digest }));
      },
  );
const leave = fc.tuple(pick, fc.constantFrom('cancelled', 'disconnected')).map(
  ([n, why]): Step =>
    async ({ holds }) =>
      at(holds, n)?.hold.end(why),
);
const onRequest = fc.tuple(pick, fc.constantFrom('withdraw', 'finish', 'lose', 'release', 'lapse')).map(
  ([n, what]): Step =>
    async ({ desk, ids, ran }) => {
      const id = at([...ids], n);
      if (id === undefined) return;
      if (what === 'withdraw') await desk.withdraw(id, 'mara', 'no');
      if (what === 'finish') await desk.finish(id, DONE);
      if (what === 'lose') await desk.finish(id, null);
      if (what === 'lapse') await desk.lapse(id, 'a table has changed');
      if (what === 'release' && (await desk.release(id, 'other'))) ran.push(id);
    },
);
const time = fc.constantFrom(500, 1000, 30_000, 90_000, 3_600_000).map(
  (ms): Step =>
    ({ clock }) =>
      clock.advance(ms),
);
const failing = fc.constantFrom(true, false, false).map(
  (fails): Step =>
    async ({ journal }) => {
      journal.fails = () => fails;
    },
);

/** Each step alone, or started together with the one before it. */
const story = fc.array(fc.tuple(fc.oneof(hold, hold, decide, decide, leave, onRequest, time, failing), fc.boolean()), {
  minLength: 5,
  maxLength: 60,
  size: 'max',
});

test('what the desk shows is what the log says', async () => {
  const seen = { ran: 0, requests: 0, failed: 0 };
  await fc.assert(
    fc.asyncProperty(story, async (steps) => {
      const run: Run = { ...world(), holds: [], ids: new Set(), ran: [], sessions: 0 };
      const under_way: Promise<unknown>[] = [];
      for (const [step, together] of steps) {
        const done = step(run).catch(() => {
          seen.failed += 1;
        });
        under_way.push(done);
        if (together) continue;
        await done;
        await quiet();
      }
      await Promise.all(under_way);
      await quiet();
      expect(run.desk.list().toReversed()).toEqual(folded(run));
      expect(new Set(run.ran).size).toBe(run.ran.length);
      const log = run.journal.events.map(({ event }) => event);
      for (const id of run.ran) {
        const own = log.filter((event) => event.type !== 'opened' && event.id === id);
        const released = own.findIndex((event) => event.type === 'released');
        const approved = own.findIndex((event) => event.type === 'decided' && event.decision.decision === 'approve');
        expect(approved).toBeGreaterThanOrEqual(0);
        expect(released).toBeGreaterThan(approved);
      }

      // A restart with a journal that works: the same again, but for holds and what was under way.
      run.journal.fails = () => false;
      await run.clock.advance(2000);
      await run.desk.close();
      const after = world({ journal: run.journal });
      after.clock.time = run.clock.now();
      const before = run.desk.list();
      await after.desk.restore(run.journal.events.slice());
      const settled = (request: Request) => (request.state === 'released' ? { id: request.id } : request);
      const known = new Map(after.desk.list().map((request) => [request.id, request]));
      for (const request of before) expect(known.get(request.id)).toMatchObject(settled(request));
      expect(
        after.desk.list().every(({ state, holds }) => state !== 'released' && (isOver(state) || holds === 'ticket')),
      ).toBe(true);
      expect(after.desk.list().toReversed()).toEqual(folded(run));
      for (const { ends } of run.holds) expect(ends).toHaveLength(1);
      await after.desk.close();
      seen.ran += run.ran.length;
      seen.requests += before.length;
    }),
  );
  // Stories in which nothing happens would prove nothing.
  expect(seen.requests).toBeGreaterThan(100);
  expect(seen.ran).toBeGreaterThan(20);
  expect(seen.failed).toBeGreaterThan(20);
});

function folded({ journal }: World): Request[] {
  const requests = new Map<string, Request>();
  for (const { event } of journal.events) {
    const id = event.type === 'opened' ? event.request.id : event.id;
    requests.set(id, apply(requests.get(id), event));
  }
  return [...requests.values()];
}

function isOver(state: Request['state']): boolean {
  return state !== 'open' && state !== 'approved';
}
