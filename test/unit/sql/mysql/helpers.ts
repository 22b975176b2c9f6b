// Shared by the tests of the MySQL analysis.
import { fileURLToPath } from 'node:url';
import { loadPolicy } from '../../../../src/policy/load.ts';
import type { Policy } from '../../../../src/policy/types.ts';
import type { Analysis } from '../../../../src/sql/findings.ts';
import { analyseText } from '../../../../src/sql/mysql/analysis.ts';
import type { MysqlContext } from '../../../../src/sql/mysql/context.ts';
import { modeOf } from '../../../../src/sql/mysql/modes.ts';

export const MYSQL: MysqlContext = {
  engine: 'mysql',
  version: 90704,
  database: 'app',
  role: '',
  sql_mode: 0,
  charset: 'utf8mb4',
  multi_statements: true,
  in_transaction: false,
  autocommit: true,
  prepared: () => null,
};
export const MARIADB: MysqlContext = { ...MYSQL, engine: 'mariadb', version: 101119 };
export const BOTH = [MYSQL, MARIADB];

/** UTF-8 bytes as latin1. */
export function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** mode: as the server prints it. */
export function analyse(sql: string, context: Partial<MysqlContext> = {}, mode?: string): Analysis {
  const of = { ...MYSQL, ...context };
  return analyseText(latin1(sql), mode === undefined ? of : { ...of, sql_mode: modeOf(mode) });
}

/** Messages of one session (latin1; null: COM_INIT_DB), each under what the ones before it left. */
export function session(
  messages: readonly (readonly [text: string | null, database?: string])[],
  start: MysqlContext,
): Analysis[] {
  const prepared = new Map<string, Analysis>();
  // What is not known was never prepared.
  let sure = true;
  let context: MysqlContext = {
    ...start,
    prepared: (name) => prepared.get(name) ?? (sure ? null : undefined),
  };
  const all: Analysis[] = [];
  for (const [text, database] of messages) {
    if (text === null) {
      context = { ...context, database };
      continue;
    }
    const analysis = analyseText(text, context);
    all.push(analysis);
    const unknown = analysis.effects.some(({ type }) => type === 'unknown');
    const temporaries = new Set(unknown ? [] : context.temporaries);
    for (const { op, table } of analysis.temporary ?? []) {
      if (table === null) temporaries.clear();
      else if (op === 'made') temporaries.add(table);
      else temporaries.delete(table);
    }
    context = { ...context, temporaries };
    for (const effect of analysis.effects) {
      if (effect.type === 'prepare') prepared.set(effect.name, effect.inner);
      if (effect.type === 'deallocate' && effect.name !== null) prepared.delete(effect.name);
      if (effect.type === 'unknown') {
        prepared.clear();
        sure = false;
      }
      if (effect.type !== 'set') continue;
      const { name, value } = effect;
      if (name === 'sql_mode') context = { ...context, sql_mode: typeof value === 'string' ? modeOf(value) : null };
      if (name === 'database') context = { ...context, database: value };
      if (name === 'character_set_client' && value) context = { ...context, charset: value };
    }
  }
  return all;
}

/** `action object`, with a ? where it is unresolved; sorted. */
export function found(analysis: Analysis): string[] {
  return analysis.findings
    .map(({ action, object, unresolved }) => `${action} ${object}${unresolved ? '?' : ''}`.trim())
    .toSorted();
}

export function kinds(analysis: Analysis): string[] {
  return analysis.statements.map(({ kind }) => kind);
}

export async function starterPolicy(): Promise<Policy> {
  const path = fileURLToPath(new URL('../../../../policies/starter.yaml', import.meta.url));
  const loaded = await loadPolicy(path, () => null);
  if ('errors' in loaded) throw new Error(loaded.errors.map(({ message }) => message).join('\n'));
  return loaded.policy;
}

/** The verdict and its rule. */
export function verdict(policy: Policy, analysis: Analysis, engine: MysqlContext['engine']): string {
  const { verdict: word, rule } = policy.judge({
    analysis,
    who: {
      id: 'bot',
      kind: 'agent',
      groups: ['agents'],
      sponsor: 'ada',
      authentication: 'caching_sha2_password',
      address: '',
    },
    where: { engine, upstream: 'app', database: 'app', tags: {} },
    session: { in_transaction: false, application_name: '', role: '', role_is_local: false },
    now: 0,
  });
  return word === 'allow' ? word : `${word} ${rule}`;
}
