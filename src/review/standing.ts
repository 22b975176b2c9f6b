// Permits, connections and records of the log as a reader sees them. Must never show a pattern's hash, nor sealed texts to anybody but an
// auditor.
import type { PermitLike, RecordLike, ReviewPorts, SessionLike } from './ports.ts';
import type { PermitView, RecordView, SessionView } from './schemas.ts';
import { freeOf, termsOf, whoOf } from './view.ts';
import { decode, spell } from './words.ts';

export function permitViewOf(permit: PermitLike, permits: Pick<ReviewPorts['permits'], 'state'>): PermitView {
  const decoded = decode(permit.sql);
  return {
    id: permit.id,
    request: permit.request,
    state: permits.state(permit) as PermitView['state'],
    who: whoOf(permit.who),
    where: { ...permit.where, tags: { ...permit.where.tags } },
    role: spell(permit.role),
    rule: permit.rule,
    statement: { text: decoded.text, marks: decoded.marks, deleted: permit.text_gone === true },
    ...freeOf(permit.pattern, decoded),
    writes: permit.pattern.writes,
    ...termsOf(permit),
    by: [...permit.by],
    rationale: permit.rationale.map(spell),
    granted: permit.granted,
    until: permit.until,
    used: permit.used.map(({ use, session, at, outcome }) => ({
      use,
      session,
      at,
      outcome: outcome && { ...outcome, tag: outcome.tag && spell(outcome.tag) },
    })),
    revoked: permit.revoked && { ...permit.revoked, reason: spell(permit.revoked.reason) },
  };
}

export function sessionViewOf(session: SessionLike): SessionView {
  return {
    id: session.id,
    who: whoOf(session.who),
    where: { ...session.where, tags: { ...session.where.tags } },
    application_name: spell(session.application_name),
    upstream_user: session.upstream_user,
    since: session.since,
    held: session.held,
  };
}

/** `unsealed`: an auditor reads it. Exactly as in the log: it is evidence. */
export function recordViewOf({ sealed, entries, ...record }: RecordLike, unsealed: boolean): RecordView {
  const { seq, time, node, type, clear } = record;
  const words = sealed === undefined ? 'none' : sealed === null ? 'gone' : unsealed ? { ...sealed } : 'not-yours';
  return { seq, time, node, type, clear: { ...clear }, sealed: words, entries: [...entries] };
}
