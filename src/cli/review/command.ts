// `holdpoint review`: the queue and its cards in a terminal. Only finds out what kind of terminal it is and who is signed in.
import { Command } from 'commander';
import { EXIT, Failure } from '../failure.ts';
import { REVIEW_EXIT_HELP, signedIn, told } from '../reviewer.ts';
import { COLUMNS_MIN, ROWS_MIN } from './state.ts';
import { runReview } from './terminal.ts';

export function reviewCommand(): Command {
  return new Command('review')
    .description('review requests in this terminal, live')
    .addHelpText(
      'after',
      `\nNeeds ${COLUMNS_MIN} columns by ${ROWS_MIN} rows. ? shows the keys. NO_COLOR is honoured; a locale without UTF-8 gets plain ASCII.` +
        REVIEW_EXIT_HELP,
    )
    .action(async () => {
      const { stdin: input, stdout: output, env } = process;
      if (!input.isTTY || !output.isTTY || env['TERM'] === 'dumb')
        throw new Failure('review needs a terminal. In a script: holdpoint requests --json', EXIT.usage);
      const { client } = await signedIn();
      const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '';
      const ascii = !/utf-?8/i.test(locale);
      const colour = (env['NO_COLOR'] ?? '') === '' && output.hasColors(16, env);
      await told(runReview({ input, output, ascii, colour }, client));
      process.exit();
    });
}
