// Which texts the database may be asked about, and with which names.
import { beforeAll, describe, expect, test } from 'vitest';
import { analyseText } from '../../../src/sql/postgres/analysis.ts';
import { explainTexts, impactQuestion, isPlainBuiltIn } from '../../../src/sql/postgres/impact.ts';
import { Parser } from '../../../src/sql/postgres/parser.ts';
import { latin1 } from './helpers.ts';

let parser: Parser;
beforeAll(async () => {
  parser = await Parser.create();
});

const CONTEXT = {
  server_version: 18,
  database: 'app',
  role: 'bot',
  search_path: 'public',
  search_path_start: 'public',
  prepared: () => undefined,
};

const ask = (sql: string) => {
  const analysis = analyseText(parser, latin1(sql), CONTEXT);
  const text = analysis.forward ?? latin1(sql);
  const plans = explainTexts(text, analysis).map((explain) => analyseText(parser, explain, CONTEXT));
  return impactQuestion(text, analysis, plans);
};

test.each([
  ['SELECT 1;', 'SELECT 1'],
  [' /* a */ DELETE FROM t -- b', 'DELETE FROM t'],
  ['COPY (SELECT (1), f FROM t) TO STDOUT (FORMAT csv)', 'SELECT (1), f FROM t'],
  ['COPY t TO STDOUT', null],
  ['COPY t (a) FROM STDIN', null],
  ['DECLARE "for" SCROLL CURSOR WITH HOLD FOR SELECT 1', 'SELECT 1'],
  ['CREATE TABLE n (a, b) WITH (fillfactor = 70) AS SELECT 1, 2 WITH NO DATA', 'SELECT 1, 2'],
  ['CREATE TABLE "as" AS TABLE t', 'TABLE t'],
  ['CREATE TABLE n AS EXECUTE p', null],
  ['CREATE MATERIALIZED VIEW m AS (SELECT 1) WITH DATA', '(SELECT 1)'],
  ['EXPLAIN SELECT 1', null],
  ['EXECUTE p', null],
  ['TRUNCATE t', null],
  ['CREATE TABLE n (a int)', null],
])('%s: EXPLAIN is asked of %j', (sql, query) => {
  expect(ask(sql).statements.map(({ explain }) => explain)).toEqual([query]);
});

test('several statements, each by itself', () => {
  expect(ask("SELECT ';'; DELETE FROM t; TRUNCATE u").statements).toMatchObject([
    { statement: 0, explain: "SELECT ';'", whole: null },
    { statement: 1, explain: 'DELETE FROM t', whole: 'deletes', lock: 'ROW EXCLUSIVE', targets: ['public.t'] },
    { statement: 2, explain: null, whole: 'deletes', lock: 'ACCESS EXCLUSIVE', targets: ['public.u'] },
  ]);
});

test('a long text is not planned, and its statement is known by its first words', () => {
  const question = ask(`DELETE FROM t WHERE id IN (1${',1'.repeat(40_000)})`);
  expect(question.statements).toMatchObject([{ explain: null, lock: 'ROW EXCLUSIVE', targets: ['public.t'] }]);
  expect(question.unplannable).toBe('it is longer than 64 KB.');
  expect(question.identifiers).toEqual([]);
});

test('of many statements the first hundred are asked about', () => {
  expect(ask('DELETE FROM t WHERE id = 1;'.repeat(200)).statements).toHaveLength(100);
});

describe('what planning might run', () => {
  test.each([
    ['SELECT f(1)', 'it may run f, so it is not given to EXPLAIN.'],
    ["SELECT 'x'::own", 'it may run own, so it is not given to EXPLAIN.'],
    ['SELECT 1 OPERATOR(own.+) 2', 'it may run own.+, so it is not given to EXPLAIN.'],
    ["SELECT table_to_xml('v', true, true, '')", 'it may run pg_catalog.table_to_xml, so it is not given to EXPLAIN.'],
    ['SET search_path = other; SELECT * FROM t', 'it changes what names mean.'],
    ['SELECT U&"\\0061" FROM t', 'it has a name that is not written plainly.'],
    [`SELECT ${'x'.repeat(64)} FROM t`, 'it has a name that is not written plainly.'],
    ['SELECT (', 'it does not parse.'],
  ])('%s', (sql, why) => {
    expect(ask(sql).unplannable).toBe(why);
  });

  test('nothing, where there are only built-in functions', () => {
    expect(ask('SELECT lower(name), now() FROM t WHERE id = $2 AND a + 1 > b').unplannable).toBeNull();
  });

  test('every name and operator that the server could read in it', () => {
    const asked = ask('SELECT Größe, "Quoted ""x", t.attr FROM t WHERE a*-1 = @b AND c <-> d < $12 -- e');
    expect(asked.calls).toEqual(['attr']);
    expect(ask('SELECT a.b (1), "c" (2), d. "e", 1.f FROM x.y WHERE z IN (1)').calls).toEqual([
      'b',
      'c',
      'e',
      'y',
      'in',
    ]);
    for (const name of ['größe', 'Quoted "x', 'attr', 't']) expect(asked.identifiers).toContain(name);
    expect(asked.identifiers).not.toContain('e');
    for (const operator of ['*', '-', '*-', '=', '@', '<->', '<']) expect(asked.operators).toContain(operator);
    expect(asked.parameters_named).toBe(12);
  });

  test('a built-in function is plain when no form of it runs anything else', () => {
    for (const name of ['lower', 'now', 'information_schema._pg_truetypid'])
      expect(isPlainBuiltIn(name, 18)).toBe(true);
    for (const name of ['table_to_xml', 'ts_stat', 'set_config', 'own']) expect(isPlainBuiltIn(name, 18)).toBe(false);
  });
});
