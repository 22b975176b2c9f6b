// A guarded server as the configuration has it, in the words of those who connect to it: where it is, and as whom.
import type { Config, MysqlConfig, PostgresConfig } from '../config/config.ts';
import { NoCredential } from '../identity/credentials.ts';
import type { Identity } from '../identity/identity.ts';
import type { Login } from '../identity/types.ts';
import type { SessionLogin } from '../session/gate.ts';
import { wasRefused } from '../upstream/refused.ts';

/** A session's login as its listener made it: every session has one from there, and carries it whole. */
export const loginOf = (carried: SessionLogin): Login => carried as Login;

/** Where the gateway connects for a login of an agent's, and as whom. Rejects NoCredential when its credentials can't be had. */
export const target = async (upstream: PostgresConfig, identity: Identity, login: Login, config: Config) => {
  const as =
    upstream.auth === 'relay'
      ? { user: login.user, password: null }
      : ((await identity.upstream(login)) ?? upstream.upstream);
  const { host, port, tls, timeout_ms, keepalive_ms } = server(upstream, config);
  // One by one, as each session keeps it: a copy with more than was there would have a shape of its own, which is bigger than it.
  return { host, port, tls, timeout_ms, keepalive_ms, user: as.user, password: as.password };
};

/** The same. `login` null: for what the server says of itself before anybody logs in. */
export const mysqlTarget = async (upstream: MysqlConfig, identity: Identity, login: Login | null, config: Config) => {
  const as = (login && (await identity.upstream(login))) ?? upstream.upstream;
  const { host, port, tls, timeout_ms, keepalive_ms, allow_untested_version } = mysqlServer(upstream, config);
  const { user } = as;
  return { host, port, tls, timeout_ms, keepalive_ms, allow_untested_version, user, password: as.password ?? '' };
};

/** The role that its sessions begin with; no credential is needed for that. */
export const upstreamUser = (upstream: PostgresConfig | MysqlConfig, identity: Identity, login: Login): string => {
  if ('auth' in upstream && upstream.auth === 'relay') return login.user;
  return identity.upstreamUser(login) ?? upstream.upstream.user;
};

/** Connects, and once more where the server has refused a password that may be another one by now. */
export const connectAs = async <Target extends { readonly password: string | null }, Line>(
  identity: Identity,
  login: Login,
  {
    to,
    connect,
    without,
  }: {
    readonly to: () => Promise<Target>;
    readonly connect: (to: Target) => Promise<Line>;
    /** What the client is told, and the log, where there is no password. */
    readonly without: (why: Error) => Error;
  },
): Promise<Line> => {
  const known = async (): Promise<Target> => {
    try {
      return await to();
    } catch (error) {
      throw error instanceof NoCredential ? without(error) : error;
    }
  };
  const first = await known();
  try {
    return await connect(first);
  } catch (error) {
    if (!wasRefused(error) || !identity.upstreamRefused(login, first.password)) throw error;
    const second = await known();
    if (second.password === first.password) throw error;
    return connect(second);
  }
};

export const mysqlServer = (upstream: MysqlConfig, config: Config) => ({
  ...server(upstream, config),
  allow_untested_version: upstream.allow_untested_version,
});

export const server = (upstream: PostgresConfig | MysqlConfig, config: Config) => {
  const { host, port } = upstream.upstream;
  return {
    host,
    port,
    tls: upstream.upstream_tls,
    timeout_ms: config.limits.upstream_connect_timeout_ms,
    keepalive_ms: config.limits.keepalive_ms,
  };
};

/** Who reads its catalog; null: nobody. */
export const catalogLogin = ({ catalog, upstream }: PostgresConfig | MysqlConfig) => {
  const login = catalog ?? upstream;
  return login === 'none' || login.user === '' ? null : { user: login.user, password: login.password };
};
