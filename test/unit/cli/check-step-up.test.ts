// Rules that want a class of single sign-on that nobody can come with.
import { expect, test } from 'vitest';
import { checkStepUp } from '../../../src/cli/check-step-up.ts';
import { policy } from '../policy/made.ts';

const asking = (...asks: string[]) =>
  policy(`version: 1
default: allow
rules:
${asks.map((ask, i) => `  - {id: r${i}, when: "true", then: hold, ask: ${ask}}\n`).join('')}`);

const WANTS = 'wants approvals by single sign-on with acr';

test.each<[ask: string, acr: readonly string[] | null, found: readonly string[]]>([
  ['{step_up: {within: 10m, factor: any}}', null, []],
  ['{}', ['phr'], []],
  // Whoever is asked to sign in again for the rule is asked for the rule's classes.
  ['{step_up: {acr: [phr]}}', [], []],
  ['{step_up: {acr: [phr]}}', ['phr', 'phrh'], []],
  [
    '{step_up: {acr: [phr]}}',
    null,
    [
      `fail rule r0 ${WANTS} phr, and there is no identity.oidc: nobody can approve. Configure the provider, or name a factor instead`,
    ],
  ],
  [
    '{step_up: {acr: [phr], factor: totp}}',
    null,
    [`warn rule r0 ${WANTS} phr, and there is no identity.oidc: only its factor lets anybody approve`],
  ],
  [
    '{step_up: {acr: [phr]}}',
    ['mfa'],
    [
      `fail rule r0 ${WANTS} phr, and identity.oidc.acr lets nobody in but with mfa: nobody can approve. Add phr to identity.oidc.acr`,
    ],
  ],
  [
    '{step_up: {acr: [phr], factor: any}}',
    ['mfa'],
    [
      `warn rule r0 ${WANTS} phr, and identity.oidc.acr lets nobody in but with mfa: nobody who comes by it can approve. Add phr to identity.oidc.acr`,
    ],
  ],
  [
    '{step_up: {acr: [phr, phrh]}}',
    ['mfa', 'phr'],
    [
      `warn rule r0 ${WANTS} phr or phrh, and identity.oidc.acr lets nobody in but with mfa or phr: phrh never counts. Add phrh to identity.oidc.acr`,
    ],
  ],
])('%s with %j', async (ask, acr, found) => {
  const findings = checkStepUp(await asking(ask), acr === null ? undefined : { acr });
  expect(findings.map(({ level, text }) => `${level} ${text}`)).toEqual(found);
});

test('rules that want the same are told together', async () => {
  const wants = '{step_up: {acr: [phr]}}';
  const findings = checkStepUp(await asking(wants, '{}', wants), { acr: ['mfa'] });
  expect(findings.map(({ text }) => text.split(' wants ')[0])).toEqual(['rule r0, r2']);
});
