// A real OpenLDAP server for tests and benches, in a folder of its own on free ports of 127.0.0.1, ended by its process: TLS with certificates
// made on the spot, nested groups with a loop, memberOf, nothing for whoever has not bound. Must never end a process it did not start.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ownPort } from './ports.ts';
import { type Authority, makeAuthority } from './certificates.ts';
import { listening } from './clients.ts';

const run = promisify(execFile);

const PROGRAM = '/usr/sbin/slapd';
/** Of /proc/net/tcp. */
const ESTABLISHED = '01';
const SLAPADD = '/usr/sbin/slapadd';
const SAID_CHARS_KEPT = 4000;

export const BASE = 'dc=example,dc=com';
export const PEOPLE = `ou=people,${BASE}`;
export const GROUPS = `ou=groups,${BASE}`;
/** Who searches, and nothing else. */
export const SERVICE = { dn: `cn=holdpoint,ou=services,${BASE}`, password: 'service-secret' };
const ADMIN = { dn: `cn=admin,${BASE}`, password: 'admin-secret' };

/** Can it be started here? The test runner says plainly when not. */
export const slapdHere = (): boolean => existsSync(PROGRAM) && existsSync('/usr/bin/ldapmodify');

/** Everybody's password: their own name and this. */
export const passwordOf = (uid: string): string => `${uid}-password`;

/** Some that tests name, beside `user0` and so on. */
const NAMED = ['ada', 'grace', 'report-bot', 'star', 'odd*(name)'] as const;

/** Group, its members (users by name, groups with `group:`). `loop-a` and `loop-b` are in each other; `outside` lies elsewhere. */
const MEMBERSHIP: Readonly<Record<string, readonly string[]>> = {
  dba: ['ada'],
  oncall: ['group:dba', 'grace'],
  staff: ['group:oncall', 'report-bot'],
  'loop-b': ['group:loop-a'],
  'loop-a': ['group:loop-b', 'grace'],
  agents: ['report-bot'],
};

export interface Slapd {
  /** ldap://127.0.0.1:port, StartTLS offered. */
  readonly ldap: string;
  /** ldaps://localhost:port: the name in its certificate. */
  readonly ldaps: string;
  readonly port: number;
  readonly tls_port: number;
  readonly authority: Authority;
  readonly pid: number;
  /** Changes as the administrator, in LDIF. */
  modify(ldif: string): Promise<void>;
  /** Those over TLS that are open now, as the kernel has them: also while it hangs. */
  connections(): Promise<number>;
  /** SIGSTOP: it is there, and does not answer. Resolves when it has stopped in all its threads: the signal alone is only on its way. */
  hang(): Promise<void>;
  goOn(): void;
  stop(): Promise<void>;
  /** Again on the same ports, where it was stopped. */
  start(): Promise<void>;
  remove(): Promise<void>;
}

/** `users`: how many beside the named ones: `user0` and so on. A hundred of them are a `team-0`, ten teams a `division-0`. */
export const startSlapd = async ({ users = 0 } = {}): Promise<Slapd> => {
  const dir = await mkdtemp(join(tmpdir(), 'holdpoint-slapd-'));
  const authority = await makeAuthority(dir, 'directory-ca');
  const { cert, key } = await authority.issue('directory', ['DNS:localhost', 'DNS:directory.test']);
  const port = await ownPort();
  const tls_port = await ownPort();
  const conf = join(dir, 'slapd.conf');
  await mkdir(join(dir, 'db'));
  await writeFile(conf, configuration(dir, authority.cert, cert, key));
  const ldif = join(dir, 'people.ldif');
  await writeFile(ldif, people(users));
  await run(SLAPADD, ['-q', '-f', conf, '-l', ldif]);

  let child: ChildProcess | null = null;
  const fate = (): string =>
    `slapd ${child?.pid} ${child?.signalCode ?? child?.exitCode ?? 'runs'}, on ${port} and ${tls_port}, says: ${said}`;
  /** What it said of faults. */
  let said = '';
  const ldap = `ldap://127.0.0.1:${port}`;
  const slapd: Slapd = {
    ldap,
    ldaps: `ldaps://localhost:${tls_port}`,
    port,
    tls_port,
    authority,
    get pid() {
      return child?.pid ?? 0;
    },
    async connections() {
      const to = `:${tls_port.toString(16).toUpperCase().padStart(4, '0')}`;
      const files = await Promise.all(['tcp', 'tcp6'].map((file) => readFile(`/proc/net/${file}`, 'utf8')));
      const lines = files.flatMap((text) => text.split('\n').map((line) => line.trim().split(/\s+/)));
      return lines.filter(([, , remote, state]) => remote?.endsWith(to) && state === ESTABLISHED).length;
    },
    async modify(changes) {
      const tool = spawn('ldapmodify', ['-x', '-H', ldap, '-D', ADMIN.dn, '-w', ADMIN.password], {
        stdio: ['pipe', 'ignore', 'pipe'],
      });
      let errors = '';
      tool.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
      tool.stdin.end(changes);
      const [code] = (await once(tool, 'close')) as [number];
      if (code !== 0) throw new Error(`ldapmodify: ${errors}${fate()}`);
    },
    async hang() {
      const running = child;
      if (running === null) return;
      running.kill('SIGSTOP');
      while (running.exitCode === null && running.signalCode === null && !stopped(running)) await delay(5);
    },
    goOn: () => void child?.kill('SIGCONT'),
    async stop() {
      const running = child;
      child = null;
      if (running === null || running.exitCode !== null) return;
      const ended = once(running, 'exit');
      running.kill('SIGCONT');
      running.kill('SIGTERM');
      await ended;
    },
    async start() {
      if (child !== null) return;
      const urls = `ldap://127.0.0.1:${port} ldaps://127.0.0.1:${tls_port}`;
      // `none`: in the foreground, and of its log only what is said at any level, such as an address that is taken.
      child = spawn(PROGRAM, ['-d', 'none', '-f', conf, '-h', urls], { stdio: ['ignore', 'ignore', 'pipe'] });
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-SAID_CHARS_KEPT)));
      try {
        await listening(port, child);
        await listening(tls_port, child);
      } catch (error) {
        throw new Error(fate(), { cause: error });
      }
    },
    async remove() {
      await slapd.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
  try {
    await slapd.start();
    // Through the server, so that its overlay writes memberOf.
    await slapd.modify(groups());
  } catch (error) {
    await slapd.remove();
    throw error;
  }
  return slapd;
};

/** Is every one of its threads stopped? Not where one of them ends in that moment. */
function stopped({ pid }: ChildProcess): boolean {
  const tasks = `/proc/${pid}/task`;
  try {
    return readdirSync(tasks).every((task) => /\) T /.test(readFileSync(join(tasks, task, 'stat'), 'utf8')));
  } catch {
    return false;
  }
}

function configuration(dir: string, ca: string, cert: string, key: string): string {
  return `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile ${join(dir, 'pid')}
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
sizelimit 500
TLSCACertificateFile ${ca}
TLSCertificateFile ${cert}
TLSCertificateKeyFile ${key}
database mdb
suffix "${BASE}"
rootdn "${ADMIN.dn}"
rootpw ${ADMIN.password}
directory ${join(dir, 'db')}
maxsize 1073741824
dbnosync
index objectClass,uid,mail,member eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="${SERVICE.dn}" read by users read by * none
overlay memberof
memberof-group-oc groupOfNames
memberof-member-ad member
memberof-memberof-ad memberOf
`;
}

function people(users: number): string {
  const ou = (name: string): string => `dn: ou=${name},${BASE}\nobjectClass: organizationalUnit\nou: ${name}\n`;
  const names = [...NAMED, ...Array.from({ length: users }, (_, i) => `user${i}`)];
  return [
    `dn: ${BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n`,
    ...['people', 'groups', 'services', 'elsewhere'].map(ou),
    `dn: ${SERVICE.dn}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\ncn: holdpoint\nuserPassword: ${hashed(SERVICE.password)}\n`,
    ...names.map((uid) => person(uid)),
    // Two with one address, and one whose name is none of ours.
    person('twin-a', ['mail: twin@example.com']),
    person('twin-b', ['mail: twin@example.com']),
    person('not an id'),
    ...teams(users),
    `dn: cn=outside,ou=elsewhere,${BASE}\nobjectClass: groupOfNames\ncn: outside\nmember: ${userDn('ada')}\n`,
  ].join('\n');
}

const USERS_A_TEAM = 100;
const TEAMS_A_DIVISION = 10;

/** Not through the server, which would take minutes to write memberOf: groups by `member` only. */
const teams = (users: number): string[] => {
  const count = Math.ceil(users / USERS_A_TEAM);
  const group = (name: string, members: readonly string[]): string =>
    `dn: cn=${name},${GROUPS}\nobjectClass: groupOfNames\ncn: ${name}\n${members.map((dn) => `member: ${dn}\n`).join('')}`;
  const some = (from: number, each: number, most: number): number[] =>
    Array.from({ length: Math.min(each, most - from * each) }, (_, i) => from * each + i);
  return [
    ...Array.from({ length: count }, (_, team) =>
      group(
        `team-${team}`,
        some(team, USERS_A_TEAM, users).map((i) => userDn(`user${i}`)),
      ),
    ),
    ...Array.from({ length: Math.ceil(count / TEAMS_A_DIVISION) }, (_, division) =>
      group(
        `division-${division}`,
        some(division, TEAMS_A_DIVISION, count).map((i) => `cn=team-${i},${GROUPS}`),
      ),
    ),
  ];
};

/** Of `people`. */
export const userDn = (uid: string): string =>
  `uid=${uid.replaceAll(/[*() ]/g, (c) => `\\${c.charCodeAt(0).toString(16)}`)},${PEOPLE}`;

const person = (uid: string, more: readonly string[] = []): string =>
  [
    `dn: ${userDn(uid)}`,
    'objectClass: inetOrgPerson',
    `uid: ${uid}`,
    `cn: ${uid}`,
    `sn: ${uid}`,
    ...(more.length > 0 ? more : [`mail: ${uid.replaceAll(/[^a-z0-9]/g, '-')}@example.com`]),
    `userPassword: ${hashed(passwordOf(uid))}`,
    '',
  ].join('\n');

function groups(): string {
  const dn = (member: string): string =>
    member.startsWith('group:') ? `cn=${member.slice('group:'.length)},${GROUPS}` : userDn(member);
  const changes = Object.entries(MEMBERSHIP).map(([name, members]) => [
    `dn: ${dn(`group:${name}`)}`,
    'changetype: add',
    'objectClass: groupOfNames',
    `cn: ${name}`,
    ...members.map((member) => `member: ${dn(member)}`),
  ]);
  // What a group names before it is there gets no memberOf.
  changes.push([`dn: ${dn('group:loop-b')}`, 'changetype: modify', 'replace: member', `member: ${dn('group:loop-a')}`]);
  return changes.map((lines) => `${lines.join('\n')}\n`).join('\n');
}

/** slapd's own default form. */
function hashed(password: string): string {
  const salt = randomBytes(8);
  const digest = createHash('sha1').update(password).update(salt).digest();
  return `{SSHA}${Buffer.concat([digest, salt]).toString('base64')}`;
}
