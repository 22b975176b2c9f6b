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
comment commit concurrently conflict constraint copy create cross current database declare default delete desc distinct do drop else
end escape except exclude execute exists explain extension false fetch filter for foreign from full function grant group having header if ilike
in index inner insert intersect into is isolation join key lateral left like limit listen local lock materialized merge natural no not
notify nothing null offset on only option or order outer over owner partition policy prepare primary privileges procedure program
public reassign references refresh reindex release rename reset restrict returning returns revoke right role rollback row rows rule savepoint
schema security select sequence session set show similar some stdin stdout table tablespace temp temporary then to transaction
trigger true truncate type union unique update user using vacuum values verbose view when where window with within work write`.split(
    /\s+/,
  ),
);

/** Manual 4.1: comments nest in C style only; E'' strings alone have backslashes; dollar quotes; quoted names stay plain. */
const LEXEME =
  /--[^\n]*|\/\*|\$(?<tag>[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|[eE]'(?:[^'\\]|\\[^]|'')*(?:'|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|\$\d+|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d[\w.]*|\.\d[\w]*/g;

export function highlight(text: string): Token[] {
  const tokens: Token[] = [];
  LEXEME.lastIndex = 0;
  for (let match = LEXEME.exec(text); match; match = LEXEME.exec(text)) {
    const [word] = match;
    const from = match.index;
    let to = from + word.length;
    let type: TokenClass | null = null;
    if (word.startsWith('--')) type = 'cm';
    else if (word === '/*') {
      type = 'cm';
      to = commentEnd(text, from);
    } else if (/^\$\d/.test(word)) type = 'n';
    else if (word.startsWith('$')) {
      type = 's';
      const close = text.indexOf(word, to);
      to = close < 0 ? text.length : close + word.length;
    } else if (/^[eE]?'/.test(word)) type = 's';
    else if (/^[\d.]/.test(word)) type = 'n';
    else if (KEYWORDS.has(word.toLowerCase()) && text[from - 1] !== '.' && text[to] !== '.') type = 'k';
    if (type) tokens.push({ from, to, type });
    LEXEME.lastIndex = to;
  }
  return tokens;
}

function commentEnd(text: string, from: number): number {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = from;
  let depth = 0;
  for (let match = edge.exec(text); match; match = edge.exec(text)) {
    depth += match[0] === '/*' ? 1 : -1;
    if (depth === 0) return edge.lastIndex;
  }
  return text.length;
}
