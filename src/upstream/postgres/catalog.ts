// How the catalog of a PostgreSQL database is asked for (../catalog.ts keeps it).
// PostgreSQL has no version of its catalog. Every new version of a row carries the number of the transaction that made it, so a sum over
// those numbers is one; and while no transaction has ended at all, nothing has changed.
import { type CatalogOptions, type CatalogSide, KeptCatalog } from '../catalog.ts';
import type { UpstreamTarget } from './connect.ts';
import { Refused, Side } from './side.ts';

/** For one answer of the server. */
const ANSWER_MS = 30_000;
/** For a table that somebody has locked since the query looked for locks. */
const LOCK_MS = 500;
const LOCK_NOT_AVAILABLE = '55P03';

export class PostgresCatalog extends KeptCatalog {
  constructor(options: CatalogOptions & { readonly database: string; readonly target: UpstreamTarget }) {
    const { database, target } = options;
    super(options, async () => new Asking(await Side.open(target, database, SETTINGS, ANSWER_MS)));
  }
}

class Asking implements CatalogSide {
  readonly #side: Side;

  constructor(side: Side) {
    this.#side = side;
  }

  get gone(): boolean {
    return this.#side.gone;
  }

  async ask(question: string): Promise<string> {
    const [answer = ''] = await this.#side.ask(question).catch((error: unknown) => {
      // The next query sees that lock, and leaves out what it is about.
      if (error instanceof Refused && error.sqlstate === LOCK_NOT_AVAILABLE) return this.#side.ask(question);
      throw error;
    });
    return answer;
  }

  destroy(): void {
    this.#side.destroy();
  }

  close(): Promise<void> {
    return this.#side.close();
  }
}

/** The names that stored expressions print are whole under this search_path. */
const SETTINGS: readonly (readonly [string, string])[] = [
  ['application_name', 'holdpoint catalog'],
  ['search_path', 'pg_catalog'],
  ['default_transaction_read_only', 'on'],
  ['statement_timeout', String(ANSWER_MS)],
  ['lock_timeout', String(LOCK_MS)],
  ['jit', 'off'],
];
