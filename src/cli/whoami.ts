// `holdpoint whoami` and `holdpoint token`: who is signed in, and a token for an agent that the reviewer answers for. The token is all
// that goes to standard output, so that a script can take it; it is kept nowhere.
import { Command } from 'commander';
import { REVIEW_EXIT_HELP, signedIn, told } from './reviewer.ts';

export function whoamiCommand(): Command {
  return new Command('whoami')
    .description('who is signed in, where, and until when')
    .option('--json', 'one JSON object')
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (options: { readonly json?: true }) => {
      const { client, url } = await signedIn();
      const { id, kind, roles, groups, environment, expires } = await told(client.me());
      const facts = { id, kind, roles, groups, environment, url, expires };
      process.stdout.write(
        options.json
          ? `${JSON.stringify(facts, null, 2)}\n`
          : `${id}, ${kind}; roles: ${roles.join(', ') || 'none'}; groups: ${groups.join(', ') || 'none'}\n${environment} at ${url}, until ${utc(expires)}\n`,
      );
    });
}

export function tokenCommand(): Command {
  return new Command('token')
    .description(
      "a token with which an agent opens, answers, withdraws and watches its own requests at the reviewers' API",
    )
    .requiredOption('--for <agent>', 'an agent that you are the sponsor of; an admin: any')
    .option('--ttl <time>', 'how long it is good: 30s, 15m, 8h; at most 24h', '15m')
    .option('--json', 'token, agent and end, as JSON')
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (options: { readonly for: string; readonly ttl: string; readonly json?: true }) => {
      const { client } = await signedIn();
      const made = await told(client.tokenFor(options.for, options.ttl));
      if (!options.json) process.stderr.write(`For ${made.user}, until ${utc(made.expires)}:\n`);
      process.stdout.write(options.json ? `${JSON.stringify(made, null, 2)}\n` : `${made.token}\n`);
    });
}

function utc(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
