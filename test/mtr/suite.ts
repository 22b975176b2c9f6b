// Runs files of MariaDB's test suites with mariadb-test, as mariadb-test-run does, each on a server as it is after its installation. Must never
// be pointed at a server that holds anything of worth.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { startMysql, type TestMysql } from '../real/mysql-servers.ts';
import { MARIADB_TEST, TEST_DIR, type TestFile } from './source.ts';

const SHARE = '/usr/share/mysql';
const CHARSETS = join(SHARE, 'charsets');
/** Characters kept of what mariadb-test says; the end tells the error, and before it stands a statement of any length. */
const WORDS_MAX = 2000;
/** Of mariadb-test: the file says that it does not fit here. */
const SKIPPED = 62;

/** As include/default_mysqld.cnf sets them, where it matters to an answer. */
const SETTINGS = [
  '--character-set-server=latin1',
  '--local-infile',
  '--connect-timeout=60',
  '--log-bin-trust-function-creators=1',
  '--key-buffer-size=1M',
  '--sort-buffer-size=256K',
  '--max-heap-table-size=1M',
  '--aria-pagecache-buffer-size=8M',
  '--innodb-buffer-pool-size=8M',
  '--innodb-log-file-size=10M',
  '--innodb-log-buffer-size=2M',
  '--binlog-direct-non-transactional-updates',
  '--default-storage-engine=myisam',
  '--use-stat-tables=preferably',
  '--histogram-type=json_hb',
  '--server-id=1',
  '--plugin-maturity=unknown',
  '--plugin-load-add=ha_archive;ha_blackhole',
];

/** How mariadb-test speaks with the server. */
export type Protocol = keyof typeof PROTOCOLS;
export const PROTOCOLS = {
  text: [],
  ps: ['--ps-protocol'],
  cursor: ['--ps-protocol', '--cursor-protocol'],
  /** The text protocol again, before a gateway that reads the catalog. */
  catalog: [],
} as const;

export type Ending = 'passed' | 'skipped' | 'failed' | 'too long';

export interface FileResult {
  readonly file: TestFile;
  readonly ending: Ending;
  /** What the file recorded, if it passed; else the words of mariadb-test. */
  readonly output: string;
  readonly seconds: number;
}

/** One server after another for one way to them: a file that leaves something behind gets the next one a fresh server. */
export interface Bench {
  /** `alone`: on a server that nothing ran on. */
  run(file: TestFile, alone?: boolean): Promise<FileResult>;
  /** How many servers there were. */
  readonly servers: () => number;
  stop(): Promise<void>;
}

/** What stands between mariadb-test and a server. */
export interface Between {
  readonly port: number;
  stop(): Promise<void>;
}

/** `before`: puts something before each server; null: nothing. */
export async function openBench(
  protocol: Protocol,
  before: ((server: TestMysql) => Promise<Between>) | null,
  file_timeout_ms: number,
): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'holdpoint-mtr-'));
  for (const dir of ['tmp', 'log', 'run']) await mkdir(join(folder, dir));
  // Files name it by its place beside the server's data, and the server reads nothing outside of the folder.
  await cp(join(TEST_DIR, 'std_data'), join(folder, 'std_data'), { recursive: true });
  let place: Place | null = null;
  let servers = 0;
  const leave = async (): Promise<void> => {
    await place?.between?.stop();
    await place?.server.stop();
    place = null;
  };
  const fresh = async (): Promise<Place> => {
    servers++;
    const server = await startServer(folder);
    const clean = await stateOf(server);
    const between =
      before === null
        ? null
        : await before(server).catch(async (error: unknown) => {
            await server.stop();
            throw error;
          });
    return { server, clean, between };
  };
  return {
    async run(file, alone = false) {
      if (alone) await leave();
      place ??= await fresh();
      const { server, clean, between } = place;
      const port = between?.port ?? server.port;
      const result = await runFile(file, folder, server, port, protocol, file_timeout_ms);
      await rm(join(folder, 'tmp'), { recursive: true });
      await mkdir(join(folder, 'tmp'));
      const after = await stateOf(server).catch(() => null);
      if (after !== clean) await leave();
      return result;
    },
    servers: () => servers,
    async stop() {
      await leave();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Place {
  readonly server: TestMysql;
  /** What `stateOf` says of a server that nothing ran on. */
  readonly clean: string;
  readonly between: Between | null;
}

async function startServer(folder: string): Promise<TestMysql> {
  const settings = [...SETTINGS, `--tmpdir=${join(folder, 'tmp')}`, `--secure-file-priv=${folder}`];
  const server = await startMysql('mariadb', settings, { parent: folder, env: environment() });
  try {
    const text = (path: string): Promise<string> => readFile(path, 'latin1');
    const own = ['mtr_check.sql', 'mtr_warnings.sql'].map((name) => text(join(TEST_DIR, 'include', name)));
    await server.sql("SET PASSWORD FOR root@localhost = ''; SET PASSWORD FOR root@'127.0.0.1' = ''");
    await sql(
      server,
      [
        'CREATE DATABASE test CHARACTER SET latin1; CREATE DATABASE mtr CHARACTER SET latin1; USE mysql;',
        await text(join(SHARE, 'mysql_test_data_timezone.sql')),
        // The client takes a comment out that the server's bootstrap leaves in, and wants no ; behind another delimiter.
        ...(await Promise.all(own)).map((procedures) =>
          procedures.replaceAll(/^(delimiter .*);$/gm, '$1').replaceAll(/^\s*--SELECT.*$/gm, ''),
        ),
      ].join('\n'),
    );
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/**
 * All that a file must leave as it found it, by the suites' own procedure: variables, databases, tables of users and rights, plugins; and the
 * files of the database that they work in, which some list.
 */
async function stateOf(server: TestMysql): Promise<string> {
  const files = await readdir(join(server.dir, 'data', 'test')).catch((): string[] => []);
  return [await sql(server, 'CALL mtr.check_testcase()'), ...files.toSorted()].join('\n');
}

/** As root without a password, which is what the files log in as. */
function sql(server: TestMysql, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const args = ['--no-defaults', `--socket=${server.socket}`, '--user=root', '--skip-column-names', '--batch'];
    const child = execFile('/usr/bin/mariadb', args, { encoding: 'latin1', maxBuffer: 2 ** 26 }, (error, stdout) => {
      if (error) reject(error);
      else resolve(stdout);
    });
    child.stdin?.end(text, 'latin1');
  });
}

async function runFile(
  file: TestFile,
  folder: string,
  server: TestMysql,
  port: number,
  protocol: Protocol,
  timeout_ms: number,
): Promise<FileResult> {
  const suite = join(TEST_DIR, file.suite);
  const result = join(folder, 'run', 'result');
  await rm(result, { force: true });
  const above = basename(suite) === 't' ? dirname(suite) : suite;
  const began = performance.now();
  const child = spawn(
    MARIADB_TEST,
    [
      '--no-defaults',
      '--silent',
      '--protocol=tcp',
      '--host=127.0.0.1',
      `--port=${port}`,
      '--skip-ssl',
      '--user=root',
      '--database=test',
      `--basedir=${TEST_DIR}/`,
      `--suite-dir=${above}/`,
      `--test-file=${join(TEST_DIR, `${file.name}.test`)}`,
      `--tmpdir=${join(folder, 'tmp')}`,
      `--logdir=${join(folder, 'log')}`,
      `--character-sets-dir=${CHARSETS}`,
      '--record',
      `--result-file=${result}`,
      ...PROTOCOLS[protocol],
    ],
    {
      cwd: TEST_DIR,
      env: {
        ...environment(),
        MYSQL_TEST_DIR: TEST_DIR,
        MYSQLTEST_VARDIR: folder,
        MYSQLTEST_REAL_VARDIR: folder,
        MYSQL_TMP_DIR: join(folder, 'tmp'),
        MYSQL_BINDIR: '/usr',
        MYSQL_SHAREDIR: SHARE,
        MYSQL_CHARSETSDIR: CHARSETS,
        MTR_SUITE_DIR: above,
        SECURE_LOAD_PATH: join(TEST_DIR, 'std_data'),
        DEFAULT_MASTER_PORT: '3306',
        MASTER_MYPORT: String(port),
        MASTER_MYSOCK: server.socket,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeout_ms,
      killSignal: 'SIGKILL',
    },
  );
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => said.push(part));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  const seconds = (performance.now() - began) / 1000;
  const ending: Ending = signal !== null ? 'too long' : code === 0 ? 'passed' : code === SKIPPED ? 'skipped' : 'failed';
  const output =
    ending === 'passed'
      ? await readFile(result, 'latin1').catch(() => '')
      : wordsOf(Buffer.concat(said).toString('latin1'));
  return { file, ending, output: inPlaceOf(output, server.dir, folder), seconds };
}

/** Folders have other names in each run. */
function inPlaceOf(output: string, server: string, folder: string): string {
  return output.replaceAll(server, 'MYSQLTEST_VARDIR/mysqld.1').replaceAll(folder, 'MYSQLTEST_VARDIR');
}

/** From the file's name on; what it recorded before is left out. */
function wordsOf(said: string): string {
  const from = said.search(/^mysqltest: /m);
  const words = said.slice(Math.max(from, 0)).split(/^\nThe result from queries just before/m)[0] as string;
  return words.length > WORDS_MAX ? `${words.slice(0, WORDS_MAX / 2)} ... ${words.slice(-WORDS_MAX / 2)}` : words;
}

/** Of the server and of mariadb-test alike, as mariadb-test-run sets it. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], TZ: 'GMT-3', LC_ALL: 'C', HOME: '/nonexistent' };
}

/** Is this what the suite expects? */
export async function asExpected({ file, output }: FileResult): Promise<boolean> {
  const folder = join(TEST_DIR, file.suite);
  const name = basename(file.name);
  for (const path of [join(folder, `${name}.result`), join(dirname(folder), 'r', `${name}.result`)]) {
    const text = await readFile(path, 'latin1').catch(() => null);
    if (text !== null) return text === output;
  }
  return false;
}
