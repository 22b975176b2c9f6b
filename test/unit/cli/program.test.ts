// The command line from outside, as a process: help, exit codes, what init writes, and that a stray address to `npm start` is refused.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createProgram } from '../../../src/cli/program.ts';

const root = resolve(import.meta.dirname, '../../..');
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'holdpoint-cli-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

function holdpoint(args: readonly string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), join(root, 'src/main.ts'), ...args],
    { cwd: dir, encoding: 'utf8', env: { ...process.env, ...env } },
  );
  return { status, stdout, stderr };
}

it('--help lists every command, and every command has --help', () => {
  const { status, stdout } = holdpoint(['--help']);
  expect(status).toBe(0);
  const { commands } = createProgram({
    serve: () => Promise.reject(new Error('not served here')),
    neededTexts: () => Promise.reject(new Error('not asked here')),
    lookAtMysql: () => Promise.reject(new Error('not looked at here')),
    readMysqlCatalog: () => Promise.reject(new Error('not read here')),
  });
  expect(commands.map((command) => command.name())).toEqual(
    expect.arrayContaining([
      'start',
      'serve',
      'init',
      'check',
      'policy',
      'user',
      'login',
      'requests',
      'approve',
      'deny',
    ]),
  );
  for (const command of commands) {
    expect(stdout).toContain(`\n  ${command.name()}`);
    expect(command.helpInformation()).toContain(`Usage: holdpoint ${command.name()}`);
    expect(command.description()).not.toBe('');
  }
});

it.each([[['nope']], [['start', '--prt', '1']], [['start', '--port', 'x']], [['policy', 'nope']]])(
  '%j is wrong usage: 2',
  (args) => {
    const { status, stderr } = holdpoint(args);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: /);
  },
);

it.each([
  [['start', 'postgres://u:hunter2@h/db'], {}, 'npm start -- --upstream postgres://'],
  [['start'], { npm_config_upstream: 'postgres://u:hunter2@h/db' }, 'npm start -- --upstream postgres://'],
  [['start', 'mariadb://u:hunter2@h/db'], {}, 'npm start -- --mysql-upstream mysql://'],
  [['start'], { npm_config_mysql_upstream: 'mysql://u:hunter2@h/db' }, 'npm start -- --mysql-upstream mysql://'],
])('start %j refuses an address that npm left without its flag', (args, env, hint) => {
  const { status, stderr } = holdpoint(args, env);
  expect(status).toBe(2);
  expect(stderr).toContain(hint);
  expect(stderr).not.toContain('hunter2');
});

it.each([
  [
    'mysql://u@h/d?ssl-mode=PREFERRED',
    'ssl-mode=PREFERRED is not one of DISABLED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY',
  ],
  ['mysql://u@h/d?sslmode=require', '--mysql-upstream takes no sslmode in its address, only ssl-mode'],
])('start refuses %s', (address, what) => {
  expect(holdpoint(['start', '--mysql-upstream', address])).toMatchObject({ status: 2, stderr: `${what}\n` });
});

it('init writes a configuration that check understands, private users, and never twice', () => {
  expect(holdpoint(['init', 'here']).status).toBe(0);
  expect(statSync(join(dir, 'here/users.yaml')).mode & 0o777).toBe(0o600);
  expect(statSync(join(dir, 'here/data')).mode & 0o777).toBe(0o700);
  expect(readFileSync(join(dir, 'here/policies/starter.yaml'), 'utf8')).toBe(
    readFileSync(join(root, 'policies/starter.yaml'), 'utf8'),
  );
  const checked = holdpoint(['check', '--config', 'here/holdpoint.yaml', '--json'], { PGPASSWORD: 'x' });
  const findings = checked.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { level: string; about: string });
  expect(findings.filter(({ about }) => about !== 'app').map(({ level, about }) => `${level} ${about}`)).toEqual([
    'ok config',
    'ok policy',
    'warn users',
    'ok data',
    'warn audit',
  ]);
  const again = holdpoint(['init', 'here']);
  expect(again.status).toBe(1);
  expect(again.stderr).toBe('here/holdpoint.yaml is there already; nothing was written\n');
});

it('the part for MySQL that init writes is there to be uncommented', () => {
  expect(holdpoint(['init', 'both']).status).toBe(0);
  const file = join(dir, 'both/holdpoint.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/^# (mysql:.*| {2}.*)$/gm, '$1'));
  const both = holdpoint(['check', '--config', file, '--json'], { PGPASSWORD: 'x', MYSQL_PWD: 'x' });
  expect(both.stdout).toContain('"about":"shop"');
});

it('the part for webhooks that init writes is there to be uncommented', () => {
  expect(holdpoint(['init', 'posting']).status).toBe(0);
  const file = join(dir, 'posting/holdpoint.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('# chat:', 'chat:'));
  const env = { PGPASSWORD: 'x', PAGER_SECRET: 'not to be told, ever and ever' };
  const posting = holdpoint(['check', '--config', file, '--json'], env);
  expect(posting.stdout).toContain(
    '"about":"webhooks","text":"pager gets all events at https://hooks.example; not tried"',
  );
  expect(posting.stdout).not.toContain(env.PAGER_SECRET);
  const listed = holdpoint(['webhooks', 'list', '--config', file], env);
  expect(listed.stdout).toBe('pager  https://hooks.example  has not run yet, 0 given up\n');
  mkdirSync(join(dir, 'posting/data/webhooks'));
  writeFileSync(join(dir, 'posting/data/webhooks/pager.json'), '{}');
  expect(holdpoint(['webhooks', 'list', '--config', file], env).stderr).toMatch(
    /^.*pager\.json is not what a webhook keeps there; remove it, .*\n$/,
  );
});

it('a configuration with an error is told with its line, and fails', () => {
  const { status, stdout } = holdpoint(['check', '--config', 'none.yaml']);
  expect(status).toBe(1);
  expect(stdout).toBe("fail  config    none.yaml: cannot be read (ENOENT); 'holdpoint init' writes one\n");
});
