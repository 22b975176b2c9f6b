// Prints what docs say about policies from the tables that the code reads: the JSON Schema and the page of facts.
// A test compares the committed files with these texts; UPDATE=1 writes them.
import { BUILTINS, FIELDS, METHODS, type Owner } from './facts.ts';
import { policyJsonSchema } from './schema.ts';

const ARGUMENT = {
  action: '"action"',
  actions: '["action", ...]',
  relation: '"relation"',
  pattern: '"name"',
  group: '"group"',
  zone: '"time zone"',
  regex: '"expression"',
} as const;
const ABOUT: Record<Owner | 'string', string> = {
  stmt: 'the statement',
  who: 'who sends it',
  where: 'where it goes',
  session: 'the session it comes in',
  time: 'the clock',
  string: 'any text',
};

export const printSchema = (): string => `${JSON.stringify(policyJsonSchema(), null, 2)}\n`;

/** docs/policy-facts.md */
export function printFacts(): string {
  return `# What a policy's expression can ask

<!-- Printed from src/policy/facts.ts; edit there. -->

\`when\` and \`unless\` are [CEL](https://cel.dev) expressions over these facts. A name that is not here, a wrong type, an
unknown action, list or time zone are errors when the file is loaded, with file, line and column.

In a batch each statement is judged by itself and the strictest verdict is the batch's. An argument is always a constant in
quotes. A *relation* is \`schema.name\` (MySQL: \`db.name\`); a relation or name may be a pattern, in which \`*\` stands for any
characters, or the name of a list of the file.

${(Object.keys(ABOUT) as (Owner | 'string')[]).map(section).join('\n')}
## Of CEL itself

Operators \`&& || ! == != < <= > >= + - * / % in ?:\`, lists, texts, numbers, and:

| | |
|---|---|
${Object.entries(BUILTINS)
  .map(([name, doc]) => `| \`${name}\` | ${cell(doc)} |`)
  .join('\n')}

CEL's \`matches\` is refused: it backtracks, and 29 characters can stall it for seconds. \`matches_re2\` takes linear time.

## When an expression fails

An expression that fails while it is evaluated (a tag that is not there, a role that is not known) counts against the
statement: as matched in a hold or deny rule, as not matched in an allow rule and in \`unless\`.
`;
}

function section(of: Owner | 'string'): string {
  const rows = [
    ...FIELDS.filter((field) => field.of === of).map(({ name, type, doc }) => [`${of}.${name}`, type, doc]),
    ...METHODS.filter((method) => method.of === of).map(({ name, takes, type, doc }) => [
      `${of === 'string' ? '"text"' : of}.${name}(${takes.map((kind) => ARGUMENT[kind]).join(', ')})`,
      type,
      doc,
    ]),
  ];
  return `## \`${of}\`: ${ABOUT[of]}\n\n| fact | type | means |\n|---|---|---|\n${rows
    .map(([fact, type, doc]) => `| \`${fact}\` | ${cell(type!)} | ${cell(doc!)} |`)
    .join('\n')}\n`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|');
