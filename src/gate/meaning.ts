// What names stand for: the catalog that a judgement uses is looked at in time, and what was judged is compared with what would be found
// now. Must never take a catalog for new that this session has changed since.
import type { GateSession, Plan } from '../session/gate.ts';
import type { Analysis } from '../sql/findings.ts';
import { type Context, contextOf } from './context.ts';
import { remembered } from './plan.ts';
import { noteTemporary } from './prepared.ts';
import type { State } from './state.ts';

/** Is it as new as it is meant to be, and does it have what this session has changed? */
export const catalogIsFresh = (s: State): boolean => {
  const live = s.facts.catalog_is_own ? null : s.catalog;
  return live === null || (live.current !== null && s.catalogChanges === s.facts.catalog_changes);
};

/** True: it has been looked at since the call. */
export const lookAtCatalog = async (s: State): Promise<boolean> => {
  const changes = s.facts.catalog_changes;
  const looked = (await s.catalog?.refresh()) ?? true;
  s.catalogChanges = changes;
  if (looked) s.catalogSeen = changes;
  s.catalogWasSeen = looked;
  return looked;
};

/** GateSession.catalogQuery: only of temporary objects, where all else is in the catalog that all share. */
export const ownCatalogQuery = ({ catalog, catalogSeen, facts, options }: State): string | null => {
  const { reading } = options.engine;
  if (catalog === null || !reading) return null;
  const { rows, temporary_rows } = reading;
  const shared = catalog.current !== null && !facts.has_uncommitted && catalogSeen >= facts.committed_changes;
  return shared ? temporary_rows : rows;
};

/** Takes what the session's own connection sees (GateSession.ownCatalog). */
export const takeOwnCatalog = (s: State, query: string, rows: string | null): ReturnType<GateSession['ownCatalog']> => {
  const { reading } = s.options.engine;
  if (!reading) throw new Error('sessions of this engine have no catalog of their own');
  const shared = query === reading.temporary_rows ? (s.catalog?.last ?? null) : null;
  const same = shared !== null && shared === s.ownCatalogOf.shared && rows === s.ownCatalogOf.rows;
  // One that came late to see what this session has committed need not do so again.
  if (shared === null && !s.facts.has_uncommitted) void lookAtCatalog(s);
  const whole =
    query === reading.temporary_rows
      ? shared && ((text: string) => reading.over(text, shared))
      : (text: string) => reading.make(text);
  const own = same ? s.ownCatalog : rows === null || whole === null ? null : whole(rows);
  s.ownCatalog = own;
  s.ownCatalogOf = { rows: shared && rows, shared };
  noteTemporary(s);
  const alone = shared === null;
  return own === null
    ? { temporary: true, alone, whole: false }
    : { temporary: reading.hasTemporary(own), alone, whole: reading.isWhole(own) };
};

/**
 * What a statement does to what, as far as its names were looked up, and the bodies that it goes through; `why` tells rows that are added from
 * rows that are removed.
 */
export const meant = ({ findings, functions, bodies = [] }: Analysis): readonly string[] => [
  ...findings.map(({ action, object, statement, why }) => `${statement} ${action} ${object} ${why}`).toSorted(),
  ...functions,
  ...bodies,
];

/** Is what was judged still what would be found, under the facts of now? */
export const stillMeans = (s: State, plan: Plan): boolean | Promise<boolean> => {
  const { analysis, again } = remembered(plan);
  const now = contextOf(s).analysis;
  const anew = again === null ? now.analyse(plan.text) : again(now);
  return anew instanceof Promise ? anew.then((found) => meansAlike(found, analysis)) : meansAlike(anew, analysis);
};

/** A person's word is worth a longer wait than any other statement is: so many looks, and between two of them, in ms. */
const RELEASE_LOOKS_MAX = 8;
const RELEASE_LOOK_PAUSE_MS = 500;

/**
 * What all see was looked at since the call, unless nothing could be looked up when it was judged, and (`blind`) still can't. Rejects with Unseen
 * where that can't be done, which is known after some 16 s at most.
 */
export const lookForRelease = async (
  { catalog }: Pick<State, 'catalog'>,
  judged: Pick<Context, 'catalog'>,
  blind: () => boolean = () => catalog?.last === null,
): Promise<void> => {
  if (catalog === null) return;
  for (let looks = 1; !(await catalog.refresh()); looks += 1) {
    if (judged.catalog === null && blind()) return;
    if (looks >= RELEASE_LOOKS_MAX) throw new Unseen();
    await new Promise((resolve) => {
      setTimeout(resolve, RELEASE_LOOK_PAUSE_MS);
    });
  }
};

/** Nobody can tell now what names stand for: what was approved stays so, and does not run. */
export class Unseen extends Error {}

/** The same before a release, with another look at the catalog where all share it; `judged` is what it was judged under. May reject with Unseen. */
export const meansTheSameAtRelease = async (s: State, plan: Plan, judged: Context): Promise<boolean> => {
  if (!s.facts.catalog_is_own) await lookForRelease(s, judged);
  const now = contextOf(s);
  if (now.role !== judged.role || now.search_path !== judged.search_path) return false;
  return now.catalog?.id === judged.catalog?.id || stillMeans(s, plan);
};

/** Can't be read what only this session's connection sees, or not as it is now? */
export const seesNothing = (s: State): boolean =>
  s.catalog !== null && s.facts.catalog_is_own && contextOf(s).catalog === null;

const meansAlike = (a: Analysis, b: Analysis): boolean => JSON.stringify(meant(a)) === JSON.stringify(meant(b));
