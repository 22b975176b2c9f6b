// `holdpoint audit forget <YYYY-MM>`: deletes the key of a month, and with it what was sealed in it: statements, parameters, reasons,
// rationales. Every record and proof stays. The gateway must be stopped. Must never take a key that something live needs unless it was told to.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { openCheckpoints } from '../../audit/checkpoint.ts';
import { realFs } from '../../audit/files.ts';
import { beginToForget, isPeriod } from '../../audit/forget.ts';
import { lockFolder } from '../../audit/lock.ts';
import { openAuditLog } from '../../audit/log.ts';
import { loadAuditPaths } from '../../config/config.ts';
import { EXIT, Failure } from '../failure.ts';
import type { Deps, Needed } from '../ports.ts';
import { masterKeyOf } from './master-key.ts';

/** Ids that are named; there may be more. */
const NAMED_MAX = 10;

const HELP = `
What is deleted is deleted here: copies of the key, in backups, snapshots or freed blocks of the disk, are yours to destroy. With a master key
those copies are wrapped; 'holdpoint audit rotate-master-key' first, and destroying the old one, makes them useless.
'holdpoint audit verify' says of the log afterwards what it said before.`;

interface Options {
  readonly config: string;
  readonly yes?: true;
  readonly force?: true;
}

export function forgetCommand(deps: Pick<Deps, 'neededTexts'>): Command {
  return new Command('forget')
    .description("delete the key of a month's sealed texts: nobody reads them again; the gateway must be stopped")
    .argument('<month>', 'YYYY-MM, in UTC; not the current one')
    .option('--config <file>', 'configuration', 'holdpoint.yaml')
    .option('--yes', 'do not ask')
    .option('--force', 'also where open requests, tickets or permits need it: they end at the next start')
    .addHelpText('after', HELP)
    .action(async (month: string, options: Options) => {
      process.stdout.write(await forget(month, options, deps, confirmed));
    });
}

/** Returns what to tell the user. Rejects Failure, or as `openAuditLog` does. */
export async function forget(
  month: string,
  { config, yes, force }: Options,
  { neededTexts }: Pick<Deps, 'neededTexts'>,
  confirm: (question: string, answer: string) => Promise<boolean>,
): Promise<string> {
  if (!isPeriod(month)) throw new Failure(`'${month}' is no month: 2025-10`, EXIT.usage);
  const current = new Date(Date.now()).toISOString().slice(0, 7);
  if (month >= current) throw new Failure(`${month} is not over: its key is in use`, EXIT.usage);
  const { data, master_key } = await loadAuditPaths(config);
  const dir = join(data, 'audit');
  const master = await masterKeyOf(master_key);
  const lock = await lockFolder(realFs, dir);
  let needed: Needed;
  try {
    needed = await neededTexts(dir, month, master);
    const live = [...needed.requests.map(({ id, state }) => `${id} (${state})`), ...needed.permits];
    if (live.length > 0 && !force)
      throw new Failure(
        `${month} is still needed by ${live.slice(0, NAMED_MAX).join(', ')}${live.length > NAMED_MAX ? ` and ${live.length - NAMED_MAX} more` : ''}. ` +
          'Have them decided, withdrawn or revoked, or give --force: then they end at the next start and never run',
      );
    const question = `Delete the texts of ${needed.sealed} records of ${month} for good? Type ${month}: `;
    if (!yes && !(await confirm(question, month))) throw new Failure('nothing was deleted');
    await beginToForget(realFs, dir, month);
  } finally {
    await lock.release();
  }
  const node = hostname();
  const log = await openAuditLog({ dir, node, master_key: master, checkpoints: () => openCheckpoints({ dir, node }) });
  await log.close();
  return `The key of ${month} is deleted and that is on record: the texts of ${needed.sealed} records are gone, the records are all there.\n`;
}

async function confirmed(question: string, answer: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new Failure('there is nobody to ask: give --yes', EXIT.usage);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(question)).trim() === answer;
  } finally {
    terminal.close();
  }
}
