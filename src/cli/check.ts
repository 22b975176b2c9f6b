// `holdpoint check`: a doctor. Looks at the configuration and at everything it points to, changes nothing, and says of each finding what to
// do. Logs in to the guarded server by itself, as the gateway's role, and runs only catalog reads.
import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import { Command } from 'commander';
import pg from 'pg';
import {
  type Config,
  ConfigError,
  isLoopback,
  loadConfig,
  OBSERVING,
  type MysqlConfig,
  type PostgresConfig,
} from '../config/config.ts';
import { createCredentials, type Login } from '../identity/credentials.ts';
import { readSameUser, SAME_USER_FILE } from '../identity/same-user.ts';
import { openUsers } from '../identity/users.ts';
import { loadPolicy } from '../policy/load.ts';
import { READING } from '../sql/postgres/catalog/reading.ts';
import { red } from '../telemetry/colour.ts';
import { checkMasterKey } from './check-audit.ts';
import { aroundMysql, aroundPostgres, hbaRules, listed, type MysqlWays } from './check-around.ts';
import { checkCertificates, checkPeers } from './check-certificates.ts';
import { checkSources } from './check-identity.ts';
import { checkShip } from './check-ship.ts';
import { checkSignIn } from './check-sign-in.ts';
import { checkStepUp } from './check-step-up.ts';
import { tooFew } from './enough.ts';
import { EXIT } from './failure.ts';
import type { Deps, MysqlLook } from './ports.ts';

export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail';
  /** What was looked at. */
  readonly about: string;
  /** What is, and for warn and fail what to do. */
  readonly text: string;
}

/** What the gateway connects to; src/upstream/postgres/connect.ts refuses any other server. */
const MAJOR_MIN = 15;
const MAJOR_MAX = 18;
const ENCODINGS = ['UTF8', 'SQL_ASCII'];
const DISK_FREE_BYTES_MIN = 1e9;
const CLOCK_SKEW_MS_MAX = 2000;
const CONNECT_TIMEOUT_MS = 10_000;

/** Memberships that reach beyond the database, past any policy on statements. */
const TOO_POWERFUL = ['pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'];

const LOOK = `
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int / 10000 AS major,
       current_setting('server_encoding') AS encoding,
       extract(epoch FROM clock_timestamp()) * 1000 AS clock_ms,
       r.rolsuper AS superuser, r.rolbypassrls AS bypassrls, r.rolcreaterole AS createrole, r.rolreplication AS replication,
       current_setting('listen_addresses') AS listens,
       ARRAY(SELECT a.rolname::text FROM pg_roles AS a WHERE a.rolcanlogin AND a.rolname = ANY ($2) ORDER BY 1) AS agents,
       ARRAY(SELECT g.rolname::text FROM pg_roles AS g
              WHERE g.rolname = ANY ($1) AND pg_has_role(r.oid, g.oid, 'MEMBER') AND NOT r.rolsuper) AS memberships
  FROM pg_roles AS r
 WHERE r.rolname = session_user`;

interface ServerFacts {
  readonly version: string;
  readonly major: number;
  readonly encoding: string;
  readonly clock_ms: string;
  readonly superuser: boolean;
  readonly bypassrls: boolean;
  readonly createrole: boolean;
  readonly replication: boolean;
  readonly memberships: readonly string[];
  readonly listens: string;
  /** Names of agents that are roles which may log in. */
  readonly agents: readonly string[];
}

export function checkCommand(deps: LookDeps): Command {
  return new Command('check')
    .description('look for what is wrong: configuration, policy, users, folders, servers')
    .option('--config <file>', 'configuration', 'holdpoint.yaml')
    .option('--json', 'one JSON object per finding')
    .addHelpText('after', '\nExit status: 0 nothing failed (there may be warnings), 1 something failed.')
    .action(async (options: { config: string; json?: true }) => {
      const findings = await check(options.config, deps);
      process.stdout.write(findings.map(options.json ? (one) => `${JSON.stringify(one)}\n` : line).join(''));
      process.exitCode = findings.some(({ level }) => level === 'fail') ? EXIT.failed : EXIT.ok;
    });
}

/** How MySQL servers are looked at. */
type LookDeps = Pick<Deps, 'lookAtMysql' | 'readMysqlCatalog'>;

/** All findings, in the order to read and mend them. Rejects never for what it looks at. */
export async function check(path: string, deps: LookDeps): Promise<Finding[]> {
  let config: Config;
  try {
    config = await loadConfig(path);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((text) => ({ level: 'fail', about: 'config', text }));
  }
  const own = await ownLogins(config);
  return [
    { level: 'ok', about: 'config', text: path },
    ...modeOf(config),
    ...(await policy(config)),
    ...(await users(config)),
    ...(await quorums(config)),
    ...(await stepUps(config)),
    ...(await checkSignIn(config)),
    ...own.missing.map((text) => ({ level: 'fail' as const, about: 'upstream', text })),
    ...(await checkSources(config)),
    ...checkCertificates(config),
    ...(await checkPeers(config)),
    ...(await data(config)),
    await checkMasterKey(config),
    ...(await neighbours(config)),
    ...exposure(config),
    ...webhooks(config),
    ...(await checkShip(config)),
    ...(
      await Promise.all([
        ...config.postgres.map((listener) => server(listener, own)),
        ...config.mysql.map((listener) => mysqlServer(listener, config, deps, own)),
      ])
    ).flat(),
  ];
}

function modeOf(config: Config): Finding[] {
  return config.mode === 'observe' ? [{ level: 'warn', about: 'mode', text: OBSERVING }] : [];
}

async function policy(config: Config): Promise<Finding[]> {
  const loaded = await loadPolicy(config.policy);
  if ('errors' in loaded) {
    return loaded.errors.map((error) => ({
      level: 'fail',
      about: 'policy',
      text: `${error.path}:${error.line}:${error.column}: ${error.message}`,
    }));
  }
  const text = `${loaded.policy.rules} rules, hash ${loaded.policy.hash.slice(0, 8)}; 'holdpoint policy test' runs their examples`;
  return [{ level: 'ok', about: 'policy', text }];
}

async function users(config: Config): Promise<Finding[]> {
  try {
    const file = await openUsers(config.identity.users);
    file.close();
    const { all } = file.current();
    const reviewers = all.filter(({ roles }) => roles.includes('reviewer')).length;
    const orphans = all.filter(({ kind, sponsor }) => kind === 'agent' && sponsor === null).map(({ id }) => id);
    const readable = ((await stat(config.identity.users)).mode & 0o077) !== 0;
    return [
      reviewers === 0
        ? {
            level: 'warn',
            about: 'users',
            text: "nobody is a reviewer, so nothing held can be approved: 'holdpoint user add'",
          }
        : { level: 'ok', about: 'users', text: `${all.length}, ${reviewers} of them reviewers` },
      ...(orphans.length > 0 && config.identity.unsponsored === 'refuse'
        ? [
            {
              level: 'warn' as const,
              about: 'users',
              text: `no sponsor, so nothing of theirs can be approved: ${orphans.join(', ')}`,
            },
          ]
        : []),
      ...(readable
        ? [
            {
              level: 'warn' as const,
              about: 'users',
              text: `others can read ${config.identity.users}: chmod 600 ${config.identity.users}`,
            },
          ]
        : []),
    ];
  } catch (error) {
    return [{ level: 'fail', about: 'users', text: message(error) }];
  }
}

/** What is wrong with either file is told by the two before. */
async function quorums(config: Config): Promise<Finding[]> {
  const loaded = await loadPolicy(config.policy);
  const file = await openUsers(config.identity.users).catch(() => null);
  file?.close();
  if ('errors' in loaded || !file?.current().all.some(({ roles }) => roles.includes('reviewer'))) return [];
  return tooFew(loaded.policy, file.current()).map((text) => ({ level: 'warn', about: 'policy', text }));
}

async function stepUps({ policy: file, identity: { oidc } }: Config): Promise<Finding[]> {
  const loaded = await loadPolicy(file);
  return 'errors' in loaded ? [] : checkStepUp(loaded.policy, oidc);
}

async function data(config: Config): Promise<Finding[]> {
  try {
    const there = await stat(config.data).catch(() => null);
    const folder = there === null ? dirname(config.data) : config.data;
    await access(folder, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    const gigabytes = `${(free / 1e9).toFixed(1)} GB free`;
    const open = there !== null && (there.mode & 0o077) !== 0;
    return [
      ...(open
        ? [{ level: 'warn' as const, about: 'data', text: `others can look into ${folder}: chmod 700 ${folder}` }]
        : []),
      free < DISK_FREE_BYTES_MIN
        ? {
            level: 'warn',
            about: 'data',
            text: `${gigabytes} in ${folder}; when the log can't be written nothing is let through`,
          }
        : { level: 'ok', about: 'data', text: `${config.data}, ${gigabytes}` },
    ];
  } catch (error) {
    return [{ level: 'fail', about: 'data', text: `${config.data} can't be written: ${message(error)}` }];
  }
}

/** What the running gateway has seen: from here no login can be. */
async function neighbours({ data: folder }: Config): Promise<Finding[]> {
  const seen = [...(await readSameUser(join(folder, SAME_USER_FILE)))];
  if (seen.length === 0) return [];
  const last = new Date(Math.max(...seen.map(([, at]) => at))).toISOString();
  const text = `under the gateway's own OS user, who could read its keys and files, ran ${listed(seen.map(([user]) => user))} (last seen ${last}): run agents as another user, best on another machine`;
  return [{ level: 'warn', about: 'agents', text }];
}

/** Ends of connections that others on the network could read. */
function exposure(config: Config): Finding[] {
  const agents = [...config.postgres, ...config.mysql].filter(
    ({ listen, tls }) => !isLoopback(listen.host) && tls === null,
  );
  const found = agents.map(({ name, listen }) => ({
    level: 'warn' as const,
    about: name,
    text: `agents connect to ${listen.host}:${listen.port} without TLS; set tls, or listen on 127.0.0.1`,
  }));
  const { listen, tls, url } = config.review;
  if (isLoopback(listen.host) || tls !== null || url?.startsWith('https:')) return found;
  return [
    ...found,
    {
      level: 'warn',
      about: 'review',
      text: `reviewers sign in at ${listen.host}:${listen.port} without TLS; set tls, or put an https proxy before it and set url`,
    },
  ];
}

/** Nothing is sent to try them: receivers act on what they get. */
function webhooks({ chat }: Config): Finding[] {
  return chat.webhooks.map(({ name, url, events, text }) => ({
    level: 'ok',
    about: 'webhooks',
    text: `${name} gets ${events.includes('*') ? 'all events' : events.join(', ')} at ${new URL(url).origin}${text ? ', with statements and parameters' : ''}; not tried`,
  }));
}

const RELAY =
  "auth: relay is for demos: agents log in with the server's own passwords, and whoever reaches the gateway may try them";

/** The listener's own login, and those that agents have instead. */
async function server(config: PostgresConfig, own: Own): Promise<Finding[]> {
  if (config.auth !== 'relay') {
    const logins = [config.upstream, ...own.logins];
    const found = await Promise.all(
      logins.map((login) => look({ ...config, upstream: { ...config.upstream, ...login } }, own)),
    );
    return [...new Map(found.flat().map((finding) => [finding.text, finding])).values()];
  }
  const { name: about, upstream } = config;
  const unseen = 'the server was not looked at: upstream names no user to log in as, and relay needs none';
  return [
    { level: 'warn', about, text: RELAY },
    ...(upstream.user === '' ? [{ level: 'warn' as const, about, text: unseen }] : await look(config, own)),
  ];
}

/** What users.yaml and identity.map say of logins on the guarded servers. */
interface Own {
  readonly logins: readonly Login[];
  /** What has no password now. */
  readonly missing: readonly string[];
  /** Ids of agents in users.yaml. */
  readonly agents: readonly string[];
}

async function ownLogins({ identity }: Config): Promise<Own> {
  const file = await openUsers(identity.users).catch(() => null);
  file?.close();
  // A file with errors is told already, as a finding about the users.
  const own = [
    ...(file?.current().all.flatMap(({ id, upstream }) => (upstream ? [{ of: id, upstream }] : [])) ?? []),
    ...identity.map.flatMap(({ as }, i) => (as.upstream ? [{ of: `identity.map[${i}]`, upstream: as.upstream }] : [])),
  ];
  const credentials = createCredentials();
  const got = await Promise.allSettled(own.map(({ of, upstream }) => credentials.get(of, upstream)));
  return {
    logins: got.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
    agents: file?.current().all.flatMap(({ id, kind }) => (kind === 'agent' ? [id] : [])) ?? [],
    missing: got.flatMap((one, i) => (one.status === 'rejected' ? [`${own[i]?.of}: ${message(one.reason)}`] : [])),
  };
}

async function look(config: PostgresConfig, own: Own): Promise<Finding[]> {
  const { host, port, user, database } = config.upstream;
  const about = config.name;
  const [client, other] = [connection(config), connection(config)];
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => {});
    return [{ level: 'fail', about, text: `${user}@${host}:${port}/${database}: ${message(error)}` }];
  }
  try {
    const { rows } = await client.query<ServerFacts>(LOOK, [TOO_POWERFUL, own.agents]);
    const [facts] = rows;
    if (facts === undefined) return [{ level: 'fail', about, text: `role ${user} is not in pg_roles` }];
    await other.connect();
    return [
      ...judge(config, facts),
      ...aroundPostgres(config, {
        ...facts,
        known: own.agents,
        rules: await hbaRules(async (sql) => (await client.query<object>(sql)).rows),
      }),
      ...((await shareBackends(client, other)) ? [{ ...POOLER, about }] : []),
      ...(await catalog(config)),
    ];
  } catch (error) {
    return [{ level: 'fail', about, text: message(error) }];
  } finally {
    await Promise.all([client.end(), other.end().catch(() => {})]);
  }
}

/** What the gateway sees of what users made in the database, and what not. */
async function catalog(config: PostgresConfig): Promise<Finding[]> {
  const { name: about, catalog: login = config.upstream, upstream } = config;
  if (login === 'none')
    return [
      {
        level: 'warn',
        about,
        text: 'catalog: none; functions, operators and types that users made are unknown, and held',
      },
    ];
  const client = connection({ ...config, upstream: { ...upstream, user: login.user, password: login.password } });
  const where = `the catalog of ${upstream.database}, as ${login.user}`;
  try {
    await client.connect();
    await client.query('SET search_path = pg_catalog');
    const { rows } = await client.query<Record<string, string>>(READING.rows);
    const [answer = ''] = Object.values(rows[0] ?? {});
    const seen = READING.describe(READING.make(answer));
    return [{ level: 'ok', about, text: `${where}: ${seen}; ${bound(READING.fresh_ms)}` }];
  } catch (error) {
    return [
      {
        level: 'warn',
        about,
        text: `${where}, can not be read: ${message(error)}; whatever names a table there is held`,
      },
    ];
  } finally {
    await client.end().catch(() => {});
  }
}

const POOLER = {
  level: 'fail',
  text: 'a pooler gives a session more than one backend of the server, so nothing the gateway knows of a session holds; connect to the server itself, or to a pooler in session mode',
} as const;

function connection(config: PostgresConfig): pg.Client {
  const { host, port, user, password, database } = config.upstream;
  const client = new pg.Client({
    host,
    port,
    user,
    database,
    password: password ?? '',
    ssl: tlsOptions(config),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: CONNECT_TIMEOUT_MS,
    application_name: 'holdpoint check',
  });
  client.on('error', () => {});
  return client;
}

/** Whether the backend of one connection's transaction may serve another's next. */
async function shareBackends(one: pg.Client, two: pg.Client): Promise<boolean> {
  const backend = async (client: pg.Client): Promise<number | undefined> =>
    (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid;
  const first = await backend(one);
  // In a transaction, so that a pooler must keep it there.
  await two.query('BEGIN');
  return (await backend(two)) === first || (await backend(one)) !== first;
}

function judge(config: PostgresConfig, facts: ServerFacts): Finding[] {
  const { host, port, user, database } = config.upstream;
  const about = config.name;
  const powers = [
    facts.superuser ? 'SUPERUSER' : '',
    facts.bypassrls && !facts.superuser ? 'BYPASSRLS' : '',
    facts.createrole && !facts.superuser ? 'CREATEROLE' : '',
    facts.replication && !facts.superuser ? 'REPLICATION' : '',
    ...facts.memberships,
  ].filter((power) => power !== '');
  const found: Finding[] = [
    { level: 'ok', about, text: `${user}@${host}:${port}/${database}, PostgreSQL ${facts.version}` },
  ];
  if (facts.major < MAJOR_MIN || facts.major > MAJOR_MAX)
    found.push({
      level: 'fail',
      about,
      text: `PostgreSQL ${facts.version} is not one of ${MAJOR_MIN} to ${MAJOR_MAX}; the gateway does not connect to it`,
    });
  if (!ENCODINGS.includes(facts.encoding))
    found.push({
      level: 'fail',
      about,
      text: `server_encoding is ${facts.encoding}; the gateway connects to ${ENCODINGS.join(' and ')} only`,
    });
  if (powers.length > 0) {
    found.push({
      level: 'warn',
      about,
      text: `role ${user} is too powerful (${powers.join(', ')}); give the gateway a role with the agents' rights only`,
    });
  }
  return [...found, ...wayTo(config), ...clock(about, Number(facts.clock_ms))];
}

/** Who could listen, or pose as the server. */
function wayTo({ name: about, upstream: { host }, upstream_tls: { mode } }: PostgresConfig | MysqlConfig): Finding[] {
  if (mode === 'disable' && !isLoopback(host))
    return [
      { level: 'warn', about, text: `the connection to ${host} has no TLS; set upstream_tls: {mode: verify-full}` },
    ];
  if (mode === 'require')
    return [{ level: 'warn', about, text: `any server may pose as ${host} (upstream_tls require); use verify-full` }];
  return [];
}

function clock(about: string, clock_ms: number): Finding[] {
  const skew_ms = Math.abs(clock_ms - Date.now());
  if (skew_ms <= CLOCK_SKEW_MS_MAX) return [];
  const text = `the server's clock and this one differ by ${(skew_ms / 1000).toFixed(1)} s; records and deadlines use this one`;
  return [{ level: 'warn', about, text }];
}

/** The listener's own login, and those that agents have instead. */
async function mysqlServer(listener: MysqlConfig, config: Config, deps: LookDeps, own: Own): Promise<Finding[]> {
  const logins = [listener.upstream, ...own.logins];
  const ways = { agents: own.agents, own: logins.map(({ user }) => user) };
  const found = await Promise.all(
    logins.map(async (login) =>
      judgeMysql(listener, login.user, await deps.lookAtMysql(listener, login, config), ways),
    ),
  );
  const here = found.flat();
  const [first] = here;
  if (first?.level === 'ok') here.push(await mysqlCatalog(listener, config, deps));
  return [...new Map(here.map((finding) => [finding.text, finding])).values()];
}

/** What the gateway sees of what users made on the server, and what not. */
async function mysqlCatalog(listener: MysqlConfig, config: Config, deps: LookDeps): Promise<Finding> {
  const about = listener.name;
  const read = await deps.readMysqlCatalog(listener, config);
  if (read === null)
    return {
      level: 'warn',
      about,
      text: 'catalog: none; functions and procedures that users made are unknown, and held',
    };
  const { user, seen, why, fresh_ms } = read;
  const where = `the catalog, as ${user}`;
  return seen === null
    ? { level: 'warn', about, text: `${where}, can not be read: ${why}; whatever names a table there is held` }
    : { level: 'ok', about, text: `${where}: ${seen}; ${bound(fresh_ms)}` };
}

const bound = (fresh_ms: number): string =>
  `changes are seen within ${fresh_ms / 1000} s, and until then a statement may be judged by what was there`;

function judgeMysql(listener: MysqlConfig, user: string, seen: MysqlLook, ways: MysqlWays): Finding[] {
  const { name: about, upstream, allow_untested_version } = listener;
  const { host, port, database } = upstream;
  const who = `${user}@${host}:${port}${database === '' ? '' : `/${database}`}`;
  if (seen.failed !== null) return [{ level: 'fail', about, text: `${who}: ${seen.failed}` }];
  const { server: name, beyond, powers, system_tables, clock_ms } = seen;
  const rights = `give the gateway an account with the agents' rights, in the databases that are guarded only`;
  const found: Finding[] = [{ level: 'ok', about, text: `${who}, ${name}` }];
  if (beyond !== null)
    found.push(
      allow_untested_version
        ? { level: 'warn', about, text: `${name} is not ${beyond}: its SQL may mean what nobody has tried` }
        : {
            level: 'fail',
            about,
            text: `${name} is not ${beyond}; the gateway does not connect to it without allow_untested_version: true`,
          },
    );
  if (powers.length > 0)
    found.push({ level: 'warn', about, text: `account ${user} has rights on *.* (${listed(powers)}); ${rights}` });
  if (system_tables)
    found.push({ level: 'warn', about, text: `account ${user} has rights in the database mysql; ${rights}` });
  return [...found, ...aroundMysql(listener, user, seen, ways), ...wayTo(listener), ...clock(about, clock_ms)];
}

function tlsOptions({ upstream_tls, upstream }: PostgresConfig): false | ConnectionOptions {
  const { mode, ca } = upstream_tls;
  if (mode === 'disable') return false;
  return {
    ...(ca === null ? {} : { ca }),
    rejectUnauthorized: mode !== 'require',
    checkServerIdentity: (name, certificate) =>
      mode === 'verify-full' ? checkServerIdentity(upstream.host || name, certificate) : undefined,
  };
}

function message(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return message(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}

function line({ level, about, text }: Finding): string {
  const plain = `${level.padEnd(4)}  ${about.padEnd(8)}  ${text}`;
  return `${level === 'fail' || about === 'mode' ? red(plain) : plain}\n`;
}
