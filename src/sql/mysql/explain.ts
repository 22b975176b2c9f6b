// Analysis for `policy explain` of MySQL and MariaDB: one statement with a described session instead of a live one. The twin of ../explain.ts.
// Statements that came earlier in that session change how this one is read, as they would have; what they leave untold is unknown.
import type { Explained } from '../explain.ts';
import type { Analysis, Effect } from '../findings.ts';
import { analyseText } from './analysis.ts';
import { defaultContext, type MysqlContext } from './context.ts';
import { modeOf } from './modes.ts';

/** What is known of the session; what is absent has a default. */
export interface DescribedMysqlSession {
  /** As the server says it: 9.7.4, 10.11.19-MariaDB. Default 9.7; MariaDB: 10.11. */
  readonly server_version?: string | number;
  /** Default `app`. */
  readonly database?: string;
  /** As the server prints it. Default: its own. */
  readonly sql_mode?: string;
  /** character_set_client. Default utf8mb4. */
  readonly charset?: string;
  /** Default: none. */
  readonly role?: string;
  readonly in_transaction?: boolean;
  /** Statements of the same session before this one, oldest first, all taken to have succeeded. */
  readonly earlier?: readonly string[];
}

/** Analyses a text (its bytes as latin1) as that session would have it. */
export function analyseMysqlWithSession(
  engine: MysqlContext['engine'],
  sql: string,
  session: DescribedMysqlSession = {},
): Explained {
  const facts = new DescribedSession(engine, session);
  const earlier: Analysis[] = [];
  for (const text of session.earlier ?? []) {
    const analysis = analyseText(Buffer.from(text, 'utf8').toString('latin1'), facts.context());
    earlier.push(analysis);
    facts.ran(analysis);
  }
  const analysis = analyseText(sql, facts.context());
  return { analysis, earlier, in_transaction: facts.in_transaction, role: facts.role, role_is_local: false };
}

/** Session facts that follow effects. */
class DescribedSession {
  role: string | null;
  readonly #start: MysqlContext;
  #database: MysqlContext['database'];
  #sql_mode: number | null;
  #charset: string;
  #autocommit = true;
  #begun: boolean;
  readonly #prepared = new Map<string, Analysis>();
  /** What is not in #prepared is not there. */
  #prepared_all = true;

  constructor(engine: MysqlContext['engine'], session: DescribedMysqlSession) {
    const start = defaultContext(engine);
    const { server_version, database, sql_mode, charset, role, in_transaction } = session;
    this.#start = { ...start, version: server_version === undefined ? start.version : versionOf(server_version) };
    this.#database = database ?? start.database;
    this.#sql_mode = sql_mode === undefined ? start.sql_mode : modeOf(sql_mode);
    this.#charset = charset ?? start.charset;
    this.role = role ?? start.role;
    this.#begun = in_transaction ?? false;
  }

  /** Without autocommit every statement is in one. */
  get in_transaction(): boolean {
    return this.#begun || !this.#autocommit;
  }

  context(): MysqlContext {
    return {
      ...this.#start,
      database: this.#database,
      role: this.role ?? '',
      sql_mode: this.#sql_mode,
      charset: this.#charset,
      in_transaction: this.in_transaction,
      autocommit: this.#autocommit,
      prepared: (name) => this.#prepared.get(name) ?? (this.#prepared_all ? null : undefined),
    };
  }

  ran({ statements, effects }: Analysis): void {
    for (const [index, { commits }] of statements.entries()) {
      if (commits) this.#begun = false;
      for (const effect of effects) if (effect.statement === index) this.#apply(effect);
    }
  }

  #apply(effect: Effect): void {
    switch (effect.type) {
      case 'set':
        this.#set(effect.name, effect.value);
        break;
      case 'transaction':
        if (effect.op === 'begin') this.#begun = true;
        else if (effect.op === 'commit' || effect.op === 'rollback') this.#begun = false;
        break;
      case 'prepare':
        this.#prepared.set(effect.name, effect.inner);
        break;
      case 'deallocate':
        if (effect.name !== null) this.#prepared.delete(effect.name);
        break;
      case 'unknown':
        this.#forget();
        break;
      case 'reset-all':
        break;
    }
  }

  #set(name: string, value: string | null | undefined): void {
    if (name === 'sql_mode') this.#sql_mode = typeof value === 'string' ? modeOf(value) : null;
    else if (name === 'character_set_client') this.#charset = value ?? UNKNOWN_CHARSET;
    else if (name === 'database') this.#database = value;
    else if (name === 'role') this.role = value ?? null;
    else if (name === 'autocommit') this.#autocommit = /^(1|on|true)$/i.test(value ?? '');
  }

  /** A session whose character set can't be read does not go on, so that one is still a good one. */
  #forget(): void {
    this.#sql_mode = null;
    this.#database = undefined;
    this.role = null;
    this.#prepared.clear();
    this.#prepared_all = false;
  }
}

const UNKNOWN_CHARSET = 'unknown';

/** As version comments write it: 90704, 101119. What is left out is 0. */
function versionOf(given: string | number): number {
  // Before 11, MariaDB puts a version in front that old replicas understand.
  const [major = 0, minor = 0, patch = 0] = (
    /^(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(String(given).replace(/^5\.5\.5-/, '')) ?? []
  )
    .slice(1)
    .map((digits) => Number(digits ?? 0));
  return major >= VERSION_MIN ? major : major * 10_000 + minor * 100 + patch;
}
/** Numbers from here on are versions as comments write them. */
const VERSION_MIN = 10_000;
