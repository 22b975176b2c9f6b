// What the reviewers' API sends, as schemas that describe it and print themselves as OpenAPI; tests read every answer with them.
// Whatever a requester wrote is here as words with marks, or spelled out.
import { z } from 'zod';
import { PROBLEM_NAMES, PROBLEM_URN } from './problems.ts';

const terms = { for_ms: z.number(), uses: z.number(), rows: z.number().describe('Of each use.') };

const at = z.number().describe('Milliseconds since the epoch.');

export const markView = z.object({
  from: z.number().describe('UTF-16 index into the text.'),
  to: z.number(),
  kind: z.enum(['direction', 'zero-width', 'control', 'space', 'byte', 'look-alike']),
  label: z.string().describe('What is drawn in its place; of a look-alike, the letter.'),
  name: z.string().describe('The code point, U+202E, and its name where it has one.'),
});
/** Text that a requester wrote, with every character in it that does not look like what it is. */
export const wordsView = z.object({ text: z.string(), marks: z.array(markView) });

const level = z.enum(['critical', 'high', 'medium', 'low']);

export const findingView = z.object({
  action: z.string(),
  object: z.string(),
  why: z.string(),
  level,
  statement: z.number(),
  start: z.number().describe('Half-open byte range in the statement as received.'),
  end: z.number(),
  from: z.number().describe('The same range as UTF-16 indexes into statement.text.'),
  to: z.number(),
  line: z.number().describe('From 1.'),
  column: z.number().describe('In characters, from 1.'),
  unresolved: z.boolean(),
});

export const impactView = z.object({
  amount: z.string().describe('The most rows of a fact below, "about 212,000 rows"; empty where nobody knows.'),
  facts: z
    .array(
      z.object({
        term: z.string(),
        lines: z.array(z.object({ main: z.string(), rest: z.string().describe('Goes on right after it.') })),
      }),
    )
    .describe('In words, as a card has them: "Leaves", "about 212,000 rows", "38 MB".'),
  notes: z.array(z.string()).describe('What could not be told and why, and what is never seen.'),
  rows: z.array(
    z.object({
      statement: z.number(),
      does: z.enum(['returns', 'inserts', 'updates', 'deletes', 'merges']),
      object: z.string().describe('The relation written; empty for what is returned.'),
      rows: z.number(),
      bytes: z.number().nullable(),
      from: z.enum(['plan', 'statistics']),
    }),
  ),
  tables: z.array(
    z.object({
      name: z.string(),
      rows: z.number().nullable(),
      bytes: z.number().nullable().describe('With indexes and TOAST.'),
      by: z.array(z.string()).describe('How the plan reads it: indexes, and "" for the whole table.'),
      lock: z.string().nullable().describe('The strongest table lock that the statement takes.'),
      sessions: z.number().describe('Other sessions that held or awaited a lock on it.'),
      users: z.array(z.string()),
      triggers: z.array(z.string()),
    }),
  ),
});

const demanded = {
  within_ms: z.number().nullable().describe('They proved who they are at most so long before; null: whenever.'),
  factor: z
    .enum(['any', 'totp', 'webauthn'])
    .nullable()
    .describe("any: with a second factor; totp: an app's code or a security key; webauthn: a security key."),
  acr: z.array(z.string()).describe('By single sign-on one of these classes, in place of `factor`; none: any.'),
};
const proof = {
  at: at.nullable().describe('When they proved who they are, in milliseconds since the epoch; null: nobody knows.'),
  by: z
    .array(z.string())
    .describe('local, ldap, oidc or link, then the second factor, or what the provider says of how (amr).'),
  acr: z.string().nullable().describe("The provider's class of it."),
};

/** Of the problem step-up. */
export const stepUpView = z.object({
  missing: z
    .array(z.enum(['within', 'factor', 'acr']))
    .describe('Of the sign-in; empty: groups that were read too long ago.'),
  ...demanded,
  user: z.string().describe('Who has to sign in again.'),
  signed_in: z.object(proof).nullable().describe('How they did; null: by nothing that could count.'),
  sso: z
    .object({
      start: z.string().describe('Where a browser that is signed in goes for it; it comes back to the request.'),
      max_age: z.number().nullable().describe('What the provider is asked for: seconds (OpenID Connect Core 3.1.2.1).'),
      acr_values: z.array(z.string()),
      prompt: z.literal('login'),
    })
    .nullable()
    .describe(
      'By the sign-in provider; null: there is none. Everybody else: POST /api/login or /api/tokens, with the second factor.',
    ),
});

export const requestView = z.object({
  id: z.string(),
  state: z.string(),
  revision: z.number().describe('From 1; the next one shows something else, and its decisions are made anew.'),
  changed: z
    .object({ at, why: z.string() })
    .nullable()
    .describe('When this revision was made, and what is another now; null: it is the first.'),
  digest: z.string(),
  level,
  sentence: z.string().describe('What it does, in words. Hidden characters are spelled out.'),
  warning: z.string().describe("What is deceptive in the statement's text or parameters; empty for nothing."),
  who: z.object({
    id: z.string(),
    kind: z.string(),
    groups: z.array(z.string()),
    sponsor: z.string().nullable(),
    authentication: z.string(),
    address: z.string(),
    on_behalf_of: z
      .array(z.string())
      .describe('Whose work its token says that this is: they may not decide. Hidden characters are spelled out.'),
    task: wordsView.nullable().describe('What it is for, as its token says; nobody has checked it. Null: not said.'),
  }),
  where: z.object({
    engine: z.string(),
    upstream: z.string(),
    database: z.string(),
    tags: z.record(z.string(), z.string()),
  }),
  role: z.string(),
  upstream_user: z.string(),
  search_path: z.string(),
  application_name: z.string(),
  statement: z.object({
    ...wordsView.shape,
    bytes: z.number(),
    lines: z.number(),
    hex: z.string().nullable().describe('The exact bytes, when they are not valid UTF-8.'),
    deleted: z.boolean().describe('The key of its text was deleted: text, parameters and reason are empty.'),
  }),
  parameters: z.array(
    z.object({ type: z.string(), value: wordsView.nullable().describe('null is SQL NULL.'), bytes: z.number() }),
  ),
  findings: z.array(findingView),
  rule: z.string(),
  message: z.string(),
  ask: z.object({
    of: z.array(z.string()),
    each: z.boolean().describe('`count` approvals of each of these groups; else of all of them together.'),
    count: z.number(),
    denials: z.number().describe('So many end it.'),
    escalate: z.object({ after_ms: z.number(), to: z.array(z.string()) }).nullable(),
    nobody_ms: z.number().nullable().describe('Denied where nobody who may decide was connected for so long.'),
    channel: z.enum(['any', 'console']),
    step_up: z
      .object({ ...demanded, text: z.string().describe('"signed in at most 10 minutes before with a security key"') })
      .nullable()
      .describe('What the sign-in of whoever approves must be like; null: any will do.'),
    rationale: z.array(z.enum(['approve', 'deny'])),
    ticket: z.boolean(),
  }),
  permit: z
    .object({
      ...terms,
      writes: z.boolean().describe('The statement writes.'),
      free: z.array(z.object({ from: z.number(), to: z.number() })).describe('UTF-16 indexes into statement.text.'),
      free_parameters: z.array(z.number()).describe('From 1.'),
    })
    .nullable()
    .describe('The most that a standing approval of all that are like it may cover; null: none can be given.'),
  policy: z.string(),
  group: z.string().describe('The same for requests of the same agent, rule and shape.'),
  session: z.string().describe('The connection that opened it.'),
  reason: wordsView.nullable(),
  reason_at: at.nullable(),
  in_transaction: z.boolean(),
  commits: z.int(),
  earlier: z.array(z.object({ ...wordsView.shape, at, outcome: z.string() })),
  opened: at,
  deadline: at,
  holds: z.enum(['held', 'ticket']),
  wait_until: at.nullable(),
  use_until: at.nullable(),
  use_within_ms: z.number(),
  decisions: z.array(
    z.object({
      decision: z.enum(['approve', 'deny']),
      by: z.string(),
      instead_of: z.string().nullable().describe('Who is away, and has named `by` to decide.'),
      group: z.string(),
      counts: z.boolean().describe('False: its author thought better of it, or may not decide any more.'),
      rationale: z.string(),
      channel: z.string(),
      at,
      permit: z.object(terms).nullable(),
    }),
  ),
  approvals: z.array(z.object({ by: z.string(), instead_of: z.string().nullable(), group: z.string() })),
  needed: z.number().describe('Approvals, in all.'),
  missing: z
    .array(z.string())
    .describe('For each approval that is missing a group; empty where any of those asked will do.'),
  reach: z
    .object({ eligible: z.number(), present: z.number() })
    .describe('How many may decide it now, and how many of them are connected; none once it is decided.'),
  said: z
    .array(
      z.object({ kind: z.enum(['question', 'answer']), by: z.string(), ...wordsView.shape, channel: z.string(), at }),
    )
    .describe('Questions of reviewers and answers of the requester.'),
  escalated: at.nullable(),
  broken_glass: z
    .object({
      reason: wordsView,
      at,
      reviewed: z.object({ by: z.string(), rationale: z.string(), at }).nullable().describe('Null: not yet.'),
    })
    .nullable()
    .describe('It ran by break-glass; somebody else has to look at it.'),
  withdrawn: z.object({ by: z.string(), reason: z.string() }).nullable(),
  outcome: z
    .object({
      tag: z.string().nullable(),
      sqlstate: z.string().nullable(),
      rows: z.number(),
      bytes: z.number(),
      duration_ms: z.number(),
    })
    .nullable(),
  impact: impactView
    .nullable()
    .describe('Estimated by the server after the request was opened; nothing was run. Null: not known, or not yet.'),
  before: z
    .object({
      approved: z.number().describe('Once.'),
      permits: z.number().describe('With a permit.'),
      denied: z.number(),
      days: z.number().describe('In so many days before.'),
      text: z.string().describe('In words: "approved once 3 times in 90 days, denied 0 times".'),
    })
    .nullable()
    .describe(
      'How people had decided requests of this shape when this one was opened: of the same requester, role, server, database, rule and objects. Null: not known.',
    ),
  updated: at,
  can_decide: z
    .union([
      z.object({ may: z.literal(true), group: z.string().describe('The group the decision counts for; empty: any.') }),
      z.object({
        may: z.literal(false),
        text: z.string(),
        own: z.boolean(),
        again: z.literal(true).optional().describe('They might, if they sign in again: open /oidc/start?for=<id>.'),
      }),
    ])
    .describe('Of the person who asks.'),
  can_answer: z.boolean().describe('Whoever asks may answer questions on it, and withdraw it, now.'),
});

const outcomeView = requestView.shape.outcome;

export const permitView = z.object({
  id: z.string(),
  request: z.string().describe('Whose approval made it.'),
  state: z.enum(['in-force', 'used-up', 'ended', 'revoked']),
  who: requestView.shape.who,
  where: requestView.shape.where,
  role: z.string(),
  rule: z.string(),
  statement: wordsView
    .extend({ deleted: z.boolean().describe('Its key was deleted: the text is empty.') })
    .describe("The request's; what stands in `free` may be otherwise."),
  free: z.array(z.object({ from: z.number(), to: z.number() })).describe('UTF-16 indexes into statement.text.'),
  free_parameters: z.array(z.number()).describe('From 1.'),
  writes: z.boolean(),
  ...terms,
  by: z.array(z.string()),
  rationale: z.array(z.string()),
  granted: at,
  until: at,
  used: z.array(z.object({ use: z.number(), session: z.string(), at, outcome: outcomeView })),
  revoked: z.object({ by: z.string(), reason: z.string(), at }).nullable(),
});

export const sessionView = z.object({
  id: z.string(),
  who: requestView.shape.who,
  where: requestView.shape.where,
  application_name: z.string(),
  upstream_user: z.string(),
  since: at,
  held: z.string().nullable().describe('The request that it waits for.'),
});

const loadedPolicy = z.object({
  path: z.string(),
  hash: z.string().describe('SHA-256 of the file, hex.'),
  rules: z.number(),
});
export const policyView = loadedPolicy.extend({
  text: z.string().nullable().describe('The file in force; null: there is another one in its place, which is not.'),
  since: z.number().describe('When this gateway started, in milliseconds since the epoch: `counts` begin there.'),
  counts: z
    .array(
      z.object({
        rule: z.string().describe("A rule's id; `default`, `unparsed` and the like where no rule was."),
        held: z.number().describe('Statements held for a person, and results at a limit; each time that one was sent.'),
        denied: z.number().describe('By the rule itself; what a person denied is in requests.'),
        observed: z.number().describe('Would have been held or denied, and ran: `mode: observe`.'),
      }),
    )
    .describe('What each rule stopped, in the order of the file; then rules that are not in it any more.'),
});

const json = z.record(z.string(), z.unknown());
export const recordView = z.object({
  seq: z.number(),
  time: z.string(),
  node: z.string(),
  type: z.string(),
  clear: json,
  sealed: z
    .union([json, z.enum(['none', 'not-yours', 'gone'])])
    .describe(
      'none: nothing was sealed; not-yours: only an auditor reads it; gone: its key was deleted. Exactly as in the log.',
    ),
  entries: z.array(
    z.object({
      time: at,
      shape: z.string(),
      rule: z.string(),
      outcome: z.string(),
      rows: z.number(),
      bytes: z.number(),
      duration_us: z.number(),
    }),
  ),
});

const mode = z
  .enum(['enforce', 'observe'])
  .describe('observe: nothing is held or denied by policy; what would be is recorded, and runs.');

export const meView = z.object({
  id: z.string(),
  kind: z.enum(['agent', 'human']),
  roles: z.array(z.enum(['reviewer', 'auditor', 'admin'])),
  groups: z.array(z.string()),
  csrf: z.string().nullable().describe('Goes into X-Holdpoint-CSRF with every write; null for a bearer token.'),
  expires: at,
  signed_in: at,
  by: z.array(z.string()).describe('How: local, ldap, oidc or link, then the second factor.'),
  auth_time: at.nullable().describe('When they proved who they are; null: nobody knows.'),
  acr: z.string().nullable().describe("The sign-in provider's class of that."),
  takes_keys: z.boolean().describe('Security keys can be bound to the address that reviewers open.'),
  environment: z.string(),
  mode,
  agent_hint: z.string().nullable().describe('A connection string for an agent, of PostgreSQL.'),
  guards: z
    .array(
      z.object({
        engine: z.enum(['postgres', 'mysql']).describe('mysql: MariaDB, too.'),
        address: z.string().nullable().describe('A connection string for an agent.'),
        command: z.string().nullable().describe('What to type for a client that takes no connection string.'),
      }),
    )
    .describe('What an agent can connect to.'),
});

export const tokenView = z.object({
  token: z.string(),
  expires: at,
  user: z.string(),
  id: z.string().nullable().describe('By which one for a database is revoked; null: it is none.'),
});
const databaseTokenView = z.object({
  id: z.string(),
  for: z.string(),
  by: z.string().describe('Who got it.'),
  on_behalf_of: z.array(z.string()),
  issued: at,
  expires: at,
  revoked: z.object({ by: z.string(), at }).nullable(),
});
export const databaseTokensView = z.object({ tokens: z.array(databaseTokenView) });
export const revokedView = z.object({
  revoked: z.number().describe('So many tokens of Holdpoint; of other issuers nobody knows.'),
});
export const rotatedView = z.object({ key: z.string().describe('The id (kid) of the key that signs now.') });
export const listView = z.object({
  cursor: z.number().describe('Of the stream: whatever happens after it is not in here.'),
  requests: z.array(requestView),
  next: z
    .string()
    .nullable()
    .describe('Goes on from here, with `before` or `after` as before; null: there are no more.'),
});
export const permitsView = z.object({ cursor: z.number(), permits: z.array(permitView) });
export const sessionsView = z.object({ cursor: z.number(), sessions: z.array(sessionView) });
export const recordsView = z.object({
  records: z.array(recordView),
  next: z
    .number()
    .nullable()
    .describe('Where to go on, also after an answer without records; null: that was the end of the log.'),
});
export const healthView = z.object({
  ok: z.boolean(),
  recording: z.boolean(),
  anchors: z
    .array(
      z.object({
        name: z.string(),
        record: z
          .number()
          .nullable()
          .describe('The last record that a checkpoint kept there covers; null: none since the start.'),
        at: at.nullable(),
        age_ms: z.number().nullable().describe('Since that checkpoint was kept there.'),
        failing: z.boolean(),
      }),
    )
    .describe('Places outside of this machine where checkpoints of the log are kept.'),
  shipping: z
    .array(
      z.object({
        name: z.string(),
        record: z.number().describe('The last record that is there for sure; 0: none.'),
        behind: z.number().describe('How many records wait after it.'),
        behind_ms: z.number().describe('For how long some have.'),
        failing: z.boolean(),
        blocking: z.boolean().describe('Nothing is forwarded because of it.'),
      }),
    )
    .describe('Systems that the log is shipped to.'),
});
export const receiptView = z
  .object({
    holdpoint: z.literal('receipt'),
    v: z.literal(1),
    request: z.string(),
    policy: z.string().describe('SHA-256 of the policy that held it, hex.'),
    keys: z.array(z.string()).describe('Names of the keys that signed the checkpoint.'),
    checkpoint: z.string().describe('A signed note (C2SP).'),
    records: z.array(
      z.object({
        index: z.number().describe('Place in the log, from 0.'),
        line: z.string().describe('The record as the log has it, sealed texts sealed.'),
        proof: z.array(z.string()).describe('RFC 6962 inclusion proof, base64.'),
      }),
    ),
  })
  .describe('What `holdpoint audit verify` takes as a file.');
export const doorView = z.object({
  environment: z.string(),
  mode,
  signed_in: z.boolean(),
  sso: z.boolean().describe('There is a sign-in provider: open /oidc/start.'),
});
export const signOutView = z.object({
  url: z.string().nullable().describe('Where the browser goes to be signed out at the provider, too.'),
});
export const signOutAllView = z.object({ ended: z.number().describe('Sessions and tokens, this one among them.') });
export const linkView = z.object({ link: z.string().describe('What stands after /in/, once.'), expires: at });
export const keyView = z.object({ id: z.string(), name: z.string(), added: at, used: at.nullable() });
export const keysView = z.object({ keys: z.array(keyView) });
export const keyOptionsView = z.record(z.string(), z.unknown()).describe('PublicKeyCredentialCreationOptions as JSON.');
export const problemView = z.object({
  type: z.enum(PROBLEM_NAMES.map((name) => PROBLEM_URN + name) as [string, ...string[]]),
  title: z.string(),
  status: z.number(),
  detail: z.string().optional(),
  request: requestView.optional(),
  step_up: stepUpView.optional().describe('Of step-up: what is missing, and how to sign in again.'),
  factors: z
    .array(z.enum(['totp', 'recovery', 'webauthn']))
    .optional()
    .describe('Of second-factor: what can be given with the same password.'),
  webauthn: z
    .record(z.string(), z.unknown())
    .nullable()
    .optional()
    .describe('PublicKeyCredentialRequestOptions as JSON; good for two minutes, once.'),
});

/** What the stream sends. */
export const downMessage = z.union([
  z.object({
    type: z.literal('snapshot'),
    cursor: z.number(),
    time: at,
    requests: z.array(requestView).describe('The newest of those that are open.'),
    open: z.number().describe('How many are open.'),
  }),
  z.object({ type: z.literal('reset') }),
  z.object({ type: z.templateLiteral(['request.', z.string()]), cursor: z.number(), time: at, request: requestView }),
  z.object({ type: z.templateLiteral(['permit.', z.string()]), cursor: z.number(), time: at, permit: permitView }),
  z.object({
    type: z.enum(['session.opened', 'session.closed']),
    cursor: z.number(),
    time: at,
    session: sessionView,
  }),
  z.object({ type: z.literal('policy.loaded'), cursor: z.number(), time: at, policy: loadedPolicy }),
  z.object({ type: z.literal('health'), cursor: z.number(), time: at, recording: z.boolean() }),
  z.object({
    type: z.literal('result'),
    id: z.union([z.string(), z.number()]),
    ok: z.literal(true),
    request: requestView,
  }),
  z.object({
    type: z.literal('result'),
    id: z.union([z.string(), z.number()]),
    ok: z.literal(false),
    problem: problemView,
  }),
  z.object({ type: z.literal('error'), problem: problemView }),
]);

export type Level = z.infer<typeof level>;
export type MarkView = z.infer<typeof markView>;
export type WordsView = z.infer<typeof wordsView>;
export type FindingView = z.infer<typeof findingView>;
export type ImpactView = z.infer<typeof impactView>;
export type RequestView = z.infer<typeof requestView>;
export type MeView = z.infer<typeof meView>;
export type DoorView = z.infer<typeof doorView>;
export type KeysView = z.infer<typeof keysView>;
export type LinkView = z.infer<typeof linkView>;
export type KeyView = z.infer<typeof keyView>;
export type SignOutView = z.infer<typeof signOutView>;
export type SignOutAllView = z.infer<typeof signOutAllView>;
export type TokenView = z.infer<typeof tokenView>;
export type DatabaseTokensView = z.infer<typeof databaseTokensView>;
export type RevokedView = z.infer<typeof revokedView>;
export type RotatedView = z.infer<typeof rotatedView>;
export type StepUpView = z.infer<typeof stepUpView>;
export type ListView = z.infer<typeof listView>;
export type ReceiptView = z.infer<typeof receiptView>;
export type HealthView = z.infer<typeof healthView>;
export type ProblemView = z.infer<typeof problemView>;
export type DownMessage = z.infer<typeof downMessage>;
export type PermitView = z.infer<typeof permitView>;
export type PermitsView = z.infer<typeof permitsView>;
export type SessionView = z.infer<typeof sessionView>;
export type SessionsView = z.infer<typeof sessionsView>;
export type PolicyView = z.infer<typeof policyView>;
export type RecordView = z.infer<typeof recordView>;
export type RecordsView = z.infer<typeof recordsView>;
