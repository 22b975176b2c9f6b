// What happens to requests, as lines of the operator's log. Never a statement's text or a parameter.
import type { ApprovalEvent, Request } from '../approval/types.ts';
import type { Log, RequestLine } from '../telemetry/log.ts';

/** A line for who runs it: what was held, decided and run. */
export const tellOperator = (log: Log, event: ApprovalEvent, request: Request): void => {
  if (event.type === 'broke_glass') {
    const { id, who, rule, where } = request;
    log.warn(
      `BREAK-GLASS: ${who.id} RUNS REQUEST ${id} ON ${where.upstream} WITHOUT APPROVAL (rule ${rule}); somebody else must review it`,
    );
  }
  const line = operatorLine(event, request);
  if (line) log.info(line);
};

const operatorLine = (event: ApprovalEvent, request: Request): RequestLine | null => {
  const { id } = request;
  switch (event.type) {
    case 'opened':
    case 'held':
      return { event: 'held', request: id, who: request.who.id, shape: request.shape, rule: request.rule };
    case 'decided':
      return {
        event: event.decision.decision === 'approve' ? 'approved' : 'denied',
        request: id,
        by: event.decision.by,
        rationale: event.decision.rationale,
      };
    case 'finished': {
      const { tag, sqlstate, bytes, duration_ms } = event.outcome;
      return {
        event: sqlstate === null ? 'ran' : 'failed',
        request: id,
        tag: tag ?? sqlstate ?? '',
        bytes,
        duration_ms,
      };
    }
    case 'expired':
    case 'withdrawn':
    case 'ticket':
      return { event: event.type, request: id };
    case 'released':
    case 'outcome_unknown':
    case 'lapsed':
    case 'impact':
    case 'asked':
    case 'answered':
    case 'escalated':
    case 'broke_glass':
    case 'reviewed':
      return null;
  }
};
