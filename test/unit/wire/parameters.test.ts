// Bound parameters as a reviewer reads them. The binary forms are those that PostgreSQL 15 gave (`SELECT int4send(-70000)` and so on).
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeParameters } from '../../../src/wire/postgres/parameters.ts';
import { bytes } from './bytes.ts';

const bound = (values: (Buffer | null)[], formats: number[]) => ({
  portal: '',
  statement: '',
  formats,
  values,
  resultFormats: [],
});
const one = (oid: number, value: Buffer | null, format = 1) => decodeParameters(bound([value], [format]), [oid])[0];

/** [type, its oid, what the server's send function gave, as a person reads it] */
const BINARY: readonly (readonly [string, number, string, string])[] = [
  ['bool', 16, '01', 'true'],
  ['bool', 16, '00', 'false'],
  ['bytea', 17, '00ff', '\\x00ff'],
  ['bytea', 17, '', '\\x'],
  ['char', 18, '78', 'x'],
  ['name', 19, '6e6d', 'nm'],
  ['int8', 20, 'ffdfffffffffffff', '-9007199254740993'],
  ['int8', 20, '7fffffffffffffff', '9223372036854775807'],
  ['int2', 21, 'fffe', '-2'],
  ['int4', 23, 'fffeee90', '-70000'],
  ['int4', 23, '80000000', '-2147483648'],
  ['text', 25, 'c3a9', 'é'],
  ['text', 25, '', ''],
  ['oid', 26, 'ffffffff', '4294967295'],
  ['json', 114, '7b7d', '{}'],
  ['xml', 142, '3c612f3e', '<a/>'],
  ['float4', 700, '3fc00000', '1.5'],
  ['float4', 700, '7f800000', 'Infinity'],
  ['float8', 701, 'bfb999999999999a', '-0.1'],
  ['float8', 701, '7ff8000000000000', 'NaN'],
  ['bpchar', 1042, '616220', 'ab '],
  ['varchar', 1043, '6162', 'ab'],
  ['date', 1082, '00002279', '2024-02-29'],
  ['date', 1082, '00000000', '2000-01-01'],
  ['date', 1082, 'ffffffff', '1999-12-31'],
  ['timestamp', 1114, '0002b58341728614', '2024-02-29 12:34:56.789012'],
  ['timestamp', 1114, 'ffffffffffffffff', '1999-12-31 23:59:59.999999'],
  ['timestamptz', 1184, '0002b581944b3e14', '2024-02-29 10:34:56.789012+00'],
  ['uuid', 2950, 'a0eebc999c0b4ef8bb6d6bb9bd380a11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['jsonb', 3802, '017b2261223a2022c3a9227d', '{"a": "é"}'],
];

/** [type, oid, bytes that its reader can't read] */
const HEX: readonly (readonly [string, number, string])[] = [
  ['date', 1082, '7fffffff'],
  ['date', 1082, '80000000'],
  ['timestamp', 1114, '7fffffffffffffff'],
  ['timestamp', 1114, '8000000000000000'],
  ['timestamptz', 1184, '7fffffffffffffff'],
  ['timestamptz', 1184, '8000000000000000'],
  ['jsonb', 3802, '027b7d'],
  ['jsonb', 3802, ''],
  ['oid 1700', 1700, '0003000100000003000109291a7c'],
  ['oid 1186', 1186, '00000000000000000000000100000000'],
  ['oid 4294967295', 0xffffffff, '00'],
  ['unspecified', 0, '00000001'],
];

const FIXED: readonly (readonly [string, number, number])[] = [
  ['bool', 16, 1],
  ['char', 18, 1],
  ['int8', 20, 8],
  ['int2', 21, 2],
  ['int4', 23, 4],
  ['oid', 26, 4],
  ['float4', 700, 4],
  ['float8', 701, 8],
  ['date', 1082, 4],
  ['timestamp', 1114, 8],
  ['timestamptz', 1184, 8],
  ['uuid', 2950, 16],
];
const KNOWN = [...new Set(BINARY.map(([, oid]) => oid))];

describe('binary', () => {
  test.each(BINARY)('%s (%i) %s', (type, oid, sent, value) => {
    expect(one(oid, bytes(sent))).toEqual({ type, value });
  });

  test.each(HEX)('%s (%i) %s stays hex', (type, oid, sent) => {
    expect(one(oid, bytes(sent))).toEqual({ type: `${type}, binary`, value: `\\x${sent}` });
  });

  test.each(FIXED)('%s (%i) of another length than %i stays hex', (type, oid, length) => {
    for (const wrong of [0, length - 1, length + 1, 100]) {
      const sent = Buffer.alloc(wrong, 1);
      expect(one(oid, sent)).toEqual({ type: `${type}, binary`, value: `\\x${sent.toString('hex')}` });
    }
  });

  test('any bytes of any type: never a throw, nothing left out', () => {
    const oid = fc.oneof(fc.constantFrom(...KNOWN), fc.integer({ min: 0, max: 0xffffffff }));
    fc.assert(
      fc.property(oid, fc.uint8Array({ maxLength: 20 }), (type, sent) => {
        const read = one(type, Buffer.from(sent));
        expect(typeof read?.value).toBe('string');
        expect(read?.type).not.toBe('');
      }),
    );
  });

  test('whole numbers come back as they were sent', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const sent = Buffer.alloc(8);
        sent.writeBigInt64BE(value);
        expect(one(20, sent)?.value).toBe(value.toString());
      }),
    );
  });

  test('every microsecond of years 1 to 9999 is shown', () => {
    const first = -63_082_281_600_000_000n;
    const last = 252_455_615_999_999_999n;
    fc.assert(
      fc.property(fc.bigInt({ min: first, max: last }), (value) => {
        const sent = Buffer.alloc(8);
        sent.writeBigInt64BE(value);
        const text = one(1184, sent)?.value ?? '';
        const parts = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\.(\d{3})(\d{3})?\+00$/.exec(text);
        expect(parts, text).not.toBeNull();
        const [, day, time, milli, micro = '000'] = parts as unknown as [string, string, string, string, string?];
        const whole = BigInt(Date.parse(`${day}T${time}.${milli}Z`)) - BigInt(Date.UTC(2000, 0, 1));
        expect(whole * 1000n + BigInt(micro)).toBe(value);
      }),
    );
  });
});

describe('text', () => {
  test.each([...KNOWN, 0, 1700, 99999])('type %i is shown as it was sent', (oid) => {
    expect(one(oid, Buffer.from("1é'"), 0)?.value).toBe("1é'");
    expect(one(oid, Buffer.alloc(0), 0)?.value).toBe('');
  });
});

test.each([...KNOWN, 0, 1700])('NULL of type %i', (oid) => {
  for (const format of [0, 1]) expect(one(oid, null, format)?.value).toBeNull();
});

test.each([
  ['unspecified', 0],
  ['unspecified', 705],
  ['text', 25],
  ['oid 1700', 1700],
])('bytes that are shown as hex never look like the text of that hex: %s (%i)', (type, oid) => {
  const text = one(oid, Buffer.from('\\xff62'), 0);
  expect(text).toEqual({ type, value: '\\xff62' });
  expect(one(oid, bytes('ff62'), 1)).toEqual({ type: `${type}, binary`, value: '\\xff62' });
  expect(one(oid, bytes('ff62'), 0)).toEqual({ type: `${type}, not UTF-8`, value: '\\xff62' });
});

test('a type of the choosing of the server is not guessed', () => {
  expect(one(705, bytes('31323334'))).toEqual({ type: 'unspecified, binary', value: '\\x31323334' });
});

test('each value has its own type and format; a type that was not declared is unspecified', () => {
  const values = [bytes('00000007'), Buffer.from('7'), null, bytes('07'), Buffer.from('x')];
  expect(decodeParameters(bound(values, [1, 0, 1, 1, 0]), [23, 23, 25])).toEqual([
    { type: 'int4', value: '7' },
    { type: 'int4', value: '7' },
    { type: 'text', value: null },
    { type: 'unspecified, binary', value: '\\x07' },
    { type: 'unspecified', value: 'x' },
  ]);
  expect(decodeParameters(bound([], []), [23])).toEqual([]);
});
