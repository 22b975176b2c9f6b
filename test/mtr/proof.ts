// The proof itself: each file at the same time directly and through a gateway, on servers of their own; compares, and says what was found.
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { TestMysql } from '../real/mysql-servers.ts';
import { type Hunk, hunks } from '../regress/compare.ts';
import type { Exception } from '../regress/exceptions.ts';
import { EXCEPTIONS } from './exceptions.ts';
import type { TestFile } from './source.ts';
import { asExpected, type Bench, type Between, type FileResult, openBench, type Protocol } from './suite.ts';

/** A folder for both outputs of each file that differs, to look at. */
const kept = process.env['HOLDPOINT_MTR_OUTPUT'];

/** A file through the gateway may take so many times as long as directly, on a machine that does both at once. */
const SLOWER = 6;

/** What became of a file. */
export interface Outcome {
  readonly file: TestFile;
  readonly protocol: Protocol;
  readonly direct: FileResult['ending'];
  /** The direct output is the suite's own. */
  readonly expected: boolean;
  /** Two direct runs do not agree: nothing can be said. */
  readonly unsteady: boolean;
  readonly found: readonly Hunk[];
}

/** Runs one after another: all, or no more when `most_ms` have passed since the first and one at least ran. */
export async function compareAll(
  files: readonly TestFile[],
  protocol: Protocol,
  gateway: (server: TestMysql) => Promise<Between>,
  direct_timeout_ms: number,
  most_ms = Number.POSITIVE_INFINITY,
): Promise<readonly Outcome[]> {
  const began = performance.now();
  const direct = await openBench(protocol, null, direct_timeout_ms);
  const through = await openBench(protocol, gateway, SLOWER * direct_timeout_ms);
  const outcomes: Outcome[] = [];
  try {
    let until = Number.POSITIVE_INFINITY;
    for (const file of files) {
      const outcome = await compare(file, protocol, direct, through);
      outcomes.push(outcome);
      if (kept !== undefined) await appendFile(join(kept, `${protocol}.log`), `${JSON.stringify(outcome)}\n`);
      if (outcomes.length === 1) until = performance.now() + most_ms;
      if (performance.now() > until && outcomes.some((one) => one.direct === 'passed')) break;
    }
  } finally {
    await Promise.all([direct.stop(), through.stop()]);
  }
  const count = (of: (outcome: Outcome) => boolean): number => outcomes.filter(of).length;
  const ran = (ending: FileResult['ending']) => count((outcome) => outcome.direct === ending);
  console.log(
    [
      `suites of MariaDB, ${protocol} protocol, ${outcomes.length} files: ${ran('passed')} ran directly`,
      `(${count(({ expected }) => expected)} as the suite expects), ${ran('skipped')} skip themselves, ${ran('failed')} do not run to their end here, ${ran('too long')} take too long;`,
      `of those that ran ${count((one) => one.direct === 'passed' && one.found.length === 0 && !one.unsteady)} equal through the gateway,`,
      `${count(({ found }) => found.length > 0)} differ, ${count(({ unsteady }) => unsteady)} do not agree with themselves;`,
      `${direct.servers()} and ${through.servers()} servers, ${((performance.now() - began) / 1000).toFixed(0)} s`,
    ].join(' '),
  );
  return outcomes;
}

/** Every difference is listed. */
export function expectListed(outcomes: readonly Outcome[]): void {
  const unlisted = outcomes.flatMap(({ found, protocol }) =>
    found
      .filter((hunk) => !EXCEPTIONS.some((row) => explains(row, hunk, protocol)))
      .map((hunk) => show(hunk, protocol)),
  );
  expect(unlisted).toEqual([]);
}

/** Rows of the list that no difference is of. */
export function unusedExceptions(outcomes: readonly Outcome[]): readonly Exception[] {
  return EXCEPTIONS.filter(
    (row) =>
      row.sometimes !== true &&
      !outcomes.some(({ found, protocol }) => found.some((hunk) => explains(row, hunk, protocol))),
  );
}

export function explains({ file, hunk, only }: Exception, found: Hunk, protocol: Protocol): boolean {
  return (only === undefined || only === protocol) && (file === '*' || file === found.file) && hunk.test(found.text);
}

async function compare(file: TestFile, protocol: Protocol, direct: Bench, through: Bench): Promise<Outcome> {
  const [one, other] = await Promise.all([direct.run(file), through.run(file)]);
  const outcome = { file, protocol, direct: one.ending, expected: false, unsteady: false, found: [] };
  if (one.ending !== 'passed') return outcome;
  const expected = await asExpected(one);
  if (one.output === other.output) return { ...outcome, expected };
  const again = await direct.run(file, true);
  if (kept !== undefined) await keep(join(kept, protocol), one, other);
  if (again.output !== one.output) return { ...outcome, expected, unsteady: true };
  const found =
    other.ending === 'passed'
      ? await hunks(file.name, one.output, other.output)
      : [{ file: file.name, line: 0, text: `+${other.ending}: ${other.output}` }];
  return { ...outcome, expected, found };
}

function show({ file, line, text }: Hunk, protocol: Protocol): string {
  return `${file}:${line} (${protocol})\n${text.length > 600 ? `${text.slice(0, 600)}...` : text}`;
}

async function keep(dir: string, direct: FileResult, through: FileResult): Promise<void> {
  for (const [name, { file, output }] of [
    ['direct', direct],
    ['gateway', through],
  ] as const) {
    await mkdir(join(dir, name), { recursive: true });
    await writeFile(join(dir, name, file.name.replaceAll('/', '+')), output, 'latin1');
  }
}
