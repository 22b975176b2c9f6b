// The drivers for PostgreSQL that people have, each in its own process, before both servers: every driver through every scenario, and what each
// says when it connects. Prints one table.
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../gateway.ts';
import { available, MAJORS, startServer, type TestServer } from '../servers.ts';
import { DRIVERS, type Driver, SCENARIOS } from './drivers.ts';
import { Recorder } from './recorder.ts';
import { connected, RUN, SCHEMA } from './scenarios.ts';
import { describeDrivers, Table } from './suite.ts';

const table = new Table(
  'PostgreSQL versions on which each driver got through, through the gateway',
  DRIVERS,
  SCENARIOS,
);

describe.each(MAJORS)('PostgreSQL %i', (major) => {
  if (!available(major)) {
    test.skip('the drivers: this server is not here', () => {});
    return;
  }
  let server: TestServer;
  let gateway: TestGateway;
  let direct: pg.Client;
  let recorder: Recorder;

  beforeAll(async () => {
    server = await startServer(major);
    direct = await server.admin(SCHEMA);
    gateway = await startGateway({ upstream: server.url, reviewers: DRIVERS.length });
    recorder = await Recorder.before(gateway.port);
  });
  afterAll(async () => {
    await recorder?.stop();
    await gateway?.stop();
    await server?.stop();
  });

  describeDrivers({
    table,
    run: RUN,
    server: () => String(major),
    gateway: () => gateway,
    stage: (common) => ({ ...common, direct }),
    first: (driver, stage) => {
      test('says at its start what it always said', async () => {
        await connected(stage(), recorder.port);
        const { program } = stage();
        await program.get('query', "SELECT 'the first ordinary query'");
        const said = recorder.take();
        await program.get('close');
        await expect(`${HEAD}${said}`).toMatchFileSnapshot(join(import.meta.dirname, 'startup', `${file(driver)}.txt`));
      });
    },
  });
});

afterAll(() => console.log(table.printed()));

const HEAD =
  '# Recorded: what this driver says from its first byte to the answer of its first ordinary query. UPDATE=1 records anew.\n';

function file({ name }: Driver): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/-$/, '');
}
