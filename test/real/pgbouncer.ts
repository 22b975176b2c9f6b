// A real pgbouncer before a test server, in a folder of its own that goes with it; Debian's package. Must never end a process it did not start.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { own } from '../../src/cli/demo/cluster.ts';
import { listening } from './clients.ts';
import { ownPort } from './ports.ts';
import type { TestServer } from './servers.ts';

const PROGRAM = '/usr/sbin/pgbouncer';

export type PoolMode = 'session' | 'transaction' | 'statement';

/** Can it be started here? The test runner says plainly when not. */
export const pgbouncerHere = (): boolean => existsSync(PROGRAM);

/** For database postgres of the server and this one user. `more`: further lines of its configuration. */
export const startPgbouncer = async (
  server: TestServer,
  mode: PoolMode,
  { user, password }: { readonly user: string; readonly password: string },
  more = '',
): Promise<{ readonly port: number; readonly child: ChildProcess; stop(): Promise<void> }> => {
  const dir = await mkdtemp(join(tmpdir(), 'holdpoint-pgbouncer-'));
  const port = await ownPort();
  const users = join(dir, 'users.txt');
  const ini = join(dir, 'pgbouncer.ini');
  // With SCRAM on both legs it needs the clear password for its own login.
  await writeFile(users, `"${user}" "${password}"\n`);
  await writeFile(
    ini,
    [
      '[databases]',
      `postgres = host=127.0.0.1 port=${server.port} dbname=postgres`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${users}`,
      `pool_mode = ${mode}`,
      more,
      '',
    ].join('\n'),
  );
  chmodSync(dir, 0o755);
  for (const path of [users, ini]) own(path, server.as);
  const child = spawn(PROGRAM, ['-q', ini], { ...server.as, cwd: '/', stdio: 'ignore' });
  const ended = once(child, 'exit').then(() => rm(dir, { recursive: true, force: true }));
  await listening(port, child);
  return {
    port,
    child,
    stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
};
