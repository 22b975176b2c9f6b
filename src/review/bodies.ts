// What the reviewers' API takes, as schemas that validate it and print themselves as OpenAPI.
// Strict objects everywhere: a field that the API does not know is refused, never ignored.
import { z } from 'zod';

/** Characters that somebody's words may have here; the desk may be stricter. */
const WORDS_CHARS_MAX = 10_000;
const NAME_CHARS_MAX = 200;
const PASSWORD_CHARS_MAX = 1_000;
/** An address. */
const ISSUER_CHARS_MAX = 2_000;
const ENCODED_CHARS_MAX = 20_000;
/** Of a statement that is asked for first; the body's own limit is 64 KiB. */
const SQL_CHARS_MAX = 60_000;
const PARAMETERS_MAX = 1_000;
export const LIST_MAX = 500;
export const RECORDS_MAX = 500;
/** An agent's token lives at most that long, in ms. */
export const AGENT_TOKEN_MS_MAX = 24 * 3_600_000;
const TASK_CHARS_MAX = 500;
const ON_BEHALF_OF_MAX = 8;
const PERMIT_MS_MAX = 366 * 24 * 3_600_000;

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "15m", or milliseconds; becomes milliseconds. */
const duration = (ms_max: number) =>
  z
    .union([
      z.int().min(1).describe('Milliseconds.'),
      z
        .string()
        .regex(/^\d{1,6}[smhd]$/)
        .describe('A whole number of seconds, minutes, hours or days: 30s, 15m, 8h, 7d.'),
    ])
    .transform((given) =>
      typeof given === 'number' ? given : Number(given.slice(0, -1)) * (UNITS[given.slice(-1)] as number),
    )
    .refine((ms) => ms > 0 && ms <= ms_max, `must be more than nothing and at most ${ms_max / 3_600_000} h`);

const words = z.string().max(WORDS_CHARS_MAX);
const name = z.string().min(1).max(NAME_CHARS_MAX);

/** Base64url of a browser; the longest is an attestation. */
const encoded = z.string().min(1).max(ENCODED_CHARS_MAX);
// As the browser's own toJSON() writes them. Not strict: what browsers put beside that is for others, and left out.
const assertion = z.object({
  id: encoded,
  rawId: encoded,
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: encoded,
    authenticatorData: encoded,
    signature: encoded,
    userHandle: encoded.nullish().transform((given) => given ?? undefined),
  }),
  clientExtensionResults: z.object({}),
});
const attestation = z.object({
  id: encoded,
  rawId: encoded,
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: encoded,
    attestationObject: encoded,
    transports: z.array(z.string().max(NAME_CHARS_MAX)).max(10).default([]),
  }),
  clientExtensionResults: z.object({}),
});

export const loginBody = z.strictObject({
  user: name,
  password: z.string().min(1).max(PASSWORD_CHARS_MAX),
  otp: z.string().min(1).max(64).optional().describe('A code of the authenticator app, or a recovery code.'),
  webauthn: assertion.optional().describe("A security key's answer to what the problem second-factor asked."),
});

export const keyBody = z.strictObject({ name: words.min(1).max(64), answer: attestation });

/** A bearer token is had for a password, for a one-time link's token, or, by who answers for it, for an agent. */
export const tokenBody = z.union([
  loginBody,
  z.strictObject({ link: name.describe('The part of a sign-in link after /in/.') }),
  z.strictObject({
    for: name.describe('An agent; only its sponsor or an admin gets it one.'),
    ttl: duration(AGENT_TOKEN_MS_MAX).default(15 * 60_000),
  }),
  z.strictObject({
    for: name,
    database: z.literal(true).describe('The password of a login to a database, and nothing here.'),
    ttl: duration(AGENT_TOKEN_MS_MAX).default(15 * 60_000),
    task: z.string().min(1).max(TASK_CHARS_MAX).optional().describe('What the agent is to do.'),
    on_behalf_of: z
      .array(name)
      .max(ON_BEHALF_OF_MAX)
      .default([])
      .describe('Whose work it is: they may not decide about it.'),
  }),
]);

/** Of one token; of all of an agent. */
export const revokeTokenBody = z.strictObject({ reason: words.default('') });
export const revokeTokensBody = z.union([
  z.strictObject({
    for: name.describe('All that were got until now, also from other issuers.'),
    reason: words.default(''),
  }),
  z.strictObject({
    issuer: z.string().min(1).max(ISSUER_CHARS_MAX).describe("Another issuer's `iss`, exactly."),
    id: z.string().min(1).max(NAME_CHARS_MAX).describe("The token's `jti`."),
    reason: words.default(''),
  }),
]);
export const rotateBody = z.strictObject({
  drop: z.boolean().default(false).describe('What older keys signed is void at once.'),
});

export const decisionBody = z.strictObject({
  decision: z.enum(['approve', 'deny']),
  digest: z.string().min(1).max(128).describe('The digest that the reviewer was shown.'),
  revision: z.int().min(1).describe('The revision that the reviewer was shown.'),
  rationale: words.default(''),
  permit: z
    .strictObject({
      for: duration(PERMIT_MS_MAX),
      uses: z.int().min(1),
      rows: z.int().min(1).describe('Of each use.'),
    })
    .optional()
    .describe('With an approval: of all that are like it, within the bounds of its rule.'),
});

export const textBody = z.strictObject({ text: words.min(1) });
export const reasonBody = z.strictObject({ reason: words.default('') });
export const reviewBody = z.strictObject({ rationale: words });

export const askFirstBody = z.strictObject({
  upstream: name.describe('The name of the guarded server, as in the configuration.'),
  sql: z.string().min(1).max(SQL_CHARS_MAX).describe('Exactly as it will be sent.'),
  params: z
    .array(z.strictObject({ type: z.string().max(NAME_CHARS_MAX).default('text'), value: z.string().nullable() }))
    .max(PARAMETERS_MAX)
    .default([]),
  reason: words.min(1).describe('Who needs it, what for, until when.'),
});

export const requestId = z.string().regex(/^HP-[0-9A-Z]{1,16}$/);

export const LIST_STATES = [
  'open',
  'decided',
  'all',
  'asked',
  'approved',
  'denied',
  'expired',
  'withdrawn',
  'released',
  'executed',
  'failed',
  'outcome_unknown',
  'lapsed',
  'review',
] as const;

const cursor = z.string().regex(/^[\w-]{1,200}$/);

export const listQuery = z.strictObject({
  state: z
    .enum(LIST_STATES)
    .default('open')
    .describe('open: undecided, asked or not; decided: all others; review: run by break-glass and not looked at yet.'),
  group: z.string().max(64).optional().describe('The group of another request: of the same agent, rule and shape.'),
  requester: name.optional(),
  rule: name.optional(),
  upstream: name.optional(),
  limit: z.coerce.number().int().min(1).max(LIST_MAX).default(100),
  before: cursor.optional().describe('The `next` of an answer: those that are older.'),
  after: cursor.optional().describe('The same: those that are newer.'),
});

export const auditQuery = z.strictObject({
  from: z.iso.datetime({ offset: true }).optional().describe('Not before this time.'),
  to: z.iso.datetime({ offset: true }).optional().describe('Before this time.'),
  type: z.string().max(64).optional().describe('A record type, or its beginning with a dot at the end: "request.".'),
  who: name.optional().describe('Whoever sent, asked, decided or read.'),
  request: requestId.optional(),
  cursor: z.coerce.number().int().min(1).optional().describe('The `next` of an answer: a sequence number.'),
  limit: z.coerce.number().int().min(1).max(RECORDS_MAX).default(100),
});

const upId = z.union([z.string().max(64), z.int()]).describe('Chosen by the client; the result carries it.');
const up = { id: upId, request: requestId };

/** What a client sends up the stream. */
export const upMessage = z.discriminatedUnion('type', [
  z.strictObject({ ...up, type: z.literal('decide'), ...decisionBody.shape }),
  z.strictObject({ ...up, type: z.literal('ask'), ...textBody.shape }),
  z.strictObject({ ...up, type: z.literal('answer'), ...textBody.shape }),
]);

export type DecisionBody = z.input<typeof decisionBody>;
export type AskFirstBody = z.input<typeof askFirstBody>;
export type ListQuery = z.input<typeof listQuery>;
export type AuditQuery = z.input<typeof auditQuery>;
