// How statements of one shape were decided before, for whoever decides the next: counts of days, in memory, rebuilt with the requests from the
// log. Must never keep a text, nor count what a requester can bring about alone; and what it has dropped it must not call none.
import { SHAPE_HIDDEN } from '../sql/findings.ts';
import { termsOf } from './deciding.ts';
import type { Before, Held, Request } from './types.ts';

/** How far back it looks. */
export const BEFORE_DAYS = 90;
/** Days on which a shape was decided that are kept, of all shapes together: at most about 350 bytes each. */
export const BEFORE_KEPT_MAX = 50_000;
/** A shape is cut at 4 KiB, and what may have been cut says nothing of the rest. UTF-8. */
const SHAPE_WHOLE_BYTES_MAX = 4_000;
const DAY_MS = 24 * 3_600_000;

/** The parts of a day's entry, one after the other. */
const ENTRY = { day: 0, approved: 1, permits: 2, denied: 3 } as const;
const ENTRY_LENGTH = 4;
type Kind = Exclude<keyof typeof ENTRY, 'day'>;
const KINDS = ['approved', 'permits', 'denied'] as const;

interface Requester {
  /** Entries in order of their days, by the tag of what they are of; the one that was decided longest ago comes first. */
  readonly shapes: Map<string, number[]>;
  entries: number;
  /** All that is older may be missing. */
  from: number;
}

export interface Decided {
  /** Of requests like this one; null: nothing is known of them. `at`: now, ms since the epoch. */
  of(held: Held, at: number): Before | null;
  /** The request has just been decided, by people. `now`: what is older than BEFORE_DAYS by then is not kept. */
  add(request: Request, now: number): void;
  /** Of a decision at this time nobody knows any more what it was of. */
  missed(at: number): void;
}

/** `tag`: HMAC under a key that never leaves the node. */
export function createDecided(tag: (value: string) => string, kept_max = BEFORE_KEPT_MAX): Decided {
  const requesters = new Map<string, Requester>();
  let kept = 0;
  /** As of each requester. */
  let from = -Infinity;
  let swept = -Infinity;
  let last: Before | null = null;

  function of(held: Held, at: number): Before | null {
    if (!isWhole(held)) return null;
    const today = dayOf(at);
    const requester = requesters.get(held.who.id);
    const first = Math.max(today - BEFORE_DAYS + 1, from, requester?.from ?? -Infinity);
    if (first > today) return null;
    const entries = requester?.shapes.get(keyOf(held)) ?? [];
    const sum = (kind: Kind) => {
      let n = 0;
      for (let i = 0; i < entries.length; i += ENTRY_LENGTH)
        if ((entries[i] as number) >= first) n += entries[i + ENTRY[kind]] as number;
      return n;
    };
    const found = {
      approved: sum('approved'),
      permits: sum('permits'),
      denied: sum('denied'),
      days: today - first + 1,
    };
    // Thousands may be open at once of which the same is to be said.
    if (last === null || KINDS.some((kind) => last?.[kind] !== found[kind]) || last.days !== found.days) last = found;
    return last;
  }

  function add(request: Request, now: number): void {
    const kind = kindOf(request);
    const today = dayOf(now);
    const day = dayOf(request.updated);
    if (kind === null || !isWhole(request) || day <= today - BEFORE_DAYS) return;
    sweep(today);
    const requester = requesters.get(request.who.id) ?? { shapes: new Map(), entries: 0, from: -Infinity };
    requesters.set(request.who.id, requester);
    const key = keyOf(request);
    let entries = requester.shapes.get(key) ?? [];
    // A clock that was put back does not open an earlier day again.
    if (entries.length === 0 || (entries.at(-ENTRY_LENGTH) as number) < day) {
      // Not push(): that makes room for many more.
      entries = [...entries, day, 0, 0, 0];
      requester.entries++;
      kept++;
    }
    entries[entries.length - ENTRY_LENGTH + ENTRY[kind]] = (entries.at(ENTRY[kind] - ENTRY_LENGTH) as number) + 1;
    requester.shapes.delete(key);
    requester.shapes.set(key, entries);
    while (kept > kept_max) drop();
  }

  /** Once a day: what is too old, so that it takes no other's place. */
  function sweep(today: number): void {
    if (today <= swept) return;
    swept = today;
    for (const [id, requester] of requesters) {
      for (const [key, entries] of requester.shapes) {
        let old = 0;
        while (old < entries.length && (entries[old] as number) <= today - BEFORE_DAYS) old += ENTRY_LENGTH;
        entries.splice(0, old);
        requester.entries -= old / ENTRY_LENGTH;
        kept -= old / ENTRY_LENGTH;
        if (entries.length === 0) requester.shapes.delete(key);
      }
      if (requester.shapes.size === 0 && requester.from <= today - BEFORE_DAYS) requesters.delete(id);
    }
  }

  /** Of the requester who has most of it: nobody loses what is known of them to what others do. */
  function drop(): void {
    const most = [...requesters.values()].reduce((a, b) => (b.entries > a.entries ? b : a));
    const [key, entries] = most.shapes.entries().next().value as [string, number[]];
    most.shapes.delete(key);
    most.entries -= entries.length / ENTRY_LENGTH;
    kept -= entries.length / ENTRY_LENGTH;
    most.from = Math.max(most.from, (entries.at(-ENTRY_LENGTH) as number) + 1);
    if (most.shapes.size > 0) return;
    // Everybody has no more than this one had.
    from = Math.max(from, most.from);
    for (const [id, requester] of requesters) if (requester === most) requesters.delete(id);
  }

  /** Another server, database, role, rule, object or body is another question, whatever the text says. */
  function keyOf({ where, role, rule, shape, findings, bodies, passed }: Held): string {
    const found = new Set(findings.map(({ action, object }) => JSON.stringify([action, object])));
    const { engine, upstream, database } = where;
    const alike = ['before', engine, upstream, database, role, rule, shape, passed !== null, [...found].toSorted()];
    return tag(JSON.stringify(bodies.length === 0 ? alike : [...alike, bodies]));
  }

  return {
    of,
    add,
    missed: (at) => {
      from = Math.max(from, dayOf(at) + 1);
    },
  };
}

/** Null: no person decided it. */
function kindOf(request: Request): Kind | null {
  const last = request.decisions.at(-1);
  if (last === undefined || last.channel === 'clock') return null;
  if (last.decision === 'deny') return 'denied';
  return termsOf(request) === null ? 'approved' : 'permits';
}

function isWhole({ shape }: Held): boolean {
  return Buffer.byteLength(shape) < SHAPE_WHOLE_BYTES_MAX && !shape.includes(SHAPE_HIDDEN);
}

function dayOf(at: number): number {
  return Math.floor(at / DAY_MS);
}
