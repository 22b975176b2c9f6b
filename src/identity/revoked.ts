// What a list of revoked certificates (CRL, RFC 5280, 5) says of itself: whose it is, until when it counts, and whether that authority signed it.
// For an operator's eyes: what OpenSSL makes of it decides about logins. Must never take what it can't read for a good one.
import { verify, X509Certificate } from 'node:crypto';
import { element, signatureHash } from '../wire/certificate.ts';

export interface RevokedList {
  /** The authority's name as DER, which is how names are compared. */
  readonly issuer: Buffer;
  /** Milliseconds since the epoch; null: it does not say when the next one comes. */
  readonly ends: number | null;
  /** What is signed, by which hash (null: the key says), and how. */
  readonly signed: Buffer;
  readonly hash: string | null;
  readonly signature: Buffer;
}

const TAG = { INTEGER: 0x02, UTC_TIME: 0x17, GENERALIZED_TIME: 0x18 } as const;

/** All lists of a PEM text. Throws where one can't be read. */
export function revokedLists(pem: string): readonly RevokedList[] {
  const blocks = [...pem.matchAll(/-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----/g)];
  return blocks.map(([, base64 = '']) => listOf(Buffer.from(base64, 'base64')));
}

/** All certificates of a PEM text, in its order. Throws where one can't be read. */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(
    /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END (?:TRUSTED )?CERTIFICATE-----/g,
  );
  return (blocks ?? []).map((block) => new X509Certificate(block));
}

/** Is it this authority's, by its name and by its key? */
export function isListOf(list: RevokedList, authority: X509Certificate): boolean {
  if (!list.issuer.equals(subjectOf(authority.raw))) return false;
  try {
    return verify(list.hash, list.signed, authority.publicKey, list.signature);
  } catch {
    return false;
  }
}

function listOf(der: Buffer): RevokedList {
  const outer = at(der, 0);
  const signed = at(der, outer.from);
  const algorithm = at(der, signed.to);
  const bits = at(der, algorithm.to);
  const first = at(der, signed.from);
  // The version is left out where it is the first.
  const inner = first.tag === TAG.INTEGER ? at(der, first.to) : first;
  const issuer = at(der, inner.to);
  const begins = at(der, issuer.to);
  const next = begins.to < signed.to ? at(der, begins.to) : null;
  const dated = next?.tag === TAG.UTC_TIME || next?.tag === TAG.GENERALIZED_TIME;
  return {
    issuer: der.subarray(inner.to, issuer.to),
    ends: next !== null && dated ? timeOf(der.toString('latin1', next.from, next.to)) : null,
    signed: der.subarray(outer.from, signed.to),
    hash: signatureHash(der.toString('hex', at(der, algorithm.from).from, at(der, algorithm.from).to)),
    // Its first byte counts the bits that are left over: none.
    signature: der.subarray(bits.from + 1, bits.to),
  };
}

/** RFC 5280 4.1: version, serial number, algorithm, issuer, validity, subject. */
function subjectOf(der: Buffer): Buffer {
  const signed = at(der, at(der, 0).from);
  let place = signed.from;
  if (at(der, place).tag === 0xa0) place = at(der, place).to;
  for (let skipped = 0; skipped < 4; skipped += 1) place = at(der, place).to;
  return der.subarray(place, at(der, place).to);
}

/** RFC 5280 4.1.2.5: YYMMDDHHMMSSZ, of which 50 and more are 19xx, or YYYYMMDDHHMMSSZ. */
function timeOf(text: string): number {
  const [, year = '', month, day, hour, minute, second] =
    /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  const whole = year.length === 4 ? year : `${Number(year) >= 50 ? '19' : '20'}${year}`;
  return Date.parse(`${whole}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

function at(der: Buffer, place: number): { readonly tag: number; readonly from: number; readonly to: number } {
  const found = element(der, place);
  if (found === null) throw new Error('is no DER');
  return found;
}
