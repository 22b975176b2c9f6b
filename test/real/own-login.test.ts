// A principal's own login upstream, whose password a command gives: rotated on a real server while the gateway runs.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { loadConfig } from '../../src/config/config.ts';
import { serve } from '../../src/main.ts';
import { createLog } from '../../src/telemetry/log.ts';
import type { Running } from '../../src/cli/ports.ts';
import { AGENT_PASSWORD, writeGateway } from './gateway.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

let server: TestServer;
let running: Running;
let dir = '';
const lines: string[] = [];

beforeAll(async () => {
  server = await startServer(NEWEST);
  await server.admin("CREATE ROLE agents_rw LOGIN PASSWORD 'rotated-0'");
  const written = await writeGateway({ upstream: server.url });
  dir = written.dir;
  writeFileSync(join(dir, 'vault'), `#!/bin/sh\necho run >>${dir}/runs\ncat ${dir}/secret\n`);
  chmodSync(join(dir, 'vault'), 0o700);
  secret('rotated-0');
  const path = join(dir, 'users.yaml');
  const users = parse(readFileSync(path, 'utf8')) as { users: { id: string; upstream?: unknown }[] };
  for (const user of users.users)
    if (user.id === 'bot')
      user.upstream = { user: 'agents_rw', password: { command: [join(dir, 'vault')], refresh: '1h' } };
  writeFileSync(path, stringify(users));
  const log = createLog({ format: 'json', write: (line: string) => void lines.push(line) });
  running = await serve(await loadConfig(written.file), { log, hints: [] });
});
afterAll(async () => {
  await running?.stop();
  await server?.stop();
});

const secret = (password: string): void => writeFileSync(join(dir, 'secret'), `${password}\n`);
const runs = (): number => readFileSync(join(dir, 'runs'), 'utf8').trim().split('\n').length;

async function whoAmI(): Promise<unknown> {
  const { host, port } = running.postgres[0]!.listen;
  const client = new pg.Client({ host, port, user: 'bot', password: AGENT_PASSWORD, database: 'postgres' });
  await client.connect();
  try {
    return (await client.query<{ who: string }>('SELECT session_user AS who')).rows[0]?.who;
  } finally {
    await client.end();
  }
}

it('a rotated password is asked for anew when the server refuses the old one, and not before', async () => {
  expect(await whoAmI()).toBe('agents_rw');
  expect(await whoAmI()).toBe('agents_rw');
  expect(runs()).toBe(1);
  const admin = await server.admin();
  await admin.query("ALTER ROLE agents_rw PASSWORD 'rotated-1'");
  secret('rotated-1');
  // The command is asked at most once a second for a principal.
  await expect.poll(() => whoAmI().catch(() => null)).toBe('agents_rw');
  expect(await whoAmI()).toBe('agents_rw');
  expect(runs()).toBe(2);
});

it('while the command gives the wrong one, or none, the login fails, and nothing of it is told', async () => {
  const admin = await server.admin();
  await admin.query("ALTER ROLE agents_rw PASSWORD 'rotated-2'");
  await expect(whoAmI()).rejects.toThrow("the database server refused the gateway's login");
  expect(lines.join('')).not.toMatch(/rotated-/);
});
