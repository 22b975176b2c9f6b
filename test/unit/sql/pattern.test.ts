// Patterns: two statements that have the same one differ in nothing but literals that are marked as free. Red-team pairs, and every token of real
// statements replaced, left out, repeated and moved.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { GivenParameter, StatementPattern } from '../../../src/sql/pattern.ts';
import { defaultContext } from '../../../src/sql/mysql/context.ts';
import { Kind, Lexer as MysqlLexer } from '../../../src/sql/mysql/lexer.ts';
import { MODE } from '../../../src/sql/mysql/modes.ts';
import { patternOf as mysqlPattern } from '../../../src/sql/mysql/pattern.ts';
import { PostgresAnalyser } from '../../../src/sql/postgres/analyser.ts';
import { Lexer, TokenKind } from '../../../src/sql/postgres/lexer.ts';
import { patternOf as postgresPattern } from '../../../src/sql/postgres/pattern.ts';
import { pick, PROVE, random, type Random, SEED } from '../../fuzz/random.ts';
import { CONTEXT, latin1, parser } from './helpers.ts';
import { TRICKS, type Trick } from './pattern-tricks.ts';

type Engine = Trick['engine'];
const NO_VALUES: readonly GivenParameter[] = [];

const patternOf = (engine: Engine, sql: string, given = NO_VALUES, mode = 0): StatementPattern | null =>
  engine === 'postgres'
    ? postgresPattern(parser, sql, given, [])
    : mysqlPattern(sql, { ...defaultContext(engine), sql_mode: mode }, given, []);

describe.each(['postgres', 'mysql', 'mariadb'] as const)('%s', (engine) => {
  const mine = TRICKS.filter((trick) => trick.engine === engine);
  test.each(mine.map((trick) => [trick.what, trick] as const))('%s', (_, { approved, instead, given, ansi, same }) => {
    const mode = ansi ? MODE.ansi_quotes : 0;
    const [one, other] = given ?? [NO_VALUES, NO_VALUES];
    const a = patternOf(engine, latin1(approved), one, mode);
    const b = patternOf(engine, latin1(instead), other, mode);
    if (same) {
      expect(a).not.toBeNull();
      expect(b?.hash).toBe(a?.hash);
    } else if (a !== null && b !== null && approved === instead && given === undefined) {
      throw new Error('the two are one and the same');
    } else if (b !== null) expect(b.hash).not.toBe(a?.hash);
  });

  test('marks what is free, and only that', () => {
    const sql = "SELECT é, 'x' FROM t WHERE é = 'à' AND n IN (1, 2) AND k > 3 LIMIT 4";
    const bytes = latin1(sql);
    const { free } = patternOf(engine, bytes) as StatementPattern;
    expect(free.map(([from, to]) => Buffer.from(bytes.slice(from, to), 'latin1').toString())).toEqual([
      "'à'",
      '1',
      '2',
    ]);
  });

  test('says which parameters are free', () => {
    const mark = (n: number) => (engine === 'postgres' ? `$${n}` : '?');
    const type = engine === 'postgres' ? 'int4' : 'bigint';
    const sql = `SELECT ${mark(1)} FROM t WHERE a = ${mark(2)} AND b > ${mark(3)} AND c = ${mark(4)}`;
    const given = ['1', '2', '3', null].map((value) => ({ type, value }));
    expect(patternOf(engine, sql, given)?.free_parameters).toEqual([2]);
  });

  const NONE_AT_ALL: readonly string[] = [
    'DROP TABLE t',
    'CREATE TABLE t (id int)',
    'GRANT SELECT ON t TO bot',
    'SET x = 1',
    'BEGIN',
    'COMMIT',
    'TRUNCATE t',
    'CALL p()',
    'SELECT 1; SELECT 2',
    '',
    'SELEC',
    ...(engine === 'postgres'
      ? [
          'COPY t FROM STDIN',
          "COPY t TO '/x'",
          'DO $$ begin end $$',
          'PREPARE p AS SELECT 1',
          'EXECUTE p',
          'SELECT 1 INTO t',
          'DECLARE c CURSOR FOR SELECT 1',
          'FETCH c',
          'EXPLAIN ANALYZE SELECT 1',
          'LOCK t',
          'VACUUM',
          'SHOW x',
          'LISTEN x',
        ]
      : [
          "LOAD DATA INFILE 'x' INTO TABLE t",
          'PREPARE p FROM "SELECT 1"',
          'EXECUTE p',
          'DO 1',
          'HANDLER t OPEN',
          'SHOW TABLES',
          'USE x',
          'SELECT @@version',
          'SELECT @a',
          "SELECT 1 INTO OUTFILE 'x'",
          'EXPLAIN SELECT 1',
          'KILL 1',
        ]),
  ];
  test.each(NONE_AT_ALL.map((sql) => [sql]))('none for %j', (sql) => {
    expect(patternOf(engine, sql)).toBeNull();
  });

  test('other words are another pattern', () => {
    const of = (words: readonly string[]) =>
      engine === 'postgres'
        ? postgresPattern(parser, 'SELECT 1', NO_VALUES, words)
        : mysqlPattern('SELECT 1', defaultContext(engine), NO_VALUES, words);
    expect(of(['a', 'b'])?.hash).toBe(of(['a', 'b'])?.hash);
    expect(of(['a', 'b'])?.hash).not.toBe(of(['ab'])?.hash);
    expect(of([])?.hash).not.toBe(of(['a'])?.hash);
  });

  test(`no token of a real statement can be another one but those that are marked (seed ${SEED})`, () => {
    const below = random();
    const texts = chosen(statementsOf(engine), below);
    let mutants = 0;
    let free = 0;
    let withPattern = 0;
    for (const text of texts) {
      const pattern = patternOf(engine, text);
      if (pattern === null) continue;
      withPattern += 1;
      free += pattern.free.length;
      mutants += checkMutants(engine, text, pattern, below);
    }
    console.log(
      `${engine}: ${texts.length} statements, ${withPattern} with a pattern, ${free} free literals, ${mutants} mutants`,
    );
    expect(withPattern).toBeGreaterThan(engine === 'postgres' ? 100 : 60);
    expect(free).toBeGreaterThan(20);
    expect(mutants).toBeGreaterThan(1000);
  });
});

test('a long text gets the same pattern in a worker as here', async () => {
  const analyser = await PostgresAnalyser.create({ inline_bytes_max: 10 });
  const sql = latin1("SELECT * FROM t WHERE id = 7 AND name = 'é'");
  const given = [{ type: 'int4', value: '1' }];
  expect(await analyser.session(CONTEXT).pattern(sql, given, ['x'])).toEqual(
    postgresPattern(parser, sql, given, ['x']),
  );
  expect(await analyser.session(CONTEXT).pattern('DROP TABLE t', [], [])).toBeNull();
  await analyser.close();
});

test('the mode and the character set that decide how a text is read are part of it, or there is none', () => {
  const context = defaultContext('mysql');
  const sql = 'SELECT * FROM t WHERE id = 7';
  expect(mysqlPattern(sql, { ...context, sql_mode: null }, [], [])).toBeNull();
  expect(mysqlPattern(sql, { ...context, charset: 'gbk' }, [], [])).toBeNull();
  expect(mysqlPattern(sql, { ...context, charset: 'latin1' }, [], [])?.hash).not.toBe(
    mysqlPattern(sql, context, [], [])?.hash,
  );
  expect(mysqlPattern(sql, { ...context, engine: 'mariadb', sql_mode: MODE.oracle }, [], [])).toBeNull();
});

/** All of the collections here; of the corpora as many as a proof has time for. */
const chosen = (texts: readonly string[], below: Random): readonly string[] =>
  texts.length <= STATEMENTS_MAX ? texts : Array.from({ length: STATEMENTS_MAX }, () => pick(below, texts));
const STATEMENTS_MAX = 2000;

interface Token {
  readonly start: number;
  readonly end: number;
}

/** Where tokens stand, told by the lexer alone: what is free is told otherwise. */
function tokensOf(engine: Engine, text: string): Token[] {
  const tokens: Token[] = [];
  if (engine === 'postgres') {
    for (const lexer = new Lexer(text); lexer.next(); ) {
      const { kind, start, end } = lexer;
      if (kind === TokenKind.space || kind === TokenKind.line_comment || kind === TokenKind.block_comment) continue;
      tokens.push({ start, end });
    }
    return tokens;
  }
  const { version } = defaultContext(engine);
  const lexer = new MysqlLexer(text, { engine, version, mode: 0, reading: 'utf8' });
  while (lexer.next() !== Kind.end);
  return lexer.starts.map((start, at) => ({ start, end: lexer.ends[at] as number }));
}

const FILLERS = [
  '0',
  '1',
  '77',
  '1.5',
  "'x'",
  "'y'",
  'NULL',
  'id',
  't',
  '=',
  '<',
  'OR',
  'AND',
  'NOT',
  '(',
  ')',
  ',',
  'TRUE',
  '-',
];

/** How many mutants were looked at. */
function checkMutants(engine: Engine, text: string, pattern: StatementPattern, below: Random): number {
  const tokens = tokensOf(engine, text);
  const step = PROVE ? 1 : Math.max(1, Math.floor(tokens.length / 12));
  const isFree = ({ start, end }: Token) => pattern.free.some(([from, to]) => from === start && to === end);
  let count = 0;
  const other = (at: number, what: string, mutant: string, allowed: boolean): void => {
    count += 1;
    const found = patternOf(engine, mutant);
    if (found?.hash !== pattern.hash) return;
    const texts = [text, mutant].map((one) => tokensOf(engine, one).map(({ start, end }) => one.slice(start, end)));
    // The same tokens: what has changed is white space.
    if (JSON.stringify(texts[0]) === JSON.stringify(texts[1])) return;
    if (!allowed) throw new Error(`${what} at ${at} leaves the pattern as it is:\n${text}\n${mutant}`);
  };
  for (let at = below(step); at < tokens.length; at += step) {
    const token = tokens[at] as Token;
    const [before, here, behind] = [
      text.slice(0, token.start),
      text.slice(token.start, token.end),
      text.slice(token.end),
    ];
    const near = tokens[below(tokens.length)] as Token;
    const fillers = PROVE
      ? FILLERS
      : [FILLERS[below(FILLERS.length)] as string, FILLERS[below(FILLERS.length)] as string];
    for (const filler of [...fillers, text.slice(near.start, near.end)])
      other(token.start, `${filler} for ${here}`, `${before} ${filler} ${behind}`, isFree(token) && isLiteral(filler));
    other(token.start, 'nothing', `${before} ${behind}`, false);
    other(token.start, 'twice', `${before} ${here} ${here} ${behind}`, false);
    other(token.start, 'a condition more', `${before} ${here} OR 1=1 ${behind}`, false);
  }
  for (const [from, to] of pattern.free) {
    const here = text.slice(from, to);
    // Of the same class, and so the same pattern.
    const like =
      /^\d+$/.test(here) && here.length < 9 ? '424242' : here.includes('.') && !here.includes("'") ? '42.5' : "'zz'";
    if (/^\d/.test(here) && here.length >= 9) continue;
    const mutant = `${text.slice(0, from)}${like}${text.slice(to)}`;
    expect(patternOf(engine, mutant)?.hash, mutant).toBe(pattern.hash);
    count += 1;
  }
  return count;
}

const isLiteral = (token: string): boolean => /^['"\d.]/.test(token);

/** Statements that others wrote: of the collections here, and of the corpora if their folder is told. */
function statementsOf(engine: Engine): readonly string[] {
  const found = new Set<string>();
  for (const file of engine === 'postgres' ? ['bypass-postgres'] : ['bypass-mysql', 'tricks-mysql'])
    for (const line of lines(readFileSync(new URL(`../../../fixtures/sql/${file}.jsonl`, import.meta.url), 'utf8'))) {
      const { sql, session = [] } = JSON.parse(line) as { sql?: string; session?: readonly string[] };
      for (const one of [sql, ...session]) if (typeof one === 'string') found.add(latin1(one));
    }
  for (const { approved, instead, engine: its, given } of TRICKS)
    if (its === engine && given === undefined) found.add(latin1(approved)).add(latin1(instead));
  const folder = process.env['HOLDPOINT_CORPUS'];
  const file =
    folder &&
    join(folder, engine === 'postgres' ? 'postgres-regress-pgaudit.jsonl.gz' : 'mysql-suite-servers.jsonl.gz');
  if (PROVE && file !== undefined && existsSync(file))
    for (const line of lines(gunzipSync(readFileSync(file)).toString()))
      found.add(latin1((JSON.parse(line) as { sql: string }).sql));
  return [...found].filter((text) => text.length < 4000);
}

const lines = (text: string): readonly string[] => text.trim().split('\n');
