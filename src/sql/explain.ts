// Analysis for `policy explain` and policy tests: one statement with a described session instead of a live one.
// Statements that came earlier in that session are analysed too, and change how this one resolves, as they would have.
import { type Analysis, type AnalysisContext, changesFacts, changesRole, type Effect } from './findings.ts';
import type { PostgresAnalyser } from './postgres/analyser.ts';

/** What is known of the session; what is absent has a default. */
export interface ExplainedSession {
  /** Major version. Default 18. */
  readonly server_version?: number;
  /** Default `postgres`. */
  readonly database?: string;
  /** Default `"$user", public`. */
  readonly search_path?: string;
  /** Default `agent`. */
  readonly role?: string;
  readonly in_transaction?: boolean;
  /** Statements of the same session before this one, oldest first, all taken to have succeeded. */
  readonly earlier?: readonly string[];
}

export interface Explained {
  readonly analysis: Analysis;
  /** Of the earlier statements, in order. */
  readonly earlier: readonly Analysis[];
  readonly in_transaction: boolean;
  /** Null: can't be told. */
  readonly role: string | null;
  /** It may have been changed in the open transaction, whose end may take it back. */
  readonly role_is_local: boolean;
}

/** Analyses a text (UTF-8 bytes as latin1) as that session would have it. Never rejects. */
export async function analyseWithSession(
  analyser: PostgresAnalyser,
  sql: string,
  session: ExplainedSession = {},
): Promise<Explained> {
  const facts = new DescribedSession(session);
  const earlier: Analysis[] = [];
  for (const text of session.earlier ?? []) {
    const analysis = await analyser.analyse(Buffer.from(text, 'utf8').toString('latin1'), facts.context());
    earlier.push(analysis);
    facts.ran(analysis.effects);
  }
  const analysis = await analyser.analyse(sql, facts.context());
  const { in_transaction, role, role_is_local } = facts;
  return { analysis, earlier, in_transaction, role, role_is_local };
}

/** A setting as the server keeps it; null: can't be told. */
interface Setting {
  /** What RESET goes back to. */
  readonly start: string;
  /** Before the open transaction: what ROLLBACK goes back to. */
  before: string | null;
  /** What COMMIT leaves. */
  session: string | null;
  now: string | null;
}

const setting = (start: string): Setting => ({ start, before: start, session: start, now: start });

/** Session facts that follow effects; what can't be told becomes unknown and stays so. */
class DescribedSession {
  in_transaction: boolean;
  role_is_local = false;
  readonly #session: ExplainedSession;
  readonly #role_start: string;
  readonly #settings: Readonly<Record<'search_path' | 'role' | 'session_authorization', Setting>>;
  readonly #prepared = new Map<string, Analysis>();
  /** In the open transaction, whose end may take it back. */
  #touched = false;

  constructor(session: ExplainedSession) {
    this.#session = session;
    this.#role_start = session.role ?? 'agent';
    this.#settings = {
      search_path: setting(session.search_path ?? '"$user", public'),
      role: setting('none'),
      session_authorization: setting(this.#role_start),
    };
    this.in_transaction = session.in_transaction ?? false;
  }

  get role(): string | null {
    const { role, session_authorization } = this.#settings;
    return role.now === 'none' ? session_authorization.now : role.now;
  }

  context(): AnalysisContext {
    const { search_path } = this.#settings;
    return {
      server_version: this.#session.server_version ?? 18,
      database: this.#session.database ?? 'postgres',
      role: this.role ?? '',
      role_start: this.#role_start,
      ...(this.role === this.#role_start ? {} : { user_schema: 'perhaps' }),
      search_path: search_path.now,
      search_path_start: search_path.start,
      search_path_is_local: this.#touched,
      prepared: (name) => this.#prepared.get(name),
    };
  }

  /** A message, which is a transaction of its own where none is open. */
  ran(effects: readonly Effect[]): void {
    for (const effect of effects) this.#apply(effect);
    if (effects.some(changesFacts)) this.#touched = true;
    if (effects.some(changesRole)) this.role_is_local = true;
    if (!this.in_transaction) this.#ends('session');
  }

  #apply(effect: Effect): void {
    const { search_path, role } = this.#settings;
    switch (effect.type) {
      case 'set':
        // Whoever sets it is that user, and nobody else.
        if (effect.name === 'session_authorization') set(role, 'none', effect.local);
        if (isFollowed(effect.name, this.#settings)) set(this.#settings[effect.name], effect.value, effect.local);
        break;
      case 'reset-all':
        set(search_path, null, false);
        break;
      case 'unknown':
        this.#forget();
        break;
      case 'prepare':
        this.#prepared.set(effect.name, effect.inner);
        break;
      case 'deallocate':
        if (effect.name === null) this.#prepared.clear();
        else this.#prepared.delete(effect.name);
        break;
      case 'transaction':
        this.#transaction(effect.op);
        break;
    }
  }

  #transaction(op: (Effect & { type: 'transaction' })['op']): void {
    if (op === 'begin') this.in_transaction = true;
    else if (op === 'rollback-to') this.#forget();
    else if (op === 'commit' || op === 'rollback' || op === 'prepare-transaction') {
      this.#ends(op === 'rollback' ? 'before' : 'session');
      this.in_transaction = false;
    }
  }

  #ends(leaves: 'before' | 'session'): void {
    for (const one of Object.values(this.#settings)) one.before = one.session = one.now = one[leaves];
    this.#touched = this.role_is_local = false;
  }

  #forget(): void {
    for (const one of Object.values(this.#settings)) set(one, undefined, false);
  }
}

const isFollowed = <Name extends string>(name: string, settings: Readonly<Record<Name, Setting>>): name is Name =>
  Object.hasOwn(settings, name);

/** value: null: back to the start; undefined: can't be told. */
function set(one: Setting, value: string | null | undefined, local: boolean): void {
  one.now = value === null ? one.start : (value ?? null);
  if (!local) one.session = one.now;
}
