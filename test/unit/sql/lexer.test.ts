// The blanker: what it may change and what not, and each way of hiding a comment or a string.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  blank,
  encodeTokens,
  hasNewerNumbers,
  shape,
  SHAPE_BYTES_MAX,
  shiftPosition,
} from '../../../src/sql/postgres/lexer.ts';
import { latin1 } from './helpers.ts';

const PIECES = [
  "'",
  '"',
  '--',
  '/*',
  '*/',
  '\n',
  '\r',
  '\\',
  '$$',
  '$a$',
  "E'",
  "U&'",
  'U&"',
  'x',
  ' ',
  '1',
  ';',
  '-',
  '/',
  '*',
  '+',
  'é',
  '$1',
  'B',
];
const texts = fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((pieces) => latin1(pieces.join('')));

describe('blank', () => {
  test('keeps length, newlines and everything outside of comments; a second pass finds nothing', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const once = blank(text).text;
        expect(once.length).toBe(text.length);
        for (let i = 0; i < text.length; i += 1) {
          if (once[i] !== text[i]) expect(once[i]).toBe(' ');
          if (text[i] === '\n' || text[i] === '\r') expect(once[i]).toBe(text[i]);
        }
        expect(blank(once).text).toBe(once);
      }),
      { numRuns: 3000, verbose: true },
    );
  });

  test('tokens and shape do not see comments', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const blanked = blank(text);
        if (blanked.joins_strings) return;
        expect(encodeTokens([blanked.text])).toEqual(encodeTokens([text]));
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ["SELECT '--x' -- y", "SELECT '--x'     "],
    ['SELECT 1 /* /* */ */; x', 'SELECT 1            ; x'],
    ['SELECT $$/*$$; x; $$*/$$', 'SELECT $$/*$$; x; $$*/$$'],
    ["SELECT E'\\' -- ' -- c", "SELECT E'\\' -- '     "],
    ["SELECT '\\' -- ' -- c", "SELECT '\\'          "],
    ["SELECT E'a'\n'\\' -- '", "SELECT E'a'\n'\\' -- '"],
    ["SELECT 'a'\n'\\' -- '", "SELECT 'a'\n'\\'     "],
    ['SELECT "--" -- x', 'SELECT "--"     '],
    ['SELECT U&"--" -- x', 'SELECT U&"--"     '],
    ['SELECT a$$--$$ ', 'SELECT a$$     '],
    ['select 1 operator(pg_catalog./*;*/+) 2', 'select 1 operator(pg_catalog.     +) 2'],
    ['select 5 *-- x\n1', 'select 5 *    \n1'],
    ['a -- x\ry', 'a     \ry'],
    ['a /* open', 'a /* open'],
    ['a /*/* open */ -- b', 'a /*/* open */ -- b'],
    ["0x1E'\\' -- c", "0x1E'\\'     "],
    ["1..e'\\' -- ' -- c", "1..e'\\' -- '     "],
    [".5.e'\\' -- ' -- c", ".5.e'\\' -- '     "],
    ["1.e'\\' -- ' -- c", "1.e'\\'          "],
    ['1..a$$ -- $$', '1..a$$      '],
    ['1e-- c', '1e    '],
    ["E'a' /**/\n'\\' -- c", "E'a'     \n'\\'     "],
    ["E'a' -- c\n\n--\r'\\' -- '", "E'a'     \n\n  \r'\\' -- '"],
  ])('%j', (text, expected) => {
    expect(blank(text).text).toBe(expected);
  });

  test('refuses a block comment alone between two literals, and only that', () => {
    expect(blank("SELECT 'a' /*\n*/ 'b'").joins_strings).toBe(true);
    expect(blank("SELECT 'a' -- x\n 'b'").joins_strings).toBe(false);
    expect(blank("SELECT 'a', /*\n*/ 'b'").joins_strings).toBe(false);
  });

  test('takes the reason from a comment', () => {
    expect(blank(latin1('SELECT 1 /* reason: für die Prüfung */')).reason).toBe('für die Prüfung');
    // Took minutes, once.
    expect(blank(`SELECT 1 /* reason: a${' '.repeat(400_000)}b */`).reason).toHaveLength(1000);
    expect(blank("SELECT ' /* reason: no */ '").reason).toBeNull();
    expect(blank('SELECT 1 -- Reason: yes\n').reason).toBe('yes');
  });

  test('positions come back to characters of the text as received', () => {
    const text = 'select /* éééééééééé */ nosuch';
    const { position_shift } = blank(latin1(text));
    // The server counts 35 in the blanked text: ten characters of two bytes became twenty spaces.
    expect(shiftPosition(35, position_shift)).toBe(25);
    expect(shiftPosition(8, position_shift)).toBe(8);
  });
});

test.each([
  ['1_000.5_0e-1_0+1', ['1_000.5_0e-1_0', '+', '1']],
  ['1e5-1e-x', ['1e5', '-', '1e', '-', 'x']],
  ['a[1..2]', ['a', '[', '1', '..', '2', ']']],
  ['1__0 1_ 1._5 $1.5', ['1__0', '1_', '1._5', '$1', '.5']],
])('numbers of %j', (text, expected) => {
  // Words are written as tokens are.
  expect(encodeTokens([text])).toEqual(encodeTokens([], expected));
});

test('shape hides every literal and stays on one line', () => {
  expect(shape(latin1("select 'x'\n'y', 1.5e3, $$é$$, E'\\'', X'1F', \"é\", $1 /* c */ from t -- d"))).toBe(
    'select ?, ?, ?, ?, ?, "é", $1 from t',
  );
  fc.assert(
    fc.property(texts, (text) => {
      const printed = shape(text);
      expect(printed).not.toMatch(/[\n\r]/);
      expect(Buffer.byteLength(printed)).toBeLessThanOrEqual(SHAPE_BYTES_MAX);
    }),
  );
});

test('numbers that only later servers read', () => {
  for (const text of ['select 1_000', 'select 0x1F', 'select 0b1', 'select $1_0'])
    expect(hasNewerNumbers(text)).toBe(true);
  for (const text of ["select '1_000'", 'select a1_0, 10', 'select "0x1"']) expect(hasNewerNumbers(text)).toBe(false);
});
