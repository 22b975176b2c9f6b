// `holdpoint whoami`: who is signed in, where, and until when; or, for an operator, what a name is here and why.
import { Command, Option } from 'commander';
import { type Config, loadConfig } from '../config/config.ts';
import { certificateText, explainCertificate, methodRows, methodsOf } from './explain-logins.ts';
import { type Asked, BY, type By, explainedText, explainPrincipal } from './explain-principal.ts';
import { nameIn } from './explain-token.ts';
import { EXIT, Failure } from './failure.ts';
import { REVIEW_EXIT_HELP, signedIn, told } from './reviewer.ts';

/** Of a password or token on standard input. */
const PASSWORD_BYTES_MAX = 16 * 1024;

export function whoamiCommand(): Command {
  return new Command('whoami')
    .description(
      'who is signed in, where, and until when; with --user: what somebody is here, and why, by the configuration',
    )
    .option('--json', 'one JSON object')
    .option('--user <name>', 'for an operator: explain this name, asking the sources that the configuration names')
    .addOption(new Option('--by <source>', 'with --user: ask this one alone').choices(BY))
    .option('--password-stdin', 'with --user: its password or token is on standard input, and must be right')
    .option(
      '--token-stdin',
      'for an operator: explain the token on standard input; where it is not good, which part of it',
    )
    .option('--certificate <file>', 'for an operator: explain what this client certificate (PEM) is at each listener')
    .option('--config <file>', 'for an operator: configuration', 'holdpoint.yaml')
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (options: WhoamiOptions) => {
      if (options.certificate !== undefined) return explainFile(options.certificate, options);
      if (options.tokenStdin === true) return explainToken(options);
      if (options.user !== undefined) return explain(options.user, options);
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

interface WhoamiOptions {
  readonly json?: true;
  readonly user?: string;
  readonly by?: By;
  readonly passwordStdin?: true;
  readonly certificate?: string;
  readonly tokenStdin?: true;
  readonly config: string;
}

/** Exit status 1: nobody here. */
async function explain(user: string, { by, passwordStdin, config, json }: WhoamiOptions): Promise<void> {
  const password = passwordStdin === true ? await readPassword() : null;
  await say(await loadConfig(config), { user, by: by ?? null, password }, json);
}

/** For the name that it says, unless another one is given. Exit status 1: it lets nobody in. */
async function explainToken({ user, by, passwordStdin, config, json }: WhoamiOptions): Promise<void> {
  if (by !== undefined || passwordStdin === true)
    throw new Failure('--token-stdin asks the issuers of tokens alone: without --by and --password-stdin', EXIT.usage);
  const password = await readPassword();
  const loaded = await loadConfig(config);
  if (loaded.identity.jwt.length === 0) throw new Failure('identity.jwt names no issuer: no token logs in');
  await say(loaded, { user: user ?? nameIn(loaded, password) ?? 'nobody', by: 'jwt', password }, json);
}

async function say(loaded: Config, asked: Asked, json: true | undefined): Promise<void> {
  const explained = await explainPrincipal(loaded, asked);
  const logins = methodsOf(loaded, asked.user);
  process.stdout.write(
    json ? `${JSON.stringify({ ...explained, logins }, null, 2)}\n` : explainedText(explained, methodRows(logins)),
  );
  if (explained.principal === null) process.exitCode = EXIT.failed;
}

/** Exit status 1: it logs nobody in anywhere. */
async function explainFile(file: string, options: WhoamiOptions): Promise<void> {
  const { config, user, by, passwordStdin, tokenStdin, json } = options;
  if (user !== undefined || by !== undefined || passwordStdin === true || tokenStdin === true)
    throw new Failure(
      '--certificate says who it is for by itself: without --user, --by, --password-stdin and --token-stdin',
      EXIT.usage,
    );
  const loaded = await loadConfig(config);
  const explained = await explainCertificate(loaded, file);
  process.stdout.write(json ? `${JSON.stringify(explained, null, 2)}\n` : certificateText(loaded, explained));
  if (!explained.listeners.some(({ logs_in }) => logs_in)) process.exitCode = EXIT.failed;
}

/** Without the newline at its end. */
async function readPassword(): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of process.stdin as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > PASSWORD_BYTES_MAX) throw new Failure(`a password has at most ${PASSWORD_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Buffer.from(
    Buffer.concat(parts)
      .toString('latin1')
      .replace(/\r?\n$/, ''),
    'latin1',
  );
}
