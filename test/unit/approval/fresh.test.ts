// The desk and a directory that has to be asked: nothing is counted, used or released by what was true earlier, nothing where it can't be asked,
// and no lock is held while it takes its time.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NotNow } from '../../../src/approval/desk.ts';
import { isBarred, isLinked, mayDecide } from '../../../src/approval/duty.ts';
import type { Directory, Reviewer } from '../../../src/approval/types.ts';
import { decision, directoryOf, heldOf, idOf, person, quiet, waiting, type World, world } from './help.ts';

const AGENT = { id: 'billing-agent', sponsor: 'mara', aliases: [], people: [] };

/** A statement that waits. */
async function held(w: World, ask: Parameters<typeof heldOf>[1]) {
  const { id, hold } = waiting(await w.desk.hold(heldOf({}, ask), 10_000));
  return { id, hold, request: w.desk.get(id)! };
}

/** Groups are as they were when it was last asked. */
class Asked {
  now = new Map<string, readonly string[]>([
    ['aiko', ['dba']],
    ['ines', ['dba']],
  ]);
  read = new Map<string, readonly string[]>();
  down = false;
  agents = [AGENT];
  readonly asked: (readonly string[])[] = [];
  gate: Promise<void> = Promise.resolve();
  readonly directory: Directory = {
    ...directoryOf([], []),
    reviewer: (id) => this.#reviewer(id),
    requester: (id) => this.agents.find((one) => one.id === id) ?? this.#links(id),
    eligible: () => [...this.read.keys()],
    member: (reviewer, group) => reviewer.groups.includes(group),
    fresh: (ids) => this.#fresh(ids),
  };

  #reviewer(id: string): Reviewer | undefined {
    const groups = this.read.get(id);
    return groups && person(id, { groups });
  }

  #links(id: string) {
    return this.read.has(id) ? { id, sponsor: null, aliases: [], people: [] } : undefined;
  }

  async #fresh(ids: readonly string[]): Promise<void> {
    this.asked.push(ids);
    const answers = ids.map((id) => [id, this.now.get(id)] as const);
    await this.gate;
    if (this.down) throw new Error('the directory is down');
    for (const [id, groups] of answers) {
      if (groups === undefined) this.read.delete(id);
      else this.read.set(id, groups);
    }
  }
}

describe('decisions', () => {
  it('are by what the directory says after they came; a group that was removed while the request was open counts no more', async () => {
    const asked = new Asked();
    const w = world({ directory: asked.directory });
    const { request } = await held(w, { of: ['dba'], count: 2 });
    expect((await w.desk.decide(decision(request.id, { by: 'aiko' }))).type).toBe('counted');
    asked.now.set('aiko', []);
    const second = await w.desk.decide(decision(request.id, { by: 'ines' }));
    expect(second.type).toBe('counted');
    expect(w.desk.get(request.id)).toMatchObject({ state: 'open' });
    expect(
      w.desk
        .get(request.id)!
        .decisions.filter(({ counts }) => counts)
        .map(({ by }) => by),
    ).toEqual(['ines']);
    expect(asked.asked.at(-1)).toEqual(expect.arrayContaining(['ines', 'billing-agent', 'mara', 'aiko']));
  });

  it('nothing is counted while it is down, and the same may be said again', async () => {
    const asked = new Asked();
    const w = world({ directory: asked.directory });
    const { request } = await held(w, { of: ['dba'] });
    asked.down = true;
    const events = w.journal.events.length;
    expect(await w.desk.decide(decision(request.id, { by: 'aiko' }))).toMatchObject({
      type: 'refused',
      why: 'directory-down',
      text: 'The directory cannot be asked who may decide, so this was not counted. Try again.',
    });
    expect(await w.desk.ask({ id: request.id, by: 'aiko', text: 'why?', channel: 'api' })).toMatchObject({
      why: 'directory-down',
    });
    expect(w.journal.events).toHaveLength(events);
    asked.down = false;
    expect((await w.desk.decide(decision(request.id, { by: 'aiko' }))).type).toBe('counted');
  });

  it('a directory that hangs keeps no clock and nobody from leaving', async () => {
    const asked = new Asked();
    const w = world({ directory: asked.directory });
    const { request, hold } = await held(w, { of: ['dba'] });
    let open = (): void => {};
    asked.gate = new Promise((resolve) => {
      open = resolve;
    });
    const deciding = w.desk.decide(decision(request.id, { by: 'aiko' }));
    await hold.end('cancelled');
    expect(w.desk.get(request.id)?.holds).toBe('ticket');
    await w.clock.advance(request.deadline - w.clock.now());
    expect(w.desk.get(request.id)?.state).toBe('expired');
    open();
    expect(await deciding).toMatchObject({ type: 'refused', why: 'already-decided' });
  });

  it('twenty in the same moment: one outcome, and each was read before it was counted', async () => {
    const asked = new Asked();
    for (let i = 0; i < 20; i++) asked.now.set(`dba-${i}`, ['dba']);
    const w = world({ directory: asked.directory });
    const { request } = await held(w, { of: ['dba'], count: 3 });
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => w.desk.decide(decision(request.id, { by: `dba-${i}` }))),
    );
    expect(all.filter(({ type }) => type === 'counted')).toHaveLength(3);
    expect(new Set(all.flatMap((one) => (one.type === 'refused' ? [one.why] : [])))).toEqual(
      new Set(['already-decided']),
    );
    expect(w.journal.types().filter((type) => type === 'decided')).toHaveLength(3);
    expect(w.desk.get(request.id)?.state).toBe('approved');
  });
});

describe('what was approved', () => {
  it('is not released while it can not be asked, nor for whom it does not know any more, and stays approved', async () => {
    const asked = new Asked();
    const w = world({ directory: asked.directory });
    const { request, hold } = await held(w, { of: ['dba'] });
    await w.desk.decide(decision(request.id, { by: 'aiko' }));
    expect((await hold.ended).type).toBe('approved');
    asked.down = true;
    await expect(w.desk.release(request.id, 's1')).rejects.toEqual(new NotNow('directory-down'));
    expect(await w.desk.hold(heldOf({}, { of: ['dba'] }), 1000)).toEqual({ type: 'refused', why: 'directory-down' });
    asked.down = false;
    asked.agents = [];
    await expect(w.desk.release(request.id, 's1')).rejects.toEqual(new NotNow('requester-gone'));
    expect(await w.desk.hold(heldOf({}, { of: ['dba'] }), 1000)).toEqual({ type: 'refused', why: 'unsponsored' });
    expect(w.desk.get(request.id)?.state).toBe('approved');
    asked.agents = [AGENT];
    expect(await w.desk.release(request.id, 's1')).toBe(true);
  });

  it('break-glass is by what it says now', async () => {
    const asked = new Asked();
    asked.now.set('lena', ['oncall']);
    const w = world({ directory: asked.directory });
    const broken = heldOf({
      who: { ...heldOf().who, id: 'lena', kind: 'human', sponsor: null },
      break_glass: { reason: 'fire', of: ['oncall'] },
    });
    asked.down = true;
    expect(await w.desk.hold(broken, 0)).toEqual({ type: 'refused', why: 'directory-down' });
    asked.down = false;
    expect((await w.desk.hold(broken, 0)).type).toBe('run');
    asked.now.set('lena', []);
    expect(await w.desk.hold({ ...broken, digest: 'd2' }, 0)).toEqual({ type: 'refused', why: 'no-break-glass' });
  });

  it('a request is opened all the same: that lets nothing run', async () => {
    const asked = new Asked();
    const w = world({ directory: asked.directory });
    asked.down = true;
    expect((await w.desk.hold(heldOf({}, { of: ['dba'] }), 0)).type).toBe('pending');
    await quiet();
  });
});

describe('claims', () => {
  const NAMES = ['a', 'b', 'c', 'd', 'e'];
  const some = fc.array(fc.constantFrom(...NAMES), { maxLength: 3 });

  it('property: adding one never lets more people decide, and gives nobody what the requester may', () => {
    const seen = { same: 0, fewer: 0 };
    const world_of = fc.record({
      links: fc.tuple(
        ...NAMES.map(() => fc.record({ aliases: some, people: some, sponsor: fc.option(fc.constantFrom(...NAMES)) })),
      ),
      linked: some,
      on_behalf_of: some,
      claimed: some,
      more: fc.record({ linked: some, on_behalf_of: some, claimed: some }),
    });
    fc.assert(
      fc.property(world_of, ({ links, linked, on_behalf_of, claimed, more }) => {
        const make = (extra: { linked: string[]; on_behalf_of: string[]; claimed: string[] }) => {
          const requesters = NAMES.map((id, i) => ({
            id,
            ...links[i]!,
            ...(id === 'a' && { claimed: extra.claimed }),
          }));
          const reviewers = NAMES.map((id, i) => person(id, { aliases: links[i]!.aliases }));
          const directory = directoryOf(reviewers, requesters);
          const one = heldOf();
          const who = { ...one.who, id: 'a', sponsor: null, linked: extra.linked, on_behalf_of: extra.on_behalf_of };
          const request = { ...one, who, escalated: null };
          return {
            may: NAMES.filter(
              (id) => mayDecide(request, directory.reviewer(id), directory.requester('a'), directory).may,
            ),
            free: NAMES.filter((id) => !isBarred(request, id, directory)),
            own: NAMES.filter((id) => isLinked(request, id, directory)),
          };
        };
        const before = make({ linked, on_behalf_of, claimed });
        const after = make({
          linked: [...linked, ...more.linked],
          on_behalf_of: [...on_behalf_of, ...more.on_behalf_of],
          claimed: [...claimed, ...more.claimed],
        });
        expect(before.may).toEqual(expect.arrayContaining(after.may));
        expect(before.free).toEqual(expect.arrayContaining(after.free));
        expect(after.own).toEqual(before.own);
        for (const id of [...more.linked, ...more.on_behalf_of, ...more.claimed]) expect(after.may).not.toContain(id);
        seen[after.may.length < before.may.length ? 'fewer' : 'same'] += 1;
      }),
      { numRuns: 2000 },
    );
    expect(Math.min(seen.same, seen.fewer)).toBeGreaterThan(20);
  });

  it('of the token that asked stay with the request; another token’s statement is another request', async () => {
    const people = directoryOf(
      [person('aiko'), person('ines')],
      [AGENT, ...['aiko', 'ines'].map((id) => ({ id, sponsor: null, aliases: [], people: [] }))],
    );
    const w = world({ directory: people });
    const plain = heldOf();
    const named = { ...plain, who: { ...plain.who, on_behalf_of: ['aiko'] } };
    const first = idOf(await w.desk.hold(plain, 0));
    const second = idOf(await w.desk.hold(named, 0));
    expect(second).not.toBe(first);
    const answered = idOf(await w.desk.hold({ ...plain, who: { ...plain.who, sponsor: 'ines' } }, 0));
    expect(new Set([first, second, answered]).size).toBe(3);
    expect(w.desk.may(answered, 'ines')?.may).toBe(false);
    expect(w.desk.may(first, 'ines')?.may).toBe(true);
    expect(w.desk.may(first, 'aiko')?.may).toBe(true);
    expect(w.desk.may(second, 'aiko')).toMatchObject({ may: false, why: 'linked' });
    expect(await w.desk.decide(decision(second, { by: 'aiko' }))).toMatchObject({
      type: 'refused',
      why: 'linked',
    });
  });
});
