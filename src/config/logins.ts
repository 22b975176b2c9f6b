// How agents may log in at a listener: `logins:` and `tls.clients:` of holdpoint.yaml, and what in them contradicts the rest of the file.
// Must never let a password be asked for in clear outside TLS, nor a way to log in be named that nothing stands behind.
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { z } from 'zod';
import { BadReference } from './references.ts';

/** Who can say whether a password that came in clear is right. */
export const CHECKERS = ['local', 'ldap', 'jwt'] as const;
export type CheckerName = (typeof CHECKERS)[number];

/** How whoever's name fits logs in. The first that fits counts, before anything is asked. */
export interface LoginRule {
  /** A name; `*` stands for any characters. */
  readonly user: string;
  /**
   * verifier: the protocol's own exchange with the verifier in users.yaml; certificate: no password; else who is asked about a password in clear,
   * in this order.
   */
  readonly by: 'verifier' | 'certificate' | readonly CheckerName[];
}

/** A PEM file, and where it is: it is read again when it changes. */
export interface PemFile {
  readonly file: string;
  readonly pem: string;
}

/** Certificates of agents. */
export interface ClientCertificates {
  readonly ca: PemFile;
  readonly crl: PemFile | null;
  /** Nobody is let in without one, however it logs in. */
  readonly required: boolean;
  /** How a principal's name is taken from a certificate's; the first that fits counts. */
  readonly names: readonly CertificateName[];
}

/** `san`: a SPIFFE ID or a DNS name, in which {name} stands for one segment or label. `user`: the principal's id, in which it may stand, too. */
export interface CertificateName {
  readonly san: string;
  readonly user: string;
}

/** Reads a PEM file. Throws BadReference. */
export type ReadPem = (value: string) => PemFile;

type Using = <V, T>(read: (value: V) => T) => (value: V, context: z.RefinementCtx) => T;

export const loginsSchema = () => {
  const name = z.enum(CHECKERS);
  const rule = z.strictObject({
    user: z
      .string()
      .min(1)
      .default('*')
      .describe('whose names it is for: a name, in which * stands for any characters'),
    by: z
      .union([
        z.enum(['verifier', 'certificate']),
        name.transform((one) => [one] as const),
        z.array(name).min(1).refine(isDistinct, 'names one twice'),
      ])
      .describe(
        "verifier: the protocol's own exchange with the verifier in users.yaml (SCRAM-SHA-256; caching_sha2_password); certificate: a client certificate, no password; else who is asked about a password sent inside TLS, in this order: local (the verifier in users.yaml), ldap, jwt",
      ),
  });
  return z.array(rule).min(1);
};

const isDistinct = (names: readonly string[]): boolean => new Set(names).size === names.length;

export const clientsSchema = ({ read, using }: { readonly read: ReadPem; readonly using: Using }) => {
  const pem = (check: (pem: string) => unknown, what: string) =>
    z
      .string()
      .min(1)
      .transform(
        using((value: string) => {
          const file = read(value);
          try {
            check(file.pem);
          } catch {
            throw new BadReference(`names ${file.file}, which is not ${what}`);
          }
          return file;
        }),
      );
  const pattern = z.string().superRefine((value, context) => {
    const why = badPattern(value);
    if (why !== null) context.addIssue({ code: 'custom', message: why });
  });
  const named = pattern
    .refine((value) => value.includes('{name}'), 'has no {name}: say {san: ..., user: ...} for a name of your own')
    .transform((san) => ({ san, user: '{name}' }));
  return z.strictObject({
    ca: pem((text) => new X509Certificate(text), 'a certificate').describe(
      'PEM file of the authorities that sign them',
    ),
    crl: pem((text) => createSecureContext({ crl: text }), 'a list of revoked certificates')
      .nullable()
      .default(null)
      .describe('PEM file of the revoked ones: a list of each authority in the chain; read again when it changes'),
    required: z.boolean().default(false).describe('true: nobody is let in without one, however it logs in'),
    names: z
      .array(
        z.union([
          named,
          z
            .strictObject({ san: pattern, user: z.string().min(1) })
            .refine(({ san, user }) => !user.includes('{name}') || san.includes('{name}'), 'its san has no {name}'),
        ]),
      )
      .min(1)
      .describe(
        "how a principal's name is taken from the certificate: spiffe://example.org/agent/{name}, or {name}.agents.example.org, or {san: ..., user: ...}; the first that fits counts",
      ),
  });
};

const SEGMENT = '(?:[A-Za-z0-9._-]|\\{name\\})+';
const LABEL = '(?:[a-z0-9-]|\\{name\\})+';
const SPIFFE = new RegExp(`^spiffe://[a-z0-9._-]+(?:/${SEGMENT})+$`);
const DNS = new RegExp(`^${LABEL}(?:\\.${LABEL})+$`);

const badPattern = (value: string): string | null => {
  if (value.split('{name}').length > 2) return 'has {name} twice';
  if (SPIFFE.test(value) || DNS.test(value)) return null;
  return 'needs a SPIFFE ID such as spiffe://example.org/agent/{name}, or a DNS name in lower case such as {name}.agents.example.org';
};

/** What of a listener's logins no single value is to blame for; keys below the listener. */
export const loginProblems = (
  server: {
    readonly auth?: string;
    readonly tls: { readonly clients: unknown } | null;
    readonly logins: readonly LoginRule[];
  },
  configured: (name: CheckerName) => boolean,
): { readonly key: readonly PropertyKey[]; readonly what: string }[] =>
  server.logins.flatMap(({ user, by }, index) => {
    const because = (what: string) => [{ key: ['logins', index, 'by'], what }];
    if (server.auth === 'relay' && !(user === '*' && by === 'verifier'))
      return because('is for auth: terminate; with relay the server asks for the proof');
    if (by === 'verifier') return [];
    if (by === 'certificate')
      return server.tls?.clients ? [] : because('needs tls.clients: the authorities that sign certificates of agents');
    if (server.tls === null) return because('needs tls: a password in clear is asked for inside TLS only');
    const missing = by.find((name) => !configured(name));
    return missing === undefined ? [] : because(`names ${missing}, but there is no identity.${missing}`);
  });
