// identity.oidc in holdpoint.yaml: the provider with which reviewers sign in (OpenID Connect). Values only.
// Must never take a provider that is reached in clear, but on this machine, or put a secret's value into an error message.
import { z } from 'zod';
import { BadReference, expand, secretFile, type Sources } from './references.ts';

export interface OidcConfig {
  /** Exactly as the provider's own documents have it. */
  readonly issuer: string;
  readonly client_id: string;
  /** Null: a public client, with PKCE alone. */
  readonly client_secret: string | null;
  readonly scopes: readonly string[];
  /** The claim whose value says who it is. */
  readonly id_claim: string;
  /** The claim that lists groups. */
  readonly groups_claim: string;
  /** One of these the provider must say of how it was done (its acr); []: any. */
  readonly acr: readonly string[];
  /** One of these methods at least (its amr, RFC 8176); []: any. */
  readonly amr: readonly string[];
  /** The person proved it to the provider at most so many seconds ago; null: whenever. */
  readonly max_age_s: number | null;
  /** What it said of somebody's groups counts for a decision so many seconds; then it is asked again. */
  readonly groups_max_age_s: number;
  /** PEM text; null: the system's authorities. */
  readonly ca: string | null;
}

interface Parts {
  readonly sources: Sources;
  /** The content of the PEM file that a value names. */
  readonly pem: z.ZodType<string, string>;
  readonly using: <V, T>(read: (value: V) => T) => (value: V, context: z.RefinementCtx) => T;
}

/** Words without spaces, as they go into a request (RFC 6749 3.3). */
const WORD = /^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/;
const WORDS_MAX = 20;

/** `identity.oidc`, with references resolved. */
export function oidcSchema({ sources, pem, using }: Parts) {
  const word = z.string().regex(WORD, 'is not one word');
  const claim = z.string().min(1).max(200);
  return z
    .strictObject({
      issuer: z
        .string()
        .transform(using((value) => issuerUrl(expand(value, sources))))
        .describe('https://..., exactly as the provider spells it; http on a loopback address only'),
      client_id: z
        .string()
        .min(1)
        .transform(using((value) => expand(value, sources))),
      client_secret: z
        .string()
        .transform(using((value) => reference(value, sources)))
        .nullable()
        .default(null)
        .describe('${VARIABLE} or file:<path>; without it the client is a public one, with PKCE alone'),
      scopes: z
        .array(word)
        .max(WORDS_MAX)
        .default(['openid', 'profile'])
        .describe('what is asked for; openid is always among them'),
      id_claim: claim
        .default('sub')
        .describe(
          'says who it is, to be matched with `oidc` or id in users.yaml. Only sub is always theirs alone: a name or an address may be chosen by the person, or given to another later',
        ),
      groups_claim: claim.default('groups').describe('a list of names; each is the group oidc:<name> here'),
      acr: z
        .array(word)
        .max(WORDS_MAX)
        .default([])
        .describe('one of these classes is demanded of the provider, and looked for'),
      amr: z.array(word).max(WORDS_MAX).default([]).describe('one of these methods at least, such as mfa, hwk, otp'),
      max_age_s: z
        .int()
        .min(0)
        .max(30 * 86_400)
        .nullable()
        .default(null)
        .describe('the person proved it to the provider at most so long ago; 0: now'),
      groups_max_age_s: z
        .int()
        .min(0)
        .max(86_400)
        .default(900)
        .describe(
          'what it said of groups counts for decisions so long; then it is asked again, and where it does not tell, the person signs in again; 0: asked at each',
        ),
      ca: pem.nullable().default(null).describe("PEM file of the authorities to trust instead of the system's"),
    })
    .transform((given): OidcConfig => ({ ...given, scopes: [...new Set(['openid', ...given.scopes])] }));
}

function issuerUrl(text: string): string {
  if (!URL.canParse(text)) throw new BadReference('is no address: https://login.example');
  const { protocol, hostname, search, hash, username } = new URL(text);
  const here = hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
  if (protocol !== 'https:' && !(protocol === 'http:' && here))
    throw new BadReference('needs https; http is for a loopback address');
  if (search !== '' || hash !== '' || username !== '')
    throw new BadReference('is an address and nothing after or in it');
  return text;
}

function reference(text: string, sources: Sources): string {
  if (text.startsWith('file:')) return secretFile(text, sources);
  if (/^\$\{[^}]*\}$/.test(text)) return expand(text, sources);
  throw new BadReference('needs ${VARIABLE} or file:<path>, not the secret itself');
}
