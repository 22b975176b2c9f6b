#!/usr/bin/env node
// The composition root: with compose/, the only one that knows everyone. Builds the gateway from a configuration, in the order in which
// each part needs the one before; takes it down in the opposite order.
import { existsSync } from 'node:fs';
import { mkdir, realpath } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDesk } from './approval/desk.ts';
import { createPermits } from './approval/permits.ts';
import type { Deps, Running, ServeOptions } from './cli/ports.ts';
import { runProgram } from './cli/program.ts';
import { VERSION } from './cli/version.ts';
import { Catalogs, readMysqlCatalog } from './compose/catalogs.ts';
import { HouseClock } from './compose/clock.ts';
import { Events } from './compose/events.ts';
import type { House } from './compose/house.ts';
import { openLog } from './compose/log.ts';
import { neededTexts } from './compose/needed.ts';
import { introduceMysql, lookAtMysql, mysqlGate, openMysql } from './compose/mysql.ts';
import { tellOfPermit, tellOperator } from './compose/operator.ts';
import { analyseExamples, openPolicy } from './compose/policy.ts';
import { openPostgres, postgresGate } from './compose/postgres.ts';
import { deskOfGates, identityPort, permitsPort, policyPort, requestsPort } from './compose/review.ts';
import { openSameUser } from './compose/same-user.ts';
import { loginOf } from './compose/servers.ts';
import { openSignIn, SIGN_IN_MS } from './compose/sign-in.ts';
import { Tail } from './compose/tail.ts';
import { followTrust } from './compose/trust.ts';
import { openJwt } from './compose/jwt.ts';
import { openDirectory } from './compose/ldap.ts';
import { needs } from './compose/retention.ts';
import { openWebhooks } from './compose/webhooks.ts';
import type { Config, MysqlConfig, PostgresConfig } from './config/config.ts';
import { RuleCounts } from './gate/counts.ts';
import { auditJournal } from './gate/journal.ts';
import { LiveSessions } from './gate/sessions.ts';
import { createIdentity, type Identity } from './identity/identity.ts';
import type { Trust } from './identity/peer.ts';
import { openSecret } from './identity/secret.ts';
import { openUsers } from './identity/users.ts';
import type { Guard } from './review/ports.ts';
import type { Webhooks } from './review/webhooks/webhooks.ts';
import { createReviewServer } from './review/server.ts';
import type { Gate } from './session/gate.ts';
import { MysqlAnalyser } from './sql/mysql/analyser.ts';
import { PostgresAnalyser } from './sql/postgres/analyser.ts';

/** The built page, for the compiled program and for the sources alike. */
const CONSOLE = fileURLToPath(new URL('../dist/console', import.meta.url));

export const serve = async (config: Config, options: ServeOptions): Promise<Running> => {
  const closers: House['closers'] = [];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close();
  };
  try {
    return { ...(await build(config, options, closers)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
};

const build = async (
  config: Config,
  { log, hints, neighbours = false }: ServeOptions,
  closers: House['closers'],
): Promise<Omit<Running, 'stop'>> => {
  const fault = (what: string, error?: unknown): void => log.error({ err: error }, what);
  await mkdir(config.data, { recursive: true, mode: 0o700 });
  const logFolder = join(config.data, 'audit');
  const node = hostname();
  const kept = await openLog({ config, node, version: VERSION, log });
  closers.push(() => kept.close());
  const opened = kept.log;
  const from = opened.seq;
  const tail = config.chat.webhooks.length > 0 ? new Tail(opened) : null;
  const audit = tail?.audit ?? opened;

  const analyser = await PostgresAnalyser.create({
    deadline_ms: config.limits.analysis_timeout_ms,
    cache_bytes_max: config.limits.analysis_cache_bytes_max,
  });
  closers.push(() => analyser.close());
  const mysqlAnalyser = new MysqlAnalyser();
  const analyse = analyseExamples(analyser, mysqlAnalyser);
  // Who may decide is another when users or the policy's groups are.
  let others = (): void => {};
  let told: Events | null = null;
  const policy = await openPolicy(config.policy, {
    mode: config.mode,
    analyse,
    audit,
    log,
    fault,
    onLoaded: () => others(),
    onRecorded: (seq, { path, hash, rules }) =>
      told?.happened({ seq, type: 'policy.loaded', policy: { path, hash, rules } }),
  });
  closers.push(() => policy.close());
  const atStart = policy.current();

  const users = await openUsers(config.identity.users, {
    onReload: () => {
      log.info('users reloaded');
      others();
    },
    onError: (error) => log.error(`the users file has errors; the old users stay in force\n${error.message}`),
  });
  closers.push(() => users.close());
  const ldap = openDirectory(config, log);
  closers.push(async () => ldap?.close());
  const jwt = await openJwt({ config, identity: () => identity, log });
  const identity: Identity = createIdentity({
    users: () => users.current(),
    reviewers: () => policy.current().reviewers,
    secret: await openSecret(join(config.data, 'login.secret')),
    map: config.identity.map,
    ...(jwt && { stillGood: (entry) => jwt.stillGood(entry) }),
    changed: () => others(),
    checkers: [ldap, jwt].flatMap((source) => (source === null ? [] : [source.checker])),
    lookups: ldap === null ? [] : [ldap.lookup],
  });

  let present: readonly string[] = [];
  const journal = auditJournal(audit);
  const { directory } = identity;
  const clock = new HouseClock();
  const permits = createPermits({ journal, clock, directory });
  const desk = createDesk({
    journal,
    clock,
    directory,
    permits,
    tag: (digest) => audit.tag(digest),
    requests_open_per_principal_max: config.limits.requests_open_per_principal_max,
    unsponsored: config.identity.unsponsored,
    present: () => present,
  });
  closers.push(() => desk.close());
  others = () => desk.presence();
  const events = new Events(desk, permits, audit);
  told = events;
  const counts = new RuleCounts();
  const sessions = new LiveSessions((seq, type, session) => events.happened({ seq, type, session }));
  await events.restore();
  desk.subscribe((_, event, request) => tellOperator(log, event, request));
  permits.subscribe((_, event, permit) => tellOfPermit(log, event, permit));

  const catalogs = new Catalogs(config, log);
  closers.push(() => catalogs.close());
  await Promise.all([catalogs.introduce(), ...config.mysql.map((upstream) => introduceMysql(upstream, config, log))]);

  let reviewUrl: string | null = config.review.url;
  const house: House = {
    config,
    node,
    audit,
    identity,
    catalogs,
    fault,
    proved: neighbours ? openSameUser(config.data, log) : undefined,
    closers,
    gate: {
      policy: () => policy.current(),
      desk: deskOfGates(desk),
      permits,
      audit,
      notShipped: () => kept.shipping.behind,
      now: () => clock.now(),
      allowed: config.audit.allowed,
      who: (login) => identity.principal(loginOf(login)),
      token: (login) => loginOf(login).entry?.token?.id ?? null,
      isGood: (login) => identity.isGood(loginOf(login)),
      console: () => reviewUrl,
      held_bytes_max: config.limits.held_bytes_max,
      counts,
      sessions,
      analysis_ms_per_s_max: config.limits.analysis_ms_per_s_max,
      fault,
    },
  };
  const gates = new Map<string, Gate>();
  closers.push(async () => {
    for (const gate of gates.values()) await gate.close();
  });
  for (const upstream of config.postgres) gates.set(upstream.name, postgresGate(upstream, analyser, house));
  for (const upstream of config.mysql) gates.set(upstream.name, mysqlGate(upstream, mysqlAnalyser, house));

  let origins: () => ReadonlySet<string> = () => new Set();
  const signIn = await openSignIn({
    config,
    users: () => users.current(),
    identity,
    others: ldap === null ? [] : [ldap.checker],
    origins: () => origins(),
    log,
    audit,
    closers,
  });
  const review = await createReviewServer(
    {
      identity: identityPort(identity, signIn),
      requests: requestsPort(desk, identity.directory, gates),
      permits: permitsPort(permits),
      sessions,
      tokens: jwt?.tokens ?? null,
      audit,
      evidence: kept.evidence,
      events,
      policy: policyPort(() => policy.current(), counts),
      guards: guardsOf(config, hints),
      mode: config.mode,
      now: () => clock.now(),
      environment: (config.postgres[0] ?? config.mysql[0])?.tags['env'] ?? 'production',
      present: (reviewers) => {
        present = reviewers;
        desk.presence();
      },
    },
    {
      listen: config.review.listen,
      url: config.review.url,
      tls: config.review.tls,
      secure: config.review.tls !== null || (config.review.url?.startsWith('https:') ?? false),
      console_dir: existsSync(CONSOLE) ? CONSOLE : null,
      session_ttl_ms: SIGN_IN_MS,
      decisions_per_minute_max: config.limits.decisions_per_minute_max,
      version: VERSION,
    },
  );
  origins = () => review.origins;
  closers.push(() => review.close());
  const url =
    config.review.url ?? `${config.review.tls ? 'https' : 'http'}://${review.address.host}:${review.address.port}`;
  reviewUrl = url;
  let hooks: Webhooks | null = null;
  if (tail) {
    const webhooks = (hooks = await openWebhooks({ config, tail, from, log, version: VERSION, console: () => url }));
    closers.push(() => webhooks.close());
  }
  kept.retain({
    needed: needs(desk, permits, () => hooks?.health() ?? []),
    facts: () => ({ policy: policy.current().hash }),
  });

  const follow = ({ name, tls }: PostgresConfig | MysqlConfig, listener: { trust(trust: Trust): void }): void => {
    if (tls?.clients) closers.push(followTrust(tls.clients, (trust) => listener.trust(trust), { name, log }));
  };
  const postgres: Running['postgres'][number][] = [];
  for (const upstream of config.postgres) {
    const listener = await openPostgres(upstream, gates.get(upstream.name) as Gate, house);
    closers.push(() => listener.close());
    follow(upstream, listener);
    postgres.push({ name: upstream.name, listen: listener.address });
  }
  const mysql: Running['mysql'][number][] = [];
  for (const upstream of config.mysql) {
    const listener = await openMysql(upstream, gates.get(upstream.name) as Gate, house);
    closers.push(() => listener.close());
    follow(upstream, listener);
    mysql.push({ name: upstream.name, listen: listener.address });
  }
  return {
    postgres,
    mysql,
    review: { listen: review.address, url },
    policy: atStart,
    log: logFolder,
    oneTime: (user) => identity.issueOneTime(user),
  };
};

/** One of each engine that is guarded. */
const guardsOf = (config: Config, hints: readonly Guard[]): readonly Guard[] =>
  (['postgres', 'mysql'] as const)
    .filter((engine) => config[engine].length > 0)
    .map((engine) => hints.find((hint) => hint.engine === engine) ?? { engine, address: null, command: null });

export const deps: Deps = { serve, lookAtMysql, readMysqlCatalog, neededTexts };

// Tests import `serve` from here; only as the program itself does it run a command.
if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === (await realpath(process.argv[1])))
  await runProgram(deps);
