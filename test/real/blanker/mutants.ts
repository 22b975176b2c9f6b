// Texts on which lexers disagree: all ways of joining strings, comments, dollar quotes and line ends, and random ones from a seed.
// Texts are UTF-8 bytes as latin1, without NUL; many are no SQL, but most begin like it, for a server reads no further than its first error.
import { readFileSync } from 'node:fs';
import { pick, type Random } from '../../fuzz/random.ts';

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

// ---- on purpose ----------------------------------------------------------------------------------------------------------------

const FIRSTS = [
  ["'a'", "'\\'", "''", "E'a'", "e'\\''", "E'a\\\\'", "U&'a'", "u&'\\0061'", "B'1'", "x'1F'", "N'a'"],
  ['$$a$$', "$t$'$t$", '"a"', 'U&"a"', 'a', 'e', 'a$$', '1', '1.', '1..', '1e', '0x1E', '0xe', '1_0'],
  ['$1', 'é'],
].flat();

const GAPS = [
  ['', ' ', '\n', '\r', '\r\n', '\f', '\v', ' \n\f', '\n\v', '--\n', '--c\r', "--'\n", "\n--'\n"],
  ['--c\n--d\n', '\n--c', '-- /*\n', '/**/', '/*\n*/', '\n/**/', '/**/\n', "/*'*/\n", '/*--*/\n'],
  ['/*/**/*/', '/*/**/', '--\n/*\n*/--\n', '-', '+--\n', ' \u00a0\n'],
].flat();

const SECONDS = [
  ["'b'", "'\\'", "'\\' ; select 2 --'", "'; select 2; --'", "E'\\' ; select 2 --'"],
  ["e'\\'; select 2 --' '", "B'0''1'", "U&'\\' ; select 2 --'", "UESCAPE '!'"],
  ["UESCAPE '\\' ; select 2 --'", '$$b$$', "$t$ ; select 2 --'$t$", '$$; select 2; $x$$', '"b"', 'b'],
  ['; select 2', ';--\nselect 2', '/*; select 2 */', '--; select 2', '/*', '::text ; select 2'],
].flat();

const FRAMES = [
  (words: string) => `select ${words}`,
  (words: string) => `do ${words}; drop table victim`,
  (words: string) => `select f(${words}) --'`,
  (words: string) => `set a to ${words}\n; select 3 /*'*/`,
] as const;

/** Words over an alphabet, up to so many letters. */
function* wordsOver(alphabet: readonly string[], letters_max: number): Generator<string> {
  let words = [''];
  for (let length = 1; length <= letters_max; length += 1) {
    words = words.flatMap((word) => alphabet.map((letter) => word + letter));
    yield* words;
  }
}

/** Every one of them is tried by the proof. */
export function* joins(): Generator<string> {
  for (const frame of FRAMES)
    for (const first of FIRSTS)
      for (const gap of GAPS) for (const second of SECONDS) yield latin1(frame(first + gap + second));
  for (const operator of wordsOver(['+', '-', '*', '/', '@', '='], 4))
    for (const rest of ['1', '\n1', '*/1', '-\n*/1;select 2']) yield `select 1${operator}${rest}`;
  for (const word of wordsOver(['/', '*', '-', '\n', "'"], 5)) {
    yield `select 1 /*${word}*/;select 2`;
    yield `select 'a' ${word} 'b'; select 2`;
    yield `select E'a'${word}'\\'; select 2 --'`;
  }
  for (const word of wordsOver(['$', 'a', '1', "'", ';', ' '], 5)) yield `select ${word}$a$; select 2 $$'$a$`;
  for (const word of wordsOver(["'", '"', '\\', '$', '-', '/*', '*/', 'E', '\n', ';', 'a'], 4)) yield `select ${word}`;
}

// ---- at random -----------------------------------------------------------------------------------------------------------------

const FRAGMENTS = [
  ["'", '"', "''", '""', "E'", "e'", "U&'", 'U&"', "B'", "X'", "N'", "\\'", '\\', '\\\\', "\\u0061'"],
  ['$$', '$a$', '$b$', '$', '$1', '$1a', 'a$', 'a$$', '$é$', '$_1$', '$1$'],
  ['--', '/*', '*/', '/**/', '--\n', '-- c\n', '-- c\r', '/*/*', '*/*/', '/*\n*/', '*/*', '/*/', '-', '/', '*'],
  ['\n', '\r', '\r\n', '\f', '\v', '\t', ' ', '  ', '\u00a0', '\u2028', '\ufeff', '\u0001'],
  [';', ';;', '; select 2', '; drop table victim', ';select 1;', ',', '(', ')', '[', ']', '.', '..', ':', '::', ':='],
  ['=>', '+--', '*/*', '?--', '?-', '@-@', '->>', '<=', '<>', '!=', '=-', '+-', '||', '#-', '&', 'U&', 'u', '~'],
  ['1', '1.', '.5', '1e5', '1e', '1_000', '0x1F', '0x1E', '0b1', '0o7', '123abc', '1..2', '1..e', '1.e'],
  ['a', 'é', 'ß1', 'select', 'from', 'uescape', "UESCAPE '!'", 'E', 'e', 'n', 'b', 'x', 'null', 'not', '東京', '😀'],
].flat();

const GLUE = [
  [' ', ' ', ' ', ' ', ' ', '\n', '\r', '\r\n', '\t', '\f', '  \n  '],
  ['/**/', '/* c */', ' /*\n*/ ', '/*/**/*/', "/*'*/", '/*"*/', '/*$$*/', '/*;*/', '/*--*/\n', '/***/', '/*é*/'],
  ['--\n', '-- c\n', "--'\r", '--"\n', '--$$\n', '-- /*\n', '--;\r\n', '--*/\n', '--\\\n', '--é\n'],
].flat();

const INSIDE = ['a', ' ', ';', '--', '/*', '*/', '"', '$$', '$a$', '\n', '\r', 'é', 'select', '!', '$', '-'] as const;

const LINE_ENDS = ['\n', '\r', ' \n', '--\n', "--'\r", '\n--c\n', '\f\n ', '\n\f'] as const;

const list = (below: Random, most: number, from: readonly string[]): string =>
  Array.from({ length: below(most + 1) }, () => pick(below, from)).join('');

/** Those that stand wherever the grammar takes a string, */
const STRINGS: readonly ((below: Random) => string)[] = [
  (below) => `'${list(below, 4, [...INSIDE, "''", '\\', "\\''"])}'`,
  (below) => `'${list(below, 3, INSIDE)}'`,
  (below) =>
    `${pick(below, ['E', 'e'])}'${list(below, 4, [...INSIDE, "''", "\\'", '\\\\', '\\n', '\\u0061', '\\047', '\\x27', '\\é'])}'`,
  (below) => `${pick(below, ['U&', 'u&'])}'${list(below, 4, [...INSIDE, "''", '\\\\', '\\0061', '\\+000061'])}'`,
  (below) => `$$${list(below, 4, INSIDE).replaceAll('$', '')}$$`,
  (below) => {
    const tag = pick(below, ['$a$', '$é1$', '$_$', '$A$']);
    return `${tag}${list(below, 4, [...INSIDE, "'", "E'", '\\', '$b$', '$a']).replaceAll(tag, '')}${tag}`;
  },
  // Continued over a line end.
  (below) => {
    const [prefix, escapes] = pick(below, [
      ['', ['\\']],
      ['E', ["\\'", '\\\\']],
      ['U&', ["''"]],
    ] as const);
    const [first, second] = [list(below, 2, [...INSIDE, ...escapes]), list(below, 2, [...INSIDE, ...escapes])];
    return `${prefix}'${first}'${pick(below, LINE_ENDS)}'${second}'`;
  },
];
const string = (below: Random): string => pick(below, STRINGS)(below);
/** and those that stand for values only. */
const CONSTANTS: typeof STRINGS = [
  string,
  string,
  (below) => `${pick(below, ['B', 'b', 'X', 'x'])}'${list(below, 3, ['0', '1', ';', '--', '/*', '\\'])}'`,
  (below) => `${pick(below, ['N', 'n'])}'${list(below, 3, [...INSIDE, '\\', "''"])}'`,
];

const name = (below: Random): string => {
  const made = below(10);
  if (made === 0) return `"${list(below, 3, [...INSIDE.filter((piece) => piece !== '"'), '""', "'", '\\'])}a"`;
  if (made === 1) return `U&"a${list(below, 2, ['\\0061', ';', '--', "'", '/*'])}"`;
  return pick(below, ['a', 't', 'e', 'u', 'b', 'x', 'n', 'a$1', '_', 'é', 'E1', 'x$$', '東', 'nosuch']);
};

const operand = (below: Random): string[] => {
  const made = below(8);
  if (made < 3) return [pick(below, CONSTANTS)(below)];
  if (made === 3) return [name(below)];
  if (made === 4)
    return [pick(below, ['1', '1.5', '.5', '1.', '1e5', '0x1F', '1_000', '$1', '$23', 'null', 'true', '0b1'])];
  if (made === 5) return ['f', '(', ...operand(below), ',', ...operand(below), ')'];
  if (made === 6) return ['-', ...operand(below)];
  return ['(', ...expression(below), ')'];
};

const OPERATORS = '+ - * / || <= = <> @> ? ~ -> #>> |/ @-@ % ^'.split(' ');

const expression = (below: Random): string[] =>
  below(3) === 0 ? [...operand(below), pick(below, OPERATORS), ...operand(below)] : operand(below);

/** Words with spaces between; what a word in capitals stands for is made at random. */
const STATEMENTS = [
  'select EXPRESSION',
  'select EXPRESSION',
  'select EXPRESSION , EXPRESSION from t',
  'insert into NAME values ( EXPRESSION ) returning *',
  'update t set a = EXPRESSION where b = EXPRESSION',
  'do STRING',
  'do language plpgsql STRING',
  'comment on table t is STRING',
  'set a.b to STRING , STRING',
  'copy t from STRING with ( format csv , delimiter STRING )',
  'create function f ( ) returns int language sql as STRING , STRING',
  'create function f ( ) returns int begin atomic select OPERAND ; select OPERAND ; end',
  'create rule r as on insert to t do ( select OPERAND ; delete from u )',
  'prepare p as select EXPRESSION',
  'explain select EXPRESSION',
  'declare c cursor for select EXPRESSION',
  'create type y as enum ( STRING , STRING )',
  'select ESCAPED uescape ESCAPE',
  'select interval STRING second',
  'notify n , STRING',
  'begin',
  'commit',
  'rollback',
  'show holdpoint.requests',
  '',
];
const FILLED: Readonly<Record<string, (below: Random) => readonly string[]>> = {
  EXPRESSION: expression,
  OPERAND: operand,
  NAME: (below) => [name(below)],
  STRING: (below) => [string(below)],
  ESCAPED: (below) => [`U&'${list(below, 3, [...INSIDE, '\\'])}'`],
  ESCAPE: (below) => [pick(below, ["'!'", "'\\'", "E'\\\\'", '$$!$$'])],
};

/** One to three statements with anything between their words that separates. */
const grammatical = (below: Random): string => {
  const statements = Array.from({ length: 1 + below(3) }, () => pick(below, STATEMENTS)).join(' ; ');
  const words = statements.split(' ').flatMap((word) => FILLED[word]?.(below) ?? [word]);
  const plain = below(2) === 0;
  const text = words.map((word) => `${word}${plain && below(4) > 0 ? ' ' : glue(below)}`).join('');
  return below(3) === 0 ? `${glue(below)}${text};` : text;
};

const glue = (below: Random): string => {
  const made = below(40);
  if (made === 0) return '';
  return made < 30 ? pick(below, GLUE) : pick(below, GLUE) + pick(below, GLUE);
};

const COLLECTION = readFileSync(new URL('../../../fixtures/sql/bypass-postgres.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .flatMap((line) => {
    const { sql, session = [] } = JSON.parse(line) as { sql?: string; session?: string[] };
    return [...(sql === undefined ? [] : [sql]), ...session];
  })
  .filter((sql) => sql.length < 2000);

/** Spaces become something else that separates. */
const reglued = (below: Random, text: string): string =>
  text.replaceAll(' ', () => (below(5) === 0 ? glue(below) : ' '));

const edited = (below: Random, text: string): string => {
  let characters = Array.from(text);
  for (let left = pick(below, [1, 1, 1, 2, 2, 3]); left > 0; left -= 1) {
    const at = below(characters.length + 1);
    const made = below(8);
    if (made < 4) characters.splice(at, 0, pick(below, FRAGMENTS));
    else if (made === 4) characters.splice(at, 1 + below(3));
    else if (made === 5) characters.splice(at, 0, ...characters.slice(at, at + below(12)));
    else if (made === 6) characters.splice(at, 1, pick(below, FRAGMENTS));
    else characters = [...characters.slice(0, at), ...Array.from(grammatical(below))];
  }
  return characters.join('');
};

/** One text, of a kind that chance chooses. */
export function mutant(below: Random): string {
  const made = below(20);
  if (made < 5) return latin1(grammatical(below));
  if (made < 11) return latin1(edited(below, grammatical(below)));
  if (made < 15) return latin1(edited(below, reglued(below, pick(below, COLLECTION))));
  if (made < 17)
    return latin1(
      edited(
        below,
        `${pick(below, COLLECTION)}${pick(below, [';', '\n;', '; --\n', ';/**/'])}${pick(below, COLLECTION)}`,
      ),
    );
  return latin1(`select ${list(below, 8, FRAGMENTS)}`);
}
