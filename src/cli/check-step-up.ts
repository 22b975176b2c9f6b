// Whether a sign-in that rules want for approvals (`ask.step_up`) can be had from the sign-in provider as it is configured: `holdpoint check` says so before
// somebody signs in again and again. Pure. What counts at an approval is said by approval/step-up.ts alone.
import type { OidcConfig } from '../config/oidc.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { Finding } from './check.ts';

/** `oidc`: undefined, there is no provider. Rules that want the same together. */
export function checkStepUp(
  { asks }: Pick<LoadedPolicy, 'asks'>,
  oidc: Pick<OidcConfig, 'acr'> | undefined,
): Finding[] {
  const found = new Map<
    string,
    { readonly level: Finding['level']; readonly rules: readonly string[]; readonly text: string }
  >();
  for (const { rule, ask } of asks) {
    const { acr = [], factor = null } = ask.step_up ?? {};
    const one = acr.length === 0 ? null : faultOf(acr, factor !== null, oidc);
    if (one === null) continue;
    const rules: readonly string[] = found.get(one.text)?.rules ?? [];
    if (!rules.includes(rule)) found.set(one.text, { ...one, rules: [...rules, rule] });
  }
  return [...found.values()].map(({ level, rules, text }) => ({
    level,
    about: 'policy',
    text: `rule ${rules.join(', ')} wants approvals by single sign-on with acr ${text}`,
  }));
}

/** `factor`: who signs in with a password has another way. */
function faultOf(
  acr: readonly string[],
  factor: boolean,
  oidc: Pick<OidcConfig, 'acr'> | undefined,
): Pick<Finding, 'level' | 'text'> | null {
  const wanted = acr.join(' or ');
  if (oidc === undefined)
    return factor
      ? { level: 'warn', text: `${wanted}, and there is no identity.oidc: only its factor lets anybody approve` }
      : {
          level: 'fail',
          text: `${wanted}, and there is no identity.oidc: nobody can approve. Configure the provider, or name a factor instead`,
        };
  if (oidc.acr.length === 0) return null;
  const never = acr.filter((one) => !oidc.acr.includes(one));
  if (never.length === 0) return null;
  const all = never.length === acr.length;
  const so = all
    ? factor
      ? 'nobody who comes by it can approve'
      : 'nobody can approve'
    : `${never.join(', ')} never counts`;
  return {
    level: all && !factor ? 'fail' : 'warn',
    text: `${wanted}, and identity.oidc.acr lets nobody in but with ${oidc.acr.join(' or ')}: ${so}. Add ${never.join(', ')} to identity.oidc.acr`,
  };
}
