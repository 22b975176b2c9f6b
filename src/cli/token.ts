// `holdpoint token`: tokens for agents that the reviewer answers for, and their end. The token is all that goes to standard output, so that
// a script can take it; it is kept nowhere.
import { Command } from 'commander';
import { EXIT, Failure } from './failure.ts';
import { REVIEW_EXIT_HELP, signedIn, told } from './reviewer.ts';
import { utc } from './whoami.ts';

interface Options {
  readonly for?: string;
  readonly ttl: string;
  readonly database?: true;
  readonly task?: string;
  readonly onBehalfOf?: readonly string[];
  readonly json?: true;
}

export function tokenCommand(): Command {
  return (
    new Command('token')
      .description(
        "a token with which an agent opens, answers, withdraws and watches its own requests at the reviewers' API; with --database one that is its password for databases, and nothing else",
      )
      // `token revoke --for` is that command's own.
      .enablePositionalOptions()
      .option('--for <agent>', 'an agent that you are the sponsor of; an admin: any')
      .option(
        '--ttl <time>',
        'how long it is good: 30s, 15m, 8h; at most 24h, for a database as the configuration says',
        '15m',
      )
      .option('--database', 'one that logs in to databases')
      .option('--task <text>', 'what the agent is to do; with --database')
      .option('--on-behalf-of <id...>', 'whose work it is: they may not decide about it; with --database')
      .option('--json', 'token, agent and end, as JSON')
      .addHelpText('after', REVIEW_EXIT_HELP)
      .action(async (options: Options) => {
        const made = await get(options);
        const what = made.id === null ? '' : `, ${made.id}`;
        if (!options.json) process.stderr.write(`For ${made.user}, until ${utc(made.expires)}${what}:\n`);
        process.stdout.write(options.json ? `${JSON.stringify(made, null, 2)}\n` : `${made.token}\n`);
      })
      .addCommand(listCommand())
      .addCommand(revokeCommand())
      .addCommand(rotateCommand())
  );
}

async function get({ for: agent, ttl, database, task, onBehalfOf }: Options) {
  if (agent === undefined) throw new Failure('--for <agent> is missing: whose token?', EXIT.usage);
  if (!database && (task !== undefined || onBehalfOf !== undefined))
    throw new Failure('--task and --on-behalf-of want --database', EXIT.usage);
  const { client } = await signedIn();
  if (!database) return told(client.tokenFor(agent, ttl));
  const more = { ...(task !== undefined && { task }), ...(onBehalfOf !== undefined && { on_behalf_of: onBehalfOf }) };
  return told(client.databaseTokenFor(agent, { ttl, ...more }));
}

function listCommand(): Command {
  return new Command('list')
    .description('tokens for databases that have not ended: of agents that you answer for; an admin: all')
    .option('--json', 'one JSON array')
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (options: { readonly json?: true }) => {
      const { client } = await signedIn();
      const { tokens } = await told(client.databaseTokens());
      if (options.json) process.stdout.write(`${JSON.stringify(tokens, null, 2)}\n`);
      else if (tokens.length === 0) process.stderr.write('No tokens for databases are in use.\n');
      for (const { id, for: agent, by, expires, revoked } of options.json ? [] : tokens) {
        const end = revoked === null ? `until ${utc(expires)}` : `revoked by ${revoked.by}`;
        process.stdout.write(`${id}  ${agent}, got by ${by}, ${end}\n`);
      }
    });
}

interface RevokeOptions {
  readonly for?: string;
  readonly issuer?: string;
  readonly reason: string;
}

function revokeCommand(): Command {
  return new Command('revoke')
    .description('make a token for databases void at once; with --for all of an agent, also those of other issuers')
    .argument('[id]', 'as `holdpoint token list` shows it; with --issuer its `jti`')
    .option('--for <agent>', 'all that were got until now')
    .option('--issuer <iss>', "whose it is, if not Holdpoint's own: as in identity.jwt; as an admin")
    .option('--reason <text>', 'goes into the log', '')
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (id: string | undefined, options: RevokeOptions) => {
      const { for: agent, issuer, reason } = options;
      if (id === undefined && issuer !== undefined)
        throw new Failure('--issuer wants the <id> of one of its tokens; --for is about all of them', EXIT.usage);
      if (id !== undefined && agent !== undefined) throw new Failure('one of <id> and --for, not both', EXIT.usage);
      if (id === undefined && agent === undefined) throw new Failure('say which: <id>, or --for <agent>', EXIT.usage);
      const { client } = await signedIn();
      if (id !== undefined && issuer !== undefined) {
        await told(client.revokeOther(issuer, id, reason));
        process.stdout.write(`${id} of ${issuer} is revoked.\n`);
      } else if (id !== undefined) {
        await told(client.revokeToken(id, reason));
        process.stdout.write(`${id} is revoked.\n`);
      } else if (agent !== undefined) {
        const { revoked } = await told(client.revokeTokens(agent, reason));
        process.stdout.write(`All tokens of ${agent} until now are revoked; ${revoked} of them Holdpoint's own.\n`);
      }
    });
}

function rotateCommand(): Command {
  return new Command('rotate')
    .description('make another key sign tokens for databases; as an admin')
    .option('--drop', 'what older keys signed is void at once, instead of when it ends')
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (options: { readonly drop?: true }) => {
      const { client } = await signedIn();
      const { key } = await told(client.rotateTokenKey(options.drop === true));
      process.stdout.write(`Tokens for databases are signed by ${key} from now on.\n`);
    });
}
