// From a policy file to a policy in force: shape, expressions, references, and the file's own examples.
// All or nothing: a file with any fault gives errors and no policy.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isScalar, type Scalar } from 'yaml';
import { compileAsk, groupLists, surprises } from './ask.ts';
import { compiler, type Compile, type Expression } from './cel.ts';
import { type Analyse, runExamples } from './examples.ts';
import { DEFAULT_ASK, type Explanation, judge, type Rule, type Rules } from './judge.ts';
import {
  inOrder,
  parsePolicyFile,
  type ParsedFile,
  POLICY_BYTES_MAX,
  type PolicyFile,
  type RuleFile,
  sizeBytes,
  verdictOf,
} from './schema.ts';
import { hint, scalarOffset } from './source.ts';
import type { Ask, Policy, PolicyError, PolicyQuestion } from './types.ts';
import { durationMs } from './values.ts';

/** A policy with what its tools need beside what the gate needs. */
export interface LoadedPolicy extends Policy {
  readonly file: PolicyFile;
  /** Rules that hold, in the order of the file, and whom each asks. */
  readonly asks: readonly { readonly rule: string; readonly ask: Ask }[];
  /** As judge, with what the verdict was made of. */
  explain(question: PolicyQuestion): Explanation;
  /** An error at a place in the file, for the file's examples. */
  readonly error: (path: readonly PropertyKey[], message: string) => PolicyError;
}

export type LoadResult =
  | { readonly policy: LoadedPolicy; readonly warnings: readonly PolicyError[] }
  | { readonly errors: readonly PolicyError[] };

/**
 * Reads, checks and compiles a policy file, at most 1 MiB. With `analyse` the file's examples are run too and one that
 * fails is an error: a policy that does not do what it says is not put in force. Rejects never; a file that can't be
 * read is an error at 1:1.
 */
export async function loadPolicy(path: string, analyse?: Analyse): Promise<LoadResult> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    return { errors: [atStart(path, error instanceof Error ? error.message : String(error))] };
  }
  return compilePolicy(path, bytes, analyse);
}

/** As loadPolicy, of bytes already read. `path` is for messages. */
export async function compilePolicy(path: string, bytes: Uint8Array, analyse?: Analyse): Promise<LoadResult> {
  if (bytes.length > POLICY_BYTES_MAX) return { errors: [atStart(path, `larger than ${POLICY_BYTES_MAX} bytes`)] };
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { errors: [atStart(path, 'not UTF-8')] };
  }
  const parsed = parsePolicyFile(path, text);
  if ('errors' in parsed) return parsed;

  const { file } = parsed;
  const errors: PolicyError[] = [];
  const compile = compiler(file.lists);
  const rules: Rules = {
    rules: file.rules.map((rule, index) => compileRule(rule, index, parsed, compile, errors)),
    fixed: { unparsed: file.unparsed, unknown: file.unknown, unresolved: file.unresolved, code: file.code },
    default: file.default,
  };
  errors.push(...references(parsed));
  if (errors.length > 0) return { errors: inOrder(errors) };

  const policy: LoadedPolicy = {
    hash: createHash('sha256').update(bytes).digest('hex'),
    path,
    rules: file.rules.length,
    break_glass: file.break_glass,
    reviewers: Object.fromEntries(Object.entries(file.reviewers).map(([name, { groups }]) => [name, groups])),
    judge: (question) => judge(rules, question),
    file,
    asks: rules.rules.filter(({ verdict }) => verdict === 'hold').map(({ id, ask }) => ({ rule: id, ask })),
    explain: (question) => judge(rules, question),
    error: parsed.error,
  };
  if (analyse) {
    const failures = (await runExamples(policy, analyse)).filter(({ outcome }) => outcome === 'failed');
    if (failures.length > 0)
      return { errors: failures.map(({ path: at, detail }) => parsed.error(at, `example fails: ${detail}`)) };
  }
  return { policy, warnings: warnings(parsed) };
}

function compileRule(rule: RuleFile, index: number, parsed: ParsedFile, compile: Compile, errors: PolicyError[]): Rule {
  const expression = (key: 'when' | 'unless', text: string): Expression => {
    const compiled = compile(text);
    if (!('errors' in compiled)) return compiled;
    const node = parsed.node(['rules', index, key]);
    const place =
      isScalar(node) && typeof node.value === 'string' ? scalarOffset(parsed.source, node as Scalar<string>) : null;
    for (const { message, start, end } of compiled.errors)
      errors.push(
        place
          ? parsed.source.error(message, place(start), place(Math.max(start, end - 1)) + 1)
          : parsed.error(['rules', index, key], message),
      );
    return { test: () => false, needs: [] };
  };
  return {
    id: rule.id,
    when: expression('when', rule.when),
    unless: rule.unless === undefined ? null : expression('unless', rule.unless),
    verdict: verdictOf(rule),
    limit: rule.limit ? compileLimit(rule.limit) : null,
    observe: rule.mode === 'observe',
    ask: rule.ask ? compileAsk(rule.ask) : DEFAULT_ASK,
    message: rule.message ?? '',
  };
}

function compileLimit({ rows, bytes, per }: NonNullable<RuleFile['limit']>): NonNullable<Rule['limit']> {
  return {
    rows: rows ?? null,
    bytes: bytes === undefined ? null : sizeBytes(bytes),
    per_ms: per === undefined ? null : durationMs(per),
  };
}

function references({ file, error }: ParsedFile): PolicyError[] {
  const errors: PolicyError[] = [];
  const known = Object.keys(file.reviewers);
  const named = (path: readonly PropertyKey[], groups: readonly string[]): void => {
    for (const [i, group] of groups.entries())
      if (!known.includes(group))
        errors.push(error([...path, i], `no reviewers are called \`${group}\`${hint(group, known)}`));
  };
  const seen = new Set<string>();
  for (const [index, rule] of file.rules.entries()) {
    if (seen.has(rule.id)) errors.push(error(['rules', index, 'id'], `two rules are called \`${rule.id}\``));
    seen.add(rule.id);
    for (const [path, groups] of rule.ask ? groupLists(rule.ask) : []) named(['rules', index, 'ask', ...path], groups);
  }
  named(['break_glass'], file.break_glass);
  return errors;
}

function warnings({ file, error }: ParsedFile): PolicyError[] {
  return file.rules.flatMap((rule, index) => [
    ...(file.default === 'allow' && rule.then === 'allow'
      ? [
          error(
            ['rules', index, 'then'],
            '`then: allow` can not matter where `default` is allow; write an exception as `unless` of the rule it is an exception to',
          ),
        ]
      : []),
    ...(rule.ask ? surprises(rule.ask) : []).map(({ path, message }) =>
      error(['rules', index, 'ask', ...path], message),
    ),
  ]);
}

function atStart(path: string, message: string): PolicyError {
  return { path, line: 1, column: 1, message, excerpt: '' };
}
