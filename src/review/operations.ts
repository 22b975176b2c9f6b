// Every call of the reviewers' API as a row: where it is, who may make it, what it takes and what it answers. Routes, the OpenAPI document,
// its page and tests read this table. Must never have a call that is not in it.
import { z } from 'zod';
import {
  askFirstBody,
  auditQuery,
  decisionBody,
  keyBody,
  listQuery,
  loginBody,
  reasonBody,
  reviewBody,
  revokeTokenBody,
  revokeTokensBody,
  rotateBody,
  textBody,
  tokenBody,
  upMessage,
} from './bodies.ts';
import type { ReviewerIdentity } from './ports.ts';
import type { ProblemName } from './problems.ts';
import {
  databaseTokensView,
  doorView,
  downMessage,
  healthView,
  keyOptionsView,
  keysView,
  keyView,
  linkView,
  listView,
  meView,
  permitsView,
  permitView,
  policyView,
  problemView,
  receiptView,
  recordsView,
  requestView,
  revokedView,
  rotatedView,
  sessionsView,
  signOutAllView,
  signOutView,
  tokenView,
} from './schemas.ts';

/** What a caller is; a human with roles is a person, too. */
export type Kind = 'agent' | 'person' | 'reviewer' | 'auditor' | 'admin';

interface Operation {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  readonly summary: string;
  /** Any of these; on requests whoever has no role reaches its own only. */
  readonly may: 'anyone' | readonly Kind[];
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Null: nothing, with 204. */
  readonly answer: z.ZodType | null;
}

const EVERYBODY = ['agent', 'person'] as const;
const READERS = ['reviewer', 'auditor', 'admin'] as const;

export const OPERATIONS = {
  login: {
    method: 'post',
    path: '/api/login',
    summary: 'Sign in; sets the session cookie.',
    may: 'anyone',
    body: loginBody,
    answer: meView,
  },
  link: {
    method: 'post',
    path: '/in/{id}',
    summary: 'Use a one-time sign-in link; sets the session cookie.',
    may: 'anyone',
    answer: meView,
  },
  tokens: {
    method: 'post',
    path: '/api/tokens',
    summary:
      'A bearer token: for the command line; or for an agent, by its sponsor or an admin, for this API or a database.',
    may: 'anyone',
    body: tokenBody,
    answer: tokenView,
  },
  databaseTokens: {
    method: 'get',
    path: '/api/tokens',
    summary: 'Tokens for databases that have not ended: those of agents that one answers for; for an admin, all.',
    may: ['person'],
    answer: databaseTokensView,
  },
  revokeTokens: {
    method: 'delete',
    path: '/api/tokens',
    summary:
      'Revoke all tokens for databases of an agent, at once: by its sponsor or an admin. Or one of another issuer, by an admin.',
    may: ['person'],
    body: revokeTokensBody,
    answer: revokedView,
  },
  revokeToken: {
    method: 'delete',
    path: '/api/tokens/{id}',
    summary: 'Revoke one, at once: by whoever got it, the sponsor of its agent, or an admin.',
    may: ['person'],
    body: revokeTokenBody,
    answer: null,
  },
  rotateTokenKey: {
    method: 'post',
    path: '/api/token-key',
    summary: 'Make another key sign tokens for databases.',
    may: ['admin'],
    body: rotateBody,
    answer: rotatedView,
  },
  logout: {
    method: 'post',
    path: '/api/logout',
    summary: 'End this session or token.',
    may: ['person'],
    answer: signOutView,
  },
  logoutAll: {
    method: 'post',
    path: '/api/logout/everywhere',
    summary: 'End every session and token of this account, and those that it got for agents.',
    may: ['person'],
    answer: signOutAllView,
  },
  links: {
    method: 'post',
    path: '/api/links',
    summary: 'A one-time link that signs this person in elsewhere: in a terminal, until this session ends.',
    may: ['person'],
    answer: linkView,
  },
  keys: {
    method: 'get',
    path: '/api/keys',
    summary: 'My security keys.',
    may: ['person'],
    answer: keysView,
  },
  keyOptions: {
    method: 'post',
    path: '/api/keys/options',
    summary: 'What a browser makes a security key of.',
    may: ['person'],
    answer: keyOptionsView,
  },
  addKey: {
    method: 'post',
    path: '/api/keys',
    summary: 'Take a security key as second factor; at most 15 minutes after a sign-in.',
    may: ['person'],
    body: keyBody,
    answer: keyView,
  },
  removeKey: {
    method: 'delete',
    path: '/api/keys/{id}',
    summary: 'Take it no more; at most 15 minutes after a sign-in.',
    may: ['person'],
    answer: null,
  },
  me: { method: 'get', path: '/api/me', summary: 'Who am I?', may: ['person'], answer: meView },
  door: {
    method: 'get',
    path: '/api/door',
    summary: 'What the sign-in page says.',
    may: 'anyone',
    answer: doorView,
  },
  health: {
    method: 'get',
    path: '/api/health',
    summary: 'Does it serve, and can it record?',
    may: 'anyone',
    answer: healthView,
  },
  openapi: {
    method: 'get',
    path: '/api/openapi.json',
    summary: 'This document.',
    may: 'anyone',
    answer: z.record(z.string(), z.unknown()),
  },
  requests: {
    method: 'get',
    path: '/api/requests',
    summary: 'Requests, newest first.',
    may: EVERYBODY,
    query: listQuery,
    answer: listView,
  },
  request: { method: 'get', path: '/api/requests/{id}', summary: 'One request.', may: EVERYBODY, answer: requestView },
  receipt: {
    method: 'get',
    path: '/api/requests/{id}/receipt',
    summary: 'Its records with a proof for each that the log has it; waits for a checkpoint that covers them.',
    may: EVERYBODY,
    answer: receiptView,
  },
  askFirst: {
    method: 'post',
    path: '/api/requests',
    summary: 'Ask for a statement before it is sent: a ticket, to be used as any other.',
    may: EVERYBODY,
    body: askFirstBody,
    answer: requestView,
  },
  decide: {
    method: 'post',
    path: '/api/requests/{id}/decisions',
    summary: 'Approve or deny.',
    may: ['reviewer'],
    body: decisionBody,
    answer: requestView,
  },
  ask: {
    method: 'post',
    path: '/api/requests/{id}/questions',
    summary: 'Ask the requester; no decision.',
    may: ['reviewer'],
    body: textBody,
    answer: requestView,
  },
  answer: {
    method: 'post',
    path: '/api/requests/{id}/answers',
    summary: 'Answer, by the requester or who answers for it.',
    may: EVERYBODY,
    body: textBody,
    answer: requestView,
  },
  withdraw: {
    method: 'post',
    path: '/api/requests/{id}/withdraw',
    summary: 'Take it back, by the requester or who answers for it.',
    may: EVERYBODY,
    body: reasonBody,
    answer: requestView,
  },
  review: {
    method: 'post',
    path: '/api/requests/{id}/review',
    summary: 'Close the review of what ran by break-glass.',
    may: ['reviewer'],
    body: reviewBody,
    answer: requestView,
  },
  permits: {
    method: 'get',
    path: '/api/permits',
    summary: 'Standing approvals, newest first, with what each use did.',
    may: READERS,
    answer: permitsView,
  },
  revoke: {
    method: 'delete',
    path: '/api/permits/{id}',
    summary: 'Revoke one, at once: by an admin, a reviewer who could grant it, or who answers for its agent.',
    may: ['person'],
    body: reasonBody,
    answer: permitView,
  },
  sessions: {
    method: 'get',
    path: '/api/sessions',
    summary: 'Connections that are open now.',
    may: READERS,
    answer: sessionsView,
  },
  endSession: {
    method: 'delete',
    path: '/api/sessions/{id}',
    summary: 'End one; a request that it waits for stays, as a ticket.',
    may: ['admin'],
    answer: null,
  },
  audit: {
    method: 'get',
    path: '/api/audit',
    summary: 'The log, oldest first; sealed texts for auditors only. That it was read is on record.',
    may: ['auditor', 'admin'],
    query: auditQuery,
    answer: recordsView,
  },
  policy: {
    method: 'get',
    path: '/api/policy',
    summary: 'The policy in force, and how many statements each of its rules held, denied or observed since the start.',
    may: READERS,
    answer: policyView,
  },
} as const satisfies Readonly<Record<string, Operation>>;

export type OperationName = keyof typeof OPERATIONS;
export const OPERATION_NAMES = Object.keys(OPERATIONS) as readonly OperationName[];
/** The row as any other. */
export const operation = (name: OperationName): Operation => OPERATIONS[name];

/** Why this caller may not make this call; null: it may, as far as its kind and roles tell. */
export function barred(name: OperationName, viewer: ReviewerIdentity): ProblemName | null {
  const { may } = operation(name);
  if (may === 'anyone') return null;
  const kinds: readonly Kind[] = viewer.kind === 'agent' ? ['agent'] : ['person', ...viewer.roles];
  if (kinds.some((kind) => may.includes(kind))) return null;
  const decides = may.length === 1 && may[0] === 'reviewer';
  if (viewer.kind === 'agent') return decides ? 'not-a-person' : 'not-for-agents';
  return decides ? 'not-a-reviewer' : 'no-role';
}

/** OpenAPI 3.1, whose schemas are JSON Schema 2020-12, which zod prints as it is. */
export function openapi(url: string, version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const name of OPERATION_NAMES) {
    const row = operation(name);
    const inPath = [...row.path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => ({
      name: parameter,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    }));
    const inQuery = Object.entries(row.query?.shape ?? {}).map(([parameter, schema]) => {
      const { $schema: _, ...rest } = z.toJSONSchema(schema as z.ZodType, { io: 'input', unrepresentable: 'any' });
      return { name: parameter, in: 'query', schema: rest };
    });
    (paths[row.path] ??= {})[row.method] = {
      operationId: name,
      summary: row.summary,
      ...(row.may === 'anyone' ? { security: [] } : { description: `May: ${row.may.join(', ')}.` }),
      ...(inPath.length + inQuery.length > 0 ? { parameters: [...inPath, ...inQuery] } : {}),
      ...(row.body ? { requestBody: { required: true, content: content(row.body, 'input') } } : {}),
      responses: {
        ...(row.answer
          ? { 200: { description: 'Done.', content: content(row.answer) } }
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
      description: 'The stream is a WebSocket at /api/stream?since=<cursor>&sessions=true.',
    },
    servers: [{ url }],
    security: [{ cookie: [], csrf: [] }, { bearer: [] }],
    paths,
    components: {
      schemas: {
        Problem: content(problemView)['application/json'].schema,
        StreamDown: content(downMessage)['application/json'].schema,
        StreamUp: content(upMessage, 'input')['application/json'].schema,
      },
      securitySchemes: {
        cookie: { type: 'apiKey', in: 'cookie', name: '__Host-holdpoint' },
        csrf: { type: 'apiKey', in: 'header', name: 'X-Holdpoint-CSRF' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
    },
  };
}

function content(schema: z.ZodType, io: 'input' | 'output' = 'output') {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return { 'application/json': { schema: rest } };
}

/** For docs/generated/api.md. */
export function operationsTable(): string {
  const rows = OPERATION_NAMES.map((name) => {
    const { method, path, summary, may } = operation(name);
    return `| \`${method.toUpperCase()} ${path}\` | ${may === 'anyone' ? 'anyone' : may.join(', ')} | ${summary} |`;
  });
  return [
    "# The reviewers' API: who may call what",
    '',
    'Printed from `src/review/operations.ts`. `agent`: a token of an agent; `person`: any human; the others are roles. Whoever has no role',
    'reaches its own requests, and those of agents that it answers for.',
    '',
    '| call | who may | |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
