// PostgreSQL's regression suite of the major version that the test server has: Debian's source package, fetched through lists of its own
// (the machine's apt is not touched), and the suite's C library built. Kept in the temporary folder for later runs.
import { execFile } from 'node:child_process';
import { chmodSync, existsSync } from 'node:fs';
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const LIBRARIES = '/usr/lib/postgresql/15/lib';
const SERVER_HEADERS = 'usr/include/postgresql/15/server';

export interface Suite {
  /** PostgreSQL's version that the suite is of; "15.18". */
  readonly version: string;
  /** src/test/regress: sql/, expected/, data/, parallel_schedule. */
  readonly source: string;
  /** regress.so, autoinc.so, refint.so. */
  readonly libraries: string;
}

/** The suite, or in one sentence why it can't be had here. The first time takes up to a minute and 36 MB of downloads; needs gcc and bzip2. */
export async function findSuite(): Promise<Suite | string> {
  if (!existsSync('/usr/lib/postgresql/15/bin/postgres')) return 'PostgreSQL 15 of Debian is not installed';
  const cache = join(tmpdir(), `holdpoint-test-${userInfo().uid}`, 'regress-15');
  try {
    if (!existsSync(cache)) await make(cache);
    return await suiteIn(cache);
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim() || String(error);
    return `the source package postgresql-15 could not be fetched and built: ${said.split('\n').at(-1)}`;
  }
}

async function suiteIn(dir: string): Promise<Suite> {
  const version = (await readFile(join(dir, 'version'), 'utf8')).trim();
  return { version, source: join(dir, 'regress'), libraries: join(dir, 'lib') };
}

async function make(cache: string): Promise<void> {
  await mkdir(join(cache, '..'), { recursive: true, mode: 0o755 });
  const work = await mkdtemp(`${cache}-new-`);
  try {
    const apt = await privateApt(work);
    const version = await fetchSource(work, apt);
    const made = join(work, 'made');
    await mkdir(join(made, 'lib'), { recursive: true });
    await cp(join(work, `postgresql-${version}`, 'src/test/regress'), join(made, 'regress'), { recursive: true });
    await buildLibrary(work, apt, made);
    for (const name of ['autoinc.so', 'refint.so']) await copyFile(join(LIBRARIES, name), join(made, 'lib', name));
    await writeFile(join(made, 'version'), version);
    await run('chmod', ['-R', 'a+rX', made]);
    await rename(made, cache);
  } catch (error) {
    if (!existsSync(cache)) throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Runs apt-get or apt-cache on lists, sources and a cache of their own. */
type Apt = (program: 'apt-get' | 'apt-cache', ...args: string[]) => Promise<string>;

async function privateApt(work: string): Promise<Apt> {
  const suites = ['debian bookworm', 'debian-security bookworm-security'];
  const lines = suites.flatMap((suite) =>
    ['deb', 'deb-src'].map((type) => `${type} http://deb.debian.org/${suite} main\n`),
  );
  await writeFile(join(work, 'sources.list'), lines.join(''));
  for (const dir of ['lists/partial', 'archives/partial']) await mkdir(join(work, dir), { recursive: true });
  // apt downloads as a user of its own.
  chmodSync(work, 0o755);
  const options = {
    'Dir::Etc::sourcelist': join(work, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::lists': join(work, 'lists'),
    'Dir::Cache': work,
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const apt: Apt = async (program, ...args) =>
    (await run(program, [...flags, '-qq', ...args], { cwd: work, maxBuffer: 2 ** 26 })).stdout;
  await apt('apt-get', 'update');
  return apt;
}

/** The newest minor version that a mirror still has; what the suite asks differs little between them. */
async function fetchSource(work: string, apt: Apt): Promise<string> {
  const records = await apt('apt-cache', 'showsrc', '--only-source', 'postgresql-15');
  const versions = [...records.matchAll(/^Version: (.+)$/gm)]
    .map(([, version = '']) => version)
    .toSorted()
    .toReversed();
  let failure: unknown = new Error('no version of it is listed');
  for (const version of versions) {
    try {
      await apt('apt-get', '--download-only', '--tar-only', 'source', `postgresql-15=${version}`);
      const upstream = version.split('-')[0] as string;
      const archive = (await readdir(work)).find((name) => name.includes(`_${upstream}.orig.tar`)) as string;
      await run('tar', ['-xf', archive, `postgresql-${upstream}/src/test/regress`], { cwd: work });
      return upstream;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** Functions in C that the suite's SQL declares: needs gcc, and the server's headers out of a package that is not installed. */
async function buildLibrary(work: string, apt: Apt, made: string): Promise<void> {
  await apt('apt-get', 'download', 'postgresql-server-dev-15', 'libpq-dev');
  for (const name of await readdir(work))
    if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', name, 'headers'], { cwd: work });
  const include = join(work, 'headers');
  await run('gcc', [
    '-O1',
    '-fPIC',
    '-shared',
    '-w',
    `-I${join(include, SERVER_HEADERS)}`,
    `-I${join(include, 'usr/include/postgresql')}`,
    '-o',
    join(made, 'lib/regress.so'),
    join(made, 'regress/regress.c'),
  ]);
}
