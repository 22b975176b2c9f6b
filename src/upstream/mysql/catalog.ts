// How the catalog of a MySQL or MariaDB server is asked for (../catalog.ts keeps it). Its questions wait for nobody's lock.
import { type CatalogOptions, type CatalogSide, KeptCatalog } from '../catalog.ts';
import type { MysqlTarget } from './login.ts';
import { Refused, type Row, Side } from './side.ts';

/** For one answer of the server. */
const ANSWER_MS = 30_000;

/** What the questions of a CatalogReading are made of. */
export interface Separators {
  readonly questions: string;
  readonly rows: string;
  /** Stands for an answer that is not to be had. */
  readonly denied: string;
}

export class MysqlCatalog extends KeptCatalog {
  constructor(options: CatalogOptions & { readonly target: MysqlTarget; readonly separators: Separators }) {
    const { target, separators } = options;
    const kept: Kept = { answers: new Map() };
    super(options, async () => {
      const side = await Side.open(target, ANSWER_MS);
      try {
        await side.ask(SETTINGS[side.server.engine]);
      } catch (error) {
        side.destroy();
        throw error;
      }
      return new Asking(side, separators, kept);
    });
  }
}

/**
 * Whatever the server gives its sessions: all rows, as UTF-8, of now, with texts as they are kept. What DDL is at work on is left out; in
 * MySQL a second is the least.
 */
const COMMON = `SET NAMES utf8mb4, SESSION sql_mode = '', autocommit = 1, sql_select_limit = 18446744073709551615, sql_big_selects = 1`;
const SETTINGS = {
  mysql: `${COMMON}, lock_wait_timeout = 1, transaction_read_only = 1`,
  mariadb: `${COMMON}, lock_wait_timeout = 0, tx_read_only = 1`,
} as const;

/**
 * The account may not have the answer: ER_DBACCESS_DENIED, ER_TABLEACCESS_DENIED, ER_COLUMNACCESS_DENIED, ER_SPECIFIC_ACCESS_DENIED,
 * ER_PROCACCESS_DENIED. Or what is asked about is gone, or somebody is at work on it: ER_NO_SUCH_TABLE, ER_SP_DOES_NOT_EXIST,
 * ER_TRG_DOES_NOT_EXIST, ER_EVENT_DOES_NOT_EXIST, ER_LOCK_WAIT_TIMEOUT. Or the table of events is another version's, which keeps the server
 * from having any: ER_EVENTS_DB_ERROR, ER_COL_COUNT_DOESNT_MATCH_PLEASE_UPDATE, ER_CANNOT_LOAD_FROM_TABLE_V2.
 */
const NO_ANSWER: ReadonlySet<number> = new Set([
  1044, 1142, 1143, 1227, 1370, 1146, 1305, 1360, 1539, 1205, 1577, 1558, 1728,
]);

/** Answers of the last time to questions that are about one version of something: asked again, they have the same. */
interface Kept {
  answers: ReadonlyMap<string, string>;
}
const OF_ONE_VERSION = /^SHOW CREATE .* \/\* [0-9a-f]{64} \*\/$/s;

class Asking implements CatalogSide {
  readonly #side: Side;
  readonly #separators: Separators;
  readonly #kept: Kept;

  constructor(side: Side, separators: Separators, kept: Kept) {
    this.#side = side;
    this.#separators = separators;
    this.#kept = kept;
  }

  get gone(): boolean {
    return this.#side.gone;
  }

  /** One after the other; of several columns, JSON. */
  async ask(question: string): Promise<string> {
    const { questions, rows, denied } = this.#separators;
    const answers: string[] = [];
    const kept = new Map<string, string>();
    for (const one of question.split(questions)) {
      const answer = this.#kept.answers.get(one) ?? (await this.#answer(one, rows));
      if (answer !== null && OF_ONE_VERSION.test(one)) kept.set(one, answer);
      answers.push(answer ?? denied);
    }
    if (kept.size > 0) this.#kept.answers = kept;
    return answers.join(questions);
  }

  /** Null: it is not to be had. */
  async #answer(question: string, rows: string): Promise<string | null> {
    try {
      return linesOf(await this.#side.ask(question)).join(rows);
    } catch (error) {
      if (error instanceof Refused && NO_ANSWER.has(error.errno)) return null;
      throw error;
    }
  }

  destroy(): void {
    this.#side.destroy();
  }

  close(): Promise<void> {
    return this.#side.close();
  }
}

/** The servers promise no order. */
function linesOf(rows: readonly Row[]): readonly string[] {
  return rows.map((columns) => (columns.length === 1 ? (columns[0] ?? '') : JSON.stringify(columns))).toSorted();
}
