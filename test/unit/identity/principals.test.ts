// What a principal is: users.yaml before rules, the first rule that fits, and what a claim can never give.
import fc from 'fast-check';
import { describe as suite, expect, it } from 'vitest';
import { type Description, describe, fits, type Known } from '../../../src/identity/principals.ts';
import type { SourceEntry } from '../../../src/identity/types.ts';
import { problemsOf } from '../config/problems.ts';
import { entryOf, mapOf, usersOf } from './people.ts';

const KNOWN: Known = {
  users: usersOf(`users:
  - {id: ada, kind: human, roles: [reviewer], aliases: [ada@example.com]}
  - {id: ben, kind: human, groups: [team], roles: [reviewer]}
  - {id: etl, kind: agent, sponsor: ada, groups: [jobs]}
  - {id: cert-only, kind: agent, sponsor: ada, from: [certificate]}
`),
  map: mapOf(`
- {from: ldap, group: "ldap:agents", id: "report-*", as: {kind: agent, sponsor: ada, groups: [reports], people: [ben]}}
- {from: ldap, group: "ldap:agents", as: {kind: agent, sponsor: ben}}
- {from: ldap, group: "ldap:dba", as: {kind: human, roles: [reviewer]}}
- {from: jwt, as: {kind: agent, sponsor: "{sponsor}", upstream: {user: agents, password: "\${SECRET}"}}}
`),
};

const of = (...entries: readonly SourceEntry[]) => describe((entries[0] as SourceEntry).id, entries, KNOWN);

suite('what counts', () => {
  it('the first rule that fits, by source, group and id', () => {
    expect(of(entryOf('ldap', 'report-7', { groups: ['ldap:agents', 'ldap:all'] }))).toMatchObject({
      kind: 'agent',
      sponsor: 'ada',
      groups: ['reports', 'ldap:agents', 'ldap:all'],
      people: ['ben'],
      because: { type: 'rule', rule: 0 },
    });
    expect(of(entryOf('ldap', 'other', { groups: ['ldap:agents'] }))).toMatchObject({
      sponsor: 'ben',
      because: { rule: 1 },
    });
    expect(of(entryOf('ldap', 'ines', { groups: ['ldap:dba'] }))).toMatchObject({ kind: 'human', roles: ['reviewer'] });
  });

  it('nobody without one, and never by a group of another source or without its source', () => {
    expect(of(entryOf('ldap', 'x', { groups: ['ldap:others'] }))).toBe('no-group');
    expect(of(entryOf('ldap', 'x', { groups: ['dba', 'oidc:dba', 'LDAP:dba', 'ldap:DBA'] }))).toBe('no-group');
    expect(of(entryOf('oidc', 'x', { groups: ['ldap:dba'] }))).toBe('no-rule');
    expect(describe('x', [], KNOWN)).toBe('no-entry');
  });

  it('users.yaml before rules: its kind, roles and sponsor, its groups and those of the source', () => {
    expect(of(entryOf('ldap', 'etl', { groups: ['ldap:dba', 'team'], sponsor: 'ben' }))).toMatchObject({
      kind: 'agent',
      roles: [],
      sponsor: 'ada',
      groups: ['jobs', 'ldap:dba'],
      claimed: ['ben'],
      because: { type: 'user' },
    });
  });

  it('a user that only some sources may vouch for', () => {
    expect(of(entryOf('certificate', 'cert-only'))).toMatchObject({ kind: 'agent' });
    expect(of(entryOf('ldap', 'cert-only', { groups: ['ldap:agents'] }))).toBe('not-from-there');
    expect(describe('cert-only', [], KNOWN)).toBe('not-from-there');
  });

  it('an address that both know makes one person of two accounts', () => {
    const found = of(entryOf('ldap', 'ada.lovelace', { groups: ['ldap:dba'], aliases: ['Ada@Example.com'] }));
    expect((found as Description).aliases).toEqual(expect.arrayContaining(['Ada@Example.com', 'ada']));
  });

  it('another spelling of a user of ours, and ids that are none', () => {
    expect(of(entryOf('jwt', 'ADA'))).toBe('spelled-otherwise');
    for (const id of ['', 'a\0b', 'a\nb', ' a', 'a\u202eb', 'x'.repeat(256)])
      expect(of(entryOf('jwt', id))).toBe('bad-id');
    expect(of(entryOf('jwt', 'spiffe://example.org/ns/prod/sa/etl'))).toMatchObject({ kind: 'agent' });
  });

  it('a sponsor by claim, where a rule says so; nobody is their own', () => {
    expect(of(entryOf('jwt', 'a', { sponsor: 'ben', on_behalf_of: ['carl'] }))).toMatchObject({
      sponsor: 'ben',
      claimed: ['carl'],
      upstream: { user: 'agents', password: { type: 'value', value: 's3cret' } },
    });
    expect(of(entryOf('jwt', 'a'))).toMatchObject({ sponsor: null, claimed: [] });
    expect(of(entryOf('jwt', 'a', { sponsor: 'A' }))).toMatchObject({ sponsor: null, claimed: ['A'] });
    expect(of(entryOf('ldap', 'r', { groups: ['ldap:agents'], sponsor: 'carl' }))).toMatchObject({
      sponsor: 'ben',
      claimed: ['carl'],
    });
  });
});

suite('what may stand in the files', () => {
  const wrong = (text: string) => (why: RegExp) => expect(() => mapOf(text)).toThrow(why);
  it.each([
    ['- {from: ldap, group: "dba", as: {kind: agent}}', /needs ldap: before it/],
    ['- {from: ldap, group: "oidc:dba", as: {kind: agent}}', /needs ldap: before it/],
    ['- {from: ldap, as: {kind: human, roles: [reviewer]}}', /everybody of ldap would have them/],
    ['- {from: jwt, as: {kind: agent, roles: [reviewer]}}', /an agent can have none/],
    ['- {from: jwt, as: {kind: agent, sponsor: "{on_behalf_of}"}}', /no other claim says who answers for it/],
    ['- {from: jwt, as: {kind: agent, groups: ["ldap:dba"]}}', /which only that source gives/],
    ['- {from: local, as: {kind: agent}}', /from/],
    ['- {from: jwt, as: {kind: agent, upstream: {user: u, password: hunter2}}}', /not the password itself/],
    ['- {from: jwt, as: {kind: agent, upstream: {user: u, password: {command: []}}}}', /upstream/],
    ['- {from: jwt, as: {kind: agent, upstream: {user: u, password: {command: [v], refresh: 1}}}}', /upstream/],
    ['- {from: jwt, as: {kind: agent}, when: x}', /when/],
  ])('refuses %s', (text, why) => wrong(text)(why));

  it('a group of users.yaml that looks like a source’s, a verifier that nobody looks at', () => {
    expect(problemsOf(() => usersOf('users: [{id: a, kind: human, groups: ["ldap:dba"]}]'))[0]).toMatch(
      /^users\.yaml:1: users\[0\]\.groups\[0\] \(a\): begins like a group of a source/,
    );
    expect(problemsOf(() => usersOf('users: [{id: a, kind: human, groups: ["Oidc:x"]}]'))).toHaveLength(1);
    expect(problemsOf(() => usersOf('users: [{id: a, kind: human, groups: ["team:x"]}]'))).toEqual([]);
    const verifier = `*${'A'.repeat(40)}`;
    expect(problemsOf(() => usersOf(`users: [{id: a, kind: human, from: [ldap], mysql: "${verifier}"}]`))[0]).toMatch(
      /mysql \(a\): is never looked at: from has no 'local'/,
    );
  });
});

it('property: no claim changes what somebody is, but groups of its source and, by a rule, its sponsor', () => {
  const name = fc.constantFrom('ada', 'ben', 'carl', 'etl', 'dba', 'ldap:dba', 'oidc:dba', 'jwt:x', 'reviewer');
  const some = fc.array(name, { maxLength: 3 });
  const claims = fc.record({
    aliases: some,
    sponsor: fc.option(name),
    on_behalf_of: some,
    task: fc.option(name),
  });
  const who = fc.constantFrom(
    entryOf('jwt', 'a'),
    entryOf('ldap', 'etl'),
    entryOf('ldap', 'r', { groups: ['ldap:agents'] }),
  );
  fc.assert(
    fc.property(who, claims, (entry, more) => {
      const bare = of(entry) as Description;
      const claimed = of({ ...entry, ...more }) as Description;
      const { kind, roles, groups, people, upstream, because } = bare;
      expect(claimed).toMatchObject({ kind, roles, groups, people, upstream, because });
      if (entry.source !== 'jwt') expect(claimed.sponsor).toBe(bare.sponsor);
      // Whoever was barred stays so, and whoever is named is barred.
      const barred = ({ sponsor, aliases, claimed: by, people: of_them }: Description) => [
        sponsor,
        ...aliases,
        ...by,
        ...of_them,
      ];
      expect(barred(claimed)).toEqual(expect.arrayContaining(barred(bare).filter((one) => one !== null)));
      for (const one of [...more.aliases, ...more.on_behalf_of, more.sponsor])
        if (one !== null && one !== entry.id) expect(barred(claimed)).toContain(one);
    }),
    { numRuns: 1000 },
  );
});

suite('patterns of ids', () => {
  it.each([
    ['*', '', true],
    ['a', 'a', true],
    ['a', 'ab', false],
    ['a*', 'abc', true],
    ['*c', 'abc', true],
    ['a*c', 'ac', true],
    ['ab*ba', 'aba', false],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'acb', false],
    ['spiffe://x/*/sa/*', 'spiffe://x/ns/sa/etl', true],
    ['a.c', 'abc', false],
  ])('%s and %s', (pattern, id, expected) => expect(fits(pattern, id)).toBe(expected));

  // One that tried every way would not come back.
  it('many stars', () => expect(fits(`${'a*'.repeat(100)}b`, 'a'.repeat(255))).toBe(false));
});
