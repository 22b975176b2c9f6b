// A guarded server as the configuration has it, in the words of those who connect to it: where it is, and as whom.
import type { Config, MysqlConfig, PostgresConfig } from '../config/config.ts';
import type { Identity } from '../identity/identity.ts';

/** Where the gateway connects for whoever logged in as `user`, and as whom. */
export const target = (upstream: PostgresConfig, identity: Identity, user: string, config: Config) => {
  const login = upstream.auth === 'relay' ? { user, password: null } : (identity.upstream(user) ?? upstream.upstream);
  return { ...server(upstream, config), user: login.user, password: login.password };
};

/** `user` null: for what the server says of itself before anybody logs in. */
export const mysqlTarget = (upstream: MysqlConfig, identity: Identity, user: string | null, config: Config) => {
  const login = (user === null ? null : identity.upstream(user)) ?? upstream.upstream;
  return { ...mysqlServer(upstream, config), user: login.user, password: login.password ?? '' };
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
