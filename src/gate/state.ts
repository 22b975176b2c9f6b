// What all parts of one session's gate share. Fields only: it decides nothing. The parts are functions over it, one story a file;
// ARCHITECTURE.md tells which.
import type { SessionLog } from '../audit/types.ts';
import type { Where, Who } from '../policy/types.ts';
import type { SessionFacts, SessionOpening } from '../session/gate.ts';
import type { CatalogSnapshot, LiveCatalog } from '../sql/catalog.ts';
import type { Context } from './context.ts';
import type { Memory, Pass } from './memory.ts';
import type { GateOptions } from './options.ts';
import type { Totals } from './totals.ts';

/** What all sessions of a gate share. */
export interface Shared {
  readonly options: GateOptions;
  readonly memory: Memory;
  readonly totals: Totals;
}

/** What most sessions have: one for all of them. */
const NOTHING_READ = { rows: null, shared: null };
const NONE: ReadonlyMap<string, never> = new Map<string, never>();

export class State {
  readonly options: GateOptions;
  readonly memory: Memory;
  readonly totals: Totals;
  readonly opening: SessionOpening;
  /** Of now: the session keeps them true. */
  readonly facts: SessionFacts;
  readonly who: Who;
  readonly where: Where;
  readonly id: string;
  readonly log: SessionLog;
  readonly catalog: LiveCatalog | null;
  /** What the session's own connection saw; another one than all see while it has objects of its own. */
  ownCatalog: CatalogSnapshot | null = null;
  /** What that was made of, where it lies over one that all share. */
  ownCatalogOf: { readonly rows: string | null; readonly shared: CatalogSnapshot | null } = NOTHING_READ;
  /** Its temporary relations, and its `catalog_changes` when each was first seen. */
  temporarySince: ReadonlyMap<string, { readonly name: string; readonly since: number }> = NONE;
  /** What the session had done to the catalog when it was last looked at. */
  catalogChanges = 0;
  /** The same, of the last look that is known to have been one. */
  catalogSeen = 0;
  /** Did the last look, for a statement that is held, find out how the catalog is? */
  catalogWasSeen = true;
  /** Analysis not yet paid off by the time that went by, in ms of CPU, at `countedAt` by performance.now(). */
  spent_ms = 0;
  countedAt = 0;
  /** What passed last, from memory: drivers send the same again and again. */
  lastPass: Pass | null = null;
  lastTypes: readonly number[] | null = null;
  lastContext: Context | null = null;
  /** When it began, ms since the epoch. */
  readonly since = Date.now();
  /** The request that its connection waits for. */
  held: string | null = null;
  /** The context in use, in and out of a transaction. */
  inside: Context | null = null;
  outside: Context | null = null;

  constructor(shared: Shared, opening: SessionOpening, facts: SessionFacts, who: Who, where: Where, id: string) {
    const { options } = shared;
    this.options = options;
    this.memory = shared.memory;
    this.totals = shared.totals;
    this.opening = opening;
    this.facts = facts;
    this.who = who;
    this.where = where;
    this.id = id;
    this.log = options.audit.session({ session: id, who: who.id, where: where.upstream, database: where.database });
    this.catalog = options.catalog(opening.database);
  }
}
