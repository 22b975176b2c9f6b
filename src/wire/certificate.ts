// What a certificate says that a login needs: its subject alternative names, and the hash that SCRAM binds a login to (RFC 5929). Pure reading of
// what OpenSSL or Node handed over. Must never guess: what is not understood has no names and no hash.

export interface AlternativeName {
  /** As OpenSSL names it: DNS, URI, IP Address, email, othername ... */
  readonly kind: string;
  readonly value: string;
}

/** The names in an `X509Certificate.subjectAltName`; a value that could be mistaken for another entry stands there as JSON. Null: it can't be read. */
export const alternativeNames = (text: string | undefined): readonly AlternativeName[] | null => {
  const found: AlternativeName[] = [];
  let rest = text ?? '';
  while (rest !== '') {
    const entry = /^([A-Za-z][A-Za-z0-9 ]*):("(?:[^"\\]|\\.)*"|[^",]*)(?:, (?=.)|$)/s.exec(rest);
    if (!entry) return null;
    const [whole, kind, written] = entry as unknown as [string, string, string];
    const value = written.startsWith('"') ? fromJson(written) : written;
    if (value === null) return null;
    found.push({ kind, value });
    rest = rest.slice(whole.length);
  }
  return found;
};

const fromJson = (text: string): string | null => {
  try {
    return JSON.parse(text) as string;
  } catch {
    return null;
  }
};

/** Object identifiers of signature algorithms, DER contents in hex, and the hash that tls-server-end-point takes: SHA-256 for MD5 and SHA-1. */
const SIGNATURES: ReadonlyMap<string, string> = new Map([
  ['2a864886f70d010104', 'sha256'],
  ['2a864886f70d010105', 'sha256'],
  ['2a864886f70d01010b', 'sha256'],
  ['2a864886f70d01010c', 'sha384'],
  ['2a864886f70d01010d', 'sha512'],
  ['2a864886f70d01010e', 'sha224'],
  ['2a8648ce3d0401', 'sha256'],
  ['2a8648ce3d040301', 'sha224'],
  ['2a8648ce3d040302', 'sha256'],
  ['2a8648ce3d040303', 'sha384'],
  ['2a8648ce3d040304', 'sha512'],
]);
/** The hash of a signature's algorithm (OID as DER contents in hex), as node:crypto names it. Null: it has none, as Ed25519, or is not known. */
export const signatureHash = (oid: string): string | null => SIGNATURES.get(oid) ?? null;
/** RSASSA-PSS names its hash among its parameters. */
const PSS = '2a864886f70d01010a';
const HASHES: ReadonlyMap<string, string> = new Map([
  ['2b0e03021a', 'sha256'],
  ['608648016503040201', 'sha256'],
  ['608648016503040202', 'sha384'],
  ['608648016503040203', 'sha512'],
  ['608648016503040204', 'sha224'],
]);
const TAG = { SEQUENCE: 0x30, OID: 0x06, CONTEXT_0: 0xa0 } as const;

/** The hash that binds a login to a certificate (DER), as node:crypto names it. Null: the RFC defines none for its signature (Ed25519). */
export const endPointHash = (der: Buffer): string | null => {
  const certificate = element(der, 0);
  const signed = certificate && element(der, certificate.from);
  const algorithm = signed && element(der, signed.to);
  const oid = algorithm && element(der, algorithm.from);
  if (certificate?.tag !== TAG.SEQUENCE || algorithm?.tag !== TAG.SEQUENCE || oid?.tag !== TAG.OID) return null;
  const name = der.toString('hex', oid.from, oid.to);
  return name === PSS ? pssHash(der, oid.to, algorithm.to) : (SIGNATURES.get(name) ?? null);
};

/** SHA-1 is the default, which counts as SHA-256. */
const pssHash = (der: Buffer, at: number, end: number): string | null => {
  const parameters = at < end ? element(der, at) : null;
  if (parameters?.tag !== TAG.SEQUENCE) return null;
  const first = parameters.from < parameters.to ? element(der, parameters.from) : null;
  if (first?.tag !== TAG.CONTEXT_0) return 'sha256';
  const algorithm = element(der, first.from);
  const oid = algorithm && element(der, algorithm.from);
  return oid?.tag === TAG.OID ? (HASHES.get(der.toString('hex', oid.from, oid.to)) ?? null) : null;
};

/** The DER element at a place: its tag, and where its contents are. Null: there is no whole one. */
export const element = (
  der: Buffer,
  at: number,
): { readonly tag: number; readonly from: number; readonly to: number } | null => {
  const [tag, short] = [der[at], der[at + 1]];
  if (tag === undefined || short === undefined) return null;
  const more = short < 0x80 ? 0 : short - 0x80;
  // 0x80 alone is BER's open end, which DER has not.
  if (short === 0x80 || more > 4 || at + 2 + more > der.length) return null;
  const length = more === 0 ? short : der.readUIntBE(at + 2, more);
  const from = at + 2 + more;
  return from + length > der.length ? null : { tag, from, to: from + length };
};
