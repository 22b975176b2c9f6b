// The life of a request as a table: state x event -> state; a missing cell is illegal. Pure: no clock, no journal; the log
// is folded by the same function at run time and at start. Must never let a terminal state go on.
import type { ApprovalEvent, Request, State } from './types.ts';

/** What happens to a request that exists; a decision is one column where it is the last that was needed, and another where it is not. */
export const HAPPENINGS = [
  'held',
  'ticket',
  'impact',
  'asked',
  'answered',
  'escalated',
  'changed',
  'voted',
  'approve',
  'deny',
  'broke_glass',
  'withdrawn',
  'expired',
  'released',
  'returned',
  'done',
  'failed',
  'outcome_unknown',
  'lapsed',
  'reviewed',
] as const;
export type Happening = (typeof HAPPENINGS)[number];

type Row = Readonly<Partial<Record<Happening, State>>>;

/** What can happen while nobody has decided; `here` is the state itself. */
function undecided(here: State): Row {
  return {
    held: here,
    ticket: here,
    impact: here,
    asked: 'asked',
    answered: 'open',
    escalated: here,
    changed: 'open',
    voted: here,
    approve: 'approved',
    deny: 'denied',
    broke_glass: 'approved',
    withdrawn: 'withdrawn',
    expired: 'expired',
  };
}

export const LIFECYCLE: Readonly<Record<State, Row>> = {
  open: undecided('open'),
  asked: undecided('asked'),
  approved: { ticket: 'approved', impact: 'approved', changed: 'open', released: 'released', lapsed: 'lapsed' },
  denied: {},
  expired: {},
  withdrawn: {},
  released: {
    returned: 'approved',
    done: 'executed',
    failed: 'failed',
    outcome_unknown: 'outcome_unknown',
    reviewed: 'released',
  },
  executed: { reviewed: 'executed' },
  failed: { reviewed: 'failed' },
  outcome_unknown: { reviewed: 'outcome_unknown' },
  lapsed: { reviewed: 'lapsed' },
};

/** Nobody has decided it. */
export function isUndecided(state: State): boolean {
  return state === 'open' || state === 'asked';
}

/** It neither waits nor runs, and never will; somebody may still have to look at what it did. */
export function isTerminal(state: State): boolean {
  return Object.keys(LIFECYCLE[state]).every((event) => event === 'reviewed');
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
  if ((event.type === 'returned' || event.type === 'changed') && request.broken_glass !== null) {
    throw new IllegalEvent(`request ${request.id} was run by break-glass, which is for once`);
  }
  if (event.type === 'reviewed' && request.broken_glass?.reviewed !== null) {
    throw new IllegalEvent(`request ${request.id} was reviewed already, or needs no review`);
  }
  const waits = isUndecided(state) || state === 'approved' ? {} : { wait_until: null };
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
    'A request begins as open. `voted`: a decision after which more are needed, or that takes back an earlier one of the same person.',
    '`changed`: what would run now is something else than was shown: a new revision, whose decisions are yet to be made.',
    '`returned`: it was released, and no byte of it was sent to the database: the approval can be used again, which one of break-glass never can.',
    'States with an empty row are final; `reviewed` closes what break-glass opened.',
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
      return event.ends ? event.decision.decision : 'voted';
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
    case 'asked':
      return { said: [...request.said, event.said] };
    case 'answered':
      return { said: [...request.said, event.said], wait_until: event.wait_until };
    case 'escalated':
      return { escalated: event.at };
    case 'decided': {
      const { accounts, decision } = event.decision;
      const past = [...accounts, ...event.void];
      const earlier = request.decisions.map((one) =>
        one.counts && past.includes(one.by) ? { ...one, counts: false } : one,
      );
      return {
        decisions: [...earlier, event.decision],
        ...(event.ends && decision === 'approve' && { use_until: event.at + request.ask.use_within_ms }),
      };
    }
    case 'changed':
      return {
        ...event.held,
        digest_tag: event.digest_tag,
        revision: request.revision + 1,
        changed: { at: event.at, why: event.why },
        decisions: [],
        use_until: null,
        // Whoever is asked later is asked for this.
        escalated: null,
        impact: null,
        before: event.before,
      };
    case 'broke_glass':
      return {
        broken_glass: { reason: event.reason, at: event.at, reviewed: null },
        use_until: event.at + request.ask.use_within_ms,
      };
    case 'reviewed':
      return {
        broken_glass: request.broken_glass && {
          ...request.broken_glass,
          reviewed: { by: event.by, rationale: event.rationale, at: event.at },
        },
      };
    case 'withdrawn':
      return { withdrawn: { by: event.by, reason: event.reason } };
    case 'finished':
      return { outcome: event.outcome };
    default:
      return {};
  }
}
