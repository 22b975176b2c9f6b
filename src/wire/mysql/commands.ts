// The commands of the client: their bytes, and where the parts of their bodies lie. It looks and copies nothing. Where a statement's text
// begins decides what is judged, so whatever a server could read in another way is malformed here.
// Source: MySQL Server Doxygen, "Command Phase"; MariaDB, "Text Protocol" and "Binary Protocol".
import { lenencAt, lenencBytes } from './lenenc.ts';
import { valueBytes } from './values.ts';

export const COM = {
  SLEEP: 0x00,
  QUIT: 0x01,
  INIT_DB: 0x02,
  QUERY: 0x03,
  FIELD_LIST: 0x04,
  CREATE_DB: 0x05,
  DROP_DB: 0x06,
  REFRESH: 0x07,
  SHUTDOWN: 0x08,
  STATISTICS: 0x09,
  PROCESS_INFO: 0x0a,
  CONNECT: 0x0b,
  PROCESS_KILL: 0x0c,
  DEBUG: 0x0d,
  PING: 0x0e,
  TIME: 0x0f,
  DELAYED_INSERT: 0x10,
  CHANGE_USER: 0x11,
  BINLOG_DUMP: 0x12,
  TABLE_DUMP: 0x13,
  CONNECT_OUT: 0x14,
  REGISTER_SLAVE: 0x15,
  STMT_PREPARE: 0x16,
  STMT_EXECUTE: 0x17,
  STMT_SEND_LONG_DATA: 0x18,
  STMT_CLOSE: 0x19,
  STMT_RESET: 0x1a,
  SET_OPTION: 0x1b,
  STMT_FETCH: 0x1c,
  DAEMON: 0x1d,
  BINLOG_DUMP_GTID: 0x1e,
  RESET_CONNECTION: 0x1f,
  CLONE: 0x20,
  SUBSCRIBE_GROUP_REPLICATION_STREAM: 0x21,
  /** MariaDB's own. */
  STMT_BULK_EXECUTE: 0xfa,
} as const;

/** A statement id that means the one prepared last; MariaDB alone knows it. */
export const LAST_STATEMENT = 0xffff_ffff;

/** Flag of COM_STMT_EXECUTE: with query attributes, a count of values stands before them. */
export const PARAMETER_COUNT_AVAILABLE = 8;
/** Flag of COM_STMT_BULK_EXECUTE. */
export const SEND_TYPES_TO_SERVER = 128;

/** Bytes before the values: command, statement id, flags, and the iteration count of COM_STMT_EXECUTE. */
export const EXECUTE_HEAD_BYTES = 10;
export const BULK_HEAD_BYTES = 7;
/** Command and statement id. */
export const CLOSE_BYTES = 5;
/** Command, statement id and parameter. */
export const LONG_DATA_HEAD_BYTES = 7;

/** Most attributes that a query may have; a statement has at most as many parameters. */
const ATTRIBUTES_MAX = 65_535;
const UNSIGNED_BIT = 0x80;

/**
 * Where the text of COM_QUERY begins, whose command byte is at `from`; -1: malformed. With CLIENT_QUERY_ATTRIBUTES in force its attributes
 * stand before: their count, the count 1 of their sets, and, if there are any, NULL bitmap, the flag 1, types with names, and the values.
 */
export const queryText = (body: Buffer, from: number, to: number, attributes: boolean): number => {
  let at = from + 1;
  if (!attributes) return at;
  const count = lenencAt(body, at, to);
  if (count < 0 || count > ATTRIBUTES_MAX) return -1;
  at += lenencBytes(body, at);
  if (lenencAt(body, at, to) !== 1) return -1;
  at += lenencBytes(body, at);
  if (count === 0) return at;
  const nulls = at;
  at += (count + 7) >> 3;
  // Without types the servers would take those of another query.
  if (at >= to || body[at] !== 1) return -1;
  const types = at + 1;
  at = types;
  for (let index = 0; index < count; index++) {
    const name = lenencAt(body, at + 2, to);
    if (name < 0) return -1;
    at += 2 + lenencBytes(body, at + 2) + name;
    if (at > to) return -1;
  }
  let type = types;
  for (let index = 0; index < count; index++) {
    const flags = body[type + 1] as number;
    if ((flags & ~UNSIGNED_BIT) !== 0) return -1;
    if (((body[nulls + (index >> 3)] as number) & (1 << (index & 7))) === 0) {
      const bytes = valueBytes(body[type] as number, body, at, to);
      if (bytes < 0) return -1;
      at += bytes;
    }
    type += 2 + lenencBytes(body, type + 2) + lenencAt(body, type + 2, to);
  }
  return at;
};

/** The statement id behind the command byte at `from`; -1: malformed. */
export const statementId = (body: Buffer, from: number, to: number): number =>
  to - from < 5 ? -1 : body.readUInt32LE(from + 1);

/** CURSOR_TYPE_READ_ONLY, _FOR_UPDATE, _SCROLLABLE: flags behind the id of COM_STMT_EXECUTE. */
const CURSOR_TYPES = 7;

/** Does the COM_STMT_EXECUTE at `from` ask for a cursor? Its flags are there. */
export const asksForCursor = (body: Buffer, from: number): boolean => ((body[from + 5] as number) & CURSOR_TYPES) !== 0;
