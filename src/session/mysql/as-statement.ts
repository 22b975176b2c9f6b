// What a command that carries no SQL is judged as: the statement that would do the same or, where SQL has none, the command's own name with what
// it asks for (sql/mysql/statements.ts knows both). Must never leave out what makes one request another than the next, nor say a password.
import { COM } from '../../wire/mysql/commands.ts';
import type { State } from './state.ts';

/** The text for the command at hand; null: malformed. latin1 */
export const statementOf = (s: State): string | null => {
  const { body, from, to } = s.in;
  const text = TEXTS[body[from] as number];
  return text === undefined ? null : text(body.subarray(from + 1, to));
};

/** `body`: what stands behind the command byte. */
type Text = (body: Buffer) => string | null;

const named =
  (words: string): Text =>
  (body) =>
    `${words} ${quoted(body.toString('latin1'))}`;
const fixed =
  (words: string): Text =>
  () =>
    words;

/** REFRESH_*, from the lowest bit. */
const REFRESHED = ['GRANT', 'LOG', 'TABLES', 'HOSTS', 'STATUS', 'THREADS', 'SLAVE', 'MASTER'] as const;
/** Before the name of the log: position, flags and the client's server id; flags, server id and the length of the name. */
const DUMP_HEAD_BYTES = 10;
const GTID_DUMP_HEAD_BYTES = 10;
const POSITION_BYTES = 8;

const TEXTS: Readonly<Record<number, Text>> = {
  [COM.INIT_DB]: named('USE'),
  [COM.CREATE_DB]: named('CREATE DATABASE'),
  [COM.DROP_DB]: named('DROP DATABASE'),
  [COM.FIELD_LIST](body) {
    const end = body.indexOf(0);
    return end < 0 ? null : `SHOW COLUMNS FROM ${quoted(body.toString('latin1', 0, end))}`;
  },
  [COM.PROCESS_INFO]: fixed('SHOW PROCESSLIST'),
  [COM.SHUTDOWN]: fixed('SHUTDOWN'),
  [COM.PROCESS_KILL]: (body) => (body.length < 4 ? null : `KILL ${body.readUInt32LE(0)}`),
  [COM.REFRESH]: (body) =>
    body.length === 1
      ? ['COM_REFRESH', ...REFRESHED.filter((_, bit) => ((body[0] as number) & (1 << bit)) !== 0)].join(' ')
      : null,
  [COM.DEBUG]: fixed('COM_DEBUG'),
  [COM.BINLOG_DUMP]: (body) =>
    body.length < DUMP_HEAD_BYTES
      ? null
      : dump('COM_BINLOG_DUMP', body.toString('latin1', DUMP_HEAD_BYTES), BigInt(body.readUInt32LE(0))),
  [COM.BINLOG_DUMP_GTID](body) {
    if (body.length < GTID_DUMP_HEAD_BYTES) return null;
    const end = GTID_DUMP_HEAD_BYTES + body.readUInt32LE(6);
    if (end + POSITION_BYTES > body.length) return null;
    return dump('COM_BINLOG_DUMP_GTID', body.toString('latin1', GTID_DUMP_HEAD_BYTES, end), body.readBigUInt64LE(end));
  },
  [COM.REGISTER_SLAVE]: (body) => (body.length < 4 ? null : `COM_REGISTER_SLAVE ${body.readUInt32LE(0)}`),
  [COM.CLONE]: fixed('COM_CLONE'),
  [COM.TABLE_DUMP]: fixed('COM_TABLE_DUMP'),
  [COM.SUBSCRIBE_GROUP_REPLICATION_STREAM]: fixed('COM_SUBSCRIBE_GROUP_REPLICATION_STREAM'),
};

/** Without a name the log is told by a variable of the session, or is the first one. */
const dump = (command: string, log: string, position: bigint): string =>
  log === '' ? `${command} ${position}` : `${command} ${quoted(log)} ${position}`;

const quoted = (name: string): string => `\`${name.replaceAll('`', '``')}\``;
