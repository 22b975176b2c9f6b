// Runs one PostgreSQL server from a folder of programs and a folder of data: initdb, start, ready, stop. As root it runs as the system's
// `postgres` user, as the server demands. Must never signal a process it did not start or find by its own data folder.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Whom server processes run as; empty: as this process. */
export type RunAs = { readonly uid: number; readonly gid: number } | Record<string, never>;

export interface ClusterOptions {
  /** Folder with initdb and postgres. */
  readonly bin: string;
  /** The server's data folder (PGDATA); made by initCluster. */
  readonly data: string;
  readonly as: RunAs;
}

export interface RunningCluster {
  readonly port: number;
  readonly pid: number;
  /** Fast shutdown: sessions end, data is written. Resolves when the process is gone; may be called twice. */
  stop(): Promise<void>;
  /** Resolves when the server ends, asked to or not. */
  readonly ended: Promise<void>;
}

export const SUPERUSER = 'postgres';
const START_TIMEOUT_MS = 60_000;
/** How long a fast shutdown may take before the server is told to quit at once. */
const STOP_TIMEOUT_MS = 15_000;
const LOG_LINES_KEPT = 20;

/** The user to run a server as: this one, or for root `postgres`, made if it is missing. Rejects where that fails. */
export async function serverUser(): Promise<RunAs> {
  if (process.getuid?.() !== 0) return {};
  try {
    return await idsOf(SUPERUSER);
  } catch {
    await run('useradd', ['--system', '--user-group', '--no-create-home', SUPERUSER]);
    return await idsOf(SUPERUSER);
  }
}

/** Can that user read, enter and (where asked) write there? */
export async function canReach(path: string, as: RunAs, flag: '-x' | '-w'): Promise<boolean> {
  try {
    await run('/usr/bin/env', ['test', flag, path], { ...as, cwd: '/' });
    return true;
  } catch {
    return false;
  }
}

/** initdb: UTF-8, C locale, SCRAM for all, superuser `postgres`. Takes about 1 s. `sync` false: for throw-away data only. */
export async function initCluster(options: ClusterOptions, password: string, sync = true): Promise<void> {
  const passwordFile = `${options.data}.password`;
  await mkdir(options.data, { recursive: true, mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  own(options.data, options.as);
  own(passwordFile, options.as);
  try {
    await run(
      join(options.bin, 'initdb'),
      [
        `--pgdata=${options.data}`,
        `--username=${SUPERUSER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        ...(sync ? [] : ['--no-sync']),
      ],
      { ...options.as, cwd: '/', env: serverEnvironment() },
    );
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/**
 * Starts the server on 127.0.0.1 and resolves when it accepts connections. It is in a process group of its own, so a Ctrl-C
 * reaches it only through stop(). Rejects with the server's last words when it ends instead.
 */
export async function startCluster(
  options: ClusterOptions & { readonly port: number; readonly settings?: Readonly<Record<string, string>> },
): Promise<RunningCluster> {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    logging_collector: 'off',
    ...options.settings,
  };
  const child = spawn(
    join(options.bin, 'postgres'),
    [
      '-D',
      options.data,
      '-p',
      String(options.port),
      ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`]),
    ],
    { ...options.as, cwd: '/', env: serverEnvironment(), detached: true, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = once(child, 'close').then(() => undefined);
  const lastResort = (): void => {
    child.kill('SIGINT');
  };
  process.once('exit', lastResort);
  void ended.then(() => process.removeListener('exit', lastResort));
  await untilReady(child, ended);
  return { port: options.port, pid: child.pid as number, stop: () => stopChild(child, ended), ended };
}

/**
 * Ends a server that a killed process left running on this data folder, and removes the note of one that is gone. True: one
 * was ended. The process is known by its command line, which names the folder.
 */
export async function endLeftover(options: ClusterOptions): Promise<boolean> {
  const note = join(options.data, 'postmaster.pid');
  let pid: number;
  try {
    pid = Number((await readFile(note, 'utf8')).split('\n')[0]);
  } catch {
    return false;
  }
  if (!commandLine(pid).includes(options.data)) {
    await rm(note, { force: true });
    return false;
  }
  process.kill(pid, 'SIGINT');
  for (const until = Date.now() + STOP_TIMEOUT_MS; Date.now() < until; await delay(50)) {
    if (!commandLine(pid).includes(options.data)) return true;
  }
  throw new Error(`the PostgreSQL server of an earlier start, process ${pid}, does not end`);
}

/** A port of 127.0.0.1 that is free now: `wanted`, or the next free one of 20 (`wanted` 0: any). */
export async function freePort(wanted: number): Promise<number> {
  for (let port = wanted; port < wanted + 20; port++) {
    const server = createServer().unref();
    server.listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      continue;
    }
    const address = server.address();
    server.close();
    await once(server, 'close');
    if (typeof address === 'object' && address !== null) return address.port;
  }
  throw new Error(`no free port from ${wanted} to ${wanted + 19} on 127.0.0.1`);
}

export function own(path: string, as: RunAs): void {
  if (as.uid !== undefined) chownSync(path, as.uid, as.gid);
}

async function idsOf(user: string): Promise<RunAs> {
  const [uid, gid] = await Promise.all([run('id', ['-u', user]), run('id', ['-g', user])]);
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

/** Without the caller's PG* and locale variables: they change what the server does and says. */
function serverEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: 'C', TZ: 'UTC' };
}

async function untilReady(child: ChildProcess, ended: Promise<void>): Promise<void> {
  const said: string[] = [];
  const ready = new Promise<true>((resolve) => {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('database system is ready to accept connections')) resolve(true);
      said.push(...text.trimEnd().split('\n'));
      said.splice(0, said.length - LOG_LINES_KEPT);
    });
  });
  const failed = once(child, 'error').then(([error]) => {
    throw error as Error;
  });
  const timeout = new AbortController();
  const late = delay(START_TIMEOUT_MS, false as const, { signal: timeout.signal }).catch(() => false as const);
  const outcome = await Promise.race([ready, failed, ended.then(() => false as const), late]);
  timeout.abort();
  failed.catch(() => undefined);
  if (outcome) return;
  await stopChild(child, ended);
  throw new Error(`PostgreSQL did not start:\n${said.join('\n')}`);
}

async function stopChild(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return ended;
  child.kill('SIGINT');
  const patience = setTimeout(() => child.kill('SIGQUIT'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(patience);
}

/** '' where there is no such process, or where the system does not tell (then the server's own lock decides). */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
