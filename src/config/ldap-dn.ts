// Distinguished names as text (RFC 4514): read, compared, and made from values. Pure.
// Must never let a value's characters become structure, or call two names different because they are spelled differently.

/** One type and value of an RDN; the value unescaped. */
interface Part {
  readonly type: string;
  readonly value: string;
}

/** Longer texts are no DN to us. */
const DN_CHARS_MAX = 8192;
/**
 * type=value and what ends it. Spaces around the parts, quotes and `;` are RFC 2253's and 1779's; directories still keep what was written
 * so. `#` and hexadecimal digits are a value in BER. A plain value begins with no space, so that no text is read in two ways.
 */
const PART =
  / *(?<type>[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*) *= *(?:#(?<hex>(?:[0-9a-fA-F]{2})+) *|"(?<quoted>(?:[^"\\]|\\.)*)" *|(?! )(?<plain>(?:[^"+,;<>\\\0]|\\[0-9a-fA-F]{2}|\\[ "#+,;<=>\\])*))(?<end>[,;+]|$)/sy;

/** The RDNs, leftmost first; null: this is no DN, or the empty one. */
export function parseDn(text: string): readonly (readonly Part[])[] | null {
  if (text.length > DN_CHARS_MAX) return null;
  const rdns: Part[][] = [];
  const part = new RegExp(PART);
  let end: string | undefined = ',';
  while (end !== '') {
    const found: Record<string, string | undefined> | undefined = part.exec(text)?.groups;
    if (found === undefined) return null;
    const { type = '', hex, quoted, plain = '' } = found;
    const value = hex === undefined ? unescapeValue(quoted ?? trimEnd(plain)) : `#${hex.toLowerCase()}`;
    const one = { type: type.toLowerCase(), value };
    if (end === '+') rdns.at(-1)?.push(one);
    else rdns.push([one]);
    end = found['end'];
  }
  return rdns;
}

/** The same for two spellings of one name: upper and lower case and spaces count as one, the order inside an RDN does not count. Null: no DN. */
export function foldDn(text: string): readonly string[] | null {
  return (
    parseDn(text)?.map((rdn) => {
      const parts = rdn.map(({ type, value }) => [type, foldValue(value)]);
      return JSON.stringify(parts.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)));
    }) ?? null
  );
}

/** As caseIgnoreMatch compares, nearly (RFC 4518). */
export function foldValue(value: string): string {
  return value.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ');
}

/** Is it the base itself, or below it? Both as foldDn gives them. */
export function isUnder(dn: readonly string[], base: readonly string[]): boolean {
  return dn.length >= base.length && base.every((rdn, index) => dn[dn.length - base.length + index] === rdn);
}

/** A text as a value in a DN: whatever is not a letter, digit, `.`, `_`, `-` or `@` goes as its bytes in hexadecimal (RFC 4514, 2.4). */
export function escapeValue(text: string): string {
  return text.replace(/[^A-Za-z0-9._@-]+/g, (other) =>
    Buffer.from(other, 'utf8').toString('hex').replace(/../g, '\\$&'),
  );
}

/** Spaces at the end are not the value's, but for one that is escaped. */
function trimEnd(plain: string): string {
  const kept = plain.replace(/ +$/, '');
  const slashes = /\\*$/.exec(kept)?.[0].length ?? 0;
  return slashes % 2 === 1 && kept.length < plain.length ? `${kept} ` : kept;
}

function unescapeValue(text: string): string {
  return text.replace(/((?:\\[0-9a-fA-F]{2})+)|\\(.)/gs, (_, hex: string | undefined, char: string) =>
    hex === undefined ? char : Buffer.from(hex.replaceAll('\\', ''), 'hex').toString('utf8'),
  );
}
