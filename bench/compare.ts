// One table: the same load on each peer in turn, round after round, and who used how much CPU. A ratio is the median of the rounds' ratios:
// the machine's moods last longer than a round. CPU is user and system time of the proxy's process by /proc, for each query or MB; throughput is
// printed too, but the machine that runs the load shares it.
import { median, type Peer } from './peers.ts';

export const ROUNDS = Number(process.env['HOLDPOINT_BENCH_ROUNDS'] ?? 5);
export const SECONDS = Number(process.env['HOLDPOINT_BENCH_SECONDS'] ?? 4);
/** A runtime that compiles what is used often needs some seconds to know it. */
const WARM_UP_SECONDS = 10;

/** The modes to measure: all, or those that HOLDPOINT_BENCH_MODES names. */
export const wanted = (modes: Readonly<Record<string, unknown>>): readonly string[] => {
  const names = process.env['HOLDPOINT_BENCH_MODES']?.split(',') ?? Object.keys(modes);
  const unknown = names.find((name) => !(name in modes));
  if (unknown !== undefined) throw new Error(`there is no mode ${unknown}: ${Object.keys(modes).join(', ')}`);
  return names;
};

export interface Sample {
  /** Queries, or MB, a second. */
  readonly rate: number;
  /** µs of user and system time for each query, or MB. */
  readonly cpu_us: number;
  /** ms */
  readonly p50: number;
  readonly p99: number;
}

export interface Table {
  readonly title: string;
  readonly unit: 'query' | 'MB';
  readonly rates: 'queries/s' | 'MB/s';
  /** The peer whose CPU is 1. */
  readonly beside: string;
  /** Times its CPU that the gateway's may be; null: printed beside the others, promised nowhere. */
  readonly must: number | null;
}

export const compare = async (
  { title, unit, rates, beside, must }: Table,
  peers: readonly Peer[],
  measure: (peer: Peer, seconds: number) => Promise<Sample>,
): Promise<void> => {
  const samples = new Map<string, Sample[]>(peers.map(({ name }) => [name, []]));
  for (const peer of peers) await measure(peer, WARM_UP_SECONDS);
  for (let round = 0; round < ROUNDS; round++)
    for (const peer of peers) samples.get(peer.name)?.push(await measure(peer, SECONDS));
  const middle = (name: string, pick: (sample: Sample) => number): number =>
    median((samples.get(name) ?? []).map(pick));
  const one = samples.get(beside) ?? [];
  const ratio = (name: string): number =>
    median((samples.get(name) ?? []).map((sample, round) => sample.cpu_us / (one[round]?.cpu_us ?? Number.NaN)));
  const direct = middle('direct', (sample) => sample.p50);
  const missed = must !== null && ratio('holdpoint') > must;
  const rule = must === null ? '' : `; must: at most ${must} x ${beside}'s CPU${missed ? ': MISSED' : ''}`;
  console.log(`${title}${rule}`);
  console.log(
    `  peer      ${rates.padStart(11)}${`CPU µs/${unit}`.padStart(15)}${`CPU vs ${beside}`.padStart(19)}   p50 ms   p99 ms   added p50 µs`,
  );
  for (const { name, child, pid } of peers) {
    const p50 = middle(name, (sample) => sample.p50);
    console.log(
      [
        `  ${name.padEnd(10)}`,
        middle(name, (sample) => sample.rate)
          .toFixed(0)
          .padStart(11),
        (child === null && pid === undefined ? '-' : middle(name, (sample) => sample.cpu_us).toFixed(1)).padStart(15),
        (child === null ? '-' : `${ratio(name).toFixed(2)} x`).padStart(19),
        p50.toFixed(3).padStart(9),
        middle(name, (sample) => sample.p99)
          .toFixed(3)
          .padStart(9),
        (name === 'direct' ? '-' : ((p50 - direct) * 1000).toFixed(0)).padStart(15),
      ].join(''),
    );
  }
  console.log('');
};
