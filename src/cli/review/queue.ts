// The queue and the history as lines: two for each request, riskiest first. Which requests, and in what order, state.ts says.
import { clip, drawn, ends, type Face, type Line, pad, type Span, span, width } from './cells.ts';
import { behalf, countdown, endWords, LEVELS, requester } from './facts.ts';
import type { RequestView } from '../../review/client.ts';
import { arrivals, clock, groupOf, isOpen, isOwn, type Row, rowsOf, type State } from './state.ts';

const ID_AT = 15;
const WORDS_AT = 28;
const MARGIN = 3;

export interface List {
  readonly lines: readonly Line[];
  /** First and last line of the request that the cursor is on. */
  readonly at: readonly [number, number];
}

export function queueHead(state: State, face: Face): Line[] {
  const { me, live, now, requests, find, mine } = state;
  const words = (group: string) => [...requests.values()].filter((request) => groupOf(request) === group).length;
  const line = LIVE[live.state](state);
  const who = `   ${me.id}${me.groups.length > 0 ? ` (${me.groups.join(', ')})` : ''}`;
  const narrowed = [...(mine ? ['mine only'] : []), ...(find === '' ? [] : [`find "${find}"`])].join(', ');
  const rest = state.unsent > 0 ? `, ${state.unsent} more` : '';
  const counts = ` Queue      ${words('for-you')} for you, ${words('not-yours')} you cannot decide${rest}`;
  return [
    ends(
      [
        span(' Holdpoint', 'bold'),
        span(`  ${drawn(me.environment, face.ascii)}`),
        span(me.mode === 'observe' ? '  OBSERVE: nothing is held' : '', 'critical'),
        span(drawn(who, face.ascii)),
      ],
      [span('  '), line, span(`${live.state === 'lost' ? '' : `    ${clock(now)}`}  `)],
      face.columns,
    ),
    ends(
      [span(counts), span(narrowed === '' ? '' : `   ${drawn(narrowed, face.ascii)}`, 'bold')],
      [arrivalsSpan(state), span('    ')],
      face.columns,
    ),
  ];
}

const LIVE = {
  connecting: () => span('connecting', 'inverse'),
  live: ({ recording }: State) => (recording ? span('live', 'good') : span('not recording', 'inverse')),
  lost: ({ live }: State) => span(`not live since ${live.state === 'lost' ? clock(live.since) : ''}`, 'inverse'),
} as const;

export function historyHead(state: State, face: Face): Line[] {
  const [first] = queueHead(state, face);
  const n = state.history === null ? 'reading' : `${state.history.length} newest`;
  const narrowed = state.find === '' ? '' : `   find "${drawn(state.find, face.ascii)}"`;
  return [first as Line, [span(` History    ${n}`), span(narrowed, 'bold')]];
}

/** The list under its heading. */
export function listLines(state: State, list: 'queue' | 'history', face: Face): List {
  const rows = rowsOf(state, list);
  const title = pad('   RISK', ID_AT) + pad('ID', WORDS_AT - ID_AT) + 'WHAT IT DOES';
  const lines: Line[] = [
    ends(
      [span(title, 'dim')],
      [span(`${list === 'queue' ? 'ENDS IN' : ''}${' '.repeat(MARGIN)}`, 'dim')],
      face.columns,
    ),
  ];
  let at: readonly [number, number] = [0, 0];
  let heading = '';
  for (const row of rows) {
    const title_of = list === 'queue' ? (row.group === 'for-you' ? 'For you' : 'You cannot decide these') : '';
    if (title_of !== heading) lines.push([span(` ${title_of}`, 'bold')]);
    heading = title_of;
    const current = row.request.id === state.at[list];
    if (current) at = [lines.length, lines.length + 1];
    lines.push(...rowLines(row, state, current, face));
  }
  return { lines: rows.length === 0 ? [...lines, [], [span(` ${nothing(state, list)}`)]] : lines, at };
}

function rowLines({ request }: Row, state: State, current: boolean, face: Face): Line[] {
  const { shape, ascii, word, look } = LEVELS[request.level];
  const open = isOpen(request);
  const right = open ? countdown(request.deadline - state.now) : endWords(request);
  const risk = pad(`${face.ascii ? ascii : shape} ${word}`, ID_AT - 3);
  const room = face.columns - WORDS_AT - MARGIN - width(right) - 2;
  const notes = [
    ...(open && request.needed > 1 ? [`${request.approvals.length} of ${request.needed}`] : []),
    ...(request.state === 'asked' ? ['asked'] : []),
    ...(open && request.holds === 'ticket' ? ['ticket'] : []),
    ...(isOwn(request) ? ['yours'] : []),
    `on ${request.where.database || request.where.upstream}`,
    ...behalf(request, state.me.id),
    ...(request.who.task ? [`task "${request.who.task.text}"`] : []),
  ];
  const second = drawn([requester(request, state.me.id), ...notes].join(', '), face.ascii);
  return [
    ends(
      [
        span(current ? ' > ' : '   ', 'bold'),
        span(risk, open ? look : 'dim'),
        span(pad(request.id, WORDS_AT - ID_AT), current ? 'inverse' : 'plain'),
        span(what(request, room, face), open ? (current ? 'bold' : 'plain') : 'dim'),
      ],
      [span(right, open ? 'plain' : 'dim'), span(' '.repeat(MARGIN))],
      face.columns,
    ),
    [span(' '.repeat(WORDS_AT)), span(clip(second, face.columns - WORDS_AT - MARGIN), 'dim')],
  ];
}

/** The sentence gives way to the amount: "Exports public.cust..., about 212,000 rows". */
function what({ sentence, impact }: RequestView, room: number, face: Face): string {
  const amount = impact?.amount ? `, ${drawn(impact.amount, face.ascii)}` : '';
  return clip(drawn(sentence, face.ascii), Math.max(0, room - width(amount))) + amount;
}

function nothing(state: State, list: 'queue' | 'history'): string {
  if (state.find !== '') return `Nothing here has "${state.find}". Press / and Enter to see all.`;
  if (list === 'history') return state.history === null ? 'Reading...' : 'No request has ended yet.';
  if (!state.loaded) return state.live.state === 'lost' ? 'No answer from the server yet.' : 'Connecting...';
  return state.mine && state.order.length > 0
    ? 'Nothing of yours. Press v to see all.'
    : 'Nothing is held. What an agent sends and a rule holds appears here.';
}

function arrivalsSpan(state: State): Span {
  const fresh = arrivals(state);
  return fresh === 0 ? span('') : span(`${fresh} new, press n`, 'bold');
}
