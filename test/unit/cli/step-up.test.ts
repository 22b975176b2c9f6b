// A refusal for want of another sign-in, in a terminal: its exit status, and the one command that helps, by how the person signs in.
import { describe, expect, it, test } from 'vitest';
import { Failure } from '../../../src/cli/failure.ts';
import { REVIEW_EXIT, saidOf, told } from '../../../src/cli/reviewer.ts';
import { Refused } from '../../../src/review/client.ts';
import type { StepUpView } from '../../../src/review/schemas.ts';

const SSO: StepUpView['sso'] = { start: '/oidc/start?for=HP-1', max_age: 600, acr_values: [], prompt: 'login' };
const refusal = (more: Partial<StepUpView>) =>
  new Refused({
    type: 'urn:holdpoint:problem:step-up',
    title: 'Sign in again.',
    status: 403,
    detail: 'Rule exports wants it.',
    step_up: {
      missing: ['within'],
      within_ms: 600_000,
      factor: null,
      acr: [],
      user: 'grace',
      signed_in: { at: 1, by: ['local'], acr: null },
      sso: null,
      ...more,
    },
  });
const HERE = 'Rule exports wants it. Run: holdpoint login --user grace';
const THERE = /^Rule exports wants it\. In the console sign in again for this card, .* holdpoint login --link <link>$/;

describe('the command', () => {
  test.each<[string, Partial<StepUpView>, string | RegExp]>([
    ['a password will do', {}, HERE],
    ['a code will do', { factor: 'totp' }, HERE],
    ['a password, where others have a provider', { sso: SSO }, HERE],
    ['a security key works in a browser only', { factor: 'webauthn' }, THERE],
    ['who came by the provider', { sso: SSO, signed_in: { at: null, by: ['oidc'], acr: null } }, THERE],
    ['a class of the provider', { sso: SSO, acr: ['phr'] }, THERE],
  ])('%s', (_, more, said) => {
    if (typeof said === 'string') expect(saidOf(refusal(more))).toBe(said);
    else expect(saidOf(refusal(more))).toMatch(said);
  });
});

it('ends with a status of its own', async () => {
  const failure = await told(Promise.reject(refusal({}))).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Failure);
  expect(failure).toMatchObject({ message: HERE, exit: REVIEW_EXIT.signInAgain });
});
