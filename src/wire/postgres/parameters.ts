// Bound parameters as a person reads them: text as it is, the common binary formats decoded, the rest as hex, which the type then says.
// Never fails and never shortens. Two values that the server reads differently must not look alike: an approval is for what was shown.
// Formats: the *send functions of the server; type OIDs: pg_type.dat.
import { isUtf8 } from 'node:buffer';
import type { BindMessage } from './messages.ts';

export interface ReadParameter {
  readonly type: string;
  readonly value: string | null;
}

interface TypeRow {
  readonly name: string;
  /** Bytes its binary form must have; null: any. */
  readonly bytes: number | null;
  /** Null, or throws RangeError: it is none of this type. */
  readonly read: (value: Buffer) => string | null;
}

const hex = (value: Buffer): string => `\\x${value.toString('hex')}`;
/** Replaced characters would make different values look alike. */
const text = (value: Buffer): string | null => (isUtf8(value) ? value.toString('utf8') : null);

/** As the server prints it: the fewest digits that give the same four bytes. */
const float4 = (value: number): string => {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return float8(short);
  }
  return float8(value);
};
const float8 = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

const TYPES: Readonly<Record<number, TypeRow>> = {
  16: { name: 'bool', bytes: 1, read: (value) => (value[0] ? 'true' : 'false') },
  17: { name: 'bytea', bytes: null, read: hex },
  18: { name: 'char', bytes: 1, read: text },
  19: { name: 'name', bytes: null, read: text },
  20: { name: 'int8', bytes: 8, read: (value) => value.readBigInt64BE().toString() },
  21: { name: 'int2', bytes: 2, read: (value) => String(value.readInt16BE()) },
  23: { name: 'int4', bytes: 4, read: (value) => String(value.readInt32BE()) },
  25: { name: 'text', bytes: null, read: text },
  26: { name: 'oid', bytes: 4, read: (value) => String(value.readUInt32BE()) },
  114: { name: 'json', bytes: null, read: text },
  142: { name: 'xml', bytes: null, read: text },
  700: { name: 'float4', bytes: 4, read: (value) => float4(value.readFloatBE()) },
  701: { name: 'float8', bytes: 8, read: (value) => float8(value.readDoubleBE()) },
  1042: { name: 'bpchar', bytes: null, read: text },
  1043: { name: 'varchar', bytes: null, read: text },
  // Days and microseconds count from 2000-01-01.
  1082: {
    name: 'date',
    bytes: 4,
    read: (value) => timestamp(BigInt(value.readInt32BE()) * 86_400_000_000n).slice(0, 10),
  },
  1114: {
    name: 'timestamp',
    bytes: 8,
    read: (value) => timestamp(value.readBigInt64BE()).slice(0, -1).replace('T', ' '),
  },
  1184: {
    name: 'timestamptz',
    bytes: 8,
    read: (value) => timestamp(value.readBigInt64BE()).replace('T', ' ').replace('Z', '+00'),
  },
  2950: {
    name: 'uuid',
    bytes: 16,
    read: (value) => value.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
  },
  // A version byte, then the text.
  3802: {
    name: 'jsonb',
    bytes: null,
    read: (value) => (value[0] === 1 ? text(value.subarray(1)) : null),
  },
};

const EPOCH_2000_MS = 946_684_800_000n;

/** Throws RangeError outside the years 1 to 9999 ('infinity' among them). */
const timestamp = (microseconds: bigint): string => {
  const whole = new Date(
    Number(EPOCH_2000_MS + (microseconds - (((microseconds % 1000n) + 1000n) % 1000n)) / 1000n),
  ).toISOString();
  if (!/^(?!0000)\d{4}-/.test(whole)) throw new RangeError('year');
  const rest = ((microseconds % 1000n) + 1000n) % 1000n;
  return rest === 0n ? whole : whole.replace('Z', `${rest.toString().padStart(3, '0')}Z`);
};

/** The server chooses the type where none is declared, or `unknown`. */
const CHOSEN: ReadonlySet<number> = new Set([0, 705]);

/** `types` are the OIDs as declared in Parse or described by the server; 0 or missing: the server chooses. */
export const decodeParameters = (
  bound: Pick<BindMessage, 'formats' | 'values'>,
  types: readonly number[],
): ReadParameter[] =>
  bound.values.map((value, index) => {
    const oid = types[index] ?? 0;
    const row = TYPES[oid];
    const type = row?.name ?? (CHOSEN.has(oid) ? 'unspecified' : `oid ${oid}`);
    if (value === null) return { type, value: null };
    const binary = bound.formats[index] === 1;
    const read = binary ? readBinary(row, value) : text(value);
    return read === null
      ? { type: `${type}, ${binary ? 'binary' : 'not UTF-8'}`, value: hex(value) }
      : { type, value: read };
  });

const readBinary = (row: TypeRow | undefined, value: Buffer): string | null => {
  if (!row || (row.bytes !== null && row.bytes !== value.length)) return null;
  try {
    return row.read(value);
  } catch {
    return null;
  }
};
