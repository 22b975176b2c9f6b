// The policy in force: read at a start, followed as its file changes, and on record each time.
import type { AuditLog, RecordInput } from '../audit/types.ts';
import { ConfigError } from '../config/config.ts';
import type { GateOptions } from '../gate/options.ts';
import type { Analyse } from '../policy/examples.ts';
import { loadPolicy } from '../policy/load.ts';
import { formatPolicyError } from '../policy/source.ts';
import { type PolicyWatch, watchPolicy } from '../policy/watch.ts';
import type { AnalysisContext } from '../sql/findings.ts';
import type { MysqlAnalyser } from '../sql/mysql/analyser.ts';
import { defaultContext } from '../sql/mysql/context.ts';
import type { PostgresAnalyser } from '../sql/postgres/analyser.ts';
import type { Log } from '../telemetry/log.ts';

interface PolicyOptions {
  /** Of the file's examples. */
  readonly analyse: Analyse;
  readonly audit: AuditLog;
  readonly log: Log;
  readonly fault: GateOptions['fault'];
}

/** Rejects with ConfigError where the file has a fault. */
export const openPolicy = async (file: string, { analyse, audit, log, fault }: PolicyOptions): Promise<PolicyWatch> => {
  const loaded = await loadPolicy(file, analyse);
  if ('errors' in loaded) throw new ConfigError(loaded.errors.map(formatPolicyError));
  const { policy: first } = loaded;
  await audit.append({ type: 'policy.loaded', clear: { path: first.path, hash: first.hash, rules: first.rules } });
  const recorded = (what: string, record: RecordInput): void => {
    audit.append(record).catch((error: unknown) => fault(what, error));
  };
  return watchPolicy(first, {
    analyse,
    onLoaded: ({ path, hash, rules }) => {
      log.info(`policy ${path} in force, ${rules} rules, hash ${hash.slice(0, 8)}`);
      recorded('a policy could not be recorded', { type: 'policy.loaded', clear: { path, hash, rules } });
    },
    onRefused: (errors) => {
      log.error(`the new policy has errors; the old one stays in force\n${errors.map(formatPolicyError).join('\n')}`);
      const problems = errors.map(({ line, message }) => ({ line, message }));
      recorded('a refused policy could not be recorded', {
        type: 'policy.refused',
        clear: { path: first.path, problems },
      });
    },
  });
};

/** How a policy file's examples are read: as a session would send them that has done nothing yet. */
export const analyseExamples =
  (postgres: PostgresAnalyser, mysql: MysqlAnalyser): Analyse =>
  (engine, sql) => {
    const text = Buffer.from(sql).toString('latin1');
    if (engine === 'postgres') return postgres.analyse(text, DEFAULT_CONTEXT);
    if (engine === 'mysql' || engine === 'mariadb') return mysql.session(defaultContext(engine)).analyse(text);
    return null;
  };

/** Names as a fresh session of PostgreSQL's newest supported version resolves them. */
const DEFAULT_CONTEXT: AnalysisContext = {
  server_version: 18,
  database: 'postgres',
  role: 'postgres',
  search_path: '"$user", public',
  search_path_start: '"$user", public',
  prepared: () => undefined,
};
