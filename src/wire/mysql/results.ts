// A result set of our own, for the text protocol or the binary one: column count, definitions, rows and ends. Everything in it is text.
// Source: MySQL Server Doxygen, "Text Resultset", "Binary Protocol Resultset".
import { int, lenenc, lenencString } from './bytes.ts';
import { packets } from './frame.ts';
import { HEADER } from './messages.ts';

const UTF8MB4_GENERAL_CI = 45;
const VAR_STRING = 0xfd;
/** Bytes of a column, as a client is told. */
const COLUMN_BYTES = 4096;
const NULL = Buffer.of(0xfb);

export interface ResultFormat {
  readonly deprecateEof: boolean;
  /** A count of columns tells whether definitions follow. */
  readonly optionalMetadata: boolean;
  /** MariaDB's MARIADB_CLIENT_EXTENDED_METADATA: a definition has one field more. */
  readonly extendedMetadata: boolean;
}

/** Its packets, the first of which has this sequence id. `status`: SERVER_STATUS_* flags at its end. */
export const resultSet = (
  sequence: number,
  columns: readonly string[],
  rows: readonly (readonly (string | null)[])[],
  status: number,
  format: ResultFormat,
  binary = false,
): Buffer => {
  const count = lenenc(columns.length);
  const payloads = [
    format.optionalMetadata ? Buffer.concat([count, Buffer.of(1)]) : count,
    ...columns.map((name) => definition(name, format.extendedMetadata)),
    ...(format.deprecateEof ? [] : [eof(status)]),
    ...rows.map(binary ? binaryRow : textRow),
    format.deprecateEof ? okEof(status) : eof(status),
  ];
  return Buffer.concat(payloads.map((payload, index) => packets(sequence + index, payload)));
};

const textRow = (values: readonly (string | null)[]): Buffer =>
  Buffer.concat(values.map((value) => (value === null ? NULL : lenencString(value))));

/** Behind a zero byte and a bit for each column, from the third on, that says whether it is NULL. */
const binaryRow = (values: readonly (string | null)[]): Buffer => {
  const nulls = Buffer.alloc((values.length + NULL_BITS_SKIPPED + 7) >> 3);
  for (const [index, value] of values.entries()) {
    const bit = index + NULL_BITS_SKIPPED;
    if (value === null) nulls[bit >> 3] = (nulls[bit >> 3] as number) | (1 << (bit & 7));
  }
  return Buffer.concat([
    Buffer.of(0),
    nulls,
    ...values.map((value) => lenencString(value ?? '').subarray(0, value === null ? 0 : undefined)),
  ]);
};
const NULL_BITS_SKIPPED = 2;

const definition = (name: string, extended: boolean): Buffer =>
  Buffer.concat([
    lenencString('def'),
    lenencString(''),
    lenencString(''),
    lenencString(''),
    lenencString(name),
    lenencString(''),
    ...(extended ? [lenencString('')] : []),
    lenenc(12),
    int(2, UTF8MB4_GENERAL_CI),
    int(4, COLUMN_BYTES),
    int(1, VAR_STRING),
    int(2, 0),
    int(1, 0),
    int(2, 0),
  ]);

const eof = (status: number): Buffer => Buffer.concat([Buffer.of(HEADER.EOF), int(2, 0), int(2, status)]);
const okEof = (status: number): Buffer =>
  Buffer.concat([Buffer.of(HEADER.EOF), lenenc(0), lenenc(0), int(2, status), int(2, 0)]);
