// HTML out of texts that anybody may have written. Nothing reaches a page but through here: markup is escaped, and characters that hide,
// reorder or imitate are drawn as what they are, as the console draws them. Must never put a text into a page as it came.

import type { MarkView } from '../../review/schemas.ts';
import { decode, marksOf } from '../../review/words.ts';

/** HTML that is safe to put into a page. */
export interface Html {
  readonly html: string;
}

/** Characters of one text that a page shows; the JSON files have all of it. */
export const text_shown_chars_max = 4000;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => ENTITIES[char] ?? '');
}

/** Our own markup, with values that are escaped unless they are markup themselves. */
export function html(
  parts: TemplateStringsArray,
  ...values: readonly (Html | readonly Html[] | string | number)[]
): Html {
  let out = parts[0] ?? '';
  for (const [index, value] of values.entries()) out += markup(value) + (parts[index + 1] ?? '');
  return { html: out };
}

function markup(value: Html | readonly Html[] | string | number): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return drawn(value).html;
  return 'html' in value ? value.html : value.map((one) => one.html).join('');
}

/** A text with its hidden characters and look-alikes drawn, whole up to a limit that is told. */
export function drawn(text: string): Html {
  return withMarks(
    text,
    text.length > text_shown_chars_max ? marksOf(text.slice(0, text_shown_chars_max + 1)) : marksOf(text),
  );
}

/** The same of bytes, one character each. */
export function drawnBytes(latin1: string): Html {
  const { text, marks } = decode(latin1);
  return withMarks(text, marks);
}

function withMarks(text: string, marks: readonly MarkView[]): Html {
  let out = '';
  let done = 0;
  let end = text.length;
  if (end > text_shown_chars_max) {
    // Not in the middle of a character, nor of a mark.
    end = text_shown_chars_max - (/[\ud800-\udbff]/.test(text[text_shown_chars_max - 1] ?? '') ? 1 : 0);
  }
  for (const mark of marks) {
    if (mark.from < done || mark.to > end) continue;
    out += escaped(text.slice(done, mark.from));
    const shown = mark.kind === 'look-alike' ? 'glyph' : 'ctl';
    out += `<span class="${shown}" title="${escaped(mark.name)}">${escaped(mark.label)}</span>`;
    done = mark.to;
  }
  out += escaped(text.slice(done, end));
  const more = text.length - end;
  return { html: more > 0 ? `${out}<em class="more"> and ${more} characters more: the JSON file has them</em>` : out };
}
