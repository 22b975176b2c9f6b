// `holdpoint approve|deny <id>`: one decision from the terminal, for exactly what the server shows now. Prints what it
// decided and what the server said, never before the server said it.
import { Command } from 'commander';
import type { DecisionBody, RequestView } from '../review/client.ts';
import { EXIT, Failure } from './failure.ts';
import { REVIEW_EXIT, REVIEW_EXIT_HELP, signedIn, told } from './reviewer.ts';
import { isOpen } from './review/state.ts';
import { missing } from './review/facts.ts';

interface DecideOptions {
  readonly reason?: string;
  readonly digest?: string;
  readonly json?: boolean;
  readonly permitFor?: string;
  readonly uses?: string;
  readonly rows?: string;
}

export function approveCommand(): Command {
  return decideCommand('approve', 'approve a request: it runs once')
    .option('--permit-for <time>', 'approve all that are like it, for so long: 8h, 7d; needs --uses and --rows')
    .option('--uses <number>', 'how often, with --permit-for')
    .option('--rows <number>', 'rows that each use may return or change, with --permit-for');
}

export function denyCommand(): Command {
  return decideCommand('deny', 'deny a request: the agent gets your words');
}

function decideCommand(decision: 'approve' | 'deny', description: string): Command {
  return new Command(decision)
    .description(description)
    .argument('<id>', 'HP-...')
    .option('--reason <words>', 'goes on the record and to the agent')
    .option('--digest <digest>', 'only if this is what it still is (from requests --json)')
    .option('--json', 'the request after the decision, as JSON')
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (id: string, options: DecideOptions) => {
      const permit = permitOf(options);
      const { client } = await signedIn();
      const [me, shown] = await told(Promise.all([client.me(), client.get(id.toUpperCase())]));
      if (options.digest !== undefined && shown.digest !== options.digest)
        throw new Failure(
          `${shown.id} is not what it was. Nothing was decided. Read it once more.`,
          REVIEW_EXIT.changed,
        );
      const { digest, revision } = shown;
      const body = { decision, digest, revision, rationale: options.reason ?? '', ...(permit ? { permit } : {}) };
      const after = await told(client.decide(shown.id, body));
      process.stdout.write(
        options.json === true ? `${JSON.stringify(after, null, 2)}\n` : said(after, decision, me.id),
      );
    });
}

/** All three or none: a permit without bounds is none. The server knows how wide its rule lets it be. */
function permitOf({ permitFor, uses, rows }: DecideOptions): DecisionBody['permit'] {
  if (permitFor === undefined && uses === undefined && rows === undefined) return undefined;
  if (permitFor === undefined || uses === undefined || rows === undefined)
    throw new Failure('A permit wants all of --permit-for, --uses and --rows.', EXIT.usage);
  if (!/^\d{1,6}[smhd]$/.test(permitFor)) throw new Failure('--permit-for wants a time such as 8h or 7d', EXIT.usage);
  const numbers = [uses, rows].map((text) => (/^[1-9]\d{0,8}$/.test(text) ? Number(text) : Number.NaN));
  if (numbers.some(Number.isNaN)) throw new Failure('--uses and --rows want whole numbers', EXIT.usage);
  return { for: permitFor, uses: numbers[0] as number, rows: numbers[1] as number };
}

/** "Approved by you at 14:06:12. 2 of 2. It runs once, now." */
function said(request: RequestView, decision: 'approve' | 'deny', user: string): string {
  const mine = request.decisions.findLast(({ by }) => by === user);
  const at = mine ? ` at ${new Date(mine.at).toISOString().slice(11, 19)} UTC` : '';
  const what = `${request.id}: ${request.sentence}\n`;
  if (decision === 'deny')
    return `${what}Denied by you${at}. ${isOpen(request) ? 'One denial is not enough: it stays held.' : 'Nothing ran.'}\n`;
  const next = isOpen(request)
    ? `It stays held for ${missing(request) || 'more approvals'}.`
    : request.holds === 'held'
      ? 'It runs once, now.'
      : "It runs once, on the agent's next identical try.";
  const all = mine?.permit && !isOpen(request) ? ' Those that are like it run without asking: holdpoint permits.' : '';
  return `${what}Approved by you${at}. ${request.approvals.length} of ${request.needed}. ${next}${all}\n`;
}
