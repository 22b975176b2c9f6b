// An event as a receiver gets it: docs/webhooks.md lists the fields. Must never hold a statement, a parameter or the agent's reason unless the
// hook says `text`, nor anybody's words unless it says `words`; what a requester or a database could have chosen is spelled out.
import { impactOf } from '../impact.ts';
import type { RequestLike } from '../ports.ts';
import { beforeOf } from '../view.ts';
import type { HookConfig, HookEvent } from './ports.ts';
import { decode, spell } from '../words.ts';

/** A longer text is not sent but told by its length: receivers want small bodies, and half a statement is a lie. */
export const TEXT_CHARS_MAX = 16 * 1024;

type Wants = Pick<HookConfig, 'text' | 'words'>;

/** Nothing that the log seals. */
export const BARE: Wants = { text: false, words: false };

/** JSON. `console` is the console's address without a slash at its end. Times are milliseconds since the epoch. */
export function payloadOf(event: HookEvent, wants: Wants, console: string): string {
  const { type, seq: cursor, at: time } = event;
  return JSON.stringify({ type, cursor, time, ...aboutOf(event, wants, console) });
}

function aboutOf(event: HookEvent, wants: Wants, console: string): object {
  switch (event.about) {
    case 'request':
      return { request: requestOf(event, wants, console) };
    case 'permit':
      return { permit: permitOf(event, wants) };
    case 'policy':
      return { policy: { ...event.loaded, problems: event.problems } };
  }
}

type RequestEvent = Extract<HookEvent, { about: 'request' }>;
type PermitEvent = Extract<HookEvent, { about: 'permit' }>;

function requestOf({ request, headline, approvals, why, type }: RequestEvent, wants: Wants, console: string): object {
  const { broken_glass, withdrawn, outcome } = request;
  const word = (key: string, text: string): object => (wants.words ? { [key]: spell(text) } : {});
  const said = type === 'request.asked' || type === 'request.answered' ? request.said.at(-1) : undefined;
  return {
    id: request.id,
    state: request.state,
    revision: request.revision,
    ...headline,
    rule: request.rule,
    message: spell(request.message),
    ...placeOf(request),
    holds: request.holds,
    approvals,
    impact: impactOf(request)?.amount || null,
    before: beforeOf(request),
    opened: request.opened,
    deadline: request.deadline,
    use_until: request.use_until,
    escalated: request.escalated,
    link: `${console}/r/${request.id}`,
    decisions: request.decisions.map(({ decision, by, group, instead_of, counts, channel, at, rationale }) => ({
      decision,
      by,
      group,
      instead_of,
      counts,
      channel,
      at,
      ...word('rationale', rationale),
    })),
    ...(said && {
      said: { kind: said.kind, by: said.by, channel: said.channel, at: said.at, ...word('text', said.text) },
    }),
    break_glass: broken_glass && {
      at: broken_glass.at,
      ...word('reason', broken_glass.reason),
      reviewed: broken_glass.reviewed && {
        by: broken_glass.reviewed.by,
        at: broken_glass.reviewed.at,
        ...word('rationale', broken_glass.reviewed.rationale),
      },
    },
    withdrawn: withdrawn && { by: withdrawn.by, ...word('reason', withdrawn.reason) },
    outcome: outcomeOf(outcome),
    why: why === null ? null : spell(why),
    ...(wants.text && { text: textOf(request) }),
  };
}

function permitOf({ permit, use, revoked }: PermitEvent, wants: Wants): object {
  return {
    id: permit.id,
    request: permit.request,
    rule: permit.rule,
    ...placeOf(permit),
    by: permit.by,
    granted: permit.granted,
    until: permit.until,
    uses: permit.uses,
    rows: permit.rows,
    use: use && { ...use, outcome: outcomeOf(use.outcome) },
    revoked: revoked && { by: revoked.by, ...(wants.words && { reason: spell(revoked.reason) }) },
  };
}

function placeOf({ who, where }: Pick<RequestLike, 'who' | 'where'>): object {
  const { id, kind, sponsor, address, on_behalf_of = [] } = who;
  const { engine, upstream, database, tags } = where;
  const behalf = on_behalf_of.length > 0 && { on_behalf_of: on_behalf_of.map(spell) };
  return {
    who: { id, kind, sponsor, address, ...behalf },
    where: { engine, upstream, database: spell(database), tags },
  };
}

function outcomeOf(outcome: RequestLike['outcome']): RequestLike['outcome'] {
  return outcome && { ...outcome, tag: outcome.tag === null ? null : spell(outcome.tag) };
}

/** Each null where it is longer than TEXT_CHARS_MAX. */
function textOf({ sql, parameters, reason, who }: RequestLike): object {
  const short = (text: string, spelled: (text: string) => string): string | null =>
    text.length > TEXT_CHARS_MAX ? null : spelled(text);
  const all = parameters.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
  return {
    bytes: sql.length,
    statement: short(sql, (latin1) => spellLines(decode(latin1).text)),
    parameters:
      all > TEXT_CHARS_MAX
        ? null
        : parameters.map(({ type, value }) => ({
            type: spell(type),
            value: value === null ? null : spellLines(value),
          })),
    reason: short(reason, spellLines),
    ...(who.task !== undefined && { task: short(who.task, spellLines) }),
  };
}

/** Line breaks stay; what looks like something else, or like nothing, does not. */
function spellLines(text: string): string {
  return text.split('\n').map(spell).join('\n');
}
