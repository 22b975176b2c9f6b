// What a principal is: users.yaml's entry of that id if there is one, else the first rule of `identity.map` that fits what a source says. Pure.
// Must never let a claim give anything but groups of its own source and, where a rule says so, a sponsor: all other claims only add to who
// may not decide.
import { CLAIMED_SPONSOR, type MapRule } from '../config/map.ts';
import type { OwnLogin } from '../config/own-login.ts';
import type { Source, SourceEntry } from './types.ts';
import { fold, type User, type Users } from './users.ts';

/** Longest id that a source may give, in characters: a SPIFFE id has its place, a page of text has not. */
export const ID_CHARS_MAX = 255;
/** Of one source's entry; the rest is left out, so that who is in a thousand groups costs no more. */
export const GROUPS_MAX = 10_000;
export const ALIASES_MAX = 100;

/** Where it comes from that it is what it is. */
export type Because = { readonly type: 'user' } | { readonly type: 'rule' /** From 0. */; readonly rule: number };

export interface Description {
  readonly id: string;
  readonly kind: 'agent' | 'human';
  readonly roles: User['roles'];
  /** Local ones bare, a source's with its name before them. */
  readonly groups: readonly string[];
  readonly sponsor: string | null;
  readonly people: readonly string[];
  /** Every other account of the same one, and what else sources call it. */
  readonly aliases: readonly string[];
  /** Whom claims name: nothing but barred from deciding. */
  readonly claimed: readonly string[];
  readonly upstream: OwnLogin | null;
  readonly because: Because;
}

/** Why somebody is nobody here, for `whoami` alone: a client is never told. */
export type Nobody = 'no-entry' | 'not-from-there' | 'spelled-otherwise' | 'bad-id' | 'no-rule' | 'no-group';

export interface Known {
  readonly users: Users;
  readonly map: readonly MapRule[];
}

/** `entries`: what sources say of this id, all of them; none: users.yaml alone knows it. */
export function describe(id: string, entries: readonly SourceEntry[], known: Known): Description | Nobody {
  const user = known.users.get(id);
  if (user !== undefined) {
    const good = entries.filter(({ source }) => isFrom(user, source));
    if (good.length < entries.length && good.length === 0) return 'not-from-there';
    if (entries.length === 0 && !isFrom(user, 'local')) return 'not-from-there';
    return ofUser(user, good, known.users);
  }
  if (entries.length === 0) return 'no-entry';
  if (!isId(id)) return 'bad-id';
  // Two spellings would be two voices of one person.
  if (known.users.like(id) !== undefined) return 'spelled-otherwise';
  let nobody: Nobody = 'no-rule';
  for (const [rule, { from, group, id: pattern, as }] of known.map.entries()) {
    const entry = entries.find(({ source }) => source === from);
    if (entry === undefined || (pattern !== undefined && !fits(pattern, id))) continue;
    if (group !== undefined && !groupsOf(entry).includes(group)) {
      nobody = 'no-group';
      continue;
    }
    return ofRule(id, as, entry, entries, known.users, rule);
  }
  return nobody;
}

/** May this source vouch for the user? */
export function isFrom({ from }: User, source: Source): boolean {
  return from === null || from.includes(source);
}

/** `entries`: those that may vouch for it. */
export function ofUser(user: User, entries: readonly SourceEntry[], users: Users): Description {
  const { id, kind, roles, sponsor, people, upstream } = user;
  return {
    id,
    kind,
    roles,
    groups: distinct([...user.groups, ...entries.flatMap(groupsOf)]),
    sponsor,
    people,
    aliases: accounts(id, entries.flatMap(aliasesOf), users),
    claimed: claims(entries, sponsor),
    upstream,
    because: { type: 'user' },
  };
}

function ofRule(
  id: string,
  as: MapRule['as'],
  entry: SourceEntry,
  entries: readonly SourceEntry[],
  users: Users,
  rule: number,
): Description {
  const { kind, roles, people, upstream } = as;
  const sponsor = as.sponsor === CLAIMED_SPONSOR ? entry.sponsor : as.sponsor;
  // Nobody answers for themselves.
  const answers = sponsor !== null && fold(sponsor) !== fold(id) ? sponsor : null;
  return {
    id,
    kind,
    roles,
    groups: distinct([...as.groups, ...entries.flatMap(groupsOf)]),
    sponsor: answers,
    people,
    aliases: accounts(id, [...as.aliases, ...entries.flatMap(aliasesOf)], users),
    claimed: claims(entries, answers),
    upstream,
    because: { type: 'rule', rule },
  };
}

/** Of another source's name, or of none, they are none. */
function groupsOf({ source, groups }: SourceEntry): readonly string[] {
  return groups.slice(0, GROUPS_MAX).filter((group) => group.startsWith(`${source}:`));
}

function aliasesOf({ aliases }: SourceEntry): readonly string[] {
  return aliases.slice(0, ALIASES_MAX);
}

/** As users.yaml joins them: an address there that a source names, too, is one person's. */
function accounts(id: string, named: readonly string[], users: Users): readonly string[] {
  const all = [id, ...named].flatMap((one) => [one, ...users.linked(one)]);
  return distinct(all).filter((one) => one !== id);
}

function claims(entries: readonly SourceEntry[], sponsor: string | null): readonly string[] {
  const named = entries.flatMap((entry) => [entry.sponsor, ...entry.on_behalf_of.slice(0, ALIASES_MAX)]);
  return distinct(named.filter((one) => one !== null)).filter((one) => one !== sponsor);
}

/** One person of two sources may hold one address. */
function distinct(list: readonly string[]): readonly string[] {
  return [...new Set(list)];
}

/** Without control characters, and no longer than it should be: it stands in records, on cards and in errors. */
export function isId(id: string): boolean {
  return id !== '' && id.length <= ID_CHARS_MAX && !/\p{C}/u.test(id) && id.trim() === id;
}

/** `*` stands for any characters. In linear time: what a stranger calls itself is compared with it. */
export function fits(pattern: string, id: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return pattern === id;
  if (!id.startsWith(first) || !id.endsWith(last) || id.length < first.length + last.length) return false;
  const end = id.length - last.length;
  let at = first.length;
  for (const part of rest) {
    const found = id.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
