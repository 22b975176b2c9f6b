// What a session itself has to say about the protocol, in the server's own words and numbers where the server has some.
import type { WireText } from '../../errors/catalogue.ts';
import type { MysqlError } from '../../errors/mysql.ts';

export const UNKNOWN_COMMAND: MysqlError = { errno: 1047, sqlstate: '08S01', message: 'Unknown command' };
export const OUT_OF_ORDER: MysqlError = { errno: 1156, sqlstate: '08S01', message: 'Got packets out of order' };
export const TOO_LONG: MysqlError = {
  errno: 1153,
  sqlstate: '08S01',
  message: 'Got a packet bigger than Holdpoint takes. The operator can raise statement_bytes_max or bind_bytes_max.',
};
export const MALFORMED: MysqlError = { errno: 1835, sqlstate: 'HY000', message: 'Malformed communication packet.' };
export const NOT_PREPARABLE: MysqlError = {
  errno: 1295,
  sqlstate: 'HY000',
  message: 'Holdpoint takes this statement outside of the prepared statement protocol, or once at a time, only.',
};
export const NOT_ALONE: MysqlError = {
  errno: 1235,
  sqlstate: '42000',
  message: 'What is addressed to Holdpoint must be sent alone. Nothing of the message ran.',
};
export const UNASKED_FILE: MysqlError = {
  errno: 1835,
  sqlstate: 'HY000',
  message:
    'the database server asked for a file although no statement imports one, so Holdpoint closed this connection',
};
export const INTERRUPTED: MysqlError = { errno: 1317, sqlstate: '70100', message: 'Query execution was interrupted' };
export const KILLED: MysqlError = { errno: 1927, sqlstate: '70100', message: 'Connection was killed' };

export const unknownStatement = (id: number, command: string): MysqlError => ({
  errno: 1243,
  sqlstate: 'HY000',
  message: `Unknown prepared statement handler (${id}) given to ${command}`,
});

/** The session's facts, which what is judged depends on, cannot be followed with this one. */
export const GUARDED_CHARSET: WireText = {
  severity: 'FATAL',
  sqlstate: '0A000',
  message: 'character_set_client must be one that Holdpoint can read statements in',
  detail: 'Something the session ran changed it.',
};
export const INTERNAL: WireText = {
  severity: 'FATAL',
  sqlstate: 'XX000',
  message: 'Holdpoint failed and closed this connection; the statement at hand was not sent',
  hint: 'Tell an operator; the log of Holdpoint says more.',
};
export const DESYNC: WireText = {
  severity: 'FATAL',
  sqlstate: '08P01',
  message: 'the database server broke the protocol, so Holdpoint closed this connection',
};
export const UPSTREAM_GONE: WireText = {
  severity: 'FATAL',
  sqlstate: '08006',
  message: 'the database server closed the connection',
};

export const tooLarge = (what: string, bytes_max: number): WireText => ({
  severity: 'ERROR',
  sqlstate: '54000',
  message: `the ${what} is longer than ${bytes_max} bytes`,
  detail: 'The statement did not run.',
  hint: 'Send less at a time, or have the operator raise the limit.',
});
export const tooMany = (what: string, count_max: number): WireText => ({
  severity: 'ERROR',
  sqlstate: '54000',
  message: `this session has ${count_max} ${what} already`,
  hint: 'Close those that are not used any more.',
});
