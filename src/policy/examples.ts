// Runs a policy file's own examples. Needs an analyser from outside: policy knows findings, not SQL.
import type { Analysis } from '../sql/findings.ts';
import type { Explanation } from './judge.ts';
import type { LoadedPolicy } from './load.ts';
import { type Example, type RuleFile, verdictOf } from './schema.ts';
import type { PolicyQuestion, Where } from './types.ts';
import { needs } from './words.ts';

export type Engine = Where['engine'];

/** Analyses a text as a fresh session of that engine would send it; null: no analyser for that engine. */
export type Analyse = (engine: Engine, sql: string) => Analysis | null | Promise<Analysis | null>;

export interface ExampleResult {
  readonly rule: string;
  readonly expected: (typeof EXPECTATIONS)[number];
  readonly engine: Engine;
  readonly sql: string;
  /** skipped: no analyser for that engine. */
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** What happened instead; '' when it passed. */
  readonly detail: string;
  /** Who is asked when it is held, in words; '' when it is not. */
  readonly asks: string;
  /** Where the example stands in the file. */
  readonly path: readonly PropertyKey[];
}

const ENGINES = ['postgres', 'mysql', 'mariadb'] as const satisfies readonly Engine[];
const EXPECTATIONS = ['holds', 'denies', 'allows', 'limits', 'unless'] as const;
const VERDICT = { holds: 'hold', denies: 'deny', allows: 'allow' } as const;
// Monday noon: neither night nor weekend in the zones most policies name.
const DEFAULT_NOW = Date.parse('2025-01-06T12:00:00Z');

/** Every example of every rule, in the file's order; one without an engine once for each engine there is an analyser for. */
export async function runExamples(policy: LoadedPolicy, analyse: Analyse): Promise<ExampleResult[]> {
  const results: ExampleResult[] = [];
  for (const [index, rule] of policy.file.rules.entries())
    for (const expected of EXPECTATIONS)
      for (const [i, example] of (rule.examples?.[expected] ?? []).entries()) {
        const path = ['rules', index, 'examples', expected, i];
        for (const { engine, sql, named } of statements(example)) {
          const analysis = await analyse(engine, sql);
          const common = { rule: rule.id, expected, engine, sql, path };
          if (analysis) {
            const got = policy.explain(question(analysis, engine, example));
            const detail = mismatch(rule, expected, got, analysis);
            const asks = got.ask ? needs(got.ask) : '';
            results.push({ ...common, outcome: detail === '' ? 'passed' : 'failed', detail, asks });
          } else if (named) {
            const detail = `no analyser for ${engine} in this release`;
            results.push({ ...common, outcome: 'skipped', detail, asks: '' });
          }
        }
      }
  return results;
}

/** '' when the policy does with the example what the file says. */
function mismatch(
  rule: RuleFile,
  expected: (typeof EXPECTATIONS)[number],
  got: Explanation,
  analysis: Analysis,
): string {
  const error = analysis.error ? ` (${analysis.error.message})` : '';
  const matched = got.matched.includes(rule.id);
  if (expected === 'unless') {
    if (got.excepted.includes(rule.id)) return '';
    return `\`unless\` did not except it: ${matched ? '`unless` was false' : `\`when\` did not match${error}`}`;
  }
  if (expected === 'limits') {
    if (got.verdict === 'allow' && got.limits.some(({ rule: id }) => id === rule.id)) return '';
    return `rule ${rule.id} does not limit it${error}; verdict ${got.verdict} by ${got.rule}`;
  }
  // An example of what the rule itself does must be matched by it, one of anything else must not.
  const own = VERDICT[expected] === verdictOf(rule);
  if (matched !== own)
    return `rule ${rule.id} ${own ? 'did not match' : 'matched'}${error}; verdict ${got.verdict} by ${got.rule}`;
  if (own && rule.mode === 'observe') return '';
  return got.verdict === VERDICT[expected] ? '' : `verdict ${got.verdict} by ${got.rule}${error}`;
}

function statements(example: Example): { engine: Engine; sql: string; named: boolean }[] {
  if (typeof example === 'string') return ENGINES.map((engine) => ({ engine, sql: example, named: false }));
  return ENGINES.flatMap((engine) => {
    const sql = (example as Partial<Record<Engine, string>>)[engine];
    return sql === undefined ? [] : [{ engine, sql, named: true }];
  });
}

function question(analysis: Analysis, engine: Engine, example: Example): PolicyQuestion {
  const { as, at, tags } = typeof example === 'string' ? { as: undefined, at: undefined, tags: undefined } : example;
  return {
    analysis,
    who: {
      id: as?.id ?? 'example-agent',
      kind: as?.kind ?? 'agent',
      groups: as?.groups ?? [],
      sponsor: as?.sponsor ?? 'example-sponsor',
      authentication: 'scram-sha-256',
      address: '127.0.0.1',
    },
    where: { engine, upstream: 'example', database: 'app', tags: tags ?? {} },
    session: { in_transaction: false, application_name: '', role: as?.id ?? 'example-agent', role_is_local: false },
    now: at === undefined ? DEFAULT_NOW : Date.parse(at),
  };
}
