// What a rule demands of the sign-in behind an approval (`ask.step_up`), and what a sign-in lacks of it. Pure. Must never take a proof that nobody
// gave: what is not known of a sign-in it does not have.
import type { StepUp } from '../policy/types.ts';
import type { Proof } from './types.ts';

export type Lack = 'within' | 'factor' | 'acr';

/** A provider's clock may be ahead by so much. */
const AHEAD_MS = 30_000;

/**
 * What counts as which factor: first of those that Holdpoint asks for itself, then of a provider's amr (RFC 8176, and what providers in use
 * write). A stronger one does for a weaker one. What is not here counts for nothing.
 */
const FACTORS: Readonly<
  Record<NonNullable<StepUp['factor']>, { readonly own: readonly string[]; amr: readonly string[] }>
> = {
  webauthn: { own: ['webauthn'], amr: ['hwk', 'swk', 'fido', 'webauthn'] },
  totp: { own: ['webauthn', 'totp'], amr: ['hwk', 'swk', 'fido', 'webauthn', 'sc', 'otp', 'totp'] },
  any: {
    own: ['webauthn', 'totp', 'recovery'],
    amr: ['hwk', 'swk', 'fido', 'webauthn', 'sc', 'otp', 'totp', 'mfa'],
  },
};

/** `now`: ms since the epoch. Empty: it has all of it. */
export function lacking(demanded: StepUp | null, proof: Proof | null, now: number): readonly Lack[] {
  if (demanded === null) return [];
  const { within_ms, factor, acr } = demanded;
  const { at, by, acr: had } = proof ?? NONE;
  const lacks: Lack[] = [];
  const young = within_ms === null || (at !== null && now - at <= within_ms && at - now <= AHEAD_MS);
  if (!young) lacks.push('within');
  const [first = '', ...methods] = by;
  const provider = first === 'oidc';
  if (acr.length > 0 && (provider || factor === null)) {
    if (!provider || had === null || !acr.includes(had)) lacks.push('acr');
  } else if (factor !== null) {
    const good = FACTORS[factor][provider ? 'amr' : 'own'];
    if (!methods.some((method) => good.includes(method))) lacks.push('factor');
  }
  return lacks;
}

const NONE: Proof = { at: null, by: [], acr: null };

const FACTOR_WORDS: Readonly<Record<NonNullable<StepUp['factor']>, string>> = {
  any: 'with a second factor',
  totp: "with an app's code or a security key",
  webauthn: 'with a security key',
};

/** "signed in at most 10 minutes before with a security key, or by single sign-on with acr phr". */
export function demandWords({ within_ms, factor, acr }: StepUp, duration: (ms: number) => string): string {
  const how = [
    ...(factor === null ? [] : [FACTOR_WORDS[factor]]),
    ...(acr.length === 0 ? [] : [`by single sign-on with acr ${acr.join(' or ')}`]),
  ].join(', or ');
  return ['signed in', within_ms === null ? '' : `at most ${duration(within_ms)} before`, how]
    .filter(Boolean)
    .join(' ');
}

/** "You signed in 2 hours ago, by a password alone." */
export function proofWords(proof: Proof | null, ago: (ms: number) => string, now: number): string {
  const { at, by, acr } = proof ?? NONE;
  const [first, ...methods] = by;
  if (first === undefined) return 'Nothing is known of how this account signed in.';
  if (first === 'link') return 'You came by a one-time link, which proves nothing.';
  const when = at === null ? '' : ` ${ago(Math.max(0, now - at))} ago`;
  const how =
    first === 'oidc'
      ? `by single sign-on${methods.length > 0 ? ` (${methods.join(', ')})` : ''}${acr === null ? '' : ` with acr ${acr}`}`
      : `by a password ${methods.length === 0 ? 'alone' : `and ${methods.map((method) => OWN_WORDS[method] ?? method).join(' and ')}`}`;
  const unknown = first === 'oidc' && at === null ? '; the provider did not say when you proved who you are' : '';
  return `You signed in${when}, ${how}${unknown}.`;
}

const OWN_WORDS: Readonly<Record<string, string>> = {
  totp: 'a code',
  recovery: 'a recovery code',
  webauthn: 'a security key',
};
