// One big result after another through a peer, read and thrown away by one client that only looks for its end.
import { performance } from 'node:perf_hooks';
import { FRAME, FrameReader, NEED_MORE } from '../src/wire/postgres/frame.ts';
import { BACKEND, query } from '../src/wire/postgres/messages.ts';
import { Raw } from '../test/real/raw.ts';
import { cpuOf, median, PASSWORD, type Peer } from './peers.ts';

/** pgbench's table of 100,000 rows, so many times: about 200 MB. */
const REPEATS = 18;
const SQL = `SELECT a.* FROM pgbench_accounts a, generate_series(1, ${REPEATS})`;
const RESULT_MB_MIN = 150;

/** Whole results until `seconds` have passed; the times are those of a result, in ms. */
export const stream = async (
  peer: Peer,
  seconds: number,
): Promise<{ rate: number; cpu_us: number; p50: number; p99: number }> => {
  const raw = await Raw.connect(peer.port);
  const login = await raw.login('bench', PASSWORD, { database: 'postgres' });
  if (login.at(-1)?.type !== 'Z') throw new Error(`no login at ${peer.name}`);
  raw.stream.removeAllListeners('data');
  const times: number[] = [];
  let bytes = 0;
  const start = performance.now();
  const before = cpuOf(peer);
  while (performance.now() - start < seconds * 1000) {
    const begun = performance.now();
    const received = await result(raw);
    if (received < RESULT_MB_MIN * 1e6) throw new Error(`${peer.name} sent ${received} bytes only`);
    bytes += received;
    times.push(performance.now() - begun);
  }
  const cpu = cpuOf(peer) - before;
  const elapsed_s = (performance.now() - start) / 1000;
  raw.destroy();
  const mb = bytes / 1e6;
  return { rate: mb / elapsed_s, cpu_us: cpu / mb, p50: median(times), p99: Math.max(...times) };
};

/** Resolves with the bytes up to ReadyForQuery. */
const result = (raw: Raw): Promise<number> => {
  const reader = new FrameReader('D', 64 * 1024);
  let bytes = 0;
  return new Promise((resolve, reject) => {
    const data = (chunk: Buffer): void => {
      bytes += chunk.length;
      reader.append(chunk);
      for (let found = reader.next(); found !== NEED_MORE; found = reader.next()) {
        if (found !== FRAME || reader.type !== BACKEND.ReadyForQuery) continue;
        raw.stream.off('data', data);
        raw.stream.off('close', gone);
        resolve(bytes);
      }
    };
    const gone = (): void => reject(new Error('the connection ended in the middle of a result'));
    raw.stream.on('data', data);
    raw.stream.on('close', gone);
    raw.send(query(SQL));
  });
};
