// Statements that were prepared earlier: what the gate remembers of them, and which of the session's temporary objects the server's plan of
// them may be older than. Such a plan stays as it is when a nearer name comes up, so a name that was hidden since means either.
import type { Analysis, AnalysisContext } from '../sql/findings.ts';
import type { Remembered } from './plan.ts';
import type { State } from './state.ts';

/** Temporary relations that came up after what was planned then (SessionFacts.planned). */
export const youngerThan = ({ temporarySince }: State, planned: number | null): readonly string[] => {
  if (planned === null || temporarySince.size === 0) return NONE;
  return [...temporarySince.values()].filter(({ since }) => since > planned).map(({ name }) => name);
};

/** The session's own catalog was read: what is new in it came up just now, and what it had before is as old as it was. */
export const noteTemporary = (s: State): void => {
  const { ownCatalog, temporarySince, options, facts } = s;
  const relations = ownCatalog === null ? [] : (options.engine.reading?.temporary(ownCatalog) ?? []);
  s.temporarySince = new Map(
    relations.map(({ name, id }) => {
      const key = `${id} ${name}`;
      return [key, temporarySince.get(key) ?? { name, since: facts.catalog_changes }];
    }),
  );
};

/** AnalysisContext.prepared: a protocol statement's plan, or the analysis inside a SQL PREPARE. */
export const preparedAs = (s: State, name: string): ReturnType<AnalysisContext['prepared']> => {
  const known = s.facts.prepared(name) as Analysis | Remembered | 'utility' | null | undefined;
  if (!known || known === 'utility') return known;
  const { at, elsewhere } = s.facts.planned(name);
  const more = { ...(elsewhere ? { elsewhere } : {}), planned_before: youngerThan(s, at) };
  if (!('analysis' in known)) return { ...known, ...more };
  return { ...known.analysis, prepared_by: known.text, ...more };
};

const NONE: readonly string[] = [];
