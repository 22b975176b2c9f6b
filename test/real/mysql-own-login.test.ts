// A principal's own login upstream, whose password a file or a command gives: rotated on real servers while the gateway runs. The twin of
// own-login.test.ts.
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import mysql2 from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import type { Running } from '../../src/cli/ports.ts';
import { loadConfig } from '../../src/config/config.ts';
import { serve } from '../../src/main.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { AGENT_PASSWORD, writeGateway } from './gateway.ts';
import { available, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

describe.each(ENGINES.filter(available))('%s', (engine) => {
  let server: TestMysql;
  let running: Running;
  let dir = '';
  const lines: string[] = [];

  beforeAll(async () => {
    server = await startMysql(engine);
    await server.sql('CREATE DATABASE app');
    for (const user of ['by_command', 'by_file']) {
      await server.sql(`CREATE USER ${user}@'%' IDENTIFIED BY 'rotated-upstream-0'`);
      await server.sql(`GRANT SELECT ON app.* TO ${user}@'%'`);
    }
    const upstream = `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`;
    const written = await writeGateway({ upstream });
    dir = written.dir;
    await writeFile(join(dir, 'vault'), `#!/bin/sh\necho run >>${dir}/runs\ncat ${dir}/secret\n`);
    await chmod(join(dir, 'vault'), 0o700);
    await secret('rotated-upstream-0');
    const path = join(dir, 'users.yaml');
    const users = parse(await readFile(path, 'utf8')) as { users: { id: string; upstream?: unknown }[] };
    for (const user of users.users) {
      if (user.id === 'bot')
        user.upstream = { user: 'by_command', password: { command: [join(dir, 'vault')], refresh: '1h' } };
      if (user.id === 'orphan') user.upstream = { user: 'by_file', password: `file:${join(dir, 'secret')}` };
    }
    await writeFile(path, stringify(users));
    const log = createLog({ format: 'json', write: (line: string) => void lines.push(line) });
    running = await serve(await loadConfig(written.file), { log, hints: [] });
  });
  afterAll(async () => {
    await running?.stop();
    await server?.stop();
  });

  const secret = (password: string): Promise<void> => writeFile(join(dir, 'secret'), `${password}\n`);
  const runs = async (): Promise<number> => (await readFile(join(dir, 'runs'), 'utf8')).trim().split('\n').length;
  const rotate = async (password: string): Promise<void> => {
    for (const user of ['by_command', 'by_file'])
      await server.sql(`ALTER USER ${user}@'%' IDENTIFIED BY '${password}'`);
  };
  const connect = (user: string): Promise<mysql2.Connection> => {
    const { host, port } = running.mysql[0]!.listen;
    return mysql2.createConnection({ host, port, user, password: AGENT_PASSWORD, database: 'app' });
  };
  const ask = async (client: mysql2.Connection): Promise<unknown> => {
    const [rows] = await client.query<mysql2.RowDataPacket[]>('SELECT CURRENT_USER() AS who');
    return String(rows[0]?.['who']).split('@')[0];
  };
  const whoAmI = async (user: string): Promise<unknown> => {
    const client = await connect(user);
    try {
      return await ask(client);
    } finally {
      await client.end();
    }
  };

  it('a rotated password is read anew by who connects then, and who is in stays in', async () => {
    expect(await whoAmI('orphan')).toBe('by_file');
    expect(await whoAmI('bot')).toBe('by_command');
    const before = await connect('bot');
    expect(await ask(before)).toBe('by_command');
    expect(await runs()).toBe(1);
    await rotate('rotated-upstream-1');
    await secret('rotated-upstream-1');
    expect(await whoAmI('orphan')).toBe('by_file');
    // Asked for anew when the server refuses the old one, and not before; at most once a second for a principal.
    await expect.poll(() => whoAmI('bot').catch(() => null), { timeout: 30_000 }).toBe('by_command');
    expect(await whoAmI('bot')).toBe('by_command');
    expect(await runs()).toBe(2);
    expect(await ask(before)).toBe('by_command');
    await before.end();
  });

  it('while file and command give the wrong one the login fails, and nothing of it is told', async () => {
    await rotate('rotated-upstream-2');
    for (const user of ['bot', 'orphan'])
      await expect(whoAmI(user)).rejects.toThrow("the database server refused the gateway's login");
    expect(lines.join('')).not.toContain('rotated-upstream-');
    await secret('rotated-upstream-2');
    expect(await whoAmI('orphan')).toBe('by_file');
    await expect.poll(() => whoAmI('bot').catch(() => null), { timeout: 30_000 }).toBe('by_command');
  });
});
