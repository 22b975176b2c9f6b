// A statement must wait for a person's word: its request is opened, or found, at the desk. Once it is durable the client is told: wait
// (wait.ts), run, or why not. Never forwards, and lets nothing run that the desk has not released.
import type { HoldResult, Passed } from '../approval/types.ts';
import { texts, type WireText } from '../errors/catalogue.ts';
import type { Ask } from '../policy/types.ts';
import type { BoundParameter, HoldStart, Plan } from '../session/gate.ts';
import type { Context } from './context.ts';
import { type Asked, heldOf } from './held.ts';
import { estimate } from './impact.ts';
import { permitted } from './permitted.ts';
import { signInOver } from './signed-in.ts';
import type { State } from './state.ts';
import { atLimit, BEFORE } from './told.ts';
import { type Again, type Grounds, releaseOf, Waiting, type WaitOf } from './wait.ts';

/** A hold ends this long before the server would end the connection, in ms. */
export const SERVER_TIMEOUT_MARGIN_MS = 1000;

/** Of a statement that runs, and was stopped after that much. */
interface AtLimit {
  readonly passed: Passed;
  /** SessionFacts.break_glass when it began. */
  readonly break_glass: string;
  readonly opened: (id: string) => void;
}

/** Judgement.hold; `at`: null before a statement. `again` judges it as things are later; null: it runs already, and its names stand. */
export const hold = async (
  s: State,
  plan: Plan,
  grounds: Grounds,
  context: Context,
  parameters: readonly BoundParameter[],
  at: AtLimit | null,
  again: Again | null,
): Promise<HoldStart> => {
  const { rule } = grounds;
  const words = at ? atLimit(at.passed) : BEFORE;
  const wait = waitOf(s, grounds.ask as Ask);
  const break_glass = at ? at.break_glass : s.facts.break_glass;
  const over = await signInOver(s);
  if (over !== null) return { type: 'refuse', text: words.refused(over, rule) };
  const asked: Asked = { parameters, passed: at?.passed ?? null, break_glass, reason: null };
  let result: HoldResult;
  try {
    const held = await heldOf(s, plan, grounds, context, asked);
    const seen = at !== null || s.catalogWasSeen || context.catalog === null;
    result = await s.options.desk.hold(held, wait.wait_ms, wait.longest_ms, seen);
  } catch (error) {
    s.options.fault('a request could not be opened', error);
    return { type: 'refuse', text: words.refused(texts.noLog(), rule) };
  }
  if (result.type === 'permitted') return permitted(s, plan, result, context);
  if (result.type !== 'refused') at?.opened(result.request.id);
  const inTransaction = s.facts.in_transaction;
  if (result.type === 'waiting' || result.type === 'pending') {
    s.options.counts.add(rule, 'held');
    estimate(s, result.request, plan);
  }
  switch (result.type) {
    case 'waiting':
      return new Waiting(s, result, plan, at ? null : context, parameters, again, wait, words);
    case 'run':
      return {
        type: 'run',
        notice: words.approved(result.request),
        release: releaseOf(s, result.request.id, at !== null),
      };
    case 'pending':
      return { type: 'refuse', text: words.pending(result.request, 0, inTransaction) };
    case 'denied':
      return { type: 'refuse', text: words.denied(result.request, inTransaction) };
    case 'lapsed':
      return { type: 'refuse', text: words.lapsed(result.request, result.why) };
    case 'refused':
      return { type: 'refuse', text: words.refused(refusedText(s, result, rule, context), rule) };
  }
};

/** The least of what the rule, the agent and the server allow; 0: a ticket at once. */
const waitOf = (s: State, ask: Ask): WaitOf => {
  const { hold_ms, server_timeout_ms } = s.facts;
  const server = server_timeout_ms === null ? Infinity : Math.max(0, server_timeout_ms - SERVER_TIMEOUT_MARGIN_MS);
  const longest_ms = Math.min(hold_ms ?? Infinity, server);
  return { wait_ms: Math.min(ask.wait_ms ?? s.options.engine.wait_ms, longest_ms, ask.deadline_ms), longest_ms };
};

export const refusedText = (
  s: State,
  { why, limit }: Extract<HoldResult, { type: 'refused' }>,
  rule: string,
  { policy }: Context,
): WireText => {
  switch (why) {
    case 'unsponsored':
      return texts.unsponsored({ principal: s.who.id, rule });
    case 'too-many':
      return texts.tooManyRequests({ principal: s.who.id, limit: limit ?? 0 });
    case 'reason-required':
      return texts.reasonRequired({ rule });
    case 'no-break-glass':
      return texts.noBreakGlass({ rule, of: policy.break_glass });
    case 'directory-down':
      return texts.noDirectory();
    case 'catalog-down':
      return texts.noCatalog();
  }
};
