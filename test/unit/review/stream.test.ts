import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type DownMessage, type RequestView, signIn } from '../../../src/review/client.ts';
import { PASSWORD, request } from '../../browser/fake-desk.ts';
import { type Harness, start } from './harness.ts';

let h: Harness;
const sockets: WebSocket[] = [];
beforeEach(async () => {
  h = await start();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await h.server.close();
});

type Snapshot = Extract<DownMessage, { type: 'snapshot' }>;

/** A socket whose messages, heartbeats aside, are taken one by one. */
class Peer {
  readonly socket: WebSocket;
  readonly #queue: DownMessage[] = [];
  #wake: (() => void) | null = null;
  health = 0;

  constructor(socket: WebSocket) {
    this.socket = socket;
    sockets.push(socket);
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString('utf8')) as DownMessage;
      if (message.type === 'health') this.health += 1;
      else this.#queue.push(message);
      this.#wake?.();
    });
  }

  async next(): Promise<DownMessage> {
    for (;;) {
      const message = this.#queue.shift();
      if (message) return message;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async result(id: string | number): Promise<Extract<DownMessage, { type: 'result' }>> {
    for (;;) {
      const message = await this.next();
      if (message.type === 'result' && message.id === id) return message;
    }
  }

  send(message: unknown): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }
}

const address = (query = '') => `${h.url.replace('http', 'ws')}/api/stream${query}`;

async function connect(user = 'grace', query = ''): Promise<Peer> {
  const { token } = await signIn(h.url, { user, password: PASSWORD });
  return new Peer(new WebSocket(address(query), { headers: { Authorization: `Bearer ${token}` } }));
}

/** The status a handshake is refused with. */
async function refused(
  protocols: string[],
  headers: Record<string, string>,
  origin?: string,
  query = '',
): Promise<number> {
  const socket = new WebSocket(address(query), protocols, { headers, ...(origin ? { origin } : {}) });
  sockets.push(socket);
  socket.on('error', () => undefined);
  const [kind, value] = await Promise.race([
    once(socket, 'unexpected-response').then(([, response]) => ['refused', response.statusCode as number] as const),
    once(socket, 'open').then(() => ['open', 101] as const),
  ]);
  expect(kind === 'open' || value >= 400).toBe(true);
  return value;
}

const decideMessage = (id: string, shown: RequestView, change: object = {}) => ({
  id,
  type: 'decide',
  request: shown.id,
  decision: 'approve',
  digest: shown.digest,
  revision: shown.revision,
  rationale: 'checked',
  ...change,
});

test('a snapshot first, then events with their cursor', async () => {
  const peer = await connect();
  const snapshot = (await peer.next()) as Snapshot;
  expect(snapshot.type).toBe('snapshot');
  expect(snapshot.requests).toHaveLength(5);
  h.desk.change('HP-9C2D', 'ticket', { holds: 'ticket', wait_until: null });
  const event = (await peer.next()) as Extract<DownMessage, { cursor: number; request: RequestView }>;
  expect(event.type).toBe('request.ticket');
  expect(event.request).toMatchObject({ id: 'HP-9C2D', holds: 'ticket' });
  expect(event.cursor).toBeGreaterThan(snapshot.cursor);
});

test('resumes after the cursor with exactly what was missed', async () => {
  const first = await connect();
  const { cursor } = (await first.next()) as Snapshot;
  first.socket.terminate();
  h.desk.add(request('DROP TABLE a', [['ddl', 'a', 'Drops a table.', 'DROP']]));
  h.desk.change('HP-9C2D', 'decided', { state: 'denied' });
  const second = await connect('grace', `?since=${cursor}`);
  const missed = [await second.next(), await second.next()];
  expect(missed.map(({ type }) => type)).toEqual(['request.opened', 'request.decided']);
  h.desk.change('HP-9C2D', 'expired', { state: 'expired' });
  expect((await second.next()).type).toBe('request.expired');
});

test('a cursor too old, or from another log, gives reset and a snapshot', async () => {
  h.desk.keep = 2;
  for (const since of [3, 999_999]) {
    const peer = await connect('grace', `?since=${since}`);
    expect((await peer.next()).type).toBe('reset');
    expect((await peer.next()).type).toBe('snapshot');
  }
});

test('a heartbeat every second, with the state of the log', async () => {
  const peer = await connect();
  await peer.next();
  while (peer.health < 2) await once(peer.socket, 'message');
  expect(peer.health).toBe(2);
});

test('decides like HTTP does, acknowledged by id; the event reaches everyone', async () => {
  const other = await connect('aiko');
  await other.next();
  const peer = await connect();
  const { requests } = (await peer.next()) as Snapshot;
  const shown = requests.find(({ id }) => id === 'HP-9C2D') as RequestView;
  peer.send(decideMessage('one', shown));
  expect(await peer.result('one')).toMatchObject({ ok: true, request: { state: 'approved' } });
  expect((await other.next()).type).toBe('request.decided');
  peer.send(decideMessage('two', shown));
  expect(await peer.result('two')).toMatchObject({
    ok: false,
    problem: { type: 'urn:holdpoint:problem:already-decided', status: 409 },
  });
  expect(h.desk.records.filter(({ type }) => type === 'request.refused')).toHaveLength(1);
});

test('twenty decisions at once: one counts, each is answered', async () => {
  const peer = await connect();
  const { requests } = (await peer.next()) as Snapshot;
  const shown = requests.find(({ id }) => id === 'HP-9C2D') as RequestView;
  const ids = Array.from({ length: 20 }, (_, i) => `d${i}`);
  for (const id of ids) peer.send(decideMessage(id, shown));
  const results = new Map<string | number, boolean>();
  while (results.size < 20) {
    const message = await peer.next();
    if (message.type === 'result') results.set(message.id, message.ok);
  }
  expect([...results.values()].filter(Boolean)).toHaveLength(1);
});

test('an agent may watch its own and gets 403 on deciding', async () => {
  const peer = await connect('billing-agent');
  const { requests } = (await peer.next()) as Snapshot;
  expect(requests.map(({ id }) => id)).toEqual(['HP-7KQ4']);
  peer.send(decideMessage('x', requests[0] as RequestView));
  expect(await peer.result('x')).toMatchObject({ ok: false, problem: { status: 403 } });
  h.desk.change('HP-9C2D', 'expired', { state: 'expired' });
  h.desk.change('HP-7KQ4', 'expired', { state: 'expired' });
  expect(await peer.next()).toMatchObject({ request: { id: 'HP-7KQ4' } });
});

test('garbage is answered, then the line is closed; others go on', async () => {
  const other = await connect('aiko');
  await other.next();
  const peer = await connect();
  await peer.next();
  const closed = once(peer.socket, 'close');
  const nonsense = [
    '{',
    '[]',
    '42',
    '{"type":"decide"}',
    '{"id":1,"type":"ask","request":"HP-9C2D"}',
    '\u0000',
    'null',
  ];
  for (const message of nonsense) {
    peer.send(message);
    expect((await peer.next()).type).toBe('error');
  }
  peer.socket.send(Buffer.from([0, 1, 2]));
  peer.send('"');
  peer.send('"');
  const [code] = await closed;
  expect(code).toBe(1008);
  h.desk.change('HP-9C2D', 'expired', { state: 'expired' });
  expect((await other.next()).type).toBe('request.expired');
});

test('a message over 64 KiB ends the line', async () => {
  const peer = await connect();
  await peer.next();
  const closed = once(peer.socket, 'close');
  peer.send('x'.repeat(65 * 1024));
  const [code] = await closed;
  expect(code).toBe(1009);
});

test('by cookie only from our page and with the token of this session', async () => {
  const { cookie, csrf } = await h.enter('grace');
  const good = ['holdpoint', `csrf.${csrf}`];
  expect(await refused([], {})).toBe(401);
  expect(await refused(good, { Cookie: cookie })).toBe(403);
  expect(await refused(good, { Cookie: cookie }, 'http://evil.example')).toBe(403);
  expect(await refused(['holdpoint'], { Cookie: cookie }, h.url)).toBe(403);
  expect(await refused(['holdpoint', 'csrf.x'], { Cookie: cookie }, h.url)).toBe(403);
  expect(await refused(good, { Cookie: cookie }, h.url, '?since=-1')).toBe(400);
  expect(await refused(good, { Cookie: cookie }, h.url)).toBe(101);
});

test('somebody without a role or an agent of their own is not let in', async () => {
  const { cookie, csrf } = await h.enter('ida');
  expect(await refused(['holdpoint', `csrf.${csrf}`], { Cookie: cookie }, h.url)).toBe(403);
});

test('signing out ends the line of that session', async () => {
  const { cookie, csrf, headers } = await h.enter('grace');
  const peer = new Peer(
    new WebSocket(address(), ['holdpoint', `csrf.${csrf}`], { headers: { Cookie: cookie }, origin: h.url }),
  );
  await peer.next();
  const closed = once(peer.socket, 'close');
  await h.post('/api/logout', {}, headers);
  const [code] = await closed;
  expect(code).toBe(4401);
});

test('says who is here: people who may decide, each once', async () => {
  const a = await connect('grace');
  await a.next();
  await (await connect('grace')).next();
  await (await connect('hedy')).next();
  await (await connect('billing-agent')).next();
  expect(h.desk.presence.at(-1)).toEqual(['grace']);
  const b = await connect('aiko');
  await b.next();
  expect(h.desk.presence.at(-1)).toEqual(['aiko', 'grace']);
  b.socket.close();
  await once(b.socket, 'close');
  await expect.poll(() => h.desk.presence.at(-1)).toEqual(['grace']);
});

test('a peer that does not read is dropped, not buffered for', async () => {
  const peer = await connect();
  await peer.next();
  const closed = once(peer.socket, 'close');
  peer.socket.pause();
  h.desk.keep = 10;
  const big = request(`SELECT '${'x'.repeat(1024 * 1024)}'`, []);
  h.desk.add(big);
  for (let i = 0; i < 40; i += 1) h.desk.change(big.id, 'held', {});
  await expect.poll(() => h.desk.presence.at(-1)).toEqual([]);
  peer.socket.resume();
  const [code] = await closed;
  expect([1006, 1013]).toContain(code);
});

test("an auditor's stream records what it shows, before it shows it", async () => {
  const peer = await connect('hedy');
  await peer.next();
  const opened = request('DROP TABLE b', [['ddl', 'b', 'Drops a table.', 'DROP']]);
  h.desk.add(opened);
  await peer.next();
  const reads = h.desk.records.filter(({ type }) => type === 'reviewer.read_text').map(({ clear }) => clear.requests);
  expect(reads).toHaveLength(2);
  expect(reads[1]).toEqual([opened.id]);
});

test('a person decides 120 times a minute, in however many sessions', async () => {
  const refusedAt = async (peer: Peer, times: number): Promise<unknown> => {
    const { requests } = (await peer.next()) as Snapshot;
    const shown = requests.find(({ id }) => id === 'HP-9C2D') as RequestView;
    let problem: unknown = null;
    for (let n = 0; n < times; n += 1) {
      // Never counts: of what was seen earlier.
      peer.send(decideMessage(`${n}`, shown, { revision: shown.revision + 1 }));
      ({ problem } = (await peer.result(`${n}`)) as { problem?: unknown });
    }
    return problem;
  };
  expect(await refusedAt(await connect('grace'), 119)).toMatchObject({ status: 409 });
  expect(await refusedAt(await connect('grace'), 2)).toMatchObject({ status: 429 });
  const { headers } = await h.enter('grace');
  const asked = { decision: 'approve', digest: '0'.repeat(64), revision: 1, rationale: 'checked' };
  expect((await h.post('/api/requests/HP-9C2D/decisions', asked, headers)).status).toBe(429);
  expect(await refusedAt(await connect('aiko'), 1)).toMatchObject({ status: 409 });
});
