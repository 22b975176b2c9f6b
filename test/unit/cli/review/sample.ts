// Requests as the reviewers' API sends them, for frames: those of the design's mock.
import type { MeView, RequestView } from '../../../../src/review/client.ts';
import { initial, type State } from '../../../../src/cli/review/state.ts';
import { type Event, update } from '../../../../src/cli/review/update.ts';
import type { Effect } from '../../../../src/cli/review/state.ts';
import { keysOf } from '../../../../src/cli/review/input.ts';
import { viewOf } from '../../../../src/review/view.ts';
import type { RequestLike } from '../../../../src/review/ports.ts';
import { fakeDesk } from '../../../browser/fake-desk.ts';

/** 14:05:48 UTC. */
export const NOW = Date.UTC(2025, 10, 22, 14, 5, 48);
const MINUTE = 60_000;

export const ME: MeView = {
  id: 'jonas',
  kind: 'human',
  roles: ['reviewer'],
  groups: ['data-owner', 'dba'],
  csrf: null,
  expires: NOW + 3_600_000,
  signed_in: NOW,
  by: ['local'],
  auth_time: NOW,
  acr: null,
  takes_keys: false,
  environment: 'production',
  mode: 'enforce',
  agent_hint: null,
  guards: [],
};

type Change = Partial<Omit<RequestLike, 'who' | 'ask' | 'sql'>> & {
  /** Its bytes, or its characters. */
  readonly sql?: string | Uint8Array;
  readonly agent?: string;
  readonly sponsor?: string | null;
  readonly task?: string;
  readonly on_behalf_of?: readonly string[];
  readonly database?: string;
  readonly ends_ms?: number;
  readonly ask?: Partial<RequestLike['ask']>;
  readonly view?: Partial<RequestView>;
};

/** A request as the server shows it to jonas. */
export function sample(id: string, change: Change = {}): RequestView {
  const {
    agent = 'billing-agent',
    sponsor = 'mara',
    task,
    on_behalf_of,
    database = 'app',
    sql = 'SELECT 1',
    ends_ms,
    ask,
    view,
    ...rest
  } = change;
  const like: RequestLike = {
    id,
    state: 'open',
    revision: 1,
    changed: null,
    opened: NOW - 3 * MINUTE,
    deadline: NOW + (ends_ms ?? 12 * MINUTE),
    use_until: null,
    digest_tag: 'd1',
    holds: 'held',
    wait_until: NOW + 42_000,
    who: {
      id: agent,
      kind: 'agent',
      groups: [],
      sponsor,
      authentication: 'scram-sha-256',
      address: '10.0.0.7',
      ...(on_behalf_of && { on_behalf_of }),
      ...(task !== undefined && { task }),
    },
    where: { engine: 'postgres', upstream: 'main', database, tags: {} },
    role: 'billing_ro',
    upstream_user: 'gateway',
    search_path: '"$user", public',
    application_name: 'psql',
    session: 's1',
    shape: 'SELECT ?',
    parameters: [],
    findings: [],
    rule: 'exports',
    message: '',
    ask: {
      of: [],
      each: false,
      count: 1,
      denials: 1,
      escalate: null,
      nobody_ms: null,
      permit: null,
      channel: 'any',
      step_up: null,
      deadline_ms: 15 * MINUTE,
      use_within_ms: 60 * MINUTE,
      rationale: ['approve', 'deny'],
      reason: 'optional',
      ticket: true,
      ...ask,
    },
    policy: 'p1',
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
    updated: NOW,
    ...rest,
    sql: Buffer.from(sql).toString('latin1'),
  };
  return { ...viewOf(like, { ...ME, aliases: [] }, PORTS), ...view };
}

const { ports } = fakeDesk();
const PORTS = {
  ...ports,
  requests: {
    ...ports.requests,
    may: () => ({ may: true as const, group: '' }),
    reach: () => ({ eligible: 1, present: 1 }),
    tally: ({ ask, decisions }: RequestLike) => {
      const approvals = decisions.filter(({ decision }) => decision === 'approve');
      return { approvals, needed: ask.count, missing: approvals.length < ask.count ? [''] : [] };
    },
  },
};

const COPY = `COPY (
  SELECT c.id, c.email, c.full_name, c.country,
         i.number, i.total_cents, i.due_on
    FROM public.customers AS c
    JOIN billing.invoices AS i ON i.customer_id = c.id
   WHERE i.due_on < DATE '2025-11-01' AND i.paid_at IS NULL
   ORDER BY i.due_on  -- overdue only, FIN-2291
) TO STDOUT WITH (FORMAT csv, HEADER true)`;

const range = (text: string, end = text) => ({
  start: COPY.indexOf(text),
  end: COPY.indexOf(end) + end.length,
  statement: 0,
});

/** The mock's card. */
export const copy = (change: Change = {}): RequestView =>
  sample('HP-M2XA7KQ4', {
    sql: COPY,
    ends_ms: 702_000,
    in_transaction: true,
    before: { approved: 3, permits: 0, denied: 0, days: 90 },
    reason: 'Month-end dunning run. Finance needs overdue invoices with names and addresses of the customers.',
    findings: [
      {
        action: 'export',
        object: '',
        why: 'Rows leave the database through this connection.',
        ...range('COPY', 'true)'),
      },
      {
        action: 'read',
        object: 'public.customers',
        why: 'Reads rows of a table of the list "sensitive".',
        ...range('public.customers'),
      },
      { action: 'read', object: 'billing.invoices', why: 'Reads rows.', ...range('billing.invoices') },
    ],
    earlier: [
      { sql: 'BEGIN', at: NOW - 223_000, outcome: 'BEGIN' },
      { sql: "SET LOCAL statement_timeout = '5min'", at: NOW - 220_000, outcome: 'SET' },
    ],
    ask: { of: ['dba', 'data-owner'], count: 2 },
    ...change,
    view: {
      can_decide: { may: true, group: 'data-owner' },
      approvals: [{ by: 'ines', instead_of: null, group: 'dba' }],
      needed: 2,
      missing: ['data-owner'],
      said: [
        {
          kind: 'question',
          by: 'ines',
          text: 'Who receives the file, and when is it deleted?',
          marks: [],
          channel: 'api',
          at: NOW - 60_000,
        },
        {
          kind: 'answer',
          by: 'billing-agent',
          text: 'Finance shared drive, deleted after 7 days.',
          marks: [],
          channel: 'api',
          at: NOW - 30_000,
        },
      ],
      ...change.view,
    },
  });

/** The mock's queue. */
export const QUEUE: readonly RequestView[] = [
  copy(),
  sample('HP-00013WX9', {
    agent: 'schema-bot',
    sponsor: 'tomasz',
    ends_ms: 849_000,
    sql: 'UPDATE billing.invoices SET paid = true',
    shape: 'UPDATE billing.invoices SET paid = true',
    findings: [{ action: 'write', object: 'billing.invoices', why: 'Changes rows.', statement: 0, start: 7, end: 23 }],
  }),
  sample('HP-00025TNB', {
    agent: 'deploy-bot',
    sponsor: 'priya',
    ends_ms: 47_000,
    findings: [{ action: 'grant', object: 'billing', why: 'Grants rights.', statement: 0, start: 0, end: 6 }],
  }),
  sample('HP-00032MVA', {
    agent: 'support-copilot',
    sponsor: 'jonas',
    ends_ms: 770_000,
    findings: [{ action: 'write', object: 'public.customers', why: 'Adds rows.', statement: 0, start: 0, end: 6 }],
    view: {
      can_decide: {
        may: false,
        own: true,
        text: 'You are the sponsor of support-copilot, so you cannot decide this. ines (here now) or aiko can.',
      },
    },
  }),
  sample('HP-00048D1F', {
    agent: 'etl-nightly',
    sponsor: 'ines',
    database: 'shop',
    ends_ms: 300_000,
    holds: 'ticket',
    wait_until: null,
    findings: [
      { action: 'settings', object: 'foreign_key_checks', why: 'Changes a setting.', statement: 0, start: 0, end: 6 },
    ],
    view: { can_decide: { may: false, own: false, text: 'This needs dba. You are in data-owner.' } },
  }),
];

/** A client at work: what was pressed and heard, one after the other. */
export class Client {
  state: State;
  readonly effects: Effect[] = [];

  constructor(requests: readonly RequestView[] = QUEUE, face = { columns: 80, rows: 24, ascii: false }) {
    this.state = initial(ME, face, NOW);
    this.hear({ type: 'snapshot', cursor: 1, time: NOW, requests: [...requests], open: requests.length });
  }

  happen(event: Event): this {
    const { state, effects } = update(this.state, event);
    this.state = state;
    this.effects.push(...effects);
    return this;
  }

  /** Bytes as a terminal sends them. */
  press(...texts: readonly string[]): this {
    for (const text of texts) for (const key of keysOf(text, true).keys) this.happen({ type: 'key', key });
    return this;
  }

  hear(message: Extract<Event, { type: 'followed' }>['message']): this {
    return this.happen({ type: 'followed', message, at: NOW });
  }

  changed(request: RequestView, type = 'decided'): this {
    return this.hear({ type: `request.${type}`, cursor: 2, time: NOW, request });
  }

  tick(at: number): this {
    return this.happen({ type: 'tick', at });
  }
}
