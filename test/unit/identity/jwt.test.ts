// A token as a password: what is believed of it, and every way in which one must not be. Keys come from a file; issuers on a network are in
// test/real/jwt.test.ts.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readObject } from '../../../src/identity/jwt/json.ts';
import { createJwt, type Jwt, TOKEN_BYTES_MAX } from '../../../src/identity/jwt/jwt.ts';
import { type OwnTokens, openOwnTokens } from '../../../src/identity/jwt/own.ts';
import { SourceDown, type SourceEntry, type TokenFacts } from '../../../src/identity/types.ts';
import { issuers, makeHmacToken, makeSigner, makeToken, makeUnsigned, type Signer } from './tokens.ts';

const ISSUER = 'https://login.example/agents';
const START = Date.parse('2026-03-01T12:00:00Z');

const rsa = makeSigner('RS256', 'rsa-1');
const ec = makeSigner('ES256', 'ec-1');
const ed = makeSigner('EdDSA', 'ed-1');
const stranger = makeSigner('RS256', 'rsa-1');

let dir: string;
let now: number;
let own: OwnTokens;
let jwt: Jwt;
let told: (string | null)[];
let mayIssue: (by: string, agent: string) => boolean;

const open = (clock = () => now) =>
  openOwnTokens(join(dir, 'tokens.json'), { now: clock, mayIssue: (by, agent) => mayIssue(by, agent) });

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-jwt-'));
  now = START;
  told = [];
  await publish([rsa, ec, ed]);
  mayIssue = () => true;
  own = await open();
  jwt = make();
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const publish = (signers: readonly Signer[]) =>
  writeFile(join(dir, 'keys.json'), JSON.stringify({ keys: signers.map(({ jwk }) => jwk) }));

/** `more`: further keys of the issuer. */
function make(more = ''): Jwt {
  return createJwt({
    issuers: issuers(
      `- {issuer: ${ISSUER}, file: keys.json, algorithms: [RS256, ES256, EdDSA]${more}}\n- issuer: holdpoint`,
      dir,
    ),
    own,
    told: (_, fault) => told.push(fault),
    now: () => now,
  });
}

const seconds = () => Math.floor(now / 1000);
const claims = (more: object = {}) => ({
  iss: ISSUER,
  aud: 'holdpoint-db',
  sub: 'report-bot',
  iat: seconds(),
  exp: seconds() + 900,
  ...more,
});
const without = (...names: string[]) =>
  Object.fromEntries(Object.entries(claims()).filter(([name]) => !names.includes(name)));

/** The reason, or 'good'; and the checker says the same in its one word. */
async function said(token: Buffer, user = 'report-bot'): Promise<string> {
  const found = await jwt.read(user, token);
  const entry = await jwt.checker.check(user, token);
  expect(entry === null).toBe(typeof found === 'string');
  return typeof found === 'string' ? found : 'good';
}

async function entryOf(token: Buffer, user = 'report-bot'): Promise<SourceEntry> {
  const entry = await jwt.checker.check(user, token);
  if (entry === null) throw new Error('refused');
  return entry;
}

describe('a token that is sound', () => {
  it.each([rsa, ec, ed])('of $alg is taken', async (signer) => {
    expect(await said(makeToken(signer, claims()))).toBe('good');
  });

  it('says what it says of its agent', async () => {
    const token = makeToken(
      rsa,
      claims({
        jti: 'j-1',
        aud: ['other', 'holdpoint-db'],
        groups: ['agents', 'etl'],
        sponsor: 'ada',
        act: { sub: 'grace', act: { sub: 'ci' } },
        on_behalf_of: ['tomasz', 'ada'],
        task: 'month end',
        email: 'bot@example.org',
      }),
    );
    const { token: facts, ...entry } = await entryOf(token);
    expect(entry).toEqual({
      source: 'jwt',
      id: 'report-bot',
      groups: ['jwt:agents', 'jwt:etl'],
      aliases: ['bot@example.org'],
      sponsor: 'ada',
      // Whoever had the token in hand decides nothing about what was done with it.
      on_behalf_of: ['tomasz', 'grace', 'ci'],
      task: 'month end',
      expires: START + 900_000 + 60_000,
    });
    expect(facts).toMatchObject({ issuer: ISSUER, id: 'j-1', issued: START });
  });

  it('says little where it says little', async () => {
    const entry = await entryOf(makeToken(ec, claims()));
    expect(entry).toMatchObject({ groups: [], aliases: [], sponsor: null, on_behalf_of: [], task: null });
    expect(entry.token?.id).toMatch(/^sha256:/);
  });

  it('has its sponsor in act where it names none, and never itself', async () => {
    expect((await entryOf(makeToken(rsa, claims({ act: { sub: 'ada' } })))).sponsor).toBe('ada');
    expect((await entryOf(makeToken(rsa, claims({ sponsor: 'report-bot' })))).sponsor).toBe(null);
  });

  it('has its claims where the configuration says', async () => {
    jwt = make(', claims: {user: [act, sub], groups: [realm_access, roles], on_behalf_of: sub}');
    const token = makeToken(
      rsa,
      claims({ sub: 'ada', act: { sub: 'report-bot' }, sponsor: 'grace', realm_access: { roles: ['etl'] }, groups: 7 }),
    );
    expect(await entryOf(token)).toMatchObject({
      id: 'report-bot',
      sponsor: 'grace',
      groups: ['jwt:etl'],
      on_behalf_of: ['ada'],
      aliases: ['ada'],
    });
    jwt = make(', claims: {groups: null}');
    expect(await entryOf(makeToken(rsa, claims({ groups: ['dba'] })))).toMatchObject({ groups: [] });
  });

  it('has a type that its issuer gives its tokens', async () => {
    for (const typ of ['JWT', 'jwt', 'at+jwt', 'application/at+jwt'])
      expect(await said(makeToken(rsa, claims(), { typ }))).toBe('good');
    expect(await said(makeToken(rsa, claims(), { typ: undefined }))).toBe('good');
    for (const typ of ['logout+jwt', 'holdpoint-db+jwt', 7])
      expect(await said(makeToken(rsa, claims(), { typ }))).toBe('header');
    jwt = make(', type: at+jwt');
    expect(await said(makeToken(rsa, claims(), { typ: 'at+jwt' }))).toBe('good');
    expect(await said(makeToken(rsa, claims()))).toBe('header');
    expect(await said(makeToken(rsa, claims(), { typ: undefined }))).toBe('header');
  });

  it('is of whoever logs in with it', async () => {
    const token = makeToken(rsa, claims());
    for (const user of ['report-bo', 'Report-bot', 'report-bot ', '', 'grace'])
      expect(await said(token, user)).toBe('user');
  });
});

describe('a signature', () => {
  it('is never none', async () => {
    for (const alg of ['none', 'None', 'NONE', '']) {
      expect(await said(makeUnsigned(claims(), alg))).toBe('form');
      expect(await said(makeToken(rsa, claims(), { alg }))).toBe('alg');
    }
  });

  it('is never made with a public key as a secret', async () => {
    const pem = rsa.public.export({ type: 'spki', format: 'pem' });
    const der = rsa.public.export({ type: 'spki', format: 'der' });
    for (const secret of [pem, der, JSON.stringify(rsa.jwk), ''])
      for (const alg of ['HS256', 'HS384', 'RS256'])
        expect(await said(makeHmacToken(secret, claims(), { alg, kid: 'rsa-1' }))).toBe(
          alg === 'RS256' ? 'signature' : 'alg',
        );
  });

  it('is of an algorithm that the configuration names for the issuer', async () => {
    expect(await said(makeToken(rsa, claims(), { alg: 'RS512' }))).toBe('alg');
    expect(await said(makeToken(rsa, claims(), { alg: ['RS256'] }))).toBe('alg');
    expect(await said(makeToken(ec, claims(), { alg: 'RS256', kid: 'rsa-1' }))).toBe('signature');
    expect(await said(makeToken(rsa, claims(), { kid: 'ec-1' }))).toBe('signature');
    jwt = make();
  });

  it('is of a key of the issuer, whatever the header brings along', async () => {
    const url = 'http://127.0.0.1:9/keys';
    for (const header of [{}, { jwk: stranger.jwk }, { jku: url }, { x5u: url, x5c: ['MII'], x5t: 'x' }]) {
      expect(await said(makeToken(stranger, claims(), header))).toBe('signature');
      expect(await said(makeToken(stranger, claims(), { ...header, kid: undefined }))).toBe('signature');
    }
    expect(await said(makeToken(rsa, claims(), { jwk: stranger.jwk, jku: url }))).toBe('good');
  });

  it('is over what is read', async () => {
    const [header, , signature] = makeToken(rsa, claims()).toString().split('.');
    const other = Buffer.from(JSON.stringify(claims({ sub: 'grace' }))).toString('base64url');
    expect(await said(Buffer.from(`${header}.${other}.${signature}`), 'grace')).toBe('signature');
  });

  it('has no extension that must be understood', async () => {
    for (const crit of [['b64'], ['exp'], [], 'b64', null]) {
      expect(await said(makeToken(rsa, claims(), { crit, b64: true }))).toBe('crit');
    }
  });

  it('may come without the name of its key', async () => {
    expect(await said(makeToken(rsa, claims(), { kid: undefined }))).toBe('good');
    expect(await said(makeToken(rsa, claims(), { kid: 7 }))).toBe('header');
  });

  it('is not of a key that is short, private, shared, or for something else', async () => {
    const { d } = ed.private.export({ format: 'jwk' });
    const bad: readonly object[] = [
      { ...ed.jwk, d },
      { ...ed.jwk, use: 'enc' },
      { ...ed.jwk, key_ops: ['sign'] },
      { ...ed.jwk, alg: 'ES256' },
      { ...ed.jwk, x: 'AAAA' },
      { ...ed.jwk, x: 7 },
      { kty: 'oct', k: 'c2VjcmV0', kid: 'ed-1' },
      { kty: '__proto__', kid: 'ed-1' },
    ];
    for (const jwk of bad) {
      await writeFile(join(dir, 'keys.json'), JSON.stringify({ keys: [jwk, rsa.jwk] }));
      now += 10_000;
      expect(await said(makeToken(ed, claims()))).toBe('signature');
      expect(await said(makeToken(rsa, claims()))).toBe('good');
    }
    // The same key with a number that is written longer than it is, or with which anything is signed.
    const { n } = rsa.jwk as { n: string };
    const padded = Buffer.concat([Buffer.alloc(1), Buffer.from(n, 'base64url')]).toString('base64url');
    for (const odd of [
      { n: padded },
      { e: 'AAEAAQ' },
      { e: 'AQ' },
      { e: 'AAAB' },
      { e: 'AQAA' },
      { e: '' },
      { e: 'AQAAAAAB' },
    ]) {
      await writeFile(join(dir, 'keys.json'), JSON.stringify({ keys: [{ ...rsa.jwk, ...odd }, ed.jwk] }));
      now += 10_000;
      expect([odd, await said(makeToken(rsa, claims()))]).toEqual([odd, 'signature']);
      expect(await said(makeToken(ed, claims()))).toBe('good');
    }
    const { generateKeyPairSync } = await import('node:crypto');
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const short: Signer = {
      ...rsa,
      kid: 'short',
      private: privateKey,
      jwk: { ...publicKey.export({ format: 'jwk' }), kid: 'short' },
    };
    await publish([short, rsa]);
    now += 10_000;
    expect(await said(makeToken(short, claims()))).toBe('signature');
  });
});

describe('claims', () => {
  it.each([
    ['another audience', { aud: 'holdpoint' }, 'aud'],
    ['no audience', { aud: undefined }, 'aud'],
    ['an audience that is almost it', { aud: ['holdpoint-db2', 'HOLDPOINT-DB'] }, 'aud'],
    ['an odd audience', { aud: { 'holdpoint-db': true } }, 'aud'],
    ['another issuer', { iss: 'https://evil.example' }, 'iss'],
    ['almost the issuer', { iss: `${ISSUER}/` }, 'iss'],
    ['an odd issuer', { iss: [ISSUER] }, 'iss'],
    ['no end', { exp: undefined }, 'exp'],
    ['an end as text', { exp: '1900000000' }, 'exp'],
    ['an end in milliseconds', { exp: START + 900_000 }, 'exp'],
    ['an end that is no number', { exp: null }, 'exp'],
    ['no beginning', { iat: undefined }, 'iat'],
    ['a beginning before 1970', { iat: -1 }, 'iat'],
    ['a user as a number', { sub: 7 }, 'sub'],
    ['a user as a list', { sub: ['report-bot'] }, 'sub'],
    ['no user', { sub: undefined }, 'user'],
    ['an empty user', { sub: '' }, 'user'],
    ['groups that are no texts', { groups: ['a', 7] }, 'groups'],
    ['groups as an object', { groups: { a: true } }, 'groups'],
    ['an odd sponsor', { sponsor: { sub: 'ada' } }, 'sponsor'],
    ['an odd act', { act: 'ada' }, 'act'],
    ['an act of nobody', { act: { iss: 'x' } }, 'act'],
    ['an odd task', { task: 7 }, 'task'],
    ['an odd on_behalf_of', { on_behalf_of: [{}] }, 'on_behalf_of'],
    ['an odd jti', { jti: 7 }, 'jti'],
    ['a proof that no login gives', { cnf: { jkt: 'x' } }, 'cnf'],
    ['a name without end', { sponsor: 'x'.repeat(201) }, 'sponsor'],
  ])('with %s are refused', async (_, more, why) => {
    expect(await said(makeToken(rsa, claims(more)))).toBe(why);
  });

  it('hold only in their time, give or take a minute', async () => {
    const at = seconds();
    const cases: readonly (readonly [object, string])[] = [
      [{ iat: at - 900, exp: at - 59 }, 'good'],
      [{ iat: at - 900, exp: at - 60 }, 'exp'],
      [{ iat: at + 60, exp: at + 900 }, 'good'],
      [{ iat: at + 61, exp: at + 900 }, 'iat'],
      [{ nbf: at + 60 }, 'good'],
      [{ nbf: at + 61 }, 'nbf'],
      [{ nbf: 'now' }, 'nbf'],
      [{ iat: at, exp: at }, 'exp'],
      [{ iat: at, exp: at + 3600 }, 'good'],
      [{ iat: at, exp: at + 3601 }, 'exp'],
    ];
    for (const [more, why] of cases) expect([more, await said(makeToken(rsa, claims(more)))]).toEqual([more, why]);
    jwt = make(', lifetime: 5m');
    expect(await said(makeToken(rsa, claims()))).toBe('exp');
  });

  it('of no JSON cost no more than their length, whatever they are', async () => {
    // A string that never ends, full of quotes, each of which could begin another one: with the square of its length this would take minutes.
    const quotes = (count: number): string => `{"a":"${'\\"'.repeat(count)}`;
    expect(await said(makeToken(rsa, quotes(5_000)))).toBe('form');
    expect(await said(makeToken(rsa, claims()))).toBe('good');
    expect(readObject(quotes(200_000))).toBe(null);
    expect(readObject(`${quotes(200_000)}"}`)).not.toBe(null);
    await writeFile(join(dir, 'keys.json'), quotes(200_000));
    now += 10_000;
    await said(makeToken(rsa, claims()));
    expect(told.at(-1)).toContain('is no JWK Set');
  });

  it('that stand twice are refused, however they are spelled', async () => {
    const text = JSON.stringify(claims());
    expect(await said(makeToken(rsa, text))).toBe('good');
    for (const twice of ['"sub":"grace"', '"s\\u0075b":"grace"', '"act":{"sub":"a","sub":"b"}', '"aud":"x"'])
      for (const both of [text.replace('{', `{${twice},`), text.replace(/\}$/, `,${twice}}`)])
        expect(await said(makeToken(rsa, both))).toBe('form');
    const header = JSON.stringify({ alg: 'none', kid: 'rsa-1' }).replace('}', ',"alg":"RS256"}');
    expect(await said(makeToken(rsa, claims(), header))).toBe('form');
  });

  it('are one JSON object in UTF-8', async () => {
    for (const text of ['', '[]', '"x"', 'null', '7', '{', `${JSON.stringify(claims())}x`, '{"a":{'.repeat(100)])
      expect(await said(makeToken(rsa, text))).toBe('form');
    const deep = JSON.stringify(claims()).replace('{', `{"a":${'['.repeat(5000)}${']'.repeat(5000)},`);
    expect(await said(makeToken(rsa, deep))).toBe('form');
    const [header, , signature] = makeToken(rsa, claims()).toString().split('.');
    const bytes = Buffer.from(JSON.stringify(claims({ x: 'é' })), 'latin1').toString('base64url');
    expect(await said(Buffer.from(`${header}.${bytes}.${signature}`))).toBe('form');
  });
});

describe('what is no token', () => {
  it('is refused by its size before anything is read of it', async () => {
    const padded = claims({ pad: 'x'.repeat(TOKEN_BYTES_MAX) });
    expect(await said(makeToken(rsa, padded))).toBe('form');
    expect(await said(Buffer.alloc(10 * 1024 * 1024, 'a'))).toBe('form');
    expect(await said(Buffer.from(`${'a'.repeat(5e6)}.${'b'.repeat(5e6)}.c`))).toBe('form');
  });

  it('is refused whatever it is', async () => {
    for (const text of ['', '.', '..', '...', 'a.b', 'a.b.c', 'secret', '\0', 'eyJhbGciOiJSUzI1NiJ9..x', 'a.b.c.d.e'])
      expect(await said(Buffer.from(text))).toBe('form');
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => (await said(Buffer.from(bytes))) === 'form'),
    );
  });

  it('is refused with a byte changed, added or lost anywhere', async () => {
    const token = makeToken(ed, claims());
    await fc.assert(
      fc.asyncProperty(fc.nat(token.length - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
        const changed = Buffer.from(token);
        changed[at] = (changed[at] as number) ^ by;
        // The last characters of base64 can hold bits that are nothing: the same bytes, spelled otherwise.
        const same = ['base64url' as const].every((form) =>
          Buffer.from(changed.toString('latin1').split('.')[2] ?? '', form).equals(
            Buffer.from(token.toString('latin1').split('.')[2] ?? '', form),
          ),
        );
        const signed = (one: Buffer) => one.toString('latin1').split('.').slice(0, 2).join('.');
        if (same && signed(changed) === signed(token)) return;
        expect(await said(changed)).not.toBe('good');
        expect(await said(Buffer.concat([token.subarray(0, at), token.subarray(at + 1)]))).not.toBe('good');
      }),
    );
  });
});

describe('keys in a file', () => {
  it('are read again when they change: rotated, and removed', async () => {
    const next = makeSigner('RS256', 'rsa-2');
    const old = await entryOf(makeToken(rsa, claims()));
    now += 2_000;
    await publish([rsa, next]);
    expect(await said(makeToken(next, claims()))).toBe('good');
    expect(await jwt.stillGood(old)).toEqual({ good: true });
    now += 2_000;
    await publish([next]);
    expect(await said(makeToken(rsa, claims()))).toBe('signature');
    expect(await jwt.stillGood(old)).toMatchObject({ good: false });
    // Another key under the name of the old one.
    now += 2_000;
    await publish([{ ...next, jwk: { ...next.jwk, kid: 'rsa-1' } }]);
    expect(await jwt.stillGood(old)).toMatchObject({ good: false });
  });

  it('are kept for an hour while the file is not there or is no key set, and not longer', async () => {
    const token = () => makeToken(rsa, claims());
    expect(await said(token())).toBe('good');
    await writeFile(join(dir, 'keys.json'), '{"keys": 7}');
    now += 3_599_000;
    expect(await said(token())).toBe('good');
    now += 2_000;
    await expect(jwt.checker.check('report-bot', token())).rejects.toThrow(SourceDown);
    expect(told).toEqual([expect.stringContaining('is no JWK Set')]);
    await publish([rsa]);
    now += 2_000;
    expect(await said(token())).toBe('good');
    expect(told.at(-1)).toBe(null);
  });

  it('that were never there leave nothing known', async () => {
    await rm(join(dir, 'keys.json'));
    jwt = make();
    await jwt.warm();
    expect(told).toHaveLength(1);
    await expect(jwt.checker.check('report-bot', makeToken(rsa, claims()))).rejects.toThrow(SourceDown);
    // What is wrong by itself needs no keys.
    expect(await said(Buffer.from('secret'))).toBe('form');
  });
});

describe("Holdpoint's own tokens", () => {
  const fresh = async (more: object = {}) => {
    const what = { for: 'bot', by: 'ada', sponsor: 'ada', task: null, on_behalf_of: [], ttl_ms: 900_000, ...more };
    const made = await own.issue(what, async () => {});
    if (made === null) throw new Error('too many');
    return { ...made, bytes: Buffer.from(made.token) };
  };

  it('log in, and say who got them', async () => {
    const { bytes, id } = await fresh({ by: 'root', task: 'month end', on_behalf_of: ['tomasz'] });
    expect(await entryOf(bytes, 'bot')).toMatchObject({
      source: 'jwt',
      id: 'bot',
      sponsor: 'ada',
      on_behalf_of: ['tomasz', 'root'],
      task: 'month end',
      expires: START + 900_000,
      token: { issuer: 'holdpoint', id },
    });
    expect(await said(bytes, 'report-bot')).toBe('user');
    now += 899_000;
    expect(await said(bytes, 'bot')).toBe('good');
    now += 1_000;
    expect(await said(bytes, 'bot')).toBe('exp');
  });

  it('are revoked one by one, and all of somebody, durably', async () => {
    const one = await fresh();
    const two = await fresh();
    const other = await fresh({ for: 'etl' });
    const entries = await Promise.all([
      entryOf(one.bytes, 'bot'),
      entryOf(two.bytes, 'bot'),
      entryOf(other.bytes, 'etl'),
    ]);
    expect(await own.revoke(one.id, 'ada')).toBe(true);
    expect(await own.revoke(one.id, 'ada')).toBe(false);
    expect(await own.revoke('nobody', 'ada')).toBe(false);
    expect(await said(one.bytes, 'bot')).toBe('it was revoked');
    expect(await said(two.bytes, 'bot')).toBe('good');
    expect(await own.revokeAll('bot', 'root')).toBe(1);
    expect(await Promise.all(entries.map((entry) => jwt.stillGood(entry)))).toEqual([
      { good: false, why: 'it was revoked' },
      { good: false, why: 'it was revoked' },
      { good: true },
    ]);
    // One that is got afterwards is another one.
    expect(await said((await fresh()).bytes, 'bot')).toBe('good');
    own = await open();
    jwt = make();
    expect(await said(two.bytes, 'bot')).toBe('it was revoked');
    expect(await said(other.bytes, 'etl')).toBe('good');
  });

  it("are revoked with others' that are as old", async () => {
    const old = makeToken(rsa, claims({ iat: seconds() - 60 }));
    const entry = await entryOf(old);
    expect(await own.revokeAll('report-bot', 'root')).toBe(0);
    expect(await said(old)).toBe('it was revoked');
    expect(await jwt.stillGood(entry)).toMatchObject({ good: false });
    now += 30_000;
    expect(await said(makeToken(rsa, claims()))).toBe('it was revoked');
    now += 31_000;
    expect(await said(makeToken(rsa, claims()))).toBe('good');
    now += 47 * 3_600_000;
    await own.revokeAll('somebody', 'root');
    own = await open(() => START);
    jwt = createJwt({
      issuers: issuers(`- {issuer: ${ISSUER}, file: keys.json, algorithms: [RS256]}`, dir),
      own,
      told: () => {},
      now: () => START,
    });
    expect(await said(old)).toBe('it was revoked');
  });

  it('are good for as long as whoever got them may get one', async () => {
    const { bytes } = await fresh();
    const entry = await entryOf(bytes, 'bot');
    const asked: string[] = [];
    mayIssue = (by, agent) => {
      asked.push(`${by} for ${agent}`);
      return false;
    };
    expect(await said(bytes, 'bot')).toBe('who got it may not get one any more');
    expect(await jwt.stillGood(entry)).toMatchObject({ good: false });
    expect(new Set(asked)).toEqual(new Set(['ada for bot']));
  });

  it('are nothing without the record of their issue', async () => {
    const before = own.list().length;
    await expect(
      own.issue({ for: 'bot', by: 'ada', sponsor: null, task: null, on_behalf_of: [], ttl_ms: 1000 }, async () => {
        throw new Error('the log is full');
      }),
    ).rejects.toThrow('the log is full');
    expect(own.list()).toHaveLength(before);
  });

  it('are nothing without the file, whoever has the key', async () => {
    const { bytes } = await fresh();
    await rm(join(dir, 'tokens.json'));
    own = await open();
    jwt = make();
    expect(await said(bytes, 'bot')).toBe('signature');
  });

  it('go on through a rotation, or end by it', async () => {
    const { bytes } = await fresh();
    const entry = await entryOf(bytes, 'bot');
    const key = await own.rotate(false);
    expect(await said(bytes, 'bot')).toBe('good');
    const next = await fresh();
    expect((await entryOf(next.bytes, 'bot')).token?.key).toBe(key);
    expect(await jwt.stillGood(entry)).toEqual({ good: true });
    await own.rotate(true);
    expect(await said(bytes, 'bot')).toBe('signature');
    expect(await said(next.bytes, 'bot')).toBe('signature');
    expect(await jwt.stillGood(entry)).toMatchObject({ good: false });
  });

  it('can be made by nobody else', async () => {
    const claim = {
      iss: 'holdpoint',
      aud: 'holdpoint-db',
      sub: 'bot',
      iat: seconds(),
      exp: seconds() + 60,
      jti: (await fresh()).id,
    };
    const kid = own.keys()[0]?.kid ?? '';
    expect(await said(makeToken({ ...ed, kid }, claim, { typ: 'holdpoint-db+jwt' }), 'bot')).toBe('signature');
    expect(await said(makeToken({ ...ed, kid }, claim), 'bot')).toBe('header');
    expect(await said(makeToken(rsa, claim, { typ: 'holdpoint-db+jwt' }), 'bot')).toBe('alg');
  });

  it('of a newer Holdpoint are left as they are, and an operator is told what to do', async () => {
    await fresh();
    const file = join(dir, 'tokens.json');
    const newer = `${JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), version: 7, more: ['new'] })}\n`;
    await writeFile(file, newer);
    const error = await open().catch((thrown: Error) => thrown);
    if (!(error instanceof Error)) throw new Error('it was read');
    expect(error.message).toContain(
      `${file} was written by a newer Holdpoint (format 7; this one reads format 1). Run that Holdpoint again, or put back the whole data folder as it was before the upgrade. Do not delete the file`,
    );
    const secret = /"d":"([^"]+)"/.exec(newer)?.[1] ?? '';
    expect(secret).not.toBe('');
    expect(`${error.stack} ${String(error.cause)}`).not.toContain(secret);
    expect(await readFile(file, 'utf8')).toBe(newer);
  });

  it('are kept where only the owner reads, without the token', async () => {
    const { bytes } = await fresh();
    expect((await stat(join(dir, 'tokens.json'))).mode & 0o777).toBe(0o600);
    const text = await readFile(join(dir, 'tokens.json'), 'utf8');
    expect(text).not.toContain(bytes.toString().split('.')[2]);
    await writeFile(join(dir, 'tokens.json'), text.replace('"version":1', '"version":"1"'));
    await expect(open()).rejects.toThrow('is not what Holdpoint keeps there');
    const secret = /"d":"([^"]+)"/.exec(text)?.[1];
    const message = await open().catch((error: Error) => `${error.stack} ${String(error.cause)}`);
    expect(message).not.toContain(secret);
  });

  it('of other issuers that are revoked stay so until they have ended, however their clocks go', async () => {
    const one = makeToken(rsa, claims({ jti: 'j-1' }));
    const entry = await entryOf(one);
    expect(await own.revokeOther(ISSUER, 'j-1', 'root')).toBe(true);
    expect(await own.revokeOther(ISSUER, 'j-1', 'root')).toBe(true);
    expect(await said(one)).toBe('it was revoked');
    expect(await jwt.stillGood(entry)).toEqual({ good: false, why: 'it was revoked' });
    expect(await said(makeToken(rsa, claims({ jti: 'j-2' })))).toBe('good');
    // The same id of another issuer is another token.
    expect(
      own.standing({ id: 'report-bot', token: { ...(entry.token as TokenFacts), issuer: 'https://x.example' } }),
    ).toBe(null);
    // One without a jti has a hash in its place.
    const nameless = makeToken(rsa, claims());
    const { token } = await entryOf(nameless);
    await own.revokeOther(ISSUER, token?.id ?? '', 'root');
    expect(await said(nameless)).toBe('it was revoked');
    // A file that was written before there were such orders.
    const file = join(dir, 'tokens.json');
    now += 24 * 3_600_000;
    own = await open();
    expect(own.standing(entry)).toBe('it was revoked');
    now += 25 * 3_600_000;
    await own.rotate(false);
    expect(own.standing(entry)).toBe(null);
    const { revoked, ...before } = JSON.parse(await readFile(file, 'utf8')) as { revoked: unknown[] };
    expect(revoked).toEqual([]);
    await writeFile(file, JSON.stringify(before));
    own = await open();
    expect(own.standing(entry)).toBe(null);
  });

  it('are so many and no more', async () => {
    const what = { for: 'bot', by: 'ada', sponsor: null, task: null, on_behalf_of: [], ttl_ms: 1000 };
    await Promise.all(Array.from({ length: 100 }, () => own.issue(what, async () => {})));
    expect(own.list()).toHaveLength(100);
    now += 1_000;
    expect(own.list()).toHaveLength(0);
  });
});

describe('what is asked when somebody decides', () => {
  it('is whether the token has ended', async () => {
    const entry = await entryOf(makeToken(rsa, claims()));
    now += 959_000;
    expect(await jwt.stillGood(entry)).toEqual({ good: true });
    now += 1_000;
    expect(await jwt.stillGood(entry)).toEqual({ good: false, why: 'it has ended' });
  });

  it('is no question to a token where there is none', async () => {
    const entry = await entryOf(makeToken(rsa, claims()));
    expect(await jwt.stillGood({ ...entry, source: 'ldap', token: null })).toEqual({ good: true });
    expect(await jwt.stillGood({ ...entry, token: null })).toMatchObject({ good: false });
    // As it is after a restart without that issuer.
    const later = createJwt({ issuers: issuers('- issuer: holdpoint'), own, told: () => {}, now: () => now });
    expect(await later.stillGood(JSON.parse(JSON.stringify(entry)) as SourceEntry)).toMatchObject({ good: false });
  });
});

it('what is missing is missing', async () => {
  for (const name of ['iss', 'aud', 'sub', 'iat', 'exp'])
    expect(await said(makeToken(rsa, without(name)))).not.toBe('good');
});
