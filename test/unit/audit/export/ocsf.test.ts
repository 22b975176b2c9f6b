// Every type of record becomes events that OCSF's schema allows, whatever of it is known; nothing sealed is in them unless asked for.
import { describe, expect, it } from 'vitest';
import { Known, type Clear, type Told } from '../../../../src/audit/export/known.ts';
import { MAPPINGS, OCSF_VERSION, toOcsf } from '../../../../src/audit/export/ocsf.ts';
import { wordsOf } from '../../../../src/audit/export/words.ts';
import { RECORD_TYPES, type RecordType } from '../../../../src/audit/record-types.ts';
import { CLASSES, problemsOf, SCHEMA_VERSION } from './ocsf-schema.ts';

const at = 1_795_000_000_000;
const WHO = {
  id: 'report-bot',
  kind: 'agent',
  groups: ['agents'],
  sponsor: 'ada',
  authentication: 'scram-sha-256',
  address: '10.1.2.3',
};
const WHERE = { engine: 'postgres', upstream: 'app', database: 'shop', tags: { env: 'prod' } };
const FINDINGS = [
  { action: 'code', object: 'pg_catalog.lower', why: 'a function', statement: 0, start: 0, end: 1 },
  { action: 'export', object: 'public.customers', why: 'copies it out', statement: 0, start: 5, end: 14 },
];
const HELD = {
  who: WHO,
  where: WHERE,
  session: 's-1',
  shape: 'COPY customers TO STDOUT',
  findings: FINDINGS,
  rule: 'exports',
};
const OUTCOME = { tag: 'COPY 5', sqlstate: null, rows: 5, bytes: 410, duration_ms: 3 };
const id = 'HP-7KQ4M2XA';
const ofStatement = {
  session: 's-1',
  who: WHO,
  where: WHERE,
  shape: 'DELETE FROM customers',
  rule: 'no-deletes',
  findings: FINDINGS,
  policy: 'ab',
};

/** As the gateway writes them. */
const SAMPLES: Readonly<Record<RecordType, Clear>> = {
  'log.opened': { format: 1, pid: 1, records: 0, tag_key: 'b701daa7' },
  'log.recovered': { cause: 'the disk refused', entries_lost: 1 },
  'log.overridden': { problem: 'a problem', problems: 1, accepted: 'ab' },
  'log.clock_jumped': {
    by_ms: -7200000,
    before: '2025-11-22T16:36:38.115Z',
    after: '2025-11-22T14:36:38.115Z',
    at_start: false,
  },
  'log.key_rotated': { from: 'a', to: 'b' },
  'log.key_deleted': { period: '2025-10' },
  'log.segments_removed': {
    segments: { from: '00000001', to: '00000002' },
    records: { from: 1, to: 90 },
    why: 'age',
    keys: [],
  },
  'config.loaded': {},
  'policy.loaded': { path: 'policy.yaml', hash: 'bf58718e6a80', rules: 3, mode: 'enforce' },
  'policy.refused': { path: 'policy.yaml', problems: [{ line: 1, message: 'no' }] },
  'session.opened': { session: 's-1', who: WHO, where: WHERE, application_name: 'psql', upstream_user: 'gw' },
  'session.closed': { session: 's-1', who: 'report-bot', why: 'client left' },
  'session.refused': {
    user: 'report-bot',
    address: '10.1.2.3',
    sqlstate: '28P01',
    why: 'wrong password',
    listener: 'app',
  },
  statements: { session: 's-1', who: 'report-bot', where: 'app', database: 'shop' },
  'statement.forwarded': { session: 's-1', who: 'report-bot', shape: 'SELECT * FROM orders' },
  'statement.observed': { ...ofStatement, observed: [{ rule: 'no-deletes', verdict: 'deny' }] },
  'statement.cut': { ...ofStatement, rows: 10, bytes: 99, id: null, outcome: 'ZH004' },
  'statement.denied': ofStatement,
  'statement.refused': { session: 's-1', who: WHO, where: WHERE, sqlstate: '42601', rule: 'unparsed' },
  'request.opened': { at, request: { id, ...HELD } },
  'request.held': { at, id, session: 's-1', wait_until: at },
  'request.ticket': { at, id, session: 's-1', why: 'disconnected' },
  'request.impact': { at, id, impact: { amount: '500 rows', facts: [], notes: [] } },
  'request.asked': { at, id, said: { kind: 'question', by: 'grace', channel: 'console', at } },
  'request.answered': { at, id, said: { kind: 'answer', by: 'ada', channel: 'api', at }, wait_until: null },
  'request.escalated': { at, id },
  'request.changed': { at, id, why: 'the search_path is another', held: { ...HELD }, digest_tag: 'ab', before: null },
  'request.broke_glass': { at, id },
  'request.reviewed': { at, id, by: 'grace' },
  'request.decided': {
    at,
    id,
    ends: true,
    void: [],
    decision: { decision: 'approve', by: 'grace', channel: 'console', at },
  },
  'request.refused': { request: id, what: 'decide', by: 'ada', why: 'own' },
  'request.withdrawn': { at, id, by: 'ada' },
  'request.expired': { at, id },
  'request.released': { at, id, session: 's-1' },
  'request.executed': { at, id, outcome: OUTCOME },
  'request.failed': { at, id, outcome: { ...OUTCOME, tag: null, sqlstate: '23505' } },
  'request.returned': { at, id, session: 's-1' },
  'request.outcome_unknown': { at, id, why: 'the gateway ended' },
  'request.lapsed': { at, id, why: 'not used in time' },
  'permit.granted': { at, permit: { id: 'PM-7KQ4M2XA', request: id, uses: 5, by: ['grace'], ...HELD } },
  'permit.used': { at, id: 'PM-7KQ4M2XA', use: 1, session: 's-1' },
  'permit.use_ended': { at, id: 'PM-7KQ4M2XA', use: 1, outcome: OUTCOME },
  'permit.revoked': { at, id: 'PM-7KQ4M2XA', by: 'grace' },
  'webhook.dead': { webhook: 'pager', id: 'm1', cursor: 3, event: 'request.opened', why: 'it answers 500' },
  'webhook.gone': { webhook: 'pager', cursor: 3 },
  'ship.blocked': { destination: 'siem', since: '2025-11-22T16:36:38.115Z' },
  'ship.resumed': {},
  'reviewer.signed_in': { user: 'grace', how: 'password', by: ['local', 'totp'], address: '10.9.9.9' },
  'reviewer.sign_in_refused': { user: null, how: 'password', why: 'wrong', address: '10.9.9.9' },
  'reviewer.signed_out': { user: 'grace', everywhere: false, sessions: 1, address: '::1' },
  'reviewer.link_issued': { by: 'grace' },
  'reviewer.key_added': { by: 'grace', key: 'k1' },
  'reviewer.key_removed': { by: 'operator', user: 'grace', key: 'k1' },
  'reviewer.codes_removed': { by: 'operator', user: 'grace' },
  'reviewer.read_text': { by: 'edith', requests: [id, 'HP-2222AAAA'] },
  'reviewer.read_log': { by: 'edith', query: {}, sealed: true },
  'reviewer.token_issued': { by: 'ada', for: 'report-bot', ttl_ms: 900_000, token: 'T-1' },
  'reviewer.token_revoked': { by: 'ada', for: 'report-bot', token: 'T-1' },
  'reviewer.token_key': { by: 'root', drop: true },
  'reviewer.refused': { what: 'revoke', permit: 'PM-7KQ4M2XA', by: 'ada', why: 'not-yours' },
  'session.ended': { session: 's-1', who: 'report-bot', by: 'root' },
};

const TYPES = Object.keys(RECORD_TYPES) as RecordType[];
const ENTRIES = [
  {
    time: at + 1,
    shape: 'SELECT * FROM customers WHERE id = $1',
    rule: 'reads',
    outcome: 'SELECT 1',
    rows: 1,
    bytes: 90,
    duration_us: 400,
  },
  {
    time: at + 2,
    shape: 'insert into orders values ($1)',
    rule: '',
    outcome: 'OK',
    rows: 0,
    bytes: 0,
    duration_us: 80,
  },
  { time: at + 3, shape: 'BEGIN', rule: 'default', outcome: 'BEGIN', rows: 0, bytes: 0, duration_us: 10 },
  { time: at + 4, shape: 'SELECT nope', rule: 'default', outcome: '42703', rows: 0, bytes: 0, duration_us: 10 },
];
const SECRET = 'unmistakable-sealed-sentinel';

function recordOf(type: RecordType, clear: Clear, sealed?: Told['sealed']): Told {
  const entries = type === 'statements' ? ENTRIES : [];
  return { seq: 17, time: '2026-11-24T02:00:00.123Z', node: 'gw-1', type, clear, entries, ...(sealed && { sealed }) };
}

function knowing(...types: readonly RecordType[]): Known {
  const known = new Known();
  for (const type of types) known.see({ type, clear: SAMPLES[type] });
  return known;
}
const ALL_KNOWN = knowing('session.opened', 'request.opened', 'permit.granted');
const options = { version: '1.0.0' };

it('the tables are those of one version of the schema', () => {
  expect(OCSF_VERSION).toBe(SCHEMA_VERSION);
  expect(Object.keys(MAPPINGS)).toEqual(TYPES);
});

describe.each(TYPES)('%s', (type) => {
  it.each([
    ['with all that is known', SAMPLES[type], ALL_KNOWN],
    ['with nothing known', SAMPLES[type], new Known()],
    ['with nothing in it', {}, new Known()],
    [
      'with something else in it',
      { id: 3, who: null, where: [], by: {}, decision: 'x', outcome: [], session: {} },
      ALL_KNOWN,
    ],
  ])('is an event by the schema, %s', (_, clear, known) => {
    const events = toOcsf(recordOf(type, clear), known, options);
    expect(events).toHaveLength(type === 'statements' ? ENTRIES.length : 1);
    expect(events.flatMap(problemsOf)).toEqual([]);
  });

  it('has what was sealed only where it is asked for', () => {
    const record = recordOf(type, SAMPLES[type], { sql: `SELECT '${SECRET}'`, reason: SECRET });
    const plain = JSON.stringify(toOcsf(record, ALL_KNOWN, options));
    expect(plain).not.toContain(SECRET);
    expect(wordsOf(record, ALL_KNOWN.of(record))).not.toContain(SECRET);
    const asked = toOcsf(record, ALL_KNOWN, { ...options, texts: true });
    expect(asked.flatMap(problemsOf)).toEqual([]);
    if (type !== 'statements') expect(JSON.stringify(asked)).toContain(SECRET);
  });
});

describe('the checker itself', () => {
  const [event = {}] = toOcsf(recordOf('statement.denied', SAMPLES['statement.denied']), ALL_KNOWN, options);

  it.each([
    ['an unknown attribute', { ...event, statement: 'x' }, 'event has statement, which the schema does not know there'],
    ['a missing one', { ...event, actor: undefined }, 'event lacks actor'],
    ['another number', { ...event, severity_id: 9 }, 'event.severity_id is 9, which the enumeration has not'],
    ['another type', { ...event, type_uid: 1 }, 'type_uid is not class_uid * 100 + activity_id'],
    [
      'an object with nothing of what it needs',
      { ...event, database: { type_id: 1 } },
      'event.database has none of name, uid',
    ],
  ])('finds %s', (_, wrong, problem) => {
    expect(problemsOf(wrong)).toContain(problem);
  });

  it('knows the three classes and the base event', () => {
    expect(Object.keys(CLASSES)).toEqual(['0', '3002', '6003', '6005']);
  });
});

describe('what events say', () => {
  const one = (type: RecordType, known = ALL_KNOWN) => toOcsf(recordOf(type, SAMPLES[type]), known, options)[0] ?? {};

  it('an allowed statement: who, from where, on what, what it was and what became of it', () => {
    const events = toOcsf(recordOf('statements', SAMPLES.statements), ALL_KNOWN, options);
    expect(events[0]).toMatchObject({
      class_uid: 6005,
      activity_id: 4,
      type_uid: 600504,
      time: at + 1,
      status_id: 1,
      status_code: 'SELECT 1',
      actor: { user: { name: 'report-bot', type: 'Agent' }, session: { uid: 's-1' } },
      src_endpoint: { ip: '10.1.2.3' },
      database: { name: 'shop' },
      dst_endpoint: { name: 'app' },
      query_info: { query_string: 'SELECT * FROM customers WHERE id = $1', bytes: 90 },
      firewall_rule: { name: 'reads' },
      unmapped: { rows: 1, duration_us: 400 },
    });
    expect(events.map(({ activity_name, status_id }) => [activity_name, status_id])).toEqual([
      ['Query', 1],
      ['Write', 1],
      ['begin', 1],
      ['Query', 2],
    ]);
    const uids = events.map(({ metadata }) => (metadata as Clear)['uid']);
    expect(new Set(uids).size).toBe(events.length);
  });

  it('a request by what opened it, whatever the record itself says', () => {
    expect(one('request.executed')).toMatchObject({
      actor: { user: { name: 'report-bot' } },
      database: { name: 'shop' },
      table: { name: 'public.customers' },
      query_info: { query_string: 'COPY customers TO STDOUT', uid: id, bytes: 410 },
      status_id: 1,
      status_code: 'COPY 5',
      disposition: 'Approved',
      metadata: { correlation_uid: id },
    });
    expect(one('request.failed')).toMatchObject({ status_id: 2, status_code: '23505' });
  });

  it('a decision: an act of a person by the API, on a request', () => {
    expect(one('request.decided')).toMatchObject({
      class_uid: 6003,
      activity_id: 3,
      actor: { user: { name: 'grace', type: 'User' } },
      api: { operation: 'request.decided' },
      src_endpoint: { name: 'console' },
      resources: [{ uid: id, type: 'request' }],
    });
    expect(one('request.refused')).toMatchObject({ status_id: 2, status_code: 'own', resources: [{ uid: id }] });
  });

  it('who came and went, and who was not let in', () => {
    expect(one('session.opened')).toMatchObject({
      class_uid: 3002,
      activity_id: 1,
      status_id: 1,
      user: { name: 'report-bot' },
    });
    expect(one('session.closed')).toMatchObject({
      activity_id: 2,
      user: { name: 'report-bot' },
      session: { uid: 's-1' },
    });
    expect(one('session.refused')).toMatchObject({
      status_id: 2,
      status_code: '28P01',
      src_endpoint: { ip: '10.1.2.3' },
    });
    expect(one('reviewer.signed_in')).toMatchObject({ is_mfa: true, user: { name: 'grace' } });
    expect(one('reviewer.sign_in_refused')).toMatchObject({ status_id: 2, user: { name: 'unknown' } });
  });

  it('a record of a type that nobody knows yet is kept as it is', () => {
    const record = { ...recordOf('config.loaded', { a: 1 }), type: 'moon.landed' };
    const [event = {}] = toOcsf(record, new Known(), options);
    expect(problemsOf(event)).toEqual([]);
    expect(event).toMatchObject({ class_uid: 0, activity_name: 'moon.landed', unmapped: { a: 1 } });
  });
});

describe('what is known', () => {
  it('forgets the oldest, and says what it lacks', () => {
    const known = new Known();
    const opened = (n: number): Pick<Told, 'type' | 'clear'> => ({
      type: 'session.opened',
      clear: { session: `s-${n}`, who: WHO, where: WHERE },
    });
    for (let n = 0; n <= 20_000; n++) known.see(opened(n));
    const closed = (n: number) => ({ type: 'session.closed', clear: { session: `s-${n}`, who: 'report-bot' } });
    expect(known.missing(closed(0))).toEqual([{ kind: 'session', id: 's-0' }]);
    expect(known.missing(closed(1))).toEqual([]);
    expect(known.of(closed(20_000)).where).toEqual(WHERE);
  });
});
