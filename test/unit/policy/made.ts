// Hand-made analyses, questions and policies for the policy tests: no SQL is parsed here.
import { expect } from 'vitest';
import { compilePolicy, type LoadedPolicy } from '../../../src/policy/load.ts';
import type { PolicyError, PolicyQuestion, SessionView, Where, Who } from '../../../src/policy/types.ts';
import type { Action, Analysis, Finding, StatementFacts } from '../../../src/sql/findings.ts';

export type FindingLike = Partial<Finding> & { readonly action: Action };

export function finding(like: FindingLike): Finding {
  return { object: '', why: 'made for a test', statement: 0, start: 0, end: 1, ...like };
}

export function analysis(
  findings: readonly FindingLike[],
  facts: Partial<Analysis> = {},
  statement: Partial<StatementFacts> = {},
): Analysis {
  const made = findings.map(finding);
  const count = Math.max(0, ...made.map((one) => one.statement)) + 1;
  const objects = (action: Action) =>
    [...new Set(made.filter((one) => one.action === action).map((one) => one.object))].toSorted();
  return {
    statements: Array.from({ length: count }, () => ({
      kind: 'SELECT',
      start: 0,
      end: 1,
      writes_all_rows: false,
      folds_rows: false,
      returns_written: false,
      rows_max: null,
      cursor: null,
      copy_in: false,
      hidden_writes: false,
      transaction_control: false,
      parse_is_harmless: true,
      ...statement,
    })),
    findings: made,
    reads: objects('read'),
    writes: objects('write'),
    functions: [],
    effects: [],
    own: [],
    forward: null,
    position_shift: [],
    shape: '',
    reason: null,
    session_bound: false,
    error: null,
    ...facts,
  };
}

export const unparsed = (position = 1): Analysis =>
  analysis([], { statements: [], error: { sqlstate: '42601', message: 'syntax error', position } });

export interface Circumstances {
  readonly who?: Partial<Who>;
  readonly where?: Partial<Where>;
  readonly session?: Partial<SessionView>;
  readonly now?: string;
}

export function question(analysed: Analysis, about: Circumstances = {}): PolicyQuestion {
  return {
    analysis: analysed,
    who: {
      id: 'bot',
      kind: 'agent',
      groups: [],
      sponsor: 'ada',
      authentication: 'scram-sha-256',
      address: '10.0.0.7',
      ...about.who,
    },
    where: { engine: 'postgres', upstream: 'app', database: 'app', tags: {}, ...about.where },
    session: { in_transaction: false, application_name: 'psql', role: 'bot', role_is_local: false, ...about.session },
    now: Date.parse(about.now ?? '2025-01-06T12:00:00Z'),
  };
}

/** A policy from its text; fails the test with the errors when there are any. */
export async function policy(text: string): Promise<LoadedPolicy> {
  const result = await compilePolicy('policy.yaml', Buffer.from(text));
  if ('errors' in result) expect.fail(result.errors.map((error) => error.message).join('; '));
  return result.policy;
}

/** The errors of a policy's text; fails the test when there are none. */
export async function errorsOf(text: string): Promise<readonly PolicyError[]> {
  const result = await compilePolicy('policy.yaml', Buffer.from(text));
  if (!('errors' in result)) expect.fail('the policy loads');
  return result.errors;
}
