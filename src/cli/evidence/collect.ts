// Makes rows and sums of the records of a period, as they come. Rows that are many go straight to their table; what is summed up is kept by
// name, so many names at most. Must never tell two records as one, nor leave a type of record uncounted.

import type { Line } from '../../audit/record.ts';
import { actionsOf, count, type Fields, fields, iso, list, text, texts, whoId } from './read.ts';
import { CLOCK, readable, type Unsealed } from './request.ts';
import type { Head } from './source.ts';
import { isIn, type Hearer, type Period } from './gather.ts';
import type { TableName } from './tables.ts';
import type { Measure } from './controls.ts';

/** Names of one kind that are told apart. */
const names_max = 50_000;
/** Of one list in a row. */
const listed_max = 100;
/** Rows of gaps that are worked out from the records. */
const jumps_max = 1000;
/** Rows of gaps that records tell; beyond them the tables of their own files, and the log, have them. */
export const gaps_max = 10_000;
/** The clock may be set by so much before it is told. */
const clock_back_ms = 1000;

export type Put = (table: TableName, row: Fields) => Promise<void>;

/** Records of one kind: how many, and where the first and last one are. */
export interface Seen {
  count: number;
  first: { readonly record: number; readonly time: string };
  last: { readonly record: number; readonly time: string };
}

interface Requester {
  readonly id: string;
  kind: string | null;
  readonly sponsors: Set<string>;
  readonly groups: Set<string>;
  readonly authentication: Set<string>;
  sessions: number;
  allowed: number;
  stopped: number;
  observed: number;
  requests: number;
  first: string;
  last: string;
}

interface Guarded {
  engine: string | null;
  readonly upstream: string | null;
  readonly database: string | null;
  tags: Fields;
  sessions: number;
  allowed: number;
  stopped: number;
  requests: number;
}

interface Reviewer {
  readonly user: string;
  sign_ins: number;
  refused: number;
  readonly by: Set<string>;
  approved: number;
  denied: number;
  refused_acts: number;
  read_text: number;
  first: string;
  last: string;
}

interface PolicyRow {
  readonly from: string;
  to: string | null;
  readonly record: number;
  readonly result: 'loaded' | 'refused';
  readonly mode: string | null;
  readonly hash: string | null;
  readonly path: string | null;
  readonly rules: number | null;
  loads: number;
  requests: number;
}

interface PermitRow {
  readonly id: string;
  facts: Fields;
  granted_record: number | null;
  uses: number;
  rows: number;
  last_used: string | null;
  revoked: string | null;
  revoked_by: string | null;
}

export interface GapRow {
  readonly kind: string;
  readonly time: string | null;
  readonly to: string | null;
  readonly record: number | null;
  readonly says: string;
  readonly facts: Fields | null;
}

export interface CollectOptions {
  readonly period: Period;
  readonly put: Put;
  /** Opens what is sealed, where it is asked for; else undefined. */
  readonly unsealed: (line: Line) => Promise<Unsealed | undefined>;
  /** Is a key of this month in the folder? */
  readonly hasKey: (month: string) => boolean;
}

export class Collector implements Hearer {
  readonly #options: CollectOptions;
  readonly seen = new Map<string, Seen>();
  readonly requesters = new Map<string, Requester>();
  readonly guarded = new Map<string, Guarded>();
  readonly reviewers = new Map<string, Reviewer>();
  readonly permits = new Map<string, PermitRow>();
  readonly policies: PolicyRow[] = [];
  readonly gaps: GapRow[] = [];
  gaps_untold = 0;
  /** Months whose sealed texts have no key here, and how many there are. */
  readonly deleted = new Map<string, number>();
  /** Of the whole log. */
  records = 0;
  unreadable = 0;
  sealed = 0;
  allowed = 0;
  allowed_rows = 0;
  first_time: string | null = null;
  last_time: string | null = null;
  #before: Head | null = null;
  #jumps = 0;
  #policy: PolicyRow | null = null;

  constructor(options: CollectOptions) {
    this.#options = options;
  }

  passed(head: Head | null): Promise<void> {
    this.records++;
    if (head === null) {
      this.unreadable++;
      return Promise.resolve();
    }
    const before = this.#before;
    this.#before = head;
    this.first_time ??= head.time;
    this.last_time = head.time;
    const { period } = this.#options;
    if (before === null || head.time >= before.time || !(isIn(head, period) || isIn(before, period)))
      return Promise.resolve();
    const back_ms = Date.parse(before.time) - Date.parse(head.time);
    // The log tells a larger jump itself.
    if (back_ms <= clock_back_ms || head.type === 'log.clock_jumped' || this.#jumps++ >= jumps_max)
      return Promise.resolve();
    const says = `The clock of the machine went back by ${back_ms} ms between record ${before.seq} and record ${head.seq}; their order is certain, their times are not.`;
    this.gaps.push({ kind: 'clock-back', time: before.time, to: head.time, record: head.seq, says, facts: null });
    return Promise.resolve();
  }

  async record(line: Line, of: string | null): Promise<void> {
    const { type, time } = line;
    if (type === 'policy.loaded' || type === 'policy.refused') this.#onPolicy(line);
    if (type.startsWith('permit.')) this.#onPermit(line, of);
    if (!isIn({ time }, this.#options.period)) return;
    this.measure(type, line.seq, time);
    this.measure('any' satisfies Measure, line.seq, time);
    this.#countSealed(line);
    const row = ROWS[type];
    if (row) await row(this, line);
    else if (type.startsWith('reviewer.')) await this.administration(line);
    const gap = GAPS[type];
    if (gap && this.gaps.length >= gaps_max) this.gaps_untold++;
    else if (gap) {
      const { kind = type, says, from } = gap(line.clear);
      this.gaps.push({
        kind,
        time: from ?? time,
        to: from === undefined ? null : time,
        record: line.seq,
        says,
        facts: line.clear,
      });
    }
  }

  /** By the type of the record, or of what no type says alone. */
  measure(what: string, record: number, time: string): void {
    const at = { record, time };
    const known = this.seen.get(what);
    if (known) {
      known.count++;
      known.last = at;
    } else this.seen.set(what, { count: 1, first: at, last: at });
  }

  #countSealed({ sealed }: Line): void {
    if (sealed === undefined) return;
    this.sealed++;
    if (!this.#options.hasKey(sealed.key)) this.deleted.set(sealed.key, (this.deleted.get(sealed.key) ?? 0) + 1);
  }

  // --- names

  requester(who: unknown, time: string): Requester {
    const id = whoId(who) ?? '';
    const known = nameIn(this.requesters, id, (name) => ({
      id: name,
      kind: null,
      sponsors: new Set<string>(),
      groups: new Set<string>(),
      authentication: new Set<string>(),
      sessions: 0,
      allowed: 0,
      stopped: 0,
      observed: 0,
      requests: 0,
      first: time,
      last: time,
    }));
    known.last = time;
    const { kind, sponsor, groups, authentication } = fields(who);
    known.kind ??= text(kind);
    add(known.sponsors, text(sponsor));
    for (const group of texts(groups)) add(known.groups, group);
    add(known.authentication, text(authentication));
    return known;
  }

  guardedBy(where: unknown): Guarded {
    const { engine, upstream, database, tags } = fields(where);
    const [name, base] = [text(upstream), text(database)];
    const known = nameIn(this.guarded, JSON.stringify([name, base]), () => ({
      engine: null,
      upstream: name,
      database: base,
      tags: {},
      sessions: 0,
      allowed: 0,
      stopped: 0,
      requests: 0,
    }));
    known.engine ??= text(engine);
    if (tags !== undefined) known.tags = fields(tags);
    return known;
  }

  reviewer(user: string, time: string): Reviewer {
    const known = nameIn(this.reviewers, user, (name) => ({
      user: name,
      sign_ins: 0,
      refused: 0,
      by: new Set<string>(),
      approved: 0,
      denied: 0,
      refused_acts: 0,
      read_text: 0,
      first: time,
      last: time,
    }));
    known.last = time;
    return known;
  }

  // --- rows

  put(table: TableName, row: Fields): Promise<void> {
    return this.#options.put(table, row);
  }

  async stopped(line: Line, kind: 'denied' | 'refused' | 'cut' | 'observed'): Promise<void> {
    const { clear, seq, time } = line;
    const who = fields(clear['who']);
    const where = fields(clear['where']);
    const unsealed = await this.#options.unsealed(line);
    const requester = this.requester(clear['who'], time);
    const guarded = this.guardedBy(clear['where']);
    if (kind === 'denied' || kind === 'refused') {
      requester.stopped++;
      guarded.stopped++;
    } else if (kind === 'observed') requester.observed++;
    await this.put('statements', {
      time,
      record: seq,
      kind,
      requester: text(who['id']),
      sponsor: text(who['sponsor']),
      engine: text(where['engine']),
      upstream: text(where['upstream']),
      database: text(where['database']),
      shape: text(clear['shape']),
      ...actionsOf(clear['findings']),
      rule: text(clear['rule']),
      policy: text(clear['policy']),
      sqlstate: text(clear['sqlstate']),
      observed: list(clear['observed']).map(({ rule, verdict }) => ({ rule: text(rule), verdict: text(verdict) })),
      request: text(clear['id']),
      ...(unsealed !== undefined && {
        text: unsealed !== null && typeof unsealed === 'object' ? readable(unsealed) : unsealed,
      }),
    });
  }

  async refusal({ clear, seq, time }: Line): Promise<void> {
    const by = text(clear['by']);
    const why = text(clear['why']);
    const own = why === 'own' || why === 'linked';
    if (by !== null) this.reviewer(by, time).refused_acts++;
    if (own) this.measure('own-refused' satisfies Measure, seq, time);
    await this.put('refusals', {
      time,
      record: seq,
      request: text(clear['request']),
      by,
      what: text(clear['what']),
      decision: text(clear['decision']),
      why,
      own,
      channel: text(clear['channel']),
    });
  }

  async signIn({ clear, seq, time }: Line, result: 'in' | 'refused' | 'out'): Promise<void> {
    const user = text(clear['user']);
    const by = texts(clear['by']);
    if (user !== null) {
      const known = this.reviewer(user, time);
      if (result === 'in') known.sign_ins++;
      if (result === 'refused') known.refused++;
      for (const one of by) add(known.by, one);
    }
    const [how, acr, why, address] = ['how', 'acr', 'why', 'address'].map((name) => text(clear[name]));
    await this.put('sign-ins', { time, record: seq, side: 'review', user, result, how, by, acr, why, address });
  }

  async notLetIn({ clear, seq, time }: Line): Promise<void> {
    const user = text(clear['user']) ?? whoId(clear['who']);
    const why = [text(clear['why']), text(clear['sqlstate'])].filter(Boolean).join(', ') || null;
    const address = text(clear['address']);
    const how = text(clear['listener']);
    await this.put('sign-ins', {
      time,
      record: seq,
      side: 'database',
      user,
      result: 'refused',
      how,
      by: [],
      acr: null,
      why,
      address,
    });
  }

  async administration({ clear, seq, time, type }: Line): Promise<void> {
    const { by, at: _, ...facts } = clear;
    const who = text(by);
    if (who !== null && type === 'reviewer.read_text') this.reviewer(who, time).read_text++;
    await this.put('administration', { time, record: seq, type, by: who ?? text(clear['user']), facts });
  }

  decided({ clear, time }: Line): void {
    const { by, decision } = fields(clear['decision']);
    const who = text(by);
    if (who === null || who === CLOCK) return;
    const known = this.reviewer(who, time);
    if (decision === 'approve') known.approved++;
    if (decision === 'deny') known.denied++;
  }

  block({ clear, block, time }: Line): void {
    const entries = block?.ms.length ?? 0;
    this.allowed += entries;
    this.allowed_rows += (block?.rows ?? []).reduce((sum, rows) => sum + (count(rows) ?? 0), 0);
    this.requester(clear['who'], time).allowed += entries;
    this.guardedBy({ upstream: clear['where'], database: clear['database'] }).allowed += entries;
  }

  // --- what lasts

  #onPolicy({ type, clear, seq, time }: Line): void {
    const { from: begin } = this.#options.period;
    const result = type === 'policy.loaded' ? 'loaded' : 'refused';
    const [mode, hash, path] = [text(clear['mode']), text(clear['hash']), text(clear['path'])];
    const now = this.#policy;
    if (result === 'loaded' && now?.hash === hash && now.mode === mode) {
      now.loads++;
      return;
    }
    const row = {
      from: time,
      to: null,
      record: seq,
      result,
      mode,
      hash,
      path,
      rules: count(clear['rules']),
      loads: 1,
      requests: 0,
    } as const;
    const made: PolicyRow = { ...row };
    this.policies.push(made);
    if (result === 'refused') return;
    if (now) now.to = time;
    this.#policy = made;
    if (mode === 'observe') {
      const says =
        'From here on the policy was only observed: what it would have held or denied ran, and is on record.';
      this.gaps.push({
        kind: 'observed-only',
        time: time < begin ? begin : time,
        to: null,
        record: seq,
        says,
        facts: null,
      });
    }
  }

  #onPermit({ type, clear, seq, time }: Line, of: string | null): void {
    if (of === null) return;
    const permit = nameIn(this.permits, of, (id) => ({
      id,
      facts: {},
      granted_record: null,
      uses: 0,
      rows: 0,
      last_used: null,
      revoked: null,
      revoked_by: null,
    }));
    const inside = isIn({ time }, this.#options.period);
    if (type === 'permit.granted') Object.assign(permit, { facts: fields(clear['permit']), granted_record: seq });
    if (type === 'permit.used' && inside) {
      permit.uses++;
      permit.last_used = time;
    }
    if (type === 'permit.use_ended' && inside) permit.rows += count(fields(clear['outcome'])['rows']) ?? 0;
    if (type === 'permit.revoked')
      Object.assign(permit, { revoked: iso(clear['at']) ?? time, revoked_by: text(clear['by']) });
  }

  /** Rows of the tables that are known at the end. */
  async finish(): Promise<void> {
    const lists = (set: ReadonlySet<string>): string[] => [...set].toSorted();
    for (const one of this.requesters.values()) {
      const [sponsors, groups, authentication] = [one.sponsors, one.groups, one.authentication].map(lists);
      await this.put('requesters', { ...one, sponsors, groups, authentication });
    }
    for (const one of this.guarded.values()) await this.put('guarded', { ...one });
    for (const one of this.reviewers.values()) await this.put('reviewers', { ...one, by: lists(one.by) });
    for (const one of this.policies) await this.put('policies', { ...one });
    for (const one of this.permits.values()) await this.put('permits', permitRow(one));
  }
}

function permitRow({ id, facts, uses, rows, last_used, revoked, revoked_by }: PermitRow): Fields {
  const who = fields(facts['who']);
  const where = fields(facts['where']);
  return {
    id,
    request: text(facts['request']),
    requester: text(who['id']),
    sponsor: text(who['sponsor']),
    engine: text(where['engine']),
    upstream: text(where['upstream']),
    database: text(where['database']),
    shape: text(facts['shape']),
    rule: text(facts['rule']),
    by: texts(facts['by']),
    granted: iso(facts['granted']),
    until: iso(facts['until']),
    uses_max: count(facts['uses']),
    rows_max: count(facts['rows']),
    uses,
    rows,
    last_used,
    revoked,
    revoked_by,
  };
}

/** What else is done with a record of a type. */
const ROWS: Readonly<Record<string, (to: Collector, line: Line) => Promise<void> | void>> = {
  'session.opened': (to, { clear, time }) => {
    to.requester(clear['who'], time).sessions++;
    to.guardedBy(clear['where']).sessions++;
  },
  'session.refused': (to, line) => to.notLetIn(line),
  statements: (to, line) => to.block(line),
  'statement.denied': (to, line) => to.stopped(line, 'denied'),
  'statement.refused': (to, line) => to.stopped(line, 'refused'),
  'statement.cut': (to, line) => to.stopped(line, 'cut'),
  'statement.observed': (to, line) => to.stopped(line, 'observed'),
  'request.opened': (to, { clear, time }) => {
    const request = fields(clear['request']);
    to.requester(request['who'], time).requests++;
    to.guardedBy(request['where']).requests++;
    const policy = to.policies.findLast(({ result, hash }) => result === 'loaded' && hash === text(request['policy']));
    if (policy) policy.requests++;
  },
  'request.decided': (to, line) => to.decided(line),
  'request.refused': (to, line) => to.refusal(line),
  'reviewer.refused': (to, line) => to.refusal(line),
  'reviewer.signed_in': (to, line) => to.signIn(line, 'in'),
  'reviewer.sign_in_refused': (to, line) => to.signIn(line, 'refused'),
  'reviewer.signed_out': (to, line) => to.signIn(line, 'out'),
  'session.ended': (to, line) => to.administration(line),
  'permit.revoked': (to, line) => to.administration(line),
  'config.loaded': (to, line) => to.administration(line),
  'log.key_rotated': (to, line) => to.administration(line),
  'log.key_deleted': (to, line) => to.administration(line),
  'log.recovered': (to, { clear, seq, time }) => {
    if (clear['cause'] === 'the disk refused') to.measure('forwarding-stopped' satisfies Measure, seq, time);
  },
};

interface Gap {
  readonly kind?: string;
  readonly says: string;
  /** When it began, where the record stands at its end. */
  readonly from?: string | undefined;
}

/** Records that say that the log is less than whole, or was changed in how it is kept. */
const GAPS: Readonly<Record<string, (clear: Fields) => Gap>> = {
  'log.recovered': (clear) => {
    if (clear['cause'] === 'the disk refused') {
      const lost = count(clear['entries_lost']) ?? 0;
      const kept =
        lost === 0 ? 'No allowed statement that ran is missing.' : `${lost} allowed statements that ran are missing.`;
      const says = `The log could not be written, so nothing was forwarded; ${count(clear['records_rejected']) ?? 0} records were rejected. ${kept}`;
      return { kind: 'forwarding-stopped', says, from: text(clear['since']) ?? undefined };
    }
    const cut = count(clear['bytes_cut']);
    if (cut !== null)
      return {
        kind: 'recovered',
        says: `The writer had stopped in mid-write; a torn end of ${cut} bytes was cut and kept aside. What was acknowledged was not in it.`,
      };
    return {
      kind: 'recovered',
      says: `The log was repaired: ${text(clear['cause']) ?? 'the record does not say why'}. ${count(clear['entries_lost']) ?? 0} allowed statements are missing.`,
    };
  },
  'log.overridden': (clear) => ({
    kind: 'overridden',
    says: `An operator accepted a log that did not verify, as it stood: ${text(clear['problem']) ?? 'the record does not say what was wrong'}.`,
  }),
  'log.segments_removed': ({ records }) => ({
    kind: 'removed',
    says: `Retention removed the oldest files of the log, with all records up to ${count(fields(records)['to']) ?? 'one that is not told'}; what was in them is not in this folder. Their hashes, and so all proofs, stand.`,
  }),
  'log.clock_jumped': ({ by_ms, before, after }) => ({
    kind: 'clock-jumped',
    says: `The clock of the machine was set by ${count(by_ms) ?? 'an unknown number of'} ms, from ${text(before) ?? 'unknown'} to ${text(after) ?? 'unknown'}; times on both sides of this are not of one clock.`,
  }),
  'ship.blocked': () => ({
    kind: 'forwarding-stopped',
    says: 'The log could not be shipped for longer than the configuration allows, so nothing was forwarded until it could be again (ship.resumed).',
  }),
  'log.key_deleted': (clear) => ({
    kind: 'text-deleted',
    says: `The key of ${text(clear['period']) ?? 'a period'} was deleted: what was sealed in it can be read by nobody any more; its records and proofs stand.`,
  }),
  'log.key_rotated': () => ({ kind: 'key-rotated', says: 'Another key signs checkpoints from here on.' }),
  'log.opened': () => ({
    kind: 'started',
    says: 'A writer opened the log: Holdpoint was started. Before that, since the record before, it was not running or the log was closed.',
  }),
  'webhook.dead': () => ({
    kind: 'not-delivered',
    says: 'An event could not be delivered to a webhook and was given up.',
  }),
  'webhook.gone': () => ({
    kind: 'not-delivered',
    says: 'A webhook\u2019s receiver is gone: nothing more is sent to it.',
  }),
};

function add(set: Set<string>, value: string | null): void {
  if (value !== null && set.size < listed_max) set.add(value);
}

/** Beyond the limit, one for all further names. */
function nameIn<T>(map: Map<string, T>, name: string, make: (name: string) => T): T {
  const known = map.get(name);
  if (known !== undefined) return known;
  const key = map.size < names_max ? name : OTHERS;
  const made = map.get(key) ?? make(key);
  map.set(key, made);
  return made;
}
const OTHERS = '(others, not told apart)';
