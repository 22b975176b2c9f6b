// `holdpoint approve|deny <id>`: one decision from the terminal, for exactly what the server shows now. Prints what it
// decided and what the server said, never before the server said it.
import { Command } from 'commander';
import type { RequestView } from '../review/client.ts';
import { Failure } from './failure.ts';
import { REVIEW_EXIT, REVIEW_EXIT_HELP, signedIn, told } from './reviewer.ts';

interface DecideOptions {
  readonly reason?: string;
  readonly digest?: string;
  readonly json?: boolean;
}

export function approveCommand(): Command {
  return decideCommand('approve', 'approve a request: it runs once');
}

export function denyCommand(): Command {
  return decideCommand('deny', 'deny a request: the agent gets your words');
}

function decideCommand(decision: 'approve' | 'deny', description: string): Command {
  return new Command(decision)
    .description(description)
    .argument('<id>', 'HP-...')
    .option('--reason <words>', 'goes on the record and to the agent')
    .option('--digest <digest>', 'only if this is what it still is (from requests --json)')
    .option('--json', 'the request after the decision, as JSON')
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (id: string, options: DecideOptions) => {
      const { client, stored } = await signedIn();
      const shown = await told(client.get(id.toUpperCase()));
      if (options.digest !== undefined && shown.digest !== options.digest)
        throw new Failure(
          `${shown.id} is not what it was. Nothing was decided. Read it once more.`,
          REVIEW_EXIT.changed,
        );
      const { digest, revision } = shown;
      const after = await told(
        client.decide(shown.id, { decision, digest, revision, rationale: options.reason ?? '' }),
      );
      process.stdout.write(
        options.json === true ? `${JSON.stringify(after, null, 2)}\n` : said(after, decision, stored.user),
      );
    });
}

/** "Approved by you at 14:06:12. 2 of 2." */
function said(request: RequestView, decision: 'approve' | 'deny', user: string): string {
  const mine = request.decisions.findLast(({ by }) => by === user);
  const at = mine ? ` at ${new Date(mine.at).toISOString().slice(11, 19)} UTC` : '';
  const what = `${request.id}: ${request.sentence}\n`;
  if (decision === 'deny') return `${what}Denied by you${at}. Nothing ran.\n`;
  const approvals = request.decisions.filter(({ decision: one }) => one === 'approve').length;
  const next =
    request.state === 'open'
      ? 'It stays held for more approvals.'
      : request.holds === 'held'
        ? 'It runs once, now.'
        : "It runs once, on the agent's next identical try.";
  return `${what}Approved by you${at}. ${approvals} of ${request.ask.count}. ${next}\n`;
}
