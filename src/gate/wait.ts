// A connection waits for a decision: what it is told meanwhile, how the wait ends, and the release. Runs at most once over all connections:
// the desk's word, durable, and then only what still means what was judged.
import type { HoldEnd, HoldResult, Request } from '../approval/types.ts';
import { texts, type WireText } from '../errors/catalogue.ts';
import { cutBytes, visible } from '../errors/text.ts';
import type { Verdict } from '../policy/types.ts';
import type { HoldEnded, HoldStart, Plan, Release } from '../session/gate.ts';
import type { Context } from './context.ts';
import { meansTheSameAtRelease } from './meaning.ts';
import { remembered } from './plan.ts';
import type { State } from './state.ts';
import { approvals, type Words } from './told.ts';
import { found, grounds as groundsOf, needs } from './words.ts';

/** What a request rests on: a verdict, or a limit that a result has reached. */
export type Grounds = Pick<Verdict, 'rule' | 'message' | 'findings' | 'ask'>;

/** It stands in one line of a terminal, between "Stage: 1 of 1" and a percentage (mock: terminal, section 6). */
const STAGE_BYTES_MAX = 120;

type Waiting = Extract<HoldStart, { type: 'wait' }>;

/** `context`: what it was judged under; null for a statement that runs, whose names were looked up when it began. */
export const waiting = (
  s: State,
  { request, hold }: Extract<HoldResult, { type: 'waiting' }>,
  plan: Plan,
  grounds: Grounds,
  context: Context | null,
  wait_ms: number,
  words: Words,
): Waiting => {
  const until = Date.now() + wait_ms;
  const { id, ask, deadline } = request;
  const waited = Math.round(wait_ms / 1000);
  const { findings } = remembered(plan).analysis;
  let toldOff = false;
  return {
    type: 'wait',
    notice: words.held({
      id,
      rule: grounds.rule,
      ruleMessage: grounds.message,
      found: found(groundsOf(findings, grounds.findings), findings),
      needs: needs(ask),
      console: s.options.console(),
      waitUntil: until,
      deadline,
      ticket: ask.ticket,
      noReason: request.reason === '',
    }),
    wait_ms,
    heartbeat: () =>
      texts.stillHeld({
        id,
        approvals: approvals(hold.request()),
        needed: ask.count,
        waitsMore: Math.max(0, Math.round((until - Date.now()) / 1000)),
      }),
    stage: cutBytes(visible(`held: ${id} waits for ${needs(ask)}`), STAGE_BYTES_MAX),
    ended: hold.ended.then((end) => ended(s, end, waited, words)),
    end: async (why) => {
      if (toldOff) return null;
      toldOff = true;
      await hold.end(why);
      const end = await hold.ended;
      // Approved or refused in the same moment: that answer is on its way through `ended`.
      return end.type === 'ended' ? endedByClient(s, end.request, why, waited, words) : null;
    },
    release: async () => {
      const still = context === null || (await meansTheSameAtRelease(s, plan, context.catalog));
      try {
        if (!(await s.options.desk.release(id, s.id))) {
          const lapsed = hold.request().state === 'lapsed';
          const text = lapsed ? words.lapsed(request, 'it was not used in time') : words.used(request);
          return { type: 'refuse', text };
        }
      } catch (error) {
        s.options.fault('a release could not be recorded', error);
        return { type: 'refuse', text: words.refused(texts.noLog(), grounds.rule) };
      }
      const release = releaseOf(s, id);
      if (still) return { type: 'run', notice: words.approved(hold.request()), release };
      release.finished({ tag: null, sqlstate: 'ZH006', rows: 0, bytes: 0, duration_ms: 0 });
      return { type: 'refuse', text: words.lapsed(request, 'what its names stand for is something else now') };
    },
  };
};

/** A statement that somebody let through: its end is recorded, once. */
export const releaseOf = (s: State, id: string): Release => {
  let finished = false;
  return {
    request: id,
    finished: (outcome) => {
      if (finished) return;
      finished = true;
      s.options.desk
        .finish(id, outcome)
        .catch((error: unknown) => s.options.fault('an outcome could not be recorded', error));
    },
  };
};

const ended = (s: State, end: HoldEnd, waited: number, words: Words): HoldEnded => {
  const inTransaction = s.facts.in_transaction;
  const { request } = end;
  switch (end.type) {
    case 'approved':
      return { type: 'approved' };
    case 'denied':
      return { type: 'refuse', text: words.denied(request, inTransaction) };
    case 'expired':
      return { type: 'refuse', text: words.expired(request) };
    case 'withdrawn':
      return { type: 'refuse', text: words.withdrawn(request) };
    case 'lapsed':
      return { type: 'refuse', text: words.lapsed(request, end.why) };
    case 'used':
      return { type: 'refuse', text: words.used(request) };
    case 'ended':
      return { type: 'refuse', text: endedByClient(s, request, end.why, waited, words) };
  }
};

const endedByClient = (s: State, request: Request, why: string, waited: number, words: Words): WireText => {
  const { ask } = request;
  const inTransaction = s.facts.in_transaction;
  if (why === 'cancelled') return words.cancelled(request, inTransaction);
  if (why === 'overflow') return words.overflow(request, s.options.held_bytes_max);
  return ask.ticket ? words.pending(request, waited, inTransaction) : words.noTicket(request, waited);
};
