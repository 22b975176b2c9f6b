// What a login over LDAP costs, against a real slapd with ten thousand users over TLS: search, bind, and groups of groups, on connections that
// lie ready. And five hundred logins at once while the directory hangs: each is answered within its time, and memory stays in bounds.
import { setFlagsFromString } from 'node:v8';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { runInNewContext } from 'node:vm';
import type { LdapConfig } from '../src/config/ldap.ts';
import { type Ldap, openLdap } from '../src/identity/ldap/ldap.ts';
import { SourceDown } from '../src/identity/types.ts';
import { GROUPS, passwordOf, PEOPLE, SERVICE, type Slapd, startSlapd } from '../test/real/slapd.ts';
import { cpuOf, median } from './peers.ts';

const USERS = 10_000;
const LOGINS = Number(process.env['HOLDPOINT_BENCH_LOGINS'] ?? 2000);
const ROUNDS = Number(process.env['HOLDPOINT_BENCH_ROUNDS'] ?? 5);
const AT_ONCE = [1, 16, 56];
const HANGING_LOGINS = 500;
/** What must hold: beyond the time limit a login is never answered, but for what a busy machine adds. */
const LATE_MS_MAX = 500;
const KB_A_LOGIN_MAX = 20;

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
    await logins(slapd);
    await hanging(slapd);
  } finally {
    await slapd.remove();
  }
};

const logins = async (slapd: Slapd): Promise<void> => {
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

const hanging = async (slapd: Slapd): Promise<void> => {
  const config = configOf(slapd);
  const ldap = openLdap(config);
  await round(ldap, slapd, 16, 200);
  slapd.hang();
  const before = collected();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const times = await new Promise<number[]>((resolve, reject) => {
    const all = Promise.all(Array.from({ length: HANGING_LOGINS }, () => answered(ldap)));
    all.then(resolve, reject);
  });
  delay.disable();
  const after = collected();
  slapd.goOn();
  ldap.close();
  const kb = Math.max(0, after - before) / 1000 / HANGING_LOGINS;
  const slowest = Math.max(...times);
  console.log(`
${HANGING_LOGINS} logins at once while the directory hangs (limits: ${config.operation_timeout_ms} ms for an answer, ${config.timeout_ms} ms for a login)
answered: all, with "cannot tell"; the slowest after ${slowest.toFixed(0)} ms, the median after ${median(times).toFixed(0)} ms
meanwhile the event loop was late by ${(delay.percentile(99) / 1e6).toFixed(1)} ms (p99), ${(delay.max / 1e6).toFixed(1)} ms at most
memory kept afterwards: ${kb.toFixed(1)} KB for each`);
  if (slowest > config.timeout_ms + LATE_MS_MAX) fail(`a login was answered after ${slowest.toFixed(0)} ms`);
  if (kb > KB_A_LOGIN_MAX) fail(`${kb.toFixed(1)} KB were kept for each login`);
};

/** How long it took, in ms. Rejects unless it was said that nobody can tell. */
const answered = async (ldap: Ldap): Promise<number> => {
  const began = performance.now();
  const outcome: unknown = await ldap.checker.check('user1', Buffer.from('wrong')).catch((error: unknown) => error);
  if (!(outcome instanceof SourceDown)) throw new Error(`a login was answered with ${JSON.stringify(outcome)}`);
  return performance.now() - began;
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

/** Bytes in use after a full collection. */
const collected = (): number => {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
};

const fail = (what: string): void => {
  console.error(`FAILED: ${what}`);
  process.exitCode = 1;
};

await main();
