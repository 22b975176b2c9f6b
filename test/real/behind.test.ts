// What lies behind names, read from a real server's catalog: for each statement everything that is found in it, and nothing else.
// The analysis alone, without a gateway: what becomes of findings is the policy's affair.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CatalogSnapshot } from '../../src/sql/catalog.ts';
import type { Analysis } from '../../src/sql/findings.ts';
import { PostgresAnalyser } from '../../src/sql/postgres/analyser.ts';
import { READING } from '../../src/sql/postgres/catalog/reading.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

const SETUP = readFileSync(new URL('../../fixtures/sql/behind.sql', import.meta.url), 'utf8');

/** Statement, its findings (`?`: unresolved), and whether it changes rows that its text does not show. */
const CASES: readonly (readonly [sql: string, found: readonly string[], hidden?: 'hidden'])[] = [
  ['SELECT add_one(2)', ['read']],
  ['SELECT total(1) FROM customers', ['read public.customers', 'read public.orders']],
  ['SELECT bound_total(1)', ['read public.orders']],
  ['SELECT purge()', ['write public.docs'], 'hidden'],
  ['SELECT n.secret_of FROM notes n', ['read hr.salaries', 'read public.notes', 'role public.secret_of']],
  ['SELECT (n).secret_of FROM notes n', ['read hr.salaries', 'read public.notes', 'role public.secret_of']],
  ["SELECT dynamic('x')", ['code public.dynamic?']],
  ['SELECT constant()', ['write public.notes'], 'hidden'],
  ["SELECT * FROM rows_of('x')", ['code public.rows_of?']],
  ["SELECT cursor_of('x')", ['code public.cursor_of?']],
  ['SELECT even(3)', ['read public.notes']],
  ['SELECT set_path()', ['code public.set_path?', 'settings search_path']],
  ['SELECT in_hr()', ['read hr.salaries']],
  ['SELECT hides()', ['write public.notes'], 'hidden'],
  ['SELECT with_default()', ['code public.with_default?']],
  ['SELECT row_typed()', ['read']],
  ['SELECT scratch()', ['read public.projects', 'write pg_temp.scr']],
  ['CALL archive()', ['write public.orders'], 'hidden'],
  ['SELECT * FROM purging', ['read public.purging', 'write public.docs'], 'hidden'],
  ['SELECT ssn FROM joined', ['read hr.salaries', 'read public.joined', 'read public.notes']],
  ["INSERT INTO names VALUES (1, 'x')", ['read public.customers', 'write public.customers', 'write public.names']],
  ['SELECT 1 +* 2', ['write public.docs'], 'hidden'],
  ['SELECT 1 + 2', ['read']],
  ['SELECT agg(id) FROM notes', ['read public.notes', 'write public.docs'], 'hidden'],
  ['SELECT 7::dom', ['write public.docs'], 'hidden'],
  ["SELECT '{1}'::dom[]", ['write public.docs'], 'hidden'],
  ['SELECT dom(7)', ['write public.docs'], 'hidden'],
  ['SELECT * FROM has_dom', ['read public.has_dom', 'write public.docs'], 'hidden'],
  ["SELECT 'abc'::harmless", ['read']],
  ["SELECT 'x'::text::mine", ['write public.docs'], 'hidden'],
  ["SELECT upper('x')", ['write public.docs'], 'hidden'],
  ["SELECT lower('x')", ['read']],
  [
    'INSERT INTO orders (total) VALUES (3)',
    ['write public.audit_log', 'write public.audit_log_id_seq', 'write public.orders', 'write public.orders_id_seq'],
  ],
  ['DELETE FROM customers WHERE id = 1', ['write public.customers', 'write public.orders']],
  ['DELETE FROM projects WHERE id = 1', ['code public.audit?', 'write public.projects']],
  ['INSERT INTO projects VALUES (1)', ['write public.projects']],
  ['INSERT INTO jobs VALUES (1)', ['settings pg_catalog.pg_notify', 'write public.docs', 'write public.jobs']],
  ['UPDATE notes SET id = 2', ['write public.audit_log', 'write public.audit_log_id_seq', 'write public.notes']],
  ['SELECT slug FROM organizations', ['read public.memberships', 'read public.organizations']],
  ['SELECT is_member(1)', ['read public.memberships', 'role public.is_member']],
  ['INSERT INTO defaulted VALUES (1)', ['write public.defaulted', 'write public.docs']],
  ['INSERT INTO parted VALUES (1)', ['code public.audit?', 'write public.parted']],
  ['CREATE TABLE made (id int); SELECT add_one(1)', ['code add_one?', 'ddl public.made']],
  ['CREATE TEMP TABLE scratch (id int); SELECT add_one(1)', ['read', 'write pg_temp.scratch']],
  ['EXPLAIN SELECT * FROM joined', ['read hr.salaries', 'read public.joined', 'read public.notes']],
];

describe.each(MAJORS.filter(available))('PostgreSQL %d', (major) => {
  let server: TestServer;
  let catalog: CatalogSnapshot;
  let analyser: PostgresAnalyser;
  const analyse = (sql: string): Analysis | Promise<Analysis> =>
    analyser.analyse(Buffer.from(sql).toString('latin1'), {
      server_version: major,
      database: 'postgres',
      role: 'agent',
      search_path: '"$user", public',
      search_path_start: '"$user", public',
      catalog,
      prepared: () => null,
    });

  beforeAll(async () => {
    server = await startServer(major);
    const admin = await server.admin(SETUP);
    await admin.query('SET search_path = pg_catalog');
    const { rows } = await admin.query<Record<string, string>>(READING.rows);
    catalog = READING.make(Object.values(rows[0] ?? {})[0] ?? '');
    analyser = await PostgresAnalyser.create();
  });
  afterAll(async () => {
    await analyser?.close();
    await server?.stop();
  });

  test.each(CASES.map(([sql, expected, hidden]) => ({ sql, expected, hidden })))(
    '$sql',
    async ({ sql, expected, hidden }) => {
      const { findings, statements, error } = await analyse(sql);
      expect(error).toBeNull();
      const found = findings.map(({ action, object, unresolved }) =>
        `${action} ${object}${unresolved ? '?' : ''}`.trim(),
      );
      expect([...new Set(found)].toSorted()).toEqual([...expected].toSorted());
      expect(statements.some(({ hidden_writes }) => hidden_writes)).toBe(hidden === 'hidden');
    },
  );

  test('a name that is not there is no finding, but is told', async () => {
    expect(await analyse('SELECT nobody(1)')).toMatchObject({ missing: true, findings: [{ action: 'read' }] });
    expect(await analyse('SELECT * FROM nobody')).toMatchObject({ missing: true });
    expect(await analyse("SELECT 'x'::nobody")).toMatchObject({ missing: true });
    expect((await analyse('SELECT add_one(1) FROM notes')).missing).toBeUndefined();
  });

  test('reading a literal runs nothing, but where a type has code of its own', async () => {
    expect((await analyse("SELECT 'x'")).statements[0]?.parse_is_harmless).toBe(false);
  });
});
