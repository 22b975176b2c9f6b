// The `ask` of a rule: whom a hold asks, how many of them, how long, and what they may grant. Its shape, what of it does not fit
// together, and what is compiled of it. A request that nobody could ever decide must not load.
import { z } from 'zod';
import type { Ask } from './types.ts';
import { duration, durationMs, strict, text } from './values.ts';

/** Approvals, of one group or of all together; denials. */
const PEOPLE_MAX = 5;
const PERMIT_MS_MAX = 90 * 86_400_000;
/** Of the reviewers' page. */
const SIGN_IN_MS = 12 * 3_600_000;
const PERMIT_USES_MAX = 1_000_000;

const few = (what: string) => {
  const error = `a whole number of ${what} from 1 to ${PEOPLE_MAX}`;
  return z.int({ error }).min(1, error).max(PEOPLE_MAX, error).default(1);
};
const groups = z.array(text);
const atLeastOne = groups.min(1, 'at least one group');

const escalate = strict({
  after: duration.describe('Without a decision for so long; before the `deadline`.'),
  to: atLeastOne.describe('These reviewer groups may decide, too, each in the place of any other.'),
});

const permit = strict({
  for: duration.describe('At most 90d.'),
  uses: z
    .int({ error: 'a whole number of uses, from 1 on' })
    .min(1, 'a whole number of uses, from 1 on')
    .max(PERMIT_USES_MAX, `at most ${PERMIT_USES_MAX} uses`),
  rows: z
    .int({ error: 'a whole number of rows, from 1 on' })
    .min(1, 'a whole number of rows, from 1 on')
    .describe('That each use returns.'),
  writes: z.boolean().default(false).describe('true: statements that write may have one, too.'),
});

const stepUp = strict({
  within: duration.optional().describe('They proved who they are at most so long before; at most 12h.'),
  factor: z
    .enum(['any', 'totp', 'webauthn'])
    .optional()
    .describe("any: with a second factor; totp: an app's code or a security key; webauthn: a security key."),
  acr: z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/, 'one word'))
    .min(1, 'at least one class')
    .max(20, 'at most 20 classes')
    .optional()
    .describe('By single sign-on: one of these classes, in place of `factor`.'),
});

const NOBODY = /^deny after (\d{1,6}[smhd])$/;

export const askSchema = strict({
  of: groups
    .default([])
    .describe('Reviewer groups, as `reviewers` names them: any one of them decides. Empty: any reviewer.'),
  of_each: atLeastOne
    .max(PEOPLE_MAX, `at most ${PEOPLE_MAX} groups`)
    .optional()
    .describe('In place of `of`: `count` approvals of each of these groups.'),
  count: few('people').describe('Approvals needed, of as many people.'),
  denials: few('denials').describe('So many end the request.'),
  escalate: escalate.optional().describe('Who else is asked when nobody has decided for a time.'),
  nobody: z
    .string({ error: 'a sentence: deny after 15m' })
    .regex(NOBODY, 'a sentence: deny after 15m')
    .optional()
    .describe('`deny after 15m`: denied where nobody who may decide was connected for so long; before the `deadline`.'),
  permit: permit.optional().describe('The most that a standing approval may cover. Left out: none is given.'),
  channel: z
    .enum(['any', 'console'])
    .default('any')
    .describe('console: approved in the console alone. Denied it may be anywhere.'),
  step_up: stepUp
    .optional()
    .describe('What the sign-in of whoever approves must be like. Denied it may be by any. Left out: nothing.'),
  deadline: duration.default('15m').describe('How long the request stays open.'),
  wait: duration
    .optional()
    .describe(
      "How long a connection waits before it gets 'approval pending'; 0s: not at all. Left out: the engine's default.",
    ),
  use_within: duration.default('1h').describe('How long an approved ticket may be used.'),
  rationale: z
    .array(z.enum(['approve', 'deny']))
    .default(['approve', 'deny'])
    .describe('Which decisions need words of the reviewer.'),
  reason: z
    .enum(['optional', 'required'])
    .default('optional')
    .describe('required: a statement without words of the agent is refused.'),
  ticket: z.boolean().default(true).describe('false: a hold that ends withdraws the request.'),
});

export type AskFile = z.output<typeof askSchema>;

/** Keys of the objects in it, for hints. */
export const ASK_KEYS: Readonly<Record<string, readonly string[]>> = {
  ask: Object.keys(askSchema.shape),
  escalate: Object.keys(escalate.shape),
  permit: Object.keys(permit.shape),
  step_up: Object.keys(stepUp.shape),
};

export interface Misfit {
  /** In `ask`. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What is well written and cannot be meant, its place and why. */
export function misfits(ask: AskFile): readonly Misfit[] {
  const found: Misfit[] = [];
  const refuse = (path: Misfit['path'], message: string): void => void found.push({ path, message });
  const asked = ask.of_each ?? ask.of;
  const deadline_ms = durationMs(ask.deadline);

  if (ask.of_each && ask.of.length > 0) refuse(['of_each'], '`of` or `of_each`, not both');
  for (const [key, names] of groupLists(ask))
    for (const [i, name] of names.entries())
      if (names.indexOf(name) < i) refuse([...key, i], `\`${name}\` is named twice`);
  for (const key of ['deadline', 'use_within'] as const)
    if (durationMs(ask[key]) === 0) refuse([key], 'of no time at all');
  if (ask.escalate) {
    const { after, to } = ask.escalate;
    inTime(['escalate', 'after'], after);
    if (asked.length === 0)
      refuse(['escalate'], 'any reviewer may decide already: say with `of` or `of_each` who is asked first');
    else if (!ask.of_each && to.length > 0 && to.every((name) => ask.of.includes(name)))
      refuse(['escalate', 'to'], 'these are asked already: name others');
  }
  if (ask.nobody !== undefined) inTime(['nobody'], patience(ask.nobody));
  const permit_ms = ask.permit ? durationMs(ask.permit.for) : 1;
  if (permit_ms === 0 || permit_ms > PERMIT_MS_MAX) refuse(['permit', 'for'], 'a time from 1s to 90d');
  if (ask.step_up) {
    const { within, factor, acr } = ask.step_up;
    if (within === undefined && factor === undefined && acr === undefined)
      refuse(['step_up'], 'it demands nothing: write `within`, `factor` or `acr`');
    const within_ms = within === undefined ? 1 : durationMs(within);
    if (within_ms === 0 || within_ms > SIGN_IN_MS)
      refuse(['step_up', 'within'], 'a time from 1s to 12h: no sign-in lasts longer');
  }
  if (!ask.ticket && ask.wait !== undefined && durationMs(ask.wait) === 0)
    refuse(['ticket'], 'with `wait: 0s` and no ticket nothing could ever be approved');
  return found;

  function inTime(path: string[], written: string): void {
    if (durationMs(written) === 0) refuse(path, 'of no time at all');
    else if (durationMs(written) >= deadline_ms)
      refuse(path, `the request ends after ${ask.deadline}: write a shorter time, or a longer \`deadline\``);
  }
}

/** What is allowed and will surprise. */
export function surprises(ask: AskFile): readonly Misfit[] {
  const only: readonly Misfit[] =
    ask.step_up?.acr !== undefined && ask.step_up.factor === undefined
      ? [{ path: ['step_up', 'acr'], message: PASSWORDS_NEVER }]
      : [];
  if (ask.ticket) return only;
  const { escalate: more, nobody } = ask;
  const wait_ms = ask.wait === undefined ? DEFAULT_WAIT_MS_MAX : durationMs(ask.wait);
  const people = ask.count * (ask.of_each?.length ?? 1);
  const late: (Misfit & { readonly ms: number })[] = [];
  if (more) late.push({ path: ['escalate', 'after'], message: NEVER, ms: durationMs(more.after) });
  if (nobody !== undefined) late.push({ path: ['nobody'], message: NEVER, ms: durationMs(patience(nobody)) });
  if (people > 1)
    late.push({
      path: ['ticket'],
      message: `all ${people} people have to decide while the connection waits; give them a \`wait\` of a minute or more`,
      ms: QUORUM_WAIT_MS_MIN - 1,
    });
  return [...only, ...late.filter(({ ms }) => ms >= wait_ms)];
}
const PASSWORDS_NEVER = 'who signs in with a password can not approve: write `factor` beside it, if they may';
const NEVER = 'never happens: with `ticket: false` the request ends when the connection waits no longer';
const QUORUM_WAIT_MS_MIN = 60_000;
/** Of PostgreSQL, the longer one (gate/postgres.ts). */
const DEFAULT_WAIT_MS_MAX = 45_000;

/** Every list of reviewer groups in it, with its place. */
export function groupLists({ of, of_each, escalate: more }: AskFile): [key: string[], names: readonly string[]][] {
  return [
    [['of'], of],
    [['of_each'], of_each ?? []],
    [['escalate', 'to'], more?.to ?? []],
  ];
}

export function compileAsk(ask: AskFile): Ask {
  const { permit: most, escalate: more, step_up: step } = ask;
  return {
    of: ask.of_each ?? ask.of,
    each: ask.of_each !== undefined,
    count: ask.count,
    denials: ask.denials,
    escalate: more ? { after_ms: durationMs(more.after), to: more.to } : null,
    nobody_ms: ask.nobody === undefined ? null : durationMs(patience(ask.nobody)),
    permit: most ? { for_ms: durationMs(most.for), uses: most.uses, rows: most.rows, writes: most.writes } : null,
    channel: ask.channel,
    step_up: step
      ? {
          within_ms: step.within === undefined ? null : durationMs(step.within),
          factor: step.factor ?? null,
          acr: step.acr ?? [],
        }
      : null,
    deadline_ms: durationMs(ask.deadline),
    use_within_ms: durationMs(ask.use_within),
    wait_ms: ask.wait === undefined ? null : durationMs(ask.wait),
    rationale: ask.rationale,
    reason: ask.reason,
    ticket: ask.ticket,
  };
}

/** The time in "deny after 15m". */
function patience(nobody: string): string {
  return NOBODY.exec(nobody)?.[1] ?? '';
}
