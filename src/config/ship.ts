// audit.ship in holdpoint.yaml: where the log's records are sent to, and whether forwarding waits for that. Must never put a secret's value
// into an error message.
import { z } from 'zod';
import { addressIn, isLocalName, reachOf } from './addresses.ts';
import { BadReference, expand, hostPort, secretFile, type Sources } from './references.ts';
import type { webhookParts } from './webhooks.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const SHIP_MAX = 10;
const HEADERS_MAX = 10;
const BLOCK_AFTER_MS = { min: 10_000, max: 7 * 24 * 3_600_000 } as const;
const AGE_MS = { min: 10, max: 60_000 } as const;
/** What we set ourselves, or what would change where a message ends. */
const OWN_HEADERS = ['content-type', 'content-length', 'content-encoding', 'transfer-encoding', 'connection', 'host'];

export interface Parts {
  readonly sources: Sources;
  /** The content of the PEM file that a value names. */
  readonly pem: z.ZodType<string, string>;
  readonly using: <V, T>(read: (value: V) => T) => (value: V, context: z.RefinementCtx) => T;
  /** url, allow_private and ca, as webhooks have them. */
  readonly posted: ReturnType<typeof webhookParts>;
}

function duration({ min, max }: { readonly min: number; readonly max: number }) {
  return z
    .string()
    .regex(/^\d{1,6}(ms|s|m|h)$/, 'a duration is a whole number and a unit: 500ms, 1s, 5m, 1h')
    .transform((value) => Number.parseInt(value, 10) * UNIT_MS[/[a-z]+$/.exec(value)?.[0] as keyof typeof UNIT_MS])
    .refine((ms) => ms >= min && ms <= max, `is not between ${min} ms and ${max} ms`);
}

/** `audit.ship`. */
export function shipSchema({ sources, pem, using, posted }: Parts) {
  const { url, allow_private, ca } = posted.shape;
  const secret = z
    .string()
    .min(1)
    .transform(
      using((value) => headerValue(value.startsWith('file:') ? secretFile(value, sources) : expand(value, sources))),
    );
  const common = {
    name: z
      .string()
      .regex(/^[a-z][a-z0-9_-]{0,62}$/, 'needs a short lower-case name such as siem')
      .describe('its own; its cursor is kept in data/ship/<name>.json'),
    format: z
      .enum(['jsonl', 'ocsf'])
      .default('jsonl')
      .describe('jsonl: records as they stand in the log, sealed parts sealed; ocsf: as OCSF events, without them'),
    from: z
      .enum(['beginning', 'now'])
      .default('beginning')
      .describe(
        'where a new destination begins: with the first record that the log has, or with what happens from then on',
      ),
    block_after: duration(BLOCK_AFTER_MS)
      .nullable()
      .default(null)
      .describe(
        'nothing is forwarded (ZH005) while records wait for this destination for longer; default: shipping never stops anything',
      ),
    batch: z
      .strictObject({
        records: z.int().min(1).max(10_000).default(1000),
        bytes: z
          .int()
          .min(KIB)
          .max(16 * MIB)
          .default(MIB)
          .describe('before gzip; one record may be more'),
        age: duration(AGE_MS).prefault('1s').describe('how long a record waits for others to be sent with'),
      })
      .prefault({})
      .describe('what is sent at once, at most'),
    allow_private,
    ca,
  };
  const http = posted.check(
    z.strictObject({
      ...common,
      url: url.describe('where batches are posted, one record a line: https; http only with allow_private'),
      headers: z
        .record(z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'is no name of a header'), secret)
        .default({})
        .refine((all) => Object.keys(all).length <= HEADERS_MAX, `has more than ${HEADERS_MAX}`)
        .refine(
          (all) => !Object.keys(all).some((one) => OWN_HEADERS.includes(one.toLowerCase())),
          `names one that Holdpoint sets itself: ${OWN_HEADERS.join(', ')}`,
        )
        .describe(
          'sent with each batch, such as Authorization: "Bearer ${TOKEN}"; values may be ${NAME} or file:<path>',
        ),
      content_type: z
        .string()
        .regex(/^[\w.+-]+\/[\w.+-]+(; ?[\w-]+=[\w.+-]+)*$/, 'is no content type')
        .default('application/x-ndjson'),
      gzip: z.boolean().default(false).describe('compress what is posted'),
    }),
  );
  const syslog = z
    .strictObject({
      ...common,
      syslog: z
        .string()
        .transform(using((value) => hostPort(expand(value, sources), 6514)))
        .describe('host:port of a syslog server with TLS (RFC 5425); default port 6514'),
      client: z
        .strictObject({ cert: pem, key: pem })
        .nullable()
        .default(null)
        .describe('PEM files of a certificate and its key, where the server asks for one'),
    })
    .superRefine(({ syslog: { host }, allow_private: may }, context) => {
      const problem = hostProblem(host, may);
      if (problem !== null) context.addIssue({ code: 'custom', path: ['syslog'], message: problem });
    });
  return z
    .array(z.union([http, syslog]))
    .max(SHIP_MAX)
    .refine((all) => new Set(all.map((one) => one.name)).size === all.length, 'names one twice')
    .default([])
    .describe('where the log is shipped to, record by record, at least once');
}

type Place = { readonly host: string; readonly port: number };

/** Where a destination is; a syslog server's as the URL that the same rules are asked about. */
export function shipUrl(to: { readonly url: string } | { readonly syslog: Place }): URL {
  return 'url' in to ? new URL(to.url) : syslogUrl(to.syslog);
}

function syslogUrl({ host, port }: Place): URL {
  return new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}/`);
}

function hostProblem(host: string, allow_private: boolean): string | null {
  if (!URL.canParse(`https://${host.includes(':') ? `[${host}]` : host}/`))
    return 'has no host that could be connected to';
  const url = syslogUrl({ host, port: 1 });
  const address = addressIn(url);
  const reach = address === null ? (isLocalName(url.hostname) ? 'loopback' : 'public') : reachOf(address);
  if (reach === 'special') return 'names an address that nothing may be sent to';
  if (reach !== 'public' && !allow_private) return `names a ${reach} address; set allow_private: true if that is meant`;
  return null;
}

function headerValue(value: string): string {
  if (!/^[\x20-\x7e]+$/.test(value)) throw new BadReference('is empty, or has what may not stand in a header');
  return value;
}
