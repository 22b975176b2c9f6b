// Records as events of the Open Cybersecurity Schema Framework, version 1.3.0, which every later 1.x reads too: Datastore Activity (6005) for
// statements and requests, API Activity (6003) for what reviewers do, Authentication (3002) for who came and went, Base Event for the rest.
// Nothing that was sealed is in them unless it is asked for. What the schema has no place for is in `unmapped`, so that nothing is lost.

import type { RecordType } from '../record-types.ts';
import type { AllowedEntry } from '../types.ts';
import { isObject, text, type Clear, type Known, type Subject, type Told } from './known.ts';
import { actorOf, wordsOf } from './words.ts';

export const OCSF_VERSION = '1.3.0';

export type OcsfEvent = Readonly<Record<string, unknown>>;

interface OcsfOptions {
  /** Of the product. */
  readonly version: string;
  /** With what was sealed, where the record has it unsealed. */
  readonly texts?: boolean;
}

const CLASSES = {
  datastore: {
    class_uid: 6005,
    class_name: 'Datastore Activity',
    category_uid: 6,
    category_name: 'Application Activity',
  },
  api: { class_uid: 6003, class_name: 'API Activity', category_uid: 6, category_name: 'Application Activity' },
  authentication: {
    class_uid: 3002,
    class_name: 'Authentication',
    category_uid: 3,
    category_name: 'Identity & Access Management',
  },
  other: { class_uid: 0, class_name: 'Base Event', category_uid: 0, category_name: 'Uncategorized' },
} as const;
type Class = keyof typeof CLASSES;

const SEVERITY = { 1: 'Informational', 2: 'Low', 3: 'Medium', 4: 'High', 5: 'Critical' } as const;
const STATUS = { 0: 'Unknown', 1: 'Success', 2: 'Failure' } as const;
/** Of API Activity and of Authentication; 99 wants a name of its own. */
const API_ACTIVITY = { 1: 'Create', 2: 'Read', 3: 'Update', 4: 'Delete', 99: 'Other' } as const;
const LOGON = { 1: 'Logon', 2: 'Logoff' } as const;

/** What a security control made of it, as the profile `security_control` has it. */
const CONTROL = {
  allowed: { action_id: 1, action: 'Allowed', disposition_id: 1, disposition: 'Allowed' },
  approved: { action_id: 1, action: 'Allowed', disposition_id: 8, disposition: 'Approved' },
  observed: { action_id: 1, action: 'Allowed', disposition_id: 17, disposition: 'Logged' },
  held: { action_id: 99, action: 'Held for approval', disposition_id: 14, disposition: 'Delayed' },
  denied: { action_id: 2, action: 'Denied', disposition_id: 2, disposition: 'Blocked' },
  cut: { action_id: 2, action: 'Denied', disposition_id: 6, disposition: 'Dropped' },
} as const;
type Control = keyof typeof CONTROL;

interface Datastore {
  readonly class: 'datastore';
  readonly severity: keyof typeof SEVERITY;
  readonly control: Control;
  /** Of the activity: a statement that waits has neither succeeded nor failed. */
  readonly status: keyof typeof STATUS;
}
interface Api {
  readonly class: 'api';
  readonly severity: keyof typeof SEVERITY;
  readonly activity: keyof typeof API_ACTIVITY;
  readonly status: keyof typeof STATUS;
  /** What is acted on: its kind, and where its id stands. */
  readonly on: readonly [type: string, key: string];
}
interface Authentication {
  readonly class: 'authentication';
  readonly severity: keyof typeof SEVERITY;
  readonly activity: keyof typeof LOGON;
  readonly status: keyof typeof STATUS;
}
interface Other {
  readonly class: 'other';
  readonly severity: keyof typeof SEVERITY;
}

const statement = (
  control: Control,
  status: keyof typeof STATUS = 0,
  severity: keyof typeof SEVERITY = 1,
): Datastore => ({
  class: 'datastore',
  severity,
  control,
  status,
});
const act = (
  activity: keyof typeof API_ACTIVITY,
  on: readonly [type: string, key: string],
  status: keyof typeof STATUS = 1,
  severity: keyof typeof SEVERITY = 1,
): Api => ({ class: 'api', severity, activity, status, on });
const logon = (
  activity: keyof typeof LOGON,
  status: keyof typeof STATUS = 1,
  severity: keyof typeof SEVERITY = 1,
): Authentication => ({ class: 'authentication', severity, activity, status });
const other = (severity: keyof typeof SEVERITY = 1): Other => ({ class: 'other', severity });

const REQUEST = ['request', 'id'] as const;

export const MAPPINGS: Readonly<Record<RecordType, Datastore | Api | Authentication | Other>> = {
  'log.opened': other(),
  'log.recovered': other(4),
  'log.overridden': other(5),
  'log.clock_jumped': other(3),
  'log.key_rotated': other(3),
  'log.key_deleted': other(3),
  'log.segments_removed': other(),
  'config.loaded': other(),
  'policy.loaded': other(),
  'policy.refused': other(3),
  'session.opened': logon(1),
  'session.closed': logon(2),
  'session.refused': logon(1, 2, 2),
  statements: statement('allowed', 1),
  'statement.forwarded': statement('allowed'),
  'statement.observed': statement('observed', 0, 3),
  'statement.cut': statement('cut', 2, 3),
  'statement.denied': statement('denied', 2, 3),
  'statement.refused': statement('denied', 2, 3),
  'request.opened': statement('held', 0, 3),
  'request.held': statement('held'),
  'request.ticket': statement('held'),
  'request.impact': statement('held'),
  'request.asked': act(3, REQUEST),
  'request.answered': act(3, REQUEST),
  'request.escalated': statement('held'),
  'request.changed': statement('held', 0, 3),
  'request.broke_glass': statement('allowed', 0, 5),
  'request.reviewed': act(3, REQUEST),
  'request.decided': act(3, REQUEST),
  'request.refused': act(3, ['request', 'request'], 2, 3),
  'request.withdrawn': act(3, REQUEST),
  'request.expired': statement('denied', 2),
  'request.released': statement('approved'),
  'request.executed': statement('approved', 1),
  'request.failed': statement('approved', 2),
  'request.returned': statement('held'),
  'request.outcome_unknown': statement('approved', 0, 3),
  'request.lapsed': statement('denied', 2),
  'permit.granted': act(1, ['permit', 'id']),
  'permit.used': statement('approved'),
  'permit.use_ended': statement('approved', 1),
  'permit.revoked': act(4, ['permit', 'id']),
  'webhook.dead': other(3),
  'webhook.gone': other(3),
  'ship.blocked': other(4),
  'ship.resumed': other(),
  'reviewer.signed_in': logon(1),
  'reviewer.sign_in_refused': logon(1, 2, 2),
  'reviewer.signed_out': logon(2),
  'reviewer.link_issued': act(1, ['sign-in link', '']),
  'reviewer.key_added': act(1, ['security key', 'key']),
  'reviewer.key_removed': act(4, ['security key', 'key'], 1, 2),
  'reviewer.codes_removed': act(4, ['second factor', 'user'], 1, 2),
  'reviewer.read_text': act(2, ['request', 'requests']),
  'reviewer.read_log': act(2, ['audit log', '']),
  'reviewer.token_issued': act(1, ['token', 'token']),
  'reviewer.token_revoked': act(4, ['token', 'token']),
  'reviewer.token_key': act(3, ['token key', '']),
  'reviewer.refused': act(99, ['change', 'what'], 2, 3),
  'session.ended': act(4, ['session', 'session']),
};

/**
 * The events of a record: one, but for a block one of each entry. `known` says whose it is where the record has an id alone; tell it of each
 * record (`see`), in order. A type that this version does not know becomes a Base Event.
 */
export function toOcsf(record: Told, known: Known, options: OcsfOptions): readonly OcsfEvent[] {
  const subject = known.of(record);
  const mapping = (MAPPINGS as Readonly<Record<string, (typeof MAPPINGS)[RecordType]>>)[record.type] ?? other();
  if (record.type === 'statements')
    return record.entries.map((entry, index) => allowed(record, entry, index, subject, options));
  const common = commonOf(record, subject, options, mapping.severity, mapping.class === 'datastore');
  switch (mapping.class) {
    case 'datastore':
      return [{ ...datastore(record, subject, mapping, options), ...common }];
    case 'api':
      return [{ ...api(record, subject, mapping), ...common }];
    case 'authentication':
      return [{ ...authentication(record, subject, mapping), ...common }];
    case 'other':
      return [{ ...classed('other', 99, record.type), ...common }];
  }
}

function classed(of: Class, activity_id: number, activity_name: string): OcsfEvent {
  return { ...CLASSES[of], activity_id, activity_name, type_uid: CLASSES[of].class_uid * 100 + activity_id };
}

function commonOf(
  record: Told,
  subject: Subject,
  options: OcsfOptions,
  severity_id: keyof typeof SEVERITY,
  control: boolean,
  entry: { readonly index: number; readonly time: number } | null = null,
): OcsfEvent {
  const time = entry?.time ?? Date.parse(record.time);
  const uid = uidOf(record);
  const correlation = text(record.clear['id']) || text(record.clear['request']) || subject.session;
  const message = wordsOf(record, subject);
  const sealed = options.texts === true && record.sealed ? { texts: readable(record.sealed) } : {};
  return {
    time,
    severity_id,
    severity: SEVERITY[severity_id],
    ...(entry === null && { message: message === '' ? record.type : `${record.type}: ${message}` }),
    metadata: {
      version: OCSF_VERSION,
      product: { name: 'Holdpoint', vendor_name: 'Holdpoint', version: options.version },
      uid: entry === null ? uid : `${uid}/${entry.index + 1}`,
      sequence: record.seq,
      event_code: record.type,
      log_name: 'holdpoint',
      log_version: '1',
      log_provider: record.node,
      original_time: record.time,
      ...(correlation !== '' && { correlation_uid: correlation }),
      ...(control && { profiles: ['security_control'] }),
    },
    ...(entry === null && { unmapped: { ...record.clear, ...sealed } }),
  };
}

/** Of the record; another log of the same node has other times. */
function uidOf({ node, seq, time }: Told): string {
  return `${node}/${seq}/${Date.parse(time)}`;
}

function allowed(record: Told, entry: AllowedEntry, index: number, subject: Subject, options: OcsfOptions): OcsfEvent {
  const { shape, rule, outcome, rows, bytes, duration_us } = entry;
  const failed = SQLSTATE.test(outcome);
  return {
    ...datastoreClass(shape),
    ...commonOf(record, subject, options, 1, true, { index, time: entry.time }),
    message: `${shape.slice(0, MESSAGE_CHARS)}: ${outcome}`,
    ...statusOf(failed ? 2 : outcome === 'unknown' ? 0 : 1),
    status_code: outcome,
    ...CONTROL.allowed,
    ...(rule !== '' && { firewall_rule: { name: rule } }),
    ...parties(subject),
    query_info: { uid: `${uidOf(record)}/${index + 1}`, query_string: shape, bytes },
    unmapped: { rows, duration_us },
  };
}

const MESSAGE_CHARS = 200;
/** A command tag never has a digit in its first word. */
const SQLSTATE = /^(?=.*\d)[0-9A-Z]{5}$/;

function statusOf(status_id: keyof typeof STATUS): OcsfEvent {
  return { status_id, status: STATUS[status_id] };
}

function datastore(record: Told, subject: Subject, mapping: Datastore, options: OcsfOptions): OcsfEvent {
  const { clear } = record;
  const outcome = isObject(clear['outcome']) ? clear['outcome'] : {};
  const code = text(outcome['sqlstate']) || text(outcome['tag']) || text(clear['sqlstate']) || text(clear['outcome']);
  const status = mapping.status === 1 && typeof outcome['sqlstate'] === 'string' ? 2 : mapping.status;
  const query = (options.texts === true ? textOf(record) : '') || subject.shape;
  const [table] = subject.tables;
  return {
    ...datastoreClass(subject.shape),
    ...statusOf(status),
    ...(code !== '' && { status_code: code }),
    ...CONTROL[mapping.control],
    ...(subject.rule !== '' && { firewall_rule: { name: subject.rule } }),
    ...parties(subject),
    ...(table !== undefined && { table: { name: table } }),
    ...(query !== '' && {
      query_info: {
        uid: text(clear['id']) || uidOf(record),
        query_string: query,
        ...(typeof outcome['bytes'] === 'number' && { bytes: outcome['bytes'] }),
      },
    }),
  };
}

/** By a statement's first word: what a Datastore Activity knows; all else is named by that word. */
const ACTIVITY: Readonly<Record<string, readonly [id: number, name: string]>> = {
  select: [4, 'Query'],
  with: [4, 'Query'],
  values: [4, 'Query'],
  table: [4, 'Query'],
  fetch: [4, 'Query'],
  show: [4, 'Query'],
  explain: [4, 'Query'],
  copy: [1, 'Read'],
  update: [2, 'Update'],
  insert: [5, 'Write'],
  replace: [5, 'Write'],
  merge: [5, 'Write'],
  load: [5, 'Write'],
  create: [6, 'Create'],
  delete: [7, 'Delete'],
  truncate: [7, 'Delete'],
  drop: [7, 'Delete'],
};

function datastoreClass(shape: string): OcsfEvent {
  const word = /[a-z]+/i.exec(shape)?.[0].toLowerCase() ?? '';
  const [id, name] = ACTIVITY[word] ?? [99, word || 'unknown'];
  return { ...classed('datastore', id, name), type_id: 1, type: 'Database' };
}

/** Who, from where, and on what: what every Datastore Activity must have. */
function parties({ who, where, session }: Subject): OcsfEvent {
  const upstream = text(where?.['upstream']);
  const engine = text(where?.['engine']);
  return {
    actor: { user: userOf(who), ...(session !== '' && { session: { uid: session } }) },
    src_endpoint: endpoint(text(who?.['address']), UNKNOWN),
    database: {
      name: text(where?.['database']) || upstream || UNKNOWN,
      type_id: 1,
      type: 'Relational',
      ...(engine !== '' && { desc: engine }),
    },
    ...(upstream !== '' && { dst_endpoint: { name: upstream, svc_name: upstream } }),
  };
}

const UNKNOWN = 'unknown';
/** Decided by a clock, done at a start. */
const OURSELVES = 'holdpoint';

function userOf(who: Clear | null): OcsfEvent {
  const id = text(who?.['id']) || UNKNOWN;
  const kind = text(who?.['kind']);
  const groups = Array.isArray(who?.['groups']) ? who['groups'].map((name) => ({ name: String(name) })) : [];
  const type =
    kind === 'agent'
      ? { type_id: 99, type: 'Agent' }
      : kind === 'human'
        ? { type_id: 1, type: 'User' }
        : id === OURSELVES
          ? { type_id: 3, type: 'System' }
          : { type_id: 0, type: 'Unknown' };
  return { name: id, uid: id, ...type, ...(groups.length > 0 && { groups }) };
}

function endpoint(address: string, otherwise: string): OcsfEvent {
  return /^[0-9a-f.:]+$/i.test(address) ? { ip: address } : { name: address || otherwise };
}

function api(record: Told, subject: Subject, { activity, status, on: [type, key] }: Api): OcsfEvent {
  const { clear } = record;
  const decision = isObject(clear['decision']) ? clear['decision'] : isObject(clear['said']) ? clear['said'] : clear;
  const by = actorOf(record, subject) || UNKNOWN;
  const permit = isObject(clear['permit']) ? text(clear['permit']['id']) : '';
  const named = key === 'id' ? permit || clear['id'] : clear[key];
  const uids = (Array.isArray(named) ? named : [named]).filter((uid): uid is string => typeof uid === 'string');
  const name = activity === 99 ? text(clear['what']) || 'change' : API_ACTIVITY[activity];
  const why = text(clear['why']);
  const who = by === text(subject.who?.['id']) ? subject.who : { id: by, kind: by === OURSELVES ? '' : 'human' };
  return {
    ...classed('api', activity, name),
    ...statusOf(status),
    ...(status === 2 && why !== '' && { status_code: why }),
    actor: { user: userOf(who) },
    src_endpoint: endpoint(text(clear['address']), text(decision['channel']) || UNKNOWN),
    api: { operation: record.type, service: { name: OURSELVES } },
    resources: (uids.length > 0 ? uids : [type]).map((uid) => ({ uid, type })),
  };
}

function authentication(record: Told, subject: Subject, { activity, status }: Authentication): OcsfEvent {
  const { clear } = record;
  const session = record.type.startsWith('session.');
  const who = session && subject.who !== null ? subject.who : { id: text(clear['user']), kind: session ? '' : 'human' };
  const by = Array.isArray(clear['by']) ? clear['by'].map(String) : [];
  const how = text(who['authentication']) || by.join(' ') || text(clear['how']);
  const address = text(who['address']) || text(clear['address']);
  const why = text(clear['why']);
  const code = text(clear['sqlstate']) || (status === 2 ? why : '');
  return {
    ...classed('authentication', activity, LOGON[activity]),
    ...statusOf(status),
    ...(code !== '' && { status_code: code }),
    ...(why !== '' && { status_detail: why }),
    user: userOf(who),
    src_endpoint: endpoint(address, UNKNOWN),
    service: {
      name: session ? text(subject.where?.['upstream']) || text(clear['listener']) || UNKNOWN : 'reviewers’ API',
    },
    ...(how !== '' && { auth_protocol_id: 99, auth_protocol: how }),
    ...(by.length > 0 && { is_mfa: by.length > 1 }),
    ...(subject.session !== '' && { session: { uid: subject.session } }),
  };
}

/** The statement's own text, where it was unsealed: sealed as latin1, one character a byte. */
function textOf({ sealed }: Told): string {
  if (!sealed) return '';
  const part = [sealed['request'], sealed['held'], sealed['permit'], sealed].find(
    (one): one is Clear => isObject(one) && typeof one['sql'] === 'string',
  );
  return fromLatin1(text(part?.['sql']));
}

/** What was sealed, with statements as they are read; without what only serves to compare. */
function readable(sealed: Clear): Clear {
  const told: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(sealed)) {
    if (key === 'digest' || key === 'bodies' || key === 'pattern') continue;
    told[key] = key === 'sql' ? fromLatin1(text(value)) : isObject(value) ? readable(value) : value;
  }
  return told;
}

function fromLatin1(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
