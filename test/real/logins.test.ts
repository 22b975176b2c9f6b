// How agents log in at a PostgreSQL listener: by a password in clear inside TLS, by client certificate, by SCRAM bound to the channel. With psql,
// node-postgres and bytes of our own; every refusal says the same, whichever part was wrong.
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endPointOf } from '../../src/listener/tls.ts';
import { saslInitialResponse, saslResponse, TERMINATE } from '../../src/wire/postgres/messages.ts';
import { MECHANISM, MECHANISM_PLUS } from '../../src/wire/postgres/scram.ts';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { type Authority, type Certificate, makeAuthority } from './certificates.ts';
import { psql, until } from './clients.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { message, Raw, sqlstate, startup } from './raw.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

let dir: string;
let server: TestServer;
let house: Authority;
let agents: Authority;
let strangers: Authority;
let own: Certificate;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-logins-'));
  [house, agents, strangers] = (await Promise.all(
    ['house', 'agents', 'strangers'].map((name) => makeAuthority(dir, name)),
  )) as [Authority, Authority, Authority];
  own = await house.issue('gateway', ['DNS:localhost', 'IP:127.0.0.1']);
  server = await startServer(NEWEST);
});
afterAll(async () => {
  await server?.stop();
  await rm(dir, { recursive: true, force: true });
});

const SPIFFE = 'spiffe://example.org/agent/';
const refusedOf = async (gateway: TestGateway): Promise<Record<string, unknown>[]> =>
  (await gateway.records())
    .filter(({ type }) => type === 'session.refused')
    .map(({ clear }) => clear as Record<string, unknown>);

/** TLS, a startup message, and what the gateway asks or says. */
const begin = async (gateway: TestGateway, user: string, tls: ConnectionOptions = {}): Promise<Raw> => {
  const raw = await Raw.connect(gateway.port);
  await raw.encrypt({ ca: house.pem, servername: 'localhost', ...tls });
  raw.send(startup({ user, database: 'postgres' }));
  return raw;
};

describe('a password in clear', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await startGateway({
      upstream: server.url,
      listener: {
        tls: own,
        logins: [
          { user: 'pet*', by: 'verifier' },
          { user: '*', by: ['local'] },
        ],
      },
      config: { limits: { startup_timeout_ms: 6000 } },
    });
  });
  afterAll(async () => {
    await gateway?.stop();
  });

  const connection = (more = 'sslmode=require', user = 'bot'): string =>
    `host=localhost hostaddr=127.0.0.1 port=${gateway.port} dbname=postgres user=${user} ${more}`;
  const password = (text: string): Buffer => message('p', `${text}\0`);

  test('psql is asked for it inside TLS, and is who it says', async () => {
    expect(await psql(connection(), ['-c', 'SELECT 1'])).toEqual({ out: '1\n', err: '', exit: 0 });
    const opened = (await gateway.records()).findLast(({ type }) => type === 'session.opened');
    expect(opened?.clear).toMatchObject({ who: { id: 'bot', authentication: 'local' } });
  });

  test('node-postgres', async () => {
    const client = new pg.Client({ connectionString: gateway.agentUrl(), ssl: { ca: house.pem } });
    await client.connect();
    expect((await client.query('SELECT $1::int AS n', [7])).rows).toEqual([{ n: 7 }]);
    await client.end();
  });

  test('which method is asked is settled by the name, also of nobody', async () => {
    const asked = async (user: string): Promise<number | undefined> => {
      const raw = await begin(gateway, user);
      const method = (await raw.message())?.body.readInt32BE(0);
      raw.destroy();
      return method;
    };
    expect(await Promise.all(['petra', 'petnobody', 'bot', 'nobody'].map(asked))).toEqual([10, 10, 3, 3]);
  });

  test('never outside TLS: nothing is asked', async () => {
    const raw = await Raw.connect(gateway.port);
    raw.send(startup({ user: 'bot' }));
    const seen = await raw.until('E');
    expect(seen.map(({ type }) => type)).toEqual(['E']);
    expect(sqlstate(seen)).toBe('28000');
  });

  test.each([
    ['wrong', 'bot', 'wrong'],
    ['empty', 'bot', ''],
    ['of nobody', 'nobody', AGENT_PASSWORD],
    ['of somebody without a verifier', 'ada', AGENT_PASSWORD],
    ['as long as a token may be', 'bot', 'x'.repeat(16 * 1024)],
  ])('%s: the same words for each', async (_, user, text) => {
    const raw = await begin(gateway, user);
    await raw.message();
    raw.send(password(text));
    const [error] = await raw.until('E');
    expect(Object.fromEntries(error?.fields ?? [])).toMatchObject({
      C: '28P01',
      M: `password authentication failed for user "${user}"`,
    });
    expect(error?.fields.has('D')).toBe(false);
    await raw.ended();
  });

  test.each([
    ['a NUL in it', () => message('p', 'a\0b\0')],
    ['no NUL at its end', () => message('p', 'ab')],
    ['nothing at all', () => message('p', '')],
    ['ten megabytes', () => message('p', `${'x'.repeat(10_000_000)}\0`)],
    ['longer than a token may be', () => message('p', `${'x'.repeat(16 * 1024 + 16)}\0`)],
    ['a length of two gigabytes', () => message('p', 'x', 0x7fffffff)],
    ['a SASL response', () => saslInitialResponse(MECHANISM, 'n,,n=,r=abcdefgh')],
    ['a Terminate', () => TERMINATE],
  ])('%s: a protocol violation, and the connection ends', async (_, bytes) => {
    const raw = await begin(gateway, 'bot');
    await raw.message();
    raw.stream.on('error', () => {});
    raw.send(bytes());
    expect(sqlstate(await raw.until('E'))).toBe('08P01');
    await raw.ended();
  });

  test('who never answers, or leaves in the middle, takes nobody’s place', async () => {
    const silent = await begin(gateway, 'bot');
    await silent.message();
    const leaver = await begin(gateway, 'bot');
    await leaver.message();
    leaver.send(password(AGENT_PASSWORD).subarray(0, 7));
    leaver.destroy();
    await silent.ended();
    expect((await psql(connection(), ['-c', 'SELECT 1'])).out).toBe('1\n');
  });

  test('a statement right behind the password waits for the login', async () => {
    const raw = await begin(gateway, 'bot');
    await raw.message();
    raw.send(password(AGENT_PASSWORD), message('Q', 'SELECT 42 AS n\0'));
    await raw.until('Z');
    expect((await raw.until('Z')).map(({ type }) => type)).toEqual(['T', 'D', 'C', 'Z']);
    raw.destroy();
  });

  test('after five wrong ones the right one waits, however the name is written; what was wrong is on record alone', async () => {
    for (let n = 0; n < 5; n++)
      await psql(connection('sslmode=require', 'lena'), ['-c', 'SELECT 1'], { password: 'x' });
    const { err } = await psql(connection('sslmode=require', 'lena'), ['-c', 'SELECT 1']);
    expect(err).toContain('password authentication failed for user "lena"');
    const refused = (await refusedOf(gateway)).filter(({ user }) => user === 'lena');
    expect(refused.map(({ why }) => why)).toEqual([...Array<string>(5).fill('wrong'), 'too many wrong ones']);
    expect(JSON.stringify(await gateway.records())).not.toContain(AGENT_PASSWORD);
  });
});

describe('client certificates', () => {
  let gateway: TestGateway;
  let bot: Certificate;
  let crl: string;
  let revoked: Certificate;

  beforeAll(async () => {
    bot = await agents.issue('bot', [`URI:${SPIFFE}bot`]);
    revoked = await agents.issue('revoked', [`URI:${SPIFFE}orphan`]);
    const list = await agents.revoke(revoked);
    // In the gateway's own place, where it is replaced.
    crl = join(dir, 'in-force.crl');
    await copyFile(list, crl);
    gateway = await start();
  });
  afterAll(async () => {
    await gateway?.stop();
  });

  /** `clients`: other files than those of the agents' authority. */
  const start = (clients: { readonly ca?: string; readonly crl?: string } = {}): Promise<TestGateway> =>
    startGateway({
      upstream: server.url,
      listener: {
        tls: {
          ...own,
          clients: {
            ca: agents.cert,
            crl,
            names: [`${SPIFFE}{name}`, '{name}.agents.example.org', { san: 'batch.example.org', user: 'lena' }],
            ...clients,
          },
        },
        logins: [{ user: 'petra', by: 'verifier' }, { by: 'certificate' }],
      },
    });

  const connection = ({ cert, key }: Certificate, user = 'bot'): string =>
    `host=localhost hostaddr=127.0.0.1 port=${gateway.port} dbname=postgres user=${user} sslmode=require sslcert=${cert} sslkey=${key}`;
  const select = async (certificate: Certificate, user = 'bot') =>
    psql(connection(certificate, user), ['-c', 'SELECT 1']);
  const why = async (): Promise<unknown> => (await refusedOf(gateway)).at(-1)?.['why'];
  const REFUSED = (user = 'bot') => new RegExp(`FATAL:  certificate authentication failed for user "${user}"\n$`);

  test('psql by SPIFFE ID, by DNS name, by a name of the configuration; no password is asked', async () => {
    expect(await psql(connection(bot), ['-w', '-c', 'SELECT 1'], { password: '' })).toEqual({
      out: '1\n',
      err: '',
      exit: 0,
    });
    const orphan = await agents.issue('by-dns', ['DNS:orphan.agents.example.org', 'DNS:other.example.org']);
    expect((await select(orphan, 'orphan')).out).toBe('1\n');
    const lena = await agents.issue('by-name', ['DNS:batch.example.org']);
    expect((await select(lena, 'lena')).out).toBe('1\n');
    const who = (await gateway.records())
      .filter(({ type }) => type === 'session.opened')
      .map(({ clear }) => (clear as { who: unknown }).who);
    expect(who).toMatchObject(['bot', 'orphan', 'lena'].map((id) => ({ id, authentication: 'certificate' })));
  });

  test('node-postgres', async () => {
    const ssl = { ca: house.pem, cert: await readFile(bot.cert, 'utf8'), key: await readFile(bot.key, 'utf8') };
    const client = new pg.Client({ host: 'localhost', port: gateway.port, user: 'bot', database: 'postgres', ssl });
    await client.connect();
    expect((await client.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
    await client.end();
  });

  describe('that are not good', () => {
    // At a gateway of their own: a right one waits after so many wrong ones.
    let others: TestGateway;
    beforeAll(async () => {
      others = gateway;
      gateway = await start();
    });
    afterAll(async () => {
      await gateway.stop();
      gateway = others;
    });

    test.each<[string, string, () => Promise<Certificate>, string]>([
      ['another user’s', 'orphan', async () => bot, "certificate: it is bot's"],
      [
        'no alternative name, the right CN',
        'bot',
        () => agents.issue('bot-cn', []),
        'certificate: it has no SPIFFE ID and no DNS name',
      ],
      [
        'several URIs',
        'bot',
        () => agents.issue('several', [`URI:${SPIFFE}bot`, `URI:${SPIFFE}orphan`]),
        'certificate: it has several URIs',
      ],
      [
        'two names that fit',
        'bot',
        () => agents.issue('two', ['DNS:bot.agents.example.org', 'DNS:orphan.agents.example.org']),
        'certificate: it has several names',
      ],
      [
        'another trust domain',
        'bot',
        () => agents.issue('domain', ['URI:spiffe://example.com/agent/bot']),
        'certificate: none of its names fits tls.clients.names',
      ],
      [
        'a longer path',
        'bot',
        () => agents.issue('path', [`URI:${SPIFFE}bot/x`]),
        'certificate: none of its names fits tls.clients.names',
      ],
      [
        'a wildcard',
        'bot',
        () => agents.issue('wildcard', ['DNS:*.agents.example.org']),
        'certificate: it has no SPIFFE ID and no DNS name',
      ],
      [
        'an authority itself',
        'bot',
        () => agents.issue('sub', [`URI:${SPIFFE}bot`], { extensions: ['basicConstraints=CA:TRUE'] }),
        'certificate: it is an authority itself',
      ],
      [
        'another authority',
        'bot',
        () => strangers.issue('bot', [`URI:${SPIFFE}bot`]),
        'certificate: UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      ],
      ['revoked', 'orphan', async () => revoked, 'certificate: CERT_REVOKED'],
      [
        'for servers alone',
        'bot',
        () => agents.issue('server', [`URI:${SPIFFE}bot`], { extensions: ['extendedKeyUsage=serverAuth'] }),
        'certificate: INVALID_PURPOSE',
      ],
      [
        'over',
        'bot',
        () => agents.issue('over', [`URI:${SPIFFE}bot`], { sign: '-days -1' }),
        'certificate: CERT_HAS_EXPIRED',
      ],
      [
        'of nobody here',
        'nobody',
        () => agents.issue('nobody', [`URI:${SPIFFE}nobody`]),
        'certificate: nobody that this gateway knows',
      ],
    ])('%s: refused, with the same words', async (_, user, issue, reason) => {
      const { err, exit } = await select(await issue(), user);
      expect(err).toMatch(REFUSED(user));
      expect(err).not.toMatch(/DETAIL|HINT/);
      expect(exit).toBe(2);
      expect(await why()).toBe(reason);
    });
  });

  test('none: refused, with the same words', async () => {
    const raw = await begin(gateway, 'bot');
    expect((await raw.until('E')).at(-1)?.fields.get('M')).toBe('certificate authentication failed for user "bot"');
    expect(await why()).toBe('certificate: there is none');
  });

  test('who logs in otherwise needs none, but not a bad one', async () => {
    const without = await begin(gateway, 'petra');
    expect((await without.authenticate(AGENT_PASSWORD)).at(-1)?.type).toBe('Z');
    without.destroy();
    expect((await select(revoked, 'petra')).err).toMatch(REFUSED('petra'));
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a session of %s is not taken up again: the certificate is looked at each time',
    async (version) => {
      const tls = {
        cert: await readFile(bot.cert),
        key: await readFile(bot.key),
        minVersion: version,
        maxVersion: version,
      };
      const first = await begin(gateway, 'bot', tls);
      await first.until('Z');
      const session = (first.stream as TLSSocket).getSession();
      first.destroy();
      const second = await begin(gateway, 'bot', { ...tls, ...(session && { session }) });
      expect((await second.until('Z')).at(-1)?.type).toBe('Z');
      expect((second.stream as TLSSocket).isSessionReused()).toBe(false);
      second.destroy();
    },
  );

  test('wrong ones of a name from an address keep the right one waiting no more than any other', async () => {
    const lena = await agents.issue('lena', ['DNS:batch.example.org']);
    const files = async ({ cert, key }: Certificate) => ({ cert: await readFile(cert), key: await readFile(key) });
    const [right, wrong] = [await files(lena), await files(bot)];
    const isIn = async (tls: ConnectionOptions, user = 'lena'): Promise<boolean> => {
      const raw = await begin(gateway, user, tls);
      const last = (await raw.until('Z')).at(-1)?.type;
      raw.destroy();
      return last === 'Z';
    };
    expect(await isIn(right)).toBe(true);
    // Nobody can guess one: a neighbour behind the same address must not shut her out.
    for (let n = 0; n < 12; n++) expect(await isIn(wrong)).toBe(false);
    expect(await isIn(right)).toBe(true);
    expect(await isIn(wrong)).toBe(false);
    expect(await isIn(wrong, 'bot')).toBe(true);
  });

  test('nothing is negotiated anew inside of TLS 1.2: another certificate could be shown then', async () => {
    const tls = { cert: await readFile(bot.cert), key: await readFile(bot.key), maxVersion: 'TLSv1.2' } as const;
    const raw = await begin(gateway, 'bot', tls);
    expect((await raw.until('Z')).at(-1)?.type).toBe('Z');
    const line = raw.stream as TLSSocket;
    const told = await new Promise<string>((resolve) => {
      line.once('error', () => resolve('refused'));
      line.once('close', () => resolve('refused'));
      line.renegotiate({}, (error) => resolve(error ? 'refused' : 'negotiated anew'));
      raw.send(message('Q', 'SELECT 1\0'));
    });
    expect(told).toBe('refused');
    raw.destroy();
  });

  test('lists of several authorities in one file all count; one that is missing or over lets in nobody', async () => {
    const branch = await makeAuthority(dir, 'branch');
    const [kept, lost] = [
      await branch.issue('kept', ['DNS:orphan.agents.example.org']),
      await branch.issue('lost', ['DNS:orphan.agents.example.org']),
    ];
    const [ca, lists] = [join(dir, 'both.crt'), join(dir, 'both.crl')];
    await writeFile(ca, `${agents.pem}${branch.pem}`);
    const [own_list, branch_list] = [
      await readFile(await agents.revoke(), 'utf8'),
      await readFile(await branch.revoke(lost), 'utf8'),
    ];
    const outcome = async (list: string): Promise<readonly (readonly [exit: number | null, why: unknown])[]> => {
      await writeFile(lists, list);
      const shared = gateway;
      gateway = await start({ ca, crl: lists });
      try {
        const told: (readonly [exit: number | null, why: unknown])[] = [];
        for (const certificate of [kept, lost]) {
          const { exit } = await select(certificate, 'orphan');
          told.push([exit, exit === 0 ? null : await why()]);
        }
        return told;
      } finally {
        await gateway.stop();
        gateway = shared;
      }
    };
    const both = [
      [0, null],
      [2, 'certificate: CERT_REVOKED'],
    ];
    expect(await outcome(`${own_list}${branch_list}`)).toEqual(both);
    expect(await outcome(`${branch_list}${own_list}`)).toEqual(both);
    expect(await outcome(own_list)).toEqual(Array.from({ length: 2 }, () => [2, 'certificate: UNABLE_TO_GET_CRL']));
    const over = await readFile(await branch.expired(), 'utf8');
    expect(await outcome(`${own_list}${over}`)).toEqual([
      [2, 'certificate: CRL_HAS_EXPIRED'],
      [2, expect.stringMatching(/^certificate: (CRL_HAS_EXPIRED|CERT_REVOKED)$/)],
    ]);
    // A second one that was cut in writing is none.
    await expect(outcome(`${own_list}${branch_list.slice(0, 200)}`)).rejects.toThrow('not whole');
  });

  test('a new list of revoked ones counts for the next connection, without a restart', async () => {
    const late = await agents.issue('late', [`URI:${SPIFFE}orphan`]);
    expect((await select(late, 'orphan')).out).toBe('1\n');
    await copyFile(await agents.revoke(late), crl);
    await until(async () => (await select(late, 'orphan')).exit !== 0);
    expect(await why()).toBe('certificate: CERT_REVOKED');
    expect((await select(bot)).out).toBe('1\n');
  });

  test('required: a password without one is not even asked for', async () => {
    const strict = await startGateway({
      upstream: server.url,
      listener: { tls: { ...own, clients: { ca: agents.cert, required: true, names: [`${SPIFFE}{name}`] } } },
    });
    const raw = await Raw.connect(strict.port);
    await raw.encrypt({ ca: house.pem, servername: 'localhost' });
    raw.send(startup({ user: 'bot', database: 'postgres' }));
    expect((await raw.until('E')).map(({ type }) => type)).toEqual(['E']);
    const tls = { cert: await readFile(bot.cert), key: await readFile(bot.key) };
    const known = await begin(strict, 'petra', tls);
    expect((await known.authenticate(AGENT_PASSWORD)).at(-1)?.type).toBe('Z');
    known.destroy();
    await strict.stop();
  });
});

describe('SCRAM-SHA-256-PLUS', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await startGateway({ upstream: server.url, listener: { tls: own } });
  });
  afterAll(async () => {
    await gateway?.stop();
  });

  const field = (text: string, letter: string): string =>
    text
      .split(',')
      .find((part) => part.startsWith(`${letter}=`))
      ?.slice(2) ?? '';
  const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

  /** A whole exchange with a right proof: the last answer, as its method or SQLSTATE. */
  const exchange = async (
    raw: Raw,
    {
      mechanism = MECHANISM_PLUS,
      gs2,
      signed = gs2,
      data = Buffer.alloc(0),
    }: { mechanism?: string; gs2: string; signed?: string; data?: Buffer },
  ): Promise<string> => {
    const said = (answer: Awaited<ReturnType<Raw['message']>>): string =>
      answer?.type === 'E' ? (answer.fields.get('C') ?? '') : `R${answer?.body.readInt32BE(0)}`;
    await raw.message();
    raw.send(saslInitialResponse(mechanism, `${gs2}n=,r=abcdefgh`));
    const first = await raw.message();
    if (first?.type !== 'R') return said(first);
    const challenge = first.body.toString('utf8', 4);
    const salted = pbkdf2Sync(
      AGENT_PASSWORD,
      Buffer.from(field(challenge, 's'), 'base64'),
      Number(field(challenge, 'i')),
      32,
      'sha256',
    );
    const clientKey = hmac(salted, 'Client Key');
    const bare = `c=${Buffer.concat([Buffer.from(signed), data]).toString('base64')},r=${field(challenge, 'r')}`;
    const signature = hmac(createHash('sha256').update(clientKey).digest(), `n=,r=abcdefgh,${challenge},${bare}`);
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)));
    raw.send(saslResponse(`${bare},p=${proof.toString('base64')}`));
    const answer = said(await raw.message());
    raw.destroy();
    return answer;
  };
  const PLUS = 'p=tls-server-end-point,,';
  const certificate = async (): Promise<Buffer> =>
    endPointOf({ cert: await readFile(own.cert, 'utf8'), key: '' }) as Buffer;

  test('offered first inside TLS, not outside', async () => {
    const raw = await begin(gateway, 'bot');
    expect((await raw.message())?.body.toString('latin1', 4)).toBe(`${MECHANISM_PLUS}\0${MECHANISM}\0\0`);
    raw.destroy();
    const open = await startGateway({ upstream: server.url });
    const clear = await Raw.connect(open.port);
    clear.send(startup({ user: 'bot', database: 'postgres' }));
    expect((await clear.message())?.body.toString('latin1', 4)).toBe(`${MECHANISM}\0\0`);
    clear.destroy();
    await open.stop();
  });

  test.each([
    ['ec, SHA-256', '', '-sha256'],
    ['ec, SHA-384', '', '-sha384'],
    ['ec, SHA-512', '', '-sha512'],
    ['RSA, SHA-512', 'rsa:2048', '-sha512'],
    ['RSA-PSS', 'rsa:2048', '-sha384 -sigopt rsa_padding_mode:pss'],
  ])('psql with channel_binding=require: %s', async (what, key, sign) => {
    const authority = await makeAuthority(dir, `signs-${what.replace(/\W/g, '')}`, key || undefined);
    const shown = await authority.issue('shown', ['DNS:localhost'], { sign: `-days 1 ${sign}` });
    const bound = await startGateway({ upstream: server.url, listener: { tls: shown } });
    const to = `host=localhost hostaddr=127.0.0.1 port=${bound.port} dbname=postgres user=bot sslmode=require channel_binding=require`;
    expect(await psql(to, ['-c', 'SELECT 1'])).toEqual({ out: '1\n', err: '', exit: 0 });
    await bound.stop();
  });

  test('a certificate that none is defined for: not offered, and libpq goes on without it', async () => {
    const authority = await makeAuthority(dir, 'edwards', 'ed25519');
    const shown = await authority.issue('shown', ['DNS:localhost']);
    const unbound = await startGateway({ upstream: server.url, listener: { tls: shown } });
    const to = `host=localhost hostaddr=127.0.0.1 port=${unbound.port} dbname=postgres user=bot sslmode=require`;
    expect((await psql(to, ['-c', 'SELECT 1'])).out).toBe('1\n');
    expect((await psql(`${to} channel_binding=require`, ['-c', 'SELECT 1'])).err).toMatch(/channel binding/);
    await unbound.stop();
  });

  test('node-postgres with enableChannelBinding, and without', async () => {
    for (const enableChannelBinding of [true, false]) {
      const client = new pg.Client({
        connectionString: gateway.agentUrl(),
        ssl: { ca: house.pem },
        enableChannelBinding,
      });
      await client.connect();
      expect((await client.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
      await client.end();
    }
  });

  test('bound to the certificate: in; without binding (n): in', async () => {
    expect(await exchange(await begin(gateway, 'bot'), { gs2: PLUS, data: await certificate() })).toBe('R12');
    expect(await exchange(await begin(gateway, 'bot'), { mechanism: MECHANISM, gs2: 'n,,' })).toBe('R12');
  });

  test.each([
    ['y, though it was offered: somebody took the offer out', { mechanism: MECHANISM, gs2: 'y,,' }],
    ['-PLUS without binding', { gs2: 'n,,' }],
    ['-PLUS that could bind', { gs2: 'y,,' }],
    ['another kind of binding', { gs2: 'p=tls-unique,,' }],
    ['binding without -PLUS', { mechanism: MECHANISM, gs2: PLUS }],
    ['the hash of another certificate', { gs2: PLUS, data: Buffer.alloc(32, 7) }],
    ['no hash', { gs2: PLUS }],
    ['another header signed than sent', { gs2: PLUS, signed: 'n,,' }],
  ])('%s: 28000, and nobody is in', async (_, what) => {
    expect(await exchange(await begin(gateway, 'bot'), what)).toBe('28000');
    expect((await refusedOf(gateway)).at(-1)).toMatchObject({ user: 'bot', sqlstate: '28000', why: 'channel binding' });
  });

  test('a wrong password is one with binding, too', async () => {
    const to = `host=localhost hostaddr=127.0.0.1 port=${gateway.port} dbname=postgres user=bot sslmode=require channel_binding=require`;
    expect((await psql(to, ['-c', 'SELECT 1'], { password: 'x' })).err).toContain(
      'password authentication failed for user "bot"',
    );
  });
});
