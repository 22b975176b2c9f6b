// The part of `holdpoint check` about ways past the gateway: who else may log in to the guarded server, and from where, as far as the gateway's own
// role or account may read that there. Pure, but for what it asks PostgreSQL; where nothing may be read that is said, and nothing is assumed.
import { isLoopback, type MysqlConfig, type PostgresConfig } from '../config/config.ts';
import type { Finding } from './check.ts';
import type { MysqlAccount, MysqlLook } from './ports.ts';

/** Of one kind, in one finding. */
const NAMED_MAX = 6;
/** Lines of pg_hba.conf that are looked at. */
const RULES_MAX = 1_000;

export const listed = (names: readonly string[]): string => {
  const more = names.length - NAMED_MAX;
  return more <= 0 ? names.join(', ') : `${names.slice(0, NAMED_MAX).join(', ')} and ${more} more`;
};

/** A line of pg_hba.conf, as pg_hba_file_rules has it. */
export interface HbaRule {
  readonly line: number;
  readonly type: string;
  readonly databases: readonly string[];
  readonly users: readonly string[];
  /** Null: of a local one. */
  readonly address: string | null;
  readonly netmask: string | null;
  readonly method: string;
}

/** In their order, of which the first that fits counts; null: this role may not read them. `ask`: runs a query as that role. */
export async function hbaRules(ask: (sql: string) => Promise<readonly unknown[]>): Promise<readonly HbaRule[] | null> {
  const [may] = (await ask(MAY_READ)) as readonly { readonly may: boolean }[];
  return may?.may === true ? ((await ask(RULES)) as readonly HbaRule[]) : null;
}

const MAY_READ = `
SELECT has_table_privilege('pg_catalog.pg_hba_file_rules', 'SELECT')
       AND has_function_privilege('pg_catalog.pg_hba_file_rules()', 'EXECUTE') AS may`;
const RULES = `
SELECT line_number AS line, type, database::text[] AS databases, user_name::text[] AS users, address, netmask, auth_method AS method
  FROM pg_catalog.pg_hba_file_rules
 WHERE error IS NULL
 ORDER BY line_number
 LIMIT ${RULES_MAX}`;

export interface PostgresWays {
  /** listen_addresses */
  readonly listens: string;
  /** Names of agents that are roles which may log in. */
  readonly agents: readonly string[];
  /** Those that users.yaml has. */
  readonly known: readonly string[];
  readonly rules: readonly HbaRule[] | null;
}

export function aroundPostgres(config: PostgresConfig, { listens, agents, known, rules }: PostgresWays): Finding[] {
  const { name: about, upstream } = config;
  const found: Finding[] = [];
  if (agents.length > 0 && config.auth !== 'relay')
    found.push({
      level: 'warn',
      about,
      text: `${agents.join(', ')} can log in to the server itself, past the gateway: take LOGIN from such roles, or name the agents otherwise`,
    });
  const everywhere = listens.split(',').some((one) => one.trim() !== '' && !isLoopback(one.trim()));
  if (everywhere && !isLoopback(upstream.host) && rules === null)
    found.push({
      level: 'warn',
      about,
      text: `the server listens on ${listens}: let only the gateway's address in (pg_hba.conf, firewall); from here that can't be seen`,
    });
  if (config.auth === 'relay') return found;
  if (rules === null) {
    const text = `who else may log in is not seen: role ${upstream.user} may not read pg_hba_file_rules; look there for lines that fit agents' machines`;
    return [...found, { level: 'ok', about, text }];
  }
  const open = whoeverAsks(rules, upstream.database);
  const wide = lettingIn(rules, upstream.database, known);
  if (open.length > 0)
    found.push({
      level: 'warn',
      about,
      text: `pg_hba.conf asks for no password: ${listed(open)}. Whoever is there is whomever they say, past the gateway`,
    });
  if (wide.length > 0)
    found.push({
      level: 'warn',
      about,
      text: `pg_hba.conf lets more in than the gateway: ${listed(wide)}. Agents' machines may be among these: name the gateway's address alone`,
    });
  return found;
}

/** Lines that count: those before one that refuses everybody. */
function inForce(rules: readonly HbaRule[], database: string): readonly HbaRule[] {
  const end = rules.findIndex(
    ({ method, databases, users, address }) =>
      method === 'reject' && databases.includes('all') && users.includes('all') && address === 'all',
  );
  return (end === -1 ? rules : rules.slice(0, end)).filter(
    ({ method, databases }) =>
      method !== 'reject' &&
      databases.some(
        (one) => ['all', database, 'sameuser', 'samerole', 'samegroup'].includes(one) || one.startsWith('/'),
      ),
  );
}

const whoeverAsks = (rules: readonly HbaRule[], database: string): string[] =>
  inForce(rules, database)
    .filter(({ method }) => method === 'trust')
    .map((rule) => `line ${rule.line} (${rule.users.join(', ')} ${placeOf(rule)})`);

const lettingIn = (rules: readonly HbaRule[], database: string, known: readonly string[]): string[] =>
  inForce(rules, database)
    .filter((rule) => rule.method !== 'trust' && isWide(rule))
    // Of a group or a pattern it can't be told from here whom it has.
    .filter(({ users }) => users.some((user) => user === 'all' || /^[+/]/.test(user) || known.includes(user)))
    .map(
      (rule) =>
        `line ${rule.line} (${rule.users.join(', ')} ${placeOf(rule)}${/^hostssl$|^hostgssenc$/.test(rule.type) ? '' : ', also without TLS'})`,
    );

/** More than one address, and not of its own machine. */
function isWide({ address, netmask }: HbaRule): boolean {
  if (
    address === null ||
    address === 'samehost' ||
    isLoopback(address) ||
    netmask === 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'
  )
    return false;
  if (netmask === '255.255.255.255') return false;
  // A name is one host, unless it begins with a dot.
  return netmask !== null || address === 'all' || address === 'samenet' || address.startsWith('.');
}

const placeOf = ({ address, netmask }: HbaRule): string =>
  address === null
    ? 'by the socket of its machine'
    : `from ${address === 'all' ? 'everywhere' : address}${netmask === null ? '' : `/${bitsOf(netmask)}`}`;

/** How many bits a mask has; the mask itself where that is no prefix. */
function bitsOf(netmask: string): string {
  const words = netmask.includes(':')
    ? expanded(netmask).map((word) =>
        Number.parseInt(word || '0', 16)
          .toString(2)
          .padStart(16, '0'),
      )
    : netmask.split('.').map((byte) => Number(byte).toString(2).padStart(8, '0'));
  const bits = words.join('');
  return /^1*0*$/.test(bits) ? String(bits.replace(/0*$/, '').length) : netmask;
}

function expanded(address: string): string[] {
  const [head = '', tail = ''] = address.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [before, after] = [groups(head), groups(tail)];
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => '0'), ...after];
}

export interface MysqlWays {
  /** Ids of agents. */
  readonly agents: readonly string[];
  /** Accounts that the gateway itself logs in as. */
  readonly own: readonly string[];
}

type Seen = Exclude<MysqlLook, { readonly failed: string }>;

export function aroundMysql(
  { name: about, upstream }: MysqlConfig,
  user: string,
  seen: Pick<Seen, 'listens' | 'tls_only' | 'accounts'>,
  { agents, own }: MysqlWays,
): Finding[] {
  const { listens, tls_only, accounts } = seen;
  const warn = (text: string): Finding => ({ level: 'warn', about, text });
  const everywhere = listens !== null && listens.split(',').some((one) => !isLoopback(one.trim()));
  if (accounts === null) {
    const text = `who else may log in is not seen: account ${user} may not read mysql.user; look there for names of agents, and for hosts that their machines fit`;
    const around = `the server listens on ${listens}: let only the gateway's address in (hosts of accounts, firewall); from here that can't be seen`;
    return [...(everywhere && !isLoopback(upstream.host) ? [warn(around)] : []), { level: 'ok', about, text }];
  }
  const found: Finding[] = [];
  const same = accounts.filter((one) => agents.includes(one.user) && !own.includes(one.user));
  if (same.length > 0)
    found.push(
      warn(
        `${listed(same.map(written))} can log in to the server itself, past the gateway: lock or drop such accounts, or name the agents otherwise`,
      ),
    );
  if (!everywhere) return found;
  const remote = accounts.filter(({ host }) => !isLocal(host));
  const others = remote.filter((one) => !same.includes(one) && !own.includes(one.user));
  if (others.length > 0)
    found.push(
      warn(
        `the server listens on ${listens}, and lets in from elsewhere: ${listed(others.map(written))}. Agents' machines may be among these: give each account the hosts that it needs`,
      ),
    );
  const clear = tls_only ? [] : remote.filter(({ tls }) => !tls);
  if (clear.length > 0)
    found.push(
      warn(
        `over the network, no TLS is asked of ${listed(clear.map(written))}: ALTER USER ... REQUIRE SSL, or require_secure_transport = ON`,
      ),
    );
  return found;
}

const written = ({ user, host }: MysqlAccount): string => `${user === '' ? "''" : user}@${host}`;
/** Patterns that nothing but the server's own machine fits. */
const isLocal = (host: string): boolean => isLoopback(host) || /^127\.(\d{1,3}\.){0,2}%$/.test(host);
