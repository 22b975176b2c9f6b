// What the proof found, as a page of documentation: which files were chosen and why others were not, and each exception with its reason.
import { EXCEPTIONS } from './exceptions.ts';
import { explains, type Outcome } from './proof.ts';
import { CRITERIA, type Criterion, SUITES, type TestFile } from './source.ts';
import { PROTOCOLS } from './suite.ts';

/** Markdown for docs/generated/mtr.md. */
export function mtrPage(version: string, files: readonly TestFile[], outcomes: readonly Outcome[]): string {
  const of = (suite: string) => files.filter((file) => file.suite === suite);
  const criteria = Object.keys(CRITERIA) as Criterion[];
  const cells = (values: readonly (number | string)[]): string => `| ${values.join(' | ')} |`;
  const chosen = (some: readonly TestFile[]): number => some.filter(({ criterion }) => criterion === null).length;
  const without = (some: readonly TestFile[], criterion: Criterion): number =>
    some.filter((file) => file.criterion === criterion).length;
  const protocols = Object.keys(PROTOCOLS).filter((name) => outcomes.some(({ protocol }) => protocol === name));
  const counts = (name: string): readonly number[] => {
    const ran = outcomes.filter(({ protocol }) => protocol === name);
    const passed = ran.filter(({ direct }) => direct === 'passed');
    const differ = passed.filter(({ found }) => found.length > 0);
    return [
      ran.length,
      ran.filter(({ direct }) => direct === 'skipped').length,
      ran.filter(({ direct }) => direct === 'failed' || direct === 'too long').length,
      passed.filter(({ unsteady }) => unsteady).length,
      passed.length,
      passed.filter(({ expected }) => expected).length,
      passed.length - differ.length - passed.filter(({ unsteady }) => unsteady).length,
      differ.length,
    ];
  };
  return `# MariaDB's own test suites through the gateway

Printed by \`test/mtr/mtr.test.ts\` (\`UPDATE=1 npm run prove test/mtr\`); do not edit.

- **The suites**: Debian's packages mariadb-test and mariadb-test-data ${version}. Each file runs with mariadb-test at the same time directly and
  through a gateway that allows everything, on servers of their own that are as after an installation; both must record the same bytes.
- **Not chosen** is a file by the criteria below, which read its text and what it sources. Of the chosen, those count that run to their end
  directly; what mariadb-test-run would set up for the others (a debug build, plugins, programs) is not there.
- **text** is the text protocol, with all chosen files; **ps** prepares what can be prepared, and **cursor** fetches results from cursors
  besides, each with every fourth file. **catalog** is the text protocol before a gateway that reads the server's catalog, with every fortieth.

| protocol | files | skip themselves | do not run to their end directly | differ from themselves | ran | as the suite expects | equal through the gateway | differ as listed |
|---|${'---:|'.repeat(8)}
${protocols.map((name) => cells([name, ...counts(name)])).join('\n')}

## Chosen
| suite | files | chosen | ${criteria.join(' | ')} |
|---|${'---:|'.repeat(criteria.length + 2)}
${SUITES.map((suite) => cells([suite, of(suite).length, chosen(of(suite)), ...criteria.map((one) => without(of(suite), one))])).join('\n')}
${cells(['all', files.length, chosen(files), ...criteria.map((one) => without(files, one))])}

${criteria.map((one) => `- **${one}**: ${CRITERIA[one]}`).join('\n')}

## Exceptions
| file | reason | places |
|---|---|---:|
${exceptions(outcomes).map(cells).join('\n')}
`;
}

/** By file and reason; what any file may have, by its reason. */
function exceptions(outcomes: readonly Outcome[]): readonly (readonly [string, string, number])[] {
  const places = new Map<string, [string, string, number]>();
  for (const row of EXCEPTIONS) {
    const key = `${row.file} ${row.reason}`;
    const known = places.get(key) ?? [row.file === '*' ? 'any' : `\`${row.file}\``, row.reason, 0];
    for (const { found, protocol } of outcomes)
      known[2] += found.filter((hunk) => EXCEPTIONS.find((one) => explains(one, hunk, protocol)) === row).length;
    places.set(key, known);
  }
  return [...places.values()];
}
