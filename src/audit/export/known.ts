// Whose a record is: most records name a session, a request or a permit by its id alone, and the record that opened that one says who it was
// and where. Remembers these, bounded. Must never hold a text that was sealed.

import type { ReadRecord } from '../types.ts';

/** Of each kind; the one that was not named for longest goes first. */
const KEPT_MAX = 20_000;

export type Clear = Readonly<Record<string, unknown>>;
/** What is looked at of a record: `sealed` only where texts are asked for. */
export type Told = Pick<ReadRecord, 'seq' | 'time' | 'node' | 'type' | 'clear' | 'entries'> &
  Partial<Pick<ReadRecord, 'sealed'>>;

export type Kind = 'session' | 'request' | 'permit';

/** What is known of whose statement it is; '' where it is not. */
export interface Subject {
  readonly who: Clear | null;
  readonly where: Clear | null;
  readonly session: string;
  readonly shape: string;
  readonly rule: string;
  /** Relations in its findings. */
  readonly tables: readonly string[];
}

/** Records that say whose they are, and of what kind that is. */
const OPENING: Readonly<Record<string, Kind>> = {
  'session.opened': 'session',
  'request.opened': 'request',
  'request.changed': 'request',
  'permit.granted': 'permit',
};

export class Known {
  readonly #kept: Readonly<Record<Kind, Map<string, Subject>>> = {
    session: new Map(),
    request: new Map(),
    permit: new Map(),
  };

  /** Remembers whose it is, where the record says that. */
  see(record: Pick<Told, 'type' | 'clear'>): void {
    const kind = OPENING[record.type];
    if (kind === undefined) return;
    const part = partOf(record.clear);
    const id = text(kind === 'session' ? record.clear['session'] : (part['id'] ?? record.clear['id']));
    if (id === '') return;
    const kept = this.#kept[kind];
    kept.delete(id);
    kept.set(id, subjectOf(part));
    if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value ?? '');
  }

  /** Whose the record is: as it says itself, else as what it names was opened. */
  of(record: Pick<Told, 'type' | 'clear'>): Subject {
    const own = subjectOf(partOf(record.clear));
    let subject = own;
    for (const { kind, id } of namedBy(record)) {
      const known = this.#kept[kind].get(id);
      if (known !== undefined) subject = joined(subject, known);
    }
    return subject;
  }

  /** What the record names of which nothing is known: whose story began before the first record that was seen. */
  missing(record: Pick<Told, 'type' | 'clear'>): readonly { readonly kind: Kind; readonly id: string }[] {
    return OPENING[record.type] === undefined
      ? namedBy(record).filter(({ kind, id }) => !this.#kept[kind].has(id))
      : [];
  }
}

function namedBy({ type, clear }: Pick<Told, 'type' | 'clear'>): { readonly kind: Kind; readonly id: string }[] {
  const named: { kind: Kind; id: string }[] = [];
  const id = text(clear['id']);
  if (id !== '' && type.startsWith('request.')) named.push({ kind: 'request', id });
  else if (id !== '' && type.startsWith('permit.')) named.push({ kind: 'permit', id });
  const session = text(clear['session']);
  if (session !== '') named.push({ kind: 'session', id: session });
  return named;
}

/** Where a record has what is shown of a statement: in itself or in a part of it. */
export function partOf(clear: Clear): Clear {
  for (const name of ['request', 'held', 'permit']) {
    const part = clear[name];
    if (isObject(part)) return part;
  }
  return clear;
}

function subjectOf(part: Clear): Subject {
  const { who, where } = part;
  return {
    who: isObject(who) ? who : typeof who === 'string' ? { id: who } : null,
    where: isObject(where) ? where : typeof where === 'string' ? { upstream: where, database: part['database'] } : null,
    session: text(part['session']),
    shape: text(part['shape']),
    rule: text(part['rule']),
    tables: objectsOf(part, ON_RELATIONS),
  };
}

/** The first wins, but for a name alone, which the other may say more of. */
function joined(one: Subject, other: Subject): Subject {
  const fuller = (mine: Clear | null, theirs: Clear | null, key: string) =>
    mine === null ||
    (theirs !== null && mine[key] === theirs[key] && Object.keys(theirs).length > Object.keys(mine).length)
      ? theirs
      : mine;
  return {
    who: fuller(one.who, other.who, 'id'),
    where: fuller(one.where, other.where, 'upstream'),
    session: one.session || other.session,
    shape: one.shape || other.shape,
    rule: one.rule || other.rule,
    tables: one.tables.length > 0 ? one.tables : other.tables,
  };
}

/** Actions whose object is a relation; that of others is a function, a setting, a role. */
const ON_RELATIONS: ReadonlySet<string> = new Set(['read', 'write', 'ddl', 'export', 'import']);

/** Names in findings, in their order, each once. */
export function objectsOf(part: Clear, actions?: ReadonlySet<string>): readonly string[] {
  const findings = part['findings'];
  if (!Array.isArray(findings)) return [];
  const some = findings.filter(isObject).filter((finding) => actions?.has(text(finding['action'])) ?? true);
  return [...new Set(some.map((finding) => text(finding['object'])))].filter(Boolean);
}

export function isObject(value: unknown): value is Clear {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
