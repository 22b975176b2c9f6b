// The one-shot commands of reviewers, sponsors and agents as processes: what they print, what they do, and their exit codes.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { RequestView } from '../../src/review/client.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { Run } from './run.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const MAIN = resolve(import.meta.dirname, '../../src/main.ts');

/** Each command is a process. */
vi.setConfig({ testTimeout: 180_000 });

let server: TestServer;
let gateway: TestGateway;
let dir: string;
let agent: pg.Client;
let tables = 0;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-commands-'));
  server = await startServer(NEWEST);
  const starter = await readFile(resolve(import.meta.dirname, '../../policies/starter.yaml'), 'utf8');
  const policy = `${starter}\nreviewers: {oncall: {groups: [on-call]}}\nbreak_glass: [oncall]\n`;
  gateway = await startGateway({ upstream: server.url, policy });
  agent = new pg.Client(gateway.agentUrl());
  await agent.connect();
  for (const user of ['grace', 'ada'])
    await login(user, {
      url: gateway.reviewUrl,
      user,
      token: await gateway.token(user),
      expires: Date.now() + 3_600_000,
    });
});
afterAll(async () => {
  await agent.end();
  await gateway.stop();
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

const login = async (name: string, stored: object) => {
  await mkdir(join(dir, name, 'holdpoint'), { recursive: true });
  await writeFile(join(dir, name, 'holdpoint', 'token.json'), JSON.stringify(stored), { mode: 0o600 });
};

const start = (who: string, args: readonly string[], env: Record<string, string> = {}) =>
  new Run(process.execPath, ['--import', 'tsx', MAIN, ...args], { env: { XDG_CONFIG_HOME: join(dir, who), ...env } });
const holdpoint = (who: string, ...args: readonly string[]) => start(who, args).end();

/** A held statement, and what becomes of it. */
async function held(): Promise<{ readonly request: RequestView; readonly answer: Promise<string> }> {
  const known = (await gateway.grace.list()).requests.map(({ id }) => id);
  const answer = agent.query(`CREATE TABLE c${tables++} (n int)`).then(
    ({ command }) => command,
    (error: Error) => error.message,
  );
  return { request: await gateway.opened(known), answer };
}

test('whoami says who, where and until when, and not the token', async () => {
  const { out, exit } = await holdpoint('grace', 'whoami', '--json');
  expect(exit).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ id: 'grace', kind: 'human', roles: ['reviewer'], url: gateway.reviewUrl });
  expect((await holdpoint('nobody', 'whoami')).err).toBe('Not logged in. Run: holdpoint login\n');
});

test('ask, answer by the sponsor, approve: 0; not yours: 3; decided already: 4', async () => {
  const { request, answer } = await held();
  const own = await holdpoint('ada', 'approve', request.id, '--reason', 'mine');
  expect(own).toMatchObject({
    exit: 3,
    err: expect.stringMatching(/^You are the sponsor of bot, so you cannot decide this\. .*grace can\.\n$/),
  });
  const asked = await holdpoint('grace', 'ask', request.id.toLowerCase(), '--reason', 'What for?');
  expect(asked).toMatchObject({ exit: 0, out: expect.stringContaining('Asked. It stays held.') });
  const answered = await holdpoint('ada', 'answer', request.id, '--reason', 'For the month’s end.', '--json');
  expect(JSON.parse(answered.out).said).toMatchObject([{ text: 'What for?' }, { text: 'For the month’s end.' }]);
  const approved = await holdpoint('grace', 'approve', request.id, '--reason', 'clear');
  expect(approved).toMatchObject({
    exit: 0,
    out: expect.stringMatching(/Approved by you at .* 1 of 1\. It runs once, now\./),
  });
  expect(await answer).toBe('CREATE');
  await gateway.reaches(request.id, 'executed');
  expect(await holdpoint('grace', 'deny', request.id, '--reason', 'late')).toMatchObject({ exit: 4 });
});

test('completion finds the ids in what the server says', async () => {
  const { request, answer } = await held();
  const script = (await holdpoint('grace', 'completion', 'bash')).out;
  const asked = `holdpoint() { "$NODE" --import tsx "$MAIN" "$@"; }; eval "$1"; COMP_WORDS=(holdpoint approve HP-); COMP_CWORD=2; _holdpoint; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { XDG_CONFIG_HOME: join(dir, 'grace'), NODE: process.execPath, MAIN };
  const { out } = await new Run('bash', ['-c', asked, 'bash', script], { env }).end();
  expect(out.split('\n')).toContain(request.id);
  await gateway.deny(request);
  expect(await answer).toContain('denied');
});

test('another digest than what was read: 5; withdrawn by the sponsor; nobody answers: 6', async () => {
  const { request, answer } = await held();
  const other = await holdpoint('grace', 'approve', request.id, '--reason', 'x', '--digest', 'd1');
  expect(other).toMatchObject({ exit: 5, err: expect.stringContaining('Nothing was decided.') });
  expect(await holdpoint('ada', 'withdraw', request.id, '--reason', 'not today')).toMatchObject({ exit: 0 });
  expect(await answer).toMatch(/was withdrawn by ada/);
  await login('lost', {
    url: 'http://127.0.0.1:1',
    user: 'grace',
    token: 'token-of-nobody-here',
    expires: Date.now() + 60_000,
  });
  expect(await holdpoint('lost', 'deny', request.id)).toMatchObject({
    exit: 6,
    err: expect.stringContaining('is unknown.'),
  });
});

test('wrong usage: 2', async () => {
  expect(await holdpoint('grace', 'ask', 'HP-7KQ4M2XA')).toMatchObject({ exit: 2 });
  const half = await holdpoint('grace', 'approve', 'HP-7KQ4M2XA', '--permit-for', '7d');
  expect(half).toMatchObject({ exit: 2, err: 'A permit wants all of --permit-for, --uses and --rows.\n' });
  const notTerminal = await holdpoint('grace', 'review');
  expect(notTerminal).toMatchObject({ exit: 2, err: expect.stringContaining('review needs a terminal.') });
});

test('a token for an agent answers for it, and decides nothing', async () => {
  const { out, err, exit } = await holdpoint('ada', 'token', '--for', 'bot', '--ttl', '5m');
  expect({ exit, err }).toMatchObject({ exit: 0, err: expect.stringMatching(/^For bot, until .* UTC:\n$/) });
  expect(await holdpoint('grace', 'token', '--for', 'bot')).toMatchObject({ exit: 3 });
  const { request } = await held();
  const env = { HOLDPOINT_TOKEN: out.trim(), HOLDPOINT_URL: gateway.reviewUrl };
  const answer = await start('nobody', ['answer', request.id, '--reason', 'It was asked of me.'], env).end();
  expect(answer).toMatchObject({ exit: 0, out: expect.stringContaining('Answered.') });
  expect(await start('nobody', ['approve', request.id, '--reason', 'me'], env).end()).toMatchObject({ exit: 3 });
  expect((await gateway.grace.get(request.id)).state).not.toBe('approved');
  await gateway.deny(await gateway.grace.get(request.id));
});

test('what happens, as lines of JSON, and sessions', async () => {
  const watch = start('grace', ['requests', '--watch']);
  await watch.until(/^{"type":"snapshot"/);
  const { request } = await held();
  await watch.until(new RegExp(`"type":"request.opened".*"id":"${request.id}"`));
  await watch.interrupt();
  const sessions = await holdpoint('grace', 'sessions');
  expect(sessions).toMatchObject({
    exit: 0,
    out: expect.stringMatching(new RegExp(`bot, for ada, on postgres at app.*waits for ${request.id}`)),
  });
  const [session] = JSON.parse((await holdpoint('grace', 'sessions', '--json')).out) as { id: string }[];
  await gateway.deny(request);
  // An admin's.
  expect(await holdpoint('grace', 'sessions', 'end', session?.id ?? '')).toMatchObject({ exit: 3 });
});

test('permits: none, and one that is not there', async () => {
  expect(await holdpoint('grace', 'permits')).toEqual({ out: 'No permit.\n', err: '', exit: 0 });
  expect(await holdpoint('grace', 'permits', 'revoke', 'PM-00000000', '--reason', 'x')).toMatchObject({ exit: 1 });
});

test('close: the review of what somebody ran by break-glass, by somebody else', async () => {
  const petra = new pg.Client(gateway.agentUrl().replace('bot', 'petra'));
  await petra.connect();
  await petra.query("SET holdpoint.break_glass = 'it burns'");
  await petra.query('CREATE TABLE burning (n int)');
  await petra.end();
  const [request] = (await gateway.grace.list({ state: 'review' })).requests;
  const closed = await holdpoint('grace', 'close', request?.id ?? '', '--reason', 'the table was needed', '--json');
  expect(closed.exit).toBe(0);
  expect(JSON.parse(closed.out)).toMatchObject({
    broken_glass: { reviewed: { by: 'grace', rationale: 'the table was needed' } },
  });
});
