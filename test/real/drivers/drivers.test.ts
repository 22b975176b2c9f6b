// The drivers that people have, each in its own process, before both servers: every driver through every scenario, and what each says
// when it connects. Prints one table. What can't be had on this machine is a test that did not run, by name.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decide, startGateway, type TestGateway } from '../gateway.ts';
import { available, MAJORS, startServer, type TestServer } from '../servers.ts';
import { DRIVERS, type Driver, SCENARIOS } from './drivers.ts';
import { Program } from './program.ts';
import { Recorder } from './recorder.ts';
import { connected, RUN, SCHEMA, type Stage } from './scenarios.ts';

const present = (driver: Driver): boolean => spawnSync(driver.probe[0], driver.probe.slice(1)).status === 0;
const here = DRIVERS.map((driver) => ({ driver, there: present(driver) }));
/** Cells by driver and column; a cell is there when its test is over. */
const table = new Map<string, Map<string, string>>(DRIVERS.map(({ name }) => [name, new Map()]));

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
    gateway = await startGateway({ upstream: server.url, reviewers: REVIEWERS });
    recorder = await Recorder.before(gateway.port);
  });
  afterAll(async () => {
    await recorder?.stop();
    await gateway?.stop();
    await server?.stop();
  });

  describe.each(here.map(({ driver, there }) => [driver.name, driver, there] as const))('%s', (_, driver, there) => {
    const cells = table.get(driver.name) as Map<string, string>;
    if (!there) {
      cells.set('version', 'not here');
      test.skip(`not here; on Debian: apt-get install ${driver.packages.join(' ')}`, () => {});
      return;
    }
    let stage: Stage;

    beforeAll(async () => {
      const own = `d${DRIVERS.indexOf(driver)}`;
      const [program, reviewed] = await Promise.all([Program.start(driver), signedIn(gateway)]);
      stage = { driver, gateway: reviewed, direct, own, program };
      cells.set('version', stage.program.version);
    });
    afterAll(() => stage?.program.stop('SIGTERM'));

    test('says at its start what it always said', async () => {
      await connected(stage, recorder.port);
      await stage.program.get('query', "SELECT 'the first ordinary query'");
      const said = recorder.take();
      await stage.program.get('close');
      await expect(`${HEAD}${said}`).toMatchFileSnapshot(join(import.meta.dirname, 'startup', `${file(driver)}.txt`));
    });

    for (const scenario of SCENARIOS) {
      const none = driver.none[scenario];
      if (none !== undefined) {
        cells.set(scenario, `none: ${none}`);
        continue;
      }
      test(
        scenario,
        async () => {
          const cell = (text: string): void =>
            void cells.set(scenario, [cells.get(scenario), text].filter(Boolean).join('/'));
          try {
            await RUN[scenario](stage);
            await stage.program.get('close');
            cell(`${major}`);
          } catch (error) {
            cell(`${major} FAILS`);
            // What it still waits for must not be taken for the next scenario's.
            for (const request of (await gateway.grace.list({ state: 'open' })).requests) await gateway.deny(request);
            await stage.program.stop('SIGKILL');
            stage = { ...stage, program: await Program.start(driver) };
            throw error;
          }
        },
        SCENARIO_MS,
      );
    }
  });
});

afterAll(() => console.log(printed()));

/** Seconds even on a slow machine; a statement that nobody decides would wait 45 s. */
const SCENARIO_MS = 20_000;

const HEAD =
  '# Recorded: what this driver says from its first byte to the answer of its first ordinary query. UPDATE=1 records anew.\n';

/** Decisions of one person are limited in a minute. */
const REVIEWERS = 12;

/** Another reviewer for each driver. */
async function signedIn(gateway: TestGateway): Promise<TestGateway> {
  const grace = await gateway.inTurn();
  return {
    ...gateway,
    grace,
    approve: (request, rationale) => decide(grace, request, 'approve', rationale),
    deny: (request, rationale) => decide(grace, request, 'deny', rationale),
  };
}

function file({ name }: Driver): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/-$/, '');
}

/** Rows are drivers, columns scenarios; what a driver has no call for stands below, with how it is done instead. */
function printed(): string {
  const notes: string[] = [];
  const rows = DRIVERS.map(({ name, by }) => {
    const cells = table.get(name) as Map<string, string>;
    const shown = SCENARIOS.map((scenario) => {
      const cell = cells.get(scenario) ?? 'not run';
      const how = by?.[scenario];
      const what = cell.startsWith('none: ') ? cell.slice(6) : how;
      if (what === undefined) return cell;
      notes.push(`  ${name}, ${scenario}: ${what}`);
      return `${cell.startsWith('none: ') ? 'none' : cell} *`;
    });
    return [name, cells.get('version') ?? '', ...shown];
  });
  const all = [['driver', 'version', ...SCENARIOS], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `PostgreSQL versions on which each driver got through, through the gateway\n${lines.join('\n')}\n* ${notes.join('\n').trimStart()}`;
}
