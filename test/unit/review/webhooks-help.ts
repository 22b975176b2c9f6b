// A receiver in this process, a clock that stands still until told, and events as the log has them.
import {
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Feed, HookConfig, HookEvent, Mark } from '../../../src/review/webhooks/ports.ts';
import { headlineOf } from '../../../src/review/view.ts';

export const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;

export const hookOf = (more: Partial<HookConfig> = {}): HookConfig => ({
  name: 'pager',
  url: 'https://hooks.example/in',
  secret: [SECRET],
  events: ['*'],
  allow_private: false,
  ca: null,
  text: false,
  words: false,
  ...more,
});

export interface Got {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  readonly got: Got[];
  readonly connections: () => number;
  close(): void;
}

/** Answers as it is told; 200 where it is not. */
export const receive = async (
  answer: (response: ServerResponse, nth: number) => void = (response) => void response.end(),
  make: (listener: RequestListener) => Server = (listener) => createServer(listener),
  host = '127.0.0.1',
): Promise<Receiver> => {
  const got: Got[] = [];
  let connections = 0;
  const server = make((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => answer(response, got.push({ headers: request.headers, body })));
  });
  server.on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/in`,
    got,
    connections: () => connections,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

type RequestEvent = Extract<HookEvent, { about: 'request' }>;

export const requestOf = (more: Partial<RequestEvent['request']> = {}): RequestEvent['request'] => ({
  id: 'HP-7KQ4WX9D',
  state: 'open',
  revision: 1,
  changed: null,
  opened: 1000,
  deadline: 901_000,
  use_until: null,
  digest_tag: 'tag',
  holds: 'held',
  wait_until: 46_000,
  who: {
    id: 'bot',
    kind: 'agent',
    groups: ['agents'],
    sponsor: 'ada',
    authentication: 'scram-sha-256',
    address: '10.0.0.9',
  },
  where: { engine: 'postgres', upstream: 'app', database: 'app', tags: { env: 'prod' } },
  role: 'bot',
  upstream_user: 'gateway',
  search_path: 'public',
  application_name: 'psql',
  session: 's1',
  sql: "COPY (SELECT 'sealed-sql' FROM customers) TO STDOUT",
  shape: 'COPY (SELECT $1 FROM customers) TO STDOUT',
  parameters: [{ type: 'text', value: 'sealed-parameter' }],
  findings: [{ action: 'export', object: 'public.customers', why: 'Rows leave.', statement: 0, start: 0, end: 4 }],
  rule: 'exports',
  message: 'Exports need a second person',
  ask: {
    of: ['dba'],
    each: false,
    count: 2,
    denials: 1,
    escalate: null,
    nobody_ms: null,
    permit: null,
    channel: 'any',
    step_up: null,
    deadline_ms: 900_000,
    use_within_ms: 3_600_000,
    rationale: ['approve'],
    reason: 'optional',
    ticket: true,
  },
  policy: 'hash',
  reason: 'sealed-reason',
  reason_at: 900,
  in_transaction: false,
  commits: 0,
  earlier: [{ sql: 'sealed-earlier', at: 1, outcome: 'SELECT 1' }],
  decisions: [],
  said: [],
  escalated: null,
  broken_glass: null,
  pattern: null,
  withdrawn: null,
  outcome: null,
  impact: null,
  before: { approved: 3, permits: 1, denied: 0, days: 90 },
  updated: 1000,
  ...more,
});

export const eventOf = (
  seq: number,
  type = 'request.opened',
  request: Partial<RequestEvent['request']> = {},
  more: Partial<RequestEvent> = {},
): RequestEvent => {
  const whole = requestOf(request);
  return {
    about: 'request',
    seq,
    type,
    at: 1000 + seq,
    request: whole,
    headline: headlineOf(whole),
    approvals: { given: 0, needed: 2 },
    why: null,
    ...more,
  };
};

/** These events, then silence. */
export const feedOf = (events: readonly HookEvent[], from: Mark): Feed & { readonly closed: boolean } => {
  const left = events.filter(({ seq }) => seq > from.cursor);
  let mark = from;
  let last = from;
  let closed = false;
  let end: (none: null) => void = () => {};
  return {
    get closed() {
      return closed;
    },
    next: async () => {
      const event = left.shift();
      if (event === undefined) return closed ? null : new Promise((resolve) => (end = resolve));
      last = { cursor: event.seq, since: event.seq + 1 };
      return event;
    },
    mark: () => mark,
    settled: () => {
      mark = last;
    },
    close: () => {
      closed = true;
      end(null);
    },
  };
};
