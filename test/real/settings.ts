// What a test server is told while it runs: TLS, and who may log in how.
import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { own } from '../../src/cli/demo/cluster.ts';
import type { Certificate } from './certificates.ts';
import type { TestServer } from './servers.ts';

/** The server takes TLS with this certificate from now on. */
export const serveTls = async (server: TestServer, { cert, key }: Certificate): Promise<void> => {
  for (const [from, to] of [
    [cert, 'server.crt'],
    [key, 'server.key'],
  ] as const) {
    const path = join(server.data, to);
    await copyFile(from, path);
    await chmod(path, 0o600);
    own(path, server.as);
  }
  await (await server.admin()).query('ALTER SYSTEM SET ssl = on');
  await reload(server);
};

/** Lines of pg_hba.conf that stand before all others from now on. */
export const logInBy = async (server: TestServer, ...rules: readonly string[]): Promise<void> => {
  const file = join(server.data, 'pg_hba.conf');
  await writeFile(file, `${rules.join('\n')}\n${await readFile(file, 'utf8')}`);
  await reload(server);
};

/** Resolves when new connections see the changed settings. */
const reload = async (server: TestServer): Promise<void> => {
  const before = await loaded(server);
  await (await server.admin()).query('SELECT pg_reload_conf()');
  while ((await loaded(server)) === before);
};
const loaded = async (server: TestServer): Promise<string> => {
  const client = await server.admin();
  const { rows } = await client.query<{ at: string }>('SELECT pg_conf_load_time()::text AS at, pg_sleep(0.02)');
  await client.end();
  return rows[0]?.at ?? '';
};
