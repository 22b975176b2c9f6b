// A dumb agent: a driver with a time limit, and a loop that sends the same statement again. Of Holdpoint it knows what it reads in the texts of
// errors, and nothing else. Must never be taught anything: what it needs to know, a text must say.
import { connect } from 'node:net';
import mysql2 from 'mysql2/promise';
import pg from 'pg';
import { cancelRequest } from '../../src/wire/postgres/messages.ts';
import { pick, type Random } from '../fuzz/random.ts';
import { AGENT_PASSWORD } from './gateway.ts';

export type Cell = string | number | null;
export type Rows = readonly Readonly<Record<string, Cell>>[];

/** One connection of a driver. */
export interface Line {
  /** Rejects with what the driver says, also when its time is over. */
  query(sql: string): Promise<Rows>;
  /** As the driver's users do it; the statement may have ended already. */
  cancel(): Promise<void>;
  destroy(): void;
}

/** Rejects when nobody is there, or does not answer in time. */
export type Driver = (port: number, timeout_ms: number) => Promise<Line>;

export const nodePostgres: Driver = async (port, timeout_ms) => {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'bot',
    password: AGENT_PASSWORD,
    database: 'postgres',
    query_timeout: timeout_ms,
    connectionTimeoutMillis: timeout_ms,
  });
  // Its query is told, too.
  client.on('error', () => {});
  await client.connect();
  return {
    query: async (sql) => (await client.query<Readonly<Record<string, Cell>>>(sql)).rows,
    async cancel() {
      // The driver keeps the cancel key to itself.
      const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
      const secret = Buffer.alloc(4);
      secret.writeInt32BE(secretKey);
      await new Promise<void>((done) => {
        const socket = connect(port, '127.0.0.1', () => socket.end(cancelRequest(processID, secret)));
        socket.on('error', () => {}).on('close', () => done());
        socket.resume();
      });
    },
    // With a query under way it closes the socket.
    destroy: () => void client.end().catch(() => {}),
  };
};

export const nodeMysql: Driver = async (port, timeout_ms) => {
  const open = () =>
    mysql2.createConnection({
      host: '127.0.0.1',
      port,
      user: 'bot',
      password: AGENT_PASSWORD,
      database: 'app',
      connectTimeout: timeout_ms,
    });
  const client = await open();
  client.on('error', () => {});
  return {
    async query(sql) {
      const [rows] = await client.query({ sql, timeout: timeout_ms });
      return Array.isArray(rows) ? (rows as Rows) : [];
    },
    async cancel() {
      const other = await open();
      await other.query(`KILL QUERY ${client.threadId}`).catch(() => {});
      other.destroy();
    },
    destroy: () => client.destroy(),
  };
};

/** How it ended for the agent: rows (none of a statement that returns none), or the last text it read. */
export type Told = { readonly type: 'done'; readonly rows: Rows } | { readonly type: 'gave up'; readonly text: string };

export interface AgentOptions {
  readonly driver: Driver;
  /** Of the gateway that runs now. */
  readonly port: () => number;
  readonly timeout_ms: number;
  readonly random: Random;
}

/** Sends it until it is done, or a text says that it must not be sent again. Each time on a connection of its own. */
export const runAgent = async (sql: string, options: AgentOptions): Promise<Told> => {
  const { driver, port, timeout_ms, random } = options;
  for (;;) {
    let line: Line | null = null;
    try {
      line = await driver(port(), timeout_ms);
      return { type: 'done', rows: await line.query(sql) };
    } catch (error) {
      const text = textOf(error);
      if (/do not send it again/i.test(text)) return { type: 'gave up', text };
      // Out of patience: some cancel first, some just leave.
      if (line !== null && /timeout/i.test(text) && pick(random, [true, false])) await line.cancel().catch(() => {});
      line?.destroy();
      const show = /check with (SHOW .+?)[;.] When its state is approved, send the identical statement again/.exec(
        text,
      );
      if (show) await decided(show[1] as string, options);
      else await pause(50 + random(150));
      continue;
    } finally {
      line?.destroy();
    }
  }
};

/** Looks as the text says, until it is neither open nor asked. */
const decided = async (show: string, { driver, port, timeout_ms }: AgentOptions): Promise<void> => {
  for (;;) {
    const line = await driver(port(), timeout_ms).catch(() => null);
    try {
      const [row] = (await line?.query(show)) ?? [];
      if (row && row['state'] !== 'open' && row['state'] !== 'asked') return;
    } catch {
      // The gateway is gone: it looks again.
    } finally {
      line?.destroy();
    }
    await pause(100);
  }
};

const textOf = (error: unknown): string => {
  const { message, detail, hint } = error as { message: string; detail?: string; hint?: string };
  return [message, detail, hint].filter(Boolean).join(' ');
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
