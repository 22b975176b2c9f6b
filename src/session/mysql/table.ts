// Which command of the client is taken, what is judged of it, and how the server answers it. A command that is not in it, or that is null, is
// refused with 1047, as a server refuses what it does not know. Printed into docs/generated/mysql-commands.md.
import { COM } from '../../wire/mysql/commands.ts';
import {
  EVENTS_REPLY,
  FIELDS_REPLY,
  NO_REPLY,
  PREPARE_REPLY,
  RESULT_REPLY,
  ROWS_REPLY,
  STATUS_REPLY,
  TEXT_REPLY,
} from '../../wire/mysql/replies.ts';

export type Handling =
  /** Judged as SQL text, whole. */
  | 'query'
  /** Judged, and again whenever it is executed. */
  | 'prepare'
  | 'execute'
  | 'bulk-execute'
  /** Rows of what was let through when it was executed. */
  | 'fetch'
  /** Kept until the statement is executed. */
  | 'long-data'
  | 'close'
  | 'reset-statement'
  /** Judged as the statement that does the same. */
  | 'as-statement'
  /** The same, and then refused, whatever the verdict. */
  | 'uncarried'
  | 'kill'
  | 'reset-connection'
  /** Ends the session; another one begins with a login of its own. */
  | 'change-user'
  | 'option'
  /** Does nothing that anybody has to know of. */
  | 'pass'
  | 'quit';

export interface Row {
  readonly handling: Handling;
  readonly reply: number;
  /** For the printed table. */
  readonly judged: string;
}

const row = (handling: Handling, reply: number, judged: string): Row => ({ handling, reply, judged });

export const COMMANDS: Readonly<Record<keyof typeof COM, Row | null>> = {
  QUERY: row('query', RESULT_REPLY, 'the text, whole'),
  STMT_PREPARE: row('prepare', PREPARE_REPLY, 'the text; one that is held waits when it is executed'),
  STMT_EXECUTE: row('execute', RESULT_REPLY, 'the text with its parameters, each time'),
  STMT_BULK_EXECUTE: row('bulk-execute', RESULT_REPLY, 'the text with all rows of parameters'),
  STMT_FETCH: row('fetch', ROWS_REPLY, 'with the execution that opened the cursor'),
  STMT_SEND_LONG_DATA: row('long-data', NO_REPLY, 'as a parameter, with the execution'),
  STMT_RESET: row('reset-statement', STATUS_REPLY, '-'),
  STMT_CLOSE: row('close', NO_REPLY, '-'),
  INIT_DB: row('as-statement', STATUS_REPLY, 'USE'),
  FIELD_LIST: row('as-statement', FIELDS_REPLY, 'SHOW COLUMNS FROM the table'),
  PROCESS_INFO: row('as-statement', RESULT_REPLY, 'SHOW PROCESSLIST'),
  SHUTDOWN: row('as-statement', STATUS_REPLY, 'SHUTDOWN'),
  REFRESH: row('as-statement', STATUS_REPLY, 'COM_REFRESH: administration'),
  DEBUG: row('as-statement', STATUS_REPLY, 'COM_DEBUG: administration'),
  CREATE_DB: row('as-statement', STATUS_REPLY, 'CREATE DATABASE'),
  DROP_DB: row('as-statement', STATUS_REPLY, 'DROP DATABASE'),
  BINLOG_DUMP: row('as-statement', EVENTS_REPLY, 'COM_BINLOG_DUMP: export'),
  BINLOG_DUMP_GTID: row('as-statement', EVENTS_REPLY, 'COM_BINLOG_DUMP_GTID: export'),
  REGISTER_SLAVE: row('as-statement', STATUS_REPLY, 'COM_REGISTER_SLAVE: export'),
  // What follows them is no protocol of commands and replies, or there is no server that takes them.
  CLONE: row('uncarried', STATUS_REPLY, 'COM_CLONE: export'),
  TABLE_DUMP: row('uncarried', STATUS_REPLY, 'COM_TABLE_DUMP: export'),
  SUBSCRIBE_GROUP_REPLICATION_STREAM: row('uncarried', STATUS_REPLY, 'COM_SUBSCRIBE_GROUP_REPLICATION_STREAM: export'),
  PROCESS_KILL: row('kill', STATUS_REPLY, 'KILL; a session of the same user passes'),
  RESET_CONNECTION: row('reset-connection', STATUS_REPLY, '-'),
  CHANGE_USER: row('change-user', STATUS_REPLY, '-'),
  SET_OPTION: row('option', STATUS_REPLY, '-'),
  STATISTICS: row('pass', TEXT_REPLY, '-'),
  PING: row('pass', STATUS_REPLY, '-'),
  QUIT: row('quit', NO_REPLY, '-'),
  // Servers refuse these themselves.
  SLEEP: null,
  CONNECT: null,
  TIME: null,
  DELAYED_INSERT: null,
  CONNECT_OUT: null,
  DAEMON: null,
};

/** The same table by command byte. */
export const HANDLING: readonly (Row | null)[] = Array.from({ length: 256 }, (_, code) => {
  const name = (Object.keys(COM) as (keyof typeof COM)[]).find((known) => COM[known] === code);
  return name === undefined ? null : COMMANDS[name];
});
