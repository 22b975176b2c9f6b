// The whole thing in one picture: psql and node-postgres as agents, a real PostgreSQL, the real gateway, and the console in a real browser.
// Screenshots go to a temporary folder that is printed, for a person to look at; UPDATE=picture writes the README's picture anew.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ownPort } from '../real/ports.ts';
import { open } from '../real/clients.ts';
import { startGateway, type TestGateway } from '../real/gateway.ts';
import { startServer, type TestServer } from '../real/servers.ts';
import { EXPORT } from './fake-desk.ts';
import { bar, card, live, NARROW, openPages, page, provokes, rationale, WIDE } from './page.ts';

let shots: string;
let server: TestServer;
let gateway: TestGateway;
let ports: { readonly agents: number; readonly review: number };
const clients: pg.Client[] = [];

beforeAll(async () => {
  shots = await mkdtemp(join(tmpdir(), 'holdpoint-first-hold-'));
  process.stdout.write(`screenshots: ${shots}\n`);
  // Into dist/, where the gateway looks: what is tested is what is in src/console.
  await build({ root: join(import.meta.dirname, '../../src/console'), logLevel: 'error' });
  server = await startServer(18);
  await server.admin(await readFile(join(import.meta.dirname, '../../fixtures/demo.sql'), 'utf8'));
  ports = { agents: await ownPort(), review: await ownPort() };
  gateway = await start();
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.end().catch(() => {})));
  await gateway?.stop();
  await server?.stop();
});

openPages();

/** Always on the same ports: a page that is open finds the next one again. */
const start = (dir?: string): Promise<TestGateway> =>
  startGateway({
    upstream: server.url,
    listener: { listen: `127.0.0.1:${ports.agents}`, tags: { env: 'production' } },
    config: { review: { listen: `127.0.0.1:${ports.review}` } },
    ...(dir === undefined ? {} : { dir }),
  });

interface Psql {
  /** Sends a line. */
  say(line: string): void;
  /** Resolves when its output or its errors match. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  leave(): void;
  readonly ended: Promise<{ readonly out: string; readonly err: string; readonly exit: number | null }>;
}

const psql = (...args: readonly string[]): Psql => {
  const child = spawn('psql', [gateway.agentUrl(), '-X', '-A', '-t', ...args], {
    env: { ...process.env, PGCONNECT_TIMEOUT: '10', LC_ALL: 'C' },
  });
  let out = '';
  let err = '';
  const closed = once(child, 'close').then(() => ({ out, err, exit: child.exitCode }));
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  return {
    say: (line) => void child.stdin.write(`${line}\n`),
    async until(pattern) {
      for (;;) {
        const found = pattern.exec(out) ?? pattern.exec(err);
        if (found) return found;
        const more = await Promise.race([
          once(child.stdout, 'data').then(() => true),
          once(child.stderr, 'data').then(() => true),
          closed.then(() => false),
        ]);
        if (!more) throw new Error(`psql ended without ${pattern}: ${out}${err}`);
      }
    },
    leave: () => void child.kill('SIGKILL'),
    ended: closed,
  };
};

/** Sends statements on a connection of their own; the last one is held. */
const agent = async (...statements: readonly string[]): Promise<void> => {
  const client = await open(gateway.agentUrl());
  clients.push(client);
  const last = statements.at(-1) ?? '';
  for (const statement of statements.slice(0, -1)) await client.query(statement);
  const held = once(client, 'notice');
  client.query(last).catch(() => {});
  await held;
};

async function enter(user: 'ada' | 'grace'): Promise<void> {
  await page.goto(gateway.link(user));
  await page.getByRole('button', { name: 'Sign in' }).click();
  await live();
}

/** The guard after what is shown changed: a click meant for what was there before does nothing. */
const guard = () => page.waitForTimeout(650);

/** At both widths, in both themes at the wide one; leaves the page wide. */
async function shoot(name: string): Promise<void> {
  await page.screenshot({ path: join(shots, `${name}-1440.png`) });
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.screenshot({ path: join(shots, `${name}-1440-dark.png`) });
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(NARROW);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  await page.screenshot({ path: join(shots, `${name}-390.png`) });
  await page.setViewportSize(WIDE);
  expect(wide, `${name} sticks out at ${NARROW.width} px`).toBe(0);
}

test('grace sees a COPY arrive, approves it, and psql gets its rows', async () => {
  await page.goto(gateway.link('grace'));
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  await shoot('sign-in');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await live();
  await page.getByRole('heading', { name: 'Nothing is held' }).waitFor();
  await shoot('empty');
  const copy = psql('-c', 'COPY customers TO STDOUT');
  await page.getByRole('link', { name: 'Exports public.customers' }).click();
  await card();
  await page.getByText('Rows leave the database').first().waitFor();
  await shoot('card');
  await page.getByRole('radio', { name: 'Approve once' }).check();
  await rationale().fill('Checked with Finance.');
  await guard();
  await page.getByRole('button', { name: /^Approve once as/ }).click();
  await bar().getByText('It ran once: COPY 500').waitFor();
  await shoot('ran');
  const { out, err, exit } = await copy.ended;
  expect(out.trimEnd().split('\n')).toHaveLength(500);
  expect(err).toMatch(/approved by grace: request HP-\w+ runs now, once/);
  expect(exit).toBe(0);
});

test('the answer to a decision that comes after the result does not undo it', async () => {
  await enter('grace');
  const copy = psql('-c', 'COPY customers(id) TO STDOUT');
  const [, id = ''] = await copy.until(/request (HP-\w{8})/);
  await page.getByRole('link', { name: 'Exports public.customers' }).click();
  await card();
  await page.route('**/decisions', async (route) => {
    const response = await route.fetch();
    await bar().getByText('It ran once: COPY 500').waitFor();
    await route.fulfill({ response });
  });
  await page.keyboard.press('a');
  await page.keyboard.type('fine');
  await guard();
  const answered = page.waitForResponse('**/decisions');
  await page.keyboard.press('Control+Enter');
  await (await answered).finished();
  await live();
  await bar().getByText('It ran once: COPY 500').waitFor();
  expect((await gateway.grace.get(id)).state).toBe('executed');
  await copy.ended;
});

test('ada sees her agent’s statement and cannot decide it', async () => {
  await enter('ada');
  const held = psql();
  held.say('DROP TABLE orders;');
  const [, id = ''] = await held.until(/request (HP-\w{8})/);
  await page.getByRole('link', { name: 'Drops public.orders' }).click();
  await card();
  await bar().getByText('You are the sponsor of bot, so you cannot decide this.').waitFor();
  // Approve, deny, ask.
  expect(await page.getByRole('radio', { disabled: true }).count()).toBe(3);
  expect(await rationale().count()).toBe(0);
  await page.keyboard.press('a');
  expect(await page.getByRole('radio', { checked: true }).count()).toBe(0);
  await shoot('own');
  await gateway.deny(await gateway.grace.get(id), 'ada may not');
  await bar().getByText('Denied by grace.').waitFor();
  await held.until(/denied by grace: "ada may not"/);
  held.say('\\q');
  await held.ended;
});

test('a denial and its rationale reach psql, and the connection goes on', async () => {
  await enter('grace');
  const held = psql();
  held.say('DROP TABLE billing.invoices;');
  await page.getByRole('link', { name: 'Drops billing.invoices' }).click();
  await card();
  await page.keyboard.press('d');
  await page.keyboard.type('Finance still needs it.');
  await guard();
  await page.keyboard.press('Control+Enter');
  await bar().getByText('Denied by grace. The agent was told; nothing ran.').waitFor();
  await held.until(/ERROR: {2}denied by grace: "Finance still needs it\." \(request HP-\w{8}\)/);
  await shoot('denied');
  held.say('SELECT count(*) FROM billing.invoices;');
  await held.until(/^2000$/m);
  held.say('\\q');
  expect((await held.ended).exit).toBe(0);
});

test('the agent is gone: a ticket, and what an approval then means', async () => {
  await enter('grace');
  const held = psql('-c', 'COPY users TO STDOUT');
  const [, id = ''] = await held.until(/request (HP-\w{8})/);
  await page.getByRole('link', { name: 'Exports public.users' }).click();
  await card();
  held.leave();
  await page.getByText('Agent has gone').first().waitFor();
  await page.keyboard.press('a');
  await bar()
    .getByText(/The agent stopped waiting\. If approved, its next identical try runs, once, until/)
    .waitFor();
  await shoot('ticket');
  await page.keyboard.type('It may come back for it.');
  await guard();
  await page.keyboard.press('Control+Enter');
  await bar().getByText('Approved once, waits for its agent').waitFor();
  const again = await psql('-c', 'COPY users TO STDOUT').ended;
  expect(again.err).toContain(`request ${id} runs now, once`);
  expect(again.out.trimEnd().split('\n')).toHaveLength(200);
  await bar().getByText('It ran once: COPY 200').waitFor();
});

test('the gateway restarts under an open page: said, deciding off, and the request is there again as a ticket', async () => {
  await enter('grace');
  const held = psql('-c', 'COPY orders TO STDOUT');
  const [, id = ''] = await held.until(/request (HP-\w{8})/);
  await page.getByRole('link', { name: 'Exports public.orders' }).click();
  await card();
  await page.keyboard.press('a');
  await page.keyboard.type('kept words');
  provokes(/ERR_CONNECTION|WebSocket|ERR_EMPTY_RESPONSE|Failed to load resource/);
  await gateway.stop(true);
  await bar()
    .getByText(/Not live since \d\d:\d\d:\d\d\./)
    .waitFor();
  expect(await page.getByRole('radio', { disabled: true }).count()).toBe(3);
  await shoot('not-live');
  await page.setViewportSize(NARROW);
  expect(await page.getByRole('button', { name: 'Decide…', disabled: true }).count()).toBe(1);
  await page.setViewportSize(WIDE);
  expect((await held.ended).err).toMatch(/FATAL: .*shutting down|server closed the connection/);
  gateway = await start(gateway.dir);
  // Sessions of reviewers are not kept over a restart; what was typed is.
  await page.getByText('You were signed out.').waitFor();
  await shoot('signed-out');
  await page.goto(gateway.link('grace'));
  await page.getByRole('button', { name: 'Sign in' }).click();
  await live();
  await page.getByRole('link', { name: 'Exports public.orders' }).click();
  await card();
  await page.getByText('Agent has gone').first().waitFor();
  const request = await gateway.grace.get(id);
  expect(request).toMatchObject({ state: 'open', holds: 'ticket' });
  await gateway.deny(request);
});

test('a queue with work in it', async () => {
  await agent(
    "SET holdpoint.reason = 'A test of the new bot.'",
    'GRANT SELECT ON ALL TABLES IN SCHEMA billing TO public',
  );
  await agent('ALTER TABLE public.customers ADD COLUMN vip boolean');
  await agent('DROP TABLE public.users');
  await agent("DO $$ BEGIN EXECUTE format('ANALYZE %I', current_setting('a.b')); END $$");
  await agent(
    "SET holdpoint.reason = 'Month-end dunning run. Finance needs overdue invoices with a contact address.'",
    'BEGIN',
    "SET LOCAL statement_timeout = '5min'",
    "INSERT INTO public.orders VALUES (5001, 7, DATE '2025-11-20', 'open')",
    EXPORT,
  );
  await enter('grace');
  await page.getByRole('link', { name: 'Exports public.customers and billing.invoices' }).click();
  await card();
  await page.getByRole('radio', { name: 'Approve once' }).check();
  await rationale().fill('Checked FIN-2291 with Finance: month-end dunning, same as October.');
  await shoot('work');
  if (process.env['UPDATE'] === 'picture') {
    await copyFile(join(shots, 'work-1440.png'), join(import.meta.dirname, '../../docs/images/console.png'));
  }
  await page.setViewportSize(NARROW);
  await page.goto(gateway.reviewUrl);
  await page.getByRole('link', { name: 'Drops public.users' }).waitFor();
  await page.screenshot({ path: join(shots, 'queue-390.png') });
});
