// `holdpoint whoami --certificate`: what it says of a certificate is what a listener makes of it when a client shows it with its key, over TLS 1.2 and
// 1.3; and an operator reads why, at each listener.
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connect, TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificateText, type ExplainedCertificate, explainCertificate } from '../../src/cli/explain-logins.ts';
import { loadConfig } from '../../src/config/config.ts';
import { contextOf, type Peer, peerOf } from '../../src/identity/peer.ts';
import { certificatesIn } from '../../src/identity/revoked.ts';
import { shownTo } from '../../src/identity/shown.ts';
import { type Authority, type Certificate, makeAuthority } from './certificates.ts';
import { Run } from './run.ts';

const HOLDPOINT = ['--import', 'tsx', resolve(import.meta.dirname, '../../src/main.ts')];
const AGENT = 'URI:spiffe://example.org/agent/billing';
const CLIENT = ['extendedKeyUsage=clientAuth'];

let dir: string;
let agents: Authority;
let strangers: Authority;
let server: Certificate;
let lists: { readonly now: string; readonly over: string };
const certificates: Record<string, Certificate> = {};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-shown-'));
  agents = await makeAuthority(dir, 'agents-ca');
  strangers = await makeAuthority(dir, 'strangers-ca');
  server = await agents.issue('gateway', ['DNS:localhost', 'IP:127.0.0.1']);
  const made = {
    good: await agents.issue('good', [AGENT], { extensions: CLIENT }),
    'of RSA': await agents.issue('rsa', [AGENT], { extensions: CLIENT, key: 'rsa:2048' }),
    'of Ed25519': await agents.issue('ed', [AGENT], { extensions: CLIENT, key: 'ed25519' }),
    revoked: await agents.issue('revoked', [AGENT], { extensions: CLIENT }),
    'for servers': await agents.issue('for-servers', [AGENT], { extensions: ['extendedKeyUsage=serverAuth'] }),
    'of a stranger': await strangers.issue('stranger', [AGENT], { extensions: CLIENT }),
    over: await agents.issue('over', [AGENT], {
      extensions: CLIENT,
      sign: '-days -1',
    }),
    'that signed itself': { cert: strangers.cert, key: strangers.key },
    'with another name': await agents.issue('other', ['DNS:billing.example.net'], { extensions: CLIENT }),
  };
  Object.assign(certificates, made);
  const now = await agents.revoke(made.revoked);
  lists = { now, over: await agents.expired() };
  await writeFile(
    join(dir, 'policy.yaml'),
    'version: 1\ndefault: allow\nrules: [{id: one, when: "true", then: hold}]\n',
  );
  await writeFile(
    join(dir, 'users.yaml'),
    'users:\n  - {id: ada, kind: human}\n  - {id: billing, kind: agent, sponsor: ada, groups: [money], upstream: {user: billing_rw, password: "file:password"}}\n',
  );
  await writeFile(join(dir, 'password'), 'p\n');
  const clients = { ca: agents.cert, crl: now, names: ['spiffe://example.org/agent/{name}'] };
  const postgres = { upstream: 'postgres://gateway_role@127.0.0.1/db', listen: '127.0.0.1:0' };
  const config = {
    data: 'data',
    policy: 'policy.yaml',
    postgres: [
      {
        ...postgres,
        name: 'app',
        tls: { ...server, clients },
        logins: [{ user: 'bill*', by: 'certificate' }, { by: ['local'] }],
      },
      { ...postgres, name: 'both', tls: { ...server, clients: { ...clients, required: true } } },
      { ...postgres, name: 'none' },
    ],
    mysql: [
      {
        name: 'shop',
        listen: '127.0.0.1:0',
        upstream: 'mysql://gateway@127.0.0.1/shop',
        tls: { ...server, clients: { ca: strangers.cert, names: clients.names } },
        logins: [{ user: 'svc-*', by: 'certificate' }],
      },
    ],
    review: { listen: '127.0.0.1:0' },
    identity: { users: 'users.yaml' },
  };
  await writeFile(join(dir, 'holdpoint.yaml'), JSON.stringify(config));
});
afterAll(() => rm(dir, { recursive: true }));

/** Is it good, by our list? */
const NAMES: readonly (readonly [string, boolean])[] = [
  ['good', true],
  ['of RSA', true],
  ['of Ed25519', true],
  ['revoked', false],
  ['for servers', false],
  ['of a stranger', false],
  ['over', false],
  ['that signed itself', false],
];

const read = (file: string): Promise<string> => readFile(file, 'utf8');
const codeOf = (peer: Peer): string | null => {
  if (peer.type === 'none') throw new Error('there was no certificate');
  return peer.type === 'bad' ? peer.why : null;
};
const contextWith = async (list: string | null, own: Certificate = server) => {
  const pems = { cert: await read(own.cert), key: await read(own.key) };
  return contextOf(pems, { ca: { pem: agents.pem }, crl: list === null ? null : { pem: await read(list) } });
};
const certificate = (name: string): Certificate => certificates[name] as Certificate;

/** As a listener's door does it, with a client that has the key. */
const overTheWire = async (
  secureContext: Awaited<ReturnType<typeof contextWith>>,
  name: string,
  version: 'TLSv1.2' | 'TLSv1.3',
) => {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const accepted = once(listener, 'connection') as Promise<[Socket]>;
  const { cert, key } = certificate(name);
  const client = connect({
    port: (listener.address() as AddressInfo).port,
    host: '127.0.0.1',
    cert: await read(cert),
    key: await read(key),
    rejectUnauthorized: false,
    minVersion: version,
    maxVersion: version,
  });
  client.on('error', () => {});
  const [socket] = await accepted;
  const tls = new TLSSocket(socket, { isServer: true, secureContext, requestCert: true, rejectUnauthorized: false });
  tls.on('error', () => {});
  await once(tls, 'secure');
  const code = codeOf(peerOf(tls));
  client.destroy();
  tls.destroy();
  listener.close();
  await once(listener, 'close');
  return code;
};

describe('asked without its key, a certificate', () => {
  test.each(NAMES)('%s gets the verdict that it gets with it', async (name, good) => {
    const context = await contextWith(lists.now);
    const chain = certificatesIn(await read(certificate(name).cert));
    const verdicts = [
      codeOf(await shownTo(context, chain)),
      await overTheWire(context, name, 'TLSv1.2'),
      await overTheWire(context, name, 'TLSv1.3'),
    ];
    expect(new Set(verdicts).size).toBe(1);
    expect(verdicts[0] === null).toBe(good);
  });

  test('is refused while the list is over, and taken where there is none', async () => {
    const chain = certificatesIn(await read(certificate('revoked').cert));
    const over = await contextWith(lists.over);
    expect(codeOf(await shownTo(over, certificatesIn(await read(certificate('good').cert))))).toBe('CRL_HAS_EXPIRED');
    expect(await overTheWire(over, 'good', 'TLSv1.3')).toBe('CRL_HAS_EXPIRED');
    expect(codeOf(await shownTo(await contextWith(null), chain))).toBeNull();
  });

  test.each(['rsa:2048', 'rsa:4096', 'ed25519', 'ec -pkeyopt ec_paramgen_curve:secp384r1'])(
    'can be shown to a listener whose own key is %s',
    async (key) => {
      const own = await agents.issue(`own-${key.replaceAll(/\W/g, '')}`, ['DNS:localhost'], { key });
      const chain = certificatesIn(await read(certificate('revoked').cert));
      expect(codeOf(await shownTo(await contextWith(lists.now, own), chain))).toBe('CERT_REVOKED');
    },
  );

  test('of more than OpenSSL reads is not told about, rather than taken', async () => {
    const [one] = certificatesIn(await read(certificate('good').cert));
    const many = Array.from({ length: 400 }, () => one as NonNullable<typeof one>);
    await expect(shownTo(await contextWith(null), many)).rejects.toThrow('the handshake failed');
  });
});

describe('whoami --certificate', () => {
  const explained = async (name: string): Promise<{ text: string; facts: ExplainedCertificate }> => {
    const config = await loadConfig(join(dir, 'holdpoint.yaml'), { env: {} });
    const facts = await explainCertificate(config, certificate(name).cert);
    return { text: certificateText(config, facts), facts };
  };
  const at = (text: string, listener: string): string =>
    (text.split(/^at /m).find((part) => part.startsWith(`${listener}\n`)) ?? '').replaceAll(/ {2,}/g, ' ');

  test('says what a good one is at each listener, and why', async () => {
    const { text, facts } = await explained('good');
    expect(facts.listeners.map(({ listener, logs_in }) => [listener, logs_in])).toEqual([
      ['app', true],
      ['both', false],
      ['none', false],
      ['shop', false],
    ]);
    const app = at(text, 'app');
    expect(app).toContain(' chain good: tls.clients.ca leads to it\n');
    expect(app).toContain(' revoked not revoked; the list is good until ');
    expect(app).toContain(' name spiffe://example.org/agent/billing is billing\n');
    expect(app).toContain(' by logins[0] (user bill*): a client certificate, no password\n');
    expect(app).toContain(' here billing, agent, by its entry in users.yaml\n');
    expect(app).toContain(' groups money\n');
    expect(app).toContain(' upstream billing_rw\n');
    expect(app).toContain(' logs in as billing\n');
    expect(at(text, 'both')).toContain(
      ' by logins[0] (user *): a proof of the password of users.yaml (SCRAM-SHA-256), and a client certificate on top of it\n',
    );
    expect(at(text, 'both')).toContain(' logs in no: its name does not log in by certificate here\n');
    expect(at(text, 'none')).toContain(' logs in no: it asks for no certificate (tls.clients)\n');
    expect(at(text, 'shop')).toContain('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    expect(at(text, 'shop')).toContain(' revoked nobody knows: there is no tls.clients.crl\n');
  });

  test.each([
    ['revoked', 'was revoked (CERT_REVOKED)'],
    ['over', 'has ended (CERT_HAS_EXPIRED)'],
    ['for servers', 'not one for clients (extendedKeyUsage) (INVALID_PURPOSE)'],
    ['with another name', 'none of its names fits tls.clients.names'],
  ])('says of one that is %s what is wrong with it', async (name, why) => {
    const { text, facts } = await explained(name);
    expect(facts.listeners.every(({ logs_in }) => !logs_in)).toBe(true);
    expect(at(text, 'app')).toMatch(/ logs in no: /);
    expect(at(text, 'app')).toContain(`${why}\n`);
  });

  test('ends with status 0 where it logs in anywhere, 1 where nowhere, 2 on what is no certificate', async () => {
    const run = (file: string, ...more: string[]) =>
      new Run(
        process.execPath,
        [...HOLDPOINT, 'whoami', '--config', join(dir, 'holdpoint.yaml'), '--certificate', file, ...more],
        { env: { NO_COLOR: '1' } },
      ).end();
    const good = await run(certificate('good').cert, '--json');
    expect(good.exit).toBe(0);
    const facts = JSON.parse(good.out) as ExplainedCertificate;
    expect(facts.listeners[0]).toMatchObject({
      listener: 'app',
      logs_in: true,
      san: 'spiffe://example.org/agent/billing',
      id: 'billing',
      principal: { upstream: 'billing_rw' },
    });
    expect((await run(certificate('revoked').cert)).exit).toBe(1);
    const none = await run(certificate('good').key);
    expect([none.exit, none.err]).toEqual([2, expect.stringContaining('has no certificate in it (PEM)')]);
    expect((await run(certificate('good').cert, '--user', 'billing')).exit).toBe(2);
  });
});
