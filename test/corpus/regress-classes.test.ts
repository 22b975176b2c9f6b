// Against PostgreSQL's own regression suite as pgaudit classified it: 13,406 statements that a server ran. The corpus is not part of
// the repository: HOLDPOINT_CORPUS names the folder that has postgres-regress-pgaudit.jsonl.gz; without it the test says so and skips.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Analysis } from '../../src/sql/findings.ts';
import { analyseText } from '../../src/sql/postgres/analysis.ts';
import { Parser } from '../../src/sql/postgres/parser.ts';

interface Labelled {
  readonly sql: string;
  readonly classes: readonly string[];
}

const file = join(process.env['HOLDPOINT_CORPUS'] ?? '', 'postgres-regress-pgaudit.jsonl.gz');
const present = process.env['HOLDPOINT_CORPUS'] !== undefined && existsSync(file);
if (!present) console.log('NOT RUN: the regression corpus (set HOLDPOINT_CORPUS to its folder)');

test.skipIf(!present)('no DDL or ROLE statement without such a finding, no WRITE that is only a read', async () => {
  const parser = await Parser.create();
  const rows = gunzipSync(readFileSync(file))
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Labelled);
  expect(rows.length).toBeGreaterThan(13_000);
  const count = {
    unparsed: 0,
    refused: 0,
    unknown: 0,
    ddl_missed: 0,
    temporary: 0,
    role_missed: 0,
    write_missed: 0,
    only_planned: 0,
  };
  for (const row of rows) {
    const analysis = analyseText(parser, Buffer.from(row.sql, 'utf8').toString('latin1'), {
      server_version: 15,
      database: 'regression',
      role: 'postgres',
      search_path: '"$user", public',
      prepared: () => undefined,
    });
    if (analysis.error) {
      count[analysis.error.sqlstate === '0A000' ? 'refused' : 'unparsed'] += 1;
      continue;
    }
    const does = (...actions: string[]): boolean => analysis.findings.some((f) => actions.includes(f.action));
    if (does('unknown')) count.unknown += 1;
    if (row.classes.includes('DDL') && !does('ddl', 'grant', 'role'))
      count[onlyTemporary(analysis) ? 'temporary' : 'ddl_missed'] += 1;
    if (row.classes.includes('ROLE') && !does('ddl', 'grant', 'role')) count.role_missed += 1;
    // pgaudit logs a planned write as one; EXPLAIN without ANALYZE writes nothing.
    if (row.classes.includes('WRITE') && !does('write', 'ddl', 'code', 'admin')) {
      count[analysis.statements[0]?.kind === 'EXPLAIN' ? 'only_planned' : 'write_missed'] += 1;
    }
  }
  console.log(`${rows.length} statements:`, JSON.stringify(count));
  expect(count).toMatchObject({ unknown: 0, ddl_missed: 0, role_missed: 0, write_missed: 0 });
  // Passwords that the corpus redacted, and texts for standard_conforming_strings = off.
  expect(count.unparsed).toBeLessThanOrEqual(18);
});

function onlyTemporary(analysis: Analysis): boolean {
  return analysis.findings.some((f) => f.object.startsWith('pg_temp.'));
}
