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
    };

/** These let nobody reach further. */
const HARMLESS: ReadonlySet<string> = new Set(['USAGE', 'SHOW DATABASES']);
/** The account that the connection has, as the tables of rights write it; understood under every sql_mode. */
const ACCOUNT = `CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')`;
const POWERS = `SELECT PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = ${ACCOUNT}`;
const SYSTEM_TABLES = `SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = ${ACCOUNT} AND 'mysql' LIKE TABLE_SCHEMA LIMIT 1`;
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
    if (database !== '') await side.ask(`USE \`${database.replaceAll('`', '``')}\``);
    return {
      failed: null,
      server: nameOf(side.server),
      beyond: untested(side.server),
      powers,
      system_tables,
      clock_ms,
    };
  } catch (error) {
    return { failed: wordsFor(error, database) };
  } finally {
    await side?.close();
  }
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
