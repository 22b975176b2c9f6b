// Webhooks of a whole gateway before a real server, to receivers that are processes of their own: what arrives, that a kill -9 loses nothing, and that
// receivers who are slow or dead cost others nothing. HOLDPOINT_KILLS: how often it is killed (10; 200 under prove).
import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ReadRecord } from '../../src/audit/types.ts';
import { WEBHOOK_EVENTS } from '../../src/config/webhooks.ts';
import { seeded } from '../unit/audit/disk.ts';
import { open, outcome, until } from './clients.ts';
import { POLICY, SCHEMA } from './crash-check.ts';
import { decide, type GatewayOptions } from './gateway.ts';
import { type GatewayHome, gatewayHome, type GatewayProcess } from './process.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';
import { type Arrived, type ReceiverProcess, startReceiver } from './webhook-receiver.ts';

const kills = Number(process.env['HOLDPOINT_KILLS'] ?? (process.env['HOLDPOINT_PROVE'] === '1' ? 200 : 10));
const seed = Number(process.env['HOLDPOINT_SEED'] ?? Date.now() % 1_000_000);
const SECRET = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;

let server: TestServer;
let receiver: ReceiverProcess;
const homes: GatewayHome[] = [];

beforeAll(async () => {
  server = await startServer(NEWEST);
  await server.admin(SCHEMA);
});
afterAll(async () => {
  await server?.stop();
});
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  for (const home of homes.splice(0)) await home.remove();
  await receiver.stop();
});

const hookTo = (url: string, more: object = {}): object => ({
  name: 'pager',
  url,
  secret: SECRET,
  allow_private: true,
  ...more,
});

const homeWith = async (webhooks: readonly object[], more: Partial<GatewayOptions> = {}): Promise<GatewayHome> => {
  const limits = { requests_open_per_principal_max: 10_000, decisions_per_minute_max: 100_000 };
  const home = await gatewayHome({
    upstream: server.url,
    policy: POLICY,
    config: { limits, chat: { webhooks } },
    ...more,
  });
  homes.push(home);
  return home;
};

const insert = (name: string): string => `INSERT INTO effects VALUES ('${name}')`;

const bodyOf = ({ body }: Arrived) =>
  JSON.parse(body) as { readonly type: string; readonly cursor: number; readonly request: Record<string, unknown> };

/** Approves everything that is opened, until the gateway is gone. */
const review = async (gateway: GatewayProcess): Promise<void> => {
  const grace = await gateway.reviewer('grace');
  for await (const message of grace.stream()) {
    const requests = 'requests' in message ? message.requests : 'request' in message ? [message.request] : [];
    for (const request of requests)
      if (request?.state === 'open') void decide(grace, request, 'approve', 'sealed words').catch(() => {});
  }
};

/** Holds one statement after the other, until the gateway is gone. */
const ask = async (gateway: GatewayProcess, name: string): Promise<never> => {
  const client = await open(gateway.agentUrl);
  for (let n = 0; ; n++) await client.query(insert(`${name}-${n}`));
};

/** Of the log, what a webhook is sent. */
const expected = (records: readonly ReadRecord[]): readonly ReadRecord[] =>
  records.filter(({ type }) => (WEBHOOK_EVENTS as readonly string[]).includes(type));

test('what happens to a request arrives, in order, signed, without its text', async () => {
  const home = await homeWith([hookTo(receiver.url)]);
  const gateway = await home.start();
  const reviewing = review(gateway).catch(() => {});
  const client = await open(gateway.agentUrl);
  await client.query("SET holdpoint.reason = 'sealed reason'");
  expect(await outcome(client.query(insert('sealed-name')))).toMatchObject({ command: 'INSERT' });
  await client.end();
  await until(async () => receiver.arrived.some((one) => bodyOf(one).type === 'request.executed'));
  await gateway.kill('SIGTERM');
  await reviewing;
  const events = expected(await home.records());
  expect(receiver.arrived.map((one) => [bodyOf(one).type, bodyOf(one).cursor])).toEqual(
    events.map(({ type, seq }) => [type, seq]),
  );
  const decided = receiver.arrived.find((one) => bodyOf(one).type === 'request.decided');
  expect(decided && bodyOf(decided).request).toMatchObject({
    state: 'approved',
    rule: 'writes',
    sentence: 'Adds rows to public.effects',
    who: { id: 'bot', sponsor: 'ada' },
    approvals: { given: 1, needed: 1 },
    decisions: [{ decision: 'approve', by: 'grace' }],
    link: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/r\/HP-/),
  });
  for (const { id, timestamp, signature, body } of receiver.arrived) {
    expect(body).not.toContain('sealed');
    const hmac = createHmac('sha256', Buffer.alloc(32, 5)).update(`${id}.${timestamp}.${body}`).digest('base64');
    expect(signature).toBe(`v1,${hmac}`);
    expect(Math.abs(Number(timestamp) * 1000 - Date.now())).toBeLessThan(60_000);
  }
  expect(gateway.lines.join('\n')).not.toContain(SECRET);
});

test('a receiver that fails, then works: told once each, and nothing is missing', async () => {
  const home = await homeWith([hookTo(receiver.url, { events: ['request.opened', 'request.executed'] })]);
  await receiver.behave(500);
  const gateway = await home.start();
  const reviewing = review(gateway).catch(() => {});
  const client = await open(gateway.agentUrl);
  for (let n = 0; n < 5; n++) await client.query(insert(`fails-${n}`));
  await client.end();
  await until(async () => receiver.arrived.length >= 2);
  await receiver.behave(200);
  await until(async () => receiver.arrived.filter(({ answered }) => answered === 200).length === 10);
  await until(async () => gateway.lines.some((line) => line.includes('works again')));
  const told = gateway.lines.filter((line) => line.includes('webhook pager'));
  expect(told.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(['warn', 'info']);
  await gateway.kill('SIGTERM');
  await reviewing;
});

test(`killed ${kills} times (HOLDPOINT_SEED=${seed}): every event arrives, in order, the same each time`, {
  timeout: 60_000 + kills * 30_000,
}, async () => {
  const began = performance.now();
  const random = seeded(seed);
  const home = await homeWith([hookTo(receiver.url)]);
  for (let run = 0; run < kills; run++) {
    await receiver.behave(random(4) === 0 ? 503 : 200);
    const gateway = await home.start();
    const working = Promise.allSettled([
      review(gateway),
      ...['a', 'b', 'c'].map((who) => ask(gateway, `${run}-${who}`)),
    ]);
    // In the moment in which the n-th arrives; by the clock where the receiver wants none.
    const timer = setTimeout(() => void gateway.kill('SIGKILL'), 500 + random(3000));
    await Promise.race([receiver.more(1 + random(20)), gateway.ended]);
    expect(await gateway.kill('SIGKILL')).toBe('SIGKILL');
    clearTimeout(timer);
    await working;
  }
  await receiver.behave(200);
  const logged = expected(await home.records());
  const last = await home.start();
  const taken = (): Arrived[] => receiver.arrived.filter(({ answered }) => answered === 200);
  await until(async () => {
    const all = new Set(taken().map((one) => bodyOf(one).cursor));
    return logged.every(({ seq }) => all.has(seq));
  });
  await last.kill('SIGTERM');
  const first = new Map<number, string>();
  for (const one of taken()) if (!first.has(bodyOf(one).cursor)) first.set(bodyOf(one).cursor, bodyOf(one).type);
  expect([...first]).toEqual([...first].toSorted(([a], [b]) => a - b));
  // The last one's own, too: it ended in order, but may have been told to stop before it had sent them.
  const all = expected(await home.records()).map(({ seq, type }) => [seq, type]);
  expect([...first]).toEqual(all.slice(0, first.size));
  const bodies = new Map<string, string>();
  for (const { id, body } of receiver.arrived) {
    // The console is at another port after each start; a policy's time is that of its record to a millisecond or so.
    const same = body.replace(/127\.0\.0\.1:\d+\/r/, 'console/r').replace(/^({"type":"policy.*"time":)\d+/, '$1');
    if (!bodies.has(id)) bodies.set(id, same);
    expect(same, id).toBe(bodies.get(id));
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(
    `${kills} kills in ${seconds} s, HOLDPOINT_SEED=${seed}: ${first.size} events, each taken; ` +
      `${taken().length - first.size} taken again, ${receiver.arrived.length - taken().length} refused by the receiver`,
  );
  expect(first.size).toBeGreaterThan(kills);
});

const STATEMENTS = process.env['HOLDPOINT_PROVE'] === '1' ? 3000 : 150;
const WARM = 20;

test('receivers who are dead or never answer cost nobody else anything', {
  timeout: 180_000 + STATEMENTS * 500,
}, async () => {
  const silent = await startReceiver();
  try {
    await silent.behave('hang');
    const dead = hookTo('http://127.0.0.1:1/', { name: 'dead' });
    const slow = hookTo(silent.url, { name: 'silent' });
    const alone = await worker(await homeWith([]));
    const among = await worker(await homeWith([dead, slow, hookTo(receiver.url)]));
    // In turn, so that whatever else the machine does is the same for both.
    for (let n = 0; n < WARM; n++) for (const one of [alone, among]) await one.run(`warm-${n}`);
    const before = [await alone.rss(), await among.rss()] as const;
    const times: { readonly alone: number[]; readonly among: number[] } = { alone: [], among: [] };
    for (let n = 0; n < STATEMENTS; n++) {
      times.alone.push(await alone.run(`timed-${n}`));
      times.among.push(await among.run(`timed-${n}`));
    }
    const grown = [(await alone.rss()) - before[0], (await among.rss()) - before[1]] as const;
    const told = (all: readonly number[], bytes: number): string =>
      `p50 ${at(all, 0.5).toFixed(1)} ms, p99 ${at(all, 0.99).toFixed(1)} ms, memory +${(bytes / 1e6).toFixed(0)} MB`;
    console.log(
      `${STATEMENTS} statements held, approved and run: without webhooks ${told(times.alone, grown[0])}; ` +
        `with a dead, a silent and a working receiver ${told(times.among, grown[1])}`,
    );
    // The working receiver has them all; the silent one holds up itself alone.
    const executed = () => receiver.arrived.filter((one) => bodyOf(one).type === 'request.executed').length;
    await until(async () => executed() === WARM + STATEMENTS);
    expect(new Set(silent.arrived.map(({ id }) => id)).size).toBe(1);
    expect(at(times.among, 0.5)).toBeLessThan(at(times.alone, 0.5) * 2 + 10);
    expect(grown[1]).toBeLessThan(grown[0] + 40e6);
  } finally {
    await silent.stop();
  }
});

const at = (times: readonly number[], part: number): number =>
  times.toSorted((a, b) => a - b)[Math.floor(times.length * part)] ?? 0;

/** A gateway whose requests are all approved at once. */
const worker = async (home: GatewayHome) => {
  const gateway = await home.start();
  // Ends with the gateway.
  void review(gateway).catch(() => {});
  const client = await open(gateway.agentUrl);
  return {
    /** Resolves with how long it took, in ms, from sending to the result. */
    async run(name: string): Promise<number> {
      const sent = performance.now();
      await client.query(insert(name));
      return performance.now() - sent;
    },
    rss: () => gateway.rss(),
  };
};
