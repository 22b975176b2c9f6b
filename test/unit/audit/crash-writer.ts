// The process that crash.test.ts kills: writes records and blocks as fast as it can, and says on stdout what was acknowledged.
// A pipe is written synchronously (Node's process I/O), so what the parent reads was acknowledged before the kill.

import { writeSync } from 'node:fs';
import { openCheckpoints } from '../../../src/audit/checkpoint.ts';
import { openAuditLog } from '../../../src/audit/log.ts';

const [dir = '', run = ''] = process.argv.slice(2);

/** All of it, however slowly the parent reads: its end of the pipe may be full. */
function tell(line: string): void {
  for (let rest = Buffer.from(line); rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'EAGAIN') throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}
const pause = new Int32Array(new SharedArrayBuffer(4));

tell('opening\n');
const log = await openAuditLog({
  dir,
  node: 'n1',
  segment_bytes_max: 64 * 1024,
  checkpoints: () => openCheckpoints({ dir, node: 'n1', every_ms: 5 }),
});
await Promise.all([0, 1, 2, 3, 4, 5].map((lane) => (lane === 5 ? blocks() : records(lane))));

async function records(lane: number): Promise<never> {
  for (let i = 0; ; i++) {
    const name = `${run}.${lane}.${i}`;
    const sealed = lane === 0 ? { sealed: { name, filler: 's'.repeat(i % 900) } } : {};
    const seq = await log.append({ type: 'x.y', clear: { name }, ...sealed });
    tell(`record ${name} ${seq}\n`);
  }
}

async function blocks(): Promise<never> {
  const session = log.session({ session: run });
  for (let i = 0; ; i++) {
    const name = `${run}.entry.${i}`;
    session.allowed(1, name, 'r', 'SELECT 1', 1, 1, 1);
    await session.flush();
    tell(`entry ${name} 0\n`);
  }
}
