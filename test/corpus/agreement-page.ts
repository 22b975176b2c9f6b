// The comparison with pgaudit as a page of documentation: counts and reasons, never a statement. Holds no facts of its own.
import { ACTIONS } from '../../src/sql/findings.ts';
import { type Answer, type Comparison, matrix, REDACTED } from './agreement.ts';

/** Markdown for docs/generated/agreement.md. */
export function agreementPage({ all, parsed, texts, classes, theirs, ours, by_state, whole }: Comparison): string {
  const redacted = all.filter(({ row }) => row.sql.includes(REDACTED)).length;
  return `# How the PostgreSQL analysis agrees with pgaudit

Printed by \`test/corpus/regress-classes.test.ts\` (\`UPDATE=1 npm run prove regress-classes\`); do not edit.

- **The collection**: ${number(all.length)} distinct statements of PostgreSQL's own regression suite that PostgreSQL 15 ran, each with what pgaudit
  logged of it. One text may have run in several tests: its labels are those of all runs. It is no part of this repository;
  HOLDPOINT_CORPUS names its folder.
- **The analysis**: of the text alone, as \`holdpoint policy explain\` makes it without a catalog, with search_path \`public\`. For servers
  15 and 18 it says the same of every statement.
- **Unexplained** is a fault: the test fails. So does a reason that covers nothing any more.

## Texts
| | statements | why |
|---|---:|---|
| judged | ${number(texts.agrees)} | ${number(redacted)} of them with a literal where pgaudit left a password out. |
${reasons(texts)}

## Classes
| what has to hold | statements | agree | explained | unexplained |
|---|---:|---:|---:|---:|
${classes
  .map((rule) => {
    const left = count(rule, null);
    const explained = rule.applies - rule.agrees - left;
    return `| ${rule.about} | ${[rule.applies, rule.agrees, explained, left].map(number).join(' | ')} |`;
  })
  .join('\n')}

${classes
  .filter((rule) => rule.reasons.length > 0)
  .map(
    (rule) => `Where it does not hold that ${rule.about}:

| | statements | why |
|---|---:|---|
${reasons(rule)}
`,
  )
  .join('\n')}
Classes of pgaudit (down) and actions of Holdpoint (across). A statement may have several of both.

| | statements | ${ACTIONS.join(' | ')} |
|---|---:|${ACTIONS.map(() => '---:').join('|')}|
${matrix(parsed)
  .map(([name, members, actions]) => `| ${name} | ${[members, ...actions].map(number).join(' | ')} |`)
  .join('\n')}

## Relations
Those that pgaudit names of a statement, and the \`reads\` and \`writes\` of its analysis. ${number(whole)} of ${number(parsed.length)} statements have the same on both
sides once the session's state is known. Relation by relation, each once for a statement:

| | relations | why |
|---|---:|---|
| agree | ${number(theirs.agrees)} | From the text alone. |
| agree, given the session's temporary tables | ${number(by_state.temporary)} | An earlier statement made one that hides the table in the path. Told of it, the analysis names it, too; where it may be gone by then, the lasting one. |
| agree, given the test's search_path | ${number(by_state.search_path)} | An earlier statement had set it. Told of it, the analysis names the same. |

pgaudit names it, the analysis of the text does not:

| | relations | why |
|---|---:|---|
${reasons(theirs)}

The analysis names it, pgaudit does not:

| | relations | why |
|---|---:|---|
${reasons(ours)}
`;
}

function reasons(of: Answer): string {
  const rows = of.reasons.map((reason) => `| ${reason.what} | ${number(count(of, reason))} | ${reason.why} |`);
  return [...rows, `| unexplained | ${number(count(of, null))} | |`].join('\n');
}

function count({ differs }: Answer, reason: Answer['reasons'][number] | null): number {
  return differs.get(reason)?.length ?? 0;
}

function number(value: number): string {
  return value.toLocaleString('en');
}
