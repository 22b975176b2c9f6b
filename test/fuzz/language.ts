// The toy language of the fuzz: one word says what a statement does and what a policy makes of it, the other one tells it from the rest.
// Statements of a Query are separated by `;`. What is no statement does not parse.

export interface Statement {
  readonly verb: Verb;
  readonly name: string;
  /** Of PREP. */
  readonly inner?: Statement;
}

const VERBS = [
  /** Allowed. */
  'SELECT',
  'WRITE',
  /** Allowed, and returns several rows, which may be too many. */
  'MANY',
  /** Allowed, and fail when run, or when parsed. */
  'ERR',
  'PERR',
  /** Allowed while search_path is public, held otherwise. */
  'READ',
  /** Held; HARD runs code while it is parsed. */
  'HOLD',
  'HARD',
  'DENY',
  'BEGIN',
  'COMMIT',
  'ROLLBACK',
  /** search_path; the second one for the transaction. */
  'SET',
  'SETL',
  /** Allowed code that changes search_path. */
  'FLIP',
  'PREP',
  'DEAL',
  'EXEC',
  'COPYIN',
  'SHOW',
  /** Holdpoint's own. */
  'OWN',
] as const;
export type Verb = (typeof VERBS)[number];
const KNOWN: ReadonlySet<string> = new Set(VERBS);

/** Null: it does not parse. */
export const parseText = (text: string): Statement[] | null => {
  const statements: Statement[] = [];
  for (const part of text.split(';')) {
    const words = part.trim().split(/\s+/);
    if (words[0] === '') continue;
    const statement = read(words);
    if (!statement) return null;
    statements.push(statement);
  }
  return statements;
};

const read = ([verb = '', name = '', ...rest]: readonly string[]): Statement | null => {
  if (!KNOWN.has(verb)) return null;
  const inner = rest.length > 0 ? read(rest) : undefined;
  return inner === null ? null : { verb: verb as Verb, name, ...(inner ? { inner } : {}) };
};

export const statementText = ({ verb, name, inner }: Statement): string =>
  [verb, name, ...(inner ? [statementText(inner)] : [])].join(' ').trim();

/** Transaction control and nothing else: what a failed block lets through. */
export const isControl = (text: string): boolean => {
  const statements = parseText(text) ?? [];
  return statements.every(({ verb }) => verb === 'COMMIT' || verb === 'ROLLBACK') && statements.length > 0;
};
