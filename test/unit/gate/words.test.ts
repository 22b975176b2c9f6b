// A verdict in the words that agents read: what is about a table names it, and what a rule is not about is not refused.
import { expect, it } from 'vitest';
import type { Request } from '../../../src/approval/types.ts';
import { atLimit, BEFORE } from '../../../src/gate/told.ts';
import { found, grounds } from '../../../src/gate/words.ts';
import type { Action, Finding } from '../../../src/sql/findings.ts';

const finding = (action: Action, object: string): Finding => ({
  action,
  object,
  why: '',
  statement: 0,
  start: 0,
  end: 1,
});
const READ = finding('read', 'public.customers');
const EXPORT = finding('export', 'public.customers');
const QUERY = [finding('read', 'public.b'), finding('read', 'public.a'), finding('export', '')];

it('names each object once, by action', () => {
  expect(found([EXPORT, EXPORT, finding('ddl', 'public.t')], [])).toBe('export of public.customers; ddl of public.t');
  expect(found([finding('settings', '')], QUERY)).toBe('settings');
  expect(found([], QUERY)).toBe('nothing that a table names');
});

it('an export of a query names what the query reads', () => {
  expect(found(grounds(QUERY, [2]), QUERY)).toBe('export of public.b, public.a');
  expect(found([finding('export', '')], [finding('export', ''), finding('read', '')])).toBe('export');
});

it('a denial names what the rule is about; everything where that is not known', () => {
  const denied = (indexes: readonly number[]) =>
    BEFORE.denied(
      { id: 'HP-1', rule: 'exports', findings: [READ, EXPORT], grounds: indexes, decisions: [] } as unknown as Request,
      false,
    ).detail;
  expect(denied([1])).toContain('Refused: export of public.customers. ');
  expect(denied([])).toContain('Refused: read of public.customers; export of public.customers. ');
});

it('a denial by the clock names no person; an approval names whoever stands in for somebody', () => {
  const request = (decisions: readonly object[], more: object = {}) =>
    ({
      id: 'HP-1',
      rule: 'exports',
      findings: [],
      grounds: [],
      decisions,
      escalated: null,
      broken_glass: null,
      ask: { of: [], each: false, count: 2, denials: 1, escalate: null, nobody_ms: 900_000 },
      who: { sponsor: 'mara' },
      ...more,
    }) as unknown as Request;
  const byClock = request([{ decision: 'deny', counts: true, channel: 'clock', by: 'holdpoint', rationale: 'x' }]);
  expect(BEFORE.denied(byClock, false)).toMatchObject({
    sqlstate: '42501',
    message: 'denied: nobody who may decide was there for 15 minutes (request HP-1)',
    hint: expect.stringMatching(/Tell your sponsor, mara\.$/) as string,
  });
  expect(atLimit({ rows: 3, bytes: 9 }).denied(byClock, false)).toMatchObject({
    message: 'stopped after 3 rows: rule "exports", nobody who may decide request HP-1 was there for 15 minutes',
  });
  const vote = { decision: 'approve', counts: true, accounts: [], groups: [], group: '' };
  const approvedByTwo = [
    { ...vote, by: 'ines', accounts: ['ines'], instead_of: null },
    { ...vote, by: 'piet', accounts: ['piet'], instead_of: 'aiko' },
  ];
  expect(BEFORE.approved(request(approvedByTwo)).message).toBe(
    'approved by ines, piet (instead of aiko): request HP-1 runs now, once',
  );
  expect(BEFORE.approved(request([], { broken_glass: {} })).message).toBe(
    'break-glass: request HP-1 runs now, once, without approval',
  );
});
