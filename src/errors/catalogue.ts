// Everything Holdpoint says to a PostgreSQL client, in one table: SQLSTATE, when, and the exact words (message = what is,
// DETAIL = facts, HINT = the one next thing to do). Must never name a command that this release does not answer, and never
// carry a statement's text, a parameter or a row value.
import { cutBytes, DETAIL_BYTES_MAX, HINT_BYTES_MAX, MESSAGE_BYTES_MAX, quoted, utc, visible } from './text.ts';

/** What goes into an ErrorResponse or NoticeResponse. */
export interface WireText {
  readonly severity: 'ERROR' | 'FATAL' | 'NOTICE';
  readonly sqlstate: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
  /** Characters from 1, as the P field counts them. */
  readonly position?: number;
}

/** One row of the catalogue: call it with its values. */
export interface Row<V> {
  (values: V): WireText;
  readonly severity: WireText['severity'];
  readonly sqlstate: string;
  /** For the printed table. */
  readonly when: string;
  readonly example: V;
}

interface Words {
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  readonly position?: number | undefined;
}

function row<V>(
  severity: WireText['severity'],
  sqlstate: string,
  when: string,
  words: (values: V) => Words,
  example: NoInfer<V>,
): Row<V> {
  const build = (values: V): WireText => {
    const { message, detail, hint, position } = words(values);
    return {
      severity,
      sqlstate,
      message: cutBytes(visible(message), MESSAGE_BYTES_MAX),
      ...(detail !== undefined && { detail: cutBytes(visible(detail), DETAIL_BYTES_MAX) }),
      ...(hint !== undefined && { hint: cutBytes(visible(hint), HINT_BYTES_MAX) }),
      ...(position !== undefined && position > 0 && { position }),
    };
  };
  return Object.assign(build, { severity, sqlstate, when, example });
}

const AT = Date.UTC(2025, 10, 22, 14, 17, 30);
const ID = 'HP-7KQ4M2XA';

const REASON = 'who needs it, what for, until when';
const TO_GIVE_A_REASON = `SET holdpoint.reason = '${REASON}';`;
const ASK_FIRST = "SELECT holdpoint.request_approval('<sql>', '<reason>');";

const answerWith = (id: string, words: string): string => `SELECT holdpoint.answer('${id}', '${words}')`;

const reach = (connected: number): string => {
  if (connected === 0) return 'Nobody who may decide is connected now.';
  return connected === 1
    ? '1 reviewer who may decide is connected.'
    : `${connected} reviewers who may decide are connected.`;
};

export const texts = {
  held: row(
    'NOTICE',
    '00000',
    'a statement is held, at once',
    (v: {
      readonly id: string;
      readonly rule: string;
      /** The rule's message; '' for none. */
      readonly ruleMessage: string;
      /** "export of public.customers, billing.invoices". */
      readonly found: string;
      /** "any reviewer", "one of dba". */
      readonly needs: string;
      /** The console's address without a slash at its end; null: none to tell. */
      readonly console: string | null;
      readonly waitUntil: number;
      readonly deadline: number;
      /** false: the request does not outlive the wait. */
      readonly ticket: boolean;
      /** Reviewers who may decide it and are connected now. */
      readonly connected: number;
      /** The agent gave no reason. */
      readonly noReason: boolean;
    }) => {
      const head = `Rule "${v.rule}":`;
      const tail = `Needs: ${v.needs}. ${reach(v.connected)}${v.console === null ? '' : ` Console: ${v.console}/r/${v.id}`}`;
      const room = DETAIL_BYTES_MAX - Buffer.byteLength(`${head}  Found: . ${tail}`);
      const found = cutBytes(visible(v.found), Math.max(room - Buffer.byteLength(v.ruleMessage), room >> 1));
      const said = cutBytes(visible(v.ruleMessage), room - Buffer.byteLength(found));
      return {
        message: `held for approval, not failed: request ${v.id}`,
        detail: `${head}${said === '' ? '' : ` ${said}`} Found: ${found}. ${tail}`,
        hint: [
          'Keep this connection open and wait; do not retry, split or reword the statement.',
          'It runs here by itself once approved.',
          v.ticket
            ? `This connection waits until ${utc(v.waitUntil)} UTC, then you get error ZH001; the request stays open until ${utc(v.deadline)} UTC.`
            : `This connection waits until ${utc(v.waitUntil)} UTC, then the request is withdrawn (error ZH003).`,
          ...(v.noReason ? [`To add a reason, from another connection: ${answerWith(v.id, REASON)};`] : []),
        ].join(' '),
      };
    },
    {
      id: ID,
      connected: 2,
      rule: 'exports',
      ruleMessage: 'Data leaves the database in bulk. Say who needs it and for how long.',
      found: 'export of public.customers, billing.invoices',
      needs: 'one of dba',
      console: 'https://holdpoint.example',
      waitUntil: AT - 12 * 60_000,
      deadline: AT,
      ticket: true,
      noReason: true,
    },
  ),
  stillHeld: row(
    'NOTICE',
    '00000',
    'heartbeat while held',
    (v: {
      readonly id: string;
      readonly approvals: number;
      readonly needed: number;
      /** Seconds. */
      readonly waitsMore: number;
    }) => ({
      message: `still held: request ${v.id}, ${v.approvals} of ${v.needed} approvals, waits ${v.waitsMore} s more`,
    }),
    { id: ID, approvals: 0, needed: 1, waitsMore: 30 },
  ),
  question: row(
    'NOTICE',
    '00000',
    'a reviewer asks, while a statement is held',
    (v: {
      readonly id: string;
      readonly by: string;
      readonly question: string;
      /** Seconds that an answer adds to the wait; 0: none. */
      readonly adds: number;
    }) => {
      const start = `question on request ${v.id} from ${v.by}: `;
      const said = quoted(v.question, MESSAGE_BYTES_MAX - Buffer.byteLength(start));
      return {
        message: `${start}${said}`,
        detail:
          said === quoted(v.question, Infinity, Infinity) ? undefined : `Whole text: SHOW holdpoint.request."${v.id}";`,
        hint: [
          `Answer in plain words from another connection of the same user: ${answerWith(v.id, 'your answer')}; Then keep waiting.`,
          ...(v.adds > 0 ? [`An answer adds ${v.adds} s, once.`] : []),
          'A question is not a denial.',
        ].join(' '),
      };
    },
    { id: ID, by: 'ines', question: 'Who receives the file, and when is it deleted?', adds: 60 },
  ),
  approved: row(
    'NOTICE',
    '00000',
    'approved; the result follows',
    (v: { readonly id: string; readonly by: readonly Approver[] }) => ({
      message: approvedBy(v.by, `: request ${v.id} runs now, once`),
    }),
    {
      id: ID,
      by: [
        { id: 'ines', group: 'dba', instead_of: null },
        { id: 'jonas', group: 'data-owner', instead_of: 'aiko' },
      ],
    },
  ),
  changed: row(
    'NOTICE',
    '00000',
    'what would run is something else than was shown; the wait goes on',
    (v: {
      readonly id: string;
      readonly why: string;
      readonly needs: string;
      readonly waitUntil: number;
      readonly deadline: number;
      readonly ticket: boolean;
    }) => ({
      message: `changed, not failed: request ${v.id} must be approved again`,
      detail: `Since it was shown to reviewers, ${v.why}. Nothing ran. Needs: ${v.needs}.`,
      hint: `Keep this connection open and wait; it runs here by itself once approved. ${
        v.ticket
          ? `This connection waits until ${utc(v.waitUntil)} UTC, then you get error ZH001; the request stays open until ${utc(v.deadline)} UTC.`
          : `This connection waits until ${utc(v.waitUntil)} UTC, then the request is withdrawn (error ZH003).`
      }`,
    }),
    {
      id: ID,
      why: 'what its names stand for is something else now',
      needs: 'any reviewer',
      waitUntil: AT,
      deadline: AT,
      ticket: true,
    },
  ),
  brokeGlass: row(
    'NOTICE',
    '00000',
    'run by break-glass, without an approval; the result follows',
    (v: { readonly id: string /** Its result was stopped at a limit. */; readonly goesOn: boolean }) => ({
      message: `break-glass: request ${v.id} ${v.goesOn ? 'goes on, to its end' : 'runs now, once'}, without approval`,
      detail: 'Everybody who may decide is told, and somebody else must review what you did.',
    }),
    { id: ID, goesOn: false },
  ),
  noBreakGlass: row(
    'ERROR',
    '42501',
    'break-glass by somebody who may not',
    (v: { readonly rule: string /** Reviewer groups; none: nobody may. */; readonly of: readonly string[] }) => ({
      message: `break-glass is not for you: rule "${v.rule}" holds this statement for approval`,
      detail: `${v.of.length === 0 ? 'The policy lets nobody break the glass' : `Only people of ${v.of.join(', ')} may break the glass`}. The statement did not run. No request was opened.`,
      hint: 'Send it again without holdpoint.break_glass: it then waits for approval.',
    }),
    { rule: 'exports', of: ['dba-on-call'] },
  ),
  deniedByClock: row(
    'ERROR',
    '42501',
    'denied by the clock: nobody who may decide was connected for so long',
    (v: {
      readonly id: string;
      /** "15 minutes". */
      readonly nobody: string;
      readonly rule: string;
      readonly sponsor: string | null;
      readonly inTransaction: boolean;
    }) => ({
      message: `denied: nobody who may decide was there for ${v.nobody} (request ${v.id})`,
      detail: `Rule "${v.rule}". The statement did not run.${v.inTransaction ? ' The transaction is failed: ROLLBACK before you go on.' : ''}`,
      hint: `This is final for this statement for now. Do not send it again, reworded or in parts.${v.sponsor === null ? '' : ` Tell your sponsor, ${v.sponsor}.`}`,
    }),
    { id: ID, nobody: '15 minutes', rule: 'exports', sponsor: 'mara', inTransaction: false },
  ),
  unknownRequest: row(
    'ERROR',
    '22023',
    'a request of somebody else, or none',
    (v: { readonly id: string }) => ({
      message: `you have no request ${v.id.slice(0, 40)}`,
      hint: 'Yours are in SHOW holdpoint.requests;',
    }),
    { id: ID },
  ),
  notSaid: row(
    'ERROR',
    '22023',
    'an answer, or a withdrawal, that is not counted',
    (v: { readonly id: string /** "it is executed already". */; readonly why: string }) => ({
      message: `nothing was said on request ${v.id}: ${v.why}`,
      hint: `Look at it with SHOW holdpoint.request."${v.id}";`,
    }),
    { id: ID, why: 'it is executed already' },
  ),
  connectFirst: row(
    'ERROR',
    '22023',
    'a statement is to be judged before it is sent, and there is no session to judge it under',
    (v: { readonly user: string }) => ({
      message: `${v.user} has no connection that is idle outside of a transaction`,
      hint: 'Connect to the database once first: what a statement means depends on the session. Then ask again.',
    }),
    { user: 'billing-agent' },
  ),
  notAsUtf8: row(
    'ERROR',
    '22023',
    'request_approval of a text that is not of the character set it would be sent in',
    (v: { readonly charset: string }) => ({
      message: `request_approval takes texts in UTF-8, and this session speaks ${v.charset}`,
      hint: 'SET NAMES utf8mb4, and ask again.',
    }),
    { charset: 'latin1' },
  ),
  permitted: row(
    'NOTICE',
    '00000',
    'a permit covers it; the result follows',
    (v: {
      /** The permit's. */
      readonly id: string;
      readonly use: number;
      readonly uses: number;
      /** That it may return. */
      readonly rows: number;
      readonly until: number;
      readonly writes: boolean;
    }) => ({
      message: `runs under permit ${v.id}, use ${v.use} of ${v.uses}, at most ${v.rows} rows`,
      detail: v.writes
        ? `The permit ends at ${utc(v.until)} UTC. It limits what is returned; if this changes more rows than that, it is on record.`
        : `The permit ends at ${utc(v.until)} UTC.`,
    }),
    { id: 'PM-7KQ4M2XA', use: 3, uses: 1000, rows: 10_000, until: AT, writes: false },
  ),
  permitRevoked: row(
    'ERROR',
    'ZH004',
    'a permit was revoked before the statement ran, or between two parts of its result',
    (v: { readonly id: string; readonly by: string }) => ({
      message: `permit ${v.id} was revoked by ${v.by}`,
      hint: 'Nothing more runs under it. Send the statement again to ask for it once.',
    }),
    { id: 'PM-7KQ4M2XA', by: 'grace' },
  ),
  denied: row(
    'ERROR',
    '42501',
    'denied by a person',
    (v: {
      readonly id: string;
      readonly by: string;
      /** The reviewer's words; '' for none. */
      readonly rationale: string;
      readonly rule: string;
      readonly found: string;
      readonly inTransaction: boolean;
    }) => {
      const start = `denied by ${v.by}`;
      const end = ` (request ${v.id})`;
      const room = MESSAGE_BYTES_MAX - Buffer.byteLength(`${start}: ${end}`);
      const said = v.rationale.trim() === '' ? '' : `: ${quoted(v.rationale, room)}`;
      const head = `Rule "${v.rule}". Refused: `;
      const tail = `. The statement did not run.${v.inTransaction ? ' The transaction is failed: ROLLBACK before you go on.' : ''}`;
      const found = cutBytes(visible(v.found), DETAIL_BYTES_MAX - Buffer.byteLength(head + tail));
      return {
        message: `${start}${said}${end}`,
        detail: `${head}${found}${tail}`,
        hint: `This is final for this statement. Do not send it again, reworded or in parts. If you need something else, ask first: ${ASK_FIRST}`,
      };
    },
    {
      id: ID,
      by: 'aiko',
      rationale: 'Dunning needs totals and country, not e-mail and full name.',
      rule: 'exports',
      found: 'export of public.customers (email, full_name), billing.invoices',
      inTransaction: true,
    },
  ),
  deniedByPolicy: row(
    'ERROR',
    '42501',
    'denied by a rule, no person involved',
    (v: {
      readonly rule: string;
      /** Completes 'rule "x" allows no': "access to server files or programs", "export". */
      readonly allowsNo: string;
      readonly found: string;
      /** In characters from 1; 0: unknown. */
      readonly position: number;
      /** The rule's message; '' for none. */
      readonly ruleMessage: string;
      readonly inTransaction: boolean;
    }) => {
      const at = v.position > 0 ? ` at position ${v.position}` : '';
      const tail = `${at}. The statement did not run. No request was opened.${v.inTransaction ? ' The transaction is failed: ROLLBACK before you go on.' : ''}`;
      const found = cutBytes(visible(v.found), DETAIL_BYTES_MAX - Buffer.byteLength(`Found: ${tail}`));
      return {
        message: `denied by policy: rule "${v.rule}" allows no ${v.allowsNo}`,
        detail: `Found: ${found}${tail}`,
        hint: `No reviewer can approve this.${v.ruleMessage === '' ? '' : ` ${v.ruleMessage}`}`,
      };
    },
    {
      rule: 'server-files',
      allowsNo: 'access to server files or programs',
      found: 'COPY ... TO PROGRAM',
      position: 27,
      ruleMessage: 'Use COPY ... TO STDOUT and write the file on your side; that is held for approval.',
      inTransaction: false,
    },
  ),
  uncarried: row(
    'ERROR',
    '0A000',
    'a command of the protocol that is passed on for nobody',
    (v: { readonly command: string; readonly rule: string; readonly found: string }) => ({
      message: `${v.command} is refused: Holdpoint passes it on for nobody`,
      detail: `Rule "${v.rule}". Found: ${v.found}. It did not run. No request was opened.`,
      hint: 'No reviewer can approve this. Read what you need with SELECT, or ask your sponsor for a copy.',
    }),
    { command: 'COM_CLONE', rule: 'exports', found: 'export' },
  ),
  reasonRequired: row(
    'ERROR',
    '42501',
    'a rule with reason: required, and the agent gave none',
    (v: { readonly rule: string }) => ({
      message: `rule "${v.rule}" wants your reason before it asks anyone`,
      detail: 'The statement did not run. No request was opened.',
      hint: `Say why, then send the statement again: ${TO_GIVE_A_REASON}`,
    }),
    { rule: 'exports' },
  ),
  pending: row(
    'ERROR',
    'ZH001',
    'approval_pending: the wait is over, the request lives on',
    (v: {
      readonly id: string;
      readonly approvals: number;
      readonly needed: number;
      /** Seconds; 0: the rule lets nobody wait. */
      readonly waited: number;
      readonly deadline: number;
      readonly inTransaction: boolean;
      /** Statements of the open transaction that it would commit. */
      readonly commits?: number;
      /** Asked and not answered. */
      readonly question?: { readonly by: string; readonly text: string } | null;
      /** The agent gave no reason. */
      readonly noReason?: boolean;
    }) => ({
      message: `approval pending, not denied: request ${v.id} has ${v.approvals} of ${v.needed} approvals`,
      detail: [
        ...(v.question ? [`${v.question.by} asks: ${quoted(v.question.text, QUESTION_BYTES_MAX)}.`] : []),
        v.waited > 0 ? `The connection waited its ${v.waited} s.` : 'Connections do not wait for this.',
        `The statement did not run. The request stays open until ${utc(v.deadline)} UTC.`,
        ...(v.inTransaction ? ['You were in a transaction: it is failed, ROLLBACK it.'] : []),
        ...(v.commits ? [`When it runs, it commits ${earlier(v.commits)} of that transaction.`] : []),
      ].join(' '),
      hint: [
        ...(v.question ? [`Answer: ${answerWith(v.id, 'your answer')};`] : []),
        sendAgain(v.id, v.inTransaction),
        ...(v.noReason && !v.question && !v.inTransaction
          ? [`To give a reason: ${answerWith(v.id, 'who, what for, until when')};`]
          : []),
      ].join(' '),
    }),
    {
      id: ID,
      approvals: 0,
      needed: 1,
      waited: 45,
      deadline: AT,
      inTransaction: true,
      question: { by: 'ines', text: 'Who receives the file, and when is it deleted?' },
    },
  ),
  expired: row(
    'ERROR',
    'ZH002',
    'approval_expired: nobody decided in time',
    (v: { readonly id: string; readonly deadline: number; readonly sponsor: string | null }) => ({
      message: `nobody decided in time: request ${v.id} ended at ${utc(v.deadline)} UTC`,
      hint: `Nothing ran. You may send the statement again; that opens a new request.${v.sponsor === null ? '' : ` Tell your sponsor, ${v.sponsor}, first.`}`,
    }),
    { id: ID, deadline: AT, sponsor: 'mara' },
  ),
  withdrawn: row(
    'ERROR',
    'ZH003',
    'approval_withdrawn',
    (v: { readonly id: string; readonly by: string }) => ({
      message: `request ${v.id} was withdrawn by ${v.by}`,
      hint: 'Nothing ran. Do not send it again unless your sponsor tells you to.',
    }),
    { id: ID, by: 'mara' },
  ),
  noTicket: row(
    'ERROR',
    'ZH003',
    'approval_withdrawn: the wait is over and the rule leaves no ticket',
    (v: { readonly id: string; readonly rule: string; readonly waited: number }) => ({
      message: `nobody decided while you waited: request ${v.id} is withdrawn`,
      detail: `The connection waited its ${v.waited} s, and rule "${v.rule}" leaves no ticket. The statement did not run.`,
      hint: 'You may send the statement again; that opens a new request. Somebody must decide it while you wait.',
    }),
    { id: ID, rule: 'exports', waited: 45 },
  ),
  noLog: row<void>(
    'ERROR',
    'ZH005',
    'guard_unavailable: the audit log cannot be written',
    () => ({
      message: 'Holdpoint cannot write its log, so nothing is let through',
      hint: 'Not your fault and nothing ran. Wait and retry every 60 s; tell an operator.',
    }),
    undefined,
  ),
  notShipped: row(
    'ERROR',
    'ZH005',
    'guard_unavailable: the audit log is not shipped in time, and the operator has made that a condition',
    (v: { readonly name: string; readonly since: number }) => ({
      message: `Holdpoint cannot ship its log to ${v.name} since ${new Date(v.since).toISOString()}, so nothing is let through`,
      detail: 'The statement did not run. An approval that it has stays as it is.',
      hint: 'Not your fault. Send the identical statement again after 60 s; tell an operator if that goes on.',
    }),
    { name: 'siem', since: 1_763_830_598_115 },
  ),
  noDirectory: row<void>(
    'ERROR',
    'ZH005',
    'guard_unavailable: the directory cannot be asked about those by whose word it would run',
    () => ({
      message: 'Holdpoint cannot ask the directory now, so nothing that waits for a word is let through',
      detail: 'The statement did not run. An approval that it has stays as it is.',
      hint: 'Not your fault. Send the identical statement again after 60 s; tell an operator if that goes on.',
    }),
    undefined,
  ),
  noCatalog: row<void>(
    'ERROR',
    'ZH005',
    'guard_unavailable: what the names of an approved statement stand for now cannot be read',
    () => ({
      message: 'Holdpoint cannot read the catalog now, so nothing that was approved is let through',
      detail: 'The statement did not run. An approval that it has stays as it is.',
      hint: 'Not your fault. Send the identical statement again after 60 s; tell an operator if that goes on.',
    }),
    undefined,
  ),
  signInOver: row(
    'ERROR',
    'ZH005',
    'what the connection logged in with has expired or was revoked, or its principal is gone',
    (v: { readonly principal: string }) => ({
      message: `the sign-in of ${v.principal} is over, so nothing of it is let through any more`,
      detail:
        'It has expired or was revoked, or the directory does not know it any more, or nobody who answers for it. The statement did not run.',
      hint: 'Sign in anew: connect with a new token or password, then send the identical statement again. An approval that it has stays as it is.',
    }),
    { principal: 'report-bot' },
  ),
  noJudgement: row<void>(
    'ERROR',
    'ZH005',
    'guard_unavailable: the statement could not be judged (a fault of ours)',
    () => ({
      message: 'Holdpoint cannot judge this statement now, so it is not let through',
      hint: 'Not your fault and nothing ran. Retry once after 60 s; tell an operator.',
    }),
    undefined,
  ),
  unsponsored: row(
    'ERROR',
    'ZH005',
    'guard_unavailable: nobody answers for the principal',
    (v: { readonly principal: string; readonly rule: string }) => ({
      message: `nobody answers for ${v.principal}, so nobody can approve this`,
      detail: `Rule "${v.rule}" holds the statement, and ${v.principal} has no sponsor. The statement did not run. No request was opened.`,
      hint: 'Do not send it again. An operator must name a sponsor for this user first.',
    }),
    { principal: 'billing-agent', rule: 'exports' },
  ),
  lapsed: row(
    'ERROR',
    'ZH006',
    'judged_again: approved for other circumstances',
    (v: { readonly id: string; readonly why: string }) => ({
      message: `request ${v.id} was approved for other circumstances: ${v.why}`,
      hint: 'Nothing ran. Send the statement again to open a new request.',
    }),
    { id: ID, why: 'the earlier statements of the transaction are others now' },
  ),
  used: row(
    'ERROR',
    'ZH006',
    'another connection that held the identical statement ran it',
    (v: { readonly id: string }) => ({
      message: `request ${v.id} was approved once and another connection of yours has run it`,
      hint: 'Nothing ran here. Look at what it did; send the statement again only if it must run a second time: that opens a new request.',
    }),
    { id: ID },
  ),
  cancelled: row(
    'ERROR',
    '57014',
    'query_canceled while held',
    (v: {
      readonly id: string;
      readonly deadline: number;
      readonly ticket: boolean;
      readonly inTransaction: boolean;
    }) => ({
      message: `canceling statement due to user request, while held as request ${v.id}`,
      detail: v.ticket
        ? `The statement did not run. The request stays open until ${utc(v.deadline)} UTC.`
        : 'The statement did not run. The request is withdrawn.',
      hint: v.ticket ? sendAgain(v.id, v.inTransaction) : undefined,
    }),
    { id: ID, deadline: AT, ticket: true, inTransaction: false },
  ),
  overflow: row(
    'ERROR',
    '54000',
    'program_limit_exceeded: the client sent too much while held',
    (v: {
      readonly id: string /** Bytes. */;
      readonly limit: number;
      readonly deadline: number;
      readonly ticket: boolean;
    }) => ({
      message: `more than ${v.limit} bytes arrived while request ${v.id} is held`,
      detail: v.ticket
        ? `The statement did not run. The request stays open until ${utc(v.deadline)} UTC.`
        : 'The statement did not run. The request is withdrawn.',
      hint: 'Send nothing while a statement is held.',
    }),
    { id: ID, limit: 65_536, deadline: AT, ticket: true },
  ),
  heldAtLimit: row(
    'NOTICE',
    '00000',
    'a result has reached its limit, and waits for somebody to let it go on',
    (v: {
      readonly id: string;
      /** That have passed. */
      readonly rows: number;
      readonly bytes: number;
      readonly rule: string;
      /** The rule's message; '' for none. */
      readonly ruleMessage: string;
      readonly needs: string;
      readonly connected: number;
      readonly console: string | null;
      readonly waitUntil: number;
      readonly deadline: number;
      readonly ticket: boolean;
    }) => {
      const head = `Rule "${v.rule}":`;
      const console = v.console === null ? '' : ` Console: ${v.console}/r/${v.id}`;
      const tail = `Passed: ${passed(v)}, ${v.bytes} bytes. Needs: ${v.needs}. ${reach(v.connected)}${console}`;
      const said = cutBytes(visible(v.ruleMessage), DETAIL_BYTES_MAX - Buffer.byteLength(`${head}  ${tail}`));
      return {
        message: `held for approval after ${passed(v)}, not failed: request ${v.id}`,
        detail: `${head}${said === '' ? '' : ` ${said}`} ${tail}`,
        hint: [
          'Keep this connection open and wait; do not page on.',
          'The rest follows here by itself once approved.',
          v.ticket
            ? `This connection waits until ${utc(v.waitUntil)} UTC, then you get error ZH001; the request stays open until ${utc(v.deadline)} UTC.`
            : `This connection waits until ${utc(v.waitUntil)} UTC, then the request is withdrawn (error ZH004).`,
        ].join(' '),
      };
    },
    {
      id: ID,
      rows: 10_000,
      bytes: 812_345,
      rule: 'bulk-read',
      ruleMessage: 'A long result. Ask for fewer rows, or say who needs them all.',
      needs: 'any reviewer',
      connected: 0,
      console: 'https://holdpoint.example',
      waitUntil: AT - 12 * 60_000,
      deadline: AT,
      ticket: true,
    },
  ),
  goesOn: row(
    'NOTICE',
    '00000',
    'approved past its limit; the rest of the result follows',
    (v: { readonly id: string; readonly by: readonly Approver[] }) => ({
      message: approvedBy(v.by, `: the result of request ${v.id} goes on, to its end`),
    }),
    { id: ID, by: [{ id: 'ines', group: 'dba', instead_of: null }] },
  ),
  stoppedAtLimit: row(
    'ERROR',
    'ZH004',
    'row_limit: a result has reached its limit and was not extended',
    (v: {
      readonly rows: number;
      readonly rule: string;
      /** "request HP-7KQ4M2XA was denied by aiko". */
      readonly why: string;
      /** The reviewer's words; '' for none. */
      readonly rationale: string;
    }) => ({
      message: `stopped after ${passed(v)}: rule "${v.rule}", ${v.why}`,
      detail: v.rationale.trim() === '' ? undefined : `Said: ${quoted(v.rationale, DETAIL_BYTES_MAX - 150)}.`,
      hint: `You have the first ${passed(v)}. They are complete rows. Do not page on to get the rest.`,
    }),
    { rows: 100, rule: 'sensitive-bulk', why: `request ${ID} was denied by aiko`, rationale: 'Totals are enough.' },
  ),
  withheldAtLimit: row(
    'ERROR',
    'ZH004',
    'row_limit: the rows that a write returns have reached their limit',
    (v: { readonly rows: number; readonly rule: string }) => ({
      message: `rows withheld after ${passed(v)}: rule "${v.rule}", and nobody is asked where a statement writes`,
      hint: `You have the first ${passed(v)}. They are complete rows. Do not send it again: write fewer rows at a time, or leave RETURNING out.`,
    }),
    { rows: 10_000, rule: 'bulk-read' },
  ),
  pendingAtLimit: row(
    'ERROR',
    'ZH001',
    'approval_pending: the wait at the limit is over, the request lives on',
    (v: {
      readonly id: string;
      readonly rows: number;
      readonly approvals: number;
      readonly needed: number;
      readonly deadline: number;
    }) => ({
      message: `stopped after ${passed(v)}, approval pending, not denied: request ${v.id} has ${v.approvals} of ${v.needed} approvals`,
      detail: `You have complete rows. The request stays open until ${utc(v.deadline)} UTC.`,
      hint: `Do other work, then check with SHOW holdpoint.request."${v.id}"; When its state is approved, send the identical statement again, as the same user, same database; it then goes past the limit to its end, one time.`,
    }),
    { id: ID, rows: 10_000, approvals: 0, needed: 1, deadline: AT },
  ),
  cancelledUnsent: row(
    'ERROR',
    '57014',
    'query_canceled when it was approved, and before it was sent',
    (v: { readonly id: string }) => ({
      message: `canceling statement due to user request, after request ${v.id} was approved`,
      detail: 'The statement did not run. The approval can still be used, once.',
      hint: 'Send the identical statement again; it runs at once.',
    }),
    { id: ID },
  ),
  cancelledAtLimit: row(
    'ERROR',
    '57014',
    'query_canceled while a result waits at its limit',
    (v: { readonly id: string; readonly rows: number; readonly deadline: number; readonly ticket: boolean }) => ({
      message: `canceling statement due to user request, after ${passed(v)}, while held as request ${v.id}`,
      detail: v.ticket
        ? `You have complete rows. The request stays open until ${utc(v.deadline)} UTC.`
        : 'You have complete rows. The request is withdrawn.',
    }),
    { id: ID, rows: 10_000, deadline: AT, ticket: true },
  ),
  tooManyRequests: row(
    'ERROR',
    '54000',
    'program_limit_exceeded: too many open requests',
    (v: { readonly principal: string; readonly limit: number }) => ({
      message: `${v.principal} has ${v.limit} open requests already, and that is the limit`,
      detail: 'The statement did not run. No request was opened.',
      hint: 'Wait until some are decided: SHOW holdpoint.requests;',
    }),
    { principal: 'billing-agent', limit: 20 },
  ),
  limit: row(
    'ERROR',
    '54000',
    'program_limit_exceeded: another limit of the configuration',
    (v: {
      /** "the statement has more than 1048576 bytes". */ readonly what: string /** limits.<name>. */;
      readonly name: string;
    }) => ({
      message: `over a limit of Holdpoint: ${v.what}`,
      detail: `The limit is ${v.name}. The statement did not run.`,
    }),
    { what: 'the statement has more than 1048576 bytes', name: 'statement_bytes_max' },
  ),
  doesNotParse: row(
    'ERROR',
    '42601',
    'syntax_error: what cannot be read is not let through',
    (v: { readonly message: string; readonly position: number }) => ({
      message: v.message,
      detail: 'Holdpoint could not read the statement. It did not run.',
      position: v.position,
    }),
    { message: 'syntax error at or near "SELCT"', position: 1 },
  ),
  refusedSetting: row(
    'ERROR',
    '0A000',
    'feature_not_supported: a setting that would blind the guard',
    (v: { readonly name: string /** The value it stays at. */; readonly value: string }) => ({
      message: `${v.name} stays ${v.value} behind Holdpoint`,
      detail: 'The statement did not run.',
      hint: `Leave ${v.name} as it is.`,
    }),
    { name: 'client_encoding', value: 'UTF8' },
  ),
  notSupported: row(
    'ERROR',
    '0A000',
    'feature_not_supported: what this release does not judge',
    (v: {
      /** "the function call protocol". */ readonly what: string /** '' for none. */;
      readonly instead: string;
    }) => ({
      message: `Holdpoint does not let ${v.what} through`,
      detail: 'It did not run.',
      hint: v.instead === '' ? undefined : v.instead,
    }),
    { what: 'function call messages', instead: 'Call the function in a SELECT.' },
  ),
  wrongPassword: row(
    'FATAL',
    '28P01',
    'invalid_password; also for users that do not exist',
    (v: { readonly user: string }) => ({ message: `password authentication failed for user "${v.user}"` }),
    { user: 'billing-agent' },
  ),
  certificateRefused: row(
    'FATAL',
    '28000',
    'invalid_authorization_specification: the client certificate, whatever is wrong with it',
    (v: { readonly user: string }) => ({ message: `certificate authentication failed for user "${v.user}"` }),
    { user: 'billing-agent' },
  ),
  misbound: row<void>(
    'FATAL',
    '28000',
    'invalid_authorization_specification: SCRAM channel binding that does not go with what was offered',
    () => ({
      message: 'SCRAM channel binding negotiation error',
      detail: 'What the client says of channel binding is not what Holdpoint offered, or not what the client chose.',
      hint: 'Something between the two may have changed the offer. Connect to Holdpoint directly.',
    }),
    undefined,
  ),
  loginUnchecked: row<void>(
    'FATAL',
    'ZH005',
    'guard_unavailable: the directory or issuer that knows this login cannot be asked',
    () => ({
      message: 'Holdpoint cannot check this login now, so it is not let in',
      hint: 'Not your fault, and nothing is said about the password. Retry every 60 s; tell an operator.',
    }),
    undefined,
  ),
  notAuthorized: row(
    'FATAL',
    '28000',
    'invalid_authorization_specification: a login that is never let in',
    (v: {
      /** "replication connections are not let through". */ readonly why: string /** '' for none. */;
      readonly hint: string;
    }) => ({
      message: `not let in: ${v.why}`,
      hint: v.hint === '' ? undefined : v.hint,
    }),
    { why: 'this address takes TLS connections only', hint: 'Add sslmode=require.' },
  ),
  protocolViolation: row(
    'FATAL',
    '08P01',
    'protocol_violation',
    (v: { readonly what: string }) => ({ message: `protocol violation: ${v.what}` }),
    { what: 'message type 0x51 before the login' },
  ),
  tooManyConnections: row(
    'FATAL',
    '53300',
    'too_many_connections',
    (v: { readonly limit: number }) => ({
      message: `sorry, too many clients already: Holdpoint takes ${v.limit} connections here`,
    }),
    { limit: 500 },
  ),
  upstreamUnreachable: row(
    'FATAL',
    '08001',
    'sqlclient_unable_to_establish_sqlconnection: at login, the server behind cannot be reached',
    (v: {
      /** The listener's name. */ readonly upstream: string /** "ECONNREFUSED", "it did not answer in 10 s". */;
      readonly why: string;
    }) => ({
      message: `Holdpoint cannot reach the database "${v.upstream}": ${v.why}`,
      hint: 'Not your fault and nothing ran. Retry later; tell an operator.',
    }),
    { upstream: 'app', why: 'ECONNREFUSED' },
  ),
  upstreamRefused: row(
    'FATAL',
    '08004',
    "sqlserver_rejected_establishment_of_sqlconnection: the server behind refused Holdpoint's own login",
    (v: { readonly upstream: string /** The server's. */; readonly sqlstate: string }) => ({
      message: `the database "${v.upstream}" refused Holdpoint's login (${v.sqlstate})`,
      hint: 'Not your fault and nothing ran. Tell an operator.',
    }),
    { upstream: 'app', sqlstate: '28P01' },
  ),
  upstreamLost: row(
    'FATAL',
    '08006',
    'connection_failure: the server behind went away',
    (v: {
      readonly upstream: string /** A statement had been sent and not answered. */;
      readonly running: boolean;
    }) => ({
      message: `the connection from Holdpoint to the database "${v.upstream}" was lost`,
      detail: v.running ? 'A statement was running; whether it took effect is not known.' : 'No statement was running.',
    }),
    { upstream: 'app', running: false },
  ),
  starting: row(
    'FATAL',
    '57P03',
    'cannot_connect_now: starting, or shutting down and taking nobody new',
    (v: { readonly what: 'starting up' | 'shutting down' }) => ({ message: `Holdpoint is ${v.what}` }),
    { what: 'starting up' },
  ),
  shutdown: row(
    'FATAL',
    '57P01',
    'admin_shutdown: Holdpoint ends this connection',
    (v: { /** The request held on it; null: none. */ readonly id: string | null }) => ({
      message: 'terminating connection because Holdpoint is shutting down',
      detail: v.id === null ? undefined : `The statement of request ${v.id} did not run.`,
    }),
    { id: null },
  ),
  ended: row(
    'FATAL',
    '57P01',
    'admin_shutdown: an admin ended this connection',
    (v: { readonly by: string /** The request held on it; null: none. */; readonly id: string | null }) => ({
      message: 'terminating connection due to administrator command',
      detail:
        `${visible(v.by)} ended it in Holdpoint.` +
        (v.id === null
          ? ''
          : ` The statement of request ${v.id} did not run; where its rule leaves a ticket, it stays open.`),
    }),
    { by: 'Jonas Weidmann', id: 'HP-7KQ4M2XA' },
  ),
};

/** For docs/generated/errors.md. */
export function errorsTable(): string {
  const rows = Object.entries(texts).map(([name, build]) => {
    // Each row's example is of the type that the row takes; a list of all rows cannot say so.
    const text = (build as Row<unknown>)(build.example);
    const parts = [text.message, text.detail && `DETAIL: ${text.detail}`, text.hint && `HINT: ${text.hint}`];
    const words = parts
      .filter(Boolean)
      .join('<br>')
      .replaceAll('|', '\\|')
      .replaceAll(/<(sql|reason)>/g, '&lt;$1&gt;');
    return `| ${name} | ${text.severity} | ${text.sqlstate} | ${build.when} | ${words} |`;
  });
  return [
    '# What a PostgreSQL client is told',
    '',
    "Printed from `src/errors/catalogue.ts`. Class ZH is Holdpoint's own.",
    `At most ${MESSAGE_BYTES_MAX} bytes of message, ${DETAIL_BYTES_MAX} of DETAIL, ${HINT_BYTES_MAX} of HINT.`,
    '',
    '| name | severity | SQLSTATE | when | example |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

const passed = ({ rows }: { readonly rows: number }): string => `${rows} ${rows === 1 ? 'row' : 'rows'}`;

/** Of its transaction. */
const earlier = (statements: number): string =>
  `${statements} earlier ${statements === 1 ? 'statement' : 'statements'}`;

/** Who approved, with the group it counts for ('' for none) and whom it stands in for. */
export interface Approver {
  readonly id: string;
  readonly group: string;
  readonly instead_of: string | null;
}

/** However many there are, what follows is told. */
const approvedBy = (by: readonly Approver[], rest: string): string => {
  const names = by.map(({ id, group, instead_of }) => {
    const as = [group, instead_of === null ? '' : `instead of ${instead_of}`].filter((part) => part !== '');
    return as.length === 0 ? id : `${id} (${as.join(', ')})`;
  });
  const start = 'approved by ';
  return start + cutBytes(visible(names.join(', ')), MESSAGE_BYTES_MAX - Buffer.byteLength(start + rest)) + rest;
};

/** Of a question in an error: it must fit MySQL's one line, with what to do. The whole text is in SHOW. */
const QUESTION_BYTES_MAX = 100;

function sendAgain(id: string, inTransaction: boolean): string {
  const where = inTransaction ? 'inside a transaction as before' : 'outside a transaction as before';
  return (
    `Do other work, then check with SHOW holdpoint.request."${id}"; When its state is approved, send the identical ` +
    `statement again, as the same user, same database, ${where}; it then runs at once, one time. ` +
    'Do not change it: a changed statement is a new request.'
  );
}
