// A large log (48 MB; 1 GB under prove) in bounded memory: `audit verify`, a start, and retention, each with its speed; the first as a process of
// its own, as an auditor runs it, before and after a removal.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { type Kept, keptLog } from './removing.ts';

const prove = process.env['HOLDPOINT_PROVE'] === '1';
const MB = 1e6;
const BYTES = (prove ? 1000 : 48) * MB;
const SEGMENT_BYTES = prove ? 64 * 1024 * 1024 : 8 * 1024 * 1024;
/** Far above what it takes, far below the log at full size. */
const RESIDENT_BYTES_MAX = 700 * MB;
const AT_ONCE = 2000;
const FILLER = 'f'.repeat(500);
const repo = join(import.meta.dirname, '../../..');
/** Says at its end how much memory the process had at most. */
const WEIGH = `data:text/javascript,${encodeURIComponent(
  "process.on('exit', () => process.stderr.write('resident ' + process.resourceUsage().maxRSS * 1024))",
)}`;
const root = mkdtempSync(join(tmpdir(), 'audit-large-'));
const dir = join(root, 'log');
afterAll(() => rmSync(root, { recursive: true, force: true }));

const run = promisify(execFile);
const timed = async <T>(work: () => Promise<T>): Promise<readonly [T, number]> => {
  const begun = performance.now();
  const value = await work();
  return [value, (performance.now() - begun) / 1000];
};
const speed = (bytes: number, s: number): string => `${s.toFixed(1)} s, ${Math.round(bytes / MB / s)} MB/s`;

async function verify(key: string): Promise<{ readonly out: string; readonly resident: number; readonly s: number }> {
  const args = ['--import', 'tsx', '--import', WEIGH, 'src/main.ts', 'audit', 'verify', dir, '--key', key];
  const [{ stdout, stderr }, s] = await timed(() => run(process.execPath, args, { cwd: repo }));
  return { out: stdout, resident: Number(/resident (\d+)/.exec(stderr)?.[1]), s };
}

async function fill({ log }: Kept, records: number): Promise<void> {
  for (let i = 0; i < records; i += AT_ONCE)
    await Promise.all(
      Array.from({ length: AT_ONCE }, (_, more) =>
        log.append({ type: 'x.y', clear: { i: i + more, filler: FILLER }, ...(more % 10 === 0 && { sealed: { i } }) }),
      ),
    );
}

it('is verified, opened and shortened in bounded memory', { timeout: prove ? 1_800_000 : 180_000 }, async () => {
  const records = Math.ceil(BYTES / 790);
  const options = { dir, segment_bytes_max: SEGMENT_BYTES };
  const made = await keptLog(options);
  const key = made.checkpoints.signer.verifier_key;
  await fill(made, records);
  await made.close();

  const before = await verify(key);
  expect(before.out).toMatch(/verified {6}records 1 to \d+ are as they were signed/);
  const [kept, open_s] = await timed(() => keptLog({ ...options, bytes_max: BYTES / 2 }));
  const [, removal_s] = await timed(() => kept.retention.look());
  await kept.close();
  const left = readdirSync(dir)
    .filter((name) => name.endsWith('.jsonl'))
    .toSorted();
  expect(Number(left[0]?.slice(0, 8))).toBeGreaterThan(2);
  const after = await verify(key);
  expect(after.out).toMatch(/removed {7}records 1 to \d+: by retention \(size\)/);
  expect(after.out).toContain('The log verifies.');
  const [again, again_s] = await timed(() => keptLog(options));
  await again.close();
  console.log(
    [
      `audit: ${records} records, ${BYTES / MB} MB`,
      `audit verify: ${speed(BYTES, before.s)}, ${Math.round(before.resident / MB)} MB resident; after the removal ${after.s.toFixed(1)} s, ${Math.round(after.resident / MB)} MB`,
      `a start: ${speed(BYTES, open_s)}; after the removal ${again_s.toFixed(1)} s`,
      `retention of half of it, beside the work: ${speed(BYTES / 2, removal_s)}`,
    ].join('\n'),
  );
  expect(before.resident).toBeLessThan(RESIDENT_BYTES_MAX);
  expect(after.resident).toBeLessThan(RESIDENT_BYTES_MAX);
});
