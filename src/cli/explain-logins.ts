// How a name logs in at each listener, and what a client certificate comes to there: which authority, which name, which rule, who that is here. For the
// operator, from the configuration file; asked of what listeners ask. Must never decide anything by itself, nor say more of a certificate than it shows.
import type { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Config, MysqlConfig, PostgresConfig } from '../config/config.ts';
import { loginRules } from '../identity/login-rules.ts';
import { contextOf, createPeers } from '../identity/peer.ts';
import { certificatesIn, isListOf, revokedLists } from '../identity/revoked.ts';
import { shownTo } from '../identity/shown.ts';
import type { SourceEntry } from '../identity/types.ts';
import { openUsers } from '../identity/users.ts';
import { type Follows, followsFrom, principalRows, rowLines, type Sources, withPeople } from './explain-principal.ts';
import { EXIT, Failure } from './failure.ts';

/** A chain has a few KiB. */
const CERTIFICATE_BYTES_MAX = 256 * 1024;

type Listener = (PostgresConfig | MysqlConfig) & { readonly protocol: 'postgres' | 'mysql' };

/** Which rule of one listener is for a name. */
export interface Method {
  readonly listener: string;
  readonly protocol: 'postgres' | 'mysql';
  /** Its place in `logins`, from 0; null: nobody of this name logs in there. */
  readonly rule: number | null;
  readonly by: 'relay' | 'verifier' | 'certificate' | readonly string[] | null;
  readonly said: string;
}

/** In the order of the configuration. */
export function methodsOf(config: Config, user: string): readonly Method[] {
  return listenersOf(config).map((one) => methodOf(one, user));
}

const listenersOf = ({ postgres, mysql }: Config): readonly Listener[] => [
  ...postgres.map((one) => ({ ...one, protocol: 'postgres' as const })),
  ...mysql.map((one) => ({ ...one, protocol: 'mysql' as const })),
];

function methodOf(listener: Listener, user: string): Method {
  const { name, protocol, logins } = listener;
  const at = { listener: name, protocol };
  if ('auth' in listener && listener.auth === 'relay')
    return { ...at, rule: null, by: 'relay', said: 'auth: relay: the server asks for the proof' };
  const found = loginRules(logins)(user);
  if (found === null)
    return { ...at, rule: null, by: null, said: 'no entry of logins is for this name: it does not log in here' };
  const rule = logins.indexOf(found);
  return { ...at, rule, by: found.by, said: `logins[${rule}] (user ${found.user}): ${wayOf(found.by, listener)}` };
}

function wayOf(by: Listener['logins'][number]['by'], { protocol, tls }: Listener): string {
  if (by === 'certificate') return 'a client certificate, no password';
  const required = tls?.clients?.required === true ? ', and a client certificate on top of it' : '';
  if (by === 'verifier') return `a proof of the password of users.yaml (${VERIFIERS[protocol]})${required}`;
  return `a password inside TLS, asked of ${by.join(', then ')}${required}`;
}

const VERIFIERS = { postgres: 'SCRAM-SHA-256', mysql: 'caching_sha2_password or mysql_native_password' } as const;

/** A listener's rows, for people. */
export function methodRows(methods: readonly Method[]): (readonly [string, string])[] {
  return methods.map(({ listener, said }) => [`at ${listener}`, said]);
}

/** What one listener makes of a certificate. */
interface Shown {
  readonly listener: string;
  readonly protocol: 'postgres' | 'mysql';
  readonly logs_in: boolean;
  /** Null: this listener asks for none. `code`: OpenSSL's verdict; null: good. */
  readonly chain: { readonly good: boolean; readonly code: string | null; readonly said: string } | null;
  readonly revoked: string | null;
  /** The alternative name that counts, and whose it makes it; null: none, or not looked at. */
  readonly san: string | null;
  readonly id: string | null;
  readonly method: Method | null;
  readonly principal: Follows['principal'];
  /** Where it does not log in: why. */
  readonly why: string | null;
}

export interface ExplainedCertificate {
  readonly certificate: {
    readonly serial: string;
    readonly issuer: string;
    readonly names: string;
    readonly from: string;
    readonly until: string;
  };
  readonly listeners: readonly Shown[];
}

/** `file`: PEM, the certificate first, then what stands above it, as the client sends it. Rejects Failure. */
export async function explainCertificate(config: Config, file: string): Promise<ExplainedCertificate> {
  const chain = await read(file);
  const [leaf] = chain;
  if (leaf === undefined) throw new Failure(`${file} has no certificate in it (PEM)`, EXIT.usage);
  const users = await openUsers(config.identity.users);
  users.close();
  const { serialNumber, issuer, subjectAltName, validFrom, validTo } = leaf;
  return {
    certificate: {
      serial: serialNumber,
      issuer: issuer?.replaceAll('\n', ', ') ?? '',
      names: subjectAltName ?? 'none',
      from: new Date(validFrom).toISOString(),
      until: new Date(validTo).toISOString(),
    },
    listeners: await withPeople(config, users.current(), (sources) =>
      Promise.all(listenersOf(config).map((one) => shownAt(config, sources, one, chain))),
    ),
  };
}

async function read(file: string): Promise<readonly X509Certificate[]> {
  if ((await stat(file)).size > CERTIFICATE_BYTES_MAX)
    throw new Failure(`${file} is too large for a certificate: at most ${CERTIFICATE_BYTES_MAX} bytes`, EXIT.usage);
  const text = await readFile(file, 'utf8');
  try {
    return certificatesIn(text);
  } catch {
    throw new Failure(`a certificate in ${file} can not be read`, EXIT.usage);
  }
}

const NOTHING = {
  logs_in: false,
  chain: null,
  revoked: null,
  san: null,
  id: null,
  method: null,
  principal: null,
} as const;

async function shownAt(
  config: Config,
  sources: Sources,
  listener: Listener,
  chain: readonly X509Certificate[],
): Promise<Shown> {
  const { name, protocol, tls } = listener;
  const at = { listener: name, protocol };
  const clients = tls?.clients ?? null;
  if (tls === null || clients === null) return { ...at, ...NOTHING, why: 'it asks for no certificate (tls.clients)' };
  const peer = await shownTo(contextOf(tls, clients), chain).catch((error: Error) => {
    throw new Failure(`what ${name} would make of it can not be told: ${error.message}`);
  });
  const code = peer.type === 'bad' ? peer.why : null;
  const judged = {
    chain: { good: code === null, code, said: code === null ? 'good: tls.clients.ca leads to it' : verdict(code) },
    revoked: revocation(clients.crl?.pem ?? null, clients.ca.pem, code),
  };
  const entry = createPeers(clients).of(peer);
  if ('why' in entry) return { ...at, ...NOTHING, ...judged, why: code === null ? entry.why : verdict(code) };
  const method = methodOf(listener, entry.id);
  const { principal, why: nobody } = await followsFrom(config, sources, entry.id, [entry]);
  const why = nobody ?? (method.by === 'certificate' ? null : NOT_BY);
  return { ...at, ...judged, logs_in: why === null, san: sanOf(entry), id: entry.id, method, principal, why };
}

const NOT_BY = 'its name does not log in by certificate here';
/** A name that is the id itself is no alias. */
const sanOf = ({ aliases, id }: SourceEntry): string => aliases[0] ?? id;

/** What is known of lists, beside OpenSSL's verdict. */
function revocation(crl: string | null, ca: string, code: string | null): string {
  if (crl === null) return 'nobody knows: there is no tls.clients.crl';
  if (code === 'CERT_REVOKED') return 'revoked';
  if (code !== null) return 'not told: its chain is not good';
  const authorities = certificatesIn(ca);
  const ends = revokedLists(crl)
    .filter((list) => authorities.some((one) => isListOf(list, one)))
    .flatMap((list) => list.ends ?? []);
  return `not revoked${ends.length === 0 ? '' : `; the list is good until ${new Date(Math.min(...ends)).toISOString()}`}`;
}

/** OpenSSL's verdicts (X509_V_ERR_*), as Node names them. */
const VERDICTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it, or one above it, has ended',
  CERT_NOT_YET_VALID: 'it, or one above it, has not begun',
  CERT_REVOKED: 'it, or one above it, was revoked',
  CERT_SIGNATURE_FAILURE: 'it was not signed by the authority whose name it has',
  CRL_HAS_EXPIRED: 'the list of revoked ones is over, and says nothing about today',
  CRL_NOT_YET_VALID: 'the list of revoked ones is not in force yet',
  CRL_SIGNATURE_FAILURE: 'the list of revoked ones was not signed by its authority',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it signed itself, and tls.clients.ca does not name it',
  INVALID_CA: 'what signed it is no authority',
  INVALID_PURPOSE: 'it is not one for clients (extendedKeyUsage)',
  SELF_SIGNED_CERT_IN_CHAIN: 'its authority is not in tls.clients.ca',
  UNABLE_TO_GET_CRL: 'its authority is not in tls.clients.ca, or tls.clients.crl has no list of it, or of one above it',
  UNABLE_TO_GET_ISSUER_CERT: 'its authority is not in tls.clients.ca, or one between is missing in the file',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is not in tls.clients.ca, or one between is missing in the file',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is not in tls.clients.ca, or one between is missing in the file',
};
const verdict = (code: string): string => `${VERDICTS[code] ?? 'it does not verify'} (${code})`;

/** For people; a line for each fact. */
export function certificateText(config: Config, { certificate, listeners }: ExplainedCertificate): string {
  const { serial, issuer, names, from, until } = certificate;
  const upstreams = new Map(listenersOf(config).map(({ name, upstream }) => [name, upstream.user]));
  const head = [
    ['serial', serial],
    ['signed by', issuer],
    ['names', names],
    ['valid', `${from} to ${until}`],
  ] as const;
  const parts = listeners.map((one) => {
    const { listener, logs_in, chain, revoked, san, id, method, principal, why } = one;
    const rows: (readonly [string, string])[] = [
      ...(chain === null ? [] : [['chain', chain.said] as const, ['revoked', revoked ?? ''] as const]),
      ...(id === null ? [] : [['name', `${san} is ${id}`] as const]),
      ...(method === null ? [] : [['by', method.said] as const]),
      ...(principal === null ? [] : principalRows(principal, upstreams.get(listener) ?? null)),
      ['logs in', logs_in ? `as ${id}` : `no: ${why}`],
    ];
    return `at ${listener}\n${rowLines(rows)}`;
  });
  return `certificate\n${rowLines(head)}${parts.join('')}`;
}
