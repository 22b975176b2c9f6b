// What a policy file asks is what happens, before a real server: approvals of several groups, several denials, escalation, nobody there, and
// what counts in the console alone.
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RequestView, type ReviewClient, reviewClient } from '../../src/review/client.ts';
import { open, outcome } from './clients.ts';
import { decide, startGateway, type TestGateway } from './gateway.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const rule = (table: string, ask: string): string => `
  - id: ${table}
    when: stmt.reads("public.${table}")
    then: hold
    ask: ${ask}`;
const ASKS = {
  each: '{of_each: [dba, owners]}',
  twice: '{of: [dba, owners], denials: 2}',
  late: '{of: [dba], escalate: {after: 1s, to: [leads]}}',
  lonely: '{of: [dba], nobody: deny after 1s}',
  seen: '{of: [dba], channel: console}',
};
const POLICY = `version: 1
default: allow
reviewers: {dba: {groups: [dba]}, owners: {groups: [data-owners]}, leads: {groups: [leads]}}
rules:${Object.entries(ASKS)
  .map(([table, ask]) => rule(table, ask))
  .join('')}
`;

let server: TestServer;
let gateway: TestGateway;
let agent: pg.Client;
let people: Record<'dba' | 'owner' | 'lead', ReviewClient>;
const notices: string[] = [];

beforeAll(async () => {
  server = await startServer(NEWEST);
  const tables = Object.keys(ASKS).map((table) => `CREATE TABLE ${table} AS SELECT 1 AS id`);
  await (await server.admin(tables.join(';'))).end();
  gateway = await startGateway({
    upstream: server.url,
    policy: POLICY,
    reviewers: 3,
    groups: ['dba', 'data-owners', 'leads'],
  });
  const [dba, owner, lead] = await Promise.all(
    [0, 1, 2].map(async (n) => reviewClient(gateway.reviewUrl, await gateway.token(`reviewer-${n}`))),
  );
  people = { dba, owner, lead } as typeof people;
  agent = await open(gateway.agentUrl());
  agent.on('notice', ({ message, detail }) => notices.push(`${message} ${detail}`));
});
afterAll(async () => {
  await agent?.end();
  await gateway?.stop();
  await server?.stop();
});

/** Sends it, and resolves with its request and what becomes of it. */
const held = async (table: string): Promise<{ request: RequestView; result: ReturnType<typeof outcome> }> => {
  const result = outcome(agent.query(`SELECT id FROM ${table}`));
  const request = await gateway.opened();
  expect(request.rule).toBe(table);
  return { request, result };
};
const refused = (by: ReviewClient, request: RequestView, decision: 'approve' | 'deny' = 'approve') =>
  decide(by, request, decision).then(
    () => null,
    ({ why }: { why: string }) => why,
  );
const ran = expect.objectContaining({ rows: [{ id: 1 }] });

test('one of each of two groups', async () => {
  const { request, result } = await held('each');
  await expect.poll(() => notices.join(' ')).toContain('one of dba and one of owners');
  expect(await refused(people.lead, request)).toBe('wrong-group');
  expect((await decide(people.dba, request, 'approve')).state).toBe('open');
  expect((await decide(people.owner, request, 'approve')).state).toBe('approved');
  expect(await result).toEqual(ran);
});

test('as many denials as the rule says', async () => {
  const { request, result } = await held('twice');
  expect((await decide(people.dba, request, 'deny')).state).toBe('open');
  expect((await decide(people.owner, request, 'deny')).state).toBe('denied');
  expect(await result).toMatchObject({ code: '42501' });
});

test('others, when nobody has decided in time', async () => {
  const { request, result } = await held('late');
  expect(await refused(people.lead, request)).toBe('wrong-group');
  await expect.poll(async () => (await gateway.records()).some(({ type }) => type === 'request.escalated')).toBe(true);
  expect((await decide(people.lead, request, 'approve')).state).toBe('approved');
  expect(await result).toEqual(ran);
});

test('denied by the clock where nobody who may decide is there', async () => {
  // grace is connected, and may not decide it.
  const { request, result } = await held('lonely');
  expect(await result).toMatchObject({ code: '42501' });
  const denied = await gateway.grace.get(request.id);
  expect([denied.state, denied.decisions.map(({ by }) => by)]).toEqual(['denied', ['holdpoint']]);
});

test('approved in the console alone, denied anywhere', async () => {
  const { request, result } = await held('seen');
  expect(await refused(people.dba, request)).toBe('wrong-channel');
  expect((await decide(people.dba, request, 'deny')).state).toBe('denied');
  expect(await result).toMatchObject({ code: '42501' });
});
