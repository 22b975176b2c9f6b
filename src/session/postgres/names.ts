// Prepared statements and portals of one session, as the server has them: what is sent is entered at once, and taken
// back when the server turns out not to have done it. A name that is not here is not known to exist.
// Source: manual 55.2.3, "Extended Query"; names of SQL PREPARE and of Parse share one space.
import type { Meter, Plan, Release, PostgresFacts } from '../gate.ts';

export interface Prepared {
  /** Null: made by SQL PREPARE, whose meaning the gate keeps in `inner`. */
  readonly plan: Plan | null;
  readonly inner: unknown;
  /** As the client sent it: the statement, or the SQL PREPARE that made it. latin1. */
  readonly text: string;
  /** Parameter type OIDs that the client declared, or the server described. */
  types: readonly number[];
  /** Addressed to Holdpoint: what the server has under its name, if any, is empty. */
  readonly local: boolean;
  /** The facts under which it was judged. */
  readonly epoch: number;
  /**
   * How often the session had changed the catalog when the server's plan of it may have been made; null: it has none that will be used, since
   * a session's first temporary object changes the path under which names are looked up.
   * Source: plancache.c, RevalidateCachedQuery: again when search_path or what the plan uses has changed, not when a nearer name comes up.
   */
  planned: number | null;
  /** In which it was sent: until that is answered the name may still mean what it meant before. CERTAIN: it exists. */
  readonly pipeline: number;
}

/** The server's own cut (NAMEDATALEN - 1): what a name has beyond these bytes is no part of it, in the protocol as in SQL. */
const NAME_BYTES_MAX = 63;

/** A name as the server knows it; latin1. */
export const serverName = (name: string): string =>
  name.length > NAME_BYTES_MAX ? name.slice(0, NAME_BYTES_MAX) : name;

/** The pipeline of what the server has said it did. */
export const CERTAIN = -1;

export interface Portal {
  readonly prepared: Prepared;
  readonly plan: Plan;
  /** The facts under which it was judged, how often names had changed by then, and what FETCH could meet. */
  readonly epoch: number;
  /** Of the catalog then, and how often the session had changed it. */
  readonly mark: number;
  readonly changes: number;
  names: number;
  portals: PostgresFacts['portals'];
  readonly inBlock: boolean;
  /** Set when somebody let it through; its one run is reported there. */
  release: Release | null;
  /** Of an own statement: its parameters. */
  readonly values: readonly (string | null)[];
  readonly resultFormat: number;
  /** Of its last Bind. */
  pipeline: number;
  /** Of a limited one: what may pass of its rows, and its last Bind for whom has to see the parameters: these bytes of that buffer. */
  meter: Meter | null;
  bound: Buffer | null;
  boundStart: number;
  boundEnd: number;
  /** Of a released one that is suspended: what the client has taken so far. */
  rows: number;
  bytes: number;
}

/** How to take one change of a name back. */
export type Undo =
  | { readonly map: 'statement'; readonly name: string; before: Prepared | undefined }
  | { readonly map: 'portal'; readonly name: string; before: Portal | undefined };

/** Of whom has none, as most have who only wait: an empty map takes 180 bytes. Nothing is ever put in here. */
const NONE = new Map<string, never>();

export class Names {
  statements: Map<string, Prepared> = NONE;
  /** Of their texts. */
  bytes = 0;
  portals: Map<string, Portal> = NONE;
  /** Counts changes of statements: what a name means now, it need not have meant before. */
  changes = 0;
  /** No code ran that may have made names which are not here. */
  sure = true;

  /** Enters (or, with undefined, removes) a statement; returns how to take that back. */
  setStatement(name: string, prepared: Prepared | undefined): Undo {
    this.changes++;
    const before = this.statements.get(name);
    this.bytes += (prepared?.text.length ?? 0) - (before?.text.length ?? 0);
    if (prepared) this.#ownStatements().set(name, prepared);
    else this.statements.delete(name);
    return { map: 'statement', name, before };
  }

  /** DEALLOCATE ALL and DISCARD ALL: every statement that has a name. */
  forgetAll(): void {
    this.changes++;
    this.sure = true;
    const unnamed = this.statements.get('');
    this.statements.clear();
    this.bytes = 0;
    if (unnamed) this.setStatement('', unnamed);
  }

  setPortal(name: string, portal: Portal | undefined): Undo {
    const before = this.portals.get(name);
    if (portal) this.#ownPortals().set(name, portal);
    else this.portals.delete(name);
    return { map: 'portal', name, before };
  }

  #ownStatements(): Map<string, Prepared> {
    return this.statements === NONE ? (this.statements = new Map()) : this.statements;
  }

  #ownPortals(): Map<string, Portal> {
    return this.portals === NONE ? (this.portals = new Map()) : this.portals;
  }

  /** Every text with its name, in the order of the names. */
  texts(): string[] {
    return [...this.statements].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, { text }]) => `${name} ${text}`);
  }

  /**
   * Code that nobody could read runs: what SQL PREPARE made may be something else afterwards. True if what Parse made may
   * be, too.
   */
  forgetSql(): boolean {
    this.changes++;
    this.sure = false;
    for (const [name, prepared] of this.statements) if (prepared.plan === null) this.setStatement(name, undefined);
    return this.statements.size > 1 || (this.statements.size === 1 && !this.statements.has(''));
  }

  /** Nobody can say whether the server made or took away this name; null: any of them, which then fail there. */
  doubt(name: string | null): void {
    if (name !== null) this.setStatement(name, undefined);
    this.sure = false;
  }

  /** These names are made by SQL PREPARE now (a JSON array, '' for none): one that Parse made is no more. */
  replaced(json: string): void {
    this.changes++;
    for (const name of json === '' ? [] : (JSON.parse(json) as string[])) {
      const latin1 = Buffer.from(name, 'utf8').toString('latin1');
      if (this.statements.get(latin1)?.plan) this.setStatement(latin1, undefined);
    }
  }

  /**
   * The server did not make this change. `newer`: the change of the same name that it has yet to make, whose past is now
   * another one. Returns the portal that is none, if it was one.
   */
  undo(undo: Undo, newer: Undo | undefined): Portal | undefined {
    let taken: Portal | undefined;
    if (undo.map === 'portal') taken = newer?.map === 'portal' ? newer.before : this.portals.get(undo.name);
    if (newer) newer.before = undo.before;
    else if (undo.map === 'statement') this.setStatement(undo.name, undo.before);
    else this.setPortal(undo.name, undo.before);
    return taken;
  }
}
