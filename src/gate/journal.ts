// Approval events as audit records and back: what may stand in clear, and what is sealed. Must never put a statement's
// text, a parameter or somebody's words in clear.
import type { ApprovalEvent, Journal, Request } from '../approval/types.ts';
import type { AuditLog, ReadRecord, RecordInput } from '../audit/types.ts';

type Sealed = 'sql' | 'parameters' | 'earlier' | 'reason' | 'digest';
const SEALED: readonly Sealed[] = ['sql', 'parameters', 'earlier', 'reason', 'digest'];

/** The journal that the desk writes to. */
export const auditJournal = (audit: AuditLog): Journal => ({
  append: (event) => audit.append(toRecord(event)),
});

const toRecord = (event: ApprovalEvent): RecordInput => {
  switch (event.type) {
    case 'opened': {
      const { type: _, request, ...rest } = event;
      const [clear, sealed] = split(request);
      return { type: 'request.opened', clear: { ...rest, request: clear }, sealed: { request: sealed } };
    }
    case 'decided': {
      const { rationale, ...decision } = event.decision;
      return { type: 'request.decided', clear: { ...withoutType(event), decision }, sealed: { rationale } };
    }
    case 'withdrawn': {
      const { reason, ...clear } = withoutType(event);
      return { type: 'request.withdrawn', clear, sealed: { reason } };
    }
    case 'finished':
      return {
        type: event.outcome.sqlstate === null ? 'request.executed' : 'request.failed',
        clear: withoutType(event),
      };
    case 'held':
    case 'ticket':
    // Names, as findings have them, and numbers.
    case 'impact':
    case 'expired':
    case 'released':
    case 'outcome_unknown':
    case 'lapsed':
      return { type: `request.${event.type}`, clear: withoutType(event) };
  }
};

/** The event that a record holds; null for records of something else, and where the key of the sealed part is gone. */
export const fromRecord = (record: ReadRecord): ApprovalEvent | null => {
  const name = record.type.startsWith('request.') ? record.type.slice('request.'.length) : '';
  const type = name === 'executed' || name === 'failed' ? 'finished' : name;
  const { clear, sealed } = record;
  switch (type) {
    case 'opened':
      if (!sealed) return null;
      return {
        ...clear,
        type,
        // Records of earlier releases have none of these.
        request: { impact: null, commits: 0, grounds: [], ...(clear.request as object), ...(sealed.request as object) },
      } as unknown as ApprovalEvent;
    case 'decided':
      return {
        ...clear,
        type,
        decision: { ...(clear.decision as object), rationale: sealed?.rationale ?? '' },
      } as ApprovalEvent;
    case 'withdrawn':
      return { ...clear, type, reason: sealed?.reason ?? '' } as ApprovalEvent;
    case 'finished':
    case 'held':
    case 'ticket':
    case 'impact':
    case 'expired':
    case 'released':
    case 'outcome_unknown':
    case 'lapsed':
      return { ...clear, type } as unknown as ApprovalEvent;
    default:
      return null;
  }
};

const withoutType = <E extends ApprovalEvent>(event: E): Omit<E, 'type'> => {
  const { type: _, ...rest } = event;
  return rest;
};

const split = (request: Request): [object, object] => {
  const clear: Record<string, unknown> = { ...request };
  const sealed: Record<string, unknown> = {};
  for (const key of SEALED) {
    sealed[key] = clear[key];
    delete clear[key];
  }
  clear.earlier_count = request.earlier.length;
  return [clear, sealed];
};
