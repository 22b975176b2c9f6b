// Compiles an expression of a policy: CEL, type-checked against the facts, every name and constant verified at load.
// Must never let through to run time what could be known wrong at load, and never a backtracking regular expression.
import {
  type ASTNode,
  Environment,
  EvaluationError,
  ParseError,
  TypeError as CelTypeError,
} from '@marcbachmann/cel-js';
import { RE2JS } from 're2js';
import { ACTIONS, type Action } from '../sql/findings.ts';
import {
  type ArgumentKind,
  actionBit,
  BUILTINS,
  factBit,
  FIELDS,
  type Matcher,
  METHODS,
  type Owner,
  SessionFacts,
  StatementView,
  TimeView,
  WhereView,
  WhoView,
  zoned,
} from './facts.ts';
import { hint } from './source.ts';

export interface Views {
  readonly stmt: StatementView;
  readonly who: WhoView;
  readonly where: WhereView;
  readonly session: SessionFacts;
  readonly time: TimeView;
}

export interface Expression {
  /** May throw; the caller decides what that means. */
  test(views: Views): boolean;
  /** Sets of bits (`actionBit`, `factBit`): a statement that lacks all of one set makes the expression false whatever else holds. */
  readonly needs: readonly number[];
}

/** start, end: offsets in the expression. */
export interface ExpressionError {
  readonly message: string;
  readonly start: number;
  readonly end: number;
}

export type Compile = (text: string) => Expression | { readonly errors: readonly ExpressionError[] };

const TYPES: Record<Owner, { readonly type: string; readonly ctor: abstract new (...args: never[]) => object }> = {
  stmt: { type: 'Statement', ctor: StatementView },
  who: { type: 'Who', ctor: WhoView },
  where: { type: 'Where', ctor: WhereView },
  session: { type: 'Session', ctor: SessionFacts },
  time: { type: 'Time', ctor: TimeView },
};
const CEL_TYPE: Record<ArgumentKind, string> = {
  action: 'string',
  actions: 'list<string>',
  relation: 'string',
  pattern: 'string',
  group: 'string',
  zone: 'string',
  regex: 'string',
};
const METHOD_NAMES = new Set(METHODS.map(({ name }) => name));

/** A compiler for one policy: its lists are names that expressions may use. */
export function compiler(lists: Readonly<Record<string, readonly string[]>>): Compile {
  const matchers = new Map<string, Matcher>();
  const regexes = new Map<string, RE2JS>();
  const context: CheckContext = { lists, matchers, regexes, errors: [] };
  const environment = makeEnvironment(matchers, regexes);

  return (text) => {
    context.errors = [];
    let parsed: ReturnType<Environment['parse']>;
    try {
      parsed = environment.parse(admitIn(text));
    } catch (error) {
      return { errors: [celError(error, text)] };
    }
    checkNode(parsed.ast, context);
    if (context.errors.length > 0) return { errors: context.errors };
    const checked = parsed.check();
    if (!checked.valid) return { errors: [celError(checked.error, text)] };
    if (checked.type !== 'bool')
      return {
        errors: [
          {
            message: `this is ${checked.type ?? 'untyped'}, a condition must be true or false`,
            start: 0,
            end: text.length,
          },
        ],
      };
    return {
      test: (views) => {
        const value: unknown = parsed(views);
        if (typeof value !== 'boolean') throw new TypeError('an expression gave no bool');
        return value;
      },
      needs: needs(parsed.ast),
    };
  };
}

/** A name, or a pattern in which each `*` stands for any characters, dots too. Linear in the name. */
export function pattern(text: string): Matcher {
  const parts = text.split('*');
  if (parts.length === 1) return (name) => name === text;
  const head = parts[0]!;
  const tail = parts.at(-1)!;
  const middle = parts.slice(1, -1);
  return (name) => {
    if (name.length < head.length + tail.length || !name.startsWith(head) || !name.endsWith(tail)) return false;
    let at = head.length;
    for (const part of middle) {
      const found = name.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return at <= name.length - tail.length;
  };
}

function makeEnvironment(matchers: ReadonlyMap<string, Matcher>, regexes: ReadonlyMap<string, RE2JS>): Environment {
  const environment = new Environment();
  for (const owner of Object.keys(TYPES) as Owner[]) {
    const fields = Object.fromEntries(FIELDS.filter(({ of }) => of === owner).map(({ name, type }) => [name, type]));
    environment.registerType(TYPES[owner].type, { ctor: TYPES[owner].ctor, fields });
    environment.registerVariable(owner, TYPES[owner].type);
  }
  // Constant arguments were checked and compiled at load: a look-up can't miss.
  const matcher = (text: string): Matcher => matchers.get(text)!;
  const handlers: Record<string, (...args: never[]) => unknown> = {
    'stmt.does/1': (stmt: StatementView, action: Action) => stmt.does(action),
    'stmt.does/2': (stmt: StatementView, action: Action, object: string) => stmt.does(action, matcher(object)),
    'stmt.does_only/1': (stmt: StatementView, actions: readonly Action[]) => stmt.doesOnly(actions),
    'stmt.reads/1': (stmt: StatementView, relation: string) => stmt.touchesOne('reads', matcher(relation)),
    'stmt.writes/1': (stmt: StatementView, relation: string) => stmt.touchesOne('writes', matcher(relation)),
    'stmt.touches/1': (stmt: StatementView, relation: string) => stmt.touchesOne('touches', matcher(relation)),
    'stmt.calls/1': (stmt: StatementView, name: string) => stmt.calls(matcher(name)),
    'who.in/1': (who: WhoView, group: string) => who.groups.includes(group),
    'time.hour/1': (time: TimeView, zone: string) => time.hour(zone),
    'time.weekday/1': (time: TimeView, zone: string) => time.weekday(zone),
    'string.matches_re2/1': (text: string, regex: string) => regexes.get(regex)!.test(text),
  };
  for (const { of, name, takes, type } of METHODS) {
    const receiver = of === 'string' ? 'string' : TYPES[of].type;
    const handler = handlers[`${of}.${name}/${takes.length}`]!;
    environment.registerFunction(
      `${receiver}.${celName(name)}(${takes.map((kind) => CEL_TYPE[kind]).join(', ')}): ${type}`,
      handler,
    );
  }
  return environment;
}

// `in` is a reserved word of CEL, and `who.in("dba")` reads too well to give up: outside quotes, `.in(` is parsed as the
// name `IN`. Same length, so positions stay.
const TOKEN =
  /[rR]?("""|''')[\s\S]*?\1|[rR]"[^"\n]*"|[rR]'[^'\n]*'|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\/[^\n]*|\.\s*in(?=\s*\()/g;
function admitIn(text: string): string {
  return text.replace(TOKEN, (token) => (token.startsWith('.') ? `${token.slice(0, -2)}IN` : token));
}
const celName = (name: string): string => (name === 'in' ? 'IN' : name);
const shownName = (name: string): string => (name === 'IN' ? 'in' : name);

function celError(error: unknown, text: string): ExpressionError {
  if (!(error instanceof ParseError || error instanceof CelTypeError || error instanceof EvaluationError)) throw error;
  const { start, end } = error.range ?? { start: 0, end: text.length };
  const name = text.slice(start, end);
  const message =
    error.code === 'unknown_variable'
      ? `unknown name \`${name}\`; there are ${Object.keys(TYPES).join(', ')}`
      : error.code === 'no_such_key'
        ? `unknown fact \`${name}\`${hint(
            name,
            FIELDS.map((field) => field.name),
          )}`
        : error.summary.replace(/\.IN\(/g, '.in(');
  return { message, start, end };
}

interface CheckContext {
  readonly lists: Readonly<Record<string, readonly string[]>>;
  readonly matchers: Map<string, Matcher>;
  readonly regexes: Map<string, RE2JS>;
  errors: ExpressionError[];
}

function checkNode(node: ASTNode, context: CheckContext): void {
  if (node.op === 'call' || node.op === 'rcall') checkCall(node, context);
  for (const child of children(node)) checkNode(child, context);
}

function checkCall(node: ASTNode & { op: 'call' | 'rcall' }, context: CheckContext): void {
  const name = shownName(node.args[0]);
  const args = node.op === 'call' ? node.args[1] : node.args[2];
  if (name === 'matches') {
    context.errors.push(
      problem(node, '`matches` backtracks and can stall the gateway; use `matches_re2`, which takes linear time'),
    );
    return;
  }
  if (name === 'has') {
    const [argument] = args;
    if (argument?.op !== '.' || !isTags(argument.args[0]))
      context.errors.push(
        problem(node, '`has` is only for tags: `has(where.tags.env)`; every other fact is always there'),
      );
    return;
  }
  if (node.op === 'rcall' && METHOD_NAMES.has(name)) {
    const method = METHODS.find((row) => row.name === name && row.takes.length === args.length);
    // The type checker reports a wrong number of arguments.
    if (method) for (const [i, kind] of method.takes.entries()) checkArgument(args[i]!, kind, context);
    return;
  }
  if (!Object.hasOwn(BUILTINS, name))
    context.errors.push(
      problem(node, `unknown function \`${name}\`${hint(name, [...METHOD_NAMES, ...Object.keys(BUILTINS)])}`),
    );
}

function checkArgument(node: ASTNode, kind: ArgumentKind, context: CheckContext): void {
  if (kind === 'actions') {
    if (node.op !== 'list')
      context.errors.push(problem(node, 'a list of actions in quotes is needed here: ["read", "transaction"]'));
    else for (const item of node.args) checkArgument(item, 'action', context);
    return;
  }
  if (node.op !== 'value' || typeof node.args !== 'string') {
    context.errors.push(problem(node, 'a constant text in quotes is needed here'));
    return;
  }
  const message = CHECKS[kind](node.args, context);
  if (message !== undefined) context.errors.push(problem(node, message));
}

const CHECKS: Record<Exclude<ArgumentKind, 'actions'>, (text: string, context: CheckContext) => string | undefined> = {
  action: (text) =>
    (ACTIONS as readonly string[]).includes(text)
      ? undefined
      : `unknown action "${text}"${hint(text, ACTIONS)} (${ACTIONS.join(', ')})`,
  relation: (text, context) => {
    if (!Object.hasOwn(context.lists, text) && !text.includes('.') && text !== '*')
      return `no list is called "${text}"${hint(text, Object.keys(context.lists))}; a relation is written schema.name`;
    return addMatcher(text, context);
  },
  pattern: addMatcher,
  group: (text) => (text === '' ? 'a group has a name' : undefined),
  zone: (text) => {
    try {
      zoned(text);
      return undefined;
    } catch {
      return `unknown time zone "${text}"; write it as the IANA does: "Europe/Berlin"`;
    }
  },
  regex: (text, context) => {
    try {
      context.regexes.set(text, RE2JS.compile(text));
      return undefined;
    } catch (error) {
      return `${error instanceof Error ? error.message : 'bad regular expression'} (RE2 syntax)`;
    }
  },
};

function addMatcher(text: string, context: CheckContext): undefined {
  const names = Object.hasOwn(context.lists, text) ? context.lists[text]! : [text];
  const exact = new Set(names.filter((name) => !name.includes('*')));
  const wild = names.filter((name) => name.includes('*')).map(pattern);
  context.matchers.set(text, (name) => exact.has(name) || wild.some((matches) => matches(name)));
}

function problem(node: ASTNode, message: string): ExpressionError {
  return { message, start: node.start, end: node.end };
}

function isTags(node: ASTNode): boolean {
  return node.op === '.' && node.args[1] === 'tags' && node.args[0].op === 'id' && node.args[0].args === 'where';
}

function children(node: ASTNode): ASTNode[] {
  const found: ASTNode[] = [];
  const collect = (part: unknown): void => {
    if (Array.isArray(part)) for (const item of part) collect(item);
    else if (typeof part === 'object' && part !== null && 'op' in part) found.push(part as ASTNode);
  };
  collect(node.args);
  return found;
}

// Sound because CEL's && is false as soon as one side is, even when the other side fails.
function needs(node: ASTNode): readonly number[] {
  if (node.op === 'rcall' && node.args[0] === 'does') {
    const action = node.args[2][0]!;
    return action.op === 'value' ? [actionBit(action.args as Action)] : [];
  }
  if (node.op === '.' && node.args[0].op === 'id' && node.args[0].args === 'stmt') {
    const bit = factBit(node.args[1]);
    return bit === 0 ? [] : [bit];
  }
  if (node.op === '&&') return [...needs(node.args[0]), ...needs(node.args[1])];
  if (node.op === '||') {
    const [left] = needs(node.args[0]);
    const [right] = needs(node.args[1]);
    // One set of each side: all pairs of them would be more exact, and as many as the expression is long to the power of its depth.
    return left === undefined || right === undefined ? [] : [left | right];
  }
  return [];
}
