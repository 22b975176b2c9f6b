// Commands that are one text, or stand for one: COM_QUERY, those that a statement would do as well, and KILL.
import { COM, queryText } from '../../wire/mysql/commands.ts';
import { packets } from '../../wire/mysql/frame.ts';
import { okPacket } from '../../wire/mysql/messages.ts';
import { RESULT_REPLY } from '../../wire/mysql/replies.ts';
import { statementOf } from './as-statement.ts';
import { answer } from './call.ts';
import { decide, decideUncarried } from './decide.ts';
import { meterOf } from './limit.ts';
import { answeredIn, mustBeAlone, ownProblem } from './own.ts';
import { refuse, refuseReleased } from './refuse.ts';
import { forward, send } from './send.ts';
import type { State, Step } from './state.ts';
import { HANDLING } from './table.ts';
import { MALFORMED, NOT_ALONE, tooLarge } from './texts.ts';

/** A literal id and nothing else: whatever the servers could read in another way is judged. */
const KILL = /^kill\s+(?:(query|connection)\s+)?(\d{1,10})\s*;?\s*$/i;
/** Bytes of it: on a long one the expression would take its time. */
const KILL_MAX = 100;
const LETTER_K = 0x6b;
const NO_VALUES: readonly string[] = [];

export const onQuery = (s: State): Step => {
  const { body, from, to } = s.in;
  const start = queryText(body, from, to, s.attributes);
  if (start < 0) return refuse(s, MALFORMED);
  if (to - start > s.limits.statement_bytes_max) return refuse(s, tooLarge('statement', s.limits.statement_bytes_max));
  const text = body.toString('latin1', start, to);
  if ((text.charCodeAt(0) | 0x20) === LETTER_K && killed(s, text)) return 'done';
  const decided = decide(s, text);
  if ('step' in decided) return decided.step;
  const { plan, release } = decided;
  if (plan.own.length > 0) {
    if (mustBeAlone(plan)) return refuseReleased(s, release, NOT_ALONE);
    const command = answeredIn(plan);
    if (command) return answer(s, command, NO_VALUES, false);
    const problem = ownProblem(plan, NO_VALUES);
    if (problem) return refuseReleased(s, release, problem);
  }
  s.plan = plan;
  s.release = release;
  s.meter = meterOf(s, plan, release, NO_PARAMETERS);
  return plan.forward === null ? send(s, COM.QUERY, RESULT_REPLY) : forward(s, RESULT_REPLY, start, plan.forward);
};
const NO_PARAMETERS = (): readonly never[] => [];

/** A command that a statement would do as well is judged as that statement, and sent as it came. */
export const onStatement = (s: State): Step => {
  const command = s.in.body[s.in.from] as number;
  const text = statementOf(s);
  if (text === null) return refuse(s, MALFORMED);
  const decided = decide(s, text);
  if ('step' in decided) return decided.step;
  const { plan, release } = decided;
  s.plan = plan;
  s.release = release;
  s.meter = meterOf(s, plan, release, NO_PARAMETERS);
  return send(s, command, HANDLING[command]?.reply ?? RESULT_REPLY);
};

/** One that Holdpoint passes on for nobody: what is on record of it says what it would have done. */
export const onUncarried = (s: State): Step => {
  const text = statementOf(s);
  return text === null ? refuse(s, MALFORMED) : decideUncarried(s, text);
};

export const onKill = (s: State): Step => {
  const text = statementOf(s);
  if (text === null) return refuse(s, MALFORMED);
  return killed(s, text) ? 'done' : onStatement(s);
};

/** KILL of a session of the same user is done here: the ids that clients know are Holdpoint's. */
const killed = (s: State, text: string): boolean => {
  const match = text.length <= KILL_MAX ? KILL.exec(text) : null;
  if (!match) return false;
  if (s.events.kill(Number(match[2]), match[1]?.toLowerCase() !== 'query') === 'unknown') return false;
  s.settled();
  if (!s.closed) s.toClient.write(packets(s.in.sequence + 1, okPacket(s.status, s.upstream.capabilities)));
  return true;
};
