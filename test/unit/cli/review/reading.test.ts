// A statement read otherwise than as it was sent has every token of it in its order, each as it was, with its marks; and values stand beside it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readAs, type Reading } from '../../../../src/cli/review/reading.ts';
import type { RequestView } from '../../../../src/review/client.ts';
import { Kind, Lexer as MysqlLexer } from '../../../../src/sql/mysql/lexer.ts';
import { modeOf } from '../../../../src/sql/mysql/modes.ts';
import { Lexer, TokenKind } from '../../../../src/sql/postgres/lexer.ts';
import { Client, sample } from './sample.ts';

const MODES = ['', 'ANSI_QUOTES', 'NO_BACKSLASH_ESCAPES'];
type Engine = 'postgres' | 'mysql' | 'mariadb';

/** As the servers cut it: what each token is, and its text. Comments of MySQL are no tokens. */
function tokens(text: string, engine: Engine, mode: string): string[] {
  const bytes = Buffer.from(text).toString('latin1');
  const found: string[] = [];
  if (engine === 'postgres') {
    const lexer = new Lexer(bytes);
    while (lexer.next())
      if (lexer.kind !== TokenKind.space) found.push(`${lexer.kind} ${bytes.slice(lexer.start, lexer.end).trimEnd()}`);
    return found;
  }
  const lexer = new MysqlLexer(bytes, { engine, version: 100_000, mode: modeOf(mode) as number, reading: 'utf8' });
  for (let i = 0; lexer.has(i); i++) found.push(`${lexer.kinds[i]} ${bytes.slice(lexer.starts[i], lexer.ends[i])}`);
  expect(lexer.kinds).not.toContain(Kind.end);
  return found;
}

const asked = (sql: string, engine: Engine, mode: string, more: Parameters<typeof sample>[1] = {}): RequestView =>
  sample('HP-00000001', {
    sql,
    where: { engine, upstream: 'main', database: 'app', tags: {} },
    search_path: engine === 'postgres' ? 'public' : `app; sql_mode ${mode}`,
    ...more,
  });

function read(request: RequestView, reading: Reading) {
  const found = readAs(request, reading);
  if (typeof found === 'string') throw new Error(found);
  return found;
}

const WORDS =
  'SELECT from WHERE and BETWEEN OR left JOIN ( ) (select , ; = . * - / a x1 日本 42 1e5 $1 ? :: := @v'.split(' ');
const QUOTED = ['"q  i"', '`q  b`', "'s  \n  t'", "'it''s'", "'\\'", "E'\\' x'", "'\u202e'", '$tag$ a  \n b $tag$'];
const COMMENTS = ['/* a\n  b */', '-- c\n', '# h\n', '/*! 1 */', '/*+ hint */', '\u200b', 'b\u0430d'];
const PARTS = fc.constantFrom(...WORDS, ...QUOTED, ...COMMENTS);
const SPACES = fc.constantFrom('', '', ' ', '  ', '\n', '\t\n  ', '\r\n');
const TEXTS = fc
  .array(fc.tuple(PARTS, SPACES), { maxLength: 30 })
  .map((parts) => parts.map(([part, space]) => part + space).join(''));

describe('formatted', () => {
  it('has the same tokens, marks and findings', () => {
    let laid = 0;
    fc.assert(
      fc.property(
        TEXTS,
        fc.constantFrom<Engine>('postgres', 'mysql', 'mariadb'),
        fc.constantFrom(...MODES),
        fc.nat(),
        (sql, engine, mode, at) => {
          const bytes = Buffer.from(sql);
          let start = at % (bytes.length + 1);
          // Findings begin with a character.
          while (start < bytes.length && ((bytes[start] as number) & 0xc0) === 0x80) start++;
          const finding = { action: 'read', object: 't', why: 'Reads.', statement: 0, start, end: bytes.length };
          const request = asked(sql, engine, mode, { findings: [finding] });
          const found = readAs(request, 'formatted');
          if (typeof found === 'string') return;
          laid++;
          const { statement, findings } = found.request;
          expect(tokens(statement.text, engine, mode)).toEqual(tokens(sql, engine, mode));
          const marked = ({ text, marks }: RequestView['statement']) =>
            marks.map(({ from, to, label, kind }) => [text.slice(from, to), label, kind]);
          expect(marked(statement)).toEqual(marked(request.statement));
          const rest = (text: string, from: number) => text.slice(from).replaceAll(/[ \t\n\r\f\v]/g, '');
          expect(rest(statement.text, findings[0]?.from ?? 0)).toBe(rest(sql, request.findings[0]?.from ?? 0));
        },
      ),
      { numRuns: 2000 },
    );
    expect(laid).toBeGreaterThan(500);
  });

  it('a mark ends with its character, whatever is put behind it', () => {
    const { statement } = read(asked('(select \u200b)', 'postgres', ''), 'formatted').request;
    expect(statement.text).toBe('(\n  select \u200b\n)');
    expect(statement.marks.map(({ from, to }) => statement.text.slice(from, to))).toEqual(['\u200b']);
  });

  it('is no reading of what nobody can cut for certain, or what is too long', () => {
    expect(readAs(asked("SELECT 'a", 'postgres', ''), 'formatted')).toMatch(/^Where its words end/);
    expect(readAs(asked("SELECT 'a", 'mysql', ''), 'formatted')).toMatch(/^Where its words end/);
    expect(readAs(asked('SELECT 1', 'mysql', 'NEW_MODE'), 'formatted')).toMatch(/^Where its words end/);
    expect(readAs(asked(`SELECT ${'1, '.repeat(40_000)}1`, 'postgres', ''), 'formatted')).toMatch(/^It is too long/);
    const broken = sample('HP-00000001', { sql: Uint8Array.from([0x53, 0xff]) });
    expect(readAs(broken, 'formatted')).toMatch(/^It is no valid UTF-8/);
  });
});

describe('values in place', () => {
  const value = fc.record({
    type: fc.constant('text'),
    value: fc.option(fc.string({ unit: 'grapheme', maxLength: 80 })),
  });

  it('is the text, and after each place its value', () => {
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 4 }),
        fc.constantFrom<Engine>('postgres', 'mysql'),
        (parameters, engine) => {
          const place = (i: number) => (engine === 'postgres' ? `$${i + 1}` : '?');
          const sql = `SELECT '? $1' /* ? $1 */ WHERE ${parameters.map((_, i) => `a\u0430 = ${place(i)}`).join(' OR ')}`;
          const { request, inserted } = read(asked(sql, engine, '', { parameters }), 'values');
          const { text } = request.statement;
          expect(inserted).toHaveLength(parameters.length);
          for (const [i, [from, to]] of inserted.entries()) {
            expect(text.slice(from, to)).toMatch(/^\{[^\t\n\r]*\}$/);
            expect(text.slice(0, from).endsWith(place(i))).toBe(true);
          }
          const rest = inserted.toReversed().reduce((some, [from, to]) => some.slice(0, from) + some.slice(to), text);
          expect(rest).toBe(sql);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([
    ['no parameters', 'SELECT 1', []],
    ['more places than values', 'SELECT ?, ?', [{ type: 'int4', value: '1' }]],
    ['fewer', 'SELECT ?', ['1', '2'].map((one) => ({ type: 'int4', value: one }))],
  ])('%s: it is not read so', (_, sql, parameters) => {
    expect(readAs(asked(sql, 'mysql', '', { parameters }), 'values')).toMatch(/^(It has no|Which value)/);
  });

  it('a long value is cut in its place, and says so', () => {
    const parameters = [{ type: 'text', value: 'x'.repeat(1000) }];
    const { request } = read(asked('SELECT $1', 'postgres', '', { parameters }), 'values');
    expect(request.statement.text).toBe(`SELECT $1{'${'x'.repeat(60)}'... 1000 bytes, whole below}`);
  });
});

describe('keys', () => {
  const request = asked('SELECT a, b FROM t WHERE c = $1', 'postgres', '', {
    parameters: [{ type: 'int4', value: '7' }],
  });
  const reading = (client: Client) => (client.state.screen.type === 'card' ? client.state.screen.reading : null);

  it('f and p show it so and back; another card is as it was sent', () => {
    const other = asked('SELECT 2', 'postgres', '');
    const client = new Client([request, { ...other, id: 'HP-00000002' }]).press('\r');
    for (const [key, expected] of [
      ['f', 'formatted'],
      ['p', 'values'],
      ['f', 'formatted'],
      ['f', 'sent'],
      ['p', 'values'],
      ['j', 'sent'],
    ] as const)
      expect(reading(client.press(key))).toBe(expected);
  });

  it('what is read so does not count as read, and what is decided on is as it was sent', () => {
    const long = asked(`SELECT ${'a, '.repeat(800)} b FROM t WHERE c = $1`, 'postgres', '', {
      parameters: [{ type: 'int4', value: '7' }],
    });
    const client = new Client([long]).press('\r');
    const seen = client.state.screen.type === 'card' ? client.state.screen.read : -1;
    expect(seen).toBeGreaterThan(0);
    client.press('p', 'G', 'a');
    expect(client.state.screen).toMatchObject({ reading: 'sent', read: seen, top: 0 });
    expect(client.state.prompt?.act).toBe('approve');
  });
});
