// What every driver must get through, the same for all of them: a scenario is verbs to the driver's program, decisions of a reviewer,
// and a look at the server itself. Each runs on a connection of its own and leaves no request open.
import type pg from 'pg';
import { expect } from 'vitest';
import { AGENT_PASSWORD } from '../gateway.ts';
import type { Scenario } from './drivers.ts';
import { type Stage as AnyStage, opened, parameter, usable } from './stage.ts';

export interface Stage extends AnyStage<Scenario> {
  /** To the server itself. */
  readonly direct: pg.Client;
}

export const SCHEMA = `
  CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text);
  INSERT INTO customers SELECT g, 'name ' || g, 'c' || g || '@example.test' FROM generate_series(1, 500) g;
  CREATE TABLE notes (id serial PRIMARY KEY, body text)`;

export const connected = async ({ program, gateway }: Stage, port = gateway.port): Promise<void> => {
  await program.get('connect', String(port), 'bot', AGENT_PASSWORD, 'postgres');
};

export const RUN: Readonly<Record<Scenario, (stage: Stage) => Promise<void>>> = {
  async ordinary(stage) {
    const { program } = stage;
    await connected(stage);
    expect(await program.get('query', 'SELECT count(*) FROM customers')).toEqual([['500']]);
    const byId = parameter(stage, 'SELECT name, email FROM customers WHERE id = $1');
    expect(await program.get('param', byId, '7')).toEqual([['name 7', 'c7@example.test']]);
    await program.get('query', `INSERT INTO notes(body) VALUES ('${note(stage, 'café')}')`);
    expect(await notes(stage, 'café')).toBe(1);
    expect(await program.refused('query', 'SELECT nosuch FROM customers')).toMatchObject({
      sqlstate: '42703',
      message: expect.stringContaining('column "nosuch" does not exist'),
    });
    const big = await program.get('query', "SELECT g, repeat('x', 1000) FROM generate_series(1, 1000) g");
    expect([big.length, big[999]]).toEqual([1000, ['1000', 'x'.repeat(1000)]]);
    await usable(stage);
  },

  async prepared(stage) {
    await connected(stage);
    const sql =
      stage.driver.by?.prepared === undefined
        ? parameter(stage, 'SELECT name FROM customers WHERE id = $1')
        : 'SELECT name FROM customers WHERE id = $1';
    expect(await stage.program.get('prepared', sql, '1', '2', '3')).toEqual([['name 1'], ['name 2'], ['name 3']]);
    await usable(stage);
  },

  async copy(stage) {
    const { program, gateway } = stage;
    await connected(stage);
    await program.get('copyin', 'notes', 'body', note(stage, 'copied 1'), note(stage, 'copied 2'));
    expect(await notes(stage, 'copied 1')).toBe(1);
    expect(await notes(stage, 'copied 2')).toBe(1);
    await usable(stage);
    if (stage.driver.copyOut === false) return;
    await stage.direct.query(`CREATE TABLE ${stage.own}_out AS SELECT * FROM customers`);
    const copied = program.get('copyout', `${stage.own}_out`);
    const request = await opened(stage, copied);
    expect(request.sentence).toContain(`Exports public.${stage.own}_out`);
    await gateway.approve(request);
    const rows = await copied;
    expect([rows.length, rows[6]]).toEqual([500, ['7', 'name 7', 'c7@example.test']]);
    await usable(stage);
    const again = program.refused('copyout', `${stage.own}_out`);
    await gateway.deny(await opened(stage, again), 'once is enough');
    denied(await again, 'once is enough');
    await usable(stage);
  },

  async transaction(stage) {
    const { program } = stage;
    await connected(stage);
    const insert = (what: string) =>
      program.get('query', `INSERT INTO notes(body) VALUES ('${note(stage, what)}')`).then(() => {});
    await program.get('begin');
    await insert('kept');
    expect(await notes(stage, 'kept')).toBe(0);
    await program.get('commit');
    expect(await notes(stage, 'kept')).toBe(1);
    await program.get('begin');
    await insert('dropped');
    await program.get('rollback');
    expect(await notes(stage, 'dropped')).toBe(0);
    await program.get('begin');
    await insert('before the savepoint');
    await program.get('query', 'SAVEPOINT a');
    await insert('after the savepoint');
    await program.get('query', 'ROLLBACK TO a');
    await program.get('commit');
    expect([await notes(stage, 'before the savepoint'), await notes(stage, 'after the savepoint')]).toEqual([1, 0]);
    await program.get('begin');
    expect((await program.refused('query', 'SELECT 1/0')).sqlstate).toBe('22012');
    expect((await program.refused('query', 'SELECT 1')).sqlstate).toBe('25P02');
    await program.get('rollback');
    await usable(stage);
  },

  async listen(stage) {
    const { program, direct } = stage;
    await connected(stage);
    await program.get('listen', stage.own);
    await direct.query(`NOTIFY ${stage.own}, 'hello'`);
    expect(await program.get('notified')).toEqual([[stage.own, 'hello']]);
    await program.get('query', `NOTIFY ${stage.own}, 'to myself'`);
    expect(await program.get('notified')).toEqual([[stage.own, 'to myself']]);
    await usable(stage);
  },

  async cancel(stage) {
    const { program, direct, gateway } = stage;
    await connected(stage);
    const asleep = `SELECT pg_sleep(300) AS ${stage.own}`;
    const found = async (what: string) =>
      (await direct.query(`SELECT FROM pg_stat_activity WHERE starts_with(query, $1) AND ${what}`, [asleep])).rowCount;
    const slept = program.ask('cancel', asleep);
    // A statement is active from its Parse on; a driver that flushes after it would be told before it has sent Execute.
    while ((await found("wait_event = 'PgSleep'")) === 0);
    program.now();
    expect(await slept).toSatisfy(cancelled);
    // A driver that does not wait for the server's answer is ahead of it.
    while ((await found("state = 'active'")) !== 0);
    await usableAgain(stage);
    const held = program.ask('cancel', `CREATE TABLE ${stage.own}_c (id int)`);
    const request = await opened(stage, held);
    program.now();
    expect(await held).toSatisfy(cancelled);
    let ticket = await gateway.grace.get(request.id);
    while (ticket.holds !== 'ticket') ticket = await gateway.grace.get(request.id);
    expect(ticket.state).toBe('open');
    await gateway.deny(ticket);
    await usableAgain(stage);
  },

  async approve(stage) {
    const { program, gateway, own } = stage;
    await connected(stage);
    const made = program.get('query', `CREATE TABLE ${own}_a (id int)`);
    const first = await opened(stage, made);
    await gateway.approve(first);
    await made;
    expect(await exists(stage, `${own}_a`)).toBe(true);
    expect((await gateway.reaches(first.id, 'executed')).outcome).toMatchObject({ tag: 'CREATE TABLE' });

    const sql = parameter(stage, `CREATE TABLE ${own}_b AS SELECT * FROM customers WHERE id < $1`);
    const copied = program.get('param', sql, '10');
    await gateway.approve(await opened(stage, copied));
    await copied;
    expect((await stage.direct.query(`SELECT FROM ${own}_b`)).rowCount).toBe(9);

    await program.get('begin');
    await program.get('query', `INSERT INTO notes(body) VALUES ('${note(stage, 'with the drop')}')`);
    const dropped = program.get('query', `DROP TABLE ${own}_a`);
    const third = await opened(stage, dropped);
    expect(third.in_transaction).toBe(true);
    await gateway.approve(third);
    await dropped;
    await program.get('commit');
    expect([await exists(stage, `${own}_a`), await notes(stage, 'with the drop')]).toEqual([false, 1]);
    await usable(stage);
  },

  async deny(stage) {
    const { program, gateway, own } = stage;
    await connected(stage);
    const refusing = async (verb: string, ...words: readonly string[]) => {
      const refused = program.refused(verb, ...words);
      await gateway.deny(await opened(stage, refused), 'keep it');
      denied(await refused, 'keep it');
    };
    await refusing('query', `CREATE TABLE ${own}_d (id int)`);
    await usable(stage);
    await refusing('param', parameter(stage, `CREATE TABLE ${own}_e AS SELECT * FROM customers WHERE id < $1`), '10');
    await usable(stage);
    await program.get('begin');
    await program.get('query', `INSERT INTO notes(body) VALUES ('${note(stage, 'lost')}')`);
    await refusing('query', `CREATE TABLE ${own}_f (id int)`);
    expect((await program.refused('query', 'SELECT 1')).sqlstate).toBe('25P02');
    await program.get('rollback');
    await usable(stage);
    expect(await notes(stage, 'lost')).toBe(0);
    for (const table of ['d', 'e', 'f']) expect(await exists(stage, `${own}_${table}`)).toBe(false);
  },

  async 'send again'(stage) {
    const { program, gateway, own } = stage;
    await connected(stage);
    await program.get('query', "SET holdpoint.hold = '50ms'");
    /** The wait is over: the same request, however often it is sent; approved, it runs, once. */
    const approvedLater = async (send: () => Promise<{ readonly id: string }>, redo: () => Promise<unknown>) => {
      const { id } = await send();
      expect((await send()).id).toBe(id);
      await gateway.approve(await gateway.grace.get(id));
      await redo();
      expect((await gateway.reaches(id, 'executed')).state).toBe('executed');
      return id;
    };
    const pending = async (verb: string, ...words: readonly string[]) => {
      const { sqlstate, message } = await program.refused(verb, ...words);
      expect(sqlstate).toBe('ZH001');
      return { id: /HP-\w+/.exec(message)?.[0] ?? '' };
    };

    const simple = ['query', `CREATE TABLE ${own}_g (id int)`] as const;
    const id = await approvedLater(
      () => pending(...simple),
      () => program.get(...simple),
    );
    expect(await exists(stage, `${own}_g`)).toBe(true);
    const next = await pending(...simple);
    expect(next.id).not.toBe(id);
    await gateway.deny(await gateway.grace.get(next.id));

    const bound = [
      'param',
      parameter(stage, `CREATE TABLE ${own}_h AS SELECT * FROM customers WHERE id < $1`),
      '10',
    ] as const;
    await approvedLater(
      () => pending(...bound),
      () => program.get(...bound),
    );
    expect((await stage.direct.query(`SELECT FROM ${own}_h`)).rowCount).toBe(9);

    // In a transaction the server's rollback is the driver's to do, and what came before is sent again too.
    const before = async () => {
      await program.get('begin');
      await program.get('query', `INSERT INTO notes(body) VALUES ('${note(stage, 'sent again')}')`);
    };
    await approvedLater(
      async () => {
        await before();
        const request = await pending('query', `CREATE TABLE ${own}_i (id int)`);
        await program.get('rollback');
        return request;
      },
      async () => {
        await before();
        await program.get('query', `CREATE TABLE ${own}_i (id int)`);
        await program.get('commit');
      },
    );
    expect([await exists(stage, `${own}_i`), await notes(stage, 'sent again')]).toEqual([true, 1]);
    await usable(stage);
  },
};

const note = ({ own }: Stage, what: string): string => `${own}: ${what}`;
const notes = async (stage: Stage, what: string): Promise<number | null> =>
  (await stage.direct.query('SELECT FROM notes WHERE body = $1', [note(stage, what)])).rowCount;
const exists = async ({ direct }: Stage, table: string): Promise<boolean> =>
  (await direct.query<{ made: boolean }>('SELECT to_regclass($1) IS NOT NULL AS made', [table])).rows[0]?.made === true;

const usableAgain = async (stage: Stage): Promise<void> => {
  if (stage.driver.cancelEnds) {
    await stage.program.ask('close');
    await connected(stage);
  }
  await usable(stage);
};

const denied = (refusal: { readonly sqlstate: string; readonly message: string }, rationale: string): void => {
  expect(refusal.sqlstate).toBe('42501');
  expect(refusal.message).toMatch(new RegExp(`denied by [\\w-]+: "${rationale}" \\(request HP-\\w+\\)`));
};

/** As the server says it, or as the driver shows it when it does not wait for the server. */
const cancelled = (answer: object): boolean =>
  'cancelled' in answer || ('error' in answer && (answer.error as { sqlstate: string }).sqlstate === '57014');
