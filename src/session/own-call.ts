// What both protocols do with a call of holdpoint.*.
import type { OwnCall } from './gate.ts';

/** Its arguments, with the values that are bound to its parameters; NULL says nothing. */
export const argumentsOf = ({ arguments: given }: OwnCall, values: readonly (string | null)[]): string[] =>
  given.map((one) => (typeof one === 'number' ? (values[one - 1] ?? '') : one));
