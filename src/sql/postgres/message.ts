// The statements of a message, one after the other: each is walked, then what its end brings with it is added, its facts are kept, and
// what it changes takes hold for those that follow.
import type { Action, OwnStatement } from '../findings.ts';
import type { Analyst } from './analyst.ts';
import { behindType } from './behind.ts';
import { cursorOf, rowsMax } from './bounds.ts';
import { UNKNOWN_KIND } from './frame.ts';
import { hasNewerNumbers } from './lexer.ts';
import type { RawStatement, Tree } from './parser.ts';
import { STATEMENTS } from './statements.ts';
import { OWN_HELP, Refusal, unwrap } from './tree.ts';

/** Adds what the statements do. Raises a Refusal. */
export function judgeStatements(a: Analyst, statements: readonly RawStatement[]): void {
  for (const raw of statements) judgeStatement(a, raw);
  if (statements.length > 1 && a.own.list.some(standsAlone)) throw new Refusal('0A000', OWN_HELP);
  if (a.context.server_version < 16 && statements.length > 0 && hasNewerNumbers(a.text)) {
    a.found.statement = 0;
    a.found.start = a.found.statements[0]!.start;
    a.add('unknown', '', 'A number is written in a way that this server version does not read.');
  }
}

/** Its answer is waited for; or it is about the next message. */
function standsAlone(own: OwnStatement): boolean {
  return own.op === 'call' || ((own.op === 'set' || own.op === 'set_config') && own.name === 'break_glass');
}

function judgeStatement(a: Analyst, raw: RawStatement): void {
  const [kind, node] = unwrap(raw.stmt);
  const [start, end] = trim(a.text, raw.stmt_location ?? 0, raw.stmt_len);
  a.found.begin(start, end);
  a.own.begin(kind, node);
  a.prepared.executed = undefined;
  const findings_before = a.found.findings.length;
  const own_before = a.own.list.length;
  a.walk(kind, node);
  atEnd(a, findings_before);
  const row = STATEMENTS[kind];
  if (a.own.list.length > own_before) a.own.keeps(start, end);
  else if (a.found.findings.length === findings_before) a.add(row?.rest ?? 'unknown', '', row?.why ?? UNKNOWN_KIND);
  a.found.statements.push({
    kind: tagOf(kind, node),
    start,
    end,
    writes_all_rows: a.found.writes_all_rows,
    folds_rows: a.found.folds_rows || (a.found.folds && a.found.reads_user_relation),
    rows_max:
      kind === 'ExecuteStmt' && a.prepared.executed !== undefined ? a.prepared.executed : rowsMax(kind, node, a.names),
    cursor: cursorOf(kind, node),
    copy_in: a.found.copy_in,
    returns_written: a.found.returns_written,
    hidden_writes: a.found.hidden_writes,
    transaction_control: kind === 'TransactionStmt',
    parse_is_harmless: row?.analysed_at_parse !== true || !a.found.literal || literalsAreHarmless(a),
  });
  a.effects.settle(changesCatalog(a, findings_before));
  a.found.statement += 1;
}

function trim(text: string, location: number, length: number | undefined): [number, number] {
  let start = location;
  let end = length === undefined ? text.length : location + length;
  while (start < end && SPACES.includes(text[start]!)) start += 1;
  while (end > start && SPACES.includes(text[end - 1]!)) end -= 1;
  return [start, end];
}

const SPACES = ' \t\n\r\f\v';

/** The command tag's words. */
export function tagOf(kind: string, node: Tree): string {
  const tag = STATEMENTS[kind]?.tag;
  return typeof tag === 'function' ? tag(node) : (tag ?? kind);
}

/** What comes with the end of any statement, whatever it is. findings_before: how many there were when it began. */
export function atEnd(a: Analyst, findings_before: number): void {
  const catalog = a.names.catalog;
  if (changesCatalog(a, findings_before)) a.names.changes('any');
  if (catalog) {
    for (const fn of catalog.ambient) a.code.runsUnnamed(fn);
    if (a.found.defined || changesCatalog(a, findings_before))
      for (const [, fn] of catalog.event_triggers) a.code.runs(fn, undefined);
  }
  for (const [name, owner] of a.found.definers)
    if (owner !== a.names.role) a.add('role', name, `Runs with the rights of ${owner} (SECURITY DEFINER).`);
  a.found.definers.clear();
}

/** Can no type of the database run code that users made when a literal is read? */
function literalsAreHarmless(a: Analyst): boolean {
  const catalog = a.names.catalog;
  return catalog !== null && catalog.types_with_input.every((row) => !behindType(a, row).user_code);
}

function changesCatalog(a: Analyst, findings_before: number): boolean {
  return a.found.findings.slice(findings_before).some(({ action }) => CHANGES_CATALOG.has(action));
}

/** What a statement does that may make other objects of names for those that follow it. */
const CHANGES_CATALOG: ReadonlySet<Action> = new Set(['ddl', 'code', 'unknown', 'admin']);
