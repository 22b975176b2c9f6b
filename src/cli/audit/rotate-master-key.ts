// `holdpoint audit rotate-master-key`: another master key wraps the keys of the log; their texts stay as they are. Killed at any moment and run
// again, it goes on. The gateway must be stopped. Must never write one key before all of them have been opened.
import { join } from 'node:path';
import { Command } from 'commander';
import { realFs } from '../../audit/files.ts';
import { lockFolder } from '../../audit/lock.ts';
import { type MasterKey, openKeys } from '../../audit/wrap.ts';
import { loadAuditPaths } from '../../config/config.ts';
import type { PasswordSource } from '../../config/own-login.ts';
import { EXIT, Failure } from '../failure.ts';
import { masterKeyOf } from './master-key.ts';

const HELP = `
  <key>  file:<path> or env:<NAME>; --new also none: keys are not wrapped any more
The one that is not given is audit.master_key. So either give the new one here and set it in the configuration afterwards, or
set it first and give the old one here. A start in between is refused, and changes nothing.

  holdpoint audit rotate-master-key --new file:new.key`;

interface Options {
  readonly config: string;
  readonly old?: string;
  readonly new?: string;
}

export function rotateMasterKeyCommand(): Command {
  return new Command('rotate-master-key')
    .description('wrap the keys of sealed texts with another master key; the gateway must be stopped')
    .option('--config <file>', 'configuration', 'holdpoint.yaml')
    .option('--old <key>', 'the master key until now')
    .option('--new <key>', 'the master key from now on')
    .addHelpText('after', HELP)
    .action(async (options: Options) => {
      process.stdout.write(await rotateMasterKey(options));
    });
}

/** Returns what to tell the user. Rejects Failure, or AuditError 'locked' or 'key'. */
export async function rotateMasterKey(options: Options): Promise<string> {
  if (options.old === undefined && options.new === undefined)
    throw new Failure('--old or --new is missing: the other one is audit.master_key', EXIT.usage);
  const { data, master_key } = await loadAuditPaths(options.config);
  const given = (text: string | undefined, what: string): Promise<MasterKey | null> =>
    text === undefined ? masterKeyOf(master_key) : masterKeyOf(sourceOf(text, what), what);
  const [old, next] = [await given(options.old, '--old'), await given(options.new, '--new')];
  if (old?.id === next?.id) throw new Failure('the old and the new master key are the same; nothing was written');
  const dir = join(data, 'audit');
  const lock = await lockFolder(realFs, dir);
  try {
    const ring = await openKeys(realFs, `${dir}/keys`, next, old === null ? [] : [old]);
    await ring.rewrap();
    const set =
      options.new === undefined
        ? ''
        : ' Set audit.master_key accordingly before the next start, which is refused otherwise.';
    return `${ring.stale} of ${ring.keys} keys written anew: was ${nameOf(old)}, now ${nameOf(next)}.${set}\n`;
  } finally {
    await lock.release();
  }
}

function nameOf(key: MasterKey | null): string {
  return key === null ? 'not wrapped' : `wrapped with the master key ${key.id}`;
}

function sourceOf(text: string, what: string): PasswordSource | null {
  if (text === 'none' && what === '--new') return null;
  if (text.startsWith('file:')) return { type: 'file', path: text.slice('file:'.length) };
  const value = text.startsWith('env:') ? process.env[text.slice('env:'.length)] : undefined;
  if (value !== undefined) return { type: 'value', value };
  throw new Failure(
    text.startsWith('env:') ? `${what}: ${text} is not set` : `${what} needs file:<path> or env:<NAME>`,
    EXIT.usage,
  );
}
