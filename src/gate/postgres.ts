// What a gate must know of PostgreSQL: the facts under which names resolve there, and its analyser. A fact that is left out of `keep` would
// let a verdict answer for other circumstances.
import type { PostgresFacts, SessionFacts } from '../session/gate.ts';
import type { OwnCatalogReading } from '../sql/catalog.ts';
import type { AnalysisContext } from '../sql/findings.ts';
import type { AnalysisHandle, Engine } from './options.ts';
import { preparedAs } from './prepared.ts';

/** What the gate needs of the analyser. whose: principals that have much to analyse have it in turn. */
export interface PostgresAnalyser {
  session(context: AnalysisContext, whose: string): AnalysisHandle;
}

/** Default wait of a connection, in ms: below the 60 s that agents' tools usually give a call. */
export const WAIT_DEFAULT_MS = 45_000;

type Kept = Pick<
  PostgresFacts,
  'search_path' | 'search_path_start' | 'search_path_is_local' | 'portals' | 'user_schema' | 'role_start' | 'role_none'
>;

export const postgresEngine = (analyser: PostgresAnalyser, reading: OwnCatalogReading): Engine => ({
  wait_ms: WAIT_DEFAULT_MS,
  reading,
  keep(facts): Kept {
    const { search_path, search_path_start, search_path_is_local, portals, user_schema, role_start, role_none } =
      postgres(facts);
    return { search_path, search_path_start, search_path_is_local, portals, user_schema, role_start, role_none };
  },
  still(kept, facts) {
    const was = kept as Kept;
    const is = postgres(facts);
    return (
      was.search_path === is.search_path &&
      was.search_path_is_local === is.search_path_is_local &&
      was.portals === is.portals &&
      was.role_none === is.role_none
    );
  },
  analysis(s, catalog) {
    const { server_version, database } = s.opening;
    const { role, catalog_is_own } = s.facts;
    const { search_path_start, ...kept } = this.keep(s.facts) as Kept;
    return analyser.session(
      {
        server_version,
        database,
        role,
        ...kept,
        ...(search_path_start === null ? {} : { search_path_start }),
        catalog,
        blind: s.catalog !== null && catalog === null,
        catalog_is_own,
        ...(catalog_is_own ? { committed: s.catalog?.last ?? null } : {}),
        prepared: (name) => preparedAs(s, name),
      },
      s.who.id,
    );
  },
  atStart: (database, whose) => analyser.session({ ...NOWHERE, database }, whose),
});

const postgres = (facts: SessionFacts): PostgresFacts => {
  if (facts.engine !== 'postgres') throw new Error('a session of another engine');
  return facts;
};

/** Where names do not matter. */
const NOWHERE: AnalysisContext = {
  server_version: 18,
  database: '',
  role: '',
  // Nobody knows which role the login is given.
  role_none: '',
  search_path: '"$user", public',
  search_path_start: '"$user", public',
  prepared: () => undefined,
};
