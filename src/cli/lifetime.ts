// How long a serving command runs: until the first signal, or until nobody takes its output any more; then it ends in order. A second
// signal ends the process at once.
import { once } from 'node:events';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Resolves on the first signal from now on, or when standard output breaks: a closed terminal or pipe must not leave a database behind. */
export async function nextSignal(): Promise<void> {
  const listening = new AbortController();
  const unread = new Promise<void>((resolve) => {
    process.stdout.on('error', () => resolve());
  });
  await Promise.race([
    unread,
    ...SIGNALS.map((name) => once(process, name, { signal: listening.signal }).catch(() => undefined)),
  ]);
  for (const name of SIGNALS) process.once(name, () => process.exit(1));
  listening.abort();
}
