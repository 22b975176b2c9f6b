// Against MySQL's and MariaDB's own test suites as the servers classified them: 25,371 statements. The corpus is not part of the
// repository: HOLDPOINT_CORPUS names the folder that has mysql-suite-servers.jsonl.gz; without it the test says so and skips.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { compare, type Labelled, SERVERS } from './mysql-agreement.ts';
import { agreementPage } from './mysql-agreement-page.ts';

const folder = process.env['HOLDPOINT_CORPUS'];
if (folder === undefined) console.log('NOT RUN: the MySQL suites (set HOLDPOINT_CORPUS to their folder)');

test.skipIf(folder === undefined)('the analysis agrees with the servers', async () => {
  const lines = gunzipSync(readFileSync(join(folder!, 'mysql-suite-servers.jsonl.gz')))
    .toString('utf8')
    .trim()
    .split('\n');
  const rows = lines.map((line) => JSON.parse(line) as Labelled);
  expect(rows.length).toBe(25_371);
  const all = SERVERS.map((server) => compare(rows, server));
  expect(all.flatMap(({ server, disagree }) => disagree.map((one) => `${server.name} ${one}`))).toEqual([]);
  for (const { agree, accepted, unknown } of all) {
    expect(agree / accepted).toBeGreaterThan(0.9995);
    expect(unknown / accepted).toBeLessThan(0.0005);
  }
  await expect(agreementPage(rows.length, all)).toMatchFileSnapshot('../../docs/generated/mysql-agreement.md');
});
