// Separation of duty as a whole: in a random house, everybody who is the requester, answers for it or stands behind it does what they
// can, on every door that there is, while groups, absences and roles change. Nothing of it is ever let through but by break-glass, and that
// nobody of them closes. With one outsider among them it goes through, or the property would prove nothing.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Directory, Requester, Reviewer } from '../../../src/approval/types.ts';
import { decision, DONE, heldOf, world } from './help.ts';

const NAMES = ['agent', 'a', 'b', 'c', 'd', 'e'] as const;
type Name = (typeof NAMES)[number];
const GROUPS = ['dba', 'owners'] as const;

interface Person {
  sponsor: Name | null;
  aliases: Name[];
  people: Name[];
  groups: readonly string[];
  instead: Name | null;
}

const name = fc.constantFrom(...NAMES);
const links = fc.oneof({ weight: 4, arbitrary: fc.constant<Name[]>([]) }, { weight: 1, arbitrary: fc.tuple(name) });
const person = fc.record({
  sponsor: fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: name }),
  aliases: links,
  people: links,
  groups: fc.subarray([...GROUPS]),
  instead: fc.option(name, { freq: 3 }),
});
const house = fc.tuple(...NAMES.map(() => person));
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('approve' as const), by: name, console: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('ask' as const, 'answer' as const, 'review' as const, 'review' as const),
      by: name,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('send' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('glass' as const), by: name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('groups' as const), of: name, to: fc.subarray([...GROUPS]) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('away' as const), of: name, to: fc.option(name, { freq: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
);
const asks = fc.record({
  of: fc.subarray([...GROUPS]),
  each: fc.boolean(),
  count: fc.integer({ min: 1, max: 2 }),
  escalate: fc.option(fc.constant({ after_ms: 60_000, to: ['dba'] })),
});

test('no path by which a principal, or who stands behind it, gets its own statement run', async () => {
  const seen = { refused: 0, through: 0, glass: 0, reviewed: 0 };
  await fc.assert(
    fc.asyncProperty(
      house,
      asks,
      fc.array(step, { minLength: 15, maxLength: 40 }),
      fc.option(name, { freq: 10 }),
      async (drawn, ask, steps, outsider) => {
        const people = new Map(NAMES.map((id, i) => [id as string, structuredClone(drawn[i] as Person)]));
        const insiders = closure(people);
        const w = world({ directory: directoryFrom(people), requests_open_per_principal_max: 100 });
        const may = (id: string) => insiders.has(id) || id === outsider;
        const open = (more: Parameters<typeof heldOf>[0] = {}, as: Name = 'agent') =>
          w.desk.hold(
            heldOf({ who: { ...heldOf().who, id: as, sponsor: people.get(as)?.sponsor ?? null }, ...more }, ask),
            0,
          );
        await open();
        let reviewed = false;
        for (const one of steps) {
          const latest = w.desk.list()[0];
          if (one.do === 'send') await open();
          if (one.do === 'wait') await w.clock.advance(60_000);
          if (one.do === 'groups') people.get(one.of)!.groups = one.to;
          if (one.do === 'away') people.get(one.of)!.instead = one.to;
          if (!latest) continue;
          const { id, digest_tag: digest } = latest;
          if (one.do === 'approve' && may(one.by))
            await w.desk.decide(decision(id, { by: one.by, digest, channel: one.console ? 'console' : 'api' }));
          if (one.do === 'ask' && may(one.by)) await w.desk.ask({ id, by: one.by, text: 'x', channel: 'api' });
          if (one.do === 'answer' && may(one.by)) await w.desk.answer({ id, by: one.by, text: 'x', channel: 'api' });
          if (one.do === 'glass' && insiders.has(one.by)) {
            const result = await open({ digest: 'glass', break_glass: { reason: 'x', of: ['dba'] } }, one.by);
            if (result.type === 'run') await w.desk.finish(result.request.id, DONE);
          }
          if (one.do === 'review' && may(one.by)) {
            const theirs = latest.broken_glass === null ? new Set<string>() : closure(people, latest.who.id);
            const done = await w.desk.review({ id, by: one.by, rationale: 'x' });
            if (done.type !== 'counted') continue;
            expect(theirs.has(one.by)).toBe(false);
            reviewed = true;
          }
        }
        const released = w.journal.events.filter(({ event }) => event.type === 'released').map(({ event }) => event);
        for (const event of released) {
          const request = 'id' in event ? w.desk.get(event.id) : undefined;
          const approvers = request?.decisions.filter(({ counts, decision: was }) => counts && was === 'approve') ?? [];
          if (request?.broken_glass) seen.glass += 1;
          else {
            expect(approvers.length).toBeGreaterThan(0);
            for (const { by } of approvers) expect(insiders.has(by)).toBe(false);
          }
        }
        // An approval that was not used is as bad.
        for (const request of w.desk.list())
          for (const { by, counts, decision: was } of request.decisions)
            if (counts && was === 'approve' && !request.broken_glass) expect(insiders.has(by)).toBe(false);
        if (reviewed) seen.reviewed += 1;
        const through = w.journal.types().includes('decided');
        seen[through ? 'through' : 'refused'] += 1;
        if (outsider === null || insiders.has(outsider)) expect(through).toBe(false);
      },
    ),
    { numRuns: 3000 },
  );
  expect(Math.min(seen.refused, seen.through, seen.glass, seen.reviewed)).toBeGreaterThan(10);
});

/** Requester, who answers for it, all who stand behind either, and every account of theirs: by rounds until nothing is new. */
function closure(people: ReadonlyMap<string, Person>, of = 'agent'): ReadonlySet<string> {
  const all = new Set<string>([of]);
  for (let size = 0; size !== all.size; ) {
    size = all.size;
    for (const id of all) {
      const { sponsor = null, aliases = [], people: behind = [] } = people.get(id) ?? {};
      for (const other of [...aliases, ...behind, ...(sponsor === null ? [] : [sponsor])]) all.add(other);
    }
    // An alias joins both ways.
    for (const [id, { aliases }] of people) if (aliases.some((other) => all.has(other))) all.add(id);
  }
  return all;
}

/** As identity has it: accounts are joined by aliases in both directions. */
function directoryFrom(people: ReadonlyMap<string, Person>): Directory {
  const linked = (of: string): string[] => {
    const all = new Set<string>([of]);
    for (let size = 0; size !== all.size; ) {
      size = all.size;
      for (const [id, { aliases }] of people) {
        if (all.has(id)) for (const other of aliases) all.add(other);
        if (aliases.some((other) => all.has(other))) all.add(id);
      }
    }
    all.delete(of);
    return [...all];
  };
  const reviewer = (id: string): Reviewer | undefined => {
    const one = people.get(id);
    if (!one) return undefined;
    const { groups } = one;
    return { id, kind: id === 'agent' ? 'agent' : 'human', roles: ['reviewer'], groups, aliases: linked(id) };
  };
  const requester = (id: string): Requester | undefined => {
    const one = people.get(id);
    return one && { id, sponsor: one.sponsor, aliases: linked(id), people: one.people };
  };
  const member = (one: { readonly groups: readonly string[] }, group: string) => one.groups.includes(group);
  return {
    reviewer,
    requester,
    member,
    eligible: (groups) =>
      NAMES.filter((id) => id !== 'agent' && (groups.length === 0 || groups.some((g) => member(reviewer(id)!, g)))),
    represents: (id) => NAMES.filter((other) => people.get(other)?.instead === id),
    stale: () => false,
    fresh: () => null,
  };
}
