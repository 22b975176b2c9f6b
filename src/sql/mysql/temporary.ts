// Which tables are certain to be temporary ones of the session. Such a table hides a real one of its name, so nothing lies behind it, and to
// alter or drop it is no DDL. A name counts as the real table's unless the session is certain: it has seen CREATE TEMPORARY TABLE succeed
// since, outside of a body, in a text without an error, and nothing after it that can take the table away: DROP of the name in any case, with
// TEMPORARY or without, ALTER that renames it, any RENAME, code of which not everything is known or which handles temporary tables itself,
// COM_RESET_CONNECTION. A rollback takes none away. What is forgotten costs a hold; nothing may be remembered for too long.
import type { TemporaryChange } from '../findings.ts';

export class Temporaries {
  /** Of the session, before this message. */
  readonly #before: ReadonlySet<string>;
  /** What the statements so far do, in the order of the text. */
  readonly changes: TemporaryChange[] = [];
  /** Names in small letters: the table that was made; null: gone. Names that differ in case alone are the same on some servers. */
  readonly #names = new Map<string, string | null>();
  #forgotten = false;

  constructor(before: ReadonlySet<string> = NONE) {
    this.#before = before;
  }

  /** table: its database, NUL, its name. */
  has(table: string): boolean {
    const made = this.#names.get(table.toLowerCase());
    return made === undefined ? !this.#forgotten && this.#before.has(table) : made === table;
  }

  change(op: TemporaryChange['op'], table: string): void {
    this.changes.push({ op, table });
    this.#names.set(table.toLowerCase(), op === 'made' ? table : null);
  }

  /** None is certain any more. */
  forget(): void {
    this.#names.clear();
    if (this.#forgotten && this.changes.at(-1)?.table === null) return;
    this.#forgotten = true;
    this.changes.push({ op: 'gone', table: null });
  }
}

const NONE: ReadonlySet<string> = new Set();
