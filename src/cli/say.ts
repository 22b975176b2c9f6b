// `holdpoint ask|answer|withdraw|close <id>`: words on a request that decide nothing of it. Print what the server made of them,
// never before it did.
import { Command } from 'commander';
import type { RequestView, ReviewClient } from '../review/client.ts';
import { EXIT, Failure } from './failure.ts';
import { REVIEW_EXIT_HELP, signedIn, told } from './reviewer.ts';

interface Row {
  readonly name: string;
  readonly description: string;
  readonly words: string;
  readonly say: (client: ReviewClient, id: string, words: string) => Promise<RequestView>;
  readonly said: string;
}

const ROWS: readonly Row[] = [
  {
    name: 'ask',
    description: 'ask the requester something first: the agent is told, nothing is decided',
    words: 'the question',
    say: (client, id, words) => client.ask(id, words),
    said: 'Asked. It stays held.',
  },
  {
    name: 'answer',
    description: 'answer for an agent of yours, or as the agent: the reviewers are told',
    words: 'the answer',
    say: (client, id, words) => client.answer(id, words),
    said: 'Answered.',
  },
  {
    name: 'withdraw',
    description: 'take a request of yours, or of an agent of yours, back: nothing runs',
    words: 'goes on the record and to the agent',
    say: (client, id, words) => client.withdraw(id, words),
    said: 'Withdrawn. Nothing ran.',
  },
  {
    name: 'close',
    description: 'close the review of what somebody else ran by break-glass',
    words: 'what you have looked at; goes on the record',
    say: (client, id, words) => client.review(id, words),
    said: 'Its review is closed.',
  },
];

/** One command for each kind of word. */
export function sayCommands(): Command[] {
  return ROWS.map((row) =>
    new Command(row.name)
      .description(row.description)
      .argument('<id>', 'HP-...')
      .requiredOption('--reason <words>', row.words)
      .option('--json', 'the request after it, as JSON')
      .addHelpText('after', REVIEW_EXIT_HELP)
      .action(async (id: string, options: { readonly reason: string; readonly json?: true }) => {
        if (options.reason.trim() === '') throw new Failure(`--reason: ${row.words}`, EXIT.usage);
        const { client } = await signedIn();
        const after = await told(row.say(client, id.toUpperCase(), options.reason));
        process.stdout.write(
          options.json ? `${JSON.stringify(after, null, 2)}\n` : `${after.id}: ${after.sentence}\n${row.said}\n`,
        );
      }),
  );
}
