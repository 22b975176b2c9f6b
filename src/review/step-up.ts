// An approval whose rule demands more of the sign-in: what a session proves, and what whoever asks is told to do about it. Must never make a proof of
// what nobody has proved: an agent's token proves nothing.
import type { Session } from './access.ts';
import type { PortResult, ProofLike, RequestLike, SsoDemand, StepUpLike } from './ports.ts';
import type { StepUpView } from './schemas.ts';

/** Where a browser goes to prove it to the provider anew, for a request. */
export const SSO_FOR = '/oidc/start?for=';

export function proofOf({ type, auth_time: at, by, acr }: Session): ProofLike | undefined {
  return type === 'agent' ? undefined : { at, by, acr };
}

/** What a provider is asked for; whatever the rule says, the person proves it anew. */
export function demandOf(step_up: StepUpLike | null): SsoDemand {
  const within_ms = step_up?.within_ms ?? null;
  return { max_age_s: within_ms === null ? null : Math.ceil(within_ms / 1000), acr: step_up?.acr ?? [] };
}

/** `sso`: there is a provider. */
export function stepUpOf(
  { id, ask }: RequestLike,
  { lacks = [] }: Extract<PortResult, { type: 'refused' }>,
  proof: ProofLike | undefined,
  by: string,
  sso: boolean,
): StepUpView {
  const { within_ms = null, factor = null, acr = [] } = ask.step_up ?? {};
  const { max_age_s } = demandOf(ask.step_up);
  return {
    missing: [...lacks],
    within_ms,
    factor,
    acr: [...acr],
    user: by,
    signed_in: proof === undefined ? null : { at: proof.at, by: [...proof.by], acr: proof.acr },
    sso: sso ? { start: `${SSO_FOR}${id}`, max_age: max_age_s, acr_values: [...acr], prompt: 'login' } : null,
  };
}

const FACTORS = {
  any: 'with a second factor',
  totp: "with an app's code or a security key",
  webauthn: 'with a security key',
} as const;
const UNITS = [
  [3_600_000, 'hour'],
  [60_000, 'minute'],
  [1_000, 'second'],
] as const;

/** "signed in at most 10 minutes before with a security key, or by single sign-on with acr phr". */
export function demandWords({ within_ms, factor, acr }: StepUpLike): string {
  const how = [
    ...(factor === null ? [] : [FACTORS[factor]]),
    ...(acr.length === 0 ? [] : [`by single sign-on with acr ${acr.join(' or ')}`]),
  ].join(', or ');
  return ['signed in', within_ms === null ? '' : `at most ${durationWords(within_ms)} before`, how]
    .filter(Boolean)
    .join(' ');
}

function durationWords(ms: number): string {
  const [size, unit] = UNITS.find(([one]) => ms % one === 0) ?? UNITS[2];
  const n = Math.round(ms / size);
  return `${n} ${unit}${n === 1 ? '' : 's'}`;
}
