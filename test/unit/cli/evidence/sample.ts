// A log as a gateway writes it, with one of everything that evidence tells of, and texts of agents that mean no good. Its clock is given,
// so that periods can be cut exactly. Records have the shape of gate/journal.ts, gate/record.ts and review/.
import { type Checkpoints, openCheckpoints } from '../../../../src/audit/checkpoint.ts';
import { openAuditLog } from '../../../../src/audit/log.ts';
import type { AuditLog } from '../../../../src/audit/types.ts';

/** Markup, a terminal's escape, and letters turned around. */
export const HOSTILE = `SELECT '<script>alert(1)</script>' /* \u202etxet nedd\u0456h\u202c */ \u001b[31mred\u001b[0m "a&b"`;
export const HOSTILE_NAME = 'public.<img src=x onerror=alert(2)>\u202egro';
export const POLICY = '5e'.repeat(32);
const OBSERVED_POLICY = '0b'.repeat(32);

export const who = (id: string, more: object = {}) => ({
  id,
  kind: 'agent',
  groups: ['agents'],
  sponsor: 'ada',
  authentication: 'scram-sha-256',
  address: '10.0.0.7',
  ...more,
});
const where = { engine: 'postgres', upstream: 'app', database: 'shop', tags: { env: 'prod' } };
const finding = (object: string) => ({ action: 'export', object, why: 'COPY leaves', statement: 0, start: 0, end: 4 });

export const held = (id: string, at: number, more: object = {}) => ({
  id,
  opened: at,
  deadline: at + 900_000,
  state: 'open',
  revision: 1,
  who: who('bot'),
  where,
  role: 'app_owner',
  application_name: 'psql',
  shape: 'COPY public.customers TO STDOUT',
  findings: [finding('public.customers')],
  rule: 'exports',
  policy: POLICY,
  ask: { of: ['dba'], each: false, count: 1 },
  ...more,
});

export class Writer {
  readonly log: AuditLog;
  #now: number;

  constructor(log: AuditLog, clock: { now(): number }, set: (ms: number) => void) {
    this.log = log;
    this.#now = clock.now();
    this.#set = set;
  }
  readonly #set: (ms: number) => void;

  /** Records from here on are of this time. */
  at(time: string): number {
    this.#now = Date.parse(time);
    this.#set(this.#now);
    return this.#now;
  }

  /** A second later. */
  later(ms = 1000): number {
    this.#now += ms;
    this.#set(this.#now);
    return this.#now;
  }

  async put(type: string, clear: object, sealed?: object): Promise<number> {
    return this.log.append({
      type,
      clear: clear as Record<string, unknown>,
      ...(sealed && { sealed: sealed as Record<string, unknown> }),
    });
  }

  async open(id: string, more: object = {}, sql = 'COPY customers TO STDOUT'): Promise<void> {
    const sealed = {
      sql: Buffer.from(sql).toString('latin1'),
      parameters: [],
      earlier: [],
      reason: 'weekly <b>report</b>',
      digest: 'd',
    };
    await this.put('request.opened', { at: this.#now, request: held(id, this.#now, more) }, { request: sealed });
  }

  async decide(id: string, by: string, decision: 'approve' | 'deny', more: object = {}): Promise<void> {
    const signed_in = { at: this.#now - 60_000, by: ['local', 'totp'], acr: null };
    const said = {
      decision,
      by,
      accounts: [by],
      group: 'dba',
      instead_of: null,
      counts: true,
      channel: 'console',
      at: this.#now,
      permit: null,
      signed_in,
    };
    await this.put(
      'request.decided',
      { at: this.#now, id, ends: true, void: [], decision: { ...said, ...more } },
      { rationale: `fine by ${by} <i>` },
    );
  }

  async run(id: string): Promise<void> {
    await this.put('request.released', { at: this.later(100), id, session: 's1' });
    await this.put('request.executed', {
      at: this.later(100),
      id,
      outcome: { tag: 'COPY 20', sqlstate: null, rows: 20, bytes: 400, duration_ms: 7 },
    });
  }
}

export interface Sample {
  readonly dir: string;
  readonly key: string;
}

export async function writeLog(
  dir: string,
  write: (to: Writer) => Promise<void>,
  start = '2026-01-10T08:00:00.000Z',
): Promise<Sample> {
  let now = Date.parse(start);
  const begun = now;
  let mono = 0;
  const clock = { now: () => now, mono: () => (mono = Math.max(mono, (now - begun) * 1000)) };
  let checkpoints: Checkpoints | null = null;
  const log = await openAuditLog({
    dir,
    node: 'n1',
    clock,
    checkpoints: async () => (checkpoints = await openCheckpoints({ dir, node: 'n1', every_ms: 3_600_000 })),
  });
  await write(new Writer(log, clock, (ms) => (now = ms)));
  await log.close();
  return { dir, key: (checkpoints as unknown as Checkpoints).signer.verifier_key };
}

/** In the first quarter of 2026, but for what says otherwise. */
export async function everything(to: Writer): Promise<void> {
  to.at('2025-12-31T23:50:00.000Z');
  await to.put('policy.loaded', { path: 'policy.yaml', hash: POLICY, rules: 12, mode: 'enforce' });
  await to.open('HP-EARLY111');
  await to.open('HP-BEFORE11');
  await to.decide('HP-BEFORE11', 'grace', 'deny');
  to.at('2026-01-01T00:05:00.000Z');
  await to.decide('HP-EARLY111', 'grace', 'approve');
  await to.run('HP-EARLY111');
  to.at('2026-01-15T10:00:00.000Z');
  await to.put('reviewer.sign_in_refused', { user: 'grace', how: 'password', why: 'wrong', address: '10.0.0.9' });
  await to.put('reviewer.signed_in', {
    user: 'grace',
    how: 'password',
    by: ['local', 'totp'],
    auth_time: 1,
    address: '10.0.0.9',
  });
  await to.put('session.opened', { session: 's1', who: who('bot'), where, application_name: 'psql' });
  await to.put('session.refused', {
    user: 'mallory<u>',
    address: '10.6.6.6',
    sqlstate: '28P01',
    why: 'password',
    listener: 'app',
  });
  const session = to.log.session({ session: 's1', who: 'bot', where: 'app', database: 'shop' });
  for (let n = 0; n < 5; n++)
    session.allowed(Date.parse('2026-01-15T10:00:01.000Z'), 'SELECT ?', 'reads', 'SELECT 1', 3, 30, 90);
  await session.flush();
  await to.put(
    'statement.denied',
    {
      session: 's1',
      who: who('bot'),
      where,
      shape: 'DROP TABLE x',
      rule: 'no-drop',
      findings: [finding(HOSTILE_NAME)],
      policy: POLICY,
    },
    { sql: 'DROP TABLE x' },
  );
  await to.put(
    'statement.refused',
    { session: 's1', who: who('bot'), where, sqlstate: '42601', rule: 'unparsed' },
    { sql: HOSTILE, message: 'no' },
  );
  // Two approvals, the first of them void and given again; refused attempts by the sponsor.
  const two = {
    ask: { of: ['dba'], each: false, count: 2 },
    shape: 'COPY t TO ? -- <script>alert(3)</script>\u202e',
    findings: [finding(HOSTILE_NAME)],
  };
  await to.open('HP-HOSTILE1', two, Buffer.from(HOSTILE).toString());
  to.later();
  await to.put('request.refused', {
    what: 'decide',
    request: 'HP-HOSTILE1',
    channel: 'console',
    decision: 'approve',
    by: 'ada',
    why: 'own',
  });
  await to.put('request.refused', {
    what: 'decide',
    request: 'HP-NEVERWAS',
    channel: 'api',
    decision: 'approve',
    by: 'ada',
    why: 'not-found',
  });
  await to.put(
    'request.asked',
    { at: to.later(), id: 'HP-HOSTILE1', said: { kind: 'question', by: 'grace', channel: 'console', at: 1 } },
    { text: 'why' },
  );
  await to.put(
    'request.answered',
    { at: to.later(), id: 'HP-HOSTILE1', said: { kind: 'answer', by: 'bot', channel: 'api', at: 1 }, wait_until: null },
    { text: 'so' },
  );
  await to.put(
    'request.decided',
    {
      at: to.later(),
      id: 'HP-HOSTILE1',
      ends: false,
      void: [],
      decision: {
        decision: 'approve',
        by: 'grace',
        accounts: ['grace'],
        group: 'dba',
        channel: 'console',
        at: to.later(),
        permit: null,
        counts: true,
      },
    },
    { rationale: 'one' },
  );
  to.later(60_000);
  await to.decide('HP-HOSTILE1', 'tomasz', 'approve');
  await to.run('HP-HOSTILE1');
  await to.open('HP-DENIED11');
  to.later(5000);
  await to.decide('HP-DENIED11', 'grace', 'deny');
  // As no gateway would write it: a decider on the requester's side, spelt in another case.
  await to.open('HP-OWNSIDE1');
  to.later();
  await to.decide('HP-OWNSIDE1', 'Grace', 'approve', { accounts: ['Grace', 'ADA'] });
  // Break-glass, reviewed and not.
  for (const id of ['HP-GLASS111', 'HP-GLASS222']) {
    await to.open(id, { who: who('petra', { kind: 'human', sponsor: null }) });
    await to.put('request.broke_glass', { at: to.later(), id }, { reason: 'fire' });
    await to.run(id);
  }
  await to.put('request.reviewed', { at: to.later(), id: 'HP-GLASS111', by: 'grace' }, { rationale: 'was needed' });
  const permit = {
    ...held('PM-PERMIT11', to.later()),
    request: 'HP-HOSTILE1',
    for_ms: 1,
    uses: 9,
    rows: 50,
    by: ['grace', 'tomasz'],
    granted: to.later(),
    until: to.later(1e6),
  };
  await to.put('permit.granted', { at: to.later(), permit }, { permit: { sql: 'x' } });
  for (const use of [1, 2]) {
    await to.put(
      'permit.used',
      { at: to.later(), id: 'PM-PERMIT11', use, session: 's1' },
      { sql: 'x', parameters: [] },
    );
    await to.put('permit.use_ended', {
      at: to.later(),
      id: 'PM-PERMIT11',
      use,
      outcome: { tag: 'SELECT 7', sqlstate: null, rows: 7, bytes: 1, duration_ms: 1 },
    });
  }
  await to.put('permit.revoked', { at: to.later(), id: 'PM-PERMIT11', by: 'root' }, { reason: 'over' });
  await to.put('reviewer.token_issued', { by: 'ada', for: 'bot', ttl_ms: 900_000 });
  await to.put('reviewer.read_text', { by: 'root', requests: ['HP-HOSTILE1'] });
  to.at('2026-02-01T00:00:00.000Z');
  await to.put('policy.refused', { path: 'policy.yaml', problems: [{ line: 3, message: 'no' }] });
  await to.put('policy.loaded', { path: 'policy.yaml', hash: OBSERVED_POLICY, rules: 12, mode: 'observe' });
  await to.put(
    'statement.observed',
    {
      session: 's1',
      who: who('bot'),
      where,
      shape: 'COPY t TO STDOUT',
      rule: 'exports',
      findings: [finding('public.t')],
      policy: OBSERVED_POLICY,
      observed: [{ rule: 'exports', verdict: 'hold' }],
    },
    { sql: 'COPY t TO STDOUT' },
  );
  await to.put('policy.loaded', { path: 'policy.yaml', hash: POLICY, rules: 12, mode: 'enforce' });
  await to.put('policy.loaded', { path: 'policy.yaml', hash: POLICY, rules: 12, mode: 'enforce' });
  await to.put('log.recovered', {
    cause: 'the disk refused',
    since: '2026-02-01T00:00:00.000Z',
    error: 'ENOSPC',
    records_rejected: 3,
    entries_lost: 0,
  });
  await to.open('HP-LATE1111');
  // The clock goes back, by less and by more than the log tells itself, and then the quarter ends.
  to.at('2026-02-01T00:00:10.000Z');
  await to.put('config.loaded', {});
  to.later(-1500);
  await to.put('config.loaded', {});
  to.later(-60_000);
  await to.put('reviewer.signed_out', { user: 'grace', everywhere: false, sessions: 1, address: '10.0.0.9' });
  to.at('2026-04-01T00:00:00.000Z');
  await to.decide('HP-LATE1111', 'tomasz', 'approve');
  await to.open('HP-NEXTQTR1');
}
