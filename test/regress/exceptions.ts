// Where a run through the gateway may differ from a direct one, and why. A row that matches nothing fails the test.

export interface Exception {
  /** Of the suite, without ".sql"; '*': any. */
  readonly file: string;
  /** Matches the lines that differ, all of them: "-" direct, "+" through the gateway. */
  readonly hunk: RegExp;
  readonly reason: string;
}

/** A text that does not parse is never forwarded: the answer is Holdpoint's, and says so. */
const UNPARSED = String.raw`\+DETAIL:  Holdpoint could not read the statement\. It did not run\.\n`;
const REFUSED_SETTING = String.raw`\+ERROR:  standard_conforming_strings is on in every session behind Holdpoint and cannot be changed\n\+DETAIL:  The statement did not run\.\n`;

const DETAIL_SAYS_WHO = 'an answer of Holdpoint names itself in DETAIL; message and position are the same';
const NO_HINT = "libpg-query gives a parse error's message and position, not its HINT or DETAIL";
const NEWER_GRAMMAR = 'the parser is of PostgreSQL 18, which words this error or tells its position otherwise than 15';
const SETTING = 'standard_conforming_strings stays on, by design';
const FOLLOWS_SETTING = 'what follows in the session has the setting that could not be turned off';

export const EXCEPTIONS: readonly Exception[] = [
  { file: '*', hunk: whole(UNPARSED), reason: DETAIL_SAYS_WHO },

  {
    file: 'strings',
    hunk: whole(
      String.raw`(-.*\n){3}\+ERROR:  a block comment between two string literals is not accepted\n${UNPARSED}`,
    ),
    reason: 'such a comment may be a newline to one lexer and a space to the other: refused, by design',
  },
  { file: 'strings', hunk: lost('HINT:  Unicode escapes must be .*'), reason: NO_HINT },
  {
    file: 'errors',
    hunk: lost('HINT:  Use NONE to denote the missing argument of a unary operator\\.'),
    reason: NO_HINT,
  },
  {
    file: 'rowsecurity',
    hunk: lost('HINT:  Only PERMISSIVE or RESTRICTIVE policies are supported currently\\.'),
    reason: NO_HINT,
  },
  {
    file: 'publication',
    hunk: lost('DETAIL:  One of TABLE or TABLES IN SCHEMA must be specified before .*'),
    reason: NO_HINT,
  },

  {
    file: 'create_table',
    hunk: whole(String.raw`\+LINE 3: \) PARTITION BY MAGIC \(a\);\n\+ +\^\n${UNPARSED}`),
    reason: NEWER_GRAMMAR,
  },
  { file: 'limit', hunk: whole(String.raw`\+LINE 3: .* WITH TIES.*\n\+ +\^\n${UNPARSED}`), reason: NEWER_GRAMMAR },
  {
    file: 'foreign_key',
    hunk: whole(
      String.raw`-ERROR:  FOREIGN KEY constraints cannot be marked NOT VALID\n\+ERROR:  constraints cannot be altered to be NOT VALID\n\+LINE 1: .*\n\+ +\^\n${UNPARSED}`,
    ),
    reason: NEWER_GRAMMAR,
  },

  { file: 'strings', hunk: whole(REFUSED_SETTING), reason: SETTING },
  { file: 'plpgsql', hunk: whole(REFUSED_SETTING), reason: SETTING },
  {
    file: 'strings',
    hunk: whole(String.raw`-ERROR:  unsafe use of string constant with Unicode escapes\n(-.*\n){3}(\+.*\n){5}`),
    reason: FOLLOWS_SETTING,
  },
  {
    file: 'strings',
    hunk: whole(
      String.raw`-ERROR:  unsafe use of string constant with Unicode escapes\n\+ERROR:  invalid Unicode escape.*\n`,
    ),
    reason: FOLLOWS_SETTING,
  },
  {
    file: 'strings',
    hunk: whole(
      String.raw`- +\^\n-DETAIL:  String constants with Unicode escapes cannot be used when .*\n\+ +\^\n${UNPARSED}`,
    ),
    reason: FOLLOWS_SETTING,
  },
  { file: 'strings', hunk: whole(String.raw`- off\n\+ on\n`), reason: FOLLOWS_SETTING },
  {
    file: 'strings',
    hunk: whole(
      String.raw`(-(?:WARNING:  nonstandard use of |LINE|  |HINT:  Use the escape string syntax).*\n)+(-.*\n){5}\+invalid command \\\n`,
    ),
    reason: FOLLOWS_SETTING,
  },
  {
    file: 'strings',
    hunk: whole(String.raw`\+ERROR:  syntax error at or near "' as f2, '"\n\+LINE 1: .*\n\+ +\^\n${UNPARSED}`),
    reason: FOLLOWS_SETTING,
  },
  { file: 'strings', hunk: whole(String.raw`(-.*\n){5}\+invalid command \\\n`), reason: FOLLOWS_SETTING },
  {
    file: 'plpgsql',
    hunk: whole(String.raw`(-(?:WARNING:  nonstandard use of |LINE|  |HINT:  Use the escape string syntax).*\n)+`),
    reason: FOLLOWS_SETTING,
  },
  {
    file: 'plpgsql',
    hunk: whole(String.raw`-NOTICE:  foo\\bar!baz\n(-.*\n){8}\+NOTICE:  foo\\\\bar\\041baz\n(\+.*\n){3}`),
    reason: FOLLOWS_SETTING,
  },
];

function whole(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`);
}

/** A line of a parse error that the answer lacks. */
function lost(line: string): RegExp {
  return whole(`-${line}\n${UNPARSED}`);
}
