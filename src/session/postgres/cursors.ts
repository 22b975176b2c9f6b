// Meters of the cursors of SQL that a limited statement opened: what FETCH brings counts together, whatever it asks at a time.
// A cursor that may still be there must never lose its meter. And what they were declared by, since functions of their queries are what they
// are when rows are taken.
import type { CursorUse, Meter, Plan } from '../gate.ts';
import { serverName } from './names.ts';

interface Open {
  readonly meter: Meter;
  readonly holds: boolean;
}

export class Cursors {
  readonly #open = new Map<string, Open>();
  readonly #declared = new Map<string, { readonly plan: Plan; readonly holds: boolean }>();
  /** There are more of them than are kept: of the others nobody can tell. */
  #lost = false;
  readonly #max: number;
  /** Of all that are open beyond `max`: they share one. */
  #rest: Meter | null = null;

  constructor(max: number) {
    this.#max = max;
  }

  /** Of the cursor with this name; null: it is not limited. */
  of(name: string): Meter | null {
    return this.#open.get(serverName(name))?.meter ?? this.#rest;
  }

  /** What declared the cursors that this statement takes rows from; its COMMIT runs those that outlive it to their end. Null: it can't be told. */
  declarationsFor({ cursors, commits }: Plan): readonly Plan[] | null {
    if (this.#declared.size === 0) return NONE;
    if (this.#lost && (commits || cursors.some(({ op }) => op === 'fetch'))) return null;
    const named = cursors.flatMap(({ op, name }) =>
      op === 'fetch' && name !== null ? (this.#declared.get(serverName(name))?.plan ?? []) : [],
    );
    const held = commits ? [...this.#declared.values()].filter(({ holds }) => holds) : [];
    return [...named, ...held.map(({ plan }) => plan)];
  }

  /** The server has done this, or some of it, as `plan` says. */
  follow({ op, name, holds }: CursorUse, plan: Plan, certain: boolean): void {
    if (op === 'open' && name !== null) {
      if (this.#declared.size < this.#max) this.#declared.set(serverName(name), { plan, holds });
      else this.#lost = true;
    } else if (op === 'close' && certain) {
      if (name === null) this.#forget();
      else this.#declared.delete(serverName(name));
    }
  }

  /** The server has done this; `meter` is that of its statement, null: it is not limited. */
  done({ op, name, holds }: CursorUse, meter: Meter | null): void {
    if (op === 'fetch') return;
    if (name === null) this.#open.clear();
    else if (op === 'close' || meter === null) this.#open.delete(serverName(name));
    else if (this.#open.size < this.#max) this.#open.set(serverName(name), { meter, holds });
    else this.#rest ??= meter;
  }

  /** The server has failed, perhaps behind this: a cursor that is there now has a meter. */
  perhaps({ op, name, holds }: CursorUse, meter: Meter | null): void {
    if (op === 'open' && name !== null && meter !== null && !this.#open.has(serverName(name)))
      this.done({ op, name, holds }, meter);
  }

  /** Closes all but those that were declared WITH HOLD. */
  transactionEnded(): void {
    for (const [name, { holds }] of this.#open) if (!holds) this.#open.delete(name);
    for (const [name, { holds }] of this.#declared) if (!holds) this.#declared.delete(name);
    if (this.#declared.size === 0) this.#forget();
  }

  #forget(): void {
    this.#declared.clear();
    this.#lost = false;
  }
}

const NONE: readonly Plan[] = [];
