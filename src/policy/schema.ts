// The policy file's shape: one zod schema that validates it and from which the published JSON Schema is printed.
// A key that this release does not act on is refused, never ignored: a rule must not look stricter than it is.
import { isMap, isNode, isScalar, parseDocument, type Document, type Node } from 'yaml';
import { z } from 'zod';
import { ASK_KEYS, askSchema, misfits } from './ask.ts';
import { hint, Source } from './source.ts';
import type { PolicyError } from './types.ts';
import { duration, durationMs, strict, text } from './values.ts';

/** A policy is read whole, at start and at each change. */
export const POLICY_BYTES_MAX = 1_048_576;

/** Longest window that totals are kept for. */
const PER_MS_MAX = 7 * 86_400_000;

const FIXED_NAMES = ['default', 'unparsed', 'unknown', 'unresolved', 'code'];
const BYTES = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

const size = z
  .string({ error: 'a size is a whole number and a unit, in quotes or not: 500KiB, 10MiB, 1GiB' })
  .regex(/^[1-9]\d{0,5}(KiB|MiB|GiB)$/, 'a size is a whole number from 1 on and a unit: 500KiB, 10MiB, 1GiB')
  .describe('A whole number and a unit: 500KiB, 10MiB, 1GiB');
const expression = z
  .string({ error: 'a CEL expression, in quotes where YAML reads something else: "true"' })
  .trim()
  .min(1, 'an empty expression');
const holdOrDeny = (meaning: string) =>
  z.enum(['hold', 'deny'], { error: 'hold or deny: nothing unknown passes' }).describe(meaning);

const limit = strict({
  rows: z
    .int({ error: 'a whole number of rows, from 1 on' })
    .min(1, 'a whole number of rows, from 1 on')
    .optional()
    .describe('Rows that pass; the next one does not.'),
  bytes: size.optional().describe('Bytes of rows that pass: 10MiB. A row that goes beyond does not.'),
  per: duration
    .optional()
    .describe(
      'Counted are all rows that the principal got under this rule in this time. Left out: those of one result.',
    ),
  // oxlint-disable-next-line unicorn/no-thenable -- the policy language's own word; never awaited
  then: z.enum(['hold', 'deny']).describe('hold: the result waits until somebody lets it go on. deny: it ends there.'),
});

const circumstances = {
  as: strict({
    id: text.optional(),
    kind: z.enum(['agent', 'human']).optional(),
    groups: z.array(text).optional(),
    sponsor: text.optional(),
  })
    .optional()
    .describe('Who sends it. Left out: an agent with a sponsor, in no group.'),
  at: z.iso
    .datetime({ offset: true, error: 'a moment as in 2025-01-31T03:00:00Z' })
    .optional()
    .describe('When. Left out: Monday 6 January 2025, 12:00 UTC.'),
  tags: z.record(z.string(), z.string()).optional().describe("The listener's tags."),
};
const example = z
  .union([
    text,
    strict({ postgres: text, ...circumstances }),
    strict({ mysql: text, ...circumstances }),
    strict({ mariadb: text, ...circumstances }),
  ])
  .describe(
    'A statement, for every engine; or {postgres: ...}, {mysql: ...}, {mariadb: ...} for one, with as, at and tags if they matter.',
  );
const examples = strict({
  holds: z.array(example).optional().describe('Statements that this policy holds.'),
  denies: z.array(example).optional().describe('Statements that this policy denies.'),
  allows: z.array(example).optional().describe('Statements that this policy lets through, with no limit of this rule.'),
  limits: z.array(example).optional().describe("Statements that this policy lets through up to the rule's `limit`."),
  unless: z.array(example).optional().describe('Statements that `when` matches and `unless` excepts.'),
});

const rule = strict({
  id: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/, 'an id is small letters, digits and hyphens, at most 63')
    .refine((id) => !FIXED_NAMES.includes(id), {
      error: `one of ${FIXED_NAMES.join(', ')}: these name what is not a rule`,
    })
    .describe('Shown to agents and reviewers; kept in the log.'),
  when: expression.describe('A CEL expression; docs/policy-facts.md lists the facts. `true`: always.'),
  unless: expression.optional().describe('A CEL expression: the exception.'),
  // oxlint-disable-next-line unicorn/no-thenable -- the policy language's own word; never awaited
  then: z
    .enum(['allow', 'hold', 'deny'])
    .optional()
    .describe('allow matters only where `default` is hold or deny. Left out where `limit` says it.'),
  limit: limit.optional().describe('In place of `then`: the statement runs, and what it returns is capped.'),
  mode: z
    .enum(['enforce', 'observe'])
    .default('enforce')
    .describe('observe: recorded as what would have happened, nothing held or denied.'),
  ask: askSchema.optional().describe('Whom to ask, and how long. Only where the verdict is hold.'),
  message: text.max(500, 'at most 500 characters').optional().describe('What agent and reviewer are told.'),
  examples: examples.optional(),
}).superRefine((value, context) => {
  const refuse = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message });
  if ((value.then === undefined) === (value.limit === undefined))
    refuse(
      value.then === undefined ? [] : ['limit'],
      value.then === undefined
        ? '`then` is missing: allow, hold or deny; or a `limit`'
        : 'a rule has `then` or `limit`, not both: write two rules',
    );
  if (value.limit && value.limit.rows === undefined && value.limit.bytes === undefined)
    refuse(['limit'], 'a limit caps `rows`, `bytes` or both');
  if (value.limit?.per !== undefined && !(durationMs(value.limit.per) > 0 && durationMs(value.limit.per) <= PER_MS_MAX))
    refuse(['limit', 'per'], 'a time from 1s to 7d');
  if (value.examples?.limits && !value.limit) refuse(['examples', 'limits'], 'the rule has no `limit`');
  const verdict = value.limit?.then ?? value.then;
  if (value.ask && verdict !== 'hold')
    refuse(['ask'], `nobody is asked when the verdict is ${verdict}: leave \`ask\` out`);
  if (value.mode === 'observe' && value.then === 'allow') refuse(['mode'], 'an allow rule has nothing to observe');
  if (value.examples?.unless && value.unless === undefined) refuse(['examples', 'unless'], 'the rule has no `unless`');
  for (const { path, message } of value.ask ? misfits(value.ask) : []) refuse(['ask', ...path], message);
});

export const policySchema = strict({
  version: z.literal(1, { error: 'version 1 is the only one' }),
  default: z.enum(['allow', 'hold', 'deny']).describe('The verdict where no rule matches.'),
  unparsed: holdOrDeny('The text does not parse.').default('deny'),
  unknown: holdOrDeny("Something in the statement is not in Holdpoint's tables.").default('hold'),
  unresolved: holdOrDeny('A name whose meaning can not be told, such as a function that is not built in.').default(
    'hold',
  ),
  code: holdOrDeny('Code that can not be read, or SQL made at run time.').default('hold'),
  lists: z
    .record(z.string().regex(/^[a-z][a-z0-9_]*$/, 'a list is named in small letters, digits and _'), z.array(text))
    .default({})
    .describe('Names and patterns (`billing.*`) under one word.'),
  reviewers: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_-]*$/, 'a group is named in small letters, digits, - and _'),
      strict({ groups: z.array(text).min(1, 'at least one group') }),
    )
    .default({})
    .describe('Who may decide: names for sets of groups, as users.yaml has them.'),
  break_glass: z
    .array(text)
    .default([])
    .describe('Whose people may let a statement of their own run at once, and answer for it: names of `reviewers`.'),
  rules: z
    .array(rule)
    .default([])
    .describe('Every rule is evaluated; the strictest verdict wins, then the first in this order.'),
});

export type PolicyFile = z.output<typeof policySchema>;
export type RuleFile = PolicyFile['rules'][number];
export type Example = z.output<typeof example>;

/** The JSON Schema (draft 2020-12) for editors, printed from the schema that validates. */
export function policyJsonSchema(): unknown {
  return { title: 'Holdpoint policy', ...z.toJSONSchema(policySchema, { io: 'input', reused: 'ref' }) };
}

/** What the rule does with a statement that it does not let through. */
export function verdictOf(written: RuleFile): 'allow' | 'hold' | 'deny' {
  // The schema asks for one of them.
  return written.limit?.then ?? written.then ?? 'deny';
}

export function sizeBytes(written: string): number {
  return Number.parseInt(written, 10) * BYTES[written.slice(-3) as keyof typeof BYTES];
}

export interface ParsedFile {
  readonly file: PolicyFile;
  readonly source: Source;
  /** The node at a path, for positions. */
  readonly node: (path: readonly PropertyKey[]) => Node | undefined;
  readonly error: (path: readonly PropertyKey[], message: string) => PolicyError;
}

/** Reads YAML and checks its shape; no expression yet. */
export function parsePolicyFile(path: string, content: string): ParsedFile | { readonly errors: PolicyError[] } {
  const source = new Source(path, content);
  const document = parseDocument(content, { lineCounter: source.lines, prettyErrors: false });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) return { errors: faults.map(({ message, pos }) => source.error(message, ...pos)) };

  const error = (at: readonly PropertyKey[], message: string) => {
    return source.error(message, ...range(findNode(document, at)));
  };
  const result = policySchema.safeParse(document.toJS() ?? {});
  if (!result.success)
    return { errors: inOrder(result.error.issues.flatMap((issue) => issueErrors(issue, document, source))) };
  return { file: result.data, source, node: (at) => findNode(document, at), error };
}

export function inOrder(errors: readonly PolicyError[]): PolicyError[] {
  return errors.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

function issueErrors(issue: z.core.$ZodIssue, document: Document, source: Source): PolicyError[] {
  // Of a union that failed (an example), the branch that the author meant is the one whose first key is there.
  if (issue.code === 'invalid_union') {
    const branch = issue.errors.find((issues) =>
      issues.every(({ path, code }) => path.length > 0 || code === 'unrecognized_keys'),
    );
    if (branch?.length)
      return branch.flatMap((inner) =>
        issueErrors({ ...inner, path: [...issue.path, ...inner.path] }, document, source),
      );
  }
  const node = findNode(document, issue.path);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => {
      const pair = isMap(node) ? node.items.find((item) => isScalar(item.key) && item.key.value === key) : undefined;
      const message = `unknown key \`${key}\`${hint(key, knownKeys(issue.path))}`;
      return source.error(message, ...range(isNode(pair?.key) ? pair.key : node));
    });

  const key = issue.path.findLast((part) => typeof part === 'string') ?? 'policy';
  if (node === undefined)
    return [source.error(`\`${key}\` is missing`, ...range(findNode(document, issue.path.slice(0, -1))))];
  const generic = issue.code === 'invalid_value' && issue.message.startsWith('Invalid');
  const message = generic ? `one of ${issue.values.join(', ')}` : issue.message;
  return [source.error(`\`${key}\`: ${message.charAt(0).toLowerCase()}${message.slice(1)}`, ...range(node))];
}

function range(node: Node | undefined): [number, number] {
  return [node?.range?.[0] ?? 0, node?.range?.[1] ?? 1];
}

function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  if (path.length === 0) return Object.keys(policySchema.shape);
  if (path[0] === 'reviewers') return ['groups'];
  if (path.length === 2) return Object.keys(rule.shape);
  if (path[2] === 'ask') return ASK_KEYS[String(path.at(-1))] ?? [];
  if (path[2] === 'limit') return Object.keys(limit.shape);
  if (path.at(-1) === 'as') return ['id', 'kind', 'groups', 'sponsor'];
  return path.length === 3
    ? Object.keys(examples.shape)
    : ['postgres', 'mysql', 'mariadb', ...Object.keys(circumstances)];
}

function findNode(document: Document, path: readonly PropertyKey[]): Node | undefined {
  const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
  return isNode(node) ? node : undefined;
}
