// The part of `holdpoint check` that looks at who says who somebody is: the directory, issuers of tokens, the sign-in provider.
// Asks what logins ask, changes nothing, and sends no password
// but the service account's and the client's own.
import { createHash, randomBytes } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { type JwtIssuer, OWN_ISSUER } from '../config/jwt.ts';
import type { MappedSource } from '../config/map.ts';
import type { OidcConfig } from '../config/oidc.ts';
import { loader } from '../identity/jwt/jwt.ts';
import { openLdap } from '../identity/ldap/ldap.ts';
import { PROVIDER_TIMEOUT_MS, providerFetch } from '../identity/provider-fetch.ts';
import { loadPolicy } from '../policy/load.ts';
import type { Finding } from './check.ts';

/** Where the provider sends browsers back to (review/door.ts), after review.url. */
const CALLBACK = '/oidc/callback';
/** A Date header has whole seconds. */
const SKEW_MS_MAX = 3000;

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
    oidc === undefined ? [] : provider(config, oidc),
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

/** Whether it has keys that could sign a token, and its clock. */
async function keysOf(issuer: JwtIssuer): Promise<Finding[]> {
  const { issuer: name, algorithms, keys } = issuer;
  const about = 'jwt';
  try {
    const found = await loader(issuer, PROVIDER_TIMEOUT_MS)();
    if (found.length === 0) {
      const text = `${name} has no key for ${algorithms.join(', ')}: none of its tokens logs in`;
      return [{ level: 'fail', about, text }];
    }
    const skew =
      'url' in keys ? skewOf(name, await get(keys.url, keys.ca), 'tokens may be taken for over, or not begun') : [];
    return [
      { level: 'ok', about, text: `the keys of ${name} can be had` },
      ...skew.map((text) => warning(about, text)),
    ];
  } catch (error) {
    return [{ level: 'fail', about, text: `the keys of ${name} cannot be had: ${words(error)}` }];
  }
}

const warning = (about: string, text: string): Finding => ({ level: 'warn', about, text });
const words = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && !error.message.includes(error.cause.message)
    ? `${error.message}: ${error.cause.message}`
    : error.message;
};

const get = (url: string, ca: string | null): Promise<Response> =>
  providerFetch(ca)(url, { method: 'GET', headers: { accept: 'application/json' }, redirect: 'manual', body: null });

/** By the date of an answer that has just come; one without says nothing. */
function skewOf(name: string, { headers }: Response, so: string): string[] {
  const date = Date.parse(headers.get('date') ?? '');
  const skew_ms = Math.abs(date - Date.now());
  if (Number.isNaN(date) || skew_ms <= SKEW_MS_MAX) return [];
  return [`the clock of ${name} and this one differ by ${Math.round(skew_ms / 1000)} s; ${so}`];
}

type Metadata = Readonly<Record<string, unknown>>;

/** Its document, its clock, its keys, what it makes of our client and of where browsers are sent back to, and what it says of people. */
async function provider(config: Config, oidc: OidcConfig): Promise<Finding[]> {
  const about = 'oidc';
  const { issuer, ca } = oidc;
  const fail = (text: string): Finding => ({ level: 'fail', about, text });
  try {
    const answer = await get(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, ca);
    const metadata = await objectOf(answer);
    if (metadata === null)
      return [fail(`${issuer} has no document of its own: it answers ${answer.status}, and no JSON object`)];
    const { issuer: says } = metadata;
    if (says !== issuer)
      return [fail(`${issuer} calls itself ${String(says)}; identity.oidc.issuer must be exactly that`)];
    const found = await Promise.all([
      signers(oidc, metadata),
      client(oidc, metadata, `${config.review.url}${CALLBACK}`),
      callback(oidc, metadata, `${config.review.url}${CALLBACK}`),
      claims(config, oidc, metadata),
    ]);
    const skew = skewOf(issuer, answer, 'sign-ins may fail by that').map((text) => warning(about, text));
    return [{ level: 'ok', about, text: `${issuer} answers` }, ...skew, ...found.flat()];
  } catch (error) {
    return [fail(`${issuer}: ${words(error)}`)];
  }
}

/** Null: no JSON object. */
async function objectOf(answer: Response): Promise<Metadata | null> {
  const value: unknown = await answer.json().catch(() => null);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Metadata) : null;
}

/** A place that its document names. Null: it names none. */
function placeOf(metadata: Metadata, name: string): string | null {
  const value = metadata[name];
  return typeof value === 'string' && URL.canParse(value) ? value : null;
}

async function signers({ issuer, ca }: OidcConfig, metadata: Metadata): Promise<Finding[]> {
  const about = 'oidc';
  const place = placeOf(metadata, 'jwks_uri');
  if (place === null) return [{ level: 'fail', about, text: `${issuer} names no jwks_uri: nobody can sign in` }];
  try {
    const keys = (await objectOf(await get(place, ca)))?.['keys'];
    const some =
      Array.isArray(keys) && keys.some((key: { use?: unknown } | null) => key?.use === undefined || key.use === 'sig');
    return some ? [] : [{ level: 'fail', about, text: `${issuer} has no keys at ${place}: nobody can sign in` }];
  } catch (error) {
    return [{ level: 'fail', about, text: `the keys of ${issuer} cannot be had: ${words(error)}` }];
  }
}

/** A code that there never was: RFC 6749 5.2 has one word for that, and others for a client that is not known or not as it should be. */
async function client(
  { issuer, client_id, client_secret, ca }: OidcConfig,
  metadata: Metadata,
  redirect_uri: string,
): Promise<Finding[]> {
  const about = 'oidc';
  const place = placeOf(metadata, 'token_endpoint');
  if (place === null) return [{ level: 'fail', about, text: `${issuer} names no token_endpoint: nobody can sign in` }];
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    code: 'holdpoint-check',
    code_verifier: randomBytes(32).toString('base64url'),
    redirect_uri,
  });
  const headers: Record<string, string> = {
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
  };
  const ways = metadata['token_endpoint_auth_methods_supported'];
  if (client_secret !== null && (!Array.isArray(ways) || ways.includes('client_secret_basic'))) {
    // RFC 6749 2.3.1: each encoded as in a form.
    const encoded = [client_id, client_secret].map((part) => new URLSearchParams({ '': part }).toString().slice(1));
    headers['authorization'] = `Basic ${Buffer.from(encoded.join(':')).toString('base64')}`;
  } else {
    body.set('client_id', client_id);
    if (client_secret !== null) body.set('client_secret', client_secret);
  }
  try {
    const answer = await providerFetch(ca)(place, { method: 'POST', headers, redirect: 'manual', body });
    const error = (await objectOf(answer))?.['error'];
    if (error === 'invalid_grant') return [{ level: 'ok', about, text: `${issuer} takes the client ${client_id}` }];
    if (error === 'invalid_client' || error === 'unauthorized_client' || answer.status === 401) {
      const text = `${issuer} refuses the client ${client_id} or its secret: nobody can sign in. See identity.oidc.client_id and client_secret`;
      return [{ level: 'fail', about, text }];
    }
    const word = typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? error : `status ${answer.status}`;
    return [
      warning(
        about,
        `whether ${issuer} takes the client ${client_id} cannot be told: it says ${word} to a code that there is not`,
      ),
    ];
  } catch (error) {
    return [{ level: 'fail', about, text: `${issuer} cannot be asked for tokens: ${words(error)}` }];
  }
}

/**
 * Whether browsers are sent back to us: asked for nobody (prompt=none, OpenID Connect Core 3.1.2.6), a provider that knows the address sends there
 * that nobody is signed in, and one that does not must not go there (RFC 6749 4.1.2.1).
 */
async function callback(
  { issuer, client_id, ca }: OidcConfig,
  metadata: Metadata,
  redirect_uri: string,
): Promise<Finding[]> {
  const about = 'oidc';
  const place = placeOf(metadata, 'authorization_endpoint');
  if (place === null)
    return [{ level: 'fail', about, text: `${issuer} names no authorization_endpoint: nobody can sign in` }];
  const url = new URL(place);
  const verifier = randomBytes(32).toString('base64url');
  const asked = {
    client_id,
    redirect_uri,
    response_type: 'code',
    scope: 'openid',
    prompt: 'none',
    state: randomBytes(16).toString('base64url'),
    nonce: randomBytes(16).toString('base64url'),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  try {
    const answer = await get(url.href, ca);
    if (answer.status >= 300 && answer.status < 400) {
      const back = answer.headers.get('location')?.startsWith(`${redirect_uri}?`) === true;
      return back ? [{ level: 'ok', about, text: `${issuer} sends browsers back to ${redirect_uri}` }] : [];
    }
    if (answer.status < 400) return [];
    const text = `${issuer} does not send browsers back to ${redirect_uri} (it answers ${answer.status}): register it there as redirect URI of ${client_id}`;
    return [{ level: 'fail', about, text }];
  } catch (error) {
    return [
      { level: 'fail', about, text: `the page of ${issuer} where people sign in cannot be had: ${words(error)}` },
    ];
  }
}

/** What is to be in a sign-in, and by its own document (Discovery 1.0, 3) is not; one that lists nothing says nothing. */
async function claims(
  config: Config,
  { issuer, id_claim, groups_claim, scopes, acr }: OidcConfig,
  metadata: Metadata,
): Promise<Finding[]> {
  const lacks = (list: string, name: string): boolean => {
    const names = metadata[list];
    return Array.isArray(names) && !names.includes(name);
  };
  const found = scopes
    .filter((scope) => lacks('scopes_supported', scope))
    .map((scope) => `${issuer} has no scope ${scope}, which identity.oidc.scopes asks for`);
  if (lacks('claims_supported', id_claim))
    found.push(`${issuer} gives no claim ${id_claim} (id_claim): nobody can sign in`);
  const loaded = await loadPolicy(config.policy);
  const wantedOf = 'errors' in loaded ? [] : loaded.policy.asks.flatMap(({ ask }) => ask.step_up?.acr ?? []);
  for (const one of new Set([...acr, ...wantedOf]))
    if (lacks('acr_values_supported', one))
      found.push(
        `${issuer} has no acr ${one}, which ${acr.includes(one) ? 'identity.oidc.acr' : 'a rule of the policy'} asks for`,
      );
  if (lacks('claims_supported', groups_claim)) {
    const named = 'errors' in loaded ? [] : Object.values(loaded.policy.reviewers).flat();
    const wanted = [...named, ...config.identity.map.flatMap(({ group }) => group ?? [])].filter((group) =>
      group.startsWith('oidc:'),
    );
    if (wanted.length > 0)
      found.push(
        `${issuer} gives no claim ${groups_claim} (groups_claim): nobody is in ${[...new Set(wanted)].join(', ')}, which the policy or identity.map name`,
      );
  }
  return found.map((text) => warning('oidc', text));
}
