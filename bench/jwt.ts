// What a login by token costs. CPU of the checker alone, the whole process with its threads, for each kind of signature, and for what is
// refused: keys and the list of Holdpoint's own tokens are in memory, as they are after the first login; tokens differ, so that no cache
// answers. Then CPU of the whole gateway for a login of node-postgres inside TLS, beside logins by verifier (SCRAM) and by the same verifier with
// the password in clear. Medians of rounds in which the kinds take turns. Needs a PostgreSQL, as the tests do, and openssl.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createJwt } from '../src/identity/jwt/jwt.ts';
import { openOwnTokens } from '../src/identity/jwt/own.ts';
import { issuers, makeSigner, makeToken } from '../test/unit/identity/tokens.ts';
import pg from 'pg';
import { makeAuthority } from '../test/real/certificates.ts';
import { AGENT_PASSWORD } from '../test/real/gateway.ts';
import { gatewayHome } from '../test/real/process.ts';
import { NEWEST, startServer } from '../test/real/servers.ts';
import { cpuOf, median } from './peers.ts';

const ROUNDS = 7;
const LOGINS = 2_000;
/** Through the gateway; so many rounds, so many at once. */
const CONNECTIONS = 300;
const CONNECTION_ROUNDS = 3;
const CONNECTIONS_AT_ONCE = 8;
/** Logins under way at once. */
const AT_ONCE = 50;
/** Holdpoint's own that are in use beside those that log in. */
const IN_USE = 1_000;
const ISSUER = 'https://login.example';

const dir = await mkdtemp(join(tmpdir(), 'holdpoint-bench-'));
const signers = [makeSigner('RS256', 'rsa'), makeSigner('ES256', 'ec'), makeSigner('EdDSA', 'ed')];
const stranger = makeSigner('RS256', 'rsa');
await writeFile(join(dir, 'keys.json'), JSON.stringify({ keys: signers.map(({ jwk }) => jwk) }));
// The clock stands still, so that the file is read once.
const at = Date.now();
const own = await openOwnTokens(join(dir, 'tokens.json'), { mayIssue: () => true, now: () => at });
const jwt = createJwt({
  issuers: issuers(
    `- {issuer: ${ISSUER}, file: keys.json, algorithms: [RS256, ES256, EdDSA]}\n- issuer: holdpoint`,
    dir,
  ),
  own,
  told: (_, fault) => console.error(fault),
  now: () => at,
});

let made = 0;
const claims = () => ({
  iss: ISSUER,
  aud: 'holdpoint-db',
  sub: 'bot',
  jti: `token-${(made += 1)}`,
  iat: Math.floor(at / 1000),
  exp: Math.floor(at / 1000) + 900,
  groups: ['agents', 'etl', 'month-end'],
  sponsor: 'ada',
  task: 'close the books of October',
});
const ownToken = async (): Promise<Buffer> => {
  const what = { for: 'bot', by: 'ada', sponsor: 'ada', task: null, on_behalf_of: [], ttl_ms: 900_000 };
  const issued = await own.issue(what, async () => {});
  if (issued === null) throw new Error('too many');
  return Buffer.from(issued.token);
};
const many = (make: () => Buffer): readonly Buffer[] => Array.from({ length: LOGINS }, make);
const owns = await Promise.all(Array.from({ length: IN_USE }, ownToken));

const KINDS: readonly { readonly name: string; readonly good: boolean; readonly tokens: () => readonly Buffer[] }[] = [
  ...signers.map((signer) => ({ name: signer.alg, good: true, tokens: () => many(() => makeToken(signer, claims())) })),
  {
    name: "Holdpoint's own (EdDSA)",
    good: true,
    tokens: () => Array.from({ length: LOGINS }, (_, n) => owns[n % IN_USE] as Buffer),
  },
  { name: 'RS256 of a stranger', good: false, tokens: () => many(() => makeToken(stranger, claims())) },
  { name: 'no token, 20 bytes', good: false, tokens: () => many(() => Buffer.from('correct horse battery')) },
  {
    name: 'no token, 10 MB',
    good: false,
    tokens: () => Array<Buffer>(LOGINS).fill(Buffer.alloc(10 * 1024 * 1024, 'a')),
  },
];

/** Microseconds of CPU for one login, and of time. */
const round = async (
  tokens: readonly Buffer[],
  good: boolean,
): Promise<{ readonly cpu_us: number; readonly us: number }> => {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  let next = 0;
  const login = async (): Promise<void> => {
    for (let token = tokens[next++]; token !== undefined; token = tokens[next++])
      if (((await jwt.checker.check('bot', token)) !== null) !== good) throw new Error('judged wrongly');
  };
  await Promise.all(Array.from({ length: AT_ONCE }, login));
  const { user, system } = process.cpuUsage(cpu);
  return { cpu_us: (user + system) / tokens.length, us: ((performance.now() - begun) * 1000) / tokens.length };
};

const found = new Map(KINDS.map(({ name }) => [name, { cpu_us: [] as number[], us: [] as number[] }]));
for (let n = 0; n <= ROUNDS; n += 1)
  for (const { name, good, tokens } of KINDS) {
    const result = await round(tokens(), good);
    // The first round is for the compiler.
    if (n === 0) continue;
    found.get(name)?.cpu_us.push(result.cpu_us);
    found.get(name)?.us.push(result.us);
  }

console.log(`${LOGINS} logins a round, ${AT_ONCE} at once, medians of ${ROUNDS} rounds\n`);
console.log('| token | CPU a login, \u00b5s | logins a second |\n|---|---|---|');
for (const [name, { cpu_us, us }] of found)
  console.log(`| ${name} | ${median(cpu_us).toFixed(0)} | ${Math.round(1e6 / median(us))} |`);

const house = await makeAuthority(dir, 'house');
const certificate = await house.issue('gateway', ['DNS:localhost', 'IP:127.0.0.1']);
const server = await startServer(NEWEST);
const home = await gatewayHome({
  upstream: server.url,
  listener: {
    tls: certificate,
    logins: [
      { user: 'bot', by: ['jwt'] },
      { user: 'lena', by: ['local'] },
      { user: '*', by: 'verifier' },
    ],
  },
  config: {
    identity: {
      users: 'users.yaml',
      jwt: [
        { issuer: 'holdpoint' },
        { issuer: ISSUER, file: join(dir, 'keys.json'), algorithms: ['RS256', 'ES256', 'EdDSA'] },
      ],
    },
  },
});
try {
  const gateway = await home.start();
  const ada = await gateway.reviewer('ada');
  const ours = (await ada.databaseTokenFor('bot', { ttl: '1h' })).token;
  const logins: readonly (readonly [name: string, user: string, password: () => string])[] = [
    ['verifier (SCRAM)', 'petra', () => AGENT_PASSWORD],
    ['verifier, password in clear', 'lena', () => AGENT_PASSWORD],
    ...signers.map((signer) => [signer.alg, 'bot', () => makeToken(signer, claims()).toString()] as const),
    ["Holdpoint's own (EdDSA)", 'bot', () => ours],
  ];
  const log_in = async (user: string, password: string): Promise<void> => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: gateway.port,
      database: 'postgres',
      user,
      password,
      ssl: { ca: house.pem },
    });
    await client.connect();
    await client.end();
  };
  const cost = new Map(logins.map(([name]) => [name, { cpu_us: [] as number[], rate: [] as number[] }]));
  for (let n = 0; n <= CONNECTION_ROUNDS; n += 1)
    for (const [name, user, password] of logins) {
      let left = CONNECTIONS;
      const [begun, before] = [performance.now(), cpuOf({ child: null, pid: gateway.pid })];
      const some = async (): Promise<void> => {
        while (left-- > 0) await log_in(user, password());
      };
      await Promise.all(Array.from({ length: CONNECTIONS_AT_ONCE }, some));
      if (n === 0) continue;
      cost.get(name)?.cpu_us.push((cpuOf({ child: null, pid: gateway.pid }) - before) / CONNECTIONS);
      cost.get(name)?.rate.push((CONNECTIONS * 1000) / (performance.now() - begun));
    }
  console.log(
    `\nthrough the gateway, with TLS and a connection to the server: ${CONNECTIONS} a round, ${CONNECTIONS_AT_ONCE} at once\n`,
  );
  console.log('| login by | CPU of the gateway, \u00b5s | logins a second |\n|---|---|---|');
  for (const [name, { cpu_us, rate }] of cost)
    console.log(`| ${name} | ${median(cpu_us).toFixed(0)} | ${Math.round(median(rate))} |`);
} finally {
  await home.remove();
  await server.stop();
  await rm(dir, { recursive: true });
}
