// What is searched for: as a question to a record, as terms of an index, and as bytes that a line must have. The first decides; the other two
// only spare looking, so neither may ever leave out what the first would take.

import { isObject } from '../export/known.ts';
import { AuditError } from '../error.ts';
import type { RecordType } from '../record-types.ts';
import type { Line } from '../record.ts';
import { fold, namesOf, policy_digits, shapeNames, type NameKind } from './names.ts';

export interface Query {
  readonly id?: string | undefined;
  readonly session?: string | undefined;
  readonly who?: string | undefined;
  readonly object?: string | undefined;
  readonly rule?: string | undefined;
  readonly upstream?: string | undefined;
  /** A policy's hash, or the first 8 or more digits of it. */
  readonly policy?: string | undefined;
  /** A type, or with a dot at the end all that begin so. */
  readonly type?: string | undefined;
  readonly verdict?: Verdict | undefined;
  /** Milliseconds since the epoch: not before, and before; of when the record was handed to the log. */
  readonly from_ms?: number | undefined;
  readonly to_ms?: number | undefined;
  /** Of each of these lists one, beside all of the above. */
  readonly any?: readonly (readonly Term[])[] | undefined;
}

export interface Term {
  readonly kind: NameKind;
  readonly name: string;
}

/** What became of a statement or of somebody who came, and the types of record that say so. */
export const VERDICTS = {
  allowed: ['statements', 'statement.forwarded'],
  observed: ['statement.observed'],
  held: ['request.opened', 'request.held'],
  approved: ['request.decided'],
  denied: ['request.decided', 'statement.denied'],
  refused: ['statement.refused', 'session.refused', 'request.refused', 'reviewer.refused', 'reviewer.sign_in_refused'],
  cut: ['statement.cut'],
  withdrawn: ['request.withdrawn'],
  expired: ['request.expired'],
  executed: ['request.executed', 'permit.use_ended'],
  failed: ['request.failed'],
  'break-glass': ['request.broke_glass'],
} as const satisfies Readonly<Record<string, readonly RecordType[]>>;
export type Verdict = keyof typeof VERDICTS;

const KINDS = [
  'id',
  'session',
  'policy',
  'object',
  'who',
  'rule',
  'upstream',
  'type',
] as const satisfies readonly NameKind[];

/** Of a record: false for one that is not meant; of a block those entries that are, at least one. */
export type Match = boolean | readonly number[];
/** More names than that are not looked for in bytes: an expression of all of them costs more than reading the records. */
const NEEDLES_MAX = 24;

export class Sought {
  /** One name of each must be there; the rarest first, as far as their kind tells. */
  readonly terms: readonly (readonly Term[])[];
  readonly #query: Query;

  /** Throws AuditError 'invalid' when it asks for what no record can have. */
  constructor(query: Query) {
    this.#query = query;
    const terms: (readonly Term[])[] = [];
    for (const kind of KINDS) {
      const wanted = query[kind];
      if (wanted === undefined) continue;
      const name = fold(wanted.trim());
      if (name === '') throw new AuditError('invalid', `an empty ${kind} is in no record`);
      if (kind === 'policy' && !/^[0-9a-f]{8,64}$/.test(name))
        throw new AuditError('invalid', 'a policy is named by its hash: 8 to 64 hex digits');
      terms.push([{ kind, name: kind === 'policy' && name.length < 64 ? name.slice(0, policy_digits) : name }]);
    }
    for (const any of query.any ?? []) terms.push(any.map(({ kind, name }) => ({ kind, name: fold(name) })));
    if (query.verdict !== undefined) terms.push(VERDICTS[query.verdict].map((name) => ({ kind: 'type', name })));
    this.terms = terms;
  }

  get from_ms(): number {
    return this.#query.from_ms ?? -Infinity;
  }

  get to_ms(): number {
    return this.#query.to_ms ?? Infinity;
  }

  inTime(time_ms: number): boolean {
    return time_ms >= this.from_ms && time_ms < this.to_ms;
  }

  matches(line: Line): Match {
    if (!this.inTime(Date.parse(line.time))) return false;
    const names = namesOf(line);
    if (!this.terms.every((any) => any.some(({ kind, name }) => names[kind].has(name)))) return false;
    const { policy, verdict } = this.#query;
    if (policy !== undefined && ![...names.policy].some((hash) => hash.startsWith(fold(policy.trim())))) return false;
    if (verdict !== undefined && !saysSo(line, verdict)) return false;
    return line.block === undefined || this.#entries(line.block);
  }

  /** Of a block those entries that have the object and the rule; which of them it was, the block as a whole does not say. */
  #entries(block: NonNullable<Line['block']>): Match {
    const object = this.#query.object === undefined ? null : fold(this.#query.object.trim());
    const rule = this.#query.rule === undefined ? null : fold(this.#query.rule.trim());
    if (object === null && rule === null) return true;
    const shapes = block.words.map((word) => object === null || shapeNames(word).has(object));
    const rules = block.words.map((word) => rule === null || fold(word) === rule);
    const meant = [...block.ms.keys()].filter((at) => shapes[block.shape[at] ?? -1] && rules[block.rule[at] ?? -1]);
    return meant.length > 0 && meant;
  }

  /**
   * What a line's bytes, taken as latin1, must have to be meant: one expression of which there is a match in every line that `matches` takes.
   * Null: nothing that bytes tell.
   */
  needle(): RegExp | null {
    for (const any of this.terms) {
      if (any.length > NEEDLES_MAX) continue;
      const words = any.map(needleOf);
      if (words.every((word) => word !== null)) return new RegExp(words.join('|'), 'gi');
    }
    return null;
  }
}

/** Names that are one thing are written as JSON has them; of a name with dots a shape may have spaces and quotes between. */
function needleOf({ kind, name }: Term): string | null {
  const last = kind === 'object' ? (name.split('.').at(-1) ?? name) : name;
  // Other letters have cases of which bytes know nothing.
  if (!/^[\x20-\x7e]+$/.test(last)) return null;
  // A quote in a quoted name is doubled.
  if (/["`\\]/.test(last)) return null;
  const escaped = last.replaceAll(/[.*+?^${}()|[\]/-]/g, (char) => `\\${char}`);
  return kind === 'type' ? `"type":"${escaped}` : escaped;
}

/** Of a decision its word. */
function saysSo({ type, clear }: Line, verdict: Verdict): boolean {
  if (type !== 'request.decided') return true;
  const decision = isObject(clear['decision']) ? clear['decision']['decision'] : null;
  return decision === (verdict === 'approved' ? 'approve' : 'deny');
}
