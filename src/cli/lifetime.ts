// How long a serving command runs: until the first signal, on which it ends in order. A second signal ends the process at once.
import { once } from 'node:events';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Resolves on the first signal from now on. */
export async function nextSignal(): Promise<void> {
  const listening = new AbortController();
  await Promise.race(SIGNALS.map((name) => once(process, name, { signal: listening.signal }).catch(() => undefined)));
  for (const name of SIGNALS) process.once(name, () => process.exit(1));
  listening.abort();
}
