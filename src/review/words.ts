// Finds the characters in a requester's text that do not look like what they are: hidden, reordering, imitating.
// Marks add to a text and never change it; spell() is for places that can only show plain text.
import { isUtf8 } from 'node:buffer';
import type { MarkView, WordsView } from './schemas.ts';

type Kind = MarkView['kind'];

/** Characters with a name that reviewers know; the rest show their code point. Names: Unicode 16, NamesList. */
const NAMED: Readonly<Record<number, readonly [label: string, name: string]>> = {
  0x00: ['NUL', 'NULL'],
  0x07: ['BEL', 'BELL'],
  0x08: ['BS', 'BACKSPACE'],
  0x0b: ['VT', 'LINE TABULATION'],
  0x0c: ['FF', 'FORM FEED'],
  0x0d: ['CR', 'CARRIAGE RETURN'],
  0x1b: ['ESC', 'ESCAPE'],
  0x7f: ['DEL', 'DELETE'],
  0x85: ['NEL', 'NEXT LINE'],
  0xa0: ['NBSP', 'NO-BREAK SPACE'],
  0xad: ['SHY', 'SOFT HYPHEN'],
  0x34f: ['CGJ', 'COMBINING GRAPHEME JOINER'],
  0x61c: ['ALM', 'ARABIC LETTER MARK'],
  0x200b: ['ZWSP', 'ZERO WIDTH SPACE'],
  0x200c: ['ZWNJ', 'ZERO WIDTH NON-JOINER'],
  0x200d: ['ZWJ', 'ZERO WIDTH JOINER'],
  0x200e: ['LRM', 'LEFT-TO-RIGHT MARK'],
  0x200f: ['RLM', 'RIGHT-TO-LEFT MARK'],
  0x2028: ['LSEP', 'LINE SEPARATOR'],
  0x2029: ['PSEP', 'PARAGRAPH SEPARATOR'],
  0x202a: ['LRE', 'LEFT-TO-RIGHT EMBEDDING'],
  0x202b: ['RLE', 'RIGHT-TO-LEFT EMBEDDING'],
  0x202c: ['PDF', 'POP DIRECTIONAL FORMATTING'],
  0x202d: ['LRO', 'LEFT-TO-RIGHT OVERRIDE'],
  0x202e: ['RLO', 'RIGHT-TO-LEFT OVERRIDE'],
  0x2060: ['WJ', 'WORD JOINER'],
  0x2066: ['LRI', 'LEFT-TO-RIGHT ISOLATE'],
  0x2067: ['RLI', 'RIGHT-TO-LEFT ISOLATE'],
  0x2068: ['FSI', 'FIRST STRONG ISOLATE'],
  0x2069: ['PDI', 'POP DIRECTIONAL ISOLATE'],
  0xfeff: ['BOM', 'ZERO WIDTH NO-BREAK SPACE'],
};

/** Bidi_Control, Unicode Standard Annex 9. */
const DIRECTION = /\p{Bidi_Control}/u;
/** Nothing is drawn for these, so text around them reads as if they were not there. */
const ZERO_WIDTH = /\p{Cf}|\p{Variation_Selector}|\u034f|\u115f|\u1160|\u17b4|\u17b5|\u2800|\u3164|\uffa0/u;
/** Tab and line feed are layout that the page keeps; a carriage return is kept before a line feed only. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}]/u;
const SPACE = /\p{Zs}/u;
const SUSPECT = /[^\t\n\x20-\x7e]/;
/** A name as SQL joins it: letters, digits, underscore, dollar, dots. */
const WORD = /[\p{L}\p{M}\p{N}_$.]+/gu;
const LATIN = /\p{Script=Latin}/u;
const FOREIGN = /(?=\p{L})(?!\p{Script=Latin})(?!\p{Script=Common})(?!\p{Script=Inherited})./u;
/** Scripts with letters that a Latin reader takes for Latin (Unicode Technical Standard 39). Han in a Latin name imitates nothing. */
const IMITATING =
  /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Coptic}\p{Script=Lisu}]/u;
const SCRIPTS: readonly (readonly [RegExp, string])[] = [
  [/\p{Script=Cyrillic}/u, 'CYRILLIC'],
  [/\p{Script=Greek}/u, 'GREEK'],
  [/\p{Script=Armenian}/u, 'ARMENIAN'],
  [/\p{Script=Cherokee}/u, 'CHEROKEE'],
  [/\p{Script=Coptic}/u, 'COPTIC'],
  [/\p{Script=Lisu}/u, 'LISU'],
];

/** Marks for a text that is valid UTF-16. Linear in its length. */
export function marksOf(text: string): MarkView[] {
  if (!SUSPECT.test(text)) return [];
  const marks: MarkView[] = [];
  let before = '';
  for (let index = 0; index < text.length; ) {
    const char = String.fromCodePoint(text.codePointAt(index) as number);
    const kind = kindOf(char, before, text.slice(index + char.length, index + char.length + 2));
    if (kind) marks.push(hidden(index, char, kind));
    before = char;
    index += char.length;
  }
  for (const word of text.matchAll(WORD)) marks.push(...lookAlikes(word[0], word.index));
  return marks.toSorted((a, b) => a.from - b.from);
}

function kindOf(char: string, before: string, after: string): Kind | null {
  if (char >= ' ' && char <= '~') return null;
  if (char === '\t' || char === '\n') return null;
  if (char === '\r') return after.startsWith('\n') ? null : 'control';
  if (DIRECTION.test(char)) return 'direction';
  // An emoji's own parts: a joiner between pictures, a presentation selector after one.
  if ((char === '\u200d' || char === '\ufe0f') && /[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f]/u.test(before))
    return null;
  // Persian and the Indic scripts spell with the non-joiner.
  if (char === '\u200c' && /[\p{L}\p{M}]/u.test(before) && !LATIN.test(before)) return null;
  if (ZERO_WIDTH.test(char)) return 'zero-width';
  if (CONTROL.test(char)) return 'control';
  return SPACE.test(char) ? 'space' : null;
}

function codePoint(char: string): string {
  return `U+${(char.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')}`;
}

function hidden(index: number, char: string, kind: Kind): MarkView {
  const named = NAMED[char.codePointAt(0) as number];
  const code = codePoint(char);
  return {
    from: index,
    to: index + char.length,
    kind,
    label: named?.[0] ?? code,
    name: named ? `${code} ${named[1]}` : code,
  };
}

function lookAlikes(word: string, start: number): MarkView[] {
  if (!SUSPECT.test(word)) return [];
  const mixed = LATIN.test(word) && FOREIGN.test(word);
  const marks: MarkView[] = [];
  let index = start;
  for (const char of word) {
    const plain = char > '~' ? char.normalize('NFKC') : char;
    const script = mixed && IMITATING.test(char) ? SCRIPTS.find(([test]) => test.test(char))?.[1] : undefined;
    // Full-width and mathematical letters are compatibility forms of ASCII ones; the long s and the like are not names' usual letters either.
    if (script || (plain !== char && /^[0-9A-Za-z]$/.test(plain) && !/[\u00aa\u00ba\u00b2\u00b3\u00b9]/.test(char)))
      marks.push({
        from: index,
        to: index + char.length,
        kind: 'look-alike',
        label: char,
        name: `${codePoint(char)} ${script ? `${script} LETTER` : `LOOKS LIKE ${plain}`}`,
      });
    index += char.length;
  }
  return marks;
}

export function words(text: string): WordsView {
  return { text, marks: marksOf(text) };
}

/** For one-line plain places: hidden characters as <U+202E>, look-alikes as <U+0441 с>, line breaks as a space. */
export function spell(text: string): string {
  let out = '';
  let done = 0;
  for (const mark of marksOf(text)) {
    out += text.slice(done, mark.from);
    const code = mark.name.split(' ')[0];
    out += mark.kind === 'look-alike' ? `<${code} ${mark.label}>` : `<${code}>`;
    done = mark.to;
  }
  return (out + text.slice(done)).replaceAll(/[\r\n\t]+/g, ' ');
}

/** Bytes as text. A byte that is no UTF-8 becomes U+FFFD with a mark that names it. */
export interface Decoded extends WordsView {
  readonly bytes: number;
  /** The exact bytes in hex where the text can't say them; else null. */
  readonly hex: string | null;
  /** UTF-16 indexes of byte offsets, which must ascend. */
  indexes(offsets: readonly number[]): number[];
}

/** @param latin1 one character per byte, as the wire received it. */
export function decode(latin1: string): Decoded {
  const bytes = Buffer.from(latin1, 'latin1');
  if (isUtf8(bytes)) {
    const text = bytes.toString('utf8');
    return { ...words(text), bytes: bytes.length, hex: null, indexes: (offsets) => indexesOf(bytes, offsets) };
  }
  let text = '';
  const marks: MarkView[] = [];
  const starts = new Uint32Array(bytes.length + 1);
  for (let i = 0; i < bytes.length; ) {
    const length = sequenceLength(bytes, i);
    starts.fill(text.length, i, i + Math.max(1, length));
    if (length === 0) {
      const name = `0x${(bytes[i] as number).toString(16).toUpperCase().padStart(2, '0')}`;
      marks.push({ from: text.length, to: text.length + 1, kind: 'byte', label: name, name: `${name} is not UTF-8` });
      text += '\ufffd';
    } else text += bytes.toString('utf8', i, i + length);
    i += Math.max(1, length);
  }
  starts[bytes.length] = text.length;
  return {
    text,
    marks: [...marks, ...marksOf(text)].toSorted((a, b) => a.from - b.from),
    bytes: bytes.length,
    hex: bytes.toString('hex'),
    indexes: (offsets) => offsets.map((offset) => starts[Math.min(offset, bytes.length)] as number),
  };
}

/** Bytes of the valid sequence at i; 0: none starts here. */
function sequenceLength(bytes: Buffer, i: number): number {
  const lead = bytes[i] as number;
  const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return i + length <= bytes.length && isUtf8(bytes.subarray(i, i + length)) ? length : 0;
}

function indexesOf(bytes: Buffer, offsets: readonly number[]): number[] {
  let at = 0;
  let index = 0;
  return offsets.map((offset) => {
    let to = Math.min(offset, bytes.length);
    // Inside a character: its start. Continuation bytes are 10xxxxxx.
    while (to > at && to < bytes.length && ((bytes[to] as number) & 0xc0) === 0x80) to -= 1;
    index += bytes.toString('utf8', at, to).length;
    at = to;
    return index;
  });
}

const COUNTED: readonly (readonly [Kind, string, string])[] = [
  ['direction', 'direction control', 'direction controls'],
  ['zero-width', 'zero-width character', 'zero-width characters'],
  ['control', 'control character', 'control characters'],
  ['byte', 'byte that is not UTF-8', 'bytes that are not UTF-8'],
  ['look-alike', 'look-alike letter', 'look-alike letters'],
];

/** "4 direction controls and 1 look-alike letter"; empty where nothing deceives (an unusual space does not). */
export function deception(marks: readonly MarkView[]): string {
  const parts = COUNTED.flatMap(([kind, one, many]) => {
    const n = marks.filter((mark) => mark.kind === kind).length;
    return n === 0 ? [] : [`${n} ${n === 1 ? one : many}`];
  });
  return parts.length < 2 ? (parts[0] ?? '') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}
