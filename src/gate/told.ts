// What the client is told of a request and of its end: before a statement, and at the limit of a result that it returns. Words only.
import { duration } from '../approval/deciding.ts';
import { type Tally, tally } from '../approval/quorum.ts';
import type { Decision, Passed, Request, Said } from '../approval/types.ts';
import { type Approver, texts, type WireText } from '../errors/catalogue.ts';
import { found, grounds } from './words.ts';

export interface Words {
  held(values: Parameters<typeof texts.held>[0]): WireText;
  approved(request: Request): WireText;
  denied(request: Request, inTransaction: boolean): WireText;
  pending(request: Request, waited: number, inTransaction: boolean): WireText;
  expired(request: Request): WireText;
  withdrawn(request: Request): WireText;
  noTicket(request: Request, waited: number): WireText;
  cancelled(request: Request, inTransaction: boolean): WireText;
  overflow(request: Request, bytes_max: number): WireText;
  lapsed(request: Request, why: string): WireText;
  used(request: Request): WireText;
  refused(text: WireText, rule: string): WireText;
}

/** Of a statement that has not run. */
export const BEFORE: Words = {
  held: texts.held,
  approved: (request) =>
    request.broken_glass
      ? texts.brokeGlass({ id: request.id, goesOn: false })
      : texts.approved({ id: request.id, by: approversOf(request) }),
  denied: (request, inTransaction) => {
    const denial = denialOf(request);
    if (isByClock(denial))
      return texts.deniedByClock({
        id: request.id,
        nobody: duration(request.ask.nobody_ms ?? 0),
        rule: request.rule,
        sponsor: request.who.sponsor,
        inTransaction,
      });
    return texts.denied({
      id: request.id,
      by: denial?.by ?? 'a reviewer',
      rationale: denial?.rationale ?? '',
      rule: request.rule,
      found: found(grounds(request.findings, request.grounds), request.findings),
      inTransaction,
    });
  },
  pending: (request, waited, inTransaction) =>
    texts.pending({
      id: request.id,
      approvals: approvals(request),
      needed: needed(request),
      waited,
      deadline: request.deadline,
      inTransaction,
      commits: request.commits,
      question: openQuestion(request),
      noReason: request.reason === '' && !request.said.some(({ kind }) => kind === 'answer'),
    }),
  expired: ({ id, deadline, who }) => texts.expired({ id, deadline, sponsor: who.sponsor }),
  withdrawn: ({ id, withdrawn }) => texts.withdrawn({ id, by: withdrawn?.by ?? 'its requester' }),
  noTicket: ({ id, rule }, waited) => texts.noTicket({ id, rule, waited }),
  cancelled: ({ id, deadline, ask }, inTransaction) =>
    texts.cancelled({ id, deadline, ticket: ask.ticket, inTransaction }),
  overflow: ({ id, deadline, ask }, limit) => texts.overflow({ id, limit, deadline, ticket: ask.ticket }),
  lapsed: ({ id }, why) => texts.lapsed({ id, why }),
  used: ({ id }) => texts.used({ id }),
  refused: (text) => text,
};

/** Of one whose result was stopped at a limit. */
export const atLimit = ({ rows, bytes }: Passed): Words => ({
  held: (values) => texts.heldAtLimit({ ...values, rows, bytes }),
  approved: (request) =>
    request.broken_glass
      ? texts.brokeGlass({ id: request.id, goesOn: true })
      : texts.goesOn({ id: request.id, by: approversOf(request) }),
  denied: (request) => {
    const denial = denialOf(request);
    const why = isByClock(denial)
      ? `nobody who may decide request ${request.id} was there for ${duration(request.ask.nobody_ms ?? 0)}`
      : `request ${request.id} was denied by ${denial?.by ?? 'a reviewer'}`;
    return stoppedText(rows, request.rule, why, isByClock(denial) ? '' : denial?.rationale);
  },
  pending: (request) =>
    texts.pendingAtLimit({
      id: request.id,
      rows,
      approvals: approvals(request),
      needed: needed(request),
      deadline: request.deadline,
    }),
  expired: ({ id, rule }) => stoppedText(rows, rule, `nobody decided request ${id} in time`),
  withdrawn: ({ id, rule, withdrawn }) =>
    stoppedText(rows, rule, `request ${id} was withdrawn by ${withdrawn?.by ?? 'its requester'}`),
  noTicket: ({ id, rule }) => stoppedText(rows, rule, `nobody decided request ${id} while you waited`),
  cancelled: ({ id, deadline, ask }) => texts.cancelledAtLimit({ id, rows, deadline, ticket: ask.ticket }),
  overflow: ({ id, rule }, limit) =>
    stoppedText(rows, rule, `more than ${limit} bytes arrived while request ${id} is held`),
  lapsed: ({ id, rule }, why) => stoppedText(rows, rule, `request ${id} was approved for other circumstances: ${why}`),
  used: ({ id, rule }) => stoppedText(rows, rule, `another connection of yours went on with request ${id}`),
  refused: (text, rule) => stoppedText(rows, rule, text.message),
});

export const stoppedText = (rows: number, rule: string, why: string, rationale = ''): WireText =>
  texts.stoppedAtLimit({ rows, rule, why, rationale });

export const approvals = (request: Request): number => sum(request).approvals.length;

/** How many it takes. */
export const needed = (request: Request): number => sum(request).needed;

const approversOf = (request: Request): Approver[] =>
  sum(request).approvals.map(({ by, group, instead_of }) => ({ id: by, group, instead_of }));

const denialOf = ({ decisions }: Request): Decision | undefined =>
  decisions.findLast(({ decision, counts }) => counts && decision === 'deny');

const isByClock = (decision: Decision | undefined): boolean => decision?.channel === 'clock';

/** The last question, if nobody has answered since; null: there is none. */
export const openQuestion = ({ said }: Request): Said | null => {
  const last = said.at(-1);
  return last?.kind === 'question' ? last : null;
};

const sum = ({ ask, escalated, decisions }: Request): Tally => tally(ask, escalated !== null, decisions);
