// Agents' text on screen. Always text nodes; a marked character is drawn as what it is, in a look no text can imitate.
import type { ComponentChildren } from 'preact';
import type { MarkView, WordsView } from '../review/schemas.ts';

export function Mark({ mark }: { readonly mark: MarkView }) {
  return mark.kind === 'look-alike' ? (
    <mark class="glyph" title={mark.name}>
      {mark.label}
    </mark>
  ) : (
    <span class="ctl" title={mark.name}>
      {mark.label}
    </span>
  );
}

/** The part of a text between two indexes, with its marks drawn. */
export function pieces(text: string, marks: readonly MarkView[], from: number, to: number): ComponentChildren[] {
  const out: ComponentChildren[] = [];
  let done = from;
  for (const mark of marks) {
    if (mark.from < from || mark.to > to) continue;
    if (mark.from > done) out.push(text.slice(done, mark.from));
    out.push(<Mark mark={mark} key={mark.from} />);
    done = mark.to;
  }
  if (done < to) out.push(text.slice(done, to));
  return out;
}

export function Words({ words }: { readonly words: WordsView }) {
  return <>{pieces(words.text, words.marks, 0, words.text.length)}</>;
}

/** For the clipboard: no invisible character gets there. */
export function escaped({ text, marks }: WordsView): string {
  let out = '';
  let done = 0;
  for (const mark of marks) {
    out += `${text.slice(done, mark.from)}<${mark.name.split(' ')[0]}>`;
    done = mark.to;
  }
  return out + text.slice(done);
}
