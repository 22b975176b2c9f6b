// Compares what Holdpoint reads in a text with what a server reads in it: how many statements and where, what is code and what is comment
// or string, where it breaks off. Must never count as agreement what nobody looked at. Test code only.
import type { Analysis } from '../../../src/sql/findings.ts';
import { analyseText } from '../../../src/sql/postgres/analysis.ts';
import { Lexer, shiftPosition, TokenKind } from '../../../src/sql/postgres/lexer.ts';
import type { Parser } from '../../../src/sql/postgres/parser.ts';
import { pick, type Random } from '../../fuzz/random.ts';
import type { Oracle, Reading } from './oracle.ts';

/** Differences that are faults. */
export const FAULTS = [
  /** The server reads another number of statements in what is forwarded, or has them elsewhere. */
  'statement unseen',
  /** A byte that we take for a part of a comment, string or quoted name is code to the server. */
  'code unseen',
  /** The reverse. */
  'code imagined',
  /** Blanking has changed what the server reads. */
  'changed by blanking',
  /** The server complains of another place than Holdpoint, or of one of which Holdpoint does not. */
  'breaks elsewhere',
] as const;
/** Differences that are none: nothing runs. */
export const REFUSALS = [
  /** The server would have run it, and Holdpoint does not let it. */
  'refused by Holdpoint alone',
  'refused by the server alone',
] as const;
export type Kind = (typeof FAULTS)[number] | (typeof REFUSALS)[number];

export interface Difference {
  readonly kind: Kind;
  readonly why: string;
  readonly text: string;
}

export class Tally {
  texts = 0;
  /** Read by both, */
  statements = 0;
  several = 0;
  /** by neither. */
  unread = 0;
  readonly probes = { code: 0, hidden: 0 };
  readonly differences: Difference[] = [];

  of(kind: Kind): Difference[] {
    return this.differences.filter((difference) => difference.kind === kind);
  }
}

interface Probe {
  readonly text: string;
  /** Where the sentinel stands; 1-based, in characters. */
  readonly position: number;
  /** Inside of a comment, a string or a quoted name. */
  readonly hidden: boolean;
}

interface Candidate {
  readonly text: string;
  readonly analysis: Analysis;
  readonly forward: string;
  readonly slices: readonly string[];
  readonly probes: readonly Probe[];
}

export interface Judges {
  readonly parser: Parser;
  readonly oracle: Oracle;
  readonly major: number;
  readonly below: Random;
  /** Most sentinels tried in each text. */
  readonly probes: number;
}

export async function judge(texts: readonly string[], judges: Judges, tally: Tally): Promise<void> {
  const candidates = texts.map((text) => candidate(text, judges));
  const asked = candidates.flatMap(({ text, forward, slices, probes }) => [
    text,
    forward,
    ...slices,
    ...probes.map((probe) => probe.text),
  ]);
  const distinct = [...new Set(asked)];
  const readings = new Map((await judges.oracle.read(distinct)).map((reading, at) => [distinct[at], reading]));
  const read = (text: string): Reading => readings.get(text) as Reading;
  for (const one of candidates) {
    tally.texts += 1;
    const differ = (kind: Kind, why: string): void => {
      tally.differences.push({ kind, why, text: one.text });
    };
    compareWhole(one, read, judges.major, tally, differ);
    for (const probe of one.probes) compareProbe(probe, read(one.text), read(probe.text), tally, differ);
  }
}

function candidate(text: string, { parser, major, below, probes }: Judges): Candidate {
  const context = {
    server_version: major,
    database: 'postgres',
    role: 'postgres',
    search_path: '"$user", public',
    prepared: () => undefined,
  };
  const analysis = analyseText(parser, text, context);
  const forward = analysis.forward ?? text;
  const slices =
    analysis.statements.length > 1 ? analysis.statements.map(({ start, end }) => forward.slice(start, end)) : [];
  return { text, analysis, forward, slices, probes: sentinels(text, analysis, probes, below) };
}

// ---- the whole text ------------------------------------------------------------------------------------------------------------

type Differ = (kind: Kind, why: string) => void;

function compareWhole(
  { text, analysis, forward, slices }: Candidate,
  read: (text: string) => Reading,
  major: number,
  tally: Tally,
  differ: Differ,
): void {
  const original = read(text);
  const { error } = analysis;
  if (error) {
    if (original.accepted) differ('refused by Holdpoint alone', error.message);
    else {
      tally.unread += 1;
      // Holdpoint's own refusals have no position.
      if (error.position > 0 && original.position !== error.position && !isExpected(original.message, major))
        differ('breaks elsewhere', `${said(original)}, Holdpoint: ${error.message} at ${error.position}`);
    }
    return;
  }
  const forwarded = read(forward);
  const own = new Set(analysis.own.map(({ statement }) => statement));
  if (own.size === 0) compareBlanked(original, forwarded, analysis, differ);
  if (!forwarded.accepted) {
    differ(
      isExpected(forwarded.message, major) ? 'refused by the server alone' : 'breaks elsewhere',
      `${said(forwarded)}, Holdpoint reads ${analysis.statements.length}`,
    );
    return;
  }
  const seen = analysis.statements.length - own.size;
  tally.statements += seen;
  if (seen > 1) tally.several += 1;
  if (forwarded.statements !== counted(seen))
    differ('statement unseen', `the server reads ${forwarded.statements}, Holdpoint ${seen}`);
  for (const [at, slice] of slices.entries()) {
    const alone = read(slice);
    const expected = own.has(at) ? 'none' : 'one';
    if (!alone.accepted || alone.statements !== expected)
      differ('statement unseen', `statement ${at}, ${JSON.stringify(slice)}, is not one: ${said(alone)}`);
  }
  const between = outside(forward, analysis);
  if (/[^ \t\n\r\f\v;]/.test(between)) differ('statement unseen', `${JSON.stringify(between)} belongs to none`);
}

function compareBlanked(original: Reading, forwarded: Reading, analysis: Analysis, differ: Differ): void {
  const same =
    original.accepted && forwarded.accepted
      ? original.statements === forwarded.statements
      : !original.accepted &&
        !forwarded.accepted &&
        original.message === forwarded.message &&
        original.position === shiftPosition(forwarded.position, analysis.position_shift);
  if (!same) differ('changed by blanking', `${said(original)}, blanked: ${said(forwarded)}`);
}

/** libpg_query takes $1 for a name in places, and `$1a` for two tokens; a server older than its grammar lacks words and numbers. */
function isExpected(complaint: string, major: number): boolean {
  return major < 18 || /^trailing junk after parameter|at or near "\$\d+"$/.test(complaint);
}

const counted = (statements: number): string => (statements > 1 ? 'many' : statements === 1 ? 'one' : 'none');

function said(reading: Reading): string {
  return reading.accepted ? reading.statements : `${reading.sqlstate} ${reading.message} at ${reading.position}`;
}

/** What no statement holds. */
function outside(text: string, analysis: Analysis): string {
  let out = '';
  let from = 0;
  for (const { start, end } of analysis.statements) {
    out += text.slice(from, start);
    from = end;
  }
  return out + text.slice(from);
}

// ---- sentinels -----------------------------------------------------------------------------------------------------------------

/** No token of the language begins with it; in comments, strings and quoted names it is a character like any other. */
const SENTINEL = '\u0001';
/** Next to these it neither parts nor joins what two characters mean together. */
const INERT = /[A-Za-z0-9 ;,()\n\r\t\x80-\xff]/;

/** The text with a sentinel in it, at places drawn from those that the server may read. */
function sentinels(text: string, { error }: Analysis, most: number, below: Random): Probe[] {
  const places = inertPlaces(text, error && error.position > 0 ? error.position : Infinity);
  const hidden = places.filter((place) => place.hidden);
  const drawn = Array.from({ length: most }, (_, index) =>
    pick(below, index % 2 === 0 && hidden.length > 0 ? hidden : places),
  );
  return (places.length <= most ? places : drawn).map(({ at, ...place }) => ({
    ...place,
    text: text.slice(0, at) + SENTINEL + text.slice(at),
  }));
}

interface Place extends Omit<Probe, 'text'> {
  readonly at: number;
}

function inertPlaces(text: string, position_max: number): Place[] {
  const lexer = new Lexer(text);
  const places: Place[] = [];
  let position = 1;
  let last_is_line_comment = false;
  while (lexer.next()) {
    const [body_start, body_end] = body(text, lexer);
    const hidden = HIDDEN.has(lexer.kind);
    for (let at = lexer.start; at < lexer.end; at += 1) {
      if (position > position_max) return places;
      if ((text.charCodeAt(at) & 0xc0) === 0x80) continue;
      const inside = at > lexer.start;
      const free = !inside || !hidden || (at > body_start && at < body_end);
      if (free && at > 0 && INERT.test(text[at] as string) && INERT.test(text[at - 1] as string)) {
        places.push({ at, position, hidden: inside ? hidden : last_is_line_comment });
      }
      position += 1;
    }
    last_is_line_comment = lexer.kind === TokenKind.line_comment;
  }
  return places;
}

const HIDDEN: ReadonlySet<TokenKind> = new Set([
  TokenKind.line_comment,
  TokenKind.block_comment,
  TokenKind.string,
  TokenKind.dollar_string,
  TokenKind.quoted_identifier,
]);

/** The token without the tags of a dollar quote. */
function body(text: string, { kind, start, end }: Lexer): readonly [number, number] {
  if (kind !== TokenKind.dollar_string) return [start, end];
  const tag = text.indexOf('$', start + 1) + 1 - start;
  return [start + tag, end - tag];
}

/** Escapes that the sentinel spoils. */
const SPOILT = /^invalid (Unicode|byte sequence)/;

function compareProbe(probe: Probe, whole: Reading, probed: Reading, tally: Tally, differ: Differ): void {
  // The server stopped before it.
  if (!whole.accepted && probe.position > whole.position) return;
  if (!probed.accepted && SPOILT.test(probed.message)) return;
  // It may complain of an earlier token, for which it looked at this one.
  const complains = !probed.accepted && probed.position <= probe.position;
  if (probe.hidden) {
    tally.probes.hidden += 1;
    const same = whole.accepted
      ? probed.accepted && probed.statements === whole.statements
      : !probed.accepted && probed.position === whole.position + 1;
    if (!same) differ('code unseen', `${JSON.stringify(probe.text)}: ${said(whole)} became ${said(probed)}`);
  } else {
    tally.probes.code += 1;
    if (!complains) differ('code imagined', `${JSON.stringify(probe.text)}: ${said(whole)} became ${said(probed)}`);
  }
}
