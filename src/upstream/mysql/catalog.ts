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
  /** Stands for an answer that the account may not have. */
  readonly denied: string;
}

export class MysqlCatalog extends KeptCatalog {
  constructor(options: CatalogOptions & { readonly target: MysqlTarget; readonly separators: Separators }) {
    const { target, separators } = options;
    super(options, async () => {
      const side = await Side.open(target, ANSWER_MS);
      try {
        for (const setting of SETTINGS[side.server.engine]) await side.ask(setting);
      } catch (error) {
        side.destroy();
        throw error;
      }
      return new Asking(side, separators);
    });
  }
}

/** Texts are printed as they are kept; MariaDB leaves out what DDL is at work on, and MySQL takes no locks. */
const SETTINGS = {
  mysql: [`SET SESSION sql_mode = '', transaction_read_only = 1, information_schema_stats_expiry = 86400`],
  mariadb: [`SET SESSION sql_mode = '', tx_read_only = 1, lock_wait_timeout = 0`],
} as const;

/** ER_DBACCESS_DENIED, ER_TABLEACCESS_DENIED, ER_COLUMNACCESS_DENIED, ER_SPECIFIC_ACCESS_DENIED, ER_NO_SUCH_TABLE. */
const NOT_OURS: ReadonlySet<number> = new Set([1044, 1142, 1143, 1227, 1146]);

class Asking implements CatalogSide {
  readonly #side: Side;
  readonly #separators: Separators;

  constructor(side: Side, separators: Separators) {
    this.#side = side;
    this.#separators = separators;
  }

  get gone(): boolean {
    return this.#side.gone;
  }

  /** One after the other; columns with a space between them. */
  async ask(question: string): Promise<string> {
    const { questions, rows, denied } = this.#separators;
    const answers: string[] = [];
    for (const one of question.split(questions)) {
      const answer = await this.#side.ask(one).catch((error: unknown) => {
        if (error instanceof Refused && NOT_OURS.has(error.errno)) return null;
        throw error;
      });
      answers.push(answer === null ? denied : linesOf(answer).join(rows));
    }
    return answers.join(questions);
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
  return rows.map((columns) => columns.map((column) => column ?? '').join(' ')).toSorted();
}
