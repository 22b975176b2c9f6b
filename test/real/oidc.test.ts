// Signing in with a real provider in a process of its own (oidc-provider), and with one that lies: each lie is refused, by its name on
// record, and nothing of what was sent is told.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readAll } from 'node:stream/consumers';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Jar, type RunningProvider, type SignInHouse, startProvider, startSignIn } from './oidc.ts';
import { ownPort } from './ports.ts';

const USERS = `users:
  - {id: grace, kind: human, roles: [reviewer], oidc: sub-grace}
  - {id: ada, kind: human, roles: [reviewer]}
  - {id: bot, kind: agent}
`;
const OIDC = { client_id: 'holdpoint', client_secret: '${OIDC_SECRET}' };
const records = ({ desk }: SignInHouse) =>
  desk.records.filter(({ type }) => type.startsWith('reviewer.sign')).map(({ type, clear }) => ({ type, ...clear }));
const without = (claim: string) => (claims: JWTPayload) =>
  Object.fromEntries(Object.entries(claims).filter(([name]) => name !== claim)) as JWTPayload;
const isBack = (url: string) => url.includes('/oidc/callback');

describe('a real provider', () => {
  let house: SignInHouse;
  let provider: RunningProvider;
  const enter = async (login: string, jar = new Jar(), back = '') => {
    const callback = await jar.follow(`${house.url}/oidc/start${back}`, login, isBack);
    const response = await jar.fetch(callback);
    return { jar, callback, location: response.headers.get('location') };
  };
  beforeAll(async () => {
    const port = await ownPort();
    provider = await startProvider(`http://127.0.0.1:${port}`);
    const oidc = { ...OIDC, issuer: provider.issuer, scopes: ['openid', 'profile', 'groups'] };
    house = await startSignIn({ port, users: USERS, identity: { oidc } });
  });
  afterAll(async () => {
    await house.stop();
    await provider.stop();
  });

  test('signs in whom users.yaml knows by its subject, and out at the provider, too', async () => {
    const { jar, location } = await enter('sub-grace', new Jar(), '?back=/r/HP-7KQ4');
    expect(location).toBe('/r/HP-7KQ4');
    const me = (await (await jar.fetch(`${house.url}/api/me`)).json()) as { csrf: string };
    expect(me).toMatchObject({ id: 'grace', by: ['oidc'] });
    expect(records(house).at(-1)).toMatchObject({ type: 'reviewer.signed_in', user: 'grace', how: 'oidc' });
    const out = await fetch(`${house.url}/api/logout`, {
      method: 'POST',
      headers: {
        Origin: house.url,
        'X-Holdpoint-CSRF': me.csrf,
        Cookie: `holdpoint=${jar.get(house.url, 'holdpoint')}`,
      },
    });
    const { url } = (await out.json()) as { url: string };
    expect(url.startsWith(`${provider.issuer}/session/end?`)).toBe(true);
    // The provider knows whom it is about, and will send the browser back to the page.
    expect([(await jar.fetch(url)).status, (await jar.fetch(`${house.url}/api/me`)).status]).toEqual([200, 401]);
  });

  test('whom nobody here knows is told so, and so is who only has the id of somebody with another name there', async () => {
    for (const login of ['mallory', 'grace', 'bot']) {
      const { location, jar } = await enter(login);
      expect([login, location]).toEqual([login, '/?refused=sso-unknown']);
      expect(jar.get(house.url, 'holdpoint')).toBeUndefined();
      expect(records(house).at(-1)).toMatchObject({ user: null, how: 'oidc', why: 'unknown' });
    }
  });

  test('an answer counts once, in the browser that asked, and a code once at the provider', async () => {
    const { jar, callback } = await enter('ada');
    expect((await jar.fetch(callback)).headers.get('location')).toBe('/?refused=sso-refused');
    expect(records(house).at(-1)).toMatchObject({ why: 'transaction' });

    const victim = new Jar();
    await victim.fetch(`${house.url}/oidc/start`);
    const attacker = new Jar();
    const theirs = await attacker.follow(`${house.url}/oidc/start`, 'ada', isBack);
    expect((await victim.fetch(theirs)).headers.get('location')).toBe('/?refused=sso-refused');
    expect(records(house).at(-1)).toMatchObject({ why: 'state' });

    const again = new Jar();
    const start = await again.fetch(`${house.url}/oidc/start`);
    const state = new URL(start.headers.get('location') ?? '').searchParams.get('state') ?? '';
    const used = new URL(callback);
    used.searchParams.set('state', state);
    expect((await again.fetch(used.href)).headers.get('location')).toBe('/?refused=sso-refused');
    expect(records(house).at(-1)).toMatchObject({ why: 'invalid_grant' });
  });

  test('a person who changes their mind there is back, and not in', async () => {
    const jar = new Jar();
    const start = await jar.fetch(`${house.url}/oidc/start`);
    const state = new URL(start.headers.get('location') ?? '').searchParams.get('state') ?? '';
    const back = `${house.url}/oidc/callback?error=access_denied&state=${state}&iss=${encodeURIComponent(provider.issuer)}`;
    expect((await jar.fetch(back)).headers.get('location')).toBe('/?refused=sso-refused');
    expect(records(house).at(-1)).toMatchObject({ why: 'access_denied' });
  });
});

describe('a provider that lies', () => {
  let house: SignInHouse | undefined;
  let server: Server | undefined;
  afterEach(async () => {
    await house?.stop();
    server?.closeAllConnections();
    server?.close();
  });

  type Lie = {
    readonly claims?: (claims: JWTPayload) => JWTPayload;
    readonly token?: (claims: JWTPayload, keys: Keys) => Promise<string> | string;
    readonly answer?: (path: string, response: ServerResponse) => boolean;
    readonly config?: Readonly<Record<string, unknown>>;
    /** Beside, or instead of, what its document has. `of`: an address at the provider. */
    readonly document?: (of: (path: string) => string) => object;
  };
  interface Keys {
    readonly own: CryptoKey;
    readonly other: CryptoKey;
    readonly pem: string;
  }
  let keys: Keys;
  let jwk: Record<string, unknown>;
  /** The last browser. */
  let signedIn = new Jar();
  beforeAll(async () => {
    const [own, other] = [await generateKeyPair('RS256'), await generateKeyPair('RS256')];
    jwk = { ...(await exportJWK(own.publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' };
    keys = { own: own.privateKey, other: other.privateKey, pem: JSON.stringify(jwk) };
  });

  /** Where the browser ends, and what is on record. */
  const tell = async (lie: Lie, callback: (url: URL) => void = () => {}) => {
    let issuer = '';
    let nonce = '';
    const answer = async (request: IncomingMessage, response: ServerResponse) => {
      const { pathname } = new URL(request.url ?? '', issuer);
      if (lie.answer?.(pathname, response)) return;
      response.setHeader('Content-Type', 'application/json');
      if (pathname === '/.well-known/openid-configuration') {
        const of = (path: string) => `${issuer}${path}`;
        response.end(
          JSON.stringify({
            issuer,
            authorization_endpoint: of('/auth'),
            token_endpoint: of('/token'),
            jwks_uri: of('/jwks'),
            id_token_signing_alg_values_supported: ['RS256'],
            ...lie.document?.(of),
          }),
        );
      } else if (pathname === '/jwks') response.end(JSON.stringify({ keys: [jwk] }));
      else {
        await readAll(request);
        const now = Math.floor(Date.now() / 1000);
        const whole = {
          iss: issuer,
          aud: 'holdpoint',
          sub: 'sub-grace',
          iat: now,
          exp: now + 60,
          nonce,
          groups: ['dba'],
        };
        const claims = lie.claims?.(whole) ?? whole;
        const sign = (key: CryptoKey) => new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'k1' }).sign(key);
        const id_token = await (lie.token?.(claims, keys) ?? sign(keys.own));
        response.end(JSON.stringify({ access_token: 'a', token_type: 'Bearer', id_token }));
      }
    };
    server = createServer((request, response) => void answer(request, response));
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    house = await startSignIn({
      port: await ownPort(),
      users: USERS,
      identity: { oidc: { ...OIDC, issuer, ...lie.config } },
    });
    const jar = new Jar();
    signedIn = jar;
    const start = await jar.fetch(`${house.url}/oidc/start`);
    const to = new URL(start.headers.get('location') ?? '', house.url);
    nonce = to.searchParams.get('nonce') ?? '';
    const back = new URL(`${house.url}/oidc/callback?code=the-code&state=${to.searchParams.get('state')}`);
    callback(back);
    const location =
      to.origin === house.url ? to.pathname + to.search : (await jar.fetch(back.href)).headers.get('location');
    const told = JSON.stringify([house.desk.records, house.lines]);
    for (const secret of ['provider-secret', 'the-code', nonce || 'nonce-was-not-there'])
      expect(told).not.toContain(secret);
    return [location, records(house).at(-1)?.['why' as never] ?? 'in'];
  };
  const REFUSED = '/?refused=sso-refused';

  test('tells the truth once, so that the lies are what is refused', async () => {
    expect(await tell({})).toEqual(['/', 'in']);
    expect(records(house as SignInHouse).at(-1)).toMatchObject({ user: 'grace' });
  });

  test.each<[string, Lie, string]>([
    ['another nonce', { claims: (c) => ({ ...c, nonce: 'other' }) }, 'nonce'],
    ['no nonce', { claims: without('nonce') }, 'oauth_invalid_response'],
    ['another issuer', { claims: (c) => ({ ...c, iss: 'https://evil.example' }) }, 'iss'],
    ['another audience', { claims: (c) => ({ ...c, aud: 'somebody-else' }) }, 'aud'],
    ['an audience among others, and no party', { claims: (c) => ({ ...c, aud: ['holdpoint', 'other'] }) }, 'aud'],
    ['expired', { claims: (c) => ({ ...c, exp: (c.exp ?? 0) - 3600 }) }, 'exp'],
    ['not yet', { claims: (c) => ({ ...c, nbf: (c.exp ?? 0) + 3600 }) }, 'nbf'],
    ['no subject', { claims: without('sub') }, 'oauth_invalid_response'],
    ['nobody signed it', { token: (c) => new UnsecuredJWT(c).encode() }, 'oauth_invalid_response'],
    [
      'another key signed it',
      { token: (c, { other }) => new SignJWT(c).setProtectedHeader({ alg: 'RS256', kid: 'k1' }).sign(other) },
      'oauth_invalid_response',
    ],
    [
      'the public key was taken for a secret one',
      { token: (c, { pem }) => new SignJWT(c).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(Buffer.from(pem)) },
      'oauth_invalid_response',
    ],
    [
      'signed with a key that nobody has',
      { token: (c, { own }) => new SignJWT(c).setProtectedHeader({ alg: 'RS256', kid: 'k2' }).sign(own) },
      'oauth_key_selection_failed',
    ],
    ['no token at all', { token: () => '' }, 'oauth_invalid_response'],
    [
      'signed in long ago',
      { config: { max_age_s: 60 }, claims: (c) => ({ ...c, auth_time: (c.iat ?? 0) - 3600 }) },
      'auth_time',
    ],
    ['does not say when', { config: { max_age_s: 60 } }, 'oauth_invalid_response'],
    ['a lower class', { config: { acr: ['phr'] }, claims: (c) => ({ ...c, acr: '0' }) }, 'acr'],
    ['no second factor', { config: { amr: ['mfa', 'hwk'] }, claims: (c) => ({ ...c, amr: ['pwd'] }) }, 'amr'],
    [
      'an address that nobody checked',
      { config: { id_claim: 'email' }, claims: (c) => ({ ...c, email: 'ada' }) },
      'email_verified',
    ],
    ['no such claim', { config: { id_claim: 'employee' } }, 'id_claim'],
    ['a claim of the language', { config: { id_claim: 'constructor' } }, 'id_claim'],
    ['a name that is a list', { config: { id_claim: 'name' }, claims: (c) => ({ ...c, name: ['ada'] }) }, 'id_claim'],
    ['groups that are a text', { claims: (c) => ({ ...c, groups: 'dba' }) }, 'groups_claim'],
    [
      'a thousand groups and one',
      { claims: (c) => ({ ...c, groups: Array.from({ length: 1001 }, (_, n) => `g${n}`) }) },
      'groups_claim',
    ],
  ])('%s', async (_, lie, why) => {
    expect(await tell(lie)).toEqual([REFUSED, why]);
  });

  /** What it says of somebody in its other place. */
  const userinfo = (said: object): Pick<Lie, 'answer' | 'document'> => ({
    document: (of) => ({ userinfo_endpoint: of('/me') }),
    answer: (path, response) => {
      if (path === '/me') response.setHeader('Content-Type', 'application/json').end(JSON.stringify(said));
      return path === '/me';
    },
  });
  const ada = { sub: 'sub-grace', email: 'ada', email_verified: true, groups: [] };

  test.each<[string, Lie, string]>([
    [
      'whose two places speak of two people',
      { ...userinfo({ ...ada, sub: 'sub-ada' }) },
      'oauth_json_attribute_comparison_failed',
    ],
    [
      'whose word for an address is about another one',
      { ...userinfo({ ...ada, email: 'eve@example.org' }), claims: (c) => ({ ...without('groups')(c), email: 'ada' }) },
      'email_verified',
    ],
  ])('%s', async (_, lie, why) => {
    const claims = lie.claims ?? without('groups');
    expect(await tell({ ...lie, claims, config: { id_claim: 'email' } })).toEqual([REFUSED, why]);
  });

  test('whose two places agree is good', async () => {
    expect(await tell({ ...userinfo(ada), claims: without('groups'), config: { id_claim: 'email' } })).toEqual([
      '/',
      'in',
    ]);
    expect(records(house as SignInHouse).at(-1)).toMatchObject({ user: 'ada' });
  });

  test.each<[string, Lie['document'], string]>([
    [
      'would have the code and the secret in clear',
      () => ({ token_endpoint: 'http://192.0.2.1/token' }),
      'would be asked in clear',
    ],
    ['has no page', () => ({ authorization_endpoint: undefined }), 'authorization_endpoint'],
    ['has a page that is a script', () => ({ authorization_endpoint: 'javascript:alert(1)' }), 'PROTOCOL_FORBIDDEN'],
  ])('whose document %s', async (_, document, told) => {
    const [location] = await tell({ ...(document && { document }) });
    expect(location).toBe('/?refused=sso-down');
    expect(house?.lines.join('\n')).toContain(told);
  });

  test('who signs out is out, and goes to no place that is a script', async () => {
    expect(await tell({ document: () => ({ end_session_endpoint: 'javascript:alert(1)' }) })).toEqual(['/', 'in']);
    const { url } = house as SignInHouse;
    const me = (await (await signedIn.fetch(`${url}/api/me`)).json()) as { csrf: string };
    const out = await fetch(`${url}/api/logout`, {
      method: 'POST',
      headers: { Origin: url, 'X-Holdpoint-CSRF': me.csrf, Cookie: `holdpoint=${signedIn.get(url, 'holdpoint')}` },
    });
    expect([out.status, await out.json()]).toEqual([200, { url: null }]);
    expect((await signedIn.fetch(`${url}/api/me`)).status).toBe(401);
  });

  test('an answer to the code that has no body ends that sign-in and nothing else', async () => {
    const answer: Lie['answer'] = (path, response) => {
      if (path === '/token') response.writeHead(205).end();
      return path === '/token';
    };
    expect((await tell({ answer }))[0]).toBe(REFUSED);
    expect((await fetch(`${house?.url}/api/door`)).status).toBe(200);
  });

  test('answers that do not count stop being put on record', async () => {
    await tell({});
    const { url, desk } = house as SignInHouse;
    const locations = new Set<string | null>();
    for (let n = 0; n < 80; n += 1)
      locations.add((await new Jar().fetch(`${url}/oidc/callback?code=x`)).headers.get('location'));
    expect([...locations]).toEqual([REFUSED, '/?refused=too-many']);
    expect(desk.records.filter(({ type }) => type === 'reviewer.sign_in_refused').length).toBeLessThan(60);
  });

  test('what it demands and gets is good', async () => {
    const claims: Lie['claims'] = (c) => ({ ...c, acr: 'phr', amr: ['pwd', 'mfa'], auth_time: c.iat });
    expect(await tell({ config: { acr: ['phr'], amr: ['mfa'], max_age_s: 60 }, claims })).toEqual(['/', 'in']);
    expect(records(house as SignInHouse).at(-1)).toMatchObject({ by: ['oidc', 'pwd', 'mfa'] });
  });

  test('a state that is there twice, or not at all, is none', async () => {
    expect(await tell({}, (url) => url.searchParams.append('state', 'x'))).toEqual([REFUSED, 'state']);
    await house?.stop();
    server?.close();
    expect(await tell({}, (url) => url.searchParams.delete('state'))).toEqual([REFUSED, 'state']);
  });

  test.each<[string, string, Lie['answer']]>([
    [
      'its document is of another issuer',
      '/?refused=sso-down',
      (path, response) => {
        if (path.startsWith('/.well-known'))
          response.setHeader('Content-Type', 'application/json').end('{"issuer":"https://evil.example"}');
        return path.startsWith('/.well-known');
      },
    ],
    [
      'its document is 10 MB',
      '/?refused=sso-down',
      (path, response) => {
        if (path.startsWith('/.well-known')) response.end(Buffer.alloc(10_000_000, 32));
        return path.startsWith('/.well-known');
      },
    ],
    [
      'it sends the gateway elsewhere',
      '/?refused=sso-down',
      (path, response) => {
        if (path.startsWith('/.well-known')) response.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end();
        return path.startsWith('/.well-known');
      },
    ],
    [
      'it fails at the code',
      '/?refused=sso-down',
      (path, response) => {
        if (path === '/token') response.writeHead(502).end();
        return path === '/token';
      },
    ],
    [
      'it hangs up at the code',
      '/?refused=sso-down',
      (path, response) => {
        if (path === '/token') response.socket?.destroy();
        return path === '/token';
      },
    ],
    ['it says nothing at all', '/?refused=sso-down', (path) => path === '/token'],
  ])('%s', async (_, where, answer) => {
    const [location] = await tell({ ...(answer && { answer }) });
    expect(location).toBe(where);
    expect(house?.lines.some((line) => line.includes('the sign-in provider does not answer'))).toBe(true);
  });
});
