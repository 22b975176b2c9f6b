// identity.jwt in holdpoint.yaml: whose tokens are passwords of databases, and what of them is believed. Must never leave an algorithm to
// what a token says, nor keys to a way that others can listen to or redirect.
import { z } from 'zod';
import { addressIn, isLocalName, reachOf } from './addresses.ts';
import { BadReference, expand, type Sources } from './references.ts';

/** The `iss` of Holdpoint's own tokens. */
export const OWN_ISSUER = 'holdpoint';
/** The audience of tokens that log in to a database, Holdpoint's own among them. */
export const DATABASE_AUDIENCE = 'holdpoint-db';

/** Signatures with a public key, of RFC 7518, 8037 and 9864. With a shared one (HS*) whoever can check a token can make one. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

const ISSUERS_MAX = 16;
const LIFETIME_MS_DEFAULT = 3_600_000;
/** Of any token, in ms: revocations of all tokens of somebody are kept for so long. */
export const LIFETIME_MS_MAX = 24 * 3_600_000;
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** Where in a token's claims something stands; null: nowhere, it is not read. */
export type ClaimPath = readonly [string, ...string[]];

export interface JwtIssuer {
  /** Exactly as in `iss`. */
  readonly issuer: string;
  readonly keys:
    | { readonly from: 'own' }
    /** `discovery`: the URL is of the issuer's metadata, which names where its keys are, on the same host. */
    | {
        readonly from: 'discovery' | 'jwks';
        readonly url: string /** PEM; null: the system's. */;
        readonly ca: string | null;
      }
    /** Absolute path. */
    | { readonly from: 'file'; readonly path: string };
  readonly algorithms: readonly string[];
  /** One of them must be in `aud`. */
  readonly audience: readonly string[];
  /** What the header's `typ` must be; null: JWT, at+jwt or nothing. */
  readonly type: string | null;
  /** From `iat` to `exp`, at most. */
  readonly lifetime_ms: number;
  readonly claims: {
    readonly user: ClaimPath;
    readonly groups: ClaimPath | null;
    readonly sponsor: ClaimPath;
    readonly task: ClaimPath;
    readonly on_behalf_of: ClaimPath;
  };
}

interface Parts {
  readonly sources: Sources;
  readonly text: z.ZodType<string, string>;
  /** An absolute path. */
  readonly path: z.ZodType<string, string>;
  readonly pem: z.ZodType<string, string>;
  readonly using: <V, T>(read: (value: V) => T) => (value: V, context: z.RefinementCtx) => T;
}

const NAME = z.string().min(1).max(200);
/** A claim's name, or the names on the way to one inside of others. */
const claim = (name: ClaimPath, what: string) =>
  z
    .union(
      [NAME.transform((one): ClaimPath => [one]), z.tuple([NAME], NAME)],
      "needs a claim's name, or a list of names that leads to it",
    )
    .default(name)
    .describe(what);

function issuerSchema({ sources, text, path, pem, using }: Parts) {
  const url = z
    .string()
    .min(1)
    .transform(using((value) => keysUrl(expand(value, sources)).href))
    .optional();
  return z
    .strictObject({
      issuer: text.describe(`the \`iss\` of its tokens, exactly; ${OWN_ISSUER}: those of 'holdpoint token --database'`),
      jwks: url.describe('https address of its keys (JWKS); default: as its metadata say, on the host of `issuer`'),
      file: path.optional().describe('a file with its keys (JWKS) instead; read again when it changes'),
      ca: pem.optional().describe("PEM file of the authorities to trust instead of the system's"),
      algorithms: z
        .array(z.enum(ALGORITHMS))
        .min(1)
        .optional()
        .describe('the signatures that it makes; whatever a token says, no others are looked at'),
      audience: z
        .union([text, z.array(text).min(1)])
        .transform((value) => [value].flat())
        .optional()
        .describe(`one of these must be in a token's \`aud\`; default: ${DATABASE_AUDIENCE}`),
      type: NAME.optional().describe("what a token's `typ` must be, such as at+jwt; default: JWT, at+jwt or nothing"),
      lifetime: z
        .string()
        .regex(/^[1-9]\d{0,5}[smh]$/, 'needs a time such as 15m or 1h')
        .transform((value) => Number(value.slice(0, -1)) * (UNITS[value.slice(-1)] as number))
        .refine((ms) => ms <= LIFETIME_MS_MAX, 'is more than 24h')
        .default(LIFETIME_MS_DEFAULT)
        .describe('a token that is good for longer is refused; default 1h'),
      claims: z
        .strictObject({
          user: claim(['sub'], 'must be the name that the agent logs in with; default sub'),
          groups: claim(['groups'], 'a list of groups, known as jwt:<name>; null: not read').nullable(),
          sponsor: claim(['sponsor'], 'who answers for the agent; where it is missing, act.sub'),
          task: claim(['task'], 'what the agent is to do'),
          on_behalf_of: claim(['on_behalf_of'], 'whose work it is: they may not decide about it'),
        })
        .optional(),
    })
    .superRefine((one, context) => {
      for (const [key, message] of faults(one)) context.addIssue({ code: 'custom', path: [key], message });
    })
    .transform(({ issuer, jwks, file, ca = null, algorithms = [], audience, type, lifetime, claims }): JwtIssuer => {
      const own = issuer === OWN_ISSUER;
      const keys: JwtIssuer['keys'] = own
        ? { from: 'own' }
        : file !== undefined
          ? { from: 'file', path: file }
          : jwks !== undefined
            ? { from: 'jwks', url: jwks, ca }
            : { from: 'discovery', url: metadataUrl(issuer), ca };
      return {
        issuer,
        keys,
        algorithms: own ? ['EdDSA'] : algorithms,
        audience: audience ?? [DATABASE_AUDIENCE],
        type: own ? OWN_TYPE : (type ?? null),
        lifetime_ms: lifetime,
        claims: claims ?? CLAIMS,
      };
    });
}

/** Explicit typing (RFC 8725, 3.11): no other token of ours is one of these. */
export const OWN_TYPE = 'holdpoint-db+jwt';
const CLAIMS: JwtIssuer['claims'] = {
  user: ['sub'],
  groups: ['groups'],
  sponsor: ['sponsor'],
  task: ['task'],
  on_behalf_of: ['on_behalf_of'],
};

interface Raw {
  readonly issuer: string;
  readonly jwks?: unknown;
  readonly file?: unknown;
  readonly ca?: unknown;
  readonly algorithms?: unknown;
  readonly audience?: unknown;
  readonly type?: unknown;
  readonly claims?: unknown;
}

function* faults(one: Raw): Generator<readonly [key: keyof Raw, what: string]> {
  if (one.issuer === OWN_ISSUER) {
    for (const key of ['jwks', 'file', 'ca', 'algorithms', 'audience', 'type', 'claims'] as const)
      if (one[key] !== undefined) yield [key, "is Holdpoint's own to say; remove it"];
    return;
  }
  if (one.algorithms === undefined)
    yield ['algorithms', 'is required: the signatures that this issuer makes, such as [RS256]'];
  if (one.jwks !== undefined && one.file !== undefined) yield ['file', 'cannot stand beside jwks'];
  if (one.ca !== undefined && one.file !== undefined) yield ['ca', 'is not looked at with file'];
  if (one.jwks === undefined && one.file === undefined) {
    try {
      keysUrl(one.issuer);
    } catch (error) {
      yield ['issuer', `${(error as Error).message}; or say by jwks or file where its keys are`];
    }
  }
}

/** Where keys may be had: https, and http from this machine itself. Throws BadReference. */
export function keysUrl(value: string): URL {
  if (!URL.canParse(value)) throw new BadReference('is not an address such as https://login.example');
  const url = new URL(value);
  if (url.username !== '' || url.password !== '') throw new BadReference('has a user or a password in it');
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isThisMachine(url)))
    throw new BadReference('needs https; http only on a loopback address');
  return url;
}

function isThisMachine(url: URL): boolean {
  const address = addressIn(url);
  return address === null ? isLocalName(url.hostname) : reachOf(address) === 'loopback';
}

/** OpenID Connect Discovery 1.0, 4: after the issuer's path. */
function metadataUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
}

/** All issuers. */
export function jwtSchema(parts: Parts) {
  return z
    .array(issuerSchema(parts))
    .max(ISSUERS_MAX)
    .superRefine((issuers, context) => {
      for (const [index, { issuer }] of issuers.entries()) {
        const first = issuers.findIndex((other) => other.issuer === issuer);
        if (first < index)
          context.addIssue({ code: 'custom', path: [index, 'issuer'], message: `is also jwt[${first}].issuer` });
      }
    });
}
