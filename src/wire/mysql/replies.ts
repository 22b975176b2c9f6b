// Follows the server's reply to one command, packet by packet, to its end: what each packet is, how many there are to come, and what OK, EOF
// and ERR say. It looks at the first bytes only and keeps nothing of a payload. What fits no reply is BROKEN: a client would take it for
// something else than it is counted for here.
// Source: MySQL Server Doxygen, "Command Phase"; MariaDB, "Server Response Packets".
import { lenencAt, lenencBytes, behindString } from './lenenc.ts';

/** How a command is answered. */
export const NO_REPLY = 0;
/** One packet: OK, EOF or ERR. */
export const STATUS_REPLY = 1;
/** One packet of text, or ERR. */
export const TEXT_REPLY = 2;
/** OK, ERR, a request for a file, or a result set; and more of them. */
export const RESULT_REPLY = 3;
/** Of COM_STMT_PREPARE: OK of its own, with definitions; or ERR. */
export const PREPARE_REPLY = 4;
/** Rows of a cursor. */
export const ROWS_REPLY = 5;
/** Definitions up to an EOF. */
export const FIELDS_REPLY = 6;
/** As RESULT_REPLY, of an execution that asks for a cursor: the rows of its result may be left for later. */
export const CURSOR_REPLY = 7;
/** Of COM_BINLOG_DUMP: events, as rows, up to an EOF, which stays one whatever CLIENT_DEPRECATE_EOF says. */
export const EVENTS_REPLY = 8;

/** What a packet is. */
export const PASSES = 0;
export const ROW = 1;
/** The last of its result; another result follows. */
export const RESULT_END = 2;
/** The last of the reply. */
export const END = 3;
/** The server asks for a file: next are the client's packets, up to an empty one, and then the rest of the reply. */
export const FILE_REQUEST = 4;
export const BROKEN = 5;

/** SERVER_STATUS_* and SERVER_* flags that are looked at. */
export const STATUS_FLAGS = {
  IN_TRANS: 1,
  AUTOCOMMIT: 2,
  MORE_RESULTS_EXISTS: 8,
  CURSOR_EXISTS: 64,
  NO_BACKSLASH_ESCAPES: 512,
  SESSION_STATE_CHANGED: 0x4000,
} as const;

/** What is in force between client and server. */
export interface ReplyFormat {
  /** CLIENT_DEPRECATE_EOF */
  readonly deprecateEof: boolean;
  /** CLIENT_SESSION_TRACK */
  readonly sessionTrack: boolean;
  /** CLIENT_OPTIONAL_RESULTSET_METADATA, or MariaDB's MARIADB_CLIENT_CACHE_METADATA: a count of columns tells whether definitions follow. */
  readonly optionalMetadata: boolean;
  /** The first of the two: the reply to a prepare tells it, too. */
  readonly optionalPrepared: boolean;
  /** MARIADB_CLIENT_PROGRESS: reports of progress may stand before any packet of a reply. */
  readonly progress: boolean;
}

/** Most columns and parameters that the protocol can count. */
const COLUMNS_MAX = 65_535;
const HEAD_OK = 0x00;
const HEAD_FILE = 0xfb;
const HEAD_EOF = 0xfe;
const HEAD_ERR = 0xff;
/** A row that begins with 0xFE is of the greatest length. */
const EOF_BYTES = 5;
const PAYLOAD_BYTES_MAX = 0xff_ffff;
/** Bytes of a character of utf32. */
const WIDEST_CHARACTER = 4;
/** MariaDB's progress report comes as an error of this number. */
export const PROGRESS_ERRNO = 0xffff;

/** No definitions stand before the rows. */
const ROWS_ALONE: ReadonlySet<number> = new Set([ROWS_REPLY, EVENTS_REPLY]);

type State = 'first' | 'definitions' | 'definitions-eof' | 'rows' | 'fields' | 'file' | 'done';

export class ReplyReader {
  readonly #format: ReplyFormat;
  #kind = NO_REPLY;
  #state: State = 'done';
  /** Definitions that are still to come, and those of a prepared statement's columns behind them. */
  #left = 0;
  #columns = 0;
  /** Definitions of a prepared statement are told. */
  #told = true;

  /** As the last OK or EOF had them. */
  status = STATUS_FLAGS.AUTOCOMMIT as number;
  affected = 0;
  /** The last result ended with an error; its number, and where its SQLSTATE begins in the packet (-1: it has none). */
  failed = false;
  errno = 0;
  sqlstateAt = -1;
  /** The last OK carried what has changed of the session, at [from, to) of its packet; 0: nothing. */
  changesFrom = 0;
  changesTo = 0;
  /** The last result ended with a packet that would have carried it. */
  tracked = false;
  /** Of COM_STMT_PREPARE. */
  statement = 0;
  parameters = 0;
  /** Results of this reply that have ended without an error. */
  results = 0;
  /** The result that ended last had rows, or no rows but a cursor of them. */
  hadRows = false;

  constructor(format: ReplyFormat) {
    this.#format = format;
  }

  /** A command that is answered so has been sent. */
  begin(kind: number): void {
    this.#kind = kind;
    this.#state =
      kind === NO_REPLY ? 'done' : ROWS_ALONE.has(kind) ? 'rows' : kind === FIELDS_REPLY ? 'fields' : 'first';
    this.#left = this.#columns = 0;
    this.failed = false;
    this.tracked = false;
    this.changesFrom = this.changesTo = 0;
    this.results = 0;
    this.hadRows = ROWS_ALONE.has(kind);
  }

  /** Nothing is to come. */
  get done(): boolean {
    return this.#state === 'done';
  }

  /** Of a result nothing has come yet. */
  get waits(): boolean {
    return this.#state === 'first';
  }

  /** Rows may come, which may pass in parts. */
  get inRows(): boolean {
    return this.#state === 'rows';
  }

  /** The client has sent the file. */
  fileSent(): void {
    this.#state = 'first';
  }

  /**
   * What the first packet of a message is, whose payload begins at `from`. Rows need not be whole: `to` is where what is there ends, `length`
   * the payload's. All others must be.
   */
  read(body: Buffer, from: number, to: number, length: number): number {
    if (length === 0) return BROKEN;
    const head = body[from] as number;
    if (head === HEAD_ERR)
      return this.#state === 'done' || this.#state === 'file' ? BROKEN : this.#error(body, from, to);
    switch (this.#state) {
      case 'rows':
        if (head !== HEAD_EOF) return ROW;
        if (length === PAYLOAD_BYTES_MAX) return ROW;
        return this.#resultEnd(body, from, to);
      case 'first':
        return this.#first(head, body, from, to);
      case 'definitions':
        if (head === HEAD_EOF || head === HEAD_OK) return BROKEN;
        if (--this.#left === 0) this.#defined(!this.#format.deprecateEof);
        return this.done ? END : PASSES;
      case 'definitions-eof':
        return this.#definitionsEnd(head, body, from, to);
      case 'fields':
        return head === HEAD_EOF ? this.#resultEnd(body, from, to) : PASSES;
      case 'file':
      case 'done':
        return BROKEN;
    }
  }

  #first(head: number, body: Buffer, from: number, to: number): number {
    switch (this.#kind) {
      case STATUS_REPLY:
        if (head === HEAD_OK) return this.#ok(body, from, to) ? this.#ended() : BROKEN;
        return head === HEAD_EOF ? this.#resultEnd(body, from, to) : BROKEN;
      case TEXT_REPLY:
        this.#state = 'done';
        return END;
      case PREPARE_REPLY:
        return head === HEAD_OK ? this.#prepared(body, from, to) : BROKEN;
      default:
        if (head === HEAD_OK) {
          this.hadRows = false;
          return this.#ok(body, from, to) ? this.#ended() : BROKEN;
        }
        if (head === HEAD_FILE) {
          this.#state = 'file';
          return FILE_REQUEST;
        }
        return this.#resultSet(body, from, to);
    }
  }

  /** A count of columns begins a result set. */
  #resultSet(body: Buffer, from: number, to: number): number {
    const columns = lenencAt(body, from, to);
    if (columns <= 0 || columns > COLUMNS_MAX) return BROKEN;
    let at = from + lenencBytes(body, from);
    let definitions = columns;
    if (this.#format.optionalMetadata) {
      if (at >= to) return BROKEN;
      if (body[at] === 0) definitions = 0;
      at++;
    }
    if (at !== to) return BROKEN;
    this.#columns = 0;
    this.hadRows = true;
    this.#left = definitions;
    if (definitions > 0) this.#state = 'definitions';
    else this.#defined(!this.#format.deprecateEof);
    return PASSES;
  }

  #prepared(body: Buffer, from: number, to: number): number {
    if (to - from < 12) return BROKEN;
    this.statement = body.readUInt32LE(from + 1);
    const columns = body.readUInt16LE(from + 5);
    this.parameters = body.readUInt16LE(from + 7);
    if (this.#format.optionalPrepared && to - from < 13) return BROKEN;
    this.#told = !this.#format.optionalPrepared || body[from + 12] !== 0;
    this.#columns = columns;
    this.#definitions(this.parameters);
    return this.done ? END : PASSES;
  }

  /** A prepared statement's definitions of so many; where none are told, the EOF behind them is all the same. */
  #definitions(count: number): void {
    this.#left = count;
    if (count === 0) this.#defined(false);
    else if (this.#told) this.#state = 'definitions';
    else this.#defined(!this.#format.deprecateEof);
  }

  /** The definitions at hand are complete, but for an EOF perhaps. */
  #defined(eof: boolean): void {
    if (eof) this.#state = 'definitions-eof';
    else if (this.#kind !== PREPARE_REPLY) this.#state = 'rows';
    else if (this.#columns > 0) {
      // Behind a prepared statement's parameters come its columns.
      const columns = this.#columns;
      this.#columns = 0;
      this.#definitions(columns);
    } else {
      this.#state = 'done';
      this.results = 1;
    }
  }

  #definitionsEnd(head: number, body: Buffer, from: number, to: number): number {
    if (head !== HEAD_EOF || !this.#eof(body, from, to)) return BROKEN;
    // MariaDB tells of a cursor also where a procedure has one open, and then sends rows all the same.
    if (this.#kind === CURSOR_REPLY && (this.status & STATUS_FLAGS.CURSOR_EXISTS) !== 0) return this.#ended();
    this.#defined(false);
    return this.done ? END : PASSES;
  }

  /** The EOF at the end of rows or fields, which with CLIENT_DEPRECATE_EOF is an OK with another head. */
  #resultEnd(body: Buffer, from: number, to: number): number {
    const ok = this.#format.deprecateEof && !(this.#kind === EVENTS_REPLY && to - from === EOF_BYTES);
    const sound = ok ? this.#ok(body, from, to) : this.#eof(body, from, to);
    return sound ? this.#ended() : BROKEN;
  }

  /** A result has ended well. */
  #ended(): number {
    this.results++;
    const several = this.#kind === RESULT_REPLY || this.#kind === CURSOR_REPLY;
    const more = several && (this.status & STATUS_FLAGS.MORE_RESULTS_EXISTS) !== 0;
    this.#state = more ? 'first' : 'done';
    return more ? RESULT_END : END;
  }

  #eof(body: Buffer, from: number, to: number): boolean {
    if (to - from !== EOF_BYTES) return false;
    this.status = body.readUInt16LE(from + 3);
    this.affected = 0;
    this.tracked = false;
    this.changesFrom = this.changesTo = 0;
    return true;
  }

  #ok(body: Buffer, from: number, to: number): boolean {
    const affected = lenencAt(body, from + 1, to);
    if (affected < 0) return this.#okWithHugeCount(body, from, to);
    return this.#okBehind(affected, body, from + 1 + lenencBytes(body, from + 1), to);
  }

  /** MySQL counts ROW_COUNT() of -1 as the greatest 64-bit number. */
  #okWithHugeCount(body: Buffer, from: number, to: number): boolean {
    return body[from + 1] === 0xfe && from + 10 <= to ? this.#okBehind(0, body, from + 10, to) : false;
  }

  #okBehind(affected: number, body: Buffer, from: number, to: number): boolean {
    if (from >= to) return false;
    let at = from + lenencBytes(body, from);
    if (at + 4 > to) return false;
    this.affected = affected;
    this.status = body.readUInt16LE(at);
    at += 4;
    this.tracked = this.#format.sessionTrack;
    this.changesFrom = this.changesTo = 0;
    if (!this.tracked || (this.status & STATUS_FLAGS.SESSION_STATE_CHANGED) === 0) return true;
    at = behindString(body, at, to);
    // In a database of ucs2, utf16 or utf32 MariaDB makes a whole character of the length's first byte; its clients read no change then.
    for (let filled = 0; at >= 0 && filled < WIDEST_CHARACTER - 1 && body[at] === 0 && at + 1 < to; filled++) at++;
    const end = at < 0 ? -1 : behindString(body, at, to);
    if (end !== to) return false;
    this.changesFrom = at + lenencBytes(body, at);
    this.changesTo = end;
    return true;
  }

  #error(body: Buffer, from: number, to: number): number {
    if (to - from < 3) return BROKEN;
    this.errno = body.readUInt16LE(from + 1);
    if (this.errno === PROGRESS_ERRNO) return this.#format.progress ? PASSES : BROKEN;
    this.sqlstateAt = to - from >= 9 && body[from + 3] === 0x23 ? from + 4 : -1;
    this.failed = true;
    this.changesFrom = this.changesTo = 0;
    this.tracked = false;
    this.#state = 'done';
    return END;
  }
}

/** SESSION_TRACK_* */
export const TRACK = {
  SYSTEM_VARIABLES: 0,
  SCHEMA: 1,
  STATE_CHANGE: 2,
  GTIDS: 3,
  TRANSACTION_CHARACTERISTICS: 4,
  TRANSACTION_STATE: 5,
} as const;

/**
 * Calls `visit` with each change of the session that stands at [from, to): the kind, a system variable's name ('' for another kind), and the
 * value as latin1. False: it is not what it says.
 */
export const readChanges = (
  body: Buffer,
  from: number,
  to: number,
  visit: (kind: number, name: string, value: string) => void,
): boolean => {
  let at = from;
  while (at < to) {
    const kind = body[at] as number;
    const end = behindString(body, at + 1, to);
    if (end < 0) return false;
    let part = at + 1 + lenencBytes(body, at + 1);
    const pairs = kind === TRACK.SYSTEM_VARIABLES;
    // GTIDs have a byte more in front, and nobody here reads them.
    while (part < end && kind !== TRACK.GTIDS) {
      const name = pairs ? stringAt(body, part, end) : '';
      if (pairs) part = behindString(body, part, end);
      const value = part < 0 ? null : stringAt(body, part, end);
      part = part < 0 ? -1 : behindNullable(body, part, end);
      if (name === null || value === null || part < 0) return false;
      visit(kind, name, value);
    }
    at = end;
  }
  return true;
};

/** The string at `at`; NULL is ''. */
const stringAt = (body: Buffer, at: number, to: number): string | null => {
  if (body[at] === HEAD_FILE && at < to) return '';
  const end = behindString(body, at, to);
  return end < 0 ? null : body.toString('latin1', at + lenencBytes(body, at), end);
};

const behindNullable = (body: Buffer, at: number, to: number): number =>
  body[at] === HEAD_FILE && at < to ? at + 1 : behindString(body, at, to);
