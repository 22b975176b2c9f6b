// Tokens of issuers on a network, each a process of its own: an OpenID provider, rotation, and everything that a server of keys can do
// wrong. The clock alone is the test's.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFailureLimiter } from '../../src/identity/limiter.ts';
import { createPasswordLogins } from '../../src/identity/logins.ts';
import { createJwt, type Jwt } from '../../src/identity/jwt/jwt.ts';
import { type OwnTokens, openOwnTokens } from '../../src/identity/jwt/own.ts';
import { SourceDown, type SourceEntry } from '../../src/identity/types.ts';
import { placesOf } from '../../src/listener/in-turn.ts';
import { issuers, makeSigner, makeToken, type Signer } from '../unit/identity/tokens.ts';
import { type Authority, makeAuthority } from './certificates.ts';
import { type IssuerProcess, type ProviderProcess, startIssuer, startProvider } from './jwt-issuer.ts';

let dir: string;
let server: IssuerProcess;
let secure: IssuerProcess;
let wrongName: IssuerProcess;
let provider: ProviderProcess;
let authority: Authority;
let own: OwnTokens;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-issuers-'));
  authority = await makeAuthority(dir, 'issuers');
  own = await openOwnTokens(join(dir, 'tokens.json'), { mayIssue: () => true });
  [server, secure, wrongName, provider] = await Promise.all([
    startIssuer(),
    startIssuer(await authority.issue('localhost', ['DNS:localhost'])),
    startIssuer(await authority.issue('elsewhere', ['DNS:elsewhere.example'])),
    startProvider(),
  ]);
});
afterAll(async () => {
  await Promise.all([server.stop(), secure.stop(), wrongName.stop(), provider.stop()]);
  await rm(dir, { recursive: true, force: true });
});

const one = makeSigner('ES256', 'one');
const two = makeSigner('ES256', 'two');
const keysOf = (...signers: readonly Signer[]) => ({ keys: signers.map(({ jwk }) => jwk) });

const MINUTE_MS = 60_000;
const WAIT = { timeout: 30_000 };
let now: number;
let told: (string | null)[];
let jwt: Jwt;
beforeEach(() => {
  now = Date.now();
  told = [];
});

function make(yaml: string, fetch_timeout_ms = 5_000): Jwt {
  jwt = createJwt({
    issuers: issuers(yaml, dir),
    own,
    told: (_, fault) => told.push(fault),
    now: () => now,
    fetch_timeout_ms,
  });
  return jwt;
}

const ISSUER = 'https://login.example';
const byUrl = (url: string, more = '', fetch_timeout_ms = 5_000) =>
  make(`- {issuer: "${ISSUER}", jwks: "${url}/keys", algorithms: [ES256]${more}}`, fetch_timeout_ms);

const token = (signer: Signer, more: object = {}) => {
  const at = Math.floor(now / 1000);
  return makeToken(signer, { iss: ISSUER, aud: 'holdpoint-db', sub: 'bot', iat: at, exp: at + 3600, ...more });
};
const check = (bytes: Buffer) => jwt.checker.check('bot', bytes);
const good = async (bytes: Buffer): Promise<SourceEntry> => {
  const entry = await check(bytes);
  if (entry === null) throw new Error('refused');
  return entry;
};

describe('an OpenID provider', () => {
  const get = async (): Promise<Buffer> => {
    const response = await fetch(`${provider.url}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from('report-bot:client-secret').toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    const { access_token } = (await response.json()) as { access_token: string };
    return Buffer.from(access_token);
  };

  it('is found by its metadata, and its tokens log in', async () => {
    make(`- {issuer: "${provider.url}", algorithms: [RS256], type: at+jwt}`);
    const entry = await jwt.checker.check('report-bot', await get());
    expect(entry).toMatchObject({ id: 'report-bot', groups: ['jwt:agents'], sponsor: 'ada', task: 'month end' });
    expect(await jwt.checker.check('other-bot', await get())).toBe(null);
    expect(await jwt.stillGood(entry as SourceEntry)).toEqual({ good: true });
    make(`- {issuer: "${provider.url}", algorithms: [RS256], audience: another}`);
    expect(await jwt.checker.check('report-bot', await get())).toBe(null);
    expect(told).toEqual([]);
  });
});

describe('metadata', () => {
  const discover = (metadata: object, url = server.url) => {
    make(`- {issuer: "${url}", algorithms: [ES256]}`);
    return server.behave(keysOf(one), metadata);
  };

  it('lead to keys on the same host only, and are of the issuer that was asked', async () => {
    const here = { issuer: server.url, jwks_uri: `${server.url}/keys` };
    await discover(here);
    await good(token(one, { iss: server.url }));
    for (const [metadata, why] of [
      [{ ...here, issuer: 'https://evil.example' }, 'is no metadata of'],
      [{ ...here, jwks_uri: 'https://evil.example/keys' }, 'on another host, evil.example'],
      [{ ...here, jwks_uri: 'http://169.254.169.254/latest' }, 'needs https'],
      [{ ...here, jwks_uri: 'file:///etc/passwd' }, 'needs https'],
      [{ ...here, jwks_uri: `${provider.url}/jwks` }, 'on another host'],
      [{ ...here, jwks_uri: 7 }, 'names no jwks_uri'],
      [{}, 'is no metadata of'],
    ] as const) {
      told = [];
      await discover(metadata);
      await expect(check(token(one, { iss: server.url }))).rejects.toThrow(SourceDown);
      expect(told).toEqual([expect.stringContaining(why)]);
    }
  });
});

describe('keys', () => {
  it('are asked for once, and again when they are old or a token names another', async () => {
    byUrl(server.url);
    await server.behave(keysOf(one));
    const before = await server.asked();
    const asked = async () => (await server.asked()) - before;
    await Promise.all(Array.from({ length: 50 }, () => good(token(one))));
    expect(await asked()).toBe(1);
    now += 4 * MINUTE_MS;
    await good(token(one));
    expect(await asked()).toBe(1);
    await server.behave(keysOf(two, one));
    await good(token(two));
    expect(await asked()).toBe(2);
    now += 6 * MINUTE_MS;
    await good(token(two));
    expect(await asked()).toBe(3);
  });

  it('are not asked for again and again, whatever tokens name', async () => {
    byUrl(server.url);
    await server.behave(keysOf(one));
    const before = await server.asked();
    await good(token(one));
    now += 10_000;
    const flood = Array.from({ length: 500 }, (_, n) => check(token({ ...two, kid: `unknown-${n}` })));
    expect(new Set(await Promise.all(flood))).toEqual(new Set([null]));
    expect((await server.asked()) - before).toBe(2);
    now += 9_999;
    expect(await check(token({ ...two, kid: 'one' }))).toBe(null);
    expect((await server.asked()) - before).toBe(2);
    now += 1;
    expect(await check(token({ ...two, kid: 'one' }))).toBe(null);
    expect((await server.asked()) - before).toBe(3);
  });

  it('that are at hand are used while others are asked for, in vain and by however many', async () => {
    byUrl(server.url, '', 120_000);
    await server.behave(keysOf(one));
    await good(token(one));
    await server.behave('hang');
    now += MINUTE_MS;
    const places = placesOf(1);
    const login = createPasswordLogins(new Map([['jwt', jwt.checker]]), createFailureLimiter(), () => true);
    const over: string[] = [];
    const by = async (what: string, password: Buffer): Promise<unknown> => {
      const answer = await login({
        user: 'bot',
        password,
        address: what,
        by: ['jwt'],
        fits: () => true,
        turn: (source, work) => places(source).run(work, () => false, performance.now() + 300_000),
      });
      over.push(what);
      return answer.type;
    };
    // One of these waits for the issuer and the others behind it: until the issuer's process ends.
    const junk = Array.from({ length: 20 }, (_, n) =>
      by('192.0.2.1', token({ ...two, kid: `unknown-${n}` })).catch(() => {}),
    );
    expect(await by('192.0.2.2', token(one))).toBe('right');
    // Also when the keys should have been had again by now.
    now += 10 * MINUTE_MS;
    expect(await by('192.0.2.2', token(one))).toBe('right');
    expect(over).toEqual(['192.0.2.2', '192.0.2.2']);
    await server.stop();
    server = await startIssuer();
    await Promise.all(junk);
  });

  it('are asked for beside a login before they are too old', async () => {
    byUrl(server.url);
    await server.behave(keysOf(one));
    await good(token(one));
    const before = await server.asked();
    now += 4 * MINUTE_MS + 1;
    await good(token(one));
    await vi.waitFor(async () => expect((await server.asked()) - before).toBe(1), WAIT);
    // Those of before would be too old now.
    now += MINUTE_MS;
    await good(token(one));
    expect((await server.asked()) - before).toBe(1);
  });

  it('that are withdrawn sign no more, also of whoever is in already', async () => {
    byUrl(server.url);
    await server.behave(keysOf(one, two));
    const entry = await good(token(one));
    expect(await jwt.stillGood(entry)).toEqual({ good: true });
    await server.behave(keysOf(two));
    now += 31_000;
    expect(await jwt.stillGood(entry)).toMatchObject({ good: false });
    expect(await check(token(one))).toBe(null);
    await good(token(two));
  });

  it('are had over TLS from the host that is named, by the authority that is named', async () => {
    await Promise.all([secure.behave(keysOf(one)), wrongName.behave(keysOf(one))]);
    const ca = `, ca: ${authority.cert}`;
    byUrl(secure.url, ca);
    await good(token(one));
    byUrl(secure.url);
    await expect(check(token(one))).rejects.toThrow(SourceDown);
    byUrl(wrongName.url, ca);
    await expect(check(token(one))).rejects.toThrow(SourceDown);
    expect(told).toEqual([expect.stringMatching(/certificate/), expect.stringMatching(/altnames|does not match/i)]);
  });
});

describe('a server of keys that fails', () => {
  const faults = [
    ['is down', { text: '{"keys":[]}', status: 503 }, 'answers 503'],
    ['sends elsewhere', { redirect: '' }, 'redirects are not followed'],
    ['never answers', 'hang', 'did not answer within'],
    ['never ends its answer', 'drip', 'did not answer within'],
    ['answers without end', 'huge', 'answers with more than'],
    ['hangs up', 'reset', 'socket hang up'],
    ['answers garbage', { text: '<html>' }, 'is no JWK Set'],
    ['answers another object', { text: '{"keys":{}}' }, 'is no JWK Set'],
    ['answers keys that stand twice', { text: '{"keys":[],"keys":[]}' }, 'is no JWK Set'],
    ['answers with too many', { text: `{"keys":[${'{},'.repeat(200)}{}]}` }, 'has more than'],
  ] as const;

  it.each(faults)('%s: what is known is good for an hour, and nothing after it', async (_, fault, why) => {
    const how = typeof fault === 'object' && 'redirect' in fault ? { redirect: `${secure.url}/keys` } : fault;
    // Two of these wait to the end of it, four times.
    byUrl(server.url, '', why.startsWith('did not') ? 1_500 : 5_000);
    await server.behave(keysOf(one));
    const entry = await good(token(one));
    await server.behave(how);
    const elsewhere = await secure.asked();
    now += 6 * MINUTE_MS;
    await good(token(one));
    // A login does not wait for that.
    await vi.waitFor(() => expect(told).toEqual([expect.stringContaining(why)]), WAIT);
    // A key that nobody knows here may be there.
    now += 10_000;
    await expect(check(token(two))).rejects.toThrow(SourceDown);
    now += 53 * MINUTE_MS;
    expect(await jwt.stillGood(entry)).toEqual({ good: true });
    now += MINUTE_MS;
    await expect(check(token(one))).rejects.toThrow(SourceDown);
    await expect(jwt.stillGood({ ...entry, expires: now + 1 })).rejects.toThrow(SourceDown);
    expect(await secure.asked()).toBe(elsewhere);
    await server.behave(keysOf(two));
    now += 10_000;
    await good(token(two));
    expect(told.at(-1)).toBe(null);
  });

  it('delays nobody whose key is known, once that is seen', async () => {
    byUrl(server.url);
    await server.behave(keysOf(one));
    await good(token(one));
    await server.behave({ text: '', status: 500 });
    now += 6 * MINUTE_MS;
    await good(token(one));
    await server.behave('hang');
    now += 10_000;
    // The try that is under way hangs for its five seconds: an answer that comes before it ends has not waited.
    const renewal = check(token(two)).then(
      () => 'answered',
      () => 'down',
    );
    const first = await Promise.race([renewal, Promise.all(Array.from({ length: 100 }, () => good(token(one))))]);
    expect(first).toHaveLength(100);
    expect(await renewal).toBe('down');
  });

  it('leaves what needs no keys as it is', async () => {
    await server.behave('reset');
    byUrl(server.url);
    await jwt.warm();
    expect(await check(Buffer.from('a password'))).toBe(null);
    expect(await check(token(one, { iss: 'https://evil.example' }))).toBe(null);
    await expect(check(token(one))).rejects.toThrow(SourceDown);
  });
});
