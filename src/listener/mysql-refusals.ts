// What a client of the MySQL protocol is told when it is not let in, in one table: the servers' own error numbers where they have one.
// Must never say which part of a login was wrong.
import { cutBytes, visible } from '../errors/text.ts';
import type { ErrorPacket } from '../wire/mysql/messages.ts';

/** One line; drivers cut what is longer (MYSQL_ERRMSG_SIZE). */
const MESSAGE_BYTES_MAX = 512;

const row =
  <V>(errno: number, sqlstate: string, words: (values: V) => string) =>
  (values: V): ErrorPacket => ({ errno, sqlstate, message: cutBytes(visible(words(values)), MESSAGE_BYTES_MAX) });

export const refusals = {
  accessDenied: row(
    1045,
    '28000',
    (v: { readonly user: string; readonly address: string }) => `Access denied for user '${v.user}'@'${v.address}'`,
  ),
  unchecked: row<void>(
    1644,
    '45000',
    () =>
      'Holdpoint cannot check this login now, so it is not let in. Not your fault, and nothing is said about the password: retry every 60 s; tell an operator',
  ),
  tooManyConnections: row(
    1040,
    '08004',
    (v: { readonly limit: number }) => `Too many connections: Holdpoint takes ${v.limit} here`,
  ),
  badHandshake: row<void>(1043, '08S01', () => 'Bad handshake'),
  outOfOrder: row<void>(1156, '08S01', () => 'Got packets out of order'),
  oldProtocol: row<void>(
    1251,
    '08004',
    () =>
      'Client does not support the authentication protocol: Holdpoint needs protocol 4.1 with authentication plugins',
  ),
  insecure: row<void>(
    3159,
    'HY000',
    () => 'Connections using insecure transport are prohibited: this address takes TLS only',
  ),
  charset: row(
    1235,
    '42000',
    (v: { readonly charset: string }) =>
      `Holdpoint reads no statements in ${v.charset}: bytes of its characters can be quotes. Connect with utf8mb4`,
  ),
  shuttingDown: row<void>(1053, '08S01', () => 'Server shutdown in progress'),
  serverChanged: row<void>(1429, 'HY000', () => 'the database server is another one than a moment ago; connect again'),
  failed: row<void>(1105, 'HY000', () => 'Holdpoint failed to start this session'),
};
