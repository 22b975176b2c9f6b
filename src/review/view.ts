// A request as one reviewer sees it. Everything a requester wrote leaves here as marked words or spelled out,
// so that no channel has to remember to do it. Must never cut or reorder the statement.
import { impactOf } from './impact.ts';
import type { PatternLike, PermitTermsLike, RequestLike, ReviewerIdentity, ReviewPorts } from './ports.ts';
import { demandWords } from './step-up.ts';
import type { FindingView, Level, RequestView } from './schemas.ts';
import { decode, deception, spell, words, type Decoded } from './words.ts';

/** The desk's word on who may do what, and equality tags. */
type Ports = Pick<ReviewPorts, 'requests' | 'audit'>;

const LEVELS: readonly Level[] = ['critical', 'high', 'medium', 'low'];

interface ActionRow {
  readonly level: Level;
  readonly verb: string;
}

/** What an action means when the statement's first word says nothing more exact. */
const ACTIONS: Readonly<Record<string, ActionRow>> = {
  export: { level: 'high', verb: 'Exports' },
  import: { level: 'high', verb: 'Imports into' },
  grant: { level: 'high', verb: 'Changes rights on' },
  role: { level: 'high', verb: 'Changes role to' },
  code: { level: 'high', verb: 'Runs code that cannot be read:' },
  admin: { level: 'high', verb: 'Administers the server:' },
  unknown: { level: 'high', verb: 'Does something Holdpoint has no row for:' },
  ddl: { level: 'medium', verb: 'Changes the definition of' },
  write: { level: 'medium', verb: 'Writes' },
  settings: { level: 'low', verb: 'Changes the setting' },
  transaction: { level: 'low', verb: 'Controls the transaction:' },
  read: { level: 'low', verb: 'Reads' },
};
const UNLISTED: ActionRow = { level: 'high', verb: 'Does something Holdpoint has no row for:' };

/**
 * Where the finding's own sentence says it better. The first match counts. Findings are Holdpoint's words, so nothing in
 * a statement can choose its verb.
 */
const EXACT: readonly (readonly [action: string, why: RegExp, row: Partial<ActionRow>])[] = [
  ['write', /^Removes all rows\b/, { level: 'critical', verb: 'Deletes every row of' }],
  ['write', /^Adds rows/, { verb: 'Adds rows to' }],
  ['write', /^Changes rows\b/, { verb: 'Updates' }],
  ['write', /^Removes rows\b/, { verb: 'Deletes rows of' }],
  ['write', /^Advances or sets a sequence\b/, { verb: 'Advances or sets a sequence with' }],
  ['ddl', /^Drops\b/, { level: 'critical', verb: 'Drops' }],
  ['ddl', /^Removes all rows\b/, { level: 'critical', verb: 'Deletes every row of' }],
  ['ddl', /^Creates\b/, { verb: 'Creates' }],
  ['ddl', /^Alters\b/, { verb: 'Alters' }],
  ['ddl', /^Renames\b/, { verb: 'Renames' }],
  ['export', /^Writes rows into a file of the server\b/, { verb: 'Writes rows into a server' }],
  ['export', /files? of the server/, { verb: 'Reads or writes server files with' }],
  ['import', /file of the server/, { verb: 'Loads a server file with' }],
  ['role', /^Takes on another role\b/, { verb: 'Changes role' }],
  ['role', /^Creates\b/, { verb: 'Creates role' }],
  ['role', /^Alters\b/, { verb: 'Alters role' }],
  ['role', /^Drops\b/, { level: 'critical', verb: 'Drops role' }],
  ['role', /^Changes who is a member\b/, { verb: 'Changes the members of role' }],
  ['code', /^Runs a block of code\b/, { verb: 'Runs a block of code in' }],
  ['code', /^Stores code\b/, { verb: 'Stores code in' }],
];

/** The whole table: what a person who meant one row cannot undo. */
const WHOLE: Readonly<Record<string, ActionRow>> = {
  Updates: { level: 'critical', verb: 'Updates every row of' },
  'Deletes rows of': { level: 'critical', verb: 'Deletes every row of' },
};

/** A shape is cut at 4 KiB; near that it can't tell what is missing. */
const SHAPE_WHOLE_CHARS_MAX = 4_000;

/** UPDATE or DELETE without the word WHERE anywhere. One with it may still reach every row: this never cries wolf. */
function reachesEveryRow({ shape, findings }: RequestLike): boolean {
  return (
    shape.length < SHAPE_WHOLE_CHARS_MAX &&
    findings.every((finding) => finding.statement === 0) &&
    /^\s*(UPDATE|DELETE)\b/i.test(shape) &&
    !/\bWHERE\b/i.test(shape)
  );
}

function rowOf(request: RequestLike, { action, why }: { readonly action: string; readonly why: string }): ActionRow {
  const row = { ...(ACTIONS[action] ?? UNLISTED), ...EXACT.find(([a, test]) => a === action && test.test(why))?.[2] };
  return (action === 'write' && reachesEveryRow(request) ? WHOLE[row.verb] : undefined) ?? row;
}

function isWhole(request: RequestLike, finding: RequestLike['findings'][number]): boolean {
  return Object.values(WHOLE).includes(rowOf(request, finding));
}

/** What is only for whoever asks. */
type Personal = Pick<RequestView, 'can_decide' | 'can_answer'>;

/** The view of `request` for `viewer`. */
export function viewOf(request: RequestLike, viewer: ReviewerIdentity, ports: Ports): RequestView {
  return { ...commonOf(request, ports), ...personal(request, viewer, ports) };
}

export function personal(request: RequestLike, viewer: ReviewerIdentity, { requests }: Ports): Personal {
  return {
    can_decide: canDecide(request, viewer, requests),
    can_answer: isUndecided(request) && isOwn(request, viewer, requests),
  };
}

export function isUndecided({ state }: { readonly state: string }): boolean {
  return state === 'open' || state === 'asked';
}

/** Equal for requests of one agent, rule and shape: a flood of them is one thing to look at. */
export function groupOf({ who, rule, shape }: RequestLike, { audit }: Ports): string {
  return audit.tag(JSON.stringify(['group', who.id, rule, shape]));
}

/** What is the same for all who see it. */
export function commonOf(request: RequestLike, ports: Ports): Omit<RequestView, keyof Personal> {
  const { ask, broken_glass } = request;
  const tally = ports.requests.tally(request);
  const decoded = decode(request.sql);
  const statement = { text: decoded.text, marks: decoded.marks };
  const parameters = request.parameters.map((parameter) => ({
    type: spell(parameter.type),
    value: parameter.value === null ? null : words(parameter.value),
    bytes: parameter.value === null ? 0 : Buffer.byteLength(parameter.value),
  }));
  const findings = findingsOf(request, decoded);
  const warning = warningOf(statement.marks, parameters);
  return {
    id: request.id,
    state: request.state,
    revision: request.revision,
    changed: request.changed && { at: request.changed.at, why: request.changed.why },
    digest: request.digest_tag,
    level: warning ? 'critical' : worst(findings),
    sentence: `${sentenceOf(request, findings)}${pastOf(request)}`,
    warning,
    who: whoOf(request.who),
    where: { ...request.where, tags: { ...request.where.tags } },
    role: spell(request.role),
    upstream_user: request.upstream_user,
    search_path: spell(request.search_path),
    application_name: spell(request.application_name),
    statement: {
      ...statement,
      bytes: decoded.bytes,
      lines: decoded.text.split('\n').length,
      hex: decoded.hex,
      deleted: request.text_gone === true,
    },
    parameters,
    findings,
    rule: request.rule,
    message: spell(request.message),
    ask: {
      of: [...ask.of],
      each: ask.each,
      count: ask.count,
      denials: ask.denials,
      escalate: ask.escalate && { after_ms: ask.escalate.after_ms, to: [...ask.escalate.to] },
      nobody_ms: ask.nobody_ms,
      channel: ask.channel,
      step_up: ask.step_up && { ...ask.step_up, acr: [...ask.step_up.acr], text: demandWords(ask.step_up) },
      rationale: [...ask.rationale],
      ticket: ask.ticket,
    },
    permit: permitOf(request, decoded),
    policy: request.policy,
    group: groupOf(request, ports),
    session: request.session,
    reason: request.reason === '' ? null : words(request.reason),
    reason_at: request.reason_at,
    in_transaction: request.in_transaction,
    commits: request.commits,
    earlier: request.earlier.map(({ sql, at, outcome }) => {
      const { text, marks } = decode(sql);
      return { text, marks, at, outcome: spell(outcome) };
    }),
    opened: request.opened,
    deadline: request.deadline,
    holds: request.holds,
    wait_until: request.wait_until,
    use_until: request.use_until,
    use_within_ms: ask.use_within_ms,
    decisions: request.decisions.map((decision) => ({
      decision: decision.decision,
      by: decision.by,
      instead_of: decision.instead_of,
      group: decision.group,
      counts: decision.counts,
      rationale: spell(decision.rationale),
      channel: decision.channel,
      at: decision.at,
      permit: decision.permit && termsOf(decision.permit),
    })),
    approvals: tally.approvals.map(({ by, instead_of, group }) => ({ by, instead_of, group })),
    needed: tally.needed,
    missing: [...tally.missing],
    reach: isUndecided(request) ? ports.requests.reach(request) : { eligible: 0, present: 0 },
    said: request.said.map(({ kind, by, text, channel, at }) => ({ kind, by, ...words(text), channel, at })),
    escalated: request.escalated,
    broken_glass: broken_glass && {
      reason: words(broken_glass.reason),
      at: broken_glass.at,
      reviewed: broken_glass.reviewed && {
        ...broken_glass.reviewed,
        rationale: spell(broken_glass.reviewed.rationale),
      },
    },
    withdrawn: request.withdrawn && { by: request.withdrawn.by, reason: spell(request.withdrawn.reason) },
    outcome: request.outcome && { ...request.outcome, tag: request.outcome.tag && spell(request.outcome.tag) },
    impact: impactOf(request),
    before: beforeOf(request),
    updated: request.updated,
  };
}

export function whoOf(who: RequestLike['who']): RequestView['who'] {
  const { id, kind, groups, sponsor, authentication, address, on_behalf_of = [], task = '' } = who;
  return {
    id,
    kind,
    groups: [...groups],
    sponsor,
    authentication,
    address,
    on_behalf_of: on_behalf_of.map(spell),
    task: task === '' ? null : words(task),
  };
}

export function termsOf({ for_ms, uses, rows }: PermitTermsLike): PermitTermsLike {
  return { for_ms, uses, rows };
}

export function beforeOf({ before }: RequestLike): RequestView['before'] {
  if (!before) return null;
  const { approved, permits, denied, days } = before;
  const times = (n: number) => `${n} ${n === 1 ? 'time' : 'times'}`;
  const within = days === 1 ? 'today' : `in ${days} days`;
  const all = permits === 0 ? '' : `, for all like it ${times(permits)}`;
  const text =
    approved + permits + denied === 0
      ? `not decided ${within}`
      : `approved once ${times(approved)}${all} ${within}, denied ${times(denied)}`;
  return { approved, permits, denied, days, text };
}

/** What a standing approval of all that are like it could cover. */
function permitOf({ ask, pattern }: RequestLike, decoded: Decoded): RequestView['permit'] {
  if (ask.permit === null || pattern === null || (pattern.writes && !ask.permit.writes)) return null;
  return { ...termsOf(ask.permit), writes: pattern.writes, ...freeOf(pattern, decoded) };
}

/** Where in the text another statement may be otherwise, and which parameters. */
export function freeOf(
  { free, free_parameters }: PatternLike,
  decoded: Decoded,
): { free: { from: number; to: number }[]; free_parameters: number[] } {
  const ends = decoded.indexes(free.flat());
  return {
    free: free.map((_, i) => ({ from: ends[2 * i] as number, to: ends[2 * i + 1] as number })),
    free_parameters: [...free_parameters],
  };
}

/** What a request does in one line, for places that show no more of it. Everything in it is spelled out. */
export interface Headline {
  readonly level: Level;
  readonly sentence: string;
  /** What is deceptive in the statement's text or parameters; '' for nothing. */
  readonly warning: string;
}

export function headlineOf(request: RequestLike): Headline {
  const decoded = decode(request.sql);
  const findings = findingsOf(request, decoded);
  const parameters = request.parameters.map(({ type, value }) => ({
    type,
    value: value === null ? null : words(value),
    bytes: 0,
  }));
  const warning = warningOf(decoded.marks, parameters);
  return {
    level: warning ? 'critical' : worst(findings),
    sentence: `${sentenceOf(request, findings)}${pastOf(request)}`,
    warning,
  };
}

/** The desk's word, after the two conditions that no policy changes: a person, with the role. */
export function canDecide(
  request: RequestLike,
  viewer: ReviewerIdentity,
  desk: ReviewPorts['requests'],
): RequestView['can_decide'] {
  const own = isOwn(request, viewer, desk);
  if (viewer.kind !== 'human') return { may: false, text: 'An agent decides nothing.', own };
  const answer = desk.may(request, viewer.id);
  if (!answer.may)
    return { may: false, text: answer.text, own, ...(answer.why === 'step-up' && { again: true as const }) };
  if (!viewer.roles.includes('reviewer')) return { may: false, text: 'Only a reviewer decides. You can read.', own };
  return { may: true, group: answer.group };
}

/** Sent by this account, or one that is linked to it; or by an agent that it answers for. */
export function isOwn(
  request: RequestLike,
  viewer: ReviewerIdentity,
  desk: Pick<ReviewPorts['requests'], 'owns'>,
): boolean {
  return desk.owns(request, viewer.id);
}

function findingsOf(request: RequestLike, decoded: Decoded): FindingView[] {
  const offsets = [...new Set(request.findings.flatMap((finding) => [finding.start, finding.end]))].toSorted(
    (a, b) => a - b,
  );
  const indexes = decoded.indexes(offsets);
  const indexOf = new Map(offsets.map((offset, i) => [offset, indexes[i] as number]));
  return request.findings.map((finding) => {
    const from = indexOf.get(finding.start) as number;
    const to = indexOf.get(finding.end) as number;
    const before = decoded.text.slice(0, from);
    const lineStart = before.lastIndexOf('\n') + 1;
    return {
      action: finding.action,
      object: spell(finding.object),
      why: spell(finding.why) + (isWhole(request, finding) ? ' No WHERE: every row.' : ''),
      level: rowOf(request, finding).level,
      statement: finding.statement,
      start: finding.start,
      end: finding.end,
      from,
      to,
      line: before.split('\n').length,
      column: Array.from(before.slice(lineStart)).length + 1,
      unresolved: finding.unresolved === true,
    };
  });
}

function worst(findings: readonly FindingView[]): Level {
  return LEVELS.find((level) => findings.some((finding) => finding.level === level)) ?? 'medium';
}

/** Names of settings that stand for a change of role; the role itself is a literal. */
const NOT_OBJECTS = new Set(['role', 'session_authorization']);

/** Verb and objects: "Exports public.customers and billing.invoices". */
function sentenceOf(request: RequestLike, findings: readonly FindingView[]): string {
  const level = worst(findings);
  const main = findings.find((finding) => finding.level === level);
  if (!main) return 'Runs a statement that Holdpoint found nothing in';
  const { verb } = rowOf(request, main);
  const same = findings.filter((finding) => finding.level === level && rowOf(request, finding).verb === verb);
  let objects = named(same);
  // COPY (SELECT ...) TO STDOUT leaves with what the statement reads.
  if (objects.length === 0 && main.action === 'export') objects = named(findings.filter((f) => f.action === 'read'));
  const told = new Set(objects);
  const more = findings.some((f) => f.level !== 'low' && !same.includes(f) && f.object !== '' && !told.has(f.object));
  const sentence = objects.length > 0 ? `${verb} ${listed(objects)}` : main.why.replace(/\.$/, '');
  return more ? `${sentence}, and more` : sentence;
}

/** It runs already: what is asked is whether its result may go on. */
function pastOf({ passed }: RequestLike): string {
  if (!passed) return '';
  return `: continue past ${passed.rows} ${passed.rows === 1 ? 'row' : 'rows'}, ${passed.bytes} bytes?`;
}

function named(findings: readonly FindingView[]): string[] {
  return [
    ...new Set(findings.map((finding) => finding.object).filter((object) => object !== '' && !NOT_OBJECTS.has(object))),
  ];
}

const OBJECTS_NAMED_MAX = 3;

function listed(objects: readonly string[]): string {
  const more = objects.length - OBJECTS_NAMED_MAX;
  if (more > 0) return `${objects.slice(0, OBJECTS_NAMED_MAX).join(', ')} and ${more} more`;
  return objects.length < 2 ? (objects[0] ?? '') : `${objects.slice(0, -1).join(', ')} and ${objects.at(-1)}`;
}

function warningOf(marks: RequestView['statement']['marks'], parameters: RequestView['parameters']): string {
  const inText = deception(marks);
  const inValues = parameters.flatMap((parameter, i) => {
    const found = parameter.value ? deception(parameter.value.marks) : '';
    return found ? [`${found} in $${i + 1}`] : [];
  });
  const all = [...(inText ? [inText] : []), ...inValues].join('; ');
  return all && `It has ${all}. They are drawn as marks; nothing below is reordered or left out.`;
}
