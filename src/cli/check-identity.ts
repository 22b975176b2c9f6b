// The part of `holdpoint check` that looks at who says who somebody is: the directory, issuers of tokens, the sign-in provider, and certificates.
// Asks what logins ask, changes nothing, and sends no password but the service account's.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { OWN_ISSUER } from '../config/jwt.ts';
import type { MappedSource } from '../config/map.ts';
import { createJwt } from '../identity/jwt/jwt.ts';
import { openLdap } from '../identity/ldap/ldap.ts';
import { providerFetch } from '../identity/provider-fetch.ts';
import type { Finding } from './check.ts';
import { ELSEWHERE } from './explain-principal.ts';

/** A Date header has whole seconds. */
const SKEW_MS_MAX = 3000;
/** Before a certificate's last day somebody should know. */
const DAYS_LEFT_MIN = 14;
const DAY_MS = 86_400_000;

/** Whether those who say who somebody is can be asked. Rejects nothing. */
export async function checkSources(config: Config): Promise<Finding[]> {
  const { ldap, jwt, oidc, map } = config.identity;
  const clients = [...config.postgres, ...config.mysql].some(({ tls }) => tls?.clients != null);
  const there: Readonly<Record<MappedSource, boolean>> = {
    ldap: ldap !== undefined,
    jwt: jwt.length > 0,
    oidc: oidc !== undefined,
    certificate: clients,
  };
  const unused = map.flatMap(({ from }, i): Finding[] => {
    const text = `identity.map[${i}] is from ${from}, which is not configured: it fits nobody`;
    return there[from] ? [] : [{ level: 'warn', about: 'identity', text }];
  });
  const answers = await Promise.all([
    ldap === undefined ? [] : directory(ldap),
    ...jwt.filter(({ issuer }) => issuer !== OWN_ISSUER).map(keysOf),
    oidc === undefined ? [] : provider(oidc),
  ]);
  return [...answers.flat(), ...unused];
}

async function directory(config: NonNullable<Config['identity']['ldap']>): Promise<Finding[]> {
  const ldap = openLdap(config);
  try {
    const lines = await ldap.probe();
    return lines.map(({ server, ok, text }) => ({
      level: ok ? 'ok' : 'fail',
      about: 'ldap',
      text: `${server}: ${text}`,
    }));
  } finally {
    ldap.close();
  }
}

async function keysOf(issuer: Config['identity']['jwt'][number]): Promise<Finding[]> {
  const faults: string[] = [];
  const told = (_: string, fault: string | null): void => {
    if (fault !== null) faults.push(fault);
  };
  await createJwt({ issuers: [issuer], own: ELSEWHERE, told }).warm();
  const { issuer: name } = issuer;
  if (faults.length > 0)
    return [{ level: 'fail', about: 'jwt', text: `the keys of ${name} cannot be had: ${faults.join('; ')}` }];
  return [{ level: 'ok', about: 'jwt', text: `the keys of ${name} can be had` }];
}

/** Its metadata, and its clock by the date of its answer. */
async function provider({ issuer, ca }: NonNullable<Config['identity']['oidc']>): Promise<Finding[]> {
  const about = 'oidc';
  try {
    const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const answer = await providerFetch(ca)(address, { method: 'GET', headers: {}, redirect: 'manual', body: null });
    const { issuer: says } = (await answer.json()) as { readonly issuer?: unknown };
    if (says !== issuer) {
      const text = `${issuer} calls itself ${String(says)}; identity.oidc.issuer must be exactly that`;
      return [{ level: 'fail', about, text }];
    }
    const skew_ms = Math.abs(Date.parse(answer.headers.get('date') ?? '') - Date.now());
    if (skew_ms > SKEW_MS_MAX) {
      const text = `the clock of ${issuer} and this one differ by ${Math.round(skew_ms / 1000)} s; sign-ins may fail by that`;
      return [{ level: 'warn', about, text }];
    }
    return [{ level: 'ok', about, text: `${issuer} answers` }];
  } catch (error) {
    return [{ level: 'fail', about, text: `${issuer}: ${error instanceof Error ? error.message : String(error)}` }];
  }
}

/** Of listeners and the reviewers' page: how long they are good, whether the key is theirs, and whether they are for the name that is opened. */
export function checkCertificates({ postgres, mysql, review }: Config, now: number = Date.now()): Finding[] {
  const host = review.url?.startsWith('https:') ? new URL(review.url).hostname : null;
  return [
    ...[...postgres, ...mysql].flatMap(({ name, tls }) => (tls === null ? [] : certificate(name, tls, null, now))),
    ...(review.tls === null ? [] : certificate('review', review.tls, host, now)),
  ];
}

function certificate(
  about: string,
  { cert, key }: { readonly cert: string; readonly key: string },
  host: string | null,
  now: number,
): Finding[] {
  const fail = (text: string): Finding => ({ level: 'fail', about, text });
  try {
    const own = new X509Certificate(cert);
    const days = Math.floor((Date.parse(own.validTo) - now) / DAY_MS);
    const found: Finding[] = [];
    if (days < 0) found.push(fail(`its certificate ended on ${own.validTo}`));
    else if (Date.parse(own.validFrom) > now) found.push(fail(`its certificate begins on ${own.validFrom}`));
    else if (days < DAYS_LEFT_MIN) found.push({ level: 'warn', about, text: `its certificate ends in ${days} days` });
    else found.push({ level: 'ok', about, text: `its certificate is good until ${own.validTo}` });
    if (!own.checkPrivateKey(createPrivateKey(key))) found.push(fail('its key is not that of its certificate'));
    if (host !== null && own.checkHost(host) === undefined && own.checkIP(host) === undefined)
      found.push(fail(`its certificate is not for ${host}, which reviewers open`));
    return found;
  } catch (error) {
    return [fail(`its certificate or key can not be read: ${error instanceof Error ? error.message : String(error)}`)];
  }
}
