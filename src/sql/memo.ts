// What an engine's analysis has worked out of a catalog, object by object. A session's temporary objects may lie over a catalog that all
// share (postgres/catalog/overlay.ts): what was asked of the catalog on the way is kept with each result, and a result counts in another
// catalog only where that has the same answer to all of it. It must never hand on one that a temporary object could change.

/** Objects whose working out is kept, each for every search_path that it was met under. */
const KNOWN_MAX = 20_000;

/** A name, or an oid, whatever it is of. */
export type Asked = string | number;

interface Result<Behind> {
  readonly behind: Behind;
  /** Whatever temporary objects could answer otherwise. */
  readonly asked: ReadonlySet<Asked>;
}

/** An object that is being worked out. */
interface Underway {
  readonly asked: Set<Asked>;
  /** Of results that are counted in. */
  readonly counted: Set<ReadonlySet<Asked>>;
}

export class Memo<Behind> {
  readonly #shared: Memo<Behind> | null;
  /** What has another answer here than in `shared`. */
  readonly #differs: ReadonlySet<Asked>;
  readonly #known = new Map<string, Result<Behind>>();
  /** Of objects that call each other, what is known before the first of them is done: whole only together with it. */
  readonly #partial = new Map<string, Result<Behind>>();
  readonly #underway = new Map<string, Underway>();
  /** The innermost of them. */
  #now: Underway | null = null;
  #cut = false;
  #left = Number.POSITIVE_INFINITY;

  /** shared: of the catalog below; differs: all that has another answer here than there. */
  constructor(shared: Memo<Behind> | null = null, differs: ReadonlySet<Asked> = new Set()) {
    this.#shared = shared;
    this.#differs = differs;
  }

  get depth(): number {
    return this.#underway.size;
  }

  known(key: string): Behind | undefined {
    const result = this.#known.get(key) ?? this.#partial.get(key) ?? this.#fromShared(key);
    if (result && this.#now) count(this.#now, result.asked);
    return result?.behind;
  }

  #fromShared(key: string): Result<Behind> | undefined {
    const result = this.#shared === null ? undefined : this.#shared.#known.get(key);
    if (!result || !this.#isShared(result)) return undefined;
    this.#keep(key, result);
    return result;
  }

  #isShared({ asked }: Result<Behind>): boolean {
    for (const one of this.#differs) if (asked.has(one)) return false;
    return true;
  }

  /** False: it is being worked out, further up, and counts there. */
  enter(key: string): boolean {
    if (this.#underway.has(key)) {
      this.#cut = true;
      return false;
    }
    this.#now = { asked: new Set(), counted: new Set() };
    this.#underway.set(key, this.#now);
    return true;
  }

  /** The catalog is asked for this: what is being worked out depends on it. */
  note(asked: Asked): void {
    this.#now?.asked.add(asked);
  }

  /** key: of the last that was entered. */
  leave(key: string, behind: Behind): Behind {
    const result: Result<Behind> = { behind, asked: this.#underway.get(key)?.asked ?? new Set() };
    this.#underway.delete(key);
    const outermost = this.#underway.size === 0;
    this.#now = [...this.#underway.values()].at(-1) ?? null;
    if (this.#now) count(this.#now, result.asked);
    if (!outermost && this.#cut) this.#partial.set(key, result);
    else {
      this.#keep(key, result);
      if (this.#shared && this.#isShared(result)) this.#shared.#keep(key, result);
    }
    if (outermost) this.#end();
    return behind;
  }

  #keep(key: string, result: Result<Behind>): void {
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.set(key, result);
  }

  /** What is under way will not be finished. */
  abandon(): void {
    this.#underway.clear();
    this.#end();
  }

  #end(): void {
    this.#partial.clear();
    this.#cut = false;
    this.#now = null;
  }

  /** Characters of stored texts that one analysis may read; TooMuchBehind is thrown at more. */
  allow(chars: number): void {
    this.#left = chars;
  }

  spend(chars: number): void {
    this.#left -= chars;
    if (this.#left < 0) throw new TooMuchBehind();
  }
}

function count(underway: Underway, asked: ReadonlySet<Asked>): void {
  if (underway.counted.has(asked)) return;
  underway.counted.add(asked);
  for (const one of asked) underway.asked.add(one);
}

/** An analysis that others wait for has read as much of the catalog as it may. */
export class TooMuchBehind extends Error {}
