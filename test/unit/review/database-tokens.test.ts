// Tokens for databases over the API and from the command line: who gets them, who ends them, what is on record of both, and that neither
// kind of token is good for what the other is for.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { decodeJwt } from 'jose';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Failure } from '../../../src/cli/failure.ts';
import { tokenCommand } from '../../../src/cli/token.ts';
import { reviewClient } from '../../../src/review/client.ts';
import type { DatabaseTokensView, TokenView } from '../../../src/review/schemas.ts';
import { type House, startHouse } from './house.ts';
import { issuers, makeSigner, makeToken } from '../identity/tokens.ts';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

let house: House;
beforeEach(async () => {
  house = await startHouse();
});
afterEach(() => house.stop());

const get = (user: string, body: object = {}) =>
  house.call(user, 'tokens', '', { for: 'bot', database: true, ttl: '15m', ...body });
const listed = async (user: string) =>
  ((await house.call(user, 'databaseTokens')).body as DatabaseTokensView).tokens.map((one) => [
    one.for,
    one.by,
    one.revoked?.by ?? null,
  ]);

test('who answers for an agent gets it one, which says so, and is on record without it', async () => {
  const made = (await get('ada', { task: 'month end', on_behalf_of: ['grace'] })).body as TokenView;
  const claims = decodeJwt(made.token);
  expect(claims).toMatchObject({
    iss: 'holdpoint',
    aud: 'holdpoint-db',
    sub: 'bot',
    sponsor: 'ada',
    act: { sub: 'ada' },
    task: 'month end',
    on_behalf_of: ['grace'],
    jti: made.id,
  });
  expect((claims.exp ?? 0) * 1000).toBe(made.expires);
  expect(await house.records('reviewer.token_issued')).toEqual([
    {
      type: 'reviewer.token_issued',
      clear: { by: 'ada', for: 'bot', ttl_ms: 900_000, on_behalf_of: ['grace'], token: made.id },
    },
  ]);
  const everything = JSON.stringify(await house.records());
  expect(everything).not.toContain(made.token.split('.')[2]);
  expect(everything).not.toContain('month end');
});

test('whoever answers for nobody gets none, and none is good for longer than the configuration says', async () => {
  expect((await get('grace')).why).toBe('not-your-agent');
  expect((await get('root', { for: 'nobody' })).why).toBe('not-your-agent');
  expect((await get('root', { for: 'ada' })).why).toBe('not-your-agent');
  expect(await get('ada', { ttl: '61m' })).toMatchObject({ why: 'too-long', detail: 'At most 60 minutes.' });
  expect((await get('ada', { ttl: '25h' })).why).toBe('bad-request');
  expect((await get('ada', { database: false })).why).toBe('bad-request');
  expect((await house.call('ada', 'tokens', '', { for: 'bot', task: 'x' })).why).toBe('bad-request');
  expect(await house.records('reviewer.token_issued')).toEqual([]);
  expect(await listed('root')).toEqual([]);
});

test('one for a database is nobody at the API, and one for the API is no token for a database', async () => {
  const database = (await get('ada')).body as TokenView;
  expect((await house.call(database.token, 'requests')).why).toBe('not-signed-in');
  await expect(reviewClient(house.url, database.token).me()).rejects.toThrow('Sign in first.');
  const api = (await house.call('ada', 'tokens', '', { for: 'bot' })).body as TokenView;
  expect(api.id).toBe(null);
  expect(await house.password('bot', api.token)).toBe(null);
  expect(await house.password('bot', await house.token('ada'))).toBe(null);
  expect(await house.password('bot', database.token)).toMatchObject({ id: 'bot', sponsor: 'ada' });
});

test('one is revoked by whoever got it, its sponsor or an admin, at once and over a restart', async () => {
  const [first, second, third] = (await Promise.all([get('root'), get('root'), get('ada')])).map(
    ({ body }) => body as TokenView,
  );
  if (!first || !second || !third) throw new Error('none');
  expect(await listed('grace')).toEqual([]);
  const all = (await listed('ada')).map((row) => row.join(' '));
  expect(all.toSorted((a, b) => a.localeCompare(b))).toEqual(['bot ada ', 'bot root ', 'bot root ']);
  for (const user of ['grace', 'tomasz'])
    expect((await house.call(user, 'revokeToken', first.id ?? '', {})).why).toBe('not-found');
  expect((await house.call('ada', 'revokeToken', first.id ?? '', { reason: 'lost' })).status).toBe(204);
  expect((await house.call('ada', 'revokeToken', first.id ?? '', {})).why).toBe('ended');
  expect(await house.password('bot', first.token)).toBe(null);
  expect(await house.password('bot', second.token)).not.toBe(null);
  expect((await house.call('root', 'revokeTokens', '', { for: 'bot' })).body).toEqual({ revoked: 2 });
  await house.restart();
  for (const { token } of [first, second, third]) expect(await house.password('bot', token)).toBe(null);
  expect(await house.records('reviewer.token_revoked')).toEqual([
    { type: 'reviewer.token_revoked', clear: { by: 'ada', for: 'bot', token: first.id } },
    { type: 'reviewer.token_revoked', clear: { by: 'root', for: 'bot', token: null } },
  ]);
  expect(await house.password('bot', ((await get('ada')).body as TokenView).token)).not.toBe(null);
});

test('another key signs, and what older ones signed is dropped where an admin says so', async () => {
  const one = (await get('ada')).body as TokenView;
  await house.call('root', 'rotateTokenKey', '', {});
  expect(await house.password('bot', one.token)).not.toBe(null);
  await house.call('root', 'rotateTokenKey', '', { drop: true });
  expect(await house.password('bot', one.token)).toBe(null);
  expect((await house.records('reviewer.token_key')).map(({ clear }) => clear)).toEqual([
    { by: 'root', drop: false },
    { by: 'root', drop: true },
  ]);
  const text = JSON.stringify(await house.records());
  const keys = JSON.parse(await readFile(`${house.dir}/tokens.json`, 'utf8')) as { keys: { jwk: { d: string } }[] };
  expect(keys.keys).toHaveLength(1);
  for (const { jwk } of keys.keys) expect(text).not.toContain(jwk.d);
});

test('without Holdpoint among the issuers there are none', async () => {
  await house.stop();
  house = await startHouse({ database_tokens: false });
  expect(await get('ada')).toMatchObject({ why: 'no-database-tokens', status: 409 });
  expect((await house.call('root', 'databaseTokens')).why).toBe('no-database-tokens');
  expect((await house.call('root', 'revokeTokens', '', { for: 'bot' })).why).toBe('no-database-tokens');
});

test('where only others give tokens out: one is revoked by an admin, all by who answers for the agent, over a restart', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdpoint-others-'));
  const signer = makeSigner('EdDSA', 'one');
  await writeFile(join(folder, 'keys.json'), JSON.stringify({ keys: [signer.jwk] }));
  await house.stop();
  house = await startHouse({
    jwt: issuers('- {issuer: https://login.example, file: keys.json, algorithms: [EdDSA]}', folder),
  });
  const token = (jti: string | undefined, sub = 'bot') => {
    const at = Math.floor(Date.now() / 1000);
    const claims = { iss: 'https://login.example', aud: 'holdpoint-db', sub, iat: at, exp: at + 600, jti };
    return makeToken(signer, claims).toString();
  };
  const [one, two, nameless, other] = [token('j-1'), token('j-2'), token(undefined), token('j-1', 'etl')];
  const revoke = (user: string, body: object) => house.call(user, 'revokeTokens', '', body);
  try {
    for (const each of [one, two, nameless]) expect(await house.password('bot', each)).not.toBe(null);
    expect(await revoke('ada', { issuer: 'https://login.example', id: 'j-1' })).toMatchObject({
      why: 'not-your-agent',
    });
    expect(await revoke('root', { issuer: 'https://login.example/', id: 'j-1' })).toMatchObject({
      why: 'unknown-issuer',
      status: 422,
      detail: expect.stringContaining('https://login.example'),
    });
    expect(await revoke('root', { issuer: 'holdpoint', id: 'j-1' })).toMatchObject({ why: 'unknown-issuer' });
    for (const odd of [
      {},
      { id: 'j-1' },
      { issuer: '', id: 'j-1' },
      { issuer: 'https://login.example', id: 7 },
      { for: 'bot', issuer: 'x', id: 'y' },
    ])
      expect(await revoke('root', odd)).toMatchObject({ why: 'bad-request' });
    expect(await house.password('bot', one)).not.toBe(null);
    const lost = { issuer: 'https://login.example', id: 'j-1', reason: 'lost' };
    // Twice is once.
    for (let n = 0; n < 2; n++) expect((await revoke('root', lost)).body).toEqual({ revoked: 0 });
    const gone = async (): Promise<unknown> => [await house.password('bot', one), await house.password('etl', other)];
    expect(await gone()).toEqual([null, null]);
    expect(await house.password('bot', two)).not.toBe(null);
    await house.restart();
    expect(await gone()).toEqual([null, null]);
    expect(await house.password('bot', two)).not.toBe(null);
    expect(await house.records('reviewer.token_revoked')).toEqual(
      Array.from({ length: 2 }, () => ({
        type: 'reviewer.token_revoked',
        clear: { by: 'root', for: null, token: 'j-1', issuer: 'https://login.example' },
      })),
    );
    expect((await revoke('grace', { for: 'bot' })).why).toBe('not-your-agent');
    expect((await revoke('ada', { for: 'bot' })).body).toEqual({ revoked: 0 });
    for (const each of [two, nameless]) expect(await house.password('bot', each)).toBe(null);
    await house.restart();
    expect(await house.password('bot', two)).toBe(null);
    // Holdpoint still gives none out.
    expect((await get('ada')).why).toBe('no-database-tokens');
    expect((await house.call('root', 'rotateTokenKey', '', {})).why).toBe('no-database-tokens');
    expect((await house.call('root', 'databaseTokens')).body).toEqual({ tokens: [] });
    expect(await house.call('root', 'revokeToken', 'j-2', {})).toMatchObject({
      why: 'not-found',
      detail: expect.stringContaining('another issuer'),
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('from the command line: got, listed, revoked, rotated', async () => {
  let printed = '';
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      printed += String(text);
      return true;
    });
  vi.stubEnv('HOLDPOINT_URL', house.url);
  const holdpoint = async (user: string, ...args: string[]): Promise<string> => {
    vi.stubEnv('HOLDPOINT_TOKEN', await house.token(user));
    printed = '';
    try {
      await tokenCommand().parseAsync(args, { from: 'user' });
      return printed;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return `${error.exit}: ${error.message}`;
    }
  };
  try {
    const [about, token = ''] = (
      await holdpoint('ada', '--for', 'bot', '--database', '--task', 'x', '--on-behalf-of', 'grace', 'ida')
    ).split('\n');
    const id = /^For bot, until .* UTC, ([\w-]{36}):$/.exec(about ?? '')?.[1] ?? '';
    expect(decodeJwt(token)).toMatchObject({ jti: id, task: 'x', on_behalf_of: ['grace', 'ida'] });
    expect(await holdpoint('ada', 'list')).toMatch(new RegExp(`^${id}  bot, got by ada, until .* UTC\n$`));
    expect(await holdpoint('grace', 'list')).toBe('No tokens for databases are in use.\n');
    expect(await holdpoint('grace', 'revoke', id)).toMatch(/^1: /);
    expect(await holdpoint('ada', 'revoke', id, '--reason', 'lost')).toBe(`${id} is revoked.\n`);
    expect(await holdpoint('ada', 'revoke', id)).toMatch(/^4: /);
    expect(JSON.parse(await holdpoint('ada', 'list', '--json'))).toMatchObject([{ id, revoked: { by: 'ada' } }]);
    expect(await holdpoint('ada', 'revoke', '--for', 'bot')).toContain("0 of them Holdpoint's own");
    expect(await holdpoint('root', 'rotate')).toMatch(/^Tokens for databases are signed by [\w-]{43} from now on\.\n$/);
    expect(await holdpoint('ada', 'rotate', '--drop')).toMatch(/^3: /);
    // Said before anything is sent.
    expect(await holdpoint('ada')).toMatch(/^2: --for/);
    expect(await holdpoint('ada', '--for', 'bot', '--task', 'x')).toMatch(/^2: .*--database/);
    expect(await holdpoint('ada', 'revoke')).toMatch(/^2: /);
    expect(await holdpoint('ada', 'revoke', id, '--for', 'bot')).toMatch(/^2: /);
    expect(await holdpoint('ada', 'revoke', '--issuer', 'https://login.example')).toMatch(/^2: --issuer/);
    expect(await holdpoint('ada', 'revoke', '--issuer', 'https://login.example', '--for', 'bot')).toMatch(/^2: /);
    expect(await holdpoint('root', 'revoke', 'j-1', '--issuer', 'https://login.example')).toContain(
      'identity.jwt names none',
    );
  } finally {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  }
});
