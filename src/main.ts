#!/usr/bin/env node
// The composition root: the only file that knows everyone. Builds the gateway from a configuration, in the order in which
// each part needs the one before; takes it down in the opposite order.
import { existsSync } from 'node:fs';
import { mkdir, realpath } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDesk } from './approval/desk.ts';
import type { ApprovalEvent, Clock, Desk, Request } from './approval/types.ts';
import { openAuditLog } from './audit/log.ts';
import type { AuditLog } from './audit/types.ts';
import type { Deps, Running, ServeOptions } from './cli/ports.ts';
import { runProgram } from './cli/program.ts';
import { VERSION } from './cli/version.ts';
import { type Config, ConfigError, type MysqlConfig, type PostgresConfig } from './config/config.ts';
import { createGate } from './gate/gate.ts';
import { mysqlEngine } from './gate/mysql.ts';
import { postgresEngine } from './gate/postgres.ts';
import type { GateOptions } from './gate/options.ts';
import { auditJournal, fromRecord } from './gate/journal.ts';
import { createIdentity, type Identity } from './identity/identity.ts';
import { openSecret } from './identity/secret.ts';
import { openUsers } from './identity/users.ts';
import { listenMysql, type MysqlClient, type MysqlSession as Served } from './listener/mysql.ts';
import { listenPostgres } from './listener/postgres.ts';
import { loadPolicy } from './policy/load.ts';
import { formatPolicyError } from './policy/source.ts';
import { watchPolicy } from './policy/watch.ts';
import type { Guard, ReviewPorts } from './review/ports.ts';
import { createReviewServer } from './review/server.ts';
import { texts } from './errors/catalogue.ts';
import type { Gate } from './session/gate.ts';
import { MysqlSession } from './session/mysql/session.ts';
import { MysqlAnalyser } from './sql/mysql/analyser.ts';
import { READING as MYSQL_READING, SEPARATORS } from './sql/mysql/catalog/reading.ts';
import { defaultContext } from './sql/mysql/context.ts';
import type { CatalogReading } from './sql/catalog.ts';
import { explainTexts as mysqlExplainTexts, impactQuestion as mysqlImpactQuestion } from './sql/mysql/impact.ts';
import { modeOf } from './sql/mysql/modes.ts';
import type { AnalysisContext } from './sql/findings.ts';
import { PostgresAnalyser } from './sql/postgres/analyser.ts';
import { READING as POSTGRES_READING } from './sql/postgres/catalog/reading.ts';
import { explainTexts, impactQuestion, isPlainBuiltIn } from './sql/postgres/impact.ts';
import type { Log, RequestLine } from './telemetry/log.ts';
import type { CatalogOptions, KeptCatalog } from './upstream/catalog.ts';
import { MysqlCatalog } from './upstream/mysql/catalog.ts';
import { connectMysql } from './upstream/mysql/connect.ts';
import { createPlanner as createMysqlPlanner } from './upstream/mysql/impact.ts';
import { PLAIN } from './upstream/mysql/kill.ts';
import { nameOf, untested } from './upstream/mysql/login.ts';
import { lookAtMysql } from './upstream/mysql/look.ts';
import { PostgresCatalog } from './upstream/postgres/catalog.ts';
import { connectUpstream } from './upstream/postgres/connect.ts';
import { createPlanner } from './upstream/postgres/impact.ts';
import { PoolerWatch } from './upstream/postgres/pooler.ts';

/** Events kept for reviewers who come back with a cursor. */
const EVENTS_KEPT_MAX = 2000;
const SIGN_IN_MS = 12 * 3_600_000;
/** The built page, for the compiled program and for the sources alike. */
const CONSOLE = fileURLToPath(new URL('../dist/console', import.meta.url));

export const serve = async (config: Config, { log, hints }: ServeOptions): Promise<Running> => {
  const closers: (() => Promise<void> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close();
  };
  try {
    return await build(config, log, hints, closers, stop);
  } catch (error) {
    await stop();
    throw error;
  }
};

const build = async (
  config: Config,
  log: Log,
  hints: ServeOptions['hints'],
  closers: (() => Promise<void> | void)[],
  stop: () => Promise<void>,
): Promise<Running> => {
  const fault = (what: string, error?: unknown): void => log.error({ err: error }, what);
  await mkdir(config.data, { recursive: true, mode: 0o700 });
  const logFolder = join(config.data, 'audit');
  const node = hostname();
  const audit = await openAuditLog({ dir: logFolder, node });
  closers.push(() => audit.close());

  const analyser = await PostgresAnalyser.create({
    deadline_ms: config.limits.analysis_timeout_ms,
    cache_bytes_max: config.limits.analysis_cache_bytes_max,
  });
  closers.push(() => analyser.close());
  const mysqlAnalyser = new MysqlAnalyser();
  const analyse = (engine: string, sql: string) => {
    const text = Buffer.from(sql).toString('latin1');
    if (engine === 'postgres') return analyser.analyse(text, DEFAULT_CONTEXT);
    if (engine === 'mysql' || engine === 'mariadb') return mysqlAnalyser.session(defaultContext(engine)).analyse(text);
    return null;
  };

  const loaded = await loadPolicy(config.policy, analyse);
  if ('errors' in loaded) throw new ConfigError(loaded.errors.map(formatPolicyError));
  const { policy: first } = loaded;
  await audit.append({ type: 'policy.loaded', clear: { path: first.path, hash: first.hash, rules: first.rules } });
  const recorded = (what: string, record: Parameters<AuditLog['append']>[0]): void => {
    audit.append(record).catch((error: unknown) => fault(what, error));
  };
  const policy = watchPolicy(first, {
    analyse,
    onLoaded: ({ path, hash, rules }) => {
      log.info(`policy ${path} in force, ${rules} rules, hash ${hash.slice(0, 8)}`);
      recorded('a policy could not be recorded', { type: 'policy.loaded', clear: { path, hash, rules } });
    },
    onRefused: (errors) => {
      log.error(`the new policy has errors; the old one stays in force\n${errors.map(formatPolicyError).join('\n')}`);
      const problems = errors.map(({ line, message }) => ({ line, message }));
      recorded('a refused policy could not be recorded', {
        type: 'policy.refused',
        clear: { path: first.path, problems },
      });
    },
  });
  closers.push(() => policy.close());

  const users = await openUsers(config.identity.users, {
    onReload: () => log.info('users reloaded'),
    onError: (error) => log.error(`the users file has errors; the old users stay in force\n${error.message}`),
  });
  closers.push(() => users.close());
  const identity = createIdentity({
    users: () => users.current(),
    reviewers: () => policy.current().reviewers,
    secret: await openSecret(join(config.data, 'login.secret')),
  });

  let present: readonly string[] = [];
  const desk = createDesk({
    journal: auditJournal(audit),
    clock: CLOCK,
    directory: identity.directory,
    tag: (digest) => audit.tag(digest),
    requests_open_per_principal_max: config.limits.requests_open_per_principal_max,
    unsponsored: config.identity.unsponsored,
    present: () => present,
  });
  closers.push(() => desk.close());
  const events = new Events(desk, audit);
  await events.restore();
  desk.subscribe((_, event, request) => tellOperator(log, event, request));

  const catalogs = new Catalogs(config, log);
  closers.push(() => catalogs.close());
  await Promise.all([catalogs.introduce(), ...config.mysql.map((upstream) => introduceMysql(upstream, config, log))]);
  const gates = new Map<string, Gate>();
  closers.push(async () => {
    for (const gate of gates.values()) await gate.close();
  });
  let reviewUrl: string | null = config.review.url;
  const shared = {
    policy: () => policy.current(),
    desk,
    audit,
    allowed: config.audit.allowed,
    who: (user: string, authentication: string, address: string) => identity.principal(user, authentication, address),
    console: () => reviewUrl,
    held_bytes_max: config.limits.held_bytes_max,
    analysis_ms_per_s_max: config.limits.analysis_ms_per_s_max,
    fault,
  };
  for (const upstream of config.postgres)
    gates.set(
      upstream.name,
      createGate({
        ...shared,
        engine: postgresEngine(analyser, POSTGRES_READING),
        role: (user) => target(upstream, identity, user, config).user,
        where: ({ database }) => ({ engine: 'postgres', upstream: upstream.name, database, tags: upstream.tags }),
        catalog: (database) => catalogs.of(upstream, database),
        impact: impactOf(upstream, identity, config, fault, closers),
      }),
    );
  for (const upstream of config.mysql)
    gates.set(
      upstream.name,
      createGate({
        ...shared,
        engine: mysqlEngine(mysqlAnalyser),
        role: (user) => mysqlTarget(upstream, identity, user, config).user,
        where: ({ database, engine }) => ({ engine, upstream: upstream.name, database, tags: upstream.tags }),
        catalog: () => catalogs.ofServer(upstream),
        impact: mysqlImpactOf(upstream, identity, config, fault, closers),
      }),
    );

  const review = await createReviewServer(
    {
      identity,
      requests: requestsPort(desk),
      audit,
      since: (cursor) => events.since(cursor),
      guards: guardsOf(config, hints),
      environment: (config.postgres[0] ?? config.mysql[0])?.tags['env'] ?? 'production',
      present: (reviewers) => {
        present = reviewers;
      },
    },
    {
      listen: config.review.listen,
      url: config.review.url,
      tls: config.review.tls,
      secure: config.review.tls !== null || (config.review.url?.startsWith('https:') ?? false),
      console_dir: existsSync(CONSOLE) ? CONSOLE : null,
      session_ttl_ms: SIGN_IN_MS,
      version: VERSION,
    },
  );
  closers.push(() => review.close());
  reviewUrl ??= `${config.review.tls ? 'https' : 'http'}://${review.address.host}:${review.address.port}`;

  const listeners: Running['postgres'][number][] = [];
  for (const upstream of config.postgres) {
    const pooler = new PoolerWatch();
    const listener = await listenPostgres({
      name: upstream.name,
      listen: upstream.listen,
      place: { node, worker: 0 },
      tls: upstream.tls,
      auth: upstream.auth,
      identity,
      gate: gates.get(upstream.name) as Gate,
      connect: async (user, parameters, agent) => {
        const to = target(upstream, identity, user, config);
        // With relay there is no credential to look with.
        if (!agent) await pooler.check(to, parameters.get('database') ?? to.user);
        return connectUpstream(to, parameters, agent);
      },
      limits: config.limits,
      refused: async (what) => {
        await audit.append({ type: 'session.refused', clear: { ...what, listener: upstream.name } });
      },
      fault,
    });
    closers.push(() => listener.close());
    listeners.push({ name: upstream.name, listen: listener.address });
  }
  const mysql: Running['mysql'][number][] = [];
  for (const upstream of config.mysql) {
    const listener = await listenMysql({
      name: upstream.name,
      listen: upstream.listen,
      tls: upstream.tls,
      identity,
      identify: async () => {
        const line = await connectMysql(mysqlTarget(upstream, identity, null, config), PLAIN);
        line.end();
        return line.server;
      },
      connect: (user, login) => connectMysql(mysqlTarget(upstream, identity, user, config), login),
      begin: (client) => beginMysql(client, upstream.name, gates.get(upstream.name) as Gate, config, fault),
      limits: config.limits,
      refused: async (what) => {
        await audit.append({ type: 'session.refused', clear: { ...what, listener: upstream.name } });
      },
      fault,
    });
    closers.push(() => listener.close());
    mysql.push({ name: upstream.name, listen: listener.address });
  }
  return {
    postgres: listeners,
    mysql,
    review: { listen: review.address, url: reviewUrl },
    policy: first,
    log: logFolder,
    oneTime: (user) => identity.issueOneTime(user),
    stop,
  };
};

/** Names as a fresh session of PostgreSQL's newest supported version resolves them. */
const DEFAULT_CONTEXT: AnalysisContext = {
  server_version: 18,
  database: 'postgres',
  role: 'postgres',
  search_path: '"$user", public',
  search_path_start: '"$user", public',
  prepared: () => undefined,
};

const CLOCK: Clock = {
  now: () => Date.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

const target = (upstream: PostgresConfig, identity: Identity, user: string, config: Config) => {
  const login = upstream.auth === 'relay' ? { user, password: null } : (identity.upstream(user) ?? upstream.upstream);
  return { ...server(upstream, config), user: login.user, password: login.password };
};

/** `user` null: for what the server says of itself before anybody logs in. */
const mysqlTarget = (upstream: MysqlConfig, identity: Identity, user: string | null, config: Config) => {
  const login = (user === null ? null : identity.upstream(user)) ?? upstream.upstream;
  return { ...mysqlServer(upstream, config), user: login.user, password: login.password ?? '' };
};

const mysqlServer = (upstream: MysqlConfig, config: Config) => ({
  ...server(upstream, config),
  allow_untested_version: upstream.allow_untested_version,
});

/** Says which server it is, or that there is none: that keeps nothing from starting, each login tries again. */
const introduceMysql = async (upstream: MysqlConfig, config: Config, log: Log): Promise<void> => {
  const { name, upstream: to } = upstream;
  try {
    const line = await connectMysql(
      { ...mysqlServer(upstream, config), user: to.user, password: to.password ?? '' },
      PLAIN,
    );
    line.end();
    const beyond = untested(line.server);
    const found = `${name}: the server is ${nameOf(line.server)}`;
    if (beyond === null) log.info(found);
    else log.warn(`${found}, which is not ${beyond}: its SQL may mean what nobody has tried (allow_untested_version)`);
  } catch (error) {
    log.error({ err: error }, `${name} can not be used yet; each login tries again`);
  }
};

/** A session of a client that was let in: judged from its first command on. */
const beginMysql = async (
  client: MysqlClient,
  listener: string,
  gate: Gate,
  config: Config,
  fault: GateOptions['fault'],
): Promise<Served> => {
  const { stream, upstream, user, authentication, address, database, attributes } = client;
  const session = new MysqlSession(stream, upstream, config.limits, {
    fault,
    kill(id, whole) {
      const peer = client.peer(id);
      peer?.kill(whole);
      return peer ? 'done' : 'unknown';
    },
    closed: () => client.closed(),
    changeUser: (request, early) => client.changeUser(request, early),
  });
  await session.ready();
  const opened = await gate.open(
    {
      user,
      authentication,
      address,
      application_name: attributes.get('program_name') ?? '',
      database,
      listener,
      upstream_user: upstream.user,
      engine: upstream.server.engine,
      server_version: upstream.server.version,
      server_pid: upstream.threadId,
    },
    session.facts,
  );
  return {
    start: (early) => session.start(opened, early),
    kill: (whole) => session.kill(whole),
    close: () => session.close(texts.shutdown({ id: null })),
  };
};

const server = (upstream: PostgresConfig | MysqlConfig, config: Config) => {
  const { host, port } = upstream.upstream;
  return {
    host,
    port,
    tls: upstream.upstream_tls,
    timeout_ms: config.limits.upstream_connect_timeout_ms,
    keepalive_ms: config.limits.keepalive_ms,
  };
};

/** Of each PostgreSQL database that is configured or that somebody connected to, and of each MySQL and MariaDB server. */
class Catalogs {
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

const catalogLogin = ({ catalog, upstream }: PostgresConfig | MysqlConfig) => {
  const login = catalog ?? upstream;
  return login === 'none' || login.user === '' ? null : { user: login.user, password: login.password };
};

/** Asks the upstream what a held statement would touch. */
const impactOf = (
  upstream: PostgresConfig,
  identity: Identity,
  config: Config,
  fault: GateOptions['fault'],
  closers: (() => Promise<void> | void)[],
): NonNullable<GateOptions['impact']> => {
  const planner = createPlanner({
    target: (user) => (upstream.auth === 'relay' ? null : target(upstream, identity, user, config)),
    isPlain: isPlainBuiltIn,
    fault,
  });
  closers.push(() => planner.close());
  return async ({ where, role, parameters }, { text, analysis, analyse, user, server_pid, facts: { search_path } }) => {
    const plans = await Promise.all(explainTexts(text, analysis).map(async (explain) => analyse(explain)));
    return planner.estimate({
      ...impactQuestion(text, analysis, plans),
      user,
      database: where.database,
      role,
      search_path,
      server_pid,
      parameters,
    });
  };
};

/** The same of a MySQL or MariaDB server. */
const mysqlImpactOf = (
  upstream: MysqlConfig,
  identity: Identity,
  config: Config,
  fault: GateOptions['fault'],
  closers: (() => Promise<void> | void)[],
): NonNullable<GateOptions['impact']> => {
  const planner = createMysqlPlanner({ target: (user) => mysqlTarget(upstream, identity, user, config), fault });
  closers.push(() => planner.close());
  return async ({ parameters }, { text, analysis, analyse, user, server_pid, facts }) => {
    if (facts.engine === 'postgres') return null;
    const { engine, version, sql_mode, charset, database } = facts;
    const mode = sql_mode === null ? null : modeOf(sql_mode);
    const asked = { text, analysis, parameters, engine, version, charset, sql_mode: mode };
    const plans = await Promise.all(mysqlExplainTexts(asked).map(async (explain) => analyse(explain)));
    return planner.estimate({
      ...mysqlImpactQuestion(asked, plans),
      user,
      database: database ?? null,
      sql_mode,
      charset,
      server_pid,
    });
  };
};

/** One of each engine that is guarded. */
const guardsOf = (config: Config, hints: readonly Guard[]): readonly Guard[] =>
  (['postgres', 'mysql'] as const)
    .filter((engine) => config[engine].length > 0)
    .map((engine) => hints.find((hint) => hint.engine === engine) ?? { engine, address: null, command: null });

const requestsPort = (desk: Desk): ReviewPorts['requests'] => ({
  list: (filter) => desk.list(filter),
  get: (id) => desk.get(id),
  decide: (input) => desk.decide(input),
  may: (request, reviewer) => desk.may(request.id, reviewer) ?? { may: false, text: 'This request is gone.' },
  subscribe: (listener) => desk.subscribe((seq, event, request) => listener(seq, streamType(event), request)),
});

/** As the stream names it. */
const streamType = (event: ApprovalEvent): string =>
  event.type === 'finished' ? (event.outcome.sqlstate === null ? 'executed' : 'failed') : event.type;

/** The last events, for reviewers who come back with a cursor; rebuilt from the log at start. */
class Events {
  readonly #desk: Desk;
  readonly #audit: AuditLog;
  #kept: { readonly seq: number; readonly type: string; readonly id: string }[] = [];
  /** Every event after this sequence number is kept. */
  #floor = 0;

  constructor(desk: Desk, audit: AuditLog) {
    this.#desk = desk;
    this.#audit = audit;
    desk.subscribe((seq, event, request) => this.#keep(seq, streamType(event), request.id));
  }

  async restore(): Promise<void> {
    const restored: { seq: number; event: ApprovalEvent }[] = [];
    for await (const record of this.#audit.read()) {
      const event = fromRecord(record);
      if (!event) continue;
      restored.push({ seq: record.seq, event });
      this.#keep(record.seq, streamType(event), event.type === 'opened' ? event.request.id : event.id);
    }
    await this.#desk.restore(restored);
  }

  since(cursor: number): ReturnType<ReviewPorts['since']> {
    if (cursor < this.#floor || cursor > this.#audit.seq) return null;
    return this.#kept.flatMap(({ seq, type, id }) => {
      const request = seq > cursor ? this.#desk.get(id) : undefined;
      return request ? [{ seq, type, request }] : [];
    });
  }

  #keep(seq: number, type: string, id: string): void {
    this.#kept.push({ seq, type, id });
    if (this.#kept.length <= EVENTS_KEPT_MAX) return;
    this.#kept = this.#kept.slice(EVENTS_KEPT_MAX / 2);
    this.#floor = (this.#kept[0]?.seq ?? 1) - 1;
  }
}

const tellOperator = (log: Log, event: ApprovalEvent, request: Request): void => {
  const line = operatorLine(event, request);
  if (line) log.info(line);
};

const operatorLine = (event: ApprovalEvent, request: Request): RequestLine | null => {
  const { id } = request;
  switch (event.type) {
    case 'opened':
    case 'held':
      return { event: 'held', request: id, who: request.who.id, shape: request.shape, rule: request.rule };
    case 'decided':
      return {
        event: event.decision.decision === 'approve' ? 'approved' : 'denied',
        request: id,
        by: event.decision.by,
        rationale: event.decision.rationale,
      };
    case 'finished': {
      const { tag, sqlstate, bytes, duration_ms } = event.outcome;
      return {
        event: sqlstate === null ? 'ran' : 'failed',
        request: id,
        tag: tag ?? sqlstate ?? '',
        bytes,
        duration_ms,
      };
    }
    case 'expired':
    case 'withdrawn':
    case 'ticket':
      return { event: event.type, request: id };
    case 'released':
    case 'outcome_unknown':
    case 'lapsed':
    case 'impact':
      return null;
  }
};

export const deps: Deps = {
  serve,
  lookAtMysql: (upstream, { user, password }, config) =>
    lookAtMysql({ ...mysqlServer(upstream, config), user, password: password ?? '' }, upstream.upstream.database),
  async readMysqlCatalog(upstream, config) {
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
  },
};

// Tests import `serve` from here; only as the program itself does it run a command.
if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === (await realpath(process.argv[1])))
  await runProgram(deps);
