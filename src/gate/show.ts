// SHOW holdpoint.requests and SHOW holdpoint.request: a request as its agent sees it, where it stands, what was said on it, and the one next
// thing to do. Must never show somebody else's.
import type { Request, State as RequestState } from '../approval/types.ts';
import { texts, type WireText } from '../errors/catalogue.ts';
import { visible } from '../errors/text.ts';
import type { OwnAnswer, OwnShow } from '../session/gate.ts';
import type { State } from './state.ts';
import { approvals, needed, openQuestion } from './told.ts';

/** Requests that SHOW holdpoint.requests lists. */
const SHOW_MAX = 50;

export const show = (s: State, command: OwnShow): OwnAnswer | WireText => {
  const { desk } = s.options;
  if (command.op === 'show-requests') return { rows: desk.list({ requester: s.who.id, limit: SHOW_MAX }).map(row) };
  const request = desk.get(command.id);
  // Somebody else's request and none at all look the same.
  if (!request || request.who.id !== s.who.id) return texts.unknownRequest({ id: command.id });
  return {
    rows: [
      [
        ...row(request),
        visible(request.state === 'asked' ? (openQuestion(request)?.text ?? '') : ''),
        conversation(request),
      ],
    ],
  };
};

const NEXT: Readonly<Record<RequestState, (id: string) => string>> = {
  open: () => 'wait; do other work meanwhile and look again',
  asked: (id) => `answer the question: SELECT holdpoint.answer('${id}', 'your answer')`,
  approved: () => 'send the identical statement now, runs once',
  denied: () => 'do not send it again, reworded or in parts',
  expired: () => 'you may send it again; that opens a new request',
  withdrawn: () => 'do not send it again unless your sponsor tells you to',
  released: () => 'nothing; it is running',
  executed: () => 'nothing; it ran',
  failed: () => 'nothing; it was approved and the server refused it',
  outcome_unknown: () => 'look whether it took effect before you send it again',
  lapsed: () => 'send it again to open a new request',
};

/** REQUEST_COLUMNS */
export const row = (request: Request): string[] => {
  const ends = request.use_until ?? request.deadline;
  return [
    request.id,
    request.state,
    `${approvals(request)} of ${needed(request)}`,
    `${new Date(ends).toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    NEXT[request.state](request.id),
  ];
};

/** Whole, a line for each: what people and the agent said, decisions among it. */
const conversation = ({ said, decisions, withdrawn }: Request): string =>
  [
    ...said.map(({ at, by, kind, text }) => ({
      at,
      line: `${by} ${kind === 'question' ? 'asks' : 'answers'}: ${text}`,
    })),
    ...decisions.map(({ at, by, decision, counts, rationale }) => ({
      at,
      line: `${by} ${decision === 'approve' ? 'approves' : 'denies'}${counts ? '' : ' (does not count any more)'}: ${rationale}`,
    })),
    ...(withdrawn ? [{ at: Infinity, line: `${withdrawn.by} withdraws: ${withdrawn.reason}` }] : []),
  ]
    .toSorted((a, b) => a.at - b.at)
    .map(({ line }) => visible(line))
    .join('\n');
