// `holdpoint requests`: what waits, or waited, for a decision. Lists words that the server has spelled out; prints no raw
// statement unless asked for JSON.
import { Command, Option } from 'commander';
import type { RequestView } from '../review/client.ts';
import { REVIEW_EXIT_HELP, signedIn, stateWords, told } from './reviewer.ts';

type State = 'open' | 'decided' | 'all';

/** Colour is optional: shape and word carry the risk. */
const SHAPES = { critical: '■ Critical', high: '▲ High', medium: '◆ Medium', low: '○ Low' } as const;
const RANK = { critical: 0, high: 1, medium: 2, low: 3 } as const;

export function requestsCommand(): Command {
  return new Command('requests')
    .description('list requests, riskiest first')
    .addOption(new Option('--state <state>', 'which ones').choices(['open', 'decided', 'all']).default('open'))
    .option('--json', 'one JSON array, as the API has them')
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (options: { readonly state: State; readonly json?: boolean }) => {
      const { client } = await signedIn();
      const { requests } = await told(client.list({ state: options.state }));
      process.stdout.write(
        options.json === true ? `${JSON.stringify(requests, null, 2)}\n` : listed(requests, options.state, Date.now()),
      );
    });
}

export function listed(requests: readonly RequestView[], state: State, now: number): string {
  if (requests.length === 0) return state === 'open' ? 'Nothing is held.\n' : 'No request.\n';
  const sorted = requests.toSorted((a, b) => RANK[a.level] - RANK[b.level] || a.opened - b.opened);
  return sorted.map((request) => lines(request, now)).join('');
}

function lines(request: RequestView, now: number): string {
  const open = request.state === 'open';
  const end = open ? `ends in ${clock(request.deadline - now)}` : request.state;
  const who = `${request.who.id}${request.who.sponsor ? `, for ${request.who.sponsor}` : ''}, on ${request.where.database}`;
  const note = open && !request.can_decide.may ? `: ${request.can_decide.text}` : '';
  const amount = request.impact?.amount ? `, ${request.impact.amount}` : '';
  return (
    `${SHAPES[request.level].padEnd(10)}  ${request.id}  ${request.sentence}${amount}  (${end})\n` +
    `${' '.repeat(12)}${who}, rule ${request.rule}, ${stateWords(request)}${note}\n` +
    impactLines(request)
      .map((line) => `${' '.repeat(12)}${line}\n`)
      .join('') +
    (request.warning ? `${' '.repeat(12)}The text deceives. ${request.warning}\n` : '')
  );
}

/** What it would touch, estimated; nothing while nobody knows. */
function impactLines({ impact, state }: RequestView): string[] {
  if (!impact || state !== 'open') return [];
  return [
    ...impact.facts.map(({ term, lines: rest }) => `${term}: ${rest.map((line) => line.main + line.rest).join('; ')}`),
    ...impact.notes,
  ];
}

function clock(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`;
}
