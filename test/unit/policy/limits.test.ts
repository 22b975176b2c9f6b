// Which statements a limit stops while their rows pass, which it judges before they run, and which it only counts.
import { describe, expect, it, test } from 'vitest';
import { analyse } from '../sql/helpers.ts';
import { policy, question } from './made.ts';

const LIMIT = `version: 1
default: allow
code: hold
rules:
  - id: few
    when: stmt.does("read") || stmt.does("write") || stmt.does("export")
    limit: {rows: 2, bytes: 1KiB, then: hold}
    message: Few.
  - id: fewer
    when: stmt.reads("public.secret")
    limit: {rows: 1, per: 1h, then: deny}
`;

const judged = async (sql: string, in_transaction = false) => {
  const made = await policy(LIMIT);
  const { verdict, rule, limits } = made.judge(question(analyse(sql), { session: { in_transaction } }));
  return [
    verdict,
    ...(verdict === 'allow'
      ? limits.map((one) => `${one.rule}${one.counts_only ? '?' : one.withholds ? '!' : ''}`)
      : [rule]),
  ];
};

describe('a limit', () => {
  test.each([
    ['SELECT * FROM t', 'allow', 'few'],
    ['SELECT * FROM t LIMIT 1', 'allow', 'few'],
    ['SELECT * FROM secret', 'allow', 'few', 'fewer'],
    ['SELECT json_agg(t) FROM t', 'allow', 'few'],
    ['COPY t TO STDOUT', 'allow', 'few'],
    ['DECLARE c CURSOR FOR SELECT * FROM t', 'allow', 'few'],
    ['FETCH ALL FROM c', 'allow', 'few'],
    ['SELECT pg_advisory_lock(1), t.* FROM t', 'allow', 'few'],
    ['SELECT * FROM t; SELECT * FROM u', 'allow', 'few'],
    ["SET statement_timeout = '1s'; SELECT * FROM t", 'allow', 'few'],
    ['BEGIN; SELECT * FROM t; COMMIT', 'allow', 'few'],
    // Nothing comes back.
    ['DELETE FROM t', 'allow'],
    ['INSERT INTO u SELECT * FROM t', 'allow'],
    ['EXPLAIN ANALYZE SELECT * FROM t', 'allow'],
    ['SET search_path = a', 'allow'],
    // It writes, and can return few.
    ['INSERT INTO t VALUES (1), (2) RETURNING a', 'allow', 'few?'],
    ["SELECT nextval('s')", 'allow', 'few?'],
    ['WITH d AS (DELETE FROM t RETURNING *) SELECT count(*) FROM d', 'allow', 'few?'],
    // It returns what it writes, and nobody knows how much: the rest is withheld.
    ['INSERT INTO t VALUES (1), (2), (3) RETURNING a', 'allow', 'few!'],
    ['INSERT INTO t VALUES ((SELECT json_agg(u) FROM u)) RETURNING a', 'allow', 'few!'],
    ['UPDATE t SET a = 1 WHERE a = 2 RETURNING a', 'allow', 'few!'],
    ['UPDATE secret SET a = 1 WHERE a = 2 RETURNING a', 'allow', 'few!', 'fewer!'],
    ['UPDATE t SET a = 1 WHERE a = 2', 'allow'],
    ['WITH d AS (DELETE FROM t WHERE a = 2 RETURNING *) SELECT * FROM d', 'allow', 'few!'],
    ['WITH d AS (DELETE FROM t WHERE a = 2 RETURNING *) INSERT INTO u SELECT * FROM d RETURNING *', 'allow', 'few!'],
    ['COPY (UPDATE t SET a = 1 WHERE a = 2 RETURNING a) TO STDOUT', 'allow', 'few!'],
    ['PREPARE p AS UPDATE t SET a = 1 WHERE a = 2 RETURNING a; EXECUTE p', 'allow', 'few!'],
    ['UPDATE t SET a = 1 WHERE a = 2 RETURNING a; SELECT * FROM u', 'allow', 'few!'],
    ['UPDATE t SET a = 1 WHERE a = 2 RETURNING a; INSERT INTO u VALUES (1)', 'allow', 'few!'],
    // Only the session's own table is written: it may be stopped.
    ['UPDATE pg_temp.x SET a = a FROM t WHERE t.b = x.a RETURNING t.*', 'allow', 'few'],
    ['DELETE FROM t RETURNING *', 'allow', 'few!'],
    ['WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d', 'allow', 'few!'],
    // It shows other rows than it writes.
    ["SELECT nextval('s') FROM t", 'hold', 'few'],
    ['INSERT INTO u VALUES (1); SELECT * FROM t', 'allow', 'few'],
    ['INSERT INTO u VALUES (1); SELECT 1', 'allow', 'few'],
    // What comes behind it in its message writes.
    ['SELECT * FROM t; INSERT INTO u VALUES (1)', 'hold', 'few'],
    ['SELECT 1; INSERT INTO u VALUES (1)', 'allow', 'few?'],
    ['SELECT * FROM secret; INSERT INTO u VALUES (1)', 'deny', 'fewer'],
  ])('%s: %s %s %s', async (sql, ...expected) => {
    expect(await judged(sql)).toEqual(expected.filter((one) => one !== undefined));
  });

  it('is judged before a batch that ends a transaction which was open before it', async () => {
    expect(await judged('SELECT * FROM t; COMMIT', true)).toEqual(['hold', 'few']);
    expect(await judged('COMMIT; SELECT * FROM t', true)).toEqual(['allow', 'few']);
    expect(await judged('COMMIT; BEGIN; SELECT * FROM t; COMMIT', true)).toEqual(['allow', 'few']);
    expect(await judged('SELECT * FROM t; SAVEPOINT a', true)).toEqual(['allow', 'few']);
  });

  it('carries what the rule says', async () => {
    const made = await policy(LIMIT);
    expect(made.judge(question(analyse('SELECT * FROM secret'))).limits).toMatchObject([
      { rule: 'few', message: 'Few.', rows: 2, bytes: 1024, per_ms: null, verdict: 'hold', findings: [0] },
      { rule: 'fewer', message: '', rows: 1, bytes: null, per_ms: 3_600_000, verdict: 'deny', observe: false },
    ]);
  });

  it('is nothing to what is held anyway', async () => {
    const made = await policy(LIMIT);
    expect(made.judge(question(analyse('SELECT f(a) FROM t')))).toMatchObject({ verdict: 'hold', limits: [] });
  });

  it('in mode observe holds nothing, before or while rows pass', async () => {
    const made = await policy(LIMIT.replace('    message: Few.', '    mode: observe'));
    expect(made.judge(question(analyse('SELECT * FROM t')))).toMatchObject({
      verdict: 'allow',
      limits: [{ rule: 'few', observe: true }],
      observed: [],
    });
    expect(made.judge(question(analyse("SELECT nextval('s') FROM t")))).toMatchObject({
      verdict: 'allow',
      limits: [],
      observed: [{ rule: 'few', verdict: 'hold' }],
    });
  });
});
