// May this run, and if somebody has to say so: asked before it is sent. The text is judged as if its session sent it now; what needs a word gets a
// request that waits for nobody, and the identical statement finds it. Runs nothing, and uses nothing up.
import type { AheadResult, Request } from '../approval/types.ts';
import { texts } from '../errors/catalogue.ts';
import type { AskedFirst, BoundParameter, Gate, SessionFacts } from '../session/gate.ts';
import { contextOf } from './context.ts';
import { heldOf } from './held.ts';
import { refusedText } from './hold.ts';
import { estimate } from './impact.ts';
import { judgeAhead } from './judge.ts';
import type { State } from './state.ts';
import { BEFORE } from './told.ts';

type Asked =
  | Exclude<AskedFirst, { type: 'open' }>
  /** Open, or approved already and not yet used. */
  | { readonly type: 'open'; readonly request: Request };

/** `sql`: latin1, its bytes UTF-8. `reason`: '' where the session's own counts. */
export const askFirst = async (
  s: State,
  sql: string,
  parameters: readonly BoundParameter[],
  reason: string,
): Promise<Asked> => {
  const charset = s.facts.engine === 'postgres' ? 'utf8' : s.facts.charset;
  if (!IN_UTF8.test(charset) && !ASCII.test(sql)) return { type: 'refused', text: texts.notAsUtf8({ charset }) };
  try {
    const judged = await judgeAhead(s, sql);
    if (judged.type === 'pass') return { type: 'needs-none' };
    if (judged.type === 'refuse') return { type: 'refused', text: await judged.refuse() };
    const { plan, verdict } = judged;
    const context = contextOf(s);
    const told = reason.trim() === '' ? null : reason;
    const held = await heldOf(s, plan, verdict, context, { parameters, passed: null, break_glass: '', reason: told });
    const result = await s.options.desk.ahead(held);
    if (result.type === 'pending') estimate(s, result.request, plan);
    return asked(s, result, verdict.rule);
  } catch (error) {
    s.options.fault('a request could not be opened', error);
    return { type: 'refused', text: texts.noLog() };
  }
};

const IN_UTF8 = /^(utf8|binary)/i;
// oxlint-disable-next-line no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

const asked = (s: State, result: AheadResult, rule: string): Asked => {
  switch (result.type) {
    case 'needs-none':
      return { type: 'needs-none' };
    case 'pending':
      return { type: 'open', request: result.request };
    case 'denied':
      return { type: 'refused', text: BEFORE.denied(result.request, false) };
    case 'refused':
      return { type: 'refused', text: refusedText(s, result, rule, contextOf(s)) };
  }
};

/** Gate.askFirst: under the newest of these sessions, in the order in which they began. */
export const askFirstAs = async (
  sessions: Iterable<State>,
  ...[user, sql, parameters, reason]: Parameters<Gate['askFirst']>
): Promise<AskedFirst> => {
  const idle = [...sessions].findLast(({ opening, facts }) => opening.login.user === user && isIdle(facts));
  if (!idle) return { type: 'refused', text: texts.connectFirst({ user }) };
  const result = await askFirst(idle, sql, parameters, reason);
  return result.type === 'open' ? { type: 'open', request: result.request.id } : result;
};

/** Known, and not those of a transaction, which the statement would have to be sent in. */
const isIdle = ({ search_path, in_transaction, in_implicit_transaction }: SessionFacts): boolean =>
  search_path !== null && !in_transaction && !in_implicit_transaction;
