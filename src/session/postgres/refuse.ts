// Answers the client's message at hand with an error of ours. Where the server has work that the error must undo, the server is made to
// fail in its place and reports the status; only where it has nothing to lose is it answered here.
// Must never tell a status that the server does not have, nor overtake an answer of the server.
import type { WireText } from '../../errors/catalogue.ts';
import {
  errorResponse,
  FLUSH,
  FRONTEND,
  functionCall,
  IN_BLOCK,
  noticeResponse,
  parse,
  query,
  readyForQuery,
} from '../../wire/postgres/messages.ts';
import { violation } from './end.ts';
import { PARSE, QUERY } from './replies.ts';
import { DISCARDING, type State, type Step } from './state.ts';
import { CANCELLED } from './texts.ts';
import { settle } from './wait.ts';

/** What the server is given in the place of a refused statement: its parser can't but reject it. */
const REFUSED = 'holdpoint_refused';
const REFUSED_QUERY = query(REFUSED);
/** No function has this oid. */
const REFUSED_CALL = functionCall(0);
export const REFUSED_PARSE = parse('_holdpoint_refused', REFUSED);

/** A word to a client that waits. */
export const notice = (s: State, text: WireText): void => {
  if (!s.clientGone) s.toClient.write(noticeResponse(text));
};

/** The protocol of the message at hand: after an error in the extended one the server skips to a Sync. */
export type Mode = 'simple' | 'extended';

/** Refuses the message at hand once everything before it is answered. */
export const refuseOrWait = (s: State, mode: Mode, text: WireText): Step =>
  s.replies.length > 0 ? settle(s) : refuse(s, mode, text);

/** Refuses the message at hand; everything before it is answered. */
export const refuse = (s: State, mode: Mode, text: WireText): Step => {
  const nothingToLose = s.status !== IN_BLOCK && !s.executedSinceSync && !s.boundSinceSync;
  s.accounts.dropGrant();
  dropUnnamed(s);
  if (mode === 'simple') {
    if (nothingToLose && !s.sentSinceSync) {
      s.toClient.write(Buffer.concat([errorResponse(text), readyForQuery(s.status)]));
      return 'drop';
    }
    s.toServer.write(s.in.type === FRONTEND.FunctionCall ? REFUSED_CALL : REFUSED_QUERY);
    s.replies.push(QUERY, null, null, null, 0).refusal = text;
    s.pipelineEnds(QUERY);
    return 'drop';
  }
  if (nothingToLose) s.toClient.write(errorResponse(text));
  else {
    s.toServer.write(REFUSED_PARSE);
    s.toServer.write(FLUSH);
    s.replies.push(PARSE, null, null, null, 0).refusal = text;
  }
  s.phase = DISCARDING;
  return 'drop';
};

/** The client has taken the message at hand back, while it was judged; everything before it is answered. */
export const refuseCancelled = (s: State): Step => {
  const { type } = s.in;
  s.cancelled = false;
  s.judged = null;
  s.dropReady();
  return refuse(s, type === FRONTEND.Query || type === FRONTEND.FunctionCall ? 'simple' : 'extended', CANCELLED);
};

/** A Query, and a Parse without a name, drop the unnamed statement before the server looks at their text. */
export const dropUnnamed = (s: State): void => {
  const { type, buffer, start } = s.in;
  const drops = type === FRONTEND.Query || (type === FRONTEND.Parse && buffer[start + 5] === 0);
  if (drops && s.names.statements.has('')) s.names.setStatement('', undefined);
};

/** The message at hand breaks the protocol, which ends the session. */
export const malformed = (s: State, what: string): Step => {
  violation(s, `invalid message format: ${what}`);
  return 'drop';
};
