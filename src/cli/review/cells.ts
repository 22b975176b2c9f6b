// Text as cells of a terminal: how wide it is, how it is cut, and what of it may be written. Nothing that an agent wrote
// reaches a terminal but through here: what moves, hides, reorders or stacks is spelled out as <U+202E>.
import { marksOf } from '../../review/words.ts';

export type Look = 'plain' | 'bold' | 'dim' | 'inverse' | 'underline' | 'critical' | 'high' | 'medium' | 'good';

/** A piece of a line. Its text is drawable: made by `drawn`, or our own words. */
export interface Span {
  readonly text: string;
  readonly look: Look;
}
export type Line = readonly Span[];

/** What a terminal can show. */
export interface Face {
  readonly columns: number;
  readonly rows: number;
  /** The locale has no UTF-8: nothing but ASCII is written. */
  readonly ascii: boolean;
}

/** Unicode 16 EastAsianWidth W and F, and neighbours that some terminals draw as wide: a line may end early, never late. */
const WIDE: readonly (readonly [from: number, to: number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2630, 0x2637],
  [0x268a, 0x268f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18dff],
  [0x1aff0, 0x1b2ff],
  [0x1d300, 0x1d376],
  [0x1f000, 0x1faff],
  [0x20000, 0x3fffd],
];
const ASCII = /^[\x20-\x7e]*$/;
const PICTURE = /\p{Emoji_Presentation}/u;
const NO_WIDTH = /[\p{M}\p{Cf}]/u;
const STACKS = /\p{M}/u;
/** Marks on one letter; more of them would reach into other lines. */
const STACK_MAX = 2;

/** Cells of a drawable text, at most: terminals differ in emoji, so they count fully. */
export function width(text: string): number {
  if (ASCII.test(text)) return text.length;
  let cells = 0;
  for (const char of text) cells += widthOf(char);
  return cells;
}

function widthOf(char: string): number {
  const point = char.codePointAt(0) as number;
  if (point < 0x300) return 1;
  // After a narrow picture it asks for the wide one.
  if (point === 0xfe0f) return 1;
  if (NO_WIDTH.test(char)) return 0;
  return PICTURE.test(char) || WIDE.some(([from, to]) => point >= from && point <= to) ? 2 : 1;
}

/** A character of a text, or what stands for it; `from` is its UTF-16 index. */
export interface Cell {
  readonly text: string;
  readonly width: number;
  readonly from: number;
  /** It is spelled out. */
  readonly spelled: boolean;
}

/** By the index at which each begins. */
export type Marks = ReadonlyMap<number, Mark>;
interface Mark {
  readonly kind: string;
  readonly label: string;
  readonly name: string;
}

export function marksByIndex(marks: readonly (Mark & { readonly from: number })[]): Marks {
  return new Map(marks.map((mark) => [mark.from, mark]));
}

/** One line of `text` (without its line feed) as cells; `start` is its index in the text that the marks are about. */
export function cellsOf(text: string, start: number, marks: Marks, ascii: boolean): Cell[] {
  const cells: Cell[] = [];
  let column = 0;
  let stacked = 0;
  const put = (shown: string, from: number, spelled: boolean) => {
    const cell = { text: shown, width: width(shown), from, spelled };
    cells.push(cell);
    column += cell.width;
  };
  for (let index = 0; index < text.length; ) {
    const char = String.fromCodePoint(text.codePointAt(index) as number);
    const at = start + index;
    const mark = marks.get(at);
    stacked = STACKS.test(char) ? stacked + 1 : 0;
    if (mark) put(markText(mark, ascii), at, true);
    else if (char === '\t') put(' '.repeat(TAB - (column % TAB)), at, false);
    else if (char === '\r' && index === text.length - 1) put('', at, false);
    else if (stacked > STACK_MAX || (stacked > 0 && index === 0) || unwritable(char, ascii))
      put(`<${code(char)}>`, at, true);
    else put(char, at, false);
    index += char.length;
  }
  return cells;
}

const TAB = 8;

/** "<U+202E>", "<U+0441 с>", "<0xFF>". */
function markText(mark: Mark, ascii: boolean): string {
  const name = mark.name.split(' ')[0] ?? '';
  return mark.kind === 'look-alike' && !ascii ? `<${name} ${mark.label}>` : `<${name}>`;
}

function code(char: string): string {
  return `U+${(char.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** Whatever the marks say: no such character is ever written. U+200D and U+FE0F inside of emoji stay. */
function unwritable(char: string, ascii: boolean): boolean {
  return ascii ? !ASCII.test(char) : /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/u.test(char);
}

/** Any text on one line: hidden characters and look-alikes spelled out, line breaks and tabs as a space. */
export function drawn(text: string, ascii = false): string {
  if (ASCII.test(text)) return text;
  // A letter that looks like another was drawn beside its number by the server.
  const plain = ascii ? text.replaceAll(/<(U\+[0-9A-F]{4,6}) .>/gu, '<$1>') : text;
  const line = plain.replaceAll(/\r\n|[\r\n\t]/g, ' ');
  return cellsOf(line, 0, marksByIndex(marksOf(line)), ascii)
    .map((cell) => cell.text)
    .join('');
}

export function span(text: string, look: Look = 'plain'): Span {
  return { text, look };
}

export function lineWidth(line: Line): number {
  return line.reduce((sum, { text }) => sum + width(text), 0);
}

/** Cut to `columns`, with "..." where something is missing. */
export function clip(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let cut = '';
  let used = 0;
  for (const char of text) {
    used += widthOf(char);
    if (used > columns - 3) break;
    cut += char;
  }
  return (cut + '...').slice(0, Math.max(0, columns));
}

/** Padded to `columns`, or cut. */
export function pad(text: string, columns: number): string {
  const cut = clip(text, columns);
  return cut + ' '.repeat(Math.max(0, columns - width(cut)));
}

/** `left` and `right` at both ends; the left gives way. */
export function ends(left: Line, right: Line, columns: number): Line {
  const room = Math.max(0, columns - lineWidth(right));
  const cut = fit(left, room);
  return [...cut, span(' '.repeat(Math.max(0, room - lineWidth(cut)))), ...right];
}

/** A line of at most `columns` cells. */
export function fit(line: Line, columns: number): Line {
  if (lineWidth(line) <= columns) return line;
  const kept: Span[] = [];
  let room = columns;
  for (const [i, piece] of line.entries()) {
    const rest = line.slice(i + 1).some(({ text }) => text.trim() !== '');
    const size = width(piece.text);
    if (size <= room && !(rest && room - size < 3)) {
      kept.push(piece);
      room -= size;
      continue;
    }
    kept.push({ ...piece, text: clip(size < room ? `${piece.text}....` : piece.text, room) });
    break;
  }
  return kept;
}

/** Words of a drawable text in lines of at most `columns` cells; longer words are broken. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const joined = line === '' ? word : `${line} ${word}`;
    if (joined.length <= columns * 2 && width(joined) <= columns) {
      line = joined;
      continue;
    }
    if (line !== '') lines.push(line);
    const parts = chunks(word, columns);
    line = parts.pop() ?? '';
    lines.push(...parts);
  }
  return [...lines, line];
}

/** A drawable text in pieces of at most `columns` cells; '' is one piece. */
export function chunks(text: string, columns: number): string[] {
  const pieces: string[] = [];
  let begin = 0;
  let used = 0;
  let index = 0;
  for (const char of text) {
    const size = widthOf(char);
    if (used + size > columns && index > begin) {
      pieces.push(text.slice(begin, index));
      begin = index;
      used = 0;
    }
    used += size;
    index += char.length;
  }
  return [...pieces, text.slice(begin)];
}
