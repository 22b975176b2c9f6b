// What an expression of a policy may ask: one table of names, types and meanings, and the objects that answer.
// The table registers the facts with CEL, checks constant arguments at load, and is printed into docs/policy-facts.md.
// An answer must come from the analysis and the question alone: no I/O, no clock but the question's `now`.
import { ACTIONS, type Action, type Analysis, changesRole, type Effect, setsRole } from '../sql/findings.ts';
import type { PolicyQuestion, SessionView, Where, Who } from './types.ts';

/** What a constant argument must be; checked at load. All arguments of facts are constants in quotes. */
export type ArgumentKind = 'action' | 'actions' | 'relation' | 'pattern' | 'group' | 'zone' | 'regex';

export interface FieldFact {
  readonly of: Owner;
  readonly name: string;
  readonly type: string;
  readonly doc: string;
}

export interface MethodFact {
  readonly of: Owner | 'string';
  readonly name: string;
  readonly takes: readonly ArgumentKind[];
  readonly type: 'bool' | 'int' | 'string';
  readonly doc: string;
}

export type Owner = 'stmt' | 'who' | 'where' | 'session' | 'time';

export const FIELDS: readonly FieldFact[] = [
  {
    of: 'stmt',
    name: 'actions',
    type: 'list<string>',
    doc: `Every action found: ${ACTIONS.join(', ')}. Sorted, distinct.`,
  },
  {
    of: 'stmt',
    name: 'reads',
    type: 'list<string>',
    doc: 'Relations read, `schema.name`, also through CTEs, subqueries and COPY (query). Rows that UPDATE, DELETE, MERGE and an upsert show by RETURNING are read.',
  },
  {
    of: 'stmt',
    name: 'writes',
    type: 'list<string>',
    doc: 'Relations inserted into, updated, deleted from, merged, truncated or copied into.',
  },
  {
    of: 'stmt',
    name: 'functions',
    type: 'list<string>',
    doc: 'Functions called; built-in ones as `pg_catalog.name`, on MySQL and MariaDB as `name` in small letters. In a batch: those of the whole message.',
  },
  {
    of: 'stmt',
    name: 'kind',
    type: 'string',
    doc: "The command's words as the manual prints them, in capitals: `SELECT`, `CREATE TABLE`.",
  },
  { of: 'stmt', name: 'statements', type: 'int', doc: 'Number of statements in the message this one came in.' },
  {
    of: 'stmt',
    name: 'writes_all_rows',
    type: 'bool',
    doc: 'UPDATE or DELETE without WHERE (also in a CTE), or TRUNCATE.',
  },
  {
    of: 'stmt',
    name: 'hidden_writes',
    type: 'bool',
    doc: 'Functions, operators or casts that it uses change rows, which its text does not show. Triggers and defaults of a table that it writes are not meant.',
  },
  {
    of: 'stmt',
    name: 'folds_rows',
    type: 'bool',
    doc: 'Packs many rows of a relation into one value (json_agg, string_agg, array_agg, xmlagg, group_concat, json_arrayagg ...), so a row count says nothing.',
  },
  {
    of: 'stmt',
    name: 'reads_data',
    type: 'bool',
    doc: 'Takes rows from a cursor, or reads a relation outside of the catalogs (`pg_catalog`, `information_schema`), which tools read whole.',
  },
  { of: 'who', name: 'id', type: 'string', doc: 'The principal that sent the statement.' },
  { of: 'who', name: 'kind', type: 'string', doc: '`agent` or `human`.' },
  {
    of: 'who',
    name: 'groups',
    type: 'list<string>',
    doc: 'Its groups, as users.yaml has them.',
  },
  { of: 'who', name: 'sponsor', type: 'string', doc: 'The human who answers for it; empty: nobody.' },
  {
    of: 'who',
    name: 'authentication',
    type: 'string',
    doc: 'How it proved who it is: `scram-sha-256`, `caching_sha2_password`, `local`, `ldap`, `jwt`, `certificate`, `relay` ...',
  },
  { of: 'who', name: 'address', type: 'string', doc: 'Client address without port.' },
  { of: 'where', name: 'engine', type: 'string', doc: '`postgres`, `mysql` or `mariadb`.' },
  { of: 'where', name: 'upstream', type: 'string', doc: "The listener's name in the configuration." },
  {
    of: 'where',
    name: 'database',
    type: 'string',
    doc: 'The database connected to. On MySQL and MariaDB that of the login, which USE does not change: ask for relations, as `billing.*`.',
  },
  {
    of: 'where',
    name: 'tags',
    type: 'map<string, string>',
    doc: "The listener's tags. A tag that is not there is an error, so a hold or deny rule then matches; ask `has(where.tags.env)` first where that is not meant.",
  },
  { of: 'session', name: 'in_transaction', type: 'bool', doc: 'The session is inside a transaction block.' },
  {
    of: 'session',
    name: 'application_name',
    type: 'string',
    doc: 'As the client set it. A client can set any: never a reason to let something through.',
  },
  {
    of: 'session',
    name: 'role',
    type: 'string',
    doc: 'The effective role on the server; on MySQL and MariaDB empty where none is active. In a batch it is not known behind a statement that may change it (SET ROLE, code, the end of a transaction in which that was done): an expression that asks for it then fails.',
  },
];

export const METHODS: readonly MethodFact[] = [
  { of: 'stmt', name: 'does', takes: ['action'], type: 'bool', doc: 'It has a finding with this action.' },
  {
    of: 'stmt',
    name: 'does',
    takes: ['action', 'pattern'],
    type: 'bool',
    doc: 'It has a finding with this action on an object that matches: `stmt.does("settings", "row_security")`.',
  },
  {
    of: 'stmt',
    name: 'does_only',
    takes: ['actions'],
    type: 'bool',
    doc: 'It has no finding with another action: `stmt.does_only(["read", "transaction"])`. The form for `then: allow`.',
  },
  {
    of: 'stmt',
    name: 'reads',
    takes: ['relation'],
    type: 'bool',
    doc: 'It reads a relation that matches a name, a pattern or a list.',
  },
  { of: 'stmt', name: 'writes', takes: ['relation'], type: 'bool', doc: 'It writes a relation that matches.' },
  {
    of: 'stmt',
    name: 'touches',
    takes: ['relation'],
    type: 'bool',
    doc: 'It reads or writes a relation that matches, or any finding (a DDL, a grant, an export ...) is about one.',
  },
  {
    of: 'stmt',
    name: 'calls',
    takes: ['pattern'],
    type: 'bool',
    doc: 'It calls a function that matches: `stmt.calls("pg_catalog.pg_sleep*")`; of MySQL `stmt.calls("sleep")`.',
  },
  { of: 'who', name: 'in', takes: ['group'], type: 'bool', doc: 'The principal is in this group.' },
  {
    of: 'time',
    name: 'hour',
    takes: ['zone'],
    type: 'int',
    doc: 'Hour of the day there, 0 to 23: `time.hour("Europe/Berlin") < 5`.',
  },
  {
    of: 'time',
    name: 'weekday',
    takes: ['zone'],
    type: 'string',
    doc: 'Day there, in small letters: `monday` ... `sunday`.',
  },
  {
    of: 'string',
    name: 'matches_re2',
    takes: ['regex'],
    type: 'bool',
    doc: 'Some part of the text matches an RE2 expression (linear time): `stmt.kind.matches_re2("^(CREATE|ALTER) ")`. CEL\'s own `matches` backtracks and is refused.',
  },
];

/** CEL's own functions and macros that a policy may use. */
export const BUILTINS: Readonly<Record<string, string>> = {
  all: 'Every element fulfils: `stmt.reads.all(r, r.startsWith("public."))`.',
  exists: 'Some element fulfils.',
  exists_one: 'Exactly one element fulfils.',
  filter: 'The elements that fulfil.',
  has: 'Only as `has(where.tags.<name>)`: the tag is there.',
  size: 'Length of a list or text: `stmt.writes.size() > 3`.',
  startsWith: 'The text starts with.',
  endsWith: 'The text ends with.',
  contains: 'The text contains.',
  lowerAscii: 'The text in small letters.',
  upperAscii: 'The text in capitals.',
};

/** Says whether a name fits a name, a pattern with `*`, or a list. */
export type Matcher = (name: string) => boolean;

/** What one expression looked at, so that a verdict can say which findings it rests on. */
export interface Trace {
  /** Indexes into analysis.findings, in any order, possibly repeated. */
  findings: number[];
  /** The answer depends on the clock. */
  timed: boolean;
}

const BIT = Object.fromEntries(ACTIONS.map((action, index) => [action, 1 << index])) as Record<Action, number>;
const ALL_ACTIONS = (1 << ACTIONS.length) - 1;
/** Facts that few statements have: false without their bit. */
const RARE = ['writes_all_rows', 'hidden_writes', 'folds_rows', 'reads_data'] as const;
const RARE_BIT = Object.fromEntries(RARE.map((fact, index) => [fact, 1 << (ACTIONS.length + index)])) as Record<
  (typeof RARE)[number],
  number
>;

/** An action as a bit, for `does` without walking the findings. */
export function actionBit(action: Action): number {
  return BIT[action];
}

/** A fact of `stmt` that is never true in a statement without this bit; 0: there is none for it. */
export function factBit(name: string): number {
  return (RARE_BIT as Readonly<Record<string, number>>)[name] ?? 0;
}

/** Which findings belong to which statement of a message; made once for all its statements. */
export class MessageView {
  readonly analysis: Analysis;
  /** Indexes of findings by statement. */
  readonly #own: readonly (readonly number[])[];
  readonly #unattributed = new Map<Action, readonly string[]>();

  constructor(analysis: Analysis) {
    this.analysis = analysis;
    // A message without statements (a comment, a text that does not parse) is judged once; a finding beyond the statements that
    // the analysis lists is judged too.
    const { findings, statements } = analysis;
    let count = Math.max(1, statements.length);
    for (const { statement } of findings) count = Math.max(count, statement + 1);
    const own: number[][] = [];
    while (own.length < count) own.push([]);
    for (let index = 0; index < findings.length; index++) own[findings[index]!.statement]!.push(index);
    this.#own = own;
  }

  get count(): number {
    return this.#own.length;
  }
  own(statement: number): readonly number[] {
    return this.#own[statement]!;
  }
  /** Bits of a statement: its actions, and the facts that it may have. */
  bits(statement: number): number {
    const { findings, statements, reads } = this.analysis;
    let bits = 0;
    for (const one of this.own(statement)) bits |= BIT[findings[one]!.action];
    // In a batch a finding may bring a name that `reads` lacks.
    if (reads.length > 0 || this.count > 1) bits |= RARE_BIT.reads_data;
    const facts = statements[statement];
    if (!facts) return bits;
    if (facts.kind === 'FETCH') bits |= RARE_BIT.reads_data;
    if (facts.writes_all_rows) bits |= RARE_BIT.writes_all_rows;
    if (facts.hidden_writes) bits |= RARE_BIT.hidden_writes;
    if (facts.folds_rows) bits |= RARE_BIT.folds_rows;
    return bits;
  }

  /**
   * Names of `reads` or `writes` that belong to a statement: all when it is alone, else those that a finding of its own or no
   * finding at all accounts for, so never fewer than its own.
   */
  names(statement: number, names: readonly string[], action: Action): readonly string[] {
    if (this.count === 1) return names;
    const { findings } = this.analysis;
    let loose = this.#unattributed.get(action);
    if (!loose) {
      const accounted = new Set(findings.filter((one) => one.action === action).map(({ object }) => object));
      loose = names.filter((name) => !accounted.has(name));
      this.#unattributed.set(action, loose);
    }
    const objects = this.own(statement).flatMap((index) =>
      findings[index]!.action === action ? [findings[index]!.object] : [],
    );
    return [...new Set([...objects, ...loose])].toSorted();
  }
}

/** Index of the first statement of a message that may run under another role than the one the message met; Infinity: none. */
function roleLostAt({ effects }: Analysis, { role, role_is_local }: SessionView): number {
  if (role === null) return 0;
  const change = effects.find(
    (one) => changesRole(one) || (role_is_local && one.type === 'transaction' && RESTORES.has(one.op)),
  );
  if (!change) return Infinity;
  const same = effects.filter(({ statement }) => statement === change.statement);
  // Code in the statement that sets it may run under either.
  const within = same.some(setsRole) && same.some(({ type }) => type === 'unknown');
  return change.statement + (within ? 0 : 1);
}

const RESTORES: ReadonlySet<string> = new Set(['commit', 'rollback', 'rollback-to', 'prepare-transaction']);

const CATALOGS = /^(pg_catalog|information_schema)\./;

/** Facts of one statement of a message. Answers what the table promises and notes which findings the answer rests on. */
export class StatementView {
  readonly #message: MessageView;
  readonly #analysis: Analysis;
  readonly #index: number;
  readonly #trace: Trace;
  /** MessageView.bits */
  readonly #bits: number;

  constructor(message: MessageView, index: number, bits: number, trace: Trace) {
    this.#message = message;
    this.#analysis = message.analysis;
    this.#index = index;
    this.#trace = trace;
    this.#bits = bits;
  }

  get actions(): readonly string[] {
    this.#note(() => true);
    return ACTIONS.filter((action) => this.#bits & BIT[action]).toSorted();
  }
  get reads(): readonly string[] {
    this.#note((action) => action === 'read');
    return this.#message.names(this.#index, this.#analysis.reads, 'read');
  }
  get writes(): readonly string[] {
    this.#note((action) => action === 'write');
    return this.#message.names(this.#index, this.#analysis.writes, 'write');
  }
  get functions(): readonly string[] {
    return this.#analysis.functions;
  }
  get kind(): string {
    return this.#analysis.statements[this.#index]?.kind ?? '';
  }
  get statements(): bigint {
    return BigInt(this.#analysis.statements.length);
  }
  get hidden_writes(): boolean {
    const yes = this.#analysis.statements[this.#index]?.hidden_writes ?? false;
    if (yes) this.#note((action) => action === 'write');
    return yes;
  }

  get writes_all_rows(): boolean {
    const yes = this.#analysis.statements[this.#index]?.writes_all_rows ?? false;
    if (yes) this.#note((action) => action === 'write');
    return yes;
  }
  get reads_data(): boolean {
    // A cursor that a function has opened shows what nobody here was told of.
    if (this.#analysis.statements[this.#index]?.kind === 'FETCH') return true;
    return this.reads.some((name) => name !== '' && !CATALOGS.test(name));
  }
  get folds_rows(): boolean {
    const yes = this.#analysis.statements[this.#index]?.folds_rows ?? false;
    if (yes) this.#note((action) => action === 'read');
    return yes;
  }

  does(action: Action, matches?: Matcher): boolean {
    if (!(this.#bits & BIT[action])) return false;
    return this.#note((found, object) => found === action && (matches === undefined || matches(object)));
  }
  doesOnly(actions: readonly Action[]): boolean {
    let others = ALL_ACTIONS;
    for (const action of actions) others &= ~BIT[action];
    return (this.#bits & others) === 0;
  }
  touchesOne(how: 'reads' | 'writes' | 'touches', matches: Matcher): boolean {
    const noted = this.#note(
      (action, object) => (how === 'touches' || action === (how === 'reads' ? 'read' : 'write')) && matches(object),
    );
    const { reads, writes } = this.#analysis;
    return (
      noted ||
      (how !== 'writes' && this.#message.names(this.#index, reads, 'read').some(matches)) ||
      (how !== 'reads' && this.#message.names(this.#index, writes, 'write').some(matches))
    );
  }
  calls(matches: Matcher): boolean {
    if (!this.#analysis.functions.some(matches)) return false;
    this.#note((_, object) => matches(object));
    return true;
  }

  #note(wanted: (action: Action, object: string) => boolean): boolean {
    let any = false;
    for (const index of this.#message.own(this.#index)) {
      const finding = this.#analysis.findings[index]!;
      if (!wanted(finding.action, finding.object)) continue;
      this.#trace.findings.push(index);
      any = true;
    }
    return any;
  }
}

export class WhoView {
  readonly id: string;
  readonly kind: string;
  readonly groups: readonly string[];
  readonly sponsor: string;
  readonly authentication: string;
  readonly address: string;
  constructor(who: Who) {
    this.id = who.id;
    this.kind = who.kind;
    this.groups = who.groups;
    this.sponsor = who.sponsor ?? '';
    this.authentication = who.authentication;
    this.address = who.address;
  }
}

export class WhereView {
  readonly engine: string;
  readonly upstream: string;
  readonly database: string;
  readonly #tags: Readonly<Record<string, string>>;
  constructor(where: Where) {
    this.engine = where.engine;
    this.upstream = where.upstream;
    this.database = where.database;
    this.#tags = where.tags;
  }
  // A Map, so that a tag called `constructor` is not found where nobody set it.
  get tags(): ReadonlyMap<string, string> {
    return new Map(Object.entries(this.#tags));
  }
}

export class SessionFacts {
  readonly in_transaction: boolean;
  readonly application_name: string;
  readonly #role: string | null;
  constructor({ in_transaction, application_name }: SessionView, role: string | null) {
    this.in_transaction = in_transaction;
    this.application_name = application_name;
    this.#role = role;
  }
  /** Throws while it is not known. */
  get role(): string {
    if (this.#role === null) throw new Error('session.role is not known here');
    return this.#role;
  }
}

/** The session as each statement of a message finds it; to be asked in the order of the statements. */
export class SessionsAt {
  readonly #session: SessionView;
  readonly #role_lost_at: number;
  readonly #effects: PolicyQuestion['analysis']['effects'];
  #next = 0;
  #in_transaction: boolean;
  #facts: SessionFacts;
  #key: string;

  constructor({ analysis, session }: PolicyQuestion) {
    this.#session = session;
    this.#role_lost_at = roleLostAt(analysis, session);
    this.#effects = analysis.effects;
    this.#in_transaction = session.in_transaction;
    this.#facts = new SessionFacts(session, session.role);
    this.#key = String(session.in_transaction);
  }

  at(index: number): SessionFacts {
    this.#follow(index);
    return this.#facts;
  }

  /** Another text where it is another session. */
  key(index: number): string {
    this.#follow(index);
    return this.#key;
  }

  /** Statements before it have begun and ended blocks. */
  #follow(index: number): void {
    for (; (this.#effects[this.#next]?.statement ?? index) < index; this.#next++) {
      const effect = this.#effects[this.#next];
      if (effect?.type === 'transaction') this.#in_transaction = IN_BLOCK[effect.op] ?? this.#in_transaction;
    }
    const role = index < this.#role_lost_at ? this.#session.role : null;
    const key = `${this.#in_transaction}${role === null ? ' without a role' : ''}`;
    if (key === this.#key) return;
    this.#key = key;
    this.#facts = new SessionFacts({ ...this.#session, in_transaction: this.#in_transaction }, role);
  }
}

/** Behind it, is a block open? Null: as before. */
const IN_BLOCK: Readonly<Record<Extract<Effect, { type: 'transaction' }>['op'], boolean | null>> = {
  begin: true,
  commit: false,
  rollback: false,
  'prepare-transaction': false,
  savepoint: null,
  release: null,
  'rollback-to': null,
};

export class TimeView {
  readonly #now: number;
  readonly #trace: Trace;
  constructor(now: number, trace: Trace) {
    this.#now = now;
    this.#trace = trace;
  }
  hour(zone: string): bigint {
    return BigInt(this.#part(zone, 'hour'));
  }
  weekday(zone: string): string {
    return this.#part(zone, 'weekday').toLowerCase();
  }
  #part(zone: string, part: 'hour' | 'weekday'): string {
    this.#trace.timed = true;
    return zoned(zone)
      .formatToParts(this.#now)
      .find(({ type }) => type === part)!.value;
  }
}

const ZONES = new Map<string, Intl.DateTimeFormat>();

/** A formatter of hour and weekday for an IANA time zone; throws RangeError for another name. Zones come from policy files, so few. */
export function zoned(zone: string): Intl.DateTimeFormat {
  let format = ZONES.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en', { timeZone: zone, hour: 'numeric', hourCycle: 'h23', weekday: 'long' });
    ZONES.set(zone, format);
  }
  return format;
}

/** What every expression of a question shares. */
export function sharedViews(question: PolicyQuestion, trace: Trace) {
  return {
    who: new WhoView(question.who),
    where: new WhereView(question.where),
    time: new TimeView(question.now, trace),
  };
}
