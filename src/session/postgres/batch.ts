// Holdpoint's own statements inside of a Query: its other statements run on the server, and the answers of these stand where the client
// expects them, each in its place. They are blanked in what is forwarded, so the server never sees them.
import { Buffer } from 'node:buffer';
import type { FrameReader } from '../../wire/postgres/frame.ts';
import { FAILED_BLOCK, noticeResponse, readyForQuery } from '../../wire/postgres/messages.ts';
import type { Plan } from '../gate.ts';
import { callOwn } from './call.ts';
import { runOwn } from './own.ts';
import { refuse } from './refuse.ts';
import type { State, Step } from './state.ts';
import { FAILED_TRANSACTION } from './texts.ts';

/** A Query of nothing but own statements. */
export const ownQuery = (s: State, plan: Plan): Step => {
  if (s.status === FAILED_BLOCK) return refuse(s, 'simple', FAILED_TRANSACTION);
  for (const command of plan.own) {
    // It stands alone.
    if (command.op === 'call') return callOwn(s, 'simple', command, []);
    const result = runOwn(command, s, s.gate, [], false);
    if (!Buffer.isBuffer(result)) return refuse(s, 'simple', result);
    s.toClient.write(result);
  }
  // Nothing is open: every message before was settled.
  s.toClient.write(readyForQuery(s.status));
  return 'drop';
};

/** The server's message at hand is the first of a statement's answer: own statements that stand before it are answered first. */
export const withOwnBefore = (s: State, plan: Plan | null, out: FrameReader): true | Buffer => {
  if (!plan || plan.own.length === 0) return true;
  const before = ownUpTo(s, plan);
  return before.length === 0 ? true : Buffer.concat([before, out.buffer.subarray(out.start, out.end)]);
};

/** The server's message at hand ends a statement: own statements before it, the server's answer, and those right after it. */
export const withOwnAround = (s: State, plan: Plan | null, out: FrameReader): true | Buffer => {
  if (!plan || plan.own.length === 0) {
    s.queryDone++;
    return true;
  }
  const before = ownUpTo(s, plan);
  s.queryDone++;
  return Buffer.concat([before, out.buffer.subarray(out.start, out.end), ownUpTo(s, plan)]);
};

/** Runs the own statements of a batch that are next in order; their replies. */
export const ownUpTo = (s: State, plan: Plan): Buffer => {
  const replies: Buffer[] = [];
  for (;;) {
    const command = plan.own.find((own) => own.statement === s.queryDone);
    if (!command || command.op === 'call') return Buffer.concat(replies);
    s.queryDone++;
    const result = runOwn(command, s, s.gate, [], false);
    // A batch cannot be failed from here any more: the wrong value is told as a notice, the setting stays.
    replies.push(Buffer.isBuffer(result) ? result : noticeResponse({ ...result, severity: 'WARNING' }));
  }
};
