// The red bar of a gateway that stops nothing: on every page, above all else, so that nobody takes an empty queue for a quiet day.
import { mode } from './state.ts';

export function Observing() {
  if (mode.value !== 'observe') return null;
  return (
    <aside class="observing" aria-label="Mode">
      <b>Observing.</b> Nothing is held or denied by policy: what it would stop runs, and is recorded.
    </aside>
  );
}
