// SET in all its forms: user variables, system variables of the session and of the server, NAMES, PASSWORD, ROLE, TRANSACTION, and
// MariaDB's SET STATEMENT. It says what the statement does and what holds for those that follow it.
// A value that is not surely a constant must never be carried forward as one.
import type { OwnSetting } from '../findings.ts';
import type { Analyst } from './analyst.ts';
import { hidesQuotes, readingOf } from './charsets.ts';
import { Kind } from './lexer.ts';
import { modeOf, modeOfNumber, modeText } from './modes.ts';
import { folded, isAscii } from './names.ts';
import { parameterAt } from './own.ts';
import { walk } from './relations.ts';
import { ENGINE_SETTINGS, judgeSetting, keepsHere, type VariableScope } from './settings.ts';
import { judge } from './statements.ts';

const SCOPES: Readonly<Record<string, VariableScope>> = {
  GLOBAL: 'global',
  PERSIST: 'persist',
  PERSIST_ONLY: 'persist',
  SESSION: 'session',
  LOCAL: 'session',
};

/** Judges SET; at: the word SET. Its kind. */
export function judgeSet(a: Analyst, at: number, to: number): string {
  if (a.is(at + 1, 'STATEMENT') && !a.isEquals(at + 2)) return setStatement(a, at, to);
  if (a.is(at + 1, 'ROLE') && !a.isEquals(at + 2)) return setRole(a, at + 2, to);
  if (a.is(at + 1, 'DEFAULT', 'ROLE')) {
    a.add('role', '', "Changes an account's default roles.");
    return 'SET DEFAULT ROLE';
  }
  if (a.is(at + 1, 'RESOURCE', 'GROUP')) {
    a.add('admin', '', 'Changes the resource group of a thread.');
    return 'SET RESOURCE GROUP';
  }
  let scope: VariableScope = 'session';
  let kind = 'SET';
  for (const [from, end] of items(a, at + 1, to)) {
    const start =
      SCOPES[a.word(from)] !== undefined && !a.isEquals(from + 1) && !a.isChar(from + 1, '.') ? from + 1 : from;
    if (start > from) scope = SCOPES[a.word(from)]!;
    if (a.is(start, 'TRANSACTION') && !a.isEquals(start + 1)) kind = transaction(a, scope, from, end);
    else kind = item(a, start, end, scope, start > from) ?? kind;
  }
  return kind;
}

/** Items between commas that no parenthesis encloses. */
function* items(a: Analyst, from: number, to: number): Generator<readonly [number, number]> {
  let depth = 0;
  let start = from;
  for (let at = from; at < to; at += 1) {
    if (a.isChar(at, '(')) depth += 1;
    else if (a.isChar(at, ')')) depth -= 1;
    else if (depth === 0 && a.isChar(at, ',')) {
      yield [start, at];
      start = at + 1;
    }
  }
  if (start < to) yield [start, to];
}

function transaction(a: Analyst, scope: VariableScope, from: number, to: number): string {
  if (scope === 'session') a.add('transaction', '', 'Sets how transactions run.', a.place(from, to));
  else a.add('admin', 'transaction_isolation', 'Changes a setting of the server.', a.place(from, to));
  return 'SET TRANSACTION';
}

/** One assignment. Its kind where it is not SET. said: its scope was, so that it is a system variable. */
function item(a: Analyst, from: number, to: number, scope: VariableScope, said: boolean): string | null {
  const word = a.word(from);
  const place = a.place(from, to);
  if (word === 'NAMES' && !a.isEquals(from + 1)) return names(a, from + 1, to);
  if (
    (word === 'CHARSET' && !a.isEquals(from + 1)) ||
    ((word === 'CHARACTER' || word === 'CHAR') && a.is(from + 1, 'SET'))
  )
    return names(a, word === 'CHARSET' ? from + 1 : from + 2, to);
  if (word === 'PASSWORD' && (a.is(from + 1, 'FOR') || a.isEquals(from + 1) || a.is(from + 1, 'TO'))) {
    a.add('role', '', 'Changes a password.', place);
    return 'SET PASSWORD';
  }
  if (a.kind(from) === Kind.variable) return userVariable(a, from, to);
  let at = from;
  let of = scope;
  if (a.kind(from) === Kind.system) {
    at += 1;
    of = 'session';
    const named = a.isChar(at + 1, '.') ? SCOPES[a.raw(at).replaceAll('`', '').toUpperCase()] : undefined;
    if (named !== undefined) {
      of = named;
      at += 2;
    }
  }
  let equals = at;
  while (equals < to && !a.isEquals(equals)) equals += 1;
  let name = '';
  // MariaDB takes a string for a name behind @@session.
  for (let i = at; i < equals; i += 1) name += a.isName(i) || a.kind(i) === Kind.string ? a.textOf(i) : a.raw(i);
  walk(a, equals + 1, to, { start: 'expression' });
  if (equals >= to || name === '') {
    a.add('unknown', '', 'An assignment that is not understood.', place);
    return null;
  }
  const variable = folded(name);
  // In a body it is a variable of the body's own, or NEW's. No letter that is not folded stands for one of a system variable's name.
  if (a.in_body && !said && at === from && judgeSetting(variable, of).action === 'unknown')
    a.add('settings', '', 'Sets a variable of its own.', place);
  else systemVariable(a, variable, of, equals + 1, to, place);
  return null;
}

/** name: folded, as MySQL finds it: an accent or a space at its end makes it no other. */
function systemVariable(
  a: Analyst,
  name: string,
  scope: VariableScope,
  from: number,
  to: number,
  place: readonly [number, number],
): void {
  const { action, why } = judgeSetting(name, scope);
  a.add(action, name, why, place);
  if (!isAscii(name)) {
    a.changes.mode = a.changes.charset = null;
    a.forget();
  }
  if (scope !== 'session') return;
  const value = constant(a, from, to);
  if (name === 'sql_mode') {
    const mode = (a.changes.mode = sqlMode(a, from, to, value));
    a.set(name, mode === null ? undefined : modeText(mode));
    return;
  }
  a.set(name, value);
  if (name === 'character_set_client') charset(a, value, place);
  else if (ENGINE_SETTINGS.has(name) && value !== null && !keepsHere(value ?? ''))
    a.add('admin', name, 'New tables may keep their rows elsewhere.', place);
  else if (name === 'autocommit' && value !== undefined && /^(1|on|true)$/i.test(value ?? '')) a.commits = true;
}

function userVariable(a: Analyst, from: number, to: number): null {
  const place = a.place(from, to);
  const name = a.textOf(from).toLowerCase();
  walk(a, from + 2, to, { start: 'expression' });
  if (!a.isEquals(from + 1)) a.add('unknown', '', 'An assignment that is not understood.', place);
  else a.add('settings', `@${name}`, 'Sets a variable of the session.', place);
  const own = OWN.get(name);
  if (own === undefined || a.in_body || a.depth > 0) return null;
  const { statement } = a.found;
  const parameter = parameterAt(a, from + 2, to);
  const value = to === from + 3 ? constant(a, from + 2, to) : undefined;
  if (parameter !== undefined) a.own.push({ op: 'set_config', name: own, value: parameter, statement });
  else if (value === null) a.own.push({ op: 'reset', name: own, statement });
  else if (value !== undefined) a.own.push({ op: 'set', name: own, value, statement });
  else a.add('unknown', `@${name}`, 'Holdpoint reads this variable from a constant or a parameter only.', place);
  return null;
}
const OWN: ReadonlyMap<string, OwnSetting> = new Map([
  ['holdpoint_reason', 'reason'],
  ['holdpoint_hold', 'hold'],
  ['holdpoint_break_glass', 'break_glass'],
]);

/** NAMES, CHARACTER SET: from its value on. */
function names(a: Analyst, from: number, to: number): 'SET' {
  const end = a.is(from + 1, 'COLLATE') ? from + 1 : to;
  const value = end === from + 1 ? constant(a, from, end) : undefined;
  a.add('settings', 'character_set_client', 'Sets the character set of the connection.', a.place(from - 1, to));
  a.set('character_set_client', value);
  charset(a, value, a.place(from, to));
  return 'SET';
}

function charset(a: Analyst, value: string | null | undefined, place: readonly [number, number]): void {
  if (value === undefined || value === null) {
    a.changes.charset = null;
    return;
  }
  if (readingOf(value) !== null) {
    a.changes.charset = value.toLowerCase();
    return;
  }
  a.changes.charset = null;
  a.add('admin', 'character_set_client', 'Sets a character set in which Holdpoint can not read texts.', place);
  a.refuses_charset = true;
  if (hidesQuotes(value)) a.hiding_charset = value.toLowerCase();
}

/** The text of a constant: a literal, a word, a number. Null: DEFAULT or NULL. Undefined: no constant. */
function constant(a: Analyst, start: number, end: number): string | null | undefined {
  const [from, to] = inParentheses(a, start, end);
  if (to - from > 1) {
    // 'a' 'b' is one literal.
    let text = '';
    for (let i = from; i < to; i += 1) {
      if (a.kind(i) !== Kind.string) return undefined;
      text += a.textOf(i);
    }
    return text;
  }
  if (to <= from) return undefined;
  const word = a.word(from);
  if (word === 'DEFAULT' || word === 'NULL') return null;
  const kind = a.kind(from);
  return kind === Kind.string || kind === Kind.number || a.isName(from) ? a.textOf(from) : undefined;
}

/** What a few parentheses enclose. */
function inParentheses(a: Analyst, from: number, to: number): readonly [number, number] {
  let depth = 0;
  while (depth < 4 && a.isChar(from + depth, '(') && a.closing(from + depth, to - depth) === to - depth - 1) depth += 1;
  return [from + depth, to - depth];
}

/** Bits that sql_mode has afterwards; null: can't be told. */
function sqlMode(a: Analyst, from: number, to: number, value: string | null | undefined): number | null {
  if (value === null) return null;
  if (value !== undefined) return a.kind(from) === Kind.number ? modeOfNumber(value) : modeOf(value);
  return computed(a, from, to);
}

/** concat(@@sql_mode, ',X') and replace(@@sql_mode, 'X', '') of constants, perhaps inside of (SELECT ...). */
function computed(a: Analyst, start: number, end: number): number | null {
  const [first, to] = inParentheses(a, start, end);
  const from = a.is(first, 'SELECT') ? first + 1 : first;
  const now = a.lexer.rules.mode;
  const open = from + 1;
  if (!a.isChar(open, '(') || a.closing(open, to) !== to - 1) return null;
  const parts = [...items(a, open + 1, to - 1)];
  if (a.is(from, 'CONCAT')) {
    let bits = 0;
    let text = '';
    let session = false;
    for (const [left, right] of parts) {
      if (isSessionMode(a, left, right)) {
        if (session || (text !== '' && !text.endsWith(','))) return null;
        session = true;
        bits |= now;
        text += '\0';
        continue;
      }
      const value = constant(a, left, right);
      if (typeof value !== 'string' || a.kind(left) !== Kind.string) return null;
      text += value;
    }
    // What stands beside @@sql_mode must be a name of its own.
    const after = text.split('\0')[1];
    if (after !== undefined && after !== '' && !after.startsWith(',')) return null;
    const named = modeOf(text.replace('\0', ''));
    return named === null ? null : bits | named;
  }
  if (!a.is(from, 'REPLACE') || parts.length !== 3 || !isSessionMode(a, ...parts[0]!)) return null;
  const [taken, put] = [constant(a, ...parts[1]!), constant(a, ...parts[2]!)];
  if (typeof taken !== 'string' || typeof put !== 'string') return null;
  const [without, added] = [modeOf(taken), modeOf(put)];
  // Part of a name could be taken out of others, so only a whole name that changes nothing else is followed.
  return without === 0 && added === 0 && WHOLE_MODE.test(taken.replaceAll(',', '')) ? now : null;
}
const WHOLE_MODE =
  /^(ONLY_FULL_GROUP_BY|STRICT_TRANS_TABLES|STRICT_ALL_TABLES|NO_ZERO_IN_DATE|NO_ZERO_DATE|ERROR_FOR_DIVISION_BY_ZERO|NO_ENGINE_SUBSTITUTION|NO_AUTO_CREATE_USER|NO_AUTO_VALUE_ON_ZERO|TRADITIONAL)$/;

function isSessionMode(a: Analyst, from: number, to: number): boolean {
  if (a.kind(from) !== Kind.system) return false;
  const name = a.text.slice(a.lexer.starts[from], a.lexer.ends[to - 1]).toLowerCase();
  return name === '@@sql_mode' || name === '@@session.sql_mode' || name === '@@local.sql_mode';
}

function setRole(a: Analyst, at: number, to: number): string {
  const back = to === at + 1 && (a.is(at, 'NONE') || a.is(at, 'DEFAULT'));
  if (back) a.add('settings', 'role', 'Goes back to its own rights.');
  else a.add('role', at < to && a.isName(at) ? a.textOf(at) : '', 'Takes on another role.');
  a.set('role', a.is(at, 'NONE') ? '' : to === at + 1 && !a.is(at, 'DEFAULT') ? a.textOf(at) : undefined);
  return 'SET ROLE';
}

/** MariaDB: settings that hold for one statement; it is read under those of the session. */
function setStatement(a: Analyst, at: number, to: number): string {
  let depth = 0;
  let end = at + 2;
  while (end < to && !(depth === 0 && a.is(end, 'FOR'))) {
    if (a.isChar(end, '(')) depth += 1;
    else if (a.isChar(end, ')')) depth -= 1;
    end += 1;
  }
  const { changes } = a;
  const effects = a.effects.length;
  for (const [from, until] of items(a, at + 2, end)) item(a, from, until, 'session', true);
  const touches_mode = a.changes.mode !== undefined || a.changes.charset !== undefined;
  a.effects.length = effects;
  a.changes = changes;
  const { own_mode } = a;
  a.own_mode ||= touches_mode;
  const kind = end + 1 < to ? judge(a, end + 1, to) : 'SET STATEMENT';
  a.own_mode = own_mode;
  // They are put back behind the statement, also over what it has set itself.
  if (touches_mode) a.changes.mode = null;
  return kind;
}
