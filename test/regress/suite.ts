// Runs files of PostgreSQL's regression suite with psql, as pg_regress does, one after another on one server. Must never be pointed at a
// server that holds anything of worth.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { own, type RunAs } from '../../src/cli/demo/cluster.ts';
import type { TestServer } from '../real/servers.ts';
import type { Suite } from './source.ts';

const run = promisify(execFile);

export const DATABASE = 'regression';
/** What pg_regress's own temporary server is started with, where it matters to an answer. */
export const SERVER_SETTINGS = { max_prepared_transactions: '2', max_connections: '100' };
/** As pg_regress sets them, and VERBOSITY: every field of an error or notice is printed, its SQLSTATE first of all. */
const VARIABLES = ['HIDE_TABLEAM=on', 'HIDE_TOAST_COMPRESSION=on', 'VERBOSITY=verbose'];
/** One file takes 10 s at most directly; a session that hangs must not stop the rest. */
const FILE_TIMEOUT_MS = 180_000;

/** Where psql connects. */
export interface Address {
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

export interface FileResult {
  readonly file: string;
  /** psql's standard output and error as they came. */
  readonly output: string;
  readonly seconds: number;
}

/** Names of the suite's files in the order of its schedule, one by one where pg_regress would run them side by side. */
export async function schedule(suite: Suite): Promise<readonly string[]> {
  const text = await readFile(join(suite.source, 'parallel_schedule'), 'utf8');
  return [...text.matchAll(/^test:\s*(.+)$/gm)].flatMap(([, names = '']) => names.trim().split(/\s+/));
}

/** Is this what the suite expects, but for what VERBOSITY adds? It has several answers where servers may differ. */
export async function asExpected(suite: Suite, { file, output }: FileResult): Promise<boolean> {
  const dir = join(suite.source, 'expected');
  const names = (await readdir(dir)).filter(
    (name) => name === `${file}.out` || new RegExp(`^${file}_\\d\\.out$`).test(name),
  );
  const plain = output
    .replaceAll(/^(?:LOCATION|(?:SCHEMA|TABLE|COLUMN|DATATYPE|CONSTRAINT) NAME):  .*\n/gm, '')
    .replaceAll(/^([A-Z]+):  [0-9A-Z]{5}: /gm, '$1:  ');
  for (const name of names) if ((await readFile(join(dir, name), 'latin1')) === plain) return true;
  return false;
}

/** The database as pg_regress makes it. */
export async function createDatabase(server: TestServer): Promise<void> {
  const settings = {
    lc_messages: 'C',
    lc_monetary: 'C',
    lc_numeric: 'C',
    lc_time: 'C',
    bytea_output: 'hex',
    timezone_abbreviations: 'Default',
  };
  const statements = [
    `CREATE DATABASE ${DATABASE} TEMPLATE template0`,
    ...Object.entries(settings).map(([name, value]) => `ALTER DATABASE ${DATABASE} SET ${name} TO '${value}'`),
  ];
  const commands = statements.flatMap((statement) => ['-c', statement]);
  await run('psql', ['-X', '-q', server.url, ...commands]);
}

/** Runs the files in this order; `done` after each. Files of the suite lie in a folder of their own meanwhile. */
export async function runFiles(
  suite: Suite,
  files: readonly string[],
  as: RunAs,
  to: Address,
  done: (result: FileResult) => void = () => undefined,
): Promise<readonly FileResult[]> {
  // Tests name files by their path, and a path may show in an answer: it is the same in each run.
  const build = join(tmpdir(), `holdpoint-regress-${process.pid}`);
  await mkdir(join(build, 'results'), { recursive: true });
  for (const dir of [build, join(build, 'results')]) own(dir, as);
  const results: FileResult[] = [];
  try {
    for (const file of files) {
      const result = await runFile(suite, file, build, as, to);
      results.push(result);
      done(result);
    }
  } finally {
    await rm(build, { recursive: true, force: true });
  }
  return results;
}

async function runFile(suite: Suite, file: string, build: string, as: RunAs, to: Address): Promise<FileResult> {
  const dir = await mkdtemp(join(tmpdir(), 'holdpoint-psql-'));
  const path = join(dir, 'out');
  const input = await open(join(suite.source, 'sql', `${file}.sql`));
  const output = await open(path, 'w');
  const began = performance.now();
  try {
    const child = spawn(
      'psql',
      ['-X', '-a', '-q', '-d', DATABASE, ...VARIABLES.flatMap((variable) => ['-v', variable])],
      {
        ...as,
        cwd: build,
        env: environment(suite, file, build, to),
        stdio: [input.fd, output.fd, output.fd],
        timeout: FILE_TIMEOUT_MS,
        killSignal: 'SIGKILL',
      },
    );
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    const seconds = (performance.now() - began) / 1000;
    const end = code === 0 ? '' : `\n(psql ended with ${signal ?? `status ${code}`})\n`;
    return { file, output: (await readFile(path, 'latin1')) + end, seconds };
  } finally {
    await input.close();
    await output.close();
    await rm(dir, { recursive: true, force: true });
  }
}

function environment(suite: Suite, file: string, build: string, to: Address): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    LC_ALL: 'C',
    PGHOST: '127.0.0.1',
    PGPORT: String(to.port),
    PGUSER: to.user,
    PGPASSWORD: to.password,
    PGAPPNAME: `pg_regress/${file}`,
    PGTZ: 'PST8PDT',
    PGDATESTYLE: 'Postgres, MDY',
    PGOPTIONS: '-c intervalstyle=postgres_verbose',
    PG_ABS_SRCDIR: suite.source,
    PG_ABS_BUILDDIR: build,
    PG_LIBDIR: suite.libraries,
    PG_DLSUFFIX: '.so',
  };
}
