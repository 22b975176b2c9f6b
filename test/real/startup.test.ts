// How a connection begins and how another one cancels for it: protocol versions and options answered as PostgreSQL 18 answers them, and
// cancel keys in clear, inside TLS, of another node, and made up.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeSecret } from '../../src/listener/cancel-keys.ts';
import { cancelRequest, query } from '../../src/wire/postgres/messages.ts';
import { type Authority, makeAuthority } from './certificates.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { keyOf, Raw, sqlstate, startup } from './raw.ts';
import { startServer, type TestServer } from './servers.ts';

const V3_0 = 3 << 16;
const V3_2 = V3_0 + 2;

let server: TestServer;
let admin: pg.Client;
let gateway: TestGateway;

beforeAll(async () => {
  // The first version that knows 3.2.
  server = await startServer(18);
  admin = await server.admin();
  gateway = await startGateway({ upstream: server.url });
});
afterAll(async () => {
  await gateway?.stop();
  await server?.stop();
});

describe('protocol versions and options', () => {
  const OPTION = { '_pq_.holdpoint_test': '1' };
  const TWO = { ...OPTION, '_pq_.other': '' };

  /** All that the peer says of the version, before it asks for a password: 'v' with what it can do, or the error. */
  const answer = async (port: number, user: string, version: number, options: Readonly<Record<string, string>>) => {
    const raw = await Raw.connect(port);
    raw.send(startup({ user, database: 'postgres', ...options }, version));
    const seen: string[] = [];
    for (;;) {
      const message = await raw.message();
      if (message === null || message.type === 'R') break;
      seen.push(
        message.type === 'E'
          ? `${message.fields.get('V')} ${message.fields.get('C')}`
          : `v ${message.body.toString('hex')}`,
      );
    }
    raw.destroy();
    return seen;
  };

  test.each([
    ['3.0', V3_0, {}],
    ['3.0 and an option', V3_0, OPTION],
    ['3.0 and two options', V3_0, TWO],
    ['3.1', V3_0 + 1, {}],
    ['3.2', V3_2, {}],
    ['3.2 and an option', V3_2, OPTION],
    ['3.3', V3_0 + 3, {}],
    ['3.9 and two options', V3_0 + 9, TWO],
    ['3.9999', V3_0 + 9999, {}],
    ['3.65535', V3_0 + 65_535, {}],
    ['4.0', 4 << 16, {}],
  ] as const)('%s: as the server', async (_, version, options) => {
    const direct = await answer(server.port, server.user, version, options);
    expect(await answer(gateway.port, 'bot', version, options)).toEqual(direct);
  });

  test('2.0: the same words, though not in the form of 2.0', async () => {
    expect(await answer(gateway.port, 'bot', 2 << 16, {})).toEqual(['FATAL 0A000']);
  });

  test('what is negotiated works, with the key length of its version', async () => {
    for (const [version, bytes] of [
      [V3_0, 4],
      [V3_0 + 1, 4],
      [V3_2, 39],
      [V3_0 + 9, 39],
    ] as const) {
      const raw = await Raw.connect(gateway.port);
      raw.send(startup({ user: 'bot', database: 'postgres', ...OPTION }, version));
      const { secret, processId } = keyOf(await raw.authenticate(AGENT_PASSWORD));
      expect(secret).toHaveLength(bytes);
      raw.send(query('SELECT pg_backend_pid()'));
      const row = (await raw.until('Z')).find(({ type }) => type === 'D');
      expect(row?.body.toString('latin1', 6)).toBe(String(processId));
      raw.destroy();
    }
  });
});

describe('cancel', () => {
  let dir: string;
  let authority: Authority;
  let secure: TestGateway;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdpoint-cancel-'));
    authority = await makeAuthority(dir, 'authority');
    const { cert, key } = await authority.issue('gateway', ['DNS:localhost']);
    secure = await startGateway({ upstream: server.url, listener: { tls: { cert, key } } });
  });
  afterAll(async () => {
    await secure?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const connect = async (to: TestGateway): Promise<Raw> => {
    const raw = await Raw.connect(to.port);
    if (to === secure) await raw.encrypt({ ca: authority.pem, servername: 'localhost' });
    return raw;
  };
  const session = async (to: TestGateway, version: number) => {
    const raw = await connect(to);
    raw.send(startup({ user: 'bot', database: 'postgres' }, version));
    return { raw, ...keyOf(await raw.authenticate(AGENT_PASSWORD)) };
  };
  /** Sends a cancel and waits until the other side closes; what it said. */
  const cancel = async (raw: Raw, processId: number, secret: Buffer): Promise<unknown> => {
    raw.send(cancelRequest(processId, secret));
    const said = await raw.message();
    raw.destroy();
    return said;
  };
  const sleeping = async (pid: number): Promise<void> => {
    for (;;) {
      const { rowCount } = await admin.query(
        "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND wait_event = 'PgSleep'",
        [pid],
      );
      if (rowCount) return;
    }
  };

  test.each([
    ['3.0', 'in clear', V3_0],
    ['3.2', 'in clear', V3_2],
    ['3.0', 'inside TLS', V3_0],
    ['3.2', 'inside TLS', V3_2],
    ['3.0', 'in clear for a session inside TLS', V3_0],
    ['3.2', 'in clear for a session inside TLS', V3_2],
  ] as const)('%s %s', async (_, where, version) => {
    const to = where === 'in clear' ? gateway : secure;
    const { raw, processId, secret } = await session(to, version);
    raw.send(query('SELECT pg_sleep(60)'));
    await sleeping(processId);
    // As libpq before 17 sends it, whatever the session is in.
    const other = where === 'inside TLS' ? await connect(to) : await Raw.connect(to.port);
    expect(await cancel(other, processId, secret)).toBeNull();
    expect(sqlstate(await raw.until('Z'))).toBe('57014');
    raw.destroy();
  });

  test('a held statement, in clear for a session inside TLS', async () => {
    const { raw, processId, secret } = await session(secure, V3_2);
    raw.send(query('CREATE TABLE never (id int)'));
    await secure.opened();
    expect(await cancel(await Raw.connect(secure.port), processId, secret)).toBeNull();
    expect(sqlstate(await raw.until('Z'))).toBe('57014');
    raw.destroy();
  });

  test('a key of another node or worker, a made-up or a cut one: closed without a word, and nothing is cancelled', async () => {
    const { raw, processId, secret } = await session(gateway, V3_2);
    raw.send(query('SELECT pg_sleep(60)'));
    await sleeping(processId);
    const foreign = [
      makeSecret({ node: 'another', worker: 0 }, 2),
      makeSecret({ node: 'another', worker: 0 }, 0),
      secret.subarray(0, 38),
      secret.subarray(0, 4),
      Buffer.concat([secret, Buffer.alloc(1)]),
      Buffer.alloc(39),
      Buffer.alloc(256, 1),
    ];
    for (const key of foreign) expect(await cancel(await Raw.connect(gateway.port), processId, key)).toBeNull();
    expect(await cancel(await Raw.connect(gateway.port), processId + 1, secret)).toBeNull();
    await sleeping(processId);
    expect(await cancel(await Raw.connect(gateway.port), processId, secret)).toBeNull();
    expect(sqlstate(await raw.until('Z'))).toBe('57014');
    raw.destroy();
  });
});
