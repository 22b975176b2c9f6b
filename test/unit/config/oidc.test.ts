// identity.oidc: what is read, what is refused, and that no secret is told.
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/config.ts';
import { problemsOf } from './problems.ts';

const parse = (oidc: string, review = 'listen: 127.0.0.1:8080, url: "https://holdpoint.example/"') =>
  parseConfig(
    `data: ./data
policy: policy.yaml
postgres:
  - {name: app, listen: 127.0.0.1:6432, upstream: "postgres://gateway:p@db:5432/app"}
review: {${review}}
identity: {users: users.yaml, oidc: {${oidc}}}
`,
    { file: '/etc/holdpoint/holdpoint.yaml', shown: 'holdpoint.yaml', env: { SECRET: 'hunter2' } },
  );
const problems = (...given: Parameters<typeof parse>) => problemsOf(() => parse(...given));

describe('identity.oidc', () => {
  it('fills in its defaults', () => {
    expect(
      parse('issuer: "https://login.example/", client_id: holdpoint, client_secret: "${SECRET}"').identity.oidc,
    ).toEqual({
      issuer: 'https://login.example/',
      client_id: 'holdpoint',
      client_secret: 'hunter2',
      scopes: ['openid', 'profile'],
      id_claim: 'sub',
      groups_claim: 'groups',
      acr: [],
      amr: [],
      max_age_s: null,
      groups_max_age_s: 900,
      ca: null,
    });
  });

  it('always asks for openid', () => {
    const { scopes } = parse('issuer: "http://localhost:9", client_id: a, scopes: [groups]').identity.oidc ?? {};
    expect(scopes).toEqual(['openid', 'groups']);
  });

  it.each([
    ['issuer: "http://login.example", client_id: a', 'issuer: needs https; http is for a loopback address'],
    ['issuer: "https://login.example?x=1", client_id: a', 'issuer: is an address and nothing after or in it'],
    ['issuer: "https://u:p@login.example", client_id: a', 'issuer: is an address and nothing after or in it'],
    ['issuer: login.example, client_id: a', 'issuer: is no address: https://login.example'],
    [
      'issuer: "https://x", client_id: a, client_secret: hunter2',
      'client_secret: needs ${VARIABLE} or file:<path>, not the secret itself',
    ],
    ['issuer: "https://x"', 'client_id: is required'],
    ['issuer: "https://x", client_id: a, scopes: ["a b"]', 'scopes[0]: is not one word'],
    ['issuer: "https://x", client_id: a, scope: openid', 'scope: unknown key'],
  ])('%s', (oidc, problem) => {
    expect(problems(oidc)).toEqual([`holdpoint.yaml:6: identity.oidc.${problem}`]);
  });

  it('needs to know where reviewers open the page', () => {
    expect(problems('issuer: "https://x", client_id: a', 'listen: 127.0.0.1:8080')).toEqual([
      'holdpoint.yaml:6: identity.oidc: needs review.url: the provider sends browsers back to <review.url>/oidc/callback',
    ]);
  });
});
