// Follows what README.md and docs/connect-an-agent.md say of MySQL and MariaDB, as somebody does who has never seen Holdpoint: their commands are
// read from the pages and run, with nothing put in their place but what `npm start` printed. Needs dist/ (npm test builds it).
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeScramVerifier } from '../../src/identity/scram.ts';
import { available, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';
import { commands, only, Run } from './run.ts';

const README = commands('README.md');
const CONNECT = commands('docs/connect-an-agent.md');
const OLD_PASSWORD = 'a9a17fa7aa88';

/** Nobody is there: its own database is left out, and what is seen of it does not matter here. */
const NO_POSTGRES = ['--upstream', 'postgres://nobody:x@127.0.0.1:1/none'];

let dir: string;
const runs: Run[] = [];

const start = async (...args: string[]): Promise<Run> => {
  const ports = ['--port', '0', '--mysql-port', '0', '--console-port', '0'];
  const run = new Run('npm', ['start', '--', '--data', join(dir, 'data'), ...ports, ...NO_POSTGRES, ...args]);
  runs.push(run);
  await run.until(/Ctrl-C stops it/);
  return run;
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-newcomer-'));
});
afterAll(async () => {
  for (const run of runs) if (run.child.exitCode === null && run.child.signalCode === null) await run.interrupt();
  await rm(dir, { recursive: true, force: true });
});

describe.each(ENGINES.filter(available).slice(-1))('npm start before %s', (engine) => {
  let server: TestMysql;
  let gateway: Run;
  let agent: URL;
  let grace: string;

  beforeAll(async () => {
    server = await startMysql(engine);
    await server.sql('CREATE DATABASE db');
    // As release 0.1.0 left it: the agent has no form of its password for MySQL.
    await mkdir(join(dir, 'data/demo'), { recursive: true });
    const postgres = await makeScramVerifier(OLD_PASSWORD);
    await writeFile(
      join(dir, 'data/demo/users.yaml'),
      `# mine\nusers:\n  - {id: demo, kind: agent, sponsor: ada, postgres: "${postgres}"} # the agent\n` +
        '  - {id: ada, kind: human, roles: [reviewer]}\n  - {id: grace, kind: human, roles: [reviewer]}\n',
    );
    await writeFile(join(dir, 'data/demo/agent.password'), OLD_PASSWORD);
    gateway = await start('--mysql-upstream', `mysql://root:${server.password}@127.0.0.1:${server.port}/db`);
    agent = new URL(/mysql:\/\/demo:\S+/.exec(gateway.out)?.[0] ?? '');
    [grace = ''] = gateway.out.match(/http:\S+\/in\/\S+/g) ?? [];
  });
  afterAll(async () => {
    await gateway?.interrupt();
    await server?.stop();
  });

  /** A command of a page with what was printed here in place of what was printed when the page was written. */
  const here = (command: string, { id = '' } = {}): string =>
    command
      .replace('-P 6033', `-P ${agent.port}`)
      .replace(`-p${OLD_PASSWORD}`, `-p${agent.password}`)
      .replace(/http:\/\/\S+\/in\/[\w-]+/, grace)
      .replace(/HP-\w{8}/, id);
  const run = (command: string): Run =>
    new Run('bash', ['-c', command], { env: { XDG_CONFIG_HOME: join(dir, 'grace') } });

  test('users of an earlier release keep their words, and get what is missing', async () => {
    const users = await readFile(join(dir, 'data/demo/users.yaml'), 'utf8');
    expect(users).toMatch(/^# mine\n/);
    expect(users).toMatch(/mysql: "?\$A\$005\$|mysql: 0x/);
    expect(agent.password).toBe(OLD_PASSWORD);
  });

  test('it says which server it is, whose rights are too many, and how to connect', () => {
    expect(gateway.out).toMatch(/mysql: the server is (MySQL 9|MariaDB 10\.11)\./);
    expect(gateway.out).toMatch(/note +account root has rights on \*\.\* \(/);
    expect(gateway.out).toContain(`mysql://root@127.0.0.1:${server.port}/db, yours`);
    expect(gateway.out).not.toContain(server.password === 'test' ? ':test@' : server.password);
    const select = here(only(README, /^mariadb .*SELECT 1/));
    expect(gateway.out).toContain(select);
    expect(gateway.out).toContain(here(only(README, /^mariadb .*CREATE TABLE/)));
  });

  test('a SELECT passes; DDL is held, approved by grace, and runs on the open connection', async () => {
    const { out, exit } = await run(here(only(README, /^mariadb .*SELECT 1/))).end();
    expect({ out, exit }).toEqual({ out: '1\n1\n', exit: 0 });
    expect(await run(here(only(README, /holdpoint login/))).end()).toMatchObject({ exit: 0 });
    const create = run(here(only(README, /^mariadb .*CREATE TABLE/)));
    const [, id = ''] = await gateway.until(/held {6}(HP-\w{8}) {2}demo {2}CREATE TABLE/);
    const approve = only(README, /holdpoint approve/);
    expect(await run(here(approve, { id })).end()).toMatchObject({ exit: 0 });
    const done = await create.end();
    // A busy machine takes longer than the wait; then it is a ticket, as the page says.
    if (done.exit !== 0) {
      expect(done.err).toContain(`approval pending, not denied: request ${id}`);
      expect(await run(here(only(README, /^mariadb .*CREATE TABLE/))).end()).toMatchObject({ exit: 0 });
    }
    expect(await server.sql('SHOW TABLES FROM db')).toBe('holdpoint_demo');
  });

  test('what an agent can say: a reason, a short wait, its requests; the ticket runs once approved', async () => {
    const said = CONNECT.filter((line) => /^(SET @holdpoint|SHOW HOLDPOINT REQUESTS)/.test(line));
    expect(said).toHaveLength(4);
    const client = here(only(README, /^mariadb .*SELECT 1/)).replace(/ -e .*/, ' --skip-column-names --force');
    const drop = 'DROP TABLE holdpoint_demo;';
    const first = run(client);
    first.child.stdin?.end(`${said[0]}\n${said[1]?.replace('5s', '0')}\n${drop}\n${said[2]}\n`);
    const { out, err } = await first.end();
    const [, id = ''] = /1644 \(45000\).* approval pending, not denied: request (HP-\w{8}) has 0 of 1/.exec(err) ?? [];
    expect(out).toMatch(new RegExp(`^${id}\topen\t0 of 1\t`, 'm'));

    const view = await run('npx holdpoint requests --json').end();
    expect(view.out).toContain('month-end dunning, FIN-2291');
    expect(await run(here(only(README, /holdpoint approve/), { id })).end()).toMatchObject({ exit: 0 });
    const second = run(client);
    second.child.stdin?.end(`${drop}\n`);
    expect(await second.end()).toEqual({ out: '', err: '', exit: 0 });
    expect(await server.sql('SHOW TABLES FROM db')).toBe('');
  });
});

test('a server that is not there is told at once, and everything else is up', async () => {
  const gateway = await start('--mysql-upstream', 'mysql://someone:x@127.0.0.1:1/db');
  expect(gateway.out).toContain("someone@127.0.0.1:1/db: the database server can't be reached (ECONNREFUSED)");
  await gateway.until(/mysql can not be used yet; each login tries again.*/);
  await gateway.interrupt();
  expect(gateway.out).toContain('Stopped.');
});
