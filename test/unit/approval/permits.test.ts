// Standing approvals: what one covers, that no use is counted twice or lost, and that nobody gets one for what they asked for themselves.
import { describe, expect, test } from 'vitest';
import { createPermits, PERMITS_OVER_KEPT_MAX, USES_KEPT_MAX } from '../../../src/approval/permits.ts';
import type { Directory, Held, Pattern, Permit, Requester, Reviewer } from '../../../src/approval/types.ts';
import { decision, directoryOf, DONE, FakeClock, FakeJournal, heldOf, idOf, person, quiet, world } from './help.ts';

const PATTERN: Pattern = { hash: 'p1', free: [[7, 8]], free_parameters: [], writes: false };
const MOST = { for_ms: 3_600_000, uses: 10, rows: 100, writes: false };
const TERMS = { for_ms: 3_600_000, uses: 10, rows: 100 };
let digests = 0;
/** Each another statement of the same shape. */
const like = (more: Partial<Held> = {}, most: Held['ask']['permit'] = MOST): Held =>
  heldOf({ pattern: PATTERN, digest: `d-${++digests}`, ...more }, { permit: most });

/** A desk on which a statement was approved with a permit. */
async function granted(terms = TERMS, held = like()) {
  const w = world();
  const id = idOf(await w.desk.hold(held, 0));
  const result = await w.desk.decide(decision(id, { digest: `tag-${held.digest}`, permit: terms }));
  expect(result.type).toBe('counted');
  const permit = w.permits.list()[0] as Permit;
  return { ...w, permit, request: id };
}

describe('a permit', () => {
  test('comes of an approval that says so, and covers another statement of the pattern at once, with no request', async () => {
    const { desk, permits, permit, request, journal } = await granted();
    expect(permit).toMatchObject({ request, uses: 10, rows: 100, by: ['aiko'], used: [], revoked: null });
    expect(permit.id).toMatch(/^PM-[0-9A-HJKMNP-TV-Z]{8}$/);
    const opened = journal.types().filter((type) => type === 'opened').length;
    const result = await desk.hold(like(), 45_000);
    expect(result).toMatchObject({ type: 'permitted', use: 1, permit: { id: permit.id } });
    expect(journal.types().filter((type) => type === 'opened')).toHaveLength(opened);
    expect(journal.permitEvents.at(-1)?.event).toMatchObject({ type: 'permit_used', use: 1, session: 's1' });
    await permits.useEnded(permit.id, 1, DONE);
    expect(permits.get(permit.id)?.used).toEqual([expect.objectContaining({ use: 1, outcome: DONE })]);
  });

  test('is for what was approved, not for itself: the approved statement is no use of it', async () => {
    const { desk, permits, permit, request } = await granted();
    expect(await desk.release(request, 's1')).toBe(true);
    expect(permits.get(permit.id)?.used).toEqual([]);
  });

  const OTHERS: readonly (readonly [what: string, held: Partial<Held>])[] = [
    ['another pattern', { pattern: { ...PATTERN, hash: 'p2' } }],
    ['no pattern', { pattern: null }],
    ['another principal', { who: { ...heldOf().who, id: 'mara', kind: 'human' } }],
    ['another upstream', { where: { ...heldOf().where, upstream: 'other' } }],
    ['another database', { where: { ...heldOf().where, database: 'other' } }],
    ['another engine', { where: { ...heldOf().where, engine: 'mysql' } }],
    ['another role', { role: 'postgres' }],
    ['another search_path', { search_path: 'evil, public' }],
    ['inside a transaction', { in_transaction: true }],
    ['under another rule', { rule: 'code' }],
    [
      'another finding',
      { findings: [{ action: 'read', object: 'public.t', why: '', statement: 0, start: 0, end: 1 }] },
    ],
    ['a result at its limit', { passed: { rows: 5, bytes: 50 } }],
    ['a pattern that writes, where it did not', { pattern: { ...PATTERN, writes: true } }],
  ];
  test.each(OTHERS)('does not cover %s', async (_, more) => {
    const { desk } = await granted();
    expect((await desk.hold(like(more), 0)).type).toBe('pending');
  });

  test('counts findings by what is done to what, however often and wherever it stands', async () => {
    const read = (object: string, start: number) =>
      ({ action: 'read', object, why: 'x', statement: 0, start, end: start + 1 }) as const;
    const { desk } = await granted(TERMS, like({ findings: [read('public.a', 1), read('public.b', 5)] }));
    const again = like({ findings: [read('public.b', 9), read('public.a', 3), read('public.a', 4)] });
    expect((await desk.hold(again, 0)).type).toBe('permitted');
    expect((await desk.hold(like({ findings: [read('public.a', 3)] }), 0)).type).toBe('pending');
  });

  test.each([
    ['gives none any more', null],
    ['gives less time', { ...MOST, for_ms: MOST.for_ms - 1 }],
    ['gives fewer uses', { ...MOST, uses: 9 }],
    ['gives fewer rows', { ...MOST, rows: 99 }],
  ])('covers nothing once its rule %s', async (_, most) => {
    const { desk } = await granted();
    expect((await desk.hold(like({}, most), 0)).type).toBe('pending');
  });

  test('that writes needs a rule that lets permits write, then and now', async () => {
    const writes = { pattern: { ...PATTERN, writes: true } };
    const most = { ...MOST, writes: true };
    const { desk } = await granted(TERMS, like(writes, most));
    expect((await desk.hold(like(writes, most), 0)).type).toBe('permitted');
    expect((await desk.hold(like(writes), 0)).type).toBe('pending');
  });

  test('ends with its time and its uses', async () => {
    const { desk, permits, permit, clock } = await granted({ ...TERMS, uses: 2 });
    expect((await desk.hold(like(), 0)).type).toBe('permitted');
    expect(permits.state(permit)).toBe('in-force');
    expect((await desk.hold(like(), 0)).type).toBe('permitted');
    expect(permits.state(permits.get(permit.id) as Permit)).toBe('used-up');
    expect((await desk.hold(like(), 0)).type).toBe('pending');
    const other = await granted();
    await other.clock.advance(TERMS.for_ms);
    expect(other.permits.state(other.permit)).toBe('ended');
    expect((await other.desk.hold(like(), 0)).type).toBe('pending');
    expect(clock.now()).toBeLessThan(permit.until);
  });

  test('of two, the older is used first', async () => {
    const { desk, permits, permit, journal, clock } = await granted({ ...TERMS, uses: 1 });
    const second = like({ pattern: { ...PATTERN, hash: 'p2' } });
    const id = idOf(await desk.hold(second, 0));
    await desk.decide(decision(id, { digest: `tag-${second.digest}`, permit: TERMS }));
    expect(permits.list().map(({ pattern }) => pattern.hash)).toEqual(['p2', 'p1']);
    const twin = { ...(permits.list()[0] as Permit), pattern: PATTERN, id: 'PM-TWNTWNTW' };
    await permits.restore([{ seq: 99, event: { type: 'permit_granted', at: clock.now(), permit: twin } }]);
    const used = async () => {
      const result = await desk.hold(like(), 0);
      return result.type === 'permitted' ? result.permit.id : result.type;
    };
    expect([await used(), await used()]).toEqual([permit.id, twin.id]);
    expect(journal.permitEvents).toHaveLength(4);
  });
});

describe('uses', () => {
  test('50 at once on a permit with 10: exactly 10, and the log says so', async () => {
    const { desk, permits, permit, journal } = await granted();
    const results = await Promise.all(Array.from({ length: 50 }, () => permits.use(permit.id, like())));
    expect(results.filter((one) => one !== null).map((one) => one?.use)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(journal.permitEvents.filter(({ event }) => event.type === 'permit_used')).toHaveLength(10);
    expect((await desk.hold(like(), 0)).type).toBe('pending');
  });

  test('one that the log refuses has not happened, and lets nothing run', async () => {
    const { desk, permits, permit, journal } = await granted({ ...TERMS, uses: 1 });
    journal.failsOfPermit = (event) => event.type === 'permit_used';
    await expect(desk.hold(like(), 0)).rejects.toThrow('disk full');
    expect(permits.get(permit.id)?.used).toEqual([]);
    journal.failsOfPermit = () => false;
    expect((await desk.hold(like(), 0)).type).toBe('permitted');
  });

  test('one during whose record the permit ended is counted, and does not run', async () => {
    const { permits, permit, journal, clock } = await granted();
    journal.failsOfPermit = () => {
      clock.time = permit.until;
      return false;
    };
    expect(await permits.use(permit.id, like())).toBeNull();
    expect(permits.get(permit.id)?.used).toHaveLength(1);
  });

  test('are counted on after a restart, one of unknown end among them; so is a revocation', async () => {
    const { desk, permits, permit, journal } = await granted({ ...TERMS, uses: 3 });
    await desk.hold(like(), 0);
    await permits.useEnded(permit.id, 1, DONE);
    await desk.hold(like(), 0);
    const after = world({ journal });
    await after.permits.restore(journal.permitEvents.slice());
    expect(after.permits.list()).toEqual(permits.list());
    expect(after.permits.get(permit.id)?.used.map(({ outcome }) => outcome)).toEqual([DONE, null]);
    expect(await after.desk.hold(like(), 0)).toMatchObject({ type: 'permitted', use: 3 });
    expect((await after.desk.hold(like(), 0)).type).toBe('pending');
    const other = await granted();
    await other.permits.revoke(other.permit.id, 'ines', 'enough');
    const restored = createPermits({ journal: other.journal, clock: other.clock, directory: DIRECTORY_NOW });
    await restored.restore(other.journal.permitEvents.slice());
    expect(restored.list()).toEqual(other.permits.list());
    expect(restored.match(like())).toBeUndefined();
  });

  test('many of them: all are counted and on record, the last are remembered', async () => {
    const uses = 2 * USES_KEPT_MAX + 2;
    const most = { ...MOST, uses };
    const { permits, permit, journal, clock } = await granted({ ...TERMS, uses }, like({}, most));
    for (let n = 0; n < uses; n++) await permits.use(permit.id, like({}, most));
    expect(await permits.use(permit.id, like({}, most))).toBeNull();
    expect(permits.get(permit.id)).toMatchObject({ taken: uses, used: { length: USES_KEPT_MAX + 1 } });
    await permits.useEnded(permit.id, 1, DONE);
    await permits.useEnded(permit.id, uses, DONE);
    expect(permits.get(permit.id)?.used.at(-1)).toMatchObject({ use: uses, outcome: DONE });
    expect(journal.permitEvents.slice(-2).map(({ event }) => 'use' in event && event.use)).toEqual([1, uses]);
    const after = createPermits({ journal, clock, directory: DIRECTORY_NOW });
    await after.restore(journal.permitEvents.slice());
    expect(after.list()).toEqual(permits.list());
    expect(after.state(after.list()[0] as Permit)).toBe('used-up');
  });

  test('a later end of the same use changes nothing', async () => {
    const { desk, permits, permit, journal } = await granted();
    await desk.hold(like(), 0);
    await permits.useEnded(permit.id, 1, DONE);
    await permits.useEnded(permit.id, 1, { ...DONE, rows: 1 });
    await permits.useEnded(permit.id, 7, DONE);
    expect(permits.get(permit.id)?.used[0]?.outcome).toEqual(DONE);
    expect(journal.permitEvents.filter(({ event }) => event.type === 'permit_use_ended')).toHaveLength(1);
  });

  test('listeners hear each event in the order of the log', async () => {
    const w = await granted();
    const heard: [number, string][] = [];
    w.permits.subscribe((seq, { type }, { id }) => heard.push([seq, `${type} ${id === w.permit.id}`]));
    await Promise.all([w.permits.use(w.permit.id, like()), w.permits.revoke(w.permit.id, 'ines', 'enough')]);
    await quiet();
    expect(heard.map(([, what]) => what)).toEqual(['permit_used true', 'permit_revoked true']);
    expect(heard.map(([seq]) => seq)).toEqual(heard.map(([seq]) => seq).toSorted((a, b) => a - b));
  });
});

const DIRECTORY_NOW = directoryOf(
  [person('aiko', { groups: ['dba'] })],
  [{ id: 'billing-agent', sponsor: 'mara', aliases: [], people: [] }],
);

describe('a revocation', () => {
  test('ends it at once for what comes, and tells what runs, once', async () => {
    const { desk, permits, permit } = await granted();
    await desk.hold(like(), 0);
    const told: string[] = [];
    permits.onRevoked(permit.id, (by) => told.push(by));
    const forget = permits.onRevoked(permit.id, () => told.push('forgotten'));
    forget();
    expect(await permits.revoke(permit.id, 'ines', ' not any more ')).toBe('ok');
    expect(told).toEqual(['ines']);
    expect(permits.get(permit.id)?.revoked).toMatchObject({ by: 'ines', reason: 'not any more' });
    expect((await desk.hold(like(), 0)).type).toBe('pending');
    expect(await permits.revoke(permit.id, 'ines', 'again')).toEqual({ already: 'revoked' });
    permits.onRevoked(permit.id, (by) => told.push(`late ${by}`));
    expect(told).toEqual(['ines', 'late ines']);
  });

  test('of one that is used up still stops what runs under it', async () => {
    const { desk, permits, permit } = await granted({ ...TERMS, uses: 1 });
    await desk.hold(like(), 0);
    let told = false;
    const forget = permits.onRevoked(permit.id, () => {
      told = true;
    });
    expect(await permits.revoke(permit.id, 'ines', 'stop')).toBe('ok');
    expect(told).toBe(true);
    forget();
    const other = await granted({ ...TERMS, uses: 1 });
    await other.desk.hold(like(), 0);
    expect(await other.permits.revoke(other.permit.id, 'ines', 'late')).toEqual({ already: 'used-up' });
  });

  test('that the log refuses has not happened', async () => {
    const { permits, permit, journal } = await granted();
    journal.failsOfPermit = () => true;
    await expect(permits.revoke(permit.id, 'ines', 'x')).rejects.toThrow('disk full');
    expect(permits.state(permits.get(permit.id) as Permit)).toBe('in-force');
  });

  test.each([
    ['a reviewer who could have granted it', 'ines', 'ok'],
    ['the sponsor', 'mara', 'ok'],
    ['the requester', 'billing-agent', 'ok'],
    ['nobody else', 'nobody', 'not-yours'],
    ['an auditor', 'audrey', 'not-yours'],
    ['an admin', 'adam', 'ok'],
    ['an agent with the role admin', 'robot', 'not-yours'],
    ['a reviewer of another group', 'jonas', 'not-yours'],
  ])('is for %s', async (_, by, expected) => {
    const directory = directoryOf(
      [
        person('mara'),
        person('aiko', { groups: ['dba'] }),
        person('ines', { groups: ['dba'] }),
        person('jonas', { groups: ['data'] }),
        person('audrey', { roles: ['auditor'] }),
        person('adam', { roles: ['admin'] }),
        person('robot', { kind: 'agent', roles: ['admin'] }),
      ],
      [{ id: 'billing-agent', sponsor: 'mara', aliases: [], people: [] }],
      { dba: ['dba'] },
    );
    const w = world({ directory });
    const held = heldOf({ pattern: PATTERN }, { permit: MOST, of: ['dba'] });
    const id = idOf(await w.desk.hold(held, 0));
    await w.desk.decide(decision(id, { permit: TERMS }));
    const [permit] = w.permits.list();
    expect(await w.permits.revoke(permit?.id ?? '', by, '')).toBe(expected);
    expect(await w.permits.revoke('PM-00000000', by, '')).toBe('unknown');
  });
});

describe('separation of duty', () => {
  /** Who they are may change between grant and use. */
  class Changing {
    reviewers: Reviewer[] = [person('mara'), person('aiko'), person('ines')];
    requesters: Requester[] = [{ id: 'billing-agent', sponsor: 'mara', aliases: [], people: [] }];
    away: Record<string, string[]> = {};
    readonly directory: Directory = {
      reviewer: (id) => directoryOf(this.reviewers, this.requesters).reviewer(id),
      requester: (id) => directoryOf(this.reviewers, this.requesters).requester(id),
      eligible: (groups) => directoryOf(this.reviewers, this.requesters).eligible(groups),
      member: (reviewer, group) => reviewer.groups.includes(group),
      represents: (id) => this.away[id] ?? [],
      stale: () => false,
      fresh: () => null,
    };
  }

  async function grantedBy(by: string, house: Changing, of: readonly string[] = []) {
    const w = world({ directory: house.directory });
    const held = heldOf({ pattern: PATTERN }, { permit: MOST, of });
    const id = idOf(await w.desk.hold(held, 0));
    const result = await w.desk.decide(decision(id, { by, permit: TERMS }));
    return { ...w, result };
  }

  test.each(['mara', 'billing-agent'])('%s can not grant one', async (by) => {
    const { result, permits } = await grantedBy(by, new Changing());
    expect(result.type).toBe('refused');
    expect(permits.list()).toEqual([]);
  });

  test('an alias of the sponsor can not, either', async () => {
    const house = new Changing();
    house.reviewers.push(person('mara-two', { aliases: ['mara'] }));
    expect((await grantedBy('mara-two', house)).result).toMatchObject({ type: 'refused', why: 'linked' });
  });

  const LATER: readonly (readonly [what: string, change: (house: Changing) => void])[] = [
    ['becomes the sponsor', ({ requesters }) => requesters.splice(0, 1, { ...requesters[0]!, sponsor: 'aiko' })],
    ['becomes an alias', ({ requesters }) => requesters.splice(0, 1, { ...requesters[0]!, aliases: ['aiko'] })],
    [
      'comes behind a shared user',
      ({ requesters }) => requesters.splice(0, 1, { ...requesters[0]!, people: ['aiko'] }),
    ],
    [
      "is the sponsor's other account",
      ({ reviewers }) => reviewers.splice(1, 1, person('aiko', { aliases: ['mara'] })),
    ],
    ['leaves', ({ reviewers }) => reviewers.splice(1, 1)],
    ['is no reviewer any more', ({ reviewers }) => reviewers.splice(1, 1, person('aiko', { roles: ['auditor'] }))],
  ];
  test.each(LATER)('one covers nothing once its approver %s', async (_, change) => {
    const house = new Changing();
    const { desk } = await grantedBy('aiko', house);
    expect((await desk.hold(like(), 0)).type).toBe('permitted');
    change(house);
    expect((await desk.hold(like(), 0)).type).toBe('pending');
  });

  test('nor once the person for whom its approver decided is the sponsor', async () => {
    const house = new Changing();
    house.reviewers.push(person('dora', { groups: ['dba'] }));
    house.away['aiko'] = ['dora'];
    const { desk, permits, result } = await grantedBy('aiko', house, ['dba']);
    expect(result.type).toBe('counted');
    expect(permits.list()[0]).toMatchObject({ by: ['aiko'], instead_of: ['dora'] });
    const held = () => like({ ask: heldOf({}, { permit: MOST, of: ['dba'] }).ask });
    expect((await desk.hold(held(), 0)).type).toBe('permitted');
    house.requesters[0] = { ...house.requesters[0]!, sponsor: 'dora' };
    expect((await desk.hold(held(), 0)).type).toBe('pending');
  });

  test('an earlier sponsor, whom the requester still names, is barred as the one of now', async () => {
    const house = new Changing();
    const { desk } = await grantedBy('aiko', house);
    const held = like({ who: { ...heldOf().who, sponsor: 'aiko' } });
    expect((await desk.hold(held, 0)).type).toBe('pending');
  });
});

test('what is kept of permits that are over is limited, and none in force is forgotten', async () => {
  const clock = new FakeClock();
  const permits = createPermits({ journal: new FakeJournal(), clock, directory: DIRECTORY_NOW });
  const permitOf = (n: number, until: number): Permit => ({
    ...TERMS,
    ...heldOf({ pattern: PATTERN }, { permit: MOST }),
    id: `PM-${String(n).padStart(8, '0')}`,
    request: 'HP-00000000',
    pattern: { ...PATTERN, hash: `p${n % 7}` },
    by: ['aiko'],
    instead_of: [],
    rationale: [''],
    granted: clock.now(),
    until,
    taken: 0,
    used: [],
    revoked: null,
  });
  const grant = async (n: number, until: number) =>
    permits.restore([{ seq: n, event: { type: 'permit_granted', at: clock.now(), permit: permitOf(n, until) } }]);
  await grant(0, clock.now() + 1000);
  for (let n = 1; n <= PERMITS_OVER_KEPT_MAX + 50; n++) await grant(n, clock.now());
  expect(permits.list()).toHaveLength(PERMITS_OVER_KEPT_MAX + 1);
  expect(permits.get('PM-00000000')).toBeDefined();
  expect(permits.get('PM-00000001')).toBeUndefined();
  expect(permits.list({ state: 'in-force' })).toHaveLength(1);
});
