// A verdict in the words that agents read: what was found, and what is not allowed. Names and kinds only, never a literal.
import type { Verdict } from '../policy/types.ts';
import type { Action, Finding } from '../sql/findings.ts';

/** Findings that a verdict rests on, by their indexes; all of them where the rule is about something else. */
export const grounds = (findings: readonly Finding[], indexes: Verdict['findings']): readonly Finding[] => {
  const matched = indexes.flatMap((index) => findings[index] ?? []);
  return matched.length > 0 ? matched : findings;
};

/** "export of public.customers, billing.invoices; ddl of public.t". `all`: what else the statement does. */
export const found = (findings: readonly Finding[], all: readonly Finding[]): string => {
  const objects = new Map<Action, Set<string>>();
  for (const { action, object } of findings) {
    const known = objects.get(action) ?? new Set();
    if (object !== '') known.add(object);
    objects.set(action, known);
  }
  // COPY (SELECT ...) TO STDOUT leaves with what the statement reads.
  const leaves = objects.get('export');
  if (leaves?.size === 0)
    for (const { action, object } of all) if (action === 'read' && object !== '') leaves.add(object);
  const parts = [...objects].map(([action, names]) =>
    names.size === 0 ? action : `${action} of ${[...names].join(', ')}`,
  );
  return parts.length === 0 ? 'nothing that a table names' : parts.join('; ');
};

/** What completes 'rule "x" allows no ...'. */
const ALLOWS_NO: Readonly<Record<Action, string>> = {
  read: 'reading of this',
  write: 'writing of this',
  ddl: 'DDL',
  grant: 'grants',
  role: 'change of role',
  export: 'export',
  import: 'import',
  code: 'code that cannot be read',
  admin: 'administration',
  settings: 'change of this setting',
  transaction: 'transaction control of this kind',
  unknown: 'statement of a kind that Holdpoint does not know',
};

/** As the analysis words it for COPY and for the functions that reach files. */
const touchesServer = (finding: Finding): boolean =>
  finding.object === 'program' || finding.object === 'file' || finding.why.includes("server's machine");

export const allowsNo = (findings: readonly Finding[]): string => {
  const first = findings[0];
  if (!first) return 'statement of this kind';
  return findings.some(touchesServer) ? 'access to server files or programs' : ALLOWS_NO[first.action];
};
