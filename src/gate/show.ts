// SHOW holdpoint.requests and SHOW holdpoint.request: a request as its agent sees it, where it stands and the one next thing to do. Must
// never show somebody else's.
import type { Request, State as RequestState } from '../approval/types.ts';
import type { WireText } from '../errors/catalogue.ts';
import type { OwnAnswer, OwnCommand } from '../session/gate.ts';
import type { State } from './state.ts';
import { approvals } from './told.ts';

/** Requests that SHOW holdpoint.requests lists. */
const SHOW_MAX = 50;

export const show = (s: State, command: OwnCommand): OwnAnswer | WireText => {
  const { desk } = s.options;
  if (command.op === 'show-request') {
    const request = desk.get(command.id);
    // Somebody else's request and none at all look the same.
    if (!request || request.who.id !== s.who.id)
      return { severity: 'ERROR', sqlstate: '22023', message: `you have no request ${command.id.slice(0, 40)}` };
    return { columns: COLUMNS, rows: [row(request)] };
  }
  return { columns: COLUMNS, rows: desk.list({ requester: s.who.id, limit: SHOW_MAX }).map(row) };
};

const COLUMNS = ['id', 'state', 'approvals', 'ends', 'next'] as const;

const NEXT: Readonly<Record<RequestState, string>> = {
  open: 'wait; do other work meanwhile and look again',
  approved: 'send the identical statement now, runs once',
  denied: 'do not send it again, reworded or in parts',
  expired: 'you may send it again; that opens a new request',
  withdrawn: 'do not send it again unless your sponsor tells you to',
  released: 'nothing; it is running',
  executed: 'nothing; it ran',
  failed: 'nothing; it was approved and the server refused it',
  outcome_unknown: 'look whether it took effect before you send it again',
  lapsed: 'send it again to open a new request',
};

const row = (request: Request): (string | null)[] => {
  const ends = request.use_until ?? request.deadline;
  return [
    request.id,
    request.state,
    `${approvals(request)} of ${request.ask.count}`,
    `${new Date(ends).toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    NEXT[request.state],
  ];
};
