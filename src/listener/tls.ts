// TLS on the agents' side: what a listener shows, whose certificates it takes, and what became of a client's. Must never take a certificate that
// OpenSSL did not find good, or one from before its list of revoked ones changed.
import { constants, createHash, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { endPointHash } from '../wire/certificate.ts';
import { type ClientsOptions, NO_PEER, type Peer } from './proof.ts';

/** PEM texts. */
export interface ListenerTls {
  readonly cert: string;
  readonly key: string;
  readonly clients?: (ClientsOptions & Trust) | null;
}

/** Whose certificates count. */
export interface Trust {
  readonly ca: { readonly pem: string };
  readonly crl: { readonly pem: string } | null;
}

/** A client that negotiates anew may show another certificate than the one that was judged, and makes the work of a login each time. */
const NEVER = constants.SSL_OP_NO_RENEGOTIATION;

/** Throws on PEM texts that OpenSSL does not take. */
export const contextOf = ({ cert, key }: ListenerTls, trust: Trust | null): SecureContext =>
  createSecureContext({
    cert,
    key,
    minVersion: 'TLSv1.2',
    // A session taken up again shows no certificate: nobody would look whether it was revoked since.
    secureOptions: trust === null ? NEVER : NEVER | constants.SSL_OP_NO_TICKET,
    ...(trust && { ca: trust.ca.pem, ...(trust.crl && { crl: listsIn(trust.crl.pem) }) }),
  });

/** One by one: of a text with several Node reads the first alone. Throws where there is none, or one that is not whole. */
const listsIn = (pem: string): string[] => {
  const begun = pem.match(/-----BEGIN X509 CRL-----/g) ?? [];
  const lists = pem.match(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g) ?? [];
  if (lists.length === 0 || lists.length !== begun.length)
    throw new Error('there is no list of revoked certificates in it, or one that is not whole');
  return lists;
};

/** What SCRAM binds a login to (tls-server-end-point): the hash of the certificate shown. Null: none is defined for it. */
export const endPointOf = ({ cert }: ListenerTls): Buffer | null => {
  const { raw } = new X509Certificate(cert);
  const hash = endPointHash(raw);
  return hash === null ? null : createHash(hash).update(raw).digest();
};

/** After the handshake, on a line where a certificate was asked for. */
export const peerOf = (tls: TLSSocket): Peer => {
  const certificate = tls.getPeerX509Certificate();
  if (certificate === undefined) return NO_PEER;
  const error = verification(tls);
  return error === null ? { type: 'good', certificate } : { type: 'bad', why: error };
};

/**
 * What OpenSSL found of the client's chain, as a code; null: good. Node tells it to a tls.Server's sockets alone (`authorized`), which does not fit
 * a protocol that begins in clear; the handle under the socket is what that asks, too. Throws where there is no such thing any more.
 */
const verification = (tls: TLSSocket): string | null => {
  const handle = (tls as unknown as { readonly ssl?: { verifyError?: () => (Error & { code?: string }) | null } }).ssl;
  if (typeof handle?.verifyError !== 'function')
    throw new Error('this Node does not tell what became of a certificate');
  const error = handle.verifyError();
  return error && (error.code ?? 'not verified');
};
