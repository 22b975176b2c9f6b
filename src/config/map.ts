// identity.map in holdpoint.yaml: what a principal that a source of identities vouches for is here. Ordered; the first rule that fits counts, and
// whoever fits none, and is in users.yaml neither, does not get in.
import { z } from 'zod';
import { type OwnLogin, ownLoginSchema } from './own-login.ts';
import type { Sources } from './references.ts';

/** Sources that `identity.map` can go by: those whose principals users.yaml need not name. */
export const MAPPED_SOURCES = ['ldap', 'jwt', 'oidc', 'certificate'] as const;
export type MappedSource = (typeof MAPPED_SOURCES)[number];

/** The sponsor that the source itself names. */
export const CLAIMED_SPONSOR = '{sponsor}';

/** A group that is written with a source before it is that source's, and nobody else's to give. */
export const SOURCED_GROUP = new RegExp(`^(${MAPPED_SOURCES.join('|')}):`, 'i');
export const NOT_A_LOCAL_GROUP =
  'begins like a group of a source (ldap:, jwt:, oidc:, certificate:), which only that source gives';

export interface MapRule {
  readonly from: MappedSource;
  /** With its source before it; undefined: any. */
  readonly group?: string | undefined;
  /** `*` stands for any characters; undefined: any. */
  readonly id?: string | undefined;
  readonly as: {
    readonly kind: 'agent' | 'human';
    readonly roles: readonly ('reviewer' | 'auditor' | 'admin')[];
    /** An id, CLAIMED_SPONSOR, or null: nobody. */
    readonly sponsor: string | null;
    /** Further ones, local: without a source. */
    readonly groups: readonly string[];
    readonly people: readonly string[];
    readonly aliases: readonly string[];
    readonly upstream: OwnLogin | null;
  };
}

const RULES_MAX = 1000;
const PATTERN_CHARS_MAX = 255;

export function mapSchema(sources: Sources) {
  const names = z.array(z.string().min(1)).default([]);
  const rule = z
    .strictObject({
      from: z.enum(MAPPED_SOURCES).describe('who vouches for it'),
      group: z.string().min(1).optional().describe('a group it must be in, with its source: ldap:agents. Default: any'),
      id: z
        .string()
        .min(1)
        .max(PATTERN_CHARS_MAX)
        .optional()
        .describe('ids it is about; * stands for any characters. Default: all'),
      as: z.strictObject({
        kind: z.enum(['agent', 'human']).describe('only humans decide'),
        roles: z
          .array(z.enum(['reviewer', 'auditor', 'admin']))
          .default([])
          .describe('what a human may do in the console'),
        sponsor: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe(`id of the human who answers for it; ${CLAIMED_SPONSOR}: the one that the source names`),
        groups: z
          .array(
            z
              .string()
              .min(1)
              .refine((name) => !SOURCED_GROUP.test(name), NOT_A_LOCAL_GROUP),
          )
          .default([])
          .describe('local groups, beside those of its source'),
        people: names.describe('ids of the known people behind it: none of them may decide what it asks for'),
        aliases: names.describe('other accounts of the same person, likewise'),
        upstream: ownLoginSchema(sources)
          .nullable()
          .default(null)
          .describe("own login on the guarded server, instead of the listener's"),
      }),
    })
    .superRefine(({ from, group, as }, context) => {
      const wrong = (path: string[], message: string): void => context.addIssue({ code: 'custom', path, message });
      if (group !== undefined && !group.startsWith(`${from}:`))
        wrong(['group'], `needs ${from}: before it, as in ${from}:agents`);
      if (as.kind === 'agent' && as.roles.length > 0) wrong(['as', 'roles'], 'an agent can have none');
      if (/[{}]/.test(as.sponsor ?? '') && as.sponsor !== CLAIMED_SPONSOR)
        wrong(['as', 'sponsor'], `needs an id, or ${CLAIMED_SPONSOR}: no other claim says who answers for it`);
      if (as.kind === 'human' && group === undefined && as.roles.length > 0)
        wrong(['group'], `roles are given by group: everybody of ${from} would have them`);
    });
  return z.array(rule).max(RULES_MAX);
}
