// `holdpoint permits [revoke <id>]`: standing approvals, what each use of them did, and their end. Agents' text is drawn, never sent
// to the terminal as it is.
import { Command } from 'commander';
import type { PermitView } from '../review/client.ts';
import { REVIEW_EXIT_HELP, signedIn, told } from './reviewer.ts';
import { clip, drawn } from './review/cells.ts';
import { counted, duration, freeWords, termsWords } from './review/facts.ts';

const TEXT_COLUMNS = 100;
/** Of each permit, the newest; all are in --json. */
const USES_SHOWN_MAX = 10;

export function permitsCommand(): Command {
  const command = new Command('permits')
    .description('list permits, the approvals of all statements that are like one')
    .option('--json', 'one JSON array, as the API has them')
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (options: { readonly json?: true }) => {
      const { client } = await signedIn();
      const { permits } = await told(client.permits());
      process.stdout.write(options.json ? `${JSON.stringify(permits, null, 2)}\n` : permitsText(permits));
    });
  command
    .command('revoke')
    .description('end a permit at once; what runs under it is stopped')
    .argument('<id>', 'PM-...')
    .requiredOption('--reason <words>', 'goes on the record')
    .option('--json', 'the permit after it, as JSON')
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (id: string, options: { readonly reason: string; readonly json?: true }) => {
      const { client } = await signedIn();
      const after = await told(client.revoke(id.toUpperCase(), options.reason));
      process.stdout.write(options.json ? `${JSON.stringify(after, null, 2)}\n` : permitsText([after]));
    });
  return command;
}

export function permitsText(permits: readonly PermitView[]): string {
  return permits.length === 0
    ? 'No permit.\n'
    : permits.map((permit) => permitLines(permit).join('\n')).join('\n') + '\n';
}

function permitLines(permit: PermitView): string[] {
  const { id, state, who, where, rule, by, request, statement, used, uses, until, revoked } = permit;
  const end = revoked
    ? `revoked by ${revoked.by}: "${drawn(revoked.reason)}"`
    : `${state === 'in-force' ? 'until' : 'was until'} ${minute(until)}`;
  const more = used.length - USES_SHOWN_MAX;
  return [
    `${id}  ${state}, used ${used.length} of ${uses}, ${end}`,
    `  ${statement.deleted ? '(the text was deleted with its key)' : clip(drawn(statement.text), TEXT_COLUMNS)}`,
    `  ${drawn(who.id)} on ${where.database || where.upstream}, rule ${rule}; by ${by.join(', ')} for ${request}; ${termsWords(permit)}`,
    `  ${drawn(freeWords({ permit, statement }))}`,
    ...(more > 0 ? [`  ... ${counted(more, 'earlier use')}`] : []),
    ...used.slice(-USES_SHOWN_MAX).map(({ use, at, outcome }) => {
      const did = outcome
        ? `${drawn(outcome.tag ?? outcome.sqlstate ?? 'done')}, ${counted(outcome.rows, 'row')}, ${duration(outcome.duration_ms)}`
        : 'runs, or nobody can know';
      return `  ${use}. ${minute(at)}  ${did}`;
    }),
  ];
}

function minute(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
