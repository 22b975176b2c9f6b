// The part of `holdpoint check` that looks at certificates: those in the configuration's files, and those that servers, directories and issuers show
// when TLS with them begins. Says nothing to any of them but that it wants TLS; must never take a certificate for good that the gateway would refuse.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import {
  checkServerIdentity,
  connect as connectTls,
  type PeerCertificate,
  rootCertificates,
  type TLSSocket,
} from 'node:tls';
import type { Config, MysqlConfig, PostgresConfig } from '../config/config.ts';
import { certificatesIn, isListOf, type RevokedList, revokedLists } from '../identity/revoked.ts';
import type { Finding } from './check.ts';

/** Before a certificate's last day somebody should know. */
export const DAYS_LEFT_MIN = 30;
/** Lists of revoked ones last for days: this is when the next should be there. */
export const LIST_HOURS_LEFT_MIN = 24;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** For TCP, what comes before TLS, and TLS. */
const PEER_TIMEOUT_MS = 5_000;
/** Of what a server says before TLS: a MySQL greeting has some 100 bytes. */
const GREETING_BYTES_MAX = 16 * 1024;
/** Certificates of one chain that are looked at. */
const CHAIN_MAX = 10;

const fail = (about: string, text: string): Finding => ({ level: 'fail', about, text });
const warn = (about: string, text: string): Finding => ({ level: 'warn', about, text });
const ok = (about: string, text: string): Finding => ({ level: 'ok', about, text });
const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Of the files that the configuration names: listeners' and the page's own, and whose certificates are taken. */
export function checkCertificates(config: Config, now: number = Date.now()): Finding[] {
  const { postgres, mysql, review } = config;
  const host = review.url?.startsWith('https:') ? new URL(review.url).hostname.replaceAll(/^\[|\]$/g, '') : null;
  const known = knownAuthorities(config);
  return [
    ...[...postgres, ...mysql].flatMap(({ name, tls }) =>
      tls === null
        ? []
        : [
            ...own(name, tls, { host: null, known, now }),
            ...(tls.clients === null ? [] : clients(name, tls.clients.ca.pem, tls.clients.crl?.pem ?? null, now)),
          ],
    ),
    ...(review.tls === null ? [] : own('review', review.tls, { host, known, now })),
    ...authorityFiles(config).flatMap(({ about, of, pem }) => authorities(about, of, pem, now)),
  ];
}

/** Each `ca` by which somebody else's certificate is looked at. */
function authorityFiles({ postgres, mysql, identity }: Config): { about: string; of: string; pem: string }[] {
  const { ldap, oidc, jwt } = identity;
  const files: readonly (readonly [about: string, of: string, pem: string | null | undefined])[] = [
    ...[...postgres, ...mysql].map(({ name, upstream_tls }) => [name, 'the server', upstream_tls.ca] as const),
    ['ldap', 'the directory', ldap?.ca],
    ['oidc', 'the provider', oidc?.ca],
    ...jwt.map(({ issuer, keys }) => ['jwt', issuer, 'ca' in keys ? keys.ca : null] as const),
  ];
  return files.flatMap(([about, of, pem]) => (pem == null ? [] : [{ about, of, pem }]));
}

/** All that some part of the configuration trusts; one that can't be read is told where it stands. */
function knownAuthorities(config: Config): readonly X509Certificate[] {
  const clientsOf = [...config.postgres, ...config.mysql].flatMap(({ tls }) => tls?.clients?.ca.pem ?? []);
  return [...authorityFiles(config).map(({ pem }) => pem), ...clientsOf].flatMap((pem) => {
    try {
      return certificatesIn(pem);
    } catch {
      return [];
    }
  });
}

interface Against {
  /** Whom reviewers open; null: nobody knows by what name agents come. */
  readonly host: string | null;
  readonly known: readonly X509Certificate[];
  readonly now: number;
}

/** How long it is good, whether the key is its, whether it is for the name that is opened, and whether others can follow it to its authority. */
function own(
  about: string,
  { cert, key }: { readonly cert: string; readonly key: string },
  against: Against,
): Finding[] {
  const { host, known, now } = against;
  try {
    const [leaf, ...above] = certificatesIn(cert);
    if (leaf === undefined) return [fail(about, 'its certificate can not be read: there is none in its file')];
    const found = [lasts(about, 'its certificate', leaf, now)];
    if (!leaf.checkPrivateKey(createPrivateKey(key))) found.push(fail(about, 'its key is not that of its certificate'));
    if (host !== null && (isIP(host) === 0 ? leaf.checkHost(host) : leaf.checkIP(host)) === undefined)
      found.push(fail(about, `its certificate is not for ${host}, which reviewers open`));
    return [...found, ...chain(about, [leaf, ...above], known, now)];
  } catch (error) {
    return [fail(about, `its certificate or key can not be read: ${words(error)}`)];
  }
}

/** What stands after a certificate in its file, and what is missing there. */
function chain(
  about: string,
  all: readonly X509Certificate[],
  known: readonly X509Certificate[],
  now: number,
): Finding[] {
  const found = all.slice(1).flatMap((above, i) => {
    const below = all[i] as X509Certificate;
    const wrong = signed(below, above)
      ? []
      : [
          fail(
            about,
            `certificate ${i + 2} in its file (${nameOf(above)}) did not sign the one before it: its own first, then who signed each`,
          ),
        ];
    return [...wrong, ...unlessGood(lasts(about, `${nameOf(above)} in its chain`, above, now))];
  });
  const last = all.at(-1) as X509Certificate;
  if (signed(last, last)) return found;
  const issuer = known.find((one) => signed(last, one));
  // Somebody who has a certificate of a well-known authority signs no servers' with it; a private one often does.
  const between =
    issuer === undefined ? last.infoAccess?.includes('CA Issuers') && !isWellKnown(last) : !signed(issuer, issuer);
  if (!between) return found;
  const text = `its chain is incomplete: ${issuerOf(last)} signed ${all.length > 1 ? 'the last one' : 'it'} and is not in its file. Append it, or agents' drivers have to know ${issuerOf(last)} itself`;
  return [...found, warn(about, text)];
}

let roots: readonly X509Certificate[] | null = null;
const isWellKnown = (certificate: X509Certificate): boolean => {
  roots ??= rootCertificates.map((pem) => new X509Certificate(pem));
  return roots.some((root) => signed(certificate, root));
};

const signed = (below: X509Certificate, above: X509Certificate): boolean =>
  below.checkIssued(above) && below.verify(above.publicKey);

/** The common name, or all of the name where there is none. */
const nameOf = ({ subject }: X509Certificate): string => commonName(subject);
const issuerOf = ({ issuer }: X509Certificate): string => commonName(issuer);
const commonName = (name: string | undefined): string =>
  (/^CN=(.*)$/m.exec(name ?? '')?.[1] ?? (name ?? '').replaceAll('\n', ', ')) || 'a certificate without a name';

function lasts(
  about: string,
  what: string,
  { validFrom, validTo }: Pick<X509Certificate, 'validFrom' | 'validTo'>,
  now: number,
): Finding {
  const days = Math.floor((Date.parse(validTo) - now) / DAY_MS);
  if (Date.parse(validTo) <= now) return fail(about, `${what} ended on ${validTo}`);
  if (Date.parse(validFrom) > now) return fail(about, `${what} begins on ${validFrom}`);
  return days < DAYS_LEFT_MIN
    ? warn(about, `${what} ends in ${days} days`)
    : ok(about, `${what} is good until ${validTo}`);
}

const unlessGood = (finding: Finding): Finding[] => (finding.level === 'ok' ? [] : [finding]);

/** Authorities by which others are looked at. */
function authorities(about: string, of: string, pem: string, now: number): Finding[] {
  try {
    return certificatesIn(pem).flatMap((one) =>
      unlessGood(lasts(about, `the authority ${nameOf(one)}, by which ${of} is known,`, one, now)),
    );
  } catch (error) {
    return [fail(about, `the authorities by which ${of} is known can not be read: ${words(error)}`)];
  }
}

/** Authorities of agents' certificates, and their lists of revoked ones. */
function clients(about: string, ca: string, crl: string | null, now: number): Finding[] {
  try {
    const all = certificatesIn(ca);
    const found = all.flatMap((one) => [
      ...unlessGood(lasts(about, `the authority ${nameOf(one)} of agents' certificates`, one, now)),
      ...(one.ca ? [] : [fail(about, `${nameOf(one)} in tls.clients.ca is no authority: it lets nobody in`)]),
    ]);
    return [...found, ...(crl === null ? [] : revoked(about, all, revokedLists(crl), now))];
  } catch (error) {
    return [fail(about, `tls.clients.ca or crl can not be read: ${words(error)}`)];
  }
}

function revoked(
  about: string,
  all: readonly X509Certificate[],
  lists: readonly RevokedList[],
  now: number,
): Finding[] {
  const strangers = lists.filter((list) => !all.some((one) => isListOf(list, one))).length;
  const without = all.filter((one) => !lists.some((list) => isListOf(list, one)));
  return [
    ...(strangers > 0
      ? [
          fail(
            about,
            `tls.clients.crl: ${strangers} of its ${lists.length} lists ${strangers === 1 ? 'is' : 'are'} of no authority of tls.clients.ca, by its name and key`,
          ),
        ]
      : []),
    ...without.map((one) =>
      fail(about, `tls.clients.crl has no list of ${nameOf(one)}: whoever has a certificate of it is refused`),
    ),
    ...lists.flatMap(({ ends }): Finding[] => {
      if (ends === null || ends - now >= LIST_HOURS_LEFT_MIN * HOUR_MS) return [];
      const when = new Date(ends).toISOString();
      return [
        ends <= now
          ? fail(
              about,
              `a list of tls.clients.crl ended at ${when}: every certificate is refused until there is a new one`,
            )
          : warn(about, `a list of tls.clients.crl ends at ${when}, and refuses everybody from then on`),
      ];
    }),
  ];
}

/** Somebody whom the gateway speaks TLS with. */
interface Place {
  readonly about: string;
  readonly host: string;
  readonly port: number;
  /** PEM; null: the system's. */
  readonly ca: string | null;
  /** What upstream_tls says: is its authority looked at, is its name? */
  readonly trusted: boolean;
  readonly named: boolean;
  /** What is said before TLS. */
  readonly begin: Begin;
}
/** False: TLS is not to be had there, or not spoken of; whoever logs in there is told. */
type Begin = (socket: Socket) => Promise<boolean>;

/** Of servers, directories and issuers, as they are shown when TLS begins. Rejects never. */
export async function checkPeers(config: Config, now: number = Date.now()): Promise<Finding[]> {
  const found = await Promise.all(placesOf(config).map((place) => peer(place, now)));
  return found.flat();
}

function placesOf({ postgres, mysql, identity: { ldap, oidc, jwt } }: Config): readonly Place[] {
  const upstream = (
    { name, upstream: { host, port }, upstream_tls: { mode, ca } }: PostgresConfig | MysqlConfig,
    begin: Begin,
  ): Place[] =>
    mode === 'disable'
      ? []
      : [{ about: name, host, port, ca, trusted: mode !== 'require', named: mode === 'verify-full', begin }];
  const web = (about: string, url: string, ca: string | null): Place[] => {
    const { protocol, hostname, port } = new URL(url);
    if (protocol !== 'https:') return [];
    const host = hostname.replaceAll(/^\[|\]$/g, '');
    return [{ about, host, port: Number(port || 443), ca, trusted: true, named: true, begin: atOnce }];
  };
  return [
    ...postgres.flatMap((one) => upstream(one, postgresTls)),
    ...mysql.flatMap((one) => upstream(one, mysqlTls)),
    ...(ldap?.servers ?? []).flatMap(({ host, port, security }): Place[] =>
      security === 'none'
        ? []
        : [
            {
              about: 'ldap',
              host,
              port,
              ca: ldap?.ca ?? null,
              trusted: true,
              named: true,
              begin: security === 'tls' ? atOnce : startTls,
            },
          ],
    ),
    ...(oidc === undefined ? [] : web('oidc', oidc.issuer, oidc.ca)),
    ...jwt.flatMap(({ keys }) => ('url' in keys ? web('jwt', keys.url, keys.ca) : [])),
  ];
}

/** What cannot be connected to at all is told by whoever logs in there. */
async function peer(place: Place, now: number): Promise<Finding[]> {
  const { about, host, port, begin } = place;
  const socket = connect({ host, port, timeout: PEER_TIMEOUT_MS });
  // Told by whoever waits for something; later it is of no interest.
  socket.on('error', () => {});
  const over = setTimeout(() => socket.destroy(new Error('no answer')), PEER_TIMEOUT_MS);
  try {
    await once(socket, 'connect');
    if (!(await begin(socket))) return [];
  } catch {
    socket.destroy();
    clearTimeout(over);
    return [];
  }
  try {
    return judge(place, await handshake(place, socket), now);
  } catch (error) {
    return [fail(about, `TLS with ${host}:${port} can not begin: ${words(error)}`)];
  } finally {
    clearTimeout(over);
    socket.destroy();
  }
}

/** Nothing is sent over it, so it is taken whatever its certificate is: what is wrong with that is what is looked for. */
async function handshake({ host, ca }: Place, socket: Socket): Promise<TLSSocket> {
  const tls = connectTls({
    socket,
    ...(isIP(host) === 0 && { servername: host }),
    ...(ca !== null && { ca }),
    rejectUnauthorized: false,
    // Compared by itself, so that an end and a wrong name are both told.
    checkServerIdentity: () => undefined,
  });
  tls.on('error', () => {});
  await once(tls, 'secureConnect');
  return tls;
}

function judge({ about, host, port, ca, trusted, named }: Place, tls: TLSSocket, now: number): Finding[] {
  const shown = chainOf(tls);
  const [leaf] = shown;
  const what = `the certificate of ${host}:${port}`;
  if (leaf === undefined) return [fail(about, `${host}:${port} shows no certificate`)];
  const found = [lasts(about, what, { validFrom: leaf.valid_from, validTo: leaf.valid_to }, now)];
  for (const above of shown.slice(1)) {
    const name = `${String(above.subject?.CN ?? 'an authority')} in the chain of ${host}:${port}`;
    found.push(...unlessGood(lasts(about, name, { validFrom: above.valid_from, validTo: above.valid_to }, now)));
  }
  if (named && checkServerIdentity(host, leaf) !== undefined) {
    const names = leaf.subjectaltname?.replaceAll(/(DNS|IP Address|URI):/g, '') ?? 'nobody';
    found.push(fail(about, `${what} is for ${names}, not for ${host}, as the configuration has it`));
  }
  const error = trusted ? (tls.authorizationError as unknown as string | null) : null;
  const untrusted = error === null || DATES.has(error) ? null : UNTRUSTED[error];
  if (untrusted === undefined) found.push(fail(about, `${what} does not verify: ${error}`));
  else if (untrusted !== null) {
    const issuer = String(shown.at(-1)?.issuer?.CN ?? 'its authority');
    found.push(fail(about, `${what} ${untrusted(issuer, ca === null ? "the system's authorities" : 'ca')}`));
  }
  return found;
}

/** Ends are told by date. */
const DATES: ReadonlySet<string> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);
const missing = (issuer: string, where: string): string =>
  `can not be followed to an authority: ${issuer} is not in ${where}. Either its chain is incomplete (the server has to send what is between), or ${issuer} has to be in ca`;
const unknown = (issuer: string, where: string): string =>
  `is of an authority that is not trusted: ${issuer} is not in ${where}`;
/** OpenSSL's verdicts (X509_V_ERR_*), as Node names them, in words. */
const UNTRUSTED: Readonly<Record<string, (issuer: string, where: string) => string>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: missing,
  UNABLE_TO_GET_ISSUER_CERT: missing,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: missing,
  SELF_SIGNED_CERT_IN_CHAIN: unknown,
  DEPTH_ZERO_SELF_SIGNED_CERT: unknown,
  CERT_SIGNATURE_FAILURE: (issuer) => `was not signed by ${issuer}, whose name it has`,
  INVALID_PURPOSE: () => 'is not one for servers',
  CERT_REVOKED: () => 'was revoked',
};

/** The one shown first, then who signed each, as far as that was shown or is known here. */
function chainOf(tls: TLSSocket): readonly PeerCertificate[] {
  const found: PeerCertificate[] = [];
  let one = tls.getPeerCertificate(true) as PeerCertificate & { issuerCertificate?: PeerCertificate };
  while (one?.raw !== undefined && found.length < CHAIN_MAX && !found.some(({ raw }) => raw.equals(one.raw))) {
    found.push(one);
    one = one.issuerCertificate as typeof one;
  }
  return found;
}

const atOnce: Begin = () => Promise.resolve(true);

/** SSLRequest (PostgreSQL, Message Formats): answered by S or N. */
const postgresTls: Begin = async (socket) => {
  socket.write(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]));
  return (await read(socket, (all) => all.length > 0)).toString('latin1') === 'S';
};

/** Protocol::SSLRequest after the greeting: CLIENT_PROTOCOL_41, CLIENT_SSL, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH; 16 MiB; utf8mb4. */
const mysqlTls: Begin = async (socket) => {
  const greeting = await read(socket, (all) => all.length >= 4 && all.length >= 4 + all.readUIntLE(0, 3));
  if (greeting[4] !== 10) return false;
  const request = Buffer.alloc(36);
  request.writeUIntLE(32, 0, 3);
  request[3] = 1;
  request.writeUInt32LE(0x200 | 0x800 | 0x8000 | 0x80000, 4);
  request.writeUInt32LE(0x1000000, 8);
  request[12] = 45;
  socket.write(request);
  return true;
};

/** StartTLS (RFC 4511, 4.14): an extended request with its OID, answered by a result of which 0 is success. */
const startTls: Begin = async (socket) => {
  const oid = Buffer.from('1.3.6.1.4.1.1466.20037');
  socket.write(
    Buffer.concat([Buffer.from([0x30, oid.length + 7, 0x02, 0x01, 0x01, 0x77, oid.length + 2, 0x80, oid.length]), oid]),
  );
  const answer = await read(socket, (all) => all.length >= lengthOf(all));
  return answer.includes(Buffer.from([0x0a, 0x01, 0x00]));
};

/** Of a whole BER element with its head, as far as that can be told (X.690, 8.1.3). */
function lengthOf(all: Buffer): number {
  const short = all[1] ?? 0;
  const more = short < 0x80 ? 0 : Math.min(short - 0x80, 4);
  if (all.length < 2 + more) return 2 + more;
  return 2 + more + (more === 0 ? short : all.readUIntBE(2, more));
}

/** What comes, until it is enough; the socket is paused then. Rejects where it ends, or says too much, before. */
function read(socket: Socket, isEnough: (all: Buffer) => boolean): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let all = Buffer.alloc(0);
    const done = (finish: () => void): void => {
      socket.off('data', more).off('close', gone).pause();
      finish();
    };
    const gone = (): void => done(() => reject(new Error('it closed the connection')));
    const more = (chunk: Buffer): void => {
      all = Buffer.concat([all, chunk]);
      if (isEnough(all)) done(() => resolve(all));
      else if (all.length > GREETING_BYTES_MAX) done(() => reject(new Error('it says too much')));
    };
    socket.on('data', more).once('close', gone);
  });
}
