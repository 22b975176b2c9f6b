// OK and ERR packets, and the commands that Holdpoint sends of itself: payloads to values and back.
// Source: MySQL Server Doxygen, "Generic Response Packets".
import { Bytes, int, lenenc, lenencString, Malformed } from './bytes.ts';
import { CLIENT, type Capabilities } from './capabilities.ts';
import { PROGRESS_ERRNO, STATUS_FLAGS } from './replies.ts';

export const HEADER = { OK: 0x00, MORE_DATA: 0x01, EOF: 0xfe, ERR: 0xff } as const;

export interface ErrorPacket {
  readonly errno: number;
  /** Five characters; '' in an error before the greeting, which has none. */
  readonly sqlstate: string;
  readonly message: string;
}

export const okPacket = (status: number, { flags }: Pick<Capabilities, 'flags'>): Buffer =>
  Buffer.concat([
    Buffer.of(HEADER.OK),
    lenenc(0),
    lenenc(0),
    int(2, status & ~STATUS_FLAGS.SESSION_STATE_CHANGED),
    int(2, 0),
    ...((flags & CLIENT.SESSION_TRACK) === 0 ? [] : [lenencString('')]),
  ]);

/** The status flags of an OK packet. Throws Malformed. */
export const readOkStatus = (payload: Buffer): number => {
  const bytes = new Bytes(payload, 1);
  bytes.lenenc();
  bytes.lenenc();
  return bytes.int(2);
};

export const errPacket = ({ errno, sqlstate, message }: ErrorPacket): Buffer =>
  Buffer.concat([
    Buffer.of(HEADER.ERR),
    int(2, errno),
    Buffer.from(sqlstate === '' ? '' : `#${sqlstate}`),
    Buffer.from(message),
  ]);

/** A report of progress, for a client with MARIADB_CLIENT_PROGRESS: one stage of one, of which nothing is done. */
export const progressPacket = (stage: string): Buffer =>
  Buffer.concat([Buffer.of(HEADER.ERR), int(2, PROGRESS_ERRNO), Buffer.of(1, 1, 1), int(3, 0), lenencString(stage)]);

/** Throws Malformed. */
export const readErr = (payload: Buffer): ErrorPacket => {
  const bytes = new Bytes(payload, 1);
  const errno = bytes.int(2);
  const text = bytes.rest();
  if (text[0] !== 0x23) return { errno, sqlstate: '', message: text.toString('utf8') };
  if (text.length < 6) throw new Malformed('an SQLSTATE that is cut off');
  return { errno, sqlstate: text.toString('latin1', 1, 6), message: text.toString('utf8', 6) };
};

/** The payload of a command with a text. */
export const command = (code: number, text = ''): Buffer => Buffer.concat([Buffer.of(code), Buffer.from(text)]);
