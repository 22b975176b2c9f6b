// What `holdpoint check` says of certificates: in files, made on the spot by openssl, and as real servers show them: PostgreSQL, MariaDB, a
// directory, an issuer. The clock is moved where a certificate is to be old.
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkCertificates, checkPeers } from '../../src/cli/check-certificates.ts';
import type { Finding } from '../../src/cli/check.ts';
import { type Config, parseConfig } from '../../src/config/config.ts';
import { type Authority, type Certificate, makeAuthority } from './certificates.ts';
import { ownPort } from './ports.ts';
import { startIssuer } from './jwt-issuer.ts';
import { available as mysqlAvailable, startMysql } from './mysql-servers.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';
import { serveTls } from './settings.ts';
import { BASE, slapdHere, startSlapd } from './slapd.ts';

const DAY_MS = 86_400_000;
const YEAR = '-days 365';
let dir: string;
/** Of a year, of a day, and one that nobody trusts. */
let authority: Authority;
let between: Authority;
let stranger: Authority;
let good: Certificate;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-check-certificates-'));
  [authority, stranger] = await Promise.all([makeAuthority(dir, 'trusted'), makeAuthority(dir, 'stranger')]);
  good = await authority.issue('good', ['DNS:localhost', 'IP:127.0.0.1'], { sign: YEAR });
  // An authority between: signed by the first, and signs itself.
  const { cert, key } = await authority.issue('between', [], {
    extensions: ['basicConstraints=critical,CA:true'],
    sign: YEAR,
  });
  between = await makeAuthority(dir, 'middle');
  await copyFile(cert, between.cert);
  await copyFile(key, between.key);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const configOf = (more: object): Config =>
  parseConfig(
    JSON.stringify({
      data: dir,
      policy: 'policy.yaml',
      postgres: [{ name: 'app', listen: '127.0.0.1:0', upstream: 'postgres://u@127.0.0.1/db' }],
      review: { listen: '127.0.0.1:0' },
      identity: { users: 'users.yaml' },
      ...more,
    }),
    { file: join(dir, 'holdpoint.yaml'), env: {} },
  );
const shown = (findings: readonly Finding[]): string[] =>
  findings.map(({ level, about, text }) => `${level} ${about} ${text}`);
/** Several PEM files as one. */
const joined = async (name: string, ...paths: readonly string[]): Promise<string> => {
  const path = join(dir, name);
  await writeFile(path, (await Promise.all(paths.map((one) => readFile(one, 'utf8')))).join(''));
  return path;
};

describe('a listener', () => {
  const listener = (tls: object, more: object = {}): Config =>
    configOf({
      postgres: [{ name: 'app', listen: '127.0.0.1:0', upstream: 'postgres://u@127.0.0.1/db', tls, ...more }],
    });
  const said = (tls: object, now = Date.now()) => shown(checkCertificates(listener(tls), now));

  test('that is fine is said to be until when', () => {
    expect(said(good)).toEqual([expect.stringMatching(/^ok app its certificate is good until \w+ .* GMT$/)]);
  });

  test('whose certificate is over, soon, or not yet good', () => {
    const now = Date.now();
    expect(said(good, now + 340 * DAY_MS)).toEqual([
      expect.stringMatching(/^warn app its certificate ends in 2[45] days$/),
    ]);
    expect(said(good, now + 366 * DAY_MS)).toEqual([
      expect.stringMatching(/^fail app its certificate ended on \w+ .* GMT$/),
    ]);
    expect(said(good, now - DAY_MS)).toEqual([
      expect.stringMatching(/^fail app its certificate begins on \w+ .* GMT$/),
    ]);
  });

  test('whose key is that of another certificate', async () => {
    const other = await authority.issue('other', []);
    expect(said({ cert: good.cert, key: other.key })).toContain('fail app its key is not that of its certificate');
  });

  test('whose chain is whole, cut, in the wrong order, or ends before it', async () => {
    const leaf = await between.issue('leaf', ['DNS:localhost'], { sign: YEAR });
    const whole = await joined('whole.pem', leaf.cert, between.cert);
    expect(said({ cert: whole, key: leaf.key })).toEqual([expect.stringMatching(/^ok /)]);
    const clients = { ca: between.cert, names: ['{name}.example.org'] };
    expect(said({ cert: leaf.cert, key: leaf.key, clients })).toEqual([
      expect.stringMatching(/^ok /),
      "warn app its chain is incomplete: between signed it and is not in its file. Append it, or agents' drivers have to know between itself",
    ]);
    const mixed = await joined('mixed.pem', leaf.cert, stranger.cert, between.cert);
    expect(said({ cert: mixed, key: leaf.key })).toEqual([
      expect.stringMatching(/^ok /),
      'fail app certificate 2 in its file (stranger) did not sign the one before it: its own first, then who signed each',
      expect.stringMatching(/^warn app stranger in its chain ends in 0 days$/),
      'fail app certificate 3 in its file (between) did not sign the one before it: its own first, then who signed each',
    ]);
    const brief = await authority.issue('brief', [], { extensions: ['basicConstraints=critical,CA:true'] });
    const short = await between.issue('short', [], { sign: YEAR });
    const ends = await joined('ends.pem', short.cert, brief.cert);
    expect(said({ cert: ends, key: short.key })).toContainEqual('warn app brief in its chain ends in 0 days');
  });

  test('of which a well-known kind of chain is missing what its certificate says where to find', async () => {
    const extensions = ['authorityInfoAccess=caIssuers;URI:http://ca.example/between.crt'];
    const { cert, key } = await between.issue('public', ['DNS:localhost'], { extensions, sign: YEAR });
    expect(said({ cert, key })).toContainEqual(
      expect.stringMatching(/^warn app its chain is incomplete: between signed it/),
    );
  });
});

describe('certificates of agents', () => {
  const said = (clients: { readonly ca: string; readonly crl?: string }, now = Date.now()): string[] => {
    const tls = { ...good, clients: { names: ['{name}.example.org'], ...clients } };
    const upstream = 'postgres://u@127.0.0.1/db';
    const config = configOf({ postgres: [{ name: 'app', listen: '127.0.0.1:0', upstream, tls }] });
    return shown(checkCertificates(config, now)).filter((one) => !one.includes(' its certificate '));
  };

  test('an authority that is over, or soon', () => {
    expect(said({ ca: authority.cert })).toEqual([
      "warn app the authority trusted of agents' certificates ends in 0 days",
    ]);
    expect(said({ ca: between.cert })).toEqual([]);
    expect(said({ ca: authority.cert }, Date.now() + 2 * DAY_MS)).toEqual([
      expect.stringMatching(/^fail app the authority trusted of agents' certificates ended on /),
    ]);
  });

  test('what is no authority lets nobody in', async () => {
    const { cert } = await authority.issue('nobody', [], { sign: YEAR });
    expect(said({ ca: cert })).toEqual(['fail app nobody in tls.clients.ca is no authority: it lets nobody in']);
  });

  test('a list that is good, over, of another authority, of the same name, or missing', async () => {
    const crl = await between.revoke();
    const now = Date.now();
    // Made for a day.
    expect(said({ ca: between.cert, crl })).toEqual([
      expect.stringMatching(/^warn app a list of tls\.clients\.crl ends at .*Z, and refuses everybody from then on$/),
    ]);
    expect(said({ ca: between.cert, crl }, now + 2 * DAY_MS)).toEqual([
      expect.stringMatching(
        /^fail app a list of tls\.clients\.crl ended at .*Z: every certificate is refused until there is a new one$/,
      ),
    ]);
    const others = [
      'fail app tls.clients.crl: 1 of its 1 lists is of no authority of tls.clients.ca, by its name and key',
      'fail app tls.clients.crl has no list of between: whoever has a certificate of it is refused',
    ];
    const faults = (of: string): string[] =>
      said({ ca: between.cert, crl: of }).filter((one) => one.startsWith('fail'));
    expect(faults(await stranger.revoke())).toEqual(others);
    const folder = await mkdtemp(join(dir, 'same-'));
    const same = await makeAuthority(folder, 'between');
    expect(faults(await same.revoke())).toEqual(others);
    const both = await joined('two-authorities.pem', between.cert, stranger.cert);
    expect(said({ ca: both, crl }).filter((one) => one.startsWith('fail'))).toEqual([
      'fail app tls.clients.crl has no list of stranger: whoever has a certificate of it is refused',
    ]);
  });
});

test("the reviewers' page is for the host that they open", () => {
  const review = (url: string) => configOf({ review: { listen: '127.0.0.1:0', url, tls: good } });
  expect(shown(checkCertificates(review('https://localhost')))).toEqual([expect.stringMatching(/^ok review /)]);
  expect(shown(checkCertificates(review('https://127.0.0.1')))).toEqual([expect.stringMatching(/^ok review /)]);
  expect(shown(checkCertificates(review('https://holdpoint.example')))).toContain(
    'fail review its certificate is not for holdpoint.example, which reviewers open',
  );
});

test('authorities by which others are known are looked at, too', () => {
  const upstream_tls = { mode: 'verify-full', ca: authority.cert };
  const config = configOf({
    postgres: [{ name: 'app', listen: '127.0.0.1:0', upstream: 'postgres://u@db.example/db', upstream_tls }],
  });
  expect(shown(checkCertificates(config))).toEqual([
    'warn app the authority trusted, by which the server is known, ends in 0 days',
  ]);
});

/** What each kind of server says, and of which certificates: the same for all. */
const ALL = (about: string, host: string) => {
  const of = (port: number) => `the certificate of ${host}:${port}`;
  return {
    good: (port: number) => [expect.stringMatching(new RegExp(`^ok ${about} ${of(port)} is good until `))],
    over: (port: number) => [expect.stringMatching(new RegExp(`^fail ${about} ${of(port)} ended on `))],
    soon: (port: number) => [expect.stringMatching(new RegExp(`^warn ${about} ${of(port)} ends in 2[45] days$`))],
  };
};
/** Authorities that end tomorrow are told in a line of their own. */
const ownLines = (findings: readonly Finding[]): string[] =>
  shown(findings).filter((one) => !/ in the chain of /.test(one));

describe('a server of PostgreSQL', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(NEWEST);
  });
  afterAll(() => server.stop());
  const said = async (tls: object, { host = 'localhost', now = Date.now() } = {}) => {
    const upstream = `postgres://u@${host}:${server.port}/db`;
    const config = configOf({ postgres: [{ name: 'app', listen: '127.0.0.1:0', upstream, upstream_tls: tls }] });
    return ownLines(await checkPeers(config, now)).map((one) => one.replaceAll(`:${server.port}`, ':5432'));
  };
  const trusted = (ca = authority.cert, mode = 'verify-full') => ({ mode, ca });
  const { good: fine, over, soon } = ALL('app', 'localhost');

  test('without TLS says nothing here: whoever logs in there is told', async () => {
    expect(await said(trusted())).toEqual([]);
    expect(await said({ mode: 'disable' })).toEqual([]);
  });

  test('whose certificate is good, ends, or is over', async () => {
    await serveTls(server, good);
    expect(await said(trusted())).toEqual(fine(5432));
    expect(await said(trusted(), { now: Date.now() + 340 * DAY_MS })).toEqual(soon(5432));
    expect(await said(trusted(), { now: Date.now() + 366 * DAY_MS })).toEqual(over(5432));
  });

  test('that really is over, with a name that is wrong, too', async () => {
    const old = await authority.issue('old', ['DNS:elsewhere.example'], { sign: '-days 0' });
    await serveTls(server, old);
    expect(await said(trusted())).toEqual([
      ...over(5432),
      'fail app the certificate of localhost:5432 is for elsewhere.example, not for localhost, as the configuration has it',
    ]);
  });

  test('that is for another host', async () => {
    await serveTls(server, await authority.issue('elsewhere', ['DNS:elsewhere.example'], { sign: YEAR }));
    expect(await said(trusted())).toEqual([
      ...fine(5432),
      'fail app the certificate of localhost:5432 is for elsewhere.example, not for localhost, as the configuration has it',
    ]);
    // That mode does not compare names.
    expect(await said(trusted(authority.cert, 'verify-ca'))).toEqual(fine(5432));
    expect(await said({ mode: 'require' })).toEqual(fine(5432));
  });

  test('that is of an authority that nobody trusts, or whose chain is cut', async () => {
    await serveTls(server, await stranger.issue('localhost', ['DNS:localhost'], { sign: YEAR }));
    expect(await said(trusted())).toEqual([
      ...fine(5432),
      expect.stringMatching(
        /^fail app the certificate of localhost:5432 can not be followed to an authority: stranger is not in ca\. Either its chain is incomplete/,
      ),
    ]);
    const leaf = await between.issue('localhost', ['DNS:localhost'], { sign: YEAR });
    await serveTls(server, leaf);
    expect(await said(trusted())).toEqual([
      ...fine(5432),
      expect.stringMatching(
        /can not be followed to an authority: between is not in ca\. Either its chain is incomplete \(the server has to send what is between\), or between has to be in ca$/,
      ),
    ]);
    await serveTls(server, { cert: await joined('served.pem', leaf.cert, between.cert), key: leaf.key });
    expect(await said(trusted())).toEqual(fine(5432));
    await serveTls(server, { cert: await joined('self.pem', leaf.cert, between.cert, authority.cert), key: leaf.key });
    expect(await said(trusted(stranger.cert))).toEqual([
      ...fine(5432),
      'fail app the certificate of localhost:5432 is of an authority that is not trusted: trusted is not in ca',
    ]);
  });
});

describe.skipIf(!mysqlAvailable('mariadb'))('a server of MariaDB', () => {
  test('is looked at in its own protocol', async () => {
    const server = await startMysql('mariadb', [`--ssl-cert=${good.cert}`, `--ssl-key=${good.key}`]);
    try {
      const said = async (ca: string, now = Date.now()) => {
        const upstream = `mysql://u@localhost:${server.port}/db`;
        const config = configOf({
          postgres: [],
          mysql: [{ name: 'shop', listen: '127.0.0.1:0', upstream, upstream_tls: { mode: 'verify-full', ca } }],
        });
        return ownLines(await checkPeers(config, now));
      };
      const { good: fine, over } = ALL('shop', 'localhost');
      expect(await said(authority.cert)).toEqual(fine(server.port));
      expect(await said(authority.cert, Date.now() + 366 * DAY_MS)).toEqual(over(server.port));
      expect(await said(stranger.cert)).toContainEqual(
        expect.stringMatching(/^fail shop .* can not be followed to an authority: trusted is not in ca/),
      );
    } finally {
      await server.stop();
    }
  });
});

test.skipIf(!slapdHere())('a directory, from the first byte and by StartTLS', async () => {
  const slapd = await startSlapd();
  await slapd.start();
  try {
    const said = async (ca: string, ...servers: readonly string[]) => {
      const users = { base: BASE, id: 'uid' };
      const config = configOf({ identity: { users: 'users.yaml', ldap: { servers, ca, anonymous: true, users } } });
      return ownLines(await checkPeers(config));
    };
    const startTls = `ldap://localhost:${slapd.port}`;
    // Made for a day.
    const soon = (port: number) =>
      expect.stringMatching(new RegExp(`^warn ldap the certificate of localhost:${port} ends in 0 days$`));
    expect(await said(slapd.authority.cert, slapd.ldaps, startTls)).toEqual([soon(slapd.tls_port), soon(slapd.port)]);
    expect(await said(stranger.cert, startTls)).toEqual([
      soon(slapd.port),
      expect.stringMatching(/^fail ldap .* is of an authority that is not trusted: directory-ca is not in ca$/),
    ]);
    expect(await said(slapd.authority.cert, `ldaps://127.0.0.1:${slapd.tls_port}`)).toContainEqual(
      expect.stringMatching(
        /^fail ldap the certificate of 127\.0\.0\.1:\d+ is for localhost, directory\.test, not for 127\.0\.0\.1/,
      ),
    );
  } finally {
    await slapd.stop();
    await slapd.remove();
  }
});

test('issuers of tokens and the sign-in provider; who is not there is told elsewhere', async () => {
  const issuer = await startIssuer(await authority.issue('issuer', ['DNS:localhost'], { sign: YEAR }));
  const { port } = new URL(issuer.url);
  try {
    const gone = `https://localhost:${await ownPort()}`;
    const config = configOf({
      review: { listen: '127.0.0.1:0', url: 'http://127.0.0.1:8080' },
      identity: {
        users: 'users.yaml',
        oidc: { issuer: issuer.url, client_id: 'holdpoint', ca: authority.cert },
        jwt: [
          { issuer: 'https://a.example', jwks: `${issuer.url}/keys`, algorithms: ['ES256'], ca: stranger.cert },
          { issuer: gone, algorithms: ['ES256'], ca: authority.cert },
        ],
      },
    });
    expect(ownLines(await checkPeers(config))).toEqual([
      ...ALL('oidc', 'localhost').good(Number(port)),
      ...ALL('jwt', 'localhost').good(Number(port)),
      expect.stringMatching(
        /^fail jwt the certificate of localhost:\d+ can not be followed to an authority: trusted is not in ca/,
      ),
    ]);
  } finally {
    await issuer.stop();
  }
});
