// Shipping of a whole gateway before a real server, to receivers that are processes of their own: a kill -9 loses nothing, what is behind for too
// long stops forwarding where that is asked for, and the doctor says who can be reached. HOLDPOINT_KILLS: how often it is killed (4; 50 under prove).
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { check } from '../../src/cli/check.ts';
import { deps } from '../../src/main.ts';
import { seeded } from '../unit/audit/disk.ts';
import { type Arrival, type Receiver, type ReceiverOptions, startReceiver } from '../unit/audit/ship-receiver.ts';
import { type Authority, makeAuthority } from './certificates.ts';
import { open, outcome, until } from './clients.ts';
import { POLICY, SCHEMA } from './crash-check.ts';
import { decide } from './gateway.ts';
import { type GatewayHome, gatewayHome, type GatewayProcess } from './process.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const kills = Number(process.env['HOLDPOINT_KILLS'] ?? (process.env['HOLDPOINT_PROVE'] === '1' ? 50 : 4));
const seed = Number(process.env['HOLDPOINT_SEED'] ?? Date.now() % 1_000_000);

let server: TestServer;
const homes: GatewayHome[] = [];
const receivers: Receiver[] = [];
beforeAll(async () => {
  server = await startServer(NEWEST);
  await server.admin(SCHEMA);
});
afterAll(async () => {
  await server?.stop();
});
afterEach(async () => {
  for (const home of homes.splice(0)) await home.remove();
  for (const one of receivers.splice(0)) await one.kill();
});

interface Place {
  readonly home: GatewayHome;
  readonly authority: Authority;
  receiver(kind: ReceiverOptions['kind']): Promise<Receiver>;
  /** Where the gateway ships to, from its next start on. */
  ship(...all: readonly object[]): Promise<void>;
}

const place = async (): Promise<Place> => {
  const limits = { requests_open_per_principal_max: 10_000, decisions_per_minute_max: 100_000 };
  const home = await gatewayHome({ upstream: server.url, policy: POLICY, config: { limits, audit: { ship: [] } } });
  homes.push(home);
  const authority = await makeAuthority(home.dir, 'ship-ca');
  const pem = await authority.issue('receiver', ['DNS:localhost', 'IP:127.0.0.1']);
  const file = join(home.dir, 'holdpoint.yaml');
  const text = await readFile(file, 'utf8');
  expect(text).toContain('  ship: []\n');
  return {
    home,
    authority,
    async receiver(kind) {
      const started = await startReceiver({ kind, ...pem });
      receivers.push(started);
      return started;
    },
    ship: (...all) => writeFile(file, text.replace('  ship: []\n', `  ship: ${JSON.stringify(all)}\n`)),
  };
};

const common = { allow_private: true, ca: 'ship-ca.crt', batch: { records: 20, age: '20ms' } };
const siem = ({ port }: Receiver, more: object = {}): object => ({
  name: 'siem',
  url: `https://localhost:${port}/in`,
  headers: { Authorization: 'Bearer sentinel-of-the-token' },
  ...common,
  ...more,
});
const soc = ({ port }: Receiver): object => ({ name: 'soc', syslog: `localhost:${port}`, ...common });

const lines = (arrivals: readonly Arrival[]): string[] =>
  arrivals.flatMap((one) => one.lines.map((line) => line.slice(line.indexOf('{'))));
const seqOf = (line: string): number => (JSON.parse(line) as { readonly seq: number }).seq;

/** The log's lines, one string each. */
const logLines = async (home: GatewayHome): Promise<string[]> => {
  const folder = join(home.dir, 'data', 'audit');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.jsonl')).toSorted();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.flatMap((text) => text.trimEnd().split('\n'));
};

const insert = (name: string): string => `INSERT INTO effects VALUES ('${name}')`;

/** Approves everything that is opened, until the gateway is gone. */
const review = async (gateway: GatewayProcess): Promise<void> => {
  const grace = await gateway.reviewer('grace');
  for await (const message of grace.stream()) {
    const requests = 'requests' in message ? message.requests : 'request' in message ? [message.request] : [];
    for (const request of requests)
      if (request?.state === 'open') void decide(grace, request, 'approve', 'sealed words').catch(() => {});
  }
};

const ask = async (gateway: GatewayProcess, name: string): Promise<never> => {
  const client = await open(gateway.agentUrl);
  for (let n = 0; ; n++) {
    await client.query('SELECT 1');
    await client.query(insert(`${name}-${n}`));
  }
};

test(`killed ${kills} times (HOLDPOINT_SEED=${seed}): every record arrives at both, in order, as it stands in the log`, {
  timeout: 120_000 + kills * 30_000,
}, async () => {
  const began = performance.now();
  const random = seeded(seed);
  const here = await place();
  let [https, syslog] = [await here.receiver('https'), await here.receiver('syslog')];
  await here.ship(siem(https), soc(syslog));
  for (let run = 0; run < kills; run++) {
    const gateway = await here.home.start();
    const working = Promise.allSettled([review(gateway), ...['a', 'b'].map((who) => ask(gateway, `${run}-${who}`))]);
    const before = https.arrivals.length;
    const count = 1 + random(20);
    await Promise.race([until(async () => https.arrivals.length >= before + count), gateway.ended]);
    // A receiver goes now and then, too.
    if (random(3) === 0) {
      await Promise.all([https.kill(), syslog.kill()]);
      [https, syslog] = [await https.again(), await syslog.again()];
      receivers.push(https, syslog);
    }
    expect(await gateway.kill('SIGKILL')).toBe('SIGKILL');
    await working;
  }
  const last = await here.home.start();
  const all = (await here.home.records()).at(-1)?.seq ?? 0;
  for (const one of [https, syslog]) await until(async () => new Set(lines(one.arrivals).map(seqOf)).has(all));
  await last.kill('SIGTERM');
  const logged = await logLines(here.home);
  for (const [name, one] of [
    ['https', https],
    ['syslog', syslog],
  ] as const) {
    const arrived = lines(one.arrivals);
    const first = new Map<number, string>();
    for (const line of arrived) if (!first.has(seqOf(line))) first.set(seqOf(line), line);
    // Of the end's own records those that it still had the time for.
    expect(first.size).toBeGreaterThanOrEqual(all);
    expect([...first.values()]).toEqual(logged.slice(0, first.size));
    console.log(`${name}: ${first.size} records, ${arrived.length - first.size} came again`);
  }
  console.log(`${kills} kills in ${((performance.now() - began) / 1000).toFixed(0)} s, HOLDPOINT_SEED=${seed}`);
  const told = [...last.lines, last.errors()].join('\n');
  expect(told).not.toContain('sentinel-of-the-token');
  expect(lines(https.arrivals).join('\n')).not.toContain('sealed words');
  expect(https.arrivals[0]?.headers?.['authorization']).toBe('Bearer sentinel-of-the-token');
});

test('as OCSF events, each with its own key, and a destination that is new gets all', async () => {
  const here = await place();
  const first = await here.home.start();
  const client = await open(first.agentUrl);
  for (let n = 0; n < 5; n++) await client.query('SELECT 1');
  await client.end();
  await first.kill('SIGTERM');
  const to = await here.receiver('https');
  await here.ship(siem(to, { format: 'ocsf' }));
  const second = await here.home.start();
  await until(async () => lines(to.arrivals).some((line) => line.includes('policy.loaded')));
  await second.kill('SIGTERM');
  const events = lines(to.arrivals).map((line) => JSON.parse(line) as { class_uid: number; metadata: { uid: string } });
  expect(new Set(events.map(({ metadata }) => metadata.uid)).size).toBe(events.length);
  expect(events.map(({ class_uid }) => class_uid)).toEqual(expect.arrayContaining([3002, 6005]));
  expect(events.length).toBeGreaterThanOrEqual((await here.home.records()).length);
});

test('block_after: behind for longer nothing is forwarded (ZH005), says why, and goes on when the receiver is back', async () => {
  const here = await place();
  let to = await here.receiver('https');
  await here.ship(siem(to, { block_after: '10s' }));
  const gateway = await here.home.start();
  const client = await open(gateway.agentUrl);
  expect(await outcome(client.query('SELECT 1'))).toMatchObject({ command: 'SELECT' });
  await to.kill();
  let refused: unknown = null;
  await until(async () => {
    const seen = await outcome(client.query('SELECT 1'));
    if ('command' in (seen as object)) return false;
    refused = seen;
    return true;
  });
  expect(refused).toMatchObject({ code: 'ZH005' });
  expect((refused as { readonly message: string }).message).toMatch(
    /^Holdpoint cannot ship its log to siem since \d{4}-\d\d-\d\dT.*Z, so nothing is let through$/,
  );
  const health = async (): Promise<{ ok: boolean; shipping: readonly object[] }> =>
    (await (await fetch(`${gateway.reviewUrl}/api/health`)).json()) as { ok: boolean; shipping: readonly object[] };
  expect((await health()).shipping).toMatchObject([{ name: 'siem', failing: true, blocking: true }]);
  to = await to.again();
  receivers.push(to);
  await until(async () => 'command' in ((await outcome(client.query('SELECT 1'))) as object));
  expect((await health()).shipping).toMatchObject([{ name: 'siem', failing: false, blocking: false }]);
  await client.end();
  await gateway.kill('SIGTERM');
  const types = (await here.home.records()).map(({ type }) => type);
  expect(types.filter((type) => type.startsWith('ship.'))).toEqual(['ship.blocked', 'ship.resumed']);
  const about = gateway.lines.filter((line) => /shipping|forwarded/.test(line));
  expect(about.filter((line) => line.includes('fails: '))).toHaveLength(1);
  expect(about.filter((line) => line.includes('nothing is forwarded'))).toHaveLength(1);
});

test('a cursor that is damaged: the gateway does not start, and says what to do', async () => {
  const here = await place();
  const to = await here.receiver('https');
  await here.ship(siem(to));
  const gateway = await here.home.start();
  await until(async () => to.arrivals.length > 0);
  await gateway.kill('SIGTERM');
  await writeFile(join(here.home.dir, 'data', 'ship', 'siem.json'), '{"v":1,');
  await expect(here.home.start()).rejects.toThrow(/siem\.json does not say how far shipping is.*remove it/s);
});

test('the doctor says of each destination whether it can be reached, and sends nothing', async () => {
  const here = await place();
  const [https, syslog] = [await here.receiver('https'), await here.receiver('syslog')];
  const gone = await here.receiver('https');
  await gone.kill();
  await here.ship(
    siem(https),
    soc(syslog),
    siem(https, { name: 'public', allow_private: false, url: 'https://localhost.example.invalid/' }),
    siem(gone, { name: 'gone', block_after: '10m' }),
  );
  const found = (await check(join(here.home.dir, 'holdpoint.yaml'), deps)).filter(({ about }) => about === 'ship');
  expect(found.map(({ level }) => level)).toEqual(['ok', 'ok', 'warn', 'fail']);
  expect(found[0]?.text).toBe(
    `siem, https://localhost:${https.port}, can be reached and begins with the first record; nothing was sent`,
  );
  expect(found[1]?.text).toContain(`soc, syslog localhost:${syslog.port}, can be reached`);
  expect(found[3]?.text).toMatch(/ECONNREFUSED.*nothing is forwarded when it is behind by more than 600 s/);
  expect([...https.arrivals, ...syslog.arrivals]).toEqual([]);
});
