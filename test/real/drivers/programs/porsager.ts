// postgres (porsager) as a program of ../program.ts: one connection, and one more of its own for LISTEN.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import postgres from 'postgres';
import { inbox, nextLine, type Row, serve, text, versionOf } from './loop.ts';

let pool = postgres({ max: 1 });
let client: postgres.Sql = pool;
/** Of an open block, which a pool of it gives out as a callback. */
let end: (how: 'commit' | 'rollback') => Promise<void> = () => Promise.reject(new Error('there is no block'));
const heard = inbox();

const query = async (sql: string): Promise<ReturnType<typeof text>> => text(await client.unsafe(sql).values());
const param = async (sql: string, value: string): Promise<ReturnType<typeof text>> =>
  text(await client.unsafe(sql, [Number(value)], { prepare: true }).values());

await serve(
  await versionOf('postgres'),
  {
    async connect(port, user = '', password = '', database = '') {
      pool = postgres({
        host: '127.0.0.1',
        port: Number(port),
        max: 1,
        onnotice: () => {},
        user,
        password,
        database,
      });
      client = pool;
    },
    query: (sql = '') => query(sql),
    param: (sql = '', value = '') => param(sql, value),
    async prepared(sql = '', ...values) {
      const rows: Row[] = [];
      for (const value of values) rows.push(...(await param(sql, value)).rows);
      return { rows };
    },
    async begin() {
      await new Promise<void>((begun, failed) => {
        const done = pool.begin(async (block) => {
          client = block as unknown as postgres.Sql;
          await new Promise<void>((commit, rollback) => {
            end = async (how) => {
              client = pool;
              if (how === 'commit') commit();
              else rollback(new Error('rolled back'));
              // It rejects with what was thrown, or with the block's first error.
              await done.catch((error: unknown) => {
                if (how === 'commit') throw error;
              });
            };
            begun();
          });
        });
        done.catch(failed);
      });
    },
    commit: () => end('commit'),
    rollback: () => end('rollback'),
    async copyin(table = '', column = '', ...lines) {
      await pipeline(
        Readable.from(lines.map((line) => `${line}\n`)),
        await pool.unsafe(`COPY ${table} (${column}) FROM STDIN`).writable(),
      );
    },
    async copyout(table = '') {
      let out = '';
      for await (const part of await pool.unsafe(`COPY ${table} TO STDOUT`).readable()) out += String(part);
      return text(
        out
          .split('\n')
          .slice(0, -1)
          .map((line) => line.split('\t')),
      );
    },
    async listen(channel = '') {
      await pool.listen(channel, (payload) => heard.put([channel, payload]));
    },
    notified: heard.next,
    async cancel(sql = '') {
      const running = pool.unsafe(sql).values();
      void nextLine().then(() => running.cancel());
      return text(await running);
    },
    close: () => pool.end(),
  },
  (error) => (error instanceof postgres.PostgresError ? { sqlstate: error.code, message: error.message } : null),
);
