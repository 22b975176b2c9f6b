// Follows README.md and docs/review.md as somebody does who has never seen Holdpoint: their commands are read from the pages and run,
// with nothing put in their place but what `npm start` printed. Needs dist/ (npm test builds it); private folders, free ports.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commands, only, Run } from './run.ts';

const README = commands('README.md');
const REVIEW = commands('docs/review.md');
const CONNECT = commands('docs/connect-an-agent.md');
const curl = (process.env['PATH'] ?? '').split(delimiter).some((dir) => existsSync(join(dir, 'curl')));

interface Printed {
  readonly agent: string;
  readonly grace: string;
  readonly ada: string;
}

let dir: string;
let gateway: Run;
let printed: Printed;

const start = async (): Promise<Printed> => {
  gateway = new Run('npm', ['start', '--', '--data', join(dir, 'data'), '--port', '0', '--console-port', '0']);
  await gateway.until(/Ctrl-C stops it/);
  const [agent = ''] = /postgres:\/\/\S+/.exec(gateway.out) ?? [];
  const [grace = '', ada = ''] = gateway.out.match(/http:\S+\/in\/\S+/g) ?? [];
  return { agent, grace, ada };
};

/** A command of a page with what was printed here in place of what was printed when the page was written. */
const here = (command: string, { id = '', link = '' } = {}): string =>
  command
    .replace(/postgres:\/\/demo:\w+@[\w.:]+\/app/, printed.agent)
    .replace(/http:\/\/\S+\/in\/[\w-]+/, link)
    .replace(/http:\/\/127\.0\.0\.1:8080/, new URL(printed.grace).origin)
    .replace(/HP-\w{8}/, id);

/** Each person has a home folder of their own. */
const as = (who: string, command: string, env: Record<string, string> = {}): Run =>
  new Run('bash', ['-c', command], { env: { XDG_CONFIG_HOME: join(dir, who), PGCONNECT_TIMEOUT: '10', ...env } });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-newcomer-'));
  // Started by root, PostgreSQL runs as another user, who must reach it.
  await chmod(dir, 0o755);
  printed = await start();
});
afterAll(async () => {
  if (gateway.child.exitCode === null && gateway.child.signalCode === null) await gateway.interrupt();
  await rm(dir, { recursive: true, force: true });
});

describe('the five-minute walk of README.md', () => {
  const story: string[] = [];

  test('has the two commands', () => {
    expect(README.slice(0, 2)).toEqual(['npm ci && npm start', 'npm ci && npm test']);
  });

  test('a SELECT is answered', async () => {
    const { out, exit } = await as('agent', here(only(README, /^psql .*SELECT count/))).end();
    expect(out).toMatch(/^ *500$/m);
    expect(exit).toBe(0);
  });

  test('COPY is held and says what to do; ada may not, grace may, and the rows come on the open connection', async () => {
    const copy = as('agent', here(only(README, /^psql .*COPY/)));
    const [, id = ''] = await copy.until(/^HINT:[^]*/m).then(() => /request (HP-\w{8})$/m.exec(copy.err) ?? []);
    expect(copy.err).toMatch(/^NOTICE: {2}held for approval, not failed: request HP-/);
    expect(copy.err).toContain('Keep this connection open and wait; do not retry');
    expect(copy.err).toContain(`Console: ${new URL(printed.grace).origin}/r/${id}`);

    const login = only(README, /holdpoint login/);
    const approve = only(README, /holdpoint approve/);
    expect(await as('ada', here(login, { link: printed.ada })).end()).toMatchObject({ exit: 0 });
    expect(await as('ada', here(approve, { id })).end()).toMatchObject({
      err: expect.stringContaining('You are the sponsor of demo, so you cannot decide this. grace can.'),
      exit: 3,
    });
    expect(copy.out).toBe('');

    expect(await as('grace', here(login, { link: printed.grace })).end()).toMatchObject({ exit: 0 });
    const queue = await as('grace', only(README, /holdpoint requests$/)).end();
    expect(queue.out).toContain(`${id}  Exports public.customers`);
    expect(await as('grace', here(approve, { id })).end()).toMatchObject({
      out: expect.stringMatching(/Approved by you at .*\. 1 of 1\. It runs once, now\./),
      exit: 0,
    });
    const { out, err, exit } = await copy.end();
    expect(err).toContain(`approved by grace: request ${id} runs now, once`);
    expect(out.trimEnd().split('\n')).toHaveLength(500);
    expect(exit).toBe(0);
    story.push(`request.opened ${id}`, `request.refused ${id}`, `request.decided ${id}`);
    story.push(`request.released ${id}`, `request.executed ${id}`);
  });

  test('a denial comes with its rationale, and the connection goes on', async () => {
    const psql = new Run('psql', [printed.agent, '-X', '-A', '-t']);
    psql.child.stdin?.write(`${only(README, /^DROP TABLE/)}\n${only(README, /^SELECT count\(\*\) FROM orders/)}\n`);
    const [, id = ''] = await psql.until(/request (HP-\w{8})\n/);
    expect((await as('grace', here(only(README, /holdpoint deny/), { id })).end()).exit).toBe(0);
    await psql.until(/^1200$/m);
    expect(psql.err).toContain(`ERROR:  denied by grace: "orders feeds the invoices" (request ${id})`);
    expect(psql.err).toContain('This is final for this statement.');
    psql.child.stdin?.end();
    expect((await psql.end()).exit).toBe(0);
    story.push(`request.opened ${id}`, `request.decided ${id}`);
  });

  test('the log tells the story in order', async () => {
    const command = only(README, /^node -e/);
    const { out, err } = await new Run('bash', ['-c', command], { cwd: dir }).end();
    expect(err).toBe('');
    const told = out.split('\n').map((line) => line.split(' ').slice(2, 4).join(' '));
    // What a statement would touch is found out beside it, and comes when it comes.
    expect(told.filter((line) => line.startsWith('request.') && !line.startsWith('request.impact'))).toEqual(story);
    expect(told[0]).toBe('log.opened ');
  });

  test('the operator’s lines tell it, too', () => {
    expect(gateway.out).toMatch(/held {6}HP-\w+ {2}demo {2}COPY customers TO STDOUT {2,}rule exports/);
    expect(gateway.out).toMatch(/approved {2}HP-\w+ {2}by grace: "/);
    expect(gateway.out).toMatch(/ran {7}HP-\w+ {2}COPY 500/);
    expect(gateway.out).toMatch(/denied {4}HP-\w+ {2}by grace: "orders feeds the invoices"/);
  });
});

describe('docs/review.md', () => {
  test.runIf(curl)('approves with curl, as it is written there', async () => {
    const password = await new Run('npx', [
      'holdpoint',
      'user',
      'passwd',
      'grace',
      '--generate',
      '--config',
      join(dir, 'data/demo/holdpoint.yaml'),
    ]).end();
    const [, word = ''] = /shown only now: (\S+)/.exec(password.out) ?? [];
    await gateway.until(/users reloaded/);
    const script = here(
      REVIEW.filter((line) => /^(TOKEN=|URL=|ID=|SEEN=|DECISION=|curl )/.test(line)).join('\n'),
    ).replace('"password": "..."', `"password": "${word}"`);
    const copy = as('agent', here(only(README, /^psql .*COPY/)).replace('customers', 'orders'));
    const [, id = ''] = await copy.until(/request (HP-\w{8})\n/);
    const { out, err, exit } = await as('grace', script.replace(/^ID=.*$/m, `ID=${id}`)).end();
    expect({ err, exit }).toEqual({ err: '', exit: 0 });
    expect(out).toContain('"state":"approved"');
    const done = await copy.end();
    expect(done.out.trimEnd().split('\n')).toHaveLength(1200);
  });
});

describe('docs/connect-an-agent.md', () => {
  test('what an agent can say to Holdpoint is answered', async () => {
    const said = CONNECT.filter((line) => /^(SET|SHOW) holdpoint\.\w+( |;)/.test(line));
    expect(said).toHaveLength(4);
    const psql = new Run('psql', [printed.agent, '-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1']);
    psql.child.stdin?.end(`${said.join('\n')}\nSHOW holdpoint.reason;\nSHOW holdpoint.hold;\n`);
    const { out, err, exit } = await psql.end();
    expect({ err, exit }).toEqual({ err: '', exit: 0 });
    expect(out).toMatch(/^HP-\w{8}\|executed\|1 of 1\|/m);
    expect(out).toMatch(/^month-end dunning, FIN-2291\n20000ms\n$/m);
  });
});

describe('start', () => {
  test('its log has one writer: another one says so in one line, and goes', async () => {
    const config = join(dir, 'data/demo/holdpoint.yaml');
    const { err, exit } = await new Run('node', ['dist/main.js', 'serve', '--config', config]).end();
    expect(err).toMatch(/^the audit log in .* has a writer already: process \d+ is running\n$/);
    expect(exit).toBe(1);
  });

  test('Ctrl-C ends all of it; a second start finds its data', async () => {
    const leftover = () => processesOf(dir);
    expect(leftover().length).toBeGreaterThan(1);
    await as('agent', `psql "${printed.agent}" -c "UPDATE customers SET country = 'SE' WHERE id = 7"`).end();
    const before = printed;
    await gateway.interrupt();
    expect(gateway.out).toContain('Stopped. The next start finds its data.');
    expect(leftover()).toEqual([]);

    printed = await start();
    expect(new URL(printed.agent).password).toBe(new URL(before.agent).password);
    const { out } = await as(
      'agent',
      `psql "${printed.agent}" -At -c "SELECT country FROM customers WHERE id = 7"`,
    ).end();
    expect(out).toBe('SE\n');
    const old = await as('agent', `npx holdpoint login --link "${before.ada}"`).end();
    expect(old.exit).not.toBe(0);
    await gateway.interrupt();
    expect(leftover()).toEqual([]);
  });

  test('Ctrl-C ends all of it also when nobody reads its output any more', async () => {
    const command = `node dist/main.js start --data ${join(dir, 'data')} --port 0 --console-port 0 | head -n 2`;
    const piped = new Run('bash', ['-c', command]);
    await piped.until(/Holdpoint \d/);
    await piped.interrupt();
    expect(piped.err).toBe('');
    await expect.poll(() => processesOf(dir)).toEqual([]);
  });

  test('a stray address is refused with the way to give it', async () => {
    const { err, exit } = await new Run('npm', ['start', 'postgres://me:secret@db.example/app']).end();
    expect(exit).toBe(2);
    expect(err).toContain("start takes no argument, and 'postgres://me@db.example/app' is one.");
    expect(err).toContain(only(README, /--upstream/));
  });
});

/** Numbers of processes that name the folder in their command line, or work in it. */
function processesOf(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .filter((pid) => {
      try {
        return readFileSync(join('/proc', pid, 'cmdline'), 'utf8').includes(folder);
      } catch {
        return false;
      }
    });
}
