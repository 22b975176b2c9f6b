// What the stream tells, over a real desk and log: in the order of the log, each with its own kept list, and what goes up is what HTTP takes.
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type DownMessage, downMessage, type TokenView } from '../../../src/review/schemas.ts';
import { type House, startHouse } from './house.ts';

const KEPT = 3_000;

let house: House;
const sockets: WebSocket[] = [];
beforeEach(async () => {
  house = await startHouse({ events_kept_max: KEPT });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await house.stop();
});

/** Messages one by one, heartbeats aside; each is read with its schema. */
async function listen(who: string, query = ''): Promise<{ next(): Promise<DownMessage>; send(message: object): void }> {
  const token = who.length > 20 ? who : await house.token(who);
  const socket = new WebSocket(`${house.url.replace('http', 'ws')}/api/stream${query}`, {
    headers: { Authorization: `Bearer ${token}` },
  });
  sockets.push(socket);
  const queue: DownMessage[] = [];
  socket.on('message', (data: Buffer) => {
    const body: unknown = JSON.parse(data.toString('utf8'));
    const message = downMessage.parse(body);
    expect(body).toEqual(message);
    if (message.type !== 'health') queue.push(message);
    socket.emit('told');
  });
  await once(socket, 'open');
  return {
    async next() {
      while (queue.length === 0) await once(socket, 'told');
      return queue.shift() as DownMessage;
    },
    send: (message) => socket.send(JSON.stringify(message)),
  };
}

const session = (id: string) => ({
  id,
  who: { id: 'bot', kind: 'agent', groups: [], sponsor: 'ada', authentication: 'scram-sha-256', address: '10.0.0.7' },
  where: { engine: 'postgres', upstream: 'app', database: 'app', tags: {} },
  application_name: 'psql',
  upstream_user: 'gateway',
  since: 1,
  held: null,
});
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('questions and answers go up as decisions do, each by whom it is for', async () => {
  const { id, digest_tag } = await house.open('DELETE FROM t');
  const grace = await listen('grace');
  const { token } = (await house.call('ada', 'tokens', '', { for: 'bot', ttl: '1m' })).body as TokenView;
  const bot = await listen(token);
  expect(await grace.next()).toMatchObject({ type: 'snapshot', open: 1 });
  expect(await bot.next()).toMatchObject({ type: 'snapshot', open: 1 });
  grace.send({ id: 1, type: 'ask', request: id, text: 'Why?' });
  expect([await grace.next(), await grace.next()].map(({ type }) => type).toSorted()).toEqual([
    'request.asked',
    'result',
  ]);
  expect(await bot.next()).toMatchObject({ type: 'request.asked', request: { state: 'asked', can_answer: true } });
  bot.send({ id: 'a', type: 'ask', request: id, text: 'Why not?' });
  expect(await bot.next()).toMatchObject({ type: 'result', id: 'a', ok: false, problem: { status: 403 } });
  const decision = { decision: 'approve', digest: digest_tag, revision: 1, rationale: 'x' };
  bot.send({ id: 'd', type: 'decide', request: id, ...decision });
  expect(await bot.next()).toMatchObject({ type: 'result', id: 'd', ok: false, problem: { status: 403 } });
  bot.send({ id: 'b', type: 'answer', request: id, text: 'So.' });
  const told = [await bot.next(), await bot.next()];
  expect(told.find(({ type }) => type === 'result')).toMatchObject({ id: 'b', ok: true, request: { state: 'open' } });
  expect(await grace.next()).toMatchObject({ type: 'request.answered', request: { said: [{}, { text: 'So.' }] } });
  expect((await house.records('request.refused')).map(({ clear }) => [clear.what, clear.by, clear.why])).toEqual([
    ['ask', 'bot', 'not-a-person'],
    ['decide', 'bot', 'not-a-person'],
  ]);
});

test('what becomes durable in one turn is told in the order of the log', async () => {
  const from = house.events.cursor;
  const { seq } = house.audit;
  const policy = (n: number) => ({ path: 'p', hash: `${n}`, rules: 0 });
  for (const n of [3, 1, 2]) house.events.happened({ seq: seq + n, type: 'policy.loaded', policy: policy(n) });
  expect(house.events.after(from, false)).toEqual([]);
  await turn();
  expect(house.events.after(from, false)?.map((event) => event.seq)).toEqual([seq + 1, seq + 2, seq + 3]);
  expect(house.events.after(seq + 2, false)).toHaveLength(1);
  expect(house.events.after(seq + 4, false)).toBeNull();
});

test('connections have a list of their own: however many come and go, no request is forgotten', async () => {
  const root = await listen('root', '?sessions=true');
  await root.next();
  const from = house.events.cursor;
  const { id } = await house.open('DELETE FROM t');
  const { seq } = house.audit;
  for (let n = 1; n <= KEPT + 1; n += 1)
    house.events.happened({ seq: seq + n, type: 'session.opened', session: session(`s${n}`) });
  await turn();
  expect(house.events.after(from, false)).toMatchObject([{ type: 'request.opened', request: { id } }]);
  expect(house.events.after(from, true)).toBeNull();
  const grace = await listen('grace', `?since=${from}`);
  expect(await grace.next()).toMatchObject({ type: 'request.opened', request: { id } });
  const late = await listen('root', `?since=${from}&sessions=true`);
  expect((await late.next()).type).toBe('reset');
  expect(await late.next()).toMatchObject({ type: 'snapshot', requests: [{ id }] });
});

test('connections are told of to who asks and may read; others are not let in', async () => {
  const { token } = (await house.call('ada', 'tokens', '', { for: 'bot', ttl: '1m' })).body as TokenView;
  await expect(listen(token, '?sessions=true')).rejects.toThrow('403');
  await expect(listen('tomasz', '?sessions=true')).rejects.toThrow('403');
  await expect(listen('grace', '?sessions=1')).rejects.toThrow('400');
  const hedy = await listen('hedy', '?sessions=true');
  await hedy.next();
  house.events.happened({ seq: house.audit.seq + 1, type: 'session.opened', session: session('s1') });
  expect(await hedy.next()).toMatchObject({ type: 'session.opened', session: { id: 's1', who: { id: 'bot' } } });
});

test('an event is told although the desk has forgotten its request', async () => {
  await turn();
  const { cursor } = house.events;
  const first = await house.open('DELETE FROM t');
  await house.desk.withdraw(first.id, 'bot', 'x');
  // The desk remembers a thousand that have ended.
  for (let n = 0; n < 1_100; n += 100) {
    const some = Array.from({ length: 100 }, (_, i) => house.open(`DELETE FROM t WHERE a = ${n + i}`));
    await Promise.all((await Promise.all(some)).map(({ id }) => house.desk.withdraw(id, 'bot', 'x')));
  }
  await turn();
  expect(house.desk.get(first.id)).toBeUndefined();
  expect(house.events.after(cursor, false)?.[0]).toMatchObject({ type: 'request.opened', request: { id: first.id } });
});

test('a cursor of before a restart is good after it; of a request that is forgotten nothing is made up', async () => {
  const { id } = await house.open('DELETE FROM t');
  await turn();
  const { cursor } = house.events;
  await house.call('grace', 'ask', id, { text: 'Why?' });
  await house.restart();
  const grace = await listen('grace', `?since=${cursor}`);
  expect(await grace.next()).toMatchObject({ type: 'request.asked', request: { id, said: [{ text: 'Why?' }] } });
  house.events.happened({ seq: house.audit.seq + 1, type: 'request.opened', request: 'HP-GONE' });
  await turn();
  expect(house.events.after(cursor, false)).toBeNull();
});
