// Rules that want an app's code of whoever approves, grants a permit or looks at what broke glass, at a whole gateway before a real server: a one-time link
// and a recovery code are not enough and change nothing, a code is, and how its author had signed in is on record.
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FACTORS_KEY } from '../../src/identity/factors.ts';
import { makeScrypt } from '../../src/identity/password.ts';
import { hashRecoveryCode, makeTotpSecret, sealTotp, STEP_MS, totpCode } from '../../src/identity/totp.ts';
import { Refused, type RequestView, type ReviewClient, reviewClient, signIn } from '../../src/review/client.ts';
import { open, outcome } from './clients.ts';
import { decide, startGateway, type TestGateway } from './gateway.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const POLICY = `version: 1
default: allow
reviewers: {oncall: {groups: [on-call]}}
break_glass: [oncall]
rules:
  - {id: coded, when: stmt.reads("public.coded"), then: hold, ask: {step_up: {within: 10m, factor: totp}, wait: 0s}}
  - {id: often, when: stmt.reads("public.often"), then: hold, ask: {step_up: {factor: totp}, permit: {for: 1h, uses: 5, rows: 100}, wait: 0s}}
  - {id: glass, when: stmt.reads("public.glass"), then: hold, ask: {step_up: {factor: totp}, wait: 0s}}
`;
const PASSWORD = 'a reviewer has a long one';
const RECOVERY = ['AAAA-BBBB-CCCC-DDDD', 'EEEE-FFFF-GGGG-HHHH'];
const REVIEWERS = ['reviewer-0', 'reviewer-1', 'reviewer-2'] as const;
type Name = (typeof REVIEWERS)[number];

let server: TestServer;
let gateway: TestGateway;
let agent: pg.Client;
const secrets: Record<string, Buffer> = {};
beforeAll(async () => {
  server = await startServer(NEWEST);
  const tables = ['coded', 'often', 'glass'].map((table) => `CREATE TABLE ${table} AS SELECT 1 AS id`);
  await (await server.admin(tables.join(';'))).end();
  const dir = await mkdtemp(join(tmpdir(), 'holdpoint-code-'));
  const key = randomBytes(32);
  await mkdir(join(dir, 'data'), { mode: 0o700 });
  await writeFile(join(dir, 'data', FACTORS_KEY), key, { mode: 0o600 });
  const password = await makeScrypt(PASSWORD);
  const people = REVIEWERS.map((id) => {
    const secret = makeTotpSecret();
    secrets[id] = secret;
    return [id, { password, totp: sealTotp(secret, id, key), recovery: RECOVERY.map(hashRecoveryCode) }] as const;
  });
  gateway = await startGateway({
    dir,
    upstream: server.url,
    policy: POLICY,
    reviewers: REVIEWERS.length,
    people: Object.fromEntries(people),
  });
  agent = await open(gateway.agentUrl());
});
afterAll(async () => {
  await agent?.end();
  await gateway?.stop();
  await server?.stop();
});

const by = async (user: Name, otp: string): Promise<ReviewClient> =>
  reviewClient(gateway.reviewUrl, (await signIn(gateway.reviewUrl, { user, password: PASSWORD, otp })).token);
/** As an app shows it now; it counts until the step that follows is over, too. */
const code = (user: Name): string => totpCode(secrets[user] as Buffer, Math.floor(Date.now() / STEP_MS));
const byLink = async (user: Name): Promise<ReviewClient> => reviewClient(gateway.reviewUrl, await gateway.token(user));

const held = async (table: string): Promise<RequestView> => {
  expect(await outcome(agent.query(`SELECT * FROM ${table}`))).toMatchObject({ code: 'ZH001' });
  return gateway.opened();
};
const refused = async (work: Promise<unknown>): Promise<unknown> => {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Refused)) throw new Error('it was not refused');
  return { why: error.why, ...error.problem };
};
const stepUp = (user: Name, missing: readonly string[], signed_in: object) => ({
  why: 'step-up',
  status: 403,
  step_up: { missing, factor: 'totp', user, signed_in, sso: null },
});
const BY_LINK = { at: null, by: ['link'], acr: null };
const records = async (type: string, id: string) =>
  (await gateway.records())
    .filter((record) => record.type === type)
    .map(({ clear }) => clear)
    .filter((clear) => clear['id'] === id || clear['request'] === id);

test('an approval: by a link or a recovery code it is not counted, by a code it is', async () => {
  const user = 'reviewer-0';
  const request = await held('coded');
  const [link, recovery] = [await byLink(user), await by(user, RECOVERY[0] as string)];
  expect(await refused(decide(link, request, 'approve'))).toMatchObject(stepUp(user, ['within', 'factor'], BY_LINK));
  expect(await refused(decide(recovery, request, 'approve'))).toMatchObject(
    stepUp(user, ['factor'], { at: expect.any(Number), by: ['local', 'recovery'] }),
  );
  expect(await gateway.grace.get(request.id)).toMatchObject({ state: 'open', decisions: [] });
  expect(await records('request.refused', request.id)).toMatchObject([
    { by: user, why: 'step-up', decision: 'approve' },
    { by: user, why: 'step-up', decision: 'approve' },
  ]);
  const used = code(user);
  const app = await by(user, used);
  expect((await decide(app, request, 'approve')).state).toBe('approved');
  expect(await records('request.decided', request.id)).toMatchObject([
    { decision: { by: user, signed_in: { at: expect.any(Number), by: ['local', 'totp'] } } },
  ]);
  expect(await outcome(agent.query('SELECT * FROM coded'))).toMatchObject({ rowCount: 1 });
  // A code that was looked over a shoulder signs nobody in again.
  expect(await refused(by(user, used))).toMatchObject({ why: 'second-factor', status: 401 });
});

test('a denial needs nothing of it', async () => {
  const request = await held('coded');
  expect((await decide(await byLink('reviewer-0'), request, 'deny')).state).toBe('denied');
});

test('a permit: nobody gets one by a link, nor by a recovery code; by a code it is granted, and lets statements through', async () => {
  const user = 'reviewer-1';
  const { id, digest, revision } = await held('often');
  const grant = (client: ReviewClient) =>
    client.decide(id, {
      decision: 'approve',
      digest,
      revision,
      rationale: 'every day',
      permit: { for: '1h', uses: 3, rows: 100 },
    });
  expect(await refused(grant(await byLink(user)))).toMatchObject(stepUp(user, ['factor'], BY_LINK));
  expect(await refused(grant(await by(user, RECOVERY[0] as string)))).toMatchObject({ why: 'step-up' });
  expect((await gateway.grace.permits()).permits).toEqual([]);
  expect(await gateway.grace.get(id)).toMatchObject({ state: 'open', decisions: [] });
  expect((await grant(await by(user, code(user)))).state).toBe('approved');
  const permits = (await gateway.grace.permits()).permits;
  expect(permits).toMatchObject([{ request: id, state: 'in-force' }]);
  expect(await records('request.decided', id)).toMatchObject([
    { decision: { by: user, signed_in: { by: ['local', 'totp'] } } },
  ]);
  for (let use = 0; use < 2; use += 1)
    expect(await outcome(agent.query('SELECT * FROM often'))).toMatchObject({ rowCount: 1 });
});

test('the review of what broke glass: a link does not end it, a code does', async () => {
  const user = 'reviewer-2';
  const petra = await open(gateway.agentUrl().replace('bot', 'petra'));
  await petra.query("SET holdpoint.break_glass = 'the disk is full'");
  expect(await petra.query('SELECT * FROM glass')).toMatchObject({ rowCount: 1 });
  await petra.end();
  const [request] = (await gateway.grace.list({ state: 'review' })).requests;
  const id = request?.id ?? '';
  const link = await byLink(user);
  expect(await refused(link.review(id, 'it was needed'))).toMatchObject(stepUp(user, ['factor'], BY_LINK));
  expect(await gateway.grace.get(id)).toMatchObject({ broken_glass: { reviewed: null } });
  expect(await records('request.refused', id)).toMatchObject([{ by: user, why: 'step-up' }]);
  const app = await by(user, code(user));
  expect(await app.review(id, 'it was needed')).toMatchObject({ broken_glass: { reviewed: { by: user } } });
  expect(await records('request.reviewed', id)).toMatchObject([{ by: user, signed_in: { by: ['local', 'totp'] } }]);
});
