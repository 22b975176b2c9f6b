// The messages of protocol 3 that Holdpoint reads or writes itself, named and fielded as the manual names them.
// Writers return whole messages; readers take a buffer and the message's bounds. Nothing here knows a socket or a state.
// Manual: "Message Formats", 55.7.

const code = (letter: string): number => letter.charCodeAt(0);

/** Messages a client may send, by byte code. */
export const FRONTEND = {
  Bind: code('B'),
  Close: code('C'),
  CopyData: code('d'),
  CopyDone: code('c'),
  CopyFail: code('f'),
  Describe: code('D'),
  Execute: code('E'),
  Flush: code('H'),
  FunctionCall: code('F'),
  Parse: code('P'),
  /** PasswordMessage, SASLInitialResponse and SASLResponse share it. */
  Password: code('p'),
  Query: code('Q'),
  Sync: code('S'),
  Terminate: code('X'),
} as const;

/** Messages a server may send, by byte code. */
export const BACKEND = {
  Authentication: code('R'),
  BackendKeyData: code('K'),
  BindComplete: code('2'),
  CloseComplete: code('3'),
  CommandComplete: code('C'),
  CopyData: code('d'),
  CopyDone: code('c'),
  CopyInResponse: code('G'),
  CopyOutResponse: code('H'),
  CopyBothResponse: code('W'),
  DataRow: code('D'),
  EmptyQueryResponse: code('I'),
  ErrorResponse: code('E'),
  FunctionCallResponse: code('V'),
  NegotiateProtocolVersion: code('v'),
  NoData: code('n'),
  NoticeResponse: code('N'),
  NotificationResponse: code('A'),
  ParameterDescription: code('t'),
  ParameterStatus: code('S'),
  ParseComplete: code('1'),
  PortalSuspended: code('s'),
  ReadyForQuery: code('Z'),
  RowDescription: code('T'),
} as const;

export const SSL_REQUEST = 80877103;
export const GSSENC_REQUEST = 80877104;
export const CANCEL_REQUEST = 80877102;
export const PROTOCOL_3_0 = 196608;
export const PROTOCOL_3_2 = 196610;

/** Transaction status bytes of ReadyForQuery. */
export const IDLE = code('I');
export const IN_BLOCK = code('T');
export const FAILED_BLOCK = code('E');

const finish = (type: number, parts: readonly (string | Buffer | number)[]): Buffer => {
  let bytes = 4;
  for (const part of parts)
    bytes += typeof part === 'number' ? 4 : typeof part === 'string' ? Buffer.byteLength(part) + 1 : part.length;
  const message = Buffer.allocUnsafe(bytes + 1);
  message[0] = type;
  message.writeInt32BE(bytes, 1);
  let at = 5;
  for (const part of parts) {
    if (typeof part === 'number') at = message.writeInt32BE(part, at);
    else if (typeof part === 'string') {
      at += message.write(part, at, 'utf8');
      message[at++] = 0;
    } else at += part.copy(message, at);
  }
  return message;
};

const int16 = (...values: number[]): Buffer => {
  const bytes = Buffer.allocUnsafe(values.length * 2);
  values.forEach((value, index) => bytes.writeInt16BE(value, index * 2));
  return bytes;
};

// ---- client to server

/** Query. `text` is latin1: one character a byte. */
export const query = (text: string): Buffer => finish(FRONTEND.Query, [Buffer.from(`${text}\0`, 'latin1')]);
export const parse = (statement: string, text: string): Buffer => finish(FRONTEND.Parse, [statement, text, int16(0)]);
/** Bind without parameters, results in text. */
export const bind = (portal: string, statement: string): Buffer =>
  finish(FRONTEND.Bind, [portal, statement, int16(0, 0, 0)]);
/** Parse of the unnamed statement with the types of its parameters, 0 for the server to choose. `text` is latin1. */
export const parseTyped = (text: string, types: readonly number[]): Buffer =>
  finish(FRONTEND.Parse, ['', Buffer.from(`${text}\0`, 'latin1'), int16(types.length), ...types]);
/** Bind of the unnamed statement to the unnamed portal; values and results in text. */
export const bindText = (values: readonly (string | null)[]): Buffer =>
  finish(FRONTEND.Bind, [
    '',
    '',
    int16(0, values.length),
    ...values.flatMap((value) => (value === null ? [-1] : [Buffer.byteLength(value), Buffer.from(value)])),
    int16(0),
  ]);
/** Describe of the unnamed statement. */
export const DESCRIBE_STATEMENT = finish(FRONTEND.Describe, [Buffer.from('S'), '']);
export const execute = (portal: string): Buffer => finish(FRONTEND.Execute, [portal, 0]);
/** FunctionCall without arguments, result as text. */
export const functionCall = (oid: number): Buffer => finish(FRONTEND.FunctionCall, [oid, int16(0, 0, 0)]);
export const closeStatement = (name: string): Buffer => finish(FRONTEND.Close, [Buffer.from('S'), name]);
export const closePortal = (name: string): Buffer => finish(FRONTEND.Close, [Buffer.from('P'), name]);
export const passwordMessage = (password: string): Buffer => finish(FRONTEND.Password, [password]);
export const saslInitialResponse = (mechanism: string, data: string): Buffer =>
  finish(FRONTEND.Password, [mechanism, Buffer.byteLength(data), Buffer.from(data)]);
export const saslResponse = (data: string): Buffer => finish(FRONTEND.Password, [Buffer.from(data)]);
export const FLUSH = finish(FRONTEND.Flush, []);
export const SYNC = finish(FRONTEND.Sync, []);
export const TERMINATE = finish(FRONTEND.Terminate, []);

const untyped = (request: number, parts: readonly (string | Buffer | number)[]): Buffer =>
  finish(0, [request, ...parts]).subarray(1);
export const sslRequest = (): Buffer => untyped(SSL_REQUEST, []);
export const cancelRequest = (processId: number, secretKey: Buffer): Buffer =>
  untyped(CANCEL_REQUEST, [processId, secretKey]);
export const startupMessage = (parameters: Iterable<readonly [string, string]>): Buffer => {
  const flat: string[] = [];
  for (const [name, value] of parameters) flat.push(name, value);
  return untyped(PROTOCOL_3_0, [...flat, Buffer.from([0])]);
};

// ---- server to client

export const authenticationOk = (): Buffer => finish(BACKEND.Authentication, [0]);
export const authenticationCleartextPassword = (): Buffer => finish(BACKEND.Authentication, [3]);
export const authenticationSasl = (...mechanisms: string[]): Buffer =>
  finish(BACKEND.Authentication, [10, ...mechanisms, Buffer.from([0])]);
export const authenticationSaslContinue = (data: string): Buffer =>
  finish(BACKEND.Authentication, [11, Buffer.from(data)]);
export const authenticationSaslFinal = (data: string): Buffer =>
  finish(BACKEND.Authentication, [12, Buffer.from(data)]);
export const parameterStatus = (name: string, value: string): Buffer => finish(BACKEND.ParameterStatus, [name, value]);
export const backendKeyData = (processId: number, secretKey: Buffer): Buffer =>
  finish(BACKEND.BackendKeyData, [processId, secretKey]);
export const negotiateProtocolVersion = (newest: number, unrecognised: readonly string[]): Buffer =>
  finish(BACKEND.NegotiateProtocolVersion, [newest, unrecognised.length, ...unrecognised]);
export const readyForQuery = (status: number): Buffer => finish(BACKEND.ReadyForQuery, [Buffer.from([status])]);
export const commandComplete = (tag: string): Buffer => finish(BACKEND.CommandComplete, [tag]);
export const PARSE_COMPLETE = finish(BACKEND.ParseComplete, []);
export const BIND_COMPLETE = finish(BACKEND.BindComplete, []);
export const CLOSE_COMPLETE = finish(BACKEND.CloseComplete, []);
export const NO_DATA = finish(BACKEND.NoData, []);

const TEXT_OID = 25;

/** RowDescription of columns that are all of type text, in the formats given (0 text, 1 binary: the same bytes). */
export const rowDescriptionOfText = (columns: readonly string[], format = 0): Buffer =>
  finish(BACKEND.RowDescription, [
    int16(columns.length),
    ...columns.flatMap((name) => [name, 0, int16(0), TEXT_OID, int16(-1), -1, int16(format)]),
  ]);
export const parameterDescription = (types: readonly number[]): Buffer =>
  finish(BACKEND.ParameterDescription, [int16(types.length), ...types]);
export const dataRowOfText = (values: readonly (string | null)[]): Buffer =>
  finish(BACKEND.DataRow, [
    int16(values.length),
    ...values.flatMap((value) => (value === null ? [-1] : [Buffer.byteLength(value), Buffer.from(value)])),
  ]);

/** The fields of an ErrorResponse or NoticeResponse that Holdpoint writes. Manual: 55.8. */
export interface Fields {
  readonly severity: string;
  readonly sqlstate: string;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  /** In characters, from 1. */
  readonly position?: number | undefined;
}

const errorFields = (fields: Fields): (string | Buffer)[] => {
  const out: string[] = [`S${fields.severity}`, `V${fields.severity}`, `C${fields.sqlstate}`, `M${fields.message}`];
  if (fields.detail) out.push(`D${fields.detail}`);
  if (fields.hint) out.push(`H${fields.hint}`);
  if (fields.position) out.push(`P${fields.position}`);
  return [...out.map((field) => field.replaceAll('\0', '')), Buffer.from([0])];
};
export const errorResponse = (fields: Fields): Buffer => finish(BACKEND.ErrorResponse, errorFields(fields));
export const noticeResponse = (fields: Fields): Buffer => finish(BACKEND.NoticeResponse, errorFields(fields));

// ---- readers

/** Node's own, without the detour through an encoding's name: strings of the hot path are short and many. */
interface Latin1 {
  latin1Slice(start: number, end: number): string;
}

/** Bytes [start, end) as latin1: one character a byte. */
export const latin1 = (buffer: Buffer, start: number, end: number): string =>
  start === end ? '' : (buffer as unknown as Latin1).latin1Slice(start, end);

const NAME_BYTES = 64;

/** Short texts seen, by a hash of their bytes: names and command tags come again and again, and one string serves them all. */
const SHORT_SLOTS = 1024;
const shortTexts = Array.from({ length: SHORT_SLOTS }, () => '');

/** latin1 for what is short and comes often. */
export const shortLatin1 = (buffer: Buffer, start: number, end: number): string => {
  const length = end - start;
  if (length > NAME_BYTES) return latin1(buffer, start, end);
  let hash = length;
  for (let at = start; at < end; at++) hash = (hash * 31 + (buffer[at] as number)) & 0xffffff;
  const slot = hash & (SHORT_SLOTS - 1);
  const known = shortTexts[slot] as string;
  if (known.length === length) {
    let at = 0;
    while (at < length && known.charCodeAt(at) === buffer[start + at]) at++;
    if (at === length) return known;
  }
  return (shortTexts[slot] = latin1(buffer, start, end));
};

/** A zero-terminated string inside [at, end), as latin1, or null if it does not end there. `next` is where reading goes on. */
export const cstring = (buffer: Buffer, at: number, end: number): { text: string; next: number } | null => {
  const limit = end < buffer.length ? end : buffer.length;
  // A loop for the first bytes: names are short, and a native search costs more than that.
  const near = at + NAME_BYTES < limit ? at + NAME_BYTES : limit;
  let stop = at;
  while (stop < near && buffer[stop] !== 0) stop++;
  if (stop === near && near < limit) stop = buffer.indexOf(0, near);
  return stop < 0 || stop >= limit ? null : { text: shortLatin1(buffer, at, stop), next: stop + 1 };
};

/** Fields of an ErrorResponse or NoticeResponse by their letter, as the server sent them. */
export const readFields = (buffer: Buffer, start: number, end: number): Map<string, string> => {
  const fields = new Map<string, string>();
  let at = start + 5;
  while (at < end && buffer[at] !== 0) {
    const letter = String.fromCharCode(buffer[at] as number);
    const stop = buffer.indexOf(0, at + 1);
    if (stop < 0 || stop >= end) break;
    fields.set(letter, buffer.toString('utf8', at + 1, stop));
    at = stop + 1;
  }
  return fields;
};

/** The same message with its P field moved by `move`, every other byte as it was; the message itself where it has none. */
export const movePosition = (
  buffer: Buffer,
  start: number,
  end: number,
  move: (position: number) => number,
): Buffer => {
  let at = start + 5;
  while (at < end && buffer[at] !== 0) {
    const stop = buffer.indexOf(0, at + 1);
    if (stop < 0 || stop >= end) break;
    const position = buffer[at] === 0x50 ? Number(buffer.toString('latin1', at + 1, stop)) : 0;
    if (position > 0)
      return finish(buffer[start] as number, [
        buffer.subarray(start + 5, at + 1),
        String(move(position)),
        buffer.subarray(stop + 1, end),
      ]);
    at = stop + 1;
  }
  return buffer.subarray(start, end);
};

/** Fields of an error or notice that the server fills by itself: severity, SQLSTATE, positions, and where in its source it is. */
const FIXED_FIELDS = 'SVCPpFLR';
const CUT = Buffer.from('... [cut: longer than may pass]');

/**
 * The same error or notice with at most `bytes_max` bytes of text: the field that goes beyond is cut at a whole character, those behind it
 * are left out. Null: it fits as it is.
 */
export const cutTexts = (buffer: Buffer, start: number, end: number, bytes_max: number): Buffer | null => {
  if (end - start <= bytes_max) return null;
  const parts: Buffer[] = [];
  let left = bytes_max;
  let cut = false;
  let at = start + 5;
  while (at < end && buffer[at] !== 0) {
    const stop = buffer.indexOf(0, at + 1);
    if (stop < 0 || stop >= end) break;
    const fixed = FIXED_FIELDS.includes(String.fromCharCode(buffer[at] as number));
    if (fixed || (!cut && stop - at - 1 <= left)) {
      parts.push(buffer.subarray(at, stop + 1));
      if (!fixed) left -= stop - at - 1;
    } else if (!cut) {
      let last = at + 1 + left;
      while (last > at + 1 && ((buffer[last] as number) & 0xc0) === 0x80) last--;
      parts.push(buffer.subarray(at, last), CUT, buffer.subarray(stop, stop + 1));
      cut = true;
    }
    at = stop + 1;
  }
  return cut ? finish(buffer[start] as number, [...parts, Buffer.of(0)]) : null;
};

export interface BindMessage {
  readonly portal: string;
  readonly statement: string;
  /** One for each parameter: 0 text, 1 binary. */
  readonly formats: readonly number[];
  /** Raw values; null is SQL NULL. */
  readonly values: readonly (Buffer | null)[];
  readonly resultFormats: readonly number[];
}

/** Reads a whole Bind; null if its counts and lengths do not add up to the message. */
export const readBind = (buffer: Buffer, start: number, end: number): BindMessage | null => {
  const portal = cstring(buffer, start + 5, end);
  const statement = portal && cstring(buffer, portal.next, end);
  const given = statement && readArguments(buffer, statement.next, end);
  const results = given && readCodes(buffer, given.next, end);
  if (results?.next !== end) return null;
  const { formats, values } = given as Arguments;
  return {
    portal: (portal as { text: string }).text,
    statement: (statement as { text: string }).text,
    formats,
    values,
    resultFormats: results.codes,
  };
};

/** A FunctionCall: the function by its oid, and its arguments. */
export interface FunctionCallMessage {
  readonly oid: number;
  readonly formats: readonly number[];
  readonly values: readonly (Buffer | null)[];
}

/** Reads a whole FunctionCall; null if it does not add up. */
export const readFunctionCall = (buffer: Buffer, start: number, end: number): FunctionCallMessage | null => {
  if (start + 9 > end) return null;
  const given = readArguments(buffer, start + 9, end);
  if (given?.next !== end - 2) return null;
  return { oid: buffer.readUInt32BE(start + 5), formats: given.formats, values: given.values };
};

interface Arguments {
  readonly formats: readonly number[];
  readonly values: readonly (Buffer | null)[];
  readonly next: number;
}

/** Format codes and values as Bind and FunctionCall carry them: a format for each value, however few were sent. */
const readArguments = (buffer: Buffer, start: number, end: number): Arguments | null => {
  const given = readCodes(buffer, start, end);
  if (!given || given.next + 2 > end) return null;
  const { codes } = given;
  const count = buffer.readUInt16BE(given.next);
  let at = given.next + 2;
  const values: (Buffer | null)[] = [];
  for (let index = 0; index < count; index++) {
    if (at + 4 > end) return null;
    const length = buffer.readInt32BE(at);
    at += 4;
    if (length < 0) {
      if (length !== -1) return null;
      values.push(null);
    } else {
      if (at + length > end) return null;
      values.push(buffer.subarray(at, at + length));
      at += length;
    }
  }
  if (codes.length > 1 && codes.length !== count) return null;
  return { formats: values.map((_, index) => (codes.length === 1 ? codes[0] : codes[index]) ?? 0), values, next: at };
};

const readCodes = (buffer: Buffer, start: number, end: number): { codes: number[]; next: number } | null => {
  if (start + 2 > end) return null;
  const count = buffer.readUInt16BE(start);
  const next = start + 2 + count * 2;
  if (next > end) return null;
  return { codes: Array.from({ length: count }, (_, index) => buffer.readUInt16BE(start + 2 + index * 2)), next };
};

export interface ParseMessage {
  readonly name: string;
  /** latin1: one character a byte. */
  readonly text: string;
  readonly types: readonly number[];
  /** Byte offset of the text inside the buffer. */
  readonly textStart: number;
}

/** Reads a whole Parse; null if it does not add up. */
export const readParse = (buffer: Buffer, start: number, end: number): ParseMessage | null => {
  const name = cstring(buffer, start + 5, end);
  const text = name && cstring(buffer, name.next, end);
  if (!text || text.next + 2 > end) return null;
  const count = buffer.readUInt16BE(text.next);
  if (text.next + 2 + count * 4 !== end) return null;
  const types = Array.from({ length: count }, (_, index) => buffer.readUInt32BE(text.next + 2 + index * 4));
  return { name: name.text, text: text.text, types, textStart: name.next };
};

/** The type OIDs of a whole ParameterDescription. */
export const readParameterTypes = (buffer: Buffer, start: number, end: number): number[] => {
  if (end < start + 7) return [];
  const count = buffer.readUInt16BE(start + 5);
  return start + 7 + count * 4 === end
    ? Array.from({ length: count }, (_, index) => buffer.readUInt32BE(start + 7 + index * 4))
    : [];
};
