// Are there people enough for what a policy asks? `holdpoint check` says so before a request waits for somebody who does not exist.
// Of who there is, not of who is connected; what approvals come to is approval/quorum.ts.
import type { User, Users } from '../identity/users.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { Ask } from '../policy/types.ts';
import { needs } from '../policy/words.ts';

/** A reviewer with all accounts, and the policy's groups that any of them is in. */
interface Person {
  readonly accounts: readonly string[];
  readonly groups: readonly string[];
}

/** A sentence for each thing that rules ask and that nobody, or too few, can give; rules that ask the same together. */
export function tooFew({ asks, reviewers }: LoadedPolicy, users: Users): string[] {
  const people = peopleOf(users, reviewers);
  const agents = users.all.filter(({ kind }) => kind === 'agent');
  const senders = [
    { name: '', barred: [] },
    ...agents.map((agent) => ({ name: agent.id, barred: barredBy(agent, users) })),
  ];
  const found = new Map<string, string[]>();
  for (const { rule, ask } of asks)
    for (const { name, barred } of senders) {
      const may = people.filter((person) => isAsked(ask, person) && !person.accounts.some((id) => barred.includes(id)));
      if (suffices(ask, may)) continue;
      const who = may.length === 0 ? 'nobody' : `only ${may.map(({ accounts }) => accounts[0]).join(', ')}`;
      const short = `needs ${needs(ask)}, and ${who} may decide${name === '' ? '' : ` what ${name} sends`}`;
      found.set(short, [...(found.get(short) ?? []), rule]);
      break;
    }
  return [...found].map(([short, rules]) => `rule ${rules.join(', ')} ${short}`);
}

function peopleOf(users: Users, reviewers: LoadedPolicy['reviewers']): readonly Person[] {
  const seen = new Set<string>();
  return users.all.flatMap((user) => {
    if (user.kind !== 'human' || !user.roles.includes('reviewer') || seen.has(user.id)) return [];
    const accounts = [user.id, ...users.linked(user.id)];
    for (const id of accounts) seen.add(id);
    const theirs = accounts.flatMap((id) => users.get(id)?.groups ?? []);
    const groups = Object.keys(reviewers).filter((name) => reviewers[name]?.some((group) => theirs.includes(group)));
    return [{ accounts, groups }];
  });
}

/** Its sponsor, and people who are the same as it. */
function barredBy({ id, sponsor, people }: User, users: Users): readonly string[] {
  return [id, ...people, ...(sponsor === null ? [] : [sponsor])].flatMap((one) => [one, ...users.linked(one)]);
}

function isAsked(ask: Ask, { groups }: Person): boolean {
  return ask.of.length === 0 || [...ask.of, ...others(ask)].some((name) => groups.includes(name));
}

/** Whatever approvals are taken together, as many people can give them (Hall's condition). */
function suffices(ask: Ask, people: readonly Person[]): boolean {
  if (!ask.each) return people.length >= ask.count;
  for (let chosen = 1; chosen < 1 << ask.of.length; chosen++) {
    const of = ask.of.filter((_, i) => (chosen >> i) & 1);
    const able = people.filter(({ groups }) => [...of, ...others(ask)].some((name) => groups.includes(name)));
    if (able.length < ask.count * of.length) return false;
  }
  return true;
}

const others = ({ escalate }: Ask): readonly string[] => escalate?.to ?? [];
