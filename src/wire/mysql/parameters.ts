// The values that a statement is executed with, decoded for whoever has to decide about it. Where the bytes do not say the same to everybody
// (a type that is not known, bytes that are left over) there is no answer: nothing may be shown that the server would not take.
// Source: MySQL Server Doxygen, "COM_STMT_EXECUTE"; MariaDB, "COM_STMT_BULK_EXECUTE".
import { createHash } from 'node:crypto';
import { BULK_HEAD_BYTES, EXECUTE_HEAD_BYTES, PARAMETER_COUNT_AVAILABLE, SEND_TYPES_TO_SERVER } from './commands.ts';
import { behindString, lenencAt, lenencBytes } from './lenenc.ts';
import { isKnownType, longText, typeName, valueBytes, valueText } from './values.ts';

export interface Parameter {
  readonly type: string;
  /** Null: NULL. */
  readonly value: string | null;
}

/** Rows of a bulk execution whose values are decoded. */
export const BULK_ROWS_SHOWN = 100;

const UNSIGNED = 0x80;
const INDICATORS: Readonly<Record<number, string | null>> = { 1: null, 2: 'DEFAULT', 3: 'IGNORE', 4: 'IGNORE ROW' };

/** Where the parts of an execution lie. */
export interface Execution {
  /** Values in it: the statement's parameters first, then attributes of the query. */
  count: number;
  nulls: number;
  /** Types were sent along. */
  typed: boolean;
  /** Where the flag stands that says so. */
  flag: number;
  values: number;
  /** Two bytes for each value: those sent along, else those known. */
  types: Buffer;
}

export const NO_TYPES = Buffer.alloc(0);
/** Reused for each execution, and read at once. */
const FOUND: Execution = { count: 0, nulls: 0, typed: false, flag: 0, values: 0, types: NO_TYPES };

/**
 * COM_STMT_EXECUTE of a statement with so many parameters; null: malformed. The object is reused: do not keep it. `attributes`:
 * CLIENT_QUERY_ATTRIBUTES is in force, by which each type has a name behind it. `known`: types of the last execution.
 */
export const readExecution = (
  body: Buffer,
  from: number,
  to: number,
  parameters: number,
  attributes: boolean,
  known: Buffer,
): Execution | null => {
  if (to - from < EXECUTE_HEAD_BYTES) return null;
  // The flag counts for statements without parameters alone, whatever the manual says.
  const flagged = ((body[from + 5] as number) & PARAMETER_COUNT_AVAILABLE) !== 0;
  const counted = attributes && (parameters > 0 || flagged);
  let at = from + EXECUTE_HEAD_BYTES;
  let count = parameters;
  if (counted) {
    count = lenencAt(body, at, to);
    if (count < parameters || count > 65_535) return null;
    at += lenencBytes(body, at);
  }
  FOUND.count = count;
  FOUND.nulls = FOUND.flag = FOUND.values = at;
  FOUND.typed = false;
  FOUND.types = known;
  if (count === 0) return FOUND;
  FOUND.flag = at + ((count + 7) >> 3);
  if (FOUND.flag >= to) return null;
  at = FOUND.values = FOUND.flag + 1;
  if (body[FOUND.flag] === 0) return FOUND;
  if (body[FOUND.flag] !== 1) return null;
  let same = known.length === 2 * count;
  for (let index = 0; index < count; index++) {
    if (at + 2 > to) return null;
    same &&= body[at] === known[2 * index] && body[at + 1] === known[2 * index + 1];
    at = attributes ? behindString(body, at + 2, to) : at + 2;
    if (at < 0) return null;
  }
  FOUND.typed = true;
  FOUND.values = at;
  if (!same) FOUND.types = typesAt(body, FOUND.flag + 1, count, attributes);
  return FOUND;
};

const typesAt = (body: Buffer, from: number, count: number, named: boolean): Buffer => {
  const types = Buffer.allocUnsafe(2 * count);
  let at = from;
  for (let index = 0; index < count; index++) {
    body.copy(types, 2 * index, at, at + 2);
    at = named ? behindString(body, at + 2, body.length) : at + 2;
  }
  return types;
};

/** The same command with types that the server has not got, for a client that does not send them again. */
export const withTypes = (
  body: Buffer,
  from: number,
  to: number,
  execution: Execution,
  attributes: boolean,
): Buffer => {
  const { flag, types, count, values } = execution;
  const named: Buffer[] = [];
  for (let index = 0; index < count; index++) {
    named.push(types.subarray(2 * index, 2 * index + 2));
    if (attributes) named.push(NO_NAME);
  }
  return Buffer.concat([body.subarray(from, flag), SENT, ...named, body.subarray(values, to)]);
};
const SENT = Buffer.of(1);
const NO_NAME = Buffer.of(0);

/**
 * Do its values end where the command does? Of one whose type is not known the server alone can tell. `isLong`: the parameter's value came by
 * COM_STMT_SEND_LONG_DATA. Nothing is allocated: every execution comes this way.
 */
export const isWhole = (
  body: Buffer,
  to: number,
  { count, nulls, types, values }: Execution,
  isLong: ((parameter: number) => boolean) | null,
): boolean => {
  let at = values;
  for (let index = 0; index < count; index++) {
    if (((body[nulls + (index >> 3)] as number) & (1 << (index & 7))) !== 0 || isLong?.(index)) continue;
    const type = types[2 * index] as number;
    const bytes = valueBytes(type, body, at, to);
    if (bytes < 0) return !isKnownType(type);
    at += bytes;
  }
  return count === 0 || at === to;
};

/** Its values; null: malformed. `long`: what came by COM_STMT_SEND_LONG_DATA for a parameter. */
export const decodeExecution = (
  body: Buffer,
  to: number,
  execution: Execution,
  long: (parameter: number) => Buffer | undefined,
): readonly Parameter[] | null => {
  const { count, nulls, types } = execution;
  if (types.length < 2 * count) return null;
  let at = execution.values;
  const values: Parameter[] = [];
  for (let index = 0; index < count; index++) {
    const type = types[2 * index] as number;
    const unsigned = ((types[2 * index + 1] as number) & UNSIGNED) !== 0;
    const name = typeName(type, unsigned);
    const sent = long(index);
    if (sent) values.push({ type: name, value: longText(sent) });
    else if (((body[nulls + (index >> 3)] as number) & (1 << (index & 7))) !== 0)
      values.push({ type: name, value: null });
    else {
      const bytes = valueBytes(type, body, at, to);
      if (bytes < 0) return null;
      values.push({ type: name, value: valueText(type, unsigned, body, at, bytes) });
      at += bytes;
    }
  }
  return at === to ? values : null;
};

/** COM_STMT_BULK_EXECUTE: where its types and values lie; null: malformed. The object is reused: do not keep it. */
export const readBulk = (
  body: Buffer,
  from: number,
  to: number,
  parameters: number,
  known: Buffer,
): Execution | null => {
  if (to - from < BULK_HEAD_BYTES) return null;
  FOUND.count = parameters;
  FOUND.flag = from + 5;
  FOUND.nulls = FOUND.values = from + BULK_HEAD_BYTES;
  FOUND.typed = (body.readUInt16LE(FOUND.flag) & SEND_TYPES_TO_SERVER) !== 0;
  FOUND.types = known;
  if (!FOUND.typed) return FOUND;
  FOUND.values += 2 * parameters;
  if (FOUND.values > to) return null;
  FOUND.types = typesAt(body, FOUND.nulls, parameters, false);
  return FOUND;
};

/** The same command with types that the server has not got. */
export const withBulkTypes = (body: Buffer, from: number, to: number, { flag, types, values }: Execution): Buffer => {
  const sent = Buffer.concat([body.subarray(from, flag + 2), types, body.subarray(values, to)]);
  sent.writeUInt16LE(sent.readUInt16LE(flag - from) | SEND_TYPES_TO_SERVER, flag - from);
  return sent;
};

/** The values of its rows, one row after the other, the first BULK_ROWS_SHOWN of them and one that stands for the rest; null: malformed. */
export const decodeBulk = (
  body: Buffer,
  to: number,
  { count, values, types }: Execution,
): readonly Parameter[] | null => {
  if (types.length < 2 * count || count === 0) return null;
  const shown: Parameter[] = [];
  let rows = 0;
  for (let at = values; at < to; rows++) {
    for (let index = 0; index < count; index++) {
      const type = types[2 * index] as number;
      const unsigned = ((types[2 * index + 1] as number) & UNSIGNED) !== 0;
      const name = typeName(type, unsigned);
      const indicator = body[at++];
      let value = indicator === undefined ? undefined : INDICATORS[indicator];
      if (indicator === 0) {
        const bytes = valueBytes(type, body, at, to);
        if (bytes < 0) return null;
        if (rows < BULK_ROWS_SHOWN) value = valueText(type, unsigned, body, at, bytes);
        at += bytes;
      } else if (value === undefined) return null;
      if (rows < BULK_ROWS_SHOWN) shown.push({ type: name, value: value ?? null });
    }
  }
  if (rows > BULK_ROWS_SHOWN) {
    const all = createHash('sha256').update(body.subarray(values, to)).digest('hex');
    shown.push({ type: 'rows', value: `${rows - BULK_ROWS_SHOWN} more; SHA-256 of all ${all}` });
  }
  return shown;
};
