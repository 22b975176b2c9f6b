// Whose certificates count at a listener, what became of one that a client showed, and which principal's it is. For whoever listens, and for `whoami`,
// which explains it: both ask here. Must never take a certificate that OpenSSL did not find good, or one from before its list of revoked ones changed.
import { constants, type X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { createCertificateNames } from './certificate.ts';
import type { SourceEntry } from './types.ts';

/** Whose certificates count. PEM texts. */
export interface Trust {
  readonly ca: { readonly pem: string };
  readonly crl: { readonly pem: string } | null;
}

export interface ClientsOptions {
  readonly required: boolean;
  readonly names: readonly { readonly san: string; readonly user: string }[];
}

/** What became of the certificate that a client was asked for. */
export type Peer =
  | { readonly type: 'none' }
  | { readonly type: 'good'; readonly certificate: X509Certificate }
  /** Not of our authorities, revoked, too old, not for clients ... */
  | { readonly type: 'bad'; readonly why: string };

export const NO_PEER: Peer = { type: 'none' };

/** A client that negotiates anew may show another certificate than the one that was judged, and makes the work of a login each time. */
const NEVER = constants.SSL_OP_NO_RENEGOTIATION;

/** Throws on PEM texts that OpenSSL does not take. */
export function contextOf(
  { cert, key }: { readonly cert: string; readonly key: string },
  trust: Trust | null,
): SecureContext {
  return createSecureContext({
    cert,
    key,
    minVersion: 'TLSv1.2',
    // A session taken up again shows no certificate: nobody would look whether it was revoked since.
    secureOptions: trust === null ? NEVER : NEVER | constants.SSL_OP_NO_TICKET,
    ...(trust && { ca: trust.ca.pem, ...(trust.crl && { crl: listsIn(trust.crl.pem) }) }),
  });
}

/** One by one: of a text with several Node reads the first alone. Throws where there is none, or one that is not whole. */
function listsIn(pem: string): string[] {
  const begun = pem.match(/-----BEGIN X509 CRL-----/g) ?? [];
  const lists = pem.match(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g) ?? [];
  if (lists.length === 0 || lists.length !== begun.length)
    throw new Error('there is no list of revoked certificates in it, or one that is not whole');
  return lists;
}

/** When a certificate that was asked for has come. */
export function peerOf(tls: TLSSocket): Peer {
  const certificate = tls.getPeerX509Certificate();
  if (certificate === undefined) return NO_PEER;
  const error = verification(tls);
  return error === null ? { type: 'good', certificate } : { type: 'bad', why: error };
}

/**
 * What OpenSSL found of the client's chain, as a code; null: good. Node tells it to a tls.Server's sockets alone (`authorized`), which does not fit
 * a protocol that begins in clear; the handle under the socket is what that asks, too. Throws where there is no such thing any more.
 */
function verification(tls: TLSSocket): string | null {
  const handle = (tls as unknown as { readonly ssl?: { verifyError?: () => (Error & { code?: string }) | null } }).ssl;
  if (typeof handle?.verifyError !== 'function')
    throw new Error('this Node does not tell what became of a certificate');
  const error = handle.verifyError();
  return error && (error.code ?? 'not verified');
}

/** `why`: for the record and the operator, never for the client. */
type Whose = SourceEntry | { readonly why: string };

export interface Peers {
  /** Which principal's it is. */
  of(peer: Peer): Whose;
  /** Why nobody is let in who comes with this, however they prove who they are; null: that is no reason. */
  unfit(peer: Peer): string | null;
}

/** Null: no certificate is asked for. */
export function createPeers(clients: ClientsOptions | null): Peers {
  const names = clients && createCertificateNames(clients.names);
  const of = (peer: Peer): Whose => {
    if (peer.type === 'none') return { why: 'there is none' };
    if (peer.type === 'bad') return peer;
    return names?.of(peer.certificate) ?? { why: 'this address takes none' };
  };
  return {
    of,
    unfit(peer) {
      if (peer.type === 'bad') return `certificate: ${peer.why}`;
      if (clients?.required !== true) return null;
      if (peer.type === 'none') return 'no certificate';
      const entry = of(peer);
      return 'why' in entry ? `certificate: ${entry.why}` : null;
    },
  };
}
