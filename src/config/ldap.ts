// identity.ldap in holdpoint.yaml: which directory is asked, over what, and where in it users and groups are. Values only.
// Must never let a password go over a network in clear, or a name that somebody typed become part of a filter's or a DN's structure.
import { AndFilter, EqualityFilter, type Filter, FilterParser, NotFilter, OrFilter } from 'ldapts';
import { z } from 'zod';
import { addressIn, isLocalName, reachOf } from './addresses.ts';
import { parseDn } from './ldap-dn.ts';
import { BadReference, expand, secretFile, type Sources } from './references.ts';

/** Stands for the name that was typed, in `users.filter` and `users.dn`. */
export const USER = '{user}';

export interface LdapServer {
  readonly host: string;
  readonly port: number;
  /** tls: from the first byte (ldaps://). starttls: before anything else is sent. none: loopback only. */
  readonly security: 'tls' | 'starttls' | 'none';
}

export interface LdapUsers {
  readonly base: string;
  /** RFC 4515; USER stands for the name. Null: the id attribute is the name. */
  readonly filter: string | null;
  /** DN to bind with (RFC 4514), USER stands for the name. Null: it is searched for. */
  readonly dn: string | null;
  /** The attribute whose value is the principal's id. */
  readonly id: string;
  /** Attributes whose values are other names of the same one. */
  readonly aliases: readonly string[];
}

export interface LdapGroups {
  readonly base: string;
  /** RFC 4515. Null: whatever has the member is a group. */
  readonly filter: string | null;
  /** member: groups name their members. memberOf: members name their groups. */
  readonly by: 'member' | 'memberOf' | 'both';
  readonly member: string;
  readonly member_of: string;
  /** The attribute whose value is the group's name. */
  readonly name: string;
  /** Groups of groups, too. */
  readonly nested: boolean;
}

export interface LdapConfig {
  /** In the order in which they are asked. */
  readonly servers: readonly LdapServer[];
  /** PEM text; null: the system's authorities. */
  readonly ca: string | null;
  /** Who searches. anonymous: nobody. null: users bind directly and read themselves; nobody can be read later. */
  readonly bind: { readonly dn: string; readonly password: string } | 'anonymous' | null;
  readonly users: LdapUsers;
  readonly groups: LdapGroups | null;
  /** TCP and TLS together. */
  readonly connect_timeout_ms: number;
  /** One bind or one search. */
  readonly operation_timeout_ms: number;
  /** A whole login, or one reading of somebody, waiting for its turn included. */
  readonly timeout_ms: number;
}

interface Parts {
  readonly sources: Sources;
  /** The content of the PEM file that a value names. */
  readonly pem: z.ZodType<string, string>;
  readonly using: <V, T>(read: (value: V) => T) => (value: V, context: z.RefinementCtx) => T;
}

const SERVERS_MAX = 8;
const ALIAS_ATTRIBUTES_MAX = 10;
/** RFC 4512, 1.4: descr, or a numeric OID; options such as ;binary are none of ours. */
const ATTRIBUTE = /^(?:[A-Za-z][A-Za-z0-9-]{0,63}|\d+(?:\.\d+){1,31})$/;

/** `identity.ldap`, with references resolved. */
export function ldapSchema({ sources, pem, using }: Parts) {
  const attribute = z.string().regex(ATTRIBUTE, 'is not the name of an attribute');
  const dn = z
    .string()
    .min(1)
    .transform(using((value) => baseDn(expand(value, sources))));
  const filter = (with_user: boolean) =>
    z
      .string()
      .min(1)
      .transform(
        using((value) => {
          const text = expand(value, sources);
          checkFilter(text, with_user);
          return text;
        }),
      );
  const milliseconds = (most: number) => z.int().min(50).max(most);

  return z
    .strictObject({
      servers: z
        .array(z.string().transform(using((value) => ldapUrl(expand(value, sources)))))
        .min(1)
        .max(SERVERS_MAX)
        .describe('ldaps://host:636 or ldap://host:389, asked in this order: the next one when one is down'),
      start_tls: z
        .boolean()
        .default(true)
        .describe('ldap:// goes on with TLS before anything is sent; false: in clear, on loopback addresses only'),
      ca: pem.nullable().default(null).describe("PEM file of the authorities to trust instead of the system's"),
      bind: z
        .strictObject({
          dn,
          password: z
            .string()
            .transform(using((value) => reference(value, sources)))
            .describe('${VARIABLE} or file:<path>'),
        })
        .optional()
        .describe('the account that searches; it needs to read users and groups, nothing else'),
      anonymous: z.boolean().default(false).describe('the directory lets anybody search: nobody binds for it'),
      users: z.strictObject({
        base: dn.describe('where users are, such as ou=people,dc=example,dc=com'),
        filter: filter(true)
          .nullable()
          .default(null)
          .describe(
            'who is a user, {user} is the name that was typed: (&(objectClass=person)(|(uid={user})(mail={user}))). Default: the id attribute is the name',
          ),
        dn: z
          .string()
          .transform(using((value) => dnTemplate(expand(value, sources))))
          .nullable()
          .default(null)
          .describe('bind with this DN instead of searching first: uid={user},ou=people,dc=example,dc=com'),
        id: attribute.default('uid').describe('the attribute whose value is the id that Holdpoint knows one by'),
        aliases: z
          .array(attribute)
          .max(ALIAS_ATTRIBUTES_MAX)
          .default(['mail'])
          .describe('attributes with other names of the same one; the DN always is one'),
      }),
      groups: z
        .strictObject({
          base: dn.describe('where groups are; what lies elsewhere is no group'),
          filter: filter(false).nullable().default(null).describe('what is a group: (objectClass=groupOfNames)'),
          by: z
            .enum(['member', 'memberOf', 'both'])
            .default('member')
            .describe('member: groups name their members; memberOf: members name their groups'),
          member: attribute.default('member').describe('the attribute with the DNs of members, such as uniqueMember'),
          member_of: attribute.default('memberOf').describe('the attribute with the DNs of groups'),
          name: attribute.default('cn').describe("the attribute with a group's name: ldap:<name> in policies"),
          nested: z.boolean().default(true).describe('groups of groups, too'),
        })
        .optional()
        .describe('without it nobody is in any'),
      connect_timeout_ms: milliseconds(60_000).default(3000).describe('connecting, TLS included'),
      operation_timeout_ms: milliseconds(60_000).default(3000).describe('one answer of the directory'),
      timeout_ms: milliseconds(120_000).default(10_000).describe('a whole login, waiting for its turn included'),
    })
    .superRefine(({ servers, start_tls, bind, anonymous, users }, context) => {
      const problem = (path: PropertyKey[], message: string) => context.addIssue({ code: 'custom', path, message });
      servers.forEach(({ tls, loopback }, index) => {
        if (!tls && !start_tls && !loopback)
          problem(['servers', index], 'would be sent passwords in clear; use ldaps://, or start_tls: true');
      });
      if (bind !== undefined && anonymous) problem(['anonymous'], 'contradicts bind');
      if (bind === undefined && !anonymous && users.dn === null)
        problem(['bind'], 'is required: somebody has to search (or users.dn, or anonymous: true)');
    })
    .transform(({ servers, start_tls, bind, anonymous, groups, ...rest }): LdapConfig => {
      const in_clear = start_tls ? 'starttls' : 'none';
      return {
        ...rest,
        servers: servers.map(({ host, port, tls }) => ({ host, port, security: tls ? 'tls' : in_clear })),
        bind: bind ?? (anonymous ? 'anonymous' : null),
        groups: groups ?? null,
      };
    });
}

/** The parsed filter; never made of anything but configuration. Throws BadReference. */
export function parseFilter(text: string): Filter {
  try {
    return FilterParser.parseString(text);
  } catch {
    throw new BadReference('is not a filter such as (uid={user})');
  }
}

/** `with_user`: USER must stand in it, as the value or a part of the value of equality matches that no NOT is around. */
function checkFilter(text: string, with_user: boolean): void {
  // The parser takes each escaped byte for a character of its own.
  if (/\\[89a-fA-F][0-9a-fA-F]/.test(text))
    throw new BadReference('escapes what is not ASCII; write the character itself');
  const users = count(parseFilter(text), false);
  const all = written(text);
  if (!with_user && all > 0) throw new BadReference(`has ${USER}, which says nothing here`);
  if (with_user && all === 0) throw new BadReference(`does not have ${USER}, the name that was typed`);
  if (with_user && users < all)
    throw new BadReference(`has ${USER} elsewhere than in the value of an equality, such as (uid=${USER})`);
}

/** Equalities with USER in their value, but for those that are negated. */
function count(filter: Filter, negated: boolean): number {
  if (filter instanceof AndFilter || filter instanceof OrFilter)
    return filter.filters.reduce((sum, part) => sum + count(part, negated), 0);
  if (filter instanceof NotFilter) return count(filter.filter, true);
  if (!(filter instanceof EqualityFilter) || negated || typeof filter.value !== 'string') return 0;
  return written(filter.value);
}

function baseDn(text: string): string {
  if (text.includes(USER)) throw new BadReference(`has ${USER}, which says nothing here`);
  return checkedDn(text);
}

function dnTemplate(text: string): string {
  if (!text.includes(USER)) throw new BadReference(`does not have ${USER}, the name that was typed`);
  const values = parseDn(checkedDn(text))?.flat() ?? [];
  if (values.reduce((sum, { value }) => sum + written(value), 0) < written(text))
    throw new BadReference(`has ${USER} elsewhere than in a value, such as uid=${USER},ou=people,dc=example,dc=com`);
  return text;
}

/** How often USER stands in it. */
function written(text: string): number {
  return text.split(USER).length - 1;
}

function checkedDn(text: string): string {
  if (parseDn(text) === null) throw new BadReference('is not a DN such as ou=people,dc=example,dc=com');
  return text;
}

/** `${VARIABLE}` or `file:<path>`: never the password itself. */
function reference(value: string, sources: Sources): string {
  const password = value.startsWith('file:') ? secretFile(value, sources) : null;
  if (password === null && !/^\$\{[^}]*\}$/.test(value))
    throw new BadReference('needs file:path or ${VARIABLE}, not the password itself');
  const found = password ?? expand(value, sources);
  // A bind without a password succeeds as anonymous (RFC 4513, 5.1.2).
  if (found === '') throw new BadReference('refers to an empty password');
  return found;
}

function ldapUrl(text: string): { host: string; port: number; tls: boolean; loopback: boolean } {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new BadReference('is not ldaps://host:636 or ldap://host:389');
  }
  if (url.protocol !== 'ldaps:' && url.protocol !== 'ldap:') throw new BadReference('is neither ldaps:// nor ldap://');
  if (url.username !== '' || url.password !== '') throw new BadReference('has a login in it; bind: says who searches');
  if (!/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '')
    throw new BadReference('has more than host and port; users: and groups: say where to look');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (host === '') throw new BadReference('names no host');
  const address = addressIn(url);
  const tls = url.protocol === 'ldaps:';
  return {
    host,
    port: url.port === '' ? (tls ? 636 : 389) : Number(url.port),
    tls,
    loopback: address === null ? isLocalName(host) : reachOf(address) === 'loopback',
  };
}
