// The page of keys, at most 80 by 24.
import { type Face, type Line, span } from './cells.ts';
import { LEVELS } from './facts.ts';

const TEXT = `
 Move                                  Decide (each asks you to confirm)
   j k, arrows   next, previous          a   approve once
   Enter         open the card           s   approve shape: time, uses, rows
   Esc           back to the queue       d   deny
   Space, b      page down, up           r   ask the requester
   g G           first, last

 Look                                  List
   1 to 9        go to a finding         /   find agent, table, rule or id
   f             formatted, and back     v   only mine, or all
   p             values in place         n   show what arrived meanwhile
   t             transaction             h   history
   c             conversation            q   quit
`;

export function helpLines(face: Face): Line[] {
  const marks = Object.values(LEVELS)
    .map(({ shape, ascii, word }) => `${face.ascii ? ascii : shape} ${word}`)
    .join('   ');
  const end = [
    ` Marks   ${marks}      NO_COLOR is honoured`,
    ` <U+202E> a hidden character, drawn.   <U+0441${face.ascii ? '' : ' с'}> a letter that looks like c.`,
    '',
    ' You cannot decide what you, your agent or an alias of yours asked for.',
    ' When the line is lost, the top says "not live since" and deciding is off.',
    '',
    ' One-shot: holdpoint approve|deny|ask <id> --reason "..."       exit 0 done,',
    ' 3 not yours to decide, 4 already decided, 5 changed meanwhile, 6 not live',
  ];
  const title = ' Keys';
  const close = 'any key closes this';
  return [
    [span(title, 'bold'), span(' '.repeat(face.columns - title.length - close.length - 1)), span(close)],
    [span('-'.repeat(face.columns), 'dim')],
    ...[...TEXT.trim().split('\n'), '', ...end].map((line, i): Line => [span(i === 0 ? ` ${line}` : line)]),
  ];
}
