// Answers the client's command at hand with an error of ours. The server never heard of it, and its transaction is as it was: a MySQL server does
// not fail one for an error, either.
import type { WireText } from '../../errors/catalogue.ts';
import { type MysqlError, mysqlError } from '../../errors/mysql.ts';
import { packets } from '../../wire/mysql/frame.ts';
import { errPacket } from '../../wire/mysql/messages.ts';
import type { Release } from '../gate.ts';
import type { State, Step } from './state.ts';

/** Refuses the command at hand. */
export const refuse = (s: State, text: WireText | MysqlError): Step => {
  const error = 'errno' in text ? text : mysqlError(text);
  s.settled();
  s.toClient.write(packets(s.in.sequence + 1 + s.ahead, errPacket(error)));
  s.ahead = 0;
  return 'done';
};

/** Refuses the command at hand, which somebody may have let through: it is not sent after all. */
export const refuseReleased = (s: State, release: Release | null, text: WireText | MysqlError): Step => {
  release?.unsent();
  return refuse(s, text);
};
