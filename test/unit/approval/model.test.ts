// Whatever happens in whatever order, with a journal that fails now and then, people who come, go, change groups and change their minds:
// what the desk shows is exactly what the log says; a request runs at most once, and only after enough approvals by people who may give
// them, counted anew from the log (recount.ts), or by break-glass; every wait ends once, and on time.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { apply } from '../../../src/approval/lifecycle.ts';
import type { ApprovalEvent, Hold, HoldEnd, Request } from '../../../src/approval/types.ts';
import { decision, DONE, FakeClock, FakeJournal, quiet, world, type World } from './help.ts';
import { type Recounted, recount } from './recount.ts';
import { DBAS, EVERYBODY, type Facts, statement, Town } from './town.ts';

/** Before the desk tries again what the clock caused and the journal refused. */
const RETRY_MS = 1000;
const ANSWER_ADDS_MS = 60_000;

/** Remembers who everybody was when an event was handed to it, and when it failed. */
class Journal extends FakeJournal {
  readonly facts: Facts[] = [];
  readonly #town: Town;
  readonly #clock: FakeClock;
  failed_until = -Infinity;

  constructor(clock: FakeClock, town: Town) {
    super();
    this.#clock = clock;
    this.#town = town;
  }

  override async append(event: ApprovalEvent): Promise<number> {
    const { facts } = this.#town;
    const seq = await super.append(event).catch((error: unknown) => {
      this.failed_until = this.#clock.now();
      throw error;
    });
    this.facts[seq - 1] = facts;
    return seq;
  }
}

interface Wait {
  readonly hold: Hold;
  readonly id: string;
  readonly session: string;
  readonly until: number;
  /** Of the journal, when the wait began. */
  readonly since: number;
  readonly ends: { readonly end: HoldEnd; readonly at: number; readonly until: number }[];
}

interface Run extends Omit<World, 'permits'> {
  readonly journal: Journal;
  readonly town: Town;
  readonly holds: Wait[];
  readonly ids: Set<string>;
  /** Requests that a session was told to run. */
  readonly ran: string[];
  sessions: number;
  /** The clock is moved by one at a time. */
  moving: Promise<void>;
}

type Step = (run: Run) => Promise<unknown>;

/** So that a story that fails can be read. */
const told = <T>(what: string, of: (given: T) => Step): ((given: T) => Step) => {
  return (given) => Object.assign(of(given), { [fc.toStringMethod]: () => `${what} ${JSON.stringify(given)}` });
};

const digests = fc.constantFrom('d1', 'd2', 'd3', 'd4', 'd5', 'd6');
const anybody = fc.constantFrom(...EVERYBODY);
/** Counts from the newest. */
const pick = fc.nat(3);
const at = <T>(list: readonly T[], n: number): T | undefined => list.at(-1 - (n % Math.max(list.length, 1)));
/** One time in so many. */
const rarely = (times: number) => fc.nat(times - 1).map((n) => n === 0);

const hold = fc
  .record({
    digest: digests,
    wait: fc.constantFrom(0, 1000, 60_000),
    longest: fc.constantFrom(Infinity, 70_000),
    ticket: fc.boolean(),
    stricter: rarely(8),
    glass: rarely(6),
    means: fc.constantFrom(null, null, 'other', 'same'),
  })
  .map(
    told('hold', ({ digest, wait, longest, ticket, stricter, glass, means }) => async (run) => {
      run.sessions += 1;
      const session = `s${run.sessions}`;
      const held = statement(digest, session, { ticket, stricter });
      const break_glass = glass ? { reason: 'it burns', of: ['oncall'] } : null;
      const result = await run.desk.hold({ ...held, break_glass }, wait, longest);
      if (result.type === 'refused' || result.type === 'permitted') return;
      run.ids.add(result.request.id);
      if (result.type === 'run') run.ran.push(result.request.id);
      if (result.type !== 'waiting') return;
      const since = run.journal.events.length;
      const waited: Wait = {
        hold: result.hold,
        id: result.request.id,
        session,
        until: result.hold.until(),
        since,
        ends: [],
      };
      run.holds.push(waited);
      // What its names stand for may be something else at the release, once or each time.
      let mine: { digest: string; revision: number } = { digest, revision: result.request.revision };
      const onEnd = async (end: HoldEnd): Promise<void> => {
        if (end.type === 'approved' && means !== null && run.sessions % 3 > 0) {
          const now = means === 'other' ? `${digest} ${run.sessions}` : digest;
          const found = await run.desk.change(waited.id, { ...held, digest: now }).catch(() => null);
          if (found?.type === 'changed' || found?.type === 'same') mine = { digest: now, revision: found.revision };
          if (found?.type === 'changed') return void result.hold.ended.then(onEnd);
        }
        waited.ends.push({ end, at: run.clock.now(), until: result.hold.until() });
        if (end.type !== 'approved') return;
        const runs = await run.desk.release(waited.id, session, mine.revision).catch(() => false);
        if (!runs) return;
        run.ran.push(waited.id);
        expect(run.desk.get(waited.id)?.digest, 'something else runs than was approved').toBe(mine.digest);
      };
      void result.hold.ended.then(onEnd);
    }),
  );
/** The newest request more often than any other: quorums need many on one. */
const decide = fc.tuple(pick, fc.constantFrom('approve', 'approve', 'approve', 'approve', 'deny'), anybody).map(
  told('decide', ([n, choice, by]) => async ({ desk, ids }) => {
    const id = at([...ids], n);
    const { digest_tag: digest = '', revision = 1 } = (id !== undefined && desk.get(id)) || {};
    if (id !== undefined) await desk.decide(decision(id, { by, decision: choice, digest, revision }));
  }),
);
const say = fc
  .tuple(
    pick,
    fc.constantFrom('ask', 'answer', 'answer', 'review'),
    fc.constantFrom('mara', 'jonas-2', 'lena', 'etl', 'aiko', 'piet', 'otto'),
  )
  .map(
    told('say', ([n, what, by]) => async ({ desk, ids }) => {
      const id = at([...ids], n);
      if (id === undefined) return;
      if (what === 'review') await desk.review({ id, by, rationale: 'looked at it' });
      else await desk[what]({ id, by, text: 'why', channel: 'api' });
    }),
  );
const leave = fc.tuple(pick, fc.constantFrom('cancelled', 'disconnected')).map(
  told(
    'leave',
    ([n, why]) =>
      async ({ holds }) =>
        at(holds, n)?.hold.end(why),
  ),
);
const onRequest = fc.tuple(pick, fc.constantFrom('withdraw', 'finish', 'lose', 'unsent', 'release', 'lapse')).map(
  told('onRequest', ([n, what]) => async ({ desk, ids, ran }) => {
    const id = at(what === 'unsent' ? ran : [...ids], n);
    if (id === undefined) return;
    if (what === 'withdraw') await desk.withdraw(id, 'mara', 'no');
    if (what === 'finish') await desk.finish(id, DONE);
    if (what === 'lose') await desk.finish(id, null);
    if (what === 'unsent') {
      await desk.giveBack(id, 'other');
      if (desk.get(id)?.broken_glass === null) ran.splice(ran.indexOf(id), 1);
    }
    if (what === 'lapse') await desk.lapse(id, 'a table has changed');
    if (what === 'release' && (await desk.release(id, 'other'))) ran.push(id);
  }),
);
const people = fc
  .record(
    { dba: fc.subarray([...DBAS]), away: fc.boolean(), present: fc.subarray([...EVERYBODY]) },
    { requiredKeys: [] },
  )
  .map(
    told('people', (change) => async ({ town, desk }) => {
      town.change(change);
      desk.presence();
    }),
  );
const time = fc
  .constantFrom(500, 1000, 20_000, 30_000, 90_000, 3_600_000)
  .map(told('time', (ms) => (run) => (run.moving = run.moving.then(quiet).then(() => run.clock.advance(ms)))));
const failing = fc.constantFrom(true, false, false).map(
  told('failing', (fails) => async ({ journal }) => {
    journal.fails = () => fails;
  }),
);

const STEPS = fc.oneof(
  ...[hold, hold, hold, say, leave, onRequest, people, time, failing].map((arbitrary) => ({ arbitrary, weight: 1 })),
  { arbitrary: decide, weight: 4 },
);
/** Each step alone, or started together with the one before it. */
const story = fc.array(fc.tuple(STEPS, fc.boolean()), { minLength: 5, maxLength: 80, size: 'max' });

test('what the desk shows is what the log says, and the log is what may be', { timeout: 3_600_000 }, async () => {
  const seen = {
    stories: 0,
    requests: 0,
    ran: 0,
    failed: 0,
    quorums: 0,
    glass: 0,
    escalated: 0,
    nobody: 0,
    answers: 0,
    returned: 0,
    changed: 0,
  };
  await fc.assert(
    fc.asyncProperty(story, async (steps) => {
      const clock = new FakeClock();
      const town = new Town(clock);
      const journal = new Journal(clock, town);
      const { directory } = town;
      const present = () => town.facts.present;
      const { desk } = world({ journal, directory, clock, present });
      const run: Run = {
        clock,
        town,
        journal,
        desk,
        holds: [],
        ids: new Set(),
        ran: [],
        sessions: 0,
        moving: Promise.resolve(),
      };
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
      expect(desk.list().toReversed()).toEqual(folded(journal));
      expect(new Set(run.ran).size, 'released twice').toBe(run.ran.length);

      // A restart with a journal that works: the same again, but for holds and what was under way.
      journal.fails = () => false;
      await clock.advance(2 * RETRY_MS);
      await desk.close();
      const late_ms = (due: number) => (journal.failed_until >= due ? journal.failed_until - due + RETRY_MS : 0);
      const lives = recount(
        journal.events.map(({ event }, i) => ({ event, facts: journal.facts[i] as Facts })),
        town,
        late_ms,
      );
      for (const id of run.ran) expect(lives.find((life) => life.id === id)?.released).toBe(true);
      for (const wait of run.holds) endedInTime(wait, journal);
      const { desk: after } = world({ journal, directory, clock, present });
      const before = desk.list();
      await after.restore(journal.events.slice());
      const settled = (request: Request) => (request.state === 'released' ? { id: request.id } : request);
      const known = new Map(after.list().map((request) => [request.id, request]));
      for (const request of before) expect(known.get(request.id)).toMatchObject(settled(request));
      expect(
        after.list().every(({ state, holds }) => state !== 'released' && (isOver(state) || holds === 'ticket')),
      ).toBe(true);
      expect(after.list().toReversed()).toEqual(folded(journal));
      await after.close();
      seen.stories += 1;
      seen.ran += run.ran.length;
      add(seen, lives);
    }),
    { numRuns: 2 * (fc.readConfigureGlobal().numRuns ?? 100) },
  );
  console.log(
    `stories of the desk: ${Object.entries(seen)
      .map(([what, n]) => `${n} ${what}`)
      .join(', ')}`,
  );
  // Stories in which nothing happens would prove nothing.
  expect(seen.requests).toBeGreaterThan(100);
  expect(seen.ran).toBeGreaterThan(20);
  expect(seen.failed).toBeGreaterThan(20);
  for (const what of ['quorums', 'glass', 'escalated', 'nobody', 'answers', 'returned', 'changed'] as const)
    expect(seen[what], what).toBeGreaterThan(0);
});

/** Once, and never before or after its time; only a first answer puts that off, once. */
function endedInTime({ hold: held, until: first, since, id, ends }: Wait, { events }: Journal): void {
  expect(ends).toHaveLength(1);
  const [{ end, at: ended, until: then }] = ends as [Wait['ends'][number]];
  expect(held.until()).toBeGreaterThanOrEqual(first);
  const answered = events.findIndex(({ event }) => event.type === 'answered' && event.id === id);
  const more = answered >= since ? ANSWER_ADDS_MS : 0;
  expect(then - first, 'put off').toBeLessThanOrEqual(more);
  expect(ended).toBeLessThanOrEqual(then);
  if (end.type === 'ended' && end.why === 'waited-out') expect(ended).toBe(then);
}

function add(
  seen: Record<'requests' | 'quorums' | 'glass' | 'escalated' | 'nobody' | 'answers' | 'returned' | 'changed', number>,
  lives: readonly Recounted[],
): void {
  for (const life of lives) {
    seen.requests += 1;
    seen.quorums += Number(life.how === 'decided' && life.voted > 1);
    seen.glass += Number(life.how === 'broke_glass');
    seen.escalated += Number(life.escalated);
    seen.nobody += Number(life.nobody);
    seen.answers += life.answers;
    seen.returned += life.returned;
    seen.changed += life.changed;
  }
}

function folded({ events }: Journal): Request[] {
  const requests = new Map<string, Request>();
  for (const { event } of events) {
    const id = event.type === 'opened' ? event.request.id : event.id;
    requests.set(id, apply(requests.get(id), event));
  }
  return [...requests.values()];
}

function isOver(state: Request['state']): boolean {
  return state !== 'open' && state !== 'asked' && state !== 'approved';
}
