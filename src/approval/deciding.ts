// What a reviewer's word does to a request: why it is not counted, or what it adds up to. Pure but for the directory, which is asked now.
// Every channel comes through here; the desk makes the result durable.
import { mayDecide } from './duty.ts';
import { isUndecided } from './lifecycle.ts';
import { tally } from './quorum.ts';
import { demandWords, type Lack, lacking, proofWords } from './step-up.ts';
import type {
  DecideInput,
  DecideRefusal,
  Decision,
  Directory,
  May,
  PermitTerms,
  Proof,
  Request,
  SayInput,
} from './types.ts';

/** Why what was live ends at the start after its key was deleted. */
export const TEXT_GONE = 'the key of its text was deleted';
export const RATIONALE_CHARS_MAX = 2000;
/** Questions and answers on one request. */
export const SAID_MAX = 100;

export type Refused = { readonly why: DecideRefusal; readonly text: string; readonly lacks?: readonly Lack[] };
export type Vote = { readonly decision: Decision; readonly ends: boolean; readonly void: readonly string[] };

export function mayNow(request: Request, by: string, directory: Directory, present: readonly string[] = []): May {
  const may = mayDecide(request, directory.reviewer(by), directory.requester(request.who.id), directory, present);
  if (may.may || (may.why !== 'wrong-group' && may.why !== 'not-a-reviewer') || !directory.stale(by)) return may;
  return { may: false, why: 'step-up', text: STALE };
}
const STALE =
  'What the sign-in provider said of your groups is too old for a decision, and it does not tell them again. Sign in again.';

/** Every reason not to count a decision, in the order in which a reviewer should hear them; else what it comes to. */
export function vote(
  request: Request,
  input: DecideInput,
  directory: Directory,
  present: readonly string[],
  at: number,
  /** By the clock that sign-ins are dated by. */
  wall: number,
): Refused | Vote {
  const may = mayNow(request, input.by, directory, present);
  if (!may.may) return { why: may.why, text: may.text };
  const past = tooLate(request, at) ?? again(request, input, at);
  if (past !== null) return { why: 'already-decided', text: past };
  if (request.digest_tag !== input.digest || request.revision !== input.revision) {
    return { why: 'changed', text: 'This is not what you were shown. Read it once more.' };
  }
  const { ask, rule } = request;
  if (input.decision === 'approve' && ask.channel === 'console' && input.channel !== 'console') {
    return { why: 'wrong-channel', text: `Rule ${rule} wants approvals in the console. Open it there.` };
  }
  const required = ask.rationale;
  if (required.includes(input.decision) && isBlank(input.rationale)) {
    return { why: 'rationale-missing', text: `Write why. Rule ${rule} wants it for ${required.join(' and ')}.` };
  }
  const long = tooLong(input.rationale);
  if (long !== null) return long;
  const terms = input.permit === undefined ? null : permitRefused(request, input, input.permit);
  if (terms !== null) return { why: 'permit-refused', text: terms };
  // The last, so that whoever signs in again for it has nothing else to mend.
  const weak = input.decision === 'approve' ? signInRefused(request, input, directory, wall) : null;
  if (weak !== null) return weak;

  const { accounts, groups, instead_of } = may;
  const decision: Decision = {
    decision: input.decision,
    by: input.by,
    accounts,
    group: may.group,
    groups,
    instead_of,
    counts: true,
    rationale: input.rationale.trim(),
    channel: input.channel,
    at,
    permit: input.permit ?? null,
    ...(input.signed_in && { signed_in: input.signed_in }),
  };
  // Who may not decide any more, or only as somebody else, is no approver any more.
  const gone = request.decisions.filter(
    (one) => one.counts && !accounts.includes(one.by) && !stillMay(request, one, directory),
  );
  const past_votes = gone.map(({ by }) => by);
  const others = request.decisions.filter((one) => !accounts.includes(one.by));
  const sum = tally(ask, request.escalated !== null, [...others, decision], past_votes);
  const mine = sum.approvals.find(({ by }) => by === input.by);
  const ends = input.decision === 'approve' ? sum.missing.length === 0 : sum.denials >= ask.denials;
  return { decision: { ...decision, group: mine?.group ?? may.group }, ends, void: past_votes };
}

/** Why this sign-in is not what the rule demands of whoever approves, or looks at what broke glass; null: it is. */
export function signInRefused(
  { ask, rule }: Request,
  { by, signed_in: proof }: { readonly by: string; readonly signed_in?: Proof | undefined },
  directory: Directory,
  at: number,
): Refused | null {
  const { step_up } = ask;
  // Whoever is there by the provider's word alone, which it does not give again.
  if (proof?.by[0] === 'oidc' && directory.stale(by)) return { why: 'step-up', text: STALE, lacks: [] };
  const lacks = lacking(step_up, proof ?? null, at);
  if (step_up === null || lacks.length === 0) return null;
  const had = proofWords(proof ?? null, duration, at);
  const text = `Rule ${rule} wants approvals of people who ${demandWords(step_up, duration)}. ${had} Sign in again.`;
  return { why: 'step-up', text, lacks };
}

function stillMay(request: Request, { by, groups, instead_of }: Decision, directory: Directory): boolean {
  const may = mayNow(request, by, directory);
  if (!may.may || may.instead_of !== instead_of) return false;
  return groups.length === 0 || groups.some((name) => may.groups.includes(name));
}

/** Why a question is not passed on; null: it is. */
export function mayAsk(request: Request, input: SayInput, directory: Directory, at: number): Refused | null {
  const may = mayNow(request, input.by, directory);
  if (!may.may) return { why: may.why, text: may.text };
  return mayStillBeSaid(request, input, at);
}

/** The same of anybody's words on a request. */
export function mayStillBeSaid(request: Request, { text }: SayInput, at: number): Refused | null {
  const past = tooLate(request, at);
  if (past !== null) return { why: 'already-decided', text: past };
  if (isBlank(text)) return { why: 'rationale-missing', text: 'There are no words in it.' };
  if (request.said.length >= SAID_MAX) {
    return {
      why: 'rationale-too-long',
      text: `Enough was said: ${SAID_MAX} questions and answers. Decide, or withdraw it.`,
    };
  }
  return tooLong(text);
}

function tooLong(text: string): Refused | null {
  if (text.length <= RATIONALE_CHARS_MAX) return null;
  return { why: 'rationale-too-long', text: `Write at most ${RATIONALE_CHARS_MAX} characters.` };
}

/** The same once more: a double click, or a message that came twice. */
function again(request: Request, input: DecideInput, at: number): string | null {
  const mine = request.decisions.find(({ by, counts }) => counts && by === input.by);
  if (mine === undefined || mine.decision !== input.decision) return null;
  const did = mine.decision === 'approve' ? 'approved' : 'denied';
  return `You ${did} this ${seconds(at - mine.at)}. It counts; others have to decide, too.`;
}

function permitRefused(request: Request, input: DecideInput, terms: PermitTerms): string | null {
  const most = request.ask.permit;
  if (input.decision === 'deny') return 'A denial gives no permit.';
  if (most === null) return `Rule ${request.rule} gives no permits. Approve it once.`;
  if (request.pattern === null) return 'A statement like this can have no permit. Approve it once.';
  if (request.pattern.writes && !most.writes) return `Rule ${request.rule} gives no permits to write. Approve it once.`;
  const wide =
    terms.for_ms > most.for_ms || terms.uses > most.uses || terms.rows > most.rows
      ? `Rule ${request.rule} allows at most ${duration(most.for_ms)}, ${most.uses} uses and ${most.rows} rows each.`
      : null;
  return wide;
}

/** The least of what all its approvals say; null: one of them is for this statement alone. */
export function termsOf(request: Request): PermitTerms | null {
  const approvals = request.decisions.filter(({ counts, decision }) => counts && decision === 'approve');
  const terms = approvals.map(({ permit }) => permit);
  if (terms.length === 0 || terms.includes(null)) return null;
  const least = (of: (one: PermitTerms) => number) => Math.min(...terms.map((one) => of(one as PermitTerms)));
  return { for_ms: least((one) => one.for_ms), uses: least((one) => one.uses), rows: least((one) => one.rows) };
}

/** The sentence for somebody who comes too late; null: it is undecided. */
export function tooLate(request: Request, now: number): string | null {
  if (isUndecided(request.state)) return null;
  const last = request.decisions.findLast(({ counts }) => counts);
  if (request.state === 'expired') {
    return `Nobody decided in ${duration(request.deadline - request.opened)}. The agent was told; nothing ran.`;
  }
  if (request.withdrawn !== null) {
    return `${request.withdrawn.by} withdrew this ${seconds(now - request.updated)}. Your decision was not counted.`;
  }
  if (request.broken_glass !== null) {
    return `${request.who.id} ran this by break-glass ${seconds(now - request.broken_glass.at)}. Review it instead.`;
  }
  if (last === undefined) return 'This was decided already. Your decision was not counted.';
  const did = last.decision === 'approve' ? 'approved' : 'denied';
  return `${last.by} ${did} this ${seconds(now - last.at)}. Your decision was not counted.`;
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1000))} s ago`;
}

const UNITS: readonly (readonly [ms: number, unit: string])[] = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
  [1000, 'second'],
];

/** "15 minutes": in the largest unit of which it is a whole number. */
export function duration(ms: number): string {
  const whole = Math.max(1000, Math.round(ms / 1000) * 1000);
  const [size, unit] = UNITS.find(([one]) => whole % one === 0) ?? [1000, 'second'];
  const n = whole / size;
  return `${n} ${unit}${n === 1 ? '' : 's'}`;
}

/** Nothing a reader could see: white space, control and format characters. */
export function isBlank(text: string): boolean {
  return text.replace(/[\s\p{C}\p{Z}]/gu, '') === '';
}
