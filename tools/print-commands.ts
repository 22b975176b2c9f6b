// Prints docs/generated/mysql-commands.md from the table that the relay runs on: what each command of a client leads to, and how it is answered.
// `tsx tools/print-commands.ts`; a test compares the file with what this prints.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { COMMANDS, type Handling } from '../src/session/mysql/table.ts';
import { COM } from '../src/wire/mysql/commands.ts';
import {
  EVENTS_REPLY,
  FIELDS_REPLY,
  NO_REPLY,
  PREPARE_REPLY,
  RESULT_REPLY,
  ROWS_REPLY,
  STATUS_REPLY,
  TEXT_REPLY,
} from '../src/wire/mysql/replies.ts';

export const PAGE = new URL('../docs/generated/mysql-commands.md', import.meta.url);

const HANDLINGS: Readonly<Record<Handling, string>> = {
  query: 'The whole text, all its statements, is judged: passed on, held or refused as one.',
  prepare: 'The text is judged; what would be held is prepared where that runs nothing, and waits when it is executed.',
  execute:
    'Judged each time, with its parameters, under what the text was parsed under, and under what holds now where that is something else.',
  'bulk-execute': 'The same with all rows of parameters.',
  fetch: 'Passed on: the rows belong to the execution that opened the cursor, and count for its limit.',
  'long-data': 'Kept until the statement is executed, and sent before it; dropped with an execution that is refused.',
  close: 'Passed on, and the statement is forgotten.',
  'reset-statement': 'Passed on; parameters that came before are dropped.',
  'as-statement': 'Judged as the statement that does the same, or by its name, and passed on as it came.',
  uncarried:
    'Judged by its name and refused with 1235, which is on record with what was found and the rule: Holdpoint passes it on for nobody.',
  kill: 'A session of the same user is killed by Holdpoint; any other id is judged.',
  'reset-connection': 'Passed on; prepared statements are forgotten, and the facts are read anew.',
  'change-user':
    'Answered by Holdpoint: the session ends, and whoever the client says it is proves it and gets a session and a connection to the server of its own.',
  option: 'Passed on; whether what follows a semicolon runs is kept in mind.',
  pass: 'Passed on.',
  quit: 'The session ends.',
};

const REPLIES: Readonly<Record<number, string>> = {
  [NO_REPLY]: 'none',
  [STATUS_REPLY]: 'OK, EOF or ERR',
  [TEXT_REPLY]: 'a text',
  [RESULT_REPLY]: 'OK, ERR, result sets, or a request for a file',
  [PREPARE_REPLY]: 'OK with definitions, or ERR',
  [ROWS_REPLY]: 'rows',
  [EVENTS_REPLY]: 'events',
  [FIELDS_REPLY]: 'definitions',
};

/** The page, from the tables. */
export function commandsPage(): string {
  const rows = Object.entries(COMMANDS).map(([name, row]) => {
    const code = `\`0x${COM[name as keyof typeof COM].toString(16).padStart(2, '0')}\``;
    return row === null
      ? `| COM_${name} | ${code} | refused | - | - |`
      : `| COM_${name} | ${code} | ${row.handling} | ${row.judged} | ${REPLIES[row.reply]} |`;
  });
  return `# What Holdpoint does with each MySQL and MariaDB command

Printed from \`src/session/mysql/table.ts\` by \`tools/print-commands.ts\`; do not edit.
A command that is not listed here, and one that is refused, which no server takes, gets error 1047; the session goes on. One command at a time: the next is read when the
server has answered. A file (LOCAL INFILE) is asked of the client only for a statement that was judged to import one.

| command | code | handling | judged | answered by |
|---|---|---|---|---|
${rows.join('\n')}

## Handlings
| handling | meaning |
|---|---|
${Object.entries(HANDLINGS)
  .map(([handling, meaning]) => `| ${handling} | ${meaning} |`)
  .join('\n')}
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, commandsPage());
