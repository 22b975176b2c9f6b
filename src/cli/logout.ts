// `holdpoint logout`: ends the token that `login` stored; with --everywhere every session and token of that account.
// Must never say that somebody is signed out before the server has.
import { Command } from 'commander';
import { dropToken, REVIEW_EXIT_HELP, signedIn, told } from './reviewer.ts';

export function logoutCommand(): Command {
  return new Command('logout')
    .description('end the stored login')
    .option('--everywhere', 'and every other session and token of the account, those that it got for agents too')
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (options: { readonly everywhere?: true }) => {
      const { client } = await signedIn();
      const ended = options.everywhere ? (await told(client.logoutAll())).ended : (await told(client.logout()), 1);
      await dropToken();
      process.stdout.write(options.everywhere ? `Signed out everywhere: ${ended} ended.\n` : 'Signed out.\n');
    });
}
