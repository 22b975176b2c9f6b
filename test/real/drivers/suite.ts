// Every driver through every scenario, before one server, and what came of it as one table. What can't be had on this machine is a test that did
// not run, by name. Knows no database.
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { decide, type TestGateway } from '../gateway.ts';
import type { Driver } from './drivers.ts';
import { Program } from './program.ts';
import type { Stage } from './stage.ts';

export interface Suite<S extends string, D extends Driver<S>, T extends Stage<S>> {
  readonly table: Table<S, D>;
  readonly run: Readonly<Record<S, (stage: T) => Promise<void>>>;
  /** As it stands in the cells; known from beforeAll on, as the gateway is. */
  readonly server: () => string;
  readonly gateway: () => TestGateway;
  readonly stage: (common: Stage<S> & { readonly driver: D }) => T;
  /** Further tests of one driver. */
  readonly first?: (driver: D, stage: () => T) => void;
}

/** Defines the tests of all drivers before this server. */
export const describeDrivers = <S extends string, D extends Driver<S>, T extends Stage<S>>(
  suite: Suite<S, D, T>,
): void => {
  const { table } = suite;
  for (const [index, driver] of table.drivers.entries()) {
    describe.sequential(driver.name, () => {
      if (!table.has(driver)) {
        const packages = driver.packages.length > 0 ? `; on Debian: apt-get install ${driver.packages.join(' ')}` : '';
        test.skip(`not here${packages}`, () => {});
        return;
      }
      let stage: T;

      beforeAll(async () => {
        const [program, gateway] = await Promise.all([Program.start(driver), signedIn(suite.gateway())]);
        stage = suite.stage({ driver, gateway, own: `d${index}`, program });
        table.version(driver, program.version);
      });
      afterAll(() => stage?.program.stop('SIGTERM'));

      suite.first?.(driver, () => stage);

      for (const scenario of table.scenarios) {
        if (driver.none[scenario] !== undefined) continue;
        test(
          scenario,
          async () => {
            try {
              await suite.run[scenario](stage);
              await stage.program.get('close');
              table.cell(driver, scenario, suite.server());
            } catch (error) {
              table.cell(driver, scenario, `${suite.server()} FAILS`);
              // What it still waits for must not be taken for the next scenario's.
              const { gateway } = stage;
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
  }
};

/** Seconds even on a slow machine; a statement that nobody decides would wait longer. */
const SCENARIO_MS = 90_000;

/** Another reviewer for each driver: decisions of one person are limited in a minute. */
const signedIn = async (gateway: TestGateway): Promise<TestGateway> => {
  const grace = await gateway.inTurn();
  return {
    ...gateway,
    grace,
    approve: (request, rationale) => decide(grace, request, 'approve', rationale),
    deny: (request, rationale) => decide(grace, request, 'deny', rationale),
  };
};

const VERSION = 'version';

/** Rows are drivers, columns scenarios, a cell names the servers on which it went through. */
export class Table<S extends string, D extends Driver<S>> {
  readonly drivers: readonly D[];
  readonly scenarios: readonly S[];
  readonly #title: string;
  readonly #present: ReadonlySet<string>;
  /** By driver and column. */
  readonly #cells = new Map<string, Map<string, string[]>>();

  constructor(title: string, drivers: readonly D[], scenarios: readonly S[]) {
    this.#title = title;
    this.drivers = drivers;
    this.scenarios = scenarios;
    const present = drivers.filter(({ probe }) => spawnSync(probe[0], probe.slice(1)).status === 0);
    this.#present = new Set(present.map(({ name }) => name));
  }

  has({ name }: Driver<S>): boolean {
    return this.#present.has(name);
  }

  version(driver: Driver<S>, version: string): void {
    this.#of(driver).set(VERSION, [version]);
  }

  cell(driver: Driver<S>, scenario: S, text: string): void {
    const cells = this.#of(driver);
    cells.set(scenario, [...(cells.get(scenario) ?? []), text].toSorted());
  }

  /** What a driver has no call for stands below, with how it is done instead. */
  printed(): string {
    const notes: string[] = [];
    const rows = this.drivers.map((driver) => {
      const { name, by, none } = driver;
      const cells = this.#of(driver);
      const shown = this.scenarios.map((scenario) => {
        const cell = none[scenario] === undefined ? (cells.get(scenario)?.join('/') ?? 'not run') : 'none';
        const what = none[scenario] ?? by?.[scenario];
        if (what === undefined) return cell;
        notes.push(`  ${name}, ${scenario}: ${what}`);
        return `${cell} *`;
      });
      return [name, this.has(driver) ? (cells.get(VERSION)?.[0] ?? '') : 'not here', ...shown];
    });
    const all = [['driver', VERSION, ...this.scenarios], ...rows];
    const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
    const lines = all.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
    return `${this.#title}\n${lines.join('\n')}\n* ${notes.join('\n').trimStart()}`;
  }

  #of({ name }: Driver<S>): Map<string, string[]> {
    const known = this.#cells.get(name) ?? new Map<string, string[]>();
    this.#cells.set(name, known);
    return known;
  }
}
