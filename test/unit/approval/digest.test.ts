import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { digest as digestOf, type DigestInput, newId } from '../../../src/approval/digest.ts';
import { encodeTokens } from '../../../src/sql/postgres/lexer.ts';

/** As the page's vectors have it. */
type Input = Omit<DigestInput, 'tokens'> & { readonly tokens: readonly string[] };

interface Vector {
  readonly name: string;
  readonly input: Input;
  readonly digest: string;
}

const page = readFileSync(new URL('../../../docs/digest.md', import.meta.url), 'utf8');
const vectors = JSON.parse(/```json\n([\s\S]*?)```/.exec(page)?.[1] ?? '[]') as Vector[];

const INPUT: Input = {
  engine: 'postgres',
  upstream: 'app',
  database: 'app',
  principal: 'billing-agent',
  role: 'billing_ro',
  search_path: '"$user", public',
  in_transaction: false,
  tokens: ['select', '1'],
  parameters: [],
};

describe('the test vectors of docs/digest.md', () => {
  it('are there', () => expect(vectors.length).toBeGreaterThanOrEqual(5));
  it.each(vectors)('$name', (vector) => {
    const text = Buffer.from(vector.input.tokens.join(' /* and */ ')).toString('latin1');
    expect(digestOf({ ...vector.input, tokens: encodeTokens([text]) })).toBe(vector.digest);
    expect(plain(vector.input)).toBe(vector.digest);
  });
});

const u32 = (n: number) => Buffer.from(n.toString(16).padStart(8, '0'), 'hex');
const field = (text: string | null) =>
  text === null ? u32(0xff_ff_ff_ff) : Buffer.concat([u32(Buffer.byteLength(text)), Buffer.from(text)]);
const laidOut = (tokens: readonly string[]) => Buffer.concat([u32(tokens.length), ...tokens.map(field)]);
const digest = (input: Input) => digestOf({ ...input, tokens: laidOut(input.tokens) });

/** The layout as the page tells it, written a second time. */
function plain(input: Input): string {
  const head = ['holdpoint-digest-1', input.engine, input.upstream, input.database, input.principal];
  const middle = [input.role, input.search_path, input.in_transaction ? 'in transaction' : 'no transaction'];
  return createHash('sha256')
    .update(Buffer.concat([...head, ...middle].map(field)))
    .update(laidOut(input.tokens))
    .update(
      Buffer.concat([
        u32(input.parameters.length),
        ...input.parameters.flatMap((p) => [field(p.type), field(p.value)]),
      ]),
    )
    .digest('hex');
}

test('different inputs have different digests', () => {
  const text = fc.string({ maxLength: 3, unit: 'grapheme' });
  const input = fc.record({
    engine: text,
    upstream: text,
    database: text,
    principal: text,
    role: text,
    search_path: text,
    in_transaction: fc.boolean(),
    tokens: fc.array(text, { maxLength: 3 }),
    parameters: fc.array(fc.record({ type: text, value: fc.option(text) }), { maxLength: 2 }),
  });
  fc.assert(
    fc.property(input, input, (a, b) => {
      expect(digest(a) === digest(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
    }),
  );
});

test('no field can borrow from its neighbour, and NULL is not a text', () => {
  const tokens = (...list: string[]) => digest({ ...INPUT, tokens: list });
  const parameter = (value: string | null) => digest({ ...INPUT, parameters: [{ type: 'text', value }] });
  const all = [
    tokens('ab', 'c'),
    tokens('a', 'bc'),
    tokens('abc'),
    tokens('abc', ''),
    tokens(),
    parameter(null),
    parameter(''),
    parameter('null'),
    digest({ ...INPUT, upstream: 'ap', database: 'papp' }),
  ];
  expect(new Set(all).size).toBe(all.length);
});

test('a lone surrogate is refused: its bytes would be those of another text', () => {
  expect(() => digest({ ...INPUT, role: '\ud800' })).toThrow(RangeError);
});

test('an id has 8 characters of Crockford base 32', () => {
  expect(newId((below) => below - 1)).toBe('HP-ZZZZZZZZ');
  expect(newId(() => 0)).toBe('HP-00000000');
  const ids = Array.from({ length: 1000 }, () => newId());
  expect(ids.every((id) => /^HP-[0-9A-HJKMNP-TV-Z]{8}$/.test(id))).toBe(true);
  expect(new Set(ids).size).toBe(1000);
});
