// What commands need from the rest of the product. main.ts gives it to them, so that no command imports the gateway.
import type { MasterKey } from '../audit/wrap.ts';
import type { Address, Config, MysqlConfig } from '../config/config.ts';
import type { Guard } from '../review/ports.ts';
import type { Log } from '../telemetry/log.ts';

/** The gateway at work, as `serve` and `start` see it. */
export interface Running {
  readonly postgres: readonly { readonly name: string; readonly listen: Address }[];
  readonly mysql: readonly { readonly name: string; readonly listen: Address }[];
  readonly review: { readonly listen: Address /** Without a slash at its end. */; readonly url: string };
  readonly policy: { readonly path: string; readonly rules: number /** SHA-256, hex. */; readonly hash: string };
  /** Folder of the audit log, absolute. */
  readonly log: string;
  /** A one-time sign-in for a user, for `<url>/in/<token>`. */
  oneTime(user: string): string;
  /** Ends sessions and listeners, then makes the log durable and closes it. */
  stop(): Promise<void>;
}

export interface ServeOptions {
  readonly log: Log;
  /** How the first-run page tells an agent to connect, as far as that is known. */
  readonly hints: readonly Guard[];
  /** Warn of whoever logs in under the gateway's own OS user; default: no, as the demo is one user's alone. */
  readonly neighbours?: boolean;
}

/** What a MySQL or MariaDB server says of itself and of an account. */
export type MysqlLook =
  | { /** Why there is nothing to tell. */ readonly failed: string }
  | {
      readonly failed: null;
      /** MySQL 9.7.4 */
      readonly server: string;
      /** Those that Holdpoint is tested with, where it is none of them. */
      readonly beyond: string | null;
      /** What the account may do in every database, or as a whole. */
      readonly powers: readonly string[];
      /** The account has rights in the server's own database `mysql`. */
      readonly system_tables: boolean;
      /** The server's clock, in ms since 1970. */
      readonly clock_ms: number;
      /** Where it listens, as it says it; null: nowhere but on a socket of its machine. */
      readonly listens: string | null;
      /** Nobody comes over the network without TLS. */
      readonly tls_only: boolean;
      /** Who may log in; null: this account may not read that. */
      readonly accounts: readonly MysqlAccount[] | null;
    };

/** A row of mysql.user that is neither a role nor locked, as far as that may be read. */
export interface MysqlAccount {
  readonly user: string;
  /** The pattern that the client's address or name has to fit. */
  readonly host: string;
  /** It has to come with TLS. */
  readonly tls: boolean;
}

/** What a month's sealed texts are still needed for. */
export interface Needed {
  /** Records whose sealed part can be read now. */
  readonly sealed: number;
  readonly requests: readonly { readonly id: string; readonly state: string }[];
  /** Ids of those in force. */
  readonly permits: readonly string[];
}

export interface Deps {
  /** `dir`: the log's own folder; `period`: YYYY-MM. Rejects AuditError. */
  neededTexts(dir: string, period: string, master_key: MasterKey | null): Promise<Needed>;
  serve(config: Config, options: ServeOptions): Promise<Running>;
  /** Logs in as the gateway does, with this login. Rejects never. */
  lookAtMysql(
    server: MysqlConfig,
    login: { readonly user: string; readonly password: string | null },
    config: Config,
  ): Promise<MysqlLook>;
  /** Reads the catalog once: what is seen of it, and how old it may be later; or why it can't be read. Null: nobody is to read it. */
  readMysqlCatalog(
    server: MysqlConfig,
    config: Config,
  ): Promise<{
    readonly user: string;
    readonly seen: string | null;
    readonly why: string;
    readonly fresh_ms: number;
  } | null>;
}
