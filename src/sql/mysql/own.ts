// What is addressed to Holdpoint in a query's clothes: SELECT holdpoint.answer('...', ?). It must be the whole statement, of literals and
// parameters alone, or it is a call of a function that nobody has.
import type { OwnFunction } from '../findings.ts';
import type { Analyst } from './analyst.ts';
import { Kind } from './lexer.ts';

/** With how many arguments they take. */
const FUNCTIONS: ReadonlyMap<string, readonly [OwnFunction, number]> = new Map([
  ['answer', ['answer', 2]],
  ['withdraw', ['withdraw', 2]],
  ['request_approval', ['request_approval', 2]],
]);

/** Is the statement from `at` on, SELECT, one of them? Then it is kept in `own`. */
export function isOwnCall(a: Analyst, at: number, to: number): boolean {
  const name = a.name(at + 1, to);
  if (name?.database?.toLowerCase() !== 'holdpoint' || !a.isChar(name.to, '(')) return false;
  const [which, count] = FUNCTIONS.get(name.name.toLowerCase()) ?? [];
  if (!which || a.closing(name.to, to) !== to - 1) return false;
  if (at > 0 || a.in_body || a.depth > 0) return false;
  const given: (string | number)[] = [];
  for (let from = name.to + 1; from < to; ) {
    let end = from;
    while (end < to - 1 && !a.isChar(end, ',')) end += 1;
    const value = parameterAt(a, from, end) ?? literal(a, from, end);
    if (value === undefined) return false;
    given.push(value);
    from = end + 1;
  }
  if (given.length !== count) return false;
  a.own.push({ op: 'call', name: which, arguments: given, statement: a.found.statement });
  return true;
}

/** The number of a parameter that stands here alone, from 1. Only statements that are prepared have any, and those stand alone. */
export function parameterAt(a: Analyst, from: number, to: number): number | undefined {
  const isParameter = (i: number): boolean => a.kind(i) === Kind.operator && a.raw(i) === '?';
  if (to !== from + 1 || !isParameter(from)) return undefined;
  let number = 1;
  for (let i = 0; i < from; i += 1) if (isParameter(i)) number += 1;
  return number;
}

/** 'a' 'b' is one literal. */
function literal(a: Analyst, from: number, to: number): string | undefined {
  let text = '';
  for (let i = from; i < to; i += 1) {
    if (a.kind(i) !== Kind.string) return undefined;
    text += a.textOf(i);
  }
  return to > from ? text : undefined;
}
