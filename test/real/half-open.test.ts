// Half-open connections: the other side is gone without a word, so no byte and no FIN ever comes. In a network of its own (unshare), where an
// address can be made to vanish; half-open-network.ts is what runs in it.
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { available } from './servers.ts';

const PROGRAM = new URL('half-open-network.ts', import.meta.url).pathname;
/** Ten questions, a second apart: what Node asks of the system. */
const ASKED_MS = 10_000;
/** Needs root and the programs unshare and ip. */
const possible = spawnSync('unshare', ['-n', 'ip', 'link', 'set', 'lo', 'up']).status === 0 && available(18);

test.skipIf(!possible)('TCP notices on both legs: 08006, a ticket, no backend left', async () => {
  const { stdout } = await promisify(execFile)('unshare', ['-n', process.execPath, '--import', 'tsx', PROGRAM], {
    timeout: 110_000,
  });
  expect(JSON.parse(stdout)).toEqual({
    server: { idle: '08006', held: '08006', afterwards: 'let in' },
    agent: { before: true, after: false },
    took_ms: expect.toSatisfy((ms: number) => ms > 1000 && ms < 1000 + ASKED_MS + 10_000),
  });
});
