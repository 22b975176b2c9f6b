// `holdpoint webhooks`: how far each is, and what was given up is sent again. Works on the gateway's files, beside it; must never send anything
// but dead letters, nor lose one that is not taken.
import { access, rename, unlink } from 'node:fs/promises';
import { Command } from 'commander';
import { loadConfig, type WebhookConfig } from '../config/config.ts';
import { bury, type DeadLetter, filesOf, readDead, readState, replaceFile } from '../review/webhooks/files.ts';
import { resolveBySystem } from '../review/webhooks/guard.ts';
import { Sender } from '../review/webhooks/send.ts';
import { EXIT, Failure } from './failure.ts';
import { VERSION } from './version.ts';

export function webhooksCommand(): Command {
  const command = new Command('webhooks').description('what could not be delivered, and sending it again');
  command.addCommand(
    new Command('list')
      .description('how far each webhook is in the log, and how much it gave up')
      .option('--config <file>', 'configuration', 'holdpoint.yaml')
      .option('--json', 'one JSON array')
      .action(async (options: { readonly config: string; readonly json?: true }) => {
        const { data, chat } = await loadConfig(options.config);
        const rows = await Promise.all(chat.webhooks.map((hook) => look(data, hook)));
        process.stdout.write(options.json ? `${JSON.stringify(rows, null, 2)}\n` : listed(rows));
      }),
  );
  command.addCommand(
    new Command('retry')
      .description('send what a webhook gave up; turn it on again after a 410')
      .argument('<name>', 'its name in the configuration')
      .option('--config <file>', 'configuration', 'holdpoint.yaml')
      .addHelpText('after', '\nExit status: 0 nothing is left, 1 something could not be sent and is kept.')
      .action(async (name: string, options: { readonly config: string }) => {
        const { data, chat } = await loadConfig(options.config);
        const hook = chat.webhooks.find((one) => one.name === name);
        if (!hook) throw new Failure(`there is no webhook ${name} in ${options.config}`, EXIT.usage);
        const { sent, left, why, turned_on } = await retry(data, hook);
        process.stdout.write(`${sent} sent, ${left} left${why === '' ? '' : `: ${why}`}\n`);
        if (turned_on) process.stdout.write('it was off; restart Holdpoint, and it goes on where it stopped\n');
        process.exitCode = left === 0 ? EXIT.ok : EXIT.failed;
      }),
  );
  return command;
}

interface Row {
  readonly name: string;
  /** Without its path, which may be a secret. */
  readonly to: string;
  /** The audit sequence number up to which all is done; null: it has not run yet. */
  readonly cursor: number | null;
  /** When its receiver answered 410 Gone, ms since the epoch; null: it did not. */
  readonly gone: number | null;
  readonly dead: number;
}

async function look(data: string, { name, url }: WebhookConfig): Promise<Row> {
  const files = filesOf(data, name);
  const [state, dead] = await Promise.all([readState(files.state), readDead(files.dead)]);
  const { cursor = null, gone = null } = state ?? {};
  return { name, to: new URL(url).origin, cursor, gone: gone && gone.at, dead: dead.length };
}

function listed(rows: readonly Row[]): string {
  if (rows.length === 0) return 'No webhook is configured.\n';
  return rows
    .map(({ name, to, cursor, gone, dead }) => {
      const off = gone === null ? '' : `, off since ${new Date(gone).toISOString()}: 410 Gone`;
      const far = cursor === null ? 'has not run yet' : `up to record ${cursor}`;
      return `${name}  ${to}  ${far}, ${dead} given up${off}\n`;
    })
    .join('');
}

/** Stops at the first that is not taken. Rejects where the files can't be read or written; nothing is lost then. */
export async function retry(
  data: string,
  hook: WebhookConfig,
): Promise<{ readonly sent: number; readonly left: number; readonly why: string; readonly turned_on: boolean }> {
  const files = filesOf(data, hook.name);
  const letters = await take(files);
  const sender = new Sender(hook, { resolve: resolveBySystem, now: () => Date.now(), version: VERSION });
  let sent = 0;
  let why = '';
  for (const { id, body } of letters) {
    const answer = await sender.send(id, body);
    if (answer.type !== 'delivered') {
      why = answer.type === 'gone' ? 'it answers 410' : answer.why;
      break;
    }
    sent += 1;
  }
  sender.close();
  // Read once more: the gateway may have been writing its last line when the file was taken from it.
  const all = await readDead(files.retrying);
  for (const letter of all.slice(sent)) await bury(files.dead, letter);
  await unlink(files.retrying).catch(() => {});
  const state = await readState(files.state);
  const turned_on = state !== null && state.gone !== null;
  if (turned_on) await replaceFile(files.state, `${JSON.stringify({ ...state, gone: null })}\n`);
  return { sent, left: all.length - sent, why, turned_on };
}

/** Out of the file that the gateway adds to; those that an earlier try left behind come first. */
async function take({ dead, retrying }: ReturnType<typeof filesOf>): Promise<readonly DeadLetter[]> {
  const left = await access(retrying).then(
    () => true,
    () => false,
  );
  if (!left) {
    await rename(dead, retrying).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
  return readDead(retrying);
}
