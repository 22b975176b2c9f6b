// `holdpoint requests`: what waits, or waited, for a decision, once or as it happens. Lists words that the server has spelled out;
// prints no raw statement unless asked for JSON.
import { Command, Option } from 'commander';
import { LIST_STATES } from '../review/bodies.ts';
import type { RequestView, ReviewClient } from '../review/client.ts';
import { clip, drawn } from './review/cells.ts';
import { isOpen } from './review/state.ts';
import { REVIEW_EXIT_HELP, signedIn, stateWords, told } from './reviewer.ts';

/** Of a task in the list; `review` and --json have all of it. */
const TASK_COLUMNS = 120;

type State = (typeof LIST_STATES)[number];

/** Colour is optional: shape and word carry the risk. */
const SHAPES = { critical: '■ Critical', high: '▲ High', medium: '◆ Medium', low: '○ Low' } as const;
const RANK = { critical: 0, high: 1, medium: 2, low: 3 } as const;

export function requestsCommand(): Command {
  return new Command('requests')
    .description('list requests, riskiest first')
    .addOption(new Option('--state <state>', 'which ones').choices(LIST_STATES).default('open'))
    .option('--json', 'one JSON array, as the API has them')
    .option(
      '--watch',
      'follow what happens: one JSON line for each message of the stream, and for each time that it is lost',
    )
    .addHelpText('after', REVIEW_EXIT_HELP)
    .action(async (options: { readonly state: State; readonly json?: boolean; readonly watch?: true }) => {
      const { client } = await signedIn();
      if (options.watch) return told(watch(client));
      const { requests } = await told(client.list({ state: options.state }));
      process.stdout.write(
        options.json === true ? `${JSON.stringify(requests, null, 2)}\n` : listed(requests, options.state, Date.now()),
      );
    });
}

/** Until the reader goes, or a signal ends it. Signs of life are no news. */
async function watch(client: ReviewClient): Promise<void> {
  const over = new AbortController();
  process.stdout.on('error', () => over.abort());
  for await (const message of client.follow({ signal: over.signal })) {
    if (message.type === 'health') continue;
    if (!process.stdout.write(`${JSON.stringify(message)}\n`))
      await new Promise((resolve) => process.stdout.once('drain', resolve).once('error', resolve));
  }
}

export function listed(requests: readonly RequestView[], state: State, now: number): string {
  if (requests.length === 0) return state === 'open' ? 'Nothing is held.\n' : 'No request.\n';
  const sorted = requests.toSorted((a, b) => RANK[a.level] - RANK[b.level] || a.opened - b.opened);
  return sorted.map((request) => lines(request, now)).join('');
}

function lines(request: RequestView, now: number): string {
  const open = isOpen(request);
  const end = open ? `ends in ${clock(request.deadline - now)}` : request.state;
  const { id, sponsor, on_behalf_of, task } = request.who;
  const behalf = on_behalf_of.length > 0 ? `, on behalf of ${on_behalf_of.join(', ')}` : '';
  const who = `${id}${sponsor ? `, for ${sponsor}` : ''}${behalf}, on ${request.where.database}`;
  const note = open && !request.can_decide.may ? `: ${request.can_decide.text}` : '';
  const amount = request.impact?.amount ? `, ${request.impact.amount}` : '';
  return (
    `${SHAPES[request.level].padEnd(10)}  ${request.id}  ${request.sentence}${amount}  (${end})\n` +
    `${' '.repeat(12)}${who}, rule ${request.rule}, ${stateWords(request)}${note}\n` +
    (task ? `${' '.repeat(12)}task, as its token says: ${clip(drawn(task.text), TASK_COLUMNS)}\n` : '') +
    impactLines(request)
      .map((line) => `${' '.repeat(12)}${line}\n`)
      .join('') +
    (request.warning ? `${' '.repeat(12)}The text deceives. ${request.warning}\n` : '')
  );
}

/** What it would touch, estimated; nothing while nobody knows. */
function impactLines({ impact, state }: RequestView): string[] {
  if (!impact || (state !== 'open' && state !== 'asked')) return [];
  return [
    ...impact.facts.map(({ term, lines: rest }) => `${term}: ${rest.map((line) => line.main + line.rest).join('; ')}`),
    ...impact.notes,
  ];
}

function clock(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`;
}
