// One request as an auditor reads it, folded from its records in the order of the log. Pure. Must never take a decision for one that counts
// where a later record made it void, nor call requester and decider separate without having compared their names.

import type { Line } from '../../audit/record.ts';
import { needs } from '../../policy/words.ts';
import { actionsOf, count, type Fields, fields, iso, text, texts } from './read.ts';

interface DecisionRow {
  readonly decision: string | null;
  readonly by: string | null;
  readonly accounts: readonly string[];
  readonly group: string | null;
  readonly instead_of: string | null;
  readonly channel: string | null;
  readonly at: string | null;
  readonly signed_in: {
    readonly at: string | null;
    readonly by: readonly string[];
    readonly acr: string | null;
  } | null;
  readonly permit: boolean;
  counts: boolean;
  readonly record: number;
  readonly rationale?: string;
}

/** The clock decided. */
export const CLOCK = 'holdpoint';

/** What each type of record makes of the state; one that is not here leaves it. */
const STATES: Readonly<Record<string, string>> = {
  'request.opened': 'open',
  'request.asked': 'asked',
  'request.answered': 'open',
  'request.changed': 'open',
  'request.broke_glass': 'approved',
  'request.withdrawn': 'withdrawn',
  'request.expired': 'expired',
  'request.released': 'released',
  'request.returned': 'approved',
  'request.executed': 'executed',
  'request.failed': 'failed',
  'request.outcome_unknown': 'outcome_unknown',
  'request.lapsed': 'lapsed',
};

export type Unsealed = Readonly<Record<string, unknown>> | 'deleted' | 'damaged' | null;

export class RequestFold {
  readonly #id: string;
  #opened: Fields = {};
  #opened_at: number | null = null;
  #opened_time: string | null = null;
  #state = 'unknown';
  #decisions: DecisionRow[] = [];
  #decided: number | null = null;
  #released: string | null = null;
  #outcome: Fields | null = null;
  #questions = 0;
  #answers = 0;
  #refused = 0;
  #revisions = 0;
  #glass: { readonly at: string; reviewed_by: string | null; reviewed: string | null } | null = null;
  #first: number | null = null;
  #last = 0;
  #records = 0;
  #text: Unsealed | undefined;

  constructor(id: string) {
    this.#id = id;
  }

  /** `unsealed`: what was sealed in it, where it is asked for. */
  add(line: Line, unsealed?: Unsealed): void {
    const { seq, type, time, clear } = line;
    const at = count(clear['at']) ?? Date.parse(time);
    this.#first ??= seq;
    this.#last = seq;
    this.#records++;
    switch (type) {
      case 'request.opened':
        this.#opened = fields(clear['request']);
        this.#opened_at = count(clear['at']) ?? count(this.#opened['opened']) ?? at;
        this.#opened_time = time;
        this.#revisions = 1;
        this.#text = partOf(unsealed, 'request');
        break;
      case 'request.changed':
        this.#opened = { ...this.#opened, ...fields(clear['held']) };
        this.#revisions++;
        this.#decided = null;
        for (const one of this.#decisions) one.counts = false;
        this.#text = partOf(unsealed, 'held');
        break;
      case 'request.decided':
        this.#decide(line, at, unsealed);
        break;
      case 'request.asked':
        this.#questions++;
        break;
      case 'request.answered':
        this.#answers++;
        break;
      case 'request.refused':
        this.#refused++;
        break;
      case 'request.broke_glass':
        this.#glass = { at: iso(at) ?? time, reviewed_by: null, reviewed: null };
        this.#decided = at;
        break;
      case 'request.reviewed':
        if (this.#glass) Object.assign(this.#glass, { reviewed_by: text(clear['by']), reviewed: iso(at) ?? time });
        break;
      case 'request.withdrawn':
      case 'request.expired':
        this.#decided = at;
        break;
      case 'request.released':
        this.#released = iso(at) ?? time;
        break;
      case 'request.executed':
      case 'request.failed':
        this.#outcome = fields(clear['outcome']);
        break;
    }
    this.#state = STATES[type] ?? this.#state;
  }

  #decide({ seq, clear }: Line, at: number, unsealed: Unsealed | undefined): void {
    const told = fields(clear['decision']);
    const by = text(told['by']);
    const signed_in = told['signed_in'] === undefined || told['signed_in'] === null ? null : fields(told['signed_in']);
    const accounts = texts(told['accounts']);
    const past = new Set([...accounts, ...(by === null ? [] : [by]), ...texts(clear['void'])]);
    for (const one of this.#decisions) if (one.by !== null && past.has(one.by)) one.counts = false;
    const rationale = unsealed === undefined ? undefined : wordOf(unsealed, 'rationale');
    this.#decisions.push({
      decision: text(told['decision']),
      by,
      accounts,
      group: text(told['group']),
      instead_of: text(told['instead_of']),
      channel: text(told['channel']),
      at: iso(at),
      signed_in: signed_in && { at: iso(signed_in['at']), by: texts(signed_in['by']), acr: text(signed_in['acr']) },
      permit: typeof told['permit'] === 'object' && told['permit'] !== null,
      counts: told['counts'] !== false,
      record: seq,
      ...(rationale !== undefined && { rationale }),
    });
    // Records of earlier releases do not say so: one decision was enough then.
    if (clear['ends'] === false) return;
    this.#decided = at;
    this.#state = told['decision'] === 'approve' ? 'approved' : 'denied';
  }

  /** Distinct people whose approvals counted at the end. */
  get approvals(): number {
    return this.#decisions.filter((one) => one.counts && one.decision === 'approve' && one.by !== CLOCK).length;
  }

  get decisions(): readonly DecisionRow[] {
    return this.#decisions;
  }

  get state(): string {
    return this.#state;
  }

  get opened(): { readonly time: string | null; readonly policy: string } {
    return { time: this.#opened_time, policy: text(this.#opened['policy']) ?? '' };
  }

  get released(): boolean {
    return this.#released !== null;
  }

  get glass(): { readonly at: string; readonly reviewed_by: string | null; readonly reviewed: string | null } | null {
    return this.#glass;
  }

  row(from: string, receipt: string | null) {
    const opened = this.#opened;
    const who = fields(opened['who']);
    const where = fields(opened['where']);
    const ask = fields(opened['ask']);
    const of = texts(ask['of']);
    const asked = { of, each: ask['each'] === true, count: count(ask['count']) ?? 1 };
    return {
      id: this.#id,
      opened: iso(this.#opened_at) ?? this.#opened_time,
      carried_over: this.#opened_time === null || this.#opened_time < from,
      requester: text(who['id']),
      kind: text(who['kind']),
      sponsor: text(who['sponsor']),
      groups: texts(who['groups']),
      authentication: text(who['authentication']),
      address: text(who['address']),
      on_behalf_of: texts(who['on_behalf_of']),
      engine: text(where['engine']),
      upstream: text(where['upstream']),
      database: text(where['database']),
      tags: fields(where['tags']),
      role: text(opened['role']),
      shape: text(opened['shape']),
      ...actionsOf(opened['findings']),
      rule: text(opened['rule']),
      policy: text(opened['policy']),
      needs: opened['ask'] === undefined ? null : needs(asked as unknown as Parameters<typeof needs>[0]),
      revisions: this.#revisions,
      decisions: this.#decisions,
      state: this.#state,
      decided: iso(this.#decided),
      waited_ms: this.#decided === null || this.#opened_at === null ? null : this.#decided - this.#opened_at,
      released: this.#released,
      outcome: this.#outcome,
      questions: this.#questions,
      answers: this.#answers,
      break_glass: this.#glass !== null,
      refused_acts: this.#refused,
      first_record: this.#first,
      last_record: this.#last,
      records: this.#records,
      receipt,
      ...(this.#text !== undefined && { text: this.#text }),
    };
  }

  duty() {
    const who = fields(this.#opened['who']);
    const requester = text(who['id']);
    const sponsor = text(who['sponsor']);
    const linked = [...new Set([...texts(who['linked']), ...texts(who['on_behalf_of'])])];
    const people = this.#decisions.filter(({ by }) => by !== null && by !== CLOCK);
    const deciders = [...new Set(people.flatMap(({ by, accounts }) => [by ?? '', ...accounts]))];
    const theirs = new Set([requester, sponsor, ...linked].flatMap((one) => (one === null ? [] : [folded(one)])));
    const both_sides = deciders.filter((one) => theirs.has(folded(one)));
    const byClock = this.#decisions.some(({ by }) => by === CLOCK) || this.#state === 'expired';
    const how = people.length > 0 ? 'people' : this.#glass ? 'break-glass' : byClock ? 'clock' : 'nobody';
    const separate = people.length === 0 ? null : both_sides.length === 0;
    return { request: this.#id, requester, sponsor, linked, deciders, how, separate, both_sides };
  }

  brokeGlass() {
    if (this.#glass === null) return null;
    const who = fields(this.#opened['who']);
    const by = text(who['id']);
    const theirs = [by, text(who['sponsor']), ...texts(who['linked'])].flatMap((one) =>
      one === null ? [] : [folded(one)],
    );
    const { at, reviewed_by, reviewed } = this.#glass;
    const separate = reviewed_by === null ? null : !theirs.includes(folded(reviewed_by));
    return {
      request: this.#id,
      by,
      at,
      shape: text(this.#opened['shape']),
      state: this.#state,
      reviewed_by,
      reviewed,
      separate,
    };
  }
}

/** Two spellings of one name count as one. */
function folded(name: string): string {
  return name.normalize('NFKC').toLowerCase();
}

function partOf(unsealed: Unsealed | undefined, name: string): Unsealed | undefined {
  return unsealed !== null && typeof unsealed === 'object' ? readable(fields(unsealed[name])) : unsealed;
}

function wordOf(unsealed: Unsealed, name: string): string {
  if (typeof unsealed === 'string') return unsealed;
  return text(fields(unsealed)[name]) ?? '';
}

/**
 * What is worth reading of a sealed part: the statement's bytes as text (`sql_hex` where they are no UTF-8), parameters, the agent's reason.
 * Digests and patterns are for the gateway.
 */
export function readable(sealed: Fields): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  const sql = text(sealed['sql']);
  if (sql !== null) {
    const bytes = Buffer.from(sql, 'latin1');
    out['sql'] = bytes.toString('utf8');
    if (!Buffer.from(out['sql'] as string).equals(bytes)) out['sql_hex'] = bytes.toString('hex');
  }
  if (Array.isArray(sealed['parameters'])) out['parameters'] = sealed['parameters'];
  for (const name of ['reason', 'message']) if (text(sealed[name])) out[name] = sealed[name];
  return out;
}
