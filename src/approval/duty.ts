// Separation of duty, in one function that every channel uses: who may decide a request, and the sentence for who may not.
// Must never exempt a role, and never decide from what was true earlier: the directory is asked at the moment of decision.
import { fold } from './fold.ts';
import { groupsAsked } from './quorum.ts';
import type { Directory, May, Request, Requester, Reviewer } from './types.ts';

/** What duty looks at. */
type Asked = Pick<Request, 'who' | 'ask' | 'escalated'>;

/** Names in "... or ... can." */
const NAMES_SHOWN_MAX = 3;

/**
 * May `reviewer` decide `request` now? `requester` is the directory's entry of request.who.id; without one its links are
 * unknown, so nobody may. `present`: ids of reviewers who are connected, for the sentence only.
 */
export function mayDecide(
  request: Asked,
  reviewer: Reviewer | undefined,
  requester: Requester | undefined,
  directory: Directory,
  present: readonly string[] = [],
): May {
  const judged = judge(request, reviewer, requester, directory);
  if (judged.may) return judged;
  const { why, text } = REFUSALS[judged.because];
  return { may: false, why, text: text({ request, reviewer, directory, present }) };
}

type Judged = Extract<May, { may: true }> | { readonly may: false; readonly because: Because };
type Because = 'role' | 'unknown' | 'self' | 'sponsor' | 'linked' | 'group';

function no(because: Because): Judged {
  return { may: false, because };
}

function judge(
  request: Asked,
  reviewer: Reviewer | undefined,
  requester: Requester | undefined,
  directory: Directory,
): Judged {
  if (reviewer === undefined || reviewer.kind !== 'human' || !reviewer.roles.includes('reviewer')) return no('role');
  if (requester === undefined) return no('unknown');
  const because = bar(request, reviewer, requester, directory);
  if (because !== null) return no(because);
  const wanted = groupsAsked(request.ask, request.escalated !== null);
  const accounts = [reviewer.id, ...reviewer.aliases];
  if (wanted.length === 0) return { may: true, accounts, group: '', groups: [], instead_of: null };
  const groups = wanted.filter((name) => directory.member(reviewer, name));
  if (groups.length > 0) return { may: true, accounts, group: groups[0] ?? '', groups, instead_of: null };
  return insteadOf(request, reviewer, requester, wanted, directory) ?? no('group');
}

/** Is this the requester, or too close to it? */
function bar(request: Asked, reviewer: Reviewer, requester: Requester, directory: Directory): Because | null {
  const sponsors = [requester.sponsor, request.who.sponsor].filter((sponsor) => sponsor !== null);
  if (same(reviewer.id, requester.id) || same(reviewer.id, request.who.id)) return 'self';
  if (sponsors.some((sponsor) => same(sponsor, reviewer.id))) return 'sponsor';
  const theirs = [...named(request), requester.id, ...sponsors, ...requester.aliases, ...requester.people];
  return barred([...theirs, ...(requester.claimed ?? [])], [reviewer.id, ...reviewer.aliases], directory)
    ? 'linked'
    : null;
}

/** As the request itself has them, from when it was made: claims and other names of then bar from it for good. */
function named({ who }: Pick<Request, 'who'>): readonly string[] {
  const sponsor = who.sponsor === null ? [] : [who.sponsor];
  return [who.id, ...sponsor, ...(who.linked ?? []), ...(who.on_behalf_of ?? [])];
}

/** For somebody who is away, may decide this themselves, and has named the reviewer: not for who that one decides for in turn. */
function insteadOf(
  request: Asked,
  reviewer: Reviewer,
  requester: Requester,
  wanted: readonly string[],
  directory: Directory,
): Judged | null {
  for (const id of directory.represents(reviewer.id)) {
    const away = directory.reviewer(id);
    if (away === undefined || away.kind !== 'human' || !away.roles.includes('reviewer')) continue;
    if (bar(request, away, requester, directory) !== null) continue;
    const groups = wanted.filter((name) => directory.member(away, name));
    const accounts = [reviewer.id, ...reviewer.aliases];
    if (groups.length > 0) return { may: true, accounts, group: groups[0] ?? '', groups, instead_of: away.id };
  }
  return null;
}

interface Facts {
  readonly request: Asked;
  readonly reviewer: Reviewer | undefined;
  readonly directory: Directory;
  readonly present: readonly string[];
}

const REFUSALS: Readonly<
  Record<Because, { why: Extract<May, { may: false }>['why']; text: (facts: Facts) => string }>
> = {
  role: {
    why: 'not-a-reviewer',
    text: () => 'Only a person with the role reviewer decides. This account does not have it.',
  },
  unknown: {
    why: 'linked',
    text: ({ request }) => `${request.who.id} is no longer in the directory, so nobody can decide this.`,
  },
  self: {
    why: 'own',
    text: (facts) => `This is your own request, so you cannot decide this. ${whoCan(facts)}`,
  },
  sponsor: {
    why: 'own',
    text: (facts) => `You are the sponsor of ${facts.request.who.id}, so you cannot decide this. ${whoCan(facts)}`,
  },
  linked: {
    why: 'linked',
    text: () => 'This account is linked to the requester, so you cannot decide this.',
  },
  group: {
    why: 'wrong-group',
    text: ({ request, reviewer }) =>
      `This needs ${groupsAsked(request.ask, request.escalated !== null).join(' or ')}. You are in ${reviewer?.groups.join(', ') || 'no group'}.`,
  },
};

function whoCan({ request, directory, present }: Facts): string {
  const able = [...ableTo(request, directory)].toSorted(
    (a, b) => Number(present.includes(b)) - Number(present.includes(a)),
  );
  if (able.length === 0) return 'Nobody else can: tell an operator.';
  const names = able.slice(0, NAMES_SHOWN_MAX).map((id) => (present.includes(id) ? `${id} (here now)` : id));
  if (able.length > names.length) names.push(`${able.length - names.length} more`);
  const last = names.pop();
  return `${names.length === 0 ? '' : `${names.join(', ')} or `}${last} can.`;
}

/** Ids of all who may decide it now. */
export function ableTo(request: Asked, directory: Directory): readonly string[] {
  const requester = directory.requester(request.who.id);
  // Of no group: whoever decides for somebody who is away is in none of those asked.
  return directory.eligible([]).filter((id) => judge(request, directory.reviewer(id), requester, directory).may);
}

/** Is this account the requester, its sponsor, or linked to either? These may withdraw. What claims say gives nobody that. */
export function isLinked(request: Pick<Request, 'who'>, account: string, directory: Directory): boolean {
  const { id, sponsor } = request.who;
  const theirs = sponsor === null ? [id] : [id, sponsor];
  return meet(theirs, [account, ...(directory.reviewer(account)?.aliases ?? [])], linksOf, directory);
}

/** Is it that, or barred by what the requester's claims say? These may never decide. */
export function isBarred(request: Pick<Request, 'who'>, account: string, directory: Directory): boolean {
  return barred(named(request), [account, ...(directory.reviewer(account)?.aliases ?? [])], directory);
}

function barred(theirs: readonly string[], mine: readonly string[], directory: Directory): boolean {
  return meet(theirs, mine, (entry) => [...linksOf(entry), ...(entry.claimed ?? [])], directory);
}

function linksOf({ aliases, people, sponsor }: Requester): readonly string[] {
  return [...aliases, ...people, ...(sponsor === null ? [] : [sponsor])];
}

/** Theirs are followed by every kind of link, a reviewer's by aliases alone (the same person). */
function meet(
  theirs: readonly string[],
  mine: readonly string[],
  links: (entry: Requester) => readonly string[],
  directory: Directory,
): boolean {
  const all = closure(theirs, links, directory);
  for (const id of closure(mine, (entry) => entry.aliases, directory)) if (all.has(id)) return true;
  return false;
}

function closure(
  start: readonly string[],
  links: (entry: Requester) => readonly string[],
  directory: Directory,
): ReadonlySet<string> {
  const seen = new Set<string>();
  const queue = [...start];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (seen.has(fold(id))) continue;
    seen.add(fold(id));
    const entry = directory.requester(id);
    if (entry !== undefined) queue.push(...links(entry));
  }
  return seen;
}

function same(a: string, b: string): boolean {
  return fold(a) === fold(b);
}
