// `holdpoint login`: signs a reviewer in and stores the token, 12 hours, mode 0600. Must never echo a password or take one
// as an argument: other users of the machine can read those.
import { createInterface } from 'node:readline/promises';
import { text as readAll } from 'node:stream/consumers';
import { Writable } from 'node:stream';
import { Command, Option } from 'commander';
import { Refused, signIn, type TokenView } from '../review/client.ts';
import { EXIT, Failure } from './failure.ts';
import { DEFAULT_URL, storeToken, told } from './reviewer.ts';

type Credentials = Parameters<typeof signIn>[1];

interface LoginOptions {
  readonly url: string;
  readonly user?: string;
  readonly passwordStdin?: boolean;
  readonly link?: string;
}

export function loginCommand(): Command {
  return new Command('login')
    .description('sign in as a reviewer and store the token, for 12 hours')
    .option('--url <url>', "where the reviewers' page is", DEFAULT_URL)
    .option('--user <id>', 'asked for if missing')
    .option('--password-stdin', 'read the password from standard input; on a second line the second factor')
    .addOption(
      new Option('--link <url>', 'a one-time sign-in link instead of a password').conflicts(['user', 'passwordStdin']),
    )
    .action(async (options: LoginOptions) => {
      const { url, by } = await credentials(options);
      const { token, expires, user } = await told(withCode(url, by));
      const path = await storeToken({ url, user, token, expires });
      process.stdout.write(
        `Signed in as ${user} until ${new Date(expires).toISOString().slice(0, 16).replace('T', ' ')} UTC. Token: ${path}\n`,
      );
    });
}

async function credentials(options: LoginOptions): Promise<{ readonly url: string; readonly by: Credentials }> {
  if (options.link !== undefined) {
    const link = parsed(options.link);
    const token = /^\/in\/([\w-]+)$/.exec(link?.pathname ?? '')?.[1];
    if (!link || !token) throw new Failure('--link wants the whole link, http.../in/...', EXIT.usage);
    return { url: link.origin, by: { link: token } };
  }
  const url = parsed(options.url)?.origin;
  if (!url?.startsWith('http')) throw new Failure('--url wants http://host:port or https://host', EXIT.usage);
  if (options.passwordStdin === true) {
    if (options.user === undefined) throw new Failure('--password-stdin needs --user', EXIT.usage);
    const [password = '', otp = ''] = (await readAll(process.stdin)).split(/\r?\n/);
    return { url, by: { user: options.user, password, ...(otp === '' ? {} : { otp }) } };
  }
  if (!process.stdin.isTTY)
    throw new Failure('there is no terminal to ask for a password: --password-stdin, --link', EXIT.usage);
  const user = options.user ?? (await ask('User: ', process.stderr));
  const password = await ask(`Password for ${user}: `, new Writable({ write: (_chunk, _encoding, done) => done() }));
  return { url, by: { user, password } };
}

/** Signs in; where the account has a second factor, and there is a terminal, asks for it. */
async function withCode(url: string, by: Credentials): Promise<TokenView> {
  try {
    return await signIn(url, by);
  } catch (error) {
    if (!(error instanceof Refused) || error.why !== 'second-factor' || !('user' in by) || by.otp !== undefined)
      throw error;
    const { factors = [] } = error.problem;
    if (!factors.includes('totp') && !factors.includes('recovery'))
      throw new Failure(
        'A security key works in a browser only: sign in there, and take a link from its menu for --link.',
      );
    if (!process.stdin.isTTY) throw new Failure('The second factor is missing: a second line of standard input.');
    return signIn(url, { ...by, otp: await ask('Code: ', process.stderr) });
  }
}

/** Reads a line from the terminal; what is typed is echoed to `output`. */
async function ask(question: string, output: NodeJS.WritableStream): Promise<string> {
  const seen = output === process.stderr;
  if (!seen) process.stderr.write(question);
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  try {
    return await lines.question(seen ? question : '');
  } finally {
    lines.close();
    if (!seen) process.stderr.write('\n');
  }
}

function parsed(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}
