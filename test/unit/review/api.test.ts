// The API over a real desk: conversations, tokens of agents, pages, the log. Every answer is read with its schema (house.ts).
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Refused, reviewClient } from '../../../src/review/client.ts';
import type { ListView, PermitsView, RecordsView, RequestView, TokenView } from '../../../src/review/schemas.ts';
import { type House, startHouse } from './house.ts';

let house: House;
beforeEach(async () => {
  house = await startHouse();
});
afterEach(() => house.stop());

const agent = async (user = 'ada', of = 'bot', ttl: string | number = '15m') =>
  (await house.call(user, 'tokens', '', { for: of, ttl })).body as TokenView;

const decision = ({ digest, revision }: RequestView, more: object = {}) => ({
  decision: 'approve',
  digest,
  revision,
  rationale: 'seen',
  ...more,
});

test('a conversation: asked, answered once by the agent and once by its sponsor, then two of two decide', async () => {
  const { id } = await house.open('COPY customers TO STDOUT', {}, { of: ['dba', 'owners'], each: true });
  expect(await house.view('grace', id)).toMatchObject({
    state: 'open',
    needed: 2,
    approvals: [],
    missing: ['dba', 'owners'],
    reach: { eligible: 3, present: 0 },
    can_answer: false,
    ask: { each: true, denials: 1, escalate: null, nobody_ms: null, channel: 'any' },
    said: [],
    permit: null,
  });
  const { token } = await agent();
  await house.call('grace', 'ask', id, { text: 'Who receives the file?\u202e' });
  expect(await house.view('ada', id)).toMatchObject({ state: 'asked', can_answer: true });
  const { body } = await house.call(token, 'answer', id, { text: 'Finance.' });
  expect(body).toMatchObject({ state: 'open', can_answer: true, can_decide: { may: false, own: true } });
  await house.call('ada', 'answer', id, { text: 'I asked for it.' });
  const seen = await house.view('aiko', id);
  expect(seen.said.map(({ kind, by, text }) => [kind, by, text])).toEqual([
    ['question', 'grace', 'Who receives the file?\u202e'],
    ['answer', 'bot', 'Finance.'],
    ['answer', 'ada', 'I asked for it.'],
  ]);
  expect(seen.said[0]?.marks).toMatchObject([{ kind: 'direction' }]);
  expect((await house.call('aiko', 'decide', id, decision(seen))).body).toMatchObject({
    state: 'open',
    approvals: [{ by: 'aiko', instead_of: null, group: 'dba' }],
    missing: ['owners'],
  });
  expect((await house.call('ines', 'decide', id, decision(seen))).body).toMatchObject({
    state: 'approved',
    missing: [],
    reach: { eligible: 0, present: 0 },
    can_answer: false,
  });
  expect((await house.call('aiko', 'ask', id, { text: 'And?' })).why).toBe('already-decided');
});

test('a request says how its like was decided before, also after a restart', async () => {
  const open = async (sql: string) =>
    house.view('grace', (await house.open(sql, { shape: 'DELETE FROM old WHERE id = ?' })).id);
  const first = await open('DELETE FROM old WHERE id = 1');
  expect(first.before).toMatchObject({ approved: 0, permits: 0, denied: 0, days: 90, text: 'not decided in 90 days' });
  await house.call('grace', 'decide', first.id, decision(first, { decision: 'deny' }));
  const second = await open('DELETE FROM old WHERE id = 2');
  await house.call('grace', 'decide', second.id, decision(second));
  const text = 'approved once 1 time in 90 days, denied 1 time';
  const third = await open('DELETE FROM old WHERE id = 3');
  expect(third.before?.text).toBe(text);
  await house.restart();
  expect((await open('DELETE FROM old WHERE id = 4')).before).toEqual({
    approved: 1,
    permits: 0,
    denied: 1,
    days: 90,
    text,
  });
  // What they saw is what they saw.
  expect((await house.view('grace', first.id)).before).toEqual(first.before);
  expect((await house.view('grace', third.id)).before?.text).toBe(text);
});

test('the requester takes it back, once', async () => {
  const { id } = await house.open('DROP TABLE t');
  const { token } = await agent();
  const { body } = await house.call(token, 'withdraw', id, { reason: 'wrong table' });
  expect(body).toMatchObject({ state: 'withdrawn', withdrawn: { by: 'bot', reason: 'wrong table' } });
  expect((await house.call(token, 'withdraw', id, {})).why).toBe('already-decided');
});

test('an approval of all that are like it is listed with its uses, and revoked', async () => {
  const sql = "SELECT email FROM customers WHERE name = 'é' AND id = 7";
  const at = (word: string) => Buffer.from(sql).indexOf(word);
  const free = [
    [at("'é'"), at("'é'") + 4],
    [at('7'), at('7') + 1],
  ] as const;
  const pattern = { hash: 'never shown', free, free_parameters: [2], writes: false };
  const most = { for_ms: 7 * 86_400_000, uses: 10, rows: 100, writes: false };
  const request = await house.open(sql, { pattern }, { permit: most });
  const { id } = request;
  const seen = await house.view('grace', id);
  expect(seen.permit).toMatchObject({ ...most, free_parameters: [2] });
  expect(seen.permit?.free.map(({ from, to }) => seen.statement.text.slice(from, to))).toEqual(["'é'", '7']);
  const asked = (terms: object) => house.call('grace', 'decide', id, decision(seen, { permit: terms }));
  expect((await asked({ for: '8d', uses: 1, rows: 1 })).why).toBe('permit-refused');
  expect((await asked({ for: '1d', uses: 0, rows: 1 })).why).toBe('bad-request');
  expect((await asked({ for: '7d', uses: 2, rows: 50 })).body).toMatchObject({
    state: 'approved',
    decisions: [{ permit: { for_ms: most.for_ms, uses: 2, rows: 50 } }],
  });
  const permitted = await house.desk.hold({ ...request, session: 's2' }, 0);
  expect(permitted.type).toBe('run');
  expect((await house.desk.hold({ ...request, session: 's3' }, 0)).type).toBe('permitted');
  const list = async () => ((await house.call('hedy', 'permits')).body as PermitsView).permits;
  const [permit] = await list();
  expect(permit).toMatchObject({
    request: id,
    state: 'in-force',
    uses: 2,
    rows: 50,
    by: ['grace'],
    used: [{ use: 1, session: 's3', outcome: null }],
    statement: { text: sql },
  });
  expect(JSON.stringify(permit)).not.toContain('never shown');
  const revoke = async (who: string) => house.call(who, 'revoke', permit?.id ?? '', { reason: 'enough' });
  expect((await revoke('ines')).why).toBe('not-yours');
  expect((await revoke('root')).body).toMatchObject({ state: 'revoked', revoked: { by: 'root', reason: 'enough' } });
  expect((await revoke('root')).why).toBe('ended');
  expect((await list()).map(({ state }) => state)).toEqual(['revoked']);
  await house.restart();
  expect((await list()).map(({ state }) => state)).toEqual(['revoked']);
});

test('break-glass is reviewed by somebody else', async () => {
  const who = { id: 'ada', kind: 'human', groups: [], sponsor: null, authentication: 'scram', address: '' } as const;
  const { id } = await house.open('UPDATE t SET a = 1', {
    who,
    break_glass: { reason: 'site is down', of: ['break-glass'] },
  });
  const list = async () => (await house.call('grace', 'requests', '', undefined, '?state=review')).body as ListView;
  expect((await list()).requests).toMatchObject([
    { id, broken_glass: { reason: { text: 'site is down' }, reviewed: null } },
  ]);
  expect((await house.call('ada', 'review', id, { rationale: 'fine' })).why).toBe('own');
  expect((await house.call('grace', 'review', id, { rationale: ' ' })).why).toBe('rationale-missing');
  const { body } = await house.call('grace', 'review', id, { rationale: 'it was' });
  expect(body).toMatchObject({ broken_glass: { reviewed: { by: 'grace', rationale: 'it was' } } });
  expect((await list()).requests).toEqual([]);
});

test('an agent with a token reaches its own requests and nothing of others', async () => {
  const { token, user } = await agent();
  expect(user).toBe('bot');
  const mine = await house.open('DELETE FROM mine');
  const etl = { ...mine.who, id: 'etl', sponsor: 'tomasz' };
  const other = await house.open('DELETE FROM theirs', { who: etl });
  const { requests } = (await house.call(token, 'requests', '', undefined, '?state=all')).body as ListView;
  expect(requests.map(({ id }) => id)).toEqual([mine.id]);
  const refusals = async (id: string) => [
    await house.call(token, 'request', id),
    await house.call(token, 'answer', id, { text: 'x' }),
    await house.call(token, 'withdraw', id, {}),
  ];
  // Somebody else's and none at all look the same.
  expect(await refusals(other.id)).toEqual(await refusals('HP-00000000'));
});

test('a token of an agent ends with its time, and with the right of whoever got it', async () => {
  for (const ttl of [0, -1, '25h', 86_400_001, '0m', '1 h', 1.5])
    expect((await house.call('ada', 'tokens', '', { for: 'bot', ttl })).why).toBe('bad-request');
  const day = await agent('root', 'bot', '24h');
  expect(day.expires).toBeGreaterThan(Date.now() + 86_390_000);
  expect((await house.call('root', 'tokens', '', { for: 'grace', ttl: '1m' })).why).toBe('not-your-agent');
  expect((await house.call('root', 'tokens', '', { for: 'nobody', ttl: '1m' })).why).toBe('not-your-agent');
  const short = await agent('ada', 'bot', 30);
  await expect.poll(async () => (await house.call(short.token, 'requests')).why).toBe('not-signed-in');
  // An agent's token gets no other.
  expect((await house.call(day.token, 'tokens', '', { for: 'bot', ttl: '1m' })).why).toBe('not-for-agents');
  const records = await house.records('reviewer.token_issued');
  expect(records.map(({ clear }) => clear)).toEqual([
    { by: 'root', for: 'bot', ttl_ms: 86_400_000 },
    { by: 'ada', for: 'bot', ttl_ms: 30 },
  ]);
  expect(JSON.stringify(await house.records())).not.toContain(day.token);
});

test('pages neither lose nor repeat one, however many have the same time', async () => {
  const opened = [];
  const begun = Date.now();
  const clock = vi.spyOn(Date, 'now');
  for (let n = 0; n < 40; n += 1) {
    // Ten have one time.
    clock.mockReturnValue(begun + Math.floor(n / 10));
    opened.push(house.open(`DELETE FROM t${n % 20} WHERE a = ${n}`, n % 2 ? { rule: 'other', shape: 'same' } : {}));
  }
  clock.mockRestore();
  const ids = (await Promise.all(opened)).map(({ id }) => id);
  expect(new Set((await Promise.all(opened)).map(({ opened: at }) => at)).size).toBeLessThan(40);
  const walk = async (way: 'before' | 'after', query: string, from?: string) => {
    const seen: string[][] = [];
    for (let next: string | null | undefined = from; next !== null; ) {
      const { body } = await house.call(
        'grace',
        'requests',
        '',
        undefined,
        `?${query}${next ? `&${way}=${next}` : ''}`,
      );
      const { requests, next: more } = body as ListView;
      seen.push(requests.map(({ id }) => id));
      if (more === null && next !== undefined && way === 'before') return seen.flat();
      next = more;
    }
    return seen.flat();
  };
  const all = await walk('before', 'limit=7');
  expect(all.toSorted()).toEqual(ids.toSorted());
  const { next } = (await house.call('grace', 'requests', '', undefined, '?limit=39')).body as ListView;
  const newer = (await house.call('grace', 'requests', '', undefined, `?limit=5&after=${next}`)).body as ListView;
  expect(newer.requests.map(({ id }) => id)).toEqual(all.slice(33, 38));
  expect(newer.next).not.toBeNull();
  const others = await walk('before', 'limit=3&rule=other');
  expect(others).toHaveLength(20);
  const { group } = await house.view('grace', others[0] as string);
  expect(group).toMatch(/^[0-9a-f]{32}$/);
  expect(await walk('before', `limit=500&group=${group}`)).toHaveLength(20);
  expect(await walk('before', 'requester=etl')).toEqual([]);
  expect(await walk('before', 'upstream=app&state=asked')).toEqual([]);
  expect((await house.call('grace', 'requests', '', undefined, '?before=bm8')).why).toBe('bad-request');
});

test('the log: by type, person and request, page by page; sealed texts for auditors only, and on record', async () => {
  const { id } = await house.open('DELETE FROM secret_text');
  await house.call('grace', 'decide', id, decision(await house.view('grace', id)));
  const read = async (who: string, query: string) =>
    (await house.call(who, 'audit', '', undefined, query)).body as RecordsView;
  const opened = await read('hedy', '?type=request.opened');
  expect(opened.records).toMatchObject([
    { type: 'request.opened', sealed: { request: { sql: 'DELETE FROM secret_text' } } },
  ]);
  const sealed = await read('root', '?type=request.opened');
  expect(sealed.records).toMatchObject([{ type: 'request.opened', sealed: 'not-yours' }]);
  expect(JSON.stringify(sealed)).not.toContain('"sql"');
  const ofRequest = (await read('root', `?request=${id}`)).records.map(({ type }) => type);
  expect(ofRequest).toEqual(['request.opened', 'request.decided']);
  expect((await read('root', '?who=grace&type=request.')).records.map(({ type }) => type)).toEqual(['request.decided']);
  expect((await read('root', '?who=bot&type=request.')).records.map(({ type }) => type)).toEqual(['request.opened']);
  expect((await read('root', `?to=${new Date(0).toISOString()}`)).records).toEqual([]);
  const pages: number[] = [];
  for (let next: number | null = 1; next !== null && pages.length < 100; ) {
    const { records, next: more }: RecordsView = await read('root', `?limit=3&cursor=${next}&type=reviewer.read_log`);
    pages.push(...records.map(({ seq }) => seq));
    next = more;
  }
  expect(pages).toEqual(pages.toSorted((a, b) => a - b));
  expect(new Set(pages).size).toBe(pages.length);
  const reads = await house.records('reviewer.read_log');
  expect(reads[0]?.clear).toMatchObject({ by: 'hedy', sealed: true, query: { type: 'request.opened' } });
  expect(reads[1]?.clear).toMatchObject({ by: 'root', sealed: false });
  for (const query of ['?from=yesterday', '?limit=501', '?request=x', '?nonsense=1'])
    expect((await house.call('root', 'audit', '', undefined, query)).why).toBe('bad-request');
});

test('an admin ends a connection, on record', async () => {
  const { who, where } = await house.open('SELECT 1');
  house.sessions.push({ id: 's1', who, where, application_name: 'psql', upstream_user: 'g', since: 1, held: null });
  expect((await house.call('root', 'endSession', 's2')).why).toBe('not-found');
  await house.call('root', 'endSession', 's1');
  expect(house.ended).toEqual(['s1 by root']);
  expect((await house.records('session.ended'))[0]?.clear).toEqual({ session: 's1', who: 'bot', by: 'root' });
});

test('an agent asks before it sends', async () => {
  const bot = reviewClient(house.url, (await agent()).token);
  const sql = "DELETE FROM t WHERE name = 'é' AND id = $1";
  const asked = { upstream: 'app', sql, params: [{ type: 'int4', value: '7' }], reason: 'month end' };
  const opened = await bot.askFirst(asked);
  expect(opened).toMatchObject({
    state: 'open',
    holds: 'ticket',
    who: { id: 'bot' },
    statement: { text: sql },
    parameters: [{ type: 'int4', value: { text: '7' } }],
    reason: { text: 'month end' },
    can_decide: { may: false, own: true },
  });
  expect((await bot.askFirst(asked)).id).toBe(opened.id);
  const why = (change: object) => bot.askFirst({ ...asked, ...change }).catch(({ problem }: Refused) => problem);
  expect(await why({ sql: 'SELECT 1' })).toMatchObject({ status: 409, title: expect.stringMatching(/send it/) });
  expect(await why({ sql: 'COPY t TO STDOUT' })).toMatchObject({ status: 422, detail: expect.stringMatching(/bot/) });
  expect(await why({ upstream: 'other' })).toMatchObject({ status: 404 });
  expect(await why({ reason: '' })).toMatchObject({ status: 400 });
  expect((await house.records('reviewer.refused')).map(({ clear }) => clear.why)).toEqual([
    'needs-none',
    'ask-refused',
    'not-found',
  ]);
});

test('the policy in force with its text', async () => {
  expect((await house.call('hedy', 'policy')).body).toMatchObject({ rules: 0, text: 'rules: []\n' });
});

test('the client has them all', async () => {
  const client = reviewClient(house.url, await house.token('grace'));
  const { id } = await house.open('DELETE FROM t');
  expect((await client.ask(id, 'Why?')).state).toBe('asked');
  const bot = reviewClient(house.url, (await agent()).token);
  expect((await bot.answer(id, 'So.')).said).toHaveLength(2);
  expect((await bot.withdraw(id, 'no')).state).toBe('withdrawn');
  expect(await client.permits()).toMatchObject({ permits: [] });
  expect(await client.sessions()).toMatchObject({ sessions: [] });
  const policy = await client.policy();
  expect(policy.text).not.toBeNull();
  expect(policy.counts).toEqual([
    { rule: 'reads', held: 0, denied: 0, observed: 0 },
    { rule: 'writes', held: 1, denied: 0, observed: 0 },
    { rule: 'former', held: 0, denied: 1, observed: 0 },
  ]);
  await expect(client.audit()).rejects.toMatchObject({ why: 'no-role' });
});
