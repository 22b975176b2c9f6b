// What every driver must get through, the same for all of them and for both servers; the twin of ../scenarios.ts. Each runs on a connection of its
// own and leaves no request open.
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { expect } from 'vitest';
import type { RequestView } from '../../../../src/review/client.ts';
import { AGENT_PASSWORD } from '../../gateway.ts';
import type { Refusal } from '../programs/loop.ts';
import { type Stage as AnyStage, opened, parameter, usable } from '../stage.ts';
import type { MysqlDriver, Scenario } from './drivers.ts';

export interface Stage extends AnyStage<Scenario> {
  readonly driver: MysqlDriver;
  /** To the server itself. */
  readonly direct: Connection;
}

const CUSTOMERS = 500;
export const SCHEMA = [
  'SET NAMES utf8mb4',
  'CREATE DATABASE app CHARACTER SET utf8mb4',
  'USE app',
  'CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(100) NOT NULL, email VARCHAR(100))',
  `INSERT INTO customers WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < ${CUSTOMERS})
   SELECT n, CONCAT('name ', n), CONCAT('c', n, '@example.test') FROM g`,
  'CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, body VARCHAR(200))',
  'CREATE TABLE numbers (owner VARCHAR(20), n INT)',
  'CREATE TABLE raws (owner VARCHAR(20), raw BLOB)',
  `CREATE TABLE samples (whole BIGINT, amount DECIMAL(30, 9), born DATE, made DATETIME(6), nothing INT, blank VARCHAR(9),
   words VARCHAR(100))`,
  `INSERT INTO samples VALUES (9223372036854775807, 12345678901234567890.123456789, '2024-02-29',
   '2026-02-28 23:59:58.123456', NULL, '', 'żółć 漢字 שלום 😀 ''"\`')`,
].join(';\n');

/** As every driver must show the row of `samples`. */
const SAMPLE = [
  '9223372036854775807',
  '12345678901234567890.123456789',
  '2024-02-29',
  '2026-02-28 23:59:58.123456',
  null,
  '',
  'żółć 漢字 שלום 😀 \'"`',
];
/** Each byte there is, and more than one packet of a prepared statement's long data. */
const BYTES = Buffer.from(Array.from({ length: 1024 }, (_, n) => n % 256)).toString('hex');

export const connected = async ({ program, gateway }: Stage): Promise<void> => {
  await program.get('connect', String(gateway.port), 'bot', AGENT_PASSWORD, 'app');
};

export const RUN: Readonly<Record<Scenario, (stage: Stage) => Promise<void>>> = {
  async ordinary(stage) {
    const { program, own } = stage;
    await connected(stage);
    expect(await program.get('query', 'SELECT count(*) FROM customers')).toEqual([[String(CUSTOMERS)]]);
    const byId = parameter(stage, 'SELECT name, email FROM customers WHERE id = $1');
    expect(await program.get('param', byId, '7')).toEqual([['name 7', 'c7@example.test']]);
    expect(await program.get('query', 'SELECT * FROM samples')).toEqual([SAMPLE]);
    expect(await program.get('query', 'SELECT * FROM samples WHERE whole = 0')).toEqual([]);
    await insert(stage, 'café 😀');
    expect(await notes(stage, 'café 😀')).toBe(1);
    const blob = [
      parameter(stage, `INSERT INTO raws VALUES ('${own}', $1)`),
      `SELECT raw FROM raws WHERE owner = '${own}'`,
    ];
    expect(await program.get('blob', ...blob, BYTES)).toEqual([[BYTES]]);
    expect(await rows(stage, 'SELECT HEX(raw) AS raw FROM raws WHERE owner = ?', own)).toEqual([
      { raw: BYTES.toUpperCase() },
    ]);
    expect(await program.get('multi', 'SELECT 1; SELECT 2, 3; SELECT 4')).toEqual([['1'], ['2', '3'], ['4']]);
    if (stage.driver.many) {
      await program.get('many', parameter(stage, `INSERT INTO numbers VALUES ('${own}', $1)`), '1', '20', '300');
      expect(await rows(stage, 'SELECT n FROM numbers WHERE owner = ? ORDER BY n', own)).toEqual([
        { n: 1 },
        { n: 20 },
        { n: 300 },
      ]);
    }
    told(stage, await program.refused('query', 'SELECT nosuch FROM customers'), UNKNOWN_COLUMN);
    const big = await program.get(
      'query',
      "SELECT a.id, REPEAT('x', 1000) FROM customers a JOIN customers b ON b.id <= 2 ORDER BY a.id",
    );
    expect([big.length, big[999]]).toEqual([1000, ['500', 'x'.repeat(1000)]]);
    await usable(stage);
  },

  async prepared(stage) {
    const { program, driver } = stage;
    await connected(stage);
    const counter = driver.by?.prepared === undefined ? 'Com_stmt_execute' : 'Com_execute_sql';
    const before = await status(stage, counter);
    expect(await program.get('prepared', 'SELECT name FROM customers WHERE id = ?', '1', '2', '3')).toEqual([
      ['name 1'],
      ['name 2'],
      ['name 3'],
    ]);
    // By the server: not filled in by the driver.
    expect((await status(stage, counter)) - before).toBe(3);
    const samples = 'SELECT born, made, nothing, blank, words FROM samples WHERE whole > ?';
    expect(await program.get('prepared', samples, '0')).toEqual([SAMPLE.slice(2)]);
    expect(await program.get('prepared', samples, '0', '-1')).toEqual([SAMPLE.slice(2), SAMPLE.slice(2)]);
    told(stage, await program.refused('prepared', 'SELECT nosuch FROM customers WHERE id = ?', '1'), UNKNOWN_COLUMN);
    await usable(stage);
  },

  async infile(stage) {
    const { program, direct, gateway, own } = stage;
    await connected(stage);
    await direct.query(`CREATE TABLE ${own}_in (id INT PRIMARY KEY, body VARCHAR(200))`);
    const file = join(tmpdir(), `holdpoint-${process.pid}-${stage.gateway.port}-${own}.tsv`);
    const load = `LOAD DATA LOCAL INFILE '${file}' INTO TABLE ${own}_in CHARACTER SET utf8mb4 (id, body)`;
    const loaded = () =>
      rows(stage, `SELECT count(*) AS n, sum(id) + 0e0 AS ids, count(body) AS bodies FROM ${own}_in`);
    const lines = Array.from({ length: LINES }, (_, n) => `${n}\t${n === 7 ? '\\N' : `line ${n}, żółć 😀`}\n`);
    await writeFile(file, lines.join(''));
    try {
      const refused = program.refused('query', load);
      const first = await opened(stage, refused);
      expect(first.sentence).toContain('Imports into');
      expect(first.sentence).toContain(`${own}_in`);
      await gateway.deny(first, 'not this file');
      denied(stage, await refused, 'not this file');
      expect(await loaded()).toMatchObject([{ n: 0 }]);
      await usable(stage);

      // A denial stands for the identical statement.
      const done = program.get('query', `${load} SET id = id + 0`);
      const second = await opened(stage, done);
      expect(await loaded()).toMatchObject([{ n: 0 }]);
      await gateway.approve(second);
      await done;
      expect(await loaded()).toEqual([{ n: LINES, ids: (LINES * (LINES - 1)) / 2, bodies: LINES - 1 }]);
      expect(await rows(stage, `SELECT body FROM ${own}_in WHERE id IN (7, 8) ORDER BY id`)).toEqual([
        { body: null },
        { body: 'line 8, żółć 😀' },
      ]);
      expect((await gateway.reaches(second.id, 'executed')).outcome).toMatchObject({ rows: LINES });
      await usable(stage);

      await program.get('begin');
      await insert(stage, 'before the file');
      const again = program.get('query', `${load} SET id = id + ${LINES}`);
      await gateway.approve(await opened(stage, again));
      await again;
      await program.get('rollback');
      expect([await notes(stage, 'before the file'), await loaded()]).toMatchObject([0, [{ n: LINES }]]);
      await usable(stage);
    } finally {
      await rm(file);
    }
  },

  async transaction(stage) {
    const { program } = stage;
    await connected(stage);
    await program.get('begin');
    await insert(stage, 'kept');
    expect(await notes(stage, 'kept')).toBe(0);
    await program.get('commit');
    expect(await notes(stage, 'kept')).toBe(1);
    await program.get('begin');
    await insert(stage, 'dropped');
    await program.get('rollback');
    expect(await notes(stage, 'dropped')).toBe(0);
    await program.get('begin');
    await insert(stage, 'before the savepoint');
    await program.get('query', 'SAVEPOINT a');
    await insert(stage, 'after the savepoint');
    await program.get('query', 'ROLLBACK TO a');
    await program.get('commit');
    expect([await notes(stage, 'before the savepoint'), await notes(stage, 'after the savepoint')]).toEqual([1, 0]);
    // An error ends no transaction here.
    await program.get('begin');
    await insert(stage, 'before the error');
    told(stage, await program.refused('query', 'SELECT nosuch FROM customers'), UNKNOWN_COLUMN);
    await insert(stage, 'after the error');
    expect(await notes(stage, 'before the error')).toBe(0);
    await program.get('commit');
    expect([await notes(stage, 'before the error'), await notes(stage, 'after the error')]).toEqual([1, 1]);
    await program.get('autocommit', '0');
    await insert(stage, 'without autocommit');
    expect(await notes(stage, 'without autocommit')).toBe(0);
    await program.get('commit');
    expect(await notes(stage, 'without autocommit')).toBe(1);
    await insert(stage, 'taken back');
    await program.get('rollback');
    await program.get('autocommit', '1');
    expect(await notes(stage, 'taken back')).toBe(0);
    await insert(stage, 'at once');
    expect(await notes(stage, 'at once')).toBe(1);
    await usable(stage);
  },

  async cancel(stage) {
    const { program, gateway, own } = stage;
    await connected(stage);
    const asleep = `SELECT count(*) AS ${own} FROM customers WHERE SLEEP(1) = 0`;
    const found = async () =>
      (await rows(stage, 'SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE ?', `${asleep}%`)).length;
    const slept = program.refused('cancel', asleep);
    while ((await found()) === 0);
    program.now();
    told(stage, await slept, INTERRUPTED);
    await usable(stage);
    const held = program.refused('cancel', `CREATE TABLE ${own}_c (id int)`);
    const request = await opened(stage, held);
    program.now();
    told(stage, await held, INTERRUPTED);
    let ticket = await gateway.grace.get(request.id);
    while (ticket.holds !== 'ticket') ticket = await gateway.grace.get(request.id);
    expect(ticket.state).toBe('open');
    await gateway.deny(ticket);
    expect(await exists(stage, `${own}_c`)).toBe(false);
    await usable(stage);
  },

  async approve(stage) {
    const { program, gateway, own } = stage;
    await connected(stage);
    /** Held, approved, and run where it was held. */
    const approved = async (...verb: readonly [string, ...string[]]): Promise<RequestView> => {
      const done = program.get(...verb);
      const request = await opened(stage, done);
      await gateway.approve(request);
      await done;
      return gateway.reaches(request.id, 'executed');
    };
    await approved('query', `CREATE TABLE ${own}_a (id int)`);
    expect(await exists(stage, `${own}_a`)).toBe(true);
    await approved(...bound(stage, `CREATE TABLE ${own}_b AS SELECT * FROM customers WHERE id < $1`, '10'));
    expect(await count(stage, `${own}_b`)).toBe(9);
    // All that comes in one message waits as one.
    await approved('multi', `INSERT INTO notes(body) VALUES ('${note(stage, 'with the drop')}'); DROP TABLE ${own}_a`);
    expect([await exists(stage, `${own}_a`), await notes(stage, 'with the drop')]).toEqual([false, 1]);

    await program.get('begin');
    await insert(stage, 'with the delete');
    const deleted = await approved('query', `DELETE FROM ${own}_b`);
    expect(deleted).toMatchObject({ in_transaction: true, outcome: { rows: 9 } });
    expect([await count(stage, `${own}_b`), await notes(stage, 'with the delete')]).toEqual([9, 0]);
    await program.get('commit');
    expect([await count(stage, `${own}_b`), await notes(stage, 'with the delete')]).toEqual([0, 1]);

    // DDL commits what came before it.
    await program.get('begin');
    await insert(stage, 'with the create');
    await approved('query', `CREATE TABLE ${own}_e (id int)`);
    await program.get('rollback');
    expect([await exists(stage, `${own}_e`), await notes(stage, 'with the create')]).toEqual([true, 1]);
    await usable(stage);
  },

  async deny(stage) {
    const { program, direct, gateway, own } = stage;
    await connected(stage);
    const refusing = async (...verb: readonly [string, ...string[]]) => {
      const refused = program.refused(...verb);
      await gateway.deny(await opened(stage, refused), 'keep it');
      denied(stage, await refused, 'keep it');
    };
    await refusing('query', `CREATE TABLE ${own}_d (id int)`);
    await usable(stage);
    await refusing(...bound(stage, `CREATE TABLE ${own}_f AS SELECT * FROM customers WHERE id < $1`, '10'));
    await usable(stage);
    await refusing(
      'multi',
      `INSERT INTO notes(body) VALUES ('${note(stage, 'lost')}'); CREATE TABLE ${own}_g (id int)`,
    );
    expect(await notes(stage, 'lost')).toBe(0);
    // A refusal is an error like the server's: the transaction is still open.
    await direct.query(`CREATE TABLE ${own}_h AS SELECT * FROM customers`);
    await program.get('begin');
    await insert(stage, 'before the refusal');
    await refusing('query', `DELETE FROM ${own}_h`);
    await insert(stage, 'after the refusal');
    expect(await notes(stage, 'before the refusal')).toBe(0);
    await program.get('commit');
    expect([await notes(stage, 'before the refusal'), await notes(stage, 'after the refusal')]).toEqual([1, 1]);
    expect(await count(stage, `${own}_h`)).toBe(CUSTOMERS);
    await usable(stage);
    for (const table of ['d', 'f', 'g']) expect(await exists(stage, `${own}_${table}`)).toBe(false);
  },

  async 'send again'(stage) {
    const { program, direct, gateway, own } = stage;
    await connected(stage);
    await program.get('query', "SET @holdpoint_hold = '50ms'");
    const pending = async (...verb: readonly [string, ...string[]]) => {
      const refusal = await program.refused(...verb);
      told(stage, refusal, PENDING);
      expect(refusal.message).toMatch(/^approval pending, not denied: request HP-/);
      return /HP-\w+/.exec(refusal.message)?.[0] ?? '';
    };
    /** The wait is over: the same request, however often it is sent; approved, it runs, once. */
    const approvedLater = async (...verb: readonly [string, ...string[]]) => {
      const id = await pending(...verb);
      expect(await pending(...verb)).toBe(id);
      await gateway.approve(await gateway.grace.get(id));
      await program.get(...verb);
      expect((await gateway.reaches(id, 'executed')).state).toBe('executed');
      const next = await pending(...verb);
      expect(next).not.toBe(id);
      await gateway.deny(await gateway.grace.get(next));
    };
    await approvedLater('query', `CREATE TABLE ${own}_i (id int)`);
    expect(await exists(stage, `${own}_i`)).toBe(true);
    await approvedLater(...bound(stage, `CREATE TABLE ${own}_k AS SELECT * FROM customers WHERE id < $1`, '10'));
    expect(await count(stage, `${own}_k`)).toBe(9);
    // In the transaction, which is still open.
    await direct.query(`CREATE TABLE ${own}_l AS SELECT * FROM customers`);
    await program.get('begin');
    await insert(stage, 'sent again');
    await approvedLater('query', `DELETE FROM ${own}_l`);
    expect([await count(stage, `${own}_l`), await notes(stage, 'sent again')]).toEqual([CUSTOMERS, 0]);
    await program.get('commit');
    expect([await count(stage, `${own}_l`), await notes(stage, 'sent again')]).toEqual([0, 1]);
    await usable(stage);
  },
};

/** Some hundred KB: a file of many packets. */
const LINES = 10_000;

/** errno and SQLSTATE. */
const UNKNOWN_COLUMN = [1054, '42S22'] as const;
const DENIED = [1227, '42000'] as const;
const PENDING = [1644, '45000'] as const;
const INTERRUPTED = [1317, '70100'] as const;
/** What clients show of an error (MYSQL_ERRMSG_SIZE). */
const MESSAGE_BYTES_MAX = 512;

const told = ({ driver }: Stage, refusal: Refusal, [errno, sqlstate]: readonly [number, string]): void => {
  expect([refusal.errno, refusal.sqlstate, refusal.message]).toEqual([
    errno,
    driver.sqlstate === false ? '' : sqlstate,
    refusal.message,
  ]);
  expect(Buffer.byteLength(refusal.message)).toBeLessThanOrEqual(MESSAGE_BYTES_MAX);
};

const denied = (stage: Stage, refusal: Refusal, rationale: string): void => {
  told(stage, refusal, DENIED);
  expect(refusal.message).toMatch(new RegExp(`^denied by [\\w-]+: "${rationale}" \\(request HP-\\w+\\)`));
};

/** With a parameter that the server fills in, where the driver can. */
const bound = (stage: Stage, sql: string, value: string): readonly [string, string, string] =>
  stage.driver.by?.prepared === undefined
    ? ['prepared', sql.replace('$1', '?'), value]
    : ['param', parameter(stage, sql), value];

const note = ({ own }: Stage, what: string): string => `${own}: ${what}`;
const insert = async (stage: Stage, what: string): Promise<void> =>
  void (await stage.program.get('query', `INSERT INTO notes(body) VALUES ('${note(stage, what)}')`));

const rows = async ({ direct }: Stage, sql: string, ...values: string[]): Promise<readonly RowDataPacket[]> =>
  (await direct.query<RowDataPacket[]>(sql, values))[0];
const notes = async (stage: Stage, what: string): Promise<number> =>
  (await rows(stage, 'SELECT 1 FROM notes WHERE body = ?', note(stage, what))).length;
const count = async (stage: Stage, table: string): Promise<number> =>
  ((await rows(stage, `SELECT count(*) AS n FROM ${table}`))[0] as { n: number }).n;
const exists = async (stage: Stage, table: string): Promise<boolean> =>
  (await rows(stage, `SHOW TABLES LIKE '${table}'`)).length === 1;
const status = async (stage: Stage, name: string): Promise<number> =>
  Number(((await rows(stage, 'SHOW GLOBAL STATUS LIKE ?', name))[0] as { Value: string }).Value);
