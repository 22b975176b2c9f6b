import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAuditLog } from '../../../src/audit/log.ts';
import { RECORD_TYPES } from '../../../src/audit/record-types.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/audit-log.md'), 'utf8');

it('the page lists every type of record with its meaning, and no other', () => {
  const section = page.split('\n## Types\n')[1]?.split('\n\n')[0] ?? '';
  const rows = [...section.matchAll(/^\| `([a-z_.]+)` \| (.*) \|$/gm)].map(([, type, meaning]) => [type, meaning]);
  expect(rows).toEqual(Object.entries(RECORD_TYPES));
});

it('every type that the gateway writes is in the table', () => {
  const src = join(import.meta.dirname, '../../../src');
  const sources = ['audit', 'compose', 'gate', 'review'].flatMap((folder) =>
    readdirSync(join(src, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(join(src, folder, file), 'utf8')),
  );
  const areas = [...new Set(Object.keys(RECORD_TYPES).map((type) => type.split('.')[0]))].join('|');
  const written = sources.flatMap((text) =>
    [...text.matchAll(new RegExp(`type: '((?:${areas})\\.[a-z_]+)'`, 'g'))].map(([, type = '']) => type),
  );
  const journal = readFileSync(join(src, 'gate/journal.ts'), 'utf8').split('const toRecord')[1]?.split('\n};')[0] ?? '';
  const events = [...journal.matchAll(/case '([a-z_]+)':/g)].map(([, event = '']) => event);
  const named = events.filter((event) => event !== 'finished' && !event.startsWith('permit_'));
  expect([written.length > 25, named.length > 12]).toEqual([true, true]);
  const types = [...written, ...named.map((event) => `request.${event}`)];
  expect(types.filter((type) => !(type in RECORD_TYPES))).toEqual([]);
});

describe('the page’s script', () => {
  const folder = mkdtempSync(join(tmpdir(), 'audit-docs-'));
  const script = join(folder, 'check.py');
  const dir = join(folder, 'log');
  const check = () => execFileSync('python3', [script, dir], { encoding: 'utf8', stdio: 'pipe' });

  beforeAll(async () => {
    const source = /```python\n([^`]*)```/.exec(page)?.[1] ?? '';
    expect(source.trimEnd().split('\n').length).toBeLessThanOrEqual(25);
    writeFileSync(script, source);
    const log = await openAuditLog({ dir, node: 'n1', segment_bytes_max: 3000 });
    const session = log.session({ session: 'ä' });
    for (let i = 0; i < 20; i++) {
      session.allowed(i, 'select ü', 'r', 'SELECT 1', 1, 1, 1);
      await log.append({ type: 'request.opened', clear: { i, text: 'ß\u2028' }, sealed: { i } });
    }
    await log.close();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('agrees with the log', () => {
    // How many blocks the allowed statements make is a matter of time.
    const lines = readdirSync(dir).flatMap((file) =>
      file.endsWith('.jsonl') ? readFileSync(join(dir, file), 'utf8').trim().split('\n') : [],
    );
    expect(lines.length).toBeGreaterThan(20);
    expect(check()).toMatch(new RegExp(`^${lines.length} records, chain whole, last leaf [0-9a-f]{64}\\n$`));
  });

  it.each([
    [
      'an edit',
      '00000002.jsonl',
      /is not what its leaf hash says/,
      (bytes: Buffer) => Buffer.from(bytes.toString('latin1').replace('"n1"', '"n2"'), 'latin1'),
    ],
    [
      'a removed end',
      '00000002.jsonl',
      /leaf hashes of records that are gone/,
      (bytes: Buffer) => bytes.subarray(0, bytes.lastIndexOf('\n', -2) + 1),
    ],
    ['a torn end', '00000002.jsonl', /does not continue it/, (bytes: Buffer) => bytes.subarray(0, -1)],
    [
      'another leaf',
      '00000001.leaf',
      /record 2 is not what its leaf hash says/,
      (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i === 40 ? byte ^ 1 : byte))),
    ],
  ])('finds %s', (_, name, words, change) => {
    const path = join(dir, name);
    copyFileSync(path, `${path}.kept`);
    writeFileSync(path, change(readFileSync(path)));
    try {
      expect(check).toThrow(words);
    } finally {
      copyFileSync(`${path}.kept`, path);
    }
    check();
  });
});
