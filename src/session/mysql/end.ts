// How a session ends: the client broke the protocol, the server did, Holdpoint failed, or somebody left.
// Must never leave a release unreported, nor anything that was kept unsent.
import type { WireText } from '../../errors/catalogue.ts';
import { type MysqlError, mysqlError } from '../../errors/mysql.ts';
import { packets } from '../../wire/mysql/frame.ts';
import { errPacket } from '../../wire/mysql/messages.ts';
import { abandoned } from './outcome.ts';
import { CLOSED, IMPORTING, type State } from './state.ts';
import { DESYNC, INTERNAL } from './texts.ts';

/** Last words to the client, in the place where it waits for some. */
export const tell = (s: State, text: WireText | MysqlError): void => {
  const error = 'errno' in text ? text : mysqlError(text);
  const { phase } = s;
  // The answer has begun: the next packet is the error. Else it answers the command at hand.
  const answering = phase.name === 'busy' && !s.reply.done && s.limiting?.name !== 'cutting';
  const ahead = s.phase === IMPORTING ? 0 : s.ahead;
  const next = (answering ? s.out.expected : s.in.sequence + 1) + ahead;
  s.toClient.write(packets(s.limiting?.name === 'cutting' ? s.limiting.sequence : next, errPacket(error)));
};

/** The client broke the protocol: it is told, and the session ends. */
export const violation = (s: State, what: string, text: WireText | MysqlError): void => {
  tell(s, text);
  finish(s, what);
};

/** The server said something that fits nothing it was asked: what was judged may not be what runs. */
export const desync = (s: State, what: string, text: WireText | MysqlError = DESYNC): void => {
  if (s.closed) return;
  s.events.fault(`the server sent ${what}`);
  tell(s, text);
  finish(s, 'the server broke the protocol');
};

/** A fault of ours: fail closed. */
export const broken = (s: State, what: string, error: unknown): void => {
  if (s.closed) return;
  s.events.fault(what, error);
  tell(s, INTERNAL);
  finish(s, what);
};

export const clientLeft = (s: State): void => {
  s.clientGone = true;
  finish(s, 'client left');
};

/** `left`: what a request that is held is told of it. */
export const finish = (s: State, why: string, left: 'upstream-gone' | 'shutdown' = 'shutdown'): void => {
  const { phase, limiting } = s;
  if (phase.name === 'closed') return;
  if (phase.name === 'held') phase.leave(s.clientGone ? 'disconnected' : left);
  if (limiting?.name === 'paused') limiting.hold.leave(s.clientGone ? 'disconnected' : left);
  // The server would go on with what nobody reads.
  if (limiting !== null) void s.upstream.cancel();
  s.limiting = null;
  over(s);
  s.client.end();
  // None: the server went away before the session began.
  (s.gate as State['gate'] | undefined)?.close(why);
  s.events.closed();
};

/** The client asks to be somebody else: this session ends, and its client is left to whoever lets it in anew. */
export const handOver = (s: State, request: Buffer): void => {
  s.letGo();
  if (s.closed) return;
  over(s);
  s.client.pause();
  s.gate.close('the client logs in anew');
  s.events.changeUser(request, s.in.takeRest());
};

const over = (s: State): void => {
  const streaming = s.reply.inRows;
  const leftAtWork = s.clientGone && (s.phase.name === 'busy' || s.phase === IMPORTING);
  s.phase = CLOSED;
  abandoned(s);
  s.dropReady();
  s.toServer.flush();
  // A server in the middle of a result reads no good-bye before its end.
  if (streaming) s.upstream.destroy();
  else if (leftAtWork) s.upstream.hangUp();
  else s.upstream.end();
  s.toClient.flush();
};
