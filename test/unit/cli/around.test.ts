// Ways past the gateway, judged from what servers say of themselves: servers that listen for others can't be had in tests (real rows of the same
// tables are in test/real/check.test.ts and mysql-check.test.ts).
import { expect, test } from 'vitest';
import { aroundMysql, aroundPostgres, type HbaRule, type PostgresWays } from '../../../src/cli/check-around.ts';
import type { MysqlAccount } from '../../../src/cli/ports.ts';
import type { MysqlConfig, PostgresConfig } from '../../../src/config/config.ts';

const account = (user: string, host: string, tls = false): MysqlAccount => ({ user, host, tls });
const ACCOUNTS = [
  account('gateway', '10.0.0.5', true),
  account('root', 'localhost'),
  account('backup', '127.0.0.%'),
  account('app', '%'),
  account('', '10.%', true),
  account('bot', 'localhost'),
];
const mysql = (
  listens: string | null,
  {
    accounts = ACCOUNTS,
    tls_only = false,
    host = 'db.example',
  }: { accounts?: readonly MysqlAccount[] | null; tls_only?: boolean; host?: string } = {},
) =>
  aroundMysql(
    { name: 'shop', upstream: { host } } as MysqlConfig,
    'gateway',
    { listens, tls_only, accounts },
    { agents: ['bot'], own: ['gateway'] },
  ).map(({ level, text }) => `${level} ${text}`);
const BOT =
  'warn bot@localhost can log in to the server itself, past the gateway: lock or drop such accounts, or name the agents otherwise';

test('MySQL: a server that listens for others, and whom it lets in from there', () => {
  const expected = (listens: string) => [
    BOT,
    `warn the server listens on ${listens}, and lets in from elsewhere: app@%, ''@10.%. Agents' machines may be among these: give each account the hosts that it needs`,
    'warn over the network, no TLS is asked of app@%: ALTER USER ... REQUIRE SSL, or require_secure_transport = ON',
  ];
  for (const listens of ['*', '0.0.0.0', '::', '127.0.0.1,10.0.0.1'])
    expect(mysql(listens), listens).toEqual(expected(listens));
  expect(mysql('*', { tls_only: true })).toEqual(expected('*').slice(0, 2));
});

test('MySQL: one that listens for its own machine alone, or not at all', () => {
  for (const listens of [null, '127.0.0.1', '::1', 'localhost']) expect(mysql(listens), String(listens)).toEqual([BOT]);
});

test('MySQL: what may not be read is said, and not assumed', () => {
  const unseen =
    'ok who else may log in is not seen: account gateway may not read mysql.user; look there for names of agents, and for hosts that their machines fit';
  expect(mysql('*', { accounts: null })).toEqual([
    "warn the server listens on *: let only the gateway's address in (hosts of accounts, firewall); from here that can't be seen",
    unseen,
  ]);
  expect(mysql('*', { accounts: null, host: '127.0.0.1' })).toEqual([unseen]);
});

const rule = (line: number, more: Partial<HbaRule>): HbaRule => ({
  line,
  type: 'host',
  databases: ['all'],
  users: ['all'],
  address: 'all',
  netmask: null,
  method: 'scram-sha-256',
  ...more,
});
const postgres = (rules: PostgresWays['rules'], { host = 'db.example', auth = 'terminate' } = {}) =>
  aroundPostgres({ name: 'app', auth, upstream: { host, user: 'gateway', database: 'app' } } as PostgresConfig, {
    listens: '*',
    agents: [],
    known: ['bot'],
    rules,
  }).map(({ level, text }) => `${level} ${text}`);
const lets = (what: string) =>
  `warn pg_hba.conf lets more in than the gateway: ${what}. Agents' machines may be among these: name the gateway's address alone`;

test('PostgreSQL: lines that let more than one address in', () => {
  const one = { address: '10.0.0.5', netmask: '255.255.255.255' };
  expect(postgres([rule(1, one), rule(2, { users: ['gateway'] }), rule(3, { address: 'samehost' })])).toEqual([]);
  expect(
    postgres([rule(1, { address: 'gateway.example' }), rule(2, { address: '127.0.0.1', netmask: '255.255.255.0' })]),
  ).toEqual([]);
  expect(
    postgres([
      rule(1, { databases: ['other'] }),
      rule(2, { method: 'reject', address: '10.0.0.0', netmask: '255.0.0.0' }),
    ]),
  ).toEqual([]);
  expect(postgres([rule(7, {})])).toEqual([lets('line 7 (all from everywhere, also without TLS)')]);
  expect(postgres([rule(7, { users: ['bot'], type: 'hostssl', address: '::', netmask: '::' })])).toEqual([
    lets('line 7 (bot from ::/0)'),
  ]);
  expect(postgres([rule(7, { users: ['/^b'], databases: ['app'], address: '.example.org' })])).toEqual([
    lets('line 7 (/^b from .example.org, also without TLS)'),
  ]);
});

test('PostgreSQL: lines behind one that refuses everybody do not count', () => {
  expect(postgres([rule(1, { method: 'reject' }), rule(2, {}), rule(3, { method: 'trust' })])).toEqual([]);
  expect(postgres([rule(1, { method: 'reject', users: ['bot'] }), rule(2, {})])).toHaveLength(1);
});

test('PostgreSQL: lines that ask for no password, on its own machine, too', () => {
  expect(postgres([rule(1, { type: 'local', address: null, method: 'trust' })])).toEqual([
    'warn pg_hba.conf asks for no password: line 1 (all by the socket of its machine). Whoever is there is whomever they say, past the gateway',
  ]);
});

test('PostgreSQL: no more than some are named', () => {
  const many = Array.from({ length: 9 }, (_, n) => rule(n + 1, { type: 'hostssl' }));
  expect(postgres(many)[0]).toContain('line 6 (all from everywhere) and 3 more. ');
});

test('PostgreSQL: what may not be read is said; with relay it is no matter', () => {
  expect(postgres(null)).toEqual([
    "warn the server listens on *: let only the gateway's address in (pg_hba.conf, firewall); from here that can't be seen",
    "ok who else may log in is not seen: role gateway may not read pg_hba_file_rules; look there for lines that fit agents' machines",
  ]);
  expect(postgres([rule(1, {})], { auth: 'relay' })).toEqual([]);
});
