// The shape of holdpoint.yaml: what may stand in it, what each part defaults to, and what is made of it. Values only; reading the file and
// naming lines is config.ts's work. A key that nothing reads yet must be refused here, never ignored.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { checkpointShape } from './anchors.ts';
import { jwtSchema } from './jwt.ts';
import { LIMITS, type LimitName, type Limits } from './limits.ts';
import { oidcSchema } from './oidc.ts';
import { ldapSchema } from './ldap.ts';
import { mapSchema } from './map.ts';
import { BadReference, expand, hostPort, type Sources, MYSQL, POSTGRES, upstreamAddress } from './references.ts';
import { clientsSchema, loginsSchema, type PemFile } from './logins.ts';
import { secretSchema } from './own-login.ts';
import { shipSchema } from './ship.ts';
import { webhookParts, webhooksSchema } from './webhooks.ts';

/** Parts of the design that this release does not have. A file that names one is refused with 'not in this release'. */
export const NOT_IN_THIS_RELEASE: readonly { readonly path: readonly string[]; readonly value?: string }[] = [
  { path: ['chat', 'slack'] },
  { path: ['chat', 'teams'] },
  { path: ['metrics'] },
  { path: ['store'], value: 'postgres' },
];

export type RawConfig = z.output<ReturnType<typeof configSchema>>;

/** The schema with references resolved from `sources`; its input side is what docs/generated/holdpoint.schema.json publishes. */
export function configSchema(sources: Sources) {
  const text = z
    .string()
    .min(1)
    .transform(using((value) => expand(value, sources)));
  const path = z
    .string()
    .min(1)
    .transform(using((value) => resolve(sources.dir, expand(value, sources))));
  const address = z.string().transform(using((value) => hostPort(expand(value, sources), null)));
  const pem = z
    .string()
    .min(1)
    .transform(using((value) => readPem(value, sources).pem));
  const tls = z.strictObject({
    cert: pem.describe('PEM file: the certificate, then its chain'),
    key: pem.describe('PEM file: its private key'),
  });

  const agents_tls = tls.extend({
    clients: clientsSchema({ read: (value) => readPem(value, sources), using })
      .nullable()
      .default(null)
      .describe("agents' certificates"),
  });

  const upstream_tls = z
    .strictObject({
      mode: z.enum(['disable', 'require', 'verify-ca', 'verify-full']),
      ca: pem.nullable().default(null).describe("PEM file of the authorities to trust instead of the system's"),
    })
    .optional()
    .describe('default: disable on a loopback address, verify-full elsewhere');
  const guarded = {
    name: z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/, 'needs a short lower-case name such as app'),
    listen: address.describe('where agents connect, host:port'),
    tls: agents_tls.nullable().default(null).describe("the agents' side"),
    logins: loginsSchema()
      .default([{ user: '*', by: 'verifier' }])
      .describe('how agents log in, by their names; the first that fits counts. Default: by verifier'),
    upstream_tls,
    tags: z.record(z.string(), text).default({}).describe('facts that rules may ask for, such as env: prod'),
  };

  const catalog = (what: string) =>
    z
      .union([z.literal('none'), z.strictObject({ user: text, password: text })])
      .optional()
      .describe(what);

  const postgres = z.strictObject({
    ...guarded,
    upstream: z
      .string()
      .transform(using((value) => upstreamAddress(value, sources, POSTGRES)))
      .describe('postgres://user:${PASSWORD}@host:port/database, the server that is guarded'),
    auth: z
      .enum(['terminate', 'relay'])
      .default('terminate')
      .describe('terminate: Holdpoint logs agents in itself; relay: for demos, the server does, through Holdpoint'),
    catalog: catalog(
      "login that reads the database's catalog, with no rights but CONNECT; default: that of upstream. none: nobody does, and what users made there (functions, operators, types) is unknown and held",
    ),
  });

  const mysql = z.strictObject({
    ...guarded,
    upstream: z
      .string()
      .transform(using((value) => upstreamAddress(value, sources, MYSQL)))
      .describe('mysql://user:${PASSWORD}@host:port/database, the MySQL or MariaDB server that is guarded'),
    allow_untested_version: z
      .boolean()
      .default(false)
      .describe(
        'take servers other than MySQL 8.0 to 9.x and MariaDB 10.6 to 11.8, whose SQL may mean what nobody has tried',
      ),
    catalog: catalog(
      "login that reads the server's catalog, with SELECT, SHOW VIEW, TRIGGER and PROCESS on *.*, and SHOW_ROUTINE on MySQL; default: that of upstream. What it may not see is told at the start. none: nobody does, and functions and procedures that users made are unknown and held",
    ),
  });

  const posted = webhookParts({ sources, pem, using });
  return z.strictObject({
    data: path.describe('folder of the audit log, keys and state'),
    policy: path.describe('the policy file'),
    postgres: z.array(postgres).default([]),
    mysql: z.array(mysql).default([]),
    review: z.strictObject({
      listen: address.describe('console and API, host:port'),
      url: z
        .url({ protocol: /^https?$/, error: 'needs the http(s) address that reviewers open' })
        .optional()
        .describe('the address reviewers open; default: http(s)://<listen>'),
      tls: tls.nullable().default(null),
      sign_in: z
        .array(z.enum(['local', 'ldap']))
        .min(1)
        .max(2)
        .refine((names) => new Set(names).size === names.length, 'names one twice')
        .default(['local'])
        .describe(
          'who is asked about a password at a sign-in, in this order: local (users.yaml), ldap (identity.ldap)',
        ),
    }),
    identity: z.strictObject({
      users: path.describe('users.yaml'),
      unsponsored: z
        .enum(['refuse', 'allow'])
        .default('refuse')
        .describe('agents without a sponsor: may they have anything approved?'),
      oidc: oidcSchema({ sources, pem, using }).optional().describe('the provider with which reviewers sign in'),
      second_factor: z
        .enum(['required', 'optional'])
        .default('optional')
        .describe(
          'for who signs in to the console with a password: must there be one? One that an account has is always asked for',
        ),
      ldap: ldapSchema({ sources, pem, using }).optional().describe('a directory that says who there is'),
      jwt: jwtSchema({ sources, text, path, pem, using })
        .default([])
        .describe('whose tokens are passwords of databases'),
      map: mapSchema(sources)
        .default([])
        .describe('what principals of a source are who are not in users.yaml; the first rule that fits counts'),
    }),
    audit: z
      .strictObject({
        allowed: z
          .enum(['async', 'sync'])
          .default('async')
          .describe('sync: an allowed statement also waits until its record is durable'),
        master_key: secretSchema(sources, 'key')
          .nullable()
          .default(null)
          .describe(
            'what the keys of sealed texts are wrapped with, 32 bytes in hex or base64: ${VARIABLE}, file:<path>, or {command: [program, argument, ...]}. Read once, at the start',
          ),
        ...checkpointShape({ path, posted }),
        ship: shipSchema({ sources, pem, using, posted }),
      })
      .prefault({}),
    chat: z
      .strictObject({
        webhooks: webhooksSchema({ sources, pem, using }).default([]).describe('where events are posted'),
      })
      .default({ webhooks: [] }),
    store: z.literal('memory').default('memory'),
    mode: z
      .enum(['enforce', 'observe'])
      .default('enforce')
      .describe('observe: what would be held or denied by policy is recorded as that, and runs'),
    limits: limits(),
  });
}

function limits() {
  const names = Object.keys(LIMITS) as LimitName[];
  const shape = Object.fromEntries(
    names.map((name) => {
      const row = LIMITS[name];
      return [name, z.int().min(row.min).max(row.max).default(row.default).describe(row.text)];
    }),
  ) as Record<LimitName, z.ZodDefault<z.ZodInt>>;
  return z.strictObject(shape).prefault({}) as z.ZodType<Limits, Partial<Limits> | undefined>;
}

/** A transformation whose BadReference becomes an issue at the value it was found in. */
function using<V, T>(read: (value: V) => T) {
  return (value: V, context: z.RefinementCtx): T => {
    try {
      return read(value);
    } catch (error) {
      if (!(error instanceof BadReference)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  };
}

function readPem(value: string, sources: Sources): PemFile {
  const file = resolve(sources.dir, expand(value, sources));
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (error) {
    throw new BadReference(
      `names ${file}, which cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
    );
  }
  if (!pem.includes('-----BEGIN ')) throw new BadReference(`names ${file}, which is not a PEM file`);
  return { file, pem };
}
