// Where a run through the gateway may differ from a direct one, and why. A row that matches nothing fails the test.

export interface Exception {
  /** Of the suite, without ".sql"; '*': any. */
  readonly file: string;
  /** Matches the lines that differ, all of them: "-" direct, "+" through the gateway. */
  readonly hunk: RegExp;
  readonly reason: string;
  /** Of one way through the gateway only. */
  readonly only?: string;
}

/** A text that does not parse is never forwarded: the answer is Holdpoint's, names itself in DETAIL, and has no place in the server's code. */
const LOCATION = String.raw`(?:-LOCATION:  .*\n)?`;
const UNPARSED = String.raw`\+DETAIL:  Holdpoint could not read the statement\. It did not run\.\n`;
const POINTER = String.raw`\+LINE \d+: .*\n\+ +\^\n`;
const REFUSED_SETTING = String.raw`\+ERROR:  0A000: standard_conforming_strings is on in every session behind Holdpoint and cannot be changed\n\+DETAIL:  The statement did not run\.\n`;
const UNSAFE = String.raw`-ERROR:  0A000: unsafe use of string constant with Unicode escapes\n`;
const UNSAFE_DETAIL = String.raw`-DETAIL:  String constants with Unicode escapes cannot be used when standard_conforming_strings is off\.\n-LOCATION:  .*\n`;
const WARNING = String.raw`-WARNING:  22P06: nonstandard use of .*\n-LINE .*\n- +\^\n-HINT:  Use the escape string syntax .*\n-LOCATION:  .*\n`;

const SAYS_WHO = 'an answer of Holdpoint names itself in DETAIL; SQLSTATE, message and position are the same';
const NO_HINT = "libpg-query gives a parse error's message and position, not its HINT or DETAIL";
const NEWER_GRAMMAR =
  'the parser is of PostgreSQL 18, which words this error or tells its position otherwise than 15 does';
const SETTING = 'standard_conforming_strings stays on, by design';
const FOLLOWS_SETTING = 'what follows in the session has the setting that could not be turned off';

export const EXCEPTIONS: readonly Exception[] = [
  row('*', SAYS_WHO, LOCATION, UNPARSED),

  row(
    'strings',
    'one lexer reads such a comment as a newline, the other as a space: refused, by design',
    String.raw`-ERROR:  42601: syntax error at .*\n-LINE 3.*\n- +\^\n-LOCATION:  .*\n`,
    String.raw`\+ERROR:  42601: a block comment between two string literals is not accepted\n`,
    UNPARSED,
  ),
  row('strings', NO_HINT, '-HINT:  Unicode escapes must be .*\n', LOCATION, UNPARSED),
  row('errors', NO_HINT, '-HINT:  Use NONE to denote the missing argument of a unary .*\n', LOCATION, UNPARSED),
  row('rowsecurity', NO_HINT, '-HINT:  Only PERMISSIVE or RESTRICTIVE policies are .*\n', LOCATION, UNPARSED),
  row('publication', NO_HINT, '-DETAIL:  One of TABLE or TABLES IN SCHEMA must be .*\n', LOCATION, UNPARSED),

  row('create_table', NEWER_GRAMMAR, LOCATION, POINTER, UNPARSED),
  row('limit', NEWER_GRAMMAR, LOCATION, POINTER, UNPARSED),
  row(
    'foreign_key',
    NEWER_GRAMMAR,
    String.raw`-ERROR:  0A000: FOREIGN KEY constraints cannot be marked NOT VALID\n-LOCATION:  .*\n`,
    String.raw`\+ERROR:  (?:0A000|42601): constraints cannot be altered to be NOT VALID\n`,
    POINTER,
    UNPARSED,
  ),

  {
    ...row(
      'copy2',
      'in a failed block what would be held is answered 25P02 by Holdpoint',
      '-LOCATION:  exec_simple_query, .*\n',
    ),
    only: 'held',
  },

  row('strings', SETTING, REFUSED_SETTING),
  row('plpgsql', SETTING, REFUSED_SETTING),
  row('strings', FOLLOWS_SETTING, UNSAFE, String.raw`-LINE .*\n- +\^\n`, UNSAFE_DETAIL, String.raw`(?:\+.*\n){5}`),
  row('strings', FOLLOWS_SETTING, UNSAFE, String.raw`\+ERROR:  42601: invalid Unicode escape.*\n`),
  row('strings', FOLLOWS_SETTING, String.raw`- +\^\n`, UNSAFE_DETAIL, String.raw`\+ +\^\n`, UNPARSED),
  row('strings', FOLLOWS_SETTING, String.raw`- off\n\+ on\n`),
  row('strings', FOLLOWS_SETTING, `(?:${WARNING})*`, String.raw`(?:-.*\n){5}\+invalid command \\\n`),
  row('strings', FOLLOWS_SETTING, String.raw`\+ERROR:  42601: syntax error at or near .*\n`, POINTER, UNPARSED),
  row('plpgsql', FOLLOWS_SETTING, `(?:${WARNING})+`),
  row('plpgsql', FOLLOWS_SETTING, String.raw`-NOTICE:  00000: foo\\bar!baz\n\+NOTICE:  00000: foo\\\\bar\\041baz\n`),
  row(
    'plpgsql',
    FOLLOWS_SETTING,
    `(?:${WARNING.replace('-LOCATION', '-QUERY:  .*\n-LOCATION')})`,
    '(?:-.*\n){3}(?:\\+.*\n){3}',
  ),
];

export function row(file: string, reason: string, ...parts: readonly string[]): Exception {
  return { file, hunk: new RegExp(`^${parts.join('')}$`), reason };
}
