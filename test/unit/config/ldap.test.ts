// identity.ldap: what is refused, with the reason that is told, and names (RFC 4514) read, compared and made.
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ldapSchema } from '../../../src/config/ldap.ts';
import { escapeValue, foldDn, isUnder, parseDn } from '../../../src/config/ldap-dn.ts';
import { BadReference } from '../../../src/config/references.ts';

const schema = ldapSchema({
  sources: { env: { LDAP_PASSWORD: 'secret', EMPTY: '' }, dir: '/' },
  pem: z.string(),
  using: (read) => (value, context) => {
    try {
      return read(value);
    } catch (error) {
      if (!(error instanceof BadReference)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  },
});
const BASE = 'dc=example,dc=com';
const GOOD = {
  servers: ['ldaps://one.example', 'ldap://two.example:1389'],
  bind: { dn: `cn=holdpoint,${BASE}`, password: '${LDAP_PASSWORD}' },
  users: { base: `ou=people,${BASE}` },
};
/** `key: what is wrong`. */
const problems = (change: object): readonly string[] => {
  const { error } = schema.safeParse({ ...GOOD, ...change });
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
};
const users = (more: object): object => ({ users: { ...GOOD.users, ...more } });

describe('identity.ldap', () => {
  it('defaults to TLS, the uid as id, and time limits on everything', () => {
    expect(schema.parse(GOOD)).toEqual({
      servers: [
        { host: 'one.example', port: 636, security: 'tls' },
        { host: 'two.example', port: 1389, security: 'starttls' },
      ],
      ca: null,
      bind: { dn: `cn=holdpoint,${BASE}`, password: 'secret' },
      users: { base: `ou=people,${BASE}`, filter: null, dn: null, id: 'uid', aliases: ['mail'] },
      groups: null,
      connect_timeout_ms: 3000,
      operation_timeout_ms: 3000,
      timeout_ms: 10_000,
    });
  });

  it('takes ldap:// in clear on loopback addresses only', () => {
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '127.9.9.9:1389'])
      expect(problems({ servers: [`ldap://${host}`], start_tls: false })).toEqual([]);
    for (const host of ['directory.example', '10.0.0.1', '0.0.0.0', '[fd00::1]', 'localhost.example'])
      expect(problems({ servers: ['ldaps://one.example', `ldap://${host}`], start_tls: false })).toEqual([
        'servers.1: would be sent passwords in clear; use ldaps://, or start_tls: true',
      ]);
  });

  it.each<[string, object, string]>([
    ['another protocol', { servers: ['https://one.example'] }, 'servers.0: is neither ldaps:// nor ldap://'],
    ['no address', { servers: ['one.example'] }, 'servers.0: is not ldaps://host:636 or ldap://host:389'],
    [
      'a path',
      { servers: ['ldaps://one.example/dc=x'] },
      'servers.0: has more than host and port; users: and groups: say where to look',
    ],
    ['a login', { servers: ['ldaps://a:b@one.example'] }, 'servers.0: has a login in it; bind: says who searches'],
    [
      'a literal password',
      { bind: { dn: BASE, password: 'secret' } },
      'bind.password: needs file:path or ${VARIABLE}, not the password itself',
    ],
    ['an empty password', { bind: { dn: BASE, password: '${EMPTY}' } }, 'bind.password: refers to an empty password'],
    [
      'a password that is not there',
      { bind: { dn: BASE, password: '${NONE}' } },
      'bind.password: refers to the environment variable NONE, which is not set',
    ],
    [
      'nobody who searches',
      { bind: undefined },
      'bind: is required: somebody has to search (or users.dn, or anonymous: true)',
    ],
    ['both', { anonymous: true }, 'anonymous: contradicts bind'],
    ['no DN', users({ base: 'people' }), 'users.base: is not a DN such as ou=people,dc=example,dc=com'],
    ['no filter', users({ filter: '(uid={user}' }), 'users.filter: is not a filter such as (uid={user})'],
    [
      'a filter without a name',
      users({ filter: '(uid=*)' }),
      'users.filter: does not have {user}, the name that was typed',
    ],
    [
      'a part of a name',
      users({ filter: '(uid={user}*)' }),
      'users.filter: has {user} elsewhere than in the value of an equality, such as (uid={user})',
    ],
    [
      'a name that is not one',
      users({ filter: '(&(uid={user})(!(cn={user})))' }),
      'users.filter: has {user} elsewhere than in the value of an equality, such as (uid={user})',
    ],
    [
      'bytes',
      users({ filter: String.raw`(&(uid={user})(cn=\c3\a4))` }),
      'users.filter: escapes what is not ASCII; write the character itself',
    ],
    ['a DN without a name', users({ dn: BASE }), 'users.dn: does not have {user}, the name that was typed'],
    [
      'a name as a type',
      users({ dn: `{user}=x,${BASE}` }),
      'users.dn: is not a DN such as ou=people,dc=example,dc=com',
    ],
    ['an attribute', users({ id: 'uid=x' }), 'users.id: is not the name of an attribute'],
    [
      'a name for groups',
      { groups: { base: BASE, filter: '(cn={user})' } },
      'groups.filter: has {user}, which says nothing here',
    ],
    ['a name in a base', users({ base: `ou={user},${BASE}` }), 'users.base: has {user}, which says nothing here'],
  ])('refuses %s', (_, change, what) => {
    expect(problems(change)).toEqual([what]);
  });
});

describe('a DN', () => {
  it.each([
    [
      'uid=ada,ou=people,dc=example',
      [
        ['uid', 'ada'],
        ['ou', 'people'],
        ['dc', 'example'],
      ],
    ],
    [
      'UID = ada , OU=a b  ;dc="x, y"',
      [
        ['uid', 'ada'],
        ['ou', 'a b'],
        ['dc', 'x, y'],
      ],
    ],
    [
      String.raw`cn=Doe\, J\c3\a4n\ ,2.5.4.10=\#x`,
      [
        ['cn', 'Doe, Jän '],
        ['2.5.4.10', '#x'],
      ],
    ],
    ['cn=#04024869', [['cn', '#04024869']]],
    ['cn=', [['cn', '']]],
  ])('%s', (text, parts) => {
    expect(
      parseDn(text)
        ?.flat()
        .map(({ type, value }) => [type, value]),
    ).toEqual(parts);
  });

  it.each([
    '',
    'ada',
    'cn=a,',
    ',cn=a',
    'cn=a,,cn=b',
    'cn=a"b',
    'cn=a\0',
    'cn=a\\',
    '=a',
    'cn=<',
    `cn=${'x'.repeat(9000)}`,
    ' '.repeat(8000),
  ])('is not %j', (text) => {
    expect(parseDn(text)).toBeNull();
  });

  it('is the same however it is spelled, and under its base', () => {
    const base = foldDn('OU=Groups , dc=Example,dc=com') ?? [];
    expect(foldDn(String.raw`cn=DB\41s,ou=groups,DC=example,DC=com`)).toEqual(
      foldDn('CN=dbas, ou=groups,dc=example,dc=com'),
    );
    expect(foldDn('cn=a+uid=b')).toEqual(foldDn('UID=b+CN=A'));
    expect(isUnder(foldDn('cn=dba,ou=groups,dc=example,dc=com') ?? [], base)).toBe(true);
    expect(isUnder(base, base)).toBe(true);
    expect(isUnder(foldDn(String.raw`cn=dba\,ou=groups,dc=example,dc=com`) ?? [], base)).toBe(false);
    expect(isUnder(foldDn('dc=example,dc=com') ?? [], base)).toBe(false);
  });

  it.each([
    'ada',
    'a,b',
    'x+uid=root',
    '"quoted"',
    ' space ',
    '#hash',
    'back\\slash',
    'null\0',
    'Jän;<>=',
    '',
    '\u{1f600}',
  ])('has %j as a value, and nothing but a value', (value) => {
    const parsed = parseDn(`uid=${escapeValue(value)},ou=people`);
    expect(parsed?.map((rdn) => rdn.map((part) => [part.type, part.value]))).toEqual([
      [['uid', value]],
      [['ou', 'people']],
    ]);
  });
});
