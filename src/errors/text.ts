// Texts that fit: whole UTF-8 characters within byte limits, nothing in them that a terminal or the wire could act on.
// Must never let a NUL through: it would end a protocol field early.

/** Limits of one message to a PostgreSQL client, in bytes of UTF-8 (mock: terminal, section 5). */
export const MESSAGE_BYTES_MAX = 200;
export const DETAIL_BYTES_MAX = 600;
export const HINT_BYTES_MAX = 500;
/** A reviewer's words inside a message, in characters. */
export const WORDS_CHARS_MAX = 200;

const ELLIPSIS = '...';

/** At most `bytes_max` bytes of UTF-8, cut at a whole character, with "..." where something is missing. */
export function cutBytes(text: string, bytes_max: number): string {
  if (Buffer.byteLength(text) <= bytes_max) return text;
  return `${fill(text, bytes_max - ELLIPSIS.length)}${bytes_max >= ELLIPSIS.length ? ELLIPSIS : ''}`;
}

/** At most `chars_max` characters (code points), the "..." included. */
export function cutChars(text: string, chars_max: number): string {
  const chars = Array.from(text);
  return chars.length <= chars_max ? text : chars.slice(0, chars_max - ELLIPSIS.length).join('') + ELLIPSIS;
}

/** Control, bidi, zero-width and unpaired characters become visible: `<U+202E>`; a line end or tab becomes a space. */
export function visible(text: string): string {
  return text.replace(/[\r\n\t\u2028\u2029]+/g, ' ').replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]/gu, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
  });
}

/** People's words: visible, cut, in quotation marks that they cannot close. */
export function quoted(words: string, bytes_max: number, chars_max = WORDS_CHARS_MAX): string {
  const inside = cutChars(visible(words).trim().replaceAll('"', "'"), chars_max);
  return `"${cutBytes(inside, bytes_max - 2)}"`;
}

/** HH:MM:SS of a time in milliseconds since the epoch, in UTC. */
export function utc(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}

function fill(text: string, bytes: number): string {
  let used = 0;
  let end = 0;
  for (const char of text) {
    used += Buffer.byteLength(char);
    if (used > bytes) break;
    end += char.length;
  }
  return text.slice(0, end);
}
