// Times, sizes and counts as the page prints them. Times are UTC and say so where they stand alone.
import type { RequestView } from '../review/schemas.ts';

/** "0:47", "11:42", "1:02:03"; never negative. */
export function countdown(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  return s < 3600
    ? `${Math.floor(s / 60)}:${two(s % 60)}`
    : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/** "14:05:31", UTC. */
export function clock(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}

/** "12 minutes", "3 hours": for sentences. */
export function roughly(ms: number): string {
  const units: readonly (readonly [number, string])[] = [
    [86_400_000, 'day'],
    [3_600_000, 'hour'],
    [60_000, 'minute'],
    [1_000, 'second'],
  ];
  const [size, word] = units.find(([unit]) => ms >= unit) ?? [1_000, 'second'];
  const n = Math.max(1, Math.round(ms / size));
  return `${n} ${word}${n === 1 ? '' : 's'}`;
}

export function count(n: number): string {
  return n.toLocaleString('en-US');
}

/** Decimal units, as the log has them. */
export function bytes(n: number): string {
  if (n < 1_000) return `${n} B`;
  return n < 1_000_000 ? `${(n / 1_000).toFixed(1)} kB` : `${(n / 1_000_000).toFixed(1)} MB`;
}

/** "Exports public.customers, about 212,000 rows": with the amount where the server has estimated one. */
export function whatItDoes({ sentence, impact }: RequestView): string {
  return impact?.amount ? `${sentence}, ${impact.amount}` : sentence;
}

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : countdown(ms);
}

/** "dba", "dba or data-owner", "any reviewer". */
export function either(names: readonly string[], none: string): string {
  return names.length === 0 ? none : names.join(' or ');
}
