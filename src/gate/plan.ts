// What a session needs of an analysis: how to forward it and what it changes. Immutable, and remembered with the verdict.
import type { NameEffect, Plan } from '../session/gate.ts';
import type { Limit } from '../policy/types.ts';
import { type Analysis, changesFacts, changesRole, type Effect } from '../sql/findings.ts';
import type { AnalysisHandle } from './options.ts';

/** What the gate keeps in a plan. */
export interface Remembered {
  readonly analysis: Analysis;
  /** As it is forwarded, latin1. */
  readonly text: string;
  /** The rule that gave the verdict. */
  readonly rule: string;
  readonly limits: readonly Limit[];
  readonly again: Again | null;
}

/** Analyses it once more, where the text alone does not say it. */
export type Again = (now: AnalysisHandle) => Analysis | Promise<Analysis>;

export const remembered = (plan: Plan): Remembered => plan.gate as Remembered;

/** `text` is the text that was analysed, latin1; `rule` gave its verdict. */
export const planOf = (
  analysis: Analysis,
  text: string,
  rule: string,
  limits: readonly Limit[],
  again: Again | null,
): Plan => {
  const { effects, statements } = analysis;
  return {
    text,
    forward: analysis.forward,
    statements: statements.length,
    copy_in: statements.some((statement) => statement.copy_in),
    transaction_control: statements.length > 0 && statements.every((statement) => statement.transaction_control),
    block: block(effects),
    changes_facts: effects.some(changesFacts),
    queries: statements.some(({ kind }) => !WITHOUT_SNAPSHOT.test(kind)),
    changes_catalog: analysis.changes_catalog ?? null,
    temporary: analysis.temporary ?? NO_CHANGES,
    changes_role: effects.some(changesRole),
    opaque: effects.some((effect) => effect.type === 'unknown'),
    resets: effects.some((effect) => effect.type === 'reset-all'),
    names: effects.flatMap(nameEffect),
    by_name: analysis.session_bound,
    preparable: statements.length === 1 && statements.every(({ kind }) => PREPARABLE.has(kind)),
    declares: statements.some(({ kind }) => kind === 'DECLARE CURSOR'),
    runs_late: statements.some(({ kind }) => RUNS_LATE.has(kind)),
    limited: limits.length > 0,
    only_reads: effects.length === 0 && analysis.findings.every(({ action }) => action === 'read'),
    cursors: statements.flatMap(({ cursor }) => (cursor ? [{ ...cursor, name: bytesOf(cursor.name) }] : [])),
    own: analysis.own,
    parse_is_harmless: statements.every((statement) => statement.parse_is_harmless),
    position_shift: analysis.position_shift,
    gate: { analysis, text: analysis.forward ?? text, rule, limits, again } satisfies Remembered,
  };
};

const NO_CHANGES: Plan['temporary'] = [];

/** Of what is held. Kept while people think, with thousands of others: of its lists, most are empty, and the others have room for more. */
export const heldPlan = (plan: Plan): Plan => {
  const { analysis, text, rule, limits, again } = remembered(plan);
  const own = lean(plan.own);
  const position_shift = lean(plan.position_shift);
  return {
    ...plan,
    // Its limits are those of what a permit lets through; what a person does runs to its end.
    limited: false,
    names: lean(plan.names),
    cursors: lean(plan.cursors),
    own,
    position_shift,
    gate: {
      analysis: {
        ...analysis,
        statements: lean(analysis.statements),
        findings: lean(analysis.findings),
        reads: lean(analysis.reads),
        writes: lean(analysis.writes),
        functions: lean(analysis.functions),
        effects: lean(analysis.effects),
        own: analysis.own === plan.own ? own : lean(analysis.own),
        position_shift,
      },
      text,
      rule,
      limits: lean(limits),
      again,
    } satisfies Remembered,
  };
};

const lean = <T>(list: readonly T[]): readonly T[] => (list.length === 0 ? NOTHING : list.slice());
const NOTHING: readonly never[] = [];

const BLOCK = {
  begin: 'open',
  commit: 'closed',
  rollback: 'closed',
  'prepare-transaction': 'closed',
  'rollback-to': 'open',
  savepoint: null,
  release: null,
} as const;

const block = (effects: readonly Effect[]): Plan['block'] => {
  let state: Plan['block'] = null;
  for (const effect of effects) if (effect.type === 'transaction') state = BLOCK[effect.op] ?? state;
  return state;
};

/** The server keeps names as bytes. */
const nameEffect = (effect: Effect): NameEffect[] => {
  if (effect.type !== 'prepare' && effect.type !== 'deallocate') return [];
  return [{ ...effect, name: bytesOf(effect.name) } as NameEffect];
};

const bytesOf = (name: string | null): string | null =>
  name === null ? null : Buffer.from(name, 'utf8').toString('latin1');

const PREPARABLE: ReadonlySet<string> = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MERGE']);

const WITHOUT_SNAPSHOT =
  /^(BEGIN|START|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET|RESET|SHOW|DISCARD|PREPARE|DEALLOCATE|LISTEN|UNLISTEN|NOTIFY|CLOSE|LOCK)/;

/** Utility statements that return rows, so that FETCH can run a portal of them. */
const RUNS_LATE: ReadonlySet<string> = new Set(['CALL', 'EXECUTE', 'EXPLAIN', 'FETCH']);
