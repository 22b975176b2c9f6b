// How somebody gets in and out of the reviewers' API: the second factor, the sign-in provider as far as this side goes, links into a
// terminal, out of one session and of all. The provider itself is a real one in test/real/oidc.test.ts.
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { reviewClient, signIn } from '../../../src/review/client.ts';
import type { SsoAnswer, SsoPort } from '../../../src/review/ports.ts';
import { CODE, PASSWORD, PEOPLE } from '../../browser/fake-desk.ts';
import { type Harness, problemOf, start } from './harness.ts';

let h: Harness;
afterEach(() => h.server.close());

const records = (type: string) => h.desk.records.filter((one) => one.type === type).map(({ clear }) => clear);

test('a second factor is asked for after the password alone, and is no guess until one is given', async () => {
  h = await start();
  for (let n = 0; n < 8; n += 1) {
    const response = await h.post('/api/login', { user: 'otto', password: PASSWORD });
    expect(response.headers.getSetCookie()).toEqual([]);
    expect(await response.json()).toMatchObject({
      type: 'urn:holdpoint:problem:second-factor',
      status: 401,
      factors: ['totp', 'webauthn'],
      webauthn: {},
    });
  }
  expect(records('reviewer.sign_in_refused')).toEqual([]);
  expect(await problemOf(await h.post('/api/login', { user: 'otto', password: PASSWORD, otp: '000000' }))).toBe(
    '401 second-factor',
  );
  expect(records('reviewer.sign_in_refused')).toMatchObject([{ user: 'otto', why: 'second-factor' }]);
  expect((await h.post('/api/login', { user: 'otto', password: PASSWORD, otp: CODE })).status).toBe(200);
  expect(records('reviewer.signed_in')).toMatchObject([{ user: 'otto', how: 'password', by: ['local', 'totp'] }]);
  const { token } = await signIn(h.url, { user: 'otto', password: PASSWORD, otp: CODE });
  expect(await reviewClient(h.url, token).me()).toMatchObject({ id: 'otto', by: ['local', 'totp'] });
});

test.each([
  ['wait', '429 too-many'],
  ['down', '503 directory-down'],
  ['none', '403 second-factor-missing'],
  ['wrong', '401 sign-in-refused'],
] as const)('refused because of %s', async (why, answer) => {
  h = await start({ identity: { password: async () => ({ type: 'refused', why, wait_ms: 1500 }) } });
  expect(await problemOf(await h.post('/api/login', { user: 'grace', password: 'x' }))).toBe(answer);
  expect(records('reviewer.sign_in_refused')).toMatchObject([{ user: 'grace', how: 'password', why }]);
});

test('signing out everywhere ends every session, stream and token of the account, and those it got for agents, and no other', async () => {
  h = await start();
  const ada = await h.enter('ada');
  const again = await h.enter('ada');
  const { token } = await signIn(h.url, { user: 'ada', password: PASSWORD });
  const terminal = reviewClient(h.url, token);
  const agent = reviewClient(h.url, (await terminal.tokenFor('billing-agent', '5m')).token);
  const grace = reviewClient(h.url, (await signIn(h.url, { user: 'grace', password: PASSWORD })).token);
  const { link } = (await (await h.post('/api/links', {}, ada.headers)).json()) as { link: string };
  const socket = new WebSocket(`${h.url.replace('http', 'ws')}/api/stream`, {
    headers: { Authorization: `Bearer ${token}` },
  });
  await once(socket, 'message');
  const closed = once(socket, 'close');

  const done = await h.post('/api/logout/everywhere', {}, ada.headers);
  expect(await done.json()).toEqual({ ended: 4 });
  expect((await closed)[0]).toBe(4401);
  for (const { headers } of [ada, again])
    expect(await problemOf(await fetch(`${h.url}/api/me`, { headers }))).toBe('401 not-signed-in');
  await expect(terminal.me()).rejects.toMatchObject({ why: 'not-signed-in' });
  await expect(agent.list()).rejects.toMatchObject({ why: 'not-signed-in' });
  await expect(signIn(h.url, { link })).rejects.toMatchObject({ why: 'link-refused' });
  expect(await grace.me()).toMatchObject({ id: 'grace' });
  expect(records('reviewer.signed_out')).toMatchObject([{ user: 'ada', everywhere: true, sessions: 4 }]);
});

test('who signs out is out, also when that can not be recorded', async () => {
  h = await start();
  const { headers } = await h.enter('grace');
  h.desk.breakLog(true);
  expect(await problemOf(await h.post('/api/logout', {}, headers))).toBe('503 not-recorded');
  expect(await problemOf(await fetch(`${h.url}/api/me`, { headers }))).toBe('401 not-signed-in');
});

test('a link into a terminal is good once, and what it opens ends no later than where it comes from', async () => {
  h = await start();
  const { headers } = await h.enter('grace');
  const me = (await (await fetch(`${h.url}/api/me`, { headers })).json()) as { expires: number; signed_in: number };
  const { link } = (await (await h.post('/api/links', {}, headers)).json()) as { link: string };
  const { token, expires } = await signIn(h.url, { link });
  expect(expires).toBeLessThanOrEqual(me.expires);
  expect(await reviewClient(h.url, token).me()).toMatchObject({ id: 'grace', by: ['local'], signed_in: me.signed_in });
  await expect(signIn(h.url, { link })).rejects.toMatchObject({ why: 'link-refused' });
  expect(records('reviewer.link_issued')).toEqual([{ by: 'grace' }]);
});

const ssoOf = (answer: SsoAnswer, seen: string[] = []): SsoPort => ({
  begin: async (back) => ({ url: `https://login.example/auth?back=${back}`, transaction: 'one-browser' }),
  finish: async (search, transaction) => {
    seen.push(`${search} ${transaction}`);
    return answer;
  },
  signOutUrl: (id_token) => `https://login.example/out?hint=${id_token}`,
});
const navigate = (path: string, cookie = '') =>
  fetch(h.url + path, { redirect: 'manual', headers: { Cookie: cookie } });

test('the way to the provider and back, and out of both', async () => {
  const account = PEOPLE.find(({ id }) => id === 'grace')!;
  const seen: string[] = [];
  const answer: SsoAnswer = {
    type: 'in',
    account,
    by: ['oidc', 'mfa'],
    back: '/r/HP-7KQ4',
    id_token: 'a.b.c',
    auth_time: 1_700_000_000_000,
    acr: 'phr',
  };
  h = await start({ identity: { sso: ssoOf(answer, seen) } });
  expect(await (await fetch(`${h.url}/api/door`)).json()).toMatchObject({ sso: true });
  const there = await navigate('/oidc/start?back=/r/HP-7KQ4');
  expect([there.status, there.headers.get('location')]).toEqual([303, 'https://login.example/auth?back=/r/HP-7KQ4']);
  const [kept = ''] = there.headers.getSetCookie();
  // Lax: the provider sends the browser here from another site.
  expect(kept).toMatch(/^holdpoint-oidc=one-browser; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/);
  const back = await navigate('/oidc/callback?code=c&state=s', kept.split(';')[0]);
  expect([back.status, back.headers.get('location'), seen]).toEqual([
    303,
    '/r/HP-7KQ4',
    ['?code=c&state=s one-browser'],
  ]);
  const [gone = '', session = ''] = back.headers.getSetCookie();
  expect(gone).toMatch(/^holdpoint-oidc=; Max-Age=0/);
  const cookie = session.split(';')[0] as string;
  const me = (await (await fetch(`${h.url}/api/me`, { headers: { Cookie: cookie } })).json()) as { csrf: string };
  expect(me).toMatchObject({ id: 'grace', by: ['oidc', 'mfa'] });
  expect(records('reviewer.signed_in')).toMatchObject([{ user: 'grace', how: 'oidc', by: ['oidc', 'mfa'] }]);
  const out = await h.post('/api/logout', {}, { Cookie: cookie, Origin: h.url, 'X-Holdpoint-CSRF': me.csrf });
  expect(await out.json()).toEqual({ url: 'https://login.example/out?hint=a.b.c' });
});

test('over TLS the transaction is bound to this host, and nobody is sent elsewhere', async () => {
  const sso = ssoOf({ type: 'refused', problem: 'refused', why: 'state' });
  h = await start({ secure: true, url: 'https://holdpoint.example', identity: { sso } });
  const there = await navigate('/oidc/start?back=https://evil.example/');
  expect(there.headers.get('location')).toBe('https://login.example/auth?back=/');
  expect(there.headers.getSetCookie()[0]).toMatch(/^__Host-holdpoint-oidc=.*Path=\/; HttpOnly; Secure; SameSite=Lax$/);
});

test.each([
  ['refused', '/?refused=sso-refused'],
  ['unknown', '/?refused=sso-unknown'],
  ['down', '/?refused=sso-down'],
] as const)('the provider’s answer is %s', async (what, where) => {
  h = await start({ identity: { sso: ssoOf({ type: 'refused', problem: what, why: 'nonce' }) } });
  const back = await navigate('/oidc/callback?code=c&state=s');
  expect(back.headers.get('location')).toBe(where);
  expect(back.headers.getSetCookie().filter((one) => one.startsWith('holdpoint='))).toEqual([]);
  expect(records('reviewer.sign_in_refused')).toMatchObject([{ user: null, how: 'oidc', why: 'nonce' }]);
});

test('without a provider there is no such way, and one that does not answer is said so', async () => {
  h = await start();
  for (const path of ['/oidc/start', '/oidc/callback'])
    expect(await problemOf(await navigate(path))).toBe('404 not-found');
  await h.server.close();
  const sso = { ...ssoOf({ type: 'refused', problem: 'down', why: 'down' }), begin: async () => null };
  h = await start({ identity: { sso } });
  expect((await navigate('/oidc/start')).headers.get('location')).toBe('/?refused=sso-down');
});
