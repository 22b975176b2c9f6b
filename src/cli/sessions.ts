// `holdpoint sessions [end <id>]`: clients that are connected now, and how an admin ends one.
import { Command } from 'commander';
import type { SessionView } from '../review/client.ts';
import { REVIEW_EXIT_HELP, signedIn, told } from './reviewer.ts';
import { drawn } from './review/cells.ts';
import { duration } from './review/facts.ts';

export function sessionsCommand(): Command {
  const command = new Command('sessions')
    .description('list the sessions of agents and people that are open now')
    .option('--json', 'one JSON array, as the API has them')
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (options: { readonly json?: true }) => {
      const { client } = await signedIn();
      const { sessions } = await told(client.sessions());
      process.stdout.write(
        options.json ? `${JSON.stringify(sessions, null, 2)}\n` : sessionsText(sessions, Date.now()),
      );
    });
  command
    .command('end')
    .description('end a session; a request that it waits for stays, as a ticket')
    .argument('<id>', 'as `holdpoint sessions` shows it')
    .option('--json', 'one JSON object')
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (id: string, options: { readonly json?: true }) => {
      const { client } = await signedIn();
      await told(client.endSession(id));
      process.stdout.write(options.json ? `${JSON.stringify({ ended: id })}\n` : `Session ${id} is ended.\n`);
    });
  return command;
}

export function sessionsText(sessions: readonly SessionView[], now: number): string {
  if (sessions.length === 0) return 'No session is open.\n';
  return sessions
    .map(({ id, who, where, application_name, since, held }) => {
      const name = application_name ? `, ${drawn(application_name)}` : '';
      const waits = held ? `, waits for ${held}` : '';
      const place = `${where.database || 'no database'} at ${where.upstream}`;
      return `${id}  ${drawn(who.id)}${who.sponsor ? `, for ${drawn(who.sponsor)}` : ''}, on ${place}, from ${who.address}${name}, ${duration(now - since)}${waits}\n`;
    })
    .join('');
}
