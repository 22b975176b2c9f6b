import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RequestView, reviewClient, signIn } from '../../../src/review/client.ts';
import { requestView } from '../../../src/review/schemas.ts';
import { PASSWORD } from '../../browser/fake-desk.ts';
import { type Harness, problemOf, start } from './harness.ts';

let h: Harness;
beforeEach(async () => {
  h = await start();
});
afterEach(() => h.server.close());

const ID = 'HP-9C2D';
const path = `/api/requests/${ID}/decisions`;
const shown = async (headers: Record<string, string>) =>
  (await (await fetch(`${h.url}/api/requests/${ID}`, { headers })).json()) as RequestView;
const body = (request: RequestView, change: object = {}) => ({
  decision: 'approve',
  digest: request.digest,
  revision: request.revision,
  rationale: 'checked',
  ...change,
});
const refusals = () => h.desk.records.filter(({ type }) => type === 'request.refused').map(({ clear }) => clear);

test('signs in by password with a cookie that scripts cannot read, and out again', async () => {
  const response = await h.post('/api/login', { user: 'grace', password: PASSWORD });
  expect(response.status).toBe(200);
  const cookie = response.headers.getSetCookie()[0] as string;
  expect(cookie).toMatch(/^holdpoint=[\w-]{43}; /);
  expect(cookie).toContain('HttpOnly');
  expect(cookie).toContain('SameSite=Lax');
  expect(cookie).not.toContain('Secure');
  const grace = await h.enter('grace');
  expect((await fetch(`${h.url}/api/me`, { headers: grace.headers })).status).toBe(200);
  expect((await h.post('/api/logout', {}, grace.headers)).status).toBe(200);
  expect(await problemOf(await fetch(`${h.url}/api/me`, { headers: grace.headers }))).toBe('401 not-signed-in');
});

test('over TLS the cookie is Secure and bound to the host', async () => {
  const tls = await start({ secure: true, url: 'https://holdpoint.example' });
  try {
    const response = await tls.post('/api/login', { user: 'grace', password: PASSWORD });
    const cookie = response.headers.getSetCookie()[0] as string;
    expect(cookie).toMatch(/^__Host-holdpoint=/);
    expect(cookie).toContain('Secure');
    expect(cookie).toContain('Path=/');
    expect(cookie).not.toContain('Domain');
    expect(response.headers.get('strict-transport-security')).not.toBeNull();
    const { headers } = await tls.enter('grace');
    const local = { ...headers, Origin: tls.url };
    expect(await problemOf(await tls.post('/api/logout', {}, local))).toBe('403 csrf');
    expect((await tls.post('/api/logout', {}, headers)).status).toBe(200);
  } finally {
    await tls.server.close();
  }
});

test('never says whether a user exists, and stops guessing after five tries', async () => {
  const wrong = await Promise.all(
    ['grace', 'nobody'].map(async (user) => {
      const response = await h.post('/api/login', { user, password: 'x' });
      return { status: response.status, body: await response.text() };
    }),
  );
  expect(wrong[0]).toEqual(wrong[1]);
  for (let i = 0; i < 4; i += 1) await h.post('/api/login', { user: 'grace', password: 'x' });
  expect(await problemOf(await h.post('/api/login', { user: 'grace', password: PASSWORD }))).toBe('429 too-many');
  expect((await h.post('/api/login', { user: 'aiko', password: PASSWORD })).status).toBe(200);
  const recorded = h.desk.records
    .filter(({ type }) => type === 'reviewer.sign_in_refused')
    .map(({ clear }) => clear.user);
  expect(recorded).toEqual(['grace', null, 'grace', 'grace', 'grace', 'grace']);
});

test('good sign-ins are not counted as tries', async () => {
  for (let i = 0; i < 8; i += 1)
    expect((await h.post('/api/login', { user: 'grace', password: PASSWORD })).status).toBe(200);
});

test('a sign-in that cannot be recorded does not happen', async () => {
  h.desk.breakLog(true);
  const response = await h.post('/api/login', { user: 'grace', password: PASSWORD });
  expect(response.headers.getSetCookie()).toEqual([]);
  expect(await problemOf(response)).toBe('503 not-recorded');
  expect((await fetch(`${h.url}/api/health`)).status).toBe(503);
});

test('a one-time link is used up by POST alone, once', async () => {
  const token = h.desk.link('grace');
  // What link previews do.
  await fetch(`${h.url}/in/${token}`);
  await fetch(`${h.url}/in/${token}`, { method: 'HEAD' });
  expect((await h.post(`/in/${token}`, {})).status).toBe(200);
  expect(await problemOf(await h.post(`/in/${token}`, {}))).toBe('401 link-refused');
});

test('a write by cookie needs our origin and the token of this very session', async () => {
  const grace = await h.enter('grace');
  const aiko = await h.enter('aiko');
  const request = await shown(grace.headers);
  const attempts: Record<string, string>[] = [
    { Cookie: grace.cookie },
    { Cookie: grace.cookie, Origin: h.url },
    { Cookie: grace.cookie, 'X-Holdpoint-CSRF': grace.csrf },
    { ...grace.headers, Origin: 'http://evil.example' },
    { ...grace.headers, Origin: 'null' },
    { ...grace.headers, 'X-Holdpoint-CSRF': aiko.csrf },
  ];
  for (const headers of attempts) expect(await problemOf(await h.post(path, body(request), headers))).toBe('403 csrf');
  expect((await shown(grace.headers)).state).toBe('open');
  const login = await h.post('/api/login', { user: 'grace', password: PASSWORD }, { Origin: 'http://evil.example' });
  expect(await problemOf(login)).toBe('403 csrf');
  expect((await h.post(path, body(request), grace.headers)).status).toBe(200);
});

test('a decision counts once; the second is told who was faster', async () => {
  const grace = await h.enter('grace');
  const request = await shown(grace.headers);
  const first = await h.post(path, body(request), grace.headers);
  expect(((await first.json()) as RequestView).state).toBe('approved');
  const second = await h.post(path, body(request, { decision: 'deny' }), (await h.enter('aiko')).headers);
  expect(second.headers.get('content-type')).toBe('application/problem+json');
  const problem = (await second.json()) as { type: string; status: number; detail: string; request: RequestView };
  expect(problem).toMatchObject({ type: 'urn:holdpoint:problem:already-decided', status: 409 });
  expect(problem.detail).toMatch(/^grace approved this \d s ago/);
  expect(problem.request.decisions).toHaveLength(1);
  expect(refusals()).toEqual([
    { what: 'decide', request: ID, by: 'aiko', decision: 'deny', why: 'already-decided', channel: 'console' },
  ]);
});

test('twenty at once: one counts', async () => {
  const grace = await h.enter('grace');
  const request = await shown(grace.headers);
  const answers = await Promise.all(Array.from({ length: 20 }, () => h.post(path, body(request), grace.headers)));
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, ...Array<number>(19).fill(409)]);
  expect(refusals()).toHaveLength(19);
});

test.each([
  ['another digest', { digest: 'f00' }, '409 changed'],
  ['another revision', { revision: 2 }, '409 changed'],
  ['no rationale', { rationale: ' ' }, '422 rationale-missing'],
])('%s is refused and on record', async (_, change, expected) => {
  const grace = await h.enter('grace');
  const response = await h.post(path, body(await shown(grace.headers), change), grace.headers);
  expect(await problemOf(response)).toBe(expected);
  expect(refusals()).toHaveLength(1);
});

test.each([
  ['not JSON', 'decision=approve', {}, '400 bad-request'],
  ['a form', 'decision=approve', { 'Content-Type': 'application/x-www-form-urlencoded' }, '415 not-json'],
  ['an unknown field', '{"decision":"approve","digest":"x","revision":1,"force":true}', {}, '400 bad-request'],
  ['a wrong type', '{"decision":"approve","digest":"x","revision":"1"}', {}, '400 bad-request'],
  ['64 KiB and more', JSON.stringify({ rationale: 'x'.repeat(70_000) }), {}, '413 too-large'],
])('%s as a body is refused', async (_, text, headers, expected) => {
  const grace = await h.enter('grace');
  expect(await problemOf(await h.post(path, text, { ...grace.headers, ...headers }))).toBe(expected);
});

test('an agent, an auditor and the requester never decide', async () => {
  const bare = { decision: 'approve', digest: 'x', revision: 1, rationale: 'x' } as const;
  const as = async (user: string, id: string) => {
    const { token } = await signIn(h.url, { user, password: PASSWORD });
    return reviewClient(h.url, token)
      .decide(id, bare)
      .then(
        () => 'decided',
        (error: { why: string }) => error.why,
      );
  };
  expect(await as('billing-agent', 'HP-7KQ4')).toBe('not-a-person');
  expect(await as('hedy', 'HP-7KQ4')).toBe('not-a-reviewer');
  expect(await as('ida', 'HP-7KQ4')).toBe('not-a-reviewer');
  expect(await as('ada', 'HP-7KQ4')).toBe('own');
  expect(refusals().map(({ by, why, channel }) => [by, why, channel])).toEqual([
    ['billing-agent', 'not-a-person', 'api'],
    ['hedy', 'not-a-reviewer', 'api'],
    ['ida', 'not-a-reviewer', 'api'],
    ['ada', 'own', 'api'],
  ]);
});

test('without a role one reads only what one answers for', async () => {
  const ids = async (user: string) => {
    const { token } = await signIn(h.url, { user, password: PASSWORD });
    const client = reviewClient(h.url, token);
    const list = await client.list().then(
      ({ requests }) => requests.map(({ id }) => id).toSorted(),
      (error: { why: string }) => error.why,
    );
    const other = await client.get('HP-2MVA').then(
      () => 'read',
      (error: { why: string }) => error.why,
    );
    return [list, other];
  };
  expect(await ids('ida')).toEqual(['no-role', 'no-role']);
  expect(await ids('tomasz')).toEqual([['HP-3WX9', 'HP-5TNB', 'HP-9C2D'], 'no-role']);
  expect(await ids('billing-agent')).toEqual([['HP-7KQ4'], 'no-role']);
});

test("an auditor's reading is recorded before the text is given, once for each request", async () => {
  const hedy = await h.enter('hedy');
  await fetch(`${h.url}/api/requests/${ID}`, { headers: hedy.headers });
  await fetch(`${h.url}/api/requests/${ID}`, { headers: hedy.headers });
  await fetch(`${h.url}/api/requests?state=all`, { headers: hedy.headers });
  const reads = h.desk.records.filter(({ type }) => type === 'reviewer.read_text').map(({ clear }) => clear.requests);
  expect(reads).toHaveLength(2);
  expect(reads[0]).toEqual([ID]);
  expect(reads[1]).not.toContain(ID);
  const again = await h.enter('hedy');
  h.desk.breakLog(true);
  expect(await problemOf(await fetch(`${h.url}/api/requests/${ID}`, { headers: again.headers }))).toBe(
    '503 not-recorded',
  );
});

test('lists by state, with a limit, page by page', async () => {
  const { token } = await signIn(h.url, { user: 'grace', password: PASSWORD });
  const client = reviewClient(h.url, token);
  const first = await client.list({ limit: 2 });
  expect(first.requests).toHaveLength(2);
  const rest = await client.list({ before: first.next ?? '' });
  expect([...first.requests, ...rest.requests].map(({ id }) => id)).toEqual(
    (await client.list()).requests.map(({ id }) => id),
  );
  h.desk.change(ID, 'decided', { state: 'denied' });
  expect((await client.list({ state: 'decided' })).requests.map(({ id }) => id)).toEqual([ID]);
  const headers = { Authorization: `Bearer ${token}` };
  for (const query of ['state=mine', 'limit=0', 'limit=501', 'nonsense=1'])
    expect(await problemOf(await fetch(`${h.url}/api/requests?${query}`, { headers }))).toBe('400 bad-request');
});

test('a body in chunks is read like any other, within the same bound', async () => {
  const { token } = await signIn(h.url, { user: 'grace', password: PASSWORD });
  const chunked = (parts: readonly string[]) =>
    fetch(`${h.url}/api/requests/${ID}/questions`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: Readable.from(parts.map((part) => Buffer.from(part))),
      duplex: 'half',
    } as unknown as RequestInit);
  expect((await chunked(['{"text":', '"Why?"}'])).status).toBe(200);
  expect(
    await problemOf(await chunked(['{"text": "', ...Array.from({ length: 70 }, () => 'x'.repeat(1024)), '"}'])),
  ).toBe('413 too-large');
});

test('a bearer token is no cookie and a cookie no bearer token', async () => {
  const grace = await h.enter('grace');
  const value = grace.cookie.split('=')[1] as string;
  const { token } = await signIn(h.url, { user: 'grace', password: PASSWORD });
  const me = (headers: Record<string, string>) => fetch(`${h.url}/api/me`, { headers });
  expect((await me({ Authorization: `Bearer ${token}` })).status).toBe(200);
  expect((await me({ Authorization: `Bearer ${value}` })).status).toBe(401);
  expect((await me({ Cookie: `holdpoint=${token}` })).status).toBe(401);
  expect((await me({ ...grace.headers, Authorization: 'Bearer nonsense-nonsense-nonsense' })).status).toBe(401);
});

test('every answer carries the policy of the page', async () => {
  for (const url of ['/', '/api/health', '/api/me', '/nowhere', '/api/requests']) {
    const { headers } = await fetch(h.url + url);
    expect(headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(headers.get('content-security-policy')).not.toContain('unsafe');
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('cache-control')).toBe('no-store');
  }
  expect(await problemOf(await fetch(`${h.url}/nowhere`))).toBe('404 not-found');
  expect(await problemOf(await fetch(`${h.url}/api/login`, { method: 'PUT' }))).toBe('405 method');
});

test('a fault of ours is a problem document without its cause', async () => {
  const { token } = await signIn(h.url, { user: 'grace', password: PASSWORD });
  h.desk.before = async () => {
    throw new Error('secret path /data');
  };
  const response = await h.post(
    path,
    { decision: 'deny', digest: 'x', revision: 1, rationale: 'x' },
    { Authorization: `Bearer ${token}` },
  );
  const text = await response.text();
  expect(response.status).toBe(500);
  expect(text).toContain('urn:holdpoint:problem:internal');
  expect(text).not.toContain('secret');
});

test('what the API sends is what its OpenAPI document says', async () => {
  const document = (await (await fetch(`${h.url}/api/openapi.json`)).json()) as {
    openapi: string;
    paths: Record<string, object>;
  };
  expect(document.openapi).toBe('3.1.0');
  expect(Object.keys(document.paths)).toContain('/api/requests/{id}/decisions');
  const { token } = await signIn(h.url, { user: 'grace', password: PASSWORD });
  const { requests } = await reviewClient(h.url, token).list({ state: 'all' });
  expect(requests.length).toBeGreaterThan(4);
  for (const request of requests) expect(requestView.strict().parse(request)).toEqual(request);
});
