// The analysis's tables as a page of documentation. Holds no facts of its own.
import { FUNCTION_CLASSES, functionTable } from './functions.ts';
import { NEWER_CALLS } from './newer.ts';
import { settingTable } from './settings.ts';
import { STATEMENTS } from './statements.ts';

/** Markdown: every statement kind, what each class of built-in functions does and has in it, settings by action. */
export function statementsPage(): string {
  const statements = Object.entries(STATEMENTS)
    .filter(([kind]) => kind !== 'RawStmt')
    .map(
      ([kind, row]) =>
        `| ${kind} | ${typeof row.tag === 'string' ? row.tag : row.tag({})} | ${row.actions.join(', ')} | ${row.why} |`,
    );
  const functions = functionTable();
  const classes = Object.entries(FUNCTION_CLASSES).map(([name, of]) => {
    const members = functions.filter(([, found]) => found === name).map(([member]) => member);
    const listed = name === 'read' ? `${members.length} functions` : members.map((member) => `\`${member}\``).join(' ');
    return `| ${name} | ${of.actions.join(', ') || 'read'} | ${of.safe ? 'yes' : 'no'} | ${of.why} | ${listed} |`;
  });
  const settings = ['role', 'admin', 'settings'].map((action) => {
    const members = settingTable()
      .filter(([, found]) => found === action)
      .map(([name]) => `\`${name}\``);
    return `- **${action}** (${members.length}): ${members.join(' ')}`;
  });
  const newer = NEWER_CALLS.map(({ name, first }) => `| \`${name}\` | ${first} |`);
  return `# What Holdpoint makes of each PostgreSQL statement

Printed from the tables in \`src/sql/postgres/\` by \`tools/print-tables.ts\`; do not edit.
A kind, function or setting that is not listed here is \`unknown\`, or \`code\` that could not be resolved.

## Statements
A statement may have further findings for what it contains: functions, sub-queries, settings, casts to types that are not built in.

| kind of the grammar | command tag | actions | why |
|---|---|---|---|
${statements.join('\n')}

## Built-in functions (PostgreSQL 15 to 18)
Safe: calling it leaves search_path, role and the other facts of the session as they are.

| class | actions | safe | why | functions |
|---|---|---|---|---|
${classes.join('\n')}

## Calls with a syntax of their own
Before that version the name is looked up like any other: \`code\` that could not be resolved, unless that version has a built-in function or type of the name.

| name | since PostgreSQL |
|---|---|
${newer.join('\n')}

## Settings
What SET, set_config and a startup parameter are, by name. \`name.name\` of an extension is settings, unless the extension guards the server.

${settings.join('\n')}
`;
}
