// The catalogs that names are looked up in, and what the operator is told of them. Each is read by one connection of its own.
import type { Deps } from '../cli/ports.ts';
import type { Config, MysqlConfig, PostgresConfig } from '../config/config.ts';
import type { CatalogReading } from '../sql/catalog.ts';
import { READING as MYSQL_READING, SEPARATORS } from '../sql/mysql/catalog/reading.ts';
import { READING as POSTGRES_READING } from '../sql/postgres/catalog/reading.ts';
import type { Log } from '../telemetry/log.ts';
import type { CatalogOptions, KeptCatalog } from '../upstream/catalog.ts';
import { MysqlCatalog } from '../upstream/mysql/catalog.ts';
import { PostgresCatalog } from '../upstream/postgres/catalog.ts';
import { catalogLogin, mysqlServer, server } from './servers.ts';

/** Of each PostgreSQL database that is configured or that somebody connected to, and of each MySQL and MariaDB server. */
export class Catalogs {
  readonly #config: Config;
  readonly #log: Log;
  readonly #known = new Map<string, KeptCatalog>();

  constructor(config: Config, log: Log) {
    this.#config = config;
    this.#log = log;
  }

  /** Says what is seen of each that is configured, and what not. A server that does not answer yet keeps nothing from starting. */
  async introduce(): Promise<void> {
    const { postgres, mysql } = this.#config;
    await Promise.all([
      ...postgres.map((upstream) =>
        this.#introduce(upstream, this.of(upstream, upstream.upstream.database), UNKNOWN_POSTGRES),
      ),
      ...mysql.map((upstream) => this.#introduce(upstream, this.ofServer(upstream), UNKNOWN_MYSQL)),
    ]);
  }

  async #introduce(
    { name }: PostgresConfig | MysqlConfig,
    catalog: KeptCatalog | null,
    unknown: string,
  ): Promise<void> {
    if (catalog) await catalog.introduce();
    else this.#log.warn(`nobody reads the catalog of ${name}: ${unknown}`);
  }

  /** Null: Holdpoint has no login of its own there. */
  of(upstream: PostgresConfig, database: string): KeptCatalog | null {
    const login = catalogLogin(upstream);
    if (login === null) return null;
    return this.#one(JSON.stringify([upstream.name, database]), () => {
      const told = this.#told(`${upstream.name}/${database}`, login.user, POSTGRES_READING);
      return new PostgresCatalog({ ...told, database, target: { ...server(upstream, this.#config), ...login } });
    });
  }

  /** The same. */
  ofServer(upstream: MysqlConfig): KeptCatalog | null {
    const login = catalogLogin(upstream);
    if (login === null) return null;
    return this.#one(JSON.stringify([upstream.name]), () => {
      const { user, password } = login;
      const to = { ...mysqlServer(upstream, this.#config), user, password: password ?? '' };
      return new MysqlCatalog({
        ...this.#told(upstream.name, user, MYSQL_READING),
        separators: SEPARATORS,
        target: to,
      });
    });
  }

  #one(key: string, make: () => KeptCatalog): KeptCatalog {
    const made = this.#known.get(key) ?? make();
    this.#known.set(key, made);
    return made;
  }

  #told(name: string, user: string, reading: CatalogReading): CatalogOptions {
    const about = `the catalog of ${name}`;
    return {
      reading,
      found: (what, ms) =>
        this.#log.info(
          `${about} was read as ${user} in ${Math.round(ms)} ms: ${what}. Changes are seen within ${reading.fresh_ms / 1000} s`,
        ),
      lost: (error) =>
        this.#log.error(
          { err: error },
          `${about} can not be read as ${user}: what hangs on its tables is unknown, so whatever names one is held. Tried again until it can be read`,
        ),
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#known.values()].map((catalog) => catalog.end()));
  }
}

const UNKNOWN_POSTGRES = 'functions, operators and types that users made are unknown, and held';
const UNKNOWN_MYSQL =
  'functions and procedures that users made are unknown, and held, and what views, triggers and foreign keys do is not seen';

/** Reads a server's catalog once, for `holdpoint check`. */
export const readMysqlCatalog: Deps['readMysqlCatalog'] = async (upstream, config) => {
  const login = catalogLogin(upstream);
  if (login === null) return null;
  const { user, password } = login;
  const { fresh_ms } = MYSQL_READING;
  const told: { seen: string | null; why: string } = { seen: null, why: '' };
  const catalog = new MysqlCatalog({
    reading: MYSQL_READING,
    separators: SEPARATORS,
    target: { ...mysqlServer(upstream, config), user, password: password ?? '' },
    found: (what) => void (told.seen = what),
    lost: (error) => void (told.why = error instanceof Error ? error.message : String(error)),
  });
  await catalog.introduce();
  await catalog.end();
  return { user, fresh_ms, ...told };
};
