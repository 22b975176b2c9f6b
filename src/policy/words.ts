// Whom a rule asks, in words: the same to agents, to reviewers and to whoever writes the policy. Names and numbers only.
import type { Ask } from './types.ts';
import { durationText } from './values.ts';

/** "any reviewer", "two of dba, owners", "one of dba and one of owners". */
export const needs = ({ of, each, count }: Ask): string => {
  const n = NUMBERS[count] ?? String(count);
  if (of.length === 0) return count === 1 ? 'any reviewer' : `${n} reviewers`;
  return each ? of.map((group) => `${n} of ${group}`).join(' and ') : `${n} of ${of.join(', ')}`;
};
const NUMBERS: readonly string[] = ['none', 'one', 'two', 'three', 'four', 'five'];

/** All of it, a line for each thing that it says beside whom, and how long, only where a rule says it. */
export const askLines = (ask: Ask): readonly string[] => {
  const { wait_ms, denials, escalate, nobody_ms, permit, channel, step_up, ticket, reason } = ask;
  const wait = wait_ms === null ? '' : `; the connection waits ${durationText(wait_ms)}`;
  const lines = [`${needs(ask)}, within ${durationText(ask.deadline_ms)}${wait}`];
  if (denials > 1) lines.push(`denied by ${NUMBERS[denials]} denials, not by one`);
  if (escalate)
    lines.push(
      `after ${durationText(escalate.after_ms)} ${escalate.to.join(', ')}, too, each in the place of any other`,
    );
  if (nobody_ms !== null)
    lines.push(`denied after ${durationText(nobody_ms)} in which nobody who may decide is connected`);
  if (channel === 'console') lines.push('approved in the console alone');
  if (step_up) lines.push(stepUpLine(step_up));
  if (permit) lines.push(permitLine(permit));
  if (reason === 'required') lines.push("refused without the agent's reason");
  if (!ticket) lines.push('withdrawn when the connection waits no longer');
  return lines;
};

const FACTORS = {
  any: 'with a second factor',
  totp: "with an app's code or a security key",
  webauthn: 'with a security key',
} as const;

const stepUpLine = ({ within_ms, factor, acr }: NonNullable<Ask['step_up']>): string => {
  const when = within_ms === null ? [] : [`at most ${durationText(within_ms)} before`];
  const how = factor === null ? [] : [FACTORS[factor]];
  const classes = acr.length === 0 ? [] : [`by single sign-on with acr ${acr.join(' or ')}`];
  return `approved by who signed in ${[...when, [...how, ...classes].join(', or ')].filter(Boolean).join(' ')}`;
};

const permitLine = ({ for_ms, uses, rows, writes }: NonNullable<Ask['permit']>): string =>
  `may become a permit: at most ${durationText(for_ms)}, ${uses} uses, ${rows} rows each${writes ? ', writes too' : ', reads only'}`;
