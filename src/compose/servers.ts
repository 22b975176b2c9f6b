// A guarded server as the configuration has it, in the words of those who connect to it: where it is, and as whom.
import type { Config, MysqlConfig, PostgresConfig } from '../config/config.ts';
import type { Identity } from '../identity/identity.ts';
import type { Login } from '../identity/types.ts';
import type { SessionLogin } from '../session/gate.ts';

/** A session's login as its listener made it: every session has one from there, and carries it whole. */
export const loginOf = (carried: SessionLogin): Login => carried as Login;

/** Where the gateway connects for a login of an agent's, and as whom. Rejects when its credentials can't be had. */
export const target = async (upstream: PostgresConfig, identity: Identity, login: Login, config: Config) => {
  const as =
    upstream.auth === 'relay'
      ? { user: login.user, password: null }
      : ((await identity.upstream(login)) ?? upstream.upstream);
  return { ...server(upstream, config), user: as.user, password: as.password };
};

/** The same. `login` null: for what the server says of itself before anybody logs in. */
export const mysqlTarget = async (upstream: MysqlConfig, identity: Identity, login: Login | null, config: Config) => {
  const as = (login && (await identity.upstream(login))) ?? upstream.upstream;
  return { ...mysqlServer(upstream, config), user: as.user, password: as.password ?? '' };
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
