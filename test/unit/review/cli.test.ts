// The reviewers' commands as processes would run them, against the real server: what they print, and how they end.
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { approveCommand, denyCommand } from '../../../src/cli/decide.ts';
import { Failure } from '../../../src/cli/failure.ts';
import { loginCommand } from '../../../src/cli/login.ts';
import { requestsCommand } from '../../../src/cli/requests.ts';
import type { RequestView } from '../../../src/review/client.ts';
import { type Harness, start } from './harness.ts';

let h: Harness;
let home: string;
let printed: string;

beforeEach(async () => {
  h = await start();
  home = await mkdtemp(join(tmpdir(), 'holdpoint-cli-'));
  vi.stubEnv('XDG_CONFIG_HOME', home);
  printed = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await h.server.close();
  await rm(home, { recursive: true });
});

const COMMANDS = { login: loginCommand, requests: requestsCommand, approve: approveCommand, deny: denyCommand };

/** Exit status and what went to standard output. */
async function run(name: keyof typeof COMMANDS, ...args: string[]): Promise<{ exit: number; text: string }> {
  printed = '';
  try {
    await COMMANDS[name]().parseAsync(args, { from: 'user' });
    return { exit: 0, text: printed };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { exit: error.exit, text: error.message };
  }
}

const login = (user: string) => run('login', '--link', `${h.url}/in/${h.desk.link(user)}`);

test('stores a token that only this user may read, and never prints it', async () => {
  const { exit, text } = await login('grace');
  expect(exit).toBe(0);
  expect(text).toMatch(/^Signed in as grace until \d{4}-\d\d-\d\d \d\d:\d\d UTC\. Token: .*token\.json\n$/);
  const path = join(home, 'holdpoint', 'token.json');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const stored = JSON.parse(await readFile(path, 'utf8')) as { token: string; url: string };
  expect(stored.url).toBe(h.url);
  expect(text).not.toContain(stored.token);
});

test('a used link is refused', async () => {
  const link = `${h.url}/in/${h.desk.link('grace')}`;
  await run('login', '--link', link);
  expect(await run('login', '--link', link)).toEqual({
    exit: 1,
    text: 'This sign-in link is unknown, used or too old.',
  });
  expect((await run('login', '--link', 'nonsense')).exit).toBe(2);
});

test('lists riskiest first, hidden characters spelled out', async () => {
  await login('grace');
  const { text } = await run('requests');
  const ids = [...text.matchAll(/HP-\w{4}/g)].map(([id]) => id);
  expect(ids).toEqual(['HP-3WX9', 'HP-5TNB', 'HP-7KQ4', 'HP-9C2D', 'HP-2MVA']);
  expect(text).toContain('■ Critical');
  expect(text).toContain('The text deceives. It has 4 direction controls');
  expect(text).toContain('billing-agent, for ada, on app, rule exports, open, 1 of 2');
  expect(text).toContain('Exports public.customers and billing.invoices, about 212,000 rows  (ends in ');
  expect(text).toContain('Leaves: about 212,000 rows, 38 MB\n');
  expect(text).toContain('Locks: ACCESS EXCLUSIVE on public.customers: blocks every reader and writer\n');
  expect(text).not.toMatch(/[\u200b-\u202e\u2066-\u2069]/);
  const json = JSON.parse((await run('requests', '--json', '--state', 'all')).text) as RequestView[];
  expect(json).toHaveLength(5);
  expect((await run('requests', '--state', 'decided')).text).toBe('No request.\n');
});

test('exit status says what happened', async () => {
  expect(await run('approve', 'HP-9C2D')).toMatchObject({ exit: 1, text: 'Not logged in. Run: holdpoint login' });
  await login('grace');
  expect(await run('approve', 'HP-9C2D')).toMatchObject({ exit: 1, text: expect.stringMatching(/^Write why\./) });
  expect(await run('approve', 'HP-9C2D', '--reason', 'x', '--digest', 'f00')).toMatchObject({ exit: 5 });
  const done = await run('approve', 'hp-9c2d', '--reason', 'agreed');
  expect(done).toMatchObject({ exit: 0 });
  expect(done.text).toMatch(
    /^HP-9C2D: Alters public\.customers\nApproved by you at \d\d:\d\d:\d\d UTC\. 1 of 1\. It runs once, now\.\n$/,
  );
  expect(await run('deny', 'HP-9C2D', '--reason', 'late')).toMatchObject({ exit: 4 });
  expect(await run('approve', 'HP-2MVA', '--reason', 'mine')).toMatchObject({ exit: 3 });
  expect(await run('approve', 'HP-NONE', '--reason', 'x')).toMatchObject({ exit: 1 });
  expect((await run('deny', 'HP-5TNB', '--reason', 'no need')).text).toMatch(/Denied by you at .*\. Nothing ran\.\n$/);
  await h.server.close();
  expect(await run('approve', 'HP-7KQ4', '--reason', 'x')).toMatchObject({ exit: 6 });
  h = await start();
});

test('an approval of a ticket waits for the agent', async () => {
  await login('grace');
  h.desk.change('HP-9C2D', 'ticket', { holds: 'ticket', wait_until: null });
  expect((await run('approve', 'HP-9C2D', '--reason', 'ok')).text).toContain("on the agent's next identical try");
});
