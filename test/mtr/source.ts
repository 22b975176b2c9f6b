// MariaDB's own test suites, as Debian's packages install them: which files there are, what each sources, and by which rule one is not run.
// Reads text only; whether a file runs to its end here is for the direct run to say.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** Where the package mariadb-test-data has them. */
export const TEST_DIR = '/usr/share/mysql/mysql-test';
export const MARIADB_TEST = '/usr/bin/mariadb-test';

/** Folders with test files. What they ask is ordinary SQL of a client; replication, clusters, plugins and the server's insides are others' suites. */
export const SUITES = [
  'main',
  'suite/archive',
  'suite/compat/oracle/t',
  'suite/csv',
  'suite/funcs_1/t',
  'suite/gcol/t',
  'suite/handler',
  'suite/heap',
  'suite/innodb/t',
  'suite/innodb_fts/t',
  'suite/innodb_gis/t',
  'suite/jp/t',
  'suite/json/t',
  'suite/maria',
  'suite/period/t',
  'suite/roles',
  'suite/sql_sequence',
  'suite/sys_vars/t',
  'suite/vcol/t',
  'suite/versioning/t',
] as const;

export interface TestFile {
  /** "main/select", "suite/json/t/json_table". */
  readonly name: string;
  readonly suite: (typeof SUITES)[number];
  /** Why it is not chosen; null: it is. */
  readonly criterion: Criterion | null;
}

export type Criterion = keyof typeof CRITERIA;

/** Of the text of a file and of what it sources; the first that fits counts. */
export const CRITERIA = {
  disabled: 'switched off by the suite itself (disabled.def, unstable-tests)',
  options: 'wants a server with options, or several settings of one (.opt, .cnf, .combinations beside it)',
  servers: 'wants further servers, a binary log, or another build of the server',
  restarts: 'stops, kills or starts the server',
  programs: 'runs programs of its own, which connect past the gateway',
  users:
    'connects with a password, to another host, or as nobody: Holdpoint knows no passwords of users that a file makes',
  big: 'says itself that it takes long, or takes all of a machine',
} as const;

const BESIDE = ['.opt', '-master.opt', '.cnf', '.combinations', '.sh', '-master.sh'];
const IN_TEXT: readonly (readonly [Criterion, RegExp])[] = [
  ['big', /include\/(?:big_test|long_test|have_valgrind|not_valgrind_build)\.inc/],
  [
    'servers',
    /include\/(?:master-slave|have_log_bin|have_binlog_format\w*|have_debug\w*|rpl_init|have_(?:4k|8k|16k|32k|64k|rocksdb|embedded|cassandra|federatedx?|gdb))\.inc/,
  ],
  [
    'restarts',
    /include\/(?:(?:re)?start_mysqld|shutdown_mysqld|kill_mysqld|kill_and_restart_mysqld|crash_mysqld|expect_crash|wait_until_(?:dis)?connected_again)\.inc|^\s*(?:--\s*)?(?:shutdown_server|send_shutdown)\b|^\s*shutdown\s*;/im,
  ],
  ['programs', /^\s*(?:--\s*)?(?:exec|exec_in_background|execw|system|error_log)\b/im],
  [
    'users',
    /^\s*(?:--\s*)?(?:connect\b\s*\(?[^,\n]+,(?!\s*"?(?:localhost|127\.0\.0\.1)"?\s*,\s*["']?[\w$]+["']?\s*(?:,\s*(?:[,);]|$)|[);]|$))|change_user\b(?!\s*["']?[\w$]+["']?\s*,\s*(?:,|;|$)))/im,
  ],
];

/** Where the packages are; null: not installed. */
export const isInstalled = (): boolean => existsSync(MARIADB_TEST) && existsSync(join(TEST_DIR, 'main'));

/** Of the package: "10.11.19". */
export async function version(): Promise<string> {
  const { stdout } = await promisify(execFile)(MARIADB_TEST, ['--no-defaults', '--version']);
  return /Distrib ([\d.]+)/.exec(stdout)?.[1] ?? '';
}

/** All files of these suites, in the order of their names. */
export async function testFiles(): Promise<readonly TestFile[]> {
  const unstable = await listed(join(TEST_DIR, 'unstable-tests'));
  const found: TestFile[] = [];
  for (const suite of SUITES) {
    const folder = join(TEST_DIR, suite);
    const beside = new Set(await readdir(folder));
    const above = basename(folder) === 't' ? dirname(folder) : folder;
    const disabled = new Set([
      ...(await listed(join(folder, 'disabled.def'))),
      ...(await listed(join(above, 'disabled.def'))),
    ]);
    const named = above.slice(above.lastIndexOf('/') + 1);
    const options = existsSync(join(above, 'suite.opt')) || existsSync(join(above, 'my.cnf'));
    for (const file of [...beside].toSorted()) {
      if (!file.endsWith('.test')) continue;
      const name = file.slice(0, -'.test'.length);
      const criterion =
        disabled.has(name) || unstable.has(`${named}.${name}`)
          ? 'disabled'
          : options || BESIDE.some((end) => beside.has(`${name}${end}`))
            ? 'options'
            : await inText(join(folder, file), folder, above);
      found.push({ name: `${suite}/${name}`, suite, criterion });
    }
  }
  return found;
}

async function inText(path: string, folder: string, suite: string): Promise<Criterion | null> {
  const text = await wholeText(path, [folder, suite, TEST_DIR], new Set());
  return IN_TEXT.find(([, found]) => found.test(text))?.[0] ?? null;
}

/** With everything that it sources, and that does; a name that is only known when it runs is left out. */
async function wholeText(path: string, folders: readonly string[], seen: Set<string>): Promise<string> {
  seen.add(path);
  const text = (await readFile(path, 'latin1')).replaceAll(/^\s*#.*$/gm, '');
  const parts = [text];
  for (const [, named = ''] of text.matchAll(/^\s*(?:--\s*)?source\s+([^\s;]+)/gim)) {
    const found = [dirname(path), ...folders]
      .map((folder) => join(folder, named))
      .find((candidate) => existsSync(candidate));
    if (found !== undefined && !seen.has(found)) parts.push(await wholeText(found, folders, seen));
  }
  return parts.join('\n');
}

/** Names before a colon, a line each. */
async function listed(path: string): Promise<ReadonlySet<string>> {
  if (!existsSync(path)) return new Set();
  const text = await readFile(path, 'latin1');
  return new Set([...text.matchAll(/^\s*([\w.-]+)\s*:/gm)].map(([, name = '']) => name));
}
