// The MySQL door alone: a listener in front of a real server, and behind it a plain relay of bytes in the place of a session, or a session that
// a test makes. For tests of who is let in and how; nothing is judged here.
import { createIdentity, type Identity } from '../../src/identity/identity.ts';
import { parseUsers } from '../../src/identity/users.ts';
import {
  listenMysql,
  type MysqlClient,
  type MysqlListener,
  type MysqlListenerOptions,
  type MysqlSession,
} from '../../src/listener/mysql.ts';
import { connectMysql } from '../../src/upstream/mysql/connect.ts';
import { PLAIN } from '../../src/upstream/mysql/kill.ts';
import type { MysqlTarget } from '../../src/upstream/mysql/login.ts';
import type { MysqlServer } from '../../src/session/upstream.ts';

/** With it, `nosuch` is asked for caching_sha2_password where there is a user with each plugin. */
const SECRET = Buffer.alloc(32);

export interface Door {
  readonly port: number;
  readonly listener: MysqlListener;
  readonly identity: Identity;
  /** Clients that were let in, and logins that were not. */
  readonly clients: MysqlClient[];
  readonly refused: { readonly user: string; readonly sqlstate: string }[];
  readonly faults: string[];
  close(): Promise<void>;
}

export interface DoorOptions {
  readonly target: MysqlTarget;
  /** users.yaml: name to verifier. */
  readonly users: Readonly<Record<string, string>>;
  readonly tls?: MysqlListenerOptions['tls'];
  readonly logins?: MysqlListenerOptions['logins'];
  readonly limits?: Partial<MysqlListenerOptions['limits']>;
  /** Makes the session; none: bytes are relayed. */
  readonly begin?: MysqlListenerOptions['begin'];
}

export const targetOf = (
  server: { readonly port: number; readonly user: string; readonly password: string },
  change: Partial<MysqlTarget> = {},
): MysqlTarget => ({
  host: '127.0.0.1',
  port: server.port,
  user: server.user,
  password: server.password,
  tls: { mode: 'disable', ca: null },
  allow_untested_version: false,
  timeout_ms: 10_000,
  keepalive_ms: 60_000,
  ...change,
});

/** What the server says it is. */
export const identify = async (target: MysqlTarget): Promise<MysqlServer> => {
  const upstream = await connectMysql(target, PLAIN);
  upstream.end();
  return upstream.server;
};

export const openDoor = async ({
  target,
  users,
  tls = null,
  logins = [{ user: '*', by: 'verifier' }],
  limits,
  begin,
}: DoorOptions): Promise<Door> => {
  const yaml = JSON.stringify({
    users: Object.entries(users).map(([id, mysql]) => ({ id, kind: 'agent', mysql })),
  });
  const parsed = parseUsers(yaml, { file: '/users.yaml' });
  const identity = createIdentity({ users: () => parsed, reviewers: () => ({}), secret: SECRET });
  const clients: MysqlClient[] = [];
  const refused: Door['refused'] = [];
  const faults: string[] = [];
  const listener = await listenMysql({
    name: 'test',
    listen: { host: '127.0.0.1', port: 0 },
    tls,
    logins,
    identity,
    identify: () => identify(target),
    connect: (_, login) => connectMysql(target, login),
    async begin(client) {
      clients.push(client);
      return begin ? begin(client) : relay(client);
    },
    limits: {
      connections_max: 100,
      login_checks_max: 64,
      login_check_timeout_ms: 5000,
      startup_bytes_max: 10_000,
      startup_timeout_ms: 10_000,
      upstream_connect_timeout_ms: 10_000,
      keepalive_ms: 60_000,
      ...limits,
    },
    async refused({ user, sqlstate }) {
      refused.push({ user, sqlstate });
    },
    fault: (what, error) => void faults.push(`${what} ${error instanceof Error ? error.message : ''}`.trim()),
  });
  return { port: listener.address.port, listener, identity, clients, refused, faults, close: () => listener.close() };
};

const relay = (client: MysqlClient): MysqlSession => {
  const { stream, upstream } = client;
  let over = false;
  const end = (): void => {
    if (over) return;
    over = true;
    upstream.end();
    client.closed();
  };
  return {
    start(early) {
      upstream.listen({ data: (chunk) => void stream.write(chunk), drain: () => {}, closed: end });
      if (early.length > 0) upstream.write(early);
      stream.on('data', (chunk: Buffer) => void upstream.write(chunk));
      stream.on('end', end);
      stream.on('close', end);
      stream.resume();
    },
    kill(whole) {
      if (whole) end();
      else void upstream.cancel();
    },
    close: end,
  };
};
