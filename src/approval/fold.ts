// When two spellings are one name. Must never make two of one: taking two for one only refuses more.

/** As both have it. */
export function fold(id: string): string {
  return (ASCII.test(id) ? id : id.normalize('NFKC')).toLowerCase();
}
/** Normal already. Of each request and each reviewer it is asked again and again. */
const ASCII = /^[\x20-\x7e]*$/;
