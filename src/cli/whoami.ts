// `holdpoint whoami`: who is signed in, where, and until when.
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

/** To the minute. */
export function utc(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
