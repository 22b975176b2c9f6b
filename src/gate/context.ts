// The facts that a verdict depends on, as one object: made anew only when one of them is another. A fact left out of the key would let
// a verdict answer for circumstances that it was not given under.
import type { Policy, SessionView } from '../policy/types.ts';
import type { SessionFacts } from '../session/gate.ts';
import type { CatalogSnapshot } from '../sql/catalog.ts';
import type { AnalysisContext } from '../sql/findings.ts';
import type { Allowed } from './memory.ts';
import type { AnalysisHandle } from './options.ts';
import { preparedAs } from './prepared.ts';
import type { State } from './state.ts';

export interface Context {
  readonly policy: Policy;
  readonly role: string;
  readonly role_none: string;
  readonly search_path: string | null;
  readonly in_transaction: boolean;
  readonly local: boolean;
  readonly role_is_local: boolean;
  readonly portals: SessionFacts['portals'];
  readonly catalog: CatalogSnapshot | null;
  readonly view: SessionView;
  readonly analysis: AnalysisHandle;
  readonly allowed: Allowed;
}

/** Of now. */
export const contextOf = (s: State): Context => {
  const { facts } = s;
  const policy = s.options.policy();
  const own = facts.catalog_is_stale ? null : s.ownCatalog;
  const catalog = (facts.catalog_is_own ? own : s.catalog?.last) ?? null;
  const last = facts.in_transaction ? s.inside : s.outside;
  if (
    last &&
    last.policy === policy &&
    last.role === facts.role &&
    last.role_none === facts.role_none &&
    last.search_path === facts.search_path &&
    last.local === facts.search_path_is_local &&
    last.role_is_local === facts.role_is_local &&
    last.portals === facts.portals &&
    last.catalog === catalog
  )
    return last;
  const made = contextWith(s, policy, catalog);
  if (facts.in_transaction) s.inside = made;
  else s.outside = made;
  return made;
};

/** Not in `contextOf`: its closure would cost something on every call. */
const contextWith = (s: State, policy: Policy, catalog: CatalogSnapshot | null): Context => {
  const { role, search_path, in_transaction, search_path_start, search_path_is_local, role_is_local, portals } =
    s.facts;
  const { server_version, database, application_name } = s.opening;
  const { user_schema, role_start, role_none } = s.facts;
  const view = { in_transaction, application_name, role: role === '' ? null : role, role_is_local };
  const key = JSON.stringify([
    s.who,
    s.where,
    view,
    search_path,
    search_path_start,
    search_path_is_local,
    portals,
    user_schema,
    role_start,
    role_none,
    server_version,
    policy.hash,
    catalog?.id,
  ]);
  const analysis: AnalysisContext = {
    server_version,
    database,
    role,
    role_start,
    role_none,
    search_path,
    ...(search_path_start === null ? {} : { search_path_start }),
    search_path_is_local,
    portals,
    user_schema,
    catalog,
    blind: s.catalog !== null && catalog === null,
    catalog_is_own: s.facts.catalog_is_own,
    ...(s.facts.catalog_is_own ? { committed: s.catalog?.last ?? null } : {}),
    prepared: (name) => preparedAs(s, name),
  };
  return {
    policy,
    role,
    role_none,
    search_path,
    in_transaction,
    local: search_path_is_local,
    role_is_local,
    portals,
    catalog,
    view,
    analysis: s.options.analyser.session(analysis, s.who.id),
    allowed: s.memory.of(key),
  };
};
