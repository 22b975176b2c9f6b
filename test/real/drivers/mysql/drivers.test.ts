// The drivers for MySQL and MariaDB that people have, each in its own process, before both servers at a time: every driver through every
// scenario. Prints one table.
import { readFile } from 'node:fs/promises';
import mysql2, { type Connection, type RowDataPacket } from 'mysql2/promise';
import { parse, stringify } from 'yaml';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { startGateway, type TestGateway } from '../../gateway.ts';
import { available, ENGINES, startMysql, type TestMysql } from '../../mysql-servers.ts';
import { describeDrivers, Table } from '../suite.ts';
import { DRIVERS, SCENARIOS } from './drivers.ts';
import { RUN, SCHEMA, type Stage } from './scenarios.ts';

const table = new Table(
  'MySQL (9) and MariaDB (10) versions on which each driver got through, through the gateway',
  DRIVERS,
  SCENARIOS,
);

/** Held as well: files that come in, and what a transaction can take back. */
const FURTHER_RULES = `
  - {id: imports, when: stmt.does("import"), then: hold}
  - {id: all-rows, when: 'stmt.writes_all_rows && stmt.writes("app.d*")', then: hold}
`;

describe.concurrent.each(ENGINES)('%s', (engine) => {
  if (!available(engine)) {
    test.skip('the drivers: this server is not here', () => {});
    return;
  }
  let server: TestMysql;
  let gateway: TestGateway;
  let direct: Connection;
  let version: string;

  beforeAll(async () => {
    server = await startMysql(engine, ['--local-infile=1']);
    const { port, user, password } = server;
    await server.sql(SCHEMA);
    direct = await mysql2.createConnection({ host: '127.0.0.1', port, user, password, database: 'app' });
    const [rows] = await direct.query<RowDataPacket[]>('SELECT VERSION() AS version');
    version = /^\d+\.\d+/.exec((rows[0] as { version: string }).version)?.[0] ?? '';
    const starter = await readFile(new URL('../../../../policies/starter.yaml', import.meta.url), 'utf8');
    // With further rules its examples may have another end.
    const { rules, ...file } = parse(starter) as { rules: Record<string, unknown>[] };
    const further = parse(FURTHER_RULES) as Record<string, unknown>[];
    gateway = await startGateway({
      upstream: `mysql://${user}:${password}@127.0.0.1:${port}/app`,
      policy: stringify({ ...file, rules: [...rules.map((rule) => ({ ...rule, examples: undefined })), ...further] }),
      reviewers: DRIVERS.length,
    });
  });
  afterAll(async () => {
    await direct?.end();
    await gateway?.stop();
    await server?.stop();
  });

  describeDrivers({
    table,
    run: RUN,
    server: () => version,
    gateway: () => gateway,
    stage: (common): Stage => ({ ...common, direct }),
  });
});

afterAll(() => console.log(table.printed()));
