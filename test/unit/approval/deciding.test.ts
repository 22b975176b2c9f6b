// More than one voice: quorum, change of mind, escalation, nobody there, out of office, questions and answers, break-glass.
import { describe, expect, test } from 'vitest';
import type { HoldEnd, Requester, Reviewer } from '../../../src/approval/types.ts';
import { decision, DIRECTORY, directoryOf, heldOf, person, quiet, waiting, world, type World } from './help.ts';

const WAIT = 45_000;
const MINUTE = 60_000;
const BOTH = { of: ['dba', 'data-owner'], each: true } as const;
const GROUPS = { dba: ['dba'], 'data-owner': ['data'], leads: ['leads'] };

/** The four of help.ts, and more. */
function directoryWith(more: readonly Reviewer[], links: readonly Requester[] = []) {
  const known = ['mara', 'jonas', 'aiko', 'ines'].map((id) => DIRECTORY.reviewer(id)!);
  const requesters = ['billing-agent', 'mara'].map((id) => DIRECTORY.requester(id)!);
  return directoryOf([...known, ...more], [...requesters, ...links], GROUPS);
}

async function held(w: World, ask: Parameters<typeof heldOf>[1] = {}, more: Parameters<typeof heldOf>[0] = {}) {
  const one = waiting(await w.desk.hold(heldOf(more, ask), WAIT));
  const ends: HoldEnd[] = [];
  void one.hold.ended.then((end) => ends.push(end));
  return { ...one, ends, state: () => w.desk.get(one.id)?.state };
}

describe('quorum', () => {
  test('one of each: it waits for the second, of the other group', async () => {
    const w = world();
    const { id, ends, state } = await held(w, BOTH);
    expect(await w.desk.decide(decision(id, { by: 'aiko' }))).toMatchObject({ type: 'counted' });
    expect(state()).toBe('open');
    expect(await w.desk.decide(decision(id, { by: 'ines' }))).toMatchObject({ type: 'counted' });
    expect(state()).toBe('open');
    expect(ends).toEqual([]);
    await w.desk.decide(decision(id, { by: 'jonas' }));
    expect(state()).toBe('approved');
    await quiet();
    expect(ends).toMatchObject([{ type: 'approved' }]);
    expect(w.desk.get(id)?.decisions.map(({ by, group }) => [by, group])).toEqual([
      ['aiko', 'dba'],
      ['ines', 'dba'],
      ['jonas', 'data-owner'],
    ]);
  });

  test('the same person twice counts once, and hears so', async () => {
    const w = world();
    const { id, state } = await held(w, { count: 2 });
    await w.desk.decide(decision(id, { by: 'aiko' }));
    w.clock.time += 3000;
    expect(await w.desk.decide(decision(id, { by: 'aiko' }))).toMatchObject({
      type: 'refused',
      why: 'already-decided',
      text: 'You approved this 3 s ago. It counts; others have to decide, too.',
    });
    expect(state()).toBe('open');
    expect(w.journal.types()).toEqual(['opened', 'decided']);
  });

  test('one denial ends it, whatever was approved before', async () => {
    const w = world();
    const { id, ends } = await held(w, { count: 2 });
    await w.desk.decide(decision(id, { by: 'aiko' }));
    await w.desk.decide(decision(id, { by: 'ines', decision: 'deny' }));
    await quiet();
    expect(ends).toMatchObject([{ type: 'denied' }]);
  });

  test('where two denials are needed, one is not the end, and can be taken back', async () => {
    const w = world();
    const { id, state, ends } = await held(w, { count: 2, denials: 2 });
    await w.desk.decide(decision(id, { by: 'ines', decision: 'deny' }));
    expect(state()).toBe('open');
    await w.desk.decide(decision(id, { by: 'ines' }));
    expect(w.desk.get(id)?.decisions.map(({ decision: one, counts }) => [one, counts])).toEqual([
      ['deny', false],
      ['approve', true],
    ]);
    await w.desk.decide(decision(id, { by: 'aiko', decision: 'deny' }));
    expect(state()).toBe('open');
    await w.desk.decide(decision(id, { by: 'jonas', decision: 'deny' }));
    await quiet();
    expect(ends).toMatchObject([{ type: 'denied' }]);
  });

  test('an approver may think better of it until it is decided', async () => {
    const w = world();
    const { id, state } = await held(w, { count: 2 });
    await w.desk.decide(decision(id, { by: 'aiko' }));
    await w.desk.decide(decision(id, { by: 'aiko', decision: 'deny' }));
    expect(state()).toBe('denied');
    expect(await w.desk.decide(decision(id, { by: 'aiko' }))).toMatchObject({ why: 'already-decided' });
  });

  test('who may not decide any more when the last one does is no approver any more', async () => {
    const agent = { id: 'billing-agent', sponsor: 'mara' as string, aliases: [], people: [] };
    const directory = directoryWith([]);
    const w = world({ directory: { ...directory, requester: (id) => (id === agent.id ? agent : undefined) } });
    const { id, state } = await held(w, { count: 2 });
    await w.desk.decide(decision(id, { by: 'aiko' }));
    agent.sponsor = 'aiko';
    await w.desk.decide(decision(id, { by: 'ines' }));
    expect(state()).toBe('open');
    expect(w.desk.get(id)?.decisions.map(({ by, counts }) => [by, counts])).toEqual([
      ['aiko', false],
      ['ines', true],
    ]);
    await w.desk.decide(decision(id, { by: 'jonas' }));
    expect(state()).toBe('approved');
  });

  test('who has left the group is no approver for it any more', async () => {
    const ines = person('ines-b', { groups: ['dba'] });
    const groups = { ines: ['dba'] };
    const directory = directoryWith([]);
    const w = world({
      directory: {
        ...directory,
        reviewer: (id) => (id === ines.id ? { ...ines, groups: groups.ines } : directory.reviewer(id)),
      },
    });
    const { id, state } = await held(w, BOTH);
    await w.desk.decide(decision(id, { by: 'ines-b' }));
    groups.ines = ['sales'];
    await w.desk.decide(decision(id, { by: 'jonas' }));
    expect(state()).toBe('open');
    await w.desk.decide(decision(id, { by: 'aiko' }));
    expect(state()).toBe('approved');
  });

  test('a rule that wants the console takes no approval from elsewhere, but a denial', async () => {
    const w = world();
    const { id, state } = await held(w, { channel: 'console' });
    expect(await w.desk.decide(decision(id, { channel: 'api' }))).toMatchObject({ why: 'wrong-channel' });
    await w.desk.decide(decision(id, { channel: 'api', decision: 'deny' }));
    expect(state()).toBe('denied');
  });
});

describe('escalation and nobody there', () => {
  test('after its time others may decide, too', async () => {
    const directory = directoryWith([person('lea', { groups: ['leads'] })]);
    const w = world({ directory });
    const { id } = await held(w, { of: ['dba'], escalate: { after_ms: 5 * MINUTE, to: ['leads'] } });
    expect(await w.desk.decide(decision(id, { by: 'lea' }))).toMatchObject({ why: 'wrong-group' });
    await w.clock.advance(5 * MINUTE);
    expect(w.desk.get(id)?.escalated).toBe(w.clock.now());
    expect(w.journal.types()).toContain('escalated');
    expect(await w.desk.decide(decision(id, { by: 'lea' }))).toMatchObject({ type: 'counted' });
    expect(w.desk.get(id)?.decisions[0]?.group).toBe('leads');
  });

  test('no clock moves what is decided', async () => {
    const w = world();
    const { id } = await held(w, { escalate: { after_ms: 5 * MINUTE, to: ['leads'] }, nobody_ms: MINUTE });
    await w.desk.decide(decision(id));
    await w.clock.advance(10 * MINUTE);
    expect(w.journal.types()).not.toContain('escalated');
    expect(w.desk.get(id)?.decisions).toHaveLength(1);
  });

  test('it is denied when nobody who may decide was there for so long in one go', async () => {
    let present: string[] = [];
    const w = world({ present: () => present });
    const { id, ends } = await held(w, { of: ['dba'], nobody_ms: 10 * MINUTE, deadline_ms: 60 * MINUTE });
    await w.clock.advance(9 * MINUTE);
    // The sponsor and somebody of another group are nobody here.
    present = ['mara', 'jonas'];
    w.desk.presence();
    present = ['mara', 'aiko'];
    w.desk.presence();
    await w.clock.advance(3 * MINUTE);
    expect(w.desk.get(id)?.state).toBe('open');
    present = [];
    w.desk.presence();
    await w.clock.advance(10 * MINUTE - 1);
    expect(w.desk.get(id)?.state).toBe('open');
    await w.clock.advance(1);
    expect(w.desk.get(id)).toMatchObject({
      state: 'denied',
      decisions: [
        {
          by: 'holdpoint',
          channel: 'clock',
          rationale: 'Nobody who may decide this was there for 10 minutes.',
        },
      ],
    });
    expect(ends).toMatchObject([{ type: 'ended', why: 'waited-out' }]);
  });

  test('how many may decide, and are there', async () => {
    const w = world({ present: () => ['mara', 'aiko'] });
    const { id } = await held(w, { of: ['dba'] });
    expect(w.desk.reach(id)).toEqual({ eligible: 2, present: 1 });
    expect(w.desk.reach('HP-00000000')).toEqual({ eligible: 0, present: 0 });
  });
});

describe('out of office', () => {
  const away = (who: Readonly<Record<string, readonly string[]>>, more: readonly Reviewer[] = []) => ({
    ...directoryWith(more),
    represents: (id: string) => who[id] ?? [],
  });

  test('who decides instead is named with it', async () => {
    const w = world({ directory: away({ jonas: ['aiko'] }) });
    const { id, state } = await held(w, { of: ['dba'] });
    await w.desk.decide(decision(id, { by: 'jonas' }));
    expect(state()).toBe('approved');
    expect(w.desk.get(id)?.decisions).toMatchObject([{ by: 'jonas', instead_of: 'aiko', group: 'dba' }]);
    expect(w.desk.reach(id).eligible).toBe(3);
  });

  test('duty binds both: neither a sponsor who is away nor one who decides instead', async () => {
    const w = world({ directory: away({ jonas: ['mara'], mara: ['aiko'] }, [person('mara', { groups: ['dba'] })]) });
    const { id } = await held(w, { of: ['dba'] });
    expect(await w.desk.decide(decision(id, { by: 'jonas' }))).toMatchObject({ why: 'wrong-group' });
    expect(await w.desk.decide(decision(id, { by: 'mara' }))).toMatchObject({ why: 'own' });
  });

  test('it is not handed on, and not by who may not decide', async () => {
    const w = world({
      directory: away({ jonas: ['temp'], temp: ['aiko'], lea: ['guest'] }, [
        person('temp'),
        person('lea'),
        person('guest', { groups: ['dba'], roles: ['auditor'] }),
      ]),
    });
    const { id } = await held(w, { of: ['dba'] });
    expect(await w.desk.decide(decision(id, { by: 'jonas' }))).toMatchObject({ why: 'wrong-group' });
    expect(await w.desk.decide(decision(id, { by: 'lea' }))).toMatchObject({ why: 'wrong-group' });
  });

  test('one voice of the two', async () => {
    const w = world({ directory: away({ jonas: ['aiko'] }) });
    const { id, state } = await held(w, { of: ['dba'], count: 2 });
    await w.desk.decide(decision(id, { by: 'aiko' }));
    await w.desk.decide(decision(id, { by: 'jonas' }));
    expect(state()).toBe('open');
    await w.desk.decide(decision(id, { by: 'ines' }));
    expect(state()).toBe('approved');
  });

  test('back again, their deputy counts no more', async () => {
    const who: Record<string, string[]> = { jonas: ['aiko'] };
    const w = world({ directory: away(who) });
    const { id, state } = await held(w, { of: ['dba'], count: 2 });
    await w.desk.decide(decision(id, { by: 'jonas' }));
    who['jonas'] = [];
    await w.desk.decide(decision(id, { by: 'ines' }));
    expect(state()).toBe('open');
  });
});

describe('questions and answers', () => {
  const say = (id: string, by: string, text = 'Who receives it?') => ({ id, by, text, channel: 'console' });

  test('a question reaches who waits; the answer puts off the end of the wait, once', async () => {
    const w = world();
    const { id, hold, ends } = await held(w);
    const told: string[] = [];
    hold.listen({ said: (said) => told.push(`${said?.kind} ${said?.by} ${said?.text}`), ended: () => {} });
    const until = hold.until();
    expect(await w.desk.ask(say(id, 'aiko'))).toMatchObject({ type: 'counted', request: { state: 'asked' } });
    expect(hold.until()).toBe(until);
    await w.desk.answer(say(id, 'billing-agent', 'Finance.'));
    expect(w.desk.get(id)).toMatchObject({ state: 'open', wait_until: until + MINUTE });
    await w.desk.ask(say(id, 'ines', 'And when?'));
    await w.desk.answer(say(id, 'mara', 'Tomorrow.'));
    expect(hold.until()).toBe(until + MINUTE);
    expect(told).toEqual([
      'question aiko Who receives it?',
      'answer billing-agent Finance.',
      'question ines And when?',
      'answer mara Tomorrow.',
    ]);
    await w.clock.advance(WAIT + MINUTE - 1);
    expect(ends).toEqual([]);
    await w.clock.advance(1);
    expect(ends).toMatchObject([{ type: 'ended', why: 'waited-out' }]);
  });

  test('it is put off no further than client and server allow, nor beyond the deadline', async () => {
    const w = world();
    const short = waiting(await w.desk.hold(heldOf(), WAIT, WAIT + 5000));
    const until = short.hold.until();
    await w.desk.answer(say(short.id, 'billing-agent', 'x'));
    expect(short.hold.until()).toBe(until + 5000);
    const late = waiting(await w.desk.hold(heldOf({ digest: 'd2' }, { deadline_ms: WAIT + 2000 }), WAIT));
    await w.desk.answer(say(late.id, 'billing-agent', 'x'));
    expect(late.hold.until()).toBe(w.desk.get(late.id)?.deadline);
  });

  test('only who may decide asks, only the requester and who answers for it answers', async () => {
    const w = world();
    const { id } = await held(w, { of: ['dba'] });
    expect(await w.desk.ask(say(id, 'mara'))).toMatchObject({ why: 'own' });
    expect(await w.desk.ask(say(id, 'jonas'))).toMatchObject({ why: 'wrong-group' });
    expect(await w.desk.ask(say(id, 'billing-agent'))).toMatchObject({ why: 'not-a-reviewer' });
    expect(await w.desk.answer(say(id, 'aiko'))).toMatchObject({ why: 'own' });
    expect(await w.desk.ask(say(id, 'aiko', ' \u200b\n'))).toMatchObject({ why: 'rationale-missing' });
    expect(await w.desk.ask(say(id, 'aiko', 'x'.repeat(2001)))).toMatchObject({ why: 'rationale-too-long' });
    expect(await w.desk.ask(say('HP-00000000', 'aiko'))).toMatchObject({ why: 'not-found' });
    expect(w.journal.types()).toEqual(['opened']);
  });

  test('nobody talks without end', async () => {
    const w = world();
    const { id } = await held(w);
    for (let n = 0; n < 100; n++)
      expect(await w.desk.answer(say(id, 'billing-agent'))).toMatchObject({ type: 'counted' });
    expect(await w.desk.answer(say(id, 'billing-agent'))).toMatchObject({ type: 'refused' });
    expect(w.desk.get(id)?.said).toHaveLength(100);
  });

  test('what was asked can be decided, and after that nothing is said', async () => {
    const w = world();
    const { id, state } = await held(w);
    await w.desk.ask(say(id, 'aiko'));
    await w.desk.decide(decision(id, { by: 'ines' }));
    expect(state()).toBe('approved');
    expect(await w.desk.answer(say(id, 'billing-agent'))).toMatchObject({ why: 'already-decided' });
    expect(await w.desk.ask(say(id, 'aiko'))).toMatchObject({ why: 'already-decided' });
  });

  test('words that cannot be recorded have not been said', async () => {
    const w = world();
    const { id, hold } = await held(w);
    const until = hold.until();
    w.journal.fails = () => true;
    expect(await w.desk.answer(say(id, 'billing-agent'))).toMatchObject({ why: 'not-recorded' });
    expect(hold.until()).toBe(until);
    expect(w.desk.get(id)?.said).toEqual([]);
  });
});

describe('break-glass', () => {
  const directory = directoryWith([], [{ id: 'jonas', sponsor: null, aliases: [], people: [] }]);
  const jonas = { ...heldOf().who, id: 'jonas', kind: 'human' as const, sponsor: null };
  const glass = { who: jonas, break_glass: { reason: ' the site is down ', of: ['data-owner'] } };

  test('it runs at once, on record first, and somebody else has to look at it', async () => {
    const w = world({ directory });
    const result = await w.desk.hold(heldOf(glass), WAIT);
    expect(result).toMatchObject({ type: 'run', request: { state: 'released', broken_glass: { reviewed: null } } });
    expect(w.journal.types()).toEqual(['opened', 'broke_glass', 'released']);
    const id = w.desk.list()[0]!.id;
    const review = (by: string, rationale = 'fine') => w.desk.review({ id, by, rationale });
    expect(await review('jonas')).toMatchObject({ why: 'own' });
    expect(await review('aiko', '')).toMatchObject({ why: 'rationale-missing' });
    expect(await w.desk.decide(decision(id))).toMatchObject({ why: 'already-decided' });
    await w.desk.finish(id, { tag: 'COPY 1', sqlstate: null, rows: 1, bytes: 1, duration_ms: 1 });
    expect(await review('aiko')).toMatchObject({
      type: 'counted',
      request: { broken_glass: { reviewed: { by: 'aiko' } } },
    });
    expect(await review('ines')).toMatchObject({ why: 'already-decided', text: 'aiko has reviewed this.' });
  });

  test('not for an agent, another group, or without a reason', async () => {
    const w = world({ directory });
    const agent = await w.desk.hold(heldOf({ break_glass: glass.break_glass }), WAIT);
    expect(agent).toEqual({ type: 'refused', why: 'no-break-glass' });
    const other = await w.desk.hold(heldOf({ who: jonas, break_glass: { reason: 'x', of: ['dba'] } }), WAIT);
    expect(other).toEqual({ type: 'refused', why: 'no-break-glass' });
    const none = await w.desk.hold(heldOf({ who: jonas, break_glass: { reason: ' ', of: ['data-owner'] } }), WAIT);
    expect(none).toEqual({ type: 'refused', why: 'reason-required' });
    expect(w.journal.types()).toEqual([]);
  });

  test('a denial stands against it', async () => {
    const w = world({ directory });
    const { id } = await held(w, {}, { who: jonas });
    await w.desk.decide(decision(id, { decision: 'deny' }));
    expect(await w.desk.hold(heldOf(glass), WAIT)).toMatchObject({ type: 'denied' });
  });

  test('what waits for a decision already runs so, once, and its other connections hear it', async () => {
    const w = world({ directory });
    const { ends } = await held(w, {}, { who: jonas });
    expect(await w.desk.hold(heldOf({ ...glass, session: 's2' }), WAIT)).toMatchObject({ type: 'run' });
    await quiet();
    expect(ends).toHaveLength(1);
    expect(w.journal.types().filter((type) => type === 'released')).toHaveLength(1);
  });

  test('what it ran is not forgotten before somebody has looked', async () => {
    const w = world({ directory, requests_open_per_principal_max: 10_000 });
    await w.desk.hold(heldOf(glass), WAIT);
    const id = w.desk.list()[0]!.id;
    await w.desk.finish(id, null);
    for (let i = 0; i < 1100; i++) {
      const one = await w.desk.hold(heldOf({ digest: `x${i}` }), 0);
      if (one.type === 'pending') await w.desk.withdraw(one.request.id, 'billing-agent', 'x');
    }
    expect(w.desk.get(id)?.id).toBe(id);
  });
});
