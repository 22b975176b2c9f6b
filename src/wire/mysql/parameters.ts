// The values that a statement is executed with, decoded for whoever has to decide about it. Where the bytes do not say the same to everybody
// (a type that is not known, bytes that are left over) there is no answer: nothing may be shown that the server would not take.
// Source: MySQL Server Doxygen, "COM_STMT_EXECUTE"; MariaDB, "COM_STMT_BULK_EXECUTE".
import { createHash } from 'node:crypto';
import { BULK_FLAGS, BULK_HEAD_BYTES, EXECUTE_FLAGS, EXECUTE_HEAD_BYTES } from './commands.ts';
import { behindString, lenencAt, lenencBytes } from './lenenc.ts';
import { longText, typeName, valueBytes, valueText } from './values.ts';

export interface Parameter {
  readonly type: string;
  /** Null: NULL. */
  readonly value: string | null;
}

/** Rows of a bulk execution whose values are decoded. */
export const BULK_ROWS_SHOWN = 100;

const UNSIGNED = 0x80;
const INDICATORS: Readonly<Record<number, string | null>> = { 1: null, 2: 'DEFAULT', 3: 'IGNORE', 4: 'IGNORE ROW' };

/** Where the parts of an execution lie. Without parameters, or with types of another execution, `types` is empty. */
export interface Execution {
  /** Values in it: the statement's parameters first, then attributes of the query. */
  readonly count: number;
  readonly nulls: number;
  /** Two bytes for each, and nothing else; as long as they are sent along. */
  readonly types: Buffer | null;
  /** Where the flag stands that says so. */
  readonly flag: number;
  readonly values: number;
}

/**
 * COM_STMT_EXECUTE of a statement with so many parameters; null: malformed. `attributes`: CLIENT_QUERY_ATTRIBUTES is in force, by which each
 * type has a name behind it.
 */
export const readExecution = (
  body: Buffer,
  from: number,
  to: number,
  parameters: number,
  attributes: boolean,
): Execution | null => {
  if (to - from < EXECUTE_HEAD_BYTES) return null;
  const counted = attributes && ((body[from + 5] as number) & EXECUTE_FLAGS.PARAMETER_COUNT_AVAILABLE) !== 0;
  let at = from + EXECUTE_HEAD_BYTES;
  let count = parameters;
  if (counted) {
    count = lenencAt(body, at, to);
    if (count < parameters || count > 65_535) return null;
    at += lenencBytes(body, at);
  }
  if (count === 0) return { count, nulls: at, types: null, flag: at, values: at };
  const nulls = at;
  const flag = at + ((count + 7) >> 3);
  if (flag >= to) return null;
  at = flag + 1;
  if (body[flag] === 0) return { count, nulls, types: null, flag, values: at };
  if (body[flag] !== 1) return null;
  const types = Buffer.allocUnsafe(2 * count);
  for (let index = 0; index < count; index++) {
    if (at + 2 > to) return null;
    body.copy(types, 2 * index, at, at + 2);
    at += 2;
    if (!attributes) continue;
    at = behindString(body, at, to);
    if (at < 0) return null;
  }
  return { count, nulls, types, flag, values: at };
};

/** Its values; null: malformed. `types`: of this execution or the last. `long`: what came by COM_STMT_SEND_LONG_DATA for a parameter. */
export const decodeExecution = (
  body: Buffer,
  to: number,
  execution: Execution,
  types: Buffer,
  long: (parameter: number) => Buffer | undefined,
): readonly Parameter[] | null => {
  const { count, nulls } = execution;
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

/** COM_STMT_BULK_EXECUTE: where its types and values lie; null: malformed. */
export const readBulk = (body: Buffer, from: number, to: number, parameters: number): Execution | null => {
  if (to - from < BULK_HEAD_BYTES) return null;
  const flag = from + 5;
  const at = from + BULK_HEAD_BYTES;
  if ((body.readUInt16LE(flag) & BULK_FLAGS.SEND_TYPES_TO_SERVER) === 0)
    return { count: parameters, nulls: at, types: null, flag, values: at };
  const values = at + 2 * parameters;
  if (values > to) return null;
  return { count: parameters, nulls: at, types: Buffer.from(body.subarray(at, values)), flag, values };
};

/** The values of its rows, one row after the other, the first BULK_ROWS_SHOWN of them and one that stands for the rest; null: malformed. */
export const decodeBulk = (
  body: Buffer,
  to: number,
  { count, values }: Execution,
  types: Buffer,
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
