// What a statement would touch, in the words that card and terminal share.
import { expect, test } from 'vitest';
import type { RequestLike } from '../../../src/review/ports.ts';
import type { Impact, RowsImpact } from '../../../src/sql/impact.ts';
import { impactOf } from '../../../src/review/impact.ts';
import { request, table } from '../../browser/fake-desk.ts';

const NOTHING: Impact = { rows: [], tables: [], notes: [] };
const row = (other: Partial<RowsImpact>): RowsImpact => ({
  statement: 0,
  does: 'returns',
  object: '',
  rows: 5,
  bytes: null,
  from: 'plan',
  ...other,
});
const told = (impact: Partial<Impact>, findings: Parameters<typeof request>[1] = []) => {
  const view = impactOf(request('COPY t', findings, { impact: { ...NOTHING, ...impact } }));
  const facts = (view?.facts ?? []).map(
    ({ term, lines }) => `${term}: ${lines.map(({ main, rest }) => main + rest).join('; ')}`,
  );
  return [...facts, ...(view?.notes ?? []).slice(0, -1)];
};

test('nothing is said before the server has said something', () => {
  expect(impactOf(request('SELECT 1', []))).toBeNull();
});

test.each<[string, Partial<Impact>, string[]]>([
  ['one row', { rows: [row({ rows: 1 })] }, ['Returns: about 1 row']],
  ['rounded', { rows: [row({ rows: 1_203_977, bytes: 38_123_456 })] }, ['Returns: about 1,204,000 rows, 38 MB']],
  ['sizes', { rows: [row({ bytes: 999 })] }, ['Returns: about 5 rows, 999 bytes']],
  ['small sizes', { rows: [row({ bytes: 1_234 })] }, ['Returns: about 5 rows, 1.2 kB']],
  ['negative never', { rows: [row({ rows: -1 })] }, ['Returns: about 0 rows']],
  [
    'all of a table',
    { rows: [row({ does: 'deletes', object: 'public.t', rows: 10 })], tables: [table('public.t', 10, null)] },
    ['Deletes: about 10 rows, all of public.t', 'Tables: public.t, about 10 rows'],
  ],
  [
    'a part of it',
    { rows: [row({ does: 'updates', object: 'public.t', rows: 9 })], tables: [table('public.t', 10, null)] },
    ['Updates: about 9 rows of public.t', 'Tables: public.t, about 10 rows'],
  ],
  [
    'counted, not planned',
    { rows: [row({ from: 'statistics' })] },
    ['Returns: about 5 rows, when it was last analysed'],
  ],
  [
    'how it is read',
    {
      tables: [
        table('a', 7, 2_000_000_000, ['i', 'j', ''], 'ACCESS SHARE'),
        table('v', null, null, [], 'ACCESS SHARE'),
      ],
    },
    ['Tables: a by index and whole, 2.0 GB', 'Locks: blocks no reader or writer'],
  ],
  [
    'writers',
    { tables: [table('a', null, null, [], 'ROW EXCLUSIVE')] },
    ['Locks: blocks no reader; writers of the same rows wait'],
  ],
  [
    'what blocks, alone',
    { tables: [table('a', null, null, [], 'ACCESS EXCLUSIVE'), table('b', null, null, [], 'ROW EXCLUSIVE')] },
    ['Locks: ACCESS EXCLUSIVE on a: blocks every reader and writer'],
  ],
  [
    'who is there',
    {
      tables: [
        { ...table('a', null, null), sessions: 2, users: ['app'] },
        { ...table('b', null, null), sessions: 1 },
      ],
    },
    ['In use: a by 2 other sessions (app); b by 1 other session'],
  ],
  ['triggers', { tables: [{ ...table('a', null, null), triggers: ['x', 'y'] }] }, ['Triggers: x, y on a']],
  ['what could not be told', { notes: ['Cannot be estimated: x.'] }, ['Cannot be estimated: x.']],
  [
    'names that deceive',
    { tables: [table('public.\u0441ustomers\u202e', 1, null)], notes: ['function \u202ex'] },
    ['Tables: public.<U+0441 с>ustomers<U+202E>, about 1 row', 'function <U+202E>x'],
  ],
])('%s', (_, impact, lines) => {
  expect(told(impact)).toEqual(lines);
});

test('what leaves the database is called so; the amount is the most of it', () => {
  const asked: RequestLike = request('COPY t', [['export', 't', 'x', 'COPY']], {
    impact: { ...NOTHING, rows: [row({ rows: 2 }), row({ rows: 7000 })] },
  });
  expect(impactOf(asked)).toMatchObject({
    amount: 'about 7,000 rows',
    facts: [{ term: 'Leaves' }, { term: 'Leaves' }],
  });
  expect(impactOf({ ...asked, impact: NOTHING })?.amount).toBe('');
});
