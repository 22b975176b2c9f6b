// The reviewers' API as data: schemas that validate what comes in, describe what goes out, and print themselves as OpenAPI.
// Strict objects everywhere: a field that the API does not know is refused, never ignored.
import { z } from 'zod';
import { PROBLEM_NAMES, PROBLEM_URN } from './problems.ts';

/** Characters a rationale may have here; the desk may be stricter. */
const RATIONALE_CHARS_MAX = 10_000;
const NAME_CHARS_MAX = 200;
const PASSWORD_CHARS_MAX = 1_000;
export const LIST_MAX = 500;

export const loginBody = z.strictObject({
  user: z.string().min(1).max(NAME_CHARS_MAX),
  password: z.string().min(1).max(PASSWORD_CHARS_MAX),
});

/** A bearer token is had for a password or for a one-time link's token. */
export const tokenBody = z.union([
  loginBody,
  z.strictObject({ link: z.string().min(1).max(NAME_CHARS_MAX).describe('The part of a sign-in link after /in/.') }),
]);

export const decisionBody = z.strictObject({
  decision: z.enum(['approve', 'deny']),
  digest: z.string().min(1).max(128).describe('The digest that the reviewer was shown.'),
  revision: z.int().min(1).describe('The revision that the reviewer was shown.'),
  rationale: z.string().max(RATIONALE_CHARS_MAX).default(''),
});

export const requestId = z.string().regex(/^HP-[0-9A-Z]{1,16}$/);

export const listQuery = z.strictObject({
  state: z.enum(['open', 'decided', 'all']).default('open'),
  limit: z.coerce.number().int().min(1).max(LIST_MAX).default(100),
  before: z.coerce.number().int().min(0).optional().describe('Opened before this time; milliseconds since the epoch.'),
});

export const upMessage = z.strictObject({
  id: z.union([z.string().max(64), z.int()]).describe('Chosen by the client; the result carries it.'),
  type: z.literal('decide'),
  request: requestId,
  ...decisionBody.shape,
});

const at = z.number().describe('Milliseconds since the epoch.');

export const markView = z.object({
  from: z.number().describe('UTF-16 index into the text.'),
  to: z.number(),
  kind: z.enum(['direction', 'zero-width', 'control', 'space', 'byte', 'look-alike']),
  label: z.string().describe('What is drawn in its place; of a look-alike, the letter.'),
  name: z.string().describe('The code point, U+202E, and its name where it has one.'),
});
/** Text that a requester wrote, with every character in it that does not look like what it is. */
export const wordsView = z.object({ text: z.string(), marks: z.array(markView) });

const level = z.enum(['critical', 'high', 'medium', 'low']);

export const findingView = z.object({
  action: z.string(),
  object: z.string(),
  why: z.string(),
  level,
  statement: z.number(),
  start: z.number().describe('Half-open byte range in the statement as received.'),
  end: z.number(),
  from: z.number().describe('The same range as UTF-16 indexes into statement.text.'),
  to: z.number(),
  line: z.number().describe('From 1.'),
  column: z.number().describe('In characters, from 1.'),
  unresolved: z.boolean(),
});

export const impactView = z.object({
  amount: z.string().describe('The most rows of a fact below, "about 212,000 rows"; empty where nobody knows.'),
  facts: z
    .array(
      z.object({
        term: z.string(),
        lines: z.array(z.object({ main: z.string(), rest: z.string().describe('Goes on right after it.') })),
      }),
    )
    .describe('In words, as a card has them: "Leaves", "about 212,000 rows", "38 MB".'),
  notes: z.array(z.string()).describe('What could not be told and why, and what is never seen.'),
  rows: z.array(
    z.object({
      statement: z.number(),
      does: z.enum(['returns', 'inserts', 'updates', 'deletes', 'merges']),
      object: z.string().describe('The relation written; empty for what is returned.'),
      rows: z.number(),
      bytes: z.number().nullable(),
      from: z.enum(['plan', 'statistics']),
    }),
  ),
  tables: z.array(
    z.object({
      name: z.string(),
      rows: z.number().nullable(),
      bytes: z.number().nullable().describe('With indexes and TOAST.'),
      by: z.array(z.string()).describe('How the plan reads it: indexes, and "" for the whole table.'),
      lock: z.string().nullable().describe('The strongest table lock that the statement takes.'),
      sessions: z.number().describe('Other sessions that held or awaited a lock on it.'),
      users: z.array(z.string()),
      triggers: z.array(z.string()),
    }),
  ),
});

export const requestView = z.object({
  id: z.string(),
  state: z.string(),
  revision: z.number(),
  digest: z.string(),
  level,
  sentence: z.string().describe('What it does, in words. Hidden characters are spelled out.'),
  warning: z.string().describe("What is deceptive in the statement's text or parameters; empty for nothing."),
  who: z.object({
    id: z.string(),
    kind: z.string(),
    groups: z.array(z.string()),
    sponsor: z.string().nullable(),
    authentication: z.string(),
    address: z.string(),
  }),
  where: z.object({
    engine: z.string(),
    upstream: z.string(),
    database: z.string(),
    tags: z.record(z.string(), z.string()),
  }),
  role: z.string(),
  upstream_user: z.string(),
  search_path: z.string(),
  application_name: z.string(),
  statement: z.object({
    ...wordsView.shape,
    bytes: z.number(),
    lines: z.number(),
    hex: z.string().nullable().describe('The exact bytes, when they are not valid UTF-8.'),
  }),
  parameters: z.array(
    z.object({ type: z.string(), value: wordsView.nullable().describe('null is SQL NULL.'), bytes: z.number() }),
  ),
  findings: z.array(findingView),
  rule: z.string(),
  message: z.string(),
  ask: z.object({
    of: z.array(z.string()),
    count: z.number(),
    rationale: z.array(z.enum(['approve', 'deny'])),
    ticket: z.boolean(),
  }),
  policy: z.string(),
  reason: wordsView.nullable(),
  reason_at: at.nullable(),
  in_transaction: z.boolean(),
  commits: z.int(),
  earlier: z.array(z.object({ ...wordsView.shape, at, outcome: z.string() })),
  opened: at,
  deadline: at,
  holds: z.enum(['held', 'ticket']),
  wait_until: at.nullable(),
  use_until: at.nullable(),
  use_within_ms: z.number(),
  decisions: z.array(
    z.object({
      decision: z.enum(['approve', 'deny']),
      by: z.string(),
      group: z.string(),
      rationale: z.string(),
      channel: z.string(),
      at,
    }),
  ),
  withdrawn: z.object({ by: z.string(), reason: z.string() }).nullable(),
  outcome: z
    .object({
      tag: z.string().nullable(),
      sqlstate: z.string().nullable(),
      rows: z.number(),
      bytes: z.number(),
      duration_ms: z.number(),
    })
    .nullable(),
  impact: impactView
    .nullable()
    .describe('Estimated by the server after the request was opened; nothing was run. Null: not known, or not yet.'),
  updated: at,
  can_decide: z
    .union([
      z.object({ may: z.literal(true), group: z.string().describe('The group the decision counts for; empty: any.') }),
      z.object({ may: z.literal(false), text: z.string(), own: z.boolean() }),
    ])
    .describe('Of the person who asks.'),
});

export const meView = z.object({
  id: z.string(),
  kind: z.enum(['agent', 'human']),
  roles: z.array(z.enum(['reviewer', 'auditor', 'admin'])),
  groups: z.array(z.string()),
  csrf: z.string().nullable().describe('Goes into X-Holdpoint-CSRF with every write; null for a bearer token.'),
  expires: at,
  environment: z.string(),
  agent_hint: z.string().nullable().describe('A connection string for an agent, of PostgreSQL.'),
  guards: z
    .array(
      z.object({
        engine: z.enum(['postgres', 'mysql']).describe('mysql: MariaDB, too.'),
        address: z.string().nullable().describe('A connection string for an agent.'),
        command: z.string().nullable().describe('What to type for a client that takes no connection string.'),
      }),
    )
    .describe('What an agent can connect to.'),
});

export const tokenView = z.object({ token: z.string(), expires: at, user: z.string() });
export const listView = z.object({ cursor: z.number(), requests: z.array(requestView) });
export const healthView = z.object({ ok: z.boolean(), recording: z.boolean() });
export const doorView = z.object({ environment: z.string(), signed_in: z.boolean() });
export const problemView = z.object({
  type: z.enum(PROBLEM_NAMES.map((name) => PROBLEM_URN + name) as [string, ...string[]]),
  title: z.string(),
  status: z.number(),
  detail: z.string().optional(),
  request: requestView.optional(),
});

/** What the stream sends. */
export const downMessage = z.union([
  z.object({ type: z.literal('snapshot'), cursor: z.number(), time: at, requests: z.array(requestView) }),
  z.object({ type: z.literal('reset') }),
  z.object({ type: z.templateLiteral(['request.', z.string()]), cursor: z.number(), time: at, request: requestView }),
  z.object({ type: z.literal('health'), cursor: z.number(), time: at, recording: z.boolean() }),
  z.object({
    type: z.literal('result'),
    id: z.union([z.string(), z.number()]),
    ok: z.literal(true),
    request: requestView,
  }),
  z.object({
    type: z.literal('result'),
    id: z.union([z.string(), z.number()]),
    ok: z.literal(false),
    problem: problemView,
  }),
  z.object({ type: z.literal('error'), problem: problemView }),
]);

export type Level = z.infer<typeof level>;
export type MarkView = z.infer<typeof markView>;
export type WordsView = z.infer<typeof wordsView>;
export type FindingView = z.infer<typeof findingView>;
export type ImpactView = z.infer<typeof impactView>;
export type RequestView = z.infer<typeof requestView>;
export type MeView = z.infer<typeof meView>;
export type TokenView = z.infer<typeof tokenView>;
export type ListView = z.infer<typeof listView>;
export type HealthView = z.infer<typeof healthView>;
export type ProblemView = z.infer<typeof problemView>;
export type DownMessage = z.infer<typeof downMessage>;
export type DecisionBody = z.infer<typeof decisionBody>;

interface Operation {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly summary: string;
  readonly open?: true;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly answer: z.ZodType | null;
}

const OPERATIONS: readonly Operation[] = [
  {
    method: 'post',
    path: '/api/login',
    summary: 'Sign in; sets the session cookie.',
    open: true,
    body: loginBody,
    answer: meView,
  },
  {
    method: 'post',
    path: '/in/{token}',
    summary: 'Use a one-time sign-in link; sets the session cookie.',
    open: true,
    answer: meView,
  },
  {
    method: 'post',
    path: '/api/tokens',
    summary: 'A bearer token for the command line.',
    open: true,
    body: tokenBody,
    answer: tokenView,
  },
  { method: 'post', path: '/api/logout', summary: 'End this session or token.', answer: null },
  { method: 'get', path: '/api/me', summary: 'Who am I?', answer: meView },
  { method: 'get', path: '/api/door', summary: 'What the sign-in page says.', open: true, answer: doorView },
  { method: 'get', path: '/api/health', summary: 'Does it serve, and can it record?', open: true, answer: healthView },
  { method: 'get', path: '/api/requests', summary: 'Requests, newest first.', query: listQuery, answer: listView },
  { method: 'get', path: '/api/requests/{id}', summary: 'One request.', answer: requestView },
  {
    method: 'post',
    path: '/api/requests/{id}/decisions',
    summary: 'Approve or deny.',
    body: decisionBody,
    answer: requestView,
  },
];

/** OpenAPI 3.1, whose schemas are JSON Schema 2020-12, which zod prints as it is. */
export function openapi(url: string, version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of OPERATIONS) {
    const inPath = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    }));
    const inQuery = Object.entries(operation.query?.shape ?? {}).map(([name, schema]) => {
      const { $schema: _, ...rest } = z.toJSONSchema(schema as z.ZodType, { io: 'input', unrepresentable: 'any' });
      return { name, in: 'query', schema: rest };
    });
    (paths[operation.path] ??= {})[operation.method] = {
      summary: operation.summary,
      ...(operation.open ? { security: [] } : {}),
      ...(inPath.length + inQuery.length > 0 ? { parameters: [...inPath, ...inQuery] } : {}),
      ...(operation.body ? { requestBody: { required: true, content: json(operation.body, 'input') } } : {}),
      responses: {
        ...(operation.answer
          ? { 200: { description: 'Done.', content: json(operation.answer) } }
          : { 204: { description: 'Done.' } }),
        default: {
          description: 'A problem document, RFC 9457.',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: "Holdpoint reviewers' API",
      version,
      description: 'The stream is a WebSocket at /api/stream?since=<cursor>.',
    },
    servers: [{ url }],
    security: [{ cookie: [], csrf: [] }, { bearer: [] }],
    paths,
    components: {
      schemas: {
        Problem: json(problemView)['application/json'].schema,
        StreamDown: json(downMessage)['application/json'].schema,
        StreamUp: json(upMessage, 'input')['application/json'].schema,
      },
      securitySchemes: {
        cookie: { type: 'apiKey', in: 'cookie', name: '__Host-holdpoint' },
        csrf: { type: 'apiKey', in: 'header', name: 'X-Holdpoint-CSRF' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
    },
  };
}

function json(schema: z.ZodType, io: 'input' | 'output' = 'output') {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return { 'application/json': { schema: rest } };
}
