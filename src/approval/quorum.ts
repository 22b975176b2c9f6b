// How many have to approve, and who of those who did counts for what. Pure: decisions in, a tally out.
// Must never count one person twice, nor a person for a group that it was in neither itself nor for somebody who is away.
import type { Ask } from '../policy/types.ts';
import { fold } from './fold.ts';
import type { Decision } from './types.ts';

/** One approval that is needed: of somebody in one of these groups; of any reviewer where there are none. */
export interface Seat {
  readonly group: string;
  readonly takes: readonly string[];
}

export interface Tally {
  /** Approvals that count, each with the group it counts for. */
  readonly approvals: readonly { readonly by: string; readonly instead_of: string | null; readonly group: string }[];
  readonly needed: number;
  /** What is missing, one for each approval: a group's name; '' where any of those asked will do. */
  readonly missing: readonly string[];
  readonly denials: number;
}

/** The groups whose people may decide. */
export function groupsAsked(ask: Ask, escalated: boolean): readonly string[] {
  if (ask.of.length === 0 || !escalated || ask.escalate === null) return ask.of;
  return [...new Set([...ask.of, ...ask.escalate.to])];
}

export function seats(ask: Ask, escalated: boolean): readonly Seat[] {
  const more = escalated && ask.escalate ? ask.escalate.to : [];
  const each = ask.each && ask.of.length > 0;
  const groups = each ? ask.of : [''];
  return groups.flatMap((group) =>
    Array.from({ length: ask.count }, () => ({ group, takes: each ? [group, ...more] : groupsAsked(ask, escalated) })),
  );
}

/** `without`: people whose decisions count no more. */
export function tally(
  ask: Ask,
  escalated: boolean,
  decisions: readonly Decision[],
  without: readonly string[] = [],
): Tally {
  const counting = decisions.filter(({ counts, by }) => counts && !without.includes(by));
  const approvals = distinct(counting.filter(({ decision }) => decision === 'approve'));
  const all = seats(ask, escalated);
  const taken = seat(all, approvals);
  return {
    approvals: approvals.flatMap((approval, i) => {
      const at = taken.indexOf(i);
      if (at < 0) return [];
      const { takes } = all[at] as Seat;
      const group = approval.groups.find((name) => takes.includes(name)) ?? '';
      return [{ by: approval.by, instead_of: approval.instead_of, group }];
    }),
    needed: all.length,
    missing: all.flatMap(({ group }, i) => (taken[i] === null ? [group] : [])),
    denials: counting.length - counting.filter(({ decision }) => decision === 'approve').length,
  };
}

/** Whoever is away and who decides instead are one person's worth of approval: the first of them counts. */
function distinct(approvals: readonly Decision[]): readonly Decision[] {
  const seen = new Set<string>();
  return approvals.filter(({ accounts, instead_of }) => {
    const persons = (instead_of === null ? accounts : [...accounts, instead_of]).map(fold);
    if (persons.some((id) => seen.has(id))) return false;
    for (const id of persons) seen.add(id);
    return true;
  });
}

/**
 * As many seats taken as can be: for each the index of its approval, or null (augmenting paths; Kuhn 1955). A reviewer of two groups
 * moves over when somebody comes who is in one of them only.
 */
function seat(all: readonly Seat[], approvals: readonly Decision[]): (number | null)[] {
  const taken: (number | null)[] = all.map(() => null);
  const place = (approval: number, tried: Set<number>): boolean => {
    const groups = approvals[approval]?.groups ?? [];
    for (const [i, { takes }] of all.entries()) {
      if (tried.has(i) || (takes.length > 0 && !takes.some((name) => groups.includes(name)))) continue;
      tried.add(i);
      const there = taken[i] ?? null;
      if (there !== null && !place(there, tried)) continue;
      taken[i] = approval;
      return true;
    }
    return false;
  };
  for (const i of approvals.keys()) place(i, new Set());
  return taken;
}
