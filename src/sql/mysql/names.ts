// Which names are one and the same to the servers. System variables, routines and prepared statements go by a collation (utf8mb3_general_ci)
// that knows neither case nor accents nor spaces at the end; databases and tables, where they go by anything but their bytes, by small letters.
// It may take more names for the same than a server does, where that costs a hold; it must never take fewer.

/** As a collation without case and accents compares a name. What is alike in more than that counts as well. */
export function folded(name: string): string {
  const kept = name.replace(/ +$/, '');
  if (isAscii(kept)) return kept.toLowerCase();
  // Marks of their own are letters to the server, and one of them is an iota.
  const bare = kept.replaceAll('\u0345', 'ι').normalize('NFKD').replace(/\p{M}/gu, '');
  return lowered(bare).replace(/[ßıς]/g, (letter) => ALIKE[letter]!);
}
/** Alike to the collation alone. */
const ALIKE: Readonly<Record<string, string>> = { ß: 's', ı: 'i', ς: 'σ' };

/** In small letters, as the servers write them: letter by letter, whatever stands around it. */
export function lowered(name: string): string {
  if (isAscii(name)) return name.toLowerCase();
  return name.replace(/./gsu, (letter) => (letter === 'İ' ? 'i' : letter.toLowerCase()));
}

/** In capitals; as it is where it has letters besides ASCII, which no word of the servers has. */
export function capitals(name: string): string {
  return isAscii(name) ? name.toUpperCase() : name;
}

export function isAscii(text: string): boolean {
  return !NOT_ASCII.test(text);
}
// oxlint-disable-next-line no-control-regex
const NOT_ASCII = /[^\x00-\x7f]/;
