import { describe, expect, test, vi } from 'vitest';
import { ENDED_KEPT_MAX } from '../../../src/approval/desk.ts';
import type { ApprovalEvent, Held } from '../../../src/approval/types.ts';
import { decision, DONE, heldOf, idOf, quiet, waiting, world } from './help.ts';

const WAIT = 45_000;
const HOUR = 3_600_000;

describe('a held statement', () => {
  test('is approved, released once and finished', async () => {
    const { desk, journal, clock } = world();
    const { hold, id } = waiting(await desk.hold(heldOf(), WAIT));
    expect(id).toMatch(/^HP-[0-9A-HJKMNP-TV-Z]{8}$/);
    expect(desk.get(id)).toMatchObject({ state: 'open', holds: 'held', wait_until: clock.now() + WAIT, revision: 1 });
    expect(await desk.decide(decision(id))).toMatchObject({ type: 'counted' });
    expect((await hold.ended).type).toBe('approved');
    expect(await desk.release(id, 's1')).toBe(true);
    expect(await desk.release(id, 's1')).toBe(false);
    await desk.finish(id, DONE);
    expect(desk.get(id)).toMatchObject({ state: 'executed', outcome: DONE, wait_until: null });
    expect(journal.types()).toEqual(['opened', 'decided', 'released', 'finished']);
  });

  test('is denied, and the identical statement gets that denial until use_within has passed', async () => {
    const { desk, journal, clock } = world();
    const { hold, id } = waiting(await desk.hold(heldOf(), WAIT));
    await desk.decide(decision(id, { decision: 'deny' }));
    expect((await hold.ended).type).toBe('denied');
    const again = await desk.hold(heldOf({ session: 's2' }), WAIT);
    expect(again).toMatchObject({ type: 'denied', request: { id } });
    expect(journal.types()).toEqual(['opened', 'decided']);
    await clock.advance(HOUR);
    const later = await desk.hold(heldOf(), WAIT);
    expect(later.type).toBe('waiting');
    expect(idOf(later)).not.toBe(id);
  });

  test('is told what it would touch, once, while somebody may still decide or use it, and by no decision bound to it', async () => {
    const { desk, journal } = world();
    const seen: string[] = [];
    desk.subscribe((_, event) => seen.push(event.type));
    const { hold, id } = waiting(await desk.hold(heldOf(), WAIT));
    const before = desk.get(id);
    const impact = { rows: [], tables: [], notes: ['Cannot be estimated: x.'] };
    expect(await desk.impact('HP-00000000', impact)).toBe(false);
    expect(await desk.impact(id, impact)).toBe(true);
    expect(await desk.impact(id, { ...impact, notes: [] })).toBe(false);
    expect(desk.get(id)).toEqual({ ...before, impact });
    // Shown before it came, and it still counts.
    expect(await desk.decide(decision(id))).toMatchObject({ type: 'counted', request: { impact } });
    expect((await hold.ended).type).toBe('approved');
    const late = waiting(await desk.hold(heldOf({ digest: 'late' }), WAIT));
    await desk.decide(decision(late.id, { digest: 'tag-late', decision: 'deny' }));
    expect(await desk.impact(late.id, impact)).toBe(false);
    await quiet();
    expect(seen).toEqual(['opened', 'impact', 'decided', 'opened', 'decided']);
    const after = world({ journal });
    await after.desk.restore(journal.events.slice());
    expect(after.desk.get(id)?.impact).toEqual(impact);
  });

  test('waits no longer than it may and then is a ticket', async () => {
    const { desk, journal, clock } = world();
    const { hold, id } = waiting(await desk.hold(heldOf(), WAIT));
    await clock.advance(WAIT - 1);
    expect(desk.get(id)?.holds).toBe('held');
    await clock.advance(1);
    expect(await hold.ended).toMatchObject({ type: 'ended', why: 'waited-out', request: { state: 'open' } });
    expect(desk.get(id)).toMatchObject({ state: 'open', holds: 'ticket', wait_until: null });
    expect(journal.types()).toEqual(['opened', 'ticket']);
    await hold.end('cancelled');
    expect(journal.types()).toEqual(['opened', 'ticket']);
  });

  test('expires by the clock', async () => {
    const { desk, clock, journal } = world();
    const { hold, id } = waiting(await desk.hold(heldOf({}, { deadline_ms: 5000 }), WAIT));
    expect(hold.request().wait_until).toBe(clock.now() + 5000);
    await clock.advance(5000);
    expect((await hold.ended).type).toBe('expired');
    expect(desk.get(id)?.state).toBe('expired');
    expect(await desk.decide(decision(id))).toMatchObject({
      why: 'already-decided',
      text: 'Nobody decided in 5 seconds. The agent was told; nothing ran.',
    });
    expect(journal.types()).toEqual(['opened', 'expired']);
  });

  test('is not decided after its deadline though the timer is late', async () => {
    const { desk, clock } = world();
    const { id } = waiting(await desk.hold(heldOf(), WAIT));
    clock.time += 15 * 60_000;
    expect(await desk.decide(decision(id))).toMatchObject({
      why: 'already-decided',
      text: 'Nobody decided in 15 minutes. The agent was told; nothing ran.',
    });
  });

  test('with wait 0 is pending at once', async () => {
    const { desk } = world();
    expect(await desk.hold(heldOf(), 0)).toMatchObject({ type: 'pending', request: { holds: 'ticket' } });
  });
});

describe('the identical statement', () => {
  test('attaches to the open request; an approval is offered to one connection, the other hears that it was used', async () => {
    const { desk, journal } = world();
    const first = waiting(await desk.hold(heldOf(), WAIT));
    const result = await desk.hold(heldOf({ session: 's2' }), WAIT);
    expect(result).toMatchObject({ type: 'waiting', attached: true });
    const second = waiting(result);
    expect(second.id).toBe(first.id);
    await desk.decide(decision(first.id));
    expect((await first.hold.ended).type).toBe('approved');
    expect(await desk.release(first.id, 's1')).toBe(true);
    expect((await second.hold.ended).type).toBe('used');
    expect(journal.types()).toEqual(['opened', 'held', 'decided', 'released']);
  });

  test('of two sent at the same time makes one request', async () => {
    const { desk } = world();
    const results = await Promise.all([desk.hold(heldOf(), WAIT), desk.hold(heldOf({ session: 's2' }), WAIT)]);
    expect(new Set(results.map(idOf)).size).toBe(1);
  });

  test('goes to the next connection when the first has gone after the approval', async () => {
    const { desk, journal } = world();
    const first = waiting(await desk.hold(heldOf(), WAIT));
    const second = waiting(await desk.hold(heldOf({ session: 's2' }), WAIT));
    await desk.decide(decision(first.id));
    expect((await first.hold.ended).type).toBe('approved');
    await first.hold.end('disconnected');
    expect((await second.hold.ended).type).toBe('approved');
    expect(await desk.release(second.id, 's2')).toBe(true);
    expect(journal.types()).toEqual(['opened', 'held', 'decided', 'released']);
  });

  test('is a ticket when the only connection has gone after the approval', async () => {
    const { desk, journal } = world();
    const { hold, id } = waiting(await desk.hold(heldOf(), WAIT));
    await desk.decide(decision(id));
    await hold.end('disconnected');
    expect(desk.get(id)).toMatchObject({ state: 'approved', holds: 'ticket' });
    expect(await desk.hold(heldOf({ session: 's2' }), WAIT)).toMatchObject({ type: 'run', request: { id } });
    expect(journal.types()).toEqual(['opened', 'decided', 'ticket', 'released']);
  });

  test('stays held while one of two connections waits', async () => {
    const { desk, journal } = world();
    const first = waiting(await desk.hold(heldOf(), WAIT));
    const second = waiting(await desk.hold(heldOf({ session: 's2' }), WAIT));
    await first.hold.end('disconnected');
    expect(desk.get(first.id)?.holds).toBe('held');
    await second.hold.end('cancelled');
    expect(desk.get(first.id)?.holds).toBe('ticket');
    expect(journal.events.at(-1)?.event).toMatchObject({ type: 'ticket', session: 's2', why: 'cancelled' });
  });

  test('is a used ticket: runs once, then is a new request', async () => {
    const { desk, clock } = world();
    const id = idOf(await desk.hold(heldOf(), 0));
    await desk.decide(decision(id));
    await clock.advance(HOUR - 1);
    const runs = await Promise.all([desk.hold(heldOf({ session: 's2' }), 0), desk.hold(heldOf({ session: 's3' }), 0)]);
    expect(runs.map((run) => run.type)).toEqual(['run', 'pending']);
    expect(runs[0]).toMatchObject({ request: { id, state: 'released' } });
    expect(idOf(runs[1])).not.toBe(id);
  });

  test('after use_within finds the ticket lapsed and is a new request', async () => {
    const { desk, clock, journal } = world();
    const id = idOf(await desk.hold(heldOf(), 0));
    await desk.decide(decision(id));
    await clock.advance(HOUR);
    expect(desk.get(id)?.state).toBe('lapsed');
    const again = await desk.hold(heldOf(), 0);
    expect(again.type).toBe('pending');
    expect(idOf(again)).not.toBe(id);
    expect(journal.types()).toEqual(['opened', 'decided', 'lapsed', 'opened']);
  });

  test('in a transaction with other earlier statements ends an approved ticket with ZH006', async () => {
    const { desk } = world();
    const inTransaction = (sql: string): Held =>
      heldOf({ in_transaction: true, earlier: [{ sql, at: 1, outcome: 'INSERT 0 1' }] });
    const id = idOf(await desk.hold(inTransaction('insert into a values (1)'), 0));
    await desk.decide(decision(id));
    const other = await desk.hold(inTransaction('insert into a values (2)'), 0);
    expect(other).toMatchObject({ type: 'lapsed', why: 'the earlier statements of the transaction are others now' });
    expect(idOf(other)).toBe(id);
    expect(await desk.release(id, 's1')).toBe(false);
    expect((await desk.hold(inTransaction('insert into a values (2)'), 0)).type).toBe('pending');
  });

  test('in a transaction with the same earlier statements runs, whenever they ran', async () => {
    const { desk } = world();
    const at = (ms: number): Held =>
      heldOf({ in_transaction: true, earlier: [{ sql: 'select 1', at: ms, outcome: 'SELECT 1' }] });
    await desk.decide(decision(idOf(await desk.hold(at(1), 0))));
    expect((await desk.hold(at(2), 0)).type).toBe('run');
  });

  test.each([
    ['another rule', { rule: 'personal-data' }, {}],
    ['other reviewers', {}, { of: ['data-owner'] }],
    [
      'other objects',
      { findings: [{ action: 'export', object: 'public.cards', why: '', statement: 0, start: 0, end: 4 }] },
      {},
    ],
  ] as const)('judged otherwise is not what was approved: %s', async (_, more, ask) => {
    const { desk } = world();
    const id = idOf(await desk.hold(heldOf(), 0));
    await desk.decide(decision(id));
    expect(await desk.hold(heldOf(more, ask), 0)).toMatchObject({
      type: 'lapsed',
      why: 'the policy or what the statement touches is another now',
      request: { id, state: 'lapsed' },
    });
    expect((await desk.hold(heldOf(more, ask), 0)).type).toBe('pending');
  });

  test('with other white space has its findings elsewhere and still is the same', async () => {
    const { desk } = world();
    const at = (start: number): Held =>
      heldOf({
        findings: [{ action: 'export', object: 'public.cards', why: '', statement: 0, start, end: start + 4 }],
      });
    const id = idOf(await desk.hold(at(0), WAIT));
    expect(await desk.hold(at(7), WAIT)).toMatchObject({ attached: true });
    await desk.decide(decision(id));
    expect(idOf(await desk.hold(at(9), 0))).toBe(id);
  });

  test('does not attach to a request that shows other earlier statements', async () => {
    const { desk } = world();
    const after = (sql: string): Held => heldOf({ in_transaction: true, earlier: [{ sql, at: 1, outcome: 'X' }] });
    const [one, two] = [await desk.hold(after('a'), WAIT), await desk.hold(after('b'), WAIT)];
    expect(idOf(one)).not.toBe(idOf(two));
    // The first still waits for its approval, so the other transaction does not take it away.
    await desk.decide(decision(idOf(one)));
    expect((await waiting(one).hold.ended).type).toBe('approved');
    expect((await desk.hold(after('c'), WAIT)).type).toBe('waiting');
    expect(await desk.release(idOf(one), 's1')).toBe(true);
  });
});

describe('a rule without tickets', () => {
  const noTicket = heldOf({}, { ticket: false });

  test('withdraws when the hold ends', async () => {
    const { desk } = world();
    const { hold, id } = waiting(await desk.hold(noTicket, WAIT));
    await hold.end('disconnected');
    expect(await hold.ended).toMatchObject({ type: 'ended', why: 'disconnected', request: { state: 'withdrawn' } });
    expect(await desk.decide(decision(id))).toMatchObject({ why: 'already-decided' });
  });

  test('lapses when the client goes between approval and release', async () => {
    const { desk } = world();
    const { hold, id } = waiting(await desk.hold(noTicket, WAIT));
    await desk.decide(decision(id));
    await hold.end('disconnected');
    expect(desk.get(id)?.state).toBe('lapsed');
    expect((await desk.hold(noTicket, WAIT)).type).toBe('waiting');
  });
});

describe('refused holds', () => {
  test('of a principal that nobody answers for, unless allowed', async () => {
    const orphan = heldOf({ who: { ...heldOf().who, id: 'orphan', sponsor: null } });
    const strict = world();
    expect(await strict.desk.hold(orphan, WAIT)).toEqual({ type: 'refused', why: 'unsponsored' });
    expect(strict.journal.events).toEqual([]);
    expect((await world({ unsponsored: 'allow' }).desk.hold(orphan, WAIT)).type).toBe('waiting');
    // Of somebody who has been taken out of the directory since the login nobody could decide anything.
    const gone = heldOf({ who: { ...heldOf().who, id: 'gone', sponsor: 'mara' } });
    for (const unsponsored of ['refuse', 'allow'] as const) {
      expect((await world({ unsponsored }).desk.hold(gone, WAIT)).type).toBe('refused');
    }
  });

  test('without a reason where the rule wants one; a ticket needs none', async () => {
    const { desk } = world();
    const ask = { reason: 'required' } as const;
    expect(await desk.hold(heldOf({ reason: '  ' }, ask), WAIT)).toEqual({ type: 'refused', why: 'reason-required' });
    await desk.decide(decision(idOf(await desk.hold(heldOf({ reason: 'month end' }, ask), 0))));
    expect((await desk.hold(heldOf({}, ask), 0)).type).toBe('run');
  });

  test('over the limit of open requests, also when all come at once; attaching is not over it', async () => {
    const { desk } = world();
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, i) => desk.hold(heldOf({ digest: `d${i}`, session: `s${i}` }), WAIT)),
    );
    expect(results.filter((result) => result.type === 'waiting')).toHaveLength(3);
    expect(results.at(-1)).toEqual({ type: 'refused', why: 'too-many', limit: 3 });
    expect((await desk.hold(heldOf({ digest: 'd0' }), WAIT)).type).toBe('waiting');
    await desk.decide(decision(waiting(results[0]!).id, { digest: 'tag-d0' }));
    expect((await desk.hold(heldOf({ digest: 'd9' }), WAIT)).type).toBe('waiting');
    expect((await desk.hold(heldOf({ digest: 'd10' }), WAIT)).type).toBe('refused');
  });
});

describe('deciding', () => {
  test('twenty at once give one outcome, and nineteen hear whose it was', async () => {
    const { desk, journal } = world();
    const { hold, id } = waiting(await desk.hold(heldOf(), WAIT));
    const reviewers = ['aiko', 'ines', 'jonas'];
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        desk.decide(decision(id, { by: reviewers[i % 3]!, decision: i % 2 === 0 ? 'deny' : 'approve' })),
      ),
    );
    expect(results[0]?.type).toBe('counted');
    const late = results.slice(1);
    expect(late.every((result) => result.type === 'refused' && result.why === 'already-decided')).toBe(true);
    expect(late[0]).toMatchObject({ text: 'aiko denied this 0 s ago. Your decision was not counted.' });
    expect(journal.types()).toEqual(['opened', 'decided']);
    expect((await hold.ended).type).toBe('denied');
  });

  test('twenty connections and a reviewer: one runs', async () => {
    const { desk, journal } = world();
    const holds = await Promise.all(
      Array.from({ length: 20 }, (_, i) => desk.hold(heldOf({ session: `s${i}` }), WAIT)),
    );
    const ran: string[] = [];
    const ends = holds.map(async (result, i) => {
      const { hold, id } = waiting(result);
      const end = await hold.ended;
      if (end.type === 'approved' && (await desk.release(id, `s${i}`))) ran.push(`s${i}`);
      return end.type;
    });
    await desk.decide(decision(idOf(holds[0]!)));
    expect((await Promise.all(ends)).filter((end) => end === 'used')).toHaveLength(19);
    expect(ran).toEqual(['s0']);
    expect(journal.types().filter((type) => type === 'released')).toHaveLength(1);
  });

  test('too late says who was faster', async () => {
    const { desk, clock } = world();
    const { id } = waiting(await desk.hold(heldOf(), WAIT));
    await desk.decide(decision(id, { decision: 'deny' }));
    await clock.advance(4000);
    expect(await desk.decide(decision(id, { by: 'ines' }))).toMatchObject({
      text: 'aiko denied this 4 s ago. Your decision was not counted.',
    });
  });

  test.each([
    ['unknown request', decision('HP-00000000'), 'not-found', 'There is no request HP-00000000.'],
    [
      'sponsor',
      { by: 'mara' },
      'own',
      'You are the sponsor of billing-agent, so you cannot decide this. jonas, aiko or ines can.',
    ],
    ['other digest', { digest: 'tag-x' }, 'changed', 'This is not what you were shown. Read it once more.'],
    ['other revision', { revision: 2 }, 'changed', 'This is not what you were shown. Read it once more.'],
    [
      'no rationale',
      { rationale: ' \u200b\u00a0 ' },
      'rationale-missing',
      'Write why. Rule exports wants it for approve and deny.',
    ],
    ['long rationale', { rationale: 'x'.repeat(2001) }, 'rationale-too-long', 'Write at most 2000 characters.'],
    [
      'nobody we know',
      { by: 'mallory' },
      'not-a-reviewer',
      'Only a person with the role reviewer decides. This account does not have it.',
    ],
  ] as const)('is refused: %s', async (_, input, why, text) => {
    const { desk, journal } = world();
    const { id } = waiting(await desk.hold(heldOf({}, { rationale: ['approve', 'deny'] }), WAIT));
    expect(await desk.decide(decision(id, input))).toMatchObject({ type: 'refused', why, text });
    expect(journal.types()).toEqual(['opened']);
    expect(desk.get(id)?.state).toBe('open');
  });

  test('counts for the group that the reviewer is in, and is refused outside of it', async () => {
    const { desk } = world();
    const { id } = waiting(await desk.hold(heldOf({}, { of: ['dba'] }), WAIT));
    expect(desk.may(id, 'jonas')).toMatchObject({ may: false, text: 'This needs dba. You are in data.' });
    await desk.decide(decision(id));
    expect(desk.get(id)?.decisions).toMatchObject([{ by: 'aiko', group: 'dba', rationale: 'checked' }]);
  });
});

describe('withdrawing', () => {
  test('is for the requester and its sponsor, while it is open', async () => {
    const { desk } = world();
    const { hold, id } = waiting(await desk.hold(heldOf(), WAIT));
    expect(await desk.withdraw(id, 'aiko', '')).toBe('not-yours');
    expect(await desk.withdraw(id, 'mara', 'wrong table')).toBe('ok');
    expect(await hold.ended).toMatchObject({ type: 'withdrawn', request: { withdrawn: { by: 'mara' } } });
    expect(await desk.withdraw(id, 'billing-agent', '')).toEqual({ already: 'withdrawn' });
    expect(await desk.withdraw('HP-00000000', 'mara', '')).toBe('unknown');
    expect(await desk.decide(decision(id))).toMatchObject({
      text: 'mara withdrew this 0 s ago. Your decision was not counted.',
    });
  });
});

describe('a journal that fails', () => {
  const failing = (type: ApprovalEvent['type']) => (event: ApprovalEvent) => event.type === type;

  test('opened: hold rejects, nothing is there, and the place is free again', async () => {
    const { desk, journal } = world({ requests_open_per_principal_max: 1 });
    journal.fails = failing('opened');
    await expect(desk.hold(heldOf(), WAIT)).rejects.toThrow('disk full');
    expect(desk.list()).toEqual([]);
    journal.fails = () => false;
    expect((await desk.hold(heldOf(), WAIT)).type).toBe('waiting');
  });

  test('held: the second connection is refused, the first goes on waiting', async () => {
    const { desk, journal } = world();
    const first = waiting(await desk.hold(heldOf(), WAIT));
    journal.fails = failing('held');
    await expect(desk.hold(heldOf({ session: 's2' }), WAIT)).rejects.toThrow('disk full');
    await desk.decide(decision(first.id));
    expect((await first.hold.ended).type).toBe('approved');
  });

  test('decided: not recorded, not counted, nobody is told, and it can be decided later', async () => {
    const { desk, journal } = world();
    const { hold, id } = waiting(await desk.hold(heldOf(), WAIT));
    const told: string[] = [];
    desk.subscribe((_, event) => told.push(event.type));
    journal.fails = failing('decided');
    expect(await desk.decide(decision(id))).toMatchObject({
      why: 'not-recorded',
      text: 'The audit log cannot be written, so this was not counted. Nothing ran.',
    });
    expect(desk.get(id)).toMatchObject({ state: 'open', decisions: [] });
    expect(told).toEqual([]);
    journal.fails = () => false;
    await desk.decide(decision(id));
    expect((await hold.ended).type).toBe('approved');
  });

  test('released: release rejects and the statement has not run; the ticket is still good', async () => {
    const { desk, journal } = world();
    const id = idOf(await desk.hold(heldOf(), 0));
    await desk.decide(decision(id));
    journal.fails = failing('released');
    await expect(desk.hold(heldOf(), 0)).rejects.toThrow('disk full');
    await expect(desk.release(id, 's1')).rejects.toThrow('disk full');
    expect(desk.get(id)?.state).toBe('approved');
    journal.fails = () => false;
    expect((await desk.hold(heldOf(), 0)).type).toBe('run');
  });

  test('ticket: the hold ends all the same, and the record follows when it can', async () => {
    const { desk, journal, clock } = world();
    const { hold, id } = waiting(await desk.hold(heldOf(), WAIT));
    journal.fails = failing('ticket');
    await expect(hold.end('disconnected')).rejects.toThrow('disk full');
    expect(await hold.ended).toMatchObject({ type: 'ended', why: 'disconnected' });
    expect(desk.get(id)?.holds).toBe('held');
    expect(await desk.decide(decision(id))).toMatchObject({ why: 'not-recorded' });
    journal.fails = () => false;
    await clock.advance(1000);
    expect(desk.get(id)?.holds).toBe('ticket');
  });

  test('expired: it stays open but cannot be approved, and expires when it can', async () => {
    const { desk, journal, clock } = world();
    const { id } = waiting(await desk.hold(heldOf({}, { deadline_ms: 1000 }), 500));
    journal.fails = failing('expired');
    await clock.advance(1500);
    expect(desk.get(id)?.state).toBe('open');
    expect(await desk.decide(decision(id))).toMatchObject({ why: 'not-recorded' });
    journal.fails = () => false;
    await clock.advance(1000);
    expect(desk.get(id)?.state).toBe('expired');
  });

  test('lapsed: the ticket cannot be used though the log does not say so yet', async () => {
    const { desk, journal, clock } = world();
    const id = idOf(await desk.hold(heldOf(), 0));
    await desk.decide(decision(id));
    journal.fails = failing('lapsed');
    await clock.advance(HOUR);
    await expect(desk.hold(heldOf(), 0)).rejects.toThrow('disk full');
    await expect(desk.release(id, 's1')).rejects.toThrow('disk full');
  });

  test('finished: rejects, and a restart calls the outcome unknown', async () => {
    const { desk, journal } = world();
    const id = idOf(await desk.hold(heldOf(), 0));
    await desk.decide(decision(id));
    await desk.release(id, 's1');
    journal.fails = failing('finished');
    await expect(desk.finish(id, DONE)).rejects.toThrow('disk full');
    expect(desk.get(id)?.state).toBe('released');
  });

  test('withdrawn: rejects and it is still open', async () => {
    const { desk, journal } = world();
    const id = idOf(await desk.hold(heldOf(), 0));
    journal.fails = failing('withdrawn');
    await expect(desk.withdraw(id, 'mara', '')).rejects.toThrow('disk full');
    expect(desk.get(id)?.state).toBe('open');
  });
});

describe('order', () => {
  test('listeners hear events in the order of the log though appends resolve in another', async () => {
    const gates: (() => void)[] = [];
    let seq = 0;
    const { desk } = world({
      journal: {
        append: () => {
          seq += 1;
          const mine = seq;
          return new Promise((resolve) => {
            gates.push(() => resolve(mine));
          });
        },
      },
    });
    const heard: number[] = [];
    desk.subscribe((n) => heard.push(n));
    const both = [desk.hold(heldOf(), 0), desk.hold(heldOf({ digest: 'd2' }), 0)];
    await quiet();
    gates[1]?.();
    await quiet();
    expect(heard).toEqual([]);
    expect(desk.list()).toEqual([]);
    gates[0]?.();
    await Promise.all(both);
    await quiet();
    expect(heard).toEqual([1, 2]);
  });
});

test('a listener that throws does not make a decision that counts look as if it had not', async () => {
  const { desk, journal } = world();
  const id = idOf(await desk.hold(heldOf(), 0));
  desk.subscribe(() => {
    throw new Error('a bug in a listener');
  });
  const thrown: unknown[] = [];
  vi.stubGlobal('queueMicrotask', (callback: () => void) => {
    try {
      callback();
    } catch (error) {
      thrown.push(error);
    }
  });
  try {
    expect((await desk.decide(decision(id))).type).toBe('counted');
  } finally {
    vi.unstubAllGlobals();
  }
  expect(thrown).toHaveLength(1);
  expect(journal.types()).toEqual(['opened', 'decided']);
});

describe('restart', () => {
  test('rebuilds every request as it was; holds are tickets, released is outcome unknown', async () => {
    const { desk, journal, clock } = world({ requests_open_per_principal_max: 20 });
    const at = (digest: string, more: Partial<Held> = {}, ask: Partial<Held['ask']> = {}) =>
      heldOf({ digest, sql: `-- ${digest}`, ...more }, ask);
    const say = (id: string, digest: string, choice: 'approve' | 'deny') =>
      desk.decide(decision(id, { digest: `tag-${digest}`, decision: choice }));
    const open = idOf(await desk.hold(at('open'), WAIT));
    const ticket = idOf(await desk.hold(at('ticket'), 0));
    const approved = idOf(await desk.hold(at('approved'), 0));
    await say(approved, 'approved', 'approve');
    const denied = idOf(await desk.hold(at('denied'), 0));
    await say(denied, 'denied', 'deny');
    const released = idOf(await desk.hold(at('released'), 0));
    await say(released, 'released', 'approve');
    await desk.release(released, 's1');
    const executed = idOf(await desk.hold(at('executed'), 0));
    await say(executed, 'executed', 'approve');
    await desk.release(executed, 's1');
    await desk.finish(executed, DONE);
    const failed = idOf(await desk.hold(at('failed'), 0));
    await say(failed, 'failed', 'approve');
    await desk.release(failed, 's1');
    await desk.finish(failed, { ...DONE, tag: null, sqlstate: '42P01' });
    const lost = idOf(await desk.hold(at('lost'), 0));
    await say(lost, 'lost', 'approve');
    await desk.release(lost, 's1');
    await desk.finish(lost, null);
    const expired = idOf(await desk.hold(at('expired', {}, { deadline_ms: 10 }), 0));
    await clock.advance(10);
    const withdrawn = idOf(await desk.hold(at('withdrawn'), 0));
    await desk.withdraw(withdrawn, 'mara', 'no');
    const noTicket = idOf(await desk.hold(at('no-ticket', {}, { ticket: false }), WAIT));
    const before = desk.list();

    const after = world({ requests_open_per_principal_max: 20, journal });
    after.clock.time = clock.now();
    await after.desk.restore(journal.events.slice());

    const changed = new Set([open, released, noTicket]);
    expect(after.desk.list().filter(({ id }) => !changed.has(id))).toEqual(before.filter(({ id }) => !changed.has(id)));
    expect(after.desk.get(open)).toEqual({
      ...before.find(({ id }) => id === open),
      holds: 'ticket',
      wait_until: null,
      updated: clock.now(),
    });
    expect(after.desk.get(released)?.state).toBe('outcome_unknown');
    expect(after.desk.get(noTicket)?.state).toBe('withdrawn');
    expect(
      [ticket, approved, denied, executed, failed, lost, expired, withdrawn].map((id) => after.desk.get(id)?.state),
    ).toEqual(['open', 'approved', 'denied', 'executed', 'failed', 'outcome_unknown', 'expired', 'withdrawn']);
    // What a second restart reads is the same again.
    const third = world({ journal });
    third.clock.time = clock.now();
    const events = journal.events.length;
    await third.desk.restore(journal.events.slice());
    expect(third.desk.list()).toEqual(after.desk.list());
    expect(journal.events).toHaveLength(events);
    // And what lives on works.
    expect((await after.desk.hold(at('approved'), 0)).type).toBe('run');
    expect((await after.desk.hold(at('denied'), 0)).type).toBe('denied');
    expect((await after.desk.hold(at('executed'), 0)).type).toBe('pending');
  });

  test('while the gateway was down deadlines passed', async () => {
    const { desk, journal, clock } = world();
    const open = idOf(await desk.hold(heldOf(), WAIT));
    const ticket = idOf(await desk.hold(heldOf({ digest: 'd2' }), 0));
    await desk.decide(decision(ticket, { digest: 'tag-d2' }));
    const after = world({ journal });
    after.clock.time = clock.now() + HOUR;
    await after.desk.restore(journal.events.slice());
    expect(after.desk.get(open)?.state).toBe('expired');
    expect(after.desk.get(ticket)?.state).toBe('lapsed');
  });

  test('close makes tickets of holds', async () => {
    const { desk, journal } = world();
    const { hold } = waiting(await desk.hold(heldOf(), WAIT));
    await desk.close();
    expect(await hold.ended).toMatchObject({ type: 'ended', why: 'shutdown' });
    expect(journal.events.at(-1)?.event).toMatchObject({ type: 'ticket', why: 'shutdown' });
    await expect(desk.hold(heldOf(), WAIT)).rejects.toThrow('closed');
  });
});

test('ended requests are forgotten, oldest first, but no denial that stands', async () => {
  const { desk } = world();
  const denied = idOf(await desk.hold(heldOf({ digest: 'denied' }), 0));
  await desk.decide(decision(denied, { digest: 'tag-denied', decision: 'deny' }));
  let first = '';
  for (let i = 0; i < ENDED_KEPT_MAX; i += 1) {
    const id = idOf(await desk.hold(heldOf({ digest: `x${i}` }), 0));
    first ||= id;
    await desk.withdraw(id, 'mara', '');
  }
  expect(desk.list()).toHaveLength(ENDED_KEPT_MAX);
  expect(desk.get(first)).toBeUndefined();
  expect(desk.get(denied)?.state).toBe('denied');
});
