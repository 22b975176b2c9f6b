// mysql2 as a program of ../program.ts.
import { createReadStream } from 'node:fs';
import mysql2, { type Connection, type ConnectionOptions, type FieldPacket, type QueryOptions } from 'mysql2/promise';
import { nextLine, serve, text, versionOf } from './loop.ts';

let settings: ConnectionOptions = {};
let client: Connection;

type Value = string | number | null | Buffer;
type Answered = readonly [unknown, readonly (FieldPacket | readonly FieldPacket[] | undefined)[] | undefined];

/** Rows of one result; none of what answers without. */
const found = (rows: unknown): readonly Value[][] => (Array.isArray(rows) ? (rows as Value[][]) : []);
const shown = ([rows]: Answered): ReturnType<typeof text> => text(found(rows).map((row) => row.map(asText)));
const asText = (value: Value): string | number | null => (Buffer.isBuffer(value) ? value.toString('hex') : value);

const infile = /LOCAL INFILE '([^']*)'/;
const query = async (sql: string): Promise<ReturnType<typeof text>> => {
  const path = infile.exec(sql)?.[1];
  // It reads no file by itself.
  const options: QueryOptions = {
    sql,
    ...(path === undefined ? {} : { infileStreamFactory: () => createReadStream(path) }),
  };
  return shown(await client.query(options));
};

await serve(
  await versionOf('mysql2'),
  {
    async connect(port, user = '', password = '', database = '') {
      settings = { host: '127.0.0.1', port: Number(port), user, password, database };
      client = await mysql2.createConnection({
        ...settings,
        multipleStatements: true,
        rowsAsArray: true,
        dateStrings: true,
        supportBigNumbers: true,
        bigNumberStrings: true,
      });
      client.on('error', () => {});
    },
    query: (sql = '') => query(sql),
    param: async (sql = '', value = '') => shown(await client.query(sql, [Number(value)])),
    async prepared(sql = '', ...values) {
      const rows = [];
      for (const value of values) rows.push(...shown(await client.execute(sql, [Number(value)])).rows);
      return { rows };
    },
    async blob(insert = '', select = '', data = '') {
      await client.execute(insert, [Buffer.from(data, 'hex')]);
      return shown(await client.execute(select));
    },
    async multi(sql = '') {
      const [results] = (await client.query(sql)) as unknown as [unknown[]];
      return text(results.flatMap(found).map((row) => row.map(asText)));
    },
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
        const other = await mysql2.createConnection(settings);
        await other.query(`KILL QUERY ${client.threadId}`);
        await other.end();
      });
      return query(sql);
    },
    async close() {
      await client.end();
    },
  },
  (error) => {
    const { errno, sqlState, sqlMessage } = error as { errno?: number; sqlState?: string; sqlMessage?: string };
    return sqlState === undefined ? null : { sqlstate: sqlState, errno: errno ?? 0, message: sqlMessage ?? '' };
  },
);
