// The facts that a verdict depends on, as one object: made anew only when one of them is another. A fact left out of the key would let
// a verdict answer for circumstances that it was not given under. Which facts there are is the engine's affair (postgres.ts, mysql.ts).
import type { Policy, SessionView } from '../policy/types.ts';
import type { CatalogSnapshot } from '../sql/catalog.ts';
import type { Allowed } from './memory.ts';
import type { AnalysisHandle } from './options.ts';
import type { State } from './state.ts';

export interface Context {
  readonly policy: Policy;
  readonly role: string;
  readonly search_path: string | null;
  readonly in_transaction: boolean;
  readonly role_is_local: boolean;
  /** Engine.keep */
  readonly kept: object;
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
    last.role_is_local === facts.role_is_local &&
    last.catalog === catalog &&
    s.options.engine.still(last.kept, facts)
  )
    return last;
  const made = contextWith(s, policy, catalog);
  if (facts.in_transaction) s.inside = made;
  else s.outside = made;
  return made;
};

const contextWith = (s: State, policy: Policy, catalog: CatalogSnapshot | null): Context => {
  const { engine } = s.options;
  const { role, search_path, in_transaction, role_is_local } = s.facts;
  const { server_version, application_name } = s.opening;
  const view = oneView({ in_transaction, application_name, role: role === '' ? null : role, role_is_local });
  const kept = oneKept(engine.keep(s.facts));
  const key = JSON.stringify([s.who, s.where, view, kept, server_version, policy.hash, catalog?.id]);
  return {
    policy,
    role,
    search_path,
    in_transaction,
    role_is_local,
    kept,
    catalog,
    view,
    analysis: engine.analysis(s, catalog),
    allowed: s.memory.of(key),
  };
};

/** Thousands of sessions may be under the same facts: those that come one after the other share one object. */
const oneOfAlike = <T extends object>(): ((made: T) => T) => {
  let last: T | null = null;
  return (made) => (last !== null && alike(last, made) ? last : (last = made));
};

const alike = <T extends object>(a: T, b: T): boolean => {
  const names = Object.keys(b) as (keyof T)[];
  return names.length === Object.keys(a).length && names.every((name) => name in a && a[name] === b[name]);
};

const oneView = oneOfAlike<SessionView>();
const oneKept = oneOfAlike<object>();
