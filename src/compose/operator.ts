// What happens to requests and permits, as lines of the operator's log. Never a statement's text or a parameter.
import type { ApprovalEvent, Permit, PermitEvent, Request } from '../approval/types.ts';
import type { Log, PermitLine, RequestLine } from '../telemetry/log.ts';

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

/** The same of a permit: that it is there, that nothing of it is left, that it was taken away. Each use is in the audit log. */
export const tellOfPermit = (log: Log, event: PermitEvent, permit: Permit): void => {
  const line = permitLine(event, permit);
  if (line) log.info(line);
};

const permitLine = (
  event: PermitEvent,
  { id, request, who, rule, by, uses, rows, until }: Permit,
): PermitLine | null => {
  const of = { permit: id, request, who: who.id, rule };
  switch (event.type) {
    case 'permit_granted':
      return { event: 'permit_granted', ...of, by: by.join(', '), uses, rows, until: new Date(until).toISOString() };
    case 'permit_used':
      return event.use === uses ? { event: 'permit_used_up', ...of, uses } : null;
    case 'permit_revoked':
      return { event: 'permit_revoked', ...of, by: event.by, rationale: event.reason };
    case 'permit_use_ended':
      return null;
  }
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
    case 'returned':
    case 'changed':
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
