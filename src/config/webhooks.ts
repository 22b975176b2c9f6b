// chat.webhooks in holdpoint.yaml: where events go, signed with what. Must never put a secret's value into an error message.
import { z } from 'zod';
import { addressIn, isLocalName, reachOf } from './addresses.ts';
import { BadReference, expand, secretFile, type Sources } from './references.ts';

/** Every event that a webhook may be sent: the records of the same names. */
export const WEBHOOK_EVENTS = [
  'request.opened',
  'request.held',
  'request.ticket',
  'request.impact',
  'request.asked',
  'request.answered',
  'request.escalated',
  'request.changed',
  'request.decided',
  'request.broke_glass',
  'request.reviewed',
  'request.withdrawn',
  'request.expired',
  'request.released',
  'request.returned',
  'request.executed',
  'request.failed',
  'request.outcome_unknown',
  'request.lapsed',
  'permit.granted',
  'permit.used',
  'permit.use_ended',
  'permit.revoked',
  'policy.loaded',
  'policy.refused',
] as const;

/** Of a secret: 192 bits, and at most 512 (Standard Webhooks, "Signature scheme"). */
const SECRET_BYTES = { min: 24, max: 64 } as const;
const SECRETS_MAX = 2;
const WEBHOOKS_MAX = 20;

interface Parts {
  readonly sources: Sources;
  /** The content of the PEM file that a value names. */
  readonly pem: z.ZodType<string, string>;
  readonly using: <V, T>(read: (value: V) => T) => (value: V, context: z.RefinementCtx) => T;
}

/** Where something is posted and what signs it; `check` looks at the two together. */
export function webhookParts({ sources, pem, using }: Parts) {
  return {
    shape: {
      url: z
        .string()
        .min(1)
        .transform(using((value) => webhookUrl(expand(value, sources))))
        .describe('where events are posted: https; http only with allow_private'),
      secret: z
        .union([z.string(), z.array(z.string()).min(1).max(SECRETS_MAX)], 'needs a secret, or a list of at most two')
        .transform(using((value) => [value].flat().map((one) => webhookSecret(one, sources))))
        .describe(
          'what signs: whsec_ and base64 of 24 to 64 bytes, or a text of at least 24 characters; ${NAME} or file:<path>. Two of them while one is replaced by the other',
        ),
      allow_private: z
        .boolean()
        .default(false)
        .describe('the receiver may be on this machine or a private network, and use http there'),
      ca: pem.nullable().default(null).describe("PEM file of the authorities to trust instead of the system's"),
    },
    check: <T extends z.ZodType<{ readonly url: string; readonly allow_private: boolean }>>(schema: T): T =>
      schema.superRefine(({ url, allow_private }, context) => {
        const problem = webhookUrlProblem(url, allow_private);
        if (problem !== null) context.addIssue({ code: 'custom', path: ['url'], message: problem });
      }),
  };
}

/** One webhook. */
function webhookSchema(parts: Parts) {
  const { shape, check } = webhookParts(parts);
  const { allow_private, ca, ...posted } = shape;
  return check(
    z.strictObject({
      name: z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/, 'needs a short lower-case name such as pager'),
      ...posted,
      events: z
        .array(z.string().refine(isPattern, 'is no event; see docs/webhooks.md'))
        .min(1)
        .default(['*'])
        .describe('which: request.opened, request.*, permit.*, policy.*; default: all'),
      allow_private,
      ca,
      text: z
        .boolean()
        .default(false)
        .describe("send the statement's text, its parameters and the agent's reason, too"),
      words: z
        .boolean()
        .default(false)
        .describe("send reviewers' rationales, questions and answers, too: they may quote data"),
    }),
  );
}

/** All of them. */
export function webhooksSchema(parts: Parts) {
  return z
    .array(webhookSchema(parts))
    .max(WEBHOOKS_MAX)
    .superRefine((hooks, context) => {
      for (const [index, { name }] of hooks.entries()) {
        const first = hooks.findIndex((other) => other.name === name);
        if (first < index)
          context.addIssue({
            code: 'custom',
            path: [index, 'name'],
            message: `'${name}' is also webhooks[${first}].name`,
          });
      }
    });
}

/** Why nothing may be sent there, as far as its text tells; names are resolved when something is sent. */
function webhookUrlProblem(url: string, allow_private: boolean): string | null {
  const parsed = new URL(url);
  const address = addressIn(parsed);
  const reach = address === null ? (isLocalName(parsed.hostname) ? 'loopback' : 'public') : reachOf(address);
  if (reach === 'special') return 'names an address that nothing may be sent to';
  if (reach !== 'public' && !allow_private) return `names a ${reach} address; set allow_private: true if that is meant`;
  if (parsed.protocol === 'https:') return null;
  if (!allow_private) return 'needs https; http only to a private address, with allow_private: true';
  return address !== null && reach === 'public' ? 'needs https: the address is public' : null;
}

function webhookUrl(value: string): string {
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    throw new BadReference('is not an address such as https://hooks.example/holdpoint');
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new BadReference('is neither https nor http');
  if (url.username !== '' || url.password !== '')
    throw new BadReference('has a user or a password in it; the signature says who sends');
  url.hash = '';
  return url.href;
}

function isPattern(pattern: string): boolean {
  return pattern === '*' || WEBHOOK_EVENTS.some((event) => event === pattern || pattern === `${event.split('.')[0]}.*`);
}

/** As the Standard Webhooks libraries take it: `whsec_` and base64, or the text itself. */
function webhookSecret(value: string, sources: Sources): string {
  const secret = value.startsWith('file:') ? secretFile(value, sources) : expand(value, sources);
  const base64 = secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : null;
  if (
    base64 !== null &&
    Buffer.from(base64, 'base64').toString('base64').replace(/=+$/, '') !== base64.replace(/=+$/, '')
  )
    throw new BadReference('begins with whsec_ and goes on with what is not base64');
  const bytes = base64 === null ? secret.length : Buffer.from(base64, 'base64').length;
  if (bytes < SECRET_BYTES.min)
    throw new BadReference(`is too short: ${SECRET_BYTES.min} ${base64 === null ? 'characters' : 'bytes'} at least`);
  if (base64 !== null && bytes > SECRET_BYTES.max)
    throw new BadReference(`is too long: the standard has ${SECRET_BYTES.max} bytes at most`);
  return secret;
}
