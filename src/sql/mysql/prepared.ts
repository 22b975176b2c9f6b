// PREPARE, EXECUTE and EXECUTE IMMEDIATE: a literal is judged as the text that it is, also where it is only prepared; anything else is
// code that can't be read here.
import type { Analysis } from '../findings.ts';
import type { Analyst } from './analyst.ts';
import { analyseInner } from './analysis.ts';
import { Kind } from './lexer.ts';
import { walk } from './relations.ts';

/** PREPARE name FROM 'text' */
export function judgePrepare(a: Analyst, at: number, to: number): string {
  const kind = 'PREPARE';
  const name = plainName(a, at + 1);
  a.add('settings', name, 'Prepares a statement.', a.place(at, at + 2));
  const judged = literal(a, at + 3, to);
  const inner = judged === null || a.database === undefined ? judged : { ...judged, search_path: a.database };
  // In a body it may be prepared, or not, or more than once.
  a.prepared.set(name, a.in_body || inner === null ? undefined : inner);
  if (name === ANY) {
    a.prepared.set(ANY, undefined);
    a.forget();
  } else if (inner !== null) a.effect({ type: 'prepare', name, inner, statement: a.found.statement });
  else a.effect({ type: 'deallocate', name, statement: a.found.statement });
  return kind;
}

/** DEALLOCATE PREPARE name, DROP PREPARE name */
export function judgeDeallocate(a: Analyst, at: number): string {
  const name = plainName(a, at + 2);
  a.add('settings', '', 'Forgets a prepared statement.');
  if (name === ANY) {
    a.prepared.set(ANY, undefined);
    a.forget();
  } else {
    if (!a.in_body) a.prepared.set(name, null);
    a.effect({ type: 'deallocate', name, statement: a.found.statement });
  }
  return 'DEALLOCATE PREPARE';
}

/** EXECUTE name */
export function judgeExecute(a: Analyst, at: number, to: number): string {
  const name = plainName(a, at + 1);
  a.found.session_bound = true;
  walk(a, at + 2, to, { start: 'expression' });
  const known = a.in_body || a.prepared.has(ANY) || name === ANY ? undefined : preparedAs(a, name);
  a.rows_max = null;
  if (known === null) {
    a.add('settings', name, 'Runs a prepared statement that is not there.');
    return 'EXECUTE';
  }
  // MySQL reads its text again where a table has changed since, and then under the mode of now.
  const elsewhere = known?.read_under !== undefined && known.read_under !== a.rules_of_texts;
  const now = known && !elsewhere ? anew(a, known) : undefined;
  if (known === undefined || now === undefined || now.error) {
    a.opaque(name, 'Runs a prepared statement that was not judged.', a.place(at, at + 2));
    a.changes.mode = null;
    return 'EXECUTE';
  }
  if (now !== known) a.found.merge(known, a.place(at, to));
  runs(a, now, at, to);
  return 'EXECUTE';
}

function preparedAs(a: Analyst, name: string): Analysis | null | undefined {
  return a.prepared.has(name) ? a.prepared.get(name) : a.context.prepared(name);
}

/** In small letters. MySQL takes `é` and `e ` for the name e, MariaDB does not: what is not plain may be any name. */
function plainName(a: Analyst, at: number): string {
  const name = a.isName(at) ? a.textOf(at) : ANY;
  return PLAIN_NAME.test(name) ? name.toLowerCase() : ANY;
}
const PLAIN_NAME = /^[A-Za-z0-9_$]+$/;
/** Any name may be prepared. */
const ANY = '';

/**
 * What was found in another catalog may be something else now: the server looks names up again, in the database that was current when the
 * statement was prepared. Undefined: it can't be told.
 */
function anew(a: Analyst, known: Analysis): Analysis | undefined {
  if (known.catalog === a.context.catalog?.id && !a.found.doubted) return known;
  if (known.prepared_by === undefined || known.search_path === undefined || a.found.doubted) return undefined;
  return analyseInner(a, known.prepared_by, known.search_path) ?? undefined;
}

/** MariaDB: EXECUTE IMMEDIATE 'text' */
export function judgeImmediate(a: Analyst, at: number, to: number): string {
  const inner = literal(a, at + 2, to);
  a.rows_max = null;
  if (inner) runs(a, inner, at, to);
  else {
    a.changes.mode = null;
    a.redefines(null);
    a.found.forgetTemporary();
  }
  return 'EXECUTE IMMEDIATE';
}

/** What a judged text changes when it runs. */
function runs(a: Analyst, inner: Analysis, at: number, to: number): void {
  a.found.merge(inner, a.place(at, to));
  for (const effect of inner.effects) {
    a.effect({ ...effect, statement: a.found.statement });
    if (effect.type === 'unknown' || (effect.type === 'set' && effect.name === 'sql_mode')) a.changes.mode = null;
    if (effect.type === 'set' && effect.name === 'character_set_client') a.changes.charset = null;
    if (effect.type === 'set' && effect.name === 'database') {
      a.changes.database = effect.value;
      a.changes.sets_database = true;
    }
  }
  if (inner.temporary !== undefined) a.found.forgetTemporary();
  if (inner.changes_catalog) a.redefines(null);
  a.commits ||= inner.statements.some(({ commits }) => commits === true);
  const [only] = inner.statements;
  if (inner.statements.length === 1 && only) a.rows_max = only.rows_max;
}

/** Servers make UTF-8 of three bytes at most of it, and read that as text of the connection: are those the same bytes? */
function isKept(a: Analyst, text: string): boolean {
  if (a.lexer.rules.reading !== 'utf8' || a.in_body) return !NOT_ASCII.test(text);
  return a.context.engine === 'mariadb' || !FOUR_BYTES.test(text);
}
// oxlint-disable-next-line no-control-regex
const NOT_ASCII = /[^\x00-\x7f]/;
const FOUR_BYTES = /[\xf0-\xff]/;

/** Without the words of what is no statement that is known: a literal may hold anything. */
function untold(analysis: Analysis | null): Analysis | null {
  return (
    analysis && {
      ...analysis,
      findings: analysis.findings.map((finding) =>
        finding.action === 'unknown' ? { ...finding, object: '' } : finding,
      ),
    }
  );
}

/** The analysis of a literal's text, whose findings count here; null: it is no literal, or can't be read. */
function literal(a: Analyst, from: number, to: number): Analysis | null {
  let end = from;
  let text = '';
  // 'a' 'b' is one literal. What follows USING are variables.
  while (end < to && a.kind(end) === Kind.string) {
    text += a.bytesOf(end);
    end += 1;
  }
  const using = a.is(end, 'USING');
  if (end > from && (end === to || using)) {
    walk(a, end, to, { start: 'expression' });
    const inner = untold(isKept(a, text) ? analyseInner(a, text) : null);
    if (inner && inner.error === null) {
      a.found.merge(inner, a.place(from, end));
      return { ...inner, prepared_by: text };
    }
    a.add('code', '', 'Runs a text that can not be read here.', a.place(from, end));
    a.forget();
    return null;
  }
  walk(a, from, to, { start: 'expression' });
  a.unresolved('code', '', 'Runs a text that is made when it runs.', a.place(from, to));
  a.forget();
  return null;
}
