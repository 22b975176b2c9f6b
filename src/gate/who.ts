// A principal as it stands in the log: who it is in clear, and what its token says in words sealed, as all words are that a client or its token
// wrote. Must never put such words in clear, nor a token.
import type { Who } from '../policy/types.ts';

/** `clear`: all but the words. `words`: to be sealed beside what else is; empty: it says nothing. */
export const apart = ({
  task,
  ...clear
}: Who): { readonly clear: Omit<Who, 'task'>; readonly words: { readonly task?: string } } => ({
  clear,
  words: task === undefined ? {} : { task },
});

/** Put together again. Records of earlier releases have the words in clear. */
export const together = <W extends { readonly task?: string }>(
  clear: W,
  words: { readonly task?: unknown } | null | undefined,
): W => ({
  ...clear,
  ...(typeof words?.task === 'string' && { task: words.task }),
});
