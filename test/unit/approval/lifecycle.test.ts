import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  apply,
  HAPPENINGS,
  type Happening,
  IllegalEvent,
  isTerminal,
  LIFECYCLE,
  lifecycleTable,
} from '../../../src/approval/lifecycle.ts';
import { type ApprovalEvent, type Request, type Said, STATES, type State } from '../../../src/approval/types.ts';
import { DONE, heldOf } from './help.ts';

const AT = 5000;
const ID = 'HP-00000000';

/** Where break-glass is the only way that a review can be due. */
const BROKEN_IN: readonly State[] = ['released', 'executed', 'failed', 'outcome_unknown', 'lapsed'];

function requestIn(state: State, glass = BROKEN_IN.includes(state)): Request {
  return {
    ...heldOf(),
    id: ID,
    state,
    revision: 1,
    changed: null,
    opened: 0,
    deadline: 1000,
    use_until: null,
    digest_tag: 't',
    holds: 'held',
    wait_until: 900,
    decisions: [],
    said: [],
    escalated: null,
    broken_glass: glass ? { reason: 'r', at: 1, reviewed: null } : null,
    withdrawn: null,
    outcome: null,
    impact: null,
    before: null,
    updated: 0,
  };
}

function decided(decision: 'approve' | 'deny', ends = true): ApprovalEvent {
  return {
    type: 'decided',
    at: AT,
    id: ID,
    ends,
    void: [],
    decision: {
      decision,
      by: 'aiko',
      accounts: ['aiko'],
      group: '',
      groups: [],
      instead_of: null,
      counts: true,
      rationale: '',
      channel: 'console',
      at: AT,
      permit: null,
    },
  };
}

function said(kind: Said['kind']): Said {
  return { kind, by: 'aiko', text: 'x', channel: 'console', at: AT };
}

/** One event for each column of the table. */
const EVENTS: Readonly<Record<Happening, ApprovalEvent>> = {
  held: { type: 'held', at: AT, id: ID, session: 's2', wait_until: 950 },
  ticket: { type: 'ticket', at: AT, id: ID, session: 's1', why: 'disconnected' },
  impact: { type: 'impact', at: AT, id: ID, impact: { rows: [], tables: [], notes: ['x'] } },
  asked: { type: 'asked', at: AT, id: ID, said: said('question') },
  answered: { type: 'answered', at: AT, id: ID, said: said('answer'), wait_until: 960 },
  escalated: { type: 'escalated', at: AT, id: ID },
  changed: {
    type: 'changed',
    at: AT,
    id: ID,
    why: 'x',
    held: heldOf({ digest: 'd2' }),
    digest_tag: 't2',
    before: null,
  },
  voted: decided('approve', false),
  approve: decided('approve'),
  deny: decided('deny'),
  broke_glass: { type: 'broke_glass', at: AT, id: ID, reason: 'x' },
  reviewed: { type: 'reviewed', at: AT, id: ID, by: 'aiko', rationale: 'x' },
  withdrawn: { type: 'withdrawn', at: AT, id: ID, by: 'mara', reason: '' },
  expired: { type: 'expired', at: AT, id: ID },
  released: { type: 'released', at: AT, id: ID, session: 's1' },
  returned: { type: 'returned', at: AT, id: ID, session: 's1' },
  done: { type: 'finished', at: AT, id: ID, outcome: DONE },
  failed: { type: 'finished', at: AT, id: ID, outcome: { ...DONE, tag: null, sqlstate: '42P01' } },
  outcome_unknown: { type: 'outcome_unknown', at: AT, id: ID, why: 'x' },
  lapsed: { type: 'lapsed', at: AT, id: ID, why: 'x' },
};

describe('every cell of the table', () => {
  const cells = STATES.flatMap((state) => HAPPENINGS.map((event) => [state, event, LIFECYCLE[state][event]] as const));

  it.each(cells)('%s, %s -> %s', (state, event, wanted) => {
    // What was run by break-glass has no way back, and nothing else has a review.
    const glass = event === 'returned' ? false : BROKEN_IN.includes(state);
    const before = requestIn(state, glass);
    if (wanted === undefined) {
      expect(() => apply(before, EVENTS[event])).toThrow(IllegalEvent);
      expect(before).toEqual(requestIn(state, glass));
    } else {
      const after = apply(before, EVENTS[event]);
      expect(after).toMatchObject({ state: wanted, updated: AT });
      if (isTerminal(wanted) || wanted === 'released') expect(after.wait_until).toBeNull();
    }
  });
});

test('what must end has no way on, and only what is approved is released', () => {
  const ends = STATES.filter(isTerminal);
  expect(ends).toEqual(['denied', 'expired', 'withdrawn', 'executed', 'failed', 'outcome_unknown', 'lapsed']);
  expect(STATES.filter((state) => LIFECYCLE[state].released !== undefined)).toEqual(['approved']);
  expect(STATES.filter((state) => LIFECYCLE[state].approve !== undefined)).toEqual(['open', 'asked']);
});

test('no sequence of events releases twice, or releases without an approval before', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...HAPPENINGS), { maxLength: 30 }), (sequence) => {
      let request = requestIn('open');
      const legal: Happening[] = [];
      for (const event of sequence) {
        try {
          request = apply(request, EVENTS[event]);
          legal.push(event);
        } catch (error) {
          expect(error).toBeInstanceOf(IllegalEvent);
        }
      }
      const released = legal.indexOf('released');
      const lives = legal.filter((event) => event === 'released' || event === 'returned');
      lives.forEach((event, index) => expect(event).toBe(index % 2 === 0 ? 'released' : 'returned'));
      const before = legal.slice(0, Math.max(released, 0));
      if (before.includes('broke_glass')) expect(lives.length).toBeLessThanOrEqual(1);
      if (released >= 0) expect(before.includes('approve') || before.includes('broke_glass')).toBe(true);
      if (legal.includes('deny')) expect(released).toBe(-1);
    }),
  );
});

test('opening twice, or anything before opening, is illegal', () => {
  const opened: ApprovalEvent = { type: 'opened', at: AT, request: requestIn('open') };
  expect(apply(undefined, opened)).toEqual(requestIn('open'));
  expect(() => apply(requestIn('open'), opened)).toThrow(IllegalEvent);
  expect(() => apply(undefined, EVENTS.expired)).toThrow(IllegalEvent);
});

test('the printed table is up to date', async () => {
  await expect(lifecycleTable()).toMatchFileSnapshot('../../../docs/generated/lifecycle.md');
});
