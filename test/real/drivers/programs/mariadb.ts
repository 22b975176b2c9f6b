// MariaDB's connector for Node as a program of ../program.ts.
import * as mariadb from 'mariadb';
import { nextLine, serve, text, versionOf } from './loop.ts';

let settings: mariadb.ConnectionConfig = {};
let client: mariadb.Connection;

type Value = string | number | bigint | null | Buffer;

/** Rows of one result; none of what answers without. */
const found = (rows: unknown): readonly Value[][] => (Array.isArray(rows) ? (rows as Value[][]) : []);
const shown = (rows: unknown): ReturnType<typeof text> => text(found(rows).map((row) => row.map(asText)));
const asText = (value: Value): string | null =>
  value === null ? null : Buffer.isBuffer(value) ? value.toString('hex') : String(value);
const query = async (sql: string): Promise<ReturnType<typeof text>> => shown(await client.query(sql));

await serve(
  await versionOf('mariadb'),
  {
    async connect(port, user = '', password = '', database = '') {
      settings = { host: '127.0.0.1', port: Number(port), user, password, database, allowPublicKeyRetrieval: true };
      client = await mariadb.createConnection({
        ...settings,
        multipleStatements: true,
        permitLocalInfile: true,
        rowsAsArray: true,
        dateStrings: true,
      });
    },
    query: (sql = '') => query(sql),
    param: async (sql = '', value = '') => shown(await client.query(sql, [Number(value)])),
    async prepared(sql = '', ...values) {
      const statement = await client.prepare(sql);
      const rows = [];
      for (const value of values) rows.push(...shown(await statement.execute([Number(value)])).rows);
      statement.close();
      return { rows };
    },
    many: async (sql = '', ...values) =>
      void (await client.batch(
        sql,
        values.map((value) => [Number(value)]),
      )),
    async blob(insert = '', select = '', data = '') {
      await client.execute(insert, [Buffer.from(data, 'hex')]);
      return shown(await client.execute(select));
    },
    multi: async (sql = '') => shown((await client.query<unknown[]>(sql)).flatMap(found)),
    async begin() {
      await client.beginTransaction();
    },
    async commit() {
      await client.commit();
    },
    async rollback() {
      await client.rollback();
    },
    autocommit: (on = '') => query(`SET autocommit = ${on}`),
    async cancel(sql = '') {
      void nextLine().then(async () => {
        const other = await mariadb.createConnection(settings);
        await other.query(`KILL QUERY ${client.threadId}`);
        await other.end();
      });
      return query(sql);
    },
    async close() {
      await client.end();
    },
  },
  (error) =>
    error instanceof mariadb.SqlError && error.sqlState
      ? { sqlstate: error.sqlState, errno: error.errno, message: error.sqlMessage ?? '' }
      : null,
);
