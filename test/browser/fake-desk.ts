// The reviewers' ports in memory, for tests of the API and the page without a gateway. Not a desk: it keeps the few
// rules that reviewers can see (own requests, groups, rationale, first decision wins) and nothing durable.
import { createHmac, randomBytes } from 'node:crypto';
import { duration } from '../../src/approval/deciding.ts';
import { demandWords, lacking, proofWords } from '../../src/approval/step-up.ts';
import type {
  Guard,
  PortResult,
  ProofLike,
  RequestLike,
  ReviewerIdentity,
  ReviewPorts,
} from '../../src/review/ports.ts';
import { isUndecided } from '../../src/review/view.ts';
import type { TableImpact } from '../../src/sql/impact.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const person = (id: string, roles: ReviewerIdentity['roles'], groups: string[] = []): ReviewerIdentity => ({
  id,
  kind: 'human',
  roles,
  groups,
  aliases: [],
});

export const PASSWORD = 'correct horse';
/** What otto is asked for after it. */
export const CODE = '123456';

export const PEOPLE: readonly ReviewerIdentity[] = [
  person('grace', ['reviewer', 'admin'], ['dba', 'data-owner']),
  person('ada', ['reviewer'], ['dba']),
  person('aiko', ['reviewer'], ['dba']),
  person('hedy', ['auditor']),
  person('tomasz', []),
  person('ida', []),
  person('otto', ['reviewer'], ['dba']),
  { id: 'billing-agent', kind: 'agent', roles: [], groups: [], aliases: [] },
];

const agent = (id: string, sponsor: string, address: string): RequestLike['who'] => ({
  id,
  kind: 'agent',
  groups: ['agents'],
  sponsor,
  authentication: 'scram-sha-256',
  address,
});

const ASK: RequestLike['ask'] = {
  of: ['dba'],
  each: false,
  count: 1,
  denials: 1,
  escalate: null,
  nobody_ms: null,
  permit: null,
  channel: 'any',
  step_up: null,
  deadline_ms: 900_000,
  use_within_ms: 3_600_000,
  rationale: ['approve', 'deny'],
  reason: 'optional',
  ticket: true,
};

let serial = 0;
const ID = ['HP-7KQ4', 'HP-3WX9', 'HP-5TNB', 'HP-9C2D', 'HP-2MVA', 'HP-8D1F'];

/** Byte offsets of `token`'s nth occurrence in `sql`, both latin1 of UTF-8. */
function range(sql: string, token: string, nth = 1): { start: number; end: number } {
  const bytes = Buffer.from(token, 'utf8').toString('latin1');
  let start = -1;
  for (let i = 0; i < nth; i += 1) start = sql.indexOf(bytes, start + 1);
  if (start < 0) throw new Error(`no ${token} in the statement`);
  return { start, end: start + bytes.length };
}

export const latin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

export type Found = readonly [action: string, object: string, why: string, token: string, nth?: number];

/** A request with the given statement; findings name their tokens. */
export function request(sql: string, findings: readonly Found[], other: Partial<RequestLike> = {}): RequestLike {
  const now = Date.now();
  serial += 1;
  const raw = latin1(sql);
  return {
    id: ID[serial - 1] ?? `HP-T${String(serial).padStart(3, '0')}`,
    state: 'open',
    revision: 1,
    changed: null,
    opened: now,
    deadline: now + 15 * 60_000,
    use_until: null,
    digest_tag: randomBytes(16).toString('hex'),
    holds: 'held',
    wait_until: now + 45_000,
    who: agent('billing-agent', 'ada', '10.4.2.17'),
    where: { engine: 'postgres', upstream: 'app', database: 'app', tags: { env: 'prod' } },
    role: 'billing_ro',
    upstream_user: 'gateway',
    search_path: '"$user", public',
    application_name: 'psycopg 3.2',
    session: 's1',
    sql: raw,
    shape: sql.replaceAll(/--.*|\/\*[^]*?\*\//g, '').replaceAll(/\s+/g, ' '),
    parameters: [],
    findings: findings.map(([action, object, why, token, nth]) => ({
      action,
      object,
      why,
      statement: 0,
      ...range(raw, token, nth),
    })),
    rule: 'exports',
    message: '',
    ask: ASK,
    policy: '9f3c1a7b',
    reason: '',
    reason_at: null,
    in_transaction: false,
    commits: 0,
    earlier: [],
    decisions: [],
    said: [],
    escalated: null,
    broken_glass: null,
    pattern: null,
    withdrawn: null,
    outcome: null,
    impact: null,
    before: null,
    updated: now,
    ...other,
  };
}

export const table = (
  name: string,
  rows: number | null,
  bytes: number | null,
  by: readonly string[] = [],
  lock: TableImpact['lock'] = null,
): TableImpact => ({ name, rows, bytes, by, lock, sessions: 0, users: [], triggers: [] });

export interface FakeDesk {
  readonly ports: ReviewPorts;
  readonly records: { type: string; clear: Readonly<Record<string, unknown>> }[];
  readonly presence: string[][];
  /** What agents can connect to. */
  readonly guards: Guard[];
  /** A one-time sign-in. */
  link(user: string): string;
  add(request: RequestLike, type?: string): void;
  change(id: string, type: string, by: Partial<RequestLike>): void;
  /** Rejects every append from now on, or no longer. */
  breakLog(broken: boolean): void;
  /** Events older than this many are forgotten. */
  keep: number;
  /** Runs before a decision is counted. */
  before: () => Promise<void>;
}

const may: ReviewPorts['requests']['may'] = (asked, id) => {
  const who = PEOPLE.find((p) => p.id === id);
  if (asked.who.sponsor === id || asked.who.id === id)
    return {
      may: false,
      text: `You are the sponsor of ${asked.who.id}, so you cannot decide this. grace (here now) or aiko can.`,
    };
  const group = asked.ask.of.find((of) => who?.groups.includes(of));
  if (asked.ask.of.length > 0 && group === undefined)
    return {
      may: false,
      text: `This needs ${asked.ask.of.join(' or ')}. You are in ${who?.groups.join(', ') || 'no group'}.`,
    };
  return { may: true, group: group ?? '' };
};

const owns: ReviewPorts['requests']['owns'] = ({ who }, account) => who.id === account || who.sponsor === account;

const tally: ReviewPorts['requests']['tally'] = ({ ask, decisions }) => {
  const approvals = decisions.filter(({ decision }) => decision === 'approve');
  const open = ask.of.filter((of) => !approvals.some(({ group }) => group === of));
  return { approvals, needed: ask.count, missing: open.slice(0, Math.max(0, ask.count - approvals.length)) };
};

/** As the desk says it. */
const stepUpText = ({ ask, rule }: RequestLike, proof: ProofLike | undefined): string =>
  `Rule ${rule} wants approvals of people who ${ask.step_up && demandWords(ask.step_up, duration)}. ${proofWords(proof ?? null, duration, Date.now())} Sign in again.`;

const POSTGRES: Guard = { engine: 'postgres', address: 'postgres://demo:9f2c@127.0.0.1:6432/app', command: null };

export function fakeDesk(mode: ReviewPorts['mode'] = 'enforce'): FakeDesk {
  const guards = [POSTGRES];
  const requests = new Map<string, RequestLike>();
  const events: { seq: number; type: string; request: RequestLike }[] = [];
  const listeners = new Set<() => void>();
  const links = new Map<string, string>();
  const records: FakeDesk['records'] = [];
  let seq = 100;
  let failure: string | null = null;

  const store = (changed: RequestLike, type: string) => {
    requests.set(changed.id, changed);
    seq += 1;
    events.push({ seq, type: `request.${type}`, request: changed });
    for (const listener of listeners) listener();
  };
  const say = (
    kind: 'question' | 'answer',
    type: string,
    state: string,
    { id, by, text, channel }: Parameters<ReviewPorts['requests']['ask']>[0],
  ): PortResult => {
    const asked = requests.get(id);
    if (!asked) return { type: 'refused', why: 'not-found', text: 'There is no such request.' };
    if (kind === 'answer' && !owns(asked, by))
      return { type: 'refused', why: 'own', text: 'Not yours.', request: asked };
    const changed = { ...asked, state, said: [...asked.said, { kind, by, text, channel, at: Date.now() }] };
    store(changed, type);
    return { type: 'counted', request: changed };
  };
  const desk: FakeDesk = {
    records,
    guards,
    presence: [],
    keep: 1_000,
    before: async () => undefined,
    breakLog: (broken) => {
      failure = broken ? 'no space left on device' : null;
    },
    link: (user) => {
      const token = randomBytes(9).toString('base64url');
      links.set(token, user);
      return token;
    },
    add: (added, type = 'opened') => store(added, type),
    change: (id, type, by) => store({ ...(requests.get(id) as RequestLike), ...by, updated: Date.now() }, type),
    ports: {
      tokens: null,
      identity: {
        password: async ({ user, password, otp }) => {
          const account = PEOPLE.find((p) => p.id === user);
          if (!account || password !== PASSWORD) return { type: 'refused', why: 'wrong', wait_ms: 0 };
          if (user !== 'otto' || otp === CODE) return { type: 'in', account, by: otp ? ['local', 'totp'] : ['local'] };
          return { type: 'second', account, factors: ['totp', 'webauthn'], webauthn: {}, wrong: otp !== undefined };
        },
        sso: null,
        keys: null,
        oneTime: async (token) => {
          const user = links.get(token);
          links.delete(token);
          return PEOPLE.find((p) => p.id === user) ?? null;
        },
        reviewer: (id) => PEOPLE.find((p) => p.id === id),
        answersFor: (who, whom) => who === 'ada' && whom === 'billing-agent',
      },
      requests: {
        list: ({ state = 'all' }) =>
          [...requests.values()]
            .filter((r) => state === 'all' || (state === 'open') === isUndecided(r))
            .toSorted((a, b) => b.opened - a.opened),
        get: (id) => requests.get(id),
        may,
        decide: async (input) => {
          await desk.before();
          const asked = requests.get(input.id);
          if (!asked) return { type: 'refused', why: 'not-found', text: 'There is no such request.' };
          const refused = (why: string, text: string) => ({ type: 'refused' as const, why, text, request: asked });
          const allowed = may(asked, input.by);
          if (!allowed.may) return refused(asked.who.sponsor === input.by ? 'own' : 'wrong-group', allowed.text);
          if (asked.state !== 'open') {
            const last = asked.decisions.at(-1);
            return refused(
              'already-decided',
              `${last?.by} ${last?.decision === 'deny' ? 'denied' : 'approved'} this ${Math.round((Date.now() - (last?.at ?? 0)) / 1000)} s ago. Your decision was not counted.`,
            );
          }
          if (asked.digest_tag !== input.digest || asked.revision !== input.revision)
            return refused('changed', 'Judged again. Read it once more.');
          if (input.rationale.trim() === '')
            return refused('rationale-missing', `Write why. Rule ${asked.rule} wants it for approve and deny.`);
          const lacks =
            input.decision === 'approve' ? lacking(asked.ask.step_up, input.signed_in ?? null, Date.now()) : [];
          if (lacks.length > 0) return { ...refused('step-up', stepUpText(asked, input.signed_in)), lacks };
          const changed: Mutable<RequestLike> = { ...asked };
          changed.decisions = [
            ...asked.decisions,
            {
              decision: input.decision,
              by: input.by,
              instead_of: null,
              group: allowed.group,
              counts: true,
              rationale: input.rationale,
              channel: input.channel,
              at: Date.now(),
              permit: null,
            },
          ];
          const approvals = changed.decisions.filter((d) => d.decision === 'approve').length;
          if (input.decision === 'deny') changed.state = 'denied';
          else if (approvals >= asked.ask.count) changed.state = 'approved';
          changed.updated = Date.now();
          store(changed, 'decided');
          return { type: 'counted', request: changed };
        },
        ask: async (input) => say('question', 'asked', 'asked', input),
        answer: async (input) => say('answer', 'answered', 'open', input),
        withdraw: async (id, by, reason) => {
          const asked = requests.get(id);
          if (!asked) return 'unknown';
          if (!owns(asked, by)) return 'not-yours';
          store({ ...asked, state: 'withdrawn', withdrawn: { by, reason }, updated: Date.now() }, 'withdrawn');
          return 'ok';
        },
        review: async () => ({ type: 'refused', why: 'already-decided', text: 'There is nothing to review.' }),
        owns,
        tally,
        reach: ({ ask }) => ({
          eligible: PEOPLE.filter(({ groups }) => ask.of.some((of) => groups.includes(of))).length,
          present: 0,
        }),
        askFirst: async () => ({ type: 'refused', why: 'not-found', text: 'Not here.' }),
      },
      permits: { list: () => [], get: () => undefined, state: () => 'ended', revoke: async () => 'unknown' },
      sessions: { list: () => [], end: () => false },
      evidence: { receipt: async () => 'unknown' as const, anchors: () => [], shipping: () => [] },
      policy: async () => ({ path: 'policy.yaml', hash: '9f3c1a7b', rules: 11, text: null, since: 0, counts: [] }),
      audit: {
        append: async ({ type, clear }) => {
          if (failure) throw new Error(failure);
          records.push({ type, clear });
          seq += 1;
          return seq;
        },
        async *read() {},
        tag: (value) => createHmac('sha256', 'tag').update(value).digest('hex').slice(0, 32),
        get seq() {
          return seq;
        },
        get failure() {
          return failure;
        },
      },
      events: {
        get cursor() {
          return events.at(-1)?.seq ?? seq;
        },
        after: (cursor) => {
          const kept = events.slice(-desk.keep);
          if (cursor < (kept[0]?.seq ?? seq) - 1 || cursor > seq) return null;
          return kept.filter((event) => event.seq > cursor);
        },
        subscribe: (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
      guards,
      environment: 'production',
      mode,
      present: (reviewers) => desk.presence.push([...reviewers]),
    },
  };
  return desk;
}

export const EXPORT = `COPY (
  SELECT c.id, c.email, c.full_name, c.country,
         i.number, i.total_cents, i.due_on
    FROM public.customers AS c
    JOIN billing.invoices AS i ON i.customer_id = c.id
   WHERE i.due_on < DATE '2025-11-01' AND i.paid_at IS NULL
   ORDER BY i.due_on  -- overdue only, FIN-2291
) TO STDOUT WITH (FORMAT csv, HEADER true)`;

/** The design's own examples. */
export function samples(): RequestLike[] {
  serial = 0;
  const now = Date.now();
  const ago = (seconds: number, left: number) => ({ opened: now - seconds * 1_000, deadline: now + left * 1_000 });
  return [
    request(
      EXPORT,
      [
        ['export', '', 'Rows leave the database in bulk through this connection.', 'COPY'],
        ['read', 'public.customers', 'Reads a table or view.', 'public.customers'],
        ['read', 'billing.invoices', 'Reads a table or view.', 'billing.invoices'],
      ],
      {
        ...ago(198, 702),
        wait_until: now + 42_000,
        impact: {
          rows: [{ statement: 0, does: 'returns', object: '', rows: 212_000, bytes: 38_000_000, from: 'plan' }],
          tables: [
            table('billing.invoices', 1_204_000, 310_000_000, ['invoices_due_on'], 'ACCESS SHARE'),
            table('public.customers', 212_000, 64_000_000, [''], 'ACCESS SHARE'),
          ],
          notes: [],
        },
        before: { approved: 3, permits: 0, denied: 0, days: 90 },
        message: 'Data leaves the database in bulk. Say who needs it and for how long.',
        ask: { ...ASK, of: ['dba', 'data-owner'], count: 2 },
        reason: 'Month-end dunning run. Finance needs overdue invoices with a contact address.',
        reason_at: now - 199_000,
        in_transaction: true,
        earlier: [
          { sql: 'BEGIN', at: now - 223_000, outcome: 'BEGIN' },
          { sql: "SET LOCAL statement_timeout = '5min'", at: now - 223_000, outcome: 'SET' },
          { sql: 'INSERT INTO billing.export_log VALUES ($1,$2)', at: now - 222_000, outcome: 'INSERT 0 1' },
        ],
        decisions: [
          {
            decision: 'approve',
            by: 'aiko',
            instead_of: null,
            group: 'dba',
            counts: true,
            rationale: 'Index scan, off-peak. Fine for the server.',
            channel: 'api',
            at: now - 88_000,
            permit: null,
          },
        ],
      },
    ),
    request(
      `UPDATE billing.invoices AS i
   SET status = $1, note = $2
  FROM public.\u0441ustomers AS c
 /*\u202e \u2066WHERE i.tenant = 'sandbox'\u2069 \u2066*/
-- limited to the sandbox tenant, agreed with the DBA team
`,
      [
        ['write', 'billing.invoices', 'Changes rows.', 'billing.invoices'],
        ['read', 'public.\u0441ustomers', 'Reads a table or view.', 'public.\u0441ustomers'],
      ],
      {
        ...ago(51, 849),
        wait_until: now + 9_000,
        rule: 'every-row',
        who: agent('schema-bot', 'tomasz', '10.4.9.3'),
        role: 'migrator',
        application_name: 'node-postgres',
        parameters: [
          { type: 'text', value: 'paid' },
          { type: 'text', value: 'see ticket\u200bFIN-2290' },
          { type: 'int4', value: null },
        ],
        reason:
          'Test cleanup in sandbox. Safe to approve. [Approve](https://example.net/) <img src=x onerror="document.title=1"><b>bold</b>',
        reason_at: now - 52_000,
      },
    ),
    request(
      'GRANT SELECT ON ALL TABLES IN SCHEMA billing TO reporting',
      [['grant', 'billing', 'Changes privileges.', 'GRANT']],
      {
        ...ago(362, 47),
        rule: 'rights',
        who: agent('deploy-bot', 'tomasz', '10.4.2.30'),
        holds: 'ticket',
        wait_until: null,
      },
    ),
    request(
      'ALTER TABLE public.customers ADD COLUMN vip boolean',
      [['ddl', 'public.customers', 'Alters a table.', 'public.customers']],
      {
        ...ago(570, 1_230),
        rule: 'ddl',
        impact: {
          rows: [],
          tables: [
            {
              ...table('public.customers', 212_000, 64_000_000, [], 'ACCESS EXCLUSIVE'),
              sessions: 3,
              users: ['app', 'reporting'],
              triggers: ['customers_audit'],
            },
          ],
          notes: [],
        },
        who: agent('schema-bot', 'tomasz', '10.4.9.3'),
      },
    ),
    request(
      'SELECT * FROM public.customers',
      [['read', 'public.customers', 'Reads a table or view.', 'public.customers']],
      {
        ...ago(130, 770),
        rule: 'sensitive-bulk',
        ask: { ...ASK, of: ['privacy'], ticket: false },
        who: agent('support-copilot', 'grace', '10.4.2.31'),
      },
    ),
  ];
}
