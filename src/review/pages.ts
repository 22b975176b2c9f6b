// Lists, page by page: a cursor stands between two entries of one fixed order, so that a page neither loses nor repeats one, however many
// have the same time. Pure.
import type { RequestLike, RecordLike } from './ports.ts';
import type { z } from 'zod';
import type { auditQuery, listQuery } from './bodies.ts';
import { isUndecided } from './view.ts';

type ListQuery = z.infer<typeof listQuery>;

/** A page of requests, newest first, and the cursor that goes on in the same direction; null: there are no more. `undefined`: it is no cursor. */
export function page(
  requests: readonly RequestLike[],
  { before, after, limit }: Pick<ListQuery, 'before' | 'after' | 'limit'>,
): { readonly requests: readonly RequestLike[]; readonly next: string | null } | undefined {
  const sorted = requests.toSorted((a, b) => b.opened - a.opened || (a.id < b.id ? 1 : -1));
  const older = before === undefined ? null : placeOf(before);
  const newer = after === undefined ? null : placeOf(after);
  if (older === undefined || newer === undefined) return undefined;
  const between = sorted.filter(
    (request) => (older === null || isBefore(older, request)) && (newer === null || isBefore(request, newer)),
  );
  const found = newer === null ? between.slice(0, limit) : between.slice(-limit);
  const last = newer === null ? found.at(-1) : found[0];
  return { requests: found, next: last && found.length < between.length ? cursorOf(last) : null };
}

/** By what was asked for, beside the page. */
export function matches(
  { state, group, requester, rule, upstream }: ListQuery,
  groupOf: (request: RequestLike) => string,
): (request: RequestLike) => boolean {
  return (request) =>
    isIn(request, state) &&
    (requester === undefined || request.who.id === requester) &&
    (rule === undefined || request.rule === rule) &&
    (upstream === undefined || request.where.upstream === upstream) &&
    (group === undefined || groupOf(request) === group);
}

function isIn(request: RequestLike, state: ListQuery['state']): boolean {
  switch (state) {
    case 'all':
      return true;
    case 'open':
      return isUndecided(request);
    case 'decided':
      return !isUndecided(request);
    case 'review':
      return request.broken_glass?.reviewed === null;
    default:
      return request.state === state;
  }
}

type Place = Pick<RequestLike, 'opened' | 'id'>;

function cursorOf({ opened, id }: Place): string {
  return Buffer.from(`${opened} ${id}`).toString('base64url');
}

function placeOf(cursor: string): Place | undefined {
  const [, opened, id] = /^(\d{1,15}) (HP-\w{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  return opened === undefined || id === undefined ? undefined : { opened: Number(opened), id };
}

/** In the list: newer ones stand before. */
function isBefore(a: Place, b: Place): boolean {
  return a.opened > b.opened || (a.opened === b.opened && a.id > b.id);
}

/** Does a record of the log match? */
export function recordMatches({
  from,
  to,
  type,
  who,
  request,
}: z.infer<typeof auditQuery>): (record: RecordLike) => boolean {
  const least = from === undefined ? -Infinity : Date.parse(from);
  const most = to === undefined ? Infinity : Date.parse(to);
  return (record) => {
    const at = Date.parse(record.time);
    return (
      at >= least &&
      at < most &&
      (type === undefined || (type.endsWith('.') ? record.type.startsWith(type) : record.type === type)) &&
      (who === undefined || accountsIn(record.clear).includes(who)) &&
      (request === undefined || requestsIn(record.clear).includes(request))
    );
  };
}

/** Where records have somebody's id: themselves or a part of them. */
function accountsIn(clear: RecordLike['clear']): readonly unknown[] {
  return [clear, ...PARTS.map((part) => clear[part])].flatMap((part) =>
    isObject(part) ? [part.who, isObject(part.who) ? part.who.id : null, part.by, part.user, part.for].flat() : [],
  );
}

function requestsIn(clear: RecordLike['clear']): readonly unknown[] {
  const { request, requests, id } = clear;
  return [isObject(request) ? request.id : request, id, ...(Array.isArray(requests) ? (requests as unknown[]) : [])];
}

const PARTS = ['request', 'decision', 'said', 'permit'] as const;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
