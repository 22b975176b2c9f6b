// Small readers of parse trees, and the refusal that any of the tables may raise.
import type { AnalysisError, OwnFunction, OwnSetting } from '../findings.ts';
import type { Tree } from './parser.ts';

/** {Kind: fields} taken apart. */
export function unwrap(wrapped: unknown): [string, Tree] {
  for (const kind in wrapped as Tree) return [kind, (wrapped as Tree)[kind] as Tree];
  return ['', {}];
}

/** Items of a list of String nodes. */
export function strings(list: unknown): string[] {
  const found: string[] = [];
  if (!Array.isArray(list)) return found;
  for (const item of list as { readonly String?: Tree }[])
    if (item.String !== undefined) found.push(textOf(item.String['sval']));
  return found;
}

/** Text of the tree: already UTF-16. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** A text that is refused before or instead of being judged. */
export class Refusal extends Error {
  readonly error: AnalysisError;
  constructor(sqlstate: string, message: string, position = 0) {
    super(message);
    this.error = { sqlstate, message, position };
  }
}

/** Raises the refusal of what Holdpoint does not let pass. */
export function refuse(message: string): never {
  throw new Refusal('0A000', message);
}

/** Said for a holdpoint.* name that does not exist, or stands where it would run never or more than once. */
export const OWN_HELP =
  'Holdpoint knows SET holdpoint.reason and hold, SHOW holdpoint.requests and holdpoint.request."<id>"; and, in a message of their own, ' +
  "SET holdpoint.break_glass, SELECT holdpoint.answer('<id>', '<text>'), withdraw('<id>', '<reason>') and " +
  "request_approval('<sql>', '<reason>')";

/** The settings that are Holdpoint's own, lower case. */
export const OWN_SETTINGS: ReadonlyMap<string, OwnSetting> = new Map([
  ['holdpoint.reason', 'reason'],
  ['holdpoint.hold', 'hold'],
  ['holdpoint.break_glass', 'break_glass'],
]);

/** And its functions, with how many arguments they take. */
export const OWN_FUNCTIONS: ReadonlyMap<string, readonly [OwnFunction, number]> = new Map([
  ['answer', ['answer', 2]],
  ['withdraw', ['withdraw', 2]],
  ['request_approval', ['request_approval', 2]],
]);
