// A request in words: what stands in the queue, on a card and under it. Pure, and nothing of it is drawn yet: whoever puts it
// on a line does that (cells.ts). Must never say more than the server said.
import type { RequestView } from '../../review/client.ts';
import { clock, isOpen } from './state.ts';

export const LEVELS = {
  critical: { shape: '■', ascii: '!!', word: 'Critical', look: 'critical' },
  high: { shape: '▲', ascii: '!', word: 'High', look: 'high' },
  medium: { shape: '◆', ascii: '*', word: 'Medium', look: 'medium' },
  low: { shape: '○', ascii: '.', word: 'Low', look: 'plain' },
} as const;

/** "0:47", "11:42", "1:02:03"; never negative. */
export function countdown(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  return s < 3600
    ? `${Math.floor(s / 60)}:${two(s % 60)}`
    : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/** "7 days", "90 minutes": for sentences. */
export function roughly(ms: number): string {
  const units: readonly (readonly [number, string])[] = [
    [86_400_000, 'day'],
    [3_600_000, 'hour'],
    [60_000, 'minute'],
    [1_000, 'second'],
  ];
  const [size, word] = units.find(([unit]) => ms >= unit && (ms % unit === 0 || ms >= 2 * unit)) ?? [1_000, 'second'];
  return counted(Math.max(1, Math.round(ms / size)), word);
}

/** "1 line", "2 lines". */
export function counted(n: number, word: string): string {
  return `${n.toLocaleString('en-US')} ${word}${n === 1 ? '' : 's'}`;
}

/** Decimal units, as the log has them. */
export function bytes(n: number): string {
  if (n < 1_000) return `${n} B`;
  return n < 1_000_000 ? `${(n / 1_000).toFixed(1)} kB` : `${(n / 1_000_000).toFixed(1)} MB`;
}

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : countdown(ms);
}

/** "Exports public.customers, about 212,000 rows". */
export function whatItDoes({ sentence, impact }: RequestView): string {
  return impact?.amount ? `${sentence}, ${impact.amount}` : sentence;
}

/** "billing-agent, for ada". */
export function requester(request: RequestView, me: string): string {
  const { id, sponsor } = request.who;
  if (sponsor === null) return `${id}, for nobody`;
  return sponsor === me ? `${id}, for you` : `${id}, for ${sponsor}`;
}

/** "on behalf of ines and 2 more", of which a list has room for one; none for nobody. It comes from a token, so it stands behind what is known. */
export function behalf({ who: { on_behalf_of } }: RequestView, me: string): readonly string[] {
  const [first, ...rest] = on_behalf_of;
  if (first === undefined) return [];
  return [`on behalf of ${first === me ? 'you' : first}${rest.length > 0 ? ` and ${rest.length} more` : ''}`];
}

/** "one of data-owner", "2 of dba or data-owner": what is missing but for one approval of `but`; empty for nothing. */
export function missing(request: RequestView, but: string | null = null): string {
  const left = [...request.missing];
  if (but !== null) left.splice(Math.max(0, left.indexOf(but)), 1);
  const any = request.ask.of.join(' or ') || 'the reviewers';
  return [...new Set(left)]
    .map((group) => {
      const n = left.filter((one) => one === group).length;
      return `${n === 1 ? 'one' : n} of ${group || any}`;
    })
    .join(' and ');
}

/** What stands at a row's end when nothing counts down any more: "denied by ada", "ran". */
export function endWords(request: RequestView): string {
  const last = request.decisions.at(-1);
  if (request.state === 'denied') return last ? `denied by ${last.by}` : 'denied';
  return ENDS[request.state] ?? request.state;
}

const ENDS: Readonly<Record<string, string>> = {
  approved: 'approved, waits',
  released: 'running',
  executed: 'ran',
  failed: 'failed',
  expired: 'expired',
  withdrawn: 'withdrawn',
  outcome_unknown: 'outcome unknown',
  lapsed: 'not used',
};

/** What became of it, in sentences; empty while it is open. */
export function endSentence(request: RequestView): string {
  return isOpen(request) ? '' : (SENTENCES[request.state]?.(request) ?? `It is ${request.state}.`);
}

const SENTENCES: Readonly<Record<string, (request: RequestView) => string>> = {
  approved: ({ use_until }) =>
    `Approved. It runs once, when the agent sends the identical statement${use_until === null ? '' : ` before ${clock(use_until)} UTC`}.`,
  released: () => 'Approved. Running...',
  executed: ({ outcome }) =>
    outcome
      ? `Ran: ${[outcome.tag ?? 'done', ...(outcome.bytes > 0 ? [bytes(outcome.bytes)] : []), duration(outcome.duration_ms)].join(', ')}.`
      : 'Ran.',
  failed: ({ outcome }) => `Approved, then refused by the server: ${outcome?.sqlstate ?? 'no code'}. Nothing changed.`,
  denied: ({ decisions, holds }) =>
    `Denied${decisions.length === 0 ? '' : ` by ${decisions.at(-1)?.by}`}. ${holds === 'held' ? 'The agent was told; nothing ran.' : 'Nothing ran; the agent is told if it sends it again.'}`,
  expired: ({ deadline, opened }) => `Nobody decided in ${roughly(deadline - opened)}. Nothing ran.`,
  withdrawn: ({ withdrawn }) =>
    `Withdrawn by ${withdrawn?.by ?? 'its requester'}${withdrawn?.reason ? `: ${withdrawn.reason}` : ''}. Nothing ran.`,
  outcome_unknown: () => 'Approved and released, then the line broke. Whether it ran is unknown: look in the database.',
  lapsed: () => 'Approved, but not used in time or under the same circumstances. Nothing ran.',
};

/** After a decision of `me` that the server counted: "Approved by you at 14:06:12. 2 of 2. Running...". */
export function saidOf(request: RequestView, me: string): string {
  const mine = request.decisions.findLast(({ by }) => by === me);
  if (!mine) return endSentence(request);
  if (mine.decision === 'deny')
    return `Denied by you at ${clock(mine.at)}. ${isOpen(request) ? 'It stays held.' : 'Nothing ran.'}`;
  const so = `Approved by you at ${clock(mine.at)}. ${request.approvals.length} of ${request.needed}.`;
  if (isOpen(request)) return `${so} It stays held for ${missing(request) || 'more approvals'}.`;
  if (request.state === 'approved' && request.holds === 'ticket')
    return `${so} ${endSentence(request).replace('Approved. ', '')}`;
  return request.state === 'approved' || request.state === 'released' ? `${so} Running...` : endSentence(request);
}

/** What an approval by this reviewer would do. */
export function consequence(request: RequestView, me: string, now: number): string {
  const given = request.approvals.filter(({ by }) => by !== me).length;
  const group = request.can_decide.may ? request.can_decide.group : '';
  if (given + 1 < request.needed)
    return `${given + 1} of ${request.needed}: it stays held for ${missing(request, group) || 'more approvals'}.`;
  if (request.holds === 'ticket')
    return `The agent stopped waiting. If approved, its next identical try runs, once, until ${clock(now + request.use_within_ms).slice(0, 5)} UTC.`;
  return `${request.needed > 1 ? 'Yours is the last approval' : 'Your approval is enough'}: it runs at once, exactly as shown, one time.`;
}

/** What a denial does. */
export function denied(request: RequestView): string {
  const end = 'One denial ends it. The agent gets your words.';
  if (!request.in_transaction) return end;
  return request.where.engine === 'postgres'
    ? `${end} Its transaction rolls back.`
    : `${end} Its transaction stays open.`;
}

/** "7 days, 100 uses, 1,000 rows each" */
export function termsWords(terms: { readonly for_ms: number; readonly uses: number; readonly rows: number }): string {
  return `${roughly(terms.for_ms)}, ${counted(terms.uses, 'use')}, ${counted(terms.rows, 'row')} each`;
}

/** Which values another statement of the same shape may have otherwise: "Free: 'DE' in line 3 and $1; all else stays." */
export function freeWords({
  permit,
  statement,
}: {
  readonly permit: Pick<NonNullable<RequestView['permit']>, 'free' | 'free_parameters'> | null;
  readonly statement: { readonly text: string };
}): string {
  if (!permit) return '';
  const free = [
    ...permit.free.map(({ from, to }) => {
      const line = statement.text.slice(0, from).split('\n').length;
      return `${statement.text.slice(from, to)} in line ${line}`;
    }),
    ...permit.free_parameters.map((n) => `$${n}`),
  ];
  return free.length === 0 ? 'No value of it is free.' : `Free: ${free.join(', ')}; all else stays as it is.`;
}
