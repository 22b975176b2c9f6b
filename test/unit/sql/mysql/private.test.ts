// What is shown of a text in clear where nobody can tell for sure what of it is a literal: nothing of what may be one.
import { expect, it } from 'vitest';
import { MysqlAnalyser } from '../../../../src/sql/mysql/analyser.ts';
import { defaultContext } from '../../../../src/sql/mysql/context.ts';

const SECRET = 'zqprivatesentinel';

const shown = (sql: string, more: object = {}): string => {
  const text = Buffer.from(sql, 'utf8').toString('latin1');
  const { shape, findings } = new MysqlAnalyser().session({ ...defaultContext('mariadb'), ...more }).analyse(text);
  return JSON.stringify({ shape, findings });
};

it.each([
  ['a text in a literal that is no statement', `PREPARE s FROM '${SECRET}'`, {}],
  ['the same with more words', `EXECUTE IMMEDIATE '${SECRET} and more'`, {}],
  ['a SHOW of nothing known in a literal', `PREPARE s FROM 'SHOW ${SECRET}'`, {}],
  ['a body in a literal', `EXECUTE IMMEDIATE 'BEGIN NOT ATOMIC ${SECRET} x; END'`, {}],
  ['a quote too many', `INSERT INTO t VALUES ('it's ${SECRET}')`, {}],
  ['two quotes too many', `INSERT INTO t VALUES ('it's ${SECRET} and bob's')`, {}],
  ['a backslash under an unknown sql_mode', `SELECT 'a\\' , '${SECRET}' -- '`, { sql_mode: null }],
  ['double quotes under an unknown sql_mode', `SELECT "${SECRET}"`, { sql_mode: null }],
  ['what follows a sql_mode that nobody can know', `SET sql_mode = @x; SELECT 'a\\' , '${SECRET}' -- '`, {}],
  ['longer characters under an unknown charset', `SELECT '\u00bf\\' , '${SECRET}'`, { charset: 'gbk' }],
])('%s', (_, sql, more) => {
  expect(shown(sql, more)).not.toContain(SECRET);
});

it('the rest is shown as ever', () => {
  expect(shown(`SELECT 'a'AS b, name FROM t WHERE c = '${SECRET}'`)).toContain('"shape":"SELECT ?');
  expect(shown(`SELECT name FROM t WHERE c = '${SECRET}'`, { sql_mode: null })).toContain(
    'SELECT name FROM t WHERE c = ?',
  );
  expect(shown('FROBNICATE x')).toContain('frobnicate');
});
