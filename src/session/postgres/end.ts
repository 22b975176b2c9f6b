// How a session ends: the client broke the protocol, the server did, Holdpoint failed, or somebody left.
// Must never leave a release unreported, nor anything that was kept unsent.
import type { WireText } from '../../errors/catalogue.ts';
import { errorResponse } from '../../wire/postgres/messages.ts';
import { NOT_RUN } from '../hold.ts';
import { CLOSED, type State } from './state.ts';
import { DESYNC, INTERNAL } from './texts.ts';

/** The client broke the protocol: it is told, and the session ends. */
export const violation = (s: State, what: string, text?: WireText): void => {
  s.toClient.write(errorResponse(text ?? { severity: 'FATAL', sqlstate: '08P01', message: what }));
  finish(s, what);
};

/** The server said something that fits nothing it was asked: what was judged may not be what runs. */
export const desync = (s: State, what: string): void => {
  if (s.closed) return;
  s.events.fault(`the server sent ${what}`);
  s.toClient.write(errorResponse(DESYNC));
  finish(s, 'the server broke the protocol');
};

/** A fault of ours: fail closed. */
export const broken = (s: State, what: string, error: unknown): void => {
  if (s.closed) return;
  s.events.fault(what, error);
  s.toClient.write(errorResponse(INTERNAL));
  finish(s, what);
};

export const clientLeft = (s: State): void => {
  s.clientGone = true;
  finish(s, 'client left');
};

/** `left`: what a request that is held is told of it. */
export const finish = (s: State, why: string, left: 'upstream-gone' | 'shutdown' = 'shutdown'): void => {
  const { phase, hold, replies, accounts, limiting } = s;
  if (phase.name === 'closed') return;
  hold?.leave(s.clientGone ? 'disconnected' : left);
  if (limiting?.name === 'paused') limiting.hold.leave(s.clientGone ? 'disconnected' : left);
  // The server would go on with what nobody reads.
  if (limiting !== null) void s.upstream.cancel();
  s.limiting = null;
  s.phase = CLOSED;
  // Statements that were sent and have not ended: nobody can say what becomes of them.
  while (replies.length > 0) {
    accounts.abandoned(replies.head);
    replies.pop();
  }
  for (const portal of s.names.portals.values()) portal.release?.finished(s.boundSinceSync ? null : NOT_RUN);
  accounts.dropGrant();
  s.dropReady();
  s.toServer.flush();
  s.upstream.end();
  s.toClient.flush();
  s.client.end();
  // None: the server went away before the session began.
  (s.gate as State['gate'] | undefined)?.close(why);
  s.events.closed();
};

export const hex = (byte: number): string => byte.toString(16).padStart(2, '0');
