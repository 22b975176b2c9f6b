// Real PostgreSQL servers for tests: each in a private folder on a free port, ended by its process. Settings are those of throw-away data
// (no fsync); must never be pointed at a server it did not start.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import {
  initCluster,
  own,
  type RunAs,
  type RunningCluster,
  serverUser,
  startCluster,
  SUPERUSER,
} from '../../src/cli/demo/cluster.ts';
import { programs } from '../../src/cli/demo/postgres.ts';
import { ownPort } from './ports.ts';

const run = promisify(execFile);

export const MAJORS = [15, 18] as const;
export type Major = (typeof MAJORS)[number];

export interface TestServer {
  readonly port: number;
  /** Superuser `postgres`, database `postgres`, over TCP with SCRAM. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly major: Major;
  /** PGDATA, for tests that add certificates or pg_hba lines. */
  readonly data: string;
  readonly as: RunAs;
  /** A connection of the superuser, on which this has run. `stop` ends it. */
  admin(sql?: string): Promise<pg.Client>;
  stop(): Promise<void>;
}

const DEBIAN_BIN = '/usr/lib/postgresql/15/bin';
const PASSWORD = 'test';
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  autovacuum: 'off',
  max_connections: '200',
};

/** Can this version be started here? The test runner says plainly when not. */
export function available(major: Major): boolean {
  return major === 18 || existsSync(join(DEBIAN_BIN, 'postgres'));
}

/** The newest that can be started here. */
export const NEWEST: Major = MAJORS.findLast(available) ?? 18;

/** A fresh server of its own for the caller; about 0.3 s after the first of its version on a machine. */
export async function startServer(major: Major, settings: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  const as = await serverUser();
  const cache = await cacheDir(as);
  const bin = major === 15 ? DEBIAN_BIN : await programs(cache, as);
  const dir = await mkdtemp(join(tmpdir(), `holdpoint-pg${major}-`));
  own(dir, as);
  const data = join(dir, 'data');
  try {
    await run('cp', ['-a', '--reflink=auto', await template(cache, major, bin, as), data]);
    const cluster = await startOnFreePort({ bin, data, as }, { ...SETTINGS, ...settings });
    const url = `postgres://${SUPERUSER}:${PASSWORD}@127.0.0.1:${cluster.port}/postgres`;
    const admins: pg.Client[] = [];
    return {
      port: cluster.port,
      url,
      user: SUPERUSER,
      password: PASSWORD,
      major,
      data,
      as,
      async admin(sql = '') {
        const admin = new pg.Client(url);
        await admin.connect();
        admins.push(admin);
        await admin.query(sql);
        return admin;
      },
      async stop() {
        await Promise.all(admins.map((admin) => admin.end()));
        await cluster.stop();
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
  options: { readonly bin: string; readonly data: string; readonly as: RunAs },
  settings: Readonly<Record<string, string>>,
): Promise<RunningCluster> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startCluster({ ...options, port: await ownPort(), settings });
    } catch (error) {
      if (attempt === 3 || !String(error).includes('could not bind')) throw error;
    }
  }
}

async function cacheDir(as: RunAs): Promise<string> {
  const dir = join(tmpdir(), `holdpoint-test-${userInfo().uid}`);
  await mkdir(dir, { recursive: true, mode: 0o755 });
  if (as.uid !== undefined) await chown(dir, as.uid, as.gid);
  return dir;
}

/** A data folder after initdb, made once for a build of the server; whoever renames first wins. */
async function template(cache: string, major: Major, bin: string, as: RunAs): Promise<string> {
  const version = (await run(join(bin, 'postgres'), ['--version'], { ...as, cwd: '/' })).stdout;
  const made = join(cache, `template-${major}-${createHash('sha256').update(version).digest('hex').slice(0, 8)}`);
  if (existsSync(made)) return made;
  const mine = await mkdtemp(join(cache, 'new-'));
  own(mine, as);
  await initCluster({ bin, data: join(mine, 'data'), as }, PASSWORD, false);
  try {
    await rename(join(mine, 'data'), made);
  } catch (error) {
    if ((await readdir(made)).length === 0) throw error;
  }
  await rm(mine, { recursive: true, force: true });
  return made;
}
