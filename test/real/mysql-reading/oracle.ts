// What a real server made of a message: the class of each statement that it parsed, from its performance_schema. A user without rights
// sends it, so that what would do something is refused.
import mysql from 'mysql2/promise';
import type { TestMysql } from '../mysql-servers.ts';

export interface Seen {
  /** EVENT_NAME without its prefix: `sql/select`. */
  readonly event: string;
  readonly errno: number;
}

/** Its tables are there for anybody, and nobody can change them. */
export const DATABASE = 'information_schema';
const NAME = 'nobody_in_particular';
const USER = `'${NAME}'@'127.0.0.1'`;
const START = "DO 'begins here'";
const STOP = "DO 'ends here'";
/** Looks at the history until the last statement is in it, which it is in once its own thread has come to it. */
const LOOKS_MAX = 500;
const FLAGS = ['-IGNORE_SPACE', '-FOUND_ROWS'];

export class Oracle {
  readonly #server: TestMysql;
  readonly #root: mysql.Connection;
  #asker: mysql.Connection | null = null;
  #thread = 0;

  private constructor(server: TestMysql, root: mysql.Connection) {
    this.#server = server;
    this.#root = root;
  }

  static async open(server: TestMysql): Promise<Oracle> {
    const { port, user, password } = server;
    const root = await mysql.createConnection({ host: '127.0.0.1', port, user, password });
    await root.query(`CREATE USER ${USER}`);
    await root.query(
      "UPDATE performance_schema.setup_consumers SET enabled = 'YES' WHERE name LIKE 'events_statements_%'",
    );
    return new Oracle(server, root);
  }

  async close(): Promise<void> {
    this.#asker?.destroy();
    await this.#root.end().catch(() => {});
  }

  /** Is the server there still? There are statements that MariaDB dies of. */
  async isAlive(): Promise<boolean> {
    return this.#root.ping().then(
      () => true,
      () => false,
    );
  }

  /** Sends a message under a mode. Null: the server closed the connection or died, or its history is too short for it. */
  async ask(text: string, sql_mode: string): Promise<readonly Seen[] | null> {
    const asker = await this.#connection();
    try {
      return await this.#ask(asker, text, sql_mode);
    } catch (error) {
      if (!(error instanceof Error) || !('fatal' in error) || error.fatal !== true) throw error;
      this.#asker = null;
      return null;
    }
  }

  async #ask(asker: mysql.Connection, text: string, sql_mode: string): Promise<readonly Seen[] | null> {
    for (const before of [
      'ROLLBACK',
      'UNLOCK TABLES',
      `USE ${DATABASE}`,
      `SET sql_mode = '${sql_mode}'`,
      'SET NAMES utf8mb4',
      START,
    ])
      await asker.query(before);
    await asker.query(text).catch((error: unknown) => {
      if (error instanceof Error && 'fatal' in error && error.fatal === true) throw error;
    });
    await asker.query("SET sql_mode = ''");
    await asker.query(STOP);
    const all = await this.#history();
    const from = all.findIndex(({ text: said }) => said === START);
    const kept = from < 0 ? null : all.slice(from + 1, -2);
    // Neither ROLLBACK nor anything else ends what XA began.
    if (all.some(({ event }) => event.startsWith('sql/xa_'))) {
      asker.destroy();
      this.#asker = null;
    }
    return kept;
  }

  async #connection(): Promise<mysql.Connection> {
    if (this.#asker) return this.#asker;
    // A message may have been a SET PASSWORD, which needs no rights.
    await this.#root.query(`ALTER USER ${USER} IDENTIFIED BY 'test'`);
    this.#asker = await mysql.createConnection({
      host: '127.0.0.1',
      port: this.#server.port,
      user: NAME,
      password: 'test',
      database: DATABASE,
      multipleStatements: true,
      flags: FLAGS,
    });
    const [rows] = await this.#root.query<mysql.RowDataPacket[]>(
      'SELECT thread_id AS id FROM performance_schema.threads WHERE processlist_id = ?',
      [this.#asker.threadId],
    );
    this.#thread = Number(rows[0]?.['id']);
    return this.#asker;
  }

  async #history(): Promise<(Seen & { readonly text: string })[]> {
    for (let look = 0; look < LOOKS_MAX; look += 1) {
      const [rows] = await this.#root.query<mysql.RowDataPacket[]>(
        `SELECT event_name AS event, mysql_errno AS errno, sql_text AS text FROM performance_schema.events_statements_history
         WHERE thread_id = ? AND event_name LIKE 'statement/sql/%' ORDER BY event_id`,
        [this.#thread],
      );
      const all = rows.map((row) => ({
        event: String(row['event']).replace('statement/', ''),
        errno: Number(row['errno']),
        text: String(row['text']),
      }));
      if (all.at(-1)?.text === STOP) return all;
    }
    throw new Error('the history of statements does not follow');
  }
}
