// Which records bear on which control of which framework: a table, from which the folder's control mapping and docs/generated/evidence.md
// are made. In words of our own: of a control only its number and title are the framework's. Must never claim that a control is met.

import type { RecordType } from '../../audit/record-types.ts';
import type { TableName } from './tables.ts';

export const FRAMEWORKS = ['SOC 2', 'ISO/IEC 27001:2022', 'NIST SP 800-53 Rev. 5'] as const;

/** What is counted and no type of record says alone; each with what it is in words. */
export const MEASURES = {
  any: 'records of the period, of any type',
  'two-approvals': 'requests that ran after two or more people had approved',
  'own-refused': 'attempts to decide a statement of one\u2019s own, refused',
  'break-glass-reviewed': 'break-glass uses that somebody else reviewed',
  'forwarding-stopped': 'times that the log could not be written, when forwarding stopped',
} as const;
export type Measure = keyof typeof MEASURES;

export interface Control {
  readonly framework: (typeof FRAMEWORKS)[number];
  readonly id: string;
  /** The framework's; of SOC 2 ours. */
  readonly title: string;
  /** FedRAMP Rev. 5 baselines that have it. */
  readonly fedramp: readonly ('moderate' | 'high')[];
  readonly shows: string;
  readonly not_shown: string;
  readonly tables: readonly TableName[];
  readonly records: readonly (RecordType | Measure)[];
}

const BOTH = ['moderate', 'high'] as const;
const DECIDED = ['request.opened', 'request.decided', 'request.released'] as const;
const STOPPED = ['statement.denied', 'statement.refused'] as const;
const FACTORS = ['reviewer.key_added', 'reviewer.key_removed', 'reviewer.codes_removed'] as const;
const TOKENS = ['reviewer.token_issued', 'reviewer.token_revoked', 'reviewer.token_key'] as const;
const ELSEWHERE = 'where nothing passes Holdpoint: whoever reaches a database directly is seen by the database alone';

export const CONTROLS: readonly Control[] = [
  {
    framework: 'SOC 2',
    id: 'CC6.1',
    title: 'Logical access to protected information',
    fedramp: [],
    shows:
      'Each connection to a guarded database was of somebody who had proved who they are; each statement was judged by a policy, and the risky ones ran only after a decision that is on record before them.',
    not_shown: `Rights inside of the database, encryption at rest, networks; and access ${ELSEWHERE}.`,
    tables: ['guarded', 'requesters', 'requests', 'statements', 'sign-ins'],
    records: ['session.opened', 'session.refused', ...DECIDED, ...STOPPED],
  },
  {
    framework: 'SOC 2',
    id: 'CC6.2',
    title: 'Credentials are given to and taken from known users',
    fedramp: [],
    shows:
      'Tokens and second factors that were given, revoked or removed through Holdpoint, by whom; sign-ins that were refused.',
    not_shown:
      'How accounts are approved, made and removed in your directory or in users.yaml, and whether leavers were removed in time: that is in your directory\u2019s and your repository\u2019s history.',
    tables: ['administration', 'sign-ins', 'requesters'],
    records: [...TOKENS, ...FACTORS, 'reviewer.link_issued', 'reviewer.sign_in_refused', 'session.refused'],
  },
  {
    framework: 'SOC 2',
    id: 'CC6.3',
    title: 'Access by role, least privilege, segregation of duties',
    fedramp: [],
    shows:
      'Whoever asked and whoever decided, for each request, compared anew; refused attempts to decide one\u2019s own; permits with their bounds; changes of the policy.',
    not_shown:
      'Periodic reviews of who is in which group, and whether roles are cut well. Who belongs together is known from users.yaml and directories at that time; the log keeps the names that it compared with, not the directories.',
    tables: ['duty', 'refusals', 'permits', 'policies', 'administration'],
    records: ['request.decided', 'own-refused', 'permit.granted', 'permit.revoked', 'policy.loaded'],
  },
  {
    framework: 'SOC 2',
    id: 'CC7.2',
    title: 'Monitoring for anomalies',
    fedramp: [],
    shows:
      'Statements that were held, denied or refused, with what was found in them; sign-ins refused; where the log itself stopped or was repaired.',
    not_shown:
      'That anybody watches: alerts, their thresholds and who answered them are in the systems that records are shipped to.',
    tables: ['statements', 'requests', 'sign-ins', 'gaps'],
    records: [
      'request.opened',
      ...STOPPED,
      'statement.observed',
      'session.refused',
      'reviewer.sign_in_refused',
      'log.recovered',
    ],
  },
  {
    framework: 'SOC 2',
    id: 'CC7.3',
    title: 'Evaluation of security events',
    fedramp: [],
    shows:
      'How people judged what was held: decisions, questions and answers, denials; the review of each break-glass use. Rationales are on record, sealed.',
    not_shown: 'Incident response outside of Holdpoint: classification, notification, lessons.',
    tables: ['requests', 'break-glass', 'refusals'],
    records: [
      'request.decided',
      'request.asked',
      'request.answered',
      'request.broke_glass',
      'request.reviewed',
      'session.ended',
    ],
  },
  {
    framework: 'SOC 2',
    id: 'CC8.1',
    title: 'Changes are authorised, tested and approved',
    fedramp: [],
    shows:
      'Changes to a database\u2019s structure, rights and data that a rule held: who asked, who approved, what ran and with which outcome. Each policy that was in force, by its hash.',
    not_shown:
      'Changes of application code and infrastructure, tests before a change, and changes of a kind that the policy allows without a decision: look at the policy.',
    tables: ['requests', 'policies', 'duty'],
    records: [...DECIDED, 'request.executed', 'request.failed', 'policy.loaded', 'policy.refused'],
  },
  {
    framework: 'ISO/IEC 27001:2022',
    id: 'A.5.3',
    title: 'Segregation of duties',
    fedramp: [],
    shows: 'For each request, that nobody of the requester\u2019s side decided; attempts to do so, refused.',
    not_shown:
      'Duties outside of statements to databases. An agent and its operator may be one person: the sponsor says who.',
    tables: ['duty', 'refusals'],
    records: ['request.decided', 'own-refused'],
  },
  {
    framework: 'ISO/IEC 27001:2022',
    id: 'A.5.15',
    title: 'Access control',
    fedramp: [],
    shows: 'Which rules were in force when, and that statements were allowed, held or denied by them.',
    not_shown: `Whether the rules are those that your access policy wants; and access ${ELSEWHERE}.`,
    tables: ['policies', 'requests', 'statements', 'guarded'],
    records: ['policy.loaded', 'statements', ...DECIDED, ...STOPPED],
  },
  {
    framework: 'ISO/IEC 27001:2022',
    id: 'A.5.18',
    title: 'Access rights',
    fedramp: [],
    shows: 'Standing approvals (permits) and tokens: given by whom, for how long, used how often, revoked when.',
    not_shown: 'Rights in databases and directories, and their regular review.',
    tables: ['permits', 'administration'],
    records: ['permit.granted', 'permit.used', 'permit.revoked', ...TOKENS],
  },
  {
    framework: 'ISO/IEC 27001:2022',
    id: 'A.8.2',
    title: 'Privileged access rights',
    fedramp: [],
    shows:
      'Grants, changes of role, administration and the like that were held, with who decided; break-glass and its review; acts of Holdpoint\u2019s own administrators.',
    not_shown: 'Who holds privileged accounts of the databases and hosts, and what they do outside of Holdpoint.',
    tables: ['requests', 'break-glass', 'administration'],
    records: [...DECIDED, 'request.broke_glass', 'request.reviewed', 'session.ended', ...TOKENS, ...FACTORS],
  },
  {
    framework: 'ISO/IEC 27001:2022',
    id: 'A.8.15',
    title: 'Logging',
    fedramp: [],
    shows:
      'Records of statements, decisions and sign-ins, chained and signed; that they are as they were signed; where the log stopped, was repaired, overridden or shortened.',
    not_shown:
      'Logs of other systems, and that checkpoints are kept where the log\u2019s operator cannot reach: see Verification.',
    tables: ['gaps', 'sign-ins', 'administration'],
    records: [
      'any',
      'log.opened',
      'session.opened',
      'statements',
      ...DECIDED,
      'reviewer.signed_in',
      'reviewer.read_log',
      'log.recovered',
      'log.overridden',
    ],
  },
  {
    framework: 'ISO/IEC 27001:2022',
    id: 'A.8.16',
    title: 'Monitoring activities',
    fedramp: [],
    shows: 'What was held, denied or refused, and how it was evaluated.',
    not_shown: 'Monitoring of networks, hosts and people, and who receives what is shipped.',
    tables: ['requests', 'statements', 'sign-ins'],
    records: ['request.opened', 'request.decided', ...STOPPED, 'reviewer.sign_in_refused', 'session.refused'],
  },
  {
    framework: 'ISO/IEC 27001:2022',
    id: 'A.8.17',
    title: 'Clock synchronization',
    fedramp: [],
    shows: 'Each record has the machine\u2019s time and a count that cannot be set back; where the two part is told.',
    not_shown: 'That the machine\u2019s clock was right: that is its time service\u2019s to show.',
    tables: ['gaps'],
    records: ['any', 'log.clock_jumped'],
  },
  {
    framework: 'NIST SP 800-53 Rev. 5',
    id: 'AC-3(2)',
    title: 'Access Enforcement | Dual Authorization',
    fedramp: [],
    shows:
      'A held statement ran only after somebody other than its requester had approved it; counted here are those for which two or more people approved.',
    not_shown:
      'Where an agent asks and one person approves, one person acted: whether that is dual authorization is for you and your auditor. Ask for two in the rule (approvals: 2) where it must be.',
    tables: ['requests', 'duty'],
    records: ['two-approvals'],
  },
  {
    framework: 'NIST SP 800-53 Rev. 5',
    id: 'AC-5',
    title: 'Separation of Duties',
    fedramp: BOTH,
    shows:
      'Requester and deciders of each request, compared anew from the records; attempts to decide one\u2019s own, refused.',
    not_shown: 'Which duties your organisation wants separated, beyond asking and deciding.',
    tables: ['duty', 'refusals'],
    records: ['request.decided', 'own-refused', 'break-glass-reviewed'],
  },
  {
    framework: 'NIST SP 800-53 Rev. 5',
    id: 'AC-6(9)',
    title: 'Least Privilege | Log Use of Privileged Functions',
    fedramp: BOTH,
    shows:
      'Statements that a rule held or denied, break-glass, and what administrators and auditors of Holdpoint did, full texts read among it.',
    not_shown: `Privileged functions that the policy allows stand in the log as allowed statements, which are counted here and not listed. Nothing is seen ${ELSEWHERE}.`,
    tables: ['requests', 'statements', 'break-glass', 'administration'],
    records: [
      ...DECIDED,
      ...STOPPED,
      'request.broke_glass',
      'session.ended',
      'reviewer.read_text',
      'reviewer.read_log',
      ...TOKENS,
    ],
  },
  {
    framework: 'NIST SP 800-53 Rev. 5',
    id: 'AU-2',
    title: 'Event Logging',
    fedramp: BOTH,
    shows:
      'Which kinds of events are on record: connections, statements, decisions, sign-ins, policies, administration, faults of the log.',
    not_shown: 'The choice of events that your organisation made, its reasons and its review.',
    tables: ['guarded', 'requests', 'statements', 'sign-ins', 'administration'],
    records: [
      'session.opened',
      'session.refused',
      'statements',
      'request.opened',
      'request.decided',
      ...STOPPED,
      'reviewer.signed_in',
      'policy.loaded',
    ],
  },
  {
    framework: 'NIST SP 800-53 Rev. 5',
    id: 'AU-3',
    title: 'Content of Audit Records',
    fedramp: BOTH,
    shows:
      'Each record says what, when, where (server, database, client address), who, and with which outcome: records.jsonl has them byte for byte.',
    not_shown:
      'Full texts, where they are sealed: who has the keys reads them. Rows that a statement returned are never on record.',
    tables: ['requests', 'statements'],
    records: ['request.opened', 'request.decided', 'request.executed', 'request.failed', ...STOPPED, 'session.opened'],
  },
  {
    framework: 'NIST SP 800-53 Rev. 5',
    id: 'AU-4',
    title: 'Audit Log Storage Capacity',
    fedramp: BOTH,
    shows: 'When the log could not be written, a full disk among it.',
    not_shown: 'How much room was given to the log, and who watched it.',
    tables: ['gaps'],
    records: ['forwarding-stopped'],
  },
  {
    framework: 'NIST SP 800-53 Rev. 5',
    id: 'AU-5',
    title: 'Response to Audit Logging Process Failures',
    fedramp: BOTH,
    shows:
      'When the log could not be written, from when to when, what was refused meanwhile: forwarding stops by itself until the disk takes records again.',
    not_shown: 'Who was alerted, and how soon.',
    tables: ['gaps'],
    records: ['forwarding-stopped', 'ship.blocked', 'log.recovered', 'log.overridden'],
  },
  {
    framework: 'NIST SP 800-53 Rev. 5',
    id: 'AU-6',
    title: 'Audit Record Review, Analysis, and Reporting',
    fedramp: BOTH,
    shows:
      'Who read the log or full texts through Holdpoint; decisions, each of which is a review of one statement; reviews of break-glass.',
    not_shown:
      'Reviews of reports such as this one, reading of the files themselves, and what is done in the system that records are shipped to.',
    tables: ['administration', 'requests', 'break-glass'],
    records: ['reviewer.read_log', 'reviewer.read_text', 'request.decided', 'request.reviewed'],
  },
  {
    framework: 'NIST SP 800-53 Rev. 5',
    id: 'AU-7',
    title: 'Audit Record Reduction and Report Generation',
    fedramp: BOTH,
    shows: 'This folder is such a report: on demand, for any period, and it leaves the records as they were.',
    not_shown: 'Reports across other systems.',
    tables: ['requests', 'controls'],
    records: [],
  },
  {
    framework: 'NIST SP 800-53 Rev. 5',
    id: 'AU-8',
    title: 'Time Stamps',
    fedramp: BOTH,
    shows: 'Each record has UTC in milliseconds, and a count in microseconds that is not set back; jumps are told.',
    not_shown: 'That the clock was right.',
    tables: ['gaps'],
    records: ['any', 'log.clock_jumped'],
  },
  {
    framework: 'NIST SP 800-53 Rev. 5',
    id: 'AU-9',
    title: 'Protection of Audit Information',
    fedramp: BOTH,
    shows:
      'That what the checkpoint covers is as it was signed; changes of the signing key; overrides; who read sealed texts. Statements are encrypted.',
    not_shown:
      'Who may read and write the log\u2019s folder. Without a checkpoint that was kept elsewhere, whoever holds folder and key could have made both anew: see Verification.',
    tables: ['gaps', 'administration'],
    records: ['any', 'log.key_rotated', 'log.overridden', 'reviewer.read_text', 'reviewer.read_log'],
  },
  {
    framework: 'NIST SP 800-53 Rev. 5',
    id: 'AU-10',
    title: 'Non-repudiation',
    fedramp: ['high'],
    shows:
      'Who decided, with how and when they had signed in, in a record that the signed checkpoint covers and that is proved here.',
    not_shown: 'A signature of the reviewer\u2019s own: the gateway vouches for who it was.',
    tables: ['requests', 'sign-ins'],
    records: ['request.decided', 'reviewer.signed_in'],
  },
  {
    framework: 'NIST SP 800-53 Rev. 5',
    id: 'AU-11',
    title: 'Audit Record Retention',
    fedramp: BOTH,
    shows: 'How far back the log reaches, what was removed by retention, and texts whose key was deleted.',
    not_shown: 'How long you have to keep records.',
    tables: ['gaps'],
    records: ['any', 'log.segments_removed', 'log.key_deleted'],
  },
  {
    framework: 'NIST SP 800-53 Rev. 5',
    id: 'AU-12',
    title: 'Audit Record Generation',
    fedramp: BOTH,
    shows:
      'That records were made for the events of AU-2: a held, denied or released statement does nothing before its record is durable.',
    not_shown:
      'Up to 100 ms of allowed statements before a crash, unless audit.allowed is sync. Components other than Holdpoint.',
    tables: ['guarded', 'requesters', 'gaps'],
    records: ['session.opened', 'statements', 'statement.forwarded', ...DECIDED, ...STOPPED],
  },
];
