// Holdpoint's own statements in a message: which they are, and the text that goes on without them. One that is a call must be the whole
// statement, or it would run never, or once for each row.
import type { OwnStatement } from '../findings.ts';
import type { Analyst } from './analyst.ts';
import type { Found } from './found.ts';
import type { Frame } from './frame.ts';
import type { Tree } from './parser.ts';
import { OWN_FUNCTIONS, OWN_HELP, OWN_SETTINGS, Refusal, strings, textOf, unwrap } from './tree.ts';

export class Own {
  readonly #a: Analyst;
  readonly #found: Found;
  readonly list: OwnStatement[] = [];
  readonly #ranges: (readonly [number, number])[] = [];
  #plain_call: Tree | null = null;
  #setting_call: readonly [call: Tree, name: string] | null = null;

  constructor(a: Analyst) {
    this.#a = a;
    this.#found = a.found;
  }

  /** The next statement begins. */
  begin(kind: string, node: Tree): void {
    this.#plain_call = plainCall(kind, node);
    this.#setting_call = settingCall(kind, node);
  }

  /** Is a statement in this place one of the client's own, not part of a definition, a plan or a text that a function runs? */
  isDirect(frame: Frame): boolean {
    return !this.#found.isNested && !frame.defines && !frame.planned;
  }

  /** Is the statement under way nothing but SELECT of this one call? */
  isPlainSelectOf(call: Tree): boolean {
    return this.#plain_call === call;
  }

  /** The setting that a call changes in `SELECT set_config(name, ...) FROM pg_settings WHERE name = '...'`, as pg_dump writes it. */
  settingOfWhere(call: Tree): string | undefined {
    return this.#setting_call?.[0] === call ? this.#setting_call[1] : undefined;
  }

  /** set_config('holdpoint.<name>', literal or $n, ...): the whole statement, or refused. */
  set(name: string, value: string | undefined, parameter: number | undefined, call: Tree): void {
    const which = OWN_SETTINGS.get(name);
    const given = value ?? parameter;
    if (!which || !this.isPlainSelectOf(call) || given === undefined) throw new Refusal('0A000', OWN_HELP);
    this.list.push({ op: 'set_config', name: which, value: given, statement: this.#found.statement });
  }

  /** holdpoint.<name>(literals or $n): the whole statement, or refused. */
  call(name: string, given: readonly (string | number | null | undefined)[], call: Tree, frame: Frame): void {
    const [which, count] = OWN_FUNCTIONS.get(name) ?? [];
    const known = given.filter((one) => one !== null && one !== undefined);
    if (
      !which ||
      given.length !== count ||
      known.length < count ||
      !this.isDirect(frame) ||
      !this.isPlainSelectOf(call)
    )
      throw new Refusal('0A000', OWN_HELP);
    this.list.push({ op: 'call', name: which, arguments: known, statement: this.#found.statement });
  }

  /** What lies there is one of them: it does not go on. */
  keeps(start: number, end: number): void {
    this.#ranges.push([start, end]);
  }

  /** The blanked text without the statements that are Holdpoint's own. */
  forward(): string {
    let text = this.#a.text;
    for (const [start, end] of this.#ranges) text = text.slice(0, start) + ' '.repeat(end - start) + text.slice(end);
    return text;
  }
}

/** The call in `SELECT f(...)` with nothing else; null: it is another statement. */
function plainCall(kind: string, node: Tree): Tree | null {
  const targets = node['targetList'] as { ResTarget?: Tree }[] | undefined;
  if (kind !== 'SelectStmt' || targets?.length !== 1) return null;
  for (const field in node) if (!['targetList', 'limitOption', 'op'].includes(field)) return null;
  const [of, call] = unwrap(targets[0]?.ResTarget?.['val']);
  return of === 'FuncCall' ? call : null;
}

/** The call in `SELECT f(name, ...) FROM pg_settings WHERE name = '...'`, and that text, which is all that `name` can be. */
function settingCall(kind: string, node: Tree): readonly [Tree, string] | null {
  const { whereClause, fromClause, ...rest } = node;
  const call = plainCall(kind, rest);
  const [from, range] = unwrap((fromClause as unknown[] | undefined)?.[0]);
  const [where, test] = unwrap(whereClause);
  if (!call || from !== 'RangeVar' || (fromClause as unknown[]).length > 1 || range['alias'] !== undefined) return null;
  if (range['relname'] !== 'pg_settings' || (range['schemaname'] ?? 'pg_catalog') !== 'pg_catalog') return null;
  if (where !== 'A_Expr' || test['kind'] !== 'AEXPR_OP' || strings(test['name']).join('.') !== '=') return null;
  const [of, value] = unwrap(test['rexpr']);
  const isName = (wrapped: unknown): boolean => {
    const [column, ref] = unwrap(wrapped);
    return column === 'ColumnRef' && (ref['fields'] as unknown[]).length === 1 && strings(ref['fields'])[0] === 'name';
  };
  if (of !== 'A_Const' || value['sval'] === undefined) return null;
  if (!isName(test['lexpr']) || !isName((call['args'] as unknown[] | undefined)?.[0])) return null;
  return [call, textOf((value['sval'] as Tree)['sval'])];
}
