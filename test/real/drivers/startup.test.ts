// Clients that can't be had here: what they are documented to say at their start (startup/documented) is said to the gateway, byte by byte,
// with the starter policy before both servers. Every statement must pass: none held, none refused, none answered by an error.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../gateway.ts';
import { available, MAJORS, startServer, type TestServer } from '../servers.ts';
import { sayDocumented } from './documented.ts';
import { SCHEMA } from './scenarios.ts';

const FOLDER = join(import.meta.dirname, 'startup', 'documented');
const FILES = readdirSync(FOLDER);

test('there is one for each client that is documented only', () => {
  expect(FILES).toEqual(['dbeaver.txt', 'npgsql.txt', 'pgadmin.txt', 'prisma.txt']);
});

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let server: TestServer;
  let gateway: TestGateway;

  beforeAll(async () => {
    server = await startServer(major);
    await server.admin(SCHEMA);
    gateway = await startGateway({ upstream: server.url });
  });
  afterAll(async () => {
    await gateway?.stop();
    await server?.stop();
  });

  test.each(FILES)('%s passes', async (file) => {
    expect(await sayDocumented(join(FOLDER, file), gateway.port, 'postgres')).toEqual([]);
    expect((await gateway.grace.list({ state: 'all' })).requests).toEqual([]);
  });
});
