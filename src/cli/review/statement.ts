// The exact statement as lines of a terminal: whole, in order, each line numbered, findings marked where they begin. A line that
// is too long goes on under itself without a number. Must never cut, reorder or prettify.
import type { RequestView } from '../../review/client.ts';
import { type Cell, cellsOf, ends, type Face, type Line, lineWidth, marksByIndex, type Span, span } from './cells.ts';
import { deception } from '../../review/words.ts';
import { counted, LEVELS } from './facts.ts';

/** At the right end of every line, and beside its number. */
const MARGIN = 3;
export const NUMBER_SPACE = 3;
/** Findings that are named at one line's end; the rest is "+". */
const MARKS_SHOWN_MAX = 3;
const PLAIN = /^[\x20-\x7e]*$/;

type WordsView = RequestView['statement'] | NonNullable<RequestView['reason']>;

interface Piece {
  readonly number: number | null;
  readonly spans: Line;
  /** UTF-16 index into the text. */
  readonly from: number;
}

export interface StatementLines {
  readonly lines: readonly Line[];
  /** Line that each finding begins on, by the finding's index. */
  readonly found: readonly number[];
}

/** Laying out a long statement takes a while, and a screen is drawn every second. */
const laid = new WeakMap<object, { readonly key: string; readonly lines: StatementLines }>();

type Ranges = readonly (readonly [from: number, to: number])[];

/** `pointed`: index of the finding whose text is underlined. `inserted`: what of the text is none of the statement. */
export function statementLines(
  request: RequestView,
  face: Face,
  pointed: number | null,
  inserted: Ranges = [],
): StatementLines {
  const key = `${face.columns} ${face.ascii} ${pointed}`;
  const known = laid.get(request.statement);
  if (known?.key === key) return known.lines;
  const lines = layOut(request, face, pointed, inserted);
  laid.set(request.statement, { key, lines });
  return lines;
}

function layOut(request: RequestView, face: Face, pointed: number | null, inserted: Ranges): StatementLines {
  const { findings, statement } = request;
  const nothing = statement.deleted ? ' (the text was deleted with its key)' : ' (empty)';
  if (statement.text === '') return { lines: [[span(nothing, 'dim')]], found: findings.map(() => 0) };
  const digits = String(statement.lines).length;
  const byLine = grouped(findings.map(({ line }) => line));
  const zone = Math.max(0, ...[...byLine.values()].map((marks) => 1 + lineWidth(markSpans(request, marks, face))));
  const range = pointed === null ? undefined : findings[pointed];
  const room = face.columns - digits - NUMBER_SPACE - MARGIN - zone;
  const pieces = laidOut(statement, room, face.ascii, range ? [range.from, range.to] : null, inserted);
  const found = findings.map(({ from }) => lineAt(pieces, from));
  const byPiece = grouped(found);
  const lines = pieces.map(({ number, spans }, i): Line => {
    const start: Line = [span(` ${String(number ?? '').padStart(digits)}  `, 'dim'), ...spans];
    const marks = byPiece.get(i);
    return marks ? ends(start, markSpans(request, marks, face), face.columns - MARGIN) : start;
  });
  return { lines, found };
}

/** Indexes by the value they have. */
function grouped(values: readonly number[]): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const [i, value] of values.entries()) {
    const group = groups.get(value);
    if (group) group.push(i);
    else groups.set(value, [i]);
  }
  return groups;
}

/** "▲1 ◆3 +" */
function markSpans({ findings }: RequestView, marks: readonly number[], face: Face): Line {
  const shown = marks.slice(0, MARKS_SHOWN_MAX).flatMap((n, at): Line => {
    const { shape, ascii, look } = LEVELS[findings[n]?.level ?? 'low'];
    return [...(at === 0 ? [] : [span(' ')]), span(`${face.ascii ? ascii : shape}${n + 1}`, look)];
  });
  return marks.length > MARKS_SHOWN_MAX ? [...shown, span(' +')] : shown;
}

/** "whole: 8 lines, 334 bytes, no hidden or look-alike characters, no params" */
export function wholeWords({ statement, parameters, warning }: RequestView): string {
  const shown = statement.text.endsWith('\n') ? statement.lines - 1 : statement.lines;
  return [
    `whole: ${counted(shown, 'line')}`,
    counted(statement.bytes, 'byte'),
    ...(statement.text.includes('\r\n') ? ['CR LF'] : []),
    deception(statement.marks) || (warning === '' ? 'no hidden or look-alike characters' : 'a param that deceives'),
    parameters.length === 0 ? 'no params' : counted(parameters.length, 'param'),
  ].join(', ');
}

const worded = new WeakMap<object, { readonly key: string; readonly lines: readonly Line[] }>();

/** Any words of an agent as lines of at most `room` cells, line breaks kept. */
export function wordLines(words: WordsView, room: number, ascii: boolean): readonly Line[] {
  const key = `${room} ${ascii}`;
  const known = worded.get(words);
  if (known?.key === key) return known.lines;
  const lines = laidOut(words, room, ascii, null).map(({ spans }) => spans);
  worded.set(words, { key, lines });
  return lines;
}

/** The last piece that begins at or before the index. */
function lineAt(pieces: readonly Piece[], index: number): number {
  let low = 0;
  let high = pieces.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((pieces[middle] as Piece).from <= index) low = middle;
    else high = middle - 1;
  }
  return low;
}

function laidOut(
  words: WordsView,
  room: number,
  ascii: boolean,
  range: readonly [number, number] | null,
  inserted: Ranges = [],
): Piece[] {
  const marks = marksByIndex(words.marks);
  const pieces: Piece[] = [];
  const lines = words.text.split('\n');
  // What ends with a line feed has no further line.
  if (lines.length > 1 && lines.at(-1) === '') lines.pop();
  let start = 0;
  for (const [i, line] of lines.entries()) {
    const end = start + line.length + 1;
    if (PLAIN.test(line) && inserted.length === 0) {
      for (let at = 0; at === 0 || at < line.length; at += room) {
        const part = line.slice(at, at + room);
        const number = at === 0 ? i + 1 : null;
        pieces.push({ number, spans: underlined(part, start + at, range), from: start + at });
      }
    } else pieces.push(...wrapped(cellsOf(line, start, marks, ascii), i + 1, start, room, range, inserted));
    start = end;
  }
  return pieces;
}

function underlined(text: string, from: number, range: readonly [number, number] | null): Line {
  if (range === null) return [span(text)];
  const a = Math.min(Math.max(range[0] - from, 0), text.length);
  const b = Math.min(Math.max(range[1] - from, a), text.length);
  return [span(text.slice(0, a)), span(text.slice(a, b), 'underline'), span(text.slice(b))].filter(
    ({ text: some }) => some !== '',
  );
}

function wrapped(
  cells: readonly Cell[],
  number: number,
  start: number,
  room: number,
  range: readonly [number, number] | null,
  inserted: Ranges,
): Piece[] {
  const pieces: Piece[] = [];
  let next = 0;
  let spans: Span[] = [];
  let used = 0;
  let from = start;
  const close = (begin: number) => {
    pieces.push({ number: pieces.length === 0 ? number : null, spans, from });
    spans = [];
    used = 0;
    from = begin;
  };
  for (const cell of cells) {
    if (used + cell.width > room && used > 0) close(cell.from);
    const inside = range !== null && cell.from >= range[0] && cell.from < range[1];
    while ((inserted[next]?.[1] ?? Infinity) <= cell.from) next++;
    const added = (inserted[next]?.[0] ?? Infinity) <= cell.from;
    const look = cell.spelled ? 'inverse' : added ? 'bold' : inside ? 'underline' : 'plain';
    const last = spans.at(-1);
    if (last?.look === look) spans[spans.length - 1] = span(last.text + cell.text, look);
    else spans.push(span(cell.text, look));
    used += cell.width;
  }
  close(from);
  return pieces;
}
