// The catalogue for a MySQL client: every row fits a line, and nothing in it is PostgreSQL's.
import { describe, expect, test } from 'vitest';
import { type Row, texts } from '../../../src/errors/catalogue.ts';
import { ERROR_BYTES_MAX, mysqlError } from '../../../src/errors/mysql.ts';

const rows = Object.entries(texts).map(([name, row]) => [name, row as Row<unknown>] as const);

describe.each(rows)('%s', (_, row) => {
  const text = row(row.example);
  const error = mysqlError(text);

  test('is one line that begins with what is', () => {
    expect(Buffer.byteLength(error.message)).toBeLessThanOrEqual(ERROR_BYTES_MAX);
    expect(error.message).not.toMatch(/[\r\n]/);
    expect(error.message.slice(0, 20)).toBe(text.message.slice(0, 20));
  });

  test('says nothing that only PostgreSQL knows', () => {
    expect(error.message).not.toMatch(/holdpoint\.(reason|hold|request[.s]|break)|ZH\d|ROLLBACK|is failed|;\s*$/);
  });

  test('has a number and a state of the table', () => {
    expect(error.sqlstate).toMatch(/^[0-9A-Z]{5}$/);
    expect(error.sqlstate).not.toMatch(/^ZH/);
  });
});

test.each([
  ['denied', 1227, '42000'],
  ['pending', 1644, '45000'],
  ['expired', 1644, '45000'],
  ['withdrawn', 1644, '45000'],
  ['lapsed', 1644, '45000'],
  ['cancelled', 1317, '70100'],
  ['doesNotParse', 1064, '42000'],
  ['refusedSetting', 1235, '42000'],
  ['overflow', 1226, '42000'],
] as const)('%s is %i/%s', (name, errno, sqlstate) => {
  const row = texts[name] as Row<unknown>;
  expect(mysqlError(row(row.example))).toMatchObject({ errno, sqlstate });
});

test('a message that ends is not ended again', () => {
  const { message } = mysqlError(texts.doesNotParse({ message: 'A string is not closed.', position: 0 }));
  expect(message).toBe('A string is not closed. Holdpoint could not read the statement. It did not run.');
});

test('pending tells what to do', () => {
  const { question: _, ...quiet } = texts.pending.example;
  expect(mysqlError(texts.pending(quiet)).message).toBe(
    'approval pending, not denied: request HP-7KQ4M2XA has 0 of 1 approvals. The connection waited its 45 s. The statement did not run. ' +
      'Open until 14:17:30 UTC. Your transaction is still open. Do other work, then check with ' +
      "SHOW HOLDPOINT REQUEST 'HP-7KQ4M2XA'. When its state is approved, send the identical statement again, as the same user, same " +
      'database, inside a transaction as before; it then runs at once, one time. Do not change it.',
  );
});

test('pending says what a reviewer asks, and how to answer, in what a line has', () => {
  const of = (text: string) =>
    mysqlError(texts.pending({ ...texts.pending.example, question: { by: 'ines', text } })).message;
  expect(of('Who receives the file, and when is it deleted?')).toBe(
    'approval pending, not denied: request HP-7KQ4M2XA has 0 of 1 approvals. ines asks: "Who receives the file, and when is it deleted?". ' +
      "The connection waited its 45 s. The statement did not run. Answer: SELECT holdpoint.answer('HP-7KQ4M2XA', 'your answer'). Do other work, then check with " +
      "SHOW HOLDPOINT REQUEST 'HP-7KQ4M2XA'. When its state is approved, send the identical statement again, as the same user, same " +
      'database, inside a transaction as before; it then runs at once, one time. Do not change it.',
  );
  const long = of('Why? '.repeat(100));
  expect(Buffer.byteLength(long)).toBeLessThanOrEqual(ERROR_BYTES_MAX);
  expect(long).toMatch(/ines asks: "Why\? .*\.\.\."\. Answer: .* Do not change it\.$/);
});

test('of long facts less is told, and what to do is kept', () => {
  const { message } = mysqlError(texts.denied({ ...texts.denied.example, found: 'export of '.repeat(100) }));
  expect(message).toMatch(
    /\.\.\. This is final for this statement\. Do not send it again, reworded or in parts\. If .* '<reason>'\)\.$/,
  );
});
