// The port between an engine's analysis and whoever reads a database's own catalog for it (upstream/). Types only.

/** A database's catalog at one moment, made by an engine's analysis; opaque to everybody else. */
export interface CatalogSnapshot {
  /** Another for each. */
  readonly id: number;
}

/** The catalog of one database, or of one server, kept as the server has it. */
export interface LiveCatalog {
  /** As it was at most `fresh_ms` ago. Null: it can't be read, or not in time. */
  readonly current: CatalogSnapshot | null;
  /** The same, or what it was where the server does not answer, for a while. Null: it can't be read. */
  readonly last: CatalogSnapshot | null;
  /** Resolves when it has been looked at after this call, or can't be; never rejects. */
  refresh(): Promise<boolean>;
  /** Somebody needs it. Resolves when it has been read for the first time, or can't be; never rejects. */
  open(): Promise<void>;
  /** One who opened it needs it no more. */
  close(): void;
}

/** How an engine's catalog is read. What a question is, and how it is answered, is the affair of the engine's connection. */
export interface CatalogReading {
  /** What was looked at longer ago is not used: a change is seen within this time, in ms. */
  readonly fresh_ms: number;
  /** How long an older one is used where the server does not answer, in ms. */
  readonly last_ms: number;
  /** Its answer is another one whenever the catalog may be about to change, or may have changed. Cheap. */
  readonly snapshot: string;
  /** Of an earlier answer to that and one of now: null: nothing has changed in between; else what to keep as the earlier one. */
  changed(before: string, now: string): string | null;
  /** Its answer is another one whenever the catalog is. Null: it would cost the server as much as `rows` does. */
  readonly fingerprint: string | null;
  /** Answers with one text, for `steps`. */
  readonly rows: string;
  /** A further question that follows from that answer, for what it does not have word for word; '': none. Absent: never. */
  more?(rows: string): string;
  /** Is nothing left out of it that could not be read just then? */
  isWhole(catalog: CatalogSnapshot): boolean;
  /** Makes it of these answers, in steps: between two of them others may have their turn. Throws on what is no answer. */
  steps(rows: string, more: string): Generator<void, CatalogSnapshot>;
  /** What was read and what stays unseen, in words for the operator. */
  describe(catalog: CatalogSnapshot): string;
}

/** How a session's own connection reads what only that session has, for engines where a shared catalog can lack something of it. */
export interface OwnCatalogReading extends Pick<CatalogReading, 'rows' | 'isWhole'> {
  /** As `rows`, of what only the session has that asks, for `over`. */
  readonly temporary_rows: string;
  /** Throws on what is no answer. Takes some 50 ms for a text of 5 MB. */
  make(rows: string): CatalogSnapshot;
  /** What all see, and what only one session has on top of it. Throws on what is no answer. */
  over(rows: string, shared: CatalogSnapshot): CatalogSnapshot;
  /** Are there objects in it that only one session has? */
  hasTemporary(catalog: CatalogSnapshot): boolean;
  /** Relations that only one session has: their names, and what tells each from another of its name. */
  temporary(catalog: CatalogSnapshot): readonly { readonly name: string; readonly id: number }[];
}
