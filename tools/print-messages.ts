// Prints docs/generated/postgres-messages.md from the table that the relay runs on: what each client message leads to in each phase.
// `tsx tools/print-messages.ts`; a test compares the file with what this prints.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CLIENT_MESSAGES, type Handling, type ReadingPhase } from '../src/session/postgres/table.ts';
import { FRONTEND } from '../src/wire/postgres/messages.ts';

export const PAGE = new URL('../docs/generated/postgres-messages.md', import.meta.url);

const PHASES: Readonly<Record<ReadingPhase, string>> = {
  open: 'Between statements and inside a pipeline: each message is judged or passed on.',
  copying: 'During a COPY FROM STDIN that was let through: its data is passed on.',
  discarding: 'After an error in the extended protocol: as the server does, nothing counts until Sync.',
};

const HANDLINGS: Readonly<Record<Handling, string>> = {
  query: 'The whole text is judged: passed on, held or refused as one.',
  parse: 'The text is judged, and kept under its name for each later execution.',
  bind: 'The statement is judged again, with its parameters.',
  execute: 'Judged before it runs; a suspended portal is judged again before it goes on.',
  describe:
    'Passed on; judged again where the settings have changed since Parse; answered here for statements of Holdpoint itself.',
  close: 'Passed on, and the name is forgotten.',
  flush: 'Passed on.',
  sync: "Ends the pipeline; passed on, and its ReadyForQuery is the server's.",
  'function-call': 'The function that it names is judged: passed on, held or refused.',
  'copy-data': 'Passed on unread.',
  'copy-end': 'Passed on; the COPY is over.',
  'copy-sync': 'Taken; passed on only where the COPY fails before any of its data came.',
  'copy-broken': 'Breaks the protocol: an error, and the session ends, which makes the COPY fail.',
  drop: 'Taken and not passed on: the server would ignore it here.',
  terminate: 'The session ends.',
};

/** The page, from the tables. */
export function messagesPage(): string {
  const phases = Object.keys(PHASES) as ReadingPhase[];
  const used = new Set(Object.values(CLIENT_MESSAGES).flatMap((cells) => Object.values(cells)));
  const rows = Object.entries(CLIENT_MESSAGES).map(([name, cells]) => {
    const code = String.fromCharCode(FRONTEND[name as keyof typeof CLIENT_MESSAGES]);
    return `| ${name} | \`${code}\` | ${phases.map((phase) => cells[phase]).join(' | ')} |`;
  });
  return `# What Holdpoint does with each PostgreSQL client message

Printed from \`src/session/postgres/table.ts\` by \`tools/print-messages.ts\`; do not edit.
A message that is not listed here, or not legal in its phase, is a protocol violation and ends the session. The password messages of a login
(\`p\`) never reach this table. While a statement is judged or held, no message is read.

## Messages
| message | code | ${phases.join(' | ')} |
|---|---|${phases.map(() => '---|').join('')}
${rows.join('\n')}

## Phases
| phase | meaning |
|---|---|
${phases.map((phase) => `| ${phase} | ${PHASES[phase]} |`).join('\n')}

## Handlings
| handling | meaning |
|---|---|
${Object.entries(HANDLINGS)
  .filter(([handling]) => used.has(handling as Handling))
  .map(([handling, meaning]) => `| ${handling} | ${meaning} |`)
  .join('\n')}
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, messagesPage());
