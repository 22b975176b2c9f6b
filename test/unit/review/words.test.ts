import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RequestLike, ReviewerIdentity } from '../../../src/review/ports.ts';
import { viewOf } from '../../../src/review/view.ts';
import { decode, deception, marksOf, spell } from '../../../src/review/words.ts';
import { fakeDesk, latin1, request } from '../../browser/fake-desk.ts';

const kinds = (text: string) => marksOf(text).map((mark) => `${mark.kind} ${mark.label}`);

test.each([
  ['SELECT 1 -- plain, with tab\t and\r\nlines', []],
  ["SELECT 'Zürich', 'naïve', '你好', 'привет мир', 'שלום'", []],
  ["SELECT '👩‍👩‍👧 ❤️'", []],
  ["SELECT 'می‌خواهم'", []],
  ['SELECT Straße, größe FROM öffnungszeiten', []],
  ['a\u202eb', ['direction RLO']],
  ['a\u200bb', ['zero-width ZWSP']],
  ['a\u200db', ['zero-width ZWJ']],
  ['a\u200cb', ['zero-width ZWNJ']],
  ['\ufeffSELECT', ['zero-width BOM']],
  ['a\u0000b\u001b[2J\u007f', ['control NUL', 'control ESC', 'control DEL']],
  ['a\rb', ['control CR']],
  ['a\u00a0b', ['space NBSP']],
  ['a\u2028b', ['control LSEP']],
  ['a\u{e0041}b', ['zero-width U+E0041']],
  ['a\ufe0fb', ['zero-width U+FE0F']],
  ['\u3164', ['zero-width U+3164']],
  ['public.\u0441ustomers', ['look-alike с']],
  ['p\u0430ssw\u043erd', ['look-alike а', 'look-alike о']],
  ['public.\u0441\u043e\u0440\u0443', ['look-alike с', 'look-alike о', 'look-alike р', 'look-alike у']],
  ['\uff53elect', ['look-alike ｓ']],
  ['\u{1d42c}elect', ['look-alike 𝐬']],
])('marks in %j', (text, expected) => {
  expect(kinds(text)).toEqual(expected);
});

test('spelled text holds nothing hidden and is one line', () => {
  expect(spell('public.\u0441ustomers\u202e\nx')).toBe('public.<U+0441 с>ustomers<U+202E> x');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const left = marksOf(spell(text)).filter(({ kind }) => kind !== 'look-alike' && kind !== 'space');
      expect(left).toEqual([]);
      expect(spell(text)).not.toMatch(/[\r\n\t]/);
    }),
    { seed: 20251122, numRuns: 500 },
  );
});

test('marks never overlap and lie inside the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      let end = 0;
      for (const mark of marksOf(text)) {
        expect(mark.from).toBeGreaterThanOrEqual(end);
        expect(mark.to).toBeGreaterThan(mark.from);
        end = mark.to;
      }
      expect(end).toBeLessThanOrEqual(text.length);
    }),
    { seed: 20251122, numRuns: 500 },
  );
});

test('bytes that are no UTF-8 are named, and the rest keeps its place', () => {
  const decoded = decode(`caf\xe9 ${latin1('é')} x`);
  expect(decoded.text).toBe('caf\ufffd é x');
  expect(decoded.marks.map(({ name }) => name)).toEqual(['0xE9 is not UTF-8']);
  expect(decoded.hex).toBe('636166e920c3a92078');
  expect(decoded.indexes([0, 3, 4, 5, 7, 8, 9])).toEqual([0, 3, 4, 5, 6, 7, 8]);
  expect(decode('plain').hex).toBeNull();
});

test('any bytes decode, and offsets ascend with them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const decoded = decode(Buffer.from(bytes).toString('latin1'));
      const indexes = decoded.indexes(Array.from({ length: bytes.length + 1 }, (_, i) => i));
      expect(indexes.at(-1)).toBe(decoded.text.length);
      expect(indexes).toEqual(indexes.toSorted((a, b) => a - b));
    }),
    { seed: 20251122, numRuns: 500 },
  );
});

test('counts what deceives in words', () => {
  expect(deception(marksOf('a\u00a0b'))).toBe('');
  expect(deception(marksOf('\u202e\u2066'))).toBe('2 direction controls');
  expect(deception(marksOf('\u202e \u200b \u0441x'))).toBe(
    '1 direction control, 1 zero-width character and 1 look-alike letter',
  );
});

const grace: ReviewerIdentity = { id: 'grace', kind: 'human', roles: ['reviewer'], groups: ['dba'], aliases: [] };
const { ports } = fakeDesk();
const portsOf = (group: string) => ({
  ...ports,
  requests: { ...ports.requests, may: () => ({ may: true as const, group }) },
});
const view = (asked: RequestLike) => viewOf(asked, grace, portsOf('dba'));

test.each([
  ['COPY t TO STDOUT', [['export', 'public.t', 'Rows leave the database.', 'COPY']], 'high', 'Exports public.t'],
  [
    'COPY (SELECT * FROM a, b) TO STDOUT',
    [
      ['export', '', 'Rows leave the database.', 'COPY'],
      ['read', 'a', 'Reads a table or view.', 'a'],
      ['read', 'b', 'Reads a table or view.', 'b'],
    ],
    'high',
    'Exports a and b',
  ],
  [
    'COPY (SELECT 1) TO STDOUT',
    [['export', '', 'Rows leave the database.', 'COPY']],
    'high',
    'Rows leave the database',
  ],
  [
    'DROP TABLE a, b',
    [
      ['ddl', 'a', 'Drops a table.', 'a'],
      ['ddl', 'b', 'Drops a table.', 'b'],
    ],
    'critical',
    'Drops a and b',
  ],
  [
    'DROP TABLE a; UPDATE b SET c = 1',
    [
      ['ddl', 'a', 'Drops a table.', 'a'],
      ['write', 'b', 'Changes rows.', 'b'],
    ],
    'critical',
    'Drops a, and more',
  ],
  ['UPDATE t SET a = 1', [['write', 't', 'Changes rows.', 't']], 'critical', 'Updates every row of t'],
  ['UPDATE t SET a = 1 WHERE b', [['write', 't', 'Changes rows.', 't']], 'medium', 'Updates t'],
  ['DELETE FROM t', [['write', 't', 'Removes rows.', 't']], 'critical', 'Deletes every row of t'],
  ['DELETE FROM t WHERE b', [['write', 't', 'Removes rows.', 't']], 'medium', 'Deletes rows of t'],
  ['SELECT 1; UPDATE t SET a = 1', [['write', 't', 'Changes rows.', 't']], 'medium', 'Updates t'],
  ['SET ROLE r', [['role', 'role', 'Takes on another role.', 'SET']], 'high', 'Takes on another role'],
  ['DO $$$$', [['code', 'plpgsql', 'Runs a block of code.', 'DO']], 'high', 'Runs a block of code in plpgsql'],
  ['SELECT 1', [], 'medium', 'Runs a statement that Holdpoint found nothing in'],
  ['X', [['made-up', 'y', 'x', 'X']], 'high', 'Does something Holdpoint has no row for: y'],
] as const)('%s: level and sentence', (sql, findings, level, sentence) => {
  expect(view(request(sql, findings))).toMatchObject({ level, sentence });
});

test('anchors count characters, not bytes', () => {
  const seen = view(request("SELECT 'é€😀',\n  '😀', drop_me", [['read', 'drop_me', 'x', 'drop_me']]));
  const finding = seen.findings[0];
  expect(seen.statement.text.slice(finding?.from, finding?.to)).toBe('drop_me');
  expect([finding?.line, finding?.column]).toEqual([2, 8]);
});

test('a deceiving text makes the request critical, whatever was found', () => {
  const seen = view(request('SELECT 1 /* \u202e */', [['read', 't', 'x', 'SELECT']]));
  expect(seen.level).toBe('critical');
  expect(seen.warning).toMatch(/^It has 1 direction control\. /);
});

test('one mayDecide for all, and an agent never', () => {
  const asked = request('SELECT 1', []);
  const agent = viewOf(asked, { ...grace, kind: 'agent' }, portsOf(''));
  expect(agent.can_decide).toMatchObject({ may: false });
  const auditor = viewOf(asked, { ...grace, roles: ['auditor'] }, portsOf(''));
  expect(auditor.can_decide).toMatchObject({ may: false });
});
