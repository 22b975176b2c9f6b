// Every call of the API by every kind of caller: what it answers, cell by cell. Refused writes are on record.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OPERATION_NAMES, type OperationName, operationsTable } from '../../../src/review/operations.ts';
import { type House, startHouse } from './house.ts';

let house: House;
beforeAll(async () => {
  house = await startHouse();
  // Before the sign-ins that are to fail.
  for (const user of ['tomasz', 'ida', 'grace', 'hedy', 'root'])
    for (const further of ['', 'further']) await house.token(user, further);
});
afterAll(() => house.stop());

const CALLERS = ['nobody', 'token', 'sponsor', 'ida', 'grace', 'hedy', 'root'] as const;
type Caller = (typeof CALLERS)[number];

/** `token`: of etl, which tomasz answers for. All others are people: its sponsor, one without a role, a reviewer, an auditor, an admin. */
const asOf = async (caller: Caller, further: string): Promise<string | null> => {
  if (caller === 'nobody') return null;
  if (caller !== 'token') return house.token(caller === 'sponsor' ? 'tomasz' : caller, further);
  const { body } = await house.call('tomasz', 'tokens', '', { for: 'etl', ttl: '5m' });
  return (body as { token: string }).token;
};

const ALIKE = (answer: string) => CALLERS.map(() => answer);
/** In the order of CALLERS. 'ok' of what has none to act on: another refusal than for want of rights. */
const CELLS: Readonly<Record<OperationName, readonly string[]>> = {
  // Five tries in a minute.
  login: CALLERS.map((_, n) => (n < 5 ? 'sign-in-refused' : 'too-many')),
  link: CALLERS.map((_, n) => (n < 5 ? 'link-refused' : 'too-many')),
  door: ALIKE('ok'),
  health: ALIKE('ok'),
  openapi: ALIKE('ok'),
  tokens: ['not-signed-in', 'not-for-agents', 'ok', 'not-your-agent', 'not-your-agent', 'not-your-agent', 'ok'],
  databaseTokens: ['not-signed-in', 'not-for-agents', 'ok', 'ok', 'ok', 'ok', 'ok'],
  revokeTokens: ['not-signed-in', 'not-for-agents', 'ok', 'not-your-agent', 'not-your-agent', 'not-your-agent', 'ok'],
  revokeToken: ['not-signed-in', 'not-for-agents', ...CALLERS.slice(2).map(() => 'not-found')],
  rotateTokenKey: ['not-signed-in', 'not-for-agents', 'no-role', 'no-role', 'no-role', 'no-role', 'ok'],
  me: ['not-signed-in', 'not-for-agents', 'ok', 'ok', 'ok', 'ok', 'ok'],
  requests: ['not-signed-in', 'ok', 'ok', 'no-role', 'ok', 'ok', 'ok'],
  request: ['not-signed-in', 'ok', 'ok', 'no-role', 'ok', 'ok', 'ok'],
  receipt: ['not-signed-in', 'ok', 'ok', 'no-role', 'ok', 'ok', 'ok'],
  askFirst: ['not-signed-in', ...CALLERS.slice(1).map(() => 'needs-none')],
  decide: [
    'not-signed-in',
    'not-a-person',
    'not-a-reviewer',
    'not-a-reviewer',
    'ok',
    'not-a-reviewer',
    'not-a-reviewer',
  ],
  ask: ['not-signed-in', 'not-a-person', 'not-a-reviewer', 'not-a-reviewer', 'ok', 'not-a-reviewer', 'not-a-reviewer'],
  answer: ['not-signed-in', 'ok', 'ok', 'not-yours', 'not-yours', 'not-yours', 'not-yours'],
  withdraw: ['not-signed-in', 'ok', 'ok', 'not-yours', 'not-yours', 'not-yours', 'not-yours'],
  review: [
    'not-signed-in',
    'not-a-person',
    'not-a-reviewer',
    'not-a-reviewer',
    'already-decided',
    'not-a-reviewer',
    'not-a-reviewer',
  ],
  permits: ['not-signed-in', 'not-for-agents', 'no-role', 'no-role', 'ok', 'ok', 'ok'],
  revoke: ['not-signed-in', 'not-for-agents', ...CALLERS.slice(2).map(() => 'not-found')],
  sessions: ['not-signed-in', 'not-for-agents', 'no-role', 'no-role', 'ok', 'ok', 'ok'],
  endSession: ['not-signed-in', 'not-for-agents', 'no-role', 'no-role', 'no-role', 'no-role', 'ok'],
  audit: ['not-signed-in', 'not-for-agents', 'no-role', 'no-role', 'no-role', 'ok', 'ok'],
  policy: ['not-signed-in', 'not-for-agents', 'no-role', 'no-role', 'ok', 'ok', 'ok'],
  keys: ['not-signed-in', 'not-for-agents', 'ok', 'ok', 'ok', 'ok', 'ok'],
  keyOptions: ['not-signed-in', 'not-for-agents', 'ok', 'ok', 'ok', 'ok', 'ok'],
  addKey: ['not-signed-in', 'not-for-agents', ...CALLERS.slice(2).map(() => 'key-refused')],
  removeKey: ['not-signed-in', 'not-for-agents', ...CALLERS.slice(2).map(() => 'not-found')],
  links: ['not-signed-in', 'not-for-agents', 'ok', 'ok', 'ok', 'ok', 'ok'],
  logout: ['not-signed-in', 'not-for-agents', 'ok', 'ok', 'ok', 'ok', 'ok'],
  logoutAll: ['not-signed-in', 'not-for-agents', 'ok', 'ok', 'ok', 'ok', 'ok'],
};

const BODIES: Readonly<Partial<Record<OperationName, (request: { digest_tag: string }) => object>>> = {
  login: () => ({ user: 'grace', password: 'no' }),
  link: () => ({}),
  tokens: () => ({ for: 'etl', ttl: 60_000 }),
  revokeTokens: () => ({ for: 'etl', reason: 'lost' }),
  revokeToken: () => ({ reason: 'lost' }),
  rotateTokenKey: () => ({}),
  askFirst: () => ({ upstream: 'app', sql: 'SELECT 1', reason: 'month end' }),
  decide: ({ digest_tag: digest }) => ({ decision: 'approve', digest, revision: 1, rationale: 'seen' }),
  ask: () => ({ text: 'Who needs it?' }),
  answer: () => ({ text: 'Finance.' }),
  withdraw: () => ({ reason: 'not needed' }),
  review: () => ({ rationale: 'fine' }),
  addKey: () => ({
    name: 'Blue key',
    answer: {
      id: 'AAAA',
      rawId: 'AAAA',
      type: 'public-key',
      response: { clientDataJSON: 'e30', attestationObject: 'AAAA' },
      clientExtensionResults: {},
    },
  }),
  revoke: () => ({ reason: 'enough' }),
};

/** Those without a body. */
const WRITES: readonly OperationName[] = ['endSession', 'logout', 'logoutAll', 'links', 'keyOptions', 'removeKey'];

const ETL = {
  id: 'etl',
  kind: 'agent',
  groups: [],
  sponsor: 'tomasz',
  authentication: 'scram-sha-256',
  address: '10.0.0.8',
} as const;

/** Whoever signed out stays out. */
const LAST: readonly OperationName[] = ['logout', 'logoutAll'];
const ORDER = OPERATION_NAMES.toSorted((a, b) => LAST.indexOf(a) - LAST.indexOf(b));

describe.each(ORDER)('%s', (name) => {
  test.each(CALLERS)('by %s', async (caller) => {
    const who = await asOf(caller, name === 'logout' ? 'further' : '');
    const request = await house.open(`DELETE FROM ${name}_${caller}`, { who: ETL });
    house.sessions.splice(0, Infinity, {
      id: request.id,
      who: ETL,
      where: request.where,
      application_name: '',
      upstream_user: 'gateway',
      since: 1,
      held: null,
    });
    const before = (await house.records()).length;
    const body = BODIES[name]?.(request);
    const answer = await house.call(who, name, name === 'link' ? 'unknown-link' : request.id, body);
    expect(answer.why || 'ok').toBe(CELLS[name][CALLERS.indexOf(caller)]);
    expect(JSON.stringify(answer.body).includes('DELETE FROM')).toBe(reads(name, caller, answer.status));
    const since = (await house.records()).slice(before).map(({ type }) => type);
    const refused = since.filter((type) => type === 'request.refused' || type === 'reviewer.refused');
    const writes = body !== undefined || WRITES.includes(name);
    const barred = answer.status >= 400 && !['login', 'link'].includes(name) && caller !== 'nobody';
    expect(refused).toHaveLength(writes && barred ? 1 : 0);
  });
});

/** The request's text is in the answer to whoever may read it; in a receipt it is sealed, and its shape in clear. */
function reads(name: OperationName, caller: Caller, status: number): boolean {
  const reader = !['nobody', 'ida'].includes(caller);
  if (['requests', 'request', 'receipt', 'audit'].includes(name)) return status === 200;
  return ['decide', 'ask', 'answer', 'withdraw', 'review'].includes(name) && reader;
}

test('the printed table is up to date', async () => {
  await expect(operationsTable()).toMatchFileSnapshot('../../../docs/generated/api.md');
});
