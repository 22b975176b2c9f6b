// What a login over LDAP costs, against a real slapd with ten thousand users over TLS: search, bind, and groups of groups, on connections that
// lie ready. And five hundred logins at once while the directory hangs: each is answered within its time, and an open session notices nothing.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LdapConfig } from '../src/config/ldap.ts';
import { type Ldap, openLdap } from '../src/identity/ldap/ldap.ts';
import { query } from '../src/wire/postgres/messages.ts';
import { makeAuthority } from '../test/real/certificates.ts';
import { writeGateway } from '../test/real/gateway.ts';
import { message, Raw, sqlstate, startup } from '../test/real/raw.ts';
import { startServer } from '../test/real/servers.ts';
import { GROUPS, passwordOf, PEOPLE, SERVICE, type Slapd, startSlapd } from '../test/real/slapd.ts';
import { each } from './agents.ts';
import { cpuOf, median, stop, weighed } from './peers.ts';

const USERS = 10_000;
const LOGINS = Number(process.env['HOLDPOINT_BENCH_LOGINS'] ?? 2000);
const ROUNDS = Number(process.env['HOLDPOINT_BENCH_ROUNDS'] ?? 5);
const AT_ONCE = [1, 16, 56];
const HANGING_LOGINS = 500;
/** What must hold: beyond the time limit a login is never answered, but for what a busy machine adds. */
const LATE_MS_MAX = 500;
const KB_A_LOGIN_MAX = 200;
/** Shorter than the directory is waited for. */
const MEASURED_MS = 2000;

interface Figures {
  readonly logins_s: number;
  readonly cpu_ms: number;
  readonly slapd_ms: number;
}

const main = async (): Promise<void> => {
  console.log(
    `Node ${process.version}, slapd with ${USERS} users, ldaps, search-then-bind, groups of groups by member`,
  );
  const slapd = await startSlapd({ users: USERS });
  try {
    await loggingIn(slapd);
    await hanging(slapd);
  } finally {
    await slapd.remove();
  }
};

const loggingIn = async (slapd: Slapd): Promise<void> => {
  console.log(`\n${ROUNDS} rounds of ${LOGINS} logins, medians; CPU in ms for each login\n`);
  console.log('| at once | logins/s | CPU, ours | CPU, slapd |\n|---|---|---|---|');
  const ldap = openLdap(configOf(slapd));
  // What the first ones compile and connect is nobody's in particular.
  await round(ldap, slapd, AT_ONCE.at(-1) ?? 1, LOGINS);
  for (const at_once of AT_ONCE) {
    const rounds: Figures[] = [];
    for (let i = 0; i < ROUNDS; i++) rounds.push(await round(ldap, slapd, at_once, LOGINS));
    const of = (name: keyof Figures): number => median(rounds.map((figures) => figures[name]));
    console.log(
      `| ${at_once} | ${of('logins_s').toFixed(0)} | ${of('cpu_ms').toFixed(2)} | ${of('slapd_ms').toFixed(2)} |`,
    );
  }
  ldap.close();
};

const round = async (ldap: Ldap, slapd: Slapd, at_once: number, count: number): Promise<Figures> => {
  let next = 0;
  const cpu = process.cpuUsage();
  const slapd_us = cpuOf({ child: null, pid: slapd.pid });
  const began = performance.now();
  const one = async (): Promise<void> => {
    while (next < count) {
      const uid = `user${(next++ * 7919) % USERS}`;
      const entry = await ldap.checker.check(uid, Buffer.from(passwordOf(uid)));
      if (entry?.groups.length !== 2) throw new Error(`${uid} was let in as ${JSON.stringify(entry)}`);
    }
  };
  await Promise.all(Array.from({ length: at_once }, one));
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const slapd_spent = cpuOf({ child: null, pid: slapd.pid }) - slapd_us;
  return { logins_s: count / seconds, cpu_ms: (user + system) / 1000 / count, slapd_ms: slapd_spent / 1000 / count };
};

/** Through a whole gateway before a real server: what an open session feels of it, and what each login costs. */
const hanging = async (slapd: Slapd): Promise<void> => {
  const server = await startServer(15);
  const dir = await mkdtemp(join(tmpdir(), 'holdpoint-bench-'));
  const house = await makeAuthority(dir, 'house');
  const { ca: _, servers: __, bind: ___, ...rest } = configOf(slapd);
  const limits = `${rest.operation_timeout_ms} ms for an answer, ${rest.timeout_ms} ms for a login`;
  await writeFile(join(dir, 'password'), SERVICE.password, { mode: 0o600 });
  const ldap = {
    ...rest,
    servers: [slapd.ldaps],
    ca: slapd.authority.cert,
    bind: { dn: SERVICE.dn, password: `file:${join(dir, 'password')}` },
  };
  const map = [{ from: 'ldap', as: { kind: 'agent', sponsor: 'ada' } }];
  const written = await writeGateway({
    upstream: server.url,
    listener: { tls: await house.issue('gateway', ['DNS:localhost']), logins: [{ by: ['ldap'] }] },
    config: { identity: { users: 'users.yaml', ldap, map } },
  });
  const gateway = await weighed(written.file);
  try {
    const session = await asked(gateway.port, house.pem, 'user1');
    await session.until('Z');
    await latencies(session);
    const quiet = await latencies(session);
    const before = await gateway.weigh();
    await slapd.hang();
    const tried: Raw[] = [];
    await each(Array.from({ length: HANGING_LOGINS }), async (_one, i) => {
      tried.push(await asked(gateway.port, house.pem, `user${i}`));
    });
    const began = performance.now();
    const [meanwhile, during, answers] = await Promise.all([
      latencies(session),
      gateway.weigh(),
      Promise.all(tried.map(async (login) => [sqlstate(await login.until('E')), performance.now() - began] as const)),
    ]);
    const wrong = answers.filter(([state]) => state !== 'ZH005');
    const slowest = Math.max(...answers.map(([, ms]) => ms));
    const kb = (during.rss - before.rss) / 1000 / HANGING_LOGINS;
    console.log(`
${HANGING_LOGINS} logins at once through a gateway while the directory hangs (limits: ${limits})
answered: ${answers.length - wrong.length} with ZH005; the slowest ${slowest.toFixed(0)} ms after all had sent their password
an open session's SELECT 1, in ms: ${figures(quiet)} before; ${figures(meanwhile)} meanwhile
memory: ${kb.toFixed(0)} KB for each login that waits, TLS included`);
    if (wrong.length > 0) fail(`${wrong.length} logins were answered otherwise`);
    if (slowest > rest.timeout_ms + LATE_MS_MAX) fail(`a login was answered after ${slowest.toFixed(0)} ms`);
    if (kb > KB_A_LOGIN_MAX) fail(`${kb.toFixed(0)} KB for each login`);
    for (const one of [session, ...tried]) one.destroy();
  } finally {
    slapd.goOn();
    await stop(gateway);
    await server.stop();
    await Promise.all([dir, written.dir].map((folder) => rm(folder, { recursive: true, force: true })));
  }
};

/** Its password is sent. */
const asked = async (port: number, ca: string, user: string): Promise<Raw> => {
  const raw = await Raw.connect(port);
  await raw.encrypt({ ca, servername: 'localhost' });
  raw.send(startup({ user, database: 'postgres' }));
  await raw.until('R');
  raw.send(message('p', `${passwordOf(user)}\0`));
  return raw;
};

/** Of one query after the other, in ms. */
const latencies = async (session: Raw): Promise<number[]> => {
  const found: number[] = [];
  const end = performance.now() + MEASURED_MS;
  while (performance.now() < end) {
    const began = performance.now();
    session.send(query('SELECT 1'));
    await session.until('Z');
    found.push(performance.now() - began);
  }
  return found;
};

const figures = (found: readonly number[]): string => {
  const sorted = found.toSorted((a, b) => a - b);
  return `${median(found).toFixed(2)} (median), ${(sorted[Math.floor(sorted.length * 0.99)] ?? 0).toFixed(2)} (p99)`;
};

const configOf = (slapd: Slapd): LdapConfig => ({
  servers: [{ host: 'localhost', port: slapd.tls_port, security: 'tls' }],
  ca: slapd.authority.pem,
  bind: SERVICE,
  users: { base: PEOPLE, filter: null, dn: null, id: 'uid', aliases: ['mail'] },
  groups: {
    base: GROUPS,
    filter: null,
    by: 'member',
    member: 'member',
    member_of: 'memberOf',
    name: 'cn',
    nested: true,
  },
  connect_timeout_ms: 3000,
  operation_timeout_ms: 3000,
  timeout_ms: 10_000,
});

const fail = (what: string): void => {
  console.error(`FAILED: ${what}`);
  process.exitCode = 1;
};

await main();
