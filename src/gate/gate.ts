// May this run? Asks, in order: sql what the text does, policy what to make of it, approval for a person's word, audit to
// write it down first. Never forwards and never answers the client itself: a session does both.
// An allowed text that was judged before under the same facts is answered from memory, without a promise.
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Desk, Held, HoldEnd, Passed, Request } from '../approval/types.ts';
import { digest } from '../approval/digest.ts';
import type { AuditLog, SessionLog } from '../audit/types.ts';
import { texts, type WireText } from '../errors/catalogue.ts';
import type { Ask, Policy, SessionView, Verdict, Where, Who } from '../policy/types.ts';
import type {
  BoundParameter,
  Gate,
  GateSession,
  HoldEnded,
  HoldStart,
  Judgement,
  Meter,
  OwnAnswer,
  OwnCommand,
  Plan,
  Release,
  SessionFacts,
  SessionOpening,
} from '../session/gate.ts';
import type { CatalogReading, CatalogSnapshot, LiveCatalog } from '../sql/catalog.ts';
import type { Analysis, AnalysisContext } from '../sql/findings.ts';
import type { Impact } from '../sql/impact.ts';
import { Seen } from '../sql/seen.ts';
import { type Reached, ResultMeter } from './meter.ts';
import { planOf, type Remembered } from './plan.ts';
import { requestRow, REQUEST_COLUMNS } from './show.ts';
import { Totals } from './totals.ts';
import { allowsNo, found, grounds, needs } from './words.ts';

/** Default wait of a connection, in ms: below the 60 s that agents' tools usually give a call. */
export const WAIT_DEFAULT_MS = 45_000;
/** A hold ends this long before the server would end the connection, in ms. */
export const SERVER_TIMEOUT_MARGIN_MS = 1000;

const VERDICTS_PER_CONTEXT_MAX = 5000;
const VERDICT_CHARS_PER_CONTEXT_MAX = 4 * 1024 * 1024;
const CONTEXTS_MAX = 64;
/** Requests that SHOW holdpoint.requests lists. */
const SHOW_MAX = 50;

/** What the gate needs of an engine's analysis. */
export interface Analyser {
  /** A handle for one set of facts; asking it for a known text takes no promise. */
  session(context: AnalysisContext): {
    analyse(text: string): Analysis | Promise<Analysis>;
    /** The tokens of texts (latin1), then words (UTF-16), for a digest. May reject. */
    tokens(texts: readonly string[], words: readonly string[]): Uint8Array | Promise<Uint8Array>;
    /** CPU time that this has cost so far, in ms; from memory it costs nothing. */
    readonly cpu_ms: number;
    readonly context: AnalysisContext;
  };
  /** A function called by its oid, without SQL. */
  functionCall(oid: number, context: AnalysisContext): Analysis;
  /** What reading parameters of these types brings with it; null: nothing. */
  ofTypes(types: readonly number[], context: AnalysisContext): Analysis | null;
}

export interface GateOptions {
  readonly analyser: Analyser;
  /** The policy in force. */
  readonly policy: () => Policy;
  readonly desk: Desk;
  readonly audit: AuditLog;
  /** `audit.allowed`: what an allowed statement waits for. */
  readonly allowed: 'async' | 'sync';
  /** The role that a user's session begins with. */
  readonly role: (user: string) => string;
  readonly who: (user: string, authentication: string, address: string) => Who | undefined;
  readonly where: (opening: SessionOpening) => Where;
  /** The catalog of a database. Null: there is none to look into. */
  readonly catalog: (database: string) => LiveCatalog | null;
  /** How an engine's catalog is read. */
  readonly reading: Pick<CatalogReading, 'rows' | 'make' | 'hasTemporary'>;
  /** The console's address for agents, without a slash at its end; null: not told. */
  readonly console: () => string | null;
  readonly held_bytes_max: number;
  /** CPU time that one session's new statements may cost in a second, in ms; over it they wait. */
  readonly analysis_ms_per_s_max: number;
  /** Asks the server what a held statement would touch; rejects nothing. An answer of null: there will be none. */
  readonly impact: ((about: Held, text: ImpactText) => Promise<Impact | null>) | null;
  readonly fault: (what: string, error: unknown) => void;
}

/** What an estimate needs beside the request. */
export interface ImpactText {
  /** The statement as it would be forwarded, latin1. */
  readonly text: string;
  readonly analysis: Analysis;
  /** As the agent logged in, and its backend upstream. */
  readonly user: string;
  readonly server_pid: number;
  /** Null while it is unknown. */
  readonly search_path: string | null;
}

type Context = {
  readonly policy: Policy;
  readonly role: string;
  readonly search_path: string | null;
  readonly in_transaction: boolean;
  readonly local: boolean;
  readonly role_is_local: boolean;
  readonly portals: SessionFacts['portals'];
  readonly catalog: CatalogSnapshot | null;
  readonly view: SessionView;
  readonly analysis: ReturnType<Analyser['session']>;
  readonly verdicts: LRUCache<string, Extract<Judgement, { type: 'pass' }>>;
  readonly seen: Seen;
};
type Shared = Pick<Context, 'verdicts' | 'seen'>;

export const createGate = (options: GateOptions): Gate => {
  // Verdicts are shared by sessions of the same principal under the same facts.
  const shared = new LRUCache<string, Shared>({ max: CONTEXTS_MAX });
  const verdictsFor = (key: string): Shared => {
    const known = shared.get(key);
    if (known) return known;
    const made: Shared = {
      verdicts: new LRUCache({
        max: VERDICTS_PER_CONTEXT_MAX,
        maxSize: VERDICT_CHARS_PER_CONTEXT_MAX,
        sizeCalculation: (_, text) => text.length + 64,
      }),
      seen: new Seen(),
    };
    shared.set(key, made);
    return made;
  };
  const totals = new Totals(() => performance.now());
  let sessions = 0;
  const ending = new Set<Promise<void>>();
  return {
    async close() {
      await Promise.all(ending);
    },
    async startup(opening, settings) {
      const who = options.who(opening.user, opening.authentication, opening.address);
      if (!who) return texts.notAuthorized({ why: 'this user is gone', hint: '' });
      const handle = options.analyser.session({ ...NOWHERE, database: opening.database });
      const role = options.role(opening.user);
      for (const [name, value] of settings) {
        if (name.toLowerCase().startsWith('holdpoint.'))
          return texts.notAuthorized({
            why: `${name} is told in the session, not in the connection string`,
            hint: `After connecting: SET ${name} = '...';`,
          });
        const text = Buffer.from(`SET ${identifier(name.toLowerCase())} TO ${literal(value)}`).toString('latin1');
        const analysis = await handle.analyse(text);
        const session = {
          in_transaction: false,
          application_name: opening.application_name,
          role,
          role_is_local: false,
        };
        const where = options.where({ ...opening, upstream_user: '', server_version: 0, server_pid: 0 });
        const verdict = options.policy().judge({ analysis, who, where, session, now: Date.now() });
        if (analysis.error)
          return { severity: 'FATAL', sqlstate: analysis.error.sqlstate, message: analysis.error.message };
        if (verdict.verdict !== 'allow')
          return texts.notAuthorized({
            why: `rule "${verdict.rule}" does not let a connection start with ${name} set`,
            hint: 'Leave it out of the connection string; a SET in the session can be held for approval.',
          });
      }
      return null;
    },
    async open(opening, facts) {
      const who = options.who(opening.user, opening.authentication, opening.address);
      if (!who) throw new Error(`there is no user ${opening.user} any more`);
      const id = `s${process.pid.toString(36)}-${Date.now().toString(36)}-${(++sessions).toString(36)}`;
      const where = options.where(opening);
      const { application_name, upstream_user, server_version, server_pid } = opening;
      await options.audit.append({
        type: 'session.opened',
        clear: { session: id, who, where, application_name, upstream_user, server_version, server_pid },
      });
      const catalog = options.catalog(opening.database);
      await catalog?.open();
      const ended = (end: Promise<void>): void => {
        ending.add(end);
        void end.finally(() => ending.delete(end));
      };
      return new Session(options, opening, facts, who, where, id, catalog, totals, verdictsFor, ended);
    },
  };
};

class Session implements GateSession {
  readonly #options: GateOptions;
  readonly #opening: SessionOpening;
  readonly #facts: SessionFacts;
  readonly #who: Who;
  readonly #where: Where;
  readonly #id: string;
  readonly #log: SessionLog;
  readonly #catalog: LiveCatalog | null;
  /** What the session's own connection saw; another one than all see while it has objects of its own. */
  #own_catalog: CatalogSnapshot | null = null;
  /** What the session had done to the catalog when it was last looked at. */
  #catalog_changes = 0;
  readonly #totals: Totals;
  readonly #verdictsFor: (key: string) => Shared;
  readonly #endOf: (end: Promise<void>) => void;
  /** Analysis not yet paid off by the time that went by, in ms of CPU, at `#countedAt` by performance.now(). */
  #spent_ms = 0;
  #countedAt = 0;
  /** The context in use, in and out of a transaction. */
  #inside: Context | null = null;
  #outside: Context | null = null;

  constructor(
    options: GateOptions,
    opening: SessionOpening,
    facts: SessionFacts,
    who: Who,
    where: Where,
    id: string,
    catalog: LiveCatalog | null,
    totals: Totals,
    verdictsFor: (key: string) => Shared,
    ended: (end: Promise<void>) => void,
  ) {
    this.#endOf = ended;
    this.#options = options;
    this.#opening = opening;
    this.#facts = facts;
    this.#who = who;
    this.#where = where;
    this.#id = id;
    this.#catalog = catalog;
    this.#totals = totals;
    this.#verdictsFor = verdictsFor;
    this.#log = options.audit.session({ session: id, who: who.id, where: where.upstream, database: where.database });
  }

  judge(text: string, types: readonly number[]): Judgement | Promise<Judgement> {
    if (this.#options.audit.failure !== null) return UNRECORDED;
    if (!this.#catalogIsFresh()) return this.#catalogLookedAt().then(() => this.#judge(text, types));
    return this.#judge(text, types);
  }

  stillMeans({ text, gate }: Plan): boolean | Promise<boolean> {
    const before = JSON.stringify(meant((gate as Remembered).analysis));
    const same = (analysis: Analysis): boolean => JSON.stringify(meant(analysis)) === before;
    const analysis = this.#context().analysis.analyse(text);
    return analysis instanceof Promise ? analysis.then(same) : same(analysis);
  }

  get catalogQuery(): string | null {
    return this.#catalog ? this.#options.reading.rows : null;
  }

  catalogMark(): number {
    return this.#catalog?.last?.id ?? 0;
  }

  ownCatalog(rows: string | null): boolean {
    const { make, hasTemporary } = this.#options.reading;
    this.#own_catalog = rows === null ? null : make(rows);
    return this.#own_catalog === null || hasTemporary(this.#own_catalog);
  }

  /** Is it as new as it is meant to be, and does it have what this session has changed? */
  #catalogIsFresh(): boolean {
    const live = this.#facts.catalog_is_own ? null : this.#catalog;
    return live === null || (live.current !== null && this.#catalog_changes === this.#facts.catalog_changes);
  }

  async #catalogLookedAt(): Promise<void> {
    const changes = this.#facts.catalog_changes;
    await this.#catalog?.refresh();
    this.#catalog_changes = changes;
  }

  /** looked: at the catalog, for this very text. */
  #judge(text: string, types: readonly number[], looked = false): Judgement | Promise<Judgement> {
    const context = this.#context();
    const of_users = types.some(isOfUsers) ? types.filter(isOfUsers) : NO_TYPES;
    const brought = of_users.length > 0 ? this.#options.analyser.ofTypes(of_users, context.analysis.context) : null;
    if (brought) return this.#judgeTyped(context, text, of_users, brought);
    const known = context.verdicts.get(text);
    if (known) return this.#options.allowed === 'sync' ? this.#recorded(known) : known;
    const wait_ms = this.#overBudget();
    // Judged anew when its turn comes: facts and policy may be others then.
    if (wait_ms > 0) return sleep(wait_ms).then(() => this.judge(text, types));
    const before = context.analysis.cpu_ms;
    const ruled = (result: Analysis): Judgement | Promise<Judgement> => {
      this.#spent_ms += context.analysis.cpu_ms - before;
      // What is not there may have been made a moment ago.
      if (result.missing && !looked && !this.#facts.catalog_is_own)
        return this.#catalogLookedAt().then(() => this.#judge(text, types, true));
      return this.#rule(context, text, result);
    };
    const analysis = context.analysis.analyse(text);
    return analysis instanceof Promise ? analysis.then(ruled) : ruled(analysis);
  }

  judgeCall(oid: number): Judgement | Promise<Judgement> {
    if (this.#options.audit.failure !== null) return UNRECORDED;
    if (!this.#catalogIsFresh()) return this.#catalogLookedAt().then(() => this.#judgeCall(oid));
    return this.#judgeCall(oid);
  }

  #judgeCall(oid: number): Judgement | Promise<Judgement> {
    const context = this.#context();
    const analysis = this.#options.analyser.functionCall(oid, context.analysis.context);
    // Not remembered: the text is none that SQL could be compared with.
    return this.#rule(context, `FunctionCall ${oid}`, analysis, (now) =>
      this.#options.analyser.functionCall(oid, now.analysis.context),
    );
  }

  /** A statement with parameters whose types do more than keep a value. */
  async #judgeTyped(context: Context, text: string, types: readonly number[], brought: Analysis): Promise<Judgement> {
    const again = async (now: Context): Promise<Analysis> => {
      const analysis = await now.analysis.analyse(text);
      const more = this.#options.analyser.ofTypes(types, now.analysis.context);
      return more ? together(analysis, more) : analysis;
    };
    const analysis = together(await context.analysis.analyse(text), brought);
    return this.#rule(context, text, analysis, again);
  }

  /** How long this session's new texts must wait, in ms: one agent must not take the event loop from the others. */
  #overBudget(): number {
    const now = performance.now();
    const budget = this.#options.analysis_ms_per_s_max;
    this.#spent_ms = Math.max(0, this.#spent_ms - ((now - this.#countedAt) * budget) / 1000);
    this.#countedAt = now;
    return this.#spent_ms < budget ? 0 : 1 + ((this.#spent_ms - budget) * 1000) / budget;
  }

  #context(): Context {
    const { role, search_path, in_transaction, search_path_start, search_path_is_local, role_is_local, portals } =
      this.#facts;
    const policy = this.#options.policy();
    const own = this.#facts.catalog_is_stale ? null : this.#own_catalog;
    const catalog = (this.#facts.catalog_is_own ? own : this.#catalog?.last) ?? null;
    const last = in_transaction ? this.#inside : this.#outside;
    if (
      last &&
      last.policy === policy &&
      last.role === role &&
      last.search_path === search_path &&
      last.local === search_path_is_local &&
      last.role_is_local === role_is_local &&
      last.portals === portals &&
      last.catalog === catalog
    )
      return last;
    const { server_version, database, application_name } = this.#opening;
    const { user_schema, role_start } = this.#facts;
    const view = { in_transaction, application_name, role: role === '' ? null : role, role_is_local };
    const key = JSON.stringify([
      this.#who,
      this.#where,
      view,
      search_path,
      search_path_start,
      search_path_is_local,
      portals,
      user_schema,
      role_start,
      server_version,
      policy.hash,
      catalog?.id,
    ]);
    const analysis: AnalysisContext = {
      server_version,
      database,
      role,
      role_start,
      search_path,
      ...(search_path_start === null ? {} : { search_path_start }),
      search_path_is_local,
      portals,
      user_schema,
      catalog,
      blind: this.#catalog !== null && catalog === null,
      catalog_is_own: this.#facts.catalog_is_own,
      prepared: (name) => analysisOf(this.#facts.prepared(name)),
    };
    const handle = this.#options.analyser.session(analysis);
    const { verdicts, seen } = this.#verdictsFor(key);
    const local = search_path_is_local;
    const made: Context = {
      policy,
      role,
      search_path,
      in_transaction,
      local,
      role_is_local,
      portals,
      catalog,
      view,
      analysis: handle,
      verdicts,
      seen,
    };
    if (in_transaction) this.#inside = made;
    else this.#outside = made;
    return made;
  }

  #rule(
    context: Context,
    text: string,
    analysis: Analysis,
    again: Again | null = null,
  ): Judgement | Promise<Judgement> {
    // A Query may end the transaction of what was executed before it without a Sync: what it returns must not decide of that.
    const implicit = analysis.statements.length > 1 && this.#facts.in_implicit_transaction;
    const verdict = context.policy.judge({
      analysis,
      who: this.#who,
      where: this.#where,
      session: implicit ? { ...context.view, in_transaction: true } : context.view,
      now: Date.now(),
    });
    // What does not parse is never forwarded, whatever a policy says of it.
    if (analysis.error) return this.#unparsed(text, analysis.error, verdict);
    const plan = planOf(analysis, text, verdict.rule, verdict.limits);
    switch (verdict.verdict) {
      case 'allow': {
        const pass: Judgement = { type: 'pass', plan };
        if (
          again === null &&
          !implicit &&
          verdict.cacheable &&
          !analysis.session_bound &&
          !analysis.missing &&
          verdict.observed.length === 0
        )
          remember(context, text, pass);
        if (verdict.observed.length > 0) this.#observed(plan, analysis, verdict, context);
        return this.#options.allowed === 'sync' ? this.#recorded(pass) : pass;
      }
      case 'hold':
        return {
          type: 'hold',
          plan,
          hold: (parameters) => this.#hold(plan, analysis, verdict, context, parameters, again),
        };
      case 'deny':
        return { type: 'refuse', plan, refuse: () => this.#deny(plan, analysis, verdict, context) };
    }
  }

  /** `sync` mode: nothing is forwarded before it is on record. */
  async #recorded(pass: Extract<Judgement, { type: 'pass' }>): Promise<Judgement> {
    const { shape } = (pass.plan.gate as Remembered).analysis;
    try {
      await this.#options.audit.append({
        type: 'statement.forwarded',
        clear: { session: this.#id, who: this.#who.id, shape },
      });
      return pass;
    } catch (error) {
      this.#options.fault('a statement could not be recorded', error);
      return UNRECORDED;
    }
  }

  /** A rule in observe mode would have held it: on record, and it runs. */
  #observed(plan: Plan, analysis: Analysis, verdict: Verdict, context: Context): void {
    this.#options.audit
      .append({
        type: 'statement.observed',
        clear: { ...this.#about(analysis, verdict, context), observed: verdict.observed },
        sealed: { sql: plan.text },
      })
      .catch((error: unknown) => this.#options.fault('an observed statement could not be recorded', error));
  }

  #about(analysis: Analysis, verdict: Pick<Verdict, 'rule'>, context: Context): Record<string, unknown> {
    return {
      session: this.#id,
      who: this.#who,
      where: this.#where,
      shape: analysis.shape,
      rule: verdict.rule,
      findings: analysis.findings,
      policy: context.policy.hash,
    };
  }

  #unparsed(text: string, error: NonNullable<Analysis['error']>, verdict: Verdict): Judgement {
    const refuse = async (): Promise<WireText> => {
      const { sqlstate, message, position } = error;
      const told: WireText =
        sqlstate === '42601' || position > 0
          ? { ...texts.doesNotParse({ message, position }), sqlstate }
          : { severity: 'ERROR', sqlstate, message, detail: 'The statement did not run.' };
      const done = await this.#write({
        type: 'statement.refused',
        clear: { session: this.#id, who: this.#who, where: this.#where, sqlstate, rule: verdict.rule },
        sealed: { sql: text, message },
      });
      return done ? told : texts.noLog();
    };
    return { type: 'refuse', plan: null, refuse };
  }

  async #deny(plan: Plan, analysis: Analysis, verdict: Verdict, context: Context): Promise<WireText> {
    const done = await this.#write({
      type: 'statement.denied',
      clear: this.#about(analysis, verdict, context),
      sealed: { sql: plan.text },
    });
    if (!done) return texts.noLog();
    const findings = grounds(analysis, verdict);
    const first = findings[0];
    return texts.deniedByPolicy({
      rule: verdict.rule,
      allowsNo: allowsNo(findings),
      found: found(findings),
      position: first ? characters(plan.text, first.start) + 1 : 0,
      ruleMessage: verdict.message,
      inTransaction: this.#facts.in_transaction,
    });
  }

  async #write(record: Parameters<AuditLog['append']>[0]): Promise<boolean> {
    try {
      await this.#options.audit.append(record);
      return true;
    } catch (error) {
      this.#options.fault('a refusal could not be recorded', error);
      return false;
    }
  }

  async #hold(
    plan: Plan,
    analysis: Analysis,
    verdict: Grounds,
    context: Context,
    parameters: readonly BoundParameter[],
    again: Again | null,
    at: AtLimit | null = null,
  ): Promise<HoldStart> {
    const ask = verdict.ask as Ask;
    const words = at ? atLimit(at.passed) : BEFORE;
    const wait_ms = this.#wait(ask);
    let result: Awaited<ReturnType<Desk['hold']>>;
    try {
      const before = context.analysis.cpu_ms;
      // EXECUTE of a name means what was prepared under it: that belongs to the statement's identity.
      const prepared = analysis.session_bound ? this.#facts.preparedTexts() : [];
      // So does what the catalog says of names, and whether it has begun.
      const more = [...(analysis.catalog === undefined ? [] : meant(analysis)), ...(at ? [GOES_ON] : [])];
      const tokens = await context.analysis.tokens([plan.text, ...prepared], more);
      this.#spent_ms += context.analysis.cpu_ms - before;
      const held = this.#held(plan, analysis, verdict, context, parameters, tokens, at?.passed ?? null);
      result = await this.#options.desk.hold(held, wait_ms);
    } catch (error) {
      this.#options.fault('a request could not be opened', error);
      return { type: 'refuse', text: words.refused(texts.noLog(), verdict.rule) };
    }
    if (result.type !== 'refused') at?.opened(result.request.id);
    const inTransaction = this.#facts.in_transaction;
    if (result.type === 'waiting' || result.type === 'pending') this.#estimate(result.request, plan, analysis);
    switch (result.type) {
      case 'waiting':
        return this.#waiting(result.request, result.hold, verdict, analysis, wait_ms, words, () =>
          at ? Promise.resolve(true) : this.#stillMeans(plan, analysis, context, again),
        );
      case 'run':
        return { type: 'run', notice: words.approved(result.request), release: this.#release(result.request.id) };
      case 'pending':
        return { type: 'refuse', text: words.pending(result.request, 0, inTransaction) };
      case 'denied':
        return { type: 'refuse', text: words.denied(result.request, inTransaction) };
      case 'lapsed':
        return { type: 'refuse', text: words.lapsed(result.request, result.why) };
      case 'refused':
        return {
          type: 'refuse',
          text: words.refused(refusedText(result.why, this.#who.id, verdict.rule, result.limit ?? 0), verdict.rule),
        };
    }
  }

  /** Nobody waits for it: the card is there first, and its numbers follow. */
  #estimate(request: Request, plan: Plan, analysis: Analysis): void {
    const { impact, desk, fault } = this.#options;
    if (!impact || request.impact !== null) return;
    const { user, server_pid } = this.#opening;
    const { search_path } = this.#facts;
    impact(request, { text: plan.forward ?? plan.text, analysis, user, server_pid, search_path })
      .then((seen) => seen && desk.impact(request.id, seen))
      .catch((error: unknown) => fault('the impact of a held statement could not be recorded', error));
  }

  #held(
    plan: Plan,
    analysis: Analysis,
    verdict: Grounds,
    context: Context,
    parameters: readonly BoundParameter[],
    tokens: Uint8Array,
    passed: Passed | null,
  ): Held {
    const facts = this.#facts;
    // Of a statement that runs: as things were when it began.
    const { role } = passed ? context : facts;
    const search_path = (passed ? context.search_path : facts.search_path) ?? '';
    const in_transaction = passed ? context.in_transaction : facts.in_transaction || facts.in_implicit_transaction;
    const told = ownReason(plan.own) ?? analysis.reason ?? facts.reason;
    return {
      who: this.#who,
      where: this.#where,
      role,
      upstream_user: this.#opening.upstream_user,
      search_path,
      application_name: this.#opening.application_name,
      session: this.#id,
      sql: plan.text,
      shape: analysis.shape,
      parameters,
      findings: analysis.findings,
      rule: verdict.rule,
      message: verdict.message,
      ask: verdict.ask as Ask,
      policy: context.policy.hash,
      reason: told,
      reason_at: told === '' ? null : told === facts.reason ? facts.reason_at : Date.now(),
      in_transaction,
      passed,
      earlier: facts.earlier.map(({ sql, at, outcome }) => ({ sql, at, outcome })),
      digest: digest({
        engine: this.#where.engine,
        upstream: this.#where.upstream,
        database: this.#where.database,
        principal: this.#who.id,
        role,
        search_path,
        in_transaction,
        tokens,
        parameters,
      }),
    };
  }

  /** Is what was judged still what would be found? Looks at the catalog once more. */
  async #stillMeans(plan: Plan, analysis: Analysis, context: Context, again: Again | null): Promise<boolean> {
    if (!this.#catalog) return true;
    await this.#catalog.refresh();
    // What only its own connection sees, the session looks at before it sends.
    if (this.#facts.catalog_is_own) return true;
    const now = this.#context();
    if (now.catalog?.id === context.catalog?.id) return true;
    const anew = await (again === null ? now.analysis.analyse(plan.text) : again(now));
    return JSON.stringify(meant(anew)) === JSON.stringify(meant(analysis));
  }

  /** The least of what the rule, the agent and the server allow, in ms; 0: a ticket at once. */
  #wait(ask: Ask): number {
    const { hold_ms, server_timeout_ms } = this.#facts;
    const server = server_timeout_ms === null ? Infinity : Math.max(0, server_timeout_ms - SERVER_TIMEOUT_MARGIN_MS);
    return Math.min(ask.wait_ms ?? WAIT_DEFAULT_MS, hold_ms ?? Infinity, server, ask.deadline_ms);
  }

  #waiting(
    request: Request,
    hold: Extract<Awaited<ReturnType<Desk['hold']>>, { type: 'waiting' }>['hold'],
    verdict: Grounds,
    analysis: Analysis,
    wait_ms: number,
    words: Words,
    stillMeans: () => Promise<boolean>,
  ): HoldStart {
    const until = Date.now() + wait_ms;
    const { id, ask, deadline } = request;
    const notice = words.held({
      id,
      rule: verdict.rule,
      ruleMessage: verdict.message,
      found: found(grounds(analysis, verdict)),
      needs: needs(ask),
      console: this.#options.console(),
      waitUntil: until,
      deadline,
      ticket: ask.ticket,
      noReason: request.reason === '',
    });
    const waited = Math.round(wait_ms / 1000);
    let toldOff = false;
    return {
      type: 'wait',
      notice,
      wait_ms,
      heartbeat: () =>
        texts.stillHeld({
          id,
          approvals: approvals(hold.request()),
          needed: ask.count,
          waitsMore: Math.max(0, Math.round((until - Date.now()) / 1000)),
        }),
      ended: hold.ended.then((end) => this.#ended(end, waited, words)),
      end: async (why) => {
        if (toldOff) return null;
        toldOff = true;
        await hold.end(why);
        const end = await hold.ended;
        // Approved or refused in the same moment: that answer is on its way through `ended`.
        return end.type === 'ended' ? this.#endedByClient(end.request, why, waited, words) : null;
      },
      release: async () => {
        const still = await stillMeans();
        try {
          if (!(await this.#options.desk.release(id, this.#id))) {
            const lapsed = hold.request().state === 'lapsed';
            const text = lapsed ? words.lapsed(request, 'it was not used in time') : words.used(request);
            return { type: 'refuse', text };
          }
        } catch (error) {
          this.#options.fault('a release could not be recorded', error);
          return { type: 'refuse', text: words.refused(texts.noLog(), verdict.rule) };
        }
        const release = this.#release(id);
        if (still) return { type: 'run', notice: words.approved(hold.request()), release };
        release.finished({ tag: null, sqlstate: 'ZH006', rows: 0, bytes: 0, duration_ms: 0 });
        return { type: 'refuse', text: words.lapsed(request, 'what its names stand for is something else now') };
      },
    };
  }

  #ended(end: HoldEnd, waited: number, words: Words): HoldEnded {
    const inTransaction = this.#facts.in_transaction;
    const { request } = end;
    switch (end.type) {
      case 'approved':
        return { type: 'approved' };
      case 'denied':
        return { type: 'refuse', text: words.denied(request, inTransaction) };
      case 'expired':
        return { type: 'refuse', text: words.expired(request) };
      case 'withdrawn':
        return { type: 'refuse', text: words.withdrawn(request) };
      case 'lapsed':
        return { type: 'refuse', text: words.lapsed(request, end.why) };
      case 'used':
        return { type: 'refuse', text: words.used(request) };
      case 'ended':
        return { type: 'refuse', text: this.#endedByClient(request, end.why, waited, words) };
    }
  }

  #endedByClient(request: Request, why: string, waited: number, words: Words): WireText {
    const { ask } = request;
    const inTransaction = this.#facts.in_transaction;
    if (why === 'cancelled') return words.cancelled(request, inTransaction);
    if (why === 'overflow') return words.overflow(request, this.#options.held_bytes_max);
    return ask.ticket ? words.pending(request, waited, inTransaction) : words.noTicket(request, waited);
  }

  #release(id: string): Release {
    let finished = false;
    return {
      request: id,
      finished: (outcome) => {
        if (finished) return;
        finished = true;
        this.#options.desk
          .finish(id, outcome)
          .catch((error: unknown) => this.#options.fault('an outcome could not be recorded', error));
      },
    };
  }

  meter(plan: Plan, parameters: () => readonly BoundParameter[]): Meter {
    const { analysis, limits } = plan.gate as Remembered;
    const context = this.#context();
    let request: string | null = null;
    const opened = (id: string): void => {
      request = id;
    };
    return new ResultMeter(limits, this.#who.id, this.#totals, {
      judge: (reached) => this.#atLimit(reached, plan, analysis, context, parameters, opened),
      observed: (reached) => {
        void this.#write({ type: 'statement.observed', ...this.#limited(reached, plan, analysis, context) });
      },
      cut: (reached, outcome) => {
        const { clear, sealed } = this.#limited(reached, plan, analysis, context);
        void this.#write({ type: 'statement.cut', clear: { ...clear, id: request, outcome }, sealed });
      },
    });
  }

  #atLimit(
    { limit, rows, bytes }: Reached,
    plan: Plan,
    analysis: Analysis,
    context: Context,
    parameters: () => readonly BoundParameter[],
    opened: (id: string) => void,
  ): Exclude<Judgement, { type: 'pass' }> {
    if (limit.verdict === 'deny') {
      const refuse = (): Promise<WireText> => Promise.resolve(stoppedText(rows, limit.rule, 'which lets nobody go on'));
      return { type: 'refuse', plan, refuse };
    }
    const hold = (): Promise<HoldStart> =>
      this.#hold(plan, analysis, limit, context, parameters(), null, { passed: { rows, bytes }, opened });
    return { type: 'hold', plan, hold };
  }

  #limited({ limit, rows, bytes }: Reached, plan: Plan, analysis: Analysis, context: Context) {
    const { rule, findings } = limit;
    const about = this.#about(analysis, { rule }, context);
    const observed = limit.observe ? { rule: (plan.gate as Remembered).rule, observed: [rule] } : {};
    const matched = findings.flatMap((index) => analysis.findings[index] ?? []);
    return { clear: { ...about, findings: matched, ...observed, rows, bytes }, sealed: { sql: plan.text } };
  }

  show(command: OwnCommand): OwnAnswer | WireText {
    const { desk } = this.#options;
    if (command.op === 'show-request') {
      const request = desk.get(command.id);
      // Somebody else's request and none at all look the same.
      if (!request || request.who.id !== this.#who.id)
        return { severity: 'ERROR', sqlstate: '22023', message: `you have no request ${command.id.slice(0, 40)}` };
      return { columns: REQUEST_COLUMNS, rows: [requestRow(request)] };
    }
    return {
      columns: REQUEST_COLUMNS,
      rows: desk.list({ requester: this.#who.id, limit: SHOW_MAX }).map(requestRow),
    };
  }

  ran(plan: Plan, start: number, outcome: string, rows: number, bytes: number, duration_us: number): void {
    const { analysis, rule } = plan.gate as Remembered;
    this.#log.allowed(start, analysis.shape, rule, outcome, rows, bytes, duration_us);
  }

  close(why: string): void {
    this.#catalog?.close();
    this.#endOf(this.#close(why));
  }

  async #close(why: string): Promise<void> {
    try {
      await this.#log.flush();
      await this.#options.audit.append({
        type: 'session.closed',
        clear: { session: this.#id, who: this.#who.id, why },
      });
    } catch (error) {
      this.#options.fault('the end of a session could not be recorded', error);
    }
  }
}

/** A text with its values in it never comes again: what comes a second time is worth keeping. */
/** How to analyse it once more, where the text alone does not say it. */
type Again = (now: Context) => Analysis | Promise<Analysis>;

/** First oid of what is not built in. */
const USER_OID_MIN = 16384;
const isOfUsers = (type: number): boolean => type >= USER_OID_MIN;
const NO_TYPES: readonly number[] = [];

const together = (analysis: Analysis, more: Analysis): Analysis => ({
  ...analysis,
  findings: [...analysis.findings, ...more.findings],
  reads: [...new Set([...analysis.reads, ...more.reads])].toSorted(),
  writes: [...new Set([...analysis.writes, ...more.writes])].toSorted(),
  functions: [...new Set([...analysis.functions, ...more.functions])].toSorted(),
  effects: [...analysis.effects, ...more.effects],
});

const remember = ({ verdicts, seen }: Shared, text: string, pass: Extract<Judgement, { type: 'pass' }>): void => {
  if (seen.again(text)) verdicts.set(text, pass);
};

/** Where names do not matter. */
const NOWHERE: AnalysisContext = {
  server_version: 18,
  database: '',
  role: '',
  search_path: '"$user", public',
  search_path_start: '"$user", public',
  prepared: () => undefined,
};

const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const literal = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** What the session remembered for a name: a protocol statement's plan, or the analysis inside a SQL PREPARE. */
const analysisOf = (remembered: unknown): ReturnType<AnalysisContext['prepared']> =>
  remembered && typeof remembered === 'object' && 'analysis' in remembered
    ? (remembered as Remembered).analysis
    : (remembered as ReturnType<AnalysisContext['prepared']>);

/** What a request rests on: a verdict, or a limit that a result has reached. */
type Grounds = Pick<Verdict, 'rule' | 'message' | 'findings' | 'ask'>;

/** Of a statement that runs, and was stopped after that much. */
interface AtLimit {
  readonly passed: Passed;
  readonly opened: (id: string) => void;
}

/** No token of any text: to let a result go on is another thing than to let the statement run. */
const GOES_ON = ' goes on past its limit';

const UNRECORDED: Judgement = { type: 'refuse', plan: null, refuse: () => Promise.resolve(texts.noLog()) };

const ownReason = (own: readonly OwnCommand[]): string | null => {
  let reason: string | null = null;
  for (const command of own) {
    if (command.op === 'set' && command.name === 'reason') reason = command.value;
    if (command.op === 'set_config' && command.name === 'reason' && typeof command.value === 'string')
      reason = command.value;
  }
  return reason;
};

/** What a statement does to what, as far as its names were looked up. */
const meant = ({ findings, functions }: Analysis): readonly string[] => [
  ...findings.map(({ action, object, statement }) => `${statement} ${action} ${object}`).toSorted(),
  ...functions,
];

const approvals = (request: Request): number =>
  request.decisions.filter((decision) => decision.decision === 'approve').length;

const approvedText = (request: Request): WireText => texts.approved({ id: request.id, by: approversOf(request) });

const approversOf = ({ decisions }: Request): { id: string; group: string }[] =>
  decisions.filter(({ decision }) => decision === 'approve').map(({ by, group }) => ({ id: by, group }));

const deniedText = (request: Request, inTransaction: boolean): WireText => {
  const denial = request.decisions.findLast(({ decision }) => decision === 'deny');
  return texts.denied({
    id: request.id,
    by: denial?.by ?? 'a reviewer',
    rationale: denial?.rationale ?? '',
    rule: request.rule,
    found: found(request.findings),
    inTransaction,
  });
};

const pendingText = (request: Request, waited: number, inTransaction: boolean): WireText =>
  texts.pending({
    id: request.id,
    approvals: approvals(request),
    needed: request.ask.count,
    waited,
    deadline: request.deadline,
    inTransaction,
  });

/** What the client is told of a request and of its end. */
interface Words {
  held(values: Parameters<typeof texts.held>[0]): WireText;
  approved(request: Request): WireText;
  denied(request: Request, inTransaction: boolean): WireText;
  pending(request: Request, waited: number, inTransaction: boolean): WireText;
  expired(request: Request): WireText;
  withdrawn(request: Request): WireText;
  noTicket(request: Request, waited: number): WireText;
  cancelled(request: Request, inTransaction: boolean): WireText;
  overflow(request: Request, bytes_max: number): WireText;
  lapsed(request: Request, why: string): WireText;
  used(request: Request): WireText;
  refused(text: WireText, rule: string): WireText;
}

/** Of a statement that has not run. */
const BEFORE: Words = {
  held: texts.held,
  approved: approvedText,
  denied: deniedText,
  pending: pendingText,
  expired: ({ id, deadline, who }) => texts.expired({ id, deadline, sponsor: who.sponsor }),
  withdrawn: ({ id, withdrawn }) => texts.withdrawn({ id, by: withdrawn?.by ?? 'its requester' }),
  noTicket: ({ id, rule }, waited) => texts.noTicket({ id, rule, waited }),
  cancelled: ({ id, deadline, ask }, inTransaction) =>
    texts.cancelled({ id, deadline, ticket: ask.ticket, inTransaction }),
  overflow: ({ id, deadline, ask }, limit) => texts.overflow({ id, limit, deadline, ticket: ask.ticket }),
  lapsed: ({ id }, why) => texts.lapsed({ id, why }),
  used: ({ id }) => texts.used({ id }),
  refused: (text) => text,
};

/** Of one whose result was stopped at a limit. */
const atLimit = ({ rows, bytes }: Passed): Words => ({
  held: (values) => texts.heldAtLimit({ ...values, rows, bytes }),
  approved: (request) => texts.goesOn({ id: request.id, by: approversOf(request) }),
  denied: (request) => {
    const denial = request.decisions.findLast(({ decision }) => decision === 'deny');
    const why = `request ${request.id} was denied by ${denial?.by ?? 'a reviewer'}`;
    return stoppedText(rows, request.rule, why, denial?.rationale);
  },
  pending: (request) =>
    texts.pendingAtLimit({
      id: request.id,
      rows,
      approvals: approvals(request),
      needed: request.ask.count,
      deadline: request.deadline,
    }),
  expired: ({ id, rule }) => stoppedText(rows, rule, `nobody decided request ${id} in time`),
  withdrawn: ({ id, rule, withdrawn }) =>
    stoppedText(rows, rule, `request ${id} was withdrawn by ${withdrawn?.by ?? 'its requester'}`),
  noTicket: ({ id, rule }) => stoppedText(rows, rule, `nobody decided request ${id} while you waited`),
  cancelled: ({ id, deadline, ask }) => texts.cancelledAtLimit({ id, rows, deadline, ticket: ask.ticket }),
  overflow: ({ id, rule }, limit) =>
    stoppedText(rows, rule, `more than ${limit} bytes arrived while request ${id} is held`),
  lapsed: ({ id, rule }, why) => stoppedText(rows, rule, `request ${id} was approved for other circumstances: ${why}`),
  used: ({ id, rule }) => stoppedText(rows, rule, `another connection of yours went on with request ${id}`),
  refused: (text, rule) => stoppedText(rows, rule, text.message),
});

const stoppedText = (rows: number, rule: string, why: string, rationale = ''): WireText =>
  texts.stoppedAtLimit({ rows, rule, why, rationale });

const refusedText = (
  why: 'unsponsored' | 'too-many' | 'reason-required',
  principal: string,
  rule: string,
  limit: number,
): WireText => {
  switch (why) {
    case 'unsponsored':
      return texts.unsponsored({ principal, rule });
    case 'too-many':
      return texts.tooManyRequests({ principal, limit });
    case 'reason-required':
      return texts.reasonRequired({ rule });
  }
};

/** Characters of UTF-8 text (given as latin1) before this byte. */
const characters = (text: string, byte: number): number =>
  Array.from(Buffer.from(text.slice(0, byte), 'latin1').toString('utf8')).length;
