// Approvals by people of a real sign-in provider, at a whole gateway before a real server: groups that were taken away while a request is open,
// groups that can't be read again, a provider that is gone, and rules that want a fresh sign-in of it. What is refused is on record, in words.
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RequestView } from '../../src/review/client.ts';
import { problemView, requestView } from '../../src/review/schemas.ts';
import { open, outcome } from './clients.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { Jar, type RunningProvider, startProvider } from './oidc.ts';
import { ownPort } from './ports.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const POLICY = `version: 1
default: allow
reviewers: {dba: {groups: ["oidc:dba"]}}
rules:
  - {id: grouped, when: stmt.reads("public.grouped"), then: hold, ask: {of: [dba], wait: 0s}}
  - {id: fresh, when: stmt.reads("public.fresh"), then: hold, ask: {step_up: {within: 10m}, wait: 0s}}
`;

let server: TestServer;
beforeAll(async () => {
  process.env['OIDC_SECRET'] = 'provider-secret';
  server = await startServer(NEWEST);
  const tables = ['grouped', 'fresh'].map((table) => `CREATE TABLE ${table} AS SELECT 1 AS id`);
  await (await server.admin(tables.join(';'))).end();
});
afterAll(async () => {
  delete process.env['OIDC_SECRET'];
  await server?.stop();
});

/** A person's browser at the console, and what it is answered. */
class Browser {
  readonly #jar = new Jar();
  readonly #url: string;
  #csrf = '';

  constructor(url: string) {
    this.#url = url;
  }

  /** Through the provider; `path`: how it begins. Resolves with where it ends. */
  async signIn(login: string, path = '/oidc/start'): Promise<string | null> {
    const callback = await this.#jar.follow(`${this.#url}${path}`, login, (url) => url.includes('/oidc/callback'));
    const response = await this.#jar.fetch(callback);
    const me = (await (await this.#jar.fetch(`${this.#url}/api/me`)).json()) as { csrf?: string };
    this.#csrf = me.csrf ?? '';
    return response.headers.get('location');
  }

  async see(id: string): Promise<RequestView> {
    return requestView.parse(await (await this.#jar.fetch(`${this.#url}/api/requests/${id}`)).json());
  }

  async start(id: string): Promise<URL> {
    const response = await this.#jar.fetch(`${this.#url}/oidc/start?for=${id}`);
    return new URL(response.headers.get('location') ?? '', this.#url);
  }

  async decide({ id, digest, revision }: RequestView, decision = 'approve') {
    const response = await fetch(`${this.#url}/api/requests/${id}/decisions`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Origin: this.#url,
        'X-Holdpoint-CSRF': this.#csrf,
        Cookie: `holdpoint=${this.#jar.get(this.#url, 'holdpoint')}`,
      },
      body: JSON.stringify({ decision, digest, revision, rationale: 'looked at it' }),
    });
    const body: unknown = await response.json();
    return response.ok ? requestView.parse(body).state : problemView.parse(body);
  }
}

describe.each(['refresh', 'userinfo', 'nothing'] as const)('a provider that tells groups by %s', (tells) => {
  let provider: RunningProvider;
  let gateway: TestGateway;
  let agent: pg.Client;
  let url: string;
  beforeEach(async () => {
    const port = await ownPort();
    url = `http://127.0.0.1:${port}`;
    provider = await startProvider(url, tells);
    await provider.groups({ 'sub-ines': ['staff', 'dba'] });
    const oidc = {
      issuer: provider.issuer,
      client_id: 'holdpoint',
      client_secret: '${OIDC_SECRET}',
      scopes: ['openid', 'profile', 'groups'],
      groups_max_age_s: 0,
    };
    const map = [{ from: 'oidc', group: 'oidc:staff', as: { kind: 'human', roles: ['reviewer'] } }];
    gateway = await startGateway({
      upstream: server.url,
      policy: POLICY,
      config: { review: { listen: `127.0.0.1:${port}`, url }, identity: { users: 'users.yaml', oidc, map } },
    });
    agent = await open(gateway.agentUrl());
  });
  afterEach(async () => {
    await agent?.end();
    await gateway?.stop();
    await provider?.stop();
  });
  const held = async (table: string): Promise<RequestView> => {
    expect(await outcome(agent.query(`SELECT * FROM ${table}`))).toMatchObject({ code: 'ZH001' });
    return gateway.opened();
  };
  const refusals = async () =>
    (await gateway.records()).filter(({ type }) => type === 'request.refused').map(({ clear }) => clear);

  if (tells === 'nothing') {
    test('groups that can not be read again are not assumed: refused, in words, on record', async () => {
      const ines = new Browser(url);
      await ines.signIn('sub-ines');
      const request = await held('grouped');
      const refused = await ines.decide(request);
      expect(refused).toMatchObject({
        type: 'urn:holdpoint:problem:step-up',
        status: 403,
        detail: expect.stringMatching(/^What the sign-in provider said of your groups is too old for a decision/),
        step_up: { missing: [], user: 'sub-ines', sso: { start: `/oidc/start?for=${request.id}` } },
      });
      expect(await refusals()).toMatchObject([{ by: 'sub-ines', why: 'step-up', request: request.id }]);
      const seen = await ines.see(request.id);
      expect([seen.state, seen.decisions]).toEqual(['open', []]);
      expect(seen.can_decide).toMatchObject({ may: false, again: true });
    });
  } else {
    test('a group that was taken away while the request is open is none: refused, in words, on record', async () => {
      const ines = new Browser(url);
      await ines.signIn('sub-ines');
      const request = await held('grouped');
      await provider.groups({ 'sub-ines': ['staff'] });
      expect(await ines.decide(request)).toMatchObject({
        type: 'urn:holdpoint:problem:wrong-group',
        detail: 'This needs dba. You are in oidc:staff.',
      });
      expect(await refusals()).toMatchObject([{ by: 'sub-ines', why: 'wrong-group', decision: 'approve' }]);
      expect((await ines.see(request.id)).decisions).toEqual([]);
      // And back in it, without signing in again.
      await provider.groups({ 'sub-ines': ['staff', 'dba'] });
      expect(await ines.decide(request)).toBe('approved');
      expect(await outcome(agent.query('SELECT * FROM grouped'))).toMatchObject({ rowCount: 1 });
    });

    test('while the provider is down nothing is assumed, and nothing is lost', async () => {
      const ines = new Browser(url);
      await ines.signIn('sub-ines');
      const request = await held('grouped');
      await provider.stop();
      expect(await ines.decide(request)).toMatchObject({ type: 'urn:holdpoint:problem:directory-down', status: 503 });
      expect((await ines.see(request.id)).state).toBe('open');
      expect(await refusals()).toMatchObject([{ by: 'sub-ines', why: 'directory-down' }]);
    });
  }

  if (tells === 'userinfo')
    test('a rule that wants a fresh sign-in has the provider asked for one, and its time goes on record', async () => {
      const ines = new Browser(url);
      await ines.signIn('sub-ines');
      const request = await held('fresh');
      expect(await ines.decide(request)).toMatchObject({
        type: 'urn:holdpoint:problem:step-up',
        detail:
          'Rule fresh wants approvals of people who signed in at most 10 minutes before. You signed in, by single sign-on; the provider did not say when you proved who you are. Sign in again.',
        step_up: {
          missing: ['within'],
          within_ms: 600_000,
          signed_in: { at: null, by: ['oidc'] },
          sso: { start: `/oidc/start?for=${request.id}`, max_age: 600, prompt: 'login' },
        },
      });
      const asked = (await ines.start(request.id)).searchParams;
      expect([asked.get('prompt'), asked.get('max_age')]).toEqual(['login', '600']);
      // A stranger learns nothing of a request from where it sends them.
      const stranger = await fetch(`${url}/oidc/start?for=${request.id}`, { redirect: 'manual' });
      expect(new URL(stranger.headers.get('location') ?? '').searchParams.get('prompt')).toBeNull();
      expect(await ines.signIn('sub-ines', `/oidc/start?for=${request.id}`)).toBe(`/r/${request.id}`);
      expect(await ines.decide(request)).toBe('approved');
      const [decided] = (await gateway.records()).filter(({ type }) => type === 'request.decided');
      expect(decided?.clear).toMatchObject({
        decision: { by: 'sub-ines', signed_in: { at: expect.any(Number), by: ['oidc'] } },
      });
      expect(await outcome(agent.query('SELECT * FROM fresh'))).toMatchObject({ rowCount: 1 });
    });
});
