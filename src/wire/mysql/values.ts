// Values of the binary protocol: how many bytes each has, and what it says, as text. A type that is not in the table is not guessed at.
// Source: MySQL Server Doxygen, "Binary Protocol Value".
import { lenencAt, lenencBytes } from './lenenc.ts';

interface Type {
  readonly name: string;
  /** Bytes of a value; null: a length-encoded string, 'time': a length byte and as much. */
  readonly bytes: number | null | 'time';
  readonly read: (body: Buffer, from: number, to: number, unsigned: boolean) => string;
}

const text = (name: string): Type => ({ name, bytes: null, read: binary });
const number = (name: string, bytes: number, read: Type['read']): Type => ({ name, bytes, read });

/** Bytes that are no UTF-8 are shown in hexadecimal. */
const binary = (body: Buffer, from: number, to: number): string => {
  const bytes = body.subarray(from, to);
  const shown = bytes.toString('utf8');
  return Buffer.from(shown, 'utf8').equals(bytes) ? shown : `0x${bytes.toString('hex')}`;
};

const two = (value: number): string => String(value).padStart(2, '0');
const microseconds = (body: Buffer, at: number, to: number): string =>
  to - at < 4 ? '' : `.${String(body.readUInt32LE(at)).padStart(6, '0')}`;

const dateTime = (body: Buffer, from: number, to: number): string => {
  if (to - from < 4) return '0000-00-00';
  const date = `${String(body.readUInt16LE(from)).padStart(4, '0')}-${two(body[from + 2] as number)}-${two(body[from + 3] as number)}`;
  return to - from < 7 ? date : `${date} ${clock(body, from + 4)}${microseconds(body, from + 7, to)}`;
};

const time = (body: Buffer, from: number, to: number): string => {
  if (to - from < 8) return '00:00:00';
  const hours = body.readUInt32LE(from + 1) * 24 + (body[from + 5] as number);
  const rest = `${two(body[from + 6] as number)}:${two(body[from + 7] as number)}`;
  return `${body[from] === 0 ? '' : '-'}${two(hours)}:${rest}${microseconds(body, from + 8, to)}`;
};

const clock = (body: Buffer, at: number): string =>
  `${two(body[at] as number)}:${two(body[at + 1] as number)}:${two(body[at + 2] as number)}`;

/** Only those of which every server takes the same number of bytes. */
const TYPES: Readonly<Record<number, Type>> = {
  0x00: text('decimal'),
  0x01: number('tinyint', 1, (body, at, _, unsigned) => String(unsigned ? body[at] : body.readInt8(at))),
  0x02: number('smallint', 2, (body, at, _, unsigned) =>
    String(unsigned ? body.readUInt16LE(at) : body.readInt16LE(at)),
  ),
  0x03: number('int', 4, (body, at, _, unsigned) => String(unsigned ? body.readUInt32LE(at) : body.readInt32LE(at))),
  0x04: number('float', 4, (body, at) => String(Math.fround(body.readFloatLE(at)))),
  0x05: number('double', 8, (body, at) => String(body.readDoubleLE(at))),
  0x07: { name: 'timestamp', bytes: 'time', read: dateTime },
  0x08: number('bigint', 8, (body, at, _, unsigned) =>
    String(unsigned ? body.readBigUInt64LE(at) : body.readBigInt64LE(at)),
  ),
  0x0a: { name: 'date', bytes: 'time', read: dateTime },
  0x0b: { name: 'time', bytes: 'time', read: time },
  0x0c: { name: 'datetime', bytes: 'time', read: dateTime },
  0x0f: text('varchar'),
  0xf5: text('json'),
  0xf6: text('decimal'),
  0xf9: text('tinyblob'),
  0xfa: text('mediumblob'),
  0xfb: text('longblob'),
  0xfc: text('blob'),
  0xfd: text('varchar'),
  0xfe: text('char'),
};
/** Lengths that a value of time can have. */
const TIMES: ReadonlySet<number> = new Set([0, 4, 7, 8, 11, 12]);

export const isKnownType = (type: number): boolean => TYPES[type] !== undefined;

/** Bytes of the value of this type at `at`; -1: it is cut off, or of a type that is not known. */
export const valueBytes = (type: number, body: Buffer, at: number, to: number): number => {
  const bytes = TYPES[type]?.bytes;
  if (bytes === undefined) return -1;
  let all: number;
  if (bytes === null) {
    const length = lenencAt(body, at, to);
    if (length < 0) return -1;
    all = lenencBytes(body, at) + length;
  } else if (bytes === 'time') {
    if (at >= to || !TIMES.has(body[at] as number)) return -1;
    all = 1 + (body[at] as number);
  } else all = bytes;
  return at + all > to ? -1 : all;
};

/** What the value says, as text; `bytes` is what valueBytes said of it. */
export const valueText = (type: number, unsigned: boolean, body: Buffer, at: number, bytes: number): string => {
  const known = TYPES[type];
  if (!known) return '';
  const head = known.bytes === null ? lenencBytes(body, at) : known.bytes === 'time' ? 1 : 0;
  return known.read(body, at + head, at + bytes, unsigned);
};

/** What a value of that type that came by COM_STMT_SEND_LONG_DATA says. */
export const longText = (bytes: Buffer): string => binary(bytes, 0, bytes.length);

/** As SQL calls it; the number of one that is not known, such as that of NULL. */
export const typeName = (type: number, unsigned: boolean): string =>
  `${TYPES[type]?.name ?? `type ${type}`}${unsigned && typeof TYPES[type]?.bytes === 'number' ? ' unsigned' : ''}`;
