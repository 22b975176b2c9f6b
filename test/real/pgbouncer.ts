// A real pgbouncer before a test server, in a folder of its own; Debian's package. Must never end a process it did not start.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, own } from '../../src/cli/demo/cluster.ts';
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
): Promise<{ readonly port: number; stop(): Promise<void> }> => {
  const dir = await mkdtemp(join(tmpdir(), 'holdpoint-pgbouncer-'));
  const port = await freePort(0);
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
  const ended = once(child, 'exit');
  const early = ended.then(() => Promise.reject(new Error('pgbouncer ended')));
  early.catch(() => {});
  await Promise.race([listening(port), early]);
  return {
    port,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      await rm(dir, { recursive: true, force: true });
    },
  };
};

const listening = async (port: number): Promise<void> => {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const there = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'close').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (there) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
