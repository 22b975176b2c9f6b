// Which groups somebody is in, over groups of groups. All of them or a fault: a group that is missing may be the one that a rule is about.
// Must never follow a loop twice, nor take for a group what lies outside of the groups' base.
import { type Entry, type Filter, PresenceFilter } from 'ldapts';
import { type LdapGroups, parseFilter } from '../../config/ldap.ts';
import { foldDn, foldValue, isUnder, parseDn } from '../../config/ldap-dn.ts';
import { DirectoryFault, NO_SUCH_OBJECT, type Search } from './ask.ts';
import { foldedDn, valuesOf } from './entries.ts';
import { and, equal, or } from './filters.ts';

/** Of one principal. */
export const GROUPS_MAX = 1000;
/** Groups in groups in groups. */
export const DEPTH_MAX = 16;
/** DNs in one filter. */
const DNS_A_SEARCH_MAX = 50;
/** A longer name is no group's that a policy could write. */
const NAME_CHARS_MAX = 256;

/** Rejects with DirectoryFault. */
type Ask = (search: Search) => Promise<readonly Entry[]>;

interface Group {
  readonly dn: string;
  readonly name: string | null;
  readonly member_of: readonly string[];
}

/** Names as policies write them (`ldap:dba`), sorted. `member_of`: the values of the user's own attribute. Rejects with DirectoryFault. */
export async function groupsOf(
  ask: Ask,
  config: LdapGroups,
  user: { readonly dn: string; readonly member_of: readonly string[] },
): Promise<readonly string[]> {
  const seen = new Map<string, Group>();
  let members: readonly { readonly dn: string; readonly member_of: readonly string[] }[] = [user];
  for (let depth = 0; members.length > 0; depth += 1) {
    if (depth > DEPTH_MAX) throw new DirectoryFault('limit', `groups are more than ${DEPTH_MAX} deep`);
    const found = [
      ...(config.by === 'memberOf' ? [] : await naming(ask, config, members)),
      ...(config.by === 'member' ? [] : await named(ask, config, members, seen)),
    ];
    const fresh: Group[] = [];
    for (const entry of found) {
      const key = JSON.stringify(foldedDn(entry));
      if (seen.has(key)) continue;
      const group = groupOf(entry, config);
      seen.set(key, group);
      fresh.push(group);
    }
    if (seen.size > GROUPS_MAX) throw new DirectoryFault('limit', `somebody is in more than ${GROUPS_MAX} groups`);
    if (!config.nested) break;
    members = fresh;
  }
  const names = [...seen.values()].flatMap(({ name }) => (name === null ? [] : [`ldap:${name}`]));
  return [...new Set(names)].toSorted();
}

/** Groups that name one of these as a member. */
async function naming(
  ask: Ask,
  config: LdapGroups,
  members: readonly { readonly dn: string }[],
): Promise<readonly Entry[]> {
  const found: Entry[] = [];
  for (let at = 0; at < members.length; at += DNS_A_SEARCH_MAX) {
    const some = members.slice(at, at + DNS_A_SEARCH_MAX).map(({ dn }) => equal(config.member, dn));
    const filter = and([groupFilter(config), or(some)]);
    found.push(...(await ask({ ...common(config), base: config.base, scope: 'sub', filter, entries_max: GROUPS_MAX })));
  }
  return found;
}

/** Groups that these name as theirs: read one by one, as every directory can. */
async function named(
  ask: Ask,
  config: LdapGroups,
  members: readonly { readonly member_of: readonly string[] }[],
  seen: ReadonlyMap<string, Group>,
): Promise<readonly Entry[]> {
  const base = foldDn(config.base) ?? [];
  const wanted = new Map<string, string>();
  for (const dn of members.flatMap(({ member_of }) => member_of)) {
    const folded = foldDn(dn);
    if (folded === null) throw new DirectoryFault('answer', `${config.member_of} has a value that is no DN`);
    const key = JSON.stringify(folded);
    if (isUnder(folded, base) && !seen.has(key)) wanted.set(key, dn);
  }
  if (seen.size + wanted.size > GROUPS_MAX)
    throw new DirectoryFault('limit', `somebody is in more than ${GROUPS_MAX} groups`);
  const found: Entry[] = [];
  for (const dn of wanted.values()) {
    try {
      const search: Search = {
        ...common(config),
        base: dn,
        scope: 'base',
        filter: groupFilter(config),
        entries_max: 1,
      };
      found.push(...(await ask(search)));
    } catch (error) {
      // A group that was deleted, and is still named.
      if (!(error instanceof DirectoryFault && error.code === NO_SUCH_OBJECT)) throw error;
    }
  }
  return found;
}

function common(config: LdapGroups): Pick<Search, 'attributes'> {
  return { attributes: config.by === 'member' ? [config.name] : [config.name, config.member_of] };
}

function groupFilter({ filter }: LdapGroups): Filter {
  return filter === null ? new PresenceFilter({ attribute: 'objectClass' }) : parseFilter(filter);
}

function groupOf(entry: Entry, config: LdapGroups): Group {
  return {
    dn: entry.dn,
    name: nameOf(entry, config.name),
    member_of: config.by === 'member' ? [] : valuesOf(entry, config.member_of),
  };
}

/**
 * The value that is in its DN, which no other entry there can have; without one the only value. Null: it has none that can be told, and is
 * a group for those that are in it only.
 */
function nameOf(entry: Entry, attribute: string): string | null {
  const values = valuesOf(entry, attribute).filter((value) => value.length <= NAME_CHARS_MAX && !/\p{Cc}/u.test(value));
  const rdn = parseDn(entry.dn)?.[0]?.find(({ type }) => type === attribute.toLowerCase());
  const own = rdn === undefined ? undefined : values.find((value) => foldValue(value) === foldValue(rdn.value));
  return own ?? (values.length === 1 ? (values[0] ?? null) : null);
}
