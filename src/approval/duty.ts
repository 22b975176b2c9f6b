// Separation of duty, in one function that every channel uses: who may decide a request, and the sentence for who may not.
// Must never exempt a role, and never decide from what was true earlier: the directory is asked at the moment of decision.
import type { Directory, May, Request, Requester, Reviewer } from './types.ts';

/** Names in "... or ... can." */
const NAMES_SHOWN_MAX = 3;

/**
 * May `reviewer` decide `request` now? `requester` is the directory's entry of request.who.id; without one its links are
 * unknown, so nobody may. `present`: ids of reviewers who are connected, for the sentence only.
 */
export function mayDecide(
  request: Request,
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

type Judged = { readonly may: true; readonly group: string } | { readonly may: false; readonly because: Because };
type Because = 'role' | 'unknown' | 'self' | 'sponsor' | 'linked' | 'group';

function no(because: Because): Judged {
  return { may: false, because };
}

function judge(
  request: Request,
  reviewer: Reviewer | undefined,
  requester: Requester | undefined,
  directory: Directory,
): Judged {
  if (reviewer === undefined || reviewer.kind !== 'human' || !reviewer.roles.includes('reviewer')) return no('role');
  if (requester === undefined) return no('unknown');
  const sponsors = [requester.sponsor, request.who.sponsor].filter((sponsor) => sponsor !== null);
  if (same(reviewer.id, requester.id) || same(reviewer.id, request.who.id)) return no('self');
  if (sponsors.some((sponsor) => same(sponsor, reviewer.id))) return no('sponsor');
  const theirs = [request.who.id, requester.id, ...sponsors, ...requester.aliases, ...requester.people];
  if (linked(theirs, [reviewer.id, ...reviewer.aliases], directory)) return no('linked');
  if (request.ask.of.length === 0) return { may: true, group: '' };
  const group = request.ask.of.find((name) => directory.member(reviewer, name));
  return group === undefined ? no('group') : { may: true, group };
}

interface Facts {
  readonly request: Request;
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
      `This needs ${request.ask.of.join(' or ')}. You are in ${reviewer?.groups.join(', ') || 'no group'}.`,
  },
};

function whoCan({ request, directory, present }: Facts): string {
  const requester = directory.requester(request.who.id);
  const able = directory
    .eligible(request.ask.of)
    .filter((id) => judge(request, directory.reviewer(id), requester, directory).may)
    .toSorted((a, b) => Number(present.includes(b)) - Number(present.includes(a)));
  if (able.length === 0) return 'Nobody else can: tell an operator.';
  const names = able.slice(0, NAMES_SHOWN_MAX).map((id) => (present.includes(id) ? `${id} (here now)` : id));
  if (able.length > names.length) names.push(`${able.length - names.length} more`);
  const last = names.pop();
  return `${names.length === 0 ? '' : `${names.join(', ')} or `}${last} can.`;
}

/** Is this account the requester, its sponsor, or linked to either? These may withdraw and may never decide. */
export function isLinked(request: Request, account: string, directory: Directory): boolean {
  const theirs = request.who.sponsor === null ? [request.who.id] : [request.who.id, request.who.sponsor];
  return linked(theirs, [account, ...(directory.reviewer(account)?.aliases ?? [])], directory);
}

/** Theirs are followed by every kind of link, a reviewer's by aliases alone (the same person). */
function linked(theirs: readonly string[], mine: readonly string[], directory: Directory): boolean {
  const all = closure(
    theirs,
    (entry) => [...entry.aliases, ...entry.people, ...(entry.sponsor === null ? [] : [entry.sponsor])],
    directory,
  );
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

/** Two spellings of one account must not become two persons; taking two for one only refuses more. */
function fold(id: string): string {
  return id.normalize('NFKC').toLowerCase();
}
