// A verdict in the words that agents read: what is about a table names it, and what a rule is not about is not refused.
import { expect, it } from 'vitest';
import type { Request } from '../../../src/approval/types.ts';
import { BEFORE } from '../../../src/gate/told.ts';
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
