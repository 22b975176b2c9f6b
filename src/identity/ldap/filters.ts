// What is asked of a directory, as the library's filter objects: a name that somebody typed is a value in them, whatever characters it has.
// Must never make a filter's text.
import { AndFilter, EqualityFilter, type Filter, NotFilter, OrFilter, PresenceFilter } from 'ldapts';
import { parseFilter, USER, type LdapUsers } from '../../config/ldap.ts';
import { escapeValue } from '../../config/ldap-dn.ts';

export interface UserFilters {
  /** The user with this name, as it was typed. */
  named(name: string): Filter;
  /** The user with this id. */
  identified(id: string): Filter;
  /** Any user. */
  readonly any: Filter;
}

export function userFilters({ filter, id }: LdapUsers): UserFilters {
  const template = filter === null ? null : parseFilter(filter);
  const any = template === null ? new PresenceFilter({ attribute: id }) : replaced(template, null);
  return {
    named: (name) => (template === null ? equal(id, name) : replaced(template, name)),
    identified: (value) => and([any, equal(id, value)]),
    any,
  };
}

/** `uid={user},ou=people` with the name in it as a value (RFC 4514). */
export function userDn(template: string, name: string): string {
  return template.replaceAll(USER, () => escapeValue(name));
}

export function equal(attribute: string, value: string): Filter {
  return new EqualityFilter({ attribute, value });
}

export function and(filters: readonly Filter[]): Filter {
  return new AndFilter({ filters: [...filters] });
}

export function or(filters: readonly Filter[]): Filter {
  return new OrFilter({ filters: [...filters] });
}

/** Null: whoever has a value there, where the name would be compared. Filters of others' kinds have no USER (config/ldap.ts). */
function replaced(filter: Filter, name: string | null): Filter {
  if (filter instanceof AndFilter) return and(filter.filters.map((part) => replaced(part, name)));
  if (filter instanceof OrFilter) return or(filter.filters.map((part) => replaced(part, name)));
  if (filter instanceof NotFilter) return new NotFilter({ filter: replaced(filter.filter, name) });
  if (!(filter instanceof EqualityFilter) || typeof filter.value !== 'string' || !filter.value.includes(USER))
    return filter;
  if (name === null) return new PresenceFilter({ attribute: filter.attribute });
  return equal(
    filter.attribute,
    filter.value.replaceAll(USER, () => name),
  );
}
