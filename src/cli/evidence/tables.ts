// The tables of an evidence folder, as data: file, title, what it says, and each field with its meaning. The JSON files, the page, the
// README of a folder and docs/generated/evidence.md are all made from this. A field keeps its name and meaning once released.

export const TABLE_NAMES = [
  'requests',
  'duty',
  'refusals',
  'reviewers',
  'sign-ins',
  'policies',
  'permits',
  'break-glass',
  'statements',
  'requesters',
  'guarded',
  'administration',
  'gaps',
  'controls',
] as const;
export type TableName = (typeof TABLE_NAMES)[number];

/** `null` in a row always means: there is none, or it is not known. Times are ISO 8601, UTC. */
export interface Field {
  readonly name: string;
  readonly meaning: string;
}

export interface Table {
  readonly title: string;
  /** For whoever reads the page. */
  readonly what: string;
  readonly fields: readonly Field[];
}

const field = (name: string, meaning: string): Field => ({ name, meaning });

const RECORD = field('record', 'number of the record in the log');
const TIME = field('time', 'when, as the record says');
const WHERE: readonly Field[] = [
  field('engine', 'postgres, mysql or mariadb'),
  field('upstream', 'name of the guarded server in the configuration'),
  field('database', 'database or schema'),
];
const WHAT: readonly Field[] = [
  field('shape', 'the statement in redacted form: no literal, no comment, at most 4 KiB'),
  field('actions', 'what it does: read, write, ddl, grant, export ...'),
  field('objects', 'list of {action, object}: what it does that to, as the server resolves the name'),
  field('rule', 'rule of the policy that decided'),
  field('policy', 'SHA-256 of the policy in force'),
];
const TEXT = field(
  'text',
  'only with --text: the sealed part in full, as the log has it; "deleted" where its key is not there, "damaged" where it does not open',
);

export const TABLES: Readonly<Record<TableName, Table>> = {
  requests: {
    title: 'Requests and decisions',
    what: 'Each statement that was held, from its opening to its end. A request belongs here when any record of it is of the period; all its records count, also earlier and later ones.',
    fields: [
      field('id', 'of the request'),
      field('opened', 'when it was opened'),
      field('carried_over', 'true: it was opened before the period'),
      field('requester', 'who sent the statement'),
      field('kind', 'agent or human'),
      field('sponsor', 'the person who answers for the requester'),
      field('groups', 'of the requester, at that time'),
      field('authentication', 'how the requester proved who it is'),
      field('address', 'client address'),
      field('on_behalf_of', 'whose work its token said that this is'),
      ...WHERE,
      field('tags', 'of the guarded server'),
      field('role', 'effective role on the server'),
      ...WHAT,
      field('needs', 'whose approval the rule asked for'),
      field('revisions', 'how often it was shown anew because what would run had changed, and 1'),
      field(
        'decisions',
        'list of {decision, by, accounts, group, instead_of, channel, at, signed_in: {at, by, acr}, permit, counts, record}; by holdpoint: a clock decided; counts false: void by the end',
      ),
      field(
        'state',
        'at the last record: open, asked, approved, denied, expired, withdrawn, released, executed, failed, outcome_unknown, lapsed',
      ),
      field('decided', 'when nobody waited for a decision any more'),
      field('waited_ms', 'from opening to that'),
      field('released', 'when the approved statement was last about to be sent to the server'),
      field('outcome', '{tag, sqlstate, rows, bytes, duration_ms}: what the server said'),
      field('questions', 'asked by reviewers'),
      field('answers', 'of the requester'),
      field('break_glass', 'true: let run by break-glass'),
      field('refused_acts', 'decisions and the like that were not counted; see refusals'),
      field('first_record', 'number of its first record in the log'),
      field('last_record', 'number of its last'),
      field('records', 'how many there are'),
      field('receipt', 'file in this folder; null: see README.txt'),
      TEXT,
    ],
  },
  duty: {
    title: 'Separation of duty',
    what: 'Requester against deciders, compared anew from the records: no name of one side is on the other, spelt in any case.',
    fields: [
      field('request', 'its id'),
      field('requester', 'who asked'),
      field('sponsor', 'who answers for the requester'),
      field('linked', 'other names of the requester, and whom its token named'),
      field('deciders', 'who decided, with all accounts of that person'),
      field('how', 'people, clock, break-glass or nobody'),
      field('separate', 'true or false where people decided, else null'),
      field('both_sides', 'names that are on both sides'),
    ],
  },
  refusals: {
    title: 'What reviewers were refused',
    what: 'Decisions and other acts that were not counted. "own" and "linked" are attempts on a statement of one\u2019s own.',
    fields: [
      TIME,
      RECORD,
      field('request', 'its id; null: the act was on something else'),
      field('by', 'who tried'),
      field('what', 'decide, ask, withdraw ...'),
      field('decision', 'approve or deny'),
      field('why', 'own, linked, wrong-group, already-decided, step-up ...'),
      field('own', 'true: separation of duty stood in the way'),
      field('channel', 'console, api, cli ...'),
    ],
  },
  reviewers: {
    title: 'Reviewers',
    what: 'Whoever signed in to review, or decided, in the period.',
    fields: [
      field('user', 'id'),
      field('sign_ins', 'good ones'),
      field('refused', 'refused ones under this name'),
      field('by', 'ways of signing in: password, factor, provider'),
      field('approved', 'approvals given, also those that were void later'),
      field('denied', 'denials given'),
      field('refused_acts', 'acts that were not counted'),
      field('read_text', 'readings of full texts that are on record'),
      field('first', 'first act of the period'),
      field('last', 'last act of the period'),
    ],
  },
  'sign-ins': {
    title: 'Sign-ins',
    what: 'Each sign-in of a reviewer, and each connection to a database that was not let in. Connections that were let in are counted in requesters.',
    fields: [
      TIME,
      RECORD,
      field('side', 'review or database'),
      field('user', 'as given; null where nobody has that name'),
      field('result', 'in, refused or out'),
      field('how', 'password, link, oidc ...; of a database: its listener'),
      field('by', 'what the person proved who they are with'),
      field('acr', 'what the sign-in provider calls the class of it'),
      field('why', 'of a refusal: what was wrong'),
      field('address', 'client address'),
    ],
  },
  policies: {
    title: 'Policy history',
    what: 'Which policy was in force when, by its hash, and whether it was enforced. The first row was in force when the period began, if the log knows it.',
    fields: [
      field('from', 'since when'),
      field('to', 'until when; null: it was in force at the end of what the log has of the period'),
      RECORD,
      field('result', 'loaded, or refused: a file with faults, which never was in force'),
      field('mode', 'enforce or observe'),
      field('hash', 'SHA-256'),
      field('path', 'file'),
      field('rules', 'how many'),
      field('loads', 'how often it was loaded without another one between'),
      field('requests', 'opened under it in the period'),
    ],
  },
  permits: {
    title: 'Permits',
    what: 'Standing approvals that were given, used or revoked in the period.',
    fields: [
      field('id', 'of the permit'),
      field('request', 'whose approval made it'),
      field('requester', 'whose statements it covers'),
      field('sponsor', 'who answers for the requester'),
      ...WHERE,
      field('shape', 'the statement in redacted form'),
      field('rule', 'that allowed a permit'),
      field('by', 'who gave it'),
      field('granted', 'when'),
      field('until', 'when it ends by itself'),
      field('uses_max', 'so many uses'),
      field('rows_max', 'so many rows each'),
      field('uses', 'in the period'),
      field('rows', 'in the period, as far as outcomes are known'),
      field('last_used', 'in the period'),
      field('revoked', 'when'),
      field('revoked_by', 'who'),
    ],
  },
  'break-glass': {
    title: 'Break-glass',
    what: 'Statements that a person let run alone in an emergency, and who looked at it afterwards.',
    fields: [
      field('request', 'its id'),
      field('by', 'who broke the glass'),
      field('at', 'when'),
      field('shape', 'the statement in redacted form'),
      field('state', 'of the request'),
      field('reviewed_by', 'who closed the review; null: nobody did, as far as the log says'),
      field('reviewed', 'when'),
      field('separate', 'true: somebody else than who broke the glass'),
    ],
  },
  statements: {
    title: 'Statements denied, refused, cut or only observed',
    what: 'Statements that no person was asked about: denied by a rule, refused whatever the rules, withheld at a limit; and those that ran because a rule or the whole gateway only observed.',
    fields: [
      TIME,
      RECORD,
      field('kind', 'denied, refused, cut or observed'),
      field('requester', 'who sent it'),
      field('sponsor', 'who answers for the requester'),
      ...WHERE,
      ...WHAT,
      field('sqlstate', 'of a refusal'),
      field('observed', 'list of {rule, verdict}: what would have been done'),
      field('request', 'of a cut: the request it belongs to'),
      TEXT,
    ],
  },
  requesters: {
    title: 'Who asked',
    what: 'Whoever connected to a database or asked for something in the period, with how they proved who they are.',
    fields: [
      field('id', 'of the requester'),
      field('kind', 'agent or human'),
      field('sponsors', 'who answered for it in the period'),
      field('groups', 'that it was in, in the period'),
      field('authentication', 'ways in which it proved who it is'),
      field('sessions', 'connections that were let in'),
      field('allowed', 'statements that rules allowed'),
      field('stopped', 'statements denied or refused'),
      field('observed', 'statements that ran and would have been stopped'),
      field('requests', 'opened'),
      field('first', 'first record of it in the period'),
      field('last', 'last one'),
    ],
  },
  guarded: {
    title: 'What was guarded',
    what: 'Servers and databases that statements came for in the period. One that nobody used is not on record.',
    fields: [
      ...WHERE,
      field('tags', 'of the guarded server'),
      field('sessions', 'connections that were let in'),
      field('allowed', 'statements that rules allowed'),
      field('stopped', 'statements denied or refused'),
      field('requests', 'opened'),
    ],
  },
  administration: {
    title: 'Acts of administrators and readers',
    what: 'Tokens, second factors, sessions ended, permits revoked, keys of the log, configurations; and who read full texts or the log.',
    fields: [
      TIME,
      RECORD,
      field('type', 'of the record; docs/audit-log.md says what each means'),
      field('by', 'who'),
      field('facts', 'what the record has in clear, but for who'),
    ],
  },
  gaps: {
    title: 'Gaps and doubts',
    what: 'What an auditor should know before believing the rest: where the log does not reach, was repaired, overridden or shortened, where clocks jumped, forwarding stopped, texts are gone.',
    fields: [
      field('kind', 'see the sentence'),
      field('time', 'when it began or was found'),
      field('to', 'when it ended'),
      RECORD,
      field('says', 'one sentence'),
      field('facts', 'what the record has in clear; null: it follows from several'),
    ],
  },
  controls: {
    title: 'Controls',
    what: 'Which records bear on which control, how many there are, and what Holdpoint does not show. It is a map for an auditor, and no opinion on compliance.',
    fields: [
      field('framework', 'SOC 2, ISO/IEC 27001:2022 or NIST SP 800-53 Rev. 5'),
      field('id', 'of the control'),
      field('title', 'of the control; of SOC 2, which gives its criteria none, what it is about in our words'),
      field(
        'fedramp',
        'baselines of FedRAMP (Rev. 5) that have it: moderate, high; empty: neither, or another framework',
      ),
      field('shows', 'what the records show'),
      field('not_shown', 'what Holdpoint does not show'),
      field('tables', 'files with it'),
      field('evidence', 'list of {what, count, first, last}: records of the period, with number and time'),
      field('count', 'of all of these'),
    ],
  },
};
