// One event posted once: signed as the standard has it, to addresses that were checked, and whatever the receiver does, within limits.
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Resolve, resolveBySystem } from '../../../src/review/webhooks/guard.ts';
import { Sender } from '../../../src/review/webhooks/send.ts';
import { signedHeaders } from '../../../src/review/webhooks/sign.ts';
import type { HookConfig } from '../../../src/review/webhooks/ports.ts';
import { makeAuthority } from '../../real/certificates.ts';
import { hookOf, receive, type Receiver, SECRET } from './webhooks-help.ts';

const NOW = Date.UTC(2026, 0, 5, 14, 2, 30);
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const receiver = async (...given: Parameters<typeof receive>): Promise<Receiver> => {
  const made = await receive(...given);
  ends.push(() => made.close());
  return made;
};

const senderOf = (hook: Partial<HookConfig>, resolve: Resolve = resolveBySystem): Sender => {
  const sender = new Sender(hookOf(hook), { resolve, now: () => NOW, version: '1.2.3' });
  ends.push(() => sender.close());
  return sender;
};

describe('signature', () => {
  it('of the example that the standard libraries test', () => {
    const secrets = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'];
    expect(
      signedHeaders(secrets, {
        id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
        at: 1_614_265_330_999,
        body: '{"test": 2432232314}',
      }),
    ).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it('of two secrets, each its own; a text is its own key; over the bytes of UTF-8', () => {
    const text = 'a text of 24 characters.';
    const headers = signedHeaders([SECRET, text], { id: 'i', at: 5000, body: 'ä' });
    const by = (key: Buffer) => `v1,${createHmac('sha256', key).update(Buffer.from('i.5.ä')).digest('base64')}`;
    expect(headers['webhook-signature']).toBe(`${by(Buffer.alloc(32, 1))} ${by(Buffer.from(text))}`);
  });
});

describe('what arrives', () => {
  it('is the body, signed, and the connection is used again', async () => {
    const { url, got, connections } = await receiver();
    const sender = senderOf({ url, allow_private: true });
    for (const body of ['{"a":"ä"}', '{}']) expect(await sender.send('hp_1', body)).toEqual({ type: 'delivered' });
    expect(got.map(({ body }) => body)).toEqual(['{"a":"ä"}', '{}']);
    expect(got[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': '10',
      'user-agent': 'Holdpoint/1.2.3',
      ...signedHeaders([SECRET], { id: 'hp_1', at: NOW, body: '{"a":"ä"}' }),
    });
    expect(connections()).toBe(1);
  });

  it('once more, at once, where a kept connection is reset as it is used', async () => {
    const seen: string[] = [];
    let connections = 0;
    const server = createTcpServer((socket) => {
      const connection = ++connections;
      socket.on('data', (chunk) => {
        const id = /webhook-id: (\S+)/.exec(chunk.toString())?.[1];
        if (id === undefined) return;
        seen.push(`${connection} ${id}`);
        if (connection === 1 && id === 'hp_2') socket.resetAndDestroy();
        else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
      });
      socket.on('error', () => {});
    }).listen(0, '127.0.0.1');
    ends.push(() => server.close());
    await once(server, 'listening');
    const sender = senderOf({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      allow_private: true,
    });
    expect(await sender.send('hp_1', '{}')).toEqual({ type: 'delivered' });
    expect(await sender.send('hp_2', '{}')).toEqual({ type: 'delivered' });
    expect(seen).toEqual(['1 hp_1', '1 hp_2', '2 hp_2']);
  });
});

describe('answers', () => {
  it.each([
    [204, {}, { type: 'delivered' }],
    [410, {}, { type: 'gone' }],
    [400, {}, { type: 'failed', why: 'it answers 400', retry_after_ms: null }],
    [500, { 'retry-after': '7' }, { type: 'failed', why: 'it answers 500', retry_after_ms: null }],
    [429, { 'retry-after': '7' }, { type: 'failed', why: 'it answers 429', retry_after_ms: 7000 }],
    [
      429,
      { 'retry-after': 'Mon, 05 Jan 2026 14:03:30 GMT' },
      { type: 'failed', why: 'it answers 429', retry_after_ms: 60_000 },
    ],
    [429, { 'retry-after': 'soon' }, { type: 'failed', why: 'it answers 429', retry_after_ms: null }],
    [503, { 'retry-after': '1' }, { type: 'failed', why: 'it answers 503', retry_after_ms: 1000 }],
    [
      307,
      { location: 'http://169.254.169.254/' },
      { type: 'failed', why: 'it answers 307; redirects are not followed', retry_after_ms: null },
    ],
  ])('%i %o', async (status, headers, sent) => {
    const { url, got } = await receiver((response) => void response.writeHead(status, headers).end('no'));
    expect(await senderOf({ url, allow_private: true }).send('hp_1', '{}')).toEqual(sent);
    expect(got).toHaveLength(1);
  });

  it('an endless one is cut off, and what it said counts', async () => {
    let written = 0;
    const { url } = await receiver((response) => {
      const more = (): void => {
        if (response.destroyed) return;
        written += 16_384;
        response.write(Buffer.alloc(16_384), () => setImmediate(more));
      };
      response.writeHead(200);
      more();
    });
    expect(await senderOf({ url, allow_private: true }).send('hp_1', '{}')).toEqual({ type: 'delivered' });
    // What the kernel's buffers take is written before the end is noticed.
    expect(written).toBeLessThan(64 * 1024 * 1024);
  });

  it('none: 10 s', async () => {
    const { url } = await receiver(() => {});
    const begun = performance.now();
    expect(await senderOf({ url, allow_private: true }).send('hp_1', '{}')).toMatchObject({
      type: 'failed',
      why: 'no answer within 10 s',
    });
    expect(performance.now() - begun).toBeLessThan(20_000);
  });

  it('nobody there, and a connection closed without a word', async () => {
    const away = await receiver();
    away.close();
    expect(await senderOf({ url: away.url, allow_private: true }).send('hp_1', '{}')).toMatchObject({
      type: 'failed',
      why: expect.stringContaining('ECONNREFUSED'),
    });
    const rude = createTcpServer((socket) => socket.on('data', () => socket.destroy())).listen(0, '127.0.0.1');
    ends.push(() => rude.close());
    await once(rude, 'listening');
    const port = (rude.address() as AddressInfo).port;
    expect(await senderOf({ url: `http://127.0.0.1:${port}/`, allow_private: true }).send('hp_1', '{}')).toMatchObject({
      type: 'failed',
    });
  });
});

describe('where it connects', () => {
  const counted = async (): Promise<{
    readonly server: Server;
    readonly port: number;
    readonly connections: () => number;
  }> => {
    let count = 0;
    const server = createTcpServer((socket) => {
      count++;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    ends.push(() => server.close());
    await once(server, 'listening');
    return { server, port: (server.address() as AddressInfo).port, connections: () => count };
  };

  it.each([
    ['127.0.0.1', 'loopback'],
    ['2130706433', 'loopback'],
    ['0x7f.1', 'loopback'],
    ['[::ffff:127.0.0.1]', 'loopback'],
    ['[::1]', 'loopback'],
    ['localhost', 'loopback'],
  ])('not to %s', async (host, reach) => {
    const { port, connections } = await counted();
    const sent = await senderOf({ url: `https://${host}:${port}/` }).send('hp_1', '{}');
    expect(sent).toMatchObject({
      type: 'failed',
      why: expect.stringContaining(`is a ${reach} address; set allow_private: true`),
    });
    expect(connections()).toBe(0);
  });

  it.each([
    ['10.0.0.1', 'is a private address'],
    ['100.64.0.1', 'is a private address'],
    ['fd00::1', 'is a private address'],
    ['169.254.169.254', 'is an address that nothing may be sent to'],
    ['64:ff9b::a9fe:a9fe', 'is an address that nothing may be sent to'],
    ['fe80::1', 'is an address that nothing may be sent to'],
    ['0.0.0.0', 'is an address that nothing may be sent to'],
    ['::', 'is an address that nothing may be sent to'],
    ['224.0.0.1', 'is an address that nothing may be sent to'],
    ['::ffff:127.0.0.1', 'is a loopback address'],
  ])('not to a name that is %s', async (address, why) => {
    const resolve: Resolve = async () => [{ address, family: address.includes(':') ? 6 : 4 }];
    expect(await senderOf({ url: 'https://hooks.example/' }, resolve).send('hp_1', '{}')).toMatchObject({
      type: 'failed',
      why: expect.stringContaining(`hooks.example is ${address}, which ${why}`),
    });
  });

  it('not where one of several addresses is refused, nor where there is none', async () => {
    const both: Resolve = async () => [
      { address: '8.8.8.8', family: 4 },
      { address: '10.0.0.1', family: 4 },
    ];
    expect(await senderOf({}, both).send('hp_1', '{}')).toMatchObject({ why: expect.stringContaining('10.0.0.1') });
    expect(await senderOf({}, async () => []).send('hp_1', '{}')).toMatchObject({
      why: 'hooks.example has no address',
    });
  });

  it('with allow_private, neither to metadata nor over http to the world', async () => {
    const to =
      (address: string): Resolve =>
      async () => [{ address, family: 4 }];
    const hook = { url: 'http://hooks.example/', allow_private: true };
    expect(await senderOf(hook, to('169.254.169.254')).send('hp_1', '{}')).toMatchObject({
      why: expect.stringContaining('nothing may be sent to'),
    });
    expect(await senderOf(hook, to('8.8.8.8')).send('hp_1', '{}')).toMatchObject({
      why: expect.stringContaining('use https'),
    });
  });

  it('to the very address that was checked, whatever the name server says next', async () => {
    const { url, got, connections } = await receiver();
    const { port } = new URL(url);
    let asked = 0;
    // Public when it is looked at, this machine when it is used: asked twice, it would work.
    const rebinding: Resolve = async () => [
      { address: asked++ % 2 === 0 ? '192.168.255.254' : '127.0.0.1', family: 4 },
    ];
    const sender = senderOf({ url: `https://hooks.example:${port}/` }, rebinding);
    for (let i = 0; i < 6; i++) expect((await sender.send('hp_1', '{}')).type).toBe('failed');
    expect(asked).toBe(6);
    expect(connections()).toBe(0);
    expect(got).toEqual([]);
    // And each connection asks once.
    let allowed = 0;
    const here: Resolve = async () => [{ address: allowed++ === 0 ? '127.0.0.1' : '192.0.2.1', family: 4 }];
    const local = senderOf({ url: `http://hooks.example:${port}/`, allow_private: true }, here);
    expect(await local.send('hp_1', '{}')).toEqual({ type: 'delivered' });
    expect(allowed).toBe(1);
  });

  it.each(['[::1]', '[::ffff:127.0.0.1]', '2130706433', 'localhost'])('to %s, where that is allowed', async (host) => {
    const { url, got } = await receiver(undefined, undefined, host === '[::1]' ? '::1' : '127.0.0.1');
    const sender = senderOf({ url: url.replace('127.0.0.1', host), allow_private: true });
    expect(await sender.send('hp_1', '{}')).toEqual({ type: 'delivered' });
    expect(got).toHaveLength(1);
  });

  it('through no proxy of the environment', async () => {
    const proxy = await counted();
    const { url, got } = await receiver();
    const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'];
    const before = names.map((name) => process.env[name]);
    for (const name of names) process.env[name] = name.startsWith('NODE') ? '1' : `http://127.0.0.1:${proxy.port}`;
    try {
      expect(await senderOf({ url, allow_private: true }).send('hp_1', '{}')).toEqual({ type: 'delivered' });
    } finally {
      for (const [i, name] of names.entries())
        if (before[i] === undefined) delete process.env[name];
        else process.env[name] = before[i];
    }
    expect(got).toHaveLength(1);
    expect(proxy.connections()).toBe(0);
  });

  it('no further than 5 s, and one question at a time, where nobody answers', async () => {
    let asked = 0;
    const silent: Resolve = () => {
      asked++;
      return new Promise(() => {});
    };
    const sender = senderOf({}, silent);
    const begun = performance.now();
    expect(await sender.send('hp_1', '{}')).toMatchObject({ why: 'no connection within 5 s' });
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(asked).toBe(1);
  });
});

describe('TLS', () => {
  it('only with a certificate that verifies, for this name, whatever the environment says', {
    timeout: 30_000,
  }, async () => {
    const dir = await mkdtemp(join(tmpdir(), 'holdpoint-tls-'));
    ends.push(() => rm(dir, { recursive: true }));
    const authority = await makeAuthority(dir, 'ours');
    const { cert, key } = await authority.issue('hooks.example', ['DNS:hooks.example']);
    const pair = { cert: readFileSync(cert), key: readFileSync(key) };
    const made = await receiver(undefined, (listener) => createTlsServer(pair, listener));
    const { port } = new URL(made.url);
    const here: Resolve = async () => [{ address: '127.0.0.1', family: 4 }];
    const to = (host: string, ca: string | null) =>
      senderOf({ url: `https://${host}:${port}/`, allow_private: true, ca }, here).send('hp_1', '{}');
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      expect(await to('hooks.example', authority.pem)).toEqual({ type: 'delivered' });
      expect(await to('hooks.example', null)).toMatchObject({ type: 'failed' });
      expect(await to('other.example', authority.pem)).toMatchObject({
        type: 'failed',
        why: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID'),
      });
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
    expect(made.got).toHaveLength(1);
  });
});
