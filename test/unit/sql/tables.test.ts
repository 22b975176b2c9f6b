// Every kind of the grammar has a row, and every row is of the grammar; every built-in function has an action.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { EXPRESSIONS } from '../../../src/sql/postgres/expressions.ts';
import { FUNCTION_CLASSES, functionClass, functionName, functionTable } from '../../../src/sql/postgres/functions.ts';
import { FUNCTIONS } from '../../../src/sql/postgres/generated/functions.ts';
import { GRAMMAR } from '../../../src/sql/postgres/generated/grammar.ts';
import { statementsPage } from '../../../src/sql/postgres/page.ts';
import { judgeSetting } from '../../../src/sql/postgres/settings.ts';
import { STATEMENTS } from '../../../src/sql/postgres/statements.ts';

const types = join(dirname(createRequire(import.meta.url).resolve('@pgsql/types')), 'types.d.ts');
const NOT_NODES = new Set([
  'ParseResult',
  'ScanResult',
  'ScanToken',
  'SummaryResult',
  'Table',
  'Function',
  'FilterColumn',
]);
const kinds = [...readFileSync(types, 'utf8').matchAll(/^export interface (\w+) \{/gm)]
  .map((m) => m[1] ?? '')
  .filter((k) => !NOT_NODES.has(k));

test('the printed grammar is that of the installed parser', () => {
  expect(kinds.length).toBeGreaterThan(250);
  expect(Object.keys(GRAMMAR).toSorted()).toEqual(kinds.toSorted());
});

test('every kind of node is in exactly one table', () => {
  const rows = [...Object.keys(STATEMENTS), ...Object.keys(EXPRESSIONS)];
  expect(rows.toSorted()).toEqual(kinds.toSorted());
});

test('every statement of the grammar has a row', () => {
  for (const kind of kinds.filter((k) => k.endsWith('Stmt'))) expect(STATEMENTS[kind], kind).toBeDefined();
});

test('every built-in function of 15 to 18 has a known class', () => {
  expect(Object.keys(FUNCTIONS).toSorted()).toEqual(Object.keys(FUNCTION_CLASSES).toSorted());
  expect(functionTable().length).toBeGreaterThan(2500);
});

test.each([
  ['pg_read_file', 1, 'file-read'],
  ['ts_rewrite', 2, 'code'],
  ['ts_rewrite', 3, 'read'],
  ['ts_stat', 1, 'code'],
  ['lower', 1, 'read'],
  ['concat', 7, 'read'],
  ['set_config', 3, 'set-config'],
  ['information_schema._pg_expandarray', 1, 'read'],
  ['uuidv7', 0, 'read'],
])('%s with %i arguments is %s', (name, count, expected) => {
  expect(functionClass(name, count, 18)).toBe(expected);
});

test('a function is known only to the majors that have it, and by its oid', () => {
  expect(functionClass('uuidv7', 0, 17)).toBeNull();
  expect(functionClass('lower', 3, 18)).toBeNull();
  expect(functionName(765)).toBe('lo_export');
  expect(functionName(999_999)).toBeNull();
});

test.each([
  ['role', 'dba', 'role'],
  ['role', 'none', 'settings'],
  ['ROLE', null, 'settings'],
  ['session_authorization', 'bob', 'role'],
  ['session_replication_role', 'replica', 'admin'],
  ['local_preload_libraries', 'x', 'admin'],
  ['row_security', 'off', 'admin'],
  ['row_security', 'on', 'settings'],
  ['pgaudit.log', 'none', 'admin'],
  ['app.tenant', '7', 'settings'],
  ['statement_timeout', '0', 'settings'],
  ['no_such_setting', '1', 'unknown'],
] as const)('SET %s to %s is %s', (name, value, action) => {
  expect(judgeSetting(name, value).action).toBe(action);
});

test('the two settings that change how text is read pass only to the value they have', () => {
  for (const value of ['utf8', 'UTF-8', 'unicode', '"UTF8"', null])
    expect(judgeSetting('client_encoding', value).refused).toBeUndefined();
  for (const value of ['on', 'TRUE', '1', 'yes', null])
    expect(judgeSetting('standard_conforming_strings', value).refused).toBeUndefined();
  for (const value of ['GBK', 'latin1', undefined])
    expect(judgeSetting('client_encoding', value).refused).toBeDefined();
  for (const value of ['off', '0', 'o', undefined])
    expect(judgeSetting('standard_conforming_strings', value).refused).toBeDefined();
});

test('docs/generated/statements.md is what the tables print', () => {
  const page = readFileSync(new URL('../../../docs/generated/statements.md', import.meta.url), 'utf8');
  expect(page, 'run: npx tsx tools/print-tables.ts').toBe(statementsPage());
});
