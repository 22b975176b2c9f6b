// A request as its agent sees it through SHOW: where it stands, and the one next thing to do.
import type { Request, State } from '../approval/types.ts';

export const REQUEST_COLUMNS = ['id', 'state', 'approvals', 'ends', 'next'] as const;

const NEXT: Readonly<Record<State, string>> = {
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

export const requestRow = (request: Request): (string | null)[] => {
  const given = request.decisions.filter(({ decision }) => decision === 'approve').length;
  const ends = request.use_until ?? request.deadline;
  return [
    request.id,
    request.state,
    `${given} of ${request.ask.count}`,
    `${new Date(ends).toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    NEXT[request.state],
  ];
};
