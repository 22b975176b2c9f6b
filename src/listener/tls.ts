// TLS on the agents' side: what a listener shows, and what a login is bound to. Whose certificates it takes, and what became of a client's, is said
// by identity/peer.ts. Must never name a hash for a certificate that has none.
import { createHash, X509Certificate } from 'node:crypto';
import type { ClientsOptions, Trust } from '../identity/peer.ts';
import { endPointHash } from '../wire/certificate.ts';

/** PEM texts. */
export interface ListenerTls {
  readonly cert: string;
  readonly key: string;
  readonly clients?: (ClientsOptions & Trust) | null;
}

/** What SCRAM binds a login to (tls-server-end-point): the hash of the certificate shown. Null: none is defined for it. */
export const endPointOf = ({ cert }: ListenerTls): Buffer | null => {
  const { raw } = new X509Certificate(cert);
  const hash = endPointHash(raw);
  return hash === null ? null : createHash(hash).update(raw).digest();
};
