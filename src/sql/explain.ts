// Analysis for `policy explain` and policy tests: one statement with a described session instead of a live one.
// Statements that came earlier in that session are analysed too, and change how this one resolves, as they would have.
import type { Analysis, AnalysisContext, Effect } from './findings.ts';
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
  readonly role: string;
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
    for (const effect of analysis.effects) facts.apply(effect);
  }
  const analysis = await analyser.analyse(sql, facts.context());
  return { analysis, earlier, in_transaction: facts.in_transaction, role: facts.role };
}

/** Session facts that follow effects; what can't be told becomes unknown and stays so. */
class DescribedSession {
  in_transaction: boolean;
  role: string;
  readonly #session: ExplainedSession;
  readonly #start: string;
  readonly #prepared = new Map<string, Analysis>();
  #path: string | null;
  /** The path before BEGIN; where ROLLBACK goes back to. */
  #path_before: string | null;
  #path_is_local = false;

  constructor(session: ExplainedSession) {
    this.#session = session;
    this.#start = session.search_path ?? '"$user", public';
    this.#path = this.#path_before = this.#start;
    this.in_transaction = session.in_transaction ?? false;
    this.role = session.role ?? 'agent';
  }

  context(): AnalysisContext {
    return {
      server_version: this.#session.server_version ?? 18,
      database: this.#session.database ?? 'postgres',
      role: this.role,
      search_path: this.#path,
      search_path_start: this.#start,
      search_path_is_local: this.#path_is_local,
      prepared: (name) => this.#prepared.get(name),
    };
  }

  apply(effect: Effect): void {
    switch (effect.type) {
      case 'set':
        this.#set(effect.name, effect.value, effect.local);
        break;
      case 'reset-all':
        this.#path = this.#start;
        break;
      case 'unknown':
        this.#path = null;
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

  #set(name: string, value: string | null | undefined, local: boolean): void {
    if (name === 'role' && typeof value === 'string' && value !== 'none') this.role = value;
    if (name !== 'search_path' || (local && !this.in_transaction)) return;
    this.#path = value === null ? this.#start : (value ?? null);
    this.#path_is_local = local;
  }

  #transaction(op: (Effect & { type: 'transaction' })['op']): void {
    if (op === 'begin') {
      this.in_transaction = true;
      this.#path_before = this.#path;
    } else if (op === 'rollback-to') {
      this.#path = null;
    } else if (op === 'commit' || op === 'rollback' || op === 'prepare-transaction') {
      if (op === 'rollback' || this.#path_is_local) this.#path = this.#path_before;
      this.#path_is_local = false;
      this.in_transaction = false;
    }
  }
}
