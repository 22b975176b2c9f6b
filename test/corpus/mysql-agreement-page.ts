// The comparison with the servers' own classes as a page of documentation: counts, never a statement.
import type { Comparison } from './mysql-agreement.ts';

/** Markdown for docs/generated/mysql-agreement.md. */
export function agreementPage(statements: number, all: readonly Comparison[]): string {
  const cells = (of: (one: Comparison) => string): string => all.map(of).join(' | ');
  const rules = [...new Set(all.flatMap((one) => [...one.rules.keys()]))];
  return `# How the MySQL analysis agrees with the servers

Printed by \`test/corpus/mysql-suite.test.ts\` (\`UPDATE=1 npm run prove mysql-suite\`); do not edit.

- **The collection**: ${number(statements)} distinct statements of MySQL's and MariaDB's own test suites, each with the class (EVENT_NAME of
  performance_schema) that the servers gave it. A user without privileges sent them: parsed, classified, then refused. It is no part
  of this repository; HOLDPOINT_CORPUS names its folder.
- **The analysis**: of the text alone, without a catalog, under the servers' default sql_mode.
- A kind that is another one, or an action that is missing, is a fault: the test fails.

| | ${cells(({ server }) => server.name)} |
|---|${'---:|'.repeat(all.length)}
| accepted as syntax | ${cells((one) => number(one.accepted))} |
| our kind is the server's | ${cells((one) => number(one.agree))} |
| it is another | ${cells((one) => number(one.disagree.length))} |
| agreement | ${cells((one) => percent(one.agree, one.accepted))} |
| \`unknown\`: held for want of knowledge | ${cells((one) => `${number(one.unknown)} (${percent(one.unknown, one.accepted)})`)} |

Statements that the server classes as follows, each with an action that holds:

| | ${cells(({ server }) => server.name)} |
|---|${'---:|'.repeat(all.length)}
${rules.map((rule) => `| ${rule} | ${cells((one) => number(one.rules.get(rule) ?? 0))} |`).join('\n')}
`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(3)} %`;
}
