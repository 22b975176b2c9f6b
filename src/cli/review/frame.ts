// The whole screen as lines, from what is known: exactly as many lines as the terminal has, none wider than it. Pure.
import { bodyHeight, cardOf, rule } from './card.ts';
import { drawn, ends, type Face, fit, type Line, lineWidth, span } from './cells.ts';
import { endSentence, saidOf } from './facts.ts';
import { helpLines } from './help.ts';
import { type PromptLines, promptLines, waited } from './prompt.ts';
import { historyHead, listLines, queueHead } from './queue.ts';
import type { RequestView } from '../../review/client.ts';
import { COLUMNS_MIN, isOpen, listOf, off, type Prompt, ROWS_MIN, type Screen, type State, tooSmall } from './state.ts';

export interface Frame {
  readonly lines: readonly Line[];
  /** Where the terminal's own cursor stands, from 0; null: it is hidden. */
  readonly cursor: { readonly row: number; readonly column: number } | null;
}

/** Rows that a prompt has at least, beside the double line over it. */
const PROMPT_ROWS_MIN = 10;

export function frameOf(state: State): Frame {
  const { face } = state;
  if (tooSmall(face)) return whole([smallWords(face)], face);
  const { screen, prompt } = state;
  if (prompt?.shown && screen.type === 'card') return deciding(state, prompt, prompt.shown, screen);
  if (screen.type === 'keys') return whole(helpLines(face), face);
  if (screen.type === 'card') return whole(cardLines(state, screen), face);
  return list(state, screen.type);
}

/** The lines as text: what a test compares, and what is on the screen without its looks. */
export function textOf({ lines }: Frame): string[] {
  return lines.map((line) => line.map(({ text }) => text).join(''));
}

/** Filled up, and cut where all else failed. */
function whole(lines: readonly Line[], face: Face, cursor: Frame['cursor'] = null): Frame {
  const rows = Array.from({ length: face.rows }, (_, i) => fit(lines[i] ?? [], face.columns));
  return { lines: rows, cursor };
}

function smallWords({ columns, rows }: Face): Line {
  return [span(`Needs ${COLUMNS_MIN} by ${ROWS_MIN}; this is ${columns} by ${rows}.`)];
}

// ---- lists

function list(state: State, type: 'queue' | 'history'): Frame {
  const { face, prompt } = state;
  const head = [...(type === 'queue' ? queueHead(state, face) : historyHead(state, face)), rule(face)];
  const height = face.rows - head.length - 2;
  const { lines, at } = listLines(state, type, face);
  const [title, ...rows] = lines;
  const room = height - 1;
  // The cursor's request is in view; above it the view begins with a heading where that fits.
  const last = at[1] - 1;
  const top = Math.max(0, Math.min(last < room ? 0 : last - room + 1, rows.length - room));
  const shown = [title as Line, ...rows.slice(top, top + room)];
  const blank = Array.from({ length: Math.max(0, height - shown.length) }, (): Line => []);
  const above = [...head, ...shown, ...blank, rule(face)];
  if (prompt) {
    const { lines: asked, cursor } = promptLines(prompt, state, face, 0);
    const tail = asked.slice(-2);
    const from = face.rows - tail.length;
    return whole([...above.slice(0, from), ...tail], face, {
      row: from + cursor.row - (asked.length - tail.length),
      column: cursor.column,
    });
  }
  return whole([...above, listKeys(state, type)], face);
}

function listKeys(state: State, type: 'queue' | 'history'): Line {
  if (state.note !== '') return said(state.note, state.face);
  return type === 'queue'
    ? [span(' j/k move   Enter open   n show new   / find   v all or mine   ? keys   q quit')]
    : [span(' j/k move   Enter open   / find   Esc queue   ? keys   q quit')];
}

function said(text: string, face: Face): Line {
  return [span(' '), span(drawn(text, face.ascii), 'bold')];
}

// ---- a card

type CardScreen = Extract<Screen, { type: 'card' }>;

function cardLines(state: State, screen: CardScreen): Line[] {
  const { face } = state;
  const request = state.requests.get(screen.id);
  if (!request) return [said(`${screen.id} is not known here any more. Press Esc.`, face)];
  const card = cardOf(request, state, face, screen.finding, screen.reading);
  const height = bodyHeight(card, face);
  const top = Math.max(0, Math.min(screen.top, card.body.length - height));
  const body = card.body.slice(top, top + height);
  const blank = Array.from({ length: height - body.length }, (): Line => []);
  const more = top + height < card.body.length;
  return [...card.head, ...body, ...blank, underCard(state, request, more, top > 0)];
}

/** The line under the card: what the server said, else why nothing can be decided, else the keys. */
function underCard(state: State, request: RequestView, more: boolean, before: boolean): Line {
  const { face, sent, note } = state;
  const open = isOpen(request);
  const way = `${more ? 'Space more  ' : before ? 'b back  ' : ''}Esc ${listOf(state.screen)} `;
  const words = note || (sent?.id === request.id ? sentWords(sent, request, state) : open ? '' : endSentence(request));
  if (words !== '') return answer(words, note === '' && !sent ? way : `Esc ${listOf(state.screen)} `, face);
  const can = request.can_decide.may && off(state) === '';
  const keys = can
    ? ` a approve once  ${request.permit ? 's shape  ' : ''}d deny  r ask  `
    : ` ${off(state) === '' ? 'you cannot decide this' : 'deciding is off'}  `;
  const parts = `${request.in_transaction ? 't transaction  ' : ''}c conversation  `;
  const left = lineWidth([span(keys + parts + way)]) <= face.columns ? keys + parts : keys;
  return [span(left + way)];
}

/** The sentence with the way back beside it; where both do not fit the sentence alone, or its beginning. */
function answer(words: string, way: string, face: Face): Line {
  const right = [span(`  ${way}`)];
  const all = said(words, face);
  const first = said(/^.*?[.;](?= |$)/.exec(words)?.[0] ?? words, face);
  const room = face.columns - lineWidth(right);
  if (lineWidth(all) <= room) return ends(all, right, face.columns);
  if (lineWidth(all) <= face.columns) return all;
  return lineWidth(first) <= room ? ends(first, right, face.columns) : first;
}

function sentWords(sent: NonNullable<State['sent']>, request: RequestView, state: State): string {
  const words = {
    sending: () => 'Sent. Waiting for the server: nothing has been decided.',
    unknown: () => 'We do not know yet. Do not decide again; checking.',
    refused: () => sent.text,
    counted: () =>
      sent.act === 'ask' ? 'Asked. It stays held; the answer will be on this card.' : saidOf(request, state.me.id),
  };
  return words[sent.phase]();
}

// ---- deciding: the card stays above as it was read, what is below scrolls

function deciding(state: State, prompt: Prompt, shown: RequestView, screen: CardScreen): Frame {
  const { face } = state;
  const frozen: State = { ...state, now: prompt.at, live: { state: 'live' } };
  const card = cardOf(shown, frozen, face, screen.finding);
  const unread = Math.max(0, card.statement - screen.read);
  const room = Math.max(1, face.rows - card.head.length - 2 - PROMPT_ROWS_MIN);
  const top = screen.top < card.statement ? screen.top : 0;
  const above = card.body.slice(top, top + room);
  const head: Line[] = [
    ...card.head,
    ...above,
    [span('='.repeat(face.columns))],
    [span('-  '.repeat(Math.ceil(face.columns / 3)).slice(0, face.columns))],
  ];
  const height = face.rows - head.length - 1;
  const { lines, cursor } = tightened(promptLines(prompt, state, face, unread), height);
  const from = Math.max(0, lines.length - height);
  const below = lines.slice(from);
  const blank = Array.from({ length: height - below.length }, (): Line => []);
  return whole([...head, ...below, ...blank, said(waited(state, prompt), face)], face, {
    row: head.length + cursor.row - from,
    column: cursor.column,
  });
}

/** Where it does not fit, empty lines go first. */
function tightened({ lines, cursor }: PromptLines, height: number): PromptLines {
  const blank = lines.findIndex((line, row) => line.length === 0 && row !== cursor.row);
  if (lines.length <= height || blank < 0) return { lines, cursor };
  const row = cursor.row - (blank < cursor.row ? 1 : 0);
  return tightened({ lines: lines.filter((_, at) => at !== blank), cursor: { ...cursor, row } }, height);
}
