// Shipping to receivers that are processes of their own, over TLS: what arrives, whom it trusts, and that a receiver killed at random moments
// misses nothing. HOLDPOINT_KILLS: how often each is killed (5; 50 under prove). HOLDPOINT_SEED repeats a run.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectTls } from '../../../src/audit/ship/tls.ts';
import { HttpTransport } from '../../../src/audit/ship/http.ts';
import { frameOf, SyslogTransport } from '../../../src/audit/ship/syslog.ts';
import type { HttpDestination, Message, ShipClock, SyslogDestination } from '../../../src/audit/ship/types.ts';
import { guarded } from '../../../src/review/webhooks/guard.ts';
import { type Authority, makeAuthority } from '../../real/certificates.ts';
import { seeded } from './disk.ts';
import { destination, seqOf, shipping } from './ship-help.ts';
import { type Arrival, type Receiver, type ReceiverOptions, startReceiver } from './ship-receiver.ts';

const kills = Number(process.env['HOLDPOINT_KILLS'] ?? (process.env['HOLDPOINT_PROVE'] === '1' ? 50 : 5));
const seed = Number(process.env['HOLDPOINT_SEED'] ?? Date.now() % 1_000_000);
/** Of the memory of a process that ships to a receiver slower than it writes. */
const RECORDS = process.env['HOLDPOINT_PROVE'] === '1' ? 20_000 : 2_000;

let certificates: string;
let authority: Authority;
let server: { readonly cert: string; readonly key: string };
beforeAll(async () => {
  certificates = mkdtempSync(join(tmpdir(), 'audit-ship-tls-'));
  authority = await makeAuthority(certificates, 'ship-ca');
  server = await authority.issue('receiver', ['DNS:localhost', 'IP:127.0.0.1']);
});
afterAll(() => rmSync(certificates, { recursive: true, force: true }));

let root: string;
const running: Receiver[] = [];
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'audit-ship-real-'))));
afterEach(async () => {
  for (const one of running.splice(0)) await one.kill();
  rmSync(root, { recursive: true, force: true });
});
const receiver = async (more: Partial<ReceiverOptions> = {}): Promise<Receiver> => {
  const started = await startReceiver({ kind: 'https', ...server, ...more });
  running.push(started);
  return started;
};

const CLOCK: ShipClock = {
  now: () => Date.now(),
  steady: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
/** Pauses and times of settling a hundredth as long. */
const FAST: ShipClock = {
  ...CLOCK,
  steady: () => performance.now() * 100,
  after: (ms, callback) => CLOCK.after(ms / 100, callback),
};

const local = (url: string) => guarded({ url: new URL(url), allow_private: true });
const httpTo = (port: number, more: Partial<HttpDestination> = {}): HttpDestination => ({
  ...destination(more),
  url: `https://localhost:${port}/services/collector/raw?sourcetype=holdpoint`,
  headers: {},
  content_type: 'application/x-ndjson',
  gzip: false,
  ca: authority.pem,
  ...more,
  batch: { records: 50, bytes: 64 * 1024, age: 0 },
});
const syslogTo = (port: number, more: Partial<SyslogDestination> = {}): SyslogDestination => ({
  ...destination(more),
  syslog: { host: 'localhost', port },
  client: null,
  ca: authority.pem,
  ...more,
  batch: { records: 50, bytes: 64 * 1024, age: 0 },
});
const http = (to: HttpDestination): HttpTransport =>
  new HttpTransport(to, { guard: local(to.url), clock: CLOCK, version: '1' });
const syslog = (to: SyslogDestination): SyslogTransport =>
  new SyslogTransport(to, { guard: local(`https://${to.syslog.host}:${to.syslog.port}`), clock: CLOCK });

const until = (what: () => boolean, ms = 50_000): Promise<void> =>
  vi.waitFor(() => expect(what()).toBe(true), { timeout: ms, interval: 10 });
const message = (line: string): Message => ({
  line: { seq: 1, bytes: Buffer.from(line), segment: 1, at: 0 },
  bytes: Buffer.from(line),
});
const LINE = `{"v":1,"seq":17,"prev":"${'0'.repeat(64)}","time":"2025-11-22T16:36:38.115Z","mono":1206,"node":"gw-1","type":"request.decided","clear":{"é":1}}`;
const jsonOf = (line: string): string => line.slice(line.indexOf('{'));
const seqsOf = (arrivals: readonly Arrival[]): number[] =>
  arrivals.flatMap(({ lines }) => lines.map((line) => seqOf(jsonOf(line))));

describe('HTTPS', () => {
  it('a batch is a body of lines, with the headers of the configuration; gzip where that is asked for', async () => {
    const to = await receiver();
    for (const gzip of [false, true]) {
      const transport = http(httpTo(to.port, { headers: { Authorization: 'Splunk token-of-the-test' }, gzip }));
      expect(await transport.send([message(LINE), message('{"second":2}')])).toEqual({ type: 'taken' });
      transport.close();
    }
    expect(to.arrivals.map(({ lines }) => lines)).toEqual([
      [LINE, '{"second":2}'],
      [LINE, '{"second":2}'],
    ]);
    expect(to.arrivals[0]?.headers).toMatchObject({
      authorization: 'Splunk token-of-the-test',
      'content-type': 'application/x-ndjson',
      'user-agent': 'Holdpoint/1',
      path: '/services/collector/raw?sourcetype=holdpoint',
    });
    expect(to.arrivals[1]?.headers).toMatchObject({ 'content-encoding': 'gzip' });
  });

  it.each([
    [200, undefined, { type: 'taken' }],
    [204, undefined, { type: 'taken' }],
    [302, undefined, { type: 'refused', why: 'it answers 302; redirects are not followed' }],
    [400, undefined, { type: 'refused', why: 'it answers 400' }],
    [401, undefined, { type: 'refused', why: 'it answers 401' }],
    [404, undefined, { type: 'refused', why: 'it answers 404' }],
    [410, undefined, { type: 'refused', why: 'it answers 410' }],
    [413, undefined, { type: 'too-large', why: 'it answers 413' }],
    [408, undefined, { type: 'failed', why: 'it answers 408', retry_after_ms: 0 }],
    [429, '7', { type: 'failed', why: 'it answers 429', retry_after_ms: 7000 }],
    [503, 'Thu, 01 Jan 1970 00:00:00 GMT', { type: 'failed', why: 'it answers 503', retry_after_ms: 0 }],
    [500, 'soon', { type: 'failed', why: 'it answers 500', retry_after_ms: 0 }],
  ])('an answer of %i (retry-after %s)', async (status, retry, expected) => {
    const plain = createServer((request, response) => {
      request.resume();
      request.on('end', () => response.writeHead(status, retry === undefined ? {} : { 'retry-after': retry }).end());
    });
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const transport = http({ ...httpTo(0), url: `http://127.0.0.1:${(plain.address() as AddressInfo).port}/` });
    try {
      expect(await transport.send([message(LINE)])).toEqual(expected);
    } finally {
      transport.close();
      plain.closeAllConnections();
      plain.close();
    }
  });
});

describe('syslog', () => {
  it('a message is RFC 5424 behind its length in octets', () => {
    const head = '<110>1 2025-11-22T16:36:38.115Z gw-1 holdpoint - request.decided - ';
    const octets = Buffer.byteLength(head + LINE);
    expect(frameOf(message(LINE)).toString()).toBe(`${octets} ${head}${LINE}`);
    expect(frameOf(message('{"no":"record"}')).toString()).toBe('42 <110>1 - - holdpoint - - - {"no":"record"}');
  });

  it('counts as taken when both sides have closed in order, and not when the receiver went away', async () => {
    const to = await receiver({ kind: 'syslog' });
    const transport = syslog(syslogTo(to.port));
    expect(await transport.send([message(LINE), message(LINE)])).toEqual({ type: 'taken' });
    expect(await transport.settle()).toEqual({ type: 'taken' });
    expect(to.arrivals.flatMap(({ lines }) => lines)).toHaveLength(2);
    expect(await transport.send([message(LINE)])).toEqual({ type: 'taken' });
    await to.kill();
    expect(await transport.settle()).toMatchObject({ type: 'failed' });
    transport.close();
  });

  it('shows its certificate where the receiver asks for one, and without it nothing counts as taken', async () => {
    const to = await receiver({ kind: 'syslog', client_ca: authority.cert });
    const { cert, key } = await authority.issue('gateway', []);
    const { readFileSync } = await import('node:fs');
    const client = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
    const known = syslog(syslogTo(to.port, { client }));
    expect(await known.send([message(LINE)])).toEqual({ type: 'taken' });
    expect(await known.settle()).toEqual({ type: 'taken' });
    const unknown = syslog(syslogTo(to.port));
    await unknown.send([message(LINE)]);
    expect(await unknown.settle()).toMatchObject({ type: 'failed' });
    expect(to.arrivals.flatMap(({ lines }) => lines)).toHaveLength(1);
    known.close();
    unknown.close();
  });
});

describe('whom it trusts', () => {
  it('no certificate of another authority, none for another name, and no address that the guard refuses', async () => {
    const other = await makeAuthority(certificates, 'other-ca');
    for (const kind of ['https', 'syslog'] as const) {
      const to = await receiver({ kind });
      const elsewhere = await receiver({
        kind,
        ...(await authority.issue(`elsewhere-${kind}`, ['DNS:elsewhere.example'])),
      });
      const one =
        kind === 'https'
          ? (port: number, ca: string) => http(httpTo(port, { ca }))
          : (port: number, ca: string) => syslog(syslogTo(port, { ca }));
      const wrong_ca = one(to.port, other.pem);
      expect(await wrong_ca.send([message(LINE)])).toMatchObject({
        type: 'failed',
        why: expect.stringMatching(/certificate/i),
      });
      const wrong_host = one(elsewhere.port, authority.pem);
      expect(await wrong_host.send([message(LINE)])).toMatchObject({
        type: 'failed',
        why: expect.stringMatching(/altnames/),
      });
      expect([...to.arrivals, ...elsewhere.arrivals]).toEqual([]);
      const guard = guarded({ url: new URL(`https://localhost:${to.port}`), allow_private: false });
      const at = { host: 'localhost', port: to.port, ca: authority.pem, client: null };
      await expect(connectTls(at, guard)).rejects.toThrow(/loopback address; set allow_private/);
      for (const transport of [wrong_ca, wrong_host]) transport.close();
    }
  });
});

/** Ships what is written meanwhile to a receiver that is killed and started again, and looks at what arrived. */
const killed = async (kind: ReceiverOptions['kind']): Promise<void> => {
  const random = seeded(seed);
  const began = performance.now();
  let to = await receiver({ kind });
  const transport = kind === 'https' ? http(httpTo(to.port)) : syslog(syslogTo(to.port));
  const s = await shipping({
    root,
    clock: FAST,
    segment_bytes_max: 100_000,
    random: Math.random,
    to: [[kind === 'https' ? httpTo(to.port) : syslogTo(to.port), transport]],
  });
  const writing = { on: true };
  const writer = (async () => {
    while (writing.on) {
      await Promise.all(Array.from({ length: 1 + random(20) }, () => s.record(random(2000))));
      await new Promise((resolve) => setTimeout(resolve, random(10)));
    }
  })();
  for (let run = 0; run < kills; run++) {
    const before = to.arrivals.length;
    // In the moment in which the n-th arrives, or a little later.
    const count = 1 + random(10);
    await until(() => to.arrivals.length >= before + count);
    await new Promise((resolve) => setTimeout(resolve, random(20)));
    await to.kill();
    to = await to.again();
    running.push(to);
  }
  writing.on = false;
  await writer;
  const last = s.log.seq;
  await until(() => s.ship.health()[0]?.record === last);
  const arrived = seqsOf(to.arrivals);
  await s.close();
  const first = [...new Set(arrived)];
  console.log(
    `${kind}: ${kills} kills in ${((performance.now() - began) / 1000).toFixed(0)} s, HOLDPOINT_SEED=${seed}: ${last} records, ` +
      `all arrived, in order; ${arrived.length - first.length} came again`,
  );
  expect(to.arrivals.flatMap(({ lines }) => lines).filter((line) => line.startsWith('FAULT'))).toEqual([]);
  // None is missing, and each came first behind the one before it.
  expect(first).toEqual(Array.from({ length: last }, (_, i) => i + 1));
  expect(s.warned.every((text) => text.includes('fails: '))).toBe(true);
};

describe(`a receiver that is killed ${kills} times (HOLDPOINT_SEED=${seed})`, () => {
  it('over HTTPS gets every record, in order', () => killed('https'), 60_000 + kills * 20_000);
  it('of syslog gets every record, in order', () => killed('syslog'), 60_000 + kills * 20_000);
});

it('a slow receiver holds up nothing, and what waits costs no memory', { timeout: 300_000 }, async () => {
  const to = await receiver({ slow_ms: 40 });
  const s = await shipping({ root, clock: CLOCK, to: [[httpTo(to.port), http(httpTo(to.port))]] });
  await s.record(10);
  await until(() => s.ship.health()[0]?.record === 2);
  for (let n = 0; n < RECORDS; n += 100) await Promise.all(Array.from({ length: 100 }, () => s.record(2000)));
  const written = s.log.seq;
  // It is far behind: what it has not taken is on disk alone.
  const batch_bytes = Math.max(...to.arrivals.map(({ lines }) => lines.join('\n').length));
  expect(batch_bytes).toBeLessThanOrEqual(64 * 1024);
  await until(() => s.ship.health()[0]?.record === written, 250_000);
  expect(seqsOf(to.arrivals)).toEqual(Array.from({ length: written }, (_, i) => i + 1));
  await s.close();
});
