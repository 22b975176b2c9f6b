// What a gate must know of MySQL and MariaDB: the facts under which texts are read there, and their analyser. The twin of postgres.ts.
import type { MysqlFacts, SessionFacts } from '../session/gate.ts';
import type { Analysis } from '../sql/findings.ts';
import type { MysqlContext } from '../sql/mysql/context.ts';
import { modeOf } from '../sql/mysql/modes.ts';
import type { AnalysisHandle, Engine } from './options.ts';
import { preparedAs } from './prepared.ts';

/** What the gate needs of the analyser. */
export interface MysqlAnalyser {
  session(context: MysqlContext): AnalysisHandle;
}

/** Default wait of a connection, in ms. A client can be told nothing while it waits, so it is short. */
export const WAIT_DEFAULT_MS = 20_000;

type Kept = Pick<
  MysqlFacts,
  'engine' | 'version' | 'sql_mode' | 'charset' | 'database' | 'multi_statements' | 'autocommit' | 'temporaries'
>;

export const mysqlEngine = (analyser: MysqlAnalyser): Engine => ({
  wait_ms: WAIT_DEFAULT_MS,
  keep(facts): Kept {
    const { engine, version, sql_mode, charset, database, multi_statements, autocommit, temporaries } = mysql(facts);
    return { engine, version, sql_mode, charset, database, multi_statements, autocommit, temporaries };
  },
  still(kept, facts) {
    const was = kept as Kept;
    const is = mysql(facts);
    return (
      was.sql_mode === is.sql_mode &&
      was.database === is.database &&
      was.charset === is.charset &&
      was.multi_statements === is.multi_statements &&
      was.autocommit === is.autocommit &&
      was.temporaries === is.temporaries
    );
  },
  analysis(s, catalog) {
    const { role, in_transaction } = s.facts;
    const { sql_mode, temporaries, ...kept } = this.keep(s.facts) as Kept;
    return analyser.session({
      ...kept,
      role,
      in_transaction,
      // A mode that is not known here is as one that is not known at all.
      sql_mode: sql_mode === null ? null : modeOf(sql_mode),
      catalog,
      ...(temporaries.length === 0 ? {} : { temporaries: new Set(temporaries) }),
      blind: s.catalog !== null && catalog === null,
      prepared: (name) => preparedAs(s, name) as Analysis | null | undefined,
    });
  },
});

const mysql = (facts: SessionFacts): MysqlFacts => {
  if (facts.engine === 'postgres') throw new Error('a session of another engine');
  return facts;
};
