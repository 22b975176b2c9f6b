// The cache, the workers and their deadline.
import { afterAll, expect, test } from 'vitest';
import { analyseWithSession } from '../../../src/sql/explain.ts';
import { PostgresAnalyser } from '../../../src/sql/postgres/analyser.ts';
import { encodeTokens } from '../../../src/sql/postgres/lexer.ts';
import { Parser } from '../../../src/sql/postgres/parser.ts';
import { Seen } from '../../../src/sql/seen.ts';
import { CONTEXT, found } from './helpers.ts';

const analyser = await PostgresAnalyser.create({ workers: 1, deadline_ms: 5000 });
afterAll(async () => analyser.close());

test('a small text is answered at once, and what comes a second time is kept', () => {
  const session = analyser.session(CONTEXT);
  expect(session.analyse('SELECT * FROM t')).not.toBeInstanceOf(Promise);
  const first = session.analyse('SELECT * FROM t');
  expect(session.analyse('SELECT * FROM t')).toBe(first);
  expect(analyser.session({ ...CONTEXT }).analyse('SELECT * FROM t')).toBe(first);
  expect(session.cpu_ms).toBeGreaterThan(0);
});

test('another search_path, role, database or version is another answer', async () => {
  const session = analyser.session(CONTEXT);
  const first = session.analyse('SELECT * FROM t');
  for (const other of [{ search_path: 'x' }, { role: 'r' }, { database: 'd' }, { server_version: 15 }]) {
    expect(analyser.session({ ...CONTEXT, ...other }).analyse('SELECT * FROM t')).not.toBe(first);
  }
  session.context = { ...CONTEXT, search_path: 'x' };
  expect((await session.analyse('SELECT * FROM t')).reads).toEqual(['x.t']);
});

test('EXECUTE is never remembered', async () => {
  const session = analyser.session(CONTEXT);
  expect(found(await session.analyse('EXECUTE p'))).toEqual(['code p?']);
  const inner = await session.analyse('DELETE FROM t');
  session.context = { ...CONTEXT, prepared: (name) => (name === 'p' ? inner : undefined) };
  expect(found(await session.analyse('EXECUTE p'))).toEqual(['write public.t']);
});

test('a text with many operators goes to a worker, which knows prepared statements too', async () => {
  const inner = await analyser.analyse('DELETE FROM t', CONTEXT);
  const sums = `SELECT ${'1+'.repeat(450)}1; EXECUTE p`;
  const answer = analyser.analyse(sums, { ...CONTEXT, prepared: () => inner });
  expect(answer).toBeInstanceOf(Promise);
  expect(found(await answer)).toEqual(['read', 'write public.t']);
});

test('tokens of long texts come from a worker, and are the same', async () => {
  const session = analyser.session(CONTEXT);
  const long = ['SELECT 1 -- one', `SELECT 'ä' /* ${'x'.repeat(5000)} */, 1${'+1'.repeat(5000)}`];
  const answer = session.tokens(long);
  expect(answer).toBeInstanceOf(Promise);
  expect(await answer).toEqual(encodeTokens(long));
  expect(session.cpu_ms).toBeGreaterThan(0);
  const short = session.tokens(['SELECT 1']);
  expect([...(short as Uint8Array)]).toEqual([0, 0, 0, 2, 0, 0, 0, 6, ...Buffer.from('SELECT'), 0, 0, 0, 1, 0x31]);
});

test('tokens that no worker can give are an error, not other tokens', async () => {
  const closed = await PostgresAnalyser.create({ queue_max: 0 });
  await expect(closed.session(CONTEXT).tokens(['x'.repeat(5000)])).rejects.toThrow('too many');
  await closed.close();
});

test('texts that came once are forgotten by their bytes, too', () => {
  const seen = new Seen();
  const text = (n: number) => `${n}`.padEnd(600 * 1024);
  expect([seen.again(text(1)), seen.again(text(1)), seen.again(text(2)), seen.again(text(1))]).toEqual([
    false,
    true,
    false,
    true,
  ]);
  expect([seen.again(text(3)), seen.again(text(1)), seen.again(text(3))]).toEqual([false, false, true]);
  for (let n = 0; n < 2000; n++) seen.again(`${n}`);
  expect([seen.again('0'), seen.again('1999')]).toEqual([false, true]);
});

test('what is too deep is refused, and the next text is served', async () => {
  for (const deep of [
    `SELECT ${'('.repeat(30_000)}1${')'.repeat(30_000)}`,
    `SELECT ${'not '.repeat(60_000)}true`,
    `SELECT ${'1+'.repeat(200_000)}1`,
  ]) {
    expect((await analyser.analyse(deep, CONTEXT)).error?.sqlstate).toBe('54001');
  }
  expect((await analyser.analyse(`SELECT 1${' '.repeat(3000)}`, CONTEXT)).error).toBeNull();
});

test('a worker over its deadline is ended, what waits is served by another', async () => {
  const hasty = await PostgresAnalyser.create({ workers: 1, deadline_ms: 1 });
  const slow = `SELECT ${Array.from({ length: 20_000 }, (_, i) => `c${i}`).join(', ')} FROM t`;
  expect((await hasty.analyse(slow, CONTEXT)).error?.sqlstate).toBe('54001');
  await hasty.close();
  expect((await hasty.analyse(slow, CONTEXT)).error?.sqlstate).toBeDefined();
});

test('a parser that failed is replaced', async () => {
  const parser = await Parser.create();
  for (let i = 0; i < 60; i += 1) {
    const outcome = parser.parse(`SELECT ${'1+'.repeat(100_000)}1`);
    expect(outcome.ok).toBe(false);
    await parser.load();
  }
  expect(parser.discarded).toBeGreaterThan(0);
  expect(parser.parse('SELECT 1').ok).toBe(true);
});

test('a function call by oid', () => {
  expect(found(analyser.functionCall(765, CONTEXT))).toEqual([
    'admin pg_catalog.lo_export',
    'export pg_catalog.lo_export',
  ]);
  expect(found(analyser.functionCall(2078, CONTEXT))).toEqual(['code pg_catalog.set_config?']);
  expect(found(analyser.functionCall(4_000_000, CONTEXT))).toEqual(['code 4000000?']);
});

test('earlier statements of a described session change how the last one resolves', async () => {
  const { analysis } = await analyseWithSession(analyser, 'SELECT * FROM users', {
    earlier: ['SET search_path = evil'],
  });
  expect(analysis.reads).toEqual(['evil.users']);
  const undone = await analyseWithSession(analyser, 'SELECT * FROM users', {
    earlier: ['BEGIN', 'SET search_path = evil', 'ROLLBACK'],
  });
  expect(undone.analysis.reads).toEqual(['public.users']);
  const executed = await analyseWithSession(analyser, 'EXECUTE p', { earlier: ['PREPARE p AS DELETE FROM t'] });
  expect(executed.analysis.writes).toEqual(['public.t']);
});

test.each<[string, readonly string[], string | null, boolean]>([
  ['SET ROLE', ['SET ROLE a'], 'a', false],
  ['RESET ROLE', ['SET ROLE a', 'RESET ROLE'], 'agent', false],
  ['SET ROLE none', ['SET ROLE a', 'SET ROLE none'], 'agent', false],
  ['RESET ALL leaves it', ['SET ROLE a', 'RESET ALL'], 'a', false],
  ['DISCARD ALL', ['SET ROLE a', 'DISCARD ALL'], 'agent', false],
  ['DISCARD ALL, another user', ['SET SESSION AUTHORIZATION b', 'DISCARD ALL'], 'agent', false],
  ['another user has no role yet', ['SET ROLE a', 'SET SESSION AUTHORIZATION b'], 'b', false],
  ['RESET ROLE of another user', ['SET SESSION AUTHORIZATION b', 'SET ROLE a', 'RESET ROLE'], 'b', false],
  ['COMMIT keeps SET ROLE', ['BEGIN', 'SET ROLE a', 'COMMIT'], 'a', false],
  ['ROLLBACK takes it back', ['SET ROLE a', 'BEGIN', 'SET ROLE b', 'ROLLBACK'], 'a', false],
  ['COMMIT takes SET LOCAL back', ['BEGIN', 'SET ROLE a', 'SET LOCAL ROLE b', 'COMMIT'], 'a', false],
  ['an open transaction may take it back', ['BEGIN', 'SET LOCAL ROLE a'], 'a', true],
  ['... and has not set it', ['SET ROLE a', 'BEGIN'], 'a', false],
  ['SET LOCAL outside of a transaction', ['SET LOCAL ROLE a'], 'agent', false],
  ['SET LOCAL in a message of several', ['SET LOCAL ROLE a; SELECT 1'], 'agent', false],
  ['a message that is rolled back', ['SET ROLE a; ROLLBACK'], 'agent', false],
  ['a chained transaction', ['BEGIN', 'SET LOCAL ROLE a', 'COMMIT AND CHAIN'], 'agent', false],
  ['ROLLBACK TO', ['BEGIN', 'SAVEPOINT s', 'SET ROLE a', 'ROLLBACK TO s'], null, true],
  ['... and the end', ['BEGIN', 'SAVEPOINT s', 'SET ROLE a', 'ROLLBACK TO s', 'ROLLBACK'], 'agent', false],
  ['code', ['DO $$ BEGIN END $$'], null, false],
  ['code, and back', ['DO $$ BEGIN END $$', 'DISCARD ALL'], 'agent', false],
])('the role of a described session: %s', async (_, earlier, role, local) => {
  const explained = await analyseWithSession(analyser, 'SELECT 1', { earlier });
  expect([explained.role, explained.role_is_local]).toEqual([role, local]);
});
