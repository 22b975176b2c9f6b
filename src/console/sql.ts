// Light highlighting: comments, strings, numbers, keywords. It decorates and decides nothing; the server's analysis is
// what findings come from. Unclosed things run to the end of the text, as they would for the parser.

export type TokenClass = 'k' | 's' | 'n' | 'cm';
export interface Token {
  readonly from: number;
  readonly to: number;
  readonly type: TokenClass;
}

const KEYWORDS = new Set(
  `add all alter analyze and any array as asc authorization begin between by call cascade case cast check close cluster column
comment commit concurrently conflict constraint copy create cross current database declare default delete desc distinct do drop dumpfile else
end escape except exclude execute exists explain extension false fetch filter for foreign from full function grant group having header if ilike
in index infile inner insert intersect into is isolation join key lateral left like limit listen load local lock materialized merge natural no not
notify nothing null offset on only option or order outer outfile over owner partition policy prepare primary privileges procedure program
public reassign references refresh reindex release rename replace reset restrict returning returns revoke right role rollback row rows rule savepoint
schema security select sequence session set show similar some stdin stdout table tablespace temp temporary then to transaction
trigger true truncate type union unique update user using vacuum values verbose view when where window with within work write`.split(
    /\s+/,
  ),
);

/** How a text is read: PostgreSQL's way, or the other servers', with what sql_mode changes of it. */
export interface Dialect {
  readonly postgres: boolean;
  readonly sql_mode: string;
}

/** Manual 4.1: comments nest in C style only; E'' strings alone have backslashes; dollar quotes; quoted names stay plain. */
const POSTGRES =
  /--[^\n]*|\/\*|\$(?<tag>[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|[eE]'(?:[^'\\]|\\[^]|'')*(?:'|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|\$\d+|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d[\w.]*|\.\d[\w]*/g;

/** Reference manual 11.1 and 11.7: `--` needs a space, names stand in backquotes; what stands in a versioned comment is no comment. */
const MYSQL = lexemeOf(/'(?:[^'\\]|\\[^]|'')*(?:'|$)/, /"(?:[^"\\]|\\[^]|"")*(?:"|$)/);
const MYSQL_NO_ESCAPES = lexemeOf(/'(?:[^']|'')*(?:'|$)/, /"(?:[^"]|"")*(?:"|$)/);

function lexemeOf(single: RegExp, double: RegExp): RegExp {
  const comment = /#[^\n]*|--(?=\s|$)[^\n]*|\/\*(?:M?!\d*)?/;
  const rest = /`(?:[^`]|``)*(?:`|$)|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d[\w.]*|\.\d\w*/;
  return new RegExp([comment, single, double, rest].map(({ source }) => source).join('|'), 'g');
}

export function highlight(text: string, { postgres, sql_mode }: Dialect): Token[] {
  const tokens: Token[] = [];
  const lexeme = postgres ? POSTGRES : /\bNO_BACKSLASH_ESCAPES\b/.test(sql_mode) ? MYSQL_NO_ESCAPES : MYSQL;
  const names_in_quotes = postgres || /\bANSI_QUOTES\b/.test(sql_mode);
  lexeme.lastIndex = 0;
  for (let match = lexeme.exec(text); match; match = lexeme.exec(text)) {
    const [word] = match;
    const from = match.index;
    let to = from + word.length;
    let type: TokenClass | null = null;
    if (word.startsWith('--') || word.startsWith('#')) type = 'cm';
    else if (word === '/*') {
      type = 'cm';
      to = postgres ? nestedEnd(text, from) : commentEnd(text, from);
    } else if (/^\$\d/.test(word)) type = 'n';
    else if (word.startsWith('$')) {
      type = 's';
      const close = text.indexOf(word, to);
      to = close < 0 ? text.length : close + word.length;
    } else if (/^[eE]?'/.test(word) || (word.startsWith('"') && !names_in_quotes)) type = 's';
    else if (/^[\d.]/.test(word)) type = 'n';
    else if (KEYWORDS.has(word.toLowerCase()) && text[from - 1] !== '.' && text[to] !== '.') type = 'k';
    if (type) tokens.push({ from, to, type });
    lexeme.lastIndex = to;
  }
  return tokens;
}

function commentEnd(text: string, from: number): number {
  const end = text.indexOf('*/', from + 2);
  return end < 0 ? text.length : end + 2;
}

function nestedEnd(text: string, from: number): number {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = from;
  let depth = 0;
  for (let match = edge.exec(text); match; match = edge.exec(text)) {
    depth += match[0] === '/*' ? 1 : -1;
    if (depth === 0) return edge.lastIndex;
  }
  return text.length;
}
