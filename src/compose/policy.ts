// The policy in force: read at a start, followed as its file changes, and on record each time.
import type { AuditLog, RecordInput } from '../audit/types.ts';
import { type Config, ConfigError, OBSERVING } from '../config/config.ts';
import type { GateOptions } from '../gate/options.ts';
import type { Analyse } from '../policy/examples.ts';
import { type LoadedPolicy, loadPolicy } from '../policy/load.ts';
import { observing } from '../policy/observe.ts';
import { formatPolicyError } from '../policy/source.ts';
import { type PolicyWatch, watchPolicy } from '../policy/watch.ts';
import type { AnalysisContext } from '../sql/findings.ts';
import type { MysqlAnalyser } from '../sql/mysql/analyser.ts';
import { defaultContext } from '../sql/mysql/context.ts';
import type { PostgresAnalyser } from '../sql/postgres/analyser.ts';
import type { Log } from '../telemetry/log.ts';

interface PolicyOptions extends Pick<Config, 'mode'> {
  /** Of the file's examples. */
  readonly analyse: Analyse;
  readonly audit: AuditLog;
  readonly log: Log;
  readonly fault: GateOptions['fault'];
  /** Another one is in force. */
  readonly onLoaded: () => void;
  /** And on record. */
  readonly onRecorded: (seq: number, policy: LoadedPolicy) => void;
}

/** Rejects with ConfigError where the file has a fault. */
export const openPolicy = async (
  file: string,
  { mode, analyse, audit, log, fault, onLoaded, onRecorded }: PolicyOptions,
): Promise<PolicyWatch> => {
  const loaded = await loadPolicy(file, analyse);
  if ('errors' in loaded) throw new ConfigError(loaded.errors.map(formatPolicyError));
  const { policy: first } = loaded;
  const loadedRecord = ({ path, hash, rules }: LoadedPolicy): RecordInput => ({
    type: 'policy.loaded',
    clear: { path, hash, rules, mode },
  });
  await audit.append(loadedRecord(first));
  if (mode === 'observe') log.warn(OBSERVING);
  const recorded = (what: string, record: RecordInput, then = (_seq: number): void => {}): void => {
    audit.append(record).then(then, (error: unknown) => fault(what, error));
  };
  const watch = watchPolicy(first, {
    analyse,
    onLoaded: (policy) => {
      log.info(`policy ${policy.path} in force, ${policy.rules} rules, hash ${policy.hash.slice(0, 8)}`);
      if (mode === 'observe') log.warn(OBSERVING);
      recorded('a policy could not be recorded', loadedRecord(policy), (seq) => onRecorded(seq, policy));
      onLoaded();
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
  return mode === 'observe' ? watched(watch) : watch;
};

/** The same object for as long as the policy is the same: what a gate remembers goes by it. */
const watched = (watch: PolicyWatch): PolicyWatch => {
  let of = watch.current();
  let made = observing(of);
  return {
    ...watch,
    current: () => {
      const now = watch.current();
      if (now !== of) {
        of = now;
        made = observing(now);
      }
      return made;
    },
  };
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
