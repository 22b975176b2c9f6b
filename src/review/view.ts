// A request as one reviewer sees it. Everything a requester wrote leaves here as marked words or spelled out,
// so that no channel has to remember to do it. Must never cut or reorder the statement.
import type { RequestLike, RequestsPort, ReviewerIdentity } from './ports.ts';
import type { FindingView, Level, RequestView } from './schemas.ts';
import { decode, deception, spell, words, type Decoded } from './words.ts';

/** The desk's word on who may decide. */
type Desk = Pick<RequestsPort, 'may'>;

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

/** `action first-words` where those say it better. The first match counts. */
const EXACT: readonly (readonly [action: string, start: RegExp, row: Partial<ActionRow>])[] = [
  ['ddl', /^DROP\b/i, { level: 'critical', verb: 'Drops' }],
  ['ddl', /^CREATE\b/i, { verb: 'Creates' }],
  ['ddl', /^ALTER\b/i, { verb: 'Alters' }],
  ['ddl', /^TRUNCATE\b/i, { level: 'critical', verb: 'Deletes every row of' }],
  ['ddl', /^COMMENT\b/i, { verb: 'Comments on' }],
  ['write', /^TRUNCATE\b/i, { level: 'critical', verb: 'Deletes every row of' }],
  ['write', /^INSERT\b/i, { verb: 'Adds rows to' }],
  ['write', /^UPDATE\b/i, { verb: 'Updates' }],
  ['write', /^DELETE\b/i, { verb: 'Deletes rows of' }],
  ['write', /^MERGE\b/i, { verb: 'Merges into' }],
  ['grant', /^GRANT\b/i, { verb: 'Grants rights on' }],
  ['grant', /^REVOKE\b/i, { verb: 'Revokes rights on' }],
  ['role', /^CREATE\b/i, { verb: 'Creates role' }],
  ['role', /^ALTER\b/i, { verb: 'Alters role' }],
  ['role', /^DROP\b/i, { verb: 'Drops role' }],
  ['role', /^(RESET|SET)\b/i, { verb: 'Changes role to' }],
];

/** A write whose finding says so reaches the whole table: not to be undone by a person who only meant one row. */
const EVERY_ROW = /\b(every|all) rows?\b|\bno WHERE\b/i;
const WHOLE: Readonly<Record<string, string>> = {
  Updates: 'Updates every row of',
  'Deletes rows of': 'Deletes every row of',
  Writes: 'Writes every row of',
};

function rowOf(action: string, why: string, start: string): ActionRow {
  const row = { ...(ACTIONS[action] ?? UNLISTED), ...EXACT.find(([a, test]) => a === action && test.test(start))?.[2] };
  return action === 'write' && EVERY_ROW.test(why) ? { level: 'critical', verb: WHOLE[row.verb] ?? row.verb } : row;
}

/** The view of `request` for `viewer`; `desk` says who may decide it. */
export function viewOf(request: RequestLike, viewer: ReviewerIdentity, desk: Desk): RequestView {
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
    digest: request.digest_tag,
    level: warning ? 'critical' : worst(findings),
    sentence: sentenceOf(request, findings),
    warning,
    who: { ...request.who, groups: [...request.who.groups] },
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
    },
    parameters,
    findings,
    rule: request.rule,
    message: spell(request.message),
    ask: {
      of: [...request.ask.of],
      count: request.ask.count,
      rationale: [...request.ask.rationale],
      ticket: request.ask.ticket,
    },
    policy: request.policy,
    reason: request.reason === '' ? null : words(request.reason),
    reason_at: request.reason_at,
    in_transaction: request.in_transaction,
    earlier: request.earlier.map(({ sql, at, outcome }) => {
      const { text, marks } = decode(sql);
      return { text, marks, at, outcome: spell(outcome) };
    }),
    opened: request.opened,
    deadline: request.deadline,
    holds: request.holds,
    wait_until: request.wait_until,
    use_until: request.use_until,
    use_within_ms: request.ask.use_within_ms,
    decisions: request.decisions.map((decision) => ({ ...decision, rationale: spell(decision.rationale) })),
    withdrawn: request.withdrawn && { by: request.withdrawn.by, reason: spell(request.withdrawn.reason) },
    outcome: request.outcome && { ...request.outcome, tag: request.outcome.tag && spell(request.outcome.tag) },
    updated: request.updated,
    can_decide: canDecide(request, viewer, desk),
  };
}

/** The desk's word, after the two conditions that no policy changes: a person, with the role. */
export function canDecide(request: RequestLike, viewer: ReviewerIdentity, desk: Desk): RequestView['can_decide'] {
  const own = isOwn(request, viewer);
  if (viewer.kind !== 'human') return { may: false, text: 'An agent decides nothing.', own };
  const answer = desk.may(request, viewer.id);
  if (!answer.may) return { may: false, text: answer.text, own };
  if (!viewer.roles.includes('reviewer')) return { may: false, text: 'Only a reviewer decides. You can read.', own };
  return answer;
}

/** Sent by this person, or by an agent that it answers for. */
export function isOwn(request: RequestLike, viewer: ReviewerIdentity): boolean {
  const mine = [viewer.id, ...viewer.aliases];
  return mine.includes(request.who.id) || (request.who.sponsor !== null && mine.includes(request.who.sponsor));
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
      why: spell(finding.why),
      level: rowOf(finding.action, finding.why, startOf(request, finding.statement)).level,
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

/** The first words of one statement of the batch; a single one may have no separators in its shape. */
function startOf(request: RequestLike, statement: number): string {
  return (request.shape.split(';')[statement] ?? '').trimStart();
}

function worst(findings: readonly FindingView[]): Level {
  return LEVELS.find((level) => findings.some((finding) => finding.level === level)) ?? 'medium';
}

/** Verb and objects: "Exports public.customers and billing.invoices". */
function sentenceOf(request: RequestLike, findings: readonly FindingView[]): string {
  const level = worst(findings);
  const main = findings.find((finding) => finding.level === level);
  if (!main) return 'Runs a statement that Holdpoint found nothing in';
  const { verb } = rowOf(main.action, main.why, startOf(request, main.statement));
  let objects = named(findings.filter((finding) => finding.action === main.action && finding.level === level));
  // COPY ... TO STDOUT leaves with what the statement reads.
  if (objects.length === 0 && main.action === 'export') objects = named(findings.filter((f) => f.action === 'read'));
  return objects.length === 0 ? verb.replace(/:$| (of|on|to|into|the setting)$/, '') : `${verb} ${listed(objects)}`;
}

function named(findings: readonly FindingView[]): string[] {
  return [...new Set(findings.map((finding) => finding.object).filter((object) => object !== ''))];
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
