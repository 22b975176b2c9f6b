// identity.jwt: what is read, and what is refused with the key that is to blame.
import { expect, it } from 'vitest';
import { problemsOf } from './problems.ts';
import { issuers } from '../identity/tokens.ts';

const problems = (yaml: string) => problemsOf(() => issuers(yaml)).map((one) => one.replace(/^[^ ]* /, ''));

it('has where keys are, and defaults for the rest', () => {
  expect(issuers('- {issuer: "https://login.example/agents/", algorithms: [RS256]}')).toEqual([
    {
      issuer: 'https://login.example/agents/',
      keys: { from: 'discovery', url: 'https://login.example/agents/.well-known/openid-configuration', ca: null },
      algorithms: ['RS256'],
      audience: ['holdpoint-db'],
      type: null,
      lifetime_ms: 3_600_000,
      claims: {
        user: ['sub'],
        groups: ['groups'],
        sponsor: ['sponsor'],
        task: ['task'],
        on_behalf_of: ['on_behalf_of'],
      },
    },
  ]);
  const [own, file, url] = issuers(`
- {issuer: holdpoint, lifetime: 15m}
- {issuer: anything, file: keys.json, algorithms: [EdDSA], audience: [a, b], claims: {groups: null, user: [act, sub]}}
- {issuer: "urn:ci", jwks: "http://[::1]:8000/keys", algorithms: [ES256, ES384], type: at+jwt}`);
  expect(own).toMatchObject({
    keys: { from: 'own' },
    algorithms: ['EdDSA'],
    type: 'holdpoint-db+jwt',
    lifetime_ms: 900_000,
  });
  expect(file).toMatchObject({
    keys: { from: 'file', path: '/etc/holdpoint/keys.json' },
    audience: ['a', 'b'],
    claims: { groups: null, user: ['act', 'sub'], task: ['task'] },
  });
  expect(url).toMatchObject({ keys: { from: 'jwks', url: 'http://[::1]:8000/keys', ca: null }, type: 'at+jwt' });
});

it.each([
  ['{issuer: "https://a.example"}', 'identity.jwt[0].algorithms: is required'],
  ['{issuer: "https://a.example", algorithms: []}', 'identity.jwt[0].algorithms'],
  ['{issuer: "https://a.example", algorithms: [HS256]}', 'identity.jwt[0].algorithms[0]'],
  ['{issuer: "https://a.example", algorithms: [none]}', 'identity.jwt[0].algorithms[0]'],
  ['{issuer: "http://a.example", algorithms: [RS256]}', 'identity.jwt[0].issuer: needs https'],
  ['{issuer: a, algorithms: [RS256]}', 'identity.jwt[0].issuer: is not an address'],
  ['{issuer: a, jwks: "http://10.0.0.1/keys", algorithms: [RS256]}', 'identity.jwt[0].jwks: needs https'],
  ['{issuer: a, jwks: "ftp://a.example/keys", algorithms: [RS256]}', 'identity.jwt[0].jwks: needs https'],
  ['{issuer: a, jwks: "https://u:p@a.example/", algorithms: [RS256]}', 'identity.jwt[0].jwks: has a user'],
  [
    '{issuer: a, jwks: "https://a.example/", file: k, algorithms: [RS256]}',
    'identity.jwt[0].file: cannot stand beside',
  ],
  ['{issuer: a, file: k, algorithms: [RS256], lifetime: 25h}', 'identity.jwt[0].lifetime: is more than 24h'],
  ['{issuer: a, file: k, algorithms: [RS256], lifetime: 900}', 'identity.jwt[0].lifetime'],
  ['{issuer: a, file: k, algorithms: [RS256], claims: {sub: x}}', 'identity.jwt[0].claims.sub: unknown key'],
  ['{issuer: a, file: k, algorithms: [RS256], claims: {user: []}}', 'identity.jwt[0].claims.user: needs a claim'],
  ['{issuer: holdpoint, algorithms: [EdDSA]}', "identity.jwt[0].algorithms: is Holdpoint's own to say"],
  ['{issuer: holdpoint, file: keys.json}', "identity.jwt[0].file: is Holdpoint's own to say"],
])('%s is refused', (issuer, why) => {
  expect(problems(`- ${issuer}`)).toEqual([expect.stringContaining(why)]);
});

it('names each issuer once', () => {
  expect(problems('- issuer: holdpoint\n- issuer: holdpoint')).toEqual([
    'identity.jwt[1].issuer: is also jwt[0].issuer',
  ]);
});

it('takes no token that signs a reviewer in', () => {
  const yaml = (audience: string) =>
    `- {issuer: "https://login.example", algorithms: [RS256], audience: [holdpoint-db, ${audience}]}`;
  const oidc = '  oidc: {issuer: "https://login.example", client_id: console}';
  expect(problemsOf(() => issuers(yaml('other'), '/etc/holdpoint', oidc))).toEqual([]);
  expect(problemsOf(() => issuers(yaml('console'), '/etc/holdpoint', oidc))).toEqual([
    expect.stringContaining("identity.jwt[0].audience: is identity.oidc's client_id"),
  ]);
});
