// Who an agent's certificate is for: its SPIFFE ID or a DNS name of it, as the listener's configuration takes names from them. The chain and the
// lists of revoked ones were looked at before. Must never read the subject (CN), and never choose between two names.
import type { X509Certificate } from 'node:crypto';
import { alternativeNames } from '../wire/certificate.ts';
import type { SourceEntry } from './types.ts';

/** SPIFFE-ID: `spiffe://trust-domain/path`, at most this long. */
const SPIFFE_BYTES_MAX = 2048;
const SPIFFE = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/;
const DNS = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export interface CertificateNames {
  /** `why`: for the record, never for the client. */
  of(certificate: X509Certificate): SourceEntry | { readonly why: string };
}

/** `san`: a SPIFFE ID or a DNS name with {name} for what `user` has there; the first that fits counts. */
export function createCertificateNames(
  names: readonly { readonly san: string; readonly user: string }[],
): CertificateNames {
  const rules = names.map(({ san, user }) => ({ kind: kindOf(san), pattern: patternOf(san), user }));
  return {
    of(certificate) {
      const all = alternativeNames(certificate.subjectAltName);
      if (all === null) return { why: 'its alternative names can not be read' };
      if (certificate.ca) return { why: 'it is an authority itself' };
      const uris = all.filter(({ kind }) => kind === 'URI');
      if (uris.length > 1) return { why: 'it has several URIs' };
      const usable = all.filter(({ kind, value }) =>
        kind === 'URI' ? value.length <= SPIFFE_BYTES_MAX && SPIFFE.test(value) : kind === 'DNS' && DNS.test(value),
      );
      if (usable.length === 0) return { why: 'it has no SPIFFE ID and no DNS name' };
      for (const { kind, pattern, user } of rules) {
        const found = usable.flatMap((name) => {
          const match = name.kind === kind ? pattern.exec(name.value) : null;
          return match ? [{ san: name.value, id: user.replaceAll('{name}', () => match[1] ?? '') }] : [];
        });
        if (new Set(found.map(({ id }) => id)).size > 1) return { why: 'it has several names' };
        const [one] = found;
        if (one) return entryOf(one, certificate);
      }
      return { why: 'none of its names fits tls.clients.names' };
    },
  };
}

function entryOf(
  { san, id }: { readonly san: string; readonly id: string },
  { validTo }: X509Certificate,
): SourceEntry {
  const said = { groups: [], sponsor: null, on_behalf_of: [], task: null, token: null };
  return { source: 'certificate', id, aliases: san === id ? [] : [san], expires: Date.parse(validTo), ...said };
}

function kindOf(san: string): 'URI' | 'DNS' {
  return san.startsWith('spiffe:') ? 'URI' : 'DNS';
}

/** {name} is one segment of a path, or one label. */
function patternOf(san: string): RegExp {
  const part = kindOf(san) === 'URI' ? '([A-Za-z0-9._-]+)' : '([a-z0-9-]+)';
  return new RegExp(`^${san.split('{name}').map(escaped).join(part)}$`);
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
