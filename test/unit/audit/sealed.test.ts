import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openAuditLog } from '../../../src/audit/log.ts';
import { readLog } from '../../../src/audit/read.ts';

const sentinel = fc.string({ minLength: 8, maxLength: 40, unit: 'grapheme' }).map((text) => `SENTINEL${text}`);
const sealed = fc.dictionary(
  fc.stringMatching(/^[a-z]{1,8}$/),
  fc.oneof(sentinel, fc.array(sentinel, { maxLength: 3 })),
  {
    minKeys: 1,
    maxKeys: 4,
  },
);

it('what is sealed stands in no file, in any encoding that a reader might try, and comes back whole', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(sealed, { minLength: 1, maxLength: 5 }), async (payloads) => {
      const dir = mkdtempSync(join(tmpdir(), 'audit-sealed-'));
      try {
        const log = await openAuditLog({ dir, node: 'n1' });
        await Promise.all(
          payloads.map((payload) => log.append({ type: 'request.opened', clear: { n: 1 }, sealed: payload })),
        );
        await log.close();

        const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
        expect(files.length).toBeGreaterThanOrEqual(4);
        for (const file of files) {
          const bytes = readFileSync(join(file.parentPath, file.name));
          for (const form of forms(payloads)) expect(bytes.includes(form)).toBe(false);
        }
        const back = [];
        for await (const record of readLog(dir)) if (record.type === 'request.opened') back.push(record.sealed);
        expect(back).toEqual(payloads);
      } finally {
        rmSync(dir, { recursive: true });
      }
    }),
    // Each run opens and syncs a log of its own.
    { numRuns: 50 },
  );
});

it('equal texts have unequal commitments and ciphertexts', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'audit-sealed-'));
  try {
    const log = await openAuditLog({ dir, node: 'n1' });
    for (let i = 0; i < 300; i++) void log.append({ type: 'x.y', clear: {}, sealed: { text: 'the same' } });
    await log.close();
    const lines = readFileSync(join(dir, '00000001.jsonl'), 'utf8').split('\n').slice(1, -1);
    const parts = lines.map((line) => (JSON.parse(line) as { sealed: { commitment: string; text: string } }).sealed);
    expect(new Set(parts.map((part) => part.commitment)).size).toBe(300);
    expect(new Set(parts.map((part) => part.text.slice(0, 16))).size).toBe(300);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

/** The sentinel itself, and as base64 (in its three alignments), hex and UTF-16 would show it. */
function forms(payloads: readonly Readonly<Record<string, unknown>>[]): (string | Buffer)[] {
  const word = Buffer.from('SENTINEL');
  const aligned = [0, 1, 2].map((pad) =>
    Buffer.concat([Buffer.alloc(pad), word])
      .toString('base64')
      .slice(4, 10),
  );
  const json = payloads.map((payload) => JSON.stringify(payload));
  return [word, word.toString('hex'), Buffer.from('SENTINEL', 'utf16le'), ...aligned, ...json];
}
