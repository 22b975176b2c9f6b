// `npm test`: every check in order of its cost, one line each, failing output in full. Brings up what the tests need where it may (root on
// Debian), else lists plainly what could not run; with CI=true that is a failure. `npm run prove [name]` runs the proofs at full size.
import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { DRIVERS } from './real/drivers/drivers.ts';
import { DRIVERS as MYSQL_DRIVERS } from './real/drivers/mysql/drivers.ts';
import { fetchMysql } from './real/mysql-servers.ts';
import { TOOLS } from './real/ordinary/tools.ts';

interface Stage {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** A vitest project: its tests are counted one by one. Else the stage counts as one. */
  readonly project?: string;
}

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  /** Full names of tests that did not run. */
  readonly skipped: readonly string[];
}

interface Need {
  readonly what: string;
  /** Any of these programs, */
  readonly path?: readonly string[];
  /** or a command that succeeds where it is there. */
  readonly probe?: readonly [string, ...string[]];
  readonly packages: readonly string[];
}

/** What tests start, beside what npm brings. */
const NEEDS: readonly Need[] = [
  { what: 'PostgreSQL 15', path: ['/usr/lib/postgresql/15/bin/postgres'], packages: ['postgresql-15'] },
  { what: 'psql', path: ['psql'], packages: ['postgresql-client'] },
  { what: 'pgbouncer', path: ['/usr/sbin/pgbouncer'], packages: ['pgbouncer'] },
  { what: 'ip', path: ['ip', '/usr/sbin/ip'], packages: ['iproute2'] },
  { what: 'curl', path: ['curl'], packages: ['curl'] },
  { what: 'gcc', path: ['gcc'], packages: ['gcc', 'libc6-dev'] },
  {
    what: 'MariaDB',
    path: ['/usr/sbin/mariadbd'],
    packages: ['mariadb-server', 'mariadb-client'],
  },
  { what: "MariaDB's test suites", path: ['/usr/bin/mariadb-test'], packages: ['mariadb-test', 'mariadb-test-data'] },
  { what: 'OpenLDAP', path: ['/usr/sbin/slapd'], packages: ['slapd'] },
  { what: "OpenLDAP's clients", path: ['ldapmodify'], packages: ['ldap-utils'] },
  { what: 'tmux', path: ['tmux'], packages: ['tmux'] },
  { what: 'zsh', path: ['zsh'], packages: ['zsh'] },
  { what: 'fish', path: ['fish'], packages: ['fish'] },
  { what: 'openssl', path: ['openssl'], packages: ['openssl'] },
  { what: 'bzip2', path: ['bzip2'], packages: ['bzip2'] },
  { what: 'Chromium', path: ['chromium', 'google-chrome'], packages: ['chromium'] },
  ...[...DRIVERS, ...MYSQL_DRIVERS, ...TOOLS]
    .filter(({ packages }) => packages.length > 0)
    .map(({ name, probe, packages }) => ({ what: name, probe, packages })),
];

const root = resolve(import.meta.dirname, '..');
const ci = process.env['CI'] === 'true';
const prove = process.env['HOLDPOINT_PROVE'] === '1';
const seed = process.env['HOLDPOINT_SEED'] ?? String(randomInt(2 ** 31 - 1));
const only = process.argv.slice(2);
const path = [join(root, 'node_modules', '.bin'), process.env['PATH'] ?? ''].join(delimiter);

refuseUnknown(only);
const stages: readonly Stage[] = [
  ...(prove
    ? []
    : ([
        { name: 'format', command: ['biome', 'format'] },
        { name: 'lint', command: ['oxlint', '--type-aware'] },
        { name: 'types', command: ['tsc', '-p', '.'] },
        { name: 'dead code', command: ['knip'] },
      ] as const)),
  { name: 'build', command: ['npm', 'run', 'build'] },
  vitest('architecture, unit', 'unit'),
  vitest('transcripts', 'transcripts'),
  vitest('real servers', 'real'),
  vitest('regression suites', 'regress'),
  vitest('browser', 'browser'),
  ...(prove ? [vitest('corpus', 'corpus')] : []),
];

console.log(
  `Holdpoint tests on Node ${process.version}, seed ${seed} (HOLDPOINT_SEED=${seed} repeats it)${prove ? ', full size' : ''}`,
);
const missing = [...provide(), ...(await provideMysql())];
const reports = await mkdtemp(join(tmpdir(), 'holdpoint-tests-'));
const outcomes: Outcome[] = [];
for (const stage of stages) outcomes.push(await perform(stage));
await rm(reports, { recursive: true });
process.exitCode = conclude(outcomes);

/** A name that no test file has would run nothing, and pass. Whoever gives options of vitest's own knows what runs. */
function refuseUnknown(names: readonly string[]): void {
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .toSorted();
  if (names.length === 0 || names.some((name) => name.startsWith('-') && name !== '--help')) return;
  if (names.every((name) => files.some((file) => join('test', file).includes(name)))) return;
  console.log(`usage: npm ${prove ? 'run prove' : 'test'} [part of a test file's path ...]\n\n${files.join('\n')}`);
  process.exit(names.includes('--help') ? 0 : 1);
}

function vitest(name: string, project: string): Stage {
  const update = process.env['UPDATE'] === '1' ? ['--update'] : [];
  return {
    name,
    project,
    command: [
      'vitest',
      'run',
      '--project',
      project,
      ...only,
      ...(only.length > 0 ? ['--passWithNoTests'] : []),
      ...update,
    ],
  };
}

async function perform(stage: Stage): Promise<Outcome> {
  const report = join(reports, `${stage.project ?? 'none'}.json`);
  const reporting =
    stage.project === undefined ? [] : ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const [program, ...args] = stage.command;
  const began = performance.now();
  const { code, output } = await capture(program, [...args, ...reporting]);
  const outcome = stage.project === undefined ? counted(code) : await vitestOutcome(report, code);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const numbers =
    stage.project === undefined
      ? ''
      : `${outcome.passed} passed${outcome.failed > 0 ? `, ${outcome.failed} failed` : ''}`;
  console.log(
    `${outcome.failed === 0 ? 'ok  ' : 'FAIL'}  ${stage.name.padEnd(20)} ${seconds.padStart(6)} s  ${numbers}`.trimEnd(),
  );
  // A proof's figures stand in its output.
  if (outcome.failed > 0 || (prove && stage.project !== undefined)) console.log(`${output.trimEnd()}\n`);
  return outcome;
}

function counted(code: number): Outcome {
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: [] };
}

async function vitestOutcome(report: string, code: number): Promise<Outcome> {
  if (!existsSync(report)) return counted(only.length > 0 && code === 0 ? 0 : 1);
  const result = JSON.parse(await readFile(report, 'utf8')) as {
    numPassedTests: number;
    numFailedTests: number;
    numFailedTestSuites: number;
    testResults: { assertionResults: { status: string; fullName: string }[] }[];
  };
  const tests = result.testResults.flatMap((file) => file.assertionResults);
  const skipped = tests
    .filter(({ status }) => status !== 'passed' && status !== 'failed')
    .map(({ fullName }) => fullName);
  // A file that does not load, or an error outside a test, fails the run without failing a test.
  const failed = Math.max(result.numFailedTests, code === 0 ? 0 : 1);
  return { passed: result.numPassedTests, failed, skipped };
}

function conclude(all: readonly Outcome[]): number {
  const skipped = all.flatMap((outcome) => outcome.skipped);
  const passed = all.reduce((sum, outcome) => sum + outcome.passed, 0);
  const notRun = missing.length + skipped.length;
  const failed = all.reduce((sum, outcome) => sum + outcome.failed, 0) + (ci ? notRun : 0) + (passed === 0 ? 1 : 0);
  if (notRun > 0) {
    console.log(`\nCould not run here${ci ? ' (with CI=true a failure)' : ''}:`);
    for (const line of [...missing, ...skipped]) console.log(`  ${line}`);
  }
  console.log(`\n${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** Installs what is missing where that is allowed; returns what is missing still, with the way to get it. */
function provide(): string[] {
  const absent = NEEDS.filter((need) => !isThere(need));
  const packages = [...new Set(absent.flatMap((need) => need.packages))];
  if (packages.length > 0 && process.getuid?.() === 0 && isDebian()) {
    console.log(`installing ${packages.join(', ')}`);
    const apt = {
      stdio: ['ignore', 'ignore', 'inherit'] as const,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    };
    spawnSync('apt-get', ['update', '-qq'], { ...apt, stdio: [...apt.stdio] });
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
      ...apt,
      stdio: [...apt.stdio],
    });
  }
  return NEEDS.filter((need) => !isThere(need)).map(
    (need) => `${need.what}: not here; on Debian: apt-get install ${need.packages.join(' ')}`,
  );
}

/** MySQL is in no package of this Debian: it lies in a folder of its own. */
async function provideMysql(): Promise<string[]> {
  try {
    await fetchMysql();
    return [];
  } catch (error) {
    return [`MySQL 9: not here, and could not be fetched: ${String(error).split('\n')[0]}`];
  }
}

function isThere(need: Need): boolean {
  const { path: programs = [], probe } = need;
  return programs.some(found) || (probe !== undefined && spawnSync(probe[0], probe.slice(1)).status === 0);
}

function found(program: string): boolean {
  return program.startsWith('/')
    ? existsSync(program)
    : path.split(delimiter).some((dir) => existsSync(join(dir, program)));
}

function isDebian(): boolean {
  return existsSync('/etc/os-release') && /^ID(_LIKE)?=.*debian/m.test(readFileSync('/etc/os-release', 'utf8'));
}

function capture(
  program: string,
  args: readonly string[],
): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, {
      cwd: root,
      env: { ...process.env, PATH: path, HOLDPOINT_SEED: seed },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const parts: Buffer[] = [];
    child.stdout.on('data', (part: Buffer) => parts.push(part));
    child.stderr.on('data', (part: Buffer) => parts.push(part));
    child.on('error', fail);
    child.on('close', (code) => done({ code: code ?? 1, output: Buffer.concat(parts).toString('utf8') }));
  });
}
