// Approval events as audit records and back: what may stand in clear, and what is sealed. Must never put a statement's
// text, a parameter or somebody's words in clear.
import type { ApprovalEvent, Held, Journal, Permit, PermitEvent, Request } from '../approval/types.ts';
import type { AuditLog, ReadRecord, RecordInput } from '../audit/types.ts';
import { apart, together } from './who.ts';

const SEALED: readonly (keyof Request)[] = [
  'sql',
  'parameters',
  'earlier',
  'reason',
  'digest',
  'bodies',
  'pattern',
  'break_glass',
  // The agent's to choose.
  'application_name',
];
const SEALED_OF_PERMIT: readonly (keyof Permit)[] = ['sql', 'pattern', 'rationale'];

/** The journal that the desk writes to. */
export const auditJournal = (audit: AuditLog): Journal => ({
  append: (event) => audit.append(toRecord(event)),
});

const toRecord = (event: ApprovalEvent | PermitEvent): RecordInput => {
  switch (event.type) {
    case 'permit_granted': {
      const { permit, ...rest } = withoutType(event);
      const [clear, sealed] = split(permit, SEALED_OF_PERMIT);
      const who = apart(permit.who);
      return {
        type: 'permit.granted',
        clear: { ...rest, permit: { ...clear, who: who.clear } },
        sealed: { permit: { ...sealed, ...who.words } },
      };
    }
    case 'permit_used': {
      const { sql, parameters, ...clear } = withoutType(event);
      return { type: 'permit.used', clear, sealed: { sql, parameters } };
    }
    case 'permit_use_ended':
      return { type: 'permit.use_ended', clear: withoutType(event) };
    case 'permit_revoked': {
      const { reason, ...clear } = withoutType(event);
      return { type: 'permit.revoked', clear, sealed: { reason } };
    }
    case 'asked':
    case 'answered': {
      const { said, ...clear } = withoutType(event);
      const { text, ...rest } = said;
      return { type: `request.${event.type}`, clear: { ...clear, said: rest }, sealed: { text } };
    }
    case 'broke_glass': {
      const { reason, ...clear } = withoutType(event);
      return { type: 'request.broke_glass', clear, sealed: { reason } };
    }
    case 'reviewed': {
      const { rationale, ...clear } = withoutType(event);
      return { type: 'request.reviewed', clear, sealed: { rationale } };
    }
    case 'opened': {
      const { request, ...rest } = withoutType(event);
      const [clear, sealed] = split(request, SEALED);
      clear.earlier_count = request.earlier.length;
      const who = apart(request.who);
      return {
        type: 'request.opened',
        clear: { ...rest, request: { ...clear, who: who.clear } },
        sealed: { request: { ...sealed, ...who.words } },
      };
    }
    case 'changed': {
      const { held, ...rest } = withoutType(event);
      const [clear, sealed] = split(held, SEALED);
      clear.earlier_count = held.earlier.length;
      const who = apart(held.who);
      return {
        type: 'request.changed',
        clear: { ...rest, held: { ...clear, who: who.clear } },
        sealed: { held: { ...sealed, ...who.words } },
      };
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
    case 'escalated':
    case 'expired':
    case 'released':
    case 'returned':
    case 'outcome_unknown':
    case 'lapsed':
      return { type: `request.${event.type}`, clear: withoutType(event) };
  }
};

/** The parts that are sealed, where their key is gone: no statement that anybody could send has this digest. */
const UNREADABLE = {
  text_gone: true,
  sql: '',
  parameters: [],
  earlier: [],
  reason: '',
  digest: '',
  bodies: [],
  pattern: null,
  break_glass: null,
  application_name: '',
};
/** A permit's: no statement has this hash. How many gave it, and which uses, stands in clear. */
const UNREADABLE_PERMIT = {
  text_gone: true,
  sql: '',
  rationale: [],
  pattern: { hash: '', free: [], free_parameters: [], writes: true },
};
/** What records of earlier releases lack. */
const REQUEST_BEFORE = {
  changed: null,
  impact: null,
  before: null,
  commits: 0,
  grounds: [],
  bodies: [],
  said: [],
  escalated: null,
  broken_glass: null,
  pattern: null,
  break_glass: null,
};
const ASK_BEFORE = {
  each: false,
  denials: 1,
  escalate: null,
  nobody_ms: null,
  permit: null,
  channel: 'any',
  step_up: null,
};
const DECIDED_BEFORE = { ends: true, void: [] };
const DECISION_BEFORE = { groups: [], instead_of: null, counts: true, permit: null };

/** The words that are sealed, by the type of the record; a key that is gone leaves none. */
const WORDS: Readonly<Record<string, string>> = { withdrawn: 'reason', broke_glass: 'reason', reviewed: 'rationale' };

/** What of a record an event is made of. */
export type EventRecord = Pick<ReadRecord, 'type' | 'clear' | 'sealed'> & Partial<ReadRecord>;

/** The event that a record holds; null for records of something else. */
export const fromRecord = (record: EventRecord): ApprovalEvent | null => {
  const name = record.type.startsWith('request.') ? record.type.slice('request.'.length) : '';
  const type = name === 'executed' || name === 'failed' ? 'finished' : name;
  const { clear, sealed } = record;
  switch (type) {
    case 'opened': {
      const { task, ...text } = (sealed?.request ?? UNREADABLE) as Record<string, unknown>;
      const told = clear.request as Request;
      const request = { ...REQUEST_BEFORE, ...told, ...text, who: together(told.who, { task }) };
      return { ...clear, type, request: { ...request, ask: { ...ASK_BEFORE, ...request.ask } } } as ApprovalEvent;
    }
    case 'changed': {
      // What was decided before is void, whether it can be read or not.
      const { task, ...text }: Record<string, unknown> = sealed
        ? { text_gone: false, ...(sealed.held as object) }
        : UNREADABLE;
      const told = clear.held as Held;
      const held = { ...told, ...text, who: together(told.who, { task }) };
      return { ...clear, type, held } as unknown as ApprovalEvent;
    }
    case 'decided': {
      const told = clear.decision as { readonly by: string };
      const decision = { ...DECISION_BEFORE, accounts: [told.by], ...told, rationale: sealed?.rationale ?? '' };
      return { ...DECIDED_BEFORE, ...clear, type, decision } as unknown as ApprovalEvent;
    }
    case 'asked':
    case 'answered':
      return { ...clear, type, said: { ...(clear.said as object), text: sealed?.text ?? '' } } as ApprovalEvent;
    case 'withdrawn':
    case 'broke_glass':
    case 'reviewed': {
      const words = WORDS[type] as string;
      return { ...clear, type, [words]: sealed?.[words] ?? '' } as unknown as ApprovalEvent;
    }
    case 'finished':
    case 'held':
    case 'ticket':
    case 'impact':
    case 'escalated':
    case 'expired':
    case 'released':
    case 'returned':
    case 'outcome_unknown':
    case 'lapsed':
      return { ...clear, type } as unknown as ApprovalEvent;
    default:
      return null;
  }
};

/** The same of a permit's records. Without its sealed part a permit covers nothing. */
export const permitFromRecord = ({ type, clear, sealed }: EventRecord): PermitEvent | null => {
  switch (type) {
    case 'permit.granted': {
      const { task, ...text } = (sealed?.permit ?? UNREADABLE_PERMIT) as Record<string, unknown>;
      const told = clear.permit as Permit;
      const permit = { ...told, ...text, who: together(told.who, { task }) };
      return { ...clear, type: 'permit_granted', permit } as PermitEvent;
    }
    case 'permit.used':
      return { sql: '', parameters: [], ...clear, ...sealed, type: 'permit_used' } as unknown as PermitEvent;
    case 'permit.use_ended':
      return { ...clear, type: 'permit_use_ended' } as unknown as PermitEvent;
    case 'permit.revoked':
      return { ...clear, type: 'permit_revoked', reason: sealed?.reason ?? '' } as unknown as PermitEvent;
    default:
      return null;
  }
};

const withoutType = <E extends ApprovalEvent | PermitEvent>(event: E): Omit<E, 'type'> => {
  const { type: _, ...rest } = event;
  return rest;
};

/** What may stand in clear, and the rest. */
const split = (whole: object, sealed: readonly string[]): [Record<string, unknown>, object] => {
  const parts: [Record<string, unknown>, Record<string, unknown>] = [{}, {}];
  for (const [key, value] of Object.entries(whole)) parts[sealed.includes(key) ? 1 : 0][key] = value;
  return parts;
};
