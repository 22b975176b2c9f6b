// What `holdpoint check` says of issuers of tokens and of the sign-in provider, before real ones (oidc-provider) and before one that is wrong in
// one thing at a time: programs of their own, on this machine.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { checkSources } from '../../src/cli/check-identity.ts';
import { parseConfig } from '../../src/config/config.ts';
import { makeSigner } from '../unit/identity/tokens.ts';
import { type IssuerProcess, startIssuer } from './jwt-issuer.ts';
import { type RunningProvider, startProvider } from './oidc.ts';
import { ownPort } from './ports.ts';

const GATEWAY = 'http://127.0.0.1:8080';
const SECRET = 'provider-secret';
/** An hour ago, as a Date header has it. */
const AN_HOUR_AGO = new Date(Date.now() - 3_600_000).toUTCString();

let dir: string;
let server: IssuerProcess;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-check-sources-'));
  await writeFile(join(dir, 'users.yaml'), 'users: []\n');
  await writeFile(
    join(dir, 'policy.yaml'),
    'version: 1\ndefault: allow\nreviewers: {dba: {groups: ["oidc:dba"]}}\nrules: [{id: one, when: "true", then: hold}]\n',
  );
  server = await startIssuer();
});
afterAll(async () => {
  await server.stop();
  await rm(dir, { recursive: true });
});

/** `identity` without users. */
const findings = async (identity: object, url = GATEWAY): Promise<string[]> => {
  const config = parseConfig(
    JSON.stringify({
      data: dir,
      policy: 'policy.yaml',
      postgres: [{ name: 'app', listen: '127.0.0.1:0', upstream: 'postgres://u@127.0.0.1/db' }],
      review: { listen: '127.0.0.1:0', url },
      identity: { users: 'users.yaml', ...identity },
    }),
    { file: join(dir, 'holdpoint.yaml'), env: { OIDC_SECRET: SECRET, WRONG_SECRET: 'another' } },
  );
  const found = await checkSources(config);
  expect(JSON.stringify(found)).not.toContain(SECRET);
  return found.map(({ level, about, text }) => `${level} ${about} ${text}`);
};

describe('an issuer of tokens', () => {
  const signer = makeSigner('ES256', 'one');
  const KEYS = { keys: [signer.jwk] };
  const of = (more: object = {}) => ({ jwt: [{ issuer: server.url, algorithms: ['ES256'], ...more }] });
  const metadata = (more: object = {}) => ({ issuer: server.url, jwks_uri: `${server.url}/jwks`, ...more });
  beforeEach(() => server.behave(KEYS, metadata()));

  test('that has keys is fine', async () => {
    const fine = `ok jwt the keys of ${server.url} can be had`;
    expect(await findings(of())).toEqual([fine]);
    expect(await findings(of({ jwks: `${server.url}/jwks` }))).toEqual([fine]);
  });

  test('whose clock is wrong is named', async () => {
    await server.behave(KEYS, metadata(), AN_HOUR_AGO);
    expect(await findings(of())).toEqual([
      expect.stringMatching(/^ok jwt the keys of /),
      expect.stringMatching(
        /^warn jwt the clock of \S+ and this one differ by 3[6-9]\d\d s; tokens may be taken for over, or not begun$/,
      ),
    ]);
  });

  test('that has no key for its algorithms, or none at all, fails', async () => {
    const none = `fail jwt ${server.url} has no key for RS256: none of its tokens logs in`;
    expect(await findings(of({ algorithms: ['RS256'] }))).toEqual([none]);
    await server.behave({ keys: [] }, metadata());
    expect(await findings(of({ algorithms: ['RS256'] }))).toEqual([none]);
  });

  test.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'that is another',
      () => server.behave(KEYS, metadata({ issuer: 'https://other.example' })),
      /is no metadata of http/,
    ],
    ['that names no keys', () => server.behave(KEYS, metadata({ jwks_uri: undefined })), /names no jwks_uri$/],
    ['whose keys are no list', () => server.behave({ text: '[]' }, metadata()), /is no JWK Set$/],
    [
      'that sends us elsewhere',
      () => server.behave({ redirect: 'http://127.0.0.1:1/' }, metadata()),
      /answers 302; redirects are not followed$/,
    ],
    ['that fails', () => server.behave({ text: '', status: 503 }, metadata()), /answers 503$/],
    ['that hangs up', () => server.behave('reset', metadata()), /cannot be reached/],
  ])('%s fails', async (_, wrong, told) => {
    await wrong();
    const found = await findings(of());
    expect(found).toEqual([expect.stringMatching(/^fail jwt the keys of \S+ cannot be had: /)]);
    expect(found[0]).toMatch(told);
  });

  test('that is not there fails, and one file that is none', async () => {
    const gone = `http://127.0.0.1:${await ownPort()}`;
    expect(await findings({ jwt: [{ issuer: gone, algorithms: ['ES256'] }] })).toEqual([
      expect.stringMatching(/^fail jwt the keys of http\S+ cannot be had: \S+ cannot be reached: .*ECONNREFUSED/),
    ]);
    expect(
      await findings({
        jwt: [{ issuer: 'https://batch.example', file: join(dir, 'none.json'), algorithms: ['ES256'] }],
      }),
    ).toEqual([expect.stringMatching(/^fail jwt the keys of https:\/\/batch\.example cannot be had: .*ENOENT/)]);
  });
});

describe('a real sign-in provider', () => {
  let provider: RunningProvider;
  beforeAll(async () => {
    provider = await startProvider(GATEWAY);
  });
  afterAll(() => provider.stop());
  const of = (more: object = {}) => ({
    oidc: { issuer: provider.issuer, client_id: 'holdpoint', client_secret: '${OIDC_SECRET}', ...more },
  });

  test('that knows us is fine', async () => {
    expect(await findings(of({ scopes: ['openid', 'profile', 'groups'] }))).toEqual([
      `ok oidc ${provider.issuer} answers`,
      `ok oidc ${provider.issuer} takes the client holdpoint`,
      `ok oidc ${provider.issuer} sends browsers back to ${GATEWAY}/oidc/callback`,
    ]);
  });

  test.each([
    ['another secret', { client_secret: '${WRONG_SECRET}' }, 'holdpoint'],
    ['no secret', { client_secret: undefined }, 'holdpoint'],
    ['another client', { client_id: 'somebody' }, 'somebody'],
  ])('%s is refused', async (_, more, id) => {
    expect(await findings(of(more))).toContain(
      `fail oidc ${provider.issuer} refuses the client ${id} or its secret: nobody can sign in. See identity.oidc.client_id and client_secret`,
    );
  });

  test('an address that is not registered there is named', async () => {
    expect(await findings(of(), 'http://127.0.0.1:9999')).toContain(
      `fail oidc ${provider.issuer} does not send browsers back to http://127.0.0.1:9999/oidc/callback (it answers 400): register it there as redirect URI of holdpoint`,
    );
  });

  test('a scope and claims that it does not have are named', async () => {
    const found = await findings(of({ scopes: ['openid', 'staff'], groups_claim: 'teams', id_claim: 'employee' }));
    expect(found.filter((one) => one.startsWith('warn'))).toEqual([
      `warn oidc ${provider.issuer} has no scope staff, which identity.oidc.scopes asks for`,
      `warn oidc ${provider.issuer} gives no claim employee (id_claim): nobody can sign in`,
      `warn oidc ${provider.issuer} gives no claim teams (groups_claim): nobody is in oidc:dba, which the policy or identity.map name`,
    ]);
  });

  test('by another spelling it is another', async () => {
    expect(await findings(of({ issuer: `${provider.issuer}/` }))).toEqual([
      `fail oidc ${provider.issuer}/ calls itself ${provider.issuer}; identity.oidc.issuer must be exactly that`,
    ]);
  });
});

describe('a sign-in provider that is wrong', () => {
  const of = () => ({ oidc: { issuer: server.url, client_id: 'holdpoint' } });
  const at = (path: string) => `${server.url}${path}`;
  const metadata = (more: object = {}) => ({
    issuer: server.url,
    authorization_endpoint: at('/auth'),
    token_endpoint: at('/token'),
    jwks_uri: at('/jwks'),
    ...more,
  });

  test('has no keys, and says nothing that one could go by', async () => {
    await server.behave({ keys: [] }, metadata());
    expect(await findings(of())).toEqual([
      `ok oidc ${server.url} answers`,
      `fail oidc ${server.url} has no keys at ${server.url}/jwks: nobody can sign in`,
      `warn oidc whether ${server.url} takes the client holdpoint cannot be told: it says status 200 to a code that there is not`,
    ]);
  });

  test('has not the classes that are asked of it', async () => {
    await server.behave({ keys: [] }, metadata({ acr_values_supported: ['1', '2'] }));
    const found = await findings({ oidc: { ...of().oidc, acr: ['2', 'phr'] } });
    expect(found).toContain(`warn oidc ${server.url} has no acr phr, which identity.oidc.acr asks for`);
    expect(found.filter((one) => one.includes(' has no acr '))).toHaveLength(1);
  });

  test('has a wrong clock', async () => {
    await server.behave({ keys: [] }, metadata(), AN_HOUR_AGO);
    expect(await findings(of())).toContainEqual(
      expect.stringMatching(
        /^warn oidc the clock of \S+ and this one differ by 3[6-9]\d\d s; sign-ins may fail by that$/,
      ),
    );
  });

  test('names no places, or places in clear elsewhere', async () => {
    await server.behave({ keys: [] }, { issuer: server.url });
    expect(await findings(of())).toEqual([
      `ok oidc ${server.url} answers`,
      ...['jwks_uri', 'token_endpoint', 'authorization_endpoint'].map(
        (place) => `fail oidc ${server.url} names no ${place}: nobody can sign in`,
      ),
    ]);
    const elsewhere = 'http://192.0.2.1/x';
    await server.behave(
      { keys: [] },
      metadata({ jwks_uri: elsewhere, token_endpoint: elsewhere, authorization_endpoint: elsewhere }),
    );
    const found = await findings(of());
    expect(
      found.filter((one) => one.startsWith('fail') && one.endsWith('192.0.2.1 would be asked in clear')),
    ).toHaveLength(3);
  });

  test.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'has no document',
      () => server.behave({ text: 'not here', status: 404 }),
      /^fail oidc \S+ has no document of its own: it answers 404/,
    ],
    ['fails', () => server.behave({ text: '', status: 500 }), /^fail oidc \S+: \S+ answers 500$/],
    ['hangs up', () => server.behave('reset'), /^fail oidc \S+: \S+ cannot be reached/],
    ['never ends', () => server.behave('huge'), /^fail oidc \S+: \S+ answers with more than 524288 bytes$/],
  ])('%s', async (_, wrong, told) => {
    await wrong();
    expect(await findings(of())).toEqual([expect.stringMatching(told)]);
  });

  test('is not there', async () => {
    const issuer = `http://127.0.0.1:${await ownPort()}`;
    expect(await findings({ oidc: { issuer, client_id: 'holdpoint' } })).toEqual([
      expect.stringMatching(/^fail oidc http\S+: \S+ cannot be reached: .*ECONNREFUSED/),
    ]);
  });
});

test('rules about sources that are not configured are named', async () => {
  const map = [
    { from: 'jwt', as: { kind: 'agent' } },
    { from: 'oidc', group: 'oidc:dba', as: { kind: 'human' } },
  ];
  expect(await findings({ map })).toEqual([
    'warn identity identity.map[0] is from jwt, which is not configured: it fits nobody',
    'warn identity identity.map[1] is from oidc, which is not configured: it fits nobody',
  ]);
});
