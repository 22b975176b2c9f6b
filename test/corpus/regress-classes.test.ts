// Against PostgreSQL's own regression suite as pgaudit classified it: 13,406 statements that a server ran. The corpus is not part of
// the repository: HOLDPOINT_CORPUS names the folder that has postgres-regress-pgaudit.jsonl.gz; without it the test says so and skips.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { PostgresAnalyser } from '../../src/sql/postgres/analyser.ts';
import { compare, type Judged, judge, type Labelled, open } from './agreement.ts';
import { agreementPage } from './agreement-page.ts';

const folder = process.env['HOLDPOINT_CORPUS'];
if (folder === undefined) console.log('NOT RUN: the regression corpus (set HOLDPOINT_CORPUS to its folder)');

test.skipIf(folder === undefined)(
  'the analysis agrees with pgaudit, but for what docs/generated/agreement.md explains',
  async () => {
    const rows = labelled(join(folder!, 'postgres-regress-pgaudit.jsonl.gz'));
    expect(rows.length).toBe(13_406);
    const analyser = await PostgresAnalyser.create();
    const all = await judgeAll(analyser, rows, 15);
    const newer = await judgeAll(analyser, rows, 18);
    expect(newer.filter(({ analysis }, i) => !same(analysis, all[i]!.analysis)).map(({ row }) => row.sql)).toEqual([]);

    const comparison = await compare(analyser, all);
    await analyser.close();
    expect(open(comparison)).toEqual([]);
    await expect(agreementPage(comparison)).toMatchFileSnapshot('../../docs/generated/agreement.md');
    console.log(`${rows.length} statements, 0 disagreements that docs/generated/agreement.md does not explain`);
  },
);

function labelled(file: string): Labelled[] {
  const lines = gunzipSync(readFileSync(file)).toString('utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Labelled);
}

async function judgeAll(
  analyser: PostgresAnalyser,
  rows: readonly Labelled[],
  server_version: number,
): Promise<Judged[]> {
  const all: Judged[] = [];
  for (const row of rows) all.push(await judge(analyser, row, server_version));
  return all;
}

function same(one: Judged['analysis'], other: Judged['analysis']): boolean {
  return (
    JSON.stringify([one.findings, one.reads, one.writes, one.error]) ===
    JSON.stringify([other.findings, other.reads, other.writes, other.error])
  );
}
