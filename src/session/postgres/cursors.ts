// Meters of the cursors of SQL that a limited statement opened: what FETCH brings counts together, whatever it asks at a time.
// A cursor that may still be there must never lose its meter.
import type { CursorUse, Meter } from '../gate.ts';
import { serverName } from './names.ts';

interface Open {
  readonly meter: Meter;
  readonly holds: boolean;
}

export class Cursors {
  #open: Map<string, Open> | null = null;
  readonly #max: number;
  /** Of all that are open beyond `max`: they share one. */
  #rest: Meter | null = null;

  constructor(max: number) {
    this.#max = max;
  }

  /** Of the cursor with this name; null: it is not limited. */
  of(name: string): Meter | null {
    return this.#open?.get(serverName(name))?.meter ?? this.#rest;
  }

  /** The server has done this; `meter` is that of its statement, null: it is not limited. */
  done({ op, name, holds }: CursorUse, meter: Meter | null): void {
    if (op === 'fetch') return;
    if (name === null) this.#open = null;
    else if (op === 'close' || meter === null) this.#open?.delete(serverName(name));
    else if ((this.#open?.size ?? 0) < this.#max) (this.#open ??= new Map()).set(serverName(name), { meter, holds });
    else this.#rest ??= meter;
  }

  /** The server has failed, perhaps behind this: a cursor that is there now has a meter. */
  perhaps({ op, name, holds }: CursorUse, meter: Meter | null): void {
    if (op === 'open' && name !== null && meter !== null && !this.#open?.has(serverName(name)))
      this.done({ op, name, holds }, meter);
  }

  /** Closes all but those that were declared WITH HOLD. */
  transactionEnded(): void {
    for (const [name, { holds }] of this.#open ?? []) if (!holds) this.#open?.delete(name);
  }
}
