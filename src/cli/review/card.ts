// One request as lines: the exact statement first, then what was found in it, what the agent and others say, and what came
// before. Three voices, never mixed: Holdpoint's facts, people's words by their names, and the agent's, called so.
import { clip, drawn, ends, type Face, type Line, lineWidth, type Look, pad, span, width, wrap } from './cells.ts';
import {
  behalf,
  bytes,
  countdown,
  counted,
  endSentence,
  endWords,
  LEVELS,
  freeWords,
  missing,
  requester,
  termsWords,
  whatItDoes,
} from './facts.ts';
import type { RequestView } from '../../review/client.ts';
import { readAs, type Reading } from './reading.ts';
import { clock, isOpen, type State } from './state.ts';
import { NUMBER_SPACE, statementLines, wholeWords, wordLines } from './statement.ts';

/** Where the texts of the lower part begin. */
const TEXT_AT = 13;
const MARGIN = 2;
const SENTENCE_LINES_MAX = 2;
/** A request that ends sooner is shown so. */
const SOON_MS = 60_000;

export interface Card {
  /** Stays at the top. */
  readonly head: readonly Line[];
  /** Everything else, to page through. */
  readonly body: readonly Line[];
  /** Lines of `body` that keys go to: findings by index, the transaction, the conversation. */
  readonly found: readonly number[];
  readonly transaction: number;
  readonly conversation: number;
  /** Lines of the statement, and of the text that says that it deceives. */
  readonly statement: number;
}

type Shown = Pick<State, 'me' | 'now' | 'live'>;

/** Lines of the body that are shown at a time, under the head and over the keys. */
export function bodyHeight(card: Card, face: Face): number {
  return Math.max(1, face.rows - card.head.length - 1);
}

/** `reading`: only what can be read so (readAs) is shown so. */
export function cardOf(
  request: RequestView,
  state: Shown,
  face: Face,
  pointed: number | null,
  reading: Reading = 'sent',
): Card {
  const read = readAs(request, reading);
  const shown = typeof read === 'string' ? { request, inserted: [] } : read;
  const { lines, found } = statementLines(shown.request, face, pointed, shown.inserted);
  const warning = [...warningLines(request, face), ...readingLines(typeof read === 'string' ? 'sent' : reading, face)];
  const indent = ' '.repeat(String(shown.request.statement.lines).length + NUMBER_SPACE);
  const whole = wrap(wholeWords(request), face.columns - indent.length - MARGIN).map(
    (line): Line => [span(`${indent}${line}`, 'dim')],
  );
  const changed = changedLines(request, face);
  const before = changed.length + warning.length;
  const above: Line[] = [...changed, ...warning, ...lines, ...whole, ...parameterLines(request, face), rule(face)];
  const parts = details(request, state, face, pointed);
  const body = [...above, ...parts.flatMap((part) => part.lines)];
  const at = (name: string) => {
    const index = parts.findIndex((part) => part.name === name);
    return index < 0 ? body.length : above.length + parts.slice(0, index).flatMap((part) => part.lines).length;
  };
  return {
    head: [...headLines(request, state, face), rule(face)],
    body,
    found: found.map((line) => before + line),
    transaction: at('transaction'),
    conversation: at('conversation'),
    statement: before + lines.length,
  };
}

export function rule(face: Face): Line {
  return [span('-'.repeat(face.columns), 'dim')];
}

function headLines(request: RequestView, state: Shown, face: Face): Line[] {
  const { shape, ascii, word, look } = LEVELS[request.level];
  const left: Line = [
    span(` ${face.ascii ? ascii : shape} ${word}`, look),
    span(`  ${request.id}`, 'bold'),
    span(`  rule ${drawn(request.rule, face.ascii)}`),
  ];
  const room = face.columns - 1 - MARGIN;
  const sentence = wrap(drawn(whatItDoes(request), face.ascii), room);
  const shown =
    sentence.length > SENTENCE_LINES_MAX
      ? [...sentence.slice(0, SENTENCE_LINES_MAX - 1), clip(sentence.slice(SENTENCE_LINES_MAX - 1).join(' '), room)]
      : sentence;
  return [
    [...ends(left, [...clocks(request, state), span(' '.repeat(MARGIN * 3))], face.columns)],
    ...shown.map((line): Line => [span(` ${line}`, 'bold')]),
    [span(` ${clip(drawn(whoAndWhere(request, state.me.id), face.ascii), room)}`)],
  ];
}

function clocks(request: RequestView, { live, now }: Shown): Line {
  if (live.state === 'lost') return [span(`  not live since ${clock(live.since)}`, 'inverse')];
  if (!isOpen(request)) return [span(`  ${endWords(request)}`, 'bold')];
  const waits =
    request.holds === 'held' && request.wait_until !== null
      ? `agent waits ${countdown(request.wait_until - now)}`
      : 'agent gone: a ticket';
  const left = request.deadline - now;
  return [span(`  ${waits}    `), span(`ends in ${countdown(left)}`, left < SOON_MS ? 'critical' : 'plain')];
}

function whoAndWhere(request: RequestView, me: string): string {
  const { where, role, upstream_user, in_transaction } = request;
  return [
    requester(request, me),
    `as ${role || upstream_user} on ${where.database || 'no database'} at ${where.upstream}`,
    ...(in_transaction ? ['in a transaction'] : []),
    ...behalf(request, me),
  ].join(', ');
}

function changedLines({ changed, revision }: RequestView, face: Face): Line[] {
  if (changed === null) return [];
  const text = `Changed: decided again. Since ${clock(changed.at)}, ${changed.why}. This is revision ${revision}; what was decided before does not count.`;
  return wrap(drawn(text, face.ascii), face.columns - 1 - MARGIN).map((line) => [span(' '), span(line, 'bold')]);
}

function warningLines({ warning }: RequestView, face: Face): Line[] {
  if (warning === '') return [];
  const text = `This text does not say what it seems to say. ${warning}`;
  return wrap(drawn(text, face.ascii), face.columns - 1 - MARGIN).map((line) => [span(' '), span(line, 'critical')]);
}

const READINGS: Readonly<Record<Reading, string>> = {
  sent: '',
  formatted: 'Formatted for reading: white space is not as sent. What runs is as sent (f).',
  values: 'Values in {} behind their places; they are no part of the text (p: as sent).',
};

function readingLines(reading: Reading, face: Face): Line[] {
  if (reading === 'sent') return [];
  return wrap(READINGS[reading], face.columns - 1 - MARGIN).map((line) => [span(' '), span(line, 'inverse')]);
}

/** Every value whole: a decision is bound to them, too. */
function parameterLines(request: RequestView, face: Face): Line[] {
  const { parameters, permit, where } = request;
  return parameters.flatMap(({ type, value, bytes: size }, i): Line[] => {
    const name = `${where.engine === 'postgres' ? '$' : '?'}${i + 1}`;
    const free = permit?.free_parameters.includes(i + 1) ? ' free' : '';
    const label = pad(`    ${name} ${drawn(type, face.ascii)}${free}`, TEXT_AT + 8);
    if (value === null) return [[span(label, 'dim'), span('NULL', 'bold')]];
    const lines = wordLines(value, face.columns - width(label) - MARGIN, face.ascii);
    const note: Line = size > face.columns ? [span(`  (${counted(size, 'byte')})`, 'dim')] : [];
    return lines.map(
      (line, at): Line => [
        span(at === 0 ? label : ' '.repeat(width(label)), 'dim'),
        ...line,
        ...(at === lines.length - 1 && lineWidth(line) + width(label) + 16 < face.columns ? note : []),
      ],
    );
  });
}

interface Part {
  readonly name: 'transaction' | 'conversation' | '';
  readonly lines: readonly Line[];
}

function details(request: RequestView, state: Shown, face: Face, pointed: number | null): Part[] {
  const part = (label: string, text: string, look: Look = 'plain') => detail(label, text, face, look);
  const ended = endSentence(request);
  const barred = isOpen(request) && !request.can_decide.may ? request.can_decide.text : '';
  return [
    { name: '', lines: [...(ended ? part('now', ended, 'bold') : []), ...(barred ? part('you', barred, 'bold') : [])] },
    { name: '', lines: findingLines(request, face, pointed) },
    { name: '', lines: request.message ? part('rule says', request.message) : [] },
    { name: '', lines: impactLines(request, face) },
    { name: 'conversation', lines: conversation(request, face) },
    { name: '', lines: request.before ? part('before', `this shape: ${request.before.text}`) : [] },
    { name: 'transaction', lines: transaction(request, state, face) },
    { name: '', lines: [...approvals(request, face), ...permitLines(request, face), ...from(request, face)] },
  ];
}

/** " why         agent says: ..." with further lines under the text. */
function detail(label: string, text: string, face: Face, look: Look = 'plain'): Line[] {
  return wrap(drawn(text, face.ascii), face.columns - TEXT_AT - MARGIN).map((line, i) => [
    span(pad(i === 0 ? ` ${label}` : '', TEXT_AT), 'dim'),
    span(line, look),
  ]);
}

function findingLines({ findings }: RequestView, face: Face, pointed: number | null): Line[] {
  return findings.flatMap(({ action, object, why, level, unresolved }, i) => {
    const { shape, ascii, look } = LEVELS[level];
    const mark = `${face.ascii ? ascii : shape}${i + 1}`;
    const text = drawn(`${object === '' ? '' : `${object}: `}${why}${unresolved ? ' (not resolved)' : ''}`, face.ascii);
    return wrap(text, face.columns - TEXT_AT - MARGIN).map((line, at): Line => {
      const label =
        at === 0 ? ` ${(action === 'transaction' ? 'transact' : action).slice(0, TEXT_AT - width(mark) - 3)}` : '';
      const rest = pad(label, TEXT_AT - (at === 0 ? width(mark) + 1 : 0));
      return [
        ...(at === 0 ? [span(' '), span(mark, look)] : []),
        span(rest),
        span(line, pointed === i ? 'underline' : 'plain'),
      ];
    });
  });
}

function impactLines({ impact }: RequestView, face: Face): Line[] {
  if (!impact) return [];
  return [
    ...impact.facts.flatMap(({ term, lines }) =>
      detail(term.toLowerCase(), lines.map(({ main, rest }) => main + rest).join('; '), face),
    ),
    ...impact.notes.flatMap((note, i) =>
      detail(i === 0 && impact.facts.length === 0 ? 'estimate' : '', note, face, 'dim'),
    ),
  ];
}

function conversation(request: RequestView, face: Face): Line[] {
  const why = request.reason ? `agent says: ${request.reason.text}` : 'the agent gave no reason';
  const { task } = request.who;
  return [
    ...detail('why', why, face),
    ...(task ? detail('task', `its token says: ${task.text}`, face) : []),
    ...request.said.flatMap(({ kind, by, text, at }) =>
      kind === 'question'
        ? detail('asked', `${by}, ${clock(at)}: ${text}`, face)
        : detail('answered', `${by === request.who.id ? 'agent' : by} says, ${clock(at)}: ${text}`, face),
    ),
  ];
}

function transaction(request: RequestView, { now }: Shown, face: Face): Line[] {
  const { in_transaction, earlier, commits } = request;
  if (!in_transaction) return [];
  const first = earlier[0];
  const open = first && isOpen(request) ? `open ${countdown(now - first.at)}, ` : '';
  const commit =
    commits > 0
      ? ` It commits ${counted(commits, 'statement')} of it before it does anything: no rollback takes them back.`
      : '';
  return [
    ...detail('transaction', `${open}${counted(earlier.length, 'statement')} before this.${commit}`, face),
    ...earlier.flatMap((statement) => {
      const outcome = statement.text.toUpperCase().startsWith(statement.outcome) ? '' : `  -> ${statement.outcome}`;
      const lines = wordLines(statement, face.columns - TEXT_AT - MARGIN, face.ascii);
      return [
        ...lines.map((line, i): Line => [span(pad(i === 0 ? ` ${clock(statement.at)}` : '', TEXT_AT), 'dim'), ...line]),
        ...(outcome === '' ? [] : detail('', drawn(outcome.trim()), face, 'dim')),
      ];
    }),
  ];
}

function approvals(request: RequestView, face: Face): Line[] {
  const { approvals: given, needed, decisions, reach, escalated } = request;
  const names = given.map(({ by, group, instead_of }) => {
    const as = [...(group ? [group] : []), ...(instead_of ? [`for ${instead_of}`] : [])].join(', ');
    return as ? `${by} (${as})` : by;
  });
  const left = isOpen(request) ? missing(request) : '';
  const here = isOpen(request) ? ` ${reach.eligible} may decide, ${reach.present} connected.` : '';
  const text = `${given.length} of ${needed}${names.length > 0 ? `: ${names.join(', ')}` : ''}.${left ? ` Missing: ${left}.` : ''}${here}`;
  return [
    ...detail('approvals', text, face),
    ...(escalated === null
      ? []
      : detail('', `Others were asked, too, at ${clock(escalated)}: nobody had decided.`, face)),
    ...decisions.flatMap(({ decision, by, rationale, at, counts, permit }) => {
      const act = decision === 'approve' ? (permit ? 'approved all like it' : 'approved') : 'denied';
      const words = rationale ? `: "${rationale}"` : '';
      return detail('', `${clock(at)} ${by} ${act}${counts ? '' : ' (counts no more)'}${words}`, face);
    }),
    ...(request.ask.step_up ? detail('', `Approved by who ${request.ask.step_up.text}.`, face) : []),
    ...broken(request, face),
  ];
}

function broken({ id, broken_glass }: RequestView, face: Face): Line[] {
  if (!broken_glass) return [];
  const { reason, at, reviewed } = broken_glass;
  const after = reviewed
    ? `Reviewed by ${reviewed.by} at ${clock(reviewed.at)}: "${reviewed.rationale}"`
    : `Somebody else has to look at it: holdpoint close ${id} --reason "..."`;
  return [...detail('broke glass', `${clock(at)}: ${reason.text}`, face), ...detail('', after, face)];
}

function permitLines(request: RequestView, face: Face): Line[] {
  const { permit, decisions } = request;
  if (!permit) return [];
  const given = decisions.findLast((decision) => decision.permit)?.permit;
  return [
    ...detail('shape', `a permit may cover at most ${termsWords(permit)}. ${freeWords(request)}`, face),
    ...(given ? detail('', `Asked for: ${termsWords(given)}.`, face) : []),
  ];
}

function from({ who, application_name, opened, outcome }: RequestView, face: Face): Line[] {
  return [
    ...(who.on_behalf_of.length > 0
      ? detail('on behalf', `of ${who.on_behalf_of.join(', ')}: they may not decide`, face)
      : []),
    ...detail(
      'from',
      [who.address, application_name, `signed in by ${who.authentication}`].filter(Boolean).join(', '),
      face,
    ),
    ...detail('opened', `${clock(opened)} UTC`, face),
    ...(outcome ? detail('result', `${counted(outcome.rows, 'row')}, ${bytes(outcome.bytes)} to the agent`, face) : []),
  ];
}
