// What a record names, by kind: whom, what, by which rule. The one place that knows where records have their names: an index is made of these, and
// a search looks at these again in every record that it finds. Looks at what is in clear alone.

import { isObject, partOf, text, type Clear } from '../export/known.ts';
import type { BlockJson, Line } from '../record.ts';

/** Each once, folded by `fold`. */
export interface Names {
  /** Requests, permits, tokens: whatever has an id. */
  readonly id: ReadonlySet<string>;
  readonly session: ReadonlySet<string>;
  /** Whoever sent, answers for, asked, decided or read. */
  readonly who: ReadonlySet<string>;
  /** As findings have them; of an allowed statement every name in its shape. A name with dots counts from each of its parts on. */
  readonly object: ReadonlySet<string>;
  readonly rule: ReadonlySet<string>;
  readonly upstream: ReadonlySet<string>;
  /** Hashes of policies: whole, and their beginning. */
  readonly policy: ReadonlySet<string>;
  /** The record's type, and its area with the dot: 'request.'. */
  readonly type: ReadonlySet<string>;
}

export type NameKind = keyof Names;
export type Named = Pick<Line, 'type' | 'clear' | 'block'>;

/** Case is no difference: who searches has seen the name somewhere else. What is not ASCII stays so (U+212A would become a k): bytes are looked at, too. */
export function fold(name: string): string {
  return name
    .split('\u212a')
    .map((part) => part.toLowerCase())
    .join('\u212a');
}

/** Hex digits of a policy's hash by which it is found. */
export const policy_digits = 8;

export function namesOf({ type, clear, block }: Named): Names {
  const part = partOf(clear);
  const decision = isObject(clear['decision']) ? clear['decision'] : {};
  const said = isObject(clear['said']) ? clear['said'] : {};
  const parts = part === clear ? [clear] : [clear, part];
  return {
    id: setOf(parts.flatMap((one) => [one['id'], one['request'], one['permit'], one['token'], one['requests']])),
    session: setOf(parts.map((one) => one['session'])),
    who: setOf([...parts, decision, said].flatMap((one) => accountsOf(one, type))),
    object: new Set([...(block ? blockObjects(block) : []), ...objectNames(part)]),
    rule: setOf([part['rule'], ...observedRules(clear), ...(block ? wordsAt(block, block.rule) : [])]),
    upstream: setOf(parts.flatMap((one) => [whereOf(one), one['listener']])),
    policy: setOf([part['policy'], clear['hash']].flatMap((hash) => [hash, text(hash).slice(0, policy_digits)])),
    type: new Set([type, `${type.split('.')[0] ?? ''}.`]),
  };
}

function accountsOf(part: Clear, type: string): unknown[] {
  const { who } = part;
  const person = isObject(who) ? [who['id'], who['sponsor'], who['linked'], who['on_behalf_of']] : [who];
  // Of a sign-in `by` is how, not who.
  const by = type === 'reviewer.signed_in' ? [] : [part['by'], part['accounts'], part['instead_of']];
  return [...person, ...by, part['user'], part['for'], part['on_behalf_of']];
}

function whereOf({ where }: Clear): unknown {
  return isObject(where) ? where['upstream'] : where;
}

function observedRules(clear: Clear): unknown[] {
  const { observed } = clear;
  return Array.isArray(observed) ? observed.map((one) => (isObject(one) ? one['rule'] : null)) : [];
}

function objectNames(part: Clear): ReadonlySet<string> {
  const { findings } = part;
  if (!Array.isArray(findings)) return shapeNames(text(part['shape']));
  const names = new Set<string>();
  for (const finding of findings) if (isObject(finding)) addParts(names, fold(text(finding['object'])).split('.'));
  return names;
}

function blockObjects(block: BlockJson): string[] {
  return wordsAt(block, block.shape).flatMap((shape) => [...shapeNames(shape)]);
}

function wordsAt(block: BlockJson, column: readonly number[]): string[] {
  return [...new Set(column)].map((index) => block.words[index] ?? '');
}

/** 'shop.public.customers' is found by itself, 'public.customers' and 'customers'. */
function addParts(names: Set<string>, parts: readonly string[]): void {
  for (let from = 0; from < parts.length; from++) {
    const name = parts.slice(from).join('.');
    if (name !== '') names.add(name);
  }
}

/** Names as both engines write them, quoted or not, and with dots between. */
const NAME = String.raw`(?:"(?:[^"]|"")+"|\x60(?:[^\x60]|\x60\x60)+\x60|[\p{L}_][\p{L}\p{N}_$]*)`;
const NAMES = new RegExp(String.raw`${NAME}(?:\s*\.\s*${NAME})*`, 'gu');
const PARTS = new RegExp(NAME, 'gu');
/** Reserved in PostgreSQL and in MySQL: without quotes no name of anything, and in nearly every statement. */
const RESERVED: ReadonlySet<string> = new Set(
  'select from where and or not null in as on order group limit union all distinct case when then else having into with'.split(
    ' ',
  ),
);

/** Agents repeat themselves: the names of shapes that were seen. */
const SHAPES_KEPT_MAX = 2_000;
const shapes_kept = new Map<string, ReadonlySet<string>>();

export function shapeNames(shape: string): ReadonlySet<string> {
  const kept = shapes_kept.get(shape);
  if (kept !== undefined) return kept;
  const names = new Set<string>();
  for (const [chain] of shape.matchAll(NAMES)) {
    const parts = [...chain.matchAll(PARTS)].map(([name]) => fold(unquoted(name)));
    if (parts.length > 1 || !RESERVED.has(chain.toLowerCase())) addParts(names, parts);
  }
  if (shapes_kept.size >= SHAPES_KEPT_MAX) shapes_kept.clear();
  shapes_kept.set(shape, names);
  return names;
}

function unquoted(name: string): string {
  const quote = name[0] ?? '';
  return quote === '"' || quote === '`' ? name.slice(1, -1).replaceAll(quote + quote, quote) : name;
}

function setOf(values: readonly unknown[]): ReadonlySet<string> {
  const names = new Set<string>();
  const add = (value: unknown): void => {
    if (typeof value === 'string' && value !== '') names.add(fold(value));
    else if (Array.isArray(value)) value.forEach(add);
    else if (isObject(value) && typeof value['id'] === 'string') add(value['id']);
  };
  values.forEach(add);
  return names;
}
