// Every call of the API whose answer may show a statement's text: whoever does not decide is on record before it is shown, and nobody else is
// shown it. The list of calls is made from what the API says of itself, so that a new one can not be left out.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { OPERATIONS, type OperationName } from '../../../src/review/operations.ts';
import { type Harness, start } from './harness.ts';

let h: Harness;
beforeEach(async () => {
  h = await start();
});
afterEach(() => h.server.close());

const ID = 'HP-9C2D';

/** Does an answer of this shape have a statement with its text in it? */
function showsText(schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null) return false;
  const { properties } = schema as { readonly properties?: { readonly statement?: { readonly properties?: object } } };
  if (properties?.statement?.properties && 'text' in properties.statement.properties) return true;
  return Object.values(schema).some(showsText);
}

const showing = (Object.keys(OPERATIONS) as OperationName[]).filter((name) => {
  const { answer } = OPERATIONS[name];
  return answer !== null && showsText(z.toJSONSchema(answer, { io: 'output', unrepresentable: 'any' }));
});

type Send = (headers: Record<string, string>) => Promise<Response>;
const get =
  (path: string): Send =>
  (headers) =>
    fetch(`${h.url}${path}`, { headers });
const post =
  (path: string, body: object): Send =>
  (headers) =>
    h.post(path, body, headers);
const of = (what: string): string => `/api/requests/${ID}/${what}`;

/** How each of them is called for a request of somebody else. 'own': it shows what its caller has just sent, and nothing else. */
const CALLS: Readonly<Record<string, Send | 'own'>> = {
  requests: get('/api/requests?state=all'),
  request: get(`/api/requests/${ID}`),
  askFirst: 'own',
  decide: post(of('decisions'), { decision: 'deny', digest: 'x', revision: 1, rationale: 'no' }),
  ask: post(of('questions'), { text: 'why?' }),
  answer: post(of('answers'), { text: 'because' }),
  withdraw: post(of('withdraw'), { reason: 'mine' }),
  review: post(of('review'), { rationale: 'seen' }),
  permits: get('/api/permits'),
  revoke: (headers) =>
    fetch(`${h.url}/api/permits/PM-00000000`, {
      method: 'DELETE',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'over' }),
    }),
};

test('the calls that may show a text are these', () => {
  expect(showing.toSorted()).toEqual(Object.keys(CALLS).toSorted());
});

const reads = () => h.desk.records.filter(({ type }) => type === 'reviewer.read_text').map(({ clear }) => clear);
const hasText = (body: string): boolean => /"statement":\{"text":"[^"]/.test(body);

test.each(Object.entries(CALLS).filter(([, send]) => send !== 'own'))(
  '%s shows an auditor no text that is not on record before',
  async (_, send) => {
    const hedy = await h.enter('hedy');
    h.desk.breakLog(true);
    const unrecorded = await (await (send as Send)(hedy.headers)).text();
    expect(hasText(unrecorded)).toBe(false);
    h.desk.breakLog(false);
    const recorded = await (await (send as Send)(hedy.headers)).text();
    if (hasText(recorded)) expect(reads()).toContainEqual(expect.objectContaining({ by: 'hedy' }));
  },
);

test.each(Object.entries(CALLS).filter(([, send]) => send !== 'own'))(
  '%s shows no text to who has no role, and no agent that asked',
  async (_, send) => {
    const ida = await h.enter('ida');
    expect(hasText(await (await (send as Send)(ida.headers)).text())).toBe(false);
  },
);

test('an auditor is shown it, and a refusal with the request in it is a reading, too', async () => {
  const hedy = await h.enter('hedy');
  expect(hasText(await (await (CALLS['withdraw'] as Send)(hedy.headers)).text())).toBe(true);
  expect(reads()).toEqual([{ by: 'hedy', requests: [ID] }]);
  expect(hasText(await (await (CALLS['request'] as Send)(hedy.headers)).text())).toBe(true);
  expect(reads()).toHaveLength(1);
});
