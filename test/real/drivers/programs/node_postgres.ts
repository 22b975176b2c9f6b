// node-postgres as a program of ../program.ts. COPY is another package's, which nothing else here needs.
import pg from 'pg';
import { inbox, nextLine, serve, text, versionOf } from './loop.ts';

let settings: pg.ClientConfig = {};
let client = new pg.Client();
const heard = inbox();

/** Undocumented, and what its users call: a second connection that asks for the cancel. */
interface Canceller {
  cancel(client: pg.Client, query: pg.Query): void;
}

const run = async (config: pg.QueryConfig): Promise<ReturnType<typeof text>> =>
  text((await client.query<(string | number | null)[]>({ ...config, rowMode: 'array' })).rows);
const query = (sql: string): ReturnType<typeof run> => run({ text: sql });

await serve(
  await versionOf('pg'),
  {
    async connect(port, user = '', password = '', database = '') {
      settings = { host: '127.0.0.1', port: Number(port), user, password, database };
      client = new pg.Client(settings);
      client.on('error', () => {});
      client.on('notification', ({ channel, payload }) => heard.put([channel, payload ?? null]));
      await client.connect();
    },
    query: (sql = '') => query(sql),
    param: (sql = '', value = '') => run({ text: sql, values: [Number(value)] }),
    async prepared(sql = '', ...values) {
      const rows = [];
      for (const value of values) {
        rows.push(...(await run({ name: 'by-id', text: sql, values: [Number(value)] })).rows);
      }
      return { rows };
    },
    begin: () => query('BEGIN'),
    commit: () => query('COMMIT'),
    rollback: () => query('ROLLBACK'),
    listen: (channel = '') => query(`LISTEN ${channel}`),
    notified: heard.next,
    async cancel(sql = '') {
      const running = new pg.Query(sql);
      const ended = new Promise<void>((resolve, reject) => running.on('end', () => resolve()).on('error', reject));
      client.query(running);
      void nextLine().then(() => {
        const other = new pg.Client(settings) as unknown as Canceller;
        other.cancel(client, running);
      });
      await ended;
    },
    close: () => client.end(),
  },
  (error) => (error instanceof pg.DatabaseError ? { sqlstate: error.code ?? '', message: error.message } : null),
);
