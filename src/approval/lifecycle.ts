// The life of a request as a table: state x event -> state; a missing cell is illegal. Pure: no clock, no journal; the log
// is folded by the same function at run time and at start. Must never let a terminal state go on.
import type { ApprovalEvent, Request, State } from './types.ts';

/** What happens to a request that exists; a decision and an end are two columns each. */
export const HAPPENINGS = [
  'held',
  'ticket',
  'impact',
  'approve',
  'deny',
  'withdrawn',
  'expired',
  'released',
  'done',
  'failed',
  'outcome_unknown',
  'lapsed',
] as const;
export type Happening = (typeof HAPPENINGS)[number];

export const LIFECYCLE: Readonly<Record<State, Readonly<Partial<Record<Happening, State>>>>> = {
  open: {
    held: 'open',
    ticket: 'open',
    impact: 'open',
    approve: 'approved',
    deny: 'denied',
    withdrawn: 'withdrawn',
    expired: 'expired',
  },
  approved: { ticket: 'approved', impact: 'approved', released: 'released', lapsed: 'lapsed' },
  denied: {},
  expired: {},
  withdrawn: {},
  released: { done: 'executed', failed: 'failed', outcome_unknown: 'outcome_unknown' },
  executed: {},
  failed: {},
  outcome_unknown: {},
  lapsed: {},
};

/** Nothing can happen to it any more. */
export function isTerminal(state: State): boolean {
  return Object.keys(LIFECYCLE[state]).length === 0;
}

/** The state after the event; undefined: illegal in this state. */
export function next(state: State, event: Exclude<ApprovalEvent, { type: 'opened' }>): State | undefined {
  return LIFECYCLE[state][happening(event)];
}

/** Folds one event in. Throws IllegalEvent on what the table lacks; then nothing has changed. */
export function apply(request: Request | undefined, event: ApprovalEvent): Request {
  if (event.type === 'opened') {
    if (request !== undefined) throw new IllegalEvent(`request ${request.id} was opened already`);
    return event.request;
  }
  if (request === undefined) throw new IllegalEvent(`${event.type} for request ${event.id}, which was never opened`);
  const state = next(request.state, event);
  if (state === undefined) {
    throw new IllegalEvent(`${happening(event)} is illegal for request ${request.id}, which is ${request.state}`);
  }
  const waits = state === 'open' || state === 'approved' ? {} : { wait_until: null };
  return { ...request, ...waits, ...facts(request, event), state, updated: event.at };
}

/** A bug or a damaged log, never a user's mistake. */
export class IllegalEvent extends Error {}

/** For docs/generated/lifecycle.md. */
export function lifecycleTable(): string {
  const cell = (state: State, event: Happening) => LIFECYCLE[state][event] ?? '';
  return [
    '# The life of a request',
    '',
    'Printed from `src/approval/lifecycle.ts`. A row is a state, a column what happens; an empty cell is illegal.',
    'A request begins as open. States with an empty row are final.',
    '',
    `| | ${HAPPENINGS.join(' | ')} |`,
    `|---|${HAPPENINGS.map(() => '---').join('|')}|`,
    ...(Object.keys(LIFECYCLE) as State[]).map(
      (state) => `| **${state}** | ${HAPPENINGS.map((event) => cell(state, event)).join(' | ')} |`,
    ),
    '',
  ].join('\n');
}

function happening(event: Exclude<ApprovalEvent, { type: 'opened' }>): Happening {
  switch (event.type) {
    case 'decided':
      return event.decision.decision;
    case 'finished':
      return event.outcome.sqlstate === null ? 'done' : 'failed';
    default:
      return event.type;
  }
}

/** What an event says beside the state. */
function facts(request: Request, event: Exclude<ApprovalEvent, { type: 'opened' }>): Partial<Request> {
  switch (event.type) {
    case 'held':
      return { holds: 'held', wait_until: Math.max(event.wait_until, request.wait_until ?? 0) };
    case 'ticket':
      return { holds: 'ticket', wait_until: null };
    case 'impact':
      return { impact: event.impact };
    case 'decided':
      return {
        decisions: [...request.decisions, event.decision],
        ...(event.decision.decision === 'approve' && { use_until: event.at + request.ask.use_within_ms }),
      };
    case 'withdrawn':
      return { withdrawn: { by: event.by, reason: event.reason } };
    case 'finished':
      return { outcome: event.outcome };
    default:
      return {};
  }
}
