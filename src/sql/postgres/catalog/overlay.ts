// A catalog that all share, and one session's temporary objects on top of it. Every question that these could answer otherwise is asked of
// both, and `differs` has all of them: what the analysis worked out without asking one is shared with everybody (memo.ts).
// An object is in one of the two: the shared one is read without anybody's temporary schema.
import { Catalog, INPUTS, TEMPORARY } from './catalog.ts';
import { type Asked, Memo } from '../../memo.ts';
import type { CatalogRows, FunctionReference, FunctionRow, OperatorRow, RelationRow, TypeRow } from './rows.ts';

export class Overlay extends Catalog {
  readonly shared: Catalog;
  /** Functions of casts of the session's own types, by the types that these are made of: whoever has one makes the other of it. */
  readonly #casts: ReadonlyMap<number, readonly FunctionReference[]>;

  /** rows: of the session's own schema for temporary objects. id: as Catalog. */
  constructor(rows: CatalogRows, shared: Catalog, id?: number) {
    const casts = castsOfParts(rows, shared);
    super(rows, id, new Memo(shared.memo, differing(rows, casts)));
    this.shared = shared;
    this.#casts = casts;
  }

  override hasSchema(name: string): boolean {
    return super.hasSchema(name) || this.shared.hasSchema(name);
  }

  override relation(schema: string, name: string): RelationRow | undefined {
    return super.relation(schema, name) ?? this.shared.relation(schema, name);
  }

  override relationOf(oid: number): RelationRow | undefined {
    return super.relationOf(oid) ?? this.shared.relationOf(oid);
  }

  override get relations(): readonly RelationRow[] {
    return [...super.relations, ...this.shared.relations];
  }

  override functions(name: string): readonly FunctionRow[] {
    return both(super.functions(name), this.shared.functions(name));
  }

  override functionOf(oid: number): FunctionRow | undefined {
    return super.functionOf(oid) ?? this.shared.functionOf(oid);
  }

  override operators(name: string): readonly OperatorRow[] {
    return both(super.operators(name), this.shared.operators(name));
  }

  override type(schema: string, name: string): TypeRow | undefined {
    return super.type(schema, name) ?? this.shared.type(schema, name);
  }

  override typeOf(oid: number): TypeRow | undefined {
    return super.typeOf(oid) ?? this.shared.typeOf(oid);
  }

  override get types_with_input(): readonly TypeRow[] {
    return both(super.types_with_input, this.shared.types_with_input);
  }

  /** Casts have no schema, and operator classes are read whatever theirs is: all are in the shared catalog. */
  override get ambient(): readonly FunctionReference[] {
    return this.shared.ambient;
  }

  override get event_triggers(): CatalogRows['event_triggers'] {
    return this.shared.event_triggers;
  }

  override behind(oid: number): ReturnType<Catalog['behind']> {
    const own = super.behind(oid);
    if (super.relationOf(oid)) return own;
    const shared = this.shared.behind(oid);
    // A temporary table may be part of one that all have.
    return own.children.length === 0 ? shared : { ...shared, children: [...shared.children, ...own.children] };
  }

  override functionsOfClass(oid: number): readonly FunctionReference[] {
    return this.shared.functionsOfClass(oid);
  }

  override partsOf(aggregate: number): readonly FunctionReference[] {
    return both(super.partsOf(aggregate), this.shared.partsOf(aggregate));
  }

  override behindType(row: TypeRow): ReturnType<Catalog['behindType']> {
    // The shared one has operator classes and casts of types that it does not have.
    const [own, shared] = [super.behindType(row), this.shared.behindType(row)];
    return {
      types: [...new Set([...own.types, ...shared.types])],
      functions: [...new Set([...own.functions, ...shared.functions, ...(this.#casts.get(row.oid) ?? [])])],
      checks: both(own.checks, shared.checks),
    };
  }
}

function castsOfParts(rows: CatalogRows, shared: Catalog): ReadonlyMap<number, readonly FunctionReference[]> {
  const parts = new Map(rows.types.map((row) => [row.oid, row.parts]));
  const casts = new Map<number, FunctionReference[]>();
  for (const { source, target, function: fn } of shared.rows.casts)
    for (const part of [...(parts.get(source) ?? []), ...(parts.get(target) ?? [])])
      casts.set(part, [...(casts.get(part) ?? []), fn]);
  return casts;
}

/** What has another answer than in the shared catalog. */
function differing(rows: CatalogRows, casts: ReadonlyMap<number, unknown>): ReadonlySet<Asked> {
  const { relations, types, functions, operators, inherits, checks } = rows;
  const differs = new Set<Asked>([TEMPORARY, ...casts.keys()]);
  for (const { name } of [...relations, ...types, ...functions, ...operators]) differs.add(name);
  for (const { oid } of [...relations, ...types, ...functions]) differs.add(oid);
  for (const [parent] of inherits) differs.add(parent);
  if (checks.length > 0 || types.some((row) => row.functions.length > 0)) differs.add(INPUTS);
  return differs;
}

function both<Row>(own: readonly Row[], shared: readonly Row[]): readonly Row[] {
  return own.length === 0 ? shared : shared.length === 0 ? own : [...own, ...shared];
}
