// `holdpoint user add|passwd|totp|keys|away|list`: users.yaml by hand without an editor. Must never echo a password, take one as an argument
// (other users of the machine can read those), or print one that it did not make.
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { text as readAll } from 'node:stream/consumers';
import { Writable } from 'node:stream';
import { Command, Option } from 'commander';
import { loadIdentityPaths, loadUsersPath } from '../config/config.ts';
import { addUser, describeUser, EditError, readUsers, setAway, setPassword, setTotp } from '../identity/edit.ts';
import { FACTORS_FILE, FACTORS_KEY, openFactors } from '../identity/factors.ts';
import { leaveLost, LOST_FILE } from '../identity/lost-factors.ts';
import { openSecret } from '../identity/secret.ts';
import {
  base32,
  hashRecoveryCode,
  makeRecoveryCodes,
  makeTotpSecret,
  otpauthUrl,
  sealTotp,
  totpStep,
} from '../identity/totp.ts';
import { EXIT, Failure } from './failure.ts';

interface FileOptions {
  readonly config: string;
  readonly users?: string;
}

interface PasswordOptions {
  readonly passwordStdin?: boolean;
  readonly generate?: boolean;
}

interface AddOptions extends FileOptions, PasswordOptions {
  readonly kind: 'agent' | 'human';
  readonly sponsor?: string;
  readonly role: readonly string[];
  readonly group: readonly string[];
}

interface AwayOptions extends FileOptions {
  readonly instead?: string;
  readonly until?: string;
  readonly back?: boolean;
}

export function userCommand(): Command {
  const command = new Command('user').description('who may log in, who answers for whom, who decides');

  withPassword(withFile(command.command('add')))
    .description('add a user to users.yaml')
    .argument('<id>', 'the name to log in with')
    .addOption(new Option('--kind <kind>', 'only humans decide').choices(['agent', 'human']).makeOptionMandatory())
    .option('--sponsor <id>', 'the human who answers for it')
    .addOption(repeatable('--role <role>', 'reviewer, auditor or admin; may be repeated'))
    .addOption(repeatable('--group <group>', 'may be repeated'))
    .action(async (id: string, options: AddOptions) => {
      const { kind, sponsor, role: roles, group: groups } = options;
      const path = await usersPath(options);
      const { password, tell } = await passwordOf(id, options);
      await told(addUser(path, { id, kind, sponsor, roles, groups }, password));
      process.stdout.write(`${id} is in ${path}.${tell}\n`);
    });

  withPassword(withFile(command.command('passwd')))
    .description("replace a user's password")
    .argument('<id>')
    .action(async (id: string, options: FileOptions & PasswordOptions) => {
      const path = await usersPath(options);
      const { password, tell } = await passwordOf(id, options);
      await told(setPassword(path, id, password));
      process.stdout.write(`The password of ${id} is replaced.${tell}\n`);
    });

  command
    .command('totp')
    .description("give a user a second factor: an authenticator app's secret and ten recovery codes, shown once")
    .argument('<id>')
    .option('--config <file>', 'names the users file and the data folder, whose key seals the secret', 'holdpoint.yaml')
    .option('--remove', 'take it away, with the recovery codes')
    .action(async (id: string, options: { readonly config: string; readonly remove?: true }) => {
      const paths = await loadIdentityPaths(options.config);
      if (options.remove === true) {
        await told(setTotp(paths.users, id, null));
        await leaveLost(join(paths.data, LOST_FILE), { user: id, what: 'totp', at: Date.now() }).catch(
          (error: unknown) => {
            throw new Failure(`${id} has none any more, but that can not be put on record: ${messageOf(error)}`);
          },
        );
        process.stdout.write(`${id} has no authenticator app and no recovery codes any more.\n`);
        return;
      }
      await mkdir(paths.data, { recursive: true, mode: 0o700 });
      const key = await openSecret(join(paths.data, FACTORS_KEY));
      const secret = makeTotpSecret();
      const codes = makeRecoveryCodes();
      const shown = [
        `For the authenticator app of ${id}, shown only now:`,
        `  ${otpauthUrl(secret, id, 'Holdpoint')}`,
        `  by hand: ${base32(secret).replace(/.{4}(?=.)/g, '$& ')}`,
        'Recovery codes, each good for one sign-in without the app:',
        ...codes.map((code) => `  ${code}`),
      ];
      process.stdout.write(`${shown.join('\n')}\n`);
      // Nobody is locked out by a secret that never arrived in the app.
      if (process.stdin.isTTY && totpStep(secret, (await ask('Code that it shows now: ')).trim(), Date.now()) === null)
        throw new Failure('that is not the code of this secret; nothing was written');
      const sealed = sealTotp(secret, id, key);
      await told(setTotp(paths.users, id, { sealed, recovery: codes.map(hashRecoveryCode) }));
      process.stdout.write(`From now on ${id} is asked for a code after the password.\n`);
    });

  command
    .command('keys')
    .description("a user's security keys, and how to be rid of those that were lost")
    .argument('<id>')
    .option('--config <file>', 'names the data folder', 'holdpoint.yaml')
    .option('--json', 'one JSON array')
    .option('--remove', 'none of those that there are now is taken any more; the gateway puts it on record')
    .action(async (id: string, options: { readonly config: string; readonly json?: true; readonly remove?: true }) => {
      const { data, users } = await loadIdentityPaths(options.config);
      const known = await readUsers(users);
      const factors = await openFactors({ file: join(data, FACTORS_FILE), users: () => known, key: Buffer.alloc(32) });
      const keys = factors.keys(id).map(({ name, added, used }) => ({
        name,
        added: new Date(added).toISOString(),
        used: used === null ? null : new Date(used).toISOString(),
      }));
      if (options.remove !== true) {
        const lines = keys.map(
          ({ name, added, used }) => `${name}, since ${added}, ${used === null ? 'never used' : `last used ${used}`}\n`,
        );
        const text = keys.length === 0 ? `${id} has no security keys.\n` : lines.join('');
        process.stdout.write(options.json === true ? `${JSON.stringify(keys, null, 2)}\n` : text);
        return;
      }
      if (keys.length === 0) throw new Failure(`${id} has no security keys`);
      await leaveLost(join(data, LOST_FILE), { user: id, what: 'keys', at: Date.now() }).catch((error: unknown) => {
        throw new Failure(`that can not be left for the gateway in ${data}: ${messageOf(error)}`);
      });
      process.stdout.write(
        `The ${keys.length} of ${id} are taken no more within a second, or when the gateway next starts, and that goes on record. ` +
          `Without another second factor a password alone signs ${id} in: 'holdpoint user totp ${id}'.\n`,
      );
    });

  withFile(command.command('away'))
    .description('out of office: who decides instead of a reviewer, and until when')
    .argument('<id>')
    .addOption(new Option('--instead <id>', 'a reviewer; nobody may decide more because of it than both may'))
    .addOption(new Option('--until <time>', 'such as 2026-12-24 or 2026-12-24T08:00:00Z'))
    .addOption(new Option('--back', 'not away any more').conflicts(['instead', 'until']))
    .action(async (id: string, options: AwayOptions) => {
      const away = options.back === true ? null : awayOf(options);
      await told(setAway(await usersPath(options), id, away));
      process.stdout.write(
        away === null
          ? `${id} is back.\n`
          : `${away.instead} may decide instead of ${id} until ${new Date(away.until).toISOString()}.\n`,
      );
    });

  withFile(command.command('list'))
    .description('list users, without any form of a password')
    .option('--json', 'one JSON array')
    .action(async (options: FileOptions & { readonly json?: boolean }) => {
      const users = (await readUsers(await usersPath(options))).all.map(describeUser);
      process.stdout.write(options.json === true ? `${JSON.stringify(users, null, 2)}\n` : tableOf(users));
    });

  return command;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function awayOf({ instead, until }: AwayOptions): { readonly instead: string; readonly until: number } {
  const at = Date.parse(until ?? '');
  if (instead === undefined || !(at > Date.now()))
    throw new Failure('--instead names a reviewer and --until a time to come, or --back ends it', EXIT.usage);
  return { instead, until: at };
}

function withFile(command: Command): Command {
  return command
    .option('--config <file>', 'names the users file', 'holdpoint.yaml')
    .option('--users <file>', 'the users file itself');
}

function withPassword(command: Command): Command {
  return command
    .addOption(new Option('--password-stdin', 'read the password from standard input').conflicts('generate'))
    .addOption(new Option('--generate', 'make a password and print it once'));
}

function repeatable(flags: string, description: string): Option {
  return new Option(flags, description)
    .default([])
    .argParser((value: string, before: readonly string[]) => [...before, value]);
}

async function usersPath({ config, users }: FileOptions): Promise<string> {
  return users ?? (await loadUsersPath(config));
}

async function passwordOf(
  id: string,
  options: PasswordOptions,
): Promise<{ readonly password: string; readonly tell: string }> {
  if (options.generate === true) {
    const password = randomBytes(18).toString('base64url');
    return { password, tell: `\nPassword, shown only now: ${password}` };
  }
  if (options.passwordStdin === true) {
    return { password: (await readAll(process.stdin)).replace(/\r?\n$/, ''), tell: '' };
  }
  if (!process.stdin.isTTY)
    throw new Failure('there is no terminal to ask for a password: --password-stdin, --generate');
  const password = await ask(`Password for ${id}: `);
  if ((await ask('Again: ')) !== password) throw new Failure('the two passwords differ; nothing was written');
  return { password, tell: '' };
}

/** Reads a line from the terminal, unseen. */
async function ask(question: string): Promise<string> {
  process.stderr.write(question);
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: unseen, terminal: true });
  try {
    return await lines.question('');
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}

async function told(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw error instanceof EditError ? new Failure(error.message) : error;
  }
}

function tableOf(users: readonly ReturnType<typeof describeUser>[]): string {
  const head = ['ID', 'KIND', 'SPONSOR', 'ROLES', 'GROUPS', 'SIGNS IN TO'];
  const rows = users.map(({ id, kind, sponsor, roles, groups, signs_in }) => [
    id,
    kind,
    sponsor ?? '',
    roles.join(','),
    groups.join(','),
    signs_in.join(','),
  ]);
  const width = (column: number) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(width(i)))
      .join('  ')
      .trimEnd();
  return `${[head, ...rows].map(line).join('\n')}\n`;
}
