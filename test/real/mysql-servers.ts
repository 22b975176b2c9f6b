// Real MySQL and MariaDB servers for tests: each in a private folder on a free port, ended by its process. MariaDB is Debian's package; MySQL
// is taken from Debian's unstable suite into a cached folder of its own and runs with the libraries it came with, so that the machine's own
// are not touched. Must never be pointed at a server it did not start.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ownPort } from './ports.ts';

const run = promisify(execFile);

export const ENGINES = ['mysql', 'mariadb'] as const;
export type Engine = (typeof ENGINES)[number];

export interface TestMysql {
  readonly engine: Engine;
  readonly port: number;
  readonly socket: string;
  /** All rights, over TCP and the socket. */
  readonly user: string;
  readonly password: string;
  readonly dir: string;
  readonly pid: number;
  /** Runs statements as that user with Debian's client; what it prints: rows of tabs, without headings. */
  sql(text: string): Promise<string>;
  stop(): Promise<void>;
}

const CACHE = join(tmpdir(), `holdpoint-test-${userInfo().uid}`);
const MYSQL = join(CACHE, 'mysql-server');
const MYSQL_PACKAGES = ['mysql-server-core', 'mysql-client-core'];
/** The oldest whose packets and tables are those of the tests. */
const MYSQL_MAJOR_MIN = 9;
const MARIADBD = '/usr/sbin/mariadbd';
const CLIENT = '/usr/bin/mariadb';
const [TRIPLET, LOADER] =
  process.arch === 'arm64'
    ? ['aarch64-linux-gnu', 'ld-linux-aarch64.so.1']
    : ['x86_64-linux-gnu', 'ld-linux-x86-64.so.2'];
/** Plugins that Debian's client loads when a server asks for them. */
const CLIENT_PLUGINS = join('/usr/lib', TRIPLET, 'libmariadb3/plugin');
const PASSWORD = 'test';
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const LOG_CHARS_KEPT = 4000;

/** Throw-away data: nothing is written for a crash. */
const SETTINGS: Readonly<Record<Engine, readonly string[]>> = {
  mysql: ['--mysqlx=OFF', '--disable-log-bin', '--innodb-flush-log-at-trx-commit=0', '--innodb-doublewrite=OFF'],
  mariadb: ['--innodb-flush-log-at-trx-commit=0', '--innodb-doublewrite=OFF', '--character-set-server=utf8mb4'],
};

/** Can this server be started here? The test runner fetches MySQL (`fetchMysql`) and installs MariaDB, and says plainly when it could not. */
export const available = (engine: Engine): boolean =>
  engine === 'mariadb'
    ? existsSync(MARIADBD) && existsSync(CLIENT)
    : existsSync(join(MYSQL, 'usr/sbin/mysqld')) && existsSync(CLIENT);

/** A program of that folder, started by its own loader with its own libraries. */
const withLibraries = (program: string): readonly [string, ...string[]] => [
  join(MYSQL, 'usr/lib', TRIPLET, LOADER),
  '--library-path',
  [join(MYSQL, 'usr/lib', TRIPLET), join(MYSQL, 'usr/lib/mysql/private')].join(':'),
  program,
];

/** The program and its arguments, before those of one server. */
const programOf = (engine: Engine): readonly [string, ...string[]] => {
  const root = process.getuid?.() === 0 ? ['--user=root'] : [];
  if (engine === 'mariadb') return [MARIADBD, '--no-defaults', ...root];
  return [
    ...withLibraries(join(MYSQL, 'usr/sbin/mysqld')),
    '--no-defaults',
    ...root,
    `--basedir=${join(MYSQL, 'usr')}`,
    `--lc-messages-dir=${join(MYSQL, 'usr/share/mysql')}`,
    `--character-sets-dir=${join(MYSQL, 'usr/share/mysql/charsets')}`,
    `--plugin-dir=${join(MYSQL, 'usr/lib/mysql/plugin')}`,
  ];
};

/** Arguments of Debian's client for a server; a password goes by MYSQL_PWD. */
export const clientArgs = (port: number, user: string, ...more: readonly string[]): string[] => [
  '--no-defaults',
  `--plugin-dir=${CLIENT_PLUGINS}`,
  '--host=127.0.0.1',
  `--port=${port}`,
  `--user=${user}`,
  ...more,
];

/** A fresh server of its own for the caller, in a folder of `parent`; about a second after the first of its kind on a machine. */
export async function startMysql(
  engine: Engine,
  settings: readonly string[] = [],
  place: { readonly parent?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<TestMysql> {
  const made = await template(engine);
  const dir = await mkdtemp(join(place.parent ?? tmpdir(), `holdpoint-${engine}-`));
  const socket = join(dir, 'socket');
  try {
    await run('cp', ['-a', '--reflink=auto', made, join(dir, 'data')]);
    const [port, server] = await startOnFreePort(engine, dir, [`--socket=${socket}`, ...settings], place.env);
    return {
      engine,
      port,
      socket,
      user: 'root',
      password: PASSWORD,
      dir,
      pid: server.pid as number,
      async sql(text) {
        const args = ['--no-defaults', `--plugin-dir=${CLIENT_PLUGINS}`, `--socket=${socket}`, '--user=root'];
        const env = { ...process.env, MYSQL_PWD: PASSWORD };
        const running = run(CLIENT, [...args, '--skip-column-names', '--batch'], { env });
        running.child.stdin?.end(text);
        return (await running).stdout.trimEnd();
      },
      async stop() {
        await end(server);
        await rm(dir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

/** Another program may take the port between the look and the start. */
async function startOnFreePort(
  engine: Engine,
  dir: string,
  settings: readonly string[],
  env: NodeJS.ProcessEnv | undefined,
): Promise<[number, ChildProcess]> {
  for (let attempt = 1; ; attempt++) {
    const port = await ownPort();
    try {
      return [
        port,
        await start(engine, join(dir, 'data'), ['--bind-address=127.0.0.1', `--port=${port}`, ...settings], env),
      ];
    } catch (error) {
      if (attempt === 3 || !/address already in use|bind on TCP/i.test(String(error))) throw error;
    }
  }
}

/** A data folder with root's password, made once for a build of the server; whoever renames first wins. */
async function template(engine: Engine): Promise<string> {
  const [program, ...args] = programOf(engine);
  const version = (await run(program, [...args, '--version'])).stdout;
  const made = join(CACHE, `template-${engine}-${createHash('sha256').update(version).digest('hex').slice(0, 8)}`);
  if (existsSync(made)) return made;
  await mkdir(CACHE, { recursive: true });
  const mine = await mkdtemp(join(CACHE, 'new-'));
  const data = join(mine, 'data');
  if (engine === 'mysql') await run(program, [...args, '--initialize-insecure', `--datadir=${data}`]);
  else
    await run('mariadb-install-db', [
      '--no-defaults',
      ...(process.getuid?.() === 0 ? ['--user=root'] : []),
      `--datadir=${data}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
    ]);
  const socket = join(mine, 'socket');
  const server = await start(engine, data, ['--skip-networking', `--socket=${socket}`]);
  const commands =
    engine === 'mysql'
      ? `CREATE USER root@'127.0.0.1' IDENTIFIED BY '${PASSWORD}'; GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION`
      : "DELETE FROM mysql.global_priv WHERE Host NOT IN ('localhost', '127.0.0.1'); FLUSH PRIVILEGES";
  const accounts = engine === 'mysql' ? ['root@localhost'] : ["root@'127.0.0.1'", 'root@localhost'];
  const passwords = accounts.map((account) => `ALTER USER ${account} IDENTIFIED BY '${PASSWORD}'`);
  await run(CLIENT, [
    '--no-defaults',
    `--plugin-dir=${CLIENT_PLUGINS}`,
    `--socket=${socket}`,
    '--user=root',
    '--execute',
    [commands, ...passwords].join('; '),
  ]);
  await end(server);
  try {
    await rename(data, made);
  } catch (error) {
    if ((await readdir(made)).length === 0) throw error;
  }
  await rm(mine, { recursive: true, force: true });
  return made;
}

/** Resolves when it takes connections; rejects with its last words when it ends instead. */
async function start(
  engine: Engine,
  data: string,
  settings: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<ChildProcess> {
  const [program, ...args] = programOf(engine);
  const child = spawn(
    program,
    [...args, `--datadir=${data}`, `--pid-file=${data}.pid`, '--secure-file-priv=', ...SETTINGS[engine], ...settings],
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true, env },
  );
  const lastResort = (): void => void child.kill('SIGKILL');
  process.once('exit', lastResort);
  child.once('close', () => process.removeListener('exit', lastResort));
  let said = '';
  const ready = new Promise<boolean>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-LOG_CHARS_KEPT);
      if (said.includes('ready for connections')) resolve(true);
    });
    child.once('error', reject);
    child.once('close', () => resolve(false));
  });
  const timeout = new AbortController();
  const late = delay(START_TIMEOUT_MS, false, { signal: timeout.signal }).catch(() => false);
  const started = await Promise.race([ready, late]);
  timeout.abort();
  if (started) return child;
  await end(child);
  throw new Error(`${engine} did not start:\n${said}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'close');
  child.kill('SIGTERM');
  const patience = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(patience);
}

/** Brings MySQL from Debian's unstable suite into its folder, if it is not there. Rejects where that cannot be had. */
export async function fetchMysql(): Promise<void> {
  if (available('mysql')) return;
  await mkdir(CACHE, { recursive: true });
  const mine = await mkdtemp(join(CACHE, 'new-'));
  const debs = join(mine, 'debs');
  const root = join(mine, 'root');
  for (const dir of ['lists/partial', 'cache/archives/partial', 'debs', 'root'])
    await mkdir(join(mine, dir), { recursive: true });
  await writeFile(join(mine, 'sources.list'), await unstable());
  const options = [
    `Dir::Etc::sourcelist=${join(mine, 'sources.list')}`,
    'Dir::Etc::sourceparts=/dev/null',
    `Dir::State::Lists=${join(mine, 'lists')}`,
    `Dir::Cache=${join(mine, 'cache')}`,
    // As a user that could not read the folder, apt warns and goes on as root.
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  await run('apt-get', [...options, '-qq', 'update']);
  const depends = [
    '--recurse',
    '--no-recommends',
    '--no-suggests',
    '--no-conflicts',
    '--no-breaks',
    '--no-replaces',
    '--no-enhances',
  ];
  const tree = (await run('apt-cache', [...options, 'depends', ...depends, ...MYSQL_PACKAGES], { maxBuffer: 2 ** 26 }))
    .stdout;
  const libraries = new Set(tree.split('\n').filter((name) => /^(lib|gcc-)[^:]*$/.test(name)));
  await run('apt-get', [...options, '-qq', 'download', ...MYSQL_PACKAGES, ...libraries], { cwd: debs });
  for (const deb of await readdir(debs)) await run('dpkg', ['-x', join(debs, deb), root]);
  await rename(root, MYSQL).catch((error: unknown) => {
    if (!available('mysql')) throw error;
  });
  await rm(mine, { recursive: true, force: true });
  const [program, ...args] = programOf('mysql');
  const version = /Ver (\d+)/.exec((await run(program, [...args, '--version'])).stdout)?.[1];
  if (Number(version) < MYSQL_MAJOR_MIN) throw new Error(`MySQL ${version} is older than ${MYSQL_MAJOR_MIN}`);
}

/** This machine's source of Debian, with another suite. */
async function unstable(): Promise<string> {
  const parts = await readdir('/etc/apt/sources.list.d').catch(() => []);
  const files = ['/etc/apt/sources.list', ...parts.map((name) => join('/etc/apt/sources.list.d', name))];
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  const uris = texts.flatMap((text) =>
    [...text.matchAll(/^(?:URIs:|deb(?: \[[^\]]*\])?) *(\S+)/gm)].map((match) => match[1] ?? ''),
  );
  const uri = uris.find((candidate) => /\/debian\/?$/.test(candidate));
  if (uri === undefined) throw new Error('no source of Debian in /etc/apt');
  return `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${uri} unstable main\n`;
}

/** MySQL's own client: program and first arguments. */
export const mysqlClient = (): readonly [string, ...string[]] => withLibraries(join(MYSQL, 'usr/bin/mysql'));

/** The engine's own program that reads a server's log of changes: program and first arguments, without TLS. */
export const binlogClient = (engine: Engine): readonly [string, ...string[]] =>
  engine === 'mariadb'
    ? ['/usr/bin/mariadb-binlog', '--no-defaults', '--skip-ssl']
    : [
        ...withLibraries(join(MYSQL, 'usr/bin/mysqlbinlog')),
        '--no-defaults',
        '--ssl-mode=DISABLED',
        '--get-server-public-key',
      ];
