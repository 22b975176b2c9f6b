// What a session itself has to say about the protocol, in the server's own words where the server has some.
import type { WireText } from '../../errors/catalogue.ts';

export const FAILED_TRANSACTION: WireText = {
  severity: 'ERROR',
  sqlstate: '25P02',
  message: 'current transaction is aborted, commands ignored until end of transaction block',
};
export const CANCELLED: WireText = {
  severity: 'ERROR',
  sqlstate: '57014',
  message: 'canceling statement due to user request',
};
export const ONE_COMMAND: WireText = {
  severity: 'ERROR',
  sqlstate: '42601',
  message: 'cannot insert multiple commands into a prepared statement',
};
export const MALFORMED: WireText = {
  severity: 'ERROR',
  sqlstate: '08P01',
  message: 'invalid message format: Query must be one string and its terminator',
};
export const CHANGED: WireText = {
  severity: 'ERROR',
  sqlstate: 'ZH006',
  message:
    'role, search_path, a name or the transaction changed between Bind and Execute, so the statement may mean something else now',
  hint: 'Nothing ran. Bind it again; it is then judged as things are.',
};
export const GUARDED_SETTING: WireText = {
  severity: 'FATAL',
  sqlstate: '0A000',
  message: 'client_encoding must stay UTF8 and standard_conforming_strings on: Holdpoint reads statements by them',
  detail: 'Something the session ran changed one of them.',
};
export const UNSYNCED: WireText = {
  severity: 'ERROR',
  sqlstate: '0A000',
  message: 'a Query whose result is limited cannot follow messages that no Sync has ended',
  detail: 'The statement did not run.',
  hint: 'Send a Sync before it.',
};
export const TOO_LONG: WireText = {
  severity: 'FATAL',
  sqlstate: '54000',
  message: 'a message is longer than Holdpoint takes',
  hint: 'The operator can raise statement_bytes_max or bind_bytes_max.',
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
export const notInCopy = (type: string): WireText => ({
  severity: 'ERROR',
  sqlstate: '08P01',
  message: `unexpected message type ${type} during COPY from stdin`,
});
export const cursorExists = (name: string): WireText => ({
  severity: 'ERROR',
  sqlstate: '42P03',
  message: `cursor "${Buffer.from(name, 'latin1').toString('utf8')}" already exists`,
});
export const noSuch = (sqlstate: string, what: string, name: string): WireText => ({
  severity: 'ERROR',
  sqlstate,
  message:
    name === '' && what !== 'portal'
      ? `unnamed ${what} does not exist`
      : `${what} "${Buffer.from(name, 'latin1').toString('utf8')}" does not exist`,
});
