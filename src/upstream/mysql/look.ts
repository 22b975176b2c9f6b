// What `holdpoint check` asks of a server: logs in as the gateway would and runs constant questions, whose answers are facts. Changes nothing.
import { UpstreamError } from './error.ts';
import { type MysqlTarget, nameOf, untested } from './login.ts';
import { Refused, type Row, Side } from './side.ts';

/** `failed`: why there is nothing to tell, for an operator; it may have the server's own words. */
export type MysqlLook =
  | { readonly failed: string }
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

/** These let nobody reach further. */
const HARMLESS: ReadonlySet<string> = new Set(['USAGE', 'SHOW DATABASES']);
/** The account that the connection has, as the tables of rights write it; understood under every sql_mode. */
const ACCOUNT = `CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')`;
const POWERS = `SELECT PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = ${ACCOUNT}`;
const SYSTEM_TABLES = `SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = ${ACCOUNT} AND 'mysql' LIKE TABLE_SCHEMA LIMIT 1`;
const LISTENS = `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('bind_address', 'skip_networking', 'require_secure_transport')`;
const ACCOUNTS_MAX = 10_000;
/**
 * The first that it may ask. A role of MySQL is a locked account; MariaDB says of its own what they are, and keeps in another table, as JSON, who is
 * locked: who may not read that sees locked ones as open.
 */
const ACCOUNTS: Readonly<Record<Side['server']['engine'], readonly string[]>> = {
  mysql: [`SELECT User, Host, ssl_type FROM mysql.user WHERE account_locked = 'N' LIMIT ${ACCOUNTS_MAX}`],
  mariadb: [
    `SELECT u.User, u.Host, u.ssl_type FROM mysql.user AS u JOIN mysql.global_priv AS g ON g.User = u.User AND g.Host = u.Host
      WHERE u.is_role = 'N' AND COALESCE(JSON_VALUE(g.Priv, '$.account_locked'), '0') NOT IN ('1', 'true') LIMIT ${ACCOUNTS_MAX}`,
    `SELECT User, Host, ssl_type FROM mysql.user WHERE is_role = 'N' LIMIT ${ACCOUNTS_MAX}`,
  ],
};
const CLOCK = 'SELECT UNIX_TIMESTAMP(SYSDATE(3)) * 1000';

/** database: '' for none. Rejects never. */
export const lookAtMysql = async (target: MysqlTarget, database: string): Promise<MysqlLook> => {
  let side: Side | null = null;
  try {
    side = await Side.open({ ...target, allow_untested_version: true });
    const [[clock] = []] = await side.ask(CLOCK);
    const clock_ms = Number(clock);
    const powers = powersIn(await side.ask(POWERS));
    const system_tables = (await side.ask(SYSTEM_TABLES)).length > 0;
    const said = new Map((await side.ask(LISTENS)) as readonly (readonly [string, string | null])[]);
    const accounts = await accountsOf(side);
    if (database !== '') await side.ask(`USE \`${database.replaceAll('`', '``')}\``);
    return {
      failed: null,
      server: nameOf(side.server),
      beyond: untested(side.server),
      powers,
      system_tables,
      clock_ms,
      listens: said.get('skip_networking') === 'ON' ? null : said.get('bind_address') || '*',
      tls_only: said.get('require_secure_transport') === 'ON',
      accounts,
    };
  } catch (error) {
    return { failed: wordsFor(error, database) };
  } finally {
    await side?.close();
  }
};

/** Null: it may not ask. */
const accountsOf = async (side: Side): Promise<readonly MysqlAccount[] | null> => {
  for (const question of ACCOUNTS[side.server.engine]) {
    try {
      const rows = await side.ask(question);
      return rows.map(([user, host, ssl]) => ({ user: user ?? '', host: host ?? '', tls: (ssl ?? '') !== '' }));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }
  return null;
};

const powersIn = (rows: readonly Row[]): string[] => {
  const powers = rows.flatMap(([power]) => (power && !HARMLESS.has(power) ? power : []));
  return rows.some(([, grantable]) => grantable === 'YES') ? [...powers, 'GRANT OPTION'] : powers;
};

/** ER_DBACCESS_DENIED_ERROR, ER_BAD_DB_ERROR */
const DATABASE_ERRORS: Readonly<Record<number, string>> = { 1044: 'no access to the database', 1049: 'no database' };

const wordsFor = (error: unknown, database: string): string => {
  if (error instanceof Refused) {
    const about = DATABASE_ERRORS[error.errno];
    return about === undefined ? `the server refused a question: error ${error.message}` : `${about} ${database}`;
  }
  if (!(error instanceof UpstreamError)) throw error;
  const { message, cause } = error;
  if (!(cause instanceof Error)) return message;
  // A code that is in the message says it already.
  const told = 'code' in cause && message.includes(String(cause.code));
  return told ? message : `${message}: ${cause.message}`;
};
